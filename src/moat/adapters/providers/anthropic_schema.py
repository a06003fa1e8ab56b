"""JSON Schema as Anthropic's structured outputs take it.

They know a part of JSON Schema only (https://docs.claude.com/en/docs/build-with-claude/structured-outputs). What they
do not know is told to the model in the description, as the official SDKs do; it is then a wish, not a guarantee.
"""

from typing import Any

_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"},
)
_KEPT = frozenset({"type", "description", "title", "enum", "const", "required", "$ref", "default"})
_MAPS = ("properties", "$defs", "definitions")
_LISTS = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def strict_schema(schema: Any) -> Any:
    """A copy in which objects are closed and unknown constraints are words."""
    if not isinstance(schema, dict):
        return schema
    known: dict[str, Any] = {}
    wishes: dict[str, Any] = {}
    for name, value in schema.items():
        if name in _KEPT:
            known[name] = value
        elif name in _MAPS and isinstance(value, dict):
            known[name] = {key: strict_schema(inner) for key, inner in value.items()}
        elif name in _LISTS and isinstance(value, list):
            known.setdefault(_LISTS[name], []).extend(strict_schema(inner) for inner in value)
        elif name == "items":
            known[name] = strict_schema(value)
        elif (name == "format" and value in _FORMATS) or (name == "minItems" and value in (0, 1)):
            known[name] = value
        elif name not in ("additionalProperties", "$schema", "$id"):
            wishes[name] = value
    if schema.get("type") == "object" or "properties" in schema:
        known["additionalProperties"] = False
    if wishes:
        words = ", ".join(f"{name}: {value}" for name, value in wishes.items())
        known["description"] = f"{known['description']}\n\n{{{words}}}" if known.get("description") else f"{{{words}}}"
    return known
