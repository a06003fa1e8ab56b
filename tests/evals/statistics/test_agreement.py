import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from moat.evals.statistics.agreement import cohen_kappa, gwet_ac1, krippendorff_alpha

WORLDS = 2000


def two_raters(n, labels=4, right=0.7, seed=0):
    random = np.random.default_rng(seed)
    first = random.integers(0, labels, n)
    return first, np.where(random.random(n) < right, first, random.integers(0, labels, n))


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
@pytest.mark.parametrize("seed", range(3))
def test_kappa_equals_statsmodels(weights, seed):
    first, second = two_raters(200, seed=seed)
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    theirs = cohens_kappa(table, wt=None if weights == "none" else weights)
    ours = cohen_kappa(first.tolist(), second.tolist(), weights=weights)
    assert ours.value == pytest.approx(theirs.kappa)
    assert (ours.low, ours.high) == pytest.approx((theirs.kappa_low, theirs.kappa_upp), abs=0.03)
    assert ours.units == 200
    if weights == "none":
        assert ours.observed == pytest.approx(np.mean(first == second))


ratings = st.lists(st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=2, max_size=4), min_size=3, max_size=25)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@given(ratings)
def test_alpha_equals_the_krippendorff_package(level, units):
    width = max(map(len, units))
    data = np.array([[np.nan if r is None else r for r in unit + [None] * (width - len(unit))] for unit in units]).T
    counts = (~np.isnan(data)).sum(axis=0)
    pairable = data[:, counts > 1]
    if not pairable.size:
        with pytest.raises(ValueError):
            krippendorff_alpha(units, level=level)
        return
    ours = krippendorff_alpha(units, level=level)
    assert ours.units == pairable.shape[1]
    if len(np.unique(pairable[~np.isnan(pairable)])) < 2:
        assert (ours.value, ours.low, ours.high) == (None, -1, 1)
    else:
        theirs = krippendorff.alpha(reliability_data=pairable, level_of_measurement=level)
        assert ours.value == pytest.approx(theirs)
        assert -1 <= ours.low <= ours.high <= 1


def test_krippendorffs_own_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers, missing data.
    observers = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
        [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
    ]
    units = list(zip(*observers, strict=True))
    found = {level: krippendorff_alpha(units, level=level).value for level in ("nominal", "ordinal", "interval")}
    assert found == {
        "nominal": pytest.approx(0.743, abs=5e-4),
        "ordinal": pytest.approx(0.815, abs=5e-4),
        "interval": pytest.approx(0.849, abs=5e-4),
    }


def test_gwets_coefficient_stays_high_where_kappa_collapses():
    # Gwet (2008), table 2: 118 agree on +, 2 on -, 5 disagree: kappa 0.42 at best, AC1 0.95.
    first = ["+"] * 118 + ["+"] * 5 + ["-"] * 2 + ["-"] * 0
    second = ["+"] * 118 + ["-"] * 5 + ["-"] * 2
    share = (123 + 118) / 250
    chance = 2 * share * (1 - share)
    found = gwet_ac1(first, second)
    assert found.value == pytest.approx((120 / 125 - chance) / (1 - chance))
    assert found.value > 0.94
    assert cohen_kappa(first, second).value < 0.5
    assert found.observed == 120 / 125


@pytest.mark.parametrize("rate", [0.5, 0.8])
@pytest.mark.parametrize("method", ["kappa", "alpha"])
def test_agreement_intervals_cover_95_percent(method, rate):
    # Two raters, each right nine times in ten.
    random = np.random.default_rng(1)
    truth = random.random((WORLDS, 60)) < rate
    first, second = (np.where(random.random((WORLDS, 60)) < 0.9, truth, ~truth) for _ in range(2))
    # Worlds with the same pairs in another order are looked at once.
    pairs, counts = np.unique(np.sort(2 * first + second, axis=1), axis=0, return_counts=True)
    marginal = 0.9 * rate + 0.1 * (1 - rate)
    disagree, chance = 2 * 0.9 * 0.1, 2 * marginal * (1 - marginal)
    coefficient = 1 - disagree / chance
    if method == "kappa":
        found = [cohen_kappa((row // 2).tolist(), (row % 2).tolist()) for row in pairs]
    else:
        found = [krippendorff_alpha(np.stack([row // 2, row % 2], axis=1).tolist()) for row in pairs]
    covered = np.average([e.low <= coefficient <= e.high for e in found], weights=counts)
    assert 0.93 <= covered <= 0.975


def test_nobody_disagreed_is_not_perfect():
    few, many = (cohen_kappa(["a", "b"] * n, ["a", "b"] * n) for n in (5, 100))
    assert (few.value, few.high) == (1, 1)
    assert few.low < 0.5 < 0.9 < many.low < 1
    by_cluster = cohen_kappa(["a", "b"] * 100, ["a", "b"] * 100, clusters=[i // 20 for i in range(200)])
    assert by_cluster.low < many.low
    assert krippendorff_alpha([[1, 1], [3, 3]] * 20, level="ordinal").low < 1


def test_clusters_widen_and_the_order_of_labels_counts():
    first, second = two_raters(60)
    alone = cohen_kappa(first.tolist(), second.tolist())
    together = cohen_kappa(first.tolist() * 4, second.tolist() * 4, clusters=list(range(60)) * 4)
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high), abs=0.02)
    words = [["poor", "great", "fine"][i % 3] for i in first], [["poor", "great", "fine"][i % 3] for i in second]
    ordered = cohen_kappa(*words, weights="linear", order=["poor", "fine", "great"])
    assert ordered.value != cohen_kappa(*words, weights="linear").value
    ranked = krippendorff_alpha(list(zip(*words, strict=True)), level="ordinal", order=["poor", "fine", "great"])
    assert ranked.value != krippendorff_alpha(list(zip(*words, strict=True)), level="ordinal").value
    groups = [i // 4 for i in range(60)]
    assert krippendorff_alpha(list(zip(*words, strict=True)), clusters=groups).units == 60


def test_labels_of_several_types_can_be_compared():
    assert cohen_kappa([True, "unsure", False], [True, "unsure", False]).value == 1
    assert cohen_kappa(["a"], ["b"]).value == pytest.approx(0)
    assert cohen_kappa(["a", "a"], ["a", "a"]).value is None
    assert gwet_ac1(["a", "a"], ["a", "a"]).value == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: cohen_kappa(["a"], []),
        lambda: cohen_kappa([], []),
        lambda: cohen_kappa(["a"], ["b"], order=["a"]),
        lambda: krippendorff_alpha([["a"], [None, "b"]]),
        lambda: krippendorff_alpha([["a", "b"]], level="interval"),
        lambda: krippendorff_alpha([[1, float("nan")]], level="interval"),
        lambda: krippendorff_alpha([[i, i + 1] for i in range(200)]),
        lambda: krippendorff_alpha([["a", "b"]], clusters=[1, 2]),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()
