"""Providers and models as moat.yaml has them."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from moat.bootstrap.plugins import provider_kind
from moat.bootstrap.settings import Settings, resolve
from moat.documents import decode
from moat.domain.calls import Call, Deployment, Plan
from moat.domain.errors import ConfigError, NotFound
from moat.ports.kinds import ProviderKind, Surroundings
from moat.ports.models import Capacity, Provider
from moat.spend.prices import PriceTable, Rates, configured, published

RETIRED_POLL_SECONDS = 5.0


class ConfiguredModels:
    """Implements `moat.ports.models.Models` on moat.yaml."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._models = settings.config.models
        self._plans = {
            alias: tuple(_deployment(target) for target in model.use) for alias, model in self._models.items()
        }
        self._providers = providers

    def plan(self, call: Call) -> Plan:
        """Deployments in the order to try them."""
        alias = call.model
        model = self._models.get(alias)
        return Plan(
            alias=alias,
            deployments=self.deployments(alias),
            retries=model.retries if model else 0,
            deadline_ns=round(model.deadline * 1e9) if model else 0,
        )

    def deployments(self, alias: str) -> tuple[Deployment, ...]:
        """Everything that stands behind an alias. Raises `NotFound` naming the aliases there are."""
        deployments = self._plans.get(alias)
        if deployments is None:
            raise NotFound(
                f"there is no model {alias!r}",
                where="model",
                remedy=f"Models: {', '.join(sorted(self._plans)) or 'none'}; moat.yaml defines them.",
            )
        return deployments

    def capacity(self, deployment: Deployment) -> Capacity:
        """Not known yet."""
        return Capacity()

    def provider(self, name: str) -> Provider:
        """A configured provider."""
        return self._providers[name]


class _Built(NamedTuple):
    config: Any
    sources: dict[str, Provider]
    """The other providers it was given."""
    provider: Provider


class ProviderShelf:
    """Builds providers on demand, each once; keeps those that are unchanged over a reload, and retires the others."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._built: dict[str, _Built] = {}
        self._longest = 0.0
        """Seconds that a call on these may last."""
        self._retired: list[tuple[float, Provider]] = []
        """With the time when no call can be under way on it any more."""

    def providers(self, settings: Settings) -> dict[str, Provider]:
        """All providers that some model uses, directly or as a fallback. Raises `ConfigError`, and changes nothing.

        A provider that no model uses is not built: its credentials may be absent.
        """
        names = {_deployment(target).provider for model in settings.config.models.values() for target in model.use}
        built: dict[str, _Built] = {}
        found = {name: self._provider(name, settings, (), built) for name in sorted(names)}
        kept = {id(entry.provider) for entry in built.values()}
        until = time.monotonic() + self._longest
        self._retired += [(until, old.provider) for old in self._built.values() if id(old.provider) not in kept]
        self._built = built
        self._longest = max((model.deadline for model in settings.config.models.values()), default=0.0)
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

    def _provider(self, name: str, settings: Settings, parents: tuple[str, ...], built: dict[str, _Built]) -> Provider:
        document = settings.document
        if name not in settings.config.providers:
            raise ConfigError(f"there is no provider {name!r}", where=document.place(["providers", *parents[-1:]]))
        if name in parents:
            raise ConfigError(f"provider {name!r} refers to itself", where=document.place(["providers", name]))
        if name in built:
            return built[name].provider
        sources: dict[str, Provider] = {}

        def source(other: str) -> Provider:
            sources[other] = self._provider(other, settings, (*parents, name), built)
            return sources[other]

        kind, config = _configured(name, settings, self._environ)
        known = self._built.get(name)
        if known is not None and known.config == config and all(source(x) is old for x, old in known.sources.items()):
            built[name] = known
        else:
            provider = kind.build(config, Surroundings(name=name, root=settings.root, provider=source))
            built[name] = _Built(config, sources, provider)
        return built[name].provider


def price_table(settings: Settings, environ: Mapping[str, str]) -> PriceTable:
    """Rates of every deployment: the alias's own price, else the published one of an OpenAI-compatible API."""
    rates: dict[tuple[str, Deployment], Rates | None] = {}
    for alias, model in settings.config.models.items():
        for target in model.use:
            deployment = _deployment(target)
            if model.price is not None:
                rates[alias, deployment] = configured(model.price, f"moat.yaml: $.models.{alias}.price")
                continue
            _, config = _configured(deployment.provider, settings, environ)
            url = getattr(config, "base_url", None)
            rates[alias, deployment] = published(deployment.model, url) if isinstance(url, str) else None
    return PriceTable(rates)


def _deployment(target: str) -> Deployment:
    provider, _, model = target.partition("/")
    return Deployment(provider, model)


def _configured(name: str, settings: Settings, environ: Mapping[str, str]) -> tuple[ProviderKind, Any]:
    """A provider's kind, and its block as that kind reads it. Raises `ConfigError`."""
    document = settings.document
    options = resolve(settings.config.providers[name], settings, ["providers", name], environ)
    for field, value in options.items():
        if isinstance(value, str) and "\0" in value:
            place = document.place(["providers", name, field])
            raise ConfigError(f"a NUL character stands in $.providers.{name}.{field}", where=place)
    kind = provider_kind(options["kind"], where=document.place(["providers", name, "kind"]))
    # The document with the references replaced, places kept.
    resolved = document.with_data({**document.data, "providers": {**document.data["providers"], name: options}})
    return kind, decode(resolved, kind.config, at=["providers", name], error=ConfigError)
