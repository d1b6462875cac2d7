"""``python3 dev prices``: the table of models against what others have read at Google.

LiteLLM's package ships a file of prices that names Google's pages as its source and is
kept up to date by many. What differs is to be looked up there: either may be wrong.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from dev import environment
from dev.console import Failure, say, step

PACKAGE = "litellm"
PRICE_FILE = "litellm/model_prices_and_context_window_backup.json"
# Of the Gemini API; ids without it are Vertex AI's, whose days differ.
PREFIX = "gemini/"
# Google's pages round the price of a picture, the file computes it from tokens.
ROUNDING = 0.01

Entries = dict[str, dict[str, Any]]


def main(arguments: Sequence[str]) -> int:
    """Print what differs; 1 if anything does."""
    parser = argparse.ArgumentParser(prog="python3 dev prices", description=__doc__)
    parser.add_argument("--file", type=Path, help="a price file, instead of the newest")
    options = parser.parse_args(arguments)
    environment.enter(["prices", *arguments])
    entries = read(options.file.read_bytes() if options.file else newest())
    found = list(differences(entries))
    for line in found:
        say(line)
    say(f"{len(found) or 'No'} difference{'' if len(found) == 1 else 's'}.")
    return 1 if found else 0


def newest() -> bytes:
    """The price file of the newest release, which gets no place in ``.venv``."""
    with tempfile.TemporaryDirectory() as folder:
        with step(f"getting the price file that {PACKAGE} ships"):
            environment.install(
                environment.VENV, ["--no-deps", "--target", folder, PACKAGE]
            )
        return (Path(folder) / PRICE_FILE).read_bytes()


def read(raw: bytes) -> Entries:
    """The image models of the Gemini API in a price file, by their bare ids."""
    try:
        rows = json.loads(raw).items()
        return {
            name.removeprefix(PREFIX): row
            for name, row in rows
            if name.startswith(PREFIX) and row.get("mode") == "image_generation"
        }
    except (ValueError, AttributeError):
        raise Failure("That is no price file.") from None


def differences(entries: Entries) -> Iterator[str]:
    """What the file says otherwise than the product's tables, a line each."""
    import gemini_image_pipe as gip

    for facts in gip.CURRENT_MODELS:
        if facts.id not in entries:
            yield f"{facts.id}: not in the file"
            continue
        entry = entries[facts.id]
        for what, here, there in _numbers(facts, entry):
            if abs(here - there) > ROUNDING * here:
                yield f"{facts.id}: {what} {here:g} here, {there:g} there"
        if facts.ends != entry.get("deprecation_date", ""):
            there = entry.get("deprecation_date", "never")
            yield f"{facts.id}: ends {facts.ends or 'never'} here, {there} there"
    for model_id, entry in entries.items():
        chain = [successor.id for successor in gip.successors(model_id)]
        if not chain and gip.model_facts(model_id) is None:
            yield f"{model_id}: not in the table"
        heir = entry.get("successor_model", "").removeprefix(PREFIX)
        if heir and heir not in chain:
            yield f"{model_id}: successor {' '.join(chain) or 'none'} here, {heir} there"


def _numbers(facts: Any, entry: dict[str, Any]) -> Iterator[tuple[str, float, float]]:
    """What it is, our number, and the file's, where that has one."""
    # The file has one price of a picture, that of the smallest.
    smallest = min(facts.prices.pictures.values())
    for what, here, name, unit in (
        ("USD per million tokens in", facts.prices.input, "input_cost_per_token", 1e6),
        (
            "USD per million tokens out",
            facts.prices.output,
            "output_cost_per_token",
            1e6,
        ),
        ("USD per picture", smallest, "output_cost_per_image", 1),
    ):
        if isinstance(there := entry.get(name), int | float):
            yield what, here, there * unit
