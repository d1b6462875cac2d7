"""Software that stands between a host and Google, and the stand-in behind it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

import gemini_image_pipe as gip
from dev.host.ports import LOOPBACK
from dev.host.proxies import Squid
from dev.standin import StandIn

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def squid(authority: trustme.CA) -> Iterator[Squid]:
    with Squid(authority.issue_cert(LOOPBACK)) as running:
        yield running


@pytest.fixture(scope="session")
def googles(authority: trustme.CA) -> Iterator[dict[str, StandIn]]:
    """The stand-in, once without TLS and once with it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(LOOPBACK).configure_cert(tls)
    with StandIn() as plain, StandIn(tls=tls) as secured:
        yield {"http": plain, "https": secured}


@pytest.fixture(autouse=True)
def clean(
    authority: trustme.CA,
    googles: dict[str, StandIn],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No proxy yet, the authority trusted, no thread that only waits for work, and no
    limit that could end what a test ends."""
    for name in (*CA_VARIABLES, *PROXY_VARIABLES):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setattr(gip, "IDLE_THREAD", 0.05)
    monkeypatch.setattr(gip, "CONNECT_TIMEOUT", 60.0)
    for google in googles.values():
        google.reset()
