"""How full budgets are, and how full they will be."""

from collections.abc import Iterable

import msgspec

from moat.domain.windows import window
from moat.spend.counters import Balance
from moat.spend.limits import Measure

EARLY = 0.05
"""Share of a window before whose end nothing is said of its end."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """What a counter comes to when the rest of its window goes as the part so far went: a straight line."""

    projected: int
    """At the end of the window, of the limit's measure."""
    full_ns: int
    """When it is full: Unix nanoseconds, now if it is already; 0: not in this window."""


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """One counter of a limit by the hour, day or month. Amounts are of its measure, money in picodollars."""

    limit: str
    of: dict[str, str]
    """Whose, by scope; empty: the whole service's."""
    measure: Measure
    window: str
    action: str
    amount: int
    used: int
    """With what calls under way may still take."""
    resets_ns: int
    """Unix nanoseconds."""
    projected: int | None
    """What it comes to at the end of its window (`Pace`). None in the first twentieth of the window."""


def pace(balance: Balance, now_ns: int) -> Pace | None:
    """Of a limit by the hour, day or month, with what calls under way may still take. None for others, and in the first
    twentieth of the window: there a single call would say too much.
    """
    limit, used = balance.limit, balance.used + balance.held
    if limit.window not in ("hour", "day", "month"):
        return None
    begun = window(limit.window, limit.tz, now_ns)
    gone, whole = now_ns - begun.start_ns, begun.end_ns - begun.start_ns
    if gone < EARLY * whole:
        return None
    projected = round(used * whole / gone)
    if used >= limit.amount:
        return Pace(projected=projected, full_ns=now_ns)
    return Pace(
        projected=projected, full_ns=begun.start_ns + gone * limit.amount // used if projected > limit.amount else 0
    )


def budgets(balances: Iterable[Balance], now_ns: int) -> list[Budget]:
    """The fullest first; limits by the minute, by the call, and of calls at one time are no budgets."""
    found = [_budget(each, now_ns) for each in balances if each.limit.window in ("hour", "day", "month")]
    return sorted(found, key=lambda each: (-each.used / max(1, each.amount), each.limit, sorted(each.of.items())))


def _budget(balance: Balance, now_ns: int) -> Budget:
    limit, ahead = balance.limit, pace(balance, now_ns)
    assert limit.window is not None
    return Budget(
        limit=limit.name,
        of=dict(zip(limit.per, balance.values, strict=True)),
        measure=limit.measure,
        window=limit.window,
        action=limit.action,
        amount=limit.amount,
        used=balance.used + balance.held,
        resets_ns=balance.resets_ns,
        projected=ahead.projected if ahead else None,
    )
