"""What a test sent to the stand-in for Google, and what it was given for it."""

from __future__ import annotations

from typing import Any

from dev.standin import RecordedRequest, StandIn


def posts(google: StandIn) -> list[RecordedRequest]:
    """The requests that make something, oldest first; lists of models are none."""
    return [request for request in google.requests if request.method == "POST"]


def words_of(answer: Any) -> str:
    """The words of an answer that was not streamed: a completion's, or a task's."""
    if isinstance(answer, str):
        return answer
    [choice] = answer["choices"]
    words = choice["message"]["content"]
    assert isinstance(words, str)
    return words
