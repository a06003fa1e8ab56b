import math

import numpy as np
import pytest
from scipy import stats

from moat.evals.statistics.bootstrap import ratio_bootstrap, resample
from moat.evals.statistics.intervals import mean_interval
from moat.evals.statistics.ratios import relative_change

WORLDS = 2000


def mean(sums):
    return sums[:, 0] / sums[:, 1]


def parts(values):
    return np.stack([np.asarray(values), np.ones(len(values))], axis=1)


@pytest.mark.parametrize("seed", range(3))
def test_resampling_equals_scipys_bca(seed):
    values = np.random.default_rng(seed).lognormal(0, 1, 60)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    ours = resample(parts(values), mean, samples=20_000)
    assert ours == pytest.approx((theirs.low, theirs.high), rel=0.02)
    assert resample(parts(values), mean) == resample(parts(values), mean)


def test_clusters_are_drawn_together():
    values, clusters = [0.0] * 3 + [1.0] * 6 + [0.5] * 3, list("aaabbbcccddd")
    alone = resample(parts([0.0, 1.0, 1.0, 0.5]), mean)
    assert resample(parts(values), mean, clusters=clusters) == pytest.approx(alone)
    assert resample(parts([1.0, 0.0]), mean, clusters=["a", "a"]) == (-math.inf, math.inf)


def test_all_alike_has_no_length_and_one_cluster_no_end():
    assert ratio_bootstrap([0.5] * 9, [1.0] * 9) == (0.5, 0.5)
    assert ratio_bootstrap([2.0] * 9, [4.0] * 9, log=True) == pytest.approx((0.5, 0.5))
    assert ratio_bootstrap([1.0, 2.0], [1.0, 1.0], clusters=["a", "a"]) == (-math.inf, math.inf)


def test_samples_without_a_value_are_left_out_and_none_at_all_is_unknown():
    units = np.array([[1.0, 0.0]] * 3 + [[1.0, 1.0]] * 3)
    low, high = resample(units, lambda sums: sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], np.nan))
    assert 0 < low < 2 < high < 10
    assert resample(units, lambda sums: np.full(len(sums), np.nan)) == (-math.inf, math.inf)


@pytest.mark.parametrize("n", [40, 80])
def test_resampled_correlations_cover_95_percent(n):
    # A statistic of five sums, with a skewed distribution: Pearson's correlation of 0.6.
    random = np.random.default_rng(n)
    x = random.normal(size=(WORLDS, n))
    y = 0.6 * x + 0.8 * random.normal(size=(WORLDS, n))

    def correlation(sums):
        count, sx, sy, sxx, syy, sxy = sums.T
        return (count * sxy - sx * sy) / np.sqrt((count * sxx - sx**2) * (count * syy - sy**2))

    worlds = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=2)
    covered = [low <= 0.6 <= high for low, high in (resample(world, correlation) for world in worlds)]
    assert 0.92 <= np.mean(covered) <= 0.975


@pytest.mark.parametrize("seed", range(3))
def test_the_studentised_interval_is_students_on_even_values(seed):
    values = np.random.default_rng(seed).normal(3, 1, 200)
    ours = ratio_bootstrap(values, np.ones(200))
    theirs = mean_interval(values)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)
    logged = ratio_bootstrap(values, np.ones(200), log=True)
    assert logged == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_the_mean_of_skewed_clusters_is_covered_better_than_by_student():
    random = np.random.default_rng(2)
    clusters = np.repeat(np.arange(40), 3)
    draws = random.exponential(1, (WORLDS, 40))[:, clusters] * random.lognormal(0, 0.3, (WORLDS, 120))
    truth = math.exp(0.045)
    ones = np.ones(120)
    ours = [ratio_bootstrap(values, ones, clusters=clusters) for values in draws]
    students = [mean_interval(values, clusters) for values in draws]
    covered = np.mean([low <= truth <= high for low, high in ours])
    assert 0.93 <= covered <= 0.97
    assert covered > np.mean([e.low <= truth <= e.high for e in students])


@pytest.mark.parametrize(("n", "spread"), [(30, 0.5), (60, 1.0)])
def test_the_change_of_skewed_costs_is_covered_95_percent(n, spread):
    random = np.random.default_rng(n)
    before = random.lognormal(0, spread, (WORLDS, n))
    after = before * random.lognormal(0.1, 0.3, (WORLDS, n))
    truth = math.exp(0.1 + 0.045) - 1
    found = [relative_change(*pair) for pair in zip(before, after, strict=True)]
    assert 0.93 <= np.mean([e.low <= truth <= e.high for e in found]) <= 0.97


def test_changes_by_hand():
    change = relative_change([1, 2, 3, 4], [2, 2, 3, 5])
    assert change.mean == pytest.approx(0.2)
    assert -1 <= change.low < 0.2 < change.high
    same = relative_change([1, 2, 3], [2, 4, 6])
    assert same[:4] == pytest.approx((1.0, 1.0, 1.0, 0.0))
    doubled = relative_change([1, 2, 3, 4] * 2, [2, 2, 3, 5] * 2, list("abcdabcd"))
    assert doubled[:4] == pytest.approx(change[:4])
    assert relative_change([1], [2]).high == math.inf
    assert relative_change([1, 1], [0, 0])[:5] == (-1.0, -1.0, math.inf, math.inf, 2)


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: relative_change([1], [1, 2]),
        lambda: relative_change([0, 0], [1, 2]),
        lambda: relative_change([-1, 3], [1, 2]),
        lambda: relative_change([], []),
        lambda: ratio_bootstrap([1.0, 2.0], [1.0, 1.0], clusters=["a"]),
        lambda: ratio_bootstrap([1.0, math.inf], [1.0, 1.0]),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
