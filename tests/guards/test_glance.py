"""One look at a text for many lists: what it does not show is not there."""

import re

from hypothesis import given
from hypothesis import strategies as st

from moat.guards.glance import Glance

PATTERNS = (r"\bkey", r"(?i:born|geb\.)", r"[a-f]{3}\d", r"(?:^|[^A-Za-z])(?i:gur|qhr)(?:[^A-Za-z]|$)")


def glance(*patterns: str) -> Glance:
    made = Glance()
    for pattern in patterns:
        made.add(lambda pattern=pattern: pattern)  # type: ignore[misc]
    return made


@given(st.text(alphabet="keyborngequhracf. 19_\n\u00e9\ud800", max_size=30))
def test_it_shows_what_each_pattern_finds(text: str) -> None:
    seen = glance(*PATTERNS).at(text)
    for number, pattern in enumerate(PATTERNS, start=1):
        assert seen.shows(number) == (re.search(pattern, text, re.ASCII) is not None)


def test_a_pattern_that_came_later_may_match() -> None:
    look = glance(*PATTERNS)
    before = look.at("nothing of any")
    late = look.add(lambda: "nothing")
    assert before.shows(late)
    assert not before.shows(1)
    assert look.at("nothing of any").shows(late)
    assert not look.at("other").shows(late)


def test_where_it_cannot_look_there_may_be_anything() -> None:
    look = glance("key")
    look._compiled = type("GivesUp", (), {"Match": lambda *_: []})(), 2
    assert look.at("none").shows(1)
