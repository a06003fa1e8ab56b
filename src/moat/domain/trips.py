"""Spending that was cut off: when, whose, why, and who let it go on."""

from typing import Literal

import msgspec

TripScope = Literal["feature", "key", "session"]


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """One time that the breaker opened. Trips are never deleted: together they are its audit."""

    id: str
    scope: TripScope
    value: str
    """The feature's name, after that of its tenant if it has one (`acme/chat`); the key's id; or the session's name."""
    why: str
    at_ns: int
    spent: int
    """Picodollars within the window, when it opened."""
    usual: int
    """Picodollars that this hour of the week usually has in such a window."""
    reset_ns: int = 0
    """0: still open."""
    reset_by: str = ""
    reset_reason: str = ""
