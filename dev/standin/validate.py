"""What an image model refuses in a generateContent request, in Google's words.

The order is that of the API: the JSON parser (`schema`), the conversation, the
configuration, the tools, the pictures, and the number of tokens. Where Google's text
is not known, the tersest of its texts is used, so that no client learns to rely on
help that it will not get.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dev.standin import answers, errors, inputs, schema
from dev.standin.catalogue import ImageModel
from dev.standin.errors import GoogleError, invalid, plain_invalid
from dev.standin.reading import GenerateRequest, InlineImage, decoded, snake

REQUEST = "* GenerateContentRequest."


def check_generate(body: dict[str, Any], model: ImageModel, version: str) -> None:
    """Raise the GoogleError that this body would get from this model."""
    schema.check_fields(body, version)
    request = GenerateRequest(body)
    _check_contents(request)
    _check_roles(request)
    _check_system_instruction(request, model)
    _check_config(request, model)
    _check_tools(request, model)
    _check_safety(request)
    _check_images(request, model)
    _check_sizes(request, version)
    _check_tokens(request, model)


# -- the conversation: ai.google.dev/api/caching#Content ------------------------------


def _check_contents(request: GenerateRequest) -> None:
    if not request.contents:
        raise invalid(f"{REQUEST}contents: contents is not specified\n")
    problems = [
        problem
        for at, content in enumerate(request.contents)
        for problem in _problems_of(content, f"contents[{at}]")
    ]
    if problems:
        raise invalid("".join(problems))


def _problems_of(content: dict[str, Any] | None, path: str) -> Iterator[str]:
    parts = (content or {}).get("parts")
    if not parts:
        yield f"{REQUEST}{path}.parts: contents.parts must not be empty.\n"
        return
    for at, part in enumerate(parts):
        where = f"{path}.parts[{at}]"
        kinds = [kind for kind in _PART_KINDS if (part or {}).get(kind)]
        if not kinds:
            yield (
                f"{REQUEST}{where}.data: required oneof field 'data' must have one "
                "initialized field\n"
            )
        if len(kinds) > 1:
            text = f"oneof field 'data' is already set. Cannot set '{kinds[1]}'"
            raise errors.bad_request(
                [(where, f"Invalid value at '{where}' (oneof), {text}")]
            )


_PART_KINDS = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)


def _check_roles(request: GenerateRequest) -> None:
    roles = [content.get("role") for content in request.contents]
    if any(role not in ("user", "model") for role in roles):
        raise invalid("Please use a valid role: user, model.")
    expected = ["user", "model"] * len(roles)
    if roles != expected[: len(roles)]:
        raise invalid(
            "Please ensure that multiturn requests alternate between user and model"
        )
    if roles[-1] != "user":
        raise invalid(
            "Please ensure that multiturn requests ends with a user role or a "
            "function response."
        )


def _check_system_instruction(request: GenerateRequest, model: ImageModel) -> None:
    instruction = request.body.get("systemInstruction")
    if instruction is None:
        return
    if not model.system_instruction:
        raise invalid(f"Developer instruction is not enabled for models/{model.id}")
    problems = list(_problems_of(instruction, "system_instruction"))
    if problems:
        raise invalid("".join(problems))
    if any("text" not in part for part in instruction["parts"]):
        raise plain_invalid()


# -- the configuration: ai.google.dev/api/generate-content#generationconfig -----------

# Field → Google's refusal of any value, on every image model.
NEVER = {
    "responseLogprobs": "Logprobs is not enabled for models/{id}",
    "logprobs": "Logprobs is not enabled for models/{id}",
    "presencePenalty": "Penalty is not enabled for models/{id}",
    "frequencyPenalty": "Penalty is not enabled for models/{id}",
    "responseSchema": "JSON mode is not enabled for models/{id}",
    "responseJsonSchema": "JSON mode is not enabled for models/{id}",
    "mediaResolution": "Media resolution is not enabled for models/{id}",
    "speechConfig": "Request contains an invalid argument.",
    "responseFormat": "Request contains an invalid argument.",
    "enableEnhancedCivicAnswers": "Request contains an invalid argument.",
}
# Deprecated for all and refused by the newest model; its text is not documented.
SAMPLING = ("temperature", "topP", "topK", "seed")
TEXT_TYPES = (
    "application/json",
    "application/xml",
    "application/yaml",
    "text/x.enum",
)


def _check_config(request: GenerateRequest, model: ImageModel) -> None:
    config = {key: item for key, item in request.config.items() if item is not None}
    for name, text in NEVER.items():
        if name in config:
            raise invalid(text.format(id=model.id))
    for name in SAMPLING:
        if name in config and not model.sampling:
            raise invalid(f"{snake(name)} is not supported for models/{model.id}")
    if config.get("candidateCount", 1) != 1:
        raise invalid("Multiple candidates is not enabled for this model")
    _check_ranges(config, model)
    _check_mime_type(config.get("responseMimeType", "text/plain"), model)
    _check_modalities(request, model)
    _check_thinking(config.get("thinkingConfig"), model)
    _check_image_config(request.image_config, model)


def _check_ranges(config: dict[str, Any], model: ImageModel) -> None:
    path = f"{REQUEST}generation_config."
    if config.get("maxOutputTokens", 1) < 1:
        raise invalid(f"{path}max_output_tokens: max_output_tokens must be positive.\n")
    if config.get("maxOutputTokens", 1) > model.output_tokens:
        raise plain_invalid()
    # maxTemperature of the list of models is 1.
    for name in ("temperature", "topP"):
        if not 0 <= config.get(name, 0) <= 1:
            field = snake(name)
            raise invalid(f"{path}{field}: {field} must be in the range [0.0, 1.0].\n")
    if not 1 <= config.get("topK", 1) <= 64:
        raise invalid(f"{path}top_k: top_k must be in the range [1, 64].\n")


def _check_mime_type(mime: str, model: ImageModel) -> None:
    if mime in TEXT_TYPES:
        raise invalid(f"JSON mode is not enabled for models/{model.id}")
    if mime != "text/plain":
        raise invalid(
            f"{REQUEST}generation_config.response_mime_type: allowed mimetypes are "
            "`text/plain`, `application/json`, `application/xml`, `application/yaml` "
            "and `text/x.enum`.\n"
        )


def _check_modalities(request: GenerateRequest, model: ImageModel) -> None:
    allowed: list[set[str]] = [{"TEXT"}, {"IMAGE"}, {"IMAGE", "TEXT"}]
    if model.needs_text_and_image:
        allowed.remove({"IMAGE"})
    if not request.modalities or request.modalities in allowed:
        return
    asked = ", ".join(sorted(request.modalities))
    combinations = "".join(f"* {', '.join(sorted(each))}\n" for each in allowed)
    raise invalid(
        f"The requested combination of response modalities ({asked}) is not "
        f"supported by the model. models/{model.id} accepts the following combination "
        f"of response modalities:\n{combinations}"
    )


def _check_thinking(thinking: dict[str, Any] | None, model: ImageModel) -> None:
    """ai.google.dev/gemini-api/docs/thinking"""
    if thinking is None:
        return
    if not model.thinks:
        raise invalid(f"Thinking is not enabled for models/{model.id}")
    if thinking.get("thinkingBudget") is not None:
        raise invalid("Thinking budget is not supported for this model.")
    level = thinking.get("thinkingLevel")
    if level is not None and level not in model.thinking_levels:
        raise invalid("Thinking level is not supported for this model.")


def _check_image_config(config: dict[str, Any], model: ImageModel) -> None:
    """ai.google.dev/gemini-api/docs/image-generation"""
    _check_output(config.get("imageOutputOptions") or {}, model)
    ratio, size = config.get("aspectRatio"), config.get("imageSize")
    if not model.image_config and (ratio is not None or size is not None):
        raise invalid(f"Aspect ratio is not enabled for models/{model.id}")
    if ratio is not None and ratio not in model.ratios:
        *most, last = [f"'{allowed}'" for allowed in model.ratios]
        raise invalid(f"aspect_ratio must be one of {', '.join(most)}, or {last}")
    if size is None:
        return
    if not model.sizes:
        raise errors.internal()
    if size not in _accepted_sizes(model):
        raise invalid(
            f"Unsupported image_size '{size}'. Supported values are: "
            f"{', '.join(_accepted_sizes(model))}."
        )


def _check_output(output: dict[str, Any], model: ImageModel) -> None:
    """Of Vertex AI alone; its texts are not documented. A model that makes JPEG is said
    to refuse PNG."""
    mime = output.get("mimeType", model.output_mime)
    if mime not in ("image/jpeg", "image/png") or (
        mime == "image/png" and model.output_mime != mime
    ):
        raise invalid(f"Unsupported output mime type: {mime}.")
    if not 0 <= output.get("compressionQuality", 0) <= 100:
        raise invalid("compression_quality must be in the range [0, 100].")


def _accepted_sizes(model: ImageModel) -> list[str]:
    """In the order of Google's text, which names 512 last and in three spellings."""
    sizes = [size for size in model.sizes if size != "512"]
    return sizes + (["512", "512P", "512PX"] if "512" in model.sizes else [])


# -- tools and safety: ai.google.dev/gemini-api/docs/google-search, /safety-settings --

NO_TOOL = {
    "functionDeclarations": "Function calling is not enabled for models/{id}",
    "codeExecution": "Code execution is not enabled for models/{id}",
    "googleSearchRetrieval": "google_search_retrieval is not supported. Please use "
    "google_search tool instead.",
}


def _check_tools(request: GenerateRequest, model: ImageModel) -> None:
    if request.body.get("cachedContent") is not None:
        raise GoogleError(403, "CachedContent not found (or permission denied)")
    if request.body.get("toolConfig") is not None:
        raise invalid(NO_TOOL["functionDeclarations"].format(id=model.id))
    for tool in request.tools:
        for name in tool or {"": None}:
            if name != "googleSearch":
                text = NO_TOOL.get(name, "Request contains an invalid argument.")
                raise invalid(text.format(id=model.id))
        _check_search(tool["googleSearch"] or {}, model)


def _check_search(search: dict[str, Any], model: ImageModel) -> None:
    wanted = set(search.get("searchTypes") or {"webSearch": {}})
    if not wanted <= set(model.searches):
        raise invalid(f"Search as tool is not enabled for models/{model.id}")


def _check_safety(request: GenerateRequest) -> None:
    settings = request.body.get("safetySettings") or []
    categories = [(setting or {}).get("category") for setting in settings]
    if None in categories or None in [s.get("threshold") for s in settings]:
        raise plain_invalid()
    if len(set(categories)) < len(categories):
        raise invalid(
            f"{REQUEST}safety_settings: only one setting per category is allowed.\n"
        )


# -- pictures ------------------------------------------------------------------------


def _check_images(request: GenerateRequest, model: ImageModel) -> None:
    _check_files(request)
    pictures = [image for image in request.images if image.mime != inputs.PDF]
    if len(pictures) > model.max_images:
        raise plain_invalid()
    for image in request.images:
        refusal = inputs.refusal_of(image.mime, image.data, model.reads_pdf)
        if refusal:
            raise refusal
    for image in request.images:
        if image.role == "model":
            _check_signature(image, model)


def _check_sizes(request: GenerateRequest, version: str) -> None:
    """docs.cloud.google.com/vertex-ai/generative-ai/docs/models: 7 MB for a picture;
    the text is not documented."""
    pictures = [image for image in request.images if image.mime != inputs.PDF]
    if version == "v1beta1" and any(len(p.data) > 7_000_000 for p in pictures):
        raise plain_invalid()


def _check_files(request: GenerateRequest) -> None:
    """ai.google.dev/gemini-api/docs/files: nothing was uploaded, nothing is fetched."""
    for content in request.contents:
        for part in content["parts"]:
            uri = (part.get("fileData") or {}).get("fileUri", "")
            if "/files/" in uri:
                name = uri.rpartition("/")[2]
                raise GoogleError(
                    403,
                    f"You do not have permission to access the File {name} or it may "
                    "not exist.",
                )
            if "fileData" in part:
                raise invalid("Cannot fetch content from the provided URL.")


def _check_signature(image: InlineImage, model: ImageModel) -> None:
    """ai.google.dev/gemini-api/docs/thought-signatures; stricter: on any model."""
    if not image.signature:
        raise invalid(errors.missing_signature_text(image.content, image.part))
    if decoded(image.signature) != decoded(answers.signature(model, image.data)):
        raise invalid("Corrupted thought signature.")


def _check_tokens(request: GenerateRequest, model: ImageModel) -> None:
    count = answers.input_tokens(model, request)
    if count > model.input_tokens:
        raise invalid(
            f"The input token count ({count}) exceeds the maximum number of tokens "
            f"allowed ({model.input_tokens})."
        )
