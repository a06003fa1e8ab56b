"""Google's errors as Moat's: `{"error": {code, message, status, details}}` (https://google.aip.dev/193)."""

import re
from typing import Any

import msgspec

from moat.adapters.providers.openai_errors import body_message, error_for
from moat.domain.errors import ContextOverflow, ProviderDown, ProviderError, ProviderRefused

_TOO_LONG = re.compile(
    r"token count .{0,60}exceeds|token count is \d+ but .{0,9}model only supports|exceeds the maximum number of tokens",
    re.IGNORECASE,
)
_OURS = ("API_KEY_INVALID", "API_KEY_EXPIRED", "FAILED_PRECONDITION")
"""A bad key, no billing, a place Google does not serve: 400s that are not about the request."""

_DELAY = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


class _Error(msgspec.Struct):
    """As far as it has the right shape."""

    code: Any = None
    message: Any = None
    status: Any = None
    details: Any = None


def error_of(status: int, headers: dict[str, str], body: bytes, *, where: str) -> ProviderError:
    """What an answer that is an error means. `status` 0: it came in an answer that had begun as a good one."""
    said = _read(body)
    code = status or (said.code if isinstance(said.code, int) and 400 <= said.code < 600 else 0)
    message = _line(said.message) or body_message(body)
    if not code:
        return ProviderDown(f"sent an error in its answer: {message}", where=where)
    details = [detail for detail in said.details if isinstance(detail, dict)] if isinstance(said.details, list) else []
    if code == 400 and _TOO_LONG.search(message):
        return ContextOverflow(f"answered 400: {message}", where=where)
    if code == 400 and any(word in _OURS for word in [said.status, *(detail.get("reason") for detail in details)]):
        return ProviderRefused(f"answered 400: {message}", where=where, status=403)
    error = error_for(code, headers, message, where=where)
    if error.retry_after is None:
        error.retry_after = _delay(details)
    return error


def _read(body: bytes) -> _Error:
    """An error object; in a list when a stream was asked for that is not of events."""
    try:
        data = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    data = data[0] if isinstance(data, list) and data else data
    found = data.get("error") if isinstance(data, dict) else None
    return msgspec.convert(found, _Error) if isinstance(found, dict) else _Error()


def _line(message: Any) -> str:
    return " ".join(message.split())[:500] if isinstance(message, str) else ""


def _delay(details: list[dict[str, Any]]) -> float | None:
    """`google.rpc.RetryInfo`: seconds as text, such as "22s" or "8.94s"."""
    for detail in details:
        delay = detail.get("retryDelay")
        if isinstance(delay, str) and (found := _DELAY.fullmatch(delay)):
            return float(found[1])
    return None
