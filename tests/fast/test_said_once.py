"""Notes that a chat needs to hear once do not stand under every answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from messages import in_english
from rows import check_rows
from traffic import words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

CUT = "Of the 7 earlier pictures of this chat, the newest 4 were sent along."
LEFT_OUT = (
    "These settings do not apply to pictures and were left out: `seed`, `temperature`."
)
NAMES = "`seed`, `temperature`"


def test_a_note_is_known_by_its_words() -> None:
    def check(kind: str, values: dict[str, Any], line: str, expected: bool) -> None:
        assert (
            gip.was_said(gip.make_note(kind, **values), [line], gip.Reader())
            is expected
        )

    rows: list[tuple[Any, ...]] = [
        ("left_out", {"names": NAMES}, LEFT_OUT, True),
        ("left_out", {"names": "`seed`"}, LEFT_OUT, False),
        ("left_out", {"names": "`seed`, `top_p`"}, LEFT_OUT, False),
        ("left_out", {"names": ".*"}, LEFT_OUT, False),
        # One picture more is no news; another model's limit is.
        ("earlier_cut", {"count": 7, "limit": 4}, CUT, True),
        ("earlier_cut", {"count": 12, "limit": 4}, CUT, True),
        ("earlier_cut", {"count": 7, "limit": 2}, CUT, False),
        ("earlier_cut", {"count": 7, "limit": 4}, f"{CUT} Really.", False),
        ("earlier_none", {"count": 7, "limit": 0}, CUT, False),
        # This one is about the answer itself.
        ("draft", {}, gip.NOTES["draft"]["en"], False),
    ]
    check_rows(rows, check)


def test_only_answers_say_notes() -> None:
    note = gip.NOTE_MARK + LEFT_OUT

    def check(role: str, content: Any, expected: bool) -> None:
        messages = [{"role": role, "content": content}]
        assert gip.notes_said(messages) == ({LEFT_OUT} if expected else set())

    long = "x" * (gip.MESSAGE_END_CHARACTERS + 1)
    rows: list[tuple[Any, ...]] = [
        ("assistant", f"A fox.\n\n{note}", True),
        ("assistant", [{"type": "text", "text": note}, {"type": "image_url"}], True),
        ("system", f"User: hello\n\n{note}\n", True),  # a channel's history
        ("user", note, False),
        ("assistant", f"as in {note}", False),
        ("assistant", f"{note}\n{long}", False),
        ("assistant", None, False),
    ]
    check_rows(rows, check)
    for odd in (None, "text", [None, 1, {"role": "assistant"}]):
        assert gip.notes_said(odd) == set()


class Chat:
    """A chat that grows with each answer."""

    def __init__(self, google: StandIn) -> None:
        self._pipe = gip.Pipe()
        self._pipe.valves = self._pipe.Valves(
            GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url
        )
        self._messages: list[dict[str, Any]] = []

    def ask(self, **body: Any) -> list[str]:
        """The notes below the next answer."""
        self._messages.append({"role": "user", "content": "a red fox"})
        form = {"model": "auto", "messages": self._messages, **body}
        answer = words_of(asyncio.run(self._pipe.pipe(form)))
        self._messages.append({"role": "assistant", "content": answer})
        lines = answer.splitlines()
        notes = [line for line in lines if line.startswith(gip.NOTE_MARK)]
        return [n for n in notes if "could not store" not in n]


def test_settings_that_are_left_out_are_named_once(google: StandIn) -> None:
    chat = Chat(google)
    wished = {"temperature": 0.2, "seed": 7}
    assert chat.ask(**wished) == [gip.NOTE_MARK + LEFT_OUT]
    assert chat.ask(**wished) == []
    [note] = chat.ask(**wished, top_p=0.5)
    assert "`top_p`" in note
    assert chat.ask(**wished, top_p=0.5) == []
    assert chat.ask(**wished) == []


def test_so_are_pictures_that_no_longer_go_along(google: StandIn) -> None:
    chat = Chat(google)
    notes = [chat.ask() for _ in range(7)]
    assert [len(said) for said in notes] == [0, 0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize("size", [10, 1000])
def test_the_note_stays_short(size: int) -> None:
    body = {f"`{number:04}` {'x' * 1000}": 1 for number in range(size)}
    [note] = gip.settings_left_out(body)
    assert in_english(note).count("`") == 2 * min(size, gip.MAX_NAMED_SETTINGS)
    assert len(in_english(note)) < 3_000


def test_what_changes_nothing_is_not_named() -> None:
    usual: list[tuple[str, Any]] = [
        ("temperature", 1.0),
        ("top_p", 1),
        ("presence_penalty", 0),
        ("response_format", {"type": "text"}),
        ("tool_choice", "auto"),
        ("tools", []),
        ("stop", None),
        ("n", 2),
        ("aspect_ratio", "16:9"),
        ("model", "auto"),
    ]
    wishes: list[tuple[str, Any]] = [
        ("temperature", 0),
        ("top_p", 0.9),
        ("presence_penalty", -1),
        ("response_format", {"type": "json_object"}),
        ("tool_choice", "required"),
        ("tools", [{"type": "function", "function": {"name": "f"}}]),
        ("tools", [{"type": "web_search"}]),
        ("tools", [None, {"function": {"name": ["f"]}}]),
        ("stop", ["END"]),
        ("think", False),
        ("IMAGE_SIZE", "4K"),  # a setting's name, which no request reads
    ]

    def check(name: str, value: Any, expected: bool) -> None:
        notes = gip.settings_left_out({name: value}, host_tools={"clock": {}})
        named = [dict(note.values)["names"] for note in notes]
        assert named == ([(f"`{name}`",)] if expected else [])

    check_rows([(*row, False) for row in usual], check)
    check_rows([(*row, True) for row in wishes], check)
    clock = [{"type": "function", "function": {"name": "clock"}}]
    assert gip.settings_left_out({"tools": clock}, host_tools={"clock": {}}) == []
