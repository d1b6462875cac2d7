"""Before the request is sent: connecting, proxies that say nothing or nonsense.

Whatever a request waits for, Stop ends it; and a failure names who failed. Proxies that
work are in tests/network.
"""

import asyncio
import base64
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from messages import told
from rows import check_rows
from waiting import LIMIT_S, own_threads, until, wait_until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

LOOPBACK = "127.0.0.1"
ROUTE = gip.Route("gemini-nano-banana-2.1", "gemini-nano-banana-2.1")
LONGER_THAN_ANY_TEST = 60.0


@pytest.fixture(autouse=True)
def no_proxy_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.01)
    monkeypatch.setattr(gip, "CONNECT_TIMEOUT", LONGER_THAN_ANY_TEST)


async def ask(url: str) -> None:
    async def take(event: gip.Event) -> None:
        pass

    asked = gip.Conversation(newest=gip.Turn("user", "a fox"))
    body = gip.generate_body(asked, gip.ImageOptions())
    client = gip.GeminiClient(gip.Backend(f"{url}/v1beta"), DEFAULT_KEY)
    await client.generate(ROUTE, body, LONGER_THAN_ANY_TEST, take)


def failure_of(url: str) -> gip.GeminiError:
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(ask(url))
    return failure.value


@dataclass
class Listener:
    """Somebody at a port who answers all the same, or nothing."""

    port: int
    heard: bytes = b""
    left: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def answering(answer: bytes, hangs_up: bool = False) -> Iterator[Listener]:
    """Take one connection, and answer once what is said there."""

    def listen() -> None:
        with contextlib.suppress(OSError):  # the end of the test
            connection, _ = server.accept()
            with connection:
                connection.settimeout(LIMIT_S)
                listener.heard += connection.recv(65_536)
                connection.sendall(answer)
                if hangs_up:
                    connection.shutdown(socket.SHUT_WR)
                while piece := connection.recv(65_536):
                    listener.heard += piece
                listener.left.set()

    with socket.create_server((LOOPBACK, 0)) as server:
        listener = Listener(server.getsockname()[1])
        threading.Thread(target=listen, daemon=True).start()
        yield listener


@contextlib.contextmanager
def full() -> Iterator[Listener]:
    """Somebody who takes no more connections, so that connecting has no end."""
    with (
        socket.create_server((LOOPBACK, 0), backlog=0) as server,
        socket.create_connection(server.getsockname()),
    ):
        yield Listener(server.getsockname()[1])


# ── Stop ─────────────────────────────────────────────────────────────────────────────


def stop(url: str, is_at_it: Callable[[], object]) -> None:
    async def stop_it() -> None:
        asking = asyncio.create_task(ask(url))
        assert await until(is_at_it)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(stop_it())
    assert wait_until(lambda: not own_threads())


@pytest.mark.parametrize(
    ("proxy", "target"),
    [
        pytest.param("", "http://{}", id="headers of the target"),
        pytest.param("", "https://{}", id="handshake with the target"),
        pytest.param("http://{}", "http://google.test", id="headers of the proxy"),
        pytest.param("http://{}", "https://google.test", id="tunnel"),
        pytest.param("https://{}", "http://google.test", id="handshake, forwarded"),
        pytest.param("https://{}", "https://google.test", id="handshake, tunnelled"),
    ],
)
def test_stop_ends_the_wait_for_an_answer(
    proxy: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(b"") as listener:
        address = f"{LOOPBACK}:{listener.port}"
        monkeypatch.setenv("all_proxy", proxy.format(address))
        stop(target.format(address), lambda: listener.heard)
        assert wait_until(listener.left.is_set)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", ["", "http://{}", "https://{}"])
def test_stop_ends_the_wait_for_a_connection(
    proxy: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting = threading.Event()
    connect = socket.socket.connect

    def noticed(opened: socket.socket, address: object) -> None:
        connecting.set()
        connect(opened, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", noticed)
    with full() as listener:
        connecting.clear()
        address = f"{LOOPBACK}:{listener.port}"
        monkeypatch.setenv("all_proxy", proxy.format(address))
        stop(f"{scheme}://{address}", connecting.is_set)


def test_one_socket_that_cannot_be_shut_keeps_no_other_open() -> None:
    sockets = gip.Sockets()
    with socket.socket() as unconnected:
        ours, theirs = socket.socketpair()
        sockets.add(unconnected)
        sockets.add(ours)
        ours.close()  # as TLS does with the socket that it takes
        sockets.shutdown()
        theirs.settimeout(LIMIT_S)
        assert theirs.recv(1) == b""
        with pytest.raises(gip.Cancelled):
            sockets.add(theirs)
        theirs.close()
        sockets.close()


def test_a_request_leaves_no_connection_open(google: StandIn) -> None:
    def descriptors() -> int:
        return len(os.listdir("/dev/fd"))

    asyncio.run(ask(google.url))
    assert wait_until(lambda: not own_threads())
    before = descriptors()
    for _ in range(5):
        asyncio.run(ask(google.url))
    # The stand-in closes its own ends in its own time.
    assert wait_until(lambda: descriptors() <= before)


# ── Failures ─────────────────────────────────────────────────────────────────────────

PAGE = b"<!DOCTYPE html><title>Please log in</title>"
TUNNEL_REFUSED = (
    (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",),
    (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 43\r\n\r\n" + PAGE,),
    (b"HTTP/1.1 502 Bad Gateway\r\n\r\n",),
    (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n",),
    (b"HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n\r\n",),
    (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE,),
    (b"HTTP/1.1 200 OK\r\n\r\n",),
    (PAGE,),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20,),
    (b"\xff" * 100,),
    (b"",),
)


def test_a_proxy_that_opens_no_tunnel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(answer: bytes) -> None:
        with answering(answer, hangs_up=True) as listener:
            monkeypatch.setenv("https_proxy", f"http://{LOOPBACK}:{listener.port}")
            assert failure_of("https://google.test").kind == "proxy"
            assert listener.heard.startswith(b"CONNECT google.test:443 ")
            assert DEFAULT_KEY.encode() not in listener.heard

    check_rows(TUNNEL_REFUSED, check)


@pytest.mark.parametrize(
    ("proxy", "target", "kind"),
    [
        ("", "https://{}", "no_connection"),
        ("http://{}", "https://google.test", "proxy"),
        ("https://{}", "https://google.test", "proxy"),
        ("https://{}", "http://google.test", "proxy"),
    ],
)
def test_silence_before_the_request_is_no_slow_answer(
    proxy: str, target: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes other seconds than those of the time limit, and has not been billed."""
    monkeypatch.setattr(gip, "CONNECT_TIMEOUT", 0.2)
    with answering(b"") as listener:
        address = f"{LOOPBACK}:{listener.port}"
        monkeypatch.setenv("all_proxy", proxy.format(address))
        assert failure_of(target.format(address)).kind == kind


@pytest.mark.parametrize("written", [None, "no certificate"])
def test_no_proxy_is_blamed_for_missing_certificates(
    written: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trusted = tmp_path / "ca.pem"
    if written:
        trusted.write_text(written)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    for proxy in ("", "http://127.0.0.1:9", "https://127.0.0.1:9"):
        monkeypatch.setenv("all_proxy", proxy)
        kind = "tls" if written else "certificates"
        assert failure_of("https://127.0.0.1:9").kind == kind


NO_PROXIES = (
    ("http://",),
    ("http://:3128",),
    ("http://name:s3cret@",),
    ("http://name:s3cret@proxy.test:port",),
    ("http://name:s3cret@proxy.test:0",),
    ("http://name:s3c/ret@proxy.test:3128",),
    ("http://name:s3c#ret@proxy.test:3128",),
    ("http://name:s3cret@[::1:3128",),
    ("http://name:s3cret@" + "a" * 70 + ":3128",),
    ("socks://name:s3cret@proxy.test:1080",),
    ("ftp://name:s3cret@proxy.test",),
    ("name:s3cret@",),
)


def test_what_can_be_no_proxy_is_the_proxy_s_fault_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def check(named: str) -> None:
        for scheme in ("http", "https"):
            monkeypatch.setenv(f"{scheme}_proxy", named)
            failure = failure_of(f"{scheme}://google.test")
            is_socks = named.startswith("socks")
            assert failure.kind == ("socks" if is_socks else "proxy")
            shown = told(failure) + caplog.text
            assert "s3c" not in shown
            assert "name:" not in shown

    check_rows(NO_PROXIES, check)


LOGINS = (
    ("name:secret", "name:secret"),
    ("name:p%40ss%3Aw%2Fo%23r%25d", "name:p@ss:w/o#r%d"),
    ("name:p@ss", "name:p@ss"),
    ("name:50%", "name:50%"),
    ("j%C3%B6rg:%C5%82%E5%AF%86", "jörg:ł密"),
    ("jörg:ł密", "jörg:ł密"),
    ("j%F6rg:%FF", b"j\xf6rg:\xff"),
    ("token", "token:"),
    ("token:", "token:"),
)


def test_a_login_reaches_the_proxy_as_it_was_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def check(written: str, meant: str | bytes) -> None:
        meant = meant.encode() if isinstance(meant, str) else meant
        login = base64.b64encode(meant)
        for form in ("http://{}", "{}"):
            for scheme in ("http", "https"):
                with answering(b"HTTP/1.1 407 No\r\n\r\n", hangs_up=True) as listener:
                    address = f"{written}@{LOOPBACK}:{listener.port}"
                    monkeypatch.setenv("all_proxy", form.format(address))
                    assert failure_of(f"{scheme}://google.test").kind == "proxy"
                    sent = b"Proxy-Authorization: Basic " + login + b"\r\n"
                    assert sent in listener.heard

    check_rows(LOGINS, check)
