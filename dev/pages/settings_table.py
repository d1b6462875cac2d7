"""The table of settings in docs/settings.md, and in each other language's page.

``python3 dev manifest`` writes it between the lines ``<!-- settings -->`` and
``<!-- /settings -->``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from dev.environment import ROOT
from dev.pages import tables
from dev.pages.translations import described

DOCS = ROOT / "docs"
HEADS = {"en": ("Valve", "Default", "Meaning"), "zh-CN": ("配置项", "默认值", "含义")}


def pages() -> dict[str, Path]:
    """The page of each language."""
    from gemini_image_pipe import LANGUAGES

    first, *others = LANGUAGES
    return {first: DOCS / "settings.md"} | {
        language: DOCS / f"settings.{language}.md" for language in others
    }


def table(language: str) -> str:
    """The administrator's settings, in markdown."""
    from gemini_image_pipe import AdminValves, Reader

    rows = [
        (f"`{name}`", _shown(field.default), described(name, Reader(language)))
        for name, field in AdminValves.model_fields.items()
    ]
    head = HEADS[language]
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def filled(page: str, language: str) -> str:
    """The page with this table in its place."""
    return tables.filled(page, "settings", table(language))


def refresh() -> bool:
    """Write the pages whose tables have changed since; tell whether there were any."""
    are_new = [
        tables.refresh(page, partial(filled, language=language))
        for language, page in pages().items()
    ]
    return any(are_new)


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    return str(default) or "–"
