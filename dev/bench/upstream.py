"""The stand-in's answers, sent again without its work.

The stand-in draws and encodes, which would be measured along with the plugin. So each
answer is fetched from it once and from then on sent as it was, by a process that does
nothing else: the plugin and plain requests get the same bytes as fast as they take them.

    with Upstream(google.url) as upstream:
        print(upstream.url, upstream.last_byte())

``python -m dev.bench.upstream URL`` is that process.
"""

from __future__ import annotations

import re
import socket
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
LAST_BYTE = b"GET /_upstream/last-byte"
# Before each page of the list of models: no server is as near as loopback.
LIST_DELAY_S = 0.05
_WAIT = re.compile(rb"\[\[wait ([\d.]+)\]\]")
_LENGTH = re.compile(rb"^content-length: *(\d+)\r\n", re.IGNORECASE | re.MULTILINE)
_KEY = re.compile(rb"^x-goog-api-key:[^\n]*\n", re.IGNORECASE | re.MULTILINE)


class Upstream:
    """The process, seen from another one; it ends with the block, or with its parent."""

    def __init__(self, standin_url: str) -> None:
        command = [sys.executable, "-m", "dev.bench.upstream", standin_url]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe)
        assert self._process.stdout
        self.url = self._process.stdout.readline().decode().strip()

    def __enter__(self) -> Upstream:
        return self

    def __exit__(self, *exception: object) -> None:
        # It ends when its standard input does.
        self._process.communicate(timeout=10)


def last_byte(url: str) -> float:
    """When the newest answer's last byte was handed over, in ``time.monotonic()``."""
    answer = _exchange(_address(url), LAST_BYTE + b" HTTP/1.1\r\n\r\n")
    return float(answer)


class _Server(socketserver.ThreadingTCPServer):
    """A thread for each connection, and one answer on each."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, standin_url: str) -> None:
        self.standin = _address(standin_url)
        self.answers: dict[bytes, bytes] = {}
        self.last_byte = 0.0
        self.recording = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server
    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer the one request of this connection."""
        first = self.rfile.readline()
        head = b""
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            head += line
        length = _LENGTH.search(head)
        body = self.rfile.read(int(length[1])) if length else b""
        if first.startswith(LAST_BYTE):
            self.request.sendall(repr(self.server.last_byte).encode())
            return
        answer = self._answer(first, head, body)
        wait = _WAIT.search(body)
        time.sleep(float(wait[1]) if wait else 0.0 if body else LIST_DELAY_S)
        self.request.sendall(answer)
        self.server.last_byte = time.monotonic()

    def _answer(self, first: bytes, head: bytes, body: bytes) -> bytes:
        known = self.server.answers
        with self.server.recording:
            if first + body not in known:
                known[first + body] = self._fetched(first, head, _WAIT.sub(b"", body))
        return known[first + body]

    def _fetched(self, first: bytes, head: bytes, body: bytes) -> bytes:
        """The stand-in's answer to the request, to the last byte of its connection."""
        key = _KEY.search(head)
        headers = (
            b"Host: standin\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n%b\r\n" % (len(body), key[0] if key else b"")
        )
        return _exchange(self.server.standin, first + headers + body)


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return str(parts.hostname), int(parts.port or 80)


def _exchange(address: tuple[str, int], request: bytes) -> bytes:
    with socket.create_connection(address) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(1 << 20), b""))


def main() -> None:
    """Serve until standard input ends."""
    with _Server(sys.argv[1]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        print(f"http://{host!s}:{port}", flush=True)
        sys.stdin.buffer.read()
        server.shutdown()


if __name__ == "__main__":
    main()
