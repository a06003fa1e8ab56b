"""Who cares for the trace store: the server for itself, and commands through it or in its place."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from moat.adapters.duckdb import DuckTraces
from moat.adapters.remote import RemoteUpkeep
from moat.bootstrap.announcement import running_server
from moat.bootstrap.auditing import record
from moat.bootstrap.project import Project
from moat.bootstrap.traces import own_traces
from moat.domain.config import TelemetryConfig
from moat.domain.errors import MoatError
from moat.ports.traces import Kept, Retention
from moat.ports.upkeep import Upkeep

log = logging.getLogger("moat.server")

EXPIRE_SECONDS = 3600.0
FIRST_SECONDS = 60.0
"""After the start: others have more to do then."""
JUMP_SECONDS = 3600.0
"""A wall clock that gains so much on the time since the machine started was set, and what is old is not known."""

_DAY_NS = 86_400 * 10**9
_COPY = "copy-*.duckdb"


class TraceUpkeep:
    """Implements `moat.ports.upkeep.Upkeep` on the store itself."""

    def __init__(self, traces: DuckTraces, kept: Callable[[], TelemetryConfig], folder: Path) -> None:
        """`folder`: where copies are put."""
        self._traces = traces
        self._kept = kept
        self._folder = folder
        self._copying = threading.Lock()

    def expire(self, *, dry_run: bool = False) -> int:
        """See `Upkeep`."""
        return self._traces.expire(retention(self._kept(), time.time_ns()), dry_run=dry_run)

    def compact(self) -> Kept:
        """See `Upkeep`."""
        self._traces.compact()
        return self._traces.kept()

    def backup(self) -> Path:
        """See `Upkeep`. Copies that nobody came for are removed, and what a killed one left."""
        with self._copying:
            for left in self._folder.glob(f"{_COPY}*"):
                left.unlink(missing_ok=True)
            path = self._folder / _COPY.replace("*", str(time.time_ns()))
            self._traces.backup(path)
            return path


class _Recorded:
    """The same for a command that a person gives: each has its entry in the audit log."""

    def __init__(self, upkeep: TraceUpkeep, project: Project) -> None:
        self._upkeep = upkeep
        self._project = project

    def expire(self, *, dry_run: bool = False) -> int:
        """See `Upkeep`."""
        if not dry_run:
            record(self._project, "traces.expire", "traces")
        return self._upkeep.expire(dry_run=dry_run)

    def compact(self) -> Kept:
        """See `Upkeep`."""
        record(self._project, "traces.compact", "traces")
        return self._upkeep.compact()

    def backup(self) -> Path:
        """See `Upkeep`."""
        record(self._project, "traces.copy", "traces")
        return self._upkeep.backup()


def retention(kept: TelemetryConfig, now_ns: int) -> Retention:
    """What is too old now."""
    return Retention(
        content_ns=max(0, now_ns - round(kept.keep_content_days * _DAY_NS)),
        spans_ns=max(0, now_ns - round(kept.keep_days * _DAY_NS)),
    )


@contextmanager
def open_upkeep(project: Project) -> Iterator[Upkeep]:
    """For a command: by the running server, which owns the store, else directly, with what the spool holds."""
    server = running_server(project.server_path)
    if server is not None:
        yield RemoteUpkeep(server.url, server.token, project.author)
        return
    with own_traces(project) as traces:
        yield _Recorded(TraceUpkeep(traces, lambda: project.settings.config.telemetry, project.folder), project)


async def keep_expired(upkeep: Upkeep) -> None:
    """Let go of what is old, every hour, until cancelled."""
    began = ahead()
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        if ahead() - began > JUMP_SECONDS:
            log.error("the clock was set forward: no trace is deleted for its age until the server is started again")
            return
        try:
            gone = await asyncio.to_thread(upkeep.expire)
            if gone:
                log.info("%d spans were deleted, or their content, for their age", gone)
        except MoatError as error:
            log.warning("old traces stay: %s", error)
        await asyncio.sleep(EXPIRE_SECONDS)


def ahead() -> float:
    """How far the wall clock is ahead of the time since the machine started, sleep included."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
