"""What callers are told of a limit."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from moat.domain.calls import Pace
from moat.domain.errors import LimitExceeded
from moat.spend.counters import Balance, Place
from moat.spend.limits import Limit

MAX_ALERTS = 20
"""Of each kind: a status is read by people."""

SOON = 1.0
"""Seconds after which room may have become free when calls under way hold it."""


def refusal(place: Place, wanted: int, why: str = "") -> LimitExceeded:
    """Why a call is refused: which limit, how far it is used up, and when there is room again."""
    limit, values, account = place.limit, place.values, place.account
    of = f"{limit.number(account.all_used)} of {limit.shown(limit.amount)}"
    if limit.measure == "concurrent":
        what = f"{why}{account.held} of {limit.shown(limit.amount)} for {limit.whose(values)} are under way"
        return _refused(limit, what, "Try again when one is done.", SOON)
    if limit.window is None:
        what = f"{why}this call may take {limit.shown(wanted)}, and {limit.number(limit.amount)} are allowed for one"
        return _refused(limit, what, "Send a shorter one, or ask for a shorter answer (`max_tokens`).", None)
    held = f", {limit.number(account.held)} held by calls under way" if account.held else ""
    what = f"{why}{of} a {limit.window} for {limit.whose(values)} are used{held}; this call may take "
    what += limit.number(wanted)
    seconds = max(0.0, (place.resets_ns - place.now_ns) / 1e9)
    fits = account.all_used + wanted <= limit.amount
    until = datetime.fromtimestamp(place.resets_ns // 10**9, limit.tz).isoformat()
    remedy = "It fits when calls under way are done." if fits else f"The next {limit.window} begins at {until}."
    return _refused(limit, what, remedy, min(SOON, seconds) if fits else seconds)


def notice(place: Place) -> str:
    """A warning that a limit is near; empty as long as it is not."""
    limit, values, account = place.limit, place.values, place.account
    share = (account.all_used + account.held) / limit.amount if limit.amount else 1.0
    if share < limit.warn_at[0]:
        return ""
    return f"limit {limit.name}: {share:.0%} of {limit.shown(limit.amount)} for {limit.whose(values)}"


def paces(places: Sequence[Place]) -> list[Pace]:
    """The tightest limit on requests, and on tokens, of those that refuse."""
    found: dict[str, Pace] = {}
    for limit, _, account, resets_ns, now_ns, _ in places:
        if limit.measure not in ("requests", "tokens") or not limit.window or not limit.hard:
            continue
        left = max(0, limit.amount - account.all_used - account.held)
        known = found.get(limit.measure)
        if known is None or left < known.remaining:
            found[limit.measure] = Pace(limit.measure, limit.amount, left, max(0, resets_ns - now_ns))
    return list(found.values())


def alerts(balances: Iterable[Balance]) -> list[str]:
    """What people must be told: limits with `action: alert` that are used up."""
    found = [each for each in balances if each.limit.action == "alert" and each.used + each.held >= each.limit.amount]
    return [
        f"limit {each.limit.name}: {each.limit.shown(each.used)} are used by {each.limit.whose(each.values)}, of "
        f"{each.limit.shown(each.limit.amount)}"
        for each in found[:MAX_ALERTS]
    ]


def _refused(limit: Limit, what: str, remedy: str, retry_after: float | None) -> LimitExceeded:
    error = LimitExceeded(f"limit {limit.name}: {what}", remedy=remedy, retry_after=retry_after)
    error.limit = limit.name
    if retry_after is None:
        error.status = 400  # the same call will never fit
    return error
