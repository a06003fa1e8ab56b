"""What an environment demands of a release before it may serve it. Pure: evidence in, missing pieces out."""

import datetime
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from moat.domain.config import EnvironmentConfig, FreezeWindow
from moat.domain.releases import Approval, Evidence
from moat.domain.windows import zone

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Missing(NamedTuple):
    """One rule that is not met, and how to meet it."""

    what: str
    """What the environment does: `is frozen: ...`."""
    remedy: str


def missing_verdict(proof: Evidence | None, baseline: str) -> str:
    """Why an environment cannot rest on this evidence; empty when it can. `baseline`: the digest it must be against."""
    if proof is None:
        return "was never run as it is now"
    if not proof.verdict:
        return "was not gated as it is now"
    if proof.baseline != baseline:
        return f"has a verdict ({proof.verdict}) against another baseline, but none"
    return "" if proof.verdict == "pass" else f"has the verdict {proof.verdict}"


def counts(rules: EnvironmentConfig, approval: Approval, own: Collection[str]) -> bool:
    """Is it the yes of somebody who may give it, and is none of these: who wrote the release, and who releases it?"""
    who = address(approval.actor)
    named = not rules.approvers or who in {address(name) for name in rules.approvers}
    return who != "" and named and not any(same_person(approval.actor, mine) for mine in own)


def missing_approvals(rules: EnvironmentConfig, given: Iterable[Approval], own: Collection[str]) -> str:
    """Whose yes an environment still requires; empty when enough people said it. `own` as in `counts`."""
    yes, needed = {address(approval.actor) for approval in given if counts(rules, approval, own)}, rules.approvals
    if len(yes) >= needed:
        return ""
    so_far = f" (so far: {', '.join(sorted(yes))})" if yes else ""
    approvals_of = "1 approval of somebody" if needed == 1 else f"{needed} approvals of people"
    if rules.approvers:
        approvals_of += f" of {', '.join(rules.approvers)}"
    return f"requires {approvals_of} other than {', '.join(sorted({address(name) or name for name in own}))}{so_far}"


def address(name: str) -> str:
    """The e-mail address in `Name <address>` or `address`, in lower case; empty when there is none."""
    found = name.partition("<")[2].rstrip("> ") or name
    return found.strip().lower() if "@" in found else ""


def same_person(one: str, other: str) -> bool:
    """By their addresses; where one of them shows none, a common name is enough to doubt that they are two."""
    first, second = address(one), address(other)
    if first and second:
        return first == second
    return not _names(one).isdisjoint(_names(other))


def _names(name: str) -> set[str]:
    return {name.partition("<")[0].strip().lower(), address(name).partition("@")[0]} - {""}


def frozen(rules: EnvironmentConfig, now_ns: int) -> Missing | None:
    """The freeze window that is open now. Raises `ConfigError` for a time zone that this machine does not know."""
    now = datetime.datetime.fromtimestamp(now_ns / 1e9, datetime.UTC)
    for window in rules.freeze:
        if _covers(window, now.astimezone(zone(window.timezone))):
            return Missing(f"is frozen: {window.reason}", "Wait until the window ends.")
    return None


def together(environment: str, missing: Sequence[Missing]) -> tuple[str, str]:
    """All that is missing, as an error says it: what, and the remedies."""
    return (
        f"{environment!r} " + "; and ".join(piece.what for piece in missing),
        " ".join(dict.fromkeys(piece.remedy for piece in missing)),
    )


def _covers(window: FreezeWindow, local: datetime.datetime) -> bool:
    """Both ends are wall-clock times: a change to or from summer time moves neither."""
    time = local.strftime("%H:%M")
    today, yesterday = local.date(), local.date() - datetime.timedelta(days=1)
    if window.from_ < window.until:
        return window.from_ <= time < window.until and _on(window, today)
    return (time >= window.from_ and _on(window, today)) or (time < window.until and _on(window, yesterday))


def _on(window: FreezeWindow, day: datetime.date) -> bool:
    return (
        (not window.days or _WEEKDAYS[day.weekday()] in window.days)
        and (window.first is None or window.first <= day)
        and (window.last is None or day <= window.last)
    )
