"""The stand-in for Google's API refuses, answers and fails as Google does."""

from __future__ import annotations

import base64
import copy
import io
import json
import socket
import threading
import time
import urllib.error
from collections.abc import Callable
from typing import Any

import pytest
import requests
from PIL import Image
from rows import check_rows
from waiting import wait_until

import gemini_image_pipe as gip
from dev.standin import DEFAULT_KEY, StandIn, announced, start_process
from dev.standin.catalogue import IMAGE_MODELS, RETIRED, ImageModel
from dev.standin.cloud import JWT_BEARER, PROJECT, TOKEN_PATH
from dev.standin.errors import CANONICAL, GoogleError
from dev.standin.keys import KEYS
from dev.standin.scripts import DIRECTIVES, parse
from dev.standin.validate import check_generate

NB = "gemini-nano-banana-2.1"
NB2 = "gemini-3.1-flash-image"
LITE = "gemini-3.1-flash-lite-image"
PRO = "gemini-3-pro-image"
NB1 = "gemini-2.5-flash-image"
NEW = "gemini-9-image"  # one that the stand-in was told of

Json = dict[str, Any]


@pytest.fixture
def drawing_google(shared_google: StandIn) -> StandIn:
    """The stand-in with empty records, whose pictures show what was asked for."""
    shared_google.reset()
    return shared_google


def http(
    method: str, url: str, *, key: str | None = DEFAULT_KEY, **options: Any
) -> requests.Response:
    """One request without the proxies of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        headers = dict(options.pop("headers", {}))
        headers |= {"x-goog-api-key": key} if key else {}
        options = {"timeout": 20, "allow_redirects": False} | options
        return session.request(method, url, headers=headers, **options)


def body_of(*texts: str, **config: Any) -> Json:
    """A request whose turns say these texts."""
    turns = [
        {"role": ("user", "model")[at % 2], "parts": [{"text": text}]}
        for at, text in enumerate(texts)
    ]
    generation = {"responseModalities": ["TEXT", "IMAGE"]} | config
    return {"contents": turns, "generationConfig": generation}


def post(
    google: StandIn,
    body: Json,
    model: str = NB,
    method: str = "generateContent",
    prefix: str = "/v1beta",
    **options: Any,
) -> requests.Response:
    url = f"{google.url}{prefix}/models/{model}:{method}"
    return http("POST", url, json=body, **options)


def ask(
    google: StandIn, text: str, model: str = NB, **config: Any
) -> requests.Response:
    return post(google, body_of(text, **config), model)


def stream(google: StandIn, text: str, model: str = NB, **config: Any) -> list[Json]:
    """The events of a stream."""
    answer = raw_stream(google, text, model, **config)
    lines = answer.content.split(b"\r\n\r\n")
    return [json.loads(line.removeprefix(b"data: ")) for line in lines if line]


def raw_stream(
    google: StandIn, text: str, model: str = NB, **config: Any
) -> requests.Response:
    method = "streamGenerateContent?alt=sse"
    return post(google, body_of(text, **config), model, method)


def parts_of(answer: Json) -> list[Json]:
    return list(answer["candidates"][0]["content"]["parts"])


def pictures_in(parts: list[Json]) -> list[bytes]:
    return [
        base64.b64decode(part["inlineData"]["data"])
        for part in parts
        if "inlineData" in part and not part.get("thought")
    ]


def picture_of(answer: requests.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    (data,) = pictures_in(parts_of(answer.json()))
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def image_part(
    mime: str = "image/png",
    form: str = "PNG",
    size: tuple[int, int] = (40, 30),
    data: bytes | None = None,
) -> Json:
    if data is None:
        out = io.BytesIO()
        Image.new("RGB", size, "orange").save(out, form)
        data = out.getvalue()
    return {"inlineData": {"mimeType": mime, "data": base64.b64encode(data).decode()}}


def with_images(*images: Json, text: str = "edit") -> Json:
    body = body_of(text)
    body["contents"][0]["parts"][:0] = images
    return body


def message_of(answer: requests.Response) -> str:
    return str(answer.json()["error"]["message"])


# -- models ---------------------------------------------------------------------------


def all_models(google: StandIn, prefix: str = "/v1beta", **options: Any) -> list[Json]:
    models: list[Json] = []
    token = ""
    while True:
        url = f"{google.url}{prefix}/models?pageSize=1000&pageToken={token}"
        page = http("GET", url, **options).json()
        models += page["models"]
        token = page.get("nextPageToken", "")
        if not token:
            return models


def test_models_come_in_pages_and_among_others(google: StandIn) -> None:
    models = all_models(google)
    names = [model["name"] for model in models]
    assert len(names) == len(set(names)) > 20
    assert {f"models/{model.id}" for model in IMAGE_MODELS} < set(names)
    assert f"models/{NEW}" in names
    assert not [name for name in names if "imagen" in name]
    methods = {m for model in models for m in model["supportedGenerationMethods"]}
    assert {"predictLongRunning", "embedContent", "bidiGenerateContent"} < methods
    assert len(google.requests) > 3


@pytest.mark.parametrize("query", ["pageSize=1001", "pageSize=x", "pageToken=nonsense"])
def test_a_bad_page_is_refused(google: StandIn, query: str) -> None:
    assert http("GET", f"{google.url}/v1beta/models?{query}").status_code == 400


def test_one_model(google: StandIn) -> None:
    answer = http("GET", f"{google.url}/v1beta/models/{NB}")
    assert answer.json()["displayName"] == "Nano Banana 2.1"
    assert http("GET", f"{google.url}/v1beta/models/nothing").status_code == 404


def test_a_legacy_gateway_lists_what_google_shut_down(google: StandIn) -> None:
    names = [model["name"] for model in all_models(google, "/legacy/v1beta")]
    assert "models/imagen-4.0-generate-001" in names
    assert "models/gemini-2.5-flash-image-preview" in names


@pytest.mark.parametrize(
    ("behaviour", "status"),
    [("500", 500), ("503", 503), ("429", 429), ("html", 200), ("empty", 200)],
)
def test_lists_fail_on_demand(google: StandIn, behaviour: str, status: int) -> None:
    google.models_behaviour = behaviour
    answer = http("GET", f"{google.url}/v1beta/models")
    assert answer.status_code == status
    assert b'"models/' not in answer.content


def test_a_slow_list_notices_who_leaves(google: StandIn) -> None:
    google.models_behaviour = "slow 0.02"
    assert all_models(google)
    google.models_behaviour = "slow"
    with pytest.raises(requests.Timeout):
        http("GET", f"{google.url}/v1beta/models", timeout=0.1)
    assert wait_until(lambda: google.requests[-1].disconnected)


# -- keys and places ------------------------------------------------------------------

KEY_REFUSALS = [
    ("stand-in-key-invalid", 400, "API key not valid"),
    ("nobody-issued-this", 400, "API key not valid"),
    ("stand-in-key-expired", 400, "API key expired"),
    ("stand-in-key-leaked", 403, "reported as leaked"),
    ("stand-in-key-restricted", 403, "are blocked"),
    ("stand-in-key-referrer", 403, "referer"),
    ("stand-in-key-disabled", 403, "it is disabled"),
    ("stand-in-key-oauth", 401, "invalid authentication credentials"),
    ("stand-in-key-location", 400, "User location is not supported"),
]


@pytest.mark.parametrize(("key", "status", "text"), KEY_REFUSALS)
def test_keys_that_are_refused(
    google: StandIn, key: str, status: int, text: str
) -> None:
    for answer in (
        http("GET", f"{google.url}/v1beta/models", key=key),
        post(google, body_of("a fox"), key=key),
    ):
        assert answer.status_code == status
        assert text in message_of(answer)


@pytest.mark.parametrize(
    ("key", "status", "text"),
    [
        ("stand-in-key-free", 429, "limit: 0"),
        ("stand-in-key-prepaid", 429, "prepayment"),
        ("stand-in-key-minute", 429, "Please retry in"),
        ("stand-in-key-day", 429, "per_day"),
        ("stand-in-key-country", 400, "not available in your country"),
    ],
)
def test_keys_that_may_only_list(
    google: StandIn, key: str, status: int, text: str
) -> None:
    assert all_models(google, key=key)
    answer = post(google, body_of("a fox"), key=key)
    assert answer.status_code == status
    assert text in message_of(answer)


def test_keys_that_see_fewer_models(google: StandIn) -> None:
    names = [m["name"] for m in all_models(google, key="stand-in-key-text-only")]
    assert names
    assert not [name for name in names if "image" in name or "banana" in name]
    names = [m["name"] for m in all_models(google, key="stand-in-key-older")]
    assert f"models/{NB1}" in names
    assert f"models/{NB}" not in names
    assert post(google, body_of("x"), key="stand-in-key-older").status_code == 404


@pytest.mark.parametrize(
    ("key", "query", "headers", "status"),
    [
        (None, "", {}, 403),
        (None, f"?key={DEFAULT_KEY}", {}, 403),
        (DEFAULT_KEY, f"?key={DEFAULT_KEY}", {}, 403),
        (DEFAULT_KEY, "", {"Authorization": f"Bearer {DEFAULT_KEY}"}, 400),
        (None, "", {"Authorization": f"Bearer {DEFAULT_KEY}"}, 403),
        ("stand-in-key-second", "", {}, 200),
    ],
)
def test_the_key_goes_into_one_header(
    google: StandIn, key: str | None, query: str, headers: Json, status: int
) -> None:
    url = f"{google.url}/v1beta/models/{NB}{query}"
    assert http("GET", url, key=key, headers=headers).status_code == status


def test_the_key_goes_into_the_url_only_where_gateways_may_need_it() -> None:
    with StandIn(takes_key_in_url=True) as google:
        for query, status in (
            ("", 403),
            ("?key=no", 400),
            (f"?key={DEFAULT_KEY}", 200),
        ):
            url = f"{google.url}/v1beta/models/{NB}{query}"
            assert http("GET", url, key=None).status_code == status


@pytest.mark.parametrize(
    ("prefix", "status"),
    [
        ("/v1beta", 200),
        ("/gateway/gemini/v1beta", 200),
        ("/exact", 200),
        ("/legacy/v1beta", 200),
        ("/v1", 400),
        ("/v1beta/v1beta", 404),
        ("/v1beta/", 404),
        ("", 404),
        ("/gateway/gemini", 404),
        ("/exact/v1beta", 404),
        ("/moved/v1beta", 302),
        ("/html/v1beta", 200),
        ("/empty/v1beta", 200),
    ],
)
def test_base_urls(google: StandIn, prefix: str, status: int) -> None:
    answer = post(google, body_of("a fox"), prefix=prefix)
    assert answer.status_code == status
    assert bool(google.sent_images) == (b"candidates" in answer.content)


@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padded", [True, False])
def test_base64_is_taken_in_both_alphabets(
    google: StandIn, alphabet: Callable[[bytes], bytes], padded: bool
) -> None:
    """As Google does: 80 recorded requests have the one for addresses."""
    part = image_part()
    data = base64.b64decode(part["inlineData"]["data"])
    encoded = alphabet(data).decode()
    part["inlineData"]["data"] = encoded if padded else encoded.rstrip("=")
    assert post(google, with_images(part)).status_code == 200
    assert google.requests[-1].images == [data]


def test_tokens_are_counted_as_they_are_billed(google: StandIn) -> None:
    body = with_images(image_part())
    counted = post(google, {"contents": body["contents"]}, method="countTokens").json()
    assert post(google, {"generateContentRequest": body}, method="countTokens").json()
    usage = post(google, body).json()["usageMetadata"]
    assert counted["totalTokens"] == usage["promptTokenCount"]
    assert counted["promptTokensDetails"] == usage["promptTokensDetails"]
    text = {"contents": body_of("hi")["contents"]}
    answer = post(google, text, "gemini-3.5-flash", "countTokens")
    assert answer.json()["totalTokens"] == 1
    assert post(google, text, "gemini-9", "countTokens").status_code == 404
    assert post(google, {"contens": []}, method="countTokens").status_code == 400


def test_a_level_that_google_knows_is_refused_by_the_model(google: StandIn) -> None:
    """Not by the parser, as one that nobody knows is."""
    level = {"thinkingLevel": "XHIGH"}
    assert "for this model" in message_of(ask(google, "a fox", thinkingConfig=level))
    level = {"thinkingLevel": "XXHIGH"}
    assert "Invalid value" in message_of(ask(google, "a fox", thinkingConfig=level))


def test_an_answer_goes_on_with_its_token(google: StandIn) -> None:
    body = body_of("a fox [[continue 1]]")
    [candidate] = post(google, body).json()["candidates"]
    assert candidate["finishReason"] == "CONTINUATION"
    body["continuationToken"] = candidate["continuationToken"]
    rest = post(google, body).json()
    assert pictures_in(parts_of(rest)) == google.sent_images
    body["continuationToken"] = "!"
    assert post(google, body).status_code == 400


def test_a_picture_may_be_elsewhere(google: StandIn) -> None:
    parts = parts_of(ask(google, "a fox [[elsewhere]]").json())
    [file] = [part["fileData"] for part in parts if "fileData" in part]
    assert file["fileUri"].startswith("https://files.example/")


def test_a_redirect_leads_to_another_host_that_keeps_records(google: StandIn) -> None:
    answer = http("GET", f"{google.url}/moved/v1beta/models", allow_redirects=True)
    assert answer.status_code == 200
    assert len(google.elsewhere) == 1
    assert not answer.url.startswith(google.url)


def test_v1_knows_no_modalities(google: StandIn) -> None:
    answer = post(google, body_of("a fox"), prefix="/v1")
    assert message_of(answer) == (
        'Invalid JSON payload received. Unknown name "responseModalities" at '
        "'generation_config': Cannot find field."
    )


def test_the_openai_door_serves_no_image_models(google: StandIn) -> None:
    url = f"{google.url}/v1beta/openai/chat/completions"
    answer = http("POST", url, json={"model": "imagen-3.0-generate-002"})
    assert answer.status_code == 404
    assert (
        "imagen-3.0-generate-002 is not found" in answer.json()[0]["error"]["message"]
    )


def test_retired_models_are_gone(google: StandIn) -> None:
    def check(model: str) -> None:
        answer = ask(google, "a fox", model)
        assert answer.status_code == 404
        assert f"models/{model}" in message_of(answer)

    check_rows(zip([*RETIRED, "imagen-4.0-generate-001", "gemini-9"]), check)


def test_text_models_make_no_pictures(google: StandIn) -> None:
    assert "combination" in message_of(ask(google, "a fox", "gemini-3.5-flash"))
    answer = ask(google, "hi", "gemini-3.5-flash", responseModalities=["TEXT"])
    assert parts_of(answer.json())[0]["text"]


# -- Vertex AI ------------------------------------------------------------------------

LOGIN = {"grant_type": "refresh_token", "refresh_token": "1//good"}
CLIENT = {"client_id": "id", "client_secret": "secret"}
TOKEN_REFUSALS: list[tuple[Json, str]] = [
    ({}, "unsupported_grant_type"),
    ({"grant_type": JWT_BEARER, "assertion": "a.b.c"}, "invalid_grant"),
    (LOGIN, "invalid_request"),
    ({**LOGIN, **CLIENT, "refresh_token": "1//bad"}, "invalid_grant"),
]


def token_for_login(google: StandIn) -> str:
    google.cloud.logins.add(LOGIN["refresh_token"])
    url = f"{google.url}{TOKEN_PATH}"
    return str(http("POST", url, data=LOGIN | CLIENT).json()["access_token"])


def test_the_token_endpoint_hands_out_nothing_for_less(google: StandIn) -> None:
    def check(form: Json, error: str) -> None:
        answer = http("POST", f"{google.url}{TOKEN_PATH}", data=form, key=None)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    check_rows(TOKEN_REFUSALS, check)
    assert google.cloud.tokens == {}


def test_a_token_works_by_itself_only_and_in_its_project(google: StandIn) -> None:
    token = token_for_login(google)

    def check(path: str, key: str | None, config: Json, status: int) -> None:
        prefix = f"/v1beta1/{path}publishers/google"
        headers = {"Authorization": f"Bearer {token}"}
        body = body_of("a fox", **config)
        answer = post(google, body, NB2, prefix=prefix, headers=headers, key=key)
        assert answer.status_code == status, answer.text

    here = f"projects/{PROJECT}/locations/global/"
    small = {"imageConfig": {"imageSize": "512"}}
    rows: list[tuple[str, str | None, Json, int]] = [
        (here, None, {}, 200),
        (here, DEFAULT_KEY, {}, 400),
        (here, None, small, 404),  # which the Gemini API takes
        ("projects/another/locations/global/", None, {}, 403),
        (f"projects/{PROJECT}/locations/europe-west4/", None, {}, 404),
        ("", None, {}, 403),  # without a project there must be a key
    ]
    check_rows(rows, check)
    assert ask(google, "a fox", NB2, **small).status_code == 200


# -- what is refused ------------------------------------------------------------------


def changed(path: str, value: Any, base: Json | None = None) -> Json:
    """A good body with one thing set, at a path such as `contents.0.role`."""
    body = copy.deepcopy(base or body_of("a fox"))
    *way, last = path.split(".")
    at: Any = body
    for step in way:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    at[int(last) if isinstance(at, list) else last] = value
    return body


CONFIG = "generationConfig."
IMAGE = CONFIG + "imageConfig."
THINKING = CONFIG + "thinkingConfig"
LEVEL = THINKING + ".thinkingLevel"
SYSTEM = {"parts": [{"text": "be brief"}]}
OFF = "BLOCK_NONE"

REFUSED: list[tuple[str, str, Any, str]] = [
    # unknown fields, wherever they are
    (NB, "size", "1024x1024", 'Unknown name "size": Cannot find field'),
    (NB, "labels", {}, 'Unknown name "labels": Cannot find field'),
    (NB, "contents.0.name", "x", "Unknown name \"name\" at 'contents[0]'"),
    (NB, "contents.0.parts.0.type", "x", "\"type\" at 'contents[0].parts[0]'"),
    (NB, CONFIG + "n", 1, "Unknown name \"n\" at 'generation_config'"),
    (NB, IMAGE + "outputMimeType", "image/png", "'generation_config.image_config'"),
    (NB, IMAGE + "imageOutputOptions", {}, '"imageOutputOptions"'),
    (NB, IMAGE + "personGeneration", "ALLOW_ALL", '"personGeneration"'),
    (NB, THINKING, {"level": 1}, "'generation_config.thinking_config'"),
    (NB, "tools", [{"webSearch": {}}], "'tools[0]'"),
    (NB, "safetySettings", [{"method": 1}], "'safety_settings[0]'"),
    # wrong types
    (NB, CONFIG + "temperature", "hot", "(TYPE_FLOAT)"),
    (NB, CONFIG + "maxOutputTokens", True, "(TYPE_INT32)"),
    (NB, CONFIG + "responseModalities", ["PICTURE"], "GenerationConfig.Modality"),
    (NB, IMAGE + "imageSize", 512, "(TYPE_STRING)"),
    (NB, CONFIG + "imageConfig", [], "cannot start list"),
    (NB, "systemInstruction", "be brief", "v1beta.Content"),
    (NB, LEVEL, "high", "ThinkingLevel"),
    (NB, "contents.0.parts.0", {"inlineData": {"data": "*"}}, "Base64 decoding"),
    # image options
    (NB, IMAGE + "aspectRatio", "5:3", "aspect_ratio must be one of '1:1', '1:4'"),
    (PRO, IMAGE + "aspectRatio", "1:8", "aspect_ratio must be one of '1:1', '2:3'"),
    (NB1, IMAGE + "aspectRatio", "4:1", "aspect_ratio must be one of"),
    (NB, IMAGE + "aspectRatio", "auto", "aspect_ratio must be one of"),
    (NB, IMAGE + "imageSize", "1k", "Unsupported image_size '1k'"),
    (NB2, IMAGE + "imageSize", "8K", "1K, 2K, 4K, 512, 512P, 512PX."),
    (NB2, IMAGE + "imageSize", "512px", "Unsupported image_size"),
    (NB, IMAGE + "imageSize", "512", "Unsupported image_size '512'"),
    (PRO, IMAGE + "imageSize", "512", "Unsupported image_size '512'"),
    (LITE, IMAGE + "imageSize", "2K", "Supported values are: 1K."),
    (NB1, IMAGE + "imageSize", "1K", "An internal error has occurred"),
    # thinking
    (NB1, THINKING, {"includeThoughts": True}, "Thinking is not enabled for models/"),
    (NB, LEVEL, "LOW", "Thinking level is not supported for this model."),
    (NB2, LEVEL, "MEDIUM", "Thinking level is not supported"),
    (PRO, LEVEL, "HIGH", "Thinking level is not supported"),
    (NB, THINKING, {"thinkingBudget": 100}, "Thinking budget"),
    # sampling and the rest
    (NB, CONFIG + "temperature", 1, "temperature"),
    (NB, CONFIG + "topP", 0.9, "top_p"),
    (NB, CONFIG + "topK", 40, "top_k"),
    (NB, CONFIG + "seed", 7, "seed"),
    (NB2, CONFIG + "temperature", 2.5, "range"),
    (NB2, CONFIG + "logprobs", 1, "Logprobs is not enabled"),
    (NB2, CONFIG + "frequencyPenalty", 1, "Penalty is not enabled"),
    (NB, CONFIG + "candidateCount", 2, "Multiple candidates is not enabled"),
    (NB, CONFIG + "responseMimeType", "image/png", "allowed mimetypes are"),
    (NB, CONFIG + "responseMimeType", "application/json", "JSON mode is not enabled"),
    (NB, CONFIG + "responseFormat", {"image": {}}, "invalid argument"),
    (NB, CONFIG + "responseModalities", ["AUDIO"], "combination"),
    (NB, CONFIG + "maxOutputTokens", 0, "must be positive"),
    (NB, CONFIG + "maxOutputTokens", 99_999, "invalid argument"),
    # tools, safety, system instruction
    (NB1, "tools", [{"googleSearch": {}}], "Search as tool is not enabled"),
    (LITE, "tools", [{"googleSearch": {}}], "Search as tool is not enabled"),
    (
        PRO,
        "tools",
        [{"googleSearch": {"searchTypes": {"imageSearch": {}}}}],
        "Search as tool",
    ),
    (NB, "tools", [{"functionDeclarations": [{}]}], "Function calling is not enabled"),
    (NB, "tools", [{"codeExecution": {}}], "Code execution is not enabled"),
    (NB, "tools", [{}], "invalid argument"),
    (
        NB,
        "safetySettings",
        [{"category": "HARM_CATEGORY_IMAGE_HATE", "threshold": OFF}],
        "v1beta.HarmCategory",
    ),
    (
        NB,
        "safetySettings",
        [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "NEVER"}],
        "HarmBlockThreshold",
    ),
    (NB1, "systemInstruction", SYSTEM, "Developer instruction is not enabled"),
    (NB, "systemInstruction", {"parts": []}, "must not be empty"),
    # the conversation
    (NB, "contents", [], "contents is not specified"),
    (NB, "contents.0.parts", [], "contents[0].parts: contents.parts must not be empty"),
    (NB, "contents.0.parts.0", {"text": ""}, "contents[0].parts[0].data"),
    (NB, "contents.0.parts.0", {}, "contents[0].parts[0].data"),
    (NB, "contents.0.role", "assistant", "Please use a valid role"),
    (NB, "contents.0.role", "system", "Please use a valid role"),
    (NB, "contents.0.role", "model", "alternate between user and model"),
    (NB, "contents", body_of("a", "b")["contents"], "ends with a user role"),
    (NB, "contents", body_of("a")["contents"] * 2, "alternate between"),
    (
        NB,
        "contents.0.parts.0",
        {"fileData": {"fileUri": "https://x.y/v1beta/files/abc"}},
        "permission to access the File abc",
    ),
    (
        NB,
        "contents.0.parts.0",
        {"fileData": {"fileUri": "https://x.y/a.png"}},
        "Cannot fetch",
    ),
    (NB1, "contents.0.parts.0.text", "x" * 140_000, "exceeds the maximum number of"),
]


STATUS_OF = {
    "An internal error has occurred": 500,
    "permission to access the File abc": 403,
}


def test_refusals(google: StandIn) -> None:
    def check(model: str, path: str, value: Any, text: str) -> None:
        answer = post(google, changed(path, value), model)
        assert answer.status_code == STATUS_OF.get(text, 400)
        assert text in message_of(answer)
        assert not google.sent_images

    check_rows(REFUSED, check)


ACCEPTED: list[tuple[str, str, Any]] = [
    (NB, "model", f"models/{NB}"),
    (NB, THINKING, {"thinkingLevel": "MINIMAL", "includeThoughts": False}),
    (NB2, LEVEL, "HIGH"),
    (PRO, THINKING, {"includeThoughts": True}),
    (NB2, CONFIG + "temperature", 0.5),
    (NB2, CONFIG + "seed", 7),
    (NB2, IMAGE + "imageSize", "512"),
    (NB, "tools", [{"googleSearch": {"searchTypes": {"imageSearch": {}}}}]),
    (PRO, "tools", [{"google_search": {}}]),
    (NB, "systemInstruction", SYSTEM),
    (NB, "system_instruction", SYSTEM),
    (
        NB,
        "safety_settings",
        [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": OFF}],
    ),
    (NB, "contents", body_of("a fox", "Done.", "another")["contents"]),
    (NEW, IMAGE + "aspectRatio", "16:9"),
    ("nano-banana-pro-preview", IMAGE + "aspectRatio", "16:9"),
]


def test_good_requests_get_a_picture(google: StandIn) -> None:
    def check(model: str, path: str, value: Any) -> None:
        picture_of(post(google, changed(path, value), model))

    check_rows(ACCEPTED, check)


# -- models that the product knows -----------------------------------------------------


@pytest.mark.parametrize("model", IMAGE_MODELS, ids=lambda model: model.id)
def test_the_product_says_of_a_documented_model_what_google_says(
    model: ImageModel,
) -> None:
    facts = gip.model_facts(model.model_version)
    assert facts and facts.name == model.display_name
    assert {*facts.ratios} == {*model.ratios}
    assert facts.sizes == model.sizes
    assert (facts.thinks, facts.thinking_levels) == (
        model.thinks,
        model.thinking_levels,
    )
    assert [announced.SEARCHES[kind] for kind in facts.searches] == [*model.searches]
    assert facts.max_input_images == model.max_images


TOMORROW = gip.ModelFacts(
    id="gemini-tomorrow-image",
    name="Nano Banana Tomorrow",
    released="2027-01-01",
    ratios=("1:1", "16:9", "7:5"),
    sizes=("1K", "8K"),
    prices=gip.Prices(1, 2, {"1K": 0.1}),
    thinking_levels=("LOW",),
    searches=("web",),
    max_input_images=1,
)


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (IMAGE + "aspectRatio", "16:9", ""),
        (IMAGE + "aspectRatio", "4:3", "must be one of '1:1', or '16:9'"),
        (IMAGE + "aspectRatio", "7:5", "must be one of"),
        (IMAGE + "imageSize", "1K", ""),
        (IMAGE + "imageSize", "2K", "Supported values are: 1K."),
        (IMAGE + "imageSize", "8K", "Supported values are: 1K."),
        (LEVEL, "LOW", ""),
        (LEVEL, "HIGH", "Thinking level is not supported"),
        (CONFIG + "temperature", 0.5, "temperature is not supported"),
        ("tools", [{"googleSearch": {}}], ""),
        ("tools", [{"googleSearch": {"searchTypes": {"imageSearch": {}}}}], "Search"),
        ("contents", with_images(image_part())["contents"], ""),
        ("contents", with_images(image_part(), image_part())["contents"], "invalid"),
    ],
)
def test_a_model_that_only_the_product_knows_takes_what_its_row_says(
    monkeypatch: pytest.MonkeyPatch, path: str, value: Any, text: str
) -> None:
    monkeypatch.setattr(gip, "CURRENT_MODELS", (TOMORROW, *gip.CURRENT_MODELS))
    known = {model.id: model for model in announced.all_models()}
    assert known.items() >= {model.id: model for model in IMAGE_MODELS}.items()
    model = known[TOMORROW.id]
    try:
        check_generate(changed(path, value), model, "v1beta")
    except GoogleError as refusal:
        assert text and text in refusal.message
    else:
        assert not text


def test_all_unknown_names_are_reported_at_once(google: StandIn) -> None:
    answer = post(google, body_of("x") | {"size": 1, "user": 2})
    violations = answer.json()["error"]["details"][0]["fieldViolations"]
    assert [v["description"] for v in violations] == message_of(answer).split("\n")
    assert len(violations) == 2


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b'"x"', b'{"a": NaN}', b'{"a": "\\ud83d"}', b"\xff{}"]
)
def test_what_is_no_json_object_is_refused(google: StandIn, raw: bytes) -> None:
    url = f"{google.url}/v1beta/models/{NB}:generateContent"
    answer = http("POST", url, data=raw)
    assert answer.status_code == 400
    assert "Invalid JSON payload" in message_of(answer)


SVG = image_part("image/svg+xml", data=b"<svg></svg>")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (image_part("png"), "Unsupported MIME type: png"),
        (image_part("image/jpg", "JPEG"), "Unsupported MIME type: image/jpg"),
        (image_part("image/gif", "GIF"), "Unsupported MIME type: image/gif"),
        (SVG, "Unsupported MIME type: image/svg+xml"),
        (image_part("", "PNG"), "Unsupported MIME type: "),
        (image_part("image/png", "JPEG"), "data mime type: image/jpeg"),
        (image_part("image/jpeg", "PNG"), "data mime type: image/png"),
        (image_part("image/png", "GIF"), "data mime type: image/gif"),
        (image_part(data=b"\x89PNG\r\n\x1a\n broken"), "Unable to process input image"),
        (image_part(data=b"no picture"), "Unable to process input image"),
    ],
)
def test_pictures_that_are_refused(google: StandIn, part: Json, text: str) -> None:
    answer = post(google, with_images(part))
    assert answer.status_code == 400
    assert text in message_of(answer)


def test_a_pdf_is_read_by_some_models_only(google: StandIn) -> None:
    mime, whole = "application/pdf", b"%PDF-1.4\ntrailer<<>>\n%%EOF\n"

    def check(model: str, data: bytes, refusal: str) -> None:
        answer = post(google, with_images(image_part(mime, data=data)), model)
        assert answer.status_code == (400 if refusal else 200)
        assert refusal in (message_of(answer) if refusal else "")

    unread = f"Unsupported MIME type: {mime}"
    rows = [
        ("gemini-nano-banana-2.1", whole, ""),
        ("gemini-3.1-flash-image", whole, ""),
        ("gemini-3.1-flash-lite-image", whole, ""),
        ("gemini-3-pro-image", whole, unread),
        ("gemini-2.5-flash-image", whole, unread),
        ("gemini-nano-banana-2.1", whole[:9], "no pages"),
        ("gemini-nano-banana-2.1", b"no PDF", "no pages"),
    ]
    check_rows(rows, check)


@pytest.mark.parametrize(
    "part",
    [
        image_part("image/png", "PNG"),
        image_part("image/jpeg", "JPEG"),
        image_part("image/webp", "WEBP"),
        image_part("image/heic", data=b"\0\0\0\x18ftypheic" + b"\0" * 40),
    ],
)
def test_pictures_that_are_read(google: StandIn, part: Json) -> None:
    picture_of(post(google, with_images(part)))


@pytest.mark.parametrize(("model", "limit"), [(NB, 14), (NB1, 3)])
def test_too_many_pictures(google: StandIn, model: str, limit: int) -> None:
    part = image_part()
    assert post(google, with_images(*[part] * limit), model).status_code == 200
    assert post(google, with_images(*[part] * (limit + 1)), model).status_code == 400


def test_other_content_types_and_query_parameters_are_refused(google: StandIn) -> None:
    headers = {"Content-Type": "text/plain"}
    answer = post(google, body_of("x"), headers=headers)
    assert message_of(answer) == "Unsupported content with type: text/plain"
    answer = post(google, body_of("x"), method="generateContent?size=1K")
    assert "Cannot bind query parameter" in message_of(answer)


def test_too_large_a_body() -> None:
    with StandIn(body_limit=10_000) as google:
        answer = ask(google, "x" * 20_000)
        assert answer.status_code == 413
        assert "exceeds the limit: 10000 bytes" in message_of(answer)
        assert google.requests[0].raw_size > 20_000
        assert ask(google, "small").status_code == 200


# -- thought signatures ---------------------------------------------------------------


def second_turn(first: requests.Response, *, keep_signature: bool) -> Json:
    parts = parts_of(first.json())
    if not keep_signature:
        for part in parts:
            part.pop("thoughtSignature", None)
    body = body_of("a fox", "-", "make it blue")
    body["contents"][1]["parts"] = parts
    return body


def urlsafe(base64_text: str) -> str:
    return base64_text.translate(str.maketrans("+/", "-_"))


def test_a_picture_in_a_model_turn_needs_its_signature(google: StandIn) -> None:
    first = ask(google, "a fox")
    answer = post(google, second_turn(first, keep_signature=False))
    assert answer.status_code == 400
    assert "content position 2, part position 2" in message_of(answer)
    again = second_turn(first, keep_signature=True)
    picture_of(post(google, again))
    part = again["contents"][1]["parts"][1]
    part["thoughtSignature"] = urlsafe(part["thoughtSignature"])
    picture_of(post(google, again))  # Google's own client sends it so


def test_signatures_are_bound_to_the_bytes_and_the_model(google: StandIn) -> None:
    body = second_turn(ask(google, "a fox"), keep_signature=True)
    assert post(google, body, PRO).status_code == 400
    body["contents"][1]["parts"][1] |= image_part()
    assert message_of(post(google, body)) == "Corrupted thought signature."


def test_a_signature_is_wanted_on_older_models_too(google: StandIn) -> None:
    body = second_turn(ask(google, "a fox", NB1), keep_signature=True)
    assert post(google, body, NB1).status_code == 400


# -- answers --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "config", "pixels", "form"),
    [
        (NB, {}, (1024, 1024), "JPEG"),
        (NB, {"aspectRatio": "16:9"}, (1376, 768), "JPEG"),
        (NB, {"aspectRatio": "8:1"}, (3072, 384), "JPEG"),
        (NB, {"aspectRatio": "4:5", "imageSize": "2K"}, (1856, 2304), "JPEG"),
        (NB2, {"aspectRatio": "21:9", "imageSize": "512"}, (792, 168), "JPEG"),
        (PRO, {"imageSize": "4K"}, (4096, 4096), "JPEG"),
        (NB1, {"aspectRatio": "3:2"}, (1264, 848), "PNG"),
    ],
)
def test_pixels_are_those_of_the_documentation(
    google: StandIn, model: str, config: Json, pixels: tuple[int, int], form: str
) -> None:
    image = picture_of(ask(google, "a fox", model, imageConfig=config))
    assert (image.size, image.format) == (pixels, form)


@pytest.mark.parametrize(
    ("given", "pixels"), [((160, 90), (1376, 768)), ((20, 30), (848, 1264))]
)
def test_an_edit_keeps_the_ratio_of_its_picture(
    drawing_google: StandIn, given: tuple[int, int], pixels: tuple[int, int]
) -> None:
    assert (
        picture_of(post(drawing_google, with_images(image_part(size=given)))).size
        == pixels
    )


def test_an_edit_changes_the_last_picture(drawing_google: StandIn) -> None:
    part = image_part()  # orange
    image = picture_of(post(drawing_google, with_images(part, text="make it blue")))
    red, _, blue = image.convert("RGB").resize((1, 1)).getpixel((0, 0))
    assert blue > red


def test_no_two_pictures_have_the_same_bytes(drawing_google: StandIn) -> None:
    for model in (NB, NB, NB1, NB1):
        picture = picture_of(ask(drawing_google, "a fox", model))
        assert picture.size == (1024, 1024)
    assert len(set(drawing_google.sent_images)) == 4


def test_the_order_of_a_stream(google: StandIn) -> None:
    text, picture, last = stream(google, "a fox")
    assert parts_of(text)[0]["text"]
    assert pictures_in(parts_of(picture)) == google.sent_images
    assert len(parts_of(picture)[0]["thoughtSignature"]) > 20_000
    assert last["candidates"][0]["finishReason"] == "STOP"
    usage = last["usageMetadata"]
    assert usage["candidatesTokensDetails"][0]["tokenCount"] == 1120
    assert usage["totalTokenCount"] == sum(
        usage[name + "TokenCount"] for name in ("prompt", "candidates", "thoughts")
    )
    assert last["modelVersion"] == NB


@pytest.mark.parametrize("model", [NB, PRO])
def test_thoughts_come_only_when_asked_for(google: StandIn, model: str) -> None:
    config = {"thinkingConfig": {"includeThoughts": True}}
    events = stream(google, "a fox", model, **config)
    drafts = [part for event in events for part in parts_of(event) if "thought" in part]
    assert [("inlineData" in part) for part in drafts] == [False, True, True]
    plain = parts_of(ask(google, "a fox", model).json())
    assert not any("thought" in part for part in plain)
    assert len(google.sent_images) == 2


def test_without_alt_sse_a_stream_is_an_array(google: StandIn) -> None:
    answer = post(google, body_of("a fox"), NB, "streamGenerateContent")
    assert len(answer.json()) == 3
    assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize(
    ("modalities", "kinds"),
    [(["IMAGE"], {"inlineData"}), (["TEXT"], {"text"}), (None, {"text"})],
)
def test_modalities(google: StandIn, modalities: Any, kinds: set[str]) -> None:
    answer = ask(google, "a fox", responseModalities=modalities)
    kept = {key for part in parts_of(answer.json()) for key in part}
    assert kept - {"thoughtSignature"} == kinds


def test_too_few_output_tokens_leave_no_picture(google: StandIn) -> None:
    candidate = ask(google, "a fox", maxOutputTokens=500).json()["candidates"][0]
    assert candidate["finishReason"] == "MAX_TOKENS"
    assert candidate["content"] == {"role": "model"}


def test_search_is_grounded(google: StandIn) -> None:
    answer = post(google, body_of("a fox") | {"tools": [{"googleSearch": {}}]}).json()
    grounding = answer["candidates"][0]["groundingMetadata"]
    assert grounding["searchEntryPoint"]["renderedContent"]
    assert len(grounding["groundingChunks"]) == 3


def test_answers_are_compressed_for_those_who_take_it(google: StandIn) -> None:
    assert ask(google, "a fox").headers["Content-Encoding"] == "gzip"
    plain = post(google, body_of("a fox"), headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers


# -- directives -----------------------------------------------------------------------


def test_every_directive_explains_itself() -> None:
    assert all(directive.meaning for directive in DIRECTIVES)


@pytest.mark.parametrize(
    "text", ["[[nonsense]]", "[[error nonsense]]", "[[status 418]]"]
)
def test_an_unknown_directive_says_so(google: StandIn, text: str) -> None:
    with pytest.raises(GoogleError, match="stand-in"):
        parse(text)
    assert "stand-in" in message_of(ask(google, text))


def test_the_first_of_several_requests_can_be_answered_differently(
    google: StandIn,
) -> None:
    prompt = "x [[first 2 status 503]] [[first 1 wait 0.1]]"
    codes = [ask(google, prompt).status_code for _ in range(3)]
    assert codes == [503, 503, 200]
    assert "stand-in" in message_of(ask(google, "x [[first 2 nonsense]]"))


def test_an_answer_can_hold_given_thoughts_usage_and_grounding(
    google: StandIn,
) -> None:
    def given(value: Any) -> str:
        text = value if isinstance(value, str) else json.dumps(value)
        return base64.b64encode(text.encode()).decode()

    prompt = (
        f"x [[think64 {given('Hm.')}]] [[usage64 {given({'promptTokenCount': -1})}]] "
        f"[[ground64 {given([None])}]]"
    )
    answer = ask(google, prompt).json()
    thoughts = [part for part in parts_of(answer) if "thought" in part]
    assert thoughts == [{"text": "Hm.", "thought": True}]
    assert answer["usageMetadata"] == {"promptTokenCount": -1}
    assert answer["candidates"][0]["groundingMetadata"] == [None]


def test_every_model_that_thinks_tells_its_thoughts_when_asked(
    google: StandIn,
) -> None:
    config = {"thinkingConfig": {"includeThoughts": True}}
    for model in (NB2, LITE):
        parts = parts_of(ask(google, "a fox", model, **config).json())
        assert [p for p in parts if p.get("thought") and "text" in p]


def test_directives_of_earlier_turns_are_spent(google: StandIn) -> None:
    picture_of(post(google, body_of("[[status 503]]", "Sorry.", "again")))


def test_every_canonical_error_is_played(google: StandIn) -> None:
    def check(name: str) -> None:
        made = CANONICAL[name]()
        expected = made.code if isinstance(made, GoogleError) else made.status
        for answer in (
            ask(google, f"x [[error {name}]]"),
            raw_stream(google, f"x [[error {name}]]"),
        ):
            assert answer.status_code == expected
            assert b"stand-in" not in answer.content

    check_rows(zip(CANONICAL), check)


@pytest.mark.parametrize(
    ("directive", "status", "text"),
    [
        ("status 503", 503, "high demand"),
        ("status 500", 500, "internal error"),
        ("status 429 minute 2s", 429, '"retryDelay": "2s"'),
        ("429 minute", 429, "PerMinute"),
        ("429 day", 429, "44788s"),
        ("429 zero", 429, "limit: 0"),
        ("429 prepaid", 429, "prepayment"),
        ("429 bare", 429, "check quota"),
        ("refuse responseModalities", 400, "'generation_config'"),
        ("refuse generation_config", 400, "Cannot find field"),
    ],
)
def test_failures_on_demand(
    google: StandIn, directive: str, status: int, text: str
) -> None:
    answer = ask(google, f"a fox [[{directive}]]")
    assert (answer.status_code, text in answer.text) == (status, True)


def test_a_field_that_is_absent_is_not_refused(google: StandIn) -> None:
    picture_of(ask(google, "a fox [[refuse imageConfig]]"))


@pytest.mark.parametrize(
    ("directive", "statuses"),
    [
        ("fail 2", [503, 503, 200]),
        ("fail 1 then ok", [503, 200]),
        ("fail 1 500", [500, 200]),
        ("fail 1 minute 1s", [429, 200]),
        ("fail 1 429 then ok", [429, 200]),
        ("fail 1 html 504", [504, 200]),
    ],
)
def test_first_tries_fail(google: StandIn, directive: str, statuses: list[int]) -> None:
    prompt = f"a fox [[{directive}]]"
    assert [ask(google, prompt).status_code for _ in statuses] == statuses


@pytest.mark.parametrize("model", [NB, NB1])
def test_size_of_the_picture(google: StandIn, model: str) -> None:
    picture_of(ask(google, "x [[size 0.5MB]]", model))
    assert len(google.sent_images[0]) == pytest.approx(500_000, rel=0.01)


@pytest.mark.parametrize("directive", ["wait", "pause", "trickle"])
def test_waits_and_pauses(google: StandIn, directive: str) -> None:
    start = time.monotonic()
    stream(google, f"x [[{directive} 0.1]]")
    assert time.monotonic() - start >= 0.1


@pytest.mark.parametrize("directive", ["cut", "cut 100", "reset", "cut 0", "reset 0"])
def test_the_connection_breaks(google: StandIn, directive: str) -> None:
    with pytest.raises(
        (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)
    ):
        raw_stream(google, f"x [[{directive}]]")
    assert not google.requests[0].disconnected


def test_a_cut_can_look_clean(google: StandIn) -> None:
    assert len(raw_stream(google, "x [[cut 100 clean]]").content) == 100


def candidate_of(event: Json) -> Json:
    return dict((event.get("candidates") or [{}])[0])


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "NO_IMAGE", "SOME_FUTURE_REASON"])
def test_finish_reasons(google: StandIn, reason: str) -> None:
    (event,) = stream(google, f"x [[finish {reason}]]")
    assert candidate_of(event)["finishReason"] == reason
    assert candidate_of(event)["content"] == {}


def test_a_blocked_prompt(google: StandIn) -> None:
    answer = ask(google, "x [[block PROHIBITED_CONTENT]]").json()
    assert answer["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert "candidates" not in answer


@pytest.mark.parametrize(
    "variant",
    [
        "candidates",
        "missing",
        "nullcandidates",
        "nocontent",
        "content",
        "role",
        "parts",
        "nullparts",
        "text",
        "object",
    ],
)
def test_empty_answers(google: StandIn, variant: str) -> None:
    (event,) = stream(google, f"x [[empty {variant}]]")
    assert event == ask(google, f"x [[empty {variant}]]").json() | {
        key: event[key] for key in event if key == "responseId"
    }
    parts = (candidate_of(event).get("content") or {}).get("parts") or []
    assert parts in ([], [{"text": ""}])


def test_an_empty_stream(google: StandIn) -> None:
    assert raw_stream(google, "x [[empty stream]]").content == b""


def test_what_the_model_says(google: StandIn) -> None:
    said = "![x](javascript:alert(1))\n</details> [a](b)"
    encoded = base64.b64encode(said.encode()).decode()
    for directive in (f"say {said}", f"say64 {encoded}"):
        answer = ask(google, f"x [[{directive}]] [[text only]]").json()
        (part,) = parts_of(answer)
        assert part["text"] == said


def test_several_pictures_and_drafts(google: StandIn) -> None:
    assert len(pictures_in(parts_of(ask(google, "x [[images 3]]").json()))) == 3
    parts = parts_of(ask(google, "x [[drafts only]]").json())
    drafts = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    assert [base64.b64decode(draft) for draft in drafts] == google.sent_drafts
    assert len(drafts) == 2
    assert not pictures_in(parts)


def test_a_picture_alone_and_of_another_size(google: StandIn) -> None:
    wide = {"aspectRatio": "16:9"}
    answer = ask(google, "x [[no text]] [[square]]", imageConfig=wide)
    assert picture_of(answer).size == (1024, 1024)
    assert not any(part.get("text") for part in parts_of(answer.json()))


def test_no_finish_reason(google: StandIn) -> None:
    events = stream(google, "x [[no finish]]")
    assert not any("finishReason" in candidate_of(event) for event in events)
    assert len(google.sent_images) == 1


@pytest.mark.parametrize(
    ("directive", "prefix"),
    [("midstream error", b'\ndata: {"error"'), ("midstream raw error", b"\n{\n")],
)
def test_an_error_after_the_picture(
    google: StandIn, directive: str, prefix: bytes
) -> None:
    answer = raw_stream(google, f"x [[{directive}]]")
    assert answer.status_code == 200
    assert base64.b64encode(google.sent_images[0]) in answer.content
    assert prefix in answer.content


def test_other_framings(google: StandIn) -> None:
    assert raw_stream(google, "x [[json]]").json()["candidates"]
    assert len(raw_stream(google, "x [[array]]").json()) == 3
    assert len(ask(google, "x [[array]]").json()) == 3
    snake = raw_stream(google, "x [[snake]]").content
    assert b'"inline_data"' in snake and b'"inlineData"' not in snake
    commented = raw_stream(google, "x [[comments]]").content
    assert commented.startswith(b":") and b"\ndata:{" in commented
    assert "Content-Type" not in raw_stream(google, "x [[no content type]]").headers


def test_pictures_that_are_not_what_they_say(google: StandIn) -> None:
    part = parts_of(ask(google, "x [[mislabel]]").json())[-1]
    assert part["inlineData"]["mimeType"] == "image/png"
    assert pictures_in([part])[0].startswith(b"\xff\xd8")
    text = parts_of(ask(google, "x [[relay]]").json())[-1]["text"]
    assert text.startswith("Done.\n![image](data:image/jpeg;base64,")
    broken = parts_of(ask(google, "x [[bad base64]]").json())[-1]
    assert "!" in broken["inlineData"]["data"]
    nothing = parts_of(ask(google, "x [[bad picture]]").json())[-1]
    assert pictures_in([nothing])[0].startswith(b"this is no picture")


def test_json_too_deep_to_parse(google: StandIn) -> None:
    with pytest.raises((RecursionError, ValueError)):
        json.loads(ask(google, "x [[deep json]]").content)


def test_a_line_without_an_end(google: StandIn) -> None:
    url = f"{google.url}/v1beta/models/{NB}:streamGenerateContent?alt=sse"
    headers = {"x-goog-api-key": DEFAULT_KEY}
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(
            url, json=body_of("x [[endless]]"), headers=headers, stream=True
        )
        got = 0
        for block in answer.iter_content(65_536):
            assert b"\n" not in block
            got += len(block)
            if got > 5_000_000:
                break
        answer.close()
    assert wait_until(lambda: google.requests[0].disconnected)


# -- :predict -------------------------------------------------------------------------

IMAGEN = "imagen-4.0-generate-001"


def predict(
    google: StandIn,
    prompt: str = "a fox",
    prefix: str = "/legacy/v1beta",
    **options: Any,
) -> requests.Response:
    body = {"instances": [{"prompt": prompt}], "parameters": options}
    return post(google, body, IMAGEN, "predict", prefix)


def test_predict_lives_behind_a_legacy_gateway_only(google: StandIn) -> None:
    assert predict(google, prefix="/v1beta").status_code == 404
    assert len(predict(google).json()["predictions"]) == 4
    answer = predict(
        google,
        sampleCount=1,
        aspectRatio="16:9",
        outputOptions={"mimeType": "image/jpeg"},
    )
    (prediction,) = answer.json()["predictions"]
    assert prediction["mimeType"] == "image/jpeg"
    data = base64.b64decode(prediction["bytesBase64Encoded"])
    assert Image.open(io.BytesIO(data)).size == (1408, 768)
    assert data == google.sent_images[-1]


@pytest.mark.parametrize(
    "options",
    [
        {"sampleCount": 5},
        {"sampleCount": True},
        {"aspectRatio": "2:3"},
        {"negativePrompt": "x"},
        {"seed": 1},
        {"sampleImageSize": "4K"},
        {"personGeneration": "ALLOW_ALL"},
        {"safetySetting": "block_none"},
        {"outputOptions": {"format": "png"}},
    ],
)
def test_predict_refuses(google: StandIn, options: Json) -> None:
    assert predict(google, **options).status_code == 400


def test_predict_filters(google: StandIn) -> None:
    some = predict(
        google, "x [[predict filtered 1]]", sampleCount=2, includeRaiReason=True
    ).json()["predictions"]
    assert ["raiFilteredReason" in prediction for prediction in some] == [True, False]
    assert predict(google, "x [[predict filtered]]").json() == {}


# -- records --------------------------------------------------------------------------


def test_records(google: StandIn) -> None:
    part = image_part()
    post(google, with_images(part, text="make it red"))
    (record,) = google.requests
    assert (record.method, record.model, record.status) == ("POST", NB, 200)
    assert record.headers["x-goog-api-key"] == DEFAULT_KEY
    assert record.images == [base64.b64decode(part["inlineData"]["data"])]
    assert record.texts == ["make it red"]
    assert record.raw_size > 100
    assert not record.disconnected


@pytest.mark.parametrize(
    "directive", ["wait 30", "pause 30", "trickle 30", "size 12MB"]
)
def test_a_client_that_leaves_is_noticed(google: StandIn, directive: str) -> None:
    body = json.dumps(body_of(f"x [[{directive}]]")).encode()
    head = (
        f"POST /v1beta/models/{NB}:streamGenerateContent?alt=sse HTTP/1.1\r\n"
        f"Host: x\r\nx-goog-api-key: {DEFAULT_KEY}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", google.port)) as client:
        client.sendall(head.encode() + body)
        assert wait_until(lambda: google.requests)
        ask(google, "meanwhile", PRO)  # so that the stand-in had time for more
        assert not google.requests[0].disconnected
    assert wait_until(lambda: google.requests[0].disconnected)


def test_many_callers_at_once(google: StandIn) -> None:
    answers: list[int] = []

    def call() -> None:
        answers.append(ask(google, "x [[wait 0.1]]").status_code)

    threads = [threading.Thread(target=call) for _ in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [200] * 64
    assert len(set(google.sent_images)) == 64


def test_a_chunked_request_body_is_read(google: StandIn) -> None:
    url = f"{google.url}/v1beta/models/{NB}:generateContent"
    pieces = iter([b'{"contents": ', b'[{"role": "user", "parts": [{"text": "x"}]}]}'])
    headers = {"Content-Type": "application/json"}
    assert http("POST", url, data=pieces, headers=headers).status_code == 200
    assert google.requests[0].texts == ["x"]


def test_a_process_of_its_own() -> None:
    with start_process(extra_models={NEW: "Nano Banana 9"}) as google:
        answer = http(
            "POST",
            f"{google.url}/v1beta/models/{NEW}:generateContent",
            json=with_images(image_part()),
        )
        assert answer.status_code == 200
        (record,) = google.requests()
        assert record["images"][0]["mime"] == "image/png"
        assert len(google.sent_images()) == 1
        with pytest.raises(urllib.error.HTTPError):
            google.behave(models="nonsense")
        google.behave(models="500")
        listing = http("GET", f"{google.url}/v1beta/models")
        assert listing.status_code == 500
        google.reset()
        assert google.requests() == []
        process = google.process
    assert process.poll() == 0


def test_every_key_that_is_refused_has_a_row_above() -> None:
    refused = {name for name, rights in KEYS.items() if rights.refuses}
    assert refused == {row[0] for row in KEY_REFUSALS} - {"nobody-issued-this"}
