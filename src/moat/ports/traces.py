"""The trace store: everything that is asked about finished calls. No SQL outside its adapters."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from moat.domain.spans import Span

Dimension = Literal[
    "tenant",
    "feature",
    "user",
    "model",
    "provider",
    "prompt",
    "version",
    "release",
    "arm",
    "experiment",
    "environment",
    "key",
    "error",
]


class TraceFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls: every given field must match exactly; times are Unix nanoseconds, `until` exclusive."""

    tenant: str = ""
    feature: str = ""
    user: str = ""
    session: str = ""
    model: str = ""
    provider: str = ""
    prompt: str = ""
    version: str = ""
    release: str = ""
    arm: str = ""
    experiment: str = ""
    environment: str = ""
    request_id: str = ""
    trace_id: str = ""
    error: str = ""
    failed: bool | None = None
    """True: only calls that ended in an error; False: only those that did not."""
    shadow: bool | None = None
    """True: only copies that nobody waited for; False: only calls that somebody saw."""
    since_ns: int = 0
    until_ns: int = 0


class Usages(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of one group of calls. Durations are nanoseconds over all calls, failed ones too; cost picodollars."""

    group: tuple[str, ...]
    calls: int
    errors: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cost: int
    unpriced: int
    """Calls whose cost is unknown and so not in `cost`."""
    p50_ns: int
    p95_ns: int
    p99_ns: int
    first_token_p50_ns: int
    """Over streamed calls: without a stream the first token comes with the last."""


class TraceReader(Protocol):
    """Questions. All see what the shipper has committed."""

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        """Spans of kind `call`, newest first, without `input` and `output`."""
        ...

    def trace(self, trace_or_request_id: str) -> list[Span]:
        """All spans of one trace with their content, oldest first; empty when unknown."""
        ...

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        """Totals of the calls per combination of dimensions, most expensive first; no dimension: one row."""
        ...


class TraceWriter(Protocol):
    """The shipper's side."""

    def ingest(self, segments: Sequence[Path]) -> int:
        """Commit all whole lines of these NDJSON segments in one transaction; how many spans were new.

        At least once: a span seen before (same `trace_id`, `span_id` and `started_ns`, as in a segment that
        comes again) changes nothing. A line that is not a span is set aside in the `rejects` table with its
        reason, never an error and never dropped. Raises `DocumentError` for segments it can never take,
        `StorageError` when it cannot take them now.
        """
        ...
