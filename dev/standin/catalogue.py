"""What Google offers: models, their limits, and pixels. Facts only, no behaviour.

As of November 2026. Above each fact stands the page of Google's documentation that
it comes from; a fact that Google does not document says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

# ai.google.dev/gemini-api/docs/image-generation, "Aspect ratios and image size".
# Only the 1K column and the odd ones of the 512 column: 2K and 4K are 2x and 4x.
PIXELS_1K = {
    "1:1": (1024, 1024),
    "1:4": (512, 2048),
    "1:8": (384, 3072),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:1": (2048, 512),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "8:1": (3072, 384),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
PIXELS_512_ODD = {"21:9": (792, 168)}
SCALE = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}

# The order in which the API lists them in its own error text.
ALL_RATIOS = tuple(PIXELS_1K)
EXTREME_RATIOS = ("1:4", "1:8", "4:1", "8:1")
COMMON_RATIOS = tuple(r for r in ALL_RATIOS if r not in EXTREME_RATIOS)


def pixels(ratio: str, size: str) -> tuple[int, int]:
    """Width and height that Google documents for a ratio and a size."""
    if size == "512" and ratio in PIXELS_512_ODD:
        return PIXELS_512_ODD[ratio]
    width, height = PIXELS_1K[ratio]
    return int(width * SCALE[size]), int(height * SCALE[size])


@dataclass(frozen=True)
class ImageModel:
    """One image model of generateContent and what it takes."""

    id: str
    display_name: str
    version: str
    description: str
    input_tokens: int
    output_tokens: int
    ratios: tuple[str, ...] = ALL_RATIOS
    sizes: tuple[str, ...] = ("1K", "2K", "4K")
    image_tokens: tuple[tuple[str, int], ...] = (("1K", 1120),)
    output_mime: str = "image/jpeg"
    thinks: bool = True
    thinking_levels: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    max_images: int = 14
    reads_pdf: bool = False
    input_image_tokens: int = 1120
    sampling: bool = True
    system_instruction: bool = True
    image_config: bool = True
    needs_text_and_image: bool = False
    shows_drafts: bool = False
    served_as: str = ""

    def tokens_of_image(self, size: str) -> int:
        """Output tokens that a picture of this size costs."""
        return dict(self.image_tokens).get(size, 1120)

    @property
    def model_version(self) -> str:
        """What the answer names as the model that really worked."""
        return self.served_as or self.id


# ai.google.dev/gemini-api/docs/models/gemini-2.5-flash-image
NANO_BANANA = ImageModel(
    id="gemini-2.5-flash-image",
    display_name="Nano Banana",
    version="2.0",
    description="Gemini 2.5 Flash Preview Image",
    input_tokens=32_768,
    output_tokens=32_768,
    ratios=COMMON_RATIOS,
    sizes=(),
    image_tokens=(("1K", 1290),),
    output_mime="image/png",
    thinks=False,
    max_images=3,
    input_image_tokens=258,
    system_instruction=False,
)
# ai.google.dev/gemini-api/docs/models/gemini-3-pro-image
# Whether Pro takes a thinkingLevel is not documented: refused here.
NANO_BANANA_PRO = ImageModel(
    id="gemini-3-pro-image",
    display_name="Nano Banana Pro",
    version="3.0",
    description="Gemini 3 Pro Image",
    input_tokens=65_536,
    output_tokens=32_768,
    input_image_tokens=560,
    ratios=COMMON_RATIOS,
    image_tokens=(("1K", 1120), ("2K", 1120), ("4K", 2000)),
    searches=("webSearch",),
    shows_drafts=True,
)
# ai.google.dev/gemini-api/docs/models/gemini-3.1-flash-image
NANO_BANANA_2 = ImageModel(
    id="gemini-3.1-flash-image",
    display_name="Nano Banana 2",
    version="3.1",
    description="Gemini 3.1 Flash Image",
    input_tokens=65_536,
    output_tokens=65_536,
    sizes=("512", "1K", "2K", "4K"),
    image_tokens=(("512", 747), ("1K", 1120), ("2K", 1680), ("4K", 2520)),
    thinking_levels=("MINIMAL", "HIGH"),
    searches=("webSearch", "imageSearch"),
    reads_pdf=True,
)
# ai.google.dev/gemini-api/docs/models/gemini-3.1-flash-lite-image
NANO_BANANA_2_LITE = ImageModel(
    id="gemini-3.1-flash-lite-image",
    display_name="Nano Banana 2 Lite",
    version="3.1",
    description="Gemini 3.1 Flash Lite Image",
    input_tokens=65_536,
    output_tokens=4_096,
    sizes=("1K",),
    thinking_levels=("MINIMAL", "HIGH"),
    reads_pdf=True,
)
# ai.google.dev/gemini-api/docs/models/gemini-nano-banana-2.1
# Tokens of 4K: Google's pricing page has named 2520 and 3780; the later one is used.
NANO_BANANA_2_1 = ImageModel(
    id="gemini-nano-banana-2.1",
    display_name="Nano Banana 2.1",
    version="2.1",
    description="Nano Banana 2.1",
    input_tokens=131_072,
    output_tokens=32_768,
    image_tokens=(("1K", 1120), ("2K", 1680), ("4K", 3780)),
    thinking_levels=("MINIMAL", "MEDIUM", "HIGH"),
    searches=("webSearch", "imageSearch"),
    reads_pdf=True,
    sampling=False,
    shows_drafts=True,
)


def _variant(base: ImageModel, model_id: str, **changes: Any) -> ImageModel:
    return replace(base, id=model_id, **changes)


# The alias outlived the preview that it was made for; Google still lists it.
NANO_BANANA_PRO_ALIAS = _variant(
    NANO_BANANA_PRO, "nano-banana-pro-preview", served_as="gemini-3-pro-image"
)
IMAGE_MODELS = (
    NANO_BANANA,
    NANO_BANANA_PRO,
    NANO_BANANA_PRO_ALIAS,
    NANO_BANANA_2,
    NANO_BANANA_2_LITE,
    NANO_BANANA_2_1,
)

# Models that a gateway may keep alive although Google has shut them down.
_FLASH_2_0: dict[str, Any] = {
    "display_name": "Gemini 2.0 Flash Preview Image Generation",
    "needs_text_and_image": True,
    "image_config": False,
    "description": "Gemini 2.0 Flash Preview Image Generation",
}
LEGACY_IMAGE_MODELS = (
    _variant(NANO_BANANA, "gemini-2.0-flash-preview-image-generation", **_FLASH_2_0),
    _variant(NANO_BANANA, "gemini-2.0-flash-exp-image-generation", **_FLASH_2_0),
    _variant(NANO_BANANA, "gemini-2.5-flash-image-preview"),
    _variant(NANO_BANANA_PRO, "gemini-3-pro-image-preview"),
    _variant(NANO_BANANA_2, "gemini-3.1-flash-image-preview"),
)


@dataclass(frozen=True)
class ImagenModel:
    """One Imagen model of :predict, alive only behind a legacy gateway."""

    id: str
    display_name: str
    sizes: tuple[str, ...] = ()
    default_count: int = 4


# ai.google.dev/gemini-api/docs/imagen
IMAGEN_MODELS = (
    ImagenModel("imagen-3.0-generate-001", "Imagen 3.0"),
    ImagenModel("imagen-3.0-generate-002", "Imagen 3.0"),
    ImagenModel("imagen-3.0-fast-generate-001", "Imagen 3.0 Fast"),
    ImagenModel("imagen-4.0-generate-001", "Imagen 4", ("1K", "2K")),
    ImagenModel("imagen-4.0-ultra-generate-001", "Imagen 4 Ultra", ("1K", "2K"), 1),
    ImagenModel("imagen-4.0-fast-generate-001", "Imagen 4 Fast"),
    ImagenModel("imagen-4.0-generate-preview-06-06", "Imagen 4 (Preview)", ("1K",)),
    ImagenModel(
        "imagen-4.0-ultra-generate-preview-06-06",
        "Imagen 4 Ultra (Preview)",
        ("1K",),
        1,
    ),
)
# docs.cloud.google.com/vertex-ai/generative-ai/docs/models/imagen, "Image ratios and
# resolutions"; 2K is twice that. They differ from those of the Gemini models.
IMAGEN_PIXELS = {
    "1:1": (1024, 1024),
    "3:4": (896, 1280),
    "4:3": (1280, 896),
    "9:16": (768, 1408),
    "16:9": (1408, 768),
}
IMAGEN_RATIOS = tuple(IMAGEN_PIXELS)

_TEXT = (
    "generateContent",
    "countTokens",
    "createCachedContent",
    "batchGenerateContent",
)
_LIVE = ("countTokens", "bidiGenerateContent")
# ai.google.dev/gemini-api/docs/models: models that make no pictures. The list holds
# them all, so a client has to tell them from image models.
OTHER_MODELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("gemini-2.5-flash", "Gemini 2.5 Flash", _TEXT),
    ("gemini-2.5-pro", "Gemini 2.5 Pro", _TEXT),
    ("gemini-2.5-flash-preview-tts", "Gemini 2.5 Flash Preview TTS", _TEXT[:2]),
    ("gemma-3-27b-it", "Gemma 3 27B", _TEXT[:2]),
    ("gemini-flash-latest", "Gemini Flash Latest", _TEXT),
    ("gemini-3.1-pro-preview", "Gemini 3.1 Pro Preview", _TEXT),
    ("gemini-3.1-flash-lite", "Gemini 3.1 Flash Lite", _TEXT),
    ("gemini-3.1-flash-tts-preview", "Gemini 3.1 Flash TTS Preview", _TEXT[:2]),
    ("gemini-3.5-flash", "Gemini 3.5 Flash", _TEXT),
    ("gemini-robotics-er-1.6-preview", "Gemini Robotics-ER 1.6 Preview", _TEXT[:2]),
    ("lyria-3-clip-preview", "Lyria 3 Clip Preview", _TEXT[:2]),
    ("lyria-3-pro-preview", "Lyria 3 Pro Preview", _TEXT[:2]),
    ("deep-research-pro-preview-12-2025", "Deep Research Pro Preview", _TEXT[:2]),
    ("antigravity-preview-05-2026", "Antigravity Preview", _TEXT[:2]),
    ("gemini-omni-flash-preview", "Gemini Omni Flash Preview", _TEXT[:2]),
    ("gemini-embedding-001", "Gemini Embedding 001", ("embedContent",)),
    ("gemini-embedding-2", "Gemini Embedding 2", ("embedContent",)),
    ("aqa", "Model that performs Attributed Question Answering.", ("generateAnswer",)),
    ("veo-3.1-generate-preview", "Veo 3.1", ("predictLongRunning",)),
    ("veo-3.1-fast-generate-preview", "Veo 3.1 fast", ("predictLongRunning",)),
    (
        "gemini-2.5-flash-native-audio-latest",
        "Gemini 2.5 Flash Native Audio Latest",
        _LIVE,
    ),
    ("gemini-3.1-flash-live-preview", "Gemini 3.1 Flash Live Preview", _LIVE),
)

_NOT_FOUND = (
    "models/{id} is not found for API version {version}, or is not supported for "
    "{method}. Call ListModels to see the list of available models and their "
    "supported methods."
)
_NEW_USERS = (
    "This model models/{id} is no longer available to new users. Please update your "
    "code to use a newer model for the latest features and improvements."
)
_MOVED_ON = (
    "This model models/{id} is no longer available. Please update your code to use "
    "models/{successor}."
)
# ai.google.dev/gemini-api/docs/deprecations: which text an id gets is not documented;
# all three are in use, so each is played by some id.
RETIRED = {
    "gemini-2.0-flash-exp": (_NOT_FOUND, ""),
    "gemini-2.0-flash-exp-image-generation": (_NOT_FOUND, ""),
    "gemini-2.0-flash-preview-image-generation": (_NEW_USERS, ""),
    "gemini-2.5-flash-image-preview": (_MOVED_ON, "gemini-2.5-flash-image"),
    "gemini-3-pro-image-preview": (_NEW_USERS, ""),
    "gemini-3.1-flash-image-preview": (_MOVED_ON, "gemini-3.1-flash-image"),
}


def not_found_text(model_id: str, method: str, version: str = "v1beta") -> str:
    """Google's sentence for an id that it does not serve with this method."""
    template, successor = RETIRED.get(model_id, (_NOT_FOUND, ""))
    return template.format(
        id=model_id, method=method, version=version, successor=successor
    )


def list_entry(model: ImageModel) -> dict[str, object]:
    """An image model as ListModels shows it."""
    entry: dict[str, object] = {
        "name": f"models/{model.id}",
        "version": model.version,
        "displayName": model.display_name,
        "description": model.description,
        "inputTokenLimit": model.input_tokens,
        "outputTokenLimit": model.output_tokens,
        "supportedGenerationMethods": [
            "generateContent",
            "countTokens",
            "batchGenerateContent",
        ],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 1,
    }
    return entry | ({"thinking": True} if model.thinks else {})


def other_entry(
    model_id: str, display_name: str, methods: tuple[str, ...]
) -> dict[str, object]:
    """Any other model as ListModels shows it."""
    return {
        "name": f"models/{model_id}",
        "version": "001",
        "displayName": display_name,
        "description": display_name,
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": list(methods),
    }


def imagen_entry(model: ImagenModel) -> dict[str, object]:
    """An Imagen model as ListModels showed it while it was alive."""
    return {
        "name": f"models/{model.id}",
        "version": "001",
        "displayName": model.display_name,
        "description": "Vertex served Imagen model",
        "inputTokenLimit": 480,
        "outputTokenLimit": 8192,
        "supportedGenerationMethods": ["predict"],
    }


def unknown_image_model(model_id: str, display_name: str) -> ImageModel:
    """A model that Google brings out tomorrow: as strict as the newest known one."""
    return _variant(
        NANO_BANANA_2_1, model_id, display_name=display_name, description=display_name
    )
