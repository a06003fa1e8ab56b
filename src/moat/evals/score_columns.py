"""Scores of many cases as arrays, a row a case: what statistics over thousands of them go through."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from moat.domain.scores import Case
from moat.evals.case_scores import CaseScore

if TYPE_CHECKING:
    import numpy as np

NOTHING = CaseScore(float("nan"), None, float("nan"), ())
"""Of a case that says nothing for a score."""


class Column(NamedTuple):
    """One score of one run: the fields of `CaseScore`, NaN where there is none."""

    low: "np.ndarray"
    seen: "np.ndarray"
    high: "np.ndarray"
    values: "np.ndarray"
    """Shape (cases, most repeats): the values of a case stand in front."""

    @property
    def concerned(self) -> "np.ndarray":
        """Which cases say anything for this score."""
        import numpy as np

        found: np.ndarray = np.isfinite(self.low)
        return found

    @property
    def complete(self) -> "np.ndarray":
        """Which cases lack nothing."""
        import numpy as np

        found: np.ndarray = np.equal(self.low, self.high)
        return found

    def of(self, rows: "np.ndarray") -> "Column":
        """The same for some of the cases, by a mask or by their positions."""
        return Column(*(part[rows] for part in self))


class Units(NamedTuple):
    """Which cases belong together."""

    groups: "np.ndarray"
    """The number of each case's cluster; a case without one has a number of its own."""
    named: "np.ndarray"
    """Which cases have a cluster."""

    def clusters(self, rows: "np.ndarray") -> "np.ndarray | None":
        """The clusters of some cases, by a mask; None when none of them has one."""
        return self.groups[rows] if self.named[rows].any() else None

    def of(self, rows: "np.ndarray") -> "Units":
        """The same for some of the cases, by a mask."""
        return Units(self.groups[rows], self.named[rows])


def column(scores: Mapping[str, CaseScore], cases: Sequence[Case]) -> Column:
    """One score, in the order of the cases."""
    import numpy as np

    kinds: dict[CaseScore, int] = {}  # most cases score alike
    codes = np.array([kinds.setdefault(scores.get(case.id, NOTHING), len(kinds)) for case in cases], dtype=np.intp)
    sums = np.array([kind[:3] for kind in kinds], dtype=float).reshape(-1, 3)
    most = max((len(kind.values) for kind in kinds), default=0)
    values = np.full((len(kinds), most), np.nan)
    for row, kind in zip(values, kinds, strict=True):
        row[: len(kind.values)] = kind.values
    low, seen, high = sums.T
    return Column(low, seen, high, values).of(codes)


def units(cases: Sequence[Case]) -> Units:
    """The clusters of some cases."""
    import numpy as np

    numbers: dict[tuple[str, str], int] = {}
    groups = np.array([numbers.setdefault(case.unit, len(numbers)) for case in cases], dtype=np.intp)
    return Units(groups, np.array([bool(case.cluster) for case in cases], dtype=bool))
