"""The cases that moved, with what was asked and what was answered."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from moat.domain.scores import Case, Result, Score
from moat.evals.case_scores import CaseScore, Table
from moat.evals.running.stored import of

MAX_CHANGES = 200
"""Changed cases of a score that are kept with their texts, in each direction."""


class CaseChange(msgspec.Struct, frozen=True, kw_only=True):
    """A case whose score changed."""

    case: str
    score: str
    input: dict[str, Any]
    """The prompt's variables, and what else the case says to whoever answers."""
    baseline: float
    candidate: float
    baseline_output: str
    candidate_output: str
    baseline_reason: str
    candidate_reason: str


class GoldenLoss(msgspec.Struct, frozen=True, kw_only=True):
    """A golden case that is not right in every repeat, and was so in the baseline or never shown to be."""

    case: str
    score: str
    input: dict[str, Any]
    baseline: float | None
    """None without a baseline, or where it says nothing."""
    candidate: float | None
    """None when there is no answer at all."""
    failed: bool
    """False: some repeat has no value, and none failed. Then it is not known whether the case is right."""
    baseline_output: str
    candidate_output: str
    candidate_reason: str


class Shown(NamedTuple):
    """What is shown of one score."""

    regressed: tuple[CaseChange, ...] = ()
    """Largest loss first."""
    improved: tuple[CaseChange, ...] = ()
    """Largest gain first."""
    golden: tuple[GoldenLoss, ...] = ()


class _Found(NamedTuple):
    """One score's cases, before their texts are looked up."""

    losses: list[Case]
    gains: list[Case]
    golden: list[Case]


def case_changes(
    cases: Sequence[Case], tables: tuple[Table | None, Table], results: tuple[Iterable[Result], Iterable[Result]]
) -> dict[str, Shown]:
    """By score. The pairs are baseline and candidate, the baseline's table None without one.

    Only the results of cases that are shown are kept.
    """
    old, new = tables
    found = {name: _find(cases, old.get(name, {}) if old is not None else None, now) for name, now in new.items()}
    wanted = {case.id for some in found.values() for group in some for case in group}
    before, after = (_by_case(side, wanted) for side in results)
    shown = {}
    for name, some in found.items():
        was, now = (old or {}).get(name, {}), new[name]
        shown[name] = Shown(
            tuple(_change(case, name, (was[case.id], now[case.id]), before, after) for case in some.losses),
            tuple(_change(case, name, (was[case.id], now[case.id]), before, after) for case in some.gains),
            tuple(_golden(case, name, (was.get(case.id), now[case.id]), before, after) for case in some.golden),
        )
    return shown


def _find(cases: Sequence[Case], old: dict[str, CaseScore] | None, new: dict[str, CaseScore]) -> _Found:
    moved = [(move, case) for case in cases if (move := _move((old or {}).get(case.id), new.get(case.id)))]
    moved.sort(key=lambda pair: pair[0])
    losses = [case for move, case in moved[:MAX_CHANGES] if move < 0]
    gains = [case for move, case in reversed(moved[-MAX_CHANGES:]) if move > 0]
    graded = any(value not in (0, 1) for score in new.values() for value in score.values)
    concerned = (case for case in cases if case.golden and case.id in new)
    golden = [case for case in concerned if _lost((old or {}).get(case.id), new[case.id], graded=graded)]
    return _Found(losses, gains, golden)


def _move(was: CaseScore | None, now: CaseScore | None) -> float:
    seen = (was.seen, now.seen) if was is not None and now is not None else (None, None)
    return seen[1] - seen[0] if seen[0] is not None and seen[1] is not None else 0.0


def _lost(was: CaseScore | None, now: CaseScore, *, graded: bool) -> bool:
    """Is it not right in every repeat, although nothing says that it was not before?

    How high a graded score must be to be right, only a baseline says.
    """
    if was is None:
        return now.passes is None or (now.passes is False and not graded)
    return now.passes is not True and was.passes is not False


def _change(
    case: Case,
    name: str,
    scores: tuple[CaseScore, CaseScore],
    before: dict[str, list[Result]],
    after: dict[str, list[Result]],
) -> CaseChange:
    was, now = scores[0].seen, scores[1].seen
    assert was is not None  # it moved
    assert now is not None
    # Of repeats, show where the side that is worse did worst and the better one best.
    old_result, old_score = _extreme(before[case.id], name, lowest=was < now)
    new_result, new_score = _extreme(after[case.id], name, lowest=now < was)
    return CaseChange(
        case=case.id,
        score=name,
        input=input_of(case),
        baseline=was,
        candidate=now,
        baseline_output=old_result.output,
        candidate_output=new_result.output,
        baseline_reason=old_score.reason,
        candidate_reason=new_score.reason,
    )


def _golden(
    case: Case,
    name: str,
    scores: tuple[CaseScore | None, CaseScore],
    before: dict[str, list[Result]],
    after: dict[str, list[Result]],
) -> GoldenLoss:
    was, now = scores
    old_result, _ = _extreme(before[case.id], name, lowest=False)
    new_result, new_score = _extreme(after[case.id], name, lowest=True)
    return GoldenLoss(
        case=case.id,
        score=name,
        input=input_of(case),
        baseline=was.seen if was is not None else None,
        candidate=now.seen,
        failed=now.passes is False,
        baseline_output=old_result.output,
        candidate_output=new_result.output,
        candidate_reason=new_score.reason or new_result.error,
    )


def input_of(case: Case) -> dict[str, Any]:
    """What a case says to whoever answers: its variables, and messages, turns and user when it has some."""
    more: dict[str, Any] = {"messages": case.messages, "turns": case.turns, "user": case.user}
    return {**case.variables, **{name: value for name, value in more.items() if value}}


def _by_case(results: Iterable[Result], wanted: Collection[str]) -> dict[str, list[Result]]:
    found: dict[str, list[Result]] = defaultdict(list)
    for result in of(results, wanted):
        found[result.case].append(result)
    return found


def _extreme(results: Sequence[Result], name: str, *, lowest: bool) -> tuple[Result, Score]:
    """The repeat with the lowest or highest score; else any; nothing where there is none."""
    scored = [(score.value, result, score) for result, score in _scored(results, name) if score.value is not None]
    if scored:
        _, result, score = (min if lowest else max)(scored, key=lambda each: each[0])
        return result, score
    nothing = Score(name=name, status="not_run")
    return next(_scored(results, name), (results[0] if results else Result(case=""), nothing))


def _scored(results: Sequence[Result], name: str) -> Iterator[tuple[Result, Score]]:
    return ((result, score) for result in results for score in result.scores if score.name == name)
