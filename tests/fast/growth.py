"""How the time of a piece of work grows with what it is given.

A bound in seconds fails on a slow machine and lets a quadratic loop pass on a fast one;
how the time for eight times as much compares does neither: it is 8 where the time is
linear and 64 where it is quadratic. Tests allow less than 20.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

MEASURES = 3
GRAIN = 0.001  # seconds that a measure lasts at least: the clock is finer by far
# Whatever disturbs only adds to a measure, so one that shows no more than this is
# enough; a linear one shows about 8.
CLEAR = 10.0


def growth(
    work: Callable[[Any], object],
    make: Callable[[int], Any],
    n: int,
    clear: float = CLEAR,
) -> float:
    """How many times as long the work takes on `make(8 * n)` as on `make(n)`."""
    small, large = make(n), make(8 * n)
    least = min(_spent(work, small) for _ in range(MEASURES))
    grown = math.inf
    for _ in range(MEASURES):
        grown = min(grown, _spent(work, large) / least)
        if grown <= clear:
            break
    return grown


def _spent(work: Callable[[Any], object], given: Any) -> float:
    """The CPU time that one round took, of as many as last for a while."""
    rounds = 1
    while True:
        started = time.process_time()
        for _ in range(rounds):
            work(given)
        spent = time.process_time() - started
        if spent >= GRAIN:
            return spent / rounds
        rounds *= 2
