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


def in_english(note: gip.Note) -> str:
    """A note as a user of the page reads it."""
    return gip.sentence(note, gip.Reader())


def told(error: gip.GeminiError, for_admin: bool = False) -> str:
    """A failure's message as the chat shows it."""
    return gip.failure_text(error, gip.Reader(sees_ids=for_admin), for_admin)
