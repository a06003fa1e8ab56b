"""Cases from JSON Lines, YAML or CSV files, with a digest over what they say."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import msgspec

from moat.documents import Document, decode, read_jsonl, read_yaml
from moat.domain.errors import DatasetError, DocumentError
from moat.domain.releases import digest
from moat.domain.scores import Case

FORMATS = (".jsonl", ".yaml", ".yml", ".csv")
MAX_ID_LENGTH = 200
PLAIN_COLUMNS = ("id", "expected", "cluster", "tags")
NESTED_COLUMNS = ("variables", "labels")


class Dataset(msgspec.Struct, frozen=True):
    """Cases in the order of their file."""

    cases: tuple[Case, ...]
    digest: str
    """Over the content of all cases: formatting, file format and order do not matter."""


class _Canonical(Case, frozen=True, omit_defaults=True):
    """A case as its digest sees it: a member at its default is the same as none."""


class _Placed(NamedTuple):
    place: str
    case: Case


class _Row(Document):
    """One line of a file, as a document of its own that knows where it stands."""

    def __init__(self, name: str, data: Any, number: int) -> None:
        super().__init__(name, data, None)
        self._number = number

    def line(self, path: Any) -> int:
        """Every value of a row stands on the row's line."""
        return self._number


def load_dataset(path: Path, *, name: str = "") -> Dataset:
    """Read and check a dataset.

    JSONL: one case a line. YAML: a list of cases. CSV: see `_csv_cases`. `name` stands for the path in
    messages. Raises `DatasetError` with file and line for a case that does not fit, an id that stands twice,
    or a file without cases.
    """
    name = name or str(path)
    try:
        cases = _unique(_read(path, name), name)
    except DocumentError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
    return Dataset(cases, dataset_digest(cases))


def dataset_digest(cases: tuple[Case, ...]) -> str:
    """SHA-256 over the canonical JSON of the cases, sorted by id; absent and default values are the same."""
    ordered = sorted(cases, key=lambda case: case.id)
    return digest([_Canonical(**msgspec.structs.asdict(case)) for case in ordered])


def _unique(placed: Iterator[_Placed], name: str) -> tuple[Case, ...]:
    seen: dict[str, str] = {}
    cases = []
    for place, case in placed:
        if not case.id.strip() or len(case.id) > MAX_ID_LENGTH or not case.id.isprintable():
            raise DatasetError(
                f"{case.id[:40]!r} is no id", where=place, remedy=f"Use 1 to {MAX_ID_LENGTH} printable characters."
            )
        if case.id in seen:
            raise DatasetError(
                f"the id {case.id!r} stands twice (first at {seen[case.id]})",
                where=place,
                remedy="Ids pair the answers of two runs: each must be unique.",
            )
        seen[case.id] = place
        cases.append(case)
    if not cases:
        raise DatasetError("no cases", where=name, remedy="A dataset needs at least one.")
    return tuple(cases)


def _read(path: Path, name: str) -> Iterator[_Placed]:
    match path.suffix.lower():
        case ".jsonl":
            for number, value in read_jsonl(path, name=name):
                yield _placed(_Row(name, value, number))
        case ".yaml" | ".yml":
            yield from _yaml_cases(path, name)
        case ".csv":
            yield from _csv_cases(path, name)
        case suffix:
            raise DatasetError(
                f"datasets are not read from {suffix or 'files without an extension'}",
                where=name,
                remedy=f"Use one of: {', '.join(FORMATS)}.",
            )


def _placed(row: Document, at: tuple[int, ...] = ()) -> _Placed:
    return _Placed(row.place(at), decode(row, Case, at=at, error=DatasetError))


def _yaml_cases(path: Path, name: str) -> Iterator[_Placed]:
    document = read_yaml(path, name=name)
    if not isinstance(document.data, list):
        raise DatasetError("not a list of cases", where=f"{name}:1", remedy="Write each case as `- id: ...`.")
    for index in range(len(document.data)):
        yield _placed(document, (index,))


def _csv_cases(path: Path, name: str) -> Iterator[_Placed]:
    """Columns `id`, `expected`, `cluster`, `tags` (separated by `;`), `labels.<name>`, and variables.

    A variable's column is `variables.<name>` or just its name, and its cells are text. A cell of `expected`
    or a label that is JSON other than a bare word (`true`, `14`, `["a", "b"]`) is read as JSON. An empty cell
    is absent.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _csv_rows(file, name)
    except FileNotFoundError:
        raise DatasetError("no such file", where=name) from None
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", where=name) from error
    except UnicodeDecodeError:
        raise DatasetError("not UTF-8 text", where=name, remedy="Save it as UTF-8.") from None


def _csv_rows(file: TextIO, name: str) -> Iterator[_Placed]:
    reader = csv.reader(file, strict=True)
    started = 1
    try:
        header = [column.strip() for column in next(reader, [])]
        _check_header(header, f"{name}:1")
        started = reader.line_num + 1
        for cells in reader:
            if cells:
                if len(cells) != len(header):
                    raise DatasetError(
                        f"{len(cells)} cells in a table of {len(header)} columns", where=f"{name}:{started}"
                    )
                yield _placed(_Row(name, _csv_case(header, cells), started))
            started = reader.line_num + 1
    except csv.Error as error:
        raise DatasetError(f"not valid CSV: {error}", where=f"{name}:{started}") from None


def _check_header(header: list[str], where: str) -> None:
    if "id" not in header:
        raise DatasetError("no column `id`", where=where, remedy=f"It has: {', '.join(header) or 'nothing'}.")
    for column in header:
        group, dot, key = column.partition(".")
        if not column or (dot and (group not in NESTED_COLUMNS or not key)):
            raise DatasetError(
                f"unknown column {column!r}",
                where=where,
                remedy="Use id, expected, cluster, tags, labels.<name>, variables.<name> or a variable's name.",
            )
        if header.count(column) > 1:
            raise DatasetError(f"the column {column!r} stands twice", where=where)


def _csv_case(header: list[str], cells: list[str]) -> dict[str, Any]:
    case: dict[str, Any] = {}
    for column, cell in zip(header, cells, strict=True):
        group, dot, key = column.partition(".")
        if cell == "":
            continue
        if dot:
            case.setdefault(group, {})[key] = _typed(cell) if group == "labels" else cell
        elif column == "tags":
            case["tags"] = [tag.strip() for tag in cell.split(";") if tag.strip()]
        elif column == "expected":
            case["expected"] = _typed(cell)
        elif column in PLAIN_COLUMNS:
            case[column] = cell
        else:
            case.setdefault("variables", {})[column] = cell
    return case


def _typed(cell: str) -> Any:
    try:
        return msgspec.json.decode(cell)
    except (msgspec.DecodeError, RecursionError):
        return cell
