"""Arithmetic of an estimate, as a table."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import RequestError
from moat.domain.usage import Usage
from moat.spend.estimate import Estimate, Side, Tokens, percent, projected, usage_of


def side(cost: int | None) -> Side:
    return Side(prompt="p@1.0.0", model="m", tokens=Tokens(input=1, output=1), cost=cost)


def estimate(new: int | None, old: int | None, *, baseline: bool = True) -> Estimate:
    return Estimate(
        candidate=side(new),
        baseline=side(old) if baseline else None,
        calls_per_month=1000,
        volume="given",
        evidence="",
    )


@pytest.mark.parametrize(
    ("new", "old", "within", "increase", "more"),
    [
        (110, 100, True, 0.1, 10_000),
        (111, 100, False, 0.11, 11_000),
        (50, 100, True, -0.5, -50_000),
        (0, 0, True, 0.0, 0),
        (1, 0, False, None, 1000),
        (None, 100, None, None, None),
        (100, None, None, None, None),
    ],
)
def test_ten_percent_more_is_the_limit(
    new: int | None, old: int | None, within: bool | None, increase: float | None, more: int | None
) -> None:
    found = estimate(new, old)
    assert (found.within(Decimal(10)), found.more_per_month) == (within, more)
    assert found.increase == (increase if increase is None else pytest.approx(increase))
    assert found.per_month == (None if new is None else new * 1000)


def test_without_a_baseline_there_is_nothing_to_compare() -> None:
    found = estimate(100, None, baseline=False)
    assert (found.within(Decimal(10)), found.increase, found.more_per_month) == (None, None, None)


def test_what_is_added_is_added_to_every_request() -> None:
    online = Tokens(input=7000, output=50, cached=1000)
    old, new = Tokens(input=300, output=100), Tokens(input=500, output=120)
    assert projected(online, old, new) == Tokens(input=7200, output=60, cached=1000)
    assert projected(online, old, Tokens(input=500, output=None)).output is None, "its bound is gone"
    free = Tokens(input=500, output=None)
    assert projected(online, free, free).output == 50
    assert projected(online, free, Tokens(input=500, output=20)).output == 20, "no longer than its new bound"
    assert projected(online, Tokens(input=9000, output=0), new) == Tokens(input=0, output=50, cached=0)


def test_a_length_that_is_not_known_is_not_priced() -> None:
    assert usage_of(Tokens(input=5, output=None)) is None
    assert usage_of(Tokens(input=5, output=2, cached=1)) == Usage(input=5, output=2, cached=1)


@given(st.decimals(0, 10_000, places=3))
def test_a_percentage_is_read_as_it_is_written(value: Decimal) -> None:
    assert percent(f"{value:f}%") == percent(f" {value:f} ") == value


@pytest.mark.parametrize("text", ["", "%", "ten", "-1%", "NaN", "Infinity%", "1e9", "10%%"])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="is not a percentage"):
        percent(text)
