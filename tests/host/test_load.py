"""Many at once on a real host: nobody waits for anybody, and the host stays awake.

The limits are wide, since test machines are noisy; a request that held the event loop
or the host's executor would break them by far.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dev import stage
from dev.standin import StandInProcess
from dev.webui import Client, picture_links

# In a process of its own, so that the chats' threads here do not delay it.
PROBE = """
import http.client, json, select, sys, time
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
delays = []
while not select.select([sys.stdin], [], [], 0.01)[0]:
    before = time.perf_counter()
    connection.request("GET", "/health")
    connection.getresponse().read()
    delays.append((time.perf_counter() - before) * 1000)
delays.sort()
print(json.dumps({"p99": delays[int(len(delays) * 0.99)], "max": delays[-1]}))
"""


def ask_at_once(user: Client, prompt: str, chats: int) -> tuple[float, float]:
    """So many chats at once: seconds until all have their picture, /health p99 in ms."""
    port = user.url.rpartition(":")[2]
    probe = subprocess.Popen(
        [sys.executable, "-c", PROBE, port],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    started = time.monotonic()
    with ThreadPoolExecutor(chats) as pool:
        answers = list(
            pool.map(lambda _: user.complete(stage.AUTO_MODEL, prompt), range(chats))
        )
    elapsed = time.monotonic() - started
    found = json.loads(probe.communicate("stop\n", timeout=10)[0])
    for answer in answers:
        assert picture_links(answer["choices"][0]["message"]["content"])
    print(f"{chats} × {prompt!r}: {elapsed:.1f} s, /health {found}")
    return elapsed, found["p99"]


def test_many_who_wait_for_google_wait_together(
    user: Client, google: StandInProcess
) -> None:
    user.complete(stage.AUTO_MODEL, "a fox [[wait 0]]")  # drawn once, then kept
    elapsed, p99 = ask_at_once(user, "a fox [[wait 5]]", 32)
    assert elapsed < 12  # one after the other: 160 s
    assert p99 < 150


def test_large_pictures_leave_the_host_awake(
    user: Client, google: StandInProcess
) -> None:
    user.complete(stage.AUTO_MODEL, "a fox [[size 8MB]]")  # drawn once, then kept
    _, p99 = ask_at_once(user, "a fox [[size 8MB]]", 8)
    assert p99 < 250
