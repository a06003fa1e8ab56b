"""The rules of a project: what is shipped, with what moat.yaml changes and adds."""

from typing import Any, cast, get_args

from msgspec.structs import replace

from moat.domain.alerting import AlertsConfig, Bar, Rule, RuleConfig, Side
from moat.domain.errors import ConfigError, MoatError
from moat.domain.windows import zone
from moat.ports.traces import Dimension
from moat.telemetry.alerts.shipped import SHIPPED
from moat.telemetry.filters import parse_duration
from moat.telemetry.query import parse

SINGLE = ("slow_calls", "failed_calls", "expensive_calls")
OF_ATTEMPTS = ("provider_failures", "spend_today")
OF_OPINIONS = ("feedback", "score", "low_scores", "score_shift")
NO_BASELINE = (*SINGLE, *OF_ATTEMPTS, "score_shift")
ADDED = ("feedback", "low_scores", "score_shift", "calls")
"""Measures whose samples are not calls of a plain kind: fewer are enough."""


def compiled(config: AlertsConfig) -> tuple[Rule, ...]:
    """All rules that are switched on, shipped ones first. Raises `ConfigError` with the place."""
    rules: dict[str, Rule] = {rule.name: rule for rule in SHIPPED}
    off: set[str] = set()
    seen: set[str] = set()
    for index, said in enumerate(config.rules):
        where = f"moat.yaml: $.alerts.rules[{index}]"
        if said.name in seen:
            raise ConfigError(f"the rule {said.name!r} is there twice", where=where, remedy="Make one of the two.")
        seen.add(said.name)
        rules[said.name] = _changed(rules[said.name], said, where) if said.name in rules else _own(said, where)
        if not said.enabled:
            off.add(said.name)
    _check_routes(config, rules)
    zone(config.timezone)
    return tuple(rule for name, rule in rules.items() if name not in off)


def _own(said: RuleConfig, where: str) -> Rule:
    if said.measure is None:
        raise ConfigError(
            f"{said.name!r} is no shipped rule, and says no `measure`",
            where=where,
            remedy=f"Write a measure, or the name of a shipped rule: {', '.join(rule.name for rule in SHIPPED)}.",
        )
    if said.measure not in SINGLE and said.above is None and said.below is None:
        raise ConfigError(f"the rule {said.name!r} says neither `above` nor `below`", where=where, remedy=_BARS)
    blank = Rule(
        name=said.name,
        measure=said.measure,
        side="above",
        threshold=0.0,
        meaning=f"{said.measure} as {said.name} says.",
        remedy="Look at the traces: `moat traces search`.",
        after=1 if said.measure in SINGLE else 2,
        min_samples=1 if said.measure in SINGLE else 10 if said.measure in ADDED else 50,
    )
    return _changed(blank, said, where)


_BARS = "Write a value (`above: 5`), or times the baseline (`above: 2x`)."


def _changed(rule: Rule, said: RuleConfig, where: str) -> Rule:
    changes: dict[str, Any] = {}
    if said.measure is not None and said.measure != rule.measure:
        raise ConfigError(
            f"the rule {rule.name!r} measures {rule.measure}, not {said.measure}",
            where=where,
            remedy="Give a rule of your own another name.",
        )
    if said.above is not None and said.below is not None:
        raise ConfigError("a rule says `above` or `below`, not both", where=where, remedy=_BARS)
    for side, bar in (("above", said.above), ("below", said.below)):
        if bar is not None:
            changes |= _bar(cast("Side", side), bar)
    if said.per is not None:
        changes["by"] = _dimensions(said.per, where)
    if said.window is not None:
        changes["window_s"] = _window(said.window, where)
    if said.where is not None:
        changes["where"] = _filter(said.where, where)
    if said.score:
        changes["score"] = (said.score,)
    simple = ("limit", "min_samples", "after", "severity", "remedy")
    changes |= {name: value for name in simple if (value := getattr(said, name)) is not None}
    changed = replace(rule, **changes)
    if changed.relative and changed.measure in NO_BASELINE:
        raise ConfigError(f"{changed.measure} has no baseline", where=where, remedy="Write a value.")
    if changed.measure == "provider_failures" and set(changed.by) - {"environment", "provider", "alias"}:
        raise ConfigError("provider_failures is known per environment, provider and alias", where=where)
    return changed


def _bar(side: Side, bar: Bar) -> dict[str, Any]:
    relative = isinstance(bar, str)
    return {"side": side, "threshold": float(str(bar).removesuffix("x")), "relative": relative}


def _dimensions(names: list[str], where: str) -> tuple[str, ...]:
    for name in names:
        if name not in get_args(Dimension):
            raise ConfigError(
                f"{name!r} is no dimension", where=f"{where}.per", remedy=f"Known: {', '.join(get_args(Dimension))}."
            )
    return tuple(dict.fromkeys(names))


def _window(text: str, where: str) -> int:
    seconds = parse_duration(text, where=f"{where}.window") // 10**9
    if not 60 <= seconds <= 28 * 86_400:
        raise ConfigError("a window is from 1m to 28d", where=f"{where}.window")
    return seconds


def _filter(text: str, where: str) -> str:
    try:
        parse(text)
    except MoatError as error:
        raise ConfigError(error.what, where=f"{where}.where", remedy=error.remedy) from None
    return text


def _check_routes(config: AlertsConfig, rules: dict[str, Rule]) -> None:
    for index, route in enumerate(config.routes):
        where = f"moat.yaml: $.alerts.routes[{index}]"
        for name in route.channels:
            if name not in config.channels:
                known = ", ".join(config.channels) or "none"
                raise ConfigError(f"there is no channel {name!r}", where=where, remedy=f"Channels: {known}.")
        for name in route.rules:
            if name not in rules:
                raise ConfigError(f"there is no rule {name!r}", where=where, remedy=f"Rules: {', '.join(rules)}.")
        _dimensions(list(route.match), where)
