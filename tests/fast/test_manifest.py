"""The product as a file that hosts take: pasted, imported, saved in their editor."""

import itertools
import json
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

import gemini_image_pipe as gip
from dev.console import Failure
from dev.pages import cards, models_table, options_table, settings_table
from dev.pages.manifest import MANIFEST, PRODUCT, build, read_front_matter
from dev.pages.translations import translations

SOURCE = PRODUCT.read_text()


def test_manifest_is_up_to_date() -> None:
    assert MANIFEST.read_text() == build(SOURCE), "run: python3 dev manifest"


def test_the_cards_of_the_models_are_up_to_date() -> None:
    assert cards.CARDS.read_text() == cards.build(), "run: python3 dev manifest"


def test_each_current_model_has_a_card_for_everybody() -> None:
    found = json.loads(cards.build())
    names = {gip.AUTO: gip.AUTO_NAME} | {m.id: m.name for m in gip.CURRENT_MODELS}
    ids = {f"{PRODUCT.stem}.{model}": name for model, name in names.items()}
    assert {card["id"]: card["name"] for card in found} == ids
    for card in found:
        assert card["access_grants"] == [cards.EVERYBODY]
        # Missing keys would count for something else on old hosts.
        assert card["base_model_id"] is card["access_control"] is None
        assert "is_active" not in card, "what is switched off stays so"
        assert 2 <= len(card["meta"]["suggestion_prompts"]) <= 4
        assert "about" not in card["meta"]["i18n"]["zh"]["description"]


def test_suggested_prompts_use_what_every_model_takes() -> None:
    for prompt in itertools.chain(*cards.SUGGESTIONS.values()):
        words, flags = gip.split_flags(prompt)
        assert "--" not in words
        for flag, value in flags:
            assert flag == "--ar"
            assert all(value in facts.ratios for facts in gip.CURRENT_MODELS)


def test_chinese_cards_hold_no_english_words() -> None:
    for card in json.loads(cards.build()):
        words = card["meta"]["i18n"]["zh"]["description"]
        assert not re.findall(r"[a-z]+", words.replace("Google", "")), words


def test_the_icon_is_a_small_png() -> None:
    data = cards.ICON.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n") and len(data) < 1_500


# What hosts make of a title when the file is pasted (0.8 and later), or of a name that
# is typed (before).
def test_the_title_becomes_the_id_of_the_import() -> None:
    title = read_front_matter(SOURCE)["title"]
    pasted = re.sub(r"[^\w]+", "_", title, flags=re.ASCII).strip("_").lower()
    typed = re.sub(r"\s+", "_", title).lower()
    assert pasted == typed == PRODUCT.stem


def test_the_table_of_options_is_up_to_date() -> None:
    page = options_table.PAGE.read_text()
    assert page == options_table.filled(page), "run: python3 dev manifest"
    assert "<!-- options -->\n\n| Option" in page


def test_the_table_of_models_is_up_to_date() -> None:
    page = models_table.PAGE.read_text()
    assert page == models_table.filled(page), "run: python3 dev manifest"
    assert "<!-- models -->\n\n| Model" in page


def test_the_tables_of_settings_are_up_to_date() -> None:
    for language, path in settings_table.pages().items():
        page = path.read_text()
        assert page == settings_table.filled(
            page, language
        ), "run: python3 dev manifest"
        assert "<!-- settings -->\n\n| " in page


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
