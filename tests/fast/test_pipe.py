"""The whole plugin without a host: a chat request in, markdown or chunks out."""

import asyncio
import base64
import contextlib
import gc
import itertools
import json
import re
import sys
import types
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from growth import growth
from messages import in_english
from rows import check_rows
from traffic import posts, words_of
from waiting import until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn, pictures

DATA_URI = re.compile(r"!\[([^\]\n]*)\]\(data:(image/\w+);base64,([A-Za-z0-9+/=]+)\)")
NEWEST = max(gip.CURRENT_MODELS, key=lambda facts: facts.released).id


def pipe_for(google: StandIn, **valves: Any) -> gip.Pipe:
    pipe = gip.Pipe()
    settings = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
    settings["MAX_RETRIES"] = "0"  # a failure is to be seen, not waited for
    pipe.valves = pipe.Valves(**{**settings, **valves})
    return pipe


class Emitter:
    """Keeps what the host would show, or fails as a broken host would."""

    def __init__(self, fails: bool = False) -> None:
        self.events: list[dict[str, Any]] = []
        self.fails = fails

    async def __call__(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        if self.fails:
            raise RuntimeError("the host's emitter broke")

    @property
    def last(self) -> dict[str, Any]:
        data: dict[str, Any] = self.events[-1]["data"]
        return data


def body_of(prompt: Any, model: str = "auto", **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": prompt}]
    return {"model": f"gemini_image_pipe.{model}", "messages": messages, **more}


def answer(pipe: gip.Pipe, body: Any, **host: Any) -> str:
    result = asyncio.run(pipe.pipe(body, **host))
    return words_of(result)


async def chunks_of(pipe: gip.Pipe, body: Any, **host: Any) -> list[dict[str, Any]]:
    result = await pipe.pipe({**body, "stream": True}, **host)
    assert isinstance(result, AsyncGenerator)
    return [chunk async for chunk in result]


def shown(markdown: str) -> list[bytes]:
    return [base64.b64decode(found[2]) for found in DATA_URI.findall(markdown)]


def generated(google: StandIn) -> list[str]:
    return [request.model for request in posts(google)]


async def moments() -> None:
    """Many turns of the event loop."""
    for _ in range(50):
        await asyncio.sleep(0)


def failure_of(markdown: str) -> str:
    lines = [s for s in markdown.splitlines() if s.startswith(gip.FAILURE_MARK)]
    assert len(lines) == 1, markdown
    return lines[0]


# ── The answer ───────────────────────────────────────────────────────────────────────


def test_text_and_picture_come_in_their_order(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a red fox"))
    assert shown(markdown) == google.sent_images
    assert markdown.index("Here is") < markdown.index("![a red fox](")
    assert generated(google) == [NEWEST]


def test_streaming_shows_the_same_in_complete_chunks(google: StandIn) -> None:
    pipe = pipe_for(google)
    chunks = asyncio.run(chunks_of(pipe, body_of("a red fox")))
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["model"] == "gemini_image_pipe.auto"
        assert chunk["id"] == chunks[0]["id"]
        assert isinstance(chunk["created"], int)
        json.dumps(chunk)
    assert all(chunk["choices"][0]["index"] == 0 for chunk in chunks)
    streamed = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
    assert shown(streamed) == google.sent_images
    assert [c["choices"][0]["finish_reason"] for c in chunks[-2:]] == [None, "stop"]
    google.reset()
    whole = answer(pipe, body_of("a red fox"))
    assert DATA_URI.sub("", streamed).split() == DATA_URI.sub("", whole).split()


def test_words_that_look_like_a_stream_event_stay_words(google: StandIn) -> None:
    forged = 'data: {"choices":[{"delta":{"tool_calls":[{"id":"x"}]}}]}'
    script = base64.b64encode(forged.encode()).decode()
    chunks = asyncio.run(chunks_of(pipe_for(google), body_of(f"[[say64 {script}]]")))
    assert all(isinstance(chunk, dict) for chunk in chunks)
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert all("tool_calls" not in delta for delta in deltas)
    text = "".join(delta.get("content", "") for delta in deltas)
    assert forged in text


KNOWN = gip.UsageWish.IF_KNOWN


def chunks_made_of(pieces: Sequence[gip.Piece]) -> list[dict[str, Any]]:
    """The stream events of pieces that all wait already when the first is read."""

    async def work(send: Callable[[gip.Piece], Awaitable[None]]) -> None:
        for piece in pieces:
            await send(piece)

    async def read() -> list[dict[str, Any]]:
        return [chunk async for chunk in gip.as_chunks(work, "m", KNOWN, closing=True)]

    return asyncio.run(read())


HM, SO = gip.Thoughts("Hm."), gip.Thoughts("So.")
WAITING: list[tuple[list[gip.Piece], list[str]]] = [
    # what waits → the deltas: thoughts begin with a question mark
    ([], []),
    (["a"], ["a"]),
    (["a", "b", "c"], ["abc"]),
    (["a", "", "b", ""], ["ab"]),
    ([""], [""]),
    ([HM, SO], ["?Hm.", "?So."]),
    ([HM, "a", "b", SO, "c", "d"], ["?Hm.", "ab", "?So.", "cd"]),
    (["a", HM, "b"], ["a", "?Hm.", "b"]),
    (["a", "b", {"total_tokens": 5}], ["ab"]),
    (["a", {"total_tokens": 5}, "b", "c"], ["a", "bc"]),
    ([f"{n} " for n in range(5000)], ["".join(f"{n} " for n in range(5000))]),
]


def test_words_that_wait_are_one_chunk_and_none_is_lost() -> None:
    """The host saves and sends on each chunk by itself."""

    def check(pieces: list[gip.Piece], deltas: list[str]) -> None:
        chunks = chunks_made_of(pieces)
        usage = [c.pop("usage") for c in chunks if "usage" in c]
        assert usage == [piece for piece in pieces if isinstance(piece, dict)]
        choices = [choice for chunk in chunks for choice in chunk["choices"]]
        assert choices.pop()["finish_reason"] == "stop"
        said = [choice["delta"] for choice in choices]
        assert deltas == [
            (
                f"?{delta['reasoning_content']}"
                if "reasoning_content" in delta
                else delta["content"]
            )
            for delta in said
        ]

    check_rows(WAITING, check)


def test_words_that_wait_are_joined_in_linear_time() -> None:
    """A slow reader of a long text would hold up everybody."""

    def make(count: int) -> list[gip.Piece]:
        return ["word " * 100] * count

    assert growth(chunks_made_of, make, 500) < 20


Take = Callable[[gip.Event], Awaitable[None]]


def played(google: StandIn, *events: gip.Event, **more: Any) -> str:
    """The answer to a request that brings these events."""
    return played_in_turn(google, [events], **more)[0]


def played_in_turn(
    google: StandIn, tries: Sequence[Sequence[gip.Event]], **more: Any
) -> tuple[str, int]:
    """The answer to requests that bring these events, and how many there were; all
    that come later bring what the last one does."""
    asked = itertools.count()

    async def generate(
        client: Any, route: Any, body: Any, timeout: Any, take: Take, attempt: int = 1
    ) -> None:
        for event in tries[min(next(asked), len(tries) - 1)]:
            await take(event)

    host = more.pop("host", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gip.GeminiClient, "generate", generate)
        body = body_of("a red fox", **more)
        return answer(pipe_for(google), body, **host), next(asked)


def picture(name: str, draft: bool = False) -> gip.Image:
    data = b"\x89PNG\r\n\x1a\n" + name.encode()
    return gip.Image(data, "image/png", draft)


def test_a_picture_that_is_sent_again_is_shown_once(google: StandIn) -> None:
    """Gateways that send all so far with each piece made four pictures fifteen."""
    first, second = picture("1"), picture("2")
    markdown = played(google, first, first, second, first, second, gip.Finish())
    assert shown(markdown) == [first.data, second.data]
    row = played(google, first, gip.Finish(), n=2)
    assert shown(row) == [first.data, first.data]  # two requests were asked for


# What a gateway sends where an answer may hold two pictures → how many more came.
MORE_THAN_TWO: list[tuple[str, int]] = [
    ("12", 0),
    ("1212", 0),
    ("112122", 0),
    ("12" * 200, 0),
    ("123", 1),
    ("123123", 1),
    ("1233312", 1),
    ("12343412", 2),
]


@pytest.mark.parametrize("bound", ["MAX_PICTURES_PER_REQUEST", "MAX_PICTURES"])
def test_a_picture_that_comes_again_is_none_that_was_not_kept(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(gip, bound, 2)

    def check(sent: str, more: int) -> None:
        markdown = played(google, *map(picture, sent), gip.Finish())
        assert shown(markdown) == [picture("1").data, picture("2").data]
        notes = markdown.split(gip.NOTE_MARK)[1:]
        said = in_english(gip.make_note("pictures_cut", count=more))
        assert [note.strip() for note in notes if "not kept" in note] == (
            [said] if more else []
        )

    check_rows(MORE_THAN_TWO, check)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        pytest.param(gip.Usage({"in": 5}), "answered nothing at all", id="usage"),
        pytest.param(gip.Text("Hm.", thought=True), "broke off", id="thoughts"),
    ],
)
def test_a_whole_answer_of_nothing_did_not_break_off(
    google: StandIn, event: gip.Event, said: str
) -> None:
    """Who reads of a broken connection looks for it in the network."""
    assert said in failure_of(played(google, event))


def test_drafts_stay_hidden_when_there_is_a_result(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a fox [[drafts]]"))
    assert shown(markdown) == google.sent_images


def test_the_last_draft_is_shown_and_named_when_nothing_else_came(
    google: StandIn,
) -> None:
    markdown = answer(pipe_for(google), body_of("a fox [[drafts only]]"))
    assert len(shown(markdown)) == 1
    assert any("draft" in note for note in markdown.split(gip.NOTE_MARK)[1:])


def test_of_several_requests_each_shows_its_last_draft(google: StandIn) -> None:
    """Each was paid for; one request's drafts are steps to one picture."""
    steps = [[picture(f"{n}{s}", draft=True) for s in "ab"] for n in range(3)]
    markdown, _ = played_in_turn(google, steps, n=3)
    assert sorted(shown(markdown)) == [each[-1].data for each in steps]
    notes = markdown.split(gip.NOTE_MARK)[1:]
    assert sum("only a draft" in note for note in notes) == 1


def test_a_draft_stays_hidden_beside_its_own_result_only(google: StandIn) -> None:
    done: list[gip.Event] = [picture("1a", draft=True), picture("1"), gip.Finish()]
    tries = [done, [picture("2a", draft=True)]]
    markdown, _ = played_in_turn(google, tries, n=2)
    assert sorted(shown(markdown)) == [picture("1").data, picture("2a").data]


BLANK, SPOKEN = gip.Text(" \n"), gip.Text("Here.")
THOUGHT = gip.Text("Hm.", thought=True)
FOX, DRAFT = picture("fox"), picture("sketch", draft=True)


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER", "OTHER"])
@pytest.mark.parametrize(
    ("events", "asked"),
    [
        pytest.param([], 2, id="nothing"),
        pytest.param([BLANK], 2, id="blanks"),
        pytest.param([THOUGHT], 2, id="thoughts"),
        pytest.param([gip.Usage({"out": 5})], 2, id="count"),
        pytest.param([SPOKEN], 1, id="words"),
        pytest.param([FOX], 1, id="picture"),
        pytest.param([DRAFT], 1, id="draft"),
    ],
)
@pytest.mark.parametrize("behind", [False, True], ids=["before-it", "behind-it"])
def test_a_second_try_comes_only_where_nothing_came(
    google: StandIn, reason: str, events: list[gip.Event], asked: int, behind: bool
) -> None:
    """What has come would come, and be billed, twice."""
    refusal = gip.Refusal(reason)
    first = [refusal, *events] if behind else [*events, refusal]
    markdown, requests = played_in_turn(google, [first, [picture("second")]])
    assert requests == asked
    came = [event.data for event in events if isinstance(event, gip.Image)]
    assert shown(markdown) == (came if asked == 1 else [picture("second").data])


def test_a_picture_behind_a_refusal_is_kept_and_nothing_else_said(
    google: StandIn,
) -> None:
    markdown = played(google, gip.Refusal("NO_IMAGE", "No image."), FOX, gip.Finish())
    assert shown(markdown) == [FOX.data]
    assert gip.FAILURE_MARK not in markdown


def test_blanks_are_no_answer(google: StandIn) -> None:
    """ "Answered without a picture" sends people to look for the words."""
    said = failure_of(played(google, BLANK, gip.Finish()))
    assert "answered nothing at all" in said


def test_all_pictures_of_an_answer_are_shown(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a fox [[images 3]]"))
    assert shown(markdown) == google.sent_images
    assert len(google.sent_images) == 3


def test_the_type_is_told_by_the_bytes(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a fox [[mislabel]]"))
    [(_, mime, data)] = DATA_URI.findall(markdown)
    assert mime == gip.image_type(base64.b64decode(data)) == "image/jpeg"


@pytest.mark.parametrize(
    "prompt",
    [
        "a fox](https://evil.example/x.png) ![",
        "line one\nline two\r\n\r\nline three",
        "`code` <script>alert(1)</script> | table | $x$ **bold**",
        "\u202eright to left\u202c \u2067x\u2069",
        "🦊" * 300,
        "[" * 200,
        "\x00\x07",
    ],
)
def test_no_prompt_breaks_out_of_the_picture_s_description(
    google: StandIn, prompt: str
) -> None:
    markdown = answer(pipe_for(google), body_of(prompt))
    [(alt, _, _)] = DATA_URI.findall(markdown)
    assert len(alt) <= gip.MAX_ALT_CHARACTERS + 1
    assert not set(alt) & set("[]()<>`|$*\n\r\u202e\u2067\x00")
    assert alt.strip()


def test_several_pictures_are_several_requests(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a fox", n="3"))
    assert len(generated(google)) == 3
    assert sorted(shown(markdown)) == sorted(google.sent_images)
    assert len(shown(markdown)) == 3


def test_a_failure_after_the_picture_takes_nothing_away(google: StandIn) -> None:
    for trouble in ("[[midstream error]]", "[[midstream raw error]]"):
        google.reset()
        markdown = answer(pipe_for(google), body_of(f"a fox {trouble}"))
        assert shown(markdown) == google.sent_images
        assert "Google" in failure_of(markdown)


def test_imagen_s_empty_answer_is_said_to_be_its_filter(google: StandIn) -> None:
    """It says no more than that; to send the same prompt again would not help."""
    body = body_of("a fox [[predict filtered]]", "imagen-4.0-generate-001")
    pipe = pipe_for(google, GEMINI_API_BASE_URL=f"{google.url}/legacy")
    said = failure_of(answer(pipe, body))
    assert "most likely Google's filter" in said and "rephrase" in said


def test_a_filtered_picture_does_not_hide_the_others(google: StandIn) -> None:
    pipe = pipe_for(google, GEMINI_API_BASE_URL=f"{google.url}/legacy")
    body = body_of("a fox [[predict filtered 1]]", "imagen-4.0-generate-001", n=3)
    markdown = answer(pipe, body)
    assert google.requests[-1].path.endswith(":predict")
    assert len(shown(markdown)) == 2
    assert "filter" in failure_of(markdown)


# ── Failures ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ("a fox [[status 503]]", "overloaded"),
        ("a fox [[status 500]]", "internal error"),
        ("a fox [[429 zero]]", "billing"),
        ("a fox [[429 minute]]", "seconds"),
        ("a fox [[finish IMAGE_SAFETY]]", "Support code"),
        ("a fox [[finish SOMETHING_NEW]]", "could not make a picture"),
        ("a fox [[block PROHIBITED_CONTENT]]", "prompt"),
        ("a fox [[empty]]", ""),
        ("a fox [[empty parts]]", "nothing"),
        ("a fox [[empty text]]", "nothing"),
        ("a fox [[empty missing]]", ""),
        ("a fox [[empty object]]", ""),
        ("a fox [[empty stream]]", ""),
        ("a fox [[text only]]", "without a picture"),
        ("a fox [[bad base64]]", "damaged"),
        ("a fox [[bad picture]]", "damaged"),
        ("a fox [[deep json]]", "could not be read"),
        ("a fox [[cut]]", "broke off"),
        ("a fox [[error html]]", "Please"),
    ],
)
def test_every_failure_is_one_readable_sentence(
    google: StandIn, prompt: str, says: str
) -> None:
    emitter = Emitter()
    markdown = answer(pipe_for(google), body_of(prompt), __event_emitter__=emitter)
    sentence = failure_of(markdown)
    assert says in sentence
    assert len(sentence) > 40
    assert not re.search(r"[{}<]|Traceback|Error\(|None", sentence)
    assert DEFAULT_KEY not in markdown
    assert emitter.last["done"] is True
    assert not re.search(r"[{}<`*]", emitter.last["description"])


@pytest.mark.parametrize("text_stays", ["[[text only]]", "[[cut]]"])
def test_the_model_s_words_stay_when_no_picture_comes(
    google: StandIn, text_stays: str
) -> None:
    markdown = answer(pipe_for(google), body_of(f"a fox {text_stays}"))
    assert not markdown.startswith(gip.FAILURE_MARK)
    assert failure_of(markdown)


@pytest.mark.parametrize(
    ("valves", "says"),
    [
        ({"GEMINI_API_KEY": ""}, "GEMINI_API_KEY"),
        ({"GEMINI_API_KEY": None}, "GEMINI_API_KEY"),
        ({"GEMINI_API_KEY": "clé"}, "GEMINI_API_KEY"),
        ({"GEMINI_API_KEY": "one-key, clé"}, "number 2"),
        ({"GEMINI_API_KEY": "k" * 513}, "too long"),
        ({"GEMINI_API_KEY": " ".join(map(str, range(21)))}, "more than 20"),
        ({"GEMINI_API_BASE_URL": "example.org"}, "GEMINI_API_BASE_URL"),
    ],
)
def test_a_wrong_setting_is_explained_without_a_request(
    google: StandIn, valves: dict[str, Any], says: str
) -> None:
    markdown = answer(pipe_for(google, **valves), body_of("a fox"))
    assert says in failure_of(markdown)
    assert google.requests == []


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        "text",
        [None],
        [{}],
        [{"role": "user"}],
        [{"role": "user", "content": None}],
        [{"role": "user", "content": "  \n "}],
        [{"role": "user", "content": [None, {"type": "text", "text": None}]}],
        [{"role": "assistant", "content": "Hello"}],
        [{"role": "system", "content": "be brief"}],
        [{"role": None, "content": {"a": 1}}],
    ],
)
def test_nothing_to_draw_is_said_without_a_request(
    google: StandIn, messages: Any
) -> None:
    markdown = answer(pipe_for(google), {"model": "x.auto", "messages": messages})
    assert "what the picture should show" in failure_of(markdown)
    assert google.requests == []


@pytest.mark.parametrize(
    "prompt", ["🦊 élan", "ثعلب أحمر في الثلج", "a fox " * 17_000, "ab\u2028cd\ud800"]
)
def test_any_words_get_their_picture(google: StandIn, prompt: str) -> None:
    markdown = answer(pipe_for(google), body_of(prompt))
    assert shown(markdown) == google.sent_images


def test_none_everywhere_is_fine(google: StandIn) -> None:
    markdown = answer(
        pipe_for(google),
        {**body_of("a fox"), "n": None, "size": None, "stream": None},
        __user__=None,
        __request__=None,
        __metadata__={"chat_id": None, "base_user_prompt": None},
        __event_emitter__=None,
        __task__=None,
        __chat_id__=None,
        __message_id__=None,
    )
    assert shown(markdown) == google.sent_images


def test_an_emitter_that_breaks_does_not_end_the_answer(google: StandIn) -> None:
    emitter = Emitter(fails=True)
    markdown = answer(pipe_for(google), body_of("a fox"), __event_emitter__=emitter)
    assert shown(markdown) == google.sent_images
    assert emitter.last["done"] is True


def test_a_key_that_a_gateway_repeats_is_not_shown(google: StandIn) -> None:
    key = "stand-in-key-second"
    script = base64.b64encode(f"Incorrect key {key}.".encode()).decode()
    pipe = pipe_for(google, GEMINI_API_KEY=key)
    emitter = Emitter()
    markdown = answer(
        pipe, body_of(f"a fox [[say64 {script}]]"), __event_emitter__=emitter
    )
    assert "Incorrect key [key]." in markdown
    assert key not in markdown
    assert key not in str(emitter.events)


def test_a_fault_of_ours_is_a_sentence_too(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(gip, "fit_options", broken)
    emitter = Emitter()
    markdown = answer(pipe_for(google), body_of("a fox"), __event_emitter__=emitter)
    assert "unexpected" in failure_of(markdown)
    assert "secret detail" not in markdown
    assert emitter.last == {"description": "No picture was made", "done": True}


@pytest.mark.parametrize(
    ("chat_id", "turns", "is_held_back"),
    [
        pytest.param("c0ffee", 1, True, id="new-chat"),
        pytest.param("c0ffee", 3, False, id="later"),
        pytest.param("local:x", 1, False, id="temporary-chat"),
        pytest.param("", 1, False, id="api-client"),
    ],
)
def test_a_failure_at_once_waits_for_the_page_of_a_new_chat(
    google: StandIn,
    waits: list[float],
    chat_id: str,
    turns: int,
    is_held_back: bool,
) -> None:
    roles = ["user", "assistant"] * 2
    messages = [{"role": role, "content": "a fox"} for role in roles[:turns]]
    pipe = pipe_for(google, GEMINI_API_KEY="")
    body = {**body_of(""), "messages": messages}
    markdown = answer(pipe, body, __chat_id__=chat_id)
    assert "No Gemini API key is set" in failure_of(markdown)
    assert len(waits) == is_held_back
    assert all(1 < seconds < 2 for seconds in waits)


Upload = Callable[..., Awaitable[str]]


def with_uploads(monkeypatch: pytest.MonkeyPatch, upload: Upload) -> dict[str, Any]:
    """A host that stores pictures this way, and what it says of the chat."""
    parts = ("", ".routers", ".routers.images", ".models", ".models.users")
    for part in parts:
        name = f"open_webui{part}"
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    # pytest's patches of modules look no names up that are not there yet.
    images: Any = sys.modules["open_webui.routers.images"]
    users: Any = sys.modules["open_webui.models.users"]
    images.upload_image = upload
    users.UserModel, users.Users = types.SimpleNamespace, None
    monkeypatch.setattr(gip, "STORE_PAUSE", 0.0)
    monkeypatch.setattr(gip, "STORE_TIMEOUT", 0.3)
    user = {"id": "u", "role": "user"}
    return {"__request__": object(), "__user__": user, "__chat_id__": "c"}


async def cancelled_upload(**picture: Any) -> str:
    raise asyncio.CancelledError


async def upload_in_a_cancelled_task(**picture: Any) -> str:
    task = asyncio.current_task()
    assert task
    task.cancel()
    await asyncio.sleep(0)
    return "never"


async def upload_that_awaits_a_cancelled_one(**picture: Any) -> str:
    inner = asyncio.create_task(moments())
    inner.cancel()
    await inner
    return "never"


async def broken_upload(**picture: Any) -> str:
    raise RuntimeError("the host's storage broke")


async def hanging_upload(**picture: Any) -> str:
    await asyncio.Event().wait()
    return "never"


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(
    "upload",
    [
        cancelled_upload,
        upload_in_a_cancelled_task,
        upload_that_awaits_a_cancelled_one,
        broken_upload,
        hanging_upload,
    ],
)
def test_an_upload_that_the_host_breaks_off_costs_no_picture(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, upload: Upload, count: int
) -> None:
    """Nobody has stopped the answer, and the picture is paid for."""
    host = with_uploads(monkeypatch, upload)
    markdown = played(google, FOX, gip.Finish(), n=count, **{"host": host})
    assert shown(markdown) == [FOX.data] * count
    assert gip.FAILURE_MARK not in markdown
    notes = [note for note in markdown.split(gip.NOTE_MARK)[1:] if "store" in note]
    assert len(notes) == 1


def test_an_upload_that_the_host_breaks_off_once_is_tried_again(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads = itertools.count()

    async def upload(**picture: Any) -> str:
        if next(uploads):
            return "/api/v1/files/2/content"
        raise asyncio.CancelledError

    host = with_uploads(monkeypatch, upload)
    markdown = played(google, FOX, gip.Finish(), **{"host": host})
    assert "](/api/v1/files/2/content)" in markdown
    assert shown(markdown) == []
    assert gip.NOTE_MARK not in markdown


def test_a_stop_in_an_upload_is_a_stop_and_the_upload_runs_to_its_end(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    async def stop(ends_too: bool) -> None:
        may_end = asyncio.Event()

        async def upload(**picture: Any) -> str:
            steps.append("began")
            await may_end.wait()
            steps.append("ended")
            if ends_too:
                raise asyncio.CancelledError
            return "/api/v1/files/1/content"

        host = with_uploads(monkeypatch, upload)
        pipe = pipe_for(google)
        task = asyncio.create_task(pipe.pipe(body_of("a red fox"), **host))
        assert await until(lambda: "began" in steps)
        task.cancel()
        if ends_too:
            may_end.set()
        assert await until(task.done)
        assert task.cancelled()
        may_end.set()
        assert await until(lambda: "ended" in steps)

    for ends_too in (False, True):
        steps.clear()
        asyncio.run(stop(ends_too))
        assert steps == ["began", "ended"]


@pytest.mark.parametrize(
    "prompt",
    [
        *("a fox", "[[status 400]]", "[[status 403]] --n 3", "[[block SAFETY]]"),
        *("[[cut 300]]", "[[finish IMAGE_SAFETY]]", "[[bad base64]]", "[[status 404]]"),
        *("[[refuse imageSize]] --size 2K", "[[wait 60]]"),
    ],
)
def test_no_answer_and_no_failure_keeps_the_pictures(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    """Nor has Python to look for circles first, which it does seldom."""

    async def upload(**picture: Any) -> str:
        raise OSError("the storage is down")

    monkeypatch.setattr(gip, "STORE_PAUSE", 0)
    host = with_uploads(monkeypatch, upload)
    valves = {"REQUEST_TIMEOUT": "1"} if "wait" in prompt else {}
    good = pictures.plain_picture((64, 64), "image/png")
    urls = [gip.data_uri(gip.Image(data, "image/png")) for data in (good, good[:-20])]
    shown = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    body = body_of([{"type": "text", "text": f"a fox {prompt}"}, *shown])
    kept = (gip.Image, gip.InputPicture, gip.UnusablePicture)

    async def held() -> list[Any]:
        await pipe_for(google, **valves).pipe(body, **host)

        def found() -> list[Any]:
            there = (value for value in gc.get_objects() if isinstance(value, kept))
            return [value for value in there if id(value) not in before]

        await until(lambda: not found(), 2)
        return found()

    gc.collect()
    before = {id(value) for value in gc.get_objects() if isinstance(value, kept)}
    gc.disable()
    try:
        assert asyncio.run(held()) == []
    finally:
        gc.enable()


def test_one_status_while_it_works_and_one_at_the_end(google: StandIn) -> None:
    emitter = Emitter()
    answer(pipe_for(google), body_of("a fox"), __event_emitter__=emitter)
    assert [event["data"]["done"] for event in emitter.events] == [False, True]


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        pytest.param("[[wait 60]]", None, id="before the first byte"),
        pytest.param("[[pause 60]]", 200, id="in mid-body"),
    ],
)
def test_stop_closes_the_status_and_the_connection(
    google: StandIn, moment: str, status: int | None
) -> None:
    emitter = Emitter()

    async def stop_under_way() -> None:
        work = chunks_of(
            pipe_for(google), body_of(f"a fox {moment}"), __event_emitter__=emitter
        )
        task = asyncio.create_task(work)
        assert await until(lambda: [r.status for r in posts(google)] == [status])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await until(lambda: posts(google)[0].disconnected)
        assert await until(lambda: emitter.last["done"])

    asyncio.run(stop_under_way())
    assert emitter.last == {"description": "Stopped", "done": True}
    assert len(posts(google)) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("count", [1, 3])
def test_all_requests_have_ended_when_the_stopped_answer_has(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, stream: bool, count: int
) -> None:
    """One that lived on would say something behind the closing line."""
    begun, ended = [], []

    async def generate(*_: Any) -> None:
        begun.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            await moments()  # in which a thread is told
            ended.append(1)

    async def stop_under_way() -> None:
        monkeypatch.setattr(gip.GeminiClient, "generate", generate)
        pipe, body = pipe_for(google), body_of("a fox", n=count)
        work = chunks_of(pipe, body) if stream else pipe.pipe(body)
        task = asyncio.create_task(work)
        assert await until(lambda: len(begun) == count)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(ended) == count

    asyncio.run(stop_under_way())


def test_the_closing_status_comes_last_however_slow_the_host_is(
    google: StandIn,
) -> None:
    begun: list[bool] = []
    said: list[bool] = []

    async def stop_while_the_host_is_busy() -> None:
        gate = asyncio.Event()

        async def slow(event: dict[str, Any]) -> None:
            done = event["data"]["done"]
            begun.append(done)
            if not done:
                await gate.wait()
            said.append(done)

        body = body_of("a fox [[wait 60]]", "gemini-3-pro-image")
        task = asyncio.create_task(pipe_for(google).pipe(body, __event_emitter__=slow))
        assert await until(lambda: begun == [False])
        task.cancel()
        await moments()  # in which an impatient answer would say that it is over
        assert begun == [False]
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await until(lambda: len(said) == 2)

    asyncio.run(stop_while_the_host_is_busy())
    assert said == [False, True]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_host_that_ends_cancels_everything_and_still_gets_the_closing_status(
    google: StandIn, backwards: bool
) -> None:
    saved: list[bool] = []

    async def slow(event: dict[str, Any]) -> None:
        if saved:
            await moments()
        saved.append(event["data"]["done"])

    async def end_under_way() -> None:
        body = body_of("a fox [[wait 60]]")
        answering = asyncio.create_task(
            chunks_of(pipe_for(google), body, __event_emitter__=slow)
        )
        assert await until(lambda: saved == [False] and posts(google))
        # As asyncio.run does in the end, in an order that is by chance.
        everything = sorted(
            asyncio.all_tasks() - {asyncio.current_task()},
            key=lambda task: int(task.get_name().rpartition("-")[2]),
            reverse=backwards,
        )
        for task in everything:
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
        assert saved == [False, True]

    asyncio.run(end_under_way())


def test_a_reader_that_goes_away_closes_everything(google: StandIn) -> None:
    emitter = Emitter()

    async def read_one_chunk() -> None:
        body = {**body_of("a fox [[pause 60]]"), "stream": True}
        chunks = await pipe_for(google).pipe(body, __event_emitter__=emitter)
        assert isinstance(chunks, AsyncGenerator)
        async for _ in chunks:
            break
        await chunks.aclose()
        assert await until(lambda: posts(google)[0].disconnected)
        assert await until(lambda: emitter.last["done"])

    asyncio.run(read_one_chunk())
    assert len(posts(google)) == 1


def test_a_long_wait_shows_life_to_people_and_to_proxies(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "HEARTBEATS", (0.02, 0.04))
    monkeypatch.setattr(gip, "KEEP_ALIVE", 0.01)
    emitter = Emitter()
    contents: list[str | None] = []

    def beats() -> int:
        said = [event["data"]["description"] for event in emitter.events]
        beat = r"Nano Banana 2\.1 is making the picture … 0\.\d+ s"
        return sum(bool(re.fullmatch(beat, text)) for text in said)

    async def read() -> None:
        async def generate(
            client: Any, route: Any, body: Any, timeout: Any, take: Take, *_: Any
        ) -> None:
            assert await until(lambda: contents.count("") >= 4 and beats() >= 4)
            await take(FOX)
            await take(gip.Finish())

        monkeypatch.setattr(gip.GeminiClient, "generate", generate)
        body = {**body_of("a fox"), "stream": True}
        chunks = await pipe_for(google).pipe(body, __event_emitter__=emitter)
        assert isinstance(chunks, AsyncGenerator)
        async for chunk in chunks:
            deltas = [choice["delta"] for choice in chunk["choices"]]
            contents.extend(delta.get("content") for delta in deltas)

    asyncio.run(read())
    assert contents.count("") >= 4
    assert shown("".join(text or "" for text in contents)) == [FOX.data]
    assert beats() >= 4
    assert emitter.last["done"] is True


def test_the_host_saves_no_more_than_one_sign_of_life_a_minute() -> None:
    beats = list(itertools.islice(gip.heartbeats(), 6))
    assert beats == [15, 30, 60, 120, 180, 240]


def test_ids_are_for_administrators_and_programs(google: StandIn) -> None:
    """People know a model by its name."""
    name, with_id = "Nano Banana 2.1", "Nano Banana 2.1 (`gemini-nano-banana-2.1`)"
    page = {"__chat_id__": "c", "__message_id__": "m"}
    readers: list[tuple[dict[str, Any], str]] = [
        ({**page, "__user__": {"id": "u", "role": "user"}}, name),
        ({**page, "__user__": {"id": "u", "role": "admin"}}, with_id),
        ({**page, "__chat_id__": "channel:1", "__user__": {"role": "admin"}}, name),
        ({"__user__": {"id": "u", "role": "user"}}, with_id),
    ]

    def check(host: dict[str, Any], called: str) -> None:
        said = answer(pipe_for(google), body_of("a fox [[empty parts]]"), **host)
        assert failure_of(said).startswith(f"> ⚠️ **{called} answered nothing")

    check_rows(readers, check)


@pytest.mark.parametrize("count", [1, 4])
def test_who_waits_in_line_is_told_how_many_are_before(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """At few moments, since each status is kept for good; of four requests once. The
    last word on the line is that the wait is over."""
    monkeypatch.setattr(gip, "LINE_LOOK", 0.05)
    monkeypatch.setattr(gip, "HEARTBEATS", (0.2, 0.3))
    emitter = Emitter()
    pipe = pipe_for(google, MAX_PARALLEL_REQUESTS="1")

    def told() -> list[str]:
        said = [event["data"].get("description", "") for event in emitter.events]
        return [text for text in said if "making" not in text]

    async def crowd() -> None:
        others = [
            asyncio.create_task(pipe.pipe(body_of(prompt), __user__={"id": owner}))
            for owner, prompt in (("a", "a fox [[wait 30]]"), ("a", "1"), ("b", "2"))
        ]
        assert await until(lambda: posts(google))
        body = body_of(f"a fox [[wait 1]] --n {count}")
        user = {"id": "c"}
        chat = asyncio.create_task(
            pipe.pipe(body, __user__=user, __event_emitter__=emitter)
        )
        assert await until(lambda: len(told()) == 3)
        for other in others:
            other.cancel()
        assert await until(lambda: len(told()) == 4)
        chat.cancel()
        await asyncio.wait([chat, *others])

    asyncio.run(crowd())
    assert told() == [
        *["Waiting in line; requests before yours: 2 …"] * 3,
        "Your turn has come; working on it …",
        "Stopped",
    ]


def test_who_is_next_in_line_reads_no_count_of_nobody(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "LINE_LOOK", 0.05)
    emitter = Emitter()
    pipe = pipe_for(google, MAX_PARALLEL_REQUESTS_PER_USER="1")

    async def ask_twice() -> None:
        user = {"id": "a"}
        first = asyncio.create_task(
            pipe.pipe(body_of("a fox [[wait 30]]"), __user__=user)
        )
        assert await until(lambda: posts(google))
        second = asyncio.create_task(
            pipe.pipe(body_of("a boat"), __user__=user, __event_emitter__=emitter)
        )
        assert await until(lambda: len(emitter.events) == 2)
        assert emitter.last["description"] == "Waiting in line; yours is next …"
        first.cancel()
        await asyncio.wait([first, second])

    asyncio.run(ask_twice())


def test_pictures_that_find_no_room_in_time_are_said_to(google: StandIn) -> None:
    """The wait is one of the answer's own: it obeys the deadline."""
    pipe = pipe_for(google, REQUEST_TIMEOUT="1")
    png = pictures.plain_picture((64, 64), "image/png")
    uri = "data:image/png;base64," + base64.b64encode(png).decode()
    parts = [{"type": "image_url", "image_url": {"url": uri}}]

    async def ask(held: Sequence[str], owner: str) -> str:
        with contextlib.ExitStack() as places:
            for name in held:
                bounds = gip.Bounds(gip.MAX_HELD_BYTES, gip.MAX_READ_BYTES)
                place = places.enter_context(gip.BYTES_LINE.place(name, bounds))
                await place.enter(0.0, gip.MAX_READ_BYTES)
            answer = await pipe.pipe(body_of(parts), __user__={"id": owner})
        return words_of(answer)

    def check(held: list[str], owner: str, says: str) -> None:
        text = asyncio.run(ask(held, owner))
        waited = rf"waited in line for \d+ seconds, behind {says}\."
        assert re.search(waited, failure_of(text)) if says else shown(text)

    check_rows(
        [
            (["a"], "a", "others of your own"),
            (["a", "b"], "c", "those of others"),
            (["a"], "b", ""),
        ],
        check,
    )


def test_administrators_read_what_others_need_not_know(google: StandIn) -> None:
    pipe = pipe_for(google, GEMINI_API_KEY="stand-in-key-disabled")
    admin = {"id": "1", "role": "admin"}
    told = {
        role: failure_of(answer(pipe, body_of("a fox"), __user__=user))
        for role, user in (("admin", admin), ("user", {"id": "2", "role": "user"}))
    }
    assert "SERVICE_DISABLED" in told["admin"]
    assert "SERVICE_DISABLED" not in told["user"]
    assert re.search(r"\d{5,}", told["admin"])  # the number of the project
    assert not re.search(r"\d{5,}", told["user"])
    in_channel = {"__user__": admin, "__chat_id__": "channel:1"}
    assert "SERVICE_DISABLED" not in answer(pipe, body_of("a fox"), **in_channel)


def test_a_failure_after_a_long_time_names_it() -> None:
    chat = gip.Answer(gip.HostChat())
    assert "(Given up after 61 s.)" in chat.failure(gip.GeminiError("internal"), 61.2)
    assert "after" not in chat.failure(gip.GeminiError("internal"), 3)


def test_the_log_has_a_line_for_each_request_and_no_words_or_keys(
    google: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answer(pipe_for(google), body_of("a very private fox"))
    answer(pipe_for(google), body_of("a very private fox [[status 503]]"))
    lines = [r.getMessage() for r in caplog.records if r.name == "gemini_image_pipe"]
    told = [line for line in lines if line.startswith("model=")]
    assert "outcome=answered" in told[0] and "outcome=overloaded" in told[1]
    assert re.search(r"try=1 .*seconds=\d+\.\d bytes=\d{4,} id=\w", told[0])
    assert "private" not in " ".join(lines)
    assert DEFAULT_KEY not in " ".join(lines)


# ── Models ───────────────────────────────────────────────────────────────────────────


def ids(pipe: gip.Pipe) -> list[str]:
    return [entry["id"] for entry in asyncio.run(pipe.pipes())]


CURRENT = [facts.id for facts in gip.CURRENT_MODELS]
RETIRED = ["imagen-3.0-generate-002"]


def test_the_list_is_auto_current_unknown_retired(google: StandIn) -> None:
    listed = ids(pipe_for(google))
    assert listed[: 1 + len(CURRENT)] == ["auto", *CURRENT]
    assert listed[-1:] == RETIRED
    assert "gemini-9-image" in listed[1 + len(CURRENT) : -1]
    assert not [i for i in listed if re.search("veo|lyria|tts|live|omni|embed", i)]


def test_names_are_google_s_and_tell_what_is_retired(google: StandIn) -> None:
    entries = asyncio.run(pipe_for(google).pipes())
    names = {entry["id"]: entry["name"] for entry in entries}
    assert names["auto"] == "Gemini Image"
    assert names["gemini-9-image"] == "Banana From The Future"
    assert names["imagen-3.0-generate-002"] == "Imagen 3 → Nano Banana 2.1"
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize(
    "valves",
    [
        pytest.param({"FOLLOW_SUCCESSORS": False}, id="switched-off"),
        pytest.param({"GEMINI_API_KEY": "stand-in-key-older"}, id="heir-not-there"),
    ],
)
def test_a_retired_name_promises_no_answer_where_there_is_none(
    google: StandIn, valves: dict[str, Any]
) -> None:
    entries = asyncio.run(pipe_for(google, **valves).pipes())
    names = {entry["id"]: entry["name"] for entry in entries}
    assert names["imagen-3.0-generate-002"] == "Imagen 3 (retired)"


def test_retired_names_are_short_and_none_comes_twice(google: StandIn) -> None:
    retired = {
        "imagen-3.0-generate-001": "Imagen 3 (retired) (imagen-3.0-generate-001)",
        "imagen-3.0-generate-002": "Imagen 3 (retired) (imagen-3.0-generate-002)",
        "imagen-3.0-fast-generate-001": "Imagen 3 Fast (retired)",
        "imagen-4.0-ultra-generate-001": "Imagen 4 Ultra (retired)",
        "imagen-4.0-generate-preview-06-06": "Imagen 4 (retired)",
        "gemini-3-pro-image-preview": "Nano Banana Pro Preview (retired)",
        "gemini-2.0-flash-exp": "gemini-2.0-flash-exp (retired)",
    }
    valves = {"RETIRED_MODELS": " ".join(retired), "FOLLOW_SUCCESSORS": False}
    entries = asyncio.run(pipe_for(google, **valves).pipes())
    names = {entry["id"]: entry["name"] for entry in entries}
    assert {i: names[i] for i in retired} == retired


@pytest.mark.parametrize("key", ["", "stand-in-key-invalid", "a b", None])
def test_without_a_good_key_the_known_models_are_listed(
    google: StandIn, key: str | None
) -> None:
    assert ids(pipe_for(google, GEMINI_API_KEY=key)) == ["auto", *CURRENT, *RETIRED]


@pytest.mark.parametrize("behaviour", ["500", "html"])
def test_the_list_does_without_google(google: StandIn, behaviour: str) -> None:
    google.models_behaviour = behaviour
    assert ids(pipe_for(google)) == ["auto", *CURRENT, *RETIRED]


def test_the_list_never_waits_long_for_google(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Impatient(gip.ModelLists):
        async def get(
            self, client: gip.GeminiClient, wait: float = gip.LIST_WAIT
        ) -> list[gip.ListedModel]:
            assert wait < 3
            return await super().get(client, 0.1)

    monkeypatch.setattr(gip, "MODEL_LISTS", Impatient())
    google.models_behaviour = "slow"

    async def look() -> list[dict[str, str]]:
        entries = await pipe_for(google).pipes()
        assert "could not list the models" not in caplog.text  # Google is still asked
        assert await until(lambda: google.requests)
        assert google.requests[-1].finished is None
        return entries

    listed = [entry["id"] for entry in asyncio.run(look())]
    assert listed == ["auto", *CURRENT, *RETIRED]


@pytest.mark.parametrize(
    ("wanted", "listed"),
    [
        ("gemini-3*", [i for i in CURRENT if i.startswith("gemini-3")]),
        ("gemini-2.5-flash-image", ["gemini-2.5-flash-image"]),
        ("models/gemini-2.5-flash-image ,", ["gemini-2.5-flash-image"]),
        ("my-own-model", ["my-own-model"]),
        ("my-own-model; other-model", ["my-own-model", "other-model"]),
        ('"my-own-model" other-model', ["my-own-model", "other-model"]),
        ("no-such-*", []),
    ],
)
def test_the_list_can_be_narrowed_and_extended(
    google: StandIn, wanted: str, listed: list[str]
) -> None:
    found = ids(pipe_for(google, MODELS=wanted, RETIRED_MODELS=""))
    assert found == ["auto", *listed]


@pytest.mark.parametrize("model", RETIRED)
def test_a_retired_model_answers_through_its_successor(
    google: StandIn, model: str
) -> None:
    markdown = answer(pipe_for(google), body_of("a fox", model, aspect_ratio="16:9"))
    assert shown(markdown) == google.sent_images
    note = markdown.split(gip.NOTE_MARK)[-1]
    assert model in note
    assert "gemini-nano-banana-2.1" in note
    config = google.requests[-1].body["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    assert config["imageConfig"] == {"aspectRatio": "16:9"}


def test_a_successor_that_fails_is_not_said_to_have_made_anything(
    google: StandIn,
) -> None:
    body = body_of("a fox [[status 503]]", "imagen-3.0-generate-002")
    markdown = answer(pipe_for(google), body)
    assert "`gemini-nano-banana-2.1`" in failure_of(markdown)
    assert "made this" not in markdown


def test_a_retired_model_that_still_lives_is_called_as_it_is(google: StandIn) -> None:
    pipe = pipe_for(google, GEMINI_API_BASE_URL=f"{google.url}/legacy")
    markdown = answer(pipe, body_of("a fox", "imagen-4.0-generate-001"))
    assert len(shown(markdown)) == 1
    assert gip.NOTE_MARK not in DATA_URI.sub("", markdown).replace(
        gip.NOTE_MARK + "Open WebUI could not store", ""
    )
    assert generated(google) == ["imagen-4.0-generate-001"]


def test_a_404_leads_to_the_successor_when_nothing_could_be_listed(
    google: StandIn,
) -> None:
    google.models_behaviour = "500"
    markdown = answer(
        pipe_for(google), body_of("a fox", "gemini-2.5-flash-image-preview")
    )
    assert len(shown(markdown)) == 1
    assert "gemini-2.5-flash-image-preview" in markdown.split(gip.NOTE_MARK)[-1]


def test_with_no_successor_available_the_message_lists_what_is(
    google: StandIn,
) -> None:
    pipe = pipe_for(google, GEMINI_API_KEY="stand-in-key-older")
    sentence = failure_of(answer(pipe, body_of("a fox", "imagen-3.0-generate-002")))
    assert "`imagen-3.0-generate-002`" in sentence
    assert "`gemini-3.1-flash-image`" in sentence
    assert "`gemini-2.5-flash-image`" in sentence
    assert generated(google) == []


def test_a_key_without_any_model_that_answers_is_said_to_be_one(
    google: StandIn,
) -> None:
    """To pick another model, as one unknown model calls for, could not help."""
    for key, prompt in (
        ("stand-in-key-older", "a fox [[status 404]]"),
        ("stand-in-key-text-only", "a fox"),
    ):
        markdown = answer(pipe_for(google, GEMINI_API_KEY=key), body_of(prompt))
        assert "no image model that answers" in failure_of(markdown)
        assert "pick another" not in markdown


def test_after_four_that_are_gone_the_others_are_named(google: StandIn) -> None:
    """Each refusal takes a while; whom to ask next is then for people to say."""
    said = failure_of(answer(pipe_for(google), body_of("a fox [[status 404]]")))
    asked = generated(google)
    assert len(asked) == len(set(asked)) == 4
    advice = said.partition("This key can use ")[2]
    assert "`gemini-9-image`" in advice
    assert not [model for model in asked if f"`{model}`" in advice]


def test_successors_can_be_switched_off(google: StandIn) -> None:
    pipe = pipe_for(google, FOLLOW_SUCCESSORS=False)
    sentence = failure_of(answer(pipe, body_of("a fox", "imagen-3.0-generate-002")))
    assert "imagen-3.0-generate-002" in sentence
    assert google.sent_images == []


def test_an_unknown_model_is_named_with_those_that_exist(google: StandIn) -> None:
    sentence = failure_of(answer(pipe_for(google), body_of("a fox", "no-such-model")))
    assert "`no-such-model`" in sentence
    assert "`gemini-nano-banana-2.1`" in sentence


@pytest.mark.parametrize(
    ("sent", "asked"),
    [
        ("gemini_image_pipe.gemini-3.1-flash-image", "gemini-3.1-flash-image"),
        ("gemini-3.1-flash-image", "gemini-3.1-flash-image"),
        ("models/gemini-3.1-flash-image", "gemini-3.1-flash-image"),
        ("gemini-9-image", "gemini-9-image"),
        ("f.gemini-9-image", "gemini-9-image"),
        ("auto", NEWEST),
        ("f.auto", NEWEST),
        ("", NEWEST),
        (None, NEWEST),
    ],
)
def test_an_id_is_understood_with_the_function_s_name_and_without(
    google: StandIn, sent: Any, asked: str
) -> None:
    """Cut at its dot, "gemini-3.1-flash-image" would be "1-flash-image"."""
    answer(pipe_for(google), {**body_of("a fox"), "model": sent})
    assert generated(google) == [asked]


def test_auto_is_the_newest_that_the_key_has(google: StandIn) -> None:
    pipe = pipe_for(google, GEMINI_API_KEY="stand-in-key-older")
    markdown = answer(pipe, body_of("a fox"))
    assert generated(google) == ["gemini-3.1-flash-image"]
    assert "no longer" not in markdown


def test_auto_stays_within_the_wanted_models(google: StandIn) -> None:
    answer(pipe_for(google, MODELS="gemini-3-pro-image"), body_of("a fox"))
    assert generated(google) == ["gemini-3-pro-image"]


def test_a_model_that_did_not_exist_works(google: StandIn) -> None:
    markdown = answer(pipe_for(google), body_of("a fox", "gemini-9-image"))
    assert shown(markdown) == google.sent_images
    assert generated(google) == ["gemini-9-image"]


# ── Tasks, valves, many at once ──────────────────────────────────────────────────────


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "task",
    [
        "title_generation",
        "tags_generation",
        "follow_up_generation",
        "query_generation",
        "emoji_generation",
        "autocomplete_generation",
        "image_prompt_generation",
        "function_calling",
        "memory_review",
        "moa_response_generation",
        "context_compaction",
        "a_task_of_the_future",
    ],
)
def test_tasks_cost_nothing_and_say_nothing_in_the_chat(
    google: StandIn, task: str, stream: bool
) -> None:
    emitter = Emitter()
    answer(
        pipe_for(google),
        body_of("### Task: whatever", stream=stream),
        __task__=task,
        __task_body__={"messages": [{"role": "user", "content": "a fox"}]},
        __event_emitter__=emitter,
    )
    assert google.requests == []
    assert emitter.events == []


@pytest.mark.parametrize(
    "saved",
    [
        {},
        dict.fromkeys(gip.Pipe.Valves.model_fields),
        dict.fromkeys(gip.Pipe.Valves.model_fields, ""),
        {name: [1] for name in gip.Pipe.Valves.model_fields},
        {name: {"a": 1} for name in gip.Pipe.Valves.model_fields},
        {"REQUEST_TIMEOUT": "nonsense", "FOLLOW_SUCCESSORS": "maybe", "GONE": 1},
        {"REQUEST_TIMEOUT": -5},
        {"REQUEST_TIMEOUT": "1e999"},
    ],
)
def test_whatever_was_saved_the_valves_load(saved: dict[str, Any]) -> None:
    valves = gip.Pipe.Valves(**saved)
    assert valves.REQUEST_TIMEOUT == 300
    assert valves.FOLLOW_SUCCESSORS is True


def test_settings_written_as_text_are_read() -> None:
    valves = gip.Pipe.Valves(
        **{"REQUEST_TIMEOUT": " 60 ", "FOLLOW_SUCCESSORS": "off", "MODELS": 5}
    )
    assert valves.REQUEST_TIMEOUT == 60
    assert valves.FOLLOW_SUCCESSORS is False
    assert valves.MODELS == "5"


def test_an_empty_list_of_retired_models_means_none() -> None:
    assert gip.Pipe.Valves(RETIRED_MODELS="").RETIRED_MODELS == ""
    assert "imagen" in gip.Pipe.Valves(**{"RETIRED_MODELS": None}).RETIRED_MODELS


def test_the_environment_has_the_key_when_the_valves_do_not(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", DEFAULT_KEY)
    markdown = answer(pipe_for(google, GEMINI_API_KEY=" "), body_of("a fox"))
    assert shown(markdown) == google.sent_images


def test_two_at_once_do_not_share_anything(google: StandIn) -> None:
    pipe = pipe_for(google)

    async def both() -> tuple[str, str]:
        first = asyncio.create_task(pipe.pipe(body_of("a fox [[wait 0.3]]", n=1)))
        assert await until(lambda: posts(google))
        pipe.valves = pipe.Valves(GEMINI_API_KEY="")
        second = await pipe.pipe(body_of("a cat"))
        return words_of(await first), words_of(second)

    fox, cat = asyncio.run(both())
    assert "![a fox" in fox
    assert "key" in failure_of(cat)


def test_nothing_of_a_request_stays_on_the_pipe(google: StandIn) -> None:
    pipe = pipe_for(google)
    answer(pipe, body_of("a fox"))
    assert set(vars(pipe)) == {"valves"}
