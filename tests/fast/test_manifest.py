"""The product as a file that hosts take: pasted, imported, saved in their editor."""

import json
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from dev.console import Failure
from dev.pages import models_table, options_table, tables
from dev.pages.manifest import MANIFEST, PRODUCT, build, read_front_matter
from dev.pages.translations import translations

SOURCE = PRODUCT.read_text()


def test_manifest_is_up_to_date() -> None:
    assert MANIFEST.read_text() == build(SOURCE), "run: python3 dev manifest"


def test_the_table_of_options_is_up_to_date() -> None:
    page = tables.PAGE.read_text()
    assert page == options_table.filled(page), "run: python3 dev manifest"
    assert "<!-- options -->\n\n| Option" in page


def test_the_table_of_models_is_up_to_date() -> None:
    page = tables.PAGE.read_text()
    assert page == models_table.filled(page), "run: python3 dev manifest"
    assert "<!-- models -->\n\n| Model" in page


def test_import_file_is_a_plain_array_with_what_hosts_demand() -> None:
    (function,) = json.loads(build(SOURCE))
    assert function["id"] == "gemini_image_pipe"
    assert function["type"] == "pipe"
    assert function["content"] == SOURCE
    assert function["name"] == function["meta"]["manifest"]["title"]
    assert function["meta"]["description"]
    assert function["meta"]["i18n"] == translations()


@pytest.mark.parametrize("name", ["utils", "apps", "main", "config"])
def test_hosts_rewrite_nothing(name: str) -> None:
    # Hosts replace this text wherever it stands, in prose and strings too.
    assert f"from {name}" not in SOURCE


def test_front_matter_asks_for_no_installation() -> None:
    front_matter = read_front_matter(SOURCE)
    assert {"title", "author", "version", "description"} <= set(front_matter)
    assert "requirements" not in front_matter


def test_the_icon_is_a_small_picture_by_itself() -> None:
    """No page fetches it from elsewhere, and nobody scrolls past it in the editor."""
    address = read_front_matter(SOURCE)["icon_url"]
    kind, _, drawing = address.partition(",")
    assert kind == "data:image/svg+xml"
    assert len(address) < 1_000
    assert not set(address) & set('"#<> ')  # as addresses and attributes want it
    root = ElementTree.fromstring(unquote(drawing))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")


def test_front_matter_must_open_the_file() -> None:
    with pytest.raises(Failure, match="first line"):
        read_front_matter('"""title: on the first line"""\n')
