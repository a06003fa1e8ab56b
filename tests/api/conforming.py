"""What the API answers beside what its description says."""

import json
import re
from functools import cache
from typing import Any

import jsonschema_rs

from moat.api.endpoint import EVENTS, JSON_LINES
from moat.api.openapi import openapi
from moat.api.routes import ENDPOINTS

DOCUMENT: dict[str, Any] = json.loads(json.dumps(openapi(ENDPOINTS)))
_ROUTES = [
    (re.compile(re.sub(r"\{\w+\}", "[^/]+(/[^/]+)*", path)), path)
    for path in sorted(DOCUMENT["paths"], key=len, reverse=True)
]


def check(method: str, path: str, status: int, content_type: str, body: bytes) -> None:
    """Fail unless such an answer is described. `path` as the description has it."""
    kinds = _validators(path, method.lower(), str(status))
    assert bool(body) == bool(kinds), (method, path, status, body)
    if kinds:
        validator = kinds[content_type]
        for text in _values(content_type, body):
            validator.validate(json.loads(text))


def _values(content_type: str, body: bytes) -> list[bytes]:
    """The JSON values that a body is made of."""
    if content_type == EVENTS:
        return [line.removeprefix(b"data: ") for line in body.splitlines() if line.startswith(b"data: ")]
    return body.splitlines() if content_type == JSON_LINES else [body]


@cache
def route(method: str, path: str) -> str | None:
    """The described path that an address leads to, if there is one."""
    found = (known for matches, known in _ROUTES if matches.fullmatch(path))
    return next((known for known in found if method.lower() in DOCUMENT["paths"][known]), None)


@cache
def _validators(path: str, method: str, status: str) -> dict[str, Any]:
    """By content type."""
    answers = DOCUMENT["paths"][path][method]["responses"]
    answered = answers.get(status) or answers[f"{status[0]}XX"]
    return {
        kind: jsonschema_rs.validator_for(content["schema"] | {"components": DOCUMENT["components"]})
        for kind, content in answered.get("content", {}).items()
    }
