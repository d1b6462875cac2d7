"""The table that ``python3 dev bench`` prints, and the page that holds it."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dev.environment import ROOT
from dev.host.install import HOST_VERSION

PAGE = ROOT / "docs" / "benchmarks.md"
BOTH = ("plugin", "floor")
MARKS = {True: " (met)", False: " (missed)", None: ""}
_MORE_WORK = (
    "a small picture is nearly all the host's own work, and the plugin gives it more: "
    "three look-ups in its database (the plugin's settings, the user's, and the address "
    "for absolute links), a thread for each request, and a look into each picture"
)
# Why a target is missed, by the beginning of the row; shown only where one is.
REASONS = {
    "real host, 16 small pictures at once": _MORE_WORK,
    "real host, 32 that wait 5 s, the time beyond": _MORE_WORK,
    "event loop": "the limit is in milliseconds, whatever the machine: compare with the "
    "floor's delays in the same row",
    "reader": "nearly all of its time is Python's own base64 decoder, the floor here, and "
    "the standard library has no other; finding the picture (*scanning alone*) is "
    "several times as fast",
    "loading": "most of it is Python compiling the source, and the limit is in "
    "milliseconds, whatever the machine",
    "row of the chat, a turn": "the link of the picture, which the host keeps twice, the "
    "status lines and the usage of the tooltip are all to be read again later",
    "`pipes()` warm": "the limit is in milliseconds, whatever the machine",
}
UNKNOWN = "not explained yet"

_PAGE = """\
# Benchmarks

`python3 dev bench` wrote this page: {machine}

**How it is measured.** Everything is on loopback. The plugin and a *floor* run in turns
and are sent the same bytes by the same server, which replays answers of the stand-in for
Google and costs next to nothing. Figures are medians; a ratio on a real host is the median
of the ratios of rounds that followed each other. Milliseconds differ from one machine to
the next, and with what else it does; ratios hardly do.

The floor is the shortest code that does the same work:

- **Real host:** a pipe of 25 lines. `aiohttp`, which every host has, fetches the answer
  with one POST, `json` and `base64` decode it, and the host's own `upload_image` keeps the
  picture. It reports no progress, keeps no thoughts, and knows of no errors.
- **Without a host:** `requests`, `json` and `base64`, and the picture is written to a file.

{table}

## Targets that are missed, and why

{missed}

## What is measured

- **Real host.** The time until all chats that began at once have their picture, through
  the host's API. Where there is a row of */health*, that is asked every 10 ms meanwhile,
  by a process of its own; elsewhere not, since its answers are work for the host, too.
- **One picture, chats at once.** The plugin's whole path, from the call of `pipe` to the
  finished markdown, with a storage that writes each picture to a file. *From the last
  byte* begins when the upstream has handed its last byte to the kernel; up to some
  megabytes are then still on their way.
- **Event loop.** 32 requests wait 5 seconds for their answers, and 8 at a time receive
  8 MB, one after the other, as long as that lasts. A task sleeps for a millisecond over
  and over; its delays count. p99 is the median of three runs, max the longest of all.
- **Memory.** The process's resident memory beyond its state after a first picture, divided
  by the bytes of the pictures, while all are in flight and afterwards. glibc keeps freed
  memory for the next use; *memory returned* is with `MALLOC_TRIM_THRESHOLD_=131072`, which
  makes it give that back: what is then left is in use.
- **`pipes()`** is called without a host, whose model settings it would else look up.
- **Reader.** CPU time of `ObjectReader` for an answer that is one line of base64. The
  floor is `binascii.a2b_base64` alone, in slices of 64 KB; *scanning alone* is the reader
  with a decoder that does nothing.
- **Loading** is to compile and to run the source, in a real host's process, as that does.
- **Row of the chat.** What the second turn of a chat adds to the row in SQLite, beyond the
  turn of a pipe that answers a sentence. The host keeps the text of an answer twice.
"""


class Row(NamedTuple):
    """One measured thing; ``met`` is None where there is no target."""

    what: str
    found: str
    floor: str
    target: str
    met: bool | None


def ratio_row(
    what: str,
    ours: float,
    floor: float,
    limit: float | None,
    ratio: float | None = None,
) -> Row:
    """Seconds of ours next to those of the floor; ``ratio``: if it is not theirs."""
    ratio = ours / floor if ratio is None else ratio
    return Row(
        what,
        f"{ours * 1000:.0f} ms ({ratio:.2f} ×)",
        f"{floor * 1000:.0f} ms",
        f"≤ {limit} ×" if limit else "",
        ratio <= limit if limit else None,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in markdown."""
    lines = ["| | Plugin | Floor | Target |", "| --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(row[:4])}{MARKS[row.met]} |" for row in rows]
    return "\n".join(lines)


def missed(rows: Sequence[Row]) -> str:
    """A line for each reason why targets are missed, with what they are."""
    by_reason: dict[str, list[Row]] = {}
    for row in rows:
        if row.met is False:
            by_reason.setdefault(_reason(row), []).append(row)
    lines = [_missed_line(reason, found) for reason, found in by_reason.items()]
    return "\n".join(lines) or "None."


def _missed_line(reason: str, rows: Sequence[Row]) -> str:
    further = f" and {len(rows) - 1} like it" if len(rows) > 1 else ""
    return f"- **{rows[0].what}**{further}: {reason}."


def _reason(row: Row) -> str:
    known = (why for begin, why in REASONS.items() if row.what.startswith(begin))
    return next(known, UNKNOWN)


def machine() -> str:
    """Where and when this is measured, and what else the machine is doing."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, Open WebUI {HOST_VERSION}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, load {os.getloadavg()[0]:.1f} "
        "before it began."
    )


def write(where: str, rows: Sequence[Row]) -> None:
    """Write the page."""
    parts = {"machine": where, "table": table(rows), "missed": missed(rows)}
    PAGE.write_text(_PAGE.format(**parts))
