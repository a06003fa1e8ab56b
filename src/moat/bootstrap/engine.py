"""What answers model calls in one process: providers, caches, limits, and the snapshots they are served from."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from functools import partial

from moat.bootstrap.auditing import LoadRecord
from moat.bootstrap.background import BackgroundTasks
from moat.bootstrap.caches import Caches, open_caches
from moat.bootstrap.guarding import policy_configs
from moat.bootstrap.kept_secret import digest_key
from moat.bootstrap.models import ProviderShelf
from moat.bootstrap.policy_news import PolicyNews
from moat.bootstrap.project import Project
from moat.bootstrap.quality import keep_scored
from moat.bootstrap.reload import Snapshots, keep_fresh
from moat.bootstrap.settings import Settings
from moat.bootstrap.state import State
from moat.bootstrap.wiring import Standing, pipeline_ports
from moat.caching.false_hits import Tell
from moat.domain.keys import Key
from moat.gateway.serving import Live
from moat.pipeline.ports import Ports
from moat.ports.prompts import Prompts, Renderer
from moat.spend.ledger import LimitLedger, Opening
from moat.telemetry.spool import SegmentSpool

log = logging.getLogger("moat.server")

SEAL_SECONDS = 0.5
"""Longest time a finished call waits in an open segment: calls are visible in queries within two seconds."""

RESTART_SECONDS = 1.0
"""Pause after a bug in the background, before its work begins anew."""

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Engine:
    """The parts."""

    state: State
    spool: SegmentSpool
    shelf: ProviderShelf
    caches: Caches
    background: BackgroundTasks
    ledger: LimitLedger
    snapshots: Snapshots
    live: Live

    @property
    def works(self) -> tuple[Work, ...]:
        """What goes on in the background of every process that answers calls."""
        scored = partial(keep_scored, self.shelf, self.state, lambda: self.snapshots.settings)
        return partial(keep_fresh, self.live, self.snapshots), scored, self.shelf.close_retired

    @property
    def dropped(self) -> int:
        """Copies of calls that were given up."""
        return self.background.dropped


@dataclass(frozen=True)
class Ground:
    """What an engine stands on."""

    project: Project
    environ: Mapping[str, str]
    local: Key
    state: State
    spool: SegmentSpool
    used: Opening
    """What was used of a limit before."""


def open_engine(opened: AsyncExitStack, ground: Ground, ledger: LimitLedger, compared: Tell | None = None) -> Engine:
    """Everything opened in order, and closed in reverse, wherever the start stops. `compared`: who counts what semantic
    caches compare, in place of this process. Raises what is wrong at the start.
    """
    shelf = ProviderShelf(ground.environ, ground.state.hosts)
    opened.push_async_callback(shelf.aclose)
    settings = ground.project.settings
    caches = opened.enter_context(open_caches(settings, ground.state.false_hits, compared))
    background = BackgroundTasks()
    opened.push_async_callback(background.aclose)
    standing = Standing(
        *(ground.environ, shelf, ground.spool, background, shelf.health, ledger, ground.used, caches),
        approvals=ground.state.approvals,
        digest_key=digest_key(ground.project),
    )

    loaded, news = LoadRecord(ground.state.audit), PolicyNews()

    def ports(settings: Settings, prompts: Prompts, renderer: Renderer) -> Ports:
        loaded.record(settings.root)
        made = pipeline_ports(settings, prompts, renderer, standing)
        news.tell(policy_configs(settings))
        return made

    snapshots = Snapshots(ground.project.root, ground.state, ground.local, ports, lambda: shelf.withheld)
    opened.callback(snapshots.close)
    live = Live(snapshots.serving(), deployments=shelf.health.snapshot, balances=ledger.balances)
    live.caches = lambda: caches.states(snapshots.settings.config)
    return Engine(ground.state, ground.spool, shelf, caches, background, ledger, snapshots, live)


def new_spool(project: Project) -> SegmentSpool:
    """This process's part of the spool, not open yet."""
    telemetry = project.settings.config.telemetry
    interval = min(SEAL_SECONDS, telemetry.fsync_interval)
    return SegmentSpool(project.spool_path, fsync=telemetry.fsync, interval=interval)


def begin(opened: AsyncExitStack, works: tuple[Work, ...]) -> None:
    """Start works that go on until everything is closed."""
    for work in works:
        opened.push_async_callback(_cancel, asyncio.create_task(_forever(work)))


async def _forever(work: Work) -> None:
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
