"""A function for hosts that tells what the plugin has running in their process."""

from __future__ import annotations

import json

from dev.host import plugin
from dev.host.client import Client
from dev.waiting import wait_until

PROBE_ID = "probe"
PROBE = '''"""
title: Probe
"""
import asyncio, json, threading


class Pipe:
    async def pipe(self, body):
        threads = [thread.name for thread in threading.enumerate()]
        tasks = [repr(task.get_coro()) + str(task.get_stack()) for task in asyncio.all_tasks()]
        return json.dumps({"threads": threads, "tasks": tasks})
'''


class Probe:
    """The function on a host, and its answers."""

    def __init__(self, admin: Client) -> None:
        self._admin = admin
        plugin.add_function(admin, PROBE_ID, PROBE)

    def left_over(self) -> list[str]:
        """The plugin's threads and tasks among all of the host's process."""
        answer = self._admin.complete(PROBE_ID, "What runs here?")
        found = json.loads(answer["choices"][0]["message"]["content"])
        threads = [t for t in found["threads"] if t.startswith("gemini-image-")]
        return threads + [task for task in found["tasks"] if plugin.FUNCTION_ID in task]

    def wait_for_rest(self) -> None:
        """Wait until nothing of the plugin runs, so that nothing can follow either."""
        wait_until(lambda: not self.left_over(), "rest")
