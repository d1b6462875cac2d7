"""Through Tinyproxy, which hangs up behind what it says itself."""

from collections.abc import Iterator

import pytest

import gemini_image_pipe as gip
from dev.host.ports import LOOPBACK, free_port
from dev.host.proxies import Tinyproxy
from dev.standin import StandIn
from tests.network.asking import failure_of, pictures

to_target = pytest.mark.parametrize("scheme", ["http", "https"])


@pytest.fixture(scope="module")
def tinyproxy() -> Iterator[Tinyproxy]:
    with Tinyproxy() as running:
        yield running


@to_target
def test_the_picture_comes(
    tinyproxy: Tinyproxy,
    googles: dict[str, StandIn],
    scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", tinyproxy.url)
    google = googles[scheme]
    assert pictures(google.url, "a fox [[size 1MB]]") == google.sent_images
    assert len(google.sent_images) == 1


@pytest.mark.parametrize(
    ("scheme", "kind", "named"),
    [("http", "internal", "(tinyproxy)"), ("https", "proxy", "proxy")],
)
@pytest.mark.parametrize("prompt", ["a fox", "a fox" * 200_000])
def test_a_target_that_it_does_not_reach_is_told_as_the_proxy_s(
    tinyproxy: Tinyproxy,
    scheme: str,
    kind: str,
    named: str,
    prompt: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its page for a request, and its refusal of a tunnel."""
    monkeypatch.setenv(f"{scheme}_proxy", tinyproxy.url)
    failure = failure_of(f"{scheme}://{LOOPBACK}:{free_port()}", prompt)
    assert failure.kind == kind
    assert named in gip.failure_text(failure, gip.Reader())
