"""On a real host: a project of Vertex AI, set up as an administrator does."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from test_setup_by_hand import set_valves

from dev.host import plugin
from dev.host.browser import ChatPage
from dev.host.client import Client, content_of, picture_links
from dev.host.pictures import pictures_of
from dev.standin import MadeAccount, StandInProcess, make_account

MODEL = f"{plugin.FUNCTION_ID}.gemini-3-pro-image"
TOKEN_PATH = "/token"


@pytest.fixture
def account(google: StandInProcess) -> MadeAccount:
    made = make_account(google.url)
    google.enrol(made)
    return made


@pytest.fixture
def default_valves(admin: Client) -> Iterator[None]:
    """Put back what was set, whatever the page saves."""
    before = admin.valves(plugin.FUNCTION_ID)
    yield
    admin.replace_valves(plugin.FUNCTION_ID, before)


@pytest.mark.usefixtures("default_valves")
def test_a_service_account_is_pasted_and_makes_pictures(
    admin: Client,
    user: Client,
    browser: Browser,
    google: StandInProcess,
    account: MadeAccount,
) -> None:
    page = ChatPage(browser, admin).page
    page.goto(f"{admin.url}/admin/functions")
    admin.set_valves(plugin.FUNCTION_ID, BACKEND="Vertex AI project")
    set_valves(page, VERTEX_CREDENTIALS=account.text)
    saved = admin.valves(plugin.FUNCTION_ID)["VERTEX_CREDENTIALS"]
    assert json.loads(saved) == account.info

    first = user.new_chat(MODEL).ask("a red fox")
    assert len(pictures_of(user, first)) == 1
    assert picture_links(content_of(admin.complete(MODEL, "a red cat")))
    sent = [r for r in google.requests() if r["method"] == "POST"]
    assert [r["path"] for r in sent].count(TOKEN_PATH) == 1
    made = [r for r in sent if r["path"] != TOKEN_PATH]
    assert len(made) == 2
    for request in made:
        assert request["headers"]["authorization"].startswith("Bearer ya29.")
        assert "x-goog-api-key" not in request["headers"]


def test_what_is_wrong_with_an_account_is_said_without_it(
    admin: Client, google: StandInProcess, valves: Any, account: MadeAccount
) -> None:
    text = json.dumps({**account.info, "type": "external_account"})
    valves(BACKEND="Vertex AI project", VERTEX_CREDENTIALS=text)
    said = content_of(admin.complete(MODEL, "a red fox"))
    assert "`external_account` are not taken from the settings" in said
    assert not any(secret in said for secret in account.secrets)
    assert not [r for r in google.requests() if r["method"] == "POST"]
