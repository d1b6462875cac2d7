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
import sysconfig
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
        make_environment(VENV, "the tools")
        with step("installing the tools into .venv"):
            install(VENV, [f"--requirement={path}" for path in REQUIREMENTS])
        stamp.write()


def make_environment(folder: Path, title: str) -> None:
    """A fresh virtual environment at ``folder``: with uv, or else with Python's venv.

    uv is a wish: it turns minutes into seconds, but venv and pip do the same work.
    The first environment, ``.venv``, gets a uv of its own where none is on the path,
    and all later ones are made with that.
    """
    _require_version()
    shutil.rmtree(folder, ignore_errors=True)
    uv = find_uv()
    if uv is None and folder == VENV and _bring_uv(folder):
        return
    if uv is None:
        make_venv(folder, title)
        return
    with step(f"making a virtual environment for {title}"):
        # Seeded with pip, for hosts install with it what a function asks for.
        command = [uv, "venv", "--quiet", "--seed", "--python", sys.executable]
        run([*command, str(folder)], "could not be made", _environment())


def make_venv(folder: Path, title: str) -> None:
    """A virtual environment with pip in it, as Python itself makes it: slowly."""
    _require_venv()
    with step(f"making a virtual environment for {title}, without uv"):
        command = [sys.executable, "-m", "venv", "--clear", str(folder)]
        run(command, "could not be made")


def install(folder: Path, arguments: Sequence[str], overrides: str = "") -> None:
    """Install into the environment ``folder``: with uv, or else with pip.

    ``overrides`` are requirement lines that replace what packages ask for. pip has no
    such thing and installs what was asked for, which is slower and larger but works.
    """
    uv = find_uv()
    if not uv:
        pip = [str(python_of(folder)), "-m", "pip", "install", "--quiet"]
        run([*pip, *arguments], "failed", _environment())
        return
    command = [uv, "pip", "install", "--quiet", "--python", str(python_of(folder))]
    if overrides:
        override_file = folder / "overrides.txt"
        override_file.write_text(overrides)
        command += ["--override", str(override_file)]
    run([*command, *arguments], "failed", _environment())


def find_uv() -> str | None:
    """The program uv: that of ``.venv``, or one on the path."""
    own = VENV / "bin" / "uv"
    return str(own) if own.exists() else shutil.which("uv")


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


def _bring_uv(folder: Path) -> bool:
    """Make ``folder`` an environment with uv and no pip; whether that was possible.

    Putting pip into an environment takes longer than all the rest. Python has it as a
    wheel, and can run it from there.
    """
    wheel = _pip_wheel()
    if wheel is None:
        return False
    make = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    pip = [str(python_of(folder)), f"{wheel}/pip", "--disable-pip-version-check"]
    with step("making a virtual environment for the tools, with uv in it"):
        for command in (make, [*pip, "install", "--quiet", "uv"]):
            done = subprocess.run(command, capture_output=True, env=_environment())
            if done.returncode:
                return False
    return find_uv() is not None


def _pip_wheel() -> Path | None:
    """The file with which Python's ensurepip installs pip."""
    try:
        import ensurepip
    except ImportError:
        return None
    bundled = Path(ensurepip.__file__).parent / "_bundled"
    system = Path(sysconfig.get_config_var("WHEEL_PKG_DIR") or bundled)  # as Debian has
    found = [*bundled.glob("pip-*.whl"), *system.glob("pip-*.whl")]
    return found[0] if found else None


def _environment() -> dict[str, str]:
    """Ours, without what would lead an installer into another environment."""
    return {k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"}


def _require_version() -> None:
    version = sys.version_info
    if version < OLDEST_PYTHON:
        raise Failure(
            f"This is Python {version.major}.{version.minor}; "
            f"Python {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later is needed."
        )


def _require_venv() -> None:
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = sys.version_info
        raise Failure(
            "This Python cannot make virtual environments. On Debian and Ubuntu: "
            f"apt-get install python{version.major}.{version.minor}-venv"
        ) from None
