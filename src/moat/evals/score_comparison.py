"""One score of two runs: how large it is, and how it differs."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from moat.domain.scores import Case
from moat.evals.case_changes import CaseChange, GoldenLoss
from moat.evals.case_scores import Table
from moat.evals.score_columns import Column, Units, column, units
from moat.evals.statistics.intervals import Rise, difference_interval, mean_interval, rise
from moat.evals.statistics.power import detectable
from moat.evals.statistics.proportions import independent_passes, score_interval
from moat.evals.statistics.repeats import Steadiness, components, flake_rate, steadiness
from moat.evals.statistics.significance import paired_test

if TYPE_CHECKING:
    import numpy as np


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one run, over cases."""

    n: int
    """Cases with a value."""
    missing: int
    """Cases without one because an answer or its scoring failed, in whole or in part."""
    not_applicable: int
    """Cases that say nothing for this score."""
    mean: float | None = None
    low: float = 0.0
    high: float = 1.0
    """95 % interval of the mean: `statistics.proportions.score_interval`."""
    method: Literal["", "wilson", "effective-wilson"] = ""
    """Of the interval: Wilson's for independent passes and fails, else Wilson's for the effective number of cases."""
    error: float = math.inf
    """Standard error."""
    clusters: int = 0
    worth: float = 0.0
    degrees: float = 0.0
    """`statistics.clusters.Balance` of those."""
    above: Rise | None = None
    """How far scores lie above their mean."""
    least: float = 0.0
    most: float = 1.0
    """The mean if everything missing had been 0, or 1."""
    passes: int | None = None
    """How many cases passed, when each is one independent 0 or 1."""
    flake_rate: float | None = None
    """Share of repeated cases whose repeats disagree."""
    steady: Steadiness | None = None
    """pass@1, pass^k and the flaky cases with their intervals; None without repeats."""
    repeats: int = 1
    """Most answers to one case; where repeats adapt, those that every case has alike."""
    noise: float | None = None
    """Share of the variance of cases' scores that comes from answers to one case, which more repeats would reduce; None
    without repeats, and where they adapt: a mix of two phases varies otherwise."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Candidate minus baseline of one score over paired cases; negative is a loss."""

    n: int
    mean: float
    low: float
    high: float
    """95 % interval (`statistics.intervals.difference_interval`)."""
    error: float
    """What the interval's length amounts to."""
    spread: float
    """Standard error by the differences alone, without what is too rare to show up in them."""
    clusters: int
    worth: float
    """As many equally large clusters say as much (`statistics.clusters.Balance`)."""
    p: float
    """Two-sided."""
    p_worse: float
    """One-sided, for the candidate being worse."""
    method: str
    repeats: int = 1
    noise: float | None = None
    """As in `Summary`, of the differences."""


class ScoreComparison(msgspec.Struct, frozen=True, kw_only=True):
    """One score of both runs."""

    name: str
    candidate: Summary
    baseline: Summary | None = None
    difference: Difference | None = None
    """None without a baseline or without pairs."""
    worst: Difference | None = None
    best: Difference | None = None
    """The difference if all missing values were the candidate's worst, or best; equal to it when none is."""
    incomplete: int = 0
    """Pairs with something missing on a side or on both."""
    detectable: float | None = None
    """The true difference this many cases would find with 80 % power; None where nothing says how they vary."""
    worse: int = 0
    better: int = 0
    """How many cases changed."""
    regressed: tuple[CaseChange, ...] = ()
    """At most `case_changes.MAX_CHANGES`, largest loss first. None of a slice: the whole shows them."""
    improved: tuple[CaseChange, ...] = ()
    golden: tuple[GoldenLoss, ...] = ()


class PairedScore(NamedTuple):
    """One score of both runs, over the same cases."""

    name: str
    new: Column
    old: Column | None
    """None without a baseline."""
    units: Units
    adaptive: bool = False
    """Do repeats adapt?"""

    def of(self, rows: "Sequence[bool] | np.ndarray") -> "PairedScore":
        """The same over some of the cases, by a mask."""
        import numpy as np

        mask = np.asarray(rows, dtype=bool)
        old = self.old.of(mask) if self.old is not None else None
        return PairedScore(self.name, self.new.of(mask), old, self.units.of(mask), self.adaptive)


def paired_scores(old: Table | None, new: Table, cases: Sequence[Case], *, adaptive: bool = False) -> list[PairedScore]:
    """The candidate's scores, with the baseline's."""
    groups = units(cases)
    before = {} if old is None else {name: column(old.get(name, {}), cases) for name in new}
    return [PairedScore(name, column(mine, cases), before.get(name), groups, adaptive) for name, mine in new.items()]


def compare_score(score: PairedScore) -> ScoreComparison:
    """Both sides, and what lies between them."""
    candidate = _summary(score.new, score)
    if score.old is None:
        return ScoreComparison(name=score.name, candidate=candidate)
    pairs = score.of(score.new.concerned & score.old.concerned)
    new, old = pairs.new, pairs.old
    assert old is not None
    incomplete = int((~(new.complete & old.complete)).sum())
    moves, noise = new.seen - old.seen, _noise(_repeated(new, old), pairs)
    seen = _difference(moves, pairs.units, noise)
    return ScoreComparison(
        name=score.name,
        candidate=candidate,
        baseline=_summary(score.old, score),
        difference=seen,
        worst=_difference(new.low - old.high, pairs.units, noise) if incomplete else seen,
        best=_difference(new.high - old.low, pairs.units, noise) if incomplete else seen,
        incomplete=incomplete,
        detectable=detectable(seen.error * math.sqrt(seen.n), seen.n) if seen and math.isfinite(seen.error) else None,
        worse=int((moves < 0).sum()),
        better=int((moves > 0).sum()),
    )


def _summary(scores: Column, score: PairedScore) -> Summary:
    """Of one side of a score."""
    import numpy as np

    concerned, has_value = scores.concerned, ~np.isnan(scores.seen)
    found, seen = scores.of(concerned), scores.of(has_value)
    counts: dict[str, Any] = {
        "n": len(seen.seen),
        "missing": int((~found.complete).sum()),
        "not_applicable": len(concerned) - len(found.seen),
    }
    if not counts["n"]:
        return Summary(**counts)
    clusters = score.units.clusters(has_value)
    estimate = score_interval(seen.seen, clusters)
    noise = _noise(found.values, score)
    single = clusters is None and noise.repeats == 1 and seen.complete.all() and np.isin(seen.seen, (0.0, 1.0)).all()
    passes = int(seen.seen.sum()) if single else None
    return Summary(
        **counts,
        mean=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        method="wilson" if independent_passes(seen.seen, clusters) else "effective-wilson",
        error=estimate.error,
        clusters=estimate.clusters,
        worth=estimate.worth,
        degrees=estimate.degrees,
        above=rise(seen.seen, clusters),
        least=float(found.low.mean()),
        most=float(found.high.mean()),
        passes=passes,
        flake_rate=flake_rate(found.values),
        steady=steadiness(seen.values, clusters),
        repeats=noise.repeats,
        noise=noise.share,
    )


def _difference(values: "np.ndarray", grouped: Units, noise: "_Noise") -> Difference | None:
    import numpy as np

    known = ~np.isnan(values)
    if not known.any():
        return None
    clusters = grouped.clusters(known)
    estimate = difference_interval(values[known], clusters)
    method, p = paired_test(values[known], clusters)
    return Difference(
        n=int(known.sum()),
        mean=estimate.mean,
        low=max(-1.0, estimate.low),
        high=min(1.0, estimate.high),
        error=estimate.error,
        spread=mean_interval(values[known], clusters).error,
        clusters=estimate.clusters,
        worth=estimate.worth,
        p=p.two_sided,
        p_worse=p.worse,
        method=method,
        repeats=noise.repeats,
        noise=noise.share,
    )


class _Noise(NamedTuple):
    """What repeats say of some cases."""

    repeats: int
    """Most of one case."""
    share: float | None
    """Of the variance of the means of cases, what more repeats would reduce; None without repeats."""


def _noise(values: "np.ndarray", score: PairedScore) -> _Noise:
    import numpy as np

    repeats = int((~np.isnan(values)).any(axis=0).sum())
    found = components(values) if repeats > 1 and not score.adaptive else None
    if found is None:
        return _Noise(repeats, None)
    within = found.within / repeats
    return _Noise(repeats, within / (found.between + within) if within else 0.0)


def _repeated(new: Column, old: Column) -> "np.ndarray":
    """Differences of the repeats that both have."""
    import numpy as np

    both = min(new.values.shape[1], old.values.shape[1])
    differences: np.ndarray = np.subtract(new.values[:, :both], old.values[:, :both])
    return differences
