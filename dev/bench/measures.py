"""The measures that need no host, each in a fresh process of its own.

``python -m dev.bench.measures MEASURE URL OPTIONS`` prints one JSON object. Only what the
plugin asks of a host is imitated: a storage that writes each picture into a file.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import gc
import io
import json
import random
import re
import statistics
import sys
import tempfile
import time
import types
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import requests

import gemini_image_pipe as plugin
from dev.bench.upstream import last_byte
from dev.standin import DEFAULT_KEY

Json = dict[str, Any]
Run = Callable[[Any], Any]
MODEL = plugin.CURRENT_MODELS[0].id
MB = 1_000_000


class Storage:
    """What the plugin asks of a host: to keep a picture, here as a file."""

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self.together = asyncio.Barrier(1)
        images = types.ModuleType("open_webui.routers.images")
        users = types.ModuleType("open_webui.models.users")
        images.__dict__["upload_image"] = self.upload_image
        users.__dict__.update(UserModel=types.SimpleNamespace, Users=None)
        for module in (images, users):
            sys.modules[module.__name__] = module
            for name in ("open_webui", module.__name__.rpartition(".")[0]):
                sys.modules.setdefault(name, types.ModuleType(name))

    async def upload_image(self, image_data: bytes) -> Json:
        """Write it as the host does: on a thread of the loop's own executor."""
        await self.together.wait()
        name = str(uuid.uuid4())
        await asyncio.to_thread((self.folder / name).write_bytes, image_data)
        return {"url": f"/api/v1/files/{name}/content"}


class Bench:
    """The plugin and its floor, asked for the same picture by the same upstream."""

    def __init__(self, url: str, folder: str) -> None:
        self.url = url
        self.folder = Path(folder)
        self.storage = Storage(folder)
        self.pipe = plugin.Pipe()
        self.pipe.valves.GEMINI_API_BASE_URL = url
        self.pipe.valves.GEMINI_API_KEY = DEFAULT_KEY

    async def ask(self, prompt: str) -> float:
        """The plugin's whole path; returns when the markdown was finished."""
        text = await self.pipe.pipe(
            {"model": f"p.{MODEL}", "messages": [{"role": "user", "content": prompt}]},
            __user__={"id": "1", "role": "user"},
            __request__=self,
            __chat_id__="c",
            __message_id__="m",
        )
        finished = time.monotonic()
        found = re.search(r"\(/api/v1/files/([\w-]+)/content\)", str(text))
        assert found, text
        await asyncio.to_thread(self._check, self.folder / found[1])
        return finished

    def fetch(self, prompt: str) -> float:
        """The floor: plain requests; returns when the file was written."""
        conversation = plugin.read_conversation([{"role": "user", "content": prompt}])
        body = plugin.generate_body(conversation, plugin.ImageOptions())
        response = requests.post(
            f"{self.url}/v1beta/models/{MODEL}:streamGenerateContent?alt=sse",
            json=body,
            headers={"x-goog-api-key": DEFAULT_KEY, "Accept-Encoding": "identity"},
        )
        path = self.folder / str(uuid.uuid4())
        for line in response.content.splitlines():
            if line:
                [candidate] = json.loads(line.removeprefix(b"data: "))["candidates"]
                for part in candidate["content"]["parts"]:
                    if "inlineData" in part:
                        data = base64.b64decode(part["inlineData"]["data"])
                        path.write_bytes(data)
        finished = time.monotonic()
        self._check(path)
        return finished

    @staticmethod
    def _check(path: Path) -> None:
        assert path.stat().st_size > 1_000, path
        path.unlink()


# ── 1 · One picture ──────────────────────────────────────────────────────────────────


def picture(bench: Bench, run: Run, megabytes: float, rounds: int) -> Json:
    """Seconds from the upstream's last byte, and from the request, to the result."""
    prompt = f"a fox [[size {megabytes}MB]]"
    bench.fetch(prompt)
    run(bench.ask(prompt))
    found: dict[str, list[tuple[float, float]]] = {"plugin": [], "floor": []}
    for _ in range(rounds):
        for name in found:
            started = time.monotonic()
            finished = (
                run(bench.ask(prompt)) if name == "plugin" else bench.fetch(prompt)
            )
            last = last_byte(bench.url)
            found[name].append((finished - last, finished - started))
    return {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }


# ── 2 · Many at once ─────────────────────────────────────────────────────────────────


def chats(bench: Bench, run: Run, count: int, rounds: int) -> Json:
    """Seconds until so many chats have their pictures."""
    prompt = "a fox [[size 8MB]]"

    async def together() -> None:
        await asyncio.gather(*(bench.ask(prompt) for _ in range(count)))

    found: dict[str, list[float]] = {"plugin": [], "floor": []}
    with ThreadPoolExecutor(count) as pool:
        bench.fetch(prompt)
        run(bench.ask(prompt))
        for _ in range(rounds):
            started = time.monotonic()
            run(together())
            between = time.monotonic()
            list(pool.map(bench.fetch, [prompt] * count))
            found["plugin"].append(between - started)
            found["floor"].append(time.monotonic() - between)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


# ── 3 · The event loop ───────────────────────────────────────────────────────────────


async def delays_during(work: Awaitable[Any]) -> Json:
    """How much later than after 1 ms a sleeper woke up, in milliseconds."""
    delays = []
    task = asyncio.ensure_future(work)
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        delays.append((time.perf_counter() - before - 0.001) * 1000)
    await task
    delays.sort()
    return {"p99": delays[int(len(delays) * 0.99)], "max": delays[-1]}


def loop(
    bench: Bench, run: Run, who: str, waiting: int, receiving: int, seconds: float
) -> Json:
    """Delays while so many wait and so many receive again and again."""
    small, large = f"a fox [[wait {seconds}]]", "a fox [[size 8MB]]"

    async def ask(prompt: str) -> None:
        if who == "plugin":
            await bench.ask(prompt)
        else:
            await asyncio.get_running_loop().run_in_executor(pool, bench.fetch, prompt)

    async def again(until: float) -> None:
        while time.monotonic() < until:
            await ask(large)

    async def everything() -> None:
        until = time.monotonic() + seconds
        waiters = [ask(small) for _ in range(waiting)]
        await asyncio.gather(*waiters, *(again(until) for _ in range(receiving)))

    with ThreadPoolExecutor(waiting + receiving) as pool:
        run(ask(small))
        run(ask(large))
        return dict(run(delays_during(everything())))


# ── 4 · Memory ───────────────────────────────────────────────────────────────────────


def memory(bench: Bench, run: Run, who: str, count: int, rounds: int) -> Json:
    """Bytes of the process: before, at most while so many are in flight, and after."""
    prompt = "a fox [[size 8MB]]"

    async def together() -> None:
        bench.storage.together = asyncio.Barrier(count)  # all are there, then go on
        await asyncio.gather(*(bench.ask(prompt) for _ in range(count)))

    with ThreadPoolExecutor(count) as pool:
        bench.fetch(prompt)
        run(bench.ask(prompt))
        before, peaks = resident(), []
        for _ in range(rounds):
            Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
            if who == "plugin":
                run(together())
            else:
                list(pool.map(bench.fetch, [prompt] * count))
            peaks.append(resident("VmHWM"))
        size = count * 8 * MB
        left = resident() - before
    return {"peak": (max(peaks) - before) / size, "left": left / size}


def resident(field: str = "VmRSS") -> int:
    """What this process has in memory, in bytes."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    [kilobytes] = re.findall(rf"{field}:\s+(\d+) kB", status)
    return int(kilobytes) * 1024


# ── 5 · Loading ──────────────────────────────────────────────────────────────────────


def listing(bench: Bench, run: Run) -> Json:
    """Seconds of ``pipes()``, first cold, then warm, and of the pages by themselves."""
    url, token, pages = f"{bench.url}/v1beta/models?pageSize=1000", "", 0
    started = time.monotonic()
    while token or not pages:
        headers = {"x-goog-api-key": DEFAULT_KEY}
        page = requests.get(f"{url}&pageToken={token}", headers=headers).json()
        token, pages = page.get("nextPageToken", ""), pages + 1
    floor = time.monotonic() - started
    times = []
    for _ in range(21):
        started = time.monotonic()
        assert len(run(bench.pipe.pipes())) > 5
        times.append(time.monotonic() - started)
    return {
        "floor": floor,
        "pages": pages,
        "cold": times[0],
        "warm": statistics.median(times[1:]),
    }


# ── 7 · The reader ───────────────────────────────────────────────────────────────────


def reader(megabytes: float, piece: int, rounds: int) -> Json:
    """Bytes per second of CPU time that the reader takes in, that it would take in if
    decoding cost nothing, and that decoding takes in by itself."""
    encoded = base64.b64encode(random.Random(0).randbytes(int(megabytes * MB)))
    start = b'data: {"candidates": [{"content": {"parts": [{"inlineData": {"data": "'
    line = start + encoded + b'"}}]}}]}\r\n\r\n'
    pieces = [line[at : at + piece] for at in range(0, len(line), piece)]
    return {
        "plugin": len(line) / _cpu_seconds(lambda: _read(pieces), rounds),
        "scanning": len(line) / _cpu_seconds(lambda: _scan(pieces), rounds),
        "floor": len(line) / _cpu_seconds(lambda: _decode(encoded), rounds),
    }


class NoDecoder(plugin.Base64Decoder):
    """Takes everything and does nothing."""

    def feed(self, piece: bytes) -> None:
        """Forget it."""


def _read(pieces: list[bytes]) -> None:
    answer = plugin.ObjectReader()
    assert sum(len(list(answer.feed(piece))) for piece in pieces) == 1 and answer.end()


def _scan(pieces: list[bytes]) -> None:
    with mock.patch.object(plugin, "Base64Decoder", NoDecoder):
        _read(pieces)


def _decode(encoded: bytes, size: int = 65_536) -> None:
    out = io.BytesIO()
    for at in range(0, len(encoded), size):
        out.write(binascii.a2b_base64(encoded[at : at + size], strict_mode=True))


def _cpu_seconds(work: Callable[[], None], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return statistics.median(times)


# ── The process ──────────────────────────────────────────────────────────────────────

MEASURES: dict[str, Callable[..., Json]] = {
    measure.__name__: measure
    for measure in (picture, chats, loop, memory, listing, reader)
}


def main() -> None:
    """Run one measure with its options, and print what it found."""
    name, url, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    if name == "reader":
        print(json.dumps(reader(**options)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, asyncio.Runner() as r:
        print(json.dumps(MEASURES[name](Bench(url, folder), r.run, **options)))


if __name__ == "__main__":
    main()
