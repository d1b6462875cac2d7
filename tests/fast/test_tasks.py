"""Room Tasks: the host's background tasks, answered in its form without a request."""

import asyncio
import json
from typing import Any

import pytest
from growth import growth
from rows import check_rows
from test_pipe import pipe_for
from traffic import posts, words_of

import gemini_image_pipe as gip
from dev.standin import StandIn

CHAT = [
    {"role": "user", "content": "a red fox in the snow"},
    {"role": "assistant", "content": "![x](/api/v1/files/1/content)"},
    {"role": "user", "content": "make it blue"},
]


def task_prompt(instruction: str, shape: str, heading: str = "### Output:") -> str:
    """A prompt as the host's default templates build them (open_webui/config.py)."""
    return (
        f"### Task:\n{instruction}\n\n### Guidelines:\n- Be short.\n\n{heading}\n"
        f"JSON format: {shape}\n\n### Chat History:\n<chat_history>\n"
        "USER: a red fox\nin the snow\nASSISTANT: Here it is.\nUSER: make it blue\n"
        "</chat_history>"
    )


def hosts_parser(answer: str) -> Any:
    """How the host reads such an answer: what stands between the outer braces."""
    return json.loads(answer[answer.find("{") : answer.rfind("}") + 1])


JSON_TASKS = [
    ("title_generation", "title", str),
    ("tags_generation", "tags", list),
    ("follow_up_generation", "follow_ups", list),
    ("query_generation", "queries", list),
    ("image_prompt_generation", "prompt", str),
    ("autocomplete_generation", "text", str),
    ("function_calling", "tool_calls", list),
    ("memory_review", "operations", list),
]


@pytest.mark.parametrize("messages", [CHAT, [], None], ids=["chat", "empty", "none"])
def test_json_tasks_have_the_form_that_the_host_parses(messages: Any) -> None:
    """An answer of another form is shown as a title, or logged as an error."""

    def check(task: str, key: str, kind: type) -> None:
        answer = hosts_parser(gip.reply_to_task(task, {"messages": messages}, messages))
        assert list(answer) == [key] and isinstance(answer[key], kind)

    check_rows(JSON_TASKS, check)


@pytest.mark.parametrize("task", ["query_generation", "function_calling"])
def test_tasks_that_would_cause_work_ask_for_none(task: str) -> None:
    """A query starts a web search, a tool call runs a tool."""
    [wishes] = hosts_parser(gip.reply_to_task(task, None, CHAT)).values()
    assert wishes == []


@pytest.mark.parametrize("task", ["context_compaction", "some_future_task"])
def test_unknown_tasks_and_compaction_are_answered_with_nothing(task: str) -> None:
    """Any text would replace the older turns, and with them the pictures' links."""
    assert gip.reply_to_task(task, {"messages": CHAT}, CHAT) == ""


def test_an_emoji_is_one_emoji() -> None:
    assert len(gip.reply_to_task("emoji_generation", {}, CHAT)) == 1


def test_the_tag_of_a_chat_is_in_its_readers_language() -> None:
    for language, tag in (("en", "Images"), ("zh-CN", "图片")):
        reader = gip.Reader(language)
        assert json.loads(gip.reply_to_task("tags_generation", {}, CHAT, reader)) == {
            "tags": [tag]
        }


@pytest.mark.parametrize(
    ("responses", "merged"),
    [
        pytest.param(["one", "two"], "one\n\ntwo", id="two"),
        pytest.param(["one", None, 7], "one", id="odd-ones"),
        pytest.param(None, "", id="none"),
        pytest.param("one", "", id="no-list"),
    ],
)
def test_merging_answers_keeps_them(responses: Any, merged: str) -> None:
    body = {"responses": responses}
    assert gip.reply_to_task("moa_response_generation", body, None) == merged


# ── Titles ───────────────────────────────────────────────────────────────────────────


def title(task_body: Any, messages: Any = None) -> str:
    answer = hosts_parser(gip.reply_to_task("title_generation", task_body, messages))
    assert isinstance(answer["title"], str)
    return answer["title"]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        pytest.param(CHAT, "a red fox in the snow", id="first-words"),
        pytest.param(
            [{"role": "user", "content": 'say "{hi}" [now]'}], "say hi now", id="signs"
        ),
        pytest.param(
            [{"role": "user", "content": "![x](data:image/png;base64,AAAA) a hat"}],
            "a hat",
            id="picture-in-the-text",
        ),
        pytest.param(
            [
                {"role": "user", "content": [{"image_url": {"url": "data:"}}]},
                {"role": "assistant", "content": "A cat."},
                {"role": "user", "content": "as a stamp"},
            ],
            "as a stamp",
            id="first-turn-is-a-picture",
        ),
        pytest.param([], "Gemini Image", id="no-words"),
        pytest.param(
            [{"role": "user", "content": "--help"}], "Gemini Image", id="help"
        ),
        pytest.param(
            [{"role": "user", "content": "—cost"}], "Gemini Image", id="costs"
        ),
        pytest.param([None, {"role": "user"}], "Gemini Image", id="none"),
    ],
)
def test_the_title_is_the_users_own_words(messages: Any, expected: str) -> None:
    assert title({"messages": messages}) == expected


def test_a_title_is_short() -> None:
    text = title({"messages": [{"role": "user", "content": "fox " * 5000}]})
    assert 20 < len(text) <= gip.MAX_TITLE_CHARACTERS + 1


@pytest.mark.parametrize("task_body", [None, {}, "x", {"messages": None}])
def test_without_the_original_form_the_quoted_chat_serves(task_body: Any) -> None:
    """Old hosts send the finished task prompt alone."""
    prompt = task_prompt("Generate a title.", '{ "title": "your title here" }')
    assert title(task_body, [{"role": "user", "content": prompt}]) == (
        "a red fox in the snow"
    )


def test_the_image_prompt_is_the_newest_wish() -> None:
    wish = 'a "{red}" fox\nat night'
    messages = [
        {"role": "user", "content": "a fox"},
        {"role": "assistant", "content": "Which colour?"},
        {"role": "user", "content": wish},
    ]
    answer = gip.reply_to_task("image_prompt_generation", {"messages": messages}, None)
    assert hosts_parser(answer) == {"prompt": wish}


# ── Task prompts without the task's name ─────────────────────────────────────────────

AUTOCOMPLETE = """### Task:
You are an autocompletion system. Continue the text in `<text>` based on the \
**completion type** in `<type>` and the given language.

### **Instructions**:
5. If unsure, return: `{ "text": "" }`.

### **Output Rules**:
- Respond only in JSON format: `{ "text": "<your_completion>" }`.

### Context:
<chat_history>
USER: hello
</chat_history>
<type>General</type>
<text>a red f</text>
#### Output:
"""
DOCUMENTS = """### Task:
Respond to the user query using the provided context, incorporating inline citations.

### Guidelines:
- If uncertain, ask the user for clarification.

### Output:
Provide a clear and direct response to the user's query.

<context>
<source id="1" name="foxes.json">{"title": "Foxes", "text": "red"}</source>
</context>
"""


def unnamed(prompt: str) -> str | None:
    messages = [{"role": "user", "content": prompt}]
    return gip.unnamed_task(gip.read_conversation(messages))


# How the default prompts begin (open_webui/config.py of 0.6.5 to 0.12.4).
BEGINNINGS = {
    "Generate a concise, 3-5 word title with an emoji summarizing the chat history.": (
        "title_generation"
    ),
    "Generate a concise title summarizing the chat history.": "title_generation",
    "Generate 1-3 broad tags categorizing the main themes of the chat history, along "
    "with 1-3 more specific subtopic tags.": "tags_generation",
    "Suggest 3-5 relevant follow-up questions or prompts that the user might naturally "
    "ask next in this conversation as a **user**, based on the chat history, to help "
    "continue or deepen the discussion.": "follow_up_generation",
    "Predict 3-5 useful messages this user might naturally send next to advance their "
    "current objective.": "follow_up_generation",
    "Analyze the chat history to determine the necessity of generating search queries, "
    "in the given language.": "query_generation",
    "Generate a detailed prompt for am image generation task based on the given "
    "language and context.": "image_prompt_generation",
}
SHAPES = {
    "title_generation": '{ "title": "your concise title here" }',
    "tags_generation": '{ "tags": ["tag1", "tag2", "tag3"] }',
    "follow_up_generation": '{ "follow_ups": ["Question 1?", "Question 2?"] }',
    "query_generation": '{\n  "queries": ["query1", "query2"]\n}',
    "image_prompt_generation": '{\n    "prompt": "Your detailed description here."\n}',
}
EMOJI = (
    "Your task is to reflect the speaker's likely facial expression through a fitting "
    "emoji. Interpret emotions from the message and reflect their facial expression "
    "using fitting, diverse emojis (e.g., 😊, 😢, 😡, 😱).\n\nMessage: ```a red fox```"
)
MERGE = (
    "You have been provided with a set of responses from various models to the latest "
    'user query: "a fox"\n\nYour task is to synthesize these responses into a single, '
    'high-quality response.\n\nResponses from models: """One\n\nfox."""\n\n"""![Two](x)"""'
)
COMPACT = (
    "### Task:\nSummarize the conversation history that will be compacted out of the "
    "active chat context.\n\n### Instructions:\n- Preserve key decisions, user preferences, "
    "and constraints."
)
REVIEW = (
    "Review the completed conversation turn and decide whether long-term memory should "
    "change.\n\nMemory types:\n- user: durable facts."
)
TOOLS = (
    'Available Tools: [{"name": "weather"}]\n\nYour task is to choose and return the '
    "correct tool(s) from the list of available tools based on the query. Follow these "
    'guidelines:\n\n- If no tools match the query, return an empty array: {"tool_calls": []}'
)
UNNAMED = {
    task_prompt(instruction, SHAPES[task]): task
    for instruction, task in BEGINNINGS.items()
} | {
    AUTOCOMPLETE: "autocomplete_generation",
    EMOJI: "emoji_generation",
    MERGE: "moa_response_generation",
    COMPACT: "context_compaction",
    REVIEW: "memory_review",
}


def test_a_task_prompt_is_known_by_how_it_begins() -> None:
    """Hosts and clients that do not name the task must not pay a picture per turn."""

    def check(prompt: str, task: str) -> None:
        assert unnamed(prompt) == task
        assert unnamed(f"\n{prompt}\n") == task

    check_rows(UNNAMED.items(), check)
    of_a_system_message = "function_calling"  # see below
    assert {*UNNAMED.values(), of_a_system_message} == {
        *(task for task, *_ in JSON_TASKS),
        *("emoji_generation", "moa_response_generation", "context_compaction"),
    }


def test_a_choice_of_tools_is_known_by_its_system_message() -> None:
    def check(system: str, task: str | None) -> None:
        asked = {"role": "user", "content": "Query: a red fox"}
        messages = [{"role": "system", "content": system}, asked]
        assert gip.unnamed_task(gip.read_conversation(messages)) == task

    rows = [
        (TOOLS, "function_calling"),
        (TOOLS.replace("weather", "weather, " * 9999), "function_calling"),
        ("Available Tools: brush, ink", None),
        # A model's own system prompt is put above it.
        (f"Be brief.\n{TOOLS}", "function_calling"),
        (f"Available Tools: brush, ink\n{TOOLS}", "function_calling"),
        (f"Be brief. {TOOLS}", None),
        (f"{TOOLS[TOOLS.index('Your task'):]}\nAvailable Tools: brush, ink", None),
        (TOOLS.partition("Available")[2], None),
    ]
    check_rows(rows, check)


def test_replies_to_merge_are_read_from_the_prompt_where_nothing_else_holds_them() -> (
    None
):
    def check(prompt: Any, merged: str) -> None:
        messages = [{"role": "user", "content": prompt}]
        reply = gip.reply_to_task("moa_response_generation", None, messages)
        assert reply == merged

    parts = [{"type": "text", "text": text} for text in MERGE.partition("One")]
    rows: list[tuple[Any, str]] = [
        (parts, "One\n\nfox.\n\n![Two](x)"),
        ([*parts, None, 7, {"text": 7}], "One\n\nfox.\n\n![Two](x)"),
        (None, ""),
        (MERGE, "One\n\nfox.\n\n![Two](x)"),
        (MERGE.partition("\nResponses")[0], ""),
        ("", ""),
    ]
    check_rows(rows, check)


RESEMBLES_A_TASK = {
    "plain": "a red fox",
    "heading of the user": "### Task: draw a fox",
    "title page": "### Task:\nGenerate a concise title page",
    "title by other words": "### Task:\nGenerate a concise title: a red fox",
    "title of a picture": "Generate a concise title summarizing the chat history.",
    "tags by other words": "### Task:\nGenerate 1-3 broad tags for this chat: a red fox",
    "follow-ups by other words": "### Task:\nSuggest a relevant follow-up",
    "follow-ups that begin alike": (
        "### Task:\nSuggest 3-5 relevant follow-up questions to: a red fox"
    ),
    "messages that begin alike": "### Task:\nPredict 3-5 useful messages on a sign.",
    "other case": task_prompt(next(iter(BEGINNINGS)), "{}").lower(),
    "json words": 'Output: "title": "x"',
    "headings later": "A poster.\n### Task:\n### Output:\n",
    "the beginning later": f"A poster that reads:\n{next(iter(UNNAMED))}",
    "the emoji's later": f"A poster that reads: {EMOJI}",
    "empty": "",
    "structured prompt": (
        '### Task:\nDraw a poster.\n### Output:\n{"title": "Foxes", "text": "Red"}'
    ),
    "documents or web search": f"{DOCUMENTS}\na red fox",
    # The form alone, down to the keys of its JSON, says nothing.
    **{
        f"the form of {task}": task_prompt("Draw what was said.", shape)
        for task, shape in SHAPES.items()
    },
}


def test_a_users_prompt_is_no_task() -> None:
    """Taken for a task it would be answered with an empty bubble. The host itself puts
    its document template, headings and all, around a user's words."""

    def check(_: str, prompt: str) -> None:
        assert unnamed(prompt) is None

    check_rows(RESEMBLES_A_TASK.items(), check)


def test_only_a_task_s_own_beginning_keeps_a_prompt_from_google(
    google: StandIn,
) -> None:
    pipe = pipe_for(google)

    def asked_for(prompt: str) -> tuple[int, str]:
        google.reset()
        messages = [{"role": "user", "content": prompt}]
        answer = asyncio.run(pipe.pipe({"model": "f.auto", "messages": messages}))
        return len(posts(google)), words_of(answer)

    for prompt, task in UNNAMED.items():
        requests, answer = asked_for(prompt)
        expected = gip.reply_to_task(task, None, [{"role": "user", "content": prompt}])
        assert (requests, answer) == (0, expected)
    for task, shape in SHAPES.items():
        requests, answer = asked_for(task_prompt(f"Draw it. {task}", shape))
        assert requests == 1
        assert "](data:image/" in answer and gip.FAILURE_MARK not in answer


@pytest.mark.parametrize("prompt", [*UNNAMED, "a fox"])
def test_what_is_written_on_the_page_is_no_task(google: StandIn, prompt: str) -> None:
    """A host names the tasks of its own chats; only programs bring unnamed ones."""
    system, question = {"role": "system", "content": TOOLS}, "Query: a red fox"
    pipe = pipe_for(google)

    def asked_for(prompt: str, *before: Any, **about: str) -> int:
        google.reset()
        messages = [*before, {"role": "user", "content": prompt}]
        body = {"model": "f.auto", "messages": messages}
        asyncio.run(pipe.pipe(body, __metadata__=about))
        return len(posts(google))

    at_page = {"chat_id": "c", "message_id": "m"}
    assert asked_for(prompt, **at_page) == 1
    assert asked_for(question, system, **at_page) == 1
    assert asked_for(prompt, chat_id="c") == (prompt not in UNNAMED)
    assert asked_for(question, system, chat_id="c") == 0


@pytest.mark.parametrize("unit", ["<chat_history>", '"a"', "### Output:", "\nUSER: "])
def test_a_hostile_task_prompt_does_not_hold_the_host(unit: str) -> None:
    beginning = next(iter(UNNAMED))

    def make(length: int) -> str:
        return beginning + unit * (length // len(unit))

    def work(prompt: str) -> None:
        unnamed(prompt)
        messages = [{"role": "user", "content": prompt}]
        gip.reply_to_task("title_generation", None, messages)

    assert growth(work, make, 5_000) < 20


def test_replies_without_number_are_merged_as_few() -> None:
    """Each piece costs, and a prompt of programs may hold millions."""
    prompt = MERGE + '\n\n"""a"""' * 3 * gip.MAX_PARTS
    messages = [{"role": "user", "content": prompt}]
    reply = gip.reply_to_task("moa_response_generation", None, messages)
    assert reply.startswith("One\n\nfox.") and reply.endswith("a")
    assert reply.count('"""') > gip.MAX_PARTS
