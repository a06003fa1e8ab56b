"""What people are told: one message for all that one rule found at one time, and whom it goes to."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from moat.domain.alerting import AlertsConfig, Delivery, Event, Measure, Message, RouteConfig, Rule

SHOWN = 10
"""Groups that a message names."""

_SHARES = ("error_rate", "timeout_rate", "provider_failures", "low_scores", "cache_hit_rate")
_SECONDS = ("latency_p50", "latency_p95", "latency_p99", "first_token_p50")
_MONEY = ("cost_per_call", "spend_today")


def shown(measure: Measure | str, value: float) -> str:
    """A value in its unit, for people.

    >>> shown("error_rate", 0.0213), shown("latency_p95", 6.04), shown("cost_per_call", 0.00213), shown("feedback", 3.2)
    ('2.1%', '6.04 s', '$0.0021', '3.2 of 5')
    """
    if measure in _SHARES:
        return f"{value:.1%}"
    if measure in _SECONDS:
        return f"{value:.3g} s"
    if measure in _MONEY:
        return f"${value:,.2f}" if value >= 1 else f"${value:.2g}"
    if measure == "feedback":
        return f"{value:.2g} of 5"
    if measure == "tokens_per_second":
        return f"{value:,.0f} tokens/s"
    if measure in ("tokens_per_call", "calls"):
        return f"{value:,.0f}"
    return f"{value:.3g}" if isinstance(value, float) and not value.is_integer() else f"{value:,.0f}"


def labelled(labels: Mapping[str, str]) -> str:
    """A group in words.

    >>> labelled({"environment": "production", "model": ""})
    'environment production'
    """
    return ", ".join(f"{name} {value}" for name, value in labels.items() if value) or "all calls"


def described(event: Event, rule: Rule | None) -> str:
    """One line about what one group shows."""
    measure = rule.measure if rule else "calls"
    parts = [f"{labelled(event.labels)}: {shown(measure, event.value)}"]
    if event.bar:
        side = rule.side if rule else "above"
        parts.append(f"({side} {shown(measure, event.bar)} fires)")
    if event.baseline is not None:
        parts.append(f"(usual: {shown(measure, event.baseline)})")
    parts.append(f"over {event.samples:,}")
    if event.why:
        parts.append(f"- {event.why}")
    if event.examples:
        parts.append(f"- such as {', '.join(event.examples[:3])}")
    return " ".join(parts)


def compose(events: Iterable[Event], rules: Mapping[str, Rule], project: str = "") -> list[Message]:
    """One message for each rule and kind of event, of what is not muted."""
    said = sorted((e for e in events if not e.muted), key=lambda e: (e.rule, e.kind))
    messages = []
    for (name, kind), those in groupby(said, key=lambda e: (e.rule, e.kind)):
        group = sorted(those, key=lambda e: -abs(e.value - e.bar))
        rule = rules.get(name)
        count = f" ({len(group)} groups)" if len(group) > 1 else ""
        head = f"{project}: " if project else ""
        ended = "resolved" if kind == "resolved" else group[0].severity
        lines = [described(event, rule) for event in group[:SHOWN]]
        if len(group) > SHOWN:
            lines.append(f"... and {len(group) - SHOWN} more")
        if rule is not None and kind == "fired":
            lines = [rule.meaning, *lines, f"What to do: {rule.remedy}", f"More: moat alerts show {name}"]
        messages.append(
            Message(
                id="msg_" + _digest(event.id for event in group),
                at_ns=max(event.at_ns for event in group),
                kind=kind,
                severity=group[0].severity,
                title=f"{head}[{ended}] {name}{count}: {lines[1] if kind == 'fired' and rule else lines[0]}"[:200],
                text="\n".join(lines),
                rule=name,
                events=tuple(group),
            )
        )
    return messages


def deliveries(
    events: Sequence[Event], rules: Mapping[str, Rule], config: AlertsConfig, project: str = ""
) -> list[Delivery]:
    """What each channel is told: of the events that a route gives it, and of no others."""
    found = []
    for channel in config.channels:
        fitting = [event for event in events if _goes(event, channel, config)]
        found += [delivery(message, channel) for message in compose(fitting, rules, project)]
    return found


def delivery(message: Message, channel: str) -> Delivery:
    """A message that waits."""
    return Delivery(id=f"dlv_{_digest([message.id, channel])}", channel=channel, message=message, next_ns=message.at_ns)


def _goes(event: Event, channel: str, config: AlertsConfig) -> bool:
    if not config.routes:
        return True
    return any(channel in route.channels and _fits(event, route) for route in config.routes)


def _fits(event: Event, route: RouteConfig) -> bool:
    return (
        (not route.severity or event.severity in route.severity)
        and (not route.rules or event.rule in route.rules)
        and all(event.labels.get(name) in values for name, values in route.match.items())
    )


def _digest(parts: Iterable[str] | Sequence[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=10).hexdigest()
