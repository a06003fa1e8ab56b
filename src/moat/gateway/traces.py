"""`POST /v1/traces`: OTLP/HTTP spans from applications, durable before the answer."""

import asyncio

import msgspec

from moat.domain.errors import RequestError
from moat.domain.keys import Key
from moat.gateway.admission import authenticate, check_encoding, read_headers
from moat.gateway.http import JSON, Receive, Scope, Send, read_body, respond
from moat.gateway.serving import Live
from moat.ports.spool import Spool
from moat.telemetry import otlp

INLINE_BYTES = 256 * 1024
"""Bodies up to this size take a few milliseconds, about what a thread would cost."""


class TraceIntake:
    """Takes ExportTraceServiceRequest messages (OTLP 1.x, JSON encoding) into the spool."""

    def __init__(self, live: Live, spool: Spool, max_body: int) -> None:
        self._live = live
        self._spool = spool
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Decode, spool, acknowledge. The key's tenant is the spans' tenant, whatever they say."""
        headers = read_headers(scope)
        key = authenticate(headers, self._live.serving.keys)
        if not headers.get("content-type", "").startswith("application/json"):
            error = RequestError("must be application/json", where="content-type", remedy="Set the OTLP encoding.")
            error.status = 415
            raise error
        check_encoding(headers)
        body = await read_body(receive, self._max_body)
        if len(body) <= INLINE_BYTES:
            answer = self._keep(body, key)
        else:
            answer = await asyncio.to_thread(self._keep, body, key)
        await respond(send, 200, answer, [JSON])

    def _keep(self, body: bytes, key: Key) -> bytes:
        received = otlp.decode(body)
        self._spool.append([msgspec.structs.replace(span, tenant=key.tenant, key=key.id) for span in received.spans])
        return received.response()
