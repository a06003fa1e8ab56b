"""The audit log."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from moat.domain.audit import Act, Anchor, AuditQuery, Entry, Found, Verification


class AuditReader(Protocol):
    """Questions."""

    def entries(self, query: AuditQuery, limit: int = 50) -> list[Found]:
        """Newest first."""
        ...

    def all(self, query: AuditQuery) -> Iterator[Found]:
        """Oldest first, in constant memory, as of when it began."""
        ...

    def entry(self, sequence: int) -> Found:
        """Raises `NotFound`."""
        ...

    def end(self) -> Anchor:
        """Where the log ends now."""
        ...

    def verify(self, anchors: Iterable[tuple[Anchor, str]] = ()) -> Verification:
        """Look at everything, in constant memory. `anchors`: kept elsewhere, with the names of where; the one that is
        kept beside the log is compared too.
        """
        ...


class AuditWriter(Protocol):
    """Additions; changes of the state store write their entries themselves."""

    def record(self, act: Act) -> Entry:
        """Write an entry for something that is done elsewhere: before it is done. Raises `StorageError`: then it must
        not be done.
        """
        ...

    def record_new(self, act: Act) -> bool:
        """The same, unless the last entry of its action has its subject; was it new? Its detail has the subject of
        before; `NOTHING` before the first.
        """
        ...

    def erase(self, sequence: int, *, actor: str, reason: str) -> Entry:
        """Erase the content of an entry, for good; the entry that says so. Raises `NotFound`, `ConflictError` when it
        is erased already.
        """
        ...

    def prune(self, before_ns: int, *, actor: str, reason: str = "") -> int:
        """Delete entries of before, the oldest first, none that is younger than the floor; how many went."""
        ...


class AuditStore(AuditReader, AuditWriter, Protocol):
    """Both."""
