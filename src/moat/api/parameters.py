"""Query parameters as JSON Schema, by name: the same name means the same on every route."""

from typing import Any, get_args

import msgspec

from moat.api.records import MAX_ROWS, MIN_STEP_NS
from moat.domain.feedback import Source
from moat.ports.traces import Dimension, TraceFilter

TEXT = {"type": "string"}


def _filter() -> dict[str, Any]:
    """The fields of a trace filter, each as a text in a query can be: `null` and nothing are the same."""
    _, shapes = msgspec.json.schema_components([TraceFilter], ref_template="{name}")
    fields: dict[str, Any] = shapes["TraceFilter"]["properties"]
    return {name: {"type": [one["type"] for one in field.get("anyOf", [field])]} for name, field in fields.items()}


_ONE = "|".join(get_args(Dimension))
SCHEMAS: dict[str, dict[str, Any]] = {
    **_filter(),
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": 50},
    "step_ns": {
        "type": "integer",
        "anyOf": [{"const": 0}, {"minimum": MIN_STEP_NS, "exclusiveMaximum": 10**18}],
        "default": 0,
    },
    "offset_ns": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**18, "default": 0},
    "by": {"type": "string", "pattern": f"^((?:{_ONE})(?:,(?:{_ONE}))*)?$"},
    "said_by": {"enum": ["", *get_args(Source)]},
    "status": {"enum": ["", "waiting", "sent", "failed"]},
    "children": {"type": "boolean", "default": False},
}
