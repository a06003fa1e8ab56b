"""Where a command finds the trace store: at the running server, or in the files when none runs."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from moat.adapters.remote import RemoteTraces
from moat.bootstrap.announcement import ServerFile, running_server
from moat.bootstrap.collectors import outboxes
from moat.bootstrap.project import Project
from moat.bootstrap.settings import environment
from moat.domain.errors import Unavailable
from moat.ports.traces import TraceReader
from moat.telemetry.shipper import Shipper

if TYPE_CHECKING:
    from moat.adapters.duckdb import DuckTraces

STARTING_SECONDS = 5.0
"""A server that starts has the store for as long before it can be asked, at most."""


@contextmanager
def open_traces(project: Project) -> Iterator[TraceReader]:
    """The trace store for a while, with everything that the spool holds.

    Raises `Unavailable` when another process has it that does not become a server.
    """
    with ExitStack() as opened:
        yield _reader(opened, project)


def _reader(opened: ExitStack, project: Project) -> TraceReader:
    server = running_server(project.server_path)
    if server is None:
        try:
            return opened.enter_context(own_traces(project))
        except Unavailable:
            server = _starting(project)
            if server is None:
                raise
    return RemoteTraces(server.url, server.token)


def _starting(project: Project) -> ServerFile | None:
    """A server that has opened the store and will say so in a moment."""
    until = time.monotonic() + STARTING_SECONDS
    while (server := running_server(project.server_path)) is None and time.monotonic() < until:
        time.sleep(0.05)
    return server


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
