"""Tool calls that a person has to allow: asking, and letting go on what was allowed."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from moat.domain.calls import Call
from moat.domain.tool_approvals import SHOWN, ToolApproval, ToolCall, call_digest
from moat.guards.engine.notes import Ask, Notes
from moat.guards.pseudonyms import Vault
from moat.ports.handling import Capture, Kept
from moat.ports.tool_approvals import ApprovalWriter


class Wanted(NamedTuple):
    """A call of a tool as the caller would get it."""

    tool: str
    arguments: str


@dataclass(frozen=True)
class Approvals:
    """Where people are asked."""

    store: ApprovalWriter
    secret: bytes = b""
    """Keys the digests that calls are known by: the same in all processes of a project."""
    capture: Capture | None = None
    """What may be kept of arguments; None: all of them."""
    capture_content: bool = True
    """False: nothing of them is kept."""

    async def settle(self, notes: Sequence[Notes], call: Call, wanted: Mapping[str, Wanted], vault: Vault) -> None:
        """Ask people about the calls that the notes say they have to allow, by the path of their arguments. What they
        have allowed goes on, once, when they have allowed all of it.

        Nobody is asked, and nothing used up, when something else stops the answer anyway, or when the question is only
        a copy for a release on trial. Raises `StorageError`, `LimitExceeded`.
        """
        asks = {path: ask for each in notes for path, ask in each.asks.items()}
        if not asks or call.shadow_of or any(each.stops for each in notes):
            return
        answers = await asyncio.to_thread(self._answers, asks, call, wanted, vault)
        for each in notes:
            each.settle(answers)

    def _answers(
        self, asks: Mapping[str, Ask], call: Call, wanted: Mapping[str, Wanted], vault: Vault
    ) -> dict[str, ToolApproval]:
        questions = [self._question(ask, call, wanted[path], vault) for path, ask in asks.items()]
        return dict(zip(asks, self.store.take(questions), strict=True))

    def _question(self, ask: Ask, call: Call, wanted: Wanted, vault: Vault) -> ToolCall:
        caller = call.caller
        return ToolCall(
            digest=call_digest(caller, wanted.tool, wanted.arguments, self.secret),
            tool=vault.hide(wanted.tool),
            arguments=self._shown(call, vault.hide(wanted.arguments)),
            key=caller.key,
            tenant=caller.tenant,
            environment=caller.environment,
            feature=caller.feature,
            user=caller.user,
            session=caller.session,
            request=call.id,
            guard=ask.finding.guard,
            hours=ask.hours,
        )

    def _shown(self, call: Call, arguments: str) -> str:
        """What may be kept of arguments, as of any record of the call."""
        if not self.capture_content:
            return ""
        if self.capture is not None:
            kept = self.capture.call(call, Kept(None, {"arguments": arguments}, []))
            arguments = str((kept.output or {}).get("arguments", ""))
        beyond = len(arguments) - SHOWN
        return arguments if beyond <= 0 else f"{arguments[:SHOWN]}... ({beyond} more characters)"
