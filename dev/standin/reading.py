"""A generateContent body as the rest of the stand-in reads it.

proto3 JSON takes lowerCamelCase and snake_case alike
(protobuf.dev/programming-guides/json), so both are read here.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any


def camel(name: str) -> str:
    """`image_config` → `imageConfig`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def snake(name: str) -> str:
    """`imageConfig` → `image_config`, as Google spells paths."""
    return re.sub(r"([A-Z])", lambda found: "_" + found[1].lower(), name)


def renamed(value: Any, rename: Any) -> Any:
    """The same JSON with every field name passed through `rename`."""
    if isinstance(value, dict):
        return {rename(key): renamed(item, rename) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, rename) for item in value]
    return value


@dataclass(frozen=True)
class InlineImage:
    """One picture of the request and where it stood."""

    content: int
    part: int
    role: str
    mime: str
    data: bytes
    signature: str


class GenerateRequest:
    """Read access to one body whose shape has been checked."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.body: dict[str, Any] = renamed(body, camel)

    @property
    def contents(self) -> list[dict[str, Any]]:
        return self.body.get("contents") or []

    @property
    def continuation(self) -> str:
        """What the token of the answer before says, or nothing."""
        token = decoded(self.body.get("continuationToken") or "") or b""
        return token.decode("ascii", "replace")

    @property
    def config(self) -> dict[str, Any]:
        return self.body.get("generationConfig") or {}

    @property
    def image_config(self) -> dict[str, Any]:
        return self.config.get("imageConfig") or {}

    @property
    def output_mime(self) -> str:
        """The type of pictures that is asked for, on Vertex AI."""
        options = self.image_config.get("imageOutputOptions") or {}
        return str(options.get("mimeType", ""))

    @property
    def thinking_config(self) -> dict[str, Any]:
        return self.config.get("thinkingConfig") or {}

    @property
    def modalities(self) -> set[str]:
        return set(self.config.get("responseModalities") or [])

    @property
    def tools(self) -> list[dict[str, Any]]:
        return self.body.get("tools") or []

    @property
    def searches(self) -> bool:
        return any("googleSearch" in tool for tool in self.tools)

    @cached_property
    def images(self) -> list[InlineImage]:
        """All inline pictures, in order."""
        found = []
        for at, content in enumerate(self.contents):
            for part_at, part in enumerate(content.get("parts") or []):
                blob = part.get("inlineData")
                if blob:
                    found.append(_inline_image(at, part_at, content, part, blob))
        return found

    @cached_property
    def texts(self) -> list[str]:
        """All texts that the model reads."""
        contents = [*self.contents, self.body.get("systemInstruction") or {}]
        parts = [part for content in contents for part in content.get("parts") or []]
        return [part["text"] for part in parts if isinstance(part.get("text"), str)]

    @cached_property
    def prompt(self) -> str:
        """The last text of the last user turn."""
        turns = [turn for turn in self.contents if turn.get("role") == "user"]
        parts = turns[-1].get("parts") or [] if turns else []
        texts = [part.get("text") for part in parts if part.get("text")]
        return texts[-1] if texts else ""


def _inline_image(
    at: int,
    part_at: int,
    content: dict[str, Any],
    part: dict[str, Any],
    blob: dict[str, Any],
) -> InlineImage:
    return InlineImage(
        content=at,
        part=part_at,
        role=content.get("role") or "",
        mime=blob.get("mimeType") or "",
        data=decoded(blob.get("data") or "") or b"",
        signature=part.get("thoughtSignature") or "",
    )


_URL_SAFE = str.maketrans("-_", "+/")


def decoded(data: str) -> bytes | None:
    """The bytes of a proto `bytes` field, or None where it is not base64.

    The URL-safe alphabet is taken too, with and without padding
    (protobuf.dev/programming-guides/json).
    """
    data = data.translate(_URL_SAFE).rstrip("=")
    padding = "=" * (-len(data) % 4)
    try:
        return base64.b64decode(data + padding, validate=True)
    except (binascii.Error, ValueError):
        return None
