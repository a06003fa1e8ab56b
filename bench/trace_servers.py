"""The servers that take traces: Moat, Phoenix and MLflow, each as its documentation starts it, with its own database.

A server is asked over HTTP alone: spans by OTLP, then how many it holds and whether it finds a trace.
"""

import sys
import time
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Protocol

import msgspec

import moat
from bench.errors import Unavailable
from bench.peers.moat import PROGRAM
from bench.peers.peer import install_once
from bench.process import run

PEERS = Path(__file__).parent / ".peers"
PHOENIX, MLFLOW = "arize-phoenix==20.26.1", "mlflow==3.17.2"
ASK_SECONDS = 60.0
IDLE_SECONDS = 2.0
"""Servers end a connection on which nothing was asked for some seconds more."""
_FORM = {"content-type": "application/json"}


class Start(msgspec.Struct, frozen=True):
    """How one is started, and what it wants beside the spans."""

    argv: tuple[str, ...]
    data: Path
    """Where its database is."""
    headers: dict[str, str] = {}
    """Of a request with spans."""
    reading: dict[str, str] = {}
    """Of a question."""
    environment: dict[str, str] = {}


class Line:
    """A connection to 127.0.0.1 that is kept. One thread uses it."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
        self._used = 0.0

    def send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status and body of the answer. Raises `Unavailable` when there is none."""
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        try:
            self._connection.request(method, path, body or None, dict(headers))
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise Unavailable(f"{path}: {error!r}") from None

    def ask(self, method: str, path: str, headers: Mapping[str, str], body: Any = None) -> Any:
        """The JSON of an answer; None when there is no such thing. Raises `Unavailable`."""
        content = b"" if body is None else msgspec.json.encode(body)
        status, answer = self.send(method, path, content, headers)
        if status == 404:
            return None
        if status != 200:
            raise Unavailable(f"{path}: status {status}: {answer[:200].decode('utf-8', 'replace')}")
        return msgspec.json.decode(answer)


class TraceServer(Protocol):
    """One of them."""

    @property
    def name(self) -> str:
        """Its row in the table."""

    def install(self) -> str:
        """Have it; gives its version, or `Unavailable`."""

    def prepare(self, folder: Path, port: int) -> Start:
        """Write what it needs into the empty `folder`, to listen on `port`."""

    def count(self, line: Line, start: Start) -> int:
        """How many spans a question finds."""

    def sees(self, line: Line, start: Start, trace_id: str) -> bool:
        """Does a question find this trace?"""


class MoatServer:
    """This checkout."""

    name = "Moat"

    def install(self) -> str:
        """`make setup` has done it."""
        return moat.__version__

    def prepare(self, folder: Path, port: int) -> Start:
        """A project with the least there can be, and two keys."""
        (folder / "moat.yaml").write_text("project: bench\nproviders: {}\nmodels: {}\n")

        def key(*more: str) -> dict[str, str]:
            made = run((PROGRAM, "keys", "create", "--name", "bench", "--json", *more), folder, 60)
            return {"authorization": f"Bearer {msgspec.json.decode(made)['secret']}"}

        argv = (PROGRAM, "serve", "--host", "127.0.0.1", "--port", str(port))
        return Start(argv, folder / ".moat", key(), key("--role", "admin"))

    def count(self, line: Line, start: Start) -> int:
        """See `TraceServer`."""
        return int(line.ask("GET", "/api/v1/kept", start.reading)["spans"])

    def sees(self, line: Line, start: Start, trace_id: str) -> bool:
        """See `TraceServer`."""
        return int(line.ask("GET", f"/api/v1/traces/{trace_id}", start.reading)["count"]) > 0


class Phoenix:
    """Its server with SQLite, in a virtual environment of its own."""

    name = "Phoenix"

    def install(self) -> str:
        """See `TraceServer`."""
        return _installed("phoenix", PHOENIX)

    def prepare(self, folder: Path, port: int) -> Start:
        """It has no files of its own to write."""
        data = folder / "data"
        environment = {
            "PHOENIX_WORKING_DIR": str(data),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(port),
            "PHOENIX_GRPC_PORT": "0",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        }
        data.mkdir()
        return Start((str(PEERS / "phoenix/venv/bin/phoenix"), "serve"), data, environment=environment)

    def count(self, line: Line, start: Start) -> int:
        """See `TraceServer`."""
        found = _graphql(line, "{ projects { edges { node { recordCount } } } }")
        return sum(edge["node"]["recordCount"] for edge in found["projects"]["edges"])

    def sees(self, line: Line, start: Start, trace_id: str) -> bool:
        """See `TraceServer`."""
        return _graphql(line, f'{{ getTraceByOtelId(traceId: "{trace_id}") {{ id }} }}')["getTraceByOtelId"] is not None


class MLflow:
    """Its server with SQLite and one worker, in a virtual environment of its own; without its runners of jobs."""

    name = "MLflow"

    def install(self) -> str:
        """See `TraceServer`."""
        return _installed("mlflow", MLFLOW)

    def prepare(self, folder: Path, port: int) -> Start:
        """Spans go to the experiment that is there from the start."""
        data = folder / "data"
        data.mkdir()
        places = ("--backend-store-uri", f"sqlite:///{data}/mlflow.db", "--artifacts-destination", str(data / "files"))
        listen = ("--host", "127.0.0.1", "--port", str(port), "--workers", "1")
        home = PEERS / "mlflow/venv/bin"
        environment = {
            "PATH": f"{home}:/usr/local/bin:/usr/bin:/bin",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        argv = (str(home / "mlflow"), "server", *places, *listen)
        return Start(argv, data, {"x-mlflow-experiment-id": "0"}, environment=environment)

    def count(self, line: Line, start: Start) -> int:
        """See `TraceServer`."""
        asked = {
            "experiment_ids": ["0"],
            "view_type": "SPANS",
            "metric_name": "span_count",
            "aggregations": [{"aggregation_type": "COUNT"}],
        }
        points = line.ask("POST", "/api/3.0/mlflow/traces/metrics", _FORM, asked).get("data_points", [])
        counts: list[float] = [point["values"]["COUNT"] for point in points]
        return round(sum(counts))

    def sees(self, line: Line, start: Start, trace_id: str) -> bool:
        """See `TraceServer`."""
        return line.ask("GET", f"/api/3.0/mlflow/traces/tr-{trace_id}", {}) is not None


SERVERS: dict[str, TraceServer] = {server.name: server for server in (MoatServer(), Phoenix(), MLflow())}
"""By name, in the order of the table."""


def _graphql(line: Line, query: str) -> Any:
    found = line.ask("POST", "/graphql", _FORM, {"query": query})
    if not found or found.get("errors"):
        raise Unavailable(f"/graphql: {found}")
    return found["data"]


def _installed(name: str, package: str) -> str:
    """Through uv, which `make setup` has put beside this Python."""
    home = PEERS / name
    uv = Path(sys.executable).with_name("uv")
    make = (uv, "venv", "--quiet", "--python", sys.executable, home / "venv")
    fill = (uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", home / "venv", package)
    install_once(home, package, make, fill)
    return package.rpartition("==")[2]
