"""Limits and budgets as the request path needs them: in memory, exact under concurrency.

Where several processes share a limit, each holds a lease on a part of it, and the two coroutines wait when theirs is
used up; else they return at once.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from moat.domain.calls import Call


class Worst(msgspec.Struct, frozen=True):
    """The most that an attempt may take."""

    input: int
    """Tokens, estimated."""
    most_input: int
    """Tokens, as many as there can be in so many bytes."""
    output: int
    """Tokens."""
    cost: Callable[[int], int | None]
    """Picodollars with so many output tokens; None when there is no price."""
    fixed: bool = False
    """The answer cannot be asked to be shorter."""


class Spending(msgspec.Struct, frozen=True):
    """What an attempt took."""

    tokens: int
    """Input and output."""
    money: int | None
    """Picodollars; None when there is no price."""


class Hold(Protocol):
    """Room in every limit that applies to one attempt, taken before it is sent."""

    @property
    def output(self) -> int:
        """Tokens that the answer may have: fewer than asked for when a limit caps it."""
        ...

    @property
    def bounds(self) -> bool:
        """Does a limit that must hold count on that? Then the model has to be told."""
        ...

    def settle(self, spent: Spending) -> None:
        """Give back what was not used; nothing stays held. Idempotent: the first call counts."""
        ...


class Admission(Protocol):
    """A call that was let in."""

    @property
    def call(self) -> Call:
        """As it may go on: perhaps with another alias."""
        ...

    def leave(self) -> None:
        """It is over: it no longer counts as concurrent. Idempotent."""
        ...


class Ledger(Protocol):
    """Counts calls, tokens and money against the limits of `moat.yaml`."""

    def watches(self, call: Call) -> bool:
        """Is anything of such a call limited or watched at present? Else it need not be asked."""
        ...

    async def admit(self, call: Call) -> Admission:
        """Count the call. Raises `LimitExceeded` saying which limit, and when there is room again.

        What limits that do not refuse want is done to the call, and noted in its journal.
        """
        ...

    async def reserve(self, call: Call, worst: Worst, *, owed: bool = False) -> Hold:
        """Take room for a call that is made later, in budgets of a day or a month; rates are met when it is made.

        What counts each call by itself is checked, and caps leave its answer as long as there is room for. `owed`: it
        was let in before, and is held whatever there is room for. Raises as `hold`.
        """
        ...

    async def hold(self, call: Call, worst: Worst) -> Hold:
        """Take room for an attempt. Raises `LimitExceeded`, or `NoPrice` when a money budget applies to a model whose
        price is not known.
        """
        ...
