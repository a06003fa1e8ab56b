"""The composition root: puts a pipeline on adapters."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from moat.adapters.system import SystemClock
from moat.bootstrap.caches import Caches, cached
from moat.bootstrap.guarding import guards, policies
from moat.bootstrap.handling import handling
from moat.bootstrap.limits import ledger_rules, unpriced
from moat.bootstrap.models import ProviderShelf, price_table, questions, router
from moat.bootstrap.settings import Settings
from moat.domain.keys import Key
from moat.domain.releases import Assignment, Release
from moat.domain.struct_types import describe_all
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Serving
from moat.guards.engine.approving import Approvals
from moat.pipeline.counting import build_counter
from moat.pipeline.ports import Ports
from moat.pipeline.recipe import build
from moat.ports.background import Background
from moat.ports.models import Health
from moat.ports.prompts import Prompts, Renderer
from moat.ports.tool_approvals import ApprovalWriter
from moat.prompts.drift import Drift
from moat.spend.apart import learn
from moat.spend.ledger import LimitLedger, Opening
from moat.telemetry.spool import SegmentSpool


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
    caches: Caches | None = None
    """None: every call goes to a model, as in evals."""
    approvals: ApprovalWriter | None = None
    """None: no person is asked, as in evals: what one would have to allow is blocked."""
    digest_key: bytes = b""
    """Keys the digests that stand in place of data; without one they are of this process alone."""


def pipeline_ports(settings: Settings, prompts: Prompts, renderer: Renderer, standing: Standing) -> Ports:
    """The ports of a pipeline on this project, the same for the gateway and for evals."""
    if standing.ledger is not None:  # a server, which stays up
        learn(questions(settings, standing.environ))
    prices = price_table(settings, standing.environ)
    limits = None
    if standing.ledger is not None:
        limits = standing.ledger.prepared(ledger_rules(settings, prices, standing.environ), standing.opening)
    secret = standing.digest_key
    guarding = guards(policies(settings.root, settings.config, settings.document), secret)
    data, capture = handling(settings.config, settings.document, secret) or (None, None)
    ports = Ports(
        clock=SystemClock(),
        models=router(settings, standing.environ, standing.shelf, prices),
        prices=prices,
        prompts=prompts,
        renderer=renderer,
        spool=standing.spool,
        background=standing.background,
        ledger=standing.ledger,
        health=standing.health,
        guards=guarding,
        handling=data,
        capture=capture,
        capture_content=settings.config.telemetry.capture_content,
        max_content=round(settings.config.telemetry.max_content_kb * 1024),
    )
    if standing.ledger is not None and limits is not None:
        standing.ledger.take(limits)  # not before: a file that is refused changes no budget
    if standing.caches is not None:
        ports = cached(ports, settings, standing.caches)
    if guarding is not None:
        guarding.run = build(replace(ports, guards=None))
        if standing.approvals is not None:
            guarding.approvals = Approvals(standing.approvals, secret, capture, ports.capture_content)
    describe_all()  # what providers and detectors brought with them
    return ports


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
        features=tuple(sorted(settings.config.features)),
        released=tuple(sorted(f"{a.prompt}@{a.environment}" for a in assignments)),
        problems=tuple(problems),
        warnings=tuple(unpriced(settings.config, ports.prices)),
        assignments={(a.environment, a.prompt): a for a in assignments},
        releases=releases,
        drift=tuple(drift),
    )
