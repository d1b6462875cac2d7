"""However much an answer holds, the memory of the host stays bounded.

A server sends without end; who asks is a process of its own, whose peak is measured.
Of so many bytes of base64 come three quarters as many of a picture, which are held once:
that is the most that an answer may cost. Twice over would be too much.

An answer is allowed a fifth of the 200 MB that it may hold, which takes a fifth of the
time: memory is proportional to it.
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
from traffic import words_of

import gemini_image_pipe as gip

MODEL = "gemini-nano-banana-2.1"
MB = 1_000_000
LIMIT = gip.MAX_RESPONSE_BYTES // 5
BOUND = 50 * MB

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

    async def get(
        self, client: gip.GeminiClient, wait: float = gip.LIST_WAIT
    ) -> list[gip.ListedModel]:
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
        body = {"model": f"f.{MODEL}", "messages": messages}
        return words_of(await pipe.pipe(body))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gip, "MODEL_LISTS", Lists())
        patch.setattr(gip, "MAX_RESPONSE_BYTES", LIMIT)
        patch.setenv("no_proxy", "127.0.0.1")
        before = peak_memory()
        text = asyncio.run(chat())
        return text, peak_memory() - before


def asked_in_another_process(url: str) -> tuple[str, int]:
    """A process for one answer: what one leaves behind counts for no other.

    It is forked from a server that has loaded what it needs, not from here, where there
    are threads.
    """
    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["gemini_image_pipe", "pytest"])
    with concurrent.futures.ProcessPoolExecutor(1, forking) as process:
        return process.submit(ask, url).result(60)


# ── What comes of it ─────────────────────────────────────────────────────────────────


FLOODS = {
    "a picture": Flood(endless(PICTURE, b"A")),
    "a text": Flood(endless(TEXT, b"a")),
    "a line": Flood(endless(b"data: ", b"a")),
    "a comment": Flood(endless(b": ", b"a")),
    "a picture in gzip": Flood(packed(PICTURE, b"A"), "gzip"),
    "zeros in deflate": Flood(packed(b"", b"\0", window=15), "deflate"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_an_answer_without_end_is_given_up(server: Server, name: str) -> None:
    server.flood = FLOODS[name]
    text, grown = asked_in_another_process(server.url)
    assert "too large to be read" in text
    assert grown < BOUND, f"{grown / MB:.0f} MB"


def test_what_is_packed_twice_costs_no_more(server: Server) -> None:
    """Few bytes, which are a thousand times as many, which are a million times."""
    once = b"".join(packed(PICTURE, b"A"))
    server.flood = Flood([gzip.compress(once)], "gzip, gzip")
    text, grown = asked_in_another_process(server.url)
    assert gip.FAILURE_MARK in text
    assert "be read" in text
    assert grown < BOUND, f"{grown / MB:.0f} MB"


NESTED = {
    "arrays": b'{"a": ' + b"[" * LEVELS + b"]" * LEVELS + b"}",
    "objects": b'{"a": ' * LEVELS + b"1" + b"}" * LEVELS,
}


def test_ten_thousand_levels_are_a_sentence(server: Server) -> None:
    for nested in NESTED.values():
        server.flood = Flood([b"data: " + nested + b"\r\n\r\n"])
        text, grown = asked_in_another_process(server.url)
        assert "could not be read" in text
        assert grown < 10 * MB, f"{grown / MB:.0f} MB"
