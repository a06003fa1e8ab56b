"""Any server that speaks OpenAI's API: OpenAI, Azure's v1 API, vLLM, Ollama, and most others.

Chat is here; what else such a server offers is asked in the same way, its bodies are in `openai_operations`.
"""

from collections.abc import AsyncGenerator, Callable

import msgspec

from moat.adapters.providers.batch_http import BatchHttp
from moat.adapters.providers.exchange import EVENT_STREAM, Exchange, ProviderTimeouts, Refusal, last_words
from moat.adapters.providers.http1 import Headers, Response
from moat.adapters.providers.openai_batches import OpenAIBatches
from moat.adapters.providers.openai_errors import body_message, error_for
from moat.adapters.providers.openai_operations import PATHS, Asked, OperationStream, ask, read_answer
from moat.adapters.providers.openai_presets import PRESETS, Preset, chat_body, preset
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.adapters.providers.openai_wire import error_sent
from moat.domain.calls import Call, Event
from moat.domain.errors import ProviderError
from moat.domain.quotas import Quota
from moat.ports.kinds import ProviderKind, Surroundings

_encode = msgspec.json.Encoder().encode


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
    timeouts: ProviderTimeouts = ProviderTimeouts()
    connections: int = 512
    """At most so many at once."""
    batches: bool | None = None
    """Does it have OpenAI's batch API? None: if it is OpenAI's own server."""

    def __post_init__(self) -> None:
        """Take the address from the preset. Raises `ValueError` for one that does not exist."""
        if not self.preset and self.base_url.rstrip("/") in ("", PRESETS["openai"].base_url):
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
        server: Preset | None = None,
    ) -> None:
        """`address` says where a call is sent, when that is not below `base_url` alone; `server` what it is, when that
        is no preset's.

        Raises `ConfigError` for an address or a header that cannot be sent.
        """
        self._where = f"provider {name}"
        self._batch_http: BatchHttp | None = None
        base = config.base_url.rstrip("/")
        urls = {operation: base + path for operation, path in PATHS.items()}
        self._address = address or (lambda call: urls[call.operation])
        self._preset = server or (preset(config.preset) if config.preset else None)
        self._headers = _headers(config)
        secrets = (config.api_key, *config.headers.values())
        self._exchange = Exchange(self._where, config, self._refused, lambda: secrets, quota)
        self._exchange.client.check(urls["chat"], self._headers)
        has_batches = base == PRESETS["openai"].base_url if config.batches is None else config.batches
        self.batches = self._batch_api(config, base) if has_batches and address is None else None
        """See `moat.ports.batches.Batching`."""

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        asked = self._ask_chat(call) if call.operation == "chat" else ask(call)
        headers, wanted = self._headers, EVENT_STREAM if call.stream else ""
        if call.upload:
            headers = tuple((name, value) for name, value in headers if name != "content-type")
            headers += (("content-type", asked.content_type),)
        async with self._exchange.ask(call, self._address(call), headers, asked.body, wanted=wanted) as response:
            if not call.stream:
                for event in self._whole(call, await self._exchange.read(response), response):
                    yield event
                return
            stream = ChatStream(call, self._where) if call.operation == "chat" else OperationStream(call, self._where)
            async for chunk in response:
                delta = stream.feed(chunk)
                if stream.heard:
                    self._exchange.heard(response)
                if delta is not None:
                    yield delta
                if stream.done:
                    break
            yield stream.finish()
            await last_words(response)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()
        if self._batch_http is not None:
            await self._batch_http.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self._exchange.open_connections

    def _batch_api(self, config: OpenAIConfig, base: str) -> OpenAIBatches:
        masked = self._exchange.masked
        self._batch_http = BatchHttp(self._where, config, self._headers, error_of=self._refused, masked=masked)
        return OpenAIBatches(
            self._batch_http, base, lambda call: (self._ask_chat(call) if call.operation == "chat" else ask(call)).body
        )

    def _ask_chat(self, call: Call) -> Asked:
        assert call.deployment is not None, "Attempts sets the deployment"
        return Asked(_encode(chat_body(call, call.deployment.model, self._preset)), "application/json")

    def _whole(self, call: Call, raw: bytes, response: Response) -> tuple[Event, Event]:
        if call.operation != "chat":
            return read_answer(call, raw, response.headers.get("content-type", ""), where=self._where)
        return chat_answer(call, raw, where=self._where)

    def _refused(self, refusal: Refusal) -> ProviderError | None:
        """Some servers answer 200 with an error where a stream was asked for."""
        if refusal.status != 200:
            return error_for(refusal.status, refusal.headers, body_message(refusal.body), where=self._where)
        return error_sent(refusal.body, self._where)


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
