"""What rows of the trace store become."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from moat.adapters.duckdb import queries
from moat.domain.spans import Span
from moat.domain.usage import Usage
from moat.ports.traces import Spend

T = TypeVar("T", bound=msgspec.Struct)

_SPEND = ("slot_ns", "calls", "requests", "failed", "estimated", "cost", "unpriced", "hits", "saved", "refused")


def span_of(columns: Sequence[str], row: Sequence[Any]) -> Span:
    """Rebuild a span; JSON columns hold text, or NULL for the default."""
    fields = {
        name: msgspec.json.decode(value) if name in queries.JSON_COLUMNS else value
        for name, value in zip(columns, row, strict=True)
        if value is not None
    }
    return Span(**fields)


def grouped(kind: type[T], groups: int, row: Sequence[Any]) -> T:
    """The dimensions, then the other fields in their order."""
    return kind(group=tuple(row[:groups]), **dict(zip(kind.__struct_fields__[1:], row[groups:], strict=True)))


def spend_of(groups: int, row: Sequence[Any]) -> Spend:
    """The dimensions, the sums of `_SPEND`, then the counts of a `Usage`."""
    sums = dict(zip(_SPEND, row[groups:], strict=False))
    counts = dict(zip(queries.USAGE_COLUMNS, row[groups + len(_SPEND) :], strict=True))
    usage = Usage(**counts, estimated=bool(sums["estimated"]))
    return Spend(group=tuple(row[:groups]), usage=usage, **sums)
