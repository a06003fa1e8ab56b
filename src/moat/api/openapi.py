"""OpenAPI 3.1 from the table of endpoints (https://spec.openapis.org/oas/v3.1.0)."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moat import __version__
from moat.api.admission import CSRF_HEADER
from moat.api.answered import always_held
from moat.api.endpoint import EVENTS, JSON_LINES, Endpoint
from moat.api.front import SESSION_COOKIE
from moat.api.parameters import SCHEMAS, TEXT

_PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

_MEANINGS = {
    200: "OK",
    201: "Made, and served from now on",
    202: "Stored or begun; it is not seen in what this server answers yet",
    204: "Done",
    303: "Go on there",
    304: "As it was when its `ETag` was what `If-None-Match` names",
}
UNCHANGED = 304
EMPTY = (204, 303, UNCHANGED)
"""Answers without a body."""

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}


def openapi(endpoints: Sequence[Endpoint]) -> dict[str, Any]:
    """The document. Types come from the structs, summaries from the handlers' docstrings."""
    bodies = [endpoint.body for endpoint in endpoints if endpoint.body is not None]
    ends = [endpoint.ends for endpoint in endpoints if endpoint.ends is not None]
    types = [*(endpoint.returns for endpoint in endpoints), *bodies, *ends]
    found, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    components = always_held(components, types, msgspec.json.schema_components(bodies)[1])
    schemas = iter(found)
    answers = [next(schemas) for _ in endpoints]
    asked = {endpoint: next(schemas) for endpoint in endpoints if endpoint.body is not None}
    last = {endpoint: next(schemas) for endpoint in endpoints if endpoint.ends is not None}
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, answer in zip(endpoints, answers, strict=True):
        content = {"application/json": {"schema": answer}}
        if endpoint in last:
            line = {"anyOf": [answer, last[endpoint]], "description": "A line; the last is the latter."}
            content = {JSON_LINES: {"schema": line}}
        if endpoint.streams:
            content = {EVENTS: {"schema": {"anyOf": [answer], "description": "The data of an event."}}}
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, content, asked.get(endpoint))
    return {
        "openapi": "3.1.0",
        "info": {"title": "Moat management API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**_in_javascript(components), "Error": _ERROR},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "csrf": {"type": "apiKey", "in": "header", "name": CSRF_HEADER},
                "signature": {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Gitlab-Token"},
            },
        },
    }


def _operation(endpoint: Endpoint, content: dict[str, Any], body: Any) -> dict[str, Any]:
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    operation = {
        "operationId": endpoint.answer.__name__,
        "summary": endpoint.summary,
        "security": _security(endpoint),
        "x-moat-roles": endpoint.roles or (),
        "parameters": list(_parameters(endpoint)),
        "responses": {
            **{str(status): _answered(status, content) for status in endpoint.statuses},
            "4XX": {"description": "The request is refused", **failure},
            "5XX": {"description": "The server cannot answer now", **failure},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _security(endpoint: Endpoint) -> list[dict[str, list[str]]]:
    """What lets a request in: any of these, each with all that it names."""
    if endpoint.roles is None:
        return []
    if not endpoint.roles:
        return [{"signature": []}, {"token": []}]
    person: dict[str, list[str]] = {"session": []}
    return [{"key": []}, person if endpoint.method == "GET" else {**person, "csrf": []}]


def _answered(status: int, content: dict[str, Any]) -> dict[str, Any]:
    told = {"description": _MEANINGS[status]}
    return told if status in EMPTY else {**told, "content": content}


def _parameters(endpoint: Endpoint) -> Iterator[dict[str, Any]]:
    for match in _PATH_PARAMETER.finditer(endpoint.path):
        yield {"name": match[1], "in": "path", "required": True, "schema": TEXT}
    for name in endpoint.query:
        schema, needed = SCHEMAS.get(name, TEXT), name in endpoint.needs
        if needed and schema == TEXT:
            schema = {"type": "string", "minLength": 1}
        yield {"name": name, "in": "query", "required": needed, "schema": schema}
    if UNCHANGED in endpoint.statuses:
        yield {"name": "If-None-Match", "in": "header", "required": False, "schema": TEXT}


def _in_javascript(schema: Any) -> Any:
    r"""With patterns as ECMA-262 has them, which is what JSON Schema asks for: Python's `\Z` is its `$`."""
    if isinstance(schema, dict):
        return {
            name: re.sub(r"\\Z$", "$", inner) if name == "pattern" and isinstance(inner, str) else _in_javascript(inner)
            for name, inner in schema.items()
        }
    return [_in_javascript(inner) for inner in schema] if isinstance(schema, list) else schema
