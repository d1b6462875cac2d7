"""Two hosts and three processes, and nothing that only one of them knows.

A chat, its pictures, the plugin and its settings are the same wherever a request
arrives; Stop reaches it wherever it runs; and when a host dies, it takes nothing along
but the request that it was working on.
"""

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from dev.host import plugin
from dev.host.client import Answer, Client, Json, picture_links
from dev.host.cluster import Cluster, Seat
from dev.host.pictures import digest, drawn, pictures_of
from dev.host.stopping import when_closed
from dev.host.traffic import (
    assert_hung_up,
    digests_in,
    drawings,
    now,
    received,
    sent,
    under_way,
)
from dev.standin import StandInProcess

in_a_folder = pytest.mark.parametrize("cluster", ["shared folder"], indirect=True)
in_s3 = pytest.mark.parametrize("cluster", ["S3"], indirect=True)

# A chat's row with a few turns; a picture alone would have 50,000 characters.
SMALL = 15_000
HISTORY_IMAGES = 4
PRO = f"{plugin.FUNCTION_ID}.gemini-3-pro-image"
PUBLIC_ADDRESS = "https://pictures.example.org"


def stored_digest(client: Client, answer: Answer) -> str:
    """The digest of an answer's only picture, as that user gets it."""
    [picture] = pictures_of(client, answer)
    return picture.digest


# ── Pictures and chats ───────────────────────────────────────────────────────────────


def test_a_picture_made_at_one_host_is_edited_at_the_other(
    user: Client, user_at_b: Client, google: StandInProcess
) -> None:
    at_a = user.new_chat(plugin.AUTO_MODEL)
    first = at_a.ask("a red fox")
    at_b = user_at_b.open_chat(at_a.id, plugin.AUTO_MODEL)
    second = at_b.ask("make it blue")
    fox, blue = sent(google)
    assert [digests_in(r) for r in drawings(google)] == [[], [fox]]
    for client in (user, user_at_b):
        assert stored_digest(client, first) == fox
        assert stored_digest(client, second) == blue


def test_an_attached_picture_is_there_at_the_other_host(
    user: Client, user_at_b: Client, google: StandInProcess
) -> None:
    photo = drawn("PNG", "brown")
    uploaded = user.upload("dog.png", "image/png", photo)
    answer = user_at_b.new_chat(plugin.AUTO_MODEL).ask("in the snow", [uploaded])
    assert len(answer.picture_links) == 1
    [sent] = digests_in(drawings(google)[0])
    assert sent == digest(photo)


def test_the_database_holds_links_and_no_pictures(
    cluster: Cluster, user: Client, user_at_b: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    chat.ask("a red fox")
    user_at_b.open_chat(chat.id, plugin.AUTO_MODEL).ask("make it blue")
    row = f"select length(chat::text) from chat where id = '{chat.id}'"
    messages = "select coalesce(sum(length(m::text)), 0) from chat_message m"
    messages += f" where chat_id = '{chat.id}'"
    assert 0 < int(cluster.database.query(row)) < SMALL
    assert int(cluster.database.query(messages)) < SMALL


def test_a_picture_s_name_and_price_are_known_everywhere(
    cluster: Cluster, user: Client, user_at_b: Client
) -> None:
    """Names of any script, and prices as a report of an administrator's sums them."""
    [link] = user.new_chat(plugin.AUTO_MODEL).ask("Eine Füchsin: 狐狸").picture_links
    name = quote("eine-füchsin-狐狸.jpg")
    header = user_at_b.fetch(link).headers["content-disposition"]
    assert header == f"attachment; filename*=UTF-8''{name}"
    file_id = link.split("/")[-2]
    price = "select (meta->'gemini_image'->>'price')::float from file"
    price += f" where id = '{file_id}' and user_id = '{user.user_id}'"
    assert 0 < float(cluster.database.query(price)) < 1


def test_nothing_is_sticky(seats: list[Seat], google: StandInProcess) -> None:
    chat_id = ""
    for turn, seat in zip(range(10), itertools.cycle(seats)):
        client = seat.client()
        if chat_id:
            chat = client.open_chat(chat_id, plugin.AUTO_MODEL)
        else:
            chat = client.new_chat(plugin.AUTO_MODEL)
        answer = chat.ask(f"fox number {turn}")
        chat_id = chat.id
        made = sent(google)
        assert stored_digest(client, answer) == made[turn], seat.name
        assert not answer.error
        earlier = digests_in(drawings(google)[turn])
        assert earlier == made[max(0, turn - HISTORY_IMAGES) : turn]


def test_an_api_client_may_bring_the_link_to_another_host(
    user: Client, user_at_b: Client, google: StandInProcess, public_address: str
) -> None:
    question = {"role": "user", "content": "a red fox"}
    first = user.complete(plugin.AUTO_MODEL, [question])["choices"][0]["message"]
    [link] = picture_links(first["content"])
    assert link.startswith(public_address)
    messages = [question, first, {"role": "user", "content": "make it blue"}]
    user_at_b.complete(plugin.AUTO_MODEL, messages)
    fox, _ = sent(google)
    assert received(google) == [fox]


# ── The plugin and its settings ──────────────────────────────────────────────────────


def test_an_update_at_one_host_serves_everywhere(
    admin: Client, seats: list[Seat], google: StandInProcess, function: Json
) -> None:
    for seat in seats:
        assert "is making the picture" in first_status(seat), seat.name
    old = "is making the picture"
    assert function["content"].count(old) == 1
    content = function["content"].replace(old, "paints the picture")
    admin.update_function(plugin.FUNCTION_ID, {**function, "content": content})
    for seat in seats:
        assert "paints" in first_status(seat), seat.name


def first_status(seat: Seat) -> str:
    """The first line of progress of a new picture."""
    answer = seat.client().new_chat(plugin.AUTO_MODEL).ask("a red fox")
    assert len(answer.picture_links) == 1
    return str(answer.statuses[0]["description"])


def test_a_setting_changed_at_one_host_holds_everywhere(
    seats: list[Seat], google: StandInProcess, valves: Any
) -> None:
    for seat in seats:
        assert PRO in ids(seat.client()), seat.name
    valves(MODELS="gemini-2.5-flash-image", HISTORY_IMAGES=0)
    for seat in seats:
        assert PRO not in ids(seat.client()), seat.name
        chat = seat.client().new_chat(plugin.AUTO_MODEL)
        chat.ask("a red fox")
        chat.ask("make it blue")
        assert drawings(google)[-1]["model"] == "gemini-2.5-flash-image", seat.name
        assert drawings(google)[-1]["images"] == [], seat.name


def ids(client: Client) -> set[str]:
    """The ids of the plugin's models."""
    return {model["id"] for model in client.models(prefix=f"{plugin.FUNCTION_ID}.")}


def test_a_key_taken_away_at_one_host_is_gone_everywhere(
    seats: list[Seat], google: StandInProcess, valves: Any
) -> None:
    valves(GEMINI_API_KEY="")
    for seat in seats:
        answer = seat.client().new_chat(plugin.AUTO_MODEL).ask("a red fox")
        assert "No Gemini API key" in answer.content, seat.name


# ── Stop, and the end of a host ──────────────────────────────────────────────────────


@pytest.mark.parametrize("runs, stops", [(0, 1), (1, 2), (2, 0)])
def test_stop_reaches_a_request_wherever_it_runs(
    seats: list[Seat], google: StandInProcess, runs: int, stops: int
) -> None:
    chat = seats[runs].client().new_chat(plugin.AUTO_MODEL)
    message_id = chat.send("a red fox [[wait 30]]")
    under_way(google, 1)
    elsewhere = seats[stops].client().open_chat(chat.id, plugin.AUTO_MODEL)
    since = now()
    elsewhere.stop()
    assert_hung_up(google, since)
    when_closed(elsewhere, message_id)
    answer = elsewhere.ask("and now a cat")
    assert len(pictures_of(elsewhere.client, answer)) == 1


def test_a_host_that_dies_takes_nothing_along(
    cluster: Cluster,
    user: Client,
    user_at_b: Client,
    google: StandInProcess,
    a_again: None,
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    first = chat.ask("a red fox")
    second = chat.ask("make it blue")
    lost = chat.send("make it green [[wait 30]]")
    under_way(google, 3)
    since = now()
    cluster.a.stop(hard=True)
    assert_hung_up(google, since)
    fox, blue = sent(google)
    assert stored_digest(user_at_b, first) == fox
    assert stored_digest(user_at_b, second) == blue
    at_b = user_at_b.open_chat(chat.id, plugin.AUTO_MODEL)
    assert not at_b.answer(lost).is_done
    answer = at_b.ask("and now make it yellow")
    assert not answer.error
    assert received(google) == [fox, blue]
    assert stored_digest(user_at_b, answer) == sent(google)[-1]


# ── S3 that goes away ────────────────────────────────────────────────────────────────


@in_s3
def test_without_its_storage_a_chat_goes_on(
    cluster: Cluster, user: Client, user_at_b: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    first = chat.ask("a red fox")
    cluster.store.close()
    try:
        inline = chat.ask("make it blue")
    finally:
        cluster.store.open()
    fox, blue = sent(google)
    assert not inline.error and "⚠️" not in inline.content
    assert "](data:image/jpeg;base64," in inline.content
    assert inline.content.count("> ℹ️") == 2
    assert "could not store" in inline.content
    assert "left out" in inline.content
    assert drawings(google)[-1]["images"] == []
    at_b = user_at_b.open_chat(chat.id, plugin.AUTO_MODEL)
    answer = at_b.ask("and now make it green")
    assert received(google) == [fox, blue]
    assert "ℹ️" not in answer.content
    assert len(answer.picture_links) == 1
    assert stored_digest(user_at_b, first) == fox


# ── What some tests need ─────────────────────────────────────────────────────────────


@pytest.fixture
def function(admin: Client) -> Iterator[Json]:
    """The plugin as it is on the hosts, and afterwards again."""
    whole = admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    before = {key: whole[key] for key in ("id", "name", "content", "meta")}
    yield before
    admin.update_function(plugin.FUNCTION_ID, before)


@pytest.fixture
def public_address(admin: Client) -> Iterator[str]:
    """The address under which a load balancer would show both hosts."""
    path = "/api/v1/auths/admin/config"
    before = admin.get(path)
    admin.post(path, {**before, "WEBUI_URL": PUBLIC_ADDRESS})
    yield PUBLIC_ADDRESS
    admin.post(path, before)


@pytest.fixture
def a_again(cluster: Cluster) -> Iterator[None]:
    """A test may end A: for the others it is started anew."""
    yield
    cluster.a.stop()
    cluster.a.start()
