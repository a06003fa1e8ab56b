"""The trace store alone, at a million spans: ingest, disk, memory, questions, and letting go of what is old.

The spans of `bench.trace_spans`, as the segments that a spool leaves, go through the shipper into DuckDB on one
processor; then come the questions of the console, with two threads inside DuckDB. Then half of the content and four
days of spans go while others ask and ingest.
"""

import os
import threading
import time
from collections.abc import Callable
from datetime import UTC
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import msgspec

from bench.trace_spans import DAYS, END, START, spans
from moat.adapters.duckdb import DuckTraces
from moat.domain.spans import Span
from moat.ports.calls import Place
from moat.ports.traces import Retention, TraceFilter
from moat.spend.reports_time import Clock, month_forecast
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool
from moat.telemetry.traffic import TRAFFIC

DAY = (END - START) // DAYS
HOUR = 3600 * 10**9
BATCH = 2_500
"""Half a second at 5,000 spans a second."""
ROUNDS = 9


class Took(NamedTuple):
    """Times are of the wall clock and of the processor: on a busy machine only the second is the program's."""

    value: float
    cpu: float | None = None


def memory_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def store_measured(folder: Path, count: int, say: Callable[[str], None]) -> dict[str, Took]:
    """Everything, by name; `say` is told what is going on."""
    path = folder / "traces.duckdb"
    say(f"{count:,} spans into the store")
    store = DuckTraces.open(path)
    found = _ingest(folder / "spool", store, count)
    store.close()
    store = DuckTraces.open(path)
    found["disk"] = Took(store.kept().bytes / count)
    say("questions")
    found |= _asked(store)
    say("letting go")
    found |= _let_go(folder, store)
    found["memory"] = Took(max(found["memory"].value, memory_mib()))
    store.close()
    return found


def _ingest(folder: Path, store: DuckTraces, count: int) -> dict[str, Took]:
    """Spool, shipper and store on one processor, and how soon a span is found."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    spool = SegmentSpool(folder, max_bytes=2**23, fsync="never")
    spool.open()
    shipper = Shipper(folder, store, spool=spool)
    wall = used = worst = most = 0.0
    batch = list[Span]()
    for number, span in enumerate(spans(count), start=1):
        batch.append(span)
        if len(batch) < BATCH and number < count:
            continue
        spool.append(batch)
        began, busy = time.perf_counter(), time.process_time()
        shipper.drain()
        took = time.perf_counter() - began
        wall, used, worst = wall + took, used + time.process_time() - busy, max(worst, took)
        most, batch = max(most, memory_mib()), []
    spool.close()
    os.sched_setaffinity(0, allowed)
    return {"shipped": Took(count / wall, count / used), "slowest batch": Took(worst), "memory": Took(most)}


def _asked(store: DuckTraces) -> dict[str, Took]:
    """What the console asks: milliseconds, the median."""
    (some,) = store.search(TraceFilter(until_ns=START + DAYS // 2 * DAY), 1)
    day = TraceFilter(since_ns=END - DAY)
    middle = Place(some.started_ns, some.span_id, some.trace_id, reported=False)
    questions: dict[str, Callable[[], Any]] = {
        "last 50": lambda: store.search(TraceFilter()),
        "last 50 of a user": lambda: store.search(TraceFilter(user=some.user)),
        "one by request id": lambda: store.trace(some.request_id),
        "cost by model per hour, a day": lambda: store.spending(["model"], day, HOUR),
        "cost by model per hour, all": lambda: store.spending(["model"], TraceFilter(), HOUR),
        "latency by model per hour, a day": lambda: store.series(["model"], day, HOUR),
        "latency by model per hour, all": lambda: store.series(["model"], TraceFilter(), HOUR),
        "text in a day": lambda: store.search(TraceFilter(q="zzxqv", since_ns=END - DAY)),
        "error and latency > 2s": lambda: store.search(TraceFilter(q="error and latency > 2s")),
        "sessions of a day": lambda: store.sessions(day),
        "100 calls, the first page": lambda: store.calls.page(TraceFilter(), 100),
        "100 calls, a page in the middle": lambda: store.calls.page(TraceFilter(), 100, middle),
        "calls over time, all": lambda: store.calls.count(TraceFilter(), 60, END),
        "what an overview of a day asks": lambda: _overview(store),
    }
    return {name: _median(question) for name, question in questions.items()}


def _overview(store: DuckTraces) -> None:
    """What `moat.api.overviews` asks of the store: two days, two series, scores, eight weeks of spending."""
    day, earlier = (TraceFilter(since_ns=at - DAY, until_ns=at, shadow=False, q=TRAFFIC) for at in (END, END - 7 * DAY))
    for wanted, step in ((day, 0), (earlier, 0), (day, HOUR // 4)):
        store.calls.totals(wanted, step)
        store.scores([], wanted, step)
    month_forecast(store, TraceFilter(), Clock(END, UTC))


def _median(question: Callable[[], Any]) -> Took:
    question()
    walls, busy = [], []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        question()
        walls.append((time.perf_counter() - began) * 1e3)
        busy.append((time.process_time() - used) * 1e3)
    return Took(median(walls), median(busy))


def _let_go(folder: Path, store: DuckTraces) -> dict[str, Took]:
    """Retention beside others: seconds, and the longest that they waited."""
    done, spans_of = threading.Event(), dict[str, list[tuple[float, float]]]({"question": [], "ingest": []})

    def look() -> None:
        store.search(TraceFilter())

    def add() -> None:
        now = time.time_ns()
        lines = [
            Span(span_id=str(n), trace_id=str(now), kind="call", name="x", started_ns=now, duration_ns=1)
            for n in range(500)
        ]
        path = folder / "more.ndjson"
        path.write_bytes(msgspec.json.Encoder().encode_lines(lines))
        store.ingest([path])

    def work(name: str, step: Callable[[], None]) -> None:
        while not done.wait(0.05):
            began = time.perf_counter()
            step()
            spans_of[name].append((began, time.perf_counter()))

    steps: dict[str, Callable[[], Any]] = {
        "content of five days": lambda: store.expire(Retention(content_ns=START + 5 * DAY)),
        "a day's spans": lambda: store.expire(Retention(spans_ns=START + DAY)),
        "three more days' spans": lambda: store.expire(Retention(spans_ns=START + 4 * DAY)),
        "backup": partial(store.backup, folder / "copy.duckdb"),
        "compacting": store.compact,
    }
    threads = [threading.Thread(target=work, args=pair) for pair in (("question", look), ("ingest", add))]
    for thread in threads:
        thread.start()
    when = dict[str, tuple[float, float]]()
    try:
        for what, step in steps.items():
            began = time.perf_counter()
            step()
            when[what] = (began, time.perf_counter())
    finally:
        done.set()
        for thread in threads:
            thread.join()
    found = {}
    for what, (began, ended) in when.items():
        found[what] = Took(ended - began)
        for name, waits in spans_of.items():
            longest = max((last - first for first, last in waits if first < ended and last > began), default=0.0)
            found[f"{what}: {name}"] = Took(longest)
    return found
