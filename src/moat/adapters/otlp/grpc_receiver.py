"""OTLP spans by gRPC: the same intake and the same answers as `POST /v1/traces`. Needs `moat[grpc]`."""

from typing import Any, NoReturn

import grpc
import grpc.aio

from moat.domain.errors import ConfigError, MoatError, RequestError
from moat.gateway.admission import authenticate
from moat.gateway.traces import Intake, wait_for
from moat.telemetry.otlp import answers

SERVICE, METHOD = "opentelemetry.proto.collector.trace.v1.TraceService", "Export"
MAX_CALLS = 64
"""At one time; further ones are told to come again."""
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

    async def start(self) -> int:
        """Listen; the port. Raises `ConfigError` when nobody can listen there."""
        options = (("grpc.max_receive_message_length", self._intake.max_body), ("grpc.so_reuseport", 0))
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=MAX_CALLS)
        # Messages stay bytes: they are decoded, within bounds, by the intake.
        handler = grpc.unary_unary_rpc_method_handler(self._export)
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

    async def _export(self, body: bytes, context: Any) -> bytes:
        try:
            headers = {short: value for name, value in context.invocation_metadata() if (short := _SHORT.get(name))}
            key = authenticate(headers, self._intake.live.serving.keys)
            if len(body) > self._intake.max_body:
                raise RequestError(f"larger than {self._intake.max_body} bytes", where="body")
            received = await self._intake.take(body, "protobuf", key)
        except MoatError as error:
            await _refuse(context, error)
        return received.response("protobuf")


async def _refuse(context: Any, error: MoatError) -> NoReturn:
    """End the call with a google.rpc.Status, which says when to try again."""
    details = answers.refusal(error, "protobuf", wait_for(error))
    told = (("grpc-status-details-bin", details),)
    await context.abort(_CODES[answers.code(error)], str(error)[: answers.MAX_TOLD], told)
    raise AssertionError("abort raises")
