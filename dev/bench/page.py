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
MARKS = {True: "yes", False: "**no**", None: ""}

_PAGE = """\
# Benchmarks

`python3 dev bench` wrote this page: {machine}

The floor is the shortest program that does the same work: `requests` fetches the answer,
`json` and `base64` decode it, and the picture is written to a file. It runs in the same
process, in turns with the plugin, and is sent the same bytes by the same server, which
replays answers of the stand-in for Google and costs next to nothing. Everything is on
loopback. Figures are medians.

{table}

## What is not met, and why

- **Reader.** Nearly all of its time is Python's own base64 decoder, which is the floor
  here and no faster than that; the standard library has no other. Finding the picture
  in the stream, *scanning alone*, is several times as fast as the target.
- **Row of the chat, a whole turn.** The link of the picture, which the host keeps twice,
  takes about 180 of these bytes. The rest is the two status lines (about 200) and the
  usage that the host's tooltip shows (about 220): both are there to be read again later.
- **Delays and loading** are the only times that are held to milliseconds instead of to
  the floor. On a busy or slower machine both columns grow alike: where compiling the
  source took 33 ms, loading took 56; where it took 72, loading took 115.

## What is measured

- **One picture, chats at once.** The plugin's whole path, from the call of `pipe` to the
  finished markdown, with a storage that writes each picture to a file. What a real host
  does besides (its database, checksums) is not in it. *From the last byte* begins when the
  upstream has handed its last byte to the kernel; up to some megabytes are then still on
  their way.
- **Event loop.** Everybody starts in the same moment; 32 requests wait 5 seconds for their
  answers, and 8 at a time receive 8 MB, one after the other, as long as that lasts. A task
  sleeps for a millisecond over and over; its delays are what is counted. p99 is the median
  of three runs, max the longest delay of all. On the real host the floor is a pipe of 20
  lines, and the delays hold the host's own work for 40 requests that come in one moment.
- **Memory.** The process's resident memory beyond its state after a first picture, divided
  by the bytes of the pictures; a storage that waits until all pictures have arrived keeps
  them all in flight. glibc keeps freed memory in each thread's arena for the next use;
  *memory returned* is with `MALLOC_TRIM_THRESHOLD_=131072`, which makes it give that back:
  what is then left is in use.
- **Loading** is to compile and to run the source, in a real host's process, as that does.
- **`pipes()`** is called without a host, whose model settings it would else look up.
- **Reader.** CPU time of `ObjectReader` for an answer that is one line of base64. The
  floor is `binascii.a2b_base64` alone, in slices of 64 KB; *scanning alone* is the reader
  with a decoder that does nothing.
- **Row of the chat.** What the second turn of a chat adds to the row in SQLite, beyond the
  turn of a pipe that answers a sentence. The host keeps the text of an answer twice in
  that row.
"""


class Row(NamedTuple):
    """One measured thing; ``met`` is None where there is no target."""

    what: str
    found: str
    floor: str
    target: str
    met: bool | None


def ratio_row(what: str, ours: float, floor: float, limit: float | None) -> Row:
    """Seconds of ours next to those of the floor."""
    ratio = ours / floor
    return Row(
        what,
        f"{ours * 1000:.0f} ms ({ratio:.2f} ×)",
        f"{floor * 1000:.0f} ms",
        f"≤ {limit} ×" if limit else "",
        ratio <= limit if limit else None,
    )


def table(rows: Sequence[Row]) -> str:
    """The rows in markdown."""
    lines = ["| | Plugin | Floor | Target | Met |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(row[:4])} | {MARKS[row.met]} |" for row in rows]
    return "\n".join(lines)


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
    PAGE.write_text(_PAGE.format(machine=where, table=table(rows)))
