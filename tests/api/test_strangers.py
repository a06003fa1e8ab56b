"""What strangers, other sites and programs with a key cannot do to people."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from moat.api import sign_in as door
from moat.api.browsers import new_mark
from moat.api.changes import MAX_OF_ONE, Changes
from moat.api.throttle import OF_ACCOUNT, OF_STRANGERS
from moat.domain.console import ConsoleConfig
from moat.domain.errors import Unavailable
from moat.domain.keys import Key
from moat.domain.passwords import hash_password
from tests.api.test_sessions import ADA, JSON, PASSWORD, ask, enter, someone
from tests.api.world import Api, open_api

PUBLIC = "https://moat.example.org"


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    with open_api(template, tmp_path) as opened:
        yield opened


def silenced(api: Api, actor: str, headers: dict[str, str]) -> tuple[int, str]:
    content = {"length": "1h", "why": "repairs", "actor": actor}
    status, _, answer = ask(api, "POST", "alerts/silences", content, **headers)
    return status, answer.get("by", "")


def revocations(api: Api) -> dict[str, int]:
    keys = api.state.keys.keys()
    return {key.id: key.revoked_ns for key in keys}


def test_who_holds_the_key_is_said_first(own: Api) -> None:
    key = {"Authorization": "Bearer mk-engineer"}
    assert silenced(own, "Ada", key) == (200, "linus@example.org, for Ada")
    for forged in ("admin0@example.org\u202e\u2066", "admin0@example.org\n", "admin0@example.org\xa0\xa0", "x" * 257):
        assert silenced(own, forged, key)[0] == 400
    assert silenced(own, "Ada", own.signed_in("engineer"))[0] == 400, "in a browser nobody acts for another"
    assert silenced(own, "", own.signed_in("engineer")) == (200, "engineer@example.org")


def test_another_sites_link_writes_nothing_into_the_audit_log(own: Api) -> None:
    cookie = {"Cookie": own.signed_in("admin")["Cookie"]}
    status, _, answer = ask(own, "GET", "export?limit=2", **cookie, Sec_Fetch_Site="cross-site")
    assert (status, answer["error"]["code"]) == (403, "csrf")
    assert own.raw("GET", "/api/v1/export?limit=2", **cookie, Sec_Fetch_Site="same-origin")[0] == 200
    key = {"Authorization": "Bearer mk-viewer"}
    assert ask(own, "GET", "status", **key, Sec_Fetch_Site="cross-site")[0] == 200


def test_with_a_public_address_whole_origins_count(own: Api) -> None:
    own.console[0] = ConsoleConfig(public_url=PUBLIC, trusted_proxies=["127.0.0.1"])
    host = {"Host": "moat.example.org"}
    codes = [
        enter(own, **host, Origin=origin)[2]["error"]["code"]
        for origin in (PUBLIC, f"{PUBLIC}:8443", "http://moat.example.org")
    ]
    assert codes == ["access_denied", "csrf", "csrf"]


def test_browsers_use_the_servers_own_name(own: Api) -> None:
    cookie = {"Cookie": own.signed_in("viewer")["Cookie"].replace("moat_", "__Host-moat_")}
    own.console[0] = ConsoleConfig(public_url=PUBLIC)
    for host, status in (
        ("moat.example.org", 200),
        ("moat.example.org:443", 200),
        ("localhost:4000", 200),
        ("[::1]:4000", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("moat.example.org.evil.example", 421),
    ):
        assert ask(own, "GET", "sign-in", Host=host)[0] == status, host
        assert ask(own, "GET", "status", **cookie, Host=host)[0] == status, host
        assert ask(own, "GET", "status", Authorization="Bearer mk-viewer", Host=host)[0] == 200, host
    own.console[0] = ConsoleConfig(public_url=PUBLIC, trusted_proxies=["127.0.0.1"])
    assert ask(own, "GET", "sign-in", Host="inner")[0] == 200


@pytest.mark.parametrize("path", ["audit?before=", "audit?since_ns=", "traces?until_ns=", "usage?since_ns="])
def test_a_number_that_no_database_holds_is_refused(own: Api, path: str) -> None:
    key = {"Authorization": "Bearer mk-admin"}
    for number in ("99999999999999999999", "-99999999999999999999"):
        assert ask(own, "GET", f"{path}{number}", **key)[0] == 400
    assert ask(own, "GET", f"{path}{2**63 - 1}", **key)[0] == 200


def test_strangers_keep_nobody_out(own: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "is_password", lambda password, stored: password == PASSWORD)
    someone(own, hash_password(PASSWORD))
    own.console[0] = ConsoleConfig(trusted_proxies=["127.0.0.1"])
    entered = own.sign_in.by_password(ADA, PASSWORD, "198.51.100.1")
    mark = f"moat_browser={new_mark(entered.account)}"
    for number in range(OF_ACCOUNT.tries):
        assert enter(own, password="wrong", X_Forwarded_For=f"203.0.113.{number}")[0] == 401
    assert enter(own, X_Forwarded_For="203.0.113.77")[0] == 429, "the same network"
    assert enter(own, X_Forwarded_For="198.51.100.1")[0] == 200, "another network"
    tried = [
        enter(own, password="wrong", X_Forwarded_For=f"10.{number}.0.1")[0] for number in range(OF_STRANGERS.tries)
    ]
    assert tried[-1] == 429, "all networks together"
    assert enter(own, X_Forwarded_For="10.250.0.1")[0] == 429
    assert enter(own, X_Forwarded_For="10.250.0.1", Cookie=mark)[0] == 200, "a browser that the account knows"
    forged = f"{mark[:-1]}{'0' if mark[-1] != '0' else '1'}"
    assert enter(own, X_Forwarded_For="10.251.0.1", Cookie=forged)[0] == 429


def test_disabling_an_account_revokes_its_keys(own: Api) -> None:
    account = someone(own, "")
    own.state.keys.add(Key(id="key_ada", hash="1" * 64, role="viewer", user=ADA), actor="tests")
    own.state.keys.add(Key(id="key_bob", hash="2" * 64, role="viewer", user="bob@example.org"), actor="tests")
    own.state.accounts.change(account.id, lambda found: replace(found, disabled_ns=7), actor="grace")
    revoked = revocations(own)
    assert (revoked["key_ada"], revoked["key_bob"]) == (7, 0)
    other = replace(account, id="usr_j", email="jörg@example.org")
    own.state.accounts.add(other, actor="tests")
    own.state.keys.add(Key(id="key_j", hash="3" * 64, role="viewer", user="JÖRG@example.org"), actor="tests")
    own.state.accounts.change(other.id, lambda found: replace(found, disabled_ns=7), actor="grace")
    assert revocations(own)["key_j"] == 7, "however its name is written"
    revoked = revocations(own)
    own.state.accounts.change(account.id, lambda found: replace(found, disabled_ns=0), actor="grace")
    assert revocations(own) == revoked


def test_no_program_spends_what_is_for_people(own: Api) -> None:
    body = json.dumps({"model": "assistant", "messages": [{"role": "user", "content": "Hi"}]}).encode()
    key = {"Authorization": "Bearer mk-app"}
    for said in ({"X_Moat_Feature": "playground"}, {"X_Moat_Environment": "playground"}):
        assert own.raw("POST", "/v1/chat/completions", body, **JSON, **key, **said)[0] == 400


def test_one_account_does_not_take_all_places() -> None:
    async def listen() -> None:
        changes = Changes({})
        async with AsyncExitStack() as stack:
            for _ in range(MAX_OF_ONE):
                await stack.enter_async_context(changes.listening("usr_1"))
            with pytest.raises(Unavailable):
                await stack.enter_async_context(changes.listening("usr_1"))
            await stack.enter_async_context(changes.listening("usr_2"))

    asyncio.run(listen())
