import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from moat.evals.statistics.intervals import difference_interval, mean_interval, wilson
from moat.evals.statistics.power import cases_needed, detectable
from moat.evals.statistics.significance import below, holm, mcnemar, sign_flip

WORLDS = 2000


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_proportion_interval_equals_scipys(counts):
    successes, n = counts
    theirs = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert below(successes, n, 0.7) == pytest.approx(stats.binomtest(successes, n, 0.7, "less").pvalue, abs=1e-12)


@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_rule_of_three_for_losses_that_were_not_seen(noise):
    # None of 100 lost: up to 3 in 100 may, with 95 % confidence on one side.
    unseen = difference_interval([noise, -noise] * 50, confidence=0.9)
    assert -unseen.low == pytest.approx(3 / 100, rel=0.15)
    assert unseen.high == pytest.approx(-unseen.low)
    by_cluster = difference_interval([noise, -noise] * 50, [i // 4 for i in range(100)])
    assert -by_cluster.low == pytest.approx(1 - 0.025 ** (1 / 25), rel=0.05)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60).filter(lambda xs: np.std(xs) > 1e-6))
def test_the_mean_interval_equals_scipys_without_clusters(values):
    estimate = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert (estimate.low, estimate.high) == (pytest.approx(low), pytest.approx(high))


def test_equal_cases_of_one_cluster_count_as_one():
    estimate = mean_interval([0, 0, 0, 1, 1, 1, 1, 1, 1], list("aaabbbccc"))
    alone = mean_interval([0, 1, 1])
    assert estimate == pytest.approx(alone)
    assert mean_interval([0.2, 0.4], ["a", "a"]).high == math.inf
    assert difference_interval([0.2]).low == -math.inf


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_equals_the_binomial_test(lost, won):
    p = mcnemar(lost, won)
    if lost + won == 0:
        assert p == (1, 1)
    else:
        assert p.two_sided == pytest.approx(stats.binomtest(lost, lost + won).pvalue)
        assert p.worse == pytest.approx(stats.binomtest(won, lost + won, alternative="less").pvalue)


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=10))
def test_sign_flip_equals_scipys_exact_permutation_test(differences):
    theirs = [
        stats.permutation_test(
            (np.array(differences),), np.sum, permutation_type="samples", n_resamples=np.inf, alternative=side
        ).pvalue
        for side in ("two-sided", "less")
    ]
    assert sign_flip(differences) == pytest.approx(theirs)


def test_sign_flip_by_sample_is_near_the_exact_one_and_repeatable():
    differences = [-1.0] * 14 + [1.0] * 5
    p = sign_flip(differences)
    assert p == sign_flip(differences)
    assert p == pytest.approx(mcnemar(14, 5), abs=0.01)
    assert sign_flip(differences + [0.0] * 50, list(range(69))) == p


def test_a_cluster_flips_as_a_whole():
    assert sign_flip([-1.0] * 8, ["a"] * 4 + ["b"] * 4) == (0.5, 0.25)


@pytest.mark.parametrize(
    ("n", "flips", "shift"),
    [(30, 0.1, 0.0), (60, 0.3, -0.1), (200, 0.1, -0.05), (300, 0.02, 0.01)],
)
def test_the_interval_of_binary_differences_covers_95_percent(n, flips, shift):
    random = np.random.default_rng(n)
    lost, won = (flips - shift) / 2, (flips + shift) / 2
    draws = random.choice([-1.0, 1.0, 0.0], p=[lost, won, 1 - flips], size=(WORLDS, n))
    covered = [e.low <= shift <= e.high for e in map(difference_interval, draws)]
    # Few flips make the counts coarse: there the interval is on the safe side, as its paper shows.
    assert 0.93 <= np.mean(covered) <= (0.97 if n * flips >= 15 else 1)


@pytest.mark.parametrize("n", [20, 100])
def test_the_interval_of_graded_differences_covers_95_percent(n):
    random = np.random.default_rng(n)
    draws = np.clip(random.normal(-0.05, 0.2, (WORLDS, n)), -1, 1)
    covered = [e.low <= -0.05 <= e.high for e in map(difference_interval, draws)]
    # 20 cases leave room for total losses that none of them showed, which is more than their own spread.
    assert 0.93 <= np.mean(covered) <= (0.97 if n >= 100 else 1)


def test_small_noise_on_unchanged_cases_does_not_shorten_the_interval():
    flips = [1.0] * 8 + [-1.0] * 8
    quiet, noisy = (difference_interval(flips + [noise, -noise] * 32) for noise in (0.0, 0.001))
    assert (noisy.low, noisy.high) == pytest.approx((quiet.low, quiet.high), abs=1e-5)


@pytest.mark.parametrize("n", [30, 60, 130])
@pytest.mark.parametrize("noise", [0.0, 0.01])
@pytest.mark.parametrize(
    ("margin", "loss", "size", "wins"),
    [(0.05, 0.06, 1, 0), (0.05, 0.05, 1, 0.05), (0.1, 0.1, 1, 0), (0.1, 0.1, 0.5, 0), (0.2, 0.2, 1, 0)],
)
def test_rare_large_losses_rarely_pass_whatever_small_noise_hides_them(n, noise, margin, loss, size, wins):
    random = np.random.default_rng(n)
    lot = random.random((WORLDS, n))
    small = np.where(random.random((WORLDS, n)) < 0.3, random.choice([-noise, noise], (WORLDS, n)), 0.0)
    draws = np.where(lot < loss / size + wins, -size, np.where(lot > 1 - wins, 1.0, small))
    passed = [-difference_interval(values).low <= margin for values in draws]
    # 2.5 % and the noise of the simulation.
    assert np.mean(passed) <= 0.04


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 8)), min_size=2, max_size=30), st.booleans())
def test_the_interval_of_differences_is_finite_around_its_mean_and_fair_to_both_sides(drawn, clustered):
    values, labels = [value for value, _ in drawn], [label for _, label in drawn]
    clusters = labels if clustered else None
    one, other = (difference_interval([sign * value for value in values], clusters) for sign in (1, -1))
    assert one.low <= one.mean <= one.high
    assert (-other.high, -other.low, other.error) == pytest.approx((one.low, one.high, one.error), rel=1e-6)
    assert math.isfinite(one.error) == (not clustered or len(set(labels)) > 1)


def test_the_interval_of_clustered_scores_covers_95_percent_and_a_naive_one_does_not():
    random = np.random.default_rng(5)
    clusters = np.repeat(np.arange(25), 8)
    draws = random.normal(0, 0.2, (WORLDS, 25))[:, clusters] + random.normal(0, 0.2, (WORLDS, 200))
    robust = [e.low <= 0 <= e.high for e in (mean_interval(values, clusters) for values in draws)]
    naive = [e.low <= 0 <= e.high for e in map(mean_interval, draws)]
    assert 0.93 <= np.mean(robust) <= 0.97
    assert np.mean(naive) < 0.8


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]


def test_the_detectable_difference_is_found_with_the_power_promised():
    n, deviation = 400, 0.5
    effect = detectable(deviation, n)
    draws = np.random.default_rng(1).normal(effect, deviation, (WORLDS, n))
    found = np.mean(stats.ttest_1samp(draws, 0, axis=1).pvalue <= 0.05)
    assert found == pytest.approx(0.8, abs=0.03)
    assert cases_needed(deviation, effect) == pytest.approx(n, abs=1)
    assert detectable(1, 0) == math.inf


def test_millers_thousand_questions():
    # Three points at 80 % power with one answer in nine flipping: about a thousand questions.
    assert cases_needed(math.sqrt(1 / 9), 0.03) == pytest.approx(1000, rel=0.05)


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: wilson(3, 2),
        lambda: wilson(0, 0),
        lambda: mean_interval([]),
        lambda: mean_interval([math.nan]),
        lambda: mean_interval([1, 2], ["a"]),
        lambda: mcnemar(-1, 2),
        lambda: cases_needed(1, 0),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()


def test_floors_at_the_edges():
    assert (below(5, 5, 1.0), below(4, 5, 1.0), below(0, 5, 0.0)) == (1.0, 0.0, 1.0)
