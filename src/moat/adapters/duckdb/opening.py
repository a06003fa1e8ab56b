"""How the store's file comes to be, and how it is opened: by one process at a time."""

import os
import re
from contextlib import closing
from pathlib import Path

import duckdb

from moat.adapters.alone import alone_in
from moat.adapters.duckdb.schema import migrate
from moat.domain.errors import StorageError, Unavailable

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 2,
    "memory_limit": "256MB",
    # A checkpoint rewrites the last group of rows: often means slow and, in a file that never shrinks, large.
    "checkpoint_threshold": "64MB",
    # Blocks of which every span is deleted are given back without it; it would write most others anew, in one stall of
    # many seconds. `DuckTraces.compact` does that on request.
    "max_vacuum_tasks": 0,
    # Nothing is fetched or loaded at run time.
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "lock_configuration": True,
}

_MODE = 0o600


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the store at `path`, made when there is none, with its schema up to date.

    Raises `Unavailable` when another process has it open, `StorageError` for everything else.
    """
    try:
        if not path.exists():
            _make(path)
        connection = duckdb.connect(str(path), config=_SETTINGS)
    except (duckdb.Error, OSError) as error:
        if "Could not set lock" in str(error):
            owner = re.search(r"\(PID \d+\)", str(error))
            raise Unavailable(
                f"the trace store is open in another process {owner[0] if owner else ''}".rstrip(),
                where=str(path),
                remedy="Try again when that `moat` command is done, or stop that `moat serve`.",
            ) from error
        raise StorageError(f"the trace store cannot be opened: {error}", where=str(path)) from error
    try:
        make_log(path)
        migrate(connection, str(path))
    except (duckdb.Error, OSError) as error:
        connection.close()
        raise StorageError(f"the trace store cannot be migrated: {error}", where=str(path)) from error
    except StorageError:
        connection.close()
        raise
    return connection


def make_log(path: Path) -> None:
    """Make the write-ahead log, closed to other users, before DuckDB does: it takes an empty one as it is.

    DuckDB deletes it at each checkpoint, and would make the next one by the umask.
    """
    os.close(os.open(f"{path}.wal", os.O_CREAT | os.O_WRONLY, _MODE))


def _make(path: Path) -> None:
    """Make the store whole before it has its name.

    DuckDB locks a new file a moment after it made it: another process that looks in between, or after a crash, would
    find a file that is no store.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with alone_in(path.parent):
        if path.exists():
            return
        new = path.with_name(f"{path.name}.new")
        for left in (new, Path(f"{new}.wal")):
            left.unlink(missing_ok=True)
        make_store(new)
        new.rename(path)


def make_store(new: Path) -> None:
    """An empty store in a new file, closed to other users. Raises DuckDB's errors and `OSError`."""
    with closing(duckdb.connect(str(new), config=_SETTINGS)) as connection:
        new.chmod(_MODE)
        make_log(new)
        migrate(connection, str(new))
