"""What is recorded of hosts tells nothing of the machine or of the day it was done on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rows import check_rows

from dev.host.install import VERSIONS
from dev.host.recording import MAX_TEXT, MAX_TOOLS, REPLACED, readable
from dev.host.situations import SITUATIONS

RECORDED = Path(__file__).parent / "host_requests"
IDS = [f"3f1c0000-0000-4000-8000-00000000000{n}" for n in range(2)]


def read(body: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    call = {"body": body, "metadata": metadata, "files": None, "task": None}
    return readable(call)


def test_what_a_run_or_a_machine_alone_has_is_replaced() -> None:
    def check(written: str, recorded: str) -> None:
        assert read({"x": written})["body"]["x"] == recorded

    rows = [
        ("a red fox", "a red fox"),
        ("/tmp/record-a1/data/uploads/a.txt", "<data>/uploads/a.txt"),
        ("in /Users/ada/x and /opt/y", "in <data> and <data>"),
        ("/api/v1/files/a/content", "/api/v1/files/a/content"),
        ("http://127.0.0.1:8123/a", "http://<host>/a"),
        ("http://www.w3.org/2000/svg", "http://www.w3.org/2000/svg"),
        ("by ada@example.org", "by <e-mail>"),
        ("0123456789" * 4, "<hash>"),
        ("It is 2026-11-28.", "It is <day>."),
        ("python-requests/2.34.2", "python-requests/…"),
        (IDS[1], "00000000-0000-4000-8000-000000000001"),
    ]
    check_rows(rows, check)


def test_an_id_has_the_same_number_wherever_it_stands() -> None:
    call = read({"a": IDS[0], IDS[1]: f"of {IDS[0]}"}, id=IDS[1])
    first, second = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))
    assert call["body"] == {"a": first, second: f"of {first}"}
    assert call["metadata"] == {"id": second}


def test_times_are_left_out_and_long_lists_and_texts_cut() -> None:
    tools = {f"tool{n}": {"spec": "long"} for n in range(9)}
    call = read({"created_at": 1795820553, "text": "x" * 9_000}, tools=tools)
    assert call["body"]["created_at"] == 0
    assert len(call["body"]["text"]) == MAX_TEXT + 1
    assert call["metadata"]["tools"] == {f"tool{n}": {} for n in range(MAX_TOOLS)}


def recordings() -> dict[str, list[str]]:
    return {path.stem: path.read_text().splitlines() for path in RECORDED.glob("*")}


def test_the_recordings_tell_nothing_that_is_to_be_replaced() -> None:
    for version, lines in recordings().items():
        text = "\n".join(lines)
        found = [pattern.search(text) for pattern, _ in REPLACED]
        assert [match[0] for match in found if match] == [], version


def test_each_host_is_recorded_in_each_situation_that_it_knows() -> None:
    made = recordings()
    assert set(made) == set(VERSIONS)
    for version, lines in made.items():
        numbers = tuple(map(int, version.split(".")))
        known = {s.name for s in SITUATIONS if numbers >= s.since}
        assert {json.loads(line)["situation"] for line in lines} == known, version
