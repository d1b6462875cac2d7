"""Through a real proxy, with and without TLS to it and to Google, all is as without.

The picture comes; Stop ends the request at both ends, whatever it waits for; and when
it is the proxy that refuses, the message says so, and shows nothing of its login.
"""

import asyncio
import logging
import socket

import pytest
import trustme

import gemini_image_pipe as gip
from dev.host.ports import LOOPBACK
from dev.host.proxies import Passed, Squid
from dev.standin import StandIn
from tests.fast.waiting import own_threads, until, wait_until
from tests.network.asking import ask, failure_of, pictures, silent_target

SCHEMES = ("http", "https")
to_proxy = pytest.mark.parametrize("way", SCHEMES)
to_target = pytest.mark.parametrize("scheme", SCHEMES)

Googles = dict[str, StandIn]


def passed_to(squid: Squid, google: StandIn) -> list[Passed]:
    """What the proxy has passed on to that one."""
    return [passed for passed in squid.passed if f":{google.port}" in passed.address]


# ── The picture ──────────────────────────────────────────────────────────────────────


@to_proxy
@to_target
@pytest.mark.parametrize("has_login", [False, True], ids=["open", "with login"])
def test_the_picture_comes(
    squid: Squid,
    googles: Googles,
    way: str,
    scheme: str,
    has_login: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        f"{scheme}_proxy", squid.url(way, squid.login if has_login else None)
    )
    google = googles[scheme]
    before = len(passed_to(squid, google))
    assert pictures(google.url, "a fox [[size 1MB]]") == google.sent_images
    assert len(google.sent_images) == 1
    assert wait_until(lambda: len(passed_to(squid, google)) > before)
    [passed] = passed_to(squid, google)[before:]
    assert passed.method == ("CONNECT" if scheme == "https" else "POST")
    assert passed.status == 200
    assert (passed.user != "-") is has_login
    assert "proxy-authorization" not in google.requests[0].headers
    assert wait_until(lambda: not own_threads())


@pytest.mark.parametrize(
    ("variable", "scheme", "is_used"),
    [
        ("HTTPS_PROXY", "https", True),
        ("https_proxy", "https", True),
        ("HTTP_PROXY", "http", True),
        ("http_proxy", "http", True),
        ("ALL_PROXY", "https", True),
        ("all_proxy", "http", True),
        ("HTTP_PROXY", "https", False),
        ("https_proxy", "http", False),
    ],
)
@pytest.mark.parametrize("form", ["http://{}", "{}", "//{}", "HTTP://{}/ "])
def test_the_environment_names_it(
    squid: Squid,
    googles: Googles,
    variable: str,
    scheme: str,
    is_used: bool,
    form: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = squid.url("http").removeprefix("http://")
    monkeypatch.setenv(variable, form.format(address))
    google = googles[scheme]
    before = len(passed_to(squid, google))
    assert pictures(google.url, "a fox")
    if is_used:
        assert wait_until(lambda: len(passed_to(squid, google)) > before)
    assert len(passed_to(squid, google)) == before + is_used


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("named", [LOOPBACK, "*", "127.0.0.0/8", "a.test, 127.0.0.1"])
def test_a_host_that_is_named_so_is_reached_without_it(
    squid: Squid,
    googles: Googles,
    variable: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", squid.url("https"))
    monkeypatch.setenv(variable, named)
    google = googles["https"]
    before = len(passed_to(squid, google))
    assert pictures(google.url, "a fox")
    assert len(passed_to(squid, google)) == before


# ── Stop ─────────────────────────────────────────────────────────────────────────────


@to_proxy
@to_target
@pytest.mark.parametrize(
    ("slow", "is_begun"),
    [
        pytest.param("[[wait 60]]", False, id="before the first byte"),
        pytest.param("[[pause 60]]", True, id="in mid-body"),
        pytest.param("[[trickle 60]] [[size 1MB]]", True, id="while bytes arrive"),
    ],
)
def test_stop_ends_a_request_at_both_ends(
    squid: Squid,
    googles: Googles,
    way: str,
    scheme: str,
    slow: str,
    is_begun: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", squid.url(way, squid.login))
    google = googles[scheme]
    before = len(passed_to(squid, google))
    arrived: list[gip.Event] = []

    async def stop_it() -> None:
        asking = asyncio.create_task(ask(google.url, f"a fox {slow}", arrived))
        assert await until(lambda: google.requests and bool(arrived) is is_begun)
        assert own_threads()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(stop_it())
    assert wait_until(lambda: not own_threads())
    # It would be no disconnection if the stand-in had come to its end.
    assert wait_until(lambda: google.requests[0].disconnected)
    assert wait_until(lambda: len(passed_to(squid, google)) == before + 1)
    assert len(google.requests) == 1


@to_proxy
@to_target
def test_stop_ends_what_a_target_never_answers(
    squid: Squid, way: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TLS in the handshake with it, behind the tunnel."""
    monkeypatch.setenv(f"{scheme}_proxy", squid.url(way))
    with silent_target() as (port, came, left):

        async def stop_it() -> None:
            asking = asyncio.create_task(ask(f"{scheme}://{LOOPBACK}:{port}", "", []))
            assert await until(came.is_set)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        asyncio.run(stop_it())
        assert wait_until(lambda: not own_threads())
        assert wait_until(left.is_set)


@to_proxy
@to_target
def test_stop_ends_what_the_proxy_cannot_connect(
    squid: Squid, way: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The target takes no more connections, so the proxy has nothing to answer yet."""
    monkeypatch.setenv(f"{scheme}_proxy", squid.url(way))
    with (
        socket.create_server((LOOPBACK, 0), backlog=0) as full,
        socket.create_connection(full.getsockname()),
    ):
        url = f"{scheme}://{LOOPBACK}:{full.getsockname()[1]}"

        async def stop_it() -> None:
            asking = asyncio.create_task(ask(url, "a fox", []))
            assert await until(own_threads)
            await asyncio.sleep(0.3)  # the proxy is at it, which nobody can see
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        asyncio.run(stop_it())
        assert wait_until(lambda: not own_threads())


# ── Failures ─────────────────────────────────────────────────────────────────────────


def assert_blames_the_proxy(failure: gip.GeminiError, kind: str) -> None:
    said = gip.failure_text(failure, gip.Reader())
    assert failure.kind == kind
    assert "proxy" in said
    assert "Google" not in said
    assert "API key" not in said


@to_proxy
@to_target
@pytest.mark.parametrize("password", ["wrong-one", ""])
def test_a_wrong_login_is_the_proxy_s_and_shown_nowhere(
    squid: Squid,
    googles: Googles,
    way: str,
    scheme: str,
    password: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    login = ("somebody-else", password)
    monkeypatch.setenv(f"{scheme}_proxy", squid.url(way, login))
    failure = failure_of(googles[scheme].url)
    assert_blames_the_proxy(failure, "proxy")
    for word in filter(None, login):
        assert word not in gip.failure_text(failure, gip.Reader()) + caplog.text
    assert googles[scheme].requests == []


@to_proxy
@pytest.mark.parametrize(("scheme", "kind"), [("http", "web_page"), ("https", "proxy")])
def test_a_refused_target_is_the_proxy_s_refusal(
    squid: Squid, way: str, scheme: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", squid.url(way, squid.login))
    assert_blames_the_proxy(failure_of(f"{scheme}://refused.test"), kind)


@to_target
@pytest.mark.parametrize("fault", ["another authority", "another host"])
def test_a_proxy_that_proves_nothing_gets_neither_login_nor_key(
    authority: trustme.CA,
    googles: Googles,
    scheme: str,
    fault: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if fault == "another authority":
        certificate = trustme.CA().issue_cert(LOOPBACK)
    else:
        certificate = authority.issue_cert("proxy.test")
    with Squid(certificate) as stranger:
        monkeypatch.setenv(f"{scheme}_proxy", stranger.url("https", stranger.login))
        assert_blames_the_proxy(failure_of(googles[scheme].url), "proxy")
        assert stranger.passed == []
    assert googles[scheme].requests == []


@to_target
def test_a_proxy_without_tls_that_is_named_with_it_is_the_proxy_s_fault(
    squid: Squid, googles: Googles, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = squid.url("http").replace("http:", "https:")
    monkeypatch.setenv(f"{scheme}_proxy", url)
    assert_blames_the_proxy(failure_of(googles[scheme].url), "proxy")
