"""Pages for people: their links lead somewhere, and they name the buttons there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rows import check_rows

from dev.environment import ROOT
from dev.pages import installing
from dev.pages.cards import CARDS
from dev.pages.installing import PAGES, STEPS
from dev.pages.manifest import MANIFEST, PRODUCT

TEXTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+?) *#*$", re.MULTILINE)
ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)"')
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^ {4}.*$|`[^`\n]*`", re.MULTILINE)
# A row of a table, an item of a list, a paragraph.
BLOCK = re.compile(r"\n\s*\n|\n(?=\||\s*[-*] |\s*\d+\. )")


def links_of(page: Path) -> Iterator[str]:
    """Where the page leads within this repository."""
    text = CODE.sub("", FENCE.sub("", page.read_text()))
    return (link for link in LINK.findall(text) if not re.match(r"\w+:", link))


def anchors_of(page: Path) -> set[str]:
    """What can stand behind the page's # : as GitHub makes it of headings."""
    text = FENCE.sub("", page.read_text())
    named: dict[str, int] = {}
    anchors = set(ANCHOR.findall(text))
    for heading in HEADING.findall(text):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        anchors.add(f"{name}-{named[name]}" if name in named else name)
        named[name] = named.get(name, 0) + 1
    return anchors


def names_in_order(text: str, names: tuple[str, ...]) -> bool:
    """Whether one block of the text has all of them in bold, in their order."""

    def has_all(block: str) -> bool:
        bold = iter(re.findall(r"\*\*(.+?)\*\*", block, re.DOTALL))
        buttons = (b.strip() for part in bold for b in re.split(r"→|▾", part))
        return all(name in buttons for name in names)

    return any(map(has_all, BLOCK.split(text)))


def test_links_lead_somewhere() -> None:
    def check(page: Path, link: str) -> None:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists()
        if anchor and target.suffix == ".md":
            assert anchor in anchors_of(target)

    check_rows([(page, link) for page in TEXTS for link in links_of(page)], check)


def test_every_screenshot_stands_on_a_page() -> None:
    shown = {
        (page.parent / link).resolve() for page in TEXTS for link in links_of(page)
    }
    assert shown >= {*(ROOT / "docs" / "images").iterdir()}


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_files_to_install_are_a_click_away(page: Path) -> None:
    assert {PRODUCT.name, MANIFEST.name, CARDS.name} <= {*links_of(page)}


@pytest.mark.parametrize(
    ("language", "way"), [(lang, way) for lang in PAGES for way in STEPS]
)
def test_the_buttons_of_each_way_stand_there_in_order(language: str, way: str) -> None:
    page = PAGES[language]
    if page.exists():
        assert names_in_order(page.read_text(), STEPS[way][language]), STEPS[way]


def test_every_language_presses_the_same_buttons() -> None:
    for buttons in (*STEPS.values(), installing.CARDS):
        assert buttons.keys() == PAGES.keys()
        assert len({len(names) for names in buttons.values()}) == 1


@pytest.mark.parametrize(
    ("text", "is_told"),
    [
        ("| Import | **Create → Import JSON**, a file, **Confirm** |", True),
        ("1. **Import JSON**\n   then **Confirm**", True),
        ("**Confirm**, then **Import JSON**", False),
        ("| **Import JSON** |\n| **Confirm** |", False),
        ("Import JSON, Confirm", False),
    ],
)
def test_what_counts_as_told(text: str, is_told: bool) -> None:
    assert names_in_order(text, ("Import JSON", "Confirm")) is is_told


def test_anchors_are_those_of_github(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# Use, or don't\n## `a_b` of C\n## 安装\n## 安装\n```\n# no\n```\n"
    )
    assert anchors_of(page) == {"use-or-dont", "a_b-of-c", "安装", "安装-1"}
