"""Comparisons and verdicts as people read them in a terminal."""

from collections.abc import Sequence

from moat.cli.output import out, print_table
from moat.evals.compare import CaseChange, Comparison, ScoreComparison, Summary
from moat.evals.gate import GateReport

SHOWN_CASES = 5
SHOWN_TEXT = 240

COLOURS = {"pass": "green", "regressed": "red", "inconclusive": "yellow"}


def print_report(report: GateReport) -> None:
    """Verdict first, then why."""
    comparison = report.comparison
    candidate = comparison.candidate
    against = f"against {comparison.baseline.version}" if comparison.baseline else "without a baseline"
    out.print(f"{report.verdict.upper()}", style=f"bold {COLOURS[report.verdict]}", end="  ")
    out.print(f"{candidate.suite}: {candidate.prompt}@{candidate.version} {against}. {report.summary}")
    out.print(f"answered by {candidate.provider or 'nobody'}", style="dim")
    print_table(
        ["gate", "verdict", "why"],
        ([g.gate.score, g.verdict, g.reason] for g in report.gates),
        empty="The suite has no gates.",
    )
    print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Scores side by side, then the cases that changed, the regressed ones first."""
    if comparison.baseline is None:
        rows = ([s.name, _mean(s.candidate), s.candidate.n, s.candidate.missing] for s in comparison.scores)
        print_table(["score", "mean [95 % interval]", "cases>", "errors>"], rows, empty="Nothing was scored.")
    else:
        print_table(
            ["score", "baseline", "candidate", "difference [95 % interval]", "p>", "worse>", "better>"],
            (_row(score) for score in comparison.scores),
            empty="Nothing was scored.",
        )
    for failure in comparison.candidate_failures[:SHOWN_CASES]:
        out.print(f"no answer: {failure.case}: {failure.error}", style="red")
    _print_changes([change for score in comparison.scores for change in score.regressed])


def _print_changes(changes: Sequence[CaseChange]) -> None:
    if not changes:
        return
    by_case: dict[str, list[CaseChange]] = {}
    for change in changes:
        by_case.setdefault(change.case, []).append(change)
    out.print(f"{len(by_case)} cases got worse", style="bold", end="")
    out.print(f"; the first {SHOWN_CASES}:" if len(by_case) > SHOWN_CASES else ":")
    for case, found in list(by_case.items())[:SHOWN_CASES]:
        out.print(f"  {case}", style="bold", end="  ")
        reasons: dict[str, list[str]] = {}
        for change in found:
            reasons.setdefault(change.candidate_reason, []).append(change.score)
        out.print("; ".join(f"{', '.join(names)}: {_short(why)}" for why, names in reasons.items()))
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
        str(len(score.regressed)),
        str(len(score.improved)),
    ]


def _mean(summary: Summary | None) -> str:
    if summary is None or summary.mean is None:
        return "not scored"
    return f"{summary.mean:.3f} [{summary.low:.3f}, {summary.high:.3f}]"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_TEXT else line[: SHOWN_TEXT - 1] + "…"
