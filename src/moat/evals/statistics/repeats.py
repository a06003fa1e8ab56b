"""What repeats of one case tell: how steady the answers are, and what more of them would be worth."""

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple, Union

import msgspec

from moat.evals.statistics.clusters import Clusters
from moat.evals.statistics.intervals import Estimate
from moat.evals.statistics.proportions import score_interval, share_interval

if TYPE_CHECKING:
    import numpy as np

PASS = 0.5
"""A score of at least this is a pass."""

Repeated = Union[Sequence[Sequence[float]], "np.ndarray"]
"""The values of each case; as an array of one row a case, padded with NaN."""


def flaky(values: Sequence[float]) -> bool:
    """Did repeats of one case disagree about passing?"""
    return len({value >= PASS for value in values}) > 1


def flake_rate(cases: Repeated) -> float | None:
    """Share of the cases with two repeats or more that are flaky; None when there are none."""
    import numpy as np

    values = _rows(cases)
    repeated = values[(~np.isnan(values)).sum(axis=1) > 1]
    disagree = (repeated >= PASS).any(axis=1) & (repeated < PASS).any(axis=1)
    return float(disagree.mean()) if len(repeated) else None


class Flip(NamedTuple):
    """A case whose repeats disagree about passing."""

    case: str
    passed: int
    repeats: int


def flips(cases: Mapping[str, Sequence[float]]) -> list[Flip]:
    """Which cases flip, those closest to a coin first, then by name."""
    found = [
        Flip(case, sum(value >= PASS for value in values), len(values))
        for case, values in cases.items()
        if flaky(values)
    ]
    return sorted(found, key=lambda flip: (abs(flip.passed / flip.repeats - 0.5), flip.case))


class Share(msgspec.Struct, frozen=True):
    """A share with its 95 % interval."""

    mean: float
    low: float
    high: float


class Steadiness(msgspec.Struct, frozen=True, kw_only=True):
    """What repeats say beside the mean. An answer passes with a score of at least `PASS`."""

    repeats: int
    """The k of pass^k: answers to each case."""
    cases: int
    """That have so many."""
    pass_1: Share
    """The chance that one answer passes (pass@1)."""
    pass_k: Share
    """The chance that all of k answers to a case pass (pass^k)."""
    flaky: Share
    """Of the cases, those whose k answers disagree about passing."""


def steadiness(cases: Repeated, clusters: Clusters = None, repeats: int = 0) -> Steadiness | None:
    """By the first `repeats` answers to each case, 0 being the most that there are; None without repeats.

    Cases with fewer are left out. Intervals are over cases, or clusters (`score_interval`).
    """
    import numpy as np

    values = _rows(cases)
    k = repeats or values.shape[1]
    whole = ~np.isnan(values[:, :k]).any(axis=1)
    if k < 2 or not whole.any():
        return None
    passed = (values[whole, :k] >= PASS).sum(axis=1)
    kept = None if clusters is None else np.asarray(clusters)[whole]

    def share(found: "np.ndarray") -> Share:
        return Share(*score_interval(found, kept)[:3])

    return Steadiness(
        repeats=k,
        cases=len(passed),
        pass_1=share(passed / k),
        pass_k=share(passed == k),
        flaky=share((passed > 0) & (passed < k)),
    )


def pass_at_k(cases: Sequence[Sequence[float]], k: int, clusters: Sequence[Hashable] | None = None) -> Estimate | None:
    """The chance that at least one of k answers to a case passes (pass@k: Chen et al. 2021, arXiv 2107.03374, 2.1).

    Unbiased from n >= k repeats; cases with fewer are left out, None when no case is left. The interval is over
    cases, or clusters (`share_interval`). Raises `ValueError` for k < 1.
    """
    return _over_cases(cases, k, clusters, lambda passed, n: 1 - math.comb(n - passed, k) / math.comb(n, k))


def pass_hat_k(cases: Sequence[Sequence[float]], k: int, clusters: Sequence[Hashable] | None = None) -> Estimate | None:
    """The chance that all of k answers to a case pass (pass^k: Yao et al. 2024, tau-bench, arXiv 2406.12045, 3).

    What a user meets who comes back k times. Else as `pass_at_k`.
    """
    return _over_cases(cases, k, clusters, lambda passed, n: math.comb(passed, k) / math.comb(n, k))


class Components(NamedTuple):
    """Where the variance of single answers' scores comes from."""

    between: float
    """Variance of the cases' true scores: only more cases help."""
    within: float
    """Mean variance of the answers to one case: repeats help."""

    @property
    def icc(self) -> float:
        """Share of the variance between cases: 1 means repeats are worth nothing."""
        total = self.between + self.within
        return self.between / total if total else 1.0

    def error(self, cases: int, repeats: int) -> float:
        """Standard error of the mean with so many cases and repeats of each."""
        return math.sqrt((self.between + self.within / repeats) / cases)


def components(cases: Repeated) -> Components | None:
    """Variance between and within cases by one-way analysis of variance, unequal repeats allowed (Searle, Casella &
    McCulloch 1992, Variance Components, 3.6).

    Give differences of paired runs to learn of a comparison's variance. None unless there are two cases, and a case
    with two repeats: without one, what is within cannot be told from what is between.
    """
    import numpy as np

    values = _rows(cases)
    counts = (~np.isnan(values)).sum(axis=1)
    values, counts = values[counts > 0], counts[counts > 0]
    total, kept = int(counts.sum()), len(counts)
    if kept < 2 or total == kept:
        return None
    anchors = np.nanmin(values, axis=1)  # values that are all alike have a variance of 0, not of rounding
    moves = values - anchors[:, None]
    means = np.nansum(moves, axis=1) / counts
    within = float(np.nansum((moves - means[:, None]) ** 2)) / (total - kept)
    means += anchors
    overall = float(counts @ means) / total
    among = float(counts @ (means - overall) ** 2) / (kept - 1)
    size = (total - float(counts @ counts) / total) / (kept - 1)
    return Components(max(0.0, (among - within) / size), within)


def best_repeats(found: Components, case_cost: float, answer_cost: float) -> int:
    """Repeats of each case that buy the smallest error for a given sum (Cochran 1977, Sampling Techniques, 10.6).

    `case_cost` is what one case costs once, whatever the repeats (to write and label it); `answer_cost` what each
    answer costs. With free cases one repeat is best, however much answers vary. Raises `ValueError` for an answer
    without cost.
    """
    if answer_cost <= 0 or case_cost < 0:
        raise ValueError("an answer must cost something")
    if found.within == 0 or case_cost == 0:
        return 1
    if found.between == 0:
        return 100
    ideal = math.sqrt(found.within / found.between * case_cost / answer_cost)
    low = max(1, math.floor(ideal))
    price = {k: (found.between + found.within / k) * (case_cost + k * answer_cost) for k in (low, low + 1)}
    return min(100, min(price, key=price.__getitem__))


def _over_cases(
    cases: Sequence[Sequence[float]], k: int, clusters: Sequence[Hashable] | None, chance: Callable[[int, int], float]
) -> Estimate | None:
    if k < 1:
        raise ValueError("k starts at 1")
    if clusters is not None and len(clusters) != len(cases):
        raise ValueError("as many clusters as cases are needed")
    kept = [index for index, values in enumerate(cases) if len(values) >= k]
    if not kept:
        return None
    values = [chance(sum(value >= PASS for value in cases[index]), len(cases[index])) for index in kept]
    return share_interval(values, [clusters[index] for index in kept] if clusters is not None else None)


def _rows(cases: Repeated) -> "np.ndarray":
    import numpy as np

    if isinstance(cases, np.ndarray):
        return cases
    if not cases:
        return np.empty((0, 0))
    return np.array(list(zip_longest(*cases, fillvalue=math.nan)), dtype=float).reshape(-1, len(cases)).T
