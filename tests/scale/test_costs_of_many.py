"""Two hosts over one PostgreSQL add up what a user has spent at both."""

from __future__ import annotations

from typing import Any

import pytest

from dev.host import plugin
from dev.host.client import Client, content_of
from dev.host.cluster import Cluster
from dev.host.spending import check_sums_of_many, told
from dev.host.traffic import drawings
from dev.standin import StandInProcess

NB = f"{plugin.FUNCTION_ID}.gemini-nano-banana-2.1"
in_a_folder = pytest.mark.parametrize("cluster", ["shared folder"], indirect=True)


@in_a_folder
def test_a_budget_is_one_for_both_hosts(
    user: Client,
    user_at_b: Client,
    google: StandInProcess,
    valves: Any,
) -> None:
    # What tests before this one have made counts, too.
    valves(DAILY_BUDGET_USD=told(user_at_b, NB).usd + 3 * 0.0336 + 0.01)
    for client in (user, user_at_b, user):
        assert "![" in content_of(client.complete(NB, "a fox"))
    for client in (user_at_b, user):
        assert "Your budget" in content_of(client.complete(NB, "a fox"))
    assert len(drawings(google)) == 3


@in_a_folder
def test_ten_thousand_files_take_a_sum_no_longer_than_the_host_twice(
    cluster: Cluster, admin: Client
) -> None:
    check_sums_of_many(admin)
