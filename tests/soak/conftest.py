"""A host over PostgreSQL with the plugin on it, for many requests in a row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.host.fixtures import (
    RUNNING,
    admin,
    google,
    google_process,
    host_url,
    probe,
    pytest_runtest_makereport,
    user,
    valves,
)
from dev.host.server import Host
from dev.host.services import PostgreSQL


@pytest.fixture(scope="session")
def host(request: pytest.FixtureRequest) -> Iterator[Host]:
    """A host for this alone, so that all that it keeps is from here."""
    with (
        PostgreSQL() as database,
        Host(env={"DATABASE_URL": database.url}) as running,
    ):
        request.config.stash[RUNNING] = running
        yield running
