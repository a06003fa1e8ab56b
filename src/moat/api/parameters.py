"""Query parameters as JSON Schema, by name: the same name means the same on every route."""

from typing import Any, get_args

import msgspec

from moat.api.overview import DEFAULT, WINDOW
from moat.api.records import MAX_OFFSET, MAX_ROWS, MIN_STEP_NS
from moat.domain.feedback import Source
from moat.ports.eval_views import CasesWanted, ResultsWanted
from moat.ports.evaluations import PlanWanted
from moat.ports.runs import RunsWanted
from moat.ports.traces import Dimension, TraceFilter

TEXT = {"type": "string"}


def _filter() -> dict[str, Any]:
    """The fields of a trace filter, each as a text in a query can be: `null` and nothing are the same."""
    _, shapes = msgspec.json.schema_components([TraceFilter], ref_template="{name}")
    fields: dict[str, Any] = shapes["TraceFilter"]["properties"]
    return {name: {"type": [one["type"] for one in field.get("anyOf", [field])]} for name, field in fields.items()}


def _fields(kind: type[msgspec.Struct], *names: str) -> dict[str, Any]:
    """Fields of a struct that a query is decoded into."""
    _, shapes = msgspec.json.schema_components([kind], ref_template="{name}")
    fields: dict[str, Any] = shapes[kind.__name__]["properties"]
    return {name: fields[name] for name in names}


_ONE = "|".join(get_args(Dimension))
SCHEMAS: dict[str, dict[str, Any]] = {
    **_filter(),
    **_fields(ResultsWanted, "below", "search", "after"),
    **_fields(CasesWanted, "change", "slice"),
    **_fields(RunsWanted, "verdict", "author", "like"),
    **_fields(PlanWanted, "power", "alpha", "repeats", "pass_rate", "cases"),
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_ROWS, "default": 50},
    "step_ns": {
        "type": "integer",
        "anyOf": [{"const": 0}, {"minimum": MIN_STEP_NS, "exclusiveMaximum": 10**18}],
        "default": 0,
    },
    "offset": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0},
    "offset_ns": {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**18, "default": 0},
    "by": {"type": "string", "pattern": f"^((?:{_ONE})(?:,(?:{_ONE}))*)?$"},
    "said_by": {"enum": ["", *get_args(Source)]},
    "status": {"enum": ["", "waiting", "sent", "failed"]},
    "children": {"type": "boolean", "default": False},
    "providers": {"type": "boolean", "default": False},
    "window": {"type": "string", "pattern": WINDOW, "default": DEFAULT},
    "timezone": {"type": "string", "default": "UTC"},
}
