"""The page of all messages: what the code says, and fit for those who read it."""

import builtins
import inspect
import re

import pytest
from rows import check_rows

import gemini_image_pipe as gip
from dev.console import Failure
from dev.pages import messages
from dev.pages.manifest import PRODUCT, read_front_matter

SOURCE = PRODUCT.read_text()
TABLES = messages.read_tables(SOURCE)
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
# Names of one ordinary word ("Image", "Text") are words in a message, not classes.
CLASS_NAMES = {
    name
    for names in (vars(builtins), vars(gip))
    for name, value in names.items()
    if inspect.isclass(value) and re.search(r"[a-z][A-Z]", name)
}


def rows_of(page: str) -> list[tuple[str, list[str]]]:
    return [(match[1], match[2].split(" | ")) for match in ROW.finditer(page)]


def test_the_page_is_up_to_date() -> None:
    written = messages.PAGE.read_text()
    assert written == messages.build(SOURCE), "run: python3 dev manifest"


def test_the_tables_are_those_that_the_plugin_uses() -> None:
    assert {name: getattr(gip, name) for name in TABLES} == TABLES


def test_ways_to_the_settings_name_the_function_as_its_row_does() -> None:
    title = read_front_matter(SOURCE)["title"]
    ways = re.findall(r"(?:Functions|函数) → ([^→]+) →", SOURCE)
    assert set(ways) == {title}


def test_every_message_and_note_has_its_row() -> None:
    rows = rows_of(messages.build(SOURCE))
    assert [kind for kind, _ in rows] == [*gip.FAILURES, *gip.NOTES]


def test_every_message_is_for_people() -> None:
    def check(kind: str, cells: list[str]) -> None:
        assert len(cells) in (1, 4)
        for cell in cells:
            assert cell.strip(), "empty"
            assert not re.search(r"[{}<>\\]|\?\?|  ", cell), cell
            assert not CLASS_NAMES.intersection(re.findall(r"\w+", cell)), cell
        sentences = cells[:1] if len(cells) == 1 else [cells[0], cells[2]]
        for sentence in sentences:
            assert re.fullmatch(r"\*?[A-Z].*[.*]", sentence), sentence

    check_rows(rows_of(messages.build(SOURCE)), check)


def test_every_failure_says_whose_turn_it_is_and_what_to_do() -> None:
    rows = {**gip.UNKNOWN_VALUES, **gip.ADVICE}
    values = {name: row["en"] for name, row in rows.items()}

    def check(kind: str, row: dict[str, str]) -> None:
        what, separator, advice = row["en"].partition(" | ")
        assert what and separator and advice and " | " not in advice
        assert messages.whose_turn(advice.format_map(values))

    check_rows(gip.FAILURES.items(), check)


def test_what_is_tried_again_is_marked() -> None:
    rows = {k: cells for k, cells in rows_of(messages.build(SOURCE)) if len(cells) == 4}
    assert {kind for kind, cells in rows.items() if cells[3] == "yes"} == gip.RETRYABLE
    slips = " ".join(cells[3] for cells in rows.values())
    assert set(re.findall(r"`(\w+)`", slips)) == gip.WORTH_ANOTHER_TRY


def test_a_placeholder_without_words_is_not_written_as_it_is() -> None:
    source = SOURCE.replace("{who} had an internal error.", "{who} had {a_fit}.")
    with pytest.raises(Failure, match=r"no words for \{a_fit\}"):
        messages.build(source)


def test_a_table_that_was_renamed_is_missed() -> None:
    with pytest.raises(Failure, match="lacks RETRYABLE"):
        messages.build(SOURCE.replace("RETRYABLE = {", "REPEATABLE = {"))


@pytest.mark.parametrize(
    ("advice", "turn"),
    [
        ("Please wait.", "yours"),
        ("An administrator can.", "an administrator's"),
        ("Please wait; an administrator can.", "yours, or an administrator's"),
        ("It is what it is.", ""),
    ],
)
def test_the_advice_tells_whose_turn_it_is(advice: str, turn: str) -> None:
    assert messages.whose_turn(advice) == turn
