"""How many tokens a call has, before anybody has counted them.

Text counts four characters a token (OpenAI's rule of thumb), anything else a flat number: its bytes are not tokens.
"""

from typing import Any

import msgspec

from moat.domain.calls import Call
from moat.domain.usage import estimate_tokens

IMAGE_TOKENS = 765
"""OpenAI's count for a 1,024 x 1,024 image in high detail."""


def input_tokens(call: Call) -> int:
    """Estimated tokens of messages and tools; for operations without messages, of the texts in the parameters."""
    if call.operation != "chat":
        return sum(_texts(call.params.get(name)) for name in ("input", "prompt", "query", "documents"))
    tools = call.params.get("tools")
    asked = sum(_content(message.get("content")) for message in call.messages)
    return asked + (estimate_tokens(msgspec.json.encode(tools).decode()) if tools else 0)


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
