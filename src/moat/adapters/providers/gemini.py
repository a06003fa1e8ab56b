"""Google's Gemini API (https://ai.google.dev/api), and what it shares with Vertex AI: chat and embeddings."""

from collections.abc import AsyncGenerator
from typing import Annotated, Protocol
from urllib.parse import quote

import msgspec

from moat.adapters.providers import gemini_embeddings
from moat.adapters.providers.exchange import (
    EVENT_STREAM,
    LAST_WORDS,
    Asking,
    Exchange,
    ProviderTimeouts,
    Refusal,
    answered,
)
from moat.adapters.providers.gemini_answer import Reader
from moat.adapters.providers.gemini_errors import error_of
from moat.adapters.providers.gemini_request import request_body
from moat.adapters.providers.http1 import Headers, Response, request_head
from moat.adapters.providers.sse import EventParser
from moat.domain.calls import Call, Event
from moat.domain.errors import ProviderDown, ProviderError
from moat.ports.kinds import ProviderKind, Surroundings

_encode = msgspec.json.encode

_COUNTED = ("contents", "systemInstruction", "tools", "generationConfig")
"""What Vertex AI takes of a request when it counts; the Gemini API takes all of it."""


class _Counted(msgspec.Struct, rename="camel"):
    total_tokens: Annotated[int, msgspec.Meta(ge=0)]


class GoogleConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the kinds `gemini` and `vertex` share."""

    headers: dict[str, str] = {}
    """Further request headers."""
    timeouts: ProviderTimeouts = ProviderTimeouts()
    connections: int = 512
    """At most so many at once."""
    private_network: bool = False
    """May the name in `base_url` lead to a private address?"""


class GeminiConfig(GoogleConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `gemini` in `moat.yaml`."""

    kind: str = "gemini"
    base_url: str = "https://generativelanguage.googleapis.com/v1beta"
    api_key: str


class Access(Protocol):
    """How one of Google's services is reached."""

    vertex: bool

    def url(self, model: str) -> str:
        """Where a model is; a colon and a method follow."""
        ...

    async def headers(self) -> Headers:
        """Credentials and other request headers. Raises `ProviderError` when there are none to be had."""
        ...

    def secrets(self) -> list[str]:
        """What must not be told."""
        ...

    def refused(self) -> None:
        """The credentials were not accepted: others may be had."""
        ...

    async def aclose(self) -> None:
        """Release connections."""
        ...


class ApiKey:
    """`Access` to the Gemini API. The key goes into a header, never into a URL."""

    vertex = False

    def __init__(self, config: GeminiConfig) -> None:
        """Raises `ConfigError` for an address or a header that cannot be sent."""
        self._base = config.base_url.rstrip("/")
        self._secrets = [config.api_key, *config.headers.values()]
        self._headers = request_headers({"x-goog-api-key": config.api_key}, config.headers)
        request_head("POST", self.url("any"), self._headers)

    def url(self, model: str) -> str:
        """Below `models/`, unless the name says otherwise (`tunedModels/...`)."""
        return f"{self._base}/{quote(model if '/' in model else f'models/{model}', safe='/')}"

    async def headers(self) -> Headers:
        """Always the same."""
        return self._headers

    def secrets(self) -> list[str]:
        """The key, and what further headers say."""
        return self._secrets

    def refused(self) -> None:
        """There is no other key."""

    async def aclose(self) -> None:
        """Nothing to release."""


def request_headers(credentials: dict[str, str], further: dict[str, str]) -> Headers:
    """Headers of a request with a JSON body; further ones come before ours."""
    headers = {"content-type": "application/json", "user-agent": "moat", **credentials}
    return tuple((headers | {name.lower(): value for name, value in further.items()}).items())


class GeminiProvider:
    """Asks Google's models. Opens connections as needed; `aclose` releases them."""

    def __init__(self, access: Access, config: GoogleConfig, *, name: str = "gemini") -> None:
        """Raises `ConfigError` for an address that cannot be asked."""
        self._where = f"provider {name}"
        self._access = access
        self._exchange = Exchange(self._where, config, self._refused, access.secrets)
        self._exchange.client.check(access.url("any"))

    def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        offers = {"chat": self._whole, "embeddings": self._embed}
        return answered(call, offers, self._stream, where=self._where)

    async def count_tokens(self, call: Call) -> int:
        """Implements `moat.ports.models.TokenCounter`."""
        assert call.deployment is not None, "the counter sets the deployment"
        body, model = request_body(call), call.deployment.model
        if self._access.vertex:
            body = {name: body[name] for name in _COUNTED if name in body}
        else:
            body = {"generateContentRequest": {"model": model if "/" in model else f"models/{model}", **body}}
        async with await self._request(call, "countTokens", _encode(body)) as response:
            try:
                return msgspec.json.decode(await self._exchange.read(response), type=_Counted).total_tokens
            except (msgspec.DecodeError, UnicodeDecodeError):
                raise ProviderDown("sent something that is not a count of tokens", where=self._where) from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()
        await self._access.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._exchange.open_connections

    async def _stream(self, call: Call) -> AsyncGenerator[Event, None]:
        parser = EventParser(where=self._where)
        body, method = _encode(request_body(call)), "streamGenerateContent?alt=sse"
        async with await self._request(call, method, body, EVENT_STREAM) as response:
            reader = self._reader(call, response)
            try:
                async for chunk in response:
                    for event in parser.feed(chunk):
                        if event.data is None:
                            continue
                        self._exchange.heard(response)
                        delta = reader.take(event.data, event.raw)
                        if delta is not None:
                            yield delta
                    if reader.ended and reader.counted:
                        response.allow(LAST_WORDS)
            except ProviderError:
                if not reader.ended:  # else the connection may end as it likes
                    raise
            yield reader.finish()

    async def _whole(self, call: Call) -> list[Event]:
        async with await self._request(call, "generateContent", _encode(request_body(call))) as response:
            reader = self._reader(call, response)
            raw = await self._exchange.read(response)
            delta = reader.take(raw, raw)
            if not reader.ended:
                error = ProviderDown("sent an answer without an end", where=self._where)
                error.used = reader.used
                raise error
            events: list[Event] = [delta] if delta is not None else []
            return [*events, reader.finish()]

    def _reader(self, call: Call, response: Response) -> Reader:
        return Reader(call, where=self._where, tier=response.headers.get("x-gemini-service-tier", ""))

    async def _embed(self, call: Call) -> tuple[Event, Event]:
        asked = gemini_embeddings.ask(call, vertex=self._access.vertex)
        async with await self._request(call, asked.method, _encode(asked.body)) as response:
            raw = await self._exchange.read(response)
            return gemini_embeddings.read_answer(call, raw, where=self._where)

    async def _request(self, call: Call, method: str, body: bytes, wanted: str = "") -> Asking:
        assert call.deployment is not None, "Attempts sets the deployment"
        url = f"{self._access.url(call.deployment.model)}:{method}"
        try:
            headers = await self._access.headers()
        except ProviderError as error:
            raise self._exchange.masked(error) from None
        return self._exchange.ask(call, url, headers, body, wanted=wanted)

    def _refused(self, refusal: Refusal) -> ProviderError | None:
        status = refusal.status
        if status == 401:
            self._access.refused()
        if status == 200 and b'"error"' not in refusal.body:
            return None
        return error_of(0 if status == 200 else status, refusal.headers, refusal.body, where=self._where)


def _build(config: GeminiConfig, around: Surroundings) -> GeminiProvider:
    return GeminiProvider(ApiKey(config), config, name=around.name)


KIND = ProviderKind("gemini", GeminiConfig, _build)
