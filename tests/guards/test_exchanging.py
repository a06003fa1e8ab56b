"""Putting texts in place of others."""

from hypothesis import given
from hypothesis import strategies as st

from moat.guards import exchanging
from moat.guards.edits import Edited
from moat.guards.exchanging import Exchange

VALUES = st.lists(st.text("ab<1 ", min_size=1, max_size=9), max_size=80, unique=True)


@given(VALUES, st.text("ab<1 ", max_size=300))
def test_nothing_is_left_of_any_of_them_few_or_many_also_where_they_overlap(values: list[str], text: str) -> None:
    instead = {value: f"<{number}>" for number, value in enumerate(values)}
    spans = [(at, at + len(value)) for value in values for at in range(len(text)) if text.startswith(value, at)]
    joined = list[tuple[int, int, str]]()
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end), joined[-1][2])
        else:
            joined.append((start, end, instead[text[start:end]]))
    assert Exchange(instead)(text) == Edited(text, joined).text


def test_of_two_that_begin_together_the_longer_is_exchanged() -> None:
    instead = {"ada@example.org": "1", "ada@example.org.uk": "2", **{f"other{number}": "" for number in range(99)}}
    assert len(instead) > exchanging._FEW
    assert Exchange(instead)("to ada@example.org.uk, ada@example.org and other7.") == "to 2, 1 and ."
