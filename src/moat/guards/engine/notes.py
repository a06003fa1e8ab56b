"""What one guard said of a question or an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from moat.domain.calls import Call
from moat.domain.errors import GuardBlocked
from moat.domain.guards import STRENGTH, Action, Finding, Place, Verdict
from moat.domain.tool_approvals import ToolApproval
from moat.guards.detector import Hit
from moat.guards.engine.pieces import Path
from moat.guards.engine.rules import MAX_FINDINGS, Rule
from moat.guards.engine.unapproved import unapproved


class Ask(NamedTuple):
    """Something that a person has to allow."""

    finding: Finding
    hours: float
    """How long the question and its answer hold."""


@dataclass
class Notes:
    """What one rule said of the texts of one question or answer."""

    rule: Rule
    findings: list[Finding] = field(default_factory=list)
    found: int = 0
    failed: str = ""
    asks: dict[str, Ask] = field(default_factory=dict)
    """By path: found too, unless people have allowed it."""
    answers: Mapping[str, ToolApproval] = field(default_factory=dict)
    """By path: what people say of what they were asked."""
    refused: bool = False
    """Did the call end because of it, also where something else was to be done?"""

    def take(self, hit: Hit, place: Place, path: Path) -> None:
        """Note a hit that counts."""
        if hit.approvable:
            finding = self.rule.finding(hit, place, path)
            self.asks[finding.path] = Ask(finding, hit.approvable)
            return
        self.found += 1
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(self.rule.finding(hit, place, path))

    def settle(self, answers: Mapping[str, ToolApproval]) -> None:
        """Take what people say, by path. When they have allowed all of it, nothing of it is found any more."""
        self.answers = {path: answers[path] for path in self.asks}
        if all(answer.state == "used" for answer in answers.values()):
            self.asks = {}

    @property
    def stops(self) -> bool:
        """Does this answer not go on, whatever people allow?"""
        return bool(self.found or self.failed) and self.action in ("block", "retry", "fallback")

    @property
    def noted(self) -> tuple[Finding, ...]:
        """All findings, those included that people may allow."""
        return (*self.findings, *(ask.finding for ask in list(self.asks.values())))

    @property
    def action(self) -> Action | Literal[""]:
        """What is to be done; empty: nothing."""
        if self.refused:
            return "block"
        if self.failed:
            return "block" if self.rule.config.on_error == "block" else ""
        return self.rule.config.action if self.found or self.asks else ""

    def verdict(self) -> Verdict:
        """For the journal."""
        return Verdict(guard=self.rule.name, action=self.action, findings=self.noted, not_run=self.failed)

    def blocked(self, sent: int = 0) -> GuardBlocked:
        """Nothing goes on: why. `sent`: characters of the answer that the client has by then."""
        self.refused = True
        if self.failed:
            what = f"the guard {self.rule.name!r} could not look at it: {self.failed}"
            error = GuardBlocked(what, where=self.rule.name, remedy="Send it again, or ask who runs this gateway.")
        elif self.asks and not self.found:
            error = unapproved(self.noted, self.answers.values())
        else:
            kinds = ", ".join(dict.fromkeys(finding.kind for finding in self.findings))
            places = ", ".join(dict.fromkeys(finding.place.replace("_", " ") for finding in self.findings))
            error = GuardBlocked(f"the guard {self.rule.name!r} found {kinds} in the {places}", where=self.rule.name)
        if sent:
            error.what += f"; {sent} characters of the answer had been sent before"
        return error


def strongest(notes: Sequence[Notes]) -> Notes | None:
    """The first of those that ask for most, people aside; None when none asks for anything."""
    found = max(notes, key=lambda each: (STRENGTH[each.action], each.stops), default=None)
    return found if found is not None and found.action else None


def unseen(text: str) -> str:
    """In place of a text that guards have not looked at, in all that is kept."""
    return "[not kept: guards have not seen it]" if text else ""


def blind(notes: Sequence[Notes]) -> bool:
    """Does the call end because data could not be looked for?"""
    return any(each.failed and each.action == "block" and each.rule.detector.holds for each in notes)


def report(call: Call, notes: Sequence[Notes]) -> None:
    """Write into the call's journal what there is to say."""
    call.journal.verdicts += [each.verdict() for each in notes if each.found or each.asks or each.failed]
