"""What can be extended by installing a package, and what ships with Moat."""

import difflib
from importlib import import_module
from importlib.metadata import entry_points

from moat.domain.errors import ConfigError
from moat.ports.kinds import ProviderKind

PROVIDER_GROUP = "moat.providers"
"""Entry point group: name = kind, value = a `ProviderKind`."""

SHIPPED = {
    "anthropic": "moat.adapters.providers.anthropic:KIND",
    "azure": "moat.adapters.providers.azure:KIND",
    "bedrock": "moat.adapters.providers.bedrock:KIND",
    "litellm": "moat.adapters.providers.litellm_sdk:KIND",
    "openai": "moat.adapters.providers.openai:KIND",
    "gemini": "moat.adapters.providers.gemini:KIND",
    "vertex": "moat.adapters.providers.gemini_vertex:KIND",
    "simulated": "moat.testing.simulated:KIND",
    "replay": "moat.testing.replay:KIND",
}


def provider_kind(name: str, where: str) -> ProviderKind:
    """The kind of provider that `moat.yaml` names at `where`. Raises `ConfigError` with the kinds there are."""
    if name in SHIPPED:
        module, _, attribute = SHIPPED[name].partition(":")
        found: ProviderKind = getattr(import_module(module), attribute)
        return found
    installed = {point.name: point for point in entry_points(group=PROVIDER_GROUP)}
    if name in installed:
        kind = installed[name].load()
        if isinstance(kind, ProviderKind):
            return kind
        raise ConfigError(f"the plugin for kind {name!r} offers no ProviderKind", where=where)
    known = sorted({*SHIPPED, *installed})
    close = difflib.get_close_matches(name, known, n=1)
    remedy = f"Did you mean {close[0]!r}?" if close else f"Kinds: {', '.join(known)}."
    raise ConfigError(f"unknown kind of provider {name!r}", where=where, remedy=remedy)
