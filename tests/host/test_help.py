"""On a real host: `--help`, and what the page offers below an answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.channel import Channel, open_channel
from dev.host.client import Client, content_of, text_of
from dev.host.traffic import drawings, texts
from dev.standin import StandInProcess
from dev.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

FOX = "a red fox in the snow"


@pytest.fixture
def chinese_page(browser: Browser, user: Client) -> ChatPage:
    """The ordinary user at a browser whose language is Chinese."""
    return ChatPage(browser, user, locale="zh-CN")


@pytest.fixture
def channel(admin: Client, user: Client, google: StandInProcess) -> Iterator[Channel]:
    """A channel with one member."""
    with open_channel(admin, [user]) as opened:
        yield opened


def test_a_suggestion_that_is_clicked_becomes_its_picture(
    user_page: ChatPage, google: StandInProcess
) -> None:
    page = user_page.page
    user_page.open(plugin.AUTO_MODEL)
    user_page.send(FOX)
    user_page.wait_for_pictures()
    wide = page.get_by_role("button", name="The same, wide --ar 16:9")
    wide.wait_for()
    user_page.scroll_to_end()
    user_page.screenshot("suggestions")
    wide.click()
    user_page.wait_for_pictures(2)
    page.get_by_role("button", name=re.compile("--ar 9:16")).wait_for()
    assert page.get_by_role("button", name=re.compile("--ar 16:9")).count() == 0
    assert len(drawings(google)) == 2
    asked = drawings(google)[-1]["body"]
    assert asked["generationConfig"]["imageConfig"]["aspectRatio"] == "16:9"
    assert texts(google)[-1] == "The same, wide"


def test_nothing_is_suggested_below_a_failure(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    tasks = {"follow_up_generation": True, "title_generation": True}
    answer = chat.ask(f"{FOX} [[status 400]]", background_tasks=tasks)

    def titled() -> bool:  # the task behind the suggestions
        return bool(user.get(f"/api/v1/chats/{chat.id}")["title"].startswith("a red"))

    wait_until(titled, "the title")
    saved = user.get(f"/api/v1/chats/{chat.id}")["chat"]["history"]["messages"]
    assert "⚠️" in answer.content
    assert [m.get("followUps") or [] for m in saved.values()] == [[], []]


def test_help_at_the_page_of_a_new_chat(
    user_page: ChatPage, google: StandInProcess
) -> None:
    user_page.open(plugin.AUTO_MODEL)
    user_page.send("--help")
    user_page.page.get_by_text("Picture size", exact=False).first.wait_for()
    user_page.page.get_by_text(f"{FOX} --size 2K").wait_for()
    user_page.screenshot("help")
    user_page.page.set_viewport_size({"width": 390, "height": 844})
    user_page.page.reload()
    user_page.page.get_by_text(f"{FOX} --size 2K").wait_for()
    user_page.screenshot("help-phone")
    assert drawings(google) == []


def test_help_and_suggestions_in_the_language_of_the_page(
    chinese_page: ChatPage, google: StandInProcess
) -> None:
    page = chinese_page.page
    chinese_page.open(plugin.AUTO_MODEL)
    chinese_page.send("一只红狐狸--n 2 --ar 16:9")
    chinese_page.wait_for_pictures(2)
    assert texts(google) == ["一只红狐狸"] and len(drawings(google)) == 2
    page.get_by_role("button", name="同样的画面，竖幅 --ar 9:16").wait_for()
    chinese_page.scroll_to_end()
    chinese_page.screenshot("suggestions-zh")
    page.wait_for_function("document.title.includes('一只红狐狸')")
    assert "--" not in page.title() and "16" not in page.title()
    chinese_page.send("——帮助")
    page.get_by_text("雪地里的红狐狸 --size 2K").wait_for()
    chinese_page.screenshot("help-zh")
    assert len(drawings(google)) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_help_for_programs(user: Client, google: StandInProcess, stream: bool) -> None:
    if stream:
        text = text_of(user.stream(plugin.AUTO_MODEL, "--help"))
    else:
        text = content_of(user.complete(plugin.AUTO_MODEL, "--help"))
    assert "--ar" in text and "`gemini-nano-banana-2.1`" in text
    assert drawings(google) == []


def test_help_in_a_channel(
    channel: Channel, user: Client, google: StandInProcess
) -> None:
    assert "--size 2K" in channel.ask(user, "--help")
    assert drawings(google) == []
