"""Whatever bytes come as Google's answer: the chat gets words, and no picture is lost.

A server of a few lines answers exactly these bytes over real HTTP. Where many answers
are tried, they come from where requests would read its socket; all above that is real.
`FUZZ=10000` tries more.
"""

import asyncio
import base64
import contextlib
import gzip
import http.client
import io
import itertools
import json
import random
import socket
import threading
import zlib
from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import requests
import urllib3
from hypothesis import given, note
from hypothesis import strategies as st
from rows import check_rows
from traffic import words_of

import gemini_image_pipe as gip
from dev.standin.errors import CANONICAL, GoogleError, RawAnswer, as_answer, internal

GENERATE = "gemini-nano-banana-2.1"
PREDICT = "imagen-4.0-generate-001"
MODELS = [
    gip.ListedModel(GENERATE, "Nano Banana 2.1", ("generateContent",)),
    gip.ListedModel(PREDICT, "Imagen 4", ("predict",)),
]
# The smallest PNG: one pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
    "RU5ErkJggg=="
)
SHOWN = f"](data:image/png;base64,{base64.b64encode(PICTURE).decode()})"


# ── The stream that is cut ───────────────────────────────────────────────────────────


def short(candidate: dict[str, Any]) -> bytes:
    """An answer in as few bytes as can be: each is one more place to cut."""
    return json.dumps({"candidates": [candidate]}, separators=(",", ":")).encode()


def event(*parts: dict[str, Any], finish: str = "") -> bytes:
    candidate: dict[str, Any] = {"content": {"parts": list(parts)}}
    if finish:
        candidate["finishReason"] = finish
    return b"data: %b\r\n\r\n" % short(candidate)


WORDS = event({"text": "Here is your fox. "})
DRAWN = event(
    {
        "inlineData": {
            "mimeType": "image/png",
            "data": base64.b64encode(PICTURE).decode(),
        },
        "thoughtSignature": base64.b64encode(b"signed").decode(),
    }
)
END = event({"text": ""}, finish="STOP")
FAILED = b"data: " + json.dumps(internal().body()).encode() + b"\r\n\r\n"
RAW_FAILED = json.dumps(internal().body(), indent=1).encode() + b"\n"
STREAMS = {
    "good": (WORDS, DRAWN, END),
    "fails in the middle": (WORDS, DRAWN, FAILED),
    "fails without a frame": (WORDS, DRAWN, RAW_FAILED),
    "fails before the picture": (WORDS, FAILED, DRAWN),
}


def is_shown(stream: tuple[bytes, ...], length: int) -> bool:
    """Whether the picture is whole in the first bytes, and no error came before it."""
    at = stream.index(DRAWN)
    whole = len(b"".join(stream[: at + 1]).rstrip())
    return length >= whole and FAILED not in stream[:at]


# ── How an answer gets to the product ────────────────────────────────────────────────


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; `end` says how its body comes, and breaks off, on the wire."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    end: str = "whole"

    @property
    def on_the_wire(self) -> bytes:
        head = [f"HTTP/1.1 {self.status} Whatever", "Connection: close"]
        head += [f"{name}: {value}" for name, value in self.headers.items()]
        body = self.body
        if self.end == "torn chunk":
            head += ["Transfer-Encoding: chunked"]
            body = b"%x\r\n%b" % (len(body) + 1, body)
        else:
            head += [f"Content-Length: {len(body) + (self.end == 'torn')}"]
        return "\r\n".join([*head, "", ""]).encode("latin-1") + body


class ByteServer:
    """Sends the bytes of `answer` to whoever asks, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                self._read_request(connection)
                connection.sendall(self.answer)

    @staticmethod
    def _read_request(connection: socket.socket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65_536)
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        while len(body) < length:
            body += connection.recv(65_536)

    def close(self) -> None:
        self._listener.close()


# How a body can break off where requests reads it from the socket.
BREAKS: dict[str, Exception] = {
    "torn": http.client.IncompleteRead(b"", 1),
    "reset": ConnectionResetError(104, "Connection reset by peer"),
    "silent": TimeoutError("timed out"),
}


class Arriving(io.RawIOBase):
    """A body that comes in pieces of `size` bytes and then ends as `end` says."""

    def __init__(self, body: bytes, size: int, end: str) -> None:
        self._left = memoryview(body)
        self._size = size
        self._end = end

    def readable(self) -> bool:
        return True

    def read1(self, amount: int = -1) -> bytes:
        if not self._left and self._end in BREAKS:
            raise BREAKS[self._end]
        size = self._size if amount < 0 else min(self._size, amount)
        piece, self._left = self._left[:size], self._left[size:]
        return bytes(piece)

    read = read1  # may return less; what old versions of urllib3 call


class Lists(gip.ModelLists):
    """The models, without asking anybody."""

    async def get(
        self, client: gip.GeminiClient, wait: float = gip.LIST_WAIT
    ) -> list[gip.ListedModel]:
        return MODELS


@pytest.fixture(scope="module", autouse=True)
def prepared() -> Iterator[None]:
    """The plugin knows the models and loses no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gip, "MODEL_LISTS", Lists())
        patch.setattr(gip, "PAUSE", 0.0)
        patch.setenv("no_proxy", "127.0.0.1")
        yield


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def server() -> Iterator[ByteServer]:
    running = ByteServer()
    yield running
    running.close()


def chat(url: str, model: str, stream: bool = False) -> Coroutine[Any, Any, str]:
    """What a chat shows of one request."""

    async def ask() -> str:
        pipe = gip.Pipe()
        pipe.valves = pipe.Valves(
            GEMINI_API_KEY="a-key", GEMINI_API_BASE_URL=url, MAX_RETRIES=0
        )
        messages = [{"role": "user", "content": "a red fox"}]
        body = {"model": f"f.{model}", "messages": messages, "stream": stream}
        answer = await pipe.pipe(body)
        if not isinstance(answer, AsyncGenerator):
            return words_of(answer)
        texts = []
        async for chunk in answer:
            json.dumps(chunk, ensure_ascii=False).encode()
            deltas = [choice["delta"] for choice in chunk["choices"]]
            texts += [delta.get("content", "") for delta in deltas]
        return "".join(texts).strip()

    return ask()


def chat_by_hand(
    loop: asyncio.Runner,
    reply: Reply,
    size: int,
    model: str = GENERATE,
    stream: bool = False,
) -> str:
    """The same without a socket, the body in pieces of that size."""

    def request(*_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = urllib3.HTTPResponse(
            Arriving(reply.body, size, reply.end),
            headers=reply.headers,
            status=reply.status,
            preload_content=False,
            decode_content=False,
            request_method="POST",
        )
        return response

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(requests.Session, "request", request)
        return loop.run(chat("http://127.0.0.1:9", model, stream))


def assert_ends_in_words(text: str) -> None:
    """There is something to read or to look at, and nothing unforeseen happened."""
    text.encode()  # could be stored
    assert "](data:image/" in text or gip.FAILURE_MARK in text, text
    assert gip.FAILURES["unexpected"]["en"].partition(" | ")[0] not in text
    for line in text.splitlines():
        if line.startswith((gip.FAILURE_MARK, gip.NOTE_MARK)):
            assert line.rstrip().endswith((".", ")")), line
            assert not {"{", "<"} & set(line), line


# ── Cut at every byte ────────────────────────────────────────────────────────────────


def assert_whole_things_stay(
    stream: tuple[bytes, ...], length: int, text: str, torn: bool = False
) -> None:
    """What is right when only so many bytes of the stream have come."""
    shown, failed = SHOWN in text, gip.FAILURE_MARK in text
    at = f"after {length} of {len(b''.join(stream))} bytes: {text}"
    assert shown == is_shown(stream, length), at
    assert failed or (shown and not torn), at
    assert ("Here is your fox." in text) == (length >= len(WORDS.rstrip())), at
    assert_ends_in_words(text)


def cuts(stream: tuple[bytes, ...], since: int = 0) -> list[int]:
    """Where to cut, from event number `since` on: around each end, and every fifth byte
    (in base64, whose signs are four to a group, that is every place of a group)."""
    ends = list(itertools.accumulate(map(len, stream), initial=0))
    near = {end + off for end in ends[since:] for off in range(-8, 9)}
    places = near | set(range(ends[since], ends[-1], 5))
    return sorted(place for place in places if ends[since] <= place <= ends[-1])


@pytest.mark.parametrize("end", ["whole", "torn", "torn chunk"])
def test_an_answer_that_breaks_off_anywhere_keeps_what_was_whole(
    server: ByteServer, loop: asyncio.Runner, end: str
) -> None:
    stream = STREAMS["good"]
    whole = b"".join(stream)
    for length in cuts(stream):
        server.answer = Reply(whole[:length], end=end).on_the_wire
        text = loop.run(chat(server.url, GENERATE))
        assert_whole_things_stay(stream, length, text, torn=end != "whole")


@pytest.mark.parametrize("name", [name for name in STREAMS if name != "good"])
def test_a_stream_that_ends_anywhere_keeps_what_was_whole(
    loop: asyncio.Runner, name: str
) -> None:
    """What comes before the failure was cut above."""
    stream = STREAMS[name]
    whole = b"".join(stream)
    pairs = enumerate(zip(stream, STREAMS["good"], strict=True))
    differs = next(at for at, (ours, good) in pairs if ours != good)
    for length in cuts(stream, since=differs):
        text = chat_by_hand(loop, Reply(whole[:length]), size=100_000)
        assert_whole_things_stay(stream, length, text)


def test_an_answer_that_was_compressed_unasked_is_read(
    server: ByteServer, loop: asyncio.Runner
) -> None:
    packed = gzip.compress(b"".join(STREAMS["good"]))
    server.answer = Reply(packed, headers={"Content-Encoding": "gzip"}).on_the_wire
    text = loop.run(chat(server.url, GENERATE))
    assert SHOWN in text
    assert gip.FAILURE_MARK not in text


# ── A corpus of what is nasty ────────────────────────────────────────────────────────

NESTED = b'{"candidates": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
PART = b'{"candidates": [{"content": {"parts": [%b]}}]}'
NASTY: dict[str, Reply] = {
    "nothing": Reply(b""),
    "nothing, said to be wrong": Reply(b"", 500),
    "one brace": Reply(b"{"),
    "one closing brace": Reply(b"}"),
    "a quote": Reply(b'"'),
    "zeros": Reply(b"\0" * 5_000),
    "all bytes": Reply(bytes(range(256)) * 8),
    "a PNG": Reply(PICTURE),
    "UTF-16": Reply('{"candidates": []}'.encode("utf-16")),
    "UTF-32": Reply('{"error": {"message": "no"}}'.encode("utf-32"), 400),
    "null": Reply(b"null"),
    "a number": Reply(b"NaN"),
    "an empty object": Reply(b"{}"),
    "an empty array": Reply(b"[]"),
    "only data:": Reply(b"data:\r\n\r\n" * 100),
    "only the end of OpenAI": Reply(b"data: [DONE]\n\n"),
    "only comments": Reply(b": keep-alive {\n\n" * 100),
    "only usage": Reply(b'data: {"usageMetadata": {"totalTokenCount": 3}}\n\n'),
    "a line without an end": Reply(b"data: {" + b"a" * 300_000),
    "a text without an end": Reply(b'data: {"error": "' + b"a" * 300_000),
    "nested deeply": Reply(NESTED),
    "nested deeply, said to be wrong": Reply(NESTED, 400),
    "a long number": Reply(b'{"candidates": ' + b"9" * 10_000 + b"}"),
    "infinite": Reply(b'{"error": {"code": Infinity, "message": "no"}}', 400),
    "half an emoji": Reply(PART % rb'{"text": "\ud83d"}'),
    "half an emoji in an error": Reply(rb'{"error": {"message": "\udc00"}}', 400),
    "an error of nothing": Reply(b'{"error": ""}'),
    "an error of an empty object": Reply(b'{"error": {}}', 503),
    "an error in lists": Reply(b'[[[{"error": {"message": "no"}}]]]', 400),
    "an error with odd fields": Reply(
        b'{"error": {"code": [], "message": {}, "status": 7, "details": [1, null, []]}}',
        429,
    ),
    "an error with an odd delay": Reply(
        b'{"error": {"details": [{"retryDelay": "1e999s"}, {"retryDelay": -1}]}}', 429
    ),
    "an error of markup": Reply(
        b'{"error": {"message": "<details type=\\"reasoning\\">{x}![a](http://b)"}}',
        400,
    ),
    "a placeholder": Reply(b'{"error": {"message": "{model} {0} {"}}', 400),
    "an error within an error": Reply(
        json.dumps(
            {"message": json.dumps({"message": json.dumps({"message": "no"})})}
        ).encode(),
        400,
    ),
    "parts that are none": Reply(PART % b'null, 1, "a", [], {"inlineData": 3}'),
    "a blob from nowhere": Reply(PART % b'{"inlineData": {"data": {"$blob": 7}}}'),
    "a blob below zero": Reply(PART % b'{"inlineData": {"data": {"$blob": -1}}}'),
    "an empty picture": Reply(PART % b'{"inlineData": {"data": ""}}'),
    "a picture of nothing": Reply(PART % b'{"inlineData": {"data": "////"}}'),
    "a picture's first signs": Reply(
        PART % b'{"inlineData": {"data": "iVBORw0KGgo="}}'
    ),
    "no base64": Reply(PART % (b'{"inlineData": {"data": "' + b"%" * 300 + b'"}}')),
    "an unended picture": Reply(b'{"candidates": [{"inlineData": {"data": "iVBORw0'),
    "a picture in the text": Reply(PART % b'{"text": "![](data:image/png;base64,=)"}'),
    "a reason of an odd type": Reply(b'{"candidates": [{"finishReason": {"a": 1}}]}'),
    "a reason of markup": Reply(b'{"candidates": [{"finishReason": "<b>{x}`"}]}'),
    "a block of an odd type": Reply(b'{"promptFeedback": {"blockReason": [[]]}}'),
    "feedback of an odd type": Reply(b'{"promptFeedback": 3, "candidates": 4}'),
    "predictions of an odd type": Reply(b'{"predictions": [null, 3, {"a": []}]}'),
    "predictions that are none": Reply(b'{"predictions": "all filtered"}'),
    "a page that is cut off": Reply(b"<html><script>if (a < b) {", 502),
    "a page after an answer": Reply(WORDS + b"<html>{}</html>"),
    "a page of signs": Reply(b"<" * 70_000, 502),
    "no page": Reply(b"< { } >" * 1_000, 200),
    "a redirect to nowhere": Reply(b"", 302),
    "a redirect to an odd place": Reply(b"", 302, {"Location": "http://[::1"}),
    "a redirect to markup": Reply(b"", 307, {"Location": "https://a{b}<i>`/x"}),
    "a delay that is none": Reply(
        b"", 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00"}
    ),
    "a long delay": Reply(b"", 503, {"Retry-After": "9999999"}),
    "a teapot": Reply(b"short and stout", 418),
    "no content": Reply(b"", 204),
    "a status from nowhere": Reply(b"hm", 999),
}


def canonical(name: str) -> Reply:
    made = CANONICAL[name]()
    answer: RawAnswer = as_answer(made) if isinstance(made, GoogleError) else made
    return Reply(answer.body, answer.status, answer.headers)


CORPUS = NASTY | {f"error {name}": canonical(name) for name in CANONICAL}


@pytest.mark.parametrize("model", [GENERATE, PREDICT])
def test_a_nasty_answer_is_a_sentence(
    server: ByteServer, loop: asyncio.Runner, model: str
) -> None:
    def check(name: str, reply: Reply) -> None:
        server.answer = reply.on_the_wire
        text = loop.run(chat(server.url, model, stream=True))
        assert_ends_in_words(text)
        assert gip.FAILURE_MARK in text or name == "a picture's first signs", text

    check_rows(CORPUS.items(), check)


NO_HTTP = [
    b"",
    b"\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"HTTP/1.1\r\n\r\n",
    b"HTTP/1.1 two hundred\r\n\r\n",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip",
    b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    b"HTTP/1.1 302 Found\r\nLocation: \xff\xfe\r\n\r\n",
]


def test_what_is_no_http_is_a_sentence(
    server: ByteServer, loop: asyncio.Runner
) -> None:
    def check(raw: bytes) -> None:
        server.answer = raw
        assert_ends_in_words(loop.run(chat(server.url, GENERATE)))

    check_rows(zip(NO_HTTP), check)


# ── Anything at all ──────────────────────────────────────────────────────────────────

WORDS_OF_GOOGLE = [
    *("candidates", "content", "parts", "text", "thought", "inlineData", "mimeType"),
    *("data", "thoughtSignature", "finishReason", "finishMessage", "promptFeedback"),
    *("blockReason", "blockReasonMessage", "usageMetadata", "responseId", "error"),
    *("code", "message", "status", "details", "reason", "violations", "quotaId"),
    *("retryDelay", "predictions", "bytesBase64Encoded", "raiFilteredReason", "detail"),
    *("STOP", "NO_IMAGE", "IMAGE_SAFETY", "INVALID_ARGUMENT", "limit: 0", "34.4s"),
]
TEXTS = [
    *WORDS_OF_GOOGLE,
    base64.b64encode(PICTURE).decode(),
    "data:image/png;base64,iVBOR",
]
TOKENS = [
    *(WORDS, DRAWN, END, FAILED, RAW_FAILED, PART % b'{"text": "a"}', b"data: "),
    *(b"{", b"}", b'"', b"\\", b"[", b"]", b",", b":", b"<", b"\n", b"\r"),
    b"\xef\xbb\xbf",
]
STATUSES = [200, 200, 200, 204, 302, 400, 403, 404, 429, 500, 503]
SIZES = [1, 7, 64, 100_000]

SOME_TEXT = st.text(max_size=20) | st.sampled_from(TEXTS)
SOME_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | SOME_TEXT,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.sampled_from(WORDS_OF_GOOGLE), inner, max_size=5),
    max_leaves=25,
)
BODIES = st.one_of(
    st.binary(max_size=300),
    SOME_JSON.map(lambda value: json.dumps(value).encode()),
    st.lists(SOME_JSON, max_size=4).map(
        lambda values: b"".join(
            b"data: %b\n\n" % json.dumps(v).encode() for v in values
        )
    ),
    st.lists(st.sampled_from(TOKENS) | st.binary(max_size=8), max_size=12).map(
        b"".join
    ),
)
REPLIES = st.builds(
    Reply,
    body=BODIES,
    status=st.sampled_from(STATUSES),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Location"]), st.text(max_size=12), max_size=2
    ),
)


@given(
    reply=REPLIES,
    size=st.sampled_from(SIZES),
    model=st.sampled_from([GENERATE, PREDICT]),
)
def test_any_bytes_are_a_sentence(
    loop: asyncio.Runner, reply: Reply, size: int, model: str
) -> None:
    assert_ends_in_words(chat_by_hand(loop, reply, size, model))


# What is changed and mixed: answers that are good, and all that was nasty so far.
SEEDS = [
    *(b"".join(stream) for stream in STREAMS.values()),
    *(reply.body for reply in CORPUS.values() if len(reply.body) < 10_000),
]
RICH: list[Any] = [
    {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": "Let me think. ", "thought": True},
                        {"text": "Here is your fox. "},
                        {
                            "inlineData": {
                                "mimeType": "image/png",
                                "data": base64.b64encode(PICTURE).decode(),
                            },
                            "thoughtSignature": "c2lnbmVk",
                        },
                    ],
                    "role": "model",
                },
                "finishReason": "IMAGE_SAFETY",
                "finishMessage": "Unable to show it.",
            }
        ],
        "promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "No."},
        "usageMetadata": {"totalTokenCount": 1_290},
        "responseId": "an-id",
    },
    {
        "predictions": [
            {
                "bytesBase64Encoded": base64.b64encode(PICTURE).decode(),
                "mimeType": "image/png",
            },
            {"raiFilteredReason": "Unable to show it."},
        ]
    },
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [
                {"violations": [{"quotaId": "PerDay"}], "reason": "A_REASON"},
                {"retryDelay": "34.4s"},
            ],
        }
    },
]
ENCODINGS = [
    *("gzip", "x-gzip", "deflate", "br", "zstd", "identity", "chunked", "gzip, gzip"),
]


class Chance(random.Random):
    """Invents answers; the same number invents the same answer."""

    def reply(self) -> Reply:
        """Anything that may come over the wire."""
        body = self.body()
        for _ in range(self.choice([0, 0, 1, 1, 2, 4])):
            body = self.changed(body)
        if self.random() < 0.2:
            body = WORDS + DRAWN + body
        status = 200 if self.random() < 0.5 else self.choice(STATUSES)
        reply = Reply(body, status, self.headers())
        if self.random() < 0.2:
            reply = replace(reply, end=self.choice(list(BREAKS)))
        return self.packed(reply) if self.random() < 0.1 else reply

    def body(self) -> bytes:
        """The answer before anything is changed in it."""
        kind = self.randrange(6)
        if kind == 0:
            return self.randbytes(self.randrange(300))
        if kind < 4:
            form = self.choice([b"data: %b\n\n", b"%b\n", b"%b", b"[%b]"])
            count = self.choice([1, 1, 2, 4])
            values = [
                self.value(0) if kind == 1 else self.grafted(self.choice(RICH))
                for _ in range(count)
            ]
            return b"".join(form % json.dumps(value).encode() for value in values)
        if kind == 4:
            return b"".join(self.choices(TOKENS, k=self.randrange(12)))
        return self.choice(SEEDS)

    def value(self, depth: int) -> Any:
        """Any JSON, which often looks like Google's."""
        kind = self.randrange(8) if depth < 8 else 7
        if kind == 0:
            return [self.value(depth + 1) for _ in range(self.randrange(4))]
        if kind < 5:
            names = self.sample(WORDS_OF_GOOGLE, self.randrange(5))
            return {name: self.value(depth + 1) for name in names}
        if kind == 5:
            letters = [chr(self.randrange(0x11_0000)) for _ in range(self.randrange(9))]
            return "".join(letters)
        numbers = [self.randrange(-9, 600), self.random(), 1e999, 10**40]
        return self.choice([None, True, False, *numbers, *TEXTS])

    def grafted(self, value: Any) -> Any:
        """The same JSON with anything else somewhere in it."""
        if not value or self.random() < 0.1:
            return self.value(4)
        if isinstance(value, dict):
            name = self.choice(list(value))
            return {**value, name: self.grafted(value[name])}
        if isinstance(value, list):
            at = self.randrange(len(value))
            return [*value[:at], self.grafted(value[at]), *value[at + 1 :]]
        return self.value(4)

    def changed(self, body: bytes) -> bytes:
        """The same with something taken away, put in, repeated or exchanged."""
        start, stop = sorted(self.randrange(len(body) + 1) for _ in range(2))
        before, middle, after = body[:start], body[start:stop], body[stop:]
        how = self.randrange(7)
        if how == 0:
            return before + after
        if how == 1:
            return before
        if how == 2:
            return before + middle * self.randrange(2, 5) + after
        if how == 3:
            return before + self.choice(TOKENS) + middle + after
        if how == 4:
            return before + self.choice(SEEDS) + after
        if how == 5:
            quoted = self.choice(TEXTS).encode()
            return before + b'"' + quoted + b'"' + after
        return before + self.randbytes(self.choice([1, 2, 8])) + body[start + 1 :]

    def headers(self) -> dict[str, str]:
        """Headers of any contents, mostly none."""
        names = ["Retry-After", "Location", "Content-Type", "Content-Encoding"]
        chosen = self.sample(names, self.choice([0, 0, 0, 1, 2]))
        said = ["", "3", "0.5", "1e9", "a b", "https://a{b}/", "//[", *ENCODINGS]
        return {name: self.choice(said) for name in chosen}

    def packed(self, reply: Reply) -> Reply:
        """The same compressed, perhaps not to its end, as somebody on the way might."""
        name, pack = self.choice([("gzip", gzip.compress), ("deflate", zlib.compress)])
        body = pack(reply.body)
        body = body[: self.randrange(len(body))] if self.random() < 0.3 else body
        return replace(reply, body=body, headers={"Content-Encoding": name})


def assert_invented_one_ends_in_words(
    loop: asyncio.Runner, seed: int, server: ByteServer | None = None
) -> None:
    """It ends in words, and shows the picture if that came before all the rest."""
    chance = Chance(seed)
    reply, model = chance.reply(), chance.choice([GENERATE, PREDICT])
    stream = chance.choice([False, True])
    size = max(chance.choice(SIZES), len(reply.body) // 300)
    if server:
        server.answer = reply.on_the_wire
        text = loop.run(chat(server.url, model, stream))
    else:
        text = chat_by_hand(loop, reply, size, model, stream)
    note(f"{reply!r} in pieces of {size}")
    assert_ends_in_words(text)
    if reply.status == 200 and "Content-Encoding" not in reply.headers:
        assert SHOWN in text or not reply.body.startswith(WORDS + DRAWN), text


INVENTED = st.integers(0, 2**64 - 1)  # what an answer is invented from


@given(INVENTED)
def test_answers_that_were_changed_and_mixed_are_sentences(
    loop: asyncio.Runner, seed: int
) -> None:
    assert_invented_one_ends_in_words(loop, seed)


@given(INVENTED)
def test_the_same_over_real_http(
    server: ByteServer, loop: asyncio.Runner, seed: int
) -> None:
    assert_invented_one_ends_in_words(loop, seed, server)
