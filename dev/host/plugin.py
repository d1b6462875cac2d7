"""The plugin on a host: what an administrator does, for play and for tests."""

from __future__ import annotations

import json
from pathlib import Path

from dev.host.client import Client, Json
from dev.pages.manifest import PRODUCT, build
from dev.standin import DEFAULT_KEY

FUNCTION_ID = PRODUCT.stem
AUTO_MODEL = f"{FUNCTION_ID}.auto"


def install(
    admin: Client,
    base_url: str = "",
    key: str = DEFAULT_KEY,
    export: Path | None = None,
) -> list[Json]:
    """Import the plugin, switch it on, configure it, and let everybody use it.

    ``export`` is an import file; without one, it is made of the source as it is now.
    Returns the plugin's models, as the administrator sees them.
    """
    admin.import_functions(export or build(PRODUCT.read_text()))
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
