"""Models that the product knows and `catalogue` has no row for yet.

What the product says that such a model offers is all that it offers here; anything
else is refused. What the product does not say is as with the newest documented model,
and the limits are the lowest of all. A row in `catalogue` replaces this: only that
tells independently whether the product is right.
"""

from __future__ import annotations

from dataclasses import replace

import gemini_image_pipe as gip
from dev.standin.catalogue import (
    ALL_RATIOS,
    IMAGE_MODELS,
    NANO_BANANA_2_1,
    SCALE,
    ImageModel,
)

SEARCHES = {"web": "webSearch", "image": "imageSearch"}


def all_models() -> tuple[ImageModel, ...]:
    """The documented image models, then those that only the product knows."""
    documented = {model.id for model in IMAGE_MODELS}
    rows = [row for row in gip.CURRENT_MODELS if row.id not in documented]
    return (*IMAGE_MODELS, *map(model_of, rows))


def model_of(row: gip.ModelFacts) -> ImageModel:
    """A model that takes what the row offers, and nothing besides.

    A ratio or size without documented pixels is refused even so: a picture of it
    would be invented.
    """
    return replace(
        NANO_BANANA_2_1,
        id=row.id,
        display_name=row.name,
        description=row.name,
        version="001",
        input_tokens=min(model.input_tokens for model in IMAGE_MODELS),
        output_tokens=min(model.output_tokens for model in IMAGE_MODELS),
        ratios=tuple(ratio for ratio in ALL_RATIOS if ratio in row.ratios),
        sizes=tuple(size for size in SCALE if size in row.sizes),
        thinks=row.thinks,
        thinking_levels=row.thinking_levels,
        searches=tuple(SEARCHES[kind] for kind in row.searches),
        max_images=row.max_input_images,
        reads_pdf=row.reads_pdf,
    )
