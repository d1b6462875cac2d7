"""The table of options in docs/options.md, as the product's own tables have them.

``python3 dev manifest`` writes it between the lines ``<!-- options -->`` and
``<!-- /options -->``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.environment import ROOT
from dev.pages import tables

if TYPE_CHECKING:
    from gemini_image_pipe import ModelFacts, Option

PAGE = ROOT / "docs" / "options.md"


def table() -> str:
    """Options × where they can be set × models, in markdown."""
    from gemini_image_pipe import CURRENT_MODELS, OPTIONS

    head = ["Option", "In the prompt", "In a request", "Setting", "Values"]
    head += [facts.name for facts in CURRENT_MODELS]
    rows = [
        [*_places(option), *(_offer(option, facts) for facts in CURRENT_MODELS)]
        for option in OPTIONS
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def filled(page: str) -> str:
    """The page with this table in its place."""
    return tables.filled(page, "options", table())


def refresh() -> bool:
    """Write the page if the table has changed since; tell whether it had."""
    return tables.refresh(PAGE, filled)


def _places(option: Option) -> list[str]:
    from gemini_image_pipe import PHRASES

    what = PHRASES[option.field]["en"]
    flags = [f"`--{flag}`" for flag in option.flags]
    parameters = [f"`{parameter}`" for parameter in option.parameters]
    about = [] if option.of_users else ["administrators"]
    about += ["on Vertex AI"] if option.of_vertex else []
    valve = f"`{option.valve}`" + (f" ({', '.join(about)})" if about else "")
    values = ", ".join(option.choices)
    cells = [what, ", ".join(flags), ", ".join(parameters), valve, values]
    return [cell or "–" for cell in cells]


def _offer(option: Option, facts: ModelFacts) -> str:
    """What a model takes of an option: all, some by name, or nothing."""
    levels = tuple(level.lower() for level in facts.thinking_levels)
    offers: dict[str, tuple[str, ...]] = {
        "aspect_ratio": facts.ratios,
        "image_size": facts.sizes,
        "thinking_level": levels,
        "searches": facts.searches,
        "thoughts": option.choices if facts.thinks else (),
    }
    offer = offers.get(option.field, option.choices)
    if option.field == "searches":
        return ", ".join(facts.searches) or "–"
    if set(offer) >= set(option.choices):
        return "all"
    if len(offer) > 4:
        return f"all but {', '.join(c for c in option.choices if c not in offer)}"
    return ", ".join(offer) or "–"
