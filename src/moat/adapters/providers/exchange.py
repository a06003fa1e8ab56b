"""What every provider does over HTTP, whatever it speaks: limits, rate-limit headers, errors, and secrets kept.

    async with self._exchange.ask(call, url, headers, body) as response:
        raw = await self._exchange.read(response)

`ask` sends, tells what the answer's headers say of rate limits, and raises for every status but 200. An error that
leaves the block says whether the provider had begun to answer, and holds none of its secrets.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from types import TracebackType
from typing import Protocol

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.http1 import Headers, HttpClient, Limits, Response, Timeouts
from moat.adapters.providers.openai_errors import Redactor
from moat.adapters.providers.quota_headers import TELLING, read_quota
from moat.domain.calls import Call, Event, trace_headers
from moat.domain.config import Seconds
from moat.domain.errors import ProviderDown, ProviderError, ProviderTimeout, Unsupported
from moat.domain.quotas import Quota

MAX_BODY_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 256 * 1024
LAST_WORDS = 0.25
"""Seconds in which the end of the HTTP body must follow the end of a stream, for the connection to be kept."""
ERROR_SECONDS = 5.0
"""How long the body of an error may take."""

EVENT_STREAM = "text/event-stream"


class ProviderTimeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Separate limits of a provider in `moat.yaml`, in seconds."""

    connect: Seconds = 5.0
    first_token: Seconds = 120.0
    """From the request to the first event of a stream, or to the head of an answer in one piece."""
    idle: Seconds = 60.0
    """Between two events of a stream, or two reads of an answer in one piece. Comments are not events."""


class Refusal(msgspec.Struct, frozen=True):
    """An answer whose status is not 200, or that is no stream where one was asked for (status 200)."""

    status: int
    headers: dict[str, str]
    body: bytes
    """Its beginning; empty when it was too long or did not end."""


ErrorOf = Callable[[Refusal], ProviderError | None]
"""What a refusal means in the provider's own words; None when it says nothing that is known."""


class Reachable(Protocol):
    """What the blocks of all providers in `moat.yaml` have."""

    @property
    def timeouts(self) -> ProviderTimeouts:
        """Separate limits."""
        ...

    @property
    def connections(self) -> int:
        """At most so many at once."""
        ...

    @property
    def private_network(self) -> bool:
        """May the name in the address lead to a private one?"""
        ...


class Exchange:
    """The HTTP of one provider. Opens connections as needed; `aclose` releases them."""

    def __init__(
        self,
        where: str,
        config: Reachable,
        error_of: ErrorOf,
        secrets: Callable[[], Iterable[str]],
        quota: Callable[[str, Quota], None] = lambda model, quota: None,
    ) -> None:
        """`secrets` appear in no error; `quota` is told what headers say of rate limits."""
        timeouts = config.timeouts
        self.where = where
        self.timeouts = timeouts
        self._error_of = error_of
        self._secrets = secrets
        self._quota = quota
        self._whole = Timeouts(connect=timeouts.connect, first_byte=timeouts.first_token, idle=timeouts.idle)
        self._streamed = msgspec.structs.replace(self._whole, idle=None)
        reach = Reach.PRIVATE if config.private_network else Reach.NAMED
        self.client = HttpClient(where=where, limits=Limits(connections=config.connections), reach=reach)

    def ask(
        self, call: Call, url: str, headers: Headers, body: bytes, *, wanted: str = "", signature: Headers = ()
    ) -> "Asking":
        """A request for a call, to enter with `async with`.

        `wanted` is the content type of a stream that is asked for; empty: an answer in one piece. `signature`: headers
        that hold for this one request.
        """
        assert call.deployment is not None, "Attempts sets the deployment"
        timeouts = self._streamed if wanted else self._whole
        request = self.client.request("POST", url, headers, body, timeouts, trace=(*signature, *trace_headers(call)))
        return Asking(self, request, call.deployment.model, wanted)

    async def read(self, response: Response) -> bytes:
        """An answer in one piece. However it dribbles in, it has `first_token + idle` seconds for its body."""
        if response.complete:
            return await response.read(MAX_BODY_BYTES)
        limit = self.timeouts.first_token + self.timeouts.idle
        try:
            async with asyncio.timeout(limit):
                return await response.read(MAX_BODY_BYTES)
        except TimeoutError:
            raise ProviderTimeout(f"did not end its answer within {limit:g} s", where=self.where) from None

    def heard(self, response: Response) -> None:
        """An event of a stream came: the next one has its own time."""
        response.allow(self.timeouts.idle)

    def masked(self, error: ProviderError) -> ProviderError:
        """The error without secrets."""
        error.what = Redactor(self._secrets())(error.what)
        error.args = (error.what,)
        return error

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    @property
    def open_connections(self) -> int:
        """Busy and idle."""
        return self.client.open_connections

    def note_quota(self, model: str, response: Response) -> None:
        """Tell what the headers say of rate limits."""
        if response.has_any(TELLING) and (quota := read_quota(response.headers)) is not None:
            self._quota(model, quota)

    async def refusal(self, response: Response, wanted: str) -> ProviderError | None:
        """What stands in the way of reading the answer; None when nothing does."""
        kind = response.headers.get("content-type", wanted).lower()
        if response.status == 200 and wanted in kind:
            return None
        response.allow(min(self.timeouts.idle, ERROR_SECONDS))
        status, headers, body = response.status, dict(response.headers), b""
        with contextlib.suppress(ProviderError):
            body = await response.read(MAX_ERROR_BYTES)
        error = self._error_of(Refusal(status, headers, body))
        return error or ProviderDown(f"answered with {kind[:80]!r} where a stream was asked for", where=self.where)


class Asking:
    """A request under way."""

    def __init__(self, exchange: Exchange, request: Response, model: str, wanted: str) -> None:
        self._exchange = exchange
        self._request = request
        self._model = model
        self._wanted = wanted

    async def __aenter__(self) -> Response:
        """Send, and read the head of the answer. Raises `ProviderError`."""
        try:
            response = await self._request.__aenter__()
        except ProviderError as error:
            raise self._exchange.masked(error) from None
        try:
            self._exchange.note_quota(self._model, response)
            if self._wanted or response.status != 200:
                refused = await self._exchange.refusal(response, self._wanted)
                if refused is not None:
                    try:
                        raise self._exchange.masked(refused)
                    finally:
                        del refused  # its traceback holds this frame
        except BaseException:
            await self._request.__aexit__(None, None, None)
            raise
        return response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connection back."""
        await self._request.__aexit__(kind, error, trace)
        if isinstance(error, ProviderError):
            if error.worked is None:
                error.worked = True
            self._exchange.masked(error)


async def answered(
    call: Call,
    offers: Mapping[str, Callable[[Call], Awaitable[Iterable[Event]]]],
    stream: Callable[[Call], AsyncGenerator[Event, None]],
    *,
    where: str,
) -> AsyncGenerator[Event, None]:
    """What a provider answers, by operation in one piece; a chat also as a stream. Raises `Unsupported`."""
    whole = offers.get(call.operation)
    if whole is None:
        raise Unsupported(f"offers no {call.operation}", where=where)
    if call.operation == "chat" and call.stream:
        async with contextlib.aclosing(stream(call)) as events:
            async for event in events:
                yield event
    else:
        for event in await whole(call):
            yield event


async def last_words(response: Response) -> None:
    """Let the body end, so that the connection can be kept; if it does not, no harm is done."""
    response.allow(LAST_WORDS)
    with contextlib.suppress(ProviderError):
        await response.read(MAX_ERROR_BYTES)
