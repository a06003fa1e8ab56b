"""The server's side of HTTP/1.1: uvicorn's, with bounds on what clients may do to it.

A request's head must be complete `HEAD_SECONDS` after its first byte and is at most `MAX_HEAD` large; its body must
keep coming at `BODY_RATE`. Above `limit_concurrency` requests under way further ones are turned away, health checks
excepted; above twice as many connections one that is idle makes room. What httptools' strict parser refuses
(contradicting lengths, bare line breaks, control characters) is answered with 400.
"""

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from moat.domain.calls import new_id
from moat.domain.errors import MoatError, Overloaded, RequestError
from moat.gateway.cycle import Cycle
from moat.gateway.formats.openai_chat import error_body
from moat.gateway.http import JSON, Receive, Scope, Send, error_headers, respond

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""

HEAD_SECONDS = 10.0
"""From the first byte of a request, or the opening of a connection, to the end of the head."""

BODY_SECONDS = 20.0
"""A body may stand still for so long."""

BODY_RATE = 500
"""Bytes a second that a body must make on average; what came faster is credited, up to `BODY_SECONDS`."""

RETRY_SECONDS = 1.0
HEALTH = ("/healthz", "/readyz")
"""Answered however much is under way."""


_UPGRADE = re.compile(rb"^upgrade:", re.IGNORECASE | re.MULTILINE)


def _without_upgrade(data: bytes) -> bytes:
    """A request that offers another protocol, as Java's client does with HTTP/2, is answered in this one (RFC 9110,
    7.8). httptools would take its body for the other protocol.
    """
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"x-upgrade:", head) + end + rest


def _untold(status: int) -> None:
    """Where nobody counts."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. A single lazy timer serves all limits: moving a deadline is one assignment."""

    _head = _fields = 0
    _in_head = False
    _due = 0.0
    """When the client must have got on, in the loop's time; 0: nothing is awaited from it."""
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, refused: Callable[[int], None] = _untold, **options: Any) -> None:
        """`refused` is told the status of every request that the application never sees."""
        super().__init__(*args, **options)
        self._refused = refused
        self._limit = self.limit_concurrency
        self.limit_concurrency = None  # uvicorn's own answer knows no Retry-After, and turns health checks away too

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; so must be its first request soon."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it to what it always is
        if self._limit is not None and len(self.connections) > 2 * self._limit:
            self._make_room()
        self._expect(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what arrives until the headers are complete."""
        if self._resting and not self._in_head and b"pgrade:" in data:
            data = _without_upgrade(data)
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response(f"The request's headers are larger than {MAX_HEAD // 1024} KiB.")
        elif not self._due and self._resting:  # empty lines between requests: uvicorn would wait for ever
            self._expect(HEAD_SECONDS)

    def on_message_begin(self) -> None:
        """A new request on this connection."""
        self._head = self._fields = 0
        self._in_head = True
        self._expect(HEAD_SECONDS)
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One whole header: many in a single read are bounded here."""
        self._fields += len(name) + len(value)
        if self._fields > MAX_HEAD:
            raise httptools.HttpParserError("too many headers")
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The request begins; its body has its own limits."""
        self._in_head = False
        self._expect(BODY_SECONDS)
        version, scope = self.parser.get_http_version(), self.scope
        scope["method"], scope["http_version"] = self.parser.get_method().decode("ascii"), version
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"], scope["raw_path"] = unquote(path) if "%" in path else path, url.path
        scope["query_string"] = url.query or b""
        waiting, self.cycle = self.cycle, self._new_cycle(version)
        if waiting is None or waiting.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:  # pipelined: it waits for its turn
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def _new_cycle(self, version: str) -> Cycle:
        return Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )

    def on_body(self, body: bytes) -> None:
        """A part of the body: it buys time."""
        self._due = min(self._due + len(body) / BODY_RATE, self.loop.time() + BODY_SECONDS)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of the request is here."""
        self._due = 0.0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The next request may begin, if it is here; else the client may rest for a while."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._expect(self.timeout_keep_alive)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP as we know it."""
        self._refuse(RequestError(msg))

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        full = self._limit is not None and len(self.tasks) >= self._limit
        answer: Any = app
        if full and cycle.scope["path"] not in HEALTH:
            self._refused(Overloaded.default_status)
            answer = _overloaded
        super()._start_asgi_task(cycle, answer)

    @property
    def _resting(self) -> bool:
        """Is no request under way here?"""
        return self.cycle is None or self.cycle.response_complete

    def _expect(self, seconds: float) -> None:
        self._due = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._due, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._due or self.transport.is_closing():
            return
        if self.flow.read_paused:  # we are the slow side
            self._expect(BODY_SECONDS)
        elif self.loop.time() < self._due:
            self._arm()
        elif self._in_head or not self._resting:
            error = RequestError("The request did not come in time.")
            error.status = 408
            self._refuse(error)
        else:
            self.transport.close()

    def _refuse(self, error: MoatError) -> None:
        """Answer a request that the application never sees, unless another answer is on its way; hang up."""
        if self._resting or not self.cycle.response_started:
            body = error_body(error)
            headers = [*error_headers(error, new_id("req")), (b"content-length", b"%d" % len(body))]
            lines = [name + b": " + value + b"\r\n" for name, value in [*headers, (b"connection", b"close")]]
            self.transport.write(b"".join([STATUS_LINE[error.status], *lines, b"\r\n", body]))
            self._refused(error.status)
        self.transport.close()

    def _make_room(self) -> None:
        """Close a connection that no request is under way on: there always is one, as requests are bounded."""
        for other in self.connections:
            if (
                other is not self
                and isinstance(other, BoundedHttp)
                and other._resting
                and not other.transport.is_closing()
            ):
                other.transport.close()
                return


async def _overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    """In place of the application when too much is under way."""
    error = Overloaded("too many requests are under way", remedy="Try again in a moment.", retry_after=RETRY_SECONDS)
    await respond(send, error.status, error_body(error), [JSON, *error_headers(error, new_id("req"))[1:]])
