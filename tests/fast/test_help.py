"""Room Help, and how Pipe answers with it: `--help`, and what may come next."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import model, user
from rows import check_rows
from traffic import posts, words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

RECORDED = Path(__file__).parent / "host_requests"
READERS = [gip.Reader(language) for language in gip.LANGUAGES]
CHINESE = {"variables": {"{{USER_LANGUAGE}}": "zh-CN"}}
MODELS = [facts.id for facts in gip.CURRENT_MODELS]
IMAGEN = "imagen-4.0-generate-001"
LITE, OLD = "gemini-3.1-flash-lite-image", "gemini-2.5-flash-image"
TASK = "follow_up_generation"
FAILED = f"{gip.FAILURE_MARK}**No.** Please try again."


def offer(model_id: str, asked: str = "") -> gip.Offer:
    choices = gip.choices_of(gip.model_facts(model_id))
    return gip.Offer(gip.Route(asked or model_id, model_id), choices)


def body_of(prompt: str, model_id: str = "auto", **more: Any) -> dict[str, Any]:
    return {"model": f"painter.{model_id}", "messages": [user(prompt)], **more}


def answer(body: Any, google: StandIn | None = None, **host: Any) -> str:
    """What a pipe says: without a key, or with one that would reach the stand-in."""
    pipe = gip.Pipe()
    key = (
        {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
        if google
        else {}
    )
    pipe.valves = pipe.Valves(**key, **host.pop("valves", {}))
    return words_of(asyncio.run(pipe.pipe(body, **host)))


# ── --help ───────────────────────────────────────────────────────────────────────────


def test_help_names_what_each_model_takes_and_what_it_costs() -> None:
    def check(facts: gip.ModelFacts, reader: gip.Reader) -> None:
        text = gip.help_text(offer(facts.id), reader)
        rows = [line for line in text.splitlines() if line.startswith("- **")]
        taken = gip.choices_of(facts)
        fields = [o.field for o in gip.OPTIONS if o.flags and taken[o.field]]
        assert len(rows) == len(fields)
        for field, row in zip(fields, rows, strict=True):
            assert {*taken[field]} <= {*re.findall(r"`([^`]*)`", row)}
        for price in facts.prices.pictures.values():
            assert f"${price:.3f}" in text
        assert facts.name in text
        assert "。 " not in text

    check_rows(((f, r) for f in gip.CURRENT_MODELS for r in READERS), check)


def test_choices_are_what_a_model_takes_as_it_is() -> None:
    def check(model_id: str, field: str, choices: str) -> None:
        found = gip.choices_of(gip.model_facts(model_id))[field]
        assert " ".join(found) == choices

    rows = [
        ("gemini-nano-banana-2.1", "image_size", "1K 2K 4K"),
        (LITE, "image_size", "1K"),
        (OLD, "image_size", ""),
        (OLD, "aspect_ratio", " ".join(gip.RATIOS_10)),
        (OLD, "thinking_level", ""),
        (OLD, "searches", ""),
        (OLD, "thoughts", ""),
        ("gemini-3-pro-image", "searches", "on off"),
        ("gemini-3-pro-image", "thinking_level", ""),
        (LITE, "thinking_level", "minimal high"),
        ("gemini-9-image", "image_size", "512 1K 2K 4K"),
        ("gemini-9-image", "thinking_level", "minimal low medium high xhigh"),
    ]
    check_rows(rows, check)


def is_taken_as_it_is(prompt: str, facts: gip.ModelFacts) -> bool:
    """Whether all that stands behind a prompt is read and offered by the model."""
    words, flags = gip.split_flags(prompt)
    options, notes = gip.read_options(flags)
    assert words and flags and "--" not in words
    return not notes and not gip.fit_options(options, facts.id, facts)[1]


def test_every_example_works() -> None:
    def check(facts: gip.ModelFacts, reader: gip.Reader) -> None:
        examples = re.findall(
            r"`([^`]* --[^`]*)`", gip.help_text(offer(facts.id), reader)
        )
        assert len(examples) >= 2
        assert all(is_taken_as_it_is(example, facts) for example in examples)

    check_rows(((f, r) for f in gip.CURRENT_MODELS for r in READERS), check)


def test_the_example_of_a_size_is_neither_the_cheapest_nor_the_dearest() -> None:
    text = gip.help_text(offer("gemini-nano-banana-2.1"), READERS[0])
    assert re.findall(r"--size (\w+)`", text) == ["2K"]


def test_what_is_not_offered_is_not_named() -> None:
    choices = {**offer(MODELS[0]).choices, "image_size": ("1K",), "count": ()}
    text = gip.help_text(gip.Offer(gip.Route("auto", MODELS[0]), choices), READERS[0])
    assert "4K" not in text and "--n " not in text and "--size 1K" in text


@pytest.mark.parametrize("prompt", ["--help", "－－help", "——help", " --帮助。"])
@pytest.mark.parametrize("stream", [False, True])
def test_help_costs_nothing_and_needs_no_key(prompt: str, stream: bool) -> None:
    body = body_of(prompt, LITE, stream=stream)
    if not stream:
        assert "Nano Banana 2 Lite" in answer(body)
        return

    async def streamed() -> list[dict[str, Any]]:
        return [chunk async for chunk in await gip.Pipe().pipe(body)]

    chunks = asyncio.run(streamed())
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    text = "".join(delta.get("content", "") for delta in deltas)
    assert "Nano Banana 2 Lite" in text
    assert [c["choices"][0]["finish_reason"] for c in chunks[-1:]] == ["stop"]


def test_help_asks_google_nothing(google: StandIn) -> None:
    assert "--size" in answer(body_of("--help"), google)
    assert google.requests == []


@pytest.mark.parametrize(
    ("asked", "valves", "names"),
    [
        ("auto", {}, ["Nano Banana 2.1", "auto"]),
        ("auto", {"MODELS": "gemini-3-pro-image"}, ["Nano Banana Pro", "auto"]),
        (OLD, {}, ["Nano Banana"]),
        ("imagen-3.0-generate-002", {}, ["Imagen 3", "Nano Banana 2.1"]),
        ("gemini-9-image", {}, ["gemini-9-image", "not known"]),
    ],
)
def test_help_says_who_answers(
    asked: str, valves: dict[str, Any], names: list[str]
) -> None:
    text = answer(body_of("--help", asked), valves=valves)
    assert all(name in text for name in names)


@contextlib.contextmanager
def listed(google: StandIn, *ids: str) -> Iterator[None]:
    """A key that can use these models, as was once listed."""
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(
        GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url
    )
    identity = gip.keyring_for(pipe.valves, [DEFAULT_KEY]).identity
    gip.MODEL_LISTS._lists[identity] = (0.0, [gip.ListedModel(i, i) for i in ids])
    yield
    gip.MODEL_LISTS._lists.pop(identity)


def test_help_names_a_model_that_nobody_has_without_the_function(
    google: StandIn,
) -> None:
    with listed(google, LITE):
        text = answer(body_of("--help", IMAGEN), google)
    assert "Imagen 4" in text and "painter" not in text


def test_help_knows_the_list_that_was_asked_for_before(google: StandIn) -> None:
    """Who may use only one model is told of that one."""
    with listed(google, LITE):
        assert "Nano Banana 2 Lite" in answer(body_of("--help"), google)
    assert google.requests == []


def test_help_waits_until_the_page_of_a_new_chat_shows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gip, "NEW_CHAT_KNOWN", 0.2)

    started = time.monotonic()
    assert "--size" in answer(body_of("--help"), __chat_id__="1", __message_id__="2")
    assert time.monotonic() - started >= 0.2


def test_help_speaks_the_reader_s_language_and_to_channels() -> None:
    text = answer(body_of("--help"), __metadata__=CHINESE)
    assert "宽高比" in text and "Example" not in text
    said = "Bob: @Gemini Image --help"
    channel = {"chat_id": "channel:1", "model": {"name": "Gemini Image"}}
    host = {"__metadata__": channel, "__user__": {"id": "1", "name": "Bob"}}
    assert "--size" in answer(body_of(said), **host)


def test_no_model_reads_the_help(google: StandIn) -> None:
    help_text = answer(body_of("--help"))
    said = [user("a red fox"), model("Here."), user("--help"), model(help_text)]
    answer({"model": "painter.auto", "messages": [*said, user("make it blue")]}, google)
    [request] = posts(google)
    sent = json.dumps(request.body, ensure_ascii=False)
    assert "a red fox" in sent and "make it blue" in sent
    assert "--help" not in sent and "--size" not in sent


def test_no_model_reads_what_was_spent(google: StandIn) -> None:
    said = [user("a red fox"), model("Here."), user("—cost"), model("Today: nothing.")]
    answer({"model": "painter.auto", "messages": [*said, user("make it blue")]}, google)
    [request] = posts(google)
    sent = json.dumps(request.body, ensure_ascii=False)
    assert "a red fox" in sent and "make it blue" in sent
    assert "cost" not in sent and "Today" not in sent


# ── What may come next ───────────────────────────────────────────────────────────────


def suggested(text: str) -> list[str]:
    """How hosts read such an answer: what stands between the outer braces."""
    [texts] = json.loads(text[text.find("{") : text.rfind("}") + 1]).values()
    assert isinstance(texts, list)
    return texts


OPTIONS = st.builds(
    gip.ImageOptions,
    aspect_ratio=st.sampled_from([None, *gip.RATIOS_14]),
    image_size=st.sampled_from([None, *gip.SIZES]),
    count=st.integers(1, gip.MAX_PICTURES_PER_PROMPT),
)


def asked_by(text: str) -> list[tuple[str, Any]]:
    """The fields that a message's flags set, with their values."""
    wished, default = gip.read_options(gip.split_flags(text)[1])[0], gip.ImageOptions()
    return [(n, v) for n, v in vars(wished).items() if v != getattr(default, n)]


@given(OPTIONS, st.sampled_from(gip.CURRENT_MODELS), st.sampled_from(READERS))
def test_three_or_four_things_may_come_next_and_all_are_news(
    had: gip.ImageOptions, facts: gip.ModelFacts, reader: gip.Reader
) -> None:
    texts = suggested(gip.follow_ups(had, offer(facts.id), reader))
    assert 3 <= len(texts) <= 4 and len(texts) == len({*texts})
    for text in texts:
        assert len(text) <= 60
        if wished := asked_by(text):
            [(field, value)] = wished
            assert is_taken_as_it_is(text, facts)
            assert getattr(had, field) != value


def test_no_more_is_suggested_than_is_offered() -> None:
    choices = {**offer(MODELS[0]).choices, "image_size": ("1K", "2K"), "count": ("1",)}
    narrow = gip.Offer(gip.Route("auto", MODELS[0]), choices)
    texts = suggested(gip.follow_ups(gip.ImageOptions(), narrow, READERS[0]))
    assert texts == [
        "The same, wide --ar 16:9",
        "In 2K --size 2K",
        "The same, tall --ar 9:16",
    ]
    flat = {**choices, "image_size": (), "aspect_ratio": ("1:1", "16:9", "4:3")}
    wide = gip.Offer(gip.Route("auto", MODELS[0]), flat)
    texts = suggested(gip.follow_ups(gip.ImageOptions(), wide, READERS[0]))
    assert flags_in(texts) == [WIDE]


WIDE, TALL, SQUARE = "--ar 16:9", "--ar 9:16", "--ar 1:1"
# What was said, the model → the flags of what is suggested.
NEXT: list[tuple[list[str], str, list[str]]] = [
    (["a fox"], "auto", [WIDE, "--size 4K", "--n 3", TALL]),
    (["a fox --ar 16:9"], "auto", [TALL, "--size 4K", "--n 3", SQUARE]),
    (["a fox --size 4K"], "auto", [WIDE, "--n 3", TALL]),
    (["a fox --n 2"], "auto", [WIDE, "--size 4K", TALL]),
    (["a fox"], OLD, [WIDE, "--n 3", TALL]),
    (["a fox"], LITE, [WIDE, "--n 3", TALL]),
    (["a fox"], "imagen-3.0-generate-002", [WIDE, "--size 4K", "--n 3", TALL]),
    # the shape of a picture that is changed stays
    (["a fox --ar 16:9", "in 4K --size 4K"], "auto", [TALL, "--n 3", SQUARE]),
    (
        ["a fox --ar 16:9", "tall --ar 9:16"],
        "auto",
        [WIDE, "--size 4K", "--n 3", SQUARE],
    ),
]


def chat_of(said: list[str], last: str = "Here.") -> list[dict[str, Any]]:
    turns = [turn for text in said for turn in (user(text), model("Here."))]
    return [*turns[:-1], model(last)]


def task_reply(messages: Any, model_id: str = "auto", **host: Any) -> list[str]:
    task_body = {"model": f"painter.{model_id}", "messages": messages}
    body = body_of("### Task: whatever", model_id)
    given = {"__task__": TASK, "__task_body__": task_body, **host}
    return suggested(answer(body, **given))


def flags_in(texts: list[str]) -> list[str]:
    return [" ".join(flag) for text in texts for flag in gip.split_flags(text)[1]]


def test_what_is_suggested_fits_the_answer_and_the_model() -> None:
    def check(said: list[str], model_id: str, flags: list[str]) -> None:
        assert flags_in(task_reply(chat_of(said), model_id)) == flags

    check_rows(NEXT, check)


def test_settings_that_stand_are_not_suggested_again() -> None:
    valves = {"IMAGE_SIZE": "4K"}
    own = {"id": "1", "valves": {"ASPECT_RATIO": "16:9"}}
    texts = task_reply(chat_of(["a fox"]), valves=valves, __user__=own)
    assert flags_in(texts) == [TALL, "--n 3", SQUARE]


def test_suggestions_speak_the_reader_s_language() -> None:
    texts = task_reply(chat_of(["a fox"]), __metadata__=CHINESE)
    assert texts[0] == "同样的画面，横幅 --ar 16:9"


PRESET = {"id": "my-painter", "info": {"base_model_id": f"painter.{LITE}"}}
OTHER_PRESET = {"id": "my-writer", "info": {"base_model_id": "gpt-4"}}
SILENT: list[tuple[str, Any, dict[str, Any]]] = [
    ("a failure", chat_of(["a fox"], f"{FAILED}\n"), {}),
    ("a failure behind a picture", chat_of(["a fox"], f"Here.\n\n{FAILED}"), {}),
    (
        "a failure that only the output holds",
        [
            user("a fox"),
            {
                **model(""),
                "output": [{"content": [{"type": "output_text", "text": FAILED}]}],
            },
        ],
        {},
    ),
    ("help", chat_of(["a fox", "--help"]), {}),
    ("what was spent", chat_of(["a fox", "--cost"]), {}),
    ("no answer yet", [user("a fox")], {}),
    ("no chat", [], {}),
    ("no messages", None, {}),
    ("switched off", chat_of(["a fox"]), {"valves": {"FOLLOW_UPS": "off"}}),
    ("no picture to change", chat_of(["a fox"]), {"valves": {"HISTORY_IMAGES": 0}}),
    (
        "another model's answer",
        chat_of(["a fox"]),
        {"__task_body__": {"model": "gpt-4", "messages": chat_of(["a fox"])}},
    ),
    (
        "that of a preset of another model",
        chat_of(["a fox"]),
        {
            "__task_body__": {"model": "my-writer", "messages": chat_of(["a fox"])},
            "__metadata__": {"model": OTHER_PRESET},
        },
    ),
]


def test_where_nothing_follows_nothing_is_suggested() -> None:
    def check(_: str, messages: Any, host: dict[str, Any]) -> None:
        assert task_reply(messages, **host) == []

    check_rows(SILENT, check)


def test_a_preset_s_answer_is_that_of_the_model_beneath() -> None:
    task_body = {"model": "my-painter", "messages": chat_of(["a fox"])}
    host = {"__task_body__": task_body, "__metadata__": {"model": PRESET}}
    assert flags_in(task_reply(None, **host)) == [WIDE, "--n 3", TALL]


def test_suggestions_ask_google_nothing(google: StandIn) -> None:
    task_body = {"model": "painter.auto", "messages": chat_of(["a fox"])}
    host = {"__task__": TASK, "__task_body__": task_body}
    assert len(suggested(answer(body_of("### Task:"), google, **host))) == 4
    assert google.requests == []


def test_imagen_s_pictures_are_changed_by_others_or_not_at_all(google: StandIn) -> None:
    """Who takes no pictures does not know what "the same" is."""

    def flags(**valves: Any) -> list[str]:
        task_body = {"model": f"painter.{IMAGEN}", "messages": chat_of(["a fox"])}
        host = {"__task__": TASK, "__task_body__": task_body, "valves": valves}
        return flags_in(suggested(answer(body_of("### Task:", IMAGEN), google, **host)))

    with listed(google, IMAGEN, LITE):
        assert flags() == [WIDE, "--n 3", TALL]
        assert flags(FOLLOW_SUCCESSORS=False) == []
        assert flags(HISTORY_IMAGES=0) == []


def recorded_tasks() -> Iterator[tuple[str, dict[str, Any]]]:
    """What each version of the host hands over for this task."""
    for path in sorted(RECORDED.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            request = json.loads(line)
            if request.get("task") == TASK:
                yield path.stem, request


def test_each_version_of_the_host_gets_suggestions() -> None:
    table = list(recorded_tasks())
    assert len(table) >= 6

    def check(_: str, request: dict[str, Any]) -> None:
        metadata = request["metadata"]
        named = {"__task__": TASK, "__task_body__": metadata.get("task_body")}
        # A program, such as a second Open WebUI, says neither chat nor task.
        for host in ({**named, "__metadata__": metadata}, {}):
            pipe = gip.Pipe().pipe(request["body"], **host)
            assert len(suggested(words_of(asyncio.run(pipe)))) == 4

    check_rows(table, check)
