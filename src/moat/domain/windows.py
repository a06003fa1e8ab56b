"""Windows of time on somebody's clock: the minute, hour, day or month that an instant falls into."""

import datetime
from functools import lru_cache
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from moat.domain.errors import ConfigError

WindowKind = Literal["minute", "hour", "day", "month"]

SECOND_NS = 10**9


class Span(NamedTuple):
    """From one instant up to another, in Unix nanoseconds; the end is exclusive."""

    start_ns: int
    end_ns: int


def zone(name: str) -> datetime.tzinfo:
    """A time zone by its IANA name; UTC on any machine. Raises `ConfigError`."""
    if name == "UTC":
        return datetime.UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"this machine knows no time zone {name!r}",
            where="moat.yaml",
            remedy="Write an IANA name such as Europe/Berlin; `pip install tzdata` where the system has none.",
        ) from None


def window(kind: WindowKind, tz: datetime.tzinfo, now_ns: int) -> Span:
    """The window of this kind that holds an instant.

    Days and months are the local calendar's: a day in which clocks change has 23 or 25 hours, and where they change at
    midnight it begins with its first instant. Hours and minutes are counted in elapsed time from the full local hour,
    so that the hour that comes twice is two windows.
    """
    if kind == "minute":
        return _elapsed(now_ns, 60, 0)
    local = datetime.datetime.fromtimestamp(now_ns // SECOND_NS, tz)
    if kind == "hour":
        offset = local.utcoffset() or datetime.timedelta()
        return _elapsed(now_ns, 3600, int(offset.total_seconds()) % 3600)
    day = local.date()
    if kind == "day":
        return Span(_midnight(day, tz), _midnight(day + datetime.timedelta(days=1), tz))
    first = day.replace(day=1)
    following = (first + datetime.timedelta(days=31)).replace(day=1)
    return Span(_midnight(first, tz), _midnight(following, tz))


class ClockChange(NamedTuple):
    """An instant, in Unix nanoseconds, from which on local time is so many nanoseconds ahead of UTC."""

    at_ns: int
    offset_ns: int


def clock_changes(name: str, since_ns: int, until_ns: int) -> tuple[ClockChange, ...]:
    """How local time goes between two instants, newest first; the last one is at 0 and holds for all that is earlier.

    Raises `ConfigError` for an unknown zone.
    """
    zone(name)
    first, last = (_year(ns) for ns in (since_ns, max(since_ns, until_ns)))
    # A wall clock of the first or last hours may be in the year beside it.
    years = range(max(_EPOCH, first - 1), last + 2)
    found = [change for year in reversed(years) for change in _changes_of(name, year)]
    return (*found, ClockChange(0, _offset(zone(name), int(_new_year(years[0])))))


_EPOCH = 1970


def _year(ns: int) -> int:
    return datetime.datetime.fromtimestamp(ns // SECOND_NS, datetime.UTC).year


def _new_year(year: int) -> float:
    return datetime.datetime(year, 1, 1, tzinfo=datetime.UTC).timestamp()


def _offset(tz: datetime.tzinfo, second: int) -> int:
    """Nanoseconds that local time is ahead of UTC."""
    ahead = datetime.datetime.fromtimestamp(second, tz).utcoffset() or datetime.timedelta()
    return int(ahead.total_seconds()) * SECOND_NS


@lru_cache(maxsize=1024)
def _changes_of(name: str, year: int) -> tuple[ClockChange, ...]:
    """Those of one year, newest first. Clocks change once a day at most."""
    tz = zone(name)
    found = []
    for low in range(int(_new_year(year)), int(_new_year(year + 1)), _DAY):
        before, high = low, low + _DAY
        was = _offset(tz, low)
        if _offset(tz, high) == was:
            continue
        while high - before > 1:
            middle = (before + high) // 2
            before, high = (middle, high) if _offset(tz, middle) == was else (before, middle)
        found.append(ClockChange(high * SECOND_NS, _offset(tz, high)))
    return tuple(reversed(found))


_DAY = 86_400


def _elapsed(now_ns: int, seconds: int, offset: int) -> Span:
    """Windows of fixed length; `offset`: seconds by which local full ones lie before those of UTC."""
    length = seconds * SECOND_NS
    shift = offset * SECOND_NS
    start = (now_ns + shift) // length * length - shift
    return Span(start, start + length)


def _midnight(day: datetime.date, tz: datetime.tzinfo) -> int:
    """The first instant of a local day. Where clocks skip midnight, Python reads it with the offset of before, which
    is the instant of the change; where they repeat it, the first of the two counts.
    """
    local = datetime.datetime.combine(day, datetime.time(), tz)
    return int(local.timestamp()) * SECOND_NS
