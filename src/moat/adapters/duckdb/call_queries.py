"""The SQL of lists and charts of calls. Values travel as parameters; names come from `CallRow` and the filter alone."""

from collections.abc import Mapping, Sequence
from typing import Any

from moat.adapters.duckdb.conditions import conditions, kinds_of
from moat.adapters.duckdb.queries import TIMED, check
from moat.adapters.duckdb.slots import local_slot, slot
from moat.ports.calls import MOST_SAMPLES, CallRow, Place
from moat.ports.traces import Dimension, TraceFilter

Statement = tuple[str, list[Any]]

_COLUMNS = ", ".join(f'"{name}"' for name in CallRow.__struct_fields__)
_ORDER = "ORDER BY started_ns DESC, span_id, trace_id LIMIT ?"


def page(wanted: TraceFilter, limit: int, kinds: str, after: Place | None = None) -> Statement:
    """The columns of `CallRow`, from a place on. The first condition lets DuckDB skip blocks that are newer."""
    where, values = conditions(wanted, kinds)
    if after is not None:
        where += " AND started_ns <= ? AND (started_ns < ? OR (span_id, trace_id) > (?, ?))"
        values = [*values, after.started_ns, after.started_ns, after.span_id, after.trace_id]
    return f"SELECT {_COLUMNS} FROM spans WHERE {where} {_ORDER}", [*values, limit]


def bounds(wanted: TraceFilter, kinds: str) -> Statement:
    """Calls, failures, first and last start."""
    where, values = conditions(wanted, kinds)
    counts = "count(*), count(*) FILTER (error <> ''), coalesce(min(started_ns), 0), coalesce(max(started_ns), 0)"
    return f"SELECT {counts} FROM spans WHERE {where}", values


def histogram(wanted: TraceFilter, kinds: str, step_ns: int) -> Statement:
    """Start of each slot that has any, calls, failures."""
    where, values = conditions(wanted, kinds)
    counts = "count(*), count(*) FILTER (error <> '')"
    return f"SELECT {slot(step_ns)} AS slot, {counts} FROM spans WHERE {where} GROUP BY slot", values


def sums(wanted: TraceFilter, step_ns: int) -> Statement:
    """The fields of `Totals` up to the quantiles, by slot."""
    where, values = conditions(wanted)
    return (
        f"""
        SELECT {_start(wanted, step_ns)} AS slot,
            count(*), count(*) FILTER (error <> ''), count(*) FILTER (guard = 'block'),
            coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0),
            coalesce(sum(cost), 0), count(*) FILTER (cost IS NULL),
            count(*) FILTER (cache <> ''), count(*) FILTER (cache IN ('hit', 'similar')), coalesce(sum(saved), 0)
        FROM spans WHERE {where} {_grouped(step_ns)}
        """,
        values,
    )


def quantiles(wanted: TraceFilter, step_ns: int, *, whole: bool = False) -> Statement:
    """The same slots with the quantiles of `Totals`; `whole`: first of all calls, with NULL for a slot.

    Two of one column are asked for as one list, which DuckDB sorts once.
    """
    where, values = conditions(wanted)
    grouped = "GROUP BY GROUPING SETS ((), (slot)) ORDER BY slot NULLS FIRST" if whole else _grouped(step_ns)
    return (
        f"""
        SELECT {_start(wanted, step_ns)} AS slot,
            coalesce(quantile_disc(duration_ns, [0.5, 0.95]) {TIMED}, [0, 0]),
            coalesce(quantile_disc(first_token_ns, 0.5) FILTER (stream AND first_token_ns > 0), 0)
        FROM spans WHERE {where} {grouped}
        """,
        values,
    )


def _start(wanted: TraceFilter, step_ns: int) -> str:
    return slot(step_ns) if step_ns else f"{wanted.since_ns:d}"


def _grouped(step_ns: int) -> str:
    return "GROUP BY slot ORDER BY slot" if step_ns else ""


_PRICED = "FILTER (cost IS NOT NULL AND NOT (error <> '' AND attempts = 0))"
_NEARLY_EQUAL = 1e-4
"""A deviation that is a smaller part of the mean leaves no digits for a skewness made of sums of cubes."""


def moments(by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int) -> Statement:
    """The dimensions and the slot, then the fields of `Sample` without its latencies; one group more than there may be.

    Raises `RequestError` for an unknown dimension.
    """
    check(by)
    where, values = conditions(wanted)
    keys = _keys(by, step_ns, offset_ns)
    names = ", ".join(f"k{place}" for place in range(len(keys)))
    columns = ", ".join(f"{key} AS k{place}" for place, key in enumerate(keys))
    last = len(keys) - 1
    return (
        f"""
        SELECT {names}, calls, errors, timed, priced, coalesce(mean, 0), coalesce(deviation, 0),
            CASE WHEN deviation > {_NEARLY_EQUAL} * mean THEN coalesce(skew, 0) ELSE 0 END
        FROM (
            SELECT {columns}, count(*) AS calls, count(*) FILTER (error <> '') AS errors, count(*) {TIMED} AS timed,
                count(*) {_PRICED} AS priced, avg(cost) {_PRICED} AS mean,
                stddev_samp(cost) {_PRICED} AS deviation, skewness(cost) {_PRICED} AS skew
            FROM spans WHERE {where} GROUP BY {names}
        ) ORDER BY k{last}, {names} LIMIT {MOST_SAMPLES + 1}
        """,
        values,
    )


def ordered(
    by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int, ranks: Mapping[int, Sequence[int]]
) -> Statement:
    """The same groups with the latencies of some ranks, which are given by how many latencies a group has.

    A group that has got more calls since these were counted takes the ranks of the next smaller number. Sorting the
    values of each group by itself is three times as fast as numbering all rows in a window; a join with the ranks
    copies the values, and takes as long again.
    """
    where, values = conditions(wanted)
    keys = _keys(by, step_ns, offset_ns)
    names = ", ".join(f"k{place}" for place in range(len(keys)))
    columns = ", ".join(f"{key} AS k{place}" for place, key in enumerate(keys))
    return (
        f"""
        SELECT {names}, list_select(latencies, list_filter(?::BIGINT[][], lambda known: known[1] <= many)[-1][2:])
        FROM (
            SELECT *, len(latencies) AS many FROM (
                SELECT {columns}, list_sort(list(duration_ns) {TIMED}) AS latencies
                FROM spans WHERE {where} GROUP BY {names}
            )
        )
        """,
        [[[many, *ranks[many]] for many in sorted(ranks)], *values],
    )


def _keys(by: Sequence[Dimension], step_ns: int, offset_ns: int) -> list[str]:
    """Expressions to group by: the dimensions, and the slot."""
    return [*(f'"{name}"' for name in by), slot(step_ns, offset_ns)]


def findings(wanted: TraceFilter, step_ns: int, limit: int, timezone: str = "") -> Statement:
    """The fields of `FindingCount` of the groups with the most calls: each with all its slots.

    Of a guard that did not run there is no finding, and one line all the same.
    """
    where, values = conditions(wanted, kinds_of(wanted))
    # `guard` is set whenever a guard did something: only those rows have their attributes read.
    return (
        f"""
        WITH guarded AS (
            SELECT {local_slot(step_ns, timezone, wanted)} AS slot, started_ns, request_id, span_id, trace_id,
                unnest(json_extract(attributes, '$."moat.guards"[*]')) AS verdict
            FROM spans WHERE {where} AND contains(attributes, '"moat.guards"')
        ), found AS (
            SELECT *, verdict->>'$.guard' AS guard, coalesce(verdict->>'$.action', '') AS action,
                unnest(CASE WHEN coalesce(verdict->>'$.not_run', '') <> ''
                    THEN json_extract(verdict, '$.findings[*]') || ['{{"kind": "did not run", "place": ""}}'::JSON]
                    ELSE json_extract(verdict, '$.findings[*]') END) AS finding
            FROM guarded
        ), counted AS (
            SELECT slot, guard, finding->>'$.kind' AS kind, finding->>'$.place' AS place, action,
                count(DISTINCT (span_id, trace_id)) AS calls, count(*) FILTER (finding->>'$.place' <> '') AS findings,
                max(started_ns) AS last_ns, arg_max(request_id, started_ns) AS last_request
            FROM found GROUP BY slot, guard, kind, place, action
        ), summed AS (SELECT *, sum(calls) OVER (PARTITION BY guard, kind, place, action) AS of_group FROM counted)
        SELECT slot, guard, kind, place, action, calls, findings, last_ns, last_request FROM summed
        QUALIFY dense_rank() OVER (ORDER BY of_group DESC, guard, kind, place, action) <= ?
        ORDER BY slot, calls DESC, guard, kind, place, action
        """,
        [*values, limit],
    )
