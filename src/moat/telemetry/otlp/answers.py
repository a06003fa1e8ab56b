"""Answers of the OTLP service, in the encoding of the request.

`opentelemetry/proto/collector/trace/v1/trace_service.proto` for what was taken, `google.rpc.Status` for what was not.
"""

import math
from typing import Any, NamedTuple

import msgspec

from moat.domain.errors import MoatError
from moat.telemetry.otlp import protobuf, writing
from moat.telemetry.otlp.wire import Encoding

MAX_TOLD = 1024
"""Characters of a problem that a client is told."""

_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 413: 8, 415: 3, 429: 8, 499: 1, 503: 14, 504: 4}
"""google.rpc.Code by HTTP status: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto"""
_INTERNAL = 13
_RETRY = "type.googleapis.com/google.rpc.RetryInfo"


def success(encoding: Encoding) -> bytes:
    """All was taken."""
    return b"" if encoding == "protobuf" else b"{}"


def partial(rejected: int, problem: str, encoding: Encoding) -> bytes:
    """All but some spans were taken."""
    problem = problem[:MAX_TOLD]
    if encoding == "json":
        return msgspec.json.encode({"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": problem}})
    inner = b"\x08" + writing.varint(rejected) + writing.text(2, problem)
    return writing.message(1, inner)


def code(error: MoatError) -> int:
    """What a failure is to google.rpc, and so to gRPC."""
    return _CODES.get(error.status, _INTERNAL)


def refusal(error: MoatError, encoding: Encoding, wait: float | None = None) -> bytes:
    """A google.rpc.Status; in protobuf with the seconds to wait, as a google.rpc.RetryInfo."""
    said = str(error)[:MAX_TOLD]
    if encoding == "json":
        return msgspec.json.encode({"code": code(error), "message": said})
    status = b"\x08" + writing.varint(code(error)) + writing.text(2, said)
    if wait is None:
        return status
    delay = writing.message(1, b"\x08" + writing.varint(math.ceil(wait)))
    return status + writing.message(3, writing.text(1, _RETRY) + writing.message(2, delay))


class Told(NamedTuple):
    """What a collector answered to spans."""

    rejected: int = 0
    problem: str = ""


def told(body: bytes, encoding: Encoding) -> Told:
    """Its ExportTraceServiceResponse; an answer that is none says that all was taken."""
    if encoding == "protobuf":
        return Told(*protobuf.read_partial(body))
    try:
        said: Any = msgspec.json.decode(body)["partialSuccess"]
        return Told(int(said.get("rejectedSpans") or 0), str(said.get("errorMessage") or ""))
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return Told()  # a DecodeError is a ValueError
