"""``python3 dev record``: write down what real hosts hand to a pipe.

Each situation is played on a host of its own version with a function that only records
(``dev.host.recording``). The result, one call a line, is what tests/fast/test_walk.py
walks through.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev import environment
from dev.console import Failure, say
from dev.host.install import VERSIONS
from dev.host.server import Host

if TYPE_CHECKING:
    from dev.host.recording import Recorder
    from dev.host.situations import Stage

FOLDER = environment.ROOT / "tests" / "fast" / "host_requests"


def main(arguments: Sequence[str]) -> int:
    """Record the versions that are named, or all."""
    parser = argparse.ArgumentParser(prog="python3 dev record", description=__doc__)
    parser.add_argument("--version", action="append", choices=VERSIONS)
    options = parser.parse_args(arguments)
    environment.enter(["record", *arguments])
    for version in options.version or VERSIONS:
        record(version)
    return 0


def record(version: str) -> None:
    """Write the file of one version."""
    from dev.host import people, recording, situations  # need what .venv has
    from dev.host.client import Client

    with (
        tempfile.TemporaryDirectory(prefix="record-") as folder,
        Host(version, env=situations.SETTINGS) as host,
    ):
        admin = Client.sign_up(host.url, people.ADMIN)
        user = admin.create_user(people.USER)
        with recording.recorder(admin, Path(folder) / "calls.jsonl") as recorder:
            stage = situations.Stage(admin, user, recorder.model)
            lines = [json.dumps(c, ensure_ascii=False) for c in played(stage, recorder)]
    path = FOLDER / f"{version}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    say(f"• {path.relative_to(environment.ROOT)}: {len(lines)} calls")


def played(stage: Stage, recorder: Recorder) -> Iterator[dict[str, Any]]:
    """The calls of all situations that the host knows, each named."""
    from dev.host.situations import SITUATIONS

    for situation in SITUATIONS:
        if stage.admin.version < situation.since:
            continue
        try:
            situation.play(stage)
            calls = recorder.calls()
        except Failure as failure:
            say(f"• not recorded: {situation.name}: {failure}")
            recorder.forget()
            continue
        for call in calls:
            yield {"situation": situation.name, **call}
