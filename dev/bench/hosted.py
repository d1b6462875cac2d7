"""What only a real host can tell: bytes in its database, and delays of its event loop."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import gemini_image_pipe as gip
from dev.bench import loading
from dev.host import people, plugin
from dev.host.client import Chat, Client, Json
from dev.host.server import Host
from dev.standin import DEFAULT_KEY
from dev.waiting import wait_until

# Answers "start" and "stop" to a measurement of the loop it runs on, "load" by loading
# the plugin once more, and everything else with a sentence.
PROBE = '''"""
title: Probe
"""
import asyncio, json, runpy, time

delays, ticking = [], []


async def tick():
    while True:
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        delays.append((time.perf_counter() - before - 0.001) * 1000)


class Pipe:
    async def pipe(self, body):
        words = body["messages"][-1]["content"]
        if words == "start":
            delays.clear()
            ticking.append(asyncio.create_task(tick()))
        if words == "stop":
            ticking.pop().cancel()
            delays.sort()
            p99 = delays[len(delays) * 99 // 100]
            return json.dumps({"p99": p99, "max": delays[-1]})
        if words == "load":
            return json.dumps(runpy.run_path("%(loading)s")["load"]())
        return "Here it is."
'''
SENTENCE = "Here it is."
# As long as the plugin's: the row names the model, too.
PROBE_ID = "probe_of_the_event_loop"[: len(plugin.AUTO_MODEL)]
FLOOR_ID = "floor"
# The one that the plugin takes, too.
MODEL = gip.newest_model(facts.id for facts in gip.CURRENT_MODELS)
# So many looks at a row in turn find the same when nothing more is written to it.
SAME_SIZES = 10
# The shortest pipe that does the work: plain requests on threads of its own.
FLOOR = '''"""
title: Floor
"""
import asyncio, base64, concurrent.futures, json
import requests
from open_webui.models.users import UserModel
from open_webui.routers.images import upload_image

threads = concurrent.futures.ThreadPoolExecutor(64)


def fetch(prompt):
    part = {"role": "user", "parts": [{"text": prompt}]}
    config = {"responseModalities": ["TEXT", "IMAGE"]}
    response = requests.post(
        "%(url)s/v1beta/models/%(model)s:streamGenerateContent?alt=sse",
        json={"contents": [part], "generationConfig": config},
        headers={"x-goog-api-key": "%(key)s"},
    )
    for line in filter(None, response.content.splitlines()):
        [candidate] = json.loads(line.removeprefix(b"data: "))["candidates"]
        for part in candidate["content"]["parts"]:
            if "inlineData" in part:
                return base64.b64decode(part["inlineData"]["data"])


class Pipe:
    async def pipe(self, body, __user__, __request__):
        prompt = body["messages"][-1]["content"]
        loop = asyncio.get_running_loop()
        picture = await loop.run_in_executor(threads, fetch, prompt)
        user = UserModel(**__user__)
        _, link = await upload_image(__request__, picture, "image/png", {}, user)
        return f"![picture]({link['url']})"
'''


def add_floor(admin: Client, upstream_url: str) -> None:
    """Put the shortest pipe that does the work on a host, as model FLOOR_ID."""
    words = {"url": upstream_url, "model": MODEL, "key": DEFAULT_KEY}
    plugin.add_function(admin, FLOOR_ID, FLOOR % words)


class Hosted:
    """A host with the plugin, the probe and the floor on it."""

    def __init__(self, host: Host, upstream_url: str) -> None:
        self.database = host.data_dir / "webui.db"
        self.admin = Client.sign_up(host.url, people.ADMIN)
        plugin.install(self.admin, upstream_url)
        probe = PROBE % {"loading": loading.__file__}
        plugin.add_function(self.admin, PROBE_ID, probe)
        add_floor(self.admin, upstream_url)

    def loading(self) -> Json:
        """Seconds to compile and to run the plugin's source in the host's process."""
        return self._probe("load")

    def row_bytes(self) -> Json:
        """What a turn with a picture adds to the chat's row beyond the host's own, and
        what each further picture adds."""
        bare = self._growth(PROBE_ID) - 2 * len(SENTENCE)  # the host keeps it twice
        one, four = self._growth(plugin.AUTO_MODEL), self._growth(
            plugin.AUTO_MODEL, n=4
        )
        return {"turn": one - bare, "picture": (four - one) / 3}

    def _growth(self, model: str, **body: Any) -> int:
        chat = self.admin.new_chat(model)
        return row_growth(self.database, chat, "a red fox [[no text]]", **body)

    def delays(self, model: str, waiting: int, receiving: int, seconds: float) -> Json:
        """Of the host's event loop, while so many wait and so many receive 8 MB again
        and again."""
        small, large = f"a fox [[wait {seconds}]]", "a fox [[size 8MB]]"

        def ask(prompt: str) -> None:
            self.admin.complete(model, prompt)

        def again(until: float) -> None:
            while time.monotonic() < until:
                ask(large)

        with ThreadPoolExecutor(waiting + receiving) as pool:
            ask(small)
            ask(large)
            # A host's first crowd keeps it busy, whoever answers.
            list(pool.map(ask, ["a fox"] * (waiting + receiving)))
            with self._measured() as found:
                until = time.monotonic() + seconds
                jobs = [pool.submit(again, until) for _ in range(receiving)]
                jobs += [pool.submit(ask, small) for _ in range(waiting)]
                for job in jobs:
                    job.result()
        return found

    @contextmanager
    def _measured(self) -> Iterator[Json]:
        found: Json = {}
        self.admin.complete(PROBE_ID, "start")
        yield found
        found |= self._probe("stop")

    def _probe(self, command: str) -> Json:
        answer = self.admin.complete(PROBE_ID, command)
        found: Json = json.loads(answer["choices"][0]["message"]["content"])
        return found


def row_growth(database: Path, chat: Chat, prompt: str, **body: Any) -> int:
    """Bytes that the second turn of a new chat adds to the chat's row."""
    sizes = []
    for _ in range(2):
        assert not chat.ask(prompt, **body).error
        sizes.append(_settled_size(database, chat.id))
    return sizes[1] - sizes[0]


def _settled_size(database: Path, chat_id: str) -> int:
    """The bytes of a chat's row, once the host writes no more to it.

    It writes on after it has said that an answer is done.
    """
    sizes = [0]

    def is_settled() -> bool:
        sizes.append(_size(database, chat_id))
        return len(sizes) > SAME_SIZES and len(set(sizes[-SAME_SIZES:])) == 1

    wait_until(is_settled, "the last of the chat's row")
    return sizes[-1]


def _size(database: Path, chat_id: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        query = "select * from chat where id = ?"
        [row] = connection.execute(query, [chat_id]).fetchall()
    return sum(len(str(cell).encode()) for cell in row if cell is not None)
