"""Spans as OTLP/HTTP JSON (OpenTelemetry protocol 1.x, `ExportTraceServiceRequest`).

Ids are lower-case hex, 64-bit integers are strings, attributes are lists of key and `AnyValue`.
"""

import math
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from moat.domain.calls import Trace

MAX_STACK = 8_192
"""Characters of a stack trace that are kept, its end first."""

_INTERNAL = 1
_ERROR = 2


def attribute(key: str, value: Any) -> bytes:
    """A key and value as JSON, at most one per key in a span. What JSON cannot say becomes its type's name."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True, enc_hook=_type_name)
        return msgspec.json.encode({"key": _text(key), "value": _any_value(plain)})
    except (TypeError, ValueError, RecursionError):
        return msgspec.json.encode({"key": _text(key), "value": {"stringValue": _type_name(value)}})


def span(
    trace: Trace,
    name: str,
    times: tuple[int, int],
    attributes: Mapping[str, bytes],
    error: BaseException | None,
) -> bytes:
    """A finished span as JSON. `times` are its start and end in Unix nanoseconds."""
    started_ns, ended_ns = times
    fields: dict[str, Any] = {
        "traceId": trace.trace_id,
        "spanId": trace.span_id,
        "parentSpanId": trace.parent_id,
        "name": _text(name),
        "kind": _INTERNAL,
        "startTimeUnixNano": str(started_ns),
        "endTimeUnixNano": str(ended_ns),
        "attributes": [msgspec.Raw(value) for value in attributes.values()],
    }
    if error is not None:
        told = traceback.TracebackException.from_exception(error)
        fields["status"] = {"code": _ERROR, "message": _text(str(told))}
        facts = {
            "type": type(error).__name__,
            "message": str(told),
            "stacktrace": "".join(told.format())[-MAX_STACK:],
        }
        event = [msgspec.Raw(attribute(f"exception.{key}", fact)) for key, fact in facts.items()]
        fields["events"] = [{"name": "exception", "timeUnixNano": str(ended_ns), "attributes": event}]
    return msgspec.json.encode(fields)


def request(resource: Mapping[str, str], spans: Sequence[bytes]) -> bytes:
    """An `ExportTraceServiceRequest` of finished spans."""
    described = [msgspec.Raw(attribute(key, value)) for key, value in resource.items()]
    scope = {"scope": {"name": "moat.sdk"}, "spans": [msgspec.Raw(one) for one in spans]}
    return msgspec.json.encode(
        {"resourceSpans": [{"resource": {"attributes": described}, "scopeSpans": [scope]}]},
    )


def _any_value(value: Any) -> dict[str, Any]:
    match value:
        case None:
            return {}
        case bool():
            return {"boolValue": value}
        case int() if -(2**63) <= value < 2**63:
            return {"intValue": str(value)}
        case float() if math.isfinite(value):
            return {"doubleValue": value}
        case list():
            return {"arrayValue": {"values": [_any_value(item) for item in value]}}
        case dict():
            pairs = [{"key": _text(key), "value": _any_value(item)} for key, item in value.items()]
            return {"kvlistValue": {"values": pairs}}
    return {"stringValue": _text(str(value))}


def _text(text: str) -> str:
    """As UTF-8 can carry it: lone surrogates become `?`."""
    return text.encode("utf-8", "replace").decode()


def _type_name(value: object) -> str:
    return f"<{type(value).__name__}>"
