"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as an answer of the API."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import msgspec
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from moat.api.endpoint import EVENTS
from moat.domain.errors import MoatError
from moat.pipeline.endings import HUNG_UP

_encoder = msgspec.json.Encoder()


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
        self.raw_headers = [
            (b"content-type", EVENTS.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # nginx would hold the pieces back
        ]
        self._events = events
        self._failed = failed
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and watch whether somebody still listens."""
        work = asyncio.ensure_future(self._answer(scope, receive, send))
        watch = asyncio.ensure_future(_hang_up(receive))
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
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await _send(send, first)
            try:
                async for event in events:
                    await _send(send, event)
            except MoatError as error:
                await _send(send, self._failed(error))
        await send({"type": "http.response.body", "body": b""})


async def _send(send: Send, event: msgspec.Struct) -> None:
    name = str(event.__struct_config__.tag)
    body = b"event: %b\ndata: %b\n\n" % (name.encode(), _encoder.encode(event))
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
