"""Intervals of what traffic measures: they hold what is true as often as they say, also where a few calls are dear."""

import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from moat.evals.statistics.intervals import Interval, mean_interval
from moat.evals.statistics.skewed import FEWEST, fewest, quantile_ranks, skewed_mean

MEDIAN, HIGH = Fraction(1, 2), Fraction(95, 100)
WORLDS = 2000
SLACK = 3 * math.sqrt(0.95 * 0.05 / WORLDS)
"""Three standard errors of a share of simulated worlds."""

SIZES = {
    "exponential": (lambda random, shape: random.exponential(1, shape), 1.0),
    "log-normal": (lambda random, shape: random.lognormal(0, 0.75, shape), math.exp(0.75**2 / 2)),
    "half of it from a cache": (
        lambda random, shape: random.lognormal(0, 0.5, shape) * (random.random(shape) < 0.5),
        math.exp(0.125) / 2,
    ),
    "very skewed": (lambda random, shape: random.lognormal(0, 1.25, shape), math.exp(1.25**2 / 2)),
}


def intervals(values: np.ndarray) -> list[Interval]:
    """That of each row."""
    means, deviations, skews = values.mean(axis=1), values.std(axis=1, ddof=1), stats.skew(values, axis=1)
    found = zip(means.tolist(), deviations.tolist(), skews.tolist(), strict=True)
    return [skewed_mean(values.shape[1], *moments) for moments in found]


@given(n=st.integers(1, 3000), quantile=st.sampled_from([MEDIAN, HIGH, Fraction(99, 100), Fraction(1, 10)]))
def test_ranks_are_the_narrowest_whose_tails_are_small_enough(n: int, quantile: Fraction) -> None:
    value, low, high = quantile_ranks(n, quantile)
    below = stats.binom(n, float(quantile)).cdf
    assert value == math.ceil(n * quantile)
    assert below(low - 1) <= 0.025 < below(low)
    if high:
        assert below(high - 2) < 0.975 <= below(high - 1)
        assert low < value <= high
    else:
        assert below(n - 1) < 0.975, "even the largest value may lie below the quantile"


def test_how_many_calls_a_quantile_takes() -> None:
    assert (fewest(MEDIAN), fewest(HIGH)) == (6, 72)
    for quantile in (MEDIAN, HIGH):
        enough = fewest(quantile)
        assert quantile_ranks(enough, quantile).high == enough
        assert quantile_ranks(enough - 1, quantile).high == 0
    assert quantile_ranks(0, HIGH) == (0, 0, 0)
    large = quantile_ranks(1_000_000, HIGH)
    assert large == (950_000, 949_572, 950_428)


@pytest.mark.parametrize("n", [6, 20, 72, 400])
@pytest.mark.parametrize("quantile", [MEDIAN, HIGH])
def test_intervals_of_quantiles_hold_the_true_one_95_times_of_100(n: int, quantile: Fraction) -> None:
    values = np.sort(np.random.default_rng(n).lognormal(0, 1, (WORLDS, n)), axis=1)
    true = stats.lognorm(1).ppf(float(quantile))
    _, low, high = quantile_ranks(n, quantile)
    above = np.full(WORLDS, True) if low == 0 else values[:, low - 1] <= true
    beneath = np.full(WORLDS, True) if high == 0 else values[:, high - 1] >= true
    assert (above & beneath).mean() >= 0.95 - SLACK
    assert above.mean() >= 0.975 - SLACK
    assert beneath.mean() >= 0.975 - SLACK


def test_values_that_are_all_the_same_are_their_own_interval() -> None:
    _, low, high = quantile_ranks(100, MEDIAN)
    values = [7.0] * 100
    assert values[low - 1] == values[high - 1] == 7.0


@pytest.mark.parametrize("kind", SIZES)
@pytest.mark.parametrize(("n", "least"), [(10, 0.85), (20, 0.87), (50, 0.89), (200, 0.915), (1000, 0.925)])
def test_intervals_of_a_mean_cost_hold_the_true_one(kind: str, n: int, least: float) -> None:
    """Nominal are 95 %; the very skewed kind comes closest from below, all others are near it from 20 calls on."""
    draw, true = SIZES[kind]
    values = draw(np.random.default_rng(n), (WORLDS, n))
    held = sum(low <= true <= high for low, high in intervals(values))
    assert held / WORLDS >= (least if kind == "very skewed" else max(least, 0.925 - SLACK if n >= 20 else 0.9))


@pytest.mark.parametrize("n", [10, 20, 50])
def test_it_holds_more_often_than_students(n: int) -> None:
    draw, true = SIZES["very skewed"]
    values = draw(np.random.default_rng(1), (WORLDS, n))
    ours = sum(low <= true <= high for low, high in intervals(values))
    students = sum(found.low <= true <= found.high for found in map(mean_interval, values))
    assert ours > students + 0.03 * WORLDS


def test_without_skew_it_is_students_interval() -> None:
    values = np.array([float(n) for n in range(1, 21)])
    student = mean_interval(values)
    assert intervals(values[None])[0] == pytest.approx((student.low, student.high))


@given(
    n=st.integers(FEWEST, 10**7),
    mean=st.floats(0, 1e15),
    spread=st.floats(0, 10),
    skewness=st.floats(-1e4, 1e4),
)
def test_ends_are_in_order_and_never_below_nothing(n: int, mean: float, spread: float, skewness: float) -> None:
    low, high = skewed_mean(n, mean, spread * mean, skewness)
    assert 0 <= low <= mean * (1 + 1e-9)
    assert high >= mean * (1 - 1e-9) or spread * mean == 0
    wider = skewed_mean(n, mean, spread * mean, skewness, confidence=0.99)
    assert wider.low <= low * (1 + 1e-9)
    assert wider.high >= high * (1 - 1e-9)


def test_more_calls_say_more_and_too_few_say_nothing() -> None:
    assert skewed_mean(FEWEST - 1, 5.0, 3.0, 1.0) == (-math.inf, math.inf)
    assert skewed_mean(FEWEST, 5.0, 0.0, 0.0) == (5.0, 5.0)
    lengths = [high - low for low, high in (skewed_mean(n, 5.0, 3.0, 1.0) for n in (10, 20, 100, 10_000))]
    assert all(longer > shorter for longer, shorter in pairwise(lengths))
