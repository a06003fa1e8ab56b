"""Orders of deployments: by chance, by speed, by price."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Deployment
from moat.routing.strategies import EXPLORED, cheapest, fastest, weighted

A, B, C = (Deployment("p", name) for name in "abc")


def test_weights_are_shares_and_zero_is_a_fallback() -> None:
    random = Random(1)
    first = Counter(weighted([A, B, C], {A: 3, B: 1, C: 0}, random)[0] for _ in range(4000))
    assert 2850 < first[A] < 3150
    assert first[C] == 0
    assert weighted([C, A], {A: 0, C: 0}, random) == [C, A], "no weights at all: as written"


def test_a_deployment_without_a_weight_has_one() -> None:
    random = Random(2)
    first = Counter(weighted([A, B], {A: 1.0}, random)[0] for _ in range(2000))
    assert 900 < first[A] < 1100


def test_the_rest_of_a_draw_follows_the_weights_too() -> None:
    random = Random(3)
    second = Counter(weighted([A, B, C], {A: 1000, B: 3, C: 1}, random)[1] for _ in range(2000))
    assert second[B] > 2 * second[C] > 0


def test_the_fastest_comes_first_but_for_a_few_looks_at_the_others() -> None:
    random, seen = Random(4), {A: 0.9, B: 0.1, C: 0.5}
    first = Counter(fastest([A, B, C], seen.get, random)[0] for _ in range(4000))
    assert first[B] > 4000 * (1 - EXPLORED) * 0.98
    assert min(first[A], first[C]) > 50


def test_whoever_was_never_asked_is_asked() -> None:
    assert fastest([A, B], {A: 0.1}.get, Random(5))[0] == B
    assert fastest([A], {}.get, Random(5)) == [A]


def test_the_cheapest_of_those_that_are_good_enough() -> None:
    prices = {A: 10, B: 3, C: 5}
    assert cheapest([A, B, C], prices.get, lambda at: True) == [B, C, A]
    assert cheapest([A, B, C], prices.get, lambda at: at != B) == [C, A, B]
    assert cheapest([A, B, C], prices.get, lambda at: False) == [A, B, C], "as written when none is"
    assert cheapest([A, B], {B: 3}.get, lambda at: True) == [B, A], "without a price, last"
    assert cheapest([A, B], {A: 3, B: 0}.get, lambda at: True) == [B, A], "free is a price"


@given(st.lists(st.sampled_from([A, B, C]), max_size=6), st.randoms(use_true_random=False))
def test_no_strategy_loses_or_invents_a_deployment(names: list[Deployment], random: Random) -> None:
    for order in (
        weighted(names, {A: 2, B: 0}, random),
        fastest(names, {A: 0.5}.get, random),
        cheapest(names, {A: 1, B: 2}.get, lambda at: at != A),
    ):
        assert Counter(order) == Counter(names)
