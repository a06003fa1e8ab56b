"""Signing in and out over HTTP, and what a browser's cookie opens."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moat.api import sign_in as door
from moat.api.throttle import MAX_KNOWN, OF_ACCOUNT, OF_CLIENT, Pace, Tally, Throttle
from moat.domain import passwords
from moat.domain.accounts import IDLE_NS, LONGEST_NS, WELCOME_NS, Account, new_invitation
from moat.domain.audit import AuditQuery
from moat.domain.console import ConsoleConfig
from moat.domain.errors import LimitExceeded
from moat.domain.passwords import hash_password
from tests.api.world import Api, open_api

PASSWORD = "a few long words"
ADA = "ada@example.org"
JSON = {"Content_Type": "application/json"}


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    """One with nobody in it yet."""
    with open_api(template, tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(PASSWORD)


def someone(api: Api, stored: str, email: str = ADA, **fields: Any) -> Account:
    account = Account(id=f"usr_{email}", email=email, password=stored, **fields)
    api.state.accounts.add(account, actor="tests")
    return account


def ask(api: Api, method: str, path: str, content: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
    body = None if content is None else json.dumps(content).encode()
    kind = {} if content is None else JSON
    status, received, raw = api.raw(method, f"/api/v1/{path}", body, **kind, **headers)
    return status, received, json.loads(raw) if raw else None


def enter(api: Api, email: str = ADA, password: str = PASSWORD, **headers: str) -> tuple[int, dict[str, str], Any]:
    return ask(api, "POST", "session", {"email": email, "password": password}, **headers)


def cookie_of(received: dict[str, str]) -> str:
    return received["set-cookie"].partition(";")[0]


def entries(api: Api, action: str) -> list[tuple[str, str, dict[str, Any]]]:
    found = reversed(api.state.audit.entries(AuditQuery(action=action)))
    return [(one.entry.actor, one.entry.subject, one.content.detail if one.content else {}) for one in found]


def test_somebody_signs_in_is_known_and_signs_out(own: Api, stored: str) -> None:
    account = someone(own, stored, name="Ada", role="engineer")
    assert ask(own, "GET", "session")[0] == 401
    status, received, session = enter(own, " Ada@Example.org")
    assert (status, received["cache-control"]) == (200, "no-store")
    assert session["account"] == {"id": account.id, "email": ADA, "name": "Ada", "role": "engineer"}
    assert (session["role"], session["actor"], session["environment"], session["tenant"]) == ("engineer", ADA, "", "")
    cookie = received["set-cookie"]
    assert cookie.endswith("; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax")
    cookie = cookie_of(received)
    assert ask(own, "GET", "session", Cookie=cookie)[2] == session
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 200
    status, received, _ = ask(own, "DELETE", "session", Cookie=cookie, X_Moat_Csrf=session["csrf"])
    assert (status, "Max-Age=0" in received["set-cookie"]) == (204, True)
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 401
    assert [(actor, detail["way"]) for actor, _, detail in entries(own, "account.sign_in")] == [(ADA, "password")]


def test_a_key_is_told_what_it_is(api: Api) -> None:
    status, _, session = ask(api, "GET", "session", Authorization="Bearer mk-bound-viewer")
    assert (status, session["account"], session["csrf"]) == (200, None, "")
    assert (session["role"], session["environment"]) == ("viewer", "production")
    assert ask(api, "DELETE", "session", Authorization="Bearer mk-viewer")[0] == 400


def test_a_wrong_address_and_a_wrong_password_are_the_same(
    own: Api, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In words, and in work: a password is hashed once, with the same parameters."""
    someone(own, stored)
    someone(own, stored, "gone@example.org", disabled_ns=1)
    someone(own, "", "invited@example.org")
    worked: list[tuple[int, int, int]] = []
    real = passwords._scrypt

    def counted(password: str, salt: bytes, *costs: int) -> bytes:
        worked.append(costs)  # type: ignore[arg-type]
        return real(password, salt, *costs)

    monkeypatch.setattr(passwords, "_scrypt", counted)
    told = set()
    for email, password in (
        (ADA, "not her password"),
        ("nobody@example.org", PASSWORD),
        ("gone@example.org", PASSWORD),
        ("invited@example.org", ""),
        ("", ""),
    ):
        status, received, answer = enter(own, email, password)
        assert (status, "set-cookie" in received) == (401, False)
        told.add(json.dumps(answer))
    assert len(told) == 1
    assert worked == [(passwords.COST, passwords.BLOCK, passwords.LANES)] * 5


def test_a_disabled_account_is_out_with_its_next_request(own: Api, stored: str) -> None:
    someone(own, stored)
    cookie = cookie_of(enter(own)[1])
    admin = own.signed_in("admin")
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 200
    assert ask(own, "PATCH", f"accounts/usr_{ADA}", {"disabled": True}, **admin)[0] == 200
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 401
    assert enter(own)[0] == 401
    assert ask(own, "PATCH", f"accounts/usr_{ADA}", {"disabled": False}, **admin)[0] == 200
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 401
    assert enter(own)[0] == 200


def test_another_role_counts_from_the_next_request_on(own: Api, stored: str) -> None:
    someone(own, stored, role="admin")
    cookie = cookie_of(enter(own)[1])
    own.signed_in("admin")
    assert ask(own, "GET", "accounts", Cookie=cookie)[0] == 200
    admin = own.signed_in("admin")
    assert ask(own, "PATCH", f"accounts/usr_{ADA}", {"role": "expert"}, **admin)[0] == 200
    status, _, answer = ask(own, "GET", "accounts", Cookie=cookie)
    assert (status, "yours is expert" in answer["error"]["message"]) == (403, True)


def test_a_session_ends_by_itself(own: Api, stored: str) -> None:
    someone(own, stored)
    cookie = cookie_of(enter(own)[1])
    own.clock.advance(IDLE_NS / 1e9 - 1)
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 200
    own.clock.advance(IDLE_NS / 1e9 - 1)
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 200
    own.clock.advance(IDLE_NS / 1e9)
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 401
    cookie = cookie_of(enter(own)[1])
    for _ in range(LONGEST_NS // IDLE_NS * 2 + 1):
        last = ask(own, "GET", "status", Cookie=cookie)[0]
        own.clock.advance(IDLE_NS / 2e9)
    assert last == 401, "used all the time, and a week old"


def test_a_page_that_nobody_touches_keeps_no_session(own: Api, stored: str) -> None:
    someone(own, stored)
    cookie = cookie_of(enter(own)[1])
    for _ in range(11):
        own.clock.advance(IDLE_NS / 12e9)
        assert ask(own, "GET", "overview", Cookie=cookie, X_Moat_Unattended="1")[0] == 200
    own.clock.advance(IDLE_NS / 12e9)
    assert ask(own, "GET", "overview", Cookie=cookie, X_Moat_Unattended="1")[0] == 401


def test_the_line_of_events_that_a_page_opens_by_itself_keeps_no_session(own: Api, stored: str) -> None:
    someone(own, stored)
    cookie = cookie_of(enter(own)[1])

    def opened() -> int:
        with closing(http.client.HTTPConnection(own.host, timeout=60)) as connection:
            connection.request("GET", "/api/v1/events", headers={"Cookie": cookie})
            return connection.getresponse().status

    for _ in range(11):
        own.clock.advance(IDLE_NS / 12e9)
        assert opened() == 200
    own.clock.advance(IDLE_NS / 12e9)
    assert opened() == 401


def test_who_signs_in_again_leaves_no_session_behind(own: Api, stored: str) -> None:
    someone(own, stored)
    first = cookie_of(enter(own)[1])
    second = cookie_of(enter(own, Cookie=first)[1])
    assert first != second
    assert ask(own, "GET", "status", Cookie=first)[0] == 401
    assert ask(own, "GET", "status", Cookie=second)[0] == 200


@pytest.mark.promise("gate-1")
def test_a_request_with_both_goes_by_its_key(own: Api) -> None:
    admin = own.signed_in("admin")
    for shown in ({"Authorization": "Bearer mk-viewer"}, {"X_Api_Key": "mk-viewer"}):
        assert ask(own, "GET", "session", **admin, **shown)[2]["actor"] == "key_3"
        assert ask(own, "GET", "accounts", **admin, **shown)[0] == 403
    for shown in ({"Authorization": "Bearer mk-nobodys"}, {"Authorization": "Basic eDp5"}, {"Authorization": ""}):
        assert ask(own, "GET", "status", **admin, **shown)[0] == 401


@pytest.mark.promise("gate-1")
def test_a_cookie_opens_no_model_and_no_metrics(own: Api) -> None:
    admin = own.signed_in("admin")
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    assert own.raw("POST", "/v1/chat/completions", body, **JSON, **admin)[0] == 401
    for method, path in (("GET", "/v1/models"), ("POST", "/v1/feedback"), ("POST", "/v1/traces"), ("GET", "/metrics")):
        assert own.raw(method, path, b"{}" if method == "POST" else None, **JSON, **admin)[0] in (401, 404), path
    assert own.raw("GET", "/v1/models", **admin)[0] == 401


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "moat_session=",
        "moat_session=x",
        "moat_session=" + "x" * 43,
        "moat_session=%00",
        "other=1; moat_session",
        "MOAT_SESSION=x",
        "__Host-moat_session=x",
        "moat_session=\xff",
        ";;;=;",
    ],
)
def test_a_cookie_that_is_none_opens_nothing(own: Api, cookie: str) -> None:
    assert ask(own, "GET", "status", Cookie=cookie)[0] == 401


def test_tries_are_counted_for_each_account(own: Api, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "is_password", lambda password, stored: password == PASSWORD)
    someone(own, stored)
    for email in (ADA, "nobody@example.org"):
        for _ in range(OF_ACCOUNT.tries):
            assert enter(own, email, "wrong")[0] == 401
        status, received, answer = enter(own, email)
        assert (status, answer["error"]["code"]) == (429, "limit_exceeded")
        assert 0 < int(received["retry-after"]) <= OF_ACCOUNT.seconds
    own.clock.advance(OF_ACCOUNT.seconds)
    assert enter(own)[0] == 200
    for _ in range(OF_ACCOUNT.tries):
        assert enter(own, password="wrong")[0] == 401, "who got in has all tries again"


def test_tries_are_counted_for_each_client(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "is_password", lambda password, stored: False)
    own.console[0] = ConsoleConfig(trusted_proxies=["127.0.0.1"])
    for number in range(OF_CLIENT.tries):
        assert enter(own, f"{number}@x.y", X_Forwarded_For="203.0.113.5")[0] == 401
    assert enter(own, "other@x.y", X_Forwarded_For="203.0.113.5")[0] == 429
    assert enter(own, "other@x.y", X_Forwarded_For="198.51.100.1, 203.0.113.5")[0] == 429, (
        "only the last is the proxy's"
    )
    assert enter(own, "other@x.y", X_Forwarded_For="203.0.113.6")[0] == 401


def test_the_log_says_who_was_tried_and_is_not_filled(own: Api, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "is_password", lambda password, stored: False)
    someone(own, stored)
    for _ in range(5):
        enter(own, password="wrong")
        enter(own, "my-password-by-mistake", "wrong")
    own.clock.advance(60)
    enter(own, password="wrong")
    assert entries(own, "account.sign_in_failed") == [
        ("unknown", f"usr_{ADA}", {"count": 1, "client": "127.0.0.1"}),
        ("unknown", "unknown", {"count": 1, "client": "127.0.0.1"}),
        ("unknown", f"usr_{ADA}", {"count": 5, "client": "127.0.0.1"}),
    ]


def test_what_is_remembered_of_tries_is_bounded() -> None:
    throttle, tally = Throttle(Pace(1, 10.0)), Tally()
    throttle.take("first", 0)
    for number in range(MAX_KNOWN + 10):
        throttle.take(str(number), 0)
        tally.due(str(number), 0)
    assert len(throttle._known) == len(tally._known) == MAX_KNOWN
    throttle.take("first", 0)  # forgotten
    with pytest.raises(LimitExceeded):
        throttle.take("first", 9 * 10**9)
    throttle.take("first", 10 * 10**9)


def test_the_first_admin_comes_by_the_link_that_the_server_prints(own: Api) -> None:
    assert ask(own, "GET", "sign-in")[2] == {"ways": ["password"], "oidc_name": "", "first": True}
    former, token = own.sign_in.welcome(), own.sign_in.welcome()
    wanted = {"token": token, "password": PASSWORD, "name": "Ada", "email": "Ada@example.org"}
    assert ask(own, "POST", "invitations/accept", wanted | {"token": former})[0] == 404, "the last one counts"
    assert ask(own, "POST", "invitations/look", {"token": token})[::2] == (200, {"email": "", "name": ""})
    assert ask(own, "POST", "invitations/accept", wanted | {"password": "short"})[0] == 400
    assert ask(own, "POST", "invitations/accept", wanted | {"email": None})[0] == 400
    status, received, session = ask(own, "POST", "invitations/accept", wanted)
    assert (status, session["role"], session["actor"]) == (200, "admin", ADA)
    assert ask(own, "GET", "accounts", Cookie=cookie_of(received))[0] == 200
    assert ask(own, "GET", "sign-in")[2]["first"] is False
    assert ask(own, "POST", "invitations/accept", wanted)[0] == 404
    assert own.sign_in.welcome() == ""
    assert enter(own)[0] == 200


def test_a_link_for_the_first_admin_ends(own: Api) -> None:
    wanted = {"password": PASSWORD, "name": "", "email": ADA}
    token = own.sign_in.welcome()
    own.clock.advance(WELCOME_NS / 1e9)
    assert ask(own, "POST", "invitations/accept", wanted | {"token": token})[0] == 404
    token = own.sign_in.welcome()
    own.signed_in("admin", "grace@example.org")
    assert ask(own, "POST", "invitations/look", {"token": token})[0] == 404
    assert ask(own, "POST", "invitations/accept", wanted | {"token": token})[0] == 409, "somebody was faster"


def test_who_is_invited_sets_a_password_once(own: Api, stored: str) -> None:
    account = someone(own, stored, name="Ada")
    cookie = cookie_of(enter(own)[1])
    token, invitation = new_invitation(account.id, own.clock.now_ns())
    own.state.accounts.invite(invitation, actor="grace")
    wanted = {"token": token, "password": "other long words"}
    for _ in range(2):
        assert ask(own, "POST", "invitations/look", {"token": token})[::2] == (200, {"email": ADA, "name": "Ada"})
    assert ask(own, "POST", "invitations/accept", wanted | {"email": "mallory@example.org"})[0] == 400
    assert ask(own, "POST", "invitations/accept", wanted | {"password": ADA})[0] == 400
    status, received, session = ask(own, "POST", "invitations/accept", wanted)
    assert (status, session["account"]["name"]) == (200, "Ada")
    assert ask(own, "GET", "session", Cookie=cookie_of(received))[2] == session
    assert ask(own, "GET", "session", Cookie=cookie)[0] == 401, "signed in with the former password"
    assert (enter(own)[0], enter(own, password="other long words")[0]) == (401, 200)
    assert ask(own, "POST", "invitations/accept", wanted)[0] == 404
    assert ask(own, "POST", "invitations/look", {"token": token})[0] == 404
    assert entries(own, "account.password")[0][:2] == (ADA, account.id)


def test_behind_https_the_cookie_is_for_it_alone(own: Api, stored: str) -> None:
    someone(own, stored)
    own.console[0] = ConsoleConfig(public_url="https://moat.example.org")
    received = enter(own)[1]
    assert received["set-cookie"].startswith("__Host-moat_session=")
    assert received["set-cookie"].endswith("; HttpOnly; SameSite=Lax; Secure")
    cookie = cookie_of(received)
    assert ask(own, "GET", "session", Cookie=cookie)[0] == 200
    assert ask(own, "GET", "session", Cookie=cookie.removeprefix("__Host-"))[0] == 401, (
        "any host beside it can set that"
    )


def test_a_proxy_says_https_when_it_is_trusted(own: Api, stored: str) -> None:
    someone(own, stored)
    assert "Secure" not in enter(own, X_Forwarded_Proto="https")[1]["set-cookie"]
    own.console[0] = ConsoleConfig(trusted_proxies=["127.0.0.0/8"])
    assert "Secure" in enter(own, X_Forwarded_Proto="https")[1]["set-cookie"]
    assert "Secure" not in enter(own, X_Forwarded_Proto="http")[1]["set-cookie"]


def test_passwords_are_hashed_a_few_at_a_time(own: Api, stored: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 128 MiB: who comes when many wait is asked to come again."""
    go, begun = threading.Event(), threading.Semaphore(0)

    def slow(password: str, stored: str) -> bool:
        begun.release()
        assert go.wait(60)
        return False

    monkeypatch.setattr(door, "is_password", slow)
    answers: list[int] = []
    room = door.HASHED_AT_ONCE + door.WAITING
    people = [threading.Thread(target=lambda n=n: answers.append(enter(own, f"{n}@x.y")[0])) for n in range(room)]
    for person in people:
        person.start()
    for _ in range(door.HASHED_AT_ONCE):
        assert begun.acquire(timeout=60)
    while own.sign_in._places._value:
        time.sleep(0.01)
    assert not begun.acquire(blocking=False)
    status, received, answer = enter(own, "late@x.y")
    assert (status, answer["error"]["code"], "retry-after" in received) == (503, "overloaded", True)
    go.set()
    for person in people:
        person.join(60)
    assert answers == [401] * room
