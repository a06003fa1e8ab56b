"""OTLP in protobuf's encoding, read by hand: no dependency, and bounds where they are needed.

https://protobuf.dev/programming-guides/encoding/. A message is a run of fields, each a tag (number and wire type) and
its value; unknown fields are passed over. A generated parser builds everything before anybody can count it: two bytes
of a hostile body become an object of a hundred.
"""

import struct
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from moat.domain.errors import RequestError
from moat.telemetry.otlp import wire
from moat.telemetry.otlp.wire import Found, Group, Happening, RawSpan

MAX_WORK, MAX_WORK_AT_ONCE = 5_500_000, 500_000
"""Of one request, and of a span or resource, in fields; what becomes an object counts as several. An attribute takes
nine: 8192 spans of 64 attributes are 4.9 million.
"""
MAX_NAMES, MAX_NAME = 4096, 256
"""Keys that are remembered while a request is read, and their bytes."""
_GROUP, _PAIR, _VALUE = 10, 3, 2
"""Fields that an object counts as, beside those it consists of."""

_TOO_MANY = RawSpan()
"""In place of one that is not looked at, since it is not taken anyway."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_fixed64 = struct.Struct("<Q").unpack_from
_double = struct.Struct("<d").unpack_from

T = TypeVar("T")
Field = tuple[int, int, int]
"""Number and wire type as one tag, and where its value begins and ends; of a varint, the value and 0."""


def read(body: bytes) -> Found:
    """The spans of an ExportTraceServiceRequest. Raises `RequestError` for what is none."""
    try:
        yield from _Reader(body).spans()
    except (IndexError, struct.error):
        raise _broken("it ends in the middle of a value") from None


def _broken(why: str) -> RequestError:
    return RequestError(f"not valid protobuf: {why}", where="body")


class _Reader:
    """Walks one body; all positions are in it."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._left = MAX_WORK
        self._cut = False
        self._seen = 0
        self._names: dict[bytes, str] = {}

    def spans(self) -> Found:
        """All of them, each read when it is asked for."""
        for i, (tag, start, end) in enumerate(self._lists(0, len(self._body))):
            if tag == 0x0A:
                yield from self._resource_spans(f"$.resourceSpans[{i}]", start, end)

    def _resource_spans(self, path: str, start: int, end: int) -> Found:
        fields = list(self._lists(start, end))
        resource: dict[str, Any] = {}
        for tag, first, last in fields:
            if tag == 0x0A:
                resource = self._within(self._resource, first, last)
        scopes = (field for field in fields if field[0] == 0x12)
        for j, (_, first, last) in enumerate(scopes):
            yield from self._scope_spans(f"{path}.scopeSpans[{j}]", resource, first, last)

    def _scope_spans(self, path: str, resource: dict[str, Any], start: int, end: int) -> Found:
        group, number = Group(resource), 0
        for tag, first, last in self._lists(start, end):
            if tag == 0x0A:
                group.scope = self._scope(first, last)
            elif tag == 0x12:
                self._seen += 1
                is_over = self._seen > wire.MAX_SPANS
                yield f"{path}.spans[{number}]", group, _TOO_MANY if is_over else self._within(self._span, first, last)
                number += 1

    def _within(self, read: Callable[[int, int], T], start: int, end: int) -> T:
        """What it reads, with no more work than one part of a request may take."""
        beyond = max(0, self._left - MAX_WORK_AT_ONCE)
        self._left -= beyond
        found = read(start, end)
        self._left += beyond
        return found

    def _scope(self, start: int, end: int) -> str:
        names = [self.text(first, last) for tag, first, last in self.fields(start, end) if tag == 0x0A]
        return names[-1] if names else ""

    def _span(self, start: int, end: int) -> RawSpan:
        span = RawSpan()
        self._cut = False
        attributes, body = span.attributes, self._body
        for tag, first, last in self.fields(start, end):
            if tag == 0x4A:
                key, value = self._pair(first, last, 0)
                attributes[key] = value
            elif tag == 0x0A:
                span.trace_id = body[first:last].hex()
            elif tag == 0x12:
                span.span_id = body[first:last].hex()
            elif tag == 0x22:
                span.parent_id = body[first:last].hex()
            elif tag == 0x2A:
                span.name = self.text(first, last)
            elif tag == 0x30:
                span.kind = first
            elif tag == 0x39:
                span.started_ns = _fixed64(body, first)[0]
            elif tag == 0x41:
                span.ended_ns = _fixed64(body, first)[0]
            elif tag == 0x5A:
                self._event(span, first, last)
            elif tag == 0x6A:
                self._link(span, first, last)
            elif tag == 0x7A:
                self._status(span, first, last)
        span.cut = self._cut
        return span

    def _event(self, span: RawSpan, start: int, end: int) -> None:
        if len(span.events) >= wire.MAX_EVENTS:
            self._cut = True
            return
        event = Happening("", 0, {})
        for tag, first, last in self.fields(start, end):
            if tag == 0x09:
                event.time_ns = min(_fixed64(self._body, first)[0], wire.INT64_MAX)
            elif tag == 0x12:
                event.name = self.text(first, last)
            elif tag == 0x1A:
                key, value = self._pair(first, last, 0)
                event.attributes[key] = value
        span.events.append(event)

    def _link(self, span: RawSpan, start: int, end: int) -> None:
        if len(span.links) >= wire.MAX_EVENTS:
            self._cut = True
            return
        link = {"trace_id": "", "span_id": ""}
        for tag, first, last in self.fields(start, end):
            if tag in (0x0A, 0x12):
                link["trace_id" if tag == 0x0A else "span_id"] = self._body[first:last].hex()
        span.links.append(link)

    def _status(self, span: RawSpan, start: int, end: int) -> None:
        for tag, first, last in self.fields(start, end):
            if tag == 0x12:
                span.message = self.text(first, last)
            elif tag == 0x18:
                span.failed = first == wire.ERROR

    def _resource(self, start: int, end: int) -> dict[str, Any]:
        return dict(self._pair(first, last, 0) for tag, first, last in self.fields(start, end) if tag == 0x0A)

    def _pair(self, start: int, end: int, depth: int) -> tuple[str, Any]:
        """A KeyValue."""
        body = self._body
        if start + 4 <= end and body[start] == 0x0A and body[start + 1] < 0x80:
            # As it is written by everybody: a short key, then a short value. Three times as fast as what follows.
            middle = start + 2 + body[start + 1]
            if middle + 2 <= end and body[middle] == 0x12 and middle + 2 + body[middle + 1] == end < middle + 130:
                self._left -= _PAIR + 2
                return self._name(start + 2, middle), self._value(middle + 2, end, depth)
        self._left -= _PAIR
        key, value = "", None
        for tag, first, last in self.fields(start, end):
            if tag == 0x0A:
                key = self._name(first, last)
            elif tag == 0x12:
                value = self._value(first, last, depth)
        return key, value

    def _name(self, start: int, end: int) -> str:
        """A key; one object for all spans that have it."""
        raw = self._body[start:end]
        name = self._names.get(raw)
        if name is None:
            name = raw.decode("utf-8", "replace")
            if len(raw) <= MAX_NAME and len(self._names) < MAX_NAMES:
                self._names[raw] = name
        return name

    def _value(self, start: int, end: int, depth: int) -> Any:
        """An AnyValue; of several members the last counts."""
        if depth > wire.MAX_DEPTH:
            self._cut = True
            return wire.MARK
        self._left -= _VALUE
        value: Any = None
        for tag, first, last in self.fields(start, end):
            if tag == 0x0A:
                value = self.text(first, last)
            elif tag == 0x18:
                value = first - 2**64 if first >= 2**63 else first
            elif tag == 0x10:
                value = first != 0
            elif tag == 0x21:
                value = wire.number(_double(self._body, first)[0])
            elif tag == 0x2A:
                items = self.fields(first, last)
                value = [self._value(begin, stop, depth + 1) for inner, begin, stop in items if inner == 0x0A]
            elif tag == 0x32:
                items = self.fields(first, last)
                value = dict(self._pair(begin, stop, depth + 1) for inner, begin, stop in items if inner == 0x0A)
            elif tag == 0x3A:
                value = b64encode(self._body[first:last]).decode()
        return value

    def text(self, start: int, end: int) -> str:
        """A string; what is no UTF-8 in it is replaced."""
        return self._body[start:end].decode("utf-8", "replace")

    def _lists(self, start: int, end: int) -> Iterator[Field]:
        """Fields that are messages."""
        for field in self.fields(start, end):
            self._left -= _GROUP
            if field[0] & 7 == _BYTES:
                yield field

    def fields(self, at: int, end: int) -> Iterator[Field]:
        """The fields of the message between two positions."""
        body = self._body
        while at < end:
            self._left -= 1
            if self._left < 0:
                raise wire.too_much()
            tag = body[at]
            at += 1
            if tag >= 0x80:
                tag, at = self._varint(at - 1)
            kind = tag & 7
            if kind == _BYTES:
                size = body[at]
                at += 1
                if size >= 0x80:
                    size, at = self._varint(at - 1)
                if at + size > end:
                    raise _broken("a value is longer than what it stands in")
                yield tag, at, at + size
                at += size
            elif kind == _VARINT:
                value, at = self._varint(at)
                yield tag, value, 0
            elif kind in (_FIXED64, _FIXED32):
                yield tag, at, 0
                at += 8 if kind == _FIXED64 else 4
            else:
                raise _broken(f"wire type {kind}")
        if at > end:
            raise _broken("a value is longer than what it stands in")

    def _varint(self, at: int) -> tuple[int, int]:
        """A number of up to 64 bits, and where the next value begins; each further byte is work like a field."""
        body, value, shift = self._body, 0, 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self._left -= shift // 7
                return value & (2**64 - 1), at
            shift += 7
            if shift > 63:
                raise _broken("a number of more than 64 bits")


def read_partial(body: bytes) -> tuple[int, str]:
    """Rejected spans and the message of an ExportTraceServiceResponse; 0 for a body that is none."""
    reader, rejected, problem = _Reader(body), 0, ""
    try:
        for tag, start, end in reader.fields(0, len(body)):
            if tag != 0x0A:
                continue
            for inner, first, last in reader.fields(start, end):
                if inner == 0x08:
                    rejected = first
                elif inner == 0x12:
                    problem = reader.text(first, last)
    except (IndexError, struct.error, RequestError):
        return 0, ""
    return rejected, problem
