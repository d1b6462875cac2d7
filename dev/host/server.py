"""A real, unmodified Open WebUI, started and ended cleanly.

    with Host() as host:
        print(host.url)

It is installed on first use. Its data is temporary unless a folder is given.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from urllib.error import URLError
from urllib.request import urlopen

from dev.console import Failure, step
from dev.host.install import HOST_VERSION, ensure_host
from dev.host.ports import LOOPBACK, free_port
from dev.host.processes import Guard, signal_group
from dev.waiting import wait_until

# Keeps a host on this machine and quiet; names that a version lacks do no harm.
SETTINGS = {
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "RAG_EMBEDDING_ENGINE": "openai",
    "ENABLE_OLLAMA_API": "false",
    "ENABLE_OPENAI_API": "false",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ANONYMIZED_TELEMETRY": "false",  # chromadb's
    "SCARF_NO_ANALYTICS": "true",
    "DO_NOT_TRACK": "true",
    "WEBUI_AUTH": "true",
    "WEBUI_SECRET_KEY": "a fixed secret for hosts on loopback",
    "PYTHONUNBUFFERED": "1",
}
# A host sees nothing else of the caller's environment, where a contributor's own
# OPENAI_API_KEY or WEBUI_… could change what a test proves.
INHERITED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
START_DEADLINE_S = 180.0
STOP_PATIENCE_S = 3.0
LOG_TAIL_LINES = 40
ACCESS_LOG = "uvicorn.protocols.http"


class Host:
    """A running Open WebUI on loopback, ended with all its processes on exit."""

    def __init__(
        self,
        version: str = HOST_VERSION,
        *,
        python: Path | None = None,
        port: int = 0,
        data_dir: Path | None = None,
        env: Mapping[str, str] | None = None,
        log_file: Path | None = None,
    ) -> None:
        """``port`` 0 takes a free one; ``env`` adds to or replaces ``SETTINGS``;
        ``python`` is what the host runs on, if not on this one.

        With a ``data_dir`` the data outlives the host, so that another one can be
        started on it; the log goes to ``log_file``, else to ``host.log`` in the data.
        """
        self.version = version
        self.python = python
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._is_temporary = data_dir is None
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="open-webui-"))
        self.log_file = log_file or self.data_dir / "host.log"
        self._extra_env = dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    def __enter__(self) -> Host:
        try:
            self.start()
        except BaseException:
            self._remove_data()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._remove_data()

    @property
    def pid(self) -> int:
        """The process that serves (one worker)."""
        assert self._process is not None, "the host is not running"
        return self._process.pid

    def start(self) -> None:
        """Start serving and wait until the host is healthy."""
        folder = ensure_host(self.version, self.python)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        command = [str(folder / "bin" / "open-webui"), "serve"]
        command += ["--host", LOOPBACK, "--port", str(self.port)]
        with (
            step(f"starting Open WebUI {self.version}"),
            open(self.log_file, "ab") as log,
        ):
            self._process = subprocess.Popen(
                command,
                cwd=self.data_dir,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._guard = Guard(self._process.pid)
            try:
                self._wait_until_healthy()
            except BaseException:
                self.stop()
                raise

    def wait(self) -> None:
        """Stay until the host ends, which it should not do by itself."""
        assert self._process is not None, "the host is not running"
        code = self._process.wait()
        raise Failure(self._complaint(f"ended with exit code {code}"))

    def stop(self, hard: bool = False, patience_s: float = STOP_PATIENCE_S) -> None:
        """End the host and whatever it started; ``hard`` is a crash (SIGKILL).

        What has not ended by itself after ``patience_s`` is killed.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if not hard:
            signal_group(process, signal.SIGINT)
            # It may wait for open connections; nobody needs them any more.
            with suppress(subprocess.TimeoutExpired):
                process.wait(patience_s)
        signal_group(process, signal.SIGKILL)
        process.wait()
        if self._guard is not None:
            self._guard.dismiss()

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The end of what the host has logged, without the lines about requests."""
        if not self.log_file.exists():
            return ""
        everything = self.log_file.read_text(errors="replace").splitlines()
        telling = [line for line in everything if ACCESS_LOG not in line]
        return "\n".join(telling[-lines:])

    def environment(self) -> dict[str, str]:
        """What the host gets to see: little of ours, its settings, the extras."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        own = {"DATA_DIR": str(self.data_dir), "HOME": str(self.data_dir)}
        return {**inherited, **SETTINGS, **own, **self._extra_env}

    def _wait_until_healthy(self) -> None:
        process = self._process
        assert process is not None

        def is_up_or_over() -> bool:
            return process.poll() is not None or self._is_healthy()

        try:
            wait_until(is_up_or_over, "/health", START_DEADLINE_S)
        except Failure:
            complaint = f"was not up after {START_DEADLINE_S:.0f} s"
            raise Failure(self._complaint(complaint)) from None
        code = process.poll()
        if code is not None:
            raise Failure(self._complaint(f"ended with exit code {code}"))

    def _is_healthy(self) -> bool:
        try:
            with urlopen(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def _complaint(self, what: str) -> str:
        return (
            f"{self.log_tail()}\n\nOpen WebUI {self.version} {what}; its log is above."
        )

    def _remove_data(self) -> None:
        if self._is_temporary:
            shutil.rmtree(self.data_dir, ignore_errors=True)
