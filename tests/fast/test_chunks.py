"""What programs get: chunks and completions, as clients of OpenAI's API add them up."""

from __future__ import annotations

import asyncio
import functools
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, cast

import pytest
from rows import check_rows
from test_pipe import body_of, pipe_for

import gemini_image_pipe as gip
from dev.standin import StandIn

Chunks = list[dict[str, Any]]
# Pieces of an answer, pauses of so many seconds, and what nobody had expected.
Happening = gip.Piece | float | Exception
NEVER, IF_KNOWN, ALWAYS = gip.UsageWish
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12, "cost": 0.1}
ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
# A last chunk and [DONE] of the host's own came with 0.9.
OPEN, CLOSING, UNKNOWN = "0.8.12", "0.9.6", "0.0.0"


@pytest.fixture
def on_host(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Plays a host of a version; without one there is no host."""

    def be(version: str) -> None:
        if not version:
            monkeypatch.delitem(sys.modules, "open_webui.env", raising=False)
            return
        env = ModuleType("open_webui.env")
        env.VERSION = version  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "open_webui.env", env)

    return be


def test_a_host_that_ends_streams_is_known_by_its_version(
    on_host: Callable[[str], None],
) -> None:
    def check(version: str, closes: bool) -> None:
        on_host(version)
        assert gip.host_closes_streams() is closes

    rows = [
        *((version, False) for version in ("", "0.6.5", "0.6.43", "0.8.12")),
        *((version, True) for version in ("0.9.6", "0.10.2", "0.11.4", "0.12.4")),
        *((version, True) for version in ("1.0.0", "0.60.0", UNKNOWN, "dev")),
    ]
    check_rows(rows, check)


# ── Streams ──────────────────────────────────────────────────────────────────────────


def sender_of(pieces: Sequence[Happening]) -> gip.Composer:
    async def work(send: gip.Send) -> None:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            elif isinstance(piece, Exception):
                raise piece
            else:
                await send(piece)

    return work


def stream(
    pieces: Sequence[Happening],
    wish: gip.UsageWish = NEVER,
    closing: bool = True,
) -> Chunks:
    """The chunks of what happens."""

    async def read() -> Chunks:
        chunks = gip.as_chunks(sender_of(pieces), "m", wish, closing)
        return [chunk async for chunk in chunks]

    return asyncio.run(read())


def added_up(chunks: Chunks) -> dict[str, str]:
    """All texts of the choices, joined as LangChain and OpenAI's `stream()` do."""
    total: dict[str, str] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            for key, text in {**choice, **choice["delta"]}.items():
                if isinstance(text, str):
                    total[key] = total.get(key, "") + text
    return total


WORDS = {"role": "assistant", "content": "ab"}
THOUGHT = gip.Thoughts("Hm.")
ADDED_UP: list[tuple[list[gip.Piece | float], dict[str, str]]] = [
    ([], {"role": "assistant"}),
    (["a", "b"], WORDS),
    (["a", 0.0, "b"], WORDS),
    (["", "a", 0.05, "b", ""], WORDS),
    ([0.05, "a", 0.05, "b", 0.05], WORDS),
    ([THOUGHT, "ab"], {**WORDS, "reasoning_content": "Hm."}),
    (["a", 0.0, THOUGHT, THOUGHT, "b"], {**WORDS, "reasoning_content": "Hm.Hm."}),
    ([0.05, THOUGHT, 0.05, "ab"], {**WORDS, "reasoning_content": "Hm."}),
    (["ab", USAGE], WORDS),
]


def test_clients_that_add_up_chunks_get_one_role_and_one_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gip, "KEEP_ALIVE", 0.01)

    def check(pieces: list[gip.Piece | float], expected: dict[str, str]) -> None:
        for wish in gip.UsageWish:
            total = added_up(stream(pieces, wish))
            if not expected.get("content"):
                assert not total.pop("content", "")
            assert total == {**expected, "finish_reason": "stop"}
        spoken = stream([*pieces, "."], closing=False)
        assert "role" in spoken[0]["choices"][0]["delta"]
        assert added_up(spoken)["role"] == "assistant"
        assert "finish_reason" not in added_up(spoken)

    check_rows(ADDED_UP, check)


def test_the_usage_is_a_chunk_of_its_own_for_those_who_wish_it() -> None:
    def check(pieces: list[gip.Piece | float], wish: gip.UsageWish, told: Any) -> None:
        for closing in (True, False):
            chunks = stream(["a", *pieces], wish, closing)
            if told:
                last = chunks.pop()
                assert (last["choices"], last["usage"]) == ([], told)
            # A plain loop reads `chunk.choices[0].delta.content`.
            assert all(len(chunk["choices"]) == 1 for chunk in chunks)
            assert not any("usage" in chunk for chunk in chunks)

    rows: list[tuple[list[gip.Piece | float], gip.UsageWish, Any]] = [
        ([USAGE], NEVER, None),
        ([USAGE], IF_KNOWN, USAGE),
        ([USAGE], ALWAYS, USAGE),
        ([], NEVER, None),
        ([], IF_KNOWN, None),
        ([], ALWAYS, ZEROS),
    ]
    check_rows(rows, check)


# ── Completions ──────────────────────────────────────────────────────────────────────


def completion(pieces: Sequence[Happening]) -> dict[str, Any]:
    return asyncio.run(gip.as_completion(sender_of(pieces), "m", ALWAYS))


def test_a_completion_holds_what_a_stream_brings() -> None:
    def check(pieces: list[gip.Piece], message: dict[str, str], usage: Any) -> None:
        whole = completion(pieces)
        assert whole["choices"][0]["message"] == {"role": "assistant", **message}
        assert whole["usage"] == usage
        added = added_up(stream(pieces, ALWAYS))
        assert {**message, **WORDS, "finish_reason": "stop"} == added

    words = {"content": "ab"}
    thought = {**words, "reasoning_content": "Hm.Hm."}
    rows: list[tuple[list[gip.Piece], dict[str, str], Any]] = [
        (["a", "b"], words, ZEROS),
        (["a", "b", USAGE], words, USAGE),
        ([THOUGHT, "a", THOUGHT, "b", USAGE], thought, USAGE),
    ]
    check_rows(rows, check)


def test_what_was_sent_outlives_an_unexpected_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A picture that is in it was paid for."""
    pieces: list[Happening] = ["a", "b", USAGE, ZeroDivisionError()]
    for wish in gip.UsageWish:
        assert added_up(stream(pieces, wish)) == {**WORDS, "finish_reason": "stop"}
    whole = completion(pieces)
    assert whole["choices"][0]["message"] == WORDS and whole["usage"] == USAGE
    assert caplog.text.count("answer failed unexpectedly: ZeroDivisionError") == 4


# ── Requests ─────────────────────────────────────────────────────────────────────────

PAGE = {"chat_id": "c", "message_id": "m", "session_id": "s"}
AUTOMATION = {"chat_id": "c", "message_id": "m", "session_id": None}
PROGRAM = {"chat_id": "", "message_id": None, "session_id": None}
SAVES_CHAT = {"chat_id": "c"}
ASKS = {"stream_options": {"include_usage": True}}
# Only OpenAI's own form is a wish; a loop over the chunks breaks on what it did not ask.
DEEP: Any = functools.reduce(lambda inner, _: {"include_usage": inner}, range(500), {})
ODD_OPTIONS: list[Any] = [
    *(
        "yes",
        "include_usage",
        1,
        True,
        [],
        ["include_usage"],
        [{"include_usage": True}],
    ),
    *(
        {},
        {"include_usage": False},
        {"include_usage": None},
        {"include_usage": "false"},
    ),
    *({"include_usage": 1}, {"include_usage": [True]}, {"include_obfuscation": True}),
    *(DEEP, {"other": DEEP}, {"x" * 100_000: True}),
]
WISHES: list[tuple[dict[str, Any], dict[str, Any], bool, bool]] = [
    # body, metadata → whether the usage is told when streaming: known, and not
    ({}, PROGRAM, False, False),
    ({}, {}, False, False),
    ({}, SAVES_CHAT, False, False),
    ({"stream_options": None}, PROGRAM, False, False),
    *(({"stream_options": odd}, PROGRAM, False, False) for odd in ODD_OPTIONS),
    (ASKS, PROGRAM, True, True),
    ({}, PAGE, True, False),
    (ASKS, PAGE, True, False),
    ({}, AUTOMATION, True, False),
]


def asked(google: StandIn, prompt: str, metadata: dict[str, Any], **body: Any) -> Any:
    """What the pipe gives a host: a list of chunks where it streams."""

    async def ask() -> Any:
        pipe = pipe_for(google, STORAGE="inline")
        result = await pipe.pipe(body_of(prompt, **body), __metadata__=metadata)
        if isinstance(result, str | dict):
            return result
        return [chunk async for chunk in result]

    return asyncio.run(ask())


def test_who_reads_an_answer_decides_on_its_usage(
    google: StandIn,
    on_host: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gip, "NEW_CHAT_KNOWN", 0.0)

    def check(
        body: dict[str, Any], metadata: dict[str, Any], known: bool, unknown: bool
    ) -> None:
        for prompt, told in (("a fox", known), ("[[status 400]]", unknown)):
            for version in ("", OPEN, CLOSING):
                on_host(version)
                chunks = asked(google, prompt, metadata, stream=True, **body)
                usages = [chunk["usage"] for chunk in chunks if "usage" in chunk]
                assert len(usages) == told
                assert all(bool(u["total_tokens"]) is (u != ZEROS) for u in usages)
                assert all(c["choices"] for c in chunks if "usage" not in c)
                ends = added_up(chunks).get("finish_reason", "")
                assert ends == ("" if version == CLOSING else "stop")

    check_rows(WISHES, check)


def test_an_answer_that_is_not_streamed_is_a_completion(google: StandIn) -> None:
    """The host passes a dict on as it is (open_webui/functions.py)."""

    def check(prompt: str, metadata: dict[str, Any], usage: str) -> None:
        answer = cast(dict[str, Any], asked(google, prompt, metadata))
        assert answer["id"].startswith("chatcmpl-")
        assert answer["object"] == "chat.completion"
        assert answer["model"] == "gemini_image_pipe.auto"
        assert isinstance(answer["created"], int)
        [choice] = answer["choices"]
        assert choice["finish_reason"] == "stop" and choice["index"] == 0
        assert choice["message"].keys() == {"role", "content"}
        assert choice["message"]["role"] == "assistant"
        failed = prompt != "a fox"
        assert choice["message"]["content"].startswith(gip.FAILURE_MARK) is failed
        if usage == "none":
            assert "usage" not in answer
        elif usage == "zeros":
            assert answer["usage"] == ZEROS
        else:
            counts = answer["usage"]
            parts = counts["prompt_tokens"] + counts["completion_tokens"]
            assert counts["total_tokens"] == parts > 0

    rows = [
        ("a fox", PROGRAM, "counted"),
        ("a fox", PAGE, "counted"),
        ("[[status 400]]", PROGRAM, "zeros"),
        ("[[block SAFETY]]", PROGRAM, "counted"),
        ("[[status 400]]", PAGE, "none"),
    ]
    check_rows(rows, check)


def test_it_streams_where_the_host_does(google: StandIn) -> None:
    """The host decides by truth, not by type (open_webui/functions.py)."""

    def check(stream: Any, kind: type) -> None:
        assert isinstance(asked(google, "a fox", PROGRAM, stream=stream), kind)

    rows = [
        *((value, list) for value in (True, "true", "false", 1, [0], {"on": False})),
        *((value, dict) for value in (False, None, 0, "", [], {})),
    ]
    check_rows(rows, check)


def test_a_task_is_answered_in_plain_text(google: StandIn) -> None:
    async def ask(**body: Any) -> Any:
        form = body_of("a fox", **body)
        return await pipe_for(google).pipe(form, __task__="emoji_generation")

    assert [asyncio.run(ask(stream=stream)) for stream in (True, False)] == ["🎨"] * 2
