"""The outcome of a gate as a comment of a pull request: the verdict first, then what changed, then what got worse."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from moat.domain.usage import format_usd
from moat.evals.gating.outcome import Costed, Evaluated, Outcome, against, subject
from moat.evals.gating.plan import Change
from moat.evals.markdown import MARKS, cell, change_block, fence, gate_table, inert, score_table
from moat.evals.reports.report import Mark

MAX_LENGTH = 65_000
"""Characters: GitHub takes 65,536, other forges more."""
MAX_ROWS = 30
"""Of a list or table."""
MAX_CELL = 300
_TRUNCATED = "\n… {} more parts are left out: a comment has no room for them. The artifact of the run has all.\n"

T = TypeVar("T")


def marker(project: str = "") -> str:
    """What a comment begins with, so that the next one of the same project replaces it; nobody sees it."""
    safe = "".join(char if char.isalnum() or char in "/._" else "_" for char in project)
    return f"<!-- moat gate: {safe or 'project'} -->"


def to_comment(outcome: Outcome, *, project: str = "") -> str:
    """The whole comment, at most `MAX_LENGTH` characters. `project` tells several of one repository apart.

    Texts of models and cases stand in fences that they cannot close, or are inert.
    """
    blocks = ["\n".join(part) + "\n" for part in _parts(outcome, project) if part]
    last = "\n".join(_reproduce(outcome)) + "\n"
    room = MAX_LENGTH - len(last) - len(_TRUNCATED) - 10
    kept: list[str] = []
    for block in blocks:
        room -= len(block) + 1
        if room < 0:
            break
        kept.append(block)
    dropped = len(blocks) - len(kept)
    return "\n".join([*kept, *([_TRUNCATED.format(dropped)] if dropped else []), last])


def _parts(outcome: Outcome, project: str) -> Iterator[list[str]]:
    """In the order of what matters: what does not fit is cut off at the end."""
    yield [marker(project), *_head(outcome)]
    yield list(_changes(outcome.changes))
    yield list(_overview(outcome.evaluated))
    yield list(_costs(outcome.costs))
    yield list(_problems(outcome))
    yield list(_remarks(outcome))
    order = ("regressed", "inconclusive", "pass")
    ranked = sorted(outcome.evaluated, key=lambda each: order.index(each.verdict))
    for evaluated in ranked:
        yield [_title(evaluated), "", *gate_table(evaluated.report)]
        for score in evaluated.report.comparison.scores:
            for change in score.regressed[:MAX_ROWS]:
                yield list(change_block(change))
        yield [*score_table(evaluated.report.comparison.scores), *_judges(evaluated)]
        for where, scores in evaluated.report.comparison.slices.items():
            yield [f"Where {cell(where)}:", "", *score_table(scores)]
    for evaluated in ranked:
        gains = [change for score in evaluated.report.comparison.scores for change in score.improved[:MAX_ROWS]]
        if gains:
            yield [f"### Better: {cell(subject(evaluated))} in {cell(evaluated.pair.suite)}"]
        for change in gains:
            yield list(change_block(change))


def _head(outcome: Outcome) -> Iterator[str]:
    yield f"## {MARKS[outcome.verdict]}"
    yield ""
    yield cell(outcome.summary)
    yield ""
    base = f"{cell(outcome.base_name)} (`{outcome.base[:12]}`)" if outcome.base else "nothing: there is no base"
    yield f"`{outcome.commit}` compared with {base}."
    if any("simulated" in each.report.comparison.candidate.provider for each in outcome.evaluated):
        yield ""
        yield "The answers are simulated, at least in part: they say nothing about a real model."


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    if not changes:
        return
    yield "### What changed"
    yield ""
    for change in changes[:MAX_ROWS]:
        detail = f" ({cell(change.detail)})" if change.detail else ""
        yield f"- {change.kind} {cell(change.name)}: {change.what}{detail}"
    yield from _rest(changes, "- … and {} more")


def _overview(evaluated: Sequence[Evaluated]) -> Iterator[str]:
    if not evaluated:
        return
    yield "### Evaluations"
    yield ""
    yield "| what | suite | against | verdict | why it ran |"
    yield "|---|---|---|---|---|"
    for each in evaluated[:MAX_ROWS]:
        beside = against(each.report.comparison)
        why = _cut("; ".join(each.pair.reasons))
        yield f"| {cell(subject(each))} | {cell(each.pair.suite)} | {cell(beside)} | {MARKS[each.verdict]} | {why} |"
    yield from _rest(evaluated, "\n… and {} more evaluations.")


def _costs(costs: Sequence[Costed]) -> Iterator[str]:
    if not costs:
        return
    yield "### Cost"
    yield ""
    yield "| what | a request before | now | change | a month | verdict |"
    yield "|---|---|---|---|---|---|"
    for each in costs[:MAX_ROWS]:
        found = each.estimate
        before = _money(found.baseline.cost if found.baseline else None)
        change = f"{found.increase:+.1%}" if found.increase is not None else "–"
        month = found.more_per_month
        more = f"{'+' if month >= 0 else '-'}{format_usd(abs(month))}" if month is not None else "–"
        limit = f" (limit +{each.limit_percent:g} %)" if each.limit_percent is not None else ""
        verdict = f"{MARKS[each.verdict]}{limit}" if each.limit_percent is not None else "–"
        yield (
            f"| {cell(found.candidate.prompt)} | {before} | {_money(found.candidate.cost)} | {change} | {more} "
            f"| {verdict} |"
        )
    yield from _rest(costs, "\n… and {} more.")


def _problems(outcome: Outcome) -> Iterator[str]:
    problems = outcome.lint.problems if outcome.lint is not None else ()
    if not problems:
        return
    yield f"### Lint ({len(problems)})"
    yield ""
    for problem in sorted(problems, key=lambda problem: problem.severity)[:MAX_ROWS]:
        yield f"- {_cut(str(problem))}"
    yield from _rest(problems, "- … and {} more")


def _remarks(outcome: Outcome) -> Iterator[str]:
    remarks = [*outcome.weakened, *outcome.failures, *outcome.notes]
    if remarks:
        yield "### To know"
        yield ""
    for loss in outcome.weakened[:MAX_ROWS]:
        yield f"- To be decided by people: {_cut(loss)}"
    for failure in outcome.failures[:MAX_ROWS]:
        yield f"- Not evaluated: {_cut(failure)}"
    for note in outcome.notes[:MAX_ROWS]:
        yield f"- {_cut(note)}"
    yield from _rest(outcome.failures, "- … and {} more that were not evaluated")


def _judges(evaluated: Evaluated) -> Iterator[str]:
    """Each judge's mean as it is, and corrected for what it gets wrong."""
    for name, mark in evaluated.marks.items():
        yield f"- Judge {cell(name)}: {_cut(mark_words(evaluated, name, mark))}"


def mark_words(evaluated: Evaluated, name: str, mark: Mark) -> str:
    """A judge's mean, raw and corrected, and what its calibration is worth."""
    score = evaluated.report.comparison.score(name)
    raw = score.candidate.mean if score is not None else None
    means = [f"raw {raw:.3f}"] if raw is not None else []
    if mark.mean is not None:
        means.append(f"corrected {mark.mean:.3f} ({mark.low or 0:.3f} to {1 if mark.high is None else mark.high:.3f})")
    return "; ".join([*means, mark.text])


def _title(evaluated: Evaluated) -> str:
    comparison = evaluated.report.comparison
    reused = " (stored before)" if comparison.candidate.id in evaluated.reused else ""
    return (
        f"### {MARKS[evaluated.verdict]}: {cell(subject(evaluated))} in {cell(evaluated.pair.suite)}\n\n"
        f"{cell(evaluated.report.summary)} Run `{comparison.candidate.id}`{reused}, model "
        f"`{inert(comparison.candidate.model) or '–'}`, {comparison.candidate.cases} cases"
        + (f", {comparison.candidate.repeats} repeats." if comparison.candidate.repeats > 1 else ".")
    )


def _reproduce(outcome: Outcome) -> Iterator[str]:
    base = f" --base {outcome.base}" if outcome.base else ""
    yield from fence("To see the same on your machine", f"moat gate{base}")


def _money(picodollars: int | None) -> str:
    return "–" if picodollars is None else format_usd(picodollars)


def _cut(text: str) -> str:
    return cell(text if len(text) <= MAX_CELL else text[:MAX_CELL] + "…")


def _rest(items: Iterable[T], text: str) -> Iterator[str]:
    more = len(list(items)) - MAX_ROWS
    if more > 0:
        yield text.format(more)
