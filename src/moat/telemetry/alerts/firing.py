"""An alert as people read it: in its unit, with what it means, what to do, and which calls it is about."""

from collections.abc import Iterable

import msgspec

from moat.domain.alerting import Alert, Rule, Side
from moat.domain.environments import OWN
from moat.telemetry.alerts.evidence import is_past, quoted
from moat.telemetry.alerts.messages import shown
from moat.telemetry.traffic import TRAFFIC

SECOND_NS = 10**9


class FiringAlert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that fires."""

    rule: str
    labels: dict[str, str]
    """The group of calls, by dimension."""
    value: str
    """In its unit, such as `4.0%`, as is the bar."""
    bar: str
    """Empty of single calls, where each one counts."""
    side: Side
    """Of the bar, on which the rule fires."""
    since_ns: int
    muted: str
    """Why nobody is told at present."""
    meaning: str
    """What it tells, in a sentence; empty of a rule that is no more, as is the next."""
    remedy: str
    q: str
    """Expression of the filter language for the calls past the bar; for all of the group where no single call is."""
    calls_since_ns: int
    """When the time began in which it was found first."""


def firing(alert: Alert, rule: Rule | None) -> FiringAlert:
    """As people read it."""
    measure = rule.measure if rule else ""
    window_s = alert.window_s or (rule.window_s if rule else 0)
    return FiringAlert(
        rule=alert.rule,
        labels=alert.labels,
        value=shown(measure, alert.value),
        bar=shown(measure, alert.bar) if alert.bar else "",
        side=rule.side if rule else "above",
        since_ns=alert.since_ns,
        muted=alert.muted,
        meaning=rule.meaning if rule else "",
        remedy=rule.remedy if rule else "",
        q=" and ".join(_parts(alert, rule)),
        calls_since_ns=max(0, alert.since_ns - window_s * SECOND_NS),
    )


def _parts(alert: Alert, rule: Rule | None) -> Iterable[str]:
    yield "not shadow"
    if alert.labels.get("environment", "") in ("", *OWN):
        yield TRAFFIC
    yield from (f"{name} = {quoted(value)}" for name, value in alert.labels.items() if name != "score")
    if rule is None:
        return
    if rule.where:
        yield f"({rule.where})"
    if past := is_past(rule, alert.labels, alert.bar):
        yield past
