"""Who is on a demo or test host, and the plugin put on it: what play and tests share."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from dev.console import Failure
from dev.manifest import PRODUCT
from dev.webui import Answer, Client, Json, Login

FUNCTION_ID = PRODUCT.stem
AUTO_MODEL = f"{FUNCTION_ID}.auto"
# For hosts on loopback that live for minutes; open to nobody else.
ADMIN = Login("Admin", "admin@example.org", "admin")
USER = Login("User", "user@example.org", "user")
SECOND_USER = Login("Second User", "second@example.org", "second")


@dataclass(frozen=True)
class Picture:
    """A picture as a user gets it from the host, under its full address."""

    link: str
    data: bytes = field(repr=False)
    format: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.format}, {self.width} × {self.height}"


def install_plugin(
    admin: Client, export: Path | str, key: str, base_url: str = ""
) -> list[Json]:
    """Import the plugin, switch it on, configure it, and let everybody use it.

    ``export`` is an import file or its text. Returns the plugin's models, as the
    administrator sees them.
    """
    admin.import_functions(export)
    admin.toggle_function(FUNCTION_ID)
    admin.set_valves(FUNCTION_ID, GEMINI_API_KEY=key, GEMINI_API_BASE_URL=base_url)
    models = admin.models(prefix=f"{FUNCTION_ID}.")
    for model in models:
        admin.grant_to_all(model)
    return models


def add_function(admin: Client, name: str, source: str) -> list[Json]:
    """Import another function and switch it on; return its models."""
    form = {"id": name, "name": name, "content": source, "meta": {"description": name}}
    admin.import_functions(json.dumps([form]))
    admin.toggle_function(name)
    models = admin.models(prefix=name)
    assert models, f"the function {name} has no models"
    return models


def pictures_of(client: Client, answer: Answer) -> list[Picture]:
    """Fetch an answer's pictures as that user; complain if one is not a picture."""
    return [fetch_picture(client, link) for link in answer.picture_links]


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
