import math

import numpy as np
import pytest
from statsmodels.stats.power import NormalIndPower, TTestPower

from moat.evals.statistics.intervals import difference_interval
from moat.evals.statistics.noninferiority import decide, more_to_decide, non_inferiority
from moat.evals.statistics.power import (
    Design,
    assumed_deviation,
    cases_needed,
    design_effect,
    detect,
    detectable,
    least_cases,
    power_of,
)
from moat.evals.statistics.repeats import Components
from moat.evals.statistics.significance import holm, paired_test

WORLDS = 2000


def flipping(random, worlds, cases, lost, won):
    return random.choice([-1.0, 0.0, 1.0], p=[lost, 1 - lost - won, won], size=(worlds, cases))


def share(worlds, verdict, margin):
    """In how many worlds of independent cases this is the verdict; worlds with the same counts are looked at once."""
    rows, counts = np.unique(np.sort(worlds, axis=1), axis=0, return_counts=True)
    found = [non_inferiority(row, margin).verdict == verdict for row in rows]
    return np.average(found, weights=counts)


@pytest.mark.parametrize("cases", [40, 150])
@pytest.mark.parametrize("flips", [0.02, 0.1, 0.3])
def test_a_candidate_that_is_no_worse_is_rarely_blocked(cases, flips):
    worlds = flipping(np.random.default_rng(cases), WORLDS, cases, flips / 2, flips / 2)
    assert share(worlds, "regressed", 0.02) <= 0.05


@pytest.mark.parametrize(("cases", "lost", "won"), [(80, 0.1, 0.05), (200, 0.05, 0.0), (200, 0.15, 0.1)])
def test_a_loss_at_the_margin_rarely_passes(cases, lost, won):
    worlds = flipping(np.random.default_rng(cases), WORLDS, cases, lost, won)
    assert share(worlds, "pass", lost - won) <= 0.04  # 2.5 % and the noise of the simulation


@pytest.mark.parametrize("clustered", [False, True])
def test_repeats_and_clusters_block_no_more_often(clustered):
    # Sixty cases in twenty clusters, as easy for both versions; three repeats of each, averaged.
    random = np.random.default_rng(9)
    clusters = np.repeat(np.arange(20), 3).tolist()
    ease = random.beta(4, 2, (WORLDS // 4, 20)).repeat(3, axis=1) if clustered else random.beta(4, 2, (WORLDS // 4, 60))
    shift = random.normal(0, 0.15, (WORLDS // 4, 20)).repeat(3, axis=1) if clustered else 0.0
    new, old = (random.binomial(3, np.clip(ease + sign * shift, 0, 1)) / 3 for sign in (1, -1))
    found = [non_inferiority(values, 0.02, clusters if clustered else None) for values in (new - old).tolist()]
    assert np.mean([decision.verdict == "regressed" for decision in found]) <= 0.05 + 3 * math.sqrt(0.0475 / len(found))


def test_several_gates_together_block_no_more_often():
    random = np.random.default_rng(10)
    blocked = 0
    for _ in range(WORLDS):
        shared = random.random(80) < 0.5  # the same cases are hard for all three scores
        scores = [random.choice([-1.0, 0.0, 1.0], 80, p=[0.1, 0.8, 0.1]) * shared for _ in range(3)]
        adjusted = holm([paired_test(values)[1].worse for values in scores])
        blocked += any(
            decide(0.01, -1.0, values.mean(), p) == "regressed" for p, values in zip(adjusted, scores, strict=True)
        )
    assert blocked / WORLDS <= 0.05


def test_clusters_and_graded_scores_are_judged_too():
    random = np.random.default_rng(4)
    clusters = np.repeat(np.arange(30), 5).tolist()
    loss = (random.normal(-0.2, 0.05, 30)[np.array(clusters)] + random.normal(0, 0.05, 150)).tolist()
    found = non_inferiority(loss, 0.05, clusters)
    assert (found.verdict, found.more, found.method) == ("regressed", None, "sign-flip permutation test by cluster")
    assert found.p.worse < 0.01
    assert non_inferiority([0.0] * 80, 0.05).verdict == "pass"
    assert non_inferiority([0.0], 0.05).more == (None, None)


@pytest.mark.parametrize(("lost", "won", "margin"), [(0.05, 0.05, 0.05), (0.16, 0.06, 0.05)])
def test_as_many_more_cases_as_said_decide_four_times_in_five(lost, won, margin):
    random = np.random.default_rng(1)
    cases = 60
    error = math.sqrt((lost + won - (lost - won) ** 2) / cases)
    more = more_to_decide(lost - won, error, cases, margin)
    worlds = flipping(random, 600, cases + more.cases, lost, won)
    decided = [non_inferiority(values, margin).verdict != "inconclusive" for values in worlds.tolist()]
    assert 0.7 <= np.mean(decided) <= 0.92


def test_as_many_more_repeats_as_said_bring_the_error_that_is_needed():
    # Variance of one difference: 0.01 between cases, 0.2 within at one repeat.
    between, within, n = 0.01, 0.2, 150
    error = math.sqrt((between + within) / n)
    more = more_to_decide(0.0, error, n, 0.05, within=within)
    needed = cases_needed(error * math.sqrt(n), 0.05)
    assert more.cases == needed - n
    k = 1 + more.repeats
    assert (between + within / k) / n <= (between + within) / needed
    assert (between + within / (k - 1)) / n > (between + within) / needed


def test_repeats_do_not_help_where_cases_are_too_few_or_differ_too_much():
    assert more_to_decide(0.0, 0.1, 20, 0.05, within=0.1).repeats is None  # 73 cases see rare losses, 20 do not
    assert more_to_decide(0.0, 0.05, 150, 0.05, within=0.01).repeats is None
    assert more_to_decide(0.0, 0.05, 150, 0.05).repeats is None
    assert more_to_decide(0.05, 0.05, 150, 0.05) == (None, None)
    assert more_to_decide(0.0499, 0.05, 150, 0.05).cases is None
    assert more_to_decide(0.0, math.inf, 1, 0.05) == (None, None)


def test_the_least_cases_are_those_with_which_no_change_passes():
    for margin in (0.02, 0.05, 0.1):
        n = least_cases(margin)
        assert -difference_interval([0.0] * n).low <= margin < -difference_interval([0.0] * (n - 2)).low
    assert least_cases(0.05) == 73


@pytest.mark.parametrize(("effect", "deviation", "n"), [(0.05, 0.4, 100), (0.02, 0.3, 2000), (0.1, 0.5, 50)])
def test_power_is_statsmodels(effect, deviation, n):
    theirs = NormalIndPower(ddof=0).power(effect / deviation, n, 0.05, ratio=0)
    assert power_of(effect, deviation, n) == pytest.approx(theirs, abs=1e-6)
    exact = TTestPower().power(effect / deviation, n, 0.05)
    assert power_of(effect, deviation, n) == pytest.approx(exact, abs=0.02)
    assert power_of(detectable(deviation, n), deviation, n) == pytest.approx(0.8, abs=1e-4)
    assert (power_of(0.1, 0, 10), power_of(0, 0, 10)) == (1.0, 0.05)


def test_clusters_widen_what_is_seen_by_the_design_effect():
    random = np.random.default_rng(7)
    sizes = [2] * 50 + [8] * 50
    icc, total = 0.3, 0.25
    clusters = np.repeat(np.arange(100), sizes)
    draws = random.normal(0, math.sqrt(icc * total), (4000, 100))[:, clusters]
    draws = draws + random.normal(0, math.sqrt((1 - icc) * total), (4000, 500))
    effect = design_effect(sizes, icc)
    assert draws.mean(axis=1).var() == pytest.approx(total * effect / 500, rel=0.1)
    assert design_effect([1] * 9, 0.5) == 1
    seen = detect(Design(500, effect_of_clusters=effect), Components(total, 0.0))
    assert seen == pytest.approx(detectable(math.sqrt(total * effect), 500))


def test_what_a_design_sees():
    found = Components(0.04, 0.12)
    assert detect(Design(100, repeats=3), found) == pytest.approx(detectable(math.sqrt(0.08), 100))
    assert detect(Design(100, repeats=1000), found) > detectable(0.2, 100)


def test_the_deviation_assumed_is_that_of_two_correlated_coins():
    random = np.random.default_rng(0)
    z = random.multivariate_normal([0, 0], [[1, 0.75], [0.75, 1]], 200_000)
    passed = z < 0.8416  # 80 % of each
    correlation = np.corrcoef(passed.T)[0, 1]
    seen = (passed[:, 0] * 1.0 - passed[:, 1]).std()
    assert assumed_deviation(0.8, correlation) == pytest.approx(seen, rel=0.01)
    assert assumed_deviation(1.0) == 0


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: non_inferiority([0.0], 0),
        lambda: non_inferiority([], 0.1),
        lambda: least_cases(0.05, 0.05),
        lambda: least_cases(1.0),
        lambda: design_effect([], 0.1),
        lambda: design_effect([0, 1], 0.1),
        lambda: assumed_deviation(1.1),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
