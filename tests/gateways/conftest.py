"""Real software between the plugin and the stand-in for Google."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.host.between import LiteLLM, Portkey
from dev.standin import DEFAULT_KEY, StandIn
from tests.network.conftest import CA_VARIABLES, PROXY_VARIABLES

# What LiteLLM's database would say of keys.
KEYS: dict[str, dict[str, Any]] = {
    "sk-expired": {"expires": "2020-01-01T00:00:00+00:00"},
    "sk-for-others": {"models": ["gemini/gemini-3.5-flash"]},
}


@pytest.fixture(scope="session")
def running_google() -> Iterator[StandIn]:
    with StandIn(takes_key_in_url=True) as running:
        yield running


@pytest.fixture
def google(running_google: StandIn) -> StandIn:
    """The stand-in with empty records."""
    running_google.reset()
    return running_google


@pytest.fixture(scope="session")
def litellm(running_google: StandIn) -> Iterator[LiteLLM]:
    with LiteLLM(running_google.url, DEFAULT_KEY, KEYS) as running:
        yield running


@pytest.fixture(scope="session")
def portkey() -> Iterator[Portkey]:
    with Portkey() as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CA_VARIABLES, *PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
