"""A number of JSON that is redacted: what is left is JSON still."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.guards.json_numbers import fitting

CARD = 4111111111111111
VALUES = st.recursive(
    st.integers() | st.text(max_size=8) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def replaced(text: str) -> str:
    """With the card number redacted, wherever it stands."""
    at = text.find(str(CARD))
    while at >= 0:
        end = at + len(str(CARD))
        text = text[:at] + fitting(text, at, end, "<CARD_1>") + text[end:]
        at = text.find(str(CARD))
    return text


@given(VALUES, st.sampled_from([None, 1]), st.booleans())
def test_what_was_json_is_json(value: Any, indent: int | None, within: bool) -> None:
    written = json.dumps({"a": [CARD, value], "b": CARD, "c": value, "d": {"e": CARD}}, indent=indent)
    if not within:
        assert json.loads(replaced(written)) == {
            "a": ["<CARD_1>", value],
            "b": "<CARD_1>",
            "c": value,
            "d": {"e": "<CARD_1>"},
        }
        return
    packed = json.dumps({"body": json.dumps({"b": CARD, "d": {"e": CARD}})})
    assert json.loads(json.loads(replaced(packed))["body"]) == {"b": "<CARD_1>", "d": {"e": "<CARD_1>"}}


@pytest.mark.parametrize(
    "text",
    ["card: 4111111111111111, and more", "4111111111111111", "a 4111111111111111}", "the card, 4111111111111111, is"],
)
def test_elsewhere_it_stands_as_it_is(text: str) -> None:
    assert '"' not in replaced(text)
