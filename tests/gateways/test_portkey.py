"""Through Portkey's gateway, which headers of the administrator's tell whom to ask."""

from dev.host.between import Portkey
from dev.standin import DEFAULT_KEY, StandIn
from tests.gateways.chatting import (
    ask,
    assert_fails_as,
    assert_has_picture,
    names,
    pipe_with,
)


def headers_for(google: StandIn) -> str:
    """With the real Google the first line is enough."""
    return f"x-portkey-provider: google\nx-portkey-custom-host: {google.url}"


def test_with_its_headers_all_is_as_without(portkey: Portkey, google: StandIn) -> None:
    address, headers = f"{portkey.url}/v1/v1beta", headers_for(google)
    pipe = pipe_with(address, GATEWAY_HEADERS=headers)
    assert names(pipe)["gemini-3-pro-image"] == "Nano Banana Pro"
    assert_has_picture(ask(pipe, "a fox [[size 3MB]]"))
    for request in google.requests:
        assert request.path.startswith("/v1beta/models")
        assert request.headers["x-goog-api-key"] == DEFAULT_KEY
        assert not [name for name in request.headers if name.startswith("x-portkey")]


def test_what_google_says_is_told_as_without(portkey: Portkey, google: StandIn) -> None:
    address, headers = f"{portkey.url}/v1/v1beta", headers_for(google)
    pipe = pipe_with(address, GATEWAY_HEADERS=headers)
    answer = ask(pipe, "a fox [[429 zero]]")
    assert_fails_as(answer, "The project of the API key has no quota")
    answer = ask(pipe, "a fox [[status 503]]", "gemini-3-pro-image")
    assert_fails_as(answer, "Nano Banana Pro (`gemini-3-pro-image`) is overloaded")


def test_without_its_headers_it_is_named(portkey: Portkey, google: StandIn) -> None:
    answer = ask(pipe_with(f"{portkey.url}/v1/v1beta"), "a fox")
    assert_fails_as(
        answer, "127.0.0.1 cannot check the API key, or lacks something", "x-portkey"
    )
    assert google.requests == []


def test_what_it_does_not_reach_is_not_google_s_fault(portkey: Portkey) -> None:
    headers = "x-portkey-provider: google\nx-portkey-custom-host: http://127.0.0.1:9"
    pipe = pipe_with(f"{portkey.url}/v1/v1beta", GATEWAY_HEADERS=headers)
    assert_fails_as(ask(pipe, "a fox"), "127.0.0.1")
