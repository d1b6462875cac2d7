"""What a host hands to a pipe: written down by one, and made readable.

    with recorder(admin, folder / "calls.jsonl") as record:
        chat = user.new_chat(record.model)
        chat.send("a red fox")
        [call] = record.calls()

A call is the request's body and metadata, the files beside it, and for background tasks
their name. What differs from one run to the next (ids, times, days, clients' versions),
hashes, e-mail addresses and what belongs to a machine (its address, paths) are replaced;
long texts and lists of tools are cut.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev.host import plugin
from dev.host.client import Client, Json
from dev.waiting import wait_until

FUNCTION_ID = "recorder"
MODEL = f"{FUNCTION_ID}.auto"
ANSWER = "Here it is.\n\n![a fox](/api/v1/files/00000000-0000-4000-8000-000000000000/content)"
# A task gets something that each of them can read.
TASK_ANSWER = json.dumps(
    {"title": "Fox", "tags": ["fox"], "follow_ups": ["Blue?"], "queries": ["red fox"]}
)
RECORDER = '''"""
title: Recorder
"""
import json


class Pipe:
    def pipes(self):
        return [{{"id": "auto", "name": "Recorder"}}]

    async def pipe(self, body, __metadata__=None, __files__=None, __task__=None):
        call = {{"body": body, "metadata": __metadata__, "files": __files__}}
        call["task"] = __task__
        with open({calls!r}, "a") as file:
            file.write(json.dumps(call, default=lambda o: f"<{{type(o).__name__}}>"))
            file.write("\\n")
        return {task_answer!r} if __task__ else {answer!r}
'''
QUIET_S = 1.0  # after which no background task follows any more
MAX_TEXT = 4_000
MAX_TASK_TEXT = 600  # of a background task: only how it begins and ends matters
MAX_TOOLS = 3  # of the dozens that newer hosts bring

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_E_MAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
_ROOTS = "tmp|home|root|app|var|opt|srv|usr|Users|private"
_PATH = re.compile(rf"(?<![\w.])/(?:{_ROOTS})/[^\s\"'<>]+?(?=/uploads/|[\s\"'<>]|$)")
_HASH = re.compile(r"[0-9a-f]{40,}")
_HOST = re.compile(r"\b(?:localhost|\d{1,3}(?:\.\d{1,3}){3})(?::\d{1,5})?\b")
_DAY = re.compile(r"\b20\d\d-\d\d-\d\d\b")
_CLIENT = re.compile(r"(?<=python-requests/)[\d.]+")
# What is replaced in every text, and by what.
REPLACED = (
    (_HASH, "<hash>"),
    (_E_MAIL, "<e-mail>"),
    (_PATH, "<data>"),
    (_HOST, "<host>"),
    (_DAY, "<day>"),
    (_CLIENT, "…"),
)
# A time differs with each run; in a name it stands for what the host fills in.
_TIME_NAMES = re.compile(r"time|_at$|^created$|DATE|WEEKDAY|timestamp", re.IGNORECASE)


class Recorder:
    """A function on a host that keeps what it is called with."""

    model = MODEL

    def __init__(self, calls: Path) -> None:
        self._file = calls
        self._read = 0

    def _lines(self) -> list[str]:
        return self._file.read_text().splitlines() if self._file.exists() else []

    def calls(self) -> list[Json]:
        """What has come since the last time, readable, background tasks included."""
        wait_until(lambda: len(self._lines()) > self._read, "a call of the recorder")
        seen = 0
        while seen != (seen := len(self._lines())):
            time.sleep(QUIET_S)
        new = self._lines()[self._read :]
        self._read += len(new)
        return [readable(json.loads(line)) for line in new]

    def forget(self) -> None:
        """Pass over what has come so far."""
        self._read = len(self._lines())


@contextmanager
def recorder(admin: Client, calls: Path) -> Iterator[Recorder]:
    """Put the function on a host, for everybody, until the block ends."""
    source = RECORDER.format(calls=str(calls), task_answer=TASK_ANSWER, answer=ANSWER)
    [model] = plugin.add_function(admin, FUNCTION_ID, source)
    admin.grant_to_all(model)
    try:
        yield Recorder(calls)
    finally:
        admin.delete_function(FUNCTION_ID)


def readable(call: Json) -> Json:
    """The call without what differs from run to run, and short."""
    body = {k: v for k, v in call["body"].items() if k != "metadata"}
    call = {**call, "body": body}
    limit = MAX_TASK_TEXT if call["task"] else MAX_TEXT
    ids: dict[str, str] = {}

    def renamed(found: re.Match[str]) -> str:
        number = len(ids) + 1
        return ids.setdefault(found[0], f"00000000-0000-4000-8000-{number:012d}")

    def shortened(value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            items = value.items()
            return {_ID.sub(renamed, k): shortened(v, k) for k, v in items}
        if isinstance(value, list):
            return [shortened(entry, name) for entry in value]
        if _TIME_NAMES.search(name) and isinstance(value, (str, int)):
            return 0 if isinstance(value, int) else "…"
        if isinstance(value, str):
            return _plain(_ID.sub(renamed, value), limit)
        return value

    told: Json = shortened(_without_tools(call))
    return told


def _plain(text: str, limit: int) -> str:
    for pattern, instead in REPLACED:
        text = pattern.sub(instead, text)
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 :]}"


def _without_tools(call: Json) -> Json:
    """The call with the names of a few tools instead of all descriptions."""
    body, metadata = dict(call["body"]), dict(call["metadata"] or {})
    metadata.pop("task_body", None)  # the chat over again
    if isinstance(metadata.get("tools"), dict):
        metadata["tools"] = {name: {} for name in [*metadata["tools"]][:MAX_TOOLS]}
    if isinstance(body.get("tools"), list):
        body["tools"] = [_named(tool) for tool in body["tools"][:MAX_TOOLS]]
    return {**call, "body": body, "metadata": metadata}


def _named(tool: Json) -> Json:
    function = tool.get("function") or {}
    return {"type": tool.get("type"), "function": {"name": function.get("name")}}
