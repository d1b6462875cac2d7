"""What commands say: a line per step with its seconds, a sentence on failure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Failure(Exception):
    """Something the person at the keyboard can mend; its text says what and how."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce ``title``, and when the block is done, how long it took."""
    started = time.monotonic()
    print(f"• {title} …", end="", flush=True)
    try:
        yield
    except BaseException as error:
        end = "failed" if isinstance(error, Exception) else "stopped"
        print(f" {end} after {time.monotonic() - started:.1f} s", flush=True)
        raise
    print(f" {time.monotonic() - started:.1f} s", flush=True)


def say(text: str = "") -> None:
    """Print ``text`` at once, also into a pipe."""
    print(text, flush=True)
