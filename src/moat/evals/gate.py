"""The verdict on a comparison.

For one gate, with loss = baseline mean minus candidate mean:

- `margin`: **pass** when the upper end of the loss's 95 % interval is at most the margin (non-inferiority;
  a pass that should not be has a chance of about 2.5 %). **regressed** when the loss seen is above the margin and the
  candidate is significantly worse (one-sided paired test).
- `min`: **pass** when the mean seen is at least the floor. **regressed** when it is significantly below it.
- Otherwise **inconclusive**: the cases do not decide, and the report says how many more might.

All tests of all gates together are corrected after Holm, so that a candidate that is no worse anywhere is
blocked with a chance of at most ALPHA, however many gates there are. Cases that failed, in one
run or in both, are a third outcome: a pass must hold if all of them had gone worst, a regression if all had gone
best.
"""

import math

import msgspec

from moat.domain.scores import Verdict
from moat.evals.compare import Comparison, Difference, ScoreComparison, Summary
from moat.evals.statistics.power import cases_needed
from moat.evals.statistics.significance import below, holm, mean_below
from moat.evals.suites import Gate

ALPHA = 0.05
ROUNDING = 1e-9
"""Sums of floats may miss a floor they meet by so much."""
MAX_CASES = 100_000
"""More cases than this are not worth naming."""


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


class GateReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict with everything it rests on."""

    verdict: Verdict
    """`regressed` when any gate is, else `inconclusive` when any is, else `pass`."""
    summary: str
    gates: tuple[GateResult, ...]
    comparison: Comparison


def judge(comparison: Comparison, gates: tuple[Gate, ...]) -> GateReport:
    """Judge every gate. No gates: inconclusive, for nothing was demanded."""
    scores = {score.name: score for score in comparison.scores}
    raw = [_p_values(gate, scores.get(gate.score), comparison.identical) for gate in gates]
    tested = [p for pair in raw for p in pair if p is not None]
    adjusted = iter(holm(tested))
    results = []
    for gate, (p_margin, p_min) in zip(gates, raw, strict=True):
        p_margin = next(adjusted) if p_margin is not None else None
        p_min = next(adjusted) if p_min is not None else None
        results.append(_judge(gate, scores.get(gate.score), comparison, p_margin, p_min))
    verdicts: list[Verdict] = [result.verdict for result in results] or ["inconclusive"]
    verdict = _overall(verdicts)
    return GateReport(
        verdict=verdict, summary=_summary(comparison, results, verdict), gates=tuple(results), comparison=comparison
    )


def _overall(verdicts: list[Verdict]) -> Verdict:
    order: tuple[Verdict, ...] = ("regressed", "inconclusive", "pass")
    return next(verdict for verdict in order if verdict in verdicts)


def _p_values(gate: Gate, score: ScoreComparison | None, identical: bool) -> tuple[float | None, float | None]:
    if score is None:
        return None, None
    p_margin = score.best.p_worse if gate.margin is not None and score.best and not identical else None
    return p_margin, _p_below(score.candidate, gate.min) if gate.min is not None else None


def _p_below(seen: Summary, floor: float) -> float | None:
    """Against a mean of at least the floor, missing cases counted as passed."""
    if seen.mean is None:
        return None
    if seen.passes is not None:
        return below(seen.passes + seen.missing, seen.n + seen.missing, floor)
    return mean_below(seen.most, seen.error, seen.clusters, floor)


def _judge(
    gate: Gate, score: ScoreComparison | None, comparison: Comparison, p_margin: float | None, p_min: float | None
) -> GateResult:
    if score is None or score.candidate.mean is None:
        return GateResult(gate=gate, verdict="inconclusive", reason="no case has this score")
    parts: list[tuple[Verdict, str, int | None]] = []
    if gate.min is not None:
        parts.append(_judge_min(gate.min, score.candidate, p_min))
    if gate.margin is not None and comparison.identical:
        parts.append(("pass", "identical to the baseline", None))
    elif gate.margin is not None and comparison.baseline is not None:
        parts.append(_judge_margin(gate.margin, score, p_margin))
    if not parts:
        parts.append(("pass", "first run: there is no baseline to compare with", None))
    verdict = _overall([part[0] for part in parts])
    return GateResult(
        gate=gate,
        verdict=verdict,
        reason="; ".join(part[1] for part in parts if part[0] == verdict),
        p_margin=p_margin,
        p_min=p_min,
        more_cases=max((part[2] for part in parts if part[2] is not None and part[0] == verdict), default=None),
    )


def _judge_min(floor: float, seen: Summary, p: float | None) -> tuple[Verdict, str, int | None]:
    assert seen.mean is not None
    text = f"mean {seen.mean:.3f}, floor {floor:g}"
    if seen.least >= floor - ROUNDING:
        return "pass", text, None
    if p is not None and p <= ALPHA and seen.most < floor:
        return "regressed", f"{text}, significantly below ({describe_p(p)})", None
    if seen.mean >= floor - ROUNDING:
        return "inconclusive", f"{text}, but {seen.missing} cases failed", None
    return "inconclusive", f"{text}, not significantly below", _more(seen.error, seen.n, floor - seen.mean)


def _judge_margin(margin: float, score: ScoreComparison, p: float | None) -> tuple[Verdict, str, int | None]:
    seen, worst, best = score.difference, score.worst, score.best
    if seen is None or worst is None or best is None:
        return "inconclusive", "no case has this score in both runs", None
    text = f"{describe(seen)}, margin {margin:g}"
    if -worst.low <= margin:
        return "pass", text, None
    if p is not None and p <= ALPHA and -best.mean > margin:
        return "regressed", f"{text}, significantly worse ({describe_p(p)})", None
    if score.incomplete and (-seen.low <= margin or -best.mean <= margin < -seen.mean):
        return "inconclusive", f"{text}, but {score.incomplete} pairs lack an answer", None
    loss = -seen.mean
    # A loss above the margin needs significance against 0, one below it needs its interval below the margin.
    return "inconclusive", f"{text}: too few cases", _more(seen.error, seen.n, loss if loss > margin else margin - loss)


def describe_p(p: float) -> str:
    """A p-value as people write it."""
    return "p < 0.0001" if p < 0.0001 else f"p = {p:.2g}"


def describe(difference: Difference) -> str:
    """A difference in words: `loss 0.030 (95 % interval -0.010 to 0.070)`."""
    word, sign = ("gain", 1) if difference.mean > 0 else ("loss", -1)
    ends = sorted((sign * difference.low, sign * difference.high))
    return f"{word} {abs(difference.mean):.3f} (95 % interval {ends[0]:.3f} to {ends[1]:.3f})"


def _more(error: float, n: int, effect: float) -> int | None:
    if effect <= 0 or not math.isfinite(error):
        return None
    more = cases_needed(error * math.sqrt(n), effect) - n
    return max(1, more) if more <= MAX_CASES else None


def _summary(comparison: Comparison, results: list[GateResult], verdict: Verdict) -> str:
    if not results:
        return "The suite has no gates: nothing was demanded."
    if comparison.identical and verdict == "pass":
        return "Identical to the baseline: same prompt, model, suite and data."
    named = [result.gate.score for result in results if result.verdict == verdict]
    if verdict == "pass":
        return "All gates hold." if comparison.baseline else "All floors hold; there is no baseline yet."
    return f"{'Worse' if verdict == 'regressed' else 'Not decided'}: {', '.join(named)}."
