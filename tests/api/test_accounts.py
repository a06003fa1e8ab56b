"""Accounts over HTTP: who makes, changes and disables them, and what the log says."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from moat.domain.accounts import INVITED_NS
from moat.domain.audit import AuditQuery
from moat.domain.tool_approvals import ToolCall
from tests.api.world import Api, open_api

PASSWORD = "a few long words"


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    with open_api(template, tmp_path) as opened:
        yield opened


def ask(api: Api, who: dict[str, str], method: str, path: str, content: Any = None) -> tuple[int, Any]:
    body = None if content is None else json.dumps(content).encode()
    kind = {} if content is None else {"Content_Type": "application/json"}
    status, received, raw = api.raw(method, f"/api/v1/{path}", body, **kind, **who)
    if b"welcome#" in raw:
        assert received["cache-control"] == "no-store"
    return status, json.loads(raw) if raw else None


def accept(api: Api, link: str, **said: str) -> tuple[int, Any]:
    path, _, token = link.partition("#")
    assert path == "/welcome"
    return ask(api, {}, "POST", "invitations/accept", {"token": token, "password": PASSWORD, **said})


def test_somebody_is_invited_and_comes_in(own: Api) -> None:
    admin = own.signed_in("admin")
    wanted = {"email": "Bob@Example.org", "role": "expert", "name": "Bob"}
    status, made = ask(own, admin, "POST", "accounts", wanted)
    account = made["account"]
    assert status == 201
    assert (account["email"], account["role"], account["ways"]) == ("bob@example.org", "expert", [])
    assert made["expires_ns"] == own.clock.now_ns() + INVITED_NS
    assert account in ask(own, admin, "GET", "accounts")[1]
    status, session = accept(own, made["link"])
    assert (status, session["actor"], session["role"]) == (200, "bob@example.org", "expert")
    (listed,) = (one for one in ask(own, admin, "GET", "accounts")[1] if one["id"] == account["id"])
    assert listed == account | {"ways": ["password"]}
    status, answer = ask(own, admin, "POST", "accounts", wanted)
    assert (status, answer["error"]["param"]) == (409, "email")


def test_a_forgotten_password_is_a_new_link(own: Api) -> None:
    admin = own.signed_in("admin")
    made = ask(own, admin, "POST", "accounts", {"email": "b@x.y", "role": "viewer"})[1]
    status, again = ask(own, admin, "POST", f"accounts/{made['account']['id']}/invite")
    assert status == 201
    assert accept(own, made["link"])[0] == 404, "it was replaced"
    assert accept(own, again["link"])[0] == 200
    assert ask(own, admin, "POST", "accounts/usr_0/invite")[0] == 404


def test_an_account_is_changed(own: Api) -> None:
    admin = own.signed_in("admin")
    id = ask(own, admin, "POST", "accounts", {"email": "b@x.y", "role": "viewer"})[1]["account"]["id"]
    status, changed = ask(own, admin, "PATCH", f"accounts/{id}", {"name": "Bob", "role": "engineer"})
    assert (status, changed["name"], changed["role"], changed["disabled_ns"]) == (200, "Bob", "engineer", 0)
    assert ask(own, admin, "PATCH", f"accounts/{id}", {"disabled": True})[1]["disabled_ns"] == own.clock.now_ns()
    assert ask(own, admin, "POST", f"accounts/{id}/invite")[0] == 409
    assert ask(own, admin, "PATCH", f"accounts/{id}", {"disabled": False})[1]["disabled_ns"] == 0
    for nothing in ({}, {"role": "app"}, {"role": "root"}, {"email": "c@x.y"}, {"password": "x"}, {"name": "a\nb"}):
        assert ask(own, admin, "PATCH", f"accounts/{id}", nothing)[0] == 400, nothing
    assert ask(own, admin, "PATCH", "accounts/usr_0", {"name": "x"})[0] == 404


@pytest.mark.parametrize(
    "wish",
    [{"email": "none"}, {"role": "app"}, {"role": None}, {"name": "x" * 300}, {"id": "usr_1"}, {"password": "x"}],
)
def test_what_is_no_account_is_refused(own: Api, wish: dict[str, Any]) -> None:
    admin = own.signed_in("admin")
    assert ask(own, admin, "POST", "accounts", {"email": "b@x.y", "role": "viewer", **wish})[0] == 400


def test_the_last_active_admin_stays_one(own: Api) -> None:
    admin = own.signed_in("admin")
    (only,) = ask(own, admin, "GET", "accounts")[1]
    for change in ({"role": "engineer"}, {"disabled": True}):
        status, answer = ask(own, admin, "PATCH", f"accounts/{only['id']}", change)
        assert (status, "last active admin" in answer["error"]["message"]) == (409, True)
    assert ask(own, admin, "GET", "accounts")[0] == 200


@pytest.mark.promise("guard-4")
def test_the_log_names_the_person(own: Api) -> None:
    admin = own.signed_in("admin")
    id = ask(own, admin, "POST", "accounts", {"email": "b@x.y", "role": "viewer"})[1]["account"]["id"]
    ask(own, admin, "PATCH", f"accounts/{id}", {"role": "expert"})
    ask(own, admin, "PATCH", f"accounts/{id}", {"disabled": True})
    ask(own, admin, "PATCH", f"accounts/{id}", {"disabled": False})
    ask(own, admin, "POST", f"accounts/{id}/invite")
    found = [
        (one.entry.action, one.content.detail if one.content else {})
        for one in reversed(own.state.audit.entries(AuditQuery(subject=id)))
        if one.entry.actor == "admin@example.org"
    ]
    assert [action for action, _ in found] == [
        *("account.create", "account.change", "account.disable", "account.enable", "account.invite"),
    ]
    assert found[0][1]["email"] == "b@x.y"
    assert found[1][1] == {"role": ["viewer", "expert"]}


@pytest.mark.promise("gate-3")
def test_a_person_makes_keys_within_what_they_are(own: Api) -> None:
    admin = own.signed_in("admin")
    status, made = ask(own, admin, "POST", "keys", {"name": "mine", "role": "engineer", "user": "admin@example.org"})
    assert (status, made["key"]["parent"]) == (201, own.state.accounts.accounts()[0].id)
    for role in ("engineer", "admin"):
        wish = {"name": "theirs", "role": role, "user": "grace@example.org"}
        assert ask(own, admin, "POST", "keys", wish)[0] == 403, "nobody makes a second pair of eyes of a key"
    assert ask(own, own.signed_in("engineer"), "POST", "keys", {"name": "x"})[0] == 403


def test_an_engineer_approves_under_their_own_name(own: Api) -> None:
    (waiting,) = own.state.approvals.take([ToolCall(digest="d", tool="refund")])
    path, yes = f"tool-approvals/{waiting.id}", {"decision": "approve"}
    assert ask(own, own.signed_in("expert"), "POST", path, yes)[0] == 403
    status, done = ask(own, own.signed_in("engineer"), "POST", path, yes)
    assert (status, done["decided_by"]) == (200, "engineer@example.org")
    engineer = own.signed_in("engineer", "linus@example.org")
    status, approval = ask(own, engineer, "POST", "approvals", {"release": "rel_1.0.0", "environment": "production"})
    assert (status, approval["actor"]) == (201, "linus@example.org")
