"""Old and new answers to the same recorded calls, side by side."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from moat.domain.scores import Case, Score
from moat.evals.markdown import cell, fence
from moat.evals.rerun import Estimate, Question, Reply
from moat.evals.scorers import Answered, Scorer
from moat.evals.statistics.intervals import difference_interval, mean_interval
from moat.prompts.diff import Piece, marked, words

CLOSE = 1e-9
"""Scores that differ by less are the same."""


class LeftOut(msgspec.Struct, frozen=True):
    """A recorded call that is not compared."""

    request: str
    reason: str


class ScorePair(msgspec.Struct, frozen=True):
    """One scorer on both answers."""

    old: Score
    new: Score

    @property
    def change(self) -> float | None:
        """New minus old; None unless both have a value."""
        if self.old.value is None or self.new.value is None:
            return None
        return self.new.value - self.old.value


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One call, answered then and now."""

    request: str
    version: str
    cluster: str
    question: str
    """The caller's last words."""
    old: Reply
    new: Reply
    change: tuple[Piece, ...]
    """Word by word."""
    scores: list[ScorePair]


class Delta(msgspec.Struct, frozen=True, kw_only=True):
    """A measure over the calls that have it on both sides."""

    name: str
    unit: str
    n: int
    old: float
    new: float
    """Means."""
    difference: float
    """Mean of new minus old, with its paired 95 % interval."""
    low: float
    high: float


class Change(Delta, frozen=True, kw_only=True):
    """A score's."""

    better: int
    worse: int
    same: int
    not_run: int
    """Calls that say nothing for this score: recorded traffic has no expected answers."""
    errors: int


class RerunReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a rerun found."""

    target: str
    """`name@version`."""
    model: str
    """Aliases, each with what stands behind it."""
    providers: tuple[str, ...]
    estimate: Estimate
    interrupted: bool
    identical: int
    """Pairs whose answers are the same to the letter."""
    measures: list[Delta]
    scores: list[Change]
    pairs: list[Pair]
    failed: list[LeftOut]
    """Calls that the new version did not answer."""
    cannot_render: list[LeftOut]
    skipped: list[LeftOut]


async def paired(asked: Question, new: Reply, scorers: Sequence[Scorer]) -> Pair:
    """Score both answers as they are scored in a suite, and say what changed."""
    case = Case(id=asked.request, variables=asked.variables, messages=asked.messages)
    last = asked.messages[-1].get("content") if asked.messages else None
    values = [str(value) for value in asked.variables.values()]
    return Pair(
        request=asked.request,
        version=asked.version,
        cluster=asked.cluster,
        question=last if isinstance(last, str) else " / ".join(values),
        old=asked.old,
        new=new,
        change=words(asked.old.text, new.text),
        scores=[
            ScorePair(await scorer.score(case, _view(asked.old)), await scorer.score(case, _view(new)))
            for scorer in scorers
        ],
    )


def measures(pairs: Sequence[Pair]) -> list[Delta]:
    """Latency, tokens and cost."""

    def delta(name: str, unit: str, of: Callable[[Reply], float | None]) -> Iterator[Delta]:
        both = [(of(pair.old), of(pair.new), pair.cluster) for pair in pairs]
        known = [(old, new, cluster) for old, new, cluster in both if old is not None and new is not None]
        if known:
            found = mean_interval([new - old for old, new, _ in known], [cluster for *_, cluster in known])
            yield Delta(
                name=name,
                unit=unit,
                n=len(known),
                old=sum(old for old, _, _ in known) / len(known),
                new=sum(new for _, new, _ in known) / len(known),
                difference=found.mean,
                low=found.low,
                high=found.high,
            )

    return [
        *delta("latency", "ms", lambda reply: reply.latency_ns / 1e6),
        *delta("input", "tokens", lambda reply: reply.input_tokens),
        *delta("output", "tokens", lambda reply: reply.output_tokens),
        *delta("cost", "USD", lambda reply: None if reply.cost is None else reply.cost / 1e12),
    ]


def changes(pairs: Sequence[Pair]) -> list[Change]:
    """Each score over the calls, in the scorers' order."""
    names = [score.new.name for score in pairs[0].scores] if pairs else []
    return [_change(name, [(pair, pair.scores[index]) for pair in pairs]) for index, name in enumerate(names)]


def _change(name: str, scored: list[tuple[Pair, ScorePair]]) -> Change:
    known = [(score, pair.cluster, change) for pair, score in scored if (change := score.change) is not None]
    moves = [change for *_, change in known]
    found = difference_interval(moves, [cluster for _, cluster, _ in known]) if known else None
    statuses = [{score.old.status, score.new.status} for _, score in scored]
    return Change(
        name=name,
        unit="",
        n=len(known),
        old=sum(score.old.value or 0.0 for score, *_ in known) / max(1, len(known)),
        new=sum(score.new.value or 0.0 for score, *_ in known) / max(1, len(known)),
        difference=found.mean if found else 0.0,
        low=found.low if found else -1.0,
        high=found.high if found else 1.0,
        better=sum(move > CLOSE for move in moves),
        worse=sum(move < -CLOSE for move in moves),
        same=sum(abs(move) <= CLOSE for move in moves),
        not_run=sum("not_run" in status for status in statuses),
        errors=sum("error" in status for status in statuses),
    )


def _view(reply: Reply) -> Answered:
    return Answered(
        reply.text or reply.refusal,
        tool_calls=reply.tool_calls,
        refusal=reply.refusal,
        latency_ns=reply.latency_ns,
        cost=reply.cost,
    )


def to_markdown(report: RerunReport) -> str:
    """The report as one document. Texts of callers and models stand in fences that they cannot close."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: RerunReport) -> Iterator[str]:
    yield f"## Rerun of recorded calls: {cell(report.target)}"
    yield ""
    yield f"{headline(report)} Model {cell(report.model)}, answered by {', '.join(report.providers) or 'nobody'}."
    yield ""
    if any("simulated" in provider for provider in report.providers):
        yield "The answers are simulated: they say nothing about a real model."
        yield ""
    if report.measures:
        yield "| measure | recorded | now | difference, 95 % interval | calls |"
        yield "|---|---|---|---|---|"
        for delta in report.measures:
            yield f"| {delta.name}, {delta.unit} | {delta.old:.4g} | {delta.new:.4g} | {interval(delta)} | {delta.n} |"
        yield ""
    if report.scores:
        yield "| score | recorded | now | difference, 95 % interval | better / worse / same | not run | errors |"
        yield "|---|---|---|---|---|---|---|"
        for score in report.scores:
            moved = f"{score.better} / {score.worse} / {score.same}"
            values = f"{score.old:.3f} | {score.new:.3f} | {interval(score)}" if score.n else "– | – | –"
            yield f"| {cell(score.name)} | {values} | {moved} | {score.not_run} | {score.errors} |"
        yield ""
    for title, left in (
        ("Not answered", report.failed),
        ("Cannot render", report.cannot_render),
        ("Left out", report.skipped),
    ):
        if left:
            yield f"### {title} ({len(left)})"
            yield ""
            yield from (f"- `{cell(entry.request)}`: {cell(entry.reason)}" for entry in left)
            yield ""
    for pair in report.pairs:
        if pair.old.text != pair.new.text:
            yield "<details>"
            yield f"<summary>{cell(pair.request)}: {cell(pair.question[:80])}</summary>"
            yield ""
            yield from fence(f"{pair.version} then, {report.target} now", marked(pair.change))
            yield "</details>"
            yield ""


def headline(report: RerunReport) -> str:
    """One sentence: how many, and what became of them."""
    counts = [f"{len(report.pairs)} of {report.estimate.calls} calls compared, {report.identical} answered the same"]
    for number, what in (
        (len(report.failed), "not answered"),
        (len(report.cannot_render), "cannot render"),
        (len(report.skipped), "left out"),
    ):
        counts += [f"{number} {what}"] if number else []
    return ", ".join(counts) + (". Interrupted." if report.interrupted else ".")


def interval(delta: Delta) -> str:
    """`+1.2 [-0.3, +2.7]`."""
    return f"{delta.difference:+.3g} [{delta.low:+.3g}, {delta.high:+.3g}]"
