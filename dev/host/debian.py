"""Programs that tests need and Debian has: installed on first use, where one may."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from dev import environment
from dev.console import Failure, step


def install(title: str, packages: Sequence[str]) -> None:
    """Install packages of Debian's; a sentence says how where this user may not."""
    commands = [["apt-get", "update"], ["apt-get", "install", "-y", *packages]]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        by_hand = " && ".join(" ".join(command) for command in commands)
        raise Failure(f"Tests need {title}. On Debian, as root: {by_hand}")
    with step(f"installing {title}"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in commands:
            environment.run(command, "failed", quiet)
