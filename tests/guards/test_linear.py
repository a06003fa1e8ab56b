"""The work that texts made to be slow make grows as their length does."""

import sys
from collections import Counter
from types import FrameType

import pytest

from bench.guards.texts import hostile
from moat.guards.detector import Context
from moat.guards.text import Text
from tests.guards.found import made

SHORT, LONG = 2_048, 8_192
ASKED = Context(place="input")


def steps(text: str) -> int:
    """Calls of functions, those in C included, that the detectors of the default policy make."""
    seen = Counter[str]()

    def count(frame: FrameType, event: str, argument: object) -> None:
        seen[event] += 1

    sys.setprofile(count)
    try:
        looked = Text(text)
        for kind in ("secrets", "pii", "injection"):
            list(made(kind).detect(looked, ASKED))
    finally:
        sys.setprofile(None)
    return seen["call"] + seen["c_call"]


@pytest.mark.parametrize("name", hostile(SHORT))
def test_steps_grow_as_the_text_does(name: str) -> None:
    short, long = hostile(SHORT)[name], hostile(LONG)[name]
    for text in (short, long):
        steps(text)
    assert steps(long) <= 1.25 * LONG / SHORT * steps(short) + 500
