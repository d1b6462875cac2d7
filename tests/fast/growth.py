"""How the time of a piece of work grows with what it is given.

A bound in seconds fails on a slow machine and lets a quadratic loop pass on a fast one;
how the time for eight times as much compares does neither: it is 8 where the time is
linear and 64 where it is quadratic. Tests allow less than 20.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

MEASURES = 3
GRAIN = 0.002  # seconds that a measure lasts at least: the clock is finer by far


def growth(work: Callable[[Any], object], make: Callable[[int], Any], n: int) -> float:
    """How many times as long the work takes on `make(8 * n)` as on `make(n)`."""
    small, large = make(n), make(8 * n)
    return _least(work, large) / _least(work, small)


def _least(work: Callable[[Any], object], given: Any) -> float:
    """The least CPU time that one round took: whatever disturbs only adds to it."""
    rounds = 1
    measured: list[float] = []
    while len(measured) < MEASURES:
        started = time.process_time()
        for _ in range(rounds):
            work(given)
        spent = time.process_time() - started
        if spent < GRAIN:
            rounds *= 2
        else:
            measured.append(spent / rounds)
    return min(measured)
