"""The way from an import to a picture, on a real host: what ``dev play`` shows."""

from playwright.sync_api import Browser

from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.client import Client, Json, picture_links, text_of
from dev.host.pictures import fetch_picture, pictures_of
from dev.standin import StandInProcess

PROMPT = "a red fox in fresh snow"


def test_ordinary_user_sees_the_models(user: Client, models: list[Json]) -> None:
    seen = {model["id"] for model in user.models(prefix=plugin.FUNCTION_ID)}
    assert plugin.AUTO_MODEL in seen
    assert seen == {model["id"] for model in models}


def test_picture_in_a_saved_chat(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask(PROMPT)
    assert answer.is_done
    assert not answer.error
    (picture,) = pictures_of(user, answer)
    assert picture.width >= 512
    assert all(status["done"] for status in answer.statuses[-1:])
    assert len(google.sent_images()) == 1


def test_picture_for_a_streaming_api_client(user: Client) -> None:
    events = list(user.stream(plugin.AUTO_MODEL, PROMPT))
    assert events[-1] == "[DONE]"
    (link,) = picture_links(text_of(events))
    fetch_picture(user, link)


def test_picture_for_an_api_client_that_waits(user: Client) -> None:
    answer = user.complete(plugin.AUTO_MODEL, PROMPT)
    content = answer["choices"][0]["message"]["content"]
    (link,) = picture_links(content)
    fetch_picture(user, link)


def test_picture_is_drawn_in_a_browser(user_page: ChatPage, user: Client) -> None:
    user_page.open(plugin.AUTO_MODEL)
    user_page.send(PROMPT)
    (link,) = user_page.wait_for_pictures()
    user_page.screenshot("first-picture")
    fetch_picture(user, link)


def test_administrator_is_greeted_and_gets_a_picture(
    browser: Browser, admin: Client, models: list[Json]
) -> None:
    page = ChatPage(browser, admin)
    page.open(plugin.AUTO_MODEL)
    page.send(PROMPT)
    page.wait_for_pictures()
