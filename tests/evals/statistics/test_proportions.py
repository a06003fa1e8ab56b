import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from moat.evals.statistics.intervals import wilson
from moat.evals.statistics.proportions import at_most, clopper_pearson, describe_failures, share_interval

WORLDS = 2000

counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_exact_interval_equals_statsmodels(drawn, confidence):
    successes, n = drawn
    theirs = proportion_confint(successes, n, 1 - confidence, method="beta")
    assert clopper_pearson(successes, n, confidence) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("n", "rate"), [(10, 0.5), (30, 0.97), (200, 0.99)])
def test_the_exact_interval_covers_at_least_95_percent(n, rate):
    drawn = np.random.default_rng(n).binomial(n, rate, WORLDS)
    held = {k: clopper_pearson(int(k), n) for k in set(drawn)}
    covered = [held[k].low <= rate <= held[k].high for k in drawn]
    assert np.mean(covered) >= 0.945  # 95 % by design, and the noise of the simulation


def test_the_rule_of_three():
    assert at_most(0, 100) == pytest.approx(3 / 100, rel=0.02)
    assert at_most(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert describe_failures(0, 100) == "none of 100 failed: fewer than 3 % do, with 95 % confidence"
    assert describe_failures(2, 50) == "2 of 50 failed: fewer than 12 % do, with 95 % confidence"


@pytest.mark.parametrize(
    ("groups", "size", "ease"),
    [(12, 8, (8, 2)), (25, 8, (4, 1)), (40, 5, (9, 1)), (100, 3, (2, 2)), (30, 4, (0.4, 0.1))],
)
def test_the_interval_of_clustered_passes_covers_95_percent(groups, size, ease):
    random = np.random.default_rng(groups)
    clusters = np.repeat(np.arange(groups), size)
    draws = (random.random((WORLDS, groups * size)) < random.beta(*ease, (WORLDS, groups))[:, clusters]) * 1.0
    truth = ease[0] / sum(ease)
    covered = [e.low <= truth <= e.high for e in (share_interval(values, clusters) for values in draws)]
    assert 0.93 <= np.mean(covered) <= 0.97


@pytest.mark.parametrize(("cases", "repeats", "ease"), [(30, 5, (4, 1)), (50, 3, (9, 1)), (200, 3, (0.5, 0.1))])
def test_the_interval_of_means_of_repeats_covers_95_percent(cases, repeats, ease):
    random = np.random.default_rng(cases)
    draws = random.binomial(repeats, random.beta(*ease, (WORLDS, cases))) / repeats
    truth = ease[0] / sum(ease)
    covered = [e.low <= truth <= e.high for e in map(share_interval, draws)]
    # Means of repeats of few cases vary less than their worst could: there it is on the safe side.
    assert 0.93 <= np.mean(covered) <= (0.97 if cases >= 100 else 0.98)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6)), min_size=1, max_size=40), st.booleans())
def test_the_interval_of_shares_stays_inside_and_holds_the_mean(drawn, clustered):
    values, clusters = [value for value, _ in drawn], [label for _, label in drawn]
    estimate = share_interval(values, clusters if clustered else None)
    assert -1e-12 <= estimate.low <= estimate.mean + 1e-9
    assert estimate.mean - 1e-9 <= estimate.high <= 1 + 1e-12


def test_all_alike_is_not_certain():
    estimate = share_interval([1.0] * 20)
    assert estimate.high == 1
    assert 0.75 < estimate.low < wilson(20, 20).low  # t for so few is a little wider
    assert share_interval([1.0] * 20, list(range(10)) * 2).low < estimate.low
    assert share_interval([0.7] * 20).low < 0.6
    assert share_interval([1.0, 1.0], ["a", "a"])[1:3] == (0.0, 1.0)


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: clopper_pearson(3, 2),
        lambda: clopper_pearson(0, 0),
        lambda: share_interval([1.2]),
        lambda: share_interval([]),
        lambda: share_interval([float("nan")]),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
