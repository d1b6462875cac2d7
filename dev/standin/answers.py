"""What a model answers: the chunks of a generateContent stream, as JSON objects.

ai.google.dev/gemini-api/docs/image-generation and /thinking: text first, then the
interim pictures with `thought`, then the final picture, then the finish reason.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import random
from dataclasses import dataclass, field
from typing import Any

from dev.standin import pictures
from dev.standin.catalogue import PIXELS_1K, ImageModel, pixels
from dev.standin.reading import GenerateRequest
from dev.standin.scripts import Script, without_directives

Json = dict[str, Any]

SIGNATURE_BYTES = 24_000
THOUGHT_TOKENS = 210
# Where nothing is: no client is to fetch it.
PICTURE_ADDRESS = "https://files.example/a%20picture.png"

_responses = itertools.count(1)


@dataclass
class Answer:
    """The chunks of one answer and the pictures in them."""

    chunks: list[Json] = field(default_factory=list)
    images: list[bytes] = field(default_factory=list)
    drafts: list[bytes] = field(default_factory=list)


def signature(model: ImageModel, data: bytes) -> str:
    """The thought signature of a part: the same bytes of one model get the same."""
    seed = hashlib.sha256(model.model_version.encode() + data).digest()
    return base64.b64encode(random.Random(seed).randbytes(SIGNATURE_BYTES)).decode()


def answer(model: ImageModel, request: GenerateRequest, script: Script) -> Answer:
    """Everything that one request is answered, in the order of a stream."""
    writer = _Writer(model, request, script)
    return writer.write()


def text_answer(model_id: str, text: str) -> Answer:
    """What a model that makes no pictures says."""
    part = {"text": text}
    candidate = {
        "content": {"parts": [part], "role": "model"},
        "finishReason": "STOP",
        "index": 0,
    }
    chunk = {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 8, "totalTokenCount": 8},
        "modelVersion": model_id,
        "responseId": _response_id(),
    }
    return Answer([chunk])


class _Writer:
    """Collects the chunks of one answer."""

    def __init__(
        self, model: ImageModel, request: GenerateRequest, script: Script
    ) -> None:
        self.model = model
        self.request = request
        self.script = script
        self.answer = Answer()
        self.response_id = _response_id()
        self.size = str(request.image_config.get("imageSize") or "1K")
        self.text_tokens = 0
        self.image_tokens = 0
        self.thought_tokens = THOUGHT_TOKENS if model.thinks else 0

    def write(self) -> Answer:
        script = self.script
        if script.block:
            self._chunk(None, promptFeedback=_blocked(script.block))
        elif script.empty:
            self._empty(script.empty)
        elif script.finish and not script.keep_picture:
            self._refused(script.finish)
        elif "IMAGE" not in self.request.modalities or script.text_only:
            self._only_text()
        elif self._runs_out_of_tokens():
            self._refused("MAX_TOKENS")
        else:
            self._with_pictures()
        return self.answer

    # -- kinds of answers

    def _with_pictures(self) -> None:
        step = int(self.request.continuation or 0)
        if step < self.script.continues:
            self._text(f"Part {step + 1}. ")
            self._finish("CONTINUATION", str(step + 1))
            return
        self._opening()
        self._thoughts()
        if not self.script.drafts_only:
            for _ in range(self.script.images):
                self._picture()
        if not self.script.no_finish:
            self._finish(self.script.finish or "STOP")

    def _only_text(self) -> None:
        text = self.script.say
        if text is None:
            text = (
                "I cannot show you a picture here, but I can describe one: "
                f"{without_directives(self.request.prompt)}"
            )
        self._text(text)
        self._finish("STOP")

    def _refused(self, reason: str) -> None:
        content: Json = {"role": "model"} if reason in _ROLE_ONLY else {}
        candidate = {"content": content, "finishReason": reason, "index": 0}
        message = _finish_message(reason)
        self._chunk(candidate | ({"finishMessage": message} if message else {}))

    def _empty(self, variant: str) -> None:
        candidate = _EMPTY_CANDIDATES.get(variant)
        if candidate is not None:
            self._chunk(candidate | {"finishReason": "STOP", "index": 0})
        elif variant == "object":
            self.answer.chunks.append({})
        elif variant == "missing":
            self._chunk(None)
        elif variant == "nullcandidates":
            self._chunk(None, candidates=None)
        elif variant != "stream":
            self._chunk(None, candidates=[])

    # -- parts

    def _opening(self) -> None:
        says = self.script.say
        if says is not None:
            self._text(says)
        elif "TEXT" in self.request.modalities and not self.script.no_text:
            self._text("Here is the picture you asked for. ")

    def _text(self, text: str) -> None:
        self.text_tokens += max(1, len(text) // 4)
        part: Json = {"text": text}
        if self.model.thinks:
            part["thoughtSignature"] = signature(self.model, text.encode())[:1_000]
        self._parts([part])

    def _thoughts(self) -> None:
        """Words for all who ask for them; not every model shows interim pictures."""
        wanted = bool(self.request.thinking_config.get("includeThoughts"))
        text = self.script.think
        if text is None and (wanted or self.script.drafts):
            text = "**Composing**\n\nI lay out the scene and choose the colours.\n"
        if text is not None:
            self._parts([{"text": text, "thought": True}])
        if self.script.drafts or (wanted and self.model.shows_drafts):
            self._drafts()

    def _drafts(self) -> None:
        # The last interim picture shows what the final one will show.
        for prompt in (f"sketch: {self.request.prompt}", self.request.prompt):
            data = self._draw(prompt)
            self.answer.drafts.append(data)
            self._parts([self._inline(data) | {"thought": True}])

    def _picture(self) -> None:
        data = self._draw(self.request.prompt)
        self.answer.images.append(data)
        self.image_tokens += self.model.tokens_of_image(self.size)
        if self.script.elsewhere:
            file = {"mimeType": _mime_of(data), "fileUri": PICTURE_ADDRESS}
            self._parts([{"fileData": file}])
            return
        if self.script.relay:
            self._parts([{"text": f"Done.\n![image]({_data_uri(data)})"}])
            return
        part = self._inline(data)
        if self.model.thinks:
            part["thoughtSignature"] = signature(self.model, data)
        self._parts([part])

    def _inline(self, data: bytes) -> Json:
        mime = _mime_of(data)
        if self.script.mislabel:
            mime = "image/png" if mime == "image/jpeg" else "image/jpeg"
        encoded = base64.b64encode(data).decode()
        if self.script.bad_base64:
            encoded = "!!! this is no base64 !!!"
        if self.script.bad_picture:
            encoded = base64.b64encode(b"this is no picture" * 40).decode()
        return {"inlineData": {"mimeType": mime, "data": encoded}}

    def _draw(self, prompt: str) -> bytes:
        mime = self.model.output_mime
        if self.script.size:
            return pictures.noise_picture(self.script.size, mime)
        prompt = without_directives(prompt)
        source = self._source()
        size = output_pixels(self.model, self.request, self.size, source)
        if self.script.square:
            size = pixels("1:1", "1K")
        size = self.script.pixels or size
        if self.script.plain:
            return pictures.plain_picture(size, mime)
        if source:
            return pictures.edit_picture(prompt, source, size, mime)
        return pictures.make_picture(prompt, size, mime)

    def _source(self) -> bytes:
        """The last picture given that can be altered."""
        readable = [i.data for i in self.request.images if _readable(i.mime)]
        return readable[-1] if readable else b""

    # -- chunks

    def _parts(self, parts: list[Json]) -> None:
        self._chunk({"content": {"parts": parts, "role": "model"}, "index": 0})

    def _finish(self, reason: str, token: str = "") -> None:
        candidate: Json = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            "finishReason": reason,
            "index": 0,
        }
        if token:
            encoded = base64.b64encode(token.encode()).decode()
            candidate["continuationToken"] = encoded
        elif reason != "STOP" and _finish_message(reason):
            candidate["finishMessage"] = _finish_message(reason)
        if self.script.grounding is not None:
            candidate["groundingMetadata"] = self.script.grounding
        elif self.script.search or self.request.searches:
            candidate["groundingMetadata"] = GROUNDING
        self._chunk(candidate)

    def _chunk(self, candidate: Json | None, **extra: Any) -> None:
        chunk: Json = {"candidates": [candidate]} if candidate is not None else {}
        chunk |= extra
        given = self.script.usage
        chunk["usageMetadata"] = self._usage() if given is None else given
        chunk["modelVersion"] = self.model.model_version
        chunk["responseId"] = self.response_id
        if self.script.deprecated:
            chunk["modelStatus"] = _DEPRECATED
        self.answer.chunks.append(chunk)

    def _usage(self) -> Json:
        """ai.google.dev/api/generate-content, UsageMetadata; cumulative."""
        prompt = input_tokens(self.model, self.request)
        output = self.text_tokens + self.image_tokens
        usage: Json = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": output,
            "totalTokenCount": prompt + output + self.thought_tokens,
            "promptTokensDetails": _details(self.model, self.request),
            "serviceTier": "standard",
        }
        if self.thought_tokens:
            usage["thoughtsTokenCount"] = self.thought_tokens
        if self.image_tokens:
            usage["candidatesTokensDetails"] = [
                {"modality": "IMAGE", "tokenCount": self.image_tokens}
            ]
        return usage

    def _runs_out_of_tokens(self) -> bool:
        """maxOutputTokens counts the picture and the thoughts too."""
        limit = self.request.config.get("maxOutputTokens")
        needed = self.model.tokens_of_image(self.size) + self.thought_tokens
        return limit is not None and int(limit) < needed


def input_tokens(model: ImageModel, request: GenerateRequest) -> int:
    """About four characters to a token, and a fixed price for a picture."""
    characters = sum(map(len, request.texts))
    return characters // 4 + len(request.images) * model.input_image_tokens + 1


def token_count(model: ImageModel, request: GenerateRequest) -> Json:
    """What countTokens says of a request."""
    total = input_tokens(model, request)
    return {"totalTokens": total, "promptTokensDetails": _details(model, request)}


def _details(model: ImageModel, request: GenerateRequest) -> list[Json]:
    images = len(request.images) * model.input_image_tokens
    words = input_tokens(model, request) - images
    counts = {"TEXT": words, **({"IMAGE": images} if images else {})}
    return [{"modality": kind, "tokenCount": n} for kind, n in counts.items()]


def output_pixels(
    model: ImageModel, request: GenerateRequest, size: str, source: bytes
) -> tuple[int, int]:
    """The documented pixels; without a ratio those nearest to the input picture."""
    ratio = request.image_config.get("aspectRatio") or _nearest_ratio(model, source)
    return pixels(ratio, _PLAIN_SIZE.get(size, size))


_PLAIN_SIZE = {"512P": "512", "512PX": "512"}


def _nearest_ratio(model: ImageModel, source: bytes) -> str:
    if not source:
        return "1:1"
    width, height = pictures.measure(source)

    def distance(ratio: str) -> float:
        w, h = PIXELS_1K[ratio]
        return abs(width * h - height * w) / (height * h)

    return min(model.ratios, key=distance)


def _readable(mime: str) -> bool:
    return mime in ("image/png", "image/jpeg", "image/webp")


def _mime_of(data: bytes) -> str:
    return "image/jpeg" if data.startswith(b"\xff\xd8") else "image/png"


def _data_uri(data: bytes) -> str:
    return f"data:{_mime_of(data)};base64,{base64.b64encode(data).decode()}"


def _response_id() -> str:
    return f"standin{next(_responses):06d}"


# -- refusals inside a 200 ------------------------------------------------------------

_ROLE_ONLY = {"IMAGE_PROHIBITED_CONTENT", "MAX_TOKENS"}
_SENSITIVE = (
    "The model output could not be generated. This output contains sensitive words "
    "that violate Google's Responsible AI practices. Try rephrasing the prompt. If "
    "you think this was an error, send feedback. Support code: 42876398."
)
_NOT_SHOWN = (
    "Unable to show the generated image. {why} You will not be charged for this "
    "request. Try rephrasing the prompt."
)
_WHY = {
    "IMAGE_OTHER": "The model could not generate the image based on the prompt "
    "provided.",
    "IMAGE_SAFETY": "The model could not generate the image as it violated Google's "
    "Generative AI Prohibited Use policy. Support code: 29310472.",
    "IMAGE_RECITATION": "The model could not generate the image as it was too close "
    "to existing content. Support code: 17301594.",
    "NO_IMAGE": "The model did not generate an image.",
}


def _finish_message(reason: str) -> str:
    if reason == "IMAGE_PROHIBITED_CONTENT":
        return _SENSITIVE
    return _NOT_SHOWN.format(why=_WHY[reason]) if reason in _WHY else ""


def _blocked(reason: str) -> Json:
    rating = {
        "category": "HARM_CATEGORY_DANGEROUS_CONTENT",
        "probability": "HIGH",
        "blocked": True,
    }
    ratings = [rating] if reason == "SAFETY" else []
    return {"blockReason": reason} | ({"safetyRatings": ratings} if ratings else {})


_EMPTY_CANDIDATES: dict[str, Json] = {
    "nocontent": {},
    "content": {"content": {}},
    "role": {"content": {"role": "model"}},
    "parts": {"content": {"role": "model", "parts": []}},
    "nullparts": {"content": {"role": "model", "parts": None}},
    "text": {"content": {"role": "model", "parts": [{"text": ""}]}},
}
_DEPRECATED = {
    "message": "This model is deprecated. Please use a newer model.",
    "modelStage": "DEPRECATED",
    "retirementTime": "2027-01-31T00:00:00Z",
}
# ai.google.dev/gemini-api/docs/google-search, "Understanding the Grounding Response";
# the field names of image chunks are documented in two ways, one of each is given.
GROUNDING: Json = {
    "webSearchQueries": ["red fox winter coat"],
    "imageSearchQueries": ["red fox photo"],
    "searchEntryPoint": {
        "renderedContent": "<style>.chip{color:#1f1f1f}</style><div class=chip>"
        "<a href='https://www.google.com/search?q=red+fox+winter+coat'>"
        "red fox winter coat</a></div>"
    },
    "groundingChunks": [
        {
            "web": {
                "uri": "https://vertexaisearch.cloud.google.com/grounding-api-redirect/A",
                "title": "example.org",
                "domain": "example.org",
            }
        },
        {
            "image": {
                "sourceUri": "https://example.org/foxes",
                "imageUri": "https://example.org/fox.jpg",
                "title": "Foxes [in] winter",
                "domain": "example.org",
            }
        },
        {
            "image": {
                "uri": "https://example.net/fox-page",
                "image_uri": "https://example.net/fox.png",
                "title": "A fox",
                "domain": "example.net",
            }
        },
    ],
    "groundingSupports": [],
}


def merged(chunks: list[Json]) -> Json:
    """The one object of generateContent for the chunks of its stream."""
    if not chunks or not chunks[-1].get("candidates"):
        return chunks[-1] if chunks else {}
    parts: list[Json] = []
    for chunk in chunks:
        content = (chunk["candidates"][0] if chunk.get("candidates") else {}).get(
            "content"
        )
        parts += (content or {}).get("parts") or []
    whole = dict(chunks[-1])
    candidate = dict(whole["candidates"][0])
    kept = [part for part in parts if part != {"text": ""}]
    if kept:
        candidate["content"] = {"parts": kept, "role": "model"}
    whole["candidates"] = [candidate]
    return whole
