"""A report as Markdown, for a pull request, a job's summary or a chat."""

from collections.abc import Iterator

import msgspec

from moat.domain.usage import format_usd
from moat.evals.compare import Summary
from moat.evals.gate import describe, describe_p
from moat.evals.markdown import MARKS, cell, fence
from moat.evals.reports.cases import CaseReport
from moat.evals.reports.explorer import input_of
from moat.evals.reports.page import short_ns
from moat.evals.reports.repeated import MEANING, repeat_table, repeats_of
from moat.evals.reports.report import RunReport, subject

MAX_CASES = 10
MAX_SLICES = 15
MAX_LENGTH = 60_000
"""Characters: GitHub takes 65,536 in a comment. Cases that do not fit are counted instead."""


def run_markdown(report: RunReport) -> str:
    """The report as one document. Texts of models and cases stand in fences that they cannot close."""
    text = "\n".join(_head(report)) + "\n"
    outlines = report.cases.outlines
    top = [place for place, one in enumerate(outlines) if one.failed or one.change in ("worse", "mixed")]
    if not report.baseline:
        top = [place for place, one in enumerate(outlines) if one.lowest < 1]
    if top:
        text += f"\n### {'What got worse' if report.baseline else 'What went wrong'} ({len(top)})\n\n"
    shown = 0
    for place in top[:MAX_CASES]:
        part = "\n".join(_case(report.cases[place])) + "\n"
        if len(text) + len(part) > MAX_LENGTH:
            break
        text += part
        shown += 1
    return text + (f"… and {len(top) - shown} more.\n" if shown < len(top) else "")


def _head(report: RunReport) -> Iterator[str]:
    run, baseline = report.run, report.baseline
    mark = MARKS[report.verdict] if report.verdict else "No gates"
    yield f"## {mark}: {cell(subject(run))}"
    yield ""
    yield report.summary
    yield ""
    against = f", against {cell(subject(baseline))} (`{baseline.id}`)" if baseline else ""
    repeats = f", {repeats_of(run)} repeats" if run.repeats > 1 else ""
    model = f", model `{run.model}`" if run.model else ""
    yield f"Suite `{run.suite}`{model}, {run.cases} cases{repeats}; run `{run.id}`{against}."
    if report.simulated:
        yield ""
        yield "The answers are simulated: they say nothing about a real model."
    yield from _gates(report)
    yield from _scores(report)
    yield from _repeats(report)
    yield from _slices(report)
    yield from _effort(report)


def _gates(report: RunReport) -> Iterator[str]:
    if report.gates:
        yield from ("", "| gate | verdict | why |", "|---|---|---|")
    for result in report.gates:
        more = f"; {result.way_out}" if result.way_out else ""
        where = result.gate.where
        name = cell(result.gate.score) + (f" where {cell(where)}" if where else "")
        yield f"| {name} | {MARKS[result.verdict]} | {cell(result.reason)}{more} |"


def _scores(report: RunReport) -> Iterator[str]:
    if report.baseline:
        yield from ("", "| score | baseline | candidate | difference | worse / better | can detect |")
        yield "|---|---|---|---|---|---|"
    else:
        yield from ("", "| score | mean (95 % interval) |", "|---|---|")
    for line in report.scores:
        name = cell(line.name) + (f" ({cell(line.mark.text)})" if line.mark else "")
        mean = _mean(line.candidate) + _corpus(line.corpus)
        if line.mark is not None and line.mark.mean is not None:
            mean += f", corrected {line.mark.mean:.3f}"
        if not report.baseline:
            yield f"| {name} | {mean} |"
            continue
        moved = f"{describe(line.difference)}, {describe_p(line.difference.p)}" if line.difference else "–"
        least = f"{line.detectable:.3f}" if line.detectable is not None else "–"
        before = _mean(line.baseline) + _corpus(line.baseline_corpus)
        yield f"| {name} | {before} | {mean} | {moved} | {line.worse} / {line.better} | {least} |"


def _corpus(value: float | None) -> str:
    return "" if value is None else f"; {value:.3f} over all answers at once"


def _repeats(report: RunReport) -> Iterator[str]:
    heads, rows = repeat_table(report.scores)
    if rows:
        yield from ("", f"| {' | '.join(head.rstrip('>') for head in heads)} |", "|---" * len(heads) + "|")
        yield from (f"| {cell(row[0])} | {' | '.join(row[1:])} |" for row in rows)
        yield from ("", MEANING)


def _mean(summary: Summary | None) -> str:
    if summary is None or summary.mean is None:
        return "–"
    failed = f", {summary.missing} failed" if summary.missing else ""
    return f"{summary.mean:.3f} ({summary.low:.3f} to {summary.high:.3f}, n = {summary.n}{failed})"


def _slices(report: RunReport) -> Iterator[str]:
    found = sorted(report.slices, key=lambda one: (not one.moved, one.few, one.difference or one.mean))
    if not found:
        return
    yield from ("", "### Slices", "", "| slice | score | cases | mean | difference |", "|---|---|---|---|---|")
    for one in found[:MAX_SLICES]:
        moved = "–" if one.difference is None or one.p is None else f"{one.difference:+.3f}, {describe_p(one.p)}"
        mark = " **moved**" if one.moved else ""
        few = " (few)" if one.few else ""
        mean = f"{one.mean:.3f} ({one.low:.3f} to {one.high:.3f})"
        yield f"| {cell(one.name)} | {cell(one.score)} | {one.n}{few} | {mean} | {moved}{mark} |"
    if len(found) > MAX_SLICES:
        yield from ("", f"… and {len(found) - MAX_SLICES} more.")


def _effort(report: RunReport) -> Iterator[str]:
    sides = [("candidate", report.totals)]
    if report.baseline_totals:
        sides.append(("baseline", report.baseline_totals))
    yield from ("", "| run | answers | failed | median | 95 % | cost | scoring |", "|---|---|---|---|---|---|---|")
    for name, side in sides:
        times = [short_ns(side.latency_ns[index]) for index in (3, 5)] if side.latency_ns else ["–", "–"]
        priced = side.answers - side.errors > side.unpriced
        cost = format_usd(side.cost) if priced else "unknown"
        scoring = format_usd(side.scoring_cost)
        yield f"| {name} | {side.answers} | {side.errors} | {times[0]} | {times[1]} | {cost} | {scoring} |"


def _case(one: CaseReport) -> Iterator[str]:
    moved = ", ".join(
        f"{name} {now:.2f}" if was is None else f"{name} {was:.2f} → {now:.2f}"
        for name, (now, was) in one.scores.items()
        if now is not None and now != was and (was is not None or now < 1)
    )
    kind = "no answer" if one.failed else moved
    yield "<details>"
    yield f"<summary>{cell(one.case.id)}: {cell(kind)}</summary>"
    yield ""
    yield from fence("Input", _shown(input_of(one.case)))
    if one.case.expected is not None:
        yield from fence("Expected", _shown(one.case.expected))
    for label, results in (("Baseline", one.baseline), ("Candidate", one.candidate)):
        if results:
            worst = min(results, key=lambda result: (not result.error, sum(s.value or 0 for s in result.scores)))
            reasons = "; ".join(s.reason for s in worst.scores if s.reason and s.value != 1)
            yield from fence(label + (f" ({cell(reasons)})" if reasons else ""), worst.error or worst.output)
    yield "</details>"
    yield ""


def _shown(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
