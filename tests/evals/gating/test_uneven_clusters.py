"""Gates on data some of whose clusters are far larger than others, and what else must not tip a verdict."""

import random

import pytest

from moat.domain.scores import Case, Result, Score
from moat.evals.case_scores import UNKNOWN, paired, tabulate
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.early import Stopping, random_units
from moat.evals.gate import judge
from moat.evals.statistics.allocation import Phases
from moat.evals.suites import Gate
from tests.evals.gating.test_gate import measured
from tests.evals.worlds import a_dataset

GATES = (Gate(score="good", margin=0.05),)


def documents(*sizes):
    """A dataset with a document of each size."""
    cases = tuple(
        Case(id=f"case-{document:03d}-{i:03d}", cluster=f"d{document}" if size > 1 else "")
        for document, size in enumerate(sizes)
        for i in range(size)
    )
    return Dataset(cases, dataset_digest(cases))


def test_large_documents_that_lose_do_not_pass_behind_many_small_ones():
    data = documents(*[1] * 300, *[40] * 10)
    after = [1.0] * 300 + [0.0 if i % 10 < 4 else 1.0 for i in range(400)]  # a loss of 0.229
    for run in range(12):
        sides = measured(data, [1] * 700, name="old"), measured(data, after, name=f"new{run}")
        early = compare(*sides, data, stopping=Stopping(GATES))
        report = judge(early, GATES)
        assert report.verdict != "pass"
        assert "310 independent cases (uneven: no more than 18 of the largest) do not decide" in report.gates[0].reason
        assert early.early.gates[0].units == 310
        assert early.early.gates[0].mean == pytest.approx(-16 / 70)
        assert early.early.gates[0].low <= -16 / 70 <= early.early.gates[0].high
    assert judge(compare(*sides, data), GATES).verdict != "pass"


def test_documents_of_many_sizes_still_decide():
    data = documents(*[2, 3, 4, 5, 6] * 60)
    sides = [measured(data, [score] * len(data.cases), name=name) for name, score in (("old", 1), ("new", 1))]
    same = compare(*sides, data, stopping=Stopping(GATES)).early.gates[0]
    worse = measured(data, [i % 2 for i in range(len(data.cases))], name="new")
    lost = compare(sides[0], worse, data, stopping=Stopping(GATES)).early.gates[0]
    assert (same.course, lost.course) == ("pass", "regressed")
    assert max(same.units, lost.units) < 200


def test_a_weight_is_a_share_of_the_largest_document_of_all_asked_or_not():
    data = documents(*[1] * 200, 30)
    found = []
    for share in (1, 0.9):
        asked = {case.id for unit in random_units(data, "run_new")[: int(201 * share)] for case in unit}
        sides = [measured(data, [1] * 230, name=name) for name in ("old", "new")]
        kept = [Measured(s.run, [r for r in s.results if r.case in asked]) for s in sides]
        found.append(compare(*kept, data, stopping=Stopping(GATES)).early.gates[0])
    assert [gate.course for gate in found] == ["go on", "go on"]
    assert found[1].units == 180


def test_a_few_failures_at_the_start_do_not_forbid_a_pass():
    data = a_dataset(1500)
    first = {unit[0].id for unit in random_units(data, "run_candidate")[:6]}
    after = [None if case.id in first else 1 for case in data.cases]
    sides = measured(data, [1] * 1500, name="baseline"), measured(data, after)
    assert judge(compare(*sides, data, stopping=Stopping(GATES)), GATES).verdict == "pass"


def test_a_floor_holds_for_graded_scores_in_clusters():
    data, draw, blocked = documents(*[1, 1, 2, 4, 12] * 12), random.Random(5), 0
    for _ in range(100):
        high = {case.unit: draw.random() < 0.1 for case in data.cases}
        values = [1.0 if high[case.unit] else 0.5 for case in data.cases]
        found = judge(compare(None, measured(data, values), data), (Gate(score="good", min=0.55),))
        blocked += found.verdict == "regressed"
    low = [0.5 if i % 9 else 1.0 for i in range(len(data.cases))]
    assert judge(compare(None, measured(data, low), data), (Gate(score="good", min=0.8),)).verdict == "regressed"
    assert blocked <= 10


def test_repeats_that_adapt_advise_no_more_repeats():
    data = a_dataset(60)
    values = [[1, 1, 1] if i % 3 else [1, 0, 1, 0, 1, 1] for i in range(60)]
    sides = [measured(data, values, name=name, repeats=6, least=2) for name in ("old", "new")]
    comparison = compare(*sides, data)
    summary, found = comparison.scores[0].candidate, judge(comparison, GATES).gates[0]
    assert (summary.repeats, summary.noise, found.more_repeats) == (2, None, None)
    assert (found.verdict, found.more_cases is not None) == ("inconclusive", True)
    fixed = compare(*(measured(data, [v[:3] for v in values], name=n, repeats=3) for n in ("old", "new")), data)
    assert (fixed.scores[0].candidate.repeats, fixed.scores[0].candidate.noise > 0) == (3, True)


def test_a_case_known_by_a_later_answer_alone_cannot_be_dropped():
    def answers(*values):
        scores = [Score(name="q", status="error" if v is None else "ok", value=v) for v in values]
        return [Result(case="a", repeat=i, scores=[score]) for i, score in enumerate(scores)]

    other = [Result(case="b", scores=[Score(name="q", value=1.0)])]
    silent = [Result(case="a", repeat=i, scores=[Score(name="q", status="not_run")]) for i in range(3)]
    old, new = (tabulate(found, 8, Phases(2, 8)) for found in (answers(None, None, 1.0), [*silent, *other]))
    assert "a" not in new["q"]
    assert paired(old, new)[1]["q"]["a"] == UNKNOWN


def test_a_case_is_its_own_unit_unless_it_has_a_cluster():
    assert Case(id="x").unit != Case(id="y", cluster="x").unit == Case(id="z", cluster="x").unit
