import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from moat.evals.statistics.distributions import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

chances = st.floats(1e-6, 1 - 1e-6)
counts = st.one_of(st.floats(0.5, 50), st.floats(50, 100_000))


def close(theirs):
    return pytest.approx(theirs, rel=1e-9, abs=1e-300)


@given(st.floats(-30, 30), chances)
def test_the_normal_distribution_equals_scipys(x, p):
    assert normal_cdf(x) == close(special.ndtr(x))
    assert normal_quantile(p) == close(special.ndtri(p))


@given(st.floats(-30, 30), chances, st.one_of(st.integers(1, 100_000), st.floats(0.5, 50)))
def test_students_t_equals_scipys(t, p, degrees):
    assert t_cdf(t, degrees) == close(special.stdtr(degrees, t))
    if p != 0.5:
        assert t_cdf(t_quantile(p, degrees), degrees) == close(p)
    assert t_quantile(0.975, degrees) == close(special.stdtrit(degrees, 0.975))


@given(chances, chances, counts, counts)
def test_the_beta_distribution_equals_scipys(x, p, a, b):
    theirs = special.betainc(a, b, x)
    if theirs > 1e-280:
        assert beta_cdf(x, a, b) == close(theirs)
    assert beta_cdf(beta_quantile(p, a, b), a, b) == pytest.approx(p, rel=1e-8)
    assert beta_quantile(0.025, a, b) == pytest.approx(special.betaincinv(a, b, 0.025), rel=1e-8)


@given(st.integers(0, 20_000), st.integers(0, 20_000))
def test_the_sign_test_equals_scipys(won, lost):
    theirs = special.bdtr(won, won + lost, 0.5)
    if theirs > 1e-280:
        assert binomial_cdf(won, won + lost, 0.5) == close(theirs)


def test_the_ends():
    assert (normal_quantile(0), normal_quantile(1)) == (-math.inf, math.inf)
    assert (t_cdf(-math.inf, 3), t_cdf(math.inf, 3), t_cdf(1e200, 3), t_cdf(0, 3)) == (0, 1, 1, 0.5)
    assert t_cdf(-1e200, 1) == pytest.approx(1 / (math.pi * 1e200))
    assert t_quantile(0.5, 7) == 0
    assert (beta_cdf(0, 2, 3), beta_cdf(1, 2, 3)) == (0, 1)


def test_the_edges_raise_nothing():
    assert [t_quantile(p, 5) for p in (0, 1)] == [-math.inf, math.inf]
    assert (t_quantile(0.975, math.inf), t_cdf(1.5, math.inf)) == (normal_quantile(0.975), normal_cdf(1.5))
    assert t_quantile(1e-120, 1) == pytest.approx(-1e120 / math.pi)
    assert t_quantile(1e-300, 1) == -math.inf
    assert [beta_quantile(p, 2, 3) for p in (0, 1)] == [0, 1]
    assert [binomial_cdf(n, 5, 0.5) for n in (-1, -0.5, 5, 6)] == [0, 0, 1, 1]


@given(st.floats(1e-300, 1 - 1e-6), st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_quantiles_too_small_for_a_number_are_0(p, a, b):
    assert beta_quantile(p, a, b) == pytest.approx(special.betaincinv(a, b, p), rel=1e-6, abs=1e-300)
