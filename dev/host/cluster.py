"""Two Open WebUI hosts that are one to their users, the second with two workers.

    with Cluster(in_s3=True) as cluster:
        print(cluster.a.url, cluster.b.url)

They share a database, a Redis and the storage, as an administrator sets it up who
needs more than one machine. Its data is temporary.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from dev.console import Failure
from dev.host import plugin
from dev.host.client import Client
from dev.host.server import Host
from dev.host.services import ObjectStore, PostgreSQL, Redis

# A function of the host's that tells which process answers.
WHICH = "which"
WHICH_SOURCE = '''"""
title: Which
"""

import os


class Pipe:
    async def pipe(self, body: dict) -> str:
        return str(os.getpid())
'''
WORKERS_OF_B = 2
MAX_DIALS = 100


class Cluster:
    """Hosts ``a`` and ``b``, and what they share."""

    def __init__(self, in_s3: bool) -> None:
        """Keep pictures in an object store, or else in a folder that both see."""
        self.in_s3 = in_s3
        self._folder = Path(tempfile.mkdtemp(prefix="open-webuis-"))
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self._end()

    def log_tail(self, lines: int) -> str:
        """The end of what each host has logged."""
        return f"A:\n{self.a.log_tail(lines)}\n\nB:\n{self.b.log_tail(lines)}"

    def _start(self) -> None:
        self.database = self._ends.enter_context(PostgreSQL())
        redis = self._ends.enter_context(Redis())
        self.store = self._ends.enter_context(ObjectStore())
        shared = {
            "DATABASE_URL": self.database.url,
            "REDIS_URL": redis.url,
            "WEBSOCKET_MANAGER": "redis",
            "WEBSOCKET_REDIS_URL": redis.url,
            **(self.store.settings if self.in_s3 else {}),
        }
        self.a = self._host("a", shared)
        # Only now: the first one makes the tables.
        self.b = self._host("b", {**shared, "UVICORN_WORKERS": str(WORKERS_OF_B)})

    def _host(self, name: str, settings: dict[str, str]) -> Host:
        data_dir = self._folder / (name if self.in_s3 else "shared")
        log_file = self._folder / f"{name}.log"
        host = Host(data_dir=data_dir, env=settings, log_file=log_file)
        return self._ends.enter_context(host)

    def _end(self) -> None:
        self._ends.close()
        shutil.rmtree(self._folder, ignore_errors=True)


class Seat:
    """A user's place at one process of a cluster."""

    def __init__(self, name: str, client: Client, process: int) -> None:
        self.name = name
        self.process = process
        self._client = client

    def client(self) -> Client:
        """The user, on a connection to this process.

        Servers close what was idle for some seconds, and the next connection may lead
        to another worker: ask anew whenever time may have passed.
        """
        for _ in range(MAX_DIALS):
            if process_of(self._client) == self.process:
                return self._client
            self._client = newly_connected(self._client)
        raise Failure(f"No connection led to {self.name}.")


def install_which(admin: Client) -> None:
    """Put the function on the hosts that seats need."""
    for model in plugin.add_function(admin, WHICH, WHICH_SOURCE):
        admin.grant_to_all(model)


def process_of(client: Client) -> int:
    """The id of the process that this user's connection leads to."""
    answer = client.complete(WHICH, "Which one?")
    return int(answer["choices"][0]["message"]["content"])


def newly_connected(client: Client, url: str = "") -> Client:
    """The same user without an open connection, at another host if need be."""
    session = {"id": client.user_id, "name": client.name, "role": client.role}
    return Client(url or client.url, {**session, "token": client.token})


def seats_at(cluster: Cluster, client: Client) -> list[Seat]:
    """A user's places at A and at both workers of B."""
    at_a = newly_connected(client, cluster.a.url)
    seats = [Seat("A", at_a, process_of(at_a))]
    workers: dict[int, Client] = {}
    for _ in range(MAX_DIALS):
        at_b = newly_connected(client, cluster.b.url)
        workers.setdefault(process_of(at_b), at_b)
        if len(workers) == WORKERS_OF_B:
            break
    else:
        raise Failure(f"Of B, only these processes answer: {list(workers)}.")
    for number, (process, at_b) in enumerate(workers.items(), start=1):
        seats.append(Seat(f"worker {number} of B", at_b, process))
    return seats
