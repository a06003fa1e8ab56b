"""What the routes work on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from moat.api.changes import Changes
from moat.api.overviews import Overviews
from moat.api.pushes import Pushes
from moat.api.sign_in import SignIn
from moat.api.workbench import Workbench
from moat.domain.alerting import Rule
from moat.domain.audit import Verification
from moat.domain.lineage import Lineage
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live
from moat.guards.engine.rules import PlacedPolicy
from moat.ports.alerts import AlertStore
from moat.ports.audit import AuditStore
from moat.ports.calls import CallReader
from moat.ports.connections import Connections
from moat.ports.evaluations import Evaluations
from moat.ports.keys import KeyStore
from moat.ports.prompts import Renderer
from moat.ports.releases import ReleaseControl, ReleaseReader, SyncReport
from moat.ports.runs import Runs
from moat.ports.searches import SearchStore
from moat.ports.tool_approvals import ApprovalStore
from moat.ports.traces import Repricing, TraceReader
from moat.ports.trips import TripStore
from moat.ports.upkeep import Upkeep
from moat.prompts.registry import PromptRegistry
from moat.spend.limits import PlacedLimit

MAX_BODY = 2 * 2**20
"""Bytes of a request body; a rendered prompt is at most half of it."""
MAX_PUSH = 25 * 2**20
"""GitHub sends no larger events: docs.github.com/webhooks."""


@dataclass(frozen=True)
class Services:
    """The rooms of the house that the API opens."""

    live: Live
    releases: ReleaseReader
    runs: Runs
    evaluations: Evaluations
    traces: TraceReader
    calls: CallReader
    changes: Changes
    overviews: Overviews
    policies: Callable[[], Sequence[PlacedPolicy]]
    """Guard policies as the files have them now. Raises `ConfigError`."""
    limit_rules: Callable[[], Sequence[PlacedLimit]]
    """The limits of moat.yaml and the environment, as they are in force."""
    upkeep: Upkeep
    opinions: Opinions
    keys: KeyStore
    sign_in: SignIn
    workbench: Workbench
    trips: TripStore
    alerts: AlertStore
    audit: AuditStore
    verify: Callable[[], Verification]
    """Look at the whole audit log, with the anchor of moat.yaml when there is one."""
    searches: SearchStore
    approvals: ApprovalStore
    rules: Callable[[], tuple[Rule, ...]]
    """Alert rules as moat.yaml has them now."""
    connections: Connections
    registry: PromptRegistry
    renderer: Renderer
    control: Callable[[], ReleaseControl]
    """Made for one request, so that it sees the files as they are."""
    lineage: Callable[[str, str], Lineage]
    """By name, and version or nothing for all versions. Raises `NotFound`."""
    pushes: Pushes
    synced: Callable[[], SyncReport | None]
    """What the last sync did, whatever set it off; None before the first."""
    reprice: Callable[[str, int, int, bool], Repricing]
    """Actor, since and until (Unix nanoseconds), dry run: see `RepriceOrder`."""
    root: Path
    """Of the project, whose partials and tools a registered prompt may use."""
    max_body: int = MAX_BODY
