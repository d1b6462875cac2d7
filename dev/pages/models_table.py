"""The table of models in docs/options.md, as the product's own table has them.

``python3 dev manifest`` writes it between the lines ``<!-- models -->`` and
``<!-- /models -->``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dev.environment import ROOT
from dev.pages import tables

if TYPE_CHECKING:
    from gemini_image_pipe import ModelFacts

PAGE = ROOT / "docs" / "options.md"

HEAD = ("Model", "Name", "Pictures up to", "Pictures that it takes", "Ends")


def table() -> str:
    """What can be picked, `auto` first, in markdown."""
    from gemini_image_pipe import AUTO, AUTO_NAME, CURRENT_MODELS

    newest = "the newest released model of your key"
    rows = [(f"`{AUTO}`", AUTO_NAME, newest, "", ""), *map(_row, CURRENT_MODELS)]
    lines = [HEAD, ("---",) * len(HEAD), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def filled(page: str) -> str:
    """The page with this table in its place."""
    return tables.filled(page, "models", table())


def refresh() -> bool:
    """Write the page if the table has changed since; tell whether it had."""
    return tables.refresh(PAGE, filled)


def largest(facts: ModelFacts) -> str:
    """The largest size of its pictures."""
    # A model without a choice of sizes makes the size that its price is named for.
    return facts.sizes[-1] if facts.sizes else f"about {max(facts.prices.pictures)}"


def _row(facts: ModelFacts) -> tuple[str, ...]:
    taken = str(facts.max_input_images)
    return f"`{facts.id}`", facts.name, largest(facts), taken, facts.ends
