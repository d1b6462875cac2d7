"""A stand-in for Google's image API, as strict as Google, for tests and the demo.

In this process:

    with StandIn() as google:
        ...                  # send requests to google.url with the key DEFAULT_KEY
        google.requests      # what arrived
        google.sent_images   # the final pictures that were answered

In another process: `python -m dev.standin --port 8123`, or `start_process()`.
What a prompt can make it do: the table in `dev/standin/scripts.py`.
"""

from dev.standin.cloud import MadeAccount, make_account
from dev.standin.keys import DEFAULT_KEY
from dev.standin.process import StandInProcess, start_process
from dev.standin.records import RecordedRequest
from dev.standin.server import StandIn

__all__ = [
    "DEFAULT_KEY",
    "MadeAccount",
    "RecordedRequest",
    "StandIn",
    "StandInProcess",
    "make_account",
    "start_process",
]
