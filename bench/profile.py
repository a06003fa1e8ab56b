"""`python -m bench.profile`: where the processor time of one request goes, layer by layer.

It starts `moat serve` with a sampler inside, loads it as `bench` does, and prints microseconds per request. The sampler
is a timer that runs on processor time (ITIMER_PROF); each sample is charged with what its thread used since the last.
A sample that finds a callback of the event loop at its very first instruction belongs to what ran before: the loop and
the system calls that it makes.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping
from opcode import opmap
from pathlib import Path
from types import FrameType

import msgspec
from rich.console import Console
from rich.table import Table

from bench import nginx, wrk
from bench.errors import Unavailable
from bench.machine import free_port, processors
from bench.measure import BUSY, STREAMS, Answering, await_answer
from bench.peers.moat import PROGRAM, Moat
from bench.peers.peer import Upstream
from bench.process import running

EVERY = 0.001
"""Seconds of processor time between two samples."""
WARM_UP_SECONDS = 3

LOOP = "event loop, and the kernel under it"
OTHER = "everything else"
LAYERS = {
    "/uvicorn/": "HTTP server",
    "/moat/gateway/protocol": "HTTP server",
    "/moat/gateway/cycle": "HTTP server",
    "/moat/gateway/http": "HTTP server",
    "/moat/gateway/admission": "keys and callers",
    "/moat/gateway/format": "wire format: request and answer",
    "/moat/gateway/bodies": "wire format: request and answer",
    "/moat/gateway/": "endpoint",
    "/moat/pipeline/stages/record": "Record",
    "/moat/pipeline/spans": "Record",
    "/moat/pipeline/answers": "Record",
    "/moat/telemetry/": "spool",
    "/moat/pipeline/stages/meter": "Meter",
    "/moat/pipeline/": "Meter: worst case and bill",
    "/moat/spend/prices": "Meter: worst case and bill",
    "/moat/spend/": "Limit",
    "/moat/pipeline/stages/attempt": "Attempts",
    "/moat/pipeline/course": "Attempts",
    "/moat/pipeline/patience": "Attempts",
    "/moat/routing/router": "Route",
    "/moat/routing/": "Attempts: health",
    "/moat/pipeline/stages/": "Shadow, Resolve, Render, Route, Cache",
    "/moat/caching/": "Shadow, Resolve, Render, Route, Cache",
    "/moat/prompts/": "Shadow, Resolve, Render, Route, Cache",
    "/moat/adapters/providers/": "provider: HTTP client and wire format",
}
"""By part of a file's path; the longest that fits counts. Files without a layer count as their caller's."""


class Report(msgspec.Struct, frozen=True):
    """Seconds of processor time."""

    layers: dict[str, float]
    """Of the main thread."""
    threads: float
    """Of all others."""
    system: float
    """Of all, in the kernel."""


class Sampler:
    """Samples the thread that makes it, from SIGUSR1 until SIGUSR2, which writes the report."""

    def __init__(self, report: Path) -> None:
        self._report = report
        self._layers: defaultdict[str, float] = defaultdict(float)
        self._last = self._process = self._system = self._begun = 0.0
        signal.signal(signal.SIGUSR1, self._begin)
        signal.signal(signal.SIGUSR2, self._end)
        signal.signal(signal.SIGPROF, self._sample)

    def _begin(self, number: int, frame: FrameType | None) -> None:
        self._layers.clear()
        self._last = self._begun = time.thread_time()
        self._process, self._system = time.process_time(), os.times().system
        signal.setitimer(signal.ITIMER_PROF, EVERY, EVERY)

    def _sample(self, number: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        self._layers[layer_of(frame)] += now - self._last
        self._last = now

    def _end(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        threads = time.process_time() - self._process - (time.thread_time() - self._begun)
        report = Report(dict(self._layers), threads, os.times().system - self._system)
        part = self._report.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(report))
        part.rename(self._report)


def layer_of(frame: FrameType | None) -> str:
    """Which layer a frame works for."""
    if frame is not None and _enters(frame):
        return LOOP
    while frame is not None:
        if (layer := layer_of_file(frame.f_code.co_filename)) is not None:
            return layer
        frame = frame.f_back
    return OTHER


def layer_of_file(path: str) -> str | None:
    """The layer of the longest part that the path has."""
    parts = [part for part in LAYERS if part in path]
    return LAYERS[max(parts, key=len)] if parts else None


def _enters(frame: FrameType) -> bool:
    """Was it just called, or resumed, by the event loop?"""
    at = frame.f_code.co_code[frame.f_lasti] if frame.f_lasti >= 0 else opmap["RESUME"]
    return at == opmap["RESUME"] and (frame.f_back is None or frame.f_back.f_code.co_filename.endswith("runners.py"))


def table(report: Report, requests: int) -> Table:
    """Microseconds per request, most first."""
    shown = Table("layer", "µs per request", "share", title=f"{requests:,} requests")
    rows: Mapping[str, float] = {**report.layers, "other threads: shipping records, watching files": report.threads}
    total = sum(rows.values())
    for name, seconds in sorted(rows.items(), key=lambda row: -row[1]):
        shown.add_row(name, f"{seconds / requests * 1e6:.1f}", f"{seconds / total:.0%}")
    shown.add_section()
    shown.add_row("all", f"{total / requests * 1e6:.1f}", "100%")
    shown.add_row("of it in the kernel", f"{report.system / requests * 1e6:.1f}", f"{report.system / total:.0%}")
    return shown


def measured(folder: Path, seconds: int, *, stream: bool) -> tuple[Report, int]:
    """Load a sampled server. Raises Unavailable."""
    split = processors()
    nginx.install()
    with nginx.upstream(folder / "upstream", split.load) as upstream:
        base, directory, port = f"http://127.0.0.1:{upstream}", folder / "moat", free_port()
        directory.mkdir()
        service = Moat().configure(folder, directory, port, Upstream(f"{base}/plain/v1", f"{base}/stream/v1"))
        report = folder / "report.json"
        argv = (sys.executable, "-m", "bench.profile", "--sampled", str(report), *service.argv[1:])
        place = {"PYTHONPATH": str(Path(__file__).parents[1])}
        with running(argv, directory, split.gateway, {**service.environment, **place}) as process:
            await_answer(process, Answering(port, service.plain, service.stream), directory / "output.log")
            request, connections = (service.stream, STREAMS) if stream else (service.plain, BUSY)
            wrk.drive(port, request, directory, split.load, connections=connections, seconds=WARM_UP_SECONDS)
            process.send_signal(signal.SIGUSR1)
            load = wrk.drive(port, request, directory, split.load, connections=connections, seconds=seconds)
            process.send_signal(signal.SIGUSR2)
            while not report.exists() and process.poll() is None:
                time.sleep(0.01)
            if not report.exists():
                raise Unavailable("the sampled server ended before its report")
            return msgspec.json.decode(report.read_bytes(), type=Report), load.requests


def main() -> int:
    """0 when it was measured, 2 when it could not be."""
    if sys.argv[1:2] == ["--sampled"]:
        from moat.cli import serve
        from moat.cli.main import main as run
        from moat.cli.server import Options
        from moat.cli.server import run as serve_here

        serve.become = lambda options: serve_here(Options(**options))  # type: ignore[assignment,return-value]
        sampler = Sampler(Path(sys.argv[2]))
        sys.argv = [PROGRAM, *sys.argv[3:]]
        run()
        del sampler
        return 0
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description="Where a request's time goes.")
    parser.add_argument("--stream", action="store_true", help="streams instead of plain answers")
    parser.add_argument("--seconds", type=int, default=6, help="length of the load (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console()
    try:
        with tempfile.TemporaryDirectory(prefix="moat-profile-") as folder:
            console.print(table(*measured(Path(folder), arguments.seconds, stream=arguments.stream)))
    except Unavailable as reason:
        console.print(f"cannot measure here: {reason}", markup=False)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
