"""Directives: what a prompt can make the stand-in do.

A directive stands in double brackets in the last text of the last user turn, as in
`a fox [[wait 2]] [[status 503]]`. Several can be combined. `DIRECTIVES` below is the
whole list, each with what it does; a directive that is not in it is answered with an
error that says so. Requests are checked as strictly as ever before a directive acts.

`[[first 2 …]]`, with any other directive for the dots, acts only the first two times
that the prompt comes: several requests of one prompt can so be answered differently.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dev.standin.errors import BY_STATUS, CANONICAL, GoogleError

ALL = 1_000


@dataclass
class Script:
    """What the directives of one prompt ask for."""

    # time
    wait: float = 0.0
    pause: float = 0.0
    trickle: float = 0.0
    # the connection
    cut: bool = False
    cut_at: int | None = None
    cut_clean: bool = False
    reset: bool = False
    # failures
    error: str = ""
    error_delay: str = ""
    sentence: str = ""
    fail_first: int = 0
    refuse: list[str] = field(default_factory=list)
    # what the answer holds
    size: int = 0
    images: int = 1
    text_only: bool = False
    no_text: bool = False
    square: bool = False
    plain: bool = False
    pixels: tuple[int, int] | None = None
    say: str | None = None
    finish: str = ""
    keep_picture: bool = False
    block: str = ""
    empty: str = ""
    drafts: bool = False
    drafts_only: bool = False
    think: str | None = None
    usage: Any = None
    grounding: Any = None
    no_finish: bool = False
    midstream: str = ""
    search: bool = False
    relay: bool = False
    mislabel: bool = False
    bad_base64: bool = False
    bad_picture: bool = False
    deprecated: bool = False
    continues: int = 0
    elsewhere: bool = False
    # how the answer is written
    framing: str = ""
    snake: bool = False
    comments: bool = False
    no_content_type: bool = False
    deep: bool = False
    endless: bool = False
    filtered: int = 0


Found = re.Match[str]
_SIZE = {"": 1, "KB": 1_000, "MB": 1_000_000}


@dataclass(frozen=True)
class Directive:
    """One directive: its pattern, what it does, and how it marks the script."""

    pattern: str
    meaning: str
    apply: Callable[[Script, Found], None]


def _sets(**values: object) -> Callable[[Script, Found], None]:
    def apply(script: Script, found: Found) -> None:
        for name, value in values.items():
            setattr(script, name, value)

    return apply


def _seconds(name: str, default: float = 0.0) -> Callable[[Script, Found], None]:
    def apply(script: Script, found: Found) -> None:
        setattr(script, name, float(found["n"] or default))

    return apply


def _text(name: str) -> Callable[[Script, Found], None]:
    return lambda script, found: setattr(script, name, found["x"] or "")


def _size(script: Script, found: Found) -> None:
    script.size = int(float(found["n"]) * _SIZE[found["unit"] or ""])


def _pixels(script: Script, found: Found) -> None:
    script.pixels = int(found["width"]), int(found["height"])


def _cut(script: Script, found: Found) -> None:
    script.cut = True
    script.cut_at = int(found["n"]) if found["n"] else None
    script.reset = found["how"] == "reset"
    script.cut_clean = bool(found["clean"])


def _error(script: Script, found: Found) -> None:
    script.error = found["x"]
    _known(script.error)


def _quota(script: Script, found: Found) -> None:
    script.error = found["x"] or "minute"
    script.error_delay = found["delay"] or ""


def _status(script: Script, found: Found) -> None:
    script.error = _by_status(found["n"])


def _fail(script: Script, found: Found) -> None:
    what = found["x"] or "503"
    script.fail_first = int(found["n"])
    script.error = _by_status(what) if what.isdigit() else what
    script.error_delay = found["delay"] or ""
    _known(script.error)


def _by_status(code: str) -> str:
    if int(code) not in BY_STATUS:
        raise GoogleError(400, f"stand-in: no canonical error has status {code}")
    return BY_STATUS[int(code)]


def _known(name: str) -> None:
    if name not in CANONICAL:
        raise GoogleError(
            400, f"stand-in: no error is named '{name}'; there are {list(CANONICAL)}"
        )


def _refuse(script: Script, found: Found) -> None:
    script.refuse.append(found["x"])


def _text_base64(name: str) -> Callable[[Script, Found], None]:
    return lambda script, found: setattr(
        script, name, base64.b64decode(found["x"]).decode()
    )


def _json_base64(name: str) -> Callable[[Script, Found], None]:
    return lambda script, found: setattr(
        script, name, json.loads(base64.b64decode(found["x"]))
    )


def _finish_with_picture(script: Script, found: Found) -> None:
    script.finish = found["x"]
    script.keep_picture = True


def _empty(script: Script, found: Found) -> None:
    script.empty = found["x"] or "candidates"


def _filtered(script: Script, found: Found) -> None:
    script.filtered = int(found["n"] or ALL)


def _count(name: str) -> Callable[[Script, Found], None]:
    return lambda script, found: setattr(script, name, int(found["n"] or 1))


_N = r"(?P<n>\d+(?:\.\d+)?)"
_DELAY = r"(?: (?P<delay>[\d.]+s))?"

DIRECTIVES: tuple[Directive, ...] = (
    # -- time
    Directive(rf"wait {_N}", "N seconds before the first byte", _seconds("wait")),
    Directive(rf"pause {_N}", "N seconds between text and picture", _seconds("pause")),
    Directive(
        rf"trickle(?: {_N})?",
        "the body in small slices over N seconds (5)",
        _seconds("trickle", 5),
    ),
    # -- the connection
    Directive(
        r"(?P<how>cut|reset)(?: (?P<n>\d+))?(?P<clean> clean)?",
        "ends after N bytes of the body, else in the middle of it: `cut` closes, "
        "`reset` resets TCP; `cut clean` ends the HTTP message properly",
        _cut,
    ),
    # -- failures (names in errors.CANONICAL)
    Directive(r"error (?P<x>.+)", "the canonical error of that name", _error),
    Directive(
        r"error64 (?P<x>.+)",
        "400 with exactly this sentence, given as base64",
        _text_base64("sentence"),
    ),
    Directive(
        rf"(?:status )?429 (?P<x>minute|day|zero|prepaid|bare){_DELAY}",
        "a quota error, with another retryDelay if one is given",
        _quota,
    ),
    Directive(r"status (?P<n>\d{3})", "the usual error of an HTTP status", _status),
    Directive(
        rf"fail (?P<n>\d+)(?: (?!then)(?P<x>[a-z0-9 ]*?[a-z0-9]))?{_DELAY}"
        r"(?: then ok)?",
        "fails the first N times that this prompt comes (503, or the status or error "
        "named), then answers: `fail 2`, `fail 1 minute 2s`, `fail 2 500 then ok`",
        _fail,
    ),
    Directive(
        r"refuse (?P<x>\w+)", "400 naming this field wherever it is present", _refuse
    ),
    # -- what the answer holds
    Directive(
        r"size (?P<n>\d+(?:\.\d+)?) ?(?P<unit>KB|MB)?",
        "a noise picture of about that many bytes",
        _size,
    ),
    Directive(r"images (?P<n>\d+)", "N pictures in one answer", _count("images")),
    Directive(r"text only", "text and no picture", _sets(text_only=True)),
    Directive(r"no text", "a picture and no text", _sets(no_text=True)),
    Directive(
        r"square",
        "1:1 at 1K, as from a relay that drops imageConfig",
        _sets(square=True),
    ),
    Directive(
        r"pixels (?P<width>\d{1,4})x(?P<height>\d{1,4})",
        "a picture of so many pixels, whatever was asked",
        _pixels,
    ),
    Directive(
        r"plain", "a picture of one colour, which is quickly made", _sets(plain=True)
    ),
    Directive(r"say (?P<x>.*)", "the model's text, exactly this", _text("say")),
    Directive(r"say64 (?P<x>.*)", "the same, given as base64", _text_base64("say")),
    Directive(
        r"finish (?P<x>\w+) with picture",
        "that finishReason although a picture came",
        _finish_with_picture,
    ),
    Directive(r"finish (?P<x>\w+)", "no picture, that finishReason", _text("finish")),
    Directive(r"block (?P<x>\w+)", "promptFeedback.blockReason", _text("block")),
    Directive(
        r"empty(?: (?P<x>\w+))?",
        "an empty answer: candidates (default), missing, nullcandidates, nocontent, "
        "content, role, parts, nullparts, text, object, stream",
        _empty,
    ),
    Directive(r"drafts", "thoughts with drafts, then the picture", _sets(drafts=True)),
    Directive(
        r"drafts only",
        "thoughts with drafts and no final picture",
        _sets(drafts=True, drafts_only=True),
    ),
    Directive(
        r"think64 (?P<x>.*)",
        "a thought of exactly this text, given as base64",
        _text_base64("think"),
    ),
    Directive(
        r"usage64 (?P<x>.*)",
        "usageMetadata of exactly this JSON, given as base64",
        _json_base64("usage"),
    ),
    Directive(
        r"ground64 (?P<x>.*)",
        "groundingMetadata of exactly this JSON, given as base64",
        _json_base64("grounding"),
    ),
    Directive(r"no finish", "a picture and no finishReason", _sets(no_finish=True)),
    Directive(
        r"midstream error",
        'a picture, then `data: {"error": …}`',
        _sets(midstream="sse"),
    ),
    Directive(
        r"midstream raw error",
        "a picture, then a pretty-printed error without `data:`",
        _sets(midstream="raw"),
    ),
    Directive(r"search", "grounding metadata", _sets(search=True)),
    Directive(r"relay", "the picture as a data URI in the text", _sets(relay=True)),
    Directive(r"mislabel", "PNG named JPEG and vice versa", _sets(mislabel=True)),
    Directive(r"bad base64", "a picture that is not base64", _sets(bad_base64=True)),
    Directive(r"bad picture", "base64 of something else", _sets(bad_picture=True)),
    Directive(
        r"deprecated",
        "modelStatus says the model is deprecated",
        _sets(deprecated=True),
    ),
    Directive(
        r"continue (?P<n>\d+)",
        "so many times words and CONTINUATION before the picture",
        _count("continues"),
    ),
    Directive(r"elsewhere", "the picture's address in fileData", _sets(elsewhere=True)),
    # -- how the answer is written
    Directive(r"json", "one JSON object, whatever was asked", _sets(framing="json")),
    Directive(r"array", "a JSON array, whatever was asked", _sets(framing="array")),
    Directive(r"snake", "snake_case field names", _sets(snake=True)),
    Directive(
        r"comments",
        "SSE comments, blank events, `data:` without a space, bare line feeds",
        _sets(comments=True),
    ),
    Directive(r"no content type", "no such header", _sets(no_content_type=True)),
    Directive(r"deep json", "JSON nested too deeply to parse", _sets(deep=True)),
    Directive(r"endless", "one line without end (300 MB)", _sets(endless=True)),
    # -- :predict
    Directive(
        r"predict filtered(?: (?P<n>\d+))?",
        "the first N pictures filtered; without N all, and no `predictions`",
        _filtered,
    ),
)

_BRACKETS = re.compile(r"\[\[(.+?)\]\]", re.DOTALL)
_FIRST = re.compile(r"first (\d+) (.+)", re.DOTALL)


def parse(prompt: str, coming: int = 1) -> Script:
    """The script of a prompt that comes for the so-manieth time; GoogleError for a
    directive that does not exist."""
    script = Script()
    for text in _BRACKETS.findall(prompt):
        first = _FIRST.fullmatch(text)
        # What acts no more is still looked at, for it may not exist.
        acts = not first or coming <= int(first[1])
        _apply(first[2] if first else text, script if acts else Script())
    return script


def without_directives(prompt: str) -> str:
    """The prompt as a model would read it."""
    return _BRACKETS.sub("", prompt).strip()


def _apply(text: str, script: Script) -> None:
    for directive in DIRECTIVES:
        found = re.fullmatch(directive.pattern, text, re.DOTALL)
        if found:
            directive.apply(script, found)
            return
    raise GoogleError(400, f"stand-in: there is no directive [[{text}]]")
