"""State in one SQLite file: releases, the registry, eval runs, keys, trips, batches, hosts; no server to start."""

from moat.adapters.sqlite.batches import SqliteBatches
from moat.adapters.sqlite.false_hits import SqliteFalseHits
from moat.adapters.sqlite.hosts import SqliteHosts
from moat.adapters.sqlite.keys import SqliteKeys
from moat.adapters.sqlite.registry import SqliteRegistry
from moat.adapters.sqlite.releases import SqliteReleases
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.trips import SqliteTrips

__all__ = [
    "SqliteBatches",
    "SqliteFalseHits",
    "SqliteHosts",
    "SqliteKeys",
    "SqliteRegistry",
    "SqliteReleases",
    "SqliteRuns",
    "SqliteState",
    "SqliteTrips",
]
