"""A store copied into a new file, as of one moment: for backups, and to be rid of holes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from moat.adapters.duckdb.opening import make_store
from moat.adapters.duckdb.queries import COLUMNS
from moat.domain.errors import StorageError

_SPANS = ", ".join(f'"{name}"' for name in COLUMNS)
_COPIES = (
    f"INSERT INTO copied.spans ({_SPANS}) SELECT {_SPANS} FROM spans",
    "INSERT INTO copied.rejects BY NAME SELECT * FROM rejects",
    "INSERT INTO copied.feedback BY NAME SELECT * FROM feedback",
    "INSERT INTO copied.repricings BY NAME SELECT * FROM repricings",
)


@contextmanager
def copy_beside(target: Path) -> Iterator[Path]:
    """An empty store beside `target`, for `fill`; gone after the block unless it was moved. Raises `StorageError`."""
    half = target.with_name(f"{target.name}.new")
    try:
        try:
            _remove(half)
            make_store(half)
        except (OSError, duckdb.IOException) as error:
            raise StorageError(f"the copy cannot be written: {error}", where=str(target)) from error
        yield half
    finally:
        _remove(half)


def fill(cursor: duckdb.DuckDBPyConnection, half: Path) -> None:
    """Copy everything, and bring it to the disk. Raises `StorageError` and DuckDB's own errors.

    One transaction reads everything, so that what is written meanwhile is not in it and need not wait.
    """
    _copy(cursor, half)
    try:
        _sync(half)
    except OSError as error:
        raise StorageError(f"the copy cannot be written: {error.strerror}", where=str(half)) from error


def move(half: Path, target: Path) -> None:
    """Give a copy its name, durably. Raises `StorageError`."""
    try:
        half.rename(target)
        _sync(target.parent)
    except OSError as error:
        raise StorageError(f"the copy cannot be written: {error.strerror}", where=str(target)) from error


def _copy(cursor: duckdb.DuckDBPyConnection, half: Path) -> None:
    cursor.execute(_attach(half))
    try:
        cursor.execute("BEGIN")
        for statement in _COPIES:
            cursor.execute(statement)
        cursor.execute("COMMIT")
        cursor.execute("CHECKPOINT copied")
    except duckdb.Error:
        cursor.rollback()
        raise
    finally:
        cursor.execute("DETACH copied")


def _attach(half: Path) -> str:
    """ATTACH takes no parameters."""
    quoted = str(half).replace("'", "''")
    return f"ATTACH '{quoted}' AS copied"


def _remove(half: Path) -> None:
    for left in (half, Path(f"{half}.wal")):
        left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
