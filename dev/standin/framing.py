"""How an answer is written down: SSE, a JSON object or a JSON array.

ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from dev.standin import errors
from dev.standin.answers import Json, merged
from dev.standin.reading import renamed, snake
from dev.standin.scripts import Script

ENDLESS_BYTES = 300_000_000
NESTING = 100_000

SSE = "sse"
OBJECT = "json"
ARRAY = "array"

CONTENT_TYPES = {
    SSE: "text/event-stream",
    OBJECT: errors.JSON_TYPE,
    ARRAY: errors.JSON_TYPE,
}


def body_pieces(chunks: list[Json], framing: str, script: Script) -> list[bytes]:
    """The body of an answer in the pieces in which it is sent."""
    if script.snake:
        chunks = [renamed(chunk, snake) for chunk in chunks]
    if script.deep:
        return [_deep(framing)]
    write = {SSE: _events, OBJECT: _one_object, ARRAY: _array}[framing]
    return write(chunks, script)


def endless(framing: str) -> Iterator[bytes]:
    """A line without an end, as far as a test machine can bear."""
    start = b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "'
    yield (b"data: " if framing == SSE else b"") + start
    block = b"AAAA" * 65_536
    for _ in range(ENDLESS_BYTES // len(block)):
        yield block


def _events(chunks: list[Json], script: Script) -> list[bytes]:
    form = _commented if script.comments else _event
    pieces = [form(chunk) for chunk in chunks]
    if script.midstream == "sse":
        pieces[-1:] = [_event(errors.internal().body())]
    if script.midstream == "raw":
        raw = json.dumps(errors.internal().body(), indent=2)
        pieces[-1:] = [f"{raw}\n".encode()]
    return pieces


def _event(chunk: Json) -> bytes:
    return b"data: " + compact(chunk) + b"\r\n\r\n"


def _commented(chunk: Json) -> bytes:
    return b": keep-alive\n\n\nevent: message\ndata:" + compact(chunk) + b"\n\n"


def _one_object(chunks: list[Json], script: Script) -> list[bytes]:
    if script.midstream:
        return [pretty(errors.internal().body())]
    return [pretty(merged(chunks)) + b"\n"]


def _array(chunks: list[Json], script: Script) -> list[bytes]:
    if script.midstream:
        chunks = [*chunks[:-1], errors.internal().body()]
    pieces = [(b",\r\n" if at else b"[") + pretty(c) for at, c in enumerate(chunks)]
    return [*pieces, b"\n]"] if pieces else [b"[]"]


def _deep(framing: str) -> bytes:
    nested = b"[" * NESTING + b"]" * NESTING
    value = b'{"candidates": [{"content": {"parts": [{"text": ' + nested + b"}]}}]}"
    if framing == SSE:
        return b"data: " + value + b"\r\n\r\n"
    return b"[" + value + b"]" if framing == ARRAY else value


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def pretty(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "replace")
