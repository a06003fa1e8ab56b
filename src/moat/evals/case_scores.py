"""What each case of a run scored, over its repeats."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from moat.domain.scores import Result
from moat.evals.statistics.allocation import Phases
from moat.evals.statistics.repeats import PASS

DIGITS = 9
"""Decimals of a case's score."""


class CaseScore(NamedTuple):
    """A case's score: mean over repeats with a value (or what two phases of them come to, `Phases`), and what the
    missing ones leave possible.

    Rounded: the order of repeats is no difference.
    """

    low: float
    seen: float | None
    high: float
    values: tuple[float, ...]
    """Of its repeats; where repeats adapt, of those that every case has alike: what they say is no matter of choice."""
    later: tuple[float, ...] = ()
    """Where repeats adapt, of the others."""

    @property
    def complete(self) -> bool:
        """Is nothing missing?"""
        return self.low == self.high

    @property
    def passes(self) -> bool | None:
        """Did every repeat pass? None when none failed and some is missing."""
        if any(value < PASS for value in (*self.values, *self.later)):
            return False
        return True if self.complete else None


Table = dict[str, dict[str, CaseScore]]
"""By score and case. A case that says nothing for a score is absent."""


def tabulate(results: Iterable[Result], repeats: int, phases: Phases | None = None) -> Table:
    """The scores in some results, which are gone through once and not kept. `phases`: how repeats adapt."""
    values: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    later: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    silent: dict[str, set[str]] = defaultdict(set)
    cases: dict[str, int] = {}
    for result in results:
        cases[result.case] = cases.get(result.case, 0) + 1
        part = later if phases is not None and result.repeat >= phases.least else values
        for score in result.scores:
            mine = part[score.name]
            if score.value is not None:
                mine[result.case] = (*mine.get(result.case, ()), score.value)
            elif score.status == "not_run" and not result.error:
                silent[score.name].add(result.case)
    made: dict[tuple[object, ...], CaseScore] = {}  # most cases score alike: one object for all of them
    table: Table = {}
    for name in dict.fromkeys((*values, *later)):
        by_case, more = values[name], later[name]
        table[name] = mine_now = {}
        for case, asked in cases.items():
            found, then = by_case.pop(case, ()), more.pop(case, ())
            if not found and not then and case in silent[name]:
                continue
            key = (found, then, asked) if phases is not None else found
            score_of = made.get(key)
            if score_of is None:
                score_of = _case_score(found, repeats) if phases is None else _phased(found, then, asked, phases)
                made[key] = score_of
            mine_now[case] = score_of
    return table


UNKNOWN = CaseScore(0.0, None, 1.0, ())
"""Of a case without an answer."""


def paired(old: Table, new: Table) -> tuple[Table, Table]:
    """Both tables, in which a case that has a value in one and says nothing in the other is without an answer there.

    Otherwise a version could drop the cases that it gets wrong: by an answer that its scorers do not apply to.
    """
    return {name: _filled(mine, new.get(name, {})) for name, mine in old.items()}, {
        name: _filled(mine, old.get(name, {})) for name, mine in new.items()
    }


def _filled(mine: dict[str, CaseScore], other: dict[str, CaseScore]) -> dict[str, CaseScore]:
    return {**mine, **{case: UNKNOWN for case, score in other.items() if score.seen is not None and case not in mine}}


def _phased(before: tuple[float, ...], after: tuple[float, ...], asked: int, phases: Phases) -> CaseScore:
    low, high = (round(bound, DIGITS) for bound in phases.bounds(before, after, asked))
    seen = phases.score(before, after)
    return CaseScore(low, None if seen is None else round(seen, DIGITS), high, before, after)


def _case_score(values: tuple[float, ...], repeats: int) -> CaseScore:
    missing, total = max(0, repeats - len(values)), sum(values)
    count = max(repeats, len(values))
    seen = round(total / len(values), DIGITS) if values else None
    return CaseScore(round(total / count, DIGITS), seen, round((total + missing) / count, DIGITS), values)
