"""Hosts that credentials may go to, in SQLite."""

from collections.abc import Iterable

from msgspec.structs import asdict
from sqlalchemy import select
from sqlalchemy.dialects.sqlite import insert

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import PROGRAM, Act
from moat.domain.connections import TrustedHost

_HOST = tables.trusted_hosts.c


class SqliteHosts:
    """The port `HostStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def trusted_hosts(self) -> list[TrustedHost]:
        """Oldest first."""
        query = select(tables.trusted_hosts).order_by(_HOST.since_ns, _HOST.credential, _HOST.host)
        with self._state.read() as connection:
            return [record(row, TrustedHost) for row in connection.execute(query).mappings()]

    def trust(self, entries: Iterable[TrustedHost]) -> None:
        """In one write transaction; none when there is nothing."""
        new = list(entries)
        if not new:
            return
        with self._state.write() as connection, acting(connection, *map(_act, new)):
            connection.execute(insert(tables.trusted_hosts).on_conflict_do_nothing(), [asdict(entry) for entry in new])


def _act(entry: TrustedHost) -> Act:
    said = {"provider": entry.provider, "credential": entry.credential}
    return Act(entry.actor or PROGRAM, "host.trust", entry.host, detail=said)
