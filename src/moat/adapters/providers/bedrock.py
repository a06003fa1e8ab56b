"""AWS Bedrock: chat through the Converse API, embeddings through InvokeModel."""

import datetime
from collections.abc import AsyncGenerator, Callable
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

from moat.adapters.providers import bedrock_embeddings, bedrock_request
from moat.adapters.providers.bedrock_answer import Stream, whole
from moat.adapters.providers.bedrock_errors import error_answered
from moat.adapters.providers.exchange import Asking, Exchange, ProviderTimeouts, Refusal, answered, last_words
from moat.adapters.providers.http1 import Headers
from moat.adapters.providers.sigv4 import Credentials, Scope, signed
from moat.domain.calls import Call, Event
from moat.domain.errors import ConfigError, ProviderError
from moat.domain.quotas import Quota
from moat.ports.kinds import ProviderKind, Surroundings

EVENTS = "application/vnd.amazon.eventstream"

_encode = msgspec.json.Encoder().encode


class BedrockConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `bedrock` in `moat.yaml`."""

    kind: str = "bedrock"
    region: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]+$")]
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    """Of temporary credentials."""
    api_key: str = ""
    """A Bedrock API key, sent as a bearer token, instead of the three above."""
    base_url: str = ""
    """Empty: the region's public endpoint."""
    headers: dict[str, str] = {}
    """Further request headers; they are signed too."""
    structured_outputs: Literal["native", "tool"] = "native"
    """How a `json_schema` is asked for; `tool` for models without structured outputs of their own."""
    timeouts: ProviderTimeouts = ProviderTimeouts()
    connections: int = 512
    private_network: bool = False
    """May the name in `base_url` lead to a private address, as a VPC endpoint's does?"""

    def __post_init__(self) -> None:
        """Take the address from the region."""
        if not self.base_url:
            ending = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
            msgspec.structs.force_setattr(self, "base_url", f"https://bedrock-runtime.{self.region}.{ending}")


class BedrockProvider:
    """Asks one region. Opens connections as needed; `aclose` releases them."""

    def __init__(
        self,
        config: BedrockConfig,
        *,
        name: str = "bedrock",
        quota: Callable[[str, Quota], None] = lambda model, quota: None,
    ) -> None:
        """Raises `ConfigError` for an address, a header or credentials that cannot be used."""
        self._where = f"provider {name}"
        if bool(config.api_key) == bool(config.access_key_id and config.secret_access_key):
            raise ConfigError("takes `access_key_id` and `secret_access_key`, or `api_key`", where=self._where)
        self._base = config.base_url.rstrip("/")
        self._config = config
        self._credentials = Credentials(
            access_key_id=config.access_key_id,
            secret_access_key=config.secret_access_key,
            session_token=config.session_token,
        )
        self._scope = Scope(config.region, "bedrock")
        self._headers = _headers(config)
        secrets = (config.api_key, config.secret_access_key, config.session_token, *config.headers.values())
        self._exchange = Exchange(self._where, config, self._refused, lambda: secrets, quota)
        signed_ones = (*self._headers, *self._sign(f"{self._base}/", b""))
        self._exchange.client.check(f"{self._base}/model/any/converse", signed_ones)

    def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        offers = {"chat": self._whole, "embeddings": self._embed}
        return answered(call, offers, self._stream, where=self._where)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._exchange.open_connections

    async def _stream(self, call: Call) -> AsyncGenerator[Event, None]:
        asked = bedrock_request.request(call, self._config.structured_outputs)
        stream = Stream(asked.answer_tool, where=self._where)
        async with self._request(call, "converse-stream", _encode(asked.body), EVENTS) as response:
            async for chunk in response:
                deltas = stream.feed(chunk)
                if stream.heard:
                    self._exchange.heard(response)
                for delta in deltas:
                    yield delta
                if stream.done:
                    break
            yield stream.finish()
            await last_words(response)

    async def _whole(self, call: Call) -> list[Event]:
        asked = bedrock_request.request(call, self._config.structured_outputs)
        async with self._request(call, "converse", _encode(asked.body)) as response:
            return [*whole(await self._exchange.read(response), asked.answer_tool, where=self._where)]

    async def _embed(self, call: Call) -> tuple[Event, Event]:
        async with self._request(call, "invoke", _encode(bedrock_embeddings.request(call))) as response:
            raw, headers = await self._exchange.read(response), dict(response.headers)
            return bedrock_embeddings.read_answer(call, raw, headers, where=self._where)

    def _request(self, call: Call, method: str, body: bytes, wanted: str = "") -> Asking:
        assert call.deployment is not None, "Attempts sets the deployment"
        url = f"{self._base}/model/{quote(call.deployment.model, safe='')}/{method}"
        return self._exchange.ask(call, url, self._headers, body, wanted=wanted, signature=self._sign(url, body))

    def _refused(self, refusal: Refusal) -> ProviderError | None:
        if refusal.status == 200:
            return None
        return error_answered(refusal.status, refusal.headers, refusal.body, where=self._where)

    def _sign(self, url: str, body: bytes) -> Headers:
        if self._config.api_key:
            return ()
        now = datetime.datetime.now(datetime.UTC)
        return signed("POST", url, self._headers, body, self._credentials, self._scope, now)[len(self._headers) :]


def _headers(config: BedrockConfig) -> Headers:
    headers = {"content-type": "application/json", "user-agent": "moat"}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key}"
    return tuple((headers | {name.lower(): value for name, value in config.headers.items()}).items())


def _build(config: BedrockConfig, around: Surroundings) -> BedrockProvider:
    return BedrockProvider(config, name=around.name, quota=around.quota)


KIND = ProviderKind("bedrock", BedrockConfig, _build)
