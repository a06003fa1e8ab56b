"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as an answer of the API."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from moat.api.endpoint import EVENTS
from moat.domain.errors import MoatError
from moat.gateway.http import hung_up
from moat.pipeline.endings import HUNG_UP

_encoder = msgspec.json.Encoder()

END: dict[str, Any] = {"type": "http.response.body", "body": b""}
"""ASGI: what an answer of events ends with."""


def start() -> dict[str, Any]:
    """ASGI: what an answer of events begins with. Its headers are a list of its own, which others may add to."""
    headers = [
        (b"content-type", EVENTS.encode()),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # nginx would hold the pieces back
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def piece(text: bytes) -> dict[str, Any]:
    """Lines of a stream, as ASGI sends them."""
    return {"type": "http.response.body", "body": text + b"\n\n", "more_body": True}


def event(name: str, data: msgspec.Struct) -> dict[str, Any]:
    """An event of this name, as ASGI sends it."""
    return piece(b"event: %b\ndata: %b" % (name.encode(), _encoder.encode(data)))


class EventStream(Response):
    """Sends structs as they come, each with its tag as the event's name.

    What fails before the first is an ordinary error; later it is the last event. Who hangs up ends the work at once.
    """

    def __init__(
        self,
        events: AsyncGenerator[msgspec.Struct, None],
        failed: Callable[[MoatError], msgspec.Struct],
        refuse: Callable[[MoatError], Response],
    ) -> None:
        super().__init__(media_type=EVENTS)
        self._events = events
        self._failed = failed
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and watch whether somebody still listens."""
        work = asyncio.ensure_future(self._answer(scope, receive, send))
        watch = asyncio.ensure_future(hung_up(receive))
        try:
            await asyncio.wait((work, watch), return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel(HUNG_UP)
            watch.cancel()
            await asyncio.wait((work,))
        if not work.cancelled():
            work.result()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._events) as events:
            try:
                first = await anext(events)
            except MoatError as error:
                await self._refuse(error)(scope, receive, send)
                return
            await send(start())
            await send(_tagged(first))
            try:
                async for later in events:
                    await send(_tagged(later))
            except MoatError as error:
                await send(_tagged(self._failed(error)))
        await send(END)


def _tagged(data: msgspec.Struct) -> dict[str, Any]:
    return event(str(data.__struct_config__.tag), data)
