"""The limits of a project: those of moat.yaml, those of the environment, and what was used of them before."""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from moat.bootstrap.models import all_targets, deployment_of
from moat.bootstrap.settings import Settings
from moat.documents import Document
from moat.domain.config import Config, LimitConfig, Scope
from moat.domain.environments import EVALS, PLAYGROUND
from moat.domain.errors import AccessError, ConfigError, LimitExceeded, PromptError
from moat.domain.usage import Usage
from moat.ports.prices import Prices
from moat.ports.traces import Dimension, Spend, TraceFilter, TraceReader
from moat.spend.ledger import Opening, Rules
from moat.spend.limits import Limit, PlacedLimit, Values, compiled

PER_REQUEST = "MAX_TOKENS_PER_REQUEST"
MONTHLY = "MONTHLY_TOKEN_BUDGET"
OF_ENVIRONMENT = {"max-tokens-per-request": PER_REQUEST, "monthly-token-budget": MONTHLY}
"""Names of the limits that variables state, each with its variable."""
PLAYGROUND_LIMIT = "console-playground"
"""What each person may spend on trying prompts."""
BUILT_IN = "built in"
"""Place of what nobody has stated."""

NOT_ADMITTED = (LimitExceeded.code, AccessError.code, PromptError.code)
"""Errors of calls that were refused before they were counted as requests."""

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
    first = {alias: deployment_of(model.use[0]) for alias, model in config.models.items()}

    def price(alias: str, usage: Usage) -> int | None:
        return prices.cost(first[alias], alias, usage) if alias in first else None

    return Rules(
        limits=all_limits(config, environ),
        optional=_optional(config),
        cheaper={alias: model.cheaper for alias, model in config.models.items() if model.cheaper},
        price=price,
        spikes=config.spikes,
    )


def all_limits(config: Config, environ: Mapping[str, str]) -> tuple[Limit, ...]:
    """Those of moat.yaml, those of the environment, and the playground's. Raises `ConfigError`."""
    return compiled([*config.limits, *environment_limits(environ, _optional(config)), playground_limit(config)])


def placed_limits(settings: Settings, environ: Mapping[str, str]) -> list[PlacedLimit]:
    """All of them, with their places. Raises `ConfigError`."""
    config, document = settings.config, settings.document
    stated = [
        *((limit, document.place(["limits", index])) for index, limit in enumerate(config.limits)),
        *((limit, OF_ENVIRONMENT[limit.name]) for limit in environment_limits(environ, _optional(config))),
        (playground_limit(config), _playground_place(document)),
    ]
    ready = compiled(limit for limit, _ in stated)
    return [PlacedLimit(each, place, limit.timezone) for each, (limit, place) in zip(ready, stated, strict=True)]


def _playground_place(document: Document) -> str:
    """Where it stands, if the file says anything of it."""
    console = document.data.get("console") or {}
    stated = "per_day" in (console.get("playground") or {})
    return document.place(["console", "playground", "per_day"]) if stated else BUILT_IN


def playground_limit(config: Config) -> LimitConfig:
    """What a person may spend in a day on trying prompts: `console.playground`."""
    money = config.console.playground.per_day
    return LimitConfig(name=PLAYGROUND_LIMIT, per=["user"], match={"feature": [PLAYGROUND]}, money=money, window="day")


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


def _optional(config: Config) -> frozenset[str]:
    return frozenset(name for name, feature in config.features.items() if not feature.critical)


def unpriced(config: Config, prices: Prices) -> list[str]:
    """One sentence for each deployment without a price that a money limit keeps calls from. Raises `ConfigError`."""
    money = [limit for limit in compiled(config.limits) if limit.measure == "money" and limit.hard]
    found = []
    for alias, model in config.models.items():
        names = [limit.name for limit in money if alias in limit.match.get("model", (alias,))]
        for target in dict.fromkeys(all_targets(model)) if names else ():
            if prices.cost(deployment_of(target), alias, Usage()) is None:
                found.append(
                    f"{alias}: {target} has no price, and the money limit {names[0]!r} keeps calls from what has none: "
                    f"set `price` in $.deployments or $.models.{alias}"
                )
    return found


def opening(traces: TraceReader, flush: Callable[[], object] = lambda: None) -> Opening:
    """What was used of a limit before it was counted, summed from the stored attempts.

    `flush` brings what is not stored yet into the store.
    """

    def used(limit: Limit, since_ns: int) -> Mapping[Values, int]:
        flush()
        if limit.name == PLAYGROUND_LIMIT:
            return _tried(since_ns)
        if limit.measure == "requests":
            return _calls(limit, since_ns)
        scopes: list[Scope] = [*dict.fromkeys((*limit.per, *limit.match, "environment"))]
        totals: dict[Values, int] = {}
        for row in traces.spending([_DIMENSIONS[scope] for scope in scopes], TraceFilter(since_ns=since_ns)):
            said: dict[str, str] = dict(zip(scopes, row.group, strict=True))
            values = limit.values(said)
            if values is not None and said["environment"] != EVALS:
                totals[values] = totals.get(values, 0) + _amount(limit, row)
        return totals

    def _tried(since_ns: int) -> Mapping[Values, int]:
        """Evaluations of drafts count too: those that have a user are somebody's."""
        totals: dict[Values, int] = {}
        for feature, environment in ((PLAYGROUND, ""), ("", EVALS)):
            wanted = TraceFilter(since_ns=since_ns, feature=feature, environment=environment)
            for row in traces.spending(["user"], wanted):
                if feature or row.group[0]:
                    totals[row.group] = totals.get(row.group, 0) + row.cost
        return totals

    def _calls(limit: Limit, since_ns: int) -> Mapping[Values, int]:
        scopes: list[Scope] = [*dict.fromkeys((*limit.per, *limit.match, "environment"))]
        by: list[Dimension] = [*(_DIMENSIONS[scope] for scope in scopes), "error"]
        totals: dict[Values, int] = {}
        for row in traces.usages(by, TraceFilter(since_ns=since_ns, shadow=False)):
            said: dict[str, str] = dict(zip(scopes, row.group[:-1], strict=True))
            values = limit.values(said)
            if values is not None and said["environment"] != EVALS and row.group[-1] not in NOT_ADMITTED:
                totals[values] = totals.get(values, 0) + row.calls
        return totals

    return used


def _amount(limit: Limit, row: Spend) -> int:
    return row.cost if limit.measure == "money" else row.usage.total


def _count(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "").strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"{text!r} is not a number of tokens", where=name, remedy="Write digits, such as 2000.")
    return int(text)
