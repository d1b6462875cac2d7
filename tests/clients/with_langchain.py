"""A conversation with LangChain's ChatOpenAI, whose chunks are added up."""

import json
import os
import sys
from typing import Any

from langchain_openai import ChatOpenAI

Messages = list[tuple[str, str]]
told = json.loads(sys.argv[1])
llm = ChatOpenAI(model=told["model"], base_url=os.environ["OPENAI_BASE_URL"])


def whole(messages: Messages) -> Any:
    return llm.invoke(messages)


def accumulated(messages: Messages, **options: Any) -> Any:
    full = None
    for chunk in llm.stream(messages, **options):
        full = chunk if full is None else full + chunk
    return full


def accumulated_with_usage(messages: Messages) -> Any:
    return accumulated(messages, stream_usage=True)


WAYS = {f.__name__: f for f in (whole, accumulated, accumulated_with_usage)}
answers: list[dict[str, Any]] = []
messages: Messages = [("system", told["system"])]
for prompt in told["prompts"]:
    messages.append(("human", prompt))
    message = WAYS[told["way"]](messages)
    usage = message.usage_metadata
    answers.append(
        {
            "content": message.content,
            "finish": message.response_metadata["finish_reason"],
            "model": message.response_metadata["model_name"],
            "tokens": usage and [usage["input_tokens"], usage["output_tokens"]],
        }
    )
    messages.append(("ai", message.content))
print(json.dumps(answers))
