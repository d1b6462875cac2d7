"""How long a host's /health takes: whether anything holds its event loop.

``python health.py PORT`` asks every 10 ms, in a process of its own, so that nobody's
threads delay it. It prints ``ready`` after its first answer; a line on its standard
input ends it, and it prints how long the answers took, in milliseconds, as JSON.
Standard library only, and nothing of ours: it is to be there at once.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time

PAUSE_S = 0.01


def main() -> None:
    """Ask until standard input has something to say."""
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
    ask(connection)
    print("ready", flush=True)
    delays = [ask(connection)]
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        delays.append(ask(connection))
    delays.sort()
    print(json.dumps({"p99": delays[int(len(delays) * 0.99)], "max": delays[-1]}))


def ask(connection: http.client.HTTPConnection) -> float:
    """Milliseconds that one answer takes."""
    before = time.perf_counter()
    connection.request("GET", "/health")
    connection.getresponse().read()
    return (time.perf_counter() - before) * 1000


if __name__ == "__main__":
    main()
