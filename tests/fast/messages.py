"""A chat's messages and their parts as hosts hand them over."""

from __future__ import annotations

from typing import Any

import gemini_image_pipe as gip

Json = dict[str, Any]


def message(role: Any, content: Any) -> Json:
    return {"role": role, "content": content}


def user(content: Any) -> Json:
    return message("user", content)


def model(content: Any) -> Json:
    return message("assistant", content)


def system(content: Any) -> Json:
    return message("system", content)


def words(text: Any) -> Json:
    return {"type": "text", "text": text}


def picture(url: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def words_of(text: str) -> str:
    """What is left of a text that stood in an answer."""
    [turn] = gip.read_turns([model(text)])
    return turn.text
