"""A conversation with the command llm, to which the model was added in its YAML."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

told = json.loads(sys.argv[1])
folder = Path(os.environ["HOME"]) / "llm"
folder.mkdir()
(folder / "extra-openai-models.yaml").write_text(f"""\
- model_id: painter
  model_name: {told["model"]}
  api_base: "{os.environ["OPENAI_BASE_URL"]}"
  api_key_name: painter
""")
(folder / "keys.json").write_text(json.dumps({"painter": os.environ["OPENAI_API_KEY"]}))
OPTIONS = {"whole": ["--no-stream"], "accumulated_with_usage": []}


def llm(*arguments: str) -> str:
    """What the command prints; what it says of a failure is shown beside ours."""
    command = [Path(sys.executable).parent / "llm", *arguments]
    environment = {**os.environ, "LLM_USER_PATH": str(folder)}
    done = subprocess.run(
        command, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


answers: list[dict[str, Any]] = []
for prompt in told["prompts"]:
    begun = ["--continue"] if answers else ["--system", told["system"]]
    shown = llm("-m", "painter", *begun, *OPTIONS[told["way"]], prompt)
    [logged] = json.loads(llm("logs", "--json", "--count", "1"))
    kept = logged["response_json"]
    [choice] = kept.get("choices", [kept])  # of a stream it keeps what it put together
    answers.append(
        {
            "content": shown,
            "finish": choice["finish_reason"],
            "model": kept["model"],
            "tokens": [logged["input_tokens"], logged["output_tokens"]],
        }
    )
print(json.dumps(answers))
