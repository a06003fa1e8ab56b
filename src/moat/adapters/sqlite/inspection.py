"""A look at the state file, which is left as it is: neither made nor brought forward."""

import time
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from moat.adapters.sqlite.migrations import REVISIONS, stored
from moat.adapters.sqlite.state import SqliteState

_STEPS = 20_000
"""Instructions of SQLite's machine between two looks at the clock."""


class StateFile(NamedTuple):
    """How it is."""

    schema: str
    """Empty: none."""
    newest: str
    """What this program knows."""
    damage: tuple[str, ...]
    """What SQLite's own check says is wrong."""
    whole: bool
    """Did the check come to its end in time?"""


def inspect_state(path: Path, seconds: float) -> StateFile:
    """Check the file for at most so long. Raises `StorageError` for one that is missing or cannot be read."""
    state = SqliteState.open_to_read(path)
    try:
        with state.read() as connection:
            schema = stored(connection)
            damage, whole = _check(connection, seconds)
    finally:
        state.close()
    return StateFile(schema, REVISIONS[-1], damage, whole)


def _check(connection: Connection, seconds: float) -> tuple[tuple[str, ...], bool]:
    driver: Any = connection.connection.driver_connection
    until = time.monotonic() + seconds
    driver.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
    try:
        rows = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
    except DBAPIError as error:
        if getattr(error.orig, "sqlite_errorname", "") != "SQLITE_INTERRUPT":
            raise
        return (), False
    finally:
        driver.set_progress_handler(None, 0)
    return tuple(row for row in rows if row != "ok"), True
