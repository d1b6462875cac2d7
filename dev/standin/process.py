"""The stand-in in a process of its own, seen from a test.

A test that measures how long its own interpreter is held needs this: the stand-in's
drawing and encoding would otherwise hold the same interpreter.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

from dev.standin.cloud import MadeAccount
from dev.standin.keys import DEFAULT_KEY

ROOT = Path(__file__).resolve().parents[2]


class StandInProcess:
    """A running stand-in and what it recorded."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url

    def report(self) -> dict[str, Any]:
        """Requests, requests to the other host, and sent pictures as digests."""
        return self._control("GET", "requests")

    def requests(self) -> list[dict[str, Any]]:
        """What arrived, pictures as sha256, size and mime."""
        return list(self.report()["requests"])

    def sent_images(self) -> list[dict[str, Any]]:
        """The final pictures that were answered, as sha256 and size."""
        return list(self.report()["sent_images"])

    def reset(self) -> None:
        """Forget what happened and behave normally again."""
        self._control("DELETE", "requests")

    def behave(self, models: str | None) -> None:
        """Make lists of models fail, as `StandIn.models_behaviour` does."""
        self._control("PUT", "behaviour", {"models": models})

    def enrol(self, account: MadeAccount) -> None:
        """Let this account of Google Cloud get tokens."""
        self._control("PUT", "accounts", {account.email: account.public_key})

    def stop(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def __enter__(self) -> StandInProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _control(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.url}/_standin/{name}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
        )
        # A proxy of the environment has no business between two local processes.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return dict(json.load(answer))


def start_process(
    port: int = 0,
    key: str = DEFAULT_KEY,
    *,
    extra_models: dict[str, str] | None = None,
) -> StandInProcess:
    """Start `python -m dev.standin` and wait until it is ready."""
    command = [sys.executable, "-m", "dev.standin", "--port", str(port), "--key", key]
    for model_id, name in (extra_models or {}).items():
        command += ["--extra-model", f"{model_id}={name}"]
    # The pipe to its standard input closes with this process, whatever ends it.
    command.append("--until-input-ends")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True)
    line = process.stdout.readline() if process.stdout else ""
    url = line.strip().rpartition(" ")[2]
    if not url.startswith("http"):
        process.kill()
        raise RuntimeError(f"the stand-in did not start: {line!r}")
    return StandInProcess(process, url)
