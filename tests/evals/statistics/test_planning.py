import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import InputError
from moat.domain.scores import Case, Result, Run, Score
from moat.evals.planning import Demand, Past, Question, history, parse_points, plan
from moat.evals.statistics.noninferiority import non_inferiority
from moat.evals.statistics.power import cases_needed


def a_run(name="run", **more):
    known = {"suite_digest": "s", "dataset_digest": "d", "prompt_digest": "p1", "status": "finished", "repeats": 1}
    fixed = {"suite": "support", "prompt": "support/answer", "version": "1.0.0", "model": "m", "cases": 0}
    return Run(id=name, **{**fixed, **known, **more})


def a_past(values, cost=None, **more):
    """One case for each entry, with its repeats."""
    results = [
        Result(case=f"c{i}", repeat=k, cost=cost, scores=[Score(name="facts", value=value, cost=5)])
        for i, repeats in enumerate(values)
        for k, value in enumerate(repeats)
    ]
    return Past(a_run(repeats=len(values[0]), **more), iter(results))


def a_demand(cases=100, repeats=1, margin=0.05, clusters=None):
    made = [Case(id=f"c{i}", cluster=clusters[i] if clusters else "") for i in range(cases)]
    return Demand(name="support", cases=made, repeats=repeats, scores={"facts": margin})


def test_two_versions_tell_how_their_differences_vary():
    old = [[1.0]] * 100
    new = [[0.0]] * 10 + [[1.0]] * 90
    made = plan(a_demand(), Question(detect=0.05), a_past(new, 100), a_past(old, 100))
    (score,) = made.scores
    assert (score.known, score.cases, score.within) == ("two runs", 100, None)
    assert "100 cases, 10 of them" in score.basis
    # The differences' own standard deviation is 0.3; the honest interval makes of it a little more.
    assert 0.3 < math.sqrt(score.between) < 0.4
    (option,) = score.options
    assert option.cases == cases_needed(math.sqrt(score.between), 0.05)
    assert (made.answer_cost, made.run_cost) == (105, 10_500)
    assert option.cost == option.cases * 105
    assert score.sees == pytest.approx(2.8 * math.sqrt(score.between) / 10, rel=0.01)


def test_repeats_are_worth_what_varies_within_cases():
    random = np.random.default_rng(0)
    ease = random.beta(4, 1, 400)
    sides = [(random.random((400, 4)) < ease[:, None]).astype(float).tolist() for _ in range(2)]
    made = plan(a_demand(400, repeats=4), Question(detect=0.02), a_past(sides[0], 7), a_past(sides[1], 7))
    (score,) = made.scores
    # Both versions are equally good on every case: nothing varies between cases, 2 E[p(1-p)] = 4/15 within.
    assert score.within == pytest.approx(4 / 15, rel=0.1)
    assert score.between < 0.03
    assert [option.repeats for option in score.options] == [4, 1, 3, 5]
    needed = {option.repeats: option.cases for option in score.options}
    assert needed[1] > needed[3] > needed[4] > needed[5]
    asked = plan(a_demand(400, repeats=4), Question(detect=0.02, repeats=2), a_past(sides[0]), a_past(sides[1]))
    assert [option.repeats for option in asked.scores[0].options] == [2]
    assert asked.scores[0].options[0].answers == 2 * asked.scores[0].options[0].cases
    assert asked.answer_cost is None
    assert asked.scores[0].options[0].cost is None


def test_one_version_tells_half_and_the_rest_is_assumed():
    random = np.random.default_rng(1)
    alone = (random.random((200, 1)) < 0.8).astype(float).tolist()
    made = plan(a_demand(200), Question(), a_past(alone))
    assert made.scores[0].known == "one run"
    assert made.scores[0].between == pytest.approx(0.16, rel=0.15)
    assert any("Only one version" in note for note in made.notes)
    repeated = [[1.0, 0.0]] * 100
    noisy = plan(a_demand(100, 2), Question(), a_past(repeated)).scores[0]
    assert (noisy.between, noisy.within) == (0, pytest.approx(1.0))
    perfect = plan(a_demand(100), Question(), a_past([[1.0]] * 100)).scores[0]
    assert perfect.between == pytest.approx(102 / 104 * 2 / 104)


def test_without_runs_it_says_that_it_assumes():
    made = plan(a_demand(20), Question())
    (score,) = made.scores
    assert (score.known, made.answer_cost, made.run_cost) == ("assumed", None, None)
    assert score.between == pytest.approx(0.16)
    assert any("No stored run" in note for note in made.notes)
    assert any("fewer than 30" in note for note in made.notes)
    stated = plan(a_demand(20), Question(pass_rate=0.5), a_past([[1.0]] * 20)).scores[0]
    assert (stated.known, stated.between) == ("stated", pytest.approx(0.25))


def test_errors_and_scores_that_do_not_apply_are_left_out():
    past = a_past([[1.0]] * 50)
    silent = [
        Result(case="x1", error="timeout", scores=[Score(name="facts", status="not_run")]),
        Result(case="x2", scores=[Score(name="facts", status="not_run"), Score(name="other", value=1.0)]),
    ]
    made = plan(a_demand(52), Question(), Past(past.run, [*past.results, *silent]))
    assert made.scores[0].cases == 50
    nothing = plan(a_demand(2), Question(), Past(past.run, silent))
    assert nothing.scores[0].known == "assumed"
    one = plan(a_demand(1), Question(), a_past([[1.0]]), a_past([[0.0]]))
    assert one.scores[0].known == "assumed"


def test_clusters_count_for_what_they_are():
    random = np.random.default_rng(2)
    groups = [f"g{i // 10}" for i in range(200)]
    shift = np.repeat(random.choice([-1.0, 0.0, 1.0], 20, p=[0.2, 0.6, 0.2]), 10)
    new = [[float(value)] for value in np.clip(0.5 + shift / 2, 0, 1)]
    old = [[0.5]] * 200
    apart = plan(a_demand(200), Question(), a_past(new), a_past(old)).scores[0]
    together = plan(a_demand(200, clusters=groups), Question(), a_past(new), a_past(old))
    assert together.clusters == 20
    assert together.scores[0].between > 5 * apart.between
    few = plan(a_demand(200, clusters=[g[:2] for g in groups]), Question(), a_past(new), a_past(old))
    assert any("clusters" in note for note in few.notes)


def test_as_many_cases_as_its_gate_needs_pass_four_times_in_five():
    random = np.random.default_rng(3)
    flips = [0.06, 0.88, 0.06]
    new = [[0.5 + value / 2] for value in random.choice([-1.0, 0.0, 1.0], 300, p=flips)]
    score = plan(a_demand(300), Question(), a_past(new), a_past([[0.5]] * 300)).scores[0]
    draws = random.choice([-0.5, 0.0, 0.5], (500, score.cases_for_margin), p=flips)
    passed = [non_inferiority(values, 0.05).verdict == "pass" for values in draws.tolist()]
    assert 0.7 <= np.mean(passed) <= 0.9  # about: the spread is estimated, and rare losses are counted roughly
    assert plan(a_demand(margin=None), Question()).scores[0].cases_for_margin is None
    assert plan(a_demand(margin=1.0), Question()).scores[0].cases_for_margin is None


def test_the_runs_to_learn_from():
    newest, other, same = a_run("a"), a_run("b", prompt_digest="p2"), a_run("c")
    assert history([newest, same, other]) == (newest, other)
    assert history([newest, same]) == (newest, None)
    assert history([a_run("x", dataset_digest="e"), newest, other])[0] is newest
    assert history([a_run("x", status="running")]) is None
    assert history([newest, a_run("b", model="n")])[1].model == "n"


@pytest.mark.parametrize(
    ("text", "value"), [("2pts", 0.02), ("2 %", 0.02), ("0.02", 0.02), (".5pp", 0.005), ("1 Point", 0.01)]
)
def test_differences_are_read_as_people_write_them(text, value):
    assert parse_points(text) == pytest.approx(value)


@given(st.one_of(st.text(max_size=12), st.sampled_from(["0", "0pts", "100%", "1", "-1", "nan", "2x", "1e-2"])))
def test_what_is_no_difference_is_refused(text):
    if any(digit.isdigit() for digit in text) and text not in ("0", "0pts", "100%", "1", "-1", "2x", "1e-2"):
        return
    with pytest.raises(InputError, match="--detect"):
        parse_points(text)


def test_the_command_says_what_it_knows(project):
    text = project.ok("eval", "plan", "support", "--detect", "5pts").out
    assert "assumed: a pass rate of 0.8" in text
    assert "No stored run" in text
    project.ok("eval", "run", "support/answer@1.0.0", "--suite", "support")
    project.ok("eval", "run", "support/answer@1.1.0", "--suite", "support")
    made = project.ok("eval", "plan", "support", "--detect", "5pts", "--repeats", "2", "--json").json
    assert {score["known"] for score in made["scores"]} == {"two runs"}
    assert made["answer_cost"] > 0
    assert all(o["cost"] == 2 * o["cases"] * made["answer_cost"] for s in made["scores"] for o in s["options"])
    assert "known from" in project.ok("eval", "plan", "support").out


def test_the_command_refuses_what_it_does_not_know(project):
    assert project.run("eval", "plan", "suport").code == 66
    done = project.run("eval", "plan", "support", "--detect", "much")
    assert (done.code, "2pts, 2% or 0.02" in done.err) == (65, True)
