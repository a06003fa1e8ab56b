"""Sentences and pieces of texts that are made to cost time."""

import pytest

from moat.guards.prose import count_sentences, pieces


@pytest.mark.parametrize("unit", [".", "…", "?!", ".)", '."', "。", ".*_", "a."])
def test_runs_of_marks_take_linear_time(unit: str) -> None:
    """In quadratic time this would take hours."""
    text = unit * (200_000 // len(unit)) + "a"
    found = list(pieces(text))
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    assert count_sentences(text) <= 2


def test_a_run_of_marks_ends_one_sentence() -> None:
    text = 'What?! "Really..." Yes. Go'
    assert [text[start:end] for start, end in pieces(text)] == ["What?!", '"Really..."', "Yes.", "Go"]
    assert count_sentences(text) == 4
