"""``python3 dev test``: every check there is, on whatever machine this is.

``python3 dev test fast`` leaves out the host and the browser. Further arguments go to
pytest: ``python3 dev test fast -k ratios``.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO

from dev import environment
from dev.console import say
from dev.host.browser import ensure_chromium
from dev.host.install import VERSIONS, ensure_host
from dev.host.services import ensure_services

LINTERS = (
    ("ruff", "check", "."),
    ("black", "--check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
)
PYTEST = ("pytest", "-p", "dev.unskipped")
FAST = "fast"


def main(arguments: Sequence[str]) -> int:
    """Run the checks; return 0 only if each of them passed."""
    environment.enter(["test", *arguments])
    started = time.monotonic()
    if arguments[:1] == [FAST]:
        code = _pytest("tests/fast", *arguments[1:])
    else:
        code = _everything(arguments)
    say(f"Took {time.monotonic() - started:.0f} s.")
    return code


def _everything(arguments: Sequence[str]) -> int:
    # A selection names its own tests; without one, all of them run, on every host.
    for version in VERSIONS if not arguments else VERSIONS[-1:]:
        ensure_host(version)
    ensure_chromium()
    ensure_services()
    codes = [_run(*linter) for linter in LINTERS]
    codes += [_pytest(*arguments)] if arguments else _all_tests()
    return next(filter(None, codes), 0)


def _all_tests() -> list[int]:
    """The exit codes of all tests.

    Those on old versions mostly wait for hosts, so others run beside them; they are
    shown when they are done. Those that measure have the machine for themselves.
    """
    with tempfile.TemporaryFile("w+") as shown_later:
        with _start(*PYTEST, "tests/versions", output=shown_later) as versions:
            codes = [_pytest("tests/fast", "tests/scale")]
        shown_later.seek(0)
        say(shown_later.read())
    return [*codes, versions.returncode, _pytest("tests/host", "tests/soak")]


def _pytest(*arguments: str) -> int:
    return _run(*PYTEST, *arguments)


def _run(*module: str) -> int:
    with _start(*module) as process:
        return process.wait()


def _start(*module: str, output: IO[str] | None = None) -> subprocess.Popen[bytes]:
    say(f"• {' '.join(module)}")
    command = [sys.executable, "-m", *module]
    return subprocess.Popen(command, cwd=environment.ROOT, stdout=output, stderr=output)
