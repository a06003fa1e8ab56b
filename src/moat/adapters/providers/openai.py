"""Any server that speaks OpenAI's API: OpenAI, Azure's v1 API, vLLM, Ollama, and most others.

Chat is here; what else such a server offers is asked in the same way, its bodies are in `openai_operations`.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.adapters.providers.openai_errors import Redactor, body_message, error_for
from moat.adapters.providers.openai_operations import PATHS, Asked, OperationStream, ask, read_answer
from moat.adapters.providers.openai_presets import chat_body, preset
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.adapters.providers.openai_wire import read_body
from moat.adapters.providers.quota_headers import read_quota
from moat.domain.calls import Call, Event, traceparent
from moat.domain.config import Seconds
from moat.domain.errors import ProviderDown, ProviderError, ProviderTimeout
from moat.domain.quotas import Quota
from moat.ports.kinds import ProviderKind, Surroundings

MAX_BODY_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 256 * 1024
LAST_WORDS = 0.25
"""Seconds in which the end of the HTTP body must follow `[DONE]`, for the connection to be kept."""

_encode = msgspec.json.Encoder().encode


class OpenAITimeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Separate limits, in seconds."""

    connect: Seconds = 5.0
    first_token: Seconds = 120.0
    """From the request to the first event of a stream, or to the head of an answer in one piece."""
    idle: Seconds = 60.0
    """Between two events of a stream, or two reads of an answer in one piece. Comments are not events."""


class OpenAIConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `openai` in `moat.yaml`."""

    kind: str = "openai"
    preset: str = ""
    """The kind of server, see `openai_presets`; empty: OpenAI's own, or at another `base_url` one that needs nothing
    special."""
    base_url: str = ""
    """Empty: the preset's."""
    private_network: bool = False
    """May the name in `base_url` lead to a private address?"""
    api_key: str = ""
    """Empty for servers that want none."""
    organization: str = ""
    headers: dict[str, str] = {}
    """Further request headers."""
    timeouts: OpenAITimeouts = OpenAITimeouts()
    connections: int = 512
    """At most so many at once."""

    def __post_init__(self) -> None:
        """Take the address from the preset. Raises `ValueError` for one that does not exist."""
        if not self.preset and not self.base_url:
            msgspec.structs.force_setattr(self, "preset", "openai")
        if self.preset:
            known = preset(self.preset)
            msgspec.structs.force_setattr(self, "base_url", self.base_url or known.base_url)


class OpenAIProvider:
    """Asks one OpenAI-compatible server. Opens connections as needed; `aclose` releases them."""

    def __init__(
        self,
        config: OpenAIConfig,
        *,
        name: str = "openai",
        quota: Callable[[str, Quota], None] = lambda model, quota: None,
        address: Callable[[Call], str] | None = None,
    ) -> None:
        """`address` says where a call is sent, when that is not below `base_url` alone.

        Raises `ConfigError` for an address or a header that cannot be sent.
        """
        self._where = f"provider {name}"
        base = config.base_url.rstrip("/")
        urls = {operation: base + path for operation, path in PATHS.items()}
        self._address = address or (lambda call: urls[call.operation])
        self._preset = preset(config.preset) if config.preset else None
        self._quota = quota
        self._headers = _headers(config)
        self._redact = Redactor([config.api_key, *config.headers.values()])
        self._limits = config.timeouts
        self._timeouts = Timeouts(
            connect=config.timeouts.connect, first_byte=config.timeouts.first_token, idle=config.timeouts.idle
        )
        self._stream_timeouts = msgspec.structs.replace(self._timeouts, idle=None)
        reach = Reach.PRIVATE if config.private_network else Reach.NAMED
        self._client = HttpClient(where=self._where, limits=Limits(connections=config.connections), reach=reach)
        self._client.check(urls["chat"], self._headers)

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        assert call.deployment is not None, "Attempts sets the deployment"
        model = call.deployment.model
        url = self._address(call)
        timeouts = self._stream_timeouts if call.stream else self._timeouts
        try:
            asked = self._ask_chat(call, model) if call.operation == "chat" else ask(call)
            headers = self._headers
            if call.upload:
                headers = tuple((name, value) for name, value in headers if name != "content-type")
                headers += (("content-type", asked.content_type),)
            request = self._client.request("POST", url, headers, asked.body, timeouts, trace=traceparent(call))
            async with request as response:
                if (quota := read_quota(response.headers)) is not None:
                    self._quota(model, quota)
                if response.status != 200:
                    raise await self._error(response)
                if not call.stream:
                    for event in await self._whole(response, call):
                        yield event
                    return
                stream = (
                    ChatStream(call, self._where) if call.operation == "chat" else OperationStream(call, self._where)
                )
                await self._expect_events(response)
                async for chunk in response:
                    delta = stream.feed(chunk)
                    if stream.heard:
                        response.allow(self._limits.idle)
                    if delta is not None:
                        yield delta
                    if stream.done:
                        break
                yield stream.finish()
                await _last_words(response)
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

    def _ask_chat(self, call: Call, model: str) -> Asked:
        return Asked(_encode(chat_body(call, model, self._preset)), "application/json")

    async def _whole(self, response: Response, call: Call) -> tuple[Event, Event]:
        """An answer in one piece. However it dribbles in, it has `first_token + idle` seconds for its body."""
        limit = self._limits.first_token + self._limits.idle
        try:
            async with asyncio.timeout(None if response.complete else limit):
                raw = await response.read(MAX_BODY_BYTES)
        except TimeoutError:
            raise ProviderTimeout(f"did not end its answer within {limit:g} s", where=self._where) from None
        if call.operation != "chat":
            return read_answer(call, raw, response.headers.get("content-type", ""), where=self._where)
        return chat_answer(call, raw, where=self._where)

    async def _expect_events(self, response: Response) -> None:
        """Raise if a 200 is not a stream: some servers put an error there, or ignore `stream`."""
        kind = response.headers.get("content-type", "text/event-stream")
        if "text/event-stream" in kind.lower():
            return
        response.allow(self._limits.idle)
        if "json" in kind.lower():
            read_body(await response.read(MAX_ERROR_BYTES), where=self._where)
        raise ProviderDown(f"answered with {kind[:80]!r} where a stream was asked for", where=self._where)

    async def _error(self, response: Response) -> ProviderError:
        """What a status other than 200 means. A body that is too long or does not end is left unread."""
        status, headers = response.status, dict(response.headers)
        response.allow(min(self._limits.idle, 5.0))
        body = b""
        with contextlib.suppress(ProviderError):
            body = await response.read(MAX_ERROR_BYTES)
        return error_for(status, headers, body_message(body), where=self._where)


async def _last_words(response: Response) -> None:
    """Let the body end, so that the connection can be kept; if it does not, no harm is done."""
    response.allow(LAST_WORDS)
    with contextlib.suppress(ProviderError):
        await response.read(MAX_ERROR_BYTES)


def _headers(config: OpenAIConfig) -> Headers:
    headers = {"content-type": "application/json", "user-agent": "moat"}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key}"
    if config.organization:
        headers["openai-organization"] = config.organization
    headers |= {name.lower(): value for name, value in config.headers.items()}
    return tuple(headers.items())


def _build(config: OpenAIConfig, around: Surroundings) -> OpenAIProvider:
    return OpenAIProvider(config, name=around.name, quota=around.quota)


KIND = ProviderKind("openai", OpenAIConfig, _build)
