"""Lists and charts of calls: pages that hold each call once, and counts that add up."""

import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from moat.adapters.duckdb import DuckTraces
from moat.adapters.duckdb.calls import step_of
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.calls import CallRow, Place
from moat.ports.traces import TraceFilter

SECOND = 10**9


def span(number: int, **fields: Any) -> Span:
    given: dict[str, Any] = {
        "span_id": f"{number:016x}",
        "trace_id": f"{number:032x}",
        "kind": "call",
        "name": "chat",
        "started_ns": number * SECOND,
        "duration_ns": number,
        "request_id": f"req_{number}",
    }
    return Span(**given | fields)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DuckTraces]:
    opened = DuckTraces.open(tmp_path / "traces.duckdb")
    yield opened
    opened.close()


def keep(store: DuckTraces, spans: Iterable[Span]) -> None:
    segment = Path(store._path).with_name("segment.ndjson")
    segment.write_bytes(msgspec.json.Encoder().encode_lines(list(spans)))
    store.ingest([segment])


def walked(store: DuckTraces, limit: int, wanted: TraceFilter | None = None) -> list[CallRow]:
    rows, after = list[CallRow](), None
    while True:
        page = store.calls.page(wanted or TraceFilter(), limit, after)
        rows += page.rows
        assert len(page.rows) == limit or page.next is None
        if (after := page.next) is None:
            return rows


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    starts=st.lists(st.integers(1, 4), min_size=1, max_size=25),
    limit=st.integers(1, 10),
    reported=st.booleans(),
)
def test_pages_hold_each_call_once_newest_first(
    tmp_path_factory: pytest.TempPathFactory, starts: list[int], limit: int, reported: bool
) -> None:
    """Many start at the same moment, and some have the same span id in another trace."""
    kind = "app" if reported else "call"
    spans = [
        span(n, started_ns=start, kind=kind, span_id=f"{n // 2:016x}", trace_id=f"{n:032x}")
        for n, start in enumerate(starts)
    ]
    store = DuckTraces.open(tmp_path_factory.mktemp("pages") / "traces.duckdb")
    keep(store, spans)
    rows = walked(store, limit, TraceFilter(wide=True))
    store.close()
    order = [(-s.started_ns, s.span_id, s.trace_id) for s in spans]
    assert [(-row.started_ns, row.span_id, row.trace_id) for row in rows] == sorted(order)


def test_calls_that_come_meanwhile_move_no_page(store: DuckTraces) -> None:
    keep(store, [span(n) for n in range(1, 21)])
    first = store.calls.page(TraceFilter(), 5)
    keep(store, [span(n) for n in range(21, 30)])
    second = store.calls.page(TraceFilter(), 5, first.next)
    assert [row.request_id for row in (*first.rows, *second.rows)] == [f"req_{n}" for n in range(20, 10, -1)]


def test_a_row_says_what_the_span_says(store: DuckTraces) -> None:
    whole = span(1, cost=None, tools="find", stream=True, attempts=2, guard="flag", input={"messages": []})
    keep(store, [whole])
    (row,) = store.calls.page(TraceFilter(), 1).rows
    assert msgspec.structs.asdict(row) == {name: getattr(whole, name) for name in CallRow.__struct_fields__}
    assert not {"input", "output", "attributes", "error_message"} & set(CallRow.__struct_fields__)


def test_a_place_of_reported_spans_stays_with_them(store: DuckTraces) -> None:
    keep(store, [span(n, kind="app") for n in range(1, 5)])
    first = store.calls.page(TraceFilter(wide=True), 2)
    assert first.next is not None
    assert first.next.reported
    keep(store, [span(9)])
    assert [row.started_ns for row in store.calls.page(TraceFilter(wide=True), 2, first.next).rows] == [
        2 * SECOND,
        SECOND,
    ]
    assert store.calls.page(TraceFilter(), 2, Place(9 * SECOND, "", "", reported=False)).rows[0].span_id == f"{9:016x}"


def test_counts_add_up_over_the_slots(store: DuckTraces) -> None:
    keep(store, [span(n, error="provider_down" if n % 4 == 0 else "") for n in range(1, 101)])
    found = store.calls.count(TraceFilter(), 60, 0)
    assert (found.calls, found.failed) == (100, 25)
    assert (found.since_ns, found.until_ns, found.step_ns) == (SECOND, 100 * SECOND + 1, 2 * SECOND)
    assert sum(slot.calls for slot in found.slots) == 100
    assert sum(slot.failed for slot in found.slots) == 25
    assert len(found.slots) <= 61
    assert all(slot.start_ns % found.step_ns == 0 for slot in found.slots)


def test_an_open_end_is_now_and_empty_slots_are_there(store: DuckTraces) -> None:
    keep(store, [span(5)])
    found = store.calls.count(TraceFilter(since_ns=2 * SECOND), 60, 12 * SECOND)
    assert [slot.calls for slot in found.slots] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    nothing = store.calls.count(TraceFilter(tenant="none"), 60, 12 * SECOND)
    assert (nothing.calls, nothing.slots, nothing.until_ns) == (0, [], 0)
    assert store.calls.count(TraceFilter(since_ns=5 * SECOND, until_ns=4 * SECOND), 60, 0).slots == []


@given(st.integers(1, 400 * 86_400 * SECOND), st.integers(1, 120))
def test_slots_cover_their_time(length: int, slots: int) -> None:
    step = step_of(length, slots)
    assert step * slots >= length
    assert step % SECOND == 0


def test_totals_are_those_of_the_usage_report(store: DuckTraces) -> None:
    keep(
        store,
        [
            span(n, tenant="acme", cost=None if n == 3 else n, input_tokens=n, output_tokens=2, cache="hit" * (n == 4),
                 saved=7 * (n == 4), guard="block" * (n == 5), error="provider_down" if n == 5 else "",
                 stream=n < 3, first_token_ns=n * (n < 3))
            for n in range(1, 11)
        ],
    )  # fmt: skip
    (whole,) = store.calls.totals(TraceFilter())
    (usage,) = store.usages([], TraceFilter())
    for name in ("calls", "errors", "cost", "unpriced", "input_tokens", "output_tokens", "hits", "looked_up"):
        assert getattr(whole, name) == getattr(usage, name), name
    assert (whole.p50_ns, whole.p95_ns) == (usage.p50_ns, usage.p95_ns)
    assert (whole.first_token_p50_ns, whole.saved, whole.blocked) == (usage.first_token_p50_ns, 7, 1)
    slots = store.calls.totals(TraceFilter(), 60 * SECOND)
    assert [slot.calls for slot in slots] == [10]
    assert store.calls.totals(TraceFilter(tenant="none"))[0].calls == 0
    assert store.calls.totals(TraceFilter(tenant="none"), SECOND) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9), st.booleans(), st.booleans()), max_size=12))
def test_a_course_is_the_totals_of_the_whole_and_of_each_slot(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[int, int, bool, bool]]
) -> None:
    opened = DuckTraces.open(tmp_path_factory.mktemp("course") / "traces.duckdb")
    try:
        keep(
            opened,
            [
                span(n, started_ns=start * SECOND, duration_ns=length, cost=None if failed else length, stream=streamed,
                     first_token_ns=length, error="invalid_request" if failed else "")
                for n, (start, length, failed, streamed) in enumerate(calls)
            ],
        )  # fmt: skip
        for wanted in (TraceFilter(), TraceFilter(since_ns=3 * SECOND, until_ns=8 * SECOND)):
            whole, slots = opened.calls.course(wanted, 2 * SECOND)
            assert [whole] == opened.calls.totals(wanted)
            assert slots == opened.calls.totals(wanted, 2 * SECOND)
    finally:
        opened.close()


def test_an_opinion_of_a_whole_trace_is_of_its_first_call_whatever_is_asked_for(
    store: DuckTraces, tmp_path: Path
) -> None:
    trace = f"{7:032x}"
    keep(store, [span(n, trace_id=trace, tenant="acme", user="ada", session=f"s{n}") for n in (1, 2)])
    said = [
        Feedback(id="all", at_ns=1, trace_id=trace, value=1.0),
        Feedback(id="one", at_ns=1, request_id="req_2", value=0.0),
    ]
    (tmp_path / "said.ndjson").write_bytes(msgspec.json.Encoder().encode_lines(said))
    store.ingest_feedback([tmp_path / "said.ndjson"])
    later = TraceFilter(since_ns=2 * SECOND)
    assert [(each.count, each.total) for each in store.scores(["user"], TraceFilter())] == [(2, 1.0)]
    assert [(each.count, each.total) for each in store.scores(["user"], later)] == [(1, 0.0)]
    assert [(each.slot_ns, each.total) for each in store.scores([], TraceFilter(), SECOND)] == [
        (SECOND, 1.0),
        (2 * SECOND, 0.0),
    ]
    assert {visit.id: visit.score for visit in store.sessions(TraceFilter())} == {"s1": 1.0, "s2": 0.0}
    assert [visit.score for visit in store.sessions(later)] == [0.0]


def test_samples_hold_the_latencies_of_the_ranks_that_are_asked_for(store: DuckTraces) -> None:
    keep(
        store,
        [
            span(n, tenant="ab"[n % 2], duration_ns=100 - n, cost=None if n == 5 else n, attempts=1,
                 error="provider_down" if n in (7, 8) else "")
            for n in range(1, 11)
        ],
    )  # fmt: skip
    one, other = store.calls.samples(["tenant"], TraceFilter(), lambda many: (1, many, 0))
    assert (one.group, one.slot_ns, one.calls, one.errors, one.timed) == (("a",), 0, 5, 1, 4)
    assert one.latencies == (90, 98, None)
    assert (other.group, other.latencies, other.priced) == (("b",), (91, 99, None), 4)
    costs = [1, 3, 7, 9]
    assert other.cost == pytest.approx(statistics.mean(costs))
    assert other.deviation == pytest.approx(statistics.stdev(costs))
    assert other.skewness == pytest.approx(0.0)
    slots = store.calls.samples([], TraceFilter(), lambda many: (many,), 4 * SECOND)
    assert [(slot.slot_ns // SECOND, slot.calls) for slot in slots] == [(0, 3), (4, 4), (8, 3)]
    assert store.calls.samples([], TraceFilter(tenant="none"), lambda many: (many,)) == []


def test_calls_that_come_while_samples_are_taken_leave_the_ranks_as_they_were(store: DuckTraces) -> None:
    keep(store, [span(n) for n in range(1, 4)])

    def ranks(many: int) -> tuple[int, ...]:
        if many:
            keep(store, [span(9)])
        return (2,)

    (found,) = store.calls.samples([], TraceFilter(), ranks)
    assert (found.timed, found.latencies) == (3, (2,))


def test_costs_that_hardly_differ_have_no_skewness(store: DuckTraces) -> None:
    """Sums of cubes have no digits left for it."""
    keep(store, [span(n, cost=10**12 + n % 3, attempts=1) for n in range(1, 31)])
    (found,) = store.calls.samples([], TraceFilter(), lambda many: ())
    assert (found.cost, found.skewness, found.latencies) == (10**12 + 1, 0, ())


def test_findings_are_counted_by_guard_kind_place_and_action(store: DuckTraces) -> None:
    email = {"guard": "pii", "kind": "email", "place": "input", "path": "text", "start": 0, "end": 1, "score": 1}
    redacted = {"guard": "pii", "action": "redact", "findings": [email, email], "not_run": ""}
    broken = {"guard": "judge", "action": "block", "findings": [], "not_run": "it took too long"}
    keep(
        store,
        [
            span(1, guard="redact", attributes={"moat.guards": [redacted]}),
            span(2, guard="block", attributes={"moat.guards": [redacted, broken]}),
            span(3, attributes={"note": 'a "moat.guards" in a text'}),
        ],
    )
    one, other = store.calls.findings(TraceFilter(), 0, 10)
    assert (one.guard, one.kind, one.place, one.action) == ("pii", "email", "input", "redact")
    assert (one.calls, one.findings, one.last_request) == (2, 4, "req_2")
    assert (other.guard, other.kind, other.place, other.action) == ("judge", "did not run", "", "block")
    assert (other.calls, other.findings) == (1, 0)
    assert [each.slot_ns for each in store.calls.findings(TraceFilter(), SECOND, 10)] == [
        SECOND,
        2 * SECOND,
        2 * SECOND,
    ]
    assert len(store.calls.findings(TraceFilter(), 0, 1)) == 1


def test_each_change_of_what_is_kept_is_counted_as_one(store: DuckTraces, tmp_path: Path) -> None:
    before = store.commits
    keep(store, [span(1)])
    assert store.commits == before + 1
    keep(store, [span(1)])
    assert store.commits == before + 1, "it was known already"
