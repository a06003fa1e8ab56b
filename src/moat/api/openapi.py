"""OpenAPI 3.1 from the table of endpoints (https://spec.openapis.org/oas/v3.1.0)."""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from moat import __version__
from moat.api.endpoint import Endpoint

_PATH_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")

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
    types = [endpoint.returns for endpoint in endpoints]
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    paths: dict[str, dict[str, Any]] = {}
    for endpoint, schema in zip(endpoints, schemas, strict=True):
        path = _PATH_PARAMETER.sub(r"{\1}", endpoint.path)
        paths.setdefault(path, {})[endpoint.method.lower()] = _operation(endpoint, schema)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Moat management API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    def parameter(name: str, place: str) -> dict[str, Any]:
        return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"}}

    inside = [parameter(match[1], "path") for match in _PATH_PARAMETER.finditer(endpoint.path)]
    failure = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
    return {
        "operationId": endpoint.answer.__name__,
        "summary": endpoint.summary,
        "security": [{"key": []}],
        "x-moat-role": endpoint.role,
        "parameters": inside + [parameter(name, "query") for name in endpoint.query],
        "responses": {
            "200": {"description": "OK", "content": {"application/json": {"schema": schema}}},
            "4XX": {"description": "The request is refused", **failure},
            "5XX": {"description": "The server cannot answer now", **failure},
        },
    }
