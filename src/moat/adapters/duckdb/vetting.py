"""Is a file that came from elsewhere a trace store and nothing else?

A DuckDB file can hold code: views, macros and default values may read any file of whoever opens it.
"""

import tempfile
from contextlib import closing
from pathlib import Path

import duckdb

from moat.adapters.duckdb.opening import make_store
from moat.domain.errors import DocumentError

_OBJECTS = {
    "a view": "SELECT view_name FROM duckdb_views() WHERE NOT internal",
    "a macro": "SELECT function_name FROM duckdb_functions() WHERE NOT internal",
    "a type": "SELECT type_name FROM duckdb_types() WHERE NOT internal AND database_name <> 'system'",
}
_COLUMNS = "SELECT table_name, column_name, column_default FROM duckdb_columns() WHERE NOT internal"


def check_store(path: Path) -> None:
    """Raise `DocumentError` for a file with anything in it that Moat does not make itself. Runs nothing of it."""
    with tempfile.TemporaryDirectory() as folder:
        make_store(Path(folder, "own.duckdb"))
        with closing(_opened(Path(folder, "own.duckdb"))) as own:
            known = set(own.execute(_COLUMNS).fetchall())
    tables = {table for table, _, _ in known}
    try:
        with closing(_opened(path)) as other:
            for kind, query in _OBJECTS.items():
                if found := other.execute(query).fetchall():
                    raise _refused(path, f"{kind} {found[0][0]!r}")
            for table, column, default in other.execute(_COLUMNS).fetchall():
                if table not in tables:
                    raise _refused(path, f"a table {table!r}")
                if default is not None and (table, column, default) not in known:
                    raise _refused(path, f"an expression in the column {table}.{column}")
    except duckdb.Error as error:
        raise DocumentError(f"this is no trace store: {error}", where=str(path)) from None


def _opened(path: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(path), read_only=True, config={"enable_external_access": False})


def _refused(path: Path, what: str) -> DocumentError:
    return DocumentError(
        f"it holds {what}, which no Moat has made", where=str(path), remedy="Restore only backups that you have made."
    )
