"""The HTTP server: which path is answered by what.

Google's API lives under `/v1beta`, Vertex AI under `/v1beta1`, its tokens come from
`/token`; the other prefixes imitate gateways and broken
base URLs (see `PREFIXES` and `PLACES`).
"""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
import traceback
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from dev.standin.cloud import Cloud
from dev.standin.errors import GoogleError, RawAnswer, as_answer, payload_too_large
from dev.standin.google import Google, Stream
from dev.standin.inputs import type_of
from dev.standin.keys import DEFAULT_KEY
from dev.standin.records import RecordedRequest, describe, parsed
from dev.standin.wire import (
    ChunkedBody,
    ClientGone,
    Connection,
    Severed,
    read_body,
)

CONTROL = "/_standin/"
BODY_LIMIT = 100 * 1024 * 1024


class StandIn:
    """Google's image API on a port of this machine.

    >>> with StandIn() as google:
    ...     base_url = google.url
    """

    def __init__(
        self,
        port: int = 0,
        key: str = DEFAULT_KEY,
        *,
        extra_models: dict[str, str] | None = None,
        body_limit: int = BODY_LIMIT,
        gzip: bool = True,
        tls: ssl.SSLContext | None = None,
        takes_key_in_url: bool = False,
    ) -> None:
        """``takes_key_in_url``: as Google does, and as a gateway before it may need; the
        plugin never sends it there."""
        self.google = Google(key, extra_models or {}, takes_key_in_url)
        self.requests: list[RecordedRequest] = []
        self.elsewhere: list[RecordedRequest] = []
        self.body_limit = body_limit
        self.gzip = gzip
        self.tls = tls
        self.stopping = threading.Event()
        self._servers = [_Server(self, port, self.requests)]
        self._servers.append(_Server(self, 0, self.elsewhere))
        self.port = self._servers[0].server_port
        self.google.moved_to = f"http://localhost:{self._servers[1].server_port}"

    @property
    def url(self) -> str:
        """The address without a version, as for generativelanguage.googleapis.com."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    @property
    def cloud(self) -> Cloud:
        """Google Cloud beside Vertex AI: accounts and tokens."""
        return self.google.cloud

    @property
    def sent_images(self) -> list[bytes]:
        """The final pictures of all answers, in the order of sending."""
        return self.google.sent_images

    @property
    def sent_drafts(self) -> list[bytes]:
        """The interim pictures of all answers."""
        return self.google.sent_drafts

    @property
    def models_behaviour(self) -> str | None:
        """How lists of models fail: one of google.MODELS_BEHAVIOURS, or None."""
        return self.google.models_behaviour

    @models_behaviour.setter
    def models_behaviour(self, behaviour: str | None) -> None:
        self.google.behave(behaviour)

    def reset(self) -> None:
        """Forget what happened and behave normally again."""
        self.requests.clear()
        self.elsewhere.clear()
        self.google.reset()

    def start(self) -> StandIn:
        """Serve in threads of this process."""
        for server in self._servers:
            threading.Thread(
                target=server.serve_forever, args=(0.02,), daemon=True
            ).start()
        return self

    def stop(self) -> None:
        """Stop serving and end every connection."""
        self.stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
            server.close_connections()

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    """Threads that end with the process, and room for many callers at once."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self, standin: StandIn, port: int, records: list[RecordedRequest]
    ) -> None:
        self.standin = standin
        self.records = records
        self._open: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        """Bind without the reverse look-up of the standard class."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """The next connection; its handshake is its own thread's business."""
        connection, address = super().get_request()
        if self.standin.tls:
            connection = self.standin.tls.wrap_socket(
                connection, server_side=True, do_handshake_on_connect=False
            )
        return connection, address

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what tests do; it is no news."""

    def close_connections(self) -> None:
        """End the connections that clients keep alive."""
        for request in list(self._open):
            self.shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.link = Connection(self.connection, self.server.standin.stopping)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet: the records are the log."""

    def handle_any(self) -> None:
        """Every method comes here."""
        split = urlsplit(self.path)
        limit = self.server.standin.body_limit
        raw, size, complete = read_body(self.rfile, self.headers, limit)
        if split.path.startswith(CONTROL):
            self._answer(self._control(split.path.removeprefix(CONTROL), raw))
            return
        record = RecordedRequest(
            method=self.command,
            path=unquote(split.path),
            query=dict(parse_qsl(split.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            raw_size=size,
            body=parsed(raw),
            disconnected=not complete,
        )
        self.server.records.append(record)
        if complete:
            self._serve(record, raw, too_large=size > limit)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any

    def _serve(self, record: RecordedRequest, raw: bytes, *, too_large: bool) -> None:
        """Answer one recorded request and note how it ended."""
        try:
            answer = self._outcome(record, raw, too_large)
            if isinstance(answer, Stream):
                self._stream(answer, record)
            else:
                self._answer(answer, record)
        except ClientGone:
            record.disconnected = True
            self.close_connection = True
        except Severed:
            self.close_connection = True
        finally:
            record.finished = time.time()

    def _outcome(
        self, record: RecordedRequest, raw: bytes, too_large: bool
    ) -> RawAnswer | Stream:
        """What Google would say, refusals included."""
        standin = self.server.standin
        try:
            if too_large:
                raise payload_too_large(standin.body_limit)
            return standin.google.answer(record, raw, self.link.wait)
        except GoogleError as refusal:
            return as_answer(refusal)
        except (ClientGone, Severed):
            raise
        except Exception:
            traceback.print_exc()
            return RawAnswer(599, b"stand-in: a fault of its own", "text/plain")

    def _answer(self, answer: RawAnswer, record: RecordedRequest | None = None) -> None:
        """A complete answer with its length."""
        headers = answer.headers | {"Content-Length": str(len(answer.body))}
        body = b"" if self.command == "HEAD" else answer.body
        head = self._head(answer.status, answer.content_type, headers, record)
        self.link.send(head + body)

    def _stream(self, stream: Stream, record: RecordedRequest) -> None:
        """An answer that arrives piece by piece."""
        if stream.severed_at_once:
            self._sever(stream)
        gzip = self._takes_gzip()
        headers = {"Transfer-Encoding": "chunked"}
        headers |= {"Content-Encoding": "gzip"} if gzip else {}
        self.link.send(self._head(200, stream.content_type, headers, record))
        level = 0 if stream.is_big else 1
        body = ChunkedBody(self.link, gzip=gzip, level=level)
        for piece in stream.pieces(self.link.wait):
            body.write(piece)
        if stream.severed:
            self._sever(stream)
        if self.link.gone():
            raise ClientGone
        body.end()

    def _sever(self, stream: Stream) -> None:
        if stream.resets:
            self.link.reset()
        else:
            self.link.close()
        raise Severed

    def _takes_gzip(self) -> bool:
        accepted = self.headers.get("Accept-Encoding", "")
        return self.server.standin.gzip and "gzip" in accepted

    def _head(
        self,
        status: int,
        content_type: str | None,
        headers: dict[str, str],
        record: RecordedRequest | None,
    ) -> bytes:
        """The status line and the headers."""
        if record:
            record.status = status
        fields = {
            "Server": "scaffolding on HTTPServer2",
            "Date": formatdate(usegmt=True),
        }
        fields |= {"Content-Type": content_type} if content_type else {}
        fields |= headers
        fields |= {"Connection": "close"} if self.close_connection else {}
        reason = self.responses.get(status, ("",))[0]
        lines = [f"HTTP/1.1 {status} {reason}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    # -- the control surface for tests in other processes

    def _control(self, name: str, raw: bytes) -> RawAnswer:
        standin = self.server.standin
        if name == "requests" and self.command == "DELETE":
            standin.reset()
            return _as_json({})
        if name == "requests":
            return _as_json(_report(standin))
        if name == "accounts" and self.command == "PUT":
            standin.cloud.public_keys.update(parsed(raw) or {})
            return _as_json({})
        if name == "behaviour" and self.command == "PUT":
            try:
                standin.models_behaviour = (parsed(raw) or {}).get("models")
            except ValueError as failure:
                return RawAnswer(400, str(failure).encode(), "text/plain")
            return _as_json({"models": standin.models_behaviour})
        return _as_json({"ready": name == "ready"})


def _report(standin: StandIn) -> dict[str, Any]:
    return {
        "requests": [record.as_json() for record in standin.requests],
        "elsewhere": [record.as_json() for record in standin.elsewhere],
        "sent_images": [_described(data) for data in standin.sent_images],
        "sent_drafts": [_described(data) for data in standin.sent_drafts],
    }


def _described(picture: bytes) -> dict[str, Any]:
    return describe(picture, type_of(picture))


def _as_json(value: Any) -> RawAnswer:
    return RawAnswer(200, json.dumps(value).encode())
