"""Cases as rows of a table with named columns: CSV and TSV, and what Parquet shares with them.

A column is a member of a case (`id`, `expected`, `tags`, ...), `variables.NAME`, `labels.NAME`, or any other name: a
variable. With `:json` at its end its cells hold JSON. Else a cell is text, with these exceptions: `tags` is a list
divided by `;`, `golden` is `true` or `false`, `context` is one document, and cells of `expected` and labels that are
JSON are read as JSON. An empty cell is absent.
"""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from moat.domain.errors import DatasetError
from moat.domain.scores import Case
from moat.evals.datasets.json_text import parse_json
from moat.evals.datasets.rows import FIELDS, Row, check_name
from moat.evals.datasets.text import lines

NESTED = ("variables", "labels")
JSON = ":json"
_TEXT = ("id", "cluster", "split", "source")
_BOOLEANS = {"true": True, "false": False}


class Column(NamedTuple):
    """What a column's cells are: `group` is a member of a case, `key` a name in it (empty: the member itself)."""

    title: str
    group: str
    key: str
    json: bool


def columns(header: Sequence[Any], where: str) -> list[Column]:
    """What the columns of a table are. Raises `DatasetError` for one that stands twice or makes no sense."""
    titles = [str(title).strip() for title in header]
    if len(titles) == 1 and any(mark in titles[0] for mark in ";\t|"):
        mark = next(mark for mark in ";\t|" if mark in titles[0])
        remedy = "Save it with commas; a table with tabs is named *.tsv."
        raise DatasetError(f"the columns are divided by {mark!r}", where=where, remedy=remedy)
    found = [_column(title, where) for title in titles]
    for column in found:
        if sum((other.group, other.key) == (column.group, column.key) for other in found) > 1:
            raise DatasetError(f"the column {column.title!r} stands twice", where=where)
    return found


def read_table(path: Path, name: str, delimiter: str) -> Iterator[Row]:
    """The rows of a CSV (RFC 4180) or TSV file. Raises `DatasetError` with file and line."""
    reader = csv.reader((line.text for line in lines(path, name)), delimiter=delimiter, strict=True)
    started = 1
    try:
        known = columns(next(reader, []), f"{name}:1")
        if not known:
            raise DatasetError("no columns", where=f"{name}:1", remedy="The first line names them.")
        started = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(known):
                    what = f"{len(cells)} cells in a table of {len(known)} columns"
                    raise DatasetError(what, where=f"{name}:{started}", remedy="Is a quote or a comma missing?")
                given = [cell or None for cell in cells]
                yield Row(name, table_row(known, given, f"{name}:{started}", read_cell), started)
            started = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"not valid CSV: {error}", where=f"{name}:{started}") from None


def table_row(known: Sequence[Column], cells: Sequence[Any], where: str, read: Any) -> dict[str, Any]:
    """The record that a row is; `read` makes a value of a cell; `None` is absent."""
    row: dict[str, Any] = {}
    for column, cell in zip(known, cells, strict=True):
        if cell is None:
            continue
        value = cell_json(column, cell, where) if column.json else read(column, cell, where)
        if column.key:
            row.setdefault(column.group, {})[column.key] = value
        else:
            row[column.group] = value
    return row


def cell_json(column: Column, cell: Any, where: str) -> Any:
    """The value of a cell that holds JSON."""
    try:
        return parse_json(str(cell))
    except ValueError as error:
        raise DatasetError(f"not JSON in the column {column.title!r}: {error}", where=where) from None


def read_cell(column: Column, cell: str, where: str) -> Any:
    """The value of a cell of text."""
    match column.group:
        case "tags":
            return [tag.strip() for tag in cell.split(";") if tag.strip()]
        case "context":
            return [cell]
        case "golden":
            return _BOOLEANS.get(cell.strip().lower(), cell)
        case "expected" | "labels":
            if cell in ("NaN", "nan"):
                remedy = 'Leave the cell empty for no value; for the word itself write "NaN" in quotes of its own.'
                raise DatasetError(f"NaN in the column {column.title!r}", where=where, remedy=remedy)
            return _typed(cell)
        case _:
            return cell


def _column(title: str, where: str) -> Column:
    name, is_json = (title[: -len(JSON)], True) if title.endswith(JSON) else (title, False)
    group, dot, key = name.partition(".")
    if dot and group in NESTED and key:
        return Column(title, group, key, is_json)
    if name in FIELDS and (is_json or name not in ("variables", "labels", "messages", "turns", "user")):
        return Column(title, name, "", is_json)
    if not name or dot or name in FIELDS:
        raise DatasetError(
            f"unknown column {title!r}",
            where=where,
            remedy=f"Use {', '.join(FIELDS[:1] + _TEXT[1:])}, expected, tags, golden, context, labels.<name>, "
            "variables.<name>, a variable's name, or <member>:json.",
        )
    check_name(name, FIELDS, where)
    return Column(title, "variables", name, is_json)


def _typed(cell: str) -> Any:
    try:
        return parse_json(cell)
    except ValueError:
        return cell


def titles_of(cases: Sequence[Case], *, typed: bool) -> list[Column]:
    """The columns that hold these cases and nothing else. `typed`: cells of labels and `expected` can be JSON."""
    found = [Column("id", "id", "", False)]
    for group in NESTED:
        names = dict.fromkeys(name for case in cases for name in getattr(case, group))
        if any(not _is_title(name) for name in names):
            found.append(Column(group + JSON, group, "", True))
            continue
        for name in names:
            values = [getattr(case, group)[name] for case in cases if name in getattr(case, group)]
            plain = (typed and group == "labels") or all(_is_plain(value) for value in values)
            found.append(Column(f"{group}.{name}" + ("" if plain else JSON), group, name, not plain))
    for member in FIELDS:
        values = [getattr(case, member) for case in cases]
        if member not in ("id", *NESTED) and not all(is_absent(member, value) for value in values):
            found.append(Column(*_member(member, values, typed)))
    return found


def is_absent(member: str, value: Any) -> bool:
    """Does a case with this value say nothing there?"""
    return value is None if member == "expected" else not value


def _member(member: str, values: list[Any], typed: bool) -> tuple[str, str, str, bool]:
    if member == "expected":
        plain = typed or all(value is None or _is_plain(value) for value in values)
    elif member == "tags":
        plain = all(tag.strip() == tag and tag and ";" not in tag and _is_plain(tag) for tags in values for tag in tags)
    elif member == "golden":
        plain = True
    else:
        plain = member in _TEXT and all(value == "" or _is_plain(value) for value in values)
    return (member if plain else member + JSON, member, "", not plain)


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and value != "" and "\0" not in value and "\r" not in value


def _is_title(name: str) -> bool:
    return bool(name) and name == name.strip() and not name.endswith(JSON) and "\0" not in name and "\r" not in name
