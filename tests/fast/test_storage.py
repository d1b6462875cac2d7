"""How pictures become files of the host's: their names, and what is noted with them."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import check_rows
from waiting import until

import gemini_image_pipe as gip

FOX = gip.Image(b"\x89PNG\r\n\x1a\n fox", "image/png")
LINK = "get_file_content_by_id"
FILE_ID = "0b1c2d3e-0000-4000-8000-000000000001"

STEMS: list[tuple[str, str]] = [
    ("A red fox in fresh snow", "a-red-fox-in-fresh-snow"),
    ("Don't stop!", "dont-stop"),
    ("*bold* _x_ [a](b) `c`", "bold-x-a-b-c"),
    # Every script, and its marks.
    ("一只红狐狸，在雪地里", "一只红狐狸-在雪地里"),
    ("हिन्दी में लोमड़ी", "हिन्दी-में-लोमड़ी"),
    ("Straße & Ärger", "straße-ärger"),
    ("ＡＢＣ １６：９", "abc-16-9"),
    ("Fu\u0308chsin", "f\u00fcchsin"),
    # Nothing that is not seen, turns the direction, or is a picture.
    ("\u202egnp.exe", "gnp-exe"),
    ("a\u200db\u200bc", "ab-c"),
    ("a 🦊 fox ❤️ 1️⃣ 👨‍👩‍👧", "a-fox-1"),
    ("fox\ud83d", "fox"),
    ("data:image/png;base64,AAAA fox", "fox"),
    # No path, no name that a system keeps for itself, no dot or space at the end.
    ("../../etc/passwd", "etc-passwd"),
    ("C:\\fox?*|<>", "c-fox"),
    ("fox...  ", "fox"),
    ("CON", ""),
    ("com\u00b9.", ""),
    ("lpt0", ""),
    ("console", "console"),
    # No letter at all.
    ("", ""),
    ("🦊 -- …", ""),
    ("\u0301\u0300", ""),
    # Letters that nobody sees.
    ("\u3164 \u115f\u1160", ""),
    ("fo\u034fx\u17b4", "fox"),
    # A key that somebody has pasted.
    ("use AIzaSyD-0123456789_0123456789abcdefgh: a fox", "use-key-a-fox"),
    # At most 60 signs and 90 bytes, cut at a word if there is one.
    ("fox " * 20, "-".join(["fox"] * 15)),
    ("a" * 59 + " bc", "a" * 59),
    ("x" * 100, "x" * 60),
    ("狐" * 80, "狐" * 30),
    ("4K " + "狐" * 80, "4k-" + "狐" * 29),
    ("𓀀" * 80, "𓀀" * 22),
]


def test_a_prompt_becomes_the_name_of_a_file() -> None:
    def check(prompt: str, stem: str) -> None:
        assert gip.file_stem(prompt) == stem

    check_rows(STEMS, check)


def test_pictures_without_words_are_named_in_the_reader_s_language() -> None:
    names = gip.PictureNames("🦊", "生成的图片")
    assert names.alt(1) == "🦊"
    assert names.file_name(1, "image/jpeg") == "生成的图片.jpg"
    assert names.file_name(12, "image/webp") == "生成的图片-12.webp"
    assert gip.PictureNames("", "生成的图片").alt(2) == "生成的图片 (2)"


@given(st.text(max_size=300))
def test_any_prompt_becomes_a_name_that_every_system_takes(prompt: str) -> None:
    stem = gip.file_stem(prompt)
    assert len(stem) <= gip.MAX_FILE_NAME_CHARACTERS
    assert len(stem.encode()) <= gip.MAX_FILE_NAME_BYTES
    assert not set(stem) & set("/\\:*?\"<>|'%.;,\0\n ")
    assert stem.isprintable()
    assert stem == stem.strip("-")


class Kept(NamedTuple):
    """A file as a host was given it."""

    name: str
    mime: str
    data: bytes
    metadata: dict[str, str]


class Drawers:
    """What a host keeps: files, records, and which message shows which file."""

    def __init__(self) -> None:
        self.files: list[Kept] = []
        self.records: dict[str, Any] = {}
        self.links: list[tuple[str, str, list[str], str]] = []

    async def upload_file_handler(
        self, request: Any, file: Any, metadata: Any, process: bool, user: Any
    ) -> Any:
        assert process is False
        data = file.file.read()
        self.files.append(
            Kept(file.filename, file.headers["content-type"], data, metadata)
        )
        return types.SimpleNamespace(id=FILE_ID)

    def upload_file(
        self, request: Any, file: Any, user: Any, file_metadata: Any, process: bool
    ) -> Any:
        """As 0.6.5 has it."""
        work = self.upload_file_handler(request, file, file_metadata, process, user)
        return asyncio.run(work)

    async def upload_image(
        self, request: Any, image_data: bytes, content_type: str, metadata: Any
    ) -> Any:
        """As the hosts have it that take no name."""
        kept = Kept("generated-image", content_type, image_data, metadata)
        self.files.append(kept)
        return types.SimpleNamespace(id=FILE_ID), {
            "url": App.url_path_for(LINK, FILE_ID)
        }

    async def update_file_metadata_by_id(self, id: str, meta: dict[str, Any]) -> Any:
        self.records[id] = meta
        return meta

    async def insert_chat_files(
        self, chat_id: str, message_id: str, file_ids: list[str], user_id: str
    ) -> None:
        self.links.append((chat_id, message_id, file_ids, user_id))


class FakeUpload:
    """fastapi's UploadFile, which is only there beside a host."""

    def __init__(self, file: Any, filename: str, headers: dict[str, str]) -> None:
        self.file, self.filename, self.headers = file, filename, headers


def with_drawers(
    monkeypatch: pytest.MonkeyPatch, drawers: Drawers, *uploads: str
) -> None:
    """A host that keeps its files there, and takes them by functions of these names."""
    files = {name: getattr(drawers, name) for name in uploads}
    there: dict[str, dict[str, Any]] = {
        "open_webui": {},
        "open_webui.routers": {"files": types.SimpleNamespace(**files)},
        "open_webui.routers.images": {"upload_image": drawers.upload_image},
        "open_webui.models": {},
        "open_webui.models.files": {"Files": drawers},
        "open_webui.models.chats": {"Chats": drawers},
        "open_webui.models.users": {
            "UserModel": types.SimpleNamespace,
            "Users": None,
        },
        "fastapi": {"UploadFile": FakeUpload},
    }
    for name, holds in there.items():
        module = types.ModuleType(name)
        module.__dict__.update(holds)
        monkeypatch.setitem(sys.modules, name, module)


class App:
    """A host's application, as far as it names the links of files."""

    @staticmethod
    def url_path_for(name: str, id: str) -> str:
        assert name == LINK
        return f"/api/v1/files/{id}/content"


def answer_in(chat_id: str) -> gip.Answer:
    """An answer that is about to show a picture."""
    chat = gip.HostChat(
        request=types.SimpleNamespace(app=App),
        user={"id": "u", "role": "user"},
        chat_id=chat_id,
        message_id="m",
    )
    answer = gip.Answer(chat, "a red fox", gip.ImageOptions(image_size="2K"))
    answer.begin("gemini-2.5-flash-image", gip.ImageOptions(image_size="2K"), [])
    return answer


def stored(chat_id: str = "c") -> str:
    """The answer's markdown for one picture that is kept by the host."""
    answer = answer_in(chat_id)
    return str(asyncio.run(answer.take(FOX))) + "".join(answer.remarks())


HANDLER, OLD = "upload_file_handler", "upload_file"
# In which chat → what the host is told of the place, and whether it is a message.
PLACES: list[tuple[str, dict[str, str], bool]] = [
    ("c", {"chat_id": "c", "message_id": "m"}, True),
    ("channel:7", {"channel_id": "7"}, False),
    ("local:x", {}, False),
    ("local", {}, False),
]


@pytest.mark.parametrize("uploads", [(HANDLER, OLD), (OLD,)], ids=["new", "old"])
def test_a_picture_is_kept_under_its_name_where_it_is_shown(
    monkeypatch: pytest.MonkeyPatch, uploads: tuple[str, ...]
) -> None:
    def check(chat_id: str, place: dict[str, str], is_linked: bool) -> None:
        drawers = Drawers()
        with_drawers(monkeypatch, drawers, *uploads)
        shown = f"![a red fox](/api/v1/files/{FILE_ID}/content)"
        assert stored(chat_id).strip() == shown
        assert drawers.files == [Kept("a-red-fox.png", FOX.mime, FOX.data, place)]
        link = ("c", "m", [FILE_ID], "u")
        assert drawers.links == ([link] if is_linked else [])

    check_rows(PLACES, check)


def upload_by_request(file: Any, background_tasks: Any, metadata: Any) -> None:
    raise AssertionError("it takes what only a request has")


@pytest.mark.parametrize("functions", [{}, {OLD: upload_by_request}])
def test_a_host_that_takes_no_name_keeps_a_picture_as_its_own(
    monkeypatch: pytest.MonkeyPatch, functions: dict[str, Any]
) -> None:
    drawers = Drawers()
    with_drawers(monkeypatch, drawers)
    sys.modules["open_webui.routers"].files.__dict__.update(functions)
    assert stored().strip() == f"![a red fox](/api/v1/files/{FILE_ID}/content)"
    assert [kept.data for kept in drawers.files] == [FOX.data]


def test_a_record_tells_what_made_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    drawers = Drawers()
    with_drawers(monkeypatch, drawers, HANDLER)
    stored()
    record = drawers.records[FILE_ID][gip.RECORD_KEY]
    assert record.pop("seconds") >= 0
    assert record == {
        "version": 1,
        "prompt": "a red fox",
        "model": "gemini-2.5-flash-image",
        "options": {"image_size": "2K"},
        "price": 0.039,
    }


def test_a_stop_leaves_no_file_behind_without_its_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawers, may_end = Drawers(), asyncio.Event()
    with_drawers(monkeypatch, drawers, HANDLER)
    upload = drawers.upload_file_handler

    async def slow_upload(
        request: Any, file: Any, metadata: Any, process: bool, user: Any
    ) -> Any:
        stored = await upload(request, file, metadata, process, user)
        await may_end.wait()
        return stored

    sys.modules["open_webui.routers"].files.upload_file_handler = slow_upload

    async def stop_in_mid_upload() -> None:
        task = asyncio.create_task(answer_in("c").take(FOX))
        assert await until(lambda: drawers.files)
        task.cancel()
        assert await until(task.done)
        may_end.set()
        assert await until(lambda: drawers.links)

    asyncio.run(stop_in_mid_upload())
    assert drawers.records[FILE_ID][gip.RECORD_KEY]["prompt"] == "a red fox"


async def refuse(**arguments: Any) -> None:
    raise RuntimeError("the database is locked")


async def fail_in_silence(id: str, meta: Any) -> None:
    return None


@pytest.mark.parametrize(
    ("broken", "how"),
    [
        ("update_file_metadata_by_id", refuse),
        ("update_file_metadata_by_id", fail_in_silence),
        ("insert_chat_files", refuse),
        ("insert_chat_files", None),  # 0.6.5 has none
    ],
)
def test_a_picture_that_is_stored_is_shown_whatever_is_noted_of_it(
    monkeypatch: pytest.MonkeyPatch,
    broken: str,
    how: Callable[..., Awaitable[None]] | None,
) -> None:
    """And it is stored once."""
    drawers = Drawers()
    with_drawers(monkeypatch, drawers, HANDLER)
    monkeypatch.setattr(drawers, broken, how, raising=False)
    assert stored().strip() == f"![a red fox](/api/v1/files/{FILE_ID}/content)"
    assert len(drawers.files) == 1
