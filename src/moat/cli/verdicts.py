"""Comparisons and verdicts as people read them in a terminal."""

from collections.abc import Mapping, Sequence

from moat.cli.output import counted, out, print_table
from moat.evals.compare import CaseChange, Comparison, ScoreComparison, Summary
from moat.evals.gate import GateReport, GateResult
from moat.evals.gating.outcome import against, answering
from moat.evals.reports.repeated import repeat_table
from moat.evals.reports.report import Mark
from moat.evals.suites import Gate

SHOWN_CASES = 5
SHOWN_TEXT = 240

COLOURS = {"pass": "green", "regressed": "red", "inconclusive": "yellow"}


def print_report(report: GateReport) -> None:
    """Verdict first, then why."""
    comparison = report.comparison
    candidate = comparison.candidate
    beside = f"against {against(comparison)}" if comparison.baseline else "without a baseline"
    out.print(f"{report.verdict.upper()}", style=f"bold {COLOURS[report.verdict]}", end="  ")
    out.print(f"{candidate.suite}: {answering(candidate)} {beside}. {report.summary}")
    out.print(f"answered by {candidate.provider or candidate.target or 'nobody'}", style="dim")
    print_table(
        ["gate", "demanded", "verdict", "why"],
        ([_gate(g.gate), _demanded(g.gate), g.verdict, _why(g)] for g in report.gates),
        empty="The suite has no gates.",
    )
    print_comparison(comparison)


def print_marks(marks: Mapping[str, Mark]) -> None:
    """What has to be known of the judges behind scores; without it their numbers may be taken for more."""
    for name, mark in marks.items():
        out.print(f"judge {name}: {mark.text}", style=None if mark.trusted else "yellow")


def print_comparison(comparison: Comparison) -> None:
    """Scores side by side, then the cases that changed, the regressed ones first."""
    if comparison.baseline is None:
        rows = ([s.name, _mean(s.candidate), s.candidate.n, s.candidate.missing] for s in comparison.scores)
        print_table(["score", "mean [95 % interval]", "cases>", "errors>"], rows, empty="Nothing was scored.")
    else:
        print_table(
            ["score", "baseline", "candidate", "difference [95 % interval]", "p>", "worse>", "better>", "errors>"],
            (_row(score) for score in comparison.scores),
            empty="Nothing was scored.",
        )
    print_repeats(comparison.scores)
    for failure in comparison.candidate_failures[:SHOWN_CASES]:
        out.print(f"no answer: {failure.case}: {failure.error}", style="red")
    if any(score.candidate.missing for score in comparison.scores):
        out.print(f"Every error: moat eval show {comparison.candidate.id} --errors", style="yellow")
    _print_changes(comparison.scores)


def print_repeats(scores: Sequence[ScoreComparison]) -> None:
    """How steady answers are; nothing where each case was asked once."""
    heads, rows = repeat_table(scores)
    if rows:
        out.print()
        print_table(heads, rows, empty="")


def _gate(gate: Gate) -> str:
    return f"{gate.score} where {gate.where}" if gate.where else gate.score


def _why(result: GateResult) -> str:
    return f"{result.reason}; {result.way_out}" if result.way_out else result.reason


def _demanded(gate: Gate) -> str:
    margin = "" if gate.margin is None else f"margin {gate.margin:g}"
    least = "" if gate.min is None else f"min {gate.min:g}"
    return ", ".join(part for part in (margin, least) if part)


def _print_changes(scores: Sequence[ScoreComparison]) -> None:
    by_case: dict[str, list[CaseChange]] = {}
    for change in (change for score in scores for change in score.regressed):
        by_case.setdefault(change.case, []).append(change)
    if not by_case:
        return
    known = max(len(by_case), *(score.worse for score in scores))
    some_left_out = any(score.worse > len(score.regressed) for score in scores)
    out.print(f"{'At least ' * some_left_out}{counted(known, 'case')} got worse", style="bold", end="")
    out.print(f"; the first {SHOWN_CASES}:" if len(by_case) > SHOWN_CASES else ":")
    for case, found in list(by_case.items())[:SHOWN_CASES]:
        out.print(f"  {case}", style="bold", end="  ")
        reasons: dict[str, list[str]] = {}
        for change in found:
            reasons.setdefault(change.candidate_reason, []).append(change.score)
        out.print("; ".join(", ".join(names) + (f": {_short(why)}" if why else "") for why, names in reasons.items()))
        out.print(f"    before  {_short(found[0].baseline_output)}")
        out.print(f"    now     {_short(found[0].candidate_output)}")


def _row(score: ScoreComparison) -> list[str]:
    difference = score.difference
    if difference is None:
        change, p = "none to compare", ""
    else:
        change = f"{difference.mean:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        p = f"{difference.p:.3f}" if difference.p >= 0.001 else "< 0.001"
    return [
        score.name,
        _mean(score.baseline),
        _mean(score.candidate),
        change,
        p,
        str(score.worse),
        str(score.better),
        str(score.candidate.missing),
    ]


def _mean(summary: Summary | None) -> str:
    if summary is None or summary.mean is None:
        return "failed" if summary is not None and summary.missing else "not scored"
    return f"{summary.mean:.3f} [{summary.low:.3f}, {summary.high:.3f}]"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 1] + "…"
