"""OpenTelemetry traces in: OTLP/HTTP with JSON bodies, into spans of kind `app`.

OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: lowerCamelCase names, ids in hex,
64-bit integers as text or numbers, unknown fields ignored.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from moat.documents import Document
from moat.documents import decode as decode_document
from moat.documents.yaml import JsonPath
from moat.domain.errors import RequestError
from moat.domain.spans import Span
from moat.telemetry import conventions

MAX_SPANS = 10_000
"""Per request; further ones are refused in the partial success."""
MAX_ATTRIBUTES = 128
"""Per span, the default limit of OpenTelemetry's SDKs."""
MAX_VALUE = 16 * 1024
"""Characters of an attribute, as JSON when it is not text."""
MAX_CONTENT = 1024 * 1024
"""Characters of an input or output."""

T = TypeVar("T")

_INT64_MAX = 2**63 - 1
_MARK = "… (cut)"


class _Wire(msgspec.Struct, frozen=True, rename="camel"):
    """Base of the wire's structs: proto3's JSON lets any field be absent or null."""


class _AnyValue(_Wire, frozen=True):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: str | int | None = None
    double_value: float | str | None = None
    array_value: "_Array | None" = None
    kvlist_value: "_Attributes | None" = None
    bytes_value: str | None = None


class _KeyValue(_Wire, frozen=True):
    key: str = ""
    value: _AnyValue | None = None


class _Array(_Wire, frozen=True):
    values: list[_AnyValue] | None = None


class _Attributes(_Wire, frozen=True):
    values: list[_KeyValue] | None = None


class _Status(_Wire, frozen=True):
    code: int | str | None = 0
    message: str | None = ""


class _Span(_Wire, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = ""
    name: str | None = ""
    start_time_unix_nano: str | int = 0
    end_time_unix_nano: str | int = 0
    attributes: list[_KeyValue] | None = None
    status: _Status | None = None


class _Scope(_Wire, frozen=True):
    spans: list[msgspec.Raw] | None = None
    """Each decoded by itself: one decode of a whole body would hold the interpreter for all that time."""


class _Resource(_Wire, frozen=True):
    attributes: list[_KeyValue] | None = None


class _ResourceSpans(_Wire, frozen=True):
    resource: _Resource | None = None
    scope_spans: list[_Scope] | None = None


class _Request(_Wire, frozen=True):
    resource_spans: list[_ResourceSpans] | None = None


_request = msgspec.json.Decoder(_Request)
_one_span = msgspec.json.Decoder(_Span)
_TRACE_ID = re.compile(r"[0-9a-fA-F]{32}")
_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}")


class Received(msgspec.Struct, frozen=True):
    """What became of a request's spans."""

    spans: list[Span]
    rejected: int = 0
    problem: str = ""
    """Why the first of the rejected ones was."""

    def response(self) -> bytes:
        """The body of an ExportTraceServiceResponse; with a partial success when spans were rejected."""
        if not self.rejected:
            return b"{}"
        partial = {"rejectedSpans": str(self.rejected), "errorMessage": self.problem}
        return msgspec.json.encode({"partialSuccess": partial})


def decode(body: bytes) -> Received:
    """The spans of an ExportTraceServiceRequest.

    Raises `RequestError` with the JSON path for a body of another shape. A span with impossible ids or times is
    rejected by itself; one that is too large is cut and marked `moat.truncated`.
    """
    spans, rejected, first = list[Span](), 0, ""
    for path, resource, raw in _spans(body):
        problem = "" if len(spans) < MAX_SPANS else f"more than {MAX_SPANS} spans in one request"
        problem = problem or _check(raw)
        if problem:
            rejected += 1
            first = first or f"{path}: {problem}"
        else:
            spans.append(_span(raw, resource))
    return Received(spans, rejected, first)


def _spans(body: bytes) -> Iterator[tuple[str, Mapping[str, Any], _Span]]:
    """Each span with its JSON path and its resource's attributes."""
    request = _read(_request, body, body, ())
    for i, group in enumerate(request.resource_spans or []):
        resource = _attributes(group.resource.attributes if group.resource else None)
        for j, scope in enumerate(group.scope_spans or []):
            for k, raw in enumerate(scope.spans or []):
                path = ("resourceSpans", i, "scopeSpans", j, "spans", k)
                span = _read(_one_span, raw, body, path)
                yield f"$.resourceSpans[{i}].scopeSpans[{j}].spans[{k}]", resource, span


def _read(decoder: msgspec.json.Decoder[T], part: bytes | msgspec.Raw, body: bytes, path: JsonPath) -> T:
    """The part of the body at this path. Raises `RequestError`."""
    try:
        try:
            return decoder.decode(part)
        except msgspec.ValidationError:
            whole = Document("body", msgspec.json.decode(body), None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"not valid JSON: {error}", where="body") from None
    try:
        return decode_document(whole, decoder.type, at=path, error=RequestError)
    except RequestError as error:
        raise RequestError(error.what, where="body", remedy=error.remedy) from None


def _check(raw: _Span) -> str:
    """Why a span cannot be kept; empty when it can."""
    if not _TRACE_ID.fullmatch(raw.trace_id) or not int(raw.trace_id, 16):
        return "traceId is not 32 hex digits, or all zero"
    if not _SPAN_ID.fullmatch(raw.span_id) or not int(raw.span_id, 16):
        return "spanId is not 16 hex digits, or all zero"
    if not 0 < _integer(raw.start_time_unix_nano, 0) <= _INT64_MAX:
        return "startTimeUnixNano is not a time in nanoseconds"
    if not 0 <= _integer(raw.end_time_unix_nano, -1) <= _INT64_MAX:
        return "endTimeUnixNano is not a time in nanoseconds"
    return ""


def _span(raw: _Span, resource: Mapping[str, Any]) -> Span:
    own = raw.attributes or []
    rest = _attributes(own[:MAX_ATTRIBUTES])
    bounds = _Bounds(cut=len(own) > MAX_ATTRIBUTES)
    fields: dict[str, Any] = {}
    for field, names in conventions.TEXTS.items():
        value = _take(rest, names)
        if value is None and field == "environment":
            value = next((resource[name] for name in names if name in resource), None)
        fields[field] = bounds.text("" if value is None else value, MAX_VALUE)
    for field, names in conventions.COUNTS.items():
        fields[field] = _count(_take(rest, names))
    for field, names in conventions.CONTENT.items():
        fields[field] = bounds.content(_take(rest, names))
    reasons = rest.pop(conventions.FINISH_REASONS, None)
    error, message = _failure(raw.status, rest.pop(conventions.ERROR_TYPE, ""))
    attributes = {bounds.text(name, MAX_VALUE): bounds.value(value) for name, value in rest.items()}
    if conventions.SERVICE_NAME in resource:
        attributes.setdefault(conventions.SERVICE_NAME, bounds.value(resource[conventions.SERVICE_NAME]))
    fields |= {
        "finish_reason": bounds.text(reasons[0] if isinstance(reasons, list) and reasons else "", MAX_VALUE),
        "error": bounds.text(error, MAX_VALUE),
        "error_message": bounds.text(message, MAX_VALUE),
        "name": bounds.text(raw.name or "", MAX_VALUE),
    }
    started = _integer(raw.start_time_unix_nano, 0)
    return Span(
        span_id=raw.span_id.lower(),
        trace_id=raw.trace_id.lower(),
        parent_id=bounds.text((raw.parent_span_id or "").lower(), MAX_VALUE),
        kind="app",
        started_ns=started,
        duration_ns=max(0, _integer(raw.end_time_unix_nano, 0) - started),
        attributes=attributes | ({conventions.TRUNCATED: True} if bounds.cut else {}),
        **fields,
    )


class _Bounds:
    """Cuts what is too long, and remembers that it did."""

    def __init__(self, *, cut: bool) -> None:
        self.cut = cut

    def text(self, value: Any, limit: int) -> str:
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if len(text) <= limit:
            return text
        self.cut = True
        return text[:limit] + _MARK

    def value(self, value: Any) -> Any:
        text = self.text(value, MAX_VALUE)
        return text if text.endswith(_MARK) else value

    def content(self, value: Any) -> Any:
        """Text that is JSON becomes JSON, unless it had to be cut."""
        if value is None:
            return None
        text = self.text(value, MAX_CONTENT)
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return text


def _failure(status: _Status | None, kind: Any) -> tuple[Any, str]:
    """Error and message: `error.type`, or `error` for a span that only says it failed."""
    failed = status is not None and status.code in (2, "2", "STATUS_CODE_ERROR")
    return kind or ("error" if failed else ""), (status.message or "") if status and failed else ""


def _take(attributes: dict[str, Any], names: tuple[str, ...]) -> Any:
    """Remove all these names; the value of the first that is there."""
    found = [attributes.pop(name) for name in names if name in attributes]
    return found[0] if found else None


def _attributes(raw: list[_KeyValue] | None) -> dict[str, Any]:
    return {item.key: _value(item.value) for item in raw or []}


def _value(raw: _AnyValue | None) -> Any:
    if raw is None:
        return None
    if raw.int_value is not None:
        number = _integer(raw.int_value, None)
        return number if number is not None and -_INT64_MAX <= number <= _INT64_MAX else str(raw.int_value)
    if isinstance(raw.double_value, float):
        # JSON has no infinity, and a spool line must be JSON.
        return raw.double_value if math.isfinite(raw.double_value) else str(raw.double_value)
    if raw.array_value is not None:
        return [_value(item) for item in raw.array_value.values or []]
    if raw.kvlist_value is not None:
        return _attributes(raw.kvlist_value.values)
    plain = (raw.string_value, raw.bool_value, raw.double_value, raw.bytes_value)
    return next((value for value in plain if value is not None), None)


def _integer(raw: str | int, otherwise: Any) -> Any:
    """A 64-bit integer as OTLP writes it: a number, or its digits as text."""
    if isinstance(raw, str):
        return int(raw) if re.fullmatch(r"-?[0-9]{1,20}", raw) else otherwise
    return raw


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
