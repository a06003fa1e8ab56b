"""Spans by gRPC, where moat.yaml asks for it."""

import logging
from contextlib import AsyncExitStack

from moat.domain.errors import ConfigError
from moat.gateway.traces import Intake

log = logging.getLogger("moat.server")


async def open_grpc(opened: AsyncExitStack, address: str, intake: Intake) -> None:
    """Listen on `telemetry.grpc`, if it says so. Raises `ConfigError` when that cannot be, or the extra is missing."""
    if not address:
        return
    try:
        from moat.adapters.otlp.grpc_receiver import GrpcReceiver
    except ImportError:
        raise ConfigError(
            "spans by gRPC need a package that is not installed",
            where="moat.yaml: $.telemetry.grpc",
            remedy="Install it with `pip install 'moat[grpc]'`; OTLP over HTTP (POST /v1/traces) needs nothing.",
        ) from None
    receiver = GrpcReceiver(intake, address)
    opened.push_async_callback(receiver.stop)
    port = await receiver.start()
    log.info("taking spans by gRPC on %s, port %d", address, port)
