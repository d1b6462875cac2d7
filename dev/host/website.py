"""A website on this machine, for what is loaded from one, or must not be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from dev.host.ports import LOOPBACK


@dataclass(frozen=True)
class Website:
    """Its address, and the paths that somebody has asked for."""

    url: str
    seen: list[str] = field(default_factory=list)


@contextmanager
def open_website(text: str = "") -> Iterator[Website]:
    """Serve this text under every path; without one, all that is asked for is missed."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            website.seen.append(self.path)
            self.send_response(200 if text else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Handler)
    website = Website(f"http://{LOOPBACK}:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield website
    finally:
        server.shutdown()
        server.server_close()
