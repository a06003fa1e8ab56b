"""A model endpoint: one request from bytes to bytes, in any wire format."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from operator import attrgetter

from moat.domain.calls import Call, Event, new_id, new_trace
from moat.domain.errors import AccessError, ConflictError, MoatError, StorageError
from moat.domain.guards import strongest
from moat.domain.keys import Key
from moat.domain.usage import exact_usd
from moat.gateway.admission import (
    authenticate,
    cache_use_of,
    caller_of,
    check_encoding,
    client_request_of,
    patience_of,
    placed,
    read_headers,
)
from moat.gateway.asking import about
from moat.gateway.format import Format, Incoming, read_request
from moat.gateway.http import (
    EVENT_STREAM,
    Headers,
    Message,
    Receive,
    Scope,
    Send,
    error_headers,
    hung_up,
    read_body,
    respond,
)
from moat.gateway.idempotency import STALL_SECONDS, Asked, asked
from moat.gateway.serving import Live, Serving
from moat.pipeline.compose import Next
from moat.pipeline.endings import HUNG_UP, explain

WATCH_AFTER = 0.02
KEY_SECONDS = 0.25
"""Between two looks at the key of a call under way."""


class ModelEndpoint:
    """An endpoint in one wire format, over whatever `live` serves."""

    def __init__(
        self,
        format: Format,
        live: Live,
        max_body: int,
        *,
        prefix: str = "",
        pipeline: Callable[[Serving], Next] = attrgetter("run"),
    ) -> None:
        """`prefix`: the route's fixed part, when its path has parameters. `pipeline`: which of a snapshot's answers."""
        self._format = format
        self._live = live
        self._max_body = max_body
        self._prefix = prefix
        self._pipeline = pipeline

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Errors before the first byte become HTTP errors, later ones an error event."""
        request_id, call = new_id("req"), None
        try:
            headers = read_headers(scope)
            key = authenticate(headers, self._live.serving.keys)
            await self._live.turns.take(key.tenant or key.id)
            call, once = await self._admit(scope, headers, key, receive, request_id)
            allowed = partial(self._check_key, headers, key)
            if once is None:
                await self._answer(call, allowed, receive, send)
            else:
                await self._live.answers.answer(once, partial(self._answer_any, call, allowed), send)
        except MoatError as error:
            await self._refuse(error, request_id, send, is_call=call is not None)

    async def _admit(
        self, scope: Scope, headers: dict[str, str], key: Key, receive: Receive, request_id: str
    ) -> tuple[Call, Asked | None]:
        """The call, and its idempotency key if it has one."""
        check_encoding(headers)
        body, path, query = await read_body(receive, self._max_body), scope["path"], scope["query_string"]
        incoming = Incoming(
            body=body,
            path=path[len(self._prefix) :] if self._prefix else "",
            query=query.decode("latin-1"),
            content_type=headers.get("content-type", ""),
            headers=headers,
        )
        call = self._call(request_id, headers, key, incoming)
        about.set((request_id, call.trace.trace_id))
        if (named := headers.get("idempotency-key")) is None:
            return call, None
        fixed = (path, incoming.content_type, call.caller.environment)
        rights = " ".join((key.id, key.role, key.tenant, *key.models))
        return call, asked(rights, named, body, query, *(text.encode() for text in fixed))

    async def _answer_any(self, call: Call, allowed: Callable[[], None], send: Send) -> bool:
        """An answer, or an error, for everybody who asks with one idempotency key; it goes on without its client."""
        try:
            return await self._answer(call, allowed, _never, send)
        except MoatError as error:
            await self._refuse(error, call.id, send)
            return False

    async def _refuse(self, error: MoatError, request_id: str, send: Send, *, is_call: bool = True) -> None:
        error.request_id = request_id
        if about.get()[0] != request_id:  # it was refused before it was a call
            about.set((request_id, ""))
        if not is_call or isinstance(error, ConflictError | StorageError):  # nothing records it
            self._live.refusals.add("calls", error.status)
        await respond(send, error.status, self._format.error(error), error_headers(error, request_id))

    async def _answer(self, call: Call, allowed: Callable[[], None], receive: Receive, send: Send) -> bool:
        """True when the answer is complete. `allowed` raises `AccessError` once the call could not be made any more."""
        watch = _Watch(receive, allowed)
        try:
            async with aclosing(self._pipeline(self._live.serving)(call)) as events:
                if call.stream:
                    return await self._stream(call, events, _Client(send, watch))
                await self._collect(call, events, send)
                return True
        except asyncio.CancelledError as error:
            if not watch.hung_up:
                raise explain(error) from None
            return False
        finally:
            watch.close()
            call.journal.sent = None  # which holds the journal: what is its own garbage waits for the collector

    def _check_key(self, headers: dict[str, str], before: Key) -> None:
        """Raise `AccessError` when the key has lost the right to what it was let in for."""
        now = authenticate(headers, self._live.serving.keys)
        if (now.tenant, now.environment, now.models) != (before.tenant, before.environment, before.models):
            raise AccessError(f"what the API key {now.id} may do was changed", remedy="Send the request again.")

    def _call(self, request_id: str, headers: dict[str, str], key: Key, incoming: Incoming) -> Call:
        request = read_request(self._format, incoming)
        caller = caller_of(key, headers, request.user)
        prompt = request.prompt
        if prompt is not None:
            caller, prompt = placed(key, caller, prompt)
        return Call(
            id=request_id,
            caller=caller,
            trace=new_trace(headers.get("traceparent", ""), headers.get("tracestate", "")),
            model=request.model,
            prompt=prompt,
            messages=request.messages,
            params=request.params,
            operation=self._format.operation,
            wire=self._format.wire,
            upload=request.upload,
            upload_type=request.upload_type,
            stream=request.stream,
            client_request=client_request_of(headers),
            patience_ns=patience_of(headers, stream=request.stream),
            cache=cache_use_of(headers),
        )

    async def _collect(self, call: Call, events: AsyncGenerator[Event, None], send: Send) -> None:
        collected = [event async for event in events]
        body, headers = self._format.body(call.journal.sent or call, collected)
        cost = call.journal.cost
        told = [] if cost is None else [(b"x-moat-cost", exact_usd(cost).encode())]
        await respond(send, 200, body, [*headers, *_facts(call), *told])

    async def _stream(self, call: Call, events: AsyncGenerator[Event, None], client: "_Client") -> bool:
        """Forward events as they come. The last bytes go out only when the pipeline, and so the record, is done. False
        when they are an error.
        """
        complete = False
        first = await anext(events)
        encoder = self._format.encoder(call.journal.sent or call)
        headers = [getattr(encoder, "content_type", EVENT_STREAM), (b"cache-control", b"no-cache"), *_facts(call)]
        await client.send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await client.write(encoder.encode(first))
            async for event in events:
                await client.write(encoder.encode(event))
            end, complete = encoder.end(), True
        except (MoatError, asyncio.CancelledError) as error:
            if client.watch.hung_up:
                raise
            end = encoder.fail(explain(error))
        await client.send({"type": "http.response.body", "body": end})
        return complete


class _Client:
    """The other end of a stream: writing tells the watch that it still reads."""

    def __init__(self, send: Send, watch: "_Watch") -> None:
        self.send = send
        self.watch = watch

    async def write(self, body: bytes) -> None:
        """Send a piece; waits while the client is slow."""
        if body:
            self.watch.writing = True
            await self.send({"type": "http.response.body", "body": body, "more_body": True})
            self.watch.writing = False
            self.watch.written += 1


_PACE = {
    "requests": (b"x-ratelimit-limit-requests", b"x-ratelimit-remaining-requests", b"x-ratelimit-reset-requests"),
    "tokens": (b"x-ratelimit-limit-tokens", b"x-ratelimit-remaining-tokens", b"x-ratelimit-reset-tokens"),
}
"""As OpenAI names them."""


def _facts(call: Call) -> Headers:
    """What answered, as response headers."""
    journal = call.journal
    headers: Headers = [(b"x-request-id", call.id.encode()), (b"request-id", call.id.encode())]
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
    if action := strongest(journal.verdicts):
        headers.append((b"x-moat-guard", action.encode()))
    for pace in journal.pace:
        limit, remaining, reset = _PACE[pace.measure]
        headers.append((limit, b"%d" % pace.limit))
        headers.append((remaining, b"%d" % pace.remaining))
        headers.append((reset, b"%ds" % -(-pace.resets_ns // 10**9)))
    headers += [(b"x-moat-notice", _header(notice)) for notice in journal.notices]
    if (attempt := journal.answering) is not None:
        headers.append((b"x-moat-deployment", _header(str(attempt.deployment))))
    return headers


def _header(text: str) -> bytes:
    """A name as a header's value: what is not printable ASCII, a line break above all, becomes `?`."""
    return re.sub(r"[^ -~]", "?", text).encode()


async def _never() -> Message:
    """Receives nothing: a client that does not hang up."""
    nothing: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
    return await nothing


class _Watch:
    """Cancels the request that makes it when its client is gone, since nobody waits and the tokens cost money, or when
    its key may no longer ask.

    Watching takes a task of its own, so it begins only when the call has taken `WATCH_AFTER` seconds. A client
    that takes nothing for `STALL_SECONDS` counts as gone.
    """

    def __init__(self, receive: Receive, check_key: Callable[[], None]) -> None:
        self._receive = receive
        self._check_key = check_key
        self._request = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._watcher: asyncio.Task[None] | None = None
        self._timer = self._key_timer = self._loop.call_later(WATCH_AFTER, self._begin)
        self._seen = 0
        self.writing = False
        self.written = 0
        self.hung_up = False

    def close(self) -> None:
        """Stop watching."""
        self._timer.cancel()
        self._key_timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()

    def _begin(self) -> None:
        self._watcher = asyncio.ensure_future(self._watch())
        self._timer = self._loop.call_later(STALL_SECONDS, self._check_progress)
        self._key_timer = self._loop.call_later(KEY_SECONDS, self._look_at_key)

    def _look_at_key(self) -> None:
        self._key_timer = self._loop.call_later(KEY_SECONDS, self._look_at_key)
        try:
            self._check_key()
        except AccessError as error:
            self._key_timer.cancel()
            self._cancel(error)

    async def _watch(self) -> None:
        await hung_up(self._receive)
        self._hang_up()

    def _check_progress(self) -> None:
        if self.writing and self.written == self._seen:
            self._hang_up()
        self._seen = self.written
        self._timer = self._loop.call_later(STALL_SECONDS, self._check_progress)

    def _hang_up(self) -> None:
        self.hung_up = True
        self._cancel(HUNG_UP)

    def _cancel(self, reason: str | MoatError) -> None:
        if self._request is not None:
            self._request.cancel(reason)
