"""What DuckDB answers is what an expression means: for any expression, the calls that `matches` says."""

from collections.abc import Iterator
from contextlib import closing

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.duckdb import DuckTraces
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.query import parse
from moat.telemetry.query_matching import matches

TEXTS = (
    "",
    "a",
    "A",
    "ab",
    "b%",
    "_",
    "it's",
    'q"q',
    "Ä",
    "x' OR '1'='1",
    "\\",
    "a,b",
    "İΣ",
    "\x00",
    "provider_timeout",
)


def calls() -> Iterator[Span]:
    """Each text and a few numbers in each field, so that no two calls are alike."""
    for number in range(60):
        text = TEXTS[number % len(TEXTS)]
        other = TEXTS[number * 7 % len(TEXTS)]
        yield Span(
            span_id=f"{number:016x}",
            trace_id=f"{number:032x}",
            kind="call",
            name="chat",
            started_ns=1 + number * 10**9,
            duration_ns=number % 5 * 10**9,
            request_id=f"req_{number}",
            tenant=text,
            model=other,
            tools=text if number % 3 else f"{text},{other}",
            error=other if number % 2 else "",
            stream=number % 4 == 0,
            shadow_of="r" if number % 11 == 0 else "",
            input_tokens=number % 6,
            output_tokens=number % 4,
            cost=None if number % 5 == 0 else number * 10**10,
            input={"messages": [{"content": text}]} if number % 4 else None,
            output=[other, number] if number % 3 else None,
            attributes={"k": text, "n": number % 4, "a/b": [other]} if number % 2 else {},
        )


CALLS = list(calls())
SAID = [
    Feedback(
        id=f"f{number}",
        at_ns=number + 1,
        name=("feedback", "tone")[number % 2],
        value=None if number % 7 == 0 else number % 5 / 4,
        request_id=f"req_{number // 2}" if number % 3 else "",
        trace_id="" if number % 3 else f"{number // 2:032x}",
    )
    for number in range(40)
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckTraces]:
    folder = tmp_path_factory.mktemp("queries")
    for name, lines in (("spans", CALLS), ("said", SAID)):
        (folder / f"{name}.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(lines))
    with closing(DuckTraces.open(folder / "traces.duckdb")) as opened:
        assert opened.ingest([folder / "spans.ndjson"]) == len(CALLS)
        assert opened.ingest_feedback([folder / "said.ndjson"]) == len(SAID)
        yield opened


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


TEXT = st.sampled_from([*TEXTS, "*", "a*", "?", "*b*", "k", "content"]).map(quoted)
NUMBER = st.sampled_from(["0", "1", "2", "3", "0.5", "7"])
ORDER = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
LIKE = st.sampled_from(["=", "!=", "~", "!~"])
ONE = st.one_of(
    st.tuples(st.sampled_from(["tenant", "model", "error", "tools", "attributes.k", "attributes.a/b"]), LIKE, TEXT),
    st.tuples(st.sampled_from(["tokens", "output_tokens", "cost", "score", "score.tone"]), ORDER, NUMBER),
    st.tuples(st.just("attributes.n"), ORDER, NUMBER),
    st.tuples(st.just("latency"), ORDER, NUMBER.map(lambda number: f"{number}s")),
    st.tuples(st.sampled_from(["tenant", "error"]), st.just("in"), st.lists(TEXT, min_size=1, max_size=3).map(
        lambda texts: f"({', '.join(texts)})")),
    st.tuples(st.sampled_from(["error", "stream", "shadow", "score.feedback", "attributes.n", "failed"])),
    st.tuples(TEXT.filter(lambda text: text[1:-1].strip() != "")),
).map(" ".join)  # fmt: skip
EXPRESSION = st.recursive(
    ONE,
    lambda inner: st.one_of(
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, st.sampled_from(["and", "or", ""]), inner).map(lambda parts: f"({' '.join(parts)})"),
    ),
    max_leaves=6,
)


def said_of(call: Span) -> list[Feedback]:
    return [
        one for one in SAID if (one.request_id == call.request_id if one.request_id else one.trace_id == call.trace_id)
    ]


@pytest.mark.promise("inj-4")
@settings(max_examples=150, deadline=None)
@given(EXPRESSION)
def test_sql_answers_what_an_expression_means(store: DuckTraces, text: str) -> None:
    expression = parse(text)
    expected = [call.span_id for call in reversed(CALLS) if matches(expression, call, said_of(call))]
    assert [call.span_id for call in store.search(TraceFilter(q=text), 100)] == expected
