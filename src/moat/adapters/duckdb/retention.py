"""What is too old goes, a little at a time: each step is one short transaction, and others come in between."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import duckdb

from moat.ports.traces import Retention

BATCH = 20_000
"""Spans of one step, about: what is asked or ingested meanwhile waits for one step at most."""

_HOUR_NS = 3600 * 10**9
_CONTENT = "(input IS NOT NULL OR output IS NOT NULL)"
_HOURS = """
SELECT started_ns // ? AS hour, count(*) FROM spans WHERE started_ns < ? GROUP BY hour ORDER BY hour
"""
_CONTENT_HOURS = f"""
SELECT started_ns // ? AS hour, count(*) FROM spans WHERE started_ns < ? AND {_CONTENT} GROUP BY hour ORDER BY hour
"""
_FORGET = f"UPDATE spans SET input = NULL, output = NULL WHERE started_ns >= ? AND started_ns < ? AND {_CONTENT}"
_DELETE = "DELETE FROM spans WHERE started_ns >= ? AND started_ns < ?"
_SAID_CONTENT = """
UPDATE feedback SET comment = '', correction = NULL WHERE at_ns < ? AND (comment <> '' OR correction IS NOT NULL)
"""
_SAID = "DELETE FROM feedback WHERE at_ns < ?"
_REJECTS = "DELETE FROM rejects WHERE try_cast(split_part(segment, '-', 1) AS BIGINT) < ?"
"""A segment's name begins with its time."""


class Step(NamedTuple):
    """One short transaction."""

    statement: str
    values: list[int]
    spans: int = 0
    """How many it is about; 0 when it is about something else."""


def steps(cursor: duckdb.DuckDBPyConnection, retention: Retention) -> Iterator[Step]:
    """What there is to do, oldest first; nothing is changed yet."""
    if retention.spans_ns:
        yield from _windows(cursor, _HOURS, _DELETE, retention.spans_ns)
        yield Step(_SAID, [retention.spans_ns])
    if retention.content_ns:
        yield from _windows(cursor, _CONTENT_HOURS, _FORGET, retention.content_ns)
        yield Step(_SAID_CONTENT, [retention.content_ns])
        yield Step(_REJECTS, [retention.content_ns])


def _windows(cursor: duckdb.DuckDBPyConnection, hours: str, statement: str, until_ns: int) -> Iterator[Step]:
    """Windows of time that hold about `BATCH` spans: quiet hours together, busy ones divided."""
    start, end, held = 0, 0, 0
    for hour, count in cursor.execute(hours, [_HOUR_NS, until_ns]).fetchall():
        first, last = hour * _HOUR_NS, min((hour + 1) * _HOUR_NS, until_ns)
        if held and held + count > BATCH:
            yield Step(statement, [start, end], held)
            held = 0
        if count > BATCH:
            pieces = -(-count // BATCH)
            edges = [first + (last - first) * piece // pieces for piece in range(pieces + 1)]
            for piece, (one, other) in enumerate(pairwise(edges)):
                yield Step(statement, [one, other], count * (piece + 1) // pieces - count * piece // pieces)
            continue
        start, end, held = (start if held else first), last, held + count
    if held:
        yield Step(statement, [start, end], held)
