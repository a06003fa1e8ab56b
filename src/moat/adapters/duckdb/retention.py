"""What is too old goes, a little at a time: each step is one short transaction, and others come in between."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import duckdb
import msgspec

from moat.ports.traces import Retention
from moat.telemetry import conventions
from moat.telemetry.content import without_content

BATCH = 20_000
"""Spans of one step, about: what is asked or ingested meanwhile waits for one step at most."""

STRIPPED_BYTES = 8 * 2**20
"""Of attributes in memory, about."""

_HOUR_NS = 3600 * 10**9
_NAMED = "|".join(
    [
        *(re.escape(name) for names in conventions.CONTENT.values() for name in names),
        *(re.escape(name) for name in conventions.QUOTING),
        *(re.escape(beginning) + r'[^"\\]*' for beginning in conventions.SAYING),
    ]
)
_MAY_SAY = "kind = 'app' AND regexp_matches(attributes, $names)"
_NAMES = rf'"({_NAMED})\\*"\s*:'
"""Only what applications report has content in its attributes: a key of one of these names, in events as well, or in
events that were cut to text. A text that looks so is found too, and stays as it is.
"""
_CONTENT = "(input IS NOT NULL OR output IS NOT NULL OR error_message <> '')"
_HOURS = """
SELECT started_ns // $hour AS hour, count(*) FROM spans WHERE started_ns < $until GROUP BY hour ORDER BY hour
"""
_CONTENT_HOURS = f"""
SELECT started_ns // $hour AS hour, count(*) FROM spans
WHERE started_ns < $until AND ({_CONTENT} OR ({_MAY_SAY})) GROUP BY hour ORDER BY hour
"""
_SAYING = f"""
SELECT rowid, strlen(attributes), {_CONTENT} FROM spans WHERE started_ns >= $start AND started_ns < $end AND {_MAY_SAY}
"""
_ATTRIBUTES = """
SELECT rowid, attributes FROM spans
WHERE started_ns >= $start AND started_ns < $end AND rowid IN (SELECT unnest($rows::BIGINT[]))
"""
_STRIP = """
UPDATE spans SET attributes = told.attributes
FROM (SELECT unnest($rows::BIGINT[]) AS place, unnest($told::VARCHAR[]) AS attributes) AS told
WHERE started_ns >= $start AND started_ns < $end AND spans.rowid = told.place
"""
_FORGET = f"""
UPDATE spans SET input = NULL, output = NULL, error_message = ''
WHERE started_ns >= $start AND started_ns < $end AND {_CONTENT}
"""
_DELETE = "DELETE FROM spans WHERE started_ns >= $start AND started_ns < $end"
_SAID_CONTENT = """
UPDATE feedback SET comment = '', correction = NULL WHERE at_ns < $until AND (comment <> '' OR correction IS NOT NULL)
"""
_SAID = "DELETE FROM feedback WHERE at_ns < $until"
_REJECTS = "DELETE FROM rejects WHERE try_cast(split_part(segment, '-', 1) AS BIGINT) < $until"
"""A segment's name begins with its time."""


class Step(NamedTuple):
    """One short transaction."""

    statement: str
    values: dict[str, int]
    spans: int = 0
    """How many it is about; 0 when it is about something else."""

    def take(self, cursor: duckdb.DuckDBPyConnection) -> int:
        """Do it, within a transaction; how many spans went or lost something."""
        stripped = _strip(cursor, self.values) if self.statement is _FORGET else 0
        ((changed,),) = cursor.execute(self.statement, self.values).fetchall()
        return stripped + changed if self.spans else 0


def steps(cursor: duckdb.DuckDBPyConnection, retention: Retention) -> Iterator[Step]:
    """What there is to do, oldest first; nothing is changed yet."""
    if retention.spans_ns:
        yield from _windows(_hours(cursor, _HOURS, {"until": retention.spans_ns}), _DELETE, retention.spans_ns)
        yield Step(_SAID, {"until": retention.spans_ns})
    if retention.content_ns:
        hours = _hours(cursor, _CONTENT_HOURS, {"until": retention.content_ns, "names": _NAMES})
        yield from _windows(hours, _FORGET, retention.content_ns)
        yield Step(_SAID_CONTENT, {"until": retention.content_ns})
        yield Step(_REJECTS, {"until": retention.content_ns})


def _hours(cursor: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> list[tuple[int, int]]:
    """Hours since 1970, and how many spans of each it is about."""
    return cursor.execute(query, {**values, "hour": _HOUR_NS}).fetchall()


def _strip(cursor: duckdb.DuckDBPyConnection, window: dict[str, int]) -> int:
    """Take content out of attributes; of how many spans that have no other."""
    found = cursor.execute(_SAYING, {**window, "names": _NAMES}).fetchall()
    alone = {row for row, _, beside in found if not beside}
    stripped = 0
    for rows in _portions([(row, size) for row, size, _ in found]):
        changed = dict[int, str]()
        for row, text in cursor.execute(_ATTRIBUTES, {**window, "rows": rows}).fetchall():
            told = msgspec.json.decode(text)
            kept = without_content(told)
            if kept != told:
                changed[row] = msgspec.json.encode(kept).decode()
        if changed:
            cursor.execute(_STRIP, {**window, "rows": [*changed], "told": [*changed.values()]}).fetchall()
        stripped += len(alone & changed.keys())
    return stripped


def _portions(sized: list[tuple[int, int]]) -> Iterator[list[int]]:
    """Rows of about `STRIPPED_BYTES` together."""
    rows, room = list[int](), STRIPPED_BYTES
    for row, size in sized:
        if rows and size > room:
            yield rows
            rows, room = [], STRIPPED_BYTES
        rows.append(row)
        room -= size
    if rows:
        yield rows


def _windows(hours: list[tuple[int, int]], statement: str, until_ns: int) -> Iterator[Step]:
    """Windows of time that hold about `BATCH` spans: quiet hours together, busy ones divided."""
    start, end, held = 0, 0, 0
    for hour, count in hours:
        first, last = hour * _HOUR_NS, min((hour + 1) * _HOUR_NS, until_ns)
        if held and held + count > BATCH:
            yield Step(statement, {"start": start, "end": end}, held)
            held = 0
        if count > BATCH:
            pieces = -(-count // BATCH)
            edges = [first + (last - first) * piece // pieces for piece in range(pieces + 1)]
            for piece, (one, other) in enumerate(pairwise(edges)):
                part = count * (piece + 1) // pieces - count * piece // pieces
                yield Step(statement, {"start": one, "end": other}, part)
            continue
        start, end, held = (start if held else first), last, held + count
    if held:
        yield Step(statement, {"start": start, "end": end}, held)
