import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.evals.statistics.sequential import SequentialTest, expected_units, stopping_times

WORLDS = 2000


def flipping(cases, lost, won, worlds=WORLDS, seed=0):
    random = np.random.default_rng(seed)
    return random.choice([-1.0, 0.0, 1.0], p=[lost, 1 - lost - won, won], size=(worlds, cases))


@pytest.mark.parametrize("flips", [0.02, 0.2, 0.6])
def test_a_candidate_that_is_no_worse_is_rarely_blocked_however_often_one_looks(flips):
    draws = flipping(500, flips / 2, flips / 2)
    _, said = stopping_times(draws, 0.02)
    assert np.mean(said == -1) <= 0.05
    # The same look after every case at a test that is made for one look.
    n = np.arange(30, 501)
    sums = draws.cumsum(axis=1)[:, 29:]
    spread = np.sqrt(np.maximum((draws**2).cumsum(axis=1)[:, 29:], 1))
    peeked = ((sums / spread < -1.645) & (sums < -0.02 * n)).any(axis=1)
    if flips > 0.1:
        assert np.mean(peeked) > 0.1


@pytest.mark.parametrize(("lost", "won"), [(0.05, 0.0), (0.1, 0.05), (0.3, 0.25)])
def test_a_loss_at_the_margin_rarely_passes_however_often_one_looks(lost, won):
    _, said = stopping_times(flipping(500, lost, won), 0.05)
    assert np.mean(said == 1) <= 0.025


def test_rare_total_losses_and_graded_ones_do_not_slip_through():
    random = np.random.default_rng(8)
    graded = np.clip(random.normal(-0.05, 0.1, (WORLDS, 400)), -1, 1)
    assert np.mean(stopping_times(graded, 0.05)[1] == 1) <= 0.025
    rare = np.where(random.random((WORLDS, 400)) < 0.06, -1.0, 0.01)
    assert np.mean(stopping_times(rare, 0.05)[1] == 1) <= 0.025


def test_clear_answers_come_early():
    # Nothing changes: 73 cases are the least for a margin of 0.05 without looking; a clear loss takes fewer.
    units, said = stopping_times(np.zeros((1, 500)), 0.05)
    assert (said[0], units[0]) == (1, pytest.approx(94, abs=3))
    units, said = stopping_times(flipping(500, 0.3, 0.05), 0.05)
    assert np.mean(said == -1) > 0.99
    assert units.mean() < 60


@given(st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), max_size=60), st.integers(1, 7))
def test_a_fed_test_says_what_a_simulated_one_does(values, batch):
    test = SequentialTest(0.1)
    for start in range(0, len(values), batch):
        test.feed(values[start : start + batch])
    assert test.units == len(values)
    if values:
        _, said = stopping_times(np.array([values]), 0.1)
        assert {"pass": 1, "regressed": -1, "go on": 0}[test.course] == said[0]
        assert test.interval().low <= np.mean(values) <= test.interval().high


def test_a_verdict_is_final():
    test = SequentialTest(0.1)
    assert test.feed([0.0] * 20) == "go on"
    assert test.feed([0.0] * 60) == "pass"
    assert test.feed([-1.0] * 60) == "pass"
    assert test.interval().high < 0


def test_the_interval_holds_at_all_looks_together():
    truth = -0.05
    missed = 0
    for values in flipping(150, 0.15, 0.1, worlds=120, seed=3):
        test = SequentialTest(0.5)
        for start in range(0, 150, 50):
            test.feed(values[start : start + 50])
            low, high = test.interval()
            if not low <= truth <= high:
                missed += 1
                break
    assert missed / 120 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)


def test_the_interval_is_not_much_longer_than_one_for_a_single_look():
    values = flipping(400, 0.1, 0.1, worlds=1)[0]
    test = SequentialTest(0.05)
    assert test.interval() == (-1, 1)
    test.feed(values)
    low, high = test.interval()
    assert high - low < 2.2 * 2 * 1.96 * values.std() / math.sqrt(400)


def test_the_savings_are_told_before():
    pilot = [-1.0] * 50 + [1.0] * 10 + [0.0] * 140
    expected = expected_units(pilot, 0.05, 500)
    units, _ = stopping_times(flipping(500, 0.25, 0.05, seed=5), 0.05)
    assert expected == pytest.approx(units.mean(), rel=0.2)
    assert expected == expected_units(pilot, 0.05, 500) < 150
    assert expected_units([0.5, -0.5], 0.01, 50) > 45


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: SequentialTest(0),
        lambda: SequentialTest(1),
        lambda: SequentialTest(0.1, alpha=0),
        lambda: SequentialTest(0.1).feed([1.5]),
        lambda: SequentialTest(0.1).feed([math.nan]),
        lambda: expected_units([], 0.1, 10),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
