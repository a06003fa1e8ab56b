"""Splits: whose part is how large, and who falls where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.releases import Arm, Assignment, arm_at, choose

WEIGHTS = st.lists(st.floats(0, 100), min_size=1, max_size=5).filter(lambda weights: sum(weights) > 0)


def arms(weights: list[float]) -> tuple[Arm, ...]:
    return tuple(Arm(release=f"rel_{index}", weight=weight, name="") for index, weight in enumerate(weights))


def split(*weights: float, shadow: Arm | None = None) -> Assignment:
    return Assignment(
        environment="production",
        prompt="support/answer",
        sequence=1,
        arms=arms(list(weights)),
        shadow=shadow,
        actor="ada",
        reason="",
        created_ns=1,
    )


def test_shares_are_parts_of_the_whole() -> None:
    assignment = split(1, 3)
    assert [assignment.share(arm) for arm in assignment.arms] == [0.25, 0.75]


def test_a_shadow_has_its_share_of_the_copies() -> None:
    shadow = Arm(release="rel_s", weight=0.25, name="")
    assignment = split(1, 1, shadow=shadow)
    assert assignment.share(shadow) == 0.25
    assert assignment.releases == ("rel_0", "rel_1", "rel_s")


def test_nobody_has_a_share_of_nothing() -> None:
    assignment = split(0, 0)
    assert [assignment.share(arm) for arm in assignment.arms] == [0, 0]


@given(WEIGHTS, st.text())
def test_nobody_falls_on_an_arm_without_weight(weights: list[float], user: str) -> None:
    assert weights[choose(arms(weights), "salt", user)] > 0


@given(WEIGHTS)
def test_shares_add_up_to_one(weights: list[float]) -> None:
    assignment = split(*weights)
    assert sum(assignment.share(arm) for arm in assignment.arms) == pytest.approx(1)


def test_the_end_of_the_scale_falls_on_the_last_arm_with_weight() -> None:
    assert arm_at(arms([1, 1, 0]), 1.0) == 1
