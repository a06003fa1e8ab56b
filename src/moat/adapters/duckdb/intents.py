"""Tries that were begun and whose outcome is not known yet: few, in a table of their own."""

from collections.abc import Collection, Sequence

import duckdb
import msgspec

from moat.adapters.duckdb.sift import Intent
from moat.domain.spans import Span

UNKNOWN = "unknown_outcome"
_WHY = "the process that sent it died before it knew the outcome; tokens and cost are the most it may have taken"


class Intents:
    """The open intents of one store. Their ids are kept in memory: most attempts come with their intent, and then the
    table need not be asked.
    """

    def __init__(self) -> None:
        self._open: dict[str, str] | None = None
        """Owner by span id; None until the table was read."""
        self._after: dict[str, str] = {}

    def owners(self, cursor: duckdb.DuckDBPyConnection) -> set[str]:
        """Who has any."""
        return set(self._known(cursor).values())

    def apply(self, cursor: duckdb.DuckDBPyConnection, begun: Sequence[Intent], concluded: Collection[str]) -> None:
        """Within a transaction: forget what came to its end, keep what has not. `settle` must follow its commit."""
        known = self._known(cursor)
        ended = [span_id for span_id in known if span_id in concluded]
        if ended:
            cursor.execute("DELETE FROM intents WHERE span_id IN (SELECT unnest(?))", [ended])
        fresh = [each for each in begun if each.span_id not in concluded and each.span_id not in known]
        fresh = _without_outcome(cursor, fresh)
        if fresh:
            columns = [list(column) for column in zip(*fresh, strict=True)]
            cursor.execute("INSERT INTO intents SELECT unnest(?), unnest(?), unnest(?), unnest(?)", columns)
        self._after = {key: owner for key, owner in known.items() if key not in concluded}
        self._after |= {each.span_id: each.owner for each in fresh}

    def settle(self) -> None:
        """What `apply` did is committed."""
        self._open = self._after

    def outcomes(self, cursor: duckdb.DuckDBPyConnection, owners: Collection[str]) -> list[Span]:
        """Attempts with an unknown outcome, for the intents of these owners."""
        rows = cursor.execute("SELECT span FROM intents WHERE owner IN (SELECT unnest(?))", [list(owners)]).fetchall()
        return [_concluded(msgspec.json.decode(row[0], type=Span)) for row in rows]

    def _known(self, cursor: duckdb.DuckDBPyConnection) -> dict[str, str]:
        if self._open is None:
            self._open = dict(cursor.execute("SELECT span_id, owner FROM intents").fetchall())
        return self._open


def _without_outcome(cursor: duckdb.DuckDBPyConnection, begun: list[Intent]) -> list[Intent]:
    """Those that have no attempt yet: a segment may come again after its attempts were committed."""
    if not begun:
        return []
    ids, times = [each.span_id for each in begun], [each.started_ns for each in begun]
    query = "SELECT span_id FROM spans WHERE started_ns BETWEEN ? AND ? AND span_id IN (SELECT unnest(?))"
    known = {row[0] for row in cursor.execute(query, [min(times), max(times), ids]).fetchall()}
    return [each for each in begun if each.span_id not in known]


def _concluded(intent: Span) -> Span:
    return msgspec.structs.replace(intent, kind="attempt", error=UNKNOWN, error_message=_WHY, usage_estimated=True)
