"""Programs' connections: broken off, kept alive, and several at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from dev.host import plugin
from dev.host.client import Client, content_of, text_of
from dev.host.pictures import pictures_of
from dev.host.traffic import assert_hung_up, drawings, now, sent, under_way
from dev.host.watched import WatchedHost

LASTS = "a fox [[wait 30]]"
LASTS_A_MOMENT = "a fox [[wait 2]]"


def test_a_program_that_hangs_up_ends_its_request_and_may_ask_again(
    on: WatchedHost, program: Client
) -> None:
    question = {"role": "user", "content": LASTS}
    body = {"model": plugin.AUTO_MODEL, "messages": [question], "stream": True}
    path = "/api/chat/completions"
    response = program.request("POST", path, json=body, stream=True)
    under_way(on.google, 1)
    since = now()
    response.close()
    assert_hung_up(on.google, since)
    for _ in range(2):
        answer = content_of(program.complete(plugin.AUTO_MODEL, "a fox"))
        [picture] = pictures_of(program, answer)
        assert picture.digest == sent(on.google)[-1]


def test_programs_that_ask_at_once_get_each_its_own(
    on: WatchedHost, program: Client
) -> None:
    programs = (program, on.second_user.with_api_key())

    def answer(who: Client) -> str:
        return text_of(who.stream(plugin.AUTO_MODEL, LASTS_A_MOMENT))

    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(answer, programs))
    first, second = drawings(on.google)
    assert second["started"] < first["finished"]
    found = [
        pictures_of(who, text) for who, text in zip(programs, answers, strict=True)
    ]
    assert [len(pictures) for pictures in found] == [1, 1]
    digests = sorted(picture.digest for pictures in found for picture in pictures)
    assert digests == sorted(sent(on.google))
    for [picture], other in zip(found, reversed(programs), strict=True):
        assert not other.fetch(picture.link).ok
