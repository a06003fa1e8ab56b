"""The open state file: transactions, and errors that say what to do."""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from moat.adapters.alone import alone_in
from moat.adapters.sqlite.acting import WRITTEN
from moat.adapters.sqlite.head import advance
from moat.adapters.sqlite.migrations import migrate
from moat.domain.errors import StorageError

BUSY_SECONDS = 15.0
"""How long a transaction waits for another process's write before it gives up."""


class SqliteState:
    """One project's `state.db`, open.

    Threads may share this object and processes the file. A read sees one committed snapshot; a write waits for
    its turn, and when its `with` block is left it is on disk (WAL, `synchronous=FULL`) or did not happen.
    Every failure of the database is a `StorageError` naming the file.
    """

    def __init__(self, path: Path, engine: Engine, watch: sqlite3.Connection) -> None:
        """Use `open`."""
        self._path = path
        self._engine = engine
        self._watch = watch
        self._watching = threading.Lock()
        self._writing = threading.Lock()

    @classmethod
    def open(cls, path: Path) -> "SqliteState":
        """Open the file, made with mode 0600 if need be, and bring its schema forward.

        Raises `StorageError`, also for a file that a newer Moat has written.
        """
        engine = _engine(path)
        with _explained(path), ExitStack() as undo:
            undo.callback(engine.dispose)
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite answers "busy" at once when two switch a file to WAL together.
            with alone_in(path.parent):
                _create(path)
                with _writing(engine, path) as connection:
                    migrate(connection, path)
            watch = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
            undo.pop_all()
        return cls(path, engine, watch)

    @classmethod
    def open_to_read(cls, path: Path) -> "SqliteState":
        """Open the file as it is: nothing is made, brought forward or written. Raises `StorageError`."""
        engine = _engine(path, read_only=True)
        with _explained(path), ExitStack() as undo:
            undo.callback(engine.dispose)
            watch = _connected(path)
            undo.pop_all()
        return cls(path, engine, watch)

    @property
    def path(self) -> Path:
        """Of the file."""
        return self._path

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one snapshot."""
        with _explained(self._path), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that nobody else's write can come between; rolled back when the block raises."""
        with _explained(self._path), self._writing, _writing(self._engine, self._path) as connection:
            yield connection

    @contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Has nobody else, in this process or another, claimed the same? Then it is claimed until the block is left or
        the process dies.

        By flock(2) on a file beside the database; its WAL keeps that on one machine too. Raises `StorageError`.
        """
        path = self._path.with_name("-".join((self._path.name, name, "lock")))
        with _explained(path):
            descriptor = _locked(path)
        try:
            yield descriptor is not None
        finally:
            if descriptor is not None:
                path.unlink(missing_ok=True)
                os.close(descriptor)

    def revision(self) -> int:
        """A number that differs after every commit to the file, by whomever.

        `PRAGMA data_version` counts the commits of other connections; the one asked here never writes.
        """
        with _explained(self._path), self._watching:
            number: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
            return number

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._watch.close()
        self._engine.dispose()


def _engine(path: Path, *, read_only: bool = False) -> Engine:
    # With isolation_level=None the sqlite3 module begins no transactions of its own; `_begin` does.
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        pool_size=0,
        **({"creator": partial(_connected, path)} if read_only else {}),
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def _connected(path: Path) -> sqlite3.Connection:
    """A connection that can only read, and makes no file."""
    address = f"{path.resolve().as_uri()}?mode=ro"
    return sqlite3.connect(address, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)


def _configure(connection: sqlite3.Connection, _record: object) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _writing(engine: Engine, path: Path) -> Iterator[Connection]:
    """One write transaction; the end of the audit log is noted when it is through."""
    with engine.execution_options(immediate=True).begin() as connection:
        connection.info.pop(WRITTEN, None)
        yield connection
        written = connection.info.pop(WRITTEN, None)
    if written is not None:
        advance(path, written)


def _create(path: Path) -> None:
    """An empty database in WAL mode, readable by its owner only; an existing one is left as it is."""
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")


def _locked(path: Path) -> int | None:
    """A descriptor that holds the file's lock; None when another has it."""
    while True:
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)  # whoever had it removed the file between opening and locking


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Database and file errors as `StorageError`."""
    try:
        yield
    except DBAPIError as error:
        raise _storage_error(error.orig, path) from error
    except (sqlite3.Error, OSError) as error:
        raise _storage_error(error, path) from error


_CAUSES = {
    "SQLITE_FULL": ("the disk is full", "Free some space: nothing was half-written, no repair is needed."),
    "SQLITE_READONLY": ("the file cannot be written", "Check the owner and the mode of the file."),
    "SQLITE_CANTOPEN": (
        "the file cannot be opened",
        "Check that it is a file, in a writable directory.",
    ),
    "SQLITE_BUSY": (
        f"another process has been writing for over {BUSY_SECONDS:.0f} seconds",
        "Look for a stuck process that has the file open (`fuser`), and try again.",
    ),
    "SQLITE_CORRUPT": ("the file is damaged", "Restore a backup, or save what `sqlite3 FILE .recover` finds."),
    "SQLITE_NOTADB": (
        "the file is no SQLite database",
        "Restore a backup, or move the file away.",
    ),
    "SQLITE_IOERR": ("the disk refuses", "Check the disk and its free space; nothing was half-written."),
}


def _storage_error(error: BaseException | None, path: Path) -> StorageError:
    if isinstance(error, OSError):
        return StorageError(f"cannot be used: {error.strerror}", where=str(path), remedy="Check path and permissions.")
    name = getattr(error, "sqlite_errorname", "")
    primary = "_".join(name.split("_")[:2])
    what, remedy = _CAUSES.get(primary, ("the database refuses", ""))
    return StorageError(f"{what} ({error})", where=str(path), remedy=remedy)
