"""At the page of each version: an unfinished answer goes on in a paragraph of its own."""

from __future__ import annotations

import pytest

from dev.host import plugin
from dev.host.browser import ChatPage, open_browser
from dev.host.gateway import PICTURE, Reply, event, open_gateway
from dev.host.watched import WatchedHost, supported_kinds

MORE = [event({"text": "# Heading"}), event(PICTURE, finishReason="STOP")]
WITHIN = "#messages-container blockquote img, #messages-container pre img"
FAILED = Reply([b'{"error": {"code": 400, "message": "No."}}'], 400)
OPEN_CODE = Reply([event({"text": "```py\nx = 1"}, finishReason="STOP")])


# It does not hand the unfinished answer over, so nothing tells that there is one.
KINDS = [kind for kind in supported_kinds() if kind.version != "0.8.12"]


@pytest.mark.parametrize("watched", KINDS, indirect=True, ids=str)
def test_an_answer_goes_on_apart_from_what_was_there(on: WatchedHost) -> None:
    before = on.admin.valves(plugin.FUNCTION_ID)
    with open_gateway() as gateway, open_browser() as browser:
        on.admin.set_valves(
            plugin.FUNCTION_ID, GEMINI_API_BASE_URL=gateway.url, MAX_RETRIES=0
        )
        try:
            for first in (FAILED, OPEN_CODE):
                gateway.answer = lambda model, first=first: first
                view = ChatPage(browser, on.user)
                view.open(plugin.AUTO_MODEL)
                view.send("a fox")
                button = view.wait_to_continue()
                gateway.answer = lambda model: Reply(MORE)
                button.click()
                view.wait_for_pictures()
                view.page.get_by_role("heading", name="Heading").wait_for()
                assert view.page.locator(WITHIN).count() == 0
        finally:
            on.admin.replace_valves(plugin.FUNCTION_ID, before)
