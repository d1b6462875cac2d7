"""The page of all messages, ``docs/messages.md``, as the product's tables have them.

``python3 dev manifest`` writes it. The tables are read from the source's text, so that
this needs neither the product's packages nor a virtual environment.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from typing import Any

from dev.console import Failure
from dev.environment import ROOT

PAGE = ROOT / "docs" / "messages.md"
LANGUAGE = "en"  # of the page

# How the page shows what the product fills in.
PLACEHOLDERS = {
    "all": "*number*",
    "amount": "*an amount of money*",
    "asked": "*what was chosen*",
    "region": " *Where the model is listed, a word on regions.*",
    "available": " *The models that this key can use.*",
    "budget": "*an amount of money*",
    "choices": "*what it can be*",
    "count": "*number*",
    "elapsed": "*number*",
    "form": "*its type*",
    "got": "*the nearest that there is*",
    "height": "*number*",
    "host": "*the host of the base URL*",
    "left": "*an amount of money*",
    "limit": "*number*",
    "other_location": " *Elsewhere than at `global`, that all models are there.*",
    "location": "*the location that is set*",
    "limit_name": "*the name of that limit*",
    "model": "*the model*",
    "models": "*models*",
    "name": "*the name of what was given*",
    "names": "*their names*",
    "option": "*an option*",
    "pages": "*links to pages*",
    "queries": "*what it looked for*",
    "problem": "*what is wrong with them*",
    "reason": "*what Open WebUI says*",
    "seconds": "*number*",
    "status": " *(HTTP and its number)*",
    "target": "*another host*",
    "type": "*the type that they name*",
    "variable": "*an environment variable*",
    "what": "*setting*",
    "who": "*who answered*",
    "where": "*: the address*",
    "which": "*the last four signs of each, and why*",
    "date": "*day*",
    "waited": " *after a wait in line, if there was a long one*",
    "whose": "*the user's own or those of others*",
    "width": "*number*",
    "zone": "*the server's time zone*",
}

_PAGE = """\
# Messages

What the plugin says of its own in answers. Words in *italics* are filled in.
`python3 dev manifest` writes this page from the tables `FAILURES` and `NOTES` in
`gemini_image_pipe.py`: change a message there.

## Failures

A failure stands below what had arrived, in this form; whoever answered is quoted, if it
said something:

> ⚠️ **What happened.** “The sentence of whoever answered.” What to do.

{failures}

*Tried again* counts only while nothing has arrived, at most `MAX_RETRIES` times, within
`REQUEST_TIMEOUT`, and when Google asks for {max_wait} seconds of patience or less.
Apart from that, a setting that a model refuses by name (`parameter`) is left out; a
system prompt that it refuses (`system_refused`) is put into the words of the user; and
for a model that is gone (`model_unknown`, `model_retired`) its successor answers. These
are four more requests at most for one prompt, and four models. Where several keys are
set, one that is refused or has no quota costs one request more, and the next is used at
once. Only when none of this is possible does the message appear.

## Notes

A note stands below the picture that it is about:

> ℹ️ What the reader should know.

{notes}
"""


def refresh(source: str) -> bool:
    """Write the page if the tables have changed since; tell whether they had."""
    text = build(source)
    if PAGE.exists() and PAGE.read_text() == text:
        return False
    PAGE.write_text(text)
    return True


def build(source: str) -> str:
    """The text of the page for the product's source."""
    tables = read_tables(source)
    failures = [
        _failure(kind, row[LANGUAGE], tables)
        for kind, row in tables["FAILURES"].items()
    ]
    notes = [
        (f"`{kind}`", _readable(row[LANGUAGE])) for kind, row in tables["NOTES"].items()
    ]
    head = ("Kind", "What the chat says", "Whose turn", "What to do", "Tried again")
    return _PAGE.format(
        failures=_table(head, failures),
        notes=_table(("Kind", "What the chat says"), notes),
        max_wait=f"{tables['MAX_WAIT']:.0f}",
    )


def read_tables(source: str) -> dict[str, Any]:
    """The constants that the page shows, by name."""
    wanted = {"FAILURES", "ADVICE", "NOTES", "RETRYABLE", "MAX_WAIT"}
    wanted |= {"WORTH_ANOTHER_TRY", "_REFUSALS"}
    found = {}
    for statement in ast.parse(source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name in wanted:
            found[name] = ast.literal_eval(value)
    if wanted - found.keys():
        raise Failure(f"The source lacks {', '.join(sorted(wanted - found.keys()))}.")
    return found


def whose_turn(advice: str) -> str:
    """Who has to act on an advice; empty when it addresses nobody."""
    you, administrator = "Please" in advice, "dministrator" in advice
    if you and administrator:
        return "yours, or an administrator's"
    return "yours" if you else "an administrator's" if administrator else ""


def _failure(kind: str, message: str, tables: dict[str, Any]) -> tuple[str, ...]:
    what, _, advice = message.partition(" | ")
    for name, row in tables["ADVICE"].items():
        advice = advice.replace(f"{{{name}}}", row[LANGUAGE])
    reasons = sorted(
        reason
        for reason in tables["WORTH_ANOTHER_TRY"]
        if tables["_REFUSALS"].get(reason, "picture_failed") == kind
    )
    again = "yes" if kind in tables["RETRYABLE"] else "no"
    if reasons:
        again = f"once, after {', '.join(f'`{reason}`' for reason in reasons)}"
    return (
        f"`{kind}`",
        _readable(what),
        whose_turn(advice),
        _readable(advice),
        again,
    )


def _readable(sentence: str) -> str:
    """The sentence with words in the place of what is filled in."""

    def words(match: re.Match[str]) -> str:
        if match[1] not in PLACEHOLDERS:
            raise Failure(f"dev/pages/messages.py has no words for {match[0]}.")
        return PLACEHOLDERS[match[1]]

    # What is code in the chat is not yet a name here.
    text = re.sub(r"`?\{(\w+)\}`?", words, sentence)
    first = 1 if text.startswith("*") else 0
    return text[:first] + text[first : first + 1].upper() + text[first + 1 :]


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(head)
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
