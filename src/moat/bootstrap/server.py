"""The life of `moat serve`: open, serve, watch, drain, close."""

import asyncio
import errno
import fcntl
import gc
import logging
import os
import resource
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager, suppress
from functools import partial
from typing import NamedTuple

import uvicorn

from moat.adapters.duckdb import DuckTraces
from moat.adapters.system import SystemClock
from moat.api.app import management_api
from moat.api.pushes import Pushes
from moat.api.services import Services
from moat.batches.api import BatchApi
from moat.batches.files import FileShelf
from moat.batches.service import Batches
from moat.bootstrap.announcement import ServerFile, announced, running_server
from moat.bootstrap.background import BackgroundTasks
from moat.bootstrap.caches import open_caches
from moat.bootstrap.drifting import Drifting
from moat.bootstrap.indexing import Indexing
from moat.bootstrap.limits import opening
from moat.bootstrap.lineage import lineage
from moat.bootstrap.measuring import keep_measured
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.project import Project
from moat.bootstrap.quality import keep_scored
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.reload import Snapshots, keep_compared, keep_fresh, keep_indexed
from moat.bootstrap.settings import Settings
from moat.bootstrap.spending import reprice
from moat.bootstrap.spikes import keep_spikes
from moat.bootstrap.syncing import ServerSync, keep_synced, webhook_secret
from moat.bootstrap.wiring import Standing, State, open_state, pipeline_ports
from moat.domain.errors import ConflictError, StorageError, Unavailable
from moat.domain.keys import KEY_PREFIX, Key, hash_secret
from moat.domain.lineage import Lineage
from moat.gateway.app import Gateway
from moat.gateway.protocol import BoundedHttp
from moat.gateway.serving import Live
from moat.pipeline.ports import Ports
from moat.ports.prompts import Prompts, Renderer
from moat.ports.releases import ReleaseControl
from moat.prompts.registry import PromptRegistry
from moat.spend.ledger import LimitLedger
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool

log = logging.getLogger("moat.server")

SEAL_SECONDS = 0.5
"""Longest time a finished call waits in an open segment: calls are visible in queries within two seconds."""

GC_THRESHOLD = 50_000
"""Allocations between young collections; requests leave hardly any cycles (measured: a tenth of the CPU)."""

GRACE_SECONDS = 30
"""How long calls under way may go on after the server was asked to stop."""

KEEP_ALIVE_SECONDS = 75
"""How long a connection may lie idle: longer than clients keep theirs, so that none is closed under a request."""

DESCRIPTORS = 65_536
"""Open files and sockets the server asks the system for; shells often allow 1,024."""

RECORD_SECONDS = 5
"""How long calls that were cut off may take to be recorded."""

RESTART_SECONDS = 1.0
"""Pause after a bug in the background, before its work begins anew."""


async def serve(
    project: Project,
    environ: Mapping[str, str],
    address: tuple[str, int],
    ready: Callable[[ServerFile, Live], None],
) -> None:
    """Run until a signal asks to stop. `ready` is called once when the first request can be answered.

    Raises `ConflictError` when the project has a running server already: the stores have one owner.
    """
    with ExitStack() as while_up:
        while_up.enter_context(_sole_server(project))
        _allow_descriptors()
        listener = while_up.enter_context(closing(listen(*address)))
        token = KEY_PREFIX + secrets.token_urlsafe(32)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"http://{host}:{listener.getsockname()[1]}"
        file = ServerFile(url=url, pid=os.getpid(), token=token)
        local = Key(id="key_local", hash=hash_secret(token), name="commands on this machine", role="admin")
        async with _open(project, environ, local) as (app, live):

            def announce() -> None:
                while_up.enter_context(_calm_collector())
                while_up.enter_context(announced(project.server_path, file))
                ready(file, live)

            config = _settings(app, project.settings.config.server.max_requests)
            await _Uvicorn(config, announce).serve(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises `Unavailable` when the port is taken or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named, or asyncio leaves Nagle's algorithm on: answers would wait for acknowledgements.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        # Only this shows that the port is taken, when another process has bound it and listens later.
        listener.listen()
    except OSError as error:
        listener.close()
        remedy = "Choose an address of this machine with --host."
        if error.errno == errno.EADDRINUSE:
            remedy = "Stop what uses it, or choose another with --port (0: any free one)."
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror}", remedy=remedy) from None
    return listener


def _allow_descriptors() -> None:
    """As many as the system grants, up to `DESCRIPTORS`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def _calm_collector() -> Iterator[None]:
    """What start-up made lives as long as the process: the collector need not look at it again and again."""
    threshold = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()


@asynccontextmanager
async def _open(project: Project, environ: Mapping[str, str], local: Key) -> AsyncIterator[tuple[Gateway, Live]]:
    """Everything the server stands on, opened in order and closed in reverse: each of it, wherever the start stops
    and whatever fails to close.
    """
    settings = project.settings
    async with AsyncExitStack() as opened:
        shelf = ProviderShelf(environ)
        opened.push_async_callback(shelf.aclose)
        state = opened.enter_context(open_state(project))
        caches = opened.enter_context(open_caches(settings, state.false_hits))
        traces, spool, shipper = _open_records(opened, project)
        background = BackgroundTasks()
        opened.push_async_callback(background.aclose)
        ledger = LimitLedger(SystemClock())
        used = opening(traces, shipper.drain)
        standing = Standing(environ, shelf, spool, background, shelf.health, ledger, used, caches)

        def ports(settings: Settings, prompts: Prompts, renderer: Renderer) -> Ports:
            return pipeline_ports(settings, prompts, renderer, standing)

        snapshots = Snapshots(project.root, state, local, ports)
        opened.callback(snapshots.close)
        live = Live(snapshots.serving(), deployments=shelf.health.snapshot, balances=ledger.balances)
        live.caches = lambda: caches.states(snapshots.settings.config)
        indexing = Indexing(project.repository, state.registry, SystemClock())
        sync = ServerSync(project.root, state, snapshots.synced)
        max_body = round(settings.config.server.max_body_mb * 2**20)
        files = FileShelf(project.files_path)
        batches = Batches(live, state.batches, files, settings.config.batches, max_line=max_body, clock=SystemClock())
        batches.open()
        works = (
            partial(keep_fresh, live, snapshots),
            partial(keep_indexed, snapshots, indexing),
            partial(keep_compared, snapshots, Drifting(project.repository, state.releases)),
            partial(keep_synced, snapshots, sync),
            partial(keep_spikes, ledger.spikes, state.trips, traces),
            partial(keep_measured, caches.book, state.false_hits),
            partial(keep_scored, shelf, state, lambda: snapshots.settings),
            batches.run,
        )
        for work in (*works, shipper.run, shelf.close_retired):
            opened.push_async_callback(_cancel, asyncio.create_task(_forever(work)))
        services = _services(project, environ, state, traces, _Holding(live, snapshots, sync))
        opened.push_async_callback(asyncio.to_thread, services.pushes.close)
        opened.callback(sync.close)
        gateway = Gateway(
            live,
            spool,
            max_body=max_body,
            management=management_api(services),
            batches=BatchApi(live, batches),
            dropped=partial(getattr, background, "dropped"),
        )
        yield gateway, live


def _open_records(opened: AsyncExitStack, project: Project) -> tuple[DuckTraces, SegmentSpool, Shipper]:
    """Where calls are recorded. What earlier processes left is shipped at once: it counts in the budgets."""
    telemetry = project.settings.config.telemetry
    traces = DuckTraces.open(project.traces_path)
    opened.callback(traces.close)
    interval = min(SEAL_SECONDS, telemetry.fsync_interval)
    spool = SegmentSpool(project.spool_path, fsync=telemetry.fsync, interval=interval)
    shipper = Shipper(project.spool_path, traces, spool=spool)
    opened.push_async_callback(asyncio.to_thread, shipper.drain)
    opened.callback(spool.close)
    spool.open()
    shipper.ship()
    return traces, spool, shipper


class _Holding(NamedTuple):
    """What the running server holds besides its stores."""

    live: Live
    snapshots: Snapshots
    sync: ServerSync


def _services(
    project: Project, environ: Mapping[str, str], state: State, traces: DuckTraces, holding: _Holding
) -> Services:
    """What the management API works on."""

    def control() -> ReleaseControl:
        return Releasing(Project(project.root, holding.snapshots.catalog), state)

    def ancestry(name: str, version: str) -> Lineage:
        return lineage(Project(project.root), state, name, version, traces)

    renderer = holding.snapshots.renderer
    return Services(
        live=holding.live,
        releases=state.releases,
        runs=state.runs,
        traces=traces,
        keys=state.keys,
        trips=state.trips,
        registry=PromptRegistry(state.registry, renderer, SystemClock()),
        renderer=renderer,
        control=control,
        lineage=ancestry,
        pushes=Pushes(holding.sync, project.settings.config.git.branch, webhook_secret(project.settings, environ)),
        synced=lambda: holding.snapshots.synced.value,
        reprice=lambda *order: reprice(Project(project.root), environ, traces, *order),
        root=project.root,
        max_body=round(project.settings.config.server.max_body_mb * 2**20),
    )


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    """Do work that goes on until it is cancelled."""
    while True:
        try:
            await work()
        except Exception:  # process edge: a bug in the background must end neither the work nor, unseen, the server
            log.exception("unexpected error in the background; it begins anew")
            await asyncio.sleep(RESTART_SECONDS)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@contextmanager
def _sole_server(project: Project) -> Iterator[None]:
    """Be the project's one server, from before its stores are opened. Raises `ConflictError` naming the other."""
    try:
        lock = os.fdopen(os.open(project.lock_path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror}", where=str(project.lock_path)) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = lock.read().strip()
            running = running_server(project.server_path)
            raise ConflictError(
                "this project is served already"
                + (f", by process {other}" if other else "")
                + (f" on {running.url}" if running else ""),
                where=str(project.root),
                remedy="Stop that server first.",
            ) from None
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def _settings(app: Gateway, max_requests: int) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=max_requests,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class _Uvicorn(uvicorn.Server):
    """uvicorn, telling when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then say so."""
        await super().startup(sockets=sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the calls under way; those that are cut off in the end still leave their records."""
        await super().shutdown(sockets=sockets)
        cut = list(self.server_state.tasks)
        if self.force_exit:  # else uvicorn has cancelled them
            for task in cut:
                task.cancel()
        if cut:
            await asyncio.wait(cut, timeout=RECORD_SECONDS)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM. uvicorn's own way raises the signal again when it is done, which would
        kill the process before the spool is drained.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True
