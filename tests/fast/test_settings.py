"""Room Settings: whatever was saved loads, and dialogues offer what is then taken."""

import asyncio
import json
import socket
import warnings
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rows import check_rows
from traffic import words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

BOTH = pytest.mark.parametrize("valves", [gip.AdminValves, gip.UserValves])
Valves = type[gip.AdminValves] | type[gip.UserValves]
CHOICES = {option.valve: option for option in gip.OPTIONS}
OF_USERS = ["ASPECT_RATIO", "IMAGE_SIZE", "IMAGES_PER_PROMPT", "THINKING_LEVEL"]
OF_USERS += ["GOOGLE_SEARCH", "SHOW_THOUGHTS", "GEMINI_API_KEY"]
MAY_BE_ZERO = ("HISTORY_IMAGES", "MAX_RETRIES", "MAX_PARALLEL_REQUESTS_PER_USER")
DAY = 86_400
KEY = "AIzaSECRET"
HUGE = 10**5000  # longer than Python turns into text


def in_the_dialogue(valves: Valves) -> dict[str, Any]:
    """The settings as the host's pages get them, by the call that hosts make."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        spec: dict[str, Any] = json.loads(json.dumps(valves.schema(), allow_nan=False))
    properties: dict[str, Any] = spec["properties"]
    return properties


def wishes(saved: Any, own: Any = None) -> tuple[Any, list[gip.Note]]:
    """What the settings ask for where prompt and request say nothing."""
    named = gip.settings_in_order(saved, gip.own_settings(own), {}, ())
    return gip.read_options(named)


@pytest.fixture(autouse=True)
def no_key_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def pipe_for(google: StandIn, **saved: Any) -> gip.Pipe:
    pipe = gip.Pipe()
    standard = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
    pipe.valves = pipe.Valves(**{**standard, **saved})
    return pipe


def answer(pipe: gip.Pipe, **host: Any) -> str:
    messages = [{"role": "user", "content": "a fox"}]
    result = asyncio.run(pipe.pipe({"model": "x.auto", "messages": messages}, **host))
    return words_of(result)


# ── Whatever was saved ───────────────────────────────────────────────────────────────

ODD: list[Any] = [10**400, -(10**400), 1e300, 1.0, "NaN", "1e999", "-1", " 60 ", "0"]
ODD += ["Off", "9" * 9000, "x" * 100_000, "\ud800", "\x00", "http://[", "https://a:b"]
PLAIN = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=20),  # lone surrogates among them
    st.sampled_from(ODD),
)
NESTED = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=2), max_leaves=3)
SAVED = PLAIN | NESTED | st.dictionaries(st.text(max_size=5), NESTED, max_size=2)


def saved_for(valves: Valves) -> st.SearchStrategy[dict[str, Any]]:
    """Any value for each field, and for fields of other releases."""
    names = [*valves.model_fields, "NO_LONGER_THERE", "self"]
    return st.fixed_dictionaries(dict.fromkeys(names, SAVED))


def loaded(valves: Valves, saved: dict[str, Any]) -> Any:
    """The settings as they load, which must be usable and load as themselves again."""
    there = valves(**saved)
    for name, field in valves.model_fields.items():
        value = getattr(there, name)
        assert type(value) is type(field.default), name
        if type(value) is int:
            assert (name not in MAY_BE_ZERO) <= value <= DAY, name
        elif type(value) is str:
            value.encode()
    dumped = json.dumps(there.model_dump(), allow_nan=False)
    assert valves(**json.loads(dumped)) == there
    return there


@given(saved_for(gip.AdminValves), saved_for(gip.UserValves))
@example(dict.fromkeys(gip.AdminValves.model_fields, 1e300), {"GEMINI_API_KEY": 1e300})
@example(dict.fromkeys(gip.AdminValves.model_fields, "1e999"), {"IMAGE_SIZE": "1e999"})
@example({"MODELS": "\ud800"}, {"GEMINI_API_KEY": "\ud800"})
@example({"GEMINI_API_BASE_URL": "http://["}, {"GEMINI_API_KEY": "a key"})
def test_anything_that_was_saved_loads_and_can_be_worked_with(
    saved: dict[str, Any], own: dict[str, Any]
) -> None:
    valves, users = loaded(gip.AdminValves, saved), loaded(gip.UserValves, own)
    assert 1 <= wishes(valves, users)[0].count <= gip.MAX_PICTURES_PER_PROMPT
    keys, is_own = gip.keys_to_use(valves, gip.own_settings(users))
    assert is_own == bool(gip.split_list(users.GEMINI_API_KEY))
    try:
        gip.keyring_for(valves, keys)
    except gip.GeminiError as error:
        assert error.kind in (
            "base_url",
            "gateway_headers",
            "key_missing",
            "key_malformed",
            "keys_malformed",
        )
    with socket.socket() as connection:
        connection.settimeout(gip.Budget(valves.REQUEST_TIMEOUT).seconds_left)


@given(SAVED, SAVED)
@example("[, \ud800", "imagen-9")
@example("models/, *, **,\n,", ",,*")
def test_no_setting_takes_the_list_of_models_down(models: Any, retired: Any) -> None:
    pipe = gip.Pipe()
    saved = {"MODELS": models, "RETIRED_MODELS": retired, "GEMINI_API_BASE_URL": "?"}
    pipe.valves = pipe.Valves(**saved)  # the address keeps it from asking Google
    entries = asyncio.run(pipe.pipes())
    assert entries[0] == {"id": gip.AUTO, "name": gip.AUTO_NAME}
    assert all(entry["id"].strip() and entry["name"].strip() for entry in entries)
    json.dumps(entries, ensure_ascii=False).encode()  # as the host sends them


@pytest.mark.parametrize(
    ("name", "saved", "value"),
    [
        pytest.param("REQUEST_TIMEOUT", 60.9, 60, id="fraction"),
        pytest.param("REQUEST_TIMEOUT", "0", 300, id="no-time-at-all"),
        pytest.param("REQUEST_TIMEOUT", 10**9, DAY, id="a-lifetime"),
        pytest.param("MAX_PARALLEL_REQUESTS", 0, 64, id="none-at-a-time"),
        pytest.param("MAX_PARALLEL_REQUESTS_PER_USER", "", 0, id="empty-share"),
        pytest.param("MAX_PARALLEL_REQUESTS_PER_USER", -5, 0, id="negative-share"),
        pytest.param("MAX_PARALLEL_REQUESTS_PER_USER", None, 0, id="no-share"),
        pytest.param("MAX_PARALLEL_REQUESTS_PER_USER", HUGE, 0, id="share-huge"),
        pytest.param("MAX_PARALLEL_REQUESTS_PER_USER", "8.0", 8, id="share-8.0"),
        pytest.param("HISTORY_IMAGES", "0", 0, id="no-history"),
        pytest.param("MAX_RETRIES", -1, 2, id="minus"),
        pytest.param("MAX_RETRIES", True, 2, id="number-true"),
        pytest.param("MAX_RETRIES", HUGE, 2, id="number-huge"),
        pytest.param("REQUIRE_USER_KEY", HUGE, False, id="switch-huge"),
        pytest.param("FOLLOW_SUCCESSORS", [HUGE], True, id="switch-list"),
        pytest.param("MODELS", HUGE, "", id="text-huge"),
        pytest.param("REQUIRE_USER_KEY", 1.0, True, id="switch-1.0"),
        pytest.param("FOLLOW_SUCCESSORS", " No ", False, id="switch-no"),
        pytest.param("FOLLOW_SUCCESSORS", 7, True, id="switch-7"),
        pytest.param("GOOGLE_SEARCH", True, "on", id="choice-true"),
        pytest.param("IMAGES_PER_PROMPT", 3.0, "3", id="choice-3.0"),
        pytest.param("IMAGE_SIZE", float("nan"), "auto", id="choice-nan"),
        pytest.param("STORAGE", None, "files", id="choice-none"),
        pytest.param("MODELS", "a\ud800", "a\ufffd", id="lone-surrogate"),
    ],
)
def test_a_saved_value_becomes_what_was_meant(
    name: str, saved: Any, value: Any
) -> None:
    found = getattr(gip.AdminValves(**{name: saved}), name)
    assert (found, type(found)) == (value, type(value))


# ── What the dialogues show ──────────────────────────────────────────────────────────


@BOTH
def test_every_setting_is_named_and_explained(valves: Valves) -> None:
    for name, shown in in_the_dialogue(valves).items():
        assert shown["title"] == name
        text = shown["description"]
        assert text == " ".join(text.split())
        assert not text[0].islower() and text.endswith(".") and len(text) < 250, name
        assert not set("`<>[]") & set(text), name  # pages show it as it is


@BOTH
def test_defaults_are_among_what_is_offered(valves: Valves) -> None:
    fresh = valves().model_dump()
    for name, shown in in_the_dialogue(valves).items():
        assert fresh[name] == shown["default"]
        assert fresh[name] in shown.get("enum", [fresh[name]])
        if name in CHOICES:
            assert shown["enum"] == ["auto", *CHOICES[name].choices]
            assert shown["default"] == "auto"


@BOTH
def test_what_is_secret_is_a_password_and_nothing_else_is(valves: Valves) -> None:
    shown = in_the_dialogue(valves)
    passwords = {
        name: field["input"] for name, field in shown.items() if "input" in field
    }
    secret = {"GEMINI_API_KEY", "GATEWAY_HEADERS", "VERTEX_CREDENTIALS"} & {*shown}
    assert passwords == {name: {"type": "password"} for name in secret}


def test_administrators_see_the_key_first_and_every_option() -> None:
    names = list(in_the_dialogue(gip.AdminValves))
    assert names[0] == "GEMINI_API_KEY"
    assert set(CHOICES) < set(names)


def test_users_get_no_setting_that_is_the_administrator_s() -> None:
    assert list(in_the_dialogue(gip.UserValves)) == OF_USERS
    saved = {"SAFETY_THRESHOLD": "OFF", "GEMINI_API_BASE_URL": "https://example.org"}
    assert set(gip.own_settings(gip.UserValves(**saved))) == set(OF_USERS)
    assert wishes(gip.AdminValves(), saved) == (gip.ImageOptions(), [])


@BOTH
def test_no_drop_down_offers_what_is_then_refused(valves: Valves) -> None:
    tried = 0
    for name, shown in in_the_dialogue(valves).items():
        for value in shown["enum"] if name in CHOICES else []:
            there = valves(**{name: value})
            assert getattr(there, name) == value
            admins = there if valves is gip.AdminValves else gip.AdminValves()
            said = {} if value == "auto" else CHOICES[name].read(value)
            assert said is not None
            assert wishes(admins, there) == (gip.ImageOptions(**said), [])
            tried += 1
    assert tried > 30


# ── Values that no drop-down has ─────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "saved", "expected", "noted"),
    [
        pytest.param("IMAGE_SIZE", "1k", {"image_size": "1K"}, False, id="small-k"),
        pytest.param("IMAGE_SIZE", 512, {"image_size": "512"}, False, id="size-number"),
        pytest.param("IMAGE_SIZE", "8K", {}, True, id="8K"),
        pytest.param("ASPECT_RATIO", "5/3", {"aspect_ratio": "5:3"}, False, id="5/3"),
        pytest.param("ASPECT_RATIO", "wide", {}, True, id="wide"),
        pytest.param("IMAGES_PER_PROMPT", 3, {"count": 3}, False, id="number"),
        pytest.param("IMAGES_PER_PROMPT", "9", {"count": 4}, True, id="nine"),
        pytest.param(
            "THINKING_LEVEL", "HIGH", {"thinking_level": "HIGH"}, False, id="H"
        ),
        pytest.param("SHOW_THOUGHTS", True, {"thoughts": True}, False, id="true"),
        pytest.param("GOOGLE_SEARCH", "web", {}, True, id="search-web"),
        pytest.param("GOOGLE_SEARCH", "Default", {}, False, id="default"),
        pytest.param("SAFETY_THRESHOLD", "off", {"safety": "OFF"}, False, id="off"),
        pytest.param("SAFETY_THRESHOLD", "LOW", {}, True, id="no-threshold"),
    ],
)
def test_what_was_typed_by_hand_is_read_or_named(
    name: str, saved: Any, expected: dict[str, Any], noted: bool
) -> None:
    found, notes = wishes(gip.AdminValves(**{name: saved}))
    assert found == gip.ImageOptions(**expected)
    assert len(notes) == noted


def test_settings_of_another_release_cost_neither_list_nor_picture(
    google: StandIn,
) -> None:
    old = {"IMAGE_SIZE": "8K", "ASPECT_RATIO": 7, "STORAGE": "inLine", "NO_MORE": [1]}
    pipe = pipe_for(google, **old)
    assert asyncio.run(pipe.pipes()) == asyncio.run(pipe_for(google).pipes())
    markdown = answer(pipe, __user__={"valves": {"IMAGE_SIZE": "7K", "GONE": {}}})
    assert len(google.sent_images) == 1 and gip.FAILURE_MARK not in markdown
    named = [f"{gip.NOTE_MARK}`{name}` was left out" in markdown for name in old]
    assert named == [True, True, False, False]


@pytest.mark.parametrize(
    ("storage", "tries"), [("files", True), (" Inline", False), ("disk", True)]
)
def test_a_storage_typed_by_hand_is_understood(
    google: StandIn, storage: str, tries: bool
) -> None:
    """Here there is no host to store anything, which an answer notes if it tried."""
    markdown = answer(pipe_for(google, STORAGE=storage))
    assert ("could not store" in markdown) == tries


# ── Keys and the client ──────────────────────────────────────────────────────────────


def test_own_settings_come_in_any_form() -> None:
    own = gip.UserValves(IMAGE_SIZE="2K")
    assert gip.own_settings(own) == own.model_dump()
    assert gip.own_settings({"IMAGE_SIZE": "2K"}) == {"IMAGE_SIZE": "2K"}
    for other in (None, "IMAGE_SIZE", [["IMAGE_SIZE", "2K"]], 5):
        assert gip.own_settings(other) == {}


@pytest.mark.parametrize(
    ("saved", "first", "second", "key"),
    [
        pytest.param("saved ", "one", "two", "saved", id="settings"),
        pytest.param(" ", " one\n", "two", "one", id="first-variable"),
        pytest.param("", " ", " two", "two", id="blank-variable"),
        pytest.param(None, None, "two", "two", id="second-variable"),
        pytest.param("", None, None, "", id="none"),
    ],
)
@pytest.mark.parametrize("required", [False, True], ids=["shared", "own-only"])
def test_the_first_key_there_is_is_used(
    saved: Any,
    first: str | None,
    second: str | None,
    key: str,
    required: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in (("GEMINI_API_KEY", first), ("GOOGLE_API_KEY", second)):
        if value is not None:
            monkeypatch.setenv(name, value)
    valves = gip.AdminValves(GEMINI_API_KEY=saved, REQUIRE_USER_KEY=required)
    keys = (key,) if key else ()
    assert gip.api_keys(valves) == keys
    assert gip.keys_to_use(valves, {"GEMINI_API_KEY": "mine "}) == (("mine",), True)
    for none in (None, "", " ", 5, ["mine"]):
        used = gip.keys_to_use(valves, {"GEMINI_API_KEY": none})
        assert used == (() if required else keys, False)


def test_where_users_need_a_key_the_server_s_only_lists_the_models(
    google: StandIn,
) -> None:
    pipe = pipe_for(google, REQUIRE_USER_KEY=True)
    assert len(asyncio.run(pipe.pipes())) > 2
    listing = len(google.requests)
    assert listing > 0
    assert "your own" in answer(pipe)
    assert len(google.requests) == listing
    own = gip.UserValves(GEMINI_API_KEY=DEFAULT_KEY)
    assert gip.FAILURE_MARK not in answer(pipe, __user__={"valves": own})


def test_the_client_is_as_the_settings_say() -> None:
    saved: dict[str, Any] = {"REQUEST_TIMEOUT": "60", "MAX_PARALLEL_REQUESTS": "3"}
    valves = gip.AdminValves(**saved, GEMINI_API_BASE_URL="https://a.example/")
    [client] = gip.keyring_for(valves, [f" {KEY} "]).clients
    assert client == gip.GeminiClient(
        gip.Backend("https://a.example/v1beta"), KEY, gip.Bounds(3, 2)
    )
    assert valves.REQUEST_TIMEOUT == 60
    [standard] = gip.keyring_for(gip.AdminValves(), [KEY]).clients
    assert standard.backend.address == f"{gip.DEFAULT_BASE_URL}/v1beta"
    assert standard.parallel == gip.Bounds(64, 32)
    assert gip.AdminValves().REQUEST_TIMEOUT == 300


# Settings of how many requests there may be: of all, of one user → what holds.
PARALLEL: list[tuple[Any, Any, tuple[int, int]]] = [
    (64, 0, (64, 32)),
    (64, "", (64, 32)),
    (1, 0, (1, 1)),
    (3, 0, (3, 2)),
    (8, 8, (8, 8)),
    (8, 100, (8, 8)),
    (8, 1, (8, 1)),
    (0, "a few", (64, 32)),
]


def test_one_user_may_have_half_of_all_requests_or_what_is_set() -> None:
    def check(in_all: Any, of_one: Any, found: tuple[int, int]) -> None:
        saved = {
            "MAX_PARALLEL_REQUESTS": in_all,
            "MAX_PARALLEL_REQUESTS_PER_USER": of_one,
        }
        assert gip.parallel_requests(gip.AdminValves(**saved)) == found

    check_rows(PARALLEL, check)


@BOTH
def test_settings_as_text_hold_no_key(valves: Valves) -> None:
    there = valves(GEMINI_API_KEY=KEY, IMAGE_SIZE="4K")
    for text in (repr(there), str(there), f"{there}"):
        assert KEY not in text
        assert "4K" in text


def test_a_chat_as_text_holds_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[gip.ImageRequest] = []

    async def nothing(ask: gip.ImageRequest, send: gip.Send) -> None:
        asked.append(ask)
        await send("Here.")

    monkeypatch.setattr(gip, "compose", nothing)
    user = {"id": "1", "valves": {"GEMINI_API_KEY": KEY}}
    answer(gip.Pipe(), __user__=user)
    [ask] = asked
    assert (ask.keys, ask.own_key, ask.chat.secrets) == ((KEY,), True, (KEY,))
    assert KEY not in repr(ask)


# ── The message box ──────────────────────────────────────────────────────────────────


def test_the_search_toggle_beats_settings_and_yields_to_the_request() -> None:
    """Whoever switches it on for a message wants a search; words and parameters of that
    very request say more."""
    on, off = ("web", "image"), ()

    def check(
        features: Any, valve: str, own: str, body: Any, flag: str, expected: Any
    ) -> None:
        valves = gip.AdminValves(GOOGLE_SEARCH=valve)
        flags = [("--search", flag)] if flag else []
        settings = gip.settings_in_order(
            valves, {"GOOGLE_SEARCH": own}, body, flags, features
        )
        options, notes = gip.read_options(settings)
        assert options.searches == expected
        assert notes == []

    toggled = {"web_search": True, "memory": True}
    check_rows(
        [
            (toggled, "auto", "auto", {}, "", on),
            (toggled, "off", "auto", {}, "", on),
            (toggled, "off", "off", {}, "", on),
            (toggled, "off", "off", {"google_search": "auto"}, "", on),
            (toggled, "on", "on", {"google_search": False}, "", off),
            (toggled, "on", "on", {}, "off", off),
            (toggled, "on", "on", {"google_search": True}, "off", off),
            ({"web_search": False}, "auto", "auto", {}, "", off),
            ({"web_search": False}, "on", "auto", {}, "", on),
            ({"web_search": "yes"}, "auto", "auto", {}, "", off),
            ({}, "auto", "auto", {}, "", off),
            (None, "auto", "auto", {}, "", off),
            ([True], "auto", "auto", {}, "", off),
        ],
        check,
    )


@pytest.mark.parametrize(
    ("model", "notes"),
    [("gemini-nano-banana-2.1", 0), ("gemini-2.5-flash-image", 1)],
)
def test_the_search_toggle_searches_or_is_answered_with_a_note(
    google: StandIn, model: str, notes: int
) -> None:
    body = {"model": f"x.{model}", "messages": [{"role": "user", "content": "a fox"}]}
    metadata = {"features": {"web_search": True}}
    result = asyncio.run(pipe_for(google).pipe(body, __metadata__=metadata))
    markdown = words_of(result)
    [request] = [r for r in google.requests if r.method == "POST"]
    assert ("googleSearch" in str(request.body.get("tools"))) is (notes == 0)
    assert markdown.count("offers no such setting, so it was left out: Google") == notes
