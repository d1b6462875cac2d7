"""On the page of a real host: code is shown as the model wrote it, and no words of a
model are read as tags, pictures or code to run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

import gemini_image_pipe as gip
from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.gateway import PICTURE, Gateway, Reply, event, open_gateway

DONE = event(PICTURE, finishReason="STOP")
HTML = '<div class="card"><b>Hi</b> ![a](b) {{c}}\n\n  <script>d()</script></div>'
WORDS = f"""Here is the mockup:
```html
{HTML}
```
Use `<b>` for bold, `<i>` for italics, and a<b in maths: <u>x</u>. 1 < 2!

```svg
<svg onload="d()">"""
FOREIGN = ("iframe", "script", "details", "b", "u", "i", "svg[onload]", ".card")

# Bits of which the parser of the page may make something else than we do.
BITS = (
    *(
        "`",
        "`",
        "``",
        "```",
        "```",
        "~~~",
        "\n",
        "\n",
        "\n\n",
        "\n\n",
        " ",
        "   ",
        "\t",
    ),
    *(
        "> ",
        "- ",
        "1. ",
        "- [ ] ",
        "# ",
        "<img src=x>",
        "<img src=x>",
        "<b>",
        "![a](b)",
    ),
    *("[a]: ", "[a]: x", '"', "'", "[", "]", "(", ")", "](", "\\", "$", "$$", "|", "a"),
    *("\n|-|-|\n", "*", "**", "_", "~~", "html", "\n---\n", "\n===\n", "\r", "\u2028"),
    *(":::a\n", "\n:::\n", "http://a/", "www.a.b", "<", "< ", "> ", "{{", "\\[", "\\]"),
    *("\u00a0", "[^1]: ", "[1]", "\\begin{equation}", "\\ce{", "}", "x "),
)
FIND_PARSER = """async () => {
    const files = new Set(performance.getEntriesByType("resource").map(r => r.name));
    const parsers = [];
    for (const file of files) {
        if (!/_app.*\\.js$/.test(file)) continue;
        const found = await import(file).then(Object.values, () => []);
        parsers.push(...found.filter(value => value?.lexer && value?.use));
    }
    const count = parser => parser.defaults.extensions?.inline?.length ?? 0;
    window.parser = parsers.sort((a, b) => count(b) - count(a))[0];
    return count(window.parser);
}"""
FIND_TROUBLE = """texts => texts.map(text => {
    const found = [];
    const look = value => {
        if (!value || typeof value !== "object") return;
        if (/^(html|image|details|underline|mention)$/.test(value.type))
            found.push(value.raw);
        if (value.type === "code" && /^(html|svg|xml|vega.*|mermaid|js)$/i.test(value.lang))
            found.push(value.raw);
        Object.values(value).forEach(look);
    };
    look(window.parser.lexer(text));
    return found;
})"""


@pytest.fixture(scope="module")
def running() -> Iterator[Gateway]:
    with open_gateway() as gateway:
        yield gateway


@pytest.fixture
def gateway(running: Gateway, valves: Any) -> Gateway:
    running.reset()
    valves(GEMINI_API_BASE_URL=running.url, GEMINI_API_KEY="a-key-of-nobody")
    return running


def ask(page: ChatPage, gateway: Gateway, *pieces: str) -> None:
    gateway.answer = lambda model: Reply([*(event({"text": p}) for p in pieces), DONE])
    page.open(plugin.AUTO_MODEL)
    page.send("a fox")
    page.wait_for_pictures()


@pytest.mark.parametrize("size", [1, 7, len(WORDS)])
def test_code_is_shown_as_the_model_wrote_it(
    user_page: ChatPage, gateway: Gateway, size: int
) -> None:
    pieces = [WORDS[at : at + size] for at in range(0, len(WORDS), size)]
    ask(user_page, gateway, *pieces)
    answer = user_page.page.locator(".chat-assistant").last
    text = answer.inner_text().replace("\u2060", "")
    assert "a<b in maths: <u>x</u>. 1 < 2!" in text
    spans = answer.locator("code.codespan").all_inner_texts()
    assert spans == ["<b>", "<i>"]
    lines = answer.locator(".cm-content").first.locator(".cm-line")
    assert lines.all_text_contents() == HTML.split("\n")
    assert user_page.pictures.count() == 1
    for tag in FOREIGN:
        assert answer.locator(tag).count() == 0, tag
    assert user_page.page.locator("iframe").count() == 0


def test_the_page_reads_no_words_as_something_else(
    user_page: ChatPage, gateway: Gateway
) -> None:
    """The page's own parser, with all that the page has added to it."""
    ask(user_page, gateway, "a fox")
    assert user_page.page.evaluate(FIND_PARSER) > 3
    choose = random.Random(1)
    texts = [
        "".join(choose.choices(BITS, k=choose.randint(2, 24))) for _ in range(20_000)
    ]
    own = "![a fox](/own)"
    answers = []
    for text in texts:
        words = gip.SafeText()
        answers.append(f"{words.feed(text)}{words.rest()}\n\n{own}\n\n")
    found = user_page.page.evaluate(FIND_TROUBLE, answers)
    wrong = [
        row
        for row in zip(texts, answers, found, strict=True)
        if any(raw != own for raw in row[2])
    ]
    assert not wrong, wrong[:5]
    assert sum("<img src=x>" in answer for answer in answers) > 50, "code is left alone"
    swallowed = [row for row in zip(texts, found, strict=True) if own not in row[1]]
    assert len(swallowed) < len(texts) / 100, swallowed[:5]
