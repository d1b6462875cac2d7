"""A real host of each version with the plugin, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.host.fixtures import (
    google_process,
    on,
    opened_kind,
    pytest_runtest_makereport,
)
from dev.host.watched import WatchedHost, supported_kinds
from dev.standin import StandInProcess


@pytest.fixture(scope="session", params=supported_kinds(), ids=str)
def watched(
    request: pytest.FixtureRequest, google_process: StandInProcess
) -> Iterator[WatchedHost]:
    """A host with the plugin; it ends before that of the next version starts."""
    with opened_kind(request, google_process) as opened:
        yield opened
