"""The composition root: the only place that names adapters and puts a pipeline on them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from moat.adapters.sqlite import SqliteKeys, SqliteRegistry, SqliteReleases, SqliteRuns, SqliteState, SqliteTrips
from moat.adapters.system import SystemClock
from moat.bootstrap.limits import ledger_rules
from moat.bootstrap.models import ProviderShelf, price_table, router
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings
from moat.caching.exact import ExactCache, Memory
from moat.domain.keys import Key
from moat.domain.releases import Assignment, Release
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Serving
from moat.pipeline.counting import build_counter
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.background import Background
from moat.ports.clock import Clock
from moat.ports.models import Health
from moat.ports.prompts import Prompts, Renderer
from moat.prompts.drift import Drift
from moat.spend.ledger import LimitLedger, Opening
from moat.telemetry.spool import SegmentSpool


@dataclass(frozen=True)
class State:
    """The durable stores behind their ports."""

    releases: SqliteReleases
    runs: SqliteRuns
    keys: SqliteKeys
    registry: SqliteRegistry
    trips: SqliteTrips


@contextmanager
def open_state(project: Project) -> Iterator[State]:
    """Open the state store for a while, migrated to this version."""
    store = SqliteState.open(project.state_path)
    try:
        yield State(
            SqliteReleases(store), SqliteRuns(store), SqliteKeys(store), SqliteRegistry(store), SqliteTrips(store)
        )
    finally:
        store.close()


@dataclass(frozen=True)
class Standing:
    """What one pipeline after the other stands on while files and releases change."""

    environ: Mapping[str, str]
    shelf: ProviderShelf
    spool: SegmentSpool
    background: Background
    health: Health | None = None
    """None: every deployment is tried, as in evals."""
    ledger: LimitLedger | None = None
    """None: nothing is limited, as in evals."""
    opening: Opening = lambda limit, since_ns: {}
    """What was used of a limit before this process began."""
    memory: Memory | None = None
    """Holds answers that may be given again; None: every call goes to a model, as in evals."""


def pipeline_ports(settings: Settings, prompts: Prompts, renderer: Renderer, standing: Standing) -> Ports:
    """The ports of a pipeline on this project, the same for the gateway and for evals."""
    prices = price_table(settings, standing.environ)
    if standing.ledger is not None:
        standing.ledger.adopt(ledger_rules(settings, prices, standing.environ), standing.opening)
    clock = SystemClock()
    return Ports(
        clock=clock,
        models=router(settings, standing.environ, standing.shelf, prices),
        prices=prices,
        prompts=prompts,
        renderer=renderer,
        spool=standing.spool,
        background=standing.background,
        ledger=standing.ledger,
        health=standing.health,
        cache=_cache(settings, standing.memory, clock),
        capture_content=settings.config.telemetry.capture_content,
    )


def _cache(settings: Settings, memory: Memory | None, clock: Clock) -> ExactCache | None:
    aliases = {alias: model.cache for alias, model in settings.config.models.items() if model.cache is not None}
    return ExactCache(aliases, memory, clock) if aliases and memory is not None else None


def serving(
    ports: Ports,
    settings: Settings,
    keys: Iterable[Key],
    assignments: Collection[Assignment],
    releases: Mapping[str, Release],
    drift: Iterable[Drift],
    problems: Iterable[str],
) -> Serving:
    """A snapshot for the gateway."""
    return Serving(
        run=build(ports),
        count=build_counter(ports),
        ports=ports,
        batch_discounts={name: found.batch_discount for name, found in settings.config.deployments.items()},
        keys=KeyRing(keys, ports.clock),
        prompts=ports.prompts,
        aliases=tuple(sorted(settings.config.models)),
        environments=tuple(sorted(settings.config.environments)),
        released=tuple(sorted(f"{a.prompt}@{a.environment}" for a in assignments)),
        problems=tuple(problems),
        assignments={(a.environment, a.prompt): a for a in assignments},
        releases=releases,
        drift=tuple(drift),
    )
