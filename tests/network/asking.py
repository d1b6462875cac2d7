"""Requests for a picture by the product, and a target that says nothing."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

import gemini_image_pipe as gip
from dev.host.ports import LOOPBACK
from dev.standin import DEFAULT_KEY
from tests.fast.waiting import LIMIT_S

ROUTE = gip.Route("gemini-nano-banana-2.1", "gemini-nano-banana-2.1")


async def ask(url: str, prompt: str, events: list[gip.Event]) -> None:
    async def take(event: gip.Event) -> None:
        events.append(event)

    client = gip.GeminiClient(gip.Backend(f"{url}/v1beta"), DEFAULT_KEY)
    asked = gip.Conversation(newest=gip.Turn("user", prompt))
    body = gip.generate_body(asked, gip.ImageOptions())
    await client.generate(ROUTE, body, 60.0, take)


def pictures(url: str, prompt: str) -> list[bytes]:
    events: list[gip.Event] = []
    asyncio.run(ask(url, prompt, events))
    return [e.data for e in events if isinstance(e, gip.Image) and not e.draft]


def failure_of(url: str, prompt: str = "a fox") -> gip.GeminiError:
    with pytest.raises(gip.GeminiError) as failure:
        pictures(url, prompt)
    return failure.value


@contextlib.contextmanager
def silent_target() -> Iterator[tuple[int, threading.Event, threading.Event]]:
    """A port where nothing is ever said; when one has come, and when it has left."""
    came, left = threading.Event(), threading.Event()

    def listen() -> None:
        with contextlib.suppress(OSError):  # the end of the test
            connection, _ = server.accept()
            came.set()
            with connection:
                connection.settimeout(LIMIT_S)
                while connection.recv(65_536):
                    pass
                left.set()

    with socket.create_server((LOOPBACK, 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], came, left
