"""Addresses, keys, threads, sockets and the list of models.

Streams run against the stand-in over real sockets; single answers are played by
`responses`, or sent as they are.
"""

import asyncio
import base64
import contextlib
import gc
import json
import os
import re
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import responses
import trustme
from messages import told
from rows import check_rows
from waiting import LIMIT_S, own_threads, until, wait_until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn
from dev.standin.pictures import noise_picture

GOOGLE = "https://generativelanguage.googleapis.com"
ROUTE = gip.Route("gemini-nano-banana-2.1", "gemini-nano-banana-2.1")


def client_for(google: StandIn, **changes: Any) -> gip.GeminiClient:
    settings = {"backend": gip.Backend(f"{google.url}/v1beta"), "key": DEFAULT_KEY}
    return gip.GeminiClient(**{**settings, **changes})


@pytest.fixture(autouse=True)
def idle_threads_end_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is still there is then one that works."""
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.01)


Take = Callable[[gip.Event], Awaitable[None]]


async def ask(
    client: gip.GeminiClient,
    prompt: str,
    take: Take,
    route: gip.Route = ROUTE,
    timeout: float = 20.0,
) -> None:
    asked = gip.Conversation(newest=gip.Turn("user", prompt))
    body_of = gip.generate_body if route.generate else gip.predict_body
    await client.generate(route, body_of(asked, gip.ImageOptions()), timeout, take)


async def events_of(
    client: gip.GeminiClient, prompt: str, route: gip.Route = ROUTE, **more: Any
) -> list[gip.Event]:
    events: list[gip.Event] = []

    async def take(event: gip.Event) -> None:
        events.append(event)

    await ask(client, prompt, take, route, **more)
    return events


def pictures(events: list[gip.Event]) -> list[bytes]:
    return [e.data for e in events if isinstance(e, gip.Image) and not e.draft]


@pytest.mark.parametrize(
    ("typed", "url"),
    [
        ("", f"{GOOGLE}/v1beta"),
        ("  ", f"{GOOGLE}/v1beta"),
        (GOOGLE, f"{GOOGLE}/v1beta"),
        (f" {GOOGLE}/ \n", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1beta", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1beta//", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1", f"{GOOGLE}/v1"),
        (f"{GOOGLE}/v1alpha/", f"{GOOGLE}/v1alpha"),
        (f"{GOOGLE}/v1beta/openai/", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1beta/openai/chat/completions", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1beta/models", f"{GOOGLE}/v1beta"),
        (f"{GOOGLE}/v1beta/models/gemini-x:generateContent", f"{GOOGLE}/v1beta"),
        ("https://gw.example/models/x:predict/", "https://gw.example/v1beta"),
        ("https://gw.example/v1/publishers/google/models", None),
        ("https://gw.example/v1/projects/p/locations/l/publishers/google/", None),
        ("https://gw.example/v1/my/google", "https://gw.example/v1/my/google/v1beta"),
        (f"{GOOGLE}/openai", f"{GOOGLE}/v1beta"),
        ("http://gateway:4000/gemini", "http://gateway:4000/gemini/v1beta"),
        ("https://gateway.example.org/gemini/#", "https://gateway.example.org/gemini"),
        ("https://gateway.example.org/v1beta#", "https://gateway.example.org/v1beta"),
    ],
)
def test_any_base_url_ends_in_one_right_prefix(typed: str, url: str) -> None:
    url = url or typed.removesuffix("/").removesuffix("/models")
    assert gip.read_address(typed) == (url, "")


@pytest.mark.parametrize(
    ("typed", "address", "query"),
    [
        ("https://a.example/?tenant=1", "https://a.example/v1beta", "tenant=1"),
        ("https://a.example/x?y=1&z#", "https://a.example/x", "y=1&z"),
        ("https://a.example/x/#?y=1", "https://a.example/x", "y=1"),
        ("https://a.example/v1?y=1?2", "https://a.example/v1", "y=1?2"),
        ("https://a.example/v1?", "https://a.example/v1", ""),
        # A pasted request: each has its own, and the key is in no URL.
        (
            f"{GOOGLE}/v1beta/models/x:streamGenerateContent?alt=sse&key=AIzaSECRET",
            f"{GOOGLE}/v1beta",
            "",
        ),
    ],
)
def test_what_follows_a_base_url_goes_behind_each_request(
    typed: str, address: str, query: str
) -> None:
    assert gip.read_address(typed) == (address, query)
    backend = gip.Backend(address, query)
    assert backend.url("/models?pageSize=1").startswith(f"{address}/models?pageSize=1")
    for path in ("/models?pageSize=1", "/models/x:predict"):
        asked = urlsplit(backend.url(path)).query.split("&")
        assert set(filter(None, query.split("&"))) <= {*asked}


@pytest.mark.parametrize(
    "typed",
    [
        "generativelanguage.googleapis.com",
        "ftp://example.org",
        "https://",
        "http://example.org:port",
        "http://[::1",
        "https://example.org/v1beta?x=\N{SNOWMAN}",
    ],
)
def test_what_is_no_web_address_is_refused_with_a_sentence(typed: str) -> None:
    with pytest.raises(gip.GeminiError) as failure:
        gip.read_address(typed)
    assert failure.value.kind == "base_url"
    assert "https://" in told(failure.value)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("", "key_missing"),
        (" \n", "key_missing"),
        ("AIzaEX\nAMPLE", "key_malformed"),
        ("AIza EXAMPLE", "key_malformed"),
        ("schlüssel", "key_malformed"),
    ],
)
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(
    typed: str, kind: str
) -> None:
    with pytest.raises(gip.GeminiError) as failure:
        gip.checked_key(typed)
    assert failure.value.kind == kind
    for piece in typed.split():
        assert piece not in told(failure.value)


@pytest.mark.parametrize("key", ["AIzaEXAMPLE", "AQ.new-form_of.key", "whatever"])
def test_keys_of_any_form_pass_without_the_blanks_around_them(key: str) -> None:
    assert gip.checked_key(f" {key}\r\n") == key


def test_a_key_never_shows_in_a_client_s_text() -> None:
    client = gip.GeminiClient(gip.Backend("https://example.org/v1beta"), "AIzaSECRET")
    assert "SECRET" not in repr(client)
    assert "SECRET" not in client.identity


# ── Requests ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "framing", ["", "[[json]]", "[[array]]", "[[snake]]", "[[comments]]", "[[relay]]"]
)
def test_the_picture_arrives_as_it_was_sent_in_any_framing(
    google: StandIn, framing: str
) -> None:
    events = asyncio.run(events_of(client_for(google), f"a fox {framing}"))
    assert pictures(events) == google.sent_images
    assert len(google.sent_images) == 1


def test_a_picture_of_some_megabytes_arrives_whole(google: StandIn) -> None:
    """It comes in dozens of pieces, as one of any size does."""
    events = asyncio.run(events_of(client_for(google), "a fox [[size 4MB]]"))
    assert pictures(events) == google.sent_images
    assert len(google.sent_images[0]) > 3_900_000


def test_the_request_is_what_google_expects(google: StandIn) -> None:
    asyncio.run(events_of(client_for(google), "a fox"))
    request = google.requests[-1]
    assert request.path == "/v1beta/models/gemini-nano-banana-2.1:streamGenerateContent"
    assert request.query == {"alt": "sse"}
    assert request.headers["x-goog-api-key"] == DEFAULT_KEY
    assert "authorization" not in request.headers
    assert DEFAULT_KEY not in str(request.query)
    assert request.body["generationConfig"]["responseModalities"] == ["TEXT", "IMAGE"]


def test_a_netrc_file_adds_no_credentials(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    events = asyncio.run(events_of(client_for(google), "a fox"))
    assert pictures(events)
    assert "authorization" not in google.requests[-1].headers


def test_imagen_answers_through_predict_where_it_lives(google: StandIn) -> None:
    client = client_for(google, backend=gip.Backend(f"{google.url}/legacy/v1beta"))
    route = gip.Route("imagen-4.0-generate-001", "imagen-4.0-generate-001", False)
    events = asyncio.run(events_of(client, "a fox", route))
    assert google.requests[-1].path.endswith("imagen-4.0-generate-001:predict")
    assert pictures(events) == google.sent_images


def test_a_redirect_is_named_and_not_followed(google: StandIn) -> None:
    client = client_for(google, backend=gip.Backend(f"{google.url}/moved/v1beta"))
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client, "a fox"))
    assert failure.value.kind == "redirect"
    assert "localhost" in told(failure.value)
    assert google.elsewhere == []


@responses.activate
def test_an_error_without_json_or_text_still_makes_a_sentence() -> None:
    url = f"{GOOGLE}/v1beta/models/gemini-nano-banana-2.1:streamGenerateContent"
    responses.post(url, status=404, body=b"")
    client = gip.GeminiClient(gip.Backend(f"{GOOGLE}/v1beta"), "key-for-tests")
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client, "a fox"))
    for said in ("404", "Nano Banana 2.1", "googleapis.com"):
        assert said in told(failure.value)
    assert not told(failure.value).rstrip("*. ").endswith(":")


@pytest.mark.parametrize(
    ("prefix", "kind"),
    [("/html/v1beta", "web_page"), ("/empty/v1beta", "unreadable")],
)
def test_what_is_not_google_s_answer_is_said_to_be_so(
    google: StandIn, prefix: str, kind: str
) -> None:
    client = client_for(google, backend=gip.Backend(google.url + prefix))
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client, "a fox"))
    assert failure.value.kind == kind
    assert "<" not in told(failure.value)


PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n a fox").decode()
PAINTED: dict[str, Any] = {
    "candidates": [
        {
            "content": {"parts": [{"inlineData": {"data": PICTURE}}]},
            "finishReason": "STOP",
        }
    ]
}


def events_of_answer(body: Any) -> list[gip.Event]:
    url = f"{GOOGLE}/v1beta/models/gemini-nano-banana-2.1:streamGenerateContent"
    responses.post(url, json=body)
    client = gip.GeminiClient(gip.Backend(f"{GOOGLE}/v1beta"), "key-for-tests")
    return asyncio.run(events_of(client, "a fox"))


@responses.activate
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"error": {}, **PAINTED}, id="empty-error"),
        pytest.param({"error": "", **PAINTED}, id="empty-error-text"),
        pytest.param({"response": PAINTED, "traceId": "1"}, id="response"),
        pytest.param({"code": 0, "message": "ok", "data": PAINTED}, id="data"),
        pytest.param([{"result": PAINTED}], id="result-in-an-array"),
    ],
)
def test_what_a_gateway_puts_around_an_answer_costs_no_picture(body: Any) -> None:
    """It has been paid for."""
    assert pictures(events_of_answer(body)) == [base64.b64decode(PICTURE)]


@responses.activate
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"code": 401, "message": "The token is not valid."}, "key_refused"),
        ({"success": False, "message": "Insufficient balance"}, "budget"),
        ({"detail": "The service is being moved."}, "http"),
        ({"message": {"x": 1}}, "unreadable"),
        ({"object": "list", "data": []}, "unreadable"),
    ],
)
def test_an_error_that_is_not_called_one_is_quoted(
    body: dict[str, Any], kind: str
) -> None:
    """Some gateways answer 200 and say in the body alone what is wrong."""
    with pytest.raises(gip.GeminiError) as failure:
        events_of_answer(body)
    assert failure.value.kind == kind
    said = body.get("message") or body.get("detail")
    assert not isinstance(said, str) or said in told(failure.value)


@pytest.mark.parametrize("how", ["[[cut]]", "[[reset]]", "[[cut 40]]"])
def test_an_answer_that_breaks_off_is_a_failure(google: StandIn, how: str) -> None:
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client_for(google), f"a fox {how}"))
    assert failure.value.kind == "broken_off"


def test_nobody_listening_is_a_failure_without_address_or_key() -> None:
    client = gip.GeminiClient(gip.Backend("http://127.0.0.1:9/v1beta"), "key-for-tests")
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client, "a fox"))
    assert failure.value.kind == "no_connection"
    assert "key-for-tests" not in told(failure.value)
    assert "http" not in told(failure.value)


def test_a_proxy_that_is_down_is_named_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    client = gip.GeminiClient(gip.Backend(f"{GOOGLE}/v1beta"), "key-for-tests")
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client, "a fox"))
    assert failure.value.kind == "proxy"


def test_certificates_are_read_once_and_again_when_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading them takes longer than all else; a host stays up when they are renewed."""
    read: list[str] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(self, cafile: Any = None, *more: Any) -> None:
            read.append(Path(cafile).name)
            super().load_verify_locations(cafile, *more)

    def context() -> ssl.SSLContext:
        return Context(ssl.PROTOCOL_TLS_CLIENT)

    authority, stranger = trustme.CA(), trustme.CA()
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    monkeypatch.setattr(gip, "create_urllib3_context", context)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted))
    with StandIn(tls=tls) as google:
        for _ in range(3):
            assert pictures(asyncio.run(events_of(client_for(google), "a fox")))
        assert read == ["ca.pem"]
        stranger.cert_pem.write_to_path(trusted)
        os.utime(trusted, ns=(1, 1))
        with pytest.raises(gip.GeminiError) as failure:
            asyncio.run(events_of(client_for(google), "a fox"))
    assert failure.value.kind == "tls"
    assert read == ["ca.pem"] * 2
    assert len(google.requests) == 3


# ── Time and Stop ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("slow", ["[[wait 60]]", "[[trickle 60]]"])
def test_the_time_limit_holds_for_the_whole_request(google: StandIn, slow: str) -> None:
    with pytest.raises(gip.GeminiError) as failure:
        asyncio.run(events_of(client_for(google), f"a fox {slow}", timeout=0.5))
    assert failure.value.kind == "timeout"
    # It would be no disconnection if the stand-in had come to its end.
    assert wait_until(lambda: google.requests[-1].disconnected)
    assert wait_until(lambda: not own_threads())


@pytest.mark.parametrize(
    ("slow", "is_begun"),
    [
        pytest.param("[[wait 60]]", False, id="before the first byte"),
        pytest.param("[[pause 60]]", True, id="in mid-body"),
        pytest.param("[[trickle 60]] [[size 1MB]]", True, id="while bytes arrive"),
    ],
)
def test_a_cancelled_request_ends_at_once_at_both_ends(
    google: StandIn, slow: str, is_begun: bool
) -> None:
    arrived: list[gip.Event] = []

    async def take(event: gip.Event) -> None:
        arrived.append(event)

    async def cancel_under_way() -> None:
        task = asyncio.create_task(ask(client_for(google), f"a fox {slow}", take))
        assert await until(lambda: google.requests and bool(arrived) is is_begun)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_under_way())
    assert wait_until(lambda: google.requests[-1].disconnected)
    assert wait_until(lambda: not own_threads())
    assert len(google.requests) == 1


@contextlib.contextmanager
def sending(answer: bytes) -> Iterator[tuple[str, threading.Event]]:
    """A server that sends every request these bytes and no more.

    Its address, and what is set when a client has left.
    """
    left = threading.Event()

    def serve(server: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the end of the test
            while True:
                connection, _ = server.accept()
                with connection:
                    asked = b""
                    while not asked.endswith(b"}"):
                        asked += connection.recv(65_536)
                    connection.sendall(answer)
                    connection.settimeout(LIMIT_S)
                    connection.recv(1)
                    left.set()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", left
        server.shutdown(socket.SHUT_RDWR)


def test_a_cancelled_request_ends_where_the_server_wants_to_close() -> None:
    async def cancel_after_the_first_words(address: str) -> None:
        arrived: list[gip.Event] = []

        async def take(event: gip.Event) -> None:
            arrived.append(event)

        client = gip.GeminiClient(gip.Backend(address), DEFAULT_KEY)
        task = asyncio.create_task(ask(client, "a fox", take))
        assert await until(lambda: arrived)
        assert arrived == [gip.Text("A")]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    words = b'{"candidates": [{"content": {"parts": [{"text": "A"}]}}]}'
    with sending(head + words) as (address, left):
        asyncio.run(cancel_after_the_first_words(address))
        assert left.wait(LIMIT_S)
    assert wait_until(lambda: not own_threads())


async def standing_in_line(
    owner: str, bounds: gip.Bounds
) -> contextlib.AbstractContextManager[gip.Place]:
    """A place that somebody else has, until the block ends."""
    place = gip.REQUEST_LINE.place(owner, bounds)
    await place.enter(0.0)
    return place


ONE = gip.Bounds(1, 1)


def test_a_request_cancelled_in_line_is_never_sent_and_holds_no_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In front of it may be minutes of others, and behind it many that were stopped."""

    class Body(dict[str, Any]):
        """One of which can be told whether it is still there."""

    kept: list[weakref.ref[Body]] = []
    started: list[Any] = []
    monkeypatch.setattr(gip.DaemonThreads, "start", lambda _, job: started.append(job))

    async def take(event: gip.Event) -> None:
        raise AssertionError(event)

    async def cancel_in_line() -> None:
        client = gip.GeminiClient(gip.Backend(GOOGLE), DEFAULT_KEY, ONE)
        with await standing_in_line("other", ONE):
            for _ in range(3):
                body = Body(contents=["a picture"])
                kept.append(weakref.ref(body))
                task = asyncio.create_task(client.generate(ROUTE, body, 20.0, take))
                del body
                assert await until(lambda: client.caller.places)
                assert kept[-1]() is not None
                task.cancel()
                await asyncio.wait([task])
                assert task.cancelled() and not client.caller.places
                del task
            gc.collect()
            assert [body() for body in kept] == [None] * 3
        assert not started
        with await standing_in_line("another", ONE):  # nobody is left before it
            pass

    asyncio.run(cancel_in_line())


def test_one_user_s_slow_requests_leave_others_their_turn(google: StandIn) -> None:
    """Who fills the line waits behind it; who comes with one picture does not."""
    bounds = gip.Bounds(4, 2)
    slow, quick = (
        client_for(google, parallel=bounds, caller=gip.Caller(owner))
        for owner in ("slow", "quick")
    )

    async def crowd() -> None:
        waits = [
            asyncio.create_task(events_of(slow, "a fox [[wait 30]]")) for _ in range(17)
        ]
        assert await until(lambda: len(google.requests) == 2)
        assert pictures(await events_of(quick, "a fox"))
        assert len(google.requests) == 3
        assert slow.caller.before is None  # two of its own are under way
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        assert len(google.requests) == 3

    asyncio.run(crowd())


def test_a_place_is_given_back_when_the_thread_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who stops and begins anew, again and again, would else have a thread each time,
    since one that only just connects cannot be woken."""
    gate, began = threading.Semaphore(0), list[gip.EncodedBody]()

    def connect(*given: Any) -> Iterator[Any]:
        began.append(given[-1])
        gate.acquire(timeout=LIMIT_S)
        raise gip.Cancelled

    monkeypatch.setattr(gip.GeminiClient, "request", connect)

    async def stop_and_begin() -> None:
        client = gip.GeminiClient(gip.Backend(GOOGLE), DEFAULT_KEY, ONE)
        first = asyncio.create_task(events_of(client, "a fox"))
        assert await until(lambda: began)
        assert len(began[0])
        first.cancel()
        await asyncio.wait([first])
        assert not len(began[0])  # the pictures of the one that is stopped are gone
        second = asyncio.create_task(events_of(client, "a fox"))
        assert await until(lambda: client.caller.before == 0)
        assert len(began) == 1
        gate.release()
        assert await until(lambda: len(began) == 2)
        second.cancel()
        gate.release()
        await asyncio.wait([second])

    asyncio.run(stop_and_begin())


def test_a_host_whose_log_fails_loses_no_answer_and_no_place(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no room for a log")

    monkeypatch.setattr(gip.log, "info", fail)

    async def ask_twice() -> None:
        client = client_for(google, parallel=ONE)
        for _ in range(2):
            assert pictures(await events_of(client, "a fox"))

    asyncio.run(ask_twice())


def test_each_try_sends_all_pictures_with_their_length(google: StandIn) -> None:
    """Google takes no chunks of unknown length; a try begins the body anew."""
    noise = noise_picture(5 * gip.SLICE, "image/png")
    picture = gip.InputPicture(gip.Image(noise, "image/png"), "a")
    asked = gip.Conversation(newest=gip.Turn("user", "a fox [[text only]]"))
    body = gip.generate_body(asked, gip.ImageOptions(), [picture] * 2)

    async def ask_twice() -> None:
        async def take(event: gip.Event) -> None:
            pass

        for _ in range(2):
            await client_for(google).generate(ROUTE, body, LIMIT_S, take)

    asyncio.run(ask_twice())
    length = str(len(gip.EncodedBody(body)))
    for request in google.requests:
        assert request.headers["content-length"] == length
        assert "transfer-encoding" not in request.headers
        parts = request.body["contents"][0]["parts"]
        sent = [p["inlineData"]["data"] for p in parts if "inlineData" in p]
        assert [base64.b64decode(data) for data in sent] == [noise] * 2
    assert len(google.requests) == 2


# Who stands before it, its own bounds, what it is told → in words.
IN_VAIN: list[tuple[str, gip.Bounds, str, str]] = [
    ("other", ONE, "busy", "MAX_PARALLEL_REQUESTS."),
    ("me", gip.Bounds(9, 1), "busy_own", "MAX_PARALLEL_REQUESTS_PER_USER."),
    ("me", ONE, "busy", "MAX_PARALLEL_REQUESTS."),  # more for each would not help
]


def test_who_waited_in_vain_reads_how_long_and_whose_limit_it_was() -> None:
    async def wait_in_vain(owner: str, bounds: gip.Bounds) -> gip.GeminiError:
        async def take(event: gip.Event) -> None:
            raise AssertionError(event)

        client = gip.GeminiClient(
            gip.Backend(GOOGLE), DEFAULT_KEY, bounds, gip.Caller("me")
        )
        with (
            await standing_in_line(owner, bounds),
            pytest.raises(gip.GeminiError) as failure,
        ):
            await client.generate(ROUTE, {}, 0.6, take)  # told as a whole number
        return failure.value

    def check(owner: str, bounds: gip.Bounds, kind: str, says: str) -> None:
        error = asyncio.run(wait_in_vain(owner, bounds))
        text = told(error)
        assert error.kind == kind
        assert says in text and "waited in line for 1 seconds" in text

    check_rows(IN_VAIN, check)


def test_google_is_not_blamed_for_the_time_in_line(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had what was left, and the message says what else the time went into."""
    client = client_for(google, parallel=ONE)

    async def wait_for_one_that_is_slow(in_line: float, timeout: float) -> str:
        place = await standing_in_line("other", ONE)
        asyncio.get_running_loop().call_later(in_line, place.__exit__, *[None] * 3)
        with pytest.raises(gip.GeminiError) as failure:
            await events_of(client, "a fox [[wait 30]]", timeout=timeout)
        assert failure.value.kind == "timeout"
        return told(failure.value)

    text = asyncio.run(wait_for_one_that_is_slow(0.2, 0.5))
    waited = r"within \d+ seconds, after a wait of \d+ seconds in line on this server\."
    assert re.search(rf"did not finish {waited}\*\*", text)
    text = asyncio.run(wait_for_one_that_is_slow(0.0, 1.2))
    assert re.search(r"did not finish within \d+ seconds\.\*\*", text)


class AtOnce:
    """In a thread's place: these batches, all in the first turn of the event loop."""

    def __init__(
        self, *batches: list[gip.Event | gip.GeminiError | None], begun: bool = True
    ) -> None:
        self._batches, self._begun = batches, begun

    def start(self, job: Any) -> None:
        exchange = job.__self__
        exchange._begun = time.monotonic() if self._begun else None
        for batch in self._batches:
            exchange._put(batch)


PAINTING = gip.Image(b"\x89PNG\r\n\x1a\n", "image/png")
WORD = gip.Text("a")
BROKEN = gip.GeminiError("broken_off")
# What comes in the turn in which the time is over, whether a thread had begun → how
# the request ends.
AT_THE_DEADLINE: list[
    tuple[list[list[gip.Event | gip.GeminiError | None]], bool, str]
] = [
    ([[PAINTING], [None]], True, ""),
    ([[PAINTING, None]], True, ""),
    ([[WORD], [PAINTING], [WORD], [None]], True, ""),
    ([[None]], True, ""),
    ([[PAINTING]], True, "timeout"),
    ([[WORD, PAINTING], [WORD]], True, "timeout"),
    ([[PAINTING], [BROKEN]], True, "broken_off"),
    ([[BROKEN]], True, "broken_off"),
    ([], True, "timeout"),
    ([], False, "busy"),
]


def test_what_comes_together_with_the_deadline_is_handed_over() -> None:
    """It was paid for, however busy the event loop was meanwhile."""

    async def exchange(taken: list[gip.Event]) -> str:
        async def take(event: gip.Event) -> None:
            taken.append(event)

        client = gip.GeminiClient(gip.Backend(GOOGLE), DEFAULT_KEY)
        try:
            await client.generate(ROUTE, {}, 0.0, take)
        except gip.GeminiError as error:
            return error.kind
        return ""

    def check(
        batches: list[list[gip.Event | gip.GeminiError | None]], begun: bool, end: str
    ) -> None:
        taken: list[gip.Event] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gip, "REQUESTS", AtOnce(*batches, begun=begun))
            assert asyncio.run(exchange(taken)) == end
        brought = [event for batch in batches for event in batch]
        assert taken == [e for e in brought if e is not None and e is not BROKEN]

    check_rows(AT_THE_DEADLINE, check)


def test_only_google_s_silence_is_told_as_its_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One of the host's storage is not: Google has answered."""
    monkeypatch.setattr(gip, "REQUESTS", AtOnce([WORD], [None]))

    async def take(event: gip.Event) -> None:
        raise TimeoutError("of the one who takes it")

    client = gip.GeminiClient(gip.Backend(GOOGLE), DEFAULT_KEY)
    with pytest.raises(TimeoutError, match="who takes it"):
        asyncio.run(client.generate(ROUTE, {}, 20.0, take))


def test_threads_are_bounded_and_daemons_and_all_jobs_run() -> None:
    threads = gip.DaemonThreads(3, "test-bounded")
    together = threading.Barrier(3)  # passed only by three at the same time
    lock = threading.Lock()
    running, peak, ran = 0, 0, 0
    all_daemons = True

    def job() -> None:
        nonlocal running, peak, ran, all_daemons
        with lock:
            running += 1
            peak = max(peak, running)
            all_daemons = all_daemons and threading.current_thread().daemon
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(LIMIT_S)
        with lock:
            running -= 1
            ran += 1

    for _ in range(21):
        threads.start(job)
    assert wait_until(lambda: ran == 21)
    assert peak == 3 and not together.broken
    assert all_daemons


class Gate:
    """Jobs that wait until they may end, and how many run at the moment."""

    def __init__(self) -> None:
        self.running = 0
        self.began: list[int] = []
        self._lock = threading.Lock()
        self._may_end = threading.Semaphore(0)

    def job(self, number: int) -> Callable[[], None]:
        def job() -> None:
            with self._lock:
                self.running += 1
                self.began.append(number)
            self._may_end.acquire(timeout=LIMIT_S)
            with self._lock:
                self.running -= 1

        return job

    def let_end(self, count: int) -> None:
        self._may_end.release(count)

    def is_at(self, running: int, began: int) -> bool:
        return (self.running, len(self.began)) == (running, began)


def named(name: str) -> int:
    """How many threads of that name there are."""
    return sum(thread.name == name for thread in threading.enumerate())


def test_an_idle_thread_takes_the_next_job_and_ends_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To start one takes the event loop's time, to keep all of them memory."""
    monkeypatch.setattr(gip, "IDLE_THREAD", 4 * LIMIT_S)
    threads = gip.DaemonThreads(1, "test-idle")
    ran_on: list[int] = []
    for _ in range(3):
        done = threading.Event()
        threads.start(lambda: ran_on.append(threading.get_ident()))
        threads.start(done.set)
        assert done.wait(LIMIT_S)
        assert wait_until(lambda: threads._free == 1)
    assert len(set(ran_on)) == named("test-idle") == 1
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.01)
    threads.start(lambda: None)  # the wait for the one after it is the short one
    assert wait_until(lambda: not named("test-idle"))
    threads.start(lambda: ran_on.append(0))
    assert wait_until(lambda: len(ran_on) == 4)


def test_a_thread_keeps_nothing_of_a_job_that_is_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request holds its pictures, and the key."""
    monkeypatch.setattr(gip, "IDLE_THREAD", 4 * LIMIT_S)
    threads = gip.DaemonThreads(1, "test-forgetful")

    class Job:
        def __call__(self) -> None:
            pass

    job = Job()
    kept = weakref.ref(job)
    threads.start(job)
    del job
    assert wait_until(lambda: kept() is None, 2)


def test_a_thread_that_could_not_start_takes_no_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = gip.DaemonThreads(1, "test-scarce")

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError):
            threads.start(lambda: None)
    done = threading.Event()
    threads.start(done.set)
    assert done.wait(LIMIT_S)


def refuse_to_start(thread: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("there", [1, 2, 3])
def test_a_job_waits_for_those_that_are_there_when_no_thread_can_be_had(
    monkeypatch: pytest.MonkeyPatch, there: int
) -> None:
    """A busy machine makes an answer late; it must not lose it."""
    threads, gate = gip.DaemonThreads(4, "test-few"), Gate()
    for number in range(there):
        threads.start(gate.job(number))
    assert wait_until(lambda: gate.running == there)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        for number in range(there, 8):
            threads.start(gate.job(number))
    gate.let_end(8)
    assert wait_until(lambda: gate.is_at(0, 8))
    assert sorted(gate.began) == list(range(8))
    if there == 1:
        assert gate.began == list(range(8))


def test_a_job_that_nobody_would_take_is_refused_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads, ran = gip.DaemonThreads(4, "test-none"), list[int]()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse_to_start)
        for _ in range(3):
            with pytest.raises(RuntimeError, match="new thread"):
                threads.start(lambda: ran.append(0))
    done = threading.Event()
    threads.start(done.set)
    assert done.wait(LIMIT_S)
    assert ran == []


@pytest.mark.parametrize("size", [1, gip.SLICE, gip.SLICE + 1, 3 * gip.SLICE])
def test_a_picture_is_worked_on_at_once_when_no_thread_can_be_had(
    monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(gip, "SHORT_WORK", gip.DaemonThreads(4, "test-short"))
    picture = gip.Image(PAINTING.data.ljust(size, b"0"), "image/png")
    answer = gip.Answer(gip.HostChat(), "a fox", inline=True)

    async def take() -> tuple[Any, gip.Piece]:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse_to_start)
            length = await gip.work_on(picture.data, len)
            return length, await answer.take(picture)

    length, piece = asyncio.run(take())
    assert length == len(picture.data)
    assert base64.b64encode(picture.data).decode() in str(piece)
    assert answer.pictures == 1


def test_a_host_that_hangs_holds_up_no_work_on_pictures() -> None:
    """Its storage may be elsewhere, and take minutes to give up."""
    gate, began = threading.Event(), list[int]()

    def hang() -> None:
        began.append(1)
        gate.wait(LIMIT_S)

    async def work() -> int:
        calls = [asyncio.create_task(gip.call_host(hang)) for _ in range(9)]
        assert await until(lambda: began)
        length = await asyncio.wait_for(
            gip.work_on(bytes(2 * gip.SLICE), len), LIMIT_S / 3
        )
        gate.set()
        await asyncio.gather(*calls)
        return int(length)

    assert asyncio.run(work()) == 2 * gip.SLICE
    assert len(began) == 9


def test_work_on_a_thread_hands_back_its_exception() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(gip.SHORT_WORK.run(lambda: 1 // 0))


def test_what_comes_in_one_moment_begins_one_after_the_other() -> None:
    pace = gip.Pace(0.02)
    began: list[int] = []

    async def begin(number: int) -> None:
        await pace.wait()
        began.append(number)

    async def crowd() -> None:
        crowd = [asyncio.create_task(begin(number)) for number in range(6)]
        await asyncio.sleep(0)
        crowd[2].cancel()  # one who leaves the line holds nobody up for good
        await asyncio.gather(*crowd, return_exceptions=True)

    started = time.monotonic()
    asyncio.run(crowd())
    assert began == [0, 1, 3, 4, 5]
    assert time.monotonic() - started >= 5 * 0.02 - 0.005  # loops wake a little early


def test_who_comes_alone_does_not_wait() -> None:
    pace = gip.Pace(30.0)
    asyncio.run(asyncio.wait_for(pace.wait(), 1))


# ── The list of models ───────────────────────────────────────────────────────────────


async def listed(
    lists: gip.ModelLists, client: gip.GeminiClient, wait: float = 3.0
) -> list[str]:
    return [model.id for model in await lists.get(gip.Keyring((client,)), wait)]


def list_requests(google: StandIn) -> int:
    return sum(request.path.endswith("/models") for request in google.requests)


def test_all_pages_are_read_and_kept_for_a_while(google: StandIn) -> None:
    async def twice() -> tuple[list[str], int, list[str], int]:
        lists, client = gip.ModelLists(), client_for(google)
        first = await listed(lists, client)
        pages = list_requests(google)
        return first, pages, await listed(lists, client), list_requests(google)

    first, pages, again, pages_again = asyncio.run(twice())
    assert "gemini-nano-banana-2.1" in first
    assert "gemini-2.5-flash-image" in first
    assert pages > 1
    assert (again, pages_again) == (first, pages)


async def assert_still_asked(google: StandIn, log: str) -> None:
    """Whoever waited for the list, or for its failure, would still be waiting."""
    assert "could not list the models" not in log
    assert await until(lambda: google.requests)
    assert google.requests[-1].finished is None


def test_a_slow_google_keeps_nobody_waiting(
    google: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    google.models_behaviour = "slow"

    async def ask() -> None:
        assert await listed(gip.ModelLists(), client_for(google), wait=0.1) == []
        await assert_still_asked(google, caplog.text)

    asyncio.run(ask())


@pytest.mark.parametrize("trouble", ["500", "html"])
def test_the_last_good_list_is_kept_while_google_is_away(
    google: StandIn,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def across_an_outage() -> None:
        lists, client = gip.ModelLists(), client_for(google)
        good = await listed(lists, client)
        google.models_behaviour = trouble
        monkeypatch.setattr(gip, "LIST_LIFETIME", 0.0)
        assert await listed(lists, client) == good
        # The refresh in the background has failed.
        assert await until(lambda: "could not list the models" in caplog.text)
        assert await listed(lists, client) == good

    asyncio.run(across_an_outage())


def test_a_list_that_is_due_is_renewed_in_the_background(
    google: StandIn,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def renew() -> None:
        lists, client = gip.ModelLists(), client_for(google)
        good = await listed(lists, client)
        google.requests.clear()
        monkeypatch.setattr(gip, "LIST_LIFETIME", 0.0)
        google.models_behaviour = "slow"
        assert await listed(lists, client, wait=60.0) == good
        await assert_still_asked(google, caplog.text)
        assert list_requests(google) == 1

    asyncio.run(renew())


def test_a_failure_is_not_asked_for_again_at_once(google: StandIn) -> None:
    async def twice() -> int:
        lists = gip.ModelLists()
        client = client_for(google, key="stand-in-key-invalid")
        assert await listed(lists, client) == []
        assert await listed(lists, client) == []
        return list_requests(google)

    assert asyncio.run(twice()) == 1


def test_failures_are_forgotten_and_keep_no_key(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "LIST_RETRY", 0.0)
    lists = gip.ModelLists()

    async def with_many_wrong_keys() -> None:
        for number in range(5):
            await listed(lists, client_for(google, key=f"stand-in-key-wrong-{number}"))

    def keys_held() -> list[str]:
        gc.collect()
        held = gc.get_objects()
        return [item.key for item in held if isinstance(item, gip.GeminiClient)]

    asyncio.run(with_many_wrong_keys())
    assert list_requests(google) == 5
    assert len(lists._failures) == 1
    # The last thread may still be on its way out.
    assert wait_until(lambda: not any("wrong" in key for key in keys_held()))


def test_long_lists_of_many_keys_are_not_all_kept(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [gip.ListedModel(f"gemini-{n}-image", "N") for n in range(10)]
    monkeypatch.setattr(gip.GeminiClient, "list_models", lambda *_: long)
    monkeypatch.setattr(gip, "MAX_MODELS_KEPT", 35)
    lists = gip.ModelLists()
    clients = [client_for(google, key=f"stand-in-key-{n}") for n in range(8)]

    async def with_many_keys() -> None:
        for client in clients:
            assert len(await listed(lists, client)) == 10

    asyncio.run(with_many_keys())
    rings = [gip.Keyring((client,)) for client in clients]
    assert [len(lists.known(ring)) for ring in rings] == [0] * 5 + [10] * 3


def test_two_keys_have_two_lists(google: StandIn) -> None:
    async def both() -> tuple[list[str], list[str]]:
        lists = gip.ModelLists()
        older = client_for(google, key="stand-in-key-older")
        return await listed(lists, client_for(google)), await listed(lists, older)

    new, old = asyncio.run(both())
    assert "gemini-nano-banana-2.1" in new
    assert "gemini-nano-banana-2.1" not in old


def test_the_list_that_was_renewed_last_is_the_last_to_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the key that everybody uses goes first: its list is the oldest entry."""
    asked: list[str] = []

    def list_models(client: gip.GeminiClient, _: Any) -> list[gip.ListedModel]:
        asked.append(client.key)
        return [gip.ListedModel(client.key, client.key, ())]

    monkeypatch.setattr(gip.GeminiClient, "list_models", list_models)
    monkeypatch.setattr(gip, "MAX_LISTS", 3)
    lists = gip.ModelLists()

    async def get(name: str) -> None:
        key = f"stand-in-key-{name}"
        known = await listed(lists, gip.GeminiClient(gip.Backend(GOOGLE), key), LIMIT_S)
        assert known == [key]
        assert await until(lambda: not lists._refreshes)

    async def asks(names: str) -> str:
        """Who of these is asked for again."""
        asked.clear()
        for name in names:
            await get(name)
        return "".join(key[-1] for key in asked)

    async def use() -> None:
        assert await asks("abcabc") == "abc"
        with monkeypatch.context() as patch:
            patch.setattr(gip, "LIST_LIFETIME", -1.0)
            assert await asks("ba") == "ba"
        assert await asks("d") == "d"  # for which c went
        assert await asks("bad") == ""
        assert await asks("c") == "c"  # for which b went
        assert await asks("adc") == ""
        assert await asks("b") == "b"

    asyncio.run(use())


def test_many_who_ask_at_once_share_one_request(google: StandIn) -> None:
    async def together() -> tuple[int, int]:
        lists, client = gip.ModelLists(), client_for(google)
        await listed(lists, client)
        one = list_requests(google)
        google.requests.clear()
        lists = gip.ModelLists()
        await asyncio.gather(*(listed(lists, client) for _ in range(8)))
        return one, list_requests(google)

    alone, together_count = asyncio.run(together())
    assert together_count == alone


def test_the_loop_stays_free_while_a_picture_arrives() -> None:
    """The server does nothing but send, since its work would hold the same lock."""
    picture = base64.b64encode(b"\x89PNG\r\n\x1a\n" + os.urandom(8_000_000)).decode()
    answer = {"inlineData": {"mimeType": "image/png", "data": picture}}
    chunk = json.dumps({"candidates": [{"content": {"parts": [answer]}}]})
    body = f"data: {chunk}\r\n\r\n".encode()

    async def longest_delay(address: str) -> float:
        worst, stop = 0.0, False

        async def ticking() -> None:
            nonlocal worst
            while not stop:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - before - 0.001)

        ticker = asyncio.create_task(ticking())
        await asyncio.sleep(0)  # it has begun
        events = await events_of(
            gip.GeminiClient(gip.Backend(address), DEFAULT_KEY), "a fox"
        )
        stop = True
        await ticker
        assert len(pictures(events)[0]) > 8_000_000
        return worst

    def on_the_loop() -> float:
        """How long it would take there."""
        before = time.perf_counter()
        reader = gip.ObjectReader()
        assert list(reader.feed(body)) and reader.end()
        return time.perf_counter() - before

    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    held = min(on_the_loop() for _ in range(3))
    with sending(head + body) as (address, _):
        # Whatever else the machine does at one moment, it does not at another.
        tries = (asyncio.run(longest_delay(address)) for _ in range(10))
        assert any(delay < held / 2 for delay in tries)
