"""The SQL of time slots: where the slot of a span begins."""

import time
from itertools import pairwise

from moat.domain.windows import ClockChange, clock_changes
from moat.ports.traces import TraceFilter

HOUR_NS = 3600 * 10**9


def slot(step_ns: int, offset_ns: int = 0) -> str:
    """Start of the time slot of a span; 0 when time is not divided."""
    return f"started_ns - (started_ns - {offset_ns:d}) % {step_ns:d}" if step_ns else "0"


def local_slot(step_ns: int, timezone: str, wanted: TraceFilter) -> str:
    """The same on the clock of a time zone, an IANA name; empty: as `slot`.

    Slots longer than an hour begin at multiples on the local clock: a day in which clocks change has 23 or 25 hours,
    and one that begins with a gap begins with its first instant. Shorter ones are counted in elapsed time, so that the
    hour that comes twice is two slots.
    """
    if not timezone or not step_ns:
        return slot(step_ns)
    # What is recorded has begun.
    now = time.time_ns()
    changes = clock_changes(timezone, wanted.since_ns, min(wanted.until_ns or now, now))
    local = f"started_ns + {_offset(changes)}"
    if step_ns <= HOUR_NS:
        return f"started_ns - ({local}) % {step_ns:d}"
    return _instant(changes, f"({local} - ({local}) % {step_ns:d})")


def _offset(changes: tuple[ClockChange, ...]) -> str:
    """How far local time is ahead of UTC when a span begins."""
    *later, first = changes
    if not later:
        return f"({first.offset_ns:d})"
    cases = " ".join(f"WHEN started_ns >= {change.at_ns:d} THEN {change.offset_ns:d}" for change in later)
    return f"(CASE {cases} ELSE {first.offset_ns:d} END)"


def _instant(changes: tuple[ClockChange, ...], wall: str) -> str:
    """When a local clock shows a time: the first time where it does so twice, the next instant where it never does."""
    *later, first = changes
    if not later:
        return f"{wall} - ({first.offset_ns:d})"
    cases = " ".join(
        f"WHEN {wall} >= {change.at_ns + before.offset_ns:d} "
        f"THEN greatest({wall} - ({change.offset_ns:d}), {change.at_ns:d})"
        for change, before in pairwise(changes)
    )
    return f"CASE {cases} ELSE {wall} - ({first.offset_ns:d}) END"
