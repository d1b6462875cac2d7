"""The private virtual environment ``.venv``, made on first use and kept.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dev.console import Failure, step

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = (ROOT / "requirements.txt", ROOT / "dev" / "requirements.txt")
OLDEST_PYTHON = (3, 11)


def enter(arguments: Sequence[str]) -> None:
    """Return inside ``.venv``; from outside, make it and start over within it."""
    if Path(sys.prefix) == VENV:
        return
    ensure_tools()
    python = str(python_of(VENV))
    sys.stdout.flush()
    os.execv(python, [python, str(ROOT / "dev"), *arguments])


def ensure_tools() -> None:
    """Make ``.venv`` hold what the requirement files name; instant when it does."""
    with exclusive(VENV):
        stamp = Stamp(VENV, *(path.read_text() for path in REQUIREMENTS))
        if stamp.is_current():
            return
        make_venv(VENV, "the tools")
        with step("installing the tools into .venv"):
            install(VENV, [f"--requirement={path}" for path in REQUIREMENTS])
        stamp.write()


def make_venv(folder: Path, title: str) -> None:
    """A fresh virtual environment at ``folder`` with uv in it, if uv can be had."""
    _require_python()
    shutil.rmtree(folder, ignore_errors=True)
    with step(f"making a virtual environment for {title}"):
        run([sys.executable, "-m", "venv", str(folder)], "could not be made")
        # uv is a wish: it turns minutes into seconds, but pip does the same work.
        subprocess.run(_pip(folder, "install", "--quiet", "uv"), capture_output=True)


def install(folder: Path, arguments: Sequence[str], overrides: str = "") -> None:
    """Install into the environment ``folder``: with uv, or else with pip.

    ``overrides`` are requirement lines that replace what packages ask for. pip has no
    such thing and installs what was asked for, which is slower and larger but works.
    """
    environment = {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}
    if not has_uv(folder):
        run(_pip(folder, "install", "--quiet", *arguments), "failed", environment)
        return
    command = [str(python_of(folder)), "-m", "uv", "pip", "install", "--quiet"]
    command += ["--python", str(python_of(folder))]
    if overrides:
        override_file = folder / "overrides.txt"
        override_file.write_text(overrides)
        command += ["--override", str(override_file)]
    run([*command, *arguments], "failed", environment)


def has_uv(folder: Path) -> bool:
    """Whether the environment ``folder`` has uv."""
    return (folder / "bin" / "uv").exists()


def python_of(folder: Path) -> Path:
    """The Python of the environment ``folder``."""
    return folder / "bin" / "python"


def run(
    command: Sequence[str], complaint: str, environment: dict[str, str] | None = None
) -> None:
    """Run ``command`` silently; its output is shown only when it fails."""
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise Failure(f"{tail}\n\n`{' '.join(command)}` {complaint}; see above.")


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep a second command from installing into ``folder`` at the same time."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Stamp:
    """A file in an environment that tells what was installed into it, and for whom."""

    def __init__(self, folder: Path, *contents: str) -> None:
        self._path = folder / ".stamp"
        # A moved folder or another Python needs new scripts as much as a new version.
        parts = (str(folder), sys.version, *contents)
        self._digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def is_current(self) -> bool:
        """Whether everything was installed, to the end, and nothing has changed."""
        return self._path.exists() and self._path.read_text() == self._digest

    def write(self) -> None:
        """Remember that everything was installed."""
        self._path.write_text(self._digest)


def _pip(folder: Path, *arguments: str) -> list[str]:
    return [str(python_of(folder)), "-m", "pip", *arguments]


def _require_python() -> None:
    version = sys.version_info
    if version < OLDEST_PYTHON:
        raise Failure(
            f"This is Python {version.major}.{version.minor}; "
            f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later is needed."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        raise Failure(
            "This Python cannot make virtual environments. On Debian and Ubuntu: "
            f"apt-get install python{version.major}.{version.minor}-venv"
        ) from None
