"""On a real host: what prompts, requests, users and presets choose, and what is shown."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.client import EVERYBODY, Client, Json, picture_links, text_of
from dev.host.pictures import pictures_of
from dev.host.traffic import config, drawings, received, sent
from dev.standin import StandInProcess

FOXES = "a red fox in fresh snow"
# It takes all that is chosen here, whatever the newest model takes.
VERSATILE = f"{plugin.FUNCTION_ID}.gemini-nano-banana-2.1"


@pytest.fixture
def wide_preset(admin: Client, models: list[Json]) -> Iterator[str]:
    """A workspace model with custom parameters, as its dialogue saves them."""
    custom = {"aspect_ratio": "16:9", "image_size": "2K", "n": "2"}
    form = {
        "id": "wide-painter",
        "name": "Wide Painter",
        "base_model_id": VERSATILE,
        "meta": {},
        "params": {"custom_params": custom},
        "access_grants": [EVERYBODY],
    }
    admin.post("/api/v1/models/create", form)
    admin.models()
    yield "wide-painter"
    admin.post("/api/v1/models/model/delete", {"id": "wide-painter"})


def test_custom_parameters_of_a_workspace_model(
    user: Client, google: StandInProcess, wide_preset: str
) -> None:
    answer = user.new_chat(wide_preset).ask(FOXES)
    assert config(google)["imageConfig"] == {"aspectRatio": "16:9", "imageSize": "2K"}
    pictures = pictures_of(user, answer)
    assert [(p.width, p.height) for p in pictures] == [(2752, 1536)] * 2


def test_a_user_s_settings_and_who_comes_before_whom(
    user: Client, google: StandInProcess, user_valves: Any, valves: Any
) -> None:
    valves(ASPECT_RATIO="1:1", IMAGE_SIZE="2K", THINKING_LEVEL="high")
    user_valves(ASPECT_RATIO="3:4", IMAGE_SIZE="auto", IMAGES_PER_PROMPT="2")
    chat = user.new_chat(VERSATILE)
    answer = chat.ask(FOXES)
    assert config(google)["imageConfig"] == {"aspectRatio": "3:4", "imageSize": "2K"}
    assert config(google)["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    assert len(answer.picture_links) == 2
    google.reset()
    answer = chat.ask(f"{FOXES} --ar 21:9 --n 1", aspect_ratio="4:3")
    assert config(google)["imageConfig"]["aspectRatio"] == "21:9"
    assert drawings(google)[-1]["texts"][-1] == FOXES
    assert len(answer.picture_links) == len(drawings(google)) == 1


def test_several_pictures_come_back_in_the_next_turn(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(plugin.AUTO_MODEL)
    first = chat.ask(f"{FOXES} --n 3")
    assert len(first.picture_links) == 3 and "\n|---|---|\n" in first.content
    made = sent(google)
    chat.ask("make them blue")
    request = drawings(google)[-1]
    assert sorted(received(google)) == sorted(made)
    assert not any("|" in text for text in request["texts"])


def test_usage_price_and_citations_are_saved_with_the_message(
    user: Client, google: StandInProcess
) -> None:
    chat = user.new_chat(VERSATILE)
    answer = chat.ask(f"{FOXES} --search --thoughts")
    message = answer.raw
    usage = message["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["completion_tokens_details"]["image_tokens"] == 1120
    assert 0.03 < usage["cost"] < 0.06
    last = message["statusHistory"][-1]["description"]
    assert re.fullmatch(r"Nano Banana 2\.1 · ≈ \$0\.0\d\d · 1024×1024 · \d+ s", last)
    addresses = [source["source"]["url"] for source in message["sources"]]
    assert "https://example.org/foxes" in addresses
    assert "https://example.net/fox-page" in addresses
    assert "red fox winter coat" in message["embeds"][0]
    assert "lay out the scene" not in answer.content
    assert "lay out the scene" in str(message)  # as the host's reasoning
    chat.ask("make it blue")
    assert "lay out the scene" not in str(drawings(google)[-1]["body"])


def test_an_api_client_gets_usage_and_sources_in_its_stream(
    user: Client, google: StandInProcess
) -> None:
    wish = {"stream_options": {"include_usage": True}}
    events = list(user.stream(VERSATILE, f"{FOXES} --search --n 2", **wish))
    usages = [e["usage"] for e in events if isinstance(e, dict) and e.get("usage")]
    assert len(usages) == 1
    assert usages[0]["completion_tokens_details"]["image_tokens"] == 2 * 1120
    text = text_of(events)
    assert len(picture_links(text)) == 2
    assert "(https://example.org/foxes)" in text


def test_a_user_s_own_key(
    user: Client, google: StandInProcess, user_valves: Any, valves: Any
) -> None:
    valves(REQUIRE_USER_KEY=True)
    chat = user.new_chat(plugin.AUTO_MODEL)
    assert "your own Gemini API key" in chat.ask(FOXES).content
    assert not drawings(google)
    user_valves(GEMINI_API_KEY="stand-in-key-expired")
    assert "You can set another one" in chat.ask(FOXES).content
    user_valves(GEMINI_API_KEY="stand-in-key-second")
    assert chat.ask(FOXES).picture_links
    assert "stand-in-key" not in str(user.chat_history(chat.id))


def test_in_a_browser_three_wide_pictures_stand_in_two_columns(
    user_page: ChatPage, user: Client, google: StandInProcess
) -> None:
    user_page.open(plugin.AUTO_MODEL)
    user_page.send(f"{FOXES} --n 3 --ar 16:9")
    user_page.wait_for_pictures(3)
    user_page.page.get_by_text("≈ $").wait_for()
    # At one moment: the page still moves.
    boxes = user_page.pictures.evaluate_all(
        "images => images.map(image => image.getBoundingClientRect().toJSON())"
    )
    first, second, third = boxes
    assert first["y"] == second["y"] < third["y"] and first["x"] == third["x"]
    assert all(1.7 < box["width"] / box["height"] < 1.9 for box in boxes)
    user_page.scroll_to_end()
    user_page.screenshot("several")


def test_in_a_browser_a_user_finds_drop_downs(
    user_page: ChatPage, user: Client, google: StandInProcess, user_valves: Any
) -> None:
    user_page.open(plugin.AUTO_MODEL)
    page = user_page.page
    page.locator("#model-valves-button").click()
    dialogue = page.get_by_role("dialog")
    dialogue.get_by_text("ASPECT_RATIO").wait_for()
    dialogue.get_by_role("button", name="Default").first.click()
    choice = dialogue.locator("select").first
    assert {"auto", "16:9", "8:1"} <= set(choice.locator("option").all_inner_texts())
    choice.select_option("16:9")
    user_page.screenshot("user-settings")
    dialogue.get_by_role("button", name="Save").click()
    page.get_by_text("Valves updated").wait_for()
    page.keyboard.press("Escape")
    user_page.send(FOXES)
    user_page.wait_for_pictures()
    assert config(google)["imageConfig"] == {"aspectRatio": "16:9"}
