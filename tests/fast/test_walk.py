"""Nothing that a host hands over is dropped in silence.

What real hosts hand to a pipe is recorded (`python3 dev record`, one file for each
version) and walked through key by key. Each key is used, or a note names it, or it stands
in a table (walked.py) with the reason why it concerns no image model. That it is so is
not claimed but tried: the recorded call is played once more without the key.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rows import check_rows
from traffic import posts, words_of
from walked import (
    CONCERNS_NONE,
    NAMED,
    USED,
    USED_WITH_A_HOST,
    WISHED_IN,
    known,
    listed,
)

import gemini_image_pipe as gip
from dev.host.walking import keys, without
from dev.standin import DEFAULT_KEY, StandIn

RECORDED = Path(__file__).parent / "host_requests"
PICTURE = re.compile(r"data:image/\w+;base64,[\w+/=]+")
Call = dict[str, Any]


class Outcome(NamedTuple):
    """What Google was asked for, and what the chat showed."""

    asked: list[str]
    answer: str
    is_streamed: bool


Play = Callable[[Call], Outcome]
PLAYED: dict[str, Outcome] = {}  # each call as it is serves all tests


def recorded() -> Iterator[Call]:
    """The calls on all versions that want a picture; tasks cost nothing."""
    for path in sorted(RECORDED.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            call = json.loads(line)
            if not call["task"]:
                yield {"version": path.stem, **call}


@cache
def calls() -> tuple[Call, ...]:
    return tuple(recorded())


@pytest.fixture
def play(google: StandIn, waits: list[float]) -> Play:
    """A function that plays a call through the plugin."""
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(
        GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url, MAX_RETRIES=0
    )

    def outcome(call: Call) -> Outcome:
        as_text = json.dumps(call)
        if as_text not in PLAYED:
            PLAYED[as_text] = anew(call)
        return PLAYED[as_text]

    def anew(call: Call) -> Outcome:
        google.reset()
        answer, is_streamed = asyncio.run(_answer(pipe, call))
        asked = sorted(json.dumps(request.body) for request in posts(google))
        return Outcome(asked, PICTURE.sub("<picture>", answer), is_streamed)

    return outcome


async def _answer(pipe: gip.Pipe, call: Call) -> tuple[str, bool]:
    result = await pipe.pipe(
        call["body"], __metadata__=call["metadata"], __files__=call["files"]
    )
    if not isinstance(result, AsyncGenerator):
        return words_of(result), False
    chunks = [chunk async for chunk in result if chunk["choices"]]
    words = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    return "".join([chunks[0]["model"], "\n", *words]), True


def holding(key: str) -> list[Call]:
    return [call for call in calls() if key in set(keys(call))]


def notes_of(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.startswith(gip.NOTE_MARK)]


def test_every_key_is_known_and_none_is_known_for_nothing() -> None:
    found = {key for call in calls() for key in keys(call)}
    assert sorted(found - known()) == [], "what becomes of these?"
    assert sorted(known() - found) == [], "no host hands these over"


def test_what_is_used_makes_a_difference(play: Play) -> None:
    def check(key: str) -> None:
        assert any(
            play(call) != play(without(call, {key})) for call in holding(key)
        ), "it is dropped in silence"

    check_rows(((key,) for key in sorted(listed(USED))), check)


def test_what_counts_with_a_host_is_read() -> None:
    source = Path(gip.__file__).read_text()
    names = {key.rpartition(".")[2] for key in listed(USED_WITH_A_HOST)}
    assert [name for name in sorted(names) if f'"{name}"' not in source] == []


def test_what_no_image_model_takes_is_named(play: Play) -> None:
    def check(key: str) -> None:
        name = key.removeprefix("body.")
        for call in holding(key):
            if name == "tools" and call["metadata"].get("tools"):
                continue  # the host's own
            named = [n for n in notes_of(play(call).answer) if f"`{name}`" in n]
            assert len(named) == 1, call["situation"]

    check_rows(((key,) for key in sorted(listed(NAMED))), check)


def test_nobody_hears_of_settings_that_nobody_has_chosen(play: Play) -> None:
    said = sentence_start("left_out")
    for call in calls():
        is_said = any(said in note for note in notes_of(play(call).answer))
        assert is_said == (call["situation"] in WISHED_IN), call["situation"]


def test_what_concerns_no_image_model_makes_no_difference(play: Play) -> None:
    for call in calls():
        bare = without(call, listed(*CONCERNS_NONE.values()))
        assert play(bare) == play(call), (call["version"], call["situation"])


def sentence_start(kind: str) -> str:
    return gip.NOTES[kind]["en"].partition("{")[0]
