"""``python3 dev test``: every check there is, on whatever machine this is.

``python3 dev test fast`` leaves out the host and the browser. Further arguments go to
pytest: ``python3 dev test fast -k ratios``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from dev import environment
from dev.browser import ensure_chromium
from dev.console import say
from dev.hosts import VERSIONS, ensure_host
from dev.services import ensure_services

LINTERS = (
    ("ruff", "check", "."),
    ("black", "--check", "--quiet", "."),
    ("mypy", "--no-error-summary"),
)
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
    codes.append(_pytest(*arguments))
    return next(filter(None, codes), 0)


def _pytest(*arguments: str) -> int:
    return _run("pytest", "-p", "dev.unskipped", *arguments)


def _run(module: str, *arguments: str) -> int:
    say(f"• {module} {' '.join(arguments)}")
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=environment.ROOT).returncode
