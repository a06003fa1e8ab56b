"""Spending that was cut off."""

from typing import Protocol

from moat.domain.trips import Trip


class TripReader(Protocol):
    """Questions about trips."""

    def open_trips(self) -> list[Trip]:
        """Those that nobody has reset, oldest first."""
        ...

    def trips(self, limit: int = 50) -> list[Trip]:
        """All, newest first."""
        ...


class TripWriter(Protocol):
    """Changes."""

    def add(self, trip: Trip) -> None:
        """Store a trip; one whose id is known changes nothing."""
        ...

    def reset(self, scope: str, value: str, *, actor: str, reason: str, now_ns: int) -> list[Trip]:
        """Let spending go on; the trips as they are now. Raises `NotFound` when none is open."""
        ...


class TripStore(TripReader, TripWriter, Protocol):
    """Both."""
