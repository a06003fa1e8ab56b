"""The filter language: what an expression becomes, what it means, and how its errors read."""

import time
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.domain.errors import RequestError
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.telemetry import query_terms
from moat.telemetry.query import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse
from moat.telemetry.query_matching import matches
from moat.telemetry.query_terms import And, Not, Or, Words

HOUR = 3600 * 10**9
NOW = 1000 * HOUR
CALL = Span(
    span_id="s",
    trace_id="t",
    kind="call",
    name="chat",
    started_ns=NOW - 2 * HOUR,
    duration_ns=2_500_000_000,
    tenant="acme",
    model="gpt-4o",
    error="provider_timeout",
    tools="search,book_flight",
    input_tokens=900,
    output_tokens=200,
    cost=10_000_000_000,
    stream=True,
    guard="block",
    input={"messages": [{"role": "user", "content": 'I want a "Refund"\nnow, Ärger!'}]},
    output={"text": "It's 50% done_"},
    attributes={"foo": "bar", "deep/key": 1.5, "on": True, "n": "12"},
)
SAID = [Feedback(id="1", at_ns=1, value=0.25), Feedback(id="2", at_ns=1, name="tone", value=None)]

TRUE = [
    "",
    "tenant = acme",
    "tenant=acme",
    "tenant:acme",
    'tenant = "acme"',
    "tenant != globex",
    "tenant in (x, acme)",
    "tenant not in (x)",
    'model ~ "GPT-4*"',
    "model ~ pt-4",
    "model ~ gpt-4?",
    "model !~ claude",
    "latency > 2s and latency < 2.6s",
    "latency >= 2500ms",
    "latency < 1m",
    "cost >= $0.01",
    "cost = 1c",
    "cost < 0.5",
    "tokens > 1k",
    "tokens = 1100",
    "tokens < 1.2k tokens < 1M",
    "error",
    "failed and stream",
    "error = timeout",
    "error in (timeout)",
    "error = provider_timeout",
    "not shadow",
    "guard = block",
    "guarded",
    "tools = search",
    "tools ~ BOOK",
    "tools != flight",
    "time > 3h",
    "since 3h until 1h",
    "since = 3h",
    "time < 1970-03-01",
    "attributes.foo = bar",
    "attributes.foo ~ B*",
    "attributes.foo",
    "attributes.deep/key > 1",
    "attributes.on = true",
    "attributes.n < 13 attributes.n = 12",
    "score.feedback < 0.5",
    "score < 0.5",
    "not score.tone",
    "refund",
    "REFUND ärger",
    '"\\"refund\\"\nnow"',
    "it's",
    "50%",
    "done_",
    "not (nothing or tenant = x)",
    "x or y or refund",
    "(((refund)))",
    "NOT nothing AND refund",
]
FALSE = [
    "tenant = ACME",
    "tenant = acm",
    "model ~ pt-4*",
    "latency > 2.5s",
    "cost > 1c",
    "shadow",
    "estimated",
    "tools = book",
    "time > 1h",
    "attributes.foo > 1",
    "attributes.none",
    "attributes.none != x and attributes.none",
    "score.tone < 1",
    "score.other",
    "refund nothing",
    "doneX",
]


@pytest.mark.parametrize("text", TRUE)
def test_what_holds(text: str) -> None:
    assert matches(parse(text, NOW), CALL, SAID)


@pytest.mark.parametrize("text", FALSE)
def test_what_does_not(text: str) -> None:
    assert not matches(parse(text, NOW), CALL, SAID)


def test_what_is_not_known_compares_with_nothing() -> None:
    unpriced = Span(span_id="s", trace_id="t", kind="call", name="chat", started_ns=1, duration_ns=1)
    for text in ("cost < $1", "cost >= 0", "score < 1", "attributes.x = 1"):
        assert not matches(parse(text), unpriced)
        assert matches(parse(f"not {text}"), unpriced)


def test_and_binds_closer_than_or() -> None:
    a, b, c = (Words(name) for name in "abc")
    assert parse("a or b c") == parse("a or b and c") == Or((a, And((b, c))))
    assert parse("not a b") == And((Not(a), b))
    assert parse("not not a") == Not(Not(a))


def test_a_length_of_time_counts_from_now() -> None:
    before = time.time_ns()
    (value,) = cast(query_terms.Test, parse("time > 1h")).values
    assert before - HOUR <= cast(int, value) <= time.time_ns() - HOUR


WRONG = [
    ("tennant = acme", 0, 7, "Did you mean `tenant`?"),
    ("a and tennant=acme", 6, 7, "Did you mean `tenant`?"),
    ("latency > 2", 10, 1, "500ms, 2s"),
    ("latency > fast", 10, 4, "500ms, 2s"),
    ("cost > cheap", 7, 5, "$0.01"),
    ("tokens > 1s", 9, 2, "1k or 1.5M"),
    ("score.x > good", 10, 4, "0 to 1"),
    ("time > yesterday", 7, 9, "2026-11-20"),
    ("cost > 99999999999", 7, 11, "too large"),
    ("model > x", 6, 1, "Use `=` or `~`."),
    ("latency >> 2s", 8, 2, "There are: =, !=, ~"),
    ("model =~ x", 6, 2, "There are"),
    ("cost ~ x", 5, 1, "Use `=`, `<` or `>`."),
    ("(a or b", 0, 1, "Add a `)`."),
    ("a) b", 1, 1, "quotes"),
    ('tenant = "acme', 9, 1, "Close it"),
    ('""', 0, 1, "Put a text"),
    ("a and", 5, 1, "Write one"),
    ("or a", 0, 1, "Write one"),
    ("= 3", 0, 1, "Write one"),
    ("tenant =", 8, 1, ""),
    ("model in (a b)", 9, 1, "commas"),
    ("model in ()", 10, 1, ""),
]


@pytest.mark.parametrize(("text", "at", "length", "remedy"), WRONG)
def test_an_error_shows_its_place(text: str, at: int, length: int, remedy: str) -> None:
    with pytest.raises(RequestError) as wrong:
        parse(text)
    _, line, carets = wrong.value.what.split("\n")
    assert (line[2:], carets[2:]) == (text, " " * at + "^" * length)
    assert remedy in wrong.value.remedy
    assert wrong.value.where == "q"


def test_size_and_depth_are_bounded() -> None:
    for text in ("a" * (MAX_LENGTH + 1), "(" * (MAX_DEPTH + 1) + "a", "not " * (MAX_DEPTH + 1) + "a", "a " * 500):
        with pytest.raises(RequestError):
            parse(text)
    with pytest.raises(RequestError, match="values"):
        parse(f"tenant in ({','.join('a' * (MAX_TERMS + 1))})")
    parse("(" * (MAX_DEPTH - 1) + "a" + ")" * (MAX_DEPTH - 1))
    long = " ".join(["word"] * 60 + ["tennant=x"])
    with pytest.raises(RequestError) as wrong:
        parse(long)
    _, line, carets = wrong.value.what.split("\n")
    assert line[carets.index("^") :].startswith("tennant")


@given(st.text(st.sampled_from("ab=~<>!()\"' ,:.$*?\\1snotrdi\n\0🙂"), max_size=60))
def test_any_text_is_an_expression_or_an_error_of_its_own(text: str) -> None:
    try:
        found = parse(text)
    except RequestError:
        return
    assert matches(found, CALL, SAID) is not matches(Not(found), CALL, SAID)
