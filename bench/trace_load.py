"""Spans by OTLP/HTTP over a socket into a server on one processor: how many a second, and how soon they are found.

Two loads, one after the other. The flood: as many requests as the server answers on two connections; it ends early
when `BACKLOG` spans were taken and are not found. Its rate is that of spans that a question finds, until all are. The
stream: an even rate that the server can bear, while the newest traces are looked for.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from bench.errors import Unavailable
from bench.machine import cpu_seconds, free_port, processors, resident_mib
from bench.otlp_intake import span
from bench.process import last_line, on, running
from bench.trace_servers import Line, Start, TraceServer
from moat.domain.spans import Span
from moat.telemetry.otlp import sending

SPANS, STEPS = 250, 5
"""Spans of a request, and of a trace."""
BODIES = 8
CONNECTIONS = 2
START_SECONDS = 120.0
LOOK_SECONDS, WATCH_SECONDS = 0.1, 0.25
STUCK_SECONDS = 60.0
"""So long without one span more: what is missing will not come."""
BACKLOG = 10_000
STREAM = 5000.0
"""Spans a second of the stream, or `SHARE` of what the flood found, when that is less."""
SHARE = 0.8

_TRACE, _SPAN = b"\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", b"\xff\xf7\xf6\xf5"
"""Marks in place of ids: no UTF-8 text has these bytes."""
_BEGAN, _TOOK = 0x7F66554433221100, 800_000_000


class Found(msgspec.Struct, frozen=True):
    """What was measured of one server."""

    flooded: int
    """Spans that the flood brought."""
    accepted: float
    """Spans a second whose requests were answered 200 ..."""
    visible: float
    """... and those a second that were found, until all were."""
    per_cpu: float
    """Spans that were found per second of its processor."""
    refused: int
    """Requests that had to come again."""
    rate: float
    """Spans a second of the stream."""
    delays: tuple[float, ...]
    """Seconds from an answer to a question that finds the trace."""
    rest_mib: float
    most_mib: float
    disk: float
    """Bytes for each span, when it has stopped."""
    start_s: float


class Sender:
    """Requests that are all different, made of a few."""

    def __init__(self, line: Line, start: Start, lane: int) -> None:
        chance = random.Random(lane)
        self._bodies = [sending.request(_traces(chance), content=True) for _ in range(BODIES)]
        self._line = line
        self._headers = {"content-type": "application/x-protobuf", **start.headers}
        self._lane = lane
        self._begun = 0
        self.taken = 0
        self.refused = 0

    def send(self) -> str:
        """One request until it is taken; the id of its last trace. Raises `Unavailable`."""
        self._begun += 1
        number = self._lane << 24 | self._begun
        began = time.time_ns() - _TOOK
        body = self._bodies[self._begun % BODIES].replace(_TRACE, number.to_bytes(8, "big"))
        body = body.replace(_SPAN, number.to_bytes(4, "big")).replace(_fixed(_BEGAN), _fixed(began))
        body = body.replace(_fixed(_BEGAN + _TOOK), _fixed(began + _TOOK))
        while True:
            status, answer = self._line.send("POST", "/v1/traces", body, self._headers)
            if status == 200:
                self.taken += 1
                return (number.to_bytes(8, "big") + (SPANS // STEPS - 1).to_bytes(8, "big")).hex()
            if status not in (429, 503):
                raise Unavailable(f"/v1/traces: status {status}: {answer[:200].decode('utf-8', 'replace')}")
            self.refused += 1
            time.sleep(0.2)


def measured(server: TraceServer, folder: Path, seconds: float) -> Found:
    """Start it in a new folder, load it, stop it. Raises `Unavailable`."""
    folder.mkdir()
    port, cores = free_port(), processors()
    start = server.prepare(folder, port)
    began = time.perf_counter()
    with on(cores.load):
        with running(start.argv, folder, cores.gateway, start.environment) as process:
            line = Line(port)
            try:
                before = _answering(server, line, start)
                started = time.perf_counter() - began
                disk, rest = _bytes(start.data), resident_mib(process.pid)
                with _watched(process.pid) as most:
                    flooded = _flood(server, line, start, port, seconds, process.pid)
                    rate = min(STREAM, SHARE * flooded[2])
                    sent, delays = _stream(server, line, start, port, seconds, rate)
                    _settled(server, line, start, before + flooded[0] + sent)
            except Unavailable as error:
                told = last_line((folder / "output.log").read_text("utf-8", "replace"))
                raise Unavailable(f"{error} (it said: {told})") from None
        # It has stopped: what it writes at the end is on the disk.
        spans = flooded[0] + sent
        return Found(
            *flooded, sent / seconds, tuple(delays), rest, most[0], (_bytes(start.data) - disk) / spans, started
        )


def _traces(chance: random.Random) -> list[Span]:
    """Traces of an agent's steps below one root, with marks for ids and times."""
    spans = []
    for number in range(SPANS):
        trace = _TRACE + (number // STEPS).to_bytes(8, "big")
        root = number - number % STEPS
        spans.append(
            msgspec.structs.replace(
                span(number, chance),
                trace_id=trace.hex(),
                span_id=(_SPAN + number.to_bytes(4, "big")).hex(),
                parent_id="" if number == root else (_SPAN + root.to_bytes(4, "big")).hex(),
                started_ns=_BEGAN,
                duration_ns=_TOOK,
            )
        )
    return spans


def _fixed(value: int) -> bytes:
    return value.to_bytes(8, "little")


def _answering(server: TraceServer, line: Line, start: Start) -> int:
    """Wait until it answers; how many spans it has."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return server.count(line, start)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_SECONDS)


def _flood(
    server: TraceServer, line: Line, start: Start, port: int, seconds: float, pid: int
) -> tuple[int, float, float, float, int]:
    """The first five fields of `Found`."""
    senders = [Sender(Line(port), start, lane) for lane in range(1, CONNECTIONS + 1)]
    already, used = server.count(line, start), cpu_seconds(pid)
    enough = threading.Event()
    began = time.perf_counter()

    def watch() -> None:
        while not enough.wait(WATCH_SECONDS):
            taken = sum(sender.taken for sender in senders) * SPANS
            late = taken - server.count(line, start) + already
            if late > BACKLOG or time.perf_counter() > began + seconds:
                enough.set()

    _together([watch, *(partial(_until, enough, sender) for sender in senders)])
    accepted = time.perf_counter() - began
    spans = sum(sender.taken for sender in senders) * SPANS
    _settled(server, line, start, already + spans)
    visible = time.perf_counter() - began
    per_cpu = spans / max(1e-9, cpu_seconds(pid) - used)
    return spans, spans / accepted, spans / visible, per_cpu, sum(sender.refused for sender in senders)


def _until(enough: threading.Event, sender: Sender) -> None:
    try:
        while not enough.is_set():
            sender.send()
    finally:
        enough.set()


def _stream(
    server: TraceServer, line: Line, start: Start, port: int, seconds: float, rate: float
) -> tuple[int, list[float]]:
    """Spans sent at an even rate, and how soon the newest ones were found."""
    senders = [Sender(Line(port), start, CONNECTIONS + lane) for lane in range(1, CONNECTIONS + 1)]
    newest, delays, done = list[tuple[str, float]](), list[float](), threading.Event()
    began = time.perf_counter()

    def look() -> None:
        last = 0
        while not done.is_set() or (newest and not delays):
            if len(newest) == last:
                time.sleep(0.01)
                continue
            last = len(newest)
            trace, taken = newest[-1]
            while not server.sees(line, start, trace):
                if time.perf_counter() - taken > STUCK_SECONDS:
                    raise Unavailable(f"a trace was not found {STUCK_SECONDS:.0f} s after it was taken")
                time.sleep(LOOK_SECONDS)
            delays.append(time.perf_counter() - taken)

    def send(sender: Sender) -> None:
        try:
            while (now := time.perf_counter()) < began + seconds:
                if (early := began + sender.taken * SPANS * CONNECTIONS / rate - now) > 0:
                    time.sleep(early)
                trace = sender.send()
                newest.append((trace, time.perf_counter()))
        finally:
            done.set()

    _together([look, *(partial(send, sender) for sender in senders)])
    return sum(sender.taken for sender in senders) * SPANS, delays


def _settled(server: TraceServer, line: Line, start: Start, wanted: int) -> None:
    """Wait until it finds so many spans. Raises `Unavailable` when they do not come, or more do."""
    found, moved = -1, time.monotonic()
    while True:
        now = server.count(line, start)
        if now == wanted:
            return
        if now != found:
            found, moved = now, time.monotonic()
        if now > wanted or time.monotonic() - moved > STUCK_SECONDS:
            raise Unavailable(f"it took {wanted:,} spans, and {now:,} are found")
        time.sleep(LOOK_SECONDS)


def _together(works: list[Callable[[], None]]) -> None:
    """Each in a thread; raises what one of them raises."""
    failures = list[Unavailable]()

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except Unavailable as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _watched(pid: int) -> Iterator[list[float]]:
    """The most memory that it had, as the only value."""
    most, done = [0.0], threading.Event()

    def look() -> None:
        while not done.wait(0.25):
            most[0] = max(most[0], resident_mib(pid))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        done.set()
        thread.join()


def _bytes(folder: Path) -> int:
    """What its files take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
