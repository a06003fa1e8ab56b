"""Arguments that several commands share."""

import time
from datetime import datetime

from moat.domain.errors import PromptError, RequestError


def parse_prompt(text: str) -> tuple[str, str]:
    """`NAME@VERSION` in two. A missing version stays empty; the catalog then says which there are."""
    name, _, version = text.partition("@")
    if not name:
        raise PromptError(f"{text!r} names no prompt", remedy="Write NAME@VERSION.")
    return name, version


def since_ns(text: str) -> int:
    """`15m`, `24h`, `7d` ago, or an ISO date or time, as Unix nanoseconds; empty is the beginning of time."""
    if not text:
        return 0
    unit = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}.get(text[-1])
    if unit and text[:-1].isdecimal():
        return time.time_ns() - int(text[:-1]) * unit * 10**9
    try:
        return int(datetime.fromisoformat(text).astimezone().timestamp() * 10**9)
    except ValueError:
        raise RequestError(
            f"{text!r} is no time", where="--since", remedy="Write 15m, 24h, 7d or a date such as 2026-01-31."
        ) from None
