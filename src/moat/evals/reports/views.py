"""What stored runs and their comparisons come to, in the shapes that the API shows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from moat.domain.scores import Case, Result, Score
from moat.evals.case_scores import Table
from moat.evals.compare import Comparison, ScoreComparison, Summary
from moat.evals.gate import GateReport
from moat.evals.reports.cases import ORDER, CaseReport
from moat.evals.reports.cutting import Cut
from moat.evals.reports.explorer import input_of
from moat.evals.reports.report import QUANTILES, Mark, Totals
from moat.evals.reports.slicing import MAX_SLICES
from moat.evals.slices import slices
from moat.evals.suites import Gate, Suite
from moat.ports.eval_views import (
    AskedCase,
    CasePair,
    ChangeCounts,
    ComparedCase,
    ComparedScore,
    GateVerdict,
    JudgeMark,
    PairedDifference,
    RunAnswer,
    RunScore,
    RunTotals,
    ScoreBin,
    ScoreSummary,
    SliceChanges,
    SuiteGate,
)

TEXT = 20_000
"""Characters of a text."""
DOCUMENTS = 50
"""That an answer shows of those it rests on."""
FEW_VALUES = 6
"""So many different values stand by themselves: passes and fails, labels, a short scale."""
TENTHS = 10


def run_totals(found: Totals) -> RunTotals:
    """With the quantiles of latency that pages show."""
    p50, p95 = (found.latency_ns[QUANTILES.index(share)] if found.latency_ns else None for share in (0.5, 0.95))
    return RunTotals(
        answers=found.answers,
        errors=found.errors,
        unpriced=found.unpriced,
        input_tokens=found.input_tokens,
        output_tokens=found.output_tokens,
        cost=found.cost,
        scoring_cost=found.scoring_cost,
        latency_p50_ns=p50,
        latency_p95_ns=p95,
    )


def run_scores(
    table: Table, asked: int, comparison: Comparison | None, suite: Suite | None, marks: Mapping[str, Mark]
) -> tuple[RunScore, ...]:
    """Of a run alone: `asked` cases. Without a comparison there are no intervals, without a suite no kinds."""
    kinds = {scorer.name: scorer.kind for scorer in suite.scorers} if suite is not None else {}
    gated = {gate.score for gate in suite.gates} if suite is not None else set()
    return tuple(
        RunScore(
            name=name,
            kind=kinds.get(name, ""),
            gated=name in gated,
            summary=_summary_of(scores.candidate)
            if comparison is not None and (scores := comparison.score(name)) is not None
            else _plain(table, name, asked),
            bins=bins([score.seen for score in table[name].values() if score.seen is not None]),
            mark=_mark(marks.get(name)),
        )
        for name in table
    )


def bins(values: Sequence[float]) -> tuple[ScoreBin, ...]:
    """Each value by itself where there are few, else tenths of 0 to 1."""
    counts = Counter(values)
    if len(counts) <= FEW_VALUES:
        return tuple(ScoreBin(low=value, high=value, count=counts[value]) for value in sorted(counts))
    tenths = Counter(max(0, min(TENTHS - 1, int(value * TENTHS))) for value in values)
    return tuple(
        ScoreBin(low=place / TENTHS, high=(place + 1) / TENTHS, count=tenths[place]) for place in range(TENTHS)
    )


def compared_scores(comparison: Comparison, suite: Suite, marks: Mapping[str, Mark]) -> tuple[ComparedScore, ...]:
    """Both sides and what lies between them."""
    gated = {gate.score for gate in suite.gates}
    return tuple(_compared(score, score.name in gated, marks.get(score.name)) for score in comparison.scores)


def gate_verdicts(found: GateReport) -> tuple[GateVerdict, ...]:
    """Each gate's own."""
    return tuple(
        GateVerdict(gate=suite_gate(each.gate), verdict=each.verdict, reason=each.reason, way_out=each.way_out)
        for each in found.gates
    )


def suite_gate(gate: Gate) -> SuiteGate:
    """What it demands."""
    return SuiteGate(score=gate.score, margin=gate.margin, min=gate.min, where=gate.where)


def change_counts(outlines: Iterable[CaseReport]) -> ChangeCounts:
    """How many cases fared how."""
    counts = Counter(one.change for one in outlines)
    return ChangeCounts(**{change: counts[change] for change in ORDER})


def slice_changes(outlines: Sequence[CaseReport], paths: Sequence[str]) -> tuple[SliceChanges, ...]:
    """How the cases of each slice fared, what got worse most often first; `MAX_SLICES` at most."""
    by_id = {one.case.id: one for one in outlines}
    found = [
        SliceChanges(name=name, counts=change_counts(by_id[case] for case in members))
        for name, members in slices((one.case for one in outlines), paths).items()
    ]
    return tuple(sorted(found, key=lambda each: -each.counts.worse)[:MAX_SLICES])


def compared_case(one: CaseReport, candidate: Iterable[Result], baseline: Iterable[Result]) -> ComparedCase:
    """A case with its answers."""
    pairs = (CasePair(score=name, candidate=new, baseline=old) for name, (new, old) in one.scores.items())
    return ComparedCase(
        case=one.case.id,
        change=one.change,
        failed=one.failed,
        asked=asked_case(one.case),
        scores=tuple(pairs),
        candidate=tuple(map(run_answer, candidate)),
        baseline=tuple(map(run_answer, baseline)),
    )


def asked_case(case: Case) -> AskedCase:
    """What was asked, cut where it is very long."""
    cut = Cut(TEXT)
    return AskedCase(
        input=cut.any(input_of(case)),
        expected=cut.any(case.expected),
        labels=cut.any(case.labels),
        tags=case.tags[:DOCUMENTS],
        golden=case.golden,
    )


def run_answer(result: Result) -> RunAnswer:
    """An answer, cut where it is very long."""
    cut = Cut(TEXT)
    return RunAnswer(
        repeat=result.repeat,
        output=cut.text(result.output),
        tool_calls=cut.any(result.tool_calls),
        messages=cut.any(result.messages),
        context=[cut.text(document) for document in cut.first(result.context, DOCUMENTS)],
        scores=[_score(score, cut) for score in result.scores],
        error=cut.text(result.error),
        latency_ns=result.latency_ns,
        input_tokens=result.input_tokens,
        output_tokens=result.output_tokens,
        cost=result.cost,
        trace_id=result.trace_id,
        cached=result.cached,
        cut=cut.happened,
    )


def _score(score: Score, cut: Cut) -> Score:
    evidence = cut.any(score.evidence)
    return replace(
        score, reason=cut.text(score.reason), evidence=evidence if isinstance(evidence, dict) else {"cut": evidence}
    )


def _compared(score: ScoreComparison, gated: bool, mark: Mark | None) -> ComparedScore:
    difference = score.difference
    return ComparedScore(
        name=score.name,
        gated=gated,
        candidate=_summary_of(score.candidate),
        baseline=_summary_of(score.baseline) if score.baseline is not None else None,
        difference=msgspec.convert(difference, PairedDifference, from_attributes=True) if difference else None,
        detectable=score.detectable,
        worse=score.worse,
        better=score.better,
        incomplete=score.incomplete,
        mark=_mark(mark),
    )


def _summary_of(found: Summary) -> ScoreSummary:
    known = found.mean is not None
    return ScoreSummary(
        n=found.n,
        errors=found.missing,
        not_run=found.not_applicable,
        mean=found.mean,
        low=found.low if known else None,
        high=found.high if known else None,
        method=found.method,
        flake_rate=found.flake_rate,
    )


def _plain(table: Table, name: str, asked: int) -> ScoreSummary:
    """Without an interval: which cases belong together is not known."""
    seen = [score.seen for score in table[name].values() if score.seen is not None]
    return ScoreSummary(
        n=len(seen),
        errors=sum(not score.complete for score in table[name].values()),
        not_run=max(0, asked - len(table[name])),
        mean=sum(seen) / len(seen) if seen else None,
    )


def _mark(mark: Mark | None) -> JudgeMark | None:
    return msgspec.convert(mark, JudgeMark, from_attributes=True) if mark is not None else None
