"""Stored attempts priced anew, inside one transaction of the trace store."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import msgspec
from msgspec.structs import replace

from moat.adapters.duckdb.queries import USAGE_COLUMNS
from moat.domain.calls import Deployment
from moat.domain.usage import Usage
from moat.ports.traces import Charge, PriceChange, RepriceOrder, Repricing

BATCH = 20_000
"""Attempts in memory at one time."""

_FIELDS = ("rowid", "provider", "model", "alias", "started_ns", "cost", "price_version", *USAGE_COLUMNS.values())
_ATTEMPTS = f"""
SELECT {", ".join(_FIELDS)} FROM spans
WHERE kind = 'attempt' AND rowid > ? AND started_ns >= ? AND started_ns < ? ORDER BY rowid LIMIT {BATCH}
"""
_LAST_NS = 2**63 - 1

_SCRATCH = "CREATE OR REPLACE TEMP TABLE changed (id BIGINT NOT NULL, cost BIGINT NOT NULL)"
_NOTE = "INSERT INTO changed SELECT unnest(?::BIGINT[]), unnest(?::BIGINT[])"
_CHANGE_ATTEMPTS = """
UPDATE spans SET cost = changed.cost, price_version = ? FROM changed WHERE spans.rowid = changed.id
"""
_CHANGE_CALLS = """
UPDATE spans SET cost = sums.cost, price_version = ?
FROM (
    SELECT attempt.trace_id, attempt.parent_id,
           CASE WHEN count(*) = count(attempt.cost) THEN sum(attempt.cost)::BIGINT END AS cost
    FROM spans AS attempt
    WHERE attempt.kind = 'attempt' AND (attempt.trace_id, attempt.parent_id) IN (
        SELECT one.trace_id, one.parent_id FROM spans AS one JOIN changed ON one.rowid = changed.id
    )
    GROUP BY ALL
) AS sums
WHERE spans.kind = 'call' AND spans.trace_id = sums.trace_id AND spans.span_id = sums.parent_id
"""


def reprice(cursor: duckdb.DuckDBPyConnection, order: RepriceOrder, price: Callable[[Charge], int | None]) -> Repricing:
    """Within the cursor's transaction, which the caller commits, or rolls back for a dry run."""
    cursor.execute(_SCRATCH)
    changes: dict[tuple[str, str, str], PriceChange] = {}
    for rows in _batches(cursor, order):
        ids, costs = [], []
        for row in rows:
            charge = _charge(row)
            cost = price(charge)
            _count(changes, charge, cost)
            if cost is not None and (cost != charge.cost or charge.price_version != order.price_version):
                ids.append(row[0])
                costs.append(cost)
        cursor.execute(_NOTE, [ids, costs])
    cursor.execute(_CHANGE_ATTEMPTS, [order.price_version])
    cursor.execute(_CHANGE_CALLS, [order.price_version])
    cursor.execute("DROP TABLE changed")
    ordered = sorted(changes.values(), key=lambda c: (-abs(c.after - c.before), c.provider, c.model, c.price_version))
    done = Repricing(at_ns=time.time_ns(), order=order, changes=tuple(ordered))
    cursor.execute("INSERT INTO repricings VALUES (?, ?)", [done.at_ns, msgspec.json.encode(done).decode()])
    return done


def _batches(cursor: duckdb.DuckDBPyConnection, order: RepriceOrder) -> Iterator[list[tuple[Any, ...]]]:
    last = -1
    while rows := cursor.execute(_ATTEMPTS, [last, order.since_ns, order.until_ns or _LAST_NS]).fetchall():
        yield rows
        last = rows[-1][0]


def _charge(row: Sequence[Any]) -> Charge:
    found = dict(zip(_FIELDS, row, strict=True))
    return Charge(
        deployment=Deployment(found["provider"], found["model"]),
        alias=found["alias"],
        usage=Usage(**{name: found[column] for name, column in USAGE_COLUMNS.items()}),
        started_ns=found["started_ns"],
        cost=found["cost"],
        price_version=found["price_version"],
    )


def _count(changes: dict[tuple[str, str, str], PriceChange], charge: Charge, cost: int | None) -> None:
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
