"""What both encodings of OTLP carry, read and bounded, before anybody asks what it means.

OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/, and opentelemetry/proto/trace/v1/trace.proto.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from moat.domain.errors import RequestError

Encoding = Literal["json", "protobuf"]

MAX_SPANS = 10_000
"""Per request; further ones are refused in the partial success."""
MAX_DEPTH = 16
"""Of values within values; what lies deeper is left out."""
MAX_EVENTS = 128
"""Per span, and links: the default limits of OpenTelemetry's SDKs."""

TRACE_ID, SPAN_ID = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{16}")

INT64_MAX = 2**63 - 1
MARK = "… (cut)"

ERROR = 2
"""Status code of a span that failed."""


@dataclass(slots=True)
class Happening:
    """An event of a span."""

    name: str
    time_ns: int
    attributes: dict[str, Any]


@dataclass(slots=True)
class RawSpan:
    """A span as it was sent; numbers may be impossible."""

    trace_id: str = ""
    span_id: str = ""
    parent_id: str = ""
    name: str = ""
    kind: int = 0
    started_ns: int = 0
    ended_ns: int = 0
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Happening] = field(default_factory=list)
    links: list[dict[str, str]] = field(default_factory=list)
    failed: bool = False
    message: str = ""
    """Of the status."""
    cut: bool = False
    """Was something left out already?"""


@dataclass(slots=True)
class Group:
    """What spans of one instrumentation in one process have in common."""

    resource: Mapping[str, Any]
    scope: str = ""


Found = Iterator[tuple[str, Group, RawSpan]]
"""Each span of a request with its place."""


def too_much() -> RequestError:
    """The error of a request that holds more values than memory should be spent on."""
    error = RequestError("the request holds too many values", where="body", remedy="Send smaller batches.")
    error.status = 413
    return error


def number(value: float) -> float | str:
    """JSON has no infinity, and a line of the spool must be JSON."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
