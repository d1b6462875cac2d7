"""`python3 dev verify`: the stand-in agrees, money is asked for, keys stay secret."""

import contextlib
import io
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image, ImageDraw
from rows import check_rows
from traffic import posts

import gemini_image_pipe as gip
from dev import environment, verify
from dev.console import Failure
from dev.environment import ROOT
from dev.standin import DEFAULT_KEY, StandIn, make_account, pictures
from dev.standin.cloud import PROJECT
from dev.verify import facts
from dev.verify.facts import FACTS, FAILED, HELD, NOT_TRIED, OPEN, Fact, Finding
from dev.verify.google import Google, Reply, shortened

# Of no form that would be masked by itself.
KEY = "own-secret-of-a-contributor"


# One fact of each kind, since those of a kind read answers alike.
KINDS = {
    (fact.probe.__code__, bool(fact.sample) and fact.expected): fact for fact in FACTS
}


@pytest.fixture(scope="module")
def google_settings() -> dict[str, Any]:
    return {"key": KEY}


def run(base: str, out: Path, key: str = KEY, **options: Any) -> tuple[int, Any]:
    """The exit code, and the rows of the file by fact."""
    table = options.pop("table", None)
    code = verify.Verification(Google(f"{base}/v1beta", key), out, table).run(**options)
    rows = json.loads(out.read_text())["facts"]
    return code, {row["fact"]: row for row in rows}


def verdicts(rows: Any) -> set[str]:
    return {row["verdict"] for row in rows.values()}


def answering(monkeypatch: pytest.MonkeyPatch, text: str | None) -> list[str]:
    """What is asked at the keyboard; None answers with the end of the input."""
    asked: list[str] = []

    def answer(question: str = "") -> str:
        asked.append(question)
        if text is None:
            raise EOFError
        return text

    monkeypatch.setattr("builtins.input", answer)
    return asked


# -- the stand-in agrees --------------------------------------------------------------


class Run(NamedTuple):
    """What a run came to: the exit code, the rows, all that it showed and wrote, how
    many pictures it had made, and what they cost."""

    code: int
    rows: Any
    shown: str
    pictures: int
    dollars: float


@pytest.fixture(scope="module")
def everything(shared_google: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run, to which somebody said yes."""
    shared_google.reset()
    out = tmp_path_factory.mktemp("verify") / "answers.json"
    shown = io.StringIO()
    with (
        contextlib.redirect_stdout(shown),
        contextlib.redirect_stderr(shown),
        pytest.MonkeyPatch.context() as patch,
    ):
        answering(patch, "y")
        code, rows = run(shared_google.url, out)
    written = out.read_text()
    dollars = json.loads(written)["dollars"]
    made = len(shared_google.sent_images)
    return Run(code, rows, shown.getvalue() + written, made, dollars)


def test_each_fact_holds_at_the_stand_in(everything: Run) -> None:
    def check(name: str) -> None:
        row = everything.rows[name]
        assert row["verdict"] == HELD, row["said"]
        assert row["said"]

    check_rows([(fact.name,) for fact in FACTS], check)


def test_when_all_holds_the_exit_code_is_zero(everything: Run) -> None:
    assert everything.code == 0


def test_a_disagreement_is_shown_and_counts(
    google: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with StandIn(key=KEY, extra_models={"gemini-9-image": "Nano Banana 9"}) as newer:
        code, rows = run(newer.url, tmp_path / "a.json", free=True)
    assert code == 1
    row = rows["image models in the list"]
    assert row["verdict"] == FAILED
    assert "doubtful: gemini-9-image (generateContent" in row["said"]
    assert f"{FAILED} image models in the list" in capsys.readouterr().out


def test_a_label_that_is_drawn_is_seen(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lettered(prompt: str, source: bytes, size: tuple[int, int], mime: str) -> bytes:
        with Image.open(io.BytesIO(source)) as opened:
            image = opened.convert("RGB").resize(size)
        ImageDraw.Draw(image).text((20, 20), "Picture 2", "white")
        return pictures.encode(image, mime)

    monkeypatch.setattr(pictures, "edit_picture", lettered)
    [label, *_] = [f for f in FACTS if f.name.endswith("labels of pictures")]
    table = [FACTS[0], label]  # the first shows that the key works
    code, rows = run(google.url, tmp_path / "a.json", table=table, yes=True)
    assert code == 1 and rows[label.name]["verdict"] == FAILED


# -- Vertex AI ------------------------------------------------------------------------


def test_each_fact_of_vertex_holds_at_the_stand_in(
    google: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    account = make_account(google.url)
    google.cloud.enrol(account)
    file, out = tmp_path / "account.json", tmp_path / "answers.json"
    file.write_text(account.text)
    monkeypatch.setattr(environment, "enter", lambda arguments: None)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    monkeypatch.delenv("GOOGLE_CLOUD_LOCATION", raising=False)
    arguments = ["--vertex", "--yes", "--base-url", google.url, "--out", str(out)]
    assert verify.main(arguments) == 0
    rows = json.loads(out.read_text())["facts"]
    assert {row["verdict"] for row in rows} == {HELD}
    assert [row["fact"] for row in rows] == [fact.name for fact in facts.VERTEX_FACTS]
    assert "ya29." not in "".join(capfd.readouterr()) + out.read_text()
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none"))
    monkeypatch.setattr(gip, "TOKENS", gip.TokenStore())
    assert verify.main(arguments) == 2
    assert "GOOGLE_APPLICATION_CREDENTIALS" in capfd.readouterr().err


# -- money ----------------------------------------------------------------------------


def test_the_table_costs_a_dollar_at_most_whatever_google_answers() -> None:
    assert len({fact.name for fact in FACTS}) == len(FACTS)
    expected = [fact for fact in FACTS if not fact.refused]
    assert 0.3 < verify.estimate_of(expected) <= verify.MAX_DOLLARS


def test_never_more_than_a_dollar_is_asked_for_or_spent(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, "y")
    table = [Fact("free", "", "", _spending(0))]
    table += [Fact(f"{n}", "", "", _spending(0.3), 0.3) for n in range(5)]
    _, rows = run(google.url, tmp_path / "a.json", table=table)
    assert asked == [f"\nAbout ${verify.MAX_DOLLARS:.2f} at most; go on? [y/N] "]
    assert [name for name in rows if rows[name]["verdict"] == NOT_TRIED] == ["3", "4"]


def test_the_free_run_sends_nothing_that_is_billed(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, "y")
    code, rows = run(google.url, tmp_path / "a.json", free=True)
    assert code == 0 and not asked and posts(google)
    assert all(record.status != 200 for record in posts(google))
    assert not google.sent_images
    assert verdicts(rows) == {HELD, NOT_TRIED}
    paid = [fact.name for fact in FACTS if not fact.is_free]
    assert [name for name in rows if rows[name]["verdict"] == NOT_TRIED] == paid


@pytest.mark.parametrize("text", ["", "no", None])
def test_without_a_yes_nothing_is_spent(
    text: str | None,
    google: StandIn,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = answering(monkeypatch, text)
    code, rows = run(google.url, tmp_path / "a.json")
    assert code == 0
    assert len(asked) == 1
    assert re.search(r"About \$0\.\d\d at most; go on\? \[y/N\]", asked[0])
    assert all(record.status != 200 for record in posts(google))
    assert NOT_TRIED in verdicts(rows)


def test_a_yes_makes_each_picture_once(everything: Run) -> None:
    # One of each model for all that is looked at, and one beside its labels.
    assert everything.pictures == 2 * len(gip.CURRENT_MODELS)
    paid = [fact for fact in FACTS if not fact.is_free]
    assert 0.2 < everything.dollars < verify.estimate_of(paid)


def _spending(dollars: float, verdict: str = HELD) -> facts.Probe:
    def probe(google: Google) -> Finding:
        google.key_works = True
        google.spent += dollars
        return Finding(verdict, "said")

    return probe


def test_nothing_is_sent_once_the_estimate_is_used_up(
    google: StandIn, tmp_path: Path
) -> None:
    table = [
        Fact("free", "", "", _spending(0)),
        Fact("dear", "", "", _spending(0.15), 0.1),
        Fact("next", "", "", _spending(0.1), 0.1),
    ]
    code, rows = run(google.url, tmp_path / "a.json", table=table, yes=True)
    assert [row["verdict"] for row in rows.values()] == [HELD, HELD, NOT_TRIED]
    assert rows["next"]["said"] == "not tried: the estimate is used up"
    assert code == 0


def test_what_is_not_refused_for_free_is_asked_again_for_money(
    google: StandIn, tmp_path: Path
) -> None:
    limits: list[bool] = []

    def probe(google: Google) -> Finding:
        limits.append(google.limited)
        google.key_works = True
        return Finding(FAILED, "200")

    table = [Fact("a", "refused", "", probe, 0.04, refused=True)]
    code, rows = run(google.url, tmp_path / "a.json", table=table, free=True)
    assert (code, limits) == (1, [True])
    assert rows["a"]["verdict"] == OPEN
    assert rows["a"]["said"] == "200 (with room for one token)"
    code, rows = run(google.url, tmp_path / "a.json", table=table, yes=True)
    assert (code, limits) == (1, [True, True, False])
    assert rows["a"]["verdict"] == FAILED


def test_a_picture_in_spite_of_the_limit_ends_the_free_trials(tmp_path: Path) -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    answer = {"candidates": [{"content": {"parts": [picture]}}]}
    table = [fact for fact in FACTS if fact.refused]
    with gateway(json.dumps(answer).encode()) as (url, requests):
        code, rows = run(url, tmp_path / "a.json", table=table, free=True)
    assert code == 1
    assert len(requests) == 1
    *_, last = rows.values()
    assert last["said"].startswith("not tried: a picture was made in spite of")


def test_a_key_that_is_refused_is_not_asked_for_money(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, "y")
    code, rows = run(google.url, tmp_path / "a.json", "stand-in-key-leaked")
    assert code == 1 and not asked
    assert FAILED not in verdicts(rows)


def test_a_key_without_quota_leaves_the_pictures_open(
    google: StandIn, tmp_path: Path
) -> None:
    table = [fact for fact in FACTS if fact.sample or "list" in fact.name]
    out = tmp_path / "a.json"
    code, rows = run(google.url, out, "stand-in-key-free", table=table, yes=True)
    assert code == 1
    assert verdicts(rows) == {HELD, OPEN}
    assert "429 RESOURCE_EXHAUSTED" in rows[f"{facts.NB_PRO}: pixels"]["said"]


# -- secrets --------------------------------------------------------------------------


def test_the_key_stands_nowhere(everything: Run) -> None:
    text = everything.shown
    assert f"{HELD} wrong key" in text and '"fact": "wrong key"' in text
    assert KEY not in text
    assert KEY not in repr(Google("http://127.0.0.1", KEY))


@pytest.mark.parametrize("before", [0, 270, 380])
def test_a_key_that_comes_back_is_masked_also_where_texts_are_cut(
    before: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    message = f"{'x ' * (before // 2)}{KEY} and {KEY}\x1b[31m"
    error = {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}
    with gateway(json.dumps(error).encode(), status=400) as (url, _):
        run(url, tmp_path / "a.json", table=KINDS.values(), free=True)
    shown = capfd.readouterr()
    text = shown.out + shown.err + (tmp_path / "a.json").read_text()
    assert KEY[:10] not in text
    assert "\x1b" not in text


def test_what_an_address_holds_besides_the_host_is_not_shown(tmp_path: Path) -> None:
    assert Google("http://me:word@host:81/x/v1", KEY).address == "http://host:81/x/v1"


# -- odd answers ----------------------------------------------------------------------


@contextlib.contextmanager
def gateway(
    body: bytes, kind: str = "application/json", status: int = 200
) -> Iterator[tuple[str, list[str]]]:
    """A server that answers everything alike; its address, and what was asked."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            requests.append(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("place", ["html", "empty", "moved"])
def test_what_is_no_api_leaves_every_fact_open(
    place: str, google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answering(monkeypatch, "y")
    code, rows = run(f"{google.url}/{place}", tmp_path / "a.json")
    assert code == 1 and not asked
    assert verdicts(rows) == {OPEN, NOT_TRIED}
    assert not google.elsewhere, "a redirect was followed, key and all"


ODD = (
    b"",
    b"null",
    b"[]",
    b"7",
    b'"text"',
    b"[" * 20_000,
    b"data: {",
    b"\xff\xfe\x00",
    b'{"models": [1, null, {"name": 5}], "error": 3}',
    b'{"models": {"a": 1}, "inputTokenLimit": {}}',
    b'{"candidates": 5, "usageMetadata": 5}',
    b'{"candidates": [{"content": {"parts": [3, {"inlineData": "x"}]}}]}',
    b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": 1}}]}}],'
    b' "usageMetadata": {"candidatesTokensDetails": 5, "promptTokenCount": "x"}}',
    b'{"error": "text"}',
    b'{"error": {"message": "\\ud800", "code": [], "details": 9}}',
    b'{"detail": [{"msg": "no"}]}',
)


def test_an_odd_answer_never_ends_the_run(tmp_path: Path) -> None:
    def check(body: bytes, status: int) -> None:
        with gateway(body, status=status) as (url, _):
            code, rows = run(url, tmp_path / "a.json", table=KINDS.values(), yes=True)
        assert code == 1
        assert 12 < len(rows) == len(KINDS)

    check_rows(itertools.product(ODD, (200, 400)), check)


def test_connections_that_are_dropped_leave_facts_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drop() -> None:
            with contextlib.suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=drop, daemon=True).start()
        port = listener.getsockname()[1]
        code, rows = run(f"http://127.0.0.1:{port}", tmp_path / "a.json", yes=True)
        listener.shutdown(socket.SHUT_RDWR)
    assert code == 1
    assert verdicts(rows) == {OPEN, NOT_TRIED}
    said = [row["said"] for row in rows.values() if row["said"]]
    assert said[0] == "no answer (ConnectionError)"
    assert said[-1] == "not tried: no answer 5 times in a row"


def test_stopping_keeps_what_was_answered(google: StandIn, tmp_path: Path) -> None:
    def stop(google: Google) -> Finding:
        raise KeyboardInterrupt

    table = [Fact("a", "", "", _spending(0)), Fact("b", "", "", stop)]
    with pytest.raises(KeyboardInterrupt):
        run(google.url, tmp_path / "a.json", table=table)
    rows = json.loads((tmp_path / "a.json").read_text())["facts"]
    assert [row["verdict"] for row in rows] == [HELD, NOT_TRIED]


def test_a_file_that_cannot_be_written_is_a_sentence_before_anything_is_sent(
    google: StandIn, tmp_path: Path
) -> None:
    with pytest.raises(Failure, match=r"a\.json cannot be written: No such file"):
        run(google.url, tmp_path / "nowhere" / "a.json", yes=True)
    assert not google.requests


def test_long_strings_are_cut_and_their_length_told() -> None:
    assert shortened({"data": "A" * 5_000}) == {
        "data": f"{'A' * 24}… (5000 characters)"
    }
    assert shortened(["word " * 3]) == ["word word word "]


def test_a_line_ends_at_line_feeds_only() -> None:
    chunk = '{"candidates": [{"finishReason": "A\u2028B"}]}'
    reply = Reply(200, "text/event-stream", f"data: {chunk}\r\n\r\n".encode())
    assert reply.chunks == [json.loads(chunk)]


# -- the command ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "state"), [("", "is not set"), (" ", "is not set"), ("a b", "is no key")]
)
def test_without_a_key_a_sentence_and_exit_code_2(key: str, state: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "dev"), "verify", "--free"],
        env={**os.environ, "GEMINI_API_KEY": key},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"The environment variable GEMINI_API_KEY {state}.")
    assert not done.stdout


def test_the_command_takes_key_address_and_file(
    google: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "enter", lambda arguments: None)
    monkeypatch.setenv("GEMINI_API_KEY", f" {DEFAULT_KEY}\n")
    out = tmp_path / "a.json"
    code = verify.main(["--free", "--base-url", google.url, "--out", str(out)])
    assert code == 0
    assert json.loads(out.read_text())["address"] == f"{google.url}/v1beta"
    with pytest.raises(Failure, match="--base-url needs a web address"):
        verify.main(["--base-url", "ftp://x"])


def test_the_answers_are_not_committed_by_accident() -> None:
    assert verify.OUT.parent == ROOT
    assert f"/{verify.OUT.name}" in (ROOT / ".gitignore").read_text().splitlines()
