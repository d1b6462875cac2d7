"""The examples that clients are documented with run as they stand.

They are taken from the documentation that comes with each package. Nothing is changed
but what an example leaves open: the address, the key and the model.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from dev.console import Failure
from dev.host import plugin, programs
from dev.host.client import Client
from dev.host.pictures import pictures_of
from dev.host.traffic import sent
from dev.host.watched import WatchedHost

FENCED = re.compile(r"^( *)```\w+\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
OPENAI_README = "openai-*.dist-info/METADATA"
AI_SDK_PROVIDER = "@ai-sdk/openai-compatible/docs/index.mdx"
MODEL, URL, KEY = "<model>", "<url>", "<key>"
SPEAKS_AS_ANTHROPIC_DOES = (0, 8)


class Example(NamedTuple):
    """Code in a package's documentation.

    pages, holding: the blocks, each the first in its page that holds these words; of
    one, the paragraphs up to the last that is asked for. open: what an example leaves
    to its reader. shows: what prints the answer, where the example does not. drawn: how
    many pictures it asks for; the last one is printed. since: the first hosts that
    speak its protocol.
    """

    suffix: str
    pages: tuple[str, ...]
    holding: tuple[str, ...]
    open: Mapping[str, str]
    paragraphs: int | None = None
    shows: str = ""
    drawn: int = 1
    since: tuple[int, ...] = ()


EXAMPLES = {
    "openai for Python": Example(
        ".py",
        (OPENAI_README,),
        ("client.chat.completions.create(",),
        {"gpt-5.5": MODEL},
    ),
    "openai for Python, streaming": Example(
        ".py",
        (OPENAI_README, "openai/resources/chat/completions/completions.py"),
        ("client.chat.completions.create(", "with client.chat.completions.stream("),
        {
            "gpt-5.5": MODEL,
            '\\"': '"',
            "{{models.chat.default}}": MODEL,
            "[...]": '[{"role": "user", "content": "Hello!"}]',
        },
        drawn=2,
    ),
    "openai for JavaScript": Example(
        ".mjs",
        ("openai/README.md",),
        ("client.chat.completions.create(",),
        {"gpt-5.5": MODEL},
    ),
    "LangChain": Example(
        ".py",
        ("langchain_openai/chat_models/base.py",) * 3,
        (
            "from langchain_openai import ChatOpenAI\n\nmodel = ChatOpenAI(\n    model=",
            "messages = [",
            "for chunk in model.stream(messages)",
        ),
        {'model="..."': f'model="{MODEL}"'},
        drawn=2,
    ),
    "llm": Example(
        ".sh",
        ("llm-*.dist-info/METADATA",),
        ("llm openai endpoint",),
        {
            "uvx ": "",
            "http://localhost:1234/v1": f"{URL} --key {KEY}",
            "google/gemma-4-12b": MODEL,
        },
        paragraphs=1,
    ),
    "LiteLLM": Example(
        ".py",
        ("litellm-*.dist-info/METADATA",),
        ("from litellm import completion",),
        {"your-openai-key": KEY, "openai/gpt-4o": f"openai/{MODEL}"},
        paragraphs=3,
        shows="print(response.choices[0].message.content)",
    ),
    "AI SDK, generateText": Example(
        ".mjs",
        (AI_SDK_PROVIDER,),
        ("await generateText({\n  model: provider('model-id'),\n  prompt: 'Write",),
        {"https://api.provider.com/v1": URL, "model-id": MODEL},
        shows="console.log(text);",
    ),
    "AI SDK, streamText": Example(
        ".mjs",
        (AI_SDK_PROVIDER, "ai/docs/03-ai-sdk-core/05-generating-text.mdx"),
        ("const provider = createOpenAICompatible({", "of result.textStream"),
        {
            "https://api.provider.com/v1": URL,
            "__PROVIDER_IMPORT__;": "",
            "__MODEL__": f"provider('{MODEL}')",
        },
    ),
    "Anthropic": Example(
        ".py",
        ("anthropic-*.dist-info/METADATA",),
        ("client.messages.create(",),
        {"claude-opus-5-5": MODEL},
        since=SPEAKS_AS_ANTHROPIC_DOES,
    ),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_runs_as_it_stands(on: WatchedHost, program: Client, name: str) -> None:
    example = EXAMPLES[name]
    if on.version < example.since:
        with pytest.raises(Failure):
            printed(example, program)
        return
    pictures = pictures_of(program, printed(example, program))
    assert len(sent(on.google)) == example.drawn
    assert pictures[-1].digest == sent(on.google)[-1]


def printed(example: Example, program: Client) -> str:
    url = f"{program.url}/api"
    values = {MODEL: plugin.AUTO_MODEL, URL: url, KEY: program.token}
    code = code_of(example)
    for left_open, value in [*example.open.items(), *values.items()]:
        assert left_open in code or left_open in values
        code = code.replace(left_open, value)
    return programs.shown(example.suffix, code, url, program.token)


def code_of(example: Example) -> str:
    """The blocks as one program."""
    root = programs.packages_for(example.suffix)
    blocks = [
        first_block(root, page, words)
        for page, words in zip(example.pages, example.holding, strict=True)
    ]
    code = "\n\n".join("\n".join(blocks).split("\n\n")[: example.paragraphs])
    return f"{code}\n{example.shows}\n"


def first_block(root: Path, page: str, words: str) -> str:
    """The first block of code in a page that holds these words."""
    [path] = root.glob(page)
    blocks = (textwrap.dedent(m[2]) for m in FENCED.finditer(path.read_text()))
    return next(block for block in blocks if words in block)
