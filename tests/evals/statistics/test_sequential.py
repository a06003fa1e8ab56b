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


UNEVEN = np.array([1 / 40] * 300 + [1.0] * 10)
"""Three hundred cases alone, and ten documents of forty."""


def shuffled(values, seed=0, worlds=WORLDS):
    """Of units of uneven sizes, in random order: their differences and their weights."""
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(len(values)), (worlds, 1)), axis=1)
    return np.asarray(values)[order], UNEVEN[order]


def test_a_loss_in_the_largest_units_does_not_slip_through():
    draws, weights = shuffled([0.0] * 300 + [-0.4] * 10)  # a loss of 0.229 over cases
    assert np.mean(stopping_times(draws, 0.05)[1] == 1) > 0.9, "as if each unit were as large"
    assert not (stopping_times(draws, 0.05, weights=weights)[1] == 1).any()
    random = np.random.default_rng(2)
    sizes = random.lognormal(0, 1, (WORLDS, 400))
    weights = sizes / sizes.max(axis=1, keepdims=True)
    typical = np.exp(1.5)  # larger ones are lost more often: at the margin on average
    lost = np.where(random.random(sizes.shape) < np.minimum(1, 0.05 * sizes / typical / 1.65), -1.0, 0.0)
    margin = -float((sizes * lost).sum() / sizes.sum())
    assert np.mean(stopping_times(lost, margin, weights=weights)[1] == 1) <= 0.025


def test_units_of_uneven_sizes_block_no_more_often():
    random = np.random.default_rng(4)
    sizes = random.lognormal(0, 0.7, (WORLDS, 400))
    draws = random.choice([-1.0, 0.0, 1.0], p=[0.1, 0.8, 0.1], size=sizes.shape)
    _, said = stopping_times(draws, 0.02, weights=sizes / sizes.max(axis=1, keepdims=True))
    assert np.mean(said == -1) <= 0.05
    lost, weights = shuffled([-0.3] * 310)
    assert np.mean(stopping_times(lost, 0.05, weights=weights)[1] == -1) > 0.5


@given(
    st.lists(
        st.tuples(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), st.sampled_from([0.1, 0.5, 1.0])),
        min_size=1,
        max_size=25,
    ),
)
def test_a_fed_test_weighs_as_a_simulated_one_does(units):
    values, weights = (list(part) for part in zip(*units, strict=True))
    test = SequentialTest(0.1)
    test.feed(values, weights=weights)
    _, said = stopping_times(np.array([values]), 0.1, weights=np.array([weights]))
    assert {"pass": 1, "regressed": -1, "go on": 0}[test.course] == said[0]
    assert test.mean == pytest.approx(np.average(values, weights=weights))
    assert test.interval().low - 1e-9 <= test.mean <= test.interval().high + 1e-9


def test_what_is_missing_at_the_start_does_not_freeze_a_test():
    """A pass must hold if all of it had gone worst; that it then looks like a loss says nothing, and is no verdict."""
    for count in (4, 6, 8):
        test = SequentialTest(0.05)
        assert test.feed([-1.0] * count, [1.0] * count) == "go on"
        assert test.interval() == (-1, 1)
        assert test.mean == 0
        assert test.feed([0.0] * 2000) == "pass"
    assert SequentialTest(0.05).feed([-1.0] * 50, [1.0] * 50) == "go on"
    assert SequentialTest(0.05).feed([-1.0] * 50, [-0.5] * 50) == "regressed"


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: SequentialTest(0),
        lambda: SequentialTest(1),
        lambda: SequentialTest(0.1, alpha=0),
        lambda: SequentialTest(0.1).feed([1.5]),
        lambda: SequentialTest(0.1).feed([math.nan]),
        lambda: SequentialTest(0.1).feed([0.0], [1.1]),
        lambda: SequentialTest(0.1).feed([0.0], [0.0, 0.0]),
        lambda: SequentialTest(0.1).feed([0.0], weights=[0.0]),
        lambda: SequentialTest(0.1).feed([0.0], weights=[1.5]),
        lambda: expected_units([], 0.1, 10),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
