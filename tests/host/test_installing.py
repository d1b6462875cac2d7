"""The ways that README.md tells, by the names of the buttons, to a first picture."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page
from test_setup_by_hand import paste, set_valves

from dev import environment
from dev.host import people, plugin
from dev.host.browser import ChatPage
from dev.host.client import Client, picture_links
from dev.host.pictures import fetch_picture
from dev.host.server import Host
from dev.host.website import open_website
from dev.pages import cards, installing
from dev.pages.manifest import PRODUCT, read_front_matter
from dev.standin import DEFAULT_KEY, StandInProcess

CURL = re.compile(r"^ {4,}curl .*?(?=\n\n)", re.MULTILINE | re.DOTALL)
ENGLISH = "en"


@pytest.fixture(scope="module")
def newcomer(google_process: StandInProcess) -> Iterator[Client]:
    """The administrator of a host that has never seen the plugin."""
    with Host(env={"ENABLE_API_KEYS": "true"}) as running:
        yield Client.sign_up(running.url, people.ADMIN)


@pytest.fixture
def chat(browser: Browser, newcomer: Client) -> Iterator[ChatPage]:
    """Their page; the plugin is taken away again."""
    opened = ChatPage(browser, newcomer)
    opened.page.set_default_timeout(30_000)
    yield opened
    newcomer.delete_function(plugin.FUNCTION_ID)


def pasted(page: Page, language: str) -> None:
    create, *rest = installing.PASTE[language]
    press(page, create)
    page.wait_for_url("**/admin/functions/create")
    paste(page, PRODUCT.read_text())
    press(page, *rest)


def imported(page: Page, language: str) -> None:
    item, *rest = installing.IMPORT[language]
    press(page, installing.MENU[language])
    with page.expect_file_chooser() as chooser:
        page.get_by_text(item, exact=True).click()
    chooser.value.set_files(environment.ROOT / "manifest.json")
    press(page, *rest)


def loaded(page: Page, language: str) -> None:
    item, load, *rest = installing.LOAD[language]
    with open_website(PRODUCT.read_text()) as website:
        press(page, installing.MENU[language])
        page.get_by_text(item, exact=True).click()
        dialogue = page.get_by_role("dialog")
        address = dialogue.get_by_placeholder(installing.ADDRESS[language])
        address.fill(f"{website.url}/{PRODUCT.name}")
        dialogue.get_by_role("button", name=load, exact=True).click()
        page.wait_for_url("**/admin/functions/create")
        press(page, *rest)


@pytest.mark.parametrize("language", installing.PAGES)
@pytest.mark.parametrize("install", [pasted, imported, loaded])
def test_each_way_ends_with_a_first_picture(
    chat: ChatPage,
    newcomer: Client,
    google_process: StandInProcess,
    install: Callable[[Page, str], None],
    language: str,
) -> None:
    page = chat.page
    if language != ENGLISH:
        page.goto(newcomer.url)
        chat.choose_language(language)
    page.goto(f"{newcomer.url}/admin/functions")
    install(page, language)
    page.get_by_role("button", name=installing.SET_UP[language][0]).wait_for()
    function = newcomer.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    assert function["name"] == read_front_matter(PRODUCT.read_text())["title"]
    page.get_by_role("switch").click()
    address = google_process.url
    set_valves(page, language, GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=address)

    chat.open(plugin.AUTO_MODEL)
    chat.send("a red fox in the snow at sunset")
    [link] = chat.wait_for_pictures()
    fetch_picture(newcomer, link)
    calls = printed_by_curl(newcomer, installing.PAGES[language].read_text())
    fetch_picture(newcomer, picture_links(calls)[0])


def test_cards_are_imported_at_the_page(
    chat: ChatPage, newcomer: Client, google_process: StandInProcess
) -> None:
    plugin.install(newcomer, google_process.url)
    newcomer.delete_model(plugin.AUTO_MODEL)
    page = chat.page
    page.goto(f"{newcomer.url}/admin/settings/models")
    with page.expect_file_chooser() as chooser:
        press(page, *installing.CARDS[ENGLISH])
    chooser.value.set_files(cards.CARDS)
    page.get_by_text("Models imported successfully").wait_for()
    page.goto(f"{newcomer.url}/?models={plugin.AUTO_MODEL}")
    page.get_by_text(cards.AUTO_DESCRIPTIONS["en"], exact=True).wait_for()
    page.get_by_text(cards.SUGGESTIONS["en"][0]).wait_for()
    chat.screenshot("card")


def press(page: Page, *buttons: str) -> None:
    """Press them one after the other."""
    for name in buttons:
        page.get_by_role("button", name=name, exact=True).click()


def printed_by_curl(client: Client, page: str) -> str:
    """What the page's first `curl` prints for one who has the host's address and a key."""
    match = CURL.search(page)
    assert match, "the page shows no call by curl"
    command = match[0].replace("https://your-open-webui", client.url)
    key = client.post("/api/v1/auths/api_key")["api_key"]
    done = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": os.environ["PATH"], "TOKEN": key, "no_proxy": "*"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.replace("\\n", "\n")
