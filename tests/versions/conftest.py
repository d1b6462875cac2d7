"""A real host of each version with the plugin, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.host.fixtures import RUNNING, google_process, pytest_runtest_makereport
from dev.host.watched import HostKind, WatchedHost, supported_kinds, watched_host
from dev.standin import StandInProcess


@pytest.fixture(scope="session", params=supported_kinds(), ids=str)
def watched(
    request: pytest.FixtureRequest, google_process: StandInProcess
) -> Iterator[WatchedHost]:
    """A host with the plugin; it ends before that of the next version starts."""
    kind: HostKind = request.param
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():  # the first time takes a while
        kind.ensure()
    google_process.reset()
    with watched_host(kind, google_process) as opened:
        request.config.stash[RUNNING] = opened.host
        yield opened


@pytest.fixture
def on(watched: WatchedHost) -> WatchedHost:
    """The host as a test wants it: the stand-in's records are empty."""
    watched.google.reset()
    return watched
