"""Request bodies out; bytes, however framed and cut, to objects and events."""

import base64
import itertools
import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from growth import growth
from hypothesis import given
from hypothesis import strategies as st
from messages import told
from rows import check_rows

import gemini_image_pipe as gip

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(255, 0, -1))
PNG_64 = base64.b64encode(PNG).decode()
JPEG_64 = base64.b64encode(JPEG).decode()


class Answer:
    """What the reader makes of an answer that arrives in the given pieces."""

    def __init__(self, *pieces: bytes) -> None:
        reader = gip.ObjectReader()
        self.found = [pair for piece in pieces for pair in reader.feed(piece)]
        self.whole = reader.end()
        self.stray = bytes(reader.stray)

    @property
    def objects(self) -> list[Any]:
        return [answer for answer, _ in self.found]

    @property
    def events(self) -> list[gip.Event]:
        return [event for pair in self.found for event in gip.read_events(*pair)]

    @property
    def blobs(self) -> list[bytes | None]:
        return [blob for _, blobs in self.found for blob in blobs]


def gathered(events: Iterable[gip.Event]) -> list[gip.Event]:
    batch = gip.EventBatch()
    for event in events:
        batch.add(event)
    return batch.take()


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def parts_answer(*parts: dict[str, Any], finish: str | None = "STOP") -> dict[str, Any]:
    content = {"role": "model", "parts": list(parts)}
    candidate: dict[str, Any] = {"content": content, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate]}


def inline(data: str, mime: str = "image/png", **more: Any) -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime, "data": data}, **more}


def events_of(answer: Any) -> list[gip.Event]:
    return Answer(json.dumps(answer).encode()).events


# ── Frames ───────────────────────────────────────────────────────────────────────────

A, B = {"a": "1"}, {"b": [2, {"c": "}"}]}
ERROR = {"error": {"code": 503, "message": "busy"}}
PRETTY = json.dumps(ERROR, indent=2).encode()


@pytest.mark.parametrize(
    ("raw", "objects"),
    [
        pytest.param(b'data: {"a":"1"}\n\n', [A], id="sse"),
        pytest.param(b'data:{"a":"1"}\n\n', [A], id="sse-without-space"),
        pytest.param(
            b'data: {"a":"1"}\r\n\r\ndata: {"a":"1"}\r\n\r\n', [A, A], id="crlf"
        ),
        pytest.param(b'data: {"a":"1"}\r\rdata: {"a":"1"}\r\r', [A, A], id="cr-only"),
        pytest.param(b'data: {"a":"1"}', [A], id="no-newline-at-the-end"),
        pytest.param(b'\xef\xbb\xbfdata: {"a":"1"}\n\n', [A], id="bom-sse"),
        pytest.param(b'\xef\xbb\xbf{"a":"1"}', [A], id="bom-object"),
        pytest.param(b': hi {x}\n\n: {\ndata: {"a":"1"}\n\n', [A], id="comments"),
        pytest.param(b': x\r{"a":"1"}\r', [A], id="comment-cr-only"),
        pytest.param(b'\n\n\ndata: {"a":"1"}\n\n\n', [A], id="blank-lines"),
        pytest.param(
            b'event: message\nid: 7\nretry: 3000\ndata: {"a":"1"}\n\n',
            [A],
            id="event-id-retry",
        ),
        pytest.param(b'data: {"a":"1"}\n\ndata: [DONE]\n\n', [A], id="done"),
        pytest.param(b'data: {\ndata:  "a":\ndata: "1"}\n\n', [A], id="event-of-lines"),
        pytest.param(
            b'data: {\r\ndata: "a":"1"\r\ndata: }\r\n\r\n', [A], id="lines-crlf"
        ),
        pytest.param(b'data: {\rdata: "a":"1"\rdata: }\r\r', [A], id="lines-cr"),
        pytest.param(b'{"a":"1"}', [A], id="object"),
        pytest.param(b' \r\n{\n\n "a" :\n "1"\n}\n', [A], id="pretty-object"),
        pytest.param(b'[{"a":"1"}\n,\r\n{"b":[2,{"c":"}"}]}]\n', [A, B], id="array"),
        pytest.param(b"[]", [], id="empty-array"),
        pytest.param(b'{"a":"1"}\n{"a":"1"}\n', [A, A], id="object-per-line"),
        pytest.param(b'\x1e{"a":"1"}\n', [A], id="record-separator"),
        pytest.param(b"{}", [{}], id="empty-object"),
        pytest.param(b"", [], id="empty-body"),
        pytest.param(b'data: {"a":"1"}\n\n' + PRETTY, [A, ERROR], id="raw-error-after"),
        pytest.param(PRETTY.replace(b"\n", b"\r\n"), [ERROR], id="raw-error-crlf"),
        pytest.param(b"[" + PRETTY + b"\n]", [ERROR], id="error-in-an-array"),
    ],
)
def test_objects_are_found_in_any_frame(raw: bytes, objects: list[Any]) -> None:
    """Google frames errors otherwise than answers, and every gateway as it likes."""
    answer = Answer(raw)
    assert (answer.objects, answer.whole) == (objects, True)
    assert Answer(*bytewise(raw)).objects == objects


TEXTS = [
    "a\u2028b\u2029c\x85d",
    'say "hi" {now} \\ and \\"',
    "\\\\\\",
    '{"$blob":0}',
    "data: x\n\ndata: {}",
    '"data":"QUJD"',
    "عربى 狐 🦊",
    "",
]


def test_any_text_arrives_as_it_was() -> None:
    """Text that looks like the frame must not be taken for it."""

    def check(text: str, ascii_only: bool) -> None:
        raw = json.dumps({"t": text, "u": "end"}, ensure_ascii=ascii_only).encode()
        for framed in (raw, b"data: " + raw + b"\r\n\r\n"):
            assert Answer(framed).objects == [{"t": text, "u": "end"}]
            assert Answer(*bytewise(framed)).objects == [{"t": text, "u": "end"}]

    check_rows(itertools.product(TEXTS, [True, False]), check)


CUT_OFF = [
    '{"t": "half',
    '{"t": "half {a',
    '{"t": "half {a, b: [',
    '{"t": {"u": 1,',
    '{"data": "' + PNG_64[:50],
]


def test_a_cut_off_event_does_not_swallow_the_next() -> None:
    """Behind it stands the error that says why, or a picture that was paid for."""

    def check(cut_off: str, end: str) -> None:
        raw = f"data: {cut_off}{end}data: {json.dumps(ERROR)}{end}".encode()
        for answer in (Answer(raw), Answer(*bytewise(raw))):
            assert answer.objects == [ERROR]
            assert not answer.whole

    ends = ["\n\n", "\r\n\r\n", "\r\r"]
    check_rows(itertools.product(CUT_OFF, ends), check)


def test_a_keep_alive_inside_an_event_of_lines_is_passed_over() -> None:
    """Proxies put their comment lines anywhere between two lines."""
    raw = b'data: {"a":\n: keep-alive\ndata: "1"}\n\n'
    assert Answer(raw).objects == [A]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'data: {"a":"1', id="in-a-string"),
        pytest.param(b'data: {"a":"1"', id="before-the-brace"),
        pytest.param(b'{"data":"iVBORw0K', id="in-a-picture"),
        pytest.param(b'{"a":nonsense}', id="no-json"),
        pytest.param(b'{"a":"\xff\xfe"}', id="no-utf-8"),
        pytest.param(b'{"a":' * 100_000 + b"1" + b"}" * 100_000, id="too-deep"),
        pytest.param(b'{"a":' + b"9" * 5000 + b"}", id="huge-number"),
    ],
)
def test_a_broken_answer_is_known_to_be_broken(raw: bytes) -> None:
    """Half an answer must not pass for a whole one, and nothing may raise."""
    answer = Answer(raw)
    assert (answer.objects, answer.whole) == ([], False)


def test_a_broken_object_spoils_no_other() -> None:
    assert Answer(b'data: {"a":x}\n\ndata: {"a":"1"}\n\n').objects == [A]


@pytest.mark.parametrize(
    ("page", "says"),
    [
        pytest.param(
            b"<!DOCTYPE html><html><head><script>if(a){b({c:1})}</script></head>\n"
            b"<body>Sign in</body></html>",
            b"Sign in",
            id="script",
        ),
        pytest.param(
            b"\n\n  <html>\n<style>b {x: y}</style>\n<p>Bad gateway</p>",
            b"Bad",
            id="css",
        ),
        pytest.param(b"\xef\xbb\xbf<html><script>{x}</script>Hi", b"Hi", id="bom"),
        pytest.param(
            b'<html><script>{"error":{"message":"x"}}</script>\n{"a":1}Hi',
            b"Hi",
            id="page-with-json",
        ),
        pytest.param(
            b'\xef\xbb\xbf<html><script>{"error":{"message":"x"}}</script>Hi',
            b"Hi",
            id="bom-and-json",
        ),
        pytest.param(b"upstream connect error", b"upstream", id="plain-text"),
        pytest.param(b"Expected { but got (", b"but got", id="text-with-a-brace"),
    ],
)
def test_what_is_no_json_is_kept_for_the_message(page: bytes, says: bytes) -> None:
    """A gateway's sign-in page or plain word is the only hint at what is wrong."""
    for answer in (Answer(page), Answer(*bytewise(page))):
        assert answer.objects == [] and says in answer.stray


def test_the_frame_is_not_kept_as_text() -> None:
    answer = Answer(b': hi\n\ndata: {"a":"1"}\n\n[{"a":"1"},\r\n{"a":"1"}]\n')
    assert answer.stray.strip() == b""


def test_what_is_kept_of_a_page_is_bounded() -> None:
    assert len(Answer(*[b"<p>" + b"x" * 50_000 + b"\n"] * 100).stray) < 200_000


def test_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that never stops must not fill the memory of the host."""
    monkeypatch.setattr(gip, "MAX_RESPONSE_BYTES", 1_000_000)
    reader = gip.ObjectReader()
    with pytest.raises(gip.ResponseTooLarge):
        for _ in range(100):
            list(reader.feed(b'{"data":"' + b"A" * 65_536))


def picture_answer(size: int) -> bytes:
    """One line, as Google sends it, with a picture of about that many bytes."""
    picture = base64.b64encode(PNG * (size // len(PNG) or 1)).decode()
    return b"data: " + json.dumps(parts_answer(inline(picture))).encode()


@pytest.mark.parametrize(
    ("size", "step"),
    [
        pytest.param(4_000, 1, id="bytes"),
        pytest.param(200_000, 512, id="small-pieces"),
        pytest.param(400_000, 4_096, id="pieces"),
        pytest.param(400_000, 10**8, id="whole"),
    ],
)
def test_a_large_picture_is_read_in_linear_time(size: int, step: int) -> None:
    """A 4K picture is one line of many megabytes; quadratic joining takes minutes."""

    def read(raw: bytes) -> Answer:
        return Answer(*(raw[i : i + step] for i in range(0, len(raw), step)))

    [image, _] = read(picture_answer(size)).events
    assert image == gip.Image(PNG * (size // len(PNG)), "image/png")
    assert growth(read, picture_answer, size) < 20


# ── Base64 that is cut out ───────────────────────────────────────────────────────────

TRICKY = bytes([0xFB, 0xEF, 0xBE, 0xFF, 0xFF, 0xFE]) * 40 + b"x"  # + and / and =
TRICKY_64 = base64.b64encode(TRICKY).decode()


WRITTEN = {
    "plain": TRICKY_64,
    "escaped slashes": TRICKY_64.replace("/", "\\/"),
    "escaped padding": TRICKY_64.replace("=", "\\u003d"),
    "escaped capitals": TRICKY_64.replace("=", "\\u003D"),
    "escaped plus": TRICKY_64.replace("+", "\\u002b"),
    "no padding": TRICKY_64.rstrip("="),
    "URL-safe": base64.urlsafe_b64encode(TRICKY).decode().rstrip("="),
    "MIME lines": base64.encodebytes(TRICKY).decode().replace("\n", "\\n"),
    "MIME CRLF": base64.encodebytes(TRICKY).decode().replace("\n", "\\r\\n"),
    "MIME lines in Unicode": base64.encodebytes(TRICKY)
    .decode()
    .replace("\n", "\\u000a"),
    "data URI": f"data:image/png;base64,{TRICKY_64}",
    "data URI escaped": f"data:image\\/png;base64,{TRICKY_64}",
}


def test_base64_is_decoded_however_it_is_written() -> None:
    """Each spelling was seen from some gateway; a picture that was paid for hangs on
    it."""

    def check(key: str, how: str) -> None:
        raw = f'{{"x": {{"{key}" : "{WRITTEN[how]}"}}, "y": "z"}}'.encode()
        for answer in (Answer(raw), Answer(*bytewise(raw))):
            assert answer.blobs == [TRICKY]
            assert answer.objects[0]["y"] == "z" and answer.whole

    keys = ["data", "bytesBase64Encoded", "thoughtSignature"]
    check_rows(itertools.product(keys, WRITTEN), check)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("hello", id="word"),
        pytest.param("two words", id="words"),
        pytest.param("", id="empty"),
        pytest.param('it is "quoted"', id="quotes"),
        pytest.param('a " and { a brace', id="quote-and-open-brace"),
        pytest.param('} " x', id="quote-and-closing-brace"),
        pytest.param('{"error": {"code": 429}}', id="json-in-a-string"),
        pytest.param("word " * 80 + '"quoted" {', id="long-with-quotes"),
        pytest.param("back\\slash\\", id="backslashes"),
        pytest.param("été 狐", id="other-scripts"),
    ],
)
def test_a_text_under_a_picture_key_spoils_nothing(text: str) -> None:
    """Gateways put words under "data", often in the very object that says what is
    wrong."""
    raw = json.dumps({"error": {"data": text, "message": "quota"}, "z": "end"}).encode()
    for answer in (Answer(raw), Answer(*bytewise(raw))):
        assert answer.whole
        assert answer.objects[0]["error"]["message"] == "quota"
        assert answer.objects[0]["z"] == "end"


@pytest.mark.parametrize(
    "value", [None, 7, True, [], {}, [inline(PNG_64)], {"data": PNG_64}]
)
def test_other_values_under_a_picture_key_are_left_alone(value: Any) -> None:
    """A list under "data" is how OpenAI-like gateways list their models."""
    [found] = Answer(json.dumps({"data": value, "a": "1"}).encode()).objects
    assert type(found["data"]) is type(value) and found["a"] == "1"


@pytest.mark.parametrize(
    "written",
    [
        pytest.param("not base64!" * 30, id="other-signs"),
        pytest.param(PNG_64[:40] + "\u00e9" + PNG_64[40:400], id="one-wrong-sign"),
        pytest.param("A" * 401, id="one-sign-too-many"),
        pytest.param(PNG_64[:300] + "=" * 7, id="too-much-padding"),
        pytest.param("QUJD" * 70 + "QQ==" + "QUJD" * 70, id="padding-in-the-middle"),
    ],
)
def test_what_is_not_base64_is_a_damaged_picture(written: str) -> None:
    """Half decoded bytes must not be shown as a picture, nor cause an exception, and
    how the bytes were cut must make no difference."""
    raw = json.dumps(parts_answer(inline(written)), ensure_ascii=False).encode()
    for answer in (Answer(raw), Answer(*bytewise(raw))):
        assert answer.events == [gip.BadPicture(), gip.Finish()]


def test_long_signatures_are_no_pictures() -> None:
    """They are longer than some pictures, and only handed back."""
    signature = base64.b64encode(bytes(range(256)) * 300).decode()
    answer = parts_answer(
        {"text": "Here.", "thoughtSignature": signature},
        inline(JPEG_64, thoughtSignature=signature),
    )
    events = events_of(answer)
    assert events == [gip.Text("Here."), gip.Image(JPEG, "image/jpeg"), gip.Finish()]


# ── Anything at all ──────────────────────────────────────────────────────────────────

texts = st.text(max_size=20) | st.sampled_from(
    [PNG_64, 'a"}{', "data: x", "\n\n", "\\", "\u2028", "data:image/png;base64,QUJD"]
)
keys = st.text(max_size=5) | st.sampled_from(
    [
        "data",
        "text",
        "candidates",
        "parts",
        "content",
        "inlineData",
        "inline_data",
        "thought",
        "error",
        "message",
        "finishReason",
        "predictions",
        "bytesBase64Encoded",
        "usageMetadata",
        "promptFeedback",
        "blockReason",
        "details",
        "code",
        "raiFilteredReason",
        "$blob",
    ]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(keys, inner, max_size=4),
    max_leaves=15,
)
json_objects = st.dictionaries(keys, json_values, max_size=4)


# One whose base64 is there, or has been cut out.
DATA_URI = re.compile(
    r"(data:image/[\w.+-]{1,40}(?:;[\w.=+-]{1,80}){0,4};base64,)"
    r"(?:\ue000\d+\ue001|[A-Za-z0-9+/=_-]*)"
)


def without_cut_outs(value: Any, key: str = "") -> Any:
    """The value with a mark for each text that the reader may have cut out."""
    if key in ("data", "bytesBase64Encoded") and (
        isinstance(value, str) or (isinstance(value, dict) and list(value) == ["$blob"])
    ):
        return "?"
    if isinstance(value, dict):
        return {name: without_cut_outs(item, name) for name, item in value.items()}
    if isinstance(value, str):
        return DATA_URI.sub(r"\1?", value)
    return [without_cut_outs(v) for v in value] if isinstance(value, list) else value


def pieces_of(data: bytes, cuts: list[int]) -> list[bytes]:
    at = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(at)]


cuts = st.lists(st.integers(0, 10_000), max_size=6)


@given(
    st.lists(json_objects, max_size=4),
    st.sampled_from(["sse", "crlf", "array", "lines", "pretty"]),
    st.booleans(),
    cuts,
)
def test_every_object_is_found_wherever_the_bytes_are_cut(
    objects: list[Any], frame: str, ascii_only: bool, cut_at: list[int]
) -> None:
    """Chunks end anywhere: in a key, an escape, a character, a line end."""
    indent = 2 if frame == "pretty" else None
    dumped = [json.dumps(o, ensure_ascii=ascii_only, indent=indent) for o in objects]
    text = {
        "sse": "".join(f"data: {one}\n\n" for one in dumped),
        "crlf": "".join(f"data:{one}\r\n\r\n" for one in dumped),
        "array": "[" + "\n,\r\n".join(dumped) + "]",
        "lines": "\n".join(dumped),
        "pretty": "\n".join(dumped),
    }[frame]
    data = text.encode("utf-8", "surrogatepass")
    found = Answer(*pieces_of(data, cut_at)).objects
    expected = [gip.clean_strings(without_cut_outs(o)) for o in objects]
    assert [without_cut_outs(o) for o in found] == expected


insides = [
    b"QUJD",
    b"QQ==",
    b"=",
    b"\\u003d",
    b"\\n",
    b"\\/",
    b'\\"',
    b"\\",
    b"\n",
    b"\r",
    b"{",
    b"}",
    b"data:image/png;base64,",
    b" ",
    b"\xff",
    b"\xe2\x80\xa8",
]
beginnings = [b'{"a":"', b'data: {"a":"', b'{"data":"', b'data:{"data":"', b"<", b": "]
ends = [b'"}', b'"}\n\n', b"\n\n", b"\r\n\r\n", b"", b"}", b'"']
events = st.builds(
    lambda *pieces: b"".join(pieces),
    st.sampled_from(beginnings),
    st.lists(st.sampled_from(insides), max_size=4).map(b"".join),
    st.sampled_from(ends),
)
streams = st.lists(events | st.just(b'data: {"b":1}\n\n'), max_size=3).map(b"".join)


@given(streams | st.binary(max_size=60), cuts)
def test_any_bytes_read_the_same_wherever_they_are_cut(
    data: bytes, cut_at: list[int]
) -> None:
    """Never an exception, and never a result that depends on the network's mood."""
    whole = Answer(data)
    for cut in (Answer(*pieces_of(data, cut_at)), Answer(*bytewise(data))):
        assert (cut.found, cut.whole) == (whole.found, whole.whole)


@given(json_values)
def test_any_answer_gives_events_or_an_error_but_never_raises(answer: Any) -> None:
    """Gateways send every shape; each must end in a sentence."""
    for event in gip.read_events(answer, [PNG, None]):
        if isinstance(event, gip.Image):
            assert event.data == PNG
        if isinstance(event, gip.Refusal):
            assert told(gip.explain_refusal(event))
    assert told(gip.explain_error(gip.read_error(400, answer)))


# ── Events ───────────────────────────────────────────────────────────────────────────


def test_text_and_pictures_come_in_googles_order() -> None:
    answer = parts_answer(
        {"text": "One: "}, inline(PNG_64), {"text": "Two: "}, inline(JPEG_64)
    )
    assert events_of(answer) == [
        gip.Text("One: "),
        gip.Image(PNG, "image/png"),
        gip.Text("Two: "),
        gip.Image(JPEG, "image/jpeg"),
        gip.Finish(),
    ]


def test_thoughts_and_drafts_are_marked() -> None:
    """Shown as results they would double the picture and bare the model's musings."""
    answer = parts_answer(
        {"text": "Composing", "thought": True},
        inline(PNG_64, thought=True),
        inline(JPEG_64),
    )
    assert events_of(answer) == [
        gip.Text("Composing", thought=True),
        gip.Image(PNG, "image/png", draft=True),
        gip.Image(JPEG, "image/jpeg"),
        gip.Finish(),
    ]


@pytest.mark.parametrize(
    ("data", "said", "mime"),
    [
        pytest.param(JPEG, "image/png", "image/jpeg", id="jpeg-called-png"),
        pytest.param(PNG, "image/jpeg", "image/png", id="png-called-jpeg"),
        pytest.param(PNG, "png", "image/png", id="half-a-type"),
        pytest.param(PNG, "", "image/png", id="no-type"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8 ", "image/png", "image/webp", id="webp"),
        pytest.param(b"GIF89a\1\0\1\0", "image/png", "image/gif", id="gif"),
        pytest.param(b"\0\0\0\x20ftypavif\0", "image/png", "image/avif", id="avif"),
        pytest.param(b"\0\0\0\x20ftypheic\0", "image/png", "image/heic", id="heic"),
    ],
)
def test_the_bytes_tell_the_type(data: bytes, said: str, mime: str) -> None:
    """A file stored under the wrong type is refused or not shown."""
    answer = parts_answer(inline(base64.b64encode(data).decode(), said))
    assert events_of(answer)[0] == gip.Image(data, mime)


@pytest.mark.parametrize(
    "data",
    [b"", b"<html>", b"\x89PN", b"RIFF\0\0\0\0WAVE", b"plain words", b"\xff\xd8"],
)
def test_bytes_that_are_no_picture_are_not_one(data: bytes) -> None:
    answer = parts_answer(inline(base64.b64encode(data).decode()))
    assert events_of(answer)[0] == gip.BadPicture()


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param({"candidates": None}, id="candidates-none"),
        pytest.param({"candidates": []}, id="no-candidates"),
        pytest.param({"candidates": [None, 7, "x"]}, id="odd-candidates"),
        pytest.param({"candidates": [{}]}, id="empty-candidate"),
        pytest.param({"candidates": [{"content": {}}]}, id="empty-content"),
        pytest.param({"candidates": [{"content": {"role": "model"}}]}, id="role-only"),
        pytest.param({"candidates": [{"content": {"parts": None}}]}, id="parts-none"),
        pytest.param(parts_answer({"text": ""}, {}, finish=None), id="empty-parts"),
        pytest.param({"candidates": [{"finishReason": None}]}, id="finish-none"),
        pytest.param({"promptFeedback": {"safetyRatings": []}}, id="feedback-only"),
        pytest.param({"usageMetadata": None}, id="usage-none"),
        pytest.param([], id="list"),
        pytest.param(None, id="none"),
    ],
)
def test_an_answer_with_nothing_gives_nothing(answer: Any) -> None:
    """Google leaves out what is empty, in every combination."""
    assert list(gip.read_events(answer, [])) == []


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        pytest.param(
            {"candidates": [{"content": {}, "finishReason": "IMAGE_OTHER"}]},
            gip.Refusal("IMAGE_OTHER"),
            id="finish-reason",
        ),
        pytest.param(
            {
                "candidates": [
                    {
                        "content": {"role": "model"},
                        "finishReason": "IMAGE_PROHIBITED_CONTENT",
                        "finishMessage": "Unable to show the generated image.",
                    }
                ]
            },
            gip.Refusal(
                "IMAGE_PROHIBITED_CONTENT", "Unable to show the generated image."
            ),
            id="finish-message",
        ),
        pytest.param(
            {"candidates": [{"finishReason": "SOMETHING_NEW"}]},
            gip.Refusal("SOMETHING_NEW"),
            id="unknown-reason",
        ),
        pytest.param(
            {"candidates": [{"finish_reason": "SAFETY", "finish_message": "No."}]},
            gip.Refusal("SAFETY", "No."),
            id="snake-case",
        ),
        pytest.param(
            {"candidates": [{"finish_reason": "image_safety"}]},
            gip.Refusal("IMAGE_SAFETY"),
            id="small-letters",
        ),
        pytest.param(
            {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
            gip.Refusal("PROHIBITED_CONTENT", about="prompt"),
            id="prompt-blocked",
        ),
        pytest.param(
            {
                "candidates": [],
                "prompt_feedback": {
                    "block_reason": "SAFETY",
                    "block_reason_message": "Blocked.",
                },
            },
            gip.Refusal("SAFETY", "Blocked.", about="prompt"),
            id="prompt-blocked-snake-case",
        ),
        pytest.param(
            {"predictions": [{"raiFilteredReason": "All images were filtered out."}]},
            gip.Refusal("IMAGE_SAFETY", "All images were filtered out.", "picture"),
            id="imagen-filter",
        ),
    ],
)
def test_refusals_keep_googles_reason_and_sentence(
    answer: Any, refusal: gip.Refusal
) -> None:
    """That sentence is the only explanation that there is."""
    assert [e for e in events_of(answer) if isinstance(e, gip.Refusal)] == [refusal]


def test_snake_case_gives_the_same_events() -> None:
    """Some gateways rewrite every name."""
    usage = {"prompt_token_count": 9}
    counts = ("in", "in_image", "out", "out_image", "words", "thoughts")
    answer = {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"inline_data": {"mime_type": "image/png", "data": PNG_64}}
                    ]
                },
                "finish_reason": "STOP",
            }
        ],
        "usage_metadata": usage,
    }
    assert events_of(answer) == [
        gip.Image(PNG, "image/png"),
        gip.Finish(),
        gip.Usage({**dict.fromkeys(counts, 0), "in": 9}),
    ]


@pytest.mark.parametrize(
    "reason", [pytest.param("CONTINUATION", id="new"), pytest.param("stop", id="small")]
)
def test_a_regular_end_is_no_refusal(reason: str) -> None:
    """A text that ends regularly must not be followed by a failure of the model."""
    events = events_of(parts_answer({"text": "Which fox?"}, finish=reason))
    assert not [e for e in events if isinstance(e, gip.Refusal)]


def test_an_answer_in_several_requests_is_one_and_its_tokens_are_added_up() -> None:
    """Each but the first repeats it with the last token, as google-genai 3.6.1 does."""
    body = {"contents": [1]}
    answer = gip.WholeAnswer(body)
    bodies = answer.bodies()
    assert next(bodies) == body
    assert answer.take(gip.Usage({"in": 5, "out": 1})) == gip.Usage({"in": 5, "out": 1})
    assert answer.take(gip.Usage({"in": 5, "out": 2})) == gip.Usage({"in": 5, "out": 2})
    assert answer.take(gip.Continuation("a")) is None
    assert next(bodies) == {**body, "continuationToken": "a"}
    assert answer.take(gip.Text("x")) == gip.Text("x")
    total = gip.Usage({"in": 10, "out": 5})
    assert answer.take(gip.Usage({"in": 5, "out": 3})) == total
    assert answer.take(gip.Continuation("a")) == gip.Finish()  # would bring the same
    assert next(bodies, None) is None
    assert body == {"contents": [1]}


def test_an_answer_does_not_go_on_for_ever() -> None:
    answer = gip.WholeAnswer({})
    asked = 0
    for asked, _ in enumerate(answer.bodies(), start=1):
        answer.take(gip.Continuation(str(asked)))
    assert asked == gip.MAX_CONTINUATIONS + 1


SENT_ELSEWHERE = [
    ("https://a.example/x(1).png", "https://a.example/x%281%29.png"),
    ("gs://bucket/x.png", ""),
    ("javascript:alert(1)", ""),
    (7, ""),
]


def test_of_a_picture_elsewhere_a_web_address_is_named() -> None:
    def check(uri: Any, address: str) -> None:
        for file in ({"fileUri": uri}, {"fileUri": uri, "mimeType": "image/png"}):
            events = events_of(parts_answer({"fileData": file}))
            assert events[0] == gip.PictureElsewhere(address)

    check_rows(SENT_ELSEWHERE, check)
    film = {"fileUri": "https://a.example/x", "mimeType": "video/mp4"}
    for part in ({"fileData": film}, {"fileData": {}, "thought": True}):
        events = events_of(parts_answer(part))
        assert not [e for e in events if isinstance(e, gip.PictureElsewhere)]


@pytest.mark.parametrize(
    ("status", "dates"),
    [
        ({"retirementTime": "2027-03-15T00:00:00Z"}, ["2027-03-15"]),
        ({"retirementTime": "soon"}, []),
        ({"modelStage": "DEPRECATED"}, []),
        ("x", []),
    ],
)
def test_the_day_of_a_models_end_is_read(status: Any, dates: list[str]) -> None:
    events = events_of({**parts_answer({"text": "x"}), "modelStatus": status})
    assert [e.date for e in events if isinstance(e, gip.Retirement)] == dates


def test_imagen_shows_what_passed_the_filter() -> None:
    """One refused picture must not take the paid ones with it."""
    answer = {
        "predictions": [
            {"mimeType": "image/png", "bytesBase64Encoded": PNG_64},
            {"raiFilteredReason": "Filtered."},
            {"bytes_base64_encoded": JPEG_64},
        ]
    }
    assert events_of(answer) == [
        gip.Image(PNG, "image/png"),
        gip.Refusal("IMAGE_SAFETY", "Filtered.", "picture"),
        gip.Image(JPEG, "image/jpeg"),
        gip.Finish(),
    ]


@pytest.mark.parametrize("answer", [{}, {"predictions": []}], ids=["object", "list"])
def test_imagen_that_filtered_everything_came_to_its_end(answer: Any) -> None:
    """Told as a broken connection, it would send the user to press Regenerate."""
    assert gip.Finish() in events_of(answer)


@pytest.mark.parametrize(
    ("text", "around"),
    [
        pytest.param(
            f"Done.\n![image](data:image/png;base64,{PNG_64})", "Done.\n", id="md"
        ),
        pytest.param(f"data:image/png;base64,{PNG_64}", "", id="bare"),
        pytest.param(f"a data:image/png;base64,{PNG_64} b", "a  b", id="in-the-middle"),
        pytest.param(f"![x](data:image/jpg;base64,{PNG_64}) b", " b", id="jpg"),
        pytest.param(
            f"a data:image/png;charset=utf-8;base64,{PNG_64}", "a ", id="parameter"
        ),
    ],
)
def test_pictures_that_a_gateway_writes_into_the_text_are_lifted_out(
    text: str, around: str
) -> None:
    """Left in the text, megabytes of base64 fill the window and the database."""
    events = events_of(parts_answer({"text": text}))
    pictures = [e for e in events if isinstance(e, gip.Image)]
    assert pictures == [gip.Image(PNG, "image/png")]
    assert "".join(e.text for e in events if isinstance(e, gip.Text)) == around


def test_half_an_emoji_in_a_text_can_be_stored() -> None:
    """JSON can carry it, UTF-8 cannot: the answer, picture and all, would be lost."""
    [text, _] = Answer(json.dumps(parts_answer({"text": "fox \ud83d"})).encode()).events
    assert isinstance(text, gip.Text)
    text.text.encode()


ONE, TWO, HM = gip.Text("a"), gip.Text("b"), gip.Text("c", thought=True)
FOX = gip.Image(PNG, "image/png")
COUNT, RECOUNT = gip.Usage({"out": 1}), gip.Usage({"out": 5})


@pytest.mark.parametrize(
    ("events", "joined"),
    [
        pytest.param([], [], id="none"),
        pytest.param([ONE, TWO], [gip.Text("ab")], id="words"),
        pytest.param([ONE, HM, TWO], [ONE, HM, TWO], id="thoughts-between"),
        pytest.param([HM, HM], [gip.Text("cc", True)], id="thoughts"),
        pytest.param([ONE, FOX, TWO, FOX], [ONE, FOX, TWO, FOX], id="pictures-between"),
        pytest.param(
            [COUNT, ONE, COUNT, TWO, RECOUNT], [gip.Text("ab"), RECOUNT], id="counts"
        ),
        pytest.param(
            [gip.Finish(), COUNT, gip.Finish()],
            [gip.Finish(), COUNT],
            id="ends",
        ),
    ],
)
def test_the_events_of_a_piece_are_joined_and_none_is_lost(
    events: list[gip.Event], joined: list[gip.Event]
) -> None:
    """Gateways send a word at a time, each with a count of all so far; each event is
    a message to the page."""
    assert gathered(events) == joined


# ── Request bodies ───────────────────────────────────────────────────────────────────


def conversation(*turns: gip.Turn, system: str = "") -> gip.Conversation:
    *history, newest = turns
    return gip.Conversation(system, tuple(history), newest)


def test_a_plain_prompt_asks_for_text_and_picture_and_for_nothing_else() -> None:
    """A model refuses sampling parameters, and one that is asked for pictures alone
    answers questions with an error."""
    body = gip.generate_body(conversation(gip.Turn("user", "fox")), gip.ImageOptions())
    assert body == {
        "contents": [{"role": "user", "parts": [{"text": "fox"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    }


@pytest.mark.parametrize(
    ("options", "config"),
    [
        pytest.param(
            gip.ImageOptions(aspect_ratio="16:9"),
            {"imageConfig": {"aspectRatio": "16:9"}},
            id="ratio",
        ),
        pytest.param(
            gip.ImageOptions(aspect_ratio="1:1", image_size="2K"),
            {"imageConfig": {"aspectRatio": "1:1", "imageSize": "2K"}},
            id="both",
        ),
        pytest.param(
            gip.ImageOptions(thinking_level="HIGH"),
            {"thinkingConfig": {"thinkingLevel": "HIGH"}},
            id="thinking",
        ),
        pytest.param(gip.ImageOptions(count=4), {}, id="count-is-no-field"),
    ],
)
def test_options_become_googles_fields(
    options: gip.ImageOptions, config: dict[str, Any]
) -> None:
    body = gip.generate_body(conversation(gip.Turn("user", "fox")), options)
    del body["generationConfig"]["responseModalities"]
    assert body["generationConfig"] == config


def test_pictures_stand_before_the_newest_words_and_earlier_turns_in_words() -> None:
    """In a model's turn Google would want a signature; here it wants none."""
    fox = gip.InputPicture(gip.Image(PNG, "image/png"), "fox")
    hat = gip.InputPicture(gip.Image(JPEG, "image/jpeg"), "hat")
    body = gip.generate_body(
        conversation(
            gip.Turn("user", "a fox"),
            gip.Turn("model", "Nice.", ("/api/v1/files/1/content",)),
            gip.Turn("user", "with a hat"),
            gip.Turn("model", "", ("/api/v1/files/2/content",)),
            gip.Turn("user", "blue"),
            system="Always paint.",
        ),
        gip.ImageOptions(),
        [fox, hat],
    )
    sent = json.loads(b"".join(gip.EncodedBody(body)))
    assert sent["systemInstruction"] == {"parts": [{"text": "Always paint."}]}
    assert sent["contents"] == [
        {"role": "user", "parts": [{"text": "a fox"}]},
        {"role": "model", "parts": [{"text": "Nice."}]},
        {
            "role": "user",
            "parts": [
                {"text": "with a hat"},
                inline(PNG_64),
                inline(JPEG_64, "image/jpeg"),
                {"text": "blue"},
            ],
        },
    ]


@pytest.mark.parametrize("words", ['"data": "picture 0"', '{"data": "picture 1"}'])
def test_words_that_look_like_the_place_of_a_picture_stay_words(words: str) -> None:
    body = gip.generate_body(
        conversation(gip.Turn("user", words)),
        gip.ImageOptions(),
        [gip.InputPicture(gip.Image(PNG, "image/png"), "fox")],
    )
    [content] = json.loads(b"".join(gip.EncodedBody(body)))["contents"]
    assert content["parts"] == [inline(PNG_64), {"text": words}]


@pytest.mark.parametrize(
    "address",
    ["https://host.example/a.png", "/api/v1/files/3f1c/content", "3f1c-77", "data:,x"],
)
def test_an_address_is_never_sent_as_a_picture(address: str) -> None:
    """Cut into type and data it is garbage, which Google refuses: the chat is stuck
    for as long as the message stands in it."""
    turn = gip.Turn("user", "blue", (address,))
    body = gip.generate_body(conversation(turn), gip.ImageOptions())
    assert body["contents"] == [{"role": "user", "parts": [{"text": "blue"}]}]


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        pytest.param(gip.ImageOptions(), {"sampleCount": 1}, id="none"),
        pytest.param(
            gip.ImageOptions(aspect_ratio="16:9", image_size="2K", count=3),
            {"sampleCount": 3, "aspectRatio": "16:9", "sampleImageSize": "2K"},
            id="all",
        ),
    ],
)
def test_imagens_body(options: gip.ImageOptions, parameters: dict[str, Any]) -> None:
    """Imagen knows one prompt; four pictures are its default, and its price."""
    turns = (
        gip.Turn("user", "a fox"),
        gip.Turn("model", "x"),
        gip.Turn("user", "blue"),
    )
    body = gip.predict_body(conversation(*turns, system="Watercolour."), options)
    [instance] = body["instances"]
    assert instance["prompt"].startswith("Watercolour.")
    assert instance["prompt"].endswith("blue") and set(instance) == {"prompt"}
    assert body["parameters"].pop("includeRaiReason") is True
    assert body["parameters"] == parameters


def test_imagen_is_told_the_same_words_as_other_models() -> None:
    """After a failure the newest words alone ("again, please") are no prompt."""
    history = [
        {"role": "user", "content": "a fox"},
        {"role": "assistant", "content": f"{gip.FAILURE_MARK}Overloaded."},
        {"role": "user", "content": "again, please"},
    ]
    asked = gip.read_conversation(history)
    [instance] = gip.predict_body(asked, gip.ImageOptions())["instances"]
    [content] = gip.generate_body(asked, gip.ImageOptions())["contents"]
    told = [part["text"] for part in content["parts"]]
    assert told == ["a fox", "again, please"]
    assert instance["prompt"] == "\n\n".join(told)


# ── Pictures in a model's words


def words_and_pictures(body: str, size: int) -> list[Any]:
    """What a body in pieces of that size brings: words as they are, pictures' bytes."""
    reader, events = gip.ObjectReader(), list[gip.Event]()
    data = body.encode()
    for start in range(0, len(data), size):
        for received, blobs in reader.feed(data[start : start + size]):
            events += gip.read_events(received, blobs)
    assert reader.end()
    joined = gathered(events)
    return [e.text if isinstance(e, gip.Text) else e for e in joined]


def test_a_data_uri_in_words_is_a_picture_wherever_the_bytes_are_cut() -> None:
    picture = gip.Image(PNG, "image/png")
    uri = f"data:image/png;base64,{PNG_64}"
    tables = (
        (f"Here: {uri} It is.", ["Here: ", picture, " It is."]),
        (f"![A fox]({uri})\n", [picture, "\n"]),
        (f"a {uri}, {uri}.", ["a ", picture, ", ", picture, "."]),
        (f'<img src="{uri}">', ['<img src="', picture, '">']),
        ("data:image/png;base64 is how", ["data:image/png;base64 is how"]),
        ("base64,QUJD ;base64,QUJD", ["base64,QUJD ;base64,QUJD"]),
    )

    def check(words: str, expected: list[Any]) -> None:
        said = {"candidates": [{"content": {"parts": [{"text": words}]}}]}
        plain = json.dumps(said)
        escaped = plain.replace("/", "\\/").replace("=", "\\u003d")
        for body in (plain, escaped):
            for size in (1, 2, 3, 5, 7, 16, 64, len(body)):
                assert words_and_pictures(body, size) == expected, (body, size)

    check_rows(tables, check)


def test_only_base64_may_make_an_object_large() -> None:
    huge = base64.b64encode(PNG + bytes(2 * gip.MAX_OBJECT_BYTES)).decode()
    text = {"text": f"![](data:image/png;base64,{huge})"}
    body = json.dumps({"candidates": [{"content": {"parts": [text]}}]})
    [picture] = words_and_pictures(body, 65_536)
    assert len(picture.data) > 2 * gip.MAX_OBJECT_BYTES
    with pytest.raises(gip.ResponseTooLarge):
        words_and_pictures(body.replace("base64", "base65"), 65_536)
