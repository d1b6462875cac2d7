"""A small client for the parts of Open WebUI's API that its own pages use.

    admin = Client.sign_up(host.url, "Ada", "ada@example.org", "secret")
    admin.import_functions(Path("manifest.json"))
    chat = user.new_chat("gemini_image_pipe.auto")
    print(chat.ask("a red fox").picture_links)

Works with hosts from 0.6.5 to 0.12.4; where they differ, the version decides.
"""

from __future__ import annotations

import base64
import json
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from dev.console import Failure
from dev.waiting import wait_until

Json = dict[str, Any]

# From here on the server opens a chat and its turns itself ("parent_id" in the
# request); before, the page saved the chat first.
SERVER_OPENS_CHATS = (0, 9)
# From here on a chat is stopped as a whole, and single answers by administrators only.
CHATS_ARE_STOPPED = (0, 9)
# From here on pictures are uploaded first; before, the page put their bytes into the
# chat.
PICTURES_ARE_FILES = (0, 6, 43)
# From here on until then the request holds the question once more, by itself.
PAGES_NAME_THE_QUESTION = (0, 6, 43)
# From here on the host imports models itself; before, the page saved each of them.
HOST_IMPORTS_MODELS = (0, 6, 43)
# From here on saving a model says nothing of who may use it.
ACCESS_IS_SAVED_APART = (0, 12)
# From here on a drawing (SVG) is a document to the page, and no picture.
DRAWINGS_ARE_DOCUMENTS = (0, 11)
# From here on administrators allow API keys first; before, everybody may have one.
API_KEYS_ARE_OFF = (0, 6, 43)
EVERYBODY = {"principal_type": "user", "principal_id": "*", "permission": "read"}
TIMEOUT_S = 120
PICTURE_LINK = re.compile(r"!\[[^\]]*\]\((\S*?/api/v1/files/[^/\s)]+/content[^\s)]*)\)")


class ApiError(Failure):
    """The host refused; ``status`` and ``detail`` are its own."""

    def __init__(self, what: str, status: int, detail: str) -> None:
        super().__init__(f"{what} was answered with {status}: {detail}")
        self.status = status
        self.detail = detail


@dataclass(frozen=True)
class Login:
    """Who somebody is on a host."""

    name: str
    email: str
    password: str


@dataclass(frozen=True)
class UploadedFile:
    """A file that a user put on the host."""

    id: str
    name: str
    content_type: str
    data: bytes = field(repr=False)

    @property
    def link(self) -> str:
        """Where its bytes are, without the host's address."""
        return f"/api/v1/files/{self.id}/content"


@dataclass(frozen=True)
class Answer:
    """An assistant's message as the chat keeps it."""

    id: str
    raw: Json = field(repr=False)

    @property
    def content(self) -> str:
        """The text that the chat shows."""
        return self.raw.get("content") or _output_text(self.raw.get("output") or [])

    @property
    def error(self) -> str:
        """The text of the red box, empty when there is none."""
        error = self.raw.get("error")
        if isinstance(error, dict):
            error = error.get("content") or error.get("detail") or error
        return str(error) if error else ""

    @property
    def is_done(self) -> bool:
        """Whether the host says that nothing more will come."""
        return bool(self.raw.get("done"))

    @property
    def statuses(self) -> list[Json]:
        """The progress lines, first one first."""
        return self.raw.get("statusHistory") or []

    @property
    def picture_links(self) -> list[str]:
        """The links of the pictures in the text."""
        return picture_links(self.content)


class Client:
    """One signed-in user of one host."""

    def __init__(self, url: str, session: Json) -> None:
        self.url = url
        self.user_id: str = session["id"]
        self.name: str = session["name"]
        self.role: str = session["role"]
        self.token: str = session["token"]
        self._http = _http_session()
        self._http.headers["Authorization"] = f"Bearer {self.token}"
        self.version = _version(url)

    @classmethod
    def sign_up(cls, url: str, login: Login) -> Client:
        """Register; the first one on a host becomes its administrator."""
        form = {"name": login.name, "email": login.email, "password": login.password}
        return cls(url, _post(url, "/api/v1/auths/signup", form))

    @classmethod
    def sign_in(cls, url: str, login: Login) -> Client:
        """Sign in as somebody who is registered."""
        form = {"email": login.email, "password": login.password}
        return cls(url, _post(url, "/api/v1/auths/signin", form))

    # --- what administrators do ---

    def create_user(self, login: Login, role: str = "user") -> Client:
        """Add a user and sign in as them."""
        form = {"name": login.name, "email": login.email, "password": login.password}
        self.post("/api/v1/auths/add", {**form, "role": role})
        return Client.sign_in(self.url, login)

    def import_functions(self, export: Path | str) -> list[Json]:
        """Do what Functions → Import JSON does with a file or its text.

        Unlike the page, which claims success all the same, this raises when the host
        refuses an element.
        """
        text = export.read_text() if isinstance(export, Path) else export
        created = []
        for element in json.loads(text):
            function = element.get("function", element)
            created.append(self.post("/api/v1/functions/create", function))
        return created

    def update_function(self, function_id: str, form: Json) -> Json:
        """Do what Save in the editor does: ``id``, ``name``, ``content``, ``meta``."""
        return self.post(f"/api/v1/functions/id/{function_id}/update", form)

    def toggle_function(self, function_id: str) -> Json:
        """Switch a function on, or off when it is on."""
        return self.post(f"/api/v1/functions/id/{function_id}/toggle")

    def delete_function(self, function_id: str) -> None:
        """Remove a function."""
        self.request("DELETE", f"/api/v1/functions/id/{function_id}/delete")

    def valves(self, function_id: str) -> Json:
        """The administrator's settings of a function that differ from the defaults."""
        saved: Json = self.get(f"/api/v1/functions/id/{function_id}/valves") or {}
        return saved

    def set_valves(self, function_id: str, **changes: Any) -> Json:
        """Change some of a function's settings and keep the others; None: default."""
        return self.replace_valves(function_id, self.valves(function_id) | changes)

    def replace_valves(self, function_id: str, values: Json) -> Json:
        """Save these settings; all others go back to their defaults."""
        path = f"/api/v1/functions/id/{function_id}/valves/update"
        return self.post(path, values)

    def grant_to_all(self, model: Json) -> None:
        """Let every user see and use a model (an element of ``models()``)."""
        form = {
            "id": model["id"],
            "name": model["name"],
            "base_model_id": None,
            "meta": {"profile_image_url": None, "description": None},
            "params": {},
            "access_grants": [EVERYBODY],  # since about 0.8
            "access_control": None,  # before: everybody
            "is_active": True,
        }
        try:
            self.post("/api/v1/models/create", form)
        except ApiError as refusal:
            if "registered" not in refusal.detail:
                raise
            self.update_model(form)

    def import_models(self, text: str) -> None:
        """Do what Settings → Models → Import does with the text of a file."""
        cards = json.loads(text)
        if self.version >= HOST_IMPORTS_MODELS:
            self.request("POST", "/api/v1/models/import", json={"models": cards})
            return
        known = {model["id"] for model in self.get("/api/v1/models/base")}
        for card in cards:
            if card["id"] in known:
                self.update_model(card)
            elif card["base_model_id"] is None:
                form = {"meta": {}, "params": {}, "access_control": {}, **card}
                self.post("/api/v1/models/create", form)

    def saved_model(self, model_id: str) -> Json:
        """What the host keeps of a model beside what its provider says."""
        saved: Json = self.get(f"/api/v1/models/model?id={quote(model_id)}")
        return saved

    def update_model(self, form: Json) -> None:
        """Do what Save in a model's editor does."""
        path = f"/api/v1/models/model/update?id={quote(form['id'])}"
        self.post(path, form)

    def set_access(self, form: Json, grants: Sequence[Json]) -> None:
        """Do what the dialogue on a model's access does: to these and nobody else."""
        if self.version >= ACCESS_IS_SAVED_APART:
            access = {"id": form["id"], "name": form["name"], "access_grants": grants}
            self.post("/api/v1/models/model/access/update", access)
        else:
            closed: Json | None = None if grants else {}
            access = {"access_grants": grants, "access_control": closed}
            self.update_model({**form, **access, "is_active": True})

    def delete_model(self, model_id: str) -> None:
        """Forget what the host keeps of a model: all there is of a workspace's own."""
        path = "/api/v1/models/model/delete"
        if self.version >= HOST_IMPORTS_MODELS:
            self.request("POST", path, json={"id": model_id})
        else:
            self.request("DELETE", f"{path}?id={quote(model_id)}")

    def allow_api_keys(self) -> None:
        """Let everybody have API keys (Settings → General, and a permission)."""
        if self.version < API_KEYS_ARE_OFF:
            return
        path = "/api/v1/auths/admin/config"
        self.post(path, {**self.get(path), "ENABLE_API_KEYS": True})
        path = "/api/v1/users/default/permissions"
        permissions = self.get(path)
        permissions["features"]["api_keys"] = True
        self.post(path, permissions)

    # --- what users do ---

    def with_api_key(self) -> Client:
        """The same user as a program is: with a new API key (Settings → Account)."""
        key = self.post("/api/v1/auths/api_key")["api_key"]
        assert key.startswith("sk-")
        session = {"id": self.user_id, "name": self.name, "role": self.role}
        return Client(self.url, {**session, "token": key})

    def user_valves(self, function_id: str) -> Json:
        """This user's own settings of a function."""
        path = f"/api/v1/functions/id/{function_id}/valves/user"
        saved: Json = self.get(path) or {}
        return saved

    def set_user_valves(self, function_id: str, **changes: Any) -> Json:
        """Change some of this user's settings of a function and keep the others."""
        values = self.user_valves(function_id) | changes
        return self.replace_user_valves(function_id, values)

    def replace_user_valves(self, function_id: str, values: Json) -> Json:
        """Save these settings of this user and no others."""
        path = f"/api/v1/functions/id/{function_id}/valves/user/update"
        return self.post(path, values)

    def models(self, prefix: str = "") -> list[Json]:
        """The models that this user sees, fresh from the providers."""
        everything = self.get("/api/models?refresh=true")["data"]
        return [model for model in everything if model["id"].startswith(prefix)]

    def upload(
        self, name: str, content_type: str, data: bytes, **about: str
    ) -> UploadedFile:
        """Put a file on the host, without having its text extracted.

        ``about`` is what the page tells of it, such as the ``channel_id``.
        """
        form = {"metadata": json.dumps(about)}
        path = "/api/v1/files/?process=false"
        files = {"file": (name, data, content_type)}
        answer = self.request("POST", path, files=files, data=form)
        return UploadedFile(answer.json()["id"], name, content_type, data)

    def fetch(self, link: str) -> requests.Response:
        """Get a link of the host such as a picture's, whatever the answer's status."""
        path = link.removeprefix(self.url)
        return self._http.get(f"{self.url}{path}", timeout=TIMEOUT_S)

    def complete(self, model: str, messages: Sequence[Json] | str, **body: Any) -> Json:
        """Ask without a chat, as API clients do; one answer at the end."""
        form = _completion_form(model, messages, stream=False, **body)
        return self.post("/api/chat/completions", form)

    def stream(
        self, model: str, messages: Sequence[Json] | str, **body: Any
    ) -> Iterator[Json | str]:
        """Ask without a chat; yield each event as it comes: JSON, or ``[DONE]``."""
        form = _completion_form(model, messages, stream=True, **body)
        path = "/api/chat/completions"
        with self.request("POST", path, json=form, stream=True) as response:
            for line in response.iter_lines():
                if line.startswith(b"data: "):
                    data = line[len(b"data: ") :].decode()
                    yield data if data == "[DONE]" else json.loads(data)

    def new_chat(self, model: str) -> Chat:
        """A chat as the page has it; the host hears of it with the first message."""
        return Chat(self, model)

    def import_chat(self, model: str, *messages: Json) -> Chat:
        """A chat that holds these messages, each an answer to the one before it."""
        ids = [str(uuid.uuid4()) for _ in messages]
        parents = [None, *ids]
        children = [[child] for child in ids[1:]] + [[]]
        history = {
            message_id: {"id": message_id, "parentId": parent, "childrenIds": below}
            | {"timestamp": int(time.time()), "model": model, "done": True}
            | message
            for message, message_id, parent, below in zip(
                messages, ids, parents, children, strict=False
            )
        }
        chat: Json = {"title": "Imported", "models": [model], "messages": []}
        chat["history"] = {"messages": history, "currentId": ids[-1]}
        saved = self.post("/api/v1/chats/new", {"chat": chat})
        return self.open_chat(saved["id"], model)

    def open_chat(self, chat_id: str, model: str) -> Chat:
        """A saved chat, to be continued where it stands."""
        return Chat(self, model, chat_id)

    def chat_history(self, chat_id: str) -> Json:
        """The messages of a saved chat by their ids."""
        chat = self.get(f"/api/v1/chats/{chat_id}")["chat"]
        messages: Json = chat["history"]["messages"]
        return messages

    def running_tasks(self, chat_id: str) -> list[str]:
        """The ids of the answers that are being made in a chat."""
        tasks: list[str] = self.get(f"/api/tasks/chat/{chat_id}")["task_ids"]
        return tasks

    def stop_task(self, task_id: str) -> Json:
        """Press Stop."""
        return self.post(f"/api/tasks/stop/{task_id}")

    # --- plumbing ---

    def get(self, path: str) -> Any:
        """GET and return the JSON."""
        return self.request("GET", path).json()

    def post(self, path: str, body: Json | None = None) -> Json:
        """POST and return the JSON object."""
        answer: Json = self.request("POST", path, json=body).json()
        return answer

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a request; raise ``ApiError`` unless it succeeded."""
        options.setdefault("timeout", TIMEOUT_S)
        what = f"{method} {path}"
        try:
            response = self._http.request(method, f"{self.url}{path}", **options)
        except requests.RequestException as error:
            raise Failure(f"{what} failed: {error}") from None
        return _checked(what, response)


class Chat:
    """A saved chat of one user with one model, driven with the requests of the page."""

    def __init__(self, client: Client, model: str, chat_id: str = "") -> None:
        self.client = client
        self.model = model
        self.id = chat_id
        self.tasks: list[str] = []
        self._last_message_id: str | None = None
        self._documents: list[Json] = []
        if chat_id:
            saved = client.get(f"/api/v1/chats/{chat_id}")["chat"]
            self._last_message_id = saved["history"]["currentId"]
            self._documents = saved.get("files") or []

    def ask(
        self,
        text: str,
        pictures: Sequence[UploadedFile] = (),
        *,
        timeout_s: float = TIMEOUT_S,
        others: Sequence[Json] = (),
        **body: Any,
    ) -> Answer:
        """Send a message and wait until its answer is complete."""
        return self.wait(self.send(text, pictures, others, **body), timeout_s)

    def ask_again(self, answer: Answer, **body: Any) -> Answer:
        """Press Regenerate: another answer to the question of that one."""
        question = self.client.chat_history(self.id)[answer.raw["parentId"]]
        return self.wait(self._submit(question, body))

    def go_on(self, answer: Answer, **body: Any) -> Answer:
        """Press Continue Response: more of that answer."""
        question = self.client.chat_history(self.id)[answer.raw["parentId"]]
        form: Json = {"id": answer.id, "assistant_message_id": answer.id}
        if self.client.version < SERVER_OPENS_CHATS:
            form = {"id": answer.id, "messages": self._thread(answer.id)}
        return self.wait(self._submit(question, {**form, **body}, answer.raw))

    def go_back(self, answer: Answer | None) -> None:
        """Let the next message follow that answer, or None to begin anew.

        So branches come about, and what the page calls editing an earlier message.
        """
        self._last_message_id = answer.id if answer else None

    def send(
        self,
        text: str,
        pictures: Sequence[UploadedFile] = (),
        others: Sequence[Json] = (),
        **body: Any,
    ) -> str:
        """Send a message; return the id of the answer that is being made.

        ``others``: what else is attached, as the page lists it: documents, notes ….

        No socket needs to be open: any ``session_id`` makes the host answer in the
        background and save the answer, its events just go nowhere.
        """
        return self._submit(self._question(text, pictures, others), body)

    def _submit(self, question: Json, body: Json, begun: Json | None = None) -> str:
        answer = begun or self._placeholder(question["id"])
        below = dict.fromkeys([*question["childrenIds"], answer["id"]])
        question = {**question, "childrenIds": list(below)}
        form: Json = {
            "stream": True,
            "model": self.model,
            "params": {},
            "features": {},
            "variables": {},
            "session_id": str(uuid.uuid4()),
            "id": answer["id"],
            "background_tasks": {},
            # The page tells of a chat's documents with every message.
            **({"files": self._documents} if self._documents else {}),
            **self._turn(question, answer),
            **body,
        }
        reply = self.client.post("/api/chat/completions", form)
        self.id = self.id or reply["chat_id"]
        # Without streaming, older hosts answer at once.
        task_id = reply.get("task_id")
        self.tasks = reply.get("task_ids") or ([task_id] if task_id else [])
        self._last_message_id = answer["id"]
        return str(answer["id"])

    def wait(self, message_id: str, timeout_s: float = TIMEOUT_S) -> Answer:
        """Wait until the answer is done, or its task is over (also: was stopped)."""

        def finished() -> Answer | None:
            is_running = self.client.running_tasks(self.id)
            answer = self.answer(message_id)
            return answer if answer.is_done or not is_running else None

        return wait_until(finished, f"the answer in chat {self.id}", timeout_s)

    def answer(self, message_id: str) -> Answer:
        """The answer as far as it is saved."""
        history = self.client.chat_history(self.id)
        return Answer(message_id, history.get(message_id, {}))

    def stop(self) -> None:
        """Press Stop, also when no answer is being made any more."""
        if self.client.version >= CHATS_ARE_STOPPED:
            self.client.post(f"/api/tasks/chat/{self.id}/stop")
            return
        for task in self.tasks:
            self.client.stop_task(task)

    def _turn(self, question: Json, answer: Json) -> Json:
        """The part of the request that tells the host where in the chat it belongs."""
        if self.client.version >= SERVER_OPENS_CHATS:
            chat = {"chat_id": self.id} if self.id else {}
            parent_id = question["parentId"]
            return {**chat, "parent_id": parent_id, "user_message": question}
        self._save(question, answer)
        turn: Json = {"chat_id": self.id, "messages": self._thread(question["id"])}
        if self.client.version >= PAGES_NAME_THE_QUESTION:
            turn |= {"parent_id": question["id"], "parent_message": question}
        return turn

    def _question(
        self, text: str, pictures: Sequence[UploadedFile], others: Sequence[Json]
    ) -> Json:
        version = self.client.version
        files = [_attachment(picture, version) for picture in pictures]
        self._documents += [file for file in files if _is_document(file, version)]
        self._documents += others
        files += others
        return {
            "id": str(uuid.uuid4()),
            "parentId": self._last_message_id,
            "childrenIds": [],
            "role": "user",
            "content": text,
            **({"files": files} if files else {}),
            "timestamp": int(time.time()),
            "models": [self.model],
        }

    def _placeholder(self, parent_id: str) -> Json:
        return {
            "id": str(uuid.uuid4()),
            "parentId": parent_id,
            "childrenIds": [],
            "role": "assistant",
            "content": "",
            "model": self.model,
            "modelName": self.model,
            "modelIdx": 0,
            "timestamp": int(time.time()),
        }

    def _save(self, question: Json, answer: Json) -> None:
        """Write the new turn into the chat, as pages of older hosts do themselves."""
        messages = self.client.chat_history(self.id) if self.id else {}
        if question["parentId"] and question["id"] not in messages:
            messages[question["parentId"]]["childrenIds"].append(question["id"])
        messages.update({question["id"]: question, answer["id"]: answer})
        chat = {
            "title": "New Chat",
            "models": [self.model],
            "params": {},
            "history": {"messages": messages, "currentId": answer["id"]},
            "messages": [],
            "tags": [],
            "timestamp": int(time.time() * 1000),
        }
        path = f"/api/v1/chats/{self.id or 'new'}"
        self.id = self.client.post(path, {"chat": chat})["id"]

    def _thread(self, message_id: str | None) -> list[Json]:
        """The messages up to that one, in the form in which they are sent."""
        history, thread = self.client.chat_history(self.id), []
        while message_id:
            message = history[message_id]
            thread.append(_as_sent(message))
            message_id = message["parentId"]
        return thread[::-1]


def picture_links(text: str) -> list[str]:
    """The links of the pictures in an answer's text."""
    return PICTURE_LINK.findall(text)


def text_of(events: Iterable[Json | str]) -> str:
    """The text in the events of ``Client.stream``."""
    choices = [c for e in events if isinstance(e, dict) for c in e.get("choices", [])]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def content_of(completion: Json) -> str:
    """The text of what ``Client.complete`` returns."""
    content: str = completion["choices"][0]["message"]["content"]
    return content


def notes_of(answer: Answer | str) -> list[str]:
    """The plugin's own sentences in an answer: notes and failures."""
    text = answer if isinstance(answer, str) else answer.content
    return [line for line in text.splitlines() if line.startswith("> ")]


def _output_text(output: Sequence[Json]) -> str:
    """The text of the structured output, all that 0.10.2 saves; without thoughts."""
    messages = [item for item in output if item.get("type") == "message"]
    parts = [part for item in messages for part in item.get("content") or []]
    return "".join(part.get("text", "") for part in parts)


def _completion_form(model: str, messages: Sequence[Json] | str, **body: Any) -> Json:
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    return {"model": model, "messages": list(messages), **body}


def _as_sent(message: Json) -> Json:
    pictures = [f for f in message.get("files") or [] if _is_picture(f)]
    if message["role"] != "user" or not pictures:
        return {"role": message["role"], "content": message["content"]}
    parts: list[Json] = [{"type": "text", "text": message["content"]}]
    parts += [{"type": "image_url", "image_url": {"url": f["url"]}} for f in pictures]
    return {"role": "user", "content": parts}


def _is_picture(entry: Json) -> bool:
    is_image: bool = entry.get("content_type", "").startswith("image/")
    return is_image or entry["type"] == "image"


def _is_document(entry: Json, version: tuple[int, ...]) -> bool:
    is_drawing = entry.get("content_type") == "image/svg+xml"
    return is_drawing and version >= DRAWINGS_ARE_DOCUMENTS


def _attachment(file: UploadedFile, version: tuple[int, ...]) -> Json:
    if version < PICTURES_ARE_FILES:
        return {"type": "image", "url": _data_uri(file)}
    details = {"name": file.name, "content_type": file.content_type}
    return {"type": "file", "id": file.id, "url": file.id, **details}


def _data_uri(file: UploadedFile) -> str:
    encoded = base64.b64encode(file.data).decode()
    return f"data:{file.content_type};base64,{encoded}"


def _http_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # hosts are on loopback: no proxy, no ~/.netrc
    return session


def _version(url: str) -> tuple[int, ...]:
    response = _http_session().get(f"{url}/api/version", timeout=TIMEOUT_S)
    text = _checked("GET /api/version", response).json()["version"]
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _post(url: str, path: str, body: Json) -> Json:
    response = _http_session().post(f"{url}{path}", json=body, timeout=TIMEOUT_S)
    answer: Json = _checked(f"POST {path}", response).json()
    return answer


def _checked(what: str, response: requests.Response) -> requests.Response:
    if response.ok:
        return response
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.text[:500]
    raise ApiError(what, response.status_code, str(detail))
