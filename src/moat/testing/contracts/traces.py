"""What `TraceReader` and `TraceWriter` promise."""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from msgspec.structs import replace

from moat.domain.errors import RequestError
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter, TraceReader, TraceWriter


class TraceStore(TraceReader, TraceWriter, Protocol):
    """Both sides at once."""


OpenTraces = Callable[[], AbstractContextManager[TraceStore]]

START = 1_700_000_000_000_000_000


def new_call(number: int, **changes: Any) -> Span:
    """A call that is told from others by its number."""
    span = Span(
        span_id=f"{number:016x}",
        trace_id=f"{number:032x}",
        kind="call",
        name="chat",
        started_ns=START + number,
        duration_ns=1_000_000 * number,
        request_id=f"req_{number}",
        model="assistant",
        provider="simulated",
        input_tokens=10,
        output_tokens=5,
        cost=7,
    )
    return replace(span, **changes)


def _full(number: int) -> Span:
    """A span with something in every field that has a default."""
    changes: dict[str, Any] = {}
    for field in msgspec.structs.fields(Span):
        if not field.required:
            kinds: dict[Any, Any] = {str: f"It's „{field.name}“\n\x00 🙂", int: 2**62, bool: True, int | None: -5}
            changes[field.name] = kinds.get(field.type, {"list": [1, None, 0.5], "text": "\x00 „ja“ 🙂"})
    return new_call(number, **changes)


@contextmanager
def segments(*contents: Iterable[Span | Feedback] | bytes) -> Iterator[list[Path]]:
    """Segment files that hold these lines or raw bytes."""
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for number, content in enumerate(contents):
            path = Path(directory) / f"{number:020d}-1-it's.ndjson"
            path.write_bytes(content if isinstance(content, bytes) else msgspec.json.Encoder().encode_lines(content))
            paths.append(path)
        yield paths


def ingest(store: TraceStore, *contents: Iterable[Span] | bytes) -> int:
    """Put segments with these lines into the store; how many spans were new."""
    with segments(*contents) as paths:
        return store.ingest(paths)


def _slim(span: Span) -> Span:
    return replace(span, input=None, output=None)


def spans_are_read_back_as_written(open_store: OpenTraces) -> None:
    """Every field, by another opener too."""
    full = _full(1)
    with open_store() as store:
        assert ingest(store, [full, new_call(2)]) == 2
    with open_store() as store:
        assert store.trace(full.trace_id) == [full]
        assert store.trace(new_call(2).trace_id) == [new_call(2)]
        assert store.search(TraceFilter()) == [new_call(2), _slim(full)]


def an_empty_store_answers(open_store: OpenTraces) -> None:
    """No rows, and totals of nothing."""
    with open_store() as store:
        assert store.search(TraceFilter()) == []
        assert store.trace("unknown") == []
        assert store.trace("") == []
        assert store.usages(["model"], TraceFilter()) == []
        (nothing,) = store.usages([], TraceFilter())
        assert msgspec.structs.astuple(nothing) == ((), *[0] * 20)
        assert store.series([], TraceFilter(), 60 * 10**9) == []
        assert store.scores([], TraceFilter()) == []
        assert store.sessions(TraceFilter()) == store.users(TraceFilter()) == []
        assert list(store.pages(TraceFilter())) == []
        assert store.feedback("unknown") == store.feedback("") == []
        assert (store.kept().spans, store.kept().opinions, store.kept().first_ns) == (0, 0, 0)
        assert store.expire(Retention(content_ns=START, spans_ns=START)) == 0
        assert ingest(store) == 0
        assert ingest(store, b"") == 0


def a_span_seen_before_changes_nothing(open_store: OpenTraces) -> None:
    """Within a segment, within a batch, between batches, after reopening."""
    one, two, three = new_call(1), new_call(2), new_call(3)
    with open_store() as store:
        assert ingest(store, [one, two, one], [two]) == 2
        assert ingest(store, [replace(one, tenant="other"), three]) == 1
    with open_store() as store:
        assert ingest(store, [one, two, three]) == 0
        assert store.search(TraceFilter()) == [three, two, one]


def a_span_is_known_by_its_trace_id_and_start(open_store: OpenTraces) -> None:
    """Span ids are unique in a trace only; what else is in a batch or a table decides nothing."""
    one = new_call(1)
    elsewhere = replace(one, trace_id="f" * 32)
    late, early = replace(one, started_ns=START + 9), replace(one, started_ns=5)
    with open_store() as store:
        assert ingest(store, [one, elsewhere]) == 2
        assert ingest(store, [elsewhere]) == 0
        assert ingest(store, [late, one, early]) == 2
        assert ingest(store, [late], [new_call(2), elsewhere, early], [one]) == 1
        assert store.trace(elsewhere.trace_id) == [elsewhere]
        assert store.trace(one.trace_id) == [early, one, late]


def what_is_not_a_span_does_not_stop_the_rest(open_store: OpenTraces) -> None:
    """Whatever a line holds, its neighbours are committed, and only they."""
    line = msgspec.json.encode(new_call(9))
    bad = [
        b"not json",
        b"[1]",
        b"{}",
        b"\xff\xfe",
        b"\x00" * 100,
        line[:-20],
        line.replace(b'"started_ns":', b'"started_ns":"x","y":'),
        line.replace(b'"cost":7', b'"cost":9223372036854775808'),
        line.replace(b'"cost":7', b'"cost":1.5'),
        line.replace(b'"cost":7', b'"unknown":7'),
        line.replace(b'"name":"chat"', b'"name":"\\ud800"'),
        line.replace(b'"call"', b'"wrong"'),
        line.replace(b'"0000000000000009"', b'""'),
        b'{"span_id":' + b"[" * 100_000,
    ]
    one, two = (msgspec.json.encode(new_call(number)) for number in (1, 2))
    with open_store() as store:
        assert ingest(store, b"\n".join([one, *bad, b"", two]) + b"\n" + line[:50], [new_call(3)]) == 3
        assert [span.span_id for span in store.search(TraceFilter())] == [new_call(n).span_id for n in (3, 2, 1)]


def a_key_that_stands_twice_is_read(open_store: OpenTraces) -> None:
    """JSON leaves it open; the last one counts."""
    line = msgspec.json.encode(new_call(1)).replace(b'"cost":7', b'"cost":8,"cost":9')
    with open_store() as store:
        assert ingest(store, line + b"\n", [new_call(2)]) == 2
        assert [span.cost for span in store.search(TraceFilter())] == [7, 9]


def a_large_span_is_kept(open_store: OpenTraces) -> None:
    """10 MB of content beside a small one."""
    large = new_call(1, input={"messages": [{"role": "user", "content": "word " * 2_000_000}]})
    with open_store() as store:
        assert ingest(store, [large, new_call(2)]) == 2
        assert store.trace(large.trace_id) == [large]


def a_trace_has_all_its_spans(open_store: OpenTraces) -> None:
    """By trace id or request id, oldest first, the call before an attempt of the same moment."""
    call = new_call(5, input="question", output="answer")
    child = {"kind": "attempt", "parent_id": call.span_id, "trace_id": call.trace_id}
    first = new_call(1, **child, started_ns=call.started_ns)
    second = new_call(6, **child)
    with open_store() as store:
        ingest(store, [second, first, call, new_call(7)])
        assert store.trace(call.trace_id) == [call, first, second]
        assert store.trace(call.request_id) == [call, first, second]
        assert store.search(TraceFilter(trace_id=call.trace_id)) == [_slim(call)]


def filters_match_exactly(open_store: OpenTraces) -> None:
    """Each text field, the outcome, and a half-open time range; values are never SQL."""
    names = [field.name for field in msgspec.structs.fields(TraceFilter) if field.type is str and field.name != "q"]
    hostile = "x' OR '1'='1"
    spans = [new_call(number, **{name: hostile}) for number, name in enumerate(names, start=1)]
    with open_store() as store:
        ingest(store, spans)
        for span, name in zip(spans, names, strict=True):
            assert store.search(replace(TraceFilter(), **{name: hostile})) == [span]
            assert store.search(replace(TraceFilter(), **{name: hostile[:-1]})) == []
        failed = [span for span in spans if span.error]
        assert store.search(TraceFilter(failed=True)) == failed
        assert len(store.search(TraceFilter(failed=False))) == len(spans) - len(failed)
        shadow = new_call(len(spans) + 1, shadow_of="req_1")
        ingest(store, [shadow])
        assert store.search(TraceFilter(shadow=True)) == [shadow]
        assert len(store.search(TraceFilter(shadow=False))) == len(spans)
        between = TraceFilter(since_ns=START + 2, until_ns=START + 4)
        assert store.search(between) == [spans[2], spans[1]]
        assert store.search(TraceFilter(), limit=1) == [shadow]
        slow = new_call(0, started_ns=START - 60 * 10**9, duration_ns=600 * 10**9)
        ingest(store, [slow])
        assert store.search(TraceFilter(ended_since_ns=slow.started_ns + slow.duration_ns)) == [slow]
        assert store.search(TraceFilter(ended_since_ns=slow.started_ns + slow.duration_ns + 1)) == []
        assert store.search(TraceFilter(ended_since_ns=2**63 - 1)) == []


def pages_hold_whole_traces(open_store: OpenTraces) -> None:
    """Each once, oldest first, with content and with what is not a call, however small a page is."""
    spans = list[Span]()
    for number in range(1, 8):
        call = new_call(10 * number, input=f"question {number}", tenant="a" if number % 2 else "b")
        part = replace(
            call, kind="attempt", span_id=f"a{number}", parent_id=call.span_id, started_ns=call.started_ns + 1
        )
        spans += [call, part]
    spans.append(new_call(999, trace_id=spans[0].trace_id, tenant="b"))
    traces = [[spans[0], spans[1], spans[14]], *(spans[at : at + 2] for at in range(2, 14, 2))]
    with open_store() as store:
        ingest(store, reversed(spans))
        for size in (1, 3, 4, 1000):
            found = list(store.pages(TraceFilter(), size))
            assert [span for page in found for span in page] == [span for trace in traces for span in trace]
            assert all(page and sum(span.trace_id != page[-1].trace_id for span in page) < size for page in found)
        of_b = [span for page in store.pages(TraceFilter(tenant="b"), 3) for span in page]
        assert of_b == [span for trace in (traces[0], *traces[1::2]) for span in trace]


def a_filter_may_be_an_expression(open_store: OpenTraces) -> None:
    """Together with the other fields; what is none is refused wherever it is used."""
    with open_store() as store:
        ingest(store, [new_call(1, user="u", input="Grüße"), new_call(2, user="u", cost=9), new_call(3, cost=9)])
        wanted = TraceFilter(user="u", q="cost > $0.000000000008 or GRÜSSE or gRÜße")
        assert [span.request_id for span in store.search(wanted)] == ["req_2", "req_1"]
        assert store.usages([], wanted)[0].calls == 2
        for question in (store.search, store.sessions, store.users, lambda wanted: list(store.pages(wanted))):
            with pytest.raises(RequestError, match="there is no field"):
                question(TraceFilter(q="tennant = x"))


def an_expression_may_ask_for_spans_of_other_kinds(open_store: OpenTraces) -> None:
    """Searches and exports take them up; counts are of calls, whatever is said."""
    own = [
        new_call(1, input="where is it", tenant="a"),
        new_call(2, kind="attempt", input="where is it", tenant="a"),
        new_call(3, kind="app", request_id="", operation="execute_tool", output={"found": "Where?"}, tenant="b"),
    ]
    found = {
        "where": [1],
        "kind = any where": [3, 2, 1],
        "kind = app": [3],
        "kind in (app, call) where": [3, 1],
        "kind != call": [3, 2],
        "kind = app or tenant = a": [3, 2, 1],
        "not kind = any": [],
    }
    with open_store() as store:
        ingest(store, own)
        for q, numbers in found.items():
            wanted = TraceFilter(q=q)
            assert store.search(wanted) == [_slim(own[number - 1]) for number in numbers], q
            assert [page[0] for page in store.pages(wanted, 1)] == [own[number - 1] for number in reversed(numbers)]
            assert sum(row.calls for row in store.usages([], wanted)) == (1 in numbers)
        assert store.search(TraceFilter(q="kind = any", tenant="b")) == [_slim(own[2])]
        for q in ("kind = tool", "kind ~ a*"):
            with pytest.raises(RequestError, match="a kind is call, attempt, app or any"):
                store.search(TraceFilter(q=q))


def a_wide_filter_finds_what_applications_report(open_store: OpenTraces) -> None:
    """Where no call matches: top spans, or spans at any depth by what they say. Visits have both, each trace once."""
    top = new_call(2, kind="app", request_id="", name="run", service="shop", session="s", user="u")
    tool = replace(
        top, span_id="a" * 16, parent_id=top.span_id, operation="execute_tool", tools="orders", started_ns=START + 3
    )
    call, beside = new_call(1, session="t"), new_call(1, kind="app", span_id="c" * 16, session="t", name="web")
    attempt = new_call(1, kind="attempt", span_id="b" * 16, parent_id=call.span_id, service="shop")
    found: dict[str, list[Span]] = {
        "": [call],
        "session = t": [call],
        "session = s": [tool, top],
        "service = shop": [tool, top],
        "tools = orders": [tool],
        "name = web": [beside],
        f"trace = {top.trace_id}": [tool, top],
        "kind = attempt": [attempt],
        "service = other": [],
    }
    with open_store() as store:
        ingest(store, [call, beside, attempt, top, tool])
        for q, spans in found.items():
            assert store.search(TraceFilter(q=q, wide=True)) == [_slim(span) for span in spans], q
        assert store.search(TraceFilter(session="s", wide=True)) == [_slim(top)]
        assert store.search(TraceFilter(session="s")) == []
        assert [(visit.id, visit.calls) for visit in store.sessions(TraceFilter(wide=True), 5)] == [("s", 1), ("t", 1)]
        assert [visit.id for visit in store.sessions(TraceFilter(), 5)] == ["t"]
        assert [len(page) for page in store.pages(TraceFilter(wide=True), 1)] == [3, 2]
        assert [len(page) for page in store.pages(TraceFilter(), 1)] == [3]


def a_visit_is_whose_was_said_last(open_store: OpenTraces) -> None:
    """A call that names no user takes nobody's name away."""
    with open_store() as store:
        ingest(store, [new_call(1, session="s", user="ada"), new_call(2, session="s")])
        assert [(visit.user, visit.calls) for visit in store.sessions(TraceFilter(), 5)] == [("ada", 2)]


CHECKS: tuple[Callable[[OpenTraces], None], ...] = (
    spans_are_read_back_as_written,
    an_expression_may_ask_for_spans_of_other_kinds,
    a_wide_filter_finds_what_applications_report,
    a_visit_is_whose_was_said_last,
    an_empty_store_answers,
    a_span_seen_before_changes_nothing,
    a_span_is_known_by_its_trace_id_and_start,
    what_is_not_a_span_does_not_stop_the_rest,
    a_key_that_stands_twice_is_read,
    a_large_span_is_kept,
    a_trace_has_all_its_spans,
    filters_match_exactly,
    pages_hold_whole_traces,
    a_filter_may_be_an_expression,
)
