"""Tables of cases that one test goes through, so that a failure names every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def assert_each(check: Callable[..., object], rows: Iterable[tuple[Any, ...]]) -> None:
    """The check holds for every row; it gets the row's cells as its arguments."""
    tried = 0
    wrong = []
    for row in rows:
        tried += 1
        try:
            check(*row)
        except Exception as error:  # names the row, whatever went wrong
            wrong.append(f"{row!r:.200}\n    {type(error).__name__}: {error!s:.600}")
    assert tried, "no rows"
    assert not wrong, f"{len(wrong)} of {tried} rows fail:\n" + "\n".join(wrong)
