"""What a test sent to the stand-in for Google."""

from __future__ import annotations

from dev.standin import RecordedRequest, StandIn


def posts(google: StandIn) -> list[RecordedRequest]:
    """The requests that make something, oldest first; lists of models are none."""
    return [request for request in google.requests if request.method == "POST"]
