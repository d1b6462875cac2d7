"""Two hosts over one database, one Redis and one storage, with the plugin on them.

They start once for each kind of storage, and serve all tests of it: a folder that both
see, then S3. Tests leave no settings behind and find the stand-in's records empty.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any

import pytest

from dev.host import people, plugin
from dev.host.client import Client, Json
from dev.host.cluster import Cluster, Seat, install_which, newly_connected, seats_at
from dev.standin import StandInProcess, start_process

Change = Callable[..., Json]

IN_FOLDER, IN_S3 = "shared folder", "S3"


@pytest.fixture(scope="session")
def google_process() -> Iterator[StandInProcess]:
    """The stand-in for Google, for the whole session."""
    with start_process() as process:
        yield process


@pytest.fixture(scope="session", params=[IN_FOLDER, IN_S3])
def cluster(
    request: pytest.FixtureRequest, google_process: StandInProcess
) -> Iterator[Cluster]:
    """Hosts A and B, for each kind of storage."""
    with Cluster(in_s3=request.param == IN_S3) as running:
        request.config.stash[CLUSTER] = running
        yield running
        del request.config.stash[CLUSTER]


@pytest.fixture(scope="session")
def admin(cluster: Cluster, google_process: StandInProcess) -> Client:
    """The administrator, at A, who has put the plugin there."""
    client = Client.sign_up(cluster.a.url, people.ADMIN)
    plugin.install(client, google_process.url)
    install_which(client)
    return client


@pytest.fixture(scope="session")
def user(admin: Client) -> Client:
    """An ordinary user, at A."""
    return admin.create_user(people.USER)


@pytest.fixture(scope="session")
def user_at_b(user: Client, cluster: Cluster) -> Client:
    """The same user, with the same token, at B."""
    return newly_connected(user, cluster.b.url)


@pytest.fixture(scope="session")
def seats(cluster: Cluster, user: Client) -> list[Seat]:
    """The user at A, at B's first worker, and at B's second."""
    return seats_at(cluster, user)


@pytest.fixture
def google(google_process: StandInProcess) -> StandInProcess:
    """The stand-in with empty records, behaving normally."""
    google_process.reset()
    return google_process


@pytest.fixture
def valves(admin: Client) -> Iterator[Change]:
    """A function that changes the administrator's settings, at A, for one test."""
    before = admin.valves(plugin.FUNCTION_ID)

    def change(**changes: Any) -> Json:
        return admin.set_valves(plugin.FUNCTION_ID, **changes)

    yield change
    admin.replace_valves(plugin.FUNCTION_ID, before)


CLUSTER = pytest.StashKey[Cluster]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the hosts have logged next to a failure."""
    report = yield
    cluster = item.config.stash.get(CLUSTER, None)
    if report.failed and cluster is not None:
        report.sections.append(("Open WebUI's logs", cluster.log_tail(20)))
    return report
