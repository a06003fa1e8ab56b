import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from moat.evals.statistics.clusters import totals
from moat.evals.statistics.intervals import difference_interval, mean_interval
from moat.evals.statistics.significance import (
    FEW,
    SAMPLES,
    benjamini_hochberg,
    holm,
    mcnemar,
    paired_t,
    paired_test,
    sign_flip,
)


@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_corrections_equal_statsmodels(count):
    drawn = np.random.default_rng(count).random(count).round(1).tolist()
    assert benjamini_hochberg(drawn) == pytest.approx(multipletests(drawn, method="fdr_bh")[1])
    assert holm(drawn) == pytest.approx(multipletests(drawn, method="holm")[1])


def test_nothing_to_correct():
    assert (benjamini_hochberg([]), holm([])) == ([], [])


def test_of_what_is_found_in_slices_few_are_chance():
    # Twenty slices, five of them with an effect.
    random = np.random.default_rng(0)
    shares = []
    for _ in range(2000):
        z = random.normal(0, 1, 20) - np.where(np.arange(20) < 5, 3, 0)
        found = np.array(benjamini_hochberg(stats.norm.cdf(z).tolist())) <= 0.1
        shares.append(found[5:].sum() / max(1, found.sum()))
    assert np.mean(shares) == pytest.approx(0.1 * 15 / 20, abs=0.01)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=40).filter(lambda xs: np.std(xs) > 1e-6))
def test_the_paired_t_test_equals_scipys(differences):
    ours = paired_t(differences)
    assert ours.two_sided == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=1e-9)
    assert ours.worse == pytest.approx(stats.ttest_1samp(differences, 0, alternative="less").pvalue, abs=1e-9)


def test_paired_t_at_the_edges():
    assert paired_t([-0.5] * 4) == (0.125, 0.0625)
    assert paired_t([0.5] * 4) == (0.125, 1.0)
    assert paired_t([0.0] * 4) == (1.0, 0.5)
    assert paired_t([-0.5] * 4, ["a"] * 4) == (1.0, 1.0)


def test_the_test_that_fits_is_taken():
    assert paired_test([-1, 0, 1, -1], None) == ("exact McNemar test", mcnemar(2, 1))
    method, p = paired_test([-0.5, 0, 1], None)
    assert (method, p.two_sided) == ("sign-flip permutation test", sign_flip([-0.5, 0, 1]).two_sided)
    clusters = ["a", "a", "b"]
    method, p = paired_test([-1, 0, 1], clusters)
    assert method == "sign-flip permutation test by cluster"
    assert p.two_sided == sign_flip([-1, 0, 1], clusters).two_sided


@pytest.mark.parametrize("sizes", [[1.0], [0.25, 0.5, 1.0], None])
def test_a_large_permutation_test_agrees_with_the_normal_one_however_units_are_drawn(sizes):
    # Few sizes are drawn by their counts, many by eights: both must have the same spread.
    random = np.random.default_rng(5)
    values = random.choice(sizes, 400) if sizes else random.uniform(0.1, 1, 400)
    values = values * np.where(random.random(400) < 0.55, 1, -1)
    z = values.sum() / np.sqrt((values**2).sum())
    assert sign_flip(values.tolist()).two_sided == pytest.approx(2 * stats.norm.sf(abs(z)), abs=0.02)


def test_the_permutation_test_keeps_its_level():
    random = np.random.default_rng(6)
    draws = np.concatenate([random.normal(0, 1, (300, 20)), np.zeros((300, 30))], axis=1)
    rejected = [sign_flip(values.tolist()).worse <= 0.05 for values in draws]
    assert np.mean(rejected) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)


@pytest.mark.parametrize("units", [100, 1000])
def test_a_p_value_below_all_that_a_sample_shows_is_bounded_from_above(units):
    # All differences are losses: the exact p-value of one side is 2**-units, and no sample of 20,000 can show it.
    worse = sign_flip([-0.5] * units)
    assert 2.0**-units <= worse.worse < 1e-9
    assert worse.two_sided == 2 * worse.worse
    assert sign_flip([0.5] * units) == (worse.two_sided, 1.0)


@pytest.mark.parametrize(("lost", "won", "drawn"), [(33, 30, FEW), (45, 25, SAMPLES)])
def test_a_clear_answer_takes_a_small_sample_and_a_close_one_a_large(lost, won, drawn):
    # McNemar's test is what the sign-flip test comes to for differences of one size.
    found, exact = sign_flip([-1.0] * lost + [1.0] * won), mcnemar(lost, won)
    assert found.worse * (drawn + 1) == pytest.approx(round(found.worse * (drawn + 1)), abs=1e-6)
    assert found.worse == pytest.approx(exact.worse, abs=4 * np.sqrt(exact.worse / drawn))
    assert found.two_sided == pytest.approx(exact.two_sided, abs=4 * np.sqrt(exact.two_sided / drawn))


@given(st.lists(st.tuples(st.floats(-1, 1), st.integers(-3, 3)), min_size=1, max_size=12))
def test_clusters_are_the_same_as_an_array_of_numbers(pairs):
    values, named = [value for value, _ in pairs], [f"c{cluster}" for _, cluster in pairs]
    numbers = np.array([cluster for _, cluster in pairs])
    for of in (mean_interval, difference_interval, sign_flip):
        assert of(np.array(values), numbers) == pytest.approx(of(values, named))
    rows = np.array(values)[:, None]
    assert sorted(totals(rows, numbers).ravel()) == pytest.approx(sorted(totals(rows, named).ravel()))


@pytest.mark.parametrize(
    "nonsense",
    [
        lambda: holm([0.1, float("nan")]),
        lambda: benjamini_hochberg([1.2]),
        lambda: sign_flip([0.1, float("nan"), 0.2]),
        lambda: sign_flip([0.1, 0.2], ["a"]),
        lambda: paired_t([float("inf"), 0.2]),
    ],
)
def test_nonsense_is_refused(nonsense):
    with pytest.raises(ValueError):
        nonsense()


def test_no_differences_prove_nothing():
    assert sign_flip([]) == paired_test([])[1] == (1, 1)
