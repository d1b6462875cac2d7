"""What stands between: web servers, gateways and proxies that answer, or do not.

Their answers are sent byte by byte over real sockets.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rows import check_rows

import gemini_image_pipe as gip

GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
KEY = "key-for-tests"
MODEL = "gemini-nano-banana-2.1"


def client_of(address: str) -> gip.GeminiClient:
    return gip.GeminiClient(address, KEY)


def failure_of(client: gip.GeminiClient, prompt: str = "a fox") -> gip.GeminiError:
    """How a request for a picture fails."""

    async def take(event: gip.Event) -> None:
        pytest.fail(f"there was an answer: {event!r:.80}")

    asked = gip.Conversation(newest=gip.Turn("user", prompt))
    body = gip.generate_body(asked, gip.ImageOptions())
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(client.generate(gip.Route(MODEL, MODEL), body, 20.0, take))
    return failure.value


@contextlib.contextmanager
def answering(answer: bytes, bytes_read: int = 1, reset: bool = False) -> Iterator[str]:
    """The address of a server that reads so much of each request, sends these bytes,
    and closes the connection, or resets it."""

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(bytes_read)
                    connection.sendall(answer)
                    if reset:
                        now = struct.pack("ii", 1, 0)
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                        continue
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65_536):
                        pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An answer as a web server sends it."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode() + body


PLAIN = b'{"candidates": [{"content": {"parts": [{"text": "Hello."}]}}]}'
# What is sent, the kind of failure, and what its message names.
ANSWERS = [
    (http("502 Bad Gateway", b"", "Server: Caddy"), "gateway_down", "(Caddy)"),
    (
        http("503 Service Unavailable", b"", "Server: nginx/1.22.1"),
        "gateway_down",
        "(nginx)",
    ),
    (http("401 Unauthorized", b"no"), "key_refused", "127.0.0.1 does not accept"),
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "unreadable", "127.0.0.1"),
    (b"220 mail.example ESMTP\r\n", "unreadable", "127.0.0.1"),
    (b"", "no_answer", "client_max_body_size"),
    (http("200 OK", PLAIN, "Content-Encoding: gzip"), "unreadable", "127.0.0.1"),
    (http("200 OK", PLAIN, "Content-Encoding: deflate"), "unreadable", "127.0.0.1"),
]


def test_who_answered_is_named_and_google_is_not() -> None:
    def check(answer: bytes, kind: str, named: str) -> None:
        with answering(answer, bytes_read=65_536) as address:
            error = failure_of(client_of(address))
        text = gip.failure_text(error)
        assert error.kind == kind
        assert named in text and not text.startswith("**Google")

    check_rows(ANSWERS, check)


def test_a_413_before_the_request_is_read_is_one_all_the_same() -> None:
    """A web server answers at the sight of the size, and reads no more."""
    page = b"<html><h1>413 Request Entity Too Large</h1><hr>nginx</html>"
    with answering(http("413 Request Entity Too Large", page)) as address:
        error = failure_of(client_of(address), "a fox" * 2_000_000)
    assert error.kind == "too_large_on_the_way"
    assert "127.0.0.1 (nginx)" in gip.failure_text(error)
    assert "client_max_body_size" in gip.failure_text(error)


def test_a_connection_that_is_reset_before_an_answer_broke_off_in_no_middle() -> None:
    with answering(b"", reset=True) as address:
        error = failure_of(client_of(address), "a fox" * 2_000_000)
    assert error.kind == "no_answer" and error.kind not in gip.RETRYABLE


# ── The server's environment ─────────────────────────────────────────────────────────


@pytest.mark.parametrize("proxy", ["socks5://10.0.0.1:9", "SOCKS5h://me:secret@h:9"])
def test_a_socks_proxy_is_named_and_not_tried_again(
    proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("no_proxy", "")
    error = failure_of(client_of(GOOGLE))
    text = gip.failure_text(error, for_admin=True)
    assert error.kind == "socks" and error.kind not in gip.RETRYABLE
    assert "SOCKS" in text and "secret" not in text


@pytest.mark.parametrize(
    "variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"]
)
def test_a_file_of_certificates_that_is_not_there_is_named(
    variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To administrators with its path, which others need not know."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    missing = tmp_path / "none.pem"
    monkeypatch.setenv(variable, str(missing))
    with answering(b"") as address:
        error = failure_of(client_of(address.replace("http:", "https:")))
    assert error.kind == "certificates" and error.kind not in gip.RETRYABLE
    assert variable in gip.failure_text(error)
    assert str(missing) not in gip.failure_text(error)
    assert str(missing) in gip.failure_text(error, for_admin=True)
