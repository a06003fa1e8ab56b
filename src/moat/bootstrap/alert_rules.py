"""A project's alert rules: shipped, changed by moat.yaml, with the project's budget of a day."""

from msgspec.structs import replace

from moat.domain.alerting import Rule
from moat.domain.config import Config
from moat.domain.usage import PICODOLLARS
from moat.spend.limits import compiled as compiled_limits
from moat.spend.limits import dollars
from moat.telemetry.alerts.rules import compiled

BUDGET_RULE = "daily-spend"


def rules_of(config: Config) -> tuple[Rule, ...]:
    """A project's rules, its budget of a day in them. Raises `ConfigError`."""
    budget = _budget(config)
    said = {rule.name for rule in config.alerts.rules if rule.above is not None}
    rules = compiled(config.alerts)
    if budget is None or BUDGET_RULE in said:
        return rules
    return tuple(replace(rule, threshold=budget) if rule.name == BUDGET_RULE else rule for rule in rules)


def _budget(config: Config) -> float | None:
    """What a day may cost in all: as `alerts` says, else by the tightest limit over all calls."""
    if config.alerts.daily_budget:
        return dollars(config.alerts.daily_budget, "moat.yaml: $.alerts.daily_budget") / PICODOLLARS
    limits = compiled_limits(config.limits)
    amounts = [x.amount for x in limits if (x.measure, x.window) == ("money", "day") and not x.per and not x.match]
    return min(amounts) / PICODOLLARS if amounts else None
