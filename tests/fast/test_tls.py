"""Over TLS as without: Stop ends a request at both ends, and only trusted ears hear it.

The stand-in speaks with certificates that are made for each run.
"""

import asyncio
import contextlib
import datetime
import json
import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from messages import told
from traffic import posts
from waiting import own_threads, until, wait_until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

HOST = "127.0.0.1"
YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


def speaking_with(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """TLS for a server that shows this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def authority_file(
    authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def google_settings(authority: trustme.CA) -> dict[str, Any]:
    return {"tls": speaking_with(authority.issue_cert(HOST))}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gip, "MODEL_LISTS", gip.ModelLists())
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.05)  # that none is left is seen sooner
    monkeypatch.setenv("no_proxy", HOST)
    for name in CA_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def trusted(authority_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))


async def chunks(url: str, prompt: str) -> AsyncIterator[str]:
    """The pieces of an answer as the host takes them."""
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(
        GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=url, MAX_RETRIES=0
    )
    body = {
        "model": "f.gemini-nano-banana-2.1",
        "messages": [{"role": "user", "content": prompt}],
        "stream": True,
    }
    answer = await pipe.pipe(body)
    assert isinstance(answer, AsyncGenerator)
    async with contextlib.aclosing(answer):
        async for chunk in answer:
            for choice in chunk["choices"]:
                yield choice["delta"].get("content", "")


def chat(url: str, prompt: str) -> str:
    """What a chat shows of one request."""

    async def all_of_it() -> str:
        return "".join([text async for text in chunks(url, prompt)])

    return asyncio.run(all_of_it())


# ── Stop ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize(
    ("slow", "some_of_it"),
    [
        pytest.param("[[wait 60]]", "", id="before the first byte"),
        pytest.param("[[pause 60]]", "Here is", id="in mid-body"),
        pytest.param("[[trickle 60]] [[size 1MB]]", "Here is", id="while bytes arrive"),
    ],
)
def test_stop_ends_a_request_at_both_ends(
    google: StandIn, slow: str, some_of_it: str
) -> None:
    seen = ""

    async def look_on() -> None:
        nonlocal seen
        async for text in chunks(google.url, f"a fox {slow}"):
            seen += text

    async def stop_it() -> None:
        looking = asyncio.create_task(look_on())
        assert await until(lambda: posts(google) and some_of_it in seen)
        assert own_threads()
        looking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await looking
        # It would be no disconnection if the stand-in had come to its end.
        assert await until(lambda: posts(google)[0].disconnected)
        assert await until(lambda: not own_threads())
        # All is over when the next one is answered.
        assert "![" in "".join([text async for text in chunks(google.url, "a cat")])

    asyncio.run(stop_it())
    assert [request.texts for request in posts(google)] == [
        [f"a fox {slow}"],
        ["a cat"],
    ]
    assert "![" not in seen
    assert wait_until(lambda: not own_threads())


# ── Trust ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("variable", CA_VARIABLES)
def test_the_authority_that_the_environment_names_is_trusted(
    google: StandIn,
    authority_file: Path,
    variable: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, str(authority_file))
    assert "![" in chat(google.url, "a fox")
    assert posts(google)[0].headers["x-goog-api-key"] == DEFAULT_KEY


def assert_told_of_the_certificate(text: str) -> None:
    said = told(gip.GeminiError("tls", host=HOST))
    assert text.strip() == f"{gip.FAILURE_MARK}{said}"
    assert DEFAULT_KEY not in text


def test_without_its_authority_the_key_is_not_sent(google: StandIn) -> None:
    assert_told_of_the_certificate(chat(google.url, "a fox"))
    assert google.requests == []


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("fault", ["another authority", "another host", "too old"])
def test_a_wrong_certificate_never_sees_the_key(
    authority: trustme.CA, fault: str
) -> None:
    if fault == "another authority":
        shown = trustme.CA().issue_cert(HOST)
    elif fault == "another host":
        shown = authority.issue_cert("example.org")
    else:
        before = YESTERDAY - datetime.timedelta(days=1)
        shown = authority.issue_cert(HOST, not_before=before, not_after=YESTERDAY)
    with StandIn(tls=speaking_with(shown)) as stranger:
        assert_told_of_the_certificate(chat(stranger.url, "a fox"))
        assert stranger.requests == []


@pytest.mark.usefixtures("trusted")
def test_what_speaks_no_tls_never_sees_the_key() -> None:
    with StandIn() as plain:
        url = plain.url.replace("http:", "https:")
        assert_told_of_the_certificate(chat(url, "a fox"))
        assert plain.requests == []


def test_a_file_that_holds_no_certificates_is_a_sentence(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text(json.dumps({"no": "certificate"}))
    monkeypatch.setenv("SSL_CERT_FILE", str(empty))
    assert_told_of_the_certificate(chat(google.url, "a fox"))
    assert google.requests == []
