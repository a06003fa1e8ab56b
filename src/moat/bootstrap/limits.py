"""The limits of a project: those of moat.yaml, those of the environment, and what was used of them before."""

from collections.abc import Mapping

from msgspec.structs import replace

from moat.bootstrap.settings import Settings
from moat.bootstrap.spending import EVALS
from moat.domain.calls import Deployment
from moat.domain.config import LimitConfig, Scope
from moat.domain.errors import ConfigError
from moat.domain.usage import Usage
from moat.ports.prices import Prices
from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader
from moat.spend.ledger import Opening, Rules
from moat.spend.limits import Limit, Values, compiled

PER_REQUEST = "MAX_TOKENS_PER_REQUEST"
MONTHLY = "MONTHLY_TOKEN_BUDGET"

_DIMENSIONS: dict[Scope, Dimension] = {
    "key": "key",
    "tenant": "tenant",
    "feature": "feature",
    "user": "user",
    "model": "alias",
    "environment": "environment",
}


def ledger_rules(settings: Settings, prices: Prices, environ: Mapping[str, str]) -> Rules:
    """What the ledger needs of moat.yaml and the environment. Raises `ConfigError`."""
    config = settings.config
    first = {alias: _deployment(model.use[0]) for alias, model in config.models.items()}
    optional = frozenset(name for name, feature in config.features.items() if not feature.critical)

    def price(alias: str, usage: Usage) -> int | None:
        return prices.cost(first[alias], alias, usage) if alias in first else None

    return Rules(
        limits=compiled([*config.limits, *environment_limits(environ, optional)]),
        optional=optional,
        cheaper={alias: model.cheaper for alias, model in config.models.items() if model.cheaper},
        price=price,
        spikes=config.spikes,
    )


def environment_limits(environ: Mapping[str, str], optional: frozenset[str] = frozenset()) -> list[LimitConfig]:
    """`MAX_TOKENS_PER_REQUEST` caps each call; `MONTHLY_TOKEN_BUDGET` refuses calls when it is used up, or only those
    of features that are not critical where the project says which these are. Raises `ConfigError`.
    """
    found = []
    if (tokens := _count(environ, PER_REQUEST)) is not None:
        found.append(LimitConfig(name="max-tokens-per-request", tokens=tokens, window="request", action="cap"))
    if (tokens := _count(environ, MONTHLY)) is not None:
        monthly = LimitConfig(name="monthly-token-budget", tokens=tokens, window="month")
        found.append(replace(monthly, action="disable") if optional else monthly)
    return found


def opening(traces: TraceReader) -> Opening:
    """What was used of a limit before this process began, summed from the stored attempts."""

    def used(limit: Limit, since_ns: int) -> Mapping[Values, int]:
        scopes: list[Scope] = [*dict.fromkeys((*limit.per, *limit.match, "environment"))]
        totals: dict[Values, int] = {}
        for row in traces.spending([_DIMENSIONS[scope] for scope in scopes], TraceFilter(since_ns=since_ns)):
            said: dict[str, str] = dict(zip(scopes, row.group, strict=True))
            values = limit.values(said)
            if values is not None and said["environment"] != EVALS:
                totals[values] = totals.get(values, 0) + _amount(limit, row)
        return totals

    return used


def _amount(limit: Limit, row: Spend) -> int:
    if limit.measure == "money":
        return row.cost
    return row.usage.total if limit.measure == "tokens" else row.calls


def _count(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"{text!r} is not a number of tokens", where=name, remedy="Write digits, such as 2000.")
    return int(text)


def _deployment(target: str) -> Deployment:
    provider, _, model = target.partition("/")
    return Deployment(provider, model)
