"""The keys of a recorded call, one by one, and the call without one of them.

A key is written as where it stands and its name: ``body.seed``, ``part.image_url``,
``metadata.features.voice``. Lists of the same kind of thing share a place: each file
entry is a ``file``, wherever it is listed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from dev.host.client import Json

# What is looked into, and what one of it is called if there are many.
INSIDE = {
    "body": "body",
    "body.messages": "message",
    "message.content": "part",
    "metadata": "metadata",
    "metadata.features": "feature",
    "metadata.files": "file",
    "metadata.model": "model",
    "metadata.params": "params",
    "metadata.user_message": "user_message",
    "files": "file",
    "file.file": "file.file",
    "model.info": "model.info",
    "model.info.meta": "model.info.meta",
    "user_message.files": "file",
}


def keys(call: Json) -> Iterator[str]:
    """The names of all keys of a call, some of them many times."""
    for place in ("body", "metadata", "files"):
        yield from _keys_in(call[place], INSIDE[place])


def _keys_in(value: Any, place: str) -> Iterator[str]:
    for entry in value if isinstance(value, list) else [value]:
        for name, inner in entry.items() if isinstance(entry, dict) else ():
            key = f"{place}.{name}"
            yield key
            if key in INSIDE:
                yield from _keys_in(inner, INSIDE[key])


def without(call: Json, unwanted: Collection[str]) -> Json:
    """The call as it were if nobody had given these keys."""
    places = ("body", "metadata", "files")
    kept = {place: _kept_in(call[place], INSIDE[place], unwanted) for place in places}
    return {**call, **kept}


def _kept_in(value: Any, place: str, unwanted: Collection[str]) -> Any:
    if isinstance(value, list):
        return [_kept_in(entry, place, unwanted) for entry in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _kept_in(inner, INSIDE[key], unwanted) if key in INSIDE else inner
        for name, inner in value.items()
        if (key := f"{place}.{name}") not in unwanted
    }
