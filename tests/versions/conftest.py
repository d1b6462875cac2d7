"""A real host of each version with the plugin, one after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

from dev.host.watched import HostKind, WatchedHost, supported_kinds, watched_host
from dev.standin import StandInProcess, start_process


@pytest.fixture(scope="session")
def google_process() -> Iterator[StandInProcess]:
    """The stand-in for Google."""
    with start_process() as process:
        yield process


@pytest.fixture(scope="session", params=supported_kinds(), ids=str)
def place(
    request: pytest.FixtureRequest, google_process: StandInProcess
) -> Iterator[WatchedHost]:
    """A host with the plugin; it ends before that of the next version starts."""
    kind: HostKind = request.param
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # the first time takes a while
        kind.ensure()
    google_process.reset()
    with watched_host(kind, google_process) as opened:
        request.config.stash[PLACE] = opened
        yield opened


@pytest.fixture
def on(place: WatchedHost) -> WatchedHost:
    """The place as a test wants it: the stand-in's records are empty."""
    place.google.reset()
    return place


PLACE = pytest.StashKey[WatchedHost]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the host has logged next to a failure."""
    report = yield
    place = item.config.stash.get(PLACE, None)
    if report.failed and place is not None:
        report.sections.append(("Open WebUI's log", place.host.log_tail(20)))
    return report
