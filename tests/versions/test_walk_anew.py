"""Each host is asked anew what it hands to a pipe, so that a new key is seen."""

from __future__ import annotations

from pathlib import Path

from dev.host import plugin
from dev.host.client import notes_of
from dev.host.recording import recorder
from dev.host.situations import SITUATIONS, Stage
from dev.host.walking import keys
from dev.host.watched import WatchedHost
from tests.fast.walked import known

# Those that take no settings of the host.
WALKED = {
    "plain, with tasks",
    "attached picture",
    "parameters that nobody has set",
    "chat controls",
    "preset",
    "API, parameters",
}
LEFT_OUT = "These settings do not apply to pictures"


def test_no_host_hands_over_what_nobody_has_looked_at(
    on: WatchedHost, tmp_path: Path
) -> None:
    with recorder(on.admin, tmp_path / "calls.jsonl") as record:
        stage = Stage(on.admin, on.user, record.model)
        walked = [s for s in SITUATIONS if s.name in WALKED]
        assert len(walked) == len(WALKED)
        for situation in walked:
            situation.play(stage)
            wanted = [call for call in record.calls() if not call["task"]]
            assert wanted, situation.name
            found = {key for call in wanted for key in keys(call)}
            assert sorted(found - known()) == [], situation.name


def test_settings_that_are_left_out_are_named_once_in_a_chat(on: WatchedHost) -> None:
    chat = on.user.new_chat(plugin.AUTO_MODEL)
    notes = [
        notes_of(chat.ask(words, params={"temperature": 0.3, "seed": 7}))
        for words in ("a red fox", "make it blue")
    ]
    assert [len(said) for said in notes] == [1, 0]
    assert LEFT_OUT in notes[0][0]
    assert "`seed`, `temperature`" in notes[0][0]
    assert notes_of(on.user.new_chat(plugin.AUTO_MODEL).ask("a red fox")) == []
