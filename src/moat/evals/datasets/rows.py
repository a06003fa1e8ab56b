"""One record of a file as a case, and how a record that was not written for Moat is understood."""

import difflib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from moat.documents import Document, decode
from moat.domain.errors import DatasetError
from moat.domain.releases import digest
from moat.domain.scores import Case

FIELDS = Case.__struct_fields__
MAX_ID_LENGTH = 200
MADE_ID = "case-"
"""Begins the id of a case that has none of its own; 16 hexadecimal digits of what it says follow."""

_NO_VARIABLES = frozenset(FIELDS)


class Placed(NamedTuple):
    """A case and where it stands; or why what stands there is none."""

    place: str
    case: Case | None
    error: DatasetError | None = None


class Row(Document):
    """One record of a file, as a document of its own that knows where it stands."""

    def __init__(self, name: str, data: Any, line: int | Callable[[Any], int]) -> None:
        super().__init__(name, data, None)
        self._where = line

    def line(self, path: Any) -> int:
        """Of a value; every one stands on the record's line unless the file tells more."""
        return self._where if isinstance(self._where, int) else self._where(path)


def placed(row: Row) -> Placed:
    """The case that a record is.

    A record without `variables` is flat: its members that are no member of a case are the variables, so that
    `{"question": ..., "expected": ...}` is one as it stands. `context` may be one text. A record that says something
    and has no `id` gets one made of what it says: the same for the same content, wherever it stands.
    """
    place = row.place(())
    try:
        if isinstance(row.data, dict):
            row.data = _understood(row)
        case = decode(row, Case, error=DatasetError)
        if not case.id.strip() or len(case.id) > MAX_ID_LENGTH or not case.id.isprintable():
            remedy = f"Use 1 to {MAX_ID_LENGTH} printable characters."
            raise DatasetError(f"{case.id[:40]!r} is no id", where=place, remedy=remedy)
    except DatasetError as error:
        return Placed(place, None, error)
    return Placed(place, case)


def made_id(data: dict[str, Any]) -> str:
    """The id of a record that has none."""
    return MADE_ID + digest(data).removeprefix("sha256:")[:16]


def check_name(key: str, known: Iterable[str], where: str) -> None:
    """Raise `DatasetError` for a name that is a misspelt one of those known, and no singular or plural of it."""
    close = difflib.get_close_matches(key, list(known), n=1, cutoff=0.8)
    if close and close[0].rstrip("s") != key.rstrip("s"):
        raise DatasetError(f"unknown key {key!r}", where=where, remedy=f"Did you mean {close[0]!r}?")


def _understood(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = row.data
    if "id" not in data and isinstance(data.get("test_case_id"), str):
        data = {"id" if key == "test_case_id" else key: value for key, value in data.items()}
    if "variables" not in data and not data.keys() <= _NO_VARIABLES:
        flat = {key: value for key, value in data.items() if key not in _NO_VARIABLES}
        for key in flat:
            check_name(key, FIELDS, row.place((key,)))
        data = {**{key: value for key, value in data.items() if key not in flat}, "variables": flat}
    if isinstance(data.get("context"), str):
        data = {**data, "context": [data["context"]]}
    if data and "id" not in data:
        try:
            data = {**data, "id": made_id(data)}
        except (TypeError, UnicodeEncodeError, msgspec.MsgspecError) as error:
            raise DatasetError(f"cannot be a case: {error}", where=row.place(())) from None
    return data
