"""Vertex AI: where it is asked, who asks, its tokens, its refusals, its options."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from rows import check_rows
from traffic import posts, words_of
from waiting import LIMIT_S, until, wait_until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, MadeAccount, RecordedRequest, StandIn, make_account
from dev.standin.cloud import DISABLED, NO_ROLE, PROJECT, TOKEN_PATH, UNPAID

MODEL = "gemini-3-pro-image"
PROJECT_BACKEND = {"BACKEND": "Vertex AI project"}
KEY_BACKEND = {"BACKEND": "Vertex AI with an API key"}
ADMIN = {"id": "1", "role": "admin"}


@pytest.fixture(scope="module")
def account(shared_google: StandIn) -> MadeAccount:
    return make_account(shared_google.url)


@pytest.fixture
def cloud(
    google: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> StandIn:
    """The stand-in, which knows the account, and of whose tokens nobody knows one."""
    google.cloud.enrol(account)
    monkeypatch.setattr(gip, "TOKENS", gip.TokenStore())
    names = ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS")
    for name in (*names, "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    return google


def pipe_for(google: StandIn, text: str = "", **valves: Any) -> gip.Pipe:
    pipe = gip.Pipe()
    standard = {"GEMINI_API_BASE_URL": google.url, "VERTEX_CREDENTIALS": text}
    pipe.valves = pipe.Valves(**{**standard, **PROJECT_BACKEND, **valves})
    return pipe


async def answer(
    pipe: gip.Pipe, prompt: str = "a fox", model: str = MODEL, **more: Any
) -> str:
    messages = [{"role": "user", "content": prompt}]
    body = {"model": f"x.{model}", "messages": messages, **more}
    return words_of(await pipe.pipe(body, __user__=dict(ADMIN)))


def ask(pipe: gip.Pipe, prompt: str = "a fox", **more: Any) -> str:
    return asyncio.run(answer(pipe, prompt, **more))


def is_picture(text: str) -> bool:
    return "data:image/" in text and gip.FAILURE_MARK not in text


def made(google: StandIn) -> list[RecordedRequest]:
    return [request for request in posts(google) if request.path != TOKEN_PATH]


def tokens(google: StandIn) -> list[RecordedRequest]:
    return [request for request in posts(google) if request.path == TOKEN_PATH]


def kind_of(valves: dict[str, Any], key: str = "") -> str:
    with pytest.raises(gip.GeminiError) as failure:
        gip.backend_for(gip.AdminValves(**valves), key)
    return failure.value.kind


# ── Where ────────────────────────────────────────────────────────────────────────────

PATH = "/publishers/google"
OF_P = f"/v1beta1/projects/p-1/locations/{{}}{PATH}"
# What is set, and the prefix of all requests.
ADDRESSES: list[tuple[dict[str, str], str]] = [
    ({}, f"https://aiplatform.googleapis.com{OF_P.format('global')}"),
    (
        {"VERTEX_LOCATION": " Europe-West4 "},
        f"https://europe-west4-aiplatform.googleapis.com{OF_P.format('europe-west4')}",
    ),
    (
        {"VERTEX_LOCATION": "eu"},
        f"https://aiplatform.eu.rep.googleapis.com{OF_P.format('eu')}",
    ),
    (  # left over from before
        {"GEMINI_API_BASE_URL": " https://Generativelanguage.googleapis.com/v1beta/"},
        f"https://aiplatform.googleapis.com{OF_P.format('global')}",
    ),
    (
        {"GEMINI_API_BASE_URL": "http://gw.test/vertex/"},
        f"http://gw.test/vertex{OF_P.format('global')}",
    ),
    (
        {"GEMINI_API_BASE_URL": "http://gw.test/v1"},
        f"http://gw.test/v1/projects/p-1/locations/global{PATH}",
    ),
    (
        {"GEMINI_API_BASE_URL": f"http://gw.test/v1/projects/a/locations/b{PATH}"},
        f"http://gw.test/v1/projects/a/locations/b{PATH}",
    ),
    *(  # as Google's pages have it for its other interfaces
        (
            {"GEMINI_API_BASE_URL": f"http://gw.test/v1/projects/a/locations/b{end}"},
            f"http://gw.test/v1/projects/a/locations/b{PATH}",
        )
        for end in (
            "",
            "/",
            "/endpoints/openapi",
            "/endpoints/openapi/chat/completions",
        )
    ),
    ({"GEMINI_API_BASE_URL": "http://gw.test/exact#"}, "http://gw.test/exact"),
    (KEY_BACKEND, f"https://aiplatform.googleapis.com/v1beta1{PATH}"),
    (
        {**KEY_BACKEND, "GEMINI_API_BASE_URL": "http://gw.test"},
        f"http://gw.test/v1beta1{PATH}",
    ),
]


def test_each_location_has_the_address_that_google_s_client_knows() -> None:
    def check(valves: dict[str, str], address: str) -> None:
        settings = {**PROJECT_BACKEND, "VERTEX_PROJECT": "p-1", **valves}
        key = DEFAULT_KEY if settings["BACKEND"] == KEY_BACKEND["BACKEND"] else ""
        backend = gip.backend_for(gip.AdminValves(**settings), key)
        assert backend.address == address
        assert backend.is_google == ("googleapis.com" in address)

    check_rows(ADDRESSES, check)


WRONG_SETTINGS: list[tuple[dict[str, str], str]] = [
    ({}, "vertex_project"),
    ({"VERTEX_PROJECT": "My Project"}, "vertex_project"),
    ({"VERTEX_PROJECT": "p/../x"}, "vertex_project"),
    ({"VERTEX_PROJECT": "p", "VERTEX_LOCATION": "evil.test/"}, "vertex_location"),
    ({"VERTEX_PROJECT": "p", "VERTEX_LOCATION": "a.b"}, "vertex_location"),
    ({"VERTEX_PROJECT": "p", "VERTEX_LOCATION": "x@evil"}, "vertex_location"),
    ({"VERTEX_PROJECT": "p", "VERTEX_CREDENTIALS": "x"}, "account"),
    (KEY_BACKEND, "vertex_key_missing"),
]


def test_what_cannot_be_a_project_or_a_location_becomes_no_part_of_an_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)

    def check(valves: dict[str, str], kind: str) -> None:
        assert kind_of({**PROJECT_BACKEND, **valves}) == kind

    check_rows(WRONG_SETTINGS, check)


@pytest.mark.parametrize("saved", ["", "vertex", 7, None, ["Vertex AI project"]])
def test_an_odd_backend_is_the_usual_one(saved: Any) -> None:
    assert gip.AdminValves(BACKEND=saved).BACKEND == "Gemini API"


# ── Pictures ─────────────────────────────────────────────────────────────────────────


def test_a_project_s_account_makes_pictures(
    cloud: StandIn, account: MadeAccount
) -> None:
    pipe = pipe_for(cloud, account.text)
    assert is_picture(ask(pipe)) and is_picture(ask(pipe, "a cat"))
    [token] = tokens(cloud)
    first, second = made(cloud)
    place = f"/v1beta1/projects/{PROJECT}/locations/global{PATH}/models/"
    assert first.path == f"{place}{MODEL}:streamGenerateContent"
    assert first.headers["authorization"].startswith("Bearer ya29.")
    assert first.headers["authorization"] == second.headers["authorization"]
    assert "x-goog-api-key" not in first.headers
    assert "x-goog-user-project" not in first.headers
    assert "authorization" not in token.headers


def test_the_list_is_the_table_and_what_was_typed(
    cloud: StandIn, account: MadeAccount
) -> None:
    def ids(**valves: str) -> list[str]:
        pipe = pipe_for(cloud, account.text, RETIRED_MODELS="", **valves)
        return [entry["id"] for entry in asyncio.run(pipe.pipes())]

    table = [facts.id for facts in gip.CURRENT_MODELS]
    assert ids() == [gip.AUTO, *table]
    typed = "gemini-9-image, gemini-3-pro-image"
    assert ids(MODELS=typed) == [gip.AUTO, MODEL, "gemini-9-image"]
    assert cloud.requests == []


@pytest.mark.parametrize("model", [gip.AUTO, "imagen-3.0-generate-002"])
def test_auto_and_successors_answer_there_too(
    cloud: StandIn, account: MadeAccount, model: str
) -> None:
    assert is_picture(ask(pipe_for(cloud, account.text), model=model))
    assert made(cloud)[0].model == "gemini-nano-banana-2.1"


def test_a_key_makes_pictures_without_a_project(cloud: StandIn) -> None:
    pipe = pipe_for(cloud, GEMINI_API_KEY=DEFAULT_KEY, **KEY_BACKEND)
    assert is_picture(ask(pipe))
    [request] = made(cloud)
    assert request.path.startswith(f"/v1beta1{PATH}/models/")
    assert request.headers["x-goog-api-key"] == DEFAULT_KEY
    assert "authorization" not in request.headers and not tokens(cloud)


def test_the_next_of_several_keys_asks_where_one_may_not(cloud: StandIn) -> None:
    keys = f"stand-in-key-disabled, {DEFAULT_KEY}"
    assert is_picture(ask(pipe_for(cloud, GEMINI_API_KEY=keys, **KEY_BACKEND)))
    assert [request.status for request in made(cloud)] == [403, 200]


def test_a_user_s_own_key_asks_vertex_in_place_of_the_project(
    cloud: StandIn, account: MadeAccount
) -> None:
    pipe = pipe_for(cloud, account.text, REQUIRE_USER_KEY=True)
    told = ask(pipe)
    assert "your own API key for Vertex AI" in told and "aistudio" not in told
    user = {**ADMIN, "valves": {"GEMINI_API_KEY": DEFAULT_KEY}}
    body = {"model": f"x.{MODEL}", "messages": [{"role": "user", "content": "a fox"}]}
    assert is_picture(words_of(asyncio.run(pipe.pipe(body, __user__=user))))
    [request] = made(cloud)
    assert request.path.startswith(f"/v1beta1{PATH}/models/") and not tokens(cloud)


def test_the_server_s_key_is_not_sent_for_a_project(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "key-of-the-environment")
    assert is_picture(ask(pipe_for(cloud, account.text, GEMINI_API_KEY=DEFAULT_KEY)))
    assert not any("key" in str(request.headers) for request in cloud.requests)


def test_a_picture_that_is_too_large_for_vertex_is_made_smaller(
    cloud: StandIn, account: MadeAccount
) -> None:
    noise = Image.effect_noise((1_600, 1_600), 200)
    drawn = Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))
    buffer = io.BytesIO()
    drawn.save(buffer, "PNG", compress_level=0)
    assert len(buffer.getvalue()) > gip.MAX_VERTEX_PICTURE_BYTES
    data = base64.b64encode(buffer.getvalue()).decode()
    content = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        {"type": "text", "text": "in snow"},
    ]
    pipe = pipe_for(cloud, account.text)
    body = {"model": f"x.{MODEL}", "messages": [{"role": "user", "content": content}]}
    shown = words_of(asyncio.run(pipe.pipe(body, __user__=dict(ADMIN))))
    assert is_picture(shown) and "made smaller" in shown
    [sent] = made(cloud)[0].images
    assert 0 < len(sent) <= gip.MAX_VERTEX_PICTURE_BYTES


# ── Accounts ─────────────────────────────────────────────────────────────────────────


def with_fields(account: MadeAccount, **fields: Any) -> str:
    return json.dumps({**account.info, **fields})


def test_an_account_is_taken_as_people_enter_it(
    cloud: StandIn, account: MadeAccount
) -> None:
    key = account.info["private_key"]
    one_line = account.text.replace("\n", "")  # as a field for passwords makes it
    broken = one_line.replace("\\n", "\n")
    doubled = with_fields(account, private_key=key.replace("\n", "\\n"))
    marked = f"\ufeff{account.text}"  # as editors on Windows save it
    for text in (one_line, broken, doubled, marked, f"\n{account.text}\r\n"):
        gip.TOKENS = gip.TokenStore()
        assert is_picture(ask(pipe_for(cloud, text)))


# Where a signed request must not go → what the message names of it.
FOREIGN_ADDRESSES = {
    "https://evil.test/token": "evil.test",
    "http://169.254.169.254/x": "169.254.169.254",
    "http://oauth2.googleapis.com/token": "",
    "https://oauth2.googleapis.com:8443/token": "",
    "https://googleapis.com.evil.test/": "",
    "https://evil.test\\.googleapis.com/": "",
    "file:///etc/passwd": "",
}
REFUSED_ACCOUNTS: list[tuple[Callable[[MadeAccount], str], str, str]] = [
    (lambda a: "not JSON", "account", "no JSON"),
    (lambda a: "[1]", "account", "no JSON"),
    (lambda a: a.text[:-200], "account", "no JSON"),
    (lambda a: " " * 30_000 + a.text, "account", "no JSON"),
    (lambda a: with_fields(a, private_key=""), "account", "private_key"),
    (lambda a: with_fields(a, client_email=7), "account", "client_email"),
    (lambda a: with_fields(a, type="external_account"), "account_type", "programs"),
    (
        lambda a: json.dumps(
            {
                "type": "external_account",
                "credential_source": {"executable": {"command": "touch /tmp/x"}},
            }
        ),
        "account_type",
        "external_account",
    ),
    (lambda a: with_fields(a, type="impersonated_service_account"), "account_type", ""),
    (lambda a: with_fields(a, type="gdch_service_account"), "account_type", ""),
    *(
        (partial(with_fields, token_uri=address), "account_address", named)
        for address, named in FOREIGN_ADDRESSES.items()
    ),
]


def test_other_accounts_are_refused_before_anything_is_sent(
    cloud: StandIn, account: MadeAccount
) -> None:
    def check(make: Callable[[MadeAccount], str], kind: str, said: str) -> None:
        text = make(account)
        settings = {"VERTEX_CREDENTIALS": text, "GEMINI_API_BASE_URL": cloud.url}
        assert kind_of({**PROJECT_BACKEND, **settings}) == kind
        shown = ask(pipe_for(cloud, text))
        assert said in shown and shows_nothing(shown, account)

    check_rows(REFUSED_ACCOUNTS, check)
    assert cloud.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "https://oauth2.googleapis.com/token",
        "https://www.googleapis.com/oauth2/v4/token",
        "https://accounts.google.com/o/oauth2/token",
    ],
)
def test_google_s_own_token_addresses_are_taken(
    account: MadeAccount, address: str
) -> None:
    settings = {"VERTEX_CREDENTIALS": with_fields(account, token_uri=address)}
    gip.backend_for(gip.AdminValves(**PROJECT_BACKEND, **settings), "")


def test_a_key_that_is_none_is_named(cloud: StandIn, account: MadeAccount) -> None:
    text = with_fields(account, private_key="-----BEGIN PRIVATE KEY-----\nAAAA")
    assert "its private key cannot be read" in ask(pipe_for(cloud, text))
    assert cloud.requests == []


@given(st.text(max_size=60) | st.dictionaries(st.text(), st.text()).map(json.dumps))
def test_whatever_is_entered_ends_in_a_sentence(text: str) -> None:
    settings = {**PROJECT_BACKEND, "VERTEX_PROJECT": "p", "VERTEX_CREDENTIALS": text}
    try:
        gip.backend_for(gip.AdminValves(**settings), "")
    except gip.GeminiError as error:
        assert error.kind in ("account", "account_type", "account_address")
        assert gip.failure_text(error, gip.Reader())


def test_a_person_s_login_is_counted_for_the_project(
    cloud: StandIn, account: MadeAccount
) -> None:
    login = {"type": "authorized_user", "client_id": "id", "client_secret": "s" * 20}
    login |= {"refresh_token": "1//refresh", "token_uri": account.info["token_uri"]}
    pipe = pipe_for(cloud, json.dumps(login), VERTEX_PROJECT=PROJECT)
    refused = ask(pipe)
    assert "deleted, disabled, or has ended" in refused and "1//refresh" not in refused
    cloud.cloud.logins.add("1//refresh")
    assert is_picture(ask(pipe))
    assert made(cloud)[-1].headers["x-goog-user-project"] == PROJECT


def test_the_machine_s_own_account_is_used_where_none_is_entered(
    cloud: StandIn,
    account: MadeAccount,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    waits: list[float],
) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    assert "no default credentials" in ask(pipe_for(cloud))
    file = tmp_path / "account.json"
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    file.mkdir()  # as Docker makes of a file that it does not find
    assert "no default credentials" in (told := ask(pipe_for(cloud)))
    assert f"Is a directory: '{file}'" in told
    file.rmdir()
    file.write_text("[]")
    assert "no default credentials" in ask(pipe_for(cloud))
    file.write_text(account.text)
    assert is_picture(ask(pipe_for(cloud)))
    # Deleted, and another one put in its place, while the server runs.
    cloud.cloud.delete(account)
    assert "deleted, disabled, or has ended" in ask(pipe_for(cloud, MAX_RETRIES=1))
    other = make_account(cloud.url, name="other")
    cloud.cloud.enrol(other)
    file.write_text(other.text)
    assert is_picture(ask(pipe_for(cloud)))


def test_without_google_auth_there_is_a_sentence(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "google.auth", None)
    monkeypatch.setitem(sys.modules, "google.oauth2", None)
    assert "Python package google-auth" in ask(pipe_for(cloud, account.text))


# ── Tokens ───────────────────────────────────────────────────────────────────────────


class Line:
    """In a lock's place: it knows who has come to it."""

    def __init__(self) -> None:
        self.came: set[int] = set()
        self._lock = threading.Lock()
        self.release = self._lock.release

    def acquire(self, timeout: float) -> bool:
        self.came.add(threading.get_ident())
        return self._lock.acquire(timeout=timeout)


def line_before(monkeypatch: pytest.MonkeyPatch, pipe: gip.Pipe) -> Line:
    """Where those wait who want a token of the account that is set."""
    account, line = gip.backend_for(pipe.valves).account, Line()
    assert account
    monkeypatch.setattr(gip.TOKENS._of(account), "_renewing", line)
    return line


def hold_until_all_wait(
    monkeypatch: pytest.MonkeyPatch, cloud: StandIn, pipe: gip.Pipe, count: int
) -> None:
    """No token is handed out, or refused, before so many want one."""
    line, hand_out = line_before(monkeypatch, pipe), cloud.cloud.token

    def held(*request: Any) -> Any:
        assert wait_until(lambda: len(line.came) == count)
        return hand_out(*request)

    monkeypatch.setattr(cloud.cloud, "token", held)


def test_many_at_once_renew_a_token_once(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = pipe_for(cloud, account.text)
    hold_until_all_wait(monkeypatch, cloud, pipe, 12)

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(answer(pipe, f"fox {n}") for n in range(12)))

    assert all(map(is_picture, asyncio.run(ask_all())))
    assert len(tokens(cloud)) == 1 and len(made(cloud)) == 12


def test_many_at_once_share_one_failure(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.cloud.public_keys.clear()
    pipe = pipe_for(cloud, account.text, MAX_RETRIES=0)
    hold_until_all_wait(monkeypatch, cloud, pipe, 6)

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(answer(pipe, f"fox {n}") for n in range(6)))

    assert all("VERTEX_CREDENTIALS" in shown for shown in asyncio.run(ask_all()))
    assert len(tokens(cloud)) == 1 and not made(cloud)


def test_who_waits_for_a_renewal_in_vain_goes_on_with_what_still_lasts(
    cloud: StandIn, account: MadeAccount
) -> None:
    cloud.cloud.token_seconds = int(gip.TOKEN_MARGIN) - 5
    pipe = pipe_for(cloud, account.text, MAX_RETRIES=0)
    assert is_picture(ask(pipe))
    cloud.cloud.behaviour = "slow 0.5"
    cloud.cloud.public_keys.clear()

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(answer(pipe, f"fox {n}") for n in range(6)))

    assert all(map(is_picture, asyncio.run(ask_all())))
    assert len(tokens(cloud)) == 2


def test_a_token_is_renewed_before_it_ends(
    cloud: StandIn, account: MadeAccount
) -> None:
    cloud.cloud.token_seconds = int(gip.TOKEN_MARGIN) - 5
    pipe = pipe_for(cloud, account.text)
    assert is_picture(ask(pipe)) and is_picture(ask(pipe))
    assert len(tokens(cloud)) == 2
    # The renewal fails, and what there is still lasts.
    cloud.cloud.behaviour = "clock"
    assert is_picture(ask(pipe))
    assert len(tokens(cloud)) == 3


def test_a_token_that_google_revokes_is_renewed_within_the_answer(
    cloud: StandIn, account: MadeAccount, waits: list[float]
) -> None:
    pipe = pipe_for(cloud, account.text)
    assert is_picture(ask(pipe))
    cloud.cloud.revoke()
    assert is_picture(ask(pipe))
    assert [request.status for request in made(cloud)] == [200, 401, 200]
    cloud.cloud.delete(account)
    assert "deleted, disabled, or has ended" in ask(pipe)


def test_other_credentials_are_other_tokens(
    cloud: StandIn, account: MadeAccount
) -> None:
    other = make_account(cloud.url, name="other")
    cloud.cloud.enrol(other)
    for text in (account.text, other.text, account.text):
        assert is_picture(ask(pipe_for(cloud, text)))
    assert len(tokens(cloud)) == 2


def test_stop_ends_a_slow_renewal_at_once(cloud: StandIn, account: MadeAccount) -> None:
    cloud.cloud.behaviour = "slow 60"
    pipe = pipe_for(cloud, account.text)

    async def stop() -> None:
        asking = [asyncio.create_task(answer(pipe, f"fox {n}")) for n in range(3)]
        assert await until(lambda: tokens(cloud))
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        assert all(task.cancelled() for task in asking)

    asyncio.run(stop())
    assert wait_until(lambda: all(r.disconnected for r in tokens(cloud)))
    assert wait_until(lambda: not _waiting_threads())
    cloud.cloud.behaviour = None
    assert is_picture(ask(pipe))


def test_stop_ends_the_wait_for_a_token_that_another_renews(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.cloud.behaviour = "slow 60"
    pipe = pipe_for(cloud, account.text)
    line = line_before(monkeypatch, pipe)

    async def stop_all_but_one() -> None:
        first = asyncio.create_task(answer(pipe))
        assert await until(lambda: tokens(cloud))
        others = [asyncio.create_task(answer(pipe, f"fox {n}")) for n in range(2)]
        assert await until(lambda: len(line.came) == 3)
        for task in others:
            task.cancel()
        assert await until(lambda: len(_waiting_threads()) == 1)
        assert not first.done()
        first.cancel()
        await asyncio.wait([first, *others])

    asyncio.run(stop_all_but_one())


def _waiting_threads() -> list[str]:
    """The threads of requests that are at work."""
    frames = sys._current_frames()
    return [
        thread.name
        for thread in threading.enumerate()
        if thread.name == "gemini-image-request"
        and thread.ident in frames
        and _is_at_work(frames[thread.ident])
    ]


def _is_at_work(frame: Any) -> bool:
    while frame:
        if frame.f_code.co_name == "_request":
            return True
        frame = frame.f_back
    return False


# How the endpoint goes wrong, the kind of failure, and what the message names.
BROKEN: list[tuple[str, str]] = [
    ("clock", "server's clock is wrong"),
    ("500", "handed over no access token"),
    ("html", "handed over no access token"),
    ("moved", "handed over no access token"),
    ("large", "handed over no access token"),
    ("slow 60", "handed over no access token"),
    ("odd", "handed over no access token"),
]


def test_what_goes_wrong_at_the_token_endpoint_is_said(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(behaviour: str, said: str) -> None:
        # What is told at once is not to be told for being late; google-auth asks again
        # after a second where the endpoint failed.
        seconds = 0.2 if behaviour in ("slow 60", "500") else LIMIT_S
        monkeypatch.setattr(gip, "TOKEN_TIMEOUT", seconds)
        cloud.cloud.behaviour = behaviour
        shown = ask(pipe_for(cloud, account.text, MAX_RETRIES=0))
        assert said in shown and not made(cloud)
        assert shows_nothing(shown, account)

    check_rows(BROKEN, check)
    assert not cloud.elsewhere


def test_a_key_that_google_does_not_know_is_said(
    cloud: StandIn, account: MadeAccount
) -> None:
    other = make_account(cloud.url).info["private_key"]
    shown = ask(pipe_for(cloud, with_fields(account, private_key=other)))
    assert "Invalid JWT Signature." in shown and "new key" in shown


def test_tokens_come_from_the_origin_that_is_asked_whatever_it_is_called(
    cloud: StandIn, account: MadeAccount
) -> None:
    address, base = (
        text.replace("127.0.0.1", "localhost")
        for text in (account.info["token_uri"], cloud.url)
    )
    text = with_fields(account, token_uri=address)
    assert is_picture(ask(pipe_for(cloud, text, GEMINI_API_BASE_URL=base)))
    assert "localhost" in ask(pipe_for(cloud, text))


# ── Refusals ─────────────────────────────────────────────────────────────────────────

ROLE = "roles/aiplatform.user"
REFUSALS: list[tuple[dict[str, str], str, str, str]] = [
    ({}, "a fox [[error vertex permission]]", "vertex_permission", ROLE),
    (
        {},
        "a fox [[error vertex disabled]]",
        "vertex_disabled",
        "/apis/library/aiplatform.googleapis.com",
    ),
    ({}, "a fox [[error vertex billing]]", "vertex_billing", "/billing/projects"),
    ({}, "a fox [[error vertex quota]]", "vertex_quota", "/iam-admin/quotas"),
    ({}, "a fox [[error vertex exhausted]]", "vertex_capacity", "all its customers"),
    ({}, "a fox [[error vertex project]]", "vertex_no_project", "VERTEX_PROJECT"),
    ({}, "a fox [[error vertex token]]", "token_refused", "/serviceaccounts"),
    ({"VERTEX_PROJECT": "no-such"}, "a fox", "vertex_no_project", "VERTEX_PROJECT"),
    ({"VERTEX_PROJECT": NO_ROLE}, "a fox", "vertex_permission", ROLE),
    ({"VERTEX_PROJECT": DISABLED}, "a fox", "vertex_disabled", "not enabled"),
    ({"VERTEX_PROJECT": UNPAID}, "a fox", "vertex_billing", "billing account"),
    ({"VERTEX_LOCATION": "us-central1"}, "a fox", "vertex_model", "`us-central1`"),
]


def test_vertex_s_refusals_are_told_in_its_own_words(
    cloud: StandIn,
    account: MadeAccount,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds: list[str] = []
    original = gip.failure_text

    def note(error: gip.GeminiError, *rest: Any, **more: Any) -> str:
        kinds.append(error.kind)
        return original(error, *rest, **more)

    monkeypatch.setattr(gip, "failure_text", note)

    def check(valves: dict[str, str], prompt: str, kind: str, advice: str) -> None:
        kinds.clear()
        shown = ask(pipe_for(cloud, account.text, MAX_RETRIES=0, **valves), prompt)
        assert kinds == [kind]
        assert advice in shown, shown
        assert "API key" not in shown.split(">")[1]

    check_rows(REFUSALS, check)


def test_where_all_models_are_nobody_is_sent_there(
    cloud: StandIn, account: MadeAccount
) -> None:
    def advice(location: str) -> str:
        valves = pipe_for(cloud, account.text, VERTEX_LOCATION=location).valves
        error = gip.backend_for(valves).nobody(MODEL, [])
        return gip.failure_text(error, gip.Reader())

    assert "can set VERTEX_LOCATION to `global`" in advice("europe-west4")
    assert "VERTEX_LOCATION" not in advice("global")


@pytest.mark.parametrize("name", ["billing", "disabled", "permission", "quota"])
def test_it_is_the_turn_of_whose_key_it_is(name: str) -> None:
    error = gip.GeminiError(f"vertex_{name}")
    assert "You " in gip.failure_text(error, gip.Reader(own_key=True))
    assert "An administrator " in gip.failure_text(error, gip.Reader())


def test_without_a_token_no_other_model_is_advised() -> None:
    """Each of them needs one."""
    assert "another" not in gip.failure_text(gip.GeminiError("no_token"), gip.Reader())


@pytest.mark.parametrize("name", ["permission", "disabled", "quota", "project"])
def test_a_gateway_before_vertex_passes_its_words_on(
    cloud: StandIn, waits: list[float], name: str
) -> None:
    """The Gemini API is what is set; whom the gateway asks shows in the answer."""
    settings = {"BACKEND": "Gemini API", "GEMINI_API_KEY": DEFAULT_KEY}
    shown = ask(
        pipe_for(cloud, MAX_RETRIES=0, **settings), f"a fox [[error vertex {name}]]"
    )
    advice = {prompt: said for _, prompt, _, said in REFUSALS[:6]}
    assert advice[f"a fox [[error vertex {name}]]"] in shown


def test_a_quota_of_a_minute_is_waited_for(
    cloud: StandIn, account: MadeAccount, waits: list[float]
) -> None:
    prompt = "a fox [[first 1 error vertex quota]]"
    assert is_picture(ask(pipe_for(cloud, account.text), prompt))
    assert len(made(cloud)) == 2


def test_a_key_of_another_kind_is_told_from_a_wrong_one(cloud: StandIn) -> None:
    pipe = pipe_for(cloud, GEMINI_API_KEY=DEFAULT_KEY, **KEY_BACKEND)
    address = f"{cloud.url}/v1beta1/projects/{PROJECT}/locations/global{PATH}#"
    other = pipe_for(
        cloud,
        **{
            **KEY_BACKEND,
            "GEMINI_API_KEY": DEFAULT_KEY,
            "GEMINI_API_BASE_URL": address,
        },
    )
    assert is_picture(ask(pipe))
    assert "does not accept this type of API key" in ask(other)


# ── Options ──────────────────────────────────────────────────────────────────────────

VALVES = {"PERSON_GENERATION": "ALLOW_ADULT", "OUTPUT_QUALITY": "75"}
IMAGE_CONFIG = {
    "personGeneration": "ALLOW_ADULT",
    "imageOutputOptions": {"mimeType": "image/jpeg", "compressionQuality": 75},
}


def test_what_only_vertex_offers_is_sent_there(
    cloud: StandIn, account: MadeAccount
) -> None:
    shown = ask(pipe_for(cloud, account.text, **VALVES))
    assert is_picture(shown) and "left out" not in shown
    assert made(cloud)[0].body["generationConfig"]["imageConfig"] == IMAGE_CONFIG


def test_a_size_that_no_model_has_there_does_not_end_the_model(
    cloud: StandIn, account: MadeAccount
) -> None:
    """Vertex AI answers it with a 404, as it does where a model is gone."""
    model = "gemini-3.1-flash-image"
    shown = ask(pipe_for(cloud, account.text), "a fox --size 512", model=model)
    assert is_picture(shown) and "picture size 512, so 1K was taken" in shown
    assert [(r.model, r.status) for r in made(cloud)] == [(model, 200)]
    assert "512" not in ask(pipe_for(cloud, account.text), "--help", model=model)


def test_elsewhere_it_is_left_out_and_said(cloud: StandIn) -> None:
    settings = {**VALVES, "BACKEND": "Gemini API", "GEMINI_API_KEY": DEFAULT_KEY}
    shown = ask(pipe_for(cloud, **settings), output_format="png")
    assert is_picture(shown)
    assert "imageConfig" not in made(cloud)[0].body["generationConfig"]
    for what in ("people in pictures", "file format", "quality of JPEG"):
        assert (
            f"Only Vertex AI offers this setting, so it was left out: {what}" in shown
        )


def test_a_format_that_the_model_refuses_is_dropped(
    cloud: StandIn, account: MadeAccount
) -> None:
    shown = ask(pipe_for(cloud, account.text, OUTPUT_FORMAT="png"))
    assert is_picture(shown) and "refused a setting" in shown and "file format" in shown


# ── Secrets ──────────────────────────────────────────────────────────────────────────


def shows_nothing(shown: str, account: MadeAccount) -> bool:
    return not any(secret in shown for secret in (*account.secrets, "ya29.", "eyJ"))


def test_nothing_of_an_account_is_shown_or_logged(
    cloud: StandIn,
    account: MadeAccount,
    waits: list[float],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    pipe = pipe_for(cloud, account.text)
    shown = [ask(pipe), repr(pipe.valves), str(pipe.valves)]
    client = gip.GeminiClient(gip.backend_for(pipe.valves), "")
    shown += [repr(client), repr(client.backend), repr(client.backend.account)]
    cloud.cloud.delete(account)
    shown += [ask(pipe, "again"), ask(pipe, "once more")]
    assert all(shows_nothing(text, account) for text in shown)
    assert shows_nothing(caplog.text, account)
    assert account.info["private_key_id"] not in caplog.text


def test_a_gateway_that_repeats_the_token_does_not_show_it(
    cloud: StandIn, account: MadeAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = gip.GeminiClient(gip.backend_for(pipe_for(cloud, account.text).valves), "")
    assert is_picture(ask(pipe_for(cloud, account.text)))
    [token] = cloud.cloud.tokens
    assert token in client.secrets
    echo = f"a fox [[sentence I was sent {token}]]"
    assert token not in ask(pipe_for(cloud, account.text), echo)
    # In words that come in pieces, also in the answer for which it was handed over.
    monkeypatch.setattr(gip, "TOKENS", gip.TokenStore())

    async def generate(client: gip.GeminiClient, *arguments: Any) -> None:
        access = await asyncio.to_thread(
            gip.TOKENS.access, client.backend, "", gip.Sockets()
        )
        for piece in ("I was sent ", access.token[:9], access.token[9:], " by you"):
            await arguments[3](gip.Text(piece))

    monkeypatch.setattr(gip.GeminiClient, "generate", generate)
    assert "I was sent [key] by you" in ask(pipe_for(cloud, account.text))


@pytest.mark.parametrize("text", ["eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhIn0.c2ln", "PEM"])
def test_what_looks_like_a_signature_or_a_key_is_masked(text: str) -> None:
    text = "-----BEGIN PRIVATE KEY-----\\nMIIEvQ" if text == "PEM" else text
    assert gip.redact(f"said {text}") == "said [key]"
