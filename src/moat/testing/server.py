"""An OpenAI-compatible server over any provider, as a raw ASGI application.

Behind `moat simulate`, and a real peer for tests: whatever speaks to OpenAI can speak to it. It asks for no
key and keeps nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec

from moat.domain.calls import Call, Caller, Deployment, Event, new_id, new_trace
from moat.domain.errors import MoatError, NotFound
from moat.gateway.formats import openai_chat
from moat.gateway.http import EVENT_STREAM, JSON, Receive, Scope, Send, error_headers, read_body, respond
from moat.ports.models import Provider

MAX_BODY = 64 * 2**20
SIMULATED = (b"x-moat-simulated", b"true")


class ProviderServer:
    """`POST /v1/chat/completions` and `GET /v1/models`. A simulated provider is called so in every answer."""

    def __init__(self, provider: Provider, *, models: Sequence[str] = (), simulated: bool = False) -> None:
        self._provider = provider
        self._models = tuple(models)
        """What `GET /v1/models` lists; any other model name is answered too."""
        self._simulated = simulated

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        request_id = new_id("req")
        marks = [(b"x-request-id", request_id.encode()), *([SIMULATED] if self._simulated else [])]
        try:
            if (scope["method"], scope["path"]) == ("POST", "/v1/chat/completions"):
                await self._chat(await self._call(receive, request_id), receive, send, marks)
            elif (scope["method"], scope["path"]) == ("GET", "/v1/models"):
                await respond(send, 200, self._list(), [JSON, *marks])
            else:
                raise NotFound(f"there is no {scope['method']} {scope['path']}")
        except MoatError as error:
            headers = error_headers(error, request_id)
            await respond(send, error.status, openai_chat.error_body(error), [*headers, *marks[1:]])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._provider.aclose()
        await send({"type": "lifespan.shutdown.complete"})

    def _list(self) -> bytes:
        owner = "moat-simulated" if self._simulated else "moat"
        data = [{"id": name, "object": "model", "created": 0, "owned_by": owner} for name in self._models]
        return msgspec.json.encode({"object": "list", "data": data})

    async def _call(self, receive: Receive, request_id: str) -> Call:
        request = openai_chat.parse_chat(await read_body(receive, MAX_BODY))
        if request.prompt is not None:
            raise NotFound("this server has no prompts", where="prompt", remedy="Name a model and send messages.")
        return Call(
            id=request_id,
            caller=Caller(user=request.user),
            trace=new_trace(),
            model=request.model,
            messages=request.messages,
            params=request.params,
            stream=request.stream,
            deployment=Deployment("simulated" if self._simulated else "server", request.model),
        )

    async def _chat(self, call: Call, receive: Receive, send: Send, marks: list[tuple[bytes, bytes]]) -> None:
        """Answer, and stop asking the provider when the client hangs up."""
        answering = asyncio.ensure_future(self._answer(call, send, marks))
        hangup = asyncio.ensure_future(_hangup(receive))
        try:
            await asyncio.wait((answering, hangup), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            hangup.cancel()
            answering.cancel()
            await asyncio.wait((answering, hangup))

    async def _answer(self, call: Call, send: Send, marks: list[tuple[bytes, bytes]]) -> None:
        async with aclosing(self._provider.answer(call)) as events:
            if call.stream:
                await self._stream(call, events, send, marks)
                return
            collected = [event async for event in events]
        body = openai_chat.completion_body(call.id, self._shown(call), collected)
        await respond(send, 200, body, [JSON, *marks])

    async def _stream(
        self, call: Call, events: AsyncGenerator[Event, None], send: Send, marks: list[tuple[bytes, bytes]]
    ) -> None:
        """An error before the first event is an HTTP error, a later one an event without `[DONE]` after it."""
        encoder = openai_chat.ChunkEncoder(call, self._shown(call))
        first = await anext(events)
        await send({"type": "http.response.start", "status": 200, "headers": [EVENT_STREAM, *marks]})
        try:
            await _piece(send, encoder.encode(first))
            async for event in events:
                await _piece(send, encoder.encode(event))
            end = encoder.end()
        except MoatError as error:
            end = encoder.fail(error)
        await send({"type": "http.response.body", "body": end})

    def _shown(self, call: Call) -> str:
        return f"simulated/{call.model}" if self._simulated else call.model


async def _piece(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _hangup(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
