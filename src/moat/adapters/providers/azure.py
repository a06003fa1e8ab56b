"""Azure OpenAI: OpenAI's API at another address, with other credentials.

Both ways it is served: the v1 API, and deployments in the path with an `api-version`
(https://learn.microsoft.com/azure/ai-services/openai/reference). The model of a `provider/model` is the name of an
Azure deployment. What content filters say of an answer comes in the answer and is forwarded; an answer they stopped
ends with `content_filter`, a prompt they refused is an error 400.
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.openai import OpenAIConfig, OpenAIProvider
from moat.adapters.providers.openai_operations import PATHS
from moat.adapters.providers.openai_presets import PRESETS
from moat.domain.calls import Call
from moat.domain.errors import ConfigError, Unsupported
from moat.ports.kinds import ProviderKind, Surroundings

_ABSENT = ("rerank", "moderations")
_SERVER = PRESETS["openai"]
_OLDER = msgspec.structs.replace(_SERVER, length="")
_RENAMED_SINCE = "2024-12-01"
"""The `api_version` from which on `max_completion_tokens` is known everywhere; with an older one the name stays as the
client has it."""


class AzureConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `azure` in `moat.yaml`."""

    kind: str = "azure"
    base_url: str
    """The resource: `https://<name>.openai.azure.com`, without a path."""
    api_key: str = ""
    token: str = ""
    """An Entra ID access token, instead of `api_key`."""
    api_version: str = ""
    """Such as `2024-10-21`: deployments in the path. Empty: the v1 API."""
    headers: dict[str, str] = {}
    timeouts: ProviderTimeouts = ProviderTimeouts()
    connections: int = 512
    private_network: bool = False
    """May the name in `base_url` lead to a private address, as a private endpoint's does?"""


@dataclass(frozen=True)
class _Deployments:
    """Addresses of the path style."""

    base: str
    version: str

    def __call__(self, call: Call) -> str:
        """Where a call is sent."""
        assert call.deployment is not None, "Attempts sets the deployment"
        deployment = quote(call.deployment.model, safe="")
        return f"{self.base}/openai/deployments/{deployment}{_path(call)}?api-version={quote(self.version, safe='')}"


@dataclass(frozen=True)
class _VersionOne:
    """Addresses of the v1 API."""

    base: str

    def __call__(self, call: Call) -> str:
        """Where a call is sent."""
        return f"{self.base}/openai/v1{_path(call)}"


def _path(call: Call) -> str:
    if call.operation in _ABSENT:
        raise Unsupported(f"Azure OpenAI has no {call.operation}", where=f"provider {call.deployment}")
    return PATHS[call.operation]


def _build(config: AzureConfig, around: Surroundings) -> OpenAIProvider:
    where = f"provider {around.name}"
    if bool(config.api_key) == bool(config.token):
        raise ConfigError("takes `api_key` or `token`, one of them", where=where)
    base = config.base_url.rstrip("/")
    for ending in ("/openai/v1", "/openai"):
        base = base.removesuffix(ending)
    openai = OpenAIConfig(
        base_url=f"{base}/openai/v1",
        api_key=config.token,
        headers={**({"api-key": config.api_key} if config.api_key else {}), **config.headers},
        timeouts=config.timeouts,
        connections=config.connections,
        private_network=config.private_network,
    )
    address: Callable[[Call], str] = _VersionOne(base)
    if config.api_version:
        address = _Deployments(base, config.api_version)
    server = _OLDER if "" < config.api_version < _RENAMED_SINCE else _SERVER
    return OpenAIProvider(openai, name=around.name, quota=around.quota, address=address, server=server)


KIND = ProviderKind("azure", AzureConfig, _build)
