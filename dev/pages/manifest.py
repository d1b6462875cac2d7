"""``python3 dev manifest``: write what is made from the product's source.

That is the product as a file that Open WebUI imports, the cards of its models, the page
of its messages, and the tables of options, models, settings, and of what works on which
host, in docs/.
Admin Panel → Functions → Import JSON sends each element of a plain array to the host,
as it is; ``manifest.json`` is such an array with the product as its only element.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from dev import environment
from dev.console import Failure, say
from dev.environment import ROOT
from dev.pages import (
    cards,
    messages,
    models_table,
    options_table,
    settings_table,
    versions_table,
)
from dev.pages.translations import translations

PRODUCT = ROOT / "gemini_image_pipe.py"
MANIFEST = ROOT / "manifest.json"
# The expression with which hosts read the front matter (utils/plugin.py).
FRONT_MATTER_LINE = re.compile(r"^\s*([a-z_]+):\s*(.*)\s*$", re.IGNORECASE)


def main(arguments: Sequence[str]) -> int:
    """Write both files for imports, ``docs/messages.md`` and the tables in docs/."""
    if arguments:
        raise Failure("usage: python3 dev manifest")
    environment.enter(["manifest"])
    written = {
        MANIFEST: refresh(),
        cards.CARDS: cards.refresh(),
        messages.PAGE: messages.refresh(PRODUCT.read_text()),
        options_table.PAGE: any([options_table.refresh(), models_table.refresh()]),
        versions_table.PAGE: versions_table.refresh(),
        settings_table.pages()["en"]: settings_table.refresh(),
    }
    for path, is_new in written.items():
        say(f"{path.relative_to(ROOT)} {'written' if is_new else 'was up to date'}.")
    return 0


def refresh() -> bool:
    """Write ``manifest.json`` if the product has changed since; tell whether it had."""
    text = build(PRODUCT.read_text())
    if MANIFEST.exists() and MANIFEST.read_text() == text:
        return False
    MANIFEST.write_text(text)
    return True


def build(source: str) -> str:
    """The text of the import file for the product's source."""
    front_matter = read_front_matter(source)
    function = {
        "id": PRODUCT.stem,
        "name": front_matter["title"],
        "type": "pipe",
        "content": source,
        "meta": {
            "description": front_matter["description"],
            "manifest": front_matter,
            "i18n": translations(),
        },
    }
    return json.dumps([function], indent=2, ensure_ascii=False) + "\n"


def read_front_matter(source: str) -> dict[str, str]:
    """The ``key: value`` lines of the docstring at the top, as hosts read them."""
    first, *lines = source.splitlines()
    if first.strip() != '"""' or '"""' not in lines:
        raise Failure(f'{PRODUCT.name} must open with """ alone on its first line.')
    matches = map(FRONT_MATTER_LINE.match, lines[: lines.index('"""')])
    return {match[1].strip(): match[2].strip() for match in matches if match}
