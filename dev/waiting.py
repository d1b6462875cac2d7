"""Waiting for something to be so, instead of for a time that was once long enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from dev.console import Failure

T = TypeVar("T")

PAUSE_S = 0.05
PATIENCE_S = 30.0


def wait_until(
    condition: Callable[[], T | None], what: str, seconds: float = PATIENCE_S
) -> T:
    """Ask until the answer is true or full, and return it.

    ``seconds`` is how long nobody would wait, not how long it should take: only what
    never comes is a failure, which says ``what`` that is.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise Failure(f"{what} did not come within {seconds:.0f} s.")
        time.sleep(PAUSE_S)
    return found
