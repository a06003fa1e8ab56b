"""One request and its answer on a connection: uvicorn's cycle, with the answer's head sent together with its body.

ASGI lets a server keep the head back until the first piece of the body is there (HTTP & WebSocket specification,
Response Start). Then most answers are one write, and their head is built and checked once.
"""

from collections.abc import MutableMapping
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, RequestResponseCycle

from moat.gateway.http import Headers

CHUNKED = (b"transfer-encoding", b"chunked")
CLOSE = (b"connection", b"close")

BODILESS = (204, 304)
"""Statuses whose answers have no body, and so no length."""


class Cycle(RequestResponseCycle):
    """Headers are the application's own, in lower case; one with a line break in it is refused."""

    _start: MutableMapping[str, Any] | None = None
    """The head, until it is sent."""

    async def send(self, message: MutableMapping[str, Any]) -> None:  # type: ignore[override]  # uvicorn's TypedDicts
        """ASGI's `send`. Raises `RuntimeError` for messages out of turn, a broken header, and a wrong length."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if self.response_complete or kind != ("http.response.body" if self.response_started else "http.response.start"):
            raise RuntimeError(f"unexpected ASGI message {kind!r}")
        if not self.response_started:
            self.response_started, self.waiting_for_100_continue = True, False
            self._start = message
            return
        head = b"" if self._start is None else self._head(self._start)
        more = message.get("more_body", False)
        if data := head + self._framed(message.get("body", b""), more):
            self.transport.write(data)
        if not more:
            self._end()

    def _head(self, start: MutableMapping[str, Any]) -> bytes:
        """Status line and headers, with how the body is framed."""
        self._start, status = None, start["status"]
        headers: Headers = [*self.default_headers, *start.get("headers", ())]
        fields = dict(headers)
        if (length := fields.get(b"content-length")) is not None:
            self.expected_content_length = int(length)
        elif b"transfer-encoding" in fields:
            self.chunked_encoding = fields[b"transfer-encoding"].lower() == b"chunked"
        elif self.scope["method"] != "HEAD" and status not in BODILESS:
            self.chunked_encoding = True
            headers.append(CHUNKED)
        closing = b"close" in fields.get(b"connection", b"").lower()
        if not closing and not self.keep_alive:
            headers.append(CLOSE)
        self.keep_alive = self.keep_alive and not closing
        head = b"%s%s\r\n\r\n" % (STATUS_LINE[status], b"\r\n".join([b"%b: %b" % header for header in headers]))
        lines = len(headers) + 2
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise RuntimeError("a response header holds a line break or NUL")
        return head

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            return b""
        if self.chunked_encoding:
            chunk = b"%x\r\n%s\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        self.expected_content_length -= len(body)
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("the response has another length than its content-length says")
        return body

    def _end(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
