"""A release that is in use gets today's file by pasting, and nothing is lost by it.

Everything that an installation has is made with the release: settings, presets, grants,
a chat. What is asked of it is asked three times: of the release, of today's file over
it, and of the release again, for whoever goes back must lose nothing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from dev.host import plugin
from dev.host.client import Client, Json, content_of, notes_of
from dev.host.pictures import pictures_of
from dev.host.traffic import config, drawings, received, texts
from dev.host.watched import WatchedHost
from dev.pages.manifest import PRODUCT, read_front_matter
from dev.standin import DEFAULT_KEY

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.py"))
# Whoever pastes a file chooses the id by the name.
FUNCTION_IDS = (plugin.FUNCTION_ID, "gemini_image")
OWN_KEY = f"{DEFAULT_KEY}-second"
FLASH, PRO = "gemini-3.1-flash-image", "gemini-3-pro-image"
RETIRED = "imagen-3.0-generate-002"
# No setting is as it was found. The address is the stand-in's.
SETTINGS: Json = {
    "GEMINI_API_KEY": DEFAULT_KEY,
    "REQUIRE_USER_KEY": True,
    "MODELS": "gemini-3*",
    "RETIRED_MODELS": "imagen-4.0-fast-generate-001",
    "FOLLOW_SUCCESSORS": False,
    "ASPECT_RATIO": "16:9",
    "IMAGE_SIZE": "2K",
    "IMAGES_PER_PROMPT": "2",
    "THINKING_LEVEL": "high",
    "GOOGLE_SEARCH": "on",
    "SHOW_THOUGHTS": "on",
    "SAFETY_THRESHOLD": "BLOCK_ONLY_HIGH",
    "HISTORY_IMAGES": 2,
    "STORAGE": "inline",
    "MAX_RETRIES": 1,
    "MAX_PARALLEL_REQUESTS": 8,
    "REQUEST_TIMEOUT": 200,
}
SETTINGS_OF_USERS: Json = {
    "ASPECT_RATIO": "3:4",
    "IMAGE_SIZE": "1K",
    "IMAGES_PER_PROMPT": "1",
    "THINKING_LEVEL": "minimal",
    "GOOGLE_SEARCH": "off",
    "SHOW_THOUGHTS": "off",
    "GEMINI_API_KEY": OWN_KEY,
}
# What the chat holds in words, without the sentence of the plugin's own.
HISTORY = [
    "a red fox [[say Here it comes.]]",
    "Here it comes.",
    "make it green",
    "Here is the picture you asked for.",
]


class Installation:
    """A function that is in use: what its administrator and two users have of it."""

    def __init__(self, on: WatchedHost, function_id: str, source: str) -> None:
        self.on = on
        self.id = function_id
        self.path = f"/api/v1/functions/id/{function_id}"
        self.people = (on.admin, on.user, on.second_user)
        about = {"id": function_id, "name": "Pictures", "meta": {"description": "d"}}
        on.admin.post("/api/v1/functions/create", {**about, "content": source})
        on.admin.toggle_function(function_id)
        self.settings = {**SETTINGS, "GEMINI_API_BASE_URL": on.google.url}
        self._add_models()
        self._chat()
        self._change_settings()

    def _add_models(self) -> None:
        """Settings of two models, each for one user, and two presets."""
        user, second = [self.on.user], [self.on.second_user]
        painting = {"system": "Paint in oil.", "temperature": 0.3}
        painting["custom_params"] = {"aspect_ratio": "21:9"}
        self._add_model(f"{self.id}.{FLASH}", readers=user)
        self._add_model(f"{self.id}.{PRO}", readers=second, params={"top_p": 0.5})
        self._add_model("painter", f"{self.id}.{PRO}", second, painting)
        self._add_model("old_painter", f"{self.id}.{RETIRED}")
        self.rows = (f"{self.id}.{FLASH}", f"{self.id}.{PRO}", "painter", "old_painter")

    def _add_model(
        self,
        model_id: str,
        base: str | None = None,
        readers: Iterable[Client] = (),
        params: Json | None = None,
    ) -> None:
        ids = [client.user_id for client in readers]
        grants = [{"principal_type": "user", "principal_id": i} for i in ids]
        nobody: Json = {"user_ids": [], "group_ids": []}
        form = {
            "id": model_id,
            "name": f"My {model_id}",
            "base_model_id": base,
            "meta": {"description": "As we like it."},
            "params": params or {},
            # Newer hosts read the first, older ones the second.
            "access_grants": [{**grant, "permission": "read"} for grant in grants],
            "access_control": {"read": {**nobody, "user_ids": ids}, "write": nobody},
            "is_active": True,
        }
        self.on.admin.post("/api/v1/models/create", form)

    def _chat(self) -> None:
        """Two turns with three pictures in the host's files, and a note."""
        key = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": self.on.google.url}
        self.on.admin.set_valves(self.id, **key)
        self.on.admin.models()  # the host learns of them
        self.chat = self.on.user.new_chat(f"{self.id}.{FLASH}")
        first = self.chat.ask("a red fox [[say Here it comes.]] --n 2 --size 8K")
        self.last = self.chat.ask("make it green")
        assert len(notes_of(first)) == 1
        self.messages = list(self.on.user.chat_history(self.chat.id))
        found = [pictures_of(self.on.user, answer) for answer in (first, self.last)]
        self.pictures = [picture.digest for pictures in found for picture in pictures]
        assert len(self.pictures) == 3

    def _change_settings(self) -> None:
        """Every setting that there is, to something else than its default."""
        spec = self.on.admin.get(f"{self.path}/valves/spec")["properties"]
        changed = {name: self.settings[name] for name in spec}
        assert [n for n in spec if changed[n] == spec[n]["default"]] == []
        self.on.admin.replace_valves(self.id, changed)
        spec = self.on.admin.get(f"{self.path}/valves/user/spec")["properties"]
        changed = {name: SETTINGS_OF_USERS[name] for name in spec}
        assert [n for n in spec if changed[n] == spec[n]["default"]] == []
        for client in self.people:
            client.replace_user_valves(self.id, changed)

    def paste(self, source: str) -> None:
        """Replace the text in the editor and save, as the page does it."""
        function = self.on.admin.get(self.path)
        form = {key: function[key] for key in ("id", "name", "content", "meta")}
        self.on.admin.update_function(self.id, {**form, "content": source})
        saved = self.on.admin.get(self.path)
        assert saved["content"] == source
        version = read_front_matter(source)["version"]
        assert saved["meta"]["manifest"]["version"] == version
        assert (saved["name"], saved["is_active"]) == ("Pictures", True)

    def models(self) -> list[list[str]]:
        """The ids that each of the people may choose from."""
        return [[model["id"] for model in client.models()] for client in self.people]

    def data(self) -> Json:
        """What must be the same whichever version is there."""
        get = self.on.admin.get
        history = self.on.user.chat_history(self.chat.id)
        messages = [{**history[i], "childrenIds": []} for i in self.messages]
        return {
            "settings": self.on.admin.valves(self.id),
            "settings of users": [c.user_valves(self.id) for c in self.people],
            "models": [get(f"/api/v1/models/model?id={row}") for row in self.rows],
            "messages": messages,
        }

    def goes_on_with_the_chat(self) -> None:
        """The third turn takes pictures and words along, but no note of the plugin."""
        self.chat.go_back(self.last)
        answer = self.chat.ask("make it blue")
        assert inline_pictures(answer.content) == 1
        assert received(self.on.google) == self.pictures[-2:]
        *earlier, prompt = texts(self.on.google)
        assert earlier[: len(HISTORY)] == HISTORY
        assert prompt == "make it blue"
        assert "ℹ️" not in "".join(earlier)
        self._drew_with(aspectRatio="3:4", imageSize="1K")

    def follows_the_preset(self) -> None:
        """Its instructions and parameters hold for the one who may use it."""
        answer = self.on.second_user.new_chat("painter").ask("a red fox")
        assert inline_pictures(answer.content) == 1
        request = drawings(self.on.google)[-1]
        assert request["model"] == PRO
        assert request["body"]["systemInstruction"]["parts"] == [
            {"text": "Paint in oil."}
        ]
        has_own_parameters = self.on.version >= (0, 6, 43)
        ratio = "21:9" if has_own_parameters else "3:4"
        self._drew_with(aspectRatio=ratio, imageSize="1K")

    def _drew_with(self, **image_config: str) -> None:
        """The newest request had that shape, and the user's own key."""
        headers = drawings(self.on.google)[-1]["headers"]
        assert headers["x-goog-api-key"] == OWN_KEY
        assert config(self.on.google)["imageConfig"] == image_config

    def answers_as_retired(self, draws: bool) -> None:
        """The preset of a retired model answers as FOLLOW_SUCCESSORS says."""
        answer = content_of(self.on.admin.complete("old_painter", "a red fox"))
        assert RETIRED in "".join(notes_of(answer))
        assert inline_pictures(answer) == draws


def inline_pictures(answer: str) -> int:
    """How many pictures stand in the message itself, as STORAGE wants them."""
    return answer.count("(data:image/jpeg;base64,")


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest) -> str:
    """The text of a release."""
    path: Path = request.param
    return path.read_text()


@pytest.fixture(params=FUNCTION_IDS)
def installation(
    request: pytest.FixtureRequest, on: WatchedHost, release: str
) -> Iterator[Installation]:
    """The release in the place of today's plugin, which comes back afterwards."""
    function_id: str = request.param
    on.admin.delete_function(plugin.FUNCTION_ID)
    on.admin.request("DELETE", "/api/v1/models/delete/all")
    yield Installation(on, function_id, release)
    for client in (on.admin, on.user, on.second_user):
        client.replace_user_valves(function_id, {})
    on.admin.delete_function(function_id)
    on.admin.request("DELETE", "/api/v1/models/delete/all")
    plugin.install(on.admin, on.google.url)


def test_an_update_loses_nothing(installation: Installation, release: str) -> None:
    data, models = installation.data(), installation.models()
    for source in (release, PRODUCT.read_text(), release):
        installation.paste(source)
        assert installation.data() == data
        for before, now in zip(models, installation.models(), strict=True):
            assert set(before) <= set(now)
        installation.goes_on_with_the_chat()
        installation.follows_the_preset()
        installation.answers_as_retired(draws=False)


def test_settings_that_were_saved_after_an_update_hold(
    installation: Installation, release: str
) -> None:
    before = installation.on.admin.valves(installation.id)
    installation.paste(PRODUCT.read_text())
    installation.on.admin.set_valves(installation.id, FOLLOW_SUCCESSORS=True)
    for source in (PRODUCT.read_text(), release):
        installation.paste(source)
        installation.answers_as_retired(draws=True)
        saved = installation.on.admin.valves(installation.id)
        assert saved | before | {"FOLLOW_SUCCESSORS": True} == saved
