"""The verdict on a comparison.

For one gate, with loss = baseline mean minus candidate mean:

- `margin`: **pass** when the upper end of the loss's 95 % interval is at most the margin (non-inferiority;
  a pass that should not be has a chance of about 2.5 %). **regressed** when the loss seen is above the margin and the
  candidate is significantly worse (one-sided paired test).
- `min`: **pass** when the mean seen is at least the floor. **regressed** when it is significantly below it.
- Otherwise **inconclusive**: the cases do not decide, and the report says how many more might.

All tests of all gates of all comparisons that are judged at once are corrected together after Holm, so that a candidate
that is no worse anywhere is blocked with a chance of at most ALPHA, however many gates and suites there are. Cases that
failed, in one run or in both, are a third outcome: a pass must hold if all of them had gone worst, a regression if all
had gone best.

A comparison that ends when it is decided (`moat.evals.early`) is judged by its own tests of the margins instead: each
has an equal part of ALPHA, and Holm's correction of all other tests works with what that leaves.

Golden cases are no matter of chance or of averages: one that passed in the baseline, or that nothing is known of, and
fails now in any repeat makes every gate on that score regressed. A judge that was not calibrated decides nothing: its
gate is inconclusive, unless it says `uncalibrated: allow`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypedDict

import msgspec

from moat.domain.scores import Verdict
from moat.evals.compare import Comparison, Difference, GoldenLoss, ScoreComparison, Summary
from moat.evals.early import ALPHA, Early, EarlyGate
from moat.evals.statistics.noninferiority import decide, more_to_decide, more_to_reject
from moat.evals.statistics.significance import below, holm, mean_below
from moat.evals.suites import Gate

ROUNDING = 1e-9
"""Sums of floats may miss a floor they meet by so much."""
MAX_NAMED = 3
"""Golden cases that a sentence names."""


class Question(NamedTuple):
    """A comparison, and what must hold of it."""

    comparison: Comparison
    gates: tuple[Gate, ...]
    unproven: Mapping[str, str] = {}
    """Scores of judges that are not calibrated, and why, by name."""


class GateResult(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict of one gate."""

    gate: Gate
    verdict: Verdict
    reason: str
    p_margin: float | None = None
    p_min: float | None = None
    """One-sided p-values after Holm's correction; None when there was nothing to test."""
    more_cases: int | None = None
    """About so many more would decide, if what was seen is the truth; None when decided or out of reach."""
    more_repeats: int | None = None
    """About so many more of each case would decide as well; None also when nothing was repeated."""
    golden: tuple[GoldenLoss, ...] = ()
    """The golden cases that are not shown to be right as they were."""
    unproven: str = ""
    """Why its judge is not to be believed; it may gate all the same when the suite allows that."""

    @property
    def way_out(self) -> str:
        """What would decide an inconclusive gate, in words; empty when nothing in reach would."""
        cases = f"about {self.more_cases:,} more cases" if self.more_cases else ""
        repeats = f"about {self.more_repeats} more repeats of each case" if self.more_repeats else ""
        found = " or ".join(part for part in (cases, repeats) if part)
        return f"{found} would decide" if found else ""


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict with everything it rests on."""

    verdict: Verdict
    """`regressed` when any gate is, else `inconclusive` when any is, else `pass`."""
    summary: str
    gates: tuple[GateResult, ...]
    comparison: Comparison


def judge(comparison: Comparison, gates: tuple[Gate, ...], unproven: Mapping[str, str] | None = None) -> GateReport:
    """Judge every gate of one comparison. No gates: inconclusive, for nothing was demanded."""
    return judge_all([Question(comparison, gates, unproven or {})])[0]


def judge_all(questions: Sequence[Question]) -> list[GateReport]:
    """Judge several comparisons as one family: the chance to block by mistake is ALPHA for all of them together."""
    raw = [_p_values(gate, question.comparison) for question in questions for gate in question.gates]
    left = 1 - sum(len(q.comparison.early.gates) * q.comparison.early.share for q in questions if q.comparison.early)
    adjusted = iter(holm([min(1.0, p / left) if left > 0 else 1.0 for pair in raw for p in pair if p is not None]))
    corrected = iter([tuple(next(adjusted) if p is not None else None for p in pair) for pair in raw])
    return [_report(question, [next(corrected) for _ in question.gates]) for question in questions]


def _report(question: Question, p_values: list[tuple[float | None, ...]]) -> GateReport:
    comparison = question.comparison
    lost = _lost(question.gates, comparison)
    results = [
        _judge(gate, comparison, tests, lost.get(index, ()), question.unproven.get(gate.score, ""))
        for index, (gate, tests) in enumerate(zip(question.gates, p_values, strict=True))
    ]
    verdict = overall([result.verdict for result in results] or ["inconclusive"])
    summary = _summary(comparison, results, verdict)
    return GateReport(verdict=verdict, summary=summary, gates=tuple(results), comparison=comparison)


def slices_of(gates: Sequence[Gate]) -> list[str]:
    """The slices that a comparison must have for some gates to be judged."""
    return [gate.where for gate in gates if gate.where]


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """The worst of some verdicts; pass when there is none."""
    order: tuple[Verdict, ...] = ("regressed", "inconclusive")
    return next((verdict for verdict in order if verdict in verdicts), "pass")


def _p_values(gate: Gate, comparison: Comparison) -> tuple[float | None, float | None]:
    score = comparison.score(gate.score, gate.where)
    if score is None:
        return None, None
    tested = gate.margin is not None and score.best is not None and not (comparison.identical or comparison.early)
    p_margin = score.best.p_worse if tested and score.best is not None else None
    return p_margin, _p_below(score.candidate, gate.min) if gate.min is not None else None


def _p_below(seen: Summary, floor: float) -> float | None:
    """Against a mean of at least the floor, missing cases counted as passed."""
    if seen.mean is None:
        return None
    if seen.passes is not None:
        return below(seen.passes + seen.missing, seen.n + seen.missing, floor)
    return mean_below(seen.most, seen.error, seen.n, seen.worth, floor, degrees=seen.degrees, above=seen.above)


class _Repeats(TypedDict):
    within: float | None
    repeats: int


class _Part(NamedTuple):
    """What one demand of a gate comes to."""

    verdict: Verdict
    text: str
    cases: int | None = None
    repeats: int | None = None


def _judge(
    gate: Gate,
    comparison: Comparison,
    p_values: tuple[float | None, ...],
    golden: tuple[GoldenLoss, ...],
    unproven: str,
) -> GateResult:
    p_margin, p_min = p_values
    parts = [*_golden(golden), *_demands(gate, comparison, p_margin, p_min)]
    if unproven and gate.uncalibrated == "refuse":
        parts = [_Part("inconclusive", f"{unproven}, so it cannot gate; calibrate it, or write `uncalibrated: allow`")]
    verdict = overall([part.verdict for part in parts])
    decisive = [part for part in parts if part.verdict == verdict]
    return GateResult(
        gate=gate,
        verdict=verdict,
        reason="; ".join(part.text for part in decisive),
        p_margin=p_margin,
        p_min=p_min,
        more_cases=max((part.cases for part in decisive if part.cases is not None), default=None),
        more_repeats=max((part.repeats for part in decisive if part.repeats is not None), default=None),
        golden=golden,
        unproven=unproven,
    )


def _demands(gate: Gate, comparison: Comparison, p_margin: float | None, p_min: float | None) -> Iterator[_Part]:
    score = comparison.score(gate.score, gate.where)
    if score is None or score.candidate.mean is None:
        where = f" where {gate.where}" if gate.where else ""
        yield _Part("inconclusive", f"no case{where} has this score")
        return
    if gate.min is not None:
        yield _judge_min(gate.min, score.candidate, p_min)
    if gate.margin is not None and comparison.identical:
        yield _Part("pass", "identical to the baseline")
    elif gate.margin is not None and comparison.early is not None:
        yield _judge_early(gate.margin, comparison.early.gate(gate.score, gate.where), comparison.early)
    elif gate.margin is not None and comparison.baseline is not None:
        yield _judge_margin(gate.margin, score, p_margin)
    if gate.margin is not None and comparison.baseline is None and gate.min is None:
        yield _Part("pass", "first run: there is no baseline to compare with")


def _lost(gates: Sequence[Gate], comparison: Comparison) -> dict[int, tuple[GoldenLoss, ...]]:
    """Golden cases of each gated score, over all cases and once: by the place of its first gate that is about no slice,
    else of its first one.
    """
    bearers: dict[str, int] = {}
    for index, gate in sorted(enumerate(gates), key=lambda each: bool(each[1].where)):
        bearers.setdefault(gate.score, index)
    scores = ((index, comparison.score(name)) for name, index in bearers.items() if not comparison.identical)
    return {index: score.golden for index, score in scores if score is not None}


def _golden(lost: Sequence[GoldenLoss]) -> Iterator[_Part]:
    failed = [loss.case for loss in lost if loss.failed]
    named = failed or [loss.case for loss in lost]
    if not named:
        return
    names = ", ".join(named[:MAX_NAMED]) + (f" and {len(named) - MAX_NAMED} more" if len(named) > MAX_NAMED else "")
    cases = "golden case" if len(named) == 1 else "golden cases"
    if failed:
        yield _Part("regressed", f"{cases} {names} failed")
    else:
        yield _Part("inconclusive", f"{cases} {names} {'lacks' if len(named) == 1 else 'lack'} an answer")


def _judge_min(floor: float, seen: Summary, p: float | None) -> _Part:
    assert seen.mean is not None
    text = f"mean {seen.mean:.3f}, floor {floor:g}"
    if seen.least >= floor - ROUNDING:
        return _Part("pass", text)
    if p is not None and p <= ALPHA and seen.most < floor:
        return _Part("regressed", f"{text}, significantly below ({describe_p(p)})")
    if seen.mean >= floor - ROUNDING:
        return _Part("inconclusive", f"{text}, but {seen.missing} cases failed")
    more = more_to_reject(seen.mean, seen.error, seen.n, floor, clusters=seen.worth, **_repeats(seen, seen.error))
    return _Part("inconclusive", f"{text}, not significantly below", *more)


def _judge_margin(margin: float, score: ScoreComparison, p: float | None) -> _Part:
    seen, worst, best = score.difference, score.worst, score.best
    if seen is None or worst is None or best is None:
        return _Part("inconclusive", "no case has this score in both runs")
    text = f"{describe(seen)}, margin {margin:g}"
    p = 1.0 if p is None else p
    verdict = decide(margin, worst.low, best.mean, p)
    if verdict == "pass":
        return _Part(verdict, text)
    if verdict == "regressed":
        return _Part(verdict, f"{text}, significantly worse ({describe_p(p)})")
    if score.incomplete and (-seen.low <= margin or -best.mean <= margin < -seen.mean):
        return _Part("inconclusive", f"{text}, but {score.incomplete} pairs lack an answer")
    more = more_to_decide(-seen.mean, seen.spread, seen.n, margin, clusters=seen.worth, **_repeats(seen, seen.spread))
    return _Part("inconclusive", f"{text}: too few cases", *more)


def _judge_early(margin: float, seen: EarlyGate, early: Early) -> _Part:
    if not seen.units:
        return _Part("inconclusive", "no case has this score in both runs")
    text = f"{_loss(seen.mean, seen.low, seen.high)} at every look), margin {margin:g}"
    if seen.course == "go on":
        uneven = f" (uneven: no more than {seen.weight:.0f} of the largest)" if seen.weight < seen.units / 2 else ""
        return _Part("inconclusive", f"{text}: {seen.units} independent cases{uneven} do not decide")
    return _Part(seen.course, f"{text}, decided after {seen.units} of {early.units} independent cases")


def describe_p(p: float) -> str:
    """A p-value as people write it."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def describe(difference: Difference) -> str:
    """A difference in words: `loss 0.030 (95 % interval -0.010 to 0.070)`."""
    return f"{_loss(difference.mean, difference.low, difference.high)})"


def _loss(mean: float, low: float, high: float) -> str:
    """Without the closing bracket."""
    word, sign = ("gain", 1) if mean > 0 else ("loss", -1)
    ends = sorted((sign * low, sign * high))
    return f"{word} {abs(mean):.3f} (95 % interval {ends[0]:.3f} to {ends[1]:.3f}"


def _repeats(seen: Summary | Difference, error: float) -> _Repeats:
    """What repeats say of single answers' variance, which more of them would reduce."""
    known = seen.noise is not None and seen.repeats > 1
    return {
        "within": seen.noise * error**2 * seen.n * seen.repeats if seen.noise is not None and known else None,
        "repeats": seen.repeats,
    }


def _summary(comparison: Comparison, results: list[GateResult], verdict: Verdict) -> str:
    if not results:
        return "The suite has no gates: nothing was demanded."
    if comparison.identical and verdict == "pass":
        return "Identical to the baseline: same prompt, model, suite and data."
    named = [_name(result.gate) for result in results if result.verdict == verdict]
    saved = _saved(comparison.early)
    if verdict == "pass":
        return f"All gates hold.{saved}" if comparison.baseline else "All floors hold; there is no baseline yet."
    return f"{'Worse' if verdict == 'regressed' else 'Not decided'}: {', '.join(dict.fromkeys(named))}.{saved}"


def _saved(early: Early | None) -> str:
    if early is None or early.asked == early.cases:
        return ""
    return f" Stopped when it was decided: {early.asked:,} of {early.cases:,} cases asked."


def _name(gate: Gate) -> str:
    return f"{gate.score} where {gate.where}" if gate.where else gate.score
