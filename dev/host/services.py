"""What several Open WebUI hosts share: a PostgreSQL, a Redis and an object store.

    with PostgreSQL() as database, Redis() as redis, ObjectStore() as store:
        Host(env={"DATABASE_URL": database.url, "REDIS_URL": redis.url, **store.settings})

Each serves on loopback only, on a free port, keeps its data in a temporary folder, and
ends with the process that started it. PostgreSQL and Redis are Debian's; the object
store is moto, which speaks S3.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dev.console import Failure
from dev.host import debian
from dev.host.ports import LOOPBACK, free_port
from dev.host.serving import Server

if TYPE_CHECKING:
    from moto.server import ThreadedMotoServer

PACKAGES = ("postgresql", "redis-server")
POSTGRESQL_PROGRAMS = "/usr/lib/postgresql/*/bin"
REDIS_PROGRAMS = Path("/usr/bin")
# PostgreSQL refuses to run as root; Debian's package makes this user for it.
POSTGRESQL_USER = "postgres"


def ensure_services() -> None:
    """Install PostgreSQL and Redis if one is missing and this user may."""
    if not (_postgresql_programs() and (REDIS_PROGRAMS / "redis-server").exists()):
        debian.install("PostgreSQL and Redis", PACKAGES)


def _postgresql_programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs, where there is one."""
    root = Path(POSTGRESQL_PROGRAMS.partition("*")[0])
    found = [path.parent for path in root.glob("*/bin/initdb")]
    return max(found, key=lambda path: float(path.parent.name), default=None)


class PostgreSQL(Server):
    """An empty database server."""

    name = "PostgreSQL"
    # At once, and without leaving shared memory behind.
    end_signal = signal.SIGQUIT

    def __init__(self) -> None:
        ensure_services()
        super().__init__(POSTGRESQL_USER if os.geteuid() == 0 else None)
        programs = _postgresql_programs()
        assert programs is not None
        self._programs = programs
        self.url = f"postgresql://webui@{LOOPBACK}:{self.port}/postgres"

    def query(self, sql: str) -> str:
        """The rows that a query finds, one a line, with | between columns."""
        return self.run(*self._program("psql"), "-Atc", sql, self.url)

    def prepare(self) -> None:
        options = "--username=webui --auth=trust --encoding=UTF8 --locale=C.UTF-8"
        options += " --no-sync --no-instructions"
        self.run(*self._program("initdb"), *options.split(), self._data)

    def command(self) -> Sequence[str]:
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # nothing of it is to survive
            "max_connections": "300",
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return [*self._program("postgres"), "-D", self._data, *options]

    def is_up(self) -> bool:
        try:
            return self.query("select 1") == "1"
        except Failure:
            return False

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def _program(self, name: str) -> list[str]:
        return [str(self._programs / name)]


class Redis(Server):
    """An empty Redis that saves nothing."""

    name = "Redis"

    def __init__(self) -> None:
        ensure_services()
        super().__init__()
        self.url = f"redis://{LOOPBACK}:{self.port}/0"

    def command(self) -> Sequence[str]:
        program = str(REDIS_PROGRAMS / "redis-server")
        options = f"--bind {LOOPBACK} --port {self.port} --appendonly no"
        return [program, *options.split(), "--save", ""]

    def is_up(self) -> bool:
        program = str(REDIS_PROGRAMS / "redis-cli")
        try:
            answer = self.run(program, "-h", LOOPBACK, "-p", str(self.port), "ping")
        except Failure:
            return False
        return answer == "PONG"


class ObjectStore:
    """An S3 with one bucket; it can go away and come back with all it held."""

    bucket = "pictures"

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._server: ThreadedMotoServer | None = None

    def __enter__(self) -> Self:
        import requests

        self.open()
        requests.put(f"{self.url}/{self.bucket}", timeout=10).raise_for_status()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def settings(self) -> dict[str, str]:
        """What makes a host keep its files here."""
        return {
            "STORAGE_PROVIDER": "s3",
            "S3_ENDPOINT_URL": self.url,
            "S3_BUCKET_NAME": self.bucket,
            "S3_ADDRESSING_STYLE": "path",
            "S3_REGION_NAME": "us-east-1",
            "S3_ACCESS_KEY_ID": "any",
            "S3_SECRET_ACCESS_KEY": "any",
        }

    def open(self) -> None:
        """Serve, again if need be: the objects are kept in this process."""
        from moto.server import ThreadedMotoServer

        if self._server is None:
            self._server = ThreadedMotoServer(LOOPBACK, self.port, verbose=False)
            self._server.start()

    def close(self) -> None:
        """Refuse all connections from now on."""
        if self._server is not None:
            self._server.stop()
            self._server = None
