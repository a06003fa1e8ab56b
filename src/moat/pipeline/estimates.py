"""How many tokens a call has, before anybody has counted them: about, and at most.

About: four characters of ASCII a token (OpenAI's rule of thumb), any other character one, anything that is no text a
flat number. At most: every known tokenizer makes no more than one token of a byte (UTF-8), so the bytes of everything
that is sent bound it, with sound and pictures counted for what they can hold.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from moat.domain.calls import Call, Message
from moat.domain.usage import estimate_tokens
from moat.pipeline.data_urls import opened

IMAGE_TOKENS = 765
"""OpenAI's count for a 1,024 x 1,024 image in high detail."""
MOST_IMAGE = 3000
"""More than most models count for an image, of whatever size: providers scale it down."""
DEAR_IMAGES = {"gpt-4o-mini": 48_169}
"""By the beginning of a model's name: 2,833 tokens, and 5,667 for each of up to eight tiles
(https://platform.openai.com/docs/guides/images-vision#calculating-costs)."""
MOST_FILE = 100_000
"""Of a file that is elsewhere, so that its size is not known."""
FRAME_TOKENS = 8
"""More than any chat format adds around a message."""
FILE_BYTES = 16
"""Bytes in base64 of a file that is no text, such as a PDF, for a token: about."""
LEAST_AUDIO = 1000
"""Bytes of a second of sound, at least: speech at 8 kbit/s."""
AUDIO_TOKENS = 100
"""More than any provider counts for a second of sound."""

LENGTHS = ("max_tokens", "max_completion_tokens")
"""Parameters that say how long an answer may be: the older and the newer name."""
ELSEWHERE = ("models", "fallbacks", "route", "provider", "preset", "plugins")
"""Parameters by which some servers take another model than the one that is named, or a service beside it."""

_IMAGES = ("image_url", "image", "input_image")
_FILES = ("file", "input_file", "document", "video_url", "google")
_TEXTS = ("input", "prompt", "query", "documents")
_READ = ("tools", "functions", "response_format", "prediction")
"""Parameters that a model reads."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{1024,}={0,2}")
_encode = msgspec.json.Encoder().encode


def input_tokens(call: Call) -> int:
    """Estimated tokens of messages and tools; for operations without messages, of the texts in the parameters."""
    if call.operation != "chat":
        return _all_texts([call.params.get(name) for name in _TEXTS])
    asked = sum(map(message_tokens, call.messages))
    for name in _READ:
        if read := call.params.get(name):
            asked += estimate_tokens(_encode(read).decode())
    return asked


def message_tokens(message: Message) -> int:
    """Estimated tokens of one message: its text, its other parts, the tools it calls, and whatever else it has."""
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    asked = _tokens(content) if isinstance(content, str) else sum(map(_part_tokens, parts))
    if len(message) > 2:
        rest = {name: value for name, value in message.items() if name not in ("role", "content")}
        asked += estimate_tokens(_encode(rest).decode())
    return asked


def _part_tokens(part: Any) -> int:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text" and isinstance(text := part.get("text"), str):
        return _tokens(text)
    if kind in _IMAGES and _is_picture(part):
        return IMAGE_TOKENS
    inside = sum(map(_file_tokens, _strings([part])))
    return max(IMAGE_TOKENS, inside) if kind in (*_IMAGES, *_FILES) else inside


def _file_tokens(value: str) -> int:
    """Of a text, or a file within it. What has blanks is no base64, whatever it decodes to."""
    if " " in value:
        return _tokens(value)
    text = opened("file_data", value)
    if text == "" or _BASE64.fullmatch(text):
        return len(value) // FILE_BYTES
    return _tokens(text)


def _is_picture(part: Mapping[str, Any]) -> bool:
    """What says that it is a picture may hold another file: providers read what they get."""
    files = (value[: len("data:image/")].lower() for value in _strings([part]))
    return all(value.startswith("data:image/") for value in files if value.startswith("data:"))


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
    image = _most_image(call)
    return most + sum(_most(message, image) for message in call.messages)


def _most_image(call: Call) -> int:
    model = call.deployment.model.rpartition("/")[2] if call.deployment is not None else ""
    return next((tokens for name, tokens in DEAR_IMAGES.items() if model.startswith(name)), MOST_IMAGE)


def most_seconds(call: Call) -> int:
    """How long the sound can be that an upload holds; 0 without one."""
    return len(call.upload) // LEAST_AUDIO + 1 if call.upload else 0


def _most(message: Message, image: int) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return len(_encode(message))
    rest = {name: value for name, value in message.items() if name != "content"}
    return len(_encode(rest)) + sum(_most_part(part, image) for part in content)


def _most_part(part: Any, image: int) -> int:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind in _IMAGES:
        return image if _is_picture(part) else max(image, len(_encode(part)))
    if kind == "input_audio":
        return len(_encode(part)) * AUDIO_TOKENS // LEAST_AUDIO + AUDIO_TOKENS
    size = len(_encode(part))
    return MOST_FILE if kind in _FILES and size < MOST_FILE else size


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


def shows(call: Call) -> bool:
    """Does the call hold pictures, films or files that may have some?"""
    return bool(call.upload) or any(part.get("type") in (*_IMAGES, *_FILES) for part in _parts(call))


def _parts(call: Call) -> list[dict[str, Any]]:
    """Those of messages that are no plain text."""
    lists = [content for message in call.messages if isinstance(content := message.get("content"), list)]
    return [part for content in lists for part in content if isinstance(part, dict)]


def _all_texts(values: list[Any]) -> int:
    """Tokens of all texts inside, however deep; a number is a token that was made before."""
    return sum(_tokens(value) if isinstance(value, str) else 1 for value in _leaves(values))


def _strings(values: list[Any]) -> Iterator[str]:
    return (value for value in _leaves(values) if isinstance(value, str))


def _leaves(values: list[Any]) -> Iterator[str | int]:
    """Texts and whole numbers, however deep; takes the list apart."""
    while values:
        value = values.pop()
        if isinstance(value, dict):
            values.extend(value.values())
        elif isinstance(value, list):
            values.extend(value)
        elif isinstance(value, str | int):
            yield value


def _tokens(text: str) -> int:
    return -(-quarters(text) // 4)
