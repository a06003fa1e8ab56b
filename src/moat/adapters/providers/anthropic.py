"""Anthropic's Messages API, and servers that speak it (https://docs.claude.com/en/api/messages)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Annotated, Literal

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.anthropic_answer import Stream, error_in_answer, read_body, whole
from moat.adapters.providers.anthropic_request import Asked, Style, ask
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.adapters.providers.openai_errors import Redactor, body_message, error_for
from moat.adapters.providers.quota_headers import read_quota
from moat.domain.calls import Call, Event, traceparent
from moat.domain.config import Seconds
from moat.domain.errors import ProviderDown, ProviderError, ProviderTimeout, Unsupported
from moat.ports.kinds import ProviderKind, Surroundings

MAX_BODY_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 256 * 1024
LAST_WORDS = 0.25
"""Seconds in which the end of the HTTP body must follow `message_stop`, for the connection to be kept."""
COUNTED = ("messages", "model", "output_config", "system", "thinking", "tool_choice", "tools")
"""What `count_tokens` takes of a request."""

_encode = msgspec.json.Encoder().encode


class AnthropicTimeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Separate limits, in seconds."""

    connect: Seconds = 5.0
    first_token: Seconds = 120.0
    """From the request to the first event of a stream, or to the head of an answer in one piece."""
    idle: Seconds = 60.0
    """Between two events of a stream, `ping` among them, or two reads of an answer in one piece."""


class AnthropicConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `anthropic` in `moat.yaml`."""

    kind: str = "anthropic"
    base_url: str = "https://api.anthropic.com"
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
    timeouts: AnthropicTimeouts = AnthropicTimeouts()
    connections: int = 512
    """At most so many at once."""


class AnthropicProvider:
    """Asks one server. Opens connections as needed; `aclose` releases them."""

    def __init__(self, config: AnthropicConfig, around: Surroundings) -> None:
        """Raises `ConfigError` for an address or a header that cannot be sent."""
        self._where = f"provider {around.name}"
        self._quota = around.quota
        self._config = config
        self._url = config.base_url.rstrip("/").removesuffix("/v1") + "/v1/messages"
        self._headers = _headers(config)
        self._redact = Redactor([config.api_key, *config.headers.values()])
        self._style = Style(
            max_tokens=config.max_tokens, structured_outputs=config.structured_outputs, thinking=config.thinking
        )
        limits = config.timeouts
        self._timeouts = Timeouts(connect=limits.connect, first_byte=limits.first_token, idle=limits.idle)
        self._stream_timeouts = msgspec.structs.replace(self._timeouts, idle=None)
        reach = Reach.PRIVATE if config.private_network else Reach.NAMED
        self._client = HttpClient(where=self._where, limits=Limits(connections=config.connections), reach=reach)
        self._client.check(self._url, self._headers_for(Asked({}, (), "", "")))

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        if call.operation != "chat":
            raise Unsupported(f"Anthropic's API offers no {call.operation}", where=self._where)
        assert call.deployment is not None, "Attempts sets the deployment"
        asked = ask(call, self._style)
        timeouts = self._stream_timeouts if call.stream else self._timeouts
        headers, body = self._headers_for(asked), _encode(asked.body)
        try:
            request = self._client.request("POST", self._url, headers, body, timeouts, trace=traceparent(call))
            async with request as response:
                self._note_quota(call.deployment.model, response)
                if response.status != 200:
                    raise await self._error(response)
                if not call.stream:
                    for event in whole(call, await self._read(response), asked.answer_tool, where=self._where):
                        yield event
                    return
                await self._expect_events(response)
                stream = Stream(call, asked.answer_tool, where=self._where)
                async for chunk in response:
                    deltas = stream.feed(chunk)
                    if stream.heard:
                        response.allow(self._config.timeouts.idle)
                    for delta in deltas:
                        yield delta
                    if stream.done:
                        break
                for event in stream.finish():
                    yield event
                await _last_words(response)
        except ProviderError as error:
            raise self._masked(error) from None

    async def count_tokens(self, call: Call) -> int:
        """Implements `moat.ports.models.TokenCounter`: costs nothing, and is limited by requests a minute."""
        assert call.deployment is not None, "the counter sets the deployment"
        asked = ask(call, self._style)
        body = _encode({name: asked.body[name] for name in COUNTED if name in asked.body})
        url, headers = f"{self._url}/count_tokens", self._headers_for(asked)
        try:
            request = self._client.request("POST", url, headers, body, self._timeouts, trace=traceparent(call))
            async with request as response:
                if response.status != 200:
                    raise await self._error(response)
                return _counted(await self._read(response), self._where)
        except ProviderError as error:
            raise self._masked(error) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._client.open_connections

    def _headers_for(self, asked: Asked) -> Headers:
        betas = dict.fromkeys((*self._config.betas, *asked.betas))
        headers = (*self._headers, ("anthropic-version", asked.version or self._config.version))
        return (*headers, ("anthropic-beta", ",".join(betas))) if betas else headers

    def _note_quota(self, model: str, response: Response) -> None:
        quota = read_quota(response.headers)
        if quota is not None:
            self._quota(model, quota)

    async def _read(self, response: Response) -> bytes:
        """An answer in one piece. However it dribbles in, it has `first_token + idle` seconds for its body."""
        limit = self._config.timeouts.first_token + self._config.timeouts.idle
        try:
            async with asyncio.timeout(None if response.complete else limit):
                return await response.read(MAX_BODY_BYTES)
        except TimeoutError:
            raise ProviderTimeout(f"did not end its answer within {limit:g} s", where=self._where) from None

    async def _expect_events(self, response: Response) -> None:
        """Raise if a 200 is not a stream: proxies put errors there, or ignore `stream`."""
        kind = response.headers.get("content-type", "text/event-stream")
        if "text/event-stream" in kind.lower():
            return
        response.allow(self._config.timeouts.idle)
        if "json" in kind.lower():
            read_body(await response.read(MAX_ERROR_BYTES), where=self._where)
        raise ProviderDown(f"answered with {kind[:80]!r} where a stream was asked for", where=self._where)

    async def _error(self, response: Response) -> ProviderError:
        """What a status other than 200 means. A body that is too long or does not end is left unread."""
        status, headers = response.status, dict(response.headers)
        response.allow(min(self._config.timeouts.idle, 5.0))
        body = b""
        with contextlib.suppress(ProviderError):
            body = await response.read(MAX_ERROR_BYTES)
        found = error_in_answer(status, headers, body, where=self._where)
        return found or error_for(status, headers, body_message(body), where=self._where)

    def _masked(self, error: ProviderError) -> ProviderError:
        error.what = self._redact(error.what)
        error.args = (error.what,)
        return error


class _Counted(msgspec.Struct):
    input_tokens: Annotated[int, msgspec.Meta(ge=0)]


def _counted(raw: bytes, where: str) -> int:
    try:
        return msgspec.json.decode(raw, type=_Counted).input_tokens
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProviderDown(f"sent something that is not a count of tokens: {error}", where=where) from None


async def _last_words(response: Response) -> None:
    """Let the body end, so that the connection can be kept; if it does not, no harm is done."""
    response.allow(LAST_WORDS)
    with contextlib.suppress(ProviderError):
        await response.read(MAX_ERROR_BYTES)


def _headers(config: AnthropicConfig) -> Headers:
    headers = {"content-type": "application/json", "user-agent": "moat"}
    if config.api_key:
        headers["x-api-key"] = config.api_key
    headers |= {name.lower(): value for name, value in config.headers.items()}
    return tuple(headers.items())


def _build(config: AnthropicConfig, around: Surroundings) -> AnthropicProvider:
    return AnthropicProvider(config, around)


KIND = ProviderKind("anthropic", AnthropicConfig, _build)
