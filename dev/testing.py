"""``python3 dev test``: every check there is, on whatever machine this is.

    python3 dev test                  what every change needs: linters, the fast tests,
                                      those through a proxy, and those on the newest
                                      host and in its browser
    python3 dev test all              also gateways, old hosts, two hosts at once, load
                                      and speed, and many requests in a row
    python3 dev test fast -k ratios   what pytest is told; the first word may be the
    python3 dev test tests/host -x    name of a folder in tests/

Each part says which of how many it is and how long it took, and at the end the results
stand once more. A skipped test counts as failed (``dev.unskipped``).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple

from dev import environment
from dev.console import Failure, say
from dev.host import between, programs
from dev.host.browser import ensure_chromium
from dev.host.install import VERSIONS, ensure_host
from dev.host.proxies import ensure_proxies
from dev.host.services import ensure_services

ALL = "all"
FAST = "fast"
SPREAD = ("-n", "auto")  # over all cores
# Two hosts, each with some of the files: half of the time goes into waiting for them.
IN_TWO = ("-n", "2", "--dist", "loadfile")
TESTS = environment.ROOT / "tests"
# How many examples the tests try that invent their input: more when all is tested.
FUZZ, FUZZ_OF_ALL = "FUZZ", "300"
# The last line of pytest's, as in "==== 12 passed in 3.45s ====", which is bare with -q.
PYTEST_SUMMARY = re.compile(
    r"^(?:=+ )?(?:\d+ [a-z]+,? |no tests ran )+.*in [\d.]+s.*$", re.MULTILINE
)
COLOURS = re.compile(r"\x1b\[[\d;]*m")


class Part(NamedTuple):
    """What is checked in one go, and the module that Python runs for it.

    ``beside`` the following ones: it mostly waits for hosts, and is shown when done.
    ``alone``: it measures, and nothing may run beside it.
    """

    title: str
    command: tuple[str, ...]
    beside: bool = False
    alone: bool = False


class Result(NamedTuple):
    """How a part went, and pytest's last line if it was pytest."""

    part: Part
    code: int
    seconds: float
    summary: str


def tests_in(
    folder: str, *options: str, beside: bool = False, alone: bool = False
) -> Part:
    """The tests in a folder."""
    # Its output goes through this process, so it cannot see by itself where it ends.
    colour = ("--color=yes",) if sys.stdout.isatty() else ()
    command = ("pytest", "-p", "dev.unskipped", *colour, folder, *options)
    return Part(" ".join((folder, *options)), command, beside, alone)


LINTERS = (
    Part("ruff", ("ruff", "check", ".")),
    Part("black", ("black", "--check", "--quiet", ".")),
    Part("mypy", ("mypy", "--no-error-summary")),
)


def of_a_change() -> list[Part]:
    """What every change needs: it takes minutes."""
    return [
        *LINTERS,
        tests_in("tests/fast", *SPREAD),
        tests_in("tests/network"),
        tests_in("tests/host", *IN_TWO),
    ]


def everything() -> list[Part]:
    """Every check there is."""
    return [
        *LINTERS,
        tests_in("tests/versions", beside=True),
        tests_in("tests/fast", *SPREAD),
        tests_in("tests/network"),
        tests_in("tests/gateways", *IN_TWO),
        tests_in("tests/clients", *IN_TWO),
        tests_in("tests/scale"),
        tests_in("tests/host", *IN_TWO),
        tests_in("tests/hostile"),
        tests_in("tests/load", alone=True),
        tests_in("tests/soak", alone=True),
    ]


def selection(arguments: Sequence[str]) -> list[Part]:
    """The tests that somebody names, and nothing else."""
    first, *rest = arguments
    if first.startswith("-"):
        return [tests_in("tests", *arguments)]
    folder = f"tests/{first}" if (TESTS / first).is_dir() else first
    # Each worker collects all tests: for a few of them that is not worth it.
    spread = SPREAD if first == FAST and "-k" not in rest else ()
    return [tests_in(folder, *spread, *rest)]


def main(arguments: Sequence[str]) -> int:
    """Run the checks; return 0 only if each of them passed."""
    environment.enter(["test", *arguments])
    started = time.monotonic()
    if not arguments:
        install(VERSIONS[-1])
        ensure_proxies()
        parts = of_a_change()
    elif arguments[0] == ALL:
        if arguments[1:]:
            raise Failure("usage: python3 dev test [all | what pytest is told]")
        os.environ.setdefault(FUZZ, FUZZ_OF_ALL)
        install(*VERSIONS)
        ensure_services()
        ensure_proxies()
        between.ensure_all()
        programs.ensure_all()
        parts = everything()
    else:
        if FAST not in arguments[0]:
            install(VERSIONS[-1])
        parts = selection(arguments)
    return report(run(parts), time.monotonic() - started)


def install(*versions: str) -> None:
    """Have these hosts here, and a browser for them."""
    for version in versions:
        ensure_host(version)
    ensure_chromium()


def run(parts: Sequence[Part]) -> list[Result]:
    """Run the parts, most of them one after the other, and show what they print."""
    results: list[Result] = []
    beside: list[Background] = []
    try:
        for number, part in enumerate(parts, start=1):
            if part.alone:
                results += [background.finish() for background in beside]
                beside = []
            say(f"\n• {number} of {len(parts)}: {part.title}")
            if part.beside:
                say("  begins now, is shown when it is done")
                beside.append(Background(part))
            else:
                results.append(run_one(part))
        results += [background.finish() for background in beside]
        beside = []
    finally:
        for background in beside:
            background.stop()
    return results


def run_one(part: Part) -> Result:
    """Run one part, and pass on what it prints as it comes."""
    started = time.monotonic()
    printed = b""
    with start(part) as process:
        assert process.stdout
        while piece := os.read(process.stdout.fileno(), 65_536):
            printed += piece
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    return finished(part, process.returncode, time.monotonic() - started, printed)


class Background:
    """A part that runs beside others."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self._printed = b""
        self._started = self._ended = time.monotonic()
        self._process = start(part)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self._printed = self._process.communicate()[0]
        self._ended = time.monotonic()

    def finish(self) -> Result:
        """Wait for its end, and show what it has printed."""
        if self._reader.is_alive():
            say(f"\n• waiting for {self.part.title}")
        self._reader.join()
        say(f"\n• {self.part.title}, which ran beside the others")
        say(self._printed.decode(errors="replace"))
        seconds = self._ended - self._started
        return finished(self.part, self._process.returncode, seconds, self._printed)

    def stop(self) -> None:
        """End it, for nobody wants to know any more."""
        self._process.terminate()
        self._reader.join()


def start(part: Part) -> subprocess.Popen[bytes]:
    """Start a part; what it prints can be read."""
    return subprocess.Popen(
        [sys.executable, "-m", *part.command],
        cwd=environment.ROOT,
        stdin=subprocess.DEVNULL if part.beside else None,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def finished(part: Part, code: int, seconds: float, printed: bytes) -> Result:
    """Say how a part went."""
    lines = PYTEST_SUMMARY.findall(COLOURS.sub("", printed.decode(errors="replace")))
    say(f"  {part.title}: {'failed after' if code else 'passed in'} {seconds:.0f} s")
    return Result(part, code, seconds, lines[-1] if lines else "")


def report(results: Sequence[Result], seconds: float) -> int:
    """Say once more how all parts went; the exit code."""
    say()
    for result in results:
        state = "FAILED" if result.code else "passed"
        say(f"{state}  {result.part.title}, {result.seconds:.0f} s")
        if result.summary:
            say(result.summary)
    failed = [result.part.title for result in results if result.code]
    outcome = f"Failed: {', '.join(failed)}." if failed else "Everything passed."
    say(f"{outcome} Took {seconds:.0f} s.")
    return 1 if failed else 0
