"""What the money side of `TraceReader` and `TraceWriter` promises: sums over attempts, and pricing them anew."""

import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Deployment
from moat.domain.spans import Span
from moat.domain.usage import COUNTS, PIECES, Usage
from moat.ports.traces import Charge, Dimension, RepriceOrder, Spend, TraceFilter
from moat.testing.contracts.traces import OpenTraces, TraceStore

_START = 1_700_000_000_000_000_000
_HOUR = 3600 * 10**9


def _attempt(call: int, number: int, **changes: Any) -> Span:
    span = Span(
        span_id=f"{call:08x}{number:08x}",
        trace_id=f"{call:032x}",
        parent_id=f"{call:016x}",
        kind="attempt",
        name="chat m",
        started_ns=_START + call,
        duration_ns=1,
        request_id=f"req_{call}",
        tenant="acme",
        alias="assistant",
        model="m",
        provider="p",
        input_tokens=10,
        output_tokens=5,
        cost=100,
        price_version="old",
    )
    return replace(span, **changes)


def _call(call: int, **changes: Any) -> Span:
    root = _attempt(call, 0)
    span = replace(root, span_id=root.parent_id, parent_id="", kind="call", model="assistant", cost=100)
    return replace(span, **changes)


def _ingest(store: TraceStore, spans: Iterable[Span]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        segment = Path(folder) / "00000000000000000000-1.ndjson"
        segment.write_bytes(msgspec.json.Encoder().encode_lines(spans))
        store.ingest([segment])


def attempts_are_what_is_paid(open_store: OpenTraces) -> None:
    """A fallback is two requests at two providers; the call counts once, except by provider."""
    with open_store() as store:
        fallback = [_attempt(1, 1, provider="dear", cost=700, error="provider_down"), _attempt(1, 2, cost=30)]
        _ingest(store, [_call(1, cost=730), *fallback, _call(2), _attempt(2, 1, cost=None, usage_estimated=True)])
        _ingest(store, [_call(3, cost=0, cache="hit", saved=55, alias="")])
        (total,) = store.spending([], TraceFilter())
        assert (total.calls, total.requests, total.failed, total.estimated) == (3, 3, 1, 1)
        assert (total.cost, total.unpriced, total.hits, total.saved) == (730, 1, 1, 55)
        assert total.usage == Usage(input=30, output=15, estimated=True)
        assert [(row.group, row.calls) for row in store.spending(["alias"], TraceFilter())] == [(("assistant",), 3)]
        by_provider = store.spending(["provider"], TraceFilter())
        assert [(row.group, row.calls, row.requests, row.cost) for row in by_provider] == [
            (("dear",), 1, 1, 700),
            (("p",), 2, 2, 30),
        ]
        assert [row.cost for row in store.spending([], TraceFilter(provider="dear"))] == [700]
        assert store.spending(["tenant"], TraceFilter(tenant="other")) == []
        assert store.deployments(TraceFilter()) == [
            ("assistant", Deployment("dear", "m")),
            ("assistant", Deployment("p", "m")),
        ]


def a_call_counts_once_however_often_it_was_tried(open_store: OpenTraces) -> None:
    """Tried again at the same provider, or cut off when its process died."""
    with open_store() as store:
        _ingest(store, [_call(1, attempts=2), _attempt(1, 1, error="x"), _attempt(1, 2), _call(2), _attempt(2, 1)])
        _ingest(store, [_attempt(3, n, error="unknown_outcome") for n in (1, 2)])
        groupings: tuple[list[Dimension], ...] = ([], ["model"])
        for by in groupings:
            rows = store.spending(by, TraceFilter(provider="p"), _HOUR)
            assert [(row.calls, row.requests) for row in rows] == [(3, 5)]
        assert [row.calls for row in store.spending([], TraceFilter(model="m", since_ns=_START + 2))] == [2]


def every_kind_of_token_is_summed(open_store: OpenTraces) -> None:
    """Each count of `Usage` in its own place."""
    counts: dict[str, Any] = {name: number for number, name in enumerate(COUNTS, start=1)}
    columns = {name if name in PIECES else f"{name}_tokens": value for name, value in counts.items()}
    with open_store() as store:
        _ingest(store, [_attempt(1, 1, **columns), _attempt(2, 1, **columns)])
        (total,) = store.spending([], TraceFilter())
        assert total.usage == Usage(**counts) + Usage(**counts)


def time_is_divided_into_slots(open_store: OpenTraces) -> None:
    """Each slot begins at a multiple of its length; empty ones are absent."""
    hour = _START - _START % _HOUR
    with open_store() as store:
        _ingest(store, [_attempt(n, 1, started_ns=hour + at) for n, at in enumerate((0, _HOUR - 1, 2 * _HOUR))])
        slots = store.spending([], TraceFilter(), _HOUR)
        assert [(row.slot_ns, row.requests) for row in slots] == [(hour, 2), (hour + 2 * _HOUR, 1)]
        assert [row.requests for row in store.spending([], TraceFilter(since_ns=hour + 1), _HOUR)] == [1, 1]


def _double(charge: Charge) -> int | None:
    return None if charge.deployment.provider == "gone" else (charge.cost or 4) * 2


def prices_are_changed_with_a_trace(open_store: OpenTraces) -> None:
    """Attempts, their calls and the audit agree; what has no price now stays."""
    order = RepriceOrder(actor="Ada", price_version="new")
    with open_store() as store:
        _ingest(store, [_call(1), _attempt(1, 1), _call(2, cost=None), _attempt(2, 1, cost=None), _attempt(2, 2)])
        _ingest(store, [_call(3), _attempt(3, 1, provider="gone")])
        dry = store.reprice(replace(order, dry_run=True), _double)
        assert store.repricings() == []
        assert [s.cost for s in store.trace(_call(1).trace_id)] == [100, 100]
        done = store.reprice(order, _double)
        assert (done.before, done.after) == (dry.before, dry.after) == (300, 508)
        assert done.changes == dry.changes
        (one, gone) = done.changes
        assert (one.provider, one.price_version, one.attempts, one.changed, one.kept) == ("p", "old", 3, 3, 0)
        assert (gone.provider, gone.attempts, gone.changed, gone.kept) == ("gone", 1, 0, 1)
        assert store.repricings() == [done]
    with open_store() as store:
        assert [(s.kind, s.cost, s.price_version) for s in store.trace(_call(1).trace_id)] == [
            ("call", 200, "new"),
            ("attempt", 200, "new"),
        ]
        assert store.trace(_call(2).trace_id)[0].cost == 208
        assert [s.price_version for s in store.trace(_call(3).trace_id)] == ["old", "old"]
        assert store.reprice(order, lambda charge: charge.cost).after == done.after
        assert len(store.repricings()) == 2
        assert len(store.repricings(1)) == 1


def what_a_batch_api_ran_stays_marked(open_store: OpenTraces) -> None:
    """However often it is priced anew, its table's version says that its price is another."""
    with open_store() as store:
        _ingest(store, [_call(1, price_version="old+batch"), _attempt(1, 1, price_version="old+batch")])
        seen: list[str] = []

        def price(charge: Charge) -> int:
            seen.append(charge.price_version)
            return 7

        for version in ("new", "newer"):
            store.reprice(RepriceOrder(actor="Ada", price_version=version), price)
        assert seen == ["old+batch", "new+batch"]
        assert [s.price_version for s in store.trace(_call(1).trace_id)] == ["newer+batch"] * 2


def only_the_asked_time_is_priced_anew(open_store: OpenTraces) -> None:
    """From a moment up to another."""
    with open_store() as store:
        _ingest(store, [_attempt(n, 1) for n in (1, 2, 3)])
        order = RepriceOrder(actor="Ada", price_version="new", since_ns=_START + 2, until_ns=_START + 3)
        assert [change.attempts for change in store.reprice(order, lambda charge: 1).changes] == [1]
        assert [row.cost for row in store.spending([], TraceFilter())] == [201]


def a_price_sees_what_was_used(open_store: OpenTraces) -> None:
    """Deployment, alias, tokens and time, as recorded."""
    seen: list[Charge] = []

    def look(charge: Charge) -> int:
        seen.append(charge)
        return 1

    with open_store() as store:
        _ingest(store, [_attempt(1, 1, cached_tokens=4)])
        store.reprice(RepriceOrder(actor="Ada", price_version="new"), look)
    usage = Usage(input=10, output=5, cached=4)
    deployment = Deployment("p", "m")
    assert seen == [
        Charge(
            deployment=deployment,
            alias="assistant",
            usage=usage,
            started_ns=_START + 1,
            cost=100,
            price_version="old",
        )
    ]


def nothing_is_nothing(open_store: OpenTraces) -> None:
    """An empty store has no rows, and is priced anew in vain."""
    with open_store() as store:
        assert store.spending([], TraceFilter()) == store.spending(["model"], TraceFilter()) == []
        assert store.deployments(TraceFilter()) == []
        assert store.reprice(RepriceOrder(actor="Ada", price_version="new"), lambda charge: 1).changes == ()
        assert Spend(group=()).usage == Usage()


CHECKS: tuple[Callable[[OpenTraces], None], ...] = (
    attempts_are_what_is_paid,
    a_call_counts_once_however_often_it_was_tried,
    every_kind_of_token_is_summed,
    time_is_divided_into_slots,
    prices_are_changed_with_a_trace,
    what_a_batch_api_ran_stays_marked,
    only_the_asked_time_is_priced_anew,
    a_price_sees_what_was_used,
    nothing_is_nothing,
)
