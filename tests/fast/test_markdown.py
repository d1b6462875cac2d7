"""A model's words in the chat: what is code stays as it is, and nothing else is what
the host or its page could take for a tag, a picture or a token of their own."""

from __future__ import annotations

import asyncio
import itertools
import re
from typing import Any

import pytest
from growth import growth
from hypothesis import example, given
from hypothesis import strategies as st
from rows import check_rows

import gemini_image_pipe as gip

JOINER = "\u2060"
LONGEST_LINE = 1_000  # that is held back


def shown(*pieces: str) -> str:
    words = gip.SafeText()
    return "".join([words.feed(piece) for piece in pieces]) + words.rest()


def thought(*pieces: str) -> str:
    thoughts = gip.SafeThoughts()
    return "".join([thoughts.feed(piece) for piece in pieces]) + thoughts.rest()


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


# Words, and what they become; "¦" stands for the sign that nobody sees.
WORDS = (
    ("Enjoy! 1 < 2, a <- b, <3", "Enjoy! 1 < 2, a <- b, <3"),
    ("![x](https://a.example/p)", "!¦[x](https://a.example/p)"),
    ("![x][ref]", "!¦[x][ref]"),
    ("!![x](y)", "!!¦[x](y)"),
    ('<img src="//a.example">', '<¦img src="//a.example">'),
    ("a<b in maths", "a<¦b in maths"),
    ("<details>x</details>", "<¦details>x<¦/details>"),
    ("<code_interpreter>", "<¦code_interpreter>"),
    ("<|begin_of_thought|>", "<¦|begin_of_thought|>"),
    ("<!-- x -->", "<¦!-- x -->"),
    ("◁think▷", "◁¦think▷"),
    ("{{HTML_FILE_ID_1}}", "{¦{HTML_FILE_ID_1}}"),
)
# Code that stays as it is, alone and behind and before words.
CODE = (
    "Use `<b>` for bold.",
    "**Bold:** write `<b>` or `{{name}}`, not `a[0]`.",
    "Write `![a](b)`.",
    "- `<i>` and ``<u>`x` ``",
    "```\n<b>Hi</b> ![a](b) {{c}}\n```",
    "```py\nx = a<b\n\n    if ``` y\n ```` \n",
    "~~~\n```\n<img>\n~~~\n",
    "````md\n```html\n<img>\n```\n````\n",
    "```\r\n<b>\r\n```\r\n",
)
# Words that are no code, or may be none for some reader.
NO_CODE = (
    "an open `<b>",
    "`<b>\n`",
    "\\`<b>`",
    "a \\ `<b>`",
    "[a](b`c) `<b>",
    "[a](b`c) <b> `",
    "http://a.example/`<b>`",
    "www.a.example/`<b>`",
    "~~a `b~~ <b> `",
    "$`$ <b> `",
    "a | `b | <b>` |",
    "a < `b > ` <b> `",
    "*a < b `c > d* <b> `",
    "``a`b`` *c `d* <b>`",
    "*a `\\` b `c* <b>`",
    "*a `x[b` *c `]d* <b>`",
    "a ``<b>`",
    "``` <b> ```",
    "    <b>",
    "1. x\n   ```\n\n<b>",
    "- ```\n  x\n  ```\n<b>",
    "> ```\n<b>",
    "```a`b\n<b>",
    "$$\n```\n$$\n<b>",
    "`a $$ x` `<b> $$ z <b>`",
    "\\[\n```\n\\]\n<b>",
    ':::x\n```\n:::\n<b>"',
    "[a]: /b 'c\n\n```\n'\n\n<b>",
    "\u00a0[a\n\n```\n]: /b\n\n<b>",
    "x\u2028:::y\n```\n:::\n<b>",
    "```\nx\r```\r<b>",
    "```\nx\n```\t\n<b>\n```\n<b>",
    "```\nx\n```~\n<b>\n```\n<b>",
    "```\nx\n```\n<b>",
    f"{'x' * LONGEST_LINE}`{'y' * LONGEST_LINE}`<b>`",
    f"```\nx\n{'`' * LONGEST_LINE}\n<b>",
)
# What the host takes out of code, too.
TAGS_IN_CODE = (
    *(f"<{name}>" for name in ("think", "thinking", "reason", "reasoning")),
    *("<thought>", "<Thought>", "<code_interpreter>", "<details>", "</DETAILS>"),
    *("</think>", '<think a="b">', "<think\n", '<details type="reasoning">'),
    *("<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>"),
    *("◁think▷", "◁/think▷", "{{HTML_FILE_ID_1", "{{video_file_id_1"),
)
LEFT_IN_CODE = ("<b>", "<thinker>", "<Think>", "<a", "◁a▷", "{{user}}", "<summary>")


def test_words_load_nothing_and_open_no_tag() -> None:
    """Foreign pictures tell their owner who looks; the host's tags hide or run text."""

    def check(said: str, seen: str) -> None:
        assert shown(said) == shown(*said) == seen.replace("¦", JOINER)

    check_rows(WORDS, check)


def test_code_stays_as_it_is() -> None:
    def check(said: str) -> None:
        assert shown(said).startswith(said)
        assert shown(f"Words.\n\n{said}").startswith(f"Words.\n\n{said}")
        assert thought(said).replace(JOINER, "") == said
        assert shown(f"{said}\n\nAnd `<b>`").endswith("And `<b>`")

    check_rows(((said,) for said in CODE), check)


def test_what_may_be_no_code_counts_as_words() -> None:
    def check(said: str) -> None:
        assert "<b>" not in shown(said)

    check_rows(((said,) for said in NO_CODE), check)


def test_tags_of_the_host_stand_nowhere() -> None:
    def check(tag: str) -> None:
        for said in (tag, f"`{tag}`", f"```\n{tag}\n```", f"```\n{'x' * 990}{tag}"):
            assert tag not in shown(said), said

    check_rows(((tag,) for tag in TAGS_IN_CODE), check)


def test_all_else_in_code_stays_as_it_is() -> None:
    def check(word: str) -> None:
        for said in (f"`{word}`", f"```\n{word}\n```", f"```\n{'x' * 995}{word}\n```"):
            assert shown(said) == shown(*said) == said

    check_rows(((word,) for word in LEFT_IN_CODE), check)


def test_code_that_the_page_would_run_is_of_no_language_it_knows() -> None:
    def check(language: str, is_run: bool) -> None:
        first = shown(f"```{language}\n<b>").partition("\n")[0]
        assert first == f"```{language}{JOINER * is_run}"

    runs = ("html", "HTML ", "svg", "xml", "js", "css", "mermaid", "vega\\-lite")
    check_rows(
        [*((name, True) for name in runs), *((n, False) for n in ("", "py", "json"))],
        check,
    )


@pytest.mark.parametrize("begun", ["```py\nx", "```py\n", "```py", "~~~~\n```\nx"])
def test_open_code_ends_before_what_follows(begun: str) -> None:
    fence = begun[: 4 if begun[0] == "~" else 3]
    words = gip.SafeText()
    said = words.feed(begun) + words.rest()
    assert said.endswith(f"\n{fence}")
    assert gip.SafeText().follow(begun) == f"\n{fence}"
    assert gip.SafeText().follow(said) == ""
    assert words.feed("<b>") + words.rest() == f"<{JOINER}b>"


def test_a_paragraph_before_code_cannot_swallow_it() -> None:
    """Up to an underline all of it would be a heading."""
    assert shown("Here:\n```\n<b>\n```\n---") == "Here:\n\n```\n<b>\n```\n---"


def test_an_answer_goes_on_in_a_paragraph_of_its_own() -> None:
    def check(unfinished: Any, begins: str) -> None:
        said = [
            {"role": "user", "content": "a fox"},
            {"role": "assistant", "content": unfinished},
        ]
        text = gip.read_conversation(said).unfinished
        for event in (gip.Image(b"GIF89a", "image/gif"), gip.Text("[a](b)\n")):
            answer = gip.Answer(gip.HostChat(), inline=True, unfinished=text)
            shown = str(asyncio.run(answer.take(event)))
            assert re.match(rf"{begins}!?\[", shown), shown

    check_rows(
        (
            ("> ⚠️ **No.**", "\n\n"),
            ("It is a fox", "\n\n"),
            ("```py\nx = 1", "\n```\n\n"),
            ([{"type": "text", "text": "~~~~\n```"}], "\n~~~~\n\n"),
            ("```py\nx\n```", "\n\n"),
            ("", ""),
            (None, ""),
        ),
        check,
    )
    assert not gip.read_conversation([{"role": "user", "content": "a"}]).unfinished


BITS = st.sampled_from(
    [
        *("`", "``", "```", "~~~", "\n", "\n\n", " ", "    ", "\t", "> ", "- ", "1. "),
        *("<", "<b>", "<img src=x>", "![a](b)", "[a]: ", "[", "]", "(", ")", "\\", "$"),
        *("$$", "{{", "{{HTML_FILE_ID_1}}", "<think>", "</details>", "◁think▷", "|"),
        *(
            "a",
            "*",
            "_",
            "~~",
            "html",
            "---",
            "===",
            "\r",
            "\u2028",
            ":::a",
            "http://a/",
        ),
    ]
)
TEXTS = st.lists(BITS, max_size=30).map("".join)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=6))
def test_where_words_are_cut_changes_nothing(text: str, places: list[int]) -> None:
    assert shown(*cut(text, places)) == shown(text)
    assert shown(*text) == shown(text)


@given(TEXTS, st.integers(0, 1_100))
def test_where_long_words_are_cut_changes_nothing(text: str, length: int) -> None:
    text = f"`{'x' * length}{text}"
    assert shown(*text) == shown(text)


@given(TEXTS)
@example("```\n")
def test_signs_are_only_kept_apart(text: str) -> None:
    """Apart from a line before code, and the end of code, nothing is added or lost."""
    seen = shown(text).replace(JOINER, "")
    lines = iter(re.split("\r|\n", seen))
    left = re.split("\r|\n", text.removesuffix("\n"))  # behind it code may be ended
    assert all(any(line == other for other in lines) for line in left)


@given(TEXTS, st.lists(st.integers(0, 200), max_size=6))
def test_no_tag_of_the_host_survives(text: str, places: list[int]) -> None:
    thoughts = thought(*cut(text, places))
    for seen in (shown(text), thoughts):
        assert not any(tag in seen for tag in TAGS_IN_CODE)
    assert "![" not in thoughts and "{{" not in thoughts
    assert not re.search(r"<[a-zA-Z/!?|]", thoughts)
    assert thoughts.replace(JOINER, "") == text


@pytest.mark.parametrize("begun", ["   ```html\nx", "$$ \n```svg", "\u2028\n~~~js"])
def test_open_code_that_may_be_none_ends_and_runs_nothing(begun: str) -> None:
    said = shown(begun)
    assert re.search(rf"(html|svg|js){JOINER}$", said, re.MULTILINE)
    assert said.endswith(("\n```", "\n~~~"))


UNITS = (
    "`",
    "`a",
    "``a`",
    "`a` ",
    "```\n",
    "<",
    "![",
    "{",
    "a `b\n",
    "~~~a",
    "\r",
    "[a",
)


@pytest.mark.parametrize("unit", UNITS)
def test_words_take_linear_time(unit: str) -> None:
    def feed(pieces: list[str]) -> None:
        shown(*pieces)

    def make(signs: int) -> list[str]:
        text = unit * (signs // len(unit))
        return [text[at : at + 50] for at in range(0, signs, 50)]

    assert growth(feed, make, 4_000) < 20


@given(TEXTS)
def test_little_is_held_back(text: str) -> None:
    words: Any = gip.SafeText()
    for sign in text * 20:
        words.feed(sign)
        assert len(words._held) <= LONGEST_LINE
