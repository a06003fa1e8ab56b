"""Parquet, read and written by DuckDB, which is imported when it is needed only."""

import datetime
import decimal
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from moat.domain.errors import DatasetError
from moat.evals.datasets.rows import Row
from moat.evals.datasets.tables import Column, columns, table_row

if TYPE_CHECKING:
    import duckdb

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "256MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
_LISTS = ("tags", "context")


def read_parquet(path: Path, name: str) -> Iterator[Row]:
    """The rows of a Parquet file; columns are named as in CSV, and their cells have their own types.

    A row's `line` is its number, from 1. Raises `DatasetError`.
    """
    if not path.exists():
        raise DatasetError("no such file", where=name)
    with _connection(name) as connection:
        table = connection.read_parquet(_literal(path))
        known = columns(table.columns, name)
        for number, cells in enumerate(table.iter_rows(), 1):
            yield Row(name, table_row(known, cells, f"{name}:{number}", _cell), number)


def write_parquet(rows: Path, known: list[Column], path: Path) -> None:
    """A Parquet file of JSON Lines whose members are these columns."""
    with _connection(str(path)) as connection:
        kinds = {column.title: _kind(column) for column in known}
        options: dict[str, Any] = {"format": "newline_delimited", "columns": kinds}
        connection.read_json(str(rows), maximum_object_size=64 * 2**20, **options).write_parquet(str(path))


def _kind(column: Column) -> str:
    if column.json:
        return "VARCHAR"
    return "VARCHAR[]" if column.group in _LISTS else "BOOLEAN" if column.group == "golden" else "VARCHAR"


@contextmanager
def _connection(name: str) -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    try:
        with duckdb.connect(config=_SETTINGS) as connection:
            yield connection
    except duckdb.Error as error:
        first = str(error).splitlines()[0]
        raise DatasetError(f"not readable as Parquet: {first}", where=name, remedy="Is the file whole?") from None


def _literal(path: Path) -> str:
    """The path as DuckDB takes it for one file: it would look for others where a name holds wildcards."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in str(path))


def _cell(column: Column, cell: Any, where: str) -> Any:
    try:
        value = _plain(cell)
    except ValueError as error:
        raise DatasetError(f"{error} in the column {column.title!r}", where=where) from None
    return [value] if column.group in _LISTS and isinstance(value, str) else value


def _plain(value: Any) -> Any:
    """A value of DuckDB's as JSON has it. Raises `ValueError`."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value}".replace("nan", "NaN"))
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in value.items()}
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    try:
        return msgspec.to_builtins(value)
    except (TypeError, msgspec.MsgspecError):
        raise ValueError(f"a value of type {type(value).__name__}, which JSON has not,") from None
