"""Comparisons that end as soon as they are decided.

Both runs ask their cases in one random order, in looks that grow. After each look every gate's margin is tested with a
test that may be looked at as often as one likes (`statistics.sequential`); once all decided, the rest is not asked.

The order comes from the digest of the data and the id of the candidate's run, so what is decided is a matter of the
two runs alone: it is the same at the next look, in the next process, and when all cases were asked after all. Nobody
knows the id before the candidate is written: an order that came from its content could be chosen. The test replaces
that of fixed size, which would be a second chance to be wrong.

Each independent unit counts once: a case, or the mean of a cluster's cases; a case with the mean of its repeats.
Clusters weigh as many cases as they have, as in the mean that a table shows. With several gates each has its part of
alpha (Bonferroni): Holm's correction needs all p-values at one time.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import takewhile
from random import Random

import msgspec

from moat.domain.scores import Case, Result, Run
from moat.evals.case_scores import CaseScore, Table
from moat.evals.datasets import Dataset
from moat.evals.slices import belongs
from moat.evals.statistics.sequential import Course, SequentialTest
from moat.evals.suites import Gate, Suite

ALPHA = 0.05
"""Chance that a candidate that is no worse anywhere is blocked, for all gates together."""
FIRST = 20
"""Units of the first look."""
GROWTH = 1.25
"""How much further each look goes: at most so much more than needed is asked."""

Unit = list[Case]


class Stopping(msgspec.Struct, frozen=True):
    """What ends a comparison early."""

    gates: tuple[Gate, ...]
    tests: int = 0
    """Among how many tests alpha is split, those of other suites included; at least among these gates."""

    @property
    def share(self) -> float:
        """The part of alpha that one gate has."""
        return 1 / max(self.tests, len(self.gates), 1)


def stopping(suite: Suite, tests: int = 0) -> Stopping | None:
    """What ends comparisons of a suite; None when all its cases are asked."""
    return Stopping(suite.gates, tests) if suite.stop == "early" else None


class EarlyGate(msgspec.Struct, frozen=True, kw_only=True):
    """What the test of one gate's margin says."""

    score: str
    where: str
    course: Course
    units: int
    """Seen until it decided; all there are when it did not."""
    weight: float
    """As many of the largest unit's size are as large as these together."""
    mean: float
    """Candidate minus baseline until then."""
    low: float
    high: float
    """95 % confidence sequence: it holds at all looks together."""


class Early(msgspec.Struct, frozen=True, kw_only=True):
    """How far a comparison went that ends when it is decided."""

    gates: tuple[EarlyGate, ...]
    share: float
    asked: int
    """Cases that both runs have answered."""
    cases: int
    """Of the data."""
    units: int
    """Independent ones of the data."""

    @property
    def tests(self) -> int:
        """Among so many alpha is split."""
        return round(1 / self.share)

    @property
    def decided(self) -> bool:
        """Has every gate decided?"""
        return all(gate.course != "go on" for gate in self.gates)

    def gate(self, score: str, where: str) -> EarlyGate:
        """What one gate's test says."""
        return next(gate for gate in self.gates if (gate.score, gate.where) == (score, where))


def random_units(dataset: Dataset, run: str) -> list[Unit]:
    """The cases by cluster, in the order in which the candidate's run with this id asks them."""
    units: dict[tuple[str, str], Unit] = {}
    for case in sorted(dataset.cases, key=lambda case: case.id):
        units.setdefault(case.unit, []).append(case)
    order = [units[key] for key in sorted(units)]
    Random(f"{dataset.digest} {run}").shuffle(order)
    return order


def looks(units: Sequence[Unit]) -> Iterator[frozenset[str]]:
    """The ids of the cases to be asked by each look, the last being of all. Golden cases are asked at once."""
    golden = {case.id for unit in units for case in unit if case.golden}
    count = FIRST
    while count < len(units):
        yield frozenset(golden | {case.id for unit in units[:count] for case in unit})
        count = math.ceil(count * GROWTH)
    yield frozenset(case.id for unit in units for case in unit)


def whole_cases(results: Iterable[Result], run: Run) -> set[str]:
    """The cases of which every repeat was asked."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.case] = counts.get(result.case, 0) + 1
    return {case for case, count in counts.items() if count >= run.repeats}


def follow(stopping: Stopping, units: Sequence[Unit], old: Table, new: Table, asked: Collection[str]) -> Early:
    """Test every gate on the units that were asked of both runs, as far as there is no gap in their order."""
    there = sum(1 for _ in takewhile(lambda unit: all(case.id in asked for case in unit), units))
    return Early(
        gates=tuple(_follow(gate, stopping.share, units, there, (old, new)) for gate in stopping.gates),
        share=stopping.share,
        asked=len(asked),
        cases=sum(map(len, units)),
        units=len(units),
    )


def _follow(gate: Gate, share: float, units: Sequence[Unit], there: int, tables: tuple[Table, Table]) -> EarlyGate:
    """The units in their order, as far as they are there. A pass must hold if all that is missing had gone worst, a
    regression if all had gone best.
    """
    assert gate.margin is not None
    old, new = (table.get(gate.score, {}) for table in tables)
    parts = [[case for case in unit if not gate.where or belongs(case, gate.where)] for unit in units]
    largest = max(map(len, parts), default=0)  # of all: what is asked later must not change a weight
    test = SequentialTest(gate.margin, alpha=ALPHA * share)
    for part in parts[:there]:
        pairs = [(old[case.id], new[case.id]) for case in part if case.id in old and case.id in new]
        if not pairs:
            continue
        worst, best = _differences(pairs)
        if test.feed([worst], [best], [len(pairs) / largest]) != "go on":
            break
    interval = test.interval()
    return EarlyGate(
        score=gate.score,
        where=gate.where,
        course=test.course,
        units=test.units,
        weight=test.weight,
        mean=test.mean,
        low=interval.low,
        high=interval.high,
    )


def _differences(pairs: Sequence[tuple[CaseScore, CaseScore]]) -> tuple[float, float]:
    """A unit's mean difference at worst and at best."""
    low = math.fsum(new.low - old.high for old, new in pairs) / len(pairs)
    high = math.fsum(new.high - old.low for old, new in pairs) / len(pairs)
    return max(-1.0, low), min(1.0, high)
