"""What went to Google and what came back, as a test on a host wants to know it."""

from __future__ import annotations

import time
from typing import Any

from dev.standin import StandInProcess
from dev.waiting import wait_until

Json = dict[str, Any]


def drawings(google: StandInProcess) -> list[Json]:
    """The requests for pictures, oldest first."""
    return [r for r in google.requests() if r["method"] == "POST"]


def digests_in(request: Json) -> list[str]:
    """The digests of the pictures in a request."""
    return [image["sha256"] for image in request["images"]]


def received(google: StandInProcess) -> list[str]:
    """The digests of the pictures in the last request."""
    return digests_in(drawings(google)[-1])


def texts(google: StandInProcess) -> list[str]:
    """The words in the last request, the turns' in their order."""
    found: list[str] = drawings(google)[-1]["texts"]
    return found


def config(google: StandInProcess) -> Json:
    """The ``generationConfig`` of the last request."""
    found: Json = drawings(google)[-1]["body"]["generationConfig"]
    return found


def sent(google: StandInProcess) -> list[str]:
    """The digests of the pictures that Google has made, oldest first."""
    return [image["sha256"] for image in google.sent_images()]


# ── Requests that are not over yet ───────────────────────────────────────────────────

# As long as the unfinished answers of these tests take: "[[wait 30]]". What ends in a
# tenth of that was ended, and at once; a shorter limit would measure the machine.
ANSWER_S = 30.0
AT_ONCE_S = ANSWER_S / 10
READING_S = 0.5


def under_way(google: StandInProcess, count: int) -> None:
    """Wait until so many requests have come; the last one is not answered yet."""
    wait_until(lambda: len(drawings(google)) >= count, f"request number {count}")
    assert drawings(google)[-1]["finished"] is None


def all_have_begun(google: StandInProcess, count: int) -> None:
    """Wait until so many answers have begun."""
    under_way(google, count)

    def have_begun() -> bool:
        return all(r["status"] == 200 for r in drawings(google))

    wait_until(have_begun, "the head of the answer")
    # What was sent with it is still on its way; people read before they press Stop.
    time.sleep(READING_S)


def all_have_failed(google: StandInProcess, count: int) -> None:
    """Wait until so many requests have failed, so that the next try is waited for."""

    def have_failed() -> bool:
        requests = drawings(google)
        return len(requests) >= count and all(r["finished"] for r in requests)

    wait_until(have_failed, f"failure number {count}")


def assert_hung_up(google: StandInProcess, since: float) -> None:
    """The host's side ends every unfinished request, at once after ``since``."""

    def unfinished() -> list[Json]:
        return [r for r in drawings(google) if (r["finished"] or since) >= since]

    def all_gone() -> bool:
        return all(r["disconnected"] for r in unfinished())

    wait_until(all_gone, "the end of all connections", AT_ONCE_S)
    assert all(r["finished"] - since < AT_ONCE_S for r in unfinished())


def now() -> float:
    """The time by the clock of the records."""
    return time.time()
