"""The fields that Google's JSON parser knows, and how it refuses others.

ai.google.dev/api/generate-content (v1beta). Fields that only Vertex AI has are left
out, since the Gemini API refuses them as unknown. Names are kept in snake_case; the
parser takes lowerCamelCase as well (protobuf.dev/programming-guides/json).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dev.standin.errors import bad_request, invalid, unknown_name
from dev.standin.reading import decoded, snake

Violation = tuple[str, str]

TYPES = "type.googleapis.com/google.ai.generativelanguage.v1beta."


@dataclass(frozen=True)
class Scalar:
    """A string, number, boolean or bytes field."""

    name: str
    types: tuple[type, ...]


@dataclass(frozen=True)
class Enum:
    """A field with named values."""

    name: str
    values: frozenset[str]


@dataclass(frozen=True)
class Message:
    """An object with known fields."""

    name: str
    fields: dict[str, Spec]


@dataclass(frozen=True)
class Repeated:
    """A list of something."""

    item: Spec


@dataclass(frozen=True)
class Anything:
    """A part of the API that is of no concern here."""


Spec = Scalar | Enum | Message | Repeated | Anything

STRING = Scalar("TYPE_STRING", (str,))
BYTES = Scalar("TYPE_BYTES", (str,))
BOOL = Scalar("TYPE_BOOL", (bool,))
INT = Scalar("TYPE_INT32", (int,))
FLOAT = Scalar("TYPE_FLOAT", (int, float))
ANYTHING = Anything()


def _enum(name: str, values: str) -> Enum:
    return Enum(name, frozenset(values.split()))


MODALITY = _enum("GenerationConfig.Modality", "TEXT IMAGE AUDIO")
THINKING_LEVEL = _enum("ThinkingConfig.ThinkingLevel", "MINIMAL LOW MEDIUM HIGH XHIGH")
MEDIA_RESOLUTION = _enum(
    "GenerationConfig.MediaResolution",
    "MEDIA_RESOLUTION_LOW MEDIA_RESOLUTION_MEDIUM MEDIA_RESOLUTION_HIGH",
)
# ai.google.dev/gemini-api/docs/safety-settings
HARM_CATEGORY = _enum(
    "HarmCategory",
    "HARM_CATEGORY_HARASSMENT HARM_CATEGORY_HATE_SPEECH "
    "HARM_CATEGORY_SEXUALLY_EXPLICIT HARM_CATEGORY_DANGEROUS_CONTENT "
    "HARM_CATEGORY_CIVIC_INTEGRITY",
)
HARM_THRESHOLD = _enum(
    "SafetySetting.HarmBlockThreshold",
    "BLOCK_LOW_AND_ABOVE BLOCK_MEDIUM_AND_ABOVE BLOCK_ONLY_HIGH BLOCK_NONE OFF",
)

BLOB = Message("Blob", {"mime_type": STRING, "data": BYTES})
FILE_DATA = Message("FileData", {"mime_type": STRING, "file_uri": STRING})
PART = Message(
    "Part",
    {
        "text": STRING,
        "inline_data": BLOB,
        "file_data": FILE_DATA,
        "function_call": ANYTHING,
        "function_response": ANYTHING,
        "executable_code": ANYTHING,
        "code_execution_result": ANYTHING,
        "thought": BOOL,
        "thought_signature": BYTES,
        "part_metadata": ANYTHING,
        "video_metadata": ANYTHING,
        "media_resolution": ANYTHING,
    },
)
CONTENT = Message("Content", {"parts": Repeated(PART), "role": STRING})
IMAGE_CONFIG = Message("ImageConfig", {"aspect_ratio": STRING, "image_size": STRING})
THINKING_CONFIG = Message(
    "ThinkingConfig",
    {
        "include_thoughts": BOOL,
        "thinking_budget": INT,
        "thinking_level": THINKING_LEVEL,
    },
)
_OLD_CONFIG: dict[str, Spec] = {
    "stop_sequences": Repeated(STRING),
    "candidate_count": INT,
    "max_output_tokens": INT,
    "temperature": FLOAT,
    "top_p": FLOAT,
    "top_k": INT,
    "seed": INT,
    "presence_penalty": FLOAT,
    "frequency_penalty": FLOAT,
    "response_logprobs": BOOL,
    "logprobs": INT,
    "enable_enhanced_civic_answers": BOOL,
}
GENERATION_CONFIG = Message(
    "GenerationConfig",
    {
        **_OLD_CONFIG,
        "response_mime_type": STRING,
        "response_schema": ANYTHING,
        "response_json_schema": ANYTHING,
        "response_format": ANYTHING,
        "response_modalities": Repeated(MODALITY),
        "image_config": IMAGE_CONFIG,
        "thinking_config": THINKING_CONFIG,
        "speech_config": ANYTHING,
        "media_resolution": MEDIA_RESOLUTION,
    },
)
_EMPTY = Message("Empty", {})
SEARCH_TYPES = Message("SearchTypes", {"web_search": _EMPTY, "image_search": _EMPTY})
GOOGLE_SEARCH = Message(
    "GoogleSearch", {"time_range_filter": ANYTHING, "search_types": SEARCH_TYPES}
)
TOOL = Message(
    "Tool",
    {
        "google_search": GOOGLE_SEARCH,
        "google_search_retrieval": ANYTHING,
        "function_declarations": Repeated(ANYTHING),
        "code_execution": ANYTHING,
        "url_context": ANYTHING,
        "computer_use": ANYTHING,
        "file_search": ANYTHING,
        "google_maps": ANYTHING,
    },
)
SAFETY_SETTING = Message(
    "SafetySetting", {"category": HARM_CATEGORY, "threshold": HARM_THRESHOLD}
)
REQUEST = Message(
    "GenerateContentRequest",
    {
        "model": STRING,
        "contents": Repeated(CONTENT),
        "system_instruction": CONTENT,
        "tools": Repeated(TOOL),
        "tool_config": ANYTHING,
        "safety_settings": Repeated(SAFETY_SETTING),
        "generation_config": GENERATION_CONFIG,
        "cached_content": STRING,
        "continuation_token": BYTES,
        "service_tier": STRING,
        "store": BOOL,
    },
)
# ai.google.dev/gemini-api/docs/api-versions: v1 lacks what came later.
REQUEST_V1 = Message(
    "GenerateContentRequest",
    {
        "model": STRING,
        "contents": Repeated(CONTENT),
        "safety_settings": Repeated(SAFETY_SETTING),
        "generation_config": Message("GenerationConfig", _OLD_CONFIG),
    },
)


# cloud.google.com/vertex-ai/docs/reference/rest/v1beta1/ImageConfig
IMAGE_CONFIG_VERTEX = Message(
    "ImageConfig",
    {
        **IMAGE_CONFIG.fields,
        "person_generation": _enum(
            "ImageConfig.PersonGeneration",
            "PERSON_GENERATION_UNSPECIFIED ALLOW_ALL ALLOW_ADULT ALLOW_NONE",
        ),
        "image_output_options": Message(
            "ImageOutputOptions", {"mime_type": STRING, "compression_quality": INT}
        ),
    },
)
REQUEST_VERTEX = Message(
    "GenerateContentRequest",
    {
        **REQUEST.fields,
        "generation_config": Message(
            "GenerationConfig",
            {**GENERATION_CONFIG.fields, "image_config": IMAGE_CONFIG_VERTEX},
        ),
    },
)
REQUESTS = {"v1": REQUEST_V1, "v1beta1": REQUEST_VERTEX}


def parse_body(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body; GoogleError for anything else."""
    try:
        # Strictly UTF-8 both ways, so that halves of surrogate pairs fail too.
        body = json.loads(raw.decode("utf-8"), parse_constant=_no_constant)
        json.dumps(body, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        text = raw[:40].decode("utf-8", "replace")
        raise invalid(
            f"Invalid JSON payload received. Unexpected token.\n{text}\n^"
        ) from None
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Unexpected token.")
    return body


def check_fields(body: dict[str, Any], version: str) -> None:
    """Refuse what the parser of this API version does not know."""
    message = REQUESTS.get(version, REQUEST)
    violations = list(_object(body, message, ""))
    if violations:
        raise bad_request(violations)


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _walk(value: Any, spec: Spec, path: str) -> Iterator[Violation]:
    if value is None or isinstance(spec, Anything):
        return
    if isinstance(spec, Repeated):
        yield from _list(value, spec, path)
    elif isinstance(spec, Message):
        yield from _object(value, spec, path)
    elif isinstance(spec, Enum):
        if not isinstance(value, str) or value not in spec.values:
            yield _bad_value(path, TYPES + spec.name, value)
    else:
        yield from _scalar(value, spec, path)


def _list(value: Any, spec: Repeated, path: str) -> Iterator[Violation]:
    if not isinstance(value, list):
        yield _bad_value(path, _type_name(spec.item), value)
        return
    for at, item in enumerate(value):
        yield from _walk(item, spec.item, f"{path}[{at}]")


def _object(value: Any, spec: Message, path: str) -> Iterator[Violation]:
    if isinstance(value, list):
        name = path.rpartition(".")[2]
        text = (
            f'Invalid JSON payload received. Unknown name "{name}"'
            f"{_at(path.rpartition('.')[0])}: Proto field is not repeating, cannot "
            "start list."
        )
        yield path, text
        return
    if not isinstance(value, dict):
        yield _bad_value(path, TYPES + spec.name, value)
        return
    for name, item in value.items():
        inner = spec.fields.get(snake(name))
        if inner is None:
            yield unknown_name(name, path)
        else:
            yield from _walk(item, inner, f"{path}.{snake(name)}".lstrip("."))


def _scalar(value: Any, spec: Scalar, path: str) -> Iterator[Violation]:
    wrong_bool = isinstance(value, bool) and bool not in spec.types
    if wrong_bool or not isinstance(value, spec.types):
        yield _bad_value(path, spec.name, value)
    elif spec is BYTES and decoded(str(value)) is None:
        text = f"Invalid value at '{path}' ({spec.name}), Base64 decoding failed for "
        yield path, f'{text}"{str(value)[:60]}"'


def _bad_value(path: str, type_name: str, value: Any) -> Violation:
    shown = json.dumps(value, ensure_ascii=False)[:200]
    return path, f"Invalid value at '{path}' ({type_name}), {shown}"


def _type_name(spec: Spec) -> str:
    if isinstance(spec, Scalar):
        return spec.name
    return TYPES + getattr(spec, "name", "Value")


def _at(path: str) -> str:
    return f" at '{path}'" if path else ""
