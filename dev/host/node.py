"""Packages of npm's, installed on first use into ``.hosts/`` like the hosts.

folder = node.ensure_packages("portkey", "Portkey's gateway", {"dependencies": …})
subprocess.run([node.program(), folder / "node_modules/…"])
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev import environment
from dev.console import Failure, step
from dev.host import debian
from dev.host.install import HOSTS


def ensure_packages(name: str, title: str, package: Mapping[str, Any]) -> Path:
    """The folder ``.hosts/<name>`` with what a ``package.json`` asks for."""
    if not (shutil.which("node") and shutil.which("npm")):
        debian.install("Node.js", ["--no-install-recommends", "nodejs", "npm"])
    folder, wanted = HOSTS / name, json.dumps(package)
    with environment.exclusive(folder):
        stamp = environment.Stamp(folder, wanted)
        if not stamp.is_current():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "package.json").write_text(wanted)
            quiet = ("--no-audit", "--no-fund", "--ignore-scripts")
            with step(f"installing {title} into .hosts/{name}"):
                command = ["npm", "install", *quiet, "--prefix", str(folder)]
                environment.run(command, "failed")
            stamp.write()
    return folder


def program() -> str:
    """Node.js itself; raises Failure where there is none."""
    found = shutil.which("node")
    if found is None:
        raise Failure("Tests need Node.js.")
    return found
