"""Tables within README.md, each between two lines that name it.

<!-- options -->

| … |

<!-- /options -->
"""

from __future__ import annotations

from collections.abc import Callable

from dev.environment import ROOT

PAGE = ROOT / "README.md"


def filled(page: str, name: str, table: str) -> str:
    """The page with the table of that name in its place, if it has one."""
    opening, closing = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, start, rest = page.partition(opening)
    _, end, tail = rest.partition(closing)
    if not (start and end):
        return page
    return f"{head}{opening}\n\n{table}\n\n{closing}{tail}"


def refresh(fill: Callable[[str], str]) -> bool:
    """Write README.md if a table has changed since; tell whether it had."""
    before = PAGE.read_text()
    after = fill(before)
    if after == before:
        return False
    PAGE.write_text(after)
    return True
