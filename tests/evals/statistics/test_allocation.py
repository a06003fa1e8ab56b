"""Repeats where answers flip: the estimate, its interval and its test are as good as those of a fixed number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.evals.statistics.allocation import Phases, two_phase_score
from moat.evals.statistics.intervals import difference_interval
from moat.evals.statistics.proportions import score_interval
from moat.evals.statistics.significance import paired_test

WORLDS, CASES = 2000, 200
TRUTHS = {
    "steady ones and coins": lambda random, size: np.where(random.random(size) < 0.7, 1.0, 0.5),
    "all flip a little": lambda random, size: np.full(size, 0.9),
    "of all kinds": lambda random, size: random.beta(0.8, 0.4, size),
}


def scores(random, truth, phases):
    """What cases score under the adaptive allocation, and what throwing the phases together would give."""
    before = random.binomial(phases.least, truth)
    flips = (before > 0) & (before < phases.least)
    later = np.where(flips, phases.most - phases.least, 1)
    after = random.binomial(later, truth)
    apart = phases.weight * before / phases.least + (1 - phases.weight) * after / later
    return apart, (before + after) / (phases.least + later)


@pytest.mark.parametrize("kind", TRUTHS)
@pytest.mark.parametrize("phases", [Phases(2, 8), Phases(4, 12)], ids=str)
def test_the_interval_of_the_mean_holds_in_95_of_100_worlds(kind, phases):
    random = np.random.default_rng(7)
    held, errors = 0, []
    for _ in range(WORLDS):
        truth = TRUTHS[kind](random, CASES)
        apart, _ = scores(random, truth, phases)
        found = score_interval(apart)
        expected = {"steady ones and coins": 0.85, "all flip a little": 0.9, "of all kinds": 2 / 3}[kind]
        held += found.low <= expected <= found.high
        errors.append(found.mean - expected)
    assert 0.93 <= held / WORLDS <= 0.97
    assert abs(np.mean(errors)) < 4 * np.std(errors) / np.sqrt(WORLDS), "unbiased"


@pytest.mark.parametrize("loss", [0.0, 0.1])
def test_the_interval_of_a_difference_holds(loss):
    random, phases, held = np.random.default_rng(11), Phases(2, 8), 0
    for _ in range(WORLDS):
        truth = TRUTHS["of all kinds"](random, CASES)
        old, new = (scores(random, share, phases)[0] for share in (truth, truth * (1 - loss)))
        found = difference_interval(new - old)
        held += found.low <= -loss * 2 / 3 <= found.high
    assert 0.93 <= held / WORLDS <= 0.97


def test_a_version_that_is_no_worse_is_called_worse_in_5_of_100_worlds():
    random, phases, worlds, worse = np.random.default_rng(12), Phases(2, 8), 500, 0
    for _ in range(worlds):
        truth = TRUTHS["of all kinds"](random, 40)
        old, new = (scores(random, truth, phases)[0] for _ in range(2))
        worse += paired_test(new - old)[1].worse <= 0.05
    assert worse / worlds <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / worlds)


def test_throwing_the_phases_together_flatters():
    random, phases = np.random.default_rng(3), Phases(2, 8)
    truth = np.full(400_000, 0.9)
    apart, together = scores(random, truth, phases)
    assert apart.mean() == pytest.approx(0.9, abs=0.002)
    assert together.mean() - 0.9 > 0.025


def test_what_the_documentation_says_of_the_variance():
    """Beside one answer more than `least` to every case: less. Beside as many answers spread evenly: about the same,
    and more where all cases flip a little.
    """
    random, phases = np.random.default_rng(5), Phases(2, 8)
    ratios = {}
    for kind, draw in TRUTHS.items():
        truth = draw(random, 200_000)
        apart, _ = scores(random, truth, phases)
        noise, single = np.mean((apart - truth) ** 2), np.mean(truth * (1 - truth))
        answers = 3 + 5 * np.mean(2 * truth * (1 - truth))
        ratios[kind] = noise / (single / 3), noise / (single / answers)
    assert all(beside_least <= 1.02 for beside_least, _ in ratios.values())
    assert ratios["steady ones and coins"][1] == pytest.approx(1.0, abs=0.05)
    assert ratios["all flip a little"][1] > 1.2


values = st.lists(st.sampled_from([0.0, 0.25, 1.0]), max_size=3)


@given(values, st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=6), st.integers(0, 6))
def test_what_is_missing_is_bounded_by_the_worst_and_the_best(before, after, lost):
    phases = Phases(3, 9)
    low, high = phases.bounds(before, after, 3 + len(after) + lost)
    assert -1e-12 <= low <= high <= 1 + 1e-12
    seen = phases.score(before, after)
    if len(before) == 3 and after and not lost:
        assert low == pytest.approx(high) == pytest.approx(seen) == two_phase_score(before, after, phases.weight)
    elif before and after:
        assert low - 1e-12 <= seen <= high + 1e-12
    assert (seen is None) == (not before and not after)


def test_a_phase_without_an_answer_is_no_score():
    with pytest.raises(ValueError, match="an answer before"):
        two_phase_score([1], [], 0.5)
    assert [Phases(2, 8).asked(flips) for flips in (False, True)] == [3, 8]
