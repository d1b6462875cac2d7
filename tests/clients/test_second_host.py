"""Another Open WebUI has one of the first one's models by a connection to its API.

The connection names the model: of a list that it fetched, a host would take the models
of functions for its own functions'.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from dev.host import people, plugin
from dev.host.client import Client, content_of
from dev.host.pictures import pictures_of
from dev.host.server import Host
from dev.host.traffic import drawings, received, sent
from dev.host.watched import WatchedHost
from dev.waiting import wait_until

PROMPT = "a red fox in the snow"
TASKS = {"title_generation": True, "tags_generation": True}


@pytest.fixture(scope="module")
def beyond(program: Client) -> Iterator[Client]:
    """The administrator of an Open WebUI that is connected to the host."""
    connection = {
        "ENABLE_OPENAI_API": True,
        "OPENAI_API_BASE_URLS": [f"{program.url}/api"],
        "OPENAI_API_KEYS": [program.token],
        "OPENAI_API_CONFIGS": {"0": {"model_ids": [plugin.AUTO_MODEL]}},
    }
    with Host() as host:
        client = Client.sign_up(host.url, people.ADMIN)
        client.post("/openai/config/update", connection)
        yield client


def test_it_shows_and_changes_a_picture(
    on: WatchedHost, program: Client, beyond: Client
) -> None:
    assert [model["id"] for model in beyond.models()] == [plugin.AUTO_MODEL]
    chat = beyond.new_chat(plugin.AUTO_MODEL)
    pictures = [
        picture.digest
        for prompt in (PROMPT, "make it blue")
        for picture in pictures_of(program, chat.ask(prompt))
    ]
    assert pictures == sent(on.google)
    assert received(on.google) == pictures[:1]


def test_its_tasks_cost_nothing(on: WatchedHost, beyond: Client) -> None:
    """They arrive as questions like any other, without the names of their tasks."""
    chat = beyond.new_chat(plugin.AUTO_MODEL)
    chat.ask(PROMPT, background_tasks=TASKS)

    def is_titled() -> bool:
        title = beyond.get(f"/api/v1/chats/{chat.id}")["title"]
        return bool(title == PROMPT)

    wait_until(is_titled, "the title")
    for task in ("title", "tags", "follow_up", "queries"):
        form = {"model": plugin.AUTO_MODEL, "chat_id": chat.id, "type": "web_search"}
        form["messages"] = [{"role": "user", "content": PROMPT}]
        path = f"/api/v1/tasks/{task}/completions"
        assert json.loads(content_of(beyond.post(path, form)))
    assert len(drawings(on.google)) == 1
