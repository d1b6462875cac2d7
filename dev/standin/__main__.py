"""`python -m dev.standin`: the stand-in for Google's API as a process."""

from __future__ import annotations

import argparse
import signal
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
    with standin:
        print(
            f"The stand-in for Google's image API is ready at {standin.url}", flush=True
        )
        done.wait()


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
    return parser.parse_args()


def _model(text: str) -> tuple[str, str]:
    model_id, _, name = text.partition("=")
    return model_id, name or model_id


if __name__ == "__main__":
    main()
