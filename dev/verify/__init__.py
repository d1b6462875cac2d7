"""``python3 dev verify``: ask Google what its documents leave open.

Needs a GEMINI_API_KEY; with ``--vertex``, a project of Google Cloud in
GOOGLE_CLOUD_PROJECT and the machine's default credentials. What costs nothing comes first; before anything that costs, the
estimate is shown and a yes awaited. The answers go into a file without the key, from
which `dev/standin` can be made to agree. The table of what is asked is in
`dev/verify/facts.py`.

Exit codes: 0, all that was tried held; 1, something did not, or stayed open; 2, there
is no key, or no access token.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dev import environment
from dev.console import Failure, say

if TYPE_CHECKING:
    from dev.verify.facts import Fact, Finding
    from dev.verify.google import Google

KEY = "GEMINI_API_KEY"
OUT = environment.ROOT / "verify-answers.json"
MAX_DOLLARS = 1.00
# So many requests in a row without an answer, and there is nobody to ask.
MAX_SILENCES = 5


def main(arguments: Sequence[str]) -> int:
    """Ask everything, or what is free; see the module for the exit codes."""
    options = _options(arguments)
    if options.vertex:
        environment.enter(["verify", *arguments])
        return _verify_vertex(options)
    key = os.environ.get(KEY, "").strip()
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        state = "is no key" if key else "is not set"
        print(
            f"The environment variable {KEY} {state}. Only Google can answer: get a "
            "key at https://aistudio.google.com/apikey, and set it for this command.",
            file=sys.stderr,
        )
        return 2
    environment.enter(["verify", *arguments])
    import gemini_image_pipe as gip  # needs what .venv has
    from dev.verify.google import Google

    try:
        google = Google(gip.read_address(options.base_url)[0], key)
    except gip.GeminiError:
        raise Failure("--base-url needs a web address, such as https://…") from None
    return Verification(google, options.out).run(free=options.free, yes=options.yes)


def _verify_vertex(options: argparse.Namespace) -> int:
    """The same of Vertex AI, asked by a project's account."""
    import gemini_image_pipe as gip  # needs what .venv has
    from dev.verify import facts
    from dev.verify.google import Google

    valves = gip.AdminValves(
        BACKEND=gip.BACKEND_VERTEX_PROJECT,
        VERTEX_LOCATION=os.environ.get("GOOGLE_CLOUD_LOCATION", ""),
        GEMINI_API_BASE_URL=options.base_url,
    )
    try:
        backend = gip.backend_for(valves)
        token = gip.TOKENS.access(backend, "", gip.Sockets()).token
    except gip.GeminiError as error:
        said = gip.failure_sentences(error.kind, error.values, gip.Reader())
        print(" ".join(said), file=sys.stderr)
        return 2
    google = Google(backend.address, token, is_token=True)
    verification = Verification(google, options.out, facts.VERTEX_FACTS)
    return verification.run(free=options.free, yes=options.yes)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 dev verify",
        description="Ask Google what its documents leave open.",
    )
    spending = parser.add_mutually_exclusive_group()
    spending.add_argument(
        "--free",
        action="store_true",
        help="only what costs nothing (at worst one picture, should Google make one "
        "in spite of a limit of one token; nothing of the kind is sent after it)",
    )
    spending.add_argument("--yes", action="store_true", help="spend without asking")
    parser.add_argument(
        "--vertex",
        action="store_true",
        help="a project of Vertex AI instead: GOOGLE_CLOUD_PROJECT, at "
        "GOOGLE_CLOUD_LOCATION or `global`, with the machine's default credentials "
        "(GOOGLE_APPLICATION_CREDENTIALS)",
    )
    parser.add_argument("--out", type=Path, default=OUT, help="where the answers go")
    parser.add_argument(
        "--base-url", default="", help="another address for the Gemini API"
    )
    return parser.parse_args(arguments)


class Verification:
    """One run through the table of facts."""

    def __init__(
        self, google: Google, out: Path, table: Iterable[Fact] | None = None
    ) -> None:
        from dev.verify import facts  # needs what .venv has

        self._words = facts
        self._google = google
        self._out = out
        self._facts = tuple(facts.FACTS if table is None else table)
        self._findings: dict[str, Finding] = {}

    def run(self, *, free: bool = False, yes: bool = False) -> int:
        """Ask, show and write; return the exit code."""
        self._write()  # it would be a pity to learn at the end that it cannot be
        try:
            say(f"Asking {self._google.address}. First what costs nothing:\n")
            for fact in self._facts:
                if fact.is_free:
                    self._try(fact, trial=True)
            if not free:
                self._spend(yes)
        finally:
            self._write()
        return self._sum_up()

    # -- what costs

    def _spend(self, yes: bool) -> None:
        pending = [fact for fact in self._facts if self._needs_money(fact)]
        estimate = min(estimate_of(pending), MAX_DOLLARS)
        if not pending:
            return
        if not self._google.key_works:
            say("\nNo answer shows that the key works; what costs is not tried.")
            return
        say(f"\n{len(pending)} facts cost money:\n")
        for price, names in _priced(pending):
            say(f"  ${price:.3f}  {names}")
        if not yes and not _agreed(f"\nAbout ${estimate:.2f} at most; go on? [y/N] "):
            return
        say()
        limit = self._google.spent + estimate
        for fact in pending:
            self._try_paid(fact, limit)

    def _needs_money(self, fact: Fact) -> bool:
        found = self._findings.get(fact.name)
        return fact.cost > 0 and (found is None or found.verdict != self._words.HELD)

    def _try_paid(self, fact: Fact, limit: float) -> None:
        """Ask, unless that could take more than was agreed to."""
        cost = 0.0 if self._google.has_sample(fact.sample) else fact.cost
        if self._google.spent + cost > limit + 0.0001:
            said = "not tried: the estimate is used up"
            self._note(fact, self._words.Finding(self._words.NOT_TRIED, said))
        else:
            self._try(fact, trial=False)

    # -- one fact

    def _try(self, fact: Fact, *, trial: bool) -> None:
        limited = fact.refused if trial else fact.limited
        self._google.limited = limited
        finding = self._refrain(limited) or self._ask(fact)
        if trial and fact.cost and finding.verdict != self._words.HELD:
            said = f"{finding.said} (with room for one token)"
            finding = self._words.Finding(self._words.OPEN, said, finding.evidence)
        self._note(fact, finding)

    def _refrain(self, limited: bool) -> Finding | None:
        """Why nothing is sent any more, if so."""
        said = ""
        if self._google.silences >= MAX_SILENCES:
            said = f"not tried: no answer {MAX_SILENCES} times in a row"
        elif limited and self._google.limit_broken:
            said = "not tried: a picture was made in spite of the limit of one token"
        return self._words.Finding(self._words.OPEN, said) if said else None

    def _ask(self, fact: Fact) -> Finding:
        """The finding; whatever goes wrong is one too."""
        try:
            return fact.probe(self._google)
        except self._words.Odd as odd:
            return self._words.Finding(
                self._words.OPEN, odd.reply.said, odd.reply.evidence
            )
        except Exception as error:
            said = f"an answer that was not foreseen ({type(error).__name__}: {error})"
            return self._words.Finding(self._words.OPEN, said)

    def _note(self, fact: Fact, finding: Finding) -> None:
        self._findings[fact.name] = finding
        clean = self._google.clean
        say(f"{finding.verdict} {fact.name}")
        say(f"    expected  {fact.expected}")
        say(f"    Google    {clean(finding.said)}")

    # -- the result

    def _count(self) -> Counter[str]:
        return Counter(finding.verdict for finding in self._findings.values())

    def _sum_up(self) -> int:
        words, count = self._words, self._count()
        tried = count[words.HELD] + count[words.FAILED] + count[words.OPEN]
        say(
            f"\n{count[words.HELD]} held, {count[words.FAILED]} did not, "
            f"{count[words.OPEN]} open, {len(self._facts) - tried} not tried. "
            f"Spent about ${self._google.spent:.2f}. Answers: {self._out}"
        )
        return int(count[words.FAILED] + count[words.OPEN] > 0)

    def _write(self) -> None:
        answers = {
            "asked": datetime.now(UTC).isoformat(timespec="seconds"),
            "address": self._google.address,
            "dollars": round(self._google.spent, 4),
            "facts": [self._row(fact) for fact in self._facts],
        }
        answers = self._google.cleaned(answers)
        text = json.dumps(answers, indent=2, ensure_ascii=False)
        try:
            # A gateway may send halves of surrogate pairs.
            self._out.write_text(f"{text}\n", encoding="utf-8", errors="replace")
        except OSError as error:
            raise Failure(f"{self._out} cannot be written: {error.strerror}.") from None

    def _row(self, fact: Fact) -> dict[str, Any]:
        finding = self._findings.get(fact.name)
        return {
            "fact": fact.name,
            "expected": fact.expected,
            "why": fact.why,
            "verdict": finding.verdict if finding else self._words.NOT_TRIED,
            "said": self._google.clean(finding.said) if finding else "",
            "answer": finding.evidence if finding else None,
        }


def estimate_of(facts: Iterable[Fact]) -> float:
    """What these cost at most; a picture that several look at counts once."""
    return sum({fact.sample or fact.name: fact.cost for fact in facts}.values())


def _priced(facts: Sequence[Fact]) -> Iterable[tuple[float, str]]:
    """What is paid for, in lines: the price and what it is for."""
    groups: dict[str, list[Fact]] = {}
    for fact in facts:
        name = fact.sample or ("no picture" if fact.limited else fact.name)
        groups.setdefault(name, []).append(fact)
    for name, rows in groups.items():
        what = name
        if rows[0].sample:
            what = f"one picture of {name}, {len(rows)} facts"
        elif rows[0].limited:
            what = f"{len(rows)} requests for one token, without a picture"
        yield estimate_of(rows), what


def _agreed(question: str) -> bool:
    """Whether the answer is yes; no answer is a no."""
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        say()
        return False
