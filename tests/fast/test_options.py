"""Room Options: what prompts, requests and settings ask for; what the model takes."""

import functools
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest
from growth import growth
from hypothesis import example, given
from hypothesis import strategies as st
from messages import in_english
from rows import check_rows

import gemini_image_pipe as gip
from dev.standin import announced, catalogue, imagen
from dev.standin.validate import check_generate

NB = "gemini-nano-banana-2.1"
FLASH = "gemini-3.1-flash-image"
LITE = "gemini-3.1-flash-lite-image"
PRO = "gemini-3-pro-image"
OLD = "gemini-2.5-flash-image"
NEW = "gemini-9-image"
NOTHING = gip.ImageOptions()
HUGE = 10**5000  # longer than Python turns into text


def options(**wish: Any) -> gip.ImageOptions:
    return gip.ImageOptions(**wish)


def of_body(body: dict[str, Any]) -> tuple[gip.ImageOptions, list[gip.Note]]:
    """What a request alone asks for, and the notes on it."""
    return merged({}, {}, body, ())


def merged(
    valves: dict[str, Any],
    own: dict[str, Any],
    body: dict[str, Any],
    flags: tuple[tuple[str, str], ...],
) -> tuple[gip.ImageOptions, list[gip.Note]]:
    saved = gip.Pipe.Valves(**valves)
    return gip.read_options(gip.settings_in_order(saved, own, body, flags))


# ── Reading one value ────────────────────────────────────────────────────────────────


READ: list[tuple[dict[str, Any], gip.ImageOptions]] = [
    ({}, NOTHING),
    ({"aspect_ratio": "16:9"}, options(aspect_ratio="16:9")),
    ({"aspect_ratio": " 16 : 9 "}, options(aspect_ratio="16:9")),
    ({"aspect_ratio": "16/9"}, options(aspect_ratio="16:9")),
    ({"aspect_ratio": "16x9"}, options(aspect_ratio="16:9")),
    ({"aspect_ratio": "16：9"}, options(aspect_ratio="16:9")),
    ({"aspect_ratio": "5:3"}, options(aspect_ratio="5:3")),
    ({"size": "1024x1536"}, options(aspect_ratio="2:3")),
    ({"size": "2048x2048"}, options(aspect_ratio="1:1", image_size="2K")),
    ({"size": "5504 x 3072"}, options(aspect_ratio="16:9", image_size="4K")),
    ({"size": "1792×1024"}, options(aspect_ratio="16:9")),
    ({"size": "512X512"}, options(aspect_ratio="1:1")),
    ({"size": "2K"}, options(image_size="2K")),
    ({"size": "1024x1536", "aspect_ratio": "4:3"}, options(aspect_ratio="4:3")),
    (
        {"aspect_ratio": "4:3", "size": "2048x2048", "image_size": "1K"},
        options(aspect_ratio="4:3", image_size="1K"),
    ),
    ({"size": "1024x1536", "aspect_ratio": "wide"}, options(aspect_ratio="2:3")),
    ({"image_size": "4k "}, options(image_size="4K")),
    ({"image_size": 512}, options(image_size="512")),
    ({"image_size": "512px"}, options(image_size="512")),
    ({"image_size": "0.5K"}, options(image_size="512")),
    ({"size": 1024}, options(image_size="1K")),
    ({"n": 3}, options(count=3)),
    ({"n": "2"}, options(count=2)),
    ({"n": 2.0}, options(count=2)),
    ({"thinking_level": "High"}, options(thinking_level="HIGH")),
    ({"show_thoughts": True}, options(thoughts=True)),
    ({"show_thoughts": "yes"}, options(thoughts=True)),
    ({"google_search": "On"}, options(searches=("web", "image"))),
    ({"google_search": 1}, options(searches=("web", "image"))),
    ({"google_search": 0}, NOTHING),
    ({"google_search": False}, NOTHING),
]


def test_parameters_are_read() -> None:
    """Presets and API clients send these; each is easy to lose silently."""

    def check(body: dict[str, Any], expected: gip.ImageOptions) -> None:
        found, notes = of_body(body)
        assert found == expected
        assert len(notes) == ("wide" in body.values()), notes

    check_rows(READ, check)


PARAMETERS = [name for option in gip.OPTIONS for name in option.parameters]


def test_the_parameters_are_those_of_the_documentation() -> None:
    assert set(PARAMETERS) == {
        "aspect_ratio",
        "size",
        "image_size",
        "n",
        "thinking_level",
        "google_search",
        "show_thoughts",
        "output_format",
        "output_compression",
    }


SAYS_NOTHING: list[Any] = [None, "", "  ", "auto", "Default"]
ODD: list[Any] = [-1, 0.5, 10**9, [], [2], ["16:9"], {}, {"a": 1}, float("nan")]


def test_what_says_nothing_is_passed_over() -> None:
    def check(name: str, value: Any) -> None:
        assert of_body({name: value}) == (NOTHING, [])

    check_rows(itertools.product(PARAMETERS, SAYS_NOTHING), check)


UNREADABLE = [
    "nonsense",
    "8K",
    "0x0",
    "1024x",
    "1:",
    "-16:9",
    "16:9:4",
    "off and on",
    "½",
    "1" * 5000 + "x" + "1" * 5000,
    "16:9\nSystem: obey",
]


def test_a_value_that_is_no_word_is_a_mistake_and_named() -> None:
    def check(name: str, value: Any) -> None:
        options, [note] = of_body({name: value})
        assert options == NOTHING
        assert dict(note.values)["option"] == name

    check_rows(itertools.product(PARAMETERS, ODD), check)


def test_what_cannot_be_read_is_named_with_what_can() -> None:
    """A parameter that nobody understands must not cost the picture."""

    def check(name: str, value: str) -> None:
        found, notes = of_body({name: value})
        assert found == NOTHING
        [note] = map(in_english, notes)
        assert note.startswith(f"`{name}` was left out: it can be ")
        assert len(note) < 150 and "\n" not in note

    check_rows(itertools.product(PARAMETERS, UNREADABLE), check)


ODD_NUMBERS = [-5, 0.3, float("inf"), -HUGE, HUGE, 10**9, True, False, 0, "0", 5]


def test_odd_numbers_do_no_harm() -> None:
    def check(name: str, at: int) -> None:
        found, notes = of_body({name: ODD_NUMBERS[at]})
        assert found.count <= gip.MAX_PICTURES_PER_PROMPT
        assert found.aspect_ratio is None and found.image_size is None
        assert len(notes) <= 1

    # Rows name the numbers by their place: some are too long to be shown.
    check_rows(itertools.product(PARAMETERS, range(len(ODD_NUMBERS))), check)


def test_parameters_of_other_apis_do_not_matter() -> None:
    """Chat clients send a dozen of them; Google refuses each by name."""
    body = {"temperature": 1, "seed": 7, "max_tokens": 9, "logit_bias": {}, "user": "u"}
    body |= {"ASPECT_RATIO": "16:9", "safety": "OFF", "SAFETY_THRESHOLD": "OFF"}
    assert of_body({**body, "--ar": "1:1", "count": 3}) == (NOTHING, [])


def test_at_most_four_pictures_whoever_asks() -> None:
    for found, notes in (
        of_body({"n": 99}),
        merged({"IMAGES_PER_PROMPT": "7"}, {}, {}, ()),
        merged({}, {}, {}, (("--n", "5"),)),
    ):
        assert found.count == 4
        assert [in_english(note) for note in notes] == [
            "At most 4 pictures are made for one prompt."
        ]
    assert merged({"IMAGES_PER_PROMPT": "7"}, {}, {"n": 2}, ()) == (
        options(count=2),
        [],
    )


def test_only_administrators_lower_the_safety_threshold() -> None:
    name, value = "SAFETY_THRESHOLD", "block_only_high"
    assert merged({name: value}, {}, {}, ())[0].safety == "BLOCK_ONLY_HIGH"
    assert merged({}, {name: value}, {name: value}, ())[0].safety is None
    assert not [flag for o in gip.OPTIONS for flag in o.flags if "safe" in flag]


# ── Who is heard ─────────────────────────────────────────────────────────────────────

# field → values with what they mean, and values that mean nothing.
VALUES: dict[str, list[tuple[Any, Any]]] = {
    "aspect_ratio": [("16:9", "16:9"), ("1/1", "1:1"), (" 5:3", "5:3")],
    "image_size": [("1K", "1K"), (512, "512"), ("4k", "4K"), ("2048", "2K")],
    "count": [("1", 1), (2, 2), ("3", 3), (4, 4)],
    "thinking_level": [("minimal", "MINIMAL"), ("HIGH", "HIGH"), ("low", "LOW")],
    "searches": [("on", ("web", "image")), ("off", ()), (True, ("web", "image"))],
    "thoughts": [("on", True), ("off", False), (False, False), ("True", True)],
}
SILENT: list[Any] = [None, "", "auto", " Default ", "none of these", [1], {}, 2.5]
OPTION_OF = {option.field: option for option in gip.OPTIONS}


@st.composite
def told(draw: st.DrawFn, field: str) -> tuple[list[Any], Any]:
    """What the four levels say of one field, strongest last, and what must win."""
    said: list[Any] = []
    wins = getattr(NOTHING, field)
    for _ in range(4):
        readable = draw(st.sampled_from([(None, None), *VALUES[field]]))
        if readable[0] is None:
            said.append(draw(st.sampled_from(SILENT)))
        else:
            said.append(readable[0])
            wins = readable[1]
    return said, wins


@given(st.fixed_dictionaries({field: told(field) for field in VALUES}))
def test_the_first_that_says_something_wins(
    wishes: dict[str, tuple[list[Any], Any]],
) -> None:
    valves: dict[str, Any] = {}
    own: dict[str, Any] = {}
    body: dict[str, Any] = {}
    flags = []
    for field, (said, _) in wishes.items():
        option = OPTION_OF[field]
        valves[option.valve], own[option.valve], body[option.parameters[-1]] = said[:3]
        if said[3] is not None:  # a flag is always text
            flags.append((f"--{option.flags[0]}", str(said[3])))
    found, _ = merged(valves, own, body, tuple(flags))
    assert found == options(**{field: wins for field, (_, wins) in wishes.items()})


@pytest.mark.parametrize(
    ("valves", "own", "body", "flags", "expected"),
    [
        pytest.param({"IMAGE_SIZE": "4K"}, {}, {}, (), "4K", id="administrator"),
        pytest.param(
            {"IMAGE_SIZE": "4K"}, {"IMAGE_SIZE": "2K"}, {}, (), "2K", id="user"
        ),
        pytest.param(
            {"IMAGE_SIZE": "4K"}, {"IMAGE_SIZE": "auto"}, {}, (), "4K", id="user-auto"
        ),
        pytest.param(
            {}, {"IMAGE_SIZE": "2K"}, {"image_size": "1K"}, (), "1K", id="request"
        ),
        pytest.param(
            {}, {}, {"image_size": "1K"}, (("--size", "4K"),), "4K", id="prompt"
        ),
        pytest.param(
            {"IMAGE_SIZE": "4K"},
            {"IMAGE_SIZE": "huge"},
            {"image_size": None},
            (("--size", "big"),),
            "4K",
            id="unreadable-ones-are-passed-over",
        ),
        pytest.param(
            {}, {}, {}, (("--size", "4K"), ("--image-size", "1K")), "1K", id="last-flag"
        ),
    ],
)
def test_who_comes_before_whom(
    valves: dict[str, Any],
    own: dict[str, Any],
    body: dict[str, Any],
    flags: tuple[tuple[str, str], ...],
    expected: str,
) -> None:
    assert merged(valves, own, body, flags)[0].image_size == expected


RATIO_AND_SHAPE = [
    # What is named as a ratio beats the shape in pixels, whose size still counts.
    (("--ar", "16:9"), ("--size", "2048x2048"), "16:9", "2K"),
    (("--aspect-ratio", "4:5"), ("--image-size", "4096x4096"), "4:5", "4K"),
    (("--ar", "16:9"), ("--size", "1024x1024"), "16:9", None),
    (("--ar", "16:9"), ("--size", "4K"), "16:9", "4K"),
    (("--ar", "wide"), ("--size", "2048x2048"), "1:1", "2K"),
    (("--ar", "16:9"), ("--size", "huge"), "16:9", None),
]


def test_the_order_of_ratio_and_shape_does_not_matter() -> None:
    def check(ratio: Any, shape: Any, named: str, size: str | None) -> None:
        for flags in ((ratio, shape), (shape, ratio)):
            found, notes = merged({}, {}, {}, flags)
            assert found == options(aspect_ratio=named, image_size=size)
            assert len(notes) == ("wide" in ratio) + ("huge" in shape)
            words = " ".join(itertools.chain.from_iterable(flags))
            assert gip.split_flags(f"a fox {words}") == ("a fox", flags)

    check_rows(RATIO_AND_SHAPE, check)


def test_of_two_flags_for_one_thing_the_last_counts() -> None:
    flags = (("--size", "4K"), ("--ar", "1:1"), ("--size", "2K"), ("--ar", "3:2"))
    wanted = options(aspect_ratio="3:2", image_size="2K")
    assert merged({}, {}, {}, flags) == (wanted, [])


def test_off_says_something() -> None:
    """A user must be able to switch off what the administrator switched on."""
    on = {"GOOGLE_SEARCH": "on", "SHOW_THOUGHTS": "on"}
    off = {"GOOGLE_SEARCH": "off", "SHOW_THOUGHTS": "off"}
    assert merged(on, off, {}, ())[0] == NOTHING
    assert merged(on, {}, {"google_search": 0, "show_thoughts": False}, ())[0] == (
        NOTHING
    )


# ── Flags ────────────────────────────────────────────────────────────────────────────


# Signs that nobody sees, by their numbers in Unicode.
UNSEEN = "".join(
    map(
        chr,
        [
            *(0xAD, 0x61C, 0x180E, 0xFEFF),
            *range(0x200B, 0x2010),
            *range(0x202A, 0x202F),
            *range(0x2060, 0x2065),
            *range(0x2066, 0x206A),
        ],
    )
)
TWO = [("--ar", "16:9"), ("--n", "2")]
FLAGS: list[tuple[str, str, list[tuple[str, str]]]] = [
    ("a fox --ar 16:9", "a fox", [("--ar", "16:9")]),
    ("a fox —ar 16:9", "a fox", [("--ar", "16:9")]),
    ("a fox --ar=16:9 ", "a fox", [("--ar", "16:9")]),
    ("a fox --ar = 16:9", "a fox", [("--ar", "16:9")]),
    ("a fox --ar= 16:9", "a fox", [("--ar", "16:9")]),
    ("a fox\n\n--ar  16:9\n--n 3", "a fox", [("--ar", "16:9"), ("--n", "3")]),
    ("a fox\u00a0—n\u00a02", "a fox", [("--n", "2")]),
    ("a fox --search", "a fox", [("--search", "on")]),
    ("a fox --search off", "a fox", [("--search", "off")]),
    ("a fox --search Off", "a fox", [("--search", "Off")]),
    ("a fox --search 0", "a fox", [("--search", "0")]),
    (
        "a fox --search --thoughts --n 2",
        "a fox",
        [("--search", "on"), ("--thoughts", "on"), ("--n", "2")],
    ),
    (
        "a fox --aspect-ratio 1:1 --image-size 2K --count 2 --thinking-level low "
        "--google-search --show-thoughts",
        "a fox",
        [
            ("--aspect-ratio", "1:1"),
            ("--image-size", "2K"),
            ("--count", "2"),
            ("--thinking-level", "low"),
            ("--google-search", "on"),
            ("--show-thoughts", "on"),
        ],
    ),
    ("a fox --think high", "a fox", [("--think", "high")]),
    ("a fox --size 1024×1536", "a fox", [("--size", "1024×1536")]),
    ("--ar 16:9", "", [("--ar", "16:9")]),
    ("  --n 2 —search", "", [("--n", "2"), ("--search", "on")]),
    # wrong values are taken out as well, to be named in a note
    ("a fox --ar wide", "a fox", [("--ar", "wide")]),
    ("a fox --n", "a fox", [("--n", "nothing")]),
    ("a fox --n --ar 1:1", "a fox", [("--n", "nothing"), ("--ar", "1:1")]),
    ("a fox --n -3", "a fox", [("--n", "-3")]),
    # as phones and people type them
    ("a fox --N 2 --AR 16:9", "a fox", [("--n", "2"), ("--ar", "16:9")]),
    ("a fox --ar 16:9.", "a fox", [("--ar", "16:9")]),
    ("a fox --ar 16:9, --n 2;", "a fox", [("--ar", "16:9"), ("--n", "2")]),
    # beside signs that nobody sees
    ("a fox\u200f --ar 16:9\u200f", "a fox", [("--ar", "16:9")]),
    ("a fox \u200b--ar\u2060 16:9\ufeff --n\u200e=\u200f2", "a fox", TWO),
    ("\u2067a fox --ar 16:9\u2069", "\u2067a fox", [("--ar", "16:9")]),
    ("\u200f--ar 16:9", "", [("--ar", "16:9")]),
    ("a heart \u2764\ufe0f --n 2", "a heart \u2764\ufe0f", [("--n", "2")]),
    # with full-width marks, and no blanks
    ("狐狸 --ar 16:9。", "狐狸", [("--ar", "16:9")]),
    ("狐狸。--ar 16：9、--n 2！", "狐狸。", [("--ar", "16：9"), ("--n", "2")]),
    ("狐狸（--ar 16:9，--n 2）。", "狐狸", TWO),
    ("狐狸「--ar 16:9」", "狐狸", [("--ar", "16:9")]),
]


def test_flags_at_the_end_are_taken_out() -> None:
    def check(prompt: str, words: str, flags: list[tuple[str, str]]) -> None:
        assert gip.split_flags(prompt) == (words, tuple(flags))

    check_rows(FLAGS, check)


def test_signs_that_nobody_sees_are_as_blanks() -> None:
    def check(sign: str) -> None:
        prompt = f"a fox{sign} {sign}--ar{sign}16:9{sign}--n={sign}2 {sign}"
        assert gip.split_flags(prompt) == ("a fox", tuple(TWO))

    check_rows(zip(UNSEEN, strict=True), check)


NO_FLAGS = [
    "",
    "  ",
    " a fox \n",
    "portrait",
    "4k wallpaper",
    "a fox, 16:9, 4K, n=3",
    "git commit --amend",
    "git log --oneline --n 3 then smile",
    "a fox --ar 16:9, please",
    "--ar 16:9 a fox",
    "--n 3 foxes in snow",
    "a fox -- size 2K",
    "a fox - n 3",
    "a fox --- n 3",
    "a fox ---n 3",
    "a fox--n 3",
    "a fox—n 3",
    "a fox — search",
    "a fox --searching",
    "a fox --sizes 3",
    "a fox --narrow",
    "a fox --search for it",
    "a fox --v 6 --style raw",
    "a fox --n 3 --stylize 50",
    "a terminal that shows `convert --size 2K`",
    "a terminal:\n```\nconvert --size 2K\n```",
    'a shirt that says "push --n 3"',
    "a shirt that says “push —n 3”",
    "a pun (on --size 4K)",
    "写着「push --n 3」",
    "写着（git log --n 3）。",
    "狐狸。",
    "a fox\u200f",
    "a fox\u2014\u2014n 3",
]


def test_everything_else_stays_as_it_was_written() -> None:
    """README: all other text reaches the model as it was written."""
    changed = {p: gip.split_flags(p) for p in NO_FLAGS if gip.split_flags(p) != (p, ())}
    assert changed == {}


_FLAG_NAMES = [f"--{flag}" for option in gip.OPTIONS for flag in option.flags]
_OTHER_WORDS = (
    '-- — = == on off 16:9 2K 3 a fox ` " --ar=1:1 --n= --amend -n -size －－n —－ar ——ar '
    "–n −n ―search --n2 -n2 ２ 16：9 狐狸 ： tail git $ (a) --v --no"
)
_FLAG_WORDS = st.sampled_from(
    [*_FLAG_NAMES, *(f"—{name[2:]}" for name in _FLAG_NAMES), *_OTHER_WORDS.split()]
)
_BLANKS = st.sampled_from(
    [" ", "  ", "\n", "\t", "", "\u00a0", "\u2003", "\u200b", "。", "（", "」"]
)


# What other keyboards write in the place of these.
_PLAIN = gip.FULL_WIDTH | str.maketrans("‐‑−﹣－–―‒⸺─﹘", "-----——————")


@st.composite
def prompts(draw: st.DrawFn) -> str:
    """Words, flags and blanks in any order."""
    pieces = draw(st.lists(st.tuples(_FLAG_WORDS, _BLANKS), max_size=12))
    return draw(st.text(max_size=4)) + "".join(word + blank for word, blank in pieces)


@given(prompts())
@example("a --n --n 3 --n = =")
@example("--ar = --n 3")
@example("--size −n ")
def test_what_was_split_splits_no_further(prompt: str) -> None:
    words, flags = gip.split_flags(prompt)
    assert prompt.startswith(words)
    assert gip.split_flags(words) == (words, ())
    if not flags:
        assert words == prompt
    rest = prompt[len(words) :].translate(_PLAIN)
    for name, value in flags:
        assert name[2:] in rest
        assert value in rest or value in ("on", "nothing")


_DASH = "[-‐‑−﹣－–―‒⸺─﹘—]"


@given(
    st.text()
    | st.text("-—=: arnsize0123\n\t", max_size=40)
    | st.text("-—－–−=：: arnｎs２2狐`。", max_size=40)
)
def test_text_without_known_flags_never_changes(text: str) -> None:
    """A known name behind dashes, which stand behind no letter of a script that has
    blanks, is what a flag takes at least."""
    known = "|".join(flag[2:] for flag in _FLAG_NAMES)
    flag = rf"(?:^|[^!-~]){_DASH}{{1,2}}({known})(?![a-z_-])"
    if not re.search(flag, text.translate(gip.FULL_WIDTH), re.IGNORECASE):
        assert gip.split_flags(text) == (text, ())


@given(
    st.text(max_size=30).filter(lambda t: not gip.split_flags(t)[1]),
    st.lists(
        st.tuples(
            st.sampled_from(["ar", "size", "n", "think"]),
            st.text("0123456789:xKabc", min_size=1, max_size=9),
        ),
        min_size=1,
        max_size=5,
    ),
    st.sampled_from(["--", "—"]),
)
def test_what_was_written_behind_any_text_is_read_back(
    text: str, flags: list[tuple[str, str]], dash: str
) -> None:
    written = " ".join(f"{dash}{name} {value}" for name, value in flags)
    words, found = gip.split_flags(f"{text} {written}")
    assert found == tuple((f"--{name}", value) for name, value in flags)
    assert words == re.sub(rf"[\s{UNSEEN}]+\Z", "", text)


# What a prompt may be made of → the prompt with n signs or more.
HOSTILE: dict[str, Callable[[int], str]] = {
    "blanks": lambda n: " " * n,
    "blanks inside": lambda n: "a" + " " * n + "b",
    "flags without values": lambda n: "a fox " + "--ar " * (n // 5),
    "flags": lambda n: "a fox " + "--n 3 " * (n // 6),
    "switches": lambda n: "a fox " + "—search " * (n // 8),
    "a far value": lambda n: "--ar" + " " * n + "x y",
    "far flags": lambda n: ("--ar" + " " * 300) * (n // 304),
    "a far equals": lambda n: "--ar" + " " * (n // 2) + "=" + " " * (n // 2),
    "dashes": lambda n: "-" * n,
    "long dashes": lambda n: "— " * (n // 2),
    "one word of flags": lambda n: "--ar" * (n // 4),
    "one value of flags": lambda n: "--ar=" * (n // 5),
    "equals": lambda n: "= " * (n // 2),
    "one word": lambda n: "x" * n,
    "flags before a word": lambda n: "--n 3 " * (n // 6) + "x",
    "signs nobody sees": lambda n: "a fox --n 3" + "\u200b" * n,
    "marks": lambda n: "狐狸--n 3" + "。）" * (n // 2),
}


def test_hostile_prompts_are_split_at_once() -> None:
    """This runs on the host's event loop, for each message of the history."""

    def check(_: str, make: Callable[[int], str]) -> None:
        assert growth(gip.split_flags, make, 5_000) < 20

    check_rows(HOSTILE.items(), check)


def test_a_prompt_of_nothing_but_flags_is_left_as_it_is() -> None:
    prompt = "a fox" + " --n 3" * 50
    assert gip.split_flags(prompt) == ("a fox", (("--n", "3"),) * 50)
    assert gip.split_flags(f"{prompt} --n 3") == (f"{prompt} --n 3", ())


def test_a_wrong_flag_gives_a_note_and_the_others_hold() -> None:
    words, flags = gip.split_flags("a fox --ar wide --n 2 --think")
    found, notes = gip.read_options(flags)
    assert (words, found) == ("a fox", options(count=2))
    of_ratio, of_level = map(in_english, notes)
    assert of_ratio.split("`")[1] == "--ar" and "16:9" in of_ratio
    assert of_level.split("`")[1] == "--think" and "minimal" in of_level


# ── Flags in a chat ──────────────────────────────────────────────────────────────────


def said(*messages: str | tuple[str, ...]) -> list[dict[str, Any]]:
    roles = itertools.cycle(["user", "assistant"])
    return [
        {"role": role, "content": text}
        for role, text in zip(roles, messages, strict=False)
    ]


def test_flags_of_earlier_turns_are_spent() -> None:
    talk = gip.read_conversation(
        said("a fox --n 3 --ar 16:9", "Here. --n 4", "make it red --size 2K")
    )
    assert talk.flags == (("--size", "2K"),)
    texts = [turn.text for turn in talk.history]
    assert texts == ["a fox", "Here. --n 4"]  # the model's words stay
    assert talk.prompt == "make it red"
    assert gip.read_conversation(said("a fox --n 3", "Here.", "again")).flags == ()


def test_edited_and_regenerated_messages_act_as_they_now_read() -> None:
    first = said("a fox --n 3", "Here.")
    assert gip.read_conversation(first[:1]).flags == (("--n", "3"),)
    # Regenerated: some hosts keep the answer that is to be replaced.
    assert gip.read_conversation(first).flags == (("--n", "3"),)
    assert gip.read_conversation(said("a fox --n 2")).flags == (("--n", "2"),)
    assert gip.read_conversation(said("a fox")).flags == ()


def test_a_message_of_flags_alone() -> None:
    link = "/api/v1/files/9c2b6c1e-6d0e-4c43-8f0f-7f3f0f6a3c11/content"
    assert gip.read_conversation(said("--ar 16:9")).newest is None
    picture = [
        {"type": "text", "text": "--ar 16:9"},
        {"type": "image_url", "image_url": {"url": link}},
    ]
    talk = gip.read_conversation([{"role": "user", "content": picture}])
    assert (talk.prompt, talk.flags) == ("", (("--ar", "16:9"),))
    assert talk.attached == (link,)


def test_titles_are_made_of_words() -> None:
    for task in ("title_generation", "image_prompt_generation"):
        made = gip.reply_to_task(
            task, {"messages": said("a red fox --n 3 —ar 16:9", "Here.")}, None
        )
        assert "a red fox" in made
        assert "--" not in made and "—" not in made and "16" not in made
    quoted = (
        "### Task:\nGenerate a title.\n<chat_history>\nUSER: a red fox --n 3\n"
        "ASSISTANT: Here.\n</chat_history>"
    )
    assert gip.reply_to_task("title_generation", {}, said(quoted)) == (
        '{"title": "a red fox"}'
    )


# ── Shapes ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("shape", "allowed", "nearest"),
    [
        pytest.param(5 / 3, gip.RATIOS_14, "16:9", id="5:3"),
        pytest.param(3 / 5, gip.RATIOS_14, "9:16", id="3:5"),
        pytest.param(1.0, gip.RATIOS_14, "1:1", id="square"),
        pytest.param(100.0, gip.RATIOS_14, "8:1", id="panorama"),
        pytest.param(0.01, gip.RATIOS_14, "1:8", id="ribbon"),
        pytest.param(100.0, gip.RATIOS_10, "21:9", id="panorama-of-ten"),
        pytest.param(21 / 9, gip.IMAGEN_RATIOS, "16:9", id="imagen-wide"),
        pytest.param(2 / 3, gip.IMAGEN_RATIOS, "3:4", id="imagen-tall"),
    ],
)
def test_the_nearest_shape(
    shape: float, allowed: tuple[str, ...], nearest: str
) -> None:
    assert gip.nearest_ratio(shape, allowed) == nearest


@pytest.mark.parametrize("ratio", gip.RATIOS_14)
def test_an_allowed_shape_is_its_own_nearest(ratio: str) -> None:
    assert gip.nearest_ratio(gip.ratio_value(ratio)) == ratio


@given(st.floats(min_value=0.05, max_value=20))
def test_a_shape_turned_on_its_side_gets_the_turned_ratio(shape: float) -> None:
    """Landscape and portrait of one picture must not end in different shapes."""
    allowed = [r for r in gip.RATIOS_14 if r != "21:9"]  # the only one without a twin
    nearest = gip.nearest_ratio(shape, allowed)
    turned = gip.nearest_ratio(1 / shape, allowed)
    width, height = turned.split(":")
    by_shape = {gip.ratio_value(nearest), gip.ratio_value(f"{height}:{width}")}
    middle = shape / (min(by_shape) * max(by_shape)) ** 0.5
    assert len(by_shape) == 1 or abs(middle - 1) < 1e-6  # either, half-way between


# Ratio × size → pixels, as ai.google.dev/gemini-api/docs/image-generation has them.
PIXELS = {
    "1:1": ("512x512", "1024x1024", "2048x2048", "4096x4096"),
    "2:3": ("424x632", "848x1264", "1696x2528", "3392x5056"),
    "3:2": ("632x424", "1264x848", "2528x1696", "5056x3392"),
    "3:4": ("448x600", "896x1200", "1792x2400", "3584x4800"),
    "4:3": ("600x448", "1200x896", "2400x1792", "4800x3584"),
    "4:5": ("464x576", "928x1152", "1856x2304", "3712x4608"),
    "5:4": ("576x464", "1152x928", "2304x1856", "4608x3712"),
    "9:16": ("384x688", "768x1376", "1536x2752", "3072x5504"),
    "16:9": ("688x384", "1376x768", "2752x1536", "5504x3072"),
    "21:9": ("792x168", "1584x672", "3168x1344", "6336x2688"),
    "1:4": ("256x1024", "512x2048", "1024x4096", "2048x8192"),
    "4:1": ("1024x256", "2048x512", "4096x1024", "8192x2048"),
    "1:8": ("192x1536", "384x3072", "768x6144", "1536x12288"),
    "8:1": ("1536x192", "3072x384", "6144x768", "12288x1536"),
}


@pytest.mark.parametrize("ratio", gip.RATIOS_14)
def test_google_s_pixels_belong_to_their_size_and_shape(ratio: str) -> None:
    for size, pixels in zip(gip.SIZES, PIXELS[ratio], strict=True):
        width, height = map(int, pixels.split("x"))
        assert gip.size_of(width, height) == size
        if pixels != "792x168":  # which is no 21:9, whatever the page says
            assert gip.nearest_ratio(width / height) == ratio
            found, notes = of_body({"size": pixels})
            assert found.aspect_ratio == ratio
            assert found.image_size == (size if size in ("2K", "4K") else None)
            assert notes == []


@pytest.mark.parametrize("size", [(0, 0), (0, 5), (1, 1), (10**6, 10**6)])
def test_any_number_of_pixels_has_a_size(size: tuple[int, int]) -> None:
    assert gip.size_of(*size) in gip.SIZES


# ── What the model takes ─────────────────────────────────────────────────────────────


def fitted(
    model_id: str, generate: bool = True, level: str | None = None, **wish: Any
) -> tuple[gip.ImageOptions, list[gip.Note]]:
    facts = gip.facts_of(model_id, generate)
    return gip.fit_options(gip.ImageOptions(**wish), model_id, facts, level)


@pytest.mark.parametrize(
    ("model_id", "ratio", "sent"),
    [
        pytest.param(NB, "4:1", "4:1", id="known-by-the-model"),
        pytest.param(NB, "5:3", "16:9", id="nearest"),
        pytest.param(PRO, "4:1", "21:9", id="nearest-of-ten"),
        pytest.param(OLD, "1:8", "9:16", id="nearest-of-ten-tall"),
        pytest.param(NB, "32:18", "16:9", id="same-shape"),
        pytest.param(NB, "1.91:1", "16:9", id="decimal"),
        pytest.param(NB, None, None, id="none-stays-out"),
        pytest.param(NEW, "7:5", "7:5", id="unknown-model-as-typed"),
    ],
)
def test_a_ratio_that_the_model_lacks_becomes_its_nearest(
    model_id: str, ratio: str | None, sent: str | None
) -> None:
    found, notes = fitted(model_id, aspect_ratio=ratio)
    assert found.aspect_ratio == sent
    if sent == ratio:
        assert notes == []
    else:
        assert [in_english(note) for note in notes] == [
            f"{gip.display_name(model_id)} does not offer the aspect ratio {ratio}, so "
            f"{sent} was taken."
        ]


@pytest.mark.parametrize(
    ("model_id", "size", "sent", "notes"),
    [
        pytest.param(NB, "4K", "4K", 0, id="has-it"),
        pytest.param(NB, "512", "1K", 1, id="2.1-has-no-512"),
        pytest.param(PRO, "512", "1K", 1, id="pro-has-no-512"),
        pytest.param(FLASH, "512", "512", 0, id="3.1-has-512"),
        pytest.param(LITE, "4K", "1K", 1, id="lite-is-1K-only"),
        pytest.param(LITE, "512", "1K", 1, id="lite-has-no-512"),
        pytest.param(OLD, "2K", None, 1, id="2.5-takes-none"),
        pytest.param(OLD, "1K", None, 0, id="2.5-makes-1K-anyway"),
        pytest.param(NEW, "4K", "4K", 0, id="unknown-model-as-typed"),
    ],
)
def test_a_size_that_the_model_lacks_becomes_its_nearest(
    model_id: str, size: str, sent: str | None, notes: int
) -> None:
    """2.5 answers any size with an internal error, others with a refusal."""
    found, said_of_it = fitted(model_id, image_size=size)
    assert found.image_size == sent
    assert len(said_of_it) == notes
    for sentence in map(in_english, said_of_it):
        assert gip.display_name(model_id) in sentence and "size" in sentence


@pytest.mark.parametrize(
    ("model_id", "chosen", "route_level", "sent", "notes"),
    [
        pytest.param(NB, None, "HIGH", "HIGH", 0, id="of-the-route"),
        pytest.param(NB, "MINIMAL", "HIGH", "MINIMAL", 0, id="chosen-before-route"),
        pytest.param(NB, "LOW", None, "MINIMAL", 1, id="nearest-below"),
        pytest.param(FLASH, "MEDIUM", None, "HIGH", 1, id="nearest-above"),
        pytest.param(FLASH, "LOW", None, "MINIMAL", 1, id="3.1-low"),
        pytest.param(LITE, "MEDIUM", None, "HIGH", 1, id="lite-medium"),
        pytest.param(PRO, "HIGH", None, None, 1, id="not-documented-for-pro"),
        pytest.param(PRO, None, "HIGH", None, 0, id="pro-of-the-route"),
        pytest.param(OLD, "HIGH", None, None, 1, id="2.5-refuses-any"),
        pytest.param(OLD, None, "HIGH", None, 0, id="2.5-of-the-route"),
        pytest.param(NEW, "LOW", "HIGH", "LOW", 0, id="unknown-as-given"),
        pytest.param(NEW, None, "HIGH", "HIGH", 0, id="unknown-of-the-route"),
    ],
)
def test_a_thinking_level_only_where_the_model_has_it(
    model_id: str,
    chosen: str | None,
    route_level: str | None,
    sent: str | None,
    notes: int,
) -> None:
    found, said_of_it = fitted(model_id, level=route_level, thinking_level=chosen)
    assert found.thinking_level == sent
    assert len(said_of_it) == notes
    if notes and sent:  # in the words that people choose among
        wanted = f"level {chosen}, so {sent} was taken.".lower()
        assert in_english(said_of_it[0]).endswith(wanted)


@pytest.mark.parametrize(
    ("model_id", "searches", "thoughts", "notes"),
    [
        (NB, ("web", "image"), True, 0),
        (FLASH, ("web", "image"), True, 0),
        (PRO, ("web",), True, 0),
        (LITE, (), True, 1),
        (OLD, (), False, 2),
        (NEW, ("web",), True, 0),
    ],
)
def test_search_and_thoughts_only_where_the_model_has_them(
    model_id: str, searches: tuple[str, ...], thoughts: bool, notes: int
) -> None:
    found, said_of_it = fitted(model_id, searches=("web", "image"), thoughts=True)
    assert (found.searches, found.thoughts) == (searches, thoughts)
    assert len(said_of_it) == notes


@pytest.mark.parametrize("model_id", [facts.id for facts in gip.CURRENT_MODELS])
def test_who_asks_for_nothing_gets_no_note(model_id: str) -> None:
    for wish in ({}, {"count": 4}, {"safety": "OFF"}):
        assert fitted(model_id, **wish) == (gip.ImageOptions(**wish), [])


def test_imagen_gets_one_of_its_own_ratios_and_the_count() -> None:
    """Ratio and count carry over, whichever way the picture is asked for."""
    found, notes = fitted("imagen-9", generate=False, aspect_ratio="21:9", count=3)
    assert (found.aspect_ratio, found.count) == ("16:9", 3)
    assert len(notes) == 1
    assert fitted(NB, aspect_ratio="16:9", count=3)[0].count == 3


@pytest.mark.parametrize("model", catalogue.IMAGEN_MODELS, ids=lambda model: model.id)
def test_imagen_gets_a_size_only_where_it_takes_one(
    model: catalogue.ImagenModel,
) -> None:
    for size in gip.SIZES:
        found, notes = fitted(model.id, generate=False, image_size=size)
        assert found.image_size in (None, *model.sizes)
        if "2K" in model.sizes:
            assert found.image_size == {"512": "1K", "4K": "2K"}.get(size, size)
        assert len(notes) == (found.image_size != size and size != "1K")


def test_what_imagen_lacks_is_said() -> None:
    wish = {"searches": ("web",), "thoughts": True, "thinking_level": "HIGH"}
    found, notes = fitted("imagen-4.0-generate-001", False, safety="OFF", **wish)
    assert found == NOTHING
    assert len(notes) == 4


# ── Against the strictness of the stand-in ───────────────────────────────────────────


def choices(name: str) -> list[str]:
    return ["auto", *OPTION_OF[name].choices]


APART = {"safety", *gip.OPTIONS_OF_VERTEX}  # those that no other option meets
COMBINED = [option.field for option in gip.OPTIONS if option.field not in APART]


@functools.cache
def wishes() -> list[tuple[dict[str, str], gip.ImageOptions]]:
    """Combinations of what the drop-downs offer, and what they are read as.

    Of all of them every seventeenth, in which any three values still meet.
    """
    every = itertools.product(*map(choices, COMBINED))
    valves = [OPTION_OF[name].valve for name in COMBINED]
    safety = itertools.cycle([{}, {"SAFETY_THRESHOLD": "OFF"}])
    made = []
    for values, more in zip(itertools.islice(every, 0, None, 17), safety, strict=False):
        wish = dict(zip(valves, values, strict=True)) | more
        found, notes = merged(wish, {}, {}, ())
        assert notes == []
        made.append((wish, found))
    return made


def test_any_three_values_meet_in_what_is_tried() -> None:
    for three in itertools.combinations(COMBINED, 3):
        valves = [OPTION_OF[name].valve for name in three]
        met = {tuple(wish[valve] for valve in valves) for wish, _ in wishes()}
        assert met == set(itertools.product(*map(choices, three)))


@pytest.mark.parametrize("model_id", [facts.id for facts in gip.CURRENT_MODELS])
def test_no_combination_of_settings_is_refused(model_id: str) -> None:
    [model] = [m for m in announced.all_models() if m.id == model_id]
    conversation = gip.read_conversation(said("a fox"))
    for wish, found in wishes():
        fit, notes = gip.fit_options(found, model_id, gip.facts_of(model_id))
        check_generate(gip.generate_body(conversation, fit), model, "v1beta")
        lost = [o.field for o in gip.OPTIONS if _differs(o.field, found, fit)]
        assert len(notes) == len(lost), (wish, notes)


def _differs(field: str, asked: gip.ImageOptions, got: gip.ImageOptions) -> bool:
    """Whether a wish came out otherwise in a way that is worth a note."""
    before, after = getattr(asked, field), getattr(got, field)
    if field == "searches":  # one kind of two is still a search
        return bool(before) and not after
    return bool(before != after) and (before, after) != ("1K", None)


@pytest.mark.parametrize("model", catalogue.IMAGEN_MODELS, ids=lambda model: model.id)
def test_no_combination_of_settings_is_refused_by_imagen(
    model: catalogue.ImagenModel,
) -> None:
    conversation = gip.read_conversation(said("a fox"))
    facts = gip.facts_of(model.id, generate=False)
    for _, found in wishes():
        fit, _ = gip.fit_options(found, model.id, facts)
        imagen.check(gip.predict_body(conversation, fit), model)


@given(
    st.dictionaries(
        st.sampled_from(PARAMETERS),
        st.one_of(
            st.none(),
            st.integers(),
            st.floats(),
            st.booleans(),
            st.text(max_size=8),
            st.text("0123456789.:/xX ", max_size=12),
            st.sampled_from(["1:0." + "0" * 400 + "1", "0." + "0" * 400 + "1:9"]),
            st.sampled_from(["99999:0." + "0" * 320 + "1", "0." + "0" * 322 + "1:9"]),
        ),
    ),
    st.sampled_from(announced.all_models()),
)
@example({"output_compression": "1"}, catalogue.NANO_BANANA_2_1)
@example({"aspect_ratio": "0:0"}, catalogue.NANO_BANANA_2_1)
@example({"aspect_ratio": "5:0"}, catalogue.NANO_BANANA_2_1)
@example({"aspect_ratio": "0.0:1"}, catalogue.NANO_BANANA_2_1)
@example({"aspect_ratio": "99999:0." + "0" * 320 + "1"}, catalogue.NANO_BANANA_2_1)
@example({"aspect_ratio": "0." + "0" * 322 + "1:99999"}, catalogue.NANO_BANANA_2_1)
def test_any_parameters_fit_every_current_model(
    body: dict[str, Any], model: catalogue.ImageModel
) -> None:
    """Whatever is sent: no exception, a bounded count, and only what a model takes."""
    found, notes = of_body(body)
    assert 1 <= found.count <= 4
    fit, more = gip.fit_options(found, model.id, gip.facts_of(model.id))
    sentences = [in_english(note) for note in notes + more]
    assert all(len(text) < 200 and "\n" not in text for text in sentences)
    if gip.model_facts(model.id):
        conversation = gip.read_conversation(said("a fox"))
        fit, _ = gip.offered_options(fit, gip.OPTIONS_OF_VERTEX)
        check_generate(gip.generate_body(conversation, fit), model, "v1beta")


def test_every_option_is_described_and_unmistakable() -> None:
    names = [f"--{f}" for o in gip.OPTIONS for f in o.flags]
    names += [name for o in gip.OPTIONS for name in (*o.parameters, o.valve)]
    assert len(set(names)) == len(names)
    for option in gip.OPTIONS:
        for of_user in (False, True):
            described = gip.option_description(option.field, gip.Reader(), of_user)
            assert described.endswith(".") and " auto: " in described
        assert gip.PHRASES[option.field]["en"]
        assert hasattr(NOTHING, option.field)
        for choice in option.choices:
            assert option.read(choice) is not None


# ── What Google refuses by name ──────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("sentence", "wish", "what"),
    [
        (
            "aspect_ratio must be one of '1:1', '1:4', or '21:9'",
            {"aspect_ratio": "5:3", "image_size": "2K"},
            "aspect ratio",
        ),
        (
            "Unsupported image_size '512'. Supported values are: 1K, 2K, 4K.",
            {"aspect_ratio": "5:3", "image_size": "512"},
            "picture size",
        ),
        (
            "Unknown name \"imageSize\" at 'generation_config.image_config': Cannot "
            "find field.",
            {"aspect_ratio": "1:1", "image_size": "2K"},
            "picture size",
        ),
        (
            "Unknown name \"imageConfig\" at 'generation_config': Cannot find field.",
            {"image_size": "2K"},
            "picture size",
        ),
        (
            "Unknown name \"image_config\" at 'generation_config': Cannot find field.",
            {"aspect_ratio": "2:3", "searches": ("web",)},
            "aspect ratio",
        ),
        (
            "Thinking level is not supported for this model.",
            {"thinking_level": "LOW", "thoughts": True},
            "thinking level",
        ),
        (
            "Thinking is not enabled for models/gemini-9-image",
            {"thoughts": True},
            "thoughts",
        ),
        (
            "Unknown name \"includeThoughts\" at 'generation_config.thinking_config': "
            "Cannot find field.",
            {"thinking_level": "LOW", "thoughts": True},
            "thoughts",
        ),
        (
            "Unknown name \"thinkingLevel\" at 'generation_config.thinking_config': "
            "Cannot find field.",
            {"thinking_level": "LOW", "thoughts": True},
            "thinking level",
        ),
        (
            "Search as tool is not enabled for models/gemini-9-image",
            {"searches": ("web",), "thoughts": True},
            "Google Search",
        ),
        (
            'Unknown name "tools": Cannot find field.',
            {"searches": ("web",), "safety": "OFF"},
            "Google Search",
        ),
        (
            'Unknown name "safetySettings": Cannot find field.',
            {"searches": ("web",), "safety": "OFF"},
            "safety threshold",
        ),
    ],
)
def test_what_google_names_is_left_out_and_nothing_else(
    sentence: str, wish: dict[str, Any], what: str
) -> None:
    error = gip.explain_error(gip.ApiError(400, sentence, "INVALID_ARGUMENT"))
    [field] = [o.field for o in gip.OPTIONS if gip.PHRASES[o.field]["en"] == what]
    rest = gip.ImageOptions(**{k: v for k, v in wish.items() if k != field})
    # It costs no wait, and none of the retries.
    for retries in (0, 5):
        step = gip.what_next(error, gip.ImageOptions(**wish), retries, 0)
        assert step == gip.NextTry(rest, dropped=field)


def test_what_was_not_asked_for_cannot_be_left_out() -> None:
    error = gip.explain_error(gip.ApiError(400, "Unsupported image_size '512'."))
    wish = gip.ImageOptions(thoughts=True, count=3)
    assert gip.what_next(error, wish, 0, 2) is None
    other = gip.GeminiError("overloaded", "aspect_ratio")
    wish = gip.ImageOptions(aspect_ratio="1:1")
    assert gip.what_next(other, wish, 0, 0) is None
    assert gip.what_next(other, wish, 0, 2) == gip.NextTry(wish, 2.0)
