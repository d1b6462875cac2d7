"""Software that stands between the plugin and Google, each on loopback.

    with Nginx({"/path/": "proxy_pass …;"}) as nginx: ...   # web servers that pass on
    with HAProxy("host:port") as haproxy: ...
    with LiteLLM(target, key, keys) as litellm: ...  # gateways that speak for themselves
    with Portkey() as portkey: ...

nginx and HAProxy are Debian's. LiteLLM and Portkey are installed on first use, into
``.hosts/`` and kept there like the hosts.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dev import environment
from dev.console import step
from dev.host import debian, node
from dev.host.install import HOSTS
from dev.host.ports import LOOPBACK, is_open
from dev.host.serving import Server

NGINX = Path("/usr/sbin/nginx")
HAPROXY = Path("/usr/sbin/haproxy")
LITELLM_VERSION = "1.108.7"
# What its proxy starts without: half of what it would install.
UNUSED_BY_LITELLM = (
    "polars",
    "polars-runtime-32",
    "pyroscope-io",
    "granian",
    "boto3",
    "azure-identity",
    "azure-storage-blob",
    "hf-xet",
    "litellm-proxy-extras",
)
PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": "1.15.2"},
    # With later ones than 1.14 it answers nothing but 500.
    "overrides": {"@hono/node-server": "1.13.8"},
}
# It cannot be told where to listen, and would do so on every address.
ON_LOOPBACK = f"""
const {{ Server }} = require("node:net");
const {{ listen }} = Server.prototype;
Server.prototype.listen = function (port, everywhere, ready) {{
  return listen.call(this, port, "{LOOPBACK}", ready);
}};
"""
PORTKEY_PROGRAM = "node_modules/@portkey-ai/gateway/build/start-server.js"
MASTER_KEY = "sk-of-the-gateway"
# A model of LiteLLM's for which one picture may be made, and no second one.
SPENT_MODEL = "gemini/gemini-3.1-flash-lite-image"
NO_BUDGET = {"max_budget": 1e-12, "budget_duration": "1d"}
# Of our own environment they see nothing else: a key or a proxy would change what a
# test proves.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR")


def ensure_all() -> None:
    """Install what is missing of all of them, where this user may."""
    ensure_web_servers()
    ensure_litellm()
    ensure_portkey()


def ensure_web_servers() -> None:
    """nginx and HAProxy."""
    if not (NGINX.exists() and HAPROXY.exists()):
        debian.install("nginx and HAProxy", ["nginx-light", "haproxy"])


def ensure_litellm() -> Path:
    """The environment with LiteLLM in it."""
    folder = HOSTS / f"litellm-{LITELLM_VERSION}"
    # A marker that is never true makes the installer leave the package out.
    unused = "".join(f"{name} ; python_version < '0'\n" for name in UNUSED_BY_LITELLM)
    with environment.exclusive(folder):
        stamp = environment.Stamp(folder, LITELLM_VERSION, unused)
        if not stamp.is_current():
            environment.make_environment(folder, "LiteLLM")
            with step(f"installing LiteLLM into .hosts/{folder.name}"):
                wanted = f"litellm[proxy]=={LITELLM_VERSION}"
                environment.install(folder, [wanted], unused)
            stamp.write()
    return folder


def ensure_portkey() -> Path:
    """The folder with Portkey's gateway in it."""
    return node.ensure_packages("portkey", "Portkey's gateway", PORTKEY)


class Between(Server):
    """One that has an address."""

    # Nothing of it is to survive.
    end_signal = signal.SIGKILL

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    def is_up(self) -> bool:
        return is_open(self.port)

    def environment(self) -> Mapping[str, str]:
        return {name: os.environ[name] for name in INHERITED if name in os.environ}


class Nginx(Between):
    """Debian's nginx, with nothing set but what each place says."""

    name = "nginx"

    def __init__(self, places: Mapping[str, str]) -> None:
        """``places``: what is set for which path."""
        ensure_web_servers()
        super().__init__()
        self._places = places

    def prepare(self) -> None:
        places = "\n".join(f"location {p} {{ {s} }}" for p, s in self._places.items())
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        folders = " ".join(f"{k}_temp_path {self.folder / k};" for k in kinds)
        (self.folder / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {self.folder / 'pid'};\n"
            f"error_log {self.folder / 'errors'};\nevents {{}}\n"
            f"http {{ access_log off; {folders}\n"
            f"server {{ listen {LOOPBACK}:{self.port};\n{places}\n}} }}\n"
        )

    def command(self) -> Sequence[str]:
        return [str(NGINX), "-p", str(self.folder), "-c", "nginx.conf"]


class HAProxy(Between):
    """Debian's HAProxy before one target."""

    name = "HAProxy"

    def __init__(self, target: str, wait_seconds: int = 60) -> None:
        """``target``: host and port. ``wait_seconds``: how long it waits for it."""
        ensure_web_servers()
        super().__init__()
        self._target = target
        self._wait_seconds = wait_seconds

    def prepare(self) -> None:
        (self.folder / "haproxy.cfg").write_text(
            "defaults\n mode http\n timeout connect 2s\n timeout client 60s\n"
            f" timeout server {self._wait_seconds}s\n"
            f"listen all\n bind {LOOPBACK}:{self.port}\n"
            f" server target {self._target}\n"
        )

    def command(self) -> Sequence[str]:
        return [str(HAPROXY), "-db", "-f", str(self.folder / "haproxy.cfg")]


class LiteLLM(Between):
    """LiteLLM's proxy, set up as most are: all of Google's models by their own names,
    and the pass-through route."""

    name = "LiteLLM"
    patience_s = 180.0

    def __init__(
        self, target: str, key: str, keys: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """``target``: where Google is; ``key``: Google's. ``keys``: its own beside the
        master key, with what its database would know of each. There is none: what it
        does not find here, it misses there.
        """
        self._program = ensure_litellm() / "bin" / "litellm"
        super().__init__()
        self._target = target
        self._key = key
        self._keys = keys

    def prepare(self) -> None:
        parameters = {
            "model": "gemini/*",
            "api_key": self._key,
            "api_base": f"{self._target}/v1beta",
        }
        spent = {**parameters, "model": SPENT_MODEL, **NO_BUDGET}
        (self.folder / "keys.py").write_text(
            "from litellm.proxy._types import UserAPIKeyAuth\n"
            f"KEYS = {dict(self._keys)!r}\n"
            "async def find(request, api_key):\n"
            "    known = KEYS.get(api_key)\n"
            "    return known and UserAPIKeyAuth(api_key=api_key, **known)\n"
        )
        settings = {
            "model_list": [
                {"model_name": "gemini/*", "litellm_params": parameters},
                {"model_name": SPENT_MODEL, "litellm_params": spent},
            ],
            "router_settings": {"num_retries": 0},  # its own take seconds
            "general_settings": {
                "master_key": MASTER_KEY,
                "custom_auth": "keys.find",
                "custom_auth_run_common_checks": True,
            },
            "litellm_settings": {"enable_post_custom_auth_checks": True},
        }
        (self.folder / "config.yaml").write_text(json.dumps(settings))  # is YAML, too

    def command(self) -> Sequence[str]:
        listening = ("--host", LOOPBACK, "--port", str(self.port))
        return [str(self._program), "--config", "config.yaml", *listening]

    def environment(self) -> Mapping[str, str]:
        return {
            **super().environment(),
            "GEMINI_API_KEY": self._key,
            "GEMINI_API_BASE": self._target,
            # Its table of prices as it was installed: there may be no network.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        }


class Portkey(Between):
    """Portkey's gateway, which is told by headers whom to ask."""

    name = "Portkey"

    def __init__(self) -> None:
        self._program = ensure_portkey() / PORTKEY_PROGRAM
        super().__init__()

    def prepare(self) -> None:
        (self.folder / "loopback.cjs").write_text(ON_LOOPBACK)

    def command(self) -> Sequence[str]:
        options = ("--require", str(self.folder / "loopback.cjs"))
        port = f"--port={self.port}"
        return [node.program(), *options, str(self._program), "--headless", port]
