"""Many mixed requests on a real host: in the end nothing is left over.

A third of them fail, some bring pictures along, some are stopped or lose their client.
`SOAK=500 python3 dev test tests/soak` goes on for longer.

The host keeps its data in PostgreSQL. On SQLite a Stop that hits a database call of the
host's own leaves the database locked for seconds, and then chats fail before any
function is called; one that only sleeps and is stopped fares the same.
"""

import io
import os
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL import Image

from dev.host import plugin
from dev.host.client import Client, picture_links, text_of
from dev.host.probe import Probe
from dev.host.server import Host
from dev.standin import StandInProcess
from dev.waiting import wait_until

REQUESTS = int(os.environ.get("SOAK", "84"))
WARM_UP = 36
AT_ONCE = 8
MEMORY_GROWTH = 1.10


class Soak:
    """The requests, and the chats that they leave behind."""

    def __init__(self, user: Client) -> None:
        self.user = user
        self.chats: list[str] = []
        self.stopped: list[str] = []
        out = io.BytesIO()
        Image.effect_noise((400, 300), 60).save(out, "PNG")
        self.upload = user.upload("noise.png", "image/png", out.getvalue())
        self.kinds: list[Callable[[int], None]] = [
            self.paints,
            self.fails("status 400", "cannot work with this request"),
            self.is_stopped,
            self.changes_a_picture,
            self.fails("429 zero", "no free tier"),
            self.streams,
            self.paints_three,
            self.fails("midstream error", "internal error"),
            self.loses_its_client,
            self.with_an_upload,
            self.fails("cut 300", "broke off"),
            self.tries_again,
        ]

    def run(self, numbers: range) -> None:
        """So many requests, some at once; the first that is not as it should be fails."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._one, numbers))

    def _one(self, number: int) -> None:
        self.kinds[number % len(self.kinds)](number)

    def _ask(self, prompt: str, *pictures: Any, **body: Any) -> str:
        chat = self.user.new_chat(plugin.AUTO_MODEL)
        answer = chat.ask(prompt, pictures, **body)
        self.chats.append(chat.id)
        assert not answer.error
        return answer.content

    def paints(self, number: int) -> None:
        assert picture_links(self._ask(f"fox {number} [[size 300KB]]"))

    def paints_three(self, number: int) -> None:
        assert len(picture_links(self._ask(f"foxes {number}", n=3))) == 3

    def with_an_upload(self, number: int) -> None:
        assert picture_links(self._ask(f"like this {number}", self.upload))

    def tries_again(self, number: int) -> None:
        assert picture_links(self._ask(f"fox {number} [[fail 1 minute 1s]]"))

    def changes_a_picture(self, number: int) -> None:
        chat = self.user.new_chat(plugin.AUTO_MODEL)
        assert chat.ask(f"fox {number}").picture_links
        assert chat.ask("make it red").picture_links
        self.chats.append(chat.id)

    def fails(self, directive: str, says: str) -> Callable[[int], None]:
        def ask(number: int) -> None:
            content = self._ask(f"fox {number} [[{directive}]]")
            assert "⚠️" in content and says in content

        return ask

    def is_stopped(self, number: int) -> None:
        chat = self.user.new_chat(plugin.AUTO_MODEL)
        prompt = f"fox {number} [[{('wait', 'trickle', 'pause')[number % 3]} 60]]"
        message_id = chat.send(prompt, n=1 + number % 2)
        time.sleep(0.2 * (number % 5))  # until somebody thinks better of it
        chat.stop()
        chat.wait(message_id, 10)
        self.stopped.append(chat.id)

    def streams(self, number: int) -> None:
        text = text_of(self.user.stream(plugin.AUTO_MODEL, f"fox {number}"))
        assert picture_links(text)

    def loses_its_client(self, number: int) -> None:
        prompt = f"fox {number} [[say Here.]] [[pause 60]]"
        events: Any = self.user.stream(plugin.AUTO_MODEL, prompt)
        next(events)
        events.close()


def sockets_to(port: int, pid: int) -> list[str]:
    """The host's connections to that port of loopback, as the kernel lists them."""
    own = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            own.add(os.readlink(entry))
        except OSError:  # closed in the meantime
            continue
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    rows = [line.split() for line in lines]
    theirs = [row for row in rows if int(row[2].partition(":")[2], 16) == port]
    return [" ".join(row) for row in theirs if f"socket:[{row[9]}]" in own]


def memory_mb(pid: int) -> float:
    """What the process has in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", status)
    return int(kilobytes) / 1000


def open_statuses(user: Client, soak: Soak) -> list[str]:
    """The chats with an answer whose status line is not closed, or is missing.

    Only one that was stopped before the plugin was called has none.
    """
    found = []
    for chat_id in soak.chats + soak.stopped:
        default = [{"done": chat_id in soak.stopped}]
        for message in user.chat_history(chat_id).values():
            statuses = message.get("statusHistory") or default
            if message["role"] == "assistant" and not statuses[-1]["done"]:
                found.append(f"{chat_id}: {statuses}")
    return found


def test_a_long_day_leaves_nothing_over(
    host: Host, user: Client, google: StandInProcess, probe: Probe, valves: Any
) -> None:
    valves(MAX_RETRIES=1)
    port = int(google.url.rpartition(":")[2])
    soak = Soak(user)
    soak.run(range(WARM_UP))

    def wait_for_rest() -> None:
        probe.wait_for_rest()
        wait_until(lambda: not sockets_to(port, host.pid), "the end of connections")

    wait_for_rest()
    before, started = memory_mb(host.pid), time.monotonic()
    soak.run(range(WARM_UP, REQUESTS))
    took = time.monotonic() - started
    try:
        wait_for_rest()
    finally:
        print(f"left over: {probe.left_over()}, {sockets_to(port, host.pid)}")
    after = memory_mb(host.pid)
    print(f"{REQUESTS - WARM_UP} in {took:.0f} s, {before:.0f} MB, then {after:.0f} MB")
    assert not open_statuses(user, soak)
    assert all(request["finished"] for request in google.requests())
    assert after < before * MEMORY_GROWTH
    assert len(soak.chats) > REQUESTS // 2 and len(soak.stopped) >= REQUESTS // 12
