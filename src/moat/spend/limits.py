"""Limits as `moat.yaml` has them, checked and made ready to count by."""

import datetime
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from moat.domain.config import LimitConfig, Scope
from moat.domain.errors import ConfigError
from moat.domain.releases import digest
from moat.domain.usage import format_usd, from_usd
from moat.domain.windows import WindowKind, zone

Measure = Literal["requests", "tokens", "money", "concurrent"]
MEASURES: tuple[Measure, ...] = ("requests", "tokens", "money", "concurrent")
SCOPES: tuple[Scope, ...] = ("key", "tenant", "feature", "user", "model", "environment")
MAX_DOLLARS = 10**6
"""Of a budget: picodollars beyond it would not fit into 64 bits."""


class PlacedLimit(NamedTuple):
    """A limit, and where it is stated: `file:line`, a variable of the environment, or `built in`."""

    limit: "Limit"
    place: str
    timezone: str


Values = tuple[str, ...]
"""What a call says for each scope that a limit counts by, in the order of `Limit.per`."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, ready to count by."""

    name: str
    per: tuple[Scope, ...]
    match: Mapping[Scope, frozenset[str]]
    measure: Measure
    amount: int
    """Requests, tokens, picodollars, or calls at one time."""
    window: WindowKind | None
    """None: each call by itself, or, for `concurrent`, at one time."""
    tz: datetime.tzinfo
    action: str
    warn_at: tuple[float, ...] = ()
    identity: str = ""
    """What it counts, apart from how much and what follows: counters live on as long as this stays the same."""

    @property
    def hard(self) -> bool:
        """Does it bound what is spent? The others only count, and change calls."""
        return self.action in ("reject", "cap")

    def values(self, scopes: Mapping[str, str]) -> Values | None:
        """Which counter a call with these scopes falls on; None when the limit does not apply to it."""
        for scope, allowed in self.match.items():
            if scopes[scope] not in allowed:
                return None
        return tuple([scopes[scope] for scope in self.per])

    def number(self, amount: int) -> str:
        """An amount of what it measures, for people."""
        return format_usd(amount) if self.measure == "money" else f"{amount:,}"

    def shown(self, amount: int) -> str:
        """The same, saying of what."""
        noun = {"money": "", "concurrent": " concurrent calls"}.get(self.measure, f" {self.measure}")
        return self.number(amount) + noun

    def whose(self, values: Values) -> str:
        """Whose counter: `tenant acme, feature chat`; `the whole service`."""
        parts = [f"{scope} {value or '(none)'}" for scope, value in zip(self.per, values, strict=True)]
        for scope, allowed in self.match.items():
            if scope not in self.per:
                parts.append(f"{scope} {' or '.join(sorted(allowed))}")
        return ", ".join(parts) or "the whole service"


def compiled(limits: Iterable[LimitConfig]) -> tuple[Limit, ...]:
    """All limits, in their order. Raises `ConfigError` with the JSON path of what cannot be meant."""
    found: dict[str, Limit] = {}
    for index, limit in enumerate(limits):
        path = f"moat.yaml: $.limits[{index}]"
        if limit.name in found:
            raise ConfigError(
                f"two limits are called {limit.name!r}", where=path, remedy="Give each a name of its own."
            )
        found[limit.name] = _compiled(limit, path)
    return tuple(found.values())


def _compiled(limit: LimitConfig, path: str) -> Limit:
    given: list[Measure] = [name for name in MEASURES if getattr(limit, name) is not None]
    if len(given) != 1:
        what = " and ".join(given) if given else "nothing"
        remedy = "State exactly one of requests, tokens, money and concurrent; write two limits for two of them."
        raise ConfigError(f"the limit {limit.name!r} states {what}", where=path, remedy=remedy)
    measure = given[0]
    by_call = measure == "concurrent" or limit.window == "request"
    _check(limit, measure, path)
    identity = digest([limit.name, sorted(limit.per), _sorted(limit.match), measure, limit.window, limit.timezone])
    return Limit(
        name=limit.name,
        per=tuple(scope for scope in SCOPES if scope in limit.per),
        match={scope: frozenset(values) for scope, values in limit.match.items()},
        measure=measure,
        amount=dollars(limit.money or "", f"{path}.money") if measure == "money" else getattr(limit, measure),
        window=None if by_call else limit.window,  # type: ignore[arg-type]  # "request" is no window
        tz=zone(limit.timezone),
        action=limit.action,
        warn_at=tuple(sorted(limit.warn_at)),
        identity=identity,
    )


def _check(limit: LimitConfig, measure: Measure, path: str) -> None:
    """What one measure allows and another does not."""
    problem = remedy = ""
    if measure == "requests" and limit.window == "request":
        problem, remedy = "one request is always one request", "Choose a window: minute, hour, day or month."
    elif limit.action == "cap" and measure not in ("tokens", "money"):
        problem, remedy = f"an answer cannot be shortened to fit {measure}", "Use `action: reject`."
    elif limit.window == "request" and limit.action in ("downgrade", "disable") and measure == "money":
        problem = "what one call will cost is known only when its model is chosen"
        remedy = "Use `action: reject` or `cap`."
    elif limit.match and (empty := [scope for scope, values in limit.match.items() if not values]):
        problem, remedy = f"`match.{empty[0]}` lists no value", "Leave it out, or list values."
    if problem:
        raise ConfigError(f"the limit {limit.name!r} cannot hold: {problem}", where=path, remedy=remedy)


def dollars(text: str, where: str) -> int:
    """Picodollars of an amount in moat.yaml. Raises `ConfigError`."""
    remedy = 'Write US dollars as text, such as "25.00".'
    try:
        amount = from_usd(text)
    except (ArithmeticError, ValueError):
        raise ConfigError(f"{text!r} is not an amount", where=where, remedy=remedy) from None
    if not 0 <= amount <= from_usd(MAX_DOLLARS):
        raise ConfigError(f"{text!r} is no budget", where=where, remedy=f"At most {MAX_DOLLARS:,}.")
    return amount


def _sorted(match: Mapping[Scope, list[str]]) -> list[tuple[str, list[str]]]:
    return sorted((scope, sorted(values)) for scope, values in match.items())
