"""A real host of the oldest and of the newest version, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.host.client import Client
from dev.host.fixtures import (
    google_process,
    on,
    opened_kind,
    pytest_runtest_makereport,
)
from dev.host.install import VERSIONS
from dev.host.watched import HostKind, WatchedHost
from dev.standin import StandInProcess

KINDS = [HostKind(VERSIONS[0]), HostKind(VERSIONS[-1])]


@pytest.fixture(scope="session", params=KINDS, ids=str)
def watched(
    request: pytest.FixtureRequest, google_process: StandInProcess
) -> Iterator[WatchedHost]:
    """A host with the plugin; it ends before that of the next version starts."""
    with opened_kind(request, google_process) as opened:
        yield opened


@pytest.fixture(scope="session")
def program(watched: WatchedHost) -> Client:
    """The host's user as their programs are: with an API key instead of a session."""
    watched.admin.allow_api_keys()
    return watched.user.with_api_key()
