"""Providers and models as moat.yaml has them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, NamedTuple

from moat.adapters.system import SystemClock
from moat.bootstrap.connections import HostGuard, WithheldProvider, connection, read_block
from moat.bootstrap.settings import Settings
from moat.domain.calls import Deployment
from moat.domain.config import Config, DeploymentConfig, ModelConfig
from moat.domain.errors import ConfigError
from moat.domain.quotas import Quota
from moat.domain.releases import digest
from moat.ports.connections import HostStore
from moat.ports.kinds import Surroundings
from moat.ports.models import Capacity, Provider
from moat.ports.prices import Prices
from moat.routing.health import DeploymentHealth
from moat.routing.router import Knowledge, Router, Scores
from moat.spend.apart import Question, capacity, tariff
from moat.spend.prices import PriceTable, Tariff, always, configured
from moat.spend.published import published_version

RETIRED_POLL_SECONDS = 5.0


def router(settings: Settings, environ: Mapping[str, str], shelf: "ProviderShelf", prices: Prices) -> Router:
    """`moat.ports.models.Models` on moat.yaml. Nothing may fail after it: it retires the providers that these settings
    no longer have.
    """
    known = Knowledge(
        prices=prices,
        capacities=_capacities(settings, environ),
        latency=shelf.health.latency,
        scores=lambda: shelf.scores,
    )
    return Router(settings.config.models, shelf.providers(settings), known)


class _Built(NamedTuple):
    config: Any
    sources: dict[str, Provider]
    """The other providers it was given."""
    provider: Provider


class ProviderShelf:
    """Builds providers on demand, each once; keeps those that are unchanged over a reload, and retires the others."""

    def __init__(self, environ: Mapping[str, str], hosts: HostStore | None = None, *, confined: bool = False) -> None:
        """`hosts`: where it is remembered which host gets which secret; None: any does. `confined`: a host that is not
        remembered gets none, not even for a first time.
        """
        self.health = DeploymentHealth(SystemClock())
        """What is learnt of deployments; it stays over a reload, but for those of providers that have changed."""
        self.scores: Scores = {}
        """What evals have shown of them; replaced as a whole."""
        self.withheld: tuple[str, ...] = ()
        """Which providers do not get their credentials, and why."""
        self.told: Callable[[Deployment, Quota], None] = self.health.report
        """Who hears what answers say of rate limits."""
        self._environ = environ
        self._hosts = hosts
        self._confined = confined
        self._built: dict[str, _Built] = {}
        self._longest = 0.0
        """Seconds that a call on these may last."""
        self._retired: list[tuple[float, Provider]] = []
        """With the time when no call can be under way on it any more."""

    def providers(self, settings: Settings) -> dict[str, Provider]:
        """All providers that some model uses, directly or as a fallback. Raises `ConfigError`, and changes nothing.

        A provider that no model uses is not built: its credentials may be absent.
        """
        models = settings.config.models.values()
        names = {deployment_of(target).provider for model in models for target in all_targets(model)}
        built: dict[str, _Built] = {}
        guard = HostGuard(self._hosts, confined=self._confined)
        found = {name: self._provider(name, settings, (), built, guard) for name in sorted(names)}
        guard.remember()
        self.withheld = tuple(guard.problems)
        kept = {id(entry.provider) for entry in built.values()}
        until = time.monotonic() + self._longest
        self._retired += [(until, old.provider) for old in self._built.values() if id(old.provider) not in kept]
        self.health.forget({name for name, old in self._built.items() if built.get(name) is not old})
        self.health.configure(settings.config.breaker)
        self._built = built
        self._longest = max((model.deadline for model in models), default=0.0)
        return found

    async def close_retired(self) -> None:
        """Release the connections of replaced providers, each after the last call on it; until cancelled."""
        while True:
            await asyncio.sleep(RETIRED_POLL_SECONDS)
            now = time.monotonic()
            due = [entry for entry in self._retired if entry[0] <= now]
            for entry in due:
                self._retired.remove(entry)
                await entry[1].aclose()

    async def aclose(self) -> None:
        """Release all connections."""
        for provider in [entry.provider for entry in self._built.values()] + [old for _, old in self._retired]:
            await provider.aclose()

    def _report(self, provider: str, model: str, quota: Quota) -> None:
        self.told(Deployment(provider, model), quota)

    def _provider(
        self, name: str, settings: Settings, parents: tuple[str, ...], built: dict[str, _Built], guard: HostGuard
    ) -> Provider:
        document = settings.document
        if name not in settings.config.providers:
            raise ConfigError(f"there is no provider {name!r}", where=document.place(["providers", *parents[-1:]]))
        if name in parents:
            raise ConfigError(f"provider {name!r} refers to itself", where=document.place(["providers", name]))
        if name in built:
            return built[name].provider
        sources: dict[str, Provider] = {}

        def source(other: str) -> Provider:
            sources[other] = self._provider(other, settings, (*parents, name), built, guard)
            return sources[other]

        kind, config = read_block(name, settings, self._environ)
        here = connection(name, settings.config, config, self._environ)
        withheld = guard.judge(here, document.place(["providers", name]))
        basis = withheld or config
        known = self._built.get(name)
        if known is not None and known.config == basis and all(source(x) is old for x, old in known.sources.items()):
            built[name] = known
        else:
            around = Surroundings(name=name, root=settings.root, provider=source, quota=partial(self._report, name))
            provider = WithheldProvider(withheld) if withheld is not None else kind.build(config, around)
            built[name] = _Built(basis, sources, provider)
        return built[name].provider


def price_table(
    settings: Settings, environ: Mapping[str, str], more: Iterable[tuple[str, Deployment]] = ()
) -> PriceTable:
    """Tariffs of every deployment: the alias's own price, else the deployment's, else the published one.

    `more`: further aliases and deployments, such as moat.yaml had once; without a price where it no longer says enough.
    """
    config = settings.config
    pairs = {(alias, deployment_of(target)) for alias, model in config.models.items() for target in all_targets(model)}
    pairs |= {("", deployment_of(target)) for target in config.deployments}
    tariffs = {(alias, at): _tariff(alias, at, settings, environ) for alias, at in sorted({*pairs, *more}, key=str)}
    stated = {
        "models": {alias: model.price for alias, model in config.models.items() if model.price is not None},
        "deployments": {name: found.price for name, found in config.deployments.items() if found.price is not None},
    }
    return PriceTable(tariffs, f"{published_version()}-{digest(stated).removeprefix('sha256:')[:8]}")


def all_targets(model: ModelConfig) -> list[str]:
    """Every `provider/model` that an alias may lead to."""
    return [*model.use, *(target for rule in model.rules for target in rule.use)]


def deployments(config: Config, alias: str) -> tuple[str, ...]:
    """What a model alias means: `provider/model` as written, its rules' included; nothing for an unknown one."""
    return tuple(all_targets(config.models[alias])) if alias in config.models else ()


def _tariff(alias: str, deployment: Deployment, settings: Settings, environ: Mapping[str, str]) -> Tariff | None:
    config = settings.config
    if alias in config.models and (price := config.models[alias].price) is not None:
        return always(configured(price, f"moat.yaml: $.models.{alias}.price"))
    special = config.deployments.get(str(deployment))
    if special is not None and special.price is not None:
        return always(configured(special.price, f"moat.yaml: $.deployments.{deployment}.price"))
    if deployment.provider not in config.providers:
        return None
    return tariff(_question(deployment, settings, environ))


def questions(settings: Settings, environ: Mapping[str, str]) -> list[Question]:
    """What price table and router will want to know of published prices and sizes. Raises `ConfigError`."""
    config = settings.config
    targets = dict.fromkeys(target for model in config.models.values() for target in all_targets(model))
    at = {target: config.deployments.get(target, DeploymentConfig()) for target in targets}
    unknown = [name for name, stated in at.items() if not (stated.price and stated.context and stated.max_output)]
    known = [deployment_of(name) for name in unknown if deployment_of(name).provider in config.providers]
    return [_question(deployment, settings, environ) for deployment in known]


def _question(deployment: Deployment, settings: Settings, environ: Mapping[str, str]) -> Question:
    kind, options = read_block(deployment.provider, settings, environ)
    url = getattr(options, "base_url", None)
    publisher = getattr(options, "preset", "") or kind.name
    return Question(deployment.model, url if isinstance(url, str) else "", publisher)


def _capacities(settings: Settings, environ: Mapping[str, str]) -> dict[Deployment, Capacity]:
    """What deployments take: as moat.yaml says, else as published."""
    names = {target for model in settings.config.models.values() for target in all_targets(model)}
    return {deployment_of(name): _capacity(name, settings, environ) for name in names}


def _capacity(target: str, settings: Settings, environ: Mapping[str, str]) -> Capacity:
    stated, deployment = settings.config.deployments.get(target, DeploymentConfig()), deployment_of(target)
    found = Capacity()
    if not (stated.context and stated.max_output):
        found = capacity(_question(deployment, settings, environ))
    return Capacity(stated.context or found.context, stated.max_output or found.output)


def deployment_of(target: str) -> Deployment:
    """`provider/model` in two."""
    provider, _, model = target.partition("/")
    return Deployment(provider, model)
