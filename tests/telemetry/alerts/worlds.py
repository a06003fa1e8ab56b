"""A trace store that is made up: calls of each minute, by a formula and a seed."""

import math
import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from msgspec.structs import replace

from moat.domain.spans import Span
from moat.ports.traces import Dimension, Scores, Spend, TraceFilter, Usages
from moat.telemetry.alerts.baselines import HOUR_NS

MINUTE_NS = 60 * 10**9
WEEK_NS = 7 * 24 * HOUR_NS
MONDAY = 1_767_571_200 * 10**9
"""Monday, 2026-01-05 00:00 UTC."""

NOTHING = Usages(**dict.fromkeys(Usages.__struct_fields__[1:], 0), group=())


class Traffic:
    """One model, one feature. Latencies are lognormal; volume has a cycle of a day and of a week.

    `change(minute_ns)` answers factors from then on: latency, errors, cost, tokens, speed, hits.
    """

    def __init__(
        self, seed: int, change: Callable[[int], dict[str, float]] = lambda at: {}, volume: float = 30, begins: int = 0
    ) -> None:
        self._begins = begins
        self._seed = seed
        self._change = change
        self._volume = volume
        self._slots: dict[tuple[int, int], Usages | None] = {}
        self._minutes: dict[int, tuple[int, dict[str, float], list[float]]] = {}

    def calls_at(self, at_ns: int) -> float:
        """Mean calls a minute."""
        hours = (at_ns - MONDAY) / HOUR_NS
        day = 1 + 0.7 * math.sin((hours - 9) / 24 * 2 * math.pi)
        return self._volume * day * (0.4 if hours % 168 >= 120 else 1.0)

    def _minute(self, at_ns: int) -> tuple[int, dict[str, float], list[float]]:
        if at_ns not in self._minutes:
            if at_ns < self._begins:
                return (0, {}, [])
            dice = random.Random(self._seed * 1_000_003 + at_ns // MINUTE_NS)
            mean = self.calls_at(at_ns)
            calls = max(0, round(dice.gauss(mean, math.sqrt(mean))))
            factors = self._change(at_ns)
            busy = 1 + 0.2 * (mean / self._volume - 1)  # slower when much is asked
            scale = busy * factors.get("latency", 1.0)
            self._minutes[at_ns] = (calls, factors, [scale * dice.lognormvariate(0.0, 0.5) for _ in range(calls)])
        return self._minutes[at_ns]

    def _usages(self, since: int, until: int) -> Usages | None:
        if (since, until) not in self._slots:
            self._slots[since, until] = self._counted(since, until, random.Random(until ^ self._seed))
        return self._slots[since, until]

    def _counted(self, since: int, until: int, dice: random.Random) -> Usages | None:
        latencies: list[float] = []
        counts = dict.fromkeys(("errors", "timeouts", "tokens", "hits"), 0)
        cost = streamed = streaming = 0.0
        for at in range(since // MINUTE_NS * MINUTE_NS, until, MINUTE_NS):
            calls, factors, times = self._minute(at)
            latencies += times
            for name, rate in (("errors", 0.004), ("timeouts", 0.001), ("hits", 0.45)):
                share = min(1.0, rate * factors.get(name, 1.0))
                counts[name] += round(max(0.0, dice.gauss(calls * share, math.sqrt(calls * share * (1 - share)))))
            counts["tokens"] += round(calls * 800 * factors.get("tokens", 1.0) * dice.lognormvariate(0, 0.3))
            cost += calls * 2e9 * factors.get("cost", 1.0) * dice.lognormvariate(0, 0.3)
            streamed += calls * 300
            streaming += calls * 6e9 / factors.get("speed", 1.0) * dice.lognormvariate(0, 0.1)
        if not latencies:
            return None
        latencies.sort()
        quantile = partial(_quantile, latencies)
        return replace(
            NOTHING,
            calls=len(latencies),
            errors=max(counts["errors"], counts["timeouts"]),
            timeouts=counts["timeouts"],
            input_tokens=counts["tokens"],
            cost=round(cost),
            timed=len(latencies),
            p50_ns=quantile(0.5),
            p95_ns=quantile(0.95),
            p99_ns=quantile(0.99),
            streamed_tokens=round(streamed),
            streaming_ns=round(streaming),
            streams=len(latencies),
            looked_up=len(latencies),
            hits=counts["hits"],
        )

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        found = self._usages(wanted.since_ns, wanted.until_ns)
        return [] if found is None else [replace(found, group=_group(by))]

    def series(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int = 0, timezone: str = ""
    ) -> list[Usages]:
        rows = []
        begin = wanted.since_ns - (wanted.since_ns - offset_ns) % step_ns
        for slot in range(begin, wanted.until_ns, step_ns):
            found = self._usages(slot, min(slot + step_ns, wanted.until_ns))
            if found is not None:
                rows.append(replace(found, group=_group(by), slot_ns=slot))
        return rows

    def spending(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0, timezone: str = ""
    ) -> list[Spend]:
        found = self.usages(by, wanted) if not step_ns else self.series(by, wanted, step_ns, offset_ns)
        return [
            Spend(group=row.group, slot_ns=row.slot_ns, requests=row.calls, failed=row.errors, cost=row.cost)
            for row in found
        ]

    def scores(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Scores]:
        return []

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        return []

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nobody asks for {name}")


def _quantile(values: Sequence[float], share: float) -> int:
    return round(values[min(len(values) - 1, int(share * len(values)))] * 1e9)


def _group(by: Sequence[Dimension]) -> tuple[str, ...]:
    return tuple({"environment": "production", "model": "assistant", "feature": "chat"}.get(name, "") for name in by)
