"""A channel on a host, in which members ask the plugin's first model, or another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from dev.host import plugin
from dev.host.client import Client, Json, UploadedFile
from dev.waiting import wait_until

CONFIG = "/api/v1/auths/admin/config"
# Where models take part, an empty message is there before they answer.
TAKES_PART_WITHIN_S = 10.0


class Channel:
    """A channel of some members; all that is asked belongs to one thread."""

    def __init__(
        self, admin: Client, members: Sequence[Client], model: str = plugin.AUTO_MODEL
    ) -> None:
        self._mention = f"<@M:{model}|Gemini Image>"
        grants = [
            {
                "principal_type": "user",
                "principal_id": member.user_id,
                "permission": permission,
            }
            for member in members
            for permission in ("read", "write")
        ]
        form = {"name": "painters", "access_grants": grants, "access_control": None}
        self.id = admin.post("/api/v1/channels/create", form)["id"]
        self._path = f"/api/v1/channels/{self.id}/messages"
        self._thread = ""

    def ask(
        self, member: Client, text: str, pictures: Sequence[UploadedFile] = ()
    ) -> str:
        """Mention the model, in the thread if there is one; return its answer.

        Raises ``Failure`` where no model takes part in channels.
        """
        files = [
            {
                "type": "file",
                "id": file.id,
                "url": file.id,
                "name": file.name,
                "content_type": file.content_type,
            }
            for file in pictures
        ]
        form: Json = {"content": f"{self._mention} {text}", "data": {"files": files}}
        form["parent_id"] = self._thread or None
        message = member.post(f"{self._path}/post", form)
        self._thread = self._thread or message["id"]

        def answers() -> list[Json]:
            messages = member.get(f"{self._path}/{self._thread}/thread")
            by_models = [m for m in messages if (m["meta"] or {}).get("model_id")]
            return [m for m in by_models if m["created_at"] > message["created_at"]]

        def done() -> list[Json]:
            return [m for m in answers() if m["meta"].get("done")]

        wait_until(answers, "a message of the model", TAKES_PART_WITHIN_S)
        return str(wait_until(done, f"the answer to {text!r}")[0]["content"])


@contextmanager
def open_channel(
    admin: Client, members: Sequence[Client], model: str = plugin.AUTO_MODEL
) -> Iterator[Channel]:
    """A channel of these members, on a host that has channels meanwhile."""
    before = admin.get(CONFIG)
    admin.post(CONFIG, {**before, "ENABLE_CHANNELS": True})
    channel = Channel(admin, members, model)
    try:
        yield channel
    finally:
        admin.request("DELETE", f"/api/v1/channels/{channel.id}/delete")
        admin.post(CONFIG, before)
