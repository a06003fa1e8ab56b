"""One HTTP/1.1 connection: bytes in, one response at a time out (RFC 9112, parsed by llhttp).

The peer is not trusted: the head and the trailers are bounded, a response is complete only by its own framing,
and every wait has a deadline. One lazy timer per connection serves all limits, which is what makes them cheap:
moving a deadline is one assignment, and the timer re-arms itself when it fires too early.
"""

import asyncio
import errno
import os
from collections.abc import Callable
from typing import cast

import httptools

from moat.domain.errors import ProviderDown, ProviderError, ProviderTimeout, StreamCut

HIGH_WATER = 256 * 1024
"""Unread bytes from which the socket is no longer read."""


class Unanswered(ProviderDown):
    """A kept connection was closed before a byte of the answer came.

    Most likely the peer had closed it already, but it may also have taken the request, and bill it: another try is a
    try of its own, for the caller to make.
    """


class Connection(asyncio.Protocol):
    """A socket, its parser, and the response being received."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        where: str,
        max_head: int,
        on_idle_end: Callable[["Connection"], None],
    ) -> None:
        self._loop = loop
        self._where = where
        self._max_head = max_head
        self._on_idle_end = on_idle_end
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._allowed = 0.0
        self._idle: float | None = None
        self._idling = True
        self._paused = False
        self._buffered = 0
        self._barren = 0
        self.closed = False
        self.uses = 0
        """How many requests were sent on it."""
        self._reset(head_only=False)

    def _reset(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._informational = False
        self._keep_alive = False
        self._until_close = False
        self._pieces: list[bytes] = []
        self.status = 0
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self.fields: dict[bytes, bytes] = {}
        """Of them the last of each name, once the head is complete."""
        self.heard = False
        """Has any byte of the response come?"""
        self.head_complete = False
        self.complete = False
        self.error: ProviderError | None = None

    def send(self, request: bytes, *, first_byte: float, idle: float | None, head_only: bool) -> None:
        """Send a whole request. The head of the response must be complete within `first_byte` seconds.

        Raises `Unanswered` when the connection has ended meanwhile.
        """
        self._reset(head_only=head_only)
        self._barren = 0
        self._idling = False
        self._idle = idle
        self.uses += 1
        if self.closed:
            raise self._lost(None)
        self.allow(first_byte)
        self._transport.write(request)

    def allow(self, seconds: float) -> None:
        """Give the peer `seconds` from now, for everything until the next call of this."""
        self._allowed = seconds
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer_at > self._deadline:
            self._arm()

    async def wait(self) -> None:
        """Until something changed: bytes, the end, or an error."""
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def take(self) -> bytes:
        """All body bytes that came and were not taken yet."""
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
            self.allow(self._allowed)
        return data

    @property
    def has_body(self) -> bool:
        """Is there something to take?"""
        return bool(self._pieces)

    @property
    def open(self) -> bool:
        """Can something be sent, as far as is known here?"""
        return not self.closed and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """May another request follow? Only after a complete response whose bytes were all accounted for."""
        return self.complete and self._keep_alive and self.open and self._transport.get_write_buffer_size() == 0

    def rest(self, seconds: float) -> None:
        """Lie idle, to be closed after so many seconds."""
        self._pieces.clear()
        self._idling = True
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self.allow(seconds)

    def abort(self) -> None:
        """Close now; unsent and unread bytes are dropped."""
        self._disarm()
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        if self._idling or self.complete or self.error is not None:
            self._keep_alive = False
            if self._idling:
                self._end_idle()
            return
        self.heard = True
        self._barren += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._keep_alive = False
            self._fail(ProviderDown(f"sent a malformed HTTP response: {error}", where=self._where))
        if self._barren > self._max_head:
            self._fail(self._oversized())
        if self._barren == 0 and self._idle is not None and not self.complete:  # the head ended, or body came
            self.allow(self._idle)
        if self._buffered > HIGH_WATER and not self._paused and not self.complete:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        """The peer has said its last word; asyncio closes the connection next."""
        if self._until_close and self.head_complete and self.error is None:
            self.complete = True
            self._wake()

    def connection_lost(self, reason: Exception | None) -> None:
        """The socket is gone."""
        was_idle = self._idling
        self.closed = True
        self._disarm()
        if was_idle:
            self._on_idle_end(self)
        elif not self.complete:
            self._fail(self._lost(reason))
            self._wake()

    def _lost(self, reason: Exception | None) -> ProviderError:
        how = "closed the connection"
        if isinstance(reason, OSError) and reason.errno:
            how = f"broke the connection ({errno.errorcode.get(reason.errno, '')} {os.strerror(reason.errno)})"
        elif reason is not None:
            how = f"broke the connection ({type(reason).__name__})"
        if self.head_complete:
            return StreamCut(f"{how} before the end of its answer", where=self._where)
        if self.heard:
            return ProviderDown(f"{how} in the middle of the response's head", where=self._where)
        kind = Unanswered if self.uses > 1 else ProviderDown
        return kind(f"{how} without an answer", where=self._where)

    # httptools' side

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer: those are dropped."""
        if not self.head_complete:
            self.raw_headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is in."""
        if self.complete or self.error is not None:
            return
        status = self._parser.get_status_code()
        self._informational = 100 <= status < 200
        if self._informational:
            self.raw_headers.clear()
            return
        if self._barren > self._max_head and self._head_size() > self._max_head:
            self._fail(self._oversized())
        self._barren = 0
        self.status = status
        self.head_complete = True
        self._keep_alive = self._parser.should_keep_alive() and not self._head_only
        fields = self.fields = dict(self.raw_headers)
        chunked = b"chunked" in fields.get(b"transfer-encoding", b"").lower()
        self._until_close = not chunked and b"content-length" not in fields
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            self._fail(ProviderDown("sent a compressed body, which was not asked for", where=self._where))
        self.complete = self._head_only

    def on_body(self, data: bytes) -> None:
        """Body bytes, chunk framing removed."""
        if self.complete or self.error is not None:
            return
        self._barren = 0
        self._pieces.append(data)
        self._buffered += len(data)

    def on_message_begin(self) -> None:
        """A response starts; one that follows a complete one was not asked for."""
        if self.complete:
            self._keep_alive = False

    def on_message_complete(self) -> None:
        """The response ended by its own framing."""
        if not self._informational and self.error is None:
            self.complete = True

    # what both lead to

    def _head_size(self) -> int:
        return sum(len(name) + len(value) + 4 for name, value in self.raw_headers)

    def _oversized(self) -> ProviderDown:
        return ProviderDown(f"sent more than {self._max_head} bytes of headers", where=self._where)

    def _fail(self, error: ProviderError) -> None:
        """The first error counts, and a complete answer is not spoilt by what comes after it."""
        if self.error is None and not self.complete:
            self.error = error
        self._keep_alive = False

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _on_timer(self) -> None:
        self._timer = None
        if self._loop.time() < self._deadline:
            self._arm()
        elif self._idling:
            self._end_idle()
        elif self._pieces:
            self.allow(self._allowed)  # we are the slow side
        elif not self.complete and self.error is None:
            wait = "sent nothing more" if self.head_complete else "sent no answer"
            self._fail(ProviderTimeout(f"{wait} within {self._allowed:g} s", where=self._where))
            self._wake()

    def _end_idle(self) -> None:
        self._on_idle_end(self)
        self._idling = False
        self.abort()
