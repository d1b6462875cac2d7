"""What is tried again, what is not, and what is left out on the way."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import pytest
from waiting import own_threads, until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn


class Chat:
    """One request and what became of it."""

    def __init__(self, google: StandIn, prompt: str, **more: Any) -> None:
        self.statuses: list[str] = []
        valves = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
        valves.update(more.pop("valves", {}))
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(**valves)
        model = more.pop("model", "gemini-nano-banana-2.1")
        messages = [{"role": "user", "content": prompt}]
        body = {"model": f"f.{model}", "messages": messages, **more}
        self.usage: dict[str, Any] = {}
        self.text = asyncio.run(
            self._answer(pipe.pipe(body, __event_emitter__=self._emit))
        )
        self.pictures = self.text.count("](data:image/")
        self.requests = [r for r in google.requests if r.method == "POST"]

    async def _answer(self, pipe: Coroutine[Any, Any, Any]) -> str:
        answer = await pipe
        if isinstance(answer, str):
            return answer
        chunks = [chunk async for chunk in answer]
        self.usage = chunks[-1].get("usage", {})
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        return "".join(delta.get("content", "") for delta in deltas)

    async def _emit(self, event: dict[str, Any]) -> None:
        self.statuses.append(event["data"]["description"])


@pytest.mark.parametrize("trouble", ["503", "500", "502", "504", "minute 2s", "bare"])
def test_what_passes_by_itself_is_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[fail 2 {trouble}]]")
    assert chat.pictures == 1
    assert len(chat.requests) == 3
    assert len(waits) == 2
    assert gip.FAILURE_MARK not in chat.text
    assert sum("next try in" in status for status in chat.statuses) == 2
    # The status that announced a try would be untrue while it runs.
    assert "trying again" in chat.statuses[-2]


def test_each_wait_is_longer_and_what_google_asks_for_comes_first(
    google: StandIn, waits: list[float]
) -> None:
    Chat(google, "a fox [[fail 2 503]]")
    assert 2 <= waits[0] < 3
    assert 6 <= waits[1] < 8
    waits.clear()
    Chat(google, "a cat [[fail 1 minute 17s]]")
    assert 17 <= waits[0] < 21


@pytest.mark.parametrize(
    "trouble",
    ["429 zero", "429 day", "429 prepaid", "status 400", "429 minute 44788s"],
)
def test_what_waiting_cannot_help_is_not_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[{trouble}]]")
    assert len(chat.requests) == 1
    assert waits == []
    assert gip.FAILURE_MARK in chat.text


@pytest.mark.parametrize(
    "trouble", ["cut", "midstream error", "reset", "fail 9 html 504"]
)
def test_what_may_have_been_billed_is_not_tried_again(
    google: StandIn, waits: list[float], trouble: str
) -> None:
    chat = Chat(google, f"a fox [[{trouble}]]")
    assert len(chat.requests) == 1
    assert gip.FAILURE_MARK in chat.text


def test_a_read_that_timed_out_is_not_tried_again(google: StandIn) -> None:
    chat = Chat(google, "a fox [[wait 60]]", valves={"REQUEST_TIMEOUT": 1})
    assert len(chat.requests) == 1
    assert "did not finish" in chat.text


@pytest.mark.parametrize(("retries", "requests"), [(0, 1), (1, 2), (3, 4), ("", 3)])
def test_the_administrator_says_how_often(
    google: StandIn, waits: list[float], retries: Any, requests: int
) -> None:
    chat = Chat(google, "a fox [[status 503]]", valves={"MAX_RETRIES": retries})
    assert len(chat.requests) == requests
    assert "overloaded" in chat.text


def test_the_time_limit_holds_for_all_tries_together(google: StandIn) -> None:
    chat = Chat(google, "a fox [[status 503]]", valves={"REQUEST_TIMEOUT": 1})
    assert len(chat.requests) == 1
    assert "overloaded" in chat.text


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "OTHER"])
def test_a_slip_gets_one_more_try(
    google: StandIn, waits: list[float], reason: str
) -> None:
    chat = Chat(google, f"a fox [[finish {reason}]]")
    assert len(chat.requests) == 2
    assert chat.text.count(gip.FAILURE_MARK) == 1


def test_the_tokens_of_a_slip_count(
    google: StandIn, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tokens() -> int:
        chat = Chat(google, "a fox [[finish NO_IMAGE]]", stream=True)
        return int(chat.usage["total_tokens"])

    of_two = tokens()
    monkeypatch.setattr(gip, "WORTH_ANOTHER_TRY", set())
    assert of_two == 2 * tokens() > 0


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "PROHIBITED_CONTENT", "MAX_TOKENS"])
def test_a_refusal_gets_none(google: StandIn, reason: str) -> None:
    chat = Chat(google, f"a fox [[finish {reason}]]")
    assert len(chat.requests) == 1
    assert chat.text.count(gip.FAILURE_MARK) == 1


def test_options_that_are_refused_by_name_are_left_out_one_by_one(
    google: StandIn,
) -> None:
    chat = Chat(
        google,
        "a fox [[refuse aspectRatio]] [[refuse imageSize]]",
        model="gemini-9-image",
        aspect_ratio="16:9",
        image_size="2K",
    )
    assert chat.pictures == 1
    assert len(chat.requests) == 3
    assert "imageConfig" not in chat.requests[-1].body["generationConfig"]
    notes = [s for s in chat.text.splitlines() if s.startswith(gip.NOTE_MARK)]
    assert sum(note.endswith("out: aspect ratio.") for note in notes) == 1
    assert sum(note.endswith("out: picture size.") for note in notes) == 1


def test_stop_in_a_pause_sends_nothing_more(google: StandIn) -> None:
    said: list[str] = []

    async def emit(event: dict[str, Any]) -> None:
        said.append(event["data"]["description"])

    async def stop_in_the_pause() -> None:
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(
            GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url
        )
        messages = [{"role": "user", "content": "a fox [[status 503]]"}]
        body = {"model": "f.gemini-3-pro-image", "messages": messages}
        task = asyncio.create_task(pipe.pipe(body, __event_emitter__=emit))
        assert await until(lambda: any("next try in" in status for status in said))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        # Nobody is left who could send anything.
        assert await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert await until(lambda: not own_threads())

    asyncio.run(stop_in_the_pause())
    assert said[-1] == "Stopped"
    assert len([r for r in google.requests if r.method == "POST"]) == 1


def test_what_nobody_expected_is_said_to_be_so(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(job: Any, limit: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(gip.REQUESTS, "start", refuse)
    chat = Chat(google, "a fox")
    assert "Something unexpected went wrong" in chat.text
    assert "can't start new thread" in caplog.text


@pytest.mark.parametrize("count", [1, 2])
def test_words_stay_where_no_picture_came(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    async def words_alone(*_: Any, **__: Any) -> AsyncGenerator[gip.Event, None]:
        yield gip.Text("I cannot draw that, sorry!")
        yield gip.Finish()

    monkeypatch.setattr(gip.GeminiClient, "generate", words_alone)
    chat = Chat(google, "a fox", n=count)
    assert chat.text.startswith("I cannot draw that, sorry!\n\n" + gip.FAILURE_MARK)


def test_one_of_several_that_fails_does_not_hide_the_rest(google: StandIn) -> None:
    chat = Chat(google, "a fox [[fail 1 400]]", n=3)
    assert chat.pictures == 2
    assert chat.text.count(gip.FAILURE_MARK) == 1
