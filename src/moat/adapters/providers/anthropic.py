"""Anthropic's Messages API, and servers that speak it (https://docs.claude.com/en/api/messages)."""

from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import msgspec

from moat.adapters.providers.anthropic_answer import Stream, error_in_answer, whole
from moat.adapters.providers.anthropic_batches import AnthropicBatches
from moat.adapters.providers.anthropic_request import Asked, Style, ask
from moat.adapters.providers.batch_http import BatchHttp
from moat.adapters.providers.exchange import EVENT_STREAM, Exchange, ProviderTimeouts, Refusal, last_words
from moat.adapters.providers.http1 import Headers
from moat.adapters.providers.openai_errors import body_message, error_for
from moat.domain.calls import Call, Event
from moat.domain.errors import ProviderDown, ProviderError, Unsupported
from moat.ports.kinds import ProviderKind, Surroundings

COUNTED = ("messages", "model", "output_config", "system", "thinking", "tool_choice", "tools")
"""What `count_tokens` takes of a request."""

OWN_SERVER = "https://api.anthropic.com"

_encode = msgspec.json.Encoder().encode


class AnthropicConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `anthropic` in `moat.yaml`."""

    kind: str = "anthropic"
    base_url: str = OWN_SERVER
    private_network: bool = False
    """May the name in `base_url` lead to a private address?"""
    api_key: str = ""
    """Empty for servers that want none, or one in a header of their own."""
    version: str = "2023-06-01"
    """`anthropic-version`, for calls that name none."""
    betas: list[str] = []
    """`anthropic-beta`, besides what calls name."""
    headers: dict[str, str] = {}
    """Further request headers."""
    max_tokens: Annotated[int, msgspec.Meta(ge=1)] = 4096
    """For calls that say nothing: the API wants a number. Every model takes this one."""
    structured_outputs: Literal["native", "tool"] = "native"
    """How a `json_schema` is asked for; `tool` for models that are older than structured outputs."""
    thinking: Literal["budget", "adaptive"] = "budget"
    """How a `reasoning_effort` is asked for; `adaptive` for models that take an effort instead of a budget."""
    timeouts: ProviderTimeouts = ProviderTimeouts()
    connections: int = 512
    """At most so many at once."""
    batches: bool | None = None
    """Does it have Anthropic's Message Batches? None: if it is Anthropic's own server."""


class AnthropicProvider:
    """Asks one server. Opens connections as needed; `aclose` releases them."""

    def __init__(self, config: AnthropicConfig, around: Surroundings) -> None:
        """Raises `ConfigError` for an address or a header that cannot be sent."""
        self._where = f"provider {around.name}"
        self._config = config
        base = config.base_url.rstrip("/").removesuffix("/v1")
        self._url = base + "/v1/messages"
        self._headers = _headers(config)
        self._style = Style(
            max_tokens=config.max_tokens, structured_outputs=config.structured_outputs, thinking=config.thinking
        )
        secrets = (config.api_key, *config.headers.values())
        self._exchange = Exchange(self._where, config, self._refused, lambda: secrets, around.quota)
        headers = self._headers_for(Asked({}, (), "", ""))
        self._exchange.client.check(self._url, headers)
        masked = self._exchange.masked
        self._batch_http = BatchHttp(self._where, config, headers, error_of=self._refused, masked=masked)
        own_batches = AnthropicBatches(
            self._batch_http, self._url, self._style, version=config.version, betas=config.betas
        )
        has_batches = base == OWN_SERVER if config.batches is None else config.batches
        self.batches = own_batches if has_batches else None
        """See `moat.ports.batches.Batching`."""

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        if call.operation != "chat":
            raise Unsupported(f"Anthropic's API offers no {call.operation}", where=self._where)
        asked = ask(call, self._style)
        headers, body, wanted = self._headers_for(asked), _encode(asked.body), EVENT_STREAM if call.stream else ""
        async with self._exchange.ask(call, self._url, headers, body, wanted=wanted) as response:
            if not call.stream:
                raw = await self._exchange.read(response)
                for event in whole(call, raw, asked.answer_tool, where=self._where):
                    yield event
                return
            stream = Stream(call, asked.answer_tool, where=self._where)
            async for chunk in response:
                deltas = stream.feed(chunk)
                if stream.heard:
                    self._exchange.heard(response)
                for delta in deltas:
                    yield delta
                if stream.done:
                    break
            for event in stream.finish():
                yield event
            await last_words(response)

    async def count_tokens(self, call: Call) -> int:
        """Implements `moat.ports.models.TokenCounter`: costs nothing, and is limited by requests a minute."""
        asked = ask(call, self._style)
        body = _encode({name: asked.body[name] for name in COUNTED if name in asked.body})
        url, headers = f"{self._url}/count_tokens", self._headers_for(asked)
        async with self._exchange.ask(call, url, headers, body) as response:
            return _counted(await self._exchange.read(response), self._where)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()
        await self._batch_http.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._exchange.open_connections

    def _headers_for(self, asked: Asked) -> Headers:
        betas = dict.fromkeys((*self._config.betas, *asked.betas))
        headers = (*self._headers, ("anthropic-version", asked.version or self._config.version))
        return (*headers, ("anthropic-beta", ",".join(betas))) if betas else headers

    def _refused(self, refusal: Refusal) -> ProviderError | None:
        status, headers, body = refusal.status, refusal.headers, refusal.body
        found = error_in_answer(status, headers, body, where=self._where)
        if found is None and status != 200:
            found = error_for(status, headers, body_message(body), where=self._where)
        return found


class _Counted(msgspec.Struct):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


def _counted(raw: bytes, where: str) -> int:
    try:
        return msgspec.json.decode(raw, type=_Counted).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderDown(f"sent something that is not a count of tokens: {error}", where=where) from None


def _headers(config: AnthropicConfig) -> Headers:
    headers = {"content-type": "application/json", "user-agent": "moat"}
    if config.api_key:
        headers["x-api-key"] = config.api_key
    headers |= {name.lower(): value for name, value in config.headers.items()}
    return tuple(headers.items())


def _build(config: AnthropicConfig, around: Surroundings) -> AnthropicProvider:
    return AnthropicProvider(config, around)


KIND = ProviderKind("anthropic", AnthropicConfig, _build)
