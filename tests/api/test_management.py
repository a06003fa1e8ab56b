"""Who may call what at the management API, and that nothing else is reachable."""

import itertools
import json
from urllib.parse import quote

import pytest

from moat.adapters.remote import RemoteTraces
from moat.api.parameters import SCHEMAS
from moat.api.records import FILTER
from moat.api.routes import ENDPOINTS
from moat.domain.accounts import Account
from moat.domain.errors import AccessError, RequestError, Unavailable
from moat.domain.keys import LADDER, Key, Role
from moat.ports.traces import TraceFilter
from tests.api.stored_runs import NEW, SUITE
from tests.api.world import KEYS, SECRETS, Api
from tests.bootstrap.projects import PROMPT

QUERY = {
    "/api/v1/prompts/{name:path}": {"environment": "production"},
    "/api/v1/diff/{name:path}": {"from": "1.0.0", "to": "1.2.0"},
    "/api/v1/history": {"prompt": PROMPT, "environment": "production"},
    "/api/v1/clearance": {"prompt": PROMPT, "environment": "production", "release": "rel_1.0.0"},
    "/api/v1/approvals": {"release": "rel_1.0.0", "environment": "production"},
    "/api/v1/files/prompts/{name:path}": {"version": "1.0.0"},
    "/api/v1/usage": {"by": "tenant"},
    "/api/v1/scores": {"by": "tenant"},
    "/api/v1/feedback": {"trace": "req_2"},
    "/api/v1/runs/{id}": {"slices": "tags"},
    "/api/v1/runs/{id}/results": {"limit": "5"},
    "/api/v1/comparisons": {"run": NEW},
    "/api/v1/power": {"suite": SUITE},
}
"""What a GET of the route needs beside its path."""
BODIES = {"/api/v1/upkeep/expire": b'{"dry_run": true}'}
"""What is sent to a route instead of nothing, so that it changes nothing."""


def a_path(template: str) -> str:
    known = {
        "keys/{id}": "keys/key_acme",
        "accounts/{id}": f"accounts/{NEVER_IN}",
        "partials/{name:path}": "partials/tone",
        "{name:path}": PROMPT,
        "releases/{id}": "releases/rel_1.0.0",
        "runs/{id}": f"runs/{NEW}",
        "traces/{id}": "traces/req_2",
        "tool-approvals/{id}": "tool-approvals/apr_1",
        "audit/{sequence}": "audit/1",
        "drafts/evals/{id}": "drafts/evals/run_draft",
    }
    return next((template.replace(gap, value) for gap, value in known.items() if gap in template), template)


NEVER_IN = "usr_0"
"""An account that nobody has signed in to."""
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def expected(method: str, path: str, who: str | None) -> int:
    """The status by the table below alone, not by the code: 400 is a body that got in and is empty."""
    allowed = {known: roles for known, roles in ROLES if known.endswith(f" {path}")}
    asked = "GET" if method == "HEAD" and f"GET {path}" in allowed else method
    if f"{asked} {path}" not in allowed:
        return 405
    roles = allowed[f"{asked} {path}"]
    if roles == "anyone":
        if path.startswith("/api/v1/sign-in/oidc"):
            return 404  # moat.yaml names no provider
        return 400 if asked == "POST" else 200
    if roles == "signed" or who in (None, "nobody", "revoked", "expired", "signed-out"):
        return 401
    key = PEOPLE.get(who) or KEYS[who]
    if key.role not in OF_SOMEBODY_ELSE.get((asked, path), roles).split():
        return 403
    if (key.environment and path not in OF_ENVIRONMENTS) or (key.tenant and path not in OF_TENANTS):
        return 403
    if (asked, path) in OTHERWISE:
        return OTHERWISE[asked, path][who in PEOPLE]
    return 400 if asked in ("POST", "PATCH") and path not in EMPTY else 200


PEOPLE = {f"{role}-person": Key(id="", hash="", role=role) for role in LADDER}
"""Signed in with a cookie."""
OTHERWISE = {
    ("DELETE", "/api/v1/session"): (400, 204),
    ("DELETE", "/api/v1/searches/{name}"): (404, 404),  # none has that name
    ("POST", "/api/v1/accounts/{id}/invite"): (201, 201),
    ("GET", "/api/v1/proposals/file"): (404, 404),  # there is no proposal
}
"""Of a success, for a key and for a person."""
EMPTY = (
    *("/api/v1/refresh", "/api/v1/spend/reprice"),
    *("/api/v1/upkeep/expire", "/api/v1/upkeep/compact", "/api/v1/upkeep/copy"),
)
"""Routes for which nothing need be said."""

ADMINS = "admin"
ENGINEERS = f"engineer {ADMINS}"
EXPERTS = f"expert {ENGINEERS}"
OF_SOMEBODY_ELSE = {("DELETE", "/api/v1/drafts/evals/{id}"): ENGINEERS}
"""Who may change what is another person's, as it is here, where that is not whoever may change their own."""
VIEWERS = f"viewer {EXPERTS}"
READERS = f"app {VIEWERS}"

ROLES = (
    ("GET /api/v1/prompts", VIEWERS),
    ("GET /api/v1/prompts/{name:path}", READERS),
    ("POST /api/v1/prompts", ENGINEERS),
    ("POST /api/v1/render/{name:path}", f"app {EXPERTS}"),
    ("GET /api/v1/versions/{name:path}", VIEWERS),
    ("GET /api/v1/diff/{name:path}", VIEWERS),
    ("GET /api/v1/lineage/{name:path}", VIEWERS),
    ("GET /api/v1/files/prompts/{name:path}", VIEWERS),
    ("GET /api/v1/files/partials/{name:path}", VIEWERS),
    ("POST /api/v1/drafts/lint", EXPERTS),
    ("POST /api/v1/drafts/preview", EXPERTS),
    ("POST /api/v1/drafts/run", EXPERTS),
    ("POST /api/v1/drafts/evals", EXPERTS),
    ("GET /api/v1/drafts/evals", EXPERTS),
    ("GET /api/v1/drafts/evals/{id}", VIEWERS),
    ("DELETE /api/v1/drafts/evals/{id}", EXPERTS),
    ("GET /api/v1/proposals", VIEWERS),
    ("GET /api/v1/proposals/file", VIEWERS),
    ("POST /api/v1/proposals", EXPERTS),
    ("GET /api/v1/environments", VIEWERS),
    ("GET /api/v1/serving", VIEWERS),
    ("GET /api/v1/releases", VIEWERS),
    ("GET /api/v1/releases/{id}", VIEWERS),
    ("POST /api/v1/releases", ENGINEERS),
    ("GET /api/v1/environments/rules", VIEWERS),
    ("GET /api/v1/clearance", VIEWERS),
    ("GET /api/v1/approvals", VIEWERS),
    ("POST /api/v1/approvals", ENGINEERS),
    ("POST /api/v1/rollbacks", ENGINEERS),
    ("GET /api/v1/rollouts", VIEWERS),
    ("POST /api/v1/rollouts", ENGINEERS),
    ("GET /api/v1/history", VIEWERS),
    ("GET /api/v1/status", VIEWERS),
    ("POST /api/v1/refresh", ENGINEERS),
    ("GET /api/v1/traces", VIEWERS),
    ("GET /api/v1/traces/{id}", VIEWERS),
    ("GET /api/v1/traces/{id}/messages", VIEWERS),
    ("GET /api/v1/usage", VIEWERS),
    ("GET /api/v1/doctor", ENGINEERS),
    ("GET /api/v1/overview", VIEWERS),
    ("GET /api/v1/changes", VIEWERS),
    ("GET /api/v1/calls", VIEWERS),
    ("GET /api/v1/calls/count", VIEWERS),
    ("GET /api/v1/findings", VIEWERS),
    ("GET /api/v1/measures", VIEWERS),
    ("GET /api/v1/events", VIEWERS),
    ("POST /api/v1/replays", EXPERTS),
    ("GET /api/v1/policies", VIEWERS),
    ("POST /api/v1/guards/try", EXPERTS),
    ("GET /api/v1/runs", VIEWERS),
    ("GET /api/v1/runs/{id}/results", VIEWERS),
    ("GET /api/v1/runs/{id}", VIEWERS),
    ("GET /api/v1/comparisons", VIEWERS),
    ("GET /api/v1/suites", VIEWERS),
    ("GET /api/v1/datasets", VIEWERS),
    ("GET /api/v1/power", VIEWERS),
    ("GET /api/v1/judges", VIEWERS),
    ("POST /api/v1/datasets/{name:path}/cases", EXPERTS),
    ("GET /api/v1/scores", VIEWERS),
    ("GET /api/v1/sessions", VIEWERS),
    ("GET /api/v1/users", VIEWERS),
    ("GET /api/v1/feedback", VIEWERS),
    ("GET /api/v1/export", VIEWERS),
    ("GET /api/v1/kept", VIEWERS),
    ("GET /api/v1/searches", VIEWERS),
    ("POST /api/v1/searches", EXPERTS),
    ("DELETE /api/v1/searches/{name}", EXPERTS),
    ("GET /api/v1/opinions", VIEWERS),
    ("POST /api/v1/opinions", EXPERTS),
    ("POST /api/v1/scores", EXPERTS),
    ("GET /api/v1/alerts", VIEWERS),
    ("GET /api/v1/alerts/history", VIEWERS),
    ("GET /api/v1/alerts/deliveries", VIEWERS),
    ("POST /api/v1/alerts/silences", ENGINEERS),
    ("POST /api/v1/alerts/silences/lift", ENGINEERS),
    ("GET /api/v1/spend", VIEWERS),
    ("GET /api/v1/spend/forecast", VIEWERS),
    ("GET /api/v1/spend/deployments", VIEWERS),
    ("GET /api/v1/spend/repricings", VIEWERS),
    ("POST /api/v1/spend/reprice", ADMINS),
    ("POST /api/v1/upkeep/expire", ADMINS),
    ("POST /api/v1/upkeep/compact", ADMINS),
    ("POST /api/v1/upkeep/copy", ADMINS),
    ("GET /api/v1/limits", VIEWERS),
    ("GET /api/v1/limits/rules", VIEWERS),
    ("POST /api/v1/limits/drafts", ENGINEERS),
    ("GET /api/v1/spikes", VIEWERS),
    ("POST /api/v1/spikes/reset", ENGINEERS),
    ("GET /api/v1/cache", VIEWERS),
    ("GET /api/v1/providers", VIEWERS),
    ("POST /api/v1/providers/trust", ADMINS),
    ("POST /api/v1/webhooks/git", "signed"),
    ("GET /api/v1/keys", ADMINS),
    ("POST /api/v1/keys", ADMINS),
    ("GET /api/v1/keys/{id}", ADMINS),
    ("PATCH /api/v1/keys/{id}", ADMINS),
    ("DELETE /api/v1/keys/{id}", ADMINS),
    ("POST /api/v1/keys/{id}/rotate", ADMINS),
    ("GET /api/v1/sign-in", "anyone"),
    ("GET /api/v1/session", READERS),
    ("POST /api/v1/session", "anyone"),
    ("DELETE /api/v1/session", READERS),
    ("POST /api/v1/invitations/look", "anyone"),
    ("POST /api/v1/invitations/accept", "anyone"),
    ("GET /api/v1/sign-in/oidc", "anyone"),
    ("GET /api/v1/sign-in/oidc/callback", "anyone"),
    ("GET /api/v1/accounts", ADMINS),
    ("POST /api/v1/accounts", ADMINS),
    ("PATCH /api/v1/accounts/{id}", ADMINS),
    ("POST /api/v1/accounts/{id}/invite", ADMINS),
    ("GET /api/v1/tool-approvals", VIEWERS),
    ("GET /api/v1/tool-approvals/{id}", VIEWERS),
    ("POST /api/v1/tool-approvals/{id}", ENGINEERS),
    ("GET /api/v1/audit", ADMINS),
    ("GET /api/v1/audit/verification", ADMINS),
    ("GET /api/v1/audit/{sequence}", ADMINS),
)
OF_TENANTS = {
    *("/api/v1/prompts/{name:path}", "/api/v1/render/{name:path}"),
    *("/api/v1/traces", "/api/v1/traces/{id}", "/api/v1/traces/{id}/messages", "/api/v1/usage"),
    *("/api/v1/calls", "/api/v1/calls/count", "/api/v1/findings", "/api/v1/measures", "/api/v1/overview"),
    *("/api/v1/opinions", "/api/v1/scores", "/api/v1/feedback"),
    *("/api/v1/sessions", "/api/v1/users", "/api/v1/export"),
    *("/api/v1/spend", "/api/v1/spend/deployments", "/api/v1/spend/forecast"),
    *("/api/v1/keys", "/api/v1/keys/{id}", "/api/v1/keys/{id}/rotate"),
    "/api/v1/session",
}
"""Routes that show a key of one tenant its own, and nothing else."""
OF_ENVIRONMENTS = OF_TENANTS | {
    *("/api/v1/environments", "/api/v1/serving", "/api/v1/releases", "/api/v1/releases/{id}", "/api/v1/approvals"),
    *("/api/v1/rollbacks", "/api/v1/rollouts", "/api/v1/history", "/api/v1/changes"),
    *("/api/v1/environments/rules", "/api/v1/clearance"),
}


@pytest.mark.promise("gate-1")
def test_every_route_refuses_whoever_it_is_not_for(api: Api) -> None:
    paths = sorted({endpoint.path for endpoint in ENDPOINTS})
    api.state.accounts.add(Account(id=NEVER_IN, email="nobody@example.org"), actor="tests")
    signed_in: dict[str, dict[str, str]] = {}
    for path, method, who in itertools.product(paths, METHODS, (None, "nobody", "signed-out", *KEYS, *PEOPLE)):
        if (method, who) == (METHODS[0], None):  # a route can end sessions
            signed_in = {name: api.signed_in(person.role) for name, person in PEOPLE.items()}
        address = a_path(path)
        if method in ("GET", "HEAD") and path in QUERY:
            address += "?" + "&".join(f"{name}={quote(value)}" for name, value in QUERY[path].items())
        headers = {} if who is None else {"Authorization": f"Bearer {SECRETS.get(who, 'mk-unknown')}"}
        if who in PEOPLE:
            headers = signed_in[who]
        elif who == "signed-out":
            headers = {"Cookie": f"moat_session={'x' * 43}", "X_Moat_Csrf": "x"}
        body = BODIES.get(path, b"{}")
        status = api.raw(method, address, body, Content_Type="application/json", **headers)[0]
        assert status == expected(method, path, who), (method, path, who)


def told(roles: tuple[Role, ...] | None) -> str:
    return "anyone" if roles is None else " ".join(roles) or "signed"


@pytest.mark.promise("gate-1")
def test_the_routes_are_these_and_no_others(api: Api) -> None:
    assert [(f"{e.method} {e.path}", told(e.roles)) for e in ENDPOINTS] == list(ROLES)
    others = ("/", "/api", "/api/v1", "/api/v2/status", "/docs", "/admin", "/.moat/server.json")
    for path in (*others, "/v1/keys"):
        status, headers, body = api.raw("GET", path, Authorization="Bearer mk-admin")
        assert (status, json.loads(body)["error"]["code"]) == (404, "not_found"), path
        assert headers["content-type"] == "application/json"


OTHER_SPELLINGS = (
    "//api/v1/status", "/api//v1/status", "/api/v1/status/", "/api/v1/status//", "/api/v1/status.", "/api/v1/./status",
    "/api/v1/../v1/status", "/API/v1/status", "/api/v1/status%00", "/api/v1/status%20", "/api/v1/%2e%2e/v1/status",
    "/healthz/../api/v1/status", "/v1/../api/v1/status", "/api/v1/status;x=1",
)  # fmt: skip


@pytest.mark.promise("gate-2")
@pytest.mark.parametrize("path", OTHER_SPELLINGS)
def test_another_spelling_is_another_path(api: Api, path: str) -> None:
    for who in ("Bearer mk-admin", "Bearer mk-app", ""):
        status, headers, _ = api.raw("GET", path, Authorization=who, Host="evil.example")
        assert status == 404
        assert "location" not in headers


@pytest.mark.promise("gate-2")
def test_an_encoded_path_has_the_role_of_the_route_it_matches(api: Api) -> None:
    for path in ("/api/v1/%73tatus", "/api%2fv1%2fstatus", "/%61pi/v1/status?"):
        assert api.raw("GET", path)[0] == 401
        assert api.raw("GET", path, Authorization="Bearer mk-app")[0] == 403
    status, _, body = api.raw("GET", "/v1%2fmodels")
    assert (status, json.loads(body)["error"]["type"]) == (401, "authentication_error")


@pytest.mark.promise("gate-2")
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "[", "a b", "x:99999", "/api/v1/openapi.json", "", "admin@x"]
)
def test_the_host_decides_nothing(api: Api, host: str) -> None:
    assert api.raw("GET", "/api/v1/status", Host=host)[0] == 401
    assert api.raw("GET", "/api/v1/status", Host=host, Authorization="Bearer mk-app")[0] == 403
    assert api.raw("GET", "/api/v1/status", Host=host, Authorization="Bearer mk-admin")[0] == 200
    status, _, body = api.raw("GET", "/nothing", Host=host)
    assert (status, b"evil" in body) == (404, False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic bWstYWRtaW46"},
        {"Authorization": "mk-admin"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer mk-admin2"},
        {"Cookie": "key=mk-admin"},
        {"X_Original_URL": "/api/v1/openapi.json"},
        {"X_Forwarded_For": "127.0.0.1"},
    ],
)
def test_nothing_but_a_key_lets_in(api: Api, headers: dict[str, str]) -> None:
    status, answered, body = api.raw("GET", "/api/v1/traces?limit=1", **headers)
    assert status == 401
    assert answered["www-authenticate"] == "Bearer"
    assert "moat keys create" in json.loads(body)["error"]["message"]


def test_an_unknown_query_parameter_is_refused(api: Api) -> None:
    for endpoint in ENDPOINTS:
        if endpoint.method != "GET" or endpoint.foreign:  # who sends the browser back may add what it likes
            continue
        status, body = api.get(a_path(endpoint.path), nope=1)
        assert (status, body["error"]["param"]) == (400, "nope"), endpoint.path
        assert "Known: " in body["error"]["message"]


HOSTILE = (
    "'; DROP TABLE spans; --",
    "' OR '1'='1",
    '" OR 1=1 --',
    "%",
    "_",
    "\\",
    "\x00",
    "')) UNION SELECT 1 --",
    "${1}",
    "?",
    "é漢",
)


FILTERED = tuple(f"/api/v1/{name}" for name in ("traces", "usage", "scores", "sessions", "users", "opinions", "spend"))


@pytest.mark.promise("inj-4")
def test_sql_in_a_filter_is_a_value(api: Api) -> None:
    before = api.get("/api/v1/traces")
    assert len(before[1]) == 5
    text_fields = [name for name in FILTER if SCHEMAS[name]["type"] == ["string"] and name != "q"]
    assert len(text_fields) > 15
    for name, value in itertools.product(text_fields, HOSTILE):
        for path in FILTERED:
            status, rows = api.get(path, **{name: value})
            assert status == 200, (path, name, value)
            assert rows == [] or (path.endswith("usage") and rows[0]["calls"] == 0), (path, name, value)
    for value in HOSTILE:
        assert api.get("/api/v1/releases", prompt=value) == (200, [])
        assert api.get("/api/v1/runs", prompt=value) == (200, {"runs": [], "next": ""})
        assert api.get("/api/v1/runs", author=value) == (200, {"runs": [], "next": ""})
        assert api.get(f"/api/v1/traces/{quote(value, safe='')}") == (200, {"spans": [], "count": 0})
        assert api.get("/api/v1/usage", by=value)[0] == 400
        assert api.get(f"/api/v1/prompts/{quote(value, safe='')}", environment=value)[0] == 404
        assert api.get(f"/api/v1/prompts/{PROMPT}", version=value)[0] == 404
    assert api.get("/api/v1/traces") == before


@pytest.mark.promise("inj-4")
def test_sql_in_an_expression_is_a_value_or_no_expression(api: Api) -> None:
    before = api.get("/api/v1/traces")
    for value, path in itertools.product(HOSTILE, FILTERED):
        quoted = json.dumps(value, ensure_ascii=False)
        for q in (
            value,
            quoted,
            f"tenant = {quoted}",
            f"model ~ {quoted}",
            f"attributes.a = {quoted}",
            f"user in ({quoted})",
        ):
            status, rows = api.get(path, q=q)
            if status == 200:
                assert rows == [] or (path.endswith("usage") and rows[0]["calls"] == 0), (path, q)
            else:
                assert (status, "^" in rows["error"]["message"], q) == (400, True, value), "no expression, and where"
    assert api.get("/api/v1/traces") == before


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=1e2", "failed=maybe", "since_ns=x", "since_ns=1.5"],
)
def test_a_value_that_cannot_be_is_refused(api: Api, query: str) -> None:
    status, body = api.get(f"/api/v1/traces?{query}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error"), body
    assert body["error"]["param"]


def test_a_time_beyond_all_times_is_refused(api: Api) -> None:
    latest = 2**63 - 1
    assert api.get("/api/v1/traces", since_ns=latest) == (200, [])
    assert len(api.get("/api/v1/traces", until_ns=latest)[1]) == 5
    assert api.get("/api/v1/traces", since_ns=10**30)[0] == 400


def test_filters_select(api: Api) -> None:
    assert [call["request_id"] for call in api.get("/api/v1/traces", tenant="acme")[1]] == ["req_4", "req_2"]
    assert [call["request_id"] for call in api.get("/api/v1/traces", failed="true")[1]] == ["req_3"]
    assert [call["request_id"] for call in api.get("/api/v1/traces", since_ns=2, until_ns=4)[1]] == ["req_3", "req_2"]
    assert len(api.get("/api/v1/traces", failed="false", limit=2)[1]) == 2
    rows = api.get("/api/v1/usage", by="tenant")[1]
    assert [(row["group"], row["cost"]) for row in rows] == [(["globex"], 9), (["acme"], 6)]
    assert api.get("/api/v1/traces/req_2")[1]["spans"][0]["span_id"] == f"{2:016x}"


def test_a_remote_store_answers_as_the_local_one(api: Api) -> None:
    remote = RemoteTraces(api.url, "mk-admin")
    for wanted in (TraceFilter(), TraceFilter(tenant="acme"), TraceFilter(failed=False), TraceFilter(since_ns=2)):
        assert remote.search(wanted, 3) == api.traces.search(wanted, 3)
        assert remote.usages(["tenant", "error"], wanted) == api.traces.usages(["tenant", "error"], wanted)
        assert remote.usages([], wanted) == api.traces.usages([], wanted)
    assert remote.trace("req_1") == api.traces.trace("req_1")
    assert remote.trace("a?b#c &d") == []
    with pytest.raises(RequestError, match="limit"):
        remote.search(TraceFilter(), 0)
    with pytest.raises(AccessError, match="admin"):
        RemoteTraces(api.url, "mk-app").trace("req_1")
    with pytest.raises(Unavailable, match="does not answer"):
        RemoteTraces("http://127.0.0.1:9", "mk-admin").trace("req_1")


def test_a_prompt_is_sent_once_while_it_does_not_change(api: Api) -> None:
    path = f"/api/v1/prompts/{PROMPT}?environment=production"
    status, headers, body = api.raw("GET", path, Authorization="Bearer mk-app")
    served = json.loads(body)
    assert (status, served["prompt"]["version"], served["environment"]) == (200, "1.0.0", "production")
    status, again, body = api.raw("GET", path, Authorization="Bearer mk-app", If_None_Match=headers["etag"])
    assert (status, again["etag"], body) == (304, headers["etag"], b"")
    status, _, _ = api.raw("GET", path, Authorization="Bearer mk-app", If_None_Match='"another"')
    assert status == 200
    assert api.raw("GET", path, If_None_Match=headers["etag"])[0] == 401, "a known tag is no key"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ({}, 400, "give one of"),
        ({"environment": "staging", "version": "1.0.0"}, 400, "give one of"),
        ({"environment": "latest"}, 404, "no latest version"),
        ({"version": "latest"}, 404, "no latest version"),
        ({"version": "9.9.9"}, 404, "1.0.0, 1.1.0, 1.2.0"),
        ({"environment": "nowhere"}, 404, "production, staging"),
    ],
)
def test_a_prompt_asked_for_in_vain(api: Api, query: dict[str, str], status: int, said: str) -> None:
    found, body = api.get(f"/api/v1/prompts/{PROMPT}", "app", **query)
    assert (found, said in body["error"]["message"]) == (status, True), body


def test_prompt_names_stay_inside_the_project(api: Api) -> None:
    for name in ("../../etc/passwd", "..%2f..%2fmoat", "support/../support/answer", "/etc/passwd", "support%00answer"):
        status, _, _ = api.raw("GET", f"/api/v1/prompts/{name}?version=1.0.0", Authorization="Bearer mk-app")
        assert status == 404, name
