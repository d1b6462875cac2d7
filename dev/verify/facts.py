"""What the plugin takes for granted of Google's API and no document settles.

`FACTS` is the table: a fact is a row with what is expected, why it matters to the
plugin, what asking costs at most, and the function that asks. Expected is what the
plugin is written for, and what `dev/standin` does. Quotas (429, RetryInfo,
Retry-After) are not provoked.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from PIL import Image

import gemini_image_pipe as gip
from dev.verify.google import PROMPT, Google, Reply, picture_data, price_of, shortened

HELD = "✔"
FAILED = "✘"
OPEN = "?"
NOT_TRIED = "–"

RATIO = "16:9"
PIXELS = {
    "512": (688, 384),
    "1K": (1376, 768),
    "2K": (2752, 1536),
    "4K": (5504, 3072),
}
# What a request without a picture costs at most: its words, a picture in it, thoughts.
A_LITTLE = 0.005
# Beyond 5,000 prompts a month a search query costs 14 USD per thousand.
A_SEARCH = A_LITTLE + 0.014
# How far apart the levels of a plain picture may be: a model paints no flat colour, but
# words that can be read stand out by more.
PLAIN = 60
# Failures that say nothing about what was asked.
_BESIDE_THE_POINT = re.compile(
    r"key_|quota_|api_disabled|billing|region|permission|overloaded|capacity|internal$|"
    r"budget|no_deployment|gateway_|http$|address_unknown"
)


@dataclass(frozen=True)
class Finding:
    """How a fact stands, and what Google said."""

    verdict: str
    said: str
    evidence: Any = field(default=None, repr=False)


Probe = Callable[[Google], Finding]


@dataclass(frozen=True)
class Fact:
    """One row: what is expected, why it matters, its price at most, and the question.

    refused: Google is expected to refuse, which costs nothing. It is tried first, with
    room for one token only; what is not refused then is asked again for `cost`, if any.
    limited: paid, but with room for one token only.
    sample: the model whose one picture this fact and others look at.
    """

    name: str
    expected: str
    why: str
    probe: Probe
    cost: float = 0.0
    refused: bool = False
    limited: bool = False
    sample: str = ""

    @property
    def is_free(self) -> bool:
        """Whether it can be tried without spending anything, as far as is known."""
        return self.refused or not self.cost


class Odd(Exception):
    """An answer from which nothing follows; what it said."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.said)
        self.reply = reply


def _finding(held: bool, reply: Reply, said: str = "") -> Finding:
    verdict = HELD if held else FAILED
    return Finding(verdict, said or reply.said, reply.evidence)


def _decisive(reply: Reply) -> Reply:
    """The reply, if it is Google's yes or no to what was asked; else Odd."""
    if not reply.is_error and not reply.accepted:
        raise Odd(reply)
    if reply.is_error and _BESIDE_THE_POINT.match(reply.kind):
        raise Odd(reply)
    return reply


# -- requests -------------------------------------------------------------------------

ONE_TURN = gip.Conversation("", (gip.Turn("user", PROMPT),))
WITH_SYSTEM = gip.Conversation("Draw simply.", (gip.Turn("user", PROMPT),))


def _body(
    conversation: gip.Conversation = ONE_TURN,
    options: gip.ImageOptions | None = None,
    **config: Any,
) -> dict[str, Any]:
    """A body as the plugin sends it, with the doubtful fields added."""
    body = gip.generate_body(conversation, options or gip.ImageOptions())
    body["generationConfig"] |= config
    return body


def _picture_part() -> dict[str, Any]:
    data = base64.b64encode(_plain_png("red")).decode()
    return {"inlineData": {"mimeType": "image/png", "data": data}}


def _plain_png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


def _editing_body(role: str) -> dict[str, Any]:
    """A picture without a thought signature in a turn of that role, and a wish."""
    turns: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": PROMPT}]}]
    if role == "user":
        turns[0]["parts"].insert(0, _picture_part())
    else:
        turns.append({"role": "model", "parts": [_picture_part()]})
        turns.append({"role": "user", "parts": [{"text": "Make it blue"}]})
    return _body() | {"contents": turns}


# -- probes ---------------------------------------------------------------------------


def _refused(model: str, words: str, kind: str, body: dict[str, Any]) -> Probe:
    """Refused with a 400 whose text holds `words`; the plugin reads it as `kind`."""

    def probe(google: Google) -> Finding:
        reply = _decisive(google.generate(model, body))
        if reply.accepted:
            return _finding(False, reply, f"not refused: {reply.said}")
        named = re.search(words, reply.error.message, re.IGNORECASE)
        if reply.error.status == 400 and named and (not kind or reply.kind == kind):
            return _finding(True, reply)
        said = f"refused otherwise (read as {reply.kind}): {reply.said}"
        return Finding(OPEN, said, reply.evidence)

    return probe


def _accepted(model: str, body: dict[str, Any]) -> Probe:
    def probe(google: Google) -> Finding:
        reply = _decisive(google.generate(model, body))
        return _finding(reply.accepted, reply)

    return probe


def _size_is_internal_error(google: Google) -> Finding:
    body = _body(imageConfig={"imageSize": "1K"})
    reply = google.generate("gemini-2.5-flash-image", body)
    if reply.status == 500 and reply.is_error:
        return _finding(True, reply)
    return _finding(False, _decisive(reply))


def _makes_nothing(google: Google) -> Finding:
    """The basis of all trials without a picture: the limit of one token works."""
    reply = _decisive(google.generate("gemini-nano-banana-2.1", _body()))
    return _finding(reply.accepted and not reply.pictures, reply)


def _listed(google: Google) -> list[Any]:
    """All entries of ListModels."""
    entries: list[Any] = []
    token = ""
    for _ in range(gip.MAX_LIST_PAGES):
        reply = google.get(f"/models?pageSize=1000&pageToken={quote(token)}")
        page = gip.get_field(reply.json, "models")
        if reply.status != 200 or not isinstance(page, list):
            raise Odd(reply)
        entries += page
        token = str(gip.get_field(reply.json, "nextPageToken") or "")
        if not token:
            break
    return entries


def _model_of(entry: Any) -> gip.ListedModel:
    methods = gip.get_field(entry, "supportedGenerationMethods")
    return gip.ListedModel(
        gip.clean_model_id(gip.get_field(entry, "name")),
        str(gip.get_field(entry, "displayName") or ""),
        tuple(map(str, methods if isinstance(methods, list) else [])),
    )


def _in_list(facts: gip.ModelFacts) -> Probe:
    def probe(google: Google) -> Finding:
        entries = _listed(google)
        for entry in entries:
            model = _model_of(entry)
            if model.id == facts.id:
                held = model.name == facts.name and "generateContent" in model.methods
                said = f"“{model.name}”, {', '.join(model.methods) or 'no methods'}"
                return Finding(HELD if held else FAILED, said, shortened(entry))
        return Finding(FAILED, f"not among the {len(entries)} models listed")

    return probe


def _no_other_image_models(google: Google) -> Finding:
    """Ids that are offered but unknown, or have "image" in them and are not offered."""
    known = {facts.id for facts in gip.CURRENT_MODELS} | {"nano-banana-pro-preview"}
    words = re.compile("image|banana", re.IGNORECASE)
    models = [_model_of(entry) for entry in _listed(google)]
    doubtful = [
        model
        for model in models
        if (gip.is_image_model(model) and model.id not in known)
        or (words.search(f"{model.id} {model.name}") and not gip.is_image_model(model))
    ]
    named = [f"{model.id} ({', '.join(model.methods)})" for model in doubtful]
    offered = [model.id for model in models if gip.is_image_model(model)]
    said = f"{', '.join(offered)}; doubtful: {', '.join(named) or 'none'}"
    return Finding(FAILED if named else HELD, said, [offered, named])


def _input_tokens(google: Google) -> Finding:
    reply = google.get("/models/gemini-nano-banana-2.1")
    limit = gip.get_field(reply.json, "inputTokenLimit")
    if reply.status != 200 or limit is None:
        raise Odd(reply)
    return _finding(limit == 131_072, reply, f"inputTokenLimit {limit}")


def _key_refused(key: str, kinds: Iterable[str]) -> Probe:
    """A request with that key is refused, and the plugin sees that it is the key."""

    def probe(google: Google) -> Finding:
        reply = google.get("/models?pageSize=1", key=key)
        if not reply.is_error and not (reply.status == 200 and reply.json):
            raise Odd(reply)
        said = f"{reply.said} (read as {reply.kind})" if reply.is_error else ""
        return _finding(reply.is_error and reply.kind in kinds, reply, said)

    return probe


def _both_headers(google: Google) -> Finding:
    reply = google.get("/models?pageSize=1", Authorization=f"Bearer {google.key}")
    if not reply.is_error and not (reply.status == 200 and reply.json):
        raise Odd(reply)
    named = re.search("multiple.*credentials", reply.error.message, re.IGNORECASE)
    return _finding(reply.is_error and bool(named), reply)


def _error_in_stream(google: Google) -> Finding:
    path = "/models/gemini-nano-banana-2.1:streamGenerateContent?alt=sse"
    # The limit is for gateways, which may have a key of their own.
    body = _body(maxOutputTokens=1)
    reply = google.post(path, body, key="wrong-key")
    if not reply.is_error:
        raise Odd(reply)
    plain = isinstance(reply.json, dict)
    error = gip.get_field(reply.chunks[-1], "error")
    fields = sorted(error) if isinstance(error, dict) else []
    form = "one JSON object" if plain else "not one JSON object"
    said = f"{reply.status} {reply.content_type}, {form}: {', '.join(fields)}"
    return _finding(plain and {"code", "message", "status"} <= {*fields}, reply, said)


def _gone(model: str) -> Probe:
    """404 in words from which the plugin learns that the model is not there."""

    def probe(google: Google) -> Finding:
        if model.startswith("imagen"):
            # Without instances a living model would refuse this, and bill nothing.
            reply = google.post(f"/models/{model}:predict", {"instances": []})
        else:
            reply = google.generate(model, _body())
        if reply.is_error and not reply.error.message:
            raise Odd(reply)
        reply = _decisive(reply)
        if not reply.is_error:
            served = gip.get_field(reply.chunks[-1], "modelVersion")
            return _finding(False, reply, f"answered by {served}: {reply.said}")
        return _finding(reply.kind in ("model_unknown", "model_retired"), reply)

    return probe


def _v1_refuses(google: Google) -> Finding:
    reply = _decisive(google.generate(NB_2_1, _body(), version="v1"))
    return _finding(reply.is_error and reply.kind == "api_version", reply)


def _v1_accepts(google: Google) -> Finding:
    """The same without what v1 did not know when it was last asked."""
    body = _body()
    del body["generationConfig"]["responseModalities"]
    reply = _decisive(google.generate(NB_2_1, body, version="v1"))
    return _finding(reply.accepted, reply)


# -- probes of a picture that was paid for --------------------------------------------

SampleCheck = Callable[[Reply, str], tuple[bool, str]]


def _size_of(model: str) -> str:
    sizes = next(f.sizes for f in gip.CURRENT_MODELS if f.id == model)
    return sizes[0] if sizes else ""


def _sample(model: str, check: SampleCheck) -> Probe:
    options = gip.ImageOptions(RATIO, _size_of(model) or None)

    def probe(google: Google) -> Finding:
        reply = _decisive(google.sample(model, _body(options=options)))
        if not reply.pictures:
            raise Odd(reply)
        held, said = check(reply, model)
        # Once is enough for what several facts look at.
        evidence = reply.evidence if check is _is_whole else None
        return Finding(HELD if held else FAILED, said, evidence)

    return probe


def _is_whole(reply: Reply, model: str) -> tuple[bool, str]:
    sizes = [len(picture_data(part)) for part in reply.pictures]
    for part in reply.pictures:
        with Image.open(io.BytesIO(picture_data(part))) as picture:
            picture.load()
    return all(sizes), f"{len(sizes)} picture(s) of {sizes} bytes"


def _type_is_true(reply: Reply, model: str) -> tuple[bool, str]:
    png = model == "gemini-2.5-flash-image"
    expected = "image/png" if png else "image/jpeg"
    pairs = [
        (
            gip.get_field(gip.get_field(part, "inlineData"), "mimeType"),
            gip.image_type(picture_data(part)),
        )
        for part in reply.pictures
    ]
    said = "; ".join(f"named {named}, is {real}" for named, real in pairs)
    return all(pair == (expected, expected) for pair in pairs), said


def _has_pixels(reply: Reply, model: str) -> tuple[bool, str]:
    with Image.open(io.BytesIO(picture_data(reply.pictures[-1]))) as picture:
        width, height = picture.size
    size = _size_of(model)
    if size:
        held = (width, height) == PIXELS[size]
    else:  # its exact pixels are documented nowhere
        held = abs(width * 9 / (height * 16) - 1) < 0.03 and 900 < width < 1500
    return held, f"{width} × {height}"


def _is_signed(reply: Reply, model: str) -> tuple[bool, str]:
    final = bool(gip.get_field(reply.pictures[-1], "thoughtSignature"))
    signed = sum(bool(gip.get_field(part, "thoughtSignature")) for part in reply.parts)
    said = f"on {signed} of {len(reply.parts)} parts, the picture's: {final}"
    facts = gip.model_facts(model)
    return final == (facts is None or facts.thinks), said


def _is_well_formed(reply: Reply, model: str) -> tuple[bool, str]:
    """Only `data:` lines of JSON; the finishReason in the last, and usage there."""
    other = sum(not line.startswith(b"data:") for line in reply.lines)
    ends = [
        (at, gip.get_field(candidate, "finishReason"))
        for at, chunk in enumerate(reply.chunks, 1)
        for candidate in gip.get_field(chunk, "candidates") or [{}]
        if gip.get_field(candidate, "finishReason")
    ]
    usage = bool(gip.get_field(reply.chunks[-1], "usageMetadata"))
    count = len(reply.chunks)
    ended = " and ".join(f"{reason} in {at}" for at, reason in ends) or "no end"
    said = f"{count} chunks, {ended}, {other} other lines, usage last: {usage}"
    kind = reply.content_type.startswith("text/event-stream")
    return ends == [(count, "STOP")] and usage and not other and kind, said


def _names_itself(reply: Reply, model: str) -> tuple[bool, str]:
    version = gip.get_field(reply.chunks[-1], "modelVersion")
    return version == model, f"modelVersion {version}"


def _draws_no_label(model: str) -> Probe:
    """Two plain pictures, numbered, of which the second is to come back: whatever is
    written on it is no longer plain."""
    pictures = [
        gip.InputPicture(gip.Image(_plain_png(colour), "image/png"), colour, (number,))
        for number, colour in enumerate(("white", "blue"), 1)
    ]
    addresses = tuple(f"data:,{picture.name}" for picture in pictures)
    wish = "Show Picture 2 alone and unchanged, over the whole area."
    conversation = gip.Conversation(newest=gip.Turn("user", wish, addresses))
    body = gip.generate_body(conversation, gip.ImageOptions(), pictures)
    # As it goes over the line, so that it can be sent by any client.
    body = json.loads(b"".join(gip.EncodedBody(body)))

    def probe(google: Google) -> Finding:
        reply = _decisive(google.generate(model, body))
        if not reply.pictures:
            raise Odd(reply)
        with Image.open(io.BytesIO(picture_data(reply.pictures[-1]))) as picture:
            bands = [band.tobytes() for band in picture.convert("RGB").split()]
        spread = max(max(band) - min(band) for band in bands)
        middle = [(max(band) + min(band)) // 2 for band in bands]
        said = f"levels {spread} apart around {middle} (blue is the second picture)"
        return _finding(spread <= PLAIN, reply, said)

    return probe


# -- the table ------------------------------------------------------------------------

NB_2_1 = "gemini-nano-banana-2.1"
NB_PRO = "gemini-3-pro-image"
NB_LITE = "gemini-3.1-flash-lite-image"
NB = "gemini-2.5-flash-image"

# Sent by no chat; a fact only because the plugin leaves them out for this reason.
SAMPLING: dict[str, tuple[object, str]] = {
    "temperature": (0.5, "temperature"),
    "topP": (0.5, "top_?p"),
    "topK": (10, "top_?k"),
    "seed": (7, "seed"),
    "candidateCount": (2, "candidate"),
}
RETIRED = (
    "imagen-3.0-generate-002",
    "imagen-4.0-generate-001",
    "imagen-4.0-ultra-generate-001",
    "imagen-4.0-fast-generate-001",
    "gemini-2.0-flash-exp",
    "gemini-2.0-flash-exp-image-generation",
    "gemini-2.0-flash-preview-image-generation",
    "gemini-2.5-flash-image-preview",
    "gemini-3-pro-image-preview",
    "gemini-3.1-flash-image-preview",
    "gemini-no-such-image",
)
SAMPLE_CHECKS: tuple[tuple[str, str, str, SampleCheck], ...] = (
    (
        "a picture arrives",
        "whole, in one `data:` line",
        "a picture is read from one object, and a broken one is a failure",
        _is_whole,
    ),
    (
        "picture type",
        "JPEG (2.5: PNG), and named so",
        "the stored file's type; the bytes are believed rather than the name",
        _type_is_true,
    ),
    (
        "pixels",
        "those of the documented table for 16:9",
        "ratios and sizes of room Models",
        _has_pixels,
    ),
    (
        "thought signature",
        "on the final picture (2.5: none)",
        "pictures go into the user's turn because signatures are not kept",
        _is_signed,
    ),
    (
        "form of the stream",
        "`data:` lines only; finishReason and usage in the last chunk",
        "a stream without finishReason counts as broken off",
        _is_well_formed,
    ),
    (
        "modelVersion",
        "the id that was asked for",
        "whether Google routes an id to another model",
        _names_itself,
    ),
)


def _list_facts() -> Iterable[Fact]:
    for facts in gip.CURRENT_MODELS:
        yield Fact(
            f"{facts.id}: in the list of models",
            f"“{facts.name}”, generateContent",
            "the model list and the names in it come from Google",
            _in_list(facts),
        )
    yield Fact(
        "image models in the list",
        "those of room Models and one alias, no other",
        "image models are recognised by their names and methods",
        _no_other_image_models,
    )
    yield Fact(
        f"{NB_2_1}: input tokens",
        "131072",
        "how much of a chat may go along",
        _input_tokens,
    )


def _key_facts() -> Iterable[Fact]:
    why = "a key that is refused must be reported as such"
    refused = ("key_refused", "key_type")
    for name, key in (
        ("wrong key", "wrong-key"),
        ("wrong key of the AIza form", f"AIza{'0' * 35}"),
        ("wrong key of the AQ. form", f"AQ.{'0' * 40}"),
        ("no key", ""),
    ):
        yield Fact(name, "an error about the key", why, _key_refused(key, refused))
    yield Fact(
        "key and Authorization header together",
        "refused: multiple credentials",
        "the plugin keeps ~/.netrc out for this reason",
        _both_headers,
    )
    yield Fact(
        "error of a stream",
        "one JSON object with code, message and status",
        "errors are read wherever they stand",
        _error_in_stream,
    )
    yield Fact(
        "responseModalities in v1",
        "unknown there",
        "a base URL with /v1 gets a message of its own",
        _v1_refuses,
        refused=True,
    )


def _gone_facts() -> Iterable[Fact]:
    for model in RETIRED:
        yield Fact(
            f"{model}: gone",
            "404 in words that the plugin knows",
            "then the successor answers",
            _gone(model),
            refused=not model.startswith("imagen"),
        )


def _refused_field(
    model: str,
    what: str,
    why: str,
    words: str,
    kind: str = "",
    *,
    cost: float | None = None,
    body: dict[str, Any],
) -> Fact:
    """A row for something that a model refuses by name."""
    return Fact(
        f"{model}: {what}",
        f"refused with a 400 that matches “{words}”",
        why,
        _refused(model, words, kind, body),
        price_of(model).smallest if cost is None else cost,
        refused=True,
    )


def _refusal_facts() -> Iterable[Fact]:
    dropped = "an option that is refused by name is dropped, and the picture made"
    kind = "parameter"
    for name, (value, words) in SAMPLING.items():
        config: dict[str, Any] = {name: value}
        yield _refused_field(
            NB_2_1,
            name,
            "the plugin never sends it",
            words,
            body=_body(**config),
        )
    for size in ("512", "1k"):
        body = _body(imageConfig={"imageSize": size})
        yield _refused_field(
            NB_2_1, f"size {size}", dropped, "image_?size", kind, body=body
        )
    for model, ratio, cost in ((NB_2_1, "7:5", None), (NB_PRO, "1:8", 0.0)):
        body = _body(imageConfig={"aspectRatio": ratio})
        yield _refused_field(
            model,
            f"ratio {ratio}",
            dropped,
            "aspect_?ratio",
            kind,
            cost=cost,
            body=body,
        )
    yield _refused_field(
        NB_LITE,
        "size 2K",
        dropped,
        "image_?size",
        kind,
        cost=0.0,
        body=_body(imageConfig={"imageSize": "2K"}),
    )
    for model, level in ((NB_PRO, "HIGH"), (NB_2_1, "LOW"), (NB, "HIGH")):
        yield _refused_field(
            model,
            f"thinking level {level}",
            dropped,
            "thinking",
            kind,
            cost=0.0,
            body=_body(thinkingConfig={"thinkingLevel": level}),
        )
    yield _refused_field(
        NB_2_1,
        "a field of Vertex AI",
        "the plugin sends none of these",
        "unknown name",
        kind,
        cost=0.0,
        body=_body(imageConfig={"imageOutputOptions": {"mimeType": "image/png"}}),
    )
    yield _refused_field(
        NB,
        "system instruction",
        "then its words go into the prompt",
        "instruction",
        "system_refused",
        body=_body(WITH_SYSTEM),
    )
    for model in (NB_2_1, NB_PRO):
        yield _refused_field(
            model,
            "its own picture without signature",
            "the reason why pictures go into the user's turn",
            "thought_?signature",
            cost=None if model == NB_2_1 else 0.0,
            body=_editing_body("model"),
        )


def _acceptance_facts() -> Iterable[Fact]:
    yield Fact(
        f"{NB_2_1}: room for one token",
        "accepted, and no picture",
        "what should be accepted can be tried without a picture",
        _makes_nothing,
        A_LITTLE,
        limited=True,
    )
    yield Fact(
        f"{NB_2_1}: v1 without responseModalities",
        "accepted",
        "Google's own libraries ask v1; a base URL with /v1 might make pictures then",
        _v1_accepts,
        A_LITTLE,
        limited=True,
    )
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        (facts.id, "system instruction", _body(WITH_SYSTEM))
        for facts in gip.CURRENT_MODELS
        if facts.id != NB
    ]
    bodies += [
        (facts.id, f"thinking level {level}", _body(options=options))
        for facts in gip.CURRENT_MODELS
        for level in facts.thinking_levels
        for options in [gip.ImageOptions(thinking_level=level)]
    ]
    bodies += [
        (facts.id, "a picture in the user's turn", _editing_body("user"))
        for facts in gip.CURRENT_MODELS
    ]
    bodies += [
        (facts.id, what, _body(options=options))
        for facts in gip.CURRENT_MODELS
        for what, options in _chosen(facts)
    ]
    for model, what, body in bodies:
        yield Fact(
            f"{model}: {what}",
            "accepted",
            "the plugin sends it",
            _accepted(model, body),
            A_SEARCH if "tools" in body else A_LITTLE,
            limited=True,
        )


def _chosen(facts: gip.ModelFacts) -> Iterable[tuple[str, gip.ImageOptions]]:
    """What else a user or an administrator can choose for a model."""
    yield "safety threshold OFF", gip.ImageOptions(safety="OFF")
    if facts.thinks:
        yield "thoughts shown", gip.ImageOptions(thoughts=True)
    if facts.searches:
        kinds = " and ".join(facts.searches)
        yield f"search ({kinds})", gip.ImageOptions(searches=facts.searches)


def _sample_facts() -> Iterable[Fact]:
    for facts in gip.CURRENT_MODELS:
        for what, expected, why, check in SAMPLE_CHECKS:
            yield Fact(
                f"{facts.id}: {what}",
                expected,
                why,
                _sample(facts.id, check),
                price_of(facts.id).smallest,
                sample=facts.id,
            )
    for facts in gip.CURRENT_MODELS:
        yield Fact(
            f"{facts.id}: labels of pictures",
            "not drawn into the picture",
            "several attached pictures are numbered, so that people can name them",
            _draws_no_label(facts.id),
            price_of(facts.id).smallest,
        )
    yield Fact(
        f"{NB}: any image size",
        "500",
        "the plugin sends it none",
        _size_is_internal_error,
        price_of(NB).smallest,
    )


def _token_refused(google: Google) -> Finding:
    """The plugin sees that it is the token."""
    path = f"/models/{NB_2_1}:generateContent"
    reply = google.post(path, _body(maxOutputTokens=1), key="wrong-token")
    if not reply.is_error:
        raise Odd(reply)
    kinds = ("key_type", "key_refused", "key_expired")
    return _finding(reply.status == 401 and reply.kind in kinds, reply)


def _on_vertex(people: str, mime: str) -> dict[str, Any]:
    """A body with what only Vertex AI takes."""
    return _body(options=gip.ImageOptions(people=people, output=mime, quality="75"))


def _vertex_facts() -> Iterable[Fact]:
    yield Fact(
        "wrong token",
        "401, told from other failures",
        "the token is then renewed and the request sent once more",
        _token_refused,
    )
    yield Fact(
        "a model that is not there",
        "404",
        "a successor answers, or the message names VERTEX_LOCATION",
        _gone("gemini-no-such-image"),
        refused=True,
    )
    for row in gip.CURRENT_MODELS:
        yield Fact(
            f"{row.id}: at this location",
            "accepted",
            "Vertex AI lists no models, so the plugin offers its table",
            _accepted(row.id, _body()),
            A_LITTLE,
            limited=True,
        )
    yield Fact(
        "personGeneration, mimeType and compressionQuality",
        "accepted",
        "the settings PERSON_GENERATION, OUTPUT_FORMAT and OUTPUT_QUALITY",
        _accepted(NB_2_1, _on_vertex("ALLOW_ADULT", "image/jpeg")),
        A_LITTLE,
        limited=True,
    )
    yield Fact(
        "personGeneration: a value that is none",
        "400 that names it",
        "the option is then left out, and that is said",
        _refused(NB_2_1, "person", "", _on_vertex("ALLOW_NOBODY", "image/jpeg")),
        refused=True,
    )
    yield Fact(
        "mimeType: PNG of a model that makes JPEG",
        "400 that names it",
        "the option is then left out, and that is said",
        _refused(NB_2_1, "mime|png", "parameter", _on_vertex("ALLOW_ALL", "image/png")),
        price_of(NB_2_1).smallest,
        refused=True,
    )
    for what, expected, check in (
        ("a whole picture", "one that can be decoded", _is_whole),
        ("its type", "image/jpeg, in name and bytes", _type_is_true),
        ("its stream", "`data:` lines, usage in the last", _is_well_formed),
    ):
        yield Fact(
            f"{NB_2_1}: {what}",
            expected,
            "answers are read as those of the Gemini API",
            _sample(NB_2_1, check),
            price_of(NB_2_1).smallest,
            sample=NB_2_1,
        )


FACTS: tuple[Fact, ...] = (
    *_list_facts(),
    *_key_facts(),
    *_gone_facts(),
    *_refusal_facts(),
    *_acceptance_facts(),
    *_sample_facts(),
)
# Of a project of Vertex AI, which `--vertex` asks.
VERTEX_FACTS: tuple[Fact, ...] = tuple(_vertex_facts())
