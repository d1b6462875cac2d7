"""What others wrote for OpenAI's API talks to the plugin's models through a host.

Each client is used as its own documentation does; only the address, the key and the
model are ours. What it puts together from the chunks is the client's own work: it
doubles whatever comes twice, and breaks on a chunk that it did not ask for.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from dev.host import plugin, programs
from dev.host.client import Client, picture_links
from dev.host.pictures import pictures_of
from dev.host.traffic import drawings, received, sent
from dev.host.watched import WatchedHost

Json = dict[str, Any]

HERE = Path(__file__).parent
WHOLE, LOOP = "whole", "plain_loop"
ADDED, WITH_USAGE = "accumulated", "accumulated_with_usage"
# The ways in which each client asks; ``llm`` asks for the usage of every stream.
WAYS = {
    "with_openai.py": (WHOLE, LOOP, ADDED, WITH_USAGE),
    "with_openai.mjs": (WHOLE, LOOP, ADDED, WITH_USAGE),
    "with_litellm.py": (WHOLE, LOOP, ADDED, WITH_USAGE),
    "with_langchain.py": (WHOLE, ADDED, WITH_USAGE),
    "with_ai_sdk.mjs": (WHOLE, ADDED, WITH_USAGE),
    "with_llm.py": (WHOLE, WITH_USAGE),
}
STYLE = "Paint like a pirate."
TELLS_USAGE = (WHOLE, WITH_USAGE)
# It keeps the usage of the last chunk alone. On hosts from here on that is the one with
# which the host closes the stream, after ours; a loop over the chunks does see it.
MISSES_USAGE = ("with_openai.py", WITH_USAGE)
HOST_CLOSES_STREAMS = (0, 9)
each_way = pytest.mark.parametrize(
    ("script", "way"),
    [(script, way) for script, ways in WAYS.items() for way in ways],
)


class Conversation(NamedTuple):
    """What is asked, one turn after the other, and how many pictures each brings."""

    prompts: tuple[str, ...]
    pictures: tuple[int, ...]


CONVERSATIONS = [
    pytest.param(Conversation(("a red fox --n 2",), (2,)), id="two pictures"),
    pytest.param(Conversation(("a red fox", "make it blue"), (1, 1)), id="an edit"),
]


def answers(who: Client, script: str, way: str, *prompts: str) -> list[Json]:
    told = {"model": plugin.AUTO_MODEL, "way": way, "system": STYLE, "prompts": prompts}
    found: list[Json] = programs.run(HERE / script, f"{who.url}/api", who.token, told)
    assert len(found) == len(prompts)
    for answer in found:
        assert answer["finish"] == "stop"
        assert answer["model"] == plugin.AUTO_MODEL
        assert answer.get("role", "assistant") == "assistant"  # where a client tells it
    return found


@each_way
@pytest.mark.parametrize("conversation", CONVERSATIONS)
def test_it_gets_its_pictures(
    on: WatchedHost, program: Client, script: str, way: str, conversation: Conversation
) -> None:
    found = answers(program, script, way, *conversation.prompts)
    pictures = [pictures_of(program, answer["content"]) for answer in found]
    assert tuple(map(len, pictures)) == conversation.pictures
    digests = [picture.digest for those in pictures for picture in those]
    assert sorted(digests) == sorted(sent(on.google))  # of several, any comes first
    assert received(on.google) == digests[: len(found) - 1]
    assert STYLE in str(drawings(on.google)[-1]["body"]["systemInstruction"])
    is_lost = on.version >= HOST_CLOSES_STREAMS and (script, way) == MISSES_USAGE
    for answer in found:
        assert_tells_usage(answer, way in TELLS_USAGE and not is_lost)


@each_way
def test_it_reads_what_failed(
    on: WatchedHost, program: Client, script: str, way: str
) -> None:
    [answer] = answers(program, script, way, "a fox [[429 zero]]")
    begins = "> ⚠️ **The project of the API key has no quota"
    assert answer["content"].startswith(begins)
    assert sent(on.google) == []


def test_a_session_s_token_does_as_well_as_a_key(on: WatchedHost) -> None:
    [answer] = answers(on.user, "with_openai.py", LOOP, "a red fox")
    [picture] = pictures_of(on.user, answer["content"])
    assert [picture.digest] == sent(on.google)


def test_pictures_are_only_for_those_who_may_see_them(
    on: WatchedHost, program: Client
) -> None:
    [answer] = answers(program, "with_openai.py", WHOLE, "a red fox")
    [link] = picture_links(answer["content"])
    path = link.removeprefix(program.url)
    assert program.fetch(path).ok
    for headers in ({}, {"Authorization": "Bearer sk-of-nobody"}):
        refused = requests.get(f"{program.url}{path}", headers=headers, timeout=30)
        assert refused.status_code in (401, 403)
    assert not on.second_user.fetch(path).ok


def assert_tells_usage(answer: Json, is_told: bool) -> None:
    """Who has asked for it gets it, and nobody else."""
    if is_told:
        assert min(answer["tokens"]) > 0
    else:
        assert answer.get("tokens") is None
