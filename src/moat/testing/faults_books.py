"""What a fault-injecting server received, did and billed."""

from collections import Counter, deque
from typing import Any

import msgspec

from moat.testing.faults import Script
from moat.testing.faults_choice import Choice
from moat.testing.faults_kinds import reply_to
from moat.testing.faults_reply import Reply
from moat.testing.faults_wire import Asked, Wire

REMEMBERED = 10_000
"""Requests whose bills are kept one by one."""


class Bill(msgspec.Struct, kw_only=True):
    """What one request was billed; grows while its answer goes out."""

    number: int
    path: str
    model: str
    fault: str
    """Empty: it was answered rightly."""
    input: int = 0
    output: int = 0
    complete: bool = False
    """Did the whole reply go out as it was meant to?"""


class Totals(msgspec.Struct, kw_only=True):
    """Sums over all requests."""

    requests: int = 0
    input: int = 0
    output: int = 0


class Books:
    """Chooses replies, and counts. May be read from any thread at any time."""

    def __init__(self, script: Script) -> None:
        """Raises `InputError` for a script with a fault that there is not."""
        self._script = script
        self._choice = Choice(script)
        self.accepted = 0
        """Connections so far."""
        self.open = 0
        """Connections now."""
        self.billed = Totals()
        self.bills: deque[Bill] = deque(maxlen=REMEMBERED)
        """The latest requests, in the order of arrival."""
        self.faults: Counter[str] = Counter()
        """How often each fault struck; under the empty word, how often none did."""

    def reply(self, asked: Asked, wire: Wire, headers: dict[str, str]) -> tuple[Reply, Bill]:
        """What a request gets, and its bill. Raises `InputError` when it names a fault that there is not."""
        chosen = self._choice.choose(asked, headers)
        kind = str(chosen.kind) if chosen else ""
        self.faults[kind] += 1
        bill = Bill(number=asked.number, path=asked.path, model=asked.model, fault=kind)
        self.bills.append(bill)
        return reply_to(asked, wire, chosen, words=self._script.words, pace=self._script.pace), bill

    def charge(self, bill: Bill, *, input: int = 0, output: int = 0) -> None:
        """Count what was produced."""
        bill.input += input
        bill.output += output
        self.billed.input += input
        self.billed.output += output

    def counts(self) -> dict[str, Any]:
        """All sums, as plain data."""
        return {
            "simulated": True,
            "connections": {"accepted": self.accepted, "open": self.open},
            "requests": self.billed.requests,
            "billed": {"input": self.billed.input, "output": self.billed.output},
            "faults": {kind or "none": count for kind, count in sorted(self.faults.items())},
        }
