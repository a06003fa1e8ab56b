"""What `moat traces show` and its sisters print of spans: bars, messages, columns, tables for spreadsheets."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.cli.trace_columns import COLUMNS, chosen, to_csv
from moat.cli.trace_messages import conversation, question
from moat.cli.trace_view import waterfall
from moat.domain.errors import RequestError
from moat.domain.spans import Span


def span(**fields: Any) -> Span:
    given: dict[str, Any] = {"span_id": "s", "trace_id": "t", "kind": "call", "name": "chat"}
    return Span(**given | {"started_ns": 0, "duration_ns": 10} | fields)


@pytest.mark.parametrize(
    ("fields", "bar"),
    [
        ({}, "██████████"),
        ({"started_ns": 5, "duration_ns": 5}, "     █████"),
        ({"started_ns": 9, "duration_ns": 0}, "         █"),
        ({"started_ns": 10, "duration_ns": 0}, "         █"),
        ({"stream": True, "first_token_ns": 4}, "▒▒▒▒██████"),
        ({"stream": True, "first_token_ns": 10}, "▒▒▒▒▒▒▒▒▒█"),
        ({"first_token_ns": 4}, "██████████"),
    ],
)
def test_a_bar_stands_where_its_span_was(fields: dict[str, Any], bar: str) -> None:
    assert waterfall(span(**fields), 0, 10, 10) == bar


@settings(max_examples=40)
@given(st.integers(0, 10**19), st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**13), st.booleans())
def test_a_bar_is_as_wide_as_it_must_be(began: int, after: int, lasted: int, first: int, stream: bool) -> None:
    one = span(started_ns=began + after, duration_ns=lasted, first_token_ns=first, stream=stream)
    bar = waterfall(one, began, after + lasted, 24)
    assert len(bar) == 24
    assert bar.strip()


def test_messages_are_read_without_knowing_the_wire_format() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"id":7}'}}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 5000}}
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
        {"role": "user", "content": "And?"},
    ]
    told = list(conversation(span(input={"messages": messages}, output={"text": "", "tool_calls": [call]})))
    assert [who for who, _ in told] == [
        "system", "user", "assistant, tool call", "tool result c1", "user", "tool call",
    ]  # fmt: skip
    assert told[1][1].startswith("What is this?\n(image_url, 5,0")
    assert len(told[1][1]) < 200
    assert told[2][1] == told[-1][1] == 'find({"id":7})'
    assert question(span(input={"messages": messages})) == "And?"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, [("answer", "(not recorded)")]),
        ({"error": "provider_down"}, [("answer", "(none: provider_down)")]),
        ({"output": {"text": ""}}, [("answer", "(no text)")]),
        ({"output": {"text": "", "refusal": "No."}}, [("refusal", "No.")]),
        ({"output": {"truncated": True, "text": "begi"}}, [("cut off in the record", "begi")]),
        ({"input": "odd", "output": ["odd"]}, [("input", "odd"), ("answer", '["odd"]')]),
        ({"input": {"messages": 7}, "output": {"text": 7}}, [("answer", "7")]),
        ({"input": {"messages": ["odd", {"content": 5}]}, "output": {"text": "x"}}, [("?", "5"), ("answer", "x")]),
        ({"output": {"text": "x", "tool_calls": ["odd"]}}, [("answer", "x"), ("tool call", "odd")]),
    ],
)
def test_odd_content_is_told_too(fields: dict[str, Any], told: list[tuple[str, str]]) -> None:
    assert list(conversation(span(**fields))) == told


def test_every_column_shows_something_of_any_call() -> None:
    for one in (span(), span(cost=5, stream=True, first_token_ns=2, output_tokens=9, prompt="p", arm="canary")):
        for column in COLUMNS.values():
            assert isinstance(column.show(one), str)
            column.value(one)


def test_a_wrong_column_lists_them_all() -> None:
    with pytest.raises(RequestError, match="There are: time, request"):
        chosen("time,tokenz")
    assert list(chosen(" time , cost ")) == ["time", "cost"]


@pytest.mark.promise("inj-9")
def test_no_text_is_a_formula_in_a_spreadsheet() -> None:
    calls = [span(user=user, cost=1_500_000_000) for user in ("=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "ada")]
    table = list(csv.DictReader(io.StringIO(to_csv(calls, chosen("user,cost,latency")), newline="")))
    assert all(row["user"].startswith("'") for row in table[:-1])
    assert table[-1] == {"user": "ada", "cost_usd": "0.0015", "latency_ms": "1e-05"}
