"""Stop on a real host: at once, for good, and without a trace.

Whatever a request is doing, Stop ends its connections, sends nothing more, and closes
the status line; the chat goes on with the next message. The same holds for an API
client that goes away, and for a host that is killed.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dev.host import people, plugin
from dev.host.client import Answer, Chat, Client, Json, wait_for
from dev.host.pictures import pictures_of
from dev.host.server import Host
from dev.standin import StandInProcess

# A second is promised; test machines are noisy.
AT_ONCE_S = 1.5
# Longer than the pauses in front of the first and the second next try.
LONG_ENOUGH_S = 3.0


def drawings(google: StandInProcess) -> list[Json]:
    """The requests for pictures, oldest first."""
    return [r for r in google.requests() if r["method"] == "POST"]


def arrived(google: StandInProcess, count: int) -> None:
    """Wait until so many requests have come."""

    def are_there() -> bool | None:
        return len(drawings(google)) >= count or None

    wait_for(are_there, f"request number {count}", 15)


def under_way(google: StandInProcess, count: int) -> None:
    """Wait until so many requests have come and none is answered completely."""
    arrived(google, count)
    assert all(r["finished"] is None for r in drawings(google))


def in_a_pause(google: StandInProcess, count: int) -> None:
    """Wait until so many requests have failed and the next one is waited for."""
    arrived(google, count)

    def have_failed() -> bool | None:
        return all(r["finished"] for r in drawings(google)) or None

    wait_for(have_failed, "the failure", 5)


def in_the_body(google: StandInProcess, count: int) -> None:
    """Wait until so many answers have begun."""
    under_way(google, count)

    def have_begun() -> bool | None:
        return all(r["status"] == 200 for r in drawings(google)) or None

    wait_for(have_begun, "the head of the answer", 5)
    time.sleep(0.3)  # some of the body as well


def assert_hung_up(google: StandInProcess, since: float) -> None:
    """Every connection is closed by the host's side, a second after `since`."""

    def all_gone() -> bool | None:
        return all(r["disconnected"] for r in drawings(google)) or None

    wait_for(all_gone, "the end of all connections", since + AT_ONCE_S - time.time())
    for request in drawings(google):
        assert request["finished"] - since < AT_ONCE_S


def assert_nothing_follows(google: StandInProcess) -> None:
    before = len(drawings(google))
    time.sleep(LONG_ENOUGH_S)
    assert len(drawings(google)) == before


def stopped(chat: Chat, message_id: str) -> tuple[float, Answer]:
    """Press Stop; when that was, and what the chat then holds."""
    since = time.time()
    chat.stop()
    answer = chat.wait(message_id, 5)
    assert time.time() - since < AT_ONCE_S + 1
    return since, closed(chat, message_id, answer)


def closed(chat: Chat, message_id: str, answer: Answer) -> Answer:
    """The answer once its status line is closed, which is saved a moment later."""

    def last() -> Answer | None:
        found = chat.answer(message_id)
        return found if found.statuses and found.statuses[-1]["done"] else None

    return wait_for(last, f"a closing status after {answer.statuses}", 3)


def assert_chat_goes_on(chat: Chat) -> None:
    answer = chat.ask("and now a cat")
    assert len(pictures_of(chat.client, answer)) == 1
    assert answer.statuses[-1]["done"] is True
    assert not answer.error


MOMENTS: dict[str, tuple[str, Callable[[StandInProcess, int], None], int]] = {
    "before the first byte": ("a fox [[wait 30]]", under_way, 1),
    "in a body that trickles": ("a fox [[trickle 30]]", in_the_body, 1),
    "in a body that has stopped": ("a fox [[pause 30]]", in_the_body, 1),
    "in a pause before the next try": ("a fox [[status 503]]", in_a_pause, 1),
    "in the second pause": ("a fox [[status 503]]", in_a_pause, 2),
    "with three at once": ("a fox [[wait 30]]", under_way, 3),
    "with three bodies at once": ("a fox [[trickle 30]]", in_the_body, 3),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_stop_ends_it_at_once_and_for_good(
    user: Client, google: StandInProcess, valves: Any, moment: str
) -> None:
    prompt, wait, count = MOMENTS[moment]
    valves(MAX_RETRIES=3)
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send(prompt, n=1 if wait is in_a_pause else count)
    wait(google, count)
    since, answer = stopped(chat, message_id)
    if wait is not in_a_pause:
        assert_hung_up(google, since)
    assert answer.statuses[-1]["description"] == "Stopped"
    assert_nothing_follows(google)
    assert not user.running_tasks(chat.id)
    assert_chat_goes_on(chat)


def test_a_second_stop_does_no_harm(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send("a fox [[wait 30]]")
    under_way(google, 1)
    chat.stop()
    chat.stop()
    since, _ = stopped(chat, message_id)
    assert_hung_up(google, since)
    chat.stop()
    answer = chat.answer(message_id)
    assert [s["done"] for s in answer.statuses].count(True) == 1
    assert_chat_goes_on(chat)


def test_what_was_there_before_stop_stays(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send("a fox [[say Here it comes.]] [[pause 30]]")
    in_the_body(google, 1)
    _, answer = stopped(chat, message_id)
    assert "Here it comes." in answer.content
    assert "⚠️" not in answer.content


@pytest.mark.parametrize(
    ("prompt", "wait", "count"),
    [
        pytest.param(
            "a fox [[say Here.]] [[pause 30]]", in_the_body, 1, id="in-a-body"
        ),
        pytest.param("a fox [[say Here.]] [[pause 30]]", in_the_body, 3, id="in-three"),
    ],
)
def test_a_streaming_client_that_goes_away_ends_it_too(
    user: Client,
    google: StandInProcess,
    prompt: str,
    wait: Callable[[StandInProcess, int], None],
    count: int,
) -> None:
    events = user.stream(plugin.AUTO_MODEL, prompt, n=count)
    assert isinstance(next(events), dict)
    wait(google, count)
    since = time.time()
    events.close()  # type: ignore[attr-defined]
    assert_hung_up(google, since)
    assert_nothing_follows(google)
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
    under_way_after_the_first(google)
    since = time.time()
    host.stop(hard=hard)
    wait_for(lambda: drawings(google)[-1]["disconnected"] or None, "the hang-up", 3)
    assert drawings(google)[-1]["finished"] - since < AT_ONCE_S
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


def under_way_after_the_first(google: StandInProcess) -> None:
    arrived(google, 2)
    assert drawings(google)[-1]["finished"] is None
