"""``python3 dev COMMAND``: everything a contributor runs.

Only the standard library is used here, so that a fresh clone and the system's Python
are enough: a command that needs more gets it from a virtual environment that is made
on first use.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
# Python put dev/ itself on the path; the package and the product are found from above.
sys.path[0] = str(ROOT)

from dev.console import Failure  # noqa: E402


class Command(NamedTuple):
    """One word after ``python3 dev``.

    Its module has a ``main(arguments) -> int``, and calls ``environment.enter`` before
    it imports what only the virtual environment has.
    """

    summary: str
    module: str


COMMANDS = {
    "play": Command("try the plugin in a real Open WebUI", "dev.play"),
    "test": Command("run the checks; `test all`: every one", "dev.testing"),
    "manifest": Command(
        "write both import files and the generated tables", "dev.pages.manifest"
    ),
    "record": Command("write down what hosts hand to a pipe", "dev.record"),
    "bench": Command("measure the plugin against plain requests", "dev.bench"),
    "prices": Command(
        "compare the table of models with a file of prices", "dev.prices"
    ),
    "verify": Command("ask Google what no document settles", "dev.verify"),
}


def usage() -> str:
    """The commands, one a line."""
    lines = ["usage: python3 dev COMMAND [OPTION …]", ""]
    lines += [f"  {name:<10}{command.summary}" for name, command in COMMANDS.items()]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run the command named first; return the exit code."""
    name, *rest = arguments or ["--help"]
    if name in ("-h", "--help"):
        print(usage())
        return 0
    command = COMMANDS.get(name)
    if command is None:
        print(f"There is no command {name!r}.\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        return int(importlib.import_module(command.module).main(rest))
    except Failure as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
