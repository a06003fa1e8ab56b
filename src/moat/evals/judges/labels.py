"""Labels that people gave to answers: `evals/labels/<suite>.jsonl`, one a line, in git like the dataset.

A label belongs to the very text that was judged, so it stays true when another run gives the same answer.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import msgspec

from moat.domain.errors import DocumentError

MAX_NAME = 200

WORDS = {"pass": 1.0, "yes": 1.0, "true": 1.0, "good": 1.0, "fail": 0.0, "no": 0.0, "false": 0.0, "bad": 0.0}
"""Labels in words, beside numbers from 0 to 1 and the scale of the judge."""

Scale = Mapping[str, float]
"""Further labels, in lower case, with what each is worth."""


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one person said about one answer."""

    score: str
    """Name of the scorer whose question was answered."""
    case: str
    answer: str
    value: float
    """0 (bad) to 1 (good)."""
    rater: str
    comment: str = ""
    run: str = ""
    """Where the answer came from; empty for one from elsewhere."""
    repeat: int = 0
    weight: float = 1.0
    """How many answers of its run this one stands for: above 1 where the sample took few of its kind."""
    context: list[str] = []
    """The documents that the target said it answered from."""
    messages: list[dict[str, Any]] = []
    """The whole conversation, where there was one."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Of labels with the same one the newer counts."""
        return (self.score, self.case, self.answer, self.rater)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a file that somebody labelled. Members that are only there to be read are passed over."""

    value: Any = None
    rater: str = ""
    comment: str = ""
    item: str = ""
    """Stands for score, run, case and repeat."""
    score: str = ""
    case: str = ""
    answer: str | None = None
    """Empty is an answer too."""
    repeat: int = 0
    weight: float = 1.0


class Placed(msgspec.Struct, frozen=True):
    """A row and where it stands."""

    place: str
    row: Row


def read_labels(content: bytes, where: str) -> list[Label]:
    """A file of labels. Raises `DocumentError` with the line that is none."""
    labels = []
    for number, line in _lines(content, where):
        try:
            label = msgspec.json.decode(line, type=Label)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise DocumentError(f"no label: {error}", where=f"{where}:{number}") from None
        if not (0 <= label.value <= 1 and label.weight > 0 and label.rater):
            raise DocumentError(
                "a label has a `rater`, a `value` from 0 to 1 and a `weight` above 0", where=f"{where}:{number}"
            )
        labels.append(label)
    return labels


def labels_text(labels: Iterable[Label]) -> bytes:
    """The file, sorted so that git shows what was added."""
    ordered = sorted(labels, key=lambda label: (label.score, label.case, label.run, label.repeat, label.rater))
    return b"".join(msgspec.json.encode(label) + b"\n" for label in ordered)


def merged(old: Iterable[Label], new: Iterable[Label]) -> list[Label]:
    """Both; where a person labelled an answer again, what he said last."""
    return list({label.key: label for label in (*old, *new)}.values())


def read_rows(content: bytes, where: str) -> list[Placed]:
    """A labelled file: CSV when its name says so, else JSON Lines. Rows without a value are left out: nobody labelled
    them. Raises `DocumentError` with the line.
    """
    rows = _csv_rows(content, where) if where.lower().endswith(".csv") else _json_rows(content, where)
    return [placed for placed in rows if placed.row.value is not None and placed.row.value != ""]


def _json_rows(content: bytes, where: str) -> Iterator[Placed]:
    for number, line in _lines(content, where):
        try:
            yield Placed(f"{where}:{number}", msgspec.json.decode(line, type=Row))
        except (msgspec.MsgspecError, RecursionError) as error:
            raise DocumentError(f"not a labelled answer: {error}", where=f"{where}:{number}") from None


def _csv_rows(content: bytes, where: str) -> Iterator[Placed]:
    reader = csv.DictReader(io.StringIO(_decoded(content, where), newline=""), strict=True)
    try:
        if "value" not in (reader.fieldnames or ()):
            raise DocumentError("no column `value`", where=f"{where}:1", remedy="`moat judge export` writes one.")
        for cells in reader:
            place = f"{where}:{reader.line_num}"
            if None in cells or None in cells.values():
                raise DocumentError("more or fewer cells than the table has columns", where=place)
            known = ((name, cell) for name, cell in cells.items() if name in Row.__struct_fields__)
            given = {name: cell for name, cell in known if cell or name == "answer"}
            yield Placed(place, msgspec.convert(given, Row, strict=False))
    except csv.Error as error:
        raise DocumentError(f"not valid CSV: {error}", where=f"{where}:{reader.line_num}") from None
    except msgspec.ValidationError as error:
        raise DocumentError(f"not a labelled answer: {error}", where=f"{where}:{reader.line_num}") from None


def _lines(content: bytes, where: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(_decoded(content, where).split("\n"), 1):
        if line.strip():
            yield number, line


def _decoded(content: bytes, where: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DocumentError("not UTF-8 text", where=f"{where}:{line}", remedy="Save it as UTF-8.") from None


def value_of(said: Any, scale: Scale, where: str) -> float:
    """What a label is worth, 0 to 1. Raises `DocumentError` with the labels there are."""
    word = msgspec.json.encode(said).decode() if not isinstance(said, str) else said.strip().lower()
    if word in scale:
        return scale[word]
    if word in WORDS:
        return WORDS[word]
    try:
        number = float(word)
    except ValueError:
        number = -1.0
    if not scale and 0 <= number <= 1:
        return number
    known = ", ".join(scale) if scale else "a number from 0 to 1, pass or fail"
    raise DocumentError(f"{said!r} is no label", where=where, remedy=f"Use {known}.")


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One answer with what all people said of it."""

    case: str
    answer: str
    repeat: int
    values: tuple[float, ...]
    """One for each person."""
    weight: float = 1.0
    context: list[str] = []
    messages: list[dict[str, Any]] = []

    @property
    def value(self) -> float:
        """Their mean."""
        return fmean(self.values)


def items(labels: Sequence[Label], score: str) -> list[Item]:
    """The labelled answers for one scorer, in the order of their first label."""
    grouped: dict[tuple[str, str], list[Label]] = defaultdict(list)
    for label in labels:
        if label.score == score:
            grouped[label.case, label.answer].append(label)
    return [
        Item(
            case=case,
            answer=answer,
            repeat=group[0].repeat,
            values=tuple(label.value for label in group),
            weight=group[0].weight,
            context=group[0].context,
            messages=group[0].messages,
        )
        for (case, answer), group in grouped.items()
    ]
