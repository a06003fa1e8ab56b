"""State in one SQLite file, no server to start: releases, the registry, runs, keys, trips, batches, hosts, searches,
approvals of tool calls, accounts.
"""

from moat.adapters.sqlite.accounts import SqliteAccounts
from moat.adapters.sqlite.alerts import SqliteAlerts
from moat.adapters.sqlite.audit import SqliteAudit
from moat.adapters.sqlite.batches import SqliteBatches
from moat.adapters.sqlite.false_hits import SqliteFalseHits
from moat.adapters.sqlite.hosts import SqliteHosts
from moat.adapters.sqlite.keys import SqliteKeys
from moat.adapters.sqlite.registry import SqliteRegistry
from moat.adapters.sqlite.releases import SqliteReleases
from moat.adapters.sqlite.runs import SqliteRuns
from moat.adapters.sqlite.searches import SqliteSearches
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tool_approvals import SqliteToolApprovals
from moat.adapters.sqlite.trips import SqliteTrips

__all__ = [
    "SqliteAccounts",
    "SqliteAlerts",
    "SqliteAudit",
    "SqliteBatches",
    "SqliteFalseHits",
    "SqliteHosts",
    "SqliteKeys",
    "SqliteRegistry",
    "SqliteReleases",
    "SqliteRuns",
    "SqliteSearches",
    "SqliteState",
    "SqliteToolApprovals",
    "SqliteTrips",
]
