"""What the server lets go of once a day: entries of the audit log, and approvals of tool calls."""

import asyncio
import logging
import time
from collections.abc import Callable

from moat.bootstrap.settings import Settings
from moat.bootstrap.upkeep import FIRST_SECONDS, JUMP_SECONDS, ahead
from moat.domain.audit import DAY_NS, PROGRAM
from moat.domain.errors import MoatError
from moat.ports.audit import AuditWriter
from moat.ports.tool_approvals import ApprovalWriter

log = logging.getLogger("moat.audit")

PRUNE_SECONDS = 86_400.0
APPROVAL_DAYS = 90
"""Approvals are kept for so long after they ended; who decided what stays in the audit log."""


def prune(audit: AuditWriter, approvals: ApprovalWriter, settings: Settings, now_ns: int) -> int:
    """Delete what is too old, unless there is a legal hold; how many entries of the log went. Raises `StorageError`."""
    config = settings.config.audit
    if config.hold:
        return 0
    approvals.forget(now_ns - APPROVAL_DAYS * DAY_NS, actor=PROGRAM)
    reason = f"older than {config.keep_days:g} days"
    return audit.prune(now_ns - round(config.keep_days * DAY_NS), actor=PROGRAM, reason=reason)


async def keep_pruned(audit: AuditWriter, approvals: ApprovalWriter, settings: Callable[[], Settings]) -> None:
    """Prune every day, until cancelled, or until the clock is set forward."""
    began = ahead()
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        if ahead() - began > JUMP_SECONDS:
            log.error("the clock was set forward: the audit log is not pruned until the server is started again")
            return
        try:
            gone = await asyncio.to_thread(prune, audit, approvals, settings(), time.time_ns())
            if gone:
                log.info("%d old entries of the audit log were deleted", gone)
        except MoatError as error:
            log.warning("old entries of the audit log stay: %s", error)
        await asyncio.sleep(PRUNE_SECONDS)
