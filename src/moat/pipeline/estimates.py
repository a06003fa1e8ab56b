"""How many tokens a call has, before anybody has counted them: about, and at most.

About: four characters of ASCII a token (OpenAI's rule of thumb), any other character one, anything that is no text a
flat number. At most: every known tokenizer makes no more than one token of a byte (UTF-8), so the bytes of everything
that is sent bound it, with sound and pictures counted for what they can hold.
"""

from typing import Any

import msgspec

from moat.domain.calls import Call, Message
from moat.domain.usage import estimate_tokens

IMAGE_TOKENS = 765
"""OpenAI's count for a 1,024 x 1,024 image in high detail."""
MOST_IMAGE = 3000
"""More than any provider counts for an image of ordinary size."""
MOST_FILE = 100_000
"""Of a file that is elsewhere, so that its size is not known."""
FRAME_TOKENS = 8
"""More than any chat format adds around a message."""
LEAST_AUDIO = 1000
"""Bytes of a second of sound, at least: speech at 8 kbit/s."""
AUDIO_TOKENS = 100
"""More than any provider counts for a second of sound."""

_IMAGES = ("image_url", "image", "input_image")
_TEXTS = ("input", "prompt", "query", "documents")
_encode = msgspec.json.Encoder().encode


def input_tokens(call: Call) -> int:
    """Estimated tokens of messages and tools; for operations without messages, of the texts in the parameters."""
    if call.operation != "chat":
        return _all_texts([call.params.get(name) for name in _TEXTS])
    tools = call.params.get("tools")
    asked = sum(message_tokens(message) for message in call.messages)
    return asked + (estimate_tokens(_encode(tools).decode()) if tools else 0)


def message_tokens(message: Message) -> int:
    """Estimated tokens of one message: its text, its other parts, the tools it calls."""
    content, calls = message.get("content"), message.get("tool_calls")
    asked = estimate_tokens(_encode(calls).decode()) if calls else 0
    if isinstance(content, str):
        return asked + _tokens(content)
    for part in content if isinstance(content, list) else []:
        text = part.get("text") if isinstance(part, dict) else None
        asked += _tokens(text) if isinstance(text, str) else IMAGE_TOKENS
    return asked


def quarters(text: str) -> int:
    """Quarters of a token, about: one for a character of ASCII, four for most others."""
    size = len(text)
    return size if text.isascii() else size + 3 * (len(text.encode("utf-8", "surrogatepass")) - size) // 2


def most_input_tokens(call: Call) -> int:
    """As many tokens as the input can have."""
    if call.operation == "rerank":
        documents = call.params.get("documents")
        count = len(documents) if isinstance(documents, list) else 1
        return len(_encode(call.params)) + count * len(_encode(call.params.get("query")))
    most = FRAME_TOKENS * (1 + len(call.messages)) + len(_encode(call.params)) + most_seconds(call) * AUDIO_TOKENS
    if not any(isinstance(message.get("content"), list) for message in call.messages):
        return most + len(_encode(call.messages)) - len(call.messages) - 1  # the list's own brackets and commas
    return most + sum(_most(message) for message in call.messages)


def most_seconds(call: Call) -> int:
    """How long the sound can be that an upload holds; 0 without one."""
    return len(call.upload) // LEAST_AUDIO + 1 if call.upload else 0


def _most(message: Message) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return len(_encode(message))
    rest = {name: value for name, value in message.items() if name != "content"}
    return len(_encode(rest)) + sum(_most_part(part) for part in content)


def _most_part(part: Any) -> int:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _IMAGES:
        return MOST_IMAGE
    if kind == "input_audio":
        return len(_encode(part)) * AUDIO_TOKENS // LEAST_AUDIO + AUDIO_TOKENS
    size = len(_encode(part))
    elsewhere = kind in ("file", "input_file", "document", "video_url", "google") and size < MOST_FILE
    return MOST_FILE if elsewhere else size


def stated_output(call: Call) -> int | None:
    """Tokens that the call allows its answer, when it says so."""
    value = call.params.get("max_completion_tokens") or call.params.get("max_tokens")
    return value if type(value) is int and value > 0 else None


def choices(call: Call) -> int:
    """How many answers are asked for: each may be as long as is allowed."""
    many = max(_count(call.params.get("n")), _count(call.params.get("best_of")))
    prompts = call.params.get("prompt") if call.operation == "completions" else None
    several = isinstance(prompts, list) and bool(prompts) and not isinstance(prompts[0], int)
    return many * (len(prompts) if several and prompts else 1)


def _count(value: Any) -> int:
    if value is None:
        return 1
    if isinstance(value, str) and value.isdecimal():  # in a form everything is text
        value = int(value[:9])
    return value if isinstance(value, int) and value > 1 else 1


def caches(call: Call) -> bool:
    """Does the call ask for something to be written to the provider's cache, which is dearer than plain input?"""
    return b'"cache_control"' in _encode(call.params) or any(
        b'"cache_control"' in _encode(part) for part in _parts(call)
    )


def sounds(call: Call) -> bool:
    """Does the call hold sound, or ask for it?"""
    if call.upload or call.operation == "speech" or call.params.get("modalities") or call.params.get("audio"):
        return True
    return any(part.get("type") == "input_audio" for part in _parts(call))


def _parts(call: Call) -> list[dict[str, Any]]:
    """Those of messages that are no plain text."""
    lists = [content for message in call.messages if isinstance(content := message.get("content"), list)]
    return [part for content in lists for part in content if isinstance(part, dict)]


def _all_texts(values: list[Any]) -> int:
    """Tokens of all texts inside, however deep; a number is a token that was made before."""
    found = 0
    while values:
        value = values.pop()
        if isinstance(value, str):
            found += _tokens(value)
        elif isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, int):
            found += 1
    return found


def _tokens(text: str) -> int:
    return -(-quarters(text) // 4)
