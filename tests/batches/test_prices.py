"""The price of a provider's batch API is exact, whatever the discount."""

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from moat.batches.reserving import BatchPrices
from moat.domain.calls import Deployment
from moat.domain.usage import Usage
from moat.testing.fakes import FlatPrices, NoPrices

AT = Deployment("openai", "gpt")


@given(st.integers(0, 10**9), st.integers(1, 10**6), st.integers(0, 1000))
def test_it_is_the_price_less_the_discount(tokens: int, rate: int, permille: int) -> None:
    prices = BatchPrices(FlatPrices(rate, rate), {"openai/gpt": permille / 1000})
    exact = Fraction(tokens * rate) * (1 - Fraction(Decimal(permille) / 1000))
    assert abs((prices.cost(AT, "", Usage(input=tokens)) or 0) - exact) <= Fraction(1, 2)


def test_half_is_taken_off_where_nothing_is_said_and_no_price_stays_none() -> None:
    assert BatchPrices(FlatPrices(), {}).cost(AT, "", Usage(input=10, output=4)) == 7
    assert BatchPrices(NoPrices(), {}).cost(AT, "", Usage(input=10)) is None
    assert BatchPrices(FlatPrices(), {}).version == "flat+batch"


def test_nothing_is_taken_off_a_search() -> None:
    class Priced(FlatPrices):
        def cost(self, deployment: Deployment, alias: str, usage: Usage, at_ns: int = 0) -> int | None:
            return (super().cost(deployment, alias, usage) or 0) + 100 * usage.searches + 1000 * usage.runs

    prices = BatchPrices(Priced(), {})
    assert prices.cost(AT, "", Usage(input=10, output=4, searches=2, runs=1)) == 7 + 1200
    assert prices.cost(AT, "", Usage(input=10, output=4, searches=2, tier="priority")) == 7 + 200
