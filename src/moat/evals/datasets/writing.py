"""Writing datasets: whole or not at all, and what is written is read back before it takes its name."""

import csv
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from moat.domain.errors import ConflictError, DatasetError, InputError, PromptError, StorageError
from moat.domain.scores import Case
from moat.evals.datasets.dataset import FORMATS, canonical, dataset_digest, load_dataset
from moat.evals.datasets.parquet import write_parquet
from moat.evals.datasets.tables import Column, is_absent, read_cell, titles_of
from moat.prompts.authoring import yaml_text

Writer = Callable[[Sequence[Case], Path], None]


def export(cases: Sequence[Case], path: Path, *, replace: bool = False) -> None:
    """Write cases in the format that the file's name says.

    The file is there once it is whole and holds exactly these cases: it is read back first. Raises `ConflictError`
    for one that exists unless `replace`, `DatasetError` for what the format cannot hold, `StorageError` when the disk
    refuses.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        remedy = f"Use one of: {', '.join(FORMATS)}."
        raise DatasetError(f"datasets are not written as {suffix or 'files without an extension'}", remedy=remedy)
    with _draft(path, replace) as draft:
        try:
            WRITERS[suffix](cases, draft)
            same = load_dataset(draft, name=path.name).digest == dataset_digest(cases)
        except InputError as error:
            raise DatasetError(f"{suffix} cannot hold it: {error.what}", where=str(path), remedy=_OTHER) from None
        if not same:
            raise DatasetError(f"{suffix} cannot hold these cases as they are", where=str(path), remedy=_OTHER)


def append(path: Path, cases: Sequence[Case], *, name: str = "") -> None:
    """Add cases at the end of a JSON Lines file, which is made when it is missing; its other lines stay as they are.

    Raises `DatasetError` for another format, for an id that is there, and for a file that is broken already: then
    nothing is written.
    """
    name = name or str(path)
    if path.suffix.lower() != ".jsonl":
        remedy = "`moat dataset export NAME --to NAME.jsonl` makes one of it."
        raise DatasetError("cases are added to .jsonl files only", where=name, remedy=remedy)
    with _draft(path, True) as draft:
        before = path.read_bytes() if path.exists() else b""
        gap = b"\n" if before and not before.endswith(b"\n") else b""
        draft.write_bytes(before + gap + b"".join(_line(case) for case in cases))
        load_dataset(draft, name=name)


def lines_of(cases: Sequence[Case]) -> str:
    """Cases as JSON Lines."""
    return b"".join(map(_line, cases)).decode()


def create_text(path: Path, text: str) -> None:
    """Write a new text file. Raises `ConflictError` for one that exists, `StorageError` when the disk refuses."""
    with _draft(path, False) as draft:
        draft.write_text(text, "utf-8")


@contextmanager
def _draft(path: Path, replace: bool) -> Iterator[Path]:
    """A file of this name in a folder of its own beside the target, which it becomes in the end."""
    there = ConflictError("exists already", where=str(path), remedy="Give it another name, or remove it first.")
    if not replace and (path.exists() or path.is_symlink()):
        raise there
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".moat-", dir=path.parent) as folder:
            draft = Path(folder) / path.name
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            if replace:
                draft.replace(path)
            else:
                os.link(draft, path)
    except FileExistsError:
        raise there from None
    except OSError as error:
        raise StorageError(f"cannot be written: {os.strerror(error.errno or errno.EIO)}", where=str(path)) from error


def _line(case: Case) -> bytes:
    return msgspec.json.encode(compact(case)) + b"\n"


def compact(case: Case) -> dict[str, Any]:
    """A case without the members that say nothing, in the order of `Case`."""
    said = msgspec.json.decode(canonical(case))
    return {member: said[member] for member in Case.__struct_fields__ if member in said}


def _write_lines(cases: Sequence[Case], path: Path) -> None:
    with path.open("wb") as file:
        file.writelines(map(_line, cases))


def _write_list(cases: Sequence[Case], path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"[\n")
        for number, case in enumerate(cases):
            file.write((b",\n" if number else b"") + _line(case).rstrip(b"\n"))
        file.write(b"\n]\n")


def _write_yaml(cases: Sequence[Case], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for case in cases:
            file.write(_item(compact(case)))


def _item(case: dict[str, Any]) -> str:
    """One member of a YAML list; on one line what does not bear to be indented."""
    try:
        text = yaml_text(case)
    except PromptError:
        return f"- {msgspec.json.encode(case).decode()}\n"
    return "- " + text.rstrip("\n").replace("\n", "\n  ").replace("\n  \n", "\n\n") + "\n"


def _write_csv(cases: Sequence[Case], path: Path) -> None:
    _write_table(cases, path, ",")


def _write_tsv(cases: Sequence[Case], path: Path) -> None:
    _write_table(cases, path, "\t")


def _write_table(cases: Sequence[Case], path: Path, delimiter: str) -> None:
    known = titles_of(cases, typed=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
        writer.writerow([_short(column, known) for column in known])
        for case in cases:
            writer.writerow([_cell(column, case) for column in known])


def _short(column: Column, known: Sequence[Column]) -> str:
    """A variable's column is named as the variable where nothing else is."""
    plain = column.title.removeprefix("variables.")
    name = plain.removesuffix(":json")
    taken = name in Case.__struct_fields__ or "." in name or not name.isidentifier()
    return column.title if taken or column.group != "variables" or not column.key else plain


def _cell(column: Column, case: Case) -> str:
    value = _value(column, case)
    if value is msgspec.UNSET:
        return ""
    if column.json:
        return msgspec.json.encode(value).decode()
    if column.group == "tags":
        return ";".join(value)
    if column.group == "golden":
        return "true"
    if column.group in ("expected", "labels"):
        return _typed(column, value)
    return str(value)


def _value(column: Column, case: Case) -> Any:
    """What a case has in a column; `UNSET` for nothing."""
    value = getattr(case, column.group)
    if column.key:
        return value.get(column.key, msgspec.UNSET)
    return msgspec.UNSET if is_absent(column.group, value) else value


def _typed(column: Column, value: Any) -> str:
    """A cell that reads back as the value: text as it is, unless it could be taken for JSON."""
    if isinstance(value, str) and value and not {"\0", "\r"} & set(value):
        try:
            if read_cell(column, value, "") == value:
                return value
        except DatasetError:
            pass
    return msgspec.json.encode(value).decode()


def _write_parquet(cases: Sequence[Case], path: Path) -> None:
    known = titles_of(cases, typed=False)
    rows = path.with_suffix(".rows")
    with rows.open("wb") as file:
        for case in cases:
            row = {column.title: _native(column, case) for column in known}
            file.write(msgspec.json.encode({k: v for k, v in row.items() if v is not msgspec.UNSET}) + b"\n")
    write_parquet(rows, known, path)


def _native(column: Column, case: Case) -> Any:
    value = _value(column, case)
    return msgspec.json.encode(value).decode() if column.json and value is not msgspec.UNSET else value


_OTHER = "JSON Lines holds everything."

WRITERS: dict[str, Writer] = {
    ".jsonl": _write_lines,
    ".json": _write_list,
    ".yaml": _write_yaml,
    ".yml": _write_yaml,
    ".csv": _write_csv,
    ".tsv": _write_tsv,
    ".parquet": _write_parquet,
}
