"""The state store, opened for a while, with what is kept in it behind its ports."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moat.bootstrap.project import Project
from moat.ports.accounts import AccountStore
from moat.ports.alerts import AlertStore
from moat.ports.audit import AuditStore
from moat.ports.connections import HostStore
from moat.ports.tool_approvals import ApprovalStore

if TYPE_CHECKING:
    from moat.adapters import sqlite


@dataclass(frozen=True)
class State:
    """The durable stores behind their ports."""

    releases: "sqlite.SqliteReleases"
    runs: "sqlite.SqliteRuns"
    keys: "sqlite.SqliteKeys"
    registry: "sqlite.SqliteRegistry"
    trips: "sqlite.SqliteTrips"
    batches: "sqlite.SqliteBatches"
    false_hits: "sqlite.SqliteFalseHits"
    hosts: HostStore
    alerts: AlertStore
    searches: "sqlite.SqliteSearches"
    audit: AuditStore
    approvals: ApprovalStore
    accounts: AccountStore


@contextmanager
def open_state(project: Project, *, to_read: bool = False) -> Iterator[State]:
    """Open the state store for a while, migrated to this version. `to_read`: as it is, and nothing can be written."""
    from moat.adapters import sqlite  # SQLAlchemy is loaded by who opens the store: it takes a quarter of a second

    opened = sqlite.SqliteState.open_to_read if to_read else sqlite.SqliteState.open
    store = opened(project.state_path)
    try:
        yield State(
            sqlite.SqliteReleases(store),
            sqlite.SqliteRuns(store),
            sqlite.SqliteKeys(store),
            sqlite.SqliteRegistry(store),
            sqlite.SqliteTrips(store),
            sqlite.SqliteBatches(store),
            sqlite.SqliteFalseHits(store),
            sqlite.SqliteHosts(store),
            sqlite.SqliteAlerts(store),
            sqlite.SqliteSearches(store),
            sqlite.SqliteAudit(store),
            sqlite.SqliteToolApprovals(store),
            sqlite.SqliteAccounts(store),
        )
    finally:
        store.close()
