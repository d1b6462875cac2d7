"""The table of what works on which Open WebUI: as found, complete, and in docs/."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from dev.host.install import VERSIONS
from dev.pages import versions_table as versions

RECORD = versions.read()


@pytest.fixture(scope="module")
def tests_on_hosts() -> ModuleType:
    """The module with the table of capabilities."""
    path = versions.ROOT / "tests" / "versions" / "test_versions.py"
    spec = importlib.util.spec_from_file_location("test_versions_read", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def record_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty record."""
    path = tmp_path / "versions.json"
    monkeypatch.setattr(versions, "RECORD", path)
    return path


def test_the_table_on_its_page_is_up_to_date() -> None:
    page = versions.PAGE.read_text()
    assert page == versions.filled(page, RECORD), "run: python3 dev manifest"


def test_every_host_was_tried_with_every_capability(tests_on_hosts: ModuleType) -> None:
    lines = tests_on_hosts.CAPABILITIES
    rerun = "run: python3 dev test tests/versions"
    assert RECORD["capabilities"] == {line.name: line.why for line in lines}, rerun
    assert tuple(RECORD["hosts"]) == VERSIONS, rerun
    for host in RECORD["hosts"].values():
        assert list(host["works"]) == list(RECORD["capabilities"]), rerun
        assert host["pythons"], rerun


def test_what_not_all_hosts_have_is_explained(tests_on_hosts: ModuleType) -> None:
    for line in tests_on_hosts.CAPABILITIES:
        is_everywhere = all(line.is_expected(version) for version in VERSIONS)
        assert bool(line.why) is not is_everywhere, line.name


def test_a_run_that_finds_what_is_known_changes_nothing(record_file: Path) -> None:
    reasons = {"drawing": "", "Channels": "None there."}
    works = {"drawing": True, "Channels": False}
    assert versions.save(reasons, "0.12.4", "3.11", works)
    before = record_file.read_text()
    assert not versions.save(reasons, "0.12.4", "3.11", works)
    assert record_file.read_text() == before
    assert versions.save(reasons, "0.12.4", "3.12", works)
    assert list(versions.read()["hosts"]["0.12.4"]["pythons"]) == ["3.11", "3.12"]


def test_a_new_finding_counts_only_for_the_python_it_was_made_with(
    record_file: Path,
) -> None:
    versions.save({"drawing": ""}, "0.6.5", "3.11", {"drawing": True})
    versions.save({"drawing": ""}, "0.6.5", "3.12", {"drawing": True})
    versions.save({"drawing": ""}, "0.6.5", "3.12", {"drawing": False})
    assert list(versions.read()["hosts"]["0.6.5"]["pythons"]) == ["3.12"]


def test_hosts_stand_in_their_order(record_file: Path) -> None:
    for version in ("0.12.4", "0.6.5", "0.10.2"):
        versions.save({"drawing": ""}, version, "3.11", {"drawing": True})
    assert list(json.loads(record_file.read_text())["hosts"]) == [
        "0.6.5",
        "0.10.2",
        "0.12.4",
    ]


def test_the_table_shows_what_differs_and_names_the_rest() -> None:
    pythons = {"3.11": "2026-01-02"}
    record = {
        "capabilities": {"drawing": "", "channels": "None there.", "new": "Why."},
        "hosts": {
            "0.6.5": {
                "pythons": pythons,
                "works": {"drawing": True, "channels": False},
            },
            "0.12.4": {
                "pythons": {**pythons, "3.12": "2026-01-03"},
                "works": {"drawing": True, "channels": True},
            },
        },
    }
    assert versions.table(record).splitlines() == [
        "| Open WebUI | 0.6.5 | 0.12.4 |",
        "| --- | :-: | :-: |",
        "| What is named below | ✓ | ✓ |",
        "| Channels <sup>1</sup> | – | ✓ |",
        "| New <sup>2</sup> | ? | ? |",
        "",
        "1. None there.",
        "2. Why.",
        "",
        "On all of them: drawing.",
        "",
        "Found by the tests on real hosts, on 2026-01-03 with Python 3.11 "
        "and Python 3.12 (0.12.4).",
    ]


def test_only_what_stands_between_the_two_lines_is_replaced() -> None:
    page = "a\n<!-- versions -->\nSTALE\n<!-- /versions -->\nb\n"
    filled = versions.filled(page, RECORD)
    assert filled.startswith("a\n<!-- versions -->\n\n| Open WebUI |")
    assert filled.endswith("\n\n<!-- /versions -->\nb\n")
    assert "STALE" not in filled
    assert versions.filled(filled, RECORD) == filled
    assert versions.filled("no such lines", RECORD) == "no such lines"
