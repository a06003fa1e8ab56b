"""A gate report as Markdown, for pull requests: the verdict, the numbers, the cases that changed."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from moat.evals.compare import CaseChange, Failure, GoldenLoss, ScoreComparison, Summary
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
    yield inert(report.summary)
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
    yield from gate_table(report)
    yield from score_table(comparison.scores)
    yield from _changed("Regressions", comparison.scores, worse=True)
    yield from _changed("Improvements", comparison.scores, worse=False)
    yield from _failed("Cases of the candidate without an answer", comparison.candidate_failures)
    yield from _failed("Cases of the baseline without an answer", comparison.baseline_failures)


def gate_table(report: GateReport) -> Iterator[str]:
    """What was demanded, and what came of it; then the golden cases that were lost."""
    if not report.gates:
        return
    yield "| gate | verdict | why |"
    yield "|---|---|---|"
    for result in report.gates:
        where = f" where {result.gate.where}" if result.gate.where else ""
        more = f"; {result.way_out}" if result.way_out else ""
        doubt = f" ({cell(result.unproven)})" if result.unproven and result.gate.uncalibrated == "allow" else ""
        yield f"| {cell(result.gate.score + where)} | {MARKS[result.verdict]} | {cell(result.reason)}{more}{doubt} |"
    yield ""
    golden = {(loss.case, loss.score): loss for result in report.gates for loss in result.golden}
    for loss in list(golden.values())[:MAX_CHANGES]:
        yield from golden_block(loss)
    if len(golden) > MAX_CHANGES:
        yield f"… and {len(golden) - MAX_CHANGES} more golden cases."
        yield ""


def golden_block(loss: GoldenLoss) -> Iterator[str]:
    """A golden case that was lost, folded."""
    before = "not asked before" if loss.baseline is None else f"{loss.baseline:.2f} before"
    now = "no answer" if loss.candidate is None else f"{loss.candidate:.2f} now"
    yield "<details>"
    yield f"<summary>Golden case {inert(loss.case)}: {inert(loss.score)} {before}, {now}</summary>"
    yield ""
    yield from _input(loss.input)
    if loss.baseline is not None:
        yield from fence("Baseline", loss.baseline_output)
    yield from fence(f"Candidate{_reason(loss.candidate_reason)}", loss.candidate_output)
    yield "</details>"
    yield ""


def score_table(scores: Sequence[ScoreComparison]) -> Iterator[str]:
    """All scores of both sides."""
    yield "| score | baseline | candidate | difference | worse / better | can detect |"
    yield "|---|---|---|---|---|---|"
    for score in scores:
        difference = f"{describe(score.difference)}, {describe_p(score.difference.p)}" if score.difference else "–"
        least = f"{score.detectable:.3f}" if score.detectable is not None else "–"
        yield (
            f"| {cell(score.name)} | {_mean(score.baseline)} | {_mean(score.candidate)} | {difference} "
            f"| {score.worse} / {score.better} | {least} |"
        )
    yield ""


def _mean(summary: Summary | None) -> str:
    if summary is None or summary.mean is None:
        return "–"
    failed = f", {summary.missing} failed" if summary.missing else ""
    flaky = f", {summary.flake_rate:.0%} of the repeated cases flaky".replace("%", " %") if summary.flake_rate else ""
    return f"{summary.mean:.3f} ({summary.low:.3f} to {summary.high:.3f}, n = {summary.n}{failed}{flaky})"


def _changed(title: str, scores: Sequence[ScoreComparison], *, worse: bool) -> Iterator[str]:
    changes = [change for score in scores for change in (score.regressed if worse else score.improved)]
    count = sum(score.worse if worse else score.better for score in scores)
    if not changes:
        return
    yield f"### {title} ({count})"
    yield ""
    for change in changes[:MAX_CHANGES]:
        yield from change_block(change)
    if count > MAX_CHANGES:
        yield f"… and {count - MAX_CHANGES} more."
        yield ""


def change_block(change: CaseChange) -> Iterator[str]:
    """A case with its input and both answers, folded."""
    yield "<details>"
    moved = f"{change.baseline:.2f} → {change.candidate:.2f}"
    yield f"<summary>{inert(change.case)}: {inert(change.score)} {moved}</summary>"
    yield ""
    yield from _input(change.input)
    yield from fence(f"Baseline{_reason(change.baseline_reason)}", change.baseline_output)
    yield from fence(f"Candidate{_reason(change.candidate_reason)}", change.candidate_output)
    yield "</details>"
    yield ""


def _input(given: dict[str, Any]) -> Iterator[str]:
    yield from fence("Input", msgspec.json.format(msgspec.json.encode(given), indent=2).decode())


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


_LIVE = re.compile(r"[@#]|:(?=//)|www(?=\.)|GH(?=-\d)", re.IGNORECASE)
"""Where a mention, a reference or a link begins: forges look for them after escapes and entities are decoded."""


def inert(text: str) -> str:
    """Text that cannot open a tag, and becomes no link, mention or reference: a space of no width breaks those."""
    text = _LIVE.sub("\\g<0>\u200b", text)
    line = "".join(f"\\{char}" if char in "`*_[]!#\\~" else char for char in " ".join(text.split()))
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "&#64;")):
        line = line.replace(mark, safe)
    return line


def cell(text: str) -> str:
    """Inert text that fits a table's cell."""
    return inert(text).replace("|", "\\|")
