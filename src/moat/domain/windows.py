"""Windows of time on somebody's clock: the minute, hour, day or month that an instant falls into."""

import datetime
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
