"""Room Flags: what people type behind a prompt, in every script, and what stays words."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from messages import model, user
from rows import check_rows

import gemini_image_pipe as gip

N, AR = ("--n", "2"), ("--ar", "16:9")

AS_TYPED: list[tuple[str, str, list[tuple[str, str]]]] = [
    # directly behind letters of scripts without blanks, and their marks
    ("一只红狐狸--n 2 --ar 16:9", "一只红狐狸", [N, AR]),
    ("赤いキツネ--n 2", "赤いキツネ", [N]),
    ("붉은 여우--n 2", "붉은 여우", [N]),
    ("สุนัขจิ้งจอก--n 2", "สุนัขจิ้งจอก", [N]),
    ("狐狸，--n 2", "狐狸，", [N]),
    ("画面：--n 2", "画面：", [N]),
    ("写着“雪”--n 2", "写着“雪”", [N]),
    ("狐狸🦊--n 2", "狐狸🦊", [N]),
    ("狐狸--search", "狐狸", [("--search", "on")]),
    ("狐狸-n 2", "狐狸", [N]),
    # dashes, digits, letters and marks of other keyboards
    ("狐狸——ar 16：9", "狐狸", [("--ar", "16：9")]),
    ("狐狸－－n ２", "狐狸", [N]),
    ("狐狸 －－ｎ ２", "狐狸", [N]),
    ("狐狸 －n ２", "狐狸", [N]),
    ("a fox −−n 2", "a fox", [N]),
    ("a fox ‑‑n 2", "a fox", [N]),
    ("a fox ――n 2", "a fox", [N]),
    ("a fox ──n 2", "a fox", [N]),
    ("a fox –n 2", "a fox", [N]),
    ("a fox ―n 2", "a fox", [N]),
    ("a fox –-n 2", "a fox", [N]),
    ("狐狸 --n＝２", "狐狸", [N]),
    ("狐狸 --size ４Ｋ", "狐狸", [("--size", "4K")]),
    ("狐狸 --n：2", "狐狸", [N]),
    ("a fox --ar: 16:9", "a fox", [AR]),
    # the value directly behind the name
    ("a fox --n2 --ar16:9", "a fox", [N, AR]),
    ("狐狸--n２--n 2。", "狐狸--n２--n 2。", []),
    ("狐狸--n２。", "狐狸", [N]),
    # one dash: a known name, a value that it takes, and prose before it
    ("a fox -n 2", "a fox", [N]),
    ("a fox -n2", "a fox", [N]),
    ("a fox, in snow! -size 4K -n 2", "a fox, in snow!", [("--size", "4K"), N]),
    ("a fox --ar 16:9 -n 2", "a fox", [AR, N]),
    ("- a fox -n 2", "- a fox", [N]),
    ("`git log` as a poster -n 2", "`git log` as a poster", [N]),
    ("лиса -n 2", "лиса", [N]),
    ("-n 2", "", [N]),
    ("a fox --ar 宽", "a fox", [("--ar", "宽")]),
    # names as parameters have them, and as other programs do
    ("a fox --aspect_ratio 16:9", "a fox", [("--aspect-ratio", "16:9")]),
    ("a fox --image_size 4K", "a fox", [("--image-size", "4K")]),
    ("a fox --google_search", "a fox", [("--google-search", "on")]),
    ("a fox --ratio 16:9", "a fox", [AR]),
    ("a fox --resolution 4K", "a fox", [("--size", "4K")]),
    # hyphens of Japanese keyboards
    ("キツネーーn 2", "キツネ", [N]),
    ("キツネー --n 2", "キツネー", [N]),
    # signs that nobody sees, next to the hyphens
    ("a fox --\u200ban 2", "a fox --\u200ban 2", []),
    ("a fox --\u200bn 2", "a fox", [N]),
    ("a fox -\u2060-n 2", "a fox", [N]),
    # values with blanks, in quotes, in digits of other scripts, with what is counted
    ("a fox --ar 16: 9 --n 2", "a fox", [("--ar", "16: 9"), N]),
    ("a fox --ar 16 : 9", "a fox", [("--ar", "16 : 9")]),
    ("a map --ar 16∶9", "a map", [("--ar", "16∶9")]),
    ("a fox --size 4 K", "a fox", [("--size", "4 K")]),
    ("a fox --size 1024 x 768", "a fox", [("--size", "1024 x 768")]),
    ("a fox --ar “16:9”", "a fox", [AR]),
    ("a fox --ar \"16:9\" --n '2'", "a fox", [AR, N]),
    ("ثعلب أحمر --ar ١٦:٩", "ثعلب أحمر", [AR]),
    ("روباه --n ۲", "روباه", [N]),
    ("लोमड़ी --n २", "लोमड़ी", [N]),
    ("狐狸 --n 2张", "狐狸", [N]),
    ("キツネ --n ２枚", "キツネ", [N]),
    ("狐狸 --search 关", "狐狸", [("--search", "关")]),
    # a closing mark
    ("Can you draw a fox --ar 16:9?", "Can you draw a fox", [AR]),
    ("a fox --search on.", "a fox", [("--search", "on")]),
    ("a fox --search, --n 2 !", "a fox", [("--search", "on"), N]),
    ("狐狸--ar 16:9。", "狐狸", [AR]),
    ("狐狸 --n 2！", "狐狸", [N]),
]


def test_flags_are_read_as_people_type_them() -> None:
    def check(prompt: str, words: str, flags: list[tuple[str, str]]) -> None:
        assert gip.split_flags(prompt) == (words, tuple(flags))
        assert len(gip.read_options(flags)[1]) == ("宽" in prompt)

    check_rows(AS_TYPED, check)


# Words, and nothing to be told of.
WORDS = [
    "a bottle -n",
    "a fox -search",
    "a fox -n many",
    "a fox -n 9",
    "the man —size 3 by 4— sat",
    "x -n 2",
    "tail -n 2",
    "a terminal that shows tail -n 2",
    "显示 tail -n 2",
    "a terminal:\n$ ./draw -n 2",
    "a terminal:\ngit log -n 3",
    "ls -l -n 2",
    "sort notes.txt | head -n 2",
    "draw --red -n 2",
    "run main.py/x -n 2",
    "tail –n 2",
    "tail –\u200bn 2",
    "`tail -n 2`",
    "`tail -n 2",
    "```\ndraw -size 2K\n```",
    '"a fox -n 2',
    "convert -size 100x100 canvas.png",
    "git commit --amend",
    "git log --oneline --n 3 then smile",
    "node --version",
    "npm test --no-color",
    "`convert --size 2K` on a screen",
    "a shirt that says “push --n 3” in red",
    "写着「--n 3」的牌子",
    "a shirt that says „push --n 3“",
    "a shirt that says «push --n 3»",
    "a shirt that says ‘push --n 3’",
    "a shirt that says 'push --n 3'",
    "a pun (on --size 4K) in neon",
    "git log —oneline —n 3 then smile",
    "a lion — no mane — at night",
    "a lion—no mane—at night",
    "light —and size— matters",
    "a fox -- n 3 please",
    "--help me, says the fox",
    "a button--no text",
    "light--s 2",
    "狐狸——尺寸很大的那只",
    "狐狸——大小 狐狸",
]


def test_code_quotes_and_prose_stay_words_without_a_note() -> None:
    def check(prompt: str) -> None:
        assert gip.split_flags(prompt) == (prompt, ())
        assert gip.unread_flags(prompt) == []
        assert gip.without_flags(prompt) == prompt

    check_rows(zip(WORDS, strict=True), check)


# A prompt → what is left of it for a title, and why its flags were not read.
UNREAD: list[tuple[str, str, dict[str, str]]] = [
    ("--ar 16:9 a fox", "a fox", {"flag_not_last": "`--ar`"}),
    ("a fox --n 3 please", "a fox  please", {"flag_not_last": "`--n`"}),
    ("狐狸--n 3，下雪", "狐狸，下雪", {"flag_not_last": "`--n`"}),
    ("狐狸——ar 16：9的照片", "狐狸的照片", {"flag_not_last": "`--ar`"}),
    ("a fox --search for it", "a fox  it", {"flag_not_last": "`--search`"}),
    ("a fox --n 2 --n 3, ok", "a fox   ok", {"flag_not_last": "`--n`"}),
    (
        "a fox --ar 16:9 --v 6",
        "a fox",
        {"flag_not_last": "`--ar`", "flag_unknown": "`--v`"},
    ),
    (
        "a fox --s 250 --n 2 --q 2",
        "a fox",
        {"flag_unknown": "`--s`, `--q`", "flag_not_last": "`--n`"},
    ),
    ("狐狸 --比例 16:9", "狐狸", {"flag_unknown": "`--比例`"}),
    ("狐狸——尺寸：4K", "狐狸", {"flag_unknown": "`--尺寸`"}),
    ("狐狸——v 6", "狐狸", {"flag_unknown": "`--v`"}),
    ("a fox --no text", "a fox", {"flag_unknown": "`--no`"}),
    # as pages write them that make one long dash of two
    ("a fox —no text", "a fox", {"flag_unknown": "`--no`"}),
    ("a fox —search for it", "a fox  it", {"flag_not_last": "`--search`"}),
    ("a fox --style raw", "a fox", {"flag_unknown": "`--style`"}),
    ("a fox --tile", "a fox", {"flag_unknown": "`--tile`"}),
    ("a fox --niji 6 --seed 7", "a fox", {"flag_unknown": "`--niji`, `--seed`"}),
    # beside one that nobody knows
    (
        "a fox --ar 16:9 --help",
        "a fox  --help",
        {"flag_not_last": "`--ar`"},
    ),
    (
        "a fox --aspect_ratio 16:9 --quality high",
        "a fox",
        {"flag_not_last": "`--aspect-ratio`", "flag_unknown": "`--quality`"},
    ),
    # with a value that it does not take
    ("a fox --ar 16 by 9", "a fox  by 9", {"flag_not_last": "`--ar`"}),
    (
        "a fox --size 2 kangaroos",
        "a fox  kangaroos",
        {"flag_not_last": "`--size`"},
    ),
    ("a fox --width 1024", "a fox", {"flag_unknown": "`--width`"}),
    ("a fox --hd", "a fox", {"flag_unknown": "`--hd`"}),
    ("don't --n 3 it's cold", "don't  it's cold", {"flag_not_last": "`--n`"}),
    ("a fox--n 3", "a fox", {"flag_joined": "`--n`"}),
    ("a fox--red, --n 3 please", "a fox--red,  please", {"flag_not_last": "`--n`"}),
    (
        "狐狸 --n 2--ar 16:9",
        "狐狸",
        {"flag_not_last": "`--n`", "flag_joined": "`--ar`"},
    ),
]


def test_a_flag_that_is_not_read_stays_and_is_told_of() -> None:
    def check(prompt: str, title: str, told: dict[str, str]) -> None:
        assert gip.split_flags(prompt) == (prompt, ())
        notes = gip.unread_flags(prompt)
        assert {note.kind: dict(note.values)["names"] for note in notes} == told
        assert gip.without_flags(prompt).strip() == title

    check_rows(UNREAD, check)


def test_flags_at_the_end_are_read_beside_those_of_others() -> None:
    talk = gip.read_conversation([user("a fox --v 6 --ar 16:9")])
    assert (talk.prompt, talk.flags) == ("a fox --v 6", (AR,))
    assert [note.kind for note in talk.notes] == ["flag_unknown"]


def test_signs_that_nobody_sees_are_no_message() -> None:
    def check(prompt: str) -> None:
        assert gip.read_conversation([user(prompt)]).newest is None

    check_rows(
        [("\u200b",), ("\u200f \u2060\n",), ("\ufeff",), ("\u200b--n 2",)], check
    )


def test_only_the_newest_message_is_told_of() -> None:
    said = [user("a fox --n 3 please"), model("Here."), user("make it red")]
    talk = gip.read_conversation(said)
    assert talk.notes == ()
    assert talk.history[0].text == "a fox --n 3 please"
    assert gip.read_conversation(said[:1]).notes


@given(st.text("- —－n２2arv:： 狐x`", max_size=40))
def test_telling_of_flags_changes_no_words_but_in_titles(text: str) -> None:
    words, _ = gip.split_flags(text)
    told = gip.unread_flags(words)
    assert bool(told) == (gip.without_flags(words) != words)
    assert len(told) == len({note.kind for note in told})


def test_titles_are_without_the_flags_that_were_not_read() -> None:
    def title(prompt: Any) -> str:
        body = {"messages": [user(prompt), model("Here.")]}
        answer = gip.reply_to_task("title_generation", body, None)
        return str(json.loads(answer)["title"])

    rows = [
        ("一只红狐狸--n 2 --ar 16:9", "一只红狐狸"),
        ("a fox --ar 16:9 --v 6", "a fox"),
        ("a fox -n 2", "a fox"),
        ("git commit --amend", "git commit --amend"),
        ("--help", gip.AUTO_NAME),
    ]

    def check(prompt: str, expected: str) -> None:
        assert title(prompt) == expected

    check_rows(rows, check)


def test_help_is_asked_for_with_nothing_else() -> None:
    asked = ["--help", " --HELP\n", "－－help", "——help", "—help", "--帮助", "--help。"]
    asked += ["--help.", "--help!", "--help?", "-- help", "— help", "/help", "-help"]
    asked += ["`--help`", "“--help”", "ーーhelp", "--\u200bhelp", "**--help**"]
    not_asked = [
        "help",
        "-helping",
        "/help me",
        "> --help",
        "--helping",
        "a fox --help",
        "--help me",
        "",
    ]
    asked.append("\n" * 300 + "--help" + " " * 300)
    not_asked += ["--help" + sign * 300 + "a fox" for sign in (" ", "。", "\u200b")]

    def check(prompt: str, is_asked: bool) -> None:
        assert gip.asks_for_help(prompt) is is_asked

    assert gip.asks_for_costs("--costs?") and gip.asks_for_costs("/cost")
    check_rows([(p, True) for p in asked] + [(p, False) for p in not_asked], check)
