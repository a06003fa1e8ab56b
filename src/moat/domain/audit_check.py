"""Is an audit log what it was? A walk along the chain, entry by entry, in constant memory."""

from collections.abc import Callable, Iterable
from hashlib import sha256

import msgspec

from moat.domain.audit import SHOWN_PROBLEMS, Anchor, Entry, Kind, Problem, Verification

FARTHEST_MOVE = 100
"""Places from its own that an entry is looked for."""


class Stored(msgspec.Struct, frozen=True):
    """A row of the log as it lies there, whatever somebody made of it."""

    entry: Entry | None
    """None: its fields have other types than an entry's."""
    sequence: int
    content: bytes | None


class Walk:
    """Takes the entries in the order of their numbers, then says what it found."""

    def __init__(
        self,
        erased: Callable[[int], bool],
        pruned: Callable[[int, str], bool],
        anchors: Iterable[tuple[Anchor, str]] = (),
    ) -> None:
        """`erased`: does an entry say that the content of this one was erased? `pruned`: does one say that all up to
        this number, the last with this digest, went? `anchors`: with the names of where they are from.
        """
        self._erased_entry = erased
        self._pruned = pruned
        self._anchors: dict[int, list[tuple[Anchor, str]]] = {}
        for anchor, source in anchors:
            self._anchors.setdefault(anchor.sequence, []).append((anchor, source))
        self._compared = sum(map(len, self._anchors.values()))
        self._entries = self._first = self._last = self._erased = self._count = 0
        self._digest = ""
        self._problems: list[Problem] = []

    def problem(self, sequence: int, kind: Kind, what: str) -> None:
        """Note one."""
        self._count += 1
        if len(self._problems) < SHOWN_PROBLEMS:
            self._problems.append(Problem(sequence, kind, what))

    def step(self, row: Stored) -> None:
        """The next row."""
        if not self._entries:
            self._first = row.sequence
        self._entries += 1
        self._gap(row)
        self._entry(row)
        self._anchored(row)
        self._content(row)
        self._last = row.sequence

    def end(self, numbered: int) -> Verification:
        """`numbered`: the highest number that the database ever gave out. What it found."""
        if numbered > self._last:
            what = f"entries {self._last + 1} to {numbered} were written once, and are not there"
            self.problem(self._last, "cut", what)
        for sequence in sorted(self._anchors):
            for _, source in self._anchors[sequence]:
                if sequence > self._last:
                    self.problem(sequence, "cut", f"{source} knows entry {sequence}, the log ends with {self._last}")
                elif sequence >= self._first:
                    self.problem(sequence, "missing", f"{source} knows entry {sequence}, which is not there")
        return Verification(
            entries=self._entries,
            first=self._first,
            last=self._last,
            digest=self._digest,
            erased=self._erased,
            anchors=self._compared,
            problems=tuple(self._problems),
            count=self._count,
        )

    def _gap(self, row: Stored) -> None:
        """Are the numbers without a gap, and what is missing in front pruned?"""
        sequence, before = row.sequence, self._last
        if before and sequence != before + 1:
            missing = f"entry {before + 1}" if sequence == before + 2 else f"entries {before + 1} to {sequence - 1}"
            self.problem(sequence, "missing", f"{missing} before it was taken out")
        elif not before and sequence > 1:
            previous = row.entry.previous if row.entry else ""
            if not self._pruned(sequence - 1, previous):
                self.problem(sequence, "missing", "all before it is gone, and no entry says that it was pruned")

    def _entry(self, row: Stored) -> None:
        """Is it what was sealed, behind what was before it?"""
        entry, number = row.entry, row.sequence
        if entry is None:
            self.problem(number, "edited", "its fields are no longer those of an entry")
            self._digest = ""
            return
        sealed = entry.seal() == entry.digest
        if not sealed:
            self.problem(number, *_unsealed(entry))
        behind = number == self._last + 1 and self._last > 0
        if sealed and behind and self._digest and entry.previous != self._digest:
            self.problem(
                number, "edited", "it was sealed behind another entry: the one before it was replaced, or it was"
            )
        if sealed and number == 1 and entry.previous:
            self.problem(number, "reordered", "it was not sealed as the first entry")
        # What follows was sealed behind the true digest: an edited entry is told once, not twice.
        self._digest = entry.digest if sealed else ""

    def _anchored(self, row: Stored) -> None:
        for anchor, source in self._anchors.pop(row.sequence, ()):
            if row.entry is None or row.entry.digest != anchor.digest:
                self.problem(row.sequence, "edited", f"{source} knows it with another digest ({anchor.digest[:12]}…)")

    def _content(self, row: Stored) -> None:
        if row.content is None:
            self._erased += 1
            if not self._erased_entry(row.sequence):
                self.problem(row.sequence, "content", "its content is gone, and no entry says that it was erased")
        elif row.entry is not None and sha256(row.content).hexdigest() != row.entry.content_digest:
            self.problem(row.sequence, "content", "its content is not the one that it was sealed with")


def _unsealed(entry: Entry) -> tuple[Kind, str]:
    """What became of an entry whose digest does not fit."""
    for distance in range(-FARTHEST_MOVE, FARTHEST_MOVE + 1):
        moved = msgspec.structs.replace(entry, sequence=entry.sequence + distance)
        if distance and moved.seal() == entry.digest:
            return "reordered", f"it was sealed as entry {moved.sequence}"
    return "edited", "its fields do not have the digest that it was sealed with"
