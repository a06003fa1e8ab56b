"""What the routes work on."""

from dataclasses import dataclass

from moat.gateway.serving import Live
from moat.ports.releases import ReleaseReader
from moat.ports.runs import Runs
from moat.ports.traces import TraceReader


@dataclass(frozen=True)
class Services:
    """The rooms of the house that the API opens."""

    live: Live
    releases: ReleaseReader
    runs: Runs
    traces: TraceReader
