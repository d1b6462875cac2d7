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
from collections.abc import Callable, Iterator
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
    body.stream message.content message.role
    part.file part.image_url part.text part.type
    metadata.chat_id metadata.features metadata.model metadata.tools feature.web_search
    model.info model.info.meta model.info.meta.knowledge
    file.context file.file file.file.data file.id file.name file.type file.url
    user_message.files
"""

# What counts with a host behind the plugin only: its files, its saved chats, and its
# templates where they are an administrator's own.
USED_WITH_A_HOST = """
    metadata.message_id metadata.user_message_id metadata.regeneration_message_id
    metadata.user_message metadata.files metadata.sources
    metadata.tool_ids metadata.base_user_prompt metadata.user_prompt
    feature.code_interpreter feature.voice model.name
    file.content_type file.file.meta
"""

# What chat controls, presets and API clients ask for and no image model takes.
NAMED = """
    body.background body.frequency_penalty body.logit_bias body.logprobs
    body.max_completion_tokens body.max_tokens body.min_p body.moderation body.negative
    body.num_ctx body.output_compression body.output_format body.presence_penalty
    body.quality body.reasoning_effort body.repeat_penalty body.response_format
    body.seed body.service_tier body.stop body.store body.style body.temperature
    body.tool_choice body.tools body.top_k body.top_logprobs body.top_p body.verbosity
"""
# Where that is so; in no other situation does anybody ask for such a thing.
WISHED_IN = {"chat controls", "preset", "API, parameters", "API, tools"}

# What concerns no image model, by the reason.
CONCERNS_NONE = {
    "who asks, from where": """
        body.user metadata.user_id metadata.user_agent metadata.session_id
        metadata.internal metadata.direct metadata.automation_id
        metadata.variables metadata.chat_variables message.name
    """,
    "where in a chat it is, which the message's own id tells": """
        body.folder_id metadata.folder_id metadata.folder_knowledge
        metadata.assistant_message_id metadata.task_id
        user_message.id user_message.parentId user_message.childrenIds
        user_message.timestamp user_message.models
        user_message.user_id user_message.user
    """,
    "what stands in the messages, too, as the host's filters left it": """
        user_message.content user_message.role metadata.base_system_prompt
        metadata.system_prompt metadata.chat_context
    """,
    "what asks for what happens anyway": """
        body.modalities body.stream_options body.parallel_tool_calls
    """,
    "tools and skills, which no image model is given": """
        metadata.tool_servers metadata.tool_approval_resume metadata.terminal_id
        metadata.skill_ids metadata.filter_ids body.filter_ids metadata.function_calling
        message.tool_calls message.tool_call_id message.refusal
    """,
    "how the host works off what a model of words says": """
        metadata.params params.compact_token_threshold params.function_calling
        params.model_controls params.reasoning_tags params.stream_delta_chunk_size
        params.tool_approval_mode metadata.include_file_context
    """,
    "what the host itself has done, or a picture needs not": """
        feature.image_generation feature.memory
    """,
    "what the host keeps of a model; its parameters stand in the body, too": """
        metadata.model_id model.id model.object model.created model.owned_by model.pipe
        model.has_user_valves model.actions model.filters model.connection_type
        model.preset model.tags model.info.id model.info.version_id
        model.info.user_id model.info.base_model_id model.info.name model.info.params
        model.info.access_grants model.info.access_control model.info.is_active
        model.info.updated_at model.info.created_at
        model.info.meta.background_image_url model.info.meta.profile_image_url
        model.info.meta.description model.info.meta.i18n model.info.meta.capabilities
        model.info.meta.voice model.info.meta.voice_avatar
    """,
    "how the host keeps a file": """
        file.collection_name file.error file.size file.status
        file.file.id file.file.user_id file.file.hash file.file.filename
        file.file.created_at file.file.updated_at file.file.status file.file.path
    """,
    "the bytes of a part that a note names by its type": "part.input_audio",
}


class Outcome(NamedTuple):
    """What Google was asked for, and what the chat showed."""

    asked: list[str]
    answer: str
    is_streamed: bool


Play = Callable[[Call], Outcome]


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
    chunks = [chunk async for chunk in result if chunk["choices"]]
    words = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
    return "".join([chunks[0]["model"], "\n", *words]), True


def listed(*tables: str) -> set[str]:
    """The keys in some tables, none of which stands in two."""
    found = [key for table in tables for key in table.split()]
    assert len(found) == len(set(found)), "a key stands there twice"
    return set(found)


def holding(key: str) -> list[Call]:
    return [call for call in calls() if key in set(keys(call))]


def notes_of(answer: str) -> list[str]:
    return [line for line in answer.splitlines() if line.startswith(gip.NOTE_MARK)]


def test_every_key_is_known_and_none_is_known_for_nothing() -> None:
    known = listed(USED, USED_WITH_A_HOST, NAMED, *CONCERNS_NONE.values())
    found = {key for call in calls() for key in keys(call)}
    assert sorted(found - known) == [], "what becomes of these?"
    assert sorted(known - found) == [], "no host hands these over"


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
    return gip.NOTES[kind].partition("{")[0]
