"""A look at the trace store, which is left as it is: neither made nor brought forward."""

from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import duckdb

from moat.adapters.duckdb.schema import STEPS
from moat.domain.errors import StorageError, Unavailable

NEWEST = len(STEPS)
"""The schema that this program knows."""


class TraceFile(NamedTuple):
    """How it is."""

    schema: int
    spans: int
    first_ns: int
    """Start of the oldest span; 0 when there is none."""


def inspect_traces(path: Path) -> TraceFile:
    """Raises `Unavailable` when another process has it open, `StorageError` for one that cannot be read."""
    try:
        with closing(duckdb.connect(str(path), read_only=True, config={"enable_external_access": False})) as store:
            ((schema,),) = store.execute("SELECT max(version) FROM schema_version").fetchall()
            ((spans, first),) = store.execute("SELECT count(*), min(started_ns) FROM spans").fetchall()
    except duckdb.Error as error:
        if "Could not set lock" in str(error):
            raise Unavailable("it is open in another process", where=str(path)) from None
        raise StorageError(f"it cannot be read: {error}", where=str(path)) from None
    return TraceFile(schema or 0, spans, first or 0)
