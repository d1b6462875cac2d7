"""Through LiteLLM's proxy, by its pass-through route and by its own names of models.

Its wildcard `gemini/*` is its commonest set-up: the list then has ids that nobody typed,
and all that is known of a model must be found by the last part of its id.
"""

from typing import Any

import pytest

import gemini_image_pipe as gip
from dev.host.between import MASTER_KEY, SPENT_MODEL, LiteLLM
from dev.standin import DEFAULT_KEY, StandIn
from tests.fast.waiting import wait_until
from tests.gateways.chatting import (
    ask,
    assert_fails_as,
    assert_has_picture,
    names,
    pipe_with,
)

NEWEST, PRO, RETIRED = (
    "gemini-nano-banana-2.1",
    "gemini-3-pro-image",
    "imagen-4.0-generate-001",
)
# What stands behind the address, and before the ids there.
ROUTES = [
    pytest.param("/gemini", "", id="passing through"),
    pytest.param("#", "gemini/", id="its own names"),
]
on_either_route = pytest.mark.parametrize(("path", "prefix"), ROUTES)


def posted(google: StandIn) -> list[Any]:
    return [request for request in google.requests if request.method == "POST"]


@on_either_route
def test_models_are_listed_by_their_ids_and_known_names(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str
) -> None:
    listed = names(pipe_with(litellm.url + path, MASTER_KEY))
    assert listed[f"{prefix}{NEWEST}"] == "Nano Banana 2.1"
    assert listed[f"{prefix}{PRO}"] == "Nano Banana Pro"
    assert not [i for i in listed if "veo" in i or "lyria" in i or "-tts" in i]


@on_either_route
def test_the_newest_makes_the_picture(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str
) -> None:
    pipe = pipe_with(litellm.url + path, MASTER_KEY)
    assert_has_picture(ask(pipe, "a fox"))
    [request] = posted(google)
    assert request.path.endswith(f"/models/{NEWEST}:streamGenerateContent")
    assert MASTER_KEY not in str(request.headers) + str(request.query)


@on_either_route
def test_a_size_is_fitted_to_the_model_and_reaches_it(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str
) -> None:
    pipe = pipe_with(litellm.url + path, MASTER_KEY)
    answer = ask(pipe, "a fox --size 512 --ar 16:9", prefix + PRO)
    assert (
        f"Nano Banana Pro (`{prefix}{PRO}`) does not offer the picture size" in answer
    )
    assert_has_picture(answer)
    sent = posted(google)[0].body["generationConfig"]["imageConfig"]
    assert sent == {"imageSize": "1K", "aspectRatio": "16:9"}


@on_either_route
def test_a_refused_setting_is_left_out(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str
) -> None:
    pipe = pipe_with(litellm.url + path, MASTER_KEY)
    answer = ask(pipe, "a fox [[refuse imageSize]] --size 2K", prefix + PRO)
    assert "refused a setting, so it was left out: picture size" in answer
    assert_has_picture(answer)


@on_either_route
def test_a_retired_model_is_answered_for_by_its_successor(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str
) -> None:
    pipe = pipe_with(litellm.url + path, MASTER_KEY)
    answer = ask(pipe, "a fox", prefix + RETIRED)
    assert f"Nano Banana 2.1 (`{prefix}{NEWEST}`) made this" in answer
    assert_has_picture(answer)
    assert len(posted(google)) == 1


@on_either_route
@pytest.mark.parametrize(
    ("fault", "begins"),
    [
        ("[[429 zero]]", "The project of the API key has no quota"),
        ("[[429 minute]]", "Too many requests in a short time"),
        ("[[status 503]]", "Nano Banana Pro (`{model}`) is overloaded"),
        ("[[status 500]]", "Google had an internal error"),
        ("[[error key invalid]]", "Google does not accept the API key"),
        ("[[error country]]", "Google does not offer this in the region"),
        ("[[finish SAFETY]]", "Google's safety filter held the picture back"),
        ("[[block SAFETY]]", "Google's filter blocked the prompt"),
        ("[[status 413]]", "The request is too large for 127.0.0.1"),
    ],
)
def test_what_google_says_is_told_as_without(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str, fault: str, begins: str
) -> None:
    model = prefix + PRO
    pipe = pipe_with(litellm.url + path, MASTER_KEY)
    answer = ask(pipe, f"a fox {fault}", model)
    assert_fails_as(answer, begins.format(model=model))
    for no_word in (DEFAULT_KEY, "html", "{", "litellm.llms"):
        assert no_word not in answer


@on_either_route
@pytest.mark.parametrize("fault", ["[[cut]]", "[[midstream error]]"])
def test_what_ends_in_the_middle_is_not_asked_for_again(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str, fault: str
) -> None:
    """It may be billed."""
    pipe = pipe_with(litellm.url + path, MASTER_KEY, MAX_RETRIES="2")
    answer = ask(pipe, f"a fox {fault}", prefix + PRO)
    told = "Google had an internal error"
    told = "broke off in the middle" if fault == "[[cut]]" else told
    assert told in answer
    assert len(posted(google)) == 1


@on_either_route
@pytest.mark.parametrize(
    ("key", "begins"),
    [
        ("sk-unknown", "127.0.0.1 cannot check the API key, or lacks something"),
        ("sk-expired", "The API key has expired"),
    ],
)
def test_its_own_keys_are_not_google_s(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str, key: str, begins: str
) -> None:
    pipe = pipe_with(litellm.url + path, key, MAX_RETRIES="2")
    assert_fails_as(ask(pipe, "a fox", prefix + PRO), begins)
    assert google.requests == []


@pytest.mark.parametrize(
    ("path", "prefix", "headers"),
    [
        pytest.param("/gemini", "", "", id="passing through"),
        pytest.param("#", "gemini/", "", id="its own names"),
        pytest.param("#", "gemini/", "Authorization: Bearer {key}", id="by header"),
    ],
)
def test_where_its_first_key_is_refused_the_second_is_used(
    litellm: LiteLLM, google: StandIn, path: str, prefix: str, headers: str
) -> None:
    keys = f"sk-expired, {MASTER_KEY}"
    pipe = pipe_with(litellm.url + path, keys, GATEWAY_HEADERS=headers)
    assert f"{prefix}{NEWEST}" in names(pipe)
    answer = ask(pipe, "a fox", prefix + PRO)
    assert_has_picture(answer)
    assert len(posted(google)) == 1
    assert "1 of 2 API keys rest: one whose end is not shown (expired)" in answer


@pytest.mark.parametrize(
    ("listed", "successor"),
    [
        ("gemini/gemini-3-pro-image-preview", "gemini/gemini-3-pro-image"),
        ("gemini/imagen-3.0-generate-001", f"gemini/{NEWEST}"),
    ],
)
def test_what_it_lists_although_google_has_ended_it_has_a_successor(
    litellm: LiteLLM, google: StandIn, listed: str, successor: str
) -> None:
    """Its wildcard lists whatever its table of prices knows."""
    pipe = pipe_with(f"{litellm.url}#", MASTER_KEY)
    assert listed in names(pipe)
    answer = ask(pipe, "a fox", listed)
    assert f"(`{successor}`) made this" in answer
    assert_has_picture(answer)


def test_a_model_that_a_key_may_not_use_is_told(
    litellm: LiteLLM, google: StandIn
) -> None:
    answer = ask(
        pipe_with(f"{litellm.url}#", "sk-for-others"), "a fox", f"gemini/{PRO}"
    )
    assert_fails_as(answer, "127.0.0.1 does not allow this API key")
    assert google.requests == []


def test_a_budget_that_is_used_up_is_told_and_not_waited_for(
    litellm: LiteLLM, google: StandIn
) -> None:
    pipe = pipe_with(f"{litellm.url}#", MASTER_KEY, MAX_RETRIES="2")
    # It counts what the first one costs once that is answered.
    assert wait_until(lambda: gip.FAILURE_MARK in ask(pipe, "a fox", SPENT_MODEL))
    google.reset()
    answer = ask(pipe, "a fox", SPENT_MODEL)
    assert_fails_as(answer, "The credit or budget of the API key is used up")
    assert posted(google) == []


def test_a_model_that_nobody_serves_is_told(litellm: LiteLLM, google: StandIn) -> None:
    """Without the wildcard's prefix it has no such model."""
    pipe = pipe_with(f"{litellm.url}#", MASTER_KEY)
    answer = ask(pipe, "a fox", "someone/some-image")
    assert_fails_as(answer, "127.0.0.1", "`someone/some-image`", "another image model")
