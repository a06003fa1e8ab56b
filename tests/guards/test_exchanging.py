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
    spans = [
        (at, at + len(value))
        for value in values
        for at in range(len(text))
        if text.startswith(value, at)
        and (len(value) > 7 or not (text[:at][-1:].isalnum() or text[at + len(value) :][:1].isalnum()))
    ]
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


def test_a_short_text_is_left_where_it_is_a_part_of_something_else() -> None:
    few = {"123": "<C>", "4471": "<P>", "2024": "<Y>", "ada@example.org": "<E>"}
    for exchange in (Exchange(few), Exchange(few | {f"other value {number}": "" for number in range(99)})):
        said = "CVV 123, PIN: 4471. Order 51234 of 1230, total 44718; sales_2024 2024-01 1.123 12,123 ü123"
        assert exchange(said) == said.replace("CVV 123", "CVV <C>").replace("4471.", "<P>.")
        assert exchange('(2024) **123** "4471" pin=4471') == '(<Y>) **<C>** "<P>" pin=<P>'
        assert exchange("a\\n4471\\n") == "a\\n<P>\\n"  # as JSON writes a line's end
        assert exchange("xada@example.orgy") == "x<E>y"
