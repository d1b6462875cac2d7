"""An administrator at a browser: import, switch on, set the key, choose, see."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from dev import environment
from dev.host import people
from dev.host.browser import RELEASE_NOTES_BUTTON, ChatPage
from dev.host.client import Client
from dev.host.pictures import fetch_picture
from dev.host.server import Host
from dev.standin import DEFAULT_KEY, StandInProcess

PROMPT = "a red fox in the snow at sunset"


@pytest.fixture
def empty_host(google_process: StandInProcess) -> Iterator[Host]:
    """A host that has never seen the plugin, as people have it."""
    with Host() as running:
        yield running


def test_from_the_import_file_to_a_picture_that_stays(
    empty_host: Host, browser: Browser, google_process: StandInProcess
) -> None:
    admin = Client.sign_up(empty_host.url, people.ADMIN)
    chat = ChatPage(browser, admin)
    page = chat.page
    page.set_default_timeout(20_000)
    page.goto(f"{empty_host.url}/admin/functions")
    page.get_by_role("button", name=RELEASE_NOTES_BUTTON).click()
    import_manifest(page)
    page.get_by_role("switch").click()
    set_valves(page, GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google_process.url)

    page.goto(empty_host.url)
    choose_model(page, "Gemini Image")
    chat.send(PROMPT)
    [link] = chat.wait_for_pictures()
    page.get_by_text("≈ $").wait_for()
    page.set_viewport_size({"width": 1000, "height": 1250})
    chat.scroll_to_end()
    chat.screenshot("chat")
    page.reload()
    assert chat.wait_for_pictures() == [link]
    picture = fetch_picture(admin, link)
    assert (picture.width, picture.height) == (1024, 1024)


def import_manifest(page: Page) -> None:
    """Create ▾ → Import JSON → the file → Confirm."""
    page.get_by_role("button", name="Open create menu").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Import JSON").click()
    chooser.value.set_files(environment.ROOT / "manifest.json")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Valves").wait_for()


def set_valves(page: Page, **values: str) -> None:
    """The gear → each valve's "Default", which shows an input → Save."""
    page.get_by_role("button", name="Valves").click()
    for name, value in values.items():
        valve = page.locator(f"xpath=//*[normalize-space(text())='{name}']/../..")
        valve.get_by_role("button", name="Default").click()
        valve.locator("input, textarea").fill(value)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Valves updated successfully").wait_for()


def choose_model(page: Page, name: str) -> None:
    """The model list beside the message box."""
    page.locator("#model-selector-model-button").click()
    page.get_by_role("option", name=f"Select {name} model", exact=True).click()
