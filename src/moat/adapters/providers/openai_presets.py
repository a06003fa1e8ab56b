"""Servers that speak OpenAI's chat completions almost: where each stands, and what it wants otherwise.

One line for each; what a line does not say is as OpenAI has it. Differences in answers need no line: whichever of
their places holds reasoning or usage is read from (`openai_wire`). Sources: each provider's API reference.
"""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any

import msgspec

from moat.adapters.providers.openai_foreign import in_openai_terms
from moat.domain.calls import Call, Message

_SELF_DESCRIBING = ("user", "safety_identifier", "store", "prompt_cache_key", "prompt_cache_retention")
"""Parameters that change nothing in an answer; some servers refuse a request for them."""


OTHERS = ("anthropic", "google", "bedrock")
"""Parameters that hold what only another kind of provider knows."""
_BEYOND = ("thinking_blocks", "reasoning_content", "cache_control", "is_error", "extra_content")
"""Members of a message beyond OpenAI's format."""


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of server."""

    base_url: str
    length: str = ""
    """The one name it knows of `max_tokens` and `max_completion_tokens`; empty: both."""
    stream_options: bool = True
    """Does it take them? Those that do not send usage unasked."""
    developer: bool = False
    """Does it know the role, which OpenAI made of `system`?"""
    renamed: Mapping[str, str] = {}
    """Parameters that have another name there."""
    left_out: tuple[str, ...] = ()
    """Parameters that it refuses, and that change nothing in an answer."""
    keeps: tuple[str, ...] = ()
    """Members beyond OpenAI's format that it takes, see `moat.domain.calls.Message`; and the parameter `top_k`."""
    short_ids: bool = False
    """Must ids of tool calls be nine letters or digits?"""


_REASONING = ("reasoning_content",)
_LOCAL = ("reasoning_content", "top_k")

PRESETS: dict[str, Preset] = {
    "openai": Preset(base_url="https://api.openai.com/v1", length="max_completion_tokens", developer=True),
    "cerebras": Preset(base_url="https://api.cerebras.ai/v1", length="max_completion_tokens"),
    "cohere": Preset(base_url="https://api.cohere.ai/compatibility/v1", length="max_tokens", left_out=_SELF_DESCRIBING),
    "deepinfra": Preset(base_url="https://api.deepinfra.com/v1/openai", length="max_tokens"),
    "deepseek": Preset(base_url="https://api.deepseek.com/v1", length="max_tokens", keeps=_REASONING),
    "fireworks": Preset(base_url="https://api.fireworks.ai/inference/v1", length="max_tokens", keeps=_REASONING),
    "groq": Preset(base_url="https://api.groq.com/openai/v1", length="max_completion_tokens"),
    "huggingface": Preset(base_url="https://router.huggingface.co/v1", length="max_tokens"),
    "llamacpp": Preset(base_url="http://127.0.0.1:8080/v1", length="max_tokens", keeps=_LOCAL),
    "lmstudio": Preset(base_url="http://127.0.0.1:1234/v1", length="max_tokens"),
    "mistral": Preset(
        base_url="https://api.mistral.ai/v1",
        length="max_tokens",
        stream_options=False,
        renamed={"seed": "random_seed"},
        left_out=_SELF_DESCRIBING,
        short_ids=True,
    ),
    "moonshot": Preset(base_url="https://api.moonshot.ai/v1", length="max_tokens", keeps=_REASONING),
    "nvidia": Preset(base_url="https://integrate.api.nvidia.com/v1", length="max_tokens", left_out=_SELF_DESCRIBING),
    "ollama": Preset(base_url="http://127.0.0.1:11434/v1", length="max_tokens", keeps=("top_k",)),
    "openrouter": Preset(
        base_url="https://openrouter.ai/api/v1", developer=True, keeps=("cache_control", "reasoning_content")
    ),
    "perplexity": Preset(base_url="https://api.perplexity.ai", length="max_tokens", stream_options=False),
    "qwen": Preset(base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1", length="max_tokens"),
    "sambanova": Preset(base_url="https://api.sambanova.ai/v1", length="max_tokens"),
    "sglang": Preset(base_url="http://127.0.0.1:30000/v1", keeps=_LOCAL),
    "together": Preset(base_url="https://api.together.xyz/v1", length="max_tokens"),
    "vllm": Preset(base_url="http://127.0.0.1:8000/v1", keeps=_LOCAL),
    "xai": Preset(base_url="https://api.x.ai/v1", length="max_completion_tokens"),
    "zai": Preset(base_url="https://api.z.ai/api/paas/v4", length="max_tokens", keeps=_REASONING),
}


def preset(name: str) -> Preset:
    """Raises `ValueError` with the names there are."""
    if name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"presets: {', '.join(PRESETS)}"
    raise ValueError(f"there is no preset {name!r}; {hint}")


def chat_body(call: Call, model: str, server: Preset | None) -> dict[str, Any]:
    """The request for a chat completion; without a preset everything goes as it came, when it came in this format."""
    if call.wire != "openai":
        call = in_openai_terms(call, server.keeps if server else ())
    body: dict[str, Any] = {**call.params, "model": model, "messages": call.messages}
    for name in OTHERS:
        body.pop(name, None)
    if call.stream:
        body["stream"] = True
        body["stream_options"] = {**(call.params.get("stream_options") or {}), "include_usage": True}
    if call.wire != "openai":
        body.pop("metadata", None)  # OpenAI's chat takes it only together with `store`
    if server is not None:
        body["messages"] = [_message(message, server) for message in call.messages]
        _adapt(body, server)
    return body


def _adapt(body: dict[str, Any], server: Preset) -> None:
    if server.length:
        lengths = [body.pop(name, None) for name in ("max_completion_tokens", "max_tokens")]
        if (length := next((found for found in lengths if found is not None), None)) is not None:
            body[server.length] = length
    if not server.stream_options:
        body.pop("stream_options", None)
    for name in server.left_out:
        body.pop(name, None)
    for ours, theirs in server.renamed.items():
        if ours in body:
            body.setdefault(theirs, body.pop(ours))
    if "cache_control" not in server.keeps and isinstance(body.get("tools"), list):
        body["tools"] = [_without(tool, "cache_control") for tool in body["tools"]]


def _message(message: Message, server: Preset) -> Message:
    """A message without the members that the server does not know; most are the same object."""
    if message.get("role") == "developer" and not server.developer:
        message = {**message, "role": "system"}
    for name in _BEYOND:
        if name in message and name not in server.keeps:
            message = _without(message, name)
    content = message.get("content")
    if isinstance(content, list) and "cache_control" not in server.keeps:
        message = {**message, "content": [_without(part, "cache_control") for part in content]}
    if server.short_ids and isinstance(message.get("tool_call_id"), str):
        message = {**message, "tool_call_id": _short(message["tool_call_id"])}
    if isinstance(message.get("tool_calls"), list):
        message = {**message, "tool_calls": [_tool_call(call, server) for call in message["tool_calls"]]}
    return message


def _tool_call(call: Any, server: Preset) -> Any:
    call = _without(call, "extra_content")
    if server.short_ids and isinstance(call, dict) and isinstance(call.get("id"), str):
        return {**call, "id": _short(call["id"])}
    return call


def _without(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or name not in value:
        return value
    return {key: each for key, each in value.items() if key != name}


def _short(call_id: str) -> str:
    """The id itself where it fits, else nine hex digits of its hash: the same wherever it stands."""
    if len(call_id) == 9 and call_id.isascii() and call_id.isalnum():
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:9]
