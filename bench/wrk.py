"""The load generator: wrk, told by a Lua script what to send and to report itself as JSON."""

import json
from pathlib import Path

import msgspec

from bench.errors import Unavailable
from bench.process import on, run
from bench.traffic import Request

GRACE_SECONDS = 30.0

REPORT = """
function done(summary, latency, requests)
  local failed = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"p50_ms":%f,"p99_ms":%f,"refused":%d,"cut":%d,"late":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    failed.status, failed.connect + failed.read + failed.write, failed.timeout))
end
"""


class Load(msgspec.Struct, frozen=True):
    """What one wrk run saw."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    refused: int
    """Answers with a status of 400 or more."""
    cut: int
    """Connections that failed."""
    late: int
    """Answers that took longer than the time-out."""

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.requests / self.seconds


def script(request: Request) -> str:
    """The Lua script that sends `request`. JSON strings are Lua strings as long as all is ASCII."""
    headers = "".join(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}\n" for k, v in request.headers.items())
    return f'wrk.method = "POST"\nwrk.body = {json.dumps(request.body)}\n{headers}{REPORT}'


def parse(output: str) -> Load:
    """Read the JSON line among what wrk prints. Raises Unavailable when nothing, or any error, came back."""
    line = next((line for line in output.splitlines() if line.startswith("{")), None)
    if line is None:
        raise Unavailable("wrk printed no report")
    load = msgspec.json.decode(line, type=Load)
    if load.refused or load.cut or load.late:
        raise Unavailable(
            f"of {load.requests} requests under load {load.refused} answered an error, {load.late} timed out, "
            f"{load.cut} lost their connection"
        )
    if not load.requests:
        raise Unavailable("no request was answered under load")
    return load


def drive(
    port: int, request: Request, directory: Path, pinned: frozenset[int], *, connections: int, seconds: int
) -> Load:
    """Send `request` to 127.0.0.1 over `connections` for `seconds`, each connection one request at a time."""
    lua = directory / "request.lua"
    lua.write_text(script(request))
    url = f"http://127.0.0.1:{port}{request.path}"
    argv = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(lua), url)
    with on(pinned):
        return parse(run(argv, directory, seconds + GRACE_SECONDS))
