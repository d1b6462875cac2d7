"""Forward proxies as companies have them, on loopback: Debian's Squid, Tinyproxy and
MicroSocks.

    with Squid(certificate) as proxy:
        proxy.url("https")                      # the way to it is encrypted
        proxy.url("http", ("name", "password"))  # it wants a login

    with MicroSocks(login) as proxy:
        proxy.url("socks5h")

Squid and Tinyproxy pass on requests for http addresses, and open tunnels for https ones;
MicroSocks speaks SOCKS 5.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from dev.host import debian
from dev.host.ports import LOOPBACK, free_port, is_open
from dev.host.serving import Server

if TYPE_CHECKING:
    import trustme

PROGRAM = Path("/usr/sbin/squid")
SOCKS_PROGRAM = Path("/usr/bin/microsocks")
TINYPROXY_PROGRAM = Path("/usr/bin/tinyproxy")
PACKAGES = ("squid-openssl", "microsocks", "tinyproxy-bin")
LOGIN_CHECKER = "/usr/lib/squid/basic_ncsa_auth"
# As root Squid becomes this user, which Debian's package makes for it.
USER = "proxy"
SCHEMES = ("http", "https")

Login = tuple[str, str]
# Signs that an address must encode, and such as Latin-1 has and has not.
LOGIN = ("jörg", "p@ss:w/o#r%d?+ł密")


class Passed(NamedTuple):
    """What the proxy wrote down once a request or a tunnel had ended."""

    method: str
    address: str
    status: int
    user: str


def ensure_proxies() -> None:
    """Install them if one is missing and this user may."""
    if not all(p.exists() for p in (PROGRAM, SOCKS_PROGRAM, TINYPROXY_PROGRAM)):
        debian.install("Squid, Tinyproxy and MicroSocks", PACKAGES)


class Squid(Server):
    """A proxy for everybody at two ports, and with a login at two others."""

    name = "Squid"
    # It would wait for a while, and has nothing to lose.
    end_signal = signal.SIGKILL

    def __init__(
        self,
        certificate: trustme.LeafCert,
        login: Login = LOGIN,
        refused: str = "refused.test",
    ) -> None:
        """``certificate`` is what it shows; ``login`` the only one that it knows;
        ``refused`` a host to which it lets nobody."""
        ensure_proxies()
        super().__init__(USER if os.geteuid() == 0 else None)
        self._certificate = certificate
        self.login = login
        self._refused = refused
        self._open = {scheme: free_port() for scheme in SCHEMES}
        self._locked = {scheme: free_port() for scheme in SCHEMES}

    def url(self, scheme: str, login: Login | None = None) -> str:
        """Its address; with a login, be that right or wrong, one that asks for it."""
        if login is None:
            return f"{scheme}://{LOOPBACK}:{self._open[scheme]}"
        return f"{scheme}://{_shown(login)}@{LOOPBACK}:{self._locked[scheme]}"

    @property
    def passed(self) -> list[Passed]:
        """What has ended so far."""
        with suppress(FileNotFoundError):
            lines = (self.folder / "passed").read_text().splitlines()
            rows = [line.split(" ") for line in lines]
            # Whoever only looks whether it is up has no method.
            return [Passed(m, a, int(s), u) for m, a, s, u in rows if m != "-"]
        return []

    def prepare(self) -> None:
        """Write its settings, its certificate and the login that it knows."""
        pem = self.folder / "certificate.pem"
        self._certificate.private_key_and_cert_chain_pem.write_to_path(pem)
        name, password = self.login
        digest = hashlib.md5(password.encode()).hexdigest()
        (self.folder / "logins").write_text(f"{name}:{digest}\n")
        (self.folder / "squid.conf").write_text("\n".join(self._settings(pem)))
        for path in self.folder.iterdir():
            if self.user:
                shutil.chown(path, self.user)

    def command(self) -> Sequence[str]:
        # In the foreground, as one process.
        return [str(PROGRAM), "-N", "-f", str(self.folder / "squid.conf")]

    def is_up(self) -> bool:
        return all(map(is_open, (*self._open.values(), *self._locked.values())))

    def _settings(self, pem: Path) -> list[str]:
        ports = []
        for kind, by_scheme in (("open", self._open), ("locked", self._locked)):
            for scheme, port in by_scheme.items():
                tls = f" tls-cert={pem}" if scheme == "https" else ""
                listen = f"{scheme}_port {LOOPBACK}:{port} name={kind}-{scheme}"
                ports.append(listen + tls)
        return [
            *ports,
            f"auth_param basic program {LOGIN_CHECKER} {self.folder / 'logins'}",
            "auth_param basic children 1",
            "acl locked myportname locked-http locked-https",
            "acl known proxy_auth REQUIRED",
            f"acl refused dstdomain {self._refused}",
            "http_access deny refused",
            "http_access deny locked !known",
            "http_access allow all",
            "cache deny all",
            "cache_mem 1 MB",
            "pid_filename none",
            "pinger_enable off",
            "visible_hostname proxy.test",
            f"coredump_dir {self.folder}",
            f"cache_log {self.folder / 'log'}",
            "logformat passed %rm %ru %>Hs %[un",
            f"access_log stdio:{self.folder / 'passed'} passed",
            "buffered_logs off",
            "",
        ]


class MicroSocks(Server):
    """A SOCKS 5 proxy for whoever has the login, or without one for everybody."""

    name = "MicroSocks"

    def __init__(self, login: Login | None = None) -> None:
        ensure_proxies()
        super().__init__()
        self._login = login

    def url(self, scheme: str, login: Login | None = None) -> str:
        """Its address, with a login, be that right or wrong."""
        shown = f"{_shown(login)}@" if login else ""
        return f"{scheme}://{shown}{LOOPBACK}:{self.port}"

    @property
    def passed(self) -> list[str]:
        """The targets, as host and port, to which it has connected somebody."""
        lines = (self.folder / "log").read_text().splitlines()
        found = [re.search(r"connected to (\S+)$", line) for line in lines]
        return [match[1] for match in found if match]

    def command(self) -> Sequence[str]:
        login = ("-u", self._login[0], "-P", self._login[1]) if self._login else ()
        return [str(SOCKS_PROGRAM), "-i", LOOPBACK, "-p", str(self.port), *login]

    def is_up(self) -> bool:
        return is_open(self.port)


class Tinyproxy(Server):
    """A proxy for everybody, which hangs up on a request that it cannot pass on."""

    name = "Tinyproxy"

    def __init__(self) -> None:
        ensure_proxies()
        super().__init__()
        self.url = f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        settings = f"Port {self.port}\nListen {LOOPBACK}\nTimeout 60\n"
        (self.folder / "tinyproxy.conf").write_text(settings)

    def command(self) -> Sequence[str]:
        return [str(TINYPROXY_PROGRAM), "-d", "-c", "tinyproxy.conf"]

    def is_up(self) -> bool:
        return is_open(self.port)


def _shown(login: Login) -> str:
    """As it stands in an address."""
    return ":".join(quote(word, safe="") for word in login)
