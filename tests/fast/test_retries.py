"""What is tried again, what is not, and what is left out on the way."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import pytest
from rows import check_rows
from traffic import posts, words_of
from waiting import own_threads, until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn, pictures


@pytest.fixture(autouse=True)
def no_idle_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """That none is left after a Stop is seen sooner."""
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.05)


# A stream tells its usage to those who ask for it.
WITH_USAGE = {"stream_options": {"include_usage": True}}


class Chat:
    """One request and what became of it."""

    def __init__(self, google: StandIn, prompt: str, **more: Any) -> None:
        self.statuses: list[str] = []
        valves = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
        valves.update(more.pop("valves", {}))
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(**valves)
        model = more.pop("model", "gemini-nano-banana-2.1")
        messages = [{"role": "user", "content": prompt}]
        if system := more.pop("system", ""):
            messages.insert(0, {"role": "system", "content": system})
        body = {"model": f"f.{model}", "messages": messages, **WITH_USAGE, **more}
        self.usage: dict[str, Any] = {}
        self.thoughts: list[str] = []
        self.text = asyncio.run(
            self._answer(pipe.pipe(body, __event_emitter__=self._emit))
        )
        self.pictures = self.text.count("](data:image/")
        self.requests = posts(google)

    async def _answer(self, pipe: Coroutine[Any, Any, Any]) -> str:
        answer = await pipe
        if not isinstance(answer, AsyncGenerator):
            return words_of(answer)
        chunks = [chunk async for chunk in answer]
        self.usage = chunks[-1].get("usage", {})
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        self.thoughts = [delta.get("reasoning_content", "") for delta in deltas]
        return "".join(delta.get("content", "") for delta in deltas)

    async def _emit(self, event: dict[str, Any]) -> None:
        self.statuses.append(event["data"]["description"])


class Asked(NamedTuple):
    """One request as the product sent it."""

    model: str
    timeout: float
    attempt: int
    body: dict[str, Any]


Outcome = Sequence[gip.Event | gip.GeminiError]


class Scripted:
    """In Google's place a script: what each request brings, one after the other, and
    the last of it to all that follow. Each takes so many seconds of a clock."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *script: Outcome, seconds: float = 0.0
    ) -> None:
        self.asked: list[Asked] = []
        self._script = script
        self._seconds = seconds
        self._now = time.monotonic()
        scripted = self

        async def generate(
            _: gip.GeminiClient,
            route: gip.Route,
            body: dict[str, Any],
            timeout: float,
            take: Callable[[gip.Event], Awaitable[None]],
            attempt: int = 1,
        ) -> None:
            scripted.asked.append(Asked(route.model, timeout, attempt, body))
            await scripted.play(take)

        monkeypatch.setattr(gip.GeminiClient, "generate", generate)
        if seconds:
            monkeypatch.setattr(gip, "time", self)

    async def play(self, take: Callable[[gip.Event], Awaitable[None]]) -> None:
        """Bring what the script has for the newest request."""
        self._now += self._seconds
        for item in self._script[min(len(self.asked), len(self._script)) - 1]:
            if isinstance(item, gip.GeminiError):
                raise item
            await take(item)

    def monotonic(self) -> float:
        """The clock, which only requests move."""
        return self._now

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


DRAWN = gip.Image(pictures.plain_picture((64, 64), "image/png"), "image/png")
DRAFT = gip.Image(DRAWN.data, DRAWN.mime, draft=True)
SLIP = gip.Refusal("NO_IMAGE")


def refused(said: str) -> gip.GeminiError:
    """Google's refusal of what a sentence names."""
    return gip.explain_error(gip.ApiError(400, said, "INVALID_ARGUMENT"))


NO_RATIO = refused("aspect_ratio is not supported")
NO_SIZE = refused("image_size is not supported")
NO_SYSTEM = refused("Developer instruction is not enabled for this model")
BUSY = gip.GeminiError("overloaded", retry_after=1.0)


def gone(use: str = "") -> gip.GeminiError:
    """Google's word that a model is gone, and the one that it names instead."""
    said = "This model is no longer available."
    said += f" Please use {use} instead." if use else ""
    return gip.explain_error(gip.ApiError(404, said))


# ── Again ────────────────────────────────────────────────────────────────────────────

NOTHING = gip.ImageOptions()
# kind, what Google asks for, retries so far, their limit → the wait, or no next try.
NEXT: list[tuple[str, float | None, int, int, float | None]] = [
    ("overloaded", None, 0, 2, 2.0),
    ("overloaded", None, 1, 2, 6.0),
    ("overloaded", None, 2, 3, 18.0),
    ("overloaded", None, 3, 9, None),  # 54 s
    ("overloaded", None, 2, 2, None),
    ("overloaded", None, 0, 0, None),
    ("quota_minute", 17.0, 0, 2, 17.0),
    ("quota_minute", 17.0, 5, 6, 17.0),
    ("quota_minute", gip.MAX_WAIT, 0, 2, gip.MAX_WAIT),
    ("quota_minute", gip.MAX_WAIT + 0.1, 0, 2, None),
    ("quota_minute", 0.0, 1, 2, 6.0),
    ("quota_day", 1.0, 0, 2, None),
    ("parameter", 1.0, 0, 2, None),  # which names nothing that was asked for
    *((kind, None, 0, 1, 2.0) for kind in sorted(gip.RETRYABLE)),
    *((kind, None, 0, 1, None) for kind in gip.FAILURES if kind not in gip.RETRYABLE),
]


def test_what_comes_next_after_a_failure() -> None:
    def check(
        kind: str, asked: float | None, retries: int, limit: int, wait: float | None
    ) -> None:
        error = gip.GeminiError(kind, "Sorry.", asked)
        for options in (NOTHING, gip.ImageOptions(image_size="4K", count=3)):
            step = gip.what_next(error, options, retries, limit)
            assert step == (None if wait is None else gip.NextTry(options, wait))

    check_rows(NEXT, check)


@pytest.mark.parametrize("trouble", ["503", "500", "502", "504", "minute 2s", "bare"])
def test_what_passes_by_itself_is_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[fail 2 {trouble}]]")
    assert chat.pictures == 1
    assert len(chat.requests) == 3
    assert len(waits) == 2
    assert gip.FAILURE_MARK not in chat.text
    assert sum("next try in" in status for status in chat.statuses) == 2
    # The status that announced a try would be untrue while it runs.
    assert "trying again" in chat.statuses[-2]


def test_each_wait_is_longer_and_what_google_asks_for_comes_first(
    google: StandIn, waits: list[float]
) -> None:
    Chat(google, "a fox [[fail 2 503]]")
    assert 2 <= waits[0] < 3
    assert 6 <= waits[1] < 8
    waits.clear()
    Chat(google, "a cat [[fail 1 minute 17s]]")
    assert 17 <= waits[0] < 21


@pytest.mark.parametrize(
    "trouble",
    ["429 zero", "429 day", "429 prepaid", "status 400", "429 minute 44788s"],
)
def test_what_waiting_cannot_help_is_not_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[{trouble}]]")
    assert len(chat.requests) == 1
    assert waits == []
    assert gip.FAILURE_MARK in chat.text


@pytest.mark.parametrize(
    "trouble", ["cut", "midstream error", "reset", "fail 9 html 504"]
)
def test_what_may_have_been_billed_is_not_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[{trouble}]]")
    assert len(chat.requests) == 1
    assert gip.FAILURE_MARK in chat.text


def test_a_read_that_timed_out_is_not_tried_again(google: StandIn) -> None:
    chat = Chat(google, "a fox [[wait 60]]", valves={"REQUEST_TIMEOUT": 1})
    assert len(chat.requests) == 1
    assert "did not finish" in chat.text


@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (3, 4), ("", 3)])
def test_the_administrator_says_how_often(
    google: StandIn, waits: list[float], retries: Any, requests: int
) -> None:
    chat = Chat(google, "a fox [[status 503]]", valves={"MAX_RETRIES": retries})
    assert len(chat.requests) == requests
    assert "overloaded" in chat.text


def test_the_time_limit_holds_for_all_tries_together(google: StandIn) -> None:
    chat = Chat(google, "a fox [[status 503]]", valves={"REQUEST_TIMEOUT": 1})
    assert len(chat.requests) == 1
    assert "overloaded" in chat.text


# ── A second chance ──────────────────────────────────────────────────────────────────

SECOND_CHANCES: list[tuple[str, list[Outcome], int, int]] = [
    # what requests bring → how many are sent, and pictures shown
    ("only a slip", [[SLIP], [DRAWN]], 2, 1),
    ("thoughts and a slip", [[gip.Text("Hm.", thought=True), SLIP], [DRAWN]], 2, 1),
    ("blanks and a slip", [[gip.Text(" \n\t"), SLIP], [DRAWN]], 2, 1),
    ("its end and a slip", [[gip.Finish(), SLIP], [DRAWN]], 2, 1),
    ("a slip after a slip", [[SLIP], [SLIP], [DRAWN]], 2, 0),
    ("a slip, then what passes", [[SLIP], [BUSY], [DRAWN]], 3, 1),
    ("what passes, then a slip", [[BUSY], [SLIP], [DRAWN]], 3, 1),
    ("words and a slip", [[gip.Text("Sorry."), SLIP], [DRAWN]], 1, 0),
    ("a slip and words", [[SLIP, gip.Text("Sorry.")], [DRAWN]], 1, 0),
    ("a picture and a slip", [[DRAWN, SLIP], [DRAWN]], 1, 1),
    ("a slip and a picture", [[SLIP, DRAWN], [DRAWN]], 1, 1),
    ("a slip, blanks, a picture", [[SLIP, gip.Text(" "), DRAWN], [DRAWN]], 1, 1),
    ("a draft and a slip", [[DRAFT, SLIP], [DRAWN]], 1, 1),
    ("another refusal", [[gip.Refusal("IMAGE_SAFETY")], [DRAWN]], 1, 0),
    ("nothing at all", [[gip.Finish()], [DRAWN]], 1, 0),
]


@pytest.mark.usefixtures("waits")
def test_a_second_chance_comes_only_where_nothing_did(google: StandIn) -> None:
    """A picture behind a slip, in the same stream, is the answer and is billed."""

    def check(_: str, script: list[Outcome], requests: int, shown: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            scripted = Scripted(patch, *script)
            chat = Chat(google, "a fox")
        assert len(scripted.asked) == requests
        assert chat.pictures == shown
        assert chat.text.count(gip.FAILURE_MARK) == (shown == 0)
        assert ("Sorry." in chat.text) == (gip.Text("Sorry.") in script[0])
        made_none = [s for s in chat.statuses if s.endswith("trying again …")]
        assert len(made_none) == requests - 1

    check_rows(SECOND_CHANCES, check)


BAD, END = gip.BadPicture(), gip.Finish()
# What requests bring, how many pictures are wanted → how many are shown, and what the
# failure below them says.
DAMAGED: list[tuple[list[Outcome], int, int, str]] = [
    ([[BAD, SLIP], [DRAWN, END]], 1, 1, ""),
    ([[SLIP, BAD], [DRAWN]], 1, 1, ""),
    ([[BAD, BUSY], [DRAWN]], 1, 1, ""),
    ([[BAD, DRAWN, END]], 1, 1, ""),
    ([[DRAWN, BAD, END]], 1, 1, ""),
    ([[BAD, SLIP], [SLIP]], 1, 0, "without a picture"),
    ([[BAD, END]], 1, 0, "damaged"),
    ([[BAD, SLIP], [BAD, END]], 1, 0, "damaged"),
    ([[BAD, END], [DRAWN, END]], 2, 1, "damaged"),
    ([[BAD, SLIP], [DRAWN, END]], 2, 2, ""),
]


@pytest.mark.usefixtures("waits")
def test_a_damaged_picture_is_forgotten_when_all_that_are_wanted_came(
    google: StandIn,
) -> None:
    """A failure below a good picture sends people to ask, and pay, again."""

    def check(script: list[Outcome], count: int, shown: int, said: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            Scripted(patch, *script)
            chat = Chat(google, "a fox", n=count)
        assert chat.pictures == shown
        assert chat.text.count(gip.FAILURE_MARK) == bool(said)
        assert said in chat.text

    check_rows(DAMAGED, check)


def thought(text: str) -> gip.Text:
    return gip.Text(text, thought=True)


FIRST, AGAIN = thought("First.\n"), thought("Again.\n")
THOUGHTS: list[tuple[str, list[Outcome], str]] = [
    # what requests bring → what is shown of their thoughts
    ("one try", [[FIRST, AGAIN, DRAWN]], "First. Again."),
    ("what passes", [[FIRST, BUSY], [AGAIN, DRAWN]], "First."),
    ("a slip", [[FIRST, SLIP], [AGAIN, DRAWN]], "First."),
    ("both", [[FIRST, BUSY], [AGAIN, SLIP], [AGAIN, DRAWN]], "First."),
    ("nothing between", [[FIRST, BUSY], [BUSY], [AGAIN, DRAWN]], "First."),
    ("a refused setting", [[FIRST, NO_RATIO], [AGAIN, DRAWN]], "First."),
    ("none before what passes", [[BUSY], [AGAIN, DRAWN]], "Again."),
    ("none before a slip", [[SLIP], [AGAIN, DRAWN]], "Again."),
    ("none before two", [[BUSY], [SLIP], [FIRST, AGAIN, DRAWN]], "First. Again."),
    ("none before a refused setting", [[NO_RATIO], [AGAIN, DRAWN]], "Again."),
]


@pytest.mark.usefixtures("waits")
def test_thoughts_are_shown_once_however_often_a_request_is_sent(
    google: StandIn,
) -> None:
    def check(_: str, script: list[Outcome], shown: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            scripted = Scripted(patch, *script)
            wish = {"show_thoughts": "on", "aspect_ratio": "1:1", "stream": True}
            chat = Chat(google, "a fox", **wish)
        assert len(scripted.asked) == len(script)
        assert chat.pictures == 1
        assert " ".join("".join(chat.thoughts).split()) == shown

    check_rows(THOUGHTS, check)


@pytest.mark.usefixtures("waits")
def test_each_of_several_pictures_has_its_second_chance(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted = Scripted(monkeypatch, [SLIP], [SLIP], [DRAWN])
    chat = Chat(google, "a fox", n=2)
    assert len(scripted.asked) == 4
    assert chat.pictures == 2
    assert gip.FAILURE_MARK not in chat.text


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "OTHER"])
def test_a_slip_gets_one_more_try(
    google: StandIn, waits: list[float], reason: str
) -> None:
    chat = Chat(google, f"a fox [[finish {reason}]]")
    assert len(chat.requests) == 2
    assert chat.text.count(gip.FAILURE_MARK) == 1


def test_the_tokens_of_a_slip_count(
    google: StandIn, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens() -> int:
        chat = Chat(google, "a fox [[finish NO_IMAGE]]", stream=True)
        return int(chat.usage["total_tokens"])

    of_two = tokens()
    monkeypatch.setattr(gip, "WORTH_ANOTHER_TRY", set())
    assert of_two == 2 * tokens() > 0


def used(out: int) -> gip.Usage:
    return gip.Usage({"in": 10, "out": out, "out_image": out})


CUT = gip.GeminiError("broken_off")
COUNTED: list[tuple[str, dict[str, Any], list[Outcome], int]] = [
    # what requests bring → the tokens that are counted
    ("a whole answer", {}, [[DRAWN, used(100)]], 110),
    ("broken off behind a picture", {}, [[DRAWN, used(100), CUT]], 110),
    ("broken off, counted before it", {}, [[used(100), DRAWN, CUT]], 110),
    ("counted as it grows", {}, [[used(1), DRAWN, used(100), CUT]], 110),
    ("what passes, behind a picture", {}, [[DRAWN, used(100), BUSY]], 110),
    ("behind a draft", {}, [[DRAFT, used(100), CUT]], 110),
    ("a slip before it", {}, [[SLIP, used(5)], [DRAWN, used(100), CUT]], 125),
    ("one of two", {"n": 2}, [[DRAWN, used(100), CUT], [DRAWN, used(7)]], 127),
    ("both of two", {"n": 2}, [[DRAWN, used(100), CUT]], 220),
]


@pytest.mark.usefixtures("waits")
def test_the_tokens_of_a_request_that_fails_behind_a_picture_count(
    google: StandIn,
) -> None:
    """They are billed; the counts under an answer are what people check bills with."""

    def check(_: str, wish: dict[str, Any], script: list[Outcome], tokens: int) -> None:
        with pytest.MonkeyPatch.context() as patch:
            Scripted(patch, *script)
            chat = Chat(google, "a fox", stream=True, **wish)
        assert chat.pictures == wish.get("n", 1)
        assert chat.usage["total_tokens"] == tokens

    check_rows(COUNTED, check)


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "PROHIBITED_CONTENT", "MAX_TOKENS"])
def test_a_refusal_gets_none(google: StandIn, reason: str) -> None:
    chat = Chat(google, f"a fox [[finish {reason}]]")
    assert len(chat.requests) == 1
    assert chat.text.count(gip.FAILURE_MARK) == 1


# ── One budget ───────────────────────────────────────────────────────────────────────


def test_a_budget_is_spent() -> None:
    budget = gip.Budget(60)
    assert 59 < budget.seconds_left <= 60
    spent = [budget.spend() for _ in range(gip.MAX_EXTRA_REQUESTS + 2)]
    assert spent == [True] * gip.MAX_EXTRA_REQUESTS + [False] * 2
    assert gip.MAX_EXTRA_REQUESTS == 4
    assert 0 < gip.Budget(-5).seconds_left <= 0.1


OLD = "gemini-2.5-flash-image"
EVERYTHING = {
    "aspect_ratio": "16:9",
    "image_size": "2K",
    "thinking_level": "low",
    "google_search": "on",
    "show_thoughts": "on",
}
ALL_REFUSED: list[Outcome] = [
    [refused(said)]
    for said in (
        "aspect_ratio is not supported",
        "image_size is not supported",
        "Search as tool is not enabled",
        'Unknown name "includeThoughts": Cannot find field.',
        "Thinking level is not supported",
    )
]
GONE: list[Outcome] = [[gone()], [gone()], [gone("gemini-3-pro-image")]]
LITE = "gemini-3.1-flash-lite-image"
BUDGETS: list[tuple[str, dict[str, Any], list[Outcome], int, int]] = [
    # who asks for what, what requests bring → how many are sent, and pictures shown
    ("four settings", EVERYTHING, [*ALL_REFUSED[:4], [DRAWN]], 5, 1),
    ("five settings", EVERYTHING, [*ALL_REFUSED, [DRAWN]], 5, 0),
    ("gone models", {"model": OLD}, [*GONE, [DRAWN]], 4, 1),
    ("only gone models", {"model": OLD}, [*GONE, [gone(LITE)], [DRAWN]], 4, 0),
    (
        "gone models, one setting",
        {"model": OLD, "aspect_ratio": "16:9"},
        [*GONE, [NO_RATIO], [DRAWN]],
        5,
        1,
    ),
    (
        "gone models, two settings",
        {"model": OLD, "aspect_ratio": "16:9", "image_size": "2K"},
        [*GONE, [NO_RATIO], [NO_SIZE], [DRAWN]],
        5,
        0,
    ),
    (
        "gone models, a second chance",
        {"model": OLD},
        [*GONE, [SLIP], [DRAWN]],
        5,
        1,
    ),
    (
        "gone models, a setting, a slip",
        {"model": OLD, "aspect_ratio": "16:9"},
        [*GONE, [NO_RATIO], [SLIP], [DRAWN]],
        5,
        0,
    ),
    (
        "gone models, a system prompt",
        {"model": OLD, "system": "Draw in ink."},
        [*GONE, [NO_SYSTEM], [DRAWN]],
        5,
        1,
    ),
    (
        "gone models, a slip, a system prompt",
        {"model": OLD, "system": "Draw in ink."},
        [*GONE, [SLIP], [NO_SYSTEM], [DRAWN]],
        5,
        0,
    ),
    ("four that slip", {"n": 4}, [[SLIP]], 8, 0),
    (
        "four with two settings",
        {"n": 4, "aspect_ratio": "16:9", "image_size": "2K"},
        [*[[NO_RATIO]] * 4, *[[NO_SIZE]] * 4, [DRAWN]],
        12,
        4,
    ),
    (
        "four with two settings, without retries",
        {
            "n": 4,
            "aspect_ratio": "16:9",
            "image_size": "2K",
            "valves": {"MAX_RETRIES": 0},
        },
        [*[[NO_RATIO]] * 4, *[[NO_SIZE]] * 4, [DRAWN]],
        8,
        0,
    ),
    ("retries", {"valves": {"MAX_RETRIES": 6}}, [*[[BUSY]] * 6, [DRAWN]], 7, 1),
    (
        "retries beside all the rest",
        {**EVERYTHING, "valves": {"MAX_RETRIES": 6}},
        [*[[BUSY]] * 3, *ALL_REFUSED[:4], *[[BUSY]] * 3, [DRAWN]],
        11,
        1,
    ),
]


@pytest.mark.usefixtures("waits")
def test_one_prompt_costs_no_more_requests_than_its_budget_has(google: StandIn) -> None:
    """Successors, settings that are left out, second chances and the try without a
    system prompt come out of one purse; retries are counted by themselves."""

    def check(
        _: str, wish: dict[str, Any], script: list[Outcome], requests: int, shown: int
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            scripted = Scripted(patch, *script)
            chat = Chat(google, "a fox", **{"model": "gemini-9-image", **wish})
        assert len(scripted.asked) == requests
        assert chat.pictures == shown
        assert chat.text.count(gip.FAILURE_MARK) == (shown == 0)

    check_rows(BUDGETS, check)


# Each request takes 10 s of the clock.
DEADLINES: list[tuple[str, dict[str, Any], list[Outcome], list[float], int]] = [
    # what requests bring → the seconds that each of them gets, and pictures shown
    ("a setting", {"aspect_ratio": "1:1"}, [[NO_RATIO], [DRAWN]], [60, 50], 1),
    ("a second chance", {}, [[SLIP], [DRAWN]], [60, 50], 1),
    ("what passes", {}, [[BUSY], [BUSY], [DRAWN]], [60, 50, 40], 1),
    ("successors", {"model": OLD}, [*GONE, [DRAWN]], [60, 50, 40, 30], 1),
    ("a system prompt", {"system": "Ink."}, [[NO_SYSTEM], [DRAWN]], [60, 50], 1),
    (
        "all of it",
        {"model": OLD, "system": "Ink.", "aspect_ratio": "1:1"},
        [[gone()], [NO_RATIO], [BUSY], [SLIP], [NO_SYSTEM], [DRAWN]],
        [60, 50, 40, 30, 20, 10],
        1,
    ),
    (
        "a wait beyond the deadline",
        {},
        [[BUSY], [BUSY], [BUSY], [gip.GeminiError("overloaded", retry_after=21.0)]],
        [60, 50, 40, 30],
        0,
    ),
    (
        "a wait just before it",
        {},
        [[BUSY], [BUSY], [gip.GeminiError("overloaded", retry_after=29.0)], [DRAWN]],
        [60, 50, 40, 30],
        1,
    ),
]


@pytest.mark.usefixtures("waits")
def test_one_deadline_holds_for_the_whole_answer(google: StandIn) -> None:
    """Whoever is asked, and why again: nobody waits longer than the administrator
    allows. (The waits between are none here.)"""

    def check(
        _: str,
        wish: dict[str, Any],
        script: list[Outcome],
        seconds: list[float],
        shown: int,
    ) -> None:
        valves = {"REQUEST_TIMEOUT": 60, "MAX_RETRIES": 9}
        with pytest.MonkeyPatch.context() as patch:
            scripted = Scripted(patch, *script, seconds=10.0)
            standard = {"model": "gemini-9-image", "valves": valves}
            chat = Chat(google, "a fox", **{**standard, **wish})
        assert [asked.timeout for asked in scripted.asked] == pytest.approx(seconds)
        assert chat.pictures == shown
        assert chat.text.count(gip.FAILURE_MARK) == (shown == 0)

    check_rows(DEADLINES, check)


def test_options_that_are_refused_by_name_are_left_out_one_by_one(
    google: StandIn,
) -> None:
    chat = Chat(
        google,
        "a fox [[refuse aspectRatio]] [[refuse imageSize]]",
        model="gemini-9-image",
        aspect_ratio="16:9",
        image_size="2K",
    )
    assert chat.pictures == 1
    assert len(chat.requests) == 3
    assert "imageConfig" not in chat.requests[-1].body["generationConfig"]
    notes = [s for s in chat.text.splitlines() if s.startswith(gip.NOTE_MARK)]
    assert sum(note.endswith("out: aspect ratio.") for note in notes) == 1
    assert sum(note.endswith("out: picture size.") for note in notes) == 1


def test_stop_in_a_pause_sends_nothing_more(google: StandIn) -> None:
    said: list[str] = []

    async def emit(event: dict[str, Any]) -> None:
        said.append(event["data"]["description"])

    async def stop_in_the_pause() -> None:
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(
            GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url
        )
        messages = [{"role": "user", "content": "a fox [[status 503]]"}]
        body = {"model": "f.gemini-3-pro-image", "messages": messages}
        task = asyncio.create_task(pipe.pipe(body, __event_emitter__=emit))
        assert await until(lambda: any("next try in" in status for status in said))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nobody is left who could send anything.
        assert await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert await until(lambda: not own_threads())

    asyncio.run(stop_in_the_pause())
    assert said[-1] == "Stopped"
    assert len(posts(google)) == 1


def test_what_nobody_expected_is_said_to_be_so(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(job: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(gip.REQUESTS, "start", refuse)
    chat = Chat(google, "a fox")
    assert "Something unexpected went wrong" in chat.text
    assert chat.statuses[-1] == "No picture was made"
    assert "can't start new thread" in caplog.text


@pytest.mark.parametrize("count", [1, 2])
def test_words_stay_where_no_picture_came(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    words = gip.Text("I cannot draw that, sorry!")
    Scripted(monkeypatch, [words, gip.Finish()])
    chat = Chat(google, "a fox", n=count)
    assert chat.text.startswith("I cannot draw that, sorry!\n\n" + gip.FAILURE_MARK)


def test_one_of_several_that_fails_does_not_hide_the_rest(google: StandIn) -> None:
    chat = Chat(google, "a fox [[fail 1 400]]", n=3)
    assert chat.pictures == 2
    assert chat.text.count(gip.FAILURE_MARK) == 1
