"""The stand-in for Google as most tests of the whole plugin use it, and its like.

A module whose stand-in is another one (over TLS, with another key) says how in a
fixture `google_settings` of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

import gemini_image_pipe as gip
from dev.standin import StandIn, pictures

NEW_MODEL = "gemini-9-image"  # one that the plugin does not know

# Few examples each time, since each run takes others; FUZZ=1000 looks longer. A
# machine that is busy with something else is no failure.
settings.register_profile(
    "fast",
    max_examples=int(os.environ.get("FUZZ", "25")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("fast")


@pytest.fixture(autouse=True)
def no_other_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of the project that goes on in `.venv` would end these tests without a
    word, where they run in another environment."""

    def refuse(*arguments: Any) -> None:
        raise AssertionError(f"would go on as {arguments}")

    monkeypatch.setattr(os, "execv", refuse)


@pytest.fixture(scope="session")
def usual_google() -> Iterator[StandIn]:
    """The stand-in that serves all modules that ask for nothing else."""
    with StandIn(extra_models={NEW_MODEL: "Banana From The Future"}) as running:
        yield running


@pytest.fixture(scope="module")
def google_settings() -> dict[str, Any]:
    """What StandIn is given where the usual one will not do; modules override it."""
    return {}


@pytest.fixture(scope="module")
def shared_google(
    usual_google: StandIn, google_settings: dict[str, Any]
) -> Iterator[StandIn]:
    """The stand-in of a module, records and all."""
    if not google_settings:
        yield usual_google
        return
    with StandIn(**google_settings) as running:
        yield running


@pytest.fixture
def google(shared_google: StandIn, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The stand-in with empty records, of which the plugin knows nothing yet.

    What its pictures show is all the same here, and to draw them took most of the
    time: they are of one colour, each of other bytes.
    """

    def plain(*drawn: Any) -> bytes:
        *_, size, mime = drawn
        return pictures.plain_picture(size, mime)

    shared_google.reset()
    monkeypatch.setattr(pictures, "make_picture", plain)
    monkeypatch.setattr(pictures, "edit_picture", plain)
    monkeypatch.setattr(gip, "MODEL_LISTS", gip.ModelLists())
    monkeypatch.setattr(gip, "ROSTERS", gip.Rosters())
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
    return shared_google


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, none of them really."""
    waited: list[float] = []
    sleep = asyncio.sleep

    async def note(seconds: float, *rest: Any) -> None:
        if seconds == gip.LINE_LOOK:
            await sleep(seconds)
        waited.append(seconds)
        await sleep(0)

    # Neither what runs beside the answer, nor the milliseconds after the test before.
    monkeypatch.setattr(gip, "HEARTBEATS", (3_600,))
    monkeypatch.setattr(gip, "LINE_LOOK", 3_600)
    monkeypatch.setattr(gip, "BEGINNINGS", gip.Pace(0.0))
    monkeypatch.setattr(asyncio, "sleep", note)
    return waited
