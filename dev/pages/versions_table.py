"""What works on which Open WebUI: the table in docs/versions.md, as the tests found it.

``tests/versions`` writes ``docs/versions.json`` whenever everything was tried on a
host. ``python3 dev manifest`` makes the table of it, between the lines
``<!-- versions -->`` and ``<!-- /versions -->``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from dev.environment import ROOT
from dev.host.install import VERSIONS
from dev.pages import tables

PAGE = ROOT / "docs" / "versions.md"
RECORD = ROOT / "docs" / "versions.json"
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
    committed, changes only with what works.
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
    """The record in markdown: a column for each host, a row for what not all have.

    What works on all of them is one row, and named below the table.
    """
    hosts: Json = record["hosts"]
    reasons: dict[str, str] = record["capabilities"]

    def marks(name: str) -> list[str]:
        return [MARKS[host["works"].get(name)] for host in hosts.values()]

    everywhere = [name for name in reasons if set(marks(name)) <= {MARKS[True]}]
    lines = [["Open WebUI", *hosts], ["---", *(":-:" for _ in hosts)]]
    lines.append(["What is named below", *(MARKS[True] for _ in hosts)])
    notes: list[str] = []
    for name, reason in reasons.items():
        if name in everywhere:
            continue
        if reason and reason not in notes:
            notes.append(reason)
        number = f" <sup>{notes.index(reason) + 1}</sup>" if reason else ""
        lines.append([f"{name[0].upper()}{name[1:]}{number}", *marks(name)])
    rows = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    numbered = "\n".join(f"{n}. {note}" for n, note in enumerate(notes, 1))
    below = f"On all of them: {'; '.join(everywhere)}."
    return "\n\n".join(filter(None, [rows, numbered, below, _found(hosts)]))


def filled(page: str, record: Json) -> str:
    """The page with the record's table in its place."""
    return tables.filled(page, "versions", table(record))


def refresh() -> bool:
    """Write the page if the record has changed since; tell whether it had."""
    return tables.refresh(PAGE, lambda page: filled(page, read()))


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
    dates: list[str] = [
        date for host in hosts.values() for date in host["pythons"].values()
    ]
    when = f"{max(dates)} with {' and '.join(pythons)}" if dates else "no host yet"
    return f"Found by the tests on real hosts, on {when}."
