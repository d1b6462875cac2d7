"""What a chat shows, and what the list of models says, with these settings."""

from __future__ import annotations

import asyncio
from typing import Any

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY


def pipe_with(address: str, key: str = DEFAULT_KEY, **valves: Any) -> gip.Pipe:
    """The plugin, that asks once only."""
    pipe = gip.Pipe()
    settings = {"GEMINI_API_BASE_URL": address, "GEMINI_API_KEY": key}
    pipe.valves = pipe.Valves(**{**settings, "MAX_RETRIES": "0", **valves})
    return pipe


def ask(pipe: gip.Pipe, prompt: Any, model: str = gip.AUTO) -> str:
    """The whole answer, as an administrator reads it."""
    body = {"model": f"x.{model}", "messages": [{"role": "user", "content": prompt}]}
    answer = asyncio.run(pipe.pipe(body, __user__={"id": "1", "role": "admin"}))
    assert isinstance(answer, dict)
    return str(answer["choices"][0]["message"]["content"])


def names(pipe: gip.Pipe) -> dict[str, str]:
    """The list of models: ids and names."""
    return {entry["id"]: entry["name"] for entry in asyncio.run(pipe.pipes())}


def assert_has_picture(answer: str) -> None:
    assert "data:image/" in answer and gip.FAILURE_MARK not in answer


def assert_fails_as(answer: str, begins: str, *named: str) -> None:
    """The sentence about what happened begins so, and these are told as well."""
    assert answer.startswith(f"{gip.FAILURE_MARK}**{begins}"), answer[:500]
    for text in named:
        assert text in answer, answer[:500]
