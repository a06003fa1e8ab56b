"""What changes, as it changes: server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.changes import Changes, Listener, Topic
from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.event_stream import END, event, piece, start
from moat.api.services import Services
from moat.domain.calls import new_id
from moat.domain.errors import AccessError, Unavailable
from moat.gateway.formats import openai_chat
from moat.gateway.http import Receive, Scope, Send, error_headers, hung_up, respond

RETRY_MS = 2000
"""How long a browser waits before it connects again."""


class Changed(msgspec.Struct, frozen=True):
    """Data of an event `changed`: what may be shown otherwise now."""

    topics: list[Topic]
    """`traces`: calls, spans or opinions were stored, or let go. `serving`: this server serves something else.
    `state`: anything else that is kept: releases, runs, keys, alerts, approvals."""


def listen(request: Request, services: Services) -> Response:
    """Server-sent events: `changed` whenever there is something new to ask for."""
    return ChangeStream(services.changes, request.state.admit, request.state.key.id)


class ChangeStream(Response):
    """Goes on until the client leaves, its key is not taken any more, or the server stops."""

    def __init__(self, changes: Changes, admit: Callable[[], Any], who: str) -> None:
        """`admit` raises `AccessError` once the request would be refused; it may take its time. `who`: id of the
        account or key.
        """
        super().__init__()
        self._changes = changes
        self._admit = admit
        self._who = who

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            async with self._changes.listening(self._who) as listener:
                await send(start())
                if scope["method"] != "HEAD":
                    await self._tell(listener, receive, send)
                await send(END)
        except Unavailable as error:
            await respond(send, error.status, openai_chat.error_body(error), error_headers(error, new_id("req")))

    async def _tell(self, listener: Listener, receive: Receive, send: Send) -> None:
        gone = asyncio.create_task(_gone(receive, listener))
        try:
            await send(piece(b"retry: %d" % RETRY_MS))
            beat = time.monotonic() + self._changes.beat
            while True:
                topics = await listener.hear(max(0.0, beat - time.monotonic()))
                if gone.done() or self._changes.ended:
                    return
                if topics:
                    await send(event("changed", Changed(topics)))
                if time.monotonic() >= beat:
                    beat = time.monotonic() + self._changes.beat
                    await asyncio.to_thread(self._admit)
                    await send(piece(b": still here"))
        except AccessError:
            return
        finally:
            gone.cancel()


async def _gone(receive: Receive, listener: Listener) -> None:
    """Wakes the listener when the client has left."""
    await hung_up(receive)
    listener.tell(set())


ENDPOINTS = (Endpoint("GET", "/api/v1/events", VIEWERS, listen, Changed, streams=True),)
