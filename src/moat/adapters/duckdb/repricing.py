"""Stored attempts priced anew, batch by batch: a whole history in one transaction would not fit into memory."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import msgspec
from msgspec.structs import replace

from moat.adapters.duckdb.queries import REACH_NS, USAGE_COLUMNS
from moat.domain.calls import Deployment
from moat.domain.usage import Usage
from moat.ports.traces import Charge, PriceChange, RepriceOrder, Repricing

BATCH = 50_000
"""Attempts in memory, and in one transaction."""

_KNOWN = ("rowid", "provider", "model", "alias", "started_ns", "cost", "price_version", "tier")
_FIELDS = (*_KNOWN, *USAGE_COLUMNS.values())
_ATTEMPTS = f"""
SELECT {", ".join(_FIELDS)}, span_id, trace_id FROM spans
WHERE kind = 'attempt' AND started_ns >= ? AND started_ns < ? AND (started_ns, span_id, trace_id) > (?, ?, ?)
ORDER BY started_ns, span_id, trace_id LIMIT ?
"""
_LAST_NS = 2**63 - 1

_SCRATCH = "CREATE OR REPLACE TEMP TABLE changed (id BIGINT NOT NULL, cost BIGINT NOT NULL)"
_NOTE = "INSERT INTO changed SELECT unnest(?::BIGINT[]), unnest(?::BIGINT[])"
_CHANGE_ATTEMPTS = """
UPDATE spans SET cost = changed.cost,
    price_version = ? || CASE WHEN ends_with(spans.price_version, '+batch') THEN '+batch' ELSE '' END
FROM changed WHERE spans.rowid = changed.id
"""
_CHANGE_CALLS = """
UPDATE spans SET cost = sums.cost,
    price_version = ? || CASE WHEN ends_with(spans.price_version, '+batch') THEN '+batch' ELSE '' END
FROM (
    SELECT attempt.trace_id, attempt.parent_id,
           CASE WHEN count(*) = count(attempt.cost) THEN sum(attempt.cost)::BIGINT END AS cost
    FROM spans AS attempt
    WHERE attempt.kind = 'attempt' AND attempt.started_ns BETWEEN ? AND ?
      AND (attempt.trace_id, attempt.parent_id) IN (
        SELECT one.trace_id, one.parent_id FROM spans AS one JOIN changed ON one.rowid = changed.id
    )
    GROUP BY ALL
) AS sums
WHERE spans.kind = 'call' AND spans.started_ns BETWEEN ? AND ?
  AND spans.trace_id = sums.trace_id AND spans.span_id = sums.parent_id
"""
"""The ranges are there because DuckDB skips blocks by constants."""

Changes = dict[tuple[str, str, str], PriceChange]


def reprice(cursor: duckdb.DuckDBPyConnection, order: RepriceOrder, price: Callable[[Charge], int | None]) -> Repricing:
    """Each transaction changes attempts, their calls and the entry in the audit together."""
    changes: Changes = {}
    done = Repricing(at_ns=time.time_ns(), order=order, changes=())
    if not order.dry_run:
        cursor.execute("INSERT INTO repricings VALUES (?, ?)", _entry(done))
    for rows in _batches(cursor, order):
        charges = [_charge(row) for row in rows]
        costs = [price(charge) for charge in charges]
        for charge, cost in zip(charges, costs, strict=True):
            _count(changes, charge, cost)
        done = replace(done, changes=_largest_first(changes))
        if not order.dry_run:
            pairs = [
                (row[0], cost)
                for row, charge, cost in zip(rows, charges, costs, strict=True)
                if cost is not None and (cost != charge.cost or charge.price_version != order.price_version)
            ]
            times = [charge.started_ns for charge in charges]
            _write(cursor, pairs, (min(times) - REACH_NS, max(times) + REACH_NS), done)
    return done


def _write(
    cursor: duckdb.DuckDBPyConnection, pairs: list[tuple[int, int]], reach: tuple[int, int], done: Repricing
) -> None:
    version = done.order.price_version
    cursor.execute(_SCRATCH)
    cursor.execute(_NOTE, [[id for id, _ in pairs], [cost for _, cost in pairs]])
    cursor.execute(_CHANGE_ATTEMPTS, [version])
    cursor.execute(_CHANGE_CALLS, [version, *reach, *reach])
    at_ns, entry = _entry(done)
    cursor.execute("UPDATE repricings SET entry = ? WHERE at_ns = ?", [entry, at_ns])


def _entry(done: Repricing) -> list[Any]:
    return [done.at_ns, msgspec.json.encode(done).decode()]


def _largest_first(changes: Changes) -> tuple[PriceChange, ...]:
    def place(change: PriceChange) -> tuple[int, str, str, str]:
        return -abs(change.after - change.before), change.provider, change.model, change.price_version

    return tuple(sorted(changes.values(), key=place))


def _batches(cursor: duckdb.DuckDBPyConnection, order: RepriceOrder) -> Iterator[list[tuple[Any, ...]]]:
    """Each in a transaction of its own: a `rowid` means the same within one only, where rows are deleted too."""
    last, end = (order.since_ns, "", ""), order.until_ns or _LAST_NS
    while True:
        cursor.execute("BEGIN")
        rows = cursor.execute(_ATTEMPTS, [last[0], end, *last, BATCH]).fetchall()
        if rows:
            yield rows
        cursor.execute("COMMIT")
        if not rows:
            return
        last = (rows[-1][_FIELDS.index("started_ns")], *rows[-1][-2:])


def _charge(row: Sequence[Any]) -> Charge:
    found = dict(zip(_FIELDS, row, strict=False))
    return Charge(
        deployment=Deployment(found["provider"], found["model"]),
        alias=found["alias"],
        usage=Usage(tier=found["tier"], **{name: found[column] for name, column in USAGE_COLUMNS.items()}),
        started_ns=found["started_ns"],
        cost=found["cost"],
        price_version=found["price_version"],
    )


def _count(changes: Changes, charge: Charge, cost: int | None) -> None:
    at = charge.deployment
    key = (at.provider, at.model, charge.price_version)
    known = changes.get(key) or PriceChange(provider=at.provider, model=at.model, price_version=charge.price_version)
    now = charge.cost if cost is None else cost
    changes[key] = replace(
        known,
        attempts=known.attempts + 1,
        changed=known.changed + (now != charge.cost),
        kept=known.kept + (cost is None),
        before=known.before + (charge.cost or 0),
        after=known.after + (now or 0),
    )
