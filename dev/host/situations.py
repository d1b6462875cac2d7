"""The situations in which a host calls a pipe: driven as its page and API clients do.

Each is a function of the stage; a host that lacks what it takes raises ``ApiError`` or
``Failure``, or is not asked at all (``since``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

from dev.host.channel import open_channel
from dev.host.client import EVERYBODY, ApiError, Chat, Client, Json, UploadedFile
from dev.host.pictures import drawn

WORDS = "a red fox in the snow"
BRIEF = "The hero of this poster is a purple hippo called Wanda, with an umbrella."
TASKS = {
    "title_generation": True,
    "tags_generation": True,
    "follow_up_generation": True,
}
# What chat controls, presets and the settings of a user offer, and one of one's own.
PARAMETERS: Json = {
    "temperature": 0.3,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.1,
    "max_tokens": 300,
    "seed": 42,
    "stop": ["END"],
    "frequency_penalty": 0.5,
    "presence_penalty": 0.5,
    "repeat_penalty": 1.1,
    "logit_bias": {"50256": -100},
    "reasoning_effort": "low",
    "response_format": {"type": "json_object"},
    "num_ctx": 4096,
    "function_calling": "legacy",
}
OWN_PARAMETERS = {"aspect_ratio": '"16:9"', "image_size": "2K", "negative": "blur"}
# What clients of OpenAI's API send, for chats and for pictures.
OPENAI_PARAMETERS: Json = {
    "temperature": 0.2,
    "top_p": 0.5,
    "max_tokens": 100,
    "max_completion_tokens": 100,
    "n": 2,
    "seed": 7,
    "stop": ["END"],
    "frequency_penalty": 0.1,
    "presence_penalty": 0.1,
    "logit_bias": {"1": 1},
    "logprobs": True,
    "top_logprobs": 2,
    "response_format": {"type": "json_object"},
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": True,
    "user": "somebody",
    "store": True,
    "service_tier": "flex",
    "modalities": ["image", "text"],
    "reasoning_effort": "low",
    "verbosity": "low",
    "size": "1536x1024",
    "quality": "hd",
    "style": "vivid",
    "background": "transparent",
    "output_format": "png",
    "output_compression": 80,
    "moderation": "low",
    "stream_options": {"include_usage": True},
}
CLIENTS_TOOL: Json = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}
# Search needs somewhere to search; nobody answers there, and the host says so.
SETTINGS = {
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
    "ENABLE_WEB_SEARCH": "true",
    "WEB_SEARCH_ENGINE": "searxng",
    "BYPASS_WEB_SEARCH_WEB_LOADER": "true",
    "ENABLE_IMAGE_GENERATION": "true",
}


@dataclass(frozen=True)
class Stage:
    """A host with a model to be called, an administrator, and a user at the page."""

    admin: Client
    user: Client
    model: str

    def chat(self, model: str = "") -> Chat:
        return self.user.new_chat(model or self.model)

    def ask(self, words: str = WORDS, **body: Any) -> Chat:
        """One turn of a new chat at the page."""
        chat = self.chat()
        chat.ask(words, **body)
        return chat

    def complete(self, content: Any = WORDS, **body: Any) -> None:
        """A request of an API client."""
        self.user.complete(self.model, [{"role": "user", "content": content}], **body)

    def picture(self) -> UploadedFile:
        return self.user.upload("fox.png", "image/png", drawn("PNG"))

    def document(
        self, name: str = "brief.txt", text: str = BRIEF, kind: str = "text/plain"
    ) -> Json:
        """A document as the page attaches it, with its text extracted."""
        path = "/api/v1/files/?process=true&process_in_background=false"
        files = {"file": (name, text.encode(), kind)}
        file = self.user.request("POST", path, files=files).json()
        return {
            "type": "file",
            "file": file,
            "id": file["id"],
            "url": file["id"],
            "name": name,
            "collection_name": (file.get("meta") or {}).get("collection_name") or "",
            "status": "uploaded",
            "size": len(text),
            "error": "",
            "content_type": kind,
        }


# ── At the page


def plain(stage: Stage) -> None:
    stage.ask(background_tasks=TASKS, variables={"{{USER_LANGUAGE}}": "en-US"})


def second_turn(stage: Stage) -> None:
    stage.ask().ask("make it blue")


def not_streaming(stage: Stage) -> None:
    stage.ask(stream=False)


def with_usage(stage: Stage) -> None:
    stage.ask(stream_options={"include_usage": True})


def attached_picture(stage: Stage) -> None:
    chat = stage.chat()
    chat.ask("make it blue", [stage.picture()])
    chat.ask("and now green")


def attached_document(stage: Stage) -> None:
    chat = stage.chat()
    chat.ask("make a poster", others=[stage.document()])
    chat.ask("and now green")


def picture_and_document(stage: Stage) -> None:
    stage.chat().ask("make a poster", [stage.picture()], others=[stage.document()])


def attached_drawing(stage: Stage) -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><text>fox</text></svg>'
    file = stage.document("icon.svg", drawing, "image/svg+xml")
    stage.chat().ask("make it blue", others=[file])


def long_paste(stage: Stage) -> None:
    text = "\n".join([BRIEF] * 15)
    paste = {**stage.document("Pasted_Text_1.txt", text), "context": "full"}
    stage.chat().ask("Draw this", others=[paste])


def attached_note(stage: Stage) -> None:
    form: Json = {"title": "Brief", "data": {"content": {"md": BRIEF}}}
    note = stage.user.post("/api/v1/notes/create", form)
    entry = {"type": "note", "id": note["id"], "name": "Brief", "status": "processed"}
    stage.chat().ask("make a poster", others=[entry])


def edited_message(stage: Stage) -> None:
    chat = stage.ask()
    chat.go_back(None)
    chat.ask("a green fox")


def regenerate(stage: Stage) -> None:
    chat = stage.chat()
    chat.ask_again(chat.ask(WORDS))


def regenerate_with_a_wish(stage: Stage) -> None:
    chat = stage.chat()
    answer = chat.ask(WORDS)
    wish = "make the fox blue"
    chat.ask_again(answer, regeneration_prompt=wish, regeneration_message_id=answer.id)


def continue_response(stage: Stage) -> None:
    chat = stage.chat()
    chat.go_on(chat.ask(WORDS))


def temporary_chat(stage: Stage) -> None:
    session = "aaaaaaaaaaaaaaaaaaaa"
    name = "temporary" if stage.user.version >= (0, 12) else "local"
    turn: Json = {"messages": [{"role": "user", "content": WORDS}]}
    form: Json = {"model": stage.model, "stream": True, "session_id": session}
    form |= {
        "chat_id": f"{name}:{session}",
        "id": session,
        "params": {},
        "features": {},
    }
    stage.user.post("/api/chat/completions", form | turn)


def in_a_folder(stage: Stage) -> None:
    data = {"system_prompt": "FOLDER SYSTEM", "files": []}
    folder = stage.user.post("/api/v1/folders/", {"name": "Foxes", "data": data})
    stage.ask(folder_id=folder["id"])


def chat_controls(stage: Stage) -> None:
    own = {"custom_params": dict(OWN_PARAMETERS), "system": "CHAT CONTROLS SYSTEM"}
    stage.ask(params={**PARAMETERS, **own})


def usual_parameters(stage: Stage) -> None:
    """What the page sends where nobody has set anything."""
    own: Json = {"model_controls": {}} if stage.user.version >= (0, 12) else {}
    stage.ask(params={**own, "stop": None}, tool_ids=[], filter_ids=[])


def preset(stage: Stage) -> None:
    params = {**PARAMETERS, "custom_params": OWN_PARAMETERS, "system": "MODEL SYSTEM"}
    with workspace_model(stage, params=params) as model:
        stage.chat(model).ask(WORDS)
        stage.user.complete(model, WORDS, temperature=0.1)


def knowledge(stage: Stage, calling: str) -> None:
    form = {"name": "Foxes", "description": "all", "access_grants": [EVERYBODY]}
    collection = stage.admin.post("/api/v1/knowledge/create", form)
    file = Stage(stage.admin, stage.admin, stage.model).document()
    path = f"/api/v1/knowledge/{collection['id']}/file/add"
    stage.admin.post(path, {"file_id": file["id"]})
    entry = {"type": "collection", "id": collection["id"], "name": "Foxes"}
    params = {"function_calling": calling}
    with workspace_model(stage, params=params, meta={"knowledge": [entry]}) as model:
        stage.chat(model).ask("make a poster")


def knowledge_native(stage: Stage) -> None:
    knowledge(stage, "native")


def knowledge_legacy(stage: Stage) -> None:
    knowledge(stage, "legacy")  # to old hosts all but "native" is the default


@contextmanager
def workspace_model(stage: Stage, **about: Any) -> Iterator[str]:
    """A preset that everybody may use."""
    form = {"id": "painter", "name": "Painter", "base_model_id": stage.model}
    access = {"access_grants": [EVERYBODY], "access_control": None}
    stage.admin.post("/api/v1/models/create", {**form, "meta": {}, **about, **access})
    stage.admin.models()  # the host learns of it
    try:
        yield "painter"
    finally:
        path = "/api/v1/models/model/delete"
        try:
            stage.admin.post(path, {"id": "painter"})
        except ApiError:  # older hosts
            stage.admin.request("DELETE", f"{path}?id=painter")


def switched_on(feature: str, calling: str) -> Callable[[Stage], None]:
    """A feature of the message box, with tools called natively or by words."""

    def situation(stage: Stage) -> None:
        stage.ask(features={feature: True}, params={"function_calling": calling})

    return situation


def in_a_channel(stage: Stage) -> None:
    with open_channel(stage.admin, [stage.user], stage.model) as channel:
        channel.ask(stage.user, WORDS)


def automation(stage: Stage) -> None:
    data = {"prompt": WORDS, "model_id": stage.model, "rrule": "RRULE:FREQ=DAILY"}
    form = {"name": "Foxes", "data": data}
    made = stage.admin.post("/api/v1/automations/create", form)
    stage.admin.post(f"/api/v1/automations/{made['id']}/run")


# ── API clients


def api_plain(stage: Stage) -> None:
    stage.complete()


def api_streaming(stage: Stage) -> None:
    list(stage.user.stream(stage.model, WORDS))


def api_parameters(stage: Stage) -> None:
    stage.complete(**OPENAI_PARAMETERS)


def api_tools(stage: Stage) -> None:
    stage.complete(tools=[CLIENTS_TOOL])


def api_odd_options(stage: Stage) -> None:
    stage.complete(n=-1, size={}, aspect_ratio=[2])


def api_parts(stage: Stage) -> None:
    """Each kind of content that OpenAI's API has."""
    encoded = base64.b64encode(drawn("PNG")).decode()
    text = base64.b64encode(BRIEF.encode()).decode()
    file = {"filename": "brief.txt", "file_data": f"data:text/plain;base64,{text}"}
    stage.complete(
        [
            {"type": "text", "text": WORDS},
            {
                "type": "image_url",
                "image_url": {
                    "url": f"data:image/png;base64,{encoded}",
                    "detail": "low",
                },
            },
            {"type": "file", "file": file},
            {"type": "input_audio", "input_audio": {"data": text, "format": "wav"}},
        ]
    )


def api_messages(stage: Stage) -> None:
    """What else stands in messages: names, roles, calls of tools."""
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages: list[Json] = [
        {"role": "developer", "content": "Paint in oil."},
        {"role": "user", "content": "a cat", "name": "Ada"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": json.dumps({"sun": True}), "tool_call_id": "1"},
        {"role": "assistant", "content": "Here is a cat.", "refusal": None},
        {"role": "user", "content": WORDS},
    ]
    stage.user.complete(stage.model, messages)


def api_files(stage: Stage) -> None:
    files = [{"type": "file", "id": stage.document()["id"]}]
    stage.complete("make a poster", files=files)


def api_picture_files(stage: Stage) -> None:
    """A picture that stands nowhere but among the files."""
    file = stage.picture()
    about = {"name": file.name, "content_type": file.content_type}
    entries = [{"type": "file", "id": file.id, **about}]
    entries += [{"type": "image", "url": stage.picture().link}]
    stage.complete("make it blue", files=entries)


class Situation(NamedTuple):
    """One line of the table: how a pipe comes to be called, and by which hosts."""

    name: str
    play: Callable[[Stage], None]
    since: tuple[int, ...] = ()


FEATURES = ("web_search", "image_generation", "code_interpreter", "voice", "memory")
SITUATIONS = (
    Situation("plain, with tasks", plain),
    Situation("second turn", second_turn),
    Situation("not streaming", not_streaming),
    Situation("with usage", with_usage),
    Situation("attached picture", attached_picture),
    Situation("attached document", attached_document),
    Situation("picture and document", picture_and_document),
    Situation("drawing", attached_drawing),
    Situation("long paste", long_paste),
    Situation("note", attached_note, (0, 6, 43)),
    Situation("edited message", edited_message),
    Situation("Regenerate", regenerate),
    Situation("Regenerate with a wish", regenerate_with_a_wish, (0, 12)),
    Situation("Continue Response", continue_response),
    Situation("temporary chat", temporary_chat),
    Situation("folder", in_a_folder),
    Situation("parameters that nobody has set", usual_parameters),
    Situation("chat controls", chat_controls),
    Situation("preset", preset),
    Situation("knowledge, native", knowledge_native),
    Situation("knowledge, legacy", knowledge_legacy),
    *(
        Situation(f"{feature}, {calling}", switched_on(feature, calling))
        for feature in FEATURES
        for calling in ("native", "legacy")
    ),
    Situation("channel", in_a_channel, (0, 9)),
    Situation("automation", automation, (0, 9)),
    Situation("API, plain", api_plain),
    Situation("API, streaming", api_streaming),
    Situation("API, parameters", api_parameters),
    Situation("API, tools", api_tools),
    Situation("API, odd options", api_odd_options),
    Situation("API, parts", api_parts),
    Situation("API, messages", api_messages),
    Situation("API, files", api_files),
    Situation("API, pictures among the files", api_picture_files),
)
