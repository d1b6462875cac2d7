"""Servers that others wrote, started for a test and ended with it.

    class Redis(Server):
        name = "Redis"

        def command(self): ...
        def is_up(self): ...

    with Redis() as redis: ...

Each runs in a folder of its own that goes with it, and ends with the process that
started it.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from dev.console import Failure
from dev.host.ports import free_port
from dev.host.processes import Guard, signal_group
from dev.waiting import PATIENCE_S, wait_until

STOP_PATIENCE_S = 5.0
LOG_TAIL_LINES = 20


class Server:
    """A program that serves until the block ends, as another user if need be.

    Its ``port`` is free when it starts, its ``folder`` belongs to that user.
    """

    name = ""
    end_signal = signal.SIGTERM
    patience_s = PATIENCE_S  # until it is up

    def __init__(self, user: str | None = None) -> None:
        self.port = free_port()
        self.user = user
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.name.lower()}-"))
        if user:
            shutil.chown(self.folder, user)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._remove_data()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop()
        self._remove_data()

    def prepare(self) -> None:
        """Make what the program needs before it starts."""

    def command(self) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str] | None:
        """What it finds there; None is what this process has."""
        return None

    def is_up(self) -> bool:
        """Whether it serves."""
        raise NotImplementedError

    def run(self, *command: str) -> str:
        """What a program of the same user prints; raises Failure when it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            user=self.user,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise Failure(f"{done.stdout}\n`{' '.join(command)}` failed; see above.")
        return done.stdout.strip()

    def _start(self) -> None:
        self.prepare()
        log_file = self.folder / "log"
        with open(log_file, "ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                env=self.environment(),
                user=self.user,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guard = Guard(self._process.pid, self.end_signal)
        try:
            wait_until(self.is_up, self.name, self.patience_s)
        except BaseException as error:
            self._stop()
            if isinstance(error, Failure):
                raise Failure(self._complaint(log_file)) from None
            raise

    def _complaint(self, log_file: Path) -> str:
        tail = log_file.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(tail) + f"\n\n{self.name} did not start; its log is above."

    def _stop(self) -> None:
        signal_group(self._process, self.end_signal)
        try:
            self._process.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            signal_group(self._process, signal.SIGKILL)
            self._process.wait()
        self._guard.dismiss()

    def _remove_data(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
