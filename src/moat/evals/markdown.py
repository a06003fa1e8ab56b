"""A gate report as Markdown, for pull requests: the verdict, the numbers, the cases that changed."""

from collections.abc import Iterator, Sequence

import msgspec

from moat.evals.compare import CaseChange, Failure, ScoreComparison, Summary
from moat.evals.gate import GateReport, describe, describe_p

MARKS = {"pass": "✅ pass", "regressed": "❌ regressed", "inconclusive": "❔ inconclusive"}
MAX_CHANGES = 10
MAX_TEXT = 1500


def to_markdown(report: GateReport) -> str:
    """The report as one document. Texts of models and cases stand in fences that they cannot close."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: GateReport) -> Iterator[str]:
    comparison = report.comparison
    candidate, baseline = comparison.candidate, comparison.baseline
    yield f"## {MARKS[report.verdict]}: {cell(candidate.prompt)} {candidate.version}"
    yield ""
    yield report.summary
    yield ""
    against = f" against {baseline.version} (`{baseline.id}`)" if baseline else ""
    repeats = f", {candidate.repeats} repeats" if candidate.repeats > 1 else ""
    yield (
        f"Suite `{candidate.suite}`, model `{candidate.model}`, {candidate.cases} cases{repeats}; "
        f"run `{candidate.id}`{against}."
    )
    if "simulated" in candidate.provider:
        yield ""
        yield "The answers are simulated: they say nothing about a real model."
    yield ""
    yield from _gates(report)
    yield from _scores(comparison.scores)
    yield from _changed("Regressions", [change for score in comparison.scores for change in score.regressed])
    yield from _changed("Improvements", [change for score in comparison.scores for change in score.improved])
    yield from _failed("Cases of the candidate without an answer", comparison.candidate_failures)
    yield from _failed("Cases of the baseline without an answer", comparison.baseline_failures)


def _gates(report: GateReport) -> Iterator[str]:
    if not report.gates:
        return
    yield "| gate | verdict | why |"
    yield "|---|---|---|"
    for result in report.gates:
        more = f"; about {result.more_cases} more cases would decide" if result.more_cases else ""
        yield f"| {cell(result.gate.score)} | {MARKS[result.verdict]} | {cell(result.reason)}{more} |"
    yield ""


def _scores(scores: Sequence[ScoreComparison]) -> Iterator[str]:
    yield "| score | baseline | candidate | difference | worse / better | can detect |"
    yield "|---|---|---|---|---|---|"
    for score in scores:
        difference = f"{describe(score.difference)}, {describe_p(score.difference.p)}" if score.difference else "–"
        least = f"{score.detectable:.3f}" if score.detectable is not None else "–"
        yield (
            f"| {cell(score.name)} | {_mean(score.baseline)} | {_mean(score.candidate)} | {difference} "
            f"| {len(score.regressed)} / {len(score.improved)} | {least} |"
        )
    yield ""


def _mean(summary: Summary | None) -> str:
    if summary is None or summary.mean is None:
        return "–"
    failed = f", {summary.missing} failed" if summary.missing else ""
    flaky = f", {summary.flake_rate:.0%} of the repeated cases flaky".replace("%", " %") if summary.flake_rate else ""
    return f"{summary.mean:.3f} ({summary.low:.3f} to {summary.high:.3f}, n = {summary.n}{failed}{flaky})"


def _changed(title: str, changes: Sequence[CaseChange]) -> Iterator[str]:
    if not changes:
        return
    yield f"### {title} ({len(changes)})"
    yield ""
    for change in changes[:MAX_CHANGES]:
        yield "<details>"
        moved = f"{change.baseline:.2f} → {change.candidate:.2f}"
        yield f"<summary>{_inert(change.case)}: {_inert(change.score)} {moved}</summary>"
        yield ""
        yield from fence("Input", msgspec.json.format(msgspec.json.encode(change.input), indent=2).decode())
        yield from fence(f"Baseline{_reason(change.baseline_reason)}", change.baseline_output)
        yield from fence(f"Candidate{_reason(change.candidate_reason)}", change.candidate_output)
        yield "</details>"
        yield ""
    if len(changes) > MAX_CHANGES:
        yield f"… and {len(changes) - MAX_CHANGES} more."
        yield ""


def _failed(title: str, failures: Sequence[Failure]) -> Iterator[str]:
    if not failures:
        return
    yield f"### {title} ({len(failures)})"
    yield ""
    for failure in failures[:MAX_CHANGES]:
        repeat = f", repeat {failure.repeat}" if failure.repeat else ""
        yield f"- {cell(failure.case)}{repeat}: {cell(failure.error)}"
    if len(failures) > MAX_CHANGES:
        yield f"- … and {len(failures) - MAX_CHANGES} more"
    yield ""


def _reason(reason: str) -> str:
    return f" ({cell(reason)})" if reason else ""


def fence(title: str, text: str) -> Iterator[str]:
    """A titled block that its text cannot close, cut to a readable length."""
    shown = text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "…"
    ticks = "```"
    while ticks in shown:
        ticks += "`"
    yield f"{title}:"
    yield ticks
    yield shown
    yield ticks
    yield ""


def _inert(text: str) -> str:
    """Text that cannot open a tag, a link or a mention."""
    line = " ".join(text.split())
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;")):
        line = line.replace(mark, safe)
    return "".join(f"\\{char}" if char in "`*_[]!#\\~" else char for char in line)


def cell(text: str) -> str:
    """Inert text that fits a table's cell."""
    return _inert(text).replace("|", "\\|")
