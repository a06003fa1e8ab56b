"""Where a command finds the trace store: at the running server, or in the files when none runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from moat.adapters.duckdb import DuckTraces
from moat.adapters.remote import RemoteTraces
from moat.bootstrap.project import Project
from moat.bootstrap.server import ServerFile
from moat.ports.traces import TraceReader
from moat.telemetry.segments import recover
from moat.telemetry.shipper import Shipper


@contextmanager
def open_traces(project: Project) -> Iterator[TraceReader]:
    """The trace store for a while, with everything that the spool holds."""
    server = running_server(project)
    if server is not None:
        yield RemoteTraces(server.url, server.token)
        return
    traces = DuckTraces.open(project.traces_path)
    try:
        project.spool_path.mkdir(exist_ok=True)
        recover(project.spool_path)
        Shipper(project.spool_path, traces).drain()
        yield traces
    finally:
        traces.close()


def running_server(project: Project) -> ServerFile | None:
    """The server of this project, when one runs; a file left by a killed one does not count."""
    import os

    try:
        file = msgspec.json.decode(project.server_path.read_bytes(), type=ServerFile)
        os.kill(file.pid, 0)
    except (FileNotFoundError, msgspec.DecodeError, ProcessLookupError):
        return None
    return file
