"""Another site's page cannot act with the cookie of somebody who is signed in, nor sign somebody in."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from moat.api.routes import ENDPOINTS
from moat.domain.accounts import Account
from moat.domain.console import ConsoleConfig
from tests.api.test_bodies import GOOD
from tests.api.test_management import a_path
from tests.api.world import Api, open_api

SILENCE = json.dumps({"length": "1h", "why": "repairs"}).encode()
JSON = {"Content_Type": "application/json"}


@pytest.fixture
def own(template: Path, tmp_path: Path) -> Iterator[Api]:
    with open_api(template, tmp_path) as opened:
        yield opened


def silence(api: Api, headers: dict[str, str]) -> tuple[int, str]:
    status, _, body = api.raw("POST", "/api/v1/alerts/silences", SILENCE, **JSON, **headers)
    return status, json.loads(body).get("error", {}).get("code", "")


@pytest.mark.promise("inj-9")
def test_every_changing_route_wants_the_sessions_own_token(own: Api) -> None:
    person = own.signed_in("admin")
    other = own.signed_in("engineer")["X_Moat_Csrf"]
    bare = {"Cookie": person["Cookie"]}
    changing = [endpoint for endpoint in ENDPOINTS if endpoint.method not in ("GET", "HEAD") and endpoint.roles]
    assert len(changing) > 20
    before = own.state.accounts.accounts(), own.state.keys.keys()
    for endpoint in changing:
        body = json.dumps(GOOD.get(endpoint.path, {})).encode()
        for shown in ({}, {"X_Moat_Csrf": ""}, {"X_Moat_Csrf": "x"}, {"X_Moat_Csrf": other}, {"X_Moat_Csrf": "\xe9"}):
            status, _, answer = own.raw(endpoint.method, a_path(endpoint.path), body, **JSON, **bare, **shown)
            assert (status, json.loads(answer)["error"]["code"]) == (403, "csrf"), (endpoint.path, shown)
    assert (own.state.accounts.accounts(), own.state.keys.keys()) == before
    assert own.raw("GET", "/api/v1/status", **bare)[0] == 200, "who looks needs none"
    assert own.raw("HEAD", "/api/v1/status", **bare)[0] == 200


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "SAME-ORIGIN"}, 403),
        ({"Origin": "http://HOST"}, 200),
        ({"Origin": "https://HOST"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://HOST.evil.example"}, 403),
        ({"Origin": "http://evil.example/HOST"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "file://"}, 403),
        ({"Origin": "http://["}, 403),
        ({"Origin": "http://HOST", "Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
def test_what_a_browser_says_of_the_page_counts_beside_the_token(own: Api, said: dict[str, str], status: int) -> None:
    headers = {name: value.replace("HOST", own.host) for name, value in said.items()}
    assert silence(own, own.signed_in("engineer") | headers) == (status, "csrf" if status == 403 else "")


def test_a_proxy_that_changes_the_host_needs_the_public_address(own: Api) -> None:
    person = own.signed_in("engineer") | {"Origin": "http://moat.example.org"}
    assert silence(own, person)[0] == 403
    own.console[0] = ConsoleConfig(public_url="http://moat.example.org/")
    assert silence(own, person)[0] == 200
    assert silence(own, person | {"Origin": "http://evil.example"})[0] == 403


def test_a_key_needs_no_token_wherever_it_comes_from(own: Api) -> None:
    """No browser sends a key by itself."""
    headers = {"Authorization": "Bearer mk-engineer", "Origin": "http://evil.example", "Sec_Fetch_Site": "cross-site"}
    assert silence(own, headers)[0] == 200


@pytest.mark.promise("inj-9")
@pytest.mark.parametrize("path", ["session", "invitations/look", "invitations/accept"])
def test_no_other_site_signs_somebody_in(own: Api, path: str) -> None:
    own.state.accounts.add(Account(id="usr_1", email="mallory@example.org"), actor="tests")
    body = json.dumps(GOOD[f"/api/v1/{path}"]).encode()
    for said in ({"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"Origin": "null"}):
        status, received, answer = own.raw("POST", f"/api/v1/{path}", body, **JSON, **said)
        assert (status, json.loads(answer)["error"]["code"], "set-cookie" in received) == (403, "csrf", False)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        assert own.raw("POST", f"/api/v1/{path}", body, Content_Type=kind)[0] == 415, "a form sends these unasked"


def test_no_answer_lets_another_site_read_it(own: Api) -> None:
    person = own.signed_in("admin") | {"Origin": "http://evil.example"}
    _, received, _ = own.raw("GET", "/api/v1/session", **person)
    assert not [name for name in received if name.startswith("access-control")]
    status, received, _ = own.raw("OPTIONS", "/api/v1/session", Access_Control_Request_Method="POST", **person)
    assert status == 405
    assert not [name for name in received if name.startswith("access-control")]
