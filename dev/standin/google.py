"""Google's API without HTTP: a recorded request in, an answer out."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from dev.standin import announced, catalogue, errors, framing, imagen
from dev.standin.answers import Answer, answer, text_answer, token_count
from dev.standin.catalogue import ImageModel
from dev.standin.cloud import TOKEN_PATH, Cloud, Place, place_of, publisher_model
from dev.standin.errors import CANONICAL, GoogleError, RawAnswer, as_answer
from dev.standin.keys import KeyRights, rights_of
from dev.standin.reading import GenerateRequest, snake
from dev.standin.records import RecordedRequest
from dev.standin.schema import check_fields, parse_body
from dev.standin.scripts import Script, parse
from dev.standin.validate import check_generate
from dev.standin.wire import first_bytes, slowly

Wait = Callable[[float], None]

# Prefix → the API version that it speaks in its error texts.
PREFIXES = {
    "/v1beta": "v1beta",
    "/v1": "v1",
    # Gateways: one with a path of its own, one without any version, and one that
    # keeps alive what Google has shut down.
    "/gateway/gemini/v1beta": "v1beta",
    "/exact": "v1beta",
    "/legacy/v1beta": "v1beta",
}
LEGACY = "/legacy/v1beta"
VERTEX = "/v1beta1"
# Places that are no API at all: a redirect to another host, a sign-in page, nothing.
PLACES = ("/moved", "/html", "/empty")

# How a list of models may go wrong; "slow" takes seconds, as in "slow 2"; "none" is a
# list without models.
MODELS_BEHAVIOURS = ("slow", "500", "503", "429", "html", "empty", "array", "none")
SLOW_LIST_SECONDS = 30
CALL_PARAMETERS = {"alt", "$alt", "prettyPrint", "fields", "quotaUser"}
PAGE_PARAMETERS = CALL_PARAMETERS | {"pageSize", "page_size", "pageToken", "page_token"}
# Google may always send fewer than asked for; a small page makes clients turn it.
PAGE_SIZE = 5
MAX_PAGE_SIZE = 1000
# Bodies from this size on are not squeezed.
BIG = 500_000


@dataclass
class Stream:
    """A 200 that arrives in pieces, with what the script does to it."""

    body: list[bytes]
    content_type: str | None
    framing: str
    script: Script

    @property
    def severed(self) -> bool:
        """Whether the connection is ended without ending the message."""
        return self.script.cut and not self.script.cut_clean

    @property
    def severed_at_once(self) -> bool:
        return self.severed and self.script.cut_at == 0

    @property
    def resets(self) -> bool:
        return self.script.reset

    @property
    def is_big(self) -> bool:
        return self.script.endless or sum(map(len, self.body)) > BIG

    def pieces(self, wait: Wait) -> Iterator[bytes]:
        """The body as it goes out, pauses included."""
        if self.script.endless:
            yield from framing.endless(self.framing)
            return
        whole = self._cut() if self.script.cut else self.body
        if self.script.trickle:
            yield from slowly(whole, self.script.trickle, wait)
            return
        for at, piece in enumerate(whole):
            if at == 1:
                wait(self.script.pause)
            yield piece

    def _cut(self) -> list[bytes]:
        limit = self.script.cut_at
        if limit is None:
            limit = sum(map(len, self.body)) // 2
        return list(first_bytes(self.body, limit))


class Google:
    """Models, keys and what happened so far."""

    def __init__(
        self, key: str, extra_models: dict[str, str], takes_key_in_url: bool = False
    ) -> None:
        self.key = key
        self._takes_key_in_url = takes_key_in_url
        self.moved_to = ""
        self.cloud = Cloud()
        self.models_behaviour: str | None = None
        self.sent_images: list[bytes] = []
        self.sent_drafts: list[bytes] = []
        self._list_delay = float(SLOW_LIST_SECONDS)
        self._tries: Counter[str] = Counter()
        self._comings: Counter[str] = Counter()
        self._uses: Counter[str] = Counter()
        self._lock = threading.Lock()
        extra = (catalogue.unknown_image_model(*item) for item in extra_models.items())
        known = (*announced.all_models(), *extra)
        self._models = {model.id: model for model in known}
        legacy = {model.id: model for model in catalogue.LEGACY_IMAGE_MODELS}
        self._legacy_models = self._models | legacy

    def behave(self, behaviour: str | None) -> None:
        """Make lists of models fail in one of MODELS_BEHAVIOURS."""
        name, _, seconds = (behaviour or "none").partition(" ")
        if name not in MODELS_BEHAVIOURS:
            raise ValueError(f"{behaviour!r} is none of {MODELS_BEHAVIOURS}")
        self._list_delay = float(seconds or SLOW_LIST_SECONDS)
        self.models_behaviour = behaviour

    def reset(self) -> None:
        """Forget pictures, tries and behaviour."""
        self.sent_images.clear()
        self.sent_drafts.clear()
        self._tries.clear()
        self._comings.clear()
        self._uses.clear()
        self.models_behaviour = None
        self.cloud.reset()

    # -- routes

    def answer(
        self, record: RecordedRequest, raw: bytes, wait: Wait
    ) -> RawAnswer | Stream:
        """What a request gets; GoogleError for Google's normal refusals."""
        place = _first_that_starts(record.path, PLACES)
        if place:
            return self._no_api(place, record.path)
        if record.path == TOKEN_PATH:
            return self.cloud.token(record, raw, wait)
        if vertex := place_of(record.path):
            return self._vertex(record, raw, vertex, wait)
        prefix = _first_that_starts(record.path, sorted(PREFIXES, key=len)[::-1])
        rest = record.path.removeprefix(prefix)
        if prefix == "/v1beta" and rest.startswith("/openai/"):
            return self._openai(record)
        found = re.fullmatch(r"/models(?:/([^/:]+)(?::(\w+))?)?", rest)
        if not prefix or not found:
            return errors.front_end_404(record.path)
        model_id, method = found[1] or "", found[2] or ""
        rights = self._authorised(record)
        _check_query(record)
        if record.method == "GET" and not method:
            return self._listing(record, model_id, prefix, rights, wait)
        if record.method != "POST" or not method:
            return errors.front_end_404(record.path)
        _check_content_type(record)
        return self._call(record, raw, _Target(prefix, model_id, method), rights, wait)

    def _vertex(
        self, record: RecordedRequest, raw: bytes, place: Place, wait: Wait
    ) -> RawAnswer | Stream:
        """Vertex AI: a project is asked with a token, and without one with a key."""
        rights = KeyRights()
        if place.project:
            self.cloud.authorised(record, place)
        else:
            rights = self._authorised(record)
        _check_query(record)
        if record.method != "POST":
            return errors.front_end_404(record.path)
        _check_content_type(record)
        place.check()
        target = _Target(VERTEX, place.model, place.method, place.resource)
        return self._call(record, raw, target, rights, wait)

    def _no_api(self, place: str, path: str) -> RawAnswer:
        if place == "/moved":
            where = self.moved_to + path.removeprefix(place)
            return RawAnswer(302, b"", None, {"Location": where})
        return errors.sign_in_page() if place == "/html" else RawAnswer(200, b"")

    def _authorised(self, record: RecordedRequest) -> KeyRights:
        """ai.google.dev/gemini-api/docs/api-key; stricter: no key in the URL, unless
        it is to be as Google itself."""
        key = record.headers.get("x-goog-api-key", "")
        if key and "authorization" in record.headers:
            raise errors.key_twice()
        if self._takes_key_in_url:
            key = key or record.query.pop("key", "")
        if not key or "key" in record.query:
            raise errors.key_missing()
        rights = rights_of(key, self.key)
        if rights.refuses:
            raise rights.refuses()
        return rights

    # -- models

    def _models_of(self, prefix: str, rights: KeyRights) -> dict[str, ImageModel]:
        models = self._legacy_models if prefix == LEGACY else self._models
        return {
            name: model for name, model in models.items() if rights.sees_model(name)
        }

    def _entries(self, prefix: str, rights: KeyRights) -> list[dict[str, object]]:
        entries = [catalogue.other_entry(*other) for other in catalogue.OTHER_MODELS]
        models = self._models_of(prefix, rights).values()
        # Spread among the others, so that each page holds some.
        for at, model in enumerate(models):
            entries.insert(2 + 4 * at, catalogue.list_entry(model))
        if prefix == LEGACY:
            entries += map(catalogue.imagen_entry, catalogue.IMAGEN_MODELS)
        return entries

    def _listing(
        self,
        record: RecordedRequest,
        model_id: str,
        prefix: str,
        rights: KeyRights,
        wait: Wait,
    ) -> RawAnswer:
        failure = self._listing_failure(wait)
        if failure:
            return failure
        entries = self._entries(prefix, rights)
        if not model_id:
            return _json_answer(_page(entries, record.query))
        for entry in entries:
            if entry["name"] == f"models/{model_id}":
                return _json_answer(entry)
        raise _not_found(model_id, "GetModel", PREFIXES[prefix])

    def _listing_failure(self, wait: Wait) -> RawAnswer | None:
        behaviour = self.models_behaviour
        if behaviour and behaviour.startswith("slow"):
            wait(self._list_delay)
        if behaviour in ("500", "503", "429"):
            return _canonical(errors.BY_STATUS[int(behaviour)], "")
        if behaviour in ("html", "empty", "array"):
            names = {"html": "sign in", "empty": "empty 200"}
            return _canonical(names.get(behaviour, behaviour), "")
        return _json_answer({}) if behaviour == "none" else None

    # -- calls

    def _call(
        self,
        record: RecordedRequest,
        raw: bytes,
        target: _Target,
        rights: KeyRights,
        wait: Wait,
    ) -> RawAnswer | Stream:
        if target.method == "predict":
            return self._predict(record, raw, target, rights, wait)
        model = self._models_of(target.prefix, rights).get(target.model_id)
        if target.method == "countTokens":
            return self._count_tokens(raw, target, rights)
        if target.method not in ("generateContent", "streamGenerateContent"):
            raise target.not_found(target.method)
        if model is None:
            return self._other_model(raw, record, target)
        body = parse_body(raw)
        check_generate(body, model, target.version)
        self._use(rights)
        request = GenerateRequest(body)
        script = self._script(request.prompt)
        wait(script.wait)
        failure = self._scripted_failure(script, request.prompt, body)
        if failure:
            return failure
        model = replace(model, output_mime=request.output_mime or model.output_mime)
        return self._sent(answer(model, request, script), script, record, target)

    def _count_tokens(
        self, raw: bytes, target: _Target, rights: KeyRights
    ) -> RawAnswer:
        """ai.google.dev/api/tokens: contents, or a whole generateContentRequest."""
        model = self._models_of(target.prefix, rights).get(target.model_id)
        others = {name: methods for name, _, methods in catalogue.OTHER_MODELS}
        if model is None and target.method in others.get(target.model_id, ()):
            model = catalogue.NANO_BANANA_2_1  # words count alike
        if model is None:
            raise target.not_found(target.method)
        body = parse_body(raw)
        whole = GenerateRequest(body).body.get("generateContentRequest") or body
        check_fields(whole, target.version)
        request = GenerateRequest(whole)
        return _json_answer(token_count(model, request))

    def _other_model(
        self, raw: bytes, record: RecordedRequest, target: _Target
    ) -> Stream:
        """A model that makes text only, or none at all."""
        others = {name: methods for name, _, methods in catalogue.OTHER_MODELS}
        if "generateContent" not in others.get(target.model_id, ()):
            raise target.not_found("generateContent")
        request = GenerateRequest(parse_body(raw))
        if "IMAGE" in request.modalities:
            asked = ", ".join(sorted(request.modalities))
            raise errors.invalid(
                f"The requested combination of response modalities ({asked}) is not "
                f"supported by the model. models/{target.model_id} accepts the "
                "following combination of response modalities:\n* TEXT\n"
            )
        said = text_answer(target.model_id, "A short answer in words.")
        return self._sent(said, Script(), record, target)

    def _predict(
        self,
        record: RecordedRequest,
        raw: bytes,
        target: _Target,
        rights: KeyRights,
        wait: Wait,
    ) -> RawAnswer | Stream:
        models = {model.id: model for model in catalogue.IMAGEN_MODELS}
        model = models.get(target.model_id)
        if target.prefix != LEGACY or model is None:
            raise target.not_found("predict")
        body = parse_body(raw)
        imagen.check(body, model)
        self._use(rights)
        prompt = imagen.prompt_of(body)
        script = self._script(prompt)
        wait(script.wait)
        failure = self._scripted_failure(script, prompt, body)
        if failure:
            return failure
        said = imagen.predict(body, model, script)
        script.framing = framing.OBJECT
        return self._sent(said, script, record, target)

    def _use(self, rights: KeyRights) -> None:
        """Count a use of a key, or refuse it."""
        with self._lock:
            self._uses[rights.key] += 1
            uses = self._uses[rights.key]
        if rights.refuses_generate and uses > rights.good_for:
            raise rights.refuses_generate()

    def _script(self, prompt: str) -> Script:
        with self._lock:
            self._comings[prompt] += 1
            coming = self._comings[prompt]
        return parse(prompt, coming)

    def _scripted_failure(
        self, script: Script, prompt: str, body: Any
    ) -> RawAnswer | None:
        for name in script.refuse:
            path = _path_of(name, body, "")
            if path is not None:
                raise errors.bad_request([errors.unknown_name(name, path)])
        if script.sentence:
            raise errors.invalid(script.sentence)
        if not script.error or self._tried_enough(script, prompt):
            return None
        return _canonical(script.error, script.error_delay)

    def _tried_enough(self, script: Script, prompt: str) -> bool:
        if not script.fail_first:
            return False
        with self._lock:
            self._tries[prompt] += 1
            return self._tries[prompt] > script.fail_first

    def _sent(
        self, said: Answer, script: Script, record: RecordedRequest, target: _Target
    ) -> Stream:
        style = script.framing or target.framing(record.query)
        content_type = None if script.no_content_type else framing.CONTENT_TYPES[style]
        pieces = framing.body_pieces(said.chunks, style, script)
        self.sent_images.extend(said.images)
        self.sent_drafts.extend(said.drafts)
        return Stream(pieces, content_type, style, script)

    def _openai(self, record: RecordedRequest) -> RawAnswer:
        """ai.google.dev/gemini-api/docs/openai: serves no image models in a chat."""
        body = record.body if isinstance(record.body, dict) else {}
        model_id = str(body.get("model", ""))
        model_id = model_id.removeprefix("models/")
        refusal = _not_found(model_id, "generateContent", "v1main")
        return as_answer(refusal, wrapped=True)


@dataclass(frozen=True)
class _Target:
    """Where a POST went; resource: the model's name on Vertex AI."""

    prefix: str
    model_id: str
    method: str
    resource: str = ""

    @property
    def version(self) -> str:
        return PREFIXES.get(self.prefix, self.prefix.strip("/"))

    def not_found(self, method: str) -> GoogleError:
        """Google's refusal of a model that is not there, or not with this method."""
        if self.resource:
            return publisher_model(self.resource)
        return _not_found(self.model_id, method, self.version)

    def framing(self, query: dict[str, str]) -> str:
        """How this method writes its answer."""
        if self.method != "streamGenerateContent":
            return framing.OBJECT
        return framing.SSE if query.get("alt") == "sse" else framing.ARRAY


def _first_that_starts(path: str, prefixes: Any) -> str:
    """The first prefix that is the path or a folder of it."""
    for prefix in prefixes:
        if path == prefix or path.startswith(prefix + "/"):
            return str(prefix)
    return ""


def _check_query(record: RecordedRequest) -> None:
    """cloud.google.com/apis/docs/system-parameters"""
    known = PAGE_PARAMETERS if record.method == "GET" else CALL_PARAMETERS
    for name in record.query:
        if name not in known:
            text = (
                f'Invalid JSON payload received. Unknown name "{name}": Cannot bind '
                f"query parameter. Field '{name}' could not be found in request "
                "message."
            )
            raise errors.bad_request([("", text)])


def _check_content_type(record: RecordedRequest) -> None:
    kind = record.headers.get("content-type", "application/json").split(";")[0].strip()
    if kind.lower() != "application/json":
        raise errors.invalid(f"Unsupported content with type: {kind}")


def _not_found(model_id: str, method: str, version: str) -> GoogleError:
    return GoogleError(404, catalogue.not_found_text(model_id, method, version))


def _canonical(name: str, delay: str) -> RawAnswer:
    makers: dict[str, Any] = {
        "minute": errors.quota_minute,
        "day": errors.quota_day,
        "zero": errors.quota_zero,
    }
    if delay and name in makers:
        return as_answer(makers[name](delay))
    made = CANONICAL[name]()
    return as_answer(made) if isinstance(made, GoogleError) else made


def _json_answer(value: Any) -> RawAnswer:
    return RawAnswer(200, framing.pretty(value) + b"\n")


def _page(entries: list[dict[str, object]], query: dict[str, str]) -> dict[str, Any]:
    """ai.google.dev/api/models#method:-models.list"""
    size = query.get("pageSize", query.get("page_size", "50"))
    token = query.get("pageToken", query.get("page_token", ""))
    if not size.isdigit() or int(size) > MAX_PAGE_SIZE:
        raise errors.invalid(
            f"* ListModelsRequest.page_size: must be between 0 and {MAX_PAGE_SIZE}\n"
        )
    start = _start_of(token, len(entries))
    end = start + min(int(size) or PAGE_SIZE, PAGE_SIZE)
    page: dict[str, Any] = {"models": entries[start:end]}
    return page | ({"nextPageToken": f"page/{end}=="} if end < len(entries) else {})


def _start_of(token: str, count: int) -> int:
    if not token:
        return 0
    found = re.fullmatch(r"page/(\d+)==", token)
    if not found or int(found[1]) >= count:
        raise errors.invalid("The page token is invalid.")
    return int(found[1])


def _path_of(name: str, value: Any, path: str) -> str | None:
    """Where a field of this name stands in the body; None if nowhere."""
    if isinstance(value, dict):
        for key, item in value.items():
            if name in (key, snake(key)):
                return path
            inner = f"{path}.{snake(key)}".lstrip(".")
            if (found := _path_of(name, item, inner)) is not None:
                return found
    if isinstance(value, list):
        for at, item in enumerate(value):
            if (found := _path_of(name, item, f"{path}[{at}]")) is not None:
                return found
    return None
