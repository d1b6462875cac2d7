"""Many chats at once on a real host, with the plugin and with the shortest pipe.

Both are asked in turns, so that whatever else the machine does is in the figures of
both: the ratio of a pair says more than either of its times.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from dev.bench import health
from dev.host.client import Client, content_of, picture_links


class Load(NamedTuple):
    """Seconds until all had their picture, and /health's p99 meanwhile, in ms.

    Answering /health is work for the host, too, and a good part of a short load: where
    nobody wants to know, p99 is 0 and nobody asks.
    """

    seconds: float
    p99: float


class Pair(NamedTuple):
    """The plugin's load and the shortest pipe's, one right after the other."""

    ours: Load
    floor: Load


class Figure(NamedTuple):
    """Medians over pairs: both values, and the ratio of ours to the floor's."""

    ours: float
    floor: float
    ratio: float


def ask_at_once(
    client: Client, model: str, prompt: str, chats: int, watched: bool = True
) -> Load:
    """Ask in so many chats at once; everybody gets a picture."""
    port = int(client.url.rpartition(":")[2])
    watching = _health(port) if watched else nullcontext({"p99": 0.0})
    with ThreadPoolExecutor(chats) as pool, watching as found:
        started = time.monotonic()
        answers = list(pool.map(lambda _: client.complete(model, prompt), range(chats)))
        seconds = time.monotonic() - started
    for answer in answers:
        assert picture_links(content_of(answer)), answer
    return Load(seconds, found["p99"])


def pairs(
    client: Client,
    models: tuple[str, str],
    prompt: str,
    chats: int,
    watched: bool = True,
) -> Iterator[Pair]:
    """Rounds without end of the plugin's model and the floor's, first one then the
    other first; before them, each is asked once for what only a first crowd costs."""

    def ask(model: str) -> Load:
        return ask_at_once(client, model, prompt, chats, watched)

    ours, floor = models
    ask(ours)
    ask(floor)
    while True:
        yield Pair(ask(ours), ask(floor))
        least = ask(floor)
        yield Pair(ask(ours), least)


def figure(found: list[Pair], value: Callable[[Load], float]) -> Figure:
    """What the pairs say about one value of a load."""
    values = [(value(ours), value(floor)) for ours, floor in found]
    return Figure(
        statistics.median(ours for ours, _ in values),
        statistics.median(floor for _, floor in values),
        statistics.median(ours / floor for ours, floor in values),
    )


@contextmanager
def _health(port: int) -> Iterator[dict[str, float]]:
    """Watch /health during the block; what is given has "p99" and "max" after it."""
    command = [sys.executable, health.__file__, str(port)]
    pipe = subprocess.PIPE
    watching = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
    assert watching.stdout
    found: dict[str, float] = {}
    try:
        assert watching.stdout.readline() == "ready\n"
        yield found
        found |= json.loads(watching.communicate("stop\n", timeout=60)[0])
    finally:
        watching.kill()
        watching.wait()
