"""On a real host: pictures of a chat go along with the next message, and words only.

What Google gets is compared byte by byte with what was attached and what it sent.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from dev.host import people, plugin
from dev.host.browser import ChatPage
from dev.host.channel import Channel, open_channel
from dev.host.client import (
    EVERYBODY,
    Answer,
    Chat,
    Client,
    Json,
    UploadedFile,
    content_of,
    notes_of,
    picture_links,
    text_of,
)
from dev.host.pictures import digest, drawn, fetch_picture, pictures_of
from dev.host.server import Host
from dev.host.traffic import drawings, received, sent, texts
from dev.host.website import open_website
from dev.standin import StandInProcess
from dev.standin.pictures import make_picture

NANO_BANANA = f"{plugin.FUNCTION_ID}.gemini-2.5-flash-image"  # no systemInstruction
NANO_BANANA_2 = f"{plugin.FUNCTION_ID}.gemini-3.1-flash-image"
SAID = "Here is the picture you asked for."  # by the stand-in
NOT_YOURS = "it has been deleted, or is not yours to use"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'


def as_data_uri(data: bytes, mime: str) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def upload(user: Client, name: str, form: str, colour: str = "orange") -> UploadedFile:
    data = drawn(form, colour)
    return user.upload(name, f"image/{form.lower()}", data)


def instruction(google: StandInProcess) -> str:
    parts = (drawings(google)[-1]["body"].get("systemInstruction") or {}).get("parts")
    return "".join(part["text"] for part in parts or [])


def file_id(link: str) -> str:
    return link.rpartition("/api/v1/files/")[2].partition("/")[0]


# -- turn by turn --------------------------------------------------------------------


def test_three_turns_carry_the_pictures_and_the_words_as_typed(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    chat.ask("A red fox.\nIn *snow* <3 & more")
    assert received(google) == []
    chat.ask("Make it blue.")
    assert received(google) == sent(google)[:1]
    answer = chat.ask("Now as a stamp")
    assert received(google) == sent(google)[:2]
    assert texts(google) == [
        "A red fox.\nIn *snow* <3 & more",
        SAID,
        "Make it blue.",
        SAID,
        "Now as a stamp",
    ]
    assert instruction(google) == ""
    assert notes_of(answer) == []
    [picture] = pictures_of(user, answer)
    assert picture.digest == sent(google)[-1]


def test_the_plugin_s_own_sentences_do_not_come_back(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(f"{plugin.FUNCTION_ID}.imagen-3.0-generate-002")
    assert notes_of(chat.ask("a red fox"))
    assert notes_of(chat.ask("a hat [[finish SAFETY]]"))
    chat.ask("make it blue")
    words = ["a red fox", SAID, "a hat [[finish SAFETY]]\n\nmake it blue"]
    assert "\n\n".join(texts(google)) == "\n\n".join(words)
    assert received(google) == sent(google)[:1]


def test_another_model_goes_on_after_a_restart(
    google_process: StandInProcess, tmp_path: Path
) -> None:
    google_process.reset()
    with Host(data_dir=tmp_path / "data") as host:
        admin = Client.sign_up(host.url, people.ADMIN)
        plugin.install(admin, google_process.url)
        chat = admin.new_chat(plugin.AUTO_MODEL)
        dog = upload(admin, "dog.png", "PNG")
        chat.ask("a red fox beside this dog", [dog])
    with Host(data_dir=tmp_path / "data") as host:
        admin = Client.sign_in(host.url, people.ADMIN)
        chat = admin.open_chat(chat.id, NANO_BANANA_2)
        answer = chat.ask("make it blue")
        assert len(pictures_of(admin, answer)) == 1
    assert drawings(google_process)[-1]["model"] == "gemini-3.1-flash-image"
    assert received(google_process) == [digest(dog.data), *sent(google_process)[:1]]
    assert texts(google_process) == ["a red fox beside this dog", SAID, "make it blue"]


@pytest.mark.parametrize(("limit", "goes"), [(0, 0), (1, 1)])
def test_the_administrator_limits_earlier_pictures(
    user: Client, google: StandInProcess, valves: Any, limit: int, goes: int
) -> None:
    valves(HISTORY_IMAGES=limit)
    chat = user.new_chat(plugin.AUTO_MODEL)
    prompts = ("a red fox", "make it blue", "make it green", "as a stamp")
    answers = [chat.ask(prompt) for prompt in prompts]
    assert received(google) == sent(google)[:3][3 - goes :]
    # From the third picture on one is left out, which is said once in a chat.
    assert [len(notes_of(answer)) for answer in answers] == [0, 0, 1 if limit else 0, 0]
    dog = upload(user, "dog.png", "PNG")
    chat.ask("put this beside it", [dog])
    assert received(google)[-1] == digest(dog.data)


# -- what is attached ----------------------------------------------------------------


def test_attached_pictures_arrive_as_they_are_and_in_order(
    user: Client, google: StandInProcess
) -> None:
    dog = upload(user, "dog.png", "PNG", "brown")
    sofa = upload(user, "sofa.jpg", "JPEG", "red")
    room = upload(user, "room.webp", "WEBP", "grey")
    prompt = "put the dog of the first on the sofa of the second"
    chat = user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask(prompt, [dog, sofa, room])
    attached = [digest(file.data) for file in (dog, sofa, room)]
    assert received(google) == attached
    mimes = [image["mime"] for image in drawings(google)[-1]["images"]]
    assert mimes == ["image/png", "image/jpeg", "image/webp"]
    labels = ["Picture 1", "Picture 2", "Picture 3"]
    assert texts(google) == [*labels, prompt]
    assert notes_of(answer) == []

    chat.ask("now at night")
    assert received(google) == [*attached, *sent(google)[:1]]
    assert texts(google) == [prompt, SAID, "now at night"]


def test_formats_that_google_does_not_read_are_converted(
    user: Client, google: StandInProcess
) -> None:
    forms = ["GIF", "BMP", "TIFF", "AVIF"]
    colours = ["red", "green", "blue", "black"]
    files = [
        upload(user, f"picture.{form.lower()}", form, colour)
        for form, colour in zip(forms, colours, strict=True)
    ]
    answer = user.new_chat(plugin.AUTO_MODEL).ask("draw a fox on these", files)
    images = drawings(google)[-1]["images"]
    assert [image["mime"] for image in images] == ["image/png"] * 4
    # The stand-in decodes each, and the lossless ones, packed as quickly, show which is
    # which.
    lossless = [digest(drawn("PNG", c, compress_level=2)) for c in colours[:3]]
    assert [image["sha256"] for image in images][:3] == lossless
    assert notes_of(answer) == []


def test_heic_goes_as_it_is(user: Client, google: StandInProcess) -> None:
    # Nothing here writes HEIC; it is the same container as AVIF.
    data = drawn("AVIF").replace(b"ftypavif", b"ftypheic", 1)
    photo = user.upload("IMG_0001.HEIC", "image/heic", data)
    answer = user.new_chat(plugin.AUTO_MODEL).ask("make it blue", [photo])
    assert drawings(google)[-1]["images"] == [
        {"sha256": digest(data), "size": len(data), "mime": "image/heic"}
    ]
    assert notes_of(answer) == []


def test_a_drawing_is_left_out_by_name(user: Client, google: StandInProcess) -> None:
    logo = user.upload("logo.svg", "image/svg+xml", SVG)
    answer = user.new_chat(plugin.AUTO_MODEL).ask("make it blue", [logo])
    [note] = notes_of(answer)
    assert "logo.svg" in note
    assert "PNG" in note
    assert picture_links(answer.content)
    assert texts(google) == ["make it blue"]


def test_a_drawing_is_told_of_once(user: Client, google: StandInProcess) -> None:
    logo = user.upload("logo.svg", "image/svg+xml", SVG)
    chat = user.new_chat(plugin.AUTO_MODEL)
    chat.ask("make it blue", [logo])
    answer = chat.ask("make it green")
    assert notes_of(answer) == []
    assert received(google) == sent(google)[:1]


def test_a_drawing_beside_a_picture_is_left_out_by_name(
    user: Client, google: StandInProcess
) -> None:
    dog = upload(user, "dog.png", "PNG")
    logo = user.upload("logo.svg", "image/svg+xml", SVG)
    answer = user.new_chat(plugin.AUTO_MODEL).ask("put it on it", [dog, logo])
    assert received(google) == [digest(dog.data)]
    [note] = notes_of(answer)
    assert "logo.svg" in note


def test_a_damaged_picture_is_a_note(user: Client, google: StandInProcess) -> None:
    half = user.upload(
        "half.png", "image/png", make_picture("a", (64, 64), "image/png")
    )
    broken = user.upload("half.png", "image/png", half.data[: len(half.data) // 2])
    dog = upload(user, "dog.png", "PNG")
    answer = user.new_chat(plugin.AUTO_MODEL).ask("make it blue", [broken, dog])
    assert received(google) == [digest(dog.data)]
    [note] = notes_of(answer)
    assert "damaged" in note


def test_documents_go_beside_the_words(user: Client, google: StandInProcess) -> None:
    secret = "The fox is called Xerxes."
    note = {"type": "text", "id": "n1", "name": "notes.txt", "content": secret}
    files = [{**note, "context": "full"}]
    chat = user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask("a red fox", files=files)
    assert secret in str(answer.raw["sources"])  # the host did wrap the words
    document = f'Document "notes.txt":\n\n{secret}'
    assert texts(google) == [document, "a red fox"]
    dog = upload(user, "dog.png", "PNG")
    answer = chat.ask("with this dog", [dog], files=files)
    assert secret in str(answer.raw["sources"])
    assert texts(google) == ["a red fox", SAID, document, "with this dog"]
    assert received(google) == [*sent(google)[:1], digest(dog.data)]
    assert instruction(google) == ""


def test_pictures_in_documents_are_not_attached(
    user: Client, google: StandInProcess
) -> None:
    file = upload(user, "own.png", "PNG")
    text = f"![logo](http://example.org/logo.png) and ![own]({file.link})"
    document = {"type": "text", "id": "d1", "name": "notes.md", "content": text}
    answer = user.new_chat(plugin.AUTO_MODEL).ask(
        "a red fox", files=[{**document, "context": "full"}]
    )
    assert file.link in str(answer.raw["sources"])
    assert received(google) == []
    assert notes_of(answer) == []


# -- whose pictures ------------------------------------------------------------------


def naming(file: UploadedFile, host: str, way: str) -> str | list[Json]:
    """A message that names a file in one of the ways there are."""
    if way.startswith("markdown"):
        address = host if way.endswith("absolute") else ""
        return f"make it blue ![it]({address}{file.link})"
    url = {
        "link": file.link,
        "absolute link": host + file.link,
        "id": file.id,
        "id as text": file.id,
    }[way]
    image = url if way == "id as text" else {"url": url}
    return [
        {"type": "text", "text": "make it blue"},
        {"type": "image_url", "image_url": image},
    ]


WAYS = [
    "markdown",
    "markdown absolute",
    "link",
    "absolute link",
    "id",
    "id as text",
]


@pytest.mark.parametrize(
    ("way", "stream"), [*((way, False) for way in WAYS), ("markdown", True)]
)
def test_a_file_is_read_for_its_owner_and_administrators_only(
    user: Client,
    second_user: Client,
    admin: Client,
    google: StandInProcess,
    way: str,
    stream: bool,
) -> None:
    # Links and ids in image_url the host replaces by the bytes itself, where its own
    # rule lets it; those in the text and absolute ones reach the plugin as they are.
    file = upload(user, "secret.png", "PNG")
    messages = [{"role": "user", "content": naming(file, user.url, way)}]

    def ask(client: Client) -> str:
        if stream:
            return text_of(client.stream(plugin.AUTO_MODEL, messages))
        return content_of(client.complete(plugin.AUTO_MODEL, messages))

    answer = ask(second_user)
    assert picture_links(answer)
    assert received(google) == []
    assert NOT_YOURS in notes_of(answer)[0]
    for client in (user, admin):
        answer = ask(client)
        assert received(google) == [digest(file.data)]
        assert texts(google) == ["make it blue"]
        assert notes_of(answer) == []


def test_a_deleted_picture_is_a_note(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    [link] = chat.ask("a red fox").picture_links
    user.request("DELETE", f"/api/v1/files/{file_id(link)}")
    answer = chat.ask("make it blue")
    assert received(google) == []
    assert len(pictures_of(user, answer)) == 1
    [note] = notes_of(answer)
    assert NOT_YOURS in note


def test_nothing_is_downloaded(user: Client, google: StandInProcess) -> None:
    with open_website() as website:
        asks_for(f"{website.url}/fox.png", user, google)
    assert website.seen == []


def asks_for(address: str, user: Client, google: StandInProcess) -> None:
    """Name a picture elsewhere in each of the ways there are."""
    in_text = f"make it blue ![it]({address})"
    # The host downloads what stands in image_url itself, loopback and the like apart.
    in_part = [
        {"type": "text", "text": "make it blue"},
        {"type": "image_url", "image_url": {"url": address}},
    ]
    for content in (in_text, in_part):
        messages = [{"role": "user", "content": content}]
        answer = content_of(user.complete(plugin.AUTO_MODEL, messages))
        assert picture_links(answer)
        [note] = notes_of(answer)
        assert "another website" in note
        assert received(google) == []


# -- what the page shows and the host does not send ------------------------------------

PAINTER = """\
class Pipe:
    async def pipe(self, body, __event_emitter__=None):
        link = body["messages"][-1]["content"]
        files = [{"type": "image", "url": link}]
        await __event_emitter__({"type": "files", "data": {"files": files}})
        return "Here it is."
"""


@pytest.fixture
def painter(admin: Client) -> Iterator[str]:
    """Another function's model, which shows the file whose link it is told."""
    about = {"id": "painter", "name": "Painter", "meta": {"description": "paints"}}
    admin.import_functions(json.dumps([{**about, "content": PAINTER}]))
    admin.toggle_function("painter")
    [model] = admin.models(prefix="painter")
    admin.grant_to_all(model)
    yield "painter"
    admin.delete_function("painter")


def test_what_another_function_shows_as_a_file_goes_along(
    user: Client, google: StandInProcess, painter: str
) -> None:
    fox = upload(user, "fox.png", "PNG")
    chat = user.new_chat(painter)
    shown = chat.ask(fox.link)
    assert [file["url"] for file in shown.raw["files"]] == [fox.link]
    chat = user.open_chat(chat.id, plugin.AUTO_MODEL)
    blue = chat.ask("make it blue")
    assert received(google) == [digest(fox.data)]
    assert notes_of(blue) == []
    chat.ask("as a stamp")
    assert received(google) == [digest(fox.data), *sent(google)[:1]]

    # Another answer to the same question does not know this one.
    chat.go_back(None)
    chat.ask("a boat")
    assert received(google) == []


def drawn_by_the_host(user: Client, *links: str) -> Chat:
    """A chat whose answer holds pictures in its files only."""
    files = [{"type": "image", "url": link} for link in links]
    return user.import_chat(
        plugin.AUTO_MODEL,
        {"role": "user", "content": "a fox"},
        {"role": "assistant", "content": "Here it is.", "files": files},
    )


def test_a_wish_for_another_answer_is_about_the_picture_in_its_files(
    user: Client, google: StandInProcess
) -> None:
    fox = upload(user, "fox.png", "PNG")
    chat = drawn_by_the_host(user, fox.link)
    [answer] = [
        Answer(message_id, message)
        for message_id, message in user.chat_history(chat.id).items()
        if message["role"] == "assistant"
    ]
    chat.ask_again(
        answer, regeneration_prompt="bluer", regeneration_message_id=answer.id
    )
    assert received(google) == [digest(fox.data)]
    assert texts(google)[-1] == "bluer"


def test_files_of_others_lost_ones_and_pages_elsewhere_are_notes(
    user: Client, second_user: Client, google: StandInProcess
) -> None:
    foreign = upload(second_user, "secret.png", "PNG")
    gone = foreign.link.replace(foreign.id, "00000000-0000-4000-8000-000000000000")
    links = [foreign.link, gone, "https://web.example/a.png", "/cache/image/a.png"]
    for link in links:
        answer = drawn_by_the_host(user, link).ask("make it blue")
        assert received(google) == []
        assert len(notes_of(answer)) == 1


def test_the_host_s_search_switch_searches_at_google(
    user: Client, google: StandInProcess
) -> None:
    features = {"web_search": True}
    chat = user.new_chat(f"{plugin.FUNCTION_ID}.gemini-nano-banana-2.1")
    chat.ask("a red fox", features=features)
    assert "googleSearch" in str(drawings(google)[-1]["body"]["tools"])
    chat.ask("a red fox --search off", features=features)
    assert "tools" not in drawings(google)[-1]["body"]
    chat.ask("a red fox")
    assert "tools" not in drawings(google)[-1]["body"]


# -- branches, copies, shares --------------------------------------------------------


def test_regenerating_takes_what_was_there_before(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    chat.ask("a red fox")
    second = chat.ask("make it blue")
    first_picture, second_picture = sent(google)
    again = chat.ask_again(second)
    assert again.raw["parentId"] == second.raw["parentId"]
    assert received(google) == [first_picture]
    assert texts(google) == ["a red fox", SAID, "make it blue"]

    # The page's "Regenerate with a suggestion" shows the answer that is to change.
    chat.ask_again(
        second, regeneration_prompt="bluer", regeneration_message_id=second.id
    )
    assert received(google) == [first_picture, second_picture]
    assert texts(google)[-1] == "bluer"


def test_a_branch_knows_only_its_own_pictures(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    fox = chat.ask("a red fox")
    blue = chat.ask("make it blue")
    chat.go_back(fox)
    chat.ask("make it green")  # instead of blue: an edited message
    fox_picture, blue_picture, green_picture = sent(google)
    assert received(google) == [fox_picture]
    assert texts(google) == ["a red fox", SAID, "make it green"]
    chat.ask("as a stamp")
    assert received(google) == [fox_picture, green_picture]
    chat.go_back(blue)
    chat.ask("as a stamp")
    assert received(google) == [fox_picture, blue_picture]
    chat.go_back(None)
    chat.ask("a boat")
    assert received(google) == []
    assert texts(google) == ["a boat"]


def test_copies_of_a_chat_go_on(user: Client, google: StandInProcess) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    fox = chat.ask("a red fox")
    chat.ask("make it blue")
    pictures = sent(google)
    clone = user.post(f"/api/v1/chats/{chat.id}/clone", {})
    user.open_chat(clone["id"], plugin.AUTO_MODEL).ask("as a stamp")
    assert received(google) == pictures
    fork = user.post(f"/api/v1/chats/{chat.id}/fork", {"message_id": fox.id})
    user.open_chat(fork["id"], plugin.AUTO_MODEL).ask("as a stamp")
    assert received(google) == pictures[:1]


def test_a_shared_chat_goes_on_as_long_as_it_is_shared(
    user: Client, second_user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    dog = upload(user, "dog.png", "PNG")
    chat.ask("a red fox beside this dog", [dog])
    pictures = [digest(dog.data), *sent(google)]
    share_id = user.post(f"/api/v1/chats/{chat.id}/share", {})["share_id"]

    def share_with(*clients: Client) -> None:
        grants = [
            {
                "principal_type": "user",
                "principal_id": client.user_id,
                "permission": "read",
            }
            for client in clients
        ]
        path = f"/api/v1/chats/shared/{chat.id}/access/update"
        user.post(path, {"access_grants": grants})

    share_with(second_user)
    clone = second_user.post(f"/api/v1/chats/{share_id}/clone/shared")
    copy = second_user.open_chat(clone["id"], plugin.AUTO_MODEL)
    first = copy.ask("make it blue")
    assert received(google) == pictures
    assert notes_of(first) == []

    share_with()
    second = copy.ask("make it green")
    assert received(google) == sent(google)[1:2]  # what the second user made
    assert NOT_YOURS in notes_of(second)[0]


# -- other ways in -------------------------------------------------------------------


def test_a_temporary_chat_edits_too(user: Client, google: StandInProcess) -> None:
    place = {"chat_id": "local:temporary"}
    dog = drawn("PNG")
    parts = [
        {"type": "text", "text": "a fox beside this dog"},
        {"type": "image_url", "image_url": {"url": as_data_uri(dog, "image/png")}},
    ]
    messages: list[Json] = [{"role": "user", "content": parts}]
    said = text_of(user.stream(plugin.AUTO_MODEL, messages, **place))
    assert received(google) == [digest(dog)]
    messages += [
        {"role": "assistant", "content": said},
        {"role": "user", "content": "make it blue"},
    ]
    assert picture_links(text_of(user.stream(plugin.AUTO_MODEL, messages, **place)))
    assert received(google) == [digest(dog), *sent(google)[:1]]
    assert texts(google) == ["a fox beside this dog", SAID, "make it blue"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_api_client_edits_over_two_turns(
    user: Client, google: StandInProcess, stream: bool
) -> None:
    def ask(messages: Sequence[Json]) -> str:
        if stream:
            return text_of(user.stream(plugin.AUTO_MODEL, messages))
        return content_of(user.complete(plugin.AUTO_MODEL, messages))

    jpeg = drawn("JPEG")
    uri = as_data_uri(jpeg, "image/jpeg")
    parts = [
        {"type": "image_url", "image_url": {"url": uri, "detail": "high"}},
        {"type": "text", "text": "make it blue"},
    ]
    messages: list[Json] = [{"role": "user", "content": parts}]
    said = ask(messages)
    assert received(google) == [digest(jpeg)]
    messages += [
        {"role": "assistant", "content": said},  # with an absolute link
        {"role": "user", "content": "as a stamp"},
    ]
    ask(messages)
    assert received(google) == [digest(jpeg), *sent(google)[:1]]
    assert texts(google) == ["make it blue", SAID, "as a stamp"]


@pytest.fixture
def presets(admin: Client, models: list[Json]) -> Iterator[dict[str, str]]:
    """Workspace models with a system prompt, by the id of the model below."""
    made = {}
    for base in (plugin.AUTO_MODEL, NANO_BANANA):
        preset = f"painter-{base.rpartition('.')[2]}"
        form = {"id": preset, "name": "Painter", "base_model_id": base, "meta": {}}
        params = {"system": "Paint in oil."}
        access = {"access_grants": [EVERYBODY]}
        admin.post("/api/v1/models/create", {**form, "params": params, **access})
        made[base] = preset
    admin.models()  # the host learns of them
    yield made
    for preset in made.values():
        admin.post("/api/v1/models/model/delete", {"id": preset})


@pytest.fixture
def folder(user: Client) -> Iterator[str]:
    """A user's folder with a system prompt of its own."""
    data = {"system_prompt": "Everything is a stamp.", "files": []}
    created = user.post("/api/v1/folders/", {"name": "Stamps", "data": data})
    yield created["id"]
    user.request("DELETE", f"/api/v1/folders/{created['id']}")


def test_system_prompts_of_presets_and_folders_arrive(
    user: Client, google: StandInProcess, presets: dict[str, str], folder: str
) -> None:
    chat = user.new_chat(presets[plugin.AUTO_MODEL])
    chat.ask("a red fox", folder_id=folder)
    chat.ask("make it blue")
    assert instruction(google).split("\n") == [
        "Paint in oil.",
        "Everything is a stamp.",
    ]
    assert texts(google) == ["a red fox", SAID, "make it blue"]
    assert received(google) == sent(google)[:1]


def test_a_model_that_refuses_system_prompts_gets_them_in_words(
    user: Client, google: StandInProcess, presets: dict[str, str], folder: str
) -> None:
    chat = user.new_chat(presets[NANO_BANANA])
    chat.ask("a red fox")
    assert texts(google) == ["Paint in oil.\n\na red fox"]
    answer = chat.ask("make it blue")
    assert instruction(google) == ""
    assert texts(google) == ["a red fox", SAID, "Paint in oil.\n\nmake it blue"]
    assert received(google) == sent(google)[:1]
    assert answer.content.startswith(SAID)
    assert notes_of(answer) == []

    chat = user.new_chat(NANO_BANANA)
    chat.ask("a boat", folder_id=folder)
    assert texts(google) == ["Everything is a stamp.\n\na boat"]


# -- channels ------------------------------------------------------------------------


@pytest.fixture
def channel(
    admin: Client, user: Client, second_user: Client, google: StandInProcess
) -> Iterator[Channel]:
    """A channel of two members, on a host that has channels."""
    with open_channel(admin, [user, second_user]) as opened:
        yield opened


def test_members_of_a_channel_edit_each_other_s_pictures(
    channel: Channel, user: Client, second_user: Client, google: StandInProcess
) -> None:
    [link] = picture_links(channel.ask(user, "a red fox"))
    assert texts(google) == ["a red fox"]
    for member in (user, second_user):
        picture = fetch_picture(member, link)
        assert picture.digest == sent(google)[0]
    channel.ask(user, "make it blue")
    assert received(google) == sent(google)[:1]
    assert texts(google) == ["make it blue"]
    answer = channel.ask(second_user, "make it green")
    assert received(google) == sent(google)[:2]
    assert texts(google) == ["make it green"]
    assert notes_of(answer) == []


def test_a_picture_attached_in_a_channel_goes_along(
    channel: Channel, user: Client, second_user: Client, google: StandInProcess
) -> None:
    about = {"channel_id": channel.id}
    dog = user.upload("dog.png", "image/png", drawn("PNG"), **about)
    channel.ask(user, "put it on a sofa", [dog])
    assert received(google) == [digest(dog.data)]
    assert texts(google) == ["put it on a sofa"]
    # The host hands over all attachments of a thread with its newest message, so
    # their place among the pictures made is not to be known.
    channel.ask(second_user, "now at night")
    assert sorted(received(google)) == sorted([digest(dog.data), *sent(google)[:1]])
    assert texts(google) == ["now at night"]


def test_failures_in_a_channel_do_not_come_back(
    channel: Channel, user: Client, google: StandInProcess
) -> None:
    assert notes_of(channel.ask(user, "a fox [[finish SAFETY]]"))
    channel.ask(user, "a boat")
    assert texts(google) == ["a boat"]
    assert "⚠️" not in instruction(google)


# -- in the browser ------------------------------------------------------------------


def test_attach_edit_and_edit_again_at_the_page(
    user_page: ChatPage, user: Client, google: StandInProcess
) -> None:
    photo = make_picture("a fox in front of a house", (1584, 672), "image/jpeg")
    page = user_page.page
    page.set_viewport_size({"width": 1000, "height": 1750})
    user_page.open(plugin.AUTO_MODEL)
    user_page.attach("fox.jpg", "image/jpeg", photo)
    user_page.send("make it blue")
    user_page.wait_for_pictures(2)
    page.get_by_text("≈ $").wait_for()
    assert received(google) == [digest(photo)]
    assert texts(google) == ["make it blue"]

    user_page.send("now put a hat on it")
    links = user_page.wait_for_pictures(3)
    page.get_by_text("≈ $").nth(1).wait_for()
    assert received(google) == [digest(photo), *sent(google)[:1]]
    assert texts(google) == ["make it blue", SAID, "now put a hat on it"]
    user_page.scroll_to_end()
    user_page.screenshot("edit")

    page.reload()
    assert user_page.wait_for_pictures(3) == links
    shown = [fetch_picture(user, link).digest for link in links]
    assert shown == [digest(photo), *sent(google)]
