"""On a real host: nobody takes the server, or its memory, from all others.

Times are compared with what a lone request takes in the same run: what delays that,
too, is the machine's own.
"""

from __future__ import annotations

import base64
import io
import itertools
import os
import random
import re
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from dev.host import plugin
from dev.host.client import Client, content_of, notes_of, picture_links
from dev.host.probe import Probe
from dev.host.server import Host
from dev.standin import StandInProcess
from dev.standin.pictures import noise_picture
from dev.waiting import wait_until

ROUNDS = 3
TIMES_A_LONE_ONE = 2.0
MEGABYTE = 1_000_000
KEPT = 20 * MEGABYTE  # a few of a hundred pictures


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


def resident_now(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


@contextmanager
def resident(pid: int) -> Iterator[list[int]]:
    """What a process has in memory, in bytes: before, and at most during the block."""

    def watch() -> None:
        while not over.wait(0.02):
            found[1] = max(found[1], resident_now(pid))

    over, found = threading.Event(), [resident_now(pid), 0]
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


# -- a hundred bad pictures -----------------------------------------------------------


def webp(width: int, height: int) -> bytes:
    """Eighty bytes that declare so many pixels."""
    frame = b"\x10\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(20)
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = b"WEBPVP8X" + struct.pack("<I4x", 10) + sides
    whole = head + b"VP8 " + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(whole)) + whole


def bmp_of_run_lengths() -> bytes:
    head = struct.pack("<IiiHHI20x", 40, 9999, 9999, 1, 8, 1)
    return b"BM" + struct.pack("<I4xI", 60_000, 54) + head + b"\1\0" * 30_000


def drawn(form: str, side: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(out, form)
    return out.getvalue()


def damaged(form: str) -> bytes:
    """A picture in which some bytes are others."""
    data = bytearray(drawn(form, 300))
    for place in random.choices(range(len(data)), k=10):
        data[place] = random.randrange(256)
    return bytes(data)


BAD: tuple[Callable[[], bytes], ...] = (
    lambda: webp(9999, 9999),
    lambda: b"%!PS-AdoWEBP\n%%BoundingBox: 0 0 9999 9999\n" + b"0 " * 30_000,
    lambda: b"DDS |\0\0\0WEBP" + random.randbytes(60_000),
    lambda: b"P3 4000 WEBP 4000 255\n" + b"1 " * 30_000,
    bmp_of_run_lengths,
    lambda: damaged("GIF"),
    lambda: damaged("TIFF"),
    lambda: damaged("PNG"),
    lambda: drawn("GIF", 1_500)[:-10_000],
    lambda: drawn("TIFF", 1_500)[:-10_000],
)


def bad_pictures(user: Client, count: int) -> None:
    """Send so many, five at a time; each request is answered in the chat."""
    bad = (make() for make in itertools.cycle(BAD))
    for _ in range(count // 5):
        codes = [base64.b64encode(data).decode() for data in itertools.islice(bad, 5)]
        urls = [{"url": f"data:image/webp;base64,{code}"} for code in codes]
        shown = [{"type": "image_url", "image_url": url} for url in urls]
        words = [{"type": "text", "text": "a fox"}]
        answer = content_of(
            user.complete(
                plugin.AUTO_MODEL, [{"role": "user", "content": words + shown}]
            )
        )
        assert "⚠️" in answer or picture_links(answer), answer
        assert "⚠️" in answer or "left out" in answer, answer


def held(pid: int) -> dict[str, int]:
    """What a process has open, and its threads."""
    files = Path(f"/proc/{pid}/fd")
    kinds = [os.readlink(file).partition(":")[0] for file in files.iterdir()]
    threads = len([*Path(f"/proc/{pid}/task").iterdir()])
    return {"threads": threads, "open": len(kinds), "sockets": kinds.count("socket")}


def test_a_hundred_bad_pictures_leave_nothing_behind(
    user: Client, host: Host, google: StandInProcess, probe: Probe
) -> None:
    """What is kept is kept in every round; the host's own memory comes and goes."""
    bad_pictures(user, 50)  # what only the first ones cost
    probe.wait_for_rest()
    before, grown = held(host.pid), list[int]()
    while len(grown) < ROUNDS and min(grown, default=KEPT) >= KEPT:
        memory = resident_now(host.pid)
        bad_pictures(user, 100)
        probe.wait_for_rest()
        wait_until(lambda: within(held(host.pid), before), f"{before}")
        grown.append(resident_now(host.pid) - memory)
    print(f"{before}, then {held(host.pid)}; grown by {grown}")
    assert min(grown) < KEPT


def within(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[name] <= before[name] for name in before)
