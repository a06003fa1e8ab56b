"""The long tail of providers, through the `litellm` SDK (https://docs.litellm.ai): the extra `moat[litellm]`.

The model of a `provider/model` is litellm's own name (`cohere/command-r`, `watsonx/...`), so `tail/cohere/command-r`
for a provider named `tail`. Answers come in OpenAI's format and are read like OpenAI's.

litellm brings its own HTTP client, which our rules about addresses do not reach, and it reads the environment:
credentials that are not configured here it looks for there. When it is imported it would fetch lists and read a `.env`
file; it is told not to.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable
from importlib import import_module
from typing import Any, TypeVar

import msgspec

from moat.adapters.providers.exchange import ProviderTimeouts
from moat.adapters.providers.openai_errors import Redactor, error_for
from moat.adapters.providers.openai_operations import read_answer
from moat.adapters.providers.openai_presets import OTHERS
from moat.adapters.providers.openai_stream import ChatStream, chat_answer
from moat.domain.calls import Call, Event, Finished, Message
from moat.domain.errors import (
    ConfigError,
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderTimeout,
    StreamCut,
    Unsupported,
)
from moat.ports.kinds import ProviderKind, Surroundings

T = TypeVar("T")

NO_KEY = "none"
"""What is sent to an address of one's own where no key is named."""

QUIET = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "LITELLM_MODE": "PRODUCTION",
}
"""Environment variables that keep it from fetching lists and from reading `.env`: it takes no other word for it."""

_CALLS = {"chat": "acompletion", "embeddings": "aembedding"}
PARAMETERS = {
    "chat": frozenset(
        {"audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "max_completion_tokens"}
        | {"max_tokens", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty", "reasoning_effort"}
        | {"response_format", "seed", "stop", "stream_options", "temperature", "thinking", "tool_choice", "tools"}
        | {"top_k", "top_logprobs", "top_p", "user", "verbosity"}
    ),
    "embeddings": frozenset({"input", "dimensions", "encoding_format", "user"}),
}
"""What callers may say."""
IGNORED = frozenset(
    {*OTHERS, "metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier", "store"}
)
"""Changes nothing in an answer, or is another provider's."""
_encode = msgspec.json.Encoder(enc_hook=str).encode


class LitellmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider of kind `litellm` in `moat.yaml`."""

    kind: str = "litellm"
    api_key: str = ""
    """Empty: litellm looks for the provider's own variable in the environment, unless there is a `base_url`."""
    base_url: str = ""
    """Empty: the provider's own."""
    options: dict[str, Any] = {}
    """Handed over with every call: `api_version`, `aws_region_name`, `vertex_project`, `extra_headers`, ..."""
    timeouts: ProviderTimeouts = ProviderTimeouts()
    """`connect` is litellm's own affair."""


class LitellmProvider:
    """Asks through the SDK."""

    def __init__(self, config: LitellmConfig, sdk: Any, *, name: str = "litellm") -> None:
        """`sdk` is the module `litellm`, or one of its shape."""
        self._where = f"provider {name}"
        self._sdk = sdk
        self._limits = config.timeouts
        self._fixed = {**config.options, "max_retries": 0, "num_retries": 0}
        if config.api_key:
            self._fixed["api_key"] = config.api_key
        if config.base_url:
            self._fixed["api_base"] = config.base_url
        if "api_base" in self._fixed or "base_url" in self._fixed:
            # Else it would send there whatever key it finds in the environment.
            self._fixed.setdefault("api_key", NO_KEY)
        self._redact = Redactor([config.api_key, *_texts(config.options)])

    async def answer(self, call: Call) -> AsyncGenerator[Event, None]:
        """One request; see `moat.ports.models.Provider`."""
        try:
            if call.operation not in _CALLS:
                raise Unsupported(f"no {call.operation} through litellm", where=self._where)
            answered = await self._within(self._limits.first_token, self._send(call), "sent no answer")
            if not (call.stream and call.operation == "chat"):
                for event in self._whole(call, answered):
                    yield event
                return
            async with contextlib.aclosing(answered):
                stream = ChatStream(call, self._where)
                async for chunk in self._chunks(answered):
                    if (delta := stream.feed(chunk)) is not None:
                        yield delta
                if getattr(answered, "received_finish_reason", "") is None:
                    # It makes up a reason for a stream that just ended.
                    raise StreamCut("ended the stream without its end mark", where=self._where)
                yield stream.finish()
        except ProviderError as error:
            error.what = self._redact(error.what)
            error.args = (error.what,)
            raise

    async def aclose(self) -> None:
        """Its connections are the SDK's, shared by all that use it."""

    async def _send(self, call: Call) -> Any:
        assert call.deployment is not None, "Attempts sets the deployment"
        asked = {**_parameters(call), **self._fixed, "model": call.deployment.model}
        asked["timeout"] = self._limits.first_token + self._limits.idle
        if call.operation == "chat":
            _check_parts(call.messages)
            asked["messages"] = call.messages
        if call.stream and call.operation == "chat":
            options = call.params.get("stream_options") or {}
            asked |= {"stream": True, "stream_options": {**options, "include_usage": True}}
        return await getattr(self._sdk, _CALLS[call.operation])(**asked)

    def _whole(self, call: Call, answered: Any) -> tuple[Event, Finished]:
        raw = _encode(answered.model_dump(exclude_none=True))
        if call.operation == "chat":
            return chat_answer(call, raw, where=self._where)
        return read_answer(call, raw, "application/json", where=self._where)

    async def _chunks(self, answered: Any) -> AsyncGenerator[bytes, None]:
        """Chunks as the server-sent events that they were, or would have been."""
        limit = self._limits.first_token
        while True:
            chunk = await self._within(limit, _next(answered), "sent nothing more")
            if chunk is None:
                return
            limit = self._limits.idle
            yield b"data: " + _encode(chunk.model_dump(exclude_none=True)) + b"\n\n"

    async def _within(self, limit: float, work: Awaitable[T], silence: str) -> T:
        """Wait for the SDK. Whatever it raises becomes a `ProviderError`."""
        try:
            async with asyncio.timeout(limit):
                return await work
        except TimeoutError:
            raise ProviderTimeout(f"{silence} within {limit:g} s", where=self._where) from None
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 - errors of the SDK and of what lies below it have no base in common
            raise self._explain(error) from None

    def _explain(self, error: Exception) -> ProviderError:
        """Its exceptions are named as OpenAI's, and carry the status and the response."""
        name, status = type(error).__name__, getattr(error, "status_code", None)
        words = str(getattr(error, "message", "") or error).removeprefix(f"litellm.{name}: ")[:500]
        if name == "Timeout":
            return ProviderTimeout(words, where=self._where)
        if name == "ContextWindowExceededError":
            return ContextOverflow(words, where=self._where)
        if name == "APIConnectionError" or not isinstance(status, int) or not 400 <= status < 600:
            return ProviderDown(f"{name}: {words}", where=self._where)
        headers = getattr(error, "litellm_response_headers", None)
        headers = headers or getattr(getattr(error, "response", None), "headers", None) or {}
        named = {str(key).lower(): str(value) for key, value in dict(headers).items()}
        return error_for(status, named, words, where=self._where)


def _parameters(call: Call) -> dict[str, Any]:
    """Those that say what is asked. Others would steer the SDK: where it sends the call, with whose key."""
    allowed = PARAMETERS[call.operation]
    given = {name: value for name, value in call.params.items() if value is not None and name not in IGNORED}
    if unknown := sorted(given.keys() - allowed):
        raise Unsupported(f"{unknown[0]!r} is not handed to litellm", where=unknown[0])
    return given


def _check_parts(messages: list[Message]) -> None:
    """The SDK fetches what some models must have by value, from any address: so only data may come."""
    for index, message in enumerate(messages):
        content = message.get("content")
        for at, part in enumerate(content if isinstance(content, list) else ()):
            if not _is_data(part):
                raise Unsupported(
                    "litellm gets text, and images and files as data URLs", where=f"messages[{index}].content[{at}]"
                )


def _is_data(part: Any) -> bool:
    match part:
        case {"type": "text" | "refusal" | "input_audio"}:
            return True
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return url.startswith("data:")
        case {"type": "file", "file": {"file_data": str(data), **more}}:
            return data.startswith("data:") and not more.keys() & {"file_id", "file_url"}
    return False


async def _next(answered: Any) -> Any:
    return await anext(answered, None)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each)]


def load(*, where: str = "") -> Any:
    """The SDK, told to be quiet. It takes seconds. Raises `ConfigError` when it is not installed."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        sdk: Any = import_module("litellm")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"kind `litellm` needs the package litellm ({error})", where=where, remedy="pip install 'moat[litellm]'"
        ) from None
    sdk.telemetry = False
    sdk.suppress_debug_info = True
    return sdk


def _build(config: LitellmConfig, around: Surroundings) -> LitellmProvider:
    return LitellmProvider(config, load(where=f"provider {around.name}"), name=around.name)


KIND = ProviderKind("litellm", LitellmConfig, _build)
