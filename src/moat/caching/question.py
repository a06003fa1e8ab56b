"""When two calls ask the same, and which calls have an answer that may be given again."""

from hashlib import blake2b
from typing import Any

import msgspec

from moat.domain.calls import Call, Message

_OPERATIONS = frozenset({"chat", "completions", "embeddings", "moderations", "rerank"})
"""Pictures, sound and files are large, and wanted anew each time."""

_BESIDE = frozenset(
    {
        *("stream", "stream_options", "user", "safety_identifier", "metadata", "service_tier", "store"),
        *("prompt_cache_key", "prompt_cache_retention"),
    }
)
"""Parameters that say how and for whom, not what."""

_SAME = {"max_completion_tokens": "max_tokens"}
"""Two names of one parameter."""

_RICHER = ("logprobs", "audio", "store", "web_search_options")
"""Parameters that give an answer more than can be told in every wire format, or an effect."""

_encode = msgspec.json.Encoder(order="deterministic").encode


def fingerprint(call: Call) -> bytes:
    """32 bytes that stand for all an answer depends on, and for who may see it: the tenant, in one environment.

    The order of an object's members does not matter, nor who asks within the tenant, nor in which wire format. What
    the client speaks matters for operations other than chat, whose answers are passed on as they come.
    """
    assert call.plan is not None, "Route makes the plan"
    journal = call.journal
    asked = (
        call.operation,
        call.plan.alias,
        sorted(str(deployment) for deployment in call.plan.deployments),
        [_plain(message) for message in call.messages],
        _shaping(call.params),
        journal.release.id if journal.release else "",
        journal.prompt.id if journal.prompt else "",
        call.caller.tenant,
        call.caller.environment,
        call.repeat,
        None if call.operation == "chat" else (call.wire, call.stream, call.params.get("stream_options")),
    )
    return blake2b(_encode(asked), digest_size=32).digest()


def is_cacheable(call: Call, *, tools: bool) -> bool:
    """May the call be answered from the cache, and its answer go there? `tools`: even when it is about tool results."""
    params = call.params
    if call.operation not in _OPERATIONS or call.upload or params.get("n", 1) not in (1, None):
        return False
    if call.operation != "chat":
        return True
    if any(params.get(name) for name in _RICHER) or params.get("modalities") not in (None, [], ["text"]):
        return False
    if any(_runs_elsewhere(tool) for tool in _list(params.get("tools"))):
        return False
    return tools or not any(_is_tool_result(message) for message in call.messages)


def _shaping(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters that shape the answer."""
    found = {_SAME.get(name, name): value for name, value in params.items() if name not in _BESIDE}
    own = found.get("anthropic")
    if isinstance(own, dict) and own.keys() <= {"anthropic_version"}:  # every client of Anthropic's sends it
        del found["anthropic"]
    return found


def _plain(message: Message) -> Message:
    """A content of nothing but one text, which some clients send as a list, as that text."""
    match message.get("content"):
        case [{"type": "text", "text": str(text), **rest}] if not rest:
            return {**message, "content": text}
    return message


def _runs_elsewhere(tool: Any) -> bool:
    """Is it run by the provider (a search, a code interpreter), so that the same question may have a new answer?"""
    return not isinstance(tool, dict) or tool.get("type", "function") != "function"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_tool_result(message: Message) -> bool:
    return message.get("role") in ("tool", "function")
