"""Approvals of tool calls in SQLite."""

import time
from collections.abc import Sequence

from msgspec.structs import asdict, replace
from sqlalchemy import Connection, delete, func, insert, select, update

from moat.adapters.sqlite import tables
from moat.adapters.sqlite.acting import acting
from moat.adapters.sqlite.state import SqliteState
from moat.adapters.sqlite.tables import record
from moat.domain.audit import PROGRAM, Act, Action
from moat.domain.calls import new_id
from moat.domain.errors import ConflictError, LimitExceeded, NotFound
from moat.domain.tool_approvals import HOUR_NS, ApprovalState, ToolApproval, ToolCall

MAX_OPEN = 1000
"""Of one key: who asks in a circle fills no disk."""

_TABLE = tables.tool_approvals
_APPROVAL = _TABLE.c


class SqliteToolApprovals:
    """The port `ApprovalStore`."""

    def __init__(self, state: SqliteState) -> None:
        self._state = state

    def approvals(self, state: ApprovalState | None = None, limit: int = 50) -> list[ToolApproval]:
        """Newest first."""
        now = time.time_ns()
        query = select(_TABLE).order_by(_APPROVAL.asked_ns.desc(), _APPROVAL.id.desc()).limit(limit)
        if state == "expired":
            query = query.where(_APPROVAL.state != "used", _APPROVAL.expires_ns <= now)
        elif state is not None:
            query = query.where(_APPROVAL.state == state)
            query = query if state == "used" else query.where(_APPROVAL.expires_ns > now)
        with self._state.read() as connection:
            return [record(row, ToolApproval).at(now) for row in connection.execute(query).mappings()]

    def approval(self, id: str) -> ToolApproval:
        """Raises `NotFound`."""
        with self._state.read() as connection:
            return _approval(connection, id)

    def take(self, calls: Sequence[ToolCall]) -> list[ToolApproval]:
        """Looked up, used and asked for in one transaction."""
        now = time.time_ns()
        with self._state.write() as connection:
            open_ = {call.digest: _open(connection, call.digest, now) for call in calls}
            # The same call twice in one answer needs two.
            found = [
                open_[call.digest].pop(0) if open_[call.digest] else _asked(connection, call, now) for call in calls
            ]
            if any(each.state != "approved" for each in found):
                return found
            used = [
                replace(each, state="used", used_ns=now, used_request=call.request)
                for each, call in zip(found, calls, strict=True)
            ]
            with acting(connection, *map(_use, used)):
                for each in used:
                    _put(connection, each)
            return used

    def decide(self, id: str, *, approve: bool, actor: str, reason: str) -> ToolApproval:
        """The decision and its entry together."""
        now = time.time_ns()
        with self._state.write() as connection:
            before = _approval(connection, id)
            if before.state != "pending":
                raise ConflictError(f"it is {before.state} already", where=id)
            after = replace(
                before,
                state="approved" if approve else "denied",
                decided_ns=now,
                decided_by=actor,
                reason=reason,
                expires_ns=now + round(before.hours * HOUR_NS),
            )
            action: Action = "approval.grant" if approve else "approval.deny"
            with acting(connection, Act(actor, action, id, reason, _named(before))):
                _put(connection, after)
        return after

    def forget(self, before_ns: int, *, actor: str) -> int:
        """With one entry, when there are any."""
        old = (_APPROVAL.expires_ns < before_ns) & (_APPROVAL.used_ns < before_ns)
        with self._state.write() as connection:
            count = connection.scalar(select(func.count()).select_from(_TABLE).where(old)) or 0
            if count:
                with acting(connection, Act(actor, "approval.forget", str(count), detail={"before_ns": before_ns})):
                    connection.execute(delete(_TABLE).where(old))
        return count


def _approval(connection: Connection, id: str) -> ToolApproval:
    row = connection.execute(select(_TABLE).where(_APPROVAL.id == id)).mappings().first()
    if row is None:
        raise NotFound(f"there is no approval {id!r}", remedy="`moat approvals list` shows them.")
    return record(row, ToolApproval).at(time.time_ns())


def _open(connection: Connection, digest: str, now: int) -> list[ToolApproval]:
    """Of one call, oldest first; those that say yes come before."""
    query = select(_TABLE).where(_APPROVAL.digest == digest, _APPROVAL.state != "used", _APPROVAL.expires_ns > now)
    rows = connection.execute(query.order_by(_APPROVAL.asked_ns, _APPROVAL.id)).mappings()
    return sorted((record(row, ToolApproval) for row in rows), key=lambda each: each.state != "approved")


def _asked(connection: Connection, call: ToolCall, now: int) -> ToolApproval:
    waiting = (_APPROVAL.key == call.key) & (_APPROVAL.state == "pending") & (_APPROVAL.expires_ns > now)
    if (connection.scalar(select(func.count()).select_from(_TABLE).where(waiting)) or 0) >= MAX_OPEN:
        raise LimitExceeded(
            f"{MAX_OPEN} tool calls of this key wait for a person", remedy="`moat approvals list` shows them."
        )
    made = ToolApproval(**asdict(call), id=new_id("apr"), asked_ns=now, expires_ns=now + round(call.hours * HOUR_NS))
    connection.execute(insert(_TABLE).values(asdict(made)))
    return made


def _put(connection: Connection, approval: ToolApproval) -> None:
    connection.execute(update(_TABLE).where(_APPROVAL.id == approval.id).values(asdict(approval)))


def _use(approval: ToolApproval) -> Act:
    return Act(
        approval.key or PROGRAM,
        "approval.use",
        approval.id,
        detail={**_named(approval), "request": approval.used_request},
    )


def _named(approval: ToolApproval) -> dict[str, str]:
    """What it is about, without the arguments: these are data, the log is kept for long."""
    fields = ("tool", "key", "tenant", "environment", "user", "digest")
    return {name: value for name in fields if (value := getattr(approval, name))}
