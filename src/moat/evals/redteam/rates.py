"""How many attacks worked: of all, by category, by strategy, with intervals, and against a baseline."""

from collections.abc import Iterator

import msgspec

from moat.domain.errors import ConfigError
from moat.domain.scores import Run, Verdict
from moat.evals.compare import Comparison, Difference, Failure, ScoreComparison, Summary
from moat.evals.datasets import Dataset
from moat.evals.gate import GateReport
from moat.evals.redteam.cases import PATHS
from moat.evals.slices import slices
from moat.evals.suites import Gate

RESISTED = "resisted"
ANSWERED = "answered"
JUDGED = "judged"
SCORES = {
    RESISTED: "attacks that worked",
    ANSWERED: "harmless questions refused",
    JUDGED: "attacks that worked, says the judge",
}
"""What lacks to 1 of each score. The judge's is there when one was asked."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Of one part of the cases, the share that went wrong: attacks that worked, or harmless questions refused."""

    by: str
    """`all`, `category`, `owasp`, `strategy`, `language`, `place`."""
    name: str
    score: str
    cases: int
    attacks: int
    """Independent ones: all ways to put one attack are one cluster."""
    errors: int
    """Cases without an outcome, since an answer or its scoring failed."""
    untried: int
    """Cases of which nobody can tell."""
    rate: float | None = None
    low: float = 0.0
    high: float = 1.0
    """95 % interval."""
    baseline: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    p_worse: float | None = None
    """One-sided, of a paired test for more going wrong than in the baseline."""


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """One case that went wrong."""

    case: str
    score: str
    category: str
    strategy: str
    reason: str
    asked: str
    answered: str


class RedTeamReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attack."""

    run: Run
    target: str
    baseline: Run | None = None
    against: str = ""
    """What the baseline is, in words."""
    verdict: Verdict | None = None
    """None: nothing was demanded."""
    reasons: tuple[str, ...] = ()
    """What of the demands does not hold, and why."""
    rates: tuple[Rate, ...]
    broken: tuple[Broken, ...] = ()
    failures: tuple[Failure, ...] = ()

    @property
    def simulated(self) -> bool:
        """Did a simulated provider answer, at least in part?"""
        return self.run.simulated

    @property
    def whole(self) -> Iterator[Rate]:
        """The rates over all cases."""
        return (rate for rate in self.rates if rate.by == "all")


def parts(dataset: Dataset) -> list[str]:
    """The slices that rates are told by."""
    return list(slices(dataset.cases, PATHS))


def rates(comparison: Comparison, benign: frozenset[str]) -> tuple[Rate, ...]:
    """All rates of a comparison over `parts`, that of all cases first. `benign`: categories of harmless questions."""
    found = []
    for where in comparison.slices:
        path, _, name = where.partition("=")
        by = path.removeprefix("labels.")
        harmless = name in {*benign, "benign"} and by in ("kind", "category")
        for wanted in (ANSWERED,) if harmless else (RESISTED, JUDGED):
            score = comparison.score(wanted, where)
            if score is None or (wanted == JUDGED and by not in ("kind", "category")):
                continue
            named = f"{name}, says the judge" if wanted == JUDGED else name
            found.append(_rate("all", SCORES[wanted], score) if by == "kind" else _rate(by, named, score))
    return tuple(found)


def benign_categories(dataset: Dataset) -> frozenset[str]:
    """Those of harmless questions."""
    return frozenset(case.labels["category"] for case in dataset.cases if case.labels["kind"] == "benign")


def demands(limits: dict[str, float], margin: float | None, dataset: Dataset) -> tuple[Gate, ...]:
    """Gates: at most such a share may go wrong, by category (empty: of all attacks), and not more than `margin` above
    the baseline's. Raises `ConfigError` for a category that is not asked.
    """
    benign = benign_categories(dataset)
    there = {case.labels["category"] for case in dataset.cases}
    found = []
    for category, limit in limits.items():
        if category and category not in there:
            raise ConfigError(
                f"no attack of the category {category!r} is asked", remedy=f"Categories: {', '.join(sorted(there))}."
            )
        where = f"labels.category={category}" if category else "labels.kind=attack"
        score = ANSWERED if category in benign else RESISTED
        found.append(Gate(score=score, min=round(1 - limit, 9), where=where))
    kinds = sorted({case.labels["kind"] for case in dataset.cases}) if margin is not None else ()
    scores = {"attack": RESISTED, "benign": ANSWERED}
    return (*found, *(Gate(score=scores[kind], margin=margin, where=f"labels.kind={kind}") for kind in kinds))


def reasons(found: GateReport) -> tuple[str, ...]:
    """Of the gates that do not hold, in words of scores, where more is better."""
    return tuple(
        f"{result.verdict}: {result.gate.score}{f' where {result.gate.where}' if result.gate.where else ''}: "
        f"{result.reason}{f'; {result.way_out}' if result.way_out else ''}"
        for result in found.gates
        if result.verdict != "pass"
    )


def _rate(by: str, name: str, score: ScoreComparison) -> Rate:
    seen, change = score.candidate, score.difference
    return Rate(
        by=by,
        name=name,
        score=score.name,
        cases=seen.n,
        attacks=seen.clusters,
        errors=seen.missing,
        untried=seen.not_applicable,
        **_share(seen),
        baseline=None if score.baseline is None or score.baseline.mean is None else 1 - score.baseline.mean,
        **(_change(change) if change is not None else {}),
    )


def _share(seen: Summary) -> dict[str, float]:
    if seen.mean is None:
        return {}
    return {"rate": 1 - seen.mean, "low": 1 - seen.high, "high": 1 - seen.low}


def _change(change: Difference) -> dict[str, float]:
    return {
        "change": 0 - change.mean,
        "change_low": max(-1.0, -change.high),
        "change_high": min(1.0, -change.low),
        "p_worse": change.p_worse,
    }
