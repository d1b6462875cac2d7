"""Tables within pages of docs/, each between two lines that name it.

<!-- options -->

| … |

<!-- /options -->
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def filled(page: str, name: str, table: str) -> str:
    """The page with the table of that name in its place, if it has one."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, start, rest = page.partition(opening)
    _, end, tail = rest.partition(closing)
    if not (start and end):
        return page
    return f"{head}{opening}\n\n{table}\n\n{closing}{tail}"


def refresh(page: Path, fill: Callable[[str], str]) -> bool:
    """Write a page if its table has changed since; tell whether it had."""
    before = page.read_text()
    after = fill(before)
    if after == before:
        return False
    page.write_text(after)
    return True
