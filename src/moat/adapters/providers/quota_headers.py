"""What answers say of the provider's own limits, in each provider's header names.

Sources: https://platform.openai.com/docs/guides/rate-limits (`x-ratelimit-remaining-requests`, durations such as
`6m0s`; Azure, Groq, Together, Fireworks and xAI took it over), https://docs.claude.com/en/api/rate-limits
(`anthropic-ratelimit-requests-remaining`, times in RFC 3339), Cerebras and Mistral (a period behind the name, seconds).
"""

import datetime
import math
import re
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from moat.domain.quotas import Quota, Window

UNSAID_RESET_S = 10.0
"""For an answer that says what is left and not for how long, as Azure's do: its limits are enforced over one to ten
seconds (https://learn.microsoft.com/azure/ai-services/openai/how-to/quota)."""

_AMOUNT = r"(\d{1,9}(?:\.\d{1,9})?)"
_DURATION = re.compile(rf"(?:{_AMOUNT}d)?(?:{_AMOUNT}h)?(?:{_AMOUNT}m(?!s))?(?:{_AMOUNT}s)?")
_MILLISECONDS = re.compile(rf"{_AMOUNT}(ms|us|µs|ns)")
_SMALL = {"ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_FACTORS = (86_400.0, 3_600.0, 60.0, 1.0)
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
"""From these numbers on, a reset is a Unix time."""


class _Names(NamedTuple):
    remaining: str
    reset: str


class _Dialect(NamedTuple):
    requests: tuple[_Names, ...]
    tokens: tuple[_Names, ...]
    """Of several windows, the one with the least left counts."""


def _x(name: str) -> _Names:
    return _Names(f"x-ratelimit-remaining-{name}", f"x-ratelimit-reset-{name}")


def _anthropic(name: str) -> _Names:
    return _Names(f"anthropic-ratelimit-{name}-remaining", f"anthropic-ratelimit-{name}-reset")


_OPENAI = _Dialect((_x("requests"),), (_x("tokens"),))
_PERIODS = _Dialect(
    (_x("requests-minute"), _x("requests-day"), _x("req-minute")), (_x("tokens-minute"), _x("tokens-day"))
)
_ANTHROPIC = _Dialect(
    (_anthropic("requests"),), (_anthropic("tokens"), _anthropic("input-tokens"), _anthropic("output-tokens"))
)
_PLAIN = _Dialect((_Names("x-ratelimit-remaining", "x-ratelimit-reset"),), ())

_MARKS: tuple[tuple[str, _Dialect], ...] = (
    ("x-ratelimit-remaining-requests", _OPENAI),
    ("x-ratelimit-remaining-tokens", _OPENAI),
    ("anthropic-ratelimit-requests-remaining", _ANTHROPIC),
    ("anthropic-ratelimit-tokens-remaining", _ANTHROPIC),
    ("anthropic-ratelimit-input-tokens-remaining", _ANTHROPIC),
    ("x-ratelimit-remaining-requests-day", _PERIODS),
    ("x-ratelimit-remaining-requests-minute", _PERIODS),
    ("x-ratelimit-remaining-tokens-minute", _PERIODS),
    ("x-ratelimit-remaining-req-minute", _PERIODS),
    ("x-ratelimit-remaining", _PLAIN),
)
"""By a header that tells the dialect."""
TELLING = frozenset(mark.encode() for mark, _ in _MARKS)
"""Names of headers, one of which is there when headers say something."""


def read_quota(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> Quota | None:
    """What is left, from headers by lower-case name; None when they say nothing.

    Values that are no numbers, durations or times are passed over: a limit misread would stop good calls.
    """
    for mark, dialect in _MARKS:
        if mark in headers:
            quota = Quota(requests=_least(headers, dialect.requests, now), tokens=_least(headers, dialect.tokens, now))
            return quota if quota.requests or quota.tokens else None
    return None


def _least(headers: Mapping[str, str], windows: tuple[_Names, ...], now: Callable[[], float]) -> Window | None:
    found = [window for names in windows if (window := _window(headers, names, now)) is not None]
    return min(found, key=lambda window: (window.remaining, -window.reset_s), default=None)


def _window(headers: Mapping[str, str], names: _Names, now: Callable[[], float]) -> Window | None:
    remaining = _number(headers.get(names.remaining, ""))
    if remaining is None:
        return None
    reset = headers.get(names.reset, "").strip()
    seconds = _seconds(reset, now) if reset else UNSAID_RESET_S
    return None if seconds is None else Window(max(0, int(remaining)), seconds)


def _seconds(text: str, now: Callable[[], float]) -> float | None:
    """A duration (`6m0s`, `20ms`, `1.5`), a Unix time or an RFC 3339 time, as seconds from now, not negative."""
    number = _number(text)
    if number is not None:
        if number >= _EPOCH_S:
            number = (number / 1000 if number >= _EPOCH_MS else number) - now()
        return max(0.0, number)
    if small := _MILLISECONDS.fullmatch(text):
        return float(small[1]) * _SMALL[small[2]]
    long = _DURATION.fullmatch(text)
    if long and any(long.groups()):
        return sum(float(part) * factor for part, factor in zip(long.groups(), _FACTORS, strict=True) if part)
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - now()) if moment.tzinfo else None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
