"""What is known of one answer under guard, and what comes of it at its end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from msgspec.structs import replace

from moat.domain.calls import Call
from moat.domain.guards import Place
from moat.guards.detector import WHOLE, Context
from moat.guards.edits import Edit
from moat.guards.engine.again import asked_again, instead
from moat.guards.engine.approving import Approvals, Wanted
from moat.guards.engine.contexts import answer_context, tool_version
from moat.guards.engine.far import Seen, is_far, look_far
from moat.guards.engine.notes import Notes, blind, report, strongest, unseen
from moat.guards.engine.pieces import Path
from moat.guards.engine.places import several
from moat.guards.engine.rules import Rule
from moat.guards.pseudonyms import Vault
from moat.guards.remote import Run
from moat.pipeline.aside import aside
from moat.ports.guards import Ending

_T = TypeVar("_T")


class Answering:
    """The notes of all rules on one answer."""

    def __init__(
        self,
        call: Call,
        rules: Sequence[Rule],
        vault: Vault,
        tried: dict[str, int],
        documents: tuple[str, ...],
        run: Run | None = None,
        approvals: Approvals | None = None,
    ) -> None:
        """`tried`: how often each guard had the model asked again, and fell back, in the whole call. `documents`: what
        was retrieved for it. `run`: what guards ask models by. `approvals`: where people are asked; None: they cannot
        be.
        """
        self.call = call
        self.vault = vault
        self.notes = [Notes(rule) for rule in rules]
        if call.operation == "chat" and several(call):
            for notes in self.notes:
                notes.failed = "it would see one answer of several"
        self.by_block = [notes for notes in self.notes if notes.rule.detector.window != WHOLE]
        self.by_whole = [notes for notes in self.notes if notes.rule.detector.window == WHOLE]
        self.far = [notes for notes in self.notes if is_far(notes)]
        self._run = run
        self._approvals = approvals
        self.reveals = vault.reversible
        """May the answer name what was redacted of the question?"""
        self.sent = 0
        """Characters that have gone on."""
        self._reported = False
        self._tried = tried
        self._documents = documents
        self._contexts: dict[Place, Context] = {}

    @property
    def acts(self) -> bool:
        """Can anything change in the answer?"""
        return self.reveals or any(notes.rule.acts for notes in self.notes)

    def context(
        self, place: Place, *, tool: str = "", calls: tuple[tuple[str, str], ...] = (), finish_reason: str = ""
    ) -> Context:
        """For a text of the answer."""
        if place not in self._contexts:
            self._contexts[place] = answer_context(self.call, place, self._documents)
        context = self._contexts[place]
        if tool:
            version = tool_version(self.call, tool)
            return replace(context, tool=tool, tool_version=version, calls=calls, finish_reason=finish_reason)
        return replace(context, finish_reason=finish_reason) if finish_reason else context

    async def ask_far(self, seen: Sequence[Seen]) -> dict[Path, list[Edit]]:
        """Let those look that ask somebody, now that the answer is complete; what they want changed."""
        return await look_far(self.far, seen, self.call, self._run, self.vault)

    async def ask_people(self, wanted: Mapping[str, Wanted]) -> None:
        """Let go on what people have allowed of the tool calls, by the path of their arguments, now that every rule has
        looked at them. Raises `StorageError`, `LimitExceeded`.
        """
        if self._approvals is not None:
            await self._approvals.settle(self.notes, self.call, wanted, self.vault)

    def check(self, notes: Notes) -> None:
        """Raise `GuardBlocked` as soon as a rule blocks."""
        if notes.action == "block":
            raise notes.blocked(self.sent)

    async def beside(self, characters: int, work: Callable[[], _T]) -> _T:
        """Judge so many characters, beside the event loop when that takes long. When the call ends meanwhile, nothing
        is kept of it: what the work still finds, no record would know.
        """
        try:
            return await aside(characters, work)
        except asyncio.CancelledError:
            self.call.journal.hide = unseen
            raise

    def ending(self, text: str) -> Ending | None:
        """What comes in place of the answer, now that it is complete; None: nothing, it may go on. `text`: what it
        said. Raises `GuardBlocked`.
        """
        worst = strongest(self.notes)
        if worst is None or worst.action not in ("block", "retry", "fallback"):
            return None
        config = worst.rule.config
        if worst.action == "retry" and self._tried[worst.rule.name] < config.retries:
            self._tried[worst.rule.name] += 1
            return Ending((), asked_again(self.call, worst, text))
        fell_back = f"{worst.rule.name}\0fallback"
        if worst.action == "block" or config.fallback is None or self._tried[fell_back]:
            raise worst.blocked(self.sent)
        self._tried[fell_back] += 1
        return instead(self.call, config.fallback, worst)

    def report(self) -> None:
        """Write into the journal what was found, once."""
        if not self._reported:
            self._reported = True
            if blind(self.notes):
                self.call.journal.hide = unseen
            report(self.call, self.notes)
