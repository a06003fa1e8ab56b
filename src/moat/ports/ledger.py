"""Limits and budgets as the request path needs them: in memory, exact under concurrency.

Where several processes share a limit, each holds a lease on a part of it, and the two coroutines wait when theirs is
used up; else they return at once.
"""

from typing import Protocol

import msgspec

from moat.domain.calls import Call


class Spending(msgspec.Struct, frozen=True):
    """What an attempt takes, at worst or in fact."""

    tokens: int
    """Input and output."""
    money: int | None
    """Picodollars; None when there is no price."""


class Hold(Protocol):
    """Room in every limit that applies to one attempt, taken before it is sent."""

    def settle(self, spent: Spending) -> None:
        """Give back what was not used; nothing stays held. Idempotent: the first call counts."""
        ...


class Admission(Protocol):
    """A call that was let in."""

    call: Call
    """As it may go on: perhaps with another alias, or a shorter answer."""

    def leave(self) -> None:
        """It is over: it no longer counts as concurrent. Idempotent."""
        ...


class Ledger(Protocol):
    """Counts calls, tokens and money against the limits of `moat.yaml`."""

    async def admit(self, call: Call) -> Admission:
        """Count the call. Raises `LimitExceeded` saying which limit, and when there is room again.

        What limits that do not refuse want is done to the call, and noted in its journal.
        """
        ...

    async def hold(self, call: Call, worst: Spending) -> Hold:
        """Take room for an attempt. Raises `LimitExceeded`, or `NoPrice` when a money budget applies to a call whose
        worst case is not known.
        """
        ...
