"""Stop on a real host: at once, for good, and without a trace.

Whatever a request is doing, Stop ends its connections, sends nothing more, and closes
the status line; the chat goes on with the next message. The same holds for an API
client that goes away, and for a host that is killed.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.host import people, plugin
from dev.host.client import Chat, Client
from dev.host.pictures import pictures_of
from dev.host.probe import Probe
from dev.host.server import Host
from dev.host.stopping import STOPPED, press_stop
from dev.host.traffic import (
    ANSWER_S,
    all_have_begun,
    all_have_failed,
    assert_hung_up,
    drawings,
    now,
    under_way,
)
from dev.standin import StandInProcess


def assert_chat_goes_on(chat: Chat) -> None:
    answer = chat.ask("and now a cat")
    assert len(pictures_of(chat.client, answer)) == 1
    assert answer.statuses[-1]["done"] is True
    assert not answer.error


MOMENTS: dict[str, tuple[str, Callable[[StandInProcess, int], None], int]] = {
    "before the first byte": ("a fox [[wait 30]]", under_way, 1),
    "in a body that trickles": ("a fox [[trickle 30]]", all_have_begun, 1),
    "in a body that has stopped": ("a fox [[pause 30]]", all_have_begun, 1),
    "in a pause before the next try": ("a fox [[status 503]]", all_have_failed, 1),
    "in the second pause": ("a fox [[status 503]]", all_have_failed, 2),
    "with three at once": ("a fox [[wait 30]]", under_way, 3),
    "with three bodies at once": ("a fox [[trickle 30]]", all_have_begun, 3),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_stop_ends_it_at_once_and_for_good(
    user: Client, google: StandInProcess, valves: Any, probe: Probe, moment: str
) -> None:
    prompt, wait, count = MOMENTS[moment]
    valves(MAX_RETRIES=3)
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send(prompt, n=1 if wait is all_have_failed else count)
    wait(google, count)
    before = len(drawings(google))
    since = now()
    answer = press_stop(chat, message_id)
    assert_hung_up(google, since)
    assert answer.statuses[-1]["description"] == STOPPED
    probe.wait_for_rest()
    assert len(drawings(google)) == before, "nothing follows"
    assert_chat_goes_on(chat)


def test_a_second_stop_does_no_harm(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send("a fox [[wait 30]]")
    under_way(google, 1)
    since = now()
    chat.stop()
    chat.stop()
    press_stop(chat, message_id)
    assert_hung_up(google, since)
    chat.stop()
    answer = chat.answer(message_id)
    assert [s["done"] for s in answer.statuses].count(True) == 1
    assert_chat_goes_on(chat)


def test_what_was_there_before_stop_stays(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send("a fox [[say Here it comes.]] [[pause 30]]")
    all_have_begun(google, 1)
    answer = press_stop(chat, message_id)
    assert "Here it comes." in answer.content
    assert "⚠️" not in answer.content


@pytest.mark.parametrize(
    ("prompt", "wait", "count"),
    [
        pytest.param(
            "a fox [[say Here.]] [[pause 30]]", all_have_begun, 1, id="in-a-body"
        ),
        pytest.param(
            "a fox [[say Here.]] [[pause 30]]", all_have_begun, 3, id="in-three"
        ),
    ],
)
def test_a_streaming_client_that_goes_away_ends_it_too(
    user: Client,
    google: StandInProcess,
    probe: Probe,
    prompt: str,
    wait: Callable[[StandInProcess, int], None],
    count: int,
) -> None:
    events = user.stream(plugin.AUTO_MODEL, prompt, n=count)
    assert isinstance(next(events), dict)
    wait(google, count)
    before = len(drawings(google))
    since = now()
    events.close()  # type: ignore[attr-defined]
    assert_hung_up(google, since)
    probe.wait_for_rest()
    assert len(drawings(google)) == before, "nothing follows"
    assert user.complete(plugin.AUTO_MODEL, "a cat")["choices"]


# ── A host that is killed ────────────────────────────────────────────────────────────


@pytest.fixture
def mortal(tmp_path: Path, google: StandInProcess) -> Iterator[tuple[Host, Chat]]:
    """A host of one's own, with the plugin, and a chat of its administrator."""
    with Host(data_dir=tmp_path) as own:
        client = Client.sign_up(own.url, people.ADMIN)
        plugin.install(client, google.url)
        yield own, client.new_chat(plugin.AUTO_MODEL)


@pytest.mark.parametrize("hard", [True, False], ids=["killed", "interrupted"])
def test_a_chat_survives_the_end_of_its_host(
    mortal: tuple[Host, Chat], google: StandInProcess, hard: bool
) -> None:
    host, chat = mortal
    assert len(chat.ask("a fox").picture_links) == 1
    unfinished = chat.send("make it red [[wait 30]]")
    under_way(google, 2)
    since = now()
    # Interrupted, it may take its time to close what it has begun.
    host.stop(hard=hard, patience_s=ANSWER_S)
    assert_hung_up(google, since)
    host.start()
    client = Client.sign_in(host.url, people.ADMIN)
    again = client.open_chat(chat.id, plugin.AUTO_MODEL)
    if not hard:
        assert again.answer(unfinished).statuses[-1]["done"] is True
    answer = again.ask("and now make it blue")
    assert len(pictures_of(client, answer)) == 1
    assert answer.statuses[-1]["done"] is True
    last = drawings(google)[-1]
    assert len(last["images"]) == 1, "the picture from before goes along"
