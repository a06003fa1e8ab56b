"""Shares with their intervals, and times."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from moat.evals.statistics.intervals import wilson
from moat.guards.detector import Context, Detector, Hit
from moat.guards.detectors.injection import DIRECT, INDIRECT, harmless
from moat.guards.learned import Model
from moat.guards.text import Text


class Row(NamedTuple):
    """One line of a table."""

    what: str
    """Which texts."""
    measure: str
    """`recall`, `false positives`, `accuracy`, `AUROC`, ..."""
    value: float
    low: float | None = None
    high: float | None = None
    texts: int = 0
    unit: str = ""


def share(what: str, measure: str, found: int, of: int) -> Row:
    """A share with its 95 % interval."""
    interval = wilson(found, of)
    return Row(what, measure, found / of, interval.low, interval.high, of)


def show(rows: Iterable[Row]) -> str:
    """A table in Markdown."""
    lines = ["| texts | measure | value | 95 % | n |", "|---|---|---|---|---|"]
    for row in rows:
        value = f"{row.value:.0f} {row.unit}" if row.unit else f"{row.value:.3f}"
        interval = "" if row.low is None or row.high is None else f"{row.low:.3f} to {row.high:.3f}"
        lines.append(f"| {row.what} | {row.measure} | {value} | {interval} | {row.texts or ''} |")
    return "\n".join(lines)


def auroc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Chance that a positive has the higher score, ties counting half (Mann and Whitney 1947)."""
    ordered = sorted(zip(scores, positive, strict=True))
    below = won = 0.0
    for _, tied in groupby(ordered, key=lambda one: one[0]):
        labels = [label for _, label in tied]
        negatives = labels.count(False)
        won += labels.count(True) * (below + negatives / 2)
        below += negatives
    positives = sum(positive)
    return won / (positives * (len(positive) - positives))


def hits(detector: Detector, text: str, context: Context) -> list[Hit]:
    """What a detector finds."""
    return list(detector.detect(Text(text), context))


def forget() -> None:
    """The sentences in which nothing was found: the next text is new again."""
    for name in (DIRECT, INDIRECT):
        harmless(Model.load(name)).forget()


def microseconds(work: Callable[[], object], *, seconds: float = 0.5) -> float:
    """Median processor time of one run, as if what it looks at were new."""
    times: list[int] = []
    until = time.perf_counter() + seconds
    while not times or time.perf_counter() < until:
        forget()
        began = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - began)
    return sorted(times)[len(times) // 2] / 1e3


def timed(detector: Detector, text: str, context: Context) -> Iterator[Row]:
    """How long 2 KB and 200 KB of a text take, folding included."""
    for name, size in (("2 KB", 2_048), ("200 KB", 200_000)):
        sample = (text * (size // len(text) + 1))[:size]
        took = microseconds(lambda sample=sample: hits(detector, sample, context))  # type: ignore[misc]
        yield Row(f"{name} of English", "time", took, unit="us")
