"""What a release has left on people's servers means the same to today's file.

Saved settings, ids in presets and chats, options in prompts and requests, sentences in
old answers. `tests/versions/test_upgrade.py` updates real installations.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rows import check_rows

import gemini_image_pipe as gip
from dev.pages.manifest import PRODUCT, read_front_matter

FOLDER = Path(__file__).parents[1] / "versions" / "releases"
RELEASES = sorted(FOLDER.glob("*.py"))
BOTH = ("AdminValves", "UserValves")


@pytest.fixture(scope="module", params=RELEASES, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest) -> ModuleType:
    """A released file as a module."""
    path: Path = request.param
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)
def test_a_release_is_named_after_its_version(path: Path) -> None:
    version = read_front_matter(path.read_text())["version"]
    assert path.stem == f"{PRODUCT.stem}_{version.replace('.', '_')}"


def settings_in(module: ModuleType) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each setting: of whom, its name, and what dialogues are told of it."""
    for whose in BOTH:
        spec = getattr(module, whose).model_json_schema()["properties"]
        yield from ((whose, name, about) for name, about in spec.items())


# With 0.2.0 only one retired id is listed unasked.
OTHER_DEFAULTS = {"RETIRED_MODELS"}


def test_every_setting_is_there_and_means_the_same(release: ModuleType) -> None:
    def check(whose: str, name: str, before: dict[str, Any]) -> None:
        now = getattr(gip, whose).model_json_schema()["properties"][name]
        assert now["type"] == before["type"]
        assert now["default"] == before["default"] or name in OTHER_DEFAULTS
        assert set(before.get("enum", ())) <= set(now.get("enum", ()))

    check_rows(settings_in(release), check)


def test_saved_settings_load_as_they_are_and_go_back(release: ModuleType) -> None:
    def check(whose: str, name: str, about: dict[str, Any]) -> None:
        there, here = getattr(release, whose), getattr(gip, whose)
        for value in about.get("enum") or OTHERS[about["type"]]:
            saved = there(**{name: value}).model_dump()
            assert saved[name] == value
            resaved = here(**saved).model_dump()
            assert resaved | saved == resaved
            assert there(**resaved).model_dump() == saved

    check_rows(settings_in(release), check)


# What somebody may have entered where there is nothing to choose from.
OTHERS: dict[str, tuple[Any, ...]] = {
    "string": ("", "gemini-*, auto", "https://gateway.example/v1#"),
    "boolean": (True, False),
    "integer": (1, 7, 900),
}


def test_every_id_still_answers(release: ModuleType) -> None:
    now = {facts.id for facts in gip.CURRENT_MODELS} | {gip.AUTO}
    ids = [facts.id for facts in release.CURRENT_MODELS] + [release.AUTO]
    ids += [pattern.replace("*", "-9-") for pattern, _ in release.SUCCESSORS]
    assert [i for i in ids if i not in now and not gip.successor_of(i)] == []


def test_options_are_spelled_and_read_as_before(release: ModuleType) -> None:
    def check(name: str, choice: str) -> None:
        before, _ = release.read_options([(name, choice)])
        now, notes = gip.read_options([(name, choice)])
        assert vars(now) | vars(before) == vars(now)
        assert notes == []

    spelled = release.OPTION_BY_NAME.items()
    check_rows(((n, choice) for n, o in spelled for choice in o.choices), check)


def test_own_sentences_are_told_from_the_words_of_a_model(release: ModuleType) -> None:
    """Also when an older release reads what a newer one wrote."""

    def check(mark: str, reader: ModuleType) -> None:
        answer = f"Here it comes.\n\n{mark}What was left out.\n"
        messages = [
            {"role": "user", "content": "a fox"},
            {"role": "assistant", "content": answer},
            {"role": "user", "content": "make it blue"},
        ]
        [_, said] = reader.read_conversation(messages).history
        assert said.text == "Here it comes."

    writers = ((release, gip), (gip, release))
    check_rows(
        (
            (mark, reader)
            for writer, reader in writers
            for mark in (writer.NOTE_MARK, writer.FAILURE_MARK)
        ),
        check,
    )
