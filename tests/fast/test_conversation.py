"""From the host's messages to the turns that a model is sent."""

import itertools
from collections.abc import Iterable
from typing import Any

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from messages import message, model, picture, told, user, words, words_of

import gemini_image_pipe as gip

PNG_URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"
LINK = "![a fox](/api/v1/files/3f1c/content)"


def turns_of(conversation: gip.Conversation) -> list[gip.Turn]:
    return [*conversation.history, *filter(None, [conversation.newest])]


def read(*messages: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    turns = turns_of(gip.read_conversation(list(messages)))
    return [(turn.role, turn.text, turn.pictures) for turn in turns]


def texts(*messages: Any) -> list[tuple[str, str]]:
    """The turns as Google is told them, the parts of each as paragraphs."""
    asked = gip.read_conversation(list(messages))
    contents = gip.generate_body(asked, gip.ImageOptions())["contents"]
    return [
        (content["role"], "\n\n".join(part["text"] for part in content["parts"]))
        for content in contents
    ]


# ── Turns ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("messages", "turns"),
    [
        pytest.param([user("a fox")], [("user", "a fox")], id="one"),
        pytest.param(
            [user("a fox"), model("Here."), user("blue")],
            [("user", "a fox"), ("model", "Here."), ("user", "blue")],
            id="three",
        ),
        pytest.param(
            [model("Sure."), user("thanks")], [("user", "thanks")], id="model-first"
        ),
        pytest.param(
            [user("a fox"), model("Here.")], [("user", "a fox")], id="resumed"
        ),
        pytest.param(
            [user("a fox"), model(""), user("again")],
            [("user", "a fox\n\nagain")],
            id="empty-answer",
        ),
        pytest.param(
            [user("a fox"), model(None), user("again")],
            [("user", "a fox\n\nagain")],
            id="answer-none",
        ),
        pytest.param(
            [user("a fox"), user("a red one")],
            [("user", "a fox\n\na red one")],
            id="neighbours-joined",
        ),
        pytest.param(
            [user("a fox"), message("tool", "{}"), model("Here."), user("blue")],
            [("user", "a fox"), ("model", "Here."), ("user", "blue")],
            id="tool-message",
        ),
        pytest.param(
            [user([words("a"), words("fox")])], [("user", "a\nfox")], id="text-parts"
        ),
        pytest.param([user(["a", "fox"])], [("user", "a\nfox")], id="bare-strings"),
        pytest.param(
            [user([words(None), words("fox"), None, 7, {"type": "text"}])],
            [("user", "fox")],
            id="none-among-the-parts",
        ),
        pytest.param(
            [None, "x", 7, [], {}, {"role": "user"}, user("fox")],
            [("user", "fox")],
            id="things-that-are-no-messages",
        ),
        pytest.param(
            [message(None, "x"), message(["user"], "y"), message({}, "z"), user("fox")],
            [("user", "fox")],
            id="roles-that-are-none",
        ),
        pytest.param(
            [user("عصفور 🦊 狐")], [("user", "عصفور 🦊 狐")], id="other-scripts"
        ),
    ],
)
def test_turns_alternate_and_begin_with_the_user(
    messages: list[Any], turns: list[tuple[str, str]]
) -> None:
    """Google refuses anything else, and the whole chat would be stuck."""
    assert texts(*messages) == turns


@pytest.mark.parametrize("messages", [None, [], {}, "a fox", 7, [model("Hello")]])
def test_no_words_of_the_user_means_no_turns(messages: Any) -> None:
    conversation = gip.read_conversation(messages)
    assert (turns_of(conversation), conversation.prompt) == ([], "")


@pytest.mark.parametrize("reply", ["Here.", LINK], ids=["words", "picture"])
@pytest.mark.parametrize("blank", ["", "  \n", None, [], [words(" ")]])
def test_a_blank_prompt_is_not_answered_with_old_words(blank: Any, reply: str) -> None:
    """A picture of what the model said before, or of the old prompt, would be billed
    though nobody asked for it."""
    conversation = gip.read_conversation([user("fox"), model(reply), user(blank)])
    assert conversation.prompt == ""


@pytest.mark.parametrize("reply", ["Here.", LINK, ""], ids=["words", "picture", "none"])
def test_the_prompt_is_the_newest_words(reply: str) -> None:
    """It becomes the picture's alt text: that of the third picture must not be the
    first prompt."""
    history = [user("a fox"), model(reply), user("at night")]
    assert gip.read_conversation(history).prompt == "at night"


# ── What the host and this plugin put into the texts ─────────────────────────────────


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        pytest.param(f"Here.\n\n{LINK}\n\nMore?", "Here.\n\n\n\nMore?", id="our-link"),
        pytest.param(f"x {PNG_URI} y", "x  y", id="data-uri"),
        pytest.param(f"Look:\n![image]({PNG_URI})", "Look:", id="inline-picture"),
        pytest.param(
            '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> hm\n'
            "</details>\nHere.",
            "Here.",
            id="thoughts",
        ),
        pytest.param(
            '<details type="reasoning" done="true">x</details>A '
            '<details type="tool_calls" done="false" id="1">y</details>B',
            "A B",
            id="two-blocks",
        ),
        pytest.param(
            '<details type="code_interpreter" done="true" output="">x</details>A',
            "A",
            id="code",
        ),
        pytest.param("<think>hm</think>A", "A", id="thoughts-handed-back"),
        pytest.param(
            "<code_interpreter>\n1\n</code_interpreter>\n<code_interpreter_output>\n1\n"
            "</code_interpreter_output>\nA",
            "A",
            id="code-handed-back",
        ),
        pytest.param(
            '<details type="reasoning" done="true">hm <details>x</details> so</details>'
            "B",
            "B",
            id="block-in-a-block",
        ),
        pytest.param(
            "<details>\n<summary>More</summary>x</details>A",
            "<details>\n<summary>More</summary>x</details>A",
            id="details-of-the-model",
        ),
        pytest.param(
            "<context>Tuesday</context>\na fox",
            "<context>Tuesday</context>\na fox",
            id="context",
        ),
        pytest.param("<think> is a tag", "<think> is a tag", id="open-tag"),
        pytest.param("1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>", id="other-tags"),
        pytest.param("![] (x) [a](b)", "![] (x) [a](b)", id="no-picture"),
    ],
)
def test_texts_are_cleaned(stored: str, said: str) -> None:
    """What nobody said must not be drawn, and megabytes of base64 are no words."""
    assert words_of(stored) == said


@pytest.mark.parametrize(
    "error",
    [
        gip.GeminiError("overloaded", "Try again later.", model="`m`"),
        gip.GeminiError("quota_minute", seconds=3),
        gip.explain_error(gip.ApiError(500, "first\nsecond\u2028third")),
    ],
    ids=["with-quote", "without-quote", "quote-of-many-lines"],
)
def test_our_own_failures_are_not_fed_back(error: gip.GeminiError) -> None:
    """A model that reads "overloaded" as its own words draws or repeats it."""
    failure = f"{gip.FAILURE_MARK}{told(error)}\n\n"
    answer = f"Half done\n\n{failure}{gip.NOTE_MARK}Stored.\n\n"
    assert texts(user("a fox"), model(answer), user("again")) == [
        ("user", "a fox"),
        ("model", "Half done"),
        ("user", "again"),
    ]
    assert texts(user("a fox"), model(failure), user("again")) == [
        ("user", "a fox\n\nagain")
    ]


def test_an_answer_that_was_only_a_picture_leaves_no_empty_turn() -> None:
    """Google refuses a turn without parts."""
    history = [user("a fox"), model(LINK), user("at night")]
    body = gip.generate_body(gip.read_conversation(history), gip.ImageOptions())
    [content] = body["contents"]
    assert content["parts"] == [{"text": "a fox"}, {"text": "at night"}]


@pytest.mark.parametrize(
    "uri",
    [
        pytest.param("data:image/svg+xml;base64,AAAA", id="svg"),
        pytest.param("data:image/png;charset=utf-8;base64,AAAA", id="parameter"),
        pytest.param("data:image/jpeg;name=a.jpg;base64,_-Aw==", id="named-url-safe"),
    ],
)
def test_every_data_uri_is_cut_out(uri: str) -> None:
    """One left in the text is a million tokens: the chat can never go on."""
    assert words_of(f"x {uri} y").split() == ["x", "y"]


# ── System prompts ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("messages", "system"),
    [
        pytest.param([message("system", "Blue."), user("x")], "Blue.", id="one"),
        pytest.param(
            [message("system", "Blue."), message("system", "Blue."), user("x")],
            "Blue.",
            id="repeated",
        ),
        pytest.param(
            [message("system", "Blue."), user("x"), message("system", "Wide.")],
            "Blue.\n\nWide.",
            id="several-anywhere",
        ),
        pytest.param(
            [message("system", [words("Blue."), words("Wide.")]), user("x")],
            "Blue.\nWide.",
            id="parts",
        ),
        pytest.param([message("system", None), user("x")], "", id="none"),
        pytest.param([message("system", "  "), user("x")], "", id="blank"),
    ],
)
def test_system_messages_become_one(messages: list[Any], system: str) -> None:
    """Presets and folders each add one; an "always in blue" must have its effect."""
    conversation = gip.read_conversation(messages)
    assert conversation.system == system
    assert len(turns_of(conversation)) == 1


# ── Pictures ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("part", "found"),
    [
        pytest.param(picture(PNG_URI), (PNG_URI,), id="object"),
        pytest.param({"image_url": PNG_URI}, (PNG_URI,), id="string"),
        pytest.param(picture(f" {PNG_URI}\n"), (PNG_URI,), id="blanks"),
        pytest.param(picture(None), (), id="none"),
        pytest.param(picture(""), (), id="empty"),
        pytest.param(picture(7), (), id="number"),
        pytest.param({"image_url": None}, (), id="no-object"),
    ],
)
def test_attached_pictures_are_found(part: Any, found: tuple[str, ...]) -> None:
    """Hosts send them as objects, clients as strings, and some as None."""
    assert read(user([words("edit"), part])) == [("user", "edit", found)]


def test_all_pictures_go_along_and_in_order() -> None:
    """Losing the second of two photos is the oldest fault of such plugins."""
    parts = [picture(f"{PNG_URI}{n}") for n in "abc"]
    [(_, _, found)] = read(user([*parts[:2], words("compare"), parts[2]]))
    assert found == tuple(f"{PNG_URI}{n}" for n in "abc")


def test_a_picture_without_words_is_a_turn() -> None:
    assert read(user([words(""), picture(PNG_URI)])) == [("user", "", (PNG_URI,))]


def test_joined_turns_keep_all_pictures() -> None:
    one, two = f"{PNG_URI}1", f"{PNG_URI}2"
    turns = read(
        user([picture(one)]),
        model(""),
        user([words("and"), picture(two)]),
        model("Here."),
        user("blue"),
    )
    assert turns[0] == ("user", "and", (one, two))


def test_what_is_attached_now_is_told_from_what_was_unanswered() -> None:
    """The first goes along whatever the settings say, the other one counts as old."""
    one, two = f"{PNG_URI}1", f"{PNG_URI}2"
    newest = user([words("and"), picture(two)])
    conversation = gip.read_conversation([user([picture(one)]), model(""), newest])
    assert conversation.history == (gip.Turn("user", "", (one,)),)
    assert (conversation.earlier, conversation.attached) == ((one,), (two,))


# ── Bounds ───────────────────────────────────────────────────────────────────────────


def test_a_long_history_loses_its_oldest_turns() -> None:
    """Else a chat that was used for weeks is refused for its length, for ever."""
    history = [
        message(("user", "assistant")[n % 2], f"{n:04d}" + "x" * 996)
        for n in range(101)
    ]
    turns = turns_of(gip.read_conversation(history))
    total = sum(len(turn.text) for turn in turns)
    assert 0.9 * gip.MAX_HISTORY_CHARACTERS < total <= gip.MAX_HISTORY_CHARACTERS
    assert turns[0].role == "user" and turns[-1].text.startswith("0100")


def test_a_long_prompt_is_kept_whole_whatever_the_history() -> None:
    prompt = "x" * gip.MAX_MESSAGE_CHARACTERS
    conversation = gip.read_conversation([user("a"), model("b"), user(prompt)])
    assert conversation.prompt == prompt and conversation.history == ()
    assert conversation.newest and not conversation.newest.is_cut


@pytest.mark.parametrize(
    "unit", ["<context>", "<attached_files>", "<details ", "![", "![a](", "data:image/"]
)
def test_a_hostile_prompt_does_not_hold_the_host(unit: str) -> None:
    """Cleaning runs on the event loop: seconds here are seconds for everybody."""

    def make(length: int) -> list[Any]:
        return [user(unit * (length // len(unit)))]

    assert growth(gip.read_conversation, make, 5_000) < 20


def test_the_numbers_of_many_pictures_are_counted_at_once() -> None:
    """Whatever is said of a picture names its number."""

    def make(count: int) -> gip.Conversation:
        shown = [picture(f"/a/{number}" * 20) for number in range(count)]
        return gip.read_conversation([user([words("/a" * 50 * count), *shown])])

    assert growth(lambda given: gip.replace(given).numbers, make, 80) < 20
    conversation = make(8)
    assert conversation.numbers is conversation.numbers


def test_only_so_many_file_entries_are_looked_at() -> None:
    files = [{"type": "image", "url": f"/a/{number}.svg"} for number in range(5_000)]
    entry = {"type": "image/svg+xml", "url": "/a.svg"}
    prompt = user([words("a"), picture("/a.png")])
    assert len(gip.read_conversation([prompt], files=files).attached) <= gip.MAX_PARTS
    many = [{**user("a"), "files": [entry] * gip.MAX_PARTS} for _ in range(200)]
    assert len(gip.read_turns(many)) < 50


def test_only_so_much_of_system_messages_is_looked_at() -> None:
    half = "x" * gip.MAX_PATTERN_CHARACTERS * 60
    said = [{"role": "system", "content": half + word} for word in ("a", "b", "c")]
    system = gip.read_conversation([*said, user("a")]).system
    assert system.endswith("b")


# ── Anything at all ──────────────────────────────────────────────────────────────────

scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=12)
odd_texts = st.sampled_from(
    ["", " ", "fox", LINK, PNG_URI, f"{gip.FAILURE_MARK}x", "<context>x</context>"]
)
parts = st.lists(
    scalars
    | st.fixed_dictionaries(
        {}, optional={"text": scalars | odd_texts, "image_url": scalars}
    )
    | st.fixed_dictionaries({"image_url": st.fixed_dictionaries({"url": scalars})}),
    max_size=3,
)
messages = st.lists(
    scalars
    | st.dictionaries(st.text(max_size=8), scalars, max_size=3)
    | st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant", "system", "tool", None]),
            "content": scalars | odd_texts | parts,
        }
    ),
    max_size=8,
)


def alternates(roles: Iterable[str]) -> bool:
    """Whether the user's turns and the model's alternate, the user's first."""
    wanted = itertools.cycle(["user", "model"])
    return all(role == one for role, one in zip(roles, wanted, strict=False))


@given(messages)
def test_any_messages_give_a_conversation_that_google_takes(
    history: list[Any],
) -> None:
    """Never an exception; user first, user last, no empty turn, no two of a kind."""
    conversation = gip.read_conversation(history)
    assert alternates(turn.role for turn in conversation.history)
    for turn in turns_of(conversation):
        assert turn.text.strip() or turn.pictures
        assert "base64," not in turn.text and gip.FAILURE_MARK not in turn.text
    if conversation.newest is None:
        assert conversation.history == ()
        return
    assert conversation.newest.role == "user"
    image = gip.Image(b"", "image/png")
    found = [gip.InputPicture(image, "a", (1,)) for _ in conversation.attached]
    contents = gip.generate_body(conversation, gip.ImageOptions(), found)["contents"]
    assert alternates(content["role"] for content in contents)
    assert contents[-1]["role"] == "user"
    for part in itertools.chain.from_iterable(c["parts"] for c in contents):
        assert part.get("text", "").strip() or "inlineData" in part
    assert all(content["parts"] for content in contents)


# ── One line of plain words (alt texts and titles) ───────────────────────────────────


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("a red fox", "a red fox", id="plain"),
        pytest.param("a\n\tred\r\nfox", "a red fox", id="lines"),
        pytest.param(
            "x](http://evil.example) ![y", "x http://evil.example y", id="out"
        ),
        pytest.param("`code` *bold* _it_ # h", "code bold it h", id="markdown"),
        pytest.param("<script>x</script>", "script x /script", id="html"),
        pytest.param("a\u202etxt\u2066b\u200fc", "a txt b c", id="direction-marks"),
        pytest.param("a\u2028b\x85c\x00d\ufeffe", "a b c d e", id="controls"),
        pytest.param("Füchse 狐 🦊", "Füchse 狐 🦊", id="other-scripts"),
        pytest.param("👩\u200d🎨", "👩\u200d🎨", id="joined-emoji"),
        pytest.param(f"a {LINK} {PNG_URI}", "a", id="pictures"),
        pytest.param("AIzaSyD-0123456789_abcdefghij fox", "key fox", id="a-key"),
        pytest.param("**[]()**", "default", id="nothing-left"),
        pytest.param("", "default", id="empty"),
    ],
)
def test_plain_words(text: str, line: str) -> None:
    assert gip.plain_words(text, 80, default="default") == line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param("one two three", "one two…", id="at-a-word"),
        pytest.param("one, two, three", "one, two…", id="without-the-comma"),
        pytest.param("onetwothreefour", "onetwothre…", id="one-long-word"),
        pytest.param("one two 33", "one two 33", id="just-fits"),
        pytest.param("4K 一只红狐狸在雪地里奔跑", "4K 一只红狐狸在雪…", id="no-blanks"),
    ],
)
def test_plain_words_are_cut_at_a_word(text: str, line: str) -> None:
    assert gip.plain_words(text, 10, default="") == line


@given(st.text() | st.text("[]()!`*_<>|\\{}$&#~\"'\n\u2028 ab", max_size=60))
def test_plain_words_cannot_break_out_of_markdown(text: str) -> None:
    """They stand between the brackets of a picture: one sign too many and the picture
    is gone, or another one is loaded."""
    line = gip.plain_words(text, 80, default="picture")
    assert line and line == line.strip() and len(line) <= 81
    assert not set(line) & set('[]()<>`*_~|\\!#&$"{}\r\n\t\u2028\u2029\u202e')
    assert line.splitlines() == [line]


@pytest.mark.parametrize("lone", ["\ud83d", "\udc00"])
def test_half_an_emoji_does_not_reach_the_hosts_database(lone: str) -> None:
    """JSON can carry it, UTF-8 cannot: storing the title or the answer would fail."""
    gip.plain_words(f"fox {lone} red", 80, default="x").encode()
