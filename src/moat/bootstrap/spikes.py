"""Keeps the spending breaker in step with the store, and with what is usual."""

import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Literal

from moat.bootstrap.reload import to_its_end
from moat.domain.environments import EVALS
from moat.ports.traces import TraceFilter, TraceReader
from moat.ports.trips import TripStore
from moat.spend.spikes import HOUR_NS, WEEK_HOURS, SpikeBreaker, Usual, Whose, named, usual_of

POLL_SECONDS = 0.5
"""Between two looks at the store: a reset acts within a second."""

LEARN_SECONDS = 3600.0
"""Between two looks at the records."""

WEEKS = 4
"""Of records that say what is usual."""

SCOPES: tuple[Literal["feature", "key"], ...] = ("feature", "key")


async def keep_spikes(breaker: SpikeBreaker, trips: TripStore, traces: TraceReader) -> None:
    """Store what trips, follow what is reset, learn what is usual, until cancelled."""
    learnt = -LEARN_SECONDS
    while True:
        await follow(breaker, trips)
        if time.monotonic() - learnt >= LEARN_SECONDS:
            learnt = time.monotonic()
            breaker.learn(await to_its_end(lambda: usual(traces)))
        await asyncio.sleep(POLL_SECONDS)


async def follow(breaker: SpikeBreaker, trips: TripStore) -> None:
    """Both ways, once. While the store is away, what tripped stays cut off."""
    for trip in breaker.take(await to_its_end(trips.open_trips)):
        await to_its_end(partial(trips.add, trip))
        breaker.saved(trip)


def usual(traces: TraceReader, now_ns: int = 0) -> Usual:
    """What the last weeks had, by the hour."""
    now = now_ns or time.time_ns()
    since = (now // HOUR_NS - WEEKS * WEEK_HOURS) * HOUR_NS
    hours: dict[Whose, dict[int, int]] = {}
    for scope in SCOPES:
        for row in traces.spending([scope, "tenant", "environment"], TraceFilter(since_ns=since), HOUR_NS):
            value, tenant, environment = row.group
            value = named(tenant, value) if scope == "feature" else value
            if value and environment != EVALS and row.slot_ns < now // HOUR_NS * HOUR_NS:
                sums = hours.setdefault((scope, value), {})
                sums[row.slot_ns] = sums.get(row.slot_ns, 0) + row.cost
    return usual_of(hours, lambda whose: _weeks(hours[whose], now))


def _weeks(sums: Mapping[int, int], now_ns: int) -> float:
    """How long ago its first record is, at most `WEEKS`."""
    return min(float(WEEKS), (now_ns - min(sums)) / HOUR_NS / WEEK_HOURS)
