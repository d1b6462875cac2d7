"""
title: Gemini Image Pipe
author: The gemini_image_pipe authors
version: 0.2.0
license: MIT
description: Google's image models (Nano Banana, Gemini Image, Imagen) as chat models. Pick one, write, see the picture, ask for a change.
required_open_webui_version: 0.6.5
icon_url: data:image/svg+xml,%3Csvg%20xmlns='http://www.w3.org/2000/svg'%20viewBox='0%200%2020%2020'%3E%3Cpath%20d='M10%203H5a3%203%200%200%200-3%203v9a3%203%200%200%200%203%203h9a3%203%200%200%200%203-3v-5'%20fill='none'%20stroke='%234285f4'%20stroke-width='1.8'%20stroke-linecap='round'/%3E%3Cpath%20d='M5%2011c3%202.5%206.5.5%207-4.5%203%205.5-2%2010-6.5%207z'%20fill='%23f2a600'%20stroke='%23f2a600'%20stroke-linejoin='round'/%3E%3Ccircle%20cx='16'%20cy='4'%20r='2.8'%20fill='%2334a853'/%3E%3C/svg%3E
"""

import ast
import asyncio
import base64
import binascii
import codecs
import concurrent.futures
import contextlib
import enum
import fnmatch
import hashlib
import http.client
import inspect
import io
import itertools
import json
import logging
import math
import os
import random
import re
import socket
import ssl
import struct
import sys
import threading
import time
import unicodedata
import uuid
import zlib
from collections import Counter, deque
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from functools import cached_property, lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, unquote_to_bytes, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import requests
import urllib3
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

log = logging.getLogger("gemini_image_pipe")

# ── Limits ────────────────────────────────────────────────────────────────────────────
# Every bound in one place, with its reason. Seconds, bytes, pixels and characters.

# Of a request.
MAX_MESSAGE_CHARACTERS = 65_536  # of one message: more than a prompt of any model takes
MESSAGE_END_CHARACTERS = 4_096  # of them those at its end, where wishes and flags stand
MAX_HISTORY_CHARACTERS = 60_000  # enough for any prompt; older turns are left out
# Of all documents together: about 15,000 tokens of English, up to four times as many of
# other scripts, and all are billed; the smallest model takes 32,768.
MAX_DOCUMENT_CHARACTERS = 60_000
MAX_DOCUMENTS = 200  # that are listed with a chat, or pieces of some in one frame
MAX_PDF_BYTES = 50_000_000  # Google's limit for one
MAX_MESSAGES = 2_000  # that are looked at, the newest ones
MAX_PATTERN_CHARACTERS = 1_000_000  # of all messages that patterns look at
MAX_WRAPPED_CHARACTERS = (
    1_000_000  # of a message in which frames of the host's are found
)
MAX_DATA_URIS = 1_000  # that are looked for in a text; what follows is words
MAX_PARTS = 1_000  # of one message
MAX_BLOCKS = 200  # of the host's in one message, each a thought or a list of files
MAX_TAG_CHARACTERS = 400  # in which the end of such a block's tag is looked for
MAX_ADDRESS_CHARACTERS = 2_000  # of a picture that is not part of the message
MAX_NAME_CHARACTERS = 2_000  # of a name or title before it is cleaned
MAX_NAMED_SETTINGS = 40  # of those left out; more are no wishes of anybody
MAX_SETTING_NAME_CHARACTERS = 40
MAX_FLAGS = 50  # more at the end of a prompt are no wish, and take the host's time
MAX_FLAG_CHARACTERS = (
    200  # of the end of a prompt, in which its last flag is looked for
)
MAX_PICTURES_PER_PROMPT = 4  # each is a request of its own and billed as one
MAX_INPUT_IMAGES = 14  # of models that this file does not know
MAX_FILE_RECORDS = 64  # of bare ids that are looked up; no model takes as many pictures
FILE_HEAD = 32  # bytes, which tell what a picture is
MAX_LOST_PICTURES = 32  # in whose place older ones are looked for, one by one
MAX_PICTURE_BYTES = 70_000_000  # together; as base64 below Google's 100 MB for all
MAX_VERTEX_PICTURE_BYTES = 7_000_000  # of each; Vertex AI's limit for a part of a body
# Together of the attached ones, before they are made to fit into a request.
MAX_READ_BYTES = 2 * MAX_PICTURE_BYTES
# Of all requests of a worker together; of one user half, which is MAX_READ_BYTES.
MAX_HELD_BYTES = 2 * MAX_READ_BYTES
MAX_PIXELS = 250_000_000  # of a picture that goes as it is: no camera makes more
# Of one picture that has to be decoded, until it is saved again; by what a pixel takes
# in its format, that is how many pixels it may have. One at a time is.
MAX_DECODING_BYTES = 270_000_000
MAX_WEBP_PIXELS = 6_000_000  # that are encoded: each takes 37 bytes for that
MAX_PICTURE_BLOCKS = 50_000  # chunks, segments or boxes; honest ones have hundreds
MAX_JPEG_PASSES = 100  # each goes over the whole picture; encoders make about ten
MAX_TAGS = 1_000  # of one directory of a TIFF, or items of an AVIF
MAX_AV1_UNITS = 8_000  # of all items of an AVIF; honest ones have about four each
MAX_TAG_BYTES = 4_000_000  # that they hold together: profiles take about one
MAX_DIRECTORIES = 8  # of a TIFF that are read: the picture's, the camera's, the place's
MAX_STRIPS = 20_000  # of a TIFF; Pillow makes an object for each
MAX_TILE_PIXELS = 4_000_000  # of a TIFF that is smaller than one tile
MAX_CODED = 4  # times the pixels that an AVIF declares: its colours and its mask
MAX_SIDE = 16_000  # pixels; WebP holds no more
MAX_SAVINGS = 12  # of one that is too large: each has four fifths of the pixels at most
MAX_EXIF_BYTES = 65_536  # that are looked at; a segment of a JPEG holds no more
MAX_GATEWAY_HEADERS = 20  # more are no setting any more
MAX_HEADER_CHARACTERS = 4_096  # of one's text; servers take 8 KB of all together
MAX_KEY_CHARACTERS = 512  # Google's have about 40, tokens of gateways a few hundred
MAX_ACCOUNT_CHARACTERS = 20_000  # of a service account's JSON, which has about 2,400
MAX_KEYS = 20  # of one list; each may cost an answer a request in vain
MAX_MODELS_ASKED = 4  # for one prompt: the one that was chosen, and successors
# For one prompt, beyond each request and its retries: for successors, dropped settings,
# the second chance after "no image", and the try without a system prompt. Beyond these
# there is one for each further key: n × (1 + MAX_RETRIES) + 4 + (keys − 1) in all.
MAX_EXTRA_REQUESTS = 4
MAX_LEDGER_USERS = 10_000  # whose spending a worker remembers beyond the records
MAX_USD = 1_000_000.0  # of any sum that is set
MAX_AMOUNT_CHARACTERS = 700  # in which it is typed

# Of an answer.
MAX_RESPONSE_BYTES = 200_000_000  # four pictures in 4K, as base64, several times over
MAX_OBJECT_BYTES = 2_000_000  # of JSON without its pictures; it is parsed in one go
MAX_WORDS_CHARACTERS = 1_000_000  # of one answer, and as many of its thoughts
MAX_PICTURES_PER_REQUEST = 32  # that are kept; Google makes one, a gateway any number
MAX_PICTURES = 64  # of one answer
MAX_ERROR_CHARACTERS = 4_096  # of a message or a detail, before any pattern sees it
MAX_ERROR_DETAILS = 32
MAX_NESTED_ERRORS = 6  # so many gateways in a row do happen; deeper is no honest one
MAX_GROUNDING_CHUNKS = 200  # that are looked at for pages
MAX_INTERIM_RESPONSES = 16  # such as 103 Early Hints, before the response
MAX_STRAY_BYTES = 65_536  # of what is no JSON: enough to see what it is
MAX_SOURCES = 20  # pages of a search that are shown, and as many of its queries
MAX_CONTINUATIONS = 8  # requests for the rest of one answer, each billed
MAX_REFUSALS = 16  # of one answer that are kept; the first of them is shown
MAX_LOOKED_BACK = 8  # events in which one that says the same again is looked for
MAX_OBJECTS_KEPT = 10  # of an answer's JSON, for the case that nothing is to be shown
MAX_BATCHES = 8  # of events that wait for the event loop; then the thread waits, too
MAX_EVENTS_IN_A_ROW = 8  # after which the event loop gets its turn
MAX_ALT_CHARACTERS = 80
MAX_FILE_NAME_CHARACTERS = 60  # without number and ending
# The host puts 37 in front; file systems take 255, encrypted ones 143.
MAX_FILE_NAME_BYTES = 90
MAX_TITLE_CHARACTERS = 50
MAX_FOLLOW_UPS = 4  # a host shows five; more are no help to choose

# Of time, in seconds.
CONNECT_TIMEOUT = 10.0
MAX_WAIT = 30.0  # before the next try; who asks for more is not waited for
MAX_SETTING = 86_400  # of any number; a day: sockets take no time limit of centuries
DOCUMENT_PAUSES = (0.5, 1.0, 1.5)  # while the host still reads documents, all of them
STORE_PAUSE = 1.0  # before the second attempt to store a picture
STORE_TIMEOUT = 60.0  # for both; a storage that hangs must not keep a picture back
QUESTION_TIMEOUT = 60.0  # for the answer to a question at the page; the host has none
SUM_TIMEOUT = 10.0  # of the host's database, for what a user has spent
IDLE_THREAD = 2.0  # for which a thread stays that has nothing to do
CLEANING_UP = 2.0  # for what is under way when an answer is stopped
KEEP_ALIVE = 15.0  # without a piece; proxies before API clients hang up after 60
# At these the status says that the work goes on, or how many are before it in line; then
# as often as the last one says. The host saves each.
HEARTBEATS = (15, 30, 60)
LINE_LOOK = 1.0  # how often it is looked whether a wait in line has begun or is over
NOTICEABLE_WAIT = 0.1  # in line, of all the time; a message on too little time names it
# After it the page of a new chat is sure to know the chat's id. Those of Open WebUI 0.9
# to 0.11 learn it from the answer to their request, which a slow line or phone brings
# late, and drop for good whatever reaches them before.
NEW_CHAT_KNOWN = 1.5
# Between two pieces of an answer, in which the event loop gets its turn: it would else
# wait for the interpreter's switch interval of 5 ms each time.
PAUSE = 0.0003
SLICE = 65_536  # bytes; the interpreter lock is held for about 0.2 ms for one

# Of the list of models.
LIST_TIMEOUT = 20.0
LIST_WAIT = 2.5  # the host's own list waits no longer than this
LIST_LIFETIME = 600.0
LIST_RETRY = 30.0  # after a failure
MAX_LIST_PAGES = 50
MAX_LIST_BYTES = 4_000_000  # of one page, with a thousand models as Google lists them
MAX_LISTED_MODELS = 2_000  # of all kinds
MAX_MODELS = 500  # that are offered
MAX_MODEL_NAME_CHARACTERS = 80
MAX_LANGUAGE_CHARACTERS = 200  # of a list of languages, which programs send
MAX_LISTS = 500  # that a worker keeps: users may bring keys of their own
MAX_MODELS_KEPT = 50_000  # of all lists; one takes about 700 bytes

# Of access tokens for Google Cloud.
TOKEN_TIMEOUT = 20.0  # for one, with all tries
# Before its end, from which on it is renewed: a machine's metadata server hands over
# the same one until four minutes before its end.
TOKEN_MARGIN = 225.0
TOKEN_LIFETIME = 3600.0  # of one that names no end; Google's have an hour
TOKEN_LOOK = 0.1  # how often one who waits for another's renewal looks for Stop
MAX_TOKEN_BYTES = 65_536  # of an answer with one, which has about 1,100
MAX_ACCOUNTS = 20  # that a worker keeps tokens of: settings change
# Of several keys.
KEY_REST = 60.0  # after a failure that says no time of its own
MAX_KEY_LISTS = 500  # of which a worker knows who rests, as with the lists of models
MAX_RESTS = 500  # of one list's keys from models; a gateway may refuse any number

# ── Words ─────────────────────────────────────────────────────────────────────────────
# Texts: fields of JSON, cleaning, cutting, masking; and notes, which are data here and
# become sentences in Messages.


@dataclass(frozen=True)
class Note:
    """Something to tell the reader; `Messages` has the sentence for its kind.

    values: what the sentence's placeholders stand for, by name; one that is a note
    itself becomes words with it.
    """

    kind: str
    values: tuple[tuple[str, Any], ...] = ()


def make_note(kind: str, **values: Any) -> Note:
    """A note of that kind."""
    return Note(kind, tuple(values.items()))


def get_field(value: Any, name: str) -> Any:
    """A field of a JSON object by its camelCase name, or by its snake_case twin.

    Google answers in camelCase; some gateways in snake_case.
    """
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return value.get(re.sub(r"([A-Z])", lambda m: "_" + m[1].lower(), name))


def as_list(value: Any) -> list[Any]:
    """The list, or an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_str(value: Any) -> str:
    """The text, or an empty one for anything else."""
    return value if isinstance(value, str) else ""


def as_word(value: Any) -> str:
    """A setting as text: it may have come as text or as any JSON value."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return str(value) if 0 <= value < 1_000_000 else ""
    return value.strip() if isinstance(value, str) else ""


def as_whole(text: str) -> int | None:
    """The whole number of at most six digits that a text is, or None."""
    return int(text) if re.fullmatch(r"[0-9]{1,6}", text) else None


# Every sentence of ours in an answer starts with one of these, so that it can be told
# from the model's words when the chat comes back as history.
NOTE_MARK = "> ℹ️ "
FAILURE_MARK = "> ⚠️ "

NOT_PRINTED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]+"
)
# What no text needs: controls but tab and line breaks, and what turns the direction.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff]+"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKDOWN_SIGNS = re.compile(r"[\[\]()<>`*_~|\\!#&$\"{}]+")
_MARKDOWN_PICTURE = re.compile(
    r"!\[[^\[\]\n]{0,300}\]\([^()\s]{0,2000}(?:\s[^()\n]{0,300})?\)"
)
_DATA_URI_HEAD = re.compile(r"data:image/[\w.+-]{1,40}(?:;[\w.=+-]{1,80}){0,4}")
_MAX_DATA_URI_HEAD = 400
_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]*")
# What stands for a data URI in a text while patterns look at that.
_TOKEN = re.compile(r"\0([0-9]{1,6})\0")
# A picture in a message: such a token, the address in markdown, or what may be one in
# plain text. The last takes in all of an address, so that no sign is looked at twice.
_PICTURE_ADDRESS = re.compile(
    r"\0[0-9]{1,6}\0|"
    r"!\[[^\[\]\n]{0,300}\]\(<?([^()\s<>]{1,2000})>?(?:\s[^()\n]{0,300})?\)|"
    r"(?<!\]\()(?<!\]\(<)(?:https?:/|(?<![\w/.:-]))(/[\w%/.~:@!$&*+,;=?#-]{1,2000})",
    re.ASCII,
)
PICTURE_ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif"),
    *(".gif", ".bmp", ".tif", ".tiff", ".avif"),
)
_FILE_ID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
FILE_ID = re.compile(_FILE_ID)
# A file's address at the host: its origin, if it is absolute, and the file's id.
FILE_LINK = re.compile(
    rf"(https?://[^/]+)?(?:/[\w.-]+)*/api/v1/files/({_FILE_ID})(?:/content)?.*"
)


def without_surrogates(text: str) -> str:
    """The text without halves of characters, which no page can be sent."""
    return _LONE_SURROGATE.sub("\ufffd", text)


def map_strings(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each of its texts as `change` returns it. Raises
    RecursionError."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [map_strings(item, change) for item in value]
    if isinstance(value, dict):
        return {name: map_strings(item, change) for name, item in value.items()}
    return value


def clean_strings(value: Any) -> Any:
    """A JSON value whose texts hold nothing that no page can be sent or show: halves
    of characters, controls, signs that turn the direction. Raises RecursionError."""
    return map_strings(value, lambda t: _CONTROLS.sub("", without_surrogates(t)))


def cut_data_uris(text: str) -> tuple[str, list[str]]:
    """The text with a short token in place of each picture that is part of it, and
    these in their order. Nothing but `str.find` sees the whole text."""
    if "data:image/" not in text:
        return text.replace("\0", " "), []
    text = text.replace("\0", " ")
    kept: list[str] = []
    found: list[str] = []
    at = 0
    for _ in range(MAX_DATA_URIS):
        if (start := text.find("data:image/", at)) < 0:
            break
        comma = text.find(";base64,", start, start + _MAX_DATA_URI_HEAD)
        kept.append(text[at:start])
        if comma >= 0 and _DATA_URI_HEAD.fullmatch(text, start, comma):
            run = _BASE64.match(text, comma + len(";base64,"))
            at = run.end() if run else comma
            kept.append(f"\0{len(found)}\0")
            found.append(text[start:at])
        else:
            at = start + len("data:image/")
            kept.append(text[start:at])
    return "".join(kept) + text[at:], found


def picture_addresses(text: str, data_uris: Sequence[str]) -> list[str]:
    """The addresses of the pictures in a text from which the data URIs are cut.

    One in plain text counts if it is a file's at the host, or ends as a picture's
    does: whoever wrote it expects it to be looked at, or to be told why it is not.
    """
    addresses: list[str] = []
    for found in _PICTURE_ADDRESS.finditer(text):
        address = found[1] or found[0].rstrip(".,;:!?")
        is_token = _TOKEN.search(address)
        if not is_token and (not found[2] or _is_picture_s(address)):
            addresses.append(address)
        # One may stand where markdown has a title.
        addresses += [data_uris[int(token)] for token in _TOKEN.findall(found[0])]
    return addresses


def is_data_uri(address: str) -> bool:
    """Whether an address is no place but the picture itself."""
    return address[:5].lower() == "data:"


def _is_picture_s(address: str) -> bool:
    path = re.split(r"[?#]", address, maxsplit=1)[0].lower()
    # Old hosts kept their pictures there.
    is_somewhere = path.startswith(("http", "/cache/image/"))
    return bool(FILE_LINK.fullmatch(address)) or (
        is_somewhere and path.endswith(PICTURE_ENDINGS)
    )


def without_pictures(text: str) -> str:
    """The text without the pictures that stand in it, as markdown or as tokens."""
    return _TOKEN.sub("", _MARKDOWN_PICTURE.sub("", text))


def cut_middle(
    text: str, most: int = MAX_MESSAGE_CHARACTERS, end: int = MESSAGE_END_CHARACTERS
) -> str:
    """A text's beginning and its end, which are of about so many characters."""
    if len(text) <= most:
        return text
    return f"{text[: most - end]}\n…\n{text[-end:]}"


def plain_words(text: str, limit: int, default: str) -> str:
    """One short line without control, direction or markdown signs, cut at a word; a key
    that somebody has pasted becomes part of no name, record or title."""
    text = without_pictures(cut_data_uris(text[:MAX_NAME_CHARACTERS])[0])
    text = redact(text)
    text = NOT_PRINTED.sub(" ", text)
    text = " ".join(_MARKDOWN_SIGNS.sub(" ", text).split())
    if len(text) > limit:
        text = _cut_at_word(text, limit).rstrip(" ,.;:-") + "…"
    return text or default


def _cut_at_word(text: str, limit: int) -> str:
    """At most so many signs of a text. Where that would leave less than half of them,
    the last word is cut: it may be a whole sentence of a script without blanks."""
    words = text[:limit].rsplit(" ", 1)[0]
    return words if 2 * len(words) >= limit else text[:limit]


# Names that Windows keeps for itself, whatever their ending.
_RESERVED_NAME = re.compile("con|prn|aux|nul|com[0-9]|lpt[0-9]")
# Apostrophes, what chooses the look of the sign before it, and letters nobody sees.
_NOT_IN_FILE_NAMES = re.compile(
    "['’\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]+"
)


def file_stem(text: str) -> str:
    """The beginning of a text as a file's name without its ending; nothing where there
    is no letter in it, or where it is a name that Windows keeps for itself.

    Letters and digits of every script stay, in lower case; hyphens join the words. It
    is safe in file systems, addresses and headers.
    """
    text = plain_words(text, 2 * MAX_FILE_NAME_CHARACTERS, "")
    text = unicodedata.normalize("NFKC", _NOT_IN_FILE_NAMES.sub("", text)).lower()
    words = "".join(map(_in_file_name, text)).split()
    stem = _cut_name(words[0]) if words else ""
    for word in words[1:]:
        longer = f"{stem}-{word}"
        if longer != _cut_name(longer):
            is_short = 2 * len(stem.encode()) < MAX_FILE_NAME_BYTES
            if is_short and not word.isascii():
                stem = _cut_name(longer)
            break
        stem = longer
    is_seen = any(map(str.isalnum, stem))
    return stem if is_seen and not _RESERVED_NAME.fullmatch(stem) else ""


def _in_file_name(sign: str) -> str:
    """A letter or digit, nothing for what is not seen by itself, else a space."""
    category = unicodedata.category(sign)
    if category in ("Cf", "Me"):
        return ""
    return sign if category[0] in "LMN" else " "


def _cut_name(text: str) -> str:
    raw = text[:MAX_FILE_NAME_CHARACTERS].encode()[:MAX_FILE_NAME_BYTES]
    return raw.decode(errors="ignore")


def plain_line(text: str, limit: int) -> str:
    """One line without control and direction signs, cut at `limit` signs."""
    return " ".join(NOT_PRINTED.sub(" ", text[:MAX_NAME_CHARACTERS]).split())[:limit]


def quote_sentence(text: str, limit: int = 300) -> str:
    """Google's sentence as one safe line of a chat message, cut at `limit` signs."""
    text = " ".join(NOT_PRINTED.sub(" ", text[:MAX_ERROR_CHARACTERS]).split())
    text = re.sub(r" ?(?:\* Quota exceeded for metric:|To monitor your ).*", "", text)
    text = re.sub(r"[<>`*{}|\\]+|\[(?!key\])|(?<!\[key)\]", "", text)
    return text if len(text) <= limit else _cut_at_word(text, limit - 1) + "…"


def is_page(raw: bytes | bytearray) -> bool:
    """Whether bytes begin like a web page."""
    return raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def page_text(raw: bytes) -> str:
    """What a web page or an unknown body says, without its markup."""
    return _without_tags(raw[:MAX_STRAY_BYTES].decode("utf-8", "replace"))


_PAGE_BEGINS = re.compile(
    r"<(?:!doctype|html|head|body|title|center|div|h[1-6]|p|pre)\b", re.IGNORECASE
)


def without_markup(text: str) -> str:
    """A sentence as it is, or, where somebody has put a web page into it, its words."""
    return _without_tags(text) if _PAGE_BEGINS.search(text) else text


def _without_tags(text: str) -> str:
    text = re.sub(
        r"<(script|style|head)\b.*?(</\1>|\Z)",
        " ",
        text,
        flags=re.DOTALL | re.IGNORECASE,
    )
    text = re.sub(r"<[^>]*(>|\Z)", " ", text)
    return " ".join(text.split())


_KEYS = re.compile(
    r"AIza[\w-]{20,}|AQ\.[\w.-]{8,}|ya29\.[\w.-]+|(?<=(?i:bearer) )[\w.~+/-]{8,}=*"
    r"|\beyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*|-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"
    r"(?s:.*?(?:-----END [A-Z ]{0,20}PRIVATE KEY-----|\Z))"
    r"|(?<=[?&]key=)[^&\s]+"
)


def redact(text: str, *secrets: str) -> str:
    """The text with everything that looks like a key, and the given secrets, masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= 4:
            text = text.replace(secret, "[key]")
    return _KEYS.sub("[key]", text)


# A key that is shorter, such as "none", may be a word like others.
_SHORTEST_KEY = 8
_HTML_NAMES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
# A sign as addresses, pages and JSON write it, and what may become that at the end of a
# piece of text.
_SPELLED = re.compile(
    r"%([0-9A-Fa-f]{2})|&#[xX]0{0,4}([0-9A-Fa-f]{2});?|\\{1,8}u00([0-9A-Fa-f]{2})"
    r"|&#0{0,4}([0-9]{2,3});?|&(amp|lt|gt|quot|apos);|\\{1,8}([^\w\s\\\0])|\0"
)
_OPEN_SPELLING = re.compile(
    r"(?:%[0-9A-Fa-f]?|&(?:#(?:[xX]?0{0,4}[0-9A-Fa-f]{0,3})?|[a-z]{0,4})?"
    r"|\\{1,8}(?:u0{0,2}[0-9A-Fa-f]?)?)\Z"
)
_LONGEST_SPELLING = 16


def _unspelled(text: str) -> tuple[str, list[int]]:
    """The text with every spelled sign as it is, and where in the text each stood; the
    last place is the text's end. The sign of `_apart` is left out."""
    signs: list[str] = []
    places: list[int] = []
    at = 0
    for found in _SPELLED.finditer(text):
        signs.append(text[at : found.start()])
        places += range(at, found.start())
        at = found.end()
        if found[0] == "\0":
            continue
        code = found[1] or found[2] or found[3]
        named = _HTML_NAMES.get(found[5] or "", found[6])
        signs.append(named or chr(int(code, 16) if code else int(found[4])))
        places.append(found.start())
    places += range(at, len(text) + 1)
    return "".join(signs) + text[at:], places


def mask_keys(text: str, keys: Iterable[str]) -> str:
    """Somebody else's words without the keys, which a gateway may repeat: as they are,
    or percent-encoded, or escaped as in HTML or JSON."""
    return _masked(text, _maskable(keys))


def scrubbed(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets, however they are spelled, and without anything
    that looks like a key."""
    return redact(mask_keys(text, secrets), *secrets)


def mask_strings(value: Any, *keys: str) -> Any:
    """A JSON value with the keys masked in all its texts."""
    masked = _maskable(keys)
    return map_strings(value, lambda text: _masked(text, masked))


def _maskable(keys: Iterable[str]) -> tuple[str, ...]:
    """Those that are looked for, longest first: one may begin as another goes on."""
    found = {key for key in keys if len(key) >= _SHORTEST_KEY}
    return tuple(sorted(found, key=lambda key: (-len(key), key)))


def _masked(text: str, keys: Sequence[str]) -> str:
    for key in keys:
        text = text.replace(key, "[key]")
    if not keys or not _may_be_spelled(text):
        return text
    text = _without_spelled(text.replace("\0", ""), keys)
    return _without_spelled(_apart(text, keys), keys).replace("\0", "")


def _may_be_spelled(text: str) -> bool:
    return "%" in text or "&" in text or "\\" in text


def _apart(text: str, keys: Iterable[str]) -> str:
    """The text with a sign before each beginning of a key, so that none is taken as a
    part of a spelling before it, as in "%2AIza". All at once: people choose how many
    beginnings there are."""
    beginnings = "|".join(sorted({re.escape(key[:2]) for key in keys}))
    return re.sub(f"(?={beginnings})", "\0", text)


def _without_spelled(text: str, keys: Iterable[str]) -> str:
    plain, places = _unspelled(text)
    kept, at = [], 0
    for start, end in _spans(plain, keys):
        kept += [text[at : places[start]], "[key]"]
        at = places[end]
    return "".join(kept) + text[at:]


def _spans(text: str, keys: Iterable[str]) -> list[tuple[int, int]]:
    """Where the keys stand in a text, in order; those that overlap are one."""
    found: list[tuple[int, int]] = []
    for key in keys:
        start = text.find(key)
        while start >= 0:
            found.append((start, start + len(key)))
            start = text.find(key, start + len(key))
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if merged and start < merged[-1][1]:
            start, last = merged.pop()
            end = max(end, last)
        merged.append((start, end))
    return merged


class KeyMask:
    """Masks keys in a text that arrives in pieces, over their seams: the longest end
    that could begin one is held back."""

    def __init__(self, *keys: str) -> None:
        self._keys: tuple[str, ...] = ()
        self._held = ""
        self.add(*keys)

    def add(self, *keys: str) -> None:
        """Mask these as well; of one that is too long, its beginning."""
        cut = {key[:MAX_KEY_CHARACTERS] for key in keys}
        if cut.difference(self._keys):
            self._keys = _maskable(cut.union(self._keys))

    def feed(self, text: str) -> str:
        """The next piece, masked."""
        if not self._keys:
            return text
        text = _masked(self._held + text, self._keys)
        kept = len(text) - self._beginning_at_end(text)
        text, self._held = text[:kept], text[kept:]
        return text

    def rest(self) -> str:
        """What was held back, when nothing follows that it could begin."""
        held, self._held = self._held, ""
        return held

    def _beginning_at_end(self, text: str) -> int:
        """How many signs at the text's end could begin a key."""
        end = text[-len(self._keys[0]) * _LONGEST_SPELLING :]
        if not _may_be_spelled(end):
            return self._begun(end)
        apart = self._spelled_at_end(_apart(end, self._keys))
        return max(self._begun(end), self._spelled_at_end(end), apart)

    def _spelled_at_end(self, end: str) -> int:
        spelling = _OPEN_SPELLING.search(end, max(len(end) - _LONGEST_SPELLING, 0))
        stop = spelling.start() if spelling else len(end)
        plain, places = _unspelled(end[:stop])
        begun = self._begun(plain)
        start = places[len(plain) - begun] if begun else stop
        return len(end[start:].replace("\0", ""))

    def _begun(self, text: str) -> int:
        """How many signs of a key the text ends with."""
        return max(_begun(key, text) for key in self._keys)


def _begun(key: str, text: str) -> int:
    at = text.find(key[0], max(len(text) - len(key) + 1, 0))
    while at >= 0 and not key.startswith(text[at:]):
        at = text.find(key[0], at + 1)
    return len(text) - at if at >= 0 else 0


# Tags that could fetch something or lead elsewhere in spite of the policy below.
_LEADING_TAGS = re.compile(
    r"<(?=/?(?:meta|link|base|script|i?frame|object|embed|form)\b)", re.I
)
_PAGE_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    "style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">"
)


def quiet_page(html: str) -> str:
    """Somebody else's HTML as a page that runs no script and fetches nothing."""
    return _PAGE_POLICY + _LEADING_TAGS.sub("&lt;", html) if html else ""


# ── Markdown ──────────────────────────────────────────────────────────────────────────
# A model's words as markdown that the host's page may show: what is code stays as it
# is, and outside of it no sign is what it could be mistaken for.

_JOINER = "\u2060"  # keeps signs apart, and no page shows it
_KEPT_APART = rf"\g<0>{_JOINER}"
# What could begin a tag, a picture or a token of the page; at the end of what is known
# of a line, too, since any sign may follow.
_ARMED = re.compile(r"<(?![\s\d=<-])|!(?=\[|\Z)|\{(?=\{|\Z)|◁")
# The same within code: the host looks for its tags there, too (DEFAULT_REASONING_TAGS,
# DEFAULT_SOLUTION_TAGS and DEFAULT_CODE_INTERPRETER_TAGS in its utils/middleware.py),
# as its page does for blocks and for tokens that stand for files.
_ARMED_IN_CODE = re.compile(
    r"<(?=/?(?:think(?:ing)?|reason(?:ing)?|[tT]hought|code_interpreter)(?:[\s>]|\Z)"
    r"|/?(?i:details)|\|(?:begin|end)_of_(?:thought|solution)\|)"
    r"|\{(?=\{(?i:(?:HTML|VIDEO)_FILE_ID_))|◁(?=/?think▷)"
)
_LONGEST_ARMED = 24
_MAY_BE_ARMED = re.compile(r"(?:[<◁]|\{+)[^<{◁]*\Z")
_LONE_RETURN = re.compile(r"\r(?!\n|\Z)")  # the end of a line for every reader
# Words that mean nothing but themselves, wherever they stand.
_ORDINARY = re.compile("(?:[^`~!\\[\\]<{$\\\\:◁\r\n\u2028\u2029]|!(?=[^!\\[]))+")
_FENCE = re.compile("( {0,3})(`{3,}(?=[^`]*\\Z)|~{3,})[^\n]*")
# A list or a quotation, with whose end its code ends.
_CONTAINER = re.compile(r"\s*(?:>|[-+*]\s|\d{1,9}[.)]\s)")
# Languages whose code the page runs or draws as soon as it is there.
_RUN_OR_DRAWN = re.compile(
    r"(?:```|~~~).*(?:html|svg|xml|css|\bjs\b|javascript|mermaid|vega)", re.I
)
# What may swallow the fence of a later block: a fence in a list or a quotation, which
# ends with that; mathematics; the title of an address; a box, also behind what only a
# browser takes for the end of a line.
_FAR_REACHING = re.compile(
    "```|~~~|\\$\\$|\\\\[\\[(a-zA-Z]|\\A[\\s\ufeff]*(?:\\[|:::)|[\u2028\u2029]"
)
# What may swallow the beginning of code that stands later in the same paragraph.
_REACHING = re.compile(r"[\\\[\]~$<]")
_EMPHASIS = re.compile(r"[*_]")
_SPAN = re.compile(r"`([^`\n]+)`(?!`)|``((?:[^`\n]|`(?!`))*[^`\n])``(?!`)")
# Behind a longer word, or one of these signs, code could be the end of an address.
_WORD_BEFORE = re.compile(r"(?:\A|\s)[^\s/.]{0,20}\Z")
_MOST_HELD = 1_000  # signs of one line
_MOST_BEFORE = 64  # that are known of what was passed on of it


def _end_of_part(text: str, start: int) -> int:
    """Where to cut a line that is too long to be held back, not within a tag; 0 if it
    is not."""
    end = start + _MOST_HELD
    if len(text) < end:
        return 0
    armed = _MAY_BE_ARMED.search(text, end - _LONGEST_ARMED, end)
    return armed.start() if armed else end


def _without_known_language(line: str) -> str:
    """A line that may begin code, whose language the page does not know by its name."""
    return line + _JOINER if _RUN_OR_DRAWN.search(line) else line


class SafeThoughts:
    """A model's thoughts as markdown that loads nothing, opens no tag and shows no key.

    Nothing in them counts as code, since the host puts signs before their lines. So no
    line has to be known before it is passed on: a sign at the end of a piece is kept
    apart from whatever follows.
    """

    def __init__(self, *keys: str) -> None:
        self._mask = KeyMask(*keys)
        self.hide = self._mask.add

    def feed(self, text: str) -> str:
        """The next piece, made safe."""
        return _ARMED.sub(_KEPT_APART, self._mask.feed(text))

    def rest(self) -> str:
        """What was held back, when nothing follows that it could begin."""
        return _ARMED.sub(_KEPT_APART, self._mask.rest())


class SafeText:
    """A model's words as markdown that loads no foreign picture, opens no tag and
    shows no key.

    A picture from another website would tell its owner who looks at it; a tag such as
    <details type="reasoning"> or <code_interpreter> is the host's own, as are tokens
    such as {{HTML_FILE_ID_…}}, in whose place its page puts a file. A sign that may
    begin any of them gets one behind it that nobody sees.

    Within code only what the host looks for there is kept apart, and code that its
    page would run or draw is of no language that it knows. Code is what CommonMark and
    the page's parser (marked, with its extensions) agree on under all circumstances:
    a fence at the very beginning of a line, and a span within one line. Where anything
    before it might be read otherwise, all that follows counts as words; they look the
    same. Words arrive in pieces, so a line is held back from its first sign that may
    mean something.
    """

    def __init__(self, *keys: str) -> None:
        self._mask = KeyMask(*keys)
        self.hide = self._mask.add
        self._has_code = True  # whether what looks like code still is, for every reader
        self._has_lists = False  # whether a list or a quotation has begun
        self._held = ""
        self._before = ""  # the end of what was passed on of the same line
        self._fence = ""  # the open one, as the page is likely to see it
        self._begin_paragraph(behind_blank=True)

    def feed(self, text: str) -> str:
        """The next piece, made safe."""
        self._held += self._mask.feed(text)
        return self._pass_on()

    def rest(self) -> str:
        """What was held back, when nothing follows that it could begin; and the end of
        open code, lest it swallow what follows."""
        self._held += self._mask.rest()
        text = self._pass_on()
        gap = "\n" * bool(self._held or self._before)
        if self._held:
            text += self._line(f"{self._held}\n")[:-1]
        end = gap + self._fence if self._fence else ""
        self._held = self._before = self._fence = ""
        self._begin_paragraph(behind_blank=True)
        return text + end

    def follow(self, text: str) -> str:
        """Take the text as known to which the words are added; what ends its code."""
        self._held = f"{text.rstrip()}\n"
        self._pass_on()
        end = self.rest()
        return f"\n{end}" if end else ""

    def _begin_paragraph(self, behind_blank: bool) -> None:
        self._behind_blank = behind_blank
        self._is_clear = True
        self._is_emphasized = False

    def _pass_on(self) -> str:
        """All of the held text whose meaning does not depend on what follows."""
        text, at, kept = _LONE_RETURN.sub("\n", self._held), 0, list[str]()
        while at < len(text):
            if not self._fence and (ordinary := _ORDINARY.match(text, at)):
                kept.append(ordinary[0])
                self._pass_ordinary(ordinary[0])
                at = ordinary.end()
            if end := text.find("\n", at, at + _MOST_HELD) + 1:
                kept.append(self._line(text[at:end]))
            elif end := _end_of_part(text, at):
                kept.append(self._part_of_line(text[at:end]))
            else:
                break
            at = end
        self._held = text[at:]
        return "".join(kept)

    def _pass_ordinary(self, text: str) -> None:
        self._before = (self._before + text)[-_MOST_BEFORE:]
        self._is_emphasized |= bool(_EMPHASIS.search(text))

    def _part_of_line(self, text: str) -> str:
        """A part of a line that is too long to be known before it is passed on."""
        if not self._fence or not text.strip("`~ \t"):
            self._fence, self._has_code = "", False
        self._before = text
        return self._code(text)

    def _code(self, text: str) -> str:
        """What stands in code, if it is code for every reader."""
        is_code = self._fence and self._has_code
        return (_ARMED_IN_CODE if is_code else _ARMED).sub(_KEPT_APART, text)

    def _line(self, line: str) -> str:
        """What is left of a line, with its end."""
        body = line.removesuffix("\n").removesuffix("\r")
        end, whole = line[len(body) :], self._before + body
        if self._fence:
            text = self._line_of_code(body, end)
        elif (opened := _FENCE.fullmatch(whole)) and self._is_open(opened[1]):
            text = self._opened_fence(body, opened[1], opened[2]) + end
        else:
            text = self._line_of_words(body, end, whole)
        self._before = ""
        return text

    def _is_open(self, indent: str) -> bool:
        """Whether a fence begins code that ends only with another one."""
        if indent:
            self._has_code = False
        return not (indent and self._has_lists)

    def _opened_fence(self, body: str, indent: str, fence: str) -> str:
        """The first line of a block of code, apart from a paragraph before it: some
        paragraphs, such as those that an underline makes headings, would swallow it."""
        gap = "" if self._behind_blank or indent else "\n"
        self._fence = fence
        return gap + _ARMED.sub(_KEPT_APART, _without_known_language(body))

    def _line_of_code(self, body: str, end: str) -> str:
        closing = body.strip()
        if self._before or not closing.startswith(self._fence) or closing.strip("`~"):
            return self._code(body + end)
        is_clear = rf" {{0,3}}{self._fence}{self._fence[0]}* *"
        self._has_code &= bool(re.fullmatch(is_clear, body))
        self._fence = ""
        self._begin_paragraph(behind_blank=False)
        return body + end

    def _line_of_words(self, body: str, end: str, whole: str) -> str:
        if _FAR_REACHING.search(whole):
            self._has_code = False
        self._has_lists |= bool(_CONTAINER.match(whole))
        line = _without_known_language(body) + end
        kept, at = list[str](), 0
        while span := self._next_span(line, at):
            words, at = line[at : span.start()], span.end()
            kept.append(_ARMED.sub(_KEPT_APART, f"{words}`")[:-1])
            kept.append(_ARMED_IN_CODE.sub(_KEPT_APART, span[0]))
        kept.append(_ARMED.sub(_KEPT_APART, line[at:]))
        self._is_clear &= not _REACHING.search(line, at)
        self._is_emphasized |= bool(_EMPHASIS.search(line, at))
        if not whole.strip(" "):
            self._begin_paragraph(behind_blank=True)
        else:
            self._behind_blank = False
        return "".join(kept)

    def _next_span(self, line: str, at: int) -> re.Match[str] | None:
        """The next code within a line of words, if it is code for every reader."""
        start = line.find("`", at)
        if start < 0 or not (self._has_code and self._is_clear):
            return None
        words, span = line[at:start], _SPAN.match(line, start)
        before = words if at else self._before + words
        self._is_emphasized |= bool(_EMPHASIS.search(words))
        if not span or _REACHING.search(words) or not _WORD_BEFORE.search(before):
            self._is_clear = False
            return None
        content = span[1] or span[2]
        # Columns of tables end within code. The parser of emphasis knows no escapes in
        # code, takes brackets for an address, and two signs for empty code.
        is_odd = bool(span[2]) or "[" in content or "]" in content
        if "|" in content or "\\" in content or (is_odd and self._is_emphasized):
            self._is_clear = False
            return None
        self._is_clear = not is_odd
        return span


# ── Base64 ────────────────────────────────────────────────────────────────────────────
# Decoding and encoding in slices, between which others get the interpreter.


class Base64Decoder:
    """Decodes base64 that arrives in pieces, a slice at a time.

    Takes both alphabets and JSON's escapes (`\\/`, `\\u003d`); a leading data URI
    header is passed over. After the first sign that is not base64 nothing is kept.
    """

    _URL_SAFE = bytes.maketrans(b"-_", b"+/")
    _ESCAPE = re.compile(rb"\\(?:u00([0-9A-Fa-f]{2})|(.))")
    _OPEN_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?\Z")

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._rest = b""
        self._held = b""
        self._header = b""
        self._started = False
        self._padded = False
        self.valid = True

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the JSON string."""
        if self._held or b"\\" in piece:
            piece = self._unescape(self._held + piece)
        if not self._started:
            piece = self._without_header(piece)
        if b"-" in piece or b"_" in piece:
            piece = piece.translate(self._URL_SAFE)
        piece = self._rest + piece
        whole = len(piece) - len(piece) % 4
        self._rest = piece[whole:]
        for start in range(0, whole, SLICE):
            self._decode(piece[start : min(start + SLICE, whole)])

    def finish(self) -> bytes | None:
        """All bytes, or None when the text was not base64."""
        rest = self._header + self._rest + self._held
        if rest:
            self._decode(rest + b"=" * (-len(rest) % 4))
        return self._out.getvalue() if self.valid else None

    def _decode(self, piece: bytes) -> None:
        if not self.valid:
            return
        try:
            if self._padded:
                raise binascii.Error("data behind the padding")
            self._out.write(binascii.a2b_base64(piece, strict_mode=True))
            self._padded = piece.endswith(b"=")
        except binascii.Error:
            self.valid = False
            self._out = io.BytesIO()

    def _unescape(self, piece: bytes) -> bytes:
        open_end = self._OPEN_ESCAPE.search(piece)
        self._held = piece[open_end.start() :] if open_end else b""
        piece = piece[: open_end.start()] if open_end else piece
        return self._ESCAPE.sub(self._unescaped, piece)

    @staticmethod
    def _unescaped(match: re.Match[bytes]) -> bytes:
        code, sign = match.groups()
        if code:
            return bytes.fromhex(code.decode()).strip()
        return b"" if sign in b"nrt" else sign

    def _without_header(self, piece: bytes) -> bytes:
        piece = self._header + piece
        self._header = b""
        if b"data:".startswith(piece[:5]) and b"," not in piece and len(piece) < 200:
            self._header = piece
            return b""
        self._started = True
        return piece.partition(b",")[2] if piece.startswith(b"data:") else piece


def base64_length(size: int) -> int:
    """The signs of base64 that so many bytes become."""
    return math.ceil(size / 3) * 4


def base64_slices(data: bytes) -> Iterator[bytes]:
    """The base64 of the bytes, slice by slice."""
    size = SLICE * 3  # a multiple of 3, so that only the last slice is padded
    for start in range(0, len(data), size):
        yield base64.b64encode(data[start : start + size])


# ── Messages ──────────────────────────────────────────────────────────────────────────
# Every sentence to a person, by kind. The names in braces are filled in.
# In each language that there is; what a row lacks in one reads in the first.
LANGUAGES = ("en", "zh-CN")
Texts = dict[str, dict[str, str]]

# One line for each kind of failure: what happened | what to do. Names of ADVICE stand
# for sentences that several kinds share.
FAILURES: Texts = {
    "key_missing": {
        "en": "No Gemini API key is set. | An administrator can create one at https://aistudio.google.com/apikey and enter it under Admin Panel → Functions → Gemini Image Pipe → Valves → GEMINI_API_KEY.",
        "zh-CN": "尚未设置 Gemini API 密钥。 | 管理员可以在 https://aistudio.google.com/apikey 创建密钥，并填入“管理员面板 → 函数 → Gemini Image Pipe → 配置项 → GEMINI_API_KEY”。",
    },
    "key_own": {
        "en": "Pictures are made with your own Gemini API key here, and you have not set one. | Please create one at https://aistudio.google.com/apikey and enter it under {own_valves}.",
        "zh-CN": "此处须使用您自己的 Gemini API 密钥生成图片，而您尚未设置。 | 请在 https://aistudio.google.com/apikey 创建密钥，并填入{own_valves}。",
    },
    "key_malformed": {
        "en": "The Gemini API key that is set cannot be one: it is too long, or holds signs that no key has. | {key_advice}",
        "zh-CN": "当前设置的 Gemini API 密钥格式无效：它过长，或含有密钥中不会出现的字符。 | {key_advice}",
    },
    "key_refused": {
        "en": "{who} does not accept the API key. | {key_advice}",
        "zh-CN": "{who} 不接受该 API 密钥。 | {key_advice}",
    },
    "key_expired": {
        "en": "The API key has expired. | {key_advice}",
        "zh-CN": "API 密钥已过期。 | {key_advice}",
    },
    "key_leaked": {
        "en": "{who} has blocked the API key because it was found in public. | {key_advice}",
        "zh-CN": "{who} 已封禁该 API 密钥，因为它已在网上公开泄露。 | {key_advice}",
    },
    "key_type": {
        "en": "{who} no longer accepts this type of API key. | {keeper} can create a new one at https://aistudio.google.com/apikey.",
        "zh-CN": "{who} 已不再接受此类 API 密钥。 | {keeper}可以在 https://aistudio.google.com/apikey 创建新的密钥。",
    },
    "key_restricted": {
        "en": "The API key may not use the Gemini API: its restrictions exclude it. | {keeper} can change the key's restrictions in the Google Cloud console.",
        "zh-CN": "该 API 密钥无权使用 Gemini API：密钥的限制条件不包含此 API。 | {keeper}可以在 Google Cloud 控制台中修改该密钥的限制。",
    },
    "api_disabled": {
        "en": "The Gemini API is not enabled for the project of the API key. | {keeper} can enable the Generative Language API in the Google Cloud console.",
        "zh-CN": "API 密钥所属的项目尚未启用 Gemini API。 | {keeper}可以在 Google Cloud 控制台中启用 Generative Language API。",
    },
    "permission": {
        "en": "{who} does not allow this API key to use {model}. | {keeper} can check the key and its project.",
        "zh-CN": "{who} 不允许该 API 密钥使用 {model}。 | {keeper}可以检查该密钥及其所属项目。",
    },
    "billing": {
        "en": "Google makes images for paying projects only. | {keeper} must enable billing for the project of the API key.",
        "zh-CN": "Google 只为已启用结算功能的项目生成图片。 | 需要由{keeper}为 API 密钥所属的项目启用结算功能。",
    },
    "quota_zero": {
        "en": "The project of the API key has no quota for {model}: there is no free tier for images. | {keeper} must enable billing for the project of the API key. Waiting does not help.",
        "zh-CN": "API 密钥所属的项目没有 {model} 的配额：图片生成不提供免费额度。 | 需要由{keeper}为 API 密钥所属的项目启用结算功能，等待无济于事。",
    },
    "quota_prepaid": {
        "en": "The prepaid credit of the API key's project is used up. | {keeper} can add credit in Google AI Studio.",
        "zh-CN": "API 密钥所属项目的预付余额已用完。 | {keeper}可以在 Google AI Studio 中充值。",
    },
    "budget": {
        "en": "The credit or budget of the API key is used up. | {keeper} can raise it at {host}.",
        "zh-CN": "API 密钥的余额或预算已用完。 | {keeper}可以在 {host} 上提高额度。",
    },
    "quota_day": {
        "en": "The daily quota of the API key's project for {model} is used up. | Please try again tomorrow or pick another image model. {keeper} can ask Google for a higher quota.",
        "zh-CN": "API 密钥所属项目今天的 {model} 配额已用完。 | 请明天再试，或选择其他图像模型；{keeper}可以向 Google 申请更高的配额。",
    },
    "quota_minute": {
        "en": "Too many requests in a short time for {model}. | Please try again in {seconds} seconds.",
        "zh-CN": "短时间内对 {model} 的请求过多。 | 请在 {seconds} 秒后重试。",
    },
    "capacity": {
        "en": "{who} has no capacity for {model} at the moment, or the quota of the key is used up. | {wait}",
        "zh-CN": "{who} 目前没有可供 {model} 使用的资源，或该密钥的配额已用完。 | {wait}",
    },
    "region": {
        "en": "Google does not offer this in the region of the server that runs Open WebUI (its location counts, not yours). | An administrator can use a server or a proxy in another region.",
        "zh-CN": "Google 未在运行 Open WebUI 的服务器所在的地区提供此服务（以服务器的位置为准，与您所在的位置无关）。 | 管理员可以改用其他地区的服务器或代理。",
    },
    "address_unknown": {
        "en": "{host} has nothing for {model} at this address{status}. | Please pick another image model; an administrator can check GEMINI_API_BASE_URL.",
        "zh-CN": "{host} 在此地址上找不到 {model}{status}。 | 请选择其他图像模型；管理员可以检查 GEMINI_API_BASE_URL。",
    },
    "model_unknown": {
        "en": "{who} has no model {model} for this API key. | Please pick another image model.{available}{region}",
        "zh-CN": "{who} 没有可供此 API 密钥使用的模型 {model}。 | 请选择其他图像模型。{available}{region}",
    },
    "model_retired": {
        "en": "{who} no longer offers {model}. | Please pick another image model.{available}{region}",
        "zh-CN": "{who} 已不再提供 {model}。 | 请选择其他图像模型。{available}{region}",
    },
    "no_models": {
        "en": "This API key has no image model that answers. | {keeper} can check the key and its project.{region}",
        "zh-CN": "此 API 密钥没有可用的图像模型。 | {keeper}可以检查该密钥及其所属项目。{region}",
    },
    "no_image_model": {
        "en": "{model} does not make pictures. | Please pick another image model.",
        "zh-CN": "{model} 不能生成图片。 | 请选择其他图像模型。",
    },
    "api_version": {
        "en": "The API version in the base URL cannot make images. | An administrator can let GEMINI_API_BASE_URL end in /v1beta.",
        "zh-CN": "接口地址中的 API 版本不能生成图片。 | 管理员可以让 GEMINI_API_BASE_URL 以 /v1beta 结尾。",
    },
    "parameter": {
        "en": "{model} refuses one of the settings of this request. | Please change the settings (size, aspect ratio …) or pick another image model.",
        "zh-CN": "{model} 拒绝了此请求中的某项设置。 | 请更改设置（图片尺寸、宽高比等），或选择其他图像模型。",
    },
    "system_refused": {
        "en": "{model} takes no system prompt. | Please pick another image model; an administrator can remove the prompt from this model, folder or chat.",
        "zh-CN": "{model} 不接受系统提示词。 | 请选择其他图像模型；管理员可以从该模型、分组或对话中移除系统提示词。",
    },
    "request": {
        "en": "{model} cannot work with this request. | Please change the prompt or the attached pictures and try again.",
        "zh-CN": "{model} 无法处理此请求。 | 请修改提示词或所附的图片，然后重试。",
    },
    "input_picture": {
        "en": "{model} cannot read one of the pictures. | Please attach it as PNG, JPEG or WebP.",
        "zh-CN": "{model} 无法读取其中一张图片。 | 请改为附上 PNG、JPEG 或 WebP 格式的图片。",
    },
    "too_large": {
        "en": "The request is too large for {who}: too many or too large pictures, or too much text. | Please use fewer or smaller pictures, or start a new chat.",
        "zh-CN": "请求过大，{who} 无法接受：图片过多、过大，或文字过多。 | 请减少或缩小图片，或新建对话。",
    },
    "too_large_on_the_way": {
        "en": "The request is too large for {who}, which did not pass it on to Google. | Please use fewer or smaller pictures, or start a new chat; an administrator can raise the limit ({limit_name}).",
        "zh-CN": "请求过大，{who} 没有将其转发给 Google。 | 请减少或缩小图片，或新建对话；管理员可以调高上限（{limit_name}）。",
    },
    "prompt_blocked": {
        "en": "{who}'s filter blocked the prompt. | {rephrase}",
        "zh-CN": "{who} 的过滤器拦截了此提示词。 | {rephrase}",
    },
    "picture_safety": {
        "en": "Google's safety filter held the picture back. | {rephrase}",
        "zh-CN": "图片被 Google 的安全过滤器拦截。 | {rephrase}",
    },
    "picture_prohibited": {
        "en": "Google's policy does not allow this picture. | {rephrase}",
        "zh-CN": "Google 的政策不允许生成此图片。 | {rephrase}",
    },
    "picture_recitation": {
        "en": "The picture came too close to existing material, so Google held it back. | {rephrase}",
        "zh-CN": "图片与已有作品过于相似，因此被 Google 拦截。 | {rephrase}",
    },
    "picture_failed": {
        "en": "{model} could not make a picture from this prompt. | {rephrase}",
        "zh-CN": "{model} 无法根据此提示词生成图片。 | {rephrase}",
    },
    "too_many_searches": {
        "en": "{model} looked up too much and came to no picture. | Please rephrase the prompt, or switch Google Search off, and try again.",
        "zh-CN": "{model} 搜索次数过多，未能生成图片。 | 请修改提示词，或关闭 Google 搜索，然后重试。",
    },
    "no_signature": {
        "en": "{model} misses something of its own earlier answer. | Please press Regenerate, or start a new chat with the picture attached.",
        "zh-CN": "{model} 缺少其先前回答中的一部分数据。 | 请点击“重新生成”，或附上图片新建对话。",
    },
    "picture_elsewhere": {
        "en": "{model} sent the address of a picture instead of the picture. | An administrator can let the gateway put pictures into its answers.",
        "zh-CN": "{model} 返回的是图片的网址，而不是图片本身。 | 管理员可以设置网关，使其在回答中直接包含图片。",
    },
    "account_limited": {
        "en": "{who} has suspended or limited the project of the API key. | {keeper} must look into the project.",
        "zh-CN": "{who} 已停用或限制 API 密钥所属的项目。 | 需要由{keeper}检查该项目。",
    },
    "no_picture": {
        "en": "{model} answered without a picture. | Please say what the picture should show, or press Regenerate.",
        "zh-CN": "{model} 的回答中没有图片。 | 请说明图片中要画什么，或点击“重新生成”。",
    },
    "empty": {
        "en": "{model} answered nothing at all. | Please press Regenerate.",
        "zh-CN": "{model} 没有返回任何内容。 | 请点击“重新生成”。",
    },
    "filtered": {
        "en": "{model} sent no picture and no reason; most likely Google's filter held it back. | {rephrase}",
        "zh-CN": "{model} 既没有返回图片，也没有说明原因；很可能被 Google 的过滤器拦截了。 | {rephrase}",
    },
    "cut_off": {
        "en": "The answer hit the token limit before a picture was made. | Please shorten the prompt or start a new chat.",
        "zh-CN": "图片尚未生成，回答就已达到 Token 上限。 | 请缩短提示词，或新建对话。",
    },
    "busy": {
        "en": "Too many pictures are being made on this server: this one waited in line for {seconds} seconds and was not begun. | Please try again in a few minutes; an administrator can raise MAX_PARALLEL_REQUESTS.",
        "zh-CN": "此服务器正在生成的图片过多：您的请求已排队等待 {seconds} 秒，仍未开始。 | 请几分钟后重试；管理员可以调高 MAX_PARALLEL_REQUESTS。",
    },
    "busy_own": {
        "en": "Too many of your own pictures are being made at the moment: this one waited in line for {seconds} seconds and was not begun. | Please try again when the others are there; an administrator can raise MAX_PARALLEL_REQUESTS_PER_USER.",
        "zh-CN": "您正在生成的图片过多：此请求已排队等待 {seconds} 秒，仍未开始。 | 请等其他图片完成后重试；管理员可以调高 MAX_PARALLEL_REQUESTS_PER_USER。",
    },
    "busy_pictures": {
        "en": "The server works on only so many attached pictures at a time: yours waited in line for {seconds} seconds, behind {whose}. | Please try again in a few minutes, with fewer or smaller pictures.",
        "zh-CN": "服务器能同时处理的附图数量有限：您的图片排在{whose}之后，已等待 {seconds} 秒。 | 请几分钟后重试，并减少或缩小图片。",
    },
    "pictures_late": {
        "en": "Open WebUI did not hand over the pictures of this chat within {seconds} seconds. | Please try again in a few minutes; an administrator can check where Open WebUI keeps its files.",
        "zh-CN": "Open WebUI 未能在 {seconds} 秒内提供此对话中的图片。 | 请几分钟后重试；管理员可以检查 Open WebUI 存放文件的位置。",
    },
    "overloaded": {
        "en": "{model} is overloaded at the moment. | {wait}",
        "zh-CN": "{model} 目前负载过高。 | {wait}",
    },
    "internal": {
        "en": "{who} had an internal error. | {wait}",
        "zh-CN": "{who} 发生内部错误。 | {wait}",
    },
    "gateway_timeout": {
        "en": "The answer took too long for Google ({elapsed} s). | Please try again, with a smaller picture if you can.",
        "zh-CN": "Google 未能及时完成回答（{elapsed} 秒）。 | 请重试，并尽可能选择较小的图片尺寸。",
    },
    "gateway_gave_up": {
        "en": "{who} stopped waiting for Google's answer ({elapsed} s). | Please try again, with a smaller picture if you can; an administrator can let the gateway wait longer.",
        "zh-CN": "{who} 等待 Google 的回答超时（{elapsed} 秒）。 | 请重试，并尽可能选择较小的图片尺寸；管理员可以延长网关的等待时间。",
    },
    "gateway_down": {
        "en": "{who} could not reach Google, or is overloaded{status}. | {wait} An administrator can check what stands behind {host}.",
        "zh-CN": "{who} 无法连接到 Google，或负载过高{status}。 | {wait}管理员可以检查 {host} 背后的服务。",
    },
    "gateway_setup": {
        "en": "{who} cannot check the API key, or lacks something that it needs for this request. | An administrator can check the key, GATEWAY_HEADERS, and the settings and the log of {host}.",
        "zh-CN": "{who} 无法验证 API 密钥，或缺少处理此请求所需的配置。 | 管理员可以检查密钥、GATEWAY_HEADERS，以及 {host} 的设置和日志。",
    },
    "gateway_request": {
        "en": "{who} refused this request{status}. | Please change the prompt or the attached pictures; if that does not help, an administrator can check {host}.",
        "zh-CN": "{who} 拒绝了此请求{status}。 | 请修改提示词或所附的图片；如果仍然失败，管理员可以检查 {host}。",
    },
    "no_deployment": {
        "en": "{who} has nothing at hand that serves {model}. | Please pick another image model; an administrator can check the gateway's settings and log.",
        "zh-CN": "{who} 目前没有可提供 {model} 的服务。 | 请选择其他图像模型；管理员可以检查网关的设置和日志。",
    },
    "web_page": {
        "en": "{who} answered with a web page instead of a picture{status}. | An administrator can check GEMINI_API_BASE_URL and the proxy.",
        "zh-CN": "{who} 返回的是网页，而不是图片{status}。 | 管理员可以检查 GEMINI_API_BASE_URL 和代理。",
    },
    "redirect": {
        "en": "{host} redirects to {target}; the API key is not sent there. | An administrator can set GEMINI_API_BASE_URL to the right address.",
        "zh-CN": "{host} 重定向到别处（{target}），而 API 密钥不会发送到那里。 | 管理员可以将 GEMINI_API_BASE_URL 设为正确的地址。",
    },
    "base_url": {
        "en": "The base URL that is set for the Gemini API is not a web address. | An administrator can correct GEMINI_API_BASE_URL: it starts with https://, or is empty for Google itself.",
        "zh-CN": "为 Gemini API 设置的接口地址不是有效的网址。 | 管理员可以更正 GEMINI_API_BASE_URL：以 https:// 开头，留空则直接使用 Google。",
    },
    "gateway_headers": {
        "en": "The headers that are set for the gateway cannot be sent: {problem}. | An administrator can correct GATEWAY_HEADERS: one as `Name: text`, several as a JSON object of names and texts.",
        "zh-CN": "为网关设置的请求头无法发送：{problem}。 | 管理员可以更正 GATEWAY_HEADERS：单个请求头写作 `名称: 值`，多个写作由名称和值组成的 JSON 对象。",
    },
    "no_connection": {
        "en": "The server cannot reach {host}. | Please try again later; an administrator can check the network, and GEMINI_API_BASE_URL if it is set.",
        "zh-CN": "服务器无法连接到 {host}。 | 请稍后重试；管理员可以检查网络，以及 GEMINI_API_BASE_URL（如已设置）。",
    },
    "proxy": {
        "en": "The server cannot reach {host}: its proxy refused or failed. | An administrator can check the proxy settings.",
        "zh-CN": "服务器无法连接到 {host}：代理拒绝了连接或发生故障。 | 管理员可以检查代理设置。",
    },
    "tls": {
        "en": "The connection to {host} is not secure: its certificate was not accepted. | An administrator can check the certificates and the proxy.",
        "zh-CN": "与 {host} 的连接不安全：其证书未被接受。 | 管理员可以检查证书和代理。",
    },
    "socks": {
        "en": "The server's environment names a SOCKS proxy, through which {host} cannot be reached as it is. | An administrator can install the Python package PySocks and name the proxy as `socks5h://host:port`, or name an HTTP proxy instead (HTTPS_PROXY or ALL_PROXY).",
        "zh-CN": "服务器的环境变量指定了 SOCKS 代理，按目前的设置无法通过它连接到 {host}。 | 管理员可以安装 Python 软件包 PySocks，并将代理写作 `socks5h://host:port`，或改为指定 HTTP 代理（HTTPS_PROXY 或 ALL_PROXY）。",
    },
    "certificates": {
        "en": "The file of certificates that the server's environment names is not there, so {host} cannot be trusted. | An administrator can correct {variable}.",
        "zh-CN": "服务器的环境变量所指定的证书文件不存在，因此无法信任 {host}。 | 管理员可以更正 {variable}。",
    },
    "timeout": {
        "en": "{host} did not finish within {elapsed} seconds{waited}. | Please try again, with a smaller picture if you can; an administrator can raise REQUEST_TIMEOUT.",
        "zh-CN": "{host} 未能在 {elapsed} 秒内完成{waited}。 | 请重试，并尽可能选择较小的图片尺寸；管理员可以调高 REQUEST_TIMEOUT。",
    },
    "no_answer": {
        "en": "{host} closed the connection without an answer. | Please press Regenerate; if it happens with large pictures only, an administrator can raise the limit of whatever stands in between (in nginx, client_max_body_size).",
        "zh-CN": "{host} 没有回答就关闭了连接。 | 请点击“重新生成”；如果只在图片较大时发生，管理员可以调高中间环节的上限（nginx 中为 client_max_body_size）。",
    },
    "broken_off": {
        "en": "The connection to {host} broke off in the middle of the answer. | Please press Regenerate.",
        "zh-CN": "与 {host} 的连接在回答途中断开。 | 请点击“重新生成”。",
    },
    "unreadable": {
        "en": "The answer of {host} could not be read. | Please press Regenerate; if it happens again, an administrator can check GEMINI_API_BASE_URL.",
        "zh-CN": "无法读取 {host} 的回答。 | 请点击“重新生成”；如果再次发生，管理员可以检查 GEMINI_API_BASE_URL。",
    },
    "answer_too_large": {
        "en": "The answer of {host} was too large to be read. | Please ask for a smaller picture.",
        "zh-CN": "{host} 的回答过大，无法读取。 | 请改用较小的图片尺寸。",
    },
    "bad_picture": {
        "en": "A picture arrived damaged and cannot be shown. | Please press Regenerate.",
        "zh-CN": "收到的图片已损坏，无法显示。 | 请点击“重新生成”。",
    },
    "prompt_empty": {
        "en": "There is nothing to draw yet. | Please write what the picture should show.",
        "zh-CN": "还不知道要画什么。 | 请写下图片中要画的内容。",
    },
    "http": {
        "en": "{host} answered with an error{status}. | Please try again later.",
        "zh-CN": "{host} 返回了错误{status}。 | 请稍后重试。",
    },
    "unexpected": {
        "en": "Something unexpected went wrong in the plugin. | Please try again; an administrator finds the cause in the server's log.",
        "zh-CN": "插件发生意外错误。 | 请重试；管理员可以在服务器日志中找到原因。",
    },
    "model_reserved": {
        "en": "Only administrators may use {model} here. | Please pick another image model, or ask an administrator.",
        "zh-CN": "此处只有管理员可以使用 {model}。 | 请选择其他图像模型，或联系管理员。",
    },
    "no_known_price": {
        "en": "No model that can be used has a known price, and no other is chosen by itself here. | Please pick a model by its name; an administrator can switch AUTO_KNOWN_PRICES_ONLY off.",
        "zh-CN": "可用的模型均无已知价格，而此处不会自动选用价格未知的模型。 | 请自行选择一个模型；管理员可以关闭 AUTO_KNOWN_PRICES_ONLY。",
    },
    "daily_budget": {
        "en": "Your budget for pictures is {budget} a day; {left} of it is left, and a picture would cost about {amount}. | It begins anew at midnight ({zone}, the server's time). An administrator can change it under Admin Panel → Functions → Gemini Image Pipe → Valves → DAILY_BUDGET_USD.",
        "zh-CN": "您每天的图片预算为 {budget}，今天还剩 {left}，而生成一张图片约需 {amount}。 | 预算在每天零点（服务器时区 {zone}）重新计算；管理员可以在“管理员面板 → 函数 → Gemini Image Pipe → 配置项 → DAILY_BUDGET_USD”中调整。",
    },
    "not_wanted": {
        "en": "No picture was made, as you chose, and nothing was spent. | Please write what to change, or press Regenerate to be asked again.",
        "zh-CN": "已按您的选择取消，没有生成图片，也没有产生费用。 | 请写下要修改的内容，或点击“重新生成”，届时会再次询问。",
    },
    "not_answered": {
        "en": "The question whether to spend about {amount} was not answered within a minute, so no picture was made and nothing was spent. | Please press Regenerate to be asked again.",
        "zh-CN": "约 {amount} 的费用未在一分钟内得到确认，因此没有生成图片，也没有产生费用。 | 请点击“重新生成”，届时会再次询问。",
    },
    "keys_malformed": {
        "en": "Not all of the Gemini API keys that are set can be used: {problem}. | {key_advice}",
        "zh-CN": "所设置的 Gemini API 密钥并非全部可用：{problem}。 | {key_advice}",
    },
    "vertex_key_missing": {
        "en": "No API key for Vertex AI is set. | An administrator can create one at https://console.cloud.google.com/vertex-ai/studio/settings/api-keys and enter it under Admin Panel → Functions → Gemini Image Pipe → Valves → GEMINI_API_KEY.",
        "zh-CN": "尚未设置 Vertex AI 的 API 密钥。 | 管理员可以在 https://console.cloud.google.com/vertex-ai/studio/settings/api-keys 创建密钥，并填入“管理员面板 → 函数 → Gemini Image Pipe → 配置项 → GEMINI_API_KEY”。",
    },
    "vertex_key_own": {
        "en": "Pictures are made with your own API key for Vertex AI here, and you have not set one. | Please create one at https://console.cloud.google.com/vertex-ai/studio/settings/api-keys and enter it under {own_valves}.",
        "zh-CN": "此处须使用您自己的 Vertex AI API 密钥生成图片，而您尚未设置。 | 请在 https://console.cloud.google.com/vertex-ai/studio/settings/api-keys 创建密钥，并填入{own_valves}。",
    },
    "vertex_key_type": {
        "en": "Vertex AI does not accept this type of API key. | {keeper} can create one for Vertex AI at https://console.cloud.google.com/vertex-ai/studio/settings/api-keys; an administrator can let a service account ask instead (`BACKEND`: `Vertex AI project`).",
        "zh-CN": "Vertex AI 不接受此类 API 密钥。 | {keeper}可以在 https://console.cloud.google.com/vertex-ai/studio/settings/api-keys 创建 Vertex AI 的密钥；管理员也可以改用服务账号（将 `BACKEND` 设为 `Vertex AI project`）。",
    },
    "vertex_project": {
        "en": "No project of Google Cloud is set for Vertex AI, or what is set cannot be one. | An administrator can enter its id under VERTEX_PROJECT, as https://console.cloud.google.com shows it.",
        "zh-CN": "尚未设置 Vertex AI 所用的 Google Cloud 项目，或所填内容不是有效的项目 ID。 | 管理员可以在 VERTEX_PROJECT 中填入项目 ID，可在 https://console.cloud.google.com 查看。",
    },
    "vertex_no_project": {
        "en": "Google does not know the project that is set, or keeps it from the account that asks. | An administrator can check VERTEX_PROJECT: it is the project's id or number, not its name.",
        "zh-CN": "Google 找不到所设置的项目，或当前账号无权使用该项目。 | 管理员可以检查 VERTEX_PROJECT：应填写项目 ID 或项目编号，而不是项目名称。",
    },
    "vertex_location": {
        "en": "What is set as the location of Vertex AI cannot be one. | An administrator can correct VERTEX_LOCATION, such as `global` or `europe-west4`.",
        "zh-CN": "所设置的 Vertex AI 位置无效。 | 管理员可以更正 VERTEX_LOCATION，例如 `global` 或 `europe-west4`。",
    },
    "vertex_model": {
        "en": "{who} has no {model} at the location {location} of Vertex AI, or not for this project. | Please pick another image model.{other_location}",
        "zh-CN": "{who} 在 Vertex AI 的位置 {location} 未提供 {model}，或未向此项目开放。 | 请选择其他图像模型。{other_location}",
    },
    "vertex_permission": {
        "en": "The account that asks may not use {model} on Vertex AI: it lacks the permission `aiplatform.endpoints.predict`. | {keeper} can give it the role Vertex AI User (`roles/aiplatform.user`) at https://console.cloud.google.com/iam-admin/iam.",
        "zh-CN": "当前账号无权在 Vertex AI 上使用 {model}：缺少权限 `aiplatform.endpoints.predict`。 | {keeper}可以在 https://console.cloud.google.com/iam-admin/iam 为其授予 Vertex AI User 角色（`roles/aiplatform.user`）。",
    },
    "vertex_disabled": {
        "en": "The Vertex AI API is not enabled for the project. | {keeper} can enable it at https://console.cloud.google.com/apis/library/aiplatform.googleapis.com.",
        "zh-CN": "该项目尚未启用 Vertex AI API。 | {keeper}可以在 https://console.cloud.google.com/apis/library/aiplatform.googleapis.com 启用。",
    },
    "vertex_billing": {
        "en": "Google makes images for paying projects only. | {keeper} must link the project to a billing account at https://console.cloud.google.com/billing/projects.",
        "zh-CN": "Google 只为已启用结算功能的项目生成图片。 | 需要由{keeper}在 https://console.cloud.google.com/billing/projects 为该项目关联结算账号。",
    },
    "vertex_quota": {
        "en": "The project's quota of Vertex AI for {model} is used up. | Please try again in a minute, or pick another image model. {keeper} can ask Google for a higher one at https://console.cloud.google.com/iam-admin/quotas.",
        "zh-CN": "该项目在 Vertex AI 上的 {model} 配额已用完。 | 请在一分钟后重试，或选择其他图像模型；{keeper}可以在 https://console.cloud.google.com/iam-admin/quotas 向 Google 申请更高的配额。",
    },
    "vertex_capacity": {
        "en": "Vertex AI has no capacity for {model} at the moment, which all its customers share. | {wait}",
        "zh-CN": "Vertex AI 目前没有可供 {model} 使用的资源，这些资源由所有客户共享。 | {wait}",
    },
    "token_refused": {
        "en": "{who} does not accept the access token of the project's account. | Please try again; if that does not help, an administrator can check the account at https://console.cloud.google.com/iam-admin/serviceaccounts.",
        "zh-CN": "{who} 不接受该项目账号的访问令牌。 | 请重试；如果仍然失败，管理员可以在 https://console.cloud.google.com/iam-admin/serviceaccounts 检查该账号。",
    },
    "no_token": {
        "en": "{host} handed over no access token for the project's account. | Please try again in a few minutes; an administrator can check the network and the proxy.",
        "zh-CN": "{host} 未能为该项目的账号提供访问令牌。 | 请几分钟后重试；管理员可以检查网络和代理。",
    },
    "clock": {
        "en": "Google refuses the project's account, because the server's clock is wrong. | An administrator can set the clock of the server that runs Open WebUI.",
        "zh-CN": "由于服务器时钟不准，Google 拒绝了该项目的账号。 | 管理员可以校准运行 Open WebUI 的服务器的时钟。",
    },
    "account_refused": {
        "en": "Google does not know the project's account or its key any more: it was deleted, disabled, or has ended. | An administrator can create a new key for a service account at https://console.cloud.google.com/iam-admin/serviceaccounts and enter its JSON under VERTEX_CREDENTIALS.",
        "zh-CN": "Google 已无法识别该项目的账号或其密钥：可能已被删除、停用，或已过期。 | 管理员可以在 https://console.cloud.google.com/iam-admin/serviceaccounts 为服务账号创建新的密钥，并将其 JSON 填入 VERTEX_CREDENTIALS。",
    },
    "account": {
        "en": "What is set as the credentials of Vertex AI cannot be used: {problem}. | An administrator can enter the whole JSON of a service account's key under VERTEX_CREDENTIALS, as https://console.cloud.google.com/iam-admin/serviceaccounts hands it over.",
        "zh-CN": "所设置的 Vertex AI 凭据无法使用：{problem}。 | 管理员可以将服务账号密钥的完整 JSON 填入 VERTEX_CREDENTIALS，可在 https://console.cloud.google.com/iam-admin/serviceaccounts 获取。",
    },
    "account_type": {
        "en": "Credentials of the type `{type}` are not taken from the settings: they may name programs and foreign addresses. | An administrator can enter a service account's JSON under VERTEX_CREDENTIALS, or leave it empty and name the file on the server with GOOGLE_APPLICATION_CREDENTIALS.",
        "zh-CN": "不能在设置中使用 `{type}` 类型的凭据：其中可能指定程序和外部地址。 | 管理员可以在 VERTEX_CREDENTIALS 中填入服务账号的 JSON，或将其留空，并在服务器上用 GOOGLE_APPLICATION_CREDENTIALS 指定凭据文件。",
    },
    "account_address": {
        "en": "The credentials of Vertex AI name {target} as the place that hands out tokens, which is not Google, so nothing was sent there. | An administrator can enter a service account's JSON as Google hands it over.",
        "zh-CN": "Vertex AI 的凭据指定由 {target} 签发令牌，而该地址不属于 Google，因此未向其发送任何内容。 | 管理员可以填入 Google 提供的服务账号 JSON，不要改动。",
    },
    "no_account": {
        "en": "The server has no default credentials of Google Cloud. | An administrator can enter a service account's JSON under VERTEX_CREDENTIALS, or name its file on the server with GOOGLE_APPLICATION_CREDENTIALS.",
        "zh-CN": "服务器上没有 Google Cloud 的默认凭据。 | 管理员可以在 VERTEX_CREDENTIALS 中填入服务账号的 JSON，或在服务器上用 GOOGLE_APPLICATION_CREDENTIALS 指定其文件。",
    },
    "no_google_auth": {
        "en": "A project of Vertex AI needs the Python package google-auth on the server. | An administrator can install it, or let an API key ask (`BACKEND`: `Vertex AI with an API key`).",
        "zh-CN": "使用 Vertex AI 项目需要在服务器上安装 Python 软件包 google-auth。 | 管理员可以安装该软件包，或改用 API 密钥（将 `BACKEND` 设为 `Vertex AI with an API key`）。",
    },
}
ADVICE: Texts = {
    "keeper": {
        "en": "An administrator",
        "zh-CN": "管理员",
    },
    "own_valves": {
        "en": "the sliders button below the message box (or Controls, top right) → Valves → Gemini Image Pipe → GEMINI_API_KEY",
        "zh-CN": "“消息输入框下方的滑块按钮（或右上角的对话高级设置）→ 配置项 → Gemini Image Pipe → GEMINI_API_KEY”",
    },
    "key_advice": {
        "en": "An administrator can set another one under Admin Panel → Functions → Gemini Image Pipe → Valves → GEMINI_API_KEY.",
        "zh-CN": "管理员可以在“管理员面板 → 函数 → Gemini Image Pipe → 配置项 → GEMINI_API_KEY”中更换密钥。",
    },
    "wait": {
        "en": "Please try again in a few minutes, or pick another image model.",
        "zh-CN": "请几分钟后重试，或选择其他图像模型。",
    },
    "rephrase": {
        "en": "Please rephrase the prompt and try again.",
        "zh-CN": "请修改提示词，然后重试。",
    },
}
# The same where the key is the user's own.
OWN_KEY_ADVICE: Texts = {
    "keeper": {
        "en": "You",
        "zh-CN": "您",
    },
    "key_advice": {
        "en": "You can set another one under {own_valves}.",
        "zh-CN": "您可以在{own_valves}中更换密钥。",
    },
}
# How a placeholder reads when its value is not known.
UNKNOWN_VALUES: Texts = {
    "model": {
        "en": "The model",
        "zh-CN": "Gemini",
    },
    "who": {
        "en": "Google",
        "zh-CN": "Google",
    },
    "host": {
        "en": "Google",
        "zh-CN": "Google",
    },
    "target": {
        "en": "another address",
        "zh-CN": "地址不明",
    },
    "seconds": {
        "en": "60",
        "zh-CN": "60",
    },
    "elapsed": {
        "en": "many",
        "zh-CN": "很多",
    },
    "available": {
        "en": "",
        "zh-CN": "",
    },
    "region": {
        "en": "",
        "zh-CN": "",
    },
    "problem": {
        "en": "one of them is none",
        "zh-CN": "其中有一项无效",
    },
    "status": {
        "en": "",
        "zh-CN": "",
    },
    "variable": {
        "en": "REQUESTS_CA_BUNDLE or SSL_CERT_FILE",
        "zh-CN": "REQUESTS_CA_BUNDLE 或 SSL_CERT_FILE",
    },
    "limit_name": {
        "en": "in nginx, client_max_body_size",
        "zh-CN": "nginx 中为 client_max_body_size",
    },
    "waited": {
        "en": "",
        "zh-CN": "",
    },
    "whose": {
        "en": "others",
        "zh-CN": "其他用户的图片",
    },
    "budget": {
        "en": "a fixed sum",
        "zh-CN": "固定金额",
    },
    "left": {
        "en": "too little",
        "zh-CN": "不足的金额",
    },
    "amount": {
        "en": "more",
        "zh-CN": "更多",
    },
    "zone": {
        "en": "UTC",
        "zh-CN": "UTC",
    },
    "location": {
        "en": "`global`",
        "zh-CN": "`global`",
    },
    "other_location": {
        "en": "",
        "zh-CN": "",
    },
    "type": {
        "en": "unknown",
        "zh-CN": "未知",
    },
}

# What may stand below an answer.
NOTES: Texts = {
    "successor": {
        "en": "Google no longer offers {asked}; its successor {model} made this.",
        "zh-CN": "Google 已不再提供 {asked}，此图片由其后续模型 {model} 生成。",
    },
    "no_editor": {
        "en": "{model} cannot change pictures, so it worked from the words alone.",
        "zh-CN": "{model} 不能修改图片，因此只根据文字生成。",
    },
    "editor": {
        "en": "{asked} cannot change pictures; {model} made this.",
        "zh-CN": "{asked} 不能修改图片，此图片由 {model} 生成。",
    },
    "bad_option": {
        "en": "`{option}` was left out: it can be {choices}.",
        "zh-CN": "`{option}` 未采用，可选值为：{choices}。",
    },
    "left_out": {
        "en": "These settings do not apply to pictures and were left out: {names}.",
        "zh-CN": "以下设置不适用于图片，已忽略：{names}。",
    },
    "prompt_cut": {
        "en": "The message was too long: only its beginning and its end were sent.",
        "zh-CN": "消息过长，只发送了开头和结尾。",
    },
    "words_cut": {
        "en": "The model wrote too much; the rest was left out.",
        "zh-CN": "模型输出的文字过多，其余部分已省略。",
    },
    "pictures_cut": {
        "en": "{count} more pictures came than one answer may hold; they were not kept.",
        "zh-CN": "另有 {count} 张图片超出单次回答的上限，未予保留。",
    },
    "count_cut": {
        "en": "At most {limit} pictures are made for one prompt.",
        "zh-CN": "每条提示词最多生成 {limit} 张图片。",
    },
    "nearest": {
        "en": "{model} does not offer the {what} {asked}, so {got} was taken.",
        "zh-CN": "{model} 不支持{what} {asked}，已改用 {got}。",
    },
    "not_offered": {
        "en": "{model} offers no such setting, so it was left out: {what}.",
        "zh-CN": "{model} 没有此项设置，已忽略：{what}。",
    },
    "dropped": {
        "en": "{model} refused a setting, so it was left out: {what}.",
        "zh-CN": "{model} 拒绝了此项设置，已忽略：{what}。",
    },
    "other_pixels": {
        "en": "Asked for was {asked}; Google made {width} × {height} pixels.",
        "zh-CN": "请求的是 {asked}，Google 生成的是 {width} × {height} 像素。",
    },
    "searched": {
        "en": "Google searched for {queries}.",
        "zh-CN": "Google 搜索了：{queries}。",
    },
    "sources": {
        "en": "Sources: {pages}.",
        "zh-CN": "来源：{pages}。",
    },
    "draft": {
        "en": "Google sent only a draft of this picture, no finished one.",
        "zh-CN": "Google 只返回了此图片的草稿，没有返回成品。",
    },
    "elsewhere": {
        "en": "The address of a picture came instead of the picture, and nothing is downloaded from there{where}.",
        "zh-CN": "收到的是图片的网址，而不是图片本身；插件不会从外部网址下载内容{where}。",
    },
    "retires": {
        "en": "For administrators: Google shuts {model} down on {date}.",
        "zh-CN": "致管理员：Google 将于 {date} 停用 {model}。",
    },
    "not_stored": {
        "en": "Open WebUI could not store this picture ({reason}), so it is part of the message.",
        "zh-CN": "Open WebUI 无法存储此图片（{reason}），因此图片直接嵌在消息中。",
    },
    "attached_cut": {
        "en": "Only the first {limit} of the {count} attached pictures were sent: this model takes no more.",
        "zh-CN": "所附的 {count} 张图片中只发送了前 {limit} 张：该模型最多接受这么多。",
    },
    "earlier_none": {
        "en": "No earlier picture of this chat was sent along: this model takes no more.",
        "zh-CN": "未随请求发送此对话中较早的图片：该模型无法再接受更多图片。",
    },
    "earlier_cut": {
        "en": "Of the {count} earlier pictures of this chat, the newest {limit} were sent along.",
        "zh-CN": "此对话中较早的 {count} 张图片里，只随请求发送了最新的 {limit} 张。",
    },
    "earlier_large": {
        "en": "{count} earlier pictures were left out: all together were too large for one request.",
        "zh-CN": "较早的 {count} 张图片未发送：全部图片合计超出了单次请求的大小上限。",
    },
    "shrunk": {
        "en": "{name} was made smaller to fit into the request.",
        "zh-CN": "{name}：已缩小，以满足请求的大小上限。",
    },
    "remote": {
        "en": "A picture from another website was left out, as nothing is downloaded from there. Please attach it.",
        "zh-CN": "来自其他网站的图片未发送，因为插件不会从外部网址下载内容。请将图片作为附件添加。",
    },
    "no_file": {
        "en": "{name} was left out: it has been deleted, or is not yours to use.",
        "zh-CN": "{name}：未发送，文件已被删除，或您无权使用。",
    },
    "no_picture": {
        "en": "{name} was left out: {form} is no picture that Google reads. PNG, JPEG, WebP, HEIC, GIF, BMP, TIFF and AVIF are.",
        "zh-CN": "{name}：未发送，Google 不支持此图片格式（{form}）。支持的格式有 PNG、JPEG、WebP、HEIC、GIF、BMP、TIFF 和 AVIF。",
    },
    "broken": {
        "en": "{name} was left out: it is damaged or empty.",
        "zh-CN": "{name}：未发送，文件已损坏或为空。",
    },
    "too_many_pixels": {
        "en": "{name} was left out: it has too many pixels. Please attach a smaller one, or save it as JPEG.",
        "zh-CN": "{name}：未发送，像素过多。请附上较小的图片，或另存为 JPEG。",
    },
    "odd_form": {
        "en": "{name} was left out: this kind of {form} is not read here. Please save it as PNG or JPEG and attach that.",
        "zh-CN": "{name}：未发送，无法读取此类图片（{form}）。请另存为 PNG 或 JPEG 后再附上。",
    },
    "too_large": {
        "en": "{name} was left out: it is too large for one request.",
        "zh-CN": "{name}：未发送，超出了单次请求的大小上限。",
    },
    "document_cut": {
        "en": "Only the beginning of {name} was sent: all documents together were too long.",
        "zh-CN": "{name}：只发送了开头部分，因为全部文档合计过长。",
    },
    "document_left_out": {
        "en": "{name} was left out: the newer documents take all the room that a request has for them.",
        "zh-CN": "{name}：未发送，较新的文档已占满请求中留给文档的空间。",
    },
    "document_pending": {
        "en": "{name} could not be read yet: Open WebUI is still working on it. Please press Regenerate in a moment.",
        "zh-CN": "{name}：暂时无法读取，Open WebUI 仍在处理该文件。请稍后点击“重新生成”。",
    },
    "no_text": {
        "en": "{name} was left out: no words could be read from it.",
        "zh-CN": "{name}：未发送，无法从中读取文字。",
    },
    "no_pdf": {
        "en": "{name} was left out: Open WebUI found no words in it, and {model} reads no PDF.",
        "zh-CN": "{name}：未发送，Open WebUI 未能从中读取文字，而 {model} 不支持 PDF。",
    },
    "not_sent": {
        "en": "{name} was left out: only words, pictures and PDF can be sent to image models.",
        "zh-CN": "{name}：未发送，只能向图像模型发送文字、图片和 PDF。",
    },
    "remote_file": {
        "en": "A file from another website was left out, as nothing is downloaded from there. Please attach it.",
        "zh-CN": "来自其他网站的文件未发送，因为插件不会从外部网址下载内容。请将文件作为附件添加。",
    },
    "no_knowledge": {
        "en": "{name} was not given to the model: Open WebUI handed over none of its words. It hands them over where Function Calling is set to Legacy (before 0.10: Default), by you under Controls → Advanced Params or by an administrator for the model.",
        "zh-CN": "{name}：未提供给模型，因为 Open WebUI 没有传来其中的任何文字。只有当“函数调用”设为“旧版”（0.10 之前为“默认”）时才会传来；您可以在“对话高级设置 → 高级参数”中设置，管理员也可以为该模型设置。",
    },
    "no_pillow": {
        "en": "{name} was left out: converting it needs the Python package Pillow on the server. PNG, JPEG and WebP work without.",
        "zh-CN": "{name}：未发送，转换此格式需要在服务器上安装 Python 软件包 Pillow。PNG、JPEG 和 WebP 无需转换。",
    },
    "size_ceiling": {
        "en": "Here pictures are made in {got} at most, so {got} was taken instead of {asked}.",
        "zh-CN": "此处的图片尺寸最大为 {got}，因此已将 {asked} 改为 {got}。",
    },
    "budget_cut": {
        "en": "Only {count} of {asked} pictures could be asked for: your budget for pictures, {budget} a day, allows no more today. It begins anew at midnight ({zone}, the server's time); an administrator can change it.",
        "zh-CN": "{asked} 张图片中只请求了 {count} 张：您每天的图片预算为 {budget}，今天的余额不足以生成更多。预算在每天零点（服务器时区 {zone}）重新计算，管理员可以调整。",
    },
    "price_assumed": {
        "en": "The price of {model} is not known yet; each picture is counted as {amount}, the dearest known.",
        "zh-CN": "{model} 的价格尚不清楚，每张图片暂按已知的最高价格 {amount} 计算。",
    },
    "flag_not_last": {
        "en": "Flags count at the very end of a message only, so these were read as words: {names}. Please move them there.",
        "zh-CN": "参数写在消息的最末尾才有效，以下参数已当作普通文字：{names}。请将其移到末尾。",
    },
    "flag_joined": {
        "en": "Read as words, since no space stands before it: {names}. Please put one there.",
        "zh-CN": "以下参数前缺少空格，已当作普通文字：{names}。请在前面加一个空格。",
    },
    "flag_unknown": {
        "en": "Read as words, since there is no such flag here: {names}. Please leave it out, or say in words what you want; `--help` names all flags.",
        "zh-CN": "此处没有以下参数，已当作普通文字：{names}。请将其删去，或用文字说明想要的效果；发送 `--help` 可查看全部参数。",
    },
    "keys_rest": {
        "en": "For administrators: {count} of {all} API keys rest: {which}.",
        "zh-CN": "致管理员：{all} 个 API 密钥中有 {count} 个暂停使用：{which}。",
    },
    "only_vertex": {
        "en": "Only Vertex AI offers this setting, so it was left out: {what}.",
        "zh-CN": "仅 Vertex AI 提供此项设置，已忽略：{what}。",
    },
}

# Those that a chat needs to hear once, and which of their numbers may differ then.
SAID_ONCE: dict[str, tuple[str, ...]] = {
    "left_out": (),
    "no_knowledge": (),
    "document_cut": (),
    "document_left_out": (),
    "size_ceiling": (),
    "price_assumed": (),
    "earlier_none": ("count",),
    "earlier_cut": ("count",),
}

# What the line above an answer says.
STATUSES: Texts = {
    "making": {
        "en": "{name} is making the picture …",
        "zh-CN": "{name} 正在生成图片……",
    },
    "making_several": {
        "en": "{name} is making {count} pictures …",
        "zh-CN": "{name} 正在生成 {count} 张图片……",
    },
    "working": {
        "en": "Working …",
        "zh-CN": "正在处理……",
    },
    "so_far": {
        "en": "{what} {seconds} s",
        "zh-CN": "{what}（已用 {seconds} 秒）",
    },
    "no_picture_made": {
        "en": "No picture was made",
        "zh-CN": "未生成图片",
    },
    "in_line": {
        "en": "Waiting in line; requests before yours: {count} …",
        "zh-CN": "排队中，前面还有 {count} 个请求……",
    },
    "next_in_line": {
        "en": "Waiting in line; yours is next …",
        "zh-CN": "排队中，下一个就轮到您……",
    },
    "out_of_line": {
        "en": "Your turn has come; working on it …",
        "zh-CN": "已轮到您，正在处理……",
    },
    "made_none": {
        "en": "{model} made no picture",
        "zh-CN": "{model} 没有生成图片",
    },
    "next_try": {
        "en": "{why}; next try in {seconds:.0f} s …",
        "zh-CN": "{why}；{seconds:.0f} 秒后重试……",
    },
    "trying_again": {
        "en": "{why}; trying again …",
        "zh-CN": "{why}；正在重试……",
    },
    "stopped": {
        "en": "Stopped",
        "zh-CN": "已停止",
    },
    "asking": {
        "en": "Waiting for your answer …",
        "zh-CN": "正在等待您的确认……",
    },
}
# Parts of sentences, names and labels; what can be chosen, by the fields of ImageOptions.
PHRASES: Texts = {
    "pictures": {
        "en": "{count} pictures",
        "zh-CN": "{count} 张图片",
    },
    "a_picture": {
        "en": "A picture",
        "zh-CN": "图片",
    },
    "attached_picture": {
        "en": "An attached picture",
        "zh-CN": "所附图片",
    },
    "a_document": {
        "en": "A document",
        "zh-CN": "文档",
    },
    "knowledge": {
        "en": "Knowledge",
        "zh-CN": "知识库",
    },
    "sound": {
        "en": "A sound",
        "zh-CN": "音频",
    },
    "film": {
        "en": "A film",
        "zh-CN": "视频",
    },
    "part": {
        "en": "A part of the message of an unknown kind",
        "zh-CN": "消息中未知类型的内容",
    },
    "picture_number": {
        "en": "Picture {number}",
        "zh-CN": "图片 {number}",
    },
    "numbered_picture": {
        "en": "Picture {number} ({name})",
        "zh-CN": "图片 {number}（{name}）",
    },
    "generated": {
        "en": "Generated image",
        "zh-CN": "生成的图片",
    },
    "this_form": {
        "en": "this",
        "zh-CN": "未知格式",
    },
    "page": {
        "en": "Page",
        "zh-CN": "网页",
    },
    "no_user": {
        "en": "there is no user to keep it for",
        "zh-CN": "没有可归属的用户",
    },
    "storage_failed": {
        "en": "its storage failed",
        "zh-CN": "存储发生故障",
    },
    "only_some": {
        "en": "Only {made} of {count} pictures could be made. ",
        "zh-CN": "{count} 张图片中只生成了 {made} 张。",
    },
    "given_up": {
        "en": " (Given up after {seconds:.0f} s.)",
        "zh-CN": "（{seconds:.0f} 秒后放弃。）",
    },
    "waited": {
        "en": ", after a wait of {seconds:.0f} seconds in line on this server",
        "zh-CN": "（此前已在此服务器上排队等待 {seconds:.0f} 秒）",
    },
    "others_pictures": {
        "en": "those of others",
        "zh-CN": "其他用户的图片",
    },
    "own_pictures": {
        "en": "others of your own",
        "zh-CN": "您自己的其他图片",
    },
    "available": {
        "en": " This key can use {models}.",
        "zh-CN": "此密钥可以使用：{models}。",
    },
    "region": {
        "en": " Google lists it, so it may not be offered in the region of the server that runs Open WebUI.",
        "zh-CN": "Google 的列表中有此模型，因此可能是运行 Open WebUI 的服务器所在的地区未提供。",
    },
    "in_brackets": {
        "en": " ({text})",
        "zh-CN": "（{text}）",
    },
    "where": {
        "en": ": <{address}>",
        "zh-CN": "：<{address}>",
    },
    "headers_json": {
        "en": "they are no JSON object of texts",
        "zh-CN": "不是由名称和值组成的 JSON 对象",
    },
    "headers_many": {
        "en": "they are too many",
        "zh-CN": "数量过多",
    },
    "header_line": {
        "en": "line {number} is not one `Name: text`",
        "zh-CN": "第 {number} 行不是 `名称: 值` 的形式",
    },
    "header_value": {
        "en": "what is set for `{name}` cannot be sent",
        "zh-CN": "`{name}` 的值无法发送",
    },
    "header_name": {
        "en": "`{name}` is not theirs to set",
        "zh-CN": "不允许设置 `{name}`",
    },
    "ratio_and_size": {
        "en": "{ratio} at {size}",
        "zh-CN": "{ratio}、{size}",
    },
    "seconds": {
        "en": "{seconds:.0f} s",
        "zh-CN": "{seconds:.0f} 秒",
    },
    "price": {
        "en": "≈ ${price:.3f}",
        "zh-CN": "≈ ${price:.3f}",
    },
    "tag": {
        "en": "Images",
        "zh-CN": "图片",
    },
    "price_unknown": {
        "en": "price unknown",
        "zh-CN": "价格未知",
    },
    "retired": {
        "en": "{model} (retired)",
        "zh-CN": "{model}（已停用）",
    },
    "image_size": {
        "en": "picture size",
        "zh-CN": "图片尺寸",
    },
    "aspect_ratio": {
        "en": "aspect ratio",
        "zh-CN": "宽高比",
    },
    "count": {
        "en": "number of pictures",
        "zh-CN": "图片数量",
    },
    "thinking_level": {
        "en": "thinking level",
        "zh-CN": "思考级别",
    },
    "searches": {
        "en": "Google Search",
        "zh-CN": "Google 搜索",
    },
    "thoughts": {
        "en": "thoughts",
        "zh-CN": "显示思考过程",
    },
    "safety": {
        "en": "safety threshold",
        "zh-CN": "安全阈值",
    },
    "comma": {
        "en": ", ",
        "zh-CN": "、",
    },
    "named_model": {
        "en": "{name}",
        "zh-CN": "{name}",
    },
    "named_model_with_id": {
        "en": "{name} (`{id}`)",
        "zh-CN": "{name} (`{id}`)",
    },
    "model_id": {
        "en": "`{id}`",
        "zh-CN": "`{id}`",
    },
    "of_user": {
        "en": "what the administrator chose, else {auto}",
        "zh-CN": "管理员的选择；若管理员未选择：{auto}",
    },
    "option": {
        "en": "{description} auto: {auto}.",
        "zh-CN": "{description}auto：{auto}。",
    },
    "in_size": {
        "en": "{what} in {size}",
        "zh-CN": "{what}（{size}）",
    },
    "these_models": {
        "en": "these models",
        "zh-CN": "这些模型",
    },
    "question_title": {
        "en": "Make {what}?",
        "zh-CN": "要生成 {what}吗？",
    },
    "question": {
        "en": "This costs about {amount}. Without an answer within a minute nothing is made.",
        "zh-CN": "费用约为 {amount}。一分钟内未确认则不会生成。",
    },
    "spent_today": {
        "en": "Today (since midnight, {zone}): {what}.",
        "zh-CN": "今天（自零点起，时区 {zone}）：{what}。",
    },
    "spent_month": {
        "en": "This month: {what}.",
        "zh-CN": "本月：{what}。",
    },
    "budget_of_day": {
        "en": "Your budget is {budget} a day; {left} of it is left until midnight. An administrator can change it.",
        "zh-CN": "您每天的预算为 {budget}，到零点前还剩 {left}。管理员可以调整。",
    },
    "pictures_priced": {
        "en": "{what}, about {usd}",
        "zh-CN": "{what}，约 {usd}",
    },
    "no_pictures": {
        "en": "no pictures",
        "zh-CN": "没有图片",
    },
    "one_picture": {
        "en": "1 picture",
        "zh-CN": "1 张图片",
    },
    "help_model": {
        "en": "**{model}** makes the pictures here.",
        "zh-CN": "此处由 **{model}** 生成图片。",
    },
    "help_auto": {
        "en": "{auto} is always the newest model: now **{model}** makes the pictures.",
        "zh-CN": "{auto} 始终选用最新的模型：目前由 **{model}** 生成图片。",
    },
    "help_successor": {
        "en": "Google no longer offers {asked}; **{model}** makes the pictures in its place.",
        "zh-CN": "Google 已停用 {asked}，改由 **{model}** 生成图片。",
    },
    "help_how": {
        "en": "Write what the picture should show. Then choose, at the very end of the message:",
        "zh-CN": "请写下想要的画面；如需以下设置，请将参数写在消息的最末尾：",
    },
    "help_option": {
        "en": "- **{what}**: {choices}. Example: `{example}`",
        "zh-CN": "- **{what}**：{choices}。例如：`{example}`",
    },
    "help_choice": {
        "en": "`{choice}`",
        "zh-CN": "`{choice}`",
    },
    "help_priced_choice": {
        "en": "`{choice}` ({price})",
        "zh-CN": "`{choice}`（{price}）",
    },
    "help_prompt": {
        "en": "a red fox in the snow",
        "zh-CN": "雪地里的红狐狸",
    },
    "help_prices": {
        "en": "The prices are about what Google charges for one picture; what the model reads and thinks comes on top.",
        "zh-CN": "价格为 Google 对每张图片的大致收费；模型读取的内容和思考过程另行计费。",
    },
    "help_price": {
        "en": "Google charges about this for one picture: {price}. What the model reads and thinks comes on top.",
        "zh-CN": "Google 对每张图片的大致收费：{price}。模型读取的内容和思考过程另行计费。",
    },
    "help_no_price": {
        "en": "What a picture costs is not known here.",
        "zh-CN": "每张图片的价格未知。",
    },
    "help_costs": {
        "en": "`--cost` as a message tells what your pictures have cost so far.",
        "zh-CN": "单独发送 `--cost` 可查看您的图片至今花费多少。",
    },
    "costs_help": {
        "en": "`--help` as a message tells what you can ask for.",
        "zh-CN": "单独发送 `--help` 可查看有哪些设置可用。",
    },
    "follow_wide": {
        "en": "The same, wide",
        "zh-CN": "同样的画面，横幅",
    },
    "follow_tall": {
        "en": "The same, tall",
        "zh-CN": "同样的画面，竖幅",
    },
    "follow_square": {
        "en": "The same, square",
        "zh-CN": "同样的画面，方形",
    },
    "follow_size": {
        "en": "In {size}",
        "zh-CN": "以 {size} 生成",
    },
    "follow_count": {
        "en": "{count} variations",
        "zh-CN": "{count} 个不同的版本",
    },
    "follow_angle": {
        "en": "The same from another angle",
        "zh-CN": "换个角度看同样的画面",
    },
    "key_number": {
        "en": "number {number} is too long, or holds signs that no key has",
        "zh-CN": "第 {number} 个过长，或含有密钥中不会出现的字符",
    },
    "keys_many": {
        "en": "there are more than {limit}",
        "zh-CN": "数量超过 {limit} 个",
    },
    "resting_key": {
        "en": "`…{end}` ({why})",
        "zh-CN": "`…{end}`（{why}）",
    },
    "hidden_key": {
        "en": "one whose end is not shown ({why})",
        "zh-CN": "一个不显示末尾的密钥（{why}）",
    },
    "rests_refused": {
        "en": "not accepted",
        "zh-CN": "未被接受",
    },
    "rests_expired": {
        "en": "expired",
        "zh-CN": "已过期",
    },
    "rests_leaked": {
        "en": "blocked, as it was found in public",
        "zh-CN": "因公开泄露而被封禁",
    },
    "rests_restricted": {
        "en": "not allowed to do this",
        "zh-CN": "无权执行此操作",
    },
    "rests_billing": {
        "en": "no billing, credit or quota",
        "zh-CN": "未启用结算，或没有余额、配额",
    },
    "rests_day": {
        "en": "daily quota used up",
        "zh-CN": "每日配额已用完",
    },
    "rests_minute": {
        "en": "too many requests in a short time",
        "zh-CN": "短时间内请求过多",
    },
    "people": {
        "en": "people in pictures",
        "zh-CN": "图片中的人物",
    },
    "output": {
        "en": "file format",
        "zh-CN": "文件格式",
    },
    "quality": {
        "en": "quality of JPEG",
        "zh-CN": "JPEG 质量",
    },
    "account_json": {
        "en": "they are no JSON of an account",
        "zh-CN": "内容不是账号的 JSON",
    },
    "account_lacks": {
        "en": "these fields are missing: {names}",
        "zh-CN": "缺少以下字段：{names}",
    },
    "other_location": {
        "en": " An administrator can set VERTEX_LOCATION to `global`, where all image models are.",
        "zh-CN": "管理员可以将 VERTEX_LOCATION 设为 `global`，所有图像模型都在该位置提供。",
    },
    "account_key": {
        "en": "its private key cannot be read",
        "zh-CN": "其中的私钥无法读取",
    },
}
# What an option is for | what holds where nobody chooses ("auto"), by the fields of
# ImageOptions.
OPTION_WORDS: Texts = {
    "image_size": {
        "en": "1K is about 1024 × 1024 pixels; 4K has sixteen times as many and costs more. | 1K",
        "zh-CN": "1K 约为 1024 × 1024 像素；4K 的像素数是其 16 倍，费用也更高。 | 1K",
    },
    "aspect_ratio": {
        "en": "Width to height. | that of the picture to be changed, or 1:1",
        "zh-CN": "图片的宽高比。 | 与要修改的图片相同，否则为 1:1",
    },
    "count": {
        "en": "How many pictures one prompt makes, side by side. Each is billed. | one",
        "zh-CN": "一条提示词生成多少张图片，并排显示。每张都会计费。 | 一张",
    },
    "thinking_level": {
        "en": "How long the model thinks before it draws; thoughts cost tokens. | as the model does by itself",
        "zh-CN": "模型在绘图前思考多久；思考会消耗 Token。 | 由模型自行决定",
    },
    "searches": {
        "en": "Let the model look things up with Google Search before it draws; Google bills many searches extra. | off",
        "zh-CN": "允许模型在绘图前用 Google 搜索查找资料；搜索较多时，Google 会额外收费。 | 关闭",
    },
    "thoughts": {
        "en": "Show the model's thoughts, folded up, above its answer. | off",
        "zh-CN": "在回答上方以折叠形式显示模型的思考过程。 | 关闭",
    },
    "safety": {
        "en": "From which probability of harm on Google blocks prompts and answers. What no setting lifts stays blocked. | Google's default",
        "zh-CN": "有害内容的概率达到何种程度时，Google 会拦截提示词和回答。任何设置都无法解除的拦截仍然有效。 | Google 的默认值",
    },
    "people": {
        "en": "Whether pictures may show people, or adults only. Vertex AI alone offers it. | as the model decides",
        "zh-CN": "图片中是否可以出现人物，或仅限成年人。仅 Vertex AI 提供。 | 由模型决定",
    },
    "output": {
        "en": "The file format of pictures. Vertex AI alone offers it. | the model's own",
        "zh-CN": "图片的文件格式。仅 Vertex AI 提供。 | 模型自身的格式",
    },
    "quality": {
        "en": "The quality of JPEG pictures, 1 to 100; less makes smaller files. Vertex AI alone offers it. | Google's default",
        "zh-CN": "JPEG 图片的质量，1 至 100；数值越小，文件越小。仅 Vertex AI 提供。 | Google 的默认值",
    },
}
# What the administrator's dialogue says of each setting that is no option.
VALVES: Texts = {
    "GEMINI_API_KEY": {
        "en": "The API key from https://aistudio.google.com/apikey, of a project with billing; or several with commas between them, of which the next is used where one fails. Empty: the environment variable GEMINI_API_KEY or GOOGLE_API_KEY.",
        "zh-CN": "来自 https://aistudio.google.com/apikey 的 API 密钥，其所属项目须已启用结算功能；也可以填写多个，以逗号分隔，一个失败时改用下一个。留空：使用环境变量 GEMINI_API_KEY 或 GOOGLE_API_KEY。",
    },
    "REQUIRE_USER_KEY": {
        "en": "Let users make pictures with keys of their own only, which they enter in their own settings (valves) of this function.",
        "zh-CN": "用户只能使用自己的密钥生成图片，密钥由用户在此函数的个人配置项中填写。",
    },
    "GEMINI_API_BASE_URL": {
        "en": "Another address for the Gemini API, such as a gateway. /v1beta is added where no version is named; a trailing # takes the rest exactly as it is; what follows a ? goes along with each request. Empty: Google.",
        "zh-CN": "Gemini API 的其他地址，例如网关。未写明版本时会补上 /v1beta；以 # 结尾则原样使用其前面的部分；? 之后的内容会附加到每个请求。留空：Google。",
    },
    "GATEWAY_HEADERS": {
        "en": "Headers that a gateway wants besides the key: one as Name: text, several as a JSON object of names and texts. {key} in a text stands for GEMINI_API_KEY, which is then sent there only, as in Authorization: Bearer {key}. Never sent to Google itself.",
        "zh-CN": "网关除密钥外还需要的请求头：单个写作“名称: 值”，多个写作由名称和值组成的 JSON 对象。值中的 {key} 代表 GEMINI_API_KEY，此时密钥只在该处发送，例如 Authorization: Bearer {key}。绝不会发送给 Google 本身。",
    },
    "MODELS": {
        "en": "Which models to list: ids with commas between them, * as wildcard (gemini-3*, gemini-nano-banana-2.1). An id without wildcard is listed even if Google does not list it. Empty: all image models.",
        "zh-CN": "列出哪些模型：以逗号分隔的 ID，* 为通配符（gemini-3*, gemini-nano-banana-2.1）。不含通配符的 ID 即使 Google 未列出也会列出。留空：所有图像模型。",
    },
    "RETIRED_MODELS": {
        "en": "Retired ids that stay at the end of the list, because chats or clients still use them; their successors answer. Empty: none but those that your own model settings refer to.",
        "zh-CN": "保留在列表末尾的已停用 ID，因为对话或客户端仍在使用它们；由其后续模型回答。留空：只保留您自己的模型设置所引用的 ID。",
    },
    "FOLLOW_SUCCESSORS": {
        "en": "Let the successor that Google names answer for a retired model, and say so. Off: a message instead.",
        "zh-CN": "由 Google 指定的后续模型代替已停用的模型回答，并加以说明。关闭：改为显示一条消息。",
    },
    "HISTORY_IMAGES": {
        "en": "How many earlier pictures of a chat go along with a new message, newest first, so that it can ask for changes. Each costs input tokens. 0: none.",
        "zh-CN": "新消息会附带对话中多少张较早的图片（从最新的开始），以便要求修改。每张都会消耗输入 Token。0：不附带。",
    },
    "STORAGE": {
        "en": "Where pictures are kept: as files in Open WebUI's storage, or inline as part of the message, which makes the chat's database large.",
        "zh-CN": "图片保存在何处：files 为 Open WebUI 的文件存储；inline 为直接嵌在消息中，会使对话数据库变大。",
    },
    "MAX_RETRIES": {
        "en": "How often a request is sent again after a failure that may pass by itself and is not billed (overload, rate limit). 0: never.",
        "zh-CN": "对于可能自行恢复且不计费的失败（过载、速率限制），最多重新发送请求几次。0：从不。",
    },
    "MAX_PARALLEL_REQUESTS": {
        "en": "How many requests to Google one worker of the server sends at the same time, for all users; the others wait in line, and users take turns.",
        "zh-CN": "服务器的每个工作进程最多同时向 Google 发送多少个请求（所有用户合计）；其余请求排队等待，各用户轮流处理。",
    },
    "MAX_PARALLEL_REQUESTS_PER_USER": {
        "en": "How many of them may be one user's; more wait in line although there is room for others. 0: half of all.",
        "zh-CN": "其中同一用户最多可占多少个；超出的请求即使仍有空位也要排队。0：总数的一半。",
    },
    "REQUEST_TIMEOUT": {
        "en": "Seconds that an answer of Google may take, with all tries and the wait in line.",
        "zh-CN": "Google 的一次回答最多可用的秒数，包括所有重试和排队时间。",
    },
    "LANGUAGE": {
        "en": "The language of what the plugin says. auto: that of the user's page, or the one that a program asks for (Accept-Language); else English.",
        "zh-CN": "插件消息所用的语言。auto：用户页面的语言，或程序所要求的语言（Accept-Language）；否则为英语。",
    },
    "MAX_IMAGE_SIZE": {
        "en": "The largest picture size that anybody may ask for; what is larger becomes this one. auto: what the model offers.",
        "zh-CN": "所有人可以使用的最大图片尺寸，超出时改用此尺寸。auto：以模型支持的为准。",
    },
    "MAX_IMAGES_PER_PROMPT": {
        "en": "How many pictures one prompt may make at most, whoever asks.",
        "zh-CN": "每条提示词最多生成几张图片，对所有人有效。",
    },
    "ADMIN_ONLY_MODELS": {
        "en": "Models that only administrators may use: ids or names with commas between them, * as wildcard (gemini-3-pro*). For others auto chooses among the rest. Empty: none.",
        "zh-CN": "仅限管理员使用的模型：以逗号分隔的 ID 或名称，* 为通配符（gemini-3-pro*）。对其他用户，auto 在其余模型中选择。留空：无。",
    },
    "AUTO_KNOWN_PRICES_ONLY": {
        "en": "Let auto choose only models whose price this plugin knows. Off: a newer version of the same model is taken at once, and counted at the dearest known price. A model that MODELS names alone is always taken.",
        "zh-CN": "auto 只选择本插件知道价格的模型。关闭：同一模型有新版本时立即采用，并按已知的最高价格计算。MODELS 中只写了一个模型时，始终采用该模型。",
    },
    "DAILY_BUDGET_USD": {
        "en": "For how many US dollars a user may make pictures a day, by estimated prices, from midnight to midnight of the server's time. Pictures made with a key of one's own do not count. 0: no limit.",
        "zh-CN": "每位用户每天最多可以生成价值多少美元的图片（按估算价格，从服务器时间零点到零点）。使用自己的密钥生成的图片不计入。0：不限。",
    },
    "BUDGET_FOR_ADMINS": {
        "en": "Whether the budget holds for administrators, too.",
        "zh-CN": "预算是否也适用于管理员。",
    },
    "CONFIRM_ABOVE_USD": {
        "en": "Ask at the page before a prompt costs more than so many US dollars. Programs, tasks and channels are never asked. 0: never.",
        "zh-CN": "一条提示词的费用超过多少美元时，先在页面上请用户确认。程序、任务和频道不会被询问。0：从不询问。",
    },
    "FOLLOW_UPS": {
        "en": "Suggest what to ask for next below each answer, such as another shape or size; costs nothing. Off: no suggestions.",
        "zh-CN": "在每次回答下方的“追问”中给出建议，例如换一种比例或尺寸；不产生费用。关闭：不给建议。",
    },
    "BACKEND": {
        "en": "Who makes the pictures: the Gemini API of Google AI Studio, or Vertex AI of Google Cloud, with an API key (GEMINI_API_KEY) or as a project of yours (VERTEX_PROJECT, VERTEX_LOCATION, VERTEX_CREDENTIALS).",
        "zh-CN": "由谁生成图片：Google AI Studio 的 Gemini API，或 Google Cloud 的 Vertex AI；后者可使用 API 密钥（GEMINI_API_KEY），或使用您的项目（VERTEX_PROJECT、VERTEX_LOCATION、VERTEX_CREDENTIALS）。",
    },
    "VERTEX_PROJECT": {
        "en": "The id of the Google Cloud project that Vertex AI bills. Empty: the one that VERTEX_CREDENTIALS name, or the environment variable GOOGLE_CLOUD_PROJECT.",
        "zh-CN": "Vertex AI 计费的 Google Cloud 项目 ID。留空：使用 VERTEX_CREDENTIALS 中的项目，或环境变量 GOOGLE_CLOUD_PROJECT。",
    },
    "VERTEX_LOCATION": {
        "en": "Where Vertex AI works: global, where all image models are, a region such as europe-west4, or us or eu.",
        "zh-CN": "Vertex AI 的位置：global（提供所有图像模型）、某个地区（例如 europe-west4），或 us、eu。",
    },
    "VERTEX_CREDENTIALS": {
        "en": "The JSON of a key of a service account with the role Vertex AI User. Empty: the server's default credentials of Google Cloud.",
        "zh-CN": "服务账号密钥的 JSON，该账号须具有 Vertex AI User 角色。留空：使用服务器上 Google Cloud 的默认凭据。",
    },
}
# What a user's own dialogue says of one.
OWN_VALVES: Texts = {
    "GEMINI_API_KEY": {
        "en": "A Gemini API key of your own, from https://aistudio.google.com/apikey, to be used instead of the server's; or several with commas between them.",
        "zh-CN": "您自己在 https://aistudio.google.com/apikey 创建的 Gemini API 密钥，用于代替服务器的密钥；也可以填写多个，以逗号分隔。",
    },
}
# What dialogues call the settings where they speak the reader's language; the names that
# messages and README use are in it.
VALVE_TITLES: Texts = {
    "GEMINI_API_KEY": {
        "en": "GEMINI_API_KEY",
        "zh-CN": "API 密钥（GEMINI_API_KEY）",
    },
    "REQUIRE_USER_KEY": {
        "en": "REQUIRE_USER_KEY",
        "zh-CN": "用户须自备密钥（REQUIRE_USER_KEY）",
    },
    "GEMINI_API_BASE_URL": {
        "en": "GEMINI_API_BASE_URL",
        "zh-CN": "API 接口地址（GEMINI_API_BASE_URL）",
    },
    "GATEWAY_HEADERS": {
        "en": "GATEWAY_HEADERS",
        "zh-CN": "网关请求头（GATEWAY_HEADERS）",
    },
    "MODELS": {
        "en": "MODELS",
        "zh-CN": "列出的模型（MODELS）",
    },
    "RETIRED_MODELS": {
        "en": "RETIRED_MODELS",
        "zh-CN": "保留的已停用模型（RETIRED_MODELS）",
    },
    "FOLLOW_SUCCESSORS": {
        "en": "FOLLOW_SUCCESSORS",
        "zh-CN": "改用后续模型（FOLLOW_SUCCESSORS）",
    },
    "ASPECT_RATIO": {
        "en": "ASPECT_RATIO",
        "zh-CN": "宽高比（ASPECT_RATIO）",
    },
    "IMAGE_SIZE": {
        "en": "IMAGE_SIZE",
        "zh-CN": "图片尺寸（IMAGE_SIZE）",
    },
    "IMAGES_PER_PROMPT": {
        "en": "IMAGES_PER_PROMPT",
        "zh-CN": "每次图片数量（IMAGES_PER_PROMPT）",
    },
    "THINKING_LEVEL": {
        "en": "THINKING_LEVEL",
        "zh-CN": "思考级别（THINKING_LEVEL）",
    },
    "GOOGLE_SEARCH": {
        "en": "GOOGLE_SEARCH",
        "zh-CN": "Google 搜索（GOOGLE_SEARCH）",
    },
    "SHOW_THOUGHTS": {
        "en": "SHOW_THOUGHTS",
        "zh-CN": "显示思考过程（SHOW_THOUGHTS）",
    },
    "SAFETY_THRESHOLD": {
        "en": "SAFETY_THRESHOLD",
        "zh-CN": "安全阈值（SAFETY_THRESHOLD）",
    },
    "HISTORY_IMAGES": {
        "en": "HISTORY_IMAGES",
        "zh-CN": "附带的较早图片（HISTORY_IMAGES）",
    },
    "STORAGE": {
        "en": "STORAGE",
        "zh-CN": "图片存储方式（STORAGE）",
    },
    "MAX_RETRIES": {
        "en": "MAX_RETRIES",
        "zh-CN": "最多重试次数（MAX_RETRIES）",
    },
    "MAX_PARALLEL_REQUESTS": {
        "en": "MAX_PARALLEL_REQUESTS",
        "zh-CN": "最大并发请求数（MAX_PARALLEL_REQUESTS）",
    },
    "MAX_PARALLEL_REQUESTS_PER_USER": {
        "en": "MAX_PARALLEL_REQUESTS_PER_USER",
        "zh-CN": "每用户最大并发请求数（MAX_PARALLEL_REQUESTS_PER_USER）",
    },
    "REQUEST_TIMEOUT": {
        "en": "REQUEST_TIMEOUT",
        "zh-CN": "请求超时秒数（REQUEST_TIMEOUT）",
    },
    "LANGUAGE": {
        "en": "LANGUAGE",
        "zh-CN": "消息语言（LANGUAGE）",
    },
    "MAX_IMAGE_SIZE": {
        "en": "MAX_IMAGE_SIZE",
        "zh-CN": "最大图片尺寸（MAX_IMAGE_SIZE）",
    },
    "MAX_IMAGES_PER_PROMPT": {
        "en": "MAX_IMAGES_PER_PROMPT",
        "zh-CN": "每条提示词最多图片数（MAX_IMAGES_PER_PROMPT）",
    },
    "ADMIN_ONLY_MODELS": {
        "en": "ADMIN_ONLY_MODELS",
        "zh-CN": "仅限管理员的模型（ADMIN_ONLY_MODELS）",
    },
    "AUTO_KNOWN_PRICES_ONLY": {
        "en": "AUTO_KNOWN_PRICES_ONLY",
        "zh-CN": "auto 只选价格已知的模型（AUTO_KNOWN_PRICES_ONLY）",
    },
    "DAILY_BUDGET_USD": {
        "en": "DAILY_BUDGET_USD",
        "zh-CN": "每日预算（美元）（DAILY_BUDGET_USD）",
    },
    "BUDGET_FOR_ADMINS": {
        "en": "BUDGET_FOR_ADMINS",
        "zh-CN": "预算也适用于管理员（BUDGET_FOR_ADMINS）",
    },
    "CONFIRM_ABOVE_USD": {
        "en": "CONFIRM_ABOVE_USD",
        "zh-CN": "超过此金额先确认（美元）（CONFIRM_ABOVE_USD）",
    },
    "FOLLOW_UPS": {
        "en": "FOLLOW_UPS",
        "zh-CN": "追问建议（FOLLOW_UPS）",
    },
    "BACKEND": {
        "en": "BACKEND",
        "zh-CN": "后端（BACKEND）",
    },
    "VERTEX_PROJECT": {
        "en": "VERTEX_PROJECT",
        "zh-CN": "Vertex AI 项目（VERTEX_PROJECT）",
    },
    "VERTEX_LOCATION": {
        "en": "VERTEX_LOCATION",
        "zh-CN": "Vertex AI 位置（VERTEX_LOCATION）",
    },
    "VERTEX_CREDENTIALS": {
        "en": "VERTEX_CREDENTIALS",
        "zh-CN": "Vertex AI 凭据（VERTEX_CREDENTIALS）",
    },
    "PERSON_GENERATION": {
        "en": "PERSON_GENERATION",
        "zh-CN": "图片中的人物（PERSON_GENERATION）",
    },
    "OUTPUT_FORMAT": {
        "en": "OUTPUT_FORMAT",
        "zh-CN": "文件格式（OUTPUT_FORMAT）",
    },
    "OUTPUT_QUALITY": {
        "en": "OUTPUT_QUALITY",
        "zh-CN": "JPEG 质量（OUTPUT_QUALITY）",
    },
}
# And what can be chosen in them; numbers, ratios and sizes are the same in all.
VALVE_VALUES: Texts = {
    "auto": {
        "en": "auto",
        "zh-CN": "自动（auto）",
    },
    "on": {
        "en": "on",
        "zh-CN": "开启（on）",
    },
    "off": {
        "en": "off",
        "zh-CN": "关闭（off）",
    },
    "files": {
        "en": "files",
        "zh-CN": "文件（files）",
    },
    "inline": {
        "en": "inline",
        "zh-CN": "内联（inline）",
    },
    "minimal": {
        "en": "minimal",
        "zh-CN": "极低（minimal）",
    },
    "low": {
        "en": "low",
        "zh-CN": "低（low）",
    },
    "medium": {
        "en": "medium",
        "zh-CN": "中（medium）",
    },
    "high": {
        "en": "high",
        "zh-CN": "高（high）",
    },
    "xhigh": {
        "en": "xhigh",
        "zh-CN": "极高（xhigh）",
    },
    "BLOCK_LOW_AND_ABOVE": {
        "en": "BLOCK_LOW_AND_ABOVE",
        "zh-CN": "拦截低概率及以上（BLOCK_LOW_AND_ABOVE）",
    },
    "BLOCK_MEDIUM_AND_ABOVE": {
        "en": "BLOCK_MEDIUM_AND_ABOVE",
        "zh-CN": "拦截中等概率及以上（BLOCK_MEDIUM_AND_ABOVE）",
    },
    "BLOCK_ONLY_HIGH": {
        "en": "BLOCK_ONLY_HIGH",
        "zh-CN": "仅拦截高概率（BLOCK_ONLY_HIGH）",
    },
    "BLOCK_NONE": {
        "en": "BLOCK_NONE",
        "zh-CN": "不拦截（BLOCK_NONE）",
    },
    "OFF": {
        "en": "OFF",
        "zh-CN": "关闭过滤器（OFF）",
    },
    "en": {
        "en": "English (en)",
        "zh-CN": "英语（en）",
    },
    "zh-CN": {
        "en": "简体中文 (zh-CN)",
        "zh-CN": "简体中文（zh-CN）",
    },
    "Gemini API": {
        "en": "Gemini API",
        "zh-CN": "Gemini API",
    },
    "Vertex AI with an API key": {
        "en": "Vertex AI with an API key",
        "zh-CN": "Vertex AI，使用 API 密钥（Vertex AI with an API key）",
    },
    "Vertex AI project": {
        "en": "Vertex AI project",
        "zh-CN": "Vertex AI，使用项目（Vertex AI project）",
    },
    "ALLOW_ALL": {
        "en": "ALLOW_ALL",
        "zh-CN": "允许所有人物（ALLOW_ALL）",
    },
    "ALLOW_ADULT": {
        "en": "ALLOW_ADULT",
        "zh-CN": "仅限成年人（ALLOW_ADULT）",
    },
    "ALLOW_NONE": {
        "en": "ALLOW_NONE",
        "zh-CN": "不允许人物（ALLOW_NONE）",
    },
    "png": {
        "en": "png",
        "zh-CN": "PNG（png）",
    },
    "jpeg": {
        "en": "jpeg",
        "zh-CN": "JPEG（jpeg）",
    },
}
# What the host's list of functions says of this one; in English, the top of this file.
FUNCTION_WORDS: Texts = {
    "name": {
        "en": "Gemini Image Pipe",
        "zh-CN": "Gemini Image Pipe 图像生成",
    },
    "description": {
        "en": "Google's image models (Nano Banana, Gemini Image, Imagen) as chat models. Pick one, write, see the picture, ask for a change.",
        "zh-CN": "将 Google 的图像模型（Nano Banana、Gemini Image、Imagen）作为对话模型使用：选择模型，写下要求，查看图片，继续修改。",
    },
}
_SENTENCES = NOTES | STATUSES | PHRASES
# How a model is called for those who need its id as well.
_WITH_IDS = {"named_model": "named_model_with_id"}


class Reader(NamedTuple):
    """Who reads a sentence.

    language: one of LANGUAGES. sees_ids: whether models are named with their ids, which
    administrators and programs need. own_key: whether the key is the reader's own.
    """

    language: str = LANGUAGES[0]
    sees_ids: bool = False
    own_key: bool = False


ENGLISH = Reader()


def language_of(*wishes: str) -> str:
    """The language for somebody, by the first wish that is one: a language tag, or a
    list of them as in Accept-Language (RFC 9110, section 12.5.4).

    Of Chinese there is one form, and for languages that are not there it is English.
    """
    wish = next((w for w in wishes if w.strip().lower() not in ("", "auto")), "")
    wanted = [_primary(tag) for tag in _by_preference(wish[:MAX_LANGUAGE_CHARACTERS])]
    there = {_primary(language): language for language in LANGUAGES}
    return next((there[tag] for tag in wanted if tag in there), LANGUAGES[0])


def _by_preference(wish: str) -> list[str]:
    """The tags of a list, dearest first; those that are ruled out (q=0) are none."""
    weighed = []
    for entry in wish.split(","):
        tag, _, weight = entry.partition(";")
        found = re.fullmatch(r"\s*[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", weight)
        weighed.append((float(found[1]) if found else 1.0, tag.strip()))
    weighed.sort(key=lambda one: -one[0])
    return [tag for weight, tag in weighed if weight]


def _primary(tag: str) -> str:
    return re.split("[-_]", tag.strip().lower(), maxsplit=1)[0]


def _in_language(row: dict[str, str], reader: Reader) -> str:
    return row.get(reader.language) or row[LANGUAGES[0]]


def sentence(note: Note, reader: Reader) -> str:
    """A note in words, and those within it."""
    kind = _WITH_IDS.get(note.kind, note.kind) if reader.sees_ids else note.kind
    text = _in_language(_SENTENCES[kind], reader)
    return text.format_map(_in_words(dict(note.values), reader))


def _in_words(values: dict[str, Any], reader: Reader) -> dict[str, Any]:
    return {name: _value_in_words(value, reader) for name, value in values.items()}


def _value_in_words(value: Any, reader: Reader) -> Any:
    """A note as its sentence, several values as a list; all else as it is."""
    if isinstance(value, Note):
        return sentence(value, reader)
    if isinstance(value, tuple):
        comma = _in_language(PHRASES["comma"], reader)
        return comma.join(str(_value_in_words(one, reader)) for one in value)
    return value


def notes_said(messages: Any) -> frozenset[str]:
    """The notes at the end of a chat's earlier answers, without their mark; in channels
    the system message holds the answers."""
    lines: set[str] = set()
    for message in as_list(messages)[-MAX_MESSAGES:]:
        content = get_field(message, "content")
        if get_field(message, "role") not in ("assistant", "system"):
            continue
        for part in as_list(content) or [content]:
            text = as_str(get_field(part, "text") or part)
            lines.update(text[-MESSAGE_END_CHARACTERS:].splitlines())
    notes = (line.rstrip() for line in lines if line.startswith(NOTE_MARK))
    return frozenset(note.removeprefix(NOTE_MARK) for note in notes)


def was_said(note: Note, lines: Iterable[str], reader: Reader) -> bool:
    """Whether one of the lines is this note, which a chat needs to hear once; numbers
    that may differ are not looked at."""
    if note.kind not in SAID_ONCE:
        return False
    numbers = dict.fromkeys(SAID_ONCE[note.kind], "\0")
    text = sentence(make_note(note.kind, **{**dict(note.values), **numbers}), reader)
    pattern = "[0-9]+".join(map(re.escape, text.split("\0")))
    return any(re.fullmatch(pattern, line) for line in lines)


def failure_sentences(
    kind: str, values: dict[str, Any], reader: Reader
) -> tuple[str, str]:
    """What happened, and what to do about it, for a kind of FAILURES."""
    unknown = {name: _in_language(row, reader) for name, row in UNKNOWN_VALUES.items()}
    unknown["who"] = values.get("host", "Google")  # where nobody says who spoke
    known = unknown | _advice(reader) | _in_words(values, reader)
    what, _, advice = _in_language(FAILURES[kind], reader).partition(" | ")
    return what.format_map(known), advice.format_map(known)


def _advice(reader: Reader) -> dict[str, str]:
    """ADVICE in words, as it holds for whose key it is."""
    rows = ADVICE | (OWN_KEY_ADVICE if reader.own_key else {})
    advice = {name: _in_language(row, reader) for name, row in rows.items()}
    return {name: text.format_map(advice) for name, text in advice.items()}


def option_description(option: str, reader: Reader, of_user: bool = False) -> str:
    """What a settings dialogue says of an option; a user's own has one more before it
    that may choose."""
    text = _in_language(OPTION_WORDS[option], reader)
    description, _, auto = text.partition(" | ")
    said: str | Note = make_note("of_user", auto=auto) if of_user else auto
    return sentence(make_note("option", description=description, auto=said), reader)


def valve_description(name: str, reader: Reader, of_user: bool = False) -> str:
    """What a settings dialogue says of a setting that is no option."""
    return _in_language((OWN_VALVES if of_user else VALVES)[name], reader)


# ── Models ────────────────────────────────────────────────────────────────────────────
# What is known of Google's image models. The list of models comes from Google; these
# rows only add what that list does not say. Source, unless a line names another:
# ai.google.dev/gemini-api/docs (models, image-generation, deprecations, changelog),
# as read in October 2026.

RATIOS_10 = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
RATIOS_14 = (*RATIOS_10, "1:4", "4:1", "1:8", "8:1")
IMAGEN_RATIOS = ("1:1", "3:4", "4:3", "9:16", "16:9")
AUTO = "auto"
AUTO_NAME = "Gemini Image"


class Prices(NamedTuple):
    """USD: per million tokens in, per million tokens of text and thoughts out, and per
    picture of each size."""

    input: float
    output: float
    pictures: dict[str, float]


@dataclass(frozen=True)
class ModelFacts:
    """What one current model takes; `released` is the day of general availability,
    `ends` the one on which Google shuts it down, as far as that is announced.

    searches: the kinds of Google Search. thinks: whether there are thoughts to show;
    thinking_levels: those that can be chosen. thresholds: whether those of the safety
    filter can be. reads_pdf: whether a PDF can go along as it is.
    """

    id: str
    name: str
    released: str
    ratios: tuple[str, ...]
    sizes: tuple[str, ...]
    prices: Prices
    thinking_levels: tuple[str, ...] = ()
    thinks: bool = True
    searches: tuple[str, ...] = ()
    thresholds: bool = True
    max_input_images: int = 14
    reads_pdf: bool = False
    ends: str = ""


# In the order in which the model list shows them. Prices: the pricing page in October
# 2026, standard tier; where its readings differ, the higher figure. `python3 dev prices`
# compares them, and the successors, with what a gateway's makers know.
CURRENT_MODELS: tuple[ModelFacts, ...] = (
    # "512" is documented as refused; one third party still lists it.
    ModelFacts(
        id="gemini-nano-banana-2.1",
        name="Nano Banana 2.1",
        released="2026-10-06",
        ratios=RATIOS_14,
        sizes=("1K", "2K", "4K"),
        prices=Prices(1.50, 7.50, {"1K": 0.0336, "2K": 0.0504, "4K": 0.1134}),
        thinking_levels=("MINIMAL", "MEDIUM", "HIGH"),
        searches=("web", "image"),
        reads_pdf=True,
    ),
    # Deprecated on 2026-10-06 without a shutdown day.
    ModelFacts(
        id="gemini-3.1-flash-image",
        name="Nano Banana 2",
        released="2026-05-28",
        ratios=RATIOS_14,
        sizes=("512", "1K", "2K", "4K"),
        prices=Prices(
            0.50, 3.00, {"512": 0.045, "1K": 0.067, "2K": 0.101, "4K": 0.151}
        ),
        thinking_levels=("MINIMAL", "HIGH"),
        searches=("web", "image"),
        reads_pdf=True,
    ),
    # Thinking cannot be switched off, and no page documents a level for it.
    ModelFacts(
        id="gemini-3-pro-image",
        name="Nano Banana Pro",
        released="2026-05-28",
        ratios=RATIOS_10,
        sizes=("1K", "2K", "4K"),
        prices=Prices(2.00, 12.00, {"1K": 0.134, "2K": 0.134, "4K": 0.24}),
        searches=("web",),
    ),
    ModelFacts(
        id="gemini-3.1-flash-lite-image",
        name="Nano Banana 2 Lite",
        released="2026-06-30",
        ratios=RATIOS_14,
        sizes=("1K",),
        prices=Prices(0.25, 1.50, {"1K": 0.0336}),
        thinking_levels=("MINIMAL", "HIGH"),
        reads_pdf=True,
    ),
    # Any imageSize is answered with 500 INTERNAL (new-api pull request 2330).
    ModelFacts(
        id="gemini-2.5-flash-image",
        name="Nano Banana",
        released="2025-10-02",
        ratios=RATIOS_10,
        sizes=(),
        prices=Prices(0.30, 2.50, {"1K": 0.039}),
        thinks=False,
        max_input_images=3,
        ends="2027-03-15",
    ),
)
# Imagen, as gateways still serve it; one row for all of its models. Sizes can be chosen
# for the released models of version 4 that are not "fast".
_IMAGEN_WITHOUT_SIZES = re.compile(r"imagen-3|imagegeneration|fast|preview")
IMAGEN = ModelFacts(
    id="imagen",
    name="Imagen",
    released="",
    ratios=IMAGEN_RATIOS,
    sizes=("1K", "2K"),
    prices=Prices(0, 0, {}),
    thinks=False,
    thresholds=False,
    max_input_images=0,
)
_IMAGE_WORDS = re.compile(
    r"(^|[-_/ ])(image|imagen|(nano[-_ ]?)?banana)", re.IGNORECASE
)
_OTHER_WORDS = re.compile(
    r"(^|[-_/ .])(lyria|veo|tts|omni|embedding|live|audio|video|robotics|"
    r"deep-research|antigravity)\d*([-_/ .]|$)",
    re.IGNORECASE,
)
_PREVIEW = re.compile(r"[-_.](preview|exp|experimental)([-_.]|$)")


@dataclass(frozen=True)
class ListedModel:
    """One model as Google's ListModels describes it."""

    id: str
    name: str
    methods: tuple[str, ...] = ()


def known_models() -> list[ListedModel]:
    """The current models, where no list of them is to be had."""
    return [ListedModel(facts.id, facts.name) for facts in CURRENT_MODELS]


# What ids of Google and of gateways are made of, and the wildcards of patterns.
_MODEL_ID = re.compile(r"[A-Za-z0-9._\-/@*?\[\]!]{1,128}")


def clean_model_id(text: object) -> str:
    """The bare model id in what an administrator typed, a client sent or a gateway
    lists, or nothing where it cannot be one.

    Blanks, a leading `models/` and a trailing `:method` go: people paste them.
    """
    typed = as_str(text) or as_word(text)
    if len(typed) > MAX_ADDRESS_CHARACTERS:
        return ""
    model_id = typed.strip().strip("/").rsplit("models/", 1)[-1]
    model_id = model_id.split(":", 1)[0].strip()
    return model_id if _MODEL_ID.fullmatch(model_id) else ""


def bare_id(model_id: str) -> str:
    """Google's id in one that a gateway has put names before, as LiteLLM does in
    "gemini/gemini-3-pro-image". What is known of a model goes by it; a call does not.
    """
    return model_id.rpartition("/")[2]


def read_listed_model(row: Any) -> ListedModel | None:
    """A model in a row of Google's list, or of a gateway's in the manner of OpenAI:
    there "id" is what is called, and "name" a title, if it is there at all."""
    own_id = as_str(get_field(row, "id"))
    model_id = clean_model_id(own_id or as_str(get_field(row, "name")))
    if not model_id:
        return None
    titles = [get_field(row, "displayName"), own_id and get_field(row, "name")]
    title = next((t for t in map(as_str, titles) if t and t != own_id), "")
    # The host's page shows it as HTML: an image in it would be fetched from anywhere.
    title = plain_line(re.sub("[<>]+", " ", title), MAX_MODEL_NAME_CHARACTERS)
    title = title or display_name(model_id)
    methods = as_list(get_field(row, "supportedGenerationMethods"))[:MAX_LIST_PAGES]
    return ListedModel(model_id, title, tuple(m for m in methods if isinstance(m, str)))


@lru_cache(maxsize=4 * MAX_LISTED_MODELS)
def is_image_model(model: ListedModel) -> bool:
    """Whether a listed model makes images, judged by its names and methods.

    ListModels has no field for what a model puts out. Gateways may leave the methods
    out; then the names decide.
    """
    names = f"{model.id} {model.name}"
    if not _IMAGE_WORDS.search(names) or _OTHER_WORDS.search(bare_id(model.id)):
        return False
    return not model.methods or bool({"generateContent", "predict"} & {*model.methods})


def uses_generate(model: ListedModel) -> bool:
    """Whether the model is called with generateContent (else with predict)."""
    if "generateContent" in model.methods:
        return True
    is_imagen = bare_id(model.id).startswith("imagen")
    return "predict" not in model.methods and not is_imagen


def model_facts(model_id: str) -> ModelFacts | None:
    """The row of a current model, or None for a model this file does not know."""
    known = bare_id(model_id)
    return next((facts for facts in CURRENT_MODELS if facts.id == known), None)


def without_function(model: str) -> str:
    """Google's id in the host's, which is "<function>.<model>"; clients may send it
    bare. A function's id is an identifier; Google's has a hyphen before its dot."""
    function, _, rest = model.partition(".")
    return rest if rest and function.isidentifier() else model


def is_known_id(model_id: str) -> bool:
    """Whether it is a current model's own id, without a gateway's names before it."""
    return model_id == bare_id(model_id) and model_facts(model_id) is not None


def facts_of(model_id: str, generate: bool = True) -> ModelFacts | None:
    """What is known of a model that is called with generateContent, or else predict;
    None for one that this file does not know."""
    if facts := model_facts(model_id):
        return facts
    if generate:
        return None
    without_sizes = _IMAGEN_WITHOUT_SIZES.search(model_id)
    return replace(IMAGEN, sizes=()) if without_sizes else IMAGEN


# The version, and what tells the models of one version apart.
_IMAGEN_NAME = re.compile(r"imagen-(\d+)\.\d+(?:-(fast|ultra|capability))?-.*\d+")


def display_name(model_id: str) -> str:
    """A short name for a known model, as Google gives it, else the id."""
    if facts := model_facts(model_id):
        return facts.name
    if found := _IMAGEN_NAME.fullmatch(bare_id(model_id)):
        version, kind = found.groups()
        return f"Imagen {version} {kind.capitalize()}" if kind else f"Imagen {version}"
    released = model_facts(released_id(model_id))
    return f"{released.name} Preview" if released else model_id


def name_of(model_id: str) -> Note:
    """How a sentence calls a model: by its name, and its id for those who need it."""
    name = display_name(model_id)
    if name == model_id:
        return make_note("model_id", id=model_id)
    return make_note("named_model", name=name, id=model_id)


def estimate_price(
    model_id: str, sizes: Iterable[str], tokens_in: int, tokens_out: int
) -> float | None:
    """About what an answer costs in USD, or None for a model whose prices are unknown.

    sizes: those of its pictures; tokens_out: of text and thoughts. A gateway may charge
    otherwise, and Google Search costs extra beyond 5,000 prompts a month.
    """
    facts = model_facts(model_id)
    if facts is None:
        return None
    prices = facts.prices
    dearest = max(prices.pictures.values())
    # A gateway may have made one smaller than the model makes any.
    known = {"512": min(prices.pictures.values()), **prices.pictures}
    pictures = sum(known.get(size, dearest) for size in sizes)
    return pictures + (prices.input * tokens_in + prices.output * tokens_out) / 1e6


def released_id(model_id: str) -> str:
    """The id that a preview is a preview of."""
    return _PREVIEW.split(model_id)[0]


def is_preview(model_id: str) -> bool:
    """Whether the id names a preview or experiment rather than a released model."""
    return bool(_PREVIEW.search(model_id))


# ── Routes ────────────────────────────────────────────────────────────────────────────
# Who answers for the model that was asked for.


class Successor(NamedTuple):
    """Who answers for a retired model, and the thinking level that Google names."""

    id: str
    thinking_level: str | None = None


# First match wins; `*` as in file names. Imagen rows: Google's migration table
# (firebase.google.com/docs/ai-logic/imagen-models-migration). The others: the
# deprecations page and the changelog of 2026-10-06.
SUCCESSORS: tuple[tuple[str, Successor], ...] = (
    ("imagen-*ultra*", Successor("gemini-3-pro-image")),
    ("imagen-*fast*", Successor("gemini-nano-banana-2.1", "MINIMAL")),
    ("imagen-*capability*", Successor("gemini-nano-banana-2.1")),
    ("imagen-*", Successor("gemini-nano-banana-2.1", "HIGH")),
    ("imagegeneration*", Successor("gemini-nano-banana-2.1", "HIGH")),
    ("gemini-2.0-flash-exp", Successor("gemini-2.5-flash-image")),
    ("gemini-2.0-flash-*image*", Successor("gemini-2.5-flash-image")),
    ("gemini-2.5-flash-image-preview", Successor("gemini-2.5-flash-image")),
    # New projects get a 404 since 2026-09-18.
    ("gemini-2.5-flash-image", Successor("gemini-3.1-flash-lite-image")),
    ("gemini-3-pro-image-preview", Successor("gemini-3-pro-image")),
    ("nano-banana-pro-preview", Successor("gemini-3-pro-image")),
    ("gemini-3.1-flash-image-preview", Successor("gemini-3.1-flash-image")),
    ("gemini-3.1-flash-image", Successor("gemini-nano-banana-2.1")),
    ("gemini-3.1-flash-lite-image-preview", Successor("gemini-3.1-flash-lite-image")),
    # Nobody announced one; whoever may not use it has this one.
    ("gemini-3.1-flash-lite-image", Successor("gemini-nano-banana-2.1")),
)


def successor_of(model_id: str) -> Successor | None:
    """The next model in place of that id, or None when it is not to be replaced."""
    for pattern, successor in SUCCESSORS:
        if fnmatch.fnmatchcase(bare_id(model_id), pattern):
            return successor
    return None


def successors(model_id: str) -> Iterator[Successor]:
    """All who may answer for an id, nearest first; ends, even if the table loops."""
    seen = {bare_id(model_id)}
    level = None
    while (step := successor_of(model_id)) and step.id not in seen:
        level = level or step.thinking_level
        yield Successor(step.id, level)
        seen.add(step.id)
        model_id = step.id


_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,3}")


def _version(model_id: str) -> tuple[int, ...]:
    found = _VERSION.search(bare_id(model_id))
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def newest_model(available: Iterable[str]) -> str:
    """The id that `auto` stands for: the newest released model of those available.

    A newer version of the newest known model ("…-banana-3" after "…-banana-2.1")
    counts as newer; other ids that this file does not know are taken only when
    nothing else is left, since their price is unknown.
    """
    ids = list(available)
    known = [facts for model_id in ids if (facts := model_facts(model_id))]
    if not known:
        released = [model_id for model_id in ids if not is_preview(model_id)]
        return (released or ids or [CURRENT_MODELS[0].id])[0]
    line = _line_of(max(known, key=lambda facts: facts.released).id)
    return max((i for i in ids if _line_of(i) == line), key=_version)


def _line_of(model_id: str) -> str:
    """What ids of one line of models have in common."""
    return _VERSION.sub("*", bare_id(model_id), count=1)


@dataclass(frozen=True)
class Route:
    """Which model is called for the one that was asked for.

    generate: with generateContent, else with predict. thinking_level: the one that
    Google names for a successor. why: the note that explains a replacement.
    """

    asked: str
    model: str
    generate: bool = True
    thinking_level: str | None = None
    why: str = "successor"

    @property
    def replaced(self) -> bool:
        """Whether a successor answers; `auto` is a choice, not a replacement, and a
        gateway's names before an id make no other model of it."""
        return self.asked != AUTO and bare_id(self.asked) != bare_id(self.model)


@dataclass(frozen=True)
class Choice:
    """What was asked for, and who may answer.

    wanted: the administrator's patterns, among which `auto` chooses. follow: whether
    successors may answer. edits: whether there are pictures to change.
    """

    asked: str
    wanted: tuple[str, ...] = ()
    follow: bool = True
    edits: bool = False


def candidates(
    choice: Choice, available: dict[str, ListedModel], hints: Sequence[str] = ()
) -> Iterator[Route]:
    """Who may answer, in the order in which to ask; MAX_MODELS_ASKED at most.

    available: the models that the key can use, by id; empty when they are not known.
    Before the next one the caller takes out of it who is gone, and adds the ids that
    Google named instead to `hints`.
    """
    is_known = bool(available)
    tried: list[str] = []
    route = _first_route(choice, available)
    while route and len(tried) < MAX_MODELS_ASKED:
        yield route
        tried.append(route.model)
        if not choice.follow:
            return
        ids = [_id_at(hint, choice.asked, available) for hint in hints]
        hint = next((i for i in ids if _may_follow(i, tried, available)), None)
        if hint:
            route = _route(choice.asked, hint, available)
        elif available or not is_known:
            route = _next_route(choice, tried, available)
        else:
            return


def _first_route(choice: Choice, available: dict[str, ListedModel]) -> Route | None:
    """Who is asked first: where there are pictures, a model that can change them."""
    route = resolve_model(choice.asked, available, choice.follow, choice.wanted)
    if not route or route.generate or not choice.edits or not choice.follow:
        return route
    others = {i: model for i, model in available.items() if i != route.model}
    editor = None
    if others or not available:
        editor = _next_route(choice, [route.model], others)
    editor = editor or resolve_model(AUTO, others, wanted=choice.wanted)
    if editor and editor.generate:
        return replace(editor, asked=route.asked, why="editor")
    return route


def _next_route(
    choice: Choice, tried: Sequence[str], available: dict[str, ListedModel]
) -> Route | None:
    """Who answers after those that turned out gone, the last of them just now."""
    if choice.asked == AUTO and available:
        return resolve_model(AUTO, available, wanted=choice.wanted)
    known = _known_successors(tried[-1], available)
    known = [successor for successor in known if successor.id not in tried]
    return _first_successor(choice.asked, known, available)


def _may_follow(
    model_id: str, tried: Sequence[str], available: dict[str, ListedModel]
) -> bool:
    """Whether an id that an answer names is one to ask: any could stand there."""
    is_known = model_id in available or model_facts(model_id) is not None
    return is_known and model_id not in tried


def _route(asked: str, model_id: str, available: dict[str, ListedModel]) -> Route:
    listed = available.get(model_id) or ListedModel(model_id, model_id)
    return Route(asked, model_id, uses_generate(listed))


def resolve_model(
    asked: str,
    available: dict[str, ListedModel],
    follow: bool = True,
    wanted: Iterable[str] = (),
) -> Route | None:
    """The route for an id, given the models that the key can use (by id).

    Listed: called as it is. Not listed, and a successor is known: the nearest
    successor that is listed (the nearest at all, when nothing could be listed).
    None when the id has successors but the key can use none of them. `auto` chooses
    among the wanted models.
    """
    if asked == AUTO:
        chosen = [
            i for i in choose_models(available.values(), wanted) if i in available
        ]
        return _route(AUTO, newest_model(chosen or available), available)
    asked_for, asked = asked, _id_at(asked, asked, available)
    known = _known_successors(asked, available)
    is_current = asked in available or (not available and model_facts(asked))
    if is_current or not follow or not known:
        return _route(asked_for, asked, available)
    return _first_successor(asked_for, known, available)


def _id_at(model_id: str, asked: str, available: Iterable[str]) -> str:
    """How a model is called where another one, or itself, was asked for: with the names
    that a gateway puts before its id, best those of the one that was asked for."""
    alike = asked.removesuffix(bare_id(asked)) + bare_id(model_id)
    ids = [i for i in available if bare_id(i) == bare_id(model_id)]
    return alike if alike in ids or not ids else ids[0]


def _known_successors(
    model_id: str, available: dict[str, ListedModel]
) -> list[Successor]:
    """The table's successors, by the ids that they have in the list; for a preview it
    lacks, the released model, if listed."""
    known = [
        Successor(_id_at(step.id, model_id, available), step.thinking_level)
        for step in successors(model_id)
    ]
    released = released_id(model_id)
    if not known and released in available:
        return [Successor(released)]
    return known


def _first_successor(
    asked: str, known: list[Successor], available: dict[str, ListedModel]
) -> Route | None:
    for successor in known:
        if successor.id in available or not available:
            route = _route(asked, successor.id, available)
            return replace(route, thinking_level=successor.thinking_level)
    return None


def named_successor(sentence: str) -> str | None:
    """The id of the model that a sentence of Google's tells to use instead, if any."""
    found = re.search(
        r"\buse (?:the )?(?:newer )?(?:models/|(?=gemini-|imagen-))([\w.-]*\w)",
        sentence[:MAX_ERROR_CHARACTERS],
    )
    return found.group(1) if found else None


def typed_ids(wanted: Iterable[str]) -> list[str]:
    """The ids without wildcards among what an administrator typed."""
    return _without_wildcards(_clean_patterns(wanted))


def usable_models(
    listed: Iterable[ListedModel], typed: Iterable[str]
) -> dict[str, ListedModel]:
    """The models that can be asked, by id: the image models of a list, or, where a
    gateway has none, the ids that the administrator typed for it."""
    images = [model for model in listed if is_image_model(model)]
    return choose_models(images or [ListedModel(i, display_name(i)) for i in typed], ())


def choose_models(
    available: Iterable[ListedModel], wanted: Iterable[str]
) -> dict[str, ListedModel]:
    """The models to offer, by id, in the order of the list.

    available: those that the key can use. wanted: the administrator's ids and patterns
    (`*` as in file names), by which the list is narrowed; without any it stays whole.
    A wanted id that is not available is offered, too: the administrator may know
    better than the list.
    """
    by_id = {model.id: model for model in available}
    ids = _in_order(by_id)
    if patterns := _clean_patterns(wanted):
        matching = _matching(ids, patterns)
        found = {*matching, *map(bare_id, matching)}
        typed = [i for i in _without_wildcards(patterns) if i not in found]
        ids = matching[:MAX_MODELS] + typed
    # An id that comes twice keeps its first place.
    offered = list(dict.fromkeys(i for i in ids if i != AUTO))[:MAX_MODELS]
    return {i: by_id.get(i) or ListedModel(i, display_name(i)) for i in offered}


def _in_order(available: dict[str, ListedModel]) -> list[str]:
    """Current models in the table's order, then all as Google lists them."""
    known = [facts.id for facts in CURRENT_MODELS]
    current = [i for i in available if bare_id(i) in known]
    return [*sorted(current, key=lambda i: known.index(bare_id(i))), *available]


def _clean_patterns(wanted: Iterable[str]) -> list[str]:
    return [name for pattern in wanted if (name := clean_model_id(pattern))]


def _matching(ids: Iterable[str], patterns: Iterable[str]) -> list[str]:
    return [i for i in ids if any(_is_meant(i, pattern) for pattern in patterns)]


def _is_meant(model_id: str, pattern: str) -> bool:
    """Whether a pattern is that of an id, or of the bare one in it."""
    ids = (model_id, bare_id(model_id))
    return any(fnmatch.fnmatchcase(i, pattern) for i in ids)


def is_among(model_id: str, typed: Iterable[str]) -> bool:
    """Whether a model is one of those that an administrator typed, to reserve them: by
    ids and patterns, in small or capital letters, as Google or as the host names it. A
    preview and what it is a preview of are one model with two ids."""
    ids = [i.casefold() for i in (model_id, *_released_ids(model_id))]
    return any(
        _is_meant(i, pattern.casefold())
        for typed_id in _clean_patterns(typed)
        for name in {typed_id, without_function(typed_id)}
        for pattern in (name, *_released_ids(name))
        for i in ids
    )


def is_named(model_id: str, typed: Iterable[str]) -> bool:
    """Whether the name that people see of a model is one of those that an administrator
    typed."""
    names = {" ".join(name.split()).casefold() for name in typed}
    ids = (model_id, *_released_ids(model_id))
    return any(display_name(i).casefold() in names for i in ids)


def _released_ids(model_id: str) -> list[str]:
    """What an id of a preview is a preview of, if it is one and no pattern."""
    if not is_preview(model_id) or not _without_wildcards([model_id]):
        return []
    successor = successor_of(model_id)  # of previews with names of their own
    return [released_id(model_id), *([successor.id] if successor else [])]


def _without_wildcards(patterns: Iterable[str]) -> list[str]:
    return [pattern for pattern in patterns if not set(pattern) & {*"*?["}]


class ListEntry(NamedTuple):
    """A line of the host's model list.

    name: of the model that answers. retired: whether that is a successor, or (without
    a name) nobody.
    """

    id: str
    name: str
    retired: bool = False


def model_entries(
    shown: dict[str, ListedModel],
    retired: Iterable[str],
    available: dict[str, ListedModel],
    follow: bool = True,
) -> list[ListEntry]:
    """What the host's list shows, `auto` first, retired models last.

    shown: the models to offer; available: all that the key can use, among them those
    who answer for the retired ones. One of those that still lives is called as it is.
    """
    entries = [ListEntry(AUTO, AUTO_NAME)]
    names = [model.name for model in shown.values()] + [AUTO_NAME]
    for model in shown.values():
        twin = names.count(model.name) > 1 and not is_known_id(model.id)
        name = f"{model.name} ({model.id})" if twin else model.name
        entries.append(ListEntry(model.id, name))
    others = (i for i in dict.fromkeys(retired) if i and i not in {AUTO, *shown})
    return entries + [_retired_entry(i, available, follow) for i in others]


def _retired_entry(
    model_id: str, available: dict[str, ListedModel], follow: bool
) -> ListEntry:
    if listed := available.get(_id_at(model_id, model_id, available)):
        return ListEntry(model_id, listed.name)
    route = resolve_model(model_id, available, follow)
    if route is None or not route.replaced:
        return ListEntry(model_id, "", retired=True)
    successor = available.get(route.model)
    name = successor.name if successor else display_name(route.model)
    return ListEntry(model_id, name, retired=True)


# ── Options ───────────────────────────────────────────────────────────────────────────
# What one request asks for beyond its words.

SIZES = ("512", "1K", "2K", "4K")
THINKING_LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH")
# ai.google.dev/gemini-api/docs/safety-settings
SAFETY_THRESHOLDS = (
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF",
)
# Of Vertex AI alone (google.cloud.aiplatform.v1.ImageConfig).
PEOPLE = ("ALLOW_ALL", "ALLOW_ADULT", "ALLOW_NONE")
OUTPUT_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "jpg": "image/jpeg"}
_RATIO = re.compile(
    r"([0-9]{1,5}(?:\.[0-9]{1,4})?)\s*[:：∶/xX×]\s*([0-9]{1,5}(?:\.[0-9]{1,4})?)"
)
_PIXELS = re.compile(r"([0-9]{2,5})\s*[xX×*]\s*([0-9]{2,5})")


@dataclass(frozen=True)
class ImageOptions:
    """What to ask Google for; None or nothing leaves a field out, and Google's default
    holds.

    searches: the kinds of Google Search to ground the picture with.
    """

    aspect_ratio: str | None = None
    image_size: str | None = None
    count: int = 1
    thinking_level: str | None = None
    searches: tuple[str, ...] = ()
    thoughts: bool = False
    safety: str | None = None
    people: str | None = None
    output: str | None = None
    quality: str | None = None


def ratio_value(ratio: str) -> float:
    """Width over height of a ratio such as "16:9"."""
    width, height = ratio.split(":")
    return float(width) / float(height)


def nearest_ratio(value: float, allowed: Iterable[str] = RATIOS_14) -> str:
    """The allowed ratio whose shape is nearest to `value` (width over height)."""
    return min(allowed, key=lambda ratio: abs(math.log(ratio_value(ratio) / value)))


def size_of(width: int, height: int) -> str:
    """The size that so many pixels belong to: 1K has about as many as 1024 × 1024."""
    doublings = round(math.log2(max(width * height, 1)) / 2 - 9)
    return SIZES[min(max(doublings, 0), len(SIZES) - 1)]


def _nearest(asked: str, allowed: Sequence[str], scale: Sequence[str]) -> str | None:
    if not allowed:
        return None
    return min(allowed, key=lambda one: abs(scale.index(one) - scale.index(asked)))


def _read_ratio(text: str) -> dict[str, Any] | None:
    found = _RATIO.fullmatch(text)
    if not found or not float(found[1]) or not float(found[2]):
        return None
    return {"aspect_ratio": f"{found[1]}:{found[2]}"}


def _read_size(text: str) -> dict[str, Any] | None:
    """A size by its name, or the shape (and the size, if large) of WxH pixels."""
    size = "".join(text.upper().split()).removesuffix("PX")
    size = {"1024": "1K", "2048": "2K", "4096": "4K", "0.5K": "512"}.get(size, size)
    pixels = _PIXELS.fullmatch(text)
    if not pixels:
        return {"image_size": size} if size in SIZES else None
    width, height = int(pixels[1]), int(pixels[2])
    if not width or not height:
        return None
    size = size_of(width, height)
    # Small ones are left to the model, even where settings name a size: nobody is to
    # pay for more pixels than were asked for.
    return {
        "aspect_ratio": nearest_ratio(width / height),
        "image_size": size if size in ("2K", "4K") else None,
    }


def _read_count(text: str) -> dict[str, Any] | None:
    count = as_whole(text)
    return {"count": count} if count else None


def _read_name(field: str, names: Sequence[str], text: str) -> dict[str, Any] | None:
    """One of Google's names, in capitals or not."""
    return {field: text.upper()} if text.upper() in names else None


def _read_output(text: str) -> dict[str, Any] | None:
    mime = OUTPUT_TYPES.get(text.lower())
    return {"output": mime} if mime else None


def _read_quality(text: str) -> dict[str, Any] | None:
    return {"quality": text} if 1 <= (as_whole(text) or 0) <= 100 else None


SWITCH = {"on": True, "true": True, "yes": True, "1": True}
SWITCH |= {"off": False, "false": False, "no": False, "0": False}
SWITCH |= {"开": True, "開": True, "开启": True}
SWITCH |= {"关": False, "關": False, "关闭": False}


def _read_search(text: str) -> dict[str, Any] | None:
    on = SWITCH.get(text.lower())
    return None if on is None else {"searches": ("web", "image") if on else ()}


def _read_thoughts(text: str) -> dict[str, Any] | None:
    on = SWITCH.get(text.lower())
    return None if on is None else {"thoughts": on}


def _fit_ratio(asked: str, facts: ModelFacts) -> str:
    return nearest_ratio(ratio_value(asked), facts.ratios)


def _fit_size(asked: str, facts: ModelFacts) -> str | None:
    return _nearest(asked, facts.sizes, SIZES)


def _fit_level(asked: str, facts: ModelFacts) -> str | None:
    return _nearest(asked, facts.thinking_levels, THINKING_LEVELS)


def _fit_searches(asked: tuple[str, ...], facts: ModelFacts) -> tuple[str, ...]:
    return tuple(kind for kind in asked if kind in facts.searches)


def _fit_thoughts(asked: bool, facts: ModelFacts) -> bool:
    return asked and facts.thinks


def _fit_safety(asked: str, facts: ModelFacts) -> str | None:
    return asked if facts.thresholds else None


def _fit_any(asked: Any, facts: ModelFacts) -> Any:
    return asked


def without_options(options: ImageOptions, fields: Iterable[str]) -> ImageOptions:
    """The options with some of them left to the model."""
    default = ImageOptions()
    return replace(options, **{name: getattr(default, name) for name in fields})


class Option(NamedTuple):
    """One thing that can be chosen: where, among what, how a value is read, and what a
    model makes of it.

    field: of ImageOptions, by which Messages knows it too. valve: its name among the
    settings; a user's own ones too, if of_users. refused: the words by which Google's
    refusals name it. of_vertex: whether only Vertex AI knows it.
    """

    field: str
    read: Callable[[str], dict[str, Any] | None]
    fit: Callable[[Any, ModelFacts], Any]
    choices: tuple[str, ...]
    valve: str
    flags: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    of_users: bool = True
    refused: str = ""
    of_vertex: bool = False


OPTIONS: tuple[Option, ...] = (
    # Before the aspect ratio, which counts more than the shape in `size`.
    Option(
        field="image_size",
        read=_read_size,
        fit=_fit_size,
        choices=SIZES,
        flags=("size", "image-size"),
        parameters=("size", "image_size"),
        valve="IMAGE_SIZE",
        refused=r"image.?size|image.?config(?!.*aspect)",
    ),
    Option(
        field="aspect_ratio",
        read=_read_ratio,
        fit=_fit_ratio,
        choices=RATIOS_14,
        flags=("ar", "aspect", "aspect-ratio"),
        parameters=("aspect_ratio",),
        valve="ASPECT_RATIO",
        refused=r"aspect.?ratio|image.?config(?!.*size)",
    ),
    Option(
        field="count",
        read=_read_count,
        fit=_fit_any,
        choices=tuple(str(count + 1) for count in range(MAX_PICTURES_PER_PROMPT)),
        flags=("n", "count"),
        parameters=("n",),
        valve="IMAGES_PER_PROMPT",
    ),
    Option(
        field="thinking_level",
        read=partial(_read_name, "thinking_level", THINKING_LEVELS),
        fit=_fit_level,
        choices=tuple(level.lower() for level in THINKING_LEVELS),
        flags=("think", "thinking", "thinking-level"),
        parameters=("thinking_level",),
        valve="THINKING_LEVEL",
        refused=r"^(?!.*thoughts).*thinking",
    ),
    Option(
        field="searches",
        read=_read_search,
        fit=_fit_searches,
        choices=("on", "off"),
        flags=("search", "google-search"),
        parameters=("google_search",),
        valve="GOOGLE_SEARCH",
        refused=r"search|\btools?\b",
    ),
    Option(
        field="thoughts",
        read=_read_thoughts,
        fit=_fit_thoughts,
        choices=("on", "off"),
        flags=("thoughts", "show-thoughts"),
        parameters=("show_thoughts",),
        valve="SHOW_THOUGHTS",
        refused=r"thought|thinking",
    ),
    Option(
        field="safety",
        read=partial(_read_name, "safety", SAFETY_THRESHOLDS),
        fit=_fit_safety,
        choices=SAFETY_THRESHOLDS,
        valve="SAFETY_THRESHOLD",
        of_users=False,
        refused=r"safety|threshold",
    ),
    Option(
        field="people",
        read=partial(_read_name, "people", PEOPLE),
        fit=_fit_any,
        choices=PEOPLE,
        valve="PERSON_GENERATION",
        of_users=False,
        refused=r"person.?generation",
        of_vertex=True,
    ),
    Option(
        field="output",
        read=_read_output,
        fit=_fit_any,
        choices=("png", "jpeg"),
        parameters=("output_format",),
        valve="OUTPUT_FORMAT",
        of_users=False,
        refused=r"mime.?type|output.?(options|format)",
        of_vertex=True,
    ),
    Option(
        field="quality",
        read=_read_quality,
        fit=_fit_any,
        choices=("50", "75", "90", "100"),
        parameters=("output_compression",),
        valve="OUTPUT_QUALITY",
        of_users=False,
        refused=r"compression",
        of_vertex=True,
    ),
)
OPTIONS_OF_VERTEX = frozenset(option.field for option in OPTIONS if option.of_vertex)
# Digits and letters as keyboards for Chinese and Japanese may write them, and the digits
# of Arabic, Persian, Hindi and Bengali.
FULL_WIDTH = {
    ord(sign) + 0xFEE0: sign
    for sign in "=0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
}
FULL_WIDTH |= {
    zero + digit: str(digit)
    for zero in (0x0660, 0x06F0, 0x0966, 0x09E6)
    for digit in range(10)
}
OPTION_BY_NAME = {
    name: option
    for option in OPTIONS
    for name in (*(f"--{f}" for f in option.flags), *option.parameters, option.valve)
}


def read_options(named: Iterable[tuple[str, Any]]) -> tuple[ImageOptions, list[Note]]:
    """The options in named values, of which the last that says something wins, and
    notes for the user on those that cannot be.

    The names are those of valves, of parameters and of flags (`--ar`); others are
    passed over. Empty values, "auto" and "default" say nothing.
    """
    fields: dict[str, Any] = {}
    notes = []
    for name, value in named:
        option = OPTION_BY_NAME.get(name)
        text = as_word(value).translate(FULL_WIDTH)
        if option is None or text.lower() in ("auto", "default"):
            continue
        if value is None or (isinstance(value, str) and not text):
            continue  # all else that is no word, such as -1 or a list, is a mistake
        found = option.read(text)
        if found is None:
            note = make_note("bad_option", option=name, choices=option.choices)
            notes.append(note)
        fields |= found or {}
    if fields.get("count", 1) > MAX_PICTURES_PER_PROMPT:
        fields["count"] = MAX_PICTURES_PER_PROMPT
        notes.append(make_note("count_cut", limit=MAX_PICTURES_PER_PROMPT))
    return ImageOptions(**fields), notes


# What stands in a request and asks nothing of a picture: OpenAI's own keys, and those of
# the page, of which some hosts leave what they do not know in the request.
_NO_SETTINGS = {
    *("model", "messages", "stream", "stream_options", "user", "safety_identifier"),
    *("metadata", "prompt_cache_key", "parallel_tool_calls"),
    *("id", "chat_id", "session_id", "parent_id", "folder_id", "automation_id"),
    *("user_message", "parent_message", "message_ids", "assistant_message_id"),
    *("regeneration_message_id", "regeneration_prompt", "background_tasks"),
    *("params", "features", "variables", "chat_variables", "files", "model_item"),
    *("tool_ids", "tool_servers", "skill_ids", "filter_ids", "terminal_id"),
    "model_controls",
}
_PARAMETERS = {name for option in OPTIONS for name in option.parameters}
# Values that ask for what happens anyway, most of them OpenAI's defaults.
_USUAL_VALUES: dict[str, tuple[Any, ...]] = {
    "temperature": (1,),
    "top_p": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "logprobs": (False,),
    "response_format": ({"type": "text"},),
    "modalities": (["image", "text"], ["text", "image"], ["image"]),
    "tool_choice": ("auto", "none"),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "quality": ("auto", "standard"),
    "background": ("auto", "opaque"),
    "moderation": ("auto",),
}


def settings_left_out(body: dict[str, Any], host_tools: Any = None) -> list[Note]:
    """A note that names what a request asks for and no image model takes, if there is
    something: sampling parameters, tools, settings that nobody knows.

    host_tools: by their names those that the host itself has put into the request.
    """
    names = sorted(
        plain_line(name, MAX_SETTING_NAME_CHARACTERS).replace("`", "").strip() or "?"
        for name, value in body.items()
        if _is_left_out(name, value, host_tools)
    )
    if not names:
        return []
    more = ["…"] if len(names) > MAX_NAMED_SETTINGS else []
    listed = [f"`{name}`" for name in names[:MAX_NAMED_SETTINGS]]
    return [make_note("left_out", names=(*listed, *more))]


def _is_left_out(name: Any, value: Any, host_tools: Any) -> bool:
    if not isinstance(name, str) or name in _NO_SETTINGS | _PARAMETERS:
        return False
    if value in (None, "", [], {}) or value in _USUAL_VALUES.get(name, ()):
        return False
    return name != "tools" or any(_is_foreign(t, host_tools) for t in as_list(value))


def _is_foreign(tool: Any, host_tools: Any) -> bool:
    name = as_str(get_field(get_field(tool, "function"), "name"))
    return not isinstance(host_tools, dict) or name not in host_tools


def choices_of(facts: ModelFacts | None) -> dict[str, tuple[str, ...]]:
    """By the fields of ImageOptions: what can be chosen for a model and is taken as it
    is, or all where nothing is known of it; nothing where there is no choice."""
    offered = {}
    for option in OPTIONS:
        taken = [c for c in option.choices if not facts or _is_taken(option, c, facts)]
        offered[option.field] = () if taken == ["off"] else tuple(taken)
    return offered


def _is_taken(option: Option, choice: str, facts: ModelFacts) -> bool:
    asked = (option.read(choice) or {})[option.field]
    got = option.fit(asked, facts)
    return got == asked or (isinstance(got, tuple) and bool(got))  # some searches


def _as_chosen(option: Option, value: str) -> str:
    """A value as people write it: Google's LOW is their low."""
    return next((c for c in option.choices if c.upper() == value.upper()), value)


def offered_options(
    options: ImageOptions, lacking: Collection[str]
) -> tuple[ImageOptions, list[Note]]:
    """The options without those that whoever is asked does not know, and notes.

    lacking: their fields.
    """
    default = ImageOptions()
    asked = [
        option.field
        for option in OPTIONS
        if option.field in lacking
        and getattr(options, option.field) != getattr(default, option.field)
    ]
    notes = [make_note("only_vertex", what=make_note(name)) for name in asked]
    return without_options(options, asked), notes


def fit_options(
    options: ImageOptions,
    model_id: str,
    facts: ModelFacts | None,
    level: str | None = None,
) -> tuple[ImageOptions, list[Note]]:
    """The options as far as a model takes them, and notes for the user.

    What the model lacks becomes its nearest value, or is left out. A model without
    facts gets what was asked for. level: how long it thinks where nobody chooses.
    """
    if facts is None:
        level = options.thinking_level or level
        searches = options.searches[:1]  # which kinds there are is not known
        return replace(options, thinking_level=level, searches=searches), []
    taken: dict[str, Any] = {}
    notes = []
    for option in OPTIONS:
        asked = getattr(options, option.field)
        got = taken[option.field] = option.fit(asked, facts) if asked else asked
        what = make_note(option.field)
        if asked and not got and asked != "1K":  # who has no sizes makes 1K anyway
            notes.append(make_note("not_offered", model=name_of(model_id), what=what))
        elif got != asked and isinstance(got, str):
            both = {"asked": _as_chosen(option, asked), "got": _as_chosen(option, got)}
            notes.append(
                make_note("nearest", model=name_of(model_id), what=what, **both)
            )
    if not options.thinking_level and level in facts.thinking_levels:
        taken["thinking_level"] = level
    return replace(options, **taken), notes


# ── Flags ─────────────────────────────────────────────────────────────────────────────
# Options behind a prompt, as people type them: "a red fox --ar 16:9".

# Signs that nobody sees: keyboards for scripts from right to left, and texts that were
# copied from pages, bring them along.
_INVISIBLE = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069\ufeff"
)
_WHITE = "".join(filter(str.isspace, map(chr, range(0x3001))))
_BLANKS = _WHITE + _INVISIBLE
# Full-width signs, which people write without a blank beside them.
_OPENING, _CLOSING = "（［｛「『【《〈〔", "）］｝」』】》〉〕"
_SEPARATORS = _BLANKS + "、。，．；！？｡､・…" + _OPENING + _CLOSING
_BLANK = rf"[\s{_INVISIBLE}]"
# Letters of scripts that are written without blanks, and pictograms.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2600-\u27bf\u2e80-\u2fdf"
    "\u3005-\u3007\u3040-\u31ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\ufe0f\uff66-\uff9d\U0001f000-\U0001faff\U00020000-\U0003ffff"
)
# What keyboards of other scripts, and programs that correct what is typed, put in place
# of hyphens: one of the long ones may stand for two.
_DASHES = dict.fromkeys("‐‑−﹣－", "-") | dict.fromkeys("–―‒⸺─﹘", "—")
_PLAIN_SIGNS = FULL_WIDTH | str.maketrans(_DASHES)
_TWO_DASHES = f"(?:[-—][{_INVISIBLE}]*[-—]|—)[{_INVISIBLE}]*"
_BEHIND_NAME = rf"(?:[:：]{_BLANK}*|{_BLANK}*={_BLANK}*|{_BLANK}+)"
# A flag stands behind one of these, or at the beginning.
_BEFORE = rf"[\s{re.escape(_SEPARATORS)}{_UNSPACED}：”]"
# A closing quote or bracket is a sign that the prompt only speaks of a flag; letters
# directly behind a value go on with the prompt.
_SIGN = rf"(?![-—]{{2}})[^\s{re.escape(_SEPARATORS)}\"'`)\]}}“”’«»‹›]"
# "16 : 9" and "4 K" are one value.
_SPACED = (
    rf"[0-9.]+{_BLANK}{{0,3}}[:：∶/×x*]{_BLANK}{{0,3}}[0-9.]+(?![0-9a-z])"
    rf"|[0-9]{_BLANK}k(?![0-9a-z])"
)
_VALUE = rf"(?:{_SPACED}|(?=[{_UNSPACED}])(?:{_SIGN})+|(?:(?![{_UNSPACED}]){_SIGN})+)"
_QUOTED_VALUE = rf"(?P<quote>[\"'`“”‘’„])?(?P<value>{_VALUE})(?(quote)[\"'`“”’])"
# "--n 2" and "--n2", but not "--narrow".
_WITH_VALUE = rf"(?:(?:{_BEHIND_NAME}(?![-—]{{2}}|—)|(?=[0-9])){_QUOTED_VALUE})"
_STOPS = ".,;!?"  # a message may well end as a sentence does
_END = rf"[\s{re.escape(_SEPARATORS)}{_STOPS}]*"
_CHOICES = {flag: option.choices for option in OPTIONS for flag in option.flags}
# What other programs for pictures call the same.
_OTHER_NAMES = {"ratio": "ar", "resolution": "size"}
_CHOICES |= {name: _CHOICES[flag] for name, flag in _OTHER_NAMES.items()}
_SWITCHES = {flag for flag, choices in _CHOICES.items() if choices == ("on", "off")}


def _any_of(names: Iterable[str]) -> str:
    """One of the names, also with "_" as programs' parameters have it."""
    listed = "|".join(sorted(names, key=len, reverse=True))
    return listed.replace("-", "[-_]")


def _as_plain_signs(text: str) -> str:
    """The text, sign for sign, as a plain keyboard writes it; one for Japanese makes
    long vowels of hyphens."""
    text = text.translate(_PLAIN_SIGNS)
    return text.replace("ーー", "--").replace("ｰｰ", "--")


def _plain_name(typed: str) -> str:
    return typed.lower().replace("_", "-")


def _known_name(typed: str) -> str:
    name = _plain_name(typed)
    return _OTHER_NAMES.get(name, name)


_LAST_FLAG = re.compile(
    rf"(?:^|(?<={_BEFORE}))(?P<dashes>{_TWO_DASHES}|-)"
    rf"(?:(?P<name>{_any_of(_CHOICES.keys() - _SWITCHES)}){_WITH_VALUE}?"
    rf"(?:(?<=[0-9]){_BLANK}?[张張幅枚个個장])?"  # "--n 2张": two pieces of paper
    rf"|(?P<switch>{_any_of(_SWITCHES)})(?:{_BEHIND_NAME}(?P<state>{_any_of(SWITCH)}))?)"
    rf"{_END}\Z",
    re.IGNORECASE,
)


def can_be_seen(text: str) -> bool:
    """Whether there is more in a text than blanks and signs that nobody sees."""
    return bool(text.strip(_BLANKS))


def split_flags(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The prompt without the flags at its very end, and these as (name, value).

    Only known names, only at the end; all else stays as it was written.
    """
    flags: list[tuple[str, str]] = []
    start = end = len(text.rstrip(_SEPARATORS))
    behind = text[end:]
    while flag := _last_flag(text, end):
        flags.append(flag.named)
        if len(flags) > MAX_FLAGS:
            return text, ()
        start = flag.start
        end = len(text[:start].rstrip(_SEPARATORS))
    words = text[:start].rstrip(_OPENING)
    # As within quotes: "」" behind a flag, and no "「" right before the first.
    is_quoted = len(words) == start and any(sign in behind for sign in _CLOSING)
    if not flags or is_quoted:
        return text, ()
    return words.rstrip(_BLANKS), tuple(flags[::-1])


class _Flag(NamedTuple):
    """A flag as (name, value), and where it begins."""

    named: tuple[str, str]
    start: int


def _last_flag(text: str, end: int) -> _Flag | None:
    """The flag that ends there, if one does."""
    at = max(end - MAX_FLAG_CHARACTERS, 0)
    tail = _as_plain_signs(text[at:end])
    # One sign more, for what stands before the window.
    found = _LAST_FLAG.search(text[at - 1 : at] + tail, 1 if at else 0)
    if not found:
        return None
    name = f"--{_known_name(found['name'] or found['switch'])}"
    value = found["value"] or found["state"] or ""
    value = value.rstrip(_STOPS) or value
    start = at + found.start() - (1 if at else 0)
    is_short = _is_short(found["dashes"], text[start])
    is_joined = bool(found["value"]) and found.start("value") == found.end("name")
    if (is_short or is_joined) and not _is_valid(name, value):
        return None
    if is_short and not _is_prose(text[:start]):
        return None
    unsaid = "on" if found["switch"] else "nothing"
    return _Flag((name, value or unsaid), start)


def _is_short(dashes: str, sign: str) -> bool:
    """Whether it is one dash, by the sign that was typed: programs that correct what is
    typed make "—" of two only, and "–" of one as well."""
    return len(dashes.strip(_INVISIBLE)) == 1 and sign != "—"


def _is_valid(name: str, value: str) -> bool:
    """Whether a flag has a value, and one that it takes."""
    return bool(value) and not read_options([(name, value)])[1]


# Commands that are no words of English, and those that are.
_COMMANDS = re.compile(
    r"(?<!\S)(?:awk|bash|brew|cargo|chmod|curl|docker|ffmpeg|gcc|git|grep|gzip|journalctl"
    r"|jq|kubectl|ls|npm|npx|perl|php|pip3?|ps|python3?|sed|seq|ssh|sudo|systemctl|tar"
    r"|uniq|wc|wget|xargs|xxd|yarn|zsh)(?!\S)"
)
_COMMAND_WORDS = re.compile(
    r"convert|cut|diff|echo|find|go|head|join|less|logs?|magick|make|man|more|nice|nl|nm"
    r"|node|ping|print|read|renice|resize|run|shuf|sleep|sort|split|strings|tail|tee|test"
    r"|time|top|watch"
)
_COMMAND_SIGNS = re.compile(r"[$|<>\\{}=~]|&&|\./")
_NAME_OF_OPTION = re.compile(r"^--?|[=:0-9].*")
_WORD_OF_PROSE = re.compile(r"[\w:.,;!?()'’\"”%+-]{2,}")


def _is_prose(before: str) -> bool:
    """Whether what stands before a flag of one dash is a description. In a command that
    a picture is to show, such as "tail -n 2", it is no flag of ours."""
    line = before[-MAX_FLAG_CHARACTERS:].rstrip(_BLANKS).rpartition("\n")[2]
    if before.count("`") % 2 or line.count('"') % 2 or _COMMAND_SIGNS.search(line):
        return False
    words = line.lower().split()
    options = {_NAME_OF_OPTION.sub("", word) for word in words if word[0] == "-"}
    if _COMMANDS.search(line.lower()) or not options <= {"", *_CHOICES}:
        return False
    last = words[-1] if words else "nothing"
    is_command = _COMMAND_WORDS.fullmatch(last) or not _WORD_OF_PROSE.fullmatch(last)
    return not last.isascii() or not is_command


# How somebody may call ours in Chinese, which has none of its own.
_CHINESE_NAMES = "比例|宽高比|尺寸|大小|分辨率|数量|张数"
# Flags of Midjourney's and the like that nothing here does, with how their values begin.
_FOREIGN_FLAG = re.compile(
    r"(?:v|version|s|stylize|q|quality|chaos|c|seed|iw|weird|w|stop|repeat|r|cw|sw|ow"
    r"|niji|width|height|steps|cfg|num|number|images) [0-9]"
    r"|(?:no|style|sref|cref|oref|profile|p|negative|neg|quality) ."
    r"|(?:tile|raw|draft|turbo|relax|hd|no-search|no-thoughts) "
    rf"|(?:{_CHINESE_NAMES}) [0-9]",
    re.IGNORECASE,
)
# Code and quotes, in which a prompt speaks of flags.
_QUOTED = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]*\"|(?<!\w)'[^'\n]*'(?!\w)"
    r"|„[^„“”\n]*[“”]|“[^“”\n]*”|‘[^‘’\n]*’|«[^«»\n]*»|「[^「」\n]*」|『[^『』\n]*』"
    r"|\([^()\n]*\)|（[^（）\n]*）",
    re.DOTALL,
)
_NAMED = re.compile(
    rf"(?<![-—])(?P<dashes>{_TWO_DASHES})"
    rf"(?P<name>[a-z][a-z_-]{{0,40}}|{_CHINESE_NAMES}){_WITH_VALUE}?",
    re.IGNORECASE,
)


class _Unread(NamedTuple):
    """A flag among the words: the kind of the note that says why it is one of them."""

    kind: str
    name: str
    start: int
    end: int


def unread_flags(words: str) -> list[Note]:
    """Notes on the flags that were left among a prompt's words, and why."""
    names: dict[str, list[str]] = {}
    for flag in _unread(words):
        listed = names.setdefault(flag.kind, [])
        if flag.name not in listed:
            listed.append(flag.name)
    return [
        make_note(kind, names=", ".join(f"`{name}`" for name in listed))
        for kind, listed in names.items()
    ]


def without_flags(words: str) -> str:
    """A prompt without the flags that were left among its words, for a title."""
    kept, at = "", 0
    for flag in _unread(words):
        kept, at = kept + words[at : flag.start], flag.end
    return kept + words[at:]


def _unread(words: str) -> list[_Unread]:
    """The flags among the words, but none in what shows a command of another program."""
    quoted = _QUOTED.sub(lambda found: '"' * len(found[0]), words)
    prose = _as_plain_signs(quoted)
    end = len(prose.rstrip(_SEPARATORS))
    unread: list[_Unread] = []
    is_foreign = False
    for found in itertools.islice(_NAMED.finditer(prose), MAX_FLAGS):
        start, name = found.start(), _plain_name(found["name"])
        is_apart = not start or bool(re.match(_BEFORE, prose[start - 1]))
        if _is_short(found["dashes"], words[start]):
            continue
        if _is_flag(found):
            is_last = found.end() >= end
            if kind := _why_unread(name, is_apart, is_last):
                unread.append(_Unread(kind, f"--{name}", start, found.end()))
        else:
            is_foreign |= is_apart and name not in _CHOICES
    # Elsewhere a flag that nobody knows hides none of ours.
    return [] if is_foreign and _COMMANDS.search(prose.lower()) else unread


def _why_unread(name: str, is_apart: bool, is_last: bool) -> str:
    """The kind of the note on a flag; none where its name goes on with a word."""
    if is_apart:
        return "flag_not_last" if name in _CHOICES else "flag_unknown"
    return "flag_joined" if name in _CHOICES and is_last else ""


def _is_flag(found: re.Match[str]) -> bool:
    """Whether a name behind dashes is a flag, ours or Midjourney's, by its value."""
    name = _plain_name(found["name"])
    value = (found["value"] or "").rstrip(_STOPS)
    if name in _SWITCHES:
        return True  # a word behind it need not be its value
    if name in _CHOICES:
        # "--ar 16 by 9" was meant as one; "—size 3" may be prose.
        is_meant = "—" not in found["dashes"] and value[:1].isdigit()
        return is_meant or _is_valid(f"--{_known_name(name)}", value)
    return bool(_FOREIGN_FLAG.match(f"{name} {value}"))


# As the whole of a message it is no wish for a picture, whichever program's way of
# asking it is.
_ASKING = rf"(?:{_TWO_DASHES}{_BLANK}*|[-/])"
_HELP = re.compile(rf"{_ASKING}(?:help|帮助|幫助){_END}", re.IGNORECASE)
_COSTS = re.compile(rf"{_ASKING}(?:costs?|费用|費用|花费|花費){_END}", re.IGNORECASE)
_AROUND = _BLANKS + "\"'`“”‘’「」*"


def asks_for_help(words: str) -> bool:
    """Whether a whole message is "--help"."""
    return _is_all(words, _HELP)


def asks_for_costs(words: str) -> bool:
    """Whether a whole message is "--cost"."""
    return _is_all(words, _COSTS)


def asks_the_plugin(words: str) -> bool:
    """Whether a whole message is one that no model reads, and that asks for nothing to
    be made."""
    return asks_for_help(words) or asks_for_costs(words)


def _is_all(words: str, question: re.Pattern[str]) -> bool:
    typed = words.strip(_AROUND)[: MAX_FLAG_CHARACTERS + 1]
    is_short = len(typed) <= MAX_FLAG_CHARACTERS
    return is_short and bool(question.fullmatch(_as_plain_signs(typed)))


# ── Heads ─────────────────────────────────────────────────────────────────────────────
# Of each format of pictures, the size that its head declares, and a check whether all of
# it is there. Nothing is decoded: the size that a picture declares costs nothing. Each
# function may end in UnusablePicture, or in struct.error, IndexError and KeyError.


class UnusablePicture(Exception):
    """A picture that cannot be sent; `kind` is a key of NOTES."""

    def __init__(self, kind: str, **values: Any) -> None:
        super().__init__(kind)
        self.kind = kind
        self.values = values


def require_whole(holds: bool) -> None:
    """Raise UnusablePicture("broken") unless something holds that does of each whole
    picture."""
    if not holds:
        raise UnusablePicture("broken")


PixelSize = tuple[int, int]
# Its kind, and where its content begins and ends.
PictureBlock = tuple[bytes, int, int]

# Bits of a pixel's samples, and samples, by PNG's colour types (W3C PNG, 11.2.2).
_PNG_DEPTHS = {
    0: ((1, 2, 4, 8, 16), 1),
    2: ((8, 16), 3),
    3: ((1, 2, 4, 8), 1),
    4: ((8, 16), 2),
    6: ((8, 16), 4),
}
# Bytes that one byte of deflate can stand for: 1,032 (zlib.net/zlib_tech.html), and a
# bit more for the beginning.
_DEFLATE_MOST = 1_040
_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")


def png_size(data: bytes) -> PixelSize:
    width, height = struct.unpack_from(">II", data, 16)
    require_whole(data[12:16] == b"IHDR")
    return width, height


def _png_chunks(data: bytes) -> Iterator[PictureBlock]:
    place = 8
    for _ in range(MAX_PICTURE_BLOCKS):
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 8 + length
        require_whole(end + 4 <= len(data))
        yield kind, place + 8, end
        if kind == b"IEND":
            return
        place = end + 4
    require_whole(False)


def check_png(data: bytes) -> None:
    view, kinds, packed = memoryview(data), set[bytes](), 0
    for kind, start, end in _png_chunks(data):
        require_whole((kind == b"IHDR") == (not kinds))
        kinds.add(kind)
        packed += end - start if kind == b"IDAT" else 0
        # Readers pass over a damaged chunk that is not critical: a small letter first.
        if kind[:1].isupper():
            (checksum,) = struct.unpack_from(">I", data, end)
            require_whole(zlib.crc32(view[start - 4 : end]) == checksum)
    width, height, depth, colours = struct.unpack_from(">IIBB", data, 16)
    depths, samples = _PNG_DEPTHS.get(colours, ((), 0))
    require_whole(depth in depths and (colours != 3 or b"PLTE" in kinds))
    require_whole(height * (width * depth * samples // 8 + 1) <= packed * _DEFLATE_MOST)


def bare_png(data: bytes) -> bytes:
    """The first picture without metadata: Pillow would unpack that, too."""
    view = memoryview(data)
    chunks = (c for c in _png_chunks(data) if c[0] in _PNG_PIXELS)
    return b"".join(
        [view[:8], *(view[start - 8 : end + 4] for _, start, end in chunks)]
    )


# Markers that a length follows, and the end (ITU T.81, table B.1). Between them stand
# coded pixels, or what a camera left there.
_JPEG_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd9-\xfe]")
JPEG_SIGN = b"\xff\xd8\xff"
_SOS, _EOI, _ADOBE, _EXIF = b"\xda", b"\xd9", b"\xee", b"\xe1"
_JPEG_FRAMES = frozenset(bytes([n]) for n in {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_METADATA = frozenset(bytes([n]) for n in (*range(0xE0, 0xF0), 0xFE)) - {_ADOBE}


def _jpeg_segments(data: bytes) -> Iterator[PictureBlock]:
    """The segments up to the end of the picture; what cameras write behind is left."""
    place = 2
    for _ in range(MAX_PICTURE_BLOCKS):
        place = _next_marker(data, place)
        kind = data[place + 1 : place + 2]
        if kind == _EOI:
            return
        (length,) = struct.unpack_from(">H", data, place + 2)
        start, place = place + 4, place + 2 + length
        require_whole(start <= place <= len(data))
        yield kind, start, place
    require_whole(False)


def _next_marker(data: bytes, place: int) -> int:
    while place < len(data):  # in slices: a pattern holds the interpreter
        if found := _JPEG_MARKER.search(data, place, place + SLICE + 1):
            return found.start()
        place += SLICE
    raise UnusablePicture("broken")


def jpeg_size(data: bytes) -> PixelSize:
    for kind, start, _ in _jpeg_segments(data):
        if kind in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 1)
            return width, height
        require_whole(kind != _SOS)
    raise UnusablePicture("broken")


def check_jpeg(data: bytes) -> None:
    jpeg_size(data)
    kinds = {
        kind for kind, _, _ in _jpeg_segments(data)
    }  # up to its end, which is there
    require_whole(_SOS in kinds)


def bare_jpeg(data: bytes) -> bytes:
    """The picture without metadata: Pillow would read tables of any size in it."""
    view, pieces = memoryview(data), [memoryview(b"\xff\xd8")]
    for kind, start, end in _jpeg_segments(data):
        if kind == _SOS:
            pieces.append(view[start - 4 :])
            break
        if kind not in _JPEG_METADATA:
            pieces.append(view[start - 4 : end])
    return b"".join(pieces)


def jpeg_exif(data: bytes) -> bytes:
    """A JPEG's EXIF block, or nothing."""
    if not data.startswith(JPEG_SIGN):
        return b""
    for kind, start, end in _jpeg_segments(data):
        if kind == _EXIF and data.startswith(b"Exif\0\0", start, end):
            return data[start:end]
        if kind == _SOS:
            break
    return b""


def jpeg_passes(data: bytes) -> int:
    """In how many passes a JPEG comes; for more than one, its decoder keeps all of it."""
    samples, passes = 0, []
    for kind, start, _ in _jpeg_segments(data):
        if kind in _JPEG_FRAMES:
            samples = data[start + 5] if kind in b"\xc0\xc1" else 0
        elif kind == _SOS:
            passes.append(data[start])
    return max(len(passes), 1 if passes[:1] == [samples] else 2)


def _webp_chunks(data: bytes) -> Iterator[PictureBlock]:
    end = 8 + struct.unpack_from("<I", data, 4)[0]
    require_whole(20 <= end <= len(data))
    place = 12
    for _ in range(MAX_PICTURE_BLOCKS):
        if place + 8 > end:
            return
        kind, length = struct.unpack_from("<4sI", data, place)
        start, place = place + 8, place + 8 + length
        require_whole(place <= end)
        yield kind, start, place
        place += length % 2
    require_whole(False)


def _webp_frame_size(data: bytes, kind: bytes, start: int) -> PixelSize:
    """What the head of the three kinds of chunks says (RFC 9649)."""
    if kind == b"VP8X":
        across, top, down, high = struct.unpack_from("<HBHB", data, start + 4)
        return across + (top << 16) + 1, down + (high << 16) + 1
    if kind == b"VP8L":
        sign, bits = struct.unpack_from("<BI", data, start)
        require_whole(sign == 0x2F and bits >> 29 == 0)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    tag, sign, width, height = struct.unpack_from("<B2x3sHH", data, start)
    require_whole(tag & 1 == 0 and sign == b"\x9d\x01\x2a")  # a key frame
    return width & 0x3FFF, height & 0x3FFF


def webp_size(data: bytes) -> PixelSize:
    return _webp_frame_size(data, data[12:16], 20)


def check_webp(data: bytes) -> None:
    size, frames = webp_size(data), 0
    for kind, start, _ in _webp_chunks(data):
        if kind in (b"VP8 ", b"VP8L"):
            require_whole(_webp_frame_size(data, kind, start) == size)
        frames += kind in (b"VP8 ", b"VP8L", b"ANMF")
    require_whole(frames > 0)


def gif_size(data: bytes) -> PixelSize:
    """Of the first frame, which may be larger than the screen that the head declares.

    Pillow, too, passes over all that stands before it byte by byte, or nearly.
    """
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    place, inside = 13 + (6 << (flags & 7) if flags & 0x80 else 0), False
    for _ in range(MAX_PICTURE_BLOCKS):
        sign = data[place]
        if inside:  # an extension, which ends with an empty block
            place, inside = place + 1 + sign, sign > 0
        elif sign == 0x21:
            place, inside = place + 2, True
        elif sign == 0x2C:
            left, top, across, down = struct.unpack_from("<4H", data, place + 1)
            return max(width, left + across), max(height, top + down)
        else:
            place += 1
    raise UnusablePicture("broken")


def _bmp_head(data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bits of a pixel, and how they are packed."""
    (length,) = struct.unpack_from("<I", data, 14)
    if length == 12:
        width, height, _, bits = struct.unpack_from("<4H", data, 18)
        return width, height, bits, 0
    width, height, _, bits, packing = struct.unpack_from("<IiHHI", data, 18)
    return width, abs(height), bits, packing


def bmp_size(data: bytes) -> PixelSize:
    return _bmp_head(data)[:2]


def check_bmp(data: bytes) -> None:
    width, height, bits, packing = _bmp_head(data)
    if packing not in (0, 3):  # Pillow reads run lengths in Python, byte by byte
        raise UnusablePicture("odd_form")
    (start,) = struct.unpack_from("<I", data, 10)
    require_whole(start + (width * bits + 31) // 32 * 4 * height <= len(data))


# ── Containers ────────────────────────────────────────────────────────────────────────
# The same of formats that are tables of what lies anywhere in them.

# Of a value, by the types of more than one byte (TIFF 6.0, page 15).
_TAG_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8}
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_PACKING, _ORIENTATION = 256, 257, 259, 274
_TIFF_STRIP_ROWS, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 278, 322, 323
_TIFF_NUMBERS = (256, 257, 259, 278, 322, 323)
_TIFF_DIRECTORIES = (34665, 34853, 40965)  # EXIF, GPS and others, which Pillow reads
# None, fax, LZW, JPEG, deflate and run lengths. libtiff's old JPEG and rare ones are
# those in which most of its faults were found.
_TIFF_PACKINGS = (1, 2, 3, 4, 5, 7, 8, 32773, 32946)


def _tiff_tags(data: bytes, order: str, place: int) -> dict[int, int]:
    """The values of a directory's tags that are one whole number.

    Raises UnusablePicture where they together are larger than any honest ones: their
    lengths cost nothing, and Pillow reads all of them, twice.
    """
    (count,) = struct.unpack_from(order + "H", data, place)
    values, seen, room = dict[int, int](), set[int](), MAX_TAG_BYTES
    for at in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, length = struct.unpack_from(order + "HHI", data, at)
        room -= _TAG_BYTES.get(kind, 1) * length
        whole = length == 1 and kind in (3, 4, 13)
        # Readers differ on which of two tags counts, and on numbers of other types.
        unclear = tag in seen or (tag in _TIFF_NUMBERS and not whole)
        if room < 0 or count > MAX_TAGS or unclear:
            raise UnusablePicture("odd_form")
        if whole:
            how = "H" if kind == 3 else "I"
            (values[tag],) = struct.unpack_from(order + how, data, at + 8)
        seen.add(tag)
    return values


def _tiff_order(data: bytes, place: int = 0) -> str:
    return ">" if data[place : place + 2] == b"MM" else "<"


def _tiff_head(data: bytes) -> dict[int, int]:
    order = _tiff_order(data)
    return _tiff_tags(data, order, struct.unpack_from(order + "I", data, 4)[0])


def tiff_size(data: bytes) -> PixelSize:
    tags = _tiff_head(data)
    return tags.get(_TIFF_WIDTH, 0), tags.get(_TIFF_HEIGHT, 0)


def check_tiff(data: bytes) -> None:
    tags = _tiff_head(data)
    _check_tiff_directories(data, tags)
    width, height = tags[_TIFF_WIDTH], tags[_TIFF_HEIGHT]
    across = tags.get(_TIFF_TILE_WIDTH, width)
    down = tags.get(_TIFF_TILE_HEIGHT) or min(
        tags.get(_TIFF_STRIP_ROWS, height), height
    )
    require_whole(min(width, height, across, down) > 0)
    strips = -(-width // across) * -(-height // down)
    packed = tags.get(_TIFF_PACKING, 1)
    if packed not in _TIFF_PACKINGS or strips > MAX_STRIPS:
        raise UnusablePicture("odd_form")
    if across * down > max(width * height, MAX_TILE_PIXELS):
        raise UnusablePicture("odd_form")


def _check_tiff_directories(data: bytes, tags: dict[int, int]) -> None:
    order = _tiff_order(data)
    places = [tags[tag] for tag in _TIFF_DIRECTORIES if tag in tags]
    for place in places:  # each may name more
        more = _tiff_tags(data, order, place)
        places += [more[tag] for tag in _TIFF_DIRECTORIES if tag in more]
        if len(places) > MAX_DIRECTORIES:
            raise UnusablePicture("odd_form")


def exif_orientation(exif: bytes) -> int:
    """How a picture lies, 1 to 8, by its EXIF block; 1 where that does not say.

    Pillow's own reader takes memory for each table that the block declares.
    """
    block = exif.removeprefix(b"Exif\0\0")[:MAX_EXIF_BYTES]
    with contextlib.suppress(struct.error, UnusablePicture):
        turned = _tiff_head(block).get(_ORIENTATION, 1)
        return turned if 1 <= turned <= 8 else 1
    return 1


# ISO/IEC 14496-12 (boxes), 23008-12 (HEIF), and AV1's bitstream specification.


def _boxes(data: bytes, start: int, end: int) -> Iterator[PictureBlock]:
    """The boxes from start to end. Raises UnusablePicture for one that is cut off."""
    for _ in range(MAX_PICTURE_BLOCKS):
        if start >= end:
            return
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 16 if size == 1 else 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
        stop = start + size if size else end
        require_whole(start + head <= stop <= end)
        yield kind, start + head, stop
        start = stop
    require_whole(False)


def _heif_box(data: bytes, *path: bytes) -> tuple[int, int]:
    """Where the content of the first box under these names begins and ends."""
    start, end = 0, len(data)
    for name in path:
        found = (b for b in _boxes(data, start, end) if b[0] == name)
        _, start, end = next(found, (b"", 0, 0))
        require_whole(end > 0)
        start += 4 if name in (b"meta", b"iinf", b"iloc") else 0  # version and flags
    return start, end


def heif_size(data: bytes) -> PixelSize:
    """The largest that the file declares: tiles, thumbnails and masks are smaller."""
    sizes = [
        struct.unpack_from(">II", data, start + 4)
        for kind, start, _ in _boxes(data, *_heif_box(data, b"meta", b"iprp", b"ipco"))
        if kind == b"ispe"
    ]
    return max(sizes, key=math.prod, default=(0, 0))


def check_heif(data: bytes) -> None:
    """Whether head and pixels are whole; what stands behind both may be anything."""
    missing = {b"ftyp", b"mdat", b"meta", b"moov"}
    for kind, _, _ in _boxes(data, 0, len(data)):
        missing.discard(kind)
        if kind in (b"meta", b"moov"):
            missing -= {b"meta", b"moov"}
        if not missing:
            return
    require_whole(False)


def check_avif(data: bytes) -> None:
    """Whether it is whole, and its pictures not larger than the file declares: a
    decoder takes the memory that their own heads ask for."""
    check_heif(data)
    kinds, coded, room = dict(_heif_kinds(data)), 0, iter(range(MAX_AV1_UNITS))
    for item, place, end in _heif_items(data):
        kind = kinds.get(item)
        if kind in (b"av01", b"Exif") and not place < end:
            raise UnusablePicture("odd_form")
        require_whole(end <= len(data))
        if kind == b"av01":
            coded += math.prod(_av1_size(data, place, end, room))
        elif kind == b"Exif":  # read by Pillow, whatever its tables declare
            _tiff_head(data[place + 4 : end].removeprefix(b"Exif\0\0"))
    require_whole(coded > 0)
    if coded > MAX_CODED * math.prod(heif_size(data)):
        raise UnusablePicture("odd_form")


def _heif_kinds(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and kind of each item."""
    start, end = _heif_box(data, b"meta", b"iinf")
    start += 2 if data[start - 4] == 0 else 4
    for kind, place, _ in _boxes(data, start, end):
        if kind == b"infe":
            how = ">HH4s" if data[place] == 2 else ">IH4s"
            number, _, name = struct.unpack_from(how, data, place + 4)
            yield number, name


def _heif_items(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each item; of one in pieces both are 0."""
    start, end = _heif_box(data, b"meta", b"iloc")
    version, rest = data[start - 4], io.BytesIO(data[start:end])

    def number(size: int) -> int:
        return int.from_bytes(rest.read(size), "big")

    sizes, wide = number(2), 2 if version < 2 else 4
    of_place, of_length, of_base, of_index = (sizes >> n & 15 for n in (12, 8, 4, 0))
    for _ in range(min(number(wide), MAX_TAGS)):
        item, method = number(wide), number(2) & 15 if version else 0
        number(2)  # of the file, which is this one
        base, pieces = number(of_base), number(2)
        if method or pieces != 1:
            rest.read(pieces * (of_place + of_length + (of_index if version else 0)))
            yield item, 0, 0
            continue
        number(of_index if version else 0)
        place, length = base + number(of_place), number(of_length)
        yield item, place, place + length if length else len(data)


def _av1_size(data: bytes, place: int, end: int, room: Iterator[Any]) -> PixelSize:
    """The largest that an item's sequence headers allow (AV1 5.5.1).

    room: yields as often as a unit may still be looked at, of all items, since these
    may all be the same bytes.
    """
    sizes = [(0, 0)]
    for _ in room:
        if place >= end:
            return max(sizes, key=math.prod)
        head = data[place]
        length, place = _leb128(data, place + 1 + (head >> 2 & 1))
        if head >> 3 & 15 == 1:
            sizes.append(_av1_sequence_size(data[place : place + 16]))
        if not head & 2:
            break
        place += length
    raise UnusablePicture("odd_form")


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """A number in groups of seven bits, and where it ends."""
    value = 0
    for shift in range(0, 56, 7):
        value |= (data[place] & 0x7F) << shift
        place += 1
        if data[place - 1] < 0x80:
            break
    return value, place


def _av1_sequence_size(head: bytes) -> PixelSize:
    bits = "".join(f"{byte:08b}" for byte in head.ljust(16, b"\0"))
    place, is_reduced = 10, bits[4] == "1"
    if not is_reduced:
        if "1" in bits[5:12]:  # of films
            raise UnusablePicture("odd_form")
        place = 29 + (int(bits[24:29], 2) > 7)
    across = int(bits[place : place + 4], 2) + 1
    down = int(bits[place + 4 : place + 8], 2) + 1
    if not is_reduced:  # each frame may have a size of its own in so many bits
        return 1 << across, 1 << down
    place += 8
    sides = bits[place : place + across], bits[place + across : place + across + down]
    return int(sides[0], 2) + 1, int(sides[1], 2) + 1


def still_avif(data: bytes) -> bytes:
    """As one that is no film: libavif then decodes the still picture in it."""
    return data[:8] + b"avif" + data[12:]


# ── Formats ───────────────────────────────────────────────────────────────────────────
# What a picture is, told by its first bytes alone, and who may read it.


def _unchanged(data: bytes) -> bytes:
    return data


class PictureFormat(NamedTuple):
    """A format of pictures.

    signatures: alternatives, each a list of places and of the bytes that stand there.
    goes: whether Google takes it as it is
    (ai.google.dev/gemini-api/docs/image-understanding). size: its declared width and
    height. check: raises where not all of a picture is there. Both are given its bytes,
    and raise what is said in room Heads.

    The others are for what has to be decoded. pillow: its name in Pillow, which tries
    no other format; none where Pillow is not asked at all. bare: the bytes that Pillow
    is given, without what it would read in vain. weight: how many bytes of memory a
    pixel takes at most until it is saved again (measured, and a bit more).
    """

    mime: str
    signatures: tuple[tuple[tuple[int, bytes], ...], ...]
    goes: bool
    size: Callable[[bytes], PixelSize]
    check: Callable[[bytes], object]
    pillow: str = ""
    bare: Callable[[bytes], bytes] = _unchanged
    weight: int = 0


def _brands(*names: bytes) -> tuple[tuple[tuple[int, bytes], ...], ...]:
    return tuple(((4, b"ftyp" + name),) for name in names)


_RIFF = ((0, b"RIFF"), (8, b"WEBP"))
_PNG_SIGN = b"\x89PNG\r\n\x1a\n"
_TIFF_SIGNS = ((0, b"II*\0"),), ((0, b"MM\0*"),)
_GIF_SIGNS = ((0, b"GIF87a"),), ((0, b"GIF89a"),)
# fmt: off
_FORMATS = (
    PictureFormat("image/png", (((0, _PNG_SIGN),),), True, png_size, check_png, "PNG", bare_png, 14),
    PictureFormat("image/jpeg", (((0, JPEG_SIGN),),), True, jpeg_size, check_jpeg, "JPEG", bare_jpeg, 15),
    PictureFormat("image/webp", (_RIFF,), True, webp_size, check_webp, "WEBP", _unchanged, 30),
    PictureFormat("image/gif", _GIF_SIGNS, False, gif_size, gif_size, "GIF", _unchanged, 10),
    PictureFormat("image/avif", _brands(b"avif", b"avis"), False, heif_size, check_avif, "AVIF", still_avif, 22),
    PictureFormat("image/heic", _brands(b"hei", b"hev"), True, heif_size, check_heif),
    PictureFormat("image/heif", _brands(b"mif1", b"msf1"), True, heif_size, check_heif),
    PictureFormat("image/tiff", _TIFF_SIGNS, False, tiff_size, check_tiff, "TIFF", _unchanged, 16),
    PictureFormat("image/bmp", (((0, b"BM"),),), False, bmp_size, check_bmp, "BMP", _unchanged, 9),
)
# fmt: on


def picture_format(mime: str) -> PictureFormat:
    """The format of a type that image_type told."""
    return next(form for form in _FORMATS if form.mime == mime)


def image_type(data: bytes) -> str | None:
    """The MIME type that the first bytes tell, or None when they are no picture's."""
    for form in _FORMATS:
        for signature in form.signatures:
            if all(data.startswith(sign, place) for place, sign in signature):
                return form.mime
    return None


def file_ending(mime: str) -> str:
    """The ending of a picture's file."""
    return ".jpg" if mime == "image/jpeg" else f".{mime.removeprefix('image/')}"


def picture_pixels(data: bytes) -> tuple[int, int] | None:
    """Width and height, as the head of the picture says; None where it cannot be read."""
    mime = image_type(data)
    with contextlib.suppress(UnusablePicture, struct.error, IndexError):
        width, height = picture_format(mime).size(data) if mime else (0, 0)
        if width and height:
            return width, height
    return None


def check_picture(data: bytes, mime: str) -> None:
    """Raise UnusablePicture for a picture that is damaged, cut off or too large."""
    form, size = picture_format(mime), picture_pixels(data)
    if size and size[0] * size[1] > MAX_PIXELS:
        raise UnusablePicture("too_many_pixels")
    try:
        form.check(data)
    except (struct.error, IndexError, KeyError):
        raise UnusablePicture("broken") from None
    except UnusablePicture as error:
        raise UnusablePicture(error.kind, form=form.pillow) from None
    require_whole(size is not None or not form.pillow)


# ── Pictures ──────────────────────────────────────────────────────────────────────────
# What has to be done to a picture before Google takes it, and which go together.


@dataclass(frozen=True)
class Image:
    """A picture's bytes; a draft is an interim picture, not a result."""

    data: bytes
    mime: str
    draft: bool = False


def data_uri(image: Image) -> str:
    """The picture as a data URI."""
    encoded = b"".join(base64_slices(image.data)).decode()
    return f"data:{image.mime};base64,{encoded}"


def data_uri_bytes(address: str) -> bytes:
    """What a data URI holds, whatever type it names: browsers know no HEIC."""
    start = address.find(",") + 1
    head = address[: min(start, MAX_ADDRESS_CHARACTERS)].rstrip(",")
    if not "".join(head.split()).lower().endswith(";base64"):
        form = ending_of_uri(address).upper() or make_note("this_form")
        raise UnusablePicture("no_picture", form=form)
    decoder = Base64Decoder()
    for at in range(start, len(address), SLICE):  # a copy of it all would be large
        piece = address[at : at + SLICE].encode("ascii", "replace")
        decoder.feed(piece.translate(None, b" \t\r\n\f\v"))
    return decoder.finish() or b""


def picture_digest(data: bytes) -> bytes:
    """By which a picture is known again."""
    return hashlib.sha256(data).digest()


_NAMED_TYPE = re.compile(r"data:\s*\w{1,20}/(?:x-)?([A-Za-z0-9]{1,5})\b", re.IGNORECASE)


def ending_of_uri(address: str) -> str:
    """The type that a data URI names, as the ending of a file's name would: "svg" of
    image/svg+xml. Nothing where there is none."""
    named = _NAMED_TYPE.match(address)
    return named[1].lower() if named else ""


def checked_picture(data: bytes, name: str) -> Image:
    """The picture that a user gave, after a look at its structure; nothing is decoded.

    Its type is told by its bytes, then by its name. Raises UnusablePicture, since Google
    refuses the whole request for one damaged picture.
    """
    if not data:
        raise UnusablePicture("broken")
    ending = name.lower().rpartition(".")[2] if "." in name else ""
    ending = ending if ending.isalnum() and len(ending) <= 5 else ""
    mime = image_type(data)
    if mime is None and ending in ("heic", "heif") and data[4:8] == b"ftyp":
        mime = f"image/{ending}"
    if mime is None:
        form = ending.upper() or make_note("this_form")
        raise UnusablePicture("no_picture", form=form)
    check_picture(data, mime)
    return Image(data, mime)


def needs_conversion(image: Image) -> bool:
    """Whether Google does not take the picture as it is."""
    return not picture_format(image.mime).goes


def converted_picture(image: Image) -> Image:
    """The first frame of a checked picture as PNG. Raises UnusablePicture, ImportError."""
    return _saved(_decoded(image), "PNG")


def smaller_picture(image: Image, limit: int) -> Image:
    """A checked picture in at most `limit` bytes, with fewer pixels if need be.

    Transparency and orientation stay. Raises UnusablePicture, ImportError.
    """
    picture = _decoded(image)
    form = "WEBP" if _has_alpha(picture) else "JPEG"
    picture.thumbnail((MAX_SIDE, MAX_SIDE))
    if form == "WEBP" and (most := MAX_WEBP_PIXELS / math.prod(picture.size)) < 1:
        picture = _scaled(picture, most**0.5)
    for _ in range(MAX_SAVINGS):
        made = _saved(picture, form)
        if len(made.data) <= limit:
            return made
        picture = _scaled(picture, min(0.9, (limit / len(made.data)) ** 0.5))
    raise UnusablePicture("too_large")


def _scaled(picture: Any, factor: float) -> Any:
    return picture.resize([max(1, int(side * factor)) for side in picture.size])


def _decoded(image: Image) -> Any:
    """The first frame as Pillow reads it, upright. Raises UnusablePicture, ImportError."""
    form = picture_format(image.mime)
    if not form.pillow:
        raise UnusablePicture("too_large")
    # Open WebUI ships Pillow; a plain Python that runs the tests may lack it.
    import PIL.Image

    scale = _draft_scale(image, form)
    try:
        # Pillow's object would hold the bytes until the picture is saved.
        with io.BytesIO(form.bare(image.data)) as bare:
            # Pillow guesses otherwise, and one of its guesses starts Ghostscript.
            picture: Any = PIL.Image.open(bare, formats=(form.pillow,))
            if scale > 1:
                picture.draft(None, (picture.width // scale, picture.height // scale))
            _check_pixels(picture.size, form)
            picture.load()
        exif = picture.info.pop("exif", b"") or jpeg_exif(image.data)
        return _upright(_plain(picture), exif_orientation(exif))
    except (PIL.UnidentifiedImageError, KeyError):  # how it says that it cannot do it
        raise UnusablePicture("odd_form", form=form.pillow) from None
    except PIL.Image.DecompressionBombError:
        raise UnusablePicture("too_many_pixels") from None
    except UnusablePicture:
        raise
    except Exception:  # its decoders fail in ways of their own
        raise UnusablePicture("broken") from None


def _draft_scale(image: Image, form: PictureFormat) -> int:
    """To which part of its sides a picture is decoded: a JPEG can be decoded smaller.
    Raises UnusablePicture when there are too many pixels for that, too."""
    size = picture_pixels(image.data) or (0, 0)
    if form.pillow == "JPEG" and (passes := jpeg_passes(image.data)) == 1:
        for scale in (1, 2, 4):
            if size[0] * size[1] // scale**2 <= MAX_DECODING_BYTES // form.weight:
                return scale
        return 8
    if form.pillow == "JPEG" and passes > MAX_JPEG_PASSES:
        raise UnusablePicture("odd_form", form="JPEG")
    _check_pixels(size, form)
    return 1


def _check_pixels(size: tuple[int, int], form: PictureFormat) -> None:
    if size[0] * size[1] > MAX_DECODING_BYTES // form.weight:
        raise UnusablePicture("too_many_pixels")


def _has_alpha(picture: Any) -> bool:
    return picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info


def _plain(picture: Any) -> Any:
    """In eight bits of red, green, blue and, where it has any, transparency."""
    if picture.mode.startswith("I"):  # 16 bits of grey; convert would clip them
        picture = picture.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")
    mode = "RGBA" if _has_alpha(picture) else "RGB"
    return picture if picture.mode == mode else picture.convert(mode)


def _upright(picture: Any, orientation: int) -> Any:
    """Turned and mirrored as EXIF's orientation says."""
    import PIL.Image

    how = PIL.Image.Transpose
    turns = {
        2: how.FLIP_LEFT_RIGHT,
        3: how.ROTATE_180,
        4: how.FLIP_TOP_BOTTOM,
        5: how.TRANSPOSE,
        6: how.ROTATE_270,
        7: how.TRANSVERSE,
        8: how.ROTATE_90,
    }
    turn = turns.get(orientation)
    return picture if turn is None else picture.transpose(turn)


def _saved(picture: Any, form: str) -> Image:
    """The picture in another format. Raises UnusablePicture."""
    out = io.BytesIO()
    try:
        # Others wait meanwhile: PNG's usual level takes four times as long.
        picture.save(out, form, quality=90, compress_level=2)
    except Exception:  # as above
        raise UnusablePicture("broken") from None
    return Image(out.getvalue(), f"image/{form.lower()}")


@dataclass(frozen=True)
class InputPicture:
    """A picture that may go along, its name for notes, and the digest of what the user
    gave.

    numbers: its places among the pictures that are attached to the newest message,
    counted from 1 as people do; an earlier one has none.
    """

    image: Image
    name: str | Note
    numbers: tuple[int, ...] = ()
    digest: bytes = b""


def picture_name(address: str, numbers: Sequence[int], file_name: str) -> str | Note:
    """What a note calls a picture: by its file's name, which a stranger may have
    chosen, and by its numbers, if it has some."""
    name = plain_words(file_name, 80, default="")
    if numbers and name:
        return make_note("numbered_picture", number=tuple(numbers), name=name)
    if numbers:
        return make_note("picture_number", number=tuple(numbers))
    kind = "attached_picture" if is_data_uri(address) else "a_picture"
    return name or make_note(kind)


class PicturePlan(NamedTuple):
    """Which pictures go along, each once and in their order; how many bytes each of
    them may have; and what is to be said."""

    kept: list[InputPicture]
    share: int
    notes: list[Note]


def plan_pictures(
    pictures: Iterable[InputPicture], limit: int = MAX_PICTURE_BYTES
) -> PicturePlan:
    """How the pictures fit into one request's limit in bytes.

    Earlier ones are left out first, oldest first; then the largest have to be made
    smaller.
    """
    kept, notes, left_out = _each_once(pictures), [], 0
    while _bytes_of(kept) > limit:
        oldest = next((n for n, p in enumerate(kept) if not p.numbers), None)
        if oldest is None:
            break
        del kept[oldest]
        left_out += 1
    if left_out:
        notes.append(make_note("earlier_large", count=left_out))
    share = limit // len(kept) if _bytes_of(kept) > limit else limit
    return PicturePlan(kept, share, notes)


def _each_once(pictures: Iterable[InputPicture]) -> list[InputPicture]:
    """Without those that come twice; one that is attached, too, goes there, and one
    that is attached twice has both numbers."""
    kept: dict[bytes, InputPicture] = {}
    for picture in pictures:
        twin = kept.get(picture.digest)
        if twin and picture.numbers and not twin.numbers:
            del kept[picture.digest]  # to stand at the end
        elif twin:
            picture = replace(twin, numbers=twin.numbers + picture.numbers)
        kept[picture.digest] = picture
    return [*kept.values()]


def _bytes_of(pictures: Iterable[InputPicture]) -> int:
    return sum(len(picture.image.data) for picture in pictures)


# ── Documents ─────────────────────────────────────────────────────────────────────────
# What people and hosts hand over that is no picture: words under the name that they
# have, or a PDF as it is. No word of theirs is a prompt, a flag or a title.


@dataclass(frozen=True)
class Document:
    """A document's words, or where it can be read from.

    file_id: the host's of the file, note or collection. address: of the bytes where
    there are no words (yet): a data URI or a file's id. data: a PDF that goes along as
    it is. is_newest: whether it is part of the newest message, not of an earlier one.
    is_paste: whether the page made it of a long text that was pasted as the message.
    why: the note on why there are no words. kind: the type of its entry. is_foreign:
    whether what the host found under its name may be somebody else's.
    """

    name: str = ""
    text: str = ""
    file_id: str = ""
    address: str = ""
    data: bytes = b""
    is_newest: bool = True
    is_paste: bool = False
    why: Note | None = None
    kind: str = ""
    is_foreign: bool = False

    @property
    def is_picture(self) -> bool:
        """Whether its address is a data URI of a picture."""
        return self.address[:11].lower() == "data:image/"

    @property
    def shown(self) -> str | Note:
        """What a note calls it: a stranger may have chosen its name."""
        return plain_words(self.name, 80, default="") or make_note("a_document")

    @property
    def title(self) -> str:
        """What the model is told that the words behind it are."""
        name = plain_line(self.name, 200).replace('"', "'")
        return f'Document "{name}":' if name else "Document:"


def is_pdf(data: bytes) -> bool:
    """Whether bytes are a PDF's."""
    return data[:5] == b"%PDF-"


def plain_text(data: bytes) -> str:
    """The words of a text file, as many as are looked at, or nothing where it is
    none."""
    coding = "utf-16" if data[:2] in _UTF_16 else "utf-8-sig"
    head = data[:MAX_PATTERN_CHARACTERS]
    try:
        # A sign may stand across the cut.
        is_all = len(head) == len(data)
        text = codecs.getincrementaldecoder(coding)().decode(head, is_all)
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text


_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# The page's name for a long text that was pasted, which it makes a file of
# (open_webui's MessageInput.svelte). The file's context is then "full".
_PASTE_NAME = re.compile(r"Pasted_Text_[0-9]{1,20}\.txt")
# Types of entries that have no record among the host's files, and whose words it may
# write into its frame: notes, knowledge, other chats, folders, pages.
_WITHOUT_RECORD = ("note", "collection", "chat", "folder", "url", "web_search")


def listed_documents(entries: Any, newest: Collection[str] | None) -> list[Document]:
    """The documents that the host lists, each once.

    entries: the host's file entries, those of pictures left out. newest: the ids of the
    newest message's files; None where all are. A document has the words that its entry
    holds, as the page writes them there; its record is still to be read (`address`).
    """
    found: dict[str, Document] = {}
    for entry in as_list(entries)[:MAX_DOCUMENTS]:
        if not isinstance(entry, dict):
            continue
        file_id = as_str(entry.get("id"))
        has_record = entry.get("type", "file") not in _WITHOUT_RECORD
        name = _name_of(entry)
        is_pasted = entry.get("context") == "full" and _PASTE_NAME.fullmatch(name)
        is_newest = newest is None or file_id in newest
        document = Document(
            name,
            clean_document(_text_in(entry)),
            file_id,
            address=file_id if has_record else "",
            is_newest=is_newest,
            is_paste=bool(is_pasted and has_record),
            kind=as_str(entry.get("type")),
            is_foreign=_names_other_collections(entry, has_record),
        )
        if not document.text and not document.address:
            why = make_note("no_text", name=document.shown)
            document = replace(document, why=why)
        key = file_id or f"{len(found)}"
        # Of several entries of one file only the chat's own may say that it was pasted.
        if document.is_paste or key not in found:
            found[key] = document
    return list(found.values())


def _name_of(entry: dict[str, Any]) -> str:
    """An entry's name as the host writes it into its frame."""
    name = entry.get("name") or get_field(entry, "title") or ""
    return name if isinstance(name, str) else str(name)[:MAX_NAME_CHARACTERS]


# Where hosts keep the words of a page or a search: named by a digest of its address.
_PAGE_COLLECTION = re.compile(r"web-search-[0-9a-f-]{40,80}|[0-9a-f]{40,64}")
_COLLECTION = re.compile(rf"{_PAGE_COLLECTION.pattern}|{FILE_ID.pattern}")


def _names_other_collections(entry: dict[str, Any], has_record: bool) -> bool:
    """Whether an entry names what else the host is to look into. Before 0.9 it does so
    whoever's that is: "file-<id>" has a file's words, others a user's memories."""
    names = [entry.get("collection_name"), *as_list(entry.get("collection_names"))]
    if entry.get("type") == "collection" and not entry.get("legacy"):
        names = [entry.get("id")]
    own = f"file-{entry.get('id')}" if has_record else ""
    known = _PAGE_COLLECTION if entry.get("type") != "collection" else _COLLECTION
    return any(
        not (isinstance(name, str) and known.fullmatch(name))
        for name in names
        if name and name != own
    )


def _text_in(entry: dict[str, Any]) -> str:
    inside = get_field(get_field(entry.get("file"), "data"), "content")
    return as_str(inside) or as_str(entry.get("content"))


def clean_document(text: str) -> str:
    """A document's words without surrogates and NUL, which no request may hold, and cut
    to MAX_PATTERN_CHARACTERS."""
    return without_surrogates(text[:MAX_PATTERN_CHARACTERS]).replace("\0", " ").strip()


# The tag of a document in the host's frame (open_webui/utils/middleware.py,
# get_source_context). A name stands there as it is, with whatever quotes it holds.
_SOURCE = re.compile(
    r'<source id="[0-9]{1,6}"(?: name="([^\n]{1,300}?)")?'
    r'(?: resource-type="[\w-]{1,40}")?(?: resource-id="([^"\n]{1,300})")?'
    r'(?: [\w-]{1,40}="[^"\n]{0,1000}"){0,20}>'
)


def framed_documents(frame: str) -> list[Document]:
    """The pieces of documents in a frame of the host's, in its order."""
    found: list[Document] = []
    room = MAX_PATTERN_CHARACTERS
    at = _first_source(frame)
    for _ in range(MAX_DOCUMENTS):
        if at < 0:
            break
        behind = frame.find('</source>\n<source id="', at)
        end = behind if behind >= 0 else frame.rfind("</source>")
        tag = _SOURCE.match(frame, at)
        begin = tag.end() if tag else frame.find(">", at) + 1
        name, file_id = (tag[1] or "", tag[2] or "") if tag else ("", "")
        inside = frame[begin : min(max(end, begin), begin + room)]
        room -= len(inside)
        if text := clean_document(without_pictures(inside)):
            found.append(Document(name, text, file_id))
        at = behind + len("</source>\n") if behind >= 0 else -1
    return found


def _first_source(frame: str) -> int:
    """Where the first document's tag stands; the template's own words may name one,
    too, but not at the beginning of a line."""
    at = frame.find('\n<source id="')
    is_first = at >= 0 and not frame[:at].endswith("</source>")
    return at + 1 if is_first else frame.find('<source id="')


def joined_documents(
    read: Sequence[Document], framed: Iterable[Document]
) -> list[Document]:
    """All documents of a request, none of them twice.

    read: those with words from an entry or a record, and those that say why they have
    none. framed: the pieces that the host put around the words, since it hands over
    only what its search found. Those of a document that was read are left out; those of
    any other become one document, which takes the place of one without words.
    """
    ids = {d.file_id for d in read if d.text} - {""}
    names = {d.name for d in read if d.text} - {""}
    # Each piece is looked for in all of it. Of a document no more goes along anyway.
    texts = "\n".join(d.text[:MAX_DOCUMENT_CHARACTERS] for d in read)
    texts = texts[: 4 * MAX_DOCUMENT_CHARACTERS]
    pieces: dict[tuple[str, str], list[Document]] = {}
    for piece in dict.fromkeys(framed):
        is_named = piece.name in names and not piece.file_id
        is_read = piece.file_id in ids or is_named or piece.text in texts
        if not is_read and not _may_be_denied(piece, read):
            key = (piece.file_id, "" if piece.file_id else piece.name)
            pieces.setdefault(key, []).append(piece)
    only_framed = [
        replace(first, text=clean_document("\n\n".join(p.text for p in (first, *more))))
        for first, *more in pieces.values()
    ]
    return [d for d in read if not _is_told(d, only_framed)] + only_framed


def _may_be_denied(piece: Document, read: Iterable[Document]) -> bool:
    """Whether a piece may be of a file that is not this user's. Hosts before 0.9 put
    anybody's words into a request, without an id; newer ones look whose they are.

    0.6.5 writes no names, and takes an entry of any type for a file's. A name that
    could end its place in the tag makes the whole tag somebody's own words.
    """
    if any(d.is_foreign and not _PLAIN_NAME.fullmatch(d.name) for d in read):
        return True
    if piece.file_id:
        return False
    if not piece.name:
        return any(d.is_foreign or (d.file_id and d.kind in _NEW_KINDS) for d in read)
    return any(d.is_foreign and piece.name == d.name for d in read)


_PLAIN_NAME = re.compile(r'[^"<>\n]{0,300}')
# That have no id in 0.6.5, or are not known there.
_NEW_KINDS = ("note", "chat", "folder", "url", "web_search")


def _is_told(document: Document, framed: Iterable[Document]) -> bool:
    """Whether the frame's documents hold the words of one that has none of its own.

    Two files may have the same name, so names only tell where one of them has no id.
    What 0.6.5 writes into a frame has neither, and may be any knowledge or note.
    """
    if not document.why:
        return False
    may_be_any = document.why.kind == "no_text"
    return any(
        _is_same(d, document) or (may_be_any and not d.file_id + d.name) for d in framed
    )


def _is_same(one: Document, other: Document) -> bool:
    if one.file_id and other.file_id:
        return one.file_id == other.file_id
    return bool(one.name) and one.name == other.name


def with_words(
    documents: Iterable[Document],
) -> tuple[list[Document], tuple[Note, ...]]:
    """The documents that can be sent, and the notes on why others cannot. Nothing is
    said of an earlier message's: it was told of when that was the newest."""
    kept, notes = [], dict[Note, None]()
    for document in documents:
        if not document.why:
            kept.append(document)
        elif document.is_newest:
            notes[document.why] = None
    return kept, tuple(notes)


def missing_knowledge(knowledge: Any, documents: Sequence[Document]) -> list[Note]:
    """Notes on the knowledge of a model or folder of which the host handed over none.

    Hosts before 0.6.43 name no document; there any may be of it.
    """
    if any(not d.name and not d.file_id for d in documents):
        return []
    ids, names = {d.file_id for d in documents}, {d.name for d in documents}
    items = [item for item in as_list(knowledge) if isinstance(item, dict)]
    missing = [
        plain_words(as_str(item.get("name")), 80, default="")
        for item in items[:MAX_DOCUMENTS]
        if as_str(item.get("id")) not in ids and as_str(item.get("name")) not in names
    ]
    return [
        make_note("no_knowledge", name=name or make_note("knowledge"))
        for name in dict.fromkeys(missing)
    ]


def bounded_documents(
    documents: Sequence[Document], room: int = MAX_DOCUMENT_CHARACTERS
) -> tuple[list[Document], list[Note]]:
    """The documents in so many characters, and notes on what is left out of them.

    The newest message's go first; several share the room, and what short ones leave of
    their share is the others'.
    """
    shares: dict[Document, int] = {}
    for is_newest in (True, False):
        waiting = sorted(
            (d for d in documents if d.is_newest is is_newest),
            key=lambda d: len(d.text),
        )
        for done, document in enumerate(waiting):
            share = min(len(document.text), room // (len(waiting) - done))
            shares[document] = share
            room -= share
    kept, notes = [], []
    for document in dict.fromkeys(documents):
        share = shares[document]
        if share < len(document.text):
            kind = "document_cut" if share else "document_left_out"
            notes.append(make_note(kind, name=document.shown))
        if share or document.data:
            kept.append(replace(document, text=document.text[:share]))
    return kept, notes


# Kinds of content parts that are read, whatever else they hold.
_READ_PARTS = ("text", "input_text", "output_text", "image_url", "input_image")
_SOUNDS, _FILMS = ("input_audio", "audio", "audio_url"), ("video_url", "input_video")


def part_document(part: Any) -> Document | Note | None:
    """What a part of an API client's message is that is no text and no picture: a file,
    or a note on what cannot go along; None for all others.

    platform.openai.com/docs/guides/pdf-files, in both of its forms.
    """
    kind = as_str(part.get("type")) if isinstance(part, dict) else "text"
    if kind in ("file", "input_file"):
        return _file_part(part)
    if kind in _READ_PARTS or "text" in part or "image_url" in part:
        return None
    what = "sound" if kind in _SOUNDS else "film" if kind in _FILMS else "part"
    return make_note("not_sent", name=make_note(what))


def _file_part(part: dict[str, Any]) -> Document | Note | None:
    file = part["file"] if isinstance(part.get("file"), dict) else part
    name = as_str(file.get("filename"))
    if data := as_str(file.get("file_data")):
        is_uri = is_data_uri(data)
        return Document(name, address=data if is_uri else f"data:;base64,{data}")
    if part_entry(part):
        return None
    if file.get("file_url"):
        return make_note("remote_file")
    return make_note("no_text", name=Document(name).shown)


def part_entry(part: Any) -> dict[str, str] | None:
    """A part that names one of the host's files, as the host itself lists files."""
    if not isinstance(part, dict) or part.get("type") not in ("file", "input_file"):
        return None
    file = part["file"] if isinstance(part.get("file"), dict) else part
    file_id = as_str(file.get("file_id"))[:MAX_ADDRESS_CHARACTERS]
    return {"type": "file", "id": file_id} if file_id else None


# ── Frames ────────────────────────────────────────────────────────────────────────────
# What the host writes around and beside people's words, and how it is taken off.

# The blocks that hosts store in answers, by how each begins, and the tag that ends it.
# Hosts of 0.8.12 and later write the last three when they hand an answer back
# (open_webui/utils/middleware.py, utils/misc.py).
_ANSWER_BLOCKS: tuple[tuple[str, str], ...] = (
    ('<details type="reasoning" done="', "details"),
    ('<details type="tool_calls" done="', "details"),
    ('<details type="code_interpreter" done="', "details"),
    ("<think>", "think"),
    ("<code_interpreter>\n", "code_interpreter"),
    ("<code_interpreter_output>\n", "code_interpreter_output"),
)


class Frame(NamedTuple):
    """How what the host writes around or beside words begins and ends, and its place:
    "before" or "behind" the words of a user's message, or in the "system" message."""

    place: str
    head: str
    tail: str


_PYODIDE = (
    "\n\n##### Pyodide Environment\n\n- This Python environment runs via Pyodide in the "
    "browser.",
    "- Use `import os; os.listdir('/mnt/uploads')` to discover available files.",
)
# What the supported hosts write beside documents, which come below; where, if not in
# open_webui/utils/middleware.py; and since when.
#
# Taken off are instructions for tools that no image model is given, for speaking aloud
# and for announcing a picture, and listings without a text. What is meant for whatever
# model answers stays: the memory of a user ("User Context:", <memory_context>), a skill
# that was chosen (<skill name=…>), the summary of a long chat. So does what has no
# certain end, as the instructions of tool servers have none.
_HOST_FRAMES: tuple[Frame, ...] = (
    # The files of a message, in its turn and in every later one: a prefix, or the first
    # text part. 0.8.12 and later.
    Frame("before", '<attached_files>\n<file type="', '"/>\n</attached_files>\n\n'),
    # What the code interpreter runs in, behind its instructions. Where models call
    # functions natively it stands alone: in 0.8.12 behind the words, later in the
    # system message. 0.8.12 and later (config.py).
    Frame("behind", *_PYODIDE),
    Frame("system", *_PYODIDE),
    # The code interpreter: 0.8.12 and later, and before (config.py).
    Frame(
        "behind",
        "\n#### Code Interpreter\n\nYou have access to a Python code interpreter via: "
        "`<code_interpreter ",
        "\n\nEnsure the code interpreter is effectively utilized to achieve the "
        "highest-quality analysis for the user.",
    ),
    Frame(
        "behind",
        "\n#### Tools Available\n\n1. **Code Interpreter**: `<code_interpreter ",
        "\n\nEnsure that the tools are effectively utilized to achieve the "
        "highest-quality analysis for the user.",
    ),
    # Voice mode: 0.6.43 to 0.11.4, and 0.12.4 (config.py).
    Frame(
        "system",
        "You are a friendly, concise voice assistant.\n\nEverything you say will be "
        "spoken aloud.\n",
        "\n\nStay consistent, helpful, and easy to listen to.",
    ),
    Frame(
        "system",
        "You are a friendly, concise voice assistant participating in a live voice call "
        "with the user.\n\nEverything you say will be spoken aloud.\n",
        "\n\nStay consistent, helpful, and easy to listen to.",
    ),
    # The image toggle, when the host has tried to draw before the model is asked: two
    # of 0.6.5, three of 0.6.43 and later, one of 0.11.4 and later.
    Frame(
        "system",
        "<context>User is shown the generated image, tell the user that ",
        "</context>",
    ),
    Frame(
        "system",
        "<context>Unable to generate an image, tell the user that ",
        "</context>",
    ),
    Frame(
        "system",
        "<context>The requested image has been edited and created and is now ",
        "</context>",
    ),
    Frame(
        "system",
        "<context>The requested image has been created by the system successfully and ",
        "</context>",
    ),
    Frame("system", "<context>Image generation was attempted but failed", "</context>"),
    Frame(
        "system",
        "<context>Image generation was requested but the feature is currently disabled ",
        "</context>",
    ),
    # The names of a model's knowledge: 0.11.4 and later. Of its skills: 0.8.12 and later.
    Frame(
        "system", '<attached_knowledge>\n<knowledge type="', "/>\n</attached_knowledge>"
    ),
    Frame("system", "<available_skills>\n<skill>\n", "</skill>\n</available_skills>"),
    # Of tools: 0.12.4 (utils/tool_search.py).
    Frame(
        "system",
        "<available_tools>\nThe following tools are available but their definitions ",
        "</available_tools>",
    ),
)
# The default template for documents and web search (config.py, DEFAULT_RAG_TEMPLATE):
# before the words of a user's message, in each of its text parts; in a system message
# where RAG_SYSTEM_CONTEXT is set, and always in 0.6.5, which repeats the words there.
_DOCUMENTS = Frame(
    "before",
    "### Task:\nRespond to the user query using the provided context, incorporating "
    "inline citations in the format [id] **only when the <source> tag includes an "
    "explicit id attribute**",
    "</source>\n</context>",
)
_DOCUMENTS_IN_SYSTEM = Frame("system", _DOCUMENTS.head, "\n</user_query>")
_SOURCE_HEAD, _SOURCE_TAIL = '<source id="', "</source>"  # around each document
_MAX_FRAME_CHARACTERS = 200  # of its ends, by which it is known
_MIN_FRAME_CHARACTERS = 6  # fewer may well stand in anybody's words
# The memory of a user whose memory is empty (0.6.43 to 0.9.6).
_EMPTY_MEMORY = "User Context:"
# What a tool of the host found out (0.6.5 and later, where models do not call functions
# natively), behind the words.
_TOOL_RESULT = re.compile(r"\n\nTool `[^`\n]{1,200}` Output: ")


def documents_frame(template: str) -> Frame:
    """The frame that a template for documents makes: its fixed text before and behind
    what it is filled with. The default's where the template names no place for that.

    Documents come as <source id=…>…</source>, so even a template without any fixed
    text makes a frame.
    """
    template = template.replace("[context]", "{{CONTEXT}}").replace("[query]", "{{}}")
    before, found, behind = template.partition("{{CONTEXT}}")
    if not found:
        return _DOCUMENTS
    head, filled, _ = before.lstrip().partition("{{")
    head = head.rstrip() if filled else head + _SOURCE_HEAD
    head = head[:_MAX_FRAME_CHARACTERS]
    if len(head) < _MIN_FRAME_CHARACTERS:
        head = _SOURCE_HEAD
    first, filled, _ = behind.partition("{{")
    tail = behind.rpartition("}}")[2].strip() if filled else ""
    if len(tail) < _MIN_FRAME_CHARACTERS:
        tail = (_SOURCE_TAIL + first).rstrip()
    return Frame("before", head, tail[-_MAX_FRAME_CHARACTERS:])


@dataclass(frozen=True)
class Wrapping:
    """What the host may have written around the users' words.

    documents: the frame of those before the words. frames: all others. unwrapped: the
    first text of the newest message as it was before documents were put in front of
    it, where the host tells (metadata "base_user_prompt", "user_prompt"). Its filters
    may have changed the message since then, so it only helps to find the frame's end.
    """

    documents: Frame | None = None
    frames: tuple[Frame, ...] = _HOST_FRAMES
    unwrapped: str = ""


def host_wrapping(
    documents: str = "", code: str = "", voice: str = "", unwrapped: str = ""
) -> Wrapping:
    """The wrapping of a host with these templates: for documents, for the code
    interpreter and for voice mode; empty where it has its own defaults."""
    fixed = (("behind", code.strip()), ("system", voice.strip()))
    own = tuple(Frame(place, text, text) for place, text in fixed if text)
    frame = documents_frame(documents) if documents.strip() else None
    return Wrapping(frame, _HOST_FRAMES + own, unwrapped)


class Said(NamedTuple):
    """What a message says, and what the host wrote beside it: what its tools found out,
    and its whole frame of documents."""

    words: str
    results: str = ""
    documents: str = ""


def take_apart(text: str, role: str, wrapping: Wrapping) -> Said:
    """What a message of that role says, without what the host wrote into it.

    What looks like the host's in any other place or form is somebody's own words.
    """
    if role == "assistant":
        return Said(_without_blocks(text))
    if role != "user":
        text, documents = _without_documents(text, wrapping, _DOCUMENTS_IN_SYSTEM)
        text = _without_frames(text, wrapping.frames, "system")
        return Said(_without_empty_memory(text), documents=documents)
    text, documents = _without_documents(text, wrapping)
    text = _without_frames(text, wrapping.frames, "before")
    found = _TOOL_RESULT.search(text)
    at = found.start() if found else len(text)
    said = _without_endings(text[:at], wrapping.frames)
    words = said if said == text else _of_written_parts(said)
    return Said(words, text[at:], documents)


def _of_written_parts(text: str) -> str:
    """A message of several parts as one text; 0.6.5 writes a list of them down as
    Python does when it puts something behind it."""
    if not text.startswith("[{'type': 'text', 'text': "):
        return text
    try:
        # A token's sign must not stand in what Python reads. Python would have written
        # the one in its place in another way.
        parts = ast.literal_eval(cut_middle(text).replace("\0", "\1"))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    return "\n".join(map(_written_part, as_list(parts)))


def _written_part(part: Any) -> str:
    for url in image_url(part):
        token = re.fullmatch("\1([0-9]{1,6})\1", url)
        return f"\0{token[1]}\0" if token else f"![]({url})"
    return as_str(get_field(part, "text")).replace("\1", " ")


def image_url(part: Any) -> list[str]:
    """The address of the picture that a part is, in any of the forms in use."""
    if not isinstance(part, dict):
        return []
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if url is None and part.get("type") == "input_image":
        url = part.get("file_id")
    file = part_document(part)
    if isinstance(file, Document) and file.is_picture:
        url = file.address
    return [url.strip()] if isinstance(url, str) and url.strip() else []


def _without_documents(text: str, wrapping: Wrapping, *more: Frame) -> tuple[str, str]:
    """The text without the documents that the host put into it, and these; whatever its
    filters wrote before them stays."""
    frames = (wrapping.documents, *more, _DOCUMENTS)
    for frame in filter(None, frames):
        if span := _documents_span(text, frame, wrapping.unwrapped):
            start, end = span
            behind = text[end:].removeprefix("\n").removeprefix("\n")
            return text[:start] + behind, text[start:end]
    return text, ""


def _documents_span(text: str, frame: Frame, unwrapped: str) -> tuple[int, int] | None:
    """Where the host's frame of documents begins and ends, if it is there.

    Documents and words may both hold what looks like the frame's end. Where the text
    ends with the words as the host had them, directly behind a frame's end, these are
    the user's. Else the last such end counts: rather lose words of a user who writes
    the host's own end than take those of a document for a prompt, or for flags. Where
    the text is nothing but the words as the host had them, somebody quotes a frame.
    """
    start = text.find(frame.head)
    if start < 0 or text.strip() == unwrapped.strip():
        return None
    words = len(text) - len(unwrapped)
    is_end = unwrapped.strip() and text.endswith(unwrapped)
    if is_end and text[start:words].rstrip().endswith(frame.tail):
        return start, words
    end = text.rfind(frame.tail, start + len(frame.head))
    return (start, end + len(frame.tail)) if end >= 0 else None


def _without_frames(text: str, frames: Iterable[Frame], place: str) -> str:
    """The text without the host's frames of that place, each of which is there once.

    The host joins what it writes to other texts with one line break.
    """
    for frame in frames:
        start = text.find(frame.head) if frame.place == place else -1
        end = text.find(frame.tail, start) if start >= 0 else -1
        if end >= 0 and (place == "before" or _begins_a_line(text, start)):
            before, behind = text[:start], text[end + len(frame.tail) :]
            before = before if behind else before.removesuffix("\n")
            text = before + (behind.removeprefix("\n") if place == "system" else behind)
    return text


def _begins_a_line(text: str, start: int) -> bool:
    # The line break before it, or its own first sign.
    return start == 0 or "\n" in text[start - 1 : start + 1]


def _without_endings(text: str, frames: Iterable[Frame]) -> str:
    """The text without what the host wrote behind it: the frames' order is theirs from
    the end on."""
    for frame in frames:
        if frame.place != "behind" or not text.rstrip().endswith(frame.tail):
            continue
        start = text.rfind(frame.head)
        if start >= 0 and _begins_a_line(text, start):
            text = text[:start].removesuffix("\n")
    return text


def _without_empty_memory(text: str) -> str:
    """The text without such a memory as its last line."""
    before = text.rstrip().removesuffix(_EMPTY_MEMORY)
    is_there = text.startswith(_EMPTY_MEMORY, len(before))
    return before.removesuffix("\n") if is_there and before[-1:] in ("", "\n") else text


def _without_blocks(text: str) -> str:
    """An answer without the host's blocks and what stands in them."""
    tags = dict.fromkeys(tag for _, tag in _ANSWER_BLOCKS)
    beginnings = tuple(beginning for beginning, _ in _ANSWER_BLOCKS)
    spans = sorted(span for tag in tags for span in _blocks(text, tag))
    kept, at = [], 0
    for start, end in spans:
        if start >= at and text.startswith(beginnings, start):
            kept.append(text[at:start])
            at = end
    return "".join(kept) + text[at:]


def _blocks(text: str, tag: str) -> Iterator[tuple[int, int]]:
    """Where the first MAX_BLOCKS blocks of a tag begin and end."""
    opened: list[int] = []
    opening, closing = _find_tag(text, f"<{tag}", 0), _find_tag(text, f"</{tag}", 0)
    for _ in range(2 * MAX_BLOCKS):
        if closing < 0:
            return
        if 0 <= opening < closing:
            opened.append(opening)
            opening = _find_tag(text, f"<{tag}", opening + 1)
            continue
        if opened:
            end = text.find(">", closing, closing + MAX_TAG_CHARACTERS)
            yield opened.pop(), end + 1 or len(text)
        closing = _find_tag(text, f"</{tag}", closing + 1)


def _find_tag(text: str, beginning: str, start: int) -> int:
    """Where a tag stands, not another one whose name only begins so; or -1."""
    for _ in range(MAX_BLOCKS):
        start = text.find(beginning, start)
        end = start + len(beginning)
        if start < 0 or not (
            text[end : end + 1].isalnum() or text[end : end + 1] == "_"
        ):
            return start
        start = end
    return -1


# ── Conversation ──────────────────────────────────────────────────────────────────────
# From the host's chat messages to what the model is sent.

_OWN_LINES = re.compile(
    rf"^(?:[^\n>]{{1,100}}: )?(?:{NOTE_MARK}|{FAILURE_MARK}).*$\n?", re.MULTILINE
)
# Several pictures side by side, as an answer shows them.
_PICTURE_TABLE = re.compile(
    r"^\|(?: +\|)+\n\|(?:-+\|)+"
    r"(?:\n\|(?: !\[[^\[\]\n]*\]\([^()\s]*\) \|)+(?:  \|)?)*$",
    re.M,
)


@dataclass(frozen=True)
class Turn:
    """One side's words and pictures; a picture is an address: data URI, link or id.

    flags: those at the end of a user's words, as `split_flags` returns them. is_cut:
    whether the words were more than a message may hold. documents: files that are parts
    of it; framed: what the host put around its words; notes: on parts that cannot go
    along.
    """

    role: str  # "user" or "model"
    text: str
    pictures: tuple[str, ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    is_cut: bool = False
    documents: tuple[Document, ...] = ()
    framed: tuple[Document, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Conversation:
    """What was said so far, and what the user says now.

    history: the turns before the newest message; they alternate and begin with the
    user's. newest: that message, or None when it is empty. earlier: the addresses of
    all pictures before it, oldest first, those that only system messages name (as they
    do in channels) among them. before: the turns before it as they came, whose words
    history joins and cuts. documents: what goes along with all this, each once. notes:
    on what of the newest message cannot. unfinished: the text of the answer that is to go on
    ("Continue Response"), to which the host adds what it is given.
    """

    system: str = ""
    history: tuple[Turn, ...] = ()
    newest: Turn | None = None
    earlier: tuple[str, ...] = ()
    before: tuple[Turn, ...] = ()
    unfinished: str = ""
    documents: tuple[Document, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def prompt(self) -> str:
        """The user's newest words."""
        return self.newest.text if self.newest else ""

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """The flags behind the user's newest words."""
        return self.newest.flags if self.newest else ()

    @property
    def attached(self) -> tuple[str, ...]:
        """The addresses of the pictures in the user's newest message."""
        return self.newest.pictures if self.newest else ()

    # Each note on a picture asks for both, and there may be a thousand pictures.
    @cached_property
    def counted(self) -> tuple[str, ...]:
        """Those of them that people count: not a website's that the words mention."""
        mentioned = {*picture_addresses(self.prompt, ())}
        return tuple(a for a in self.attached if a not in mentioned or _may_be_read(a))

    @cached_property
    def numbers(self) -> dict[str, tuple[int, ...]]:
        """The places of each address among those that are counted, from 1."""
        places: dict[str, tuple[int, ...]] = {}
        for number, address in enumerate(self.counted, 1):
            places[address] = (*places.get(address, ()), number)
        return places


def read_conversation(
    messages: Any,
    files: Any = None,
    speaker: str = "",
    addressed: str = "",
    wrapping: Wrapping = Wrapping(),
    documents: Sequence[Document] = (),
) -> Conversation:
    """The conversation in the host's messages, whatever their shape.

    files: what is attached to the newest message, as the host lists it.
    speaker, addressed: in channels the names of the user and of the model, which stand
    before the user's words. wrapping: what the host may have written around these.
    documents: those of the chat as they were read; a long paste among them is the
    user's words.
    """
    quoted, system, told = _system_messages(messages, wrapping)
    turns = read_turns(messages, wrapping)
    while turns and turns[-1].role == "model":
        turns.pop()
    if not turns:
        return Conversation(system)
    last = turns.pop()
    pictures = _with_files(last.pictures, files)
    text = _without_names(last.text, speaker, addressed)
    newest = replace(last, text=text, pictures=pictures)
    newest = replace(newest, documents=(), framed=(), notes=())
    earlier_own = [replace(d, is_newest=False) for t in turns for d in t.documents]
    read = [*documents, *last.documents, *earlier_own]
    given = joined_documents(read, [*told, *last.framed])
    documents, unread = with_words(given)
    notes = (*last.notes, *unread, *unread_flags(text))
    newest, documents = _with_pastes(newest, documents)
    if not newest.text and not newest.pictures and not documents:
        return Conversation(system, notes=notes)
    # Elsewhere a system message may well show a logo that nobody wants changed.
    quoted = quoted if speaker else ()
    earlier = quoted + tuple(p for turn in turns for p in turn.pictures)
    room = MAX_HISTORY_CHARACTERS - len(newest.text)
    history = _bounded(alternating(_without_questions(turns)), room)
    unfinished = _unfinished_text(messages)
    return Conversation(
        *(system, tuple(history), newest, earlier, tuple(turns), unfinished),
        *(tuple(documents), notes),
    )


def _without_questions(turns: Iterable[Turn]) -> Iterator[Turn]:
    """The turns without questions for help or costs and the answers, which no model
    reads."""
    is_question = False
    for turn in turns:
        if turn.role == "user":
            is_question = asks_the_plugin(turn.text)
        if not is_question:
            yield turn


def _with_pastes(
    newest: Turn, documents: Iterable[Document]
) -> tuple[Turn, list[Document]]:
    """The message with the long texts that were pasted as part of it behind its words,
    and the other documents; those that were pasted earlier are without their flags,
    as earlier messages are."""
    others = []
    for document in documents:
        if not (document.is_paste and document.text):
            others.append(document)
            continue
        if not document.is_newest:
            others.append(replace(document, text=split_flags(document.text)[0]))
            continue
        words, flags = split_flags(cut_middle(document.text))
        words = joined_words(newest.text, words)
        is_cut = len(document.text) + len(newest.text) > MAX_MESSAGE_CHARACTERS
        newest = replace(
            newest,
            text=cut_middle(words),
            flags=flags + newest.flags,
            is_cut=newest.is_cut or is_cut,
        )
    return newest, others


def _unfinished_text(messages: Any) -> str:
    """The text of the last message, if it is the model's."""
    last = list(_messages_of(as_list(messages)[-1:], "assistant"))
    parts = as_list(last[0]["content"]) or last[:1] if last else []
    texts = (
        as_str(get_field(part, "text") or get_field(part, "content")) for part in parts
    )
    return "\n".join(texts)[:MAX_PATTERN_CHARACTERS]


def _without_names(text: str, speaker: str, addressed: str) -> str:
    """The words behind "Name: @model ", as a channel writes its turns."""
    if not speaker or not text.startswith(f"{speaker}:"):
        return text
    text = text.removeprefix(f"{speaker}:").strip()
    if addressed and addressed in text:
        before, _, behind = text.partition(addressed)
        return f"{before.removesuffix('@').rstrip()} {behind.lstrip()}".strip()
    return re.sub(r"^<?@\S+\s*", "", text)


def _with_files(pictures: tuple[str, ...], files: Any) -> tuple[str, ...]:
    """A message's pictures, and those that only its files name, in the files' order.

    Where the host has inlined the message's pictures, these are the last of them. Where
    it inlines no drawings, these are added, each in its place: people count from it on.
    """
    found = list(picture_files(files))
    if not pictures:
        return tuple(address for address, _ in found)
    if any(map(_is_inlined_drawing, pictures)):
        return pictures
    shown, known = list(pictures), {*pictures}
    at = max(len(shown) - sum(not is_drawing for _, is_drawing in found), 0)
    for address, is_drawing in found:
        if is_drawing and address not in known:
            shown.insert(at, address)
        at += 1
    return tuple(shown)


def _is_inlined_drawing(address: str) -> bool:
    return address[:14].lower() == "data:image/svg"


def picture_files(files: Any) -> Iterator[tuple[str, bool]]:
    """The pictures among the host's file entries, by link or id, and whether each is a
    drawing (SVG). Only hosts from 0.6.43 to 0.10.2 put the bytes of drawings into the
    message (utils/middleware.py, convert_url_images_to_base64)."""
    for entry in as_list(files)[:MAX_PARTS]:
        if not isinstance(entry, dict):
            continue
        kinds = (str(entry.get("type")), _file_type(entry))
        if any(kind.startswith("image") for kind in kinds):
            address = entry.get("url") or entry.get("id")
            if isinstance(address, str) and address:
                yield address, any(kind.startswith("image/svg") for kind in kinds)


def _file_type(entry: dict[str, Any]) -> str:
    """An entry's type, told by its name where nobody knew it at the upload."""
    noted = (entry, get_field(entry.get("file"), "meta"))
    types = (as_str(get_field(place, "content_type")) for place in noted)
    name = as_str(entry.get("name"))[-8:].lower()
    by_name = "image" if name.endswith(PICTURE_ENDINGS) else ""
    return next(filter(None, types), by_name)


def read_turns(messages: Any, wrapping: Wrapping = Wrapping()) -> list[Turn]:
    """The user's and the model's messages as they stand, cleaned; some may be empty.

    Only so many of the newest are read as patterns may look at.
    """
    said = list(_messages_of(messages, "user", "assistant"))[-MAX_MESSAGES:]
    room = MAX_PATTERN_CHARACTERS
    turns: list[Turn] = []
    for message in reversed(said):
        if room <= 0:
            break
        content = _read_content(message, wrapping)
        files = as_list(message.get("files"))[:MAX_PARTS]
        room -= content.characters + 100 * (1 + len(content.pictures) + len(files))
        turns.append(_turn_of(message, content))
    return turns[::-1]


def _turn_of(message: dict[str, Any], content: "_Content") -> Turn:
    pictures = _with_files(content.pictures, message.get("files"))
    if message["role"] != "user":
        return Turn("model", content.text, pictures)
    text, flags = split_flags(content.text)
    text = joined_words(text if can_be_seen(text) else "", content.results)
    files = content.files
    return Turn(
        *("user", text, pictures, flags, content.is_cut),
        documents=tuple(file for file in files if isinstance(file, Document)),
        framed=content.framed,
        notes=tuple(dict.fromkeys(file for file in files if isinstance(file, Note))),
    )


def _system_messages(
    messages: Any, wrapping: Wrapping
) -> tuple[tuple[str, ...], str, list[Document]]:
    """The pictures that system messages name, all their texts as one, and the documents
    that the host put there."""
    room = MAX_PATTERN_CHARACTERS
    contents: list[_Content] = []
    for message in itertools.islice(_messages_of(messages, "system", "developer"), 32):
        if room <= 0:
            break
        contents.append(_read_content(message, wrapping))
        room -= contents[-1].characters
    pictures = tuple(p for content in contents for p in content.pictures)
    texts = dict.fromkeys(content.text for content in contents if content.text)
    framed = [document for content in contents for document in content.framed]
    return pictures, cut_middle("\n\n".join(texts)), framed


def _messages_of(messages: Any, *roles: str) -> Iterator[dict[str, Any]]:
    for message in as_list(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role in roles and "content" in message:
            yield message


def alternating(turns: Iterable[Turn]) -> list[Turn]:
    """Without empty turns and a leading model turn; neighbours of one role joined."""
    joined: list[Turn] = []
    for turn in turns:
        if not turn.text and not turn.pictures:
            continue
        if joined and joined[-1].role == turn.role:
            before = joined.pop()
            text = joined_words(before.text, turn.text)
            turn = Turn(turn.role, text, before.pictures + turn.pictures)
        if joined or turn.role == "user":
            joined.append(turn)
    return joined


def joined_words(*texts: str) -> str:
    """The texts that say something, as paragraphs of one."""
    return "\n\n".join(filter(None, texts))


def _bounded(turns: list[Turn], room: int) -> list[Turn]:
    """The newest turns, as many as the room in characters takes."""
    kept = len(turns)
    for turn in reversed(turns):
        room -= len(turn.text)
        if room < 0:
            break
        kept -= 1
    while kept < len(turns) and turns[kept].role == "model":
        kept += 1
    return turns[kept:]


class _Content(NamedTuple):
    """What a message holds: its words, and the addresses of its pictures in order.

    results: what the host's tools found out. framed: the documents that it put around
    the words. files: parts that are no words and no pictures. characters: how many
    patterns have looked at. is_cut: whether there were more.
    """

    text: str
    pictures: tuple[str, ...]
    results: str
    framed: tuple[Document, ...]
    files: tuple[Document | Note, ...]
    characters: int
    is_cut: bool


def _read_content(message: dict[str, Any], wrapping: Wrapping) -> _Content:
    """A message's words, those of all its parts, without what the host, this plugin or
    a picture put into them; its pictures, and what else is given with it."""
    texts: list[str] = []
    pictures: list[str] = []
    # What the host wrote beside the words stands in every text part.
    results, frames = dict[str, None](), dict[str, None]()
    seen = 0
    content = message["content"]
    parts = content if isinstance(content, list) else [content]
    is_cut = len(parts) > MAX_PARTS
    for part in parts[:MAX_PARTS]:
        text = part.get("text") if isinstance(part, dict) else part
        room = 2 * MAX_MESSAGE_CHARACTERS - seen
        is_cut = is_cut or room <= 0
        if isinstance(text, str) and text and room > 0:
            short, data_uris = cut_data_uris(text)
            # The host's frames stand at its ends; what it is cut in is words, too many
            # to be kept, or documents, of which few are.
            short = cut_middle(
                short, MAX_WRAPPED_CHARACTERS, MAX_WRAPPED_CHARACTERS // 2
            )
            said = take_apart(short, message["role"], wrapping)
            kept = cut_middle(said.words)[:room]
            is_cut = is_cut or len(kept) < len(said.words)
            seen += len(kept) + len(text) // 100  # cutting pictures out takes time, too
            pictures += picture_addresses(kept, data_uris)
            texts.append(_own_words(kept))
            results[cut_middle(without_pictures(said.results)).strip()] = None
            frames[said.documents] = None
        pictures += image_url(part)
    words = "\n".join(text for text in texts if text.strip()).strip()
    is_cut = is_cut or len(words) > MAX_MESSAGE_CHARACTERS
    framed = tuple(d for frame in frames for d in framed_documents(frame))
    files = _files_of(parts[:MAX_PARTS])
    result = joined_words(*results)
    seen += sum(len(document.text) for document in framed)
    given = (tuple(pictures), result, framed, files, seen, is_cut)
    return _Content(cut_middle(words), *given)


def _files_of(parts: Iterable[Any]) -> tuple[Document | Note, ...]:
    found = (part_document(part) for part in parts)
    return tuple(
        file
        for file in found
        if isinstance(file, Note) or (file is not None and not file.is_picture)
    )


def part_files(messages: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The host's files that parts of the newest message name, and those of earlier
    ones, as the host itself lists files."""
    said = list(_messages_of(messages, "user"))[-MAX_MESSAGES:]
    named = [
        [entry for p in as_list(m["content"])[:MAX_PARTS] if (entry := part_entry(p))]
        for m in said
    ]
    earlier = [entry for entries in named[:-1] for entry in entries]
    return (named[-1] if named else []), earlier


def _may_be_read(address: str) -> bool:
    """Whether an address can be one of this host's; others are never fetched."""
    if is_data_uri(address):
        return True
    is_short = len(address) <= MAX_ADDRESS_CHARACTERS
    return is_short and bool(FILE_ID.fullmatch(address) or FILE_LINK.fullmatch(address))


def pick_pictures(
    conversation: Conversation,
    history_images: int,
    max_images: int,
    lost: Collection[str] = (),
) -> tuple[list[str], list[Note]]:
    """The addresses of the pictures to send, in the chat's order, and notes for the
    user on what is left out.

    The newest message's own go first, then earlier ones, newest first, as many as
    `history_images` and the model's limit allow; each picture once. lost: those that
    were looked for in vain; like those from elsewhere they take no other's place.
    """
    notes = []
    attached = list(dict.fromkeys(conversation.attached))
    if len(attached) > max_images:
        notes.append(make_note("attached_cut", limit=max_images, count=len(attached)))
        attached = attached[:max_images]
    newest_first = dict.fromkeys(conversation.earlier[::-1])
    others = [p for p in newest_first if p not in attached and p not in lost]
    earlier = [p for p in others if _may_be_read(p)]
    if len(earlier) < len(others) and history_images > 0:
        notes.append(make_note("remote", name=make_note("a_picture")))
    room = max(min(history_images, max_images - len(attached)), 0)
    if len(earlier) > room and history_images > 0:
        kind = "earlier_cut" if room else "earlier_none"
        notes.append(make_note(kind, limit=room, count=len(earlier)))
    return earlier[:room][::-1] + attached, notes


def _own_words(text: str) -> str:
    """A text without this plugin's sentences, and without pictures."""
    text = _OWN_LINES.sub("", without_surrogates(text))
    return without_pictures(_PICTURE_TABLE.sub("", text))


# ── Saved ─────────────────────────────────────────────────────────────────────────────
# What the page shows of a chat and the host leaves out of its requests: the pictures
# that stand in a message's "files" alone, such as those of the host's own image tool.


def saved_turns(chat: Any, metadata: dict[str, Any]) -> list[Turn]:
    """The turns before the newest message in the branch that is answered, oldest first,
    without words: only what pictures their files are.

    chat: as the host keeps it, whatever its shape. metadata: the request's, which names
    the newest message or the answer to it. No more than MAX_PARTS pictures are looked
    for, the newest.
    """
    turns: list[Turn] = []
    room = MAX_PARTS
    for message in _messages_before(chat, metadata):
        role = "user" if message.get("role") == "user" else "model"
        files = as_list(message.get("files"))[:room]
        # A drawing cannot go along, and was told of when it was attached.
        shown = tuple(a for a, is_drawing in picture_files(files) if not is_drawing)
        turns.append(Turn(role, "", shown))
        room -= len(files)
        if room <= 0:
            break
    return turns[::-1]


def saved_file_ids(chat: Any, metadata: dict[str, Any]) -> set[str]:
    """The ids of the files of the saved turns before the newest message."""
    before = _messages_before(chat, metadata)
    files = (file for message in before for file in as_list(message.get("files")))
    return {as_str(get_field(file, "id")) for file in files} - {""}


def _messages_before(chat: Any, metadata: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The saved messages before the newest one, newest first."""
    history = get_field(chat, "history")
    messages = get_field(history, "messages")
    if isinstance(messages, dict):
        yield from _upwards(messages, _last_before(history, messages, metadata))


def _last_before(
    history: dict[str, Any], messages: dict[str, Any], metadata: dict[str, Any]
) -> Any:
    """The id of the message that the newest one follows."""
    again = metadata.get("regeneration_message_id")
    if _message(messages, again):
        return again  # the newest is a wish for another answer, which is not saved
    answer = _message(messages, metadata.get("message_id"))
    # Hosts since 0.9 name the newest message, before them since 0.6.43 its answer's
    # parent; on all it is the parent of the answer, which is saved beforehand.
    names = ("user_message_id", "parent_message_id")
    for asked in (*map(metadata.get, names), answer.get("parentId")):
        if newest := _message(messages, asked):
            return newest.get("parentId")
    # API clients may say no more than which chat it is.
    current = _message(messages, history.get("currentId"))
    is_newest = current.get("role") == "user"
    return current.get("parentId") if is_newest else history.get("currentId")


def _message(messages: dict[str, Any], message_id: Any) -> dict[str, Any]:
    """The message of that id; an empty one where there is none."""
    message = messages.get(message_id) if isinstance(message_id, str) else None
    return message if isinstance(message, dict) else {}


def _upwards(messages: dict[str, Any], start: Any) -> Iterator[dict[str, Any]]:
    """The message and those that it follows, newest first, each once."""
    seen: set[str] = set()
    while len(seen) < MAX_MESSAGES and (message := _message(messages, start)):
        if start in seen:
            return
        seen.add(start)
        yield message
        start = message.get("parentId")


class _Round(NamedTuple):
    """The pictures of a user's message, and those of what was answered to it."""

    asked: tuple[str, ...]
    answered: tuple[str, ...]


def _rounds(turns: Iterable[Turn]) -> list[_Round]:
    rounds: list[_Round] = []
    for turn in turns:
        if turn.role == "user":
            rounds.append(_Round(turn.pictures, ()))
        elif rounds:
            asked, answered = rounds.pop()
            rounds.append(_Round(asked, answered + turn.pictures))
        else:
            rounds.append(_Round((), turn.pictures))
    return rounds


def with_saved_pictures(
    conversation: Conversation, saved: Sequence[Turn]
) -> Conversation:
    """The conversation with the pictures of its saved turns among the earlier ones, in
    the page's order: there a message's files stand above its words.

    The user's turns are paired from the newest on. Answers between them may be left
    out, since newer hosts do not send those without words. What filters have taken
    away has no partner and counts as older.
    """
    if not any(turn.pictures for turn in saved):
        return conversation
    sent, kept = _rounds(conversation.before), _rounds(saved)
    pairs = min(len(sent), len(kept))
    alone = [*kept[: len(kept) - pairs], *sent[: len(sent) - pairs]]
    shown = [picture for one in alone for picture in (*one.asked, *one.answered)]
    newest = zip(sent[len(sent) - pairs :], kept[len(kept) - pairs :], strict=True)
    for sent_round, kept_round in newest:
        # What the host has put into the message is the bytes of the same files.
        if not any(map(is_data_uri, sent_round.asked)):
            shown += kept_round.asked
        shown += [*sent_round.asked, *kept_round.answered, *sent_round.answered]
    newest_first: dict[str, str] = {}
    for address in reversed(shown):
        newest_first.setdefault(_file_of(address), address)
    return replace(conversation, earlier=tuple(newest_first.values())[::-1])


def _file_of(address: str) -> str:
    """What tells whether two addresses are of one file: its id, or the address."""
    is_short = len(address) <= MAX_ADDRESS_CHARACTERS
    found = FILE_LINK.fullmatch(address) if is_short else None
    return found[2] if found and not found[1] else address


# ── Tasks ─────────────────────────────────────────────────────────────────────────────
# Answers to the host's background tasks, which need no model at all.

# How the default prompts of the supported hosts begin (open_webui/config.py,
# utils/context_compaction.py, utils/memory.py). A second
# Open WebUI that uses the first as a provider sends its tasks without their names, and
# each would be billed as a picture.
_TASK_BEGINNINGS: tuple[tuple[str, str], ...] = (
    (
        "### Task:\nGenerate a concise title summarizing the chat history.",
        "title_generation",
    ),
    (
        "### Task:\nGenerate a concise, 3-5 word title with an emoji summarizing the "
        "chat history.",
        "title_generation",
    ),
    (
        "### Task:\nGenerate 1-3 broad tags categorizing the main themes of the chat "
        "history,",
        "tags_generation",
    ),
    (
        "### Task:\nSuggest 3-5 relevant follow-up questions or prompts that the user "
        "might naturally ask next",
        "follow_up_generation",
    ),
    (
        "### Task:\nPredict 3-5 useful messages this user might naturally send next",
        "follow_up_generation",
    ),
    (
        "### Task:\nAnalyze the chat history to determine the necessity of generating "
        "search queries,",
        "query_generation",
    ),
    (
        "### Task:\nGenerate a detailed prompt for am image generation task based on "
        "the given language and context.",
        "image_prompt_generation",
    ),
    (
        "### Task:\nYou are an autocompletion system. Continue the text in `<text>`",
        "autocomplete_generation",
    ),
    (
        "Your task is to reflect the speaker's likely facial expression through a "
        "fitting emoji.",
        "emoji_generation",
    ),
    (
        "You have been provided with a set of responses from various models to the "
        'latest user query: "',
        "moa_response_generation",
    ),
    (
        "### Task:\nSummarize the conversation history that will be compacted out of the "
        "active chat context.",
        "context_compaction",
    ),
    (
        "Review the completed conversation turn and decide whether long-term memory "
        "should change.",
        "memory_review",
    ),
)

# The one task whose prompt is a system message, with the tools in its middle; a model's
# own system prompt stands above it.
_TOOLS_BEGINNING = "\nAvailable Tools: "
_TOOLS_TASK = (
    "\n\nYour task is to choose and return the correct tool(s) from the list of available "
    "tools based on the query."
)


def unnamed_task(conversation: Conversation) -> str | None:
    """The name of the task whose default prompt begins as the newest words do, if one
    does: a key that `reply_to_task` takes. For requests of programs alone: a host names
    its own tasks, so that what people write on its page is never one."""
    prompt, system = conversation.prompt, conversation.system
    if _TOOLS_TASK in f"\n{system}".partition(_TOOLS_BEGINNING)[2]:
        return "function_calling"
    return next(
        (task for words, task in _TASK_BEGINNINGS if prompt.startswith(words)), None
    )


def reply_to_task(
    task: str, task_body: Any, messages: Any, reader: Reader = ENGLISH
) -> str:
    """The answer to a background task, in the form that the host parses; costs nothing.

    task: the host's name for it. task_body: what the host made the task's prompt of,
    or anything else where an old host sends nothing. messages: the request's, with the
    finished prompt. reader: who reads the chat's tags. An unknown task is answered with
    nothing.
    """
    if task == "tags_generation":
        tag = sentence(make_note("tag"), reader)
        return json.dumps({"tags": [tag]}, ensure_ascii=False)
    reply = _TASK_REPLIES.get(task, "")
    if isinstance(reply, str):
        return reply
    return reply(task_body if isinstance(task_body, dict) else {}, messages)


def turn_to_follow(task_body: Any, messages: Any) -> Turn | None:
    """The user's newest turn of the chat that a task is about, or None where its answer
    is a failure, help, costs, or not there: then nothing follows from it.

    A shape that an earlier one asked for is among its flags: changes keep it.
    """
    chat = _chat_of(task_body if isinstance(task_body, dict) else {}, messages)
    turns = [turn for turn in read_turns(chat) if turn.role == "user"]
    if not turns or asks_the_plugin(turns[-1].text):
        return None
    is_answered = get_field(chat[-1], "role") == "assistant"
    failed = any(FAILURE_MARK in text for text in _texts_of(chat[-1]))
    if failed or not is_answered:
        return None
    earlier = (flag for turn in turns[:-1] for flag in turn.flags)
    shapes = [f for f in earlier if OPTION_BY_NAME[f[0]].field == "aspect_ratio"]
    return replace(turns[-1], flags=(*shapes[-1:], *turns[-1].flags))


def _texts_of(message: Any) -> list[str]:
    """The texts of a saved message; newer hosts keep them as its output, too."""
    content, output = get_field(message, "content"), get_field(message, "output")
    parts = as_list(content) or [content]
    parts += [
        p for item in as_list(output) for p in as_list(get_field(item, "content"))
    ]
    return [as_str(get_field(part, "text") or part) for part in parts]


def _merge_replies(body: dict[str, Any], messages: Any) -> str:
    """Several models' replies, which nobody here can merge, one below the other."""
    replies = as_list(body.get("responses")) or _quoted_replies(messages)
    return "\n\n".join(reply for reply in replies if isinstance(reply, str))


def _make_title(body: dict[str, Any], messages: Any) -> str:
    """The chat's first words, without flags."""
    said = (w for w in _users_words(body, messages) if not asks_the_plugin(w))
    first = without_flags(next(said, ""))
    title = plain_words(first, MAX_TITLE_CHARACTERS, default=AUTO_NAME)
    return json.dumps({"title": title}, ensure_ascii=False)


def _make_image_prompt(body: dict[str, Any], messages: Any) -> str:
    """The user's newest words, which are a prompt for an image model as they stand."""
    words = _users_words(body, messages)
    return json.dumps({"prompt": words[-1] if words else ""}, ensure_ascii=False)


def _users_words(body: dict[str, Any], messages: Any) -> list[str]:
    """What the user said in the chat that the task is about, turn by turn."""
    turns = read_turns(_chat_of(body, messages))
    return [turn.text for turn in turns if turn.role == "user" and turn.text]


def _chat_of(body: dict[str, Any], messages: Any) -> list[Any]:
    """The messages of the chat that a task is about."""
    return as_list(body.get("messages")) or _quoted_chat(messages)


def _quoted_replies(messages: Any) -> list[str]:
    """The models' replies as a task prompt quotes them, where it does."""
    # As it came: the words of a conversation are without their pictures.
    content = get_field((as_list(messages) or [None])[-1], "content")
    parts = as_list(content)[:MAX_PARTS] or [{"text": content}]
    prompt = "".join(as_str(get_field(part, "text")) for part in parts)
    quoted = prompt.partition('\nResponses from models: """')[2].rstrip()
    return quoted.removesuffix('"""').split('"""\n\n"""', MAX_PARTS) if quoted else []


def _quoted_chat(messages: Any) -> list[dict[str, str]]:
    """The turns as a task prompt quotes them ("USER: …"), where it does."""
    prompt = read_conversation(messages).prompt
    chat = prompt.partition("<chat_history>")[2].partition("</chat_history>")[0]
    said = re.findall(
        r"^(USER|ASSISTANT): (.*?)(?=^ASSISTANT: |^USER: |\Z)",
        chat,
        re.DOTALL | re.MULTILINE,
    )
    return [{"role": role.lower(), "content": text} for role, text in said]


# By task: its reply, or what makes one of the task's body and the request's messages.
# The forms are those that the host parses (open_webui/routers/tasks.py,
# utils/middleware.py, utils/memory.py).
_TASK_REPLIES: dict[str, str | Callable[[dict[str, Any], Any], str]] = {
    "title_generation": _make_title,
    "follow_up_generation": '{"follow_ups": []}',
    "query_generation": '{"queries": []}',
    "autocomplete_generation": '{"text": ""}',
    "image_prompt_generation": _make_image_prompt,
    "emoji_generation": "🎨",
    "moa_response_generation": _merge_replies,
    "function_calling": '{"tool_calls": []}',
    "memory_review": '{"operations": []}',
    # The host then keeps a listing of the old turns, picture links included; any text
    # would replace them.
    "context_compaction": "",
}


# ── Help ──────────────────────────────────────────────────────────────────────────────
# What can be asked of the model that answers: all of it as the answer to "--help", some
# of it as suggestions below an answer.

FOLLOW_UPS = "follow_up_generation"  # the host's name for the task


class Offer(NamedTuple):
    """Who answers, and what can be chosen there, by the fields of ImageOptions; that may
    be less than the model takes."""

    route: Route
    choices: Mapping[str, Sequence[str]]


_OPTION_OF = {option.field: option for option in OPTIONS}


def _flag(field: str) -> str:
    return f"--{_OPTION_OF[field].flags[0]}"


def help_text(offer: Offer, reader: Reader) -> str:
    """The answer to "--help", in markdown: who answers, and each option with its values,
    prices and an example."""
    facts = facts_of(offer.route.model, offer.route.generate)
    prices = facts.prices.pictures if facts else {}
    fields = [o.field for o in OPTIONS if o.flags and offer.choices[o.field]]
    rows = [_help_row(field, offer.choices[field], prices, reader) for field in fields]
    parts = [
        _who_answers(offer.route),
        make_note("help_how"),
        _what_it_costs(offer, prices),
        make_note("help_costs"),
    ]
    who, how, price, costs = (sentence(part, reader) for part in parts)
    # Not behind one another: Chinese sentences have no blank between them.
    return "\n\n".join([who, how, "\n".join(rows), price, costs])


def _who_answers(route: Route) -> Note:
    model = name_of(route.model)
    if route.asked == AUTO:
        auto = make_note("named_model", name=AUTO_NAME, id=AUTO)
        return make_note("help_auto", model=model, auto=auto)
    if route.replaced:
        return make_note("help_successor", asked=name_of(route.asked), model=model)
    return make_note("help_model", model=model)


def _help_row(
    field: str, choices: Sequence[str], prices: Mapping[str, float], reader: Reader
) -> str:
    listed = tuple(_choice_note(field, choice, prices) for choice in choices)
    prompt = sentence(make_note("help_prompt"), reader)
    # One that is neither the cheapest nor the dearest.
    value = "" if choices[0] == "on" else choices[len(choices) // 2]
    example = f"{prompt} {_flag(field)} {value}".strip()
    what = sentence(make_note(field), reader)
    what = f"{what[0].upper()}{what[1:]}"
    note = make_note("help_option", what=what, choices=listed, example=example)
    return sentence(note, reader)


def _choice_note(field: str, choice: str, prices: Mapping[str, float]) -> Note:
    if field == "image_size" and choice in prices:
        price = make_note("price", price=prices[choice])
        return make_note("help_priced_choice", choice=choice, price=price)
    return make_note("help_choice", choice=choice)


def _what_it_costs(offer: Offer, prices: Mapping[str, float]) -> Note:
    if not prices:
        return make_note("help_no_price")
    if offer.choices["image_size"]:
        return make_note("help_prices")
    return make_note("help_price", price=make_note("price", price=max(prices.values())))


def follow_ups(had: ImageOptions, offer: Offer, reader: Reader) -> str:
    """Three or four messages that may come next, in the form that the host parses.

    had: what the last answer was made with, which is not offered again.
    """
    shapes = list(_other_shapes(had, offer.choices["aspect_ratio"]))
    ideas = [*shapes[:1], *_larger(had, offer.choices["image_size"])]
    ideas += [*_more(had, offer.choices["count"]), *shapes[1:]]
    texts = [
        f"{sentence(note, reader)} {_flag(field)} {value}"
        for note, field, value in ideas[:MAX_FOLLOW_UPS]
    ]
    if len(texts) < MAX_FOLLOW_UPS - 1:
        texts.append(sentence(make_note("follow_angle"), reader))
    return json.dumps({"follow_ups": texts}, ensure_ascii=False)


# A message that may come next: its words, and the option that it asks for.
_Idea = tuple[Note, str, str]
_SHAPES = {"16:9": "follow_wide", "9:16": "follow_tall", "1:1": "follow_square"}


def _other_shapes(had: ImageOptions, ratios: Sequence[str]) -> Iterator[_Idea]:
    now = nearest_ratio(ratio_value(had.aspect_ratio or "1:1"), _SHAPES)
    for ratio, kind in _SHAPES.items():
        if ratio in ratios and ratio != now:
            yield make_note(kind), "aspect_ratio", ratio


def _larger(had: ImageOptions, sizes: Sequence[str]) -> Iterator[_Idea]:
    """The largest size, if it is larger than that of the last answer."""
    largest = max(sizes, key=SIZES.index, default="512")
    if SIZES.index(largest) > SIZES.index(had.image_size or "1K"):
        yield make_note("follow_size", size=largest), "image_size", largest


def _more(had: ImageOptions, counts: Sequence[str]) -> Iterator[_Idea]:
    """Several pictures, if the last answer was to have one."""
    count = next((count for count in ("3", "2") if count in counts), "")
    if count and had.count == 1:
        yield make_note("follow_count", count=count), "count", count


# ── Reader ────────────────────────────────────────────────────────────────────────────
# The bytes of a response, whatever frames them, as JSON objects.


class ResponseTooLarge(Exception):
    """A response is larger than any that Google sends."""


class ObjectReader:
    """Takes the frame off a response, and gives the JSON objects that stand in it.

    Server-sent events, one object, an array that arrives piecewise, objects on bare
    lines: the reader looks for objects and passes over all else. Lines end at the
    bytes \\n and \\r only (html.spec.whatwg.org, "Server-sent events"). What stands
    within an object is read by `_PartialObject`.

    stray: what belongs to no object (its first 64 KiB), for the case that the response
    is a web page or plain text. broken: how many objects were cut off or are no JSON.
    """

    _FRAME = re.compile(rb"(?:data:|[\s,\[\]\x1e\xef\xbb\xbf])*\Z")
    _OBJECT_OR_LINE_END = re.compile(rb"[{\r\n]")

    def __init__(
        self, limit: int | None = None, object_limit: int | None = None
    ) -> None:
        """limit: bytes of the whole response; object_limit: of an object without its
        blobs; both where they are not those of an answer."""
        self._limit = limit or MAX_RESPONSE_BYTES
        self._object_limit = object_limit or MAX_OBJECT_BYTES
        self.stray = bytearray()
        self.broken = 0
        self._received = 0
        self._found: list[tuple[Any, list[bytes | None]]] = []
        self._line = bytearray()  # outside objects: the current line
        self._object = _PartialObject()
        self._in_event = False  # whether the object began on a line `data:`
        self._prefix = b""  # within an object: what may become another `data:`
        self._state: Callable[[bytes, int], int] = self._outside

    def feed(self, data: bytes) -> Iterator[tuple[Any, list[bytes | None]]]:
        """Take the next piece of the response, of any size, while it is iterated.

        Yields the objects that it completes, each with its blobs: the JSON says
        {"$blob": n} where the n-th was cut out, and a blob that is no base64 is None.
        One after the other, since thousands at once would have the garbage collector
        go through all that the host holds. Raises ResponseTooLarge when the response
        or an object exceeds its limit.
        """
        self._received += len(data)
        is_large = len(self._object.text) > self._object_limit
        if is_large or self._received > self._limit:
            raise ResponseTooLarge
        position = 0
        while position < len(data):
            position = self._state(data, position)
            if self._found:
                yield self._found.pop()

    def end(self) -> bool:
        """Whether the response ended between objects, none of them broken."""
        if self._state not in (self._outside, self._rest_of_line):
            self._abandon()
        self._keep_stray(self._line)
        return not self.broken

    @property
    def is_page(self) -> bool:
        """Whether the response begins like a web page."""
        return is_page(self.stray[:512] or self._line[:512])

    # Each state takes the data and a position in it, and returns the next position.

    def _outside(self, data: bytes, start: int) -> int:
        """Between objects: up to the next object or the end of the line."""
        found = self._OBJECT_OR_LINE_END.search(data, start)
        stop = found.start() if found else len(data)
        if len(self._line) < MAX_STRAY_BYTES:
            self._line += data[start:stop]
        if not found:
            return stop
        if found.group() != b"{":
            self._end_stray_line()
        elif self.is_page or self._line.startswith(b":"):
            self._line += b"{"
            self._state = self._rest_of_line
        else:
            self._in_event = b"data:" in self._line
            self._end_stray_line()
            self._state = self._inside
        return stop + 1

    def _rest_of_line(self, data: bytes, start: int) -> int:
        """In a comment or a page: up to the end of the line, braces and all."""
        end = _line_break(data, start, len(data))
        stop = len(data) if end < 0 else end
        if len(self._line) < MAX_STRAY_BYTES:
            self._line += data[start:stop]
        if end >= 0:
            self._state = self._outside
        return stop

    def _inside(self, data: bytes, start: int) -> int:
        """In an object: on in it, until it is complete or its line ends."""
        stop = self._object.take(data, start)
        if not self._object.depth:
            self._finish_object()
        elif stop < len(data) and data[stop] in b"\r\n":
            return self._end_line_inside(data, stop)
        return stop

    def _end_line_inside(self, data: bytes, start: int) -> int:
        """At the end of an object's line: no string of JSON goes on behind it."""
        if self._object.in_string:
            self._abandon()
            return start
        self._object.text += data[start : start + 1]
        self._prefix = b""
        self._state = self._line_start
        return start + 1

    def _line_start(self, data: bytes, start: int) -> int:
        """At the start of a line inside an object: passes over another `data:`."""
        sign = data[start : start + 1]
        if sign == b"\n" and self._object.text.endswith(b"\r"):
            self._object.text += sign
            return start + 1
        if sign in b"\r\n" and self._in_event:
            self._abandon()
            return start
        if sign == b":" and self._in_event and not self._prefix:
            self._state = self._comment
            return start
        prefix = self._prefix + sign
        if prefix == b"data:":
            self._state = self._inside
            return start + 1
        if b"data:".startswith(prefix):
            self._prefix = prefix
            return start + 1
        self._object.text += self._prefix
        self._state = self._inside
        return start

    def _comment(self, data: bytes, start: int) -> int:
        """A comment line between the lines of an event, as proxies keep alive with."""
        end = _line_break(data, start, len(data))
        if end >= 0:
            self._state = self._line_start
        return end + 1 if end >= 0 else len(data)

    # What becomes of an object, or of a line without one.

    def _finish_object(self) -> None:
        try:
            found = clean_strings(json.loads(self._object.text))
            self._found.append((found, self._object.blobs))
        except (ValueError, RecursionError):
            self._abandon()
        else:
            self._leave_object()

    def _abandon(self) -> None:
        """Give up an object that was cut off or is no JSON."""
        self.broken += 1
        self._keep_stray(self._object.text)
        self._leave_object()

    def _leave_object(self) -> None:
        self._object = _PartialObject()
        self._state = self._outside

    def _end_stray_line(self) -> None:
        self._keep_stray(self._line)
        self._line.clear()

    def _keep_stray(self, line: bytes | bytearray) -> None:
        room = MAX_STRAY_BYTES - len(self.stray)
        if room > 0 and not self._FRAME.match(line) and not line.startswith(b":"):
            self.stray += line[:room] + b"\n"


def _line_break(data: bytes, start: int, stop: int) -> int:
    """Where the first line ends, or -1."""
    feed = data.find(b"\n", start, stop)
    back = data.find(b"\r", start, stop if feed < 0 else feed)
    return feed if back < 0 else back


BLOB_SIGNS = ("\ue000", "\ue001")  # for private use: no words need them


class _PartialObject:
    """A JSON object of which the text still arrives, base64 cut out of it.

    The parser never sees base64: the values of `_CUT_KEYS` are decoded as they arrive
    and stand in the text as {"$blob": n}. So are the data URIs that gateways write into
    a model's words; of them n is left, between BLOB_SIGNS.

    text: as far as it came. blobs: what was cut out. depth: how many braces are open;
    none when the object is complete. in_string: whether the text ends in a string.
    """

    _CUT_KEYS = frozenset(
        (
            b"data",
            b"bytesBase64Encoded",
            b"bytes_base64_encoded",
            b"thoughtSignature",
            b"thought_signature",
        )
    )
    _SIGN_OR_LINE_END = re.compile(rb"[\"{}\r\n]")
    _DATA_URI_HEAD = re.compile(
        rb"data:image\\?/[\w.+-]{1,40}(?:;[\w.=+-]{1,80}){0,4};base64,\Z"
    )
    _MAX_HEAD = 400
    _BASE64 = re.compile(rb"(?:[A-Za-z0-9+/=_-]+|\\/|\\u00[0-9A-Fa-f]{2})*")
    _OPEN_ESCAPE = re.compile(rb"\\(?:u0{0,2}|u00[0-9A-Fa-f])?\Z")

    def __init__(self) -> None:
        self.text = bytearray(b"{")
        self.blobs: list[bytes | None] = []
        self.depth = 1
        self.in_string = False
        self._string_start = self._string_end = 0  # of the last string in the text
        self._slashes = 0  # backslashes at the end of what came of a string
        self._value: _CutValue | None = None  # the string's, if it is cut out
        self._inline: _CutValue | None = None  # of a data URI within the string
        self._escape = b""  # what may become one within that

    def take(self, data: bytes, start: int) -> int:
        """Take the data from `start` on, up to a brace, a quote or the line's end.

        Returns the position behind what was taken. The line's end is none of it: what
        that means is a matter of the frame.
        """
        if self.in_string:
            return self._take_string(data, start)
        found = self._SIGN_OR_LINE_END.search(data, start)
        stop = found.start() if found else len(data)
        sign = found.group() if found else b""
        if not sign or sign in b"\r\n":
            self.text += data[start:stop]
            return stop
        self.text += data[start : stop + 1]
        if sign == b'"':
            self._open_string()
        else:
            self.depth += 1 if sign == b"{" else -1
        return stop + 1

    def _open_string(self) -> None:
        between = self.text[self._string_end : -1].strip()
        if between == b":" and self._last_string() in self._CUT_KEYS:
            self._value = _CutValue()
        self._string_start = len(self.text)
        self._slashes = 0
        self.in_string = True

    def _last_string(self) -> bytes:
        return bytes(self.text[self._string_start : self._string_end - 1])

    def _take_string(self, data: bytes, start: int) -> int:
        """Up to the next quote, which ends the string unless an escape disarms it.

        Of a string that the line's end cuts off, no more is taken.
        """
        quote_at = data.find(b'"', start)
        stop = len(data) if quote_at < 0 else quote_at
        line_end = _line_break(data, start, stop)
        if line_end >= 0:
            return line_end
        self._count_slashes(data, start, stop)
        if quote_at < 0:
            self._take_content(data, start, stop)
            return stop
        if self._slashes % 2:  # a text: this quote is its own
            self._slashes = 0
            self._take_content(data, start, stop + 1)
        else:
            self._take_content(data, start, stop)
            self._close_string()
        return stop + 1

    def _count_slashes(self, data: bytes, start: int, stop: int) -> None:
        """Count the backslashes before `stop`, over the edges of the pieces."""
        at = stop
        while at > start and data[at - 1] == 0x5C:
            at -= 1
        self._slashes = stop - at + (self._slashes if at == start else 0)

    def _take_content(self, data: bytes, start: int, stop: int) -> None:
        if self._value:
            self._value.feed(data, start, stop)
            return
        while start < stop:
            take = self._take_inline if self._inline else self._take_words
            start = take(data, start, stop)

    def _take_words(self, data: bytes, start: int, stop: int) -> int:
        """Up to the base64 of a data URI, if there is one."""
        before = len(self.text)
        self.text += data[start:stop]
        at = max(self._string_start, before - len(b";base64,"))
        while (at := self.text.find(b";base64,", at) + len(b";base64,")) >= 8:
            head = self.text[max(self._string_start, at - self._MAX_HEAD) : at]
            if self._DATA_URI_HEAD.search(head):
                stop -= len(self.text) - at
                del self.text[at:]
                self._inline = _CutValue()
                break
        return stop

    def _take_inline(self, data: bytes, start: int, stop: int) -> int:
        """Up to the first sign that is no base64, in JSON's escapes or without."""
        assert self._inline
        held, self._escape = self._escape, b""
        piece = held + data[start:stop]
        found = self._BASE64.match(piece)
        end = found.end() if found else 0
        self._inline.feed(piece, 0, end)
        if end < len(piece) and self._OPEN_ESCAPE.match(piece, end):
            self._escape = piece[end:]
            return stop
        if end < len(piece):
            self._end_inline()
            self.text += held[end:]
        return start + max(end - len(held), 0)

    def _end_inline(self) -> None:
        assert self._inline
        self._put_blob(self._inline, b"\\ue000%d\\ue001")
        self._inline = None

    def _close_string(self) -> None:
        if self._inline:
            self._end_inline()
            self.text += self._escape
            self._escape = b""
        if self._value:
            self._put_value(self._value)
            self._value = None
        else:
            self.text += b'"'
        self._string_end = len(self.text)
        self.in_string = False

    def _put_value(self, value: "_CutValue") -> None:
        """In place of the quote that opened it: its number, or the text it is."""
        quoted = len(self.text)
        self._put_blob(value, b'{"$blob":%d}')
        if value.is_text:
            self.text += b'"'
        else:
            del self.text[quoted - 1]

    def _put_blob(self, value: "_CutValue", form: bytes) -> None:
        blob = value.finish()
        if blob is None and value.is_short:
            value.is_text = True
            self.text += value.beginning
        else:
            self.text += form % len(self.blobs)
            self.blobs.append(blob)


class _CutValue:
    """A value kept from the parser: base64, or the ordinary text that it turns out.

    beginning: of what came, as it stands in the JSON; all of it while `is_short`.
    is_text: whether it has turned out to be a text.
    """

    _SHORT = 256  # a longer one that is no base64 is a damaged picture

    def __init__(self) -> None:
        self._decoder = Base64Decoder()
        self.beginning = bytearray()
        self.is_text = False

    @property
    def is_short(self) -> bool:
        """Whether it may be a text, with which a gateway filled the field."""
        return len(self.beginning) <= self._SHORT

    def feed(self, data: bytes, start: int, stop: int) -> None:
        """Take data[start:stop], in slices: none is copied as a whole."""
        for at in range(start, stop, SLICE):
            self._decoder.feed(data[at : min(at + SLICE, stop)])
        if self.is_short:
            self.beginning += data[start : min(stop, start + self._SHORT + 1)]

    def finish(self) -> bytes | None:
        """The bytes, or None when the value is no base64."""
        return self._decoder.finish()


# ── Wire ──────────────────────────────────────────────────────────────────────────────
# Google's protocol: request bodies out, events in. Transport is somebody else's.


@dataclass(frozen=True)
class Text:
    """Words of the model; `thought` ones are not part of the answer."""

    text: str
    thought: bool = False


@dataclass(frozen=True)
class Refusal:
    """Google's reason to stop or to make nothing, with its own sentence, if any.

    `about` says what was refused: "prompt", "answer" or "picture" (one of several).
    """

    reason: str
    message: str = ""
    about: str = "answer"


@dataclass(frozen=True)
class Finish:
    """The model came to its regular end."""


@dataclass(frozen=True)
class Continuation:
    """The answer goes on when its request is sent again with this token."""

    token: str


@dataclass(frozen=True)
class PictureElsewhere:
    """A picture of which only the address came, if that is a web page's at all."""

    address: str


@dataclass(frozen=True)
class Retirement:
    """The day on which Google shuts the model down, as in 2027-03-15."""

    date: str


@dataclass(frozen=True)
class Usage:
    """Token counts: "in", "out", "thoughts", and of pictures "in_image", "out_image";
    "words" are those of text among "out"."""

    tokens: dict[str, int]


@dataclass(frozen=True)
class BadPicture:
    """Picture data that could not be decoded or is no picture."""


@dataclass(frozen=True)
class Sources:
    """What Google Search was asked and brought.

    pages: (address, title) each. suggestions: Google's HTML, to be shown as it is.
    """

    queries: tuple[str, ...] = ()
    pages: tuple[tuple[str, str], ...] = ()
    suggestions: str = ""

    def joined(self, other: "Sources") -> "Sources":
        """Both, each query and page once, and no more than MAX_SOURCES."""
        return Sources(
            tuple(dict.fromkeys(self.queries + other.queries))[:MAX_SOURCES],
            tuple(dict.fromkeys(self.pages + other.pages))[:MAX_SOURCES],
            self.suggestions or other.suggestions,
        )


Event = (Text | Image | PictureElsewhere | BadPicture) | (
    Refusal | Finish | Continuation | Usage | Sources | Retirement
)
_HARM_CATEGORIES = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
)


def generate_body(
    conversation: Conversation,
    options: ImageOptions,
    pictures: Sequence[InputPicture] = (),
) -> dict[str, Any]:
    """The body of generateContent; pictures stand in it as Image objects.

    All pictures go into the user's newest turn: there they need no thought signature,
    whoever made them (ai.google.dev/gemini-api/docs/thought-signatures). Sampling
    parameters and candidateCount stay out: the 2.1 model refuses them.
    """
    ratio, size = options.aspect_ratio, options.image_size
    level, thoughts = options.thinking_level, options.thoughts
    search = {"googleSearch": _search_types(options.searches)}
    threshold = options.safety
    return _filled(
        contents=_contents(conversation, pictures),
        generationConfig=_filled(
            responseModalities=["TEXT", "IMAGE"],
            imageConfig=_filled(
                aspectRatio=ratio, imageSize=size, **_of_vertex(options)
            ),
            thinkingConfig=_filled(thinkingLevel=level, includeThoughts=thoughts),
        ),
        tools=options.searches and [search],
        safetySettings=threshold
        and [{"category": c, "threshold": threshold} for c in _HARM_CATEGORIES],
        systemInstruction=conversation.system
        and {"parts": [{"text": conversation.system}]},
    )


def _filled(**fields: Any) -> dict[str, Any]:
    """The fields that say something; without the others Google's defaults hold."""
    return {name: value for name, value in fields.items() if value}


def _of_vertex(options: ImageOptions) -> dict[str, Any]:
    """What an imageConfig has on Vertex AI alone; a quality is one of JPEG."""
    quality = options.quality and int(options.quality)
    mime = options.output or (quality and "image/jpeg")
    output = _filled(mimeType=mime, compressionQuality=quality)
    return {"personGeneration": options.people, "imageOutputOptions": output}


def _search_types(searches: Sequence[str]) -> dict[str, Any]:
    """A search of the web alone is Google's default and needs no types."""
    if searches == ("web",):
        return {}
    return {"searchTypes": {f"{kind}Search": {} for kind in searches}}


def _contents(
    conversation: Conversation, pictures: Sequence[InputPicture]
) -> list[dict[str, Any]]:
    """The turns in words, and at the end documents and pictures before the newest
    words; each picture under a label where the user may mean one of several by its
    number."""
    are_counted = len(conversation.counted) > 1
    turns = alternating(replace(turn, pictures=()) for turn in conversation.history)
    parts: list[dict[str, Any]] = []
    if turns and turns[-1].role == "user":
        parts.append({"text": turns.pop().text})
    parts += _document_parts(conversation.documents)
    for picture in pictures:
        if are_counted:
            parts.append({"text": _picture_label(picture.numbers)})
        mime = picture.image.mime
        parts.append({"inlineData": {"mimeType": mime, "data": picture.image}})
    if conversation.prompt:
        parts.append({"text": conversation.prompt})
    contents = [{"role": t.role, "parts": [{"text": t.text}]} for t in turns]
    return [*contents, {"role": "user", "parts": parts}]


def _document_parts(documents: Iterable[Document]) -> Iterator[dict[str, Any]]:
    """Each document under its name, so that nobody's words are taken for the user's."""
    for document in documents:
        if document.data:
            pdf = Image(document.data, "application/pdf")
            yield {"text": document.title}
            yield {"inlineData": {"mimeType": pdf.mime, "data": pdf}}
        else:
            yield {"text": f"{document.title}\n\n{document.text}"}


def _picture_label(numbers: Sequence[int]) -> str:
    """A picture's label for the model. An earlier one has no number: "the second" is
    then one of those that the user sees attached."""
    return ", ".join(f"Picture {number}" for number in numbers) or "Earlier picture"


def with_system_in_words(conversation: Conversation) -> Conversation:
    """The same for a model that takes no systemInstruction: its text comes before the
    user's newest words."""
    if conversation.newest is None:
        return conversation
    words = joined_words(conversation.system, conversation.prompt)
    newest = replace(conversation.newest, text=words)
    return replace(conversation, system="", newest=newest)


def predict_body(conversation: Conversation, options: ImageOptions) -> dict[str, Any]:
    """The body of Imagen's predict, which knows one prompt and no conversation."""
    unanswered = [t.text for t in conversation.history[-1:] if t.role == "user"]
    given = [f"{d.title}\n\n{d.text}" for d in conversation.documents if d.text]
    words = (*unanswered, *given, conversation.prompt)
    prompt = joined_words(conversation.system, *words)
    parameters = _filled(
        sampleCount=options.count,
        includeRaiReason=True,
        aspectRatio=options.aspect_ratio,
        sampleImageSize=options.image_size,
    )
    return {"instances": [{"prompt": prompt}], "parameters": parameters}


class EncodedBody:
    """The JSON of a body as bytes of a known length, its Image objects as base64.

    These are encoded in slices while they are sent, anew each time: a whole request,
    and each of several side by side, would take its length in memory.
    """

    def __init__(self, body: dict[str, Any]) -> None:
        pictures: list[Image] = []

        def mark(value: Any) -> str:
            if not isinstance(value, Image):
                raise TypeError(f"no JSON: {type(value).__name__}")
            pictures.append(value)
            return f"picture {len(pictures) - 1}"

        text = json.dumps(body, default=mark).encode()
        # Only a field of ours can hold this: within a text the quotes are escaped.
        words = re.split(rb'(?<="data": ")picture \d+(?=")', text)
        pairs = itertools.zip_longest(words, pictures)
        self._pieces = [piece for pair in pairs for piece in pair if piece is not None]

    def __len__(self) -> int:
        return sum(
            base64_length(len(p.data)) if isinstance(p, Image) else len(p)
            for p in self._pieces
        )

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, Image):
                yield from base64_slices(piece.data)
            else:
                yield piece

    def drop(self) -> None:
        """Hold no pictures any more: whoever sends it still does not need them."""
        self._pieces.clear()


_RESPONSE_KEYS = (
    "candidates",
    "promptFeedback",
    "predictions",
    "usageMetadata",
    "modelVersion",
)


def is_response(response: Any) -> bool:
    """Whether an object is Google's; Imagen answers {} when it filtered all."""
    return response == {} or any(
        get_field(response, k) is not None for k in _RESPONSE_KEYS
    )


def unwrapped(response: Any) -> Any:
    """Google's object within what a gateway put around it."""
    if not is_response(response):
        for name in ("response", "data", "result"):
            inside = get_field(response, name)
            if inside and is_response(inside):
                return inside
    return response


def read_events(response: Any, blobs: list[bytes | None]) -> Iterator[Event]:
    """The events in one object of an answer, in Google's order.

    Errors are not events: `get_field(response, "error")` is for the caller to look at.
    """
    feedback = get_field(response, "promptFeedback")
    if reason := get_field(feedback, "blockReason"):
        message = as_str(get_field(feedback, "blockReasonMessage"))
        yield Refusal(str(reason), message, about="prompt")
    for candidate in as_list(get_field(response, "candidates")):
        for part in as_list(get_field(get_field(candidate, "content"), "parts")):
            yield from _part_events(part, blobs)
        yield from _grounding_events(get_field(candidate, "groundingMetadata"))
        yield from _end_events(candidate)
    yield from _prediction_events(response, blobs)
    status = get_field(response, "modelStatus")
    day = re.match(r"\d{4}-\d\d-\d\d", as_str(get_field(status, "retirementTime")))
    if day:
        yield Retirement(day[0])
    usage = get_field(response, "usageMetadata")
    if isinstance(usage, dict):
        yield Usage(_token_counts(usage))


def _end_events(candidate: Any) -> Iterator[Event]:
    """How a candidate ends, if it does."""
    if reason := get_field(candidate, "finishReason"):
        name = str(reason).upper()
        token = as_str(get_field(candidate, "continuationToken"))
        if name == "CONTINUATION" and token:
            yield Continuation(token)
        elif name in ("STOP", "CONTINUATION"):
            yield Finish()
        else:
            yield Refusal(name, as_str(get_field(candidate, "finishMessage")))


class WholeAnswer:
    """One answer, for which Google may want several requests.

    Each but the first is the first with the token of the one before; each counts its
    own tokens, which are added up (google-genai 3.6.1, `StreamContinuation`).
    """

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self._tokens: list[str] = []
        self._counted: Counter[str] = Counter()
        self._counting: Counter[str] = Counter()

    def bodies(self) -> Iterator[dict[str, Any]]:
        """The body of each request, as long as the one before leaves something."""
        yield self._body
        answered = 0
        while len(self._tokens) > answered:
            answered = len(self._tokens)
            self._counted += self._counting
            self._counting.clear()
            yield {**self._body, "continuationToken": self._tokens[-1]}

    def take(self, event: Event) -> Event | None:
        """The event as one of the whole answer, or None for a seam."""
        if isinstance(event, Usage):
            self._counting = Counter(event.tokens)
            return Usage(dict(self._counted + self._counting))
        if not isinstance(event, Continuation):
            return event
        # The same token again would bring the same again.
        if event.token in self._tokens or len(self._tokens) >= MAX_CONTINUATIONS:
            return Finish()
        self._tokens.append(event.token)
        return None


class EventBatch:
    """Gathers events as fewer: neighbouring words as one, of the token counts the last,
    since each counts what came before, and once what says the same again."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._words: list[str] = []
        self._thought = False
        self._usage: Usage | None = None

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Text):
            if event.thought != self._thought:
                self._end_words()
            self._thought = event.thought
            self._words.append(event.text)
        else:
            self._end_words()
            is_news = (
                isinstance(event, Image) or event not in self._events[-MAX_LOOKED_BACK:]
            )
            self._events += [event] if is_news else []

    def take(self) -> list[Event]:
        """All that was gathered; begins anew."""
        self._end_words()
        events = [*self._events, *([self._usage] if self._usage else [])]
        self._events, self._usage = [], None
        return events

    def _end_words(self) -> None:
        if self._words:
            self._events.append(Text("".join(self._words), self._thought))
            self._words = []


def _token_counts(usage: dict[str, Any]) -> dict[str, int]:
    def number(value: Any) -> int:
        return value if isinstance(value, int) and 0 <= value < 10**9 else 0

    def of_images(name: str) -> int:
        rows = as_list(get_field(usage, name))
        images = [row for row in rows if get_field(row, "modality") == "IMAGE"]
        return sum(number(get_field(row, "tokenCount")) for row in images)

    # A gateway may count less in all than of pictures alone; no price is negative.
    in_image = of_images("promptTokensDetails")
    out_image = of_images("candidatesTokensDetails")
    asked = max(number(get_field(usage, "promptTokenCount")), in_image)
    out = max(number(get_field(usage, "candidatesTokenCount")), out_image)
    return {
        "in": asked + number(get_field(usage, "toolUsePromptTokenCount")),
        "in_image": in_image,
        "out": out,
        "out_image": out_image,
        # Without a count of their own those of the pictures are among all.
        "words": out - out_image if out_image else 0,
        "thoughts": number(get_field(usage, "thoughtsTokenCount")),
    }


def _part_events(part: Any, blobs: list[bytes | None]) -> Iterator[Event]:
    thought = get_field(part, "thought") is True
    inline = get_field(part, "inlineData")
    if isinstance(inline, dict):
        yield _picture(inline.get("data"), blobs, draft=thought)
    file = get_field(part, "fileData")
    is_picture = as_str(get_field(file, "mimeType") or "image/").startswith("image/")
    if isinstance(file, dict) and is_picture and not thought:
        yield PictureElsewhere(_page_address(get_field(file, "fileUri")))
    if text := as_str(get_field(part, "text")):
        yield from _text_events(text, blobs, thought)


def _grounding_events(found: Any) -> Iterator[Event]:
    """The field names of pictures are documented in two ways; what is linked is the
    page that holds a picture (ai.google.dev/gemini-api/docs/google-search)."""
    if not isinstance(found, dict):
        return
    queries: dict[str, None] = {}
    for name in ("webSearchQueries", "imageSearchQueries"):
        for query in as_list(get_field(found, name))[:MAX_SOURCES]:
            queries[plain_words(as_str(query), 200, default="")] = None
    queries.pop("", None)
    pages: dict[str, str] = {}
    chunks = as_list(get_field(found, "groundingChunks"))[:MAX_GROUNDING_CHUNKS]
    for chunk, kind in itertools.product(chunks, ("web", "image")):
        page = get_field(chunk, kind)
        address = get_field(page, "sourceUri") or get_field(page, "uri")
        if len(pages) < MAX_SOURCES and (address := _page_address(address)):
            title = as_str(get_field(page, "title")) or as_str(
                get_field(page, "domain")
            )
            pages[address] = plain_words(title, 80, default="")
    entry = get_field(found, "searchEntryPoint")
    suggestions = as_str(get_field(entry, "renderedContent"))[:MAX_STRAY_BYTES]
    yield Sources(tuple(queries), tuple(pages.items()), suggestions)


def _page_address(value: Any) -> str:
    """A web address that can stand in markdown, or nothing.

    What would end it there is escaped: many pages of pictures have (1) in theirs.
    """
    address = as_str(value)[: MAX_ADDRESS_CHARACTERS + 100]
    if not re.fullmatch(r"https?://\S{3,2000}", address):
        return ""
    address = re.sub(r"[()<>\"'`\\]", lambda sign: quote(sign[0]), address)
    return "" if NOT_PRINTED.search(address) else address


_PICTURE_IN_WORDS = re.compile(
    r"data:image/[\w.+-]{1,40}(?:;[\w.=+-]{1,80}){0,4};base64,"
    rf"{BLOB_SIGNS[0]}([0-9]{{1,6}}){BLOB_SIGNS[1]}"
)
_MAX_BEFORE_PICTURE = 304  # "![", the words that stand for it, "]("


def _text_events(
    text: str, blobs: list[bytes | None], thought: bool
) -> Iterator[Event]:
    """Text, with the pictures that some gateways write into it as data URIs."""
    at = 0
    for found in _PICTURE_IN_WORDS.finditer(text):
        start = max(at, found.start() - _MAX_BEFORE_PICTURE)
        opened = text.rfind("![", start, found.start())
        in_markdown = opened >= 0 and text[opened : found.start()].endswith("](")
        if words := text[at : opened if in_markdown else found.start()]:
            yield Text(words, thought)
        yield _blob_picture(int(found[1]), blobs, thought)
        at = found.end() + (in_markdown and text[found.end() :][:1] == ")")
    if text[at:]:
        yield Text(text[at:], thought)


def _prediction_events(response: Any, blobs: list[bytes | None]) -> Iterator[Event]:
    predictions = get_field(response, "predictions")
    for prediction in as_list(predictions):
        data = get_field(prediction, "bytesBase64Encoded")
        if data is not None:
            yield _picture(data, blobs)
        elif reason := get_field(prediction, "raiFilteredReason"):
            yield Refusal("IMAGE_SAFETY", as_str(reason), about="picture")
    if isinstance(predictions, list) or response == {}:
        yield Finish()


def _picture(value: Any, blobs: list[bytes | None], draft: bool = False) -> Event:
    number = value.get("$blob") if isinstance(value, dict) else None
    return _blob_picture(number, blobs, draft)


def _blob_picture(number: Any, blobs: list[bytes | None], draft: bool) -> Event:
    if isinstance(number, int) and 0 <= number < len(blobs):
        return _as_picture(blobs[number], draft)
    return BadPicture()


def _as_picture(data: bytes | None, draft: bool = False) -> Event:
    mime = image_type(data) if data else None
    return Image(data, mime, draft) if data and mime else BadPicture()


# ── Failures ──────────────────────────────────────────────────────────────────────────
# What went wrong, told by errors and refusals.


class GeminiError(Exception):
    """A failure that ends in a message in the chat.

    kind: a key of FAILURES. quote: Google's own sentence, if it says more than ours.
    values: what the message's placeholders stand for; "details" is for administrators
    only. retry_after: seconds.
    """

    def __init__(
        self,
        kind: str,
        quote: str = "",
        retry_after: float | None = None,
        **values: Any,
    ) -> None:
        super().__init__(kind)
        self.kind = kind
        self.quote = quote
        self.retry_after = retry_after
        self.values = values


class Speaker(enum.Enum):
    """Whose words an error is; only Google's own are Google's fault."""

    GOOGLE = "google.rpc.Status"
    GATEWAY = "JSON, but not Google's"
    SERVER = "a page, a text, or nothing"


@dataclass(frozen=True)
class ApiError:
    """Google's error object, or what a gateway made of it.

    status: of HTTP. message: the sentences. reason: names, with blanks between them.
    retry_after: seconds, if said.
    """

    status: int
    message: str = ""
    reason: str = ""
    retry_after: float | None = None
    speaker: Speaker = Speaker.SERVER


# google.rpc.Code by name, as HTTP status (cloud.google.com/apis/design/errors).
_RPC_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "DATA_LOSS": 500,
}


def read_error(status: int, response: Any, secrets: Iterable[str] = ()) -> ApiError:
    """The error of which a response tells, in Google's shape or in a gateway's.

    status: of HTTP. response: its JSON, whatever that is; what tells of no error gives
    one without words. secrets: what is masked, for JSON within a sentence could not be
    read at the border. Raises nothing. Google's shape is google.rpc.Status, its details
    are ErrorInfo, QuotaFailure, RetryInfo and BadRequest
    (cloud.google.com/apis/design/errors).
    """
    error = _innermost_error(response)
    message = as_str(_said(error))[:MAX_ERROR_CHARACTERS]
    details = as_list(get_field(error, "details"))[:MAX_ERROR_DETAILS]
    reasons = _reasons(error, details)
    return ApiError(
        status=_error_status(status, get_field(error, "code"), reasons),
        message=mask_keys(
            " ".join([message, *_field_violations(details, message)]).strip(), secrets
        ),
        reason=mask_keys(" ".join(reasons), secrets),
        retry_after=_retry_delay(details, message),
        speaker=_speaker(error, details, bool(message or reasons)),
    )


def _speaker(error: Any, details: list[Any], says_something: bool) -> Speaker:
    """Who speaks: a "status" of google.rpc.Code or a type of its details is Google's;
    LiteLLM, which has such names on some routes, adds a "type" or "param"."""
    if not says_something:
        return Speaker.SERVER
    types = (as_str(get_field(detail, "@type")) for detail in details)
    is_named = as_str(get_field(error, "status")) in _RPC_STATUS
    is_typed = any(name.startswith("type.googleapis.com/") for name in types)
    is_gateways = isinstance(error, dict) and {"type", "param"} & {*error}
    is_googles = (is_named or is_typed) and not is_gateways
    return Speaker.GOOGLE if is_googles else Speaker.GATEWAY


def _reasons(error: Any, details: list[Any]) -> list[str]:
    """All names of what happened: Google's "status", those of gateways, which put them
    into "code" (new-api), "type" (LiteLLM) or "reason", and the exact ones of ErrorInfo
    and QuotaFailure."""
    names = ("status", "code", "type", "reason")
    reasons = [get_field(error, name) for name in names]
    reasons += [get_field(detail, "reason") for detail in details]
    reasons += [get_field(v, "quotaId") for v in _each(details, "violations")]
    return [reason[:200] for reason in map(as_str, reasons) if reason]


def _retry_delay(details: list[Any], message: str) -> float | None:
    """The seconds of RetryInfo; gateways often leave the details out, and the sentence
    is all that names them."""
    delays = [read_seconds(get_field(detail, "retryDelay")) for detail in details]
    said = re.search(r"retry in ((?:[\d.]+[hms]){1,3})", message)
    delays.append(read_seconds(said[1].rstrip(".")) if said else None)
    return next((delay for delay in delays if delay is not None), None)


def _field_violations(details: list[Any], message: str) -> list[str]:
    """What BadRequest says of single fields, unless the message says so, too."""
    violations = _each(details, "fieldViolations")
    described = [as_str(get_field(v, "description"))[:500] for v in violations]
    return [description for description in described if description not in message]


def _each(details: list[Any], name: str) -> list[Any]:
    """What all details together list under a name."""
    items = (item for detail in details for item in as_list(get_field(detail, name)))
    return list(itertools.islice(items, MAX_ERROR_DETAILS))


def _error_status(status: int, code: Any, reasons: list[str]) -> int:
    """The HTTP status an error stands for: its own code, if that is an HTTP status;
    in a response that began well, what its name says; else that of the response."""
    number = as_whole(as_word(code))
    if number and 400 <= number <= 599:
        return number
    named = (_RPC_STATUS.get(reason.upper()) for reason in reasons)
    return next(filter(None, named), status) if status < 300 else status


def read_seconds(text: Any) -> float | None:
    """The seconds in Google's "34.4s", or in words its "5h48m6.2s".

    text: any JSON value; None for what is no such text. The first is how JSON writes a
    google.protobuf.Duration, the second stands in Google's sentences on quotas.
    """
    found = re.fullmatch(
        r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,7}(?:\.[0-9]{1,9})?)s?)?",
        as_str(text),
    )
    if not found or not any(found.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def is_error(response: Any) -> bool:
    """Whether a JSON value tells of an error; gateways may do so in a response that
    began well (200), and without the word."""
    if get_field(response, "error"):
        return True
    return not is_response(response) and isinstance(
        _said(_innermost_error(response)), str
    )


def _innermost_error(response: Any) -> Any:
    """The error's object or text. Each gateway on the way puts what it got into an
    error of its own; the innermost one that says something is the cause."""
    outermost, *inner = _errors_within(response)
    telling = [error for error in inner if isinstance(_said(error), str)]
    return telling[-1] if telling else outermost


def _errors_within(response: Any) -> Iterator[Any]:
    """The error of a response, the one within that, and so on."""
    for _ in range(MAX_NESTED_ERRORS):
        error = _error_of(response)
        yield error
        response = _first_read(_NESTED_DIALECTS, error)
        if not response:
            return


def _error_of(response: Any) -> Any:
    """The error's object or text in a response, or None: Google's {"error": {…}}, or
    an array of it; else as a gateway puts it."""
    response = _first(response)
    if not isinstance(response, dict):
        return None
    googles = _first(get_field(response, "error"))
    return googles or _first_read(_GATEWAY_DIALECTS, response)


def _said(error: Any) -> Any:
    """What should be the error's sentence; "msg" is FastAPI's name for it."""
    if isinstance(error, str):
        return error
    return get_field(error, "message") or get_field(error, "msg")


def _first(value: Any) -> Any:
    """The first of a list; anything else as it is."""
    return next(iter(value), None) if isinstance(value, list) else value


def _first_read(readers: Iterable[Callable[[Any], Any]], value: Any) -> Any:
    """What the first of the readers finds that finds something, or None."""
    return next(filter(None, (read(value) for read in readers)), None)


# Gateways' dialects. Each reader knows one, and finds nothing in the others.


def _bare_error(response: Any) -> Any:
    """Kong's {"message": …}, new-api's {"success": false, "message": …}."""
    is_bare = get_field(response, "error") is None and _said(response)
    return response if is_bare else None


def _listed_error(response: Any) -> Any:
    """Cloudflare's {"success": false, "errors": [{"code": …, "message": …}]}."""
    return _first(get_field(response, "errors"))


def _fastapi_error(response: Any) -> Any:
    """FastAPI's {"detail": "…"}, {"detail": [{"loc": …, "msg": …}]}, or LiteLLM's
    {"detail": {"error": "…"}}."""
    detail = _first(get_field(response, "detail"))
    return get_field(detail, "error") or detail


_GATEWAY_DIALECTS = (_bare_error, _listed_error, _fastapi_error)


def _openrouter_raw(error: Any) -> Any:
    """OpenRouter's {"message": …, "metadata": {"raw": "…"}}: beside a sentence of its
    own the text that it got (openrouter.ai/docs/api/reference/errors-and-debugging)."""
    raw = as_str(get_field(get_field(error, "metadata"), "raw"))
    return _first_read(_TEXT_DIALECTS, raw[:_MAX_NESTED_CHARACTERS])


def _nested_object(error: Any) -> Any:
    """A relay that puts the object it got where the sentence should stand."""
    said = _said(error)
    return None if isinstance(said, str) else said


def _nested_text(error: Any) -> Any:
    """A sentence that has a document in it: LiteLLM's, new-api's, any relay's."""
    said = as_str(_said(error))[:_MAX_NESTED_CHARACTERS]
    return _first_read(_TEXT_DIALECTS, said)


_NESTED_DIALECTS = (_openrouter_raw, _nested_object, _nested_text)


def _json_in(text: str) -> Any:
    """JSON among words, as LiteLLM and new-api pass on what they got."""
    return _decoded_in(text) if '"message"' in text else None


def _python_bytes_in(text: str) -> Any:
    """JSON as Python writes bytes: LiteLLM's b'{\\n …}'."""
    if '"message"' not in text:
        return None
    return _decoded_in(re.sub(r"\\([\\nrt'\"])", _unescaped, text))


def _python_dict_in(text: str) -> Any:
    """As Python writes a dict: LiteLLM's {'message': …, 'status': …}."""
    said = re.search(r"[{,]\s*'message': (['\"])(.{1,2000}?)\1\s*[,}]", text)
    if not said:
        return None
    status = re.search(r"'status': '([A-Z_]{1,40})'", text)
    return {"message": said[2], **({"status": status[1]} if status else {})}


_TEXT_DIALECTS = (_json_in, _python_bytes_in, _python_dict_in)
_MAX_NESTED_CHARACTERS = 4 * MAX_ERROR_CHARACTERS  # of a sentence with a document in it


def _decoded_in(text: str) -> Any:
    """The JSON document that begins somewhere in a text, or None."""
    if found := re.search(r"[\[{]\s*[\[{\"]", text):
        with contextlib.suppress(ValueError, RecursionError):
            return json.JSONDecoder().raw_decode(text[found.start() :])[0]
    return None


def _unescaped(escape: re.Match[str]) -> str:
    return " " if escape[1] in "nrt" else escape[1]


class _Rule(NamedTuple):
    """A kind of failure, told by words; by: only where they are this one's."""

    kind: str
    statuses: tuple[int, ...]
    words: str
    by: Speaker | None = None


# First match wins; no statuses = any. The texts are Google's, as gathered from its
# pages and from bug reports of other projects, and those of gateways; `words` are
# looked for in message and reason together.
_ERROR_RULES: tuple[_Rule, ...] = (
    _Rule(
        "key_expired",
        (),
        r"(API key|token)( has|.is|_)? ?expired|expired[ _]key|令牌已过期",
    ),
    _Rule("key_leaked", (), r"(reported|identified) as leaked"),
    _Rule(
        "key_type",
        (),
        r"ACCESS_TOKEN_TYPE_UNSUPPORTED|API keys are (not|no longer) (supported|accepted)",
    ),
    _Rule("key_refused", (), r"API_KEY_INVALID|API key not (valid|found)"),
    _Rule("key_refused", (400,), r"invalid (proxy |virtual )?(api[ _-]?key|token)"),
    _Rule(
        "vertex_disabled",
        (403,),
        r"(?=.*(aiplatform|Vertex AI API)).*(SERVICE_DISABLED|has not been used)",
    ),
    _Rule("vertex_permission", (403,), r"'aiplatform\.[\w.]+' denied"),
    _Rule("vertex_no_project", (403,), r"CONSUMER_INVALID|denied on resource project"),
    _Rule("vertex_quota", (429,), r"aiplatform\.googleapis\.com/|per_base_model"),
    _Rule("api_disabled", (), r"SERVICE_DISABLED|has not been used in project"),
    _Rule("key_restricted", (403,), r"API_KEY_\w+_BLOCKED|address restriction"),
    _Rule("key_restricted", (403,), r"are blocked", Speaker.GOOGLE),
    # As gateways say it, such as LiteLLM and new-api.
    _Rule(
        "budget",
        (),
        r"budget.{1,20}exceeded|ExceededBudget|over budget|crossed budget|"
        r"insufficient.{1,20}(quota|credit|balance)|[额余]额不足|"
        r"额度已用尽|spend(ing)? (cap|limit)",
    ),
    _Rule("budget", (402,), r""),
    # LiteLLM without its database; Portkey without its headers.
    _Rule(
        "gateway_setup",
        (),
        r"no_db_connection|no connected db|x-portkey-|cf-aig-",
        Speaker.GATEWAY,
    ),
    _Rule(
        "no_deployment",
        (),
        r"no (healthy )?deployments? available|no healthy deployments?",
    ),
    _Rule(
        "model_unknown",
        (),
        r"model_not_found|invalid model name|no available channel for model|"
        r"not a valid model|unexpected model name",
    ),
    _Rule(
        "permission",
        (),
        r"not allowed to access model|has no access to model|model_access_denied",
    ),
    _Rule("key_refused", (401,), r""),
    _Rule("key_refused", (403,), r"unregistered callers|without established identity"),
    _Rule("billing", (400, 403), r"billed users|dunning|paid (tier|plan)"),
    _Rule("billing", (400, 403), r"billing", Speaker.GOOGLE),
    _Rule(
        "region",
        (),
        r"location is not supported|"
        r"not (available|supported) in your (current )?(country|region|location)",
    ),
    _Rule("prompt_blocked", (400, 403), r"content.?filter|moderation|safety filter"),
    _Rule("prompt_blocked", (400,), r"prompt could not be submitted|sensitive words"),
    _Rule("prompt_blocked", (400,), r"prompt.{1,40}(blocked|flagged|filtered)"),
    _Rule("account_limited", (403,), r"has been (suspended|denied access)"),
    _Rule("quota_prepaid", (429,), r"prepa(y|id)"),
    _Rule("billing", (429,), r"billing account"),
    _Rule("quota_zero", (429,), r"limit: 0\b|-FreeTier"),
    _Rule("quota_day", (429,), r"per.?day"),
    _Rule("quota_minute", (429,), r"PerMinute"),
    _Rule("capacity", (429,), r"check quota|capacity|exhausted\. Please try"),
    _Rule("overloaded", (500, 503, 529), r"model is overloaded|high demand"),
    _Rule(
        "address_unknown",
        (404, 405),
        r"^\s*(404 )?(page |method |resource )?not (found|allowed)|"
        r"^(invalid url|no route matched|cannot post)\b",
    ),
    _Rule(
        "model_retired",
        (404, 410),
        r"no longer available|retired|shut ?down|discontinued|deprecated",
    ),
    _Rule("model_retired", (400,), r"model.{1,80}(no longer available|shut ?down)"),
    _Rule(
        "too_large",
        (400,),
        r"payload size exceeds|token count|too (large|long)|number of pixels|"
        r"(fewer than \d+|too many|\d+) images",
    ),
    _Rule(
        "parameter",
        (400,),
        r"output.?mime|image_?output|output_?(options|format)|compression.?quality|"
        r"person.?generation",
    ),
    _Rule("api_version", (400,), r"Unknown name .{1,3}responseModalities"),
    _Rule(
        "input_picture",
        (400,),
        r"input image|image is not valid|MIME type|image format|process image",
    ),
    _Rule("system_refused", (400,), r"(developer|system).?instruction"),
    _Rule(
        "no_image_model",
        (400,),
        r"response.modalities|support image generation|multi-modal output",
    ),
    _Rule("request", (400,), r"multi-?turn|input modality"),
    _Rule(
        "parameter",
        (400,),
        r"Unknown name|not supported|not enabled|aspect|image_?size|safety|threshold|"
        r"thinking",
    ),
    _Rule("gateway_timeout", (504,), r"DEADLINE_EXCEEDED|deadline expired"),
    _Rule("gateway_gave_up", (408, 500, 502, 504), r"timed out|litellm\.Timeout"),
    # As aiohttp and httpx say it, with which gateways are written.
    _Rule(
        "broken_off",
        (500, 502, 503),
        r"payload is not completed|incomplete chunked read|connection lost",
        Speaker.GATEWAY,
    ),
)
# What a status means that no rule has words for, by who says it. Behind a 502, 503 or
# 504 of somebody else Google may be well, and its work go on and be billed.
_GOOGLES_STATUSES: dict[int, str] = {
    **dict.fromkeys((400, 409, 416, 422), "request"),
    **{403: "permission", 404: "model_unknown", 405: "address_unknown"},
    **{410: "model_unknown", 413: "too_large"},
    **dict.fromkeys((408, 504), "gateway_timeout"),
    **dict.fromkeys((500, 502), "internal"),
    **dict.fromkeys((503, 529), "overloaded"),
}
_OTHERS_STATUSES: dict[int, str] = {
    **dict.fromkeys((400, 409, 414, 416, 422, 431), "gateway_request"),
    **{403: "permission", 404: "model_unknown", 405: "address_unknown"},
    **{407: "proxy", 410: "model_unknown", 413: "too_large_on_the_way"},
    **dict.fromkeys((500, 520), "internal"),
    # Those from 521 on are Cloudflare's.
    **dict.fromkeys((502, 503, 521, 522, 523, 525, 526, 529, 530), "gateway_down"),
    **dict.fromkeys((408, 504, 524), "gateway_gave_up"),
}
_STATUSES = {
    Speaker.GOOGLE: _GOOGLES_STATUSES,
    Speaker.GATEWAY: _OTHERS_STATUSES,
    Speaker.SERVER: {**_OTHERS_STATUSES, 404: "address_unknown"},
}


class _Server(NamedTuple):
    """A web server: how its pages or its "Server" header tell it, and what it calls the
    limit of a request."""

    name: str
    words: str
    limit: str = ""


_SERVERS: tuple[_Server, ...] = (
    _Server("nginx", r"nginx|openresty", "client_max_body_size"),
    _Server(
        "HAProxy",
        r"haproxy|No server is available to handle this request|"
        r"server didn't respond in time|invalid or incomplete response",
    ),
    _Server("Caddy", r"caddy", "request_body max_size"),
    _Server("Apache", r"apache", "LimitRequestBody"),
    _Server("Cloudflare", r"cloudflare"),
    _Server("Envoy", r"envoy|upstream connect error", "max_request_bytes"),
    _Server("squid", r"squid", "request_body_max_size"),
    _Server("tinyproxy", r"tinyproxy"),
    _Server("IIS", r"microsoft-iis", "maxAllowedContentLength"),
)


def explain_error(
    error: ApiError, stray: bytes = b"", server: str = "", **values: Any
) -> GeminiError:
    """The failure behind an error, for the caller to raise.

    stray: the text of a response that is not JSON. server: its header of that name.
    values: what the message's placeholders stand for (see FAILURES); "status",
    "details", "seconds", "who" and "limit_name" are filled in here.
    """
    kind = _error_kind(error, stray)
    delay = error.retry_after
    if kind == "quota_minute" and delay:
        values["seconds"] = round(delay) or 1
    # An error in a response that began well (200) may name no status of its own.
    status = f"HTTP {error.status}" if error.status >= 300 else ""
    values["status"] = status and make_note("in_brackets", text=status)
    values["details"] = quote_sentence(f"{status} {error.reason}", 200)
    page = page_text(stray)
    values |= _who_spoke(error, f"{server} {page}", values.get("host", ""))
    said = without_markup(error.message) or page
    return GeminiError(kind, _spoken(quote_sentence(said)), delay, **values)


def _spoken(text: str) -> str:
    """A sentence; nothing for a bare code such as "SAFETY", which tells nobody anything."""
    return "" if re.fullmatch(r"[A-Z0-9_.\s]+", text) else text


class FailedResponse(NamedTuple):
    """A response that holds nothing to show.

    objects: the JSON in it. stray: what else came. is_page: whether that is a web page.
    """

    status: int
    headers: Mapping[str, str]
    objects: Sequence[Any]
    stray: bytes | bytearray
    is_page: bool


def explain_response(
    response: FailedResponse, secrets: Sequence[str], **values: Any
) -> GeminiError:
    """The failure behind such a response, for the caller to raise, without the secrets.

    values: what the message's placeholders stand for.
    """
    if 300 <= response.status < 400:
        location = mask_keys(response.headers.get("Location", ""), secrets)
        if target := host_name(location):
            values["target"] = target
        return GeminiError("redirect", **values)
    error = next((each for each in response.objects if is_error(each)), None)
    if error is None and response.status == 200:
        return GeminiError("web_page" if response.is_page else "unreadable", **values)
    received = response.objects if error is None else error
    found = read_error(response.status, received, secrets)
    if found.retry_after is None:
        seconds = read_seconds(response.headers.get("Retry-After"))
        found = replace(found, retry_after=seconds)
    stray = mask_keys(response.stray.decode("utf-8", "replace"), secrets)
    server = response.headers.get("Server", "")
    return explain_error(found, stray.encode(), server, **values)


def host_name(address: str) -> str:
    """The host in an address that a stranger has written, if it fits a message."""
    try:
        name = urlsplit(address).hostname or ""
    except ValueError:
        name = ""
    return name if re.fullmatch(r"[\w.:-]{1,100}", name) else ""


def _who_spoke(error: ApiError, words: str, host: str) -> dict[str, str]:
    """Who answered, as a person would call them, and what they call their limit."""
    if error.speaker is Speaker.GOOGLE:
        return {"who": "Google"}
    if not host:
        return {}
    if error.speaker is Speaker.GATEWAY:
        return {"who": host}
    for server in _SERVERS:
        if re.search(server.words, words, re.IGNORECASE):
            limit = {"limit_name": server.limit} if server.limit else {}
            return {"who": f"{host} ({server.name})", **limit}
    return {"who": host}


def _error_kind(error: ApiError, stray: bytes) -> str:
    """The key of FAILURES for an error: mostly as the rules have it."""
    if error.status in (401, 403) and not error.message and is_page(stray):
        return "web_page"  # a firewall's or a login's; it knows nothing of the key
    kind = _kind_by_words(error) or _STATUSES[error.speaker].get(error.status, "http")
    if error.status == 429 and kind == "http":
        # Which quota it is shows in the delay: a minute's is there again within one.
        is_long = error.retry_after and error.retry_after > 60
        return "quota_day" if is_long else "quota_minute"
    return kind


def _kind_by_words(error: ApiError) -> str:
    said = f"{error.message} {error.reason}"
    for rule in _ERROR_RULES:
        is_status = not rule.statuses or error.status in rule.statuses
        is_speaker = rule.by in (None, error.speaker)
        if is_status and is_speaker and re.search(rule.words, said, re.IGNORECASE):
            return rule.kind
    return ""


# finishReason and blockReason of google-genai 3.6.1 (types.py); anything unknown is
# read as "could not make a picture" and quoted.
_REFUSALS = {
    "MAX_TOKENS": "cut_off",
    "SAFETY": "picture_safety",
    "IMAGE_SAFETY": "picture_safety",
    "BLOCKLIST": "picture_safety",
    "SPII": "picture_safety",
    "MODEL_ARMOR": "picture_safety",
    "JAILBREAK": "picture_safety",
    "PROHIBITED_CONTENT": "picture_prohibited",
    "IMAGE_PROHIBITED_CONTENT": "picture_prohibited",
    "RECITATION": "picture_recitation",
    "IMAGE_RECITATION": "picture_recitation",
    "NO_IMAGE": "no_picture",
    "ESCALATION": "picture_safety",
    "TOO_MANY_TOOL_CALLS": "too_many_searches",
    "MISSING_THOUGHT_SIGNATURE": "no_signature",
    "PUP_LIMITED_DISABLED": "account_limited",
}


def explain_refusal(refusal: Refusal, **values: Any) -> GeminiError:
    """The failure behind a finishReason, blockReason or filter reason.

    values: what the message's placeholders stand for (see FAILURES). Google's sentence
    is quoted; its name for the reason is for administrators.
    """
    kind = _REFUSALS.get(refusal.reason, "picture_failed")
    if refusal.about == "prompt":
        kind = "prompt_blocked"
    values["details"] = quote_sentence(refusal.reason, 200)
    said = _spoken(quote_sentence(refusal.message))
    return GeminiError(kind, said, **values)


# ── Costs ─────────────────────────────────────────────────────────────────────────────
# What pictures cost before they are made, how much is allowed, and what was spent.


class Estimate(NamedTuple):
    """About what one picture will cost in USD, and whether its model's price is known."""

    usd: float
    is_known: bool = True


def estimate_picture(model_id: str, size: str | None) -> Estimate:
    """What one picture of that size will cost; the dearest that is known where the price
    of the model is not. size: None leaves it to the model, which makes 1K."""
    if facts := model_facts(model_id):
        return Estimate(_picture_price(facts, size or "1K"))
    dearest = max(_picture_price(facts, size or "1K") for facts in CURRENT_MODELS)
    return Estimate(dearest, is_known=False)


def _picture_price(facts: ModelFacts, size: str) -> float:
    prices = facts.prices.pictures
    return prices.get(size, max(prices.values()))


@dataclass(frozen=True)
class Ceilings:
    """The most that one prompt may ask for."""

    image_size: str = SIZES[-1]
    count: int = MAX_PICTURES_PER_PROMPT


def within_ceilings(
    options: ImageOptions, notes: Sequence[Note], ceilings: Ceilings
) -> tuple[ImageOptions, list[Note]]:
    """The options as far as they are allowed, and their notes with those on what is not.

    Whoever asked, and how, makes no difference: this stands behind the merging of all
    that says something about options.
    """
    said = list(notes)
    size, count = options.image_size, options.count
    if size and SIZES.index(size) > SIZES.index(ceilings.image_size):
        what = make_note("image_size")
        values = {"what": what, "asked": size, "got": ceilings.image_size}
        said.append(make_note("size_ceiling", **values))
        options = replace(options, image_size=ceilings.image_size)
    if count > ceilings.count:
        said = [note for note in said if note.kind != "count_cut"]
        said.append(make_note("count_cut", limit=ceilings.count))
        options = replace(options, count=ceilings.count)
    return options, said


class Payer(NamedTuple):
    """Whose money it is: the server's, spent by a user, or the user's own."""

    user: str
    own_key: bool = False


def choices_within(
    choices: Mapping[str, Sequence[str]], ceilings: Ceilings
) -> dict[str, Sequence[str]]:
    """What of a model's choices, by the fields of ImageOptions, may be asked for."""
    largest = SIZES.index(ceilings.image_size)
    sizes = [size for size in choices["image_size"] if SIZES.index(size) <= largest]
    counts = [count for count in choices["count"] if int(count) <= ceilings.count]
    return {**choices, "image_size": sizes, "count": counts}


@dataclass(frozen=True)
class Spent:
    """How many pictures were made, and about what they cost in USD."""

    pictures: int = 0
    usd: float = 0.0

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(self.pictures + other.pictures, self.usd + other.usd)

    def beyond(self, other: "Spent") -> "Spent":
        """What there is more of than of the other; never less than nothing."""
        pictures = max(self.pictures - other.pictures, 0)
        return Spent(pictures, max(self.usd - other.usd, 0.0))


class Recorded(NamedTuple):
    """What the records of a user's pictures say: of all, and of those of this worker."""

    in_all: Spent = Spent()
    of_worker: Spent = Spent()


_MICRO = 1_000_000  # millionths of a dollar, which databases add up exactly
MARK_DIGITS = 9
_MAX_MARKED_USD = 999.0
WORKER_SIGNS = 8
MARK_KEY = "spent"  # under which a picture's record has its mark


def spent_mark(account: Payer, worker: str, price: float) -> str:
    """What the record of a picture says for the sums to come, such as
    "server 1a2b3c4d 000033600": who paid, which worker made it, how much it was.

    Databases find a text of one form in a file's metadata without reading their JSON.
    That takes a tenth of the time, and no row that a user has put there, with what a
    database takes for no JSON, can make an end of the sum.
    """
    millionths = round(min(max(price, 0.0), _MAX_MARKED_USD) * _MICRO)
    return f"{payer_of(account)} {worker} {millionths:0{MARK_DIGITS}}"


def payer_of(account: Payer) -> str:
    """Whose key a picture was made with, as marks say it."""
    return "user" if account.own_key else "server"


def recorded(row: Sequence[Any]) -> Recorded:
    """What a row of sums says: pictures and millionths of all, and of this worker."""
    in_all, usd, of_worker, usd_of_worker = (int(number or 0) for number in row)
    return Recorded(
        Spent(in_all, usd / _MICRO), Spent(of_worker, usd_of_worker / _MICRO)
    )


def spent_in_all(recorded: Recorded, made_here: Spent) -> Spent:
    """What was spent by the records of all workers and by the memory of this one, which
    also knows of pictures without a record: deleted ones, and those within a message.

    A record that somebody forged adds to the sum and takes nothing away from it.
    """
    return recorded.in_all.plus(made_here.beyond(recorded.of_worker))


def pictures_within(left: float, price: float, count: int) -> int:
    """How many of so many pictures may be made for what is left in USD."""
    if price <= 0:
        return count
    # A sum of many prices is not exact, and the last cent is not to be lost to that.
    return max(min(count, math.floor(left / price + 1e-6)), 0)


def needs_question(usd: float, above: float) -> bool:
    """Whether somebody is to be asked before so much is spent; 0 is never."""
    return 0 < above < usd


def begin_of_day(now: datetime) -> datetime:
    """The midnight before, by the same clock: the first of two, where it is put back
    over midnight."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)


def begin_of_next_day(now: datetime) -> datetime:
    """The midnight to come, by the same clock. What is dated later was made while the
    clock was wrong, and would else count on each day until then."""
    return begin_of_day(now + timedelta(days=1))


def begin_of_month(now: datetime) -> datetime:
    """The first midnight of the month, by the same clock."""
    return begin_of_day(now).replace(day=1)


@dataclass(eq=False)
class Reservation:
    """Pictures of one account that are under way, and what each of them will cost."""

    account: Payer
    price: float
    pictures: int

    @property
    def usd(self) -> float:
        """What all of them will cost."""
        return self.price * self.pictures


class Ledger:
    """What one worker knows of what its users spend: pictures that are under way, and
    those that it made this month, by day.

    Days are told to it.
    """

    def __init__(self) -> None:
        self._under_way: dict[Payer, set[Reservation]] = {}
        self._made: dict[Payer, dict[date, Spent]] = {}

    def reserve(self, reservation: Reservation) -> None:
        """Count its pictures as under way until it is released."""
        self._under_way.setdefault(reservation.account, set()).add(reservation)

    def release(self, reservation: Reservation) -> None:
        """Nothing of it is under way any more; it may be released already."""
        mine = self._under_way.get(reservation.account, set())
        mine.discard(reservation)
        if not mine:
            self._under_way.pop(reservation.account, None)

    def settle(self, reservation: Reservation, price: float, day: date) -> None:
        """A picture of it was made on that day, for that price."""
        reservation.pictures = max(reservation.pictures - 1, 0)
        self.add(reservation.account, price, day)

    def add(self, account: Payer, price: float, day: date) -> None:
        """Remember a picture that was made on that day, which may be one of the month
        before: it was begun then, and stored behind another of this month."""
        days = self._made.pop(account, {})  # to its end: who came last is kept longest
        days = {d: s for d, s in days.items() if d >= day.replace(day=1)}
        days[day] = days.get(day, Spent()).plus(Spent(1, price))
        self._made[account] = days
        if len(self._made) > MAX_LEDGER_USERS:
            del self._made[next(iter(self._made))]

    def under_way(self, account: Payer) -> float:
        """What an account's pictures that are under way will cost, in USD."""
        return math.fsum(r.usd for r in self._under_way.get(account, ()))

    def made(self, account: Payer, since: date) -> Spent:
        """What this worker has made for an account since that day."""
        days = self._made.get(account, {})
        total = Spent()
        for day, spent in days.items():
            if day >= since:
                total = total.plus(spent)
        return total


# ── Threads ───────────────────────────────────────────────────────────────────────────
# Work beside the event loop, and when it may begin.


class DaemonThreads:
    """Runs jobs on daemon threads, so many at a time; the others wait in line.

    The loop's default executor is the host's: long waits there would starve it. The
    threads of concurrent.futures would keep the host from ending. A thread stays for a
    while when it has nothing to do: starting one holds the event loop until it runs.
    """

    def __init__(self, limit: int, name: str) -> None:
        self._limit = limit
        self._name = name
        self._threads = 0
        self._free = 0  # threads without a job, those among them that only just start
        self._waiting: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition()

    def start(self, job: Callable[[], None]) -> None:
        """Run a job that raises nothing, after those that wait already.

        Raises RuntimeError when the system has no thread for it.
        """
        with self._changed:
            self._waiting.append(job)
            try:
                while len(self._waiting) > self._free and self._threads < self._limit:
                    self._add_thread()
            except RuntimeError:
                if not self._threads:  # nobody would ever take it
                    self._waiting.remove(job)
                    raise
            self._changed.notify(len(self._waiting))

    def _add_thread(self) -> None:
        threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._threads += 1
        self._free += 1

    def _work(self) -> None:
        while job := self._next_job():
            job()
            del job  # what it holds may be large
            with self._changed:
                self._free += 1

    def _next_job(self) -> Callable[[], None] | None:
        """The next job, or None when the thread is not needed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting, IDLE_THREAD)
            self._free -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result, computed on a thread while the loop goes on."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        self.start(partial(_settle, future, function, *arguments))
        waiting = asyncio.wrap_future(future)
        try:
            return await waiting
        finally:
            del future, waiting  # see _settle


def _settle(
    future: concurrent.futures.Future[Any],
    function: Callable[..., Any],
    *arguments: Any,
) -> None:
    """Put the function's result, or its exception, into the future.

    An exception knows all frames that it came through, and they what may be large. A
    future that holds it and stands in one of them would keep all of that in memory,
    until Python some day looks for such circles.
    """
    try:
        if future.set_running_or_notify_cancel():
            future.set_result(function(*arguments))
    except BaseException as error:  # goes to the waiter, whatever it is
        future.set_exception(error)
    finally:
        del future


class Bounds(NamedTuple):
    """How much a line lets in at a time: in all, and of one owner."""

    in_all: int
    of_one: int


class TurnMissed(Exception):
    """Somebody's turn did not come in time.

    is_own_limit: whether nothing was in the way but what the same owner has in the line.
    """

    def __init__(self, is_own_limit: bool) -> None:
        super().__init__(is_own_limit)
        self.is_own_limit = is_own_limit


class Place:
    """A place in a line, for one who waits for it, then has it, then leaves it.

        with line.place("ada", Bounds(64, 32)) as place:
            await place.enter(seconds=300)

    The end of the block leaves the line in any case, whether the turn had come or not.
    """

    def __init__(self, line: "FairLine", owner: str, bounds: Bounds) -> None:
        self._line = line
        self.owner, self.bounds, self.weight = owner, bounds, 1
        self.is_in = False
        self.turn: asyncio.Future[None] | None = None

    async def enter(self, seconds: float, weight: int = 1) -> None:
        """Return when it is its turn: at once where there is room. Raises TurnMissed.
        To be called once.

        weight: how much of the bounds it takes; what is more than them, all of them.
        """
        self.weight = min(weight, *self.bounds)
        self._line.join(self)
        if self.is_in:
            return
        self.turn = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self.turn
        except TimeoutError:
            raise TurnMissed(self._line.lacks_only_share(self)) from None

    def leave(self) -> None:
        """Give the place back, or wait for it no longer."""
        self._line.leave(self)

    def lighten(self, weight: int) -> None:
        """Give back what it takes beyond that weight."""
        self._line.lighten(self, weight)

    @property
    def before(self) -> int:
        """How many will be let in before this one, as the line stands now."""
        return self._line.count_before(self)

    def __enter__(self) -> "Place":
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


class FairLine:
    """Lets in so much at a time, and of those who wait each owner in turn.

    Who has the share of one owner waits for places of their own; all others pass. Who
    only lacks room holds up all behind, or small ones would pass a large one for ever.
    The latest bounds hold for all: settings change. For one event loop, without locks.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bounds = Bounds(1, 1)
        self._inside: set[Place] = set()
        self._weights: Counter[str] = Counter()  # of those inside, by owner
        # By owner; whose turn comes first stands first.
        self._waiting: dict[str, deque[Place]] = {}

    def place(self, owner: str, bounds: Bounds) -> Place:
        """A place of that owner, not yet in line."""
        return Place(self, owner, bounds)

    def join(self, place: Place) -> None:
        """Stand in line; whose turn it is at once is then in."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # of one that has ended nobody comes back
            self._loop = loop
            for forgotten in (self._inside, self._weights, self._waiting):
                forgotten.clear()
        self._bounds = place.bounds
        self._waiting.setdefault(place.owner, deque()).append(place)
        self._let_in()

    def leave(self, place: Place) -> None:
        """Take the place out of the line, wherever it stands; it may be gone."""
        if place in self._inside:
            self._inside.remove(place)
            self._take_off(place, place.weight)
        elif place in (queue := self._waiting.get(place.owner, deque())):
            queue.remove(place)
            if not queue:
                del self._waiting[place.owner]
        self._let_in()

    def lighten(self, place: Place, weight: int) -> None:
        """Let others have what a place that is in takes beyond that weight."""
        if place in self._inside and weight < place.weight:
            self._take_off(place, place.weight - weight)
            place.weight = weight
            self._let_in()

    def is_own_limit(self, place: Place) -> bool:
        """Whether its owner has too much in the line to let it in."""
        mine = self._weights[place.owner]
        return bool(mine) and mine + place.weight > self._bounds.of_one

    def lacks_only_share(self, place: Place) -> bool:
        """Whether there is room for it, but not for more of its owner's."""
        return self.is_own_limit(place) and self._has_room(place)

    def count_before(self, place: Place) -> int:
        """How many will be let in before one that waits, as the line stands now."""
        owners = [*self._waiting]
        own = self._waiting[place.owner].index(place)
        if self.is_own_limit(place):
            return own
        turn = owners.index(place.owner)
        return own + sum(
            min(len(self._waiting[owner]), own + (number < turn))
            for number, owner in enumerate(owners)
            if number != turn
        )

    def _take_off(self, place: Place, weight: int) -> None:
        self._weights[place.owner] -= weight
        if not self._weights[place.owner]:
            del self._weights[place.owner]

    def _let_in(self) -> None:
        while place := self._next():
            queue = self._waiting.pop(place.owner)
            queue.popleft()
            if queue:
                self._waiting[place.owner] = queue  # at the end: others come first
            self._inside.add(place)
            self._weights[place.owner] += place.weight
            place.is_in = True
            if place.turn and not place.turn.done():
                place.turn.set_result(None)

    def _next(self) -> Place | None:
        """Who is to be let in, or None while nobody can be."""
        for queue in self._waiting.values():
            if not self.is_own_limit(queue[0]):
                return queue[0] if self._has_room(queue[0]) else None
        return None

    def _has_room(self, place: Place) -> bool:
        taken = self._weights.total()
        return not taken or taken + place.weight <= self._bounds.in_all


@dataclass(eq=False)
class Caller:
    """On whose behalf one answer takes places in lines.

    owner: the user's id; lines give each owner a turn. places: those in which it waits
    or works at the moment.
    """

    owner: str = ""
    places: set[Place] = field(default_factory=set)

    @contextlib.contextmanager
    def at(self, place: Place) -> Iterator[None]:
        """Note a place while it is waited for or worked at."""
        self.places.add(place)
        try:
            yield
        finally:
            self.places.discard(place)

    @property
    def before(self) -> int | None:
        """How many are before it while it does nothing but wait in line, else None."""
        if any(place.is_in for place in self.places):
            return None
        return min((place.before for place in self.places), default=None)


class Pace:
    """Lets what comes in one moment begin one after the other.

    Forty requests that began together would hold the event loop for a tenth of a
    second, since all of their threads compete for the interpreter lock.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = 0.0

    async def wait(self) -> None:
        """Return when it is the caller's turn: at once, if nobody began just now."""
        now = time.monotonic()
        begin = max(self._next, now)
        self._next = begin + self._seconds
        if begin > now:
            await asyncio.sleep(begin - now)


BEGINNINGS = Pace(0.002)
REQUEST_LINE = FairLine()
BYTES_LINE = FairLine()  # of pictures that are held to be sent
PICTURE_LINE = FairLine()  # of work on them
# As many as REQUEST_LINE lets in, which is a setting.
REQUESTS = DaemonThreads(MAX_SETTING, "gemini-image-request")
LISTS = DaemonThreads(4, "gemini-image-list")
# Apart from one another: a storage of the host may hang, and holds up no picture that
# has come.
HOST_WORK = DaemonThreads(4, "gemini-image-host")
SHORT_WORK = DaemonThreads(4, "gemini-image-work")
PICTURE_WORK = DaemonThreads(1, "gemini-image-picture")  # decoding takes memory


async def in_turn(
    caller: Caller, seconds: float, function: Callable[..., Any], *arguments: Any
) -> Any:
    """What a function makes of pictures when it is the caller's turn: one at a time.

    Raises TurnMissed when it is not done after so many seconds, and what the function
    raises. Work of a caller who goes away before its turn is never begun.
    """
    with PICTURE_LINE.place(caller.owner, Bounds(1, 1)) as place, caller.at(place):
        deadline = asyncio.get_running_loop().time() + seconds
        await place.enter(seconds)
        try:
            async with asyncio.timeout_at(deadline):
                return await PICTURE_WORK.run(function, *arguments)
        except TimeoutError:
            raise TurnMissed(is_own_limit=False) from None


async def work_on(data: bytes, function: Callable[[bytes], Any]) -> Any:
    """What a function makes of some bytes; few of them are not worth a thread."""
    if len(data) <= SLICE:
        return function(data)
    try:
        return await SHORT_WORK.run(function, data)
    except RuntimeError:  # no thread can be had: a picture is worth a short delay
        return function(data)


_UNDER_WAY: set[asyncio.Task[Any]] = set()


async def to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of work that a Stop must not break off in the middle.

    A cancelled database call of the host can leave its transaction open, and with it
    a SQLite database locked. The caller still ends at once.
    """
    task = asyncio.create_task(work)
    _UNDER_WAY.add(task)
    task.add_done_callback(_UNDER_WAY.discard)
    # Nobody else looks at its exception when the caller is gone.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        this = asyncio.current_task()
        if task.cancelled() and not (this and this.cancelling()):
            raise RuntimeError("the host broke it off by itself") from None
        raise
    finally:
        del task  # it holds the exception, whose frames hold it


@lru_cache(maxsize=64)
def _parameters(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


async def call_host(function: Callable[..., Any], **arguments: Any) -> Any:
    """A host function's result: given what it takes, awaited or run on a thread."""
    takes = _parameters(function)
    arguments = {name: arguments[name] for name in arguments if name in takes}
    if inspect.iscoroutinefunction(function):
        return await to_its_end(function(**arguments))
    result = await HOST_WORK.run(lambda: function(**arguments))
    return await result if inspect.isawaitable(result) else result


# ── Storage ───────────────────────────────────────────────────────────────────────────
# How a picture becomes a file of the host's. As in room Host, functions of the host are
# called by the names in their own signatures.

# Under it the record of a picture stands in its file's `meta`.
RECORD_KEY = "gemini_image"


class NewFile(NamedTuple):
    """A picture that is to be stored: under which name, and what is noted with it."""

    image: Image
    name: str
    record: dict[str, Any]


async def store_picture(
    new: NewFile, request: Any, user: Any, place: Mapping[str, str]
) -> str:
    """Store a picture as the host stores its own (routers/images.py), but under a name
    of its own, and with a record. Returns its link; raises whatever the host does.

    user: the host's. place: the chat and the message, or the channel, that show it.
    """
    upload = _upload_function()
    if upload is None:
        return await _store_nameless(new.image, request, user, place)
    file = await call_host(
        upload,
        request=request,
        file=_as_upload(new),
        metadata={**place},
        file_metadata={**place},  # its name in 0.6.5
        process=False,
        user=user,
    )
    await _note_down(file.id, new.record)
    if place.get("message_id"):
        await _link_to_message(file.id, user.id, **place)
    return str(request.app.url_path_for("get_file_content_by_id", id=file.id))


def _upload_function() -> Callable[..., Any] | None:
    """What stores a file under its name; None where the host has no such function."""
    try:
        from open_webui.routers import files
    except ImportError:
        return None
    handler: Callable[..., Any] | None = getattr(files, "upload_file_handler", None)
    of_old: Callable[..., Any] | None = getattr(files, "upload_file", None)
    # 0.6.5 has no handler; the function of others is for requests alone.
    is_old = of_old and "file_metadata" in inspect.signature(of_old).parameters
    return handler or (of_old if is_old else None)


def _as_upload(new: NewFile) -> Any:
    """The file as the host receives one."""
    from fastapi import UploadFile

    headers = {"content-type": new.image.mime}
    return UploadFile(io.BytesIO(new.image.data), filename=new.name, headers=headers)


async def _note_down(file_id: str, record: dict[str, Any]) -> None:
    """Add a record to what the host knows of a file. Never raises.

    It stands beside the host's own facts. The metadata of an upload stand one level
    deeper, and users can say in them what they like (routers/files.py).
    """
    try:
        from open_webui.models.files import Files

        note = Files.update_file_metadata_by_id
        is_noted = await call_host(note, id=file_id, meta={RECORD_KEY: record})
        if not is_noted:  # the host keeps the reason to itself
            log.warning("no record of a picture")
    except Exception as error:
        log.warning("no record of a picture: %s", type(error).__name__)
        log.debug("no record of a picture", exc_info=True)


async def _link_to_message(
    file_id: str, user_id: str, chat_id: str, message_id: str
) -> None:
    """Let those see the file who may see the chat. Never raises: the picture is there
    without it."""
    try:
        from open_webui.models.chats import Chats

        insert = getattr(Chats, "insert_chat_files", None)
        if insert:  # 0.6.5 has none
            await call_host(
                insert,
                chat_id=chat_id,
                message_id=message_id,
                file_ids=[file_id],
                user_id=user_id,
            )
    except Exception as error:
        log.warning("picture not linked to its chat: %s", type(error).__name__)
        log.debug("picture not linked to its chat", exc_info=True)


async def _store_nameless(
    image: Image, request: Any, user: Any, place: Mapping[str, str]
) -> str:
    """Store a picture on a host that takes no name for it."""
    from open_webui.routers.images import upload_image

    result = await call_host(
        upload_image,
        request=request,
        image_data=image.data,
        content_type=image.mime,
        metadata={**place},
        user=user,
    )
    # A link, or (file, link), or (file, {"url": link}): it grew with the versions.
    link = result[-1] if isinstance(result, tuple) else result
    return str(link["url"] if isinstance(link, dict) else link)


async def summed_marks(
    account: Payer, since: float, until: float, worker: str
) -> Recorded:
    """What the records of an account's pictures say, as one row of the host's database.
    Raises whatever the host does.

    since, until: the first moment that counts, and the first that does not, in seconds.
    Contents of files are not read.
    """
    from open_webui.internal import db

    days = {"since": int(since), "until": int(until)}
    values = {"user": account.user, "worker": worker, **days}
    add_up = partial(_sums, payer_of(account), values)
    if context := getattr(db, "get_async_db_context", None):
        return recorded(await to_its_end(_in_session(context, add_up)))
    return recorded(await HOST_WORK.run(_in_session_of_thread, db.get_db, add_up))


async def _in_session(context: Callable[[], Any], work: Callable[[Any], Any]) -> Any:
    async with context() as session:
        return (await work(session)).one()


def _in_session_of_thread(  # before 0.9
    context: Callable[[], Any], work: Callable[[Any], Any]
) -> Any:
    with context() as session:
        return work(session).one()


def _sums(payer: str, values: dict[str, Any], session: Any) -> Any:
    """The row of sums, or what is to be awaited for it."""
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return session.execute(_query_of_sums(payer, is_sqlite), values)


@lru_cache(maxsize=4)
def _query_of_sums(payer: str, is_sqlite: bool) -> Any:
    """The query for pictures and millionths of dollars: all, and those of one worker.

    SQLite and PostgreSQL differ in what finds a text, and in what of a form they compare
    quickly. `offset(0)` keeps them from doing either again for each sum.
    """
    from open_webui.models.files import File
    from sqlalchemy import BigInteger, String, bindparam, cast, func, select

    begin, meta = f'"{MARK_KEY}":"{payer} ', cast(File.meta, String)
    length = len(begin) + WORKER_SIGNS + 1 + MARK_DIGITS
    position = func.instr if is_sqlite else func.strpos
    mark = func.substr(meta, position(meta, f'"{MARK_KEY}":'), length + 2)
    mark = func.replace(mark, '": "', '":"')  # hosts write JSON with blanks or without
    is_asked_for = (
        File.user_id == bindparam("user"),
        File.created_at >= bindparam("since"),
        File.created_at < bindparam("until"),
    )
    found = select(mark.label("mark")).where(*is_asked_for).offset(0).subquery()
    mark, worker = found.c.mark, func.substr(found.c.mark, len(begin) + 1, WORKER_SIGNS)
    digits = func.substr(mark, length - MARK_DIGITS + 1, MARK_DIGITS)
    if is_sqlite:
        form = f'{begin}{"?" * WORKER_SIGNS} {"[0-9]" * MARK_DIGITS}"*'
        is_mark = mark.op("GLOB")(form)
    else:
        form = f'{begin}{"_" * WORKER_SIGNS} {"_" * MARK_DIGITS}"%'
        is_mark = mark.like(form) & (func.ltrim(digits, "0123456789") == "")
    price = cast(digits, BigInteger).label("price")
    is_own = (worker == bindparam("worker")).label("is_own")
    marks = select(price, is_own).where(is_mark).offset(0).subquery()
    both = (func.count(), func.sum(marks.c.price))
    return select(*both, *(sums.filter(marks.c.is_own) for sums in both))


# ── Host ──────────────────────────────────────────────────────────────────────────────
# What else is known of Open WebUI. It and room Storage alone import it: inside
# functions, so that the file loads without a host. Its functions differ from version
# to version; they are called by the names in their own signatures.


class StorageRefused(Exception):
    """The host cannot or will not store a picture.

    why: the host's own words, or a note.
    """

    def __init__(self, why: str | Note) -> None:
        super().__init__(str(why))
        self.why = why


def _refused(error: Exception) -> StorageRefused:
    said = quote_sentence(as_str(getattr(error, "detail", None)), 120)
    return StorageRefused(said or make_note("storage_failed"))


def _log_not_stored(error: Exception) -> None:
    log.warning("picture not stored: %s", type(error).__name__)
    log.debug("picture not stored", exc_info=True)


class FoundPicture(NamedTuple):
    """A picture that a chat names, still unread.

    name: its file's; a pasted one has none. size: its bytes, or a few more. read: returns
    them; it blocks, so it runs on a thread.
    """

    name: str
    size: int
    read: Callable[[], bytes]


class FileRecord(NamedTuple):
    """A file's name and type, the words that the host has read in it, and whether it is
    still about to."""

    name: str
    mime: str
    text: str
    is_pending: bool


@dataclass(frozen=True)
class HostChat:
    """The place an answer goes to; any field may be missing (API calls, old hosts)."""

    request: Any = None
    user: dict[str, Any] = field(default_factory=dict)
    chat_id: str = ""
    message_id: str = ""
    emitter: Callable[[dict[str, Any]], Awaitable[Any]] | None = None
    asker: Callable[[dict[str, Any]], Awaitable[Any]] | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    language: str = ""
    event_lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    def scrub(self, text: str) -> str:
        """A sentence of ours as it may be shown: without anything like a key."""
        return scrubbed(text, self.secrets)

    @property
    def is_saved(self) -> bool:
        """Whether the host keeps the chat under its id."""
        # "local" is a temporary chat of 0.6; those of later hosts have a colon.
        return self.chat_id not in ("", "local") and ":" not in self.chat_id

    @property
    def is_admin(self) -> bool:
        """Whether the one who asks may see what concerns administrators."""
        return self.user.get("role") == "admin" and not self.is_channel

    @property
    def is_asked_by_admin(self) -> bool:
        """Whether an administrator asks, wherever that is."""
        return self.user.get("role") == "admin"

    @property
    def is_channel(self) -> bool:
        """Whether the answer goes to a channel."""
        return self.chat_id.startswith("channel:")

    @property
    def is_read_by_host(self) -> bool:
        """Whether the host reads the answer for a message of a chat, so that no
        program reads along: requests of the page, and automations."""
        return bool(self.chat_id and self.message_id)

    async def status(self, description: str, done: bool) -> None:
        """Show a line of progress."""
        await self.show("status", description=self.scrub(description), done=done)

    async def show_sources(self, sources: Sources) -> None:
        """Show pages as the host's citations, and Google's suggestions in a frame."""
        for address, title in sources.pages:
            await self.show(
                "source",
                source={"name": title, "url": address},
                document=[title],
                metadata=[{"source": address, "name": title}],
            )
        if sources.suggestions:
            await self.show("embeds", embeds=[quiet_page(sources.suggestions)])

    async def show(self, kind: str, **data: Any) -> None:
        """Send the page an event; a failing emitter must not end the answer."""
        if self.emitter is not None:
            await to_its_end(self._emit({"type": kind, "data": data}))

    async def _emit(self, event: dict[str, Any]) -> None:
        try:
            async with self.event_lock:  # the last one said is the last one shown
                if self.emitter is not None:
                    await self.emitter(event)
        except Exception as error:
            log.debug("event not shown: %s", type(error).__name__)

    @property
    def can_ask(self) -> bool:
        """Whether there is somebody to be asked: never in channels, nor by programs."""
        return self.asker is not None and self.is_read_by_host and not self.is_channel

    async def ask(self, title: str, text: str) -> bool | None:
        """What the one at the page says to a question: None where nobody answers in
        time, or can. No host ends the wait by itself, and what is no answer of its
        dialogue, such as {"error": …}, is no Yes (open_webui/socket/main.py)."""
        if self.asker is None:
            return None
        question = {"type": "confirmation", "data": {"title": title, "message": text}}
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT):
                said = await self.asker(question)
        except Exception as error:
            log.debug("question not answered: %s", type(error).__name__)
            return None
        return said if isinstance(said, bool) else None

    async def store(self, new: NewFile) -> str:
        """Keep a picture in the host's storage. Returns its link.

        The link is absolute where there is no chat to resolve a relative one: API
        clients know the host under their own address only. Raises StorageRefused.
        """
        if self.request is None or not self.user.get("id"):
            raise StorageRefused(make_note("no_user"))
        try:
            async with asyncio.timeout(STORE_TIMEOUT):
                link = await self._uploaded(new)
        except TimeoutError:
            log.warning("picture not stored within %d seconds", STORE_TIMEOUT)
            raise StorageRefused(make_note("storage_failed")) from None
        return link if self.chat_id else await self._absolute(link)

    async def _uploaded(self, new: NewFile) -> str:
        """The link of the picture, at the second attempt if need be. Raises
        StorageRefused."""
        try:
            return await self._upload(new)
        except Exception as error:
            _log_not_stored(error)
            if getattr(error, "status_code", 0) == 413:
                raise _refused(error) from None
        await asyncio.sleep(STORE_PAUSE)  # a busy database may take it a moment later
        try:
            return await self._upload(new)
        except Exception as error:
            _log_not_stored(error)
            raise _refused(error) from None

    async def _upload(self, new: NewFile) -> str:
        user = await self._user()
        work = store_picture(new, self.request, user, self._place)
        # No file must stay behind that no message and no sum of prices knows.
        return str(await to_its_end(work))

    @property
    def _place(self) -> dict[str, str]:
        """Where a file belongs to, as the host's metadata of files say it."""
        if self.is_channel:
            return {"channel_id": self.chat_id.removeprefix("channel:")}
        if self.is_saved:
            return {"chat_id": self.chat_id, "message_id": self.message_id}
        return {}

    async def find(self, address: str) -> FoundPicture:
        """The picture that a chat names, and its size before any byte is read.

        A file is found for its owner, an administrator, or whoever the host lets read
        it; nothing is downloaded from elsewhere. Raises UnusablePicture.
        """
        if is_data_uri(address):
            read = partial(data_uri_bytes, address)
            return FoundPicture("", len(address) * 3 // 4, read)
        if len(address) > MAX_ADDRESS_CHARACTERS:
            raise UnusablePicture("remote")
        found = FILE_LINK.fullmatch(address)
        if found and found[1] and not await self._is_own(found[1]):
            raise UnusablePicture("remote")
        file_id = found[2] if found else address
        if not FILE_ID.fullmatch(file_id):
            raise UnusablePicture("remote")
        with _unreadable_is_no_file():
            return await self._find_file(file_id)

    async def read(self, found: FoundPicture) -> bytes:
        """The bytes of a picture. Raises UnusablePicture."""
        with _unreadable_is_no_file():
            return bytes(await HOST_WORK.run(found.read))

    async def saved_chat(self) -> Any:
        """The chat as the host keeps it, as JSON; None where there is none, or it is
        not this user's. Never raises."""
        if not self.is_saved or not self.user.get("id"):
            return None
        try:
            from open_webui.models.chats import Chats

            read = Chats.get_chat_by_id_and_user_id
            row = await call_host(read, id=self.chat_id, user_id=self.user["id"])
            return row.chat if row else None
        except Exception as error:
            log.warning("saved chat not read: %s", type(error).__name__)
            log.debug("saved chat not read", exc_info=True)
            return None

    async def with_records(self, files: Any) -> Any:
        """The host's file entries; to those that are a bare id, as API clients send
        them, the type is added where the file is a picture that may be read."""
        if not any(map(_is_bare, as_list(files)[:MAX_FILE_RECORDS])):
            return files
        known = [
            {**entry, **await self._record(entry["id"])} if _is_bare(entry) else entry
            for entry in files[:MAX_FILE_RECORDS]
        ]
        return known + files[MAX_FILE_RECORDS:]

    async def file_record(self, file_id: str) -> FileRecord:
        """What the host knows of a file that may be read. Raises UnusablePicture."""
        if not FILE_ID.fullmatch(file_id):
            raise UnusablePicture("no_file")
        try:
            file = await self._file(file_id)
        except UnusablePicture:
            raise
        except Exception as error:
            log.warning("file record not read: %s", type(error).__name__)
            log.debug("file record not read", exc_info=True)
            raise UnusablePicture("no_file") from None
        meta, data = (v if isinstance(v, dict) else {} for v in (file.meta, file.data))
        return FileRecord(
            as_str(meta.get("name")) or as_str(file.filename),
            as_str(meta.get("content_type")),
            as_str(data.get("content")),
            is_pending=data.get("status") in ("pending", "processing"),
        )

    async def _record(self, file_id: str) -> dict[str, str]:
        """What an entry says of a file that is a picture; nothing of any other."""
        try:
            file = await self._file(file_id)
            mime = as_str((file.meta or {}).get("content_type"))
            if mime in ("", "application/octet-stream"):  # nobody knew it at the upload
                mime = image_type(await HOST_WORK.run(_file_head, file)) or ""
            return {"content_type": mime} if mime.startswith("image/") else {}
        except Exception as error:  # no file, none that may be read, or lost
            log.debug("no record of a file: %s", type(error).__name__)
            return {}

    async def _is_own(self, origin: str) -> bool:
        own = (str(getattr(self.request, "base_url", "")), await _public_address())
        try:
            return urlsplit(origin).netloc in {urlsplit(base).netloc for base in own}
        except ValueError:
            return False

    async def _find_file(self, file_id: str) -> FoundPicture:
        file = await self._file(file_id)
        size = await HOST_WORK.run(_file_size, file)
        name = str((file.meta or {}).get("name") or file.filename)
        return FoundPicture(name, size, partial(_file_bytes, file, size))

    async def _file(self, file_id: str) -> Any:
        """The record of a file that may be read. Raises UnusablePicture."""
        from open_webui.models.files import Files

        file = await call_host(Files.get_file_by_id, id=file_id)
        user = await self._user() if self.user.get("id") else None
        if file is None or user is None or not await _may_read(file, user):
            raise UnusablePicture("no_file")
        return file

    async def _user(self) -> Any:
        """The host's user; it hands over all of it, or (old hosts) not enough."""
        from open_webui.models.users import UserModel, Users

        try:
            return UserModel(**self.user)
        except ValueError:
            return await call_host(Users.get_user_by_id, id=self.user["id"])

    async def _absolute(self, link: str) -> str:
        base = await _public_address()
        if not base or urlsplit(base).hostname == "localhost":  # a default of old hosts
            base = str(getattr(self.request, "base_url", ""))
        return base.rstrip("/") + link


async def _may_read(file: Any, user: Any) -> bool:
    """The host's own rule for files (routers/files.py)."""
    if file.user_id == user.id or user.role == "admin":
        return True
    try:
        from open_webui.utils.access_control.files import has_access_to_file
    except ImportError:  # where old hosts have it
        from open_webui.routers.files import has_access_to_file
    return bool(
        await call_host(
            has_access_to_file, file_id=file.id, access_type="read", user=user
        )
    )


@contextlib.contextmanager
def _unreadable_is_no_file() -> Iterator[None]:
    """Whatever goes wrong in the host's storage becomes UnusablePicture."""
    try:
        yield
    except UnusablePicture:
        raise
    except Exception as error:
        log.warning("picture not read: %s", type(error).__name__)
        log.debug("picture not read", exc_info=True)
        raise UnusablePicture("no_file") from None


def _is_bare(entry: Any) -> bool:
    """Whether a file entry says nothing but which file it is."""
    if not isinstance(entry, dict) or entry.get("type", "file") != "file":
        return False
    says = any(entry.get(name) for name in ("name", "content_type", "file"))
    return not says and bool(FILE_ID.fullmatch(as_str(entry.get("id"))))


def _path_here(file: Any) -> str:
    """Where a file lies on this disk; the host fetches one that is kept elsewhere."""
    from open_webui.storage.provider import Storage

    return str(Storage.get_file(file.path))


def _file_size(file: Any) -> int:
    """The bytes of a file; of one that would have to be fetched, as its record says."""
    recorded = (file.meta or {}).get("size")
    if "://" in file.path and isinstance(recorded, int) and recorded > 0:
        return recorded
    return os.path.getsize(_path_here(file))


def _file_head(file: Any) -> bytes:
    with open(_path_here(file), "rb") as opened:
        return opened.read(FILE_HEAD)


def _file_bytes(file: Any, size: int) -> bytes:
    with open(_path_here(file), "rb") as opened:
        data = opened.read(size + 1)
    if len(data) > size:  # more than room was made for
        raise UnusablePicture("too_large")
    return data


# Before 0.9 it did so after strings alone (open_webui/functions.py).
_LEAVES_STREAMS_OPEN = re.compile(r"0\.[1-8]\.")


def host_closes_streams() -> bool:
    """Whether the host ends the stream of a generator with a chunk of its own. One whose
    version cannot be told is a new one; outside a host there is none that would."""
    env = sys.modules.get("open_webui.env")  # a host has it; others cannot import it
    version = as_str(getattr(env, "VERSION", None))
    return env is not None and not _LEAVES_STREAMS_OPEN.match(version)


def user_language(metadata: dict[str, Any]) -> str:
    """The language of the page of the one who asks, which programs do not tell."""
    variables = metadata.get("variables")
    return as_str(get_field(variables, "{{USER_LANGUAGE}}"))


def accepted_languages(request: Any) -> str:
    """The Accept-Language of a request of the host (starlette), or nothing."""
    try:
        return as_str(request.headers.get("accept-language"))
    except AttributeError:
        return ""


async def _public_address() -> str:
    """The address that the administrator set (Settings → General), or nothing."""
    return await _host_setting("webui.url", "WEBUI_URL")


# Of what the host writes around users' words: its key, and its name before 0.10.
_TEMPLATES = {
    "documents": ("rag.template", "RAG_TEMPLATE"),
    "code": ("code_interpreter.prompt_template", "CODE_INTERPRETER_PROMPT_TEMPLATE"),
    "voice": ("task.voice.prompt_template", "VOICE_MODE_PROMPT_TEMPLATE"),
}


async def host_template(kind: str) -> str:
    """A template that the administrator set (Settings → Documents, Code Execution,
    Interface), or nothing. kind: "documents", "code" or "voice"."""
    return await _host_setting(*_TEMPLATES[kind])


async def _host_setting(key: str, old_name: str) -> str:
    """A text among the host's settings: by its key, or by its name before 0.10."""
    try:
        try:
            from open_webui.models.config import Config

            value = await call_host(Config.get, key=key)
        except ImportError:
            import open_webui.config as old

            value = getattr(old, old_name)
            value = getattr(value, "value", value)
    except Exception:
        log.debug("no setting %s", key, exc_info=True)
        return ""
    return value if isinstance(value, str) else ""


async def referenced_ids() -> set[str]:
    """This function's model ids that the host's model settings and presets name.

    Empty outside a host. Every model row of the host is looked at: its own id (a
    setting of one of our models) and the id it is based on (a preset).
    """
    function_id = re.sub(r"^function_|_[0-9a-f]{32}$", "", __name__)
    try:
        from open_webui.models.models import Models

        rows = await call_host(Models.get_all_models)
    except Exception:
        log.debug("no model settings", exc_info=True)
        return set()
    ids = {str(i) for row in rows for i in (row.id, row.base_model_id) if i}
    prefix = f"{function_id}."
    return {i.removeprefix(prefix) for i in ids if i.startswith(prefix)}


# ── Settings ──────────────────────────────────────────────────────────────────────────
# What administrators and users can set in the host's own dialogues.


# Of lists as keyboards for Chinese and Japanese write them, too, or with what a copy
# from a page or a JSON text brings along.
_BETWEEN_ENTRIES = re.compile(r"[,;，；、\s]+")
_BETWEEN_NAMES = re.compile(r"[,;，；、\n]+")
_AROUND_ENTRIES = "\"'“”‘’「」`\u200b\ufeff"
_BRACKETS = re.compile(r"\[(?=\s*[\"'])|(?<=[\"'])\s*\]")


def split_list(text: str) -> list[str]:
    """The entries of a list of ids or keys that somebody typed."""
    return _entries(text, _BETWEEN_ENTRIES)


def split_names(text: str) -> list[str]:
    """The entries of a list of names that somebody typed; there may be blanks in them."""
    return _entries(text, _BETWEEN_NAMES)


def _entries(text: str, between: re.Pattern[str]) -> list[str]:
    parts = between.split(_BRACKETS.sub(" ", text))
    return list(filter(None, (part.strip().strip(_AROUND_ENTRIES) for part in parts)))


_MAY_BE_ZERO = ("HISTORY_IMAGES", "MAX_RETRIES", "MAX_PARALLEL_REQUESTS_PER_USER")


def _accept(value: Any, default: Any, minimum: int) -> Any:
    """A saved value as the type of its default, or the default where it cannot be.

    A value that fails validation would take the whole model list down with it, and
    hosts keep what older releases or a hand have saved.
    """
    if isinstance(default, bool):
        return SWITCH.get(as_word(value).lower(), default)
    if isinstance(default, float):
        return _dollars(value)
    if isinstance(default, int):
        try:
            number = int(float(str(value)))
        except (ValueError, OverflowError):
            return default
        return min(number, MAX_SETTING) if number >= minimum else default
    text = value if isinstance(value, str) else as_word(value) or default
    return without_surrogates(text)


# Before an amount may stand a currency, or a quote, but no minus.
_AMOUNT = re.compile(
    r"[^0-9.,\u2212-]{0,20}([0-9]{1,300}(?:[.,][0-9]{1,300})?|[.,][0-9]{1,300})"
)


def _dollars(value: Any) -> float:
    """An amount of money that somebody typed, or 0 for what is none: "5", "US$5",
    "5,50", "5 USD", "５"."""
    text = f"{value:f}" if isinstance(value, float) else as_word(value)
    found = _AMOUNT.match(unicodedata.normalize("NFKC", text[:MAX_AMOUNT_CHARACTERS]))
    return min(float(found[1].replace(",", ".")), MAX_USD) if found else 0.0


# A class has one language for all; manifest.json has the others, for hosts that know them.
def _setting(name: str, default: Any, **extra: Any) -> Any:
    description = valve_description(name, ENGLISH)
    return Field(default, description=description, json_schema_extra=extra)


def _choice(name: str, of_user: bool = False) -> Any:
    """One of OPTIONS with a drop-down: every version of the host shows an enum as one.
    "auto" leaves the choice to whoever stands behind it in the order of settings.
    """
    option = OPTION_BY_NAME[name]
    description = option_description(option.field, ENGLISH, of_user)
    extra: Any = {"enum": ["auto", *option.choices]}
    return Field("auto", description=description, json_schema_extra=extra)


def _key(name: str, of_user: bool = False) -> Any:
    """A key, which neither the page nor the settings as text show."""
    description = valve_description(name, ENGLISH, of_user)
    extra: Any = {"input": {"type": "password"}}
    return Field("", description=description, repr=False, json_schema_extra=extra)


class _Settings(BaseModel):
    """Settings that accept whatever was once saved."""

    # The page shows the names that messages and README use.
    model_config = ConfigDict(field_title_generator=lambda name, _: name)

    @field_validator("*", mode="before")
    @classmethod
    def _accept_saved(cls, value: Any, info: ValidationInfo) -> Any:
        name = info.field_name or ""
        minimum = 0 if name in _MAY_BE_ZERO else 1
        return _accept(value, cls.model_fields[name].default, minimum)


# No model makes less than 1K by itself.
_SIZE_CEILINGS = ["auto", *SIZES[SIZES.index("1K") :]]
_COUNTS = [count + 1 for count in range(MAX_PICTURES_PER_PROMPT)]

# Who is asked, as the drop-down names them.
BACKEND_GEMINI = "Gemini API"
BACKEND_VERTEX_KEY = "Vertex AI with an API key"
BACKEND_VERTEX_PROJECT = "Vertex AI project"


class AdminValves(_Settings):
    """The administrator's settings; each accepts whatever was once saved."""

    model_config = ConfigDict(title="Valves")

    GEMINI_API_KEY: str = _key("GEMINI_API_KEY")
    REQUIRE_USER_KEY: bool = _setting("REQUIRE_USER_KEY", False)
    BACKEND: str = _setting(
        "BACKEND",
        BACKEND_GEMINI,
        enum=[BACKEND_GEMINI, BACKEND_VERTEX_KEY, BACKEND_VERTEX_PROJECT],
    )
    GEMINI_API_BASE_URL: str = _setting("GEMINI_API_BASE_URL", "")
    GATEWAY_HEADERS: str = _key("GATEWAY_HEADERS")
    VERTEX_PROJECT: str = _setting("VERTEX_PROJECT", "")
    VERTEX_LOCATION: str = _setting("VERTEX_LOCATION", "global")
    VERTEX_CREDENTIALS: str = _key("VERTEX_CREDENTIALS")
    MODELS: str = _setting("MODELS", "")
    RETIRED_MODELS: str = _setting("RETIRED_MODELS", "imagen-3.0-generate-002")
    FOLLOW_SUCCESSORS: bool = _setting("FOLLOW_SUCCESSORS", True)
    ASPECT_RATIO: str = _choice("ASPECT_RATIO")
    IMAGE_SIZE: str = _choice("IMAGE_SIZE")
    IMAGES_PER_PROMPT: str = _choice("IMAGES_PER_PROMPT")
    THINKING_LEVEL: str = _choice("THINKING_LEVEL")
    GOOGLE_SEARCH: str = _choice("GOOGLE_SEARCH")
    SHOW_THOUGHTS: str = _choice("SHOW_THOUGHTS")
    SAFETY_THRESHOLD: str = _choice("SAFETY_THRESHOLD")
    MAX_IMAGE_SIZE: str = _setting("MAX_IMAGE_SIZE", "auto", enum=_SIZE_CEILINGS)
    MAX_IMAGES_PER_PROMPT: int = _setting("MAX_IMAGES_PER_PROMPT", 4, enum=_COUNTS)
    ADMIN_ONLY_MODELS: str = _setting("ADMIN_ONLY_MODELS", "")
    AUTO_KNOWN_PRICES_ONLY: bool = _setting("AUTO_KNOWN_PRICES_ONLY", False)
    DAILY_BUDGET_USD: float = _setting("DAILY_BUDGET_USD", 0.0)
    BUDGET_FOR_ADMINS: bool = _setting("BUDGET_FOR_ADMINS", False)
    CONFIRM_ABOVE_USD: float = _setting("CONFIRM_ABOVE_USD", 0.0)
    PERSON_GENERATION: str = _choice("PERSON_GENERATION")
    OUTPUT_FORMAT: str = _choice("OUTPUT_FORMAT")
    OUTPUT_QUALITY: str = _choice("OUTPUT_QUALITY")
    FOLLOW_UPS: bool = _setting("FOLLOW_UPS", True)
    HISTORY_IMAGES: int = _setting("HISTORY_IMAGES", 4)
    STORAGE: str = _setting("STORAGE", "files", enum=["files", "inline"])
    MAX_RETRIES: int = _setting("MAX_RETRIES", 2)
    MAX_PARALLEL_REQUESTS: int = _setting("MAX_PARALLEL_REQUESTS", 64)
    MAX_PARALLEL_REQUESTS_PER_USER: int = _setting("MAX_PARALLEL_REQUESTS_PER_USER", 0)
    REQUEST_TIMEOUT: int = _setting("REQUEST_TIMEOUT", 300)
    LANGUAGE: str = _setting("LANGUAGE", "auto", enum=["auto", *LANGUAGES])

    @field_validator("BACKEND")
    @classmethod
    def _one_of_them(cls, value: str) -> str:
        others = (BACKEND_VERTEX_KEY, BACKEND_VERTEX_PROJECT)
        return value if value in others else BACKEND_GEMINI


class UserValves(_Settings):
    """A user's own settings; each accepts whatever was once saved."""

    ASPECT_RATIO: str = _choice("ASPECT_RATIO", of_user=True)
    IMAGE_SIZE: str = _choice("IMAGE_SIZE", of_user=True)
    IMAGES_PER_PROMPT: str = _choice("IMAGES_PER_PROMPT", of_user=True)
    THINKING_LEVEL: str = _choice("THINKING_LEVEL", of_user=True)
    GOOGLE_SEARCH: str = _choice("GOOGLE_SEARCH", of_user=True)
    SHOW_THOUGHTS: str = _choice("SHOW_THOUGHTS", of_user=True)
    GEMINI_API_KEY: str = _key("GEMINI_API_KEY", of_user=True)


def own_settings(valves: Any) -> dict[str, Any]:
    """The user's settings: the host hands over a UserValves, clients a dict or none."""
    if isinstance(valves, BaseModel):
        return valves.model_dump()
    return valves if isinstance(valves, dict) else {}


def keys_to_use(
    valves: AdminValves, own: dict[str, Any]
) -> tuple[tuple[str, ...], bool]:
    """The keys, if any, and whether they are the user's own; the two never mix."""
    if own_keys := _keys_in(as_str(own.get("GEMINI_API_KEY"))):
        return own_keys, True
    return (() if valves.REQUIRE_USER_KEY else api_keys(valves)), False


def api_keys(valves: AdminValves) -> tuple[str, ...]:
    """The server's keys, from the settings or else the environment, if any: a project
    of Vertex AI needs none."""
    if valves.BACKEND == BACKEND_VERTEX_PROJECT:
        return ()
    names = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
    texts = [valves.GEMINI_API_KEY, *(os.environ.get(name, "") for name in names)]
    return next(filter(None, map(_keys_in, texts)), ())


def _keys_in(text: str) -> tuple[str, ...]:
    """The keys that somebody typed; one more than there may be tells of too many."""
    most = MAX_KEYS + 1
    return tuple(split_list(text.strip()[: most * (MAX_KEY_CHARACTERS + 2)])[:most])


def ceilings_of(valves: AdminValves) -> Ceilings:
    """The most that one prompt may ask for."""
    typed, _ = read_options([("IMAGE_SIZE", valves.MAX_IMAGE_SIZE)])
    size = max(typed.image_size or SIZES[-1], "1K", key=SIZES.index)
    return Ceilings(size, min(valves.MAX_IMAGES_PER_PROMPT, MAX_PICTURES_PER_PROMPT))


def largest_picture(valves: AdminValves) -> int:
    """How many bytes one picture may have that goes along: on Vertex AI fewer
    (docs.cloud.google.com/vertex-ai/generative-ai/docs/models)."""
    is_gemini = valves.BACKEND == BACKEND_GEMINI
    return MAX_PICTURE_BYTES if is_gemini else MAX_VERTEX_PICTURE_BYTES


def parallel_requests(valves: AdminValves) -> Bounds:
    """How many requests to Google may run at a time, of all users and of one."""
    in_all = valves.MAX_PARALLEL_REQUESTS
    of_one = valves.MAX_PARALLEL_REQUESTS_PER_USER or math.ceil(in_all / 2)
    return Bounds(in_all, min(of_one, in_all))


def settings_in_order(
    valves: AdminValves,
    own: dict[str, Any],
    body: dict[str, Any],
    flags: Iterable[tuple[str, str]],
    features: Any = None,
) -> Iterator[tuple[str, Any]]:
    """All that says something about OPTIONS, by name, what counts most last: the
    administrator, the user, the message box, the request, the prompt.

    features: what is switched on in the message box, as the host's metadata name it.
    """
    yield from ((option.valve, getattr(valves, option.valve)) for option in OPTIONS)
    yield from (
        (option.valve, own.get(option.valve)) for option in OPTIONS if option.of_users
    )
    if get_field(features, "web_search") is True:
        yield "google_search", "on"
    yield from (
        (name, body.get(name)) for option in OPTIONS for name in option.parameters
    )
    # A ratio that is named beats the shape in pixels, whichever comes first.
    yield from sorted(flags, key=lambda flag: OPTIONS.index(OPTION_BY_NAME[flag[0]]))


# ── Backend ───────────────────────────────────────────────────────────────────────────
# Where requests go: address, headers and key.

DEFAULT_BASE_URL = "https://generativelanguage.googleapis.com"


class Service(NamedTuple):
    """One of Google's: its address, the version that is asked where none is named, and
    what comes behind that."""

    address: str
    version: str
    path: str = ""


GEMINI_SERVICE = Service(DEFAULT_BASE_URL, "v1beta")

_OF_PROJECT = r"/projects/[^/]+/locations/[^/]+"
_VERSION_SEGMENT = re.compile(
    rf"/v\d+\w*(/publishers/google|/projects/.+/google|{_OF_PROJECT})?$"
)
# Behind an address of Google's or a gateway's, as people have it for other uses.
_OTHER_ENDS = (
    "/chat/completions",
    "/images/generations",
    "/models",
    "/openai",
    "/endpoints/openapi",
)
# Of a pasted request of Google's; each request has its own, and the key is in no URL.
_OWN_PARAMETERS = ("key", "alt", "pageSize", "pageToken")


@dataclass(frozen=True)
class Account:
    """Who gets access tokens for a project: an account of Google Cloud.

    info: what an administrator entered of it, by the names of Google's JSON; nothing
    means the machine's default credentials.
    """

    project: str
    info: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @cached_property
    def digest(self) -> str:
        """What its tokens are kept by."""
        return hashlib.sha256(
            json.dumps([self.project, self.info]).encode()
        ).hexdigest()

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of it."""
        return tuple(text for name, text in self.info if name in _SECRET_FIELDS)


# Vertex AI answers it with a 404, as if the model were not there (js-genai issue 1512).
_NO_SIZES_OF_VERTEX = ("512",)
_SECRET_FIELDS = ("private_key", "private_key_id", "client_secret", "refresh_token")


@dataclass(frozen=True)
class Backend:
    """Who is asked: Google, or a gateway that stands before it.

    address: the prefix of every request. query: what goes behind each. headers: the
    administrator's own, in whose texts "{key}" stands for the key. models: the ids that
    are the list where there is none. has_list: whether one can be asked for. account:
    who gets the tokens that are sent in place of a key. location: of Vertex AI. lacks:
    the options that are not known there, by their fields. lacks_sizes: those of
    pictures that no model makes there. kinds: what failures are called there, by what
    they are called elsewhere.
    """

    address: str
    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    models: tuple[str, ...] = ()
    has_list: bool = True
    account: Account | None = field(default=None, repr=False)
    location: str = ""
    lacks: frozenset[str] = OPTIONS_OF_VERTEX
    lacks_sizes: tuple[str, ...] = ()
    kinds: tuple[tuple[str, str], ...] = ()

    @property
    def host(self) -> str:
        """The host's name, for messages."""
        return urlsplit(self.address).hostname or "Google"

    @property
    def who(self) -> str:
        """Who is asked, as a person would call them."""
        return "Google" if self.is_google else self.host

    @property
    def is_google(self) -> bool:
        """Whether the address is one of Google's own."""
        return f".{self.host.rstrip('.')}".endswith(".googleapis.com")

    def facts_of(self, model_id: str, generate: bool = True) -> ModelFacts | None:
        """What is known of a model, as far as it holds there."""
        facts = facts_of(model_id, generate)
        if facts is None:
            return None
        sizes = [size for size in facts.sizes if size not in self.lacks_sizes]
        return replace(facts, sizes=tuple(sizes))

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown of the account, of the headers, and of the address: all
        but words and numbers with signs between them, as names of providers and models
        are."""
        texts = [part for _, text in self.headers for part in text.split()]
        texts += [unquote(p.partition("=")[2]) for p in self.query.split("&")]
        texts += map(unquote, self._login.split(":"))
        own = self.account.secrets if self.account else ()
        hidden = (text for text in texts if text and not _HARMLESS.fullmatch(text))
        return (*own, *hidden)

    @property
    def _login(self) -> str:
        """The name and the password that an address may hold."""
        return urlsplit(self.address).netloc.rpartition("@")[0]

    @property
    def may_take_any_key(self) -> bool:
        """Whether the administrator's headers or address may open a gateway whatever
        key comes along, so that a user's own need not be the one that pays."""
        return bool(self.secrets or self._login)

    @property
    def identity(self) -> str:
        """What else than the key tells it from others; a secret."""
        account = self.account.digest if self.account else ""
        return json.dumps([self.url(""), self.headers_with(""), account])

    def url(self, path: str) -> str:
        """The whole address of a request."""
        joint = "&" if "?" in path else "?"
        return self.address + path + (joint + self.query if self.query else "")

    def headers_with(self, key: str) -> dict[str, str]:
        """The headers with the key, or an account's token: where the administrator put
        it, or else where Google wants it (ai.google.dev/gemini-api/docs/api-key)."""
        own = {name: text.replace("{key}", key) for name, text in self.headers}
        if any("{key}" in text for _, text in self.headers):
            return own
        if self.account:
            return {"Authorization": f"Bearer {key}", **own}
        return {"x-goog-api-key": key, **own}

    def as_here(self, error: GeminiError) -> GeminiError:
        """The failure as it is called here."""
        error.kind = dict(self.kinds).get(error.kind, error.kind)
        return error

    def nobody(
        self,
        asked: str,
        available: Iterable[str],
        quoted: str = "",
        listed: Sequence[ListedModel] = (),
    ) -> GeminiError:
        """The failure when nobody answers for a model here.

        available: who else there is. quoted: the last refusal. listed: the list of
        models before it turned out who is gone.
        """
        models = tuple(map(name_of, available))
        kind = "model_retired" if successor_of(asked) else "model_unknown"
        kind = "no_models" if listed and not models else kind
        kind = "vertex_model" if self.location else kind
        error = GeminiError(kind, quoted, model=name_of(asked), who=self.who)
        error.values["location"] = f"`{self.location}`"
        if self.location not in ("", "global"):
            error.values["other_location"] = make_note("other_location")
        if models:
            error.values["available"] = make_note("available", models=models)
        if self.is_google and asked in (model.id for model in listed):
            error.values["region"] = make_note("region")
        return error


_HARMLESS = re.compile(r"(?:\{key\}|(?:[A-Za-z]{1,14}|[0-9]{1,8})(?:[-_/.:]|\Z))+")


def backend_for(valves: AdminValves, key: str = "") -> Backend:
    """Who is asked, as an administrator's settings say. Raises GeminiError.

    key: the one to use, which is a user's own where the server needs none.
    """
    if valves.BACKEND != BACKEND_GEMINI:
        return _vertex_for(valves, key)
    address, query = read_address(valves.GEMINI_API_BASE_URL)
    backend = Backend(address, query)
    if backend.is_google:
        return backend
    return replace(
        backend,
        headers=read_headers(valves.GATEWAY_HEADERS),
        models=tuple(typed_ids(split_list(valves.MODELS))),
    )


def read_address(text: str, service: Service = GEMINI_SERVICE) -> tuple[str, str]:
    """The prefix of every request and what goes behind each, from what an administrator
    typed.

    Empty means Google. Blanks, trailing slashes, `/openai`, `/models` and the like, and
    a method behind it go; the service's version, such as `/v1beta`, comes where none is
    named, and its path behind it. A prefix that ends in `#` is used exactly as it stands.
    Raises GeminiError("base_url") when it is no address.
    """
    typed = "".join(text[:MAX_ADDRESS_CHARACTERS].split()) or service.address
    typed = re.sub("[\u3002\uff0e\uff61]", ".", typed)  # they are dots in a host's name
    url, _, query = typed.rstrip("#").partition("?")
    url = re.sub(r"/models/[^/?]+:\w+/?$", "", url.rstrip("#/"))
    for suffix in _OTHER_ENDS:
        url = url.removesuffix(suffix).rstrip("/")
    if not _is_address(url) or not re.fullmatch(r"[\x21\x24-\x7e]*", query):
        raise GeminiError("base_url")
    if "#" not in typed:
        url += "" if _VERSION_SEGMENT.search(url) else f"/{service.version}"
        url += "/publishers/google" if re.search(rf"{_OF_PROJECT}$", url) else ""
        url += "" if url.endswith("/google") else service.path
    kept = [p for p in query.split("&") if p.partition("=")[0] not in _OWN_PARAMETERS]
    return url, "&".join(filter(None, kept))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port, labels = parts.port, (parts.hostname or "").split(".")
    except ValueError:  # as urlsplit has it for a port that is no number
        return False
    if parts.scheme not in ("http", "https") or port == 0 or parts.fragment:
        return False
    if "\\" in parts.netloc:  # there urllib3 ends a host's name, and urlsplit does not
        return False
    return bool(parts.hostname) and max(map(len, labels)) <= 63  # RFC 1035


def no_own_key(valves: AdminValves) -> GeminiError:
    """The failure where users need a key of their own: not every key will do."""
    is_gemini = valves.BACKEND == BACKEND_GEMINI
    return GeminiError("key_own" if is_gemini else "vertex_key_own")


# Failures of Vertex AI, by what they are called elsewhere; where a project asks, there
# is no key.
_VERTEX_KINDS = (
    ("api_disabled", "vertex_disabled"),
    ("permission", "vertex_permission"),
    ("billing", "vertex_billing"),
    ("capacity", "vertex_capacity"),
    ("key_type", "vertex_key_type"),
)
_PROJECT_KINDS = (
    *_VERTEX_KINDS,
    *((kind, "token_refused") for kind in ("key_refused", "key_expired", "key_type")),
    ("key_restricted", "vertex_permission"),
)
_LOCATION = re.compile(r"[a-z][a-z0-9-]{0,39}")  # it becomes a part of a host's name
_PROJECT_ID = re.compile(r"[a-z0-9][a-z0-9.:-]{0,99}")


def _vertex_for(valves: AdminValves, key: str) -> Backend:
    """Vertex AI, asked with a key or by a project's account. Raises GeminiError.

    Addresses and paths: google-genai 3.6.1 (_api_client.py). Without a project, there
    is one address for all.
    """
    account, location, path = None, "global", "/publishers/google"
    if valves.BACKEND == BACKEND_VERTEX_PROJECT and not key.strip():
        account = _account_for(valves)
        location = _location_for(valves)
        path = f"/projects/{account.project}/locations/{location}{path}"
    elif not key.strip():
        raise GeminiError("vertex_key_missing")
    service = Service(f"https://{_vertex_host(location)}", "v1beta1", path)
    typed_address = valves.GEMINI_API_BASE_URL
    if host_name(typed_address.strip()) == host_name(DEFAULT_BASE_URL):
        typed_address = ""  # of the Gemini API, which was asked before
    address, query = read_address(typed_address, service)
    typed = typed_ids(split_list(valves.MODELS))
    backend = Backend(
        address,
        query,
        models=(*typed, *(facts.id for facts in CURRENT_MODELS)),
        has_list=False,
        account=account,
        location=location,
        lacks=frozenset(),
        lacks_sizes=_NO_SIZES_OF_VERTEX,
        kinds=_PROJECT_KINDS if account else _VERTEX_KINDS,
    )
    if backend.is_google:
        return backend
    return replace(backend, headers=read_headers(valves.GATEWAY_HEADERS))


def _vertex_host(location: str) -> str:
    if location == "global":
        return "aiplatform.googleapis.com"
    if location in ("us", "eu"):
        return f"aiplatform.{location}.rep.googleapis.com"
    return f"{location}-aiplatform.googleapis.com"


def _location_for(valves: AdminValves) -> str:
    location = valves.VERTEX_LOCATION.strip().lower() or "global"
    if not _LOCATION.fullmatch(location):
        raise GeminiError("vertex_location")
    return location


def _account_for(valves: AdminValves) -> Account:
    """The account, and the project: the one that is set, or else the account's own, or
    for the machine's account that of the environment, as Google's client has it."""
    info = _read_account(valves.VERTEX_CREDENTIALS, valves.GEMINI_API_BASE_URL)
    own = info.pop("project_id", "") or info.get("quota_project_id", "")
    if not info:
        own = os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    project = valves.VERTEX_PROJECT.strip() or own.strip()
    if not _PROJECT_ID.fullmatch(project):
        raise GeminiError("vertex_project")
    return Account(project, tuple(info.items()))


# Google's; an account's JSON may name another of its addresses.
_TOKEN_ADDRESS = "https://oauth2.googleapis.com/token"
# By type, what google-auth needs of it. Other types may run programs or fetch addresses
# that the text names (cloud.google.com/docs/authentication/external/externally-sourced-
# credentials), so none is taken from a text.
_ACCOUNT_FIELDS = {
    "service_account": ("client_email", "private_key"),
    "authorized_user": ("client_id", "client_secret", "refresh_token"),
}
_MORE_FIELDS = ("private_key_id", "quota_project_id", "project_id")


def _read_account(text: str, base_url: str) -> dict[str, str]:
    """What is used of an account's JSON; nothing where nothing was entered. Raises
    GeminiError, which holds nothing of it but the type and names of fields."""
    if not text.strip():
        return {}
    found: Any = None
    if len(text) <= MAX_ACCOUNT_CHARACTERS:
        # Some write line breaks into the key as they are.
        with contextlib.suppress(ValueError, RecursionError):
            found = json.loads(text.strip("\ufeff"), strict=False)  # as Windows marks
    kind = as_str(get_field(found, "type"))
    if not isinstance(found, dict) or not kind:
        raise GeminiError("account", problem=make_note("account_json"))
    if kind not in _ACCOUNT_FIELDS:
        is_name = re.fullmatch(r"[a-z_]{1,40}", kind)
        raise GeminiError("account_type", type=kind if is_name else "unknown")
    names = _ACCOUNT_FIELDS[kind]
    if missing := [name for name in names if not as_str(found.get(name)).strip()]:
        problem = make_note("account_lacks", names=", ".join(missing))
        raise GeminiError("account", problem=problem)
    taken = {n: as_str(found.get(n)).strip() for n in (*names, *_MORE_FIELDS)}
    taken["private_key"] = taken.get("private_key", "").replace("\\n", "\n")
    address = as_str(found.get("token_uri")) or _TOKEN_ADDRESS
    if not _may_give_tokens(address, base_url):
        raise GeminiError(
            "account_address", target=host_name(address) or "another address"
        )
    used = {"type": kind, "token_uri": address, **taken}
    return {name: value for name, value in used.items() if value}


def _may_give_tokens(address: str, base_url: str) -> bool:
    """Whether that is Google, or who the administrator has set in place of Google: the
    account's signature is sent there, from within the server's network."""
    if not _is_address(address):
        return False
    if _origin(address) == _origin(base_url.strip()):
        return True
    scheme, name, port = _origin(address)
    is_googles = f".{name}".endswith(".googleapis.com") or name == "accounts.google.com"
    return scheme == "https" and is_googles and port is None


def _origin(address: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname or "", parts.port
    except ValueError:
        return "", "", None


# Those that frame a request, and the key's, which `{key}` alone moves.
_NOT_THEIRS = re.compile(
    r"host|content-.*|accept-encoding|transfer-encoding|connection|keep-alive|te|"
    r"trailer|upgrade|expect|proxy-.*|x-goog-api-key",
    re.IGNORECASE,
)


def read_headers(text: str) -> tuple[tuple[str, str], ...]:
    """The headers that an administrator typed: a JSON object, or `Name: text` lines.

    Raises GeminiError("gateway_headers"), which names at most a name: what cannot be
    read may be a secret.
    """
    text = text.strip()
    pairs = _headers_in_json(text) if text[:1] == "{" else _headers_in_lines(text)
    if len(pairs) > MAX_GATEWAY_HEADERS:
        raise GeminiError("gateway_headers", problem=make_note("headers_many"))
    for name, value in pairs:
        if _NOT_THEIRS.fullmatch(name):
            problem = make_note("header_name", name=name)
            raise GeminiError("gateway_headers", problem=problem)
        if not re.fullmatch(rf"[\x20-\x7e]{{1,{MAX_HEADER_CHARACTERS}}}", value):
            problem = make_note("header_value", name=name)
            raise GeminiError("gateway_headers", problem=problem)
    return tuple({name.lower(): (name, value) for name, value in pairs}.values())


_HEADER_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")


def _headers_in_json(text: str) -> list[tuple[str, str]]:
    try:
        found = json.loads(text)
        pairs = [(name.strip(), value.strip()) for name, value in found.items()]
    except (ValueError, RecursionError, AttributeError):
        problem = make_note("headers_json")
        raise GeminiError("gateway_headers", problem=problem) from None
    if not all(_HEADER_NAME.fullmatch(name) for name, _ in pairs):
        raise GeminiError("gateway_headers", problem=make_note("headers_json"))
    return pairs


def _headers_in_lines(text: str) -> list[tuple[str, str]]:
    """A page's field for secrets makes one line of several: then a text has a name in
    it, and is refused."""
    pairs = []
    for number, line in enumerate(text.splitlines(), start=1):
        name, colon, value = map(str.strip, line.partition(":"))
        is_header = _HEADER_NAME.fullmatch(name) and colon
        if line.strip() and (not is_header or re.search(r"[\w-]: ", value)):
            problem = make_note("header_line", number=number)
            raise GeminiError("gateway_headers", problem=problem)
        pairs += [(name, value)] if line.strip() else []
    return pairs


def checked_key(text: str) -> str:
    """The key without the blanks around it. Raises GeminiError when it cannot be one.

    The form of keys changes (`AIza…`, then `AQ.…`), so only what cannot stand in a
    header is refused.
    """
    key = text.strip()
    if not key:
        raise GeminiError("key_missing")
    if not re.fullmatch(rf"[\x21-\x7e]{{1,{MAX_KEY_CHARACTERS}}}", key):
        raise GeminiError("key_malformed")
    return key


# ── Connections ───────────────────────────────────────────────────────────────────────
# HTTP whose every request can be ended from another thread.


class Cancelled(Exception):
    """The request was ended from our side."""


class Sockets:
    """The connections of one request, so that it can be ended from another thread.

    Closing a requests session or response does not wake a thread that waits for the
    peer; shutting its socket down does.
    """

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.ended = False

    def add(self, opened: socket.socket) -> None:
        """Note a socket before it connects. Raises Cancelled after `shutdown`.

        A duplicate, which is the same connection below any TLS: that takes the socket's
        descriptor away, hides it during a handshake, and sends unencrypted what is sent
        after its own shutdown has begun.
        """
        with self._lock:
            if self.ended:
                raise Cancelled
            self._open.append(opened.dup())

    def shutdown(self) -> None:
        """End what is under way, at once; what comes later is not sent."""
        with self._lock:
            self.ended = True
            for opened in self._open:
                with contextlib.suppress(OSError):  # the next one is shut all the same
                    opened.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of them: until then the peer would not see that they are closed."""
        with self._lock:
            while self._open:
                self._open.pop().close()


_THIS_THREAD = threading.local()  # .sockets: those of the request that it works on


class _Noting:
    """A connection whose socket is noted before it connects, and whose failures before
    the request is sent are told apart.

    urllib3 shows a socket only once it is connected, and takes silence in a handshake
    for a slow answer.
    """

    def _new_conn(self) -> socket.socket:
        connection: Any = self
        host = self._dns_host.strip("[]")  # type: ignore[attr-defined]
        problem = "no address"
        try:
            for found in _addresses(host, connection.port):
                try:
                    return _connected(socket.socket(*found[:3]), found[4], connection)
                except OSError as error:
                    problem = str(error)
        except OSError as error:
            problem = str(error)
        raise urllib3.exceptions.NewConnectionError(connection, problem)

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # type: ignore[misc]
        except (OSError, http.client.HTTPException) as error:
            raise urllib3.exceptions.ProxyError("no tunnel", error) from error

    def connect(self) -> None:
        connection: Any = self
        try:
            super().connect()  # type: ignore[misc]
        except TimeoutError as error:
            problem = "no end of the handshake"
            raise urllib3.exceptions.ConnectTimeoutError(self, problem) from error
        except ssl.SSLCertVerificationError:
            raise
        except ssl.SSLError as error:
            if not connection.proxy:
                raise
            # Such as a page where there should be a tunnel.
            raise urllib3.exceptions.ProxyError("no TLS", error) from error


def _addresses(host: str, port: int) -> list[Any]:
    """What getaddrinfo finds for a host. Raises OSError."""
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:  # no host is called so
        raise OSError(str(error)) from None


def _connected(
    opened: socket.socket, address: Any, connection: HTTPConnection
) -> socket.socket:
    """The socket, noted and connected as the connection has it; closed if it fails."""
    try:
        _THIS_THREAD.sockets.add(opened)
        for option in connection.socket_options or ():
            opened.setsockopt(*option)
        opened.settimeout(connection.timeout)
        opened.connect(address)
    except BaseException:
        opened.close()
        raise
    return opened


class _PatientResponse(http.client.HTTPResponse):
    """A response that passes over what may come before it, such as 103 Early Hints;
    http.client itself knows only 100 Continue."""

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(MAX_INTERIM_RESPONSES):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 < status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                break
            http.client.parse_headers(self.fp)
        return version, status, reason


class _NotedConnection(_Noting, HTTPConnection):
    """One without TLS."""

    response_class = _PatientResponse


class _NotedTlsConnection(_Noting, HTTPSConnection):
    """One with TLS: to the proxy, to the target behind it, or to both.

    Either is trusted as the environment has it. requests would not look at a proxy's
    certificate when the target is without TLS, although the proxy gets a login.
    """

    response_class = _PatientResponse

    def connect(self) -> None:
        trusting = _trusting(create_urllib3_context)
        self.ssl_context, self.cert_reqs = trusting, ssl.CERT_REQUIRED
        self.ca_certs = self.ca_cert_dir = None
        super().connect()

    def _connect_tls_proxy(self, hostname: str, sock: socket.socket) -> ssl.SSLSocket:
        # Not urllib3's context: in 1.26 it leaves the host's name to others.
        trusting, name = _trusting(_strict_context), hostname.strip("[]")
        try:
            secured = trusting.wrap_socket(sock, server_hostname=name)
        except OSError as error:
            raise urllib3.exceptions.ProxyError("no TLS with it", error) from error
        self.proxy_is_verified = True
        return secured


def _strict_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _named_certificates() -> tuple[str, str]:
    """The variable of the environment that names trusted certificates, and their path;
    nothing where none does."""
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    variable = next(filter(os.environ.get, names), "")
    return variable, os.environ.get(variable, "")


def environment_fault(kind: str, url: str) -> tuple[str, dict[str, Any]]:
    """What in the server's environment is behind a failure of that kind, and what its
    message's placeholders stand for; else the kind itself.

    A path is for administrators.
    """
    if kind in ("tls", "no_connection") and url.startswith("https:"):
        variable, path = _named_certificates()
        if variable and not os.path.exists(path):
            return "certificates", {"variable": variable, "details": path}
    return kind, {}


def _trusting(make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """A context with the certificates that the environment names, or else those of
    requests. Raises requests' SSLError when they cannot be read."""
    named = _named_certificates()[1] or requests.utils.DEFAULT_CA_BUNDLE_PATH
    try:
        return _tls_context(make, named, os.stat(named).st_mtime_ns)
    except OSError as error:
        raise requests.exceptions.SSLError(error) from None


@lru_cache(maxsize=8)
def _tls_context(
    make: Callable[[], ssl.SSLContext], named: str, changed: int
) -> ssl.SSLContext:
    """A context that trusts the certificates there; reading them takes 20 ms."""
    context = make()
    is_folder = os.path.isdir(named)
    context.load_verify_locations(*((None, named) if is_folder else (named,)))
    return context


class _ThroughSocks:
    """A connection through a SOCKS proxy: PySocks agrees with it on the target, on a
    socket that is noted like any other."""

    def __init__(self, _socks_options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._socks = _socks_options

    def _new_conn(self) -> socket.socket:
        import socks  # there, or requests would not have come so far

        connection: Any = self
        way = self._socks
        target = (connection.host.strip("[]"), connection.port)
        problem: OSError = OSError("no address")
        try:
            for found in _addresses(way["proxy_host"], way["proxy_port"] or 1080):
                opened = socks.socksocket(*found[:3])
                login = way["username"], way["password"]
                opened.set_proxy(
                    way["socks_version"], *found[4][:2], way["rdns"], *login
                )
                try:
                    return _connected(opened, target, connection)
                except OSError as error:
                    problem = error
        except OSError as error:
            problem = error
        raise urllib3.exceptions.ProxyError("no way through SOCKS", problem)


class _SocksConnection(_ThroughSocks, _NotedConnection):
    """One without TLS."""


class _SocksTlsConnection(_ThroughSocks, _NotedTlsConnection):
    """One with TLS, which is the target's alone."""


class _NotedPool(HTTPConnectionPool):
    ConnectionCls = _NotedConnection


class _NotedTlsPool(HTTPSConnectionPool):
    ConnectionCls = _NotedTlsConnection


class _SocksPool(HTTPConnectionPool):
    ConnectionCls = _SocksConnection


class _SocksTlsPool(HTTPSConnectionPool):
    ConnectionCls = _SocksTlsConnection


_NOTED_POOLS = {"http": _NotedPool, "https": _NotedTlsPool}
_SOCKS_POOLS = {"http": _SocksPool, "https": _SocksTlsPool}
_SOCKS = ("socks4", "socks4a", "socks5", "socks5h")


class _NotingAdapter(HTTPAdapter):
    """An adapter whose connections note the sockets that they open."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _NOTED_POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        is_socks = proxy.startswith(_SOCKS)
        manager.pool_classes_by_scheme = _SOCKS_POOLS if is_socks else _NOTED_POOLS
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """The login that stands in the proxy's address, byte by byte: requests takes
        its signs for Latin-1, and fails on others."""
        parts = urlsplit(proxy)
        if not parts.username:
            return {}
        login = unquote_to_bytes(f"{parts.username}:{parts.password or ''}")
        return {"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"}


class _Session(requests.Session):
    """A session that does not even look where a redirect leads: requests would parse
    the address, and fail on an odd one, although it is told not to follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _proxies(url: str) -> dict[str, str]:
    """The proxy that the environment names for an address, as requests wants it.

    Raises ProxyError where what is named can be none, and InvalidSchema, as requests
    does without PySocks, where it is SOCKS of no version. Their texts do not show what
    that is, for a login may stand in it.
    """
    named = requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not named:
        return {}
    proxy = named.strip()
    if "://" not in proxy:
        proxy = f"http://{proxy.removeprefix('//')}"
    try:
        parts = urllib3.util.parse_url(proxy)
    except urllib3.exceptions.LocationParseError:
        raise requests.exceptions.ProxyError("no address of a proxy") from None
    if parts.scheme in (*_NOTED_POOLS, *_SOCKS) and parts.host and parts.port != 0:
        return {"all": parts.url}
    if (parts.scheme or "").startswith("socks"):
        raise requests.exceptions.InvalidSchema("no version of SOCKS")
    raise requests.exceptions.ProxyError("no address of a proxy")


@contextlib.contextmanager
def exchange(
    method: str,
    url: str,
    headers: dict[str, str],
    body: Iterable[bytes] | bytes | None,
    timeout: float,
    sockets: Sockets,
) -> Iterator[requests.Response]:
    """One HTTP exchange; the body of the response is still to be read.

    body: sent piece by piece; it has a length, else there would be chunks of unknown
    number. timeout: seconds of silence. sockets: note those that are opened; after
    their shutdown nothing is sent. Raises what requests and urllib3 raise, and
    Cancelled.

    Only proxies and certificates are taken from the environment: a ~/.netrc would add
    an Authorization header. Redirects are not followed: requests would send the key to
    the other host.
    """
    with _Session() as session, contextlib.closing(sockets):
        session.trust_env = False
        adapter = _NotingAdapter(max_retries=0)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        _THIS_THREAD.sockets = sockets
        if urlsplit(url).scheme == "https":
            # Later a proxy would be blamed when there are no certificates.
            _trusting(create_urllib3_context)
        with session.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
            allow_redirects=False,
            stream=True,
            proxies=_proxies(url),
        ) as response:
            yield response


def pieces_of(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives; of an error, as much of it as does.

    Whoever refuses a request unread may reset the connection, and the status tells more
    than that. Raises what requests and urllib3 raise.
    """
    try:
        yield from _read_pieces(response)
    except (OSError, urllib3.exceptions.HTTPError):
        if response.status_code < 400:
            raise


def _read_pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives.

    iter_content gathers until it has a whole piece, and loses what it gathered when
    the connection breaks off. Old versions of urllib3 know nothing else.
    """
    if not hasattr(response.raw, "read1"):
        yield from response.iter_content(2 * SLICE)
        return
    while piece := response.raw.read1(2 * SLICE, decode_content=True):
        yield piece


# First match wins: the classes of requests derive from one another.
_TRANSPORT_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (requests.exceptions.ProxyError, "proxy"),
    (requests.exceptions.SSLError, "tls"),
    (requests.exceptions.ConnectTimeout, "no_connection"),
    (requests.exceptions.Timeout, "timeout"),
    (requests.exceptions.ChunkedEncodingError, "broken_off"),
    (requests.exceptions.ContentDecodingError, "unreadable"),
    (requests.exceptions.InvalidURL, "base_url"),
    (requests.exceptions.InvalidSchema, "socks"),  # of no version, or no PySocks
    (requests.RequestException, "no_connection"),
    (urllib3.exceptions.TimeoutError, "timeout"),
    (urllib3.exceptions.DecodeError, "unreadable"),
    (urllib3.exceptions.HTTPError, "broken_off"),
    (OSError, "no_connection"),  # such as requests' about a file of certificates
)
# What http.client cannot make sense of at the beginning of an answer.
_NO_HTTP = re.compile(r"BadStatusLine|LineTooLong|UnknownProtocol|HTTPException")


def transport_failure(error: Exception, url: str, timeout: float) -> GeminiError:
    """The failure behind what `exchange` or `pieces_of` raised, for the caller to raise.

    timeout: the seconds of silence that were waited for.
    """
    kind = next(kind for cause, kind in _TRANSPORT_KINDS if isinstance(error, cause))
    if kind == "no_connection" and "Read timed out" in str(error):
        kind = "timeout"  # in mid-body requests calls it a ConnectionError
    elif kind == "no_connection" and "Connection aborted" in str(error):
        # Before the answer began; what it breaks off in is told otherwise.
        kind = "unreadable" if _NO_HTTP.search(str(error)) else "no_answer"
    kind, about = environment_fault(kind, url)
    host = urlsplit(url).hostname or "Google"
    return GeminiError(kind, host=host, elapsed=round(timeout), **about)


# ── Tokens ────────────────────────────────────────────────────────────────────────────
# Access tokens of Google Cloud, through google-auth, which the host ships.

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ACCESS_TOKEN = re.compile(r"[\x21-\x7e]+")  # what can stand in a header


class Access(NamedTuple):
    """What a request is sent with: a key or a token, and the project that a person's
    own login is counted for, if it is one."""

    token: str
    billed: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside the token."""
        return {"x-goog-user-project": self.billed} if self.billed else {}


class _Answer(NamedTuple):
    """A response as google-auth reads one (google.auth.transport.Response)."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class _Transport:
    """The network as google-auth uses it (google.auth.transport.Request): with our
    proxies, certificates and bounds, without redirects, and ended by Stop.

    failure: why the last request had no answer.
    """

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        self._ends = time.monotonic() + TOKEN_TIMEOUT
        self.failure: GeminiError | None = None
        self.host = "Google"

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Answer:
        """One exchange. Raises google-auth's TransportError, and Cancelled."""
        from google.auth.exceptions import TransportError

        self.host, self.failure = host_name(url) or self.host, None
        left = max(self._ends - time.monotonic(), 0.0)
        seconds = min(timeout or left, left)
        try:
            if not seconds:
                raise TimeoutError
            sent = dict(headers or {})
            with exchange(method, url, sent, body, seconds, self._sockets) as response:
                data = self._read(response)
                return _Answer(response.status_code, response.headers, data)
        except TimeoutError:
            self.failure = GeminiError("no_token", host=self.host)
        except (OSError, urllib3.exceptions.HTTPError) as error:
            if self._sockets.ended:
                raise Cancelled from None
            self.failure = transport_failure(error, url, seconds)
        raise TransportError(self.failure.kind)

    def _read(self, response: requests.Response) -> bytes:
        """The body. Raises TimeoutError when it does not end in time, or at all."""
        data = b""
        for piece in pieces_of(response):
            data += piece
            if len(data) > MAX_TOKEN_BYTES or time.monotonic() > self._ends:
                raise TimeoutError
        return data


# What Google's token endpoint says, the first match wins. The texts are gathered from
# bug reports of other projects.
_TOKEN_RULES = (
    ("clock", r"reasonable timeframe|iat and exp|not yet valid|used too (early|late)"),
    (
        "account_refused",
        r"invalid_grant|invalid_client|unauthorized_client|deleted_client|"
        r"disabled_client|account_disabled|invalid_rapt|access_denied|org_internal|"
        r"admin_policy_enforced",
    ),
)


def _credentials_of(account: Account, transport: _Transport) -> Any:
    """google-auth's object for an account. Raises what google-auth does, and
    ImportError where it is not there."""
    import google.auth
    from google.oauth2 import credentials, service_account

    info = dict(account.info)
    if not info:
        try:
            return google.auth.default(scopes=[_SCOPE], request=transport)[0]
        except (Cancelled, ImportError):
            raise
        except Exception as error:  # its own, or of a file that is none of JSON
            details = quote_sentence(redact(str(error)), 200)
            raise GeminiError("no_account", details=details) from None
    if info["type"] == "service_account":
        of_info = service_account.Credentials.from_service_account_info
        return of_info(info, scopes=[_SCOPE])
    return credentials.Credentials(
        None,
        refresh_token=info["refresh_token"],
        token_uri=info["token_uri"],
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        quota_project_id=info.get("quota_project_id") or account.project,
    )


def _renewed(credentials: Any, account: Account, sockets: Sockets) -> Any:
    """The account's credentials with a new token. Blocks; raises GeminiError and
    Cancelled.

    credentials: those of last time, or None.
    """
    transport = _Transport(sockets)
    try:
        credentials = credentials or _credentials_of(account, transport)
    except (GeminiError, Cancelled):
        raise
    except ImportError:
        raise GeminiError("no_google_auth") from None
    except Exception:  # of what it signs with
        raise GeminiError("account", problem=make_note("account_key")) from None
    try:
        credentials.refresh(transport)
    except (GeminiError, Cancelled):
        raise
    except Exception as error:  # google-auth's; their texts may hold secrets
        raise _token_failure(error, account, transport) from None
    if not _ACCESS_TOKEN.fullmatch(as_str(credentials.token)):
        raise GeminiError("no_token", host=transport.host)
    return credentials


def _token_failure(
    error: Exception, account: Account, transport: _Transport
) -> GeminiError:
    """The failure behind what a renewal raised, for the caller to raise."""
    failure = transport.failure
    if failure and failure.kind not in ("timeout", "no_answer", "broken_off"):
        return failure
    secrets = account.secrets
    said = scrubbed(str(error)[:MAX_ERROR_CHARACTERS], secrets)
    kind = next((k for k, w in _TOKEN_RULES if re.search(w, said, re.I)), "no_token")
    return GeminiError(kind, _said_of_token(error, secrets), host=transport.host)


def _said_of_token(error: Exception, secrets: Sequence[str]) -> str:
    """The endpoint's own sentence, if it has sent one."""
    response = error.args[1] if len(error.args) > 1 else None
    said = as_str(get_field(response, "error_description"))[:MAX_ERROR_CHARACTERS]
    return quote_sentence(scrubbed(said, secrets))


class _Tokens:
    """One account's token, and its renewal: one at a time, by whoever needs it first."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._credentials: Any = None
        self._ends = 0.0
        self._renewing = threading.Lock()
        self._failure: GeminiError | None = None
        self._failed = 0.0

    @property
    def token(self) -> str:
        """The last one, or nothing."""
        return as_str(getattr(self._credentials, "token", None))

    def access(self, sockets: Sockets) -> Access:
        """A token that lasts. Blocks; raises GeminiError and Cancelled."""
        asked = time.monotonic()
        while not self._renewing.acquire(timeout=TOKEN_LOOK):
            if sockets.ended:
                raise Cancelled
        try:
            if time.monotonic() > self._ends - TOKEN_MARGIN:
                self._renew(sockets, asked)
            billed = as_str(getattr(self._credentials, "quota_project_id", None))
            return Access(self.token, billed)
        finally:
            self._renewing.release()

    def forget(self, token: str) -> None:
        """Renew before the next request: Google refuses this one."""
        if token == self.token:
            self._ends = 0.0

    def _renew(self, sockets: Sockets, asked: float) -> None:
        """Renew it. Who has waited while another failed shares that failure; a token
        that still lasts a little is as good as a new one."""
        if self._failed < asked:
            self._try_to_renew(sockets)
        if (failed := self._failure) and time.monotonic() > self._ends:
            self._credentials = None  # the machine's may be others by then
            raise GeminiError(failed.kind, failed.quote, **failed.values)

    def _try_to_renew(self, sockets: Sockets) -> None:
        try:
            self._credentials = _renewed(self._credentials, self._account, sockets)
            self._ends = time.monotonic() + self._seconds_left()
            self._failure = None
        except GeminiError as error:
            if sockets.ended:  # whatever a shut socket then raised
                raise Cancelled from None
            self._failure, self._failed = error, time.monotonic()
            log.warning("no access token: %s", error.kind)

    def _seconds_left(self) -> float:
        expiry = self._credentials.expiry  # in UTC, and without saying so
        if expiry is None:
            return TOKEN_LIFETIME
        now = datetime.now(UTC).replace(tzinfo=None)
        left: float = (expiry - now).total_seconds()
        return left


class TokenStore:
    """The tokens of this worker by account, of which it keeps the digest as a key.

    Only an optimisation: every worker has its own, and may lose it at any time.
    """

    def __init__(self) -> None:
        self._tokens: dict[str, _Tokens] = {}
        self._lock = threading.Lock()

    def access(self, backend: Backend, key: str, sockets: Sockets) -> Access:
        """The key, or where an account asks a token of it. Blocks; raises GeminiError
        and Cancelled."""
        if backend.account is None:
            return Access(key)
        return self._of(backend.account).access(sockets)

    def forget(self, backend: Backend, access: Access) -> None:
        """Send that token no more: Google refuses it."""
        if backend.account:
            self._of(backend.account).forget(access.token)

    def secrets(self, backend: Backend) -> tuple[str, ...]:
        """What must not be shown: the token."""
        return (self._of(backend.account).token,) if backend.account else ()

    def _of(self, account: Account) -> _Tokens:
        with self._lock:
            tokens = self._tokens.pop(account.digest, None) or _Tokens(account)
            self._tokens[account.digest] = tokens  # the last one used is the last to go
            while len(self._tokens) > MAX_ACCOUNTS:
                self._tokens.pop(next(iter(self._tokens)))
            return tokens


TOKENS = TokenStore()

# ── Client ────────────────────────────────────────────────────────────────────────────
# Google's API: one request as events, and the list of models.

# One thread at a time parses and decodes, so that together they never take the
# interpreter lock from the event loop for long.
_PARSING = threading.Lock()

_PARALLEL = Bounds(64, 32)  # as many as the settings let run by default


@dataclass(frozen=True)
class GeminiClient:
    """Google's API at one backend and with one key; blocking calls run on own threads.

    parallel: how many requests of this worker may run at the same time, and how many of
    one user. caller: on whose behalf they wait in line. other_keys: those of the same
    list, which no answer may show either.
    """

    backend: Backend
    key: str = field(repr=False)
    parallel: Bounds = _PARALLEL
    caller: Caller = field(default_factory=Caller, repr=False, compare=False)
    other_keys: tuple[str, ...] = field(default=(), repr=False)

    @property
    def host(self) -> str:
        """The host's name, for messages."""
        return self.backend.host

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no answer may show: the keys, what the headers hold, and the token."""
        own = (self.key, *self.other_keys)
        return (*own, *self.backend.secrets, *TOKENS.secrets(self.backend))

    @property
    def identity(self) -> str:
        """A digest of who is asked and the key: what caches are keyed by."""
        secret = f"{self.backend.identity}\0{self.key}".encode()
        return hashlib.sha256(secret).hexdigest()

    async def generate(
        self,
        route: Route,
        body: dict[str, Any],
        timeout: float,
        take: Callable[[Event], Awaitable[None]],
        attempt: int = 1,
    ) -> None:
        """Hand `take` the events of one answer, as they arrive.

        body: as the route's method takes it. timeout: seconds for the whole request,
        with its wait in line. attempt: for the log. Raises GeminiError, after whatever
        had arrived. Ends the request at once when whoever takes its events goes away.
        """
        method = "streamGenerateContent?alt=sse" if route.generate else "predict"
        path = f"/models/{quote(route.model, safe='')}:{method}"
        answer, deadline = WholeAnswer(body), time.monotonic() + timeout

        async def take_whole(event: Event) -> None:
            if (whole := answer.take(event)) is not None:
                await take(whole)

        for part in answer.bodies():
            left = max(deadline - time.monotonic(), 0.1)
            request = _Exchange(self, path, part, route.model, left, attempt)
            await request.run(take_whole)

    def list_models(self, sockets: Sockets) -> list[ListedModel]:
        """All models that Google lists, page by page; none where there is no list to
        ask for. Blocks; raises GeminiError."""
        found: list[ListedModel] = []
        if not self.backend.has_list:
            return found
        token = ""
        for _ in range(MAX_LIST_PAGES):
            page = mask_strings(self._list_page(token, sockets), *self.secrets)
            rows = as_list(page.get("models")) or as_list(page.get("data"))
            rows = rows[: MAX_LISTED_MODELS - len(found)]
            found += [model for row in rows if (model := read_listed_model(row))]
            token = as_str(get_field(page, "nextPageToken"))[:MAX_ADDRESS_CHARACTERS]
            if not token or len(found) >= MAX_LISTED_MODELS:
                break
        return found

    def _list_page(self, token: str, sockets: Sockets) -> dict[str, Any]:
        path = f"/models?pageSize=1000&pageToken={quote(token, safe='')}"
        reader = ObjectReader(MAX_LIST_BYTES, MAX_LIST_BYTES)
        objects: list[Any] = []
        with self.request("GET", path, LIST_TIMEOUT, sockets) as response:
            for chunk in pieces_of(response):
                for received, _ in reader.feed(chunk):
                    objects = [*objects, received][:MAX_OBJECTS_KEPT]
                time.sleep(PAUSE)
            if not objects or response.status_code != 200:
                raise self.failure(response, objects, reader, LIST_TIMEOUT)
        return objects[0] if isinstance(objects[0], dict) else {}

    @contextlib.contextmanager
    def request(
        self,
        method: str,
        path: str,
        timeout: float,
        sockets: Sockets,
        body: EncodedBody | None = None,
    ) -> Iterator[requests.Response]:
        """One request with the key; the body of the answer is still to be read. Raises
        GeminiError where no answer comes."""
        access = TOKENS.access(self.backend, self.key, sockets)
        headers = {
            "User-Agent": "gemini-image-pipe",
            **access.headers,
            **self.backend.headers_with(access.token),
            "Accept-Encoding": "identity",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = self.backend.url(path)
        try:
            with exchange(method, url, headers, body, timeout, sockets) as response:
                if response.status_code == 401:
                    TOKENS.forget(self.backend, access)
                yield response
        except (OSError, urllib3.exceptions.HTTPError) as error:
            raise transport_failure(error, url, timeout) from None
        except UnicodeError:  # of a host's name that cannot be one
            raise GeminiError("base_url") from None

    def failure(
        self,
        response: requests.Response,
        objects: list[Any],
        reader: ObjectReader,
        elapsed: float,
        model: str = "",
    ) -> GeminiError:
        """The failure behind an answer that holds nothing to show."""
        values: dict[str, Any] = {"host": self.host, "elapsed": round(elapsed)}
        if model:
            values["model"] = name_of(model)
        failed = FailedResponse(
            response.status_code,
            response.headers,
            objects,
            reader.stray,
            reader.is_page,
        )
        return self.backend.as_here(explain_response(failed, self.secrets, **values))


@dataclass
class _Exchange:
    """One request on its thread, and its events on the event loop."""

    client: GeminiClient
    path: str
    body: dict[str, Any]
    model: str
    timeout: float
    attempt: int

    def __post_init__(self) -> None:
        self._received = 0
        self._response_id = ""
        self._encoded: EncodedBody | None = None
        self._sockets = Sockets()
        self._started = time.monotonic()
        self._begun: float | None = None  # when its thread did, after the wait in line
        self._place = REQUEST_LINE.place(self.client.caller.owner, self.client.parallel)
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Sequence[Event | GeminiError | None]]
        self._queue = asyncio.Queue()
        self._room = threading.Semaphore(MAX_BATCHES)

    async def run(self, take: Callable[[Event], Awaitable[None]]) -> None:
        """Hand `take` the events until the answer ends. Raises GeminiError."""
        deadline = self._loop.time() + self.timeout
        try:
            with self.client.caller.at(self._place):
                await self._begin()
                await self._hand_on(take, deadline)
        finally:
            self._sockets.shutdown()
            self._room.release()  # for a thread that waits; it finds the sockets shut
            # One that did not begin, or is not woken yet, holds no pictures any more.
            self.body = {}
            if self._encoded:
                self._encoded.drop()

    async def _begin(self) -> None:
        """Wait in line, then start the thread, which leaves the line at its end."""
        with contextlib.ExitStack() as undone:
            undone.callback(self._place.leave)
            try:
                await self._place.enter(self.timeout)
            except TurnMissed as missed:
                raise self._in_vain(missed.is_own_limit) from None
            REQUESTS.start(self._work)
            undone.pop_all()

    async def _hand_on(
        self, take: Callable[[Event], Awaitable[None]], deadline: float
    ) -> None:
        while True:
            batch = await self._next_batch(deadline)
            for number, item in enumerate(batch, start=1):
                if item is None:
                    return
                if isinstance(item, GeminiError):
                    raise item
                await take(item)
                if number % MAX_EVENTS_IN_A_ROW == 0:
                    await asyncio.sleep(0)
            self._room.release()

    async def _next_batch(
        self, deadline: float
    ) -> Sequence[Event | GeminiError | None]:
        # Not wait_for: on Python 3.11 it swallows a cancellation that comes together
        # with an item.
        try:
            async with asyncio.timeout_at(deadline):
                return await self._queue.get()
        except TimeoutError:
            if not self._queue.empty():  # it came in the same turn of the loop
                return self._queue.get_nowait()
            if self._begun is None:  # there was no thread for it
                raise self._in_vain() from None
            raise GeminiError("timeout", **self._values()) from None

    def _in_vain(self, is_own_limit: bool = False) -> GeminiError:
        """The failure of one who waited all the time."""
        kind = "busy_own" if is_own_limit else "busy"
        return GeminiError(kind, seconds=round(self.timeout))

    def _values(self) -> dict[str, Any]:
        """What is known of the request; Google had only the time after the wait."""
        begun = self._begun or time.monotonic()
        values: dict[str, Any] = {
            "host": self.client.host,
            "model": name_of(self.model),
            "elapsed": round(time.monotonic() - begun),
        }
        if (waited := begun - self._started) > self.timeout * NOTICEABLE_WAIT:
            values["waited"] = make_note("waited", seconds=waited)
        return values

    @property
    def _seconds_left(self) -> float:
        """Until the deadline; never quite nothing."""
        return max(self._started + self.timeout - time.monotonic(), 0.1)

    def _put(self, batch: Sequence[Event | GeminiError | None]) -> None:
        self._call(self._queue.put_nowait, batch)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a function on the event loop."""
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)

    def _hand_over(self, batch: EventBatch) -> None:
        """Give the event loop what came; wait while it has enough."""
        if events := batch.take():
            self._room.acquire()
            if self._sockets.ended:
                raise Cancelled
            self._put(events)

    def _work(self) -> None:
        """The thread's whole work: the request, then its end or its failure. That is
        said, and the line left, whatever else fails, such as the host's log."""
        failure: GeminiError | None = GeminiError("unexpected")
        outcome = "unexpected"
        self._begun = time.monotonic()
        with contextlib.suppress(Exception):
            failure = self._failure()
            outcome = failure.kind if failure else "answered"
        if self._sockets.ended:  # whatever a shut socket then raised
            failure, outcome = None, "stopped"
        with contextlib.suppress(Exception):
            self._log(outcome)
        self._put([failure])
        self._call(self._place.leave)

    def _failure(self) -> GeminiError | None:
        """What the request ends in, if not well."""
        try:
            if not self._sockets.ended:
                self._request()
        except GeminiError as error:
            return error
        except ResponseTooLarge:
            return GeminiError("answer_too_large", **self._values())
        except Exception as error:
            if not self._sockets.ended:
                log.exception("request failed unexpectedly: %s", type(error).__name__)
            return GeminiError("unexpected")
        return None

    def _log(self, outcome: str) -> None:
        """One line for each request: never a prompt, a name or a key."""
        begun = self._begun or self._started
        log.info(
            "model=%s try=%d outcome=%s waited=%.1f seconds=%.1f bytes=%d id=%s",
            self.model,
            self.attempt,
            outcome,
            begun - self._started,
            time.monotonic() - begun,
            self._received,
            self._response_id or "-",
        )

    def _request(self) -> None:
        self._encoded = EncodedBody(self.body)
        if self._sockets.ended:  # nobody would drop it any more
            raise Cancelled
        timeout, sockets, body = self._seconds_left, self._sockets, self._encoded
        try:
            with self.client.request(
                "POST", self.path, timeout, sockets, body
            ) as response:
                self._read(response)
        except GeminiError as error:
            if error.kind == "timeout":
                error.values.update(self._values())
            raise

    def _read(self, response: requests.Response) -> None:
        reader = ObjectReader()
        objects: list[Any] = []
        batch = EventBatch()
        unpaused, usable, secrets = 0, False, self.client.secrets
        for chunk in pieces_of(response):
            if self._sockets.ended:
                raise Cancelled
            self._received += len(chunk)
            unpaused += len(chunk)
            if unpaused >= 2 * SLICE:
                time.sleep(PAUSE)
                unpaused = 0
            try:
                with _PARSING:
                    for framed, blobs in reader.feed(chunk):
                        received = mask_strings(unwrapped(framed), *secrets)
                        objects = [*objects, received][-MAX_OBJECTS_KEPT:]
                        usable = usable or is_response(received)
                        for event in self._events(response, received, blobs):
                            batch.add(event)
            finally:
                self._hand_over(batch)
        whole = reader.end()
        if response.status_code != 200 or not usable:
            elapsed = self._values()["elapsed"]
            raise self.client.failure(response, objects, reader, elapsed, self.model)
        if not whole:
            raise GeminiError("broken_off", **self._values())

    def _events(
        self, response: requests.Response, received: Any, blobs: list[bytes | None]
    ) -> Iterator[Event]:
        if response.status_code != 200:
            return
        if get_field(received, "error"):
            secrets = self.client.secrets
            error = read_error(response.status_code, received, secrets)
            raise self.client.backend.as_here(explain_error(error, **self._values()))
        response_id = re.sub(r"[^\w-]", "", as_str(get_field(received, "responseId")))
        self._response_id = self._response_id or response_id[:64]
        yield from read_events(received, blobs)


# ── Keys ──────────────────────────────────────────────────────────────────────────────
# Which of several keys a request is sent with, who of them rests, and their models.


class _Cause(NamedTuple):
    """Why a key rests: what an administrator reads of it, whether it does for all
    models, and whether until the settings change."""

    why: str
    for_all: bool = True
    is_final: bool = False


# The failures that are a key's own, by kind. They are told before a request is worked
# on, and so are not billed: another key may do.
_CAUSES: dict[str, _Cause] = {
    "key_refused": _Cause("rests_refused", is_final=True),
    "key_expired": _Cause("rests_expired", is_final=True),
    "key_leaked": _Cause("rests_leaked", is_final=True),
    "key_type": _Cause("rests_refused", is_final=True),
    "key_restricted": _Cause("rests_restricted"),
    "api_disabled": _Cause("rests_restricted"),
    "account_limited": _Cause("rests_restricted"),
    "permission": _Cause("rests_restricted", for_all=False),
    "billing": _Cause("rests_billing"),
    "quota_prepaid": _Cause("rests_billing"),
    "budget": _Cause("rests_billing"),
    "quota_zero": _Cause("rests_billing", for_all=False),
    "quota_day": _Cause("rests_day", for_all=False),
    "quota_minute": _Cause("rests_minute", for_all=False),
    "capacity": _Cause("rests_minute", for_all=False),
    "vertex_key_type": _Cause("rests_refused", is_final=True),
    "vertex_disabled": _Cause("rests_restricted"),
    "vertex_no_project": _Cause("rests_restricted"),
    "vertex_permission": _Cause("rests_restricted", for_all=False),
    "vertex_billing": _Cause("rests_billing"),
    "vertex_quota": _Cause("rests_minute", for_all=False),
    "vertex_capacity": _Cause("rests_minute", for_all=False),
}


class Rest(NamedTuple):
    """That a key is not used: after which kind of failure, and since and until when on
    the clock of `time.monotonic`. who: whose words that was. is_told: whether they said
    until when."""

    kind: str
    since: float
    until: float
    who: str = ""
    is_told: bool = False


_NO_REST = Rest("", -math.inf, -math.inf)


class Roster:
    """What this worker knows of the keys of one list: whose turn it is, and who rests.

    rests: by a digest of the key, and the model or "" for all. Only an optimisation, as
    the lists of models are.
    """

    def __init__(self) -> None:
        self.turn = 0
        self.rests: dict[tuple[str, str], Rest] = {}

    def rest_of(self, key: str, model: str) -> Rest:
        """The rest of a key from a model that ends last; it may have ended."""
        rests = (self.rests.get((key, of), _NO_REST) for of in (model, ""))
        return max(rests, key=lambda rest: rest.until)

    def put(self, key: str, model: str, rest: Rest) -> None:
        """Let a key rest."""
        now = time.monotonic()
        self.rests = {k: known for k, known in self.rests.items() if known.until > now}
        self.rests[key, model] = rest
        while len(self.rests) > MAX_RESTS:
            self.rests.pop(next(iter(self.rests)))

    def wake(self, key: str, model: str, since: float) -> None:
        """End what rest a key had from a model before a moment."""
        for of in (model, ""):
            if self.rests.get((key, of), _NO_REST).since < since:
                self.rests.pop((key, of), None)


class Rosters:
    """Those of this worker, by a digest of address, headers and all keys of a list: as
    soon as one of these is changed, all begins anew."""

    def __init__(self) -> None:
        self._rosters: dict[str, Roster] = {}

    def of(self, keys: str) -> Roster:
        """That of a list; the one that was used last is the last to go."""
        roster = self._rosters.pop(keys, Roster())
        self._rosters[keys] = roster
        while len(self._rosters) > MAX_KEY_LISTS:
            self._rosters.pop(next(iter(self._rosters)))
        return roster


ROSTERS = Rosters()


@dataclass(frozen=True)
class Keyring:
    """A list of keys, each with its client, in the order in which they were typed.

    A lone key never rests: there is nobody in its place.
    """

    clients: tuple[GeminiClient, ...]

    @property
    def backend(self) -> Backend:
        """Who is asked, with whichever key."""
        return self.clients[0].backend

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no answer may show, whichever key is used."""
        return self.clients[0].secrets

    @cached_property
    def identity(self) -> str:
        """A digest of address, headers and all keys."""
        identities = "".join(client.identity for client in self.clients)
        return hashlib.sha256(identities.encode()).hexdigest()

    def client_for(self, model: str) -> GeminiClient:
        """The client for the next request for a model: those that do not rest take
        turns. Where all do, it is the one whose rest ends first; if that is none's,
        the one that was refused first, once a minute: a new key takes a while to be
        known everywhere. Raises GeminiError in between."""
        roster, count, now = self._roster, len(self.clients), time.monotonic()
        for number in range(roster.turn, roster.turn + count):
            client = self.clients[number % count]
            if roster.rest_of(client.identity, model).until <= now:
                roster.turn = (number + 1) % count
                return client
        client, rest = self._first_back(model)
        if _CAUSES[rest.kind].is_final and now < rest.since + KEY_REST:
            raise self._failure(rest, model)
        return client

    def after(
        self, client: GeminiClient, model: str, error: GeminiError
    ) -> GeminiError:
        """The failure to go on from, when a request ended in this one: where all keys
        rest now, that of the one that is back first."""
        if error.kind not in _CAUSES or len(self.clients) == 1:
            return error
        self._put_to_rest(client, model, error)
        first, rest = self._first_back(model)
        if first is client or not time.monotonic() < rest.until < math.inf:
            return error
        return self._failure(rest, model, error)

    def has_other(self, error: GeminiError, model: str) -> bool:
        """Whether the failure was the key's own, and another does not rest."""
        if error.kind not in _CAUSES or len(self.clients) == 1:
            return False
        _, rest = self._first_back(model)
        return rest.until <= time.monotonic()

    def answered(self, client: GeminiClient, model: str, begun: float) -> None:
        """Take note that a key was good for a request that began then; others that
        began later may have found that it no longer is."""
        self._roster.wake(client.identity, model, begun)

    def resting(self) -> list[Note]:
        """For administrators: how many keys rest, and why."""
        now, rests = time.monotonic(), self._roster.rests
        found = []
        for client in self.clients:
            own = [rest for (key, _), rest in rests.items() if key == client.identity]
            last = max(own, key=lambda rest: rest.until, default=None)
            if last and last.until > now:
                found.append(_resting_key(client.key, _CAUSES[last.kind].why))
        values = {"count": len(found), "all": len(self.clients)}
        return [make_note("keys_rest", which=tuple(found), **values)] if found else []

    def list_models(self, sockets: Sockets) -> list[ListedModel]:
        """All models that Google lists for the first key that it answers. Blocks; raises
        GeminiError."""
        *others, last = self.clients
        for client in others:
            try:
                return client.list_models(sockets)
            except GeminiError as error:
                if error.kind not in _CAUSES:
                    raise
        return last.list_models(sockets)

    @cached_property
    def _roster(self) -> Roster:
        return ROSTERS.of(self.identity)

    def _first_back(self, model: str) -> tuple[GeminiClient, Rest]:
        """The one whose rest ends first, or ended."""
        rests = [(c, self._roster.rest_of(c.identity, model)) for c in self.clients]
        return min(rests, key=lambda pair: (pair[1].until, pair[1].since))

    def _put_to_rest(
        self, client: GeminiClient, model: str, error: GeminiError
    ) -> None:
        cause, now = _CAUSES[error.kind], time.monotonic()
        seconds = math.inf if cause.is_final else _seconds_of_rest(error)
        who = error.values.get("who", self.backend.who)
        rest = Rest(error.kind, now, now + seconds, who, bool(error.retry_after))
        self._roster.put(client.identity, "" if cause.for_all else model, rest)
        number = self.clients.index(client) + 1
        log.warning("key %d of %d rests: %s", number, len(self.clients), error.kind)

    def _failure(
        self, rest: Rest, model: str, like: GeminiError | None = None
    ) -> GeminiError:
        """The failure after which a key rests. What was said about it is known only of
        one of the same kind; it may have been said to somebody else."""
        left = max(rest.until - time.monotonic(), 1.0)
        said = like if like and like.kind == rest.kind else GeminiError(rest.kind)
        wait = left if rest.is_told else None
        error = GeminiError(rest.kind, said.quote, wait, **said.values)
        error.values |= {"model": name_of(model), "who": rest.who}
        error.values["host"] = self.backend.host
        if left < math.inf:
            error.values["seconds"] = math.ceil(left)
        return error


def _seconds_of_rest(error: GeminiError) -> float:
    seconds = min(error.retry_after or KEY_REST, float(MAX_SETTING))
    if error.kind == "quota_day" and seconds <= KEY_REST:
        return seconds_to_midnight(time.time())
    return seconds


def seconds_to_midnight(now: float) -> float:
    """From a time in seconds since 1970 until daily quotas begin anew, at midnight in
    California (ai.google.dev/gemini-api/docs/rate-limits)."""
    zone = _pacific()
    tomorrow = datetime.fromtimestamp(now, zone).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
    return midnight.timestamp() - now


def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a server without tables of zones: late in summer
        return timezone(timedelta(hours=-8))


_SHORTEST_SHOWN_KEY = 12


def _resting_key(key: str, why: str) -> Note:
    end = key[-4:]
    if len(key) < _SHORTEST_SHOWN_KEY or not re.fullmatch(r"[\w-]{4}", end, re.ASCII):
        return make_note("hidden_key", why=make_note(why))
    return make_note("resting_key", end=end, why=make_note(why))


def checked_keys(typed: Sequence[str]) -> tuple[str, ...]:
    """The keys, each once. Raises GeminiError when one cannot be a key; it is told by
    its number."""
    if len(typed) > MAX_KEYS:
        problem = make_note("keys_many", limit=MAX_KEYS)
        raise GeminiError("keys_malformed", problem=problem)
    if len(typed) <= 1:
        return (checked_key("".join(typed)),)
    for number, key in enumerate(typed, start=1):
        try:
            checked_key(key)
        except GeminiError:
            problem = make_note("key_number", number=number)
            raise GeminiError("keys_malformed", problem=problem) from None
    return tuple(dict.fromkeys(typed))


def check_own_key(valves: AdminValves, typed: Sequence[str]) -> None:
    """Raises GeminiError where users need a key of their own, and none is typed."""
    if valves.REQUIRE_USER_KEY and not typed:
        raise no_own_key(valves)


def keyring_for(
    valves: AdminValves, typed: Sequence[str], caller: Caller | None = None
) -> Keyring:
    """The clients for what an administrator, or a user, typed. Raises GeminiError."""
    backend = backend_for(valves, "".join(typed[:1]))
    keys = ("",) if backend.account else checked_keys(typed)
    return Keyring(
        tuple(
            GeminiClient(
                backend,
                key,
                parallel_requests(valves),
                caller or Caller(),
                other_keys=tuple(other for other in keys if other != key),
            )
            for key in keys
        )
    )


class ModelLists:
    """The model lists of this worker, one for each address and list of keys.

    Only an optimisation: every worker has its own, and may lose it at any time.
    """

    def __init__(self) -> None:
        self._lists: dict[str, tuple[float, list[ListedModel]]] = {}
        self._failures: dict[str, float] = {}
        self._refreshes: dict[str, asyncio.Task[None]] = {}

    async def get(self, keys: Keyring, wait: float = LIST_WAIT) -> list[ListedModel]:
        """The last good list; one that is due is renewed without waiting for it.

        Waits, at most `wait` seconds, only while there is no list at all; then an
        empty list means that none could be had.
        """
        known = self._lists.get(keys.identity)
        if known is None or time.monotonic() - known[0] > LIST_LIFETIME:
            refresh = self._refresh(keys)
            if known is None and refresh:
                await asyncio.wait([refresh], timeout=wait)
                known = self._lists.get(keys.identity)
        return known[1] if known else []

    def known(self, keys: Keyring) -> list[ListedModel]:
        """The last good list, if there is one; asks nobody."""
        return self._lists.get(keys.identity, (0.0, []))[1]

    def _refresh(self, keys: Keyring) -> asyncio.Task[None] | None:
        identity = keys.identity
        task = self._refreshes.get(identity)
        if task and not task.done() and task.get_loop() is asyncio.get_running_loop():
            return task
        since = time.monotonic() - LIST_RETRY
        self._failures = {i: at for i, at in self._failures.items() if at > since}
        if identity in self._failures:
            return None
        task = asyncio.create_task(self._fetch(keys))
        self._refreshes[identity] = task
        return task

    async def _fetch(self, keys: Keyring) -> None:
        identity = keys.identity
        sockets = Sockets()
        try:
            async with asyncio.timeout(LIST_TIMEOUT):
                models = await LISTS.run(keys.list_models, sockets)
            self._lists.pop(identity, None)  # the last one renewed is the last to go
            self._lists[identity] = (time.monotonic(), models)
            self._forget_oldest()
            self._failures.pop(identity, None)
        except Exception as error:  # nobody waits for it
            self._failures[identity] = time.monotonic()
            why = error.kind if isinstance(error, GeminiError) else type(error).__name__
            log.warning("could not list the models: %s", why)
        finally:
            sockets.shutdown()
            self._refreshes.pop(identity, None)

    def _forget_oldest(self) -> None:
        """Users may bring keys of their own, and gateways list any number of models."""
        kept = sum(len(models) for _, models in self._lists.values())
        while len(self._lists) > MAX_LISTS or kept > MAX_MODELS_KEPT:
            _, models = self._lists.pop(next(iter(self._lists)))
            kept -= len(models)


MODEL_LISTS = ModelLists()

# ── Spending ──────────────────────────────────────────────────────────────────────────
# Whether an answer may cost what it will, and what it did cost.

# Asks whoever is at the page, by title and text; None where nobody answers.
Ask = Callable[[Note, Note], Awaitable[bool | None]]

LEDGER = Ledger()
# Marks the records of this worker's pictures: of those that it remembers and the
# database does not hold, it knows that they were deleted.
WORKER = uuid.uuid4().hex[:WORKER_SIGNS]


class Purse:
    """What one answer may spend, and spends.

        with Purse(chat, valves, own_key, answer.ask) as purse:
            options, notes = await purse.open(route, options)

    The end of the block gives back what was set aside and not spent.
    """

    def __init__(
        self, chat: HostChat, valves: AdminValves, own_key: bool, ask: Ask
    ) -> None:
        self._chat, self._valves, self._ask = chat, valves, ask
        self._account = account_of(chat, own_key)
        self._reservation = Reservation(self._account, 0.0, 0)
        self._agreed = 0.0  # to so much somebody has said Yes

    async def open(
        self, route: Route, options: ImageOptions
    ) -> tuple[ImageOptions, list[Note]]:
        """Set aside what pictures of a model will cost. Returns the options with as many
        as the budget allows, and notes. Raises GeminiError when it allows none, or when
        somebody is asked and does not say Yes."""
        estimate = estimate_picture(route.model, options.image_size)
        allowed, notes = await self._set_aside(estimate, options)
        total = estimate.usd * allowed.count
        if self._is_question(total):
            self.close()  # nothing is under way while somebody thinks about it
            await self._be_sure(allowed, total)
            self._agreed = total
            allowed, _ = await self._set_aside(estimate, allowed)
            notes = _cut(self._valves, allowed.count, options.count)
        if not estimate.is_known and (route.asked == AUTO or self._matters):
            amount = _dollars_shown(estimate.usd)
            notes.append(
                make_note("price_assumed", model=name_of(route.model), amount=amount)
            )
        return allowed, notes

    def close(self) -> None:
        """Give back what was set aside."""
        LEDGER.release(self._reservation)

    def __enter__(self) -> "Purse":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _set_aside(
        self, estimate: Estimate, options: ImageOptions
    ) -> tuple[ImageOptions, list[Note]]:
        self.close()
        count = options.count
        if is_limited(self._chat, self._valves, self._account):
            today = await spent_since(self._account, begin_of_day)
            left = _left_of(self._valves.DAILY_BUDGET_USD, self._account, today)
            count = pictures_within(left, estimate.usd, options.count)
            if not count:
                raise self._used_up(left, estimate)
        # From the sum to this line nothing is awaited: no other answer comes between.
        self._reservation = Reservation(self._account, estimate.usd, count)
        LEDGER.reserve(self._reservation)
        notes = _cut(self._valves, count, options.count)
        return replace(options, count=count), notes

    @property
    def _matters(self) -> bool:
        """Whether an administrator has set something that a price decides."""
        return (
            is_limited(self._chat, self._valves, self._account)
            or self._valves.CONFIRM_ABOVE_USD > 0
        )

    def _used_up(self, left: float, estimate: Estimate) -> GeminiError:
        return GeminiError(
            "daily_budget",
            budget=_dollars_shown(self._valves.DAILY_BUDGET_USD),
            left=_dollars_shown(max(left, 0.0)),
            amount=_dollars_shown(estimate.usd),
            zone=zone_name(),
        )

    def _is_question(self, total: float) -> bool:
        is_expensive = needs_question(total, self._valves.CONFIRM_ABOVE_USD)
        return is_expensive and total > self._agreed and self._chat.can_ask

    async def _be_sure(self, options: ImageOptions, total: float) -> None:
        """Return when somebody says Yes. Raises GeminiError."""
        amount = _dollars_shown(total)
        what = pictures_note(options.count)
        if options.image_size:
            what = make_note("in_size", what=what, size=options.image_size)
        title = make_note("question_title", what=what)
        said = await self._ask(title, make_note("question", amount=amount))
        if said is None:
            raise GeminiError("not_answered", amount=amount)
        if not said:
            raise GeminiError("not_wanted")

    def mark(self, price: float | None) -> dict[str, str]:
        """What the record of a picture says for the sums to come. price: where it is
        known."""
        return {MARK_KEY: spent_mark(self._account, WORKER, self._counted(price))}

    def paid(
        self, model_id: str, size: str, price: float | None, since: datetime
    ) -> None:
        """A picture was made. price: where it is known. since: when the picture came,
        before it was stored."""
        counted = self._counted(price)
        LEDGER.settle(self._reservation, counted, since.date())
        log.info(
            "picture made: user %s, model %s, size %s, %.4f USD, the %s's key",
            *(self._account.user or "unknown", model_id, size, counted),
            payer_of(self._account),
        )

    def _counted(self, price: float | None) -> float:
        """What a picture is counted as: what was set aside for it, if nothing better."""
        return self._reservation.price if price is None else price


def is_limited(chat: HostChat, valves: AdminValves, account: Payer) -> bool:
    """Whether a budget holds for whoever asks."""
    is_counted = valves.BUDGET_FOR_ADMINS or not chat.is_asked_by_admin
    return valves.DAILY_BUDGET_USD > 0 and is_counted and not account.own_key


def account_of(chat: HostChat, own_key: bool) -> Payer:
    """Whose money pictures of a chat cost."""
    return Payer(as_str(chat.user.get("id")), own_key)


def _cut(valves: AdminValves, count: int, asked: int) -> list[Note]:
    budget = _dollars_shown(valves.DAILY_BUDGET_USD)
    values = {"count": count, "asked": asked, "budget": budget, "zone": zone_name()}
    return [make_note("budget_cut", **values)] if count < asked else []


def _dollars_shown(usd: float) -> str:
    if usd < 0.0005:
        return "$0"
    return f"${usd:,.2f}" if usd >= 0.1 else f"${usd:.3f}"


def zone_name() -> str:
    """The name of the server's time zone."""
    return datetime.now().astimezone().tzname() or "UTC"


def _left_of(budget: float, account: Payer, today: Spent) -> float:
    """What is left of a budget in USD, less than nothing where more was spent."""
    return budget - today.usd - LEDGER.under_way(account)


async def spent_since(account: Payer, begin: Callable[[datetime], datetime]) -> Spent:
    """What an account has spent since the beginning of the day or the month: by the
    records of all workers, and by what only this one knows."""
    now = datetime.now()
    first = begin(now)
    in_records = await _recorded(account, first, begin_of_next_day(now))
    # What was recorded here meanwhile, and the sum lacks, the memory knows by now.
    return spent_in_all(in_records, LEDGER.made(account, first.date()))


async def _recorded(account: Payer, first: datetime, end: datetime) -> Recorded:
    """What the host's records say; nothing where it cannot be asked."""
    if not account.user:
        return Recorded()
    try:
        async with asyncio.timeout(SUM_TIMEOUT):
            days = first.timestamp(), end.timestamp()
            return await summed_marks(account, *days, WORKER)
    except Exception as error:
        _log_not_summed(type(error).__name__)
        log.debug("spending not summed", exc_info=True)
        return Recorded()


@lru_cache(maxsize=16)  # each reason once
def _log_not_summed(why: str) -> None:
    log.warning(
        "budgets hold as far as this worker knows, for no sum came: %s",
        why,
    )


def is_reserved(chat: HostChat, valves: AdminValves, model_id: str) -> bool:
    """Whether only administrators may use a model, and none asks."""
    if chat.is_asked_by_admin:
        return False
    typed = valves.ADMIN_ONLY_MODELS
    is_by_id = is_among(model_id, split_list(typed))
    return is_by_id or is_named(model_id, split_names(typed))


def models_for_auto(
    chat: HostChat, valves: AdminValves, available: dict[str, ListedModel]
) -> dict[str, ListedModel]:
    """Among which models `auto` chooses for whoever asks, where these are available.
    Raises GeminiError where none is left."""
    named = split_list(valves.MODELS)
    there = available or usable_models(known_models(), ())
    chosen = {
        i: m for i, m in choose_models(there.values(), named).items() if i in there
    }
    chosen = chosen or there
    allowed = {i: m for i, m in there.items() if not is_reserved(chat, valves, i)}
    if not chosen.keys() & allowed:
        raise GeminiError("model_reserved", model=make_note("these_models"))
    is_named_alone = len(named) == len(typed_ids(named)) == 1
    if valves.AUTO_KNOWN_PRICES_ONLY and not is_named_alone:
        allowed = {i: m for i, m in allowed.items() if model_facts(i)}
        if not chosen.keys() & allowed:
            raise GeminiError("no_known_price")
    return available if allowed.keys() == there.keys() else allowed


async def told_costs(chat: HostChat, valves: AdminValves, own_key: bool) -> list[Note]:
    """What whoever asks has spent, today and this month, and of which budget."""
    account = account_of(chat, own_key)
    today = await spent_since(account, begin_of_day)
    month = await spent_since(account, begin_of_month)
    notes = [
        make_note(kind, what=_spent_note(spent), zone=zone_name())
        for kind, spent in (("spent_today", today), ("spent_month", month))
    ]
    if is_limited(chat, valves, account):
        budget = valves.DAILY_BUDGET_USD
        left = max(_left_of(budget, account, today), 0.0)
        shown = {"budget": _dollars_shown(budget), "left": _dollars_shown(left)}
        notes.append(make_note("budget_of_day", **shown))
    return [*notes, make_note("costs_help")]


def _spent_note(spent: Spent) -> Note:
    """So many pictures, and what they cost."""
    what = pictures_note(spent.pictures)
    if not spent.pictures:
        return what
    return make_note("pictures_priced", what=what, usd=_dollars_shown(spent.usd))


def pictures_note(count: int) -> Note:
    """So many pictures."""
    if count == 1:
        return make_note("one_picture")
    return make_note("pictures", count=count) if count else make_note("no_pictures")


# ── Answer ────────────────────────────────────────────────────────────────────────────
# Composes what the chat shows from the events of one or more requests, and turns notes,
# failures and statuses into words.

# A project's number or name: not for everybody in a chat.
_PROJECT = re.compile(r"\b(projects?[ /#:='\"]+)[\w-]*\d[\w-]*")


def reader_of(chat: HostChat, own_key: bool = False) -> Reader:
    """Who reads the answer: administrators and programs need the ids of models."""
    sees_ids = chat.is_admin or not chat.is_read_by_host
    return Reader(chat.language, sees_ids, own_key)


def what_happened(error: GeminiError, reader: Reader) -> str:
    """What happened, without markdown: for the status line."""
    what, _ = failure_sentences(error.kind, error.values, reader)
    return redact(what).replace("`", "").rstrip(".。")


def failure_text(error: GeminiError, reader: Reader, for_admin: bool = False) -> str:
    """What happened, Google's sentence, and what to do, in markdown.

    for_admin: with Google's names for it, such as the quota that is used up.
    """
    what, advice = failure_sentences(error.kind, error.values, reader)
    quoted = error.quote if for_admin else _PROJECT.sub(r"\1…", error.quote)
    # Pages that make links of addresses would take the quotation mark into it.
    gap = "\u202f" if re.search(r"https?://\S+\Z", quoted) else ""
    said = f"“{quoted}{gap}” " if quoted else ""
    text = redact(f"**{what}** {said}{advice}")
    details = error.values.get("details") if for_admin else ""
    if not details:
        return text
    return text + sentence(make_note("in_brackets", text=redact(details)), reader)


def heartbeats() -> Iterator[int]:
    """After how many seconds the status says that the work goes on."""
    yield from HEARTBEATS
    yield from itertools.count(2 * HEARTBEATS[-1], HEARTBEATS[-1])


class Thoughts(NamedTuple):
    """A piece of the model's thoughts, apart from its answer."""

    text: str


# What an answer is made of: markdown, thoughts, and in the end its usage as OpenAI
# counts it.
Piece = str | Thoughts | dict[str, Any]
Send = Callable[[Piece], Awaitable[None]]


class Tally:
    """What an answer used and holds: tokens, pictures, and about what they cost.

    pixels: width and height of each picture, or None where they cannot be told.
    """

    def __init__(self) -> None:
        self.model = ""
        self.pixels: list[tuple[int, int] | None] = []
        self.tokens: Counter[str] = Counter()

    @property
    def price(self) -> float | None:
        """About what it cost in USD, or None for a model whose prices are unknown."""
        sizes = [size_of(*pixels) if pixels else "" for pixels in self.pixels]
        words = self.tokens["words"] + self.tokens["thoughts"]
        return estimate_price(self.model, sizes, self.tokens["in"], words)

    def price_of(self, pixels: tuple[int, int] | None) -> float | None:
        """About what a picture costs by itself, in USD."""
        size = size_of(*pixels) if pixels else ""
        return estimate_price(self.model, [size], tokens_in=0, tokens_out=0)

    @property
    def usage(self) -> dict[str, Any]:
        """The tokens and the estimated price, as the host and OpenAI name them."""
        count = self.tokens
        out = count["out"] + count["thoughts"]
        details = {
            "image_tokens": count["out_image"],
            "reasoning_tokens": count["thoughts"],
        }
        usage: dict[str, Any] = {
            "prompt_tokens": count["in"],
            "completion_tokens": out,
            "total_tokens": count["in"] + out,
            "prompt_tokens_details": {"image_tokens": count["in_image"]},
            "completion_tokens_details": details,
        }
        if self.price is not None:
            usage["cost"] = round(self.price, 4)
        return usage if out else {}

    def summary(self, seconds: float, reader: Reader) -> str:
        """Model, price, pixels and seconds in one line, of which a phone shows the
        beginning."""
        kinds = Counter(f"{p[0]}×{p[1]}" for p in self.pixels if p)
        pixels = [f"{n} × {kind}" if n > 1 else kind for kind, n in kinds.items()]
        price, took = self.price, make_note("seconds", seconds=seconds)
        known = make_note("price", price=price)
        cost = make_note("price_unknown") if price is None else known
        parts = [display_name(self.model), sentence(cost, reader)]
        parts += [", ".join(pixels), sentence(took, reader)]
        return " · ".join(filter(None, parts))

    def surprises(self, options: ImageOptions) -> Iterator[Note]:
        """Notes on pictures of another shape or size than was asked for."""
        ratio, size = options.aspect_ratio, options.image_size
        for width, height in filter(None, dict.fromkeys(self.pixels)):
            # Google's pixels differ from the ratio itself by up to 2 %.
            bend = abs(math.log(width / height / ratio_value(ratio))) if ratio else 0
            if bend > 0.03 or (size and size_of(width, height) != size):
                asked: Any = ratio or size
                if ratio and size:
                    asked = make_note("ratio_and_size", ratio=ratio, size=size)
                yield make_note("other_pixels", asked=asked, width=width, height=height)


class PictureNames(NamedTuple):
    """What the pictures of an answer are called, numbered from the second on.

    nameless: what they are where the prompt has no words.
    """

    prompt: str
    nameless: str

    @property
    def plain_prompt(self) -> str:
        """The prompt's beginning on one line, or nothing."""
        return plain_words(self.prompt, MAX_ALT_CHARACTERS, "")

    def alt(self, number: int) -> str:
        """A picture's alternative text."""
        text = self.plain_prompt or self.nameless
        return f"{text} ({number})" if number > 1 else text

    def file_name(self, number: int, mime: str) -> str:
        """The name of a picture's file."""
        stem = file_stem(self.prompt) or file_stem(self.nameless)
        return (f"{stem}-{number}" if number > 1 else stem) + file_ending(mime)


class Answer:
    """Composes one answer from the events of its requests.

    prompt: becomes the pictures' alternative text. notes: what is to be said whoever
    answers. inline: whether pictures are kept in the message itself. own_key: whether
    the key is the user's own. unfinished: the text to which the host adds the answer.
    """

    def __init__(
        self,
        chat: HostChat,
        prompt: str = "",
        options: ImageOptions = ImageOptions(),
        notes: Sequence[Note] = (),
        inline: bool = False,
        own_key: bool = False,
        unfinished: str = "",
    ) -> None:
        self._chat, self._inline = chat, inline
        self.reader = reader_of(chat, own_key)
        self.making = make_note("working")  # what the requests under way are about
        self._began = time.monotonic()
        nameless = sentence(make_note("generated"), self.reader)
        self._names = PictureNames(prompt, nameless)
        self._words = SafeText(*chat.secrets)
        self._thoughts = SafeThoughts(*chat.secrets)
        self._room = {False: MAX_WORDS_CHARACTERS, True: MAX_WORDS_CHARACTERS}
        self._of_request: Counter[int] = Counter()
        self._not_kept = 0
        # The host has stripped the text, and adds to it without a line break.
        self._lead = f"{self._words.follow(unfinished)}\n\n" if unfinished else ""
        self._tail = "\n\n"
        self._cells = 0
        self._said: dict[int, list[str]] = {}
        self._drafts: dict[int, Image] = {}
        self._options = options
        self._seen: set[tuple[int, bytes]] = set()
        self._thinking = False
        self._damaged = False
        self._elsewhere = False
        self._finished = False
        self._texts = 0
        self._refusals: list[Refusal] = []
        self._standing_notes = tuple(notes)
        self.notes = list(notes)
        self.sources = Sources()
        self.tally = Tally()
        self._purse: Purse | None = None

    def begin(
        self,
        model_id: str,
        options: ImageOptions,
        notes: Sequence[Note],
        purse: Purse | None = None,
    ) -> None:
        """Which model is asked for what, and who counts what it costs; forgets the notes
        on another one."""
        self.tally.model, self._options, self._purse = model_id, options, purse
        self.notes = [*self._standing_notes, *notes]

    def hide(self, secrets: Collection[str]) -> None:
        """Show none of these, wherever the pieces of the model's words meet."""
        self._words.hide(*secrets)
        self._thoughts.hide(*secrets)

    @property
    def pictures(self) -> int:
        """How many pictures are shown."""
        return len(self.tally.pixels)

    async def status(self, said: Note | str, done: bool = False) -> None:
        """Show a line of progress."""
        words = sentence(said, self.reader) if isinstance(said, Note) else said
        await self._chat.status(words, done)

    async def ask(self, title: Note, text: Note) -> bool | None:
        """What somebody at the page says to a question; None where nobody answers."""
        self.making = make_note("asking")
        await self.status(self.making)
        return await self._chat.ask(*(sentence(n, self.reader) for n in (title, text)))

    def end_of_thoughts(self, event: Event, number: int) -> Piece:
        """What was held back of the thoughts, before an event that is none of them.
        Only those of the first request are shown."""
        if number or (isinstance(event, Text) and event.thought):
            return ""
        rest = self._thoughts.rest()
        return Thoughts(rest) if rest else ""

    async def take(self, event: Event, number: int = 0) -> Piece:
        """What the event of the request of that number adds to the answer."""
        if isinstance(event, Text):
            return self._say(self._within_bounds(event), number)
        if isinstance(event, Image):
            return await self._take_picture(event, number)
        if isinstance(event, Refusal):
            is_news = event not in self._refusals
            if is_news and len(self._refusals) < MAX_REFUSALS:
                self._refusals.append(event)
        elif isinstance(event, Usage):
            self.tally.tokens.update(event.tokens)
        elif isinstance(event, Sources):
            self.sources = self.sources.joined(event)
        elif isinstance(event, BadPicture):
            self._damaged = True
        elif isinstance(event, Finish):
            self._finished = True
        else:
            self._note(event)
        return ""

    def _note(self, event: Event) -> None:
        """Note what is only to be told, once, and no more than an answer may hold."""
        if isinstance(event, PictureElsewhere):
            self._elsewhere = True
            known = make_note("where", address=event.address)
            note = make_note("elsewhere", where=known if event.address else "")
        elif isinstance(event, Retirement) and self._chat.is_admin:
            note = make_note(
                "retires", model=name_of(self.tally.model), date=event.date
            )
        else:
            return
        if note not in self.notes and len(self.notes) < MAX_PICTURES:
            self.notes.append(note)
            if self._purse and isinstance(event, PictureElsewhere):  # it was made
                model = self.tally.model
                self._purse.paid(model, "unknown", None, datetime.now())

    async def end(self, model: Note, errors: Sequence[GeminiError] = ()) -> str:
        """What is left to say and show when no more events come.

        errors: those of requests that failed. Raises GeminiError when the answer would
        hold nothing to look at.
        """
        shown = ""
        for number, draft in sorted(self._drafts.items()):
            if not self._of_request[number]:
                self.notes.append(make_note("draft"))
                shown += await self._show(draft)
        self._drafts.clear()
        trouble = self._trouble(model, errors)
        if trouble and not self.pictures:
            raise trouble  # the words that are left come with its message
        self.notes += self.tally.surprises(self._options)
        if self._not_kept:
            self.notes.append(make_note("pictures_cut", count=self._not_kept))
        return shown + self.rest() + (self.failure(trouble) if trouble else "")

    def _trouble(
        self, model: Note, errors: Sequence[GeminiError]
    ) -> GeminiError | None:
        """Why there is less than was asked for, or what failed behind the pictures."""
        if errors:
            return errors[0]
        is_whole = self.pictures >= self._options.count
        refusals = [r for r in self._refusals if r.about == "picture" or not is_whole]
        if refusals:
            return explain_refusal(refusals[0], model=model)
        if is_whole:
            return None
        if self._damaged:
            return GeminiError("bad_picture")
        if self._elsewhere:
            return GeminiError("picture_elsewhere", model=model)
        if self._texts or self.pictures:
            return GeminiError("no_picture", model=model)
        cut_off = self._thinking and not self._finished
        return GeminiError("broken_off" if cut_off else "empty", model=model)

    def _within_bounds(self, event: Text) -> Text:
        """As much of the words as an answer may hold."""
        kept = event.text[: self._room[event.thought]]
        self._room[event.thought] -= len(kept)
        if len(kept) < len(event.text) and make_note("words_cut") not in self.notes:
            self.notes.append(make_note("words_cut"))
        return Text(kept, event.thought)

    async def _take_picture(self, image: Image, number: int) -> str:
        if image.draft:
            self._drafts[number] = image
        elif len(self._seen) > 4 * MAX_PICTURES:  # a flood, of which none is looked at
            self._not_kept += 1
        elif not await self._is_known(image, number):
            if self._has_room(number):
                self._of_request[number] += 1
                return await self._show(image)
            self._not_kept += 1
        return ""

    def _has_room(self, number: int) -> bool:
        """Whether one more picture of that request is kept."""
        is_full = self._of_request[number] >= MAX_PICTURES_PER_REQUEST
        return not is_full and self.pictures < MAX_PICTURES

    def _say(self, event: Text, number: int) -> Piece:
        if event.thought:
            self._thinking = True
            shown = self._options.thoughts and number == 0
            return Thoughts(self._thoughts.feed(event.text)) if shown else ""
        if not event.text:
            return ""
        self._texts += bool(event.text.strip())
        if self._options.count == 1:
            return self._add(self._words.feed(event.text))
        self._said.setdefault(number, []).append(event.text)
        return ""

    async def _is_known(self, image: Image, number: int) -> bool:
        """Whether the same request has brought the picture before: some gateways send
        all again with each piece of an answer."""
        digest = await work_on(image.data, picture_digest)
        known = (number, digest) in self._seen
        self._seen.add((number, digest))
        return known

    async def _show(self, image: Image) -> str:
        """The picture: by itself, or as the next cell of a table of several."""
        since, pixels = datetime.now(), await work_on(image.data, picture_pixels)
        self._pay(pixels, since)  # before it is stored: Stop may come meanwhile
        alt = self._names.alt(self.pictures + 1)
        picture = f"![{alt}]({await self._address(image, pixels)})"
        self.tally.pixels.append(pixels)
        if self._options.count == 1:
            return self._block(picture)
        return self._add(f"{self._next_cell()} {picture} |")

    def _next_cell(self) -> str:
        """What comes before the next picture of a table, which is one at every moment:
        a row that is not full yet is one, too. Two columns, so that the pictures are
        large enough to be looked at on a phone."""
        self._cells += 1
        if self._cells == 1:
            return "|  |  |\n|---|---|\n|"
        return "" if self._cells % 2 == 0 else "\n|"

    async def _address(self, image: Image, pixels: tuple[int, int] | None) -> str:
        if not self._inline:
            name = self._names.file_name(self.pictures + 1, image.mime)
            try:
                return await self._chat.store(
                    NewFile(image, name, self._record(pixels))
                )
            except StorageRefused as error:
                self.notes.append(make_note("not_stored", reason=error.why))
        return str(await work_on(image.data, lambda _: data_uri(image)))

    def _record(self, pixels: tuple[int, int] | None) -> dict[str, Any]:
        """What is noted with a picture's file: small, and of JSON's plain types."""
        default, asked = asdict(ImageOptions()), asdict(self._options)
        price = self.tally.price_of(pixels)
        return {
            **(self._purse.mark(price) if self._purse else {}),
            "version": 1,
            "prompt": self._names.plain_prompt,
            "model": self.tally.model,
            "options": {k: v for k, v in asked.items() if v != default[k]},
            "price": price,
            "seconds": round(time.monotonic() - self._began, 1),
        }

    def _pay(self, pixels: tuple[int, int] | None, since: datetime) -> None:
        if self._purse:
            size = size_of(*pixels) if pixels else "unknown"
            price = self.tally.price_of(pixels)
            self._purse.paid(self.tally.model, size, price, since)

    async def show_sources(self) -> None:
        """Show what Google searched for; pages as a note where no chat shows them."""
        page = sentence(make_note("page"), self.reader)
        pages = [(address, title or page) for address, title in self.sources.pages]
        await self._chat.show_sources(replace(self.sources, pages=tuple(pages)))
        if self.sources.queries:
            links = [
                f"[{query}](https://www.google.com/search?q={quote(query, safe='')})"
                for query in self.sources.queries
            ]
            self.notes.append(make_note("searched", queries=tuple(links)))
        if pages and not self._chat.chat_id:
            links = [f"[{title}]({address})" for address, title in pages]
            self.notes.append(make_note("sources", pages=tuple(links)))

    def remarks(self, said: Collection[str] = ()) -> Iterator[str]:
        """The notes in words, each once; without those that a chat needs once, if the
        notes of its earlier answers hold them."""
        reader = self.reader
        news = (note for note in self.notes if not was_said(note, said, reader))
        for text in dict.fromkeys(sentence(note, reader) for note in news):
            yield self._block(NOTE_MARK + self._chat.scrub(text))

    def failure(self, error: GeminiError, seconds: float = 0.0) -> str:
        """A failure's message; how many pictures there are all the same, and the time
        it took, if long, which may tell who gave up."""
        before = after = ""
        made, count = self.pictures, self._options.count
        if 0 < made < count:
            only_some = make_note("only_some", made=made, count=count)
            before = sentence(only_some, self.reader)
        if seconds >= 10:
            after = sentence(make_note("given_up", seconds=seconds), self.reader)
        text = failure_text(error, self.reader, self._chat.is_admin)
        return self._block(FAILURE_MARK + before + self._chat.scrub(text) + after)

    def _add(self, text: str) -> str:
        if text:
            text, self._lead = self._lead + text, ""
        self._tail = (self._tail + text)[-2:]
        return text

    def rest(self) -> str:
        """The end of a table of pictures, and of the model's words."""
        row = "  |\n\n" if self._cells % 2 else "\n\n" if self._cells else ""
        said = dict.fromkeys("".join(said).strip() for said in self._said.values())
        self._cells = 0
        self._said.clear()
        words = self._words.feed("\n\n".join(filter(None, said))) + self._words.rest()
        return self._add(row + words)

    def _block(self, text: str) -> str:
        rest = self.rest()
        gap = "" if self._tail == "\n\n" else "\n" if self._tail[-1] == "\n" else "\n\n"
        return rest + self._add(f"{gap}{text}\n\n")


# ── Request ───────────────────────────────────────────────────────────────────────────
# One request to this plugin, and the pictures that go along with it.


@dataclass(frozen=True)
class ImageRequest:
    """One request to this plugin: who asks where for what, with which settings.

    notes: what is to be said about the options. own_key: whether the keys are the
    user's. caller: on whose behalf it waits in lines. said: the notes of earlier answers.
    """

    asked: str
    conversation: Conversation
    options: ImageOptions
    notes: list[Note]
    chat: HostChat
    keys: tuple[str, ...] = field(repr=False)
    own_key: bool
    valves: AdminValves
    caller: Caller = field(default_factory=Caller)
    said: frozenset[str] = frozenset()


def choice_of(valves: AdminValves, asked: str, edits: bool) -> Choice:
    """What was asked for, and who may answer, as the administrator's settings say.

    asked: Google's id. edits: whether there are pictures to change.
    """
    wanted = tuple(split_list(valves.MODELS))
    return Choice(asked, wanted, valves.FOLLOW_SUCCESSORS, edits)


class Budget:
    """What one answer may take, whoever is asked: time, and requests beyond those that
    were asked for and their retries.

    keys: how many there are; each but one may have failed in vain.
    """

    def __init__(self, seconds: float, keys: int = 1) -> None:
        self.seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._extra = MAX_EXTRA_REQUESTS
        self._other_keys = keys - 1

    @property
    def seconds_left(self) -> float:
        """Until the deadline; never quite nothing."""
        return max(self._deadline - time.monotonic(), 0.1)

    async def outside(self, work: Awaitable[Any]) -> Any:
        """The result of some work whose time does not count, since a person thinks."""
        began = time.monotonic()
        try:
            return await work
        finally:
            self._deadline += time.monotonic() - began

    def spend(self) -> bool:
        """Whether there may be one more request; there is then one less."""
        self._extra -= 1
        return self._extra >= 0 and time.monotonic() < self._deadline

    def spend_key(self) -> bool:
        """The same for a request with another key."""
        self._other_keys -= 1
        return self._other_keys >= 0 and time.monotonic() < self._deadline


_HELD = Bounds(MAX_HELD_BYTES, MAX_READ_BYTES)


def room_for_pictures(request: ImageRequest) -> Place:
    """The place of an answer in the line for the bytes of pictures, for
    `gather_pictures`; who has it leaves it when no request needs them any more."""
    return BYTES_LINE.place(request.caller.owner, _HELD)


async def enter(request: ImageRequest, room: Place, budget: Budget, size: int) -> None:
    """Wait until so many bytes may be read. Raises TurnMissed."""
    with request.caller.at(room):
        await room.enter(budget.seconds_left, size)


async def gather_pictures(
    request: ImageRequest, route: Route, room: Place, budget: Budget, beside: int = 0
) -> tuple[list[InputPicture], list[Note]]:
    """The pictures to send, in the chat's order and each once, and notes for the user.

    Their sizes are asked first, then room is waited for, and only then are they read.
    beside: bytes of what else is to be read, for which there must be room, too. Raises
    TurnMissed where no room comes in time, and GeminiError where the host's storage
    takes too long.
    """
    facts, conversation = model_facts(route.model), request.conversation
    limit = facts.max_input_images if facts else MAX_INPUT_IMAGES
    earlier = request.valves.HISTORY_IMAGES
    pick = partial(pick_pictures, conversation, earlier, limit)
    addresses, notes = pick()
    if not addresses:
        return [], notes
    if not route.generate:
        return [], [make_note("no_editor", model=name_of(route.model))]
    found: dict[str, FoundPicture | Note] = {}
    while new := [address for address in addresses if address not in found]:
        for address in new:
            found[address] = await _find_picture(request, address, budget)
        lost = [a for a in found if _is_lost(found[a])]
        if len(lost) > MAX_LOST_PICTURES:
            break
        addresses, notes = pick(lost)
    notes += (picture for picture in found.values() if isinstance(picture, Note))
    chosen, unread = _within_bounds(request, addresses, found)
    if chosen:
        size = beside + sum(picture.size for picture in chosen.values())
        await enter(request, room, budget, size)
    usable, unusable = await _read_pictures(request, chosen, budget)
    largest = largest_picture(request.valves)
    fitted, more = await fitted_pictures(request, usable, budget, largest=largest)
    room.lighten(beside + sum(len(picture.image.data) for picture in fitted))
    return fitted, list(dict.fromkeys(notes + unread + unusable + more))


def _is_lost(picture: FoundPicture | Note) -> bool:
    return isinstance(picture, Note) and picture.kind in ("remote", "no_file")


async def in_time(work: Coroutine[Any, Any, Any], budget: Budget) -> Any:
    """What the host's storage hands over. It may hang for longer than an answer may
    take: then raises GeminiError."""
    try:
        async with asyncio.timeout(budget.seconds_left):
            return await work
    except TimeoutError:
        raise GeminiError("pictures_late", seconds=round(budget.seconds)) from None


async def _find_picture(
    request: ImageRequest, address: str, budget: Budget
) -> FoundPicture | Note:
    """What stands behind an address, still unread, or why it cannot go along. Raises
    GeminiError."""
    try:
        found: FoundPicture = await in_time(request.chat.find(address), budget)
        return found
    except UnusablePicture as error:
        name = _shown(request, address)
        return make_note(error.kind, name=name, **error.values)


def _shown(request: ImageRequest, address: str, file_name: str = "") -> str | Note:
    """What notes call a picture; one that is attached alone needs no number."""
    conversation = request.conversation
    numbers = conversation.numbers if len(conversation.counted) > 1 else {}
    return picture_name(address, numbers.get(address, ()), file_name)


def _within_bounds(
    request: ImageRequest,
    addresses: Sequence[str],
    found: dict[str, FoundPicture | Note],
) -> tuple[dict[str, FoundPicture], list[Note]]:
    """Those to read, in the chat's order, and notes on the others.

    The attached ones go first, as far as they could be made to fit; of the earlier ones
    the newest, as far as they fit as they are.
    """
    numbers = request.conversation.numbers
    there = {a: p for a in addresses if isinstance(p := found.get(a), FoundPicture)}
    attached = [a for a in there if a in numbers]
    earlier = [a for a in there if a not in numbers]
    size, left_out, notes = 0, 0, list[Note]()
    for address in [*attached, *reversed(earlier)]:
        picture, is_attached = there[address], address in numbers
        if size + picture.size <= (
            MAX_READ_BYTES if is_attached else MAX_PICTURE_BYTES
        ):
            size += picture.size
            continue
        del there[address]
        if is_attached:
            name = _shown(request, address, picture.name)
            notes.append(make_note("too_large", name=name))
        else:
            left_out += 1
    if left_out:
        notes.append(make_note("earlier_large", count=left_out))
    return there, notes


async def _read_pictures(
    request: ImageRequest,
    chosen: dict[str, FoundPicture],
    budget: Budget,
) -> tuple[list[InputPicture], list[Note]]:
    """The pictures as Google takes them, and why others cannot go along. Raises
    TurnMissed."""
    usable, notes = list[InputPicture](), list[Note]()
    for address, found in chosen.items():
        name = _shown(request, address, found.name)
        numbers = request.conversation.numbers.get(address, ())
        try:
            typed = found.name or f".{ending_of_uri(address)}"
            image, digest = await _read_picture(request, found, typed, budget)
            usable.append(InputPicture(image, name, numbers, digest))
        except UnusablePicture as error:
            notes.append(make_note(error.kind, name=name, **error.values))
        except ImportError:
            notes.append(make_note("no_pillow", name=name))
    return usable, notes


async def _read_picture(
    request: ImageRequest, found: FoundPicture, name: str, budget: Budget
) -> tuple[Image, bytes]:
    """A picture as Google takes it, and the digest of what it was; the name may tell its
    type. Raises UnusablePicture, ImportError, TurnMissed, GeminiError."""
    data = await in_time(request.chat.read(found), budget)
    image = await SHORT_WORK.run(checked_picture, data, name)
    digest = await work_on(data, picture_digest)
    if needs_conversion(image):
        seconds = budget.seconds_left
        image = await in_turn(request.caller, seconds, converted_picture, image)
    return image, digest


async def fitted_pictures(
    request: ImageRequest,
    pictures: Iterable[InputPicture],
    budget: Budget,
    limit: int = MAX_PICTURE_BYTES,
    largest: int = MAX_PICTURE_BYTES,
) -> tuple[list[InputPicture], list[Note]]:
    """The pictures that go along, the larger ones made smaller if need be. Raises
    TurnMissed.

    limit: bytes of all together. largest: of each.
    """
    plan = plan_pictures(pictures, limit)
    share = min(plan.share, largest)
    fitted, notes = list[InputPicture](), plan.notes
    for picture in plan.kept:
        if len(picture.image.data) <= share:
            fitted.append(picture)
            continue
        work = partial(smaller_picture, picture.image, share)
        try:
            image = await in_turn(request.caller, budget.seconds_left, work)
            fitted.append(replace(picture, image=image))
            notes.append(make_note("shrunk", name=picture.name))
        except UnusablePicture as error:
            notes.append(make_note(error.kind, name=picture.name, **error.values))
        except ImportError:
            notes.append(make_note("too_large", name=picture.name))
    return fitted, notes


# ── Reading ───────────────────────────────────────────────────────────────────────────
# The words of documents, from the host's records or from their bytes.


async def read_records(chat: HostChat, documents: Iterable[Document]) -> list[Document]:
    """The documents with the words that the host has read in them, as far as whoever
    asks may read them.

    One without words that may be a PDF keeps its address; others say why.
    """
    found: list[Document] = []
    looked_up = 0
    pauses = iter(DOCUMENT_PAUSES)  # one wait for all: the host reads them side by side
    for document in documents:
        looked_up += bool(document.address)
        if not document.address:
            found.append(document)
        elif looked_up > MAX_FILE_RECORDS:
            left_out = _without_words(document, "document_left_out")
            found.append(replace(left_out, is_foreign=True))  # nobody has looked
        elif read := await _read_record(chat, document, pauses):
            found.append(read)
    return found


async def _read_record(
    chat: HostChat, document: Document, pauses: Iterator[float]
) -> Document | None:
    """The document as its record has it, or as the host listed it; None for a
    picture."""
    try:
        record = await chat.file_record(document.address)
        while document.is_newest and record.is_pending and not record.text:
            if (seconds := next(pauses, None)) is None:
                break
            await asyncio.sleep(seconds)
            record = await chat.file_record(document.address)
    except UnusablePicture as error:
        document = replace(document, is_foreign=True)
        if document.text:  # it came with the request itself
            return replace(document, address="")
        return _without_words(document, error.kind)
    if record.mime.startswith("image/"):
        return None
    document = replace(document, name=document.name or record.name)
    if text := clean_document(record.text) or document.text:
        return replace(document, text=text, address="")
    return (
        _without_words(document, "document_pending") if record.is_pending else document
    )


def _without_words(document: Document, kind: str, **values: Any) -> Document:
    why = make_note(kind, name=document.shown, **values)
    return replace(document, address="", why=why)


async def gather_all(
    request: ImageRequest, route: Route, room: Place, budget: Budget
) -> tuple[list[InputPicture], tuple[Document, ...], list[Note]]:
    """The pictures and documents to send, and notes for the user. Documents that are
    still to be read wait for room together with the pictures, or two requests could
    wait for each other. Raises TurnMissed, and GeminiError where the host's storage
    takes too long."""
    found = await _find_documents(request, budget)
    size = sum(
        there.size for there in found.values() if isinstance(there, FoundPicture)
    )
    pictures, notes = await gather_pictures(request, route, room, budget, size)
    if size and not room.is_in:
        await enter(request, room, budget, size)
    facts = facts_of(route.model, route.generate)
    left = MAX_PICTURE_BYTES - sum(len(picture.image.data) for picture in pictures)
    # One that this file does not know may read PDF; Google says so if it does not.
    left = max(left, 1) if facts is None or facts.reads_pdf else 0
    read: list[Document] = []
    for document, there in found.items():
        if isinstance(there, FoundPicture):
            data = await _read_all(request, there, budget)
            document = await _as_sent(document, data, route.model, left)
            left -= len(document.data)
        read.append(document)
    readable, unread = with_words(read)
    kept, more = bounded_documents(readable)
    return pictures, tuple(kept), [*notes, *unread, *more]


async def _find_documents(
    request: ImageRequest, budget: Budget
) -> dict[Document, FoundPicture | None]:
    """The documents, and for those that are still to be read where they are; one that
    cannot be sent in any case says why. Raises GeminiError."""
    found: dict[Document, FoundPicture | None] = {}
    for document in request.conversation.documents:
        there = None
        if document.address and not document.text:
            try:
                there = await in_time(request.chat.find(document.address), budget)
            except UnusablePicture as error:
                kind = "no_file" if error.kind == "no_file" else "no_text"
                document = _without_words(document, kind)
        if there and there.size > MAX_PDF_BYTES:
            document, there = _without_words(document, "too_large"), None
        found[document] = there
    return found


async def _read_all(
    request: ImageRequest, there: FoundPicture, budget: Budget
) -> bytes:
    """The bytes of a file; none where it cannot be read. Raises GeminiError."""
    try:
        data: bytes = await in_time(request.chat.read(there), budget)
        return data
    except UnusablePicture:
        return b""


async def _as_sent(
    document: Document, data: bytes, model: str, pdf_room: int
) -> Document:
    """The document with its bytes, which are a PDF, or with their words, or with why it
    cannot go along. pdf_room: none where the model reads no PDF."""
    if not is_pdf(data):
        text = clean_document(await SHORT_WORK.run(plain_text, data))
        read = replace(document, text=text, address="")
        return read if text else _without_words(document, "no_text")
    if not pdf_room:
        return _without_words(document, "no_pdf", model=name_of(model))
    if len(data) > pdf_room:
        return _without_words(document, "too_large")
    return replace(document, data=data)


# ── Course ────────────────────────────────────────────────────────────────────────────
# A request from the first model that is asked to the last note.


async def compose(request: ImageRequest, send: Send) -> None:
    """Send the answer, piece by piece; a failure is a part of it.

    The status line is closed however it ends: well, badly, or by Stop.
    """
    answer = _empty_answer(request)
    started = time.monotonic()
    closing: str | Note = make_note("stopped")
    signs_of_life = [
        asyncio.create_task(work(answer, request.caller))
        for work in (_heartbeat, _tell_of_line)
    ]
    try:
        failure = await _failure_of(_ask_in_turn(request, answer, send))
        seconds = time.monotonic() - started
        if failure:
            await _until_heard(request.chat, request.conversation, seconds)
            await send(answer.failure(failure, seconds))
        await answer.show_sources()
        for remark in answer.remarks(request.said):
            await send(remark)
        if usage := answer.tally.usage:
            await send(usage)
        closing = make_note("no_picture_made")
        if not failure:
            closing = answer.tally.summary(seconds, answer.reader)
    finally:
        for task in signs_of_life:
            task.cancel()
        await answer.status(closing, done=True)


def _empty_answer(request: ImageRequest) -> Answer:
    return Answer(
        request.chat,
        request.conversation.prompt,
        request.options,
        request.notes,
        inline=request.valves.STORAGE.strip().lower() == "inline",
        own_key=request.own_key,
        unfinished=request.conversation.unfinished,
    )


async def _failure_of(work: Coroutine[Any, Any, None]) -> GeminiError | None:
    """The failure in which some work ends, or None."""
    try:
        await work
    except GeminiError as error:
        _forget_frames(error)
        return error
    except Exception as error:
        log.exception("answer failed unexpectedly: %s", type(error).__name__)
        return GeminiError("unexpected")
    return None


def _forget_frames(error: GeminiError) -> None:
    """To be called where a failure ends: the frames that it came through hold pictures,
    and some of them the failure, so that all of these would stay for a while."""
    error.__traceback__ = error.__context__ = None


async def tell(
    text: str, chat: HostChat, conversation: Conversation, send: Send
) -> None:
    """Send an answer that is there at once and costs nothing."""
    await _until_heard(chat, conversation, 0.0)
    await send(text)


async def _until_heard(
    chat: HostChat, conversation: Conversation, elapsed: float
) -> None:
    """Hold an answer back that came at once, where the page would not show it."""
    if chat.is_saved and not conversation.history:
        await asyncio.sleep(NEW_CHAT_KNOWN - elapsed)


async def _ask_when_heard(
    request: ImageRequest, answer: Answer, began: float, title: Note, text: Note
) -> bool | None:
    """Ask at the page, once a new chat would show it."""
    elapsed = time.monotonic() - began
    await _until_heard(request.chat, request.conversation, elapsed)
    return await answer.ask(title, text)


async def _heartbeat(answer: Answer, caller: Caller) -> None:
    before = 0
    for seconds in heartbeats():
        await asyncio.sleep(seconds - before)
        so_far = make_note("so_far", what=answer.making, seconds=seconds)
        await answer.status(_place_in_line(caller) or so_far)
        before = seconds


async def _tell_of_line(answer: Answer, caller: Caller) -> None:
    """Say it when a wait in line is noticed, and again when it is over."""
    waited = False
    while True:
        await asyncio.sleep(LINE_LOOK)
        place = _place_in_line(caller)
        if bool(place) != waited:
            await answer.status(place or make_note("out_of_line"))
            waited = bool(place)


def _place_in_line(caller: Caller) -> Note | None:
    count = caller.before
    if count is None:
        return None
    return make_note("in_line", count=count) if count else make_note("next_in_line")


@dataclass(frozen=True)
class _Making:
    """An answer in the making: for which request, with which keys, shown where."""

    request: ImageRequest
    keys: Keyring
    answer: Answer
    send: Send
    purse: Purse
    budget: Budget
    dropped: set[str] = field(default_factory=set)  # options that the model refused
    one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def show(self, event: Event, number: int) -> None:
        """Send what the event of the request of that number adds to the answer."""
        async with self.one_at_a_time:
            self.answer.hide(self.keys.secrets)  # an account's token is new by now
            if thoughts := self.answer.end_of_thoughts(event, number):
                await self.send(thoughts)
            if piece := await self.answer.take(event, number):
                await self.send(piece)


async def _ask_in_turn(request: ImageRequest, answer: Answer, send: Send) -> None:
    """Make the answer; administrators are told below it which keys rest."""
    valves, conversation = request.valves, request.conversation
    if conversation.newest is None:
        raise GeminiError("prompt_empty")
    check_own_key(valves, request.keys)
    keys = keyring_for(valves, request.keys, request.caller)
    budget = Budget(valves.REQUEST_TIMEOUT, len(keys.clients))
    pays = request.own_key and not keys.backend.may_take_any_key
    ask = partial(_ask_when_heard, request, answer, time.monotonic())
    try:
        with Purse(request.chat, valves, pays, ask) as purse:
            work = _Making(request, keys, answer, send, purse, budget)
            await _ask_candidates(work)
    finally:
        if request.chat.is_admin:
            answer.notes += keys.resting()


async def _ask_candidates(work: _Making) -> None:
    """Ask those who may answer, one after the other, until one is there to do it."""
    request, backend = work.request, work.keys.backend
    await BEGINNINGS.wait()
    listed = await MODEL_LISTS.get(work.keys)
    available = usable_models(listed, backend.models)
    if request.asked == AUTO:  # by name even a reserved one is found, then refused
        available = models_for_auto(request.chat, request.valves, available)
    hints: list[str] = []
    failure = backend.nobody(request.asked, available)
    for route in candidates(_choice_of(request), available, hints):
        ids = (route.asked, route.model)  # a successor lifts nothing
        if any(is_reserved(request.chat, request.valves, i) for i in ids):
            raise GeminiError("model_reserved", model=name_of(route.model))
        try:
            return await _ask_model(work, route)
        except GeminiError as error:
            if not _is_gone(error, route.model) or work.answer.pictures:
                raise
            _forget_frames(error)
            available.pop(route.model, None)
            hints += filter(None, [named_successor(error.quote)])
            failure = backend.nobody(route.model, available, error.quote, listed)
            if not work.budget.spend():
                break
    raise failure


def _choice_of(request: ImageRequest) -> Choice:
    earlier = request.conversation.earlier and request.valves.HISTORY_IMAGES > 0
    edits = bool(request.conversation.attached or earlier)
    return choice_of(request.valves, request.asked, edits)


def _is_gone(error: GeminiError, model_id: str) -> bool:
    """Whether Google says so of the model; of an id with successors, a bare 404 will
    do."""
    if error.kind == "address_unknown":
        return successor_of(model_id) is not None
    return error.kind in ("model_unknown", "model_retired")


async def _ask_model(work: _Making, route: Route) -> None:
    """Show one model's answer to the conversation and its pictures.

    Raises GeminiError when there is nothing to look at in the end.
    """
    with room_for_pictures(work.request) as room:
        await _ask_with_pictures(work, route, room)
    if route.replaced:
        note = make_note(
            route.why, asked=name_of(route.asked), model=name_of(route.model)
        )
        work.answer.notes.append(note)


async def _ask_with_pictures(work: _Making, route: Route, room: Place) -> None:
    request, answer = work.request, work.answer
    backend = work.keys.backend
    facts = backend.facts_of(route.model, route.generate)
    level = route.thinking_level
    options, lacked = offered_options(request.options, backend.lacks)
    options, notes = fit_options(options, route.model, facts, level)
    notes = lacked + notes
    options, cut = await work.budget.outside(work.purse.open(route, options))
    answer.making = _making(route, options)
    await answer.status(answer.making)
    pictures, documents, more = await _gather_in_time(work, route, room)
    conversation = replace(request.conversation, documents=documents)
    if conversation.newest and conversation.newest.is_cut:
        more.append(make_note("prompt_cut"))
    answer.begin(route.model, options, notes + cut + more, work.purse)
    if not pictures and not conversation.prompt and not documents:
        raise GeminiError("prompt_empty")
    body_of = partial(_body, route, conversation, pictures)
    try:
        await _ask_side_by_side(work, route, options, body_of)
    except GeminiError as error:
        if error.kind == "empty" and not route.generate:
            # Imagen's answer is then an empty object.
            raise GeminiError("filtered", **error.values) from None
        if error.kind != "system_refused" or not conversation.system:
            raise
        if not work.budget.spend():
            raise
        in_words = with_system_in_words(conversation)
        body_of = partial(_body, route, in_words, pictures)
        options = without_options(options, work.dropped)
        await _ask_side_by_side(work, route, options, body_of)


async def _gather_in_time(
    work: _Making, route: Route, room: Place
) -> tuple[list[InputPicture], tuple[Document, ...], list[Note]]:
    started = time.monotonic()
    try:
        return await gather_all(work.request, route, room, work.budget)
    except TurnMissed as missed:
        seconds = round(time.monotonic() - started)
        whose = "own_pictures" if missed.is_own_limit else "others_pictures"
        raise GeminiError(
            "busy_pictures", seconds=seconds, whose=make_note(whose)
        ) from None


def _making(route: Route, options: ImageOptions) -> Note:
    name = display_name(route.model)
    if options.count > 1:
        return make_note("making_several", name=name, count=options.count)
    return make_note("making", name=name)


# The body of a request with these options.
BodyOf = Callable[[ImageOptions], dict[str, Any]]


def _body(
    route: Route,
    conversation: Conversation,
    pictures: Sequence[InputPicture],
    options: ImageOptions,
) -> dict[str, Any]:
    if route.generate:
        return generate_body(conversation, options, pictures)
    return predict_body(conversation, options)


async def _ask_side_by_side(
    work: _Making, route: Route, options: ImageOptions, body_of: BodyOf
) -> None:
    """Show what as many requests bring as pictures are wanted; a failure beside a
    picture is part of the answer. Raises GeminiError when there is none."""
    errors: list[GeminiError] = []

    async def ask(number: int) -> None:
        # One that fails must not cancel the others.
        request = _ask_with_retries(work, route, options, body_of, number)
        if error := await _failure_of(request):
            errors.append(error)

    async with asyncio.TaskGroup() as group:
        # predict counts by itself
        for number in range(options.count if route.generate else 1):
            group.create_task(ask(number))
    if rest := await work.answer.end(name_of(route.model), errors):
        await work.send(rest)


# What may pass by itself and is not billed. A read that timed out, here or at a gateway,
# is not among them: the picture may have been made.
RETRYABLE = {
    "quota_minute",
    "capacity",
    "overloaded",
    "internal",
    "gateway_down",
    "gateway_timeout",
    "no_connection",
    "no_token",
    "token_refused",
    "vertex_quota",
    "vertex_capacity",
}
# finishReasons after which the next try often brings the picture.
WORTH_ANOTHER_TRY = {
    "NO_IMAGE",
    "IMAGE_OTHER",
    "OTHER",
    "MALFORMED_RESPONSE",
    "MALFORMED_FUNCTION_CALL",
}


class NextTry(NamedTuple):
    """What to try after a failure: with which options, after so many seconds.

    dropped: the option that Google refused, by its field. is_spent: whether the
    answer's budget has paid for it, so that it is none of MAX_RETRIES.
    """

    options: ImageOptions
    wait: float = 0.0
    dropped: str = ""
    is_spent: bool = False


def what_next(
    error: GeminiError, options: ImageOptions, retries: int, max_retries: int
) -> NextTry | None:
    """What to try after a failure, or None.

    retries: how many there were already. An option that Google refuses by name is left
    out, one after the other. Else what may pass is waited for: as long as Google or a
    gateway asks for, or 2 s, 6 s, 18 s …
    """
    if dropped := _refused_option(error, options):
        return NextTry(without_options(options, [dropped]), dropped=dropped)
    if error.kind not in RETRYABLE or retries >= max_retries:
        return None
    wait = error.retry_after or 2.0 * 3.0**retries
    return NextTry(options, wait) if wait <= MAX_WAIT else None


def _refused_option(error: GeminiError, options: ImageOptions) -> str | None:
    """The field of the chosen option that Google refuses by name."""
    if error.kind != "parameter":
        return None
    default = ImageOptions()
    for option in OPTIONS:
        is_asked = getattr(options, option.field) != getattr(default, option.field)
        named = option.refused and re.search(option.refused, error.quote, re.IGNORECASE)
        if is_asked and named:
            return option.field
    return None


async def _ask_with_retries(
    work: _Making, route: Route, options: ImageOptions, body_of: BodyOf, number: int
) -> None:
    """Show the events of one request, which is sent again where that can help and is
    not billed twice: only while nothing of an answer has arrived. Raises GeminiError.
    """
    retries, second_chance, thoughts_shown = 0, True, False
    why: Note | str
    for attempt in itertools.count(1):
        this = _Try(work, route.model, number, is_again=thoughts_shown)
        timeout, client = work.budget.seconds_left, work.keys.client_for(route.model)
        try:
            body = body_of(options)
            await client.generate(route, body, timeout, this.take, attempt)
            work.keys.answered(client, route.model, this.begun)
            if not (this.is_in_vain and second_chance and work.budget.spend()):
                return await this.end()
            this.slip, second_chance, wait = None, False, 0.0
            await this.end()  # its tokens are billed, too
            why = make_note("made_none", model=name_of(route.model))
        except GeminiError as failure:
            error = work.keys.after(client, route.model, failure)
            step = this.after(error, options, retries)
            if step is None:
                await this.end()
                raise error from None
            _forget_frames(failure)
            if step.dropped:
                work.dropped.add(step.dropped)
                work.answer.notes.append(_dropped(route, step.dropped))
            retries += not step.is_spent
            options, wait, why = (
                step.options,
                step.wait,
                what_happened(error, work.answer.reader),
            )
        thoughts_shown = thoughts_shown or this.thoughts_shown
        await _announce(work.answer, why, wait * random.uniform(1, 1.2))


def _dropped(route: Route, option: str) -> Note:
    return make_note("dropped", model=name_of(route.model), what=make_note(option))


@dataclass
class _Try:
    """One try of a request: hands its events on, and knows whether they were something.

    What only its end can tell is held back: the counts of tokens, each of which counts
    what came before, and a refusal after which the next try often brings the picture.
    """

    work: _Making
    model: str
    number: int
    is_again: bool = False  # whether one before it has shown thoughts
    thoughts_shown: bool = False
    arrived: bool = False
    begun: float = field(default_factory=time.monotonic)
    usage: Usage | None = None
    slip: Refusal | None = None

    @property
    def is_in_vain(self) -> bool:
        """Whether nothing came but such a refusal."""
        return self.slip is not None and not self.arrived

    async def take(self, event: Event) -> None:
        """Show an event, or hold it back."""
        if isinstance(event, Usage):
            self.usage = event
        elif isinstance(event, Refusal) and event.reason in WORTH_ANOTHER_TRY:
            self.slip = event
        elif isinstance(event, Text) and event.thought:
            self.thoughts_shown = True
            if not self.is_again:
                await self.work.show(event, self.number)
        else:
            self.arrived = self.arrived or _is_result(event)
            await self.work.show(event, self.number)

    async def end(self) -> None:
        """Show what was held back."""
        for event in (self.slip, self.usage):
            if event is not None:
                await self.work.show(event, self.number)

    def after(
        self, error: GeminiError, options: ImageOptions, retries: int
    ) -> NextTry | None:
        """The next try after a failure, as far as there may be one: at once where
        another key may do."""
        budget, most = self.work.budget, self.work.request.valves.MAX_RETRIES
        if self.arrived:
            return None
        if self.work.keys.has_other(error, self.model):
            # A key that several requests use at once fails for each of them: the later
            # ones pay with a retry of theirs.
            is_spent = budget.spend_key()
            may_be = is_spent or retries < most
            return NextTry(options, is_spent=is_spent) if may_be else None
        step = what_next(error, options, retries, most)
        if step is None or step.wait > budget.seconds_left:
            return None
        if not step.dropped:
            return step
        # What one of several requests has learned costs the others a retry of theirs.
        if step.dropped in self.work.dropped and retries < most:
            return step
        if not budget.spend():
            return None
        return NextTry(step.options, dropped=step.dropped, is_spent=True)


async def _announce(answer: Answer, why: Note | str, wait: float) -> None:
    if wait:
        await answer.status(make_note("next_try", why=why, seconds=wait))
        await asyncio.sleep(wait)
    await answer.status(make_note("trying_again", why=why))


def _is_result(event: Event) -> bool:
    """Whether an event is something that a second try must not bring again."""
    if isinstance(event, Text):
        return not event.thought and bool(event.text.strip())
    return isinstance(event, Image | PictureElsewhere)


# ── Chunks ────────────────────────────────────────────────────────────────────────────
# An answer as OpenAI's API gives one: a stream of chunks, or a completion.


# What composes an answer, piece by piece, when it is given where to send them.
Composer = Callable[[Send], Coroutine[Any, Any, None]]


class UsageWish(enum.Enum):
    """When an answer tells its usage."""

    NEVER = enum.auto()
    IF_KNOWN = enum.auto()
    ALWAYS = enum.auto()


# Clients that were promised a usage fail without one, also where nobody counted.
_NO_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def usage_wish(body: dict[str, Any], host_reads: bool) -> UsageWish:
    """When the answer to a request is to tell its usage.

    host_reads: whether the host reads it and keeps the usage with the message, which
    needs no wish. Programs that did not ask for it read `choices[0]` of every chunk, and
    the chunk with the usage has none; a completion always has its usage.
    """
    if host_reads:
        return UsageWish.IF_KNOWN
    asked = get_field(body.get("stream_options"), "include_usage") is True
    return UsageWish.ALWAYS if asked or not body.get("stream") else UsageWish.NEVER


def _usage_field(usage: dict[str, Any], wish: UsageWish) -> dict[str, Any]:
    """What is known of the usage as the field to send, or nothing."""
    if wish is UsageWish.ALWAYS:
        return {"usage": usage or _NO_USAGE}
    return {"usage": usage} if usage and wish is UsageWish.IF_KNOWN else {}


def _envelope(kind: str, model: str) -> dict[str, Any]:
    """What the host adds to strings alone, and programs need."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": model,
    }


async def as_completion(work: Composer, model: str, wish: UsageWish) -> dict[str, Any]:
    """The whole answer, for clients that do not stream. The host passes it on as it is."""
    words: list[str] = []
    thoughts: list[str] = []
    usage: dict[str, Any] = {}

    async def keep(piece: Piece) -> None:
        if isinstance(piece, Thoughts):
            thoughts.append(piece.text)
        elif isinstance(piece, dict):
            usage.update(piece)
        else:
            words.append(piece)

    await _worked_off(work, keep)
    message = {"role": "assistant", "content": "".join(words).strip()}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    envelope = _envelope("chat.completion", model)
    return {**envelope, "choices": [choice], **_usage_field(usage, wish)}


async def as_chunks(
    work: Composer, model: str, wish: UsageWish, closing: bool
) -> AsyncGenerator[dict[str, Any], None]:
    """The pieces as complete OpenAI stream events, the empty ones to keep alive.

    closing: whether to end with `finish_reason: "stop"`; clients add up two of them, as
    they do the role, so that the first event alone has it. Dicts, never strings: the
    host passes a string that starts with "data:" through as an event of its own, so a
    model's words could forge tool calls.
    """
    envelope = _envelope("chat.completion.chunk", model)
    role = {"role": "assistant"}

    def chunk(finish_reason: str | None = None, **said: str) -> dict[str, Any]:
        delta = {**role, **said}
        role.clear()
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return {**envelope, "choices": [choice]}

    usage: dict[str, Any] = {}
    queue: asyncio.Queue[Piece | None] = asyncio.Queue()
    task = asyncio.create_task(_queued(work, queue))
    try:
        is_open = True
        while is_open:
            for piece in await _next_pieces(queue):
                if isinstance(piece, Thoughts):
                    yield chunk(reasoning_content=piece.text)
                elif isinstance(piece, dict):
                    usage = piece
                elif piece is None:
                    is_open = False
                else:
                    yield chunk(content=piece)
        if closing:
            yield chunk("stop")
        if told := _usage_field(usage, wish):
            yield {**envelope, "choices": [], **told}
    finally:
        await _ended(task)


async def _queued(work: Composer, queue: asyncio.Queue[Piece | None]) -> None:
    """Put the pieces into the queue, and None behind the last one."""
    try:
        await _worked_off(work, queue.put)
    finally:
        queue.put_nowait(None)


async def _worked_off(work: Composer, send: Send) -> None:
    """Let the work send its pieces. What it did not expect is logged: raised, it would
    take from the user what was sent before."""
    try:
        await work(send)
    except Exception as error:
        log.exception("answer failed unexpectedly: %s", type(error).__name__)


async def _next_pieces(queue: asyncio.Queue[Piece | None]) -> list[Piece | None]:
    """What waits, neighbouring words as one piece; None is the end. An empty piece
    after KEEP_ALIVE without any."""
    try:
        async with asyncio.timeout(KEEP_ALIVE):
            pieces = [await queue.get()]
    except TimeoutError:
        return [""]
    while not queue.empty():
        pieces.append(queue.get_nowait())
    joined: list[Piece | None] = []
    for are_words, run in itertools.groupby(pieces, lambda p: isinstance(p, str)):
        if are_words:
            joined.append("".join(map(str, run)))
        else:
            joined += run
    return joined


async def _ended(task: asyncio.Task[None]) -> None:
    """Return when the task has ended and cleaned up, but within CLEANING_UP.

    Hosts up to 0.11 save the whole chat after a Stop, and would lose a status that is
    saved at the same time.
    """
    if not task.done():
        # A host that ends cancels every task: twice would break off the cleaning.
        if not task.cancelling():
            task.cancel()
        await asyncio.wait([task], timeout=CLEANING_UP)


# ── Pipe ──────────────────────────────────────────────────────────────────────────────
# What the host calls.


class Pipe:
    """Google's image models as chat models of Open WebUI."""

    Valves = AdminValves
    UserValves = UserValves

    def __init__(self) -> None:
        self.valves = self.Valves()

    async def pipes(self) -> list[dict[str, str]]:
        """The models for the host's list, `{"id", "name"}` each. Never raises."""
        valves = self.valves
        listed: list[ListedModel] = []
        typed: tuple[str, ...] = ()
        retired = split_list(valves.RETIRED_MODELS)
        try:
            keys = keyring_for(valves, api_keys(valves))
            typed = keys.backend.models
            listed = await MODEL_LISTS.get(keys)
        except GeminiError as error:
            log.debug("the model list is the built-in one: %s", error.kind)
        except Exception as error:
            log.exception("models not listed: %s", type(error).__name__)
        available = _known_models(listed, typed)
        # One that lives and is not shown was left out by the administrator.
        referenced = (await referenced_ids()).difference(available)
        retired += sorted(i for i in referenced if successor_of(i))
        entries = model_entries(
            choose_models(available.values(), split_list(valves.MODELS)),
            map(clean_model_id, retired),
            available,
            valves.FOLLOW_SUCCESSORS,
        )
        names = _labels(entries, Reader(language_of(valves.LANGUAGE)))
        return [
            {"id": entry.id, "name": name}
            for entry, name in zip(entries, names, strict=True)
        ]

    async def pipe(  # noqa: PLR0913 - the host names its parameters
        self,
        body: dict[str, Any],
        __user__: dict[str, Any] | None = None,
        __request__: Any = None,
        __metadata__: dict[str, Any] | None = None,
        __event_emitter__: Callable[[dict[str, Any]], Awaitable[Any]] | None = None,
        __event_call__: Callable[[dict[str, Any]], Awaitable[Any]] | None = None,
        __task__: str | None = None,
        __task_body__: dict[str, Any] | None = None,
        __chat_id__: str | None = None,
        __message_id__: str | None = None,
        __files__: list[dict[str, Any]] | None = None,
    ) -> str | dict[str, Any] | AsyncGenerator[dict[str, Any], None]:
        """Answer a chat request: chunks when the host streams, else a completion; a
        background task in plain text."""
        body = body if isinstance(body, dict) else {}
        metadata = __metadata__ if isinstance(__metadata__, dict) else {}
        user = dict(__user__) if isinstance(__user__, dict) else {}
        valves, own = self.valves, own_settings(user.pop("valves", None))
        chat = HostChat(
            request=__request__,
            user=user,
            chat_id=as_str(__chat_id__ or metadata.get("chat_id")),
            message_id=as_str(__message_id__ or metadata.get("message_id")),
            emitter=__event_emitter__,
            asker=__event_call__ if _is_at_page(metadata) else None,
            secrets=keys_to_use(valves, own)[0],
            language=_language(valves, metadata, __request__),
        )
        call = _Call(body, metadata, chat, valves, own)
        if __task__:
            return _reply_to_task(call, str(__task__), __task_body__)
        conversation = await _conversation(body, metadata, __files__, chat)
        if not chat.is_read_by_host and (task := unnamed_task(conversation)):
            return _reply_to_task(call, task, __task_body__)
        return await _answer(call, await _work_of(call, conversation))


@dataclass(frozen=True)
class _Call:
    """What the host hands over with one request."""

    body: dict[str, Any]
    metadata: dict[str, Any]
    chat: HostChat
    valves: AdminValves
    own: dict[str, Any]


async def _answer(
    call: _Call, work: Composer
) -> dict[str, Any] | AsyncGenerator[dict[str, Any], None]:
    model = as_str(call.body.get("model"))
    wish = usage_wish(call.body, call.chat.is_read_by_host)
    if call.body.get("stream"):
        return as_chunks(work, model, wish, closing=not host_closes_streams())
    return await as_completion(work, model, wish)


async def _work_of(call: _Call, conversation: Conversation) -> Composer:
    """What composes the answer to a message."""
    if asks_for_help(conversation.prompt):
        offer = _offer(call, as_str(call.body.get("model")))
        text = help_text(offer, reader_of(call.chat))
        return partial(tell, text, call.chat, conversation)
    if asks_for_costs(conversation.prompt):
        return partial(_tell_costs, call, conversation)
    if call.valves.HISTORY_IMAGES and conversation.before:
        saved = saved_turns(await call.chat.saved_chat(), call.metadata)
        conversation = with_saved_pictures(conversation, saved)
    return partial(compose, _image_request(call, conversation))


async def _tell_costs(call: _Call, conversation: Conversation, send: Send) -> None:
    """Tell whoever asks what their pictures cost, as notes: no model is to see them."""
    keys, pays = keys_to_use(call.valves, call.own)
    with contextlib.suppress(GeminiError):  # also without a key
        pays &= not keyring_for(call.valves, keys).backend.may_take_any_key
    notes = await told_costs(call.chat, call.valves, pays)
    reader = reader_of(call.chat)
    text = "\n\n".join(f"{NOTE_MARK}{sentence(note, reader)}" for note in notes)
    await tell(text, call.chat, conversation, send)


def _reply_to_task(call: _Call, task: str, task_body: Any) -> str:
    messages, reader = call.body.get("messages"), reader_of(call.chat)
    model = _model_to_follow(call, task_body) if task == FOLLOW_UPS else ""
    turn = turn_to_follow(task_body, messages) if model else None
    # Who gets no pictures does not know "the same".
    is_wanted = call.valves.FOLLOW_UPS and call.valves.HISTORY_IMAGES > 0
    if turn is None or not is_wanted:
        return reply_to_task(task, task_body, messages, reader)
    settings = settings_in_order(call.valves, call.own, {}, turn.flags)
    offer = _offer(call, model, edits=True)
    if not offer.route.generate:
        return reply_to_task(task, task_body, messages, reader)
    return follow_ups(read_options(settings)[0], offer, reader)


def _model_to_follow(call: _Call, task_body: Any) -> str:
    """The host's id of the model that gave the answer which a task is about, or nothing
    where that is none of these: hosts may give a chat's tasks to another model."""
    asked = as_str(call.body.get("model"))
    function = asked.removesuffix(without_function(asked))
    answered = as_str(get_field(task_body, "model")) or asked
    model = call.metadata.get("model")
    if get_field(model, "id") == answered:  # a preset has a model beneath
        base = as_str(get_field(get_field(model, "info"), "base_model_id"))
        answered = base or answered
    is_ours = bool(function) and answered.startswith(function)
    return answered if is_ours or answered == asked else ""


def _offer(call: _Call, model: str, edits: bool = False) -> Offer:
    """What can be asked of a model, as far as that is known without asking Google."""
    listed: list[ListedModel] = []
    typed: tuple[str, ...] = ()
    known = facts_of
    with contextlib.suppress(GeminiError):  # also without a key
        keys = keyring_for(call.valves, keys_to_use(call.valves, call.own)[0])
        typed, listed = keys.backend.models, MODEL_LISTS.known(keys)
        known = keys.backend.facts_of
    choice = choice_of(call.valves, _asked_model(model), edits)
    available = _known_models(listed, typed)
    if choice.asked == AUTO:
        with contextlib.suppress(GeminiError):  # that nobody may answer is said then
            available = models_for_auto(call.chat, call.valves, available)
    asked = Route(choice.asked, choice.asked)
    route = next(candidates(choice, available), asked)
    choices = choices_of(known(route.model, route.generate))
    return Offer(route, choices_within(choices, ceilings_of(call.valves)))


def _known_models(
    listed: Iterable[ListedModel], typed: Iterable[str]
) -> dict[str, ListedModel]:
    """The models of a list, or those that this file knows where there is none."""
    return usable_models(listed, typed) or usable_models(known_models(), ())


def _asked_model(model: str) -> str:
    """Google's id in the host's. One that cannot be an id is asked for all the same, and
    nobody has it."""
    model = without_function(model)
    return clean_model_id(model) or plain_line(model, 80) or AUTO


def _language(valves: AdminValves, metadata: dict[str, Any], request: Any) -> str:
    wishes = (user_language(metadata), accepted_languages(request))
    return language_of(valves.LANGUAGE, *wishes)


def _image_request(call: _Call, conversation: Conversation) -> ImageRequest:
    features = call.metadata.get("features")
    settings = settings_in_order(
        call.valves, call.own, call.body, conversation.flags, features
    )
    options, notes = within_ceilings(*read_options(settings), ceilings_of(call.valves))
    notes += settings_left_out(call.body, call.metadata.get("tools"))
    keys, own_key = keys_to_use(call.valves, call.own)
    return ImageRequest(
        asked=_asked_model(as_str(call.body.get("model"))),
        conversation=conversation,
        options=options,
        notes=[*notes, *conversation.notes],
        chat=call.chat,
        keys=keys,
        own_key=own_key,
        valves=call.valves,
        said=notes_said(call.body.get("messages")),
        caller=Caller(as_str(call.chat.user.get("id"))),
    )


def _is_at_page(metadata: dict[str, Any]) -> bool:
    """Whether somebody sits at the page that asks. Sessions of automations and channels
    have a kind before a colon (open_webui/utils/automations.py)."""
    session = as_str(metadata.get("session_id"))
    return bool(session) and ":" not in session


def _labels(entries: Sequence[ListEntry], reader: Reader) -> list[str]:
    """How the host's list names the entries; those of one name have their ids, too."""
    names = [_label(entry, reader) for entry in entries]
    count = Counter(names)
    return [
        f"{name} ({entry.id})" if count[name] > 1 else name
        for name, entry in zip(names, entries, strict=True)
    ]


def _label(entry: ListEntry, reader: Reader) -> str:
    if not entry.retired:
        return entry.name
    name = display_name(entry.id)
    if entry.name:
        return f"{name} → {entry.name}"
    return sentence(make_note("retired", model=name), reader)


async def _conversation(
    body: dict[str, Any], metadata: dict[str, Any], files: Any, chat: HostChat
) -> Conversation:
    messages = body.get("messages")
    named, earlier = part_files(messages)
    attached = [*as_list(_attached_files(metadata, files)), *named]
    attached = await chat.with_records(attached)
    all_files = [*attached, *as_list(files or metadata.get("files")), *earlier]
    others = [entry for entry in all_files if not any(picture_files([entry]))]
    newest = await _ids_of_newest(metadata, others, attached, chat)
    conversation = read_conversation(
        messages,
        files=attached,
        speaker=as_str(chat.user.get("name")) if chat.is_channel else "",
        addressed=as_str(get_field(metadata.get("model"), "name")),
        wrapping=await _wrapping(metadata, files),
        documents=await read_records(chat, listed_documents(others, newest)),
    )
    missing = missing_knowledge(_knowledge(metadata), conversation.documents)
    return replace(conversation, notes=(*conversation.notes, *missing))


async def _ids_of_newest(
    metadata: dict[str, Any], files: Any, attached: Any, chat: HostChat
) -> set[str] | None:
    """Which of the chat's files are the newest message's; None if all are. Hosts before
    0.9 do not tell, but keep them with the messages."""
    if not files:
        return None
    if isinstance(metadata.get("user_message"), dict):
        return {as_str(get_field(entry, "id")) for entry in attached}
    saved = saved_file_ids(await chat.saved_chat(), metadata)
    ids = {as_str(get_field(entry, "id")) for entry in files}
    return ids - saved if saved else None


def _knowledge(metadata: dict[str, Any]) -> list[Any]:
    """What a workspace model and the chat's folder know."""
    about = get_field(get_field(metadata.get("model"), "info"), "meta")
    of_model = as_list(get_field(about, "knowledge"))
    return [*of_model, *as_list(metadata.get("folder_knowledge"))]


async def _wrapping(metadata: dict[str, Any], files: Any) -> Wrapping:
    """What the host may have written around the words; only the templates that it has
    used are asked for. Tools can give it documents, too."""
    features = metadata.get("features")
    used = {
        "documents": files or any(map(metadata.get, ("files", "sources", "tool_ids"))),
        "code": get_field(features, "code_interpreter"),
        "voice": get_field(features, "voice"),
    }
    templates = {kind: await host_template(kind) for kind in used if used[kind]}
    unwrapped = metadata.get("base_user_prompt") or metadata.get("user_prompt")
    return host_wrapping(**templates, unwrapped=as_str(unwrapped))


def _attached_files(metadata: dict[str, Any], files: Any) -> Any:
    """The files of the newest message; older hosts only list those of the chat."""
    message = metadata.get("user_message")
    if isinstance(message, dict):
        return message.get("files")
    return files or metadata.get("files")
