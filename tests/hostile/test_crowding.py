"""On a real host: nobody takes the server, or its memory, from all others.

Times are compared with what a lone request takes in the same run: what delays that,
too, is the machine's own.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dev.host import plugin
from dev.host.client import Client, content_of, notes_of, picture_links
from dev.host.server import Host
from dev.standin import StandInProcess
from dev.standin.pictures import noise_picture
from dev.waiting import wait_until

ROUNDS = 3
TIMES_A_LONE_ONE = 2.0
MEGABYTE = 1_000_000


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def test_a_second_user_has_a_picture_while_the_first_fills_the_line(
    user: Client, second_user: Client, google: StandInProcess, valves: Any
) -> None:
    """Seventeen chats with four pictures each, and a Google that takes its time."""
    valves(REQUEST_TIMEOUT=120)

    def ask() -> None:
        answer = second_user.complete(plugin.AUTO_MODEL, "a fox [[wait 1]]")
        assert picture_links(content_of(answer)), answer

    ask()  # what only a first one costs
    alone = min(seconds_of(ask) for _ in range(ROUNDS))
    google.reset()
    chats = [user.new_chat(plugin.AUTO_MODEL) for _ in range(17)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda chat: chat.send("a fox [[wait 60]] --n 4"), chats))
    wait_until(lambda: len(posts(google)) >= 32, "half of all places")
    beside = min(seconds_of(ask) for _ in range(ROUNDS))
    assert len(posts(google)) == 32 + ROUNDS
    for chat in chats:
        chat.stop()
    print(f"alone {alone:.2f} s, beside the others {beside:.2f} s")
    assert beside <= TIMES_A_LONE_ONE * alone


def posts(google: StandInProcess) -> list[dict[str, Any]]:
    return [request for request in google.requests() if request["method"] == "POST"]


@contextmanager
def resident(pid: int) -> Iterator[list[int]]:
    """What a process has in memory, in bytes: before, and at most during the block."""

    def now() -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
        return int(kilobytes) * 1024

    def watch() -> None:
        while not over.wait(0.02):
            found[1] = max(found[1], now())

    over, found = threading.Event(), [now(), 0]
    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield found
    finally:
        over.set()
        watching.join()


@pytest.fixture
def large_files(user: Client, host: Host) -> Iterator[list[str]]:
    """Fourteen pictures of 60 MB that are the user's own, by their links."""
    files = [user.upload(f"{n}.png", "image/png", b"small") for n in range(14)]
    paths = [host.data_dir / "uploads" / f"{file.id}_{file.name}" for file in files]
    for path in paths:  # on the disk: to be sent they would fill the host's memory
        assert path.read_bytes() == b"small"
        path.write_bytes(noise_picture(60 * MEGABYTE, "image/png"))
    yield [file.link for file in files]
    for path in paths:
        path.write_bytes(b"small")


def test_files_that_a_prompt_names_do_not_fill_the_memory(
    user: Client, host: Host, google: StandInProcess, large_files: list[str]
) -> None:
    named = " ".join(f"![a]({link})" for link in large_files)
    prompt = f"{named} a fox [[wait 3]] --n 2"

    def ask(_: int) -> str:
        return content_of(user.complete(plugin.AUTO_MODEL, prompt))

    with resident(host.pid) as found, ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(ask, range(3)))
    before, most = found
    print(f"memory grew by {(most - before) / MEGABYTE:.0f} MB")
    assert most - before < 700 * MEGABYTE
    for answer in answers:
        assert len(picture_links(answer)) == 2
        assert any("too large" in note for note in notes_of(answer))
