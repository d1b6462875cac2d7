"""``python3 dev play``: the plugin in a real Open WebUI, with a first picture made.

Sets up whatever is missing, starts a host on loopback and a stand-in for Google (or
uses Google itself when GEMINI_API_KEY is set), does what an administrator would do, and
asks for a picture as an ordinary user. Then it stays until Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from dev import environment
from dev.console import Failure, say, step
from dev.host.install import HOST_VERSION
from dev.host.ports import is_port_free
from dev.host.server import Host
from dev.pages import manifest

if TYPE_CHECKING:
    from dev.host.pictures import Picture

DEFAULT_PORT = 8085
ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PROMPT = "A red fox in fresh snow, in the first light of the day"


class Google(NamedTuple):
    """Where the pictures come from, in the plugin's settings and in words."""

    key: str
    base_url: str
    description: str


class FirstPicture(NamedTuple):
    """What came of the first message, and with how many models to choose from."""

    models: int
    chat_id: str
    answer: str
    picture: Picture


def main(arguments: Sequence[str]) -> int:
    """Play until Ctrl-C; with ``--once``, until the first picture."""
    options = _options(arguments)
    # Before the set-up, which takes a while on a fresh machine.
    if not is_port_free(options.port):
        raise Failure(
            f"Port {options.port} is in use. Choose another one, for example: "
            f"python3 dev play --port {options.port + 1}"
        )
    environment.enter(["play", *arguments])
    for number in ENDINGS:
        signal.signal(number, _end)
    with ExitStack() as stack:
        google = _google(options, stack)
        host = stack.enter_context(Host(options.version, port=options.port))
        first = _first_picture(host, google)
        if options.once:
            say(_what_came(first))
            return 0
        say(_where_to_go(host, google, first))
        say("\nCtrl-C ends everything that was started.")
        host.wait()
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python3 dev play",
        description="Try the plugin in a real Open WebUI on this machine.",
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument(
        "--once", action="store_true", help="end after the first picture"
    )
    parser.add_argument(
        "--version", default=HOST_VERSION, help="which Open WebUI (%(default)s)"
    )
    parser.add_argument(
        "--google-url", default="", help="another address for the Gemini API"
    )
    return parser.parse_args(arguments)


def _end(*_: object) -> None:
    """Clean up, however the request to end came, and undisturbed by further ones."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _google(options: argparse.Namespace, stack: ExitStack) -> Google:
    from dev import standin  # needs what .venv has

    key = os.environ.get("GEMINI_API_KEY", "")
    if options.google_url:
        key = key or standin.DEFAULT_KEY
        return Google(key, options.google_url, f"the API at {options.google_url}")
    if key:
        return Google(key, "", "Google, paid with your GEMINI_API_KEY")
    with step("starting the stand-in for Google"):
        process = stack.enter_context(standin.start_process())
    return Google(
        standin.DEFAULT_KEY,
        process.url,
        "a stand-in on this machine, free of charge; with GEMINI_API_KEY set: Google",
    )


def _first_picture(host: Host, google: Google) -> FirstPicture:
    """Do what administrator and user do, up to a picture in a chat."""
    from dev.host import people, plugin  # needs what .venv has
    from dev.host.client import Client
    from dev.host.pictures import pictures_of

    with step("signing up an administrator and a user"):
        admin = Client.sign_up(host.url, people.ADMIN)
        user = admin.create_user(people.USER)
    if manifest.refresh():
        say(f"• {manifest.MANIFEST.name} was older than the product: written anew")
    with step("importing manifest.json, switching it on, granting its models"):
        models = plugin.install(admin, google.base_url, google.key, manifest.MANIFEST)
    with step("making a first picture as the user"):
        chat = user.new_chat(plugin.AUTO_MODEL)
        answer = chat.ask(PROMPT)
    pictures = pictures_of(user, answer)
    if not pictures:
        text = answer.error or answer.content or host.log_tail()
        raise Failure(f"No picture came. The chat says:\n\n{text}")
    return FirstPicture(len(models), chat.id, answer.content, pictures[0])


def _what_came(first: FirstPicture) -> str:
    """The answer itself, when the host is about to end."""
    return f"\nThe chat says:\n\n{first.answer}\n\nThe picture is {first.picture}."


def _where_to_go(host: Host, google: Google, first: FirstPicture) -> str:
    """Addresses and logins, while the host runs."""
    from dev.host import people, plugin

    return f"""
Open WebUI {host.version} is ready, with the plugin and {first.models} image models.

  Open            {host.url}/?models={plugin.AUTO_MODEL}
  User            {people.USER.email}, password: {people.USER.password}
  Administrator   {people.ADMIN.email}, password: {people.ADMIN.password}
  First chat      {host.url}/c/{first.chat_id}
  Its picture     {first.picture.link} ({first.picture})
  Settings        {host.url}/admin/functions (as administrator)
  Pictures from   {google.description}"""
