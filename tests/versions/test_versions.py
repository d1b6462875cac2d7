"""On every host that is supported: what works there, and what it lacks without harm.

Each line of ``CAPABILITIES`` is tried on each host. A probe fails when the plugin does
not do its part; it returns whether the host has what it takes, and that must be so from
the version on that the line names. What was found becomes the table in README.md.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import io
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

import pytest
from PIL import Image

import gemini_image_pipe as gip
from dev import stage, versions
from dev.browser import ChatPage, open_browser
from dev.console import Failure
from dev.hosts import LOOPBACK
from dev.manifest import PRODUCT
from dev.places import Place
from dev.webui import (
    EVERYBODY,
    Answer,
    ApiError,
    Client,
    Json,
    picture_links,
    text_of,
    wait_for,
)

IMAGEN = f"{stage.FUNCTION_ID}.imagen-3.0-generate-002"
# It searches and thinks, whatever the newest model does.
VERSATILE = f"{stage.FUNCTION_ID}.gemini-nano-banana-2.1"
NOT_YOURS = "it has been deleted, or is not yours to use"
AT_ONCE_S = 2.0  # a second is promised; test machines are noisy
INSTALLERS = re.compile(r"\b(pip|uv|easy_install|conda)\b")
NEEDLESS = "needed-by-nobody"  # a package that no index has
# What the page of settings does with a valve of "type": "password", as it is built.
MASKED_INPUT = re.compile(r'\.input\)==null\?void 0:\w+\.type\)==="password"')


# ── Probes ───────────────────────────────────────────────────────────────────────────
# Loading


def loads(on: Place) -> bool:
    function = on.admin.get(f"/api/v1/functions/id/{stage.FUNCTION_ID}")
    assert function["is_active"] is True
    assert function["type"] == "pipe"
    assert function["content"] == PRODUCT.read_text()
    assert f"Error loading module: {stage.FUNCTION_ID}" not in on.host.log_tail(10_000)
    return True


def installs_nothing(on: Place) -> bool:
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


def installations(on: Place) -> list[list[str]]:
    """What the host has started to install something."""
    programs = on.started_programs()
    return [program for program in programs if INSTALLERS.search(" ".join(program))]


@contextmanager
def website(text: str) -> Iterator[str]:
    """The address of a page with that text."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer((LOOPBACK, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/{PRODUCT.name}"
    finally:
        server.shutdown()
        server.server_close()


def is_loaded_by_url(on: Place) -> bool:
    source = PRODUCT.read_text()
    with website(source) as url:
        try:
            loaded = on.admin.post("/api/v1/functions/load/url", {"url": url})
        except ApiError as refusal:
            assert refusal.status in (404, 405), refusal
            return False
    assert loaded["content"] == source
    return True


def is_updated_in_place(on: Place) -> bool:
    before = on.admin.valves(stage.FUNCTION_ID)
    function = on.admin.get(f"/api/v1/functions/id/{stage.FUNCTION_ID}")
    form = {key: function[key] for key in ("id", "name", "content", "meta")}
    form["content"] += "\n# A newer version\n"
    on.admin.update_function(stage.FUNCTION_ID, form)
    saved = on.admin.get(f"/api/v1/functions/id/{stage.FUNCTION_ID}")
    assert saved["content"] == form["content"]
    assert saved["is_active"] is True
    assert on.admin.valves(stage.FUNCTION_ID) == before
    assert pictures(on.user, completed(on.user, "a red fox"))
    return True


def masks_the_key(on: Place) -> bool:
    spec = on.admin.get(f"/api/v1/functions/id/{stage.FUNCTION_ID}/valves/spec")
    assert spec["properties"]["GEMINI_API_KEY"]["input"] == {"type": "password"}
    return any(MASKED_INPUT.search(script) for script in scripts_of_the_page(on))


def scripts_of_the_page(on: Place) -> Iterator[str]:
    [page] = on.folder.glob("lib/python*/site-packages/open_webui/frontend/_app")
    for script in page.rglob("*.js"):
        yield script.read_text(errors="replace")


# ── The list of models


def lists_models(on: Place) -> bool:
    ids = [m["id"].removeprefix(f"{stage.FUNCTION_ID}.") for m in on.models]
    current = [facts.id for facts in gip.CURRENT_MODELS]
    assert ids[: 1 + len(current)] == ["auto", *current]
    assert ids[-2:] == ["imagen-3.0-generate-002", "imagen-4.0-generate-001"]
    names = {model["id"]: model["name"] for model in on.models}
    assert names[stage.AUTO_MODEL] == "Gemini Image"
    assert names[IMAGEN].endswith("(retired, answers as Nano Banana 2.1)")
    shown = [m["id"] for m in on.user.models(prefix=f"{stage.FUNCTION_ID}.")]
    assert shown == [model["id"] for model in on.models]
    return True


def answers_as_a_retired_model(on: Place) -> bool:
    answer = on.user.new_chat(IMAGEN).ask("a red fox")
    assert made(on) == digests(pictures(on.user, answer))
    sentence = answer.content.strip().splitlines()[-1]
    assert "`imagen-3.0-generate-002`" in sentence
    assert "`gemini-nano-banana-2.1`" in sentence
    return True


def keeps_ids_of_presets(on: Place) -> bool:
    base = f"{stage.FUNCTION_ID}.gemini-2.5-flash-image-preview"
    assert base not in {model["id"] for model in on.models}
    with preset(on, base) as painter:
        assert base in {model["id"] for model in on.admin.models()}
        # Newer hosts want users to be let in to the model below as well.
        answer = completed(on.admin, "a red fox", model=painter)
        assert len(pictures(on.admin, answer)) == 1
        assert "`gemini-2.5-flash-image-preview`" in answer
    return True


# ── Answers


def makes_pictures_in_chats(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
    answer = chat.ask("a red fox")
    [link] = re.findall(r"!\[a red fox\]\((\S+)\)", answer.content)
    assert re.fullmatch(r"/api/v1/files/[0-9a-f-]{36}/content", link)
    assert made(on) == digests([stage.fetch_picture(on.user, link)])
    assert on.user.fetch(link).headers["content-type"] == "image/jpeg"
    reopened = on.user.open_chat(chat.id, stage.AUTO_MODEL).answer(answer.id)
    assert reopened.picture_links == [link]
    assert_good(answer)
    return True


def streams_to_api_clients(on: Place) -> bool:
    events = list(on.user.stream(stage.AUTO_MODEL, "a red fox"))
    [link] = picture_links(text_of(events))
    assert link.startswith(on.user.url)
    assert made(on) == digests([stage.fetch_picture(on.user, link)])
    chunks = [event for event in events if isinstance(event, dict)]
    for chunk in chunks:
        assert chunk["object"] == "chat.completion.chunk"
        assert chunk["model"] == stage.AUTO_MODEL
        assert chunk["id"] and chunk["created"] and "choices" in chunk
    reasons = [choice["finish_reason"] for c in chunks for choice in c["choices"]]
    assert reasons[-1] == "stop"
    return True


def ends_streams(on: Place) -> bool:
    return list(on.user.stream(stage.AUTO_MODEL, "a red fox"))[-1] == "[DONE]"


def answers_api_clients(on: Place) -> bool:
    answer = completed(on.user, "a red fox")
    [link] = picture_links(answer)
    assert link.startswith(on.user.url)
    assert made(on) == digests([stage.fetch_picture(on.user, link)])
    return True


def understands_parameters(on: Place) -> bool:
    answer = completed(on.user, "a red fox", aspect_ratio="21:9", n=2)
    assert len(pictures(on.user, answer)) == 2
    assert [config(request)["aspectRatio"] for request in asked(on)] == ["21:9"] * 2
    return True


def answers_temporary_chats(on: Place) -> bool:
    place = {"chat_id": "local:temporary"}
    answer = text_of(on.user.stream(stage.AUTO_MODEL, "a red fox", **place))
    assert made(on) == digests(pictures(on.user, answer))
    return True


def says_what_failed(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
    answer = chat.ask("a fox [[429 zero]]")
    assert answer.content.startswith("> ⚠️ **The project of the API key has no quota")
    assert_good(answer)
    answer = chat.ask("and now a cat")
    assert len(pictures(on.user, answer)) == 1
    assert_good(answer)
    return True


def shows_what_it_cannot_store(on: Place) -> bool:
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
    assert made(on) == [digest(base64.b64decode(found))]
    assert "could not store" in answer.splitlines()[-1]
    return True


def answers_tasks_itself(on: Place) -> bool:
    tasks = {"title_generation": True, "tags_generation": True}
    chat = on.user.new_chat(stage.AUTO_MODEL)
    chat.ask("a red fox in the snow", background_tasks=tasks)

    def is_titled() -> bool | None:
        title = on.user.get(f"/api/v1/chats/{chat.id}")["title"]
        return title == "a red fox in the snow" or None

    wait_for(is_titled, "the title", 15)
    for task, key in (("title", "title"), ("tags", "tags"), ("queries", "queries")):
        form = {"model": stage.AUTO_MODEL, "chat_id": chat.id, "type": "web_search"}
        messages = [{"role": "user", "content": "a red fox in the snow"}]
        path = f"/api/v1/tasks/{task}/completions"
        answer = on.admin.post(path, {**form, "messages": messages})
        assert key in json.loads(answer["choices"][0]["message"]["content"])
    assert len(asked(on)) == 1
    return True


@functools.cache
def at_the_page(on: Place) -> Answer:
    """Draw, reload and change in a browser; the first answer as it is then saved."""
    with open_browser() as browser:
        view = ChatPage(browser, on.user)
        view.open(VERSATILE)
        # Pages of 0.9 to 0.11 miss an answer that comes at once; Google's never do.
        view.send("a red fox [[wait 2]] --search")
        links = view.wait_for_pictures(1)
        chat = on.user.open_chat(view.chat_id, stage.AUTO_MODEL)
        messages = on.user.chat_history(chat.id).values()
        [answer_id] = [m["id"] for m in messages if m["role"] == "assistant"]

        def saved() -> Answer | None:
            answer = chat.answer(answer_id)
            return answer if answer.is_done else None

        answer = wait_for(saved, "the end of the answer", 15)
        view.page.get_by_text("≈ $").wait_for()
        view.page.reload()
        assert view.wait_for_pictures(1) == links
        view.send("make it blue")
        view.wait_for_pictures(2)
        view.page.get_by_text("≈ $").nth(1).wait_for()
    assert received(on) == made(on)[:1]
    assert_good(answer)
    return answer


def works_at_the_page(on: Place) -> bool:
    assert at_the_page(on).picture_links
    return True


def shows_failures_at_the_page(on: Place) -> bool:
    """Even one that is there before the page knows the id of its new chat."""
    with open_browser() as browser:
        view = ChatPage(browser, on.user)
        view.open(stage.AUTO_MODEL)
        view.hear_late_of_messages(0.3)
        view.send("a fox [[429 zero]]")
        failure = view.page.get_by_text("The project of the API key has no quota")
        # One is the line of progress, one the message; a passing notice counts for none.
        failure.locator("visible=true").nth(1).wait_for()
        view.page.get_by_text("⚠️").wait_for()
    return True


# ── Editing


def edits(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
    chat.ask("a red fox")
    assert received(on) == []
    answer = chat.ask("make it blue")
    assert received(on) == made(on)[:1]
    assert_good(answer)
    chat.ask("now as a stamp")
    assert received(on) == made(on)[:2]
    return True


def edits_for_api_clients(on: Place) -> bool:
    messages: list[Json] = [{"role": "user", "content": "a red fox"}]
    said = completed(on.user, messages)
    messages += [
        {"role": "assistant", "content": said},
        {"role": "user", "content": "make it blue"},
    ]
    completed(on.user, messages)
    assert received(on) == made(on)[:1]
    return True


def takes_attached_pictures(on: Place) -> bool:
    dog, sofa = drawn("PNG", "brown"), drawn("JPEG", "red")
    files = [
        on.user.upload("dog.png", "image/png", dog),
        on.user.upload("sofa.jpg", "image/jpeg", sofa),
    ]
    chat = on.user.new_chat(stage.AUTO_MODEL)
    answer = chat.ask("put the dog on the sofa", files)
    assert received(on) == [digest(dog), digest(sofa)]
    assert texts(on) == ["put the dog on the sofa"]
    assert notes_of(answer) == []
    chat.ask("now at night")
    assert received(on) == [digest(dog), digest(sofa), *made(on)[:1]]
    return True


def notes_deleted_pictures(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
    [link] = chat.ask("a red fox").picture_links
    on.user.request("DELETE", link.removesuffix("/content"))
    answer = chat.ask("make it blue")
    assert received(on) == []
    [note] = notes_of(answer)
    assert NOT_YOURS in note
    return True


# ── Whose pictures


def guards_links(on: Place) -> bool:
    file = on.user.upload("secret.png", "image/png", drawn("PNG"))
    for address in (file.link, on.user.url + file.link):
        prompt = f"make it blue ![it]({address})"
        assert_not_taken(on, completed(on.second_user, prompt))
        assert_not_taken(on, on.second_user.new_chat(stage.AUTO_MODEL).ask(prompt))
        assert notes_of(completed(on.user, prompt)) == []
        assert received(on) == [digest(file.data)]
    return True


def guards_ids(on: Place) -> bool:
    file = on.user.upload("secret.png", "image/png", drawn("PNG"))
    parts = [
        {"type": "text", "text": "make it blue"},
        {"type": "image_url", "image_url": {"url": file.id}},
    ]
    messages = [{"role": "user", "content": parts}]
    answer = completed(on.second_user, messages)
    assert picture_links(answer)
    if received(on):
        # The host itself put the bytes into the request before the plugin saw it.
        assert received(on) == [digest(file.data)]
        return False
    assert_not_taken(on, answer)
    return True


def shares_pictures(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
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
    answer = on.second_user.open_chat(clone["id"], stage.AUTO_MODEL).ask("make it blue")
    if on.second_user.fetch(link).ok:
        assert received(on) == made(on)[:1]
        assert notes_of(answer) == []
        return True
    assert_not_taken(on, answer)
    return False


# ── Channels


class Channel:
    """A channel of everybody, in which the plugin's first model can be asked."""

    def __init__(self, on: Place) -> None:
        config = on.admin.get("/api/v1/auths/admin/config")
        on.admin.post("/api/v1/auths/admin/config", {**config, "ENABLE_CHANNELS": True})
        people = (on.user, on.second_user)
        grants = [
            {**EVERYBODY, "principal_id": person.user_id, "permission": permission}
            for person in people
            for permission in ("read", "write")
        ]
        form = {"name": "painters", "access_grants": grants, "access_control": None}
        self.id = on.admin.post("/api/v1/channels/create", form)["id"]
        self._path = f"/api/v1/channels/{self.id}/messages"

    def ask(self, member: Client, text: str, thread: str = "") -> tuple[str, str]:
        """Mention the model, in a thread if there is one; the answer and the thread."""
        content = f"<@M:{stage.AUTO_MODEL}|Gemini Image> {text}"
        form: Json = {"content": content, "parent_id": thread or None, "data": {}}
        message = member.post(f"{self._path}/post", form)
        thread = thread or message["id"]

        def answers() -> list[Json]:
            messages = member.get(f"{self._path}/{thread}/thread")
            by_models = [m for m in messages if (m["meta"] or {}).get("model_id")]
            return [m for m in by_models if m["created_at"] > message["created_at"]]

        def answer() -> str | None:
            done = [m for m in answers() if m["meta"].get("done")]
            return str(done[0]["content"]) if done else None

        # Where models take part, an empty message is there before they answer.
        wait_for(lambda: answers() or None, "a message of the model", 3)
        return wait_for(answer, f"the answer to {text!r}", 8), thread


def works_in_channels(on: Place) -> bool:
    channel = Channel(on)
    try:
        answer, thread = channel.ask(on.user, "a red fox")
    except Failure:
        return False  # no model ever answers
    if not answer:
        return False  # whatever a model answers is lost
    assert made(on) == digests(pictures(on.user, answer))
    [link] = picture_links(answer)
    if not on.second_user.fetch(link).ok:
        return False  # the plugin is not told of the channel
    assert texts(on) == ["a red fox"]
    edit, _ = channel.ask(on.second_user, "make it blue", thread)
    assert received(on) == made(on)[:1]
    assert len(pictures(on.user, edit)) == 1
    assert notes_of(edit) == []
    return True


# ── Presets


@contextmanager
def preset(on: Place, base: str = stage.AUTO_MODEL, **params: Any) -> Iterator[str]:
    """A workspace model that everybody may use."""
    about = {"id": "painter", "name": "Painter", "base_model_id": base}
    access = {"access_grants": [EVERYBODY], "access_control": None}
    form = {**about, "meta": {}, "params": params, **access}
    on.admin.post("/api/v1/models/create", form)
    on.admin.models()  # the host learns of it
    try:
        yield "painter"
    finally:
        delete_preset(on, "painter")


def delete_preset(on: Place, preset_id: str) -> None:
    path = "/api/v1/models/model/delete"
    try:
        on.admin.post(path, {"id": preset_id})
    except ApiError:  # older hosts
        on.admin.request("DELETE", f"{path}?id={preset_id}")


def follows_presets(on: Place) -> bool:
    with preset(on, system="Paint in oil.") as painter:
        answer = on.user.new_chat(painter).ask("a red fox")
    assert len(pictures(on.user, answer)) == 1
    [request] = asked(on)
    [part] = request["body"]["systemInstruction"]["parts"]
    assert part["text"] == "Paint in oil."
    return True


def follows_parameters(on: Place) -> bool:
    with preset(on, custom_params={"aspect_ratio": "21:9"}) as painter:
        answer = on.user.new_chat(painter).ask("a red fox")
    assert len(pictures(on.user, answer)) == 1
    [request] = asked(on)
    return config(request).get("aspectRatio") == "21:9"


# ── Settings, and what comes with a picture


def follows_settings_of_users(on: Place) -> bool:
    before = on.user.user_valves(stage.FUNCTION_ID)
    on.user.set_user_valves(stage.FUNCTION_ID, ASPECT_RATIO="21:9")
    try:
        answer = on.user.new_chat(stage.AUTO_MODEL).ask("a red fox")
        completed(on.second_user, "a red fox")
        completed(on.user, "a red fox --ar 3:4")
    finally:
        on.user.replace_user_valves(stage.FUNCTION_ID, before)
    assert len(pictures(on.user, answer)) == 1
    ratios = [config(request).get("aspectRatio") for request in asked(on)]
    assert ratios == ["21:9", None, "3:4"]
    assert texts(on) == ["a red fox"]
    return True


def makes_several(on: Place) -> bool:
    chat = on.user.new_chat(stage.AUTO_MODEL)
    answer = chat.ask("a red fox --n 3")
    assert sorted(digests(pictures(on.user, answer))) == sorted(made(on))
    assert len(made(on)) == 3
    assert "|---|---|---|" in answer.content
    chat.ask("make them blue")
    assert sorted(received(on)) == sorted(made(on)[:3])
    return True


def keeps_usage(on: Place) -> bool:
    usage = at_the_page(on).raw["usage"]
    assert usage["completion_tokens_details"]["image_tokens"] == 1120
    assert usage["cost"] > 0.03
    return True


def sends_usage(on: Place) -> bool:
    events = list(on.user.stream(stage.AUTO_MODEL, "a red fox"))
    usages = [e["usage"] for e in events if isinstance(e, dict) and e.get("usage")]
    [usage] = usages
    assert usage["completion_tokens_details"]["image_tokens"] == 1120
    return True


def keeps_sources(on: Place) -> bool:
    sources = at_the_page(on).raw["sources"]
    assert {"https://example.org/foxes", "https://example.net/fox-page"} <= {
        source["source"]["url"] for source in sources
    }
    return True


def keeps_suggestions(on: Place) -> bool:
    return "red fox winter coat" in "".join(at_the_page(on).raw.get("embeds") or [])


def folds_thoughts(on: Place) -> bool:
    chat = on.user.new_chat(VERSATILE)
    answer = chat.ask("a red fox --thoughts")
    assert len(pictures(on.user, answer)) == 1
    assert "lay out the scene" in str(answer.raw)
    folded = re.compile(r"<details type=.reasoning.*?</details>", re.DOTALL)
    assert "lay out the scene" not in folded.sub("", answer.content)
    chat.ask("make it blue")
    assert "lay out the scene" not in str(asked(on)[-1]["body"])
    assert received(on) == made(on)[:1]
    return True


# ── Stop


def stopped(on: Place, prompt: str, status: int | None) -> Answer:
    """Press Stop once Google's answer is that far; what is then saved."""
    chat = on.user.new_chat(stage.AUTO_MODEL)
    message_id = chat.send(prompt)

    def is_that_far() -> bool | None:
        return [r["status"] for r in asked(on)] == [status] or None

    wait_for(is_that_far, "the request", 15)
    since = time.time()
    chat.stop()

    def has_hung_up() -> bool | None:
        return asked(on)[0]["disconnected"] or None

    wait_for(has_hung_up, "the end of the connection", AT_ONCE_S)
    assert asked(on)[0]["finished"] - since < AT_ONCE_S

    def closed() -> Answer | None:
        answer = chat.answer(message_id)
        is_closed = answer.statuses and answer.statuses[-1]["done"]
        return answer if is_closed and not on.user.running_tasks(chat.id) else None

    answer = wait_for(closed, "the end of the line of progress", AT_ONCE_S)
    assert answer.statuses[-1]["description"] == "Stopped"
    assert len(asked(on)) == 1
    assert len(pictures(on.user, chat.ask("and now a cat"))) == 1
    return answer


def stops(on: Place) -> bool:
    answer = stopped(on, "a fox [[wait 30]]", None)
    assert "⚠️" not in answer.content
    return True


def keeps_words_before_stop(on: Place) -> bool:
    answer = stopped(on, "a fox [[say Here it comes.]] [[pause 30]]", 200)
    assert "⚠️" not in answer.content
    return "Here it comes." in answer.content


# ── The table ────────────────────────────────────────────────────────────────────────


class Capability(NamedTuple):
    """A line of the table: what it is, how it is tried, and which hosts have it."""

    name: str
    probe: Callable[[Place], bool]
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
def test_it_works(on: Place, capability: Capability) -> None:
    works = found.setdefault(str(on.kind), {})
    works[capability.name] = False  # should the probe fail
    works[capability.name] = capability.probe(on)
    is_expected = capability.is_expected(on.kind.version)
    assert works[capability.name] is is_expected, "the host has changed"


def test_what_works_is_recorded(place: Place) -> None:
    assert [i for i in installations(place) if NEEDLESS not in i] == []
    assert place.packages() == place.packages_before
    works = found.get(str(place.kind), {})
    if list(works) == [capability.name for capability in CAPABILITIES]:
        reasons = {capability.name: capability.why for capability in CAPABILITIES}
        versions.save(reasons, place.kind.version, place.python, works)


# ── What the stand-in saw ────────────────────────────────────────────────────────────


def asked(on: Place) -> list[Json]:
    """The requests for pictures, oldest first."""
    return [r for r in on.google.requests() if r["method"] == "POST"]


def received(on: Place) -> list[str]:
    """The digests of the pictures in the last request."""
    return [image["sha256"] for image in asked(on)[-1]["images"]]


def texts(on: Place) -> list[str]:
    """The words in the last request, the turns' in their order."""
    found: list[str] = asked(on)[-1]["texts"]
    return found


def made(on: Place) -> list[str]:
    """The digests of the pictures that Google has made."""
    return [image["sha256"] for image in on.google.sent_images()]


def config(request: Json) -> Json:
    """What a request says of the picture's shape."""
    image_config: Json = request["body"]["generationConfig"].get("imageConfig") or {}
    return image_config


# ── Small things ─────────────────────────────────────────────────────────────────────


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digests(pictures: list[stage.Picture]) -> list[str]:
    return [digest(picture.data) for picture in pictures]


def drawn(form: str, colour: str = "orange") -> bytes:
    """A small picture's file."""
    out = io.BytesIO()
    Image.new("RGB", (48, 32), colour).save(out, form)
    return out.getvalue()


def completed(
    client: Client,
    messages: str | list[Json],
    model: str = stage.AUTO_MODEL,
    **body: Any,
) -> str:
    """The text that an API client gets."""
    answer = client.complete(model, messages, **body)
    content: str = answer["choices"][0]["message"]["content"]
    return content


def pictures(client: Client, answer: Answer | str) -> list[stage.Picture]:
    text = answer if isinstance(answer, str) else answer.content
    return [stage.fetch_picture(client, link) for link in picture_links(text)]


def notes_of(answer: Answer | str) -> list[str]:
    text = answer if isinstance(answer, str) else answer.content
    return [line for line in text.splitlines() if line.startswith("> ")]


def assert_good(answer: Answer) -> None:
    """No red box, and the line of progress is closed."""
    assert not answer.error
    assert [s["done"] for s in answer.statuses].count(True) == 1
    assert answer.statuses[-1]["done"] is True


def assert_not_taken(on: Place, answer: Answer | str) -> None:
    """A picture was made without the one that is not theirs, and a note says so."""
    assert len(pictures(on.second_user, answer)) == 1
    assert received(on) == []
    assert NOT_YOURS in notes_of(answer)[0]
