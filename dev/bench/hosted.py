"""What only a real host can tell: bytes in its database, and what a whole turn takes."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import gemini_image_pipe as gip
from dev.bench import crowd, loading
from dev.host import people, plugin
from dev.host.client import Chat, Client, Json, content_of
from dev.host.server import Host
from dev.standin import DEFAULT_KEY
from dev.waiting import wait_until

# Answers "load" by loading the plugin once more, and everything else with a sentence.
PROBE = '''"""
title: Probe
"""
import json, runpy


class Pipe:
    async def pipe(self, body):
        if body["messages"][-1]["content"] == "load":
            return json.dumps(runpy.run_path("%(loading)s")["load"]())
        return "Here it is."
'''
SENTENCE = "Here it is."
# As long as the plugin's: the row names the model, too.
PROBE_ID = "probe_of_what_a_turn_costs"[: len(plugin.AUTO_MODEL)]
FLOOR_ID = "floor"
# The one that the plugin takes, too.
MODEL = gip.newest_model(facts.id for facts in gip.CURRENT_MODELS)
# So many looks at a row in turn find the same when nothing more is written to it.
SAME_SIZES = 10
# The shortest pipe that does the work, with what every host has installed.
FLOOR = '''"""
title: Floor
"""
import base64, json
import aiohttp
from open_webui.models.users import UserModel
from open_webui.routers.images import upload_image


class Pipe:
    async def pipe(self, body, __user__, __request__):
        part = {"text": body["messages"][-1]["content"]}
        config = {"responseModalities": ["TEXT", "IMAGE"]}
        async with aiohttp.ClientSession() as session, session.post(
            "%(url)s/v1beta/models/%(model)s:generateContent",
            json={
                "contents": [{"role": "user", "parts": [part]}],
                "generationConfig": config,
            },
            headers={"x-goog-api-key": "%(key)s"},
        ) as response:
            [candidate] = json.loads(await response.read())["candidates"]
        for part in candidate["content"]["parts"]:
            if "inlineData" in part:
                picture = base64.b64decode(part["inlineData"]["data"])
        user = UserModel(**__user__)
        _, link = await upload_image(__request__, picture, "image/png", {}, user)
        return f"![picture]({link['url']})"
'''


def add_floor(admin: Client, upstream_url: str) -> None:
    """Put the shortest pipe that does the work on a host, as model FLOOR_ID.

    Everybody may use it, as the plugin's models: a host looks up the rights of those.
    """
    words = {"url": upstream_url, "model": MODEL, "key": DEFAULT_KEY}
    for model in plugin.add_function(admin, FLOOR_ID, FLOOR % words):
        admin.grant_to_all(model)


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
        found: Json = json.loads(content_of(self.admin.complete(PROBE_ID, "load")))
        return found

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

    def pairs(
        self, prompt: str, chats: int, rounds: int, watched: bool
    ) -> list[crowd.Pair]:
        """So many rounds of the plugin and the floor, with so many chats at once;
        ``watched``: with /health asked meanwhile."""
        models = (plugin.AUTO_MODEL, FLOOR_ID)
        endless = crowd.pairs(self.admin, models, prompt, chats, watched)
        return list(islice(endless, rounds))


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
