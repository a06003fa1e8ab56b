"""Placeholders, and the way back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.guards.pseudonyms import Vault, mask


def vault() -> Vault:
    made = Vault(b"k")
    made.replacement("email", "a@x.org")
    made.replacement("email", "b@x.org")
    made.replacement("national_id", "078-05-1120")
    return made


def revealed(of: Vault, text: str) -> str:
    for start, end, value in sorted(of.found(text), reverse=True):
        text = text[:start] + value + text[end:]
    return text


def test_the_same_value_has_the_same_placeholder() -> None:
    made = Vault(b"k")
    assert [made.replacement("email", v) for v in ("a@x", "b@x", "a@x")] == ["<EMAIL_1>", "<EMAIL_2>", "<EMAIL_1>"]
    assert made.replacement("phone", "555") == "<PHONE_1>"


def test_numbers_stay_when_a_conversation_goes_on() -> None:
    first, second = Vault(b"k"), Vault(b"k")
    turn = ["a@x.org", "b@x.org"]
    before = [first.replacement("email", value) for value in turn]
    assert [second.replacement("email", value) for value in (*turn, "c@x.org")][:2] == before


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Hi <EMAIL_1>!", "Hi a@x.org!"),
        ("**<EMAIL_1>**'s", "**a@x.org**'s"),
        ("<email_2>", "b@x.org"),
        ("< EMAIL_1 >", "a@x.org"),
        ("[EMAIL_1] {{EMAIL_2}}", "a@x.org b@x.org"),
        ("&lt;EMAIL_1&gt;", "a@x.org"),
        (r"\<EMAIL\_1\>", "a@x.org"),
        ("EMAIL_1, EMAIL_2", "a@x.org, b@x.org"),
        ("<EMAIL_1 and", "a@x.org and"),
        ("<National ID 1>", "078-05-1120"),
        ("<NATIONAL_ID_1><EMAIL_1>", "078-05-1120a@x.org"),
        (
            "<EMAIL_12> EMAIL_1x xEMAIL_1 email_1 <EMAIL_3> email 1",
            "<EMAIL_12> EMAIL_1x xEMAIL_1 email_1 <EMAIL_3> email 1",
        ),
    ],
)
def test_an_answer_gets_its_values_back(said: str, meant: str) -> None:
    assert revealed(vault(), said) == meant


def test_placeholders_that_somebody_wrote_are_left_to_him() -> None:
    made = Vault(b"k")
    made.reserve("what does <EMAIL_1> mean? and <PHONE_2>?")
    assert made.replacement("email", "a@x.org") == "<EMAIL_2>"
    assert [made.replacement("phone", v) for v in ("1", "2")] == ["<PHONE_1>", "<PHONE_3>"]
    assert revealed(made, "<EMAIL_1> <EMAIL_2>") == "<EMAIL_1> a@x.org"


def test_hiding_takes_the_longest_value() -> None:
    made = Vault(b"k")
    made.replacement("email", "a@x.org")
    made.replacement("email", "ba@x.org")
    assert made.hide("ba@x.org, a@x.org, EMAIL") == "<EMAIL_2>, <EMAIL_1>, EMAIL"
    assert Vault(b"k").hide("a") == "a"


@given(st.lists(st.text(min_size=1), max_size=6), st.text())
def test_nothing_known_is_left_after_hiding(values: list[str], text: str) -> None:
    made = Vault(b"k")
    for value in values:
        made.replacement("email", value, "hash")
    hidden = made.hide("".join(values) + text)
    assert all(value not in hidden for value in values if len(value) > 12)


def test_styles() -> None:
    made = Vault(b"k")
    assert made.replacement("email", "john@x.org", "mask") == "j***@x.org"
    assert made.replacement("card", "4111 1111 1111 1111", "mask") == "**** **** **** 1111"
    digest = made.replacement("phone", "555-1234", "hash")
    assert (
        digest
        == Vault(b"k").replacement("phone", "555-1234", "hash")
        != Vault(b"l").replacement("phone", "555-1234", "hash")
    )
    assert not made.reversible
    assert made.knows


@pytest.mark.parametrize("value", ["1234", "hunter2-and-more", "a", ""])
def test_what_is_short_or_secret_leaves_nothing(value: str) -> None:
    assert mask("password", value) == "****"
