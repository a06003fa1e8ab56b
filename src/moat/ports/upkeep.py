"""Care of the trace store: what is old goes, holes are closed, copies are made."""

from pathlib import Path
from typing import Protocol

from moat.ports.traces import Kept


class Upkeep(Protocol):
    """What a person may ask for, or a server does by itself. Every method raises `StorageError`."""

    def expire(self, *, dry_run: bool = False) -> int:
        """Let go of what moat.yaml's `telemetry` keeps no longer; how many spans go or lose their content."""
        ...

    def compact(self) -> Kept:
        """Give the disk back what expired spans took; what is kept then. Raises `Unavailable` while it is read."""
        ...

    def backup(self) -> Path:
        """A whole copy of the trace store as of now, in a file of its own in the project's folder, for its caller."""
        ...
