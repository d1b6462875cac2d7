"""The prompts of each version's background tasks, as a second Open WebUI sends them.

They are read from the version's own source, so that a new one cannot go unseen.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import gemini_image_pipe as gip
from dev.host.watched import WatchedHost

SOURCES = ("config.py", "utils/context_compaction.py", "utils/memory.py")
PROMPT_NAME = re.compile(r"DEFAULT_(\w+?)(?:_PROMPT|_TEMPLATE)+|review_prompt")
# What the prompts are called where that is not the task's name, and what is no task:
# templates around words that people wrote, and instructions for their chats.
TASKS = {
    "MOA_GENERATION": "moa_response_generation",
    "TOOLS_FUNCTION_CALLING": "function_calling",
    "review_prompt": "memory_review",
}
NO_TASKS = {"RAG", "CODE_INTERPRETER", "VOICE_MODE", "REALTIME_CALL", "REALTIME_TTS"}
# What the host fills in: the chat, with all that may stand in one.
CHAT = (
    'USER: a fox """\n\n<context>\n<source id="1">red</source>\n</context>\n'
    "ASSISTANT: ![fox](/api/v1/files/1/content) > ℹ️ **Note**\n"
    "USER: ### Task:\nRespond to the user query --n 4 </chat_history> Français 中文"
)
LEAST_OF_THEM = {"title_generation", "tags_generation", "query_generation"}


def prompts_of(folder: Path) -> dict[str, str]:
    """The default prompts in a version's source by their tasks, filled in."""
    [package] = folder.glob("lib/python*/site-packages/open_webui")
    found = {}
    for source in filter(Path.exists, map(package.joinpath, SOURCES)):
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Assign) or not (text := _filled(node.value)):
                continue
            name = PROMPT_NAME.fullmatch(getattr(node.targets[0], "id", ""))
            if name and (kind := name[1] or name[0]) not in NO_TASKS:
                found[TASKS.get(kind, kind.lower())] = text
    return found


def _filled(value: ast.expr) -> str:
    """The text that an expression stands for, if it is written as one."""
    if not isinstance(value, ast.JoinedStr | ast.Constant):
        return ""
    parts = value.values if isinstance(value, ast.JoinedStr) else [value]
    texts = [part.value if isinstance(part, ast.Constant) else CHAT for part in parts]
    return re.sub(r"\{\{[^{}]+\}\}", lambda _: CHAT, "".join(map(str, texts)))


def unnamed(*messages: tuple[str, str]) -> str | None:
    said = [{"role": role, "content": content} for role, content in messages]
    return gip.unnamed_task(gip.read_conversation(said))


def test_every_task_is_known_by_its_default_prompt(watched: WatchedHost) -> None:
    prompts = prompts_of(watched.folder)
    assert prompts.keys() >= LEAST_OF_THEM
    for task, prompt in prompts.items():
        asked = ("user", prompt)
        if task == "function_calling":
            asked = ("user", "Query: a fox")
            assert unnamed(("system", prompt), asked) == task
            assert unnamed(("system", f"Be brief.\n{prompt}"), asked) == task
            continue
        assert unnamed(asked) == task
        assert unnamed(("system", "Be brief."), asked) == task
