"""`python -m dev.standin`: the stand-in for Google's API as a process."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading

from dev.standin.keys import DEFAULT_KEY
from dev.standin.server import StandIn


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _options()
    standin = StandIn(options.port, options.key, extra_models=dict(options.extra_model))
    done = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: done.set())
    if options.until_input_ends:
        threading.Thread(target=_wait_for_input, args=(done,), daemon=True).start()
    with standin:
        print(
            f"The stand-in for Google's image API is ready at {standin.url}", flush=True
        )
        done.wait()


def _wait_for_input(done: threading.Event) -> None:
    # Unbuffered: a buffered reader in a daemon thread spoils the exit of Python.
    while os.read(sys.stdin.fileno(), 1024):
        pass
    done.set()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m dev.standin", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--key", default=DEFAULT_KEY, help="one more key that is good")
    parser.add_argument(
        "--extra-model",
        type=_model,
        action="append",
        default=[],
        metavar="ID=NAME",
        help="an image model that nobody knows yet",
    )
    parser.add_argument(
        "--until-input-ends",
        action="store_true",
        help="end with the process that holds standard input",
    )
    return parser.parse_args()


def _model(text: str) -> tuple[str, str]:
    model_id, _, name = text.partition("=")
    return model_id, name or model_id


if __name__ == "__main__":
    main()
