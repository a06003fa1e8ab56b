"""Parts that add up, and differences that chance does not make."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.usage import Usage
from moat.ports.traces import Spend
from moat.telemetry.recap.explain import contributions, cost_parts, means_differ, rates_differ, version_effects

Side = dict[tuple[str, ...], Spend]


def spend(requests: int, tokens: int, cost: int) -> Spend:
    return Spend(group=(), requests=requests, usage=Usage(input=tokens), cost=cost)


BEFORE: Side = {("a",): spend(100, 1000, 5000), ("b",): spend(100, 1000, 50_000)}


@pytest.mark.parametrize(
    ("now", "part"),
    [
        ({("a",): spend(200, 2000, 10_000), ("b",): spend(200, 2000, 100_000)}, "volume"),
        ({("a",): spend(50, 500, 2500), ("b",): spend(150, 1500, 75_000)}, "mix"),
        ({("a",): spend(100, 1500, 7500), ("b",): spend(100, 1500, 75_000)}, "length"),
        ({("a",): spend(100, 1000, 4000), ("b",): spend(100, 1000, 40_000)}, "price"),
        ({**BEFORE, ("c",): spend(0, 0, 900)}, "mix"),
    ],
)
def test_a_change_of_one_kind_is_of_that_kind(now: Side, part: str) -> None:
    change = sum(s.cost for s in now.values()) - sum(s.cost for s in BEFORE.values())
    parts = cost_parts(BEFORE, now)._asdict()
    assert parts[part] == pytest.approx(change)
    assert all(abs(value) < 1e-6 for name, value in parts.items() if name != part)


spends = st.builds(spend, st.integers(0, 1000), st.integers(0, 10**6), st.integers(0, 10**12))
sides = st.dictionaries(st.sampled_from([("a",), ("b",), ("c",)]), spends)


@given(sides, sides)
def test_the_parts_add_up(before: Side, now: Side) -> None:
    change = sum(s.cost for s in now.values()) - sum(s.cost for s in before.values())
    assert sum(cost_parts(before, now)) == pytest.approx(change, abs=1)
    assert sum(part for _, part in contributions(before, now)) == change


def test_chance_is_not_called_a_difference() -> None:
    dice = random.Random(2)

    def failed(rate: float) -> int:
        return sum(dice.random() < rate for _ in range(1000))

    assert sum(rates_differ(failed(0.02), 1000, failed(0.02), 1000) for _ in range(200)) <= 8
    assert rates_differ(failed(0.08), 1000, failed(0.02), 1000)
    assert not rates_differ(0, 0, 5, 10)
    assert not rates_differ(0, 10, 0, 10)
    assert means_differ((100, 80.0, 65.0), (100, 60.0, 38.0))
    assert not means_differ((5, 5.0, 5.0), (100, 10.0, 2.0)), "too few"


of_versions = st.dictionaries(
    st.sampled_from([("a", "1"), ("a", "2"), ("b", "1"), ("", "")]),
    st.builds(
        lambda calls, cost: Spend(group=(), calls=calls, cost=cost), st.integers(1, 1000), st.integers(0, 10**12)
    ),
)


@given(of_versions, of_versions)
def test_what_versions_did_and_the_calls_are_the_change(before: Side, now: Side) -> None:
    effects, rest = version_effects(before, now)
    change = sum(s.cost for s in now.values()) - sum(s.cost for s in before.values())
    assert sum(one.effect for one in effects) + rest == change
    assert {one.group for one in effects} == set(now)


def test_more_calls_of_the_same_version_are_no_effect_of_it() -> None:
    one: Side = {("a", "1"): Spend(group=(), calls=100, cost=1000)}
    assert version_effects(one, {("a", "1"): Spend(group=(), calls=300, cost=3000)})[1] == 2000
    [new], rest = version_effects(one, {("a", "2"): Spend(group=(), calls=100, cost=1500)})
    assert (new.group, new.before, new.effect, rest) == (("a", "2"), 10.0, 500, 0)
