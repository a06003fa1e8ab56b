"""Lists and charts of calls, and traces in parts; implements the `CallReader` port over whatever asks the store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.adapters.duckdb import call_queries as queries
from moat.adapters.duckdb.conditions import CALLS, kinds_of, reported
from moat.adapters.duckdb.queries import COLUMNS, OWN_TRACE_OF_REQUEST, PART_OF_TRACE, SPANS_OF_TRACE
from moat.adapters.duckdb.rows import span_of
from moat.domain.errors import RequestError
from moat.ports.calls import (
    MOST_SAMPLES,
    MOST_SPANS,
    CallCount,
    CallRow,
    CallSlot,
    CallsPage,
    FindingCount,
    Place,
    Ranks,
    Sample,
    Totals,
    TracePart,
    in_order,
)
from moat.ports.traces import Dimension, TraceFilter

Ask = Callable[[str, list[Any]], list[tuple[Any, ...]]]
"""Answers one statement with its parameters."""

SECOND_NS = 10**9
DAY_NS = 86_400 * SECOND_NS
_STEPS = tuple(
    seconds * SECOND_NS
    for seconds in (
        *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800),
        *(3600, 2 * 3600, 3 * 3600, 6 * 3600, 12 * 3600),
    )
)
"""Lengths of time that people know how to read."""


class DuckCalls:
    """Safe for threads, as what it asks is."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def page(self, wanted: TraceFilter, limit: int, after: Place | None = None) -> CallsPage:
        """See `CallReader`."""
        kinds = kinds_of(wanted)
        is_reported = after is not None and after.reported and kinds == CALLS
        rows = self._ask(*queries.page(wanted, limit + 1, reported(wanted) if is_reported else kinds, after))
        if not rows and after is None and wanted.wide and kinds == CALLS:
            rows, is_reported = self._ask(*queries.page(wanted, limit + 1, reported(wanted))), True
        found = [CallRow(**dict(zip(CallRow.__struct_fields__, row, strict=True))) for row in rows]
        if len(found) <= limit:
            return CallsPage(found, None)
        last = found[limit - 1]
        return CallsPage(found[:limit], Place(last.started_ns, last.span_id, last.trace_id, is_reported))

    def count(self, wanted: TraceFilter, slots: int, now_ns: int) -> CallCount:
        """See `CallReader`."""
        kinds = kinds_of(wanted)
        ((calls, failed, first, last),) = self._ask(*queries.bounds(wanted, kinds))
        if not calls and wanted.wide and kinds == CALLS:
            kinds = reported(wanted)
            ((calls, failed, first, last),) = self._ask(*queries.bounds(wanted, kinds))
        since = wanted.since_ns or (first if calls else 0)
        until = wanted.until_ns or (max(now_ns, since) if wanted.since_ns else last + 1 if calls else 0)
        if until <= since:
            return CallCount(calls=calls, failed=failed, since_ns=since, until_ns=until, step_ns=0, slots=[])
        step = step_of(until - since, slots)
        found = {start: (some, bad) for start, some, bad in self._ask(*queries.histogram(wanted, kinds, step))}
        within = range(since // step * step, until, step)
        made = [CallSlot(start_ns=at, calls=found.get(at, (0, 0))[0], failed=found.get(at, (0, 0))[1]) for at in within]
        return CallCount(calls=calls, failed=failed, since_ns=since, until_ns=until, step_ns=step, slots=made)

    def totals(self, wanted: TraceFilter, step_ns: int = 0) -> list[Totals]:
        """See `CallReader`."""
        # Sums and quantiles by themselves: together they take twice as long (bench/traces, a million spans).
        quantiles = {at: row for at, *row in self._ask(*queries.quantiles(wanted, step_ns))}
        return [_totals(sums, quantiles) for sums in self._ask(*queries.sums(wanted, step_ns))]

    def course(self, wanted: TraceFilter, step_ns: int) -> tuple[Totals, list[Totals]]:
        """See `CallReader`."""
        quantiles = {at: row for at, *row in self._ask(*queries.quantiles(wanted, step_ns, whole=True))}
        slots = self._ask(*queries.sums(wanted, step_ns))
        sums = [sum(column) for column in list(zip(*slots, strict=True))[1:]]
        whole = _totals((None, *sums), quantiles) if slots else Totals(start_ns=0)
        return replace(whole, start_ns=wanted.since_ns), [_totals(slot, quantiles) for slot in slots]

    def samples(
        self, by: Sequence[Dimension], wanted: TraceFilter, ranks: Ranks, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Sample]:
        """See `CallReader`."""
        rows = self._ask(*queries.moments(by, wanted, step_ns, offset_ns))
        if len(rows) > MOST_SAMPLES:
            raise RequestError(
                f"makes more than {MOST_SAMPLES} groups of calls",
                where="by",
                remedy="Name fewer dimensions, longer slots (`step_ns`) or a shorter time (`since_ns`).",
            )
        width = len(by) + 1
        wished = {timed: ranks(timed) for timed in {row[width + 2] for row in rows} if timed}
        asked = queries.ordered(by, wanted, step_ns, offset_ns, wished)
        latencies = {row[:width]: tuple(row[width]) for row in self._ask(*asked) if row[width]} if wished else {}
        nothing = (None,) * len(ranks(0))
        return [_sample(width, row, latencies.get(row[:width], nothing)) for row in rows]

    def trace(self, trace_or_request_id: str, offset: int = 0, tenant: str = "", environment: str = "") -> TracePart:
        """See `CallReader`."""
        if not trace_or_request_id:
            return TracePart([], 0)
        found = self._ask(OWN_TRACE_OF_REQUEST, [trace_or_request_id, tenant, environment])
        own = [found[0][0] if found else trace_or_request_id, tenant, environment]
        rows = self._ask(PART_OF_TRACE, [*own, trace_or_request_id, MOST_SPANS, offset])
        count = len(rows)
        if offset or count == MOST_SPANS:
            ((count,),) = self._ask(SPANS_OF_TRACE, own)
        return TracePart(sorted((span_of(COLUMNS, row) for row in rows), key=in_order), count)

    def findings(self, wanted: TraceFilter, step_ns: int, limit: int, timezone: str = "") -> list[FindingCount]:
        """See `CallReader`."""
        names = FindingCount.__struct_fields__
        rows = self._ask(*queries.findings(wanted, step_ns, limit, timezone))
        return [msgspec.convert(dict(zip(names, row, strict=True)), FindingCount) for row in rows]


def _totals(sums: tuple[Any, ...], quantiles: Mapping[int | None, Sequence[Any]]) -> Totals:
    """A slot's, or with None in its place those of all."""
    start, *counts = sums
    latencies, first_token = quantiles.get(start, ((0, 0), 0))
    values = (start or 0, *counts, *latencies, first_token)
    return Totals(**dict(zip(Totals.__struct_fields__, values, strict=True)))


def _sample(width: int, row: Sequence[Any], latencies: tuple[int | None, ...]) -> Sample:
    """`width`: how many columns say which group it is, the slot last."""
    *group, slot_ns = row[:width]
    calls, errors, timed, *costs = row[width:]
    return Sample(tuple(group), slot_ns, calls, errors, timed, latencies, *costs)


def step_of(length_ns: int, slots: int) -> int:
    """The shortest length that people know how to read of which `slots` cover a time; whole days beyond half a day.

    >>> step_of(3600 * 10**9, 60) // 10**9, step_of(86_400 * 10**9, 60) // 10**9
    (60, 1800)
    """
    for step in _STEPS:
        if step * slots >= length_ns:
            return step
    return -(-length_ns // (slots * DAY_NS)) * DAY_NS
