"""Cards of the models, ``models.json``: what lists and empty chats show of each.

Admin Panel → Settings → Models → Import takes the file. One form serves all hosts:

- 0.6.5 has no such route; its page saves each card whose ``base_model_id`` is null, and
  lets everybody in only where ``access_control`` is null.
- 0.6.43 lets everybody in for the same reason; hosts from 0.8 on read ``access_grants``.
- Hosts from 0.11.4 on show a reader's language from ``meta.i18n``; on all others the
  description is read by everybody, so it says the same in each language.

``is_active`` is not in it, so that a model that was switched off stays so when the file
is imported again.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from dev.environment import ROOT

if TYPE_CHECKING:
    from gemini_image_pipe import ModelFacts

CARDS = ROOT / "models.json"
# The drawing of `icon_url` in the front matter, with a margin: pages cut it round, and
# show none that is an SVG.
ICON = ROOT / "dev" / "pages" / "icon.png"
EVERYBODY = {"principal_type": "user", "principal_id": "*", "permission": "read"}
# By the part of a language tag that stands first, as pages look for it.
AUTO_DESCRIPTIONS = {
    "en": "Makes and changes pictures with the newest released image model of Google.",
    "zh": "使用 Google 最新发布的图像模型生成和修改图片。",
}
DESCRIPTIONS = {
    "en": "Makes and changes pictures up to {largest}, from your words and up to {taken} pictures.",
    "zh": "生成和修改图片，最大{largest}，最多可附带 {taken} 张图片。",
}
# Of models without a choice of sizes, whose size is named for its price alone.
ABOUT = {"en": "about {size}", "zh": "约 {size}"}
EXACTLY = {"en": "{size}", "zh": " {size}"}
SUGGESTIONS = {
    "en": (
        "A red fox in fresh snow at sunset --ar 16:9",
        "A poster for a street market that says “Fresh every Saturday” --ar 3:4",
        "A cosy reading corner by a rainy window, as a watercolour",
    ),
    "zh": (
        "夕阳下，一只红狐狸站在初雪中 --ar 16:9",
        "街头集市的海报，上面写着“周六新鲜上市” --ar 3:4",
        "雨天窗边温馨的阅读角，水彩画风格",
    ),
}
# What no image model does; for what is not named, the host's own default counts.
UNFIT = ("image_generation", "code_interpreter", "terminal", "builtin_tools")
FIT = ("vision", "file_upload", "file_context", "citations", "status_updates", "usage")

Json = dict[str, Any]


def refresh() -> bool:
    """Write ``models.json`` if what it says has changed since; tell whether it had."""
    text = build()
    if CARDS.exists() and CARDS.read_text() == text:
        return False
    CARDS.write_text(text)
    return True


def build() -> str:
    """The text of the file: `auto`, then the current models as the list has them."""
    from gemini_image_pipe import AUTO, AUTO_NAME, CURRENT_MODELS

    searches = any(facts.searches for facts in CURRENT_MODELS)
    cards = [_card(AUTO, AUTO_NAME, AUTO_DESCRIPTIONS, searches)]
    for facts in CURRENT_MODELS:
        texts = _descriptions(facts)
        cards.append(_card(facts.id, facts.name, texts, bool(facts.searches)))
    return json.dumps(cards, indent=2, ensure_ascii=False) + "\n"


def icon() -> str:
    """The picture of the cards as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(ICON.read_bytes()).decode()}"


def _descriptions(facts: ModelFacts) -> dict[str, str]:
    size = facts.sizes[-1] if facts.sizes else max(facts.prices.pictures)
    largest = EXACTLY if facts.sizes else ABOUT
    taken = facts.max_input_images
    return {
        tag: text.format(largest=largest[tag].format(size=size), taken=taken)
        for tag, text in DESCRIPTIONS.items()
    }


def _card(model: str, name: str, descriptions: dict[str, str], searches: bool) -> Json:
    from dev.pages.manifest import PRODUCT

    return {
        "id": f"{PRODUCT.stem}.{model}",
        "base_model_id": None,
        "name": name,
        "params": {},
        "meta": {
            "profile_image_url": icon(),
            "description": " ".join(descriptions.values()),
            "capabilities": {
                **dict.fromkeys(FIT, True),
                # Its switch in the message box turns on Google Search.
                "web_search": searches,
                **dict.fromkeys(UNFIT, False),
            },
            "suggestion_prompts": _suggestions("en"),
            "i18n": {
                tag: {"description": text, "suggestion_prompts": _suggestions(tag)}
                for tag, text in descriptions.items()
            },
        },
        "access_grants": [EVERYBODY],
        "access_control": None,
    }


def _suggestions(tag: str) -> list[Json]:
    return [{"content": prompt} for prompt in SUGGESTIONS[tag]]
