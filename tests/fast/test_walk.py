"""Nothing that a host hands over is dropped in silence.

What real hosts hand to a pipe is recorded (`python3 dev record`, one file for each
version) and walked through key by key. Each key is used, or a note names it, or it stands
in a table with the reason why it concerns no image model. That it is so is not claimed
but tried: the recorded call is played once more without the key.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from rows import check_rows
from traffic import posts

import gemini_image_pipe as gip
from dev.host.walking import keys, without
from dev.standin import DEFAULT_KEY, StandIn

RECORDED = Path(__file__).parent / "host_requests"
PICTURE = re.compile(r"data:image/\w+;base64,[\w+/=]+")
Call = dict[str, Any]

# What reaches Google or changes what the chat shows.
USED = """
    body.aspect_ratio body.image_size body.messages body.model body.n body.size
    body.stream
    message.content message.role part.image_url part.text
    metadata.base_user_prompt metadata.features metadata.files metadata.sources
    metadata.user_message
    feature.web_search
    file.content_type file.id file.type file.url user_message.files
""".split()

# What chat controls, presets and API clients ask for and no image model takes.
NAMED = """
    body.background body.frequency_penalty body.logit_bias body.logprobs
    body.max_completion_tokens body.max_tokens body.min_p body.moderation body.negative
    body.num_ctx body.output_compression body.output_format body.presence_penalty
    body.quality body.reasoning_effort body.repeat_penalty body.response_format
    body.seed body.service_tier body.stop body.store body.style body.temperature
    body.tool_choice body.tools body.top_k body.top_logprobs body.top_p body.verbosity
""".split()
# Where that is so; in no other situation does anybody ask for such a thing.
WISHED_IN = ("chat controls", "preset", "API, parameters", "API, tools")

# What concerns no image model, by the reason.
CONCERNS_NONE = {
    "who asks, where and when": """
        body.user metadata.user_id metadata.user_agent metadata.chat_id
        metadata.session_id metadata.message_id metadata.task_id metadata.automation_id
        metadata.folder_id metadata.internal metadata.direct metadata.model_id
        metadata.variables metadata.chat_variables
    """,
    "how the host travels through a chat": """
        metadata.user_message_id metadata.assistant_message_id metadata.parent_message
        metadata.parent_message_id metadata.regeneration_message_id
        user_message.id user_message.parentId user_message.childrenIds
        user_message.role user_message.timestamp user_message.models
        user_message.user_id user_message.user
    """,
}


class Outcome(NamedTuple):
    """What Google was asked for, and what the chat showed."""

    asked: list[str]
    answer: str
    is_streamed: bool


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
def play(google: StandIn, waits: list[float]) -> Any:
    """A function that plays a call through the plugin."""
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(
        GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url, MAX_RETRIES=0
    )

    def outcome(call: Call) -> Outcome:
        google.reset()
        answer, is_streamed = asyncio.run(_answer(pipe, call))
        asked = sorted(json.dumps(request.body) for request in posts(google))
        return Outcome(asked, PICTURE.sub("<picture>", answer), is_streamed)

    return outcome


async def _answer(pipe: gip.Pipe, call: Call) -> tuple[str, bool]:
    result = await pipe.pipe(
        call["body"], __metadata__=call["metadata"], __files__=call["files"]
    )
    if isinstance(result, str):
        return result, False
    choices = [c["choices"][0] async for c in result if c["choices"]]
    return "".join(c["delta"].get("content", "") for c in choices), True


def holding(key: str) -> list[Call]:
    return [call for call in calls() if key in set(keys(call))]


def by_reason() -> set[str]:
    return {key for listed in CONCERNS_NONE.values() for key in listed.split()}


def test_every_key_is_known_and_none_is_kept_for_nothing() -> None:
    known = [
        *USED,
        *NAMED,
        *(k for listed in CONCERNS_NONE.values() for k in listed.split()),
    ]
    assert len(known) == len(set(known)), "a key stands in two tables"
    found = {key for call in calls() for key in keys(call)}
    assert sorted(found - set(known)) == []
    assert sorted(set(known) - found) == []
