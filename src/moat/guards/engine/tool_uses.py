"""What guards note of every tool that a model wants called."""

import hashlib

from moat.domain.calls import ToolCallDelta
from moat.domain.guards import STRENGTH, ToolUse
from moat.guards.engine.answering import Answering


class ToolUses:
    """Those of one answer, in the call's journal from their first piece on."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._uses: dict[str, ToolUse] = {}
        """By the path of their arguments."""
        self._digests: dict[str, hashlib._Hash] = {}

    def add(self, path: str, piece: ToolCallDelta) -> None:
        """Take in a piece. Where no rule looks at answers nothing is noted: the record says what passes."""
        if not self._answering.notes:
            return
        if path not in self._uses:
            self._uses[path], self._digests[path] = ToolUse(name=piece.name), hashlib.sha256()
            self._answering.call.journal.tools.append(self._uses[path])
        use = self._uses[path]
        use.name = use.name or piece.name
        self._digests[path].update(piece.arguments.encode("utf-8", "surrogatepass"))

    def end(self) -> None:
        """No more comes of them, and every rule has looked at them."""
        stopped = any(notes.action in ("block", "retry", "fallback") for notes in self._answering.notes)
        for path, use in self._uses.items():
            use.digest = self._digests[path].hexdigest()[:16]
            actions = [
                notes.action
                for notes in self._answering.notes
                if notes.failed or any(finding.path == path for finding in notes.noted)
            ]
            use.verdict = max(actions, key=lambda action: STRENGTH[action], default="") or (
                "withheld" if stopped else "pass"
            )
            approvals = (notes.answers[path].id for notes in self._answering.notes if path in notes.answers)
            use.approval = next(approvals, "")
