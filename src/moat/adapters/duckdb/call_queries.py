"""The SQL of lists and charts of calls. Values travel as parameters; names come from `CallRow` and the filter alone."""

from typing import Any

from moat.adapters.duckdb.conditions import conditions, kinds_of
from moat.adapters.duckdb.queries import TIMED, slot
from moat.ports.calls import CallRow, Place
from moat.ports.traces import TraceFilter

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


def quantiles(wanted: TraceFilter, step_ns: int) -> Statement:
    """The same slots with the quantiles of `Totals`."""
    where, values = conditions(wanted)
    return (
        f"""
        SELECT {_start(wanted, step_ns)} AS slot,
            coalesce(quantile_disc(duration_ns, 0.5) {TIMED}, 0),
            coalesce(quantile_disc(duration_ns, 0.95) {TIMED}, 0),
            coalesce(quantile_disc(first_token_ns, 0.5) FILTER (stream AND first_token_ns > 0), 0)
        FROM spans WHERE {where} {_grouped(step_ns)}
        """,
        values,
    )


def _start(wanted: TraceFilter, step_ns: int) -> str:
    return slot(step_ns) if step_ns else f"{wanted.since_ns:d}"


def _grouped(step_ns: int) -> str:
    return "GROUP BY slot ORDER BY slot" if step_ns else ""


def findings(wanted: TraceFilter, step_ns: int, limit: int) -> Statement:
    """The fields of `FindingCount`. Of a guard that did not run there is no finding, and one line all the same."""
    where, values = conditions(wanted, kinds_of(wanted))
    # `guard` is set whenever a guard did something: only those rows have their attributes read.
    return (
        f"""
        WITH guarded AS (
            SELECT {slot(step_ns)} AS slot, started_ns, request_id, span_id, trace_id,
                unnest(json_extract(attributes, '$."moat.guards"[*]')) AS verdict
            FROM spans WHERE {where} AND contains(attributes, '"moat.guards"')
        ), found AS (
            SELECT *, verdict->>'$.guard' AS guard, coalesce(verdict->>'$.action', '') AS action,
                unnest(CASE WHEN coalesce(verdict->>'$.not_run', '') <> ''
                    THEN json_extract(verdict, '$.findings[*]') || ['{{"kind": "did not run", "place": ""}}'::JSON]
                    ELSE json_extract(verdict, '$.findings[*]') END) AS finding
            FROM guarded
        )
        SELECT slot, guard, finding->>'$.kind' AS kind, finding->>'$.place' AS place, action,
            count(DISTINCT (span_id, trace_id)) AS calls, count(*) FILTER (finding->>'$.place' <> ''),
            max(started_ns), arg_max(request_id, started_ns)
        FROM found GROUP BY slot, guard, kind, place, action
        ORDER BY slot, calls DESC, guard, kind, place, action LIMIT ?
        """,
        [*values, limit],
    )
