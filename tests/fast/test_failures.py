"""Rooms Failures and Messages: an error or refusal of Google's in, a sentence out."""

import itertools
import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import told
from rows import check_rows

import gemini_image_pipe as gip

MODEL = "`gemini-nano-banana-2.1`"
AUTH_KEY = "AQ." + "Ab8RN6Kx_-" * 4
OLD_KEY = "AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY"
TRACE = re.compile(r"[{}<>]|Traceback|Error\b|\bNone\b|type\.googleapis|\\")


def failure(status: int, body: Any = None, raw: bytes = b"") -> gip.GeminiError:
    values = {"model": MODEL, "host": "api.example", "elapsed": 7}
    return gip.explain_error(gip.read_error(status, body), raw, **values)


# google.rpc.Code as Google names it beside each status of HTTP.
RPC_NAMES = {
    **{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"},
    **{404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL"},
    **{413: "INVALID_ARGUMENT", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED"},
}


def google(
    code: int, message: str, status: str = "", details: Any = None
) -> dict[str, Any]:
    status = status or RPC_NAMES.get(code, "UNKNOWN")
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details is not None:
        error["details"] = details
    return {"error": error}


def reason(name: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": name}


def quota(quota_id: str, delay: str | None = None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"quotaId": quota_id}],
        },
    ]
    if delay:
        retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo"}
        found.append({**retry, "retryDelay": delay})
    return found


def assert_readable(error: gip.GeminiError) -> None:
    """A person reads this: words, an advice, and nothing of the machinery."""
    text, what = told(error), gip.what_happened(error, gip.Reader())
    assert not TRACE.search(text), text
    assert text.startswith("**") and len(text) < 800
    assert text.count("\n") == 0
    assert what and not re.search(r"[`*{}<>]", what)
    assert not re.search(r"(:|“”|\(\)|  )\s*$", text)


# ── What each of Google's errors means ───────────────────────────────────────────────

YOUR_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details."
)


GOOGLES_ERRORS = [
    (
        "key-not-valid",
        "key_refused",
        400,
        "API key not valid. Please pass a valid API key.",
        [reason("API_KEY_INVALID")],
    ),
    (
        "key-not-found",
        "key_refused",
        400,
        "API Key not found. Please pass a valid API key.",
        None,
    ),
    (
        "key-expired",
        "key_expired",
        400,
        "API key expired. Please renew the API key.",
        [reason("API_KEY_INVALID")],
    ),
    (
        "key-leaked",
        "key_leaked",
        403,
        "Your API key was reported as leaked. Please use another API key.",
        None,
    ),
    (
        "key-type",
        "key_type",
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access "
        "token, login cookie or other valid authentication credential.",
        [reason("ACCESS_TOKEN_TYPE_UNSUPPORTED")],
    ),
    ("any-401", "key_refused", 401, "Unauthorized", None),
    (
        "key-restricted-to-other-services",
        "key_restricted",
        403,
        "Requests to this API generativelanguage.googleapis.com method google.ai."
        "generativelanguage.v1beta.GenerativeService.GenerateContent are blocked.",
        [reason("API_KEY_SERVICE_BLOCKED")],
    ),
    (
        "key-restricted-to-a-site",
        "key_restricted",
        403,
        "Requests from referer are blocked.",
        [reason("API_KEY_HTTP_REFERRER_BLOCKED")],
    ),
    (
        "api-disabled",
        "api_disabled",
        403,
        "Generative Language API has not been used in project 1 before or it is "
        "disabled.",
        [reason("SERVICE_DISABLED")],
    ),
    ("any-403", "permission", 403, "The caller does not have permission", None),
    (
        "billed-users-only",
        "billing",
        400,
        "Imagen API is only accessible to billed users at this time.",
        None,
    ),
    (
        "location",
        "region",
        400,
        "User location is not supported for the API use.",
        None,
    ),
    (
        "country",
        "region",
        400,
        "Image generation is not available in your country.",
        None,
    ),
    (
        "model-not-found",
        "model_unknown",
        404,
        "models/x is not found for API version v1beta, or is not supported for "
        "generateContent. Call ListModels to see the list of available models and "
        "their supported methods.",
        None,
    ),
    ("entity", "model_unknown", 404, "Requested entity was not found.", None),
    (
        "not-for-new-users",
        "model_retired",
        404,
        "This model models/x is no longer available to new users. Please update "
        "your code to use a newer model for the latest features.",
        None,
    ),
    (
        "retired",
        "model_retired",
        404,
        "models/x is no longer available. Please update your code to use models/y",
        None,
    ),
    (
        "api-version-too-old",
        "api_version",
        400,
        'Invalid JSON payload received. Unknown name "responseModalities" at '
        "'generation_config': Cannot find field.",
        None,
    ),
    (
        "unknown-field",
        "parameter",
        400,
        'Invalid JSON payload received. Unknown name "seed" at '
        "'generation_config': Cannot find field.",
        None,
    ),
    (
        "image-size",
        "parameter",
        400,
        "Unsupported image_size '8K'. Supported values are: 1K, 2K, 4K.",
        None,
    ),
    (
        "aspect-ratio",
        "parameter",
        400,
        "aspect_ratio must be one of '1:1', '1:4', or '21:9'",
        None,
    ),
    (
        "thinking-level",
        "parameter",
        400,
        "Thinking level is not supported for this model.",
        None,
    ),
    (
        "thinking",
        "parameter",
        400,
        "Thinking is not enabled for models/gemini-2.5-flash-image",
        None,
    ),
    (
        "disabled-is-not-always-the-api",
        "parameter",
        400,
        "Image output is disabled for this aspect ratio",
        None,
    ),
    ("argument", "request", 400, "Request contains an invalid argument.", None),
    (
        "signature",
        "request",
        400,
        "Image part is missing a thought_signature in content position 2, part "
        "position 1.",
        None,
    ),
    (
        "payload",
        "too_large",
        400,
        "Request payload size exceeds the limit: 20971520 bytes.",
        None,
    ),
    (
        "tokens",
        "too_large",
        400,
        "The input token count (1050890) exceeds the maximum number of tokens "
        "allowed (32768).",
        None,
    ),
    (
        "prompt-refused",
        "prompt_blocked",
        400,
        "Image generation failed with the following error: The prompt could not be "
        "submitted. This prompt contains sensitive words that violate Google's "
        "Responsible AI practices.",
        None,
    ),
    *(
        (name, "input_picture", 400, message, None)
        for name, message in {
            "unreadable": "Unable to process input image. Please retry or report "
            "in https://developers.generativeai.google/guide/troubleshooting",
            "not-valid": "Provided image is not valid.",
            "svg": "Unsupported MIME type: image/svg+xml",
            "half-a-type": "Unsupported MIME type: png",
            "wrong-type": "Unhandled generated data mime type: image/jpeg",
        }.items()
    ),
    (
        "limit-0",
        "quota_zero",
        429,
        f"{YOUR_QUOTA} \n* Quota exceeded for metric: generativelanguage.googleapis"
        ".com/generate_content_free_tier_requests, limit: 0, model: x\n"
        "Please retry in 37.36s.",
        None,
    ),
    (
        "free-tier",
        "quota_zero",
        429,
        YOUR_QUOTA,
        quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "37s"),
    ),
    (
        "per-day",
        "quota_day",
        429,
        YOUR_QUOTA,
        quota("GenerateRequestsPerDayPerProjectPerModel", "12s"),
    ),
    (
        "per-minute",
        "quota_minute",
        429,
        YOUR_QUOTA,
        quota("GenerateRequestsPerMinutePerProjectPerModel", "12s"),
    ),
    ("long-delay", "quota_day", 429, "Quota exceeded.", [{"retryDelay": "44788s"}]),
    ("short-delay", "quota_minute", 429, "Slow down.", [{"retryDelay": "9s"}]),
    (
        "prepaid",
        "quota_prepaid",
        429,
        "Your prepayment credits are depleted. Please go to AI Studio at "
        "https://ai.studio/projects to manage your project and billing.",
        None,
    ),
    (
        "exhausted",
        "capacity",
        429,
        "Resource has been exhausted (e.g. check quota).",
        None,
    ),
    (
        "vertex-capacity",
        "capacity",
        429,
        "Resource exhausted. Please try again later.",
        None,
    ),
    ("internal", "internal", 500, "An internal error has occurred.", None),
    (
        "high-demand",
        "overloaded",
        503,
        "This model is currently experiencing high demand. Spikes in demand are "
        "usually temporary. Please try again later.",
        None,
    ),
    (
        "no-capacity",
        "overloaded",
        503,
        "No capacity available for model x on the server",
        [reason("MODEL_CAPACITY_EXHAUSTED")],
    ),
    (
        "deadline",
        "gateway_timeout",
        504,
        "Deadline expired before operation could complete.",
        None,
    ),
    ("cancelled", "http", 499, "The operation was cancelled.", None),
    ("unknown-status", "http", 418, "I am a teapot", None),
]


def test_an_error_is_recognised_and_quoted() -> None:
    """The wrong kind sends the user, or the administrator, on the wrong errand."""

    def check(name: str, kind: str, code: int, message: str, details: Any) -> None:
        error = failure(code, google(code, message, details=details))
        assert error.kind == kind
        assert_readable(error)
        assert message.split(". ")[0][:40].rstrip(".") in error.quote

    check_rows(GOOGLES_ERRORS, check)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"safety": "OFF"}, "User has requested a restricted HarmBlockThreshold."),
        ({"thinking_level": "LOW"}, "This model only works in thinking mode."),
    ],
)
def test_a_setting_that_is_refused_in_other_words_can_be_left_out(
    asked: dict[str, Any], said: str
) -> None:
    error = failure(400, google(400, said))
    [option] = asked
    step = gip.what_next(error, gip.ImageOptions(**asked), 0, 0)
    assert step == gip.NextTry(gip.ImageOptions(), dropped=option)


def test_a_refused_field_is_named_by_its_details_too() -> None:
    """Without its name the option could not be left out and tried again."""
    violation = {"field": "image_config", "description": "image_size is not supported"}
    body = google(
        400, "Invalid argument.", details=[{"fieldViolations": [violation, 7]}]
    )
    error = failure(400, body)
    assert error.quote == "Invalid argument. image_size is not supported"
    asked = gip.ImageOptions(image_size="4K")
    step = gip.what_next(error, asked, 0, 0)
    assert step == gip.NextTry(gip.ImageOptions(), dropped="image_size")
    body = google(
        400, violation["description"], details=[{"fieldViolations": [violation]}]
    )
    assert failure(400, body).quote == violation["description"]


GATEWAYS_ERRORS = [
    ("budget", 400, "Budget has been exceeded! Current cost: 10.2", "400"),
    ("budget", 429, "Budget has been exceeded! Max budget: 10", "429"),
    ("budget", 403, "用户额度不足, 剩余额度: ¥0.0", "insufficient_user_quota"),
    ("budget", 402, "Insufficient credits. Please add more.", 402),
    ("budget", 402, "Payment Required", None),
    ("model_unknown", 400, "Invalid model name passed in model=x.", "400"),
    ("model_unknown", 503, "No available channel for x", "model_not_found"),
    ("address_unknown", 404, "Not Found", None),
    ("address_unknown", 404, "404 page not found", None),
    ("address_unknown", 405, "Method Not Allowed", None),
    ("model_unknown", 404, "models/x is not found for API version v1beta", 404),
    ("proxy", 407, "Proxy Authentication Required", None),
    ("account_limited", 403, "Consumer 'api_key:x' has been suspended.", 403),
    ("account_limited", 403, "Your project has been denied access.", 403),
    (
        "no_image_model",
        400,
        "Model does not support the requested response modalities: text,image",
        400,
    ),
    ("quota_minute", 429, "Please slow down.", "rate_limit_exceeded"),
    ("budget", 401, "该令牌额度已用尽", ""),
    ("budget", 429, "Your project has exceeded its monthly spending cap.", None),
    ("billing", 403, "Lightning dunning decision is deny for project: x", 403),
    ("billing", 400, "This model is only available on the paid tier.", 400),
    ("billing", 429, "Billing account of the project is closed.", 429),
    ("quota_day", 429, "Rate limit exceeded: free-models-per-day.", 429),
    ("permission", 401, "key not allowed to access model. Tried x", "401"),
    ("permission", 403, "This token has no access to model x", None),
    ("model_unknown", 400, "x is not a valid model ID", 400),
    (
        "model_unknown",
        400,
        "GenerateContentRequest.model: unexpected model name",
        4,
    ),
    ("model_retired", 410, "The model x has been shut down.", None),
    (
        "model_retired",
        400,
        "This model is deprecated and no longer available.",
        400,
    ),
    ("model_retired", 404, "models/x has been discontinued.", 404),
    ("address_unknown", 404, "Invalid URL (POST /v1/models/x)", None),
    ("address_unknown", 404, "no Route matched with those values", None),
    ("address_unknown", 404, "Resource not found", "404"),
    ("key_expired", 401, "该令牌已过期", None),
    ("key_expired", 401, "Authentication failed.", "ACCESS_TOKEN_EXPIRED"),
    ("key_leaked", 403, "This API key was identified as leaked.", 403),
    ("key_type", 401, "Standard API keys are no longer supported.", 401),
    ("key_restricted", 403, "The API key has an IP address restriction.", 403),
    ("region", 403, "Gemini is not available in your current location.", 403),
    ("region", 400, "Images are not supported in your country.", 400),
    ("prompt_blocked", 400, "The prompt was blocked by safety filters.", 400),
    ("prompt_blocked", 400, "The response was filtered.", "content_filter"),
    ("prompt_blocked", 403, "The model requires moderation; it was flagged.", 403),
    ("input_picture", 400, "Unsupported image format: 'image/x'", 400),
    ("input_picture", 400, "Could not process image", 400),
    ("too_large", 400, "Please use fewer than 14 images in your request", 400),
    ("too_large", 400, "The request contains 15 images.", 400),
    ("too_large", 400, "The input image has the wrong number of pixels", 400),
    ("too_large", 400, "The prompt is too long: 1000000 tokens", "400"),
    ("no_image_model", 400, "Multi-modal output is not supported.", 400),
    ("request", 400, "Multiturn chat is not enabled for models/x", 400),
    ("gateway_gave_up", 408, "Request timed out.", "408"),
    ("gateway_gave_up", 500, "litellm.Timeout: Connection timed out.", "500"),
    ("gateway_gave_up", 408, "Request Timeout", 408),
    ("gateway_gave_up", 504, "Gateway Timeout", 504),
    ("gateway_request", 400, "Something is wrong with this.", "400"),
    ("key_refused", 400, "Invalid API key.", "400"),
    ("key_refused", 401, "LiteLLM Virtual Key expected.", "401"),
    ("permission", 403, "Blocked.", "waf"),
    ("too_large_on_the_way", 413, "Request size is too large.", "413"),
    ("internal", 500, "Something went wrong", "500"),
    ("gateway_down", 502, "upstream failed", "502"),
    ("overloaded", 503, "The model is overloaded. Please try again later.", 503),
]

# Sentences and types of LiteLLM 1.110 (proxy/_types.py, auth/, router.py) and Portkey.
LITELLMS_ERRORS = [
    ("gateway_setup", 400, "No connected db.", "no_db_connection"),
    ("gateway_setup", 503, "DB not connected", "no_db_connection"),
    ("budget", 400, "ExceededBudget: User=a over budget. Spend=9, Budget=1", "None"),
    ("budget", 422, "ExceededBudget: End User=a over budget. Spend=9", None),
    ("budget", 429, "Key=a over budget. Spend=9", "budget_exceeded"),
    ("budget", 429, "No deployments available - crossed budget", "None"),
    ("key_expired", 401, "Authentication Error - Expired Key. Key Expiry", "x"),
    ("key_expired", 401, "Authentication Error", "expired_key"),
    ("permission", 401, "You may not.", "key_model_access_denied"),
    ("no_deployment", 400, "There are no healthy deployments for this model", None),
    ("no_deployment", 429, "No deployments available for selected model", "None"),
    ("model_unknown", 400, "x: Invalid model name passed in model=x.", None),
    ("gateway_setup", 400, "x-portkey-config or x-portkey-provider is required", ""),
    # In the middle of an answer, which may be billed.
    ("broken_off", 500, "Response payload is not completed", "None"),
    ("broken_off", 500, "peer closed connection (incomplete chunked read)", "None"),
]


def test_the_type_of_a_gateways_error_tells_whose_turn_it_is() -> None:
    """None of them passes by itself, and no other prompt helps."""

    def check(kind: str, status: int, message: str, name: Any) -> None:
        body = {"message": message, "type": name, "param": None, "code": str(status)}
        error = failure(status, {"error": body})
        assert error.kind == kind and kind not in gip.RETRYABLE
        assert message in told(error)

    check_rows(LITELLMS_ERRORS, check)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "failure", "message": "x-portkey-provider header is required"},
        {"detail": {"error": "x-portkey-provider header is required"}},
        {"error": {"reason": "no_db_connection", "message": "Sorry"}},
    ],
)
def test_a_gateways_error_is_found_wherever_it_stands(body: dict[str, Any]) -> None:
    error = failure(400, body)
    assert error.kind == "gateway_setup"
    assert "administrator" in told(error)


# ── Who speaks ───────────────────────────────────────────────────────────────────────

NGINX = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1>"
    "</center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
)
HAPROXY = (
    b"<html><body><h1>503 Service Unavailable</h1>\n"
    b"No server is available to handle this request.\n</body></html>\n"
)
# Status, "Server" header, body, kind, and who is named.
SERVERS_ANSWERS = [
    (502, "nginx", NGINX.format("502 Bad Gateway").encode(), "gateway_down", "nginx"),
    (
        504,
        "",
        NGINX.format("504 Gateway Time-out").encode(),
        "gateway_gave_up",
        "nginx",
    ),
    (413, "", NGINX.format("413 Too Large").encode(), "too_large_on_the_way", "nginx"),
    (413, "Caddy", b"", "too_large_on_the_way", "Caddy"),
    (502, "Caddy", b"", "gateway_down", "Caddy"),
    (503, "", HAPROXY, "gateway_down", "HAProxy"),
    (401, "nginx", b"Unauthorized", "key_refused", "nginx"),
    (401, "", b"", "key_refused", ""),
    (403, "cloudflare", b"", "permission", "Cloudflare"),
    (500, "", b"", "internal", ""),
    (400, "squid/5.7", b"<h1>ERR</h1>", "gateway_request", "squid"),
    (521, "cloudflare", b"", "gateway_down", "Cloudflare"),
    (404, "nginx", b"", "address_unknown", ""),
]
BLAMES = re.compile(r"^\*\*(Google|[^*]* too large for Google|`)")


def test_a_web_server_is_named_and_google_is_not_blamed() -> None:
    """Who is told that Google had an error looks at the wrong end of the line."""

    def check(status: int, header: str, body: bytes, kind: str, named: str) -> None:
        values = {"model": MODEL, "host": "api.example", "elapsed": 7}
        error = gip.explain_error(gip.read_error(status, []), body, header, **values)
        text = told(error)
        assert error.kind == kind
        assert text.startswith("**") and "api.example" in text
        assert f"api.example ({named})" in text if named else "(nginx)" not in text
        assert not BLAMES.search(text)
        assert_readable(error)

    check_rows(SERVERS_ANSWERS, check)


def test_only_google_is_blamed_in_googles_name() -> None:
    """The same status and sentence, once Google's and once a gateway's."""
    for status in (401, 403, 404, 413, 429, 500, 502, 503, 504):
        googles = failure(status, google(status, "Sorry."))
        others = failure(status, {"error": {"message": "Sorry.", "code": str(status)}})
        text = told(others)
        assert not BLAMES.search(text) or others.kind == "quota_minute", text
        assert "api.example" not in told(googles).partition("**")[0]


def test_litellm_does_not_speak_for_google_in_googles_shape() -> None:
    """On one of its routes it answers with names of google.rpc.Code; elsewhere it puts
    Google's whole answer into a sentence of its own."""
    as_google = google(401, "No.", "UNAUTHENTICATED")
    as_google["error"]["type"] = "auth_error"
    assert "api.example" in told(failure(401, as_google))
    inside = json.dumps(google(500, "An internal error has occurred."))
    relayed = {"error": {"message": f"litellm.Error: {inside}", "type": None}}
    assert told(failure(500, relayed)).startswith("**Google had")


@pytest.mark.parametrize(
    ("server", "limit"),
    [
        ("nginx/1.22.1", "client_max_body_size"),
        ("Apache", "LimitRequestBody"),
        ("", "in nginx, client_max_body_size"),
    ],
)
def test_a_413_names_the_limit_to_raise(server: str, limit: str) -> None:
    error = gip.explain_error(gip.ApiError(413), b"", server, host="api.example")
    assert limit in told(error)


@pytest.mark.parametrize(
    "said",
    [
        "<!DOCTYPE html><html><head><title>x</title></head><body><h1>Bad</h1> luck",
        "litellm.APIError: <html><body><p>Bad</p><p>luck</p></body></html>",
    ],
)
def test_of_a_page_in_a_sentence_only_the_words_are_shown(said: str) -> None:
    error = failure(502, {"error": {"message": said, "code": "502"}})
    assert error.quote.endswith("Bad luck") and "html" not in error.quote


def test_gateways_say_it_in_their_own_words() -> None:
    """Each would else be read as a fault of the prompt, or as one that passes."""

    def check(kind: str, status: int, message: str, code: Any) -> None:
        error = failure(status, {"error": {"message": message, "code": code}})
        assert error.kind == kind
        assert_readable(error)
        assert message[:20] in told(error)

    check_rows(GATEWAYS_ERRORS, check)


@pytest.mark.parametrize(
    ("kind", "who"),
    [
        ("key_refused", "administrator"),
        ("key_leaked", "administrator"),
        ("quota_zero", "billing"),
        ("quota_day", "tomorrow"),
        ("region", "not yours"),
        ("too_large", "fewer or smaller"),
        ("picture_safety", "rephrase"),
        ("account_limited", "administrator"),
        ("overloaded", "try again"),
    ],
)
def test_a_message_says_whose_turn_it_is(kind: str, who: str) -> None:
    """A user cannot buy credit, and an administrator need not rephrase a prompt."""
    assert who in told(gip.GeminiError(kind, model=MODEL))


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("See https://a.example/b", "“See https://a.example/b\u202f”"),
        ("See https://a.example/b.", "“See https://a.example/b.\u202f”"),
        ("See https://a.example/b now.", "“See https://a.example/b now.”"),
    ],
)
def test_a_quoted_address_does_not_swallow_the_quotation_mark(
    said: str, quoted: str
) -> None:
    """The page makes links of addresses, up to the next blank."""
    assert quoted in told(failure(500, google(500, said)))


def test_every_message_is_whole_with_and_without_its_values() -> None:
    """A placeholder left in, or a sentence begun with nothing, would be shown."""

    def check(kind: str, values: dict[str, Any]) -> None:
        error = gip.GeminiError(kind, status=418, target="b.example", **values)
        assert_readable(error)
        text = told(error)
        assert "?" not in text
        advice = text.split("** ", 1)[1]
        assert len(advice) > 10 and advice.endswith(".") and advice[0].isupper()

    all_values = ({}, {"model": MODEL, "host": "h", "elapsed": 1})
    check_rows(itertools.product(gip.FAILURES, all_values), check)


def test_a_zero_quota_gets_no_advice_to_wait() -> None:
    """It never ends, although Google sends a delay with it."""
    error = failure(429, google(429, "limit: 0", details=[{"retryDelay": "37s"}]))
    assert "37" not in told(error) and error.kind not in gip.RETRYABLE


@pytest.mark.parametrize(
    "kind", ["quota_day", "quota_prepaid", "key_refused", "billing"]
)
def test_what_repeating_cannot_help_is_not_retryable(kind: str) -> None:
    assert kind not in gip.RETRYABLE


@pytest.mark.parametrize(
    ("delay", "shown"),
    [("34.4s", "34 seconds"), ("0.2s", "1 seconds"), ("7s", "7 seconds")],
)
def test_the_seconds_to_wait_are_named(delay: str, shown: str) -> None:
    error = failure(429, google(429, "x", details=quota("PerMinute", delay)))
    assert shown in told(error)
    assert error.retry_after == float(delay[:-1])


@pytest.mark.parametrize(
    "delay", ["soon", "", None, 7, {"seconds": 7}, "-3s", "9" * 400 + "s", "\u0663s"]
)
def test_an_odd_delay_is_no_accident(delay: Any) -> None:
    """A delay that cannot be read must not hide the error it came with."""
    details = [*quota("PerMinute"), {"retryDelay": delay}]
    assert_readable(failure(429, google(429, "x", details=details)))


@pytest.mark.parametrize(
    ("said", "kind", "delay"),
    [
        (
            "_per_model_per_day, limit: 250\nPlease retry in 5h48m6.2s.",
            "quota_day",
            20886.2,
        ),
        ("_requests, limit: 9\nPlease retry in 3m.", "quota_day", 180.0),
        ("_token_count, limit: 9\nPlease retry in 23.4s.", "quota_minute", 23.4),
        ("_requests, limit: 9", "quota_minute", None),
    ],
)
def test_a_quota_is_understood_without_its_details(
    said: str, kind: str, delay: float | None
) -> None:
    """Gateways pass on the sentence alone; to send a spent day again is in vain."""
    error = failure(
        429, google(429, f"{YOUR_QUOTA} \n* Quota exceeded for metric: x{said}")
    )
    assert (error.kind, error.retry_after) == (kind, delay)
    assert_readable(error)


# ── Shapes ───────────────────────────────────────────────────────────────────────────

BUSY = "The model is overloaded. Please try again later."
NESTED = json.dumps(google(429, BUSY, "RESOURCE_EXHAUSTED"), indent=2)


SHAPES = [
    ("google", google(503, BUSY, "UNAVAILABLE")),
    ("array", [google(503, BUSY)]),
    ("message-only", {"error": {"message": BUSY}}),
    ("text-code", {"error": {"code": "unavailable", "message": BUSY}}),
    ("number-as-text", {"error": {"code": "503", "message": BUSY}}),
    ("event", {"event_type": "error", "error": {"message": BUSY}}),
    ("old-google", {"error": {"message": BUSY, "errors": [{"reason": "x"}]}}),
    ("bare-text", {"error": BUSY}),
    ("detail", {"detail": BUSY}),
    ("message", {"message": BUSY}),
    ("error-none", {"error": None, "message": BUSY}),
    ("json-in-the-message", google(503, NESTED)),
    ("json-array-in-the-message", google(503, f"[{NESTED}]")),
    ("json-in-the-error", {"error": NESTED}),
    ("words-before-the-json", google(503, f"gateway: upstream said {NESTED}")),
    ("json-with-blanks", google(503, f"  {NESTED}\n")),
    (
        "objects-in-the-message",
        {"error": {"message": {"error": {"message": google(503, BUSY)}}}},
    ),
    ("list-of-details", {"detail": [{"loc": ["body"], "msg": BUSY}]}),
    ("list-of-errors", {"success": False, "errors": [{"code": 2001, "message": BUSY}]}),
    (
        "json-as-python-writes-bytes",
        google(503, f"litellm.Error: {NESTED.encode()!r}. Retried: 2 times"),
    ),
    (
        "dict-as-python-writes-it",
        {"detail": str({"error": {"code": 503, "message": BUSY, "status": None}})},
    ),
    (
        "json-beside-the-message",
        {
            "error": {
                "message": "Provider returned error",
                "metadata": {"raw": NESTED, "provider_name": "Google"},
            }
        },
    ),
]


def test_googles_sentence_is_found_in_every_shape() -> None:
    """And without the JSON around it."""

    def check(name: str, body: Any) -> None:
        error = failure(503, body)
        text = told(error)
        assert BUSY in text
        assert_readable(error)
        assert "RESOURCE_EXHAUSTED" not in text and '"message"' not in text

    check_rows(SHAPES, check)


NESTED_DEEPLY: dict[str, Any] = {"error": "x"}
for _ in range(1000):
    NESTED_DEEPLY = {"error": {"message": NESTED_DEEPLY}}


SAYS_NOTHING = {
    "none": None,
    "empty-array": [],
    "empty-object": {},
    "empty-error": {"error": {}},
    "empty-text": {"error": ""},
    "nulls": {"error": {"message": None, "details": None}},
    "odd": {"error": {"message": ["x"], "details": ["x", 7]}},
    "empty-json": {"error": {"message": "{}"}},
    "only-signs": {"error": {"message": "{<`*>}"}},
    "number": {"error": 7},
    "object": {"error": {"message": {"x": 1}}},
    "a-thousand-levels": NESTED_DEEPLY,
    "list-of-details": {"detail": [{"loc": ["body"], "msg": "x"}]},
    "arrays": [[[]]],
    "text": "text",
    "bare-number": 7,
}


def test_an_error_that_says_nothing_still_gives_a_message() -> None:
    def check(name: str, status: int) -> None:
        assert_readable(failure(status, SAYS_NOTHING[name]))

    statuses = (200, 400, 404, 429, 500, 503, 599)
    check_rows(itertools.product(SAYS_NOTHING, statuses), check)


@pytest.mark.parametrize(
    "code",
    [8, 1301, 0, -1, True],
    ids=["grpc", "gateways-own", "zero", "minus", "true"],
)
def test_a_code_that_is_no_http_status_does_not_replace_it(code: Any) -> None:
    """gRPC gateways number errors their own way: 8 is a quota, and 429 is the status
    that tells so."""
    error = failure(429, {"error": {"code": code, "message": "Slow down."}})
    assert error.kind == "quota_minute"
    assert failure(429, {"code": code, "message": "Slow down."}).kind == "quota_minute"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"status": "RESOURCE_EXHAUSTED"}, "quota_minute"),
        ({"status": "UNAVAILABLE"}, "overloaded"),
        ({"status": "INTERNAL"}, "internal"),
        ({"status": "NOT_FOUND"}, "model_unknown"),
        ({"code": "429"}, "quota_minute"),
        ({"code": 503}, "gateway_down"),
    ],
)
def test_an_error_inside_a_stream_brings_its_own_status(
    said: dict[str, Any], kind: str
) -> None:
    """There HTTP said 200 long ago, and "error (HTTP 200)" helps nobody."""
    error = failure(200, {"error": {"message": "Sorry.", **said}})
    assert error.kind == kind


def test_an_error_inside_a_stream_without_a_status_names_none() -> None:
    error = failure(200, {"error": {"message": "Sorry."}})
    assert error.kind == "http"
    assert "“Sorry.”" in told(error)
    for_admin = told(error, for_admin=True)
    assert "HTTP" not in for_admin and "()" not in for_admin
    error = failure(418, {"error": {"message": "Sorry."}})
    assert "(HTTP 418)" in told(error)


@pytest.mark.parametrize(
    ("status", "page", "kind", "quote"),
    [
        pytest.param(
            502,
            b"<html><head><title>502</title></head><body><center><h1>502 Bad Gateway"
            b"</h1></center><hr>nginx</body></html>",
            "gateway_down",
            "502 Bad Gateway nginx",
            id="nginx",
        ),
        pytest.param(
            504,
            b"<!DOCTYPE html><style>a{b:c}</style><script>var x={}</script><p>Time",
            "gateway_gave_up",
            "Time",
            id="style-and-script",
        ),
        pytest.param(
            413, b"Payload Too Large", "too_large_on_the_way", "Payload", id="413"
        ),
        pytest.param(
            500,
            b"bufio.Scanner: token too long",
            "internal",
            "token too long",
            id="relay",
        ),
        pytest.param(503, b"\xff\xfe\x00plain", "gateway_down", "plain", id="charset"),
        pytest.param(500, b"<script>alert(1)", "internal", "", id="open-script"),
        pytest.param(500, b"<p", "internal", "", id="open-tag"),
        pytest.param(503, b"", "gateway_down", "", id="empty"),
    ],
)
def test_a_page_or_a_plain_body_is_cut_to_its_words(
    status: int, page: bytes, kind: str, quote: str
) -> None:
    """Markup in a chat is noise at best, and a script at worst."""
    error = failure(status, None, page)
    assert error.kind == kind
    assert quote in error.quote and bool(quote) == bool(error.quote)
    assert_readable(error)


def test_json_that_the_message_only_mentions_does_not_replace_it() -> None:
    """Google's sentence may quote a piece of the request."""
    said = 'Invalid value at ["contents"]: no field "message" there.'
    assert "Invalid value at" in told(failure(400, google(400, said)))


@pytest.mark.parametrize("status", [401, 403])
def test_a_page_that_forbids_is_not_googles_word_on_the_key(status: int) -> None:
    """A firewall or a login stands in between; a new key would change nothing."""
    error = failure(status, None, b"\n<!DOCTYPE html><h1>Sorry, you are blocked</h1>")
    assert error.kind == "web_page"
    assert "Sorry, you are blocked" in told(error)
    assert failure(status, google(status, "No.")).kind != "web_page"


@pytest.mark.parametrize("raw", [b"", b"404 page not found", b"<h1>Not Found</h1>"])
def test_a_404_that_is_not_googles_names_status_and_host(raw: bytes) -> None:
    """Behind it is a wrong base URL; blaming the model sends people to change that."""
    error = failure(404, None, raw)
    text = told(error)
    assert "404" in text and "api.example" in text


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_body_gives_a_readable_message(raw: bytes) -> None:
    text = told(failure(500, None, raw))
    assert not set(text) & set("{}<>\n\r") and text.startswith("**api.example")


# ── Quotes ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        pytest.param("two\n  lines", "two lines", id="lines"),
        pytest.param("a [b](http://c) `d` *e*", "a b(http://c) d e", id="markdown"),
        pytest.param("![x](http://evil.example/a.png)", "!x(http", id="remote-picture"),
        pytest.param("a\u202eb\x00c", "a b c", id="controls"),
        pytest.param("See. Support code: 355", "See. Support code: 355", id="support"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_quote_is_one_safe_line(said: str, quoted: str) -> None:
    """Google's sentence may hold the user's, or an attacker's, words."""
    result = gip.quote_sentence(said)
    assert quoted in result and bool(quoted) == bool(result)
    assert "](" not in result and "\n" not in result


def test_a_quote_is_cut_at_a_word() -> None:
    result = gip.quote_sentence("word " * 500)
    assert len(result) <= 300 and result.endswith("word…")
    result = gip.quote_sentence("错误 " + "当前分组上游负载已饱和，" * 40)
    assert len(result) == 300  # not its first word alone: there is no other blank


def test_a_quota_quote_leaves_out_metrics_and_links() -> None:
    """The rest of Google's text is an internal name and two addresses."""
    said = (
        f"{YOUR_QUOTA} For more information on this error, head to: https://a.example. "
        "To monitor your current usage, head to: https://b.example. \n* Quota exceeded "
        "for metric: c.example/free_tier_requests, limit: 0, model: x"
    )
    result = gip.quote_sentence(said)
    assert result.startswith(YOUR_QUOTA) and "metric" not in result


# ── Refusals ─────────────────────────────────────────────────────────────────────────


FINISH_REASONS = [
    ("MAX_TOKENS", "cut_off"),
    ("IMAGE_SAFETY", "picture_safety"),
    ("IMAGE_PROHIBITED_CONTENT", "picture_prohibited"),
    ("IMAGE_RECITATION", "picture_recitation"),
    ("IMAGE_OTHER", "picture_failed"),
    ("NO_IMAGE", "no_picture"),
    ("SAFETY", "picture_safety"),
    ("RECITATION", "picture_recitation"),
    ("LANGUAGE", "picture_failed"),
    ("BLOCKLIST", "picture_safety"),
    ("PROHIBITED_CONTENT", "picture_prohibited"),
    ("SPII", "picture_safety"),
    ("ESCALATION", "picture_safety"),
    ("TOO_MANY_TOOL_CALLS", "too_many_searches"),
    ("MODEL_ARMOR", "picture_safety"),
    ("PUP_LIMITED_DISABLED", "account_limited"),
    ("OTHER", "picture_failed"),
    ("MALFORMED_FUNCTION_CALL", "picture_failed"),
    ("MALFORMED_RESPONSE", "picture_failed"),
    ("MISSING_THOUGHT_SIGNATURE", "no_signature"),
    ("FINISH_REASON_UNSPECIFIED", "picture_failed"),
    ("SOME_FUTURE_REASON", "picture_failed"),
]


def test_a_finish_reason_is_explained_and_named_to_administrators() -> None:
    """An unknown one too: Google adds them without notice. It is no sentence."""

    def check(reason: str, kind: str) -> None:
        error = gip.explain_refusal(gip.Refusal(reason), model=MODEL)
        assert error.kind == kind
        assert reason not in told(error) and len(told(error)) > 40
        assert told(error, for_admin=True).endswith(f" ({reason})")
        assert_readable(error)

    check_rows(FINISH_REASONS, check)


@pytest.mark.parametrize(
    "reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "JAILBREAK", "NEW"]
)
def test_a_blocked_prompt_is_said_to_be_the_prompt(reason: str) -> None:
    error = gip.explain_refusal(gip.Refusal(reason, about="prompt"), model=MODEL)
    assert error.kind == "prompt_blocked" and reason not in told(error)
    assert reason in told(error, for_admin=True)


@pytest.mark.parametrize("about", ["prompt", "answer"])
def test_a_reason_that_a_gateway_made_up_is_one_safe_line(about: str) -> None:
    """Administrators read it, and their browsers would fetch what it shows."""
    reason = "![a](https://a.example/b.png)\n\n# <img src=x>" + 500 * " and so on"
    error = gip.explain_refusal(gip.Refusal(reason, about=about), model=MODEL)
    shown = told(error, for_admin=True)
    assert len(shown) < 500 and not re.search(r"!\[|\n|<img", shown)


@pytest.mark.parametrize("code", ["SAFETY", "IMAGE_SAFETY", "BLOCKED_2", "A. B"])
def test_a_bare_code_is_not_quoted_as_if_it_were_a_sentence(code: str) -> None:
    refusal = gip.explain_refusal(gip.Refusal("SAFETY", code), model=MODEL)
    error = gip.explain_error(
        gip.ApiError(400, code, "", speaker=gip.Speaker.GOOGLE), model=MODEL
    )
    assert refusal.quote == error.quote == ""


def test_googles_sentence_comes_before_the_reasons_name() -> None:
    """It alone holds the support code and what may be done."""
    said = (
        "Unable to show the generated image. You will not be charged for this request. "
        "Support code: 42876398."
    )
    error = gip.explain_refusal(gip.Refusal("IMAGE_OTHER", said), model=MODEL)
    assert error.quote == said and said in told(error)


# ── Secrets ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(f"Consumer 'api_key:{OLD_KEY}' has been suspended.", id="old-key"),
        pytest.param(f"key {AUTH_KEY}, refused", id="auth-key"),
        pytest.param(f"GET https://h/v1beta/models?key={AUTH_KEY}&x=1", id="in-a-url"),
        pytest.param("GET https://h/models?alt=sse&key=secret-5f2a", id="other-key"),
        pytest.param("Authorization: Bearer secret-5f2a-ZZZ==", id="bearer"),
        pytest.param("authorization: bearer secret-5f2a-ZZZ", id="bearer-small"),
        pytest.param("token ya29.secret-5f2a_x", id="oauth"),
    ],
)
def test_no_key_gets_into_a_message(leak: str) -> None:
    """Whoever may use the model may read the message."""
    error = failure(403, google(403, leak))
    texts = [told(error), told(error, for_admin=True)]
    for text in (*texts, gip.what_happened(error, gip.Reader()), gip.redact(leak)):
        for secret in (OLD_KEY, AUTH_KEY, "5f2a"):
            assert secret not in text


def test_a_private_key_is_masked_to_its_end() -> None:
    lines = "-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n"
    whole = f"said {lines}-----END PRIVATE KEY-----, and more"
    assert gip.redact(whole) == "said [key], and more"
    assert gip.redact(f"said {lines}") == "said [key]"


def test_given_secrets_are_masked_whatever_they_look_like() -> None:
    assert gip.redact("no sk-77x here: sk-77x", "sk-77x") == "no [key] here: [key]"


@pytest.mark.parametrize(
    "harmless",
    ["AQ. and AIza are the beginnings", "a bearer of news", "the key=value pair", ""],
)
def test_ordinary_words_are_not_masked(harmless: str) -> None:
    assert gip.redact(harmless) == harmless


def test_a_failure_does_not_carry_its_words_into_a_log() -> None:
    """Loggers print str(error) and repr(error)."""
    error = failure(403, google(403, f"key {OLD_KEY}"))
    assert OLD_KEY not in f"{error} {error!r}"
