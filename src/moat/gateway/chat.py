"""`POST /v1/chat/completions`: one request from bytes to bytes."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Event, new_id, new_trace
from moat.domain.errors import MoatError
from moat.gateway import openai_chat
from moat.gateway.admission import authenticate, caller_of, check_encoding, check_environment, read_headers
from moat.gateway.http import EVENT_STREAM, JSON, Headers, Receive, Scope, Send, error_headers, read_body, respond
from moat.gateway.serving import Live

WATCH_AFTER = 0.02


class ChatCompletions:
    """The endpoint, over whatever `live` serves."""

    def __init__(self, live: Live, max_body: int) -> None:
        self._live = live
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors before the first byte become HTTP errors, later ones an error event."""
        request_id = new_id("req")
        try:
            call, include_usage = await self._admit(scope, receive, request_id)
            await self._answer(call, include_usage, receive, send)
        except MoatError as error:
            await respond(send, error.status, openai_chat.error_body(error), error_headers(error, request_id))

    async def _answer(self, call: Call, include_usage: bool, receive: Receive, send: Send) -> None:
        watch = _HangupWatch(receive)
        try:
            async with aclosing(self._live.serving.run(call)) as events:
                if call.stream:
                    await _stream(call, events, send, include_usage)
                else:
                    await _collect(call, events, send)
        except asyncio.CancelledError:
            if not watch.hung_up:
                raise
        finally:
            watch.close()

    async def _admit(self, scope: Scope, receive: Receive, request_id: str) -> tuple[Call, bool]:
        headers = read_headers(scope)
        key = authenticate(headers, self._live.serving.keys)
        check_encoding(headers)
        request = openai_chat.parse_chat(await read_body(receive, self._max_body))
        caller = caller_of(key, headers, request.user)
        prompt = request.prompt
        if prompt is not None:
            check_environment(key, prompt.environment)
            if prompt.environment:
                caller = replace(caller, environment=prompt.environment)
            prompt = replace(prompt, environment=caller.environment)
        call = Call(
            id=request_id,
            caller=caller,
            trace=new_trace(headers.get("traceparent", "")),
            model=request.model,
            prompt=prompt,
            messages=request.messages,
            params=request.params,
            stream=request.stream,
        )
        return call, request.include_usage


async def _collect(call: Call, events: AsyncGenerator[Event, None], send: Send) -> None:
    collected = [event async for event in events]
    body = openai_chat.completion_body(call.id, call.model, collected)
    await respond(send, 200, body, [JSON, *_facts(call)])


async def _stream(call: Call, events: AsyncGenerator[Event, None], send: Send, include_usage: bool) -> None:
    """Forward events as they come. The last bytes go out only when the pipeline, and so the record, is done."""
    first = await anext(events)
    sent = call.journal.sent or call
    encoder = openai_chat.ChunkEncoder(call.id, sent.model, include_usage=include_usage)
    headers = [EVENT_STREAM, (b"cache-control", b"no-cache"), *_facts(call)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    end = openai_chat.DONE
    try:
        await _send_piece(send, encoder.encode(first))
        async for event in events:
            await _send_piece(send, encoder.encode(event))
    except MoatError as error:
        end = openai_chat.error_event(error)
    await send({"type": "http.response.body", "body": end})


async def _send_piece(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


def _facts(call: Call) -> Headers:
    """What answered, as response headers."""
    journal = call.journal
    headers: Headers = [(b"x-request-id", call.id.encode())]
    if journal.prompt is not None:
        headers.append((b"x-moat-prompt", journal.prompt.id.encode()))
    if journal.release is not None:
        headers.append((b"x-moat-release", journal.release.id.encode()))
    if journal.attempts:
        headers.append((b"x-moat-deployment", str(journal.attempts[-1].deployment).encode("latin-1", "replace")))
    return headers


class _HangupWatch:
    """Cancels the request that makes it when its client is gone: nobody waits, and the tokens cost money.

    Watching takes a task of its own, so it begins only when the call has taken `WATCH_AFTER` seconds.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._request = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(WATCH_AFTER, self._begin)
        self.hung_up = False

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.hung_up = True
        if self._request is not None:
            self._request.cancel("the client hung up")
