"""Chats that change their pictures: histories in, requests at the stand-in out."""

import asyncio
import base64
import io
import itertools
import re
import threading
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import in_english, model, system, user
from rows import check_rows
from traffic import posts, words_of
from waiting import LIMIT_S

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn

DATA_URI = re.compile(r"!\[[^\]\n]*\]\(data:image/\w+;base64,([A-Za-z0-9+/=]+)\)")
NO_SYSTEM = "gemini-2.5-flash-image"  # it refuses systemInstruction, and takes three


def pipe_for(google: StandIn, place: str = "", **valves: Any) -> gip.Pipe:
    pipe = gip.Pipe()
    pipe.valves = pipe.Valves(
        GEMINI_API_KEY=DEFAULT_KEY, GEMINI_API_BASE_URL=google.url + place, **valves
    )
    return pipe


def uri(data: bytes) -> str:
    mime = gip.image_type(data) or "image/png"
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def attached(text: Any, *addresses: Any) -> dict[str, Any]:
    parts = [{"type": "image_url", "image_url": {"url": each}} for each in addresses]
    return user([{"type": "text", "text": text}, *parts])


def encoded(number: int, form: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", size, (number * 9 % 256, 80, 200)).save(out, form)
    return out.getvalue()


PHOTOS = [encoded(n, form) for n, form in enumerate(("PNG", "JPEG", "WEBP", "PNG"))]
ONE, TWO, THREE, FOUR = PHOTOS
IDS = [f"3f1c0000-0000-4000-8000-00000000000{n}" for n in range(1, 5)]
LINKS = [f"/api/v1/files/{file_id}/content" for file_id in IDS]


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The host's files by id; one that is not there is deleted or foreign."""
    kept = dict(zip(IDS, PHOTOS, strict=True))

    async def by_id(self: gip.HostChat, file_id: str) -> gip.FoundPicture:
        if file_id not in kept:
            raise gip.UnusablePicture("no_file")
        data = kept[file_id]
        return gip.FoundPicture(f"{file_id}.png", len(data), lambda: data)

    monkeypatch.setattr(gip.HostChat, "_find_file", by_id)
    return kept


def ask(
    google: StandIn,
    *messages: Any,
    of: str = "gemini-nano-banana-2.1",
    pipe: gip.Pipe | None = None,
    **host: Any,
) -> str:
    """The answer's markdown."""
    body = {"model": f"gemini_image_pipe.{of}", "messages": list(messages)}
    result = asyncio.run((pipe or pipe_for(google)).pipe(body, **host))
    return words_of(result)


def shown(markdown: str) -> list[bytes]:
    return [base64.b64decode(found) for found in DATA_URI.findall(markdown)]


def notes(markdown: str) -> list[str]:
    lines = [s for s in markdown.splitlines() if s.startswith(gip.NOTE_MARK)]
    return [s.removeprefix(gip.NOTE_MARK) for s in lines if "could not store" not in s]


def failures(markdown: str) -> list[str]:
    return [s for s in markdown.splitlines() if s.startswith(gip.FAILURE_MARK)]


def sent(google: StandIn) -> Any:
    """The only request for a picture that was made."""
    [request] = posts(google)
    assert request.status == 200
    return request


# ── Turn after turn ──────────────────────────────────────────────────────────────────


def test_each_turn_carries_the_earlier_pictures_bytes_and_the_user_s_words(
    google: StandIn,
) -> None:
    """Without a host the answers hold their pictures themselves, notes and all: what
    comes back is what a chat really holds."""
    history: list[dict[str, Any]] = []
    prompts = ["a red fox", "make it blue", "as a stamp"]
    for number, prompt in enumerate(prompts):
        google.requests.clear()
        history.append(user(prompt))
        markdown = ask(google, *history)
        history.append(model(markdown))
        request = sent(google)
        assert request.images == google.sent_images[:number]
        assert [t for t in request.texts if t in prompts] == prompts[: number + 1]
        assert request.texts[-1] == prompt
        assert not failures(markdown) and not notes(markdown)
        for text in request.texts:
            assert "base64" not in text and gip.NOTE_MARK not in text


def test_a_picture_that_is_not_decoded_in_time_ends_the_answer(
    google: StandIn,
) -> None:
    """A line before the decoding of pictures is no reason to wait for ever."""
    may_end = threading.Event()

    def work() -> None:
        may_end.wait(LIMIT_S)

    gip.PICTURE_WORK.start(work)
    try:
        pipe = pipe_for(google, REQUEST_TIMEOUT=1)
        request = attached("blue", uri(encoded(1, "GIF")))
        [failure] = failures(ask(google, request, pipe=pipe))
    finally:
        may_end.set()
    assert "waited in line" in failure
    assert not posts(google)


def test_links_of_earlier_answers_give_the_same(
    google: StandIn, files: dict[str, bytes]
) -> None:
    history = [
        user("a fox"),
        model(f"Here.\n\n![a fox]({LINKS[0]})\n\n"),
        user("blue"),
        model(f"![blue](http://h.example{LINKS[1]})"),
        user("as a stamp"),
    ]
    request = SimpleNamespace(base_url="http://h.example/")
    markdown = ask(google, *history, __request__=request)
    assert sent(google).images == [ONE, TWO]
    assert sent(google).texts == ["a fox", "Here.", "blue", "as a stamp"]
    assert not notes(markdown)


@pytest.mark.parametrize(
    ("history_images", "images"), [(0, []), (1, [THREE]), (2, [TWO, THREE])]
)
def test_the_setting_bounds_what_goes_along(
    google: StandIn, files: dict[str, bytes], history_images: int, images: list[bytes]
) -> None:
    turns = [m for each in LINKS[:3] for m in (user("x"), model(f"![]({each})"))]
    pipe = pipe_for(google, HISTORY_IMAGES=history_images)
    markdown = ask(google, *turns, user("blue"), pipe=pipe)
    assert sent(google).images == images
    assert len(notes(markdown)) == (history_images > 0)


def test_another_model_goes_on_with_the_picture(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """Pictures of a model's turn would need its own signature."""
    history = [user("a fox"), model(f"![]({LINKS[0]})"), user("blue")]
    for name in ("gemini-3-pro-image", "gemini-3.1-flash-image", NO_SYSTEM):
        google.requests.clear()
        ask(google, *history, of=name)
        assert sent(google).images == [ONE]
        assert all(
            "inlineData" not in part
            for content in sent(google).body["contents"]
            if content["role"] == "model"
            for part in content["parts"]
        )


# ── Attached pictures ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(uri, id="data-uri"),
        pytest.param(lambda data: LINKS[PHOTOS.index(data)], id="link"),
        pytest.param(lambda data: IDS[PHOTOS.index(data)], id="bare-id"),
    ],
)
def test_all_attached_pictures_arrive_equal_and_in_order(
    google: StandIn, files: dict[str, bytes], address: Any
) -> None:
    """ "The dog of the first on the sofa of the second" needs a first and a second."""
    ask(google, attached("the first on the second", *map(address, PHOTOS)))
    assert sent(google).images == PHOTOS
    labels = [f"Picture {number}" for number in range(1, 5)]
    assert sent(google).texts == [*labels, "the first on the second"]


def labelled(google: StandIn) -> list[tuple[str, bytes]]:
    """The pictures of the only request, each with the text that stands before it."""
    parts = sent(google).body["contents"][-1]["parts"]
    pairs = itertools.pairwise([{"text": ""}, *parts])
    return [
        (before.get("text", ""), base64.b64decode(part["inlineData"]["data"]))
        for before, part in pairs
        if "inlineData" in part
    ]


def test_several_attached_pictures_are_numbered_as_the_user_counts_them(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """What is left out keeps its number, and its note names it."""
    drawn = [user("a fox"), model(f"![]({LINKS[3]})")]
    broken = uri(TWO)[:-30]

    def check(
        history: list[Any],
        addresses: list[str],
        expected: list[tuple[str, bytes]],
        note: str,
    ) -> None:
        google.requests.clear()
        markdown = ask(google, *history, attached("the first", *addresses))
        assert labelled(google) == expected
        assert sent(google).texts[-1] == "the first"
        assert [said.partition(" was")[0] for said in notes(markdown)] == [note][
            : bool(note)
        ]

    one, two, three = ("Picture 1", ONE), ("Picture 2", TWO), ("Picture 3", THREE)
    earlier = ("Earlier picture", FOUR)
    check_rows(
        [
            ([], [uri(ONE)], [("", ONE)], ""),
            (drawn, [uri(ONE)], [("a fox", FOUR), ("", ONE)], ""),
            ([], [uri(ONE), uri(TWO)], [one, two], ""),
            (drawn, [uri(ONE), uri(TWO)], [earlier, one, two], ""),
            ([], [uri(ONE), broken, uri(THREE)], [one, three], "Picture 2"),
            ([], [uri(ONE), LINKS[2]], [one, ("Picture 2", THREE)], ""),
            ([], [uri(ONE), LINKS[0]], [("Picture 1, Picture 2", ONE)], ""),
            (
                [],
                [uri(ONE), uri(TWO), uri(ONE), uri(THREE)],
                [("Picture 1, Picture 3", ONE), two, ("Picture 4", THREE)],
                "",
            ),
            (drawn, [uri(ONE), uri(FOUR)], [one, ("Picture 2", FOUR)], ""),
        ],
        check,
    )


def test_a_note_names_one_of_several_pictures_by_number_and_name(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def by_id(self: gip.HostChat, file_id: str) -> gip.FoundPicture:
        return gip.FoundPicture("logo.svg", 6, lambda: b"<svg/>")

    monkeypatch.setattr(gip.HostChat, "_find_file", by_id)
    [note] = notes(ask(google, attached("blue", uri(ONE), IDS[0])))
    assert note.startswith("Picture 2 (logo.svg) was left out")


def test_a_drawing_counts_where_the_user_attached_it(google: StandIn) -> None:
    """The host puts the others into the message, and leaves it in the files."""
    entries = [
        {"type": "file", "url": f"{n}", "content_type": f"image/{form}"}
        for n, form in enumerate(("png", "svg+xml", "png"))
    ]
    message = attached("the first", uri(ONE), uri(TWO))
    markdown = ask(google, message, __files__=entries)
    assert labelled(google) == [("Picture 1", ONE), ("Picture 3", TWO)]
    assert len(notes(markdown)) == 1


def test_a_drawing_that_the_host_inlines_counts_once(google: StandIn) -> None:
    """Hosts from 0.6.43 to 0.10.2 put it into the message, too."""
    entries = [
        {"type": "file", "url": f"{n}", "content_type": f"image/{form}"}
        for n, form in enumerate(("png", "svg+xml", "png"))
    ]
    drawing = "data:image/svg+xml;base64,PHN2Zy8+"
    message = attached("the first", uri(ONE), drawing, uri(TWO))
    markdown = ask(google, message, __files__=entries)
    assert labelled(google) == [("Picture 1", ONE), ("Picture 3", TWO)]
    [note] = notes(markdown)
    assert note.startswith("Picture 2 was left out: SVG")


def test_an_address_in_the_words_is_no_attached_picture(google: StandIn) -> None:
    words = "like https://web.example/a.png"
    markdown = ask(google, attached(words, uri(ONE)))
    assert labelled(google) == [("", ONE)]
    assert len(notes(markdown)) == 1
    google.requests.clear()
    ask(google, attached(words, uri(ONE), uri(TWO)))
    assert labelled(google) == [("Picture 1", ONE), ("Picture 2", TWO)]


def test_numbers_stay_where_a_system_prompt_is_refused(google: StandIn) -> None:
    message = attached("the first", uri(ONE), uri(TWO))
    ask(google, system("Blue."), message, of=NO_SYSTEM)
    texts = posts(google)[-1].texts
    assert texts == ["Picture 1", "Picture 2", "Blue.\n\nthe first"]


def test_earlier_results_stand_before_the_attached_pictures(
    google: StandIn, files: dict[str, bytes]
) -> None:
    history = [user("a fox"), model(f"![]({LINKS[0]})")]
    ask(google, *history, attached("with this hat", uri(TWO), uri(THREE)))
    assert sent(google).images == [ONE, TWO, THREE]


def test_a_result_that_is_attached_again_goes_once_in_the_user_s_order(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """It comes back as an upload: other address, same bytes."""
    history = [user("a fox"), model(f"![]({LINKS[1]})")]
    ask(google, *history, attached("the first on the second", uri(ONE), uri(TWO)))
    assert sent(google).images == [ONE, TWO]


def test_a_picture_alone_is_sent_without_empty_words(google: StandIn) -> None:
    ask(google, attached("", uri(ONE)))
    assert sent(google).images == [ONE] and sent(google).texts == []


def test_pictures_that_only_the_files_name_are_sent(
    google: StandIn, files: dict[str, bytes]
) -> None:
    entries = [{"type": "image", "url": LINKS[0]}, {"type": "file", "url": LINKS[1]}]
    ask(google, user("blue"), __files__=entries)
    assert sent(google).images == [ONE]


def test_the_type_that_is_sent_is_that_of_the_bytes(google: StandIn) -> None:
    """image/jpg is no type, and clients call everything PNG."""
    written = uri(TWO).replace("image/jpeg", "image/jpg")
    ask(google, attached("blue", written, uri(THREE).replace("webp", "png")))
    parts = sent(google).body["contents"][0]["parts"]
    types = [p["inlineData"]["mimeType"] for p in parts if "inlineData" in p]
    assert types == ["image/jpeg", "image/webp"]


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "AVIF"])
def test_a_format_that_google_lacks_arrives_as_png(google: StandIn, form: str) -> None:
    """One GIF in an old turn would else block the chat for ever."""
    data = encoded(5, form)
    ask(google, attached("x", uri(data)), model("Nice."), user("blue"))
    [image] = sent(google).images
    assert gip.image_type(image) == "image/png"


def test_too_many_attached_pictures_are_cut_and_counted(google: StandIn) -> None:
    markdown = ask(google, attached("all", *map(uri, PHOTOS)), of=NO_SYSTEM)
    assert sent(google).images == PHOTOS[:3]
    [note] = notes(markdown)
    assert "3" in note and "4" in note


def test_earlier_pictures_make_room_for_attached_ones(
    google: StandIn, files: dict[str, bytes]
) -> None:
    turns = [m for each in LINKS[:2] for m in (user("x"), model(f"![]({each})"))]
    markdown = ask(google, *turns, attached("x", uri(THREE), uri(FOUR)), of=NO_SYSTEM)
    assert sent(google).images == [TWO, THREE, FOUR]
    assert len(notes(markdown)) == 1


# ── What the page shows and the host does not send ───────────────────────────────────


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A saved chat whose first answer holds a picture in its files; the ids of the
    chats that are looked up."""
    looked_up: list[str] = []
    files = [{"type": "image", "url": LINKS[0]}]
    messages = {
        "q1": {"role": "user", "content": "a fox", "parentId": None},
        "a1": {"role": "assistant", "content": "x", "parentId": "q1", "files": files},
        "q2": {"role": "user", "content": "blue", "parentId": "a1"},
        "a2": {"role": "assistant", "content": "", "parentId": "q2"},
    }

    async def saved_chat(self: gip.HostChat) -> Any:
        looked_up.append(self.chat_id)
        return {"history": {"messages": messages, "currentId": "a2"}}

    monkeypatch.setattr(gip.HostChat, "saved_chat", saved_chat)
    return looked_up


def test_a_picture_that_stands_in_files_alone_is_changed(
    google: StandIn, files: dict[str, bytes], saved: list[str]
) -> None:
    metadata = {"chat_id": "c", "message_id": "a2"}
    turns = [user("a fox"), model("x"), user("make it blue")]
    ask(google, *turns, __metadata__=metadata)
    assert sent(google).images == [ONE]
    # So does a model that cannot: another one changes it.
    google.requests.clear()
    pipe = pipe_for(google, "/legacy")
    ask(google, *turns, __metadata__=metadata, of="imagen-4.0-generate-001", pipe=pipe)
    assert sent(google).images == [ONE]
    assert saved == ["c", "c"]


def test_a_chat_is_looked_up_only_where_it_can_matter(
    google: StandIn, files: dict[str, bytes], saved: list[str]
) -> None:
    place = {"__metadata__": {"chat_id": "c", "message_id": "a2"}}
    turns = [user("a fox"), model("x"), user("make it blue")]
    ask(google, user("a fox"), **place)
    ask(google, *turns, **place, __task__="title_generation")
    ask(google, *turns, **place, pipe=pipe_for(google, HISTORY_IMAGES=0))
    assert saved == []
    assert all(request.images == [] for request in posts(google))


# ── What cannot be sent ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        "![]({})",
        "{}",
        "As in {}.",
    ],
)
@pytest.mark.parametrize(
    "address",
    [
        "https://cdn.example.org/a.png",
        "/cache/image/generations/a.png",
        "https://other.example/api/v1/files/3f1c0000-0000-4000-8000-000000000001/content",
    ],
)
def test_a_picture_elsewhere_gives_the_same_note_wherever_it_stands(
    google: StandIn, files: dict[str, bytes], text: str, address: str
) -> None:
    """Once, and in no other picture's place."""
    said = text.format(address)
    request = SimpleNamespace(base_url="http://h.example/")
    answered = [user("a fox"), model(f"![]({LINKS[0]})")]
    note = [in_english(gip.make_note("remote"))]
    for history in (
        [*answered, user(f"Blue. {said}")],
        [*answered, user(said), model("Here."), user("Blue.")],
        [*answered, user("again"), model(said), user("Blue.")],
        [*answered, user(said), model(f"{said}\n{said}"), user(f"Blue. {said}")],
    ):
        google.requests.clear()
        pipe = pipe_for(google, HISTORY_IMAGES=1)
        markdown = ask(google, *history, pipe=pipe, __request__=request)
        assert sent(google).images == [ONE]
        assert notes(markdown) == note


def test_lost_pictures_take_no_other_s_place(
    google: StandIn, files: dict[str, bytes]
) -> None:
    del files[IDS[2]], files[IDS[1]]
    turns = [m for each in LINKS for m in (user("x"), model(f"![]({each})"))]
    pipe = pipe_for(google, HISTORY_IMAGES=2)
    markdown = ask(google, *turns, user("blue"), pipe=pipe)
    no_file = gip.make_note("no_file", name=gip.make_note("a_picture"))
    assert sent(google).images == [ONE, FOUR]
    assert notes(markdown) == [in_english(no_file)]


def test_lost_pictures_are_not_looked_for_without_end(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    async def by_id(self: gip.HostChat, file_id: str) -> gip.FoundPicture:
        looked.append(file_id)
        raise gip.UnusablePicture("no_file")

    monkeypatch.setattr(gip.HostChat, "_find_file", by_id)
    links = " ".join(
        f"![](/api/v1/files/{IDS[0][:-4]}{n:04}/content)" for n in range(999)
    )
    markdown = ask(google, user("x"), model(links), user("blue"))
    assert len(looked) <= gip.MAX_LOST_PICTURES + 4
    assert not sent(google).images and notes(markdown)


def test_an_address_in_plain_words_is_read_and_stays(
    google: StandIn, files: dict[str, bytes]
) -> None:
    ask(google, user(f"Make {LINKS[1]} blue"))
    assert sent(google).images == [TWO]
    assert sent(google).texts == [f"Make {LINKS[1]} blue"]


def test_a_remote_picture_is_noted_and_nobody_is_asked_for_it(google: StandIn) -> None:
    """Fetching it would tell its owner who looks, or reach what only the server can."""
    remote = f"{google.url}/somewhere/a.png"
    history = [user("a fox"), model(f"![]({remote})")]
    markdown = ask(google, *history, attached("blue", remote, uri(ONE)))
    assert not [r for r in google.requests if "somewhere" in r.path]
    assert google.elsewhere == []
    assert sent(google).images == [ONE]
    assert len(notes(markdown)) == 1 and "attach" in notes(markdown)[0]
    assert len(shown(markdown)) == 1


@pytest.mark.parametrize(
    "address",
    [
        pytest.param(LINKS[0], id="deleted-or-foreign"),
        pytest.param(f"http://[{LINKS[1]}", id="no-address"),
        pytest.param(f"http://\u2100.example{LINKS[1]}", id="no-host-name"),
        pytest.param("data:image/png;base64,", id="empty"),
        pytest.param("data:image/png;base64,AAAA", id="no-picture"),
        pytest.param(uri(ONE)[:-30], id="cut-off"),
        pytest.param("data:image/svg+xml;base64,PHN2Zy8+", id="svg"),
        pytest.param("data:application/pdf;base64,JVBERi0=", id="pdf"),
    ],
)
@pytest.mark.parametrize("place", ["attached", "earlier"])
def test_an_unusable_picture_is_noted_and_the_rest_goes_on(
    google: StandIn, files: dict[str, bytes], address: str, place: str
) -> None:
    """An exception here would come back with every later message of the chat."""
    del files[IDS[0]]
    if place == "attached":
        markdown = ask(google, attached("blue", address, uri(TWO)))
    else:
        history = [user("a fox"), attached("x", address), model("Nice.")]
        markdown = ask(google, *history, attached("blue", uri(TWO)))
    assert sent(google).images == [TWO]
    assert len(notes(markdown)) == 1 and not failures(markdown)


def test_links_to_pictures_elsewhere_do_not_displace_the_last_result(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """A search result of another model holds several of them; they cannot be sent."""
    logos = "".join(f"![](https://web.example/{n}.png)" for n in range(6))
    history = [user("a fox"), model(f"![]({LINKS[0]})"), user("news?"), model(logos)]
    ask(google, *history, user("make the fox blue"))
    assert sent(google).images == [ONE]


def test_only_an_unusable_picture_and_no_words_asks_for_words(
    google: StandIn,
) -> None:
    markdown = ask(google, attached("", "https://web.example/a.png"))
    assert posts(google) == []
    assert len(failures(markdown)) == len(notes(markdown)) == 1


@pytest.mark.parametrize(
    "name",
    ["![x](https://evil.example/x.png).svg", "<img src=//evil.example>.svg", "a`b.svg"],
)
def test_a_file_s_name_does_not_load_a_picture_into_the_note(
    google: StandIn, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Names come from whoever uploaded the file."""

    async def by_id(self: gip.HostChat, file_id: str) -> gip.FoundPicture:
        return gip.FoundPicture(name, 6, lambda: b"<svg/>")

    monkeypatch.setattr(gip.HostChat, "_find_file", by_id)
    [note] = notes(ask(google, attached("blue", IDS[0])))
    assert "![" not in note and "<" not in note and "](" not in note


# ── What is said by whom ─────────────────────────────────────────────────────────────


def test_notes_and_failures_do_not_come_back_as_words(
    google: StandIn, files: dict[str, bytes]
) -> None:
    first = ask(google, attached("a fox", "https://web.example/a.png"))
    failed = ask(google, user("a fox [[error 403]]"))
    assert notes(first) and failures(failed)
    google.requests.clear()
    ask(google, user("a fox"), model(first), user("again"), model(failed), user("blue"))
    said = " ".join(sent(google).texts)
    assert "left out" not in said and "**" not in said and ">" not in said
    assert said.endswith("again blue")


def test_what_the_host_remembers_of_a_message_does_not_replace_it(
    google: StandIn,
) -> None:
    """A filter took something out of it, or the wish of another try stands last."""
    told = {
        "base_user_prompt": "a badge for SECRET",
        "user_prompt": "a badge for SECRET",
        "user_message": {"content": "a badge for SECRET"},
    }
    parts = [{"type": "text", "text": text} for text in ("a badge", "for [gone] --n 2")]
    markdown = ask(google, user(parts), __metadata__=told)
    assert [request.texts for request in posts(google)] == [["a badge\nfor [gone]"]] * 2
    assert "SECRET" not in markdown


# ── System prompts ───────────────────────────────────────────────────────────────────


def test_system_prompts_reach_the_model_once(google: StandIn) -> None:
    ask(
        google,
        system("Blue."),
        system([{"text": "Wide."}]),
        user("a fox"),
        system("Blue."),
    )
    body = sent(google).body
    assert body["systemInstruction"] == {"parts": [{"text": "Blue.\n\nWide."}]}
    assert sent(google).texts == ["a fox"]


def test_where_it_is_refused_it_stands_before_the_newest_words(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """Folders and presets bring one along; nobody in the chat could remove it."""
    history = [user("a fox"), model(f"Nice.![]({LINKS[0]})"), user("at night")]
    markdown = ask(google, system("Always blue."), *history, of=NO_SYSTEM)
    refused, accepted = posts(google)
    assert (refused.status, accepted.status) == (400, 200)
    assert "systemInstruction" not in accepted.body
    assert accepted.texts == ["a fox", "Nice.", "Always blue.\n\nat night"]
    assert accepted.images == [ONE]
    assert not notes(markdown) and not failures(markdown)
    assert len(shown(markdown)) == 1
    assert re.findall(r"!\[([^\]]*)\]", markdown) == ["at night"]


def test_several_pictures_with_a_refused_system_prompt(google: StandIn) -> None:
    body = {
        "model": f"x.{NO_SYSTEM}",
        "messages": [system("Blue."), attached("a fox", uri(ONE))],
        "n": 3,
    }
    markdown = words_of(asyncio.run(pipe_for(google).pipe(body)))
    assert len(shown(markdown)) == 3 and not failures(markdown)
    assert all(request.images == [ONE] for request in posts(google))


# ── A model that cannot edit ─────────────────────────────────────────────────────────


def test_a_model_that_draws_only_hands_a_picture_to_one_that_edits(
    google: StandIn,
) -> None:
    pipe = pipe_for(google, "/legacy")
    name = "imagen-4.0-generate-001"
    markdown = ask(google, attached("blue", uri(ONE)), of=name, pipe=pipe)
    assert sent(google).model == "gemini-nano-banana-2.1"
    assert sent(google).images == [ONE]
    [note] = notes(markdown)
    assert name in note and "gemini-nano-banana-2.1" in note


def test_without_a_picture_it_draws_itself(google: StandIn) -> None:
    pipe = pipe_for(google, "/legacy", HISTORY_IMAGES=0)
    history = [user("a fox"), model(f"![]({uri(ONE)})"), user("a house")]
    ask(google, *history, of="imagen-4.0-generate-001", pipe=pipe)
    assert sent(google).path.endswith(":predict")


def test_a_picture_that_nobody_may_edit_is_not_passed_over_in_silence(
    google: StandIn,
) -> None:
    """Else the answer is a picture that has nothing to do with the attached one."""
    pipe = pipe_for(google, "/legacy", FOLLOW_SUCCESSORS=False)
    name = "imagen-4.0-generate-001"
    markdown = ask(google, attached("blue", uri(ONE)), of=name, pipe=pipe)
    assert notes(markdown) or failures(markdown)


# ── Where it is asked ────────────────────────────────────────────────────────────────


def test_a_channel_s_turn_is_sent_without_names(
    google: StandIn, files: dict[str, bytes]
) -> None:
    """Earlier pictures stand in the system message, and must not be drawn as words."""
    thread = system(f"Thread:\n\nAnn: a fox\n\nNano Banana 2.1: ![a fox]({LINKS[0]})")
    markdown = ask(
        google,
        thread,
        user("Ann: @Nano Banana 2.1 make it blue"),
        __metadata__={"chat_id": "channel:c", "model": {"name": "Nano Banana 2.1"}},
        __user__={"id": "u", "name": "Ann"},
    )
    assert sent(google).images == [ONE]
    assert sent(google).texts == ["make it blue"]
    assert "![make it blue](" in markdown
    assert "/api/v1" not in str(sent(google).body["systemInstruction"])


@pytest.mark.parametrize("chat_id", [None, "", "local:x", "temporary:x", "c0ffee"])
def test_every_place_gets_the_same(
    google: StandIn, files: dict[str, bytes], chat_id: str | None
) -> None:
    metadata = {} if chat_id is None else {"chat_id": chat_id}
    history = [system("Blue."), user("a fox"), model(f"![]({LINKS[0]})"), user("wide")]
    ask(google, *history, __metadata__=metadata)
    assert sent(google).images == [ONE]
    assert sent(google).texts == ["a fox", "wide"]


# ── Anything at all ──────────────────────────────────────────────────────────────────

addresses = st.sampled_from(
    [
        uri(ONE),
        uri(TWO),
        uri(encoded(3, "GIF")),
        uri(THREE)[:-9],
        LINKS[0],
        LINKS[3],
        f"http://h.example{LINKS[1]}",
        f"http://[{LINKS[2]}",
        "https://web.example/a.png",
        "data:image/svg+xml;base64,PHN2Zy8+",
        "data:,x",
        IDS[1],
        "x",
        "",
    ]
)
said = st.sampled_from(
    [
        "",
        " ",
        "a fox",
        "Ann: @x blue",
        f"{gip.FAILURE_MARK}**Overloaded.** Wait.",
        f"{gip.NOTE_MARK}x\n\n",
        "<context>x</context>",
        '<details type="reasoning">x</details>',
        "\ud83d",
        "\x00",
        '"data": "picture 0"',
    ]
) | addresses.map(lambda each: f"Here ![a]({each} 't') ![]({each}) {each}")
odd = st.none() | st.booleans() | st.integers() | st.lists(st.none(), max_size=1)
images = st.fixed_dictionaries(
    {"image_url": addresses | odd | st.fixed_dictionaries({"url": addresses | odd})},
    optional={"type": st.just("image_url"), "text": said | odd},
)
contents = (
    said | odd | st.lists(said | odd | images | st.fixed_dictionaries({"text": said}))
)
roles = st.sampled_from(
    ["user", "user", "assistant", "assistant", "system", "tool", "developer", None, 7]
)
histories = st.lists(
    st.fixed_dictionaries({"role": roles, "content": contents})
    | st.fixed_dictionaries({"role": roles})
    | odd,
    max_size=7,
)
entries = st.none() | st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["image", "file", None]), "url": addresses | odd}
    ),
    max_size=2,
)


@given(
    histories, contents, entries, st.sampled_from([NO_SYSTEM, "gemini-3.1-flash-image"])
)
def test_any_messages_give_an_answer_and_no_request_that_google_refuses(
    google: StandIn,
    files: dict[str, bytes],
    history: list[Any],
    newest: Any,
    entries: Any,
    name: str,
) -> None:
    """A refused request comes back with each later message: the chat is lost."""
    google.requests.clear()
    body = {
        "model": f"x.{name}",
        "messages": [*history, user(newest)],
        "image_size": "512",
        "stream": False,
    }
    host = SimpleNamespace(base_url="http://h.example/")
    work = pipe_for(google).pipe(body, __files__=entries, __request__=host)
    markdown = words_of(asyncio.run(work))
    assert markdown
    markdown.encode()
    assert "in the plugin" not in markdown
    requests = posts(google)
    if requests:
        assert requests[-1].status == 200, markdown
        assert len(requests) == 1 or "systemInstruction" in requests[0].body
