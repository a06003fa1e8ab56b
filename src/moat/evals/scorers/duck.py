"""DuckDB for scorers: its SQL parser and its regular expressions. Nobody's data is in it."""

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_own = threading.local()


def engine() -> "DuckDBPyConnection":
    """This thread's empty database in memory. Opened at first use: that takes longer than all it is asked."""
    found: DuckDBPyConnection | None = getattr(_own, "connection", None)
    if found is None:
        import duckdb

        found = _own.connection = duckdb.connect(config={"threads": 1, "enable_external_access": False})
    return found
