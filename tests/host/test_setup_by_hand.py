"""An administrator at a browser: import, switch on, set the key, choose, see; update."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from dev import environment
from dev.host import people, plugin
from dev.host.browser import ChatPage
from dev.host.client import Client
from dev.host.pictures import fetch_picture
from dev.host.server import Host
from dev.pages import installing
from dev.pages.manifest import PRODUCT
from dev.pages.translations import translations
from dev.standin import DEFAULT_KEY, StandInProcess

RELEASE = environment.ROOT / "tests/versions/releases/gemini_image_pipe_0_1_0.py"
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


def test_todays_file_is_pasted_over_a_release(
    admin: Client, browser: Browser, google_process: StandInProcess
) -> None:
    plugin.add_function(admin, "old_pictures", RELEASE.read_text())
    settings = {"GEMINI_API_BASE_URL": google_process.url, "HISTORY_IMAGES": 2}
    admin.set_valves("old_pictures", GEMINI_API_KEY=DEFAULT_KEY, **settings)
    saved = admin.valves("old_pictures")
    page = ChatPage(browser, admin).page
    page.goto(f"{admin.url}/admin/functions")
    page.get_by_text("old_pictures").first.click()
    paste(page, PRODUCT.read_text())
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Function updated successfully").wait_for()
    function = admin.get("/api/v1/functions/id/old_pictures")
    assert function["content"] == PRODUCT.read_text()
    assert function["is_active"] is True
    assert admin.valves("old_pictures") == saved
    admin.delete_function("old_pictures")


def paste(page: Page, text: str) -> None:
    """Select all that the editor holds, and put the clipboard's text in its place."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Control+v")


def import_manifest(page: Page) -> None:
    """Create ▾ → Import JSON → the file → Confirm."""
    page.get_by_role("button", name="Open create menu").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Import JSON").click()
    chooser.value.set_files(environment.ROOT / "manifest.json")
    page.get_by_role("button", name="Confirm").click()
    page.get_by_role("button", name="Valves").wait_for()


def set_valves(page: Page, language: str = "en", **values: str) -> None:
    """The gear on the plugin's row → each valve's "Default", which shows an input →
    Save."""
    valves, default, save = installing.SET_UP[language]
    titles = translations().get(language.partition("-")[0], {})
    gear = page.get_by_role("button", name=valves)
    # Imported, the function's name is in the page's language as well.
    name_of_plugin = page.get_by_text(re.compile("^Gemini Image Pipe"))
    rows = page.locator("div").filter(has=name_of_plugin).filter(has=gear)
    rows.last.get_by_role("button", name=valves).click()
    for name, value in values.items():
        # Imported, its name stands behind a title in the page's language.
        title = titles.get(f"valves.{name}.title", name)
        texts = f"normalize-space(text())='{name}' or normalize-space(text())='{title}'"
        valve = page.locator(f"xpath=//*[{texts}]/../..")
        valve.get_by_role("button", name=default).click()
        valve.locator("input, textarea").fill(value)
    page.get_by_role("button", name=save).click()
    page.locator("[data-sonner-toast][data-type=success]").first.wait_for()


def choose_model(page: Page, name: str) -> None:
    """The model list beside the message box."""
    page.locator("#model-selector-model-button").click()
    page.get_by_role("option", name=f"Select {name} model", exact=True).click()
