"""Lists and charts of calls; implements the `CallReader` port over whatever asks the store."""

from collections.abc import Callable
from typing import Any

import msgspec

from moat.adapters.duckdb import call_queries as queries
from moat.adapters.duckdb.conditions import CALLS, kinds_of, reported
from moat.ports.calls import CallCount, CallRow, CallSlot, CallsPage, FindingCount, Place, Totals
from moat.ports.traces import TraceFilter

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
        names = Totals.__struct_fields__
        return [
            Totals(**dict(zip(names, (*sums, *quantiles.get(sums[0], (0, 0, 0))), strict=True)))
            for sums in self._ask(*queries.sums(wanted, step_ns))
        ]

    def findings(self, wanted: TraceFilter, step_ns: int, limit: int) -> list[FindingCount]:
        """See `CallReader`."""
        names = FindingCount.__struct_fields__
        rows = self._ask(*queries.findings(wanted, step_ns, limit))
        return [msgspec.convert(dict(zip(names, row, strict=True)), FindingCount) for row in rows]


def step_of(length_ns: int, slots: int) -> int:
    """The shortest length that people know how to read of which `slots` cover a time; whole days beyond half a day.

    >>> step_of(3600 * 10**9, 60) // 10**9, step_of(86_400 * 10**9, 60) // 10**9
    (60, 1800)
    """
    for step in _STEPS:
        if step * slots >= length_ns:
            return step
    return -(-length_ns // (slots * DAY_NS)) * DAY_NS
