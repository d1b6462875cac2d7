"""One HTTP connection as the stand-in uses it: slow, cut, reset, and watched.

While the stand-in waits or writes it notices that the client has gone, since tests
check that a stopped request closes its connection.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from email.message import Message
from io import BufferedIOBase

POLL_SECONDS = 0.05
READ_BLOCK = 1 << 20
SLICES_PER_SECOND = 20


class ClientGone(Exception):
    """The client closed its connection before the answer was complete."""


class Severed(Exception):
    """The stand-in itself ended the connection, as a directive asked."""


class Connection:
    """Waiting and writing on one client's socket."""

    def __init__(self, sock: socket.socket, stopping: threading.Event) -> None:
        self._socket = sock
        self._stopping = stopping

    def gone(self) -> bool:
        """Whether the client has closed its side."""
        try:
            readable, _, _ = select.select([self._socket], [], [], 0)
            # Not the recv of a TLS socket: that one cannot peek.
            return bool(readable) and not socket.socket.recv(
                self._socket, 1, socket.MSG_PEEK
            )
        except (OSError, ValueError):
            return True

    def wait(self, seconds: float) -> None:
        """Sleep, unless the client goes away or the server is stopped."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._stopping.wait(min(POLL_SECONDS, left)) or self.gone():
                raise ClientGone
        if seconds and self.gone():
            raise ClientGone

    def send(self, data: bytes) -> None:
        """Write all of it."""
        try:
            self._socket.sendall(data)
        except OSError as failure:
            raise ClientGone from failure

    def close(self) -> None:
        """End the connection in the usual way, whatever is still to be said."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        linger = struct.pack("ii", 1, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._socket.close()


def read_body(
    source: BufferedIOBase, headers: Message, limit: int
) -> tuple[bytes, int, bool]:
    """A request's body (empty when over the limit), its size, and if it all came."""
    if headers.get("Transfer-Encoding", "").lower() == "chunked":
        blocks = _chunks(source)
    else:
        blocks = _blocks(source, int(headers.get("Content-Length") or 0))
    kept, size = [], 0
    try:
        for block in blocks:
            size += len(block)
            if size <= limit:
                kept.append(block)
    except (EOFError, OSError, ValueError):
        return b"", size, False
    return (b"".join(kept) if size <= limit else b""), size, True


def _blocks(source: BufferedIOBase, left: int) -> Iterator[bytes]:
    while left:
        block = source.read(min(READ_BLOCK, left))
        if not block:
            raise EOFError
        left -= len(block)
        yield block


def _chunks(source: BufferedIOBase) -> Iterator[bytes]:
    while size := int(source.readline().split(b";")[0], 16):
        yield from _blocks(source, size)
        source.readline()
    source.readline()


class ChunkedBody:
    """A body of unknown length: HTTP/1.1 chunks, compressed if the client agrees.

    Level 0 is valid gzip that costs nothing, for bodies too big to squeeze in a test.
    """

    def __init__(
        self, connection: Connection, *, gzip: bool = False, level: int = 1
    ) -> None:
        self._connection = connection
        self._packer = zlib.compressobj(level, zlib.DEFLATED, 31) if gzip else None

    def write(self, data: bytes) -> None:
        """Send now, in a chunk of its own."""
        if self._packer:
            data = self._packer.compress(data)
            data += self._packer.flush(zlib.Z_SYNC_FLUSH)
        self._chunk(data)

    def end(self) -> None:
        """Send what tells the client that the body is complete."""
        if self._packer:
            self._chunk(self._packer.flush())
        self._connection.send(b"0\r\n\r\n")

    def _chunk(self, data: bytes) -> None:
        if data:
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data))


def slowly(
    pieces: list[bytes], seconds: float, wait: Callable[[float], None]
) -> Iterator[bytes]:
    """The same bytes in small slices, spread over so many seconds."""
    whole = b"".join(pieces)
    count = max(1, int(seconds * SLICES_PER_SECOND))
    length = max(1, -(-len(whole) // count))
    for start in range(0, len(whole), length):
        yield whole[start : start + length]
        wait(1 / SLICES_PER_SECOND)


def first_bytes(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """Only so many bytes of the pieces."""
    for piece in pieces:
        yield piece[:limit]
        limit -= len(piece)
        if limit <= 0:
            return
