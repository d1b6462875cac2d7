"""A real browser on a host: Debian's Chromium, and the few things tests do in a chat."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dev import environment
from dev.console import Failure
from dev.host import debian

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page, Request, Route

    from dev.host.client import Client

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",  # Chromium's own does not work for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ARTIFACTS = environment.ROOT / ".artifacts"
WIDTH, HEIGHT = 1280, 900
PATIENCE_MS = 60_000
QUIET_MS, LOOK_MS = 500, 50
SOCKET = "/ws/socket.io"  # which asks as long as the page is open
RELEASE_NOTES_BUTTON = "Okay, Let's Go!"
PICTURE = "img[src*='/api/v1/files/']"


def ensure_chromium() -> None:
    """Install Chromium if it is missing and this user may."""
    if not Path(CHROMIUM).exists():
        # Without the font Chinese is empty boxes on screenshots.
        debian.install("the browser Chromium", ["chromium", "fonts-wqy-microhei"])


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        except Exception:
            print(what_is_shown(browser))
            raise
        finally:
            browser.close()


def what_is_shown(browser: Browser) -> str:
    """The addresses and the texts of the pages that are open, for a failure's report."""
    pages = [page for context in browser.contexts for page in context.pages]
    return "\n\n".join(f"{page.url}\n{_text_of(page)}" for page in pages)


def _text_of(page: Page) -> str:
    text = str(page.evaluate("document.body.innerText"))
    return "\n".join(line for line in text.splitlines() if line.strip())


class ChatPage:
    """The page of a signed-in user, as far as a picture in a chat needs it."""

    def __init__(self, browser: Browser, client: Client, locale: str = "en-US") -> None:
        self.client = client
        context = browser.new_context(locale=locale)
        context.set_default_timeout(PATIENCE_MS)
        token = json.dumps(client.token)
        context.add_init_script(f"localStorage.setItem('token', {token})")
        self.page: Page = context.new_page()
        self._under_way: set[Request] = set()
        # Playwright takes no methods of built-in types, and pages leave bodies unread:
        # the end of an answer may never come.
        self.page.on("request", lambda request: self._under_way.add(request))
        self.page.on("response", lambda answer: self._under_way.discard(answer.request))
        self.page.on("requestfailed", lambda r: self._under_way.discard(r))
        self.page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        # The dialogue that greets each administrator once comes after the page.
        greeting = self.page.get_by_role("button", name=RELEASE_NOTES_BUTTON)
        self.page.add_locator_handler(greeting, lambda button: button.click())

    def open(self, model: str) -> None:
        """Open a new chat with a model chosen."""
        self.page.goto(f"{self.client.url}/?models={model}")
        self.prompt_box.wait_for()

    def wait_until_quiet(self) -> None:
        """Wait until the page asks the host for nothing, as a person would who looks
        before going on. What it still asks for when a chat opens or an answer ends
        would take the place of what is done meanwhile."""
        quiet_for = 0
        for _ in range(0, PATIENCE_MS, LOOK_MS):
            asked = [r.url for r in self._under_way if SOCKET not in r.url]
            quiet_for = 0 if asked else quiet_for + LOOK_MS
            if quiet_for > QUIET_MS:
                return
            self.page.wait_for_timeout(LOOK_MS)
        raise Failure(f"The page still asks for {asked}.")

    @property
    def prompt_box(self) -> Locator:
        """Where messages are written."""
        return self.page.locator("#chat-input")

    @property
    def pictures(self) -> Locator:
        """The pictures that the host stored, in the order of the page."""
        return self.page.locator(PICTURE)

    @property
    def chat_id(self) -> str:
        """The id in the address of a saved chat."""
        return self.page.url.rpartition("/c/")[2]

    def choose_language(self, tag: str) -> None:
        """User menu → Settings → General → Language; then the page speaks it."""
        self.page.get_by_role("button", name="User menu").click()
        self.page.get_by_role("menuitem", name="Settings").click()
        self.page.get_by_label("Language", exact=True).select_option(tag)
        self.page.wait_for_function("tag => localStorage.locale === tag", arg=tag)
        self.page.reload()
        self.prompt_box.wait_for()

    def attach(self, name: str, content_type: str, data: bytes) -> None:
        """Choose a picture with the + button; wait until its preview is drawn."""
        there = self.pictures.count()
        chooser = self.page.locator("input[type=file]").first
        chooser.set_input_files(
            {"name": name, "mimeType": content_type, "buffer": data}
        )
        self.wait_for_pictures(there + 1)

    def wait_to_continue(self) -> Locator:
        """The button that lets an answer go on, once the answer has ended."""
        button = self.page.locator("#continue-response-button")
        button.wait_for()
        self.wait_until_quiet()
        return button

    def send(self, prompt: str) -> None:
        """Write a message and send it."""
        self.wait_until_quiet()
        self.prompt_box.click()
        self.page.keyboard.type(prompt)
        self.page.keyboard.press("Enter")

    def wait_for_pictures(self, count: int = 1) -> list[str]:
        """Wait until so many pictures are not only there but drawn; their links."""
        self.page.wait_for_function(
            """([picture, count]) => {
                const images = [...document.querySelectorAll(picture)];
                return images.filter(image => image.naturalWidth > 0).length >= count;
            }""",
            arg=[PICTURE, count],
        )
        return [str(image.get_attribute("src")) for image in self.pictures.all()]

    def scroll_to_end(self) -> None:
        """Show the end of the chat, to which the page may not have scrolled yet."""
        self.page.wait_for_function("""() => {
                const box = document.querySelector("#messages-container");
                box.scrollTop = box.scrollHeight;
                return box.scrollTop + box.clientHeight >= box.scrollHeight - 5;
            }""")

    def hear_late_of_messages(self, seconds: float) -> None:
        """From now on the answers to the page's own requests for a message come late,
        as on a slow line or phone; what the host sends by its socket does not."""

        def late(route: Route) -> None:
            response = route.fetch()
            time.sleep(seconds)
            route.fulfill(response=response)

        self.page.route("**/api/chat/completions", late)

    def screenshot(self, name: str) -> Path:
        """Save what the page looks like; for people, nothing compares it."""
        path = ARTIFACTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
