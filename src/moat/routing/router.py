"""From an alias to the deployments that shall answer a call."""

from collections.abc import Callable, Mapping
from random import Random

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Deployment, Plan
from moat.domain.config import ModelConfig, QualityConfig, RouteRule, Strategy
from moat.domain.errors import ContextOverflow, NotFound
from moat.domain.usage import Usage
from moat.pipeline.estimates import input_tokens, stated_output
from moat.ports.models import Capacity, Provider
from moat.ports.prices import Prices
from moat.routing.conditions import holds
from moat.routing.shortening import shorten
from moat.routing.strategies import Order, cheapest, fastest, weighted

TYPICAL_OUTPUT = 500
"""Tokens of an answer that `cheapest` compares by, when the call does not limit it."""

SHORTENED = 3 / 4
"""Of the conversation that is left when a deployment refused it and how much it takes is not known."""

Scores = Mapping[tuple[str, str], float]
"""Mean score, 0 to 1, of the newest run by suite and `provider/model`."""


class Knowledge(msgspec.Struct, frozen=True, kw_only=True):
    """What strategies go by."""

    prices: Prices
    capacities: Mapping[Deployment, Capacity] = {}
    """Nothing is known of those that are missing."""
    latency: Callable[[Deployment], float | None] = lambda deployment: None
    """Seconds until the first piece of an answer, of late."""
    scores: Callable[[], Scores] = dict
    """As they are now."""
    random: Random = msgspec.field(default_factory=Random)


class _Targets(msgspec.Struct, frozen=True):
    deployments: tuple[Deployment, ...]
    strategy: Strategy


class _Alias(msgspec.Struct, frozen=True):
    name: str
    config: ModelConfig
    targets: _Targets
    rules: tuple[tuple[RouteRule, _Targets], ...]
    weights: Mapping[Deployment, float]


class Router:
    """Implements `moat.ports.models.Models` on the `models` of `moat.yaml`."""

    def __init__(
        self, models: Mapping[str, ModelConfig], providers: Mapping[str, Provider], knowledge: Knowledge
    ) -> None:
        self._aliases = {name: _alias(name, config) for name, config in models.items()}
        self._providers = providers
        self._known = knowledge

    def plan(self, call: Call) -> Plan:
        """See `moat.ports.models.Models`."""
        return self._plan(call.model, call)

    def roomier(self, call: Call, error: ContextOverflow) -> Call:
        """The alias's `longer`, and its `longer`, and so on; then a shorter conversation, where `overflow` says so."""
        alias = call.plan.alias if call.plan is not None else call.model
        while longer := self._of(alias).config.longer:
            alias = longer
            try:
                plan = self._plan(alias, call)
            except ContextOverflow as also:
                error = also
                continue
            call.journal.notices.append(f"the conversation is too long for {call.model}: {alias} answers")
            return replace(call, plan=plan)
        if self._of(call.model).config.overflow == "refuse" or not call.messages:
            raise error
        return self._shortened(call, alias, error)

    def provider(self, name: str) -> Provider:
        """A configured provider."""
        return self._providers[name]

    def capacity(self, deployment: Deployment) -> Capacity:
        """As `moat.yaml` says, else as published, else not known."""
        return self._known.capacities.get(deployment, Capacity())

    def deployments(self, alias: str) -> tuple[Deployment, ...]:
        """What stands behind an alias when no rule applies. Raises `NotFound` naming the aliases there are."""
        return self._of(alias).targets.deployments

    def _of(self, alias: str) -> _Alias:
        found = self._aliases.get(alias)
        if found is None:
            raise NotFound(
                f"there is no model {alias!r}",
                where="model",
                remedy=f"Models: {', '.join(sorted(self._aliases)) or 'none'}; moat.yaml defines them.",
            )
        return found

    def _plan(self, name: str, call: Call) -> Plan:
        alias, tokens = self._of(name), input_tokens(call)
        targets = next((other for rule, other in alias.rules if holds(rule.when, call.caller, tokens)), alias.targets)
        output = stated_output(call) or 0
        fitting = [
            at for at in targets.deployments if tokens + output <= (self.capacity(at).context or tokens + output)
        ]
        if not fitting:
            raise self._overflow(name, targets, tokens, output)
        return Plan(
            alias=name,
            deployments=tuple(self._ordered(fitting, targets.strategy, alias, call, tokens)),
            retries=alias.config.retries,
            deadline_ns=round(alias.config.deadline * 1e9),
            hedge_ns=round(alias.config.hedge_after * 1e9),
            tokens=tokens,
        )

    def _ordered(self, fitting: Order, strategy: Strategy, alias: _Alias, call: Call, tokens: int) -> Order:
        known = self._known
        if strategy == "weighted":
            return weighted(fitting, alias.weights, known.random)
        if strategy == "fastest":
            return fastest(fitting, known.latency, known.random)
        if strategy == "cheapest":
            usage = Usage(input=tokens, output=stated_output(call) or TYPICAL_OUTPUT)
            good = good_enough(alias.config.quality, known.scores())
            return cheapest(fitting, lambda at: known.prices.cost(at, alias.name, usage), good)
        return fitting

    def _overflow(self, name: str, targets: _Targets, tokens: int, output: int) -> ContextOverflow:
        answer = f" and asks for an answer of up to {output:,}" if output else ""
        return ContextOverflow(
            f"the conversation has about {tokens:,} tokens{answer}; {name!r} takes {self._room(targets):,} in all",
            where="messages",
        )

    def _room(self, targets: _Targets) -> int:
        """Tokens that the largest deployment takes; 0 when that is not known."""
        contexts = [self.capacity(at).context for at in targets.deployments]
        return max(contexts) if all(contexts) else 0

    def _shortened(self, call: Call, alias: str, error: ContextOverflow) -> Call:
        """Without its oldest turns. Raises the error when no turn is left that may go."""
        tokens, room = input_tokens(call), self._room(self._of(alias).targets)
        allowed = room - (stated_output(call) or 0) if room else tokens
        if call.plan is not None:  # it was refused, as short as it is
            allowed = min(allowed, int(tokens * SHORTENED))
        messages, turns, gone = shorten(call.messages, tokens - allowed)
        if not turns:
            raise error
        shorter = replace(call, messages=messages)
        shorter = replace(shorter, plan=self._plan(alias, shorter))
        oldest = "oldest turn" if turns == 1 else f"oldest {turns} turns"
        call.journal.notices.append(
            f"the conversation was too long: its {oldest}, about {gone:,} tokens, were left out"
        )
        return shorter


def good_enough(quality: QualityConfig | None, scores: Scores) -> Callable[[Deployment], bool]:
    """Which deployments have shown what `quality` asks; all, when it asks nothing. No evidence is not enough."""
    if quality is None:
        return lambda deployment: True
    return lambda deployment: scores.get((quality.suite, str(deployment)), -1.0) >= quality.at_least


def _alias(name: str, config: ModelConfig) -> _Alias:
    rules = tuple((rule, _Targets(_deployments(rule.use), rule.strategy)) for rule in config.rules)
    weights = {Deployment(*name.split("/", 1)): weight for name, weight in config.weights.items()}
    return _Alias(name, config, _Targets(_deployments(config.use), config.strategy), rules, weights)


def _deployments(names: list[str]) -> tuple[Deployment, ...]:
    return tuple(Deployment(*name.split("/", 1)) for name in names)
