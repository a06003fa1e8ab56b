"""OpenAPI 3.1 from the table of endpoints (https://spec.openapis.org/oas/v3.1.0)."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from moat import __version__
from moat.api.endpoint import Endpoint

_PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

_MEANINGS = {
    200: "OK",
    201: "Made, and served from now on",
    202: "Stored or begun; it is not seen in what this server answers yet",
}

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
    types = [*(endpoint.returns for endpoint in endpoints), *(e.body for e in endpoints if e.body is not None)]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    bodies = iter(schemas[len(endpoints) :])
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, schema in zip(endpoints, schemas, strict=False):
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        body = next(bodies) if endpoint.body is not None else None
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schema, body)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Moat management API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "X-Hub-Signature-256"},
                "token": {"type": "apiKey", "in": "header", "name": "X-Gitlab-Token"},
            },
        },
    }


def _operation(endpoint: Endpoint, schema: Any, body: Any) -> dict[str, Any]:
    def parameter(name: str, place: str) -> dict[str, Any]:
        return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}

    inside = [parameter(match[1], "path") for match in _PATH_PARAMETER.finditer(endpoint.path)]
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    answer = {"application/json": {"schema": schema}}
    operation = {
        "operationId": endpoint.answer.__name__,
        "summary": endpoint.summary,
        "security": [{"key": []}] if endpoint.roles else [{"signature": []}, {"token": []}],
        "x-moat-roles": endpoint.roles,
        "parameters": inside + [parameter(name, "query") for name in endpoint.query],
        "responses": {
            **{str(status): {"description": _MEANINGS[status], "content": answer} for status in endpoint.statuses},
            "4XX": {"description": "The request is refused", **failure},
            "5XX": {"description": "The server cannot answer now", **failure},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
