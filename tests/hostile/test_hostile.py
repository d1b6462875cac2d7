"""On a real host: prompts and gateways that mean no good harm nobody but themselves.

Sizes are the least that show the kind. Where the host must stay awake, the shortest
pipe that does the work meets the same in the same run: what delays it, too, is the
host's own. The best of a few rounds counts, since test machines are small and busy.
"""

import base64
import html
import itertools
import json
import random
import re
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

import pytest

import gemini_image_pipe as gip
from dev.bench.hosted import FLOOR_ID, add_floor
from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.client import Client, Json, content_of, notes_of, picture_links
from dev.host.gateway import (
    PICTURE,
    Gateway,
    Reply,
    event,
    framed,
    listing,
    open_gateway,
    with_picture,
)
from dev.host.health import watched_health
from dev.host.website import open_website

ROUNDS = 3
AT_LEAST_MS = 250
# As most keys, but with signs that sentences, addresses and pages write otherwise.
KEY = "AIza-key*for|tests/of+the=mask"


@pytest.fixture(scope="module")
def running() -> Iterator[Gateway]:
    with open_gateway() as gateway:
        yield gateway


@pytest.fixture(scope="module")
def floor(admin: Client, running: Gateway) -> Iterator[str]:
    """The model of a pipe that does the same work and nothing else."""
    add_floor(admin, running.url)
    [model] = admin.models(prefix=FLOOR_ID)
    admin.grant_to_all(model)
    yield FLOOR_ID
    admin.post("/api/v1/models/model/delete", {"id": FLOOR_ID})
    admin.delete_function(FLOOR_ID)


_number = itertools.count()


@pytest.fixture
def gateway(running: Gateway, valves: Any) -> Gateway:
    """The gateway as it was in the beginning, under an address that has no list yet."""
    running.reset()
    url = f"{running.url}/{next(_number)}"
    valves(GEMINI_API_BASE_URL=url, GEMINI_API_KEY=KEY, MAX_RETRIES=0)
    return running


def worst_delay(client: Client, work: Callable[[], Any]) -> float:
    with watched_health(client.url) as found:
        work()
    return float(found["max"])


def keeps_the_host_awake(
    client: Client, ask: Callable[[str], Any], floor: str, what: str
) -> None:
    """In one of a few rounds /health comes nearly as soon as with the floor."""
    rounds: list[tuple[float, float]] = []
    while len(rounds) < ROUNDS:
        ours, least = (
            worst_delay(client, lambda model=model: ask(model))  # type: ignore[misc]
            for model in (plugin.AUTO_MODEL, floor)
        )
        rounds.append((ours, least))
        print(f"{what}: ours {ours:.0f} ms, floor {least:.0f} ms")
        if ours <= max(3 * least, least + AT_LEAST_MS):
            return
    pytest.fail(f"{what}, ours and the floor in ms: {rounds}")


# -- prompts -------------------------------------------------------------------------


def inline(size: int) -> str:
    """A picture of that size as part of a message; no two are the same."""
    data = base64.b64decode(PICTURE["inlineData"]["data"]) + random.randbytes(size)
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def shown(address: str) -> Json:
    return {"type": "image_url", "image_url": {"url": address}}


def said(*contents: Any, **more: Any) -> list[Json]:
    roles = itertools.cycle(("user", "assistant"))
    pairs = zip(roles, contents, strict=False)
    return [{"role": r, "content": c, **more} for r, c in pairs]


PROMPTS: dict[str, Callable[[], list[Json]]] = {
    "tags that begin": lambda: said("<think</think" * 80_000),
    "blocks": lambda: said("<details>x</details>" * 50_000),
    "a long prompt": lambda: said("a fox " * 1_000_000),
    "one word": lambda: said("a" * 5_000_000),
    "a history of pictures": lambda: said(
        *(f"![a]({inline(2_000_000)})" for _ in range(8)), "a fox"
    ),
    "four pictures": lambda: said(
        [{"type": "text", "text": "a fox"}, *(shown(inline(4_000_000)),) * 4]
    ),
    "blanks before a name": lambda: said(f"Bob:{' ' * 20_000}Gemini Image a fox"),
    "beginnings of pictures": lambda: said("data:image/" * 300_000),
    "pictures of nothing": lambda: said("data:image/png;base64," * 300_000),
    "a picture of blanks": lambda: said(
        [shown("data:image/png;base64," + "AAAA " * 1_000_000), {"text": "a fox"}]
    ),
    "a path without end": lambda: said([shown("/a" * 3_000_000)]),
    "many parts": lambda: said([{"type": "text", "text": "a "}] * 60_000),
    "many turns": lambda: said(*["a"] * 20_001),
    "many pictures from elsewhere": lambda: said(
        " ".join(f"/api/v1/files/{uuid.UUID(int=n)}/content" for n in range(300)),
        "a",
        [{"text": "/a" * 32_000}, *(shown(f"{'/a' * 900}/{n}") for n in range(999))],
    ),
    "long instructions": lambda: [
        *({"role": "system", "content": "a" * 2_000_000} for _ in range(32)),
        *said("a fox"),
    ],
    "many files": lambda: said(*["a"] * 2_001, files=[{"type": "file"}] * 500),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_no_prompt_keeps_others_waiting(
    user: Client, gateway: Gateway, floor: str, name: str
) -> None:
    messages = PROMPTS[name]()
    keeps_the_host_awake(user, lambda m: user.complete(m, messages), floor, name)


def test_a_key_of_one_s_own_keeps_nobody_waiting(
    user: Client, gateway: Gateway, floor: str, user_valves: Any
) -> None:
    """Whoever may enter a key may enter anything."""

    def ask(model: str) -> None:
        user_valves(GEMINI_API_KEY=random.randbytes(10_000).hex())
        user.complete(model, "a fox")

    keeps_the_host_awake(user, ask, floor, "a key of 20,000 signs")


def test_twenty_keys_of_one_s_own_keep_nobody_waiting(
    user: Client, gateway: Gateway, floor: str, user_valves: Any
) -> None:
    """Each is looked for in every word, in all spellings; no two begin alike."""
    keys = [f"{n:02}{random.randbytes(250).hex()}" for n in range(gip.MAX_KEYS)]
    user_valves(GEMINI_API_KEY=" ".join(keys))
    words = " ".join(f"%{key[:2]}{key[:300]}" for key in keys)
    reply = many(event({"text": words}, {"text": "%41 "}), 100, DONE)
    gateway.answer = lambda model: reply

    def ask(model: str) -> None:
        answer = user.new_chat(model).ask("a fox")
        assert model == floor or picture_links(answer.content), answer.content[:500]

    keeps_the_host_awake(user, ask, floor, "twenty keys")


# -- lists ---------------------------------------------------------------------------

IMAGE = "gemini-9-image"
HALF = "\ud83d"
LISTS: dict[str, Callable[[], Reply]] = {
    "half an emoji in a name": lambda: listing(
        {"name": f"models/{IMAGE}", "displayName": f"Nano {HALF} Banana"}
    ),
    "half an emoji in an id": lambda: listing(f"gemini-{HALF}-image", IMAGE),
    "100,000 models": lambda: listing(
        IMAGE, *(f"gemini-{number}-image" for number in range(100_000))
    ),
    "a name of 5 MB": lambda: listing(
        {"name": f"models/{IMAGE}", "displayName": "Banana " * 700_000}
    ),
    "a list of 40 MB": lambda: listing(
        {"name": f"models/{IMAGE}", "displayName": "Banana " * 5_700_000}
    ),
    "5,000 digits": lambda: listing(f"gemini-{'9' * 5_000}-image", IMAGE),
    "numbers that are no names": lambda: listing({"name": 9, "displayName": {}}, IMAGE),
    "empty rows": lambda: Reply([b'{"models":[' + b"[]," * 2_600_000 + b"[]]}"]),
    "empty objects": lambda: Reply([b"{}" * 1_000_000]),
    "deep": lambda: Reply([b'{"models":' + b"[" * 100_000]),
}


@pytest.mark.parametrize("name", LISTS)
def test_no_list_takes_everybody_s_models_away(
    admin: Client, user: Client, gateway: Gateway, floor: str, valves: Any, name: str
) -> None:
    gateway.models = LISTS[name]()

    def listed() -> None:
        valves(GEMINI_API_BASE_URL=f"{gateway.url}/{next(_number)}")
        models = admin.models()
        ids = [model["id"] for model in models]
        assert floor in ids and plugin.AUTO_MODEL in ids
        assert len(json.dumps(models)) < 1_500_000
        ours = [m for m in models if m["id"].startswith(f"{plugin.FUNCTION_ID}.")]
        assert len(ours) <= gip.MAX_MODELS + 20
        assert all(len(model["name"]) < 400 for model in ours)

    def nothing() -> None:
        """The same without a list: what the host does by itself."""
        valves(GEMINI_API_BASE_URL="http://127.0.0.1:1")
        admin.models()

    work = {plugin.AUTO_MODEL: listed, floor: nothing}
    keeps_the_host_awake(admin, lambda m: work[m](), floor, name)
    listed()
    assert picture_links(content_of(user.complete(plugin.AUTO_MODEL, "a fox")))


# -- answers -------------------------------------------------------------------------


def failing(message: str, status: int = 400) -> Reply:
    said = {"code": status, "message": message, "status": "INVALID_ARGUMENT"}
    return Reply([json.dumps({"error": said}).encode()], status)


def many(piece: bytes, count: int, *last: bytes) -> Reply:
    return Reply([piece * count, *last])


DONE = event(PICTURE, finishReason="STOP")
USAGE = framed({"usageMetadata": {"promptTokenCount": 1}})
THOUGHT = {"text": "a", "thought": True}
ANSWERS: dict[str, Callable[[], Reply]] = {
    "an error of 1 MB": lambda: failing("a " * 500_000),
    "an error of 5 MB": lambda: failing('{"message": ' * 400_000),
    "an error page of 5 MB": lambda: Reply([b"<p>" * 1_700_000], 500),
    "usage": lambda: many(USAGE, 100_000, DONE),
    "empty objects": lambda: many(b"{}", 300_000, DONE),
    "small objects": lambda: many(b'{"a":1}', 300_000, DONE),
    "texts": lambda: many(event({"text": "a"}), 20_000, DONE),
    "texts in one object": lambda: Reply([event(*({"text": "aaaa"},) * 80_000), DONE]),
    "texts and thoughts": lambda: many(event({"text": "a"}, THOUGHT), 3_000, DONE),
    "pictures of nothing": lambda: Reply(
        [event({"text": "data:image/png;base64,A " * 60_000}), DONE]
    ),
    "refusals": lambda: many(event(finishReason="SAFETY"), 50_000, DONE),
    "searches": lambda: many(
        event(groundingMetadata={"webSearchQueries": ["a"] * 20}), 5_000, DONE
    ),
    "rows of nothing": lambda: Reply([b'{"a":[' + b"[]," * 600_000 + b"1]}", DONE]),
    "interim responses": lambda: Reply(
        [DONE], interim=b"HTTP/1.1 100 Continue\r\n\r\n" * 50_000
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_no_answer_keeps_others_waiting(
    user: Client, gateway: Gateway, floor: str, name: str
) -> None:
    reply = ANSWERS[name]()
    gateway.answer = lambda model: reply

    def ask(model: str) -> None:
        answer = user.new_chat(model).ask("a fox")
        assert answer.is_done
        if model == plugin.AUTO_MODEL:
            assert answer.statuses[-1]["done"] is True
            notes = "".join(notes_of(answer))
            assert len(notes) < 4_000
            shows = bool(picture_links(answer.content))
            assert shows != name.startswith("an error"), answer.content[:500]

    keeps_the_host_awake(user, ask, floor, name)


def test_a_gateway_cannot_send_one_from_model_to_model(
    user: Client, gateway: Gateway
) -> None:
    numbers = itertools.count(1)
    gateway.models = listing(*(f"gemini-{n}-image" for n in range(200)))

    def gone(model: str) -> Reply:
        number = next(numbers)
        said = "This model is no longer available. Please use"
        return failing(f"{said} models/gemini-{number}-image instead.", 404)

    gateway.answer = gone
    for count in (1, 4):
        gateway.asked.clear()
        answer = user.complete(plugin.AUTO_MODEL, f"a fox --n {count}")
        assert "⚠️" in content_of(answer)
        assert len(set(gateway.asked)) <= gip.MAX_MODELS_ASKED
        most = gip.MAX_MODELS_ASKED * count + gip.MAX_EXTRA_REQUESTS
        assert len(gateway.asked) <= most


def test_of_a_thousand_pictures_some_are_kept(user: Client, gateway: Gateway) -> None:
    picture = base64.b64decode(PICTURE["inlineData"]["data"])

    def pictures(count: int) -> Iterator[bytes]:
        for number in range(count):
            data = base64.b64encode(picture + b"%d" % number).decode()
            yield event({"inlineData": {"mimeType": "image/png", "data": data}})

    gateway.answer = lambda model: Reply(pictures(500))
    for flags, sent in (("", 500), (" --n 2", 1_000)):
        kept = min(gip.MAX_PICTURES_PER_REQUEST * sent // 500, gip.MAX_PICTURES)
        content = content_of(user.complete(plugin.AUTO_MODEL, f"a fox{flags}"))
        assert len(picture_links(content)) == kept
        assert f"{sent - kept} more pictures" in content


def test_early_hints_come_before_a_picture(user: Client, gateway: Gateway) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    gateway.answer = lambda model: Reply(with_picture(model).pieces, interim=hints)
    assert picture_links(content_of(user.complete(plugin.AUTO_MODEL, "a fox")))


def test_a_label_that_is_too_long_is_a_wrong_address(
    user: Client, gateway: Gateway, valves: Any
) -> None:
    for host in ("a" * 64, f"{'é' * 60}.org"):
        valves(GEMINI_API_BASE_URL=f"https://{host}.example.org")
        content = content_of(user.complete(plugin.AUTO_MODEL, "a fox"))
        assert "The base URL that is set for the Gemini API is not" in content


# -- the key -------------------------------------------------------------------------

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "percent-encoded": lambda text: quote(text, safe=""),
    "percent-encoded in full": lambda text: "".join(f"%{ord(s):02x}" for s in text),
    "as HTML": lambda text: "".join(f"&#{ord(sign)};" for sign in text),
    "as HTML in hex": lambda text: "".join(f"&#x{ord(sign):X};" for sign in text),
    "as JSON": lambda text: "".join(f"\\u{ord(sign):04x}" for sign in text),
}


def nested(text: str) -> str:
    """An error within an error, as one gateway passes on what another one sent."""
    inner = json.dumps({"error": {"message": text}}).replace("*", "\\u002a")
    return json.dumps({"error": {"message": f"Relay: {inner}"}})


def searched(text: str) -> bytes:
    page = {"uri": f"https://x.example/{text}", "title": f"Of {text}"}
    found = {
        "webSearchQueries": [f"about {text}"],
        "groundingChunks": [{"web": page}],
        "searchEntryPoint": {"renderedContent": f"<div title='{text}'>{text}</div>"},
    }
    return event(PICTURE, groundingMetadata=found)


PLACES: dict[str, Callable[[str], Reply]] = {
    "words": lambda key: Reply([event({"text": f"It is {key}."}), DONE]),
    "words in pieces": lambda key: Reply(
        [
            event({"text": f"It is {key[:13]}"}),
            event({"text": key[13:29]}),
            event({"text": f"{key[29:]}."}),
            DONE,
        ]
    ),
    "words of several": lambda key: Reply([event({"text": f"It is {key}."}), DONE]),
    "thoughts": lambda key: Reply([event({"text": f"{key}?", "thought": True}), DONE]),
    "an error": lambda key: failing(f"The key {key} is bad."),
    "an error's names": lambda key: Reply(
        [json.dumps({"error": {"message": "No.", "status": key}}).encode()], 400
    ),
    "an error in an error": lambda key: failing(f"Relay: {nested(key)}"),
    "an error as text": lambda key: Reply([f"bad key {key}".encode()], 400),
    "an error as a page": lambda key: Reply([f"<p>bad key {key}</p>".encode()], 400),
    "an error in a stream": lambda key: Reply(
        [framed({"error": {"code": 400, "message": f"The key {key} is bad."}})]
    ),
    "a refusal": lambda key: Reply(
        [event(finishReason="IMAGE_SAFETY", finishMessage=f"Not with {key}.")]
    ),
    "a reason": lambda key: Reply([event(finishReason=f"NOT {key}")]),
    "a blocked prompt": lambda key: Reply(
        [
            framed(
                {
                    "promptFeedback": {
                        "blockReason": "OTHER",
                        "blockReasonMessage": f"Not with {key}.",
                    }
                }
            )
        ]
    ),
    "a search": lambda key: Reply([searched(key)]),
    "a redirect": lambda key: Reply(
        [], 302, {"Location": f"https://{key.replace('/', '.')}.example.org/{key}"}
    ),
    "a header": lambda key: Reply([], 429, {"Retry-After": key}),
}


def readings(text: str) -> Iterator[str]:
    """What a text may be read as, by a page or a person."""
    for read in (str, unquote, html.unescape):
        plain = read(text)
        yield plain
        yield re.sub(r"\\*u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), plain)


def without_signs(text: str) -> str:
    """The letters and digits, as they stand."""
    return re.sub(r"[^A-Za-z0-9]", "", text).lower()


def assert_hidden(text: str, where: str, key: str = KEY) -> None:
    for reading in readings(text):
        assert key not in reading, where
        assert without_signs(key) not in without_signs(reading), where


@pytest.mark.parametrize("place", PLACES)
def test_nobody_reads_the_key_in_an_answer(
    user: Client, gateway: Gateway, valves: Any, user_valves: Any, place: str
) -> None:
    user_valves(SHOW_THOUGHTS="on", GOOGLE_SEARCH="on")
    flags = " --n 2" if place == "words of several" else ""
    failed = []
    chat = user.new_chat(plugin.AUTO_MODEL)
    chat.ask("a fox")  # failures are held back in a new chat
    for spelling, spelled in SPELLINGS.items():
        reply = PLACES[place](spelled(KEY))
        gateway.answer = lambda model, reply=reply: reply
        answer = chat.ask(f"a fox{flags}")
        try:
            assert answer.content
            assert_hidden(json.dumps(answer.raw), spelling)
        except AssertionError:
            failed.append(f"{spelling}: {json.dumps(answer.raw)[:1500]}")
    assert not failed, "\n".join(failed)


def test_nobody_reads_the_key_in_the_list_of_models(
    admin: Client, gateway: Gateway, valves: Any
) -> None:
    for spelling, spelled in SPELLINGS.items():
        key = spelled(KEY)
        gateway.models = listing(
            {"name": f"models/{IMAGE}", "displayName": f"Banana {key}"},
            f"gemini-{key}-image",
        )
        valves(GEMINI_API_BASE_URL=f"{gateway.url}/{next(_number)}")
        models = admin.models(prefix=f"{plugin.FUNCTION_ID}.")
        assert f"{plugin.FUNCTION_ID}.{IMAGE}" in {model["id"] for model in models}
        assert_hidden(json.dumps(models), spelling)


# -- the page ------------------------------------------------------------------------

FETCHING = """
<script>new Image().src = "{url}/script"; top.document.title = "mine"</script>
<img src="{url}/image"><img srcset="{url}/srcset 2x"><video poster="{url}/poster"></video>
<meta http-equiv="refresh" content="0; url={url}/refresh">
<link rel="preconnect" href="{url}"><link rel="stylesheet" href="{url}/style">
<link rel="prefetch" href="{url}/prefetch"><base href="{url}/">
<style>@import "{url}/import"; body {{ background: url("{url}/background") }}
@font-face {{ font-family: a; src: url("{url}/font") }} p {{ font-family: a }}</style>
<iframe src="{url}/frame"></iframe><object data="{url}/object"></object>
<embed src="{url}/embed"><svg><image href="{url}/svg"/><script>fetch("{url}/s")</script>
<use href="{url}/use#a"/></svg><audio src="{url}/audio" autoplay></audio>
<input type="image" src="{url}/input"><body background="{url}/body" onload="fetch('{url}/on')">
<form action="{url}/form"><input autofocus onfocus="this.form.submit()"></form>
<p>{words}</p>
"""


def settle(page: ChatPage) -> None:
    """Let the page draw what it has, and begin what follows from that."""
    for _ in range(3):
        page.page.evaluate("() => new Promise(done => requestIdleCallback(done))")


def visits(page: ChatPage, url: str, path: str) -> None:
    """Make the page ask for a path: what it was told before it has asked for before."""
    settle(page)
    page.page.evaluate("url => fetch(url, {mode: 'no-cors'})", f"{url}/{path}")


def test_the_suggestions_of_a_search_fetch_and_run_nothing(
    user_page: ChatPage, gateway: Gateway, user_valves: Any
) -> None:
    user_valves(GOOGLE_SEARCH="on")
    with open_website("x") as website:
        page = FETCHING.format(url=website.url, words="red fox winter coat")
        found = {"searchEntryPoint": {"renderedContent": page}}
        gateway.answer = lambda model: Reply([event(PICTURE, groundingMetadata=found)])
        user_page.open(plugin.AUTO_MODEL)
        user_page.send("a fox")
        user_page.wait_for_pictures()
        frame = user_page.page.frame_locator("iframe").first
        frame.get_by_text("red fox winter coat").first.wait_for()
        visits(user_page, website.url, "control")
        assert website.seen == ["/control"]
        assert user_page.page.title() != "mine"


TOKENS = "{{%s_FILE_ID_0123abcd-0000-4000-8000-000000000000}}"
IN_PIECES = {
    "whole": lambda token: [token],
    "in two pieces": lambda token: [token[:1], token[1:]],
    "behind a brace": lambda token: ["{" + token],
    "behind a brace, in pieces": lambda token: ["{", token[:1], token[1:]],
    "behind 64 braces": lambda token: ["{" * 64, token],
    "behind 65 braces": lambda token: ["{" * 65, token],
}


def test_words_put_no_file_of_the_host_into_the_page(
    user_page: ChatPage, gateway: Gateway
) -> None:
    pieces: list[bytes] = []
    for split in IN_PIECES.values():
        for kind in ("HTML", "VIDEO"):
            pieces += [event({"text": t}) for t in split(TOKENS % kind)]
            pieces.append(event({"text": "\n\n"}))
    gateway.answer = lambda model: Reply([*pieces, DONE])
    user_page.open(plugin.AUTO_MODEL)
    user_page.send("a fox")
    user_page.wait_for_pictures()
    settle(user_page)
    words = user_page.page.locator("#messages-container").inner_text()
    shown = user_page.page.locator("#messages-container").locator("iframe, video, file")
    assert shown.count() == 0
    assert words.count("FILE_ID_0123abcd") == 2 * len(IN_PIECES)


def test_words_load_no_picture_of_another_website(
    user_page: ChatPage, gateway: Gateway
) -> None:
    with open_website("x") as website:
        url = website.url
        pieces = ["!", f"[a]({url}/1) ", f"!![a]({url}/2) !", "!", f"[a]({url}/3) <"]
        pieces += [f'img src="{url}/4"> <', "details type='reasoning'><summary>x</"]
        pieces += [
            f"summary>\n\n![a][b]\n\n[b]: {url}/5\n\n",
            f"<!--><img src={url}/6>",
        ]
        gateway.answer = lambda model: Reply(
            [*(event({"text": t}) for t in pieces), DONE]
        )
        user_page.open(plugin.AUTO_MODEL)
        user_page.send("a fox")
        user_page.wait_for_pictures()
        visits(user_page, url, "control")
        assert website.seen == ["/control"]
