"""Waiting for something to become true, instead of for so many seconds.

`wait_until` and `until` return whether it did. The limit is far longer than any of it
takes on a busy machine, and is reached only by a test that fails.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

LIMIT_S = 15.0
_STEP_S = 0.005
_sleep = asyncio.sleep  # itself, where a test replaces it


def wait_until(condition: Callable[[], object], seconds: float = LIMIT_S) -> bool:
    """Block until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_STEP_S)
    return True


async def until(condition: Callable[[], object], seconds: float = LIMIT_S) -> bool:
    """The same, while the event loop goes on."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await _sleep(_STEP_S)
    return True


def own_threads() -> list[str]:
    """The plugin's threads by name: none when nothing is under way any more."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("gemini-image-")]
