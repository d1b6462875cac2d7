"""Clients of the host's API that others wrote, each driven by a small script.

    told = run(Path("with_openai.py"), url, key, {"prompts": ["a red fox"]})

A script uses its client as its documentation does, finds the address and the key where
OpenAI's clients look for them, is told the rest as JSON, and prints JSON. The clients
are installed on first use, into ``.hosts/`` and kept there like the hosts.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev import environment
from dev.console import Failure, step
from dev.host import node
from dev.host.between import INHERITED
from dev.host.install import HOSTS

IN_PYTHON = ("openai==3.57.0", "langchain-openai==1.7.4", "llm==0.36")
IN_JAVASCRIPT = {
    "private": True,
    "dependencies": {
        "openai": "6.49.0",
        "ai": "6.0.326",
        "@ai-sdk/openai-compatible": "2.0.92",
    },
}
PATIENCE_S = 120


def ensure_all() -> None:
    """Install what is missing of the clients."""
    ensure_python_clients()
    ensure_javascript_clients()


def ensure_python_clients() -> Path:
    """The environment with the clients for Python in it."""
    folder = HOSTS / "python-clients"
    with environment.exclusive(folder):
        stamp = environment.Stamp(folder, *IN_PYTHON)
        if not stamp.is_current():
            environment.make_environment(folder, "clients of the API")
            with step(f"installing clients of the API into .hosts/{folder.name}"):
                environment.install(folder, IN_PYTHON)
            stamp.write()
    return folder


def ensure_javascript_clients() -> Path:
    """The folder with the clients for JavaScript in it."""
    title = "clients of the API for JavaScript"
    return node.ensure_packages("javascript-clients", title, IN_JAVASCRIPT)


def run(script: Path, url: str, key: str, told: Mapping[str, Any]) -> Any:
    """What the script prints; raises Failure with its traceback when it fails."""
    with tempfile.TemporaryDirectory(prefix="client-") as home:
        done = subprocess.run(
            [*_command(script), json.dumps(told)],
            input=script.read_text(),
            cwd=_folder(script),
            env=_environment(home, url, key),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    if done.returncode:
        raise Failure(f"{done.stderr}\n{script.name} failed; see above.")
    return json.loads(done.stdout)


def _folder(script: Path) -> Path:
    """Where the clients are that the script imports."""
    is_python = script.suffix == ".py"
    return ensure_python_clients() if is_python else ensure_javascript_clients()


def _command(script: Path) -> list[str]:
    """What reads a script from its input: Node.js then finds packages where it runs."""
    if script.suffix == ".py":
        return [str(environment.python_of(ensure_python_clients())), "-"]
    return [node.program(), "--input-type=module", "-"]


def _environment(home: str, url: str, key: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    own = {"HOME": home, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": key}
    return {**inherited, **own}
