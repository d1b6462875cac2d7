"""On a real host: an unfinished answer goes on in a paragraph of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.gateway import PICTURE, Gateway, Reply, event, open_gateway

DONE = event(PICTURE, finishReason="STOP")
_number = itertools.count()


@pytest.fixture(scope="module")
def running() -> Iterator[Gateway]:
    with open_gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, valves: Any) -> Gateway:
    running.reset()
    url = f"{running.url}/{next(_number)}"
    valves(GEMINI_API_BASE_URL=url, GEMINI_API_KEY="a-key-of-nobody", MAX_RETRIES=0)
    return running


def failed() -> Reply:
    return Reply([b'{"error": {"code": 400, "message": "No."}}'], 400)


UNFINISHED: dict[str, tuple[str, list[bytes] | None, int]] = {
    "a failure": ("a fox", None, 0),
    "two pictures": ("a fox --n 2", [DONE], 2),
    "words": ("a fox", [event({"text": "It is a fox"}, finishReason="STOP")], 0),
    "open code": ("a fox", [event({"text": "```py\nx = 1"}, finishReason="STOP")], 0),
}
CELLS = "#messages-container table img[src*='/api/v1/files/']"
QUOTED = "#messages-container blockquote img, #messages-container pre img"


@pytest.mark.parametrize("name", UNFINISHED)
def test_what_goes_on_is_apart_from_what_was_there(
    user_page: ChatPage, gateway: Gateway, name: str
) -> None:
    prompt, first, pictures = UNFINISHED[name]
    gateway.answer = lambda model: Reply(first) if first else failed()
    user_page.open(plugin.AUTO_MODEL)
    user_page.send(prompt)
    button = user_page.wait_to_continue()
    gateway.answer = lambda model: Reply([event({"text": "# Heading"}), DONE])
    more = 2 if pictures else 1
    button.click()
    user_page.wait_for_pictures(pictures + more)
    shown = user_page.page.locator("#messages-container")
    shown.get_by_role("heading", name="Heading").wait_for()
    assert user_page.pictures.count() == pictures + more
    assert user_page.page.locator(QUOTED).count() == 0
    assert user_page.page.locator(CELLS).count() == pictures + (more if pictures else 0)
    assert "| |" not in shown.inner_text()
