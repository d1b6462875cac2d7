"""Clients of the host's API that others wrote, each driven by a small script.

    told = run(Path("with_openai.py"), url, key, {"prompts": ["a red fox"]})
    print(shown(".py", "import litellm; …", url, key))

A script uses its client as its documentation does, finds the address and the key where
the clients look for them, is told the rest as JSON, and prints JSON. The clients are
installed on first use, into ``.hosts/`` and kept there like the hosts.
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

IN_PYTHON = (
    "openai==3.57.0",
    "langchain-openai==1.7.4",
    "llm==0.36",
    "litellm==1.108.7",
    "anthropic==2.10.0",
)
IN_JAVASCRIPT = {
    "private": True,
    "dependencies": {
        "openai": "6.49.0",
        "ai": "6.0.326",
        "@ai-sdk/openai-compatible": "2.0.92",
    },
}
# Whose clients look for the address and the key in variables of their own.
MAKERS = ("OPENAI", "ANTHROPIC", "PROVIDER")
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
    """What the script makes of what it is told; raises Failure with its traceback."""
    text = json.dumps(told)
    return json.loads(shown(script.suffix, script.read_text(), url, key, text))


def shown(suffix: str, source: str, url: str, key: str, *told: str) -> str:
    """What code prints, in the language of files that end so: .py, .mjs or .sh; raises
    Failure with what it says when it fails."""
    with tempfile.TemporaryDirectory(prefix="client-") as home:
        done = subprocess.run(
            [*_command(suffix), *told],
            input=source,
            cwd=_folder(suffix),
            env=_environment(home, url, key),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
    if done.returncode:
        raise Failure(f"{done.stderr}\nIt failed, see above:\n{source}")
    return done.stdout


def packages_for(suffix: str) -> Path:
    """Where the packages of the clients lie, with the documentation that they bring."""
    folder = _folder(suffix)
    if suffix == ".mjs":
        return folder / "node_modules"
    [found] = folder.glob("lib/python*/site-packages")
    return found


def _folder(suffix: str) -> Path:
    """Where the clients are that code in a language uses."""
    is_javascript = suffix == ".mjs"
    return ensure_javascript_clients() if is_javascript else ensure_python_clients()


def _command(suffix: str) -> list[str]:
    """What reads code from its input: Node.js then finds packages where it runs, and
    the commands of a shell, for which it reads all of it first, find nothing there."""
    if suffix == ".mjs":
        return [node.program(), "--input-type=module", "-"]
    if suffix == ".sh":
        return ["bash", "-c", 'eval "$(cat)"']
    return [str(environment.python_of(ensure_python_clients())), "-"]


def _environment(home: str, url: str, key: str) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    commands = environment.python_of(ensure_python_clients()).parent
    return {
        **inherited,
        "HOME": home,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        **{f"{maker}_BASE_URL": url for maker in MAKERS},
        **{f"{maker}_API_KEY": key for maker in MAKERS},
    }
