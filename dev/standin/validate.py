"""What Google refuses in a generateContent request, with its own words."""

from __future__ import annotations

from typing import Any

from dev.standin.catalogue import ImageModel
from dev.standin.errors import invalid


def check_generate(body: Any, model: ImageModel, version: str) -> None:
    """Raise the GoogleError that this body would get."""
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Unexpected end of string.")


def check_json(raw: bytes) -> Any:
    """The JSON of a body, or Google's refusal."""
    import json

    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise invalid("Invalid JSON payload received. Unexpected token.") from None
