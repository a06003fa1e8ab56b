"""Providers and models as moat.yaml has them."""

from collections.abc import Mapping
from typing import Any

from moat.bootstrap.plugins import provider_kind
from moat.bootstrap.settings import Settings, resolve
from moat.documents import Document, decode
from moat.domain.calls import Deployment
from moat.domain.errors import ConfigError, NotFound
from moat.ports.kinds import Surroundings
from moat.ports.models import Provider
from moat.spend.prices import PriceTable, Rates, configured, published


class ConfiguredModels:
    """Implements `moat.ports.models.Models` on moat.yaml."""

    def __init__(self, settings: Settings, providers: Mapping[str, Provider]) -> None:
        self._models = settings.config.models
        self._plans = {
            alias: tuple(_deployment(target) for target in model.use) for alias, model in self._models.items()
        }
        self._providers = providers

    def plan(self, alias: str) -> tuple[Deployment, ...]:
        """Deployments in the order to try them."""
        plan = self._plans.get(alias)
        if plan is None:
            raise NotFound(
                f"there is no model {alias!r}",
                where="model",
                remedy=f"Models: {', '.join(sorted(self._plans)) or 'none'}; moat.yaml defines them.",
            )
        return plan

    def provider(self, name: str) -> Provider:
        """A configured provider."""
        return self._providers[name]

    def retries(self, alias: str) -> int:
        """Further tries at one deployment."""
        return self._models[alias].retries

    def deadline_ns(self, alias: str) -> int:
        """Nanoseconds for the whole call."""
        return round(self._models[alias].deadline * 1e9)


class ProviderShelf:
    """Builds providers on demand, each once; keeps those whose block is unchanged over a reload."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._built: dict[str, tuple[Any, Provider]] = {}

    def providers(self, settings: Settings) -> dict[str, Provider]:
        """All providers that some model uses, directly or as a fallback. Raises `ConfigError`.

        A provider that no model uses is not built: its credentials may be absent.
        """
        names = {_deployment(target).provider for model in settings.config.models.values() for target in model.use}
        return {name: self._provider(name, settings, ()) for name in sorted(names)}

    async def aclose(self) -> None:
        """Release all connections."""
        for _, provider in self._built.values():
            await provider.aclose()

    def _provider(self, name: str, settings: Settings, parents: tuple[str, ...]) -> Provider:
        document = settings.document
        place = document.place(["providers", name])
        if name not in settings.config.providers:
            raise ConfigError(f"there is no provider {name!r}", where=document.place(["providers", *parents[-1:]]))
        if name in parents:
            raise ConfigError(f"provider {name!r} refers to itself", where=place)
        options = resolve(settings.config.providers[name], settings, ["providers", name], self._environ)
        known = self._built.get(name)
        if known is not None and known[0] == options:
            return known[1]
        kind = provider_kind(options["kind"], where=document.place(["providers", name, "kind"]))
        config = decode(_resolved(document, name, options), kind.config, at=["providers", name], error=ConfigError)
        surroundings = Surroundings(
            name=name,
            root=settings.root,
            provider=lambda other: self._provider(other, settings, (*parents, name)),
        )
        provider = kind.build(config, surroundings)
        self._built[name] = (options, provider)
        return provider


def price_table(settings: Settings, environ: Mapping[str, str]) -> PriceTable:
    """Rates of every deployment: the alias's own price, else the published one of an OpenAI-compatible API."""
    rates: dict[tuple[str, Deployment], Rates | None] = {}
    for alias, model in settings.config.models.items():
        for target in model.use:
            deployment = _deployment(target)
            if model.price is not None:
                rates[alias, deployment] = configured(model.price, f"moat.yaml: $.models.{alias}.price")
                continue
            url = settings.config.providers[deployment.provider].get("base_url")
            path: list[str | int] = ["providers", deployment.provider, "base_url"]
            rates[alias, deployment] = (
                published(deployment.model, resolve(url, settings, path, environ)) if isinstance(url, str) else None
            )
    return PriceTable(rates)


def _deployment(target: str) -> Deployment:
    provider, _, model = target.partition("/")
    return Deployment(provider, model)


def _resolved(document: Document, name: str, options: Any) -> Document:
    """The document with one provider's references replaced, places kept."""
    data = {**document.data, "providers": {**document.data["providers"], name: options}}
    return document.with_data(data)
