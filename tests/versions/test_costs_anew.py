"""What pictures cost, on every host: sums from its own database, ceilings, budgets, and
the question at the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from dev.console import Failure
from dev.host import plugin
from dev.host.browser import ChatPage, open_browser
from dev.host.client import content_of
from dev.host.pictures import drawn
from dev.host.spending import check_sums_of_many, told
from dev.host.traffic import drawings
from dev.host.watched import WatchedHost
from dev.waiting import wait_until

NB = f"{plugin.FUNCTION_ID}.gemini-nano-banana-2.1"
PRO = f"{plugin.FUNCTION_ID}.gemini-3-pro-image"
PRICE = 0.0336
NOT_ANSWERED = "was not answered within a minute"


@pytest.fixture(autouse=True)
def as_before(on: WatchedHost) -> Iterator[None]:
    """Settings and source of the plugin are those of before when a test is over."""
    before = on.admin.valves(plugin.FUNCTION_ID)
    form = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    yield
    on.admin.update_function(plugin.FUNCTION_ID, form)
    on.admin.replace_valves(plugin.FUNCTION_ID, before)


def begin_anew(on: WatchedHost, old: str = "", new: str = "") -> None:
    """Load the plugin again: what a worker remembers is gone, as after a restart."""
    form = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    assert old in form["content"]
    content = form["content"].replace(old, new) if old else form["content"] + "\n#\n"
    on.admin.update_function(plugin.FUNCTION_ID, {**form, "content": content})
    # Some hosts load it once more for each of the first requests that come at once, and
    # each time it knows of its own alone.
    told(on.user, NB)


def budget_for(on: WatchedHost, pictures: float) -> None:
    """Set what the user has spent today, and so many pictures more, as the budget."""
    usd = told(on.user, NB).usd + pictures * PRICE + 0.01
    on.admin.set_valves(plugin.FUNCTION_ID, DAILY_BUDGET_USD=usd)


# ── Sums and budgets ─────────────────────────────────────────────────────────────────


def test_another_worker_knows_what_was_spent(on: WatchedHost) -> None:
    before = told(on.user, NB)
    on.user.new_chat(NB).ask("a fox")
    on.user.complete(NB, "a cat --n 2")
    begin_anew(on)
    after = told(on.user, NB)
    assert after.pictures == before.pictures + 3
    assert after.usd == pytest.approx(before.usd + 3 * PRICE, abs=0.01)
    assert told(on.second_user, NB).pictures == 0


def test_a_budget_ends_in_the_middle_of_a_prompt(on: WatchedHost) -> None:
    budget_for(on, pictures=2)
    begin_anew(on)
    answer = on.user.new_chat(NB).ask("a fox --n 4")
    assert len(drawings(on.google)) == len(answer.picture_links) == 2
    assert "Only 2 of 4 pictures" in answer.content
    answer = on.user.new_chat(NB).ask("a fox")
    assert "Your budget for pictures" in answer.content
    assert len(drawings(on.google)) == 2


def test_of_twenty_at_the_edge_one_gets_by(on: WatchedHost) -> None:
    budget_for(on, pictures=1)
    begin_anew(on)
    with ThreadPoolExecutor(20) as clients:
        answers = clients.map(lambda n: on.user.complete(NB, f"fox {n}"), range(20))
        said = list(map(content_of, answers))
    assert sum("![" in one for one in said) == len(drawings(on.google)) == 1
    assert sum("Your budget" in one for one in said) == 19


def test_who_deletes_a_picture_gets_nothing_back(on: WatchedHost) -> None:
    before = told(on.user, NB).pictures
    answer = on.user.new_chat(NB).ask("a fox")
    [link] = answer.picture_links
    on.user.request("DELETE", f"/api/v1/files/{link.split('/')[-2]}")
    assert told(on.user, NB).pictures == before + 1


FORGED: list[dict[str, Any]] = [
    {"spent": "server 00000000 -00000009"},
    {"spent": "server 00000000 99999999999"},
    {"spent": "server 00000000 0.1e99999"},
    {"spent": "server 00000000 \u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000"},
    {"spent": "server 00000000 NaNNaNNaN"},
    {"spent": "server", "gemini_image": {"spent": None, "price": -5}},
    {"spent": 5, "x": "\ud800"},
    {"spent": [1], "x": float("nan")},
    {"spent": {"spent": "server"}, "x": '"spent":"server 00000000 -00000009'},
]


def test_forged_records_count_as_nothing_and_stop_no_sum(on: WatchedHost) -> None:
    on.user.complete(NB, "a fox")
    before = told(on.user, NB)
    uploaded = 0
    for forged in FORGED:
        files = {"file": ("forged.png", drawn("PNG", "red"), "image/png")}
        form = {"metadata": json.dumps(forged)}
        with suppress(Failure):  # some hosts break off
            path = "/api/v1/files/?process=false"
            on.user.request("POST", path, files=files, data=form)
            uploaded += 1
    assert uploaded >= 5, "a host may refuse some"
    begin_anew(on)
    assert told(on.user, NB) == before


def test_ten_thousand_files_take_a_sum_no_longer_than_the_host_twice(
    on: WatchedHost,
) -> None:
    check_sums_of_many(on.admin)


def test_ceilings_and_reserved_models_hold(on: WatchedHost) -> None:
    ceilings: dict[str, Any] = {"MAX_IMAGE_SIZE": "2K", "MAX_IMAGES_PER_PROMPT": 2}
    on.admin.set_valves(plugin.FUNCTION_ID, ADMIN_ONLY_MODELS="*pro*", **ceilings)
    said = content_of(on.user.complete(NB, "a fox --n 4", size="4096x4096"))
    assert said.count("![") == 2 and "2K at most" in said
    configs = [request["body"]["generationConfig"] for request in drawings(on.google)]
    assert [c["imageConfig"]["imageSize"] for c in configs] == ["2K", "2K"]
    assert "Only administrators" in content_of(on.user.complete(PRO, "a fox"))
    assert "![" in content_of(on.admin.complete(PRO, "a fox"))


# ── The question at the page ─────────────────────────────────────────────────────────


@pytest.fixture
def page(on: WatchedHost) -> Iterator[ChatPage]:
    """The user at a new chat, where one picture is expensive."""
    on.admin.set_valves(plugin.FUNCTION_ID, CONFIRM_ABOVE_USD=0.01)
    with open_browser() as browser:
        opened = ChatPage(browser, on.user)
        opened.open(NB)
        opened.send("a red fox")
        opened.page.get_by_text("This costs about $0.03").wait_for()
        assert not drawings(on.google)
        yield opened


def test_yes_makes_the_picture(on: WatchedHost, page: ChatPage) -> None:
    page.page.get_by_role("button", name="Confirm").click()
    assert page.wait_for_pictures()
    assert len(drawings(on.google)) == 1


def test_no_costs_nothing(on: WatchedHost, page: ChatPage) -> None:
    page.page.get_by_role("button", name="Cancel").click()
    page.page.get_by_text("as you chose, and nothing was spent").wait_for()
    assert not drawings(on.google)


def test_stop_while_asked_costs_nothing(on: WatchedHost, page: ChatPage) -> None:
    wait_until(lambda: "/c/" in page.page.url, "an address of the chat")
    chat = on.user.open_chat(page.chat_id, NB)
    chat.tasks = on.user.running_tasks(chat.id)
    assert chat.tasks
    chat.stop()
    wait_until(lambda: not on.user.running_tasks(chat.id), "an end of the answer")
    assert not drawings(on.google)


def test_no_answer_costs_nothing(on: WatchedHost) -> None:
    begin_anew(on, "QUESTION_TIMEOUT = 60.0", "QUESTION_TIMEOUT = 3.0")
    on.admin.set_valves(plugin.FUNCTION_ID, CONFIRM_ABOVE_USD=0.01)
    with open_browser() as browser:
        page = ChatPage(browser, on.user)
        page.open(NB)
        page.send("a red fox")
        page.page.get_by_text(NOT_ANSWERED).wait_for()
    assert not drawings(on.google)
    assert "![" in content_of(on.user.complete(NB, "a fox")), "programs are not asked"
