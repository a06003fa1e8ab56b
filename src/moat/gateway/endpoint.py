"""A model endpoint: one request from bytes to bytes, in any wire format."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

from msgspec.structs import replace

from moat.domain.calls import Call, Event, new_id, new_trace
from moat.domain.errors import MoatError
from moat.gateway.admission import authenticate, caller_of, check_encoding, check_environment, read_headers
from moat.gateway.format import Format, Incoming
from moat.gateway.http import EVENT_STREAM, Headers, Receive, Scope, Send, error_headers, read_body, respond
from moat.gateway.serving import Live
from moat.pipeline.endings import HUNG_UP, explain

WATCH_AFTER = 0.02
STALL_SECONDS = 60.0


class ModelEndpoint:
    """An endpoint in one wire format, over whatever `live` serves."""

    def __init__(self, format: Format, live: Live, max_body: int, *, prefix: str = "") -> None:
        """`prefix`: the route's fixed part, when its path has parameters."""
        self._format = format
        self._live = live
        self._max_body = max_body
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors before the first byte become HTTP errors, later ones an error event."""
        request_id = new_id("req")
        try:
            await self._answer(await self._admit(scope, receive, request_id), receive, send)
        except MoatError as error:
            await respond(send, error.status, self._format.error(error), error_headers(error, request_id))

    async def _answer(self, call: Call, receive: Receive, send: Send) -> None:
        watch = _HangupWatch(receive)
        try:
            async with aclosing(self._live.serving.run(call)) as events:
                if call.stream:
                    await self._stream(call, events, _Client(send, watch))
                else:
                    await self._collect(call, events, send)
        except asyncio.CancelledError as error:
            if not watch.hung_up:
                raise explain(error) from None
        finally:
            watch.close()

    async def _admit(self, scope: Scope, receive: Receive, request_id: str) -> Call:
        headers = read_headers(scope)
        key = authenticate(headers, self._live.serving.keys)
        check_encoding(headers)
        request = self._format.parse(
            Incoming(
                body=await read_body(receive, self._max_body),
                path=scope["path"][len(self._prefix) :] if self._prefix else "",
                query=scope["query_string"].decode("latin-1"),
                content_type=headers.get("content-type", ""),
            )
        )
        caller = caller_of(key, headers, request.user)
        prompt = request.prompt
        if prompt is not None:
            check_environment(key, prompt.environment)
            if prompt.environment:
                caller = replace(caller, environment=prompt.environment)
            prompt = replace(prompt, environment=caller.environment, released_only=bool(key.environment))
        return Call(
            id=request_id,
            caller=caller,
            trace=new_trace(headers.get("traceparent", "")),
            model=request.model,
            prompt=prompt,
            messages=request.messages,
            params=request.params,
            operation=self._format.operation,
            wire=self._format.wire,
            upload=request.upload,
            upload_type=request.upload_type,
            stream=request.stream,
        )

    async def _collect(self, call: Call, events: AsyncGenerator[Event, None], send: Send) -> None:
        collected = [event async for event in events]
        body, headers = self._format.body(call.journal.sent or call, collected)
        await respond(send, 200, body, [*headers, *_facts(call)])

    async def _stream(self, call: Call, events: AsyncGenerator[Event, None], client: "_Client") -> None:
        """Forward events as they come. The last bytes go out only when the pipeline, and so the record, is done."""
        first = await anext(events)
        encoder = self._format.encoder(call.journal.sent or call)
        headers = [EVENT_STREAM, (b"cache-control", b"no-cache"), *_facts(call)]
        await client.send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await client.write(encoder.encode(first))
            async for event in events:
                await client.write(encoder.encode(event))
            end = encoder.end()
        except (MoatError, asyncio.CancelledError) as error:
            if client.watch.hung_up:
                raise
            end = encoder.fail(explain(error))
        await client.send({"type": "http.response.body", "body": end})


class _Client:
    """The other end of a stream: writing tells the watch that it still reads."""

    def __init__(self, send: Send, watch: "_HangupWatch") -> None:
        self.send = send
        self.watch = watch

    async def write(self, body: bytes) -> None:
        """Send a piece; waits while the client is slow."""
        if body:
            self.watch.writing = True
            await self.send({"type": "http.response.body", "body": body, "more_body": True})
            self.watch.writing = False
            self.watch.written += 1


def _facts(call: Call) -> Headers:
    """What answered, as response headers."""
    journal = call.journal
    headers: Headers = [(b"x-request-id", call.id.encode())]
    if journal.prompt is not None:
        headers.append((b"x-moat-prompt", journal.prompt.id.encode()))
    if journal.release is not None:
        headers.append((b"x-moat-release", journal.release.id.encode()))
    if journal.arm:
        headers.append((b"x-moat-arm", _header(journal.arm)))
    if journal.experiment:
        headers.append((b"x-moat-experiment", _header(journal.experiment)))
    if journal.cache:
        headers.append((b"x-moat-cache", journal.cache.encode()))
    headers += [(b"x-moat-notice", _header(notice)) for notice in journal.notices]
    if journal.attempts:
        headers.append((b"x-moat-deployment", _header(str(journal.attempts[-1].deployment))))
    return headers


def _header(text: str) -> bytes:
    """A name as a header's value: what is not printable ASCII, a line break above all, becomes `?`."""
    return re.sub(r"[^ -~]", "?", text).encode()


class _HangupWatch:
    """Cancels the request that makes it when its client is gone: nobody waits, and the tokens cost money.

    Watching takes a task of its own, so it begins only when the call has taken `WATCH_AFTER` seconds. A client
    that takes nothing for `STALL_SECONDS` counts as gone.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._request = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(WATCH_AFTER, self._begin)
        self._seen = 0
        self.writing = False
        self.written = 0
        self.hung_up = False

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())
        self._timer = self._loop.call_later(STALL_SECONDS, self._check_progress)

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._hang_up()

    def _check_progress(self) -> None:
        if self.writing and self.written == self._seen:
            self._hang_up()
        self._seen = self.written
        self._timer = self._loop.call_later(STALL_SECONDS, self._check_progress)

    def _hang_up(self) -> None:
        self.hung_up = True
        if self._request is not None:
            self._request.cancel(HUNG_UP)
