"""What pictures may cost: ceilings, reserved models, the budget of a day, questions at
the page, and `--cost`."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows
from traffic import posts, words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

NB = "gemini-nano-banana-2.1"
PRO = "gemini-3-pro-image"
NEWER = "gemini-nano-banana-3"  # of the newest line, and no price is known
PRICE = {"1K": 0.0336, "2K": 0.0504, "4K": 0.1134}  # of NB
USER: dict[str, Any] = {"id": "ada", "role": "user"}
ADMIN: dict[str, Any] = {"id": "root", "role": "admin"}


@pytest.fixture(autouse=True)
def ledger(monkeypatch: pytest.MonkeyPatch) -> gip.Ledger:
    """A worker that has just started."""
    fresh = gip.Ledger()
    monkeypatch.setattr(gip, "LEDGER", fresh)
    return fresh


def pipe_for(google: StandIn, **valves: Any) -> gip.Pipe:
    pipe = gip.Pipe()
    settings = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
    settings |= {"MODELS": NB, "MAX_RETRIES": "0"}
    pipe.valves = pipe.Valves(**{**settings, **valves})
    return pipe


def request_for(prompt: str, model: str = "auto", **body: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": f"gemini_image.{model}", "messages": messages, **body}


async def ask(
    pipe: gip.Pipe, prompt: str = "a fox", user: Any = USER, **more: Any
) -> str:
    host = {name: more.pop(name) for name in [*more] if name.startswith("__")}
    user = {**user, "valves": more.pop("own", {})}
    body = request_for(prompt, **more)
    return words_of(await pipe.pipe(body, __user__=user, **host))


def answer(pipe: gip.Pipe, prompt: str = "a fox", user: Any = USER, **more: Any) -> str:
    return asyncio.run(ask(pipe, prompt, user, **more))


def sizes_made(google: StandIn) -> list[str]:
    return [
        request.body["generationConfig"].get("imageConfig", {}).get("imageSize", "1K")
        for request in posts(google)
    ]


def models_asked(google: StandIn) -> list[str]:
    return [request.model for request in posts(google)]


# ── Before a request ─────────────────────────────────────────────────────────────────


def test_a_picture_is_estimated_by_its_model_or_by_the_dearest() -> None:
    def check(model: str, size: str | None, usd: float, is_known: bool) -> None:
        assert gip.estimate_picture(model, size) == (usd, is_known)

    rows = [
        (NB, None, 0.0336, True),
        (NB, "4K", 0.1134, True),
        (f"gemini/{NB}", "2K", 0.0504, True),
        ("gemini-2.5-flash-image", "4K", 0.039, True),
        (NEWER, None, 0.134, False),
        (NEWER, "4K", 0.24, False),
        ("imagen-4.0-generate-001", "2K", 0.134, False),
    ]
    check_rows(rows, check)


# What is set beside the ceilings "2K" and 2 → size and number of what is made.
WAYS: list[tuple[dict[str, Any], str, int]] = [
    ({}, "1K", 1),
    ({"prompt": "a fox --size 4K"}, "2K", 1),
    ({"prompt": "a fox --size 4096x4096 --n 4"}, "2K", 2),
    ({"prompt": "a fox --n 99"}, "1K", 2),
    ({"size": "4096x4096"}, "2K", 1),
    ({"size": "1024x1024"}, "1K", 1),
    ({"size": "1024x1024", "own": {"IMAGE_SIZE": "4K"}}, "1K", 1),
    ({"prompt": "a fox --size 1024x1024", "valves": {"IMAGE_SIZE": "4K"}}, "1K", 1),
    ({"image_size": "4k", "n": 3}, "2K", 2),
    ({"own": {"IMAGE_SIZE": "4K", "IMAGES_PER_PROMPT": "4"}}, "2K", 2),
    ({"own": {"IMAGE_SIZE": "4K"}, "prompt": "a fox --size 1K"}, "1K", 1),
    ({"user": ADMIN, "prompt": "a fox --size 4K"}, "2K", 1),
    ({"valves": {"IMAGE_SIZE": "4K", "IMAGES_PER_PROMPT": "3"}}, "2K", 2),
    ({"model": PRO, "prompt": "a fox --size 4K"}, "2K", 1),
]


def test_ceilings_hold_by_every_way(google: StandIn) -> None:
    def check(way: dict[str, Any], size: str, count: int) -> None:
        google.reset()
        way = dict(way)
        limits = {"MAX_IMAGE_SIZE": "2K", "MAX_IMAGES_PER_PROMPT": 2}
        said = answer(pipe_for(google, **limits, **way.pop("valves", {})), **way)
        assert sizes_made(google) == [size] * count
        assert said.count("![") == count
        assert ("in 2K at most" in said) == (size == "2K")
        assert said.count("At most") == said.count("At most 2 pictures") == (count > 1)

    check_rows(WAYS, check)


@given(
    st.sampled_from(gip.CURRENT_MODELS),
    st.sampled_from([None, *gip.SIZES]),
    st.integers(1, 4),
    st.sampled_from(gip.SIZES[1:]),
    st.integers(1, 4),
)
def test_no_model_brings_a_size_beyond_the_ceiling_back(
    facts: gip.ModelFacts, size: str | None, count: int, most: str, most_count: int
) -> None:
    asked = gip.ImageOptions(image_size=size, count=count)
    options, _ = gip.within_ceilings(asked, [], gip.Ceilings(most, most_count))
    fitted, _ = gip.fit_options(options, facts.id, facts)
    assert gip.SIZES.index(fitted.image_size or "1K") <= gip.SIZES.index(most)
    assert fitted.count <= most_count


def test_help_offers_nothing_beyond_the_ceilings(google: StandIn) -> None:
    def check(model: str, *offered: str) -> None:
        pipe = pipe_for(google, MAX_IMAGE_SIZE="2K", MAX_IMAGES_PER_PROMPT=2)
        said = answer(pipe, "--help", model=model)
        assert all(choice in said for choice in offered)
        assert "4K" not in said and "`3`" not in said

    check_rows([("auto", "`2K`", "`2`"), ("gemini-2.5-flash-image", "`2`")], check)


# Google lists it beside the released one.
LISTED_PREVIEW = "gemini-3.1-flash-image-preview"
# A model that is asked for, who asks, what is reserved → who answers, or nobody.
RESERVED: list[tuple[str, dict[str, Any], str, str | None]] = [
    (PRO, USER, PRO, None),
    (PRO, ADMIN, PRO, PRO),
    (PRO, USER, "gemini-3-p*", None),
    (PRO, USER, "gemini-2*, gemini-3.1*", PRO),
    ("gemini-3-pro-image-preview", USER, PRO, None),
    (LISTED_PREVIEW, USER, "gemini-3.1-flash-image", None),
    (LISTED_PREVIEW, ADMIN, "gemini-3.1-flash-image", LISTED_PREVIEW),
    (LISTED_PREVIEW, USER, NB, LISTED_PREVIEW),
    (LISTED_PREVIEW, USER, "*-preview", None),
    (NB, USER, "*-preview", NB),
    ("nano-banana-pro-preview", USER, PRO, None),
    (PRO, USER, "nano-banana-pro-preview", None),
    (PRO, USER, "gemini-3-pro-image-preview", None),
    ("gemini-3-pro-image-preview", USER, "gemini-3-pro-image-preview", None),
    (PRO, USER, "Gemini-3-PRO-image", None),
    (PRO, USER, f"gemini_image.{PRO}", None),
    (PRO, USER, f"gemini_image.{NB}", PRO),
    *(
        (PRO, USER, typed, None)
        for typed in (
            *(f"{NB}，{PRO}", f"{PRO}、{NB}", f"{NB}；{PRO}", f"“{PRO}”", f"`{PRO}`"),
            *(f'["{PRO}"]', f"[ '{NB}', '{PRO}' ]", f"\ufeff{PRO}"),
            *("“Nano Banana Pro”", '["Nano Banana 2", "Nano Banana Pro"]'),
        )
    ),
    (PRO, USER, "gemini-[3]-pro*", None),
    (PRO, USER, "Nano Banana 2, nano  banana PRO", None),
    ("gemini-3-pro-image-preview", USER, "Nano Banana Pro", None),
    ("gemini-2.5-flash-image", USER, "Nano Banana Pro", "gemini-2.5-flash-image"),
    ("imagen-4.0-generate-001", USER, "imagen-4*", None),
    ("imagen-4.0-ultra-generate-001", USER, PRO, None),
    ("imagen-4.0-generate-001", USER, PRO, NB),
    ("auto", USER, NB, "gemini-3.1-flash-lite-image"),
    ("auto", ADMIN, NB, NEWER),
    ("auto", USER, "*", None),
    ("auto", {}, NB, "gemini-3.1-flash-lite-image"),
]


def test_reserved_models_are_for_administrators(google: StandIn) -> None:
    def check(model: str, user: Any, reserved: str, answers: str | None) -> None:
        google.reset()
        pipe = pipe_for(google, ADMIN_ONLY_MODELS=reserved, MODELS="")
        said = answer(pipe, user=user, model=model)
        assert models_asked(google) == [answers] * bool(answers)
        assert ("Only administrators may use" in said) == (answers is None)

    check_rows(RESERVED, check)


def test_auto_chooses_among_the_allowed_without_a_list(google: StandIn) -> None:
    google.list_status = 500
    pipe = pipe_for(google, ADMIN_ONLY_MODELS=f"{NB}, *lite*", MODELS="")
    assert "Only admin" not in answer(pipe)
    assert models_asked(google) == ["gemini-3.1-flash-image"]


@pytest.fixture(scope="module")
def google_settings() -> dict[str, Any]:
    return {"extra_models": {NEWER: "Nano Banana 3", LISTED_PREVIEW: "Preview"}}


# Of a list with a newer model of the newest line: AUTO_KNOWN_PRICES_ONLY and MODELS →
# who answers to `auto`.
KNOWN_PRICES = [
    ("off", "", NEWER),
    ("on", "", NB),
    ("on", NEWER, NEWER),
    ("on", f"{NEWER}, {PRO}", PRO),
    ("on", "gemini-nano-banana-*", NB),
    ("on", "gemini-nano-banana-3*", None),
]


def test_a_newer_model_without_a_price_can_be_held_back(google: StandIn) -> None:
    def check(only: str, models: str, answers: str | None) -> None:
        google.reset()
        pipe = pipe_for(google, AUTO_KNOWN_PRICES_ONLY=only, MODELS=models)
        said = answer(pipe)
        assert models_asked(google) == [answers] * bool(answers)
        assert ("counted as $0.13, the dearest known" in said) == (answers == NEWER)
        assert ("a known price, and no other" in said) == (answers is None)

    check_rows(KNOWN_PRICES, check)


def test_no_reserved_model_is_chosen_for_one_that_is_gone(google: StandIn) -> None:
    reserved = "gemini-3.1-flash-image"  # the newest of those that are left
    pipe = pipe_for(google, ADMIN_ONLY_MODELS=reserved, MODELS="gemini-nano*2*")
    assert "Only administrators" not in answer(pipe, "a fox [[error model not found]]")
    assert models_asked(google)[:2] == [NB, "gemini-3.1-flash-lite-image"]


def test_help_names_who_would_answer_whoever_asks(google: StandIn) -> None:
    pipe = pipe_for(google, ADMIN_ONLY_MODELS="*banana*", MODELS="")
    answer(pipe)  # the list of models is known from then on
    assert "Nano Banana 2 Lite" in answer(pipe, "--help")
    assert "nano-banana-3" in answer(pipe, "--help", user=ADMIN)


# ── Sums ─────────────────────────────────────────────────────────────────────────────


def spent(pictures: int, usd: float) -> gip.Spent:
    return gip.Spent(pictures, usd)


def test_what_was_spent_is_what_is_recorded_and_what_only_the_worker_knows() -> None:
    def check(
        recorded: Any, of_worker: Any, made: Any, pictures: int, usd: int
    ) -> None:
        sums = gip.Recorded(spent(*recorded), spent(*of_worker))
        assert gip.spent_in_all(sums, spent(*made)) == spent(pictures, usd)

    rows = [
        ((0, 0), (0, 0), (0, 0), 0, 0),
        ((3, 6), (0, 0), (0, 0), 3, 6),  # of other workers
        ((3, 6), (2, 4), (2, 4), 3, 6),
        ((3, 6), (2, 4), (5, 9), 6, 11),  # deleted, or within a message
        ((0, 0), (0, 0), (2, 4), 2, 4),  # the host cannot be asked
        ((3, 6), (3, 6), (1, 2), 3, 6),  # the worker was told of less
    ]
    check_rows(rows, check)


numbers = st.integers(0, 1_000)


@given(numbers, numbers, numbers, numbers, numbers, st.booleans())
def test_a_forged_record_never_lowers_what_was_spent(
    others: int, own: int, deleted: int, forged: int, forgeries: int, as_own: bool
) -> None:
    made = spent(own + deleted, own + deleted)
    honest = gip.Recorded(spent(others + own, others + own), spent(own, own))
    more = spent(forgeries, forged)
    of_worker = honest.of_worker.plus(more) if as_own else honest.of_worker
    sums = gip.Recorded(honest.in_all.plus(more), of_worker)
    assert gip.spent_in_all(sums, made).usd >= gip.spent_in_all(honest, made).usd
    assert gip.spent_in_all(honest, made).usd == others + own + deleted


def test_as_many_pictures_as_fit_are_allowed() -> None:
    def check(left: float, price: float, count: int, fit: int) -> None:
        assert gip.pictures_within(left, price, count) == fit

    rows = [
        (1.0, 0.1, 4, 4),
        (0.3, 0.1, 4, 3),
        (0.1 + 0.2, 0.1, 4, 3),
        (1 - 0.7, 0.1, 4, 3),  # a little less than 0.3
        (0.0999, 0.1, 4, 0),
        (0.0, 0.1, 1, 0),
        (-5.0, 0.1, 1, 0),
        (0.0, 0.0, 2, 2),
        (1e6, 0.0336, 4, 4),
    ]
    check_rows(rows, check)


ACCOUNT = gip.Payer("ada")


def test_a_ledger_forgets_other_months_and_who_came_first() -> None:
    ledger = gip.Ledger()
    for day in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)):
        ledger.add(ACCOUNT, 0.5, day)
    assert ledger.made(ACCOUNT, date(2026, 1, 1)) == spent(2, 1.0)
    assert ledger.made(ACCOUNT, date(2026, 11, 2)) == spent(1, 0.5)
    ledger.add(ACCOUNT, 0.5, date(2026, 11, 1))  # the clock was put back
    assert ledger.made(ACCOUNT, date(2026, 11, 1)) == spent(3, 1.5)
    for number in range(gip.MAX_LEDGER_USERS):
        ledger.add(gip.Payer(f"user {number}"), 0.5, date(2026, 11, 3))
    assert ledger.made(ACCOUNT, date(2026, 11, 1)) == spent(0, 0)


def test_the_last_picture_of_a_month_takes_no_memory_of_the_next() -> None:
    ledger = gip.Ledger()
    for day in (date(2026, 11, 1), date(2026, 10, 31)):  # as they were stored
        ledger.add(ACCOUNT, 0.5, day)
    assert ledger.made(ACCOUNT, date(2026, 11, 1)) == spent(1, 0.5)


def test_what_is_under_way_shrinks_with_each_picture_and_ends() -> None:
    ledger = gip.Ledger()
    reservation, other = (gip.Reservation(ACCOUNT, 0.5, 2) for _ in range(2))
    for one in (reservation, other, reservation):
        ledger.reserve(one)
    ledger.reserve(gip.Reservation(gip.Payer("ada", own_key=True), 9.0, 1))
    assert ledger.under_way(ACCOUNT) == 2.0
    for left in (1.5, 1.0, 1.0):  # a gateway may bring more than was asked for
        ledger.settle(reservation, 0.7, date(2026, 11, 1))
        assert ledger.under_way(ACCOUNT) == left
    for one in (other, other):
        ledger.release(one)
    assert ledger.under_way(ACCOUNT) == 0


@given(st.floats(), st.booleans())
def test_a_mark_is_of_one_length_whatever_a_price_is(price: float, own: bool) -> None:
    if math.isfinite(price):
        mark = gip.spent_mark(gip.Payer("ada", own), "1a2b3c4d", price)
        payer, worker, digits = mark.split()
        assert (payer, worker) == (("user" if own else "server"), "1a2b3c4d")
        assert len(digits) == gip.MARK_DIGITS and digits.isdigit()


def test_days_and_months_begin_at_midnight() -> None:
    now = datetime(2026, 11, 28, 13, 14, 15, 16)
    assert gip.begin_of_day(now) == datetime(2026, 11, 28)
    assert gip.begin_of_month(now) == datetime(2026, 11, 1)


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the server's time zone, for the length of a test."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


def test_a_day_begins_and_ends_once_when_clocks_are_changed_at_midnight(
    in_zone: Callable[[str], None],
) -> None:
    def check(zone: str, now: str, begin: str, end: str) -> None:
        in_zone(zone)
        shown = datetime.fromtimestamp(datetime.fromisoformat(now).timestamp())
        for midnight, expected in (
            (gip.begin_of_day(shown), begin),
            (gip.begin_of_next_day(shown), end),
        ):
            moment = datetime.fromisoformat(f"2026-{expected}")
            assert midnight.timestamp() == moment.timestamp(), expected

    havana, kathmandu = "America/Havana", "Asia/Kathmandu"
    rows = [
        # 00:30 comes twice, and midnight too.
        (havana, "2026-10-31T23:30-04:00", "10-31T00:00-04:00", "11-01T00:00-04:00"),
        (havana, "2026-11-01T00:30-04:00", "11-01T00:00-04:00", "11-02T00:00-05:00"),
        (havana, "2026-11-01T00:30-05:00", "11-01T00:00-04:00", "11-02T00:00-05:00"),
        # Midnight does not come.
        (havana, "2026-03-07T09:00-05:00", "03-07T00:00-05:00", "03-08T01:00-04:00"),
        (havana, "2026-03-08T09:00-04:00", "03-08T01:00-04:00", "03-09T00:00-04:00"),
        (kathmandu, "2026-11-28T00:00+05:45", "11-28T00:00+05:45", "11-29T00:00+05:45"),
    ]
    check_rows(rows, check)


class Database:
    """The host's, in which each sum takes a moment, as in a real one."""

    def __init__(self) -> None:
        self.usd = 0.0
        self.during = [lambda: None]

    async def __call__(self, *_: Any) -> gip.Recorded:
        found = gip.Recorded(spent(0, self.usd), spent(0, self.usd))
        await asyncio.sleep(0)
        self.during.pop(0)() if self.during else None
        return found


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    there = Database()
    monkeypatch.setattr(gip, "summed_marks", there)
    return there


def test_a_picture_that_is_recorded_while_the_database_adds_up_is_not_missed(
    database: Database, ledger: gip.Ledger
) -> None:
    def recorded() -> None:
        database.usd += 0.5
        ledger.add(ACCOUNT, 0.5, datetime.now().date())

    database.during = [recorded]
    total = asyncio.run(gip.spent_since(ACCOUNT, gip.begin_of_day))
    assert total.usd == 0.5


# ── The budget of a day ──────────────────────────────────────────────────────────────


def test_a_budget_ends_what_would_go_beyond_it(google: StandIn) -> None:
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.08)
    first, second, third = (answer(pipe) for _ in range(3))
    assert "![" in first and "![" in second
    assert len(posts(google)) == 2
    assert "![" not in third
    assert "Your budget for pictures is $0.080 a day; $0.0" in third
    assert f"begins anew at midnight ({gip.zone_name()}, the server's time)" in third
    assert "![" in answer(pipe, user={**USER, "id": "bob"}), "each has a budget"


def test_a_budget_that_ends_in_the_middle_makes_what_fits(google: StandIn) -> None:
    said = answer(pipe_for(google, DAILY_BUDGET_USD=0.08), "a fox --n 4")
    assert len(posts(google)) == said.count("![") == 2
    assert "Only 2 of 4 pictures could be asked for: your budget" in said
    assert f"anew at midnight ({gip.zone_name()}, the server's time)" in said


def test_a_picture_that_a_gateway_has_made_smaller_is_no_dearer(
    google: StandIn,
) -> None:
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.04)
    assert "![" in answer(pipe, "a fox [[pixels 640x640]]")
    assert "$0.006 of it is left" in answer(pipe)


def test_a_picture_that_a_gateway_keeps_for_itself_is_paid_for(google: StandIn) -> None:
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.04)
    assert "Your budget" not in answer(pipe, "a fox [[elsewhere]]")
    assert "$0.006 of it is left" in answer(pipe)


# Who asks with what, and what is set → whether the budget holds for them.
HELD: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({}, {}, True),
    ({}, {"DAILY_BUDGET_USD": 0}, False),
    ({}, {"DAILY_BUDGET_USD": "-1"}, False),
    ({"user": ADMIN}, {}, False),
    ({"user": ADMIN}, {"BUDGET_FOR_ADMINS": True}, True),
    ({"own": {"GEMINI_API_KEY": DEFAULT_KEY}}, {}, False),
    (
        {"own": {"GEMINI_API_KEY": DEFAULT_KEY}},
        {"GATEWAY_HEADERS": "x-portkey-provider: google"},
        False,
    ),
    (  # it may serve for the server's money, whatever a user typed as a key
        {"own": {"GEMINI_API_KEY": "anything"}},
        {"GATEWAY_HEADERS": "x-litellm-api-key: Bearer sk-1234567890abcdef"},
        True,
    ),
    *(
        ({"own": {"GEMINI_API_KEY": "anything"}}, {"GEMINI_API_BASE_URL": url}, True)
        for url in ("http://gw.test?auth=sk-1234567890", "http://ada:word@gw.test")
    ),
    (
        {"own": {"GEMINI_API_KEY": DEFAULT_KEY}},
        {"GEMINI_API_BASE_URL": "http://127.0.0.1:9?version=2026-10-01"},
        False,
    ),
    ({"user": {}}, {}, True),
    ({"user": {"id": None, "role": "user"}}, {}, True),
]


def test_a_budget_holds_for_those_whom_it_is_for(google: StandIn) -> None:
    def check(who: dict[str, Any], valves: dict[str, Any], holds: bool) -> None:
        gip.LEDGER = gip.Ledger()
        pipe = pipe_for(google, **{"DAILY_BUDGET_USD": 0.01, **valves})
        assert ("Your budget for pictures" in answer(pipe, **who)) == holds

    check_rows(HELD, check)


def test_pictures_of_an_own_key_are_not_counted_later(google: StandIn) -> None:
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.04)
    assert "![" in answer(pipe, own={"GEMINI_API_KEY": DEFAULT_KEY})
    assert "![" in answer(pipe)
    assert "Your budget" in answer(pipe)


def test_of_twenty_at_the_edge_one_gets_by(
    google: StandIn, database: Database, ledger: gip.Ledger
) -> None:
    async def all_at_once() -> list[str]:
        pipe = pipe_for(google, DAILY_BUDGET_USD=0.05)
        return await asyncio.gather(*(ask(pipe) for _ in range(20)))

    said = asyncio.run(all_at_once())
    assert sum("![" in one for one in said) == len(posts(google)) == 1
    assert sum("Your budget" in one for one in said) == 19
    assert ledger.under_way(ACCOUNT) == 0


@pytest.mark.parametrize("how", ["[[status 500]]", "[[block SAFETY]]"])
def test_what_fails_gives_back_what_was_set_aside(
    google: StandIn, ledger: gip.Ledger, how: str
) -> None:
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.04)
    for _ in range(3):
        assert "⚠️" in answer(pipe, f"a fox {how}")
    assert ledger.under_way(ACCOUNT) == 0
    assert "![" in answer(pipe)


def test_stop_gives_back_what_was_set_aside(
    google: StandIn, ledger: gip.Ledger
) -> None:
    async def stopped() -> None:
        asking = asyncio.create_task(
            ask(pipe_for(google, DAILY_BUDGET_USD=0.04), "a fox [[wait 30]]")
        )
        async with asyncio.timeout(20):
            while not posts(google):
                await asyncio.sleep(0.01)
        assert ledger.under_way(ACCOUNT) == PRICE["1K"]
        asking.cancel()
        await asyncio.wait([asking])

    asyncio.run(stopped())
    assert ledger.under_way(ACCOUNT) == 0


def test_a_stop_while_a_picture_is_stored_is_too_late_to_save_its_price(
    google: StandIn, ledger: gip.Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    storing: list[gip.NewFile] = []

    async def hangs(_: gip.HostChat, new: gip.NewFile) -> str:
        storing.append(new)
        return await asyncio.sleep(3_600, "")

    async def stopped() -> None:
        asking = asyncio.create_task(ask(pipe_for(google)))
        async with asyncio.timeout(20):
            while not storing:
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking])

    monkeypatch.setattr(gip.HostChat, "store", hangs)
    asyncio.run(stopped())
    assert ledger.made(ACCOUNT, date.min) == spent(1, PRICE["1K"])


def test_where_the_host_cannot_be_asked_the_log_says_so_once(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    async def broken(*_: Any) -> gip.Recorded:
        raise RuntimeError("no such table: file")

    monkeypatch.setattr(gip, "summed_marks", broken)
    gip._log_not_summed.cache_clear()
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.08)
    assert ["![" in answer(pipe) for _ in range(3)] == [True, True, False]
    told = [r for r in caplog.records if "budgets hold as far as" in r.message]
    assert len(told) == 1


class Clock(datetime):
    """What the server's clock shows."""

    shown = datetime(2026, 11, 28, 23, 59)

    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return cls.shown


def test_midnight_gives_a_new_budget_and_a_clock_put_back_the_old_one(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "datetime", Clock)
    pipe = pipe_for(google, DAILY_BUDGET_USD=0.04)
    for shown, is_made in (
        (datetime(2026, 11, 28, 23, 59), True),
        (datetime(2026, 11, 28, 23, 59), False),
        (datetime(2026, 11, 29, 0, 0), True),
        (datetime(2026, 11, 29, 0, 0), False),
        (datetime(2026, 11, 28, 12, 0), False),
        (datetime(2026, 12, 1, 12, 0), True),
    ):
        monkeypatch.setattr(Clock, "shown", shown)
        assert ("![" in answer(pipe)) == is_made, shown


def test_a_log_tool_can_add_up_what_was_spent(google: StandIn, caplog: Any) -> None:
    caplog.set_level(logging.INFO, logger="gemini_image_pipe")
    answer(pipe_for(google), "a secret fox --size 4K --n 2")
    lines = [r.getMessage() for r in caplog.records if "picture made" in r.message]
    line = f"picture made: user ada, model {NB}, size 4K, 0.1134 USD, the server's key"
    assert lines == [line] * 2


def test_the_log_tells_what_a_user_paid_from_what_the_server_did(
    google: StandIn, caplog: Any
) -> None:
    caplog.set_level(logging.INFO, logger="gemini_image_pipe")
    answer(pipe_for(google), own={"GEMINI_API_KEY": DEFAULT_KEY})
    assert "0.0336 USD, the user's key" in caplog.text


# ── The question ─────────────────────────────────────────────────────────────────────


class Page:
    """Somebody at the page, who says something or nothing."""

    def __init__(self, says: Any = True, ledger: gip.Ledger | None = None) -> None:
        self.says, self.ledger = says, ledger
        self.asked: list[dict[str, Any]] = []
        self.asked_at = 0.0

    async def __call__(self, event: dict[str, Any]) -> Any:
        self.asked.append(event)
        self.asked_at = time.monotonic()
        if self.ledger:
            assert not self.ledger.under_way(ACCOUNT), "set aside while asking"
        if isinstance(self.says, Exception):
            raise self.says
        return await asyncio.sleep(3_600) if self.says is None else self.says


def at_page(page: Page, **metadata: Any) -> dict[str, Any]:
    named = {"chat_id": "c1", "message_id": "m1", "session_id": "sOcKeT", **metadata}
    return {"__metadata__": named, "__event_call__": page}


def test_the_page_is_asked_before_it_gets_expensive(
    google: StandIn, ledger: gip.Ledger
) -> None:
    pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.1, DAILY_BUDGET_USD=1)
    page = Page(ledger=ledger)
    assert "![" in answer(pipe, **at_page(page)) and not page.asked
    said = answer(pipe, "a fox --size 4K --n 4", **at_page(page))
    [asked] = page.asked
    assert asked["type"] == "confirmation"
    assert asked["data"] == {
        "title": "Make 4 pictures in 4K?",
        "message": "This costs about $0.45. "
        "Without an answer within a minute nothing is made.",
    }
    assert said.count("![") == 4


# What comes back from the page → what is said instead of a picture.
NOT_YES: list[tuple[Any, str]] = [
    (False, "as you chose, and nothing was spent"),
    ({"error": "Client session disconnected."}, "was not answered within a minute"),
    ("true", "was not answered"),
    (1, "was not answered"),
    (ValueError("no session"), "was not answered"),
    (TimeoutError(), "was not answered"),
    (None, "was not answered"),
]


def test_only_yes_is_yes(google: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def check(says: Any, words: str) -> None:
        page = Page(says)
        pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.01)
        said = answer(pipe, **at_page(page))
        assert len(page.asked) == 1 and words in said and "![" not in said

    monkeypatch.setattr(gip, "QUESTION_TIMEOUT", 0.05)
    check_rows(NOT_YES, check)
    assert not posts(google)


def test_a_new_chat_is_asked_once_its_page_would_show_it(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of Open WebUI 0.9 drop what comes before they know their chat."""
    monkeypatch.setattr(gip, "NEW_CHAT_KNOWN", 0.3)
    began = time.monotonic()
    page = Page()
    pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.01)
    assert "![" in answer(pipe, **at_page(page))
    assert len(page.asked) == 1 and page.asked_at - began >= 0.3


# Who asks otherwise than a page.
NEVER_ASKED: list[dict[str, Any]] = [
    {"session_id": None},
    {"session_id": "automation:7"},
    {"session_id": "channel:7", "chat_id": "channel:7"},
    {"chat_id": "channel:7"},
    {"chat_id": "", "message_id": ""},
]


def test_programs_and_channels_are_never_asked(google: StandIn) -> None:
    def check(metadata: dict[str, Any]) -> None:
        page = Page(says=False)
        pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.01)
        assert "![" in answer(pipe, **at_page(page, **metadata))
        assert not page.asked

    check_rows([(metadata,) for metadata in NEVER_ASKED], check)


def test_nobody_is_asked_about_what_no_budget_allows(
    google: StandIn, ledger: gip.Ledger
) -> None:
    page = Page(ledger=ledger)
    pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.01, DAILY_BUDGET_USD=0.08)
    said = answer(pipe, "a fox --n 4", **at_page(page))
    assert page.asked[0]["data"]["title"] == "Make 2 pictures?"
    assert said.count("![") == 2 and said.count("Only 2 of 4 pictures") == 1
    assert "Your budget" in answer(pipe, **at_page(page))
    assert len(page.asked) == 1


def test_who_thinks_for_long_has_the_whole_time_for_the_picture(
    google: StandIn,
) -> None:
    class Slow(Page):
        async def __call__(self, event: dict[str, Any]) -> Any:
            await asyncio.sleep(2)
            return True

    pipe = pipe_for(google, CONFIRM_ABOVE_USD=0.01, REQUEST_TIMEOUT=2)
    assert "![" in answer(pipe, "a fox [[wait 0.7]]", **at_page(Slow()))


# ── --cost ───────────────────────────────────────────────────────────────────────────


@pytest.fixture
def made(google: StandIn) -> Iterator[gip.Pipe]:
    """After three pictures of NB, and none of another user."""
    pipe = pipe_for(google, DAILY_BUDGET_USD=2)
    answer(pipe, "a fox --n 3")
    before = len(posts(google))
    yield pipe
    assert len(posts(google)) == before, "it is free"


def test_cost_as_the_whole_message_tells_what_was_spent(made: gip.Pipe) -> None:
    def check(prompt: str, user: Any, *words: str) -> None:
        said = answer(made, prompt, user)
        for word in words:
            assert word in said
        lines = said.split("\n\n") if "ost" in prompt else []
        assert all(line.startswith(gip.NOTE_MARK) for line in lines)

    rows = [
        ("--cost", USER, "Today (since midnight, ", "): 3 pictures, about $0.10."),
        ("—Costs ", USER, "This month: 3 pictures", "budget is $2.00 a day; $1.90 of"),
        ("--cost", {"id": "bob"}, "Today", "): no pictures.", "$2.00 of it is left"),
        ("--cost", USER, "An administrator can change it.", "`--help` as a message"),
        ("--help", USER, "`--cost` as a message tells"),
        *((typed, USER, "Today") for typed in ("--费用", "——花费。", "－－花費")),
    ]
    check_rows(rows, check)


# ── Settings ─────────────────────────────────────────────────────────────────────────


def test_an_amount_of_money_is_read_as_people_write_it() -> None:
    def check(saved: Any, usd: float) -> None:
        assert usd == gip.AdminValves(DAILY_BUDGET_USD=saved).DAILY_BUDGET_USD

    rows: list[tuple[Any, float]] = [
        *((saved, 5.0) for saved in (5, 5.0, "5", " 5 ", "$5", "$ 5.00", "5 USD")),
        *(
            (saved, 5.0)
            for saved in ("USD 5", "US$5", "'5'", "５", "＄５．００", "￥5", "+5")
        ),
        *((saved, 5.5) for saved in (5.5, "5,50", "5.50")),
        *((saved, 0.5) for saved in (0.5, ".5", ",5")),
        *((saved, 0.0) for saved in (0, "", None, "none", -1, "-1", "NaN", "inf", [])),
        *((saved, 0.0) for saved in ("$-5", "−5", "－5")),
        *((saved, 0.0) for saved in (math.nan, math.inf, -math.inf, True, {})),
        *((saved, gip.MAX_USD) for saved in (1e300, "9" * 300)),
    ]
    check_rows(rows, check)


def test_ceilings_are_read_from_whatever_was_saved() -> None:
    def check(size: Any, count: Any, most: str, most_count: int) -> None:
        valves = gip.AdminValves(MAX_IMAGE_SIZE=size, MAX_IMAGES_PER_PROMPT=count)
        assert gip.ceilings_of(valves) == (gip.Ceilings(most, most_count))

    rows: list[tuple[Any, Any, str, int]] = [
        ("auto", 4, "4K", 4),
        ("2K", 1, "2K", 1),
        (" 1k ", "2", "1K", 2),
        ("２K", "２", "2K", 2),
        ("2048", 1, "2K", 1),
        ("2048x2048", 1, "2K", 1),
        ("512", 1, "1K", 1),
        ("", 0, "4K", 4),
        ("8K", 99, "4K", 4),
        (None, None, "4K", 4),
        ([], -3, "4K", 4),
    ]
    check_rows(rows, check)
