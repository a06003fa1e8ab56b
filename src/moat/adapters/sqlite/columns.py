"""What tables are made of, and how a row becomes a domain struct."""

from typing import Any, TypeVar

import msgspec
from sqlalchemy import Dialect, MetaData, RowMapping, Text, TypeDecorator


class Json(TypeDecorator[Any]):
    """JSON text, written and read by msgspec."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str:
        """Python value, structs included, to text."""
        return msgspec.json.encode(value).decode()

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Text to plain lists and dicts."""
        return msgspec.json.decode(value)


T = TypeVar("T", bound=msgspec.Struct)


def record(row: RowMapping, type: type[T], **fields: Any) -> T:
    """A row, with `fields` besides its columns, as a domain struct."""
    # SQLAlchemy's names are a subclass of str, which msgspec does not take for keys.
    return msgspec.convert({str.__str__(name): value for name, value in row.items()} | fields, type)


metadata = MetaData()
"""Of all tables: those of `tables` and `account_tables`."""
