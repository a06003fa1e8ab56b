"""A dataset: its cases from a file, and a digest over what they say."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from moat.documents import Document, parse_yaml
from moat.domain.errors import AccessError, DatasetError, DocumentError
from moat.domain.scores import Case
from moat.evals.datasets.card import Card, read_card
from moat.evals.datasets.json_text import read_lines, read_list
from moat.evals.datasets.parquet import read_parquet
from moat.evals.datasets.rows import Placed, Row, placed
from moat.evals.datasets.tables import read_table
from moat.evals.datasets.text import whole
from moat.prompts.files import uncollected

FORMATS = (".jsonl", ".json", ".yaml", ".yml", ".csv", ".tsv", ".parquet")
HELD_OUT = "held-out"
"""The split that only releases open."""
MAX_YAML = 8 * 2**20


class Dataset(msgspec.Struct, frozen=True):
    """Cases in the order of their file."""

    cases: tuple[Case, ...]
    digest: str
    """Over the content of all cases: formatting, file format and order do not matter."""


class _Canonical(Case, frozen=True, omit_defaults=True):
    """A case as its digest sees it: a member at its default is the same as none."""


def load_dataset(path: Path, *, name: str = "") -> Dataset:
    """Read and check a dataset of one of the `FORMATS`; its card says the splits of cases that name none.

    `name` stands for the path in messages. Raises `DatasetError` with file and line for a case that does not fit, an
    id that stands twice, or a file without cases.
    """
    with uncollected():
        cases = tuple(iter_cases(path, name=name))
    return Dataset(cases, dataset_digest(cases))


def iter_cases(path: Path, *, name: str = "") -> Iterator[Case]:
    """The cases of a file one by one, in bounded memory but for their ids. Raises like `load_dataset`, when it comes
    to the flaw.
    """
    for entry in read_cases(path, name=name):
        if entry.error is not None:
            raise entry.error
        if entry.case is not None:
            yield entry.case


def read_cases(path: Path, *, name: str = "") -> Iterator[Placed]:
    """The cases of a file with their places, and in the place of a case that does not fit the reason.

    Raises `DatasetError` for what leaves nothing to go on with.
    """
    name = name or str(path)
    card = read_card(path, name=name)
    seen: dict[str, int] = {}
    empty = True
    for row in _rows(path, name):
        empty, entry = False, placed(row)
        case = entry.case
        if case is not None and case.id in seen:
            remedy = "Ids pair the answers of two runs: each must be unique."
            what = f"the id {case.id!r} stands twice (first at {name}:{seen[case.id]})"
            entry = Placed(entry.place, None, DatasetError(what, where=entry.place, remedy=remedy))
        elif case is not None:
            seen[case.id] = row.line(())
            entry = _in_split(entry, case, card)
        yield entry
    if empty:
        raise DatasetError("no cases", where=name, remedy="A dataset needs at least one.")


def dataset_digest(cases: Iterable[Case]) -> str:
    """SHA-256 over the canonical JSON of the cases, sorted by id; absent and default values are the same."""
    found = hashlib.sha256()
    for number, case in enumerate(sorted(cases, key=lambda case: case.id)):
        found.update(b"," if number else b"[")
        found.update(canonical(case))
    found.update(b"]")
    return f"sha256:{found.hexdigest()}"


def canonical(case: Case) -> bytes:
    """A case as JSON, the same for the same content."""
    return msgspec.json.encode(_Canonical(**msgspec.structs.asdict(case)), order="sorted")


def select(dataset: Dataset, split: str = "", *, open_held_out: bool = False) -> Dataset:
    """The cases of one split; without one all but those held out.

    Held-out cases are there to be surprised by: only a release opens them, by their name. Each opening is a stored
    run with `split: held-out`, its author and its time. Raises `AccessError` without `open_held_out`,
    `DatasetError` for a split that there is not, or when nothing is left.
    """
    if split == HELD_OUT and not open_held_out:
        raise AccessError(
            f"the split {HELD_OUT!r} is opened for releases only",
            remedy="Whoever sees its results begins to fit them. `--release` opens it, and the run says that you did.",
        )
    chosen = tuple(case for case in dataset.cases if (case.split == split if split else case.split != HELD_OUT))
    if not chosen:
        there = ", ".join(sorted({case.split for case in dataset.cases} - {""})) or "none"
        what = f"no case is in the split {split!r}" if split else f"all cases are in the split {HELD_OUT!r}"
        raise DatasetError(what, remedy=f"Splits: {there}.")
    if len(chosen) == len(dataset.cases):
        return dataset
    return Dataset(chosen, dataset_digest(chosen))


def _in_split(entry: Placed, case: Case, card: Card) -> Placed:
    split = card.split_of(case)
    return entry if split == case.split else Placed(entry.place, msgspec.structs.replace(case, split=split))


def _rows(path: Path, name: str) -> Iterator[Row]:
    match path.suffix.lower():
        case ".jsonl":
            return (Row(name, value, line) for line, value in read_lines(path, name))
        case ".json":
            return (Row(name, value, line) for line, value in read_list(path, name))
        case ".yaml" | ".yml":
            return _yaml_rows(path, name)
        case ".csv":
            return read_table(path, name, ",")
        case ".tsv":
            return read_table(path, name, "\t")
        case ".parquet":
            return read_parquet(path, name)
        case suffix:
            raise DatasetError(
                f"datasets are not read from {suffix or 'files without an extension'}",
                where=name,
                remedy=f"Use one of: {', '.join(FORMATS)}." + (" Unpack it first." if suffix == ".gz" else ""),
            )


def _yaml_rows(path: Path, name: str) -> Iterator[Row]:
    try:
        document = parse_yaml(whole(path, name, MAX_YAML), name=name)
    except DocumentError as error:
        raise DatasetError(error.what, where=error.where, remedy=error.remedy) from error
    if not isinstance(document.data, list):
        raise DatasetError("not a list of cases", where=f"{name}:1", remedy="Write each case as `- id: ...`.")
    for index, data in enumerate(document.data):
        yield Row(name, data, partial(_yaml_line, document, index))


def _yaml_line(document: Document, index: int, at: tuple[str | int, ...]) -> int:
    return document.line((index, *at))
