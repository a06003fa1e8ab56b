"""Where a command finds the trace store: at the running server, or in the files when none runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moat.adapters.remote import RemoteTraces
from moat.bootstrap.announcement import running_server
from moat.bootstrap.collectors import outboxes
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.ports.traces import TraceReader
from moat.telemetry.shipper import Shipper

if TYPE_CHECKING:
    from moat.adapters.duckdb import DuckTraces


@contextmanager
def open_traces(project: Project) -> Iterator[TraceReader]:
    """The trace store for a while, with everything that the spool holds."""
    server = running_server(project.server_path)
    if server is not None:
        yield RemoteTraces(server.url, server.token)
        return
    with own_traces(project) as traces:
        yield traces


@contextmanager
def own_traces(project: Project) -> Iterator["DuckTraces"]:
    """The store itself for a while, where no server owns it, with everything that the spool holds: collectors get
    theirs of it, as from a server.
    """
    from moat.adapters.duckdb import DuckTraces  # DuckDB is only loaded by who reads the files

    traces = DuckTraces.open(project.traces_path)
    try:
        shipper = Shipper(project.spool_path, traces)
        shipper.before.extend(outbox.take for outbox in outboxes(project, environment()))
        shipper.drain()
        yield traces
    finally:
        traces.close()
