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
    elapsed = step_ns <= HOUR_NS
    *later, ahead = [f"started_ns - (started_ns + {change.offset_ns:d}) % {step_ns:d}" for change in changes]
    if not later:
        return ahead
    cases = [
        f"WHEN started_ns >= {change.at_ns:d} THEN {start if elapsed else _since(change, before, start)}"
        for start, (change, before) in zip(later, pairwise(changes), strict=True)
    ]
    return f"CASE {' '.join(cases)} ELSE {ahead} END"


def _since(change: ClockChange, before: ClockChange, start: str) -> str:
    """The start of a slot in which clocks may have changed: the first time that they show it, or when they skip it."""
    jump_ns = change.offset_ns - before.offset_ns
    known_ns = change.at_ns + max(0, -jump_ns)
    return f"CASE WHEN {start} >= {known_ns:d} THEN {start} ELSE least({start} + {jump_ns:d}, {change.at_ns:d}) END"
