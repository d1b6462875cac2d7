"""Google's refusals: their texts, shapes and HTTP codes.

`GoogleError` is one refusal in the normal shape. `CANONICAL` names every refusal that
a test may ask for, in whatever shape it arrives, including those that proxies in
front of Google produce.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Detail = dict[str, Any]

_RPC = "type.googleapis.com/google.rpc."
_SERVICE = "generativelanguage.googleapis.com"
_METHOD = "google.ai.generativelanguage.v1beta.GenerativeService.GenerateContent"

# cloud.google.com/apis/design/errors, "Handling errors"
STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class GoogleError(Exception):
    """One refusal of the API in its normal JSON shape."""

    def __init__(
        self,
        code: int,
        message: str,
        status: str = "",
        details: list[Detail] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or STATUS_NAMES.get(code, "UNKNOWN")
        self.details = details or []

    def body(self) -> dict[str, Any]:
        """The JSON object that Google sends."""
        error: dict[str, Any] = {
            "code": self.code,
            "message": self.message,
            "status": self.status,
        }
        return {"error": error | ({"details": self.details} if self.details else {})}


def invalid(message: str) -> GoogleError:
    """A 400 without details, as most refused values get."""
    return GoogleError(400, message)


def bad_request(violations: list[tuple[str, str]]) -> GoogleError:
    """A 400 of the JSON parser: each (field, description), joined as Google does."""
    entries = [
        {"field": path, "description": text} if path else {"description": text}
        for path, text in violations
    ]
    message = "\n".join(text for _, text in violations)
    detail = {"@type": _RPC + "BadRequest", "fieldViolations": entries}
    return GoogleError(400, message, details=[detail])


def unknown_name(name: str, path: str) -> tuple[str, str]:
    """The violation for a field that the message at `path` does not have."""
    where = f" at '{path}'" if path else ""
    text = (
        f'Invalid JSON payload received. Unknown name "{name}"{where}: '
        "Cannot find field."
    )
    return path, text


# -- keys: ai.google.dev/gemini-api/docs/api-key and /troubleshooting -----------------


def _key_error(code: int, message: str, reason: str, status: str = "") -> GoogleError:
    info = {
        "@type": _RPC + "ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": _SERVICE},
    }
    localized = {
        "@type": _RPC + "LocalizedMessage",
        "locale": "en-US",
        "message": message,
    }
    return GoogleError(code, message, status, [info, localized])


def key_invalid() -> GoogleError:
    return _key_error(
        400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"
    )


def key_expired() -> GoogleError:
    return _key_error(
        400, "API key expired. Please renew the API key.", "API_KEY_INVALID"
    )


def key_leaked() -> GoogleError:
    return GoogleError(
        403, "Your API key was reported as leaked. Please use another API key."
    )


def key_missing() -> GoogleError:
    return GoogleError(
        403,
        "Method doesn't allow unregistered callers (callers without established "
        "identity). Please use API Key or other form of API consumer identity to "
        "call this API.",
    )


def key_twice() -> GoogleError:
    return GoogleError(
        400, "Multiple authentication credentials received. Please pass only one."
    )


def key_restricted() -> GoogleError:
    return _key_error(
        403,
        f"Requests to this API {_SERVICE} method {_METHOD} are blocked.",
        "API_KEY_SERVICE_BLOCKED",
    )


def key_referrer() -> GoogleError:
    return _key_error(
        403,
        "Requests from referer <empty> are blocked.",
        "API_KEY_HTTP_REFERRER_BLOCKED",
    )


def service_disabled() -> GoogleError:
    return _key_error(
        403,
        "Generative Language API has not been used in project 123456789012 before or "
        "it is disabled. Enable it by visiting https://console.developers.google.com/"
        f"apis/api/{_SERVICE}/overview?project=123456789012 then retry. If you "
        "enabled this API recently, wait a few minutes for the action to propagate to "
        "our systems and retry.",
        "SERVICE_DISABLED",
    )


def token_type_unsupported() -> GoogleError:
    info = {
        "@type": _RPC + "ErrorInfo",
        "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "metadata": {"service": _SERVICE, "method": _METHOD},
    }
    return GoogleError(
        401,
        "Request had invalid authentication credentials. Expected OAuth 2 access "
        "token, login cookie or other valid authentication credential. See "
        "https://developers.google.com/identity/sign-in/web/devconsole-project.",
        details=[info],
    )


def location() -> GoogleError:
    return GoogleError(
        400,
        "User location is not supported for the API use.",
        "FAILED_PRECONDITION",
    )


def country() -> GoogleError:
    return GoogleError(
        400,
        "Image generation is not available in your country.",
        "FAILED_PRECONDITION",
    )


# -- quotas: ai.google.dev/gemini-api/docs/rate-limits --------------------------------

_QUOTA = (
    "You exceeded your current quota, please check your plan and billing details. For "
    "more information on this error, head to: "
    "https://ai.google.dev/gemini-api/docs/rate-limits. To monitor your current "
    "usage, head to: https://ai.dev/rate-limit. "
)


def _quota(
    metric: str, quota_id: str, limit: int, model: str, wait: str
) -> GoogleError:
    metric = f"{_SERVICE}/{metric}"
    message = (
        f"{_QUOTA}\n* Quota exceeded for metric: {metric}, limit: {limit}, "
        f"model: {model}\nPlease retry in {wait}."
    )
    link = {
        "description": "Learn more about Gemini API quotas",
        "url": "https://ai.google.dev/gemini-api/docs/rate-limits",
    }
    violation = {
        "quotaMetric": metric,
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": model},
    }
    details: list[Detail] = [
        {"@type": _RPC + "Help", "links": [link]},
        {"@type": _RPC + "QuotaFailure", "violations": [violation]},
        {"@type": _RPC + "RetryInfo", "retryDelay": wait},
    ]
    return GoogleError(429, message, details=details)


def quota_minute(wait: str = "34.4s", model: str = "") -> GoogleError:
    return _quota(
        "generate_requests_per_model",
        "GenerateRequestsPerMinutePerProjectPerModel",
        10,
        model or "gemini-nano-banana-2.1",
        wait,
    )


def quota_day(wait: str = "44788s", model: str = "") -> GoogleError:
    return _quota(
        "generate_requests_per_model_per_day",
        "GenerateRequestsPerDayPerProjectPerModel",
        250,
        model or "gemini-nano-banana-2.1",
        wait,
    )


def quota_zero(wait: str = "37.36s") -> GoogleError:
    # Google names another model than the one that was asked for.
    return _quota(
        "generate_content_free_tier_requests",
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
        0,
        "gemini-2.5-flash-preview-image",
        wait,
    )


def quota_prepaid() -> GoogleError:
    return GoogleError(
        429,
        "Your prepayment credits are depleted. Please go to AI Studio at "
        "https://ai.studio/projects to manage your project and billing.",
    )


def quota_bare() -> GoogleError:
    return GoogleError(429, "Resource has been exhausted (e.g. check quota).")


# -- the server: ai.google.dev/gemini-api/docs/troubleshooting ------------------------

_TROUBLESHOOTING = "https://developers.generativeai.google/guide/troubleshooting"


def internal() -> GoogleError:
    return GoogleError(
        500,
        f"An internal error has occurred. Please retry or report in {_TROUBLESHOOTING}",
    )


def high_demand() -> GoogleError:
    return GoogleError(
        503,
        "This model is currently experiencing high demand. Spikes in demand are "
        "usually temporary. Please try again later.",
    )


def overloaded() -> GoogleError:
    return GoogleError(503, "The model is overloaded. Please try again later.")


def no_capacity() -> GoogleError:
    info = {
        "@type": _RPC + "ErrorInfo",
        "reason": "MODEL_CAPACITY_EXHAUSTED",
        "domain": "cloudcode-pa.googleapis.com",
    }
    return GoogleError(
        503,
        "No capacity available for model gemini-3-pro-image on the server",
        details=[info],
    )


def deadline() -> GoogleError:
    return GoogleError(504, "Deadline expired before operation could complete.")


def cancelled() -> GoogleError:
    return GoogleError(499, "The operation was cancelled.")


def payload_too_large(limit: int) -> GoogleError:
    return GoogleError(413, f"Request payload size exceeds the limit: {limit} bytes.")


def unprocessable_image() -> GoogleError:
    return invalid(
        "Unable to process input image. Please retry or report in "
        f"{_TROUBLESHOOTING}"
    )


def plain_invalid() -> GoogleError:
    return invalid("Request contains an invalid argument.")


# -- answers in any shape -------------------------------------------------------------

JSON_TYPE = "application/json; charset=UTF-8"
HTML_TYPE = "text/html; charset=UTF-8"


@dataclass(frozen=True)
class RawAnswer:
    """A complete HTTP answer, whatever it looks like."""

    status: int
    body: bytes
    content_type: str | None = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)


def as_answer(error: GoogleError, *, wrapped: bool = False) -> RawAnswer:
    """A refusal as Google sends it; `wrapped` puts the object into an array."""
    body: Any = [error.body()] if wrapped else error.body()
    return RawAnswer(error.code, _json(body))


def _json(body: Any) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode()


def _page(code: int, title: str, text: str) -> RawAnswer:
    html = (
        f"<!DOCTYPE html><html lang=en><head><title>{title}</title>"
        "<style>*{margin:0}</style><script>alert(1)</script></head><body>"
        f"<h1>{title}</h1><p>{text}</p></body></html>"
    )
    return RawAnswer(code, html.encode(), HTML_TYPE)


def front_end_404(path: str) -> RawAnswer:
    """What Google's front end answers where no API lives."""
    return _page(
        404,
        "Error 404 (Not Found)!!1",
        f"The requested URL <code>{path}</code> was not found on this server. "
        "<ins>That's all we know.</ins>",
    )


def sign_in_page() -> RawAnswer:
    """A company's sign-in page, with 200, as a wrong base URL gets."""
    return _page(200, "Sign in", "Please sign in to continue.")


def _string_code() -> RawAnswer:
    # ai.google.dev/gemini-api/docs/api-errors: the Interactions shape
    error = {"code": "invalid_request", "message": "The request is invalid."}
    return RawAnswer(400, _json({"error": error}))


def _nested_json() -> RawAnswer:
    inner = {
        "error": {
            "code": 429,
            "message": "Resource exhausted. Please try again later. Please refer to "
            "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 "
            "for more details.",
            "status": "RESOURCE_EXHAUSTED",
        }
    }
    text = json.dumps(inner, indent=2) + "\n"
    error = {"message": text, "code": 429, "status": "Too Many Requests"}
    return RawAnswer(429, _json({"error": error}))


def _old_style() -> RawAnswer:
    message = "The caller does not have permission"
    reason = {"message": message, "domain": "global", "reason": "forbidden"}
    error = {
        "code": 403,
        "message": message,
        "errors": [reason],
        "status": "PERMISSION_DENIED",
    }
    return RawAnswer(403, _json({"error": error}))


def _error_in_200() -> RawAnswer:
    return RawAnswer(200, as_answer(internal()).body)


def _latin_1() -> RawAnswer:
    text = {"error": {"code": 502, "message": "Überlastet – später erneut versuchen"}}
    body = json.dumps(text, ensure_ascii=False).encode("cp1252")
    return RawAnswer(502, body, "application/json; charset=windows-1252")


def _lying_charset() -> RawAnswer:
    body = b'{"error": {"code": 502, "message": "caf\xe9 \xff\xfe"}}'
    return RawAnswer(502, body, "application/json; charset=utf-8")


def _responsible_ai() -> GoogleError:
    # ai.google.dev/gemini-api/docs/imagen: a blocked prompt of :predict
    return invalid(
        "Image generation failed with the following error: The prompt could not be "
        "submitted. This prompt contains sensitive words that violate Google's "
        "Responsible AI practices. Try rephrasing the prompt. If you think this was "
        "an error, send feedback."
    )


# Name → what is answered. `[[error NAME]]` in a prompt plays one of these.
CANONICAL: dict[str, Callable[[], GoogleError | RawAnswer]] = {
    # keys
    "key invalid": key_invalid,
    "key expired": key_expired,
    "key leaked": key_leaked,
    "key missing": key_missing,
    "key restricted": key_restricted,
    "key referrer": key_referrer,
    "key twice": key_twice,
    "service disabled": service_disabled,
    "unauthenticated": token_type_unsupported,
    # the request
    "invalid": plain_invalid,
    "unknown field": lambda: bad_request([unknown_name("size", "")]),
    "country": country,
    "location": location,
    "billed users": lambda: invalid(
        "Imagen API is only accessible to billed users at this time."
    ),
    "responsible ai": _responsible_ai,
    "signature": lambda: invalid(missing_signature_text(1, 0)),
    "signature corrupted": lambda: invalid("Corrupted thought signature."),
    "image": unprocessable_image,
    "image invalid": lambda: invalid("Provided image is not valid."),
    "tokens": lambda: invalid(
        "The input token count (1050890) exceeds the maximum number of tokens allowed "
        "(32768)."
    ),
    "system": lambda: invalid(
        "Developer instruction is not enabled for models/gemini-2.5-flash-image"
    ),
    "turns": lambda: invalid(
        "Please ensure that multiturn requests alternate between user and model"
    ),
    "model not found": lambda: GoogleError(
        404,
        "models/gemini-x is not found for API version v1beta, or is not supported for "
        "generateContent. Call ListModels to see the list of available models and "
        "their supported methods.",
    ),
    "model retired": lambda: GoogleError(
        404,
        "This model models/gemini-x is no longer available to new users. Please "
        "update your code to use a newer model for the latest features and "
        "improvements.",
    ),
    "not found": lambda: GoogleError(404, "Requested entity was not found."),
    "too large": lambda: payload_too_large(104_857_600),
    "too large 400": lambda: invalid(
        "Request payload size exceeds the limit: 20971520 bytes."
    ),
    "too large html": lambda: _page(
        413, "413 Request Entity Too Large", "nginx/1.27.3"
    ),
    "too large text": lambda: RawAnswer(413, b"Payload Too Large", "text/plain"),
    # quotas
    "minute": quota_minute,
    "day": quota_day,
    "zero": quota_zero,
    "prepaid": quota_prepaid,
    "bare": quota_bare,
    # the server
    "internal": internal,
    "high demand": high_demand,
    "overloaded": overloaded,
    "no capacity": no_capacity,
    "deadline": deadline,
    "cancelled": cancelled,
    # shapes
    "array": lambda: as_answer(internal(), wrapped=True),
    "string code": _string_code,
    "nested json": _nested_json,
    "old style": _old_style,
    "error text": lambda: RawAnswer(502, b'{"error": "upstream connect error"}'),
    "detail": lambda: RawAnswer(403, b'{"detail": "Not authenticated"}'),
    "message": lambda: RawAnswer(502, b'{"message": "no healthy upstream"}'),
    "error in 200": _error_in_200,
    "null": lambda: RawAnswer(500, b"null"),
    "error null": lambda: RawAnswer(500, b'{"error": null}'),
    "html": lambda: _page(502, "502 Bad Gateway", "nginx/1.27.3"),
    "html 504": lambda: _page(504, "504 Gateway Time-out", "nginx/1.27.3"),
    "sign in": sign_in_page,
    "empty": lambda: RawAnswer(502, b"", None),
    "empty 404": lambda: RawAnswer(404, b"", None),
    "empty 200": lambda: RawAnswer(200, b""),
    "text": lambda: RawAnswer(500, b"bufio.Scanner: token too long", "text/plain"),
    "charset": _latin_1,
    "lying charset": _lying_charset,
}

# What `[[status CODE]]` plays.
BY_STATUS: dict[int, str] = {
    400: "invalid",
    401: "unauthenticated",
    403: "key restricted",
    404: "not found",
    413: "too large html",
    429: "minute",
    499: "cancelled",
    500: "internal",
    502: "html",
    503: "high demand",
    504: "deadline",
}


def missing_signature_text(content: int, part: int) -> str:
    """ai.google.dev/gemini-api/docs/thought-signatures; Google counts from one."""
    return (
        "Image part is missing a thought_signature in content position "
        f"{content + 1}, part position {part + 1}. Please refer to "
        "https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior "
        "for more details."
    )
