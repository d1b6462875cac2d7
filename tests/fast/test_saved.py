"""Pictures that the page shows and the host does not send: saved chats as data."""

import asyncio
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows

import gemini_image_pipe as gip

ID = "3f1c0000-0000-4000-8000-0000000000"
IDS = {name: f"{ID}{number:02}" for number, name in enumerate("abcdefghij")}
A, B, C, D, E = (f"/api/v1/files/{IDS[name]}/content" for name in "abcde")
DATA = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"
CACHED = "/cache/image/generations/1f.png"
SVG = {"type": "file", "url": "s", "content_type": "image/svg+xml"}

Json = dict[str, Any]


def image(address: str) -> Json:
    return {"type": "image", "url": address}


def file_of(name: str, mime: str = "image/png") -> Json:
    return {"type": "file", "id": IDS[name], "url": IDS[name], "content_type": mime}


def saved(*messages: tuple[Any, ...], current: str = "") -> Json:
    """A chat of messages (id, parent's id, role, files and, if not "x", words)."""
    entries = {}
    for name, parent, role, files, *words in messages:
        content = words[0] if words else "x"
        message = {"id": name, "parentId": parent, "role": role, "content": content}
        entries[name] = {**message, **({"files": files} if files else {})}
    history = {"messages": entries, "currentId": current or messages[-1][0]}
    return {"history": history, "messages": []}


# A question, an answer with its picture in files, the newest message, its answer.
FOX = saved(
    ("q1", None, "user", []),
    ("a1", "q1", "assistant", [image(A)]),
    ("q2", "a1", "user", [image(D)]),
    ("a2", "q2", "assistant", [image(D)], ""),
)
NEWEST = {"message_id": "a2"}


def user(content: Any = "x") -> Json:
    return {"role": "user", "content": content}


def model(content: Any = "x") -> Json:
    return {"role": "assistant", "content": content}


def picture(url: Any) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


def link(address: str) -> str:
    return f"![it]({address})"


# ── Which messages ───────────────────────────────────────────────────────────────────


def earlier_of(chat: Any, metadata: Json) -> list[str]:
    return [p for turn in gip.saved_turns(chat, metadata) for p in turn.pictures]


def test_the_branch_that_is_answered_is_found() -> None:
    branches = saved(
        ("q1", None, "user", [image(A)]),
        ("a1", "q1", "assistant", [image(B)]),
        ("q2", "a1", "user", []),
        ("a2", "q2", "assistant", [image(C)]),
        ("q3", "a1", "user", []),  # q2, edited
        ("a3", "q3", "assistant", []),
        ("q4", "a2", "user", []),
        ("a4", "q4", "assistant", []),
        current="a2",
    )

    def check(metadata: Json, expected: list[str]) -> None:
        assert earlier_of(branches, metadata) == expected

    check_rows(
        [
            ({"message_id": "a4"}, [A, B, C]),
            ({"message_id": "a3"}, [A, B]),
            ({"message_id": "a1"}, []),
            ({"message_id": "new", "user_message_id": "q4"}, [A, B, C]),
            ({"message_id": "new", "parent_message_id": "q3"}, [A, B]),
            ({"message_id": "new", "user_message_id": "new too"}, [A, B, C]),
            ({"message_id": "a3", "regeneration_message_id": "a2"}, [A, B, C]),
            ({"message_id": "a3", "regeneration_message_id": None}, [A, B]),
            ({"message_id": None}, [A, B, C]),
            ({}, [A, B, C]),
        ],
        check,
    )


def test_an_unanswered_message_at_the_end_of_a_chat_is_the_newest() -> None:
    chat = saved(
        ("a1", None, "assistant", [image(A)]), ("q2", "a1", "user", [image(B)])
    )
    assert earlier_of(chat, {}) == [A]


def test_pictures_are_told_in_each_form_of_a_file_entry() -> None:
    def check(entry: Any, expected: list[str]) -> None:
        chat = saved(("a1", None, "assistant", [entry]), ("q2", "a1", "user", []))
        assert earlier_of(chat, {}) == expected

    named = {"type": "file", "id": IDS["a"], "name": "fox.webp"}
    nested = {"type": "file", "id": IDS["a"], "file": {"meta": {"content_type": "a"}}}
    check_rows(
        [
            (image(A), [A]),
            (image(DATA), [DATA]),
            (image(CACHED), [CACHED]),
            (image("https://web.example/a.png"), ["https://web.example/a.png"]),
            (file_of("a"), [IDS["a"]]),
            ({**file_of("a"), "url": None}, [IDS["a"]]),
            (named, [IDS["a"]]),
            (file_of("a", "application/pdf"), []),
            (nested, []),
            (SVG, []),  # it was told of when it was attached
            ({"type": "image"}, []),
            ({"type": "image", "url": 7}, []),
            (None, []),
            ("x", []),
        ],
        check,
    )


def test_what_is_no_chat_has_no_pictures() -> None:
    parts = {"id": "a", "parentId": None, "role": "assistant", "files": [image(A)]}
    circle = saved(
        ("a1", "q1", "assistant", [image(A)]),
        ("q1", "a1", "user", [image(B)]),
        ("q2", "a1", "user", []),
    )
    orphan = saved(("a1", "gone", "assistant", [image(A)]), ("q2", "a1", "user", []))

    def check(chat: Any, expected: list[str]) -> None:
        assert earlier_of(chat, {"user_message_id": "q2"}) == expected
        assert earlier_of(chat, {}) == expected

    check_rows(
        [
            (None, []),
            ([], []),
            ({}, []),
            ({"history": None}, []),
            ({"history": {"messages": [parts]}}, []),
            ({"history": {"messages": {"a": [parts]}, "currentId": "a"}}, []),
            ({"history": {"messages": {"a": parts}, "currentId": {}}}, []),
            ({"history": {"messages": {"a": {**parts, "files": 7}}}}, []),
            (circle, [B, A]),
            (orphan, [A]),
        ],
        check,
    )


ids = st.sampled_from(["a", "b", "c", "d"])
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([A, DATA, "a", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ids, inner, max_size=3),
    max_leaves=6,
)
messages_of_chats = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from(["user", "assistant", "system"]) | odd,
        "parentId": ids | odd,
        "content": odd,
        "files": odd
        | st.lists(
            st.fixed_dictionaries({"type": st.sampled_from(["image", "file"])})
            | st.fixed_dictionaries({"type": odd, "url": odd, "id": odd})
            | st.builds(image, st.sampled_from([A, B, DATA]))
            | odd,
            max_size=3,
        ),
    },
)
chats = odd | st.fixed_dictionaries(
    {
        "history": odd
        | st.fixed_dictionaries(
            {"messages": st.dictionaries(ids, messages_of_chats | odd) | odd},
            optional={"currentId": ids | odd},
        )
    }
)
requests = st.dictionaries(
    st.sampled_from(["message_id", "user_message_id", "regeneration_message_id"]),
    ids | odd,
)
turns = st.lists(
    st.builds(
        gip.Turn,
        st.sampled_from(["user", "model"]),
        st.sampled_from(["", "x"]),
        st.sampled_from([(), (A,), (A, B), (DATA,), (B, B)]),
    ),
    max_size=4,
)


@given(chats, requests, turns)
def test_any_json_may_be_a_chat(
    chat: Any, metadata: Json, before: list[gip.Turn]
) -> None:
    """A chat that raises here would raise with each later message of it."""
    found = gip.saved_turns(chat, metadata)
    asked = gip.Conversation(newest=gip.Turn("user", "x"), before=tuple(before))
    earlier = gip.with_saved_pictures(asked, found).earlier
    given = [p for turn in [*found, *before] for p in turn.pictures]
    assert len(set(earlier)) == len(earlier)
    assert set(earlier) <= set(given)


def test_a_large_chat_is_walked_in_linear_time() -> None:
    def make(size: int) -> Json:
        names = [f"m{number}" for number in range(size)]
        roles = ["user", "assistant"] * size
        rows = zip(names, [None, *names], roles, strict=False)
        return saved(*((*row, [image(A + row[0]), image(B)]) for row in rows))

    def merged(chat: Json) -> gip.Conversation:
        found = gip.saved_turns(chat, {})
        newest = gip.Turn("user", "x")
        asked = gip.Conversation(newest=newest, before=tuple(found))
        return gip.with_saved_pictures(asked, found)

    assert len(merged(make(3_000)).earlier) <= gip.MAX_PARTS
    assert growth(merged, make, 200) < 20


def test_no_more_than_the_newest_pictures_are_looked_for() -> None:
    many = [image(f"{A}?{number}") for number in range(3 * gip.MAX_PARTS)]
    chat = saved(
        ("a1", None, "assistant", [image(B)]),
        ("a2", "a1", "assistant", many),
        ("q2", "a2", "user", []),
    )
    assert len(earlier_of(chat, {})) == gip.MAX_PARTS


# ── Where they stand ─────────────────────────────────────────────────────────────────


def shown(messages: list[Json], chat: Json, **metadata: Any) -> list[str]:
    """The earlier pictures of a request in a saved chat."""
    conversation = gip.read_conversation(messages)
    found = gip.saved_turns(chat, metadata or NEWEST)
    return list(gip.with_saved_pictures(conversation, found).earlier)


def test_a_picture_in_files_goes_along() -> None:
    assert shown([user(), model(), user("make it blue")], FOX) == [A]


TWO_ROUNDS = saved(
    ("q1", None, "user", [file_of("a")]),
    ("a1", "q1", "assistant", [image(B)]),
    ("q2", "a1", "user", []),
    ("a2", "q2", "assistant", [image(C)]),
    ("q3", "a2", "user", []),
    ("a3", "q3", "assistant", [], ""),
)
NO_WORDS = saved(
    ("q1", None, "user", []),
    ("a1", "q1", "assistant", [image(A)], ""),
    ("q2", "a1", "user", [file_of("b")]),
    ("a2", "q2", "assistant", [image(C)]),
    ("q3", "a2", "user", []),
    ("a3", "q3", "assistant", [], ""),
)
FAR = f"https://web.example{A}"


def test_pictures_stand_in_the_order_of_the_page() -> None:
    inlined = user([{"type": "text", "text": "x"}, picture(DATA)])
    lost = user([{"type": "text", "text": "x"}, picture(None)])
    both = [user(), model(link(D)), user(), model(), user()]

    def check(chat: Json, messages: list[Json], expected: list[str]) -> None:
        assert shown(messages, chat, message_id="a3") == expected

    check_rows(
        [
            (TWO_ROUNDS, [lost, model(), user(), model(), user()], [IDS["a"], B, C]),
            (TWO_ROUNDS, [inlined, model(), user(), model(), user()], [DATA, B, C]),
            # An answer may show one picture above its words and another in them.
            (TWO_ROUNDS, both, [IDS["a"], B, D, C]),
            # What the text names as well is one picture, where it stands there.
            (
                TWO_ROUNDS,
                [user(), model(link(B)), user(), model(link(C)), user()],
                None,
            ),
            (TWO_ROUNDS, [user(), model(link(C)), user(), model(), user()], None),
            (TWO_ROUNDS, [user(link(A)), model(), user(), model(), user()], [A, B, C]),
            # The same path on another website is another picture.
            (
                TWO_ROUNDS,
                [user(), model(link(FAR)), user(), model(), user()],
                [IDS["a"], B, FAR, C],
            ),
            # A filter keeps the newest round only.
            (TWO_ROUNDS, [user(link(D)), model(), user()], [IDS["a"], B, D, C]),
            # A filter puts a round in front.
            (
                TWO_ROUNDS,
                [user(link(E)), model(), *both],
                [E, IDS["a"], B, D, C],
            ),
            # Newer hosts leave an answer without words out, older ones send it.
            (NO_WORDS, [user(), user(), model(), user()], [A, IDS["b"], C]),
            (NO_WORDS, [user(), model(""), user(), model(), user()], [A, IDS["b"], C]),
            # Only a note of this plugin's was said.
            (
                NO_WORDS,
                [user(), user(), model(f"{gip.FAILURE_MARK}No."), user()],
                [A, IDS["b"], C],
            ),
        ],
        lambda chat, messages, expected: check(
            chat, messages, expected or [IDS["a"], B, C]
        ),
    )


def test_each_file_is_one_picture_however_it_is_written() -> None:
    chat = saved(
        ("q1", None, "user", []),
        ("a1", "q1", "assistant", [image(A)]),
        ("q2", "a1", "user", [file_of("a")]),
        ("a2", "q2", "assistant", [image(B)]),
        ("q3", "a2", "user", []),
        ("a3", "q3", "assistant", []),
    )
    messages = [user(), model(), user(), model(), user()]
    assert shown(messages, chat, message_id="a3") == [IDS["a"], B]


def test_a_chat_without_such_pictures_changes_nothing() -> None:
    """In a channel the earlier pictures are those of its system message."""
    system = {"role": "system", "content": f"Ann: {link(A)}"}
    asked = gip.read_conversation([system, user("Ann: x"), user("Ann: y")], None, "Ann")
    assert gip.with_saved_pictures(asked, []) == asked
    assert gip.with_saved_pictures(asked, [gip.Turn("user", "")]) == asked


# ── Whose chat ───────────────────────────────────────────────────────────────────────


Lookup = Callable[..., Any]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Callable[[Lookup], None]:
    """A function that gives the host this way to look a chat up."""

    def install(lookup: Lookup) -> None:
        for name in ("open_webui", "open_webui.models", "open_webui.models.chats"):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        module: Any = sys.modules["open_webui.models.chats"]
        module.Chats = SimpleNamespace(get_chat_by_id_and_user_id=lookup)

    return install


def asked_for(chat_id: str, user_id: str = "u") -> Any:
    chat = gip.HostChat(user={"id": user_id} if user_id else {}, chat_id=chat_id)
    return asyncio.run(chat.saved_chat())


async def newer(id: str, user_id: str, db: Any = None) -> Any:
    return older(id, user_id)


def older(id: str, user_id: str) -> Any:
    return SimpleNamespace(chat=FOX) if (id, user_id) == ("c", "u") else None


@pytest.mark.parametrize("lookup", [newer, older])
def test_a_chat_is_read_for_its_owner_only(
    host: Callable[[Lookup], None], lookup: Lookup
) -> None:
    host(lookup)

    def check(chat_id: str, user_id: str, expected: Any) -> None:
        assert asked_for(chat_id, user_id) == expected

    check_rows(
        [("c", "u", FOX), ("c", "v", None), ("c", "", None), ("d", "u", None)], check
    )


def test_where_nothing_is_saved_nothing_is_looked_up(
    host: Callable[[Lookup], None],
) -> None:
    looked_up: list[str] = []

    def lookup(id: str, user_id: str) -> Any:
        looked_up.append(id)

    host(lookup)
    for chat_id in ("", "local", "local:x", "temporary:x", "channel:x"):
        assert asked_for(chat_id) is None
    assert looked_up == []


def test_a_lookup_that_fails_is_no_failure_of_the_answer(
    host: Callable[[Lookup], None], caplog: pytest.LogCaptureFixture
) -> None:
    def broken(id: str, user_id: str) -> Any:
        raise RuntimeError("secret detail")

    host(broken)
    with caplog.at_level(logging.WARNING):
        assert asked_for("c") is None
    assert "secret detail" not in caplog.text
    assert "saved chat" in caplog.text


# ── Files that are named by a bare id ────────────────────────────────────────────────


PNG = b"\x89PNG\r\n\x1a\n" + bytes(99)
BARE = {"type": "file", "id": IDS["a"]}
OCTETS = "application/octet-stream"


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """A function that gives the host a file of the user "u" with this record; it
    returns the ids that are then looked up."""

    def keep(mime: str | None, data: bytes) -> list[str]:
        for name in ("files", "users"):
            module = f"open_webui.models.{name}"
            monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
        for name in ("", ".models", ".storage", ".storage.provider", ".routers"):
            module = f"open_webui{name}"
            monkeypatch.setitem(sys.modules, module, types.ModuleType(module))
        routers = "open_webui.routers.files"
        monkeypatch.setitem(sys.modules, routers, types.ModuleType(routers))
        path = tmp_path / "stored"
        path.write_bytes(data)
        asked: list[str] = []
        meta = {"content_type": mime} if mime is not None else None
        record = SimpleNamespace(
            id=IDS["a"], user_id="u", path=str(path), meta=meta, filename="stored"
        )

        def by_id(id: str) -> Any:
            asked.append(id)
            return record if id == IDS["a"] else None

        def nobody_else(file_id: str, access_type: str, user: Any) -> bool:
            return False

        files: Any = sys.modules["open_webui.models.files"]
        users: Any = sys.modules["open_webui.models.users"]
        storage: Any = sys.modules["open_webui.storage.provider"]
        access: Any = sys.modules[routers]
        files.Files = SimpleNamespace(get_file_by_id=by_id)
        users.UserModel, users.Users = SimpleNamespace, None
        storage.Storage = SimpleNamespace(get_file=lambda path: path)
        access.has_access_to_file = nobody_else
        return asked

    return keep


def with_records(files: Any, user_id: str = "u") -> Any:
    chat = gip.HostChat(user={"id": user_id, "role": "user"})
    return asyncio.run(chat.with_records(files))


def test_a_bare_id_counts_if_its_record_or_its_bytes_are_a_picture_s(
    kept: Callable[..., list[str]],
) -> None:
    def check(mime: str | None, data: bytes, user_id: str, expected: str) -> None:
        kept(mime, data)
        [entry] = with_records([BARE], user_id)
        assert entry.get("content_type", "") == expected
        asked = gip.read_conversation([user("blue")], files=[entry])
        assert asked.attached == ((IDS["a"],) if expected else ())

    check_rows(
        [
            ("image/png", PNG, "u", "image/png"),
            ("image/svg+xml", b"<svg/>", "u", "image/svg+xml"),
            (OCTETS, PNG, "u", "image/png"),
            ("", PNG, "u", "image/png"),
            (None, PNG, "u", "image/png"),
            (None, b"words", "u", ""),
            (OCTETS, b"", "u", ""),
            ("application/pdf", PNG, "u", ""),
            ("image/png", PNG, "v", ""),
            ("image/png", PNG, "", ""),
        ],
        check,
    )


def test_only_bare_ids_are_looked_up(kept: Callable[..., list[str]]) -> None:
    asked = kept("image/png", PNG)

    def check(files: Any) -> None:
        assert with_records(files) == files
        assert asked == []

    check_rows(
        [
            (None,),
            ([],),
            ("x",),
            ([None, 7, "x", [BARE]],),
            ([{**BARE, "type": "collection"}],),
            ([{**BARE, "type": "note"}],),
            ([{**BARE, "name": "a.txt"}],),
            ([{**BARE, "content_type": "text/plain"}],),
            ([{**BARE, "file": {"meta": {}}}],),
            ([{**BARE, "id": "../x"}],),
            ([{**BARE, "id": None}],),
            ([{"type": "file"}],),
        ],
        check,
    )


def test_no_more_ids_are_looked_up_than_any_model_takes(
    kept: Callable[..., list[str]],
) -> None:
    asked = kept("image/png", PNG)
    files = [{"id": f"{ID}{n % 90 + 10}"} for n in range(5_000)]
    assert len(with_records(files)) == len(files)
    assert len(asked) == gip.MAX_FILE_RECORDS


def test_a_lost_file_is_no_failure_of_the_answer(
    kept: Callable[..., list[str]], tmp_path: Path
) -> None:
    kept(None, PNG)
    (tmp_path / "stored").unlink()
    assert with_records([BARE]) == [BARE]
