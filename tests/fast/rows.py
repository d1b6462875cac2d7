"""One test for a whole table: every row is looked at, and those that fail are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


def check_rows(rows: Iterable[tuple[Any, ...]], check: Callable[..., None]) -> None:
    """Call `check` with the values of each row; fail with all rows that it refused."""
    table = list(rows)
    assert table, "the table is empty"
    failed: list[str] = []
    for row in table:
        try:
            check(*row)
        except (Exception, pytest.fail.Exception) as error:
            failed.append(f"{row!r:.200}\n  {type(error).__name__}: {error}")
    assert not failed, f"{len(failed)} of {len(table)} rows:\n" + "\n".join(failed)
