"""The trace store, measured: append, ingest, disk, memory, and questions over many spans.

    python bench/traces_ingest.py [spans, default 100000]

Makes 2 KB spans of random words in a temporary directory, appends them to a spool, ships them into DuckDB in the
segments that a spool under load leaves, and asks what the console asks. Two threads inside DuckDB.
"""

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import msgspec

from moat.adapters.duckdb import DuckTraces
from moat.domain.spans import Span
from moat.ports.traces import TraceFilter
from moat.telemetry.segments import sealed
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool

START = 1_760_000_000_000_000_000
WORDS = Path(__file__).read_text(encoding="utf-8").split() + [f"word{number}" for number in range(2000)]


def spans(count: int) -> Iterator[Span]:
    """Calls 40 ms apart: a million are eleven hours."""
    chance = random.Random(7)

    def text(words: int) -> str:
        return " ".join(chance.choices(WORDS, k=words))

    for number in range(count):
        yield Span(
            span_id=chance.randbytes(8).hex(),
            trace_id=chance.randbytes(16).hex(),
            kind="call",
            name="chat",
            started_ns=START + number * 40_000_000,
            duration_ns=chance.randrange(3 * 10**9),
            request_id=f"req_{number:x}",
            environment="production",
            tenant=f"tenant-{number % 7}",
            feature=f"feature-{number % 11}",
            user=f"user-{chance.randrange(5000)}",
            model=f"model-{number % 3}",
            provider="simulated",
            input_tokens=chance.randrange(3000),
            output_tokens=chance.randrange(500),
            cost=chance.randrange(10**9),
            finish_reason="stop",
            attempts=1,
            input={"messages": [{"role": "system", "content": text(90)}, {"role": "user", "content": text(60)}]},
            output={"text": text(60)},
        )


def memory_mib() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def timed(work: Callable[[], object], times: int = 9) -> str:
    """Median and worst of several runs, the first (cold) one left out."""
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        work()
        took.append((time.perf_counter() - began) * 1e3)
    return f"p50 {median(took[1:]):7.1f} ms   worst {max(took[1:]):7.1f} ms"


def append_cost(directory: Path) -> float:
    """Microseconds for one call: two spans, about 1.5 KB."""
    call = next(spans(1))
    call = msgspec.structs.replace(call, input={"messages": [{"role": "user", "content": "x" * 500}]})
    attempt = msgspec.structs.replace(call, kind="attempt", input=None, output=None)
    spool = SegmentSpool(directory)
    spool.open()
    began = time.perf_counter()
    for _ in range(20_000):
        spool.append([call, attempt])
    took = time.perf_counter() - began
    spool.close()
    return took / 20_000 * 1e6


def ingest(directory: Path, store: DuckTraces, count: int) -> tuple[float, float, float]:
    """Spans per second, the longest pass in seconds, bytes per span of the segments."""
    spool = SegmentSpool(directory, max_bytes=2**20, fsync="never")
    spool.open()
    shipper = Shipper(directory, store, spool=spool)
    busy, worst, size = 0.0, 0.0, 0
    for number, span in enumerate(spans(count), start=1):
        spool.append([span])
        if number % 2_500 == 0 or number == count:  # half a second at 5,000 spans a second
            spool.rotate()
            size += sum(segment.stat().st_size for segment in sealed(directory))
            began = time.perf_counter()
            shipper.ship()
            took = time.perf_counter() - began
            busy, worst = busy + took, max(worst, took)
    spool.close()
    return count / busy, worst, size / count


def main(count: int) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        print(f"append of a call           {append_cost(root / 'append'):.1f} us")
        path = root / "traces.duckdb"
        store = DuckTraces.open(path)
        print(f"memory, store just open    {memory_mib():.0f} MiB")
        speed, worst, size = ingest(root / "spool", store, count)
        print(f"ingest of {count:,} spans   {speed:,.0f} spans/s, {size:,.0f} bytes each, longest pass {worst:.2f} s")
        print(f"memory after ingest        {memory_mib():.0f} MiB")
        newest = store.search(TraceFilter(), 1)[0]
        hour = TraceFilter(since_ns=newest.started_ns - 3600 * 10**9)
        print(f"last 50                    {timed(lambda: store.search(TraceFilter()))}")
        print(f"last 50 of a user          {timed(lambda: store.search(TraceFilter(user='user-77')))}")
        print(f"one call by request id     {timed(lambda: store.trace(newest.request_id))}")
        print(f"one call by trace id       {timed(lambda: store.trace(newest.trace_id))}")
        print(f"cost by model, last hour   {timed(lambda: store.usages(['model'], hour))}")
        print(f"cost by model, all         {timed(lambda: store.usages(['model'], TraceFilter()))}")
        store.close()
        print(f"disk                       {path.stat().st_size / count:,.0f} bytes per span")
        print(f"memory at the end          {memory_mib():.0f} MiB")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
