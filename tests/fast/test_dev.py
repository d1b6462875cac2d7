"""What the commands under dev/ say and decide before anything is installed."""

import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from dev import environment
from dev.console import Failure
from dev.environment import ROOT
from dev.host import browser
from dev.host import server as hosts
from dev.host.client import Answer, picture_links, text_of


def dev(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "dev"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_without_a_command_the_commands_are_listed() -> None:
    done = dev()
    assert done.returncode == 0
    assert "python3 dev COMMAND" in done.stdout
    assert "play" in done.stdout


def test_an_unknown_command_is_a_sentence() -> None:
    done = dev("sing")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no command 'sing'.")


def test_play_on_a_port_in_use_ends_at_once_with_one_sentence() -> None:
    with socket.create_server((hosts.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        done = dev("play", "--port", str(port))
    assert done.returncode == 1
    assert not done.stdout, "nothing may have been set up"
    assert done.stderr.strip() == (
        f"Port {port} is in use. Choose another one, for example: "
        f"python3 dev play --port {port + 1}"
    )


def test_python_without_venv_names_the_package(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(Failure, match=r"apt-get install python3\.\d+-venv"):
        environment.make_venv(tmp_path / "venv", "a test")


def test_a_failing_tool_is_shown_with_its_last_words() -> None:
    command = [sys.executable, "-c", "print('no space left'); raise SystemExit(3)"]
    with pytest.raises(Failure, match=r"(?s)no space left.*failed; see above"):
        environment.run(command, "failed")


def test_a_stamp_is_current_until_anything_changes(tmp_path: Path) -> None:
    stamp = environment.Stamp(tmp_path, "requests==1")
    assert not stamp.is_current()
    stamp.write()
    assert environment.Stamp(tmp_path, "requests==1").is_current()
    assert not environment.Stamp(tmp_path, "requests==2").is_current()


def test_chromium_is_not_installed_by_those_who_may_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(browser, "CHROMIUM", "/nowhere/chromium")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Failure, match="as root: apt-get update && apt-get install"):
        browser.ensure_chromium()


def test_a_host_sees_little_of_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "a contributor's own")
    host = hosts.Host(data_dir=tmp_path, env={"UVICORN_WORKERS": "2"})
    seen = host.environment()
    assert "OPENAI_API_KEY" not in seen
    assert seen["UVICORN_WORKERS"] == "2"
    assert seen["DATA_DIR"] == str(tmp_path)


def test_links_of_pictures_are_found_wherever_answers_hold_them() -> None:
    file = "/api/v1/files/4ed7bd1c/content"
    table = f"| ![a]({file}) | ![b](http://127.0.0.1:8080{file}) |"
    assert picture_links(table) == [file, f"http://127.0.0.1:8080{file}"]
    assert picture_links("![elsewhere](https://example.org/a.png)") == []


def test_text_of_a_stream_leaves_out_what_is_no_text() -> None:
    events = [
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"delta": {"content": None}}]},
        {"choices": [], "usage": {"total_tokens": 1}},
        {"choices": [{"delta": {"content": "b"}}]},
        "[DONE]",
    ]
    assert text_of(events) == "ab"


def test_an_answer_that_is_saved_as_output_only_has_its_text() -> None:
    part = {"type": "output_text", "text": "a fox"}
    output = [{"type": "message", "content": [part]}]
    assert Answer("1", {"content": "", "output": output}).content == "a fox"
    assert Answer("1", {"error": {"content": "no"}}).error == "no"
    assert Answer("1", {}).content == ""


def test_all_tests_can_be_collected_at_once() -> None:
    """`python3 dev test -k …` looks in all folders; pytest wants names that differ."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
