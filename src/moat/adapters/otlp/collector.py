"""Spans to an OpenTelemetry collector by OTLP/HTTP: at least once, in order, however long it is away."""

import asyncio
import gzip
import logging
import random
from pathlib import Path

import msgspec

from moat.adapters.providers.addresses import Reach
from moat.adapters.providers.connection import Unanswered
from moat.adapters.providers.http1 import HttpClient, Limits, Timeouts
from moat.adapters.providers.openai_errors import retry_after
from moat.domain.errors import ConfigError, MoatError
from moat.domain.spans import Span
from moat.telemetry.otlp import answers, sending
from moat.telemetry.outbox import Outbox

_log = logging.getLogger(__name__)

BATCH_SPANS, BATCH_BYTES = 512, 2**20
"""Most of one request; bytes of the recorded lines."""
MAX_ANSWER = 64 * 1024
MAX_TRIES = 5
"""Of a batch that the collector fails on without saying why."""
MAX_WAIT, FIRST_WAIT = 60.0, 1.0
"""Seconds between tries: each twice the one before."""
MAX_TOLD_WAIT = 600.0
"""Seconds: of a longer Retry-After, so much is heeded."""
TIMEOUTS = Timeouts(connect=5.0, first_byte=10.0, idle=10.0)

_NEVER = frozenset({400, 413, 415, 422})
"""The request itself is wrong: it would be the next time."""
_ALWAYS = frozenset({401, 403, 404, 407, 408, 425, 429, 502, 503, 504})
"""The collector is away, or not set up right: it may be later."""

_decoder = msgspec.json.Decoder(Span)


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Where spans go."""

    url: str
    """Complete, with `/v1/traces`."""
    headers: tuple[tuple[str, str], ...] = ()
    content: bool = False
    """With inputs and outputs."""


class Collector:
    """Sends what waits in an outbox. `run` it beside the shipper whose segments the outbox takes."""

    def __init__(self, to: Destination, outbox: Outbox, *, poll: float = 0.5) -> None:
        """`poll`: seconds between looks. Raises `ConfigError` for a URL or header that cannot be sent."""
        self.outbox = outbox
        self.sent = self.refused = 0
        """Spans that it took; those that it refused, that failed in its hands, or that cannot be sent."""
        self.failures = 0
        """Requests to it that were in vain."""
        self._to = to
        self._poll = poll
        self._client = HttpClient(where=f"collector {outbox.shown}", limits=Limits(connections=1), reach=Reach.PRIVATE)
        self._headers = (("content-type", "application/x-protobuf"), ("content-encoding", "gzip"), *to.headers)
        try:
            self._client.check(to.url, self._headers)
        except ConfigError as error:  # its path may be a credential
            where = outbox.shown if error.where == repr(to.url) else error.where
            raise ConfigError(error.what, where=where) from None
        self._problem = ""

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self.flush()
            await asyncio.sleep(self._poll)

    async def flush(self) -> None:
        """Send all that waits now, however long that takes."""
        try:
            while waiting := await asyncio.to_thread(self.outbox.waiting):
                await self._send(waiting[0])
        except OSError as error:
            self._note(f"what waits cannot be read: {error}")

    async def aclose(self) -> None:
        """Close the connection. What was not sent is sent by the next process."""
        await self._client.aclose()

    async def _send(self, segment: Path) -> None:
        try:
            lines = await asyncio.to_thread(segment.read_bytes)
        except FileNotFoundError:
            return
        for batch in await asyncio.to_thread(_batches, lines):
            if not await self._deliver(batch, segment):
                return
        self.outbox.done(segment)

    async def _deliver(self, batch: list[Span], segment: Path) -> bool:
        """Send until it is taken or refused; False when the outbox gave the segment up meanwhile."""
        body, able = await asyncio.to_thread(self._body, batch)
        self.refused += len(batch) - len(able)
        batch = able
        if not batch:
            return True
        tries, pause = 0, FIRST_WAIT
        while True:
            status, problem, wait = await self._post(body, len(batch))
            if status == 200:
                return True
            if status == 413 and len(batch) > 1:
                half = len(batch) // 2
                return await self._deliver(batch[:half], segment) and await self._deliver(batch[half:], segment)
            tries += 1
            self.failures += 1
            self._note(problem)
            if status in _NEVER or (status and status not in _ALWAYS and tries >= MAX_TRIES):
                self.refused += len(batch)
                _log.error("%d spans are given up: %s %s", len(batch), self.outbox.shown, problem)
                return True
            jittered = pause * random.uniform(0.5, 1.0)
            await asyncio.sleep(jittered if wait is None else min(wait, MAX_TOLD_WAIT))
            pause = min(2 * pause, MAX_WAIT)
            if segment not in await asyncio.to_thread(self.outbox.waiting):
                return False

    async def _post(self, body: bytes, spans: int) -> tuple[int, str, float | None]:
        """The status (0: there is no answer), what is wrong, and how long to wait when that was said."""
        try:
            try:
                status, headers, answer = await self._ask(body)
            except Unanswered:  # the collector closed a connection that lay idle
                status, headers, answer = await self._ask(body)
        except MoatError as error:
            return 0, str(error), None
        if not 200 <= status < 300:
            return status, f"answers {status}", retry_after(headers)
        told = answers.told(answer, "json" if "json" in headers.get("content-type", "") else "protobuf")
        rejected = min(max(told.rejected, 0), spans)
        self.sent += spans - rejected
        self.refused += rejected
        self._note(f"refuses {rejected} of {spans} spans: {told.problem[:200]}" if rejected else "")
        return 200, "", None

    async def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        async with self._client.request("POST", self._to.url, self._headers, body, TIMEOUTS) as response:
            return response.status, response.headers, await response.read(MAX_ANSWER)

    def _body(self, batch: list[Span]) -> tuple[bytes, list[Span]]:
        """Of those spans that can be sent, and which these are."""
        made = sending.made(batch, content=self._to.content)
        return gzip.compress(made.body, compresslevel=1), list(made.spans)

    def _note(self, problem: str) -> None:
        """Log a problem once, and its end."""
        if problem and problem != self._problem:
            _log.warning("spans are not sent: %s %s", self.outbox.shown, problem)
        elif self._problem and not problem:
            _log.warning("spans are sent to %s again", self.outbox.shown)
        self._problem = problem


def _batches(lines: bytes) -> list[list[Span]]:
    """The spans of a segment as requests; lines that are none are with the store's rejects."""
    batches, room = list[list[Span]](), 0
    for line in lines.splitlines():
        try:
            span = _decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if not batches or len(batches[-1]) >= BATCH_SPANS or len(line) > room:
            batches.append([])
            room = BATCH_BYTES
        batches[-1].append(span)
        room -= len(line)
    return batches
