"""What reached the stand-in and what it sent, for tests to look at afterwards."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dev.standin.reading import decoded

LONG_TEXT = 4_000


@dataclass
class RecordedRequest:
    """One request as it arrived, and how its connection ended."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw_size: int = 0
    body: Any = None
    started: float = field(default_factory=time.time)
    finished: float | None = None
    status: int | None = None
    disconnected: bool = False

    @property
    def model(self) -> str:
        """The model id in the path, if there is one."""
        tail = self.path.rpartition("/models/")[2]
        return tail.rpartition(":")[0] or tail

    @property
    def images(self) -> list[bytes]:
        """The inline pictures of the request, decoded, in order."""
        return [data for _, data in self._inline_data()]

    @property
    def texts(self) -> list[str]:
        """The text parts of the conversation, in order."""
        texts = (part.get("text") for part in self._parts())
        return [text for text in texts if isinstance(text, str)]

    def as_json(self) -> dict[str, Any]:
        """For reading over HTTP: pictures as digests, long strings cut."""
        return {
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "headers": self.headers,
            "model": self.model,
            "body": _shortened(self.body),
            "raw_size": self.raw_size,
            "images": [describe(data, mime) for mime, data in self._inline_data()],
            "texts": [text[:LONG_TEXT] for text in self.texts],
            "started": self.started,
            "finished": self.finished,
            "status": self.status,
            "disconnected": self.disconnected,
        }

    def _parts(self) -> Iterator[dict[str, Any]]:
        contents = self.body.get("contents") if isinstance(self.body, dict) else None
        for content in contents if isinstance(contents, list) else []:
            parts = content.get("parts") if isinstance(content, dict) else None
            for part in parts if isinstance(parts, list) else []:
                if isinstance(part, dict):
                    yield part

    def _inline_data(self) -> Iterator[tuple[str, bytes]]:
        for part in self._parts():
            blob = part.get("inlineData") or part.get("inline_data")
            if isinstance(blob, dict):
                mime = blob.get("mimeType") or blob.get("mime_type") or ""
                yield str(mime), _decoded(blob.get("data"))


def describe(data: bytes, mime: str) -> dict[str, Any]:
    """A picture without its bytes."""
    digest = hashlib.sha256(data).hexdigest()
    return {"sha256": digest, "size": len(data), "mime": mime}


def parsed(raw: bytes) -> Any:
    """The JSON of a body, or None where it is none."""
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None


def _decoded(data: Any) -> bytes:
    return (decoded(data) if isinstance(data, str) else None) or b""


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str) and len(value) > LONG_TEXT:
        digest = hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
        return f"{value[:40]}… ({len(value)} characters, sha256 {digest})"
    return value
