"""What people choose, from the four places to choose it to what they get to see."""

import asyncio
import base64
import itertools
import json
import re
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from rows import check_rows
from traffic import posts, words_of

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, RecordedRequest, StandIn, announced, catalogue

NB = "gemini-nano-banana-2.1"
FLASH = "gemini-3.1-flash-image"
LITE = "gemini-3.1-flash-lite-image"
PRO = "gemini-3-pro-image"
OLD = "gemini-2.5-flash-image"
NEW = "gemini-9-image"
OWN_KEY = "stand-in-key-second"
FOX = "a fox [[plain]]"
EVIL = '<details type="reasoning">x</details> ![p](https://evil.example/p.png) <img>'
DATA_URI = re.compile(r"!\[[^\]\n]*\]\(data:image/\w+;base64,([A-Za-z0-9+/=]+)\)")

STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def given(text: str) -> str:
    """A text as the directives that end in 64 take it."""
    return base64.b64encode(text.encode()).decode()


def with_usage(usage: Any) -> str:
    return f"{FOX} [[usage64 {given(json.dumps(usage))}]]"


def grounded(metadata: Any) -> str:
    return f"{FOX} [[ground64 {given(json.dumps(metadata))}]]"


def history(*said: str) -> list[dict[str, Any]]:
    roles = itertools.cycle(["user", "assistant"])
    pairs = zip(roles, said, strict=False)
    return [{"role": role, "content": text} for role, text in pairs]


class Chat:
    """One request to the plugin, and all that its host gets to see of it."""

    async def ask(
        self,
        google: StandIn,
        said: Any,
        model: str = NB,
        valves: dict[str, Any] | None = None,
        own: Any = None,
        chat_id: str = "",
        watch: Callable[[str], None] = lambda piece: None,
        **body: Any,
    ) -> "Chat":
        """Streaming unless `stream` says otherwise. watch: is told each piece."""
        pipe = gip.Pipe()
        settings = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
        settings |= {"MAX_RETRIES": "0", "STORAGE": "inline"}
        pipe.valves = pipe.Valves(**{**settings, **(valves or {})})
        messages = history(said) if isinstance(said, str) else said
        whole = {"model": f"f.{model}", "messages": messages, **STREAMED, **body}
        user = {"valves": own} if own is not None else {}
        self.events: list[dict[str, Any]] = []
        self.chunks: list[dict[str, Any]] = []
        result = await pipe.pipe(
            whole, user, __event_emitter__=self._emit, __chat_id__=chat_id
        )
        self.text = ""
        if not isinstance(result, AsyncGenerator):
            self.text = words_of(result)
        else:
            async for chunk in result:
                self.chunks.append(chunk)
                piece = self._delta(chunk, "content")
                watch(piece)
                self.text += piece
        self.requests = posts(google)
        return self

    async def _emit(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def _delta(self, chunk: dict[str, Any], name: str) -> str:
        found = [choice["delta"].get(name, "") for choice in chunk["choices"]]
        return "".join(found)

    def _marked(self, mark: str) -> list[str]:
        lines = self.text.splitlines()
        return [line.removeprefix(mark) for line in lines if line.startswith(mark)]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [event["data"] for event in self.events if event["type"] == kind]

    @property
    def notes(self) -> list[str]:
        return self._marked(gip.NOTE_MARK)

    @property
    def failures(self) -> list[str]:
        return self._marked(gip.FAILURE_MARK)

    @property
    def pictures(self) -> list[bytes]:
        return [base64.b64decode(data) for data in DATA_URI.findall(self.text)]

    @property
    def thoughts(self) -> str:
        return "".join(self._delta(c, "reasoning_content") for c in self.chunks)

    @property
    def usages(self) -> list[dict[str, Any]]:
        return [chunk["usage"] for chunk in self.chunks if "usage" in chunk]

    @property
    def closing(self) -> str:
        last = self.of_kind("status")[-1]
        assert last["done"] is True
        return str(last["description"])

    @property
    def all_shown(self) -> str:
        return self.text + json.dumps([self.events, self.chunks], ensure_ascii=False)


def asked(google: StandIn, said: Any, **more: Any) -> Chat:
    return asyncio.run(Chat().ask(google, said, **more))


# ── Who is heard ─────────────────────────────────────────────────────────────────────

# Option → its name at each place, and one value for each of the places.
PLACES: dict[str, tuple[str, str, str, list[str]]] = {
    "size": ("IMAGE_SIZE", "image_size", "--size", ["1K", "2K", "4K", "512"]),
    "ratio": ("ASPECT_RATIO", "aspect_ratio", "--ar", ["16:9", "4:3", "1:4", "8:1"]),
    "number": ("IMAGES_PER_PROMPT", "n", "--n", ["2", "3", "1", "4"]),
    "level": ("THINKING_LEVEL", "thinking_level", "--think", ["HIGH", "MINIMAL"] * 2),
    "search": ("GOOGLE_SEARCH", "google_search", "--search", ["on", "off"] * 2),
    "thoughts": ("SHOW_THOUGHTS", "show_thoughts", "--thoughts", ["on", "off"] * 2),
}


def arrived(requests: list[RecordedRequest]) -> dict[str, str]:
    """The options as Google was told them."""
    body = requests[-1].body
    image = body["generationConfig"].get("imageConfig", {})
    thinking = body["generationConfig"].get("thinkingConfig", {})
    return {
        "size": image.get("imageSize"),
        "ratio": image.get("aspectRatio"),
        "number": str(len(requests)),
        "level": thinking.get("thinkingLevel"),
        "search": "on" if "tools" in body else "off",
        "thoughts": "on" if thinking.get("includeThoughts") else "off",
    }


SPEAKERS = ["administrator", "user", "request", "prompt"]


def test_who_counts_most_is_heard_by_google(google: StandIn) -> None:
    """All places up to `last` say something else; those behind it say nothing."""

    def check(option: str, last: str, as_host: Any) -> None:
        google.reset()
        valve, parameter, flag, values = PLACES[option]
        said = dict(zip(SPEAKERS[: SPEAKERS.index(last) + 1], values, strict=False))
        chat = asked(
            google,
            FOX + (f" {flag} {said['prompt']}" if "prompt" in said else ""),
            model=FLASH,
            valves={valve: said["administrator"]},
            own=as_host(**{valve: said.get("user", "auto")}),
            **{parameter: said.get("request")},
        )
        assert arrived(chat.requests)[option] == said[last]
        assert chat.requests[-1].texts == [FOX]
        assert not re.search("left out|was taken", " ".join(chat.notes))

    rows = itertools.product(PLACES, SPEAKERS, [gip.Pipe.UserValves, dict])
    check_rows(rows, check)


def test_each_option_is_heard_by_itself(google: StandIn) -> None:
    chat = asked(
        google,
        f"{FOX} --n 2",
        model=FLASH,
        valves={"IMAGE_SIZE": "2K", "ASPECT_RATIO": "4:3", "IMAGES_PER_PROMPT": "4"},
        own={"ASPECT_RATIO": "16:9", "THINKING_LEVEL": "high"},
        thinking_level="minimal",
    )
    told = {"size": "2K", "ratio": "16:9", "number": "2", "level": "MINIMAL"}
    assert arrived(chat.requests) == told | {"search": "off", "thoughts": "off"}


ORDERS: list[tuple[list[str], str, str]] = [
    (["--ar 16:9", "--size 2048x2048"], "16:9", "2K"),
    (["--ar 16:9", "--size 4K"], "16:9", "4K"),
    (["--ar 4:3", "--size 2048x2048", "--n 1"], "4:3", "2K"),
    (["--size 1344x768"], "16:9", "1K"),
]


def test_a_ratio_that_is_named_beats_a_shape_in_pixels_in_any_order(
    google: StandIn,
) -> None:
    def check(flags: tuple[str, ...], ratio: str, size: str) -> None:
        google.reset()
        chat = asked(google, f"{FOX} {' '.join(flags)}", model=FLASH)
        told = arrived(chat.requests)
        assert (told["ratio"], told["size"] or "1K") == (ratio, size)
        assert chat.notes == []

    rows = [
        (order, *wish)
        for flags, *wish in ORDERS
        for order in itertools.permutations(flags)
    ]
    check_rows(rows, check)


def test_of_two_of_a_kind_the_last_one_holds(google: StandIn) -> None:
    chat = asked(google, f"{FOX} --ar 4:3 --size 4K --ar 16:9 --size 2K", model=FLASH)
    told = arrived(chat.requests)
    assert (told["ratio"], told["size"]) == ("16:9", "2K")


def test_the_safety_threshold_is_the_administrator_s_alone(google: StandIn) -> None:
    name, value = "SAFETY_THRESHOLD", "BLOCK_ONLY_HIGH"
    chat = asked(google, FOX, own={name: value}, **{name: value, "safety": value})
    assert "safetySettings" not in chat.requests[-1].body
    chat = asked(google, FOX, valves={name: value}, own={name: "OFF"})
    settings = chat.requests[-1].body["safetySettings"]
    assert {setting["threshold"] for setting in settings} == {value}


def test_a_wrong_flag_is_noted_once_and_not_drawn(google: StandIn) -> None:
    chat = asked(google, f"{FOX} --ar wide --n 2")
    [note] = chat.notes
    assert note.startswith("`--ar` was left out: it can be 1:1, ")
    assert [request.texts for request in chat.requests] == [[FOX]] * 2
    assert "imageConfig" not in chat.requests[-1].body["generationConfig"]


@pytest.mark.parametrize(
    ("prompt", "named"),
    [
        ("a terminal that shows git commit --amend", []),
        ("git log --oneline --n 3 on a screen", []),
        ("a fox — search as it may — finds nothing", []),
        ("--ar 16:9 is written on a wall", [["--ar"]]),
        ("a fox --v 6 --style raw", [["--v", "--style", "--help"]]),
        ("a fox --n 2 --v 6", [["--n"], ["--v", "--help"]]),
    ],
)
def test_other_text_arrives_unchanged_and_flags_in_it_are_named(
    google: StandIn, prompt: str, named: list[list[str]]
) -> None:
    chat = asked(google, prompt)
    assert [request.texts for request in chat.requests] == [[prompt]]
    assert [re.findall("`(--[a-z]+)`", note) for note in chat.notes] == named


# ── Several pictures ─────────────────────────────────────────────────────────────────


def without_pictures(text: str) -> str:
    return DATA_URI.sub("*", text)


@pytest.mark.parametrize(
    ("count", "table"),
    [
        (2, ["|  |  |", "|---|---|", "| * | * |"]),
        (3, ["|  |  |", "|---|---|", "| * | * |", "| * |  |"]),
        (4, ["|  |  |", "|---|---|", "| * | * |", "| * | * |"]),
    ],
)
def test_several_pictures_stand_side_by_side(
    google: StandIn, count: int, table: list[str]
) -> None:
    chat = asked(google, FOX, n=count)
    lines = without_pictures(chat.text).strip().splitlines()
    assert lines[: len(table)] == table
    assert sorted(chat.pictures) == sorted(google.sent_images)


def test_each_of_several_pictures_has_an_alternative_text_of_its_own(
    google: StandIn,
) -> None:
    alts = re.findall(r"!\[([^\]]*)\]", asked(google, FOX, n=3).text)
    assert alts == ["a fox plain", "a fox plain (2)", "a fox plain (3)"]


def test_more_pictures_than_asked_for_get_a_row_of_their_own(google: StandIn) -> None:
    """A table shows no more cells of a row than its head has."""
    chat = asked(google, f"{FOX} [[images 2]]", n=2)
    lines = without_pictures(chat.text).strip().splitlines()
    assert lines[2:4] == ["| * | * |", "| * | * |"]
    assert len(chat.pictures) == 4


def test_the_pictures_are_a_table_at_every_moment_and_none_waits(
    google: StandIn,
) -> None:
    """A Stop saves what is there, and the page shows it while it waits for the rest."""
    moments: list[str] = []
    under_way: list[int] = []
    shown = ""

    def watch(piece: str) -> None:
        nonlocal shown
        shown += piece
        moments.append(without_pictures(shown))
        if "![" in piece:
            under_way.append(3 - len(google.sent_images))

    chat = asked(google, f"{FOX} [[first 1 wait 1]]", n=3, watch=watch)
    assert chat.text == shown
    counts = [moment.count("*") for moment in moments]
    for count, moment in zip(counts, moments, strict=True):
        table = "|  |  |\n|---|---|\n|" + " * |" * min(count, 2)
        table += "\n| * |" * (count > 2)
        assert moment.startswith(table) and "*" not in moment.removeprefix(table)
        stopped = history(FOX, table.replace("*", "![a](/b)"), "again")
        assert gip.read_turns(stopped)[1].text == ""
    # Two that come together are one piece.
    assert counts[0] >= 1 and counts == sorted(counts) and counts[-1] == 3
    assert under_way[0] > 0, "the slow one was waited for"


def test_a_row_comes_back_as_pictures_and_not_as_text(google: StandIn) -> None:
    first = asked(google, FOX, n=3)
    sent = list(google.sent_images)
    second = history(FOX, first.text, f"make them blue {FOX}")
    again = asked(google, second).requests[-1]
    assert sorted(again.images) == sorted(sent)
    assert not re.search(r"\||!\[|---|base64", " ".join(again.texts))
    assert again.texts[-1] == f"make them blue {FOX}"


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_those_that_fail_cost_one_sentence_and_no_picture(
    google: StandIn, failing: int
) -> None:
    chat = asked(google, f"{FOX} [[first {failing} status 400]]", n=3)
    made = 3 - failing
    assert len(chat.requests) == 3
    assert len(chat.failures) == 1
    assert len(chat.pictures) == made
    few = f"Only {made} of 3 pictures could be made. "
    assert chat.failures[0].startswith((few if made else "") + "**")
    assert ("|" in chat.text) == ("≈ $" in chat.closing) == bool(made)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("finish IMAGE_SAFETY", "safety filter"),
        ("block SAFETY", "blocked the prompt"),
        ("text only", "without a picture"),
        ("empty", "without a picture"),
        ("bad base64", "damaged"),
    ],
)
def test_one_that_is_refused_is_missed(google: StandIn, how: str, says: str) -> None:
    chat = asked(google, f"{FOX} [[first 1 {how}]]", n=3)
    assert len(chat.pictures) == 2
    [failure] = chat.failures
    assert failure.startswith("Only 2 of 3 pictures could be made. **")
    assert says in failure


def test_one_at_a_time_where_the_administrator_says_so(google: StandIn) -> None:
    """Each is answered 0.1 s after it came, so those that overlap start closer."""
    one = {"MAX_PARALLEL_REQUESTS": 1}
    chat = asked(google, f"{FOX} [[wait 0.1]]", n=3, valves=one)
    assert len(chat.pictures) == 3
    started = sorted(request.started for request in chat.requests)
    assert all(later - sooner >= 0.1 for sooner, later in itertools.pairwise(started))


def test_what_all_say_is_said_once(google: StandIn) -> None:
    chat = asked(google, FOX, n=3)
    assert chat.text.count("Here is the picture you asked for.") == 1
    chat = asked(google, f"{FOX} [[say Hello.]] [[first 1 say Goodbye.]]", n=3)
    words = without_pictures(chat.text)
    assert (words.count("Hello."), words.count("Goodbye.")) == (1, 1)


# ── The closing line ─────────────────────────────────────────────────────────────────

# What `a fox [[plain]]` comes to: 4 tokens in, 8 of text and 210 of thoughts out, and
# those of the picture. In USD at Google's prices of October 2026, to a tenth of a cent
# as the line shows them, and to a hundredth as the usage has them.
PRICED: list[tuple[str, str | None, str, str, str, str, float]] = [
    (NB, "1K", "Nano Banana 2.1", "1024×1024", "1,342", "0.035", 0.0352),
    (NB, "2K", "Nano Banana 2.1", "2048×2048", "1,902", "0.052", 0.0520),
    (NB, "4K", "Nano Banana 2.1", "4096×4096", "4,002", "0.115", 0.1150),
    (FLASH, "512", "Nano Banana 2", "512×512", "969", "0.046", 0.0457),
    (FLASH, "1K", "Nano Banana 2", "1024×1024", "1,342", "0.068", 0.0677),
    (FLASH, "2K", "Nano Banana 2", "2048×2048", "1,902", "0.102", 0.1017),
    (FLASH, "4K", "Nano Banana 2", "4096×4096", "2,742", "0.152", 0.1517),
    (PRO, "1K", "Nano Banana Pro", "1024×1024", "1,342", "0.137", 0.1366),
    (PRO, "2K", "Nano Banana Pro", "2048×2048", "1,342", "0.137", 0.1366),
    (PRO, "4K", "Nano Banana Pro", "4096×4096", "2,222", "0.243", 0.2426),
    (LITE, "1K", "Nano Banana 2 Lite", "1024×1024", "1,342", "0.034", 0.0339),
    (OLD, None, "Nano Banana", "1024×1024", "1,302", "0.039", 0.0390),
]


def priced(facts: gip.ModelFacts, size: str | None) -> Any:
    """The same for a model that the stand-in knows from the product only."""
    made = announced.model_of(facts).tokens_of_image(size or "1K")
    words = 8 + (210 if facts.thinks else 0)
    prices = facts.prices
    cost = (
        prices.pictures[size or "1K"] + (4 * prices.input + words * prices.output) / 1e6
    )
    width, height = catalogue.pixels("1:1", size or "1K")
    told = f"{width}×{height}", f"{4 + words + made:,}", f"{cost:.3f}"
    return facts.id, size, facts.name, *told, round(cost, 4)


OFFERED = [
    (facts, size) for facts in gip.CURRENT_MODELS for size in facts.sizes or [None]
]
DOCUMENTED = {model.id for model in catalogue.IMAGE_MODELS}
DERIVED = [priced(*each) for each in OFFERED if each[0].id not in DOCUMENTED]


@pytest.mark.parametrize("row", PRICED + DERIVED, ids=lambda row: f"{row[2]}-{row[1]}")
def test_the_closing_line_and_the_usage_tell_the_price(
    google: StandIn, row: tuple[str, str | None, str, str, str, str, float]
) -> None:
    model, size, name, pixels, tokens, price, cost = row
    chat = asked(google, FOX, model=model, image_size=size)
    parts = chat.closing.split(" · ")
    assert re.fullmatch(r"\d+ s", parts.pop())
    assert parts == [name, f"≈ ${price}", pixels]
    assert chat.usages[0]["cost"] == cost
    assert f"{chat.usages[0]['total_tokens']:,}" == tokens


def test_every_documented_model_and_size_has_its_price_above() -> None:
    offered = [(facts.id, size) for facts, size in OFFERED if facts.id in DOCUMENTED]
    assert offered == [(model, size) for model, size, *_ in PRICED]


def test_the_pixels_are_those_of_the_bytes(google: StandIn) -> None:
    chat = asked(google, f"{FOX} [[first 1 pixels 640x480]]", n=2)
    assert {"640×480", "1024×1024"} == set(chat.closing.split(" · ")[2].split(", "))


def test_an_unknown_model_s_price_is_unknown(google: StandIn) -> None:
    chat = asked(google, FOX, model=NEW)
    assert chat.closing.startswith(f"{NEW} · price unknown · 1024×1024 · ")
    assert "cost" not in chat.usages[0]


# ── Other pixels than asked for ──────────────────────────────────────────────────────


@pytest.mark.parametrize("facts", gip.CURRENT_MODELS, ids=lambda facts: facts.name)
def test_google_s_own_pixels_are_what_was_asked_for(
    google: StandIn, facts: gip.ModelFacts
) -> None:
    """Each ratio with one of the sizes, and each size with one of the ratios."""
    odd = {("21:9", "512")} if "512" in facts.sizes else set()
    sizes = itertools.cycle(facts.sizes or [""])
    wishes = [*zip(facts.ratios, sizes, strict=False)]
    wishes += [("", size) for size in ("", *facts.sizes)]
    wishes += [(facts.ratios[0], ""), *odd]

    async def all_of_them() -> list[Chat]:
        asks = [
            Chat().ask(google, FOX, facts.id, aspect_ratio=ratio, image_size=size)
            for ratio, size in wishes
        ]
        return await asyncio.gather(*asks)

    noted = {}
    for wish, chat in zip(wishes, asyncio.run(all_of_them()), strict=True):
        assert len(chat.pictures) == 1, wish
        if chat.notes:
            noted[wish] = chat.notes
    # Google's page has 792 × 168 pixels for it, which are no 21:9.
    assert set(noted) == odd, noted


@pytest.mark.parametrize(
    ("wish", "pixels", "note"),
    [
        pytest.param({"aspect_ratio": "16:9"}, "1024x1024", "16:9", id="shape"),
        pytest.param({"aspect_ratio": "16:9"}, "768x1376", "16:9", id="turned"),
        pytest.param({"image_size": "4K"}, "2048x2048", "4K", id="size"),
        pytest.param({"image_size": "1K"}, "4096x4096", "1K", id="larger"),
        pytest.param(
            {"aspect_ratio": "16:9", "image_size": "2K"},
            "1024x1024",
            "16:9 at 2K",
            id="both",
        ),
        pytest.param({"aspect_ratio": "1:1", "n": 3}, "1376x768", "1:1", id="three"),
        pytest.param({"aspect_ratio": "16:9"}, "1390x768", "", id="nearly"),
        pytest.param({}, "640x480", "", id="nothing-asked"),
    ],
)
def test_other_pixels_get_one_note(
    google: StandIn, wish: dict[str, Any], pixels: str, note: str
) -> None:
    chat = asked(google, f"{FOX} [[pixels {pixels}]]", **wish)
    width, height = pixels.split("x")
    made = f"Google made {width} × {height} pixels."
    assert chat.notes == ([f"Asked for was {note}; {made}"] if note else [])


# ── Usage ────────────────────────────────────────────────────────────────────────────


def test_the_usage_is_the_sum_of_all_requests_and_comes_last(google: StandIn) -> None:
    chat = asked(google, FOX, n=3)
    assert chat.chunks[-1]["choices"] == []
    assert chat.chunks[-2]["choices"][0]["finish_reason"] == "stop"
    [usage] = chat.usages
    assert usage.pop("prompt_tokens_details") == {"image_tokens": 0}
    details = {"image_tokens": 3360, "reasoning_tokens": 630}
    assert usage.pop("completion_tokens_details") == details
    tokens = {"prompt_tokens": 12, "completion_tokens": 4014, "total_tokens": 4026}
    assert usage == tokens | {"cost": 0.1057}  # three times 0.035241
    assert chat.closing.startswith("Nano Banana 2.1 · ≈ $0.106 · 3 × 1024×1024 · ")


def test_pictures_that_go_along_are_counted(google: StandIn) -> None:
    first = asked(google, FOX).text
    [usage] = asked(google, history(FOX, first, FOX)).usages
    assert usage["prompt_tokens_details"] == {"image_tokens": 1120}
    assert usage["prompt_tokens"] > 1120


IMAGE_ROW = {"modality": "IMAGE", "tokenCount": 1120}
NOTHING_KNOWN: list[Any] = [
    {},
    {"totalTokenCount": 1340},
    {"promptTokenCount": -5, "candidatesTokenCount": -1120},
    {"promptTokenCount": "12", "candidatesTokenCount": "many"},
    {"candidatesTokenCount": 10**30, "thoughtsTokenCount": float("nan")},
    {"candidatesTokenCount": [1120], "candidatesTokensDetails": 1120},
    {"candidatesTokensDetails": [None, 5, {"modality": ["IMAGE"]}, {}]},
    [],
    "1340 tokens",
    1340,
]
ODD: list[Any] = [
    {"candidatesTokenCount": 5, "candidatesTokensDetails": [IMAGE_ROW]},
    {"candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 99_000_000}]},
    {"candidatesTokenCount": 1120, "promptTokenCount": None},
    {"candidatesTokenCount": 999_999_999, "thoughtsTokenCount": 999_999_999},
    {"promptTokensDetails": [IMAGE_ROW], "candidatesTokenCount": 9},
]


@pytest.mark.parametrize("usage", NOTHING_KNOWN, ids=lambda usage: str(usage)[:40])
def test_where_nothing_is_known_the_usage_is_nothing(
    google: StandIn, usage: Any
) -> None:
    chat = asked(google, with_usage(usage))
    assert len(chat.pictures) == 1 and chat.failures == []
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert chat.usages == [nothing]  # asked for, it is told
    assert chat.closing.startswith("Nano Banana 2.1 · ≈ $0.034 · ")


@pytest.mark.parametrize("usage", ODD, ids=lambda usage: str(usage)[:40])
def test_odd_counts_make_no_odd_price(google: StandIn, usage: Any) -> None:
    chat = asked(google, with_usage(usage))
    assert len(chat.pictures) == 1 and chat.failures == []
    [told] = chat.usages
    parts = told["completion_tokens_details"].values()
    assert sum(parts) <= told["completion_tokens"]
    assert told["prompt_tokens_details"]["image_tokens"] <= told["prompt_tokens"]
    assert told["total_tokens"] == told["prompt_tokens"] + told["completion_tokens"]
    assert told["cost"] >= 0.0336
    assert re.search(r" · ≈ \$\d+\.\d{3} · ", chat.closing)


@pytest.mark.parametrize(
    ("odd", "tokens", "cost"),
    [({}, 1338, 0.0688), ({"candidatesTokenCount": 1128}, 2466, 0.0688)],
    ids=["nothing", "all-in-one"],
)
def test_one_of_several_that_counts_otherwise_spoils_no_sum(
    google: StandIn, odd: dict[str, int], tokens: int, cost: float
) -> None:
    """Which of its tokens are those of a picture, a gateway may leave open."""
    directive = f"[[first 1 usage64 {given(json.dumps(odd))}]]"
    [usage] = asked(google, f"a fox {directive} [[plain]]", n=2).usages
    assert usage["completion_tokens"] == tokens
    assert usage["cost"] == pytest.approx(cost, abs=0.0002)


# ── Thoughts ─────────────────────────────────────────────────────────────────────────


def test_thoughts_come_apart_from_the_answer_and_safe(google: StandIn) -> None:
    chat = asked(google, f"{FOX} [[think64 {given('I draw. ' + EVIL)}]] --thoughts")
    assert chat.thoughts.startswith("I draw. ")
    assert "<\u2060details" in chat.thoughts
    assert not re.search(r"<details|!\[|<img", chat.thoughts)
    assert "I draw." not in chat.text and "evil.example" not in chat.text
    deltas = [choice["delta"] for c in chat.chunks for choice in c["choices"]]
    assert not [d for d in deltas if {"content", "reasoning_content"} <= {*d}]
    assert len(chat.pictures) == 1


@pytest.mark.parametrize("said", ["I draw a fox!", "I draw foxes"])
def test_thoughts_are_shown_to_their_end(google: StandIn, said: str) -> None:
    """What could begin a picture or the key waits for what follows, if anything does."""
    chat = asked(google, f"{FOX} [[think64 {given(said)}]] --thoughts")
    assert chat.thoughts.replace("\u2060", "") == said
    assert len(chat.pictures) == 1


def test_thoughts_that_nobody_asked_for_stay_hidden(google: StandIn) -> None:
    chat = asked(google, f"{FOX} [[think64 {given('I draw.')}]]")
    assert "I draw." not in chat.all_shown
    assert chat.thoughts == ""


def test_of_several_requests_one_is_heard_thinking(google: StandIn) -> None:
    chat = asked(google, f"{FOX} [[think64 {given('I draw.')}]]", n=3, show_thoughts=1)
    assert chat.thoughts == "I draw."


def test_without_a_stream_there_is_no_place_for_thoughts(google: StandIn) -> None:
    prompt = f"{FOX} [[think64 {given('I draw.')}]] --thoughts"
    chat = asked(google, prompt, stream=False)
    assert "includeThoughts" in str(chat.requests[-1].body)
    assert len(chat.pictures) == 1
    assert "I draw." not in chat.all_shown


@pytest.mark.parametrize(
    "block",
    [
        '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 '
        "seconds</summary>\n> I draw.\n</details>",
        "<think>I draw.</think>",
    ],
    ids=["details", "think"],
)
def test_thoughts_do_not_go_back_to_google(google: StandIn, block: str) -> None:
    chat = asked(google, history(FOX, f"{block}\nHere it is.", FOX))
    assert chat.requests[-1].texts == [FOX, "Here it is.", FOX]


# ── Google Search ────────────────────────────────────────────────────────────────────

LINK = r"\[[^\[\]()]+\]\(https?://[^\s()<>\"'`\\]+\)"
PAGES = [
    ("example.org", "https://vertexaisearch.cloud.google.com/grounding-api-redirect/A"),
    ("Foxes in winter", "https://example.org/foxes"),
    ("A fox", "https://example.net/fox-page"),
]


def links_of(notes: list[str], start: str) -> list[str]:
    """The links of a note that begins so; it holds nothing else."""
    [note] = [note for note in notes if note.startswith(start)]
    assert re.fullmatch(rf"{re.escape(start)} {LINK}(?:, {LINK})*\.", note), note
    return re.findall(LINK, note)


def test_a_chat_gets_citations_and_google_s_suggestions(google: StandIn) -> None:
    chat = asked(google, f"{FOX} --search", chat_id="1")
    cited = [event["source"] for event in chat.of_kind("source")]
    assert cited == [{"name": title, "url": address} for title, address in PAGES]
    [suggestions] = chat.of_kind("embeds")
    assert "<div class=chip>" in suggestions["embeds"][0]
    assert chat.events[-1]["type"] == "status"
    found = links_of(chat.notes, "Google searched for")
    assert found == [
        "[red fox winter coat](https://www.google.com/search?q=red%20fox%20winter%20coat)",
        "[red fox photo](https://www.google.com/search?q=red%20fox%20photo)",
    ]
    assert len(chat.notes) == 1


def test_where_nobody_shows_citations_the_pages_are_noted(google: StandIn) -> None:
    chat = asked(google, f"{FOX} --search", n=2, stream=False)
    expected = [f"[{title}]({address})" for title, address in PAGES]
    assert links_of(chat.notes, "Sources:") == expected


def page(address: Any, title: Any = "A page", kind: str = "web") -> dict[str, Any]:
    return {kind: {"uri": address, "title": title}}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("javascript:alert(1)", ""),
        ("data:text/html,<script>alert(1)</script>", ""),
        ("ftp://example.org/a", ""),
        ("https://example.org/a b", ""),
        ("https://example.org/\u202egpj.exe", "https://example.org/gpj.exe"),
        ("https://example.org/" + "a" * 9000, ""),
        ("https://e.org/Fox_(animal)", "https://e.org/Fox_%28animal%29"),
        ("https://e.org/a)![x](https://f", "https://e.org/a%29![x]%28https://f"),
        ("https://e.org/'\"><img>`\\", "https://e.org/%27%22%3E%3Cimg%3E%60%5C"),
    ],
    ids=lambda value: value[:24],
)
def test_only_web_addresses_are_linked_and_stay_one(
    google: StandIn, address: str, shown: str
) -> None:
    grounding = {"groundingChunks": [page(address, EVIL)]}
    chat = asked(google, grounded(grounding))
    assert [event["source"]["url"] for event in chat.of_kind("source")] == (
        [shown] if shown else []
    )
    if shown:
        [link] = links_of(chat.notes, "Sources:")
        assert link.endswith(f"]({shown})")
    else:
        assert chat.notes == []
    assert not re.search(r"<img|<details|!\[p\]", chat.text)


def test_a_search_that_brings_hundreds_shows_twenty(google: StandIn) -> None:
    """Each page is an event that the host saves, and each query a link in the answer."""
    queries = [f"fox {at}" for at in range(300)]
    grounding = {
        "groundingChunks": [page(f"https://example.org/{at}") for at in range(300)],
        "webSearchQueries": queries[:15],
        "imageSearchQueries": queries[15:],
    }
    chat = asked(google, grounded(grounding))
    assert len(chat.of_kind("source")) == len(links_of(chat.notes, "Sources:")) == 20
    assert len(links_of(chat.notes, "Google searched for")) == 20
    grounding["searchEntryPoint"] = {"renderedContent": "<i>" * 30_000}
    [found] = gip.read_events({"candidates": [{"groundingMetadata": grounding}]}, [])
    assert isinstance(found, gip.Sources) and 10_000 < len(found.suggestions) < 70_000


def test_the_pages_of_several_requests_are_twenty_together(google: StandIn) -> None:
    first, second = (
        given(json.dumps({"groundingChunks": [page(f"https://{at}") for at in hosts]}))
        for hosts in ([f"a{n}.org" for n in range(15)], [f"b{n}.org" for n in range(9)])
    )
    prompt = f"{FOX} [[ground64 {second}]] [[first 1 ground64 {first}]]"
    chat = asked(google, prompt, n=2)
    cited = [event["source"]["url"] for event in chat.of_kind("source")]
    assert len(set(cited)) == len(cited) == 20
    assert {"a", "b"} == {url[len("https://")] for url in cited}


@pytest.mark.parametrize("title", [EVIL, "a](https://evil.example) [b", "", None, 5])
def test_no_title_or_query_breaks_the_note(google: StandIn, title: Any) -> None:
    grounding = {
        "groundingChunks": [page("https://example.org/a", title)],
        "webSearchQueries": [title, "a fox"],
    }
    chat = asked(google, grounded(grounding))
    assert len(links_of(chat.notes, "Sources:")) == 1
    assert links_of(chat.notes, "Google searched for")[-1].startswith("[a fox](")
    assert not re.search(r"<details|<img|!\[p|\(https://evil", chat.text)


@pytest.mark.parametrize(
    "grounding",
    [
        [],
        "text",
        7,
        {"groundingChunks": {"web": {}}, "webSearchQueries": "a fox"},
        {"groundingChunks": [None, 5, "x", [], {}, {"web": None}, {"web": [1]}]},
        {"groundingChunks": [page(None), page(5), page([]), page({"a": 1})]},
        {"groundingChunks": [{"image": {"sourceUri": ["x"], "uri": "https://a.org"}}]},
        {"webSearchQueries": [None, 5, {}, ["a"], "", " ", "\u202e", "<>"]},
        {"searchEntryPoint": "<b>x</b>"},
        {"searchEntryPoint": {"renderedContent": {"a": 1}}},
    ],
    ids=lambda grounding: str(grounding)[:40],
)
def test_what_is_no_grounding_is_passed_over(google: StandIn, grounding: Any) -> None:
    chat = asked(google, grounded(grounding))
    assert len(chat.pictures) == 1
    assert chat.notes == chat.failures == []
    assert chat.of_kind("source") == chat.of_kind("embeds") == []
    assert "≈ $" in chat.closing


def test_half_an_emoji_of_a_search_can_be_stored() -> None:
    grounding = {
        "groundingChunks": [page("https://a.org", "A page \ud83e")],
        "searchEntryPoint": {"renderedContent": "<b>\ud83e</b>"},
    }
    sent = json.dumps({"candidates": [{"groundingMetadata": grounding}]})
    [(received, blobs)] = gip.ObjectReader().feed(sent.encode())
    [sources] = gip.read_events(received, blobs)
    pages = (("https://a.org", "A page \ufffd"),)
    assert sources == gip.Sources(pages=pages, suggestions="<b>\ufffd</b>")


# ── A key of one's own ───────────────────────────────────────────────────────────────


def keys_used(google: StandIn) -> set[str]:
    return {request.headers["x-goog-api-key"] for request in google.requests}


@pytest.mark.parametrize("as_host", [gip.Pipe.UserValves, dict], ids=["host", "dict"])
@pytest.mark.parametrize("required", [False, True])
def test_a_user_s_own_key_is_the_only_one_used(
    google: StandIn, as_host: Any, required: bool
) -> None:
    own = as_host(GEMINI_API_KEY=f" {OWN_KEY} ")
    chat = asked(google, FOX, own=own, valves={"REQUIRE_USER_KEY": required})
    assert len(chat.pictures) == 1
    assert keys_used(google) == {OWN_KEY}


def test_without_an_own_key_the_server_s_is_used(google: StandIn) -> None:
    for own in ({}, gip.Pipe.UserValves(), {"GEMINI_API_KEY": " "}):
        asked(google, FOX, own=own)
    assert keys_used(google) == {DEFAULT_KEY}


def test_where_own_keys_are_required_the_server_s_is_never_used(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", DEFAULT_KEY)
    for own in (None, {}, gip.Pipe.UserValves(), {"GEMINI_API_KEY": None}):
        chat = asked(google, FOX, own=own, valves={"REQUIRE_USER_KEY": True})
        [failure] = chat.failures
        assert "with your own Gemini API key" in failure
        assert "Valves → Gemini Image Pipe → GEMINI_API_KEY" in failure
        assert "dministrator" not in failure
        assert chat.closing == "No picture was made"
    assert google.requests == []


@pytest.mark.parametrize(
    "key", ["invalid", "expired", "leaked", "disabled", "restricted", "oauth", "free"]
)
def test_who_has_a_wrong_key_of_their_own_can_change_it(
    google: StandIn, key: str
) -> None:
    own = {"GEMINI_API_KEY": f"stand-in-key-{key}"}
    [failure] = asked(google, FOX, own=own).failures
    assert re.search(r"\bYou (can|must) ", failure)
    assert "dministrator" not in failure
    [failure] = asked(google, FOX, valves=own).failures
    assert "An administrator" in failure
    assert not re.search(r"\bYou (can|must) ", failure)


ECHO = f"Refused: {OWN_KEY}."
ECHOES = {
    "words": {"prompt": f"{FOX} [[say64 {given(ECHO)}]]"},
    "words-of-several": {"prompt": f"{FOX} [[say64 {given(ECHO)}]]", "n": 2},
    "words-alone": {"prompt": f"{FOX} [[text only]] [[say64 {given(ECHO)}]]"},
    "thoughts": {"prompt": f"{FOX} [[think64 {given(ECHO)}]]", "show_thoughts": True},
    "error": {"prompt": f"{FOX} [[error64 {given(ECHO)}]]"},
    "search": {
        "prompt": grounded(
            {
                "webSearchQueries": [ECHO],
                "groundingChunks": [page(f"https://example.org/{OWN_KEY}", ECHO)],
                "searchEntryPoint": {"renderedContent": ECHO},
            }
        )
    },
}


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("echo", ECHOES)
def test_no_key_is_shown_or_logged_though_a_gateway_repeats_it(
    google: StandIn, caplog: pytest.LogCaptureFixture, echo: str, stream: bool
) -> None:
    caplog.set_level("DEBUG")
    more = dict(ECHOES[echo])
    prompt = more.pop("prompt")
    own = gip.Pipe.UserValves(GEMINI_API_KEY=OWN_KEY)
    chat = asked(google, prompt, own=own, stream=stream, **more)
    assert keys_used(google) == {OWN_KEY}
    assert DEFAULT_KEY not in chat.all_shown  # the beginning of the other, too
    assert "[key]" in chat.all_shown or (echo, stream) == ("thoughts", False)
    assert DEFAULT_KEY not in caplog.text
    assert "model=" in caplog.text
