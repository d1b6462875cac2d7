"""Two hosts over one database, one Redis and one storage, with the plugin on them.

They start once for each kind of storage, and serve all tests of it: a folder that both
see, then S3.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.host.client import Client
from dev.host.cluster import Cluster, Seat, install_which, newly_connected, seats_at
from dev.host.fixtures import (
    RUNNING,
    admin,
    google,
    google_process,
    pytest_runtest_makereport,
    user,
    valves,
)

IN_FOLDER, IN_S3 = "shared folder", "S3"


@pytest.fixture(scope="session", params=[IN_FOLDER, IN_S3])
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """Hosts A and B, for each kind of storage."""
    with Cluster(in_s3=request.param == IN_S3) as running:
        request.config.stash[RUNNING] = running
        yield running
        del request.config.stash[RUNNING]


@pytest.fixture(scope="session")
def host_url(cluster: Cluster) -> str:
    """Administrator and user are at A, where the plugin is put."""
    return cluster.a.url


@pytest.fixture(scope="session")
def user_at_b(user: Client, cluster: Cluster) -> Client:
    """The same user, with the same token, at B."""
    return newly_connected(user, cluster.b.url)


@pytest.fixture(scope="session")
def seats(cluster: Cluster, admin: Client, user: Client) -> list[Seat]:
    """The user at A, at B's first worker, and at B's second."""
    install_which(admin)
    return seats_at(cluster, user)
