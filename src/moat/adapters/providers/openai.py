"""Any server that speaks OpenAI's chat completions: OpenAI, Azure's v1 API, vLLM, Ollama, and most others."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from moat.adapters.providers.http1 import (
    Headers,
    HttpClient,
    Limits,
    Response,
    Timeouts,
    request_head,
)
from moat.adapters.providers.openai_errors import Redactor, body_message, error_for
from moat.adapters.providers.openai_wire import Body, Choice, read_body
from moat.adapters.providers.sse import EventParser
from moat.domain.calls import Call, Delta, Event, Finished, ToolCallDelta
from moat.domain.config import Seconds
from moat.domain.errors import ProviderDown, ProviderError, ProviderTimeout, StreamCut
from moat.domain.usage import Usage
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
    base_url: str = "https://api.openai.com/v1"
    api_key: str = ""
    """Empty for servers that want none."""
    organization: str = ""
    headers: dict[str, str] = {}
    """Further request headers."""
    timeouts: OpenAITimeouts = OpenAITimeouts()
    connections: int = 512
    """At most so many at once."""


class OpenAIProvider:
    """Asks one OpenAI-compatible server. Opens connections as needed; `aclose` releases them."""

    def __init__(self, config: OpenAIConfig, *, name: str = "openai") -> None:
        """Raises `ConfigError` for an address or a header that cannot be sent."""
        self._where = f"provider {name}"
        self._url = config.base_url.rstrip("/") + "/chat/completions"
        self._headers = _headers(config)
        request_head("POST", self._url, self._headers)
        self._redact = Redactor([config.api_key, *config.headers.values()])
        self._limits = config.timeouts
        self._timeouts = Timeouts(
            connect=config.timeouts.connect, first_byte=config.timeouts.first_token, idle=config.timeouts.idle
        )
        self._stream_timeouts = msgspec.structs.replace(self._timeouts, idle=None)
        self._client = HttpClient(where=self._where, limits=Limits(connections=config.connections))

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        assert call.deployment is not None, "Attempts sets the deployment"
        body: dict[str, Any] = {**call.params, "model": call.deployment.model, "messages": call.messages}
        timeouts = self._timeouts
        wants_usage = False
        if call.stream:
            options = call.params.get("stream_options") or {}
            wants_usage = bool(options.get("include_usage"))
            body |= {"stream": True, "stream_options": {**options, "include_usage": True}}
            timeouts = self._stream_timeouts
        try:
            async with self._client.request("POST", self._url, self._headers, _encode(body), timeouts) as response:
                if response.status != 200:
                    raise await self._error(response)
                if not call.stream:
                    for event in await self._whole(response):
                        yield event
                    return
                stream = _Stream(wants_usage, self._where)
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

    async def _whole(self, response: Response) -> tuple[Event, Event]:
        """An answer in one piece. However it dribbles in, it has `first_token + idle` seconds for its body."""
        limit = self._limits.first_token + self._limits.idle
        try:
            async with asyncio.timeout(None if response.complete else limit):
                raw = await response.read(MAX_BODY_BYTES)
        except TimeoutError:
            raise ProviderTimeout(f"did not end its answer within {limit:g} s", where=self._where) from None
        body = read_body(raw, where=self._where)
        choice = body.first
        if choice is None or choice.message is None:
            raise ProviderDown("sent an answer without a message", where=self._where)
        message = choice.message
        delta = Delta(text=message.text, refusal=message.refusal or "", tool_calls=message.pieces(), raw=raw)
        usage = body.usage.usage() if body.usage else None
        return delta, Finished(reason=choice.finish_reason or "stop", usage=usage, model=body.model or "")

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


class _Stream:
    """Chunks of a streamed answer: what they say, and which bytes to forward."""

    def __init__(self, wants_usage: bool, where: str) -> None:
        self._wants_usage = wants_usage
        self._where = where
        self._parser = EventParser(where=where)
        self._reason = ""
        self._usage: Usage | None = None
        self._model = ""
        self.done = False
        """Was `[DONE]` said?"""
        self.heard = False
        """Did the last bytes complete an event, other than a comment?"""

    def feed(self, chunk: bytes) -> Delta | None:
        """The events of one network read as one piece; None when they hold nothing to forward."""
        text, refusal, raw = "", "", b""
        calls: tuple[ToolCallDelta, ...] = ()
        self.heard = False
        for event in self._parser.feed(chunk):
            if event.data is None:
                continue
            self.heard = True
            if event.data.strip() == b"[DONE]":
                self.done = True
                break
            body = read_body(event.data, where=self._where)
            choice = body.first
            self._note(body, choice)
            if body.choices or self._wants_usage or not body.usage:
                raw += event.raw
            if choice is not None and choice.delta is not None:
                text += choice.delta.text
                refusal += choice.delta.refusal or ""
                if choice.delta.tool_calls:
                    calls += choice.delta.pieces()
        return Delta(text=text, refusal=refusal, tool_calls=calls, raw=raw) if raw else None

    def finish(self) -> Finished:
        """Raises `StreamCut` when neither `[DONE]` nor a finish reason came."""
        rest = self._parser.rest.strip()  # some servers leave out the last empty line
        if not self.done and rest != b"data: [DONE]" and (rest or not self._reason):
            raise StreamCut("ended the stream without its end mark", where=self._where)
        return Finished(reason=self._reason or "stop", usage=self._usage, model=self._model)

    def _note(self, body: Body, choice: Choice | None) -> None:
        """The last usage counts: where it is repeated, it is cumulative."""
        if body.usage is not None:
            self._usage = body.usage.usage()
        if body.model:
            self._model = body.model
        if choice is not None and choice.finish_reason:
            self._reason = choice.finish_reason


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
    return OpenAIProvider(config, name=around.name)


KIND = ProviderKind("openai", OpenAIConfig, _build)
