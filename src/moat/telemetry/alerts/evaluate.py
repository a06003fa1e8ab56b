"""What fires: one pure function over rules, readings and what was before.

An alert begins `pending`, fires when `after` evaluations in a row find it, and resolves when `calm` in a row are past a
second, lower bar. A rate or mean counts only by the near end of its confidence interval, and what is
compared with a baseline must also stand out of that baseline's own scatter: few calls make no alert.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from moat.domain.alerting import Alert, Event, Outage, Reading, Rule, Silence, Standing, key_of
from moat.telemetry.alerts.rules import SINGLE

NOISE = 4.0
"""Robust standard deviations by which a value must leave its baseline."""
MISSING_NS = 3600 * 10**9
"""After so long without enough calls to tell, a firing alert ends."""
REMEMBERED_NS = 8 * 86_400 * 10**9
"""After so long no window holds any more what an outage explains."""

Key = tuple[str, tuple[tuple[str, str], ...]]


def evaluate(
    rules: Sequence[Rule], readings: Iterable[Reading], standing: Standing, now_ns: int
) -> tuple[Standing, list[Event]]:
    """Where alerts stand now, and what began or ended. Alerts of other rules stay as they are.

    A group without a reading is one that cannot be told. Silences that are over are left out of what is answered.
    """
    named = {rule.name: rule for rule in rules}
    alerts: dict[Key, Alert] = {key_of(alert.rule, alert.labels): alert for alert in standing.alerts}
    found: dict[Key, list[Reading]] = {}
    for reading in sorted(readings, key=lambda reading: reading.window_s):
        if reading.rule in named:
            found.setdefault(key_of(reading.rule, reading.labels), []).append(reading)
    events: list[Event] = []
    for key in [*found, *(key for key in alerts if key[0] in named and key not in found)]:
        before, rule = alerts.pop(key, None), named[key[0]]
        after, event = _step(rule, _telling(rule, found.get(key, []), before), before, now_ns)
        if after is not None:
            alerts[key] = replace(after, recent=_recent(rule, found.get(key, [])))
        if event is not None:
            events.append(event)
    silences = tuple(silence for silence in standing.silences if silence.until_ns > now_ns)
    now = Standing(
        alerts=tuple(alerts.values()), silences=silences, outages=_outages(named, alerts.values(), standing, now_ns)
    )
    told, fired = _tell(named, now, now_ns)
    return replace(now, alerts=tuple(told)), [*events, *fired]


def forgotten(rules: Iterable[Rule], standing: Standing, now_ns: int) -> tuple[Standing, list[Event]]:
    """Ends the alerts of rules that are no more."""
    names = {rule.name for rule in rules}
    gone = [alert for alert in standing.alerts if alert.rule not in names]
    kept = tuple(alert for alert in standing.alerts if alert.rule in names)
    ended = [
        _event(alert, None, "resolved", now_ns, "the rule is no more") for alert in gone if alert.state == "firing"
    ]
    return replace(standing, alerts=kept), ended


def looked(standing: Standing) -> dict[str, int]:
    """By rule, the longest window (seconds) that a firing alert fired by."""
    found: dict[str, int] = {}
    for alert in standing.alerts:
        if alert.state == "firing":
            found[alert.rule] = max(found.get(alert.rule, 0), alert.window_s)
    return found


def bar_of(rule: Rule, reading: Reading) -> float | None:
    """The value that the rule's threshold is here; None without a baseline."""
    if not rule.relative:
        return rule.threshold
    return None if reading.baseline is None else rule.threshold * reading.baseline.center


def slowest(rule: Rule, reading: Reading) -> float | None:
    """The greatest value that does not count as past the bar, of a rule that fires above it."""
    bar, usual = bar_of(rule, reading), reading.baseline
    if bar is None or not rule.relative or usual is None:
        return bar
    return max(bar, usual.center + NOISE * usual.spread)


def breaches(rule: Rule, reading: Reading) -> bool:
    """Is it surely past the bar?"""
    bar = bar_of(rule, reading)
    if bar is None or reading.samples < rule.min_samples:
        return False
    if rule.side == "above":
        surely = (reading.value if reading.low is None else reading.low) > bar
    else:
        surely = (reading.value if reading.high is None else reading.high) < bar
    usual = reading.baseline
    if not surely or not rule.relative or usual is None:
        return surely
    return abs(reading.value - usual.center) > NOISE * usual.spread


def telling(rule: Rule, readings: Sequence[Reading]) -> Reading | None:
    """Of readings of one group over longer and longer windows: the one that tells most.

    It is the shortest with enough samples, unless that one is past the bar without being sure, and a longer one is
    sure: few calls need a longer look, and an incident that is over counts no more.
    """
    enough = [reading for reading in readings if reading.samples >= rule.min_samples]
    if not enough:
        return readings[-1] if readings else None
    bar = bar_of(rule, enough[0])
    value = enough[0].value
    if bar is None or (value <= bar if rule.side == "above" else value >= bar):
        return enough[0]
    return next((reading for reading in enough if breaches(rule, reading)), enough[0])


def calm(rule: Rule, reading: Reading) -> bool:
    """Is it back, past the clear bar?"""
    bar = bar_of(rule, reading)
    if bar is None or reading.samples < rule.min_samples:
        return False
    return reading.value <= bar * rule.clear if rule.side == "above" else reading.value >= bar / rule.clear


def silenced(silences: Iterable[Silence], rule: str, labels: Mapping[str, str]) -> str:
    """Who silenced such an alert, and why; empty: nobody."""
    for silence in silences:
        if silence.rule in ("", rule) and all(labels.get(name) == value for name, value in silence.match.items()):
            return f"silenced by {silence.by}: {silence.why}"
    return ""


def _recent(rule: Rule, readings: Sequence[Reading]) -> bool:
    """Is the shortest of its windows past the bar, be it by few calls?"""
    for reading in readings:
        bar = bar_of(rule, reading)
        if reading.window_s <= rule.window_s and bar is not None:
            return reading.value > bar if rule.side == "above" else reading.value < bar
    return False


def _telling(rule: Rule, readings: Sequence[Reading], before: Alert | None) -> Reading | None:
    """What fired by a long look is judged by as long a look."""
    if before is not None and before.state == "firing":
        return telling(rule, [reading for reading in readings if reading.window_s >= before.window_s])
    return telling(rule, readings)


def _step(rule: Rule, reading: Reading | None, before: Alert | None, now_ns: int) -> tuple[Alert | None, Event | None]:
    """One group's next state."""
    if reading is None and rule.measure in SINGLE:
        reading = Reading(rule=rule.name, value=0.0, samples=rule.min_samples)  # no such call: that is an answer
    known = reading is not None and reading.samples >= rule.min_samples and bar_of(rule, reading) is not None
    if reading is None or not known:
        if before is None or before.state == "pending":
            return None, None
        if now_ns - before.seen_ns <= MISSING_NS:
            return before, None
        return None, _event(before, rule, "resolved", now_ns, "too few calls to tell any more")
    bar = bar_of(rule, reading)
    assert bar is not None, "known"
    if breaches(rule, reading):
        return _raised(rule, reading, bar, before, now_ns), None
    if before is None or before.state == "pending":
        return None, None
    calms = before.calms + 1 if calm(rule, reading) else 0
    alert = replace(_seen(before, reading, bar, now_ns), calms=calms, breaches=0)
    if calms < rule.calm:
        return alert, None
    return None, _event(alert, rule, "resolved", now_ns)


def _raised(rule: Rule, reading: Reading, bar: float, before: Alert | None, now_ns: int) -> Alert:
    fresh = Alert(
        rule=rule.name,
        labels=reading.labels,
        state="pending",
        since_ns=now_ns,
        seen_ns=now_ns,
        breaches=0,
        value=reading.value,
        bar=bar,
        samples=reading.samples,
    )
    alert = _seen(before or fresh, reading, bar, now_ns)
    alert = replace(alert, breaches=alert.breaches + 1, calms=0, explained_by=reading.explained_by)
    if alert.state == "pending" and alert.breaches >= rule.after:
        return replace(alert, state="firing", fired_ns=now_ns, window_s=reading.window_s)
    return alert


def _seen(alert: Alert, reading: Reading, bar: float, now_ns: int) -> Alert:
    return replace(
        alert,
        seen_ns=now_ns,
        value=reading.value,
        bar=bar,
        samples=reading.samples,
        baseline=None if reading.baseline is None else reading.baseline.center,
        examples=reading.examples or alert.examples,
    )


def _tell(named: Mapping[str, Rule], standing: Standing, now_ns: int) -> tuple[list[Alert], list[Event]]:
    """Who of those that fire is to be told of now: not what is silenced, or explained by another."""
    told: list[Alert] = []
    events: list[Event] = []
    for alert in standing.alerts:
        rule = named.get(alert.rule)
        if alert.state != "firing" or rule is None:
            told.append(alert)
            continue
        muted = silenced(standing.silences, alert.rule, alert.labels) or _explained(rule, alert, standing)
        found = alert.breaches > 0 and alert.seen_ns == now_ns  # what is about to resolve is no news
        if alert.fired_ns == now_ns or (found and not muted and not alert.told):
            event = _event(alert, rule, "fired", now_ns)
            events.append(replace(event, muted=muted))
        told.append(replace(alert, told=alert.told or (found and not muted), muted=muted))
    return told, events


def _outages(named: Mapping[str, Rule], alerts: Iterable[Alert], before: Standing, now_ns: int) -> tuple[Outage, ...]:
    """Those of before, and what fires now about a provider."""
    found = {
        key_of(outage.rule, outage.labels): outage
        for outage in before.outages
        if now_ns - outage.until_ns <= REMEMBERED_NS
    }
    for alert in alerts:
        if alert.rule in named and "provider" in alert.labels and _shows(alert):
            outage = Outage(rule=alert.rule, labels=alert.labels, until_ns=now_ns)
            found[key_of(outage.rule, outage.labels)] = outage
    return tuple(found.values())


def _explained(rule: Rule, alert: Alert, standing: Standing) -> str:
    """By which alert that inhibits it: one of the same group, while it fires; or one about a provider, as far as that
    one's outage lasted. What this one says beyond that is news.
    """
    now = [other for other in standing.alerts if other.rule in rule.inhibited_by and _shows(other)]
    for other in now:
        if "provider" not in other.labels and _alike(alert, other.labels):
            return f"explained by {other.rule}"
    for outage in standing.outages:
        needed = alert.explained_by.get(outage.labels["provider"])
        known = needed is not None and needed <= outage.until_ns
        if known and outage.rule in rule.inhibited_by and _alike(alert, outage.labels):
            lasts = any((other.rule, other.labels) == (outage.rule, outage.labels) for other in now)
            return f"explained by {outage.rule}" + ("" if lasts else ", which is over")
    return ""


def _shows(alert: Alert) -> bool:
    return alert.state == "firing" and alert.recent


def _alike(alert: Alert, labels: Mapping[str, str]) -> bool:
    """Is it about the same, apart from providers? What one has of these labels must be equal."""
    own = {"alias": alert.labels.get("model"), **alert.labels}
    return all(own.get(name) == value for name, value in labels.items() if name != "provider" or name in own)


def _event(alert: Alert, rule: Rule | None, kind: str, now_ns: int, why: str = "") -> Event:
    said = repr((alert.rule, sorted(alert.labels.items()), alert.fired_ns, kind)).encode()
    muted = ""
    if kind == "resolved":
        single = rule is not None and rule.measure in SINGLE
        muted = "single calls need no all-clear" if single else "" if alert.told else "nobody was told that it fired"
    return Event(
        id=f"alert_{hashlib.blake2b(said, digest_size=10).hexdigest()}",
        at_ns=now_ns,
        kind="fired" if kind == "fired" else "resolved",
        rule=alert.rule,
        severity="info" if rule is None else rule.severity,
        labels=alert.labels,
        value=alert.value,
        bar=alert.bar,
        samples=alert.samples,
        baseline=alert.baseline,
        examples=alert.examples,
        why=why,
        muted=muted,
    )
