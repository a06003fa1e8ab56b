"""Stored eval runs as people look at them: one run, its answers, two runs side by side."""

from typing import Annotated, Any, Literal

import msgspec

from moat.domain.scores import Judgement, Run, Score, Verdict

Chosen = Literal["asked", "judged", "gate", "served", "first", "none"]
"""Why a run is compared with another: it was asked for; a gate judged the run against it last; it is what a gate would
take now; the run is of a draft, and it is of what production serves; there is nothing that one would take; or there is,
and no stored run of it."""

Change = Literal["worse", "better", "mixed", "single", "same", "new"]
"""How a case fared against the baseline; `single` where only one of the two has scores of it, as when an answer failed;
`new` where there is no baseline."""

IntervalMethod = Literal["", "wilson", "effective-wilson"]
"""Of a mean score: Wilson's for independent passes and fails; Wilson's for the effective number of cases where scores
are graded or cases belong together (`evals.statistics.proportions`); empty: there is no interval."""


class ResultsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which answers of a run, and where to go on."""

    scorer: str = ""
    """With `below`, or `failed`, it is this score that is meant; alone, answers that have it."""
    below: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    """Answers with a value below it, of any score when `scorer` is empty."""
    failed: bool | None = None
    """Answers that there are not, or whose scoring failed; false: the others."""
    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Text in the case's id, whatever its case."""
    after: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The `next` of the page before."""


class CasesWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases of two runs, and where to go on."""

    change: Change | Literal["", "changed"] = ""
    """Only those that fared so; `changed` is any but `same`. Empty: all."""
    slice: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Only those of a slice by its name, `tags=vip` or `labels.intent=refund`; the counts are of it too."""
    search: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Text in the case's id, whatever its case; the counts are of what it finds too."""
    after: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The `next` of the page before."""


class ScoreBin(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases scored from `low` to below `high`; the last bin has its end in it. Of one value both are it."""

    low: float
    high: float
    count: int


class ScoreSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One score of one run, over cases."""

    n: int
    """Cases with a value."""
    errors: int
    """Cases without one because an answer or its scoring failed, in whole or in part."""
    not_run: int
    """Cases that say nothing for this score."""
    mean: float | None = None
    """Of the cases' means over their repeats."""
    low: float | None = None
    high: float | None = None
    """95 % interval of the mean; none where nothing has a value, or it is not known which cases belong together."""
    method: IntervalMethod = ""
    flake_rate: float | None = None
    """Share of repeated cases whose repeats disagree; none without repeats."""


class JudgeMark(msgspec.Struct, frozen=True, kw_only=True):
    """What has to be known about a judge's score before its numbers are believed."""

    text: str
    trusted: bool
    mean: float | None
    """Corrected for what the judge gets wrong, with its 95 % interval; none where that is not known."""
    low: float | None
    high: float | None


class RunScore(msgspec.Struct, frozen=True, kw_only=True):
    """One score of a run."""

    name: str
    kind: str
    """Of its scorer; empty when the suite does not have it any more."""
    gated: bool
    summary: ScoreSummary
    bins: tuple[ScoreBin, ...]
    """Of the cases' means: each value by itself where there are few, else tenths."""
    mark: JudgeMark | None = None
    """None of a score that is no judge's."""


class RunTotals(msgspec.Struct, frozen=True, kw_only=True):
    """What a run took."""

    answers: int
    errors: int
    unpriced: int
    """Answers without a known price."""
    input_tokens: int
    output_tokens: int
    cost: int
    """Picodollars of the answers whose price is known."""
    scoring_cost: int
    """Picodollars that scoring cost (judges)."""
    latency_p50_ns: int | None
    latency_p95_ns: int | None
    """Of answers; none without one."""


class RunSlice(msgspec.Struct, frozen=True, kw_only=True):
    """One score over the cases of one slice."""

    name: str
    """`tags=vip`, `labels.intent=refund`."""
    score: str
    n: int
    mean: float
    low: float
    high: float
    """95 % interval."""
    few: bool
    """So few cases that the interval says next to nothing."""


class SuiteGate(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite demands of one score."""

    score: str
    margin: float | None
    """The loss of mean score that is still tolerable; none: not compared."""
    min: float | None
    """The least mean score."""
    where: str
    """Only the cases of a slice; empty: all."""


class GateVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate of the suite, as it is now, says of a run."""

    gate: SuiteGate
    verdict: Verdict
    reason: str
    way_out: str
    """What would decide an inconclusive gate; empty when nothing in reach would."""


class RunJudgement(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that was stored when a gate found it."""

    judgement: Judgement
    current: bool
    """Were the gates those that the suite has now?"""
    baseline_run: str
    """The stored run that it was compared with; empty when there was none, or it is gone."""
    baseline_version: str


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a run but its answers."""

    run: Run
    baseline: Run | None
    """What its gates compare it with."""
    chosen: Chosen
    verdict: Verdict | None
    """None where the suite has no gates, or they cannot be judged: then `missing` says why."""
    summary: str
    gates: tuple[GateVerdict, ...]
    judgements: tuple[RunJudgement, ...]
    """Newest first."""
    scores: tuple[RunScore, ...]
    slices: tuple[RunSlice, ...]
    """Along the paths that were asked for, else those of the suite."""
    totals: RunTotals
    missing: str
    """Why there are no intervals, gates and slices: the suite is gone, the data changed, the run is not finished."""


class RunAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One answer to a case; its texts are cut where they are very long."""

    repeat: int
    output: str
    tool_calls: Any
    """A list, as OpenAI's chat has them; a text when it was too long and is cut."""
    messages: Any
    """The whole conversation, where it was more than one question and one answer; cut as `tool_calls`."""
    context: list[str]
    """The documents that the target says it answered from."""
    scores: list[Score]
    """What each scorer said, and why."""
    error: str
    """Why there is no answer."""
    latency_ns: int
    input_tokens: int
    output_tokens: int
    cost: int | None
    """Picodollars of the answer, without its scoring; none when unknown."""
    trace_id: str
    cached: bool
    cut: bool
    """Is anything of it cut?"""


class AskedCase(msgspec.Struct, frozen=True, kw_only=True):
    """What a case asked, as the dataset says it."""

    input: Any
    """The prompt's variables, and messages, turns and documents when it has some; cut as an answer's texts."""
    expected: Any
    labels: Any
    tags: list[str]
    golden: bool


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """One case, answered once."""

    case: str
    asked: AskedCase | None
    """None when the suite is gone or its data changed since the run."""
    answer: RunAnswer


class RunResults(msgspec.Struct, frozen=True, kw_only=True):
    """Answers of a run by case and repeat."""

    results: tuple[RunResult, ...]
    next: str
    """Send it as `after` for the next page; empty: there is none. A page may be shorter than its limit."""
    missing: str
    """Why it is not said what was asked; empty when it is."""


class PairedDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Candidate minus baseline of one score over paired cases; negative is a loss."""

    n: int
    mean: float
    low: float
    high: float
    """95 % interval."""
    p: float
    """Two-sided."""
    p_worse: float
    """One-sided, for the candidate being worse."""
    method: str
    """The test."""


class ComparedScore(msgspec.Struct, frozen=True, kw_only=True):
    """One score of two runs."""

    name: str
    gated: bool
    candidate: ScoreSummary
    baseline: ScoreSummary | None
    difference: PairedDifference | None
    """None without a baseline or without pairs."""
    detectable: float | None
    """The true difference that so many cases would find with 80 % power."""
    worse: int
    better: int
    """How many cases changed."""
    incomplete: int
    """Pairs with something missing on a side or on both."""
    mark: JudgeMark | None


class CasePair(msgspec.Struct, frozen=True, kw_only=True):
    """One score of a case in both runs: means over repeats, none where there is no value."""

    score: str
    candidate: float | None
    baseline: float | None


class ComparedCase(msgspec.Struct, frozen=True, kw_only=True):
    """A case with the answers of both runs."""

    case: str
    change: Change
    failed: bool
    """Has the candidate no answer, or no score, for some repeat?"""
    asked: AskedCase
    scores: tuple[CasePair, ...]
    candidate: tuple[RunAnswer, ...]
    """By repeat."""
    baseline: tuple[RunAnswer, ...]


class ChangeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many cases fared how."""

    worse: int = 0
    mixed: int = 0
    single: int = 0
    better: int = 0
    new: int = 0
    same: int = 0


class SliceChanges(msgspec.Struct, frozen=True, kw_only=True):
    """How the cases of one slice fared."""

    name: str
    """`tags=vip`, `labels.intent=refund`."""
    counts: ChangeCounts


class RunComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two runs of one suite, case by case."""

    candidate: Run
    baseline: Run | None
    chosen: Chosen
    missing: str
    """Why there is no baseline, and what to do about it; empty when there is one."""
    identical: bool
    """Both are of the same prompt content, model, suite and data: there is nothing to compare."""
    verdict: Verdict | None
    """Of the suite's gates as they are now; none where it has none, or what they compare with was not run."""
    summary: str
    gates: tuple[GateVerdict, ...]
    scores: tuple[ComparedScore, ...]
    counts: ChangeCounts
    """Of the cases of the slice, and of the search, whatever their change."""
    slices: tuple[SliceChanges, ...]
    """Along the paths of the suite, else by tag; those with most cases that got worse first; 100 at most."""
    cases: tuple[ComparedCase, ...]
    """What got worse first, the largest loss first; then mixed ones, those that only one run has scores of, better and
    new ones, those that failed first; last the same."""
    next: str
    """Send it as `after` for the next page; empty: there is none. A page may be shorter than its limit."""
