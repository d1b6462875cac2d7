"""Behind nginx and HAProxy, with what they are set to when nobody has set them."""

import base64
import io
import random
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from dev.host.between import HAProxy, Nginx
from dev.host.ports import LOOPBACK, free_port
from dev.standin import StandIn
from tests.gateways.chatting import (
    ask,
    assert_fails_as,
    assert_has_picture,
    names,
    pipe_with,
)

MODEL = "gemini-3-pro-image"


@pytest.fixture(scope="module")
def nginx(running_google: StandIn) -> Iterator[Nginx]:
    google = f"proxy_pass {running_google.url}"
    places = {
        "/plain/": f"{google}/;",
        "/large/": f"{google}/; client_max_body_size 100m;",
        "/unbuffered/": f"{google}/; proxy_buffering off; proxy_request_buffering off;",
        "/impatient/": f"{google}/; proxy_read_timeout 1s;",
        "/listless/": f"{google}/;",
        "= /listless/v1beta/models": "return 404;",
        "/locked/": "return 401;",
        "/forbidden/": "deny all;",
        "/dead/": f"proxy_pass http://{LOOPBACK}:{free_port()};",
    }
    with Nginx(places) as running:
        yield running


@pytest.fixture(scope="module")
def haproxy(running_google: StandIn) -> Iterator[HAProxy]:
    with HAProxy(f"{LOOPBACK}:{running_google.port}", wait_seconds=1) as running:
        yield running


@pytest.fixture(scope="module")
def lonely_haproxy() -> Iterator[HAProxy]:
    with HAProxy(f"{LOOPBACK}:{free_port()}") as running:
        yield running


def with_picture(megabytes: float) -> list[dict[str, Any]]:
    """A prompt with a picture of that size."""
    side, file = int((megabytes * 1_000_000 / 3) ** 0.5), io.BytesIO()
    noise = Image.frombytes("RGB", (side, side), random.randbytes(3 * side * side))
    noise.save(file, "PNG", compress_level=0)
    data = base64.b64encode(file.getvalue()).decode()
    picture = {"url": f"data:image/png;base64,{data}"}
    return [
        {"type": "text", "text": "a fox"},
        {"type": "image_url", "image_url": picture},
    ]


@pytest.mark.parametrize("place", ["/plain", "/large", "/unbuffered"])
@pytest.mark.parametrize("how", ["", "[[size 3MB]]", "[[trickle 3]]", "[[pause 2]]"])
def test_behind_a_path_of_nginx_the_picture_comes(
    nginx: Nginx, google: StandIn, place: str, how: str
) -> None:
    pipe = pipe_with(nginx.url + place)
    assert names(pipe)[MODEL] == "Nano Banana Pro"
    assert_has_picture(ask(pipe, f"a fox {how}", MODEL))


def test_without_a_list_the_ids_in_models_are_the_list(
    nginx: Nginx, google: StandIn
) -> None:
    pipe = pipe_with(f"{nginx.url}/listless", MODELS=MODEL)
    assert [*names(pipe)][:2] == ["auto", MODEL]
    assert_has_picture(ask(pipe, "a fox"))
    [request] = google.requests
    assert f"/{MODEL}:" in request.path


def test_of_nginx_the_limit_of_a_request_is_named_with_its_setting(
    nginx: Nginx, google: StandIn
) -> None:
    prompt = with_picture(2)
    answer = ask(pipe_with(f"{nginx.url}/plain"), prompt, MODEL)
    begins = "The request is too large for 127.0.0.1 (nginx)"
    assert_fails_as(answer, begins, "client_max_body_size")
    assert_has_picture(ask(pipe_with(f"{nginx.url}/large"), prompt, MODEL))


@pytest.mark.parametrize(
    ("place", "prompt", "begins", "named"),
    [
        ("/dead", "a fox", "127.0.0.1 (nginx) could not reach Google", "HTTP 502"),
        (
            "/impatient",
            "a fox [[wait 5]]",
            "127.0.0.1 (nginx) stopped waiting for Google's answer",
            "let the gateway wait longer",
        ),
        ("/locked", "a fox", "127.0.0.1 (nginx) answered with a web page", "HTTP 401"),
        (
            "/forbidden",
            "a fox",
            "127.0.0.1 (nginx) answered with a web page",
            "HTTP 403",
        ),
        ("/elsewhere", "a fox", "127.0.0.1 has nothing for", "404 Not Found nginx"),
        (
            "/plain",
            "a fox [[status 503]]",
            f"Nano Banana Pro (`{MODEL}`) is overloaded",
            "high demand",
        ),
    ],
)
def test_what_nginx_says_itself_is_nginx_s(
    nginx: Nginx, google: StandIn, place: str, prompt: str, begins: str, named: str
) -> None:
    assert_fails_as(ask(pipe_with(nginx.url + place), prompt, MODEL), begins, named)


def test_behind_haproxy_the_picture_comes(haproxy: HAProxy, google: StandIn) -> None:
    pipe = pipe_with(haproxy.url)
    assert names(pipe)[MODEL] == "Nano Banana Pro"
    assert_has_picture(ask(pipe, with_picture(3), MODEL))


def test_what_haproxy_says_itself_is_haproxy_s(
    haproxy: HAProxy, lonely_haproxy: HAProxy, google: StandIn
) -> None:
    answer = ask(pipe_with(lonely_haproxy.url), "a fox", MODEL)
    assert_fails_as(answer, "127.0.0.1 (HAProxy) could not reach Google", "HTTP 503")
    answer = ask(pipe_with(haproxy.url), "a fox [[wait 5]]", MODEL)
    assert_fails_as(answer, "127.0.0.1 (HAProxy) stopped waiting for Google's answer")
