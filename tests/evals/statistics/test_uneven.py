"""Clusters of very different sizes: intervals hold the truth and tests keep their level, as with equal ones."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st

from moat.evals.statistics.clusters import balance
from moat.evals.statistics.intervals import difference_interval, difference_tails, mean_interval, rise
from moat.evals.statistics.noninferiority import more_to_decide, non_inferiority
from moat.evals.statistics.power import cases_to_pass
from moat.evals.statistics.proportions import share_interval
from moat.evals.statistics.significance import mean_below, paired_t, paired_test

WORLDS = 2000
NOISE = 3 * math.sqrt(0.05 * 0.95 / WORLDS)
"""Three standard errors of a share of 5 %."""


def lognormal(random, cases, clusters):
    """Some clusters have dozens of times as many cases as others."""
    shares = random.lognormal(0, 1, clusters)
    return random.multinomial(cases, shares / shares.sum())


def dirichlet(random, cases, clusters):
    """A few clusters hold most of the cases."""
    return random.multinomial(cases, random.dirichlet(np.full(clusters, 0.7)))


def even(random, cases, clusters):
    return np.full(clusters, cases // clusters)


def worlds(sizes, cases, clusters, seed, count=WORLDS):
    """The cluster of each case in each world, with the random numbers to go on with."""
    random = np.random.default_rng(seed)
    for _ in range(count):
        drawn = sizes(random, cases, clusters)
        drawn = drawn[drawn > 0]
        yield random, np.repeat(np.arange(len(drawn)), drawn), len(drawn)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=30))
def test_what_clusters_are_worth_is_kish_and_satterthwaite(sizes):
    shares = np.array(sizes) / sum(sizes)
    found = balance(np.array(sizes, dtype=float))
    assert found.worth == pytest.approx(sum(sizes) ** 2 / sum(size**2 for size in sizes))
    # The error squared is a quadratic form of the means, of which the expectation and the variance follow.
    centred = np.eye(len(sizes)) - np.outer(np.ones(len(sizes)), shares)
    form = centred.T @ np.diag(shares**2) @ centred
    assert found.degrees == pytest.approx(max(1.0, np.trace(form) ** 2 / np.trace(form @ form)))
    assert 1 <= found.degrees <= len(sizes) - 1 + 1e-9


def test_equal_clusters_are_worth_as_many_as_they_are():
    assert balance(np.full(12, 5.0)) == (12, 11)
    assert balance(np.ones(1)) == (1, 0)
    estimate = mean_interval([0.1, 0.2, 0.4, 0.7], [1, 1, 2, 2])
    assert (estimate.clusters, estimate.worth, estimate.degrees) == (2, 2, 1)


@pytest.mark.parametrize("seed", range(3))
def test_the_error_is_that_of_statsmodels(seed):
    random = np.random.default_rng(seed)
    values, clusters = random.normal(0.1, 1, 80), random.integers(0, 15, 80) ** 2 // 15
    fitted = sm.OLS(values, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": clusters})
    assert mean_interval(values, clusters).error == pytest.approx(fitted.bse[0])


@pytest.mark.parametrize("sizes", [lognormal, dirichlet])
@pytest.mark.parametrize("within", [0.0, 3.0])
def test_the_interval_of_a_mean_holds_the_truth(sizes, within):
    held = [
        (found := mean_interval(random.normal(0, 1, count)[codes] + random.normal(0, within, len(codes)), codes)).low
        <= 0
        <= found.high
        for random, codes, count in worlds(sizes, 300, 40, 1)
    ]
    assert 0.94 <= np.mean(held) <= 0.99


@pytest.mark.parametrize(
    ("sizes", "cases", "clusters", "rate", "icc", "least"),
    [
        (even, 100, 20, 0.9, 0.3, 0.92),
        (lognormal, 1000, 200, 0.8, 0.99, 0.93),
        (lognormal, 400, 80, 0.2, 0.5, 0.93),
        (dirichlet, 400, 60, 0.9, 0.3, 0.92),
        (dirichlet, 200, 20, 0.9, 0.5, 0.9),
        (dirichlet, 200, 40, 0.95, 0.5, 0.88),  # worth 16 clusters, most of them without a fail
    ],
)
def test_the_interval_of_a_share_holds_the_truth(sizes, cases, clusters, rate, icc, least):
    a, b = rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1)
    held = []
    for random, codes, count in worlds(sizes, cases, clusters, 2):
        found = share_interval((random.random(cases) < random.beta(a, b, count)[codes]) * 1.0, codes)
        held.append(found.low <= rate <= found.high)
    assert np.mean(held) >= least


@pytest.mark.parametrize(
    ("sizes", "cases", "clusters", "loss"),
    [
        (even, 1000, 200, 0.05),
        (lognormal, 1000, 200, 0.05),
        (lognormal, 400, 80, 0.1),
        (dirichlet, 400, 60, 0.1),
    ],
)
def test_a_loss_at_the_margin_rarely_passes(sizes, cases, clusters, loss):
    """Of clusters that are lost as a whole."""
    passed = [
        -difference_interval(np.where(random.random(count) < loss, -1.0, 0.0)[codes], codes).low <= loss
        for random, codes, count in worlds(sizes, cases, clusters, 3)
    ]
    assert np.mean(passed) <= 0.025 + NOISE / 2


@pytest.mark.parametrize(
    ("sizes", "cases", "clusters", "rare"),
    [(even, 1000, 200, 0.05), (lognormal, 1000, 200, 0.05), (lognormal, 400, 80, 0.1), (dirichlet, 300, 40, 0.1)],
)
def test_what_is_no_worse_is_rarely_blocked(sizes, cases, clusters, rare):
    """Few clusters gain much, the others lose a little, and the mean is even."""
    blocked = []
    for random, codes, count in worlds(sizes, cases, clusters, 4):
        values = np.where(random.random(count) < rare, 0.95, -0.95 * rare / (1 - rare))[codes]
        possible = difference_tails(values, codes)[0] <= 0.05  # its p-value is at least this one, which is quick
        blocked.append(possible and non_inferiority(values, 0.005, codes).verdict == "regressed")
    assert np.mean(blocked) <= 0.05 + NOISE


@pytest.mark.parametrize(
    ("sizes", "cases", "clusters", "rare", "low"),
    [
        (even, 1000, 200, 0.05, 0.5),
        (even, 200, 200, 0.05, 0.5),
        (lognormal, 1000, 200, 0.05, 0.5),
        (lognormal, 400, 80, 0.1, 0.5),
        (lognormal, 1000, 200, 0.95, 0.0),
        (lognormal, 1000, 200, 0.2, 0.0),
        (dirichlet, 300, 40, 0.7, 0.0),
    ],
)
def test_a_mean_at_its_floor_is_rarely_called_below_it(sizes, cases, clusters, rare, low):
    floor = rare + low * (1 - rare)
    blocked = []
    for random, codes, count in worlds(sizes, cases, clusters, 5):
        values = np.where(random.random(count) < rare, 1.0, low)[codes]
        seen = mean_interval(values, codes)
        more = {"degrees": seen.degrees, "above": rise(values, codes)}
        blocked.append(mean_below(seen.mean, seen.error, cases, seen.worth, floor, **more) <= 0.05)
    assert np.mean(blocked) <= 0.05 + NOISE


def test_what_is_clear_is_still_found():
    found = {"passed": 0, "lost": 0, "low": 0}
    for random, codes, count in worlds(lognormal, 1000, 200, 6, 200):
        noise = random.choice([-1.0, 0.0, 1.0], 1000, p=[0.02, 0.96, 0.02])
        found["passed"] += non_inferiority(noise, 0.1, codes).verdict == "pass"
        lost = np.where(random.random(1000) < 0.25, -1.0, noise)
        found["lost"] += non_inferiority(lost, 0.05, codes).verdict == "regressed"
        values = (random.random(1000) < random.beta(6, 4, count)[codes]) * 1.0
        seen = mean_interval(values, codes)
        more = {"degrees": seen.degrees, "above": rise(values, codes)}
        found["low"] += mean_below(seen.mean, seen.error, 1000, seen.worth, 0.75, **more) <= 0.05
    assert min(found.values()) >= 180


def test_one_large_cluster_proves_nothing():
    codes = np.repeat(np.arange(151), [300] + [1] * 150)
    lost = np.where(codes == 0, -1.0, 0.0)
    assert non_inferiority(lost, 0.05, codes).verdict == "inconclusive"
    assert non_inferiority(np.zeros(450), 0.05, codes).verdict == "inconclusive"
    assert difference_tails(lost, codes)[0] > 0.05
    assert paired_t(lost, codes).worse > 0.05
    seen = share_interval(lost + 1, codes)
    assert (seen.low < 0.05, seen.high > 0.9) == (True, True)


def test_more_cases_are_counted_by_what_clusters_are_worth():
    assert (
        more_to_decide(0.0, 0.0, 450, 0.05, clusters=20.0).cases == math.ceil(450 * cases_to_pass(0.0, 0.05) / 20) - 450
    )


def test_the_tails_are_where_the_interval_ends_at_nothing():
    random = np.random.default_rng(3)
    codes = np.repeat(np.arange(12), [1, 1, 1, 2, 2, 3, 4, 5, 8, 9, 14, 20])
    for shift in (-0.3, -0.1, 0.1, 0.3):
        values = np.clip(random.normal(shift, 0.2, 12)[codes] + random.normal(0, 0.1, 70), -1, 1)
        mean = values.mean()
        tail = difference_tails(values, codes)[0 if mean < 0 else 1]
        ends = difference_interval(values, codes, 1 - 2 * tail)
        assert (ends.high if mean < 0 else ends.low) == pytest.approx(0, abs=1e-6)
        assert paired_test(values, codes)[1].worse >= difference_tails(values, codes)[0]
