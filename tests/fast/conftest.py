"""The stand-in for Google as most tests of the whole plugin use it.

Modules whose stand-in speaks otherwise (over TLS, with another key) have their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import gemini_image_pipe as gip
from dev.standin import StandIn

NEW_MODEL = "gemini-9-image"  # one that the plugin does not know


@pytest.fixture(scope="module")
def shared_google() -> Iterator[StandIn]:
    """A stand-in for one module."""
    with StandIn(extra_models={NEW_MODEL: "Banana From The Future"}) as running:
        yield running


@pytest.fixture
def google(shared_google: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in with empty records, of which the plugin knows nothing yet."""
    shared_google.reset()
    monkeypatch.setattr(gip, "MODEL_LISTS", gip.ModelLists())
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    return shared_google
