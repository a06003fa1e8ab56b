"""From whatever schema a file has to the one this program knows.

Every revision is a file in `versions`, an Alembic script. SQLite's DDL is transactional, so that all of them run
in one transaction: a migration killed half-way never happened.

A new file is made as `tables` has it: a test holds that the scripts make the same. The triggers of the audit log are
taken off while scripts run, and put on anew.
"""

from pathlib import Path

from sqlalchemy import Connection

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import append, guard, shut, unguard
from moat.domain.audit import PROGRAM, Act
from moat.domain.errors import StorageError

REVISIONS = tuple(f"{number:04}" for number in range(1, 17))
"""Every schema there has been, in order. The last one is what `tables` describes."""


def migrate(connection: Connection, path: Path) -> None:
    """Run what is missing, inside the caller's write transaction.

    Raises `StorageError` for a schema that is not ours to know. Alembic (0.3 s) is loaded only for a file of an older
    Moat.
    """
    if _is_new(connection):
        _make(connection)
        _audit(connection, "")
        return
    found = stored(connection)
    if found == REVISIONS[-1]:
        return
    if found and found not in REVISIONS:
        raise StorageError(
            f"written by a newer Moat (schema {found}, this program knows up to {REVISIONS[-1]})",
            where=str(path),
            remedy="Upgrade Moat, or restore the backup made before the upgrade.",
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", f"{__name__.rpartition('.')[0]}:migrations")
    config.attributes["connection"] = connection
    unguard(connection)
    command.upgrade(config, "head")
    _audit(connection, found)


def _is_new(connection: Connection) -> bool:
    return connection.exec_driver_sql("SELECT 1 FROM sqlite_schema").first() is None


def _make(connection: Connection) -> None:
    tables.metadata.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(
        "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))


def _audit(connection: Connection, former: str) -> None:
    """Guard what only those who are named may change. `former`: the schema until now."""
    guard(connection)
    append(connection, Act(PROGRAM, "audit.begin", REVISIONS[-1], detail={"schema_before": former}))
    shut(connection)


def stored(connection: Connection) -> str:
    """The file's revision; empty when none of the scripts was run."""
    exists = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'alembic_version'"
    if connection.exec_driver_sql(exists).first() is None:
        return ""
    row = connection.exec_driver_sql("SELECT version_num FROM alembic_version").first()
    return str(row[0]) if row else ""
