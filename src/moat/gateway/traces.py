"""`POST /v1/traces`: OTLP spans from applications, durable before the answer."""

import asyncio
import zlib
from typing import Any

from msgspec.structs import replace

from moat.domain.calls import new_id
from moat.domain.errors import MoatError, Overloaded, RequestError, StorageError
from moat.domain.keys import Key
from moat.domain.spans import Span
from moat.gateway.admission import authenticate, read_headers
from moat.gateway.http import BodyTooLarge, Headers, Message, Receive, Scope, Send, error_headers, read_body, respond
from moat.gateway.serving import Live
from moat.ports.spool import Spool
from moat.telemetry import otlp
from moat.telemetry.otlp import Encoding, Policy, Received

INLINE_BYTES = 64 * 1024
"""Bodies up to this size take a few milliseconds, about what a thread would cost."""
AT_ONE_TIME = 2
"""Requests that are decoded at one time; the others wait."""
HELD_BYTES = 64 * 2**20
"""Of bodies that have come and are not decoded yet, over all requests."""
MAX_MEMBERS, GIVEN_BYTES = 1024, 16 * 1024
"""Gzip files may be put together into one: so many in a body. And what zlib is given at one time."""
FULL_SECONDS, BUSY_SECONDS = 5.0, 1.0
"""Until an exporter should try again: after the disk refused, and after too many came at once."""

_SMALLER = "Send smaller batches."
_TYPES: dict[str, Encoding] = {"application/x-protobuf": "protobuf", "application/json": "json"}
_CONTENT_TYPES = {encoding: name.encode() for name, encoding in _TYPES.items()}
_WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}


class Intake:
    """Takes ExportTraceServiceRequest messages into the spool, however they came."""

    def __init__(self, live: Live, spool: Spool, max_body: int) -> None:
        """`max_body`: bytes of a request, as it came and unpacked."""
        self.live = live
        self.max_body = max_body
        self._spool = spool
        self._turns = asyncio.Semaphore(AT_ONE_TIME)

    async def take(self, body: bytes, encoding: Encoding, key: Key, packed: str = "") -> Received:
        """Decode and spool, in a thread what is large or `packed` (`gzip`, `deflate`).

        The key's tenant is the spans' tenant, whatever they say, and so are its environment, feature and user where it
        has one. Raises `RequestError`: 400 for what is no request, 413
        for one that is too large; `StorageError` when the disk refuses: then nothing of it is kept.
        """
        if not packed and len(body) <= INLINE_BYTES:
            return self._keep(body, encoding, key)
        async with self._turns:
            return await asyncio.to_thread(self._keep, body, encoding, key, packed)

    def _keep(self, body: bytes, encoding: Encoding, key: Key, packed: str = "") -> Received:
        if packed:
            body = unpack(body, packed, self.max_body)
        ports = self.live.serving.ports
        policy = Policy(ports.capture_content, ports.max_content) if ports else Policy()
        received = otlp.decode(body, encoding, policy)
        if received.spans:
            spans = [_bound(span, key) for span in received.spans]
            capture = ports.capture if ports else None
            self._spool.append(spans if capture is None else [capture.span(span) for span in spans])
        return received


def _bound(span: Span, key: Key) -> Span:
    """The span as the key has it: what the key fixes counts, whatever the span says, as for calls."""
    return replace(
        span,
        tenant=key.tenant,
        key=key.id,
        environment=key.environment or span.environment,
        feature=key.feature or span.feature,
        user=key.user or span.user,
    )


class TraceIntake:
    """The HTTP endpoint: OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/#otlphttp"""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decode, spool, acknowledge; what is refused is told as a google.rpc.Status in the request's encoding."""
        headers = read_headers(scope)
        encoding = _TYPES.get(headers.get("content-type", "").partition(";")[0].strip().lower())
        try:
            key = authenticate(headers, self._intake.live.serving.keys)
            if encoding is None:
                raise _not_taken("content-type", f"must be {' or '.join(_TYPES)}")
            received = await self._take(headers, encoding, key, receive)
        except MoatError as error:
            self._intake.live.refusals.add("traces", error.status)
            await respond(
                send, error.status, otlp.refusal(error, encoding or "json", wait_for(error)), _refused(error, encoding)
            )
            return
        await respond(send, 200, received.response(encoding), [_content_type(encoding)])

    async def _take(self, headers: dict[str, str], encoding: Encoding, key: Key, receive: Receive) -> Received:
        packed = headers.get("content-encoding", "identity").strip().lower()
        if packed != "identity" and packed not in _WINDOWS:
            raise _not_taken("content-encoding", f"{packed[:40]!r} bodies are not taken", "Send gzip, or it plain.")
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            came = len(message.get("body", b""))
            size, self._held = size + came, self._held + came
            if self._held > HELD_BYTES:
                raise _busy()
            return message

        try:
            body = await read_body(counted, self._intake.max_body)
            return await self._intake.take(body, encoding, key, "" if packed == "identity" else packed)
        finally:
            self._held -= size


def unpack(body: bytes, packed: str, limit: int) -> bytes:
    """A compressed body. Raises `RequestError` for what is none, or of more than `MAX_MEMBERS` pieces; `BodyTooLarge`
    (413) as soon as it passes `limit` bytes: never more than that is made of it.

    zlib copies what it is given and does not use, so that it is given a little at a time.
    """
    pieces, size, members, at = list[bytes](), 0, 0, 0
    unpacking: Any = None
    while at < len(body):
        if unpacking is None:
            members += 1
            if members > MAX_MEMBERS:
                raise RequestError(f"{packed} of more than {MAX_MEMBERS} pieces", where="body", remedy=_SMALLER)
            unpacking = zlib.decompressobj(_WINDOWS[packed])
        given = body[at : at + GIVEN_BYTES]
        try:
            pieces.append(unpacking.decompress(given, limit - size + 1))
        except zlib.error as error:
            raise RequestError(f"not valid {packed}: {error}", where="body") from None
        size += len(pieces[-1])
        if size > limit:
            raise BodyTooLarge(f"the unpacked body is larger than {limit / 2**20:g} MiB", remedy=_SMALLER)
        at += len(given) - len(unpacking.unused_data)
        if unpacking.eof:
            unpacking = None
    if unpacking is not None:
        raise RequestError(f"not valid {packed}: it ends too early", where="body")
    return b"".join(pieces)


def wait_for(error: MoatError) -> float | None:
    """Seconds after which the same request may be taken; None when it will not be."""
    return FULL_SECONDS if isinstance(error, StorageError) else getattr(error, "retry_after", None)


def _not_taken(where: str, what: str, remedy: str = "") -> RequestError:
    error = RequestError(what, where=where, remedy=remedy)
    error.status = 415
    return error


def _busy() -> Overloaded:
    error = Overloaded("too many spans come at one time", retry_after=BUSY_SECONDS)
    error.status = 429
    return error


def _content_type(encoding: Encoding) -> tuple[bytes, bytes]:
    return (b"content-type", _CONTENT_TYPES[encoding])


def _refused(error: MoatError, encoding: Encoding | None) -> Headers:
    headers = [pair for pair in error_headers(error, new_id("req")) if pair[0] != b"content-type"]
    if isinstance(error, StorageError):
        headers.append((b"retry-after", b"%d" % FULL_SECONDS))
    return [_content_type(encoding or "json"), *headers]
