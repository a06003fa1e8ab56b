"""Calls of tools that wait for a person's yes."""

from collections.abc import Sequence
from typing import Protocol

from moat.domain.tool_approvals import ApprovalState, ToolApproval, ToolCall


class ApprovalReader(Protocol):
    """Questions about approvals."""

    def approvals(self, state: ApprovalState | None = None, limit: int = 50) -> list[ToolApproval]:
        """Newest first, as they are now."""
        ...

    def approval(self, id: str) -> ToolApproval:
        """Raises `NotFound`."""
        ...


class ApprovalWriter(Protocol):
    """Changes."""

    def take(self, calls: Sequence[ToolCall]) -> list[ToolApproval]:
        """What people say of calls that are about to be made together, in their order.

        When all are approved they are `used` from now on, all at once: of two that come for one approval only one gets
        it. Else none is; people are asked about those that they were not asked about yet. Raises `StorageError`, and
        `LimitExceeded` when too many questions of a key are open.
        """
        ...

    def decide(self, id: str, *, approve: bool, actor: str, reason: str) -> ToolApproval:
        """Say yes or no. Raises `NotFound`, `ConflictError` when it is not pending any more."""
        ...

    def forget(self, before_ns: int, *, actor: str) -> int:
        """Delete those that ended before; how many."""
        ...


class ApprovalStore(ApprovalReader, ApprovalWriter, Protocol):
    """Both."""
