"""Golden cases, slices, judges of unknown worth, repeats, several suites as one family."""

import numpy as np
import pytest
from msgspec.structs import replace

from moat.domain.scores import Case, Result, Score
from moat.evals.compare import Measured, compare
from moat.evals.datasets import Dataset, dataset_digest
from moat.evals.gate import ALPHA, Question, judge, judge_all
from moat.evals.markdown import to_markdown
from moat.evals.suites import Gate
from tests.evals.gating.test_gate import MARGIN, measured
from tests.evals.worlds import a_dataset


def golden_data(count):
    cases = (Case(id="gold", variables={"q": "?"}, golden=True), *(Case(id=f"c{i}") for i in range(count - 1)))
    return Dataset(cases, dataset_digest(cases))


def golden_verdict(before, after, *, gates=MARGIN, rest=200, repeats=1, **run):
    data = golden_data(rest + 1)
    fill = [[1] * repeats if repeats > 1 else 1] * rest
    old = measured(data, [before, *fill], name="baseline", repeats=repeats) if before is not None else None
    return judge(compare(old, measured(data, [after, *fill], repeats=repeats, **run), data), gates)


@pytest.mark.parametrize(
    ("before", "after", "repeats", "verdict", "reason"),
    [
        (1, 1, 1, "pass", "loss 0.000"),
        (1, 0, 1, "regressed", "golden case gold failed"),
        (1, 0.4, 1, "regressed", "golden case gold failed"),
        (1, 0.6, 1, "pass", "loss"),
        (0, 0, 1, "pass", "loss 0.000"),
        (0.4, 0, 1, "pass", "loss"),
        (None, 0, 1, "regressed", "golden case gold failed"),
        (None, 1, 1, "pass", "first run"),
        (None, 0.24, 1, "pass", "first run"),
        (1, None, 1, "inconclusive", "golden case gold lacks an answer"),
        ([1, 1], [1, 0], 2, "regressed", "golden case gold failed"),
        ([1, 0], [0, 0], 2, "pass", "loss"),
        ([1, 1], [1, None], 2, "inconclusive", "lacks an answer"),
        ([1, 1], [0, None], 2, "regressed", "golden case gold failed"),
        ("-", "-", 1, "pass", "loss 0.000"),
        (1, "-", 1, "inconclusive", "golden case gold lacks an answer"),
        (0, "-", 1, "pass", "loss"),
    ],
)
def test_a_golden_case_blocks_by_name_whatever_the_average_says(before, after, repeats, verdict, reason):
    report = golden_verdict(before, after, repeats=repeats)
    assert report.verdict == verdict
    assert reason in report.gates[0].reason


def test_a_lost_golden_case_brings_its_question_and_both_answers():
    report = golden_verdict(1, 0)
    (loss,) = report.gates[0].golden
    assert (loss.case, loss.input, loss.baseline, loss.candidate, loss.failed) == ("gold", {"q": "?"}, 1, 0, True)
    assert (loss.baseline_output, loss.candidate_output) == ("baseline says 1", "candidate says 0")
    assert "Golden case gold: good 1.00 before, 0.00 now" in to_markdown(report)


def test_an_identical_version_loses_no_golden_case():
    assert golden_verdict(1, 0, prompt_digest="baseline").verdict == "pass"


def test_only_gated_scores_make_a_case_golden():
    assert golden_verdict(1, 0, gates=(Gate(score="other", min=0.1),)).gates[0].golden == ()


@pytest.mark.parametrize("where", ["golden", "tags.gone"])
def test_golden_cases_block_also_when_every_gate_on_their_score_is_about_a_slice(where):
    data = golden_data(201)
    old, new = (measured(data, [gold, *[1] * 200], name=name) for gold, name in ((1, "baseline"), (0, "candidate")))
    gates = (Gate(score="good", margin=0.9, where=where), Gate(score="good", min=0, where="golden"))
    report = judge(compare(old, new, data, [where, "golden"]), gates)
    assert (report.verdict, report.gates[0].verdict) == ("regressed", "regressed")
    assert [len(result.golden) for result in report.gates] == [1, 0], "once"


def sliced(before_vip, after_vip, gates):
    cases = tuple(Case(id=f"c{i:03}", tags=["vip"] if i < 100 else [], labels={"kind": i % 2}) for i in range(300))
    data = Dataset(cases, dataset_digest(cases))
    old = measured(data, [*before_vip, *[1] * 200], name="baseline")
    wheres = [gate.where for gate in gates if gate.where]
    return judge(compare(old, measured(data, [*after_vip, *[1] * 200]), data, wheres), gates)


@pytest.mark.parametrize("where", ["tags.vip", "tags=vip"])
def test_a_gate_on_a_slice_sees_what_the_whole_hides(where):
    report = sliced(
        [1] * 100, [0] * 13 + [1] * 87, (Gate(score="good", margin=0.1), Gate(score="good", margin=0.1, where=where))
    )
    assert [result.verdict for result in report.gates] == ["pass", "regressed"]
    assert report.summary == f"Worse: good where {where}."
    assert report.comparison.score("good", where).candidate.n == 100
    assert f"good where {where}" in to_markdown(report)


def test_an_empty_slice_decides_nothing():
    report = sliced([1] * 100, [1] * 100, (Gate(score="good", margin=0.1, where="tags.gone"),))
    assert report.verdict == "inconclusive"
    assert report.gates[0].reason == "no case where tags.gone has this score"


@pytest.mark.parametrize(("uncalibrated", "verdict"), [("refuse", "inconclusive"), ("allow", "pass")])
def test_a_judge_of_unknown_worth_cannot_gate_unless_allowed(uncalibrated, verdict):
    data = a_dataset(300)
    comparison = compare(measured(data, [1] * 300, name="baseline"), measured(data, [1] * 300), data)
    gates = (Gate(score="good", margin=0.05, uncalibrated=uncalibrated),)
    report = judge(comparison, gates, {"good": "uncalibrated: nobody compared it with people"})
    assert report.verdict == verdict
    assert report.gates[0].unproven
    assert "nobody compared it with people" in to_markdown(report)


def test_it_cannot_block_either():
    data = a_dataset(300)
    comparison = compare(measured(data, [1] * 300, name="baseline"), measured(data, [0] * 300), data)
    assert judge(comparison, MARGIN, {"good": "uncalibrated"}).verdict == "inconclusive"


def test_repeats_that_would_decide_are_named_when_noise_within_cases_is_the_reason():
    data, random = a_dataset(120), np.random.default_rng(5)
    sides = {
        name: measured(data, [[float(v) for v in row] for row in random.random((120, 2)) < 0.7], name=name, repeats=2)
        for name in ("baseline", "candidate")
    }
    report = judge(compare(sides["baseline"], sides["candidate"], data), (Gate(score="good", margin=0.06),))
    (result,) = report.gates
    assert report.verdict == "inconclusive"
    assert result.more_repeats is not None
    assert "more repeats of each case would decide" in result.way_out
    more = 2 + result.more_repeats
    share = (120 / (120 + result.more_cases)) if result.more_cases else 0
    noise = report.comparison.scores[0].difference.noise
    assert (1 - noise) + noise * 2 / more <= share + 1e-9


def test_without_repeats_none_are_named():
    data = a_dataset(40)
    report = judge(compare(measured(data, [1] * 40, name="baseline"), measured(data, [0] * 4 + [1] * 36), data), MARGIN)
    assert report.gates[0].more_repeats is None
    assert report.gates[0].way_out.startswith("about ")


def test_what_differs_only_between_cases_is_not_helped_by_repeats():
    data = a_dataset(40)
    before = measured(data, [[1, 1]] * 40, name="baseline", repeats=2)
    after = measured(data, [[0, 0]] * 4 + [[1, 1]] * 36, repeats=2)
    (result,) = judge(compare(before, after, data), MARGIN).gates
    assert (result.verdict, result.more_repeats) == ("inconclusive", None)


def test_several_suites_are_one_family():
    data = a_dataset(60)
    comparison = compare(measured(data, [1] * 60, name="baseline"), measured(data, [0] * 6 + [1] * 54), data)
    alone = judge(comparison, MARGIN)
    (together, *_) = judge_all([Question(comparison, MARGIN)] * 5)
    assert alone.verdict == "regressed"
    assert together.gates[0].p_margin == pytest.approx(5 * alone.gates[0].p_margin)
    assert together.verdict == "inconclusive"
    assert judge_all([]) == []


@pytest.mark.no_cover
def test_the_whole_gate_blocks_an_equal_candidate_at_most_at_alpha():
    random, worlds, n, suites = np.random.default_rng(0), 250, 60, 4
    data, blocked = a_dataset(n), 0
    for _ in range(worlds):
        questions = []
        for _ in range(suites):
            draws = random.random((2, n)) < 0.8
            sides = [
                Measured(
                    measured(data, [1] * n, name=name).run,
                    [
                        Result(case=c.id, scores=[Score(name="good", value=float(v))])
                        for c, v in zip(data.cases, row, strict=True)
                    ],
                )
                for name, row in zip(("baseline", "candidate"), draws, strict=True)
            ]
            questions.append(Question(compare(*sides, data), (Gate(score="good", margin=0.05),)))
        blocked += any(report.verdict == "regressed" for report in judge_all(questions))
    assert blocked / worlds <= ALPHA + 0.02


def test_another_meaning_of_the_model_is_not_identical():
    data = a_dataset(100)
    old, new = (
        measured(data, [1] * 100, name="baseline", prompt_digest="x"),
        measured(data, [0] * 100, prompt_digest="x"),
    )
    assert judge(compare(old, new, data), MARGIN).verdict == "pass"
    other = Measured(replace(new.run, deployments=("p/other",)), new.results)
    assert judge(compare(old, other, data), MARGIN).verdict == "regressed"


def test_results_are_gone_through_and_not_kept():
    class Stored:
        """Made anew each time, as pages of a store are."""

        def __init__(self, value):
            self.value = value

        def __iter__(self):
            return (
                Result(case=c.id, output="text" * 9, scores=[Score(name="good", value=self.value)]) for c in data.cases
            )

    data = a_dataset(1000)
    run = measured(data, [1] * 1000).run
    comparison = compare(
        Measured(replace(run, id="a", prompt_digest="a"), Stored(1.0)), Measured(run, Stored(0.0)), data
    )
    (score,) = comparison.scores
    assert (score.worse, score.better, len(score.regressed)) == (1000, 0, 200)
