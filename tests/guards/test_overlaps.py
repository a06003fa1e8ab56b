"""Redactions that overlap leave nothing of what any of them covers."""

import re
from collections.abc import Iterator
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moat.domain.calls import Delta, Finished
from moat.domain.guards import DataClass
from moat.domain.tool_approvals import _canonical
from moat.guards import detector
from moat.guards.detector import Context, Detector, Hit
from moat.guards.text import Text
from moat.testing.fakes import new_call
from moat.testing.scripted import Step, says
from tests.guards.test_engine import World, guards

pytestmark = pytest.mark.anyio


class Runs(Detector, frozen=True):
    """`Q` and up to three more signs from some, as data."""

    signs: str = "b"
    window: ClassVar[int] = 8
    holds: ClassVar[DataClass | None] = "personal"

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Each, also those that overlap."""
        for match in re.finditer(rf"(?=({self.signs[0]}[{self.signs}]{{1,3}}))", text.original):
            yield Hit("run", match.start(1), match.end(1), 1.0)


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(detector.REGISTERED, "runs", f"{__name__}:Runs")


RULES = [
    {"use": "runs", "name": n, "action": "redact", "with": {"signs": s}} for n, s in (("one", "QZ"), ("two", "ZX"))
]
TEXTS = st.lists(st.sampled_from(["Q", "Z", "X", " ", "a" * 50]), max_size=60).map("".join)


def rest(text: str) -> str:
    """What no hit covers."""
    covered = set[int]()
    for signs in ("QZ", "ZX"):
        for hit in Runs(signs=signs).detect(Text(text), Context(place="input")):
            covered.update(range(hit.start, hit.end))
    return "".join(sign for at, sign in enumerate(text) if at not in covered)


def without(text: str) -> str:
    return re.sub(r"<RUN_\d+>", "", text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS)
@pytest.mark.promise("guard-2")
async def test_of_a_question(text: str) -> None:
    world = World(guards(*[{**rule, "on": ["input"]} for rule in RULES]), says("fine"))
    await world.answer(new_call(text))
    asked = world.provider.calls[0].messages[-1]["content"]
    # A value that is data in one place is left out wherever it stands.
    assert len(without(asked)) <= len(rest(text))
    kept = world.spool.calls[0].input
    assert kept is not None
    assert len(without(kept["messages"][-1]["content"])) <= len(rest(text))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, st.lists(st.integers(1, 90), min_size=1, max_size=9))
@pytest.mark.promise("guard-2")
async def test_of_an_answer_in_any_pieces(text: str, sizes: list[int]) -> None:
    steps, at = list[Step](), 0
    while at < len(text):
        size = sizes[len(steps) % len(sizes)]
        steps.append(Delta(text=text[at : at + size]))
        at += size
    steps.append(Finished(reason="stop"))
    policy = guards(*[{**rule, "on": ["output"]} for rule in RULES])
    answer = await World(policy, steps).answer(new_call(stream=True))
    assert without(answer.text) == rest(text)


def test_a_number_that_no_decimal_holds_is_compared_as_written() -> None:
    written = '{"amount": 1e-9999999999999999999}'
    assert _canonical(written) == ["text", written]
