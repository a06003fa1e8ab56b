"""The trace store, measured: ingest, visibility, disk, memory, questions, and letting go of what is old.

    python -m bench.traces [--spans 1000000] [--folder DIR]

Makes the spans of `bench.trace_spans` in a temporary folder, as the segments that a spool leaves, and puts them through
the shipper into DuckDB on one processor; then asks what the console asks, with two threads inside DuckDB. Times are of
the wall clock and of the processor: on a busy machine only the second is the program's. Then half of the content and
four days of spans go while others ask and ingest.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from bench.trace_spans import DAYS, END, START, spans
from moat.adapters.duckdb import DuckTraces
from moat.domain.spans import Span
from moat.ports.traces import Retention, TraceFilter
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool

DAY = (END - START) // DAYS
HOUR = 3600 * 10**9
BATCH = 2_500
"""Half a second at 5,000 spans a second."""


def memory_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def ingest(folder: Path, store: DuckTraces, count: int) -> None:
    """Spool, shipper and store on one processor, and how soon a span is found."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    spool = SegmentSpool(folder, max_bytes=2**23, fsync="never")
    spool.open()
    shipper = Shipper(folder, store, spool=spool)
    wall = used = worst = most = 0.0
    batch, size = list[Span](), 0
    for number, span in enumerate(spans(count), start=1):
        batch.append(span)
        if len(batch) < BATCH and number < count:
            continue
        spool.append(batch)
        size += sum(path.stat().st_size for path in folder.glob("*.open"))
        began, busy = time.perf_counter(), time.process_time()
        shipper.drain()
        took = time.perf_counter() - began
        wall, used, worst = wall + took, used + time.process_time() - busy, max(worst, took)
        most, batch = max(most, memory_mib()), []
    spool.close()
    os.sched_setaffinity(0, allowed)
    print(f"ingest         {count:,} spans of {size / count:,.0f} bytes")
    print(f"speed          {count / wall:,.0f} spans/s, {count / used:,.0f} per second of a processor")
    print(f"visible        {worst:.2f} s at most after a batch of {BATCH:,} was sealed, and 0.5 s for sealing")
    print(f"memory         {most:,.0f} MiB at most")


def ask(store: DuckTraces) -> None:
    """What the console asks."""
    (some,) = store.search(TraceFilter(until_ns=START + DAYS // 2 * DAY), 1)
    day = TraceFilter(since_ns=END - DAY)
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
    }
    for name, question in questions.items():
        question()
        walls, busy = [], []
        for _ in range(9):
            began, used = time.perf_counter(), time.process_time()
            question()
            walls.append((time.perf_counter() - began) * 1e3)
            busy.append((time.process_time() - used) * 1e3)
        print(f"{name:34} p50 {median(walls):7.1f} ms, of a processor {median(busy):7.1f} ms")


def let_go(folder: Path, store: DuckTraces) -> None:
    """Retention beside others, and the longest that they waited."""
    done, waits = threading.Event(), {"a question": 0.0, "an ingest": 0.0}

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
            waits[name] = max(waits[name], time.perf_counter() - began)

    threads = [threading.Thread(target=work, args=pair) for pair in (("a question", look), ("an ingest", add))]
    for thread in threads:
        thread.start()
    for what, retention in (
        ("content of five days", Retention(content_ns=START + 5 * DAY)),
        ("spans of four days", Retention(spans_ns=START + 4 * DAY)),
    ):
        waits.update(dict.fromkeys(waits, 0.0))
        began = time.perf_counter()
        gone = store.expire(retention)
        longest = ", ".join(f"{name} waited {wait:.2f} s" for name, wait in waits.items())
        print(f"{what:22} {gone:,} in {time.perf_counter() - began:.1f} s; at most {longest}")
    done.set()
    for thread in threads:
        thread.join()
    steps: dict[str, Callable[[], None]] = {
        "backup": partial(store.backup, folder / "copy.duckdb"),
        "compacting": store.compact,
    }
    for what, step in steps.items():
        began, before = time.perf_counter(), store.kept().bytes / 2**20
        step()
        after = store.kept().bytes / 2**20
        print(f"{what:22} {time.perf_counter() - began:.1f} s; {before:,.0f} MiB before, {after:,.0f} after")


def main() -> None:
    """Run and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--spans", type=int, default=1_000_000)
    options.add_argument("--folder", type=Path, help="where there is room (default: the system's temporary folder)")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
        folder = Path(scratch)
        store = DuckTraces.open(folder / "traces.duckdb")
        ingest(folder / "spool", store, given.spans)
        store.close()
        store = DuckTraces.open(folder / "traces.duckdb")
        print(f"disk           {store.kept().bytes / given.spans:,.0f} bytes per span")
        ask(store)
        let_go(folder, store)
        print(f"memory         {memory_mib():,.0f} MiB at the end")
        store.close()


if __name__ == "__main__":
    main()
