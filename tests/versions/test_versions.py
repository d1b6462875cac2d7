"""On every host that is supported: what works there, and what it lacks without harm.

Each line of ``CAPABILITIES`` is tried on each host. A probe fails when the plugin does
not do its part; it returns whether the host has what it takes, and that must be so from
the version on that the line names. What was found becomes the table in docs/versions.md.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

import gemini_image_pipe as gip
from dev.console import Failure
from dev.host import plugin
from dev.host.browser import ChatPage, open_browser
from dev.host.channel import open_channel
from dev.host.client import (
    EVERYBODY,
    HOST_IMPORTS_MODELS,
    Answer,
    ApiError,
    Client,
    Json,
    UploadedFile,
    content_of,
    notes_of,
    picture_links,
    text_of,
)
from dev.host.pictures import Picture, digest, drawn, fetch_picture, pictures_of
from dev.host.stopping import STOPPED, press_stop
from dev.host.traffic import (
    all_have_begun,
    assert_hung_up,
    drawings,
    now,
    received,
    sent,
    texts,
    under_way,
)
from dev.host.watched import WatchedHost
from dev.host.website import open_website
from dev.pages import cards, versions_table
from dev.pages.manifest import PRODUCT
from dev.standin import StandInProcess
from dev.waiting import wait_until

IMAGEN = f"{plugin.FUNCTION_ID}.imagen-3.0-generate-002"
# It searches and thinks, whatever the newest model does.
VERSATILE = f"{plugin.FUNCTION_ID}.gemini-nano-banana-2.1"
SEARCHLESS = f"{plugin.FUNCTION_ID}.gemini-2.5-flash-image"
NOT_YOURS = "it has been deleted, or is not yours to use"
INSTALLERS = re.compile(r"\b(pip|uv|easy_install|conda)\b")
SAID = "Here is the picture you asked for."  # by the stand-in
# From here on importing a model again leaves it to whom it was given.
IMPORTS_KEEP_ACCESS = (0, 12)
NEEDLESS = "needed-by-nobody"  # a package that no index has
# What the page of settings does with a valve of "type": "password", as it is built.
MASKED_INPUT = re.compile(r'\.input\)==null\?void 0:\w+\.type\)==="password"')


# ── Probes ───────────────────────────────────────────────────────────────────────────
# Loading


def loads(on: WatchedHost) -> bool:
    function = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    assert function["is_active"] is True
    assert function["type"] == "pipe"
    assert function["content"] == PRODUCT.read_text()
    assert f"Error loading module: {plugin.FUNCTION_ID}" not in on.host.log_tail(10_000)
    return True


def installs_nothing(on: WatchedHost) -> bool:
    assert on.models, "the plugin is there"
    assert installations(on) == []
    assert on.packages() == on.packages_before
    # The host does install what a plugin asks for, and this test would see it.
    front_matter = f'"""\ntitle: Needy\nrequirements: {NEEDLESS}\n"""\n'
    source = f"{front_matter}class Pipe:\n    pass\n"
    about = {"id": "needy", "name": "Needy", "meta": {"description": "needs it"}}
    try:
        on.admin.import_functions(json.dumps([{**about, "content": source}]))
    except ApiError:
        pass  # it cannot be had
    else:
        on.admin.delete_function("needy")
    [attempt] = installations(on)
    assert attempt[1:4] == ["-m", "pip", "install"]
    assert NEEDLESS in attempt
    return True


def installations(on: WatchedHost) -> list[list[str]]:
    """What the host has started to install something."""
    programs = on.started_programs()
    return [program for program in programs if INSTALLERS.search(" ".join(program))]


def is_loaded_by_url(on: WatchedHost) -> bool:
    source = PRODUCT.read_text()
    with open_website(source) as website:
        form = {"url": f"{website.url}/{PRODUCT.name}"}
        try:
            loaded = on.admin.post("/api/v1/functions/load/url", form)
        except ApiError as refusal:
            assert refusal.status in (404, 405), refusal
            return False
    assert loaded["content"] == source
    return True


def is_updated_in_place(on: WatchedHost) -> bool:
    before = on.admin.valves(plugin.FUNCTION_ID)
    function = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    form = {key: function[key] for key in ("id", "name", "content", "meta")}
    form["content"] += "\n# A newer version\n"
    on.admin.update_function(plugin.FUNCTION_ID, form)
    saved = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}")
    assert saved["content"] == form["content"]
    assert saved["is_active"] is True
    assert on.admin.valves(plugin.FUNCTION_ID) == before
    assert pictures_of(on.user, completed(on.user, "a red fox"))
    return True


def masks_the_key(on: WatchedHost) -> bool:
    spec = on.admin.get(f"/api/v1/functions/id/{plugin.FUNCTION_ID}/valves/spec")
    assert spec["properties"]["GEMINI_API_KEY"]["input"] == {"type": "password"}
    return any(MASKED_INPUT.search(script) for script in scripts_of_the_page(on))


def scripts_of_the_page(on: WatchedHost) -> Iterator[str]:
    [page] = on.folder.glob("lib/python*/site-packages/open_webui/frontend/_app")
    for script in page.rglob("*.js"):
        yield script.read_text(errors="replace")


# ── The list of models


def lists_models(on: WatchedHost) -> bool:
    ids = [m["id"].removeprefix(f"{plugin.FUNCTION_ID}.") for m in on.models]
    current = [facts.id for facts in gip.CURRENT_MODELS]
    assert ids[: 1 + len(current)] == ["auto", *current]
    assert ids[-1] == "imagen-3.0-generate-002"
    names = {model["id"]: model["name"] for model in on.models}
    assert names[plugin.AUTO_MODEL] == "Gemini Image"
    assert names[IMAGEN] == "Imagen 3 → Nano Banana 2.1"
    shown = [m["id"] for m in on.user.models(prefix=f"{plugin.FUNCTION_ID}.")]
    assert shown == [model["id"] for model in on.models]
    return True


def answers_as_a_retired_model(on: WatchedHost) -> bool:
    answer = on.user.new_chat(IMAGEN).ask("a red fox")
    assert sent(on.google) == digests(pictures_of(on.user, answer))
    sentence = answer.content.strip().splitlines()[-1]
    assert "no longer offers Imagen 3; its successor Nano Banana 2.1" in sentence
    return True


def keeps_ids_of_presets(on: WatchedHost) -> bool:
    base = f"{plugin.FUNCTION_ID}.gemini-2.5-flash-image-preview"
    assert base not in {model["id"] for model in on.models}
    with preset(on, base) as painter:
        assert base in {model["id"] for model in on.admin.models()}
        # Newer hosts want users to be let in to the model below as well.
        answer = completed(on.admin, "a red fox", model=painter)
        assert len(pictures_of(on.admin, answer)) == 1
        assert "`gemini-2.5-flash-image-preview`" in answer
    return True


def shows_cards(on: WatchedHost) -> bool:
    """All are open and described after one import; a second one may open them again."""
    kept = [on.admin.saved_model(model["id"]) for model in on.models]
    for model in on.models:
        on.admin.delete_model(model["id"])
    hidden = on.user.models(prefix=f"{plugin.FUNCTION_ID}.")
    assert hidden == []
    on.admin.import_models(cards.build())
    imported = json.loads(cards.build())
    shown = on.user.models(prefix=f"{plugin.FUNCTION_ID}.")
    assert [(m["id"], m["name"]) for m in shown] == [
        (card["id"], card["name"]) for card in imported
    ]
    for model, card in zip(shown, imported, strict=True):
        meta = on.admin.saved_model(model["id"])["meta"]
        assert {name: meta.get(name) for name in card["meta"]} == card["meta"]
    assert pictures_of(on.user, completed(on.user, "a red fox"))
    imports_again(on, imported[0])
    for card in imported:
        on.admin.delete_model(card["id"])
    for model in kept:
        on.admin.post("/api/v1/models/create", model)
    return True


def imports_again(on: WatchedHost, card: Json) -> None:
    """What README.md says of a second import."""
    on.admin.set_access(card, [])
    assert card["id"] not in {model["id"] for model in on.user.models()}
    on.admin.import_models(cards.build())
    is_open = card["id"] in {model["id"] for model in on.user.models()}
    assert is_open is (on.version < IMPORTS_KEEP_ACCESS)
    on.admin.update_model({**card, "is_active": False})
    on.admin.import_models(cards.build())
    is_on = on.admin.saved_model(card["id"])["is_active"]
    assert is_on is (on.version < HOST_IMPORTS_MODELS)


# ── Answers


def makes_pictures_in_chats(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask("a red fox")
    [link] = re.findall(r"!\[a red fox\]\((\S+)\)", answer.content)
    assert re.fullmatch(r"/api/v1/files/[0-9a-f-]{36}/content", link)
    assert sent(on.google) == digests([fetch_picture(on.user, link)])
    assert on.user.fetch(link).headers["content-type"] == "image/jpeg"
    reopened = on.user.open_chat(chat.id, plugin.AUTO_MODEL).answer(answer.id)
    assert reopened.picture_links == [link]
    assert_good(answer)
    keeps_them_by_name(on)
    keeps_a_record_that_nobody_forges(on)
    return True


def keeps_them_by_name(on: WatchedHost) -> None:
    """Also the second of two, letters of other scripts, and signs that no file has."""
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    first, second = chat.ask("a red fox --n 2").picture_links
    [third] = chat.ask("Eine Füchsin: 狐狸 🦊?").picture_links
    names = ["a-red-fox.jpg", "a-red-fox-2.jpg", "eine-füchsin-狐狸.jpg"]
    for link, name in zip([first, second, third], names, strict=True):
        file = file_of(on.user, link)
        assert (file["filename"], file["meta"]["name"]) == (name, name)
        header = on.user.fetch(link).headers["content-disposition"]
        assert header == f"attachment; filename*=UTF-8''{quote(name)}"


def keeps_a_record_that_nobody_forges(on: WatchedHost) -> None:
    """What is said of a file at its upload stands elsewhere."""
    chat = on.user.new_chat(SEARCHLESS)
    [link] = chat.ask("a red fox --ar 16:9").picture_links
    meta = file_of(on.user, link)["meta"]
    record = meta[gip.RECORD_KEY]
    assert 0 <= record.pop("seconds") < 60
    assert record.pop(gip.MARK_KEY).startswith("server ")
    assert record == {
        "version": 1,
        "prompt": "a red fox",
        "model": "gemini-2.5-flash-image",
        "options": {"aspect_ratio": "16:9"},
        "price": 0.039,
    }
    about: Any = {gip.RECORD_KEY: {**record, "price": -1}}
    forged = on.user.upload("a.jpg", "image/jpeg", drawn("JPEG", "red"), **about)
    assert gip.RECORD_KEY not in file_of(on.user, forged.link)["meta"]


def file_of(client: Client, link: str) -> Json:
    """What the host tells of a file."""
    path = link.removesuffix("/content")
    file: Json = client.get(path)
    return file


def streams_to_api_clients(on: WatchedHost) -> bool:
    events = list(on.user.stream(plugin.AUTO_MODEL, "a red fox"))
    [link] = picture_links(text_of(events))
    assert link.startswith(on.user.url)
    assert sent(on.google) == digests([fetch_picture(on.user, link)])
    chunks = [event for event in events if isinstance(event, dict)]
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["model"] == plugin.AUTO_MODEL
        assert chunk["id"] and chunk["created"] and len(chunk["choices"]) == 1
    # Clients add all chunks up: "assistantassistant", "stopstop".
    choices = [chunk["choices"][0] for chunk in chunks]
    reasons = [c["finish_reason"] for c in choices if c["finish_reason"]]
    roles = [c["delta"]["role"] for c in choices if "role" in c["delta"]]
    assert (roles, reasons) == (["assistant"], ["stop"])
    return True


def ends_streams(on: WatchedHost) -> bool:
    return list(on.user.stream(plugin.AUTO_MODEL, "a red fox"))[-1] == "[DONE]"


def answers_api_clients(on: WatchedHost) -> bool:
    answer = completed(on.user, "a red fox")
    [link] = picture_links(answer)
    assert link.startswith(on.user.url)
    assert sent(on.google) == digests([fetch_picture(on.user, link)])
    return True


def understands_parameters(on: WatchedHost) -> bool:
    answer = completed(on.user, "a red fox", aspect_ratio="21:9", n=2)
    assert len(pictures_of(on.user, answer)) == 2
    assert [config(request)["aspectRatio"] for request in drawings(on.google)] == [
        "21:9"
    ] * 2
    follows_the_search_toggle(on)
    return True


def follows_the_search_toggle(on: WatchedHost) -> None:
    features = {"web_search": True}
    answer = on.user.new_chat(VERSATILE).ask("a red fox", features=features)
    assert "googleSearch" in str(drawings(on.google)[-1]["body"]["tools"])
    assert texts(on.google) == ["a red fox"]
    assert "searched for" in notes_of(answer)[0]
    answer = on.user.new_chat(SEARCHLESS).ask("a red fox", features=features)
    assert "tools" not in drawings(on.google)[-1]["body"]
    [note] = notes_of(answer)
    assert "no such setting" in note


def answers_temporary_chats(on: WatchedHost) -> bool:
    place = {"chat_id": "local:temporary"}
    answer = text_of(on.user.stream(plugin.AUTO_MODEL, "a red fox", **place))
    assert sent(on.google) == digests(pictures_of(on.user, answer))
    return True


def says_what_failed(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask("a fox [[429 zero]]")
    assert answer.content.startswith("> ⚠️ **The project of the API key has no quota")
    assert_good(answer)
    answer = chat.ask("and now a cat")
    assert len(pictures_of(on.user, answer)) == 1
    assert_good(answer)
    return True


def shows_what_it_cannot_store(on: WatchedHost) -> bool:
    uploads = on.host.data_dir / "uploads"
    aside = on.host.data_dir / "aside"
    uploads.rename(aside)
    uploads.write_text("no folder")
    try:
        answer = completed(on.user, "a fox")
    finally:
        uploads.unlink()
        aside.rename(uploads)
    [found] = re.findall(r"\(data:image/jpeg;base64,([A-Za-z0-9+/=]+)\)", answer)
    assert sent(on.google) == [digest(base64.b64decode(found))]
    assert "could not store" in answer.splitlines()[-1]
    return True


def answers_tasks_itself(on: WatchedHost) -> bool:
    tasks = {"title_generation": True, "tags_generation": True}
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    chat.ask("a red fox in the snow", background_tasks=tasks)

    def is_titled() -> bool:
        title = on.user.get(f"/api/v1/chats/{chat.id}")["title"]
        return bool(title == "a red fox in the snow")

    wait_until(is_titled, "the title")
    for task, key in (("title", "title"), ("tags", "tags"), ("queries", "queries")):
        form = {"model": plugin.AUTO_MODEL, "chat_id": chat.id, "type": "web_search"}
        messages = [{"role": "user", "content": "a red fox in the snow"}]
        path = f"/api/v1/tasks/{task}/completions"
        answer = on.admin.post(path, {**form, "messages": messages})
        assert key in json.loads(answer["choices"][0]["message"]["content"])
    assert len(drawings(on.google)) == 1
    if numbers(on.kind.version) >= numbers("0.6.43"):  # the others have no such task
        suggests_what_may_come_next(on)
    return True


def suggests_what_may_come_next(on: WatchedHost) -> None:
    chat = on.user.new_chat(plugin.AUTO_MODEL)

    def suggested(prompt: str) -> list[str]:
        tasks = {"follow_up_generation": True}
        answer = chat.ask(prompt, background_tasks=tasks)

        def found() -> list[list[str]]:
            saved = on.user.chat_history(chat.id)[answer.id]
            return [saved["followUps"]] if "followUps" in saved else []

        return wait_until(found, "what may come next")[0]

    first, *others = suggested("a red fox --ar 16:9")
    assert first == "The same, tall --ar 9:16" and len(others) == 3
    assert suggested("and now a cat [[429 zero]]") == []


@functools.cache
def at_the_page(on: WatchedHost) -> Answer:
    """Draw, reload and change in a browser; the first answer as it is then saved."""
    with open_browser() as browser:
        view = ChatPage(browser, on.user)
        view.open(VERSATILE)
        # Pages of 0.9 to 0.11 miss an answer that comes at once; Google's never do.
        view.send("a red fox [[wait 2]] --search")
        links = view.wait_for_pictures(1)
        chat = on.user.open_chat(view.chat_id, plugin.AUTO_MODEL)
        messages = on.user.chat_history(chat.id).values()
        [answer_id] = [m["id"] for m in messages if m["role"] == "assistant"]

        def saved() -> Answer | None:
            answer = chat.answer(answer_id)
            return answer if answer.is_done else None

        answer = wait_until(saved, "the end of the answer")
        view.page.get_by_text("≈ $").wait_for()
        view.page.reload()
        assert view.wait_for_pictures(1) == links
        view.send("make it blue")
        view.wait_for_pictures(2)
        view.page.get_by_text("≈ $").nth(1).wait_for()
    assert received(on.google) == sent(on.google)[:1]
    assert_good(answer)
    return answer


def works_at_the_page(on: WatchedHost) -> bool:
    assert at_the_page(on).picture_links
    return True


def shows_failures_at_the_page(on: WatchedHost) -> bool:
    """Even one that is there before the page knows the id of its new chat."""
    with open_browser() as browser:
        view = ChatPage(browser, on.user)
        view.open(plugin.AUTO_MODEL)
        view.hear_late_of_messages(0.3)
        view.send("a fox [[429 zero]]")
        view.page.get_by_text("No picture was made").locator("visible=true").wait_for()
        view.page.get_by_text("The project of the API key has no quota").wait_for()
        view.page.get_by_text("⚠️").wait_for()
    return True


# ── Editing


def edits(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    chat.ask("a red fox")
    assert received(on.google) == []
    answer = chat.ask("make it blue")
    assert received(on.google) == sent(on.google)[:1]
    assert_good(answer)
    chat.ask("now as a stamp")
    assert received(on.google) == sent(on.google)[:2]
    edits_what_only_files_hold(on)
    return True


def edits_what_only_files_hold(on: WatchedHost) -> None:
    """So does the host keep what its own tools draw; it sends the words alone."""
    fox = on.user.upload("fox.png", "image/png", drawn("PNG", "red"))
    chat = on.user.import_chat(
        plugin.AUTO_MODEL,
        {"role": "user", "content": "a fox"},
        {
            "role": "assistant",
            "content": "Here it is.",
            "files": [{"type": "image", "url": fox.link}],
        },
    )
    on.google.reset()
    answer = chat.ask("make it blue")
    assert texts(on.google) == ["a fox", "Here it is.", "make it blue"]
    assert received(on.google) == [digest(fox.data)]
    assert_good(answer)
    messages = [
        {"role": "user", "content": "a fox"},
        {"role": "assistant", "content": "Here it is."},
        {"role": "user", "content": "make it blue"},
    ]
    for client, expected in ((on.user, [digest(fox.data)]), (on.second_user, [])):
        on.google.reset()
        try:
            completed(client, messages, chat_id=chat.id)
        except ApiError as refusal:  # newer hosts let API clients into no chat
            assert refusal.status in (400, 404, 409)
            assert drawings(on.google) == []
        else:
            assert received(on.google) == expected


def edits_for_api_clients(on: WatchedHost) -> bool:
    messages: list[Json] = [{"role": "user", "content": "a red fox"}]
    said = completed(on.user, messages)
    messages += [
        {"role": "assistant", "content": said},
        {"role": "user", "content": "make it blue"},
    ]
    completed(on.user, messages)
    assert received(on.google) == sent(on.google)[:1]
    return True


def takes_attached_pictures(on: WatchedHost) -> bool:
    dog, sofa = drawn("PNG", "brown"), drawn("JPEG", "red")
    files = [
        on.user.upload("dog.png", "image/png", dog),
        on.user.upload("sofa.jpg", "image/jpeg", sofa),
    ]
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask("put the dog on the sofa", files)
    assert received(on.google) == [digest(dog), digest(sofa)]
    assert texts(on.google) == ["Picture 1", "Picture 2", "put the dog on the sofa"]
    assert notes_of(answer) == []
    chat.ask("now at night")
    assert received(on.google) == [digest(dog), digest(sofa), *sent(on.google)[:1]]
    assert texts(on.google) == ["put the dog on the sofa", SAID, "now at night"]
    takes_bare_ids(on, files[0])
    return True


def takes_bare_ids(on: WatchedHost, file: UploadedFile) -> None:
    """An API client names a file by its id and no more; the host keeps it to itself."""
    entry = {"type": "file", "id": file.id}
    answer = completed(on.user, "make it blue", files=[entry])
    assert received(on.google) == [digest(file.data)]
    assert notes_of(answer) == []
    completed(on.second_user, "make it blue", files=[entry])
    assert received(on.google) == []


def notes_deleted_pictures(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    [link] = chat.ask("a red fox").picture_links
    on.user.request("DELETE", link.removesuffix("/content"))
    answer = chat.ask("make it blue")
    assert received(on.google) == []
    [note] = notes_of(answer)
    assert NOT_YOURS in note
    return True


# ── Whose pictures


def guards_links(on: WatchedHost) -> bool:
    file = on.user.upload("secret.png", "image/png", drawn("PNG"))
    for address in (file.link, on.user.url + file.link):
        prompt = f"make it blue ![it]({address})"
        assert_not_taken(on, completed(on.second_user, prompt))
        assert_not_taken(on, on.second_user.new_chat(plugin.AUTO_MODEL).ask(prompt))
        assert notes_of(completed(on.user, prompt)) == []
        assert received(on.google) == [digest(file.data)]
    return True


def guards_ids(on: WatchedHost) -> bool:
    file = on.user.upload("secret.png", "image/png", drawn("PNG"))
    parts = [
        {"type": "text", "text": "make it blue"},
        {"type": "image_url", "image_url": {"url": file.id}},
    ]
    messages = [{"role": "user", "content": parts}]
    answer = completed(on.second_user, messages)
    assert picture_links(answer)
    if received(on.google):
        # The host itself put the bytes into the request before the plugin saw it.
        assert received(on.google) == [digest(file.data)]
        return False
    assert_not_taken(on, answer)
    return True


def shares_pictures(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    [link] = chat.ask("a red fox").picture_links
    assert on.second_user.fetch(link).status_code in (401, 403, 404)
    share = on.user.post(f"/api/v1/chats/{chat.id}/share", {})
    share_id = share["share_id"] or share["id"]  # older hosts answer with the copy
    grant = {**EVERYBODY, "principal_id": on.second_user.user_id}
    path = f"/api/v1/chats/shared/{chat.id}/access/update"
    try:
        on.user.post(path, {"access_grants": [grant]})
    except ApiError as refusal:
        assert refusal.status in (404, 405), refusal  # shared is shared with all
    clone = on.second_user.post(f"/api/v1/chats/{share_id}/clone/shared")
    answer = on.second_user.open_chat(clone["id"], plugin.AUTO_MODEL).ask(
        "make it blue"
    )
    if on.second_user.fetch(link).ok:
        assert received(on.google) == sent(on.google)[:1]
        assert notes_of(answer) == []
        return True
    assert_not_taken(on, answer)
    return False


# ── Channels


def works_in_channels(on: WatchedHost) -> bool:
    with open_channel(on.admin, [on.user, on.second_user]) as channel:
        try:
            answer = channel.ask(on.user, "a red fox")
        except Failure:
            return False  # no model ever answers
        if not answer:
            return False  # whatever a model answers is lost
        assert sent(on.google) == digests(pictures_of(on.user, answer))
        [link] = picture_links(answer)
        if not on.second_user.fetch(link).ok:
            return False  # the plugin is not told of the channel
        assert texts(on.google) == ["a red fox"]
        edit = channel.ask(on.second_user, "make it blue")
        assert received(on.google) == sent(on.google)[:1]
        assert len(pictures_of(on.user, edit)) == 1
        assert notes_of(edit) == []
        return True


# ── Presets


@contextmanager
def preset(
    on: WatchedHost, base: str = plugin.AUTO_MODEL, **params: Any
) -> Iterator[str]:
    """A workspace model that everybody may use."""
    about = {"id": "painter", "name": "Painter", "base_model_id": base}
    access = {"access_grants": [EVERYBODY], "access_control": None}
    form = {**about, "meta": {}, "params": params, **access}
    on.admin.post("/api/v1/models/create", form)
    on.admin.models()  # the host learns of it
    try:
        yield "painter"
    finally:
        on.admin.delete_model("painter")


def follows_presets(on: WatchedHost) -> bool:
    with preset(on, system="Paint in oil.") as painter:
        answer = on.user.new_chat(painter).ask("a red fox")
    assert len(pictures_of(on.user, answer)) == 1
    [request] = drawings(on.google)
    [part] = request["body"]["systemInstruction"]["parts"]
    assert part["text"] == "Paint in oil."
    return True


def follows_parameters(on: WatchedHost) -> bool:
    with preset(on, custom_params={"aspect_ratio": "21:9"}) as painter:
        answer = on.user.new_chat(painter).ask("a red fox")
    assert len(pictures_of(on.user, answer)) == 1
    [request] = drawings(on.google)
    return config(request).get("aspectRatio") == "21:9"


# ── Settings, and what comes with a picture


def follows_settings_of_users(on: WatchedHost) -> bool:
    before = on.user.user_valves(plugin.FUNCTION_ID)
    on.user.set_user_valves(plugin.FUNCTION_ID, ASPECT_RATIO="21:9")
    try:
        answer = on.user.new_chat(plugin.AUTO_MODEL).ask("a red fox")
        completed(on.second_user, "a red fox")
        completed(on.user, "a red fox --ar 3:4")
    finally:
        on.user.replace_user_valves(plugin.FUNCTION_ID, before)
    assert len(pictures_of(on.user, answer)) == 1
    ratios = [config(request).get("aspectRatio") for request in drawings(on.google)]
    assert ratios == ["21:9", None, "3:4"]
    assert texts(on.google) == ["a red fox"]
    return True


def makes_several(on: WatchedHost) -> bool:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    answer = chat.ask("a red fox --n 3")
    assert sorted(digests(pictures_of(on.user, answer))) == sorted(sent(on.google))
    assert len(sent(on.google)) == 3
    assert "\n|---|---|\n" in answer.content
    chat.ask("make them blue")
    assert sorted(received(on.google)) == sorted(sent(on.google)[:3])
    return True


def keeps_usage(on: WatchedHost) -> bool:
    usage = at_the_page(on).raw["usage"]
    assert usage["completion_tokens_details"]["image_tokens"] == 1120
    assert usage["cost"] > 0.03
    return True


def sends_usage(on: WatchedHost) -> bool:
    wish = {"stream_options": {"include_usage": True}}
    events = list(on.user.stream(plugin.AUTO_MODEL, "a red fox", **wish))
    usages = [e["usage"] for e in events if isinstance(e, dict) and e.get("usage")]
    whole = on.user.complete(plugin.AUTO_MODEL, "a red fox")
    for usage in (*usages, whole["usage"]):
        assert usage["completion_tokens_details"]["image_tokens"] == 1120
    return len(usages) == 1


def keeps_sources(on: WatchedHost) -> bool:
    sources = at_the_page(on).raw["sources"]
    assert {"https://example.org/foxes", "https://example.net/fox-page"} <= {
        source["source"]["url"] for source in sources
    }
    return True


def keeps_suggestions(on: WatchedHost) -> bool:
    return "red fox winter coat" in "".join(at_the_page(on).raw.get("embeds") or [])


def folds_thoughts(on: WatchedHost) -> bool:
    chat = on.user.new_chat(VERSATILE)
    answer = chat.ask("a red fox --thoughts")
    assert len(pictures_of(on.user, answer)) == 1
    assert "lay out the scene" in str(answer.raw)
    folded = re.compile(r"<details type=.reasoning.*?</details>", re.DOTALL)
    assert "lay out the scene" not in folded.sub("", answer.content)
    chat.ask("make it blue")
    assert "lay out the scene" not in str(drawings(on.google)[-1]["body"])
    assert received(on.google) == sent(on.google)[:1]
    return True


# ── Stop


def stopped(
    on: WatchedHost, prompt: str, wait: Callable[[StandInProcess, int], None]
) -> Answer:
    """Press Stop once Google's answer is that far; what is then saved."""
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    message_id = chat.send(prompt)
    wait(on.google, 1)
    since = now()
    answer = press_stop(chat, message_id)
    assert_hung_up(on.google, since)
    assert answer.statuses[-1]["description"] == STOPPED
    assert len(drawings(on.google)) == 1
    assert len(pictures_of(on.user, chat.ask("and now a cat"))) == 1
    return answer


def stops(on: WatchedHost) -> bool:
    answer = stopped(on, "a fox [[wait 30]]", under_way)
    assert "⚠️" not in answer.content
    return True


def keeps_words_before_stop(on: WatchedHost) -> bool:
    answer = stopped(on, "a fox [[say Here it comes.]] [[pause 30]]", all_have_begun)
    assert "⚠️" not in answer.content
    return "Here it comes." in answer.content


# ── The table ────────────────────────────────────────────────────────────────────────


class Capability(NamedTuple):
    """A line of the table: what it is, how it is tried, and which hosts have it."""

    name: str
    probe: Callable[[WatchedHost], bool]
    since: str = ""  # the first version of the host that has it
    but: tuple[str, ...] = ()  # later versions that lack it all the same
    why: str = ""  # some hosts lack it

    def is_expected(self, version: str) -> bool:
        """Whether a host of that version must have it."""
        return numbers(version) >= numbers(self.since) and version not in self.but


def numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()


# Why some hosts lack something, as the table's footnotes say it.
OLD_LOADING = "Paste or import it there."
BARE = "These show administrators every setting as it is."
NOT_DONE = "These end the stream without it."
LEAKY = ("0.6.43", "0.8.12")
LEAK = (
    "When a request gives a file's id in the place of a picture's address, these hosts "
    "put in that file, whoever's it is, before the plugin sees the request."
)
UNSHARED = "It shares no files with a chat; a note says what was left out."
CHANNELS = (
    "0.6.5 has no models in channels; 0.6.43 and 0.10.2 lose what any model answers "
    "there; on 0.8.12 only the one who asked sees the picture."
)
NO_CUSTOM = "Its presets have no parameters of one's own."
NO_EMBEDS = "It has no place for them."

CAPABILITIES = (
    Capability("loading it unchanged", loads),
    Capability("nothing is installed with it", installs_nothing),
    Capability("loading it by URL", is_loaded_by_url, "0.6.43", why=OLD_LOADING),
    Capability("updating it in place", is_updated_in_place),
    Capability("the key is masked in the settings", masks_the_key, "0.8.12", why=BARE),
    Capability("the list of models", lists_models),
    Capability("cards of all models by one import", shows_cards),
    Capability("retired models", answers_as_a_retired_model),
    Capability("retired ids of presets", keeps_ids_of_presets),
    Capability("drawing, reloading and changing at the page", works_at_the_page),
    Capability("failures at the page of a new chat", shows_failures_at_the_page),
    Capability("pictures in chats, kept as files", makes_pictures_in_chats),
    Capability("pictures for API clients, streaming", streams_to_api_clients),
    Capability("`[DONE]` ends the stream", ends_streams, "0.9.6", why=NOT_DONE),
    Capability("pictures for API clients, not streaming", answers_api_clients),
    Capability("parameters of a request", understands_parameters),
    Capability("temporary chats", answers_temporary_chats),
    Capability("failures as sentences", says_what_failed),
    Capability("showing what cannot be stored", shows_what_it_cannot_store),
    Capability("titles and other tasks at no cost", answers_tasks_itself),
    Capability("changes to a picture", edits),
    Capability("changes by API clients", edits_for_api_clients),
    Capability("attached pictures", takes_attached_pictures),
    Capability("notes on deleted pictures", notes_deleted_pictures),
    Capability("links to files of others yield nothing", guards_links),
    Capability("ids of files of others yield nothing", guards_ids, but=LEAKY, why=LEAK),
    Capability("copies of shared chats go on", shares_pictures, "0.6.43", why=UNSHARED),
    Capability("channels", works_in_channels, "0.9.6", but=("0.10.2",), why=CHANNELS),
    Capability("system prompts of presets", follows_presets),
    Capability("parameters of presets", follows_parameters, "0.6.43", why=NO_CUSTOM),
    Capability("users' own settings", follows_settings_of_users),
    Capability("several pictures of one prompt", makes_several),
    Capability("token counts and the price with a message", keeps_usage),
    Capability("token counts for API clients, streaming", sends_usage),
    Capability("sources of a search", keeps_sources),
    Capability("suggestions of a search", keeps_suggestions, "0.6.43", why=NO_EMBEDS),
    Capability("folded thoughts", folds_thoughts),
    Capability("Stop", stops),
    Capability("words from before a Stop", keeps_words_before_stop),
)

found: dict[str, dict[str, bool]] = {}


@pytest.mark.parametrize(
    "capability", [pytest.param(c, id=c.probe.__name__) for c in CAPABILITIES]
)
def test_it_works(on: WatchedHost, capability: Capability) -> None:
    works = found.setdefault(str(on.kind), {})
    works[capability.name] = False  # should the probe fail
    works[capability.name] = capability.probe(on)
    is_expected = capability.is_expected(on.kind.version)
    assert works[capability.name] is is_expected, "the host has changed"


def test_what_works_is_recorded(watched: WatchedHost) -> None:
    assert [i for i in installations(watched) if NEEDLESS not in i] == []
    assert watched.packages() == watched.packages_before
    works = found.get(str(watched.kind), {})
    if list(works) == [capability.name for capability in CAPABILITIES]:
        reasons = {capability.name: capability.why for capability in CAPABILITIES}
        versions_table.save(reasons, watched.kind.version, watched.python, works)


# ── Small things ─────────────────────────────────────────────────────────────────────


def config(request: Json) -> Json:
    """What a request says of the picture's shape."""
    image_config: Json = request["body"]["generationConfig"].get("imageConfig") or {}
    return image_config


def digests(pictures: list[Picture]) -> list[str]:
    return [picture.digest for picture in pictures]


def completed(
    client: Client,
    messages: str | list[Json],
    model: str = plugin.AUTO_MODEL,
    **body: Any,
) -> str:
    """The text that an API client gets."""
    return content_of(client.complete(model, messages, **body))


def assert_good(answer: Answer) -> None:
    """No red box, and the line of progress is closed."""
    assert not answer.error
    assert [s["done"] for s in answer.statuses].count(True) == 1
    assert answer.statuses[-1]["done"] is True


def assert_not_taken(on: WatchedHost, answer: Answer | str) -> None:
    """A picture was made without the one that is not theirs, and a note says so."""
    assert len(pictures_of(on.second_user, answer)) == 1
    assert received(on.google) == []
    assert NOT_YOURS in notes_of(answer)[0]
