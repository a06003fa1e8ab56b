import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
from statsmodels.stats.proportion import proportion_confint

from moat.evals.statistics.bias import length_bias, position_bias
from moat.evals.statistics.intervals import mean_interval
from moat.evals.statistics.judges import ppi_mean, rates, rogan_gladen

WORLDS = 2000

RIGHT = {
    "binary": (0.8, (0.9, 0.7)),
    "nearly perfect": (0.9, (0.98, 0.98)),
    "mostly passes": (0.95, (0.9, 0.9)),
    "useless": (0.7, (0.5, 0.5)),
}
"""What share people pass, and how often the judge is right about passes and about fails."""


@given(st.tuples(*[st.integers(0, 60)] * 4))
def test_rates_have_wilsons_intervals(counts):
    tp, fn, fp, tn = counts
    found = rates(*counts)
    for share, part, whole in (
        (found.tpr, tp, tp + fn),
        (found.tnr, tn, fp + tn),
        (found.accuracy, tp + tn, tp + fn + fp + tn),
    ):
        if whole == 0:
            assert share == (None, 0, 1, 0)
        else:
            assert share[:3] == pytest.approx((part / whole, *proportion_confint(part, whole, method="wilson")))


def test_rogan_and_gladens_correction_by_hand():
    # The judge passes 70 %, is right on 90 % of the good and 80 % of the bad: (0.7 - 0.2)/0.7.
    found = rogan_gladen(0.7, 200, rates(45, 5, 10, 40))
    assert found.mean == pytest.approx(5 / 7)
    assert found.low < 5 / 7 < found.high
    more_labels = rogan_gladen(0.7, 200, rates(450, 50, 100, 400))
    assert more_labels.high - more_labels.low < found.high - found.low
    assert rogan_gladen(0.1, 200, rates(45, 5, 10, 40)).mean == 0
    assert rogan_gladen(1.0, 200, rates(45, 5, 10, 40)).mean == 1


def test_a_judge_that_knows_nothing_corrects_nothing():
    assert rogan_gladen(0.7, 100, rates(0, 0, 5, 40)) is None
    assert rogan_gladen(0.7, 100, rates(20, 30, 30, 20)) is None
    assert rogan_gladen(0.7, 100, rates(1, 0, 98, 2)) is None


@pytest.mark.parametrize(
    ("n", "labels", "truth", "tpr", "tnr"),
    [(200, 60, 0.8, 0.9, 0.8), (500, 200, 0.9, 0.85, 0.7), (100, 40, 0.6, 0.8, 0.8), (300, 100, 0.95, 0.95, 0.9)],
)
def test_the_corrected_share_covers_95_percent_and_the_raw_one_does_not(n, labels, truth, tpr, tnr):
    random = np.random.default_rng(n)
    good = random.binomial(labels, truth, WORLDS)
    hits, misses = random.binomial(good, tpr), random.binomial(labels - good, tnr)
    passed = random.binomial(n, truth * tpr + (1 - truth) * (1 - tnr), WORLDS) / n
    found = [
        rogan_gladen(share, n, rates(tp, k - tp, labels - k - tn, tn))
        for share, k, tp, tn in zip(passed.tolist(), good.tolist(), hits.tolist(), misses.tolist(), strict=True)
    ]
    known = [e for e in found if e is not None]
    assert len(known) > 0.98 * WORLDS
    assert 0.93 <= np.mean([e.low <= truth <= e.high for e in known]) <= 0.98
    raw = np.abs(passed - truth) <= 1.96 * np.sqrt(passed * (1 - passed) / n)
    assert np.mean(raw) < 0.9


@pytest.mark.parametrize("seed", range(5))
def test_ppi_equals_ppi_py(seed):
    random = np.random.default_rng(seed)
    judged = random.beta(4, 2, 2400)
    labels = np.clip(judged + random.normal(-0.05, 0.15, 2400), 0, 1)
    ours = ppi_mean(labels[:400], judged[:400], judged[400:])
    arguments = labels[:400], judged[:400], judged[400:]
    assert ours.mean == pytest.approx(ppi_mean_pointestimate(*arguments)[0], abs=0.002)
    low, high = ppi_mean_ci(*arguments, alpha=0.05)
    assert (ours.low, ours.high) == pytest.approx((low[0], high[0]), abs=0.002)


@pytest.mark.parametrize(("labels", "others"), [(20, 200), (50, 1000), (100, 1000)])
@pytest.mark.parametrize("kind", ["graded", *RIGHT])
def test_ppi_covers_95_percent(kind, labels, others):
    random = np.random.default_rng(labels)
    n = labels + others
    if kind == "graded":
        judged = random.beta(4, 2, (WORLDS, n))
        truth = judged + random.normal(-0.05, 0.15, (WORLDS, n))
        mean = 4 / 6 - 0.05
    else:
        mean, right = RIGHT[kind]
        passed = random.random((WORLDS, n)) < mean
        truth = passed * 1.0
        judged = np.where(passed, random.random((WORLDS, n)) < right[0], random.random((WORLDS, n)) > right[1]) * 1.0
    found = [ppi_mean(t[:labels], j[:labels], j[labels:]) for t, j in zip(truth, judged, strict=True)]
    # Where few labels may show no error of the judge at all, the interval is on the safe side.
    most = 0.97 if kind == "graded" else 1.0
    assert 0.93 <= np.mean([e.low <= mean <= e.high for e in found]) <= most
    gain = np.median([e.gain for e in found])
    assert gain == pytest.approx(1, abs=0.1) if kind == "useless" else gain > 1


def test_labels_of_clusters_count_once():
    random = np.random.default_rng(0)
    labels, judged, others = random.random(30), random.random(30), random.random(200)
    alone = ppi_mean(labels, judged, others)
    groups = list(range(30)) * 3
    tripled = ppi_mean(np.tile(labels, 3), np.tile(judged, 3), others, clusters=groups)
    assert tripled[:4] == pytest.approx(alone[:4])
    assert ppi_mean([0.5, 0.5], [0.1, 0.1], [0.1, 0.1])[:5] == (0.5, 0.5, 0.5, 0.0, 0.0)


def test_a_judge_that_prefers_the_first_place_is_seen():
    first, second = [1, 1, 1, 0, 1, 1, 1, 0.5] * 5, [0, 1, 0, 0, 0, 1, 0, 0.5] * 5
    found = position_bias(first, second)
    assert found.lean == 0.5
    assert found.low > 0.3
    assert found.p < 0.001
    assert found.consistent.mean == 0.5
    fair = position_bias(second + first, first + second)
    assert (fair.lean, fair.consistent.mean) == (0, 0.5)
    assert fair.p > 0.5
    assert position_bias([1, 0], [1, 0], ["a", "a"]).low == -1


@pytest.mark.parametrize("seed", range(3))
def test_the_slope_over_length_equals_statsmodels(seed):
    random = np.random.default_rng(seed)
    lengths, truths = random.integers(20, 400, 80), random.random(80)
    judged = truths + 0.05 * np.log2(lengths) + random.normal(0, 0.1, 80)
    theirs = sm.OLS(judged - truths, sm.add_constant(np.log2(lengths))).fit(cov_type="HC2", use_t=True)
    ours = length_bias(judged, truths, lengths)
    assert ours.slope == pytest.approx(theirs.params[1])
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.conf_int()[1]))
    assert ours.p == pytest.approx(theirs.pvalues[1], abs=1e-9)


def test_better_answers_that_are_longer_are_no_bias_of_the_judge():
    random = np.random.default_rng(1)
    lengths = random.lognormal(5, 0.6, (WORLDS, 60))
    truths = np.log2(lengths) / 10 + random.normal(0, 0.1, (WORLDS, 60))
    judged = truths + random.normal(0, 0.1, (WORLDS, 60))
    found = [length_bias(*world) for world in zip(judged, truths, lengths, strict=True)]
    assert 0.93 <= np.mean([e.low <= 0 <= e.high for e in found]) <= 0.97
    assert mean_interval(judged[0]).mean > 0


def test_lengths_that_do_not_vary_say_nothing():
    assert length_bias([1, 0, 1], [1, 1, 0], [5, 5, 5]) is None
    assert length_bias([1, 0, 1], [1, 1, 0], [5, 6, 7], ["a", "a", "b"]) is None
    exact = length_bias([0.1, 0.2, 0.3, 0.4], [0, 0, 0, 0], [1, 2, 4, 8])
    assert (exact.slope, exact.p) == (pytest.approx(0.1), pytest.approx(0, abs=1e-6))


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: rates(-1, 0, 0, 0),
        lambda: rogan_gladen(1.2, 10, rates(1, 1, 1, 1)),
        lambda: rogan_gladen(0.5, 0, rates(1, 1, 1, 1)),
        lambda: ppi_mean([1], [1, 0], [1, 0]),
        lambda: ppi_mean([1], [1], [1, 0]),
        lambda: ppi_mean([1, 0], [1, 0], []),
        lambda: ppi_mean([1, 0], [1, 0], [1, 0], clusters=["a", "a"]),
        lambda: position_bias([1], [1, 0]),
        lambda: position_bias([], []),
        lambda: length_bias([1, 1, 0], [1, 1, 0], [0, 1, 2]),
        lambda: length_bias([1], [1, 1], [1]),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
