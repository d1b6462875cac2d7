"""No text from outside takes more than linear time, whatever it repeats."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from growth import growth
from rows import check_rows

import gemini_image_pipe as gip

KEY = "AIza-key*for|tests/of+the=mask"
CHARACTERS = 2_500  # and eight times as many
COPIES = 3  # of a text where there may be many: each is bounded by itself
# What takes less than this at eight times as many is not looked at twice: a quadratic
# pass over as many signs, or over as many of the longer units, takes more.
AT_ONCE_S = 0.002

UNITS = (
    *(
        "a",
        "a ",
        " ",
        "\n",
        "é",
        "\0",
        "\ud800",
        "「",
        "\u200f",
        "/a",
        "a:",
        "https://",
    ),
    *(
        "<",
        "<think</think",
        "<details",
        "</details>",
        "<details>x</details>",
        "<context>",
    ),
    *("</context>", "<attached_files>", "### Task:\n", "USER: a\n", "<user_query>"),
    *(
        "!",
        "![",
        "![](",
        "[a](",
        "![a](b)",
        "![a](/api/v1/files/",
        "| ",
        "|  |\n|---|\n",
    ),
    *("data:image/", "data:image/png;base64,", "data:image/png;base64,AAAA "),
    *(
        "> ℹ️ x\n",
        "--n 2 ",
        "--ar 16:9 ",
        "—n 2 ",
        "-",
        "——",
        "－",
        "--n",
        "-n 2 ",
        "--n2",
        "--v 6 ",
        '"',
        "“",
        "(",
        "`",
        "```\n",
        "$",
        "{{",
        "&#",
        "%41",
    ),
    *("\\", KEY[:4], '"message"', '{"message":', "retry in 1s ", "models/"),
)


def conversation(text: str) -> None:
    said = [{"role": role, "content": text} for role in ("user", "assistant", "user")]
    gip.read_conversation([{"role": "system", "content": text}, *said])


def channel(text: str) -> None:
    said = [{"role": "user", "content": f"Bob: {text}Model draw a fox"}]
    gip.read_conversation(said, speaker="Bob", addressed="Model")


def quoted_chat(text: str) -> None:
    said = f"### Task:\n<chat_history>\n{text}</chat_history>"
    gip.reply_to_task("title_generation", None, [{"role": "user", "content": said}])


def error(text: str) -> None:
    detail = {"reason": text, "violations": [{"quotaId": text}] * COPIES}
    detail["fieldViolations"] = [{"description": text}] * COPIES
    details = [detail] * COPIES
    found = {"code": 400, "message": text, "status": text, "details": details}
    stray = text.encode("utf-8", "replace")
    gip.explain_error(gip.read_error(400, {"error": found}), stray)


def response(text: str) -> None:
    grounding = {
        "webSearchQueries": [text] * COPIES,
        "groundingChunks": [{"web": {"uri": f"https://x/{text}", "title": text}}]
        * COPIES,
        "searchEntryPoint": {"renderedContent": text},
    }
    content = {"parts": [{"text": text}]}
    candidate = {"content": content, "groundingMetadata": grounding}
    found = {"candidates": [candidate], "promptFeedback": {"blockReason": text}}
    list(gip.read_events(gip.mask_strings(found, KEY), []))


def words_in_pieces(text: str) -> None:
    safe = gip.SafeText(KEY)
    for start in range(0, len(text), 500):
        safe.feed(text[start : start + 500])
    safe.rest()


def stream(text: str) -> None:
    sent = f"data: {json.dumps({'a': text})}\n\n{text}"
    list(gip.ObjectReader().feed(sent.encode("utf-8", "replace")))


def base_url(text: str) -> None:
    try:
        gip.read_address(f"http://{text}")
    except gip.GeminiError:
        return


FUNCTIONS: tuple[Callable[[str], Any], ...] = (
    *(conversation, channel, quoted_chat, error, response, words_in_pieces, stream),
    *(base_url, gip.quote_sentence, gip.clean_model_id, gip.redact, gip.split_flags),
    *(gip.unread_flags, gip.without_flags, gip.asks_for_help),
    *(gip.named_successor, gip.quiet_page, gip.clean_strings),
    lambda text: gip.plain_words(text, 80, ""),
    lambda text: gip.plain_line(text, 80),
    lambda text: gip.mask_keys(text, [KEY]),
    lambda text: gip.page_text(text.encode("utf-8", "replace")),
    lambda text: gip.is_image_model(gip.ListedModel(text, text)),
    lambda text: gip.picture_addresses(*gip.cut_data_uris(text)),
)


def test_no_text_takes_more_than_linear_time() -> None:
    def check(function: Callable[[str], Any], unit: str) -> None:
        def repeated(characters: int) -> str:
            return unit * (characters // len(unit))

        started = time.process_time()
        function(repeated(8 * CHARACTERS))
        if time.process_time() - started > AT_ONCE_S:
            assert growth(function, repeated, CHARACTERS) < 20

    check_rows(((f, unit) for f in FUNCTIONS for unit in UNITS), check)
