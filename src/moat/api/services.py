"""What the routes work on."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from moat.api.pushes import Pushes
from moat.domain.alerting import Rule
from moat.domain.audit import Verification
from moat.domain.lineage import Lineage
from moat.gateway.opinions import Opinions
from moat.gateway.serving import Live
from moat.ports.alerts import AlertStore
from moat.ports.audit import AuditStore
from moat.ports.connections import Connections
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

MAX_BODY = 2 * 2**20
MAX_PUSH = 25 * 2**20
"""GitHub sends no larger events: docs.github.com/webhooks."""
"""Bytes of a request body; a rendered prompt is at most half of it."""


@dataclass(frozen=True)
class Services:
    """The rooms of the house that the API opens."""

    live: Live
    releases: ReleaseReader
    runs: Runs
    traces: TraceReader
    upkeep: Upkeep
    opinions: Opinions
    keys: KeyStore
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
