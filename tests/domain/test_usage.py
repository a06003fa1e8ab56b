"""Tokens add up, and money is shown without losing it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.usage import PICODOLLARS, Usage, estimate_tokens, format_usd, from_usd

counts = st.integers(0, 10**9)
usages = st.builds(
    Usage, input=counts, output=counts, cached=counts, cache_write=counts, reasoning=counts, estimated=st.booleans()
)


@given(usages, usages, usages)
def test_usage_adds_like_numbers(a: Usage, b: Usage, c: Usage) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert (a + Usage()).total == a.total == a.input + a.output
    assert (a + b).estimated == (a.estimated or b.estimated)


@given(st.integers(-(10**18), 10**18))
def test_shown_money_reads_back_to_three_digits_or_cents(picodollars: int) -> None:
    shown = format_usd(picodollars)
    back = from_usd(Decimal(shown.replace("$", "").replace(",", "")))
    exact = abs(picodollars)
    assert abs(abs(back) - exact) <= max(exact // 1000, PICODOLLARS // 200 if exact >= PICODOLLARS else 0)
    assert (back == 0) == (picodollars == 0), "never a lost non-zero"
    assert (back < 0) == (picodollars < 0)


@pytest.mark.parametrize(
    ("usd", "shown"),
    [
        ("0", "$0"),
        ("1", "$1.00"),
        ("12.345", "$12.34"),
        ("1234567.8", "$1,234,567.80"),
        ("0.999", "$0.9990"),
        ("0.5", "$0.5000"),
        ("0.0001", "$0.0001000"),
        ("0.000000000001", "$0.000000000001"),
        ("-2", "$-2.00"),
    ],
)
def test_money_for_people(usd: str, shown: str) -> None:
    assert format_usd(from_usd(usd)) == shown


@given(st.decimals(-(10**9), 10**9, places=12, allow_nan=False, allow_infinity=False))
def test_dollars_are_exact_picodollars(usd: Decimal) -> None:
    assert Decimal(from_usd(usd)) / PICODOLLARS == usd
    assert from_usd(format(usd, "f")) == from_usd(usd)


def test_estimates_round_up() -> None:
    assert [estimate_tokens("x" * length) for length in (0, 1, 4, 5, 400)] == [0, 1, 1, 2, 100]
