"""Linear models over words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.guards.learned import HOPELESS, STRANGE, Model, Weights, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("don't stop, now!", ["don", "t", "stop", "now"]),
        ("snake_case and kebab-case 42", ["snake", "case", "and", "kebab", "case", "42"]),
        ("caf\u00e9 \u043c\u0438\u0440", ["caf\u00e9", "\u043c\u0438\u0440"]),
        ("\u5ffd\u7565\u6240\u6709", ["\u5ffd\u7565", "\u7565\u6240", "\u6240\u6709"]),
        ("gpt\u5ffd\u7565x", ["gpt", "\u5ffd\u7565", "x"]),
        ("\u5ffd", ["\u5ffd"]),
        ("", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=60))
def test_words_have_letters_or_digits_only(text: str) -> None:
    assert all(word.isalnum() for word in words(text))


def test_scores_add_up() -> None:
    model = Model(Weights(bias=-1.0, scale=0.5, power=0.0, ngrams={"a": 2, "a b": 4, "a b c": 6, "mark": 1}))
    assert model.logit([]) == -1.0
    assert model.logit(["a"]) == 0.0
    assert model.logit(["a", "b"]) == 2.0
    assert model.logit(["a", "b", "c"], ["mark"]) == 5.5
    assert model.score(["a"]) == 0.5


def test_long_texts_weigh_no_more_with_power() -> None:
    model = Model(Weights(bias=0.0, scale=1.0, power=1.0, ngrams={"a": 2}))
    assert model.logit(["a"] * 10) == pytest.approx(2.0)


def test_beginnings_of_words_count_and_repetition_need_not() -> None:
    weights = Weights(
        bias=0.0, scale=1.0, power=0.0, once=True, stem=3, ngrams={"a": 1, "a a": 2, "ignored": 1, "ign~": 4}
    )
    assert Model(weights).logit(["a", "a", "a"]) == 3.0
    assert Model(weights).logit(["ignored"]) == 5.0
    assert Model(weights).logit(["ignores", "else"]) == 4.0


def test_nothing_more_is_looked_at_where_nothing_hints_at_it() -> None:
    ngrams = {"a": -3, "b": 2, "a b": 10, "ign~": 1}
    model = Model(Weights(bias=0.0, scale=1.0, power=0.0, stem=3, hint=2.0, ngrams=ngrams))
    assert model.logit(["a", "b"]) == 9.0
    assert model.logit(["a"]) == model.logit(["ignored"]) == HOPELESS
    assert model.hint(["a", "b", "ignored"]) == 3.0
    assert model.hint(["strange"]) == STRANGE


def test_a_model_is_read_once() -> None:
    assert Model.load("injection") is Model.load("injection")
