"""An OpenAI-compatible server over any provider, as a raw ASGI application.

Behind `moat simulate`, and a real peer for tests: whatever speaks to OpenAI can speak to it. It asks for no
key and keeps nothing.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import msgspec
from msgspec.structs import replace

from moat.domain.calls import Call, Caller, Deployment, Event, new_id, new_trace
from moat.domain.errors import MoatError, NotFound
from moat.gateway.format import Encoder, Format, Incoming
from moat.gateway.formats import openai_chat
from moat.gateway.formats.openai_operations import ENDPOINTS, OpenAIOperation
from moat.gateway.formats.responses import OpenAIResponses
from moat.gateway.http import (
    EVENT_STREAM,
    JSON,
    Headers,
    Receive,
    Scope,
    Send,
    error_headers,
    hung_up,
    read_body,
    respond,
)
from moat.ports.models import Provider

MAX_BODY = 64 * 2**20
SIMULATED = (b"x-moat-simulated", b"true")

FORMATS: dict[str, Format] = {
    "/v1/chat/completions": openai_chat.OpenAIChat(),
    "/v1/responses": OpenAIResponses(),
    **{path: OpenAIOperation(operation) for path, operation in ENDPOINTS.items()},
}
"""What is answered, by path."""


class ProviderServer:
    """OpenAI's endpoints for models; what the provider does not offer is refused in its words. A simulated provider is
    called so in every answer.
    """

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
        marks: Headers = [(b"x-request-id", request_id.encode()), *([SIMULATED] if self._simulated else [])]
        try:
            if scope["method"] == "POST" and scope["path"] in FORMATS:
                format = FORMATS[scope["path"]]
                call = await self._call(format, scope, receive, request_id)
                await self._work(format, call, receive, send, marks)
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

    async def _call(self, format: Format, scope: Scope, receive: Receive, request_id: str) -> Call:
        headers = dict(scope["headers"])
        content_type = headers.get(b"content-type", b"").decode("latin-1")
        request = format.parse(Incoming(await read_body(receive, MAX_BODY), "", "", content_type))
        if request.prompt is not None:
            raise NotFound("this server has no prompts", where="prompt", remedy="Name a model and send messages.")
        return Call(
            id=request_id,
            caller=Caller(user=request.user),
            trace=new_trace(),
            model=request.model,
            messages=request.messages,
            params=request.params,
            operation=format.operation,
            wire=format.wire,
            upload=request.upload,
            upload_type=request.upload_type,
            stream=request.stream,
            deployment=Deployment("simulated" if self._simulated else "server", request.model),
        )

    async def _work(self, format: Format, call: Call, receive: Receive, send: Send, marks: Headers) -> None:
        """Answer, and stop asking the provider when the client hangs up."""
        answering = asyncio.ensure_future(self._answer(format, call, send, marks))
        hangup = asyncio.ensure_future(hung_up(receive))
        try:
            await asyncio.wait((answering, hangup), return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            hangup.cancel()
            answering.cancel()
            await asyncio.wait((answering, hangup))

    async def _answer(self, format: Format, call: Call, send: Send, marks: Headers) -> None:
        shown = replace(call, model=f"simulated/{call.model}") if self._simulated else call
        async with aclosing(self._provider.answer(call)) as events:
            if call.stream:
                await _stream(format.encoder(shown), events, send, marks)
                return
            collected = [event async for event in events]
        body, headers = format.body(shown, collected)
        await respond(send, 200, body, [*headers, *marks])


async def _stream(encoder: Encoder, events: AsyncGenerator[Event, None], send: Send, marks: Headers) -> None:
    """An error before the first event is an HTTP error, a later one an event without an end mark after it."""
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


async def _piece(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})
