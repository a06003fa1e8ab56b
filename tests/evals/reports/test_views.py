"""Stored answers as pages show them: bounded, and never with another meaning."""

import pytest

from moat.domain.scores import Case, Result, Score
from moat.evals.reports.views import DOCUMENTS, TEXT, asked_case, bins, run_answer


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([1, 0, 1], [(0, 0, 1), (1, 1, 2)]),
        ([0.25, 0.5, 0.25], [(0.25, 0.25, 2), (0.5, 0.5, 1)]),
    ],
)
def test_few_values_stand_by_themselves(values: list[float], expected: list[tuple[float, float, int]]) -> None:
    assert [(each.low, each.high, each.count) for each in bins(values)] == expected


def test_many_values_fall_into_tenths_and_none_is_lost() -> None:
    values = [n / 100 for n in range(101)]
    found = bins(values)
    assert [(each.low, each.high) for each in found] == [(n / 10, (n + 1) / 10) for n in range(10)]
    assert [each.count for each in found] == [10] * 9 + [11]


def test_what_is_very_long_is_cut_and_says_so() -> None:
    long = "x" * (TEXT + 1)
    evidence = {"claims": [long]}
    answer = run_answer(
        Result(case="a", output=long, scores=[Score(name="s", value=1, reason=long, evidence=evidence)])
    )
    assert (len(answer.output), answer.cut) == (TEXT + 1, True)
    assert len(answer.scores[0].reason) == TEXT + 1
    assert list(answer.scores[0].evidence) == ["cut"]
    assert run_answer(Result(case="a", context=["d"] * (DOCUMENTS + 1))).cut
    short = run_answer(Result(case="a", output="x", tool_calls=[{"function": {"name": "f"}}], context=["d"]))
    assert (short.cut, short.tool_calls, short.context) == (False, [{"function": {"name": "f"}}], ["d"])
    assert len(asked_case(Case(id="a", variables={"question": long})).input) == TEXT + 1
