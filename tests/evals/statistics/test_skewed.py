"""Tests keep their level, and intervals hold the truth, where scores are skewed, clustered or all alike."""

import math

import numpy as np
import pytest

from moat.domain.scores import Case
from moat.evals.reports.slicing import measure_slices
from moat.evals.statistics.intervals import difference_interval, difference_tails, mean_interval
from moat.evals.statistics.noninferiority import more_to_decide, more_to_reject, non_inferiority
from moat.evals.statistics.power import least_cases
from moat.evals.statistics.proportions import score_interval
from moat.evals.statistics.significance import below, mean_below

WORLDS = 2000
NOISE = 3 * math.sqrt(0.05 * 0.95 / WORLDS)
"""Three standard errors of a share of 5 %."""


def share(worlds, holds):
    """In how many worlds something holds; worlds with the same units in another order are looked at once."""
    rows, counts = np.unique(np.sort(worlds, axis=1), axis=0, return_counts=True)
    return sum(count for row, count in zip(rows, counts, strict=True) if holds(row)) / len(worlds)


@pytest.mark.parametrize(
    ("units", "size", "rare", "high", "low"),
    [
        (20, 2, 0.1, 1.0, 0.0),
        (12, 3, 0.2, 1.0, 0.0),
        (20, 2, 0.9, 1.0, 0.0),
        (10, 2, 0.5, 1.0, 0.0),
        (30, 1, 0.07, 1.0, 0.85),
        (20, 1, 0.1, 1.0, 1 / 9),
        (60, 1, 0.03, 1.0, 0.4),
    ],
)
def test_a_mean_at_its_floor_is_rarely_called_below_it(units, size, rare, high, low):
    worlds = np.where(np.random.default_rng(units).random((WORLDS, units)) < rare, high, low)
    floor = rare * high + (1 - rare) * low
    clusters = np.repeat(np.arange(units), size)

    def blocked(row):
        seen = mean_interval(row[clusters], clusters)
        return mean_below(seen.mean, seen.error, units * size, units, floor) <= 0.05

    assert share(worlds, blocked) <= 0.05 + NOISE


def test_a_mean_far_below_its_floor_is_called_so():
    assert mean_below(0.5, 0.0, 30, 30, 0.7) < 0.05
    assert mean_below(0.45, 0.008, 40, 40, 0.7) < 0.001
    assert mean_below(0.5, 0.0, 8, 8, 0.4) == 1.0
    assert mean_below(0.5, math.inf, 4, 1, 0.6) == 1.0
    assert below(3.5, 10, 0.6) == pytest.approx((below(3, 10, 0.6) + below(4, 10, 0.6)) / 2, rel=0.2)


@pytest.mark.parametrize(
    ("units", "size", "small", "big", "margin"),
    [
        (40, 1, 0.05, 0.9, 0.02),
        (100, 1, 0.03, 0.9, 0.02),
        (60, 1, 0.05, 0.5, 0.02),
        (200, 1, 0.03, 0.9, 0.02),
        (30, 3, 0.08, 0.9, 0.02),
    ],
)
def test_many_small_losses_beside_few_large_gains_are_rarely_called_a_loss(units, size, small, big, margin):
    gains = np.random.default_rng(units).random((WORLDS, units)) < small / (small + big)
    clusters = np.repeat(np.arange(units), size)

    def blocked(row):
        values = row[clusters] if size > 1 else row
        return non_inferiority(values, margin, clusters if size > 1 else None).verdict == "regressed"

    assert share(np.where(gains, big, -small), blocked) <= 0.05 + NOISE


def test_the_tails_are_where_the_interval_ends_at_nothing():
    random = np.random.default_rng(3)
    for clusters in (None, np.repeat(np.arange(20), 2)):
        for shift in (-0.2, -0.05, 0.05, 0.2):
            values = np.clip(random.normal(shift, 0.3, 40) ** 3 + shift, -1, 1)
            mean = values.mean()
            tail = difference_tails(values, clusters)[0 if mean < 0 else 1]
            ends = difference_interval(values, clusters, 1 - 2 * tail)
            assert (ends.high if mean < 0 else ends.low) == pytest.approx(0, abs=1e-6)
    assert difference_tails([-0.2, -0.1], ["a", "a"]) == (1.0, 1.0)


@pytest.mark.parametrize(("units", "size", "rate"), [(40, 2, 0.98), (40, 1, 0.97), (30, 3, 0.9), (30, 3, 0.5)])
def test_the_interval_of_a_slice_holds_the_truth_when_all_are_alike(units, size, rate):
    worlds = (np.random.default_rng(units).random((WORLDS, units)) < rate) * 1.0
    cases = [Case(id=f"{i}", tags=["all"], cluster=f"{i // size}" if size > 1 else "") for i in range(units * size)]

    def held(row):
        scores = {"good": {case.id: row[i // size] for i, case in enumerate(cases)}}
        (found,) = measure_slices(cases, ["tags"], scores)
        return found.low <= rate <= found.high

    assert share(worlds, held) >= 0.93


def test_scores_that_are_all_alike_are_not_certain():
    assert score_interval([1.0] * 40, [i // 2 for i in range(40)]).low < 0.9
    assert score_interval([0.5] * 9).low < 0.4


def test_what_would_decide_when_nothing_differs_is_what_rare_losses_take():
    for n, margin in ((20, 0.05), (30, 0.02), (40, 0.05)):
        more = non_inferiority([0.0] * n, margin).more.cases
        assert least_cases(margin) <= n + more <= 1.2 * least_cases(margin)
        assert non_inferiority([0.0] * (n + more), margin).verdict == "pass"
    clustered = non_inferiority([0.0] * 40, 0.05, [i // 2 for i in range(40)]).more.cases
    assert non_inferiority([0.0] * (40 + clustered), 0.05, [i // 2 for i in range(40 + clustered)]).verdict == "pass"
    assert more_to_decide(0.1, 0.0, 5, 0.05).cases == 23  # gains too rare to show up in five


def test_what_would_show_a_mean_below_its_floor():
    assert more_to_reject(0.6, 0.16, 10, 0.7, clusters=10).cases > 100
    assert more_to_reject(0.0, 0.0, 3, 0.5, clusters=3).cases == 5
    assert more_to_reject(0.8, 0.1, 10, 0.7, clusters=10) == (None, None)
