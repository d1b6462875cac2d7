"""Which pictures of a chat go along, and in which form."""

import asyncio
import base64
import builtins
import io
import itertools
import json
import random
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import PIL.Image
import PIL.ImageCms
import pytest
from drawing import (
    RED,
    bomb,
    encoded,
    half_clear,
    heif,
    noise,
    plain,
    ready_picture,
    turned,
)
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from messages import in_english, model, picture, system, told, user, words, words_of
from rows import check_rows
from waiting import LIMIT_S, until

import gemini_image_pipe as gip

ID = "3f1c0000-0000-4000-8000-00000000000"
A, B, C, D, E = (f"/api/v1/files/{ID}{n}/content" for n in range(1, 6))
URI = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA"
HERE = "https://h.example"


def link(address: str) -> str:
    return f"![a fox]({address})"


# ── Finding them ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param(link(A), [A], id="relative"),
        pytest.param(
            link(f"https://h.example{A}"), [f"https://h.example{A}"], id="absolute"
        ),
        pytest.param(f"![]({A})", [A], id="no-alt"),
        pytest.param(f'![a]({A} "title")', [A], id="title"),
        pytest.param(f"![a](<{A}>)", [A], id="angle-brackets"),
        pytest.param(f"![a](<{A}> 'title')", [A], id="both"),
        pytest.param(f"x{link(A)}{link(B)}\n\n{link(C)}y", [A, B, C], id="in-order"),
        pytest.param(f"| {link(A)} | {link(B)} |", [A, B], id="table"),
        pytest.param(f"[{link(A)}]({B})", [A], id="picture-in-a-link"),
        pytest.param(f"![a]({URI})", [URI], id="data-uri"),
        pytest.param(f"see {URI} here", [URI], id="bare-data-uri"),
        pytest.param(
            "data:image/png;name=a.png;charset=utf-8;base64,AAAA",
            ["data:image/png;name=a.png;charset=utf-8;base64,AAAA"],
            id="data-uri-with-parameters",
        ),
        pytest.param(f"{link(A)} {URI} {link(B)}", [A, URI, B], id="kinds-mixed"),
        pytest.param(f"[a fox]({A})", [], id="link-only"),
        pytest.param(f"! [a]({A})", [], id="not-markdown"),
        pytest.param(f"[a fox](<{A}>)", [], id="link-in-angle-brackets"),
        pytest.param(f"![a]\n({A})", [A], id="broken-over-lines"),
        pytest.param(f"like {A}.", [A], id="bare-link"),
        pytest.param(
            f"({HERE}{A}), {HERE}{B}?", [f"{HERE}{A}", f"{HERE}{B}"], id="bare-absolute"
        ),
        pytest.param(f"像{HERE}{A}，", [f"{HERE}{A}"], id="bare-in-chinese"),
        pytest.param(
            "as https://cdn.example.org/A.PNG?w=2 is",
            ["https://cdn.example.org/A.PNG?w=2"],
            id="bare-picture-elsewhere",
        ),
        pytest.param(
            "/cache/image/generations/1.png",
            ["/cache/image/generations/1.png"],
            id="bare-of-an-old-host",
        ),
        pytest.param(
            "see https://web.example/a.png/about or www.web.example/a.png or /a.png",
            [],
            id="no-picture-s-address",
        ),
        pytest.param("![a]()", [], id="no-address"),
        pytest.param("data:text/plain;base64,AAAA", [], id="no-picture-type"),
    ],
)
def test_pictures_are_found_in_words(text: str, found: list[str]) -> None:
    """An earlier result that is not found is a second turn without its picture."""
    conversation = gip.read_conversation([user("a fox"), model(text), user("blue")])
    assert list(conversation.earlier) == found
    assert conversation.attached == ()


@pytest.mark.parametrize(
    "text",
    [
        link(A),
        f'![a]({A} "title")',
        f"![a](<{A}>)",
        f"![a](<{A}> 'title')",
        f"![a]({URI})",
        f'![a]({URI} "title")',
        URI,
    ],
    ids=["plain", "title", "angle", "angle-title", "data-uri", "data-title", "bare"],
)
def test_what_is_sent_as_a_picture_is_no_word_any_more(text: str) -> None:
    """The model would draw the address, or answer with it."""
    assert words_of(f"one {text} two").split() == ["one", "two"]


@pytest.mark.parametrize(
    ("part", "found"),
    [
        pytest.param(picture(A), [A], id="object"),
        pytest.param({"type": "image_url", "image_url": A}, [A], id="string"),
        pytest.param(picture(f"{ID}1"), [f"{ID}1"], id="bare-id"),
        pytest.param(picture(f" {URI}\n"), [URI], id="blanks"),
        pytest.param(words(link(A)), [A], id="text-part"),
        pytest.param(link(A), [A], id="bare-string"),
        pytest.param({**words(link(A)), **picture(B)}, [A, B], id="both-in-one"),
        pytest.param(picture(None), [], id="none"),
        pytest.param(picture("  "), [], id="blank"),
        pytest.param(picture({"url": A}), [], id="nested-twice"),
        pytest.param({"image_url": [A]}, [], id="list"),
        pytest.param(None, [], id="no-part"),
    ],
)
def test_pictures_are_found_in_parts(part: Any, found: list[str]) -> None:
    """Hosts and clients write them in each of these ways."""
    conversation = gip.read_conversation([user([words("edit"), part])])
    assert list(conversation.attached) == found


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        pytest.param({"type": "image", "url": A, "id": "x"}, [A], id="url"),
        pytest.param({"type": "image", "id": f"{ID}1"}, [f"{ID}1"], id="id"),
        pytest.param(
            {"type": "file", "content_type": "image/png", "url": A}, [A], id="file"
        ),
        pytest.param({"type": "image", "url": URI}, [URI], id="data-uri"),
        pytest.param(
            {
                "type": "file",
                "url": A,
                "file": {"meta": {"content_type": "image/webp"}},
            },
            [A],
            id="type-of-the-stored-file",
        ),
        pytest.param(
            {"type": "file", "name": "IMG_1.HEIC", "content_type": None, "url": A},
            [A],
            id="named-only",
        ),
        pytest.param(
            {"type": "file", "name": "fox.png", "content_type": "text/plain", "url": A},
            [],
            id="named-otherwise",
        ),
        pytest.param({"type": "file", "url": A}, [], id="document"),
        pytest.param({"type": "file", "name": "fox.pdf", "url": A}, [], id="pdf"),
        pytest.param({"type": "image"}, [], id="no-address"),
        pytest.param({"type": ["image"], "url": A}, [], id="odd-type"),
        pytest.param({"type": "image", "url": 7}, [], id="odd-address"),
        pytest.param("image", [], id="text"),
        pytest.param(None, [], id="none"),
    ],
)
def test_pictures_that_only_the_files_name_are_attached(
    entry: Any, found: list[str]
) -> None:
    """Some hosts leave the message itself without the picture."""
    conversation = gip.read_conversation([user("edit")], files=[entry])
    assert list(conversation.attached) == found


def test_pictures_that_only_a_message_s_files_name_belong_to_it() -> None:
    """Clients hand whole messages back, with the files that the host shows beside."""
    fox, old, twice = ([{"type": "image", "url": url}] for url in (A, B, C))
    messages = [
        user("a fox"),
        {**model("Here it is."), "files": fox},
        {**model(link(C)), "files": twice},
        {**user("as in this one"), "files": old},
    ]
    conversation = gip.read_conversation(messages)
    assert conversation.earlier == (A, C)
    assert conversation.attached == (B,)


@pytest.mark.parametrize("files", [None, {}, "x", 7, [[]]])
def test_odd_lists_of_files_are_none(files: Any) -> None:
    assert gip.read_conversation([user("edit")], files=files).attached == ()
    message = {**user("edit"), "files": files}
    assert gip.read_conversation([message]).attached == ()


def test_the_message_s_own_pictures_count_before_the_files() -> None:
    """Both name the same uploads; sent twice they cost twice."""
    files = [{"type": "image", "url": A}]
    attached = gip.read_conversation([user([picture(URI)])], files=files).attached
    assert attached == (URI,)


def test_a_channel_names_earlier_pictures_in_its_system_message_only() -> None:
    thread = system(f"Thread:\n\nAnn: a fox\n\nNano Banana: {link(A)}\n\n{link(B)}")
    messages = [thread, user([words("Ann: blue"), picture(C)])]
    conversation = gip.read_conversation(messages, speaker="Ann")
    assert conversation.earlier == (A, B)
    assert conversation.attached == (C,)
    assert conversation.prompt == "blue"
    assert "/api/v1/files" not in conversation.system


def test_a_logo_in_a_preset_s_system_prompt_is_no_picture_of_the_chat() -> None:
    messages = [system(f"Our logo: {link(A)}"), user([words("a fox")])]
    assert gip.read_conversation(messages).earlier == ()


# ── What is no picture of the chat ───────────────────────────────────────────────────


def test_a_draft_within_the_thoughts_is_no_earlier_result() -> None:
    answer = f'<details type="reasoning" done="true">{link(A)}</details>\n{link(B)}'
    conversation = gip.read_conversation([user("a fox"), model(answer), user("blue")])
    assert conversation.earlier == (B,)


# ── What must not get lost on the way ────────────────────────────────────────────────


@pytest.mark.parametrize(
    "history",
    [
        pytest.param([model(link(A))], id="chat-begins-with-the-model"),
        pytest.param([user("x" * 100_000), model(link(A))], id="after-a-long-prompt"),
        pytest.param([user(""), model(link(A))], id="after-an-empty-prompt"),
        pytest.param(
            [user("a"), model("x" * 100_000 + link(A))], id="in-a-long-answer"
        ),
    ],
)
def test_the_newest_picture_outlives_the_words_around_it(history: list[Any]) -> None:
    """Filters of the host keep the last few messages, and prompts can be long: "make
    it blue" is still about the picture above it."""
    conversation = gip.read_conversation([*history, user("blue")])
    assert conversation.earlier == (A,)


def test_joined_turns_tell_attached_from_earlier_pictures() -> None:
    """After a failure the repeated message stands in one turn with the first."""
    failure = f"{gip.FAILURE_MARK}Overloaded."
    history = [user([words("1"), picture(A)]), model(failure), user([picture(B)])]
    conversation = gip.read_conversation(history)
    assert (conversation.earlier, conversation.attached) == ((A,), (B,))


# ── Picking ──────────────────────────────────────────────────────────────────────────


def chat(*earlier: str, attached: tuple[str, ...] = ()) -> gip.Conversation:
    messages = [m for p in earlier for m in (user("draw"), model(link(p)))]
    newest = user([words("edit"), *map(picture, attached)])
    return gip.read_conversation([*messages, newest])


@pytest.mark.parametrize(
    ("conversation", "history", "limit", "sent", "notes"),
    [
        pytest.param(chat(), 4, 14, [], [], id="none"),
        pytest.param(chat(A), 4, 14, [A], [], id="last-result"),
        pytest.param(chat(A, B, C), 4, 14, [A, B, C], [], id="chat-order"),
        pytest.param(chat(A, B, C), 2, 14, [B, C], ["3", "2"], id="newest-of-them"),
        pytest.param(chat(A, B, C), 0, 14, [], [], id="history-off"),
        pytest.param(chat(attached=(A, B)), 4, 14, [A, B], [], id="attached"),
        pytest.param(
            chat(A, attached=(B, C)), 0, 14, [B, C], [], id="attached-without-history"
        ),
        pytest.param(
            chat(A, B, attached=(C,)),
            4,
            14,
            [A, B, C],
            [],
            id="earlier-before-attached",
        ),
        pytest.param(
            chat(A, B, attached=(C, D)),
            4,
            3,
            [B, C, D],
            ["2", "1"],
            id="model-of-three",
        ),
        pytest.param(
            chat(attached=(A, B, C, D)), 4, 3, [A, B, C], ["3", "4"], id="too-many"
        ),
        pytest.param(chat(A, B, A), 4, 14, [B, A], [], id="newest-place-of-the-same"),
        pytest.param(chat(A, attached=(A,)), 4, 14, [A], [], id="attached-again"),
        pytest.param(chat(attached=(A, A, B)), 4, 14, [A, B], [], id="attached-twice"),
        pytest.param(chat(B, attached=(A, B)), 4, 14, [A, B], [], id="attached-order"),
        pytest.param(
            chat(*(f"{A}?{n}" for n in range(20))),
            99,
            14,
            [f"{A}?{n}" for n in range(6, 20)],
            ["20", "14"],
            id="model-of-fourteen",
        ),
    ],
)
def test_which_pictures_go(
    conversation: gip.Conversation,
    history: int,
    limit: int,
    sent: list[str],
    notes: list[str],
) -> None:
    """Attached ones always, then the newest; what stays behind is said in numbers."""
    picked, said = gip.pick_pictures(conversation, history, limit)
    assert picked == sent
    assert len(said) == bool(notes)
    assert all(number in in_english(said[0]) for number in notes)


def test_the_note_does_not_speak_of_the_newest_none() -> None:
    """ "The newest 0 were sent along" is no sentence."""
    _, notes = gip.pick_pictures(chat(A, attached=(B, C, D)), 4, 3)
    assert notes and not any("newest 0" in in_english(note) for note in notes)


addresses = st.lists(st.sampled_from([A, B, C, D, E]), max_size=8)


@given(addresses, addresses, st.integers(-1, 20), st.integers(1, 14))
def test_picking_keeps_every_limit_and_order(
    earlier: list[str], attached: list[str], history: int, limit: int
) -> None:
    conversation = chat(*earlier, attached=tuple(attached))
    sent, _ = gip.pick_pictures(conversation, history, limit)
    own = list(dict.fromkeys(attached))[:limit]
    assert sent[len(sent) - len(own) :] == own
    assert len(sent) == len(set(sent)) <= limit
    assert len(sent) - len(own) <= max(history, 0)


# ── Reading an address ───────────────────────────────────────────────────────────────


def read(address: str, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, str]:
    async def by_id(self: gip.HostChat, file_id: str) -> gip.FoundPicture:
        return gip.FoundPicture("a.png", len(file_id), file_id.encode)

    async def find_and_read() -> tuple[bytes, str]:
        chat = gip.HostChat(request=request, user={"id": "u"})
        found = await chat.find(address)
        data = await chat.read(found)
        assert len(data) <= found.size
        return data, found.name

    monkeypatch.setattr(gip.HostChat, "_find_file", by_id)
    request = SimpleNamespace(base_url="https://h.example/")
    return asyncio.run(find_and_read())


@pytest.mark.parametrize(
    "address",
    [
        A,
        A.removesuffix("/content"),
        f"{A}?x=1#y",
        f"/sub/path{A}",
        f"https://h.example{A}",
        f"http://h.example/sub{A}",
        f"{ID}1",
    ],
)
def test_own_addresses_are_read_by_id(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read(address, monkeypatch)[0] == f"{ID}1".encode()


@pytest.mark.parametrize(
    "address",
    [
        f"https://evil.example{A}",
        f"https://h.example.evil.example{A}",
        f"https://h.example@evil.example{A}",
        f"//evil.example{A}",
        f"https://h.example:99{A}",
        "https://web.example/a.png",
        "file:///etc/passwd",
        "/etc/passwd",
        "../../api/v1/files/x/content",
        "/api/v1/files/not-an-id/content",
        f"http://[{A}",
        f"http://[x]y{A}",
        f"http://\u2100.example{A}",
        f"https://h.example:port{A}",
        "blob:https://h.example/1",
        "x",
    ],
)
def test_other_addresses_are_left_out(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None is fetched, and none may end the answer: it would end each later one too."""
    with pytest.raises(gip.UnusablePicture) as caught:
        read(address, monkeypatch)
    assert caught.value.kind == "remote"


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        pytest.param("data:image/png;base64,", "broken", id="empty"),
        pytest.param("data:image/png;base64,A", "broken", id="cut-short"),
        pytest.param("data:,x", "no_picture", id="no-base64"),
        pytest.param("data:application/pdf;base64,JVBERi0=", "no_picture", id="pdf"),
        pytest.param("data:image/svg+xml;utf8,<svg/>", "no_picture", id="svg-text"),
        pytest.param("data:image/svg+xml;base64,PHN2Zy8+", "no_picture", id="svg"),
    ],
)
def test_unusable_data_uris_get_their_note(
    written: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(gip.UnusablePicture) as caught:
        ready_picture(*read(written, monkeypatch))
    assert caught.value.kind == kind


REWRITTEN: dict[str, Callable[[str], str]] = {
    "plain": lambda text: text,
    "without padding": lambda text: text.rstrip("="),
    "url-safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "lines of 76": lambda text: "\n".join(
        text[n : n + 76] for n in range(0, len(text), 76)
    ),
}
MIMES = [
    "image/png",
    "image/jpg",
    "image/x-any;name=a.b",
    "image/png;name=my%20fox(1).png",
    "IMAGE/PNG",
    "application/octet-stream",
    "",
]


def test_a_data_uri_gives_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients encode with whatever their language offers."""
    data = random.Random(1).randbytes(400)
    encoded = base64.b64encode(data).decode()

    def check(mime: str, how: str) -> None:
        text = REWRITTEN[how](encoded)
        assert read(f"data:{mime};base64,{text}", monkeypatch)[0] == data

    check_rows(itertools.product(MIMES, REWRITTEN), check)


# ── Formats ──────────────────────────────────────────────────────────────────────────

BLUE = (30, 30, 214)


def opened(image: gip.Image) -> PIL.Image.Image:
    picture = PIL.Image.open(io.BytesIO(image.data))
    assert f"image/{(picture.format or '').lower()}" == image.mime
    picture.load()
    return picture


def lab() -> PIL.Image.Image:
    made = PIL.ImageCms.profileToProfile(
        plain(),
        PIL.ImageCms.createProfile("sRGB"),
        PIL.ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert made
    return made


def near(pixel: Any, colour: tuple[int, ...], tolerance: int = 12) -> bool:
    pairs = zip(pixel, colour, strict=True)
    return all(abs(one - other) <= tolerance for one, other in pairs)


HEIC = heif(b"heic")


# What Google reads → its type.
READ_BY_GOOGLE = {
    "png": (encoded(plain(), "PNG"), "image/png"),
    "palette": (encoded(plain("P"), "PNG"), "image/png"),
    "alpha": (encoded(half_clear(), "PNG"), "image/png"),
    "deep": (encoded(PIL.Image.new("I;16", (9, 9), 30000), "PNG"), "image/png"),
    "jpeg": (encoded(plain(), "JPEG"), "image/jpeg"),
    "cmyk": (encoded(plain("CMYK"), "JPEG"), "image/jpeg"),
    "turned": (turned("JPEG"), "image/jpeg"),
    "webp": (encoded(plain(), "WEBP"), "image/webp"),
    "webp alpha": (encoded(half_clear(), "WEBP", lossless=True), "image/webp"),
    "heic": (HEIC, "image/heic"),
    "heif": (heif(b"mif1"), "image/heif"),
    "heic sequence": (heif(b"hevx"), "image/heic"),
}


def test_what_google_reads_goes_unchanged() -> None:
    """Each re-encoding costs quality, turn after turn; and names lie."""

    def check(kind: str, name: str) -> None:
        data, mime = READ_BY_GOOGLE[kind]
        assert ready_picture(data, name) == gip.Image(data, mime)

    names = ["a.png", "A.GIF", "", "picture"]
    check_rows(itertools.product(READ_BY_GOOGLE, names), check)


def test_an_unknown_heif_brand_is_believed_by_its_name() -> None:
    data = heif(b"zzzz")
    assert ready_picture(data, "IMG_1.HEIC").mime == "image/heic"
    with pytest.raises(gip.UnusablePicture):
        ready_picture(data, "film.mp4")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(plain(), "GIF"), id="gif"),
        pytest.param(
            encoded(
                plain(),
                "GIF",
                save_all=True,
                append_images=[PIL.Image.new("RGB", (32, 16), BLUE)],
            ),
            id="gif-animated",
        ),
        pytest.param(encoded(plain(), "BMP"), id="bmp"),
        pytest.param(encoded(plain().quantize(2), "BMP"), id="bmp-palette"),
        pytest.param(encoded(plain(), "TIFF"), id="tiff"),
        pytest.param(encoded(plain(), "TIFF", compression="tiff_lzw"), id="tiff-lzw"),
        pytest.param(encoded(plain("CMYK"), "TIFF"), id="tiff-cmyk"),
        pytest.param(
            encoded(lab(), "TIFF"),
            id="tiff-lab",
        ),
        pytest.param(
            encoded(
                plain(),
                "TIFF",
                save_all=True,
                append_images=[PIL.Image.new("RGB", (32, 16), BLUE)],
            ),
            id="tiff-pages",
        ),
        pytest.param(encoded(plain(), "AVIF", quality=95), id="avif"),
    ],
)
def test_other_formats_become_png(data: bytes) -> None:
    """Google refuses the whole request for one of these, and with it the chat."""
    picture = opened(ready_picture(data, "a.dat"))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (32, 16), "RGB")
    assert near(picture.getpixel((5, 5)), RED)


@pytest.mark.parametrize("form", ["GIF", "TIFF", "AVIF"])
def test_conversion_keeps_transparency(form: str) -> None:
    picture = opened(ready_picture(encoded(half_clear(), form), "a"))
    assert picture.mode == "RGBA"
    clear, solid = picture.getpixel((2, 2)), picture.getpixel((29, 2))
    assert isinstance(clear, tuple) and isinstance(solid, tuple)
    assert clear[3] == 0 and solid[3] == 255 and near(solid[:3], RED)


@pytest.mark.parametrize("form", ["TIFF", "AVIF"])
def test_conversion_keeps_the_picture_upright(form: str) -> None:
    """The PNG has no EXIF that readers would mind: the pixels have to be turned."""
    picture = opened(ready_picture(turned(form), "a"))
    assert picture.size == (16, 32)
    assert picture.getexif().get(274, 1) == 1


@pytest.mark.parametrize(
    ("mode", "middle"), [("I;16", 32768), ("I;16B", 32768)], ids=["little", "big"]
)
def test_a_deep_grey_scan_does_not_turn_white(mode: str, middle: int) -> None:
    """Clipped to eight bits nothing is left of it but a white sheet."""
    data = encoded(PIL.Image.new(mode, (9, 9), middle), "TIFF")
    pixel = opened(ready_picture(data, "scan.tif")).convert("RGB").getpixel((4, 4))
    assert near(pixel, (128, 128, 128), tolerance=2)


def note_on(error: gip.UnusablePicture) -> str:
    """What the user reads of a picture that is called x."""
    return in_english(gip.make_note(error.kind, **{"name": "x", **error.values}))


@pytest.mark.parametrize(
    ("data", "name", "kind"),
    [
        pytest.param(b"", "a.png", "broken", id="empty"),
        pytest.param(encoded(noise(), "PNG")[:900], "a.png", "broken", id="png-cut"),
        pytest.param(encoded(noise(), "JPEG")[:900], "a.jpg", "broken", id="jpeg-cut"),
        pytest.param(encoded(noise(), "WEBP")[:900], "a.webp", "broken", id="webp-cut"),
        pytest.param(encoded(noise(), "GIF")[:900], "a.gif", "broken", id="gif-cut"),
        pytest.param(encoded(noise(), "TIFF")[:900], "a.tif", "broken", id="tiff-cut"),
        pytest.param(encoded(noise(), "BMP")[:900], "a.bmp", "broken", id="bmp-cut"),
        pytest.param(encoded(noise(), "AVIF")[:900], "a.avif", "broken", id="avif-cut"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "a.png", "broken", id="png-sign-alone"),
        pytest.param(bomb(), "a.png", "too_many_pixels", id="bomb"),
        pytest.param(b"<svg xmlns='x'/>", "a.svg", "no_picture", id="svg"),
        pytest.param(b"%PDF-1.7\n", "a.pdf", "no_picture", id="pdf"),
        pytest.param(b"just words", "a.png", "no_picture", id="text-named-png"),
        pytest.param(b"\0", "", "no_picture", id="a-byte"),
    ],
)
def test_an_unusable_picture_is_told_apart(data: bytes, name: str, kind: str) -> None:
    """Sent anyway, it would have Google refuse this turn and all that follow."""
    with pytest.raises(gip.UnusablePicture) as caught:
        ready_picture(data, name)
    assert caught.value.kind == kind
    assert note_on(caught.value)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("plan.pdf", "PDF"),
        ("logo.final.SVG", "SVG"),
        ("README", "this"),
        ("An attached picture", "this"),
        ("", "this"),
        ("odd.", "this"),
    ],
)
def test_the_note_names_the_form_of_the_file(name: str, form: str) -> None:
    """ "A PASTED PICTURE is no picture" helps nobody."""
    with pytest.raises(gip.UnusablePicture) as caught:
        ready_picture(b"<svg/>", name)
    assert f"x was left out: {form} is no picture" in note_on(caught.value)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, on what is broken here
def test_a_damaged_note_of_the_camera_does_not_make_a_photo_unusable() -> None:
    """Pixels that decode are what counts; the photo goes as it is."""
    exif = PIL.Image.Exif()
    exif[274] = 6
    data = bytearray(encoded(plain(), "JPEG", exif=exif))
    at = data.index(b"Exif\0\0") + 6
    for place in range(at + 8, at + 26):
        for value in (0, 1, 255):
            odd = bytearray(data)
            odd[place] = value
            assert ready_picture(bytes(odd), "a.jpg").data == bytes(odd)


SEEDS = {
    form: encoded(noise(size=(24, 24)), form)
    for form in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
}


@pytest.mark.filterwarnings("ignore::UserWarning")  # as above
@given(
    st.sampled_from(sorted(SEEDS)),
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=4),
)
def test_any_damage_is_a_note_and_no_exception(
    form: str, changes: list[tuple[int, int]]
) -> None:
    """Decoders fail in ways of their own; one that gets through ends the answer."""
    data = bytearray(SEEDS[form])
    for place, value in changes:
        data[place % len(data)] = value
    try:
        image = ready_picture(bytes(data), f"a.{form}")
        gip.smaller_picture(image, 700)
    except gip.UnusablePicture as error:
        assert note_on(error)


def test_a_damaged_avif_is_a_note() -> None:
    """Its decoder has an exception of its own kind."""
    data = bytearray(SEEDS["AVIF"])
    data[-200:] = bytes(200)
    data[40:60] = bytes(20)
    with pytest.raises(gip.UnusablePicture) as caught:
        ready_picture(bytes(data), "a.avif")
    assert caught.value.kind == "broken"


# ── Without Pillow ───────────────────────────────────────────────────────────────────


@pytest.fixture
def no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refusing(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "PIL":
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refusing)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_without_pillow_common_pictures_go(form: str, no_pillow: None) -> None:
    assert ready_picture(SEEDS[form], "a").data == SEEDS[form]


def data_uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def datas(pictures: list[gip.InputPicture]) -> list[bytes]:
    return [picture.image.data for picture in pictures]


async def gathering(
    ask: Any, room: gip.Place, seconds: float = LIMIT_S
) -> tuple[list[gip.InputPicture], list[gip.Note]]:
    route = gip.Route("auto", "gemini-nano-banana-2.1")
    return await gip.gather_pictures(ask, route, room, gip.Budget(seconds))


def gathered_for(ask: Any) -> tuple[list[gip.InputPicture], list[gip.Note]]:
    """What goes along with a request, and the notes."""

    async def in_room() -> tuple[list[gip.InputPicture], list[gip.Note]]:
        with gip.room_for_pictures(ask) as room:
            return await gathering(ask, room)

    return asyncio.run(in_room())


def gathered(
    attached: list[bytes], earlier: list[bytes] | None = None
) -> tuple[list[gip.InputPicture], list[gip.Note]]:
    history = [
        m for data in earlier or [] for m in (user("x"), model(link(data_uri(data))))
    ]
    newest = user([words("edit"), *(picture(data_uri(data)) for data in attached)])
    ask: Any = SimpleNamespace(
        conversation=gip.read_conversation([*history, newest]),
        valves=gip.Pipe.Valves(),
        chat=gip.HostChat(),
        caller=gip.Caller(),
    )
    return gathered_for(ask)


def test_without_pillow_a_gif_gets_its_note_and_the_rest_goes(no_pillow: None) -> None:
    pictures, notes = gathered([SEEDS["GIF"], SEEDS["PNG"]])
    assert datas(pictures) == [SEEDS["PNG"]]
    name = gip.make_note("picture_number", number=(1,))
    assert notes == [gip.make_note("no_pillow", name=name)]
    assert "Pillow" in in_english(notes[0])


@pytest.mark.parametrize("hangs", ["find", "read"])
def test_a_storage_that_hangs_keeps_nobody_beyond_the_deadline(
    hangs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is Google blamed for it; and the room for the pictures is others' again."""

    async def hang(*_: Any) -> Any:
        await asyncio.sleep(LIMIT_S)

    async def ask_in_vain() -> gip.GeminiError:
        with pytest.raises(gip.GeminiError) as late:
            await gathered_alone(SEEDS["PNG"], "a", seconds=0.15)
        with gip.BYTES_LINE.place("b", gip.Bounds(1, 1)) as place:
            await place.enter(0.0)
        return late.value

    monkeypatch.setattr(gip.HostChat, hangs, hang)
    error = asyncio.run(ask_in_vain())
    assert error.kind == "pictures_late"
    assert "Open WebUI did not hand over" in told(error)


def test_one_unusable_picture_does_not_hold_back_the_others() -> None:
    pictures, notes = gathered([b"<svg/>", SEEDS["PNG"], b"", SEEDS["JPEG"]])
    assert datas(pictures) == [SEEDS["PNG"], SEEDS["JPEG"]]
    assert len(notes) == 2


@pytest.mark.parametrize("again", ["PNG", "JPEG"])
def test_a_result_that_is_attached_again_goes_once_and_where_the_user_put_it(
    again: str,
) -> None:
    """ "The first" and "the second" picture of the message are counted by people."""
    attached = [SEEDS["PNG"], SEEDS["JPEG"]]
    pictures, _ = gathered(attached, earlier=[SEEDS[again]])
    assert datas(pictures) == attached
    assert [picture.numbers for picture in pictures] == [(1,), (2,)]


def test_the_same_bytes_under_two_addresses_stay_in_the_user_s_order() -> None:
    """A result is downloaded and attached again: a link above, a data URI below."""
    url_safe = base64.urlsafe_b64encode(SEEDS["JPEG"]).decode().rstrip("=")
    png = base64.b64encode(SEEDS["PNG"]).decode()
    jpeg = base64.b64encode(SEEDS["JPEG"]).decode()
    history = [user("x"), model(link(f"data:image/jpeg;base64,{url_safe}"))]
    newest = [
        picture(f"data:image/png;base64,{png}"),
        picture(f"data:image/jpeg;base64,{jpeg}"),
    ]
    conversation = gip.read_conversation([*history, user(newest)])
    ask: Any = SimpleNamespace(
        conversation=conversation,
        valves=gip.Pipe.Valves(),
        chat=gip.HostChat(),
        caller=gip.Caller(),
    )
    pictures, _ = gathered_for(ask)
    assert datas(pictures) == [SEEDS["PNG"], SEEDS["JPEG"]]


class Storage:
    """The host's: files by id, on its own disk or elsewhere, and what was done to them.

    Whoever fetches one from elsewhere has it on the disk, as with S3.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Any] = {}
        self.fetched: list[str] = []
        self.opened: list[str] = []

    def add(self, name: str, size: int, remote: bool, recorded: Any = None) -> str:
        """A picture of that size; returns its address."""
        file_id = f"3f1c0000-0000-4000-8000-{len(self.files):012}"
        data = encoded(plain(size=(1, 1)), "PNG") + bytes([len(self.files)])
        (self.folder / file_id).write_bytes(data.ljust(size, b"."))
        path = f"s3://bucket/{file_id}" if remote else str(self.folder / file_id)
        meta = {"name": name, "size": recorded}
        self.files[file_id] = SimpleNamespace(
            id=file_id, user_id="u", path=path, meta=meta, filename=f"{file_id}_{name}"
        )
        return f"/api/v1/files/{file_id}/content"

    def get_file_by_id(self, id: str) -> Any:
        return self.files.get(id)

    def get_file(self, path: str) -> str:
        file_id = path.rpartition("/")[2]
        if path.startswith("s3://"):
            self.fetched.append(self.files[file_id].meta["name"])
        return str(self.folder / file_id)


@pytest.fixture
def storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Storage:
    made = Storage(tmp_path)
    users = SimpleNamespace(
        UserModel=lambda **user: SimpleNamespace(role="", **user), Users=None
    )
    modules = {
        "open_webui.models.files": SimpleNamespace(Files=made),
        "open_webui.models.users": users,
        "open_webui.storage.provider": SimpleNamespace(Storage=made),
    }
    for name in ("open_webui", "open_webui.models", "open_webui.storage"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, cast(ModuleType, module))

    def noted(path: str, *rest: Any) -> Any:
        made.opened.append(made.files[Path(path).name].meta["name"])
        return open(path, *rest)

    monkeypatch.setattr(gip, "open", noted, raising=False)
    monkeypatch.setattr(gip, "MAX_PICTURE_BYTES", 1_000)
    monkeypatch.setattr(gip, "MAX_READ_BYTES", 2_000)
    return made


def asks(earlier: Sequence[str], attached: Sequence[str]) -> Any:
    return SimpleNamespace(
        conversation=chat(*earlier, attached=tuple(attached)),
        valves=gip.Pipe.Valves(),
        chat=gip.HostChat(user={"id": "u"}),
        caller=gip.Caller("u"),
    )


# Sizes of earlier and attached pictures, in the chat's order → which are read at all.
SIZES: list[tuple[list[int], list[int], list[str]]] = [
    ([300, 300], [400], ["e0", "e1", "a0"]),
    ([300, 301], [400], ["e1", "a0"]),  # the newest go first
    ([500, 900, 100], [400], ["e0", "e2", "a0"]),
    ([100], [900, 900], ["a0", "a1"]),  # these are made to fit
    ([100], [900, 900, 900], ["a0", "a1"]),
    ([], [2_001, 100], ["a1"]),
    ([1_001], [], []),
]


@pytest.mark.parametrize("remote", [False, True])
def test_sizes_are_asked_before_a_byte_is_read(storage: Storage, remote: bool) -> None:
    """A chat may name files of any size: reading them all would fill the memory."""

    def check(earlier: list[int], attached: list[int], read: list[str]) -> None:
        storage.files.clear()
        storage.fetched.clear()
        storage.opened.clear()
        addresses = {
            letter: [
                storage.add(f"{letter}{number}", size, remote, size)
                for number, size in enumerate(sizes)
            ]
            for letter, sizes in (("e", earlier), ("a", attached))
        }
        _, notes = gathered_for(asks(addresses["e"], addresses["a"]))
        assert storage.opened == read
        assert storage.fetched == (read if remote else [])
        kinds = {note.kind for note in notes}
        unread = len(earlier) + len(attached) - len(read)
        assert bool(kinds & {"too_large", "earlier_large"}) == bool(unread)

    check_rows(SIZES, check)


def test_an_unread_picture_is_named(storage: Storage) -> None:
    sizes = {"photo.png": 2_001}
    attached = [storage.add(name, size, False) for name, size in sizes.items()]
    _, [note] = gathered_for(asks([], attached))
    assert note == gip.make_note("too_large", name="photo.png")


# What a record says of a file of 1,500 bytes elsewhere → whether it is fetched, and read.
RECORDED: list[tuple[Any, bool, bool]] = [
    (1_500, True, True),
    (2_001, False, False),
    (1_499, True, False),  # no more is read than there is room for
    (None, True, True),
    ("1500", True, True),
    (-1, True, True),
]


def test_a_record_that_is_wrong_or_missing_costs_no_memory(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(recorded: Any, fetched: bool, read: bool) -> None:
        storage.fetched.clear()
        address = storage.add("a.png", 1_500, True, recorded)
        chat = asks([], [address]).chat

        async def find_and_read() -> int:
            found = await chat.find(address)
            return len(await chat.read(found)) if found.size <= 2_000 else 0

        try:
            assert asyncio.run(find_and_read()) == (1_500 if read else 0)
        except gip.UnusablePicture as error:
            assert error.kind == "too_large" and not read
        assert bool(storage.fetched) == fetched

    check_rows(RECORDED, check)


def test_bytes_wait_for_room_and_are_given_back(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One budget for all requests of a worker, of which one user has a part."""
    monkeypatch.setattr(gip, "_HELD", gip.Bounds(2_000, 1_000))
    addresses = [storage.add(f"{number}", 900, False) for number in range(3)]

    async def crowd() -> None:
        first, second, other = (asks([], [address]) for address in addresses)
        other.caller = gip.Caller("other")
        with gip.room_for_pictures(first) as room:
            assert len((await gathering(first, room))[0]) == 1
            with gip.room_for_pictures(second) as in_vain:
                task = asyncio.create_task(gathering(second, in_vain))
                assert await until(lambda: second.caller.before == 0)
                with gip.room_for_pictures(other) as room_of_other:
                    await gathering(other, room_of_other)
                assert storage.opened == ["0", "2"]
                task.cancel()
                await asyncio.wait([task])
            with gip.room_for_pictures(second) as in_vain:
                with pytest.raises(gip.TurnMissed) as missed:
                    await gathering(second, in_vain, seconds=1.0)
                assert missed.value.is_own_limit
        with gip.room_for_pictures(second) as room:
            assert len((await gathering(second, room))[0]) == 1

    asyncio.run(crowd())


def test_a_pasted_picture_is_decoded_without_copies_of_it() -> None:
    """The host holds the text already; several times that would be many pictures."""
    size = 8_000_000
    text = f"data:image/png;base64,{base64.b64encode(bytes(size)).decode()}"
    tracemalloc.start()
    try:
        assert len(gip.data_uri_bytes(text)) == size
        assert tracemalloc.get_traced_memory()[1] < 1.5 * size
    finally:
        tracemalloc.stop()


# ── One decoding at a time ───────────────────────────────────────────────────────────


def gif_of(number: int) -> bytes:
    return encoded(plain(size=(8, 8 + number)), "GIF")


async def gathered_alone(
    data: bytes, owner: str, seconds: float = LIMIT_S
) -> list[gip.InputPicture]:
    """What goes along with one user's request to change a picture."""
    newest = user([words("edit"), picture(data_uri(data))])
    ask: Any = SimpleNamespace(
        conversation=gip.read_conversation([newest]),
        valves=gip.Pipe.Valves(),
        chat=gip.HostChat(),
        caller=gip.Caller(owner),
    )
    with gip.room_for_pictures(ask) as room:
        return (await gathering(ask, room, seconds))[0]


def test_pictures_of_all_users_are_decoded_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each takes up to 300 MB while it is decoded."""
    running, most = [0], [0]
    convert = gip.converted_picture

    def counted(image: gip.Image) -> gip.Image:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.01)
        running[0] -= 1
        return convert(image)

    monkeypatch.setattr(gip, "converted_picture", counted)

    async def gather_all() -> list[list[gip.InputPicture]]:
        work = (gathered_alone(gif_of(number), f"user {number}") for number in range(5))
        return await asyncio.gather(*work)

    found = asyncio.run(gather_all())
    assert [len(pictures) for pictures in found] == [1] * 5
    assert most == [1]


def test_a_picture_is_packed_quickly() -> None:
    """Level 2 or so, as the head of the packed pixels says (RFC 1950): others wait."""
    packed = gip.converted_picture(as_image(gif_of(1))).data.partition(b"IDAT")[2]
    assert packed[1] >> 6 <= 1


def test_what_nobody_waits_for_any_more_is_not_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stop takes a picture out of the line; the one that is decoded stays to its end."""
    decoded: list[gip.Image] = []
    gate, begun = threading.Event(), threading.Event()
    convert = gip.converted_picture

    def recorded(image: gip.Image) -> gip.Image:
        decoded.append(image)
        begun.set()
        gate.wait(LIMIT_S)
        return convert(image)

    monkeypatch.setattr(gip, "converted_picture", recorded)

    async def stop_the_second() -> None:
        first, second, third = (
            asyncio.create_task(gathered_alone(gif_of(n), "ann")) for n in range(3)
        )
        assert await until(begun.is_set)
        await asyncio.sleep(0.05)  # the others stand in line now
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, third)
        assert second.cancelled()

    asyncio.run(stop_the_second())
    assert len(decoded) == 2


# ── Fitting into one request ─────────────────────────────────────────────────────────


def as_image(data: bytes) -> gip.Image:
    return gip.Image(data, gip.image_type(data) or "")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(noise(size=(300, 200)), "PNG"), id="png"),
        pytest.param(encoded(noise("RGBA", (300, 200)), "PNG"), id="alpha"),
        pytest.param(encoded(noise(size=(300, 200)).quantize(), "PNG"), id="palette"),
        pytest.param(encoded(noise("CMYK", (300, 200)), "JPEG"), id="cmyk"),
        pytest.param(encoded(noise("L", (300, 200)), "PNG"), id="grey"),
        pytest.param(encoded(noise("LA", (300, 200)), "PNG"), id="grey-alpha"),
        pytest.param(encoded(noise("I;16", (300, 200)), "PNG"), id="deep"),
        pytest.param(encoded(noise(size=(300, 200)), "WEBP", lossless=True), id="webp"),
    ],
)
@pytest.mark.parametrize("limit", [30_000, 4_000])
def test_a_picture_is_made_as_small_as_it_has_to_be(data: bytes, limit: int) -> None:
    made = gip.smaller_picture(as_image(data), limit)
    assert len(made.data) <= limit
    picture = opened(made)
    assert abs(picture.width / picture.height - 1.5) < 0.1


def test_making_smaller_keeps_transparency() -> None:
    image = noise("RGBA", (200, 200))
    image.paste((0, 0, 0, 0), (0, 0, 100, 200))
    image.paste((*RED, 255), (100, 0, 200, 200))
    data = encoded(image, "PNG", compress_level=0)
    picture = opened(gip.smaller_picture(as_image(data), 20_000)).convert("RGBA")
    clear = picture.getpixel((2, picture.height // 2))
    solid = picture.getpixel((picture.width - 3, picture.height // 2))
    assert isinstance(clear, tuple) and isinstance(solid, tuple)
    assert clear[3] < 20 and solid[3] > 235


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_making_smaller_keeps_the_picture_upright(form: str) -> None:
    data = turned(form, noise(size=(300, 200)))
    picture = opened(gip.smaller_picture(as_image(data), 5_000))
    assert picture.height > picture.width
    assert picture.getexif().get(274, 1) == 1


def test_a_deep_picture_stays_visible_when_made_smaller() -> None:
    """Cut to eight bits it would be all white."""
    data = encoded(PIL.Image.new("I;16", (300, 300), 32768), "PNG", compress_level=0)
    picture = opened(gip.smaller_picture(as_image(data), 9_000)).convert("RGB")
    assert near(picture.getpixel((9, 9)), (128, 128, 128), tolerance=4)


@pytest.mark.parametrize(
    ("mode", "size"), [("RGBA", (17_000, 20)), ("RGB", (66_000, 20))]
)
def test_very_long_pictures_are_made_smaller_too(
    mode: str, size: tuple[int, int]
) -> None:
    """Screenshots of whole pages: longer than WebP and JPEG can be."""
    image = as_image(encoded(noise(mode, size), "PNG"))
    [made], notes = fit([attached_as(image.data, "page.png")], 500_000)
    assert len(made.image.data) <= 500_000
    assert max(opened(made.image).size) > 5_000
    assert len(notes) == 1


def test_a_heic_that_is_too_large_is_said_to_be() -> None:
    with pytest.raises(gip.UnusablePicture) as caught:
        gip.smaller_picture(gip.Image(HEIC, "image/heic"), 10)
    assert caught.value.kind == "too_large"


def attached_as(data: bytes, name: str) -> gip.InputPicture:
    digest = gip.picture_digest(data)
    return gip.InputPicture(as_image(data), name, (1,), digest)


def sized(count: int, name: str, attached: bool) -> gip.InputPicture:
    """A picture of so many bytes, that cannot be made smaller."""
    image = gip.Image(name.encode().ljust(count, b"."), "image/heic")
    digest = gip.picture_digest(image.data)
    return gip.InputPicture(image, name, (1,) if attached else (), digest)


def fit(
    pictures: list[gip.InputPicture], limit: int
) -> tuple[list[gip.InputPicture], list[gip.Note]]:
    ask: Any = SimpleNamespace(caller=gip.Caller())
    budget = gip.Budget(LIMIT_S)
    return asyncio.run(gip.fitted_pictures(ask, pictures, budget, limit))


def test_pictures_that_fit_stay_as_they_are() -> None:
    pictures = [sized(30, "a", False), sized(30, "b", True), sized(40, "c", True)]
    fitted, notes = fit(pictures, 100)
    assert (fitted, notes) == (pictures, [])


def test_earlier_pictures_make_room_for_attached_ones_oldest_first() -> None:
    pictures = [
        sized(50, "old", False),
        sized(30, "new", False),
        sized(40, "one", True),
        sized(20, "two", True),
    ]
    fitted, [note] = fit(pictures, 100)
    assert fitted == pictures[1:]
    assert note == gip.make_note("earlier_large", count=1)


def test_equal_pictures_are_not_mixed_up() -> None:
    pictures = [sized(60, "a", True), sized(60, "a", False), sized(40, "b", True)]
    fitted, _ = fit(pictures, 100)
    assert fitted == [pictures[0], pictures[2]]


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param("a A1 B2", "A1 B2", id="earlier-and-attached"),
        pytest.param("a b a", "a b", id="earlier-twice"),
        pytest.param("A1 B2 A3", "A13 B2", id="attached-twice"),
        pytest.param("b a B1 A2", "B1 A2", id="all-again"),
        pytest.param("a A1 A2", "A12", id="earlier-and-attached-twice"),
    ],
)
def test_each_picture_goes_once_and_where_the_user_put_it(
    given: str, sent: str
) -> None:
    """Small letters are earlier pictures, digits the places of attached ones; nothing
    is said of twins."""

    def read(names: str) -> list[gip.InputPicture]:
        return [
            replace(
                sized(30, name[0].lower(), False), numbers=tuple(map(int, name[1:]))
            )
            for name in names.split()
        ]

    assert fit(read(given), 1000) == (read(sent), [])


def test_attached_pictures_are_made_smaller_in_their_order_and_named() -> None:
    large = encoded(noise(size=(300, 200)), "PNG")
    small = encoded(plain(), "PNG")
    tall = encoded(noise(size=(200, 300)), "PNG")
    given = (("one.png", large), ("two.png", small), ("three.png", tall))
    pictures = [attached_as(data, name) for name, data in given]
    made, notes = fit(pictures, 60_000)
    fitted = [picture.image for picture in made]
    assert sum(len(image.data) for image in fitted) <= 60_000
    assert fitted[1].data == small
    first, last = opened(fitted[0]), opened(fitted[2])
    assert first.width > first.height and last.width < last.height
    named = ["one.png", "three.png"]
    assert notes == [gip.make_note("shrunk", name=name) for name in named]
    assert in_english(notes[0]).startswith("one.png was made smaller")


def test_what_cannot_be_made_smaller_is_left_out_and_named(no_pillow: None) -> None:
    pictures = [sized(90, "one", True), sized(20, "two", True)]
    fitted, [note] = fit(pictures, 100)
    assert fitted == [pictures[1]]
    assert note == gip.make_note("too_large", name="one")
    assert in_english(note).startswith("one ")


@given(
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), max_size=8),
    st.integers(1, 200),
)
def test_what_fits_is_within_the_limit(
    sizes: list[tuple[int, bool]], limit: int
) -> None:
    pictures = [
        sized(size, f"{number}", attached)
        for number, (size, attached) in enumerate(sizes)
    ]
    fitted, notes = fit(pictures, limit)
    assert sum(map(len, datas(fitted))) <= limit
    order = [picture.name for picture in pictures]
    places = [order.index(picture.name) for picture in fitted]
    assert places == sorted(places)
    assert bool(notes) == (len(fitted) < len(pictures))


# ── The request's bytes ──────────────────────────────────────────────────────────────


@given(
    st.lists(st.binary(max_size=300), max_size=12),
    st.text(max_size=60)
    | st.sampled_from(
        ['"data": "picture 0"', '\\"data\\": \\"picture 0\\"', "data", "picture 1"]
    ),
)
def test_a_body_holds_exactly_these_pictures_and_words(
    pictures: list[bytes], text: str
) -> None:
    images = [gip.InputPicture(gip.Image(data, "image/png"), "a") for data in pictures]
    asked = gip.Conversation(text, newest=gip.Turn("user", text or "x"))
    body = gip.generate_body(asked, gip.ImageOptions(), images)
    sent = json.loads(b"".join(gip.EncodedBody(body)))
    *inline, said = sent["contents"][0]["parts"]
    got = [
        base64.b64decode(part["inlineData"]["data"], validate=True) for part in inline
    ]
    assert got == pictures
    assert said == {"text": text or "x"}


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 196_607, 196_608, 196_609])
def test_slices_join_without_padding_between_them(size: int) -> None:
    data = random.Random(size).randbytes(size)
    raw = b"".join(gip.EncodedBody({"data": gip.Image(data, "image/png")}))
    assert json.loads(raw)["data"] == base64.b64encode(data).decode()


def test_a_full_request_is_encoded_in_linear_time() -> None:
    """Fourteen pictures of 5 MB: the thread holds the interpreter while it works."""

    def make(size: int) -> tuple[gip.Conversation, list[gip.InputPicture]]:
        images = [
            gip.InputPicture(gip.Image(bytes([n]) * size, "image/png"), "a")
            for n in range(14)
        ]
        newest = gip.Turn("user", '"data": "picture 0" ' * (size // 2_000))
        return gip.Conversation(newest=newest), images

    def work(given: tuple[gip.Conversation, list[gip.InputPicture]]) -> bytes:
        conversation, images = given
        body = gip.generate_body(conversation, gip.ImageOptions(), images)
        return b"".join(gip.EncodedBody(body))

    assert len(work(make(70_000))) > 14 * 70_000 * 4 // 3
    assert growth(work, make, 40_000) < 20


def test_requests_side_by_side_take_less_memory_than_one_of_their_pictures() -> None:
    large = gip.Image(bytes(4_000_000), "image/png")
    images = [gip.InputPicture(large, "a") for _ in range(2)]
    asked = gip.Conversation(newest=gip.Turn("user", "a fox"))
    body = gip.generate_body(asked, gip.ImageOptions(), images)
    tracemalloc.start()
    try:
        encoded = [gip.EncodedBody(body) for _ in range(4)]
        for slices in zip(*encoded, strict=True):
            assert len(slices[0]) <= 4 * gip.SLICE
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


@given(st.lists(st.binary(max_size=10), max_size=4), st.text(max_size=10))
def test_a_body_knows_its_length_and_can_be_sent_again(
    pictures: list[bytes], text: str
) -> None:
    images = [gip.InputPicture(gip.Image(data, "image/png"), "a") for data in pictures]
    asked = gip.Conversation(newest=gip.Turn("user", text))
    body = gip.EncodedBody(gip.generate_body(asked, gip.ImageOptions(), images))
    sent = b"".join(body)
    assert len(body) == len(sent) and b"".join(body) == sent
    body.drop()
    assert not [*body]


# ── A model that takes no system prompt ──────────────────────────────────────────────


@pytest.mark.parametrize(
    ("history", "parts"),
    [
        pytest.param([user("a fox")], [[{"text": "Blue.\n\na fox"}]], id="one-turn"),
        pytest.param(
            [user("a fox"), model("Nice."), user("at night")],
            [
                [{"text": "a fox"}],
                [{"text": "Nice."}],
                [{"text": "Blue.\n\nat night"}],
            ],
            id="before-the-newest",
        ),
        pytest.param(
            [user("a fox"), model(""), user("again")],
            [[{"text": "a fox"}, {"text": "Blue.\n\nagain"}]],
            id="joined-turns",
        ),
        pytest.param(
            [user([words(""), picture(A)])], [[{"text": "Blue."}]], id="picture-alone"
        ),
        pytest.param(
            [user("a fox"), model(""), user([picture(A)])],
            [[{"text": "a fox"}, {"text": "Blue."}]],
            id="picture-alone-in-a-joined-turn",
        ),
    ],
)
def test_the_system_prompt_moves_in_front_of_the_newest_words(
    history: list[Any], parts: list[Any]
) -> None:
    asked = gip.read_conversation([system("Blue."), *history])
    moved = gip.with_system_in_words(asked)
    body = gip.generate_body(moved, gip.ImageOptions())
    assert "systemInstruction" not in body
    assert [content["parts"] for content in body["contents"]] == parts
    assert (moved.attached, moved.earlier) == (asked.attached, asked.earlier)


def test_nothing_moves_where_nothing_was_said() -> None:
    empty = gip.read_conversation([system("Blue.")])
    assert gip.with_system_in_words(empty) == empty


# ── Channels ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "prompt"),
    [
        ("Ann Lee: @Nano Banana 2 a red fox", "a red fox"),
        ("Ann Lee: Nano Banana 2 a red fox", "a red fox"),
        ("Ann Lee: @other a red fox", "a red fox"),
        ("Ann Lee: a red fox", "a red fox"),
        ("Ann Lee: draw: a fox", "draw: a fox"),
        ("Bob: a fox", "Bob: a fox"),
        ("a fox", "a fox"),
        ("Ann Lee:", ""),
    ],
)
def test_names_are_no_part_of_the_prompt(said: str, prompt: str) -> None:
    """They would stand in the picture's description, and some models draw them."""
    conversation = gip.read_conversation(
        [user(said)], speaker="Ann Lee", addressed="Nano Banana 2"
    )
    assert conversation.prompt == prompt


@pytest.mark.parametrize("mark", [gip.NOTE_MARK, gip.FAILURE_MARK])
def test_our_own_sentences_do_not_return_in_a_channel_s_thread(mark: str) -> None:
    """There each message stands behind the name of who wrote it."""
    thread = system(f"Thread:\n\nNano Banana: {mark}**Overloaded.** Wait.\n\nAnn: hi")
    conversation = gip.read_conversation([thread, user("a fox")])
    assert "Overloaded" not in conversation.system
    assert "Ann: hi" in conversation.system


# ── Time ─────────────────────────────────────────────────────────────────────────────


HOSTILE = [
    "![",
    "![](",
    "![a](x",
    "![a](<",
    "![a](x ",
    "![a](x \t",
    "![a](x 'y",
    "![" + "a" * 300,
    f"![]({'x' * 200} ",
    "data:image/",
    "data:image/a;",
    "data:image/a;a;a;a;a;",
    "data:image/a;base64,",
    "![a](data:image/a;base64,A",
    "/a",
    "/api/v1/files/",
    "http://a/",
    f"{A}/",
    "<@",
    "@a ",
    "> ",
    "### Task:\nRespond to the user query</context>",
]


def test_hostile_words_do_not_hold_the_host() -> None:
    """All of this runs on the event loop: seconds here are seconds for everybody."""

    def check(unit: str) -> None:
        def make(length: int) -> str:
            return unit * (length // len(unit))

        def work(text: str) -> None:
            thread = [system(text), user(text), model(text), user(f"Ann: {text}")]
            conversation = gip.read_conversation(
                thread, text, speaker="Ann", addressed=unit
            )
            gip.pick_pictures(conversation, 4, 14)
            gip.FILE_LINK.fullmatch(text)
            gip.FILE_LINK.fullmatch(f"http://{text}")

        assert growth(work, make, 3_000) < 20

    check_rows(zip(HOSTILE), check)
