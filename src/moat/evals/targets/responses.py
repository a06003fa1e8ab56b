"""Answers that were recorded before, as a target: what another program, or a person, answered to each case."""

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from moat.documents import read_jsonl
from moat.domain.errors import DatasetError, DocumentError, ReplayMiss
from moat.domain.scores import Case
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Bench
from moat.evals.targets.reply import Reply

JSON_COLUMNS = ("tool_calls", "context", "messages")
NUMBERS = ("repeat", "input_tokens", "output_tokens", "latency_ms")


class Recorded(Reply, kw_only=True, forbid_unknown_fields=True):
    """One line of the file."""

    id: str
    """Of the case."""
    repeat: int | None = None
    """None: the next one of its case, in the order of the file."""


class ResponsesTarget(msgspec.Struct, frozen=True, kw_only=True):
    """Implements `moat.evals.targets.target.Target`."""

    name: str
    digest: str
    """Of the file."""
    recorded: dict[tuple[str, int], Recorded]
    """By case and repeat."""

    def bind(self, bench: Bench) -> "ResponsesTarget":
        """It needs nothing."""
        return self

    async def answer(self, case: Case, repeat: int) -> Answered:
        """What was recorded. Raises `ReplayMiss` when nothing was, for this case and repeat."""
        found = self.recorded.get((case.id, repeat))
        if found is None:
            which = f"repeat {repeat} of " if repeat else ""
            raise ReplayMiss(f"there is no recorded answer to {which}{case.id!r}", where=self.name)
        return found.answered(0)


def load_responses(path: Path, *, name: str = "") -> ResponsesTarget:
    """Read `.jsonl` (one object a line) or `.csv` (a header with the same names; lists are JSON).

    Raises `DatasetError` with file and line.
    """
    name = name or str(path)
    recorded: dict[tuple[str, int], Recorded] = {}
    counts: dict[str, int] = {}
    for where, value in _lines(path, name):
        line = _decoded(value, where)
        repeat = counts.get(line.id, 0) if line.repeat is None else line.repeat
        counts[line.id] = max(counts.get(line.id, 0), repeat + 1)
        if (line.id, repeat) in recorded:
            raise DatasetError(f"repeat {repeat} of {line.id!r} stands twice", where=where)
        recorded[line.id, repeat] = line
    if not recorded:
        raise DatasetError("no recorded answers", where=name)
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    return ResponsesTarget(name=name, digest=f"sha256:{content}", recorded=recorded)


def _decoded(value: Any, where: str) -> Recorded:
    try:
        return msgspec.convert(value, Recorded)
    except msgspec.ValidationError as error:
        known = ", ".join(field for field in Recorded.__struct_fields__)
        raise DatasetError(f"not a recorded answer: {error}", where=where, remedy=f"Members: {known}.") from None


def _lines(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    match path.suffix.lower():
        case ".jsonl":
            try:
                for number, value in read_jsonl(path, name=name):
                    yield f"{name}:{number}", value
            except DocumentError as error:
                raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
        case ".csv":
            yield from _rows(path, name)
        case suffix:
            what = f"recorded answers are not read from {suffix or 'files without an extension'}"
            raise DatasetError(what, where=name, remedy="Use .jsonl or .csv.")


def _rows(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    place = f"{name}:1"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [column.strip() for column in next(reader, [])]
            place = f"{name}:{reader.line_num + 1}"
            for cells in reader:
                if cells:
                    if len(cells) != len(header):
                        raise DatasetError(f"{len(cells)} cells in a table of {len(header)} columns", where=place)
                    yield place, {column: _cell(column, cell, place) for column, cell in _filled(header, cells)}
                place = f"{name}:{reader.line_num + 1}"
    except FileNotFoundError:
        raise DatasetError("no such file", where=name) from None
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", where=name) from error
    except UnicodeDecodeError:
        raise DatasetError("not UTF-8 text", where=place, remedy="Save it as UTF-8.") from None
    except csv.Error as error:
        raise DatasetError(f"not valid CSV: {error}", where=place) from None


def _filled(header: list[str], cells: list[str]) -> Iterator[tuple[str, str]]:
    return ((column, cell) for column, cell in zip(header, cells, strict=True) if cell != "")


def _cell(column: str, cell: str, where: str) -> Any:
    if column not in (*JSON_COLUMNS, *NUMBERS):
        return cell
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        raise DatasetError(f"`{column}` is not JSON: {cell[:60]!r}", where=where) from None
