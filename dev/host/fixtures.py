"""What tests on hosts share: people, the plugin, its settings, and the host's log.

A ``conftest.py`` imports what it needs, ``pytest_runtest_makereport`` with it, and
says under ``host_url`` where people are: at its only host, or at one of several. What is
made once serves the whole session; tests leave no settings behind (``valves`` and
``user_valves`` put them back) and find the stand-in's records empty.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from dev.host import people, plugin
from dev.host.browser import ChatPage, open_browser, what_is_shown
from dev.host.client import Client, Json
from dev.host.probe import Probe
from dev.host.server import Host
from dev.host.watched import HostKind, WatchedHost, watched_host
from dev.standin import StandInProcess, start_process

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Change = Callable[..., Json]


class Logging(Protocol):
    """What has a log to show: a host, or several."""

    def log_tail(self, lines: int) -> str:
        """The end of it."""


RUNNING = pytest.StashKey[Logging]()
LINES_OF_LOG = 20


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the host has logged next to a failure, and what the pages show."""
    report = yield
    browser = getattr(item, "funcargs", {}).get("browser")
    if report.failed and call.when == "call" and browser is not None:
        report.sections.append(("The page", what_is_shown(browser)))
    running = item.config.stash.get(RUNNING, None)
    if report.failed and running is not None:
        report.sections.append(("Open WebUI's log", running.log_tail(LINES_OF_LOG)))
    return report


@contextmanager
def opened_kind(
    request: pytest.FixtureRequest, google: StandInProcess
) -> Iterator[WatchedHost]:
    """The host that a fixture is asked for (`params`: HostKind), whose log is shown
    next to failures; it is installed first if need be, which takes a while."""
    kind: HostKind = request.param
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # so that people see what it waits for
        kind.ensure()
    google.reset()
    with watched_host(kind, google) as opened:
        request.config.stash[RUNNING] = opened.host
        yield opened


@pytest.fixture(scope="session")
def google_process() -> Iterator[StandInProcess]:
    """The stand-in for Google."""
    with start_process() as process:
        yield process


@pytest.fixture
def google(google_process: StandInProcess) -> StandInProcess:
    """The stand-in with empty records, behaving normally."""
    google_process.reset()
    return google_process


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A running, empty Open WebUI."""
    with Host() as running:
        request.config.stash[RUNNING] = running
        yield running


@pytest.fixture(scope="session")
def host_url(host: Host) -> str:
    """Where people are."""
    return host.url


@pytest.fixture(scope="session")
def admin(host_url: str, google_process: StandInProcess) -> Client:
    """The administrator, who has put the plugin there."""
    client = Client.sign_up(host_url, people.ADMIN)
    plugin.install(client, google_process.url)
    return client


@pytest.fixture(scope="session")
def models(admin: Client) -> list[Json]:
    """The plugin's models."""
    return admin.models(prefix=f"{plugin.FUNCTION_ID}.")


@pytest.fixture(scope="session")
def user(admin: Client) -> Client:
    """An ordinary user, who may use the plugin's models."""
    return admin.create_user(people.USER)


@pytest.fixture(scope="session")
def second_user(admin: Client) -> Client:
    """Another ordinary user, to whom the first one's chats are none of their business."""
    return admin.create_user(people.SECOND_USER)


@pytest.fixture(scope="session")
def probe(admin: Client) -> Probe:
    """What tells what the plugin has running in the host's process."""
    return Probe(admin)


@pytest.fixture
def valves(admin: Client) -> Iterator[Change]:
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


@pytest.fixture
def on(watched: WatchedHost) -> WatchedHost:
    """The host as a test wants it: the stand-in's records are empty."""
    watched.google.reset()
    return watched
