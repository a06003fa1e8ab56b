"""`@name`: what was saved takes its place, as a whole, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import RequestError
from moat.telemetry.query import MAX_LENGTH, parse
from moat.telemetry.saved import NAMED, expand

SAVED = {"slow": "latency > 2s or first_token > 1s", "acme": "tenant = acme", "both": "@slow @acme", "me": "not @me"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("@slow", "(latency > 2s or first_token > 1s)"),
        ("not @acme", "not (tenant = acme)"),
        ("(@acme)", "((tenant = acme))"),
        ("@both", "((latency > 2s or first_token > 1s) (tenant = acme))"),
        ('"@slow"', '"@slow"'),
        (r'"a \" @slow"', r'"a \" @slow"'),
        ("'@slow' @acme", "'@slow' (tenant = acme)"),
        ("user = ada@slow", "user = ada@slow"),
        ("user=@slow", "user=@slow"),
        ("", ""),
    ],
)
def test_names_and_what_only_looks_like_one(text: str, meant: str) -> None:
    assert expand(text, SAVED) == meant
    parse(meant)


@pytest.mark.parametrize(
    ("text", "told"),
    [("@fast", "Saved searches: @acme, @both, @me, @slow"), ("@me", "@me means itself"), ("@acme @fast", "'fast'")],
)
def test_names_that_mean_nothing(text: str, told: str) -> None:
    with pytest.raises(RequestError, match=told):
        expand(text, SAVED)


def test_names_that_grow_without_end_stop_early() -> None:
    doubling = {f"n{number}": f"@n{number + 1} @n{number + 1}" for number in range(40)} | {"n40": "tenant = acme"}
    with pytest.raises(RequestError, match="characters"):
        expand("@n0", doubling)


@given(st.text(max_size=200))
def test_what_names_nothing_stays_as_it_is(text: str) -> None:
    if "@" not in text:
        assert expand(text, SAVED) == text
    assert len(text) <= MAX_LENGTH


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_quoted_text_that_nobody_closed_is_looked_at_once(quote: str) -> None:
    """From its first quote to the end, and not anew from each quote within."""
    for text in (quote + "\\" + quote, quote + ("\\" + quote) * 10_000, quote + ("\\" + quote) * 10_000 + "\\"):
        (found,) = NAMED.finditer(text)
        assert found.span() == (0, len(text))
