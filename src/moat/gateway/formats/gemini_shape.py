"""The shape of Gemini's requests: the two spellings of their names, and their schemas.

Google's servers read the JSON of protocol buffers (https://protobuf.dev/programming-guides/json/): a member may be
written `systemInstruction` or `system_instruction`, and curl examples often mix both.
"""

import re
from typing import Any

from moat.domain.errors import RequestError

Json = dict[str, Any]

MAX_DEPTH = 100
"""Levels of a request, and of a schema."""

_OPAQUE = {
    "args",
    "default",
    "example",
    "labels",
    "parametersJsonSchema",
    "partMetadata",
    "response",
    "responseJsonSchema",
    "schema",
}
"""Members whose contents are the caller's own words."""
_NAMED = {"properties", "defs"}
"""Members whose contents have names that are the caller's."""
_UNDERSCORE = re.compile(r"_([a-z0-9])")

_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_KEPT = (
    "title",
    "description",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "required",
    "default",
    "additionalProperties",
)


def camel(value: Any, where: str = "", depth: int = MAX_DEPTH) -> Any:
    """The same with names in camel case, which is the spelling everything else here expects.

    Raises `RequestError` for what is nested too deeply, or says a member twice.
    """
    if not isinstance(value, dict | list):
        return value
    if depth <= 0:
        raise RequestError(f"is nested more than {MAX_DEPTH} levels deep", where=where)
    if isinstance(value, list):
        return [camel(item, where, depth - 1) for item in value]
    made: Json = {}
    for spelled, item in value.items():
        name = _UNDERSCORE.sub(lambda found: found[1].upper(), spelled)
        place = f"{where}.{name}" if where else name
        if name in made:
            raise RequestError("is given twice, in both spellings", where=place)
        if name in _OPAQUE:
            made[name] = _own_words(item, place, depth - 1)
        elif name in _NAMED and isinstance(item, dict):
            made[name] = {key: camel(inner, place, depth - 2) for key, inner in item.items()}
        else:
            made[name] = camel(item, place, depth - 1)
    return made


def _own_words(value: Any, where: str, depth: int) -> Any:
    """Unchanged, if it is not nested too deeply."""
    if isinstance(value, dict | list) and depth <= 0:
        raise RequestError(f"is nested more than {MAX_DEPTH} levels deep", where=where)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _own_words(inner, where, depth - 1)
    return value


def json_schema(schema: Any, where: str) -> Json:
    """Google's `Schema`, a dialect of OpenAPI 3.0, as JSON Schema.

    Types are in capitals there, counts are texts, and `nullable` stands for another type.
    """
    if not isinstance(schema, dict):
        raise RequestError("must be an object", where=where)
    made: Json = {name: schema[name] for name in _KEPT if name in schema}
    kind = schema.get("type")
    if isinstance(kind, str) and kind.upper() != "TYPE_UNSPECIFIED":
        made["type"] = kind.lower()
    for name in _COUNTS:
        if name in schema:
            made[name] = _count(schema[name], f"{where}.{name}")
    if "enum" in schema:
        made["enum"] = schema["enum"]
    if "example" in schema:
        made["examples"] = [schema["example"]]
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {
            name: json_schema(inner, f"{where}.properties.{name}") for name, inner in schema["properties"].items()
        }
    if "items" in schema:
        made["items"] = json_schema(schema["items"], f"{where}.items")
    if isinstance(schema.get("anyOf"), list):
        made["anyOf"] = [json_schema(inner, f"{where}.anyOf[{at}]") for at, inner in enumerate(schema["anyOf"])]
    return _nullable(made) if schema.get("nullable") else made


def _nullable(schema: Json) -> Json:
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "enum" in schema:
        schema = schema | {"enum": [*schema["enum"], None]}
    return schema | {"type": [schema["type"], "null"]} if "type" in schema else schema


def _count(value: Any, where: str) -> int:
    """64-bit integers are texts in the JSON of protocol buffers."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise RequestError("must be a whole number", where=where)
