"""A host of any version with the plugin on it, three people, and a watch on pip.

    with watched_host(HostKind("0.6.5"), google) as watched:
        print(watched.user.complete(plugin.AUTO_MODEL, "a red fox"))

The host may install what a plugin asks for: nothing keeps it from trying, but it has no
network to do it with, and whatever it starts is written down.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dev.host import people, plugin
from dev.host.client import Client, Json
from dev.host.install import HOST_VERSION, VERSIONS, ensure_host, newest_python
from dev.host.ports import LOOPBACK
from dev.host.server import Host
from dev.standin import StandInProcess

# Every Python reads it when it starts; its audit sees every program that is started.
SITE_CUSTOMIZE = """\
import json, sys

def watch(event, arguments):
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"):
        words = arguments[1] if event == "subprocess.Popen" else arguments[:2]
        words = [words] if isinstance(words, (str, bytes)) else words
        with open({started!r}, "a") as file:
            file.write(json.dumps([str(word) for word in words]) + "\\n")

sys.addaudithook(watch)
"""
NOWHERE = f"http://{LOOPBACK}:9"  # nobody listens on the port of "discard"
ALONE = {
    "OFFLINE_MODE": "false",  # with it, newer hosts would not even try to install
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "NO_PROXY": LOOPBACK,
    "no_proxy": LOOPBACK,
    "PIP_CONFIG_FILE": "/dev/null",
    "PIP_NO_INDEX": "1",
    "PIP_INDEX_URL": NOWHERE,
    "PIP_RETRIES": "0",
    "UV_OFFLINE": "1",
    "UV_INDEX_URL": NOWHERE,
}


class HostKind(NamedTuple):
    """A version of the host, and the Python it runs on, if not on this one."""

    version: str
    python: Path | None = None

    def __str__(self) -> str:
        return f"{self.version}-{self.python.name}" if self.python else self.version

    def ensure(self) -> Path:
        """Install it if it is not there yet; return its folder."""
        return ensure_host(self.version, self.python)


@dataclass(frozen=True, eq=False)
class WatchedHost:
    """A running host with the plugin on it, its people, and Google beside it."""

    kind: HostKind
    host: Host
    google: StandInProcess
    admin: Client
    user: Client
    second_user: Client
    models: list[Json]
    folder: Path
    packages_before: list[str] = field(repr=False)
    started: Path

    @property
    def version(self) -> tuple[int, ...]:
        """The host's version in numbers."""
        return self.admin.version

    @property
    def python(self) -> str:
        """The Python that the host runs on, as in "3.11"."""
        return _packages_folder(self.folder).parent.name.removeprefix("python")

    def packages(self) -> list[str]:
        """What is installed where the host runs: every entry of its packages."""
        return packages(self.folder)

    def started_programs(self) -> list[list[str]]:
        """The command lines that the host has run so far."""
        if not self.started.exists():
            return []
        return [json.loads(line) for line in self.started.read_text().splitlines()]


def supported_kinds() -> list[HostKind]:
    """The hosts that the plugin is tested on, oldest first."""
    newest = newest_python()
    also = [HostKind(HOST_VERSION, newest)] if newest else []
    return [*map(HostKind, VERSIONS), *also]


@contextmanager
def watched_host(kind: HostKind, google: StandInProcess) -> Iterator[WatchedHost]:
    """Start a host, put the plugin on it, and let three people sign up."""
    folder = kind.ensure()
    before = packages(folder)
    with tempfile.TemporaryDirectory(prefix="watch-") as watched:
        started = Path(watched) / "started"
        hook = SITE_CUSTOMIZE.format(started=str(started))
        (Path(watched) / "sitecustomize.py").write_text(hook)
        env = {**ALONE, "PYTHONPATH": watched}
        with Host(kind.version, python=kind.python, env=env) as host:
            admin = Client.sign_up(host.url, people.ADMIN)
            models = plugin.install(admin, google.url)
            user = admin.create_user(people.USER)
            second = admin.create_user(people.SECOND_USER)
            yield WatchedHost(
                kind, host, google, admin, user, second, models, folder, before, started
            )


def packages(folder: Path) -> list[str]:
    """What is installed in a virtual environment: every entry of its packages."""
    entries = [entry.name for entry in _packages_folder(folder).iterdir()]
    return sorted(name for name in entries if name != "__pycache__")


def _packages_folder(folder: Path) -> Path:
    [found] = folder.glob("lib/python*/site-packages")
    return found
