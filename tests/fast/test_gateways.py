"""What stands between: web servers, gateways and proxies that answer, or do not.

Their answers are sent byte by byte over real sockets.
"""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import responses
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from messages import told
from rows import check_rows
from traffic import words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
KEY = "key-for-tests"
MODEL = "gemini-nano-banana-2.1"


def client_of(address: str) -> gip.GeminiClient:
    return gip.GeminiClient(gip.Backend(address), KEY)


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
    (
        http("401 Unauthorized", b"<h1>401</h1><hr>nginx/1.22.1"),
        "web_page",
        "127.0.0.1 (nginx) answered with a web page",
    ),
    (http("200 OK", b"<p>Sign in"), "web_page", "127.0.0.1 answered"),
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
        text = told(error)
        assert error.kind == kind
        assert named in text and not text.startswith("**Google")

    check_rows(ANSWERS, check)


def test_a_413_before_the_request_is_read_is_one_all_the_same() -> None:
    """A web server answers at the sight of the size, and reads no more."""
    page = b"<html><h1>413 Request Entity Too Large</h1><hr>nginx</html>"
    with answering(http("413 Request Entity Too Large", page)) as address:
        error = failure_of(client_of(address), "a fox" * 2_000_000)
    assert error.kind == "too_large_on_the_way"
    assert "127.0.0.1 (nginx)" in told(error)
    assert "client_max_body_size" in told(error)


def test_a_connection_that_is_reset_before_an_answer_broke_off_in_no_middle() -> None:
    with answering(b"", reset=True) as address:
        error = failure_of(client_of(address), "a fox" * 2_000_000)
    assert error.kind == "no_answer" and error.kind not in gip.RETRYABLE


@pytest.mark.parametrize(
    ("status", "kind"),
    [("500 Unable to connect", "internal"), ("413 Too Large", "too_large_on_the_way")],
)
def test_an_error_that_breaks_off_is_what_its_status_says(
    status: str, kind: str
) -> None:
    """Tinyproxy resets the connection behind a page, for it has not read the request."""
    page = f"HTTP/1.0 {status}\r\nServer: tinyproxy/1.11.1\r\n\r\n<h1>{status}"
    with answering(page.encode(), bytes_read=65_536, reset=True) as address:
        error = failure_of(client_of(address))
    assert error.kind == kind
    assert "127.0.0.1 (tinyproxy)" in told(error)


# ── The server's environment ─────────────────────────────────────────────────────────


# As on a host, where there is no PySocks.
WITHOUT_PYSOCKS = """
import sys
sys.modules["socks"] = None
import gemini_image_pipe as gip
client = gip.GeminiClient(gip.Backend("https://google.test"), "key-for-tests")
try:
    client.list_models(gip.Sockets())
except gip.GeminiError as error:
    print(error.kind, gip.failure_text(error, gip.Reader(), for_admin=True))
"""


@pytest.mark.parametrize(
    "proxy", ["socks5://10.0.0.1:9", "SOCKS5h://me:secret@h:9", "socks://me:secret@h:9"]
)
def test_without_pysocks_a_socks_proxy_is_named_and_not_tried_again(proxy: str) -> None:
    found = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", WITHOUT_PYSOCKS],
        cwd=Path(gip.__file__).parent,
        env={"ALL_PROXY": proxy},
        capture_output=True,
        text=True,
        check=True,
    )
    kind, _, text = found.stdout.partition(" ")
    assert kind == "socks" and kind not in gip.RETRYABLE
    assert "SOCKS" in text and "PySocks" in text
    assert "secret" not in found.stdout + found.stderr


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
    assert variable in told(error)
    assert str(missing) not in told(error)
    assert str(missing) in told(error, for_admin=True)


# ── Headers of a gateway ─────────────────────────────────────────────────────────────

SECRET = "pk-9f8e7d6c5b4a"
GATEWAY = "https://gw.example/gemini"


def backend_of(headers: str, address: str = GATEWAY, **more: Any) -> gip.Backend:
    settings = {"GEMINI_API_BASE_URL": address, "GATEWAY_HEADERS": headers}
    return gip.backend_for(gip.AdminValves(**settings, **more))


# As an administrator writes them, and as they are sent with the key.
WRITTEN = [
    ("", {"x-goog-api-key": KEY}),
    ("  \n", {"x-goog-api-key": KEY}),
    ("x-a: 1\r\n\n X-B :  two words ", {"x-a": "1", "X-B": "two words"}),
    ('{"x-a": "1", "x-b": "{\\"a\\": 1}"}', {"x-a": "1", "x-b": '{"a": 1}'}),
    ("Authorization: Bearer abc", {"Authorization": "Bearer abc"}),
    ("x-a: 1\nX-A: 2", {"X-A": "2"}),
    ("x-time: 12:30", {"x-time": "12:30"}),
    ("User-Agent: mine", {"User-Agent": "mine"}),
]
# The key where a gateway wants it, and then nowhere else.
MOVED = [
    ("Authorization: Bearer {key}", {"Authorization": f"Bearer {KEY}"}),
    ('{"api-key": "{key}", "x-a": "1"}', {"api-key": KEY, "x-a": "1"}),
]


def test_headers_are_sent_as_they_are_written_and_the_key_in_one_of_them() -> None:
    def check(written: str, sent: dict[str, str]) -> None:
        expected = sent if (written, sent) in MOVED else {"x-goog-api-key": KEY, **sent}
        assert backend_of(written).headers_with(KEY) == expected

    check_rows(WRITTEN + MOVED, check)


# What cannot be sent, and what its message names.
REFUSED = [
    (SECRET, "line 1 is not one `Name: text`"),
    (f"x-a: 1\n{SECRET}", "line 2 is not one `Name: text`"),
    (f"x a: {SECRET}", "line 1"),
    (f"x-a: {SECRET}x-b: 2", "line 1"),  # two lines, pasted into a field of one
    (f'{{"x-a": "{SECRET}"', "no JSON object"),
    (f'{{"x-a": ["{SECRET}"]}}', "no JSON object"),
    (f'{{"x a": "{SECRET}"}}', "no JSON object"),
    (f"x-a: {SECRET}\x00", "`x-a`"),
    (f"x-a: {SECRET}\u20ac", "`x-a`"),
    (json.dumps({"x-a": f"1\r\nHost: {SECRET}"}), "`x-a`"),
    ("x-a:", "`x-a`"),
    ("x-a: " + "a" * 9_000, "`x-a`"),
    (f"x-goog-api-key: {SECRET}", "`x-goog-api-key`"),
    (f"X-Goog-Api-Key: {SECRET}", "`X-Goog-Api-Key`"),
    *((f"{name}: {SECRET}", f"`{name}`") for name in ("Host", "content-length", "TE")),
    ("Transfer-Encoding: chunked", "`Transfer-Encoding`"),
    ("\n".join(f"x-{n}: 1" for n in range(99)), "too many"),
]


def test_what_cannot_be_sent_is_named_and_not_shown() -> None:
    def check(written: str, named: str) -> None:
        with pytest.raises(gip.GeminiError) as failure:
            backend_of(written)
        assert failure.value.kind == "gateway_headers"
        for for_admin in (False, True):
            text = told(failure.value, for_admin=for_admin)
            assert named in text and "GATEWAY_HEADERS" in text
            assert SECRET not in text

    check_rows(REFUSED, check)


@given(st.text() | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_no_setting_makes_a_header_of_two(written: str) -> None:
    with contextlib.suppress(gip.GeminiError):
        for name, text in backend_of(written).headers_with(KEY).items():
            assert name.isascii() and text.isprintable() and text.isascii()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://generativelanguage.googleapis.com/v1beta",
        "https://GenerativeLanguage.googleapis.com",
        "https://generativelanguage.googleapis.com.",
        "https://generativelanguage。googleapis．com",
        "https://aiplatform.googleapis.com/v1/publishers/google",
        "https://europe-west1-aiplatform.googleapis.com/v1/projects/p/locations/l",
    ],
)
def test_google_itself_gets_no_header_of_a_gateway(address: str) -> None:
    """Nor does what is wrong with them keep anybody from Google."""
    for written in (f"x-a: {SECRET}", "Authorization: Bearer {key}", SECRET):
        backend = backend_of(written, address, MODELS="gemini-x-image")
        assert backend.headers_with(KEY) == {"x-goog-api-key": KEY}
        assert backend.is_google and not backend.models


@responses.activate
def test_headers_and_query_go_along_with_every_request() -> None:
    responses.get(f"{GATEWAY}/v1beta/models", json={"data": [{"id": MODEL}]})
    answered = {"candidates": [{"finishReason": "STOP"}]}
    responses.post(
        f"{GATEWAY}/v1beta/models/{MODEL}:streamGenerateContent", json=answered
    )
    backend = backend_of(f"x-token: {SECRET}\nUser-Agent: mine", f"{GATEWAY}?tenant=1")
    client = gip.GeminiClient(backend, KEY)
    assert [model.id for model in client.list_models(gip.Sockets())] == [MODEL]
    body = {"contents": []}

    async def take(event: gip.Event) -> None:
        assert event == gip.Finish()

    asyncio.run(client.generate(gip.Route(MODEL, MODEL), body, 20.0, take))
    for call in responses.calls:
        assert call.request.headers["x-token"] == SECRET
        assert call.request.headers["x-goog-api-key"] == KEY
        assert call.request.headers["User-Agent"] == "mine"
        assert call.request.headers["Accept-Encoding"] == "identity"
        assert "tenant=1" in call.request.url.partition("?")[2].split("&")


@pytest.mark.parametrize(
    "body",
    [
        f'{{"error": {{"message": "No such token: {SECRET}", "type": "{SECRET}"}}}}',
        f"<h1>Who is {SECRET}?</h1>",
        f"Who is {SECRET.replace('-', '%2D')}?",
    ],
)
def test_what_headers_hold_is_masked_like_the_key(body: str) -> None:
    backend = backend_of(f"Authorization: Bearer {SECRET}\nx-token: {SECRET}")
    with answering(http("400 Bad Request", body.encode()), 65_536) as address:
        here = gip.Backend(address, headers=backend.headers)
        error = failure_of(gip.GeminiClient(here, KEY))
    text = told(error, for_admin=True)
    assert "9f8e7d6c5b4a" not in text and "[key]" in text
    for shown in (repr(backend), str(gip.GeminiClient(backend, KEY))):
        assert SECRET not in shown and KEY not in shown
    assert SECRET not in repr(gip.AdminValves(GATEWAY_HEADERS=f"x-token: {SECRET}"))


def test_what_an_address_holds_is_masked_like_the_key() -> None:
    def check(before: str, behind: str, echoed: str) -> None:
        answer = http("400 Bad Request", f"No route for {echoed}".encode())
        with answering(answer, 65_536) as address:
            address = address.replace("//", f"//{before}") + behind
            client = gip.GeminiClient(backend_of("", address), KEY)
            text = told(failure_of(client), for_admin=True)
        assert "9f8e7d6c5b4a" not in text and "[key]" in text

    rows = [
        ("", f"?auth={SECRET}", f"/v1beta/models?auth={SECRET}"),
        ("", f"?tenant=1&auth=%3D{SECRET}", f"={SECRET}"),
        (f"ada:{SECRET}@", "", f"ada with {SECRET}"),
    ]
    check_rows(rows, check)


@pytest.mark.parametrize(
    "harmless", ["google", "vertex-ai", MODEL, "application/json", "Bearer {key}"]
)
def test_names_in_headers_are_no_secrets(harmless: str) -> None:
    """A list in which the model's id is masked would be no list."""
    assert not backend_of(f"x-portkey-provider: {harmless}").secrets


def test_looking_for_secrets_takes_no_longer_than_a_header_is_long() -> None:
    """On the event loop, with each request."""

    def look(dots: str) -> object:
        return gip.Backend("", headers=(("x-a", f"{dots}!"),)).secrets

    assert growth(look, lambda n: "." * n, 5) < 20


def test_who_has_other_headers_gets_no_list_of_theirs() -> None:
    clients = [
        gip.GeminiClient(backend_of(text), KEY) for text in ("", "x-a: 1", "x-a: 2")
    ]
    assert len({client.identity for client in clients}) == 3
    assert SECRET not in gip.GeminiClient(backend_of(f"x-a: {SECRET}"), KEY).identity


# ── A gateway without a list ─────────────────────────────────────────────────────────


def test_the_ids_in_models_are_the_list_of_a_gateway_that_has_none() -> None:
    """Else `auto` calls an id that nobody has."""
    wanted = "gemini/gemini-3-pro-image, vertex*, gemini/gemini-2.5-flash-image"
    backend = backend_of("", MODELS=wanted)
    available = gip.usable_models([], backend.models)
    assert {*available} == {*wanted.split(", ")} - {"vertex*"}
    route = gip.resolve_model(gip.AUTO, available)
    assert route and route.model == "gemini/gemini-3-pro-image"
    retired = gip.resolve_model("gemini/imagen-4.0-ultra-generate-001", available)
    assert retired and retired.model == "gemini/gemini-3-pro-image"


def test_where_there_is_a_list_it_counts() -> None:
    backend = backend_of("", MODELS="gemini/gemini-3-pro-image")
    listed = [gip.ListedModel("gemini-x-image", "X"), gip.ListedModel("gpt", "G")]
    assert [*gip.usable_models(listed, backend.models)] == ["gemini-x-image"]


# ── Nobody ───────────────────────────────────────────────────────────────────────────


def test_a_404_for_a_listed_model_says_that_it_may_be_the_region() -> None:
    google, gateway = backend_of("", ""), backend_of("")
    listed = [gip.ListedModel(MODEL, "N")]
    text = told(google.nobody(MODEL, ["x"], listed=listed))
    assert text.startswith("**Google") and "region" in text and "`x`" in text
    assert "region" in told(google.nobody(MODEL, [], listed=listed))
    assert "region" not in told(google.nobody(MODEL, ["x"]))
    text = told(gateway.nobody(MODEL, ["x"], listed=listed))
    assert text.startswith("**gw.example has no model") and "region" not in text


# ── In a chat ────────────────────────────────────────────────────────────────────────


def answered(google: StandIn, prompt: Any, role: str = "user", **valves: Any) -> str:
    """What a chat shows of a picture that is asked for."""
    pipe = gip.Pipe()
    settings = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
    pipe.valves = pipe.Valves(**{**settings, "MAX_RETRIES": "0", **valves})
    body = {"model": f"x.{MODEL}", "messages": [{"role": "user", "content": prompt}]}
    result = asyncio.run(pipe.pipe(body, __user__={"id": "1", "role": role}))
    return words_of(result)


def test_an_answer_that_goes_on_is_one_answer(google: StandIn) -> None:
    """Google's library sends the request again; else the picture would never come."""
    text = answered(google, "a fox [[continue 2]]")
    assert text.startswith("Part 1. Part 2. Here is the picture")
    assert text.count("data:image/") == 1 and gip.FAILURE_MARK not in text
    bodies = [r.body for r in google.requests if r.method == "POST"]
    tokens = [body.pop("continuationToken", None) for body in bodies]
    assert tokens[0] is None and len(set(tokens)) == 3
    assert bodies[0] == bodies[1] == bodies[2]


def test_a_picture_elsewhere_is_named_and_not_fetched(google: StandIn) -> None:
    text = answered(google, "a fox [[elsewhere]]")
    assert "the address of a picture instead of the picture" in text
    assert "<https://files.example/a%20picture.png>" in text
    assert len([r for r in google.requests if r.method == "POST"]) == 1


@pytest.mark.parametrize(("role", "told"), [("admin", True), ("user", False)])
def test_administrators_are_told_of_a_models_end(
    google: StandIn, role: str, told: bool
) -> None:
    text = answered(google, "a fox [[deprecated]]", role)
    assert ("2027-01-31" in text) == told and "data:image/" in text


def test_a_gateways_headers_get_the_key_in_a_chat(google: StandIn) -> None:
    text = answered(google, "a fox", GATEWAY_HEADERS="x-tenant: one")
    assert "data:image/" in text
    assert {r.headers["x-tenant"] for r in google.requests} == {"one"}
    text = answered(google, "a fox", GATEWAY_HEADERS="nonsense")
    assert "GATEWAY_HEADERS" in text


@pytest.mark.parametrize(
    ("address", "form"),
    [
        ("data:image/svg+xml;base64,PHN2Zy8+PHN2Zy8+", "SVG is no picture"),
        ("data:image/jxl;base64,/woAAAAAAAAAAAAAAAA=", "JXL is no picture"),
        ("data:image/x-icon;base64,AAABAAEAEBAAAAAAAAA=", "ICON is no picture"),
        ("data:image/svg+xml;utf8,<svg/>", "SVG is no picture"),
        ("data:image/;base64,AAABAAEAEBAAAAAAAAA=", "this is no picture"),
    ],
)
def test_of_a_pasted_picture_the_named_type_is_told(
    google: StandIn, address: str, form: str
) -> None:
    """ "This is no picture" tells nobody what to attach instead."""
    part = {"type": "image_url", "image_url": {"url": address}}
    text = answered(google, [{"type": "text", "text": "a fox"}, part])
    assert f"An attached picture was left out: {form}" in text
