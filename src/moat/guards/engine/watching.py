"""The guards of one call: what they make of the question, and what they remember of it for the answer."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from moat.domain.calls import Call
from moat.domain.errors import RequestError
from moat.domain.guards import ANSWERED, ASKED
from moat.guards.edits import Edit, Edited, apart
from moat.guards.engine.again import instead
from moat.guards.engine.answering import Answering
from moat.guards.engine.approving import Approvals
from moat.guards.engine.bodies import TEXTUAL
from moat.guards.engine.body_hearing import BodyHearing
from moat.guards.engine.contexts import answer_context, question_contexts
from moat.guards.engine.far import Seen, is_far, look_far
from moat.guards.engine.hearing import ChatHearing
from moat.guards.engine.looking import look, look_anew
from moat.guards.engine.memory import Memory
from moat.guards.engine.notes import Notes, blind, report, strongest, unseen
from moat.guards.engine.pieces import Counting, Path, Piece
from moat.guards.engine.places import asked_beside, check_legible, several, with_texts
from moat.guards.engine.provided import check_provided
from moat.guards.engine.rules import Rule
from moat.guards.exchanging import Exchange
from moat.guards.pseudonyms import Vault
from moat.guards.remote import Run
from moat.guards.text import Text
from moat.pipeline.aside import aside
from moat.ports.guards import Asked, Hearing

LONGEST = 4_000_000
"""Characters of a question: about a million tokens."""


@dataclass(frozen=True, eq=False)
class Ward:
    """The guards of all calls of one scope."""

    asked: tuple[Rule, ...]
    answered: tuple[Rule, ...]
    documents: tuple[str, ...]
    """Variables of prompts that hold retrieved documents."""
    policies: str = ""
    """`name@digest` of those that the rules are of, with commas."""

    @property
    def withholds(self) -> bool:
        """May nothing of a question be kept before it was looked at?"""
        return any(rule.withholds for rule in self.asked)

    @classmethod
    def of(cls, rules: Sequence[Rule], documents: Sequence[str], policies: Sequence[str] = ()) -> "Ward":
        """Sort the rules by when they look."""
        return cls(
            tuple(rule for rule in rules if not rule.places.isdisjoint(ASKED)),
            tuple(rule for rule in rules if not rule.places.isdisjoint(ANSWERED)),
            tuple(documents),
            ",".join(policies),
        )


class CallWatch:
    """Implements `moat.ports.guards.Watch`."""

    def __init__(
        self,
        ward: Ward,
        call: Call,
        secret: bytes,
        run: Run | None = None,
        approvals: Approvals | None = None,
        memory: Memory | None = None,
    ) -> None:
        """`secret`: keys the digests that `style: hash` writes. `run`: what guards ask models by. `approvals`: where
        they ask people. `memory`: of texts that need not be looked at again. Raises `RequestError` for a call that
        cannot be guarded.
        """
        self._ward = ward
        self._vault = Vault(secret)
        call.journal.hide = unseen if ward.withholds else self._vault.hide
        if any(rule.acts or rule.config.on_error == "block" for rule in ward.answered):
            check_single(call)
        check_provided(call, ward.answered)
        self._run = run
        self._approvals = approvals
        self._memory = memory or Memory(0)
        self._tried: dict[str, int] = defaultdict(int)

    async def ask(self, call: Call) -> Asked:
        """See `moat.ports.guards.Watch`."""
        if not self._ward.asked:
            return Asked(call)
        if any(rule.acts for rule in self._ward.asked):
            check_legible(call)
        pieces = await asked_beside(call, self._ward.documents)
        looking = _Looking(pieces, self._ward.asked, self._vault, self._memory)
        if looking.size > LONGEST:
            call.journal.hide = unseen
            raise _too_long(looking.size)
        try:
            return await self._ask(call, looking)
        finally:
            report(call, looking.notes)

    async def _ask(self, call: Call, looking: "_Looking") -> Asked:
        far = [notes for notes in looking.notes if is_far(notes)]
        edited = await aside(looking.size, lambda: looking.look(call))
        self._keep(call, looking, blind(looking.notes) or any(notes.rule.withholds for notes in far))
        worst = _accepted(looking.notes)
        if self._vault.reversible:
            check_single(edited)
        if far:
            edited = await self._ask_far(edited, far)
            self._keep(call, looking, blind(far))
            worst = _accepted(looking.notes)
        fallback = worst.rule.config.fallback if worst is not None and worst.action == "fallback" else None
        if worst is None or fallback is None:
            return Asked(edited)
        answered = instead(edited, fallback, worst, "the question")
        return Asked(answered.again or edited, answered.events)

    def _keep(self, call: Call, looking: "_Looking", unlooked: bool) -> None:
        """Settle what may be kept of a question. `unlooked`: has anything that withholds data not looked at it?"""
        call.journal.hide = unseen if unlooked or looking.split else self._vault.hide

    async def _ask_far(self, call: Call, notes: Sequence[Notes]) -> Call:
        """Let those look that ask somebody: at what is left when all others have redacted."""
        pieces = [piece for piece in await asked_beside(call, self._ward.documents) if not piece.again]
        context = question_contexts(call, pieces)
        seen = [Seen(piece.path, piece.text, context(piece)) for piece in pieces]
        found = await look_far(notes, seen, call, self._run, self._vault)
        texts: dict[Path, str] = {}
        for piece in pieces:
            edits = defaultdict[Path, list[Edit]](list)
            for path, edit in piece.spread(apart(found.get(piece.path, ()))):
                edits[path].append(edit)
            for path, text in piece.originals():
                if edits[path] and path[0] != "variables":
                    texts[path] = Edited(text, edits[path]).text
        return with_texts(call, texts) if texts else call

    def listen(self, call: Call) -> Hearing | None:
        """See `moat.ports.guards.Watch`."""
        if not self._ward.answered and not self._vault.reversible:
            return None
        self._vault.keep_back()
        rules = [rule for rule in self._ward.answered if rule.judges(call.operation)]
        answering = Answering(call, rules, self._vault, self._tried, self._retrieved(call), self._run, self._approvals)
        if call.operation == "chat":
            return ChatHearing(answering)
        return BodyHearing(answering) if call.operation in TEXTUAL else None

    def told(self, call: Call, message: str) -> str:
        """See `moat.ports.guards.Watch`. Guards that ask somebody are not asked about it."""
        if not message:
            return message
        rules = [rule for rule in self._ward.answered if rule.withholds and "output" in rule.places]
        notes = [each for each in map(Notes, rules) if not is_far(each)]
        context = answer_context(call, "output", self._retrieved(call))
        edits = look(notes, Text(message), ("error",), context, self._vault)
        if any(each.failed for each in notes):
            return unseen(message)
        return self._vault.hide(Edited(message, apart(edits)).text)

    def _retrieved(self, call: Call) -> tuple[str, ...]:
        variables = call.prompt.variables if call.prompt is not None else {}
        return tuple(str(variables[name]) for name in self._ward.documents if name in variables)


def _accepted(notes: Sequence[Notes]) -> Notes | None:
    """What is to be done. Raises `GuardBlocked` where that is to refuse it."""
    worst = strongest(notes)
    if worst is not None and worst.action == "block":
        raise worst.blocked()
    return worst


def _too_long(size: int) -> RequestError:
    what = f"{size:,} characters are more than guards look at ({LONGEST:,})"
    return RequestError(what, where="messages", remedy="Send less at a time.")


def check_single(call: Call) -> None:
    """Raise `RequestError` for a call that wants several answers: an answer that may be changed comes alone."""
    if call.operation == "chat" and several(call):
        raise RequestError("answers under guard are given one at a time", where="n", remedy="Send several requests.")


class _Looking:
    """One look at a question."""

    def __init__(self, pieces: Sequence[Piece], rules: Sequence[Rule], vault: Vault, memory: Memory) -> None:
        self.notes = [Notes(rule) for rule in rules]
        self.size = sum(len(piece.text) for piece in pieces if not piece.again)
        self.split = False
        """Is data found whose parts stand in several texts? What is kept hides whole values only."""
        self._pieces = pieces
        self._vault = vault
        self._memory = memory
        self._edits: dict[Path, list[Edit]] = {}
        self._quoted: dict[str, str] = {}
        """Text of documents, which messages quote, and what stands for it."""

    def look(self, call: Call) -> Call:
        """Let every rule see every piece that is its business. The call with everything redacted that has to be."""
        for piece in self._pieces:
            self._vault.reserve(piece.text)
        context, counting = question_contexts(call, self._pieces), Counting()
        for piece in self._pieces:
            path, original = piece.path, piece.text
            known = self._data()
            edits = look_anew(self.notes, piece, context(piece), self._vault, self._memory, counting)
            self.split = self.split or (piece.again and self._data() > known)
            if path[0] == "variables":
                self._quoted |= {original[edit.start : edit.end]: edit.text for edit in edits}
                continue
            for at, edit in piece.spread(apart(edits)):
                self._edits.setdefault(at, []).append(edit)
        return self._edited(call)

    def _data(self) -> int:
        return sum(notes.found for notes in self.notes if notes.rule.withholds)

    def _edited(self, call: Call) -> Call:
        if not self._edits and not self._quoted:
            return call
        texts: dict[Path, str] = {}
        # What is data in one place is the same data in another, where nothing around it says so. Another model, which
        # answers because of the data, gets it.
        kept = any(notes.action == "fallback" and notes.rule.detector.holds for notes in self.notes)
        quoted = Exchange(self._quoted)
        originals = (each for piece in self._pieces for each in piece.originals())
        for path, original in originals:
            text = Edited(original, apart(self._edits[path])).text if path in self._edits else original
            text = text if kept else self._vault.hide(text)
            text = quoted(text)
            if text != original and path[0] != "variables":
                texts[path] = text
        return with_texts(call, texts) if texts else call
