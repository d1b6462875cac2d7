"""Processes that must not outlive the one that starts them, however that one ends."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress


class Guard:
    """Ends a process group as soon as this process is gone, be it by SIGKILL.

    A process of its own waits for the end of a pipe that only this process holds.
    Linux itself could end a child so, but not what the child has started: a server's
    workers would go on.
    """

    def __init__(self, group: int, number: signal.Signals = signal.SIGKILL) -> None:
        script = 'read -r nothing; kill -s "$0" -- "-$1"'
        self._process = subprocess.Popen(
            ["sh", "-c", script, number.name.removeprefix("SIG"), str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and the group's own end pass it by
        )

    def dismiss(self) -> None:
        """Leave the group alone from now on."""
        self._process.kill()
        self._process.communicate()


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a process that leads a group, and to the whole group."""
    with suppress(ProcessLookupError):  # all of the group have ended
        os.killpg(process.pid, number)
