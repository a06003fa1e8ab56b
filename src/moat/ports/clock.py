"""Time."""

from typing import Protocol


class Clock(Protocol):
    """Wall time for records, monotonic time for durations: never one for the other."""

    def now_ns(self) -> int:
        """Unix time in nanoseconds."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds from an arbitrary start; never goes back."""
        ...
