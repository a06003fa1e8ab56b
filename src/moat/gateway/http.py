"""The few pieces of HTTP that raw ASGI leaves to us."""

import math
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from moat.domain.errors import ApprovalRequired, ClientClosed, GuardBlocked, LimitExceeded, MoatError, RequestError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")

MAX_WAIT = 60
"""Seconds: official SDKs do not heed a longer `retry-after`, and would ask again at once."""


class BodyTooLarge(RequestError):
    """The body is larger than `server.max_body_mb` allows."""

    default_status = 413


async def read_body(receive: Receive, limit: int) -> bytes:
    """The whole request body. Raises `BodyTooLarge` above `limit` bytes, as soon as they arrived."""
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    chunks: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise ClientClosed("the client hung up while sending its request")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body"):
            return b"".join(chunks)
        message = await receive()


async def hung_up(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"the request body is larger than {f'{limit / 2**20:g} MiB' if limit >= 2**20 else f'{limit // 2**10} KiB'}",
        remedy="server.max_body_mb in moat.yaml raises the limit of model calls and traces.",
    )


async def respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    """Send a whole response."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (b"content-length", str(len(body)).encode())],
        }
    )
    await send({"type": "http.response.body", "body": body})


def error_headers(error: MoatError, request_id: str) -> Headers:
    """Headers of an error answer: `retry-after` when waiting helps, `x-should-retry: false` (which the official SDKs
    heed) when it does not, or not soon, `x-moat-guard` when a guard stopped it.
    """
    headers = [JSON, (b"x-request-id", request_id.encode()), (b"request-id", request_id.encode())]
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        headers.append((b"retry-after", str(max(1, math.ceil(retry_after))).encode()))
    if isinstance(error, LimitExceeded) and (retry_after is None or retry_after > MAX_WAIT):
        headers.append((b"x-should-retry", b"false"))
    if isinstance(error, GuardBlocked):
        headers.append((b"x-moat-guard", b"block"))
    if isinstance(error, ApprovalRequired) and error.approvals:
        headers.append((b"x-moat-approval", ",".join(error.approvals).encode()))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers
