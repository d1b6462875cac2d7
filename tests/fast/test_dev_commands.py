"""What ``python3 dev test`` runs and reports, and how environments are made."""

import sys
from pathlib import Path

import pytest

from dev import environment, testing
from dev.console import Failure
from dev.testing import Part, Result
from dev.waiting import wait_until

PASSES = Part("good", ("timeit", "-n", "1", "-r", "1"))
FAILS = Part("bad", ("no_such_module",))


def titles(parts: list[Part]) -> list[str]:
    return [part.title for part in parts]


def test_a_change_is_checked_without_load_and_old_hosts() -> None:
    tests = [title.split()[0] for title in titles(testing.of_a_change())[3:]]
    assert tests == ["tests/fast", "tests/network", "tests/host"]


def test_everything_is_in_all() -> None:
    folders = {path.parent.name for path in testing.TESTS.glob("*/test_*.py")}
    tested = {title.split()[0] for title in titles(testing.everything())}
    assert {f"tests/{folder}" for folder in folders} <= tested
    assert set(titles(testing.of_a_change())) <= set(titles(testing.everything()))


@pytest.mark.parametrize(
    ("arguments", "title"),
    [
        (["fast", "-x"], "tests/fast -n auto -x"),
        (["fast", "-k", "ratios"], "tests/fast -k ratios"),
        (["host", "-x"], "tests/host -x"),
        (["tests/host", "-k", "stop"], "tests/host -k stop"),
        (["-k", "stop"], "tests -k stop"),
    ],
)
def test_tests_can_be_named(arguments: list[str], title: str) -> None:
    assert titles(testing.selection(arguments)) == [title]


@pytest.mark.parametrize("beside", [True, False])
def test_one_failure_fails_all(beside: bool, capfd: pytest.CaptureFixture[str]) -> None:
    results = testing.run([FAILS._replace(beside=beside), PASSES])
    assert sorted(bool(result.code) for result in results) == [False, True]
    assert testing.report(results, 1.0) == 1
    printed = capfd.readouterr().out
    assert "• 1 of 2: bad" in printed and "• 2 of 2: good" in printed
    assert "No module named no_such_module" in printed
    assert printed.splitlines()[-1].startswith("Failed: bad.")


@pytest.mark.parametrize(
    "line",
    [
        "==== 12 passed in 3.45s ====",
        "==== 1 failed, 2 passed, 3 warnings in 61.02s (0:01:01) ====",
        "==== no tests ran in 0.01s ====",
        "3 passed, 1 skipped in 0.10s",
    ],
)
def test_the_last_line_of_pytest_is_told_again(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = f"..\n2 seconds in 3.0s of nothing\n\x1b[32m{line}\x1b[0m\n"
    result = testing.finished(PASSES, 0, 1.0, printed.encode())
    assert result == Result(PASSES, 0, 1.0, line)
    assert testing.report([result], 2.0) == 0
    assert line in capsys.readouterr().out


def test_without_uv_an_environment_is_made_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(environment, "VENV", tmp_path / "venv")
    monkeypatch.setattr(environment.shutil, "which", lambda name: None)
    monkeypatch.setattr(environment, "_pip_wheel", lambda: None)
    monkeypatch.setattr(
        environment, "run", lambda command, *_: commands.append(command)
    )
    environment.make_environment(tmp_path / "venv", "the tools")
    environment.install(tmp_path / "venv", ["six"], "torch ; python_version < '0'")
    assert commands[0][:3] == [sys.executable, "-m", "venv"]
    assert commands[1][1:] == ["-m", "pip", "install", "--quiet", "six"]


def test_waiting_ends_with_what_was_waited_for() -> None:
    answers = iter(["", "", "here"])
    assert wait_until(lambda: next(answers), "the answer") == "here"
    with pytest.raises(Failure, match="the moon did not come within 0 s"):
        wait_until(lambda: False, "the moon", seconds=0)


def test_plain_pytest_runs_the_fast_tests_only(pytestconfig: pytest.Config) -> None:
    assert pytestconfig.getini("testpaths") == ["tests/fast"]
