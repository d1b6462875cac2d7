"""A page in Chinese: an administrator's dialogue, a user's, a picture, a failure.

The screenshots are for people, at the width of a desk and of a phone; they need a font
with Chinese signs (Debian's fonts-wqy-microhei).
"""

from __future__ import annotations

import re

from playwright.sync_api import Browser, Locator

from dev.host import plugin
from dev.host.browser import HEIGHT, WIDTH, ChatPage
from dev.host.client import Client
from dev.pages.translations import translations
from dev.standin import StandInProcess

[TEXTS] = translations().values()
PHONE = 390, 844
VALVES_BUTTON = "配置项"  # as the host's page calls it


def shots(chat: ChatPage, name: str) -> None:
    """What it looks like on a desk and on a phone."""
    for width, height in ((WIDTH, HEIGHT), PHONE):
        chat.page.set_viewport_size({"width": width, "height": height})
        chat.page.wait_for_timeout(500)  # until the page has found its new shape
        chat.screenshot(f"{name}-{width}")
    chat.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def dialogue_of(chat: ChatPage) -> Locator:
    chat.page.get_by_role("button", name=VALVES_BUTTON).first.click()
    dialogue = chat.page.get_by_role("dialog")
    dialogue.get_by_text("（IMAGE_SIZE）").wait_for()
    return dialogue


def assert_translated(dialogue: Locator, prefix: str) -> None:
    """Each title and description of the dialogue stands there, choices once opened."""
    shown = dialogue.inner_text()
    for name, text in TEXTS.items():
        if name.startswith(f"{prefix}.") and ".enum." not in name:
            assert text in shown, name


def test_an_administrator_sets_the_plugin_up_in_chinese(
    admin: Client, browser: Browser
) -> None:
    chat = ChatPage(browser, admin)
    chat.open(plugin.AUTO_MODEL)
    chat.choose_language("zh-CN")
    chat.page.goto(f"{admin.url}/admin/functions")
    chat.page.get_by_text(TEXTS["name"]).wait_for()
    chat.page.get_by_text(TEXTS["description"]).wait_for()
    shots(chat, "chinese-functions")
    dialogue = dialogue_of(chat)
    assert_translated(dialogue, "valves")
    shots(chat, "chinese-valves")
    title = TEXTS["valves.STORAGE.title"]
    valve = dialogue.locator(f"xpath=.//*[normalize-space(text())='{title}']/../..")
    valve.get_by_role("button", name="默认").click()
    choices = valve.locator("option").all_inner_texts()
    expected = [TEXTS[f"valves.STORAGE.enum.{kind}"] for kind in ("files", "inline")]
    assert [choice.strip() for choice in choices][-2:] == expected
    valve.scroll_into_view_if_needed()
    shots(chat, "chinese-choices")
    # Of Chinese there is one form, which pages in the others find, too.
    chat.page.evaluate("localStorage.locale = 'zh-TW'")
    chat.page.reload()
    chat.page.get_by_text(TEXTS["name"]).wait_for()


def test_a_chat_in_chinese(user_page: ChatPage, google: StandInProcess) -> None:
    page = user_page.page
    user_page.open(plugin.AUTO_MODEL)
    user_page.choose_language("zh-CN")
    user_page.send("雪地里的红狐狸 [[wait 3]]")
    page.get_by_text("正在生成图片……").wait_for()
    shots(user_page, "chinese-waiting")
    user_page.wait_for_pictures()
    page.get_by_text(re.compile(r"≈ \$[\d.]+ · .+ \d+ 秒")).wait_for()
    shots(user_page, "chinese-picture")
    user_page.send("换成蓝色 [[429 zero]] --ar 1")
    page.get_by_text("图片生成不提供免费额度").wait_for()
    page.get_by_text("未采用，可选值为").wait_for()
    user_page.scroll_to_end()
    shots(user_page, "chinese-failure")
    assert_translated(dialogue_of(user_page), "user_valves")
    shots(user_page, "chinese-own-valves")
