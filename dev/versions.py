"""What works on which Open WebUI: the table in README.md, as the tests found it.

``tests/versions`` writes ``docs/versions.json`` after a run on a host in which all was
as expected. ``python3 dev manifest`` makes README.md's table of it, between the lines
``<!-- versions -->`` and ``<!-- /versions -->``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dev.hosts import VERSIONS

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "docs" / "versions.json"
PAGE = ROOT / "README.md"
START, END = "<!-- versions -->", "<!-- /versions -->"
# Whether a capability is there, or nobody has looked since it was added.
MARKS = {True: "✓", False: "–", None: "?"}

Json = dict[str, Any]


def read() -> Json:
    """The record: capabilities with a word on their limits, and what hosts have."""
    if not RECORD.exists():
        return {"capabilities": {}, "hosts": {}}
    record: Json = json.loads(RECORD.read_text())
    return record


def save(
    capabilities: Mapping[str, str],
    version: str,
    python: str,
    works: Mapping[str, bool],
) -> bool:
    """Note what works on a host; tell whether that is news.

    ``capabilities`` are all there are, each with why some hosts lack it, or nothing.
    A run that finds what is known changes nothing, so that the record, which is
    committed, is new only when something is.
    """
    record = read()
    before = json.dumps(record)
    known = record["hosts"].get(version, {})
    is_as_known = list(known.get("works", {}).items()) == list(works.items())
    # What another Python was found to do counts for the same capabilities only.
    pythons = known["pythons"] if is_as_known else {}
    pythons = {python: time.strftime("%Y-%m-%d", time.gmtime()), **pythons}
    record["hosts"][version] = {
        "pythons": dict(sorted(pythons.items())),
        "works": dict(works),
    }
    record = {
        "capabilities": dict(capabilities),
        "hosts": {v: record["hosts"][v] for v in VERSIONS if v in record["hosts"]},
    }
    if json.dumps(record) == before:
        return False
    RECORD.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
    return True


def table(record: Json) -> str:
    """The record in markdown: a row for each capability, a column for each host."""
    hosts, capabilities = record["hosts"], record["capabilities"]
    reasons = list(dict.fromkeys(reason for reason in capabilities.values() if reason))
    lines = [["Open WebUI", *hosts], ["---", *(":-:" for _ in hosts)]]
    for name, reason in capabilities.items():
        number = f" <sup>{reasons.index(reason) + 1}</sup>" if reason else ""
        marks = [MARKS[host["works"].get(name)] for host in hosts.values()]
        lines.append([f"{name}{number}", *marks])
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    notes = [f"<sup>{n}</sup> {reason}" for n, reason in enumerate(reasons, 1)]
    return "\n\n".join([rows, *notes, _found(hosts)])


def filled(page: str, record: Json) -> str:
    """The page with the record's table between its two lines, if it has them."""
    head, start, rest = page.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        return page
    return f"{head}{START}\n\n{table(record)}\n\n{END}{tail}"


def refresh() -> bool:
    """Write README.md if the record has changed since; tell whether it had."""
    before = PAGE.read_text()
    after = filled(before, read())
    if after == before:
        return False
    PAGE.write_text(after)
    return True


def _found(hosts: Json) -> str:
    """When that was found, and with which Python."""
    versions_of: dict[str, list[str]] = {}
    for version, host in hosts.items():
        for python in host["pythons"]:
            versions_of.setdefault(python, []).append(version)
    pythons = []
    for python, versions in versions_of.items():
        only = "" if len(versions) == len(hosts) else f" ({', '.join(versions)})"
        pythons.append(f"Python {python}{only}")
    dates = [date for host in hosts.values() for date in host["pythons"].values()]
    return (
        f"Found by `python3 dev test` on {' and '.join(pythons)}; "
        f"last changed {max(dates, default='never')}."
    )
