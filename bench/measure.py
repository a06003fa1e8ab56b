"""One measurement of one program: start it, see that it answers rightly, load it, stop it."""

import subprocess
import time
from http.client import HTTPException
from pathlib import Path

import msgspec

from bench import wrk
from bench.errors import Unavailable
from bench.machine import Processors, cpu_seconds, free_port, resident_mib
from bench.peers.peer import Peer, Upstream
from bench.process import last_line, running
from bench.traffic import Request, ask, chat, check_plain, check_stream

START_SECONDS = 90.0
POLL_SECONDS = 0.005
REST_SECONDS = 1.0
BUSY = 64
"""Connections for requests a second: enough to keep any of them busy."""
STREAMS = 32


class Site(msgspec.Struct, frozen=True):
    """Where and how long one measurement is taken."""

    directory: Path
    upstream_port: int
    processors: Processors
    seconds: int
    """Length of each of the three loads."""
    warm_up_seconds: int
    """Length of each of the two loads before, which are not counted."""


class Cost(msgspec.Struct, frozen=True):
    """What the program itself used."""

    start_s: float
    """From exec to the first proxied answer."""
    cpu_us: float
    """User and system time per plain request."""
    stream_cpu_us: float
    """The same per stream."""
    rest_mib: float
    loaded_mib: float
    """After the loads."""


class Sample(msgspec.Struct, frozen=True):
    """One round of one row."""

    requests_per_s: float
    p50_ms: float
    """Of plain requests on one connection, as is the next."""
    p99_ms: float
    streams_per_s: float
    cost: Cost | None = None
    """None for the upstream asked directly."""


class Answering(msgspec.Struct, frozen=True):
    """A port that answers both requests."""

    port: int
    plain: Request
    stream: Request


def measure_direct(site: Site) -> Sample:
    """The upstream without anything in between."""
    asked = Answering(
        site.upstream_port,
        chat("bench", path="/plain/v1/chat/completions"),
        chat("bench", path="/stream/v1/chat/completions", stream=True),
    )
    _check(asked)
    return _load(asked, site, None, 0.0)


def measure(peer: Peer, home: Path, site: Site) -> Sample:
    """Start, check, load and stop `peer`. Raises Unavailable with the reason when any of it fails."""
    port = free_port()
    base = f"http://127.0.0.1:{site.upstream_port}"
    site.directory.mkdir()
    service = peer.configure(home, site.directory, port, Upstream(f"{base}/plain/v1", f"{base}/stream/v1"))
    asked = Answering(port, service.plain, service.stream)
    began = time.perf_counter()
    with running(service.argv, site.directory, site.processors.gateway, service.environment) as process:
        await_answer(process, asked, site.directory / "output.log")
        started = time.perf_counter() - began
        _check(asked)
        return _load(asked, site, process.pid, started)


def await_answer(process: subprocess.Popen[bytes], asked: Answering, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    seen = "nothing listens"
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"ended with status {process.returncode}: {last_line(log.read_text(errors='replace'))}")
        try:
            status, body = ask(asked.port, asked.plain, START_SECONDS)
        except (OSError, HTTPException) as error:
            seen = str(error)
        else:
            if status == 200:
                return
            seen = f"status {status}: {body[:120]}"
        time.sleep(POLL_SECONDS)
    raise Unavailable(f"no answer in {START_SECONDS:.0f} s ({seen})")


def _check(asked: Answering) -> None:
    for request, check in ((asked.plain, check_plain), (asked.stream, check_stream)):
        try:
            status, body = ask(asked.port, request, START_SECONDS)
        except (OSError, HTTPException) as error:
            raise Unavailable(f"{request.path}: {error}") from None
        if status != 200:
            raise Unavailable(f"{request.path}: status {status}: {body[:120]}")
        check(body)


def _load(asked: Answering, site: Site, pid: int | None, started: float) -> Sample:
    """Warm up, then measure: busy, alone, streams. The processor's clock is read just around each load."""

    def drive(request: Request, connections: int, seconds: int) -> tuple[wrk.Load, float]:
        before = cpu_seconds(pid) if pid else 0.0
        load = wrk.drive(
            asked.port, request, site.directory, site.processors.load, connections=connections, seconds=seconds
        )
        used = cpu_seconds(pid) - before if pid else 0.0
        return load, used / load.requests * 1e6

    time.sleep(REST_SECONDS)
    rest = resident_mib(pid) if pid else 0.0
    drive(asked.plain, BUSY, site.warm_up_seconds)
    drive(asked.stream, STREAMS, site.warm_up_seconds)
    busy, cpu = drive(asked.plain, BUSY, site.seconds)
    alone, _ = drive(asked.plain, 1, site.seconds)
    streams, stream_cpu = drive(asked.stream, STREAMS, site.seconds)
    cost = Cost(started, cpu, stream_cpu, rest, resident_mib(pid)) if pid else None
    return Sample(busy.rate, alone.p50_ms, alone.p99_ms, streams.rate, cost)
