"""A gateway that means no good: it answers whatever a test tells it to.

    with open_gateway() as gateway:
        gateway.answer = lambda model: Reply([event({"text": "…"})])

Until it is told, it lists the current models and answers every request with a picture.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gemini_image_pipe as gip
from dev.host.pictures import drawn
from dev.host.ports import LOOPBACK

PICTURE = {
    "inlineData": {
        "mimeType": "image/png",
        "data": base64.b64encode(drawn("PNG")).decode(),
    }
}


def event(*parts: Any, **candidate: Any) -> bytes:
    """One event of a stream with these parts of a candidate."""
    found = {"content": {"role": "model", "parts": parts}, **candidate}
    return framed({"candidates": [found]})


def framed(value: Any) -> bytes:
    """One event of a stream with that JSON."""
    return b"data: " + json.dumps(value).encode() + b"\r\n\r\n"


@dataclass(frozen=True)
class Reply:
    """What is sent: pieces, one by one, behind a status and headers.

    interim: bytes before the status line, such as another response.
    """

    pieces: Iterable[bytes] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    interim: bytes = b""


def listing(*models: Any) -> Reply:
    """A list of models; of a text only the id."""
    rows = [{"name": f"models/{m}"} if isinstance(m, str) else m for m in models]
    return Reply([json.dumps({"models": rows}).encode()])


def with_picture(model: str) -> Reply:
    """What an honest one answers."""
    return Reply([event({"text": "Here it is."}), event(PICTURE, finishReason="STOP")])


CURRENT = listing(*(facts.id for facts in gip.CURRENT_MODELS))


class Gateway:
    """A running one: its address, what it answers, and who was asked for, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        """As it was in the beginning."""
        self.answer: Callable[[str], Reply] = with_picture
        self.models = CURRENT
        self.asked: list[str] = []


@contextmanager
def open_gateway() -> Iterator[Gateway]:
    """Serve until the block ends, under any path before the API's own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(gateway.models)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            found = re.search(r"/models/([^:]+):", self.path)
            model = found[1] if found else ""
            gateway.asked.append(model)
            self._send(gateway.answer(model))

        def _send(self, reply: Reply) -> None:
            with suppress(OSError):  # whoever has had enough hangs up
                self.wfile.write(reply.interim)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in reply.pieces:
                    self.wfile.write(piece)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
    server.daemon_threads = True
    gateway = Gateway(f"http://{LOOPBACK}:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
