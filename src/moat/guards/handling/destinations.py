"""Where data may go."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from moat.domain.errors import ConfigError
from moat.domain.guards import SENSITIVITY
from moat.domain.handling import DestinationConfig, Handling, HandlingRule

_REGION = "region:"
_SIDES = ("internal", "external")


class Destination(NamedTuple):
    """A place that data can go to."""

    name: str
    region: str = ""
    internal: bool = False


class Ruling(NamedTuple):
    """What a policy says of one class at one destination."""

    action: Handling
    rule: int
    """Index of the rule that says so; -1: none does."""


class Destinations:
    """All of them, and the rules."""

    def __init__(
        self, configs: Mapping[str, DestinationConfig], rules: Sequence[HandlingRule], providers: Sequence[str]
    ) -> None:
        """`providers`: all there are. Raises `ConfigError`; its `where` is the path in `data`."""
        self._rules = rules
        self._by_provider: dict[str, Destination] = {}
        for name, config in configs.items():
            if name in _SIDES or name.startswith(_REGION):
                raise ConfigError(
                    f"{name!r} means something else in rules",
                    where=f"destinations.{name}",
                    remedy="Give the destination another name; `internal: true` says that it is your own.",
                )
            for index, provider in enumerate(config.providers):
                where = f"destinations.{name}.providers.{index}"
                if provider not in providers:
                    raise ConfigError(
                        f"there is no provider {provider!r}", where=where, remedy=f"Providers: {', '.join(providers)}."
                    )
                if provider in self._by_provider:
                    raise ConfigError(f"{provider!r} is in two destinations", where=where)
                self._by_provider[provider] = Destination(name, config.region, config.internal)
        regions = {_REGION + config.region for config in configs.values() if config.region}
        names = {*configs, *providers, *_SIDES, *regions}
        for number, rule in enumerate(rules):
            for index, to in enumerate(rule.to):
                if to not in names:
                    raise ConfigError(
                        f"there is no destination {to!r}",
                        where=f"rules.{number}.to.{index}",
                        remedy=f"There are: {', '.join(sorted(names))}.",
                    )

    @property
    def restrict(self) -> bool:
        """May anything not go somewhere as it is?"""
        return any(rule.action != "allow" for rule in self._rules)

    def of(self, provider: str) -> Destination:
        """Where a provider is."""
        return self._by_provider.get(provider) or Destination(provider)

    def ruling(self, data_class: str, provider: str) -> Ruling:
        """What becomes of such data there."""
        destination = self.of(provider)
        for index, rule in enumerate(self._rules):
            if SENSITIVITY[data_class] >= SENSITIVITY[rule.class_] and _is_about(rule, destination, provider):
                return Ruling(rule.action, index)
        return Ruling("allow", -1)


def _is_about(rule: HandlingRule, destination: Destination, provider: str) -> bool:
    names = {destination.name, provider, _SIDES[not destination.internal]}
    if destination.region:
        names.add(_REGION + destination.region)
    return not rule.to or not names.isdisjoint(rule.to)
