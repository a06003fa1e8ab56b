"""AWS Bedrock: chat through the Converse API, embeddings through InvokeModel."""

import asyncio
import contextlib
import datetime
from collections.abc import AsyncGenerator
from typing import Annotated, Literal
from urllib.parse import quote

import msgspec

from moat.adapters.providers import bedrock_embeddings, bedrock_request
from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.bedrock_answer import Stream, whole
from moat.adapters.providers.bedrock_errors import error_answered
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.adapters.providers.openai import LAST_WORDS, MAX_BODY_BYTES, MAX_ERROR_BYTES, OpenAITimeouts
from moat.adapters.providers.openai_errors import Redactor
from moat.adapters.providers.sigv4 import Credentials, Scope, signed
from moat.domain.calls import Call, Event, traceparent
from moat.domain.errors import ConfigError, ProviderDown, ProviderError, ProviderTimeout, Unsupported
from moat.ports.kinds import ProviderKind, Surroundings

EVENT_STREAM = "application/vnd.amazon.eventstream"

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
    timeouts: OpenAITimeouts = OpenAITimeouts()
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

    def __init__(self, config: BedrockConfig, *, name: str = "bedrock") -> None:
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
        self._redact = Redactor(
            [config.api_key, config.secret_access_key, config.session_token, *config.headers.values()]
        )
        limits = config.timeouts
        self._timeouts = Timeouts(connect=limits.connect, first_byte=limits.first_token, idle=limits.idle)
        self._stream_timeouts = msgspec.structs.replace(self._timeouts, idle=None)
        reach = Reach.PRIVATE if config.private_network else Reach.NAMED
        self._client = HttpClient(where=self._where, limits=Limits(connections=config.connections), reach=reach)
        self._client.check(f"{self._base}/model/any/converse", self._sign(f"{self._base}/", b""))

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        try:
            if call.operation == "embeddings":
                for event in await self._embed(call):
                    yield event
            elif call.operation != "chat":
                raise Unsupported(f"Bedrock offers no {call.operation}", where=self._where)
            elif call.stream:
                async with contextlib.aclosing(self._stream(call)) as events:
                    async for event in events:
                        yield event
            else:
                for event in await self._whole(call):
                    yield event
        except ProviderError as error:
            error.what = self._redact(error.what)
            error.args = (error.what,)
            raise

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._client.open_connections

    async def _stream(self, call: Call) -> AsyncGenerator[Event, None]:
        asked = bedrock_request.request(call, self._config.structured_outputs)
        stream = Stream(asked.answer_tool, where=self._where)
        async with self._request(call, "converse-stream", _encode(asked.body), self._stream_timeouts) as response:
            await self._check(response, EVENT_STREAM)
            async for chunk in response:
                deltas = stream.feed(chunk)
                if stream.heard:
                    response.allow(self._config.timeouts.idle)
                for delta in deltas:
                    yield delta
                if stream.done:
                    break
            yield stream.finish()
            response.allow(LAST_WORDS)
            with contextlib.suppress(ProviderError):
                await response.read(MAX_ERROR_BYTES)

    async def _whole(self, call: Call) -> list[Event]:
        asked = bedrock_request.request(call, self._config.structured_outputs)
        raw, _ = await self._read(call, "converse", _encode(asked.body))
        return [*whole(raw, asked.answer_tool, where=self._where)]

    async def _embed(self, call: Call) -> tuple[Event, Event]:
        raw, headers = await self._read(call, "invoke", _encode(bedrock_embeddings.request(call)))
        return bedrock_embeddings.read_answer(call, raw, headers, where=self._where)

    def _request(self, call: Call, method: str, body: bytes, timeouts: Timeouts) -> Response:
        assert call.deployment is not None, "Attempts sets the deployment"
        url = f"{self._base}/model/{quote(call.deployment.model, safe='')}/{method}"
        return self._client.request("POST", url, self._sign(url, body), body, timeouts, trace=traceparent(call))

    def _sign(self, url: str, body: bytes) -> Headers:
        if self._config.api_key:
            return self._headers
        now = datetime.datetime.now(datetime.UTC)
        return signed("POST", url, self._headers, body, self._credentials, self._scope, now)

    async def _read(self, call: Call, method: str, body: bytes) -> tuple[bytes, dict[str, str]]:
        """An answer in one piece. However it dribbles in, it has `first_token + idle` seconds for its body."""
        limit = self._config.timeouts.first_token + self._config.timeouts.idle
        async with self._request(call, method, body, self._timeouts) as response:
            await self._check(response, "")
            try:
                async with asyncio.timeout(None if response.complete else limit):
                    return await response.read(MAX_BODY_BYTES), dict(response.headers)
            except TimeoutError:
                raise ProviderTimeout(f"did not end its answer within {limit:g} s", where=self._where) from None

    async def _check(self, response: Response, wanted: str) -> None:
        """Raise what a status other than 200 means, or a 200 that is no stream where one was asked for."""
        kind = response.headers.get("content-type", wanted).lower()
        if response.status == 200 and wanted in kind:
            return
        status, headers = response.status, dict(response.headers)
        response.allow(min(self._config.timeouts.idle, 5.0))
        body = b""
        with contextlib.suppress(ProviderError):
            body = await response.read(MAX_ERROR_BYTES)
        if status == 200:
            raise ProviderDown(f"answered with {kind[:80]!r} where a stream was asked for", where=self._where)
        raise error_answered(status, headers, body, where=self._where)


def _headers(config: BedrockConfig) -> Headers:
    headers = {"content-type": "application/json", "user-agent": "moat"}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key}"
    return tuple((headers | {name.lower(): value for name, value in config.headers.items()}).items())


def _build(config: BedrockConfig, around: Surroundings) -> BedrockProvider:
    return BedrockProvider(config, name=around.name)


KIND = ProviderKind("bedrock", BedrockConfig, _build)
