"""Gemini on Vertex AI (https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference).

The same bodies as the Gemini API's, below a project and a location, for an access token.
"""

from urllib.parse import quote

from moat.adapters.providers.gemini import GeminiProvider, GoogleConfig, request_headers
from moat.adapters.providers.gemini_tokens import Tokens, read_account, read_file, signer
from moat.adapters.providers.http1 import Headers, request_head
from moat.domain.errors import ConfigError
from moat.ports.kinds import ProviderKind, Surroundings

_OWN_HOSTS = {"global": "aiplatform.googleapis.com"} | {
    region: f"aiplatform.{region}.rep.googleapis.com" for region in ("us", "eu")
}
"""Locations that are no single region."""


class VertexConfig(GoogleConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `vertex` in `moat.yaml`. It states `access_token`, `credentials` or `credentials_file`."""

    kind: str = "vertex"
    project: str
    location: str = "global"
    base_url: str = ""
    """Up to, not including, `/projects/`; empty: the location's own."""
    access_token: str = ""
    """One that somebody else keeps fresh."""
    credentials: str = ""
    """The JSON key of a service account."""
    credentials_file: str = ""
    """Path of the file that holds it, relative to the project."""


class VertexAccess:
    """`moat.adapters.providers.gemini.Access` to Vertex AI."""

    vertex = True

    def __init__(self, config: VertexConfig, tokens: Tokens | None) -> None:
        """Without `tokens`, the configured one serves. Raises `ConfigError` for what cannot be sent."""
        host = _OWN_HOSTS.get(config.location) or f"{config.location}-aiplatform.googleapis.com"
        base = (config.base_url or f"https://{host}/v1").rstrip("/")
        self._parent = f"{base}/projects/{quote(config.project)}/locations/{quote(config.location)}"
        self._base = base
        self._config = config
        self._tokens = tokens
        request_head("POST", self.url("any"), self._request_headers(config.access_token))

    def url(self, model: str) -> str:
        """One of Google's models, or by its path: `publishers/...`, `endpoints/...`, or `projects/...` from the top."""
        path = quote(model, safe="/@")
        if path.startswith("projects/"):
            return f"{self._base}/{path}"
        return f"{self._parent}/{path if '/' in path else f'publishers/google/models/{path}'}"

    async def headers(self) -> Headers:
        """With a token that lasts."""
        return self._request_headers(await self._tokens.token() if self._tokens else self._config.access_token)

    def secrets(self) -> list[str]:
        """Tokens, and what further headers say."""
        token = self._tokens.current if self._tokens else self._config.access_token
        return [token, *self._config.headers.values()]

    def refused(self) -> None:
        """Get another token, if one can be had."""
        if self._tokens:
            self._tokens.forget()

    async def aclose(self) -> None:
        """Release connections."""
        if self._tokens:
            await self._tokens.aclose()

    def _request_headers(self, token: str) -> Headers:
        return request_headers({"authorization": f"Bearer {token}"}, self._config.headers)


def _build(config: VertexConfig, around: Surroundings) -> GeminiProvider:
    stated = [name for name in ("access_token", "credentials", "credentials_file") if getattr(config, name)]
    if len(stated) != 1:
        raise ConfigError(f"provider {around.name} needs one of `access_token`, `credentials` and `credentials_file`")
    tokens = None
    if not config.access_token:
        text, where = config.credentials, f"provider {around.name}: credentials"
        if config.credentials_file:
            where = str(around.root / config.credentials_file)
            text = read_file(around.root / config.credentials_file)
        account = read_account(text, where=where)
        tokens = Tokens(account, signer(account, where=where), where=f"provider {around.name}")
    return GeminiProvider(VertexAccess(config, tokens), config, name=around.name)


KIND = ProviderKind("vertex", VertexConfig, _build)
