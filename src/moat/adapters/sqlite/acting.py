"""Administrative changes: an entry of the audit log, then the change, in one transaction.

Triggers hold it in the database itself: what is guarded cannot be changed by a transaction that has written no entry,
and entries cannot be changed at all.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import asdict
from sqlalchemy import Connection, delete, func, insert, select, text

from moat.adapters.sqlite import tables
from moat.domain.audit import DAY_NS, FLOOR_DAYS, Act, Entry, chain

WRITTEN = "moat.audit"
"""Where `Connection.info` keeps the last entry that its transaction wrote."""

_ENTRY = tables.audit.c

_GUARDED = {
    "keys": ("INSERT", "UPDATE", "DELETE"),
    "releases": ("INSERT", "UPDATE", "DELETE"),
    "evidence": ("INSERT", "UPDATE", "DELETE"),
    "assignments": ("INSERT", "UPDATE", "DELETE"),
    "approvals": ("INSERT", "UPDATE", "DELETE"),
    "trusted_hosts": ("INSERT", "UPDATE", "DELETE"),
    "searches": ("INSERT", "UPDATE", "DELETE"),
    "alert_silences": ("INSERT", "UPDATE", "DELETE"),
    "accounts": ("INSERT", "UPDATE", "DELETE"),
    "sessions": ("INSERT",),  # they end, and are used, without an entry
    "invitations": ("INSERT",),  # likewise
    "tool_approvals": ("UPDATE", "DELETE"),  # models' calls ask; people decide
    "trips": ("UPDATE", "DELETE"),  # the breaker makes them; only people reset them
}

_FLOOR_NS = FLOOR_DAYS * DAY_NS
_NOW_NS = "CAST(strftime('%s', 'now') AS INTEGER) * 1000000000"
_DOING = "SELECT 1 FROM audit_open JOIN audit USING (sequence) WHERE action"
_LAST = "(SELECT digest FROM audit ORDER BY sequence DESC LIMIT 1)"

_RULES = {
    **{
        f"audit_guards_{table}_{event}": (
            f"BEFORE {event} ON {table} WHEN NOT EXISTS (SELECT 1 FROM audit_open) "
            f"BEGIN SELECT RAISE(ABORT, 'no change of {table} without an entry of the audit log'); END"
        )
        for table, events in _GUARDED.items()
        for event in events
    },
    "tool_approvals_begin": (
        "BEFORE INSERT ON tool_approvals WHEN NEW.state IS NOT 'pending' "
        "BEGIN SELECT RAISE(ABORT, 'an approval begins as a question'); END"
    ),
    "sessions_stay": (
        "BEFORE UPDATE OF hash, account, csrf, created_ns, expires_ns ON sessions "
        "BEGIN SELECT RAISE(ABORT, 'a session never becomes another: an entry begins one'); END"
    ),
    "invitations_stay": (
        "BEFORE UPDATE ON invitations BEGIN SELECT RAISE(ABORT, 'links never change: an entry makes one'); END"
    ),
    "audit_links": (
        f"BEFORE INSERT ON audit WHEN NEW.previous IS NOT coalesce({_LAST}, '') "
        "BEGIN SELECT RAISE(ABORT, 'an entry stands behind the last one'); END"
    ),
    "audit_opens": "AFTER INSERT ON audit BEGIN INSERT INTO audit_open VALUES (NEW.sequence); END",
    "audit_opens_by_entry": (
        "BEFORE INSERT ON audit_open WHEN NEW.sequence IS NOT (SELECT max(sequence) FROM audit) "
        "BEGIN SELECT RAISE(ABORT, 'an entry opens what is guarded, and nothing else'); END"
    ),
    "audit_stays": "BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'entries are never changed'); END",
    "audit_keeps": (
        f"BEFORE DELETE ON audit WHEN OLD.at_ns > {_NOW_NS} - {_FLOOR_NS} OR NOT EXISTS ({_DOING} = 'audit.prune') "
        f"BEGIN SELECT RAISE(ABORT, 'entries stay for {FLOOR_DAYS} days, and until they are pruned'); END"
    ),
    "audit_contents_stay": (
        "BEFORE UPDATE ON audit_contents BEGIN SELECT RAISE(ABORT, 'contents are never changed'); END"
    ),
    "audit_contents_keep": (
        f"BEFORE DELETE ON audit_contents WHEN NOT EXISTS ({_DOING} = 'audit.prune' "
        "OR (action = 'audit.erase' AND subject = CAST(OLD.sequence AS TEXT))) "
        "BEGIN SELECT RAISE(ABORT, 'contents stay until they are erased'); END"
    ),
}
"""Name -> what follows `CREATE TRIGGER name`."""


_TRIGGERS = {name: f"CREATE TRIGGER {name} {rule}" for name, rule in _RULES.items()}
_REMOVALS = [f"DROP TRIGGER IF EXISTS {name}" for name in _RULES]


def append(connection: Connection, act: Act) -> Entry:
    """Write an entry, and so open what is guarded until `shut`."""
    sequence = highest(connection) + 1
    last = connection.scalar(select(_ENTRY.digest).order_by(_ENTRY.sequence.desc()).limit(1))
    entry, content = chain(act, sequence, last or "", time.time_ns())
    connection.execute(insert(tables.audit).values(asdict(entry)))
    connection.execute(insert(tables.audit_contents).values(sequence=sequence, content=content))
    connection.info[WRITTEN] = entry
    return entry


def shut(connection: Connection) -> None:
    """What is guarded is guarded again."""
    connection.execute(delete(tables.audit_open))


@contextmanager
def acting(connection: Connection, *acts: Act) -> Iterator[list[Entry]]:
    """The entries of acts, in a write transaction; in its block they can be done. When the block raises, the whole
    transaction is undone.
    """
    entries = [append(connection, act) for act in acts]
    try:
        yield entries
    except BaseException:
        transaction = connection.get_transaction()
        if transaction is not None:
            transaction.rollback()
        raise
    if entries:
        shut(connection)


def highest(connection: Connection) -> int:
    """The highest number that an entry ever had, whether it is still there or not."""
    # SQLAlchemy has no table for it: SQLite makes it with the first table that counts this way.
    given = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = 'audit'"))
    return max(int(given or 0), connection.scalar(select(func.max(_ENTRY.sequence))) or 0)


def guard(connection: Connection) -> None:
    """Make the triggers."""
    for statement in _TRIGGERS.values():
        connection.exec_driver_sql(statement)


def unguard(connection: Connection) -> None:
    """Remove the triggers there are, so that a schema can be changed."""
    for statement in _REMOVALS:
        connection.exec_driver_sql(statement)


def unguarded(connection: Connection) -> list[str]:
    """Names of triggers that are gone, or are not what they were."""
    rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
    found = {str(name): str(sql) for name, sql in rows}
    return [name for name, statement in _TRIGGERS.items() if found.get(name) != statement]
