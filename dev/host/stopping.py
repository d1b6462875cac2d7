"""Stop, as a user presses it, and what must then be so."""

from __future__ import annotations

from dev.host.client import Answer, Chat
from dev.waiting import wait_until

STOPPED = "Stopped"


def press_stop(chat: Chat, message_id: str) -> Answer:
    """Press Stop; the answer once nothing runs and its status line is closed."""
    chat.stop()
    return when_closed(chat, message_id)


def when_closed(chat: Chat, message_id: str) -> Answer:
    """The answer once its status line is closed, which is saved a moment later."""

    def closed() -> Answer | None:
        answer = chat.answer(message_id)
        is_closed = answer.statuses and answer.statuses[-1]["done"]
        is_running = chat.client.running_tasks(chat.id)
        return answer if is_closed and not is_running else None

    return wait_until(closed, "a closed status line")
