"""Several API keys: which is used, which rest, and whose they are."""

from __future__ import annotations

import asyncio
import base64
import itertools
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows
from traffic import posts, words_of

import gemini_image_pipe as gip
from dev.standin import StandIn, pictures

MODEL = "gemini-nano-banana-2.1"
ADMIN = {"id": "a", "role": "admin"}
USER = {"id": "u", "role": "user"}


def key(name: str) -> str:
    """A key of the stand-in's."""
    return f"stand-in-key-{name}"


def keys(*names: str) -> str:
    """A list of them, as somebody types it."""
    return ", ".join(map(key, names))


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """What makes the worker forget what it knows of keys."""

    def forget() -> None:
        monkeypatch.setattr(gip, "ROSTERS", gip.Rosters())
        monkeypatch.setattr(gip, "MODEL_LISTS", gip.ModelLists())

    return forget


class Chat:
    """One request, what became of it, and the keys that were sent for it."""

    def __init__(
        self,
        google: StandIn,
        typed: str,
        prompt: str = "a fox",
        user: dict[str, Any] | None = None,
        **more: Any,
    ) -> None:
        before = len(posts(google))
        self.statuses: list[str] = []
        pipe = gip.Pipe()
        saved = {"GEMINI_API_KEY": typed, "GEMINI_API_BASE_URL": google.url}
        pipe.valves = pipe.Valves(**saved, **more.pop("valves", {}))
        messages = [{"role": "user", "content": prompt}]
        body = {"model": f"f.{MODEL}", "messages": messages, **more}
        asked = pipe.pipe(body, __user__=user or USER, __event_emitter__=self._emit)
        self.text = words_of(asyncio.run(asked))
        self.pictures = self.text.count("](data:image/")
        self.failed = gip.FAILURE_MARK in self.text
        headers = [request.headers for request in posts(google)[before:]]
        self.used = [sent["x-goog-api-key"].removeprefix(key("")) for sent in headers]

    async def _emit(self, event: dict[str, Any]) -> None:
        self.statuses.append(event["data"].get("description", ""))


# ── The next key ─────────────────────────────────────────────────────────────────────

REFUSALS = ["invalid", "expired", "leaked", "restricted", "referrer", "disabled"]
REFUSALS += ["oauth", "free", "prepaid", "minute", "day", "unknown"]
NEXT: list[tuple[str, str, dict[str, Any], list[str], int]] = [
    # keys, prompt, settings → the keys that are sent, and pictures
    *((keys(name, "second"), "a fox", {}, [name, "second"], 1) for name in REFUSALS),
    (f"{key('day')}\n{key('second')}\n", "a fox", {}, ["day", "second"], 1),
    (f" {key('day')} ; '{key('second')}'", "a fox", {}, ["day", "second"], 1),
    (keys("day", "minute", "second"), "a fox", {}, ["day", "minute", "second"], 1),
    (keys("day", "second"), "a fox", {"MAX_RETRIES": 0}, ["day", "second"], 1),
    (keys("second", "day"), "a fox", {}, ["second"], 1),
    # The region of the server and the prompt are the same for every key.
    (keys("location", "second"), "a fox", {}, ["location"], 0),
    (keys("second", "day"), "a fox [[status 400]]", {}, ["second"], 0),
    (keys("second", "day"), "a fox [[block SAFETY]]", {}, ["second"], 0),
    # What may have been billed is not sent again.
    (keys("second", "day"), "a fox [[cut]]", {}, ["second"], 0),
    (keys("second", "day"), "a fox [[reset]]", {}, ["second"], 0),
    (keys("second", "day"), "a fox [[error html 504]]", {}, ["second"], 0),
    # All of them fail: each is asked once.
    (keys("day", "invalid"), "a fox", {}, ["day", "invalid"], 0),
    (keys("free", "prepaid", "leaked"), "a fox", {}, ["free", "prepaid", "leaked"], 0),
    # A key that stands there twice is one.
    (keys("day", "day"), "a fox", {}, ["day"], 0),
]


def test_another_key_takes_over_at_once_where_that_can_help(
    google: StandIn, waits: list[float], fresh: Callable[[], None]
) -> None:
    def check(
        typed: str, prompt: str, valves: dict[str, Any], used: list[str], shown: int
    ) -> None:
        fresh()
        chat = Chat(google, typed, prompt, valves=valves)
        assert chat.used == used
        assert (chat.pictures, chat.failed) == (shown, not shown)
        assert waits == []

    check_rows(NEXT, check)


PAUSES: list[tuple[str, str, int, list[str], list[float]]] = [
    # keys, prompt, retries → the keys that are sent, the pauses but for chance
    (keys("minute.wait-9s", "minute.wait-3s"), "a fox", 0, [".9", ".3"], []),
    (keys("minute.wait-9s", "minute.wait-3s"), "a fox", 1, [".9", ".3", ".3"], [3.0]),
    (keys("minute.wait-3s", "minute.wait-9s"), "a fox", 1, [".3", ".9", ".3"], [3.0]),
    # It is back before anybody else, although the last one says tomorrow.
    (keys("minute.wait-3s", "day"), "a fox", 1, [".3", "day", ".3"], [3.0]),
    (keys("minute.wait-99s", "day"), "a fox", 2, [".99", "day"], []),
    # What is no fault of a key's is waited for as ever.
    (keys("second.a", "second.b"), "a fox [[fail 1 503]]", 2, [".a", ".b"], [2.0]),
]


def test_the_pause_begins_when_all_keys_rest(
    google: StandIn,
    waits: list[float],
    fresh: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Clock(monkeypatch)  # it stands still, however long the stand-in takes

    def check(
        typed: str, prompt: str, retries: int, used: list[str], pauses: list[float]
    ) -> None:
        fresh()
        waits.clear()
        chat = Chat(google, typed, prompt, valves={"MAX_RETRIES": retries})
        short = [
            re.sub(r"\w+\.(?:wait-)?(\w+?)s?\Z", r".\1", name) for name in chat.used
        ]
        assert short == used
        assert len(waits) == len(pauses)
        for waited, least in zip(waits, pauses, strict=True):
            assert least <= waited <= 1.2 * least

    check_rows(PAUSES, check)


def test_when_all_rest_the_one_that_is_back_first_speaks(
    google: StandIn, waits: list[float], fresh: Callable[[], None]
) -> None:
    said = {
        keys("minute.wait-99s", "day", "invalid"): "try again in 9",
        keys("invalid", "day"): "daily quota",
        keys("day", "invalid"): "daily quota",
        keys("invalid", "leaked"): "found in public",
    }
    for typed, words in said.items():
        fresh()
        chat = Chat(google, typed)
        assert words in chat.text, typed
        assert len(chat.used) == typed.count(",") + 1


# ── Turns and rests ──────────────────────────────────────────────────────────────────


def test_keys_take_turns(google: StandIn) -> None:
    typed = keys("second.a", "second.b", "second.c")
    used = [name for _ in range(4) for name in Chat(google, typed).used]
    assert used == [f"second.{mark}" for mark in "abca"]
    assert sorted(Chat(google, typed, n=3).used) == used[:3]


def test_a_key_that_rests_is_not_asked_and_a_good_one_has_its_turn(
    google: StandIn,
) -> None:
    typed = keys("day", "second.a", "invalid", "second.b")
    used = [Chat(google, typed).used for _ in range(4)]
    assert used == [
        ["day", "second.a"],
        ["invalid", "second.b"],
        ["second.a"],
        ["second.b"],
    ]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_keys_that_run_dry_one_after_another_lose_no_picture(
    google: StandIn, waits: list[float], count: int
) -> None:
    typed = keys("minute.after-2", "day.after-3", "leaked.after-1", "second")
    answers = [Chat(google, typed, f"a fox {n}", n=count) for n in range(4)]
    assert [chat.pictures for chat in answers] == [count] * 4
    assert not any(chat.failed for chat in answers)
    assert len(google.sent_images) == 4 * count, "one is paid for and not shown"
    assert waits == []
    for name, good in (("minute.after-2", 2), ("day.after-3", 3)):
        used = [one for chat in answers for one in chat.used if one == name]
        assert len(used) <= good + count, f"{name} was asked again"


@pytest.mark.parametrize("count", [1, 4])
@pytest.mark.parametrize("retries", [0, 2])
@pytest.mark.parametrize("names", [["day"], ["day", "invalid", "minute.wait-1s"]])
def test_more_keys_add_as_many_requests_at_most(
    google: StandIn, waits: list[float], count: int, retries: int, names: list[str]
) -> None:
    typed = keys(*names, *(f"{name}.b" for name in names))
    chat = Chat(google, typed, n=count, valves={"MAX_RETRIES": retries})
    assert chat.failed
    assert len(chat.used) <= count * (1 + retries) + 2 * len(names) - 1


class Played:
    """In Google's place: what each request brings, the last of it to all that follow."""

    def __init__(self, patch: pytest.MonkeyPatch, *outcomes: list[Any]) -> None:
        self.asked: list[str] = []
        played = self

        async def generate(
            client: gip.GeminiClient,
            route: Any,
            body: Any,
            limit: float,
            take: Any,
            _: int,
        ) -> None:
            played.asked.append(client.key)
            assert len(played.asked) < 100, "there is no end to it"
            for item in outcomes[min(len(played.asked), len(outcomes)) - 1]:
                if isinstance(item, gip.GeminiError):
                    raise gip.GeminiError(item.kind, retry_after=item.retry_after)
                await take(item)

        patch.setattr(gip.GeminiClient, "generate", generate)


PICTURE = gip.Image(pictures.plain_picture((64, 64), "image/png"), "image/png")


@pytest.mark.parametrize(("count", "retries"), [(1, 0), (1, 3), (4, 0), (4, 2)])
def test_rests_that_end_at_once_do_not_lift_the_bound(
    google: StandIn,
    waits: list[float],
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    retries: int,
) -> None:
    played = Played(monkeypatch, [gip.GeminiError("quota_minute", retry_after=1e-9)])
    typed = keys("second.a", "second.b", "second.c")
    chat = Chat(google, typed, n=count, valves={"MAX_RETRIES": retries})
    assert chat.failed
    assert len(played.asked) == count * (1 + retries) + 2


def test_nothing_is_sent_again_once_something_has_arrived(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in sorted(gip.FAILURES):
        with monkeypatch.context() as patch:
            played = Played(patch, [PICTURE, gip.GeminiError(kind)])
            chat = Chat(google, keys("second.a", f"second.{kind}"))
            assert (len(played.asked), chat.pictures) == (1, 1), kind


def test_a_refused_key_rests_until_the_settings_change(google: StandIn) -> None:
    typed = keys("invalid", "second")
    assert Chat(google, typed).used == ["invalid", "second"]
    assert [Chat(google, typed).used for _ in range(3)] == [["second"]] * 3
    changed = keys("invalid", "second", "second.b")
    assert Chat(google, changed).used[0] == "invalid"


def test_keys_that_are_all_refused_are_asked_once_a_minute(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = keys("invalid", "leaked")
    first = Chat(google, typed)
    again = Chat(google, typed)
    assert (len(first.used), again.used) == (2, [])
    assert "does not accept the API key" in again.text
    monkeypatch.setattr(gip, "KEY_REST", 0.0)
    assert Chat(google, typed).used == ["invalid"]


def test_a_lone_key_is_asked_each_time(google: StandIn) -> None:
    for name in ("invalid", "day"):
        for _ in range(2):
            assert Chat(google, key(name)).used == [name]


# ── How long ─────────────────────────────────────────────────────────────────────────


class Clock:
    """Time as the test has it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr(gip, "time", self)

    def monotonic(self) -> float:
        return self.now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


def ring(*typed: str) -> gip.Keyring:
    return gip.keyring_for(gip.AdminValves(), typed)


def failure(kind: str, retry_after: float | None = None) -> gip.GeminiError:
    return gip.GeminiError(kind, "Sorry.", retry_after)


FOREVER = 10**9
RESTS: list[tuple[str, float | None, float, bool]] = [
    # kind, what Google asks for → the seconds of rest, whether from all models
    ("quota_minute", None, 60, False),
    ("quota_minute", 7.0, 7, False),
    ("quota_minute", 0.0, 60, False),
    ("quota_minute", 1e12, 86_400, False),
    ("capacity", None, 60, False),
    ("quota_day", 44_788.0, 44_788, False),
    ("quota_zero", 37.0, 37, False),
    ("permission", None, 60, False),
    ("billing", None, 60, True),
    ("quota_prepaid", None, 60, True),
    ("budget", None, 60, True),
    ("api_disabled", None, 60, True),
    ("key_restricted", None, 60, True),
    ("account_limited", None, 60, True),
    ("key_refused", 1.0, FOREVER, True),
    ("key_expired", None, FOREVER, True),
    ("key_leaked", None, FOREVER, True),
    ("key_type", None, FOREVER, True),
    ("overloaded", 9.0, 0, False),
    ("model_unknown", None, 0, False),
]


def test_how_long_a_key_rests_and_from_what(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    def check(kind: str, asked: float | None, seconds: float, for_all: bool) -> None:
        monkeypatch.setattr(gip, "ROSTERS", gip.Rosters())
        both = ring("a-key", "b-key")
        begun = clock.now
        first = both.client_for("m")
        both.after(first, "m", failure(kind, asked))

        def is_asked(model: str) -> bool:
            return first in {both.client_for(model) for _ in range(2)}

        assert is_asked("m") == (seconds == 0)
        assert is_asked("other") != for_all
        if seconds:
            clock.now = begun + seconds - 0.5
            assert not is_asked("m")
        if seconds < FOREVER:
            clock.now = begun + seconds + 0.5
            assert is_asked("m")

    check_rows(RESTS, check)


def utc(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc]


def test_a_daily_quota_is_there_again_at_midnight_in_california(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hour = 3_600
    days = [
        (utc(2026, 1, 15, 8, 0), 24 * hour),
        (utc(2026, 1, 15, 7, 59), 60),
        (utc(2026, 7, 15, 6, 0), hour),
        (utc(2026, 3, 8, 8, 0), 23 * hour),  # the clocks go forward
        (utc(2026, 11, 1, 7, 0), 25 * hour),  # and back
        (utc(2026, 12, 31, 20, 0), 12 * hour),
    ]

    def check(now: float, seconds: float) -> None:
        assert gip.seconds_to_midnight(now) == seconds

    check_rows(days, check)

    def no_tables(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(gip, "ZoneInfo", no_tables)
    assert gip.seconds_to_midnight(utc(2026, 1, 15, 6, 0)) == 2 * hour
    both = ring("a-key", "b-key")
    error = both.after(both.clients[0], "m", failure("quota_day"))
    assert error.kind == "quota_day"
    [rest] = gip.ROSTERS.of(both.identity).rests.values()
    assert 0 < rest.until - rest.since <= 24 * hour


def test_a_key_that_answers_all_the_same_rests_no_longer() -> None:
    both = ring("a-key-one", "b-key-one")
    for client in both.clients:
        both.after(client, "m", failure("quota_minute", 30.0))
    chosen = both.client_for("m")
    assert not both.has_other(failure("quota_minute"), "m")
    both.answered(chosen, "m", time.monotonic() - 9)
    assert not both.has_other(failure("quota_minute"), "m"), "it began before the end"
    both.answered(chosen, "m", time.monotonic() + 1)
    assert [both.client_for("m") for _ in range(2)] == [chosen] * 2


def test_what_a_worker_knows_of_keys_is_bounded_and_holds_none() -> None:
    rosters = gip.Rosters()
    used = rosters.of("used")
    for number in range(2 * gip.MAX_KEY_LISTS):
        rosters.of(f"other {number}")
        assert rosters.of("used") is used
    assert len(rosters._rosters) == gip.MAX_KEY_LISTS
    both = ring("a-secret-key", "b-secret-key")
    for number in range(2 * gip.MAX_RESTS):
        both.after(both.clients[0], f"m-{number}", failure("quota_day", 900.0))
    known = gip.ROSTERS.of(both.identity).rests
    assert len(known) == gip.MAX_RESTS
    assert "secret" not in f"{known}{vars(gip.ROSTERS)}{both}"


# ── Whose keys ───────────────────────────────────────────────────────────────────────


def own(typed: str) -> dict[str, Any]:
    return {**USER, "valves": {"GEMINI_API_KEY": typed}}


def test_a_user_s_own_keys_take_over_among_themselves_only(google: StandIn) -> None:
    server = keys("second.x", "second.y")
    chat = Chat(google, server, user=own(keys("day", "second.a")))
    assert (chat.used, chat.pictures) == (["day", "second.a"], 1)
    chat = Chat(google, server, user=own(keys("day.b", "invalid")))
    assert (chat.used, chat.pictures) == (["day.b", "invalid"], 0)
    required = Chat(google, server, valves={"REQUIRE_USER_KEY": True})
    assert required.used == [] and "your own" in required.text


KEYS_OF = {"": ("server-key-1", "server-key-2"), "u1": ("u1-key-1", "u1-key-2")}
KEYS_OF |= {"u2": ("u2-key-1",), "u3": ("u3-key-1", "u3-key-2", "u3-key-3")}
# An answer: whose it is, and how many pictures. A request: for how many turns of the
# loop it goes on, and how it ends.
ENDS = st.sampled_from(["", "quota_minute", "quota_day", "key_refused", "overloaded"])
REQUESTS = st.lists(st.tuples(st.integers(0, 3), ENDS), min_size=1, max_size=20)
ANSWERS = st.lists(
    st.tuples(st.sampled_from(sorted(KEYS_OF)), st.integers(1, 4)), max_size=8
)


@given(ANSWERS, REQUESTS)
def test_nothing_of_one_user_s_keys_is_in_another_s_requests(
    answers: list[tuple[str, int]], requests: list[tuple[int, str]]
) -> None:
    course = itertools.cycle(requests)
    asked: list[tuple[str, str, tuple[str, ...]]] = []

    async def generate(
        client: gip.GeminiClient,
        route: Any,
        body: Any,
        timeout: float,
        take: Any,
        _: int,
    ) -> None:
        asked.append((client.caller.owner, client.key, client.secrets))
        turns, end = next(course)
        for _turn in range(turns):
            await asyncio.sleep(0)
        if end:
            raise gip.GeminiError(end, retry_after=0.001)
        await take(PICTURE)

    def list_models(client: gip.GeminiClient, sockets: Any) -> list[gip.ListedModel]:
        return [gip.ListedModel(f"{client.key}-image", "N", ("generateContent",))]

    async def run(patch: pytest.MonkeyPatch) -> None:
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(GEMINI_API_KEY=",".join(KEYS_OF[""]), MAX_RETRIES=1)

        async def answer(user: str, count: int) -> None:
            typed = ",".join(KEYS_OF[user]) if user else ""
            person = {"id": user, "valves": {"GEMINI_API_KEY": typed}}
            messages = [{"role": "user", "content": "a fox"}]
            body = {"model": "f.x-image", "messages": messages, "n": count}
            await pipe.pipe(body, __user__=person)

        await asyncio.gather(*(answer(*each) for each in answers))
        for user, typed in KEYS_OF.items():
            listed = await gip.MODEL_LISTS.get(gip.keyring_for(pipe.valves, typed))
            assert {model.id for model in listed} <= {f"{k}-image" for k in typed}, user

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gip.GeminiClient, "generate", generate)
        patch.setattr(gip.GeminiClient, "list_models", list_models)
        patch.setattr(gip, "ROSTERS", gip.Rosters())
        patch.setattr(gip, "MODEL_LISTS", gip.ModelLists())
        patch.setattr(gip, "BEGINNINGS", gip.Pace(0.0))
        asyncio.run(run(patch))
    for owner, sent, secrets in asked:
        assert sent in KEYS_OF[owner]
        assert {*secrets} == {*KEYS_OF[owner]}


# ── What nobody may read ─────────────────────────────────────────────────────────────

THREE = (key("second.AAAA"), key("second.BBBB"), key("second.other*key|of-a-list"))


def sixty_four(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


LEAKS = [
    "a fox [[say64 {all}]]",
    "a fox [[error64 {all}]]",
    "a fox [[ground64 {grounding}]]",
    "a fox [[say64 {spelled}]]",
    "a fox [[error64 {spelled}]]",
]


def test_no_key_of_a_list_is_shown_whichever_is_in_use(google: StandIn) -> None:
    said = " and ".join(THREE)
    spelled = "".join(f"%{ord(sign):02x}" for sign in said)
    source = {"web": {"uri": f"https://x.example/{THREE[0]}", "title": THREE[1]}}
    grounding = f'{{"webSearchQueries": ["{said}"], "groundingChunks": [{source}]}}'
    texts = {"all": sixty_four(said), "spelled": sixty_four(spelled)}
    texts["grounding"] = sixty_four(grounding.replace("'", '"'))

    def check(prompt: str) -> None:
        chat = Chat(google, ", ".join(THREE), prompt.format(**texts), user=ADMIN)
        assert len(chat.used) == 1, "one is no longer good"
        shown = chat.text + "".join(chat.statuses)
        assert "[key]" in shown
        for one in (*THREE, *spelled.split("%20and%20")):
            assert one not in shown

    check_rows(((prompt,) for prompt in LEAKS), check)


def test_no_seam_between_pieces_shows_a_key_that_is_not_in_use(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = [gip.Text(text) for one in THREE for text in ("so ", one[:9], one[9:])]
    Played(monkeypatch, [*pieces, PICTURE])
    chat = Chat(google, ", ".join(THREE))
    assert "so [key]so [key]so [key]" in chat.text


def test_a_list_s_names_show_no_key(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"name": "models/x-image", "displayName": f"Image {THREE[1]}"}
    page = {"models": [{**row, "supportedGenerationMethods": ["generateContent"]}]}
    monkeypatch.setattr(gip.GeminiClient, "_list_page", lambda *_: page)
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(GEMINI_API_KEY=", ".join(THREE))
    names = str(asyncio.run(pipe.pipes()))
    assert "Image" in names and THREE[1] not in names


# ── What administrators read ─────────────────────────────────────────────────────────

TOLD = "For administrators: 2 of 4 API keys rest: "


def test_administrators_read_how_many_keys_rest_and_why(
    google: StandIn, fresh: Callable[[], None]
) -> None:
    typed = f"short-key, {keys('day.QUOT', 'second', 'second.b')}"
    for person, is_told in ((ADMIN, True), (USER, False)):
        fresh()
        Chat(google, typed, user=person)
        chat = Chat(google, typed, user=person)
        assert chat.pictures == 1
        words = f"{TOLD}one whose end is not shown (not accepted), `…QUOT` (daily quota used up)."
        assert (words in chat.text) == is_told
        assert ("QUOT" in chat.text) == is_told


def test_a_failure_says_so_to_administrators_only(
    google: StandIn, fresh: Callable[[], None]
) -> None:
    for person, is_told in ((ADMIN, True), (USER, False)):
        fresh()
        chat = Chat(google, keys("invalid.ABCD", "leaked.EFGH"), user=person)
        assert chat.failed
        assert ("2 of 2 API keys rest" in chat.text) == is_told
        assert ("`…ABCD` (not accepted)" in chat.text) == is_told
        again = Chat(google, keys("invalid.ABCD", "leaked.EFGH"), user=person)
        assert ("2 of 2 API keys rest" in again.text) == is_told


# ── Lists and headers ────────────────────────────────────────────────────────────────


def test_the_list_is_that_of_the_first_key_that_is_answered(google: StandIn) -> None:
    pipe = gip.Pipe()
    typed = keys("invalid", "restricted", "older", "second")
    pipe.valves = pipe.Valves(GEMINI_API_KEY=typed, GEMINI_API_BASE_URL=google.url)
    listed = {entry["id"] for entry in asyncio.run(pipe.pipes())}
    assert "gemini-2.5-flash-image" in listed and MODEL not in listed


@pytest.mark.parametrize("behaviour", ["500", "html"])
def test_what_is_no_key_s_fault_ends_the_search_for_a_list(
    google: StandIn, behaviour: str
) -> None:
    google.models_behaviour = behaviour
    pipe = gip.Pipe()
    typed = keys("second.a", "second.b")
    pipe.valves = pipe.Valves(GEMINI_API_KEY=typed, GEMINI_API_BASE_URL=google.url)
    asyncio.run(pipe.pipes())
    assert len(google.requests) == 1


def test_the_header_of_a_gateway_has_the_key_in_use() -> None:
    valves = gip.AdminValves(
        GEMINI_API_BASE_URL="https://gateway.example",
        GATEWAY_HEADERS="Authorization: Bearer {key}",
    )
    both = gip.keyring_for(valves, ["one-key", "two-key"])
    sent = [client.backend.headers_with(client.key) for client in both.clients]
    assert sent == [{"Authorization": f"Bearer {k}"} for k in ("one-key", "two-key")]


# ── As typed ─────────────────────────────────────────────────────────────────────────

TYPED: list[tuple[str, tuple[str, ...]]] = [
    ("one", ("one",)),
    ("one,two", ("one", "two")),
    (" one\r\n\ntwo ; three,", ("one", "two", "three")),
    ("'one' \"two\"", ("one", "two")),
    ("one，two、“three”", ("one", "two", "three")),
    ('["one", "two"]', ("one", "two")),
    (",;\n ", ()),
]


def test_a_list_of_keys_may_be_typed_anyhow(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(text: str, expected: tuple[str, ...]) -> None:
        assert gip.api_keys(gip.AdminValves(GEMINI_API_KEY=text)) == expected
        assert (
            gip.keys_to_use(gip.AdminValves(), {"GEMINI_API_KEY": text})[0] == expected
        )
        for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
            with monkeypatch.context() as patch:
                patch.setenv(name, text)
                assert gip.api_keys(gip.AdminValves()) == expected

    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    check_rows(TYPED, check)


@given(st.text(max_size=60) | st.text(max_size=9).map(lambda text: 9_999 * text))
def test_whatever_is_typed_becomes_keys_or_a_sentence_without_it(text: str) -> None:
    used, _ = gip.keys_to_use(gip.AdminValves(), {"GEMINI_API_KEY": text})
    assert len(used) <= gip.MAX_KEYS + 1
    gip.HostChat(secrets=used).scrub("a")
    try:
        clients = gip.keyring_for(gip.AdminValves(), used).clients
    except gip.GeminiError as error:
        said = gip.failure_text(error, gip.Reader())
        assert not [typed for typed in used if len(typed) > 12 and typed in said]
    else:
        assert 1 <= len(clients) <= gip.MAX_KEYS
        for client in clients:
            assert client.secrets[0] == client.key
            assert {*client.secrets} == {*used}
