"""``python3 dev prices``: what a price file says otherwise than the table of models."""

import json
from pathlib import Path
from typing import Any

import pytest

import gemini_image_pipe as gip
from dev import environment, prices
from dev.console import Failure

NB = "gemini-nano-banana-2.1"
OLD = "gemini-2.5-flash-image"


def price_file(**changed: dict[str, Any]) -> dict[str, Any]:
    """One that says what the table says, but for what is changed, by bare id; other
    models stand in it, too."""
    rows: dict[str, Any] = {
        "sample_spec": {"mode": "one of: chat, embedding …"},
        "gemini/gemini-3.5-flash": {"mode": "chat", "input_cost_per_token": 1e-6},
        "vertex_ai/gemini-9-image": {"mode": "image_generation"},
        "gemini/imagen-4.0-generate-001": {"mode": "image_generation"},
    }
    for facts in gip.CURRENT_MODELS:
        row = {
            "mode": "image_generation",
            "input_cost_per_token": facts.prices.input / 1e6,
            "output_cost_per_token": facts.prices.output / 1e6,
            "output_cost_per_image": min(facts.prices.pictures.values()),
        }
        if facts.ends:
            row["deprecation_date"] = facts.ends
        if heir := gip.successor_of(facts.id):
            row["successor_model"] = f"gemini/{heir.id}"
        rows[f"gemini/{facts.id}"] = row
    for name, values in changed.items():
        row = rows.setdefault(f"gemini/{name}", {"mode": "image_generation"})
        row.update(values)
    return rows


def compared(rows: dict[str, Any]) -> list[str]:
    return list(prices.differences(prices.read(json.dumps(rows).encode())))


def test_a_file_that_says_the_same_differs_in_nothing() -> None:
    assert compared(price_file()) == []
    # Rounded on Google's page.
    assert compared(price_file(**{NB: {"output_cost_per_image": 0.03361}})) == []


@pytest.mark.parametrize(
    ("model", "values", "line"),
    [
        (NB, {"input_cost_per_token": 2e-6}, "tokens in 1.5 here, 2 there"),
        (NB, {"output_cost_per_token": 9e-6}, "tokens out 7.5 here, 9 there"),
        (NB, {"output_cost_per_image": 0.05}, "per picture 0.0336 here, 0.05 there"),
        (NB, {"deprecation_date": "2027-01-01"}, "ends never here, 2027-01-01 there"),
        (OLD, {"deprecation_date": ""}, "ends 2027-03-15 here"),
        (NB, {"successor_model": "gemini/x"}, "successor none here, x there"),
        ("gemini-9-image", {}, "not in the table"),
    ],
)
def test_what_differs_is_named(model: str, values: dict[str, Any], line: str) -> None:
    [found] = compared(price_file(**{model: values}))
    assert found.startswith(f"{model}: ") and line in found


def test_a_model_that_the_file_lacks_is_named() -> None:
    rows = price_file()
    del rows[f"gemini/{OLD}"]
    assert compared(rows) == [f"{OLD}: not in the file"]


def test_a_later_successor_of_the_same_line_is_no_difference() -> None:
    """The file names who answers now, the table who is asked first."""
    rows = price_file(**{OLD: {"successor_model": f"gemini/{NB}"}})
    assert compared(rows) == []


def test_the_command_tells_by_its_code(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "enter", lambda arguments: None)
    path = tmp_path / "prices.json"
    path.write_text(json.dumps(price_file()))
    assert prices.main(["--file", str(path)]) == 0
    assert "No differences." in capsys.readouterr().out
    path.write_text(json.dumps(price_file(**{"gemini-9-image": {}})))
    assert prices.main(["--file", str(path)]) == 1
    assert "gemini-9-image: not in the table\n1 difference." in capsys.readouterr().out


@pytest.mark.parametrize("raw", [b"", b"[]", b"<html>", b'{"gemini/x": 7}'])
def test_what_is_no_price_file_is_refused(raw: bytes) -> None:
    with pytest.raises(Failure, match="no price file"):
        prices.read(raw)
