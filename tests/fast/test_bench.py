"""What ``python3 dev bench`` measures with, and the table that it writes."""

import time
from collections.abc import Iterator

import pytest
import requests
from waiting import wait_until

from dev.bench import page
from dev.bench.crowd import Load, Pair, figure
from dev.bench.upstream import Upstream, last_byte
from dev.standin import DEFAULT_KEY, StandIn

PATH = "/v1beta/models/gemini-nano-banana-2.1:streamGenerateContent?alt=sse"


@pytest.fixture(scope="module")
def upstream(shared_google: StandIn) -> Iterator[Upstream]:
    """One process for all; it keeps what it was answered, so prompts differ."""
    with Upstream(shared_google.url) as running:
        yield running


def ask(url: str, prompt: str) -> requests.Response:
    part = {"role": "user", "parts": [{"text": prompt}]}
    config = {"responseModalities": ["TEXT", "IMAGE"]}
    return requests.post(
        url + PATH,
        json={"contents": [part], "generationConfig": config},
        headers={"x-goog-api-key": DEFAULT_KEY},
        timeout=20,
    )


def test_an_answer_is_made_once_and_sent_again(
    google: StandIn, upstream: Upstream
) -> None:
    first, again = (ask(upstream.url, "a cat [[size 10KB]]") for _ in range(2))
    assert first.status_code == 200 and "inlineData" in first.text
    assert again.content == first.content
    assert len(google.requests) == 1
    assert ask(upstream.url, "another [[size 10KB]]").content != first.content


def test_refusals_are_sent_as_they_are(upstream: Upstream) -> None:
    assert ask(upstream.url, "a fox [[status 503]]").status_code == 503


def test_waiting_is_left_to_the_one_who_sends(
    google: StandIn, upstream: Upstream
) -> None:
    ask(upstream.url, "a fox [[size 10KB]] [[wait 0.1]]")
    assert google.requests[0].texts == ["a fox [[size 10KB]] "]
    started = time.monotonic()
    ask(upstream.url, "a fox [[size 10KB]] [[wait 0.1]]")
    # It is noted a moment after the last byte is out.
    assert wait_until(lambda: last_byte(upstream.url) >= started)
    assert started + 0.1 <= last_byte(upstream.url) <= time.monotonic()


def test_a_ratio_within_its_limit_is_met() -> None:
    row = page.ratio_row("8 MB", 0.12, 0.1, 1.3)
    assert row == ("8 MB", "120 ms (1.20 ×)", "100 ms", "≤ 1.3 ×", True)
    assert page.ratio_row("8 MB", 0.14, 0.1, 1.3).met is False
    assert page.ratio_row("1 MB", 0.14, 0.1, None)[3:] == ("", None)


def test_the_ratio_of_a_row_can_be_that_of_pairs() -> None:
    row = page.ratio_row("8 MB", 0.12, 0.1, 1.3, 1.4)
    assert row == ("8 MB", "120 ms (1.40 ×)", "100 ms", "≤ 1.3 ×", False)


def test_pairs_are_compared_one_by_one() -> None:
    times = ((2.0, 1.0), (30.0, 20.0), (3.0, 3.0))
    found = [Pair(Load(ours, 0), Load(floor, 0)) for ours, floor in times]
    assert figure(found, lambda load: load.seconds) == (3.0, 3.0, 1.5)


def test_the_table_says_what_is_met() -> None:
    rows = [page.ratio_row("8 MB", 0.2, 0.1, 1.3), page.Row("x", "1", "", "", None)]
    *_, missed, without = page.table(rows).splitlines()
    assert missed == "| 8 MB | 200 ms (2.00 ×) | 100 ms | ≤ 1.3 × (missed) |"
    assert without == "| x | 1 |  |  |"


def test_a_reason_is_given_only_for_what_is_missed() -> None:
    met = page.Row("reader, 1 MB", "1", "1", "≥ 1", True)
    without = page.Row("reader, 1 byte", "1", "1", "", None)
    assert page.missed([met, without]) == "None."
    short = page.Row("reader, 8 MB", "0.5", "1", "≥ 1", False)
    [line] = page.missed([met, short, short, without]).splitlines()
    assert line.startswith("- **reader, 8 MB** and 1 like it: nearly all of its time")


def test_a_target_that_is_missed_without_a_known_reason_is_named_all_the_same() -> None:
    row = page.ratio_row("new", 0.2, 0.1, 1.3)
    assert page.missed([row]) == "- **new**: not explained yet."
