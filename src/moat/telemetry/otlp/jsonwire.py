"""OTLP in JSON: lowerCamelCase names, ids in hex, 64-bit integers as text or numbers, unknown fields ignored.

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from moat.documents import Document
from moat.documents import decode as decode_document
from moat.documents.yaml import JsonPath
from moat.domain.errors import RequestError
from moat.telemetry.otlp import wire
from moat.telemetry.otlp.wire import Found, Group, Happening, RawSpan

MAX_WORK, MAX_WORK_AT_ONCE = 900_000, 250_000
"""Commas, objects and arrays, outside of texts: an attribute takes four of them, and counts as two of a request. Of one
request, and of a span or resource, which are decoded in one piece: 8192 spans of 32 attributes are 0.7 million.
"""
MAX_EXPLAINED = 2**20
"""Bytes of a request whose mistakes are told in our words: that takes all of it, decoded once more."""

MAX_REPAIRED, MAX_HALVES = 4 * 2**20, 10_000
"""Bytes of a span, or of a whole body, that are looked through for halves of characters (others wait for that: 0.1 s),
and how many are replaced.
"""

T = TypeVar("T")


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


class _Event(_Wire, frozen=True):
    name: str | None = ""
    time_unix_nano: str | int | None = 0
    attributes: list[_KeyValue] | None = None


class _Link(_Wire, frozen=True):
    trace_id: str | None = ""
    span_id: str | None = ""


class _Span(_Wire, frozen=True):
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str | None = ""
    name: str | None = ""
    kind: int | str | None = 0
    start_time_unix_nano: str | int = 0
    end_time_unix_nano: str | int = 0
    attributes: list[_KeyValue] | None = None
    events: list[_Event] | None = None
    links: list[_Link] | None = None
    status: _Status | None = None


class _InstrumentationScope(_Wire, frozen=True):
    name: str | None = ""


class _Scope(_Wire, frozen=True):
    scope: _InstrumentationScope | None = None
    spans: list[msgspec.Raw] | None = None
    """Each decoded by itself: one decode of a whole body would hold the interpreter for all that time."""


class _Resource(_Wire, frozen=True):
    attributes: list[_KeyValue] | None = None


class _ResourceSpans(_Wire, frozen=True):
    resource: msgspec.Raw = msgspec.Raw(b"null")
    """Decoded by itself, like each span."""
    scope_spans: list[_Scope] | None = None


class _Request(_Wire, frozen=True):
    resource_spans: list[_ResourceSpans] | None = None


_request = msgspec.json.Decoder(_Request)
_one_span = msgspec.json.Decoder(_Span)
_resource = msgspec.json.Decoder(_Resource | None)
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SOME = re.compile(rb'(?:[^"]*+"[^"\\]*+(?:\\.[^"\\]*+)*+"){1,20000}+', re.DOTALL)
"""Many strings with what stands between them: taking them all out in one step would make as many pieces."""
_ATTRIBUTE = re.compile(rb"\{\s*+:\s*+,\s*+:\s*+\{\s*+:[^][{},]*+\}\s*+\}")
"""One with a plain value, after its strings are taken out."""
_HALF = re.compile(
    rb"(?<!\\)((?:\\\\)*+)\\u(?:[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u)[dD][c-fC-F][0-9a-fA-F]{2})"
)
"""An escape that is the first half of a surrogate pair without the second, or the second without the first; and the
escaped backslashes before it.
"""
_TOO_MANY = RawSpan()
"""In place of one that is not looked at, since it is not taken anyway."""
_INTEGER = re.compile(r"-?[0-9]{1,20}")
_KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")


def read(body: bytes) -> Found:
    """The spans of an ExportTraceServiceRequest. Raises `RequestError` with the JSON path for another shape."""
    _check_work(body, MAX_WORK)
    request, seen = _read(_request, body, body, ()), 0
    most = MAX_WORK_AT_ONCE if _structure(body) > MAX_WORK_AT_ONCE else len(body)
    for i, group in enumerate(request.resource_spans or []):
        found = _part(_resource, group.resource, most, body, ("resourceSpans", i, "resource"))
        resource = _Values().pairs(found.attributes if found else None)
        for j, scope in enumerate(group.scope_spans or []):
            common = Group(resource, (scope.scope.name or "") if scope.scope else "")
            for k, raw in enumerate(scope.spans or []):
                path = f"$.resourceSpans[{i}].scopeSpans[{j}].spans[{k}]"
                seen += 1
                if seen > wire.MAX_SPANS:
                    yield path, common, _TOO_MANY
                    continue
                parsed = _part(_one_span, raw, most, body, ("resourceSpans", i, "scopeSpans", j, "spans", k))
                yield path, common, _span(parsed)


def _check_work(body: bytes, most: int, attribute: bytes = b"{}") -> None:
    if len(body) > most and _structure(body) > most and _work(body, most, attribute) > most:
        raise wire.too_much()


def _work(body: bytes, most: int, attribute: bytes) -> int:
    """Commas, objects and arrays outside of texts, counted until they are too many; with something in place of each
    attribute.
    """
    at = found = 0
    while found <= most and (some := _SOME.match(body, at)):
        found += _structure(_ATTRIBUTE.sub(attribute, _STRING.sub(b"", some[0])))
        at = some.end()
    return found + (_structure(body[at:]) if found <= most else 0)


def _structure(body: bytes) -> int:
    """Commas count twice where they are more than the objects: OTLP has no lists of anything else."""
    commas, objects = body.count(b","), body.count(b"{")
    return commas + objects + body.count(b"[") + max(0, commas - objects)


def _part(decoder: msgspec.json.Decoder[T], part: msgspec.Raw, most: int, body: bytes, path: JsonPath) -> T:
    """As `_read`; what is longer than `most` has its own bound."""
    if len(part) > most:
        _check_work(bytes(part), MAX_WORK_AT_ONCE)
    return _read(decoder, part, body, path)


def _read(decoder: msgspec.json.Decoder[T], part: bytes | msgspec.Raw, body: bytes, path: JsonPath) -> T:
    """The part of the body at this path, with halves of characters replaced. Raises `RequestError`."""
    try:
        try:
            return _decoded(decoder.decode, part)
        except msgspec.ValidationError as error:
            if len(body) > MAX_EXPLAINED:
                raise RequestError(f"{_shown(path)}: {error}", where="body") from None
            whole = Document("body", _decoded(msgspec.json.decode, body), None)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RequestError(f"not valid JSON: {error}", where="body") from None
    try:
        return decode_document(whole, decoder.type, at=path, error=RequestError)
    except RequestError as error:
        raise RequestError(error.what, where="body", remedy=error.remedy) from None


def _shown(path: JsonPath) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


def _decoded(decode: Callable[[bytes | msgspec.Raw], T], part: bytes | msgspec.Raw) -> T:
    """What the decoder makes of it; with halves of characters, of the part without them."""
    try:
        return decode(part)
    except msgspec.ValidationError:
        raise
    except (msgspec.DecodeError, UnicodeDecodeError):
        if len(part) > MAX_REPAIRED:
            raise
        return decode(_repaired(bytes(part)))


def _repaired(part: bytes) -> bytes:
    """JSON with U+FFFD, as protobuf's text has it, for what is no UTF-8 and for halves of surrogate pairs: programs
    whose text is UTF-16 leave them where they cut it.
    """
    part = part.decode("utf-8", "replace").encode()
    return _HALF.sub(rb"\1\\ufffd", part, count=MAX_HALVES)


def _span(raw: _Span) -> RawSpan:
    values = _Values()
    events = raw.events or []
    links = raw.links or []
    status = raw.status
    return RawSpan(
        trace_id=raw.trace_id.lower(),
        span_id=raw.span_id.lower(),
        parent_id=(raw.parent_span_id or "").lower(),
        name=raw.name or "",
        kind=_kind(raw.kind),
        started_ns=_integer(raw.start_time_unix_nano, -1),
        ended_ns=_integer(raw.end_time_unix_nano, -1),
        attributes=values.pairs(raw.attributes),
        events=[values.event(event) for event in events[: wire.MAX_EVENTS]],
        links=[
            {"trace_id": (link.trace_id or "").lower(), "span_id": (link.span_id or "").lower()}
            for link in links[: wire.MAX_EVENTS]
        ],
        failed=status is not None and status.code in (2, "2", "STATUS_CODE_ERROR"),
        message=(status.message or "") if status else "",
        cut=values.cut or max(len(events), len(links)) > wire.MAX_EVENTS,
    )


class _Values:
    """Takes values out of what the wire wraps them in; notes when some lie too deep."""

    def __init__(self) -> None:
        self.cut = False

    def event(self, raw: _Event) -> Happening:
        """One event."""
        time_ns = min(max(_integer(raw.time_unix_nano or 0, 0), 0), wire.INT64_MAX)
        return Happening(raw.name or "", time_ns, self.pairs(raw.attributes))

    def pairs(self, raw: list[_KeyValue] | None, depth: int = 0) -> dict[str, Any]:
        """Attributes; of several with one name the last counts."""
        return {item.key: None if item.value is None else self.value(item.value, depth) for item in raw or []}

    def value(self, raw: _AnyValue, depth: int) -> Any:
        """An AnyValue."""
        if depth > wire.MAX_DEPTH:
            self.cut = True
            return wire.MARK
        if raw.string_value is not None:
            return raw.string_value
        if raw.int_value is not None:
            found = _integer(raw.int_value, None)
            return found if found is not None and -(2**63) <= found <= wire.INT64_MAX else str(raw.int_value)
        if isinstance(raw.double_value, float):
            return wire.number(raw.double_value)
        if raw.array_value is not None:
            return [self.value(item, depth + 1) for item in raw.array_value.values or []]
        if raw.kvlist_value is not None:
            return self.pairs(raw.kvlist_value.values, depth + 1)
        plain = (raw.bool_value, raw.double_value, raw.bytes_value)
        return next((value for value in plain if value is not None), None)


def _kind(raw: int | str | None) -> int:
    """A span's kind, as a number or by its name in the protocol."""
    if isinstance(raw, str):
        name = raw.removeprefix("SPAN_KIND_")
        return _KINDS.index(name) if name in _KINDS else 0
    return raw or 0


def _integer(raw: str | int, otherwise: Any) -> Any:
    """A 64-bit integer as OTLP writes it: a number, or its digits as text."""
    if isinstance(raw, str):
        return int(raw) if _INTEGER.fullmatch(raw) else otherwise
    return raw
