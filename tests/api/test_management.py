"""Who may call what at the management API, and that nothing else is reachable."""

import http.client
import itertools
import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import jsonschema_rs
import msgspec
import pytest

from moat.adapters.duckdb import DuckTraces
from moat.adapters.remote import RemoteTraces
from moat.api.app import OPENAPI_PATH, management_api
from moat.api.routes import ENDPOINTS, FILTER
from moat.api.services import Services
from moat.bootstrap.project import Project
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.wiring import open_state
from moat.domain.errors import AccessError, RequestError, Unavailable
from moat.domain.keys import Key, hash_secret
from moat.domain.spans import Span
from moat.gateway.admission import KeyRing
from moat.gateway.app import Gateway
from moat.gateway.serving import Live, Serving
from moat.pipeline.recipe import build
from moat.ports.traces import TraceFilter
from moat.prompts.rollout import Rollout
from moat.testing.fakes import FakeClock, ListSpool, fake_ports
from moat.testing.loopback import on_loopback
from moat.testing.scripted import ScriptedProvider
from tests.bootstrap.projects import PROMPT

SECRETS = {"admin": "mk-admin", "app": "mk-app", "bound": "mk-bound", "revoked": "mk-revoked", "expired": "mk-expired"}
KEYS = (
    Key(id="key_1", hash=hash_secret("mk-admin"), role="admin"),
    Key(id="key_2", hash=hash_secret("mk-app"), tenant="acme"),
    Key(id="key_3", hash=hash_secret("mk-bound"), environment="production"),
    Key(id="key_4", hash=hash_secret("mk-revoked"), role="admin", revoked_ns=1),
    Key(id="key_5", hash=hash_secret("mk-expired"), role="admin", expires_ns=1),
)


@dataclass
class Api:
    """The API on a socket, over real stores."""

    host: str
    traces: DuckTraces

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def raw(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A request exactly as it is written here."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
        finally:
            connection.close()

    def get(self, path: str, who: str = "admin", **query: Any) -> tuple[int, Any]:
        """Status and JSON of a GET request."""
        address = f"{path}?{urlencode(query)}" if query else path
        status, _, body = self.raw("GET", address, Authorization=f"Bearer {SECRETS[who]}")
        return status, json.loads(body)


@pytest.fixture(scope="module")
def api(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A gateway and its API over a project with two releases and a few calls. No test changes it."""
    folder = tmp_path_factory.mktemp("api")
    shutil.copytree(template, folder / "project")
    config = folder / "project" / "moat.yaml"
    config.write_text(config.read_text("utf-8").replace("require: [support]", "require: []"), "utf-8")
    files = Project(folder / "project")
    with ExitStack() as stack:
        state = stack.enter_context(open_state(files))
        for version, environment in (("1.0.0", "production"), ("1.2.0", "staging")):
            Releasing(files, state).release(PROMPT, version, environment, "")
        traces = DuckTraces.open(files.traces_path)
        stack.callback(traces.close)
        segment = folder / "segment.ndjson"
        spans = [
            Span(span_id=f"{n:016x}", trace_id=f"{n:032x}", kind="call", name="chat", started_ns=n, duration_ns=5,
                 request_id=f"req_{n}", tenant=["acme", "globex"][n % 2], error=["", "provider_down"][n == 3], cost=n)
            for n in range(1, 6)
        ]  # fmt: skip
        segment.write_bytes(b"".join(msgspec.json.encode(span) + b"\n" for span in spans))
        traces.ingest([segment])
        prompts = Rollout(files.catalog, state.releases.releases(), state.releases.current(), "production")
        ring = KeyRing(KEYS, FakeClock())
        live = Live(
            Serving(build(fake_ports(ScriptedProvider())), ring, prompts, ("assistant",), (f"{PROMPT}@production",))
        )
        management = management_api(Services(live, state.releases, state.runs, traces))
        gateway = Gateway(live, ListSpool(), max_body=2**20, management=management)
        url = stack.enter_context(on_loopback(gateway))
        yield Api(url.removeprefix("http://"), traces)


def a_path(template: str) -> str:
    return template.replace("{name:path}", PROMPT).replace("{id}", "req_1")


@pytest.mark.promise("gate-1")
def test_every_route_refuses_whoever_it_is_not_for(api: Api) -> None:
    query = {"/api/v1/prompts/{name:path}": "?environment=production"}
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    for endpoint, method, who in itertools.product(ENDPOINTS, methods, (None, "nobody", *SECRETS)):
        path = a_path(endpoint.path) + query.get(endpoint.path, "")
        headers = {} if who is None else {"Authorization": f"Bearer {SECRETS.get(who, 'mk-unknown')}"}
        status = api.raw(method, path, **headers)[0]
        if method not in (endpoint.method, "HEAD"):
            expected = 405
        elif who in (None, "nobody", "revoked", "expired"):
            expected = 401
        elif endpoint.role == "admin" and who != "admin":
            expected = 403
        else:
            expected = 200
        assert status == expected, (method, path, who)


@pytest.mark.promise("gate-1")
def test_the_routes_are_these_and_no_others(api: Api) -> None:
    assert {(e.method, e.path, e.role) for e in ENDPOINTS} == {
        ("GET", "/api/v1/prompts/{name:path}", "app"),
        ("GET", "/api/v1/status", "admin"),
        ("GET", "/api/v1/environments", "admin"),
        ("GET", "/api/v1/releases", "admin"),
        ("GET", "/api/v1/runs", "admin"),
        ("GET", "/api/v1/traces", "admin"),
        ("GET", "/api/v1/traces/{id}", "admin"),
        ("GET", "/api/v1/usage", "admin"),
    }
    for path in (
        "/",
        "/api",
        "/api/v1",
        "/api/v1/keys",
        "/api/v2/status",
        "/docs",
        "/admin",
        "/.moat/server.json",
        "/v1/keys",
    ):
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


@pytest.mark.promise("inj-4")
def test_sql_in_a_filter_is_a_value(api: Api) -> None:
    before = api.get("/api/v1/traces")
    assert len(before[1]) == 5
    text_fields = [name for name in FILTER if name not in ("failed", "since_ns", "until_ns")]
    for name, value in itertools.product(text_fields, HOSTILE):
        for path in ("/api/v1/traces", "/api/v1/usage"):
            status, rows = api.get(path, **{name: value})
            assert status == 200, (name, value)
            assert rows == [] or (path.endswith("usage") and rows[0]["calls"] == 0), (name, value)
    for value in HOSTILE:
        assert api.get("/api/v1/releases", prompt=value) == (200, [])
        assert api.get("/api/v1/runs", prompt=value) == (200, [])
        assert api.get("/api/v1/runs", suite=value) == (200, [])
        assert api.get(f"/api/v1/traces/{quote(value, safe='')}") == (200, [])
        assert api.get("/api/v1/usage", by=value)[0] == 400
        assert api.get(f"/api/v1/prompts/{quote(value, safe='')}", environment=value)[0] == 404
        assert api.get(f"/api/v1/prompts/{PROMPT}", version=value)[0] == 404
    assert api.get("/api/v1/traces") == before


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=1e2", "failed=maybe", "since_ns=x", "since_ns=1.5"],
)
def test_a_value_that_cannot_be_is_refused(api: Api, query: str) -> None:
    status, body = api.get(f"/api/v1/traces?{query}")
    assert (status, body["error"]["type"]) == (400, "invalid_request_error"), body
    assert body["error"]["param"]


def test_a_time_beyond_all_times_is_a_time(api: Api) -> None:
    huge = 10**30
    assert api.get("/api/v1/traces", since_ns=huge) == (200, [])
    assert len(api.get("/api/v1/traces", since_ns=-huge, until_ns=huge)[1]) == 5


def test_filters_select(api: Api) -> None:
    assert [call["request_id"] for call in api.get("/api/v1/traces", tenant="acme")[1]] == ["req_4", "req_2"]
    assert [call["request_id"] for call in api.get("/api/v1/traces", failed="true")[1]] == ["req_3"]
    assert [call["request_id"] for call in api.get("/api/v1/traces", since_ns=2, until_ns=4)[1]] == ["req_3", "req_2"]
    assert len(api.get("/api/v1/traces", failed="false", limit=2)[1]) == 2
    rows = api.get("/api/v1/usage", by="tenant")[1]
    assert [(row["group"], row["cost"]) for row in rows] == [(["globex"], 9), (["acme"], 6)]
    assert api.get("/api/v1/traces/req_2")[1][0]["span_id"] == f"{2:016x}"


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
    assert headers["etag"] == f'"{served["digest"]}:{served["release"]}"'
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


def test_a_key_of_one_environment_sees_no_other(api: Api) -> None:
    assert api.get(f"/api/v1/prompts/{PROMPT}", "bound", environment="production")[0] == 200
    assert api.get(f"/api/v1/prompts/{PROMPT}", "bound", environment="staging")[0] == 403


def test_prompt_names_stay_inside_the_project(api: Api) -> None:
    for name in ("../../etc/passwd", "..%2f..%2fmoat", "support/../support/answer", "/etc/passwd", "support%00answer"):
        status, _, _ = api.raw("GET", f"/api/v1/prompts/{name}?version=1.0.0", Authorization="Bearer mk-app")
        assert status == 404, name


def test_the_description_is_valid_openapi_and_true(api: Api) -> None:
    status, _, body = api.raw("GET", OPENAPI_PATH)
    document = json.loads(body)
    assert (status, document["openapi"]) == (200, "3.1.0")
    described = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    assert described == {(e.path.replace(":path", ""), e.method) for e in ENDPOINTS}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert operation["security"] == [{"key": []}]
    assert "key" in document["components"]["securitySchemes"]


def test_answers_are_what_the_description_says(api: Api) -> None:
    document = json.loads(api.raw("GET", OPENAPI_PATH)[2])
    query = {"/api/v1/prompts/{name:path}": {"environment": "production"}, "/api/v1/usage": {"by": "tenant"}}
    for endpoint in ENDPOINTS:
        answers = document["paths"][endpoint.path.replace(":path", "")]["get"]["responses"]
        schema = answers["200"]["content"]["application/json"]["schema"] | {"components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(api.get(a_path(endpoint.path), **query.get(endpoint.path, {}))[1])
        refused = answers["4XX"]["content"]["application/json"]["schema"] | {"components": document["components"]}
        jsonschema_rs.validator_for(refused).validate(api.get(a_path(endpoint.path), nope=1)[1])
