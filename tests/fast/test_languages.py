"""Each reader's language: which one it is, and that nothing in it is left untold."""

from __future__ import annotations

import asyncio
import base64
import re
import string
import types
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import picture, user, words
from rows import check_rows
from traffic import words_of

import gemini_image_pipe as gip
from dev.pages.manifest import PRODUCT, read_front_matter
from dev.pages.translations import translations
from dev.standin import DEFAULT_KEY, StandIn

CHINESE = gip.LANGUAGES[1]
MODEL = "gemini-nano-banana-2.1"


def tables() -> dict[str, gip.Texts]:
    """All that hold texts by language, whoever adds one."""

    def is_one(name: str, value: Any) -> bool:
        rows = value.values() if isinstance(value, dict) else ()
        is_public = name.isupper() and not name.startswith("_")
        return is_public and any(isinstance(r, dict) and "en" in r for r in rows)

    return {name: value for name, value in vars(gip).items() if is_one(name, value)}


def rows() -> Iterator[tuple[str, dict[str, str]]]:
    for name, table in tables().items():
        yield from ((f"{name}: {kind}", row) for kind, row in table.items())


def placeholders(text: str) -> list[tuple[str, str | None]]:
    """What is filled in, and how numbers are written."""
    found = string.Formatter().parse(text)
    return sorted((name, form) for _, name, form, _ in found if name is not None)


# ── Which language ───────────────────────────────────────────────────────────────────


def test_the_language_is_the_first_wish_that_is_one() -> None:
    def check(wishes: list[str], expected: str) -> None:
        assert gip.language_of(*wishes) == expected

    table: list[tuple[list[str], str]] = [
        *(
            (tag, CHINESE)
            for tag in ("zh", "zh-CN", "zh_CN", "zh-TW", "zh-HK", "ZH-cn")
        ),
        *((tag, CHINESE) for tag in ("zh-Hans-CN", "zh-Hant", " zh ")),
        *((tag, "en") for tag in ("en", "en-GB", "EN_us", "de", "zhx", "", "*", "?")),
        # Accept-Language, RFC 9110
        ("zh-CN,zh;q=0.9,en;q=0.8", CHINESE),
        ("en;q=0.8, zh-CN", CHINESE),
        ("de, zh;q=0.5, en;q=0.4", CHINESE),
        ("de, fr;q=0.5", "en"),
        ("en, zh", "en"),
        ("zh;q=0", "en"),
        ("zh ; q = 0.0, en", "en"),
        ("*;q=0.5, zh;q=0.1", CHINESE),
        (",,;q=1,;;,zh", CHINESE),
        ("zh;q=many", CHINESE),
        ("zh;Q=0.2, en;q=0.5", "en"),
        ("\0\n;=,", "en"),
        ("x" * 100_000 + ",zh", "en"),
        ("de," * 33_000 + "zh", "en"),
    ]
    wishes: list[tuple[list[str], str]] = [
        (["auto", "", "zh-CN"], CHINESE),
        (["auto", "en-US", "zh-CN"], "en"),
        (["Auto ", "zh-CN", "en"], CHINESE),
        (["en", "zh-CN", "zh"], "en"),
        (["zh-CN", "en-US", "en"], CHINESE),
        (["auto", "fr-FR", "zh"], "en"),  # a page in French is no page in Chinese
        ([], "en"),
    ]
    check_rows([([one], expected) for one, expected in table] + wishes, check)


@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_wish_is_some_language(wishes: list[str]) -> None:
    assert gip.language_of(*wishes) in gip.LANGUAGES


# ── All texts ────────────────────────────────────────────────────────────────────────


def test_every_text_is_there_in_every_language_with_the_same_placeholders() -> None:
    def check(_: str, row: dict[str, str]) -> None:
        assert row.keys() == set(gip.LANGUAGES)
        for text in row.values():
            assert bool(text) == bool(row["en"])
            assert text.count(" | ") == row["en"].count(" | ")
            assert placeholders(text) == placeholders(row["en"])

    assert len(tables()) >= 12
    check_rows(rows(), check)


def test_the_way_to_a_setting_names_the_function_as_the_host_lists_it() -> None:
    name = gip.FUNCTION_WORDS["name"]["en"]

    def check(_: str, row: dict[str, str]) -> None:
        for text in row.values():
            ways = re.findall(r"(?:Functions|函数) → (.*?) →", text)
            ways += re.findall(r"→ ([^→]*) → (?=[A-Z]+_)", text)
            assert {*ways} <= {name, f"{name} → Valves", "Valves", "配置项"}, ways

    check_rows(rows(), check)


# What stays as it is in every language: names, forms of files, what is typed.
NAMES = (
    *(
        "Open WebUI",
        "Gemini Image Pipe",
        "Gemini Image",
        "Google AI Studio",
        "Vertex AI with an API key",
        "Vertex AI project",
        "Vertex AI User",
        "Vertex AI",
        "Google Cloud",
        "Google",
        "Gemini",
        "Imagen",
    ),
    *("Nano Banana", "Generative Language API", "Python", "Pillow", "PySocks", "nginx"),
    *("JPEG", "WebP", "HEIC", "TIFF", "AVIF", "JSON", "HTTP", "SOCKS"),
    "Token",  # as the host's own pages in Chinese have it
    *("Accept-Language", "Authorization: Bearer"),
)
AS_TYPED = (
    r"`[^`]*`",  # code: ids, flags, names of settings
    r"\[[^]]*\]\(https?:[^)]*\)",  # what Google has looked for
    r"https?://\S*|/v1beta",
    r"\b[A-Z]+(?:_[A-Z]+)+\b",  # settings and variables of the environment
    r"\b[a-z]+(?:_[a-z]+)+\b",  # settings of web servers
    r"\b[a-z]+-[a-z0-9.*-]+",  # ids of models
)
LATIN_WORD = re.compile(r"[A-Za-z]{4,}")


def english_in(text: str, *known: str) -> list[str]:
    """The Latin words of four letters that are no names."""
    for pattern in AS_TYPED:
        text = re.sub(pattern, " ", text)
    for name in (*NAMES, *sorted(known, key=len, reverse=True)):
        text = text.replace(name, " ")
    return LATIN_WORD.findall(text)


def test_english_is_found_where_it_is_left() -> None:
    known = "Google 说：“gemini-3-pro-image” GEMINI_API_KEY `--ar` https://a.example/b"
    assert english_in(known) == []
    assert english_in(known + " was 保存 left out") == ["left"]


# For what the host's pages in Chinese have another word: Token, 接口地址, 对话, 用户组,
# 配置项, 追问. Readers look for it there.
NOT_THE_HOSTS = ("词元", "基础地址", "聊天", "权限组", "阀门", "后续建议")

CHOICES = {choice for option in gip.OPTIONS for choice in option.choices}
SETTINGS = {*gip.Pipe.Valves.model_fields, "auto", "files", "inline", *CHOICES}
SETTINGS.add("global")


def test_no_english_is_left_in_any_chinese_text() -> None:
    def check(name: str, row: dict[str, str]) -> None:
        text = re.sub(r"\{\w+(?::[^}]*)?\}", " ", row[CHINESE])
        text = text.replace("名称: 值", " ")  # as a header is written
        is_of_settings = "VALVE" in name or name == "PHRASES: option"
        assert english_in(text, *SETTINGS if is_of_settings else ()) == []
        # Half-width signs stand between Latin letters only.
        assert not re.search(r"[\u4e00-\u9fff][,;:?!]|[,;:?!](?=[\u4e00-\u9fff])", text)
        no_code = re.sub(r"\(`[^`]*`\)|`[^`]*`", " ", text)
        assert not re.search(r"[()]|(?<!…)…(?!…)", no_code)
        assert not [word for word in NOT_THE_HOSTS if word in text]
        # Pages that make links of addresses would take Chinese signs into them.
        assert not re.search(r"https?://[^\s`]+[\u3000-\uffef]", text)

    check_rows(rows(), check)


# ── Sentences ────────────────────────────────────────────────────────────────────────

note = gip.make_note
# One value of each that is filled in, as the plugin would.
VALUES: dict[str, Any] = {
    **{name: gip.name_of(MODEL) for name in ("model", "asked")},
    **{
        "who": "gw.io (nginx)",
        "host": "gw.io",
        "target": "b.io",
        "status": note("in_brackets", text="HTTP 503"),
    },
    **dict.fromkeys(("seconds", "elapsed", "count", "limit", "made", "number"), 7),
    **{"width": 64, "height": 64, "price": 0.1, "date": "2027-01-31", "id": MODEL},
    **{"available": note("available", models=(gip.name_of(MODEL),) * 2)},
    **{"region": note("region"), "problem": note("header_line", number=2)},
    **{"variable": "SSL_CERT_FILE", "limit_name": "client_max_body_size"},
    **{"budget": "$5.00", "left": "$0.02", "amount": "$0.05", "zone": "CST"},
    **{"waited": note("waited", seconds=7), "whose": note("own_pictures")},
    **{
        "what": note("image_size"),
        "name": note("numbered_picture", number=2, name="猫"),
    },
    **{"form": note("this_form"), "got": "4:3", "option": "--ar", "choices": "1:1"},
    **{
        "names": "`seed`",
        "queries": "[猫](https://a.io)",
        "pages": "[猫](https://a.io)",
    },
    **{
        "where": "",
        "reason": note("storage_failed"),
        "why": note("made_none", model="猫"),
    },
    **{
        "ratio": "1:1",
        "size": "2K",
        "auto": "1K",
        "description": "猫。",
        "models": "猫",
    },
    **{
        "all": 9,
        "which": tuple(
            note(kind, end="ab12", why=note(why))
            for kind in ("resting_key", "hidden_key")
            for why in sorted(gip.PHRASES)
            if why.startswith("rests_")
        ),
    },
}


def test_every_failure_note_and_status_is_all_chinese() -> None:
    def check(text: str) -> None:
        assert re.search(r"[\u4e00-\u9fff]", text)
        assert english_in(text) == []
        assert "(HTTP" not in text
        assert "  " not in text

    def said() -> Iterator[tuple[str]]:
        for own_key in (False, True):
            reader = gip.Reader(CHINESE, sees_ids=own_key, own_key=own_key)
            for kind in gip.FAILURES:
                for values in (VALUES, {}):
                    yield from zip(gip.failure_sentences(kind, values, reader))
            for kind in gip.NOTES | gip.STATUSES:
                yield (gip.sentence(note(kind, **VALUES), reader),)

    check_rows(said(), check)


def test_what_is_composed_reads_as_if_it_were_written() -> None:
    def check(composed: gip.Note, english: str, chinese: str) -> None:
        assert gip.sentence(composed, gip.Reader("en")) == english
        assert gip.sentence(composed, gip.Reader(CHINESE)) == chinese

    one, three = gip.pictures_note(1), gip.pictures_note(3)
    large = note("in_size", what=three, size="4K")
    priced = note("pictures_priced", what=three, usd="$0.10")
    spent = note("spent_month", what=priced)
    check_rows(
        [
            (
                note("question_title", what=one),
                "Make 1 picture?",
                "要生成 1 张图片吗？",
            ),
            (
                note("question_title", what=large),
                "Make 3 pictures in 4K?",
                "要生成 3 张图片（4K）吗？",
            ),
            (
                spent,
                "This month: 3 pictures, about $0.10.",
                "本月：3 张图片，约 $0.10。",
            ),
        ],
        check,
    )


def test_a_failure_is_told_with_the_brackets_of_its_language() -> None:
    def check(language: str, brackets: str) -> None:
        status = note("in_brackets", text="HTTP 418")
        error = gip.GeminiError("http", status=status, details="TEAPOT", host="a.io")
        said = gip.failure_text(error, gip.Reader(language), for_admin=True)
        before, after = brackets.split(".")
        assert f"{before}HTTP 418{after}" in said
        assert said.endswith(f"{before}TEAPOT{after}")

    check_rows([("en", " (.)"), (CHINESE, "（.）")], check)


# ── In a chat ────────────────────────────────────────────────────────────────────────


class Chat:
    """A chat in which somebody reads Chinese, and what the plugin has said in it."""

    def __init__(self, google: StandIn, **valves: Any) -> None:
        settings = {"GEMINI_API_KEY": DEFAULT_KEY, "GEMINI_API_BASE_URL": google.url}
        self.pipe = gip.Pipe()
        self.pipe.valves = self.pipe.Valves(**{**settings, **valves})
        self.statuses: list[str] = []

    async def __call__(self, event: dict[str, Any]) -> None:
        self.statuses.append(event["data"].get("description", ""))

    def ask(self, *messages: Any, model: str = MODEL, page: str = CHINESE) -> list[str]:
        """What is no picture and no word of the model: failures, notes, statuses."""
        body = {"model": f"x.{model}", "messages": list(messages)}
        metadata = {"variables": {"{{USER_LANGUAGE}}": page}}
        answer = self.pipe.pipe(
            body, {"id": "1"}, __metadata__=metadata, __event_emitter__=self
        )
        lines = words_of(asyncio.run(answer)).splitlines()
        marks = (gip.FAILURE_MARK, gip.NOTE_MARK)
        return [line for line in lines if line.startswith(marks)] + self.statuses


def pattern_of(text: str) -> str:
    """What a row reads like with anything in its placeholders."""
    return ".*".join(re.escape(part) for part, *_ in string.Formatter().parse(text))


def assert_said(said: list[str], row: dict[str, str]) -> None:
    """The row stands there in Chinese; English are Google's own words alone."""
    text = row[CHINESE].partition(" | ")[0]
    assert any(re.search(pattern_of(text), line) for line in said), said
    for line in said:
        ours = re.sub(r"(?<=\*\* )“.*” ", " ", line)
        assert english_in(ours, "Banana From The Future") == [], line


BLANK = "data:image/png;base64,"
SVG = "data:image/svg+xml;base64,PHN2Zy8+PHN2Zy8+"
FAILURES: list[tuple[str, str, dict[str, Any]]] = [
    ("key_missing", "", {"GEMINI_API_KEY": ""}),
    ("key_own", "", {"REQUIRE_USER_KEY": True}),
    (
        "vertex_key_own",
        "",
        {"REQUIRE_USER_KEY": True, "BACKEND": "Vertex AI project"},
    ),
    ("key_malformed", "", {"GEMINI_API_KEY": "clé"}),
    *(
        (kind, "", {"GEMINI_API_KEY": f"stand-in-key-{name}"})
        for kind, name in (
            ("key_refused", "invalid"),
            ("key_expired", "expired"),
            ("key_leaked", "leaked"),
            ("key_type", "oauth"),
            ("key_restricted", "restricted"),
            ("api_disabled", "disabled"),
            ("region", "location"),
            ("quota_zero", "free"),
            ("quota_prepaid", "prepaid"),
            ("quota_day", "day"),
            ("quota_minute", "minute"),
            ("no_models", "text-only"),
        )
    ),
    *(
        (kind, f"[[{directive}]]", {})
        for kind, directive in (
            ("billing", "error billed users"),
            ("too_large", "error too large"),
            ("input_picture", "error image"),
            ("no_signature", "finish MISSING_THOUGHT_SIGNATURE"),
            ("capacity", "429 bare"),
            ("request", "error invalid"),
            ("internal", "status 500"),
            ("overloaded", "status 503"),
            ("gateway_timeout", "status 504"),
            ("gateway_down", "status 502"),
            ("web_page", "error sign in"),
            ("prompt_blocked", "block PROHIBITED_CONTENT"),
            ("picture_safety", "finish IMAGE_SAFETY"),
            ("picture_prohibited", "finish IMAGE_PROHIBITED_CONTENT"),
            ("picture_recitation", "finish IMAGE_RECITATION"),
            ("picture_failed", "finish SOMETHING_NEW"),
            ("cut_off", "finish MAX_TOKENS"),
            ("no_picture", "text only"),
            ("empty", "empty parts"),
            ("picture_elsewhere", "elsewhere"),
            ("bad_picture", "bad picture"),
            ("unreadable", "deep json"),
            ("broken_off", "cut"),
            ("no_answer", "reset 0"),
        )
    ),
    ("timeout", "[[wait 3]]", {"REQUEST_TIMEOUT": 1}),
    ("base_url", "", {"GEMINI_API_BASE_URL": "example"}),
    ("no_connection", "", {"GEMINI_API_BASE_URL": "http://127.0.0.1:1"}),
    ("gateway_headers", "", {"GATEWAY_HEADERS": "none"}),
]


def test_failures_reach_a_chinese_page_in_chinese(google: StandIn) -> None:
    def check(kind: str, prompt: str, valves: dict[str, Any]) -> None:
        google.reset()
        said = Chat(google, MAX_RETRIES=0, **valves).ask(user(f"狐狸 {prompt}"))
        assert_said(said, gip.FAILURES[kind])

    check_rows(FAILURES, check)


GROUNDING = base64.b64encode(b'{"webSearchQueries": ["\xe7\x8c\xab"]}').decode()
ANSWERED: list[tuple[str, list[Any], str]] = [
    ("not_stored", [user("狐狸")], MODEL),
    ("successor", [user("狐狸")], "imagen-3.0-generate-002"),
    ("bad_option", [user("狐狸 --ar 1")], MODEL),
    ("count_cut", [user("狐狸 --n 99")], MODEL),
    ("nearest", [user("狐狸 --ar 8:1")], "gemini-2.5-flash-image"),
    ("draft", [user("狐狸 [[drafts only]]")], MODEL),
    ("elsewhere", [user("狐狸 [[elsewhere]]")], MODEL),
    ("searched", [user(f"狐狸 [[ground64 {GROUNDING}]]")], MODEL),
    ("sources", [user("狐狸 [[search]]")], MODEL),
    ("other_pixels", [user("狐狸 [[square]] --ar 16:9")], MODEL),
    ("remote", [user([words("狐狸"), picture("https://a.io/b.png")])], MODEL),
    ("broken", [user([words("狐狸"), picture(BLANK)])], MODEL),
    ("no_picture", [user([words("狐狸"), picture(SVG)])], MODEL),
    ("not_sent", [user([words("狐狸"), {"type": "input_audio"}])], MODEL),
    ("prompt_cut", [user("狐狸" * gip.MAX_MESSAGE_CHARACTERS)], MODEL),
]


def test_notes_reach_a_chinese_page_in_chinese(google: StandIn) -> None:
    def check(kind: str, messages: list[Any], model: str) -> None:
        google.reset()
        assert_said(Chat(google).ask(*messages, model=model), gip.NOTES[kind])

    check_rows(ANSWERED, check)


STATUSES: list[tuple[str, str, dict[str, Any]]] = [
    ("making", "", {}),
    ("making_several", "--n 2", {}),
    ("no_picture_made", "[[status 500]]", {"MAX_RETRIES": 0}),
    ("next_try", "[[fail 1]]", {"MAX_RETRIES": 1}),
    ("trying_again", "[[fail 1]]", {"MAX_RETRIES": 1}),
    ("made_none", "[[first 1 finish NO_IMAGE]]", {}),
]


def test_statuses_reach_a_chinese_page_in_chinese(
    google: StandIn, waits: list[float]
) -> None:
    def check(kind: str, prompt: str, valves: dict[str, Any]) -> None:
        google.reset()
        said = Chat(google, **valves).ask(user(f"狐狸 {prompt}"))
        assert_said(said, gip.STATUSES[kind])

    check_rows(STATUSES, check)


def test_the_setting_beats_the_page_and_the_page_what_a_program_accepts(
    google: StandIn,
) -> None:
    def check(setting: str, page: str, accepts: str, expected: str) -> None:
        chat = Chat(google, GEMINI_API_KEY="", LANGUAGE=setting)
        metadata = {"variables": {"{{USER_LANGUAGE}}": page}} if page else {}
        request = types.SimpleNamespace(headers={"accept-language": accepts})
        answer = chat.pipe.pipe(
            {"messages": [user("狐狸")]}, __request__=request, __metadata__=metadata
        )
        failure = gip.failure_text(gip.GeminiError("key_missing"), gip.Reader(expected))
        assert failure in words_of(asyncio.run(answer))

    check_rows(
        [
            ("en", "zh-CN", "zh", "en"),
            ("zh-CN", "en-US", "en", CHINESE),
            ("auto", "zh-CN", "en", CHINESE),
            ("auto", "en-US", "zh", "en"),
            ("auto", "", "zh-TW,en;q=0.5", CHINESE),
            ("auto", "", "", "en"),
            ("nonsense", "zh-CN", "zh", "en"),
        ],
        check,
    )


# ── In dialogues ─────────────────────────────────────────────────────────────────────


def test_the_import_file_names_every_setting_and_choice_in_chinese() -> None:
    [texts] = translations().values()
    assert list(translations()) == ["zh"]  # pages in zh-CN, zh-TW and zh-HK find it
    named = [("valves", gip.Pipe.Valves), ("user_valves", gip.Pipe.UserValves)]
    for dialogue, settings in named:
        schema = settings.model_json_schema()["properties"]
        for name, setting in schema.items():
            assert name in texts[f"{dialogue}.{name}.title"]
            assert texts[f"{dialogue}.{name}.description"] != setting["description"]
            for choice in setting.get("enum", ()):
                text = texts.get(f"{dialogue}.{name}.enum.{choice}", "")
                assert str(choice) in text or not LATIN_WORD.search(str(choice))
    known = {"name", "description", *texts}
    assert {key.partition(".")[0] for key in known} == {
        *("name", "description", "valves", "user_valves")
    }


def test_in_english_dialogues_say_what_the_file_says() -> None:
    front_matter = read_front_matter(PRODUCT.read_text())
    words_here = gip.FUNCTION_WORDS
    assert words_here["name"]["en"] == front_matter["title"]
    assert words_here["description"]["en"] == front_matter["description"]
    assert all(row["en"] == name for name, row in gip.VALVE_TITLES.items())
    assert gip.VALVE_TITLES.keys() == {
        *gip.Pipe.Valves.model_fields,
        *gip.Pipe.UserValves.model_fields,
    }


# ── One language more ────────────────────────────────────────────────────────────────


def test_another_language_is_one_more_column(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "LANGUAGES", (*gip.LANGUAGES, "de"))
    for _, row in rows():
        monkeypatch.setitem(row, "de", f"ß{row['en']}".replace(" | ", " | ß"))
    chat = Chat(google, MAX_RETRIES=0)
    [failure, *statuses] = chat.ask(user("fox [[status 500]]"), page="de-AT")
    assert failure.startswith(f"{gip.FAILURE_MARK}**ß") and " ßßPlease" in failure
    assert statuses and all("ß" in status for status in statuses)
    texts = translations()["de"]
    assert texts["valves.STORAGE.title"] == "ßSTORAGE"
    assert texts.keys() == translations()["zh"].keys()


def test_what_a_language_lacks_reads_in_english(
    google: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gip, "LANGUAGES", (*gip.LANGUAGES, "de"))
    [failure, *_] = Chat(google, GEMINI_API_KEY="").ask(user("fox"), page="de")
    assert "No Gemini API key is set." in failure
