"""Which calls of a tool are the same call."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.calls import Caller
from moat.domain.tool_approvals import call_digest

SECRET = b"secret"
CALLER = Caller(key="key_1", tenant="acme")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def digest(arguments: str, caller: Caller = CALLER, tool: str = "refund") -> str:
    return call_digest(caller, tool, arguments, SECRET)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_how_arguments_are_written_does_not_matter(arguments: dict[str, object]) -> None:
    backwards = dict(reversed(arguments.items()))
    assert digest(json.dumps(arguments)) == digest(json.dumps(backwards, indent=2, ensure_ascii=False))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('{"amount": 1}', '{"amount": 2}'),
        ('{"amount": 1}', '{"amount": 1, "amount": 1}'),
        ('{"amount": 1, "amount": 2}', '{"amount": 2, "amount": 1}'),
        ('{"amount": 0.1}', '{"amount": 0.1000000000000000055511151231257827}'),
        ('{"amount": 1e-99999999999999999999999}', '{"amount": 0}'),
        ('{"amount": NaN}', '{"amount": null}'),
        ("[" * 100_000, "[" * 100_001),
        ("not JSON", "not  JSON"),
    ],
)
def test_what_two_readers_could_take_for_different_things_is_not_the_same(one: str, other: str) -> None:
    assert digest(one) != digest(other)
    assert digest(one) == digest(one)


def test_nothing_is_an_empty_object() -> None:
    assert digest("") == digest("{}")


@pytest.mark.parametrize("other", [Caller(key="key_2", tenant="acme"), Caller(key="key_1", tenant="acme", user="eve")])
def test_a_call_of_somebody_else_is_another_call(other: Caller) -> None:
    assert digest("{}", other) != digest("{}")
    assert digest("{}", tool="refund_all") != digest("{}")
