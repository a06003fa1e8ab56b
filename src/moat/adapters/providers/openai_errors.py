"""HTTP answers that are not 200, as Moat's errors."""

import email.utils
import math
import re
import time
from collections.abc import Iterable

import msgspec

from moat.adapters.providers.openai_wire import error_message
from moat.domain.errors import (
    ContextOverflow,
    ProviderDown,
    ProviderError,
    ProviderOverloaded,
    ProviderRefused,
    ProviderTimeout,
)

_KEY_LIKE = re.compile(r"\b(?:sk|pk|rk|key)-[\w*.-]{6,}|(?<=Bearer )[\w*.~+/-]{6,}")


_TOO_LONG = re.compile(
    r"context[ _]length[ _]exceeded|maximum context length|context (?:window|size|length|limit)|"
    r"(?:prompt|input|request|conversation|messages) (?:is|are|was) too (?:long|large)|too many (?:input )?tokens|"
    r"reduce the length of|exceeds? the (?:maximum|model'?s?|max)[a-z ]* (?:number of )?(?:input )?tokens|"
    r"input token count|tokens? \+ `?max_(?:new_)?tokens`? must be",
    re.IGNORECASE,
)
"""How OpenAI, Anthropic, Gemini, Bedrock, vLLM, llama.cpp, Groq, Mistral, Together and others say it."""


class Redactor:
    """Takes secrets out of text that others will read: providers quote the key they reject."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((secret for secret in secrets if len(secret) >= 4), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text without the configured secrets and without anything that looks like a key."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _KEY_LIKE.sub("***", text)


def error_for(status: int, headers: dict[str, str], message: str, *, where: str) -> ProviderError:
    """The error that a status means; `message` is what the provider said."""
    what = f"answered {status}: {message}" if message else f"answered {status}"
    wait = retry_after(headers)
    if status in (429, 529):
        return ProviderOverloaded(what, where=where, retry_after=wait)
    error: ProviderError
    if status == 408:
        error = ProviderTimeout(what, where=where)
    elif status >= 500:
        error = ProviderDown(what, where=where)
    elif status in (400, 413, 422) and _TOO_LONG.search(message):
        return ContextOverflow(what, where=where, status=status)
    elif status >= 400:
        return ProviderRefused(what, where=where, status=status)
    else:
        error = ProviderDown(f"{what} (redirects are not followed)" if status >= 300 else what, where=where)
    error.retry_after = wait
    return error


def body_message(body: bytes) -> str:
    """What an error body says, in JSON or in plain words; markup is left out."""
    try:
        return error_message(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return "" if text.startswith("<") else " ".join(text.split())[:300]


def retry_after(headers: dict[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `retry-after` in seconds or as an HTTP date (RFC 9110, 10.2.3)."""
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after", "")
    seconds = _number(value)
    if seconds is not None or not value:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return max(0.0, number) if math.isfinite(number) else None
