"""Connections go to the process that serves what they ask for.

Where worker processes serve model calls, everything else (the management API, files and batches, feedback, metrics,
calls with an idempotency key, which all meet in one memory) is the keeper's. Whoever gets a request that is not his own
hands over the connection with what was read of it; the bytes are not copied through a second process, and streams,
uploads and hang-ups are as they are.
"""

import asyncio
import os
import re
from collections.abc import Callable
from typing import Any, Protocol

from moat.gateway.http import JSON, Receive, Scope, Send, respond
from moat.gateway.protocol import HEAD_SECONDS, MAX_HEAD, BoundedHttp

_ANYWHERE = re.compile(rb"(?:GET|HEAD|POST) (?:/v1/(?!files|batches|feedback)|/v1beta/|/healthz |/readyz )")
_ONCE = re.compile(rb"\r\nidempotency-key[ \t]*:", re.IGNORECASE)


def is_anywhere(head: bytes) -> bool:
    """May any process answer a request with this head?"""
    return _ANYWHERE.match(head) is not None and _ONCE.search(head) is None


class Place(Protocol):
    """Where a process stands among the others."""

    def is_elsewhere(self, head: bytes) -> bool:
        """Is a request with this head another's?"""
        ...

    def hand_over(self, fd: int, data: bytes) -> None:
        """Give a connection away, with what was read. The descriptor is then no longer the caller's."""
        ...


class PlacedHttp(BoundedHttp):
    """A connection that looks at the head of each request before it takes it."""

    def __init__(self, *args: Any, place: Place, early: bytes = b"", **options: Any) -> None:
        """`early`: what another process has read of the connection."""
        super().__init__(*args, **options)
        self._place = place
        self._early = early
        self._between = True
        """Is what comes next the beginning of a request?"""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with what was read already."""
        super().connection_made(transport)
        if self._early:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        """Take it, or hand it over with the connection."""
        if not (self._between and self._resting) or self.transport.is_closing():
            super().data_received(data)
            return
        begun, data = bool(self._early), (self._early + data).lstrip(b"\r\n")
        self._early, self._in_head = b"", False
        end = data.find(b"\r\n\r\n")
        if end < 0 and len(data) <= MAX_HEAD:
            if (data and not begun) or not self._due:
                self._expect(HEAD_SECONDS)
            self._early, self._in_head = data, bool(data)
        elif self._place.is_elsewhere(data[: end + 2]) and not self.transport.get_write_buffer_size():
            self._hand_over(data)
        else:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._between = False
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """What follows is another."""
        self._between = True
        super().on_message_complete()

    def _hand_over(self, data: bytes) -> None:
        self.transport.pause_reading()
        fd = os.dup(self.transport.get_extra_info("socket").fileno())
        self.transport.abort()  # the other descriptor keeps the connection
        self._place.hand_over(fd, data)


async def misdirected(scope: Scope, receive: Receive, send: Send) -> None:
    """What a worker says to a request that is the keeper's and came behind another before that was answered."""
    error = b'{"error":{"message":"send this request when the one before it is answered","type":"misdirected"}}'
    await respond(send, 421, error, [JSON, (b"connection", b"close")])


Take = Callable[[int, bytes], None]
"""Takes over a connection: its descriptor, and what was read of it."""
