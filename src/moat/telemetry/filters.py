"""Times as people write them."""

import re
from datetime import UTC, datetime

from moat.domain.errors import RequestError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_AGO = re.compile(r"([0-9]{1,6})([smhdw])")


def parse_time(text: str, now_ns: int, *, where: str = "since") -> int:
    """Unix nanoseconds of `24h`, `7d` (that long before now), or of an ISO 8601 date or time.

    A time that names no zone is local, as the commands print it. Empty text is 0, no bound. Raises
    `RequestError` naming `where`.

    >>> parse_time("2h", 10_000 * 10**9), parse_time("1970-01-02T00:00Z", 0)
    (2800000000000, 86400000000000)
    """
    if not text:
        return 0
    if _AGO.fullmatch(text):
        return max(0, now_ns - parse_duration(text, where=where))
    try:
        moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RequestError(
            f"{text!r} is not a time",
            where=where,
            remedy="Write 30m, 24h, 7d, 2w or a time like 2026-03-01 or 2026-03-01 14:30.",
        ) from None
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return max(0, ((since_epoch.days * 86_400 + since_epoch.seconds) * 10**6 + since_epoch.microseconds) * 1000)


def parse_duration(text: str, *, where: str) -> int:
    """Nanoseconds of `30m`, `24h`, `7d`, `2w`. Raises `RequestError` naming `where`.

    >>> parse_duration("2h", where="--overlap")
    7200000000000
    """
    found = _AGO.fullmatch(text)
    if found is None:
        raise RequestError(f"{text!r} is not a length of time", where=where, remedy="Write 30m, 24h, 7d or 2w.")
    return int(found[1]) * _SECONDS[found[2]] * 10**9
