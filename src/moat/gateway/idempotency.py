"""One call for each idempotency key, however often and by how many connections at once it is asked.

The key is the `idempotency-key` header (draft-ietf-httpapi-idempotency-key-header), within one virtual key. Whoever
asks first makes the call; whoever asks meanwhile gets the same answer piece by piece as it comes, and whoever asks
later, within a day, gets it again. Only complete answers are kept: after an error the same key makes a new call, so
that a client's retries can succeed.

Such a call goes on when its client hangs up, since the retry will want its answer. Answers are kept in this process's
memory: after a crash, or once newer ones have displaced it, the same key makes a new call.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from hashlib import blake2b
from typing import Any, NamedTuple

from moat.domain.errors import ConflictError, RequestError, Stopped
from moat.gateway.http import Message, Send

KEEP_SECONDS = 24 * 3600.0
MAX_BYTES = 64 * 2**20
"""Of all answers that are kept, with what keeping one takes."""
MAX_ANSWER = 8 * 2**20
"""Bytes of one; a longer one is not kept."""
OVERHEAD = 1024
STALL_SECONDS = 60.0
"""A client that takes nothing for so long counts as gone."""
MAX_KEY = 255
REPLAYED = (b"idempotent-replayed", b"true")

Make = Callable[[Send], Awaitable[bool]]
"""Makes the call and sends its answer; True when that is complete."""


class Asked(NamedTuple):
    """A request that carries an idempotency key."""

    owner: str
    """The virtual key with what it may do: once that changes, answers that it had before are not its any more."""
    key: str
    digest: bytes
    """Of what must not differ under one key."""


def asked(owner: str, key: str, *parts: bytes) -> Asked:
    """Raises `RequestError` for a key that is empty, too long, or not printable ASCII."""
    if not key or len(key) > MAX_KEY or not (key.isascii() and key.isprintable()):
        raise RequestError(f"must be 1 to {MAX_KEY} printable ASCII characters", where="idempotency-key")
    digest = blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return Asked(owner, key, digest.digest())


class Recording:
    """An answer as it is sent, for everybody who asked for it. A `Send` itself."""

    def __init__(self, digest: bytes) -> None:
        self.digest = digest
        self.size = OVERHEAD
        self.kept_at = 0.0
        """When it was complete."""
        self._messages: list[Message] = []
        self._over = False
        self._news = asyncio.Event()

    async def __call__(self, message: Message) -> None:
        """Take the next message of the answer."""
        self._messages.append(message)
        self.size += len(message.get("body", b""))
        self._wake()

    def end(self) -> None:
        """Nothing follows."""
        self._over = True
        self._wake()

    async def play(self, send: Send, *, replayed: bool) -> None:
        """Send the answer from its beginning, as far and as soon as it is there. Raises `Stopped` when none came."""
        position = 0
        while True:
            while position < len(self._messages):
                message = self._messages[position]
                position += 1
                if not await _sent(send, _marked(message) if replayed else message):
                    return
            if self._over:
                break
            await self._news.wait()
        if not self._messages:
            raise Stopped("the call with this idempotency key was stopped", remedy="Send it again.")

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Answers:
    """Answers by idempotency key. In memory, bounded in time and bytes; for one event loop."""

    def __init__(self, *, max_bytes: int = MAX_BYTES, now: Callable[[], float] = time.monotonic) -> None:
        self._max_bytes = max_bytes
        self._now = now
        self._running: dict[tuple[str, str], Recording] = {}
        self._kept: OrderedDict[tuple[str, str], Recording] = OrderedDict()
        """Complete ones, oldest first."""
        self._bytes = 0

    async def answer(self, asked: Asked, make: Make, send: Send) -> None:
        """Answer with what the key has, or make it. Raises `ConflictError` (422) when it was another request's."""
        self._forget(self._now() - KEEP_SECONDS)
        name = (asked.owner, asked.key)
        known = self._running.get(name) or self._kept.get(name)
        if known is None:
            await self._first(name, Recording(asked.digest), make, send)
        elif known.digest != asked.digest:
            error = ConflictError(
                "this idempotency key was used for another request",
                where="idempotency-key",
                remedy="Send a new key with every request that differs.",
            )
            error.status = 422
            raise error
        else:
            await known.play(send, replayed=True)

    async def _first(self, name: tuple[str, str], recording: Recording, make: Make, send: Send) -> None:
        self._running[name] = recording
        making = asyncio.ensure_future(self._record(name, recording, make))
        try:
            await recording.play(send, replayed=False)
            await making
        except Stopped:
            await making  # raises what stopped it
            raise
        finally:
            if not making.done():  # the server stops: the call is recorded before this request ends
                making.cancel()
                await asyncio.wait((making,))

    async def _record(self, name: tuple[str, str], recording: Recording, make: Make) -> None:
        complete = False
        try:
            complete = await make(recording)
        finally:
            del self._running[name]
            if complete and recording.size <= MAX_ANSWER:
                self._keep(name, recording)
            recording.end()

    def _keep(self, name: tuple[str, str], recording: Recording) -> None:
        recording.kept_at = self._now()
        self._kept[name] = recording
        self._bytes += recording.size
        while self._bytes > self._max_bytes:
            self._bytes -= self._kept.popitem(last=False)[1].size

    def _forget(self, kept_before: float) -> None:
        while self._kept and next(iter(self._kept.values())).kept_at <= kept_before:
            self._bytes -= self._kept.popitem(last=False)[1].size


async def _sent(send: Send, message: Message) -> bool:
    """False when the client takes nothing."""
    try:
        async with asyncio.timeout(STALL_SECONDS):
            await send(message)
    except TimeoutError:
        return False
    return True


def _marked(message: Message) -> MutableMapping[str, Any]:
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": [*message["headers"], REPLAYED]}
