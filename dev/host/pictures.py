"""Pictures as users get them from a host, and small ones to give to it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from dev.console import Failure
from dev.host.client import Answer, Client, picture_links


@dataclass(frozen=True)
class Picture:
    """A picture as a user gets it from the host, under its full address."""

    link: str
    data: bytes = field(repr=False)
    format: str
    width: int
    height: int

    @property
    def digest(self) -> str:
        """What the stand-in's records tell of it."""
        return digest(self.data)

    def __str__(self) -> str:
        return f"{self.format}, {self.width} × {self.height}"


def pictures_of(client: Client, answer: Answer | str) -> list[Picture]:
    """Fetch an answer's pictures as that user; complain if one is not a picture."""
    text = answer if isinstance(answer, str) else answer.content
    return [fetch_picture(client, link) for link in picture_links(text)]


def fetch_picture(client: Client, link: str) -> Picture:
    """Fetch one picture by its link and decode it to the last pixel."""
    response = client.fetch(link)
    if not response.ok:
        raise Failure(f"{link} was answered with {response.status_code}.")
    try:
        with Image.open(io.BytesIO(response.content)) as image:
            image.load()
            kind = image.format or "unknown"
            return Picture(response.url, response.content, kind, *image.size)
    except OSError as error:
        raise Failure(f"{link} is not a picture: {error}.") from None


def drawn(form: str, colour: str = "orange", **options: Any) -> bytes:
    """The file of a small picture, such as a user has."""
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, form, **options)
    return out.getvalue()


def digest(data: bytes) -> str:
    """What the stand-in's records tell of a picture instead of its bytes."""
    return hashlib.sha256(data).hexdigest()
