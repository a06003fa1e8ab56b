"""What each case of a run scored, over its repeats."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from moat.domain.scores import Result
from moat.evals.statistics.repeats import PASS

DIGITS = 9
"""Decimals of a case's score."""


class CaseScore(NamedTuple):
    """A case's score: mean over repeats with a value, and what the missing ones leave possible.

    Rounded: the order of repeats is no difference.
    """

    low: float
    seen: float | None
    high: float
    values: tuple[float, ...]

    @property
    def complete(self) -> bool:
        """Is nothing missing?"""
        return self.low == self.high

    @property
    def passes(self) -> bool | None:
        """Did every repeat pass? None when none failed and some is missing."""
        if any(value < PASS for value in self.values):
            return False
        return True if self.complete else None


Table = dict[str, dict[str, CaseScore]]
"""By score and case. A case that says nothing for a score is absent."""


def tabulate(results: Iterable[Result], repeats: int) -> Table:
    """The scores in some results, which are gone through once and not kept."""
    values: dict[str, dict[str, tuple[float, ...]]] = defaultdict(dict)
    silent: dict[str, set[str]] = defaultdict(set)
    cases: dict[str, None] = {}
    for result in results:
        cases[result.case] = None
        for score in result.scores:
            mine = values[score.name]
            if score.value is not None:
                mine[result.case] = (*mine.get(result.case, ()), score.value)
            elif score.status == "not_run" and not result.error:
                silent[score.name].add(result.case)
    made: dict[tuple[float, ...], CaseScore] = {}  # most cases score alike: one object for all of them
    table: Table = {}
    for name, by_case in values.items():
        table[name] = mine_now = {}
        for case in cases:
            found = by_case.pop(case, ())
            if not found and case in silent[name]:
                continue
            score_of = made.get(found)
            if score_of is None:
                score_of = made[found] = _case_score(found, repeats)
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
    return {**mine, **{case: UNKNOWN for case, score in other.items() if score.values and case not in mine}}


def _case_score(values: tuple[float, ...], repeats: int) -> CaseScore:
    missing, total = max(0, repeats - len(values)), sum(values)
    count = max(repeats, len(values))
    seen = round(total / len(values), DIGITS) if values else None
    return CaseScore(round(total / count, DIGITS), seen, round((total + missing) / count, DIGITS), values)
