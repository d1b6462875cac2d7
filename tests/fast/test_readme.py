"""The READMEs say what the product says, in their language, and lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import gemini_image_pipe as gip
from dev.environment import ROOT

README, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
MOST_CHARACTERS = 12_000
EXAMPLE = "You exceeded your current quota, please check your plan and billing details."
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
# What only one of them has: what servers in China need first.
ONLY_CHINESE = 1


@pytest.mark.parametrize(("page", "language"), [(README, "en"), (CHINESE, "zh-CN")])
def test_the_failure_that_is_shown_is_one_that_chats_show(
    page: Path, language: str
) -> None:
    lines = re.findall(r"^> (.*)", page.read_text(), re.MULTILINE)
    error = gip.GeminiError("quota_zero", EXAMPLE, model="Nano Banana Pro")
    text = gip.failure_text(error, gip.Reader(language))
    assert " ".join(lines) == f"⚠️ {text}"


@pytest.mark.parametrize("page", [README, CHINESE])
def test_a_readme_is_short_and_its_links_lead_to_files(page: Path) -> None:
    text = page.read_text()
    assert len(text) <= MOST_CHARACTERS
    paths = [path for path in LINK.findall(text) if "://" not in path]
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_both_readmes_have_the_same_parts_and_tables() -> None:
    def parts(page: Path) -> tuple[int, int, int]:
        text = page.read_text()
        heads = len(re.findall(r"^## ", text, re.MULTILINE))
        rows = len(re.findall(r"^\|", text, re.MULTILINE))
        return heads, rows, text.count("`GEMINI_API_KEY`")

    heads, rows, keys = parts(README)
    assert parts(CHINESE) == (heads + ONLY_CHINESE, rows, keys)


def test_the_chinese_readme_is_written_in_full_width_signs() -> None:
    text = re.sub(r"`[^`]*`|^ {6}.*", " ", CHINESE.read_text(), flags=re.MULTILINE)
    assert re.findall(r"[\u4e00-\u9fff][,;:?!(]|[,;:?!)][\u4e00-\u9fff]", text) == []
