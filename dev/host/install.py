"""Open WebUI in any version, installed on first use and kept.

Each version lives in ``.hosts/<version>/`` with a virtual environment of its own.
``VERSIONS`` are those that the plugin is tested on.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from dev import environment
from dev.console import Failure, step

VERSIONS = ("0.6.5", "0.6.43", "0.8.12", "0.9.6", "0.10.2", "0.11.4", "0.12.4")
HOST_VERSION = VERSIONS[-1]
HOSTS = environment.ROOT / ".hosts"
# Not needed when embeddings are remote, and several GB: the local machine learning.
UNUSED_PACKAGES = (
    "torch",
    "sentence-transformers",
    "transformers",
    "accelerate",
    "faster-whisper",
    "rapidocr",
    "rapidocr-onnxruntime",
    "opencv-python-headless",
    "pyarrow",
    "playwright",
    "onnxruntime",
)
# Versions whose own code (or chromadb of their time) imports one of them all the same.
NEEDED_AFTER_ALL: dict[str, tuple[str, ...]] = {"0.6.5": ("onnxruntime",)}
# What a host image has and the package leaves out: the driver for PostgreSQL.
EXTRAS = {HOST_VERSION: "[postgres]"}
NEWEST_PYTHON_OF_HOSTS = (3, 12)


def ensure_host(version: str = HOST_VERSION, python: Path | None = None) -> Path:
    """Install that version if it is not there yet; return its folder.

    With a ``python`` it is one that runs on that Python instead of this one.
    """
    if python is None:
        return _ensure(HOSTS / version, version)
    folder = HOSTS / f"{version}-{python.name}"
    code = "import sys; from dev.host import install; install.ensure_as(*sys.argv[1:])"
    command = [str(python), "-c", code, str(folder), version]
    if subprocess.run(command, cwd=environment.ROOT).returncode:
        raise Failure(f"Open WebUI {version} could not be installed for {python}.")
    return folder


def ensure_as(folder: str, version: str) -> None:
    """What ``ensure_host`` has another Python do."""
    try:
        _ensure(Path(folder), version)
    except Failure as failure:
        raise SystemExit(f"\n{failure}") from None


def newest_python() -> Path | None:
    """The newest Python that hosts run on, if it is on this machine; not this one."""
    number = ".".join(map(str, NEWEST_PYTHON_OF_HOSTS))
    if sys.version_info[:2] == NEWEST_PYTHON_OF_HOSTS:
        return None
    name = f"python{number}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = [Path(path) for path in [shutil.which(name)] if path]
    for python in [*found, *sorted(pyenv.glob(f"versions/{number}*/bin/{name}"))]:
        probe = [str(python), "-c", "import ensurepip, venv"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return python
    return None


def _ensure(folder: Path, version: str) -> Path:
    overrides, extras = _overrides(version), EXTRAS.get(version, "")
    with environment.exclusive(folder):
        stamp = environment.Stamp(folder, version + extras, overrides)
        if stamp.is_current():
            return folder
        _require_python()
        environment.make_environment(folder, f"Open WebUI {version}")
        with step(f"installing Open WebUI {version} into .hosts/{folder.name}"):
            wanted = f"open-webui{extras}=={version}"
            environment.install(folder, [wanted], overrides)
        stamp.write()
    return folder


def _overrides(version: str) -> str:
    unused = [n for n in UNUSED_PACKAGES if n not in NEEDED_AFTER_ALL.get(version, ())]
    # A marker that is never true makes the installer leave the package out.
    return "".join(f"{name} ; python_version < '0'\n" for name in unused)


def _require_python() -> None:
    if sys.version_info[:2] > NEWEST_PYTHON_OF_HOSTS:
        raise Failure(
            "Open WebUI runs on Python 3.11 and 3.12, and this is "
            f"{sys.version_info.major}.{sys.version_info.minor}. Install one of them "
            "and start over, for example: rm -r .venv; python3.12 dev play"
        )
