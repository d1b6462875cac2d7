"""``python3 dev bench``: what the plugin costs, beside the shortest code that does it.

On a real host that is the shortest pipe, elsewhere plain requests. All is on loopback.
Each measure has a process of its own, and the stand-in's answers are replayed to it
(``dev.bench.upstream``). ``python3 dev bench`` writes ``docs/benchmarks.md``; with
measures named, as in ``python3 dev bench picture reader``, only their rows are shown.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dev import environment
from dev.bench import page
from dev.bench.page import Row
from dev.console import Failure, say

if TYPE_CHECKING:
    from dev.bench.hosted import Hosted

Json = dict[str, Any]
MB = 1_000_000
# glibc keeps freed memory for later in each thread's arena; with this it gives it back,
# and what is left is what is still in use.
RETURNING = {"MALLOC_TRIM_THRESHOLD_": "131072"}


def main(arguments: Sequence[str]) -> int:
    """Measure, show the table, and write the page if everything was measured."""
    environment.enter(["bench", *arguments])
    unknown = set(arguments) - set(MEASURES)
    if unknown:
        raise Failure(f"usage: python3 dev bench [{' | '.join(MEASURES)}] …")
    from dev.bench.upstream import Upstream
    from dev.standin import start_process

    machine = page.machine()
    say(machine)
    rows: list[Row] = []
    with start_process() as google, Upstream(google.url) as upstream:
        for name in arguments or MEASURES:
            say(f"• measuring: {name}")
            rows += MEASURES[name](upstream.url)
    say(f"\n{page.table(rows)}\n\nMissed:\n{page.missed(rows)}")
    if not arguments:
        page.write(machine, rows)
        say(f"\nWritten to {page.PAGE.relative_to(environment.ROOT)}.")
    return 0


def measure(
    name: str, url: str, env: dict[str, str] | None = None, **options: Any
) -> Json:
    """What one measure of ``dev.bench.measures`` finds in a fresh process."""
    return run("dev.bench.measures", name, url, json.dumps(options), env=env)


def run(module: str, *arguments: str, env: dict[str, str] | None = None) -> Json:
    """What a module prints as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command,
        cwd=environment.ROOT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise Failure(f"{done.stderr}\n{module} {arguments} failed; see above.")
    found: Json = json.loads(done.stdout)
    return found


def picture(url: str) -> Iterator[Row]:
    """One picture alone."""
    for megabytes in (1, 8, 24):
        found = measure("picture", url, megabytes=megabytes, rounds=9)
        limit = 1.3 if megabytes >= 8 else None
        for at, since in enumerate(("last byte", "request")):
            ours, floor = found["plugin"][at], found["floor"][at]
            what = f"{megabytes} MB, from the {since} to the markdown"
            yield page.ratio_row(what, ours, floor, limit)


def chats(url: str) -> Iterator[Row]:
    """Several chats at once."""
    for count in (1, 4, 16):
        found = measure("chats", url, count=count, rounds=5)
        what = f"{count} × 8 MB at once, from the requests to the last markdown"
        yield page.ratio_row(what, found["plugin"], found["floor"], 1.5)


def loop(url: str) -> Iterator[Row]:
    """The event loop under load."""
    load: Json = {"waiting": 32, "receiving": 8, "seconds": 5}
    runs = [measure("loop", url, who="plugin", **load) for _ in range(3)]
    floor = measure("loop", url, who="floor", **load)
    p99 = statistics.median(run["p99"] for run in runs)
    longest = max(run["max"] for run in runs)
    for name, value, limit in (("p99", p99, 15), ("max", longest, 50)):
        yield Row(
            f"event loop, 32 wait and 8 receive 8 MB: delay, {name}",
            f"{value:.1f} ms",
            f"{floor[name]:.1f} ms",
            f"≤ {limit} ms",
            value <= limit,
        )


def memory(url: str) -> Iterator[Row]:
    """Memory of pictures in flight, in multiples of their bytes."""
    load: Json = {"count": 8, "rounds": 5}
    usual = {who: measure("memory", url, who=who, **load) for who in page.BOTH}
    given = {
        who: measure("memory", url, RETURNING, who=who, **load) for who in page.BOTH
    }
    for what, found, name, limit in (
        ("at most in flight", usual, "peak", 3),
        ("left afterwards, memory returned", given, "left", 0.2),
        ("left afterwards, as glibc is by default", usual, "left", None),
    ):
        ours, floor = found["plugin"][name], found["floor"][name]
        yield Row(
            f"8 × 8 MB, memory {what}, in picture bytes",
            f"{ours:.1f} ×",
            f"{floor:.1f} ×",
            f"≤ {limit} ×" if limit else "",
            ours <= limit if limit else None,
        )


def models(url: str) -> Iterator[Row]:
    """The list of models."""
    found = measure("listing", url)
    what = f"`pipes()` cold, {found['pages']} pages that take 50 ms each"
    yield page.ratio_row(what, found["cold"], found["floor"], 1.1)
    warm = found["warm"] * 1000
    yield Row("`pipes()` warm", f"{warm:.2f} ms", "", "≤ 1 ms", warm <= 1)


def reader(url: str) -> Iterator[Row]:
    """The reader of answers alone; a second rate is that of its scanning."""
    whole = 10**9
    for megabytes, piece, name in (
        (1, whole, "one piece"),
        (8, whole, "one piece"),
        (64, whole, "one piece"),
        (8, 1_000_000, "pieces of 1 MB"),
        (8, 131_072, "pieces of 128 KB"),
        (8, 4_096, "pieces of 4 KB"),
        (0.4, 1, "pieces of 1 byte"),
        (0.1, 1, "pieces of 1 byte"),
    ):
        options: Json = {"megabytes": megabytes, "piece": piece, "rounds": 5}
        rate = {k: v / MB for k, v in measure("reader", url, **options).items()}
        yield Row(
            f"reader, {megabytes} MB in {name} (scanning alone)",
            f"{_short(rate['plugin'])} MB/s ({_short(rate['scanning'])})",
            f"{_short(rate['floor'])} MB/s",
            "≥ 1,000 MB/s" if piece > 1 else "",
            rate["plugin"] >= 1000 if piece > 1 else None,
        )


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.1f}"


class Crowd(NamedTuple):
    """Chats at once on a host. The limits are ratios; ``None``: no row, or no target."""

    what: str
    prompt: str
    chats: int
    rounds: int
    waited: float = 0.0  # seconds of every round that are Google's
    limit: float | None = None
    has_health: bool = False  # whether /health is asked meanwhile
    health_limit: float | None = None


SMALL, LARGE = "a fox [[no text]]", "a fox [[size 8MB]]"
WAITING = "a fox [[no text]] [[wait 5]]"
CROWDS = (
    Crowd("1 small picture", SMALL, 1, 41),
    Crowd("16 small pictures at once", SMALL, 16, 15, limit=1.25),
    Crowd("32 that wait 5 s, the time beyond", WAITING, 32, 7, 5.0, 1.15, True, 1.5),
    Crowd("8 × 8 MB at once", LARGE, 8, 5, has_health=True),
)


def host(url: str) -> Iterator[Row]:
    """What only a real host can tell."""
    from dev.bench.hosted import Hosted
    from dev.host.server import Host

    with Host() as running:
        hosted = Hosted(running, url)
        for crowd in CROWDS:
            yield from _crowd_rows(hosted, crowd)
        yield _loading_row(hosted)
        yield from _row_bytes(hosted)


def _crowd_rows(hosted: Hosted, crowd: Crowd) -> Iterator[Row]:
    from dev.bench.crowd import figure

    what = f"real host, {crowd.what}"
    found = hosted.pairs(crowd.prompt, crowd.chats, crowd.rounds, crowd.has_health)
    seconds = figure(found, lambda load: load.seconds - crowd.waited)
    yield page.ratio_row(what, *seconds[:2], crowd.limit, seconds.ratio)
    if crowd.has_health:
        health = figure(found, lambda load: load.p99 / 1000)
        what = f"real host, p99 of /health: {crowd.what.partition(',')[0]}"
        yield page.ratio_row(what, *health[:2], crowd.health_limit, health.ratio)


def _loading_row(hosted: Hosted) -> Row:
    loads = [hosted.loading() for _ in range(9)]
    compiling = statistics.median(load["compile"] for load in loads) * 1000
    total = statistics.median(sum(load.values()) for load in loads) * 1000
    what = "loading the function (floor: compiling it)"
    ours, floor = f"{total:.0f} ms", f"{compiling:.0f} ms"
    return Row(what, ours, floor, "≤ 60 ms", total <= 60)


def _row_bytes(hosted: Hosted) -> Iterator[Row]:
    found = hosted.row_bytes()
    for name, what in (
        ("picture", "each further picture of an answer"),
        ("turn", "a turn with a picture, its status lines and its usage"),
    ):
        size = found[name]
        what = f"row of the chat, {what}"
        yield Row(what, f"{size:.0f} bytes", "", "< 400 bytes", size < 400)


MEASURES: dict[str, Callable[[str], Iterator[Row]]] = {
    function.__name__: function
    for function in (picture, chats, loop, memory, models, reader, host)
}
