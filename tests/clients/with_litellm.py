"""A conversation with LiteLLM's package, whose chunks it puts together itself."""

import json
import sys
from typing import Any

import litellm

Json = dict[str, Any]
litellm.suppress_debug_info = True  # it would print it between the answers
told = json.loads(sys.argv[1])
model: str = told["model"]


def whole(messages: list[Json]) -> Json:
    completion = litellm.completion(model=f"openai/{model}", messages=messages)
    return of_completion(completion, with_usage=True)


def plain_loop(messages: list[Json]) -> Json:
    content = role = finish = ""
    for chunk in chunks_of(messages):
        content += chunk.choices[0].delta.content or ""
        role += chunk.choices[0].delta.role or ""
        finish += chunk.choices[0].finish_reason or ""
    return {"content": content, "role": role, "finish": finish, "model": chunk.model}


def accumulated(messages: list[Json]) -> Json:
    """Where it was told no usage, it counts words itself: that is not ours."""
    chunks = list(chunks_of(messages))
    return of_completion(litellm.stream_chunk_builder(chunks), with_usage=False)


def accumulated_with_usage(messages: list[Json]) -> Json:
    chunks = list(chunks_of(messages, stream_options={"include_usage": True}))
    return of_completion(litellm.stream_chunk_builder(chunks), with_usage=True)


def chunks_of(messages: list[Json], **options: Any) -> Any:
    name = f"openai/{model}"
    return litellm.completion(model=name, messages=messages, stream=True, **options)


def of_completion(completion: Any, with_usage: bool) -> Json:
    choice, usage = completion.choices[0], completion.usage
    return {
        "content": choice.message.content,
        "role": choice.message.role,
        "finish": choice.finish_reason,
        "model": completion.model,
        "tokens": (
            [usage.prompt_tokens, usage.completion_tokens] if with_usage else None
        ),
    }


WAYS = {f.__name__: f for f in (whole, plain_loop, accumulated, accumulated_with_usage)}
answers: list[Json] = []
messages: list[Json] = [{"role": "system", "content": told["system"]}]
for prompt in told["prompts"]:
    messages.append({"role": "user", "content": prompt})
    answers.append(WAYS[told["way"]](messages))
    messages.append({"role": "assistant", "content": answers[-1]["content"]})
print(json.dumps(answers))
