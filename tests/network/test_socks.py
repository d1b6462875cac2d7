"""Through a SOCKS proxy all is as without: the picture, Stop, and who has failed.

PySocks, which hosts do not bring, is there; what is said without it is in tests/fast.
"""

import asyncio
from collections.abc import Iterator

import pytest

import gemini_image_pipe as gip
from dev.host.ports import LOOPBACK, free_port
from dev.host.proxies import LOGIN, Login, MicroSocks
from dev.standin import StandIn
from tests.fast.waiting import own_threads, until, wait_until
from tests.network.asking import ask, failure_of, pictures, silent_target

SCHEMES = ("http", "https")
to_target = pytest.mark.parametrize("scheme", SCHEMES)

Googles = dict[str, StandIn]


@pytest.fixture(scope="module")
def open_socks() -> Iterator[MicroSocks]:
    with MicroSocks() as running:
        yield running


@pytest.fixture(scope="module")
def locked_socks() -> Iterator[MicroSocks]:
    with MicroSocks(LOGIN) as running:
        yield running


@to_target
@pytest.mark.parametrize(
    ("variable", "way", "login"),
    [
        ("all_proxy", "socks5", None),
        ("ALL_PROXY", "SOCKS5H", None),
        ("all_proxy", "socks5h", LOGIN),
    ],
)
def test_the_picture_comes(
    request: pytest.FixtureRequest,
    googles: Googles,
    scheme: str,
    variable: str,
    way: str,
    login: Login | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    socks = request.getfixturevalue("locked_socks" if login else "open_socks")
    monkeypatch.setenv(variable, socks.url(way, login))
    google, before = googles[scheme], len(socks.passed)
    assert pictures(google.url, "a fox [[size 1MB]]") == google.sent_images
    assert len(google.sent_images) == 1
    assert socks.passed[before:] == [f"{LOOPBACK}:{google.port}"]
    assert wait_until(lambda: not own_threads())


def test_the_proxy_finds_the_host_where_the_address_says_so(
    open_socks: MicroSocks, googles: Googles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With "h" behind the version; else this server does, as all programs have it."""
    url = googles["http"].url.replace(LOOPBACK, "localhost")
    for way, host in (("socks5h", "localhost"), ("socks5", LOOPBACK)):
        monkeypatch.setenv("all_proxy", open_socks.url(way))
        before = len(open_socks.passed)
        assert pictures(url, "a fox")
        assert open_socks.passed[before:] == [f"{host}:{googles['http'].port}"]


@to_target
@pytest.mark.parametrize(
    ("slow", "is_begun"),
    [
        pytest.param("[[wait 60]]", False, id="before the first byte"),
        pytest.param("[[pause 60]]", True, id="in mid-body"),
    ],
)
def test_stop_ends_a_request_at_both_ends(
    locked_socks: MicroSocks,
    googles: Googles,
    scheme: str,
    slow: str,
    is_begun: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("all_proxy", locked_socks.url("socks5h", LOGIN))
    google = googles[scheme]
    arrived: list[gip.Event] = []

    async def stop_it() -> None:
        asking = asyncio.create_task(ask(google.url, f"a fox {slow}", arrived))
        assert await until(lambda: google.requests and bool(arrived) is is_begun)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(stop_it())
    assert wait_until(lambda: not own_threads())
    assert wait_until(lambda: google.requests[0].disconnected)
    assert len(google.requests) == 1


@pytest.mark.parametrize("silent", ["the target", "the proxy"])
@to_target
def test_stop_ends_what_is_never_answered(
    open_socks: MicroSocks, scheme: str, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the handshake with the target, or with the proxy itself."""
    with silent_target() as (port, came, left):
        is_proxy = silent == "the proxy"
        proxy = f"socks5h://{LOOPBACK}:{port}" if is_proxy else open_socks.url("socks5")
        monkeypatch.setenv("all_proxy", proxy)

        async def stop_it() -> None:
            asking = asyncio.create_task(ask(f"{scheme}://{LOOPBACK}:{port}", "", []))
            assert await until(came.is_set)
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking

        asyncio.run(stop_it())
        assert wait_until(lambda: not own_threads())
        assert wait_until(left.is_set)


@to_target
def test_a_proxy_that_fails_is_the_proxy_s_fault_and_its_login_shown_nowhere(
    locked_socks: MicroSocks,
    googles: Googles,
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    login = ("somebody-else", "wrong-one")
    nobody = f"socks5h://{':'.join(login)}@{LOOPBACK}:{free_port()}"
    for proxy in (locked_socks.url("socks5h", login), nobody):
        monkeypatch.setenv("all_proxy", proxy)
        failure = failure_of(googles[scheme].url)
        said = gip.failure_text(failure, gip.Reader(), for_admin=True)
        assert failure.kind == "proxy" and "Google" not in said
        for word in login:
            assert word not in said + caplog.text
    assert googles[scheme].requests == []


@to_target
def test_a_target_that_it_does_not_reach_is_told_as_the_proxy_s(
    open_socks: MicroSocks, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("all_proxy", open_socks.url("socks5h"))
    assert failure_of(f"{scheme}://{LOOPBACK}:{free_port()}").kind == "proxy"
