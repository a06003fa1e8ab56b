"""The life of `moat serve`: open, serve, watch, drain, close."""

import asyncio
import fcntl
import logging
import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, contextmanager
from functools import partial
from typing import NamedTuple

from moat.adapters.duckdb import DuckTraces
from moat.adapters.system import SystemClock
from moat.api.app import management_api
from moat.api.changes import Changes
from moat.api.overviews import Overviews
from moat.api.pushes import Pushes
from moat.api.services import Services
from moat.api.sign_in import SignIn
from moat.api.workbench import Workbench
from moat.batches.api import BatchApi
from moat.batches.files import FileShelf
from moat.batches.service import Batches
from moat.bootstrap.alert_rules import rules_of
from moat.bootstrap.alerting import Alerting, keep_delivered, keep_watched
from moat.bootstrap.announcement import ServerFile, announced, running_server
from moat.bootstrap.auditing import keep_anchored, verify
from moat.bootstrap.changing import sources_of
from moat.bootstrap.collectors import Collectors, open_collectors
from moat.bootstrap.connections import ProjectConnections
from moat.bootstrap.crew import Crew
from moat.bootstrap.drifting import Drifting
from moat.bootstrap.engine import Ground, Work, begin, new_spool, open_engine
from moat.bootstrap.evaluations import ProjectEvaluations
from moat.bootstrap.feedback import feedback_spool, link_signer
from moat.bootstrap.grpc_intake import open_grpc
from moat.bootstrap.guarding import placed
from moat.bootstrap.http_server import HttpServer, allow_descriptors, calm_collector, http_settings, listen
from moat.bootstrap.identities import Identities
from moat.bootstrap.indexing import Indexing
from moat.bootstrap.limits import opening, placed_limits
from moat.bootstrap.lineage import lineage
from moat.bootstrap.logs import TEXT, Logs
from moat.bootstrap.measuring import keep_measured
from moat.bootstrap.metering import Metering
from moat.bootstrap.project import Project
from moat.bootstrap.pruning import keep_pruned
from moat.bootstrap.releasing import Releasing
from moat.bootstrap.reload import Snapshots, keep_compared, keep_indexed
from moat.bootstrap.server_doctor import ServerDoctor
from moat.bootstrap.spending import reprice
from moat.bootstrap.spikes import keep_spikes
from moat.bootstrap.state import State, open_state
from moat.bootstrap.syncing import ServerSync, keep_synced, webhook_secret
from moat.bootstrap.upkeep import TraceUpkeep, keep_expired
from moat.bootstrap.workbench import open_workbench
from moat.console.app import Console
from moat.console.site import BUILT
from moat.domain.accounts import WELCOME
from moat.domain.alerting import Rule
from moat.domain.errors import ConflictError, StorageError
from moat.domain.keys import KEY_PREFIX, LOCAL_KEY, Key, hash_secret
from moat.domain.lineage import Lineage
from moat.domain.struct_types import describe_all
from moat.gateway.access_log import AccessLog
from moat.gateway.app import Gateway
from moat.gateway.feedback import FeedbackApi
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live
from moat.ports.releases import ReleaseControl
from moat.prompts.registry import PromptRegistry
from moat.spend.ledger import LimitLedger
from moat.telemetry.shipper import Shipper
from moat.telemetry.spool import SegmentSpool

log = logging.getLogger("moat.server")


async def serve(
    project: Project,
    environ: Mapping[str, str],
    address: tuple[str, int],
    ready: Callable[[ServerFile, Live, str], None],
    workers: int = 0,
    logs: Logs = TEXT,
) -> None:
    """Run until a signal asks to stop. `ready` is called once when the first request can be answered, with the link
    for the first admin while there is none. `workers`: processes that answer model calls beside this one; 0: it
    answers them itself.

    Raises `ConflictError` when the project has a running server already: the stores have one owner.
    """
    describe_all()
    with ExitStack() as while_up:
        while_up.enter_context(_sole_server(project))
        allow_descriptors()
        listener = while_up.enter_context(closing(listen(*address)))
        token = KEY_PREFIX + secrets.token_urlsafe(32)
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        url = f"http://{host}:{listener.getsockname()[1]}"
        file = ServerFile(url=url, pid=os.getpid(), token=token)
        local = Key(id=LOCAL_KEY, hash=hash_secret(token), name="commands on this machine", role="admin")
        async with _open(project, environ, local, Crew(project, local, workers, logs)) as up:
            app, live, crew, hush, sign_in = up

            async def announce() -> None:
                await crew.start(server.take, listener)
                while_up.enter_context(calm_collector())
                while_up.enter_context(announced(project.server_path, file))
                ready(file, live, await asyncio.to_thread(_welcome, sign_in, url))

            logged = AccessLog(app) if logs.access else app
            most = project.settings.config.server.max_requests
            config = http_settings(logged, most, crew if workers else None, live.refusals)

            async def stop() -> None:
                hush()
                await crew.stop()

            server = HttpServer(config, announce, stop)
            crew.own = lambda: server.under_way
            await server.serve(sockets=[] if workers else [listener])


@asynccontextmanager
async def _open(project: Project, environ: Mapping[str, str], local: Key, crew: Crew) -> AsyncIterator["_Up"]:
    """Everything the server stands on, opened in order and closed in reverse: each of it, wherever the start stops
    and whatever fails to close.
    """
    settings = project.settings
    async with AsyncExitStack() as opened:
        state = opened.enter_context(open_state(project))
        collectors = open_collectors(opened, project, environ)
        traces, spool, shipper = _open_records(opened, project, collectors)
        ledger, used = LimitLedger(SystemClock()), opening(traces, shipper.drain)
        opened.push_async_callback(crew.aclose)
        engine = open_engine(opened, Ground(project, environ, local, state, spool, used), ledger)
        crew.serve(engine)
        live, snapshots = engine.live, engine.snapshots
        indexing = Indexing(project.repository, state.registry, SystemClock())
        metering = Metering(project, live, state.runs, shipper)
        alerting = Alerting(traces, state.alerts, lambda: snapshots.settings, environ)
        sync = ServerSync(project.root, state, snapshots.synced)
        upkeep = TraceUpkeep(traces, lambda: snapshots.settings.config.telemetry, project.folder)
        sign_in = _sign_in(state, snapshots, environ)
        batches = _open_batches(project, live, state)
        works: tuple[Work, ...] = (
            partial(keep_indexed, snapshots, indexing),
            partial(keep_compared, snapshots, Drifting(project.repository, state.releases)),
            partial(keep_synced, snapshots, sync),
            partial(keep_spikes, ledger.spikes, state.trips, traces),
            partial(keep_measured, engine.caches.book, state.false_hits),
            partial(keep_expired, upkeep),
            *(partial(keep, alerting) for keep in (keep_watched, keep_delivered)),
            partial(keep_pruned, state.audit, state.approvals, lambda: snapshots.settings),
            partial(keep_anchored, state.audit, lambda: snapshots.settings),
            batches.run,
            shipper.run,
            *(each.run for each in collectors.all),
        )
        begin(opened, (*engine.works, *metering.works, *works))
        opinions = _open_opinions(opened, project, traces, snapshots)
        bench = open_workbench(opened, (project.root, live, snapshots), ledger, environ, state.audit)
        doctor = ServerDoctor(project.root, environ, traces.kept, lambda: spool.problem)
        holding = _Holding(live, snapshots, sync, upkeep, sign_in, bench, doctor)
        services = _services(project, environ, state, (traces, opinions), holding)
        opened.push_async_callback(asyncio.to_thread, services.pushes.close)
        opened.callback(sync.close)
        gateway = Gateway(
            live,
            spool,
            max_body=_max_body(project),
            management=Console(BUILT, management_api(services)),
            batches=BatchApi(live, batches),
            feedback=FeedbackApi(live, opinions, link_signer(project), SystemClock()),
            measured=metering.measured(
                lambda: engine.dropped + crew.dropped,
                lambda: crew.processes,
                collectors.sending,
                lambda: alerting.backlog,
            ),
        )
        await open_grpc(opened, settings.config.telemetry.grpc, gateway.intake)
        yield _Up(gateway, live, crew, services.changes.end, sign_in)


class _Up(NamedTuple):
    """A server that can begin."""

    gateway: Gateway
    live: Live
    crew: Crew
    hush: Callable[[], None]
    """Ends answers that would go on for ever."""
    sign_in: SignIn


def _sign_in(state: State, snapshots: Snapshots, environ: Mapping[str, str]) -> SignIn:
    """The door, as moat.yaml has it at each moment."""
    identities = Identities(lambda: snapshots.settings, environ)
    return SignIn(state.accounts, lambda: snapshots.settings.config.console, SystemClock(), identities.provider)


def _welcome(sign_in: SignIn, url: str) -> str:
    """A link for the first admin; empty when there is one."""
    token = sign_in.welcome()
    return f"{sign_in.config.public_url.rstrip('/') or url}{WELCOME}{token}" if token else ""


def _open_records(
    opened: AsyncExitStack, project: Project, collectors: Collectors
) -> tuple[DuckTraces, SegmentSpool, Shipper]:
    """Where calls are recorded. What earlier processes left is shipped at once: it counts in the budgets."""
    traces = DuckTraces.open(project.traces_path)
    opened.callback(traces.close)
    spool = new_spool(project)
    shipper = Shipper(project.spool_path, traces, spool=spool)
    collectors.attach(shipper)
    opened.push_async_callback(asyncio.to_thread, shipper.drain)
    opened.callback(spool.close)
    spool.open()
    shipper.ship()
    return traces, spool, shipper


def _open_batches(project: Project, live: Live, state: State) -> Batches:
    """What is asked of models without anybody waiting, as it was left."""
    files, config = FileShelf(project.files_path), project.settings.config.batches
    batches = Batches(live, state.batches, files, config, max_line=_max_body(project), clock=SystemClock())
    batches.open()
    return batches


def _max_body(project: Project) -> int:
    """Bytes."""
    return round(project.settings.config.server.max_body_mb * 2**20)


def _open_opinions(opened: AsyncExitStack, project: Project, traces: DuckTraces, snapshots: Snapshots) -> Opinions:
    """Where opinions are kept; closed before the last of it is shipped."""
    spool = feedback_spool(project)
    opened.callback(spool.close)
    spool.open()

    def content() -> bool:
        return snapshots.settings.config.telemetry.capture_content

    return Opinions(spool, traces, SystemClock(), content, traces.newest_opinion())


class _Holding(NamedTuple):
    """What the running server holds besides its stores."""

    live: Live
    snapshots: Snapshots
    sync: ServerSync
    upkeep: TraceUpkeep
    sign_in: SignIn
    bench: Workbench
    doctor: ServerDoctor


def _services(
    project: Project,
    environ: Mapping[str, str],
    state: State,
    records: tuple[DuckTraces, Opinions],
    holding: _Holding,
) -> Services:
    """What the management API works on."""
    traces, opinions = records

    def control() -> ReleaseControl:
        return Releasing(Project(project.root, holding.snapshots.catalog), state)

    def ancestry(name: str, version: str) -> Lineage:
        return lineage(Project(project.root), state, name, version, traces)

    def rules() -> tuple[Rule, ...]:
        return rules_of(holding.snapshots.settings.config)

    renderer = holding.snapshots.renderer
    return Services(
        live=holding.live,
        releases=state.releases,
        runs=state.runs,
        evaluations=ProjectEvaluations(project.root, lambda: holding.snapshots.catalog, state, traces, environ),
        traces=traces,
        calls=traces.calls,
        changes=Changes(sources_of(holding.live, state, traces)),
        overviews=Overviews(holding.live, traces, traces.calls, state.alerts, rules, state.releases),
        policies=lambda: placed(holding.snapshots.settings),
        limit_rules=lambda: placed_limits(holding.snapshots.settings, environ),
        upkeep=holding.upkeep,
        opinions=opinions,
        keys=state.keys,
        sign_in=holding.sign_in,
        workbench=holding.bench,
        trips=state.trips,
        alerts=state.alerts,
        audit=state.audit,
        verify=lambda: verify(state.audit, holding.snapshots.settings),
        searches=state.searches,
        approvals=state.approvals,
        rules=rules,
        connections=ProjectConnections(lambda: holding.snapshots.settings, environ, state.hosts),
        doctor=holding.doctor,
        registry=PromptRegistry(state.registry, renderer, SystemClock()),
        renderer=renderer,
        control=control,
        lineage=ancestry,
        pushes=Pushes(holding.sync, project.settings.config.git.branch, webhook_secret(project.settings, environ)),
        synced=lambda: holding.snapshots.synced.value,
        reprice=lambda *order: reprice(Project(project.root), environ, traces, *order),
        root=project.root,
        max_body=_max_body(project),
    )


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
