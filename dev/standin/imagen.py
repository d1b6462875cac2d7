"""Imagen's `:predict`, which lives on behind a legacy gateway only.

ai.google.dev/gemini-api/docs/imagen
"""

from __future__ import annotations

import base64
from typing import Any

from dev.standin import pictures
from dev.standin.answers import Answer
from dev.standin.catalogue import IMAGEN_PIXELS, IMAGEN_RATIOS, SCALE, ImagenModel
from dev.standin.errors import GoogleError, bad_request, invalid, unknown_name
from dev.standin.scripts import ALL, Script, without_directives

# Name → its values; None: any. Dev API only: negativePrompt, seed, addWatermark,
# enhancePrompt, storageUri and labels are Vertex's.
PARAMETERS: dict[str, tuple[Any, ...] | None] = {
    "sampleCount": (1, 2, 3, 4),
    "aspectRatio": IMAGEN_RATIOS,
    "personGeneration": ("dont_allow", "allow_adult", "allow_all"),
    "sampleImageSize": ("1K", "2K"),
    "safetySetting": ("block_low_and_above",),
    "includeRaiReason": (True, False),
    "includeSafetyAttributes": (True, False),
    "language": None,
    "guidanceScale": None,
    "outputOptions": None,
}
OUTPUT_OPTIONS = {"mimeType", "compressionQuality"}
FILTERED = (
    "Unable to show generated images. All images were filtered out because they "
    "violated Vertex AI's usage guidelines. You will not be charged for blocked "
    "images. Try rephrasing the prompt. If you think this was an error, send "
    "feedback. Support codes: 56562880"
)


def check(body: Any, model: ImagenModel) -> None:
    """Raise the GoogleError that this body would get."""
    if not isinstance(body, dict):
        raise invalid("Invalid JSON payload received. Unexpected token.")
    unknown = [name for name in body if name not in ("instances", "parameters")]
    if unknown:
        raise bad_request([unknown_name(name, "") for name in unknown])
    instances = body.get("instances")
    if not isinstance(instances, list) or len(instances) != 1:
        raise invalid("Exactly one instance is required.")
    if not isinstance(instances[0], dict) or not instances[0].get("prompt"):
        raise invalid("Text prompt must not be empty.")
    extra = [name for name in instances[0] if name != "prompt"]
    if extra:
        raise bad_request([unknown_name(name, "instances[0]") for name in extra])
    _check_parameters(body.get("parameters") or {}, model)


def _check_parameters(parameters: dict[str, Any], model: ImagenModel) -> None:
    for name, value in parameters.items():
        if name not in PARAMETERS:
            raise invalid(f"{name} parameter is not supported in Gemini API.")
        allowed = PARAMETERS[name]
        # By type too, since True == 1 in Python.
        kinds = {type(each) for each in allowed or ()}
        if allowed and (type(value) not in kinds or value not in allowed):
            raise invalid(f"{name} must be one of {', '.join(map(str, allowed))}.")
    size = parameters.get("sampleImageSize")
    if size and size not in model.sizes:
        raise invalid(f"sampleImageSize {size} is not supported by {model.id}.")
    options = parameters.get("outputOptions") or {}
    if not isinstance(options, dict) or set(options) - OUTPUT_OPTIONS:
        raise invalid("outputOptions holds an unknown field.")


def prompt_of(body: dict[str, Any]) -> str:
    """The prompt of a checked body."""
    return str(body["instances"][0]["prompt"])


def predict(body: dict[str, Any], model: ImagenModel, script: Script) -> Answer:
    """The predictions for a checked body."""
    parameters = body.get("parameters") or {}
    count = parameters.get("sampleCount", model.default_count)
    said = Answer()
    predictions: list[dict[str, Any]] = []
    for at in range(count):
        if at < script.filtered:
            # Without includeRaiReason a filtered picture is simply not there.
            if parameters.get("includeRaiReason") and script.filtered < ALL:
                predictions.append({"raiFilteredReason": FILTERED})
            continue
        data, mime = _draw(body, script, at)
        said.images.append(data)
        encoded = base64.b64encode(data).decode()
        predictions.append({"mimeType": mime, "bytesBase64Encoded": encoded})
    said.chunks = [{"predictions": predictions} if predictions else {}]
    return said


def _draw(body: dict[str, Any], script: Script, at: int) -> tuple[bytes, str]:
    parameters = body.get("parameters") or {}
    mime = (parameters.get("outputOptions") or {}).get("mimeType", "image/png")
    if mime not in ("image/png", "image/jpeg"):
        raise GoogleError(400, f"{mime} is not supported.")
    if script.size:
        return pictures.noise_picture(script.size, mime), mime
    scale = int(SCALE[parameters.get("sampleImageSize", "1K")])
    width, height = IMAGEN_PIXELS[parameters.get("aspectRatio", "1:1")]
    size = (width * scale, height * scale)
    prompt = f"{without_directives(prompt_of(body))}{' ' * at}"
    return pictures.make_picture(prompt, size, mime), mime
