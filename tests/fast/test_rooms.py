"""The rooms of the product file: who may use whom, and how large each may be.

A room is what stands between two headings ``# ── Name ───…``. `USES` is the plan; an
arrow that it lacks is a fault of the code, or a change of the plan that must be argued
for.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "gemini_image_pipe.py"

# In reading order; a room uses only those named beside it.
USES: dict[str, str] = {
    "Limits": "",
    "Words": "Limits",
    "Markdown": "Words",
    "Base64": "Limits",
    "Messages": "Limits Words",
    "Models": "Limits Words",
    "Routes": "Limits Models",
    "Options": "Limits Words Models",
    "Flags": "Limits Words Options",
    "Heads": "Limits",
    "Containers": "Limits Heads",
    "Formats": "Limits Heads Containers",
    "Pictures": "Limits Words Base64 Heads Containers Formats",
    "Documents": "Limits Words",
    "Frames": "Limits Words Documents",
    "Conversation": "Limits Words Flags Documents Frames",
    "Saved": "Limits Words Conversation",
    "Tasks": "Limits Words Messages Models Options Flags Conversation",
    "Help": "Limits Words Messages Models Routes Options",
    "Reader": "Limits Words Base64",
    "Wire": "Limits Words Base64 Options Formats Pictures Documents Conversation "
    "Reader",
    "Failures": "Limits Words Wire",
    "Costs": "Limits Words Models Options",
    # Below this line there are network, host, clock and log.
    "Threads": "Limits",
    "Storage": "Pictures Costs Threads",
    "Host": "Limits Words Heads Formats Pictures Wire Threads Storage",
    "Settings": "Limits Words Messages Options Costs Threads",
    "Backend": "Limits Words Models Routes Options Settings Failures",
    "Connections": "Limits Failures",
    "Tokens": "Limits Words Failures Backend Connections",
    "Client": "Limits Words Models Routes Reader Wire Failures Threads Backend "
    "Connections Tokens",
    "Keys": "Limits Words Models Failures Threads Settings Backend Connections Client",
    "Spending": "Limits Words Models Routes Options Failures Costs Storage Host "
    "Settings",
    "Answer": "Limits Words Markdown Messages Models Options Formats Pictures Wire "
    "Failures Threads Storage Host Spending",
    "Request": "Limits Words Models Routes Options Heads Pictures Conversation Failures "
    "Threads Host Settings",
    "Reading": "Limits Words Models Routes Heads Pictures Documents Threads Host "
    "Request",
    "Course": "Limits Words Models Routes Options Pictures Documents Conversation Wire "
    "Failures Threads Host Keys Spending Answer Request Reading",
    "Chunks": "Limits Words Answer",
    "Pipe": "Words Messages Models Routes Options Flags Documents Frames Conversation Saved Tasks "
    "Help Failures Costs Threads Host Settings Keys Spending Answer Request Reading "
    "Course Chunks",
}
PURE = [*USES][: [*USES].index("Threads")]
IMPURE = {
    *("requests", "urllib3", "socket", "threading", "asyncio", "time", "logging"),
    *("log", "HTTPAdapter", "random", "os"),
}
KNOW_THE_HOST = {"Storage", "Host"}
MAX_ROOM_LINES = 350
MAX_FUNCTION_LINES = 40
LONGEST_COUNTED_LITERAL = 4

HEADING = re.compile(r"^# ── (.+?) ─+$")
HEADING_COLUMNS = 88
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Statement(NamedTuple):
    """A statement at the top level of the file, and the room in which it stands."""

    room: str
    node: ast.stmt


@cache
def source() -> str:
    """The product's text."""
    return PRODUCT.read_text()


@cache
def statements() -> tuple[Statement, ...]:
    """All statements behind the first heading, in order."""
    rooms = dict[int, str]()
    for number, line in enumerate(source().splitlines(), start=1):
        if heading := HEADING.match(line):
            rooms[number] = heading[1]
    found = []
    for node in ast.parse(source()).body:
        above = [number for number in rooms if number < node.lineno]
        if above:
            found.append(Statement(rooms[max(above)], node))
    return tuple(found)


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement at the top level defines."""
    if isinstance(node, Function | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [name.id for name in node.targets if isinstance(name, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def local_names(function: Function | ast.Lambda) -> set[str]:
    """The names that a function binds itself: what it calls so is its own."""
    arguments = {node.arg for node in ast.walk(function) if isinstance(node, ast.arg)}
    stored = {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return arguments | stored


def used_names(node: ast.AST, own: frozenset[str] = frozenset()) -> Iterator[str]:
    """The names of others that a statement uses, in annotations as text too."""
    if isinstance(node, ast.Name):
        if node.id not in own:
            yield node.id
        return
    if isinstance(node, Function | ast.Lambda):
        own = own | local_names(node)
    if isinstance(node, ast.ClassDef):
        own = own | {name for part in node.body for name in defined(part)}
    for child in ast.iter_child_nodes(node):
        yield from used_names(child, own)


def homes() -> dict[str, str]:
    """The room of each name."""
    return {name: room for room, node in statements() for name in defined(node)}


@cache
def arrows() -> dict[tuple[str, str], set[str]]:
    """(room, room it uses): the names by which it does."""
    home = homes()
    found = defaultdict[tuple[str, str], set[str]](set)
    for room, node in statements():
        for name in used_names(node):
            if home.get(name, room) != room:
                found[room, home[name]].add(name)
    return dict(found)


def code_lines(node: ast.AST) -> int:
    """Lines of code: without blank lines, comments and docstrings."""
    lines = set(range(node.lineno, node.end_lineno + 1)) & _lines_with_code()
    for inner in ast.walk(node):
        if isinstance(inner, Function | ast.ClassDef) and ast.get_docstring(inner):
            text = inner.body[0]
            lines -= set(range(text.lineno, text.end_lineno + 1))
    return len(lines)


@cache
def _lines_with_code() -> frozenset[int]:
    no_code = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER}
    no_code |= {tokenize.INDENT, tokenize.DEDENT}
    found = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(source()).readline):
        if token.type not in no_code:
            found |= set(range(token.start[0], token.end[0] + 1))
    return frozenset(found)


def is_long_literal(node: ast.stmt) -> bool:
    """Whether a statement is a table, which is read otherwise than code is."""
    is_value = isinstance(node, ast.Assign | ast.AnnAssign)
    return is_value and node.end_lineno - node.lineno >= LONGEST_COUNTED_LITERAL


def functions() -> Iterator[tuple[str, Function]]:
    """Every function and method of the file, with its name."""
    for _, statement in statements():
        for node in ast.walk(statement):
            if isinstance(node, Function):
                yield node.name, node


def test_the_rooms_stand_in_order_under_headings_of_one_width() -> None:
    headings = [line for line in source().splitlines() if line.startswith("# ──")]
    assert {len(line) for line in headings} == {HEADING_COLUMNS}
    assert [HEADING.match(line)[1] for line in headings] == [*USES]


def test_the_page_for_contributors_leads_to_each_room() -> None:
    _, _, behind = (
        (ROOT / "docs" / "contributing.md").read_text().partition("| Look in |\n")
    )
    rows = behind.partition("\n\n")[0].splitlines()[1:]
    rooms = re.findall(r"\b[A-Z][a-z0-9]+", " ".join(row.split("|")[2] for row in rows))
    assert {*rooms} == {*USES}


def test_a_room_uses_only_those_that_the_plan_names() -> None:
    forbidden = [
        f"{user} → {used}: {', '.join(sorted(names))}"
        for (user, used), names in sorted(arrows().items())
        if used not in USES[user].split()
    ]
    assert not forbidden, "\n".join(forbidden)


def test_the_plan_names_no_arrow_that_nobody_uses() -> None:
    planned = {(user, used) for user in USES for used in USES[user].split()}
    unused = sorted(planned - set(arrows()))
    assert not unused, unused


def test_no_private_name_leaves_its_room() -> None:
    crossing = [
        f"{user} → {used}: {name}"
        for (user, used), names in sorted(arrows().items())
        for name in sorted(names)
        if name.startswith("_")
    ]
    assert not crossing, "\n".join(crossing)


def test_no_private_attribute_is_used_from_outside() -> None:
    reached = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for _, statement in statements()
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute)
        and re.match(r"_[^_]", node.attr)
        and ast.unparse(node.value) not in ("self", "cls", "super()")
    ]
    assert not reached, "\n".join(reached)


def test_the_pure_rooms_know_no_network_host_clock_or_log() -> None:
    known = [
        f"{room}: {name}"
        for room, node in statements()
        if room in PURE
        for name in used_names(node)
        if name in IMPURE
    ]
    known += [
        f"{room}: {ast.unparse(node)}"
        for room, statement in statements()
        for node in ast.walk(statement)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and "open_webui" in ast.unparse(node)
        and room not in KNOW_THE_HOST
    ]
    assert not known, "\n".join(known)


def test_no_room_and_no_function_is_too_large() -> None:
    rooms = dict.fromkeys(USES, 0)
    for room, node in statements():
        rooms[room] += 0 if is_long_literal(node) else code_lines(node)
    too_large = [f"{r}: {n} lines" for r, n in rooms.items() if n > MAX_ROOM_LINES]
    too_large += [
        f"{name}: {lines} lines"
        for name, node in functions()
        if (lines := code_lines(node)) > MAX_FUNCTION_LINES
    ]
    assert not too_large, "\n".join(too_large)
