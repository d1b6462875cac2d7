"""Questions to Google's API as ``python3 dev verify`` asks them, and what they cost.

Nothing here judges an answer; `dev/verify/facts.py` does. Whatever comes back, however odd,
becomes a `Reply`; no exception of the network leaves this module.
"""

from __future__ import annotations

import base64
import binascii
import json
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import requests

import gemini_image_pipe as gip

CONNECT_SECONDS = 10.0
LIST_SECONDS = 30.0
PICTURE_SECONDS = 240.0
MAX_BYTES = 64_000_000
SHORTEST_KEY = 8
MAX_LINE = 300
MAX_STRING = 400
PROMPT = "A red circle on white paper"
# Enough for no picture, so that a request that is not refused ends without one.
ONE_TOKEN = 1
THOUGHT_TOKENS = 1_000


class Price(NamedTuple):
    """Dollars per million tokens, and the tokens of the smallest picture."""

    prompt: float
    words: float
    picture: float
    picture_tokens: int

    @property
    def smallest(self) -> float:
        """At most what the smallest picture costs, thoughts included."""
        tokens = THOUGHT_TOKENS * self.words + self.picture_tokens * self.picture
        return tokens / 1e6

    def of(self, counts: Any) -> float:
        """What Google bills for an answer with these token counts."""
        made = _count(counts, "candidatesTokenCount")
        details = gip.get_field(counts, "candidatesTokensDetails")
        pictures = sum(
            _count(detail, "tokenCount")
            for detail in (details if isinstance(details, list) else [])
            if gip.get_field(detail, "modality") == "IMAGE"
        )
        words = max(0, made - pictures) + _count(counts, "thoughtsTokenCount")
        prompt = _count(counts, "promptTokenCount") * self.prompt
        return (prompt + words * self.words + pictures * self.picture) / 1e6


# ai.google.dev/gemini-api/docs/pricing, as read in October 2026.
PRICES = {
    "gemini-nano-banana-2.1": Price(1.50, 7.50, 30, 1120),
    "gemini-3.1-flash-image": Price(0.50, 3.00, 60, 747),
    "gemini-3-pro-image": Price(2.00, 12.00, 120, 1120),
    "gemini-3.1-flash-lite-image": Price(0.25, 1.50, 30, 1120),
    "gemini-2.5-flash-image": Price(0.30, 2.50, 30, 1290),
}
UNKNOWN_PRICE = PRICES["gemini-3-pro-image"]
# Of a picture of 1K, on that page of all models but the oldest.
USUAL_TOKENS = 1120


def price_of(model: str) -> Price:
    """The model's price, here or in the product; for an id without one, the highest."""
    facts = gip.model_facts(model)
    if model in PRICES or facts is None:
        return PRICES.get(model, UNKNOWN_PRICE)
    prices = facts.prices
    picture = prices.pictures.get("1K") or max(prices.pictures.values())
    return Price(
        prices.input, prices.output, picture / USUAL_TOKENS * 1e6, USUAL_TOKENS
    )


@dataclass(frozen=True)
class Reply:
    """What one request got: a status of 0 when no answer came, and `problem` why."""

    status: int = 0
    content_type: str = ""
    body: bytes = b""
    problem: str = ""

    @cached_property
    def json(self) -> Any:
        """The body as JSON, or None."""
        return _json(self.body)

    @cached_property
    def lines(self) -> list[bytes]:
        """The lines of a stream that hold something; they end at LF and CR only."""
        broken = self.body.replace(b"\r", b"\n").split(b"\n")
        return [line for line in broken if line.strip()]

    @cached_property
    def chunks(self) -> list[Any]:
        """The JSON objects of a stream, or the one of another answer."""
        data = [line[5:] for line in self.lines if line.startswith(b"data:")]
        return [_json(each) for each in data] if data else [self.json]

    @cached_property
    def error(self) -> gip.ApiError:
        """Google's error as the plugin reads it."""
        return gip.read_error(self.status, self.chunks[-1])

    @property
    def kind(self) -> str:
        """The plugin's name for the failure."""
        return gip.explain_error(self.error, self.body).kind

    @property
    def is_error(self) -> bool:
        """Whether the answer is an error in JSON."""
        return gip.get_field(self.chunks[-1], "error") is not None

    @property
    def accepted(self) -> bool:
        """Whether Google took the request, with or without a picture in the end."""
        chunks = [chunk for chunk in self.chunks if isinstance(chunk, dict)]
        known = ("candidates", "usageMetadata", "promptFeedback")
        return self.status == 200 and any(
            gip.get_field(chunk, name) is not None for chunk in chunks for name in known
        )

    @property
    def shows_that_key_works(self) -> bool:
        """Whether this is an answer that only a good key gets."""
        if self.status == 200:
            return isinstance(self.chunks[-1], dict) and not self.is_error
        about_key = self.is_error and self.kind.startswith("key_")
        return self.status in (400, 404) and self.is_error and not about_key

    @property
    def candidates(self) -> list[Any]:
        """The first candidate of each chunk that has one."""
        found = [gip.get_field(chunk, "candidates") for chunk in self.chunks]
        return [each[0] for each in found if isinstance(each, list) and each]

    @property
    def parts(self) -> list[Any]:
        """All parts of the answer, in their order."""
        contents = [gip.get_field(each, "content") for each in self.candidates]
        lists = [gip.get_field(content, "parts") for content in contents]
        return [part for parts in lists if isinstance(parts, list) for part in parts]

    @property
    def pictures(self) -> list[Any]:
        """The parts that are final pictures."""
        return [
            part
            for part in self.parts
            if gip.get_field(part, "inlineData") and not gip.get_field(part, "thought")
        ]

    @property
    def usage(self) -> Any:
        """The last token counts."""
        found = [gip.get_field(chunk, "usageMetadata") for chunk in self.chunks]
        return next(filter(None, reversed(found)), None)

    @property
    def said(self) -> str:
        """The answer in words: its status and Google's sentence."""
        if not self.status:
            return f"no answer ({self.problem})"
        if self.is_error:
            name = gip.get_field(gip.get_field(self.chunks[-1], "error"), "status")
            return f"{self.status} {name or ''} “{self.error.message}”"
        if self.accepted:
            ends = [gip.get_field(each, "finishReason") for each in self.candidates]
            end = next(filter(None, reversed(ends)), "no finishReason")
            return f"{self.status}, {len(self.pictures)} picture(s), {end}"
        return f"{self.status} {self.content_type} “{gip.page_text(self.body)}”"

    @property
    def evidence(self) -> dict[str, Any]:
        """The answer for the file: complete but for long strings."""
        if not self.status:
            return {"problem": self.problem}
        chunks = [shortened(chunk) for chunk in self.chunks if chunk is not None]
        body = chunks or [shortened(self.body.decode("utf-8", "replace"))]
        kind = self.content_type
        return {"status": self.status, "content_type": kind, "body": body}


@dataclass
class Google:
    """The API behind one address and key, and the dollars that it has cost so far.

    is_token: whether the key is an access token, as Vertex AI takes one of a project.
    """

    base_url: str
    key: str = field(repr=False)
    is_token: bool = False
    spent: float = 0.0
    # Whether a picture was made where there was room for one token.
    limit_broken: bool = False
    # How many requests in a row got no answer.
    silences: int = 0
    # Whether requests leave room for one token only, and so for no picture.
    limited: bool = False
    # Whether some answer shows that the key is good.
    key_works: bool = False
    _kept: dict[str, Reply] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        """The address without what may be secret in it."""
        parts = urlsplit(self.base_url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def clean(self, text: str) -> str:
        """The text as it may be shown: on one line, without a key, not too long."""
        text = gip.redact(text, self.key)
        text = "".join(sign if sign.isprintable() else " " for sign in text)
        text = " ".join(text.split())
        return text if len(text) <= MAX_LINE else text[: MAX_LINE - 1] + "…"

    def cleaned(self, value: Any) -> Any:
        """JSON without a key in any of its strings."""
        if isinstance(value, dict):
            return {self.cleaned(key): self.cleaned(v) for key, v in value.items()}
        if isinstance(value, list):
            return [self.cleaned(item) for item in value]
        return gip.redact(value, self.key) if isinstance(value, str) else value

    def get(self, path: str, key: str | None = None, **headers: str) -> Reply:
        """A GET, each only once; `key` instead of the own one, "" for none."""
        name = f"GET {path} {key} {sorted(headers)}"
        if name not in self._kept:
            self._kept[name] = self._ask("GET", path, None, key, headers)
        return self._kept[name]

    def post(self, path: str, body: Any, key: str | None = None) -> Reply:
        """A POST that cannot cost anything."""
        return self._ask("POST", path, body, key, {})

    def generate(
        self, model: str, body: dict[str, Any], stream: bool = False, version: str = ""
    ) -> Reply:
        """Ask for a picture, or, while limited, only whether Google would take it."""
        config = body.get("generationConfig") or {}
        if self.limited:
            config = config | {"maxOutputTokens": ONE_TOKEN}
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        path = f"/models/{quote(model, safe='')}:{method}"
        body = body | {"generationConfig": config}
        reply = self._ask("POST", path, body, None, {}, version)
        self._account(model, reply)
        return reply

    def sample(self, model: str, body: dict[str, Any]) -> Reply:
        """A picture of this model in a stream, asked for only once."""
        if not self.has_sample(model):
            self._kept[f"sample {model}"] = self.generate(model, body, stream=True)
        return self._kept[f"sample {model}"]

    def has_sample(self, model: str) -> bool:
        """Whether that stream has been asked for already."""
        return f"sample {model}" in self._kept

    def _account(self, model: str, reply: Reply) -> None:
        """Add up what was billed, or may have been where no proper answer came."""
        price = price_of(model)
        self.limit_broken |= self.limited and bool(reply.pictures)
        by_count = len(reply.pictures) * price.smallest
        if reply.accepted:
            self.spent += price.of(reply.usage) or by_count
        elif not reply.status and not self.limited:
            self.spent += price.smallest

    def _ask(
        self,
        method: str,
        path: str,
        body: Any,
        key: str | None,
        headers: dict[str, str],
        version: str = "",
    ) -> Reply:
        base = self.base_url
        if version:
            base = f"{base.rpartition('/')[0]}/{version}"
        is_own = key is None and not headers
        key = self.key if key is None else key
        headers = headers | (self._headers_with(key) if key else {})
        seconds = LIST_SECONDS if method == "GET" else PICTURE_SECONDS
        try:
            reply = self._without_key(
                _exchange(method, base + path, body, headers, seconds)
            )
        except (requests.RequestException, OSError, ValueError) as error:
            # Its text may hold the whole address; its name says enough.
            reply = Reply(problem=type(error).__name__)
        self.silences = 0 if reply.status else self.silences + 1
        self.key_works |= is_own and reply.shows_that_key_works
        return reply

    def _headers_with(self, key: str) -> dict[str, str]:
        if self.is_token:
            return {"Authorization": f"Bearer {key}"}
        return {"x-goog-api-key": key}

    def _without_key(self, reply: Reply) -> Reply:
        """Before anything is cut: half a key would not be recognised."""
        if len(self.key) < SHORTEST_KEY:
            return reply
        return replace(reply, body=reply.body.replace(self.key.encode(), b"[key]"))


def _exchange(
    method: str, url: str, body: Any, headers: dict[str, str], seconds: float
) -> Reply:
    """One request, without redirects: they would take the key to another host."""
    end = time.monotonic() + seconds
    with requests.Session() as session:
        session.auth = _no_netrc
        with session.request(
            method,
            url,
            json=body,
            headers=headers,
            timeout=(CONNECT_SECONDS, seconds),
            allow_redirects=False,
            stream=True,
        ) as response:
            kept = bytearray()
            for piece in response.iter_content(65_536):
                kept += piece
                if len(kept) > MAX_BYTES:
                    return Reply(problem=f"more than {MAX_BYTES // 10**6} MB")
                if time.monotonic() > end:
                    return Reply(problem=f"not complete after {seconds:.0f} s")
            kind = response.headers.get("Content-Type", "")
            return Reply(response.status_code, kind, bytes(kept))


def _no_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """A ~/.netrc would add an Authorization header; with this, requests reads none."""
    return request


def picture_data(part: Any) -> bytes:
    """The bytes of a picture's part; empty if they are no base64."""
    data = gip.get_field(gip.get_field(part, "inlineData"), "data")
    try:
        return base64.b64decode(str(data), validate=True)
    except (binascii.Error, ValueError):
        return b""


def shortened(value: Any) -> Any:
    """The same JSON with long strings cut, and how long they were."""
    if isinstance(value, dict):
        return {str(key): shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    if isinstance(value, str) and len(value) > MAX_STRING:
        # Base64 says nothing; of words the beginning does.
        kept = value[: MAX_STRING if " " in value else 24]
        return f"{kept}… ({len(value)} characters)"
    return value


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _count(value: Any, name: str) -> int:
    count = gip.get_field(value, name)
    return count if isinstance(count, int) else 0
