"""SQL in any parameter of any route is a value, or refused; the error paths are asked too."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any, get_args
from urllib.parse import quote, urlencode

import msgspec
import pytest

from moat.api.endpoint import Endpoint
from moat.api.routes import ENDPOINTS
from moat.bootstrap.project import Project
from tests.api.test_bodies import GOOD
from tests.api.world import Api
from tests.bootstrap.projects import PROMPT

HOSTILE = (
    "'; DROP TABLE releases; DROP TABLE spans; --",
    "' OR '1'='1",
    "')) UNION SELECT 1, hash FROM keys --",
    "\x00'\"",
)
ADMIN = {"Authorization": "Bearer mk-admin"}
READ = [endpoint for endpoint in ENDPOINTS if endpoint.method == "GET"]
PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")
THERE = {"name": PROMPT, "id": "key_acme", "sequence": "1"}
"""Values of path parameters that lead somewhere."""


def contents(project: Project) -> dict[str, list[Any]]:
    """All rows of the state store, by table; without the audit log's, which notes exports."""
    with closing(sqlite3.connect(f"file:{project.state_path}?mode=ro", uri=True)) as store:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = [
            name for (name,) in store.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        kept = [name for name in tables if name not in ("audit", "audit_contents", "sqlite_sequence")]
        return {name: store.execute(f'SELECT * FROM "{name}"').fetchall() for name in kept}


def addresses(endpoint: Endpoint, value: str) -> list[str]:
    """The route with the value in each of its parameters in turn."""
    places = PARAMETER.findall(endpoint.path)
    good = PARAMETER.sub(lambda place: quote(THERE[place[1]]), endpoint.path)
    found = [f"{good}?{urlencode({name: value})}" for name in endpoint.query]
    for name in places:
        bad = {**THERE, name: value}
        found.append(PARAMETER.sub(lambda place, bad=bad: quote(bad[place[1]], safe=""), endpoint.path))
    return found


@pytest.mark.promise("inj-4")
@pytest.mark.parametrize("value", HOSTILE)
def test_no_parameter_of_a_reading_route_is_read_as_sql(api: Api, value: str) -> None:
    before, calls = contents(api.files), api.get("/api/v1/traces")
    asked = [address for endpoint in READ for address in addresses(endpoint, value)]
    assert len(asked) > 60
    for address in asked:
        status, _, body = api.raw("GET", address, **ADMIN)
        assert status in (200, 400, 404), (address, status, body)
        assert b"0000000000000000000000000000000000000000" not in body, "a key's hash"
        for line in body.splitlines():
            json.loads(line)
    assert contents(api.files) == before
    assert api.get("/api/v1/traces") == calls


def texts(shape: type[msgspec.Struct]) -> list[str]:
    """Names of the fields that take any text."""
    return [field.encode_name for field in msgspec.structs.fields(shape) if str in (field.type, *get_args(field.type))]


def replaced(content: Any, value: str) -> Iterator[Any]:
    """The same with each of its texts, at whatever depth, and each name that is no field's, in turn."""
    if isinstance(content, str):
        yield value
    elif isinstance(content, list):
        for index, item in enumerate(content):
            yield from ([*content[:index], new, *content[index + 1 :]] for new in replaced(item, value))
    elif isinstance(content, dict):
        for name, item in content.items():
            yield from ({**content, name: new} for new in replaced(item, value))
            yield {**content, value: item}


@pytest.mark.promise("inj-4")
@pytest.mark.parametrize("value", HOSTILE)
def test_no_field_of_a_changing_route_is_run_as_sql(api: Api, value: str) -> None:
    before, calls, tried = contents(api.files), api.get("/api/v1/traces"), 0
    for endpoint in ENDPOINTS:
        if endpoint.body is None or not endpoint.roles:
            continue
        good = PARAMETER.sub(lambda place: quote(THERE[place[1]]), endpoint.path)
        bodies = [(good, {**GOOD[endpoint.path], name: value}) for name in texts(endpoint.body)]
        bodies += [(good, body) for body in replaced(GOOD[endpoint.path], value)]
        bodies += [(address, GOOD[endpoint.path]) for address in addresses(endpoint, value)]
        for address, body in bodies:
            tried += 1
            content = json.dumps(body).encode()
            status, _, answer = api.raw(endpoint.method, address, content, Content_Type="application/json", **ADMIN)
            assert status < 500, (address, body, answer)
    assert tried > 90
    after = contents(api.files)
    assert after.keys() == before.keys()
    assert all(len(after[table]) >= len(rows) for table, rows in before.items()), "nothing vanished"
    assert api.get("/api/v1/traces") == calls
