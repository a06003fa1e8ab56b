"""The SQL of the trace store. Values travel as parameters; names come from `Span` and `Dimension` alone."""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from moat.adapters.duckdb.conditions import ALONE, CALLS, conditions, kinds_of, said_of_calls
from moat.adapters.duckdb.slots import slot
from moat.domain.batches import BATCH_PRICED
from moat.domain.errors import RequestError
from moat.domain.spans import Span
from moat.domain.usage import COUNTS, PIECES
from moat.pipeline.spans import UNKNOWN
from moat.ports.traces import Dimension, TraceFilter
from moat.telemetry.latency import ENDINGS
from moat.telemetry.query_terms import TIMEOUTS

CONTENT = ("input", "output")
JSON_COLUMNS = (*CONTENT, "attributes")

_TYPES: dict[Any, tuple[str, str]] = {
    str: ("VARCHAR", "''"),
    int: ("BIGINT", "0"),
    bool: ("BOOLEAN", "false"),
    int | None: ("BIGINT", "NULL"),
}
"""Python type of a `Span` field to SQL type and the default that a line leaves out."""


def _sql_type(field: msgspec.structs.FieldInfo) -> tuple[str, str]:
    if field.name in JSON_COLUMNS:
        return "JSON", "NULL"
    return _TYPES.get(field.type, ("VARCHAR", "''"))


_FIELDS = {field.name: _sql_type(field) for field in msgspec.structs.fields(Span)}
COLUMNS = tuple(_FIELDS)
USAGE_COLUMNS = {name: name if name in PIECES else f"{name}_tokens" for name in COUNTS}
"""Count of a `Usage` to the column of it."""
_OF_ATTEMPTS = ("model", "provider", "error")
SLIM_COLUMNS = tuple(name for name in COLUMNS if name not in CONTENT)


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)


LINE_COLUMNS = "{" + ", ".join(f"'{name}': '{kind}'" for name, (kind, _) in _FIELDS.items()) + "}"
"""Names and types of a line's fields, for `read_json`."""
LINE_VALUES = ", ".join(f'coalesce(line."{name}", {default}) AS "{name}"' for name, (_, default) in _FIELDS.items())
"""The fields of a line, with the defaults that it leaves out."""

INGEST = f"""
INSERT INTO spans ({_names(COLUMNS)})
SELECT {LINE_VALUES}
FROM read_json(?, format = 'newline_delimited', compression = 'none', maximum_object_size = ?,
               columns = {LINE_COLUMNS}) AS line
WHERE NOT EXISTS (
    SELECT 1 FROM spans AS known
    WHERE known.started_ns BETWEEN ? AND ?
      AND known.started_ns = line.started_ns AND known.span_id = line.span_id AND known.trace_id = line.trace_id
)
"""
"""Parameters: list of paths, bytes of the longest line, first and last start among the lines.

The paths' lines hold no span twice. The range follows from the equality; it is there because DuckDB skips blocks
by constants, so that an ingest looks at its own time only and not at the whole table.
"""

REJECT = """
INSERT INTO rejects
SELECT new.* FROM (SELECT ? AS segment, ? AS line, ? AS reason, ?::BLOB AS content) AS new
WHERE NOT EXISTS (SELECT 1 FROM rejects AS known WHERE known.segment = new.segment AND known.line = new.line)
"""

TRACE_OF_REQUEST = "SELECT trace_id FROM spans WHERE request_id = ? AND kind <> 'app' LIMIT 1"
"""What an application reports may say any request id: it does not lead anybody to another trace."""

TRACE = f"""
SELECT {_names(COLUMNS)} FROM spans WHERE trace_id = ?
ORDER BY started_ns, parent_id <> '', span_id
"""
"""Apart from the question above: DuckDB skips blocks by a constant, not by a subquery (65 for 147 ms a million)."""

_OF_TRACE = "trace_id = ? AND ? IN ('', tenant) AND ? IN ('', environment)"
OWN_TRACE_OF_REQUEST = """
SELECT trace_id FROM spans
WHERE request_id = ? AND kind <> 'app' AND ? IN ('', tenant) AND ? IN ('', environment) LIMIT 1
"""
"""As `TRACE_OF_REQUEST`, of what a tenant and an environment may see; empty ones may see all."""
SPANS_OF_TRACE = f"SELECT count(*) FROM spans WHERE {_OF_TRACE}"
PART_OF_TRACE = f"""
SELECT {_names(COLUMNS)} FROM spans WHERE {_OF_TRACE}
ORDER BY (request_id = ? AND kind <> 'app') DESC, started_ns, parent_id <> '', span_id LIMIT ? OFFSET ?
"""
"""The spans of the request that was asked for are in the first part, wherever in the trace they are."""


def search(wanted: TraceFilter, limit: int, kinds: str) -> tuple[str, list[Any]]:
    """Statement and parameters for the newest spans of some kinds: a condition."""
    where, values = conditions(wanted, kinds)
    order = "ORDER BY started_ns DESC, span_id LIMIT ?"
    return f"SELECT {_names(SLIM_COLUMNS)} FROM spans WHERE {where} {order}", [*values, limit]


def usages(by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, start: str = "0") -> tuple[str, list[Any]]:
    """Statement and parameters for totals: the dimensions first, then the fields of `Usages` after `group`.

    `start`: the slot of a span, of `slots`. Quantiles are nearest-rank values that occurred. Raises `RequestError` for
    an unknown dimension.
    """
    check(by)
    where, values = conditions(wanted)
    keys = [*(f'"{name}"' for name in by), *(["slot"] if step_ns else [])]
    grouped = f"GROUP BY {', '.join(keys)}" if keys else ""
    order = ", ".join(["slot"] * bool(step_ns) + ["total DESC", "calls DESC"] + keys)
    # The same aggregate is worked out once: one sort in place of three.
    latencies = f"quantile_disc(duration_ns, [0.5, 0.95, 0.99]) {TIMED}"
    streamed = "FILTER (stream AND first_token_ns > 0 AND output_tokens > 1 AND duration_ns > first_token_ns)"
    return (
        f"""
        SELECT {_names(by)}{", " if by else ""}{start} AS slot,
            count(*) AS calls,
            count(*) FILTER (error <> '') AS errors,
            count(*) FILTER (error IN {TIMEOUTS}),
            coalesce(sum(input_tokens), 0),
            coalesce(sum(output_tokens), 0),
            coalesce(sum(cached_tokens), 0),
            coalesce(sum(cost), 0) AS total,
            count(*) FILTER (cost IS NULL),
            count(*) {TIMED},
            coalesce(({latencies})[1], 0), coalesce(({latencies})[2], 0), coalesce(({latencies})[3], 0),
            coalesce(quantile_disc(first_token_ns, 0.5) FILTER (stream AND first_token_ns > 0), 0),
            coalesce(sum(output_tokens) {streamed}, 0),
            coalesce(sum(duration_ns - first_token_ns) {streamed}, 0),
            count(*) {streamed},
            count(*) FILTER (error <> '' AND attempts = 0),
            count(*) FILTER (cache <> ''),
            count(*) FILTER (cache IN ('hit', 'similar'))
        FROM spans WHERE {where} {grouped} ORDER BY {order}
        """,
        values,
    )


TIMED = f"FILTER (error IN {ENDINGS} AND NOT ends_with(price_version, '{BATCH_PRICED}'))"
"""`moat.telemetry.latency.has_latency`."""


def scores(by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int = 0) -> tuple[str, list[Any]]:
    """Statement and parameters for opinions: the dimensions first, then the fields of `Scores` after `group`."""
    check(by)
    where, values = conditions(wanted)
    columns = "".join(f'calls."{name}" AS k{place}, ' for place, name in enumerate(by))
    groups = "".join(f"k{place}, " for place in range(len(by)))
    return (
        f"""
        WITH calls AS (SELECT rowid AS place, * FROM spans WHERE {where})
        SELECT {groups}{slot(step_ns, offset_ns)} AS slot, name, source,
            count(*), sum(value), sum(value * value),
            count(*) FILTER (value < 0.5),
            [{", ".join(f"count(*) FILTER (least(floor(value * 10), 9) = {tenth})" for tenth in range(10))}]
        FROM ({said_of_calls(f"{columns}calls.started_ns")}) AS said
        WHERE value IS NOT NULL
        GROUP BY {groups}slot, name, source ORDER BY slot, name, source, {groups}slot
        """,
        values,
    )


def visits(of: Literal["session", "user"], wanted: TraceFilter, limit: int) -> tuple[str, list[Any]]:
    """Statement and parameters for sessions or users: the fields of `Visit`."""
    where, values = conditions(wanted, kinds_of(wanted, ALONE if wanted.wide else CALLS))
    return (
        f"""
        WITH calls AS (SELECT rowid AS place, * FROM spans WHERE {where} AND "{of}" <> ''),
        said AS (SELECT place AS call, sum(value) AS total, count(*) AS many FROM ({said_of_calls("calls.place")})
                 WHERE source = 'person' AND value IS NOT NULL GROUP BY place)
        SELECT "{of}" AS id, tenant, coalesce(arg_max("user", started_ns) FILTER ("user" <> ''), '') AS whose,
            count(DISTINCT nullif(session, '')), count(*), count(*) FILTER (error <> ''),
            sum(input_tokens), sum(output_tokens), coalesce(sum(cost), 0), min(started_ns), max(started_ns) AS last,
            sum(said.total) / sum(said.many)
        FROM calls LEFT JOIN said ON said.call = calls.place
        GROUP BY id, tenant ORDER BY last DESC, id, tenant LIMIT ?
        """,
        [*values, limit],
    )


def spending(by: Sequence[Dimension], wanted: TraceFilter, start: str = "0") -> tuple[str, list[Any]]:
    """Statement and parameters for what attempts cost: the dimensions first, then the slot, then the sums of `Spend`
    with the counts of `Usage` last. `start`: the slot of a span, of `slots`.

    A call's own row knows neither model nor provider of an attempt, so that they count by attempts alone. Two plain
    scans are ten times faster than one with a FILTER on each sum.
    """
    check(by)
    asked = (*by, *(name for name in _OF_ATTEMPTS if getattr(wanted, name)))
    alone = wanted.failed is not None or any(name in _OF_ATTEMPTS for name in asked)
    where, values = conditions(wanted, "kind = 'attempt'")
    groups = "".join(f'"{name}", ' for name in by)
    keys = f"{groups}{start} AS slot"
    tokens = ", ".join(f"sum({column}) AS {column}" for column in USAGE_COLUMNS.values())
    parts = f"""
        SELECT {keys}, {"count(*)" if alone else "0"} AS calls, count(*) AS requests,
            count(*) FILTER (error <> '') AS failed, count(*) FILTER (usage_estimated) AS estimated,
            coalesce(sum(cost), 0) AS total, count(*) - count(cost) AS unpriced, 0 AS hits, 0 AS saved, 0 AS refused,
            {tokens}
        FROM spans WHERE {where} GROUP BY {groups}slot
    """
    if alone:
        parts += f"""
            UNION ALL BY NAME
            SELECT {keys}, count(DISTINCT hash(trace_id, parent_id)) - count(*) AS calls
            FROM spans WHERE {where} AND {_REPEATED} GROUP BY {groups}slot
        """
        values = [*values, *values, max(0, wanted.since_ns - REACH_NS)]
    else:
        calls, more = conditions(wanted)
        values = [*values, *more]
        # A call that a cache answered followed no alias's plan: it counts for the one it asked for.
        places = ", ".join(str(place) for place in range(1, len(by) + 2))
        own = keys.replace('"alias"', "coalesce(nullif(alias, ''), model) AS alias")
        parts += f"""
            UNION ALL BY NAME
            SELECT {own}, count(*) AS calls, count(*) FILTER (cache IN ('hit', 'similar')) AS hits, sum(saved) AS saved,
                count(*) FILTER (error <> '' AND attempts = 0) AS refused
            FROM spans WHERE {calls} GROUP BY {places}
        """
    sums = (*_SPEND_SUMS, *USAGE_COLUMNS.values())
    return (
        f"""
        SELECT {groups}slot, {", ".join(f"coalesce(sum({name}), 0)" for name in sums)}
        FROM ({parts}) AS parts GROUP BY {groups}slot ORDER BY slot, sum(total) DESC, {groups}slot
        """,
        values,
    )


REACH_NS = 86_400 * 10**9
"""No call begins so long before one of its attempts, or has attempts so far apart."""

_REPEATED = f"""(error = '{UNKNOWN}' OR parent_id IN (
    SELECT span_id FROM spans WHERE kind = 'call' AND attempts > 1 AND started_ns >= ?))"""
"""Attempts that may not be the only one of their call: counting calls among all takes five times longer."""

_SPEND_SUMS = ("calls", "requests", "failed", "estimated", "total", "unpriced", "hits", "saved", "refused")


def deployments(wanted: TraceFilter) -> tuple[str, list[Any]]:
    """Statement and parameters for the aliases, providers and models of attempts."""
    where, values = conditions(wanted, "kind = 'attempt'")
    return f"SELECT DISTINCT alias, provider, model FROM spans WHERE {where} ORDER BY ALL", values


KEPT = """
SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM feedback), (SELECT count(*) FROM rejects),
    coalesce((SELECT min(started_ns) FROM spans), 0)
"""
REPRICINGS = "SELECT entry FROM repricings ORDER BY at_ns DESC LIMIT ?"


def check(by: Sequence[Dimension]) -> None:
    """Names become part of a statement: only those that there are."""
    for name in by:
        if name not in get_args(Dimension):
            raise RequestError(
                f"no such dimension: {name!r}",
                where="by",
                remedy=f"There are: {', '.join(get_args(Dimension))}.",
            )
