"""What the totals of `TraceReader` promise: sums and quantiles, by dimensions and by time."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import cast

import pytest
from msgspec.structs import replace

from moat.domain.errors import RequestError
from moat.ports.traces import Dimension, TraceFilter, Usages
from moat.testing.contracts.traces import START, OpenTraces, ingest, new_call


def totals_are_exact(open_store: OpenTraces) -> None:
    """Sums beyond 64 bits, nearest-rank quantiles, unknown costs counted; attempts and app spans are not calls.

    The first token of an answer that was not streamed is its whole latency, so only streams have one.
    """
    most = 2**63 - 1
    spans = [
        new_call(number, cost=most, tenant="a", stream=number < 40, first_token_ns=number % 3 if number < 40 else most)
        for number in range(1, 101)
    ]
    others = [
        new_call(200, tenant="b", cost=None, error="timeout", duration_ns=3),
        new_call(201, kind="attempt"),
        new_call(202, kind="app"),
    ]
    ranks = {q: math.ceil(Fraction(q) * 100) for q in ("0.5", "0.95", "0.99")}
    a = Usages(
        group=("a",),
        calls=100,
        errors=0,
        input_tokens=1000,
        output_tokens=500,
        cached_tokens=0,
        cost=100 * most,
        unpriced=0,
        timed=100,
        p50_ns=ranks["0.5"] * 1_000_000,
        p95_ns=ranks["0.95"] * 1_000_000,
        p99_ns=ranks["0.99"] * 1_000_000,
        first_token_p50_ns=1,
        streamed_tokens=5 * 26,
        streaming_ns=sum(
            span.duration_ns - span.first_token_ns for span in spans if span.stream and span.first_token_ns
        ),
        streams=26,
    )
    b = replace(
        a, group=("b",), calls=1, errors=1, input_tokens=10, output_tokens=5, cost=0, unpriced=1,
        timed=1, p50_ns=3, p95_ns=3, p99_ns=3, first_token_p50_ns=0, streamed_tokens=0, streaming_ns=0, timeouts=1,
        streams=0, refused=1,
    )  # fmt: skip
    with open_store() as store:
        ingest(store, spans, others)
        assert store.usages(["tenant"], TraceFilter()) == [a, b]
        assert store.usages(["tenant", "user"], TraceFilter(tenant="b")) == [replace(b, group=("b", ""))]
        (total,) = store.usages([], TraceFilter())
        assert (total.group, total.calls, total.cost, total.unpriced) == ((), 101, 100 * most, 1)


def latency_is_of_those_who_were_answered_or_waited_in_vain(open_store: OpenTraces) -> None:
    """What fails at once is not fast, and nobody waits for a call of a batch; both are calls all the same."""
    spans = [
        new_call(1),
        new_call(2, error="provider_timeout", duration_ns=10**10),
        *(new_call(number, error="circuit_open", duration_ns=number) for number in range(3, 43)),
        new_call(50, price_version="1+batch", duration_ns=10**15),
    ]
    with open_store() as store:
        ingest(store, spans)
        for found in (store.usages([], TraceFilter())[0], store.series([], TraceFilter(), 10**12)[0]):
            assert (found.calls, found.errors, found.timed) == (43, 41, 2)
            assert (found.p50_ns, found.p95_ns, found.p99_ns) == (10**6, 10**10, 10**10)
        (failed,) = store.usages([], TraceFilter(q="error = circuit_open"))
        assert (failed.calls, failed.timed, failed.p95_ns) == (40, 0, 0)


def only_dimensions_group(open_store: OpenTraces) -> None:
    """Another name is refused before any SQL is made of it."""
    with open_store() as store, pytest.raises(RequestError, match="no such dimension"):
        store.usages([cast(Dimension, 'tenant"; DROP TABLE spans; --')], TraceFilter())


def totals_are_divided_by_time(open_store: OpenTraces) -> None:
    """Slots begin at multiples of their length; empty ones are absent; caches and timeouts are counted."""
    hour = 3600 * 10**9
    start = START - START % hour
    cached = {"cache": "hit", "stream": True, "first_token_ns": 1, "output_tokens": 1}
    spans = [
        new_call(1, started_ns=start, tenant="b", cache="miss"),
        new_call(2, started_ns=start + hour - 1, tenant="a", **cached),
        new_call(3, started_ns=start + 5 * hour, tenant="a", error="provider_timeout", cost=None),
    ]
    with open_store() as store:
        ingest(store, spans)
        rows = store.series(["tenant"], TraceFilter(), hour)
        assert [(row.slot_ns - start, row.group, row.calls) for row in rows] == [
            (0, ("a",), 1),
            (0, ("b",), 1),
            (5 * hour, ("a",), 1),
        ]
        assert [(row.looked_up, row.hits, row.timeouts, row.streamed_tokens) for row in rows] == [
            (1, 1, 0, 0),
            (1, 0, 0, 0),
            (0, 0, 1, 0),
        ]
        half = hour // 2
        shifted = [(row.slot_ns - start, row.calls) for row in store.series([], TraceFilter(), hour, half)]
        assert shifted == [(-half, 1), (half, 1), (4 * hour + half, 1)]
        assert [row.slot_ns - start for row in store.spending([], TraceFilter(), hour, half)] == [
            place for place, _ in shifted
        ]
        (late,) = store.series([], TraceFilter(since_ns=start + hour), hour)
        assert (late.slot_ns, late.calls, late.errors) == (start + 5 * hour, 1, 1)


CHECKS: tuple[Callable[[OpenTraces], None], ...] = (
    totals_are_exact,
    latency_is_of_those_who_were_answered_or_waited_in_vain,
    only_dimensions_group,
    totals_are_divided_by_time,
)
