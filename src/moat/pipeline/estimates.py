"""How many tokens a call has, before anybody has counted them.

Text counts four characters a token (OpenAI's rule of thumb), anything else a flat number: its bytes are not tokens.
"""

from typing import Any

import msgspec

from moat.domain.calls import Call, Message
from moat.domain.usage import estimate_tokens

IMAGE_TOKENS = 765
"""OpenAI's count for a 1,024 x 1,024 image in high detail."""


def input_tokens(call: Call) -> int:
    """Estimated tokens of messages and tools; for operations without messages, of the texts in the parameters."""
    if call.operation != "chat":
        return sum(_texts(call.params.get(name)) for name in ("input", "prompt", "query", "documents"))
    tools = call.params.get("tools")
    asked = sum(map(message_tokens, call.messages))
    return asked + (estimate_tokens(msgspec.json.encode(tools).decode()) if tools else 0)


def message_tokens(message: Message) -> int:
    """Estimated tokens of one message, its tool calls included."""
    calls = message.get("tool_calls")
    return _content(message.get("content")) + (len(msgspec.json.encode(calls)) // 4 if calls else 0)


def _content(content: Any) -> int:
    if isinstance(content, str):
        return estimate_tokens(content)
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts]
    return sum(estimate_tokens(text) if isinstance(text, str) else IMAGE_TOKENS for text in texts)


def _texts(value: Any) -> int:
    """Texts anywhere inside; a list of numbers is a text that is tokenised already."""
    if isinstance(value, str):
        return estimate_tokens(value)
    if isinstance(value, dict):
        return sum(_texts(item) for item in value.values())
    if isinstance(value, list):
        numbers = sum(1 for item in value if isinstance(item, int))
        return numbers or sum(_texts(item) for item in value)
    return 0


PART_TOKENS = 3000
"""More than any provider counts for an image of ordinary size."""
FRAME_TOKENS = 8
"""More than any chat format adds around a message."""


def most_input_tokens(call: Call) -> int:
    """As many tokens as the input can have: every known tokenizer makes at most one of a byte (UTF-8)."""
    if call.operation != "chat":
        return sum(_bytes(call.params.get(name)) for name in ("input", "prompt", "query", "documents"))
    asked = FRAME_TOKENS * (1 + len(call.messages))
    for name in ("tools", "response_format"):
        if value := call.params.get(name):
            asked += len(msgspec.json.encode(value))
    return asked + sum(_message(message) for message in call.messages)


def _message(message: Message) -> int:
    content = message.get("content")
    asked = 0
    if isinstance(content, str):
        asked = _length(content)
    elif isinstance(content, list):
        asked = sum(_part(part) for part in content)
    for name in ("tool_calls", "thinking_blocks", "reasoning_content"):
        if value := message.get(name):
            asked += len(msgspec.json.encode(value))
    return asked


def _part(part: Any) -> int:
    text = part.get("text") if isinstance(part, dict) else None
    return _length(text) if isinstance(text, str) else PART_TOKENS


def _bytes(value: Any) -> int:
    if isinstance(value, str):
        return _length(value)
    if isinstance(value, dict):
        return sum(_bytes(item) for item in value.values())
    if isinstance(value, list):
        numbers = sum(1 for item in value if isinstance(item, int))
        return numbers or sum(_bytes(item) + FRAME_TOKENS for item in value)
    return 0


def _length(text: str) -> int:
    """Bytes in UTF-8; a text in ASCII, the usual case, need not be encoded for it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def stated_output(call: Call) -> int | None:
    """Tokens that the call allows its answer, when it says so."""
    for name in ("max_completion_tokens", "max_tokens"):
        value = call.params.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def caches(call: Call) -> bool:
    """Does the call ask for something to be written to the provider's cache, which is dearer than plain input?"""
    if "cache_control" in call.params or any("cache_control" in tool for tool in _objects(call.params.get("tools"))):
        return True
    return any("cache_control" in part for message in call.messages for part in _objects(message.get("content")))


def sounds(call: Call) -> bool:
    """Does the call hold sound, or ask for it?"""
    if call.params.get("modalities") or call.params.get("audio"):
        return True
    return any(
        part.get("type") == "input_audio" for message in call.messages for part in _objects(message.get("content"))
    )


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
