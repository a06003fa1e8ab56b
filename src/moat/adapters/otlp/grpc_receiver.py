"""OTLP spans by gRPC: the same intake and the same answers as `POST /v1/traces`. Needs `moat[grpc]`.

Nothing of a message is read before its key is known, and nothing is unpacked before it is its turn to be decoded: gRPC
would unpack it as it comes. So memory is bounded: `PLACES` messages as they were sent, those that the intake decodes
(two), and of every other call `WINDOW` bytes.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, NoReturn

import grpc
import grpc.aio

from moat.adapters.otlp.places import Places, Sender
from moat.domain.errors import ConfigError, MoatError, Overloaded, RequestError
from moat.domain.keys import Key
from moat.gateway.admission import authenticate
from moat.gateway.traces import BUSY_SECONDS, Intake, wait_for
from moat.telemetry.otlp import Received, answers

SERVICE, METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
MAX_CALLS = 64
"""At one time; then whoever has a share of these already, by key and by connection, is told to come again."""
PLACES = 6
"""Messages that come or are decoded; the other calls wait, with what fits into their window."""
READ_SECONDS = 10.0
"""For a message to come, from when its call came: those who send nothing are all gone after that time."""
WINDOW = 64 * 1024
"""Bytes of a call that may come before anybody asks for them (HTTP/2's flow control)."""
GRACE_SECONDS = 5.0
"""How long requests under way may go on at the end."""

_SHORT = {"authorization": "authorization", "x-api-key": "api-key"}
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class GrpcReceiver:
    """Listens on one address, without TLS: on this machine, or behind something that has it."""

    def __init__(self, intake: Intake, address: str) -> None:
        self._intake = intake
        self._address = address
        self._server: Any = None
        self._places = Places(PLACES, MAX_CALLS)

    async def start(self) -> int:
        """Listen; the port. Raises `ConfigError` when nobody can listen there."""
        options = (
            ("grpc.max_receive_message_length", self._intake.max_body),
            ("grpc.so_reuseport", 0),
            ("grpc.per_message_decompression", 0),
            ("grpc.http2.lookahead_bytes", WINDOW),
            ("grpc.http2.bdp_probe", 0),  # it would make the window grow up to 16 MiB
        )
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=4 * MAX_CALLS)
        # As a stream, which is the same on the wire: a message is read when it is asked for. It stays bytes, which the
        # intake decodes within bounds.
        handler = grpc.stream_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
        try:
            port: int = self._server.add_insecure_port(self._address)
        except RuntimeError:
            raise ConfigError(
                f"cannot listen on {self._address}", where="moat.yaml: $.telemetry.grpc", remedy="Is the port taken?"
            ) from None
        await self._server.start()
        return port

    async def stop(self) -> None:
        """Take nothing more, and finish what is under way."""
        if self._server is not None:
            await self._server.stop(GRACE_SECONDS)

    async def _export(self, _: Any, context: Any) -> bytes:
        try:
            headers = {short: value for name, value in context.invocation_metadata() if (short := _SHORT.get(name))}
            key = authenticate(headers, self._intake.live.serving.keys)
            received = await self._taken(context, key)
        except MoatError as error:
            self._intake.live.refusals.add("traces", error.status)
            await _refuse(context, error)
        return received.response("protobuf")

    async def _taken(self, context: Any, key: Key) -> Received:
        sender = Sender(key.id, context.peer())
        if self._places.is_full(sender):
            raise _again("too many calls at one time")
        async with AsyncExitStack() as place:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    await place.enter_async_context(self._places.take(sender))
                    body = await context.read()
            except TimeoutError:
                raise _again(f"the message did not come within {READ_SECONDS:g} s") from None
            if not isinstance(body, bytes):
                raise RequestError("there is no message", where="body")
            # A client that hangs up ends its call, not the thread that decodes: the place is free when that is done.
            return await asyncio.shield(self._decoded(body, key, place.pop_all()))

    async def _decoded(self, body: bytes, key: Key, place: AsyncExitStack) -> Received:
        async with place:
            return await self._intake.take(body, "protobuf", key, _packed(body))


def _packed(body: bytes) -> str:
    """How a message is compressed, which gRPC does not tell: no request begins with these bytes (RFC 1952, 2.3.1; RFC
    1950, 2.2; a field 3 of wire type 7, which is none, and a number in field 15).
    """
    if body[:2] == b"\x1f\x8b":
        return "gzip"
    return "deflate" if body[:1] == b"\x78" and int.from_bytes(body[:2], "big") % 31 == 0 else ""


def _again(why: str) -> Overloaded:
    error = Overloaded(why, retry_after=BUSY_SECONDS)
    error.status = 429
    return error


async def _refuse(context: Any, error: MoatError) -> NoReturn:
    """End the call with a google.rpc.Status, which says when to try again."""
    details = answers.refusal(error, "protobuf", wait_for(error))
    told = (("grpc-status-details-bin", details),)
    await context.abort(_CODES[answers.code(error)], str(error)[: answers.MAX_TOLD], told)
    raise AssertionError("abort raises")
