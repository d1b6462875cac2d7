"""A conversation with OpenAI's client for Python, as its README has it."""

import json
import sys
from typing import Any

from openai import OpenAI

Json = dict[str, Any]
told = json.loads(sys.argv[1])
client = OpenAI()


def whole(question: Json) -> Json:
    completion = client.chat.completions.create(**question)
    return of_completion(completion)


def plain_loop(question: Json) -> Json:
    stream = client.chat.completions.create(**question, stream=True)
    content = role = finish = ""
    for chunk in stream:
        content += chunk.choices[0].delta.content or ""
        role += chunk.choices[0].delta.role or ""
        finish += chunk.choices[0].finish_reason or ""
    return {"content": content, "role": role, "finish": finish, "model": chunk.model}


def accumulated(question: Json) -> Json:
    with client.chat.completions.stream(**question) as stream:
        for _ in stream:
            pass
        return of_completion(stream.get_final_completion())


def accumulated_with_usage(question: Json) -> Json:
    return accumulated({**question, "stream_options": {"include_usage": True}})


def of_completion(completion: Any) -> Json:
    choice = completion.choices[0]
    usage = completion.usage
    return {
        "content": choice.message.content,
        "role": choice.message.role,
        "finish": choice.finish_reason,
        "model": completion.model,
        "tokens": usage and [usage.prompt_tokens, usage.completion_tokens],
    }


WAYS = {f.__name__: f for f in (whole, plain_loop, accumulated, accumulated_with_usage)}
answers: list[Json] = []
messages: list[Json] = [{"role": "developer", "content": told["system"]}]
for prompt in told["prompts"]:
    messages.append({"role": "user", "content": prompt})
    answers.append(WAYS[told["way"]]({"model": told["model"], "messages": messages}))
    messages.append({"role": "assistant", "content": answers[-1]["content"]})
print(json.dumps(answers))
