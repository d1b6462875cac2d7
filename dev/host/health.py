"""How long a host keeps everybody waiting: the delays of its /health, from outside."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dev.host.client import Json

# In a process of its own, so that nothing that happens here delays it.
_WATCH = """
import http.client, json, select, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=120)
delays = []
print("watching", flush=True)
while not delays or not select.select([sys.stdin], [], [], 0.01)[0]:
    before = time.perf_counter()
    connection.request("GET", "/health")
    connection.getresponse().read()
    delays.append((time.perf_counter() - before) * 1000)
print(json.dumps({"max": max(delays)}))
"""


@contextmanager
def watched_health(url: str) -> Iterator[Json]:
    """Ask for /health again and again; in the end what is yielded holds the worst
    delay in milliseconds as "max"."""
    found: Json = {}
    port = url.rpartition(":")[2]
    process = subprocess.Popen(
        [sys.executable, "-c", _WATCH, port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    try:
        yield found
    finally:
        found |= json.loads(process.communicate("stop\n", timeout=120)[0])
