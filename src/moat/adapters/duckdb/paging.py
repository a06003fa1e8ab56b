"""Whole traces, page by page, in bounded memory."""

from collections.abc import Iterator
from typing import Any

import duckdb

from moat.adapters.duckdb.conditions import CALLS, conditions, kinds_of
from moat.adapters.duckdb.queries import COLUMNS
from moat.ports.traces import TraceFilter


def _list(where: str) -> str:
    return f"""
CREATE OR REPLACE TEMP TABLE traces AS
SELECT row_number() OVER (ORDER BY first, trace_id) AS place, *,
    sum(spans) OVER (ORDER BY first, trace_id) AS so_far
FROM (SELECT trace_id, min(started_ns) AS first, max(started_ns) AS last, count(*) AS spans
      FROM spans WHERE trace_id IN (SELECT trace_id FROM spans WHERE {where}) GROUP BY trace_id)
"""


_NEXT = """
SELECT max(place), min(first), max(last) FROM traces
WHERE place > ?1 AND (so_far <= ?2 OR place = ?1 + 1)
"""
_PAGE = f"""
SELECT {", ".join(f'spans."{name}"' for name in COLUMNS)}
FROM spans JOIN traces ON traces.trace_id = spans.trace_id
WHERE spans.started_ns BETWEEN ? AND ? AND traces.place > ? AND traces.place <= ?
ORDER BY traces.place, spans.started_ns, spans.parent_id <> '', spans.span_id
"""
_SO_FAR = "SELECT so_far FROM traces WHERE place = ?"


def pages(cursor: duckdb.DuckDBPyConnection, wanted: TraceFilter, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of about `size` spans: one trace at least, none divided. No transaction stays open in between.

    The traces and their times are listed first (some 60 bytes each, on the disk when many), so that each page looks at
    its own time only.
    """
    where, values = conditions(wanted, kinds_of(wanted, "kind <> 'attempt'" if wanted.wide else CALLS))
    cursor.execute(_list(where), values)
    place, so_far = 0, 0
    while True:
        ((last, first_ns, last_ns),) = cursor.execute(_NEXT, [place, so_far + size]).fetchall()
        if last is None:
            return
        rows = cursor.execute(_PAGE, [first_ns, last_ns, place, last]).fetchall()
        if rows:
            yield rows
        place = last
        ((so_far,),) = cursor.execute(_SO_FAR, [place]).fetchall()
