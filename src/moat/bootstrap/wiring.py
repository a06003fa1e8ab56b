"""The composition root: the only place that names adapters and puts a pipeline on them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from moat.adapters.sqlite import SqliteKeys, SqliteRegistry, SqliteReleases, SqliteRuns, SqliteState
from moat.adapters.system import SystemClock
from moat.bootstrap.models import ConfiguredModels, ProviderShelf, price_table
from moat.bootstrap.project import Project
from moat.bootstrap.settings import Settings
from moat.domain.keys import Key
from moat.domain.releases import Assignment, Release
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Serving
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.background import Background
from moat.ports.prompts import Prompts, Renderer
from moat.ports.spool import Spool
from moat.prompts.drift import Drift


@dataclass(frozen=True)
class State:
    """The durable stores behind their ports."""

    releases: SqliteReleases
    runs: SqliteRuns
    keys: SqliteKeys
    registry: SqliteRegistry


@contextmanager
def open_state(project: Project) -> Iterator[State]:
    """Open the state store for a while, migrated to this version."""
    store = SqliteState.open(project.state_path)
    try:
        yield State(SqliteReleases(store), SqliteRuns(store), SqliteKeys(store), SqliteRegistry(store))
    finally:
        store.close()


def pipeline_ports(
    settings: Settings,
    prompts: Prompts,
    spool: Spool,
    shelf: ProviderShelf,
    environ: Mapping[str, str],
    background: Background,
    renderer: Renderer,
) -> Ports:
    """The ports of a pipeline on this project, the same for the gateway and for evals."""
    prices = price_table(settings, environ)
    return Ports(
        clock=SystemClock(),
        # Nothing may fail after this: it retires the providers that these settings no longer have.
        models=ConfiguredModels(settings, shelf.providers(settings)),
        prices=prices,
        prompts=prompts,
        renderer=renderer,
        spool=spool,
        background=background,
        capture_content=settings.config.telemetry.capture_content,
    )


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
        keys=KeyRing(keys, ports.clock),
        prompts=ports.prompts,
        aliases=tuple(sorted(settings.config.models)),
        released=tuple(sorted(f"{a.prompt}@{a.environment}" for a in assignments)),
        problems=tuple(problems),
        assignments={(a.environment, a.prompt): a for a in assignments},
        releases=releases,
        drift=tuple(drift),
    )
