import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from moat.evals.statistics.allocation import two_phase_score
from moat.evals.statistics.repeats import (
    Components,
    best_repeats,
    components,
    flake_rate,
    flaky,
    flips,
    pass_at_k,
    pass_hat_k,
    steadiness,
)

WORLDS = 2000


def test_flaky_cases():
    assert (flaky([1, 1]), flaky([1, 0.2])) == (False, True)
    assert flake_rate([[1, 1], [0, 1], [1]]) == 0.5
    assert flake_rate([[1]]) is None
    assert (flake_rate([]), components([]), steadiness([]), steadiness([], repeats=3)) == (None,) * 4
    found = flips({"steady": [1, 1, 1, 1], "rare": [1, 1, 1, 0], "coin": [0, 1, 0, 1], "bad": [0, 0, 0, 0]})
    assert found == [("coin", 2, 4), ("rare", 3, 4)]


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=8), st.integers(1, 8))
def test_k_answers_are_counted_over_all_ways_to_draw_them(values, k):
    ways = list(itertools.combinations(values, k))
    one, every = pass_at_k([values, values], k), pass_hat_k([values, values], k)
    if not ways:
        assert (one, every) == (None, None)
    else:
        assert one.mean == pytest.approx(np.mean([max(way) for way in ways]))
        assert every.mean == pytest.approx(np.mean([min(way) for way in ways]))


@pytest.mark.parametrize(("k", "repeats"), [(1, 4), (2, 5), (3, 5)])
def test_pass_k_is_unbiased_and_covered(k, repeats):
    # p of a case is Beta(4, 1): E[p^k] = 4/(4+k); E[(1-p)^k] = k! 4!/(4+k)!
    random = np.random.default_rng(k)
    worlds = random.binomial(1, random.beta(4, 1, (1000, 60))[:, :, None], (1000, 60, repeats)).tolist()
    at_least_one = 1 - math.factorial(k) * math.factorial(4) / math.factorial(4 + k)
    # Close to 1, where a few cases decide, the interval is on the safe side.
    for method, truth, most in ((pass_hat_k, 4 / (4 + k), 0.975), (pass_at_k, at_least_one, 0.985)):
        found = [method(world, k) for world in worlds]
        assert np.mean([e.mean for e in found]) == pytest.approx(truth, abs=0.005)
        assert 0.93 <= np.mean([e.low <= truth <= e.high for e in found]) <= most


def test_cases_with_too_few_repeats_say_nothing_and_clusters_widen():
    cases = [[1, 1, 0]] * 10 + [[1]] * 5
    assert pass_hat_k(cases, 2).mean == pytest.approx(1 / 3)
    assert pass_hat_k(cases, 2).clusters == 10
    mixed = [[1, 1], [1, 1], [0, 1], [0, 1], [1, 1], [1, 1]]
    together = pass_hat_k(mixed, 2, ["a", "a", "b", "b", "c", "c"])
    assert together.high - together.low > pass_hat_k(mixed, 2).high - pass_hat_k(mixed, 2).low


@pytest.mark.parametrize("seed", range(5))
def test_components_are_the_mean_squares_of_a_one_way_anova(seed):
    cases = np.random.default_rng(seed).normal(size=(12, 1)) + np.random.default_rng(seed + 9).normal(size=(12, 4))
    found = components(cases.tolist())
    f = stats.f_oneway(*cases).statistic
    assert found.within == pytest.approx(cases.var(axis=1, ddof=1).mean())
    assert found.between == pytest.approx(max(0, (f - 1) * found.within / 4))


def test_components_are_found_again_in_uneven_repeats():
    random = np.random.default_rng(3)
    sizes = random.integers(1, 6, 4000)
    truth = random.normal(0, 0.3, 4000)
    found = components([(mean + random.normal(0, 0.2, size)).tolist() for mean, size in zip(truth, sizes, strict=True)])
    assert (found.between, found.within) == (pytest.approx(0.09, rel=0.1), pytest.approx(0.04, rel=0.1))
    assert found.icc == pytest.approx(0.09 / 0.13, abs=0.05)
    assert found.error(100, 4) == pytest.approx(math.sqrt((0.09 + 0.01) / 100), rel=0.1)
    assert components([[1, 1], [1, 1]]).icc == 1
    assert components([[1], [0]]) is None
    assert components([[1, 0], []]) is None


@pytest.mark.parametrize(
    ("between", "within", "case", "answer"),
    [(0.1, 0.1, 5, 1), (0.02, 0.2, 9, 1), (0.2, 0.02, 3, 1)],
)
def test_the_best_repeats_are_the_cheapest_of_all(between, within, case, answer):
    found = Components(between, within)
    price = {k: (between + within / k) * (case + k * answer) for k in range(1, 101)}
    assert best_repeats(found, case, answer) == min(price, key=price.get)


def test_repeats_at_the_edges():
    assert best_repeats(Components(0.1, 0.0), 5, 1) == 1
    assert best_repeats(Components(0.1, 0.2), 0, 1) == 1
    assert best_repeats(Components(0.0, 0.2), 5, 1) == 100


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: pass_at_k([[1]], 0),
        lambda: pass_hat_k([[1]], 1, []),
        lambda: best_repeats(Components(1, 1), 1, 0),
        lambda: two_phase_score([1], [], 0.5),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.3, 0.5, 1.0]), min_size=1, max_size=4), min_size=1, max_size=12),
    st.booleans(),
)
def test_steadiness_is_what_the_single_measures_say(cases, clustered):
    k = max(map(len, cases))
    clusters = [index // 2 for index in range(len(cases))] if clustered else None
    found = steadiness(cases, clusters)
    whole = [values for values in cases if len(values) == k]
    if k == 1:
        assert found is None
        return
    assert (found.repeats, found.cases) == (k, len(whole))
    assert found.pass_k.mean == pytest.approx(pass_hat_k(cases, k, clusters).mean)
    assert found.pass_1.mean == pytest.approx(pass_hat_k(whole, 1).mean)
    assert found.flaky.mean == pytest.approx(flake_rate(whole))
    for share in (found.pass_1, found.pass_k, found.flaky):
        assert 0 <= share.low <= share.mean + 1e-12 <= share.high + 2e-12 <= 1 + 2e-12


def test_the_first_repeats_alone_tell_when_others_were_asked_where_answers_flip():
    cases = [[1, 1], [1, 0, 0, 0, 0], [1, 1, 0]]
    found = steadiness(cases, repeats=2)
    assert (found.repeats, found.cases) == (2, 3)
    assert found.flaky.mean == pytest.approx(1 / 3)
    assert found.pass_1.mean == pytest.approx(5 / 6)
