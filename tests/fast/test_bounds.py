"""However much an answer holds, the memory of the host stays bounded.

A server sends without end; who asks is a process of its own, whose peak is measured.
Of 200 MB of base64 come 150 MB of a picture, which are held once: that is the most that
an answer may cost. Twice over would be too much.
"""

import asyncio
import concurrent.futures
import contextlib
import gzip
import itertools
import multiprocessing
import re
import resource
import sys
import threading
import zlib
from collections.abc import Iterable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest

import gemini_image_pipe as gip

MODEL = "gemini-nano-banana-2.1"
MB = 1_000_000
BOUND = 250 * MB

PICTURE = b'data: {"candidates": [{"content": {"parts": [{"inlineData": {"data": "'
TEXT = b'data: {"candidates": [{"content": {"parts": [{"text": "'
LEVELS = 10_000


# ── What is sent ─────────────────────────────────────────────────────────────────────


def endless(start: bytes, more: bytes, megabytes: int = 500) -> Iterator[bytes]:
    """More than anybody should take."""
    piece = more * (MB // len(more))
    return itertools.chain([start], itertools.repeat(piece, megabytes))


def packed(
    start: bytes, more: bytes, window: int = 31, megabytes: int = 500
) -> Iterator[bytes]:
    """The same, compressed to a thousandth; window 31 means gzip, 15 deflate."""
    packer = zlib.compressobj(9, zlib.DEFLATED, window)
    begin = packer.compress(start) + packer.flush(zlib.Z_FULL_FLUSH)
    piece = packer.compress(more * (MB // len(more)))
    # After a full flush a piece needs nothing of what came before it.
    piece += packer.flush(zlib.Z_FULL_FLUSH)
    return itertools.chain([begin], itertools.repeat(piece, megabytes))


class Flood(NamedTuple):
    """An answer that is too much."""

    pieces: Iterable[bytes]
    encoding: str = "identity"


class Server(ThreadingHTTPServer):
    """Answers every request with the flood, until the peer has had enough."""

    daemon_threads = True
    flood = Flood([])

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Encoding", self.server.flood.encoding)
        self.end_headers()
        with contextlib.suppress(OSError):
            for piece in self.server.flood.pieces:
                self.wfile.write(piece)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.shutdown()
    running.server_close()


# ── Who asks ─────────────────────────────────────────────────────────────────────────


class Lists(gip.ModelLists):
    """The models, without asking anybody."""

    async def get(self, client: gip.GeminiClient, wait: float) -> list[gip.ListedModel]:
        return [gip.ListedModel(MODEL, "Nano Banana 2.1", ("generateContent",))]


def peak_memory() -> int:
    """The most memory that this process has had so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux: its ru_maxrss would count the parent's memory, too
        found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
        return int(found[1]) * 1024 if found else 0
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def ask(url: str) -> tuple[str, int]:
    """What the chat shows, and by how many bytes the process grew for it."""

    async def chat() -> str:
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(
            GEMINI_API_KEY="a-key", GEMINI_API_BASE_URL=url, MAX_RETRIES=0
        )
        messages = [{"role": "user", "content": "a red fox"}]
        return str(await pipe.pipe({"model": f"f.{MODEL}", "messages": messages}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gip, "MODEL_LISTS", Lists())
        patch.setenv("no_proxy", "127.0.0.1")
        before = peak_memory()
        text = asyncio.run(chat())
        return text, peak_memory() - before


def asked_in_another_process(url: str) -> tuple[str, int]:
    spawning = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, spawning) as process:
        return process.submit(ask, url).result(60)


# ── What comes of it ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(Flood(endless(PICTURE, b"A")), id="a picture"),
        pytest.param(Flood(endless(TEXT, b"a")), id="a text"),
        pytest.param(Flood(endless(b"data: ", b"a")), id="a line"),
        pytest.param(Flood(endless(b": ", b"a")), id="a comment"),
        pytest.param(Flood(packed(PICTURE, b"A"), "gzip"), id="a picture in gzip"),
        pytest.param(
            Flood(packed(b"", b"\0", window=15), "deflate"), id="zeros in deflate"
        ),
    ],
)
def test_an_answer_without_end_is_given_up(server: Server, flood: Flood) -> None:
    server.flood = flood
    text, grown = asked_in_another_process(server.url)
    assert "too large to be read" in text
    assert grown < BOUND, f"{grown / MB:.0f} MB"


def test_what_is_packed_twice_costs_no_more(server: Server) -> None:
    """Few bytes, which are a thousand times as many, which are a million times."""
    once = b"".join(packed(PICTURE, b"A", megabytes=2_000))
    server.flood = Flood([gzip.compress(once)], "gzip, gzip")
    text, grown = asked_in_another_process(server.url)
    assert gip.FAILURE_MARK in text
    assert "be read" in text
    assert grown < BOUND, f"{grown / MB:.0f} MB"


@pytest.mark.parametrize(
    "nested",
    [
        pytest.param(b'{"a": ' + b"[" * LEVELS + b"]" * LEVELS + b"}", id="arrays"),
        pytest.param(b'{"a": ' * LEVELS + b"1" + b"}" * LEVELS, id="objects"),
    ],
)
def test_ten_thousand_levels_are_a_sentence(server: Server, nested: bytes) -> None:
    server.flood = Flood([b"data: " + nested + b"\r\n\r\n"])
    text, grown = asked_in_another_process(server.url)
    assert "could not be read" in text
    assert grown < 10 * MB, f"{grown / MB:.0f} MB"
