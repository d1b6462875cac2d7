"""A real Open WebUI with the plugin on it, and a stand-in for Google beside it.

One host serves the whole session: it starts in ten seconds. Tests leave no settings
behind (``valves`` and ``user_valves`` put them back) and find the stand-in's records
empty.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from dev.host import people, plugin
from dev.host.browser import ChatPage, open_browser
from dev.host.client import Client, Json
from dev.host.server import Host
from dev.standin import StandInProcess, start_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Change = Callable[..., Json]


@pytest.fixture(scope="session")
def google_process() -> Iterator[StandInProcess]:
    """The stand-in for Google, for the whole session."""
    with start_process() as process:
        yield process


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A running, empty Open WebUI."""
    with Host() as running:
        request.config.stash[HOST] = running
        yield running


@pytest.fixture(scope="session")
def admin(host: Host) -> Client:
    """The host's administrator."""
    return Client.sign_up(host.url, people.ADMIN)


@pytest.fixture(scope="session")
def models(admin: Client, google_process: StandInProcess) -> list[Json]:
    """The plugin's models; asking for them is asking for the plugin to be there."""
    return plugin.install(admin, google_process.url)


@pytest.fixture(scope="session")
def user(admin: Client, models: list[Json]) -> Client:
    """An ordinary user, who may use the plugin's models."""
    return admin.create_user(people.USER)


@pytest.fixture(scope="session")
def second_user(admin: Client, models: list[Json]) -> Client:
    """Another ordinary user, to whom the first one's chats are none of their business."""
    return admin.create_user(people.SECOND_USER)


@pytest.fixture
def google(google_process: StandInProcess, models: list[Json]) -> StandInProcess:
    """The stand-in with empty records, behaving normally."""
    google_process.reset()
    return google_process


@pytest.fixture
def valves(admin: Client, models: list[Json]) -> Iterator[Change]:
    """A function that changes the administrator's settings until the test is over."""
    before = admin.valves(plugin.FUNCTION_ID)

    def change(**changes: Any) -> Json:
        return admin.set_valves(plugin.FUNCTION_ID, **changes)

    yield change
    admin.replace_valves(plugin.FUNCTION_ID, before)


@pytest.fixture
def user_valves(user: Client) -> Iterator[Change]:
    """A function that changes the user's own settings until the test is over."""
    before = user.user_valves(plugin.FUNCTION_ID)

    def change(**changes: Any) -> Json:
        return user.set_user_valves(plugin.FUNCTION_ID, **changes)

    yield change
    user.replace_user_valves(plugin.FUNCTION_ID, before)


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A browser for one test; for longer its event loop would be in others' way."""
    with open_browser() as opened:
        yield opened


@pytest.fixture
def user_page(browser: Browser, user: Client) -> ChatPage:
    """The ordinary user at a browser, signed in."""
    return ChatPage(browser, user)


HOST = pytest.StashKey[Host]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the host has logged next to a failure."""
    report = yield
    host = item.config.stash.get(HOST, None)
    if report.failed and host is not None:
        report.sections.append(("Open WebUI's log", host.log_tail(20)))
    return report
