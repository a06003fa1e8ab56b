"""A request of an OTLP exporter: which of its spans can be taken, and what it is told."""

import time

import msgspec

from moat.domain.spans import Span
from moat.telemetry.otlp import answers, jsonwire, protobuf, wire
from moat.telemetry.otlp.reading import KEEP_ALL, Policy, span_of
from moat.telemetry.otlp.wire import Encoding, RawSpan

AHEAD_NS = 86_400 * 10**9
"""A span that begins later than this from now on is no event: it would stand before all others for good."""


class Received(msgspec.Struct, frozen=True):
    """What became of a request's spans."""

    spans: list[Span]
    rejected: int = 0
    problem: str = ""
    """Why the first of the rejected ones was."""

    def response(self, encoding: Encoding = "json") -> bytes:
        """The body of an ExportTraceServiceResponse; with a partial success when spans were rejected."""
        return answers.partial(self.rejected, self.problem, encoding) if self.rejected else answers.success(encoding)


def decode(body: bytes, encoding: Encoding = "json", policy: Policy = KEEP_ALL) -> Received:
    """The spans of an ExportTraceServiceRequest.

    Raises `RequestError` for a body of another shape (400; in JSON with the path) or with too many values (413). A span
    with impossible ids or times is rejected by itself; one that is too large is cut and marked `moat.truncated`.
    """
    spans, rejected, first = list[Span](), 0, ""
    latest = time.time_ns() + AHEAD_NS
    for path, group, raw in (protobuf if encoding == "protobuf" else jsonwire).read(body):
        is_over = len(spans) + rejected >= wire.MAX_SPANS
        problem = f"more than {wire.MAX_SPANS} spans in one request" if is_over else _check(raw, latest)
        if problem:
            rejected += 1
            first = first or f"{path}: {problem}"
        else:
            spans.append(span_of(raw, group, policy))
    return Received(spans, rejected, first)


def _check(raw: RawSpan, latest_ns: int) -> str:
    """Why a span cannot be kept; empty when it can."""
    if not wire.TRACE_ID.fullmatch(raw.trace_id) or not raw.trace_id.strip("0"):
        return "traceId is not 32 hex digits, or all zero"
    if not wire.SPAN_ID.fullmatch(raw.span_id) or not raw.span_id.strip("0"):
        return "spanId is not 16 hex digits, or all zero"
    if not 0 < raw.started_ns <= wire.INT64_MAX:
        return "startTimeUnixNano is not a time in nanoseconds"
    if raw.started_ns > latest_ns:
        return "startTimeUnixNano is more than a day ahead"
    if not 0 <= raw.ended_ns <= wire.INT64_MAX:
        return "endTimeUnixNano is not a time in nanoseconds"
    return ""
