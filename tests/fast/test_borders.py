"""What words from outside become on their way into a chat: keys masked, signs disarmed,
pictures cut out, all of it within bounds; whatever the seams between the pieces."""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
from growth import growth
from hypothesis import example, given
from hypothesis import strategies as st
from messages import told
from rows import check_rows

import gemini_image_pipe as gip

# Signs that some spelling writes otherwise, and those that spellings are made of.
KEYS = (
    "stand-in-key",
    "AIza-key*for|tests",
    "a&b<c>d\"e'f",
    "50%c-and&more",
    "//a%b&c<d",
)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent": lambda text: quote(text, safe=""),
    "percent, all": lambda text: "".join(f"%{ord(sign):02x}" for sign in text),
    "HTML": html.escape,
    "HTML, numbers": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "HTML, hex": lambda text: "".join(f"&#x{ord(sign):04X};" for sign in text),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON, all": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
}
SPELLED = [(k, n, f"so {s(k)} it") for k in KEYS for n, s in SPELLINGS.items()]


def fed(mask: gip.KeyMask | gip.SafeText, *pieces: str) -> str:
    return "".join([*map(mask.feed, pieces), mask.rest()])


def cuts(text: str) -> Iterator[tuple[str, ...]]:
    """The text in two pieces and in three, wherever they meet."""
    for first, second in itertools.combinations_with_replacement(range(len(text)), 2):
        yield text[:first], text[first:second], text[second:]


@pytest.mark.parametrize("key", KEYS)
def test_no_seam_shows_the_key(key: str) -> None:
    def check(key: str, name: str, text: str) -> None:
        assert gip.mask_keys(text, [key]) == "so [key] it"
        for pieces in (
            cuts(text) if len(text) < 60 else zip(*(cuts_of_two(text)), strict=True)
        ):
            # Where a semicolon may be left out, it may be left behind.
            out = fed(gip.KeyMask(key), *pieces).replace("[key];", "[key]")
            assert out == "so [key] it", pieces

    check_rows((row for row in SPELLED if row[0] == key), check)


@pytest.mark.parametrize("mask", [gip.KeyMask, gip.SafeText, gip.SafeThoughts])
def test_no_seam_shows_any_key_of_a_list(mask: Any) -> None:
    def check(key: str, name: str, text: str) -> None:
        for pieces in zip(*cuts_of_two(text), strict=True):
            out = fed(mask(*KEYS), *pieces).replace("[key];", "[key]")
            assert out == "so [key] it", pieces

    check_rows(SPELLED, check)


BEGUN = ("AIza-one-key", "AIza-one-key-and-more", "key-and-more-keys", "one-key-and")


@given(st.permutations(BEGUN), st.lists(st.sampled_from([*BEGUN, " ", "AIza", "-"])))
def test_keys_that_begin_alike_or_overlap_are_all_masked(
    keys: list[str], words: list[str]
) -> None:
    for spelled in SPELLINGS.values():
        assert [gip.mask_keys(spelled(key), keys) for key in BEGUN] == ["[key]"] * 4
    said = "".join(words)
    for text in (said, SPELLINGS["percent, all"](said), SPELLINGS["HTML, hex"](said)):
        out = gip.mask_keys(text, keys)
        assert not [
            key for key in BEGUN for shown in SPELLINGS.values() if shown(key) in out
        ]


@pytest.mark.parametrize("key", ["AIza-{:030}", "{:02}-a-key-that-begins-otherwise"])
def test_more_keys_take_little_more_time(key: str) -> None:
    text = "a & b %41 &lt; " * 20_000

    def spent(count: int) -> float:
        keys = [key.format(number) for number in range(count)]
        started = time.process_time()
        gip.mask_keys(text, keys)
        return time.process_time() - started

    spent(1)
    assert spent(gip.MAX_KEYS) < 4 * spent(1)


def test_keys_that_begin_otherwise_do_not_hold_up_words_in_pieces() -> None:
    """They are fed on the event loop, and anybody can enter twenty keys."""
    pieces = [f"word {number} " for number in range(2_000)]

    def spent(key: str) -> float:
        mask = gip.KeyMask(*map(key.format, range(gip.MAX_KEYS)))
        started = time.process_time()
        fed(mask, *pieces)
        return time.process_time() - started

    spent("AIza-{:030}")
    assert spent("{:02}-a-key-that-begins-otherwise") < 4 * spent("AIza-{:030}")


def test_of_a_long_secret_no_seam_shows_the_beginning() -> None:
    secret = "".join(f"{number:05}" for number in range(200))
    out = fed(gip.KeyMask(secret), f"so {secret[:600]}", secret[600:])
    assert out == f"so [key]{secret[gip.MAX_KEY_CHARACTERS :]}"


@pytest.mark.parametrize("mask", [gip.SafeText, gip.SafeThoughts])
def test_a_secret_that_is_known_later_is_masked_from_then_on(mask: Any) -> None:
    words = mask("one-key-of-mine")
    said = words.feed("so one-key-")
    words.hide("ya29.token", "one-key-of-mine")
    said += "".join(map(words.feed, ("of-mine and ya2", "9.token it"))) + words.rest()
    assert said == "so [key] and [key] it"


def cuts_of_two(text: str) -> tuple[list[str], list[str]]:
    starts = range(len(text))
    return [text[:at] for at in starts], [text[at:] for at in starts]


@given(st.lists(st.text("AIza-key*for|&%\\#x;4165u0 ", max_size=9), max_size=9))
def test_words_without_the_key_come_out_as_they_were(pieces: list[str]) -> None:
    text = "".join(pieces)
    if gip.mask_keys(text, [KEYS[1]]) == text:
        assert fed(gip.KeyMask(KEYS[1]), *pieces) == text


@given(st.data())
def test_the_key_among_words_never_stands_in_what_comes_out(data: Any) -> None:
    words = st.lists(st.sampled_from([KEYS[1][:5], "&", "%2", "\\u0", "a", " "]))
    spelled = data.draw(st.sampled_from(list(SPELLINGS.values())))(KEYS[1])
    text = "".join([*data.draw(words), spelled, *data.draw(words)])
    at = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=3)))
    edges = [0, *at, len(text)]
    pieces = [text[a:b] for a, b in itertools.pairwise(edges)]
    out = fed(gip.KeyMask(KEYS[1]), *pieces)
    assert KEYS[1] not in out and spelled not in out
    assert "[key]" in out


def test_a_key_of_any_length_is_masked_or_refused_at_once() -> None:
    """Whoever may enter one may enter anything, and a pattern is made of it."""

    def use(key: str) -> None:
        try:
            gip.checked_key(key)
        except gip.GeminiError:
            return
        gip.HostChat(secrets=(key,)).scrub("a")

    spent = growth(use, lambda n: f"k{n}" * (n // 4), 500, clear=3.0)
    assert spent < 4, "longer keys than a header takes are worked on"


def test_a_key_of_equal_signs_is_looked_for_in_linear_time() -> None:
    def feed(signs: int) -> None:
        gip.KeyMask("a" * signs + "b").feed("a" * 9 * signs)

    assert growth(feed, int, 30) < 20


# -- signs ---------------------------------------------------------------------------

DISARMED = (
    ("![", "a ![b](c) d"),
    ("![", f"{'!' * 200}[b](c)"),
    ("<t", "a <tag> b"),
    ("<t", f"{'<' * 200}tag>"),
    *(
        ("{{", f"a {'{' * count}HTML_FILE_ID_1}}}} b")
        for count in (2, 3, 4, 5, 64, 65, 66)
    ),
)


def test_no_seam_arms_a_sign() -> None:
    def check(sign: str, text: str) -> None:
        for pieces in (
            cuts(text) if len(text) < 40 else zip(*cuts_of_two(text), strict=True)
        ):
            out = fed(gip.SafeText(), *pieces)
            assert sign not in out, pieces
            assert len(out) >= len(text) - text.count("!")

    check_rows(DISARMED, check)


@given(st.lists(st.text("![<{t ", max_size=6), max_size=6))
def test_no_pieces_arm_a_sign(pieces: list[str]) -> None:
    out = fed(gip.SafeText(), *pieces)
    assert "![" not in out and "<t" not in out and "<!" not in out and "{{" not in out


# -- pictures in words ---------------------------------------------------------------

URI = re.compile(
    r"data:image/[\w.+-]{1,40}(?:;[\w.=+-]{1,80}){0,4};base64,[A-Za-z0-9+/=_-]*"
)
BITS = (
    "data:image/png;base64,",
    "data:image/",
    "AAAA",
    "![a](",
    ")",
    " ",
    "é",
    "![b](/c)",
    "\0",
    ";",
)


@given(st.lists(st.sampled_from(BITS), max_size=12).map("".join))
@example(f"![a]({3 * 'data:image/png;base64,'})")
@example("![a](data:image/png;base64, data:image/png;base64,)")
@example("![a](/c data:image/png;base64,)")
def test_pictures_are_cut_out_as_a_simple_pattern_would(text: str) -> None:
    plain = text.replace("\0", " ")
    found = [m[0] for m in URI.finditer(plain)]
    numbers = itertools.count()
    short, uris = gip.cut_data_uris(text)
    assert uris == found
    assert short == URI.sub(lambda _: f"\0{next(numbers)}\0", plain)
    assert [a for a in gip.picture_addresses(short, uris) if ";base64," in a] == found


def gathered(events: list[gip.Event]) -> list[gip.Event]:
    batch = gip.EventBatch()
    for event in events:
        batch.add(event)
    return batch.take()


LINEAR: tuple[tuple[str, Callable[[Any], Any], Callable[[int], Any]], ...] = (
    ("texts of one object", gathered, lambda n: [gip.Text("a" * 20)] * n),
)


def test_many_pieces_take_linear_time() -> None:
    def check(
        name: str, work: Callable[[Any], Any], make: Callable[[int], Any]
    ) -> None:
        assert growth(work, make, 6_000) < 20

    check_rows(LINEAR, check)


# -- bounds --------------------------------------------------------------------------


async def taken(answer: gip.Answer, events: Any, number: int = 0) -> str:
    return "".join([str(await answer.take(event, number)) for event in events])


def picture(number: int) -> gip.Image:
    return gip.Image(b"\x89PNG\r\n\x1a\n%d" % number, "image/png")


def remarks(answer: gip.Answer) -> str:
    return "".join(answer.remarks())


def test_the_words_of_an_answer_are_bounded() -> None:
    answer = gip.Answer(gip.HostChat())
    events = [gip.Text("a" * 1_000)] * (2 * gip.MAX_WORDS_CHARACTERS // 1_000)
    shown = asyncio.run(taken(answer, events))
    assert len(shown) == gip.MAX_WORDS_CHARACTERS
    assert "the rest was left out" in remarks(answer)
    assert len(answer.notes) == 1, "one note for each piece that was left out"


def test_what_goes_wrong_again_and_again_is_kept_once() -> None:
    answer = gip.Answer(gip.HostChat())
    asyncio.run(taken(answer, [gip.Refusal("SAFETY")] * 1_000))
    assert len(answer._refusals) < 10


@pytest.mark.parametrize("requests", [1, 2, 4])
def test_the_pictures_of_an_answer_are_bounded(requests: int) -> None:
    options = gip.ImageOptions(count=requests)
    answer = gip.Answer(gip.HostChat(), options=options, inline=True)

    async def all_of_them() -> str:
        for number in range(requests):
            await taken(answer, map(picture, range(100)), number)
        return await answer.end("m")

    asyncio.run(all_of_them())
    kept = min(requests * gip.MAX_PICTURES_PER_REQUEST, gip.MAX_PICTURES)
    assert answer.pictures == kept
    assert f"{100 * requests - kept} more pictures came" in remarks(answer)


def test_listed_models_are_bounded() -> None:
    beyond = range(gip.MAX_MODELS + 1)
    many = [gip.ListedModel(f"gemini-{n}-image", "N") for n in beyond]
    for wanted in ([], ["*"], ["gemini-*"], [f"x-{n}" for n in beyond]):
        assert len(gip.choose_models(many, wanted)) == gip.MAX_MODELS


NAMES = (
    ({"name": "models/a", "displayName": "Banana " * 99}, "a", 80),
    ({"name": "models/a", "displayName": "x\n\u202ey\ud83d z"}, "a", 6),
    ({"name": "models/a", "displayName": {"a": 1}}, "a", 1),
    ({"name": "a" * 128}, "a" * 128, 128),
    ({"name": "a" * 129}, None, 0),
    ({"name": "gemini-" + "9" * 5_000}, None, 0),
    ({"name": "a\ud83d"}, None, 0),
    ({"name": 9}, None, 0),
    ("a", None, 0),
)


def test_names_and_ids_of_listed_models_are_one_short_line() -> None:
    def check(row: Any, model_id: str | None, longest: int) -> None:
        model = gip.read_listed_model(row)
        assert (model.id if model else None) == model_id
        if model:
            assert 0 < len(model.name) <= longest
            assert not gip.NOT_PRINTED.search(model.name)

    check_rows(NAMES, check)


def test_what_is_said_of_an_error_is_bounded() -> None:
    text = "a b " * 1_000_000
    detail = {"reason": text, "fieldViolations": [{"description": text}] * 99}
    error = {
        "error": {
            "code": 400,
            "message": text,
            "status": text,
            "details": [detail] * 99,
        }
    }
    found = gip.read_error(400, error)
    assert len(found.message) + len(found.reason) < 50_000
    failure = gip.explain_error(found, text.encode())
    assert len(told(failure, for_admin=True)) < 1_200


def test_the_flags_of_a_message_that_is_too_long_count() -> None:
    said = "a fox " * 20_000 + "--ar 16:9 --n 2"
    conversation = gip.read_conversation([{"role": "user", "content": said}])
    assert conversation.flags == (("--ar", "16:9"), ("--n", "2"))
    assert conversation.newest and conversation.newest.is_cut
    assert len(conversation.prompt) <= gip.MAX_MESSAGE_CHARACTERS
