"""What is usual at an hour of the week: medians, so that a bad day does not become the rule.

The past is one value a slot: an hour, or a day for opinions, which are few. Of those of the same hour of the week, an
hour more or less, the median is what is usual, and the median of the distances from it, scaled to a normal
distribution's standard deviation, how much it scatters (Rousseeuw and Croux, 1993). A short past is looked at by the
hour of the day, then all together; a shorter one says nothing.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from moat.domain.alerting import Baseline

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
WEEK_HOURS = 168
WEEKS = 4
"""Of the past that counts."""
LEAST = 0.03
"""Of the median: what repeats more exactly is not trusted to go on doing so."""
MAD_TO_SD = 1.4826

Past = Mapping[int, float]
"""Number of the slot since 1970 -> value."""


def hourly(past: Past, now_ns: int) -> Baseline | str:
    """What is usual at this hour of the week; else why nobody can say. Only hours that are over count."""
    now = now_ns // HOUR_NS
    same_week = _around(past, now, WEEK_HOURS, WEEKS)
    if len(same_week) >= 6 and now - same_week[-1] >= WEEK_HOURS - 1 and same_week[0] - same_week[-1] > 2:
        return _of(past, same_week, "this hour of the week")
    same_day = _around(past, now, 24, WEEKS * 7)
    if len(same_day) >= 6 and same_day[0] - same_day[-1] >= 47:
        return _of(past, same_day, "this hour of the day")
    whole = [hour for hour in past if now - WEEKS * WEEK_HOURS <= hour < now]
    if len(whole) >= 24 and max(whole) - min(whole) >= 24:
        return _of(past, whole, "all hours")
    return f"too little history: {len(whole)} hours with enough calls, 24 on two days are needed"


def daily(past: Past, now_ns: int) -> Baseline | str:
    """The same of slots of a day, whatever the day of the week; not the last day, which the window looks at."""
    now = now_ns // DAY_NS
    days = [day for day in past if now - WEEKS * 7 <= day < now - 1]
    if len(days) < 5:
        return f"too little history: {len(days)} days with enough opinions, 5 are needed"
    return _of(past, days, "days")


def _around(past: Past, now: int, period: int, periods: int) -> list[int]:
    """The same slot in each period before, and its neighbours, if they are over: newest first."""
    near = (now - number * period + aside for number in range(periods + 1) for aside in (1, 0, -1))
    return [slot for slot in near if slot < now and slot in past]


def _of(past: Past, slots: Sequence[int], of: str) -> Baseline:
    values = [past[slot] for slot in slots]
    center = median(values)
    distance = MAD_TO_SD * median(abs(value - center) for value in values)
    small = 1 + 5 / len(values)  # a few values lie closer together than all would
    return Baseline(center=center, spread=max(distance * small, LEAST * abs(center)), slots=len(values), of=of)
