"""The description is what the API does: schemathesis makes requests of it, right and wrong, over a real socket.

Whatever else the tests of the API ask is compared with the description too, by `tests.api.world.Api.raw`.
"""

import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode, Response
from schemathesis.checks import (
    CheckContext,
    content_type_conformance,
    negative_data_rejection,
    not_a_server_error,
    status_code_conformance,
)

from moat.api.app import OPENAPI_PATH
from moat.api.endpoint import JSON_LINES, Endpoint
from moat.api.routes import ENDPOINTS
from tests.api import conforming
from tests.api.stored_runs import NEW
from tests.api.test_bodies import GOOD
from tests.api.test_management import QUERY, a_path
from tests.api.world import Api, open_api
from tests.bootstrap.projects import PROMPT

ENDLESS = ("/api/v1/events",)
"""Their answers go on until the client leaves."""
EXAMPLES = 10
"""Of each route, right ones and wrong ones."""
THERE = {
    "name": PROMPT,
    "prompt": PROMPT,
    "environment": "staging",
    "version": "1.1.0",
    "from": "1.0.0",
    "to": "1.2.0",
    "tenant": "acme",
    "request_id": "req_2",
    "trace": "req_2",
    "sequence": "1",
    "by": "tenant,model",
    "q": "cost >= $0",
}
"""Values of parameters that lead somewhere."""
NOWHERE = {"/api/v1/proposals/file"}
"""There is no proposal here; `test_limit_drafts` has some."""
PARTIALS = {"/api/v1/files/partials/{name}": "tone"}
IDS = {
    "/api/v1/drafts/evals/{id}": "run_draft",
    "/api/v1/releases/{id}": "rel_1.0.0",
    "/api/v1/traces/{id}": "req_2",
    "/api/v1/runs/{id}": NEW,
    "/api/v1/runs/{id}/results": NEW,
    "/api/v1/traces/{id}/messages": "req_2",
    "/api/v1/tool-approvals/{id}": "apr_1",
}
ASKED = [
    *((endpoint, GenerationMode.POSITIVE) for endpoint in ENDPOINTS if endpoint.path not in ENDLESS),
    *((endpoint, GenerationMode.NEGATIVE) for endpoint in ENDPOINTS if endpoint.query or endpoint.body),
]


@pytest.fixture(scope="module")
def described(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An API of its own, since it is changed, as schemathesis knows it. Who gets in is shown elsewhere."""
    document = copy.deepcopy(conforming.DOCUMENT)
    for methods in document["paths"].values():
        for operation in methods.values():
            del operation["security"]
    with open_api(template, tmp_path_factory.mktemp("described")) as api:
        schema = schemathesis.openapi.from_dict(document)
        schema.config.update(base_url=api.url)
        yield schema


@pytest.mark.parametrize(("endpoint", "mode"), ASKED, ids=[f"{e.method} {e.path} {mode.value}" for e, mode in ASKED])
def test_answers_are_those_described(described: Any, endpoint: Endpoint, mode: GenerationMode) -> None:
    path = endpoint.path.replace(":path", "")
    there = THERE | {"id": IDS.get(path, "key_acme"), "name": PARTIALS.get(path, PROMPT)}
    statuses = set[int]()

    def conforms(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
        kind = response.headers.get("content-type", [""])[0]
        conforming.check(endpoint.method, path, response.status_code, kind, response.content)

    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=described[path][endpoint.method].as_strategy(mode), real=st.booleans())
    def ask(case: Case[Any], real: bool) -> None:
        if real and mode is GenerationMode.POSITIVE:
            case.path_parameters = {name: there[name] for name in case.path_parameters}
            case.query = QUERY.get(endpoint.path) or {name: there.get(name, case.query[name]) for name in case.query}
            case.body = GOOD.get(endpoint.path, case.body)
        response = case.call_and_validate(
            headers={"authorization": "Bearer mk-admin"},
            checks=[
                *(not_a_server_error, status_code_conformance, content_type_conformance),
                *(negative_data_rejection, conforms),
            ],
            timeout=30,
        )
        statuses.add(response.status_code)

    ask()
    if mode is GenerationMode.POSITIVE and endpoint.method == "GET" and 200 in endpoint.statuses:
        assert 200 in statuses or endpoint.path in NOWHERE, "none of them led anywhere"
    if mode is GenerationMode.NEGATIVE:
        assert statuses & ({404} if endpoint.foreign else {400, 401})


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
        schemes = {scheme for way in operation["security"] for scheme in way}
        assert schemes <= document["components"]["securitySchemes"].keys()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            ways = [set(way) for way in operation["security"]]
            if operation["x-moat-roles"]:
                assert ways == [{"key"}, {"session"} if method == "get" else {"session", "csrf"}]
            else:
                assert ways == ([{"signature"}, {"token"}] if "webhooks" in path else [])


def test_answers_are_what_the_description_says(api: Api) -> None:
    document = json.loads(api.raw("GET", OPENAPI_PATH)[2])
    for endpoint in ENDPOINTS:
        if endpoint.method != "GET" or 200 not in endpoint.statuses or endpoint.path in NOWHERE:
            continue
        answers = document["paths"][endpoint.path.replace(":path", "")]["get"]["responses"]
        [(kind, content)] = answers["200"]["content"].items()
        schema = jsonschema_rs.validator_for(content["schema"] | {"components": document["components"]})
        query = f"?{urlencode(QUERY[endpoint.path])}" if endpoint.path in QUERY else ""
        status, headers, answer = api.raw("GET", a_path(endpoint.path) + query, Authorization="Bearer mk-admin")
        assert (status, headers["content-type"]) == (200, kind), (endpoint.path, answer)
        assert answer
        for value in () if endpoint.path in ENDLESS else answer.splitlines() if kind == JSON_LINES else [answer]:
            schema.validate(json.loads(value))
        refused = answers["4XX"]["content"]["application/json"]["schema"] | {"components": document["components"]}
        jsonschema_rs.validator_for(refused).validate(api.get(a_path(endpoint.path), nope=1)[1])


def test_bodies_are_described_and_hold_nothing_else(api: Api) -> None:
    document = json.loads(api.raw("GET", OPENAPI_PATH)[2])
    for endpoint in ENDPOINTS:
        operation = document["paths"][endpoint.path.replace(":path", "")][endpoint.method.lower()]
        assert ("requestBody" in operation) == (endpoint.body is not None or endpoint.roles == ()), endpoint.path
        assert sorted(map(int, (s for s in operation["responses"] if s.isdigit()))) == sorted(endpoint.statuses)
        if endpoint.body is not None and endpoint.roles != ():
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            schema = jsonschema_rs.validator_for(body | {"components": document["components"]})
            assert not schema.is_valid({"nope": 1})


def test_every_reference_of_the_description_leads_somewhere(api: Api) -> None:
    text = api.raw("GET", OPENAPI_PATH)[2].decode()
    schemas = json.loads(text)["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert named
    assert named - schemas.keys() == set()
