"""Spans by gRPC, from OpenTelemetry's own exporter: the intake that HTTP has, and its answers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import TraceServiceStub
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from moat.adapters.otlp.grpc_receiver import GrpcReceiver
from moat.bootstrap.grpc_intake import open_grpc
from moat.domain.errors import ConfigError
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Live, Serving
from moat.gateway.traces import Intake
from moat.pipeline.recipe import build
from moat.testing.fakes import FakeClock, ListSpool, fake_ports
from moat.testing.scripted import ScriptedProvider
from tests.telemetry.test_otlp_encodings import BOMBS, request

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SECRET = "mk-test"
AUTHORIZED = (("authorization", f"Bearer {SECRET}"),)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def intake(spool: ListSpool, *, max_body: int = 2**20) -> Intake:
    ports = fake_ports(ScriptedProvider(), spool=spool)
    ring = KeyRing([Key(id="key_1", hash=hash_secret(SECRET), tenant="acme")], FakeClock())
    return Intake(Live(Serving(build(ports), ring, ports.prompts, ports=ports)), spool, max_body)


@asynccontextmanager
async def listening(spool: ListSpool, **options: Any) -> AsyncIterator[str]:
    receiver = GrpcReceiver(intake(spool, **options), "127.0.0.1:0")
    try:
        yield f"127.0.0.1:{await receiver.start()}"
    finally:
        await receiver.stop()


async def export(address: str, message: Any, metadata: Any = AUTHORIZED, **options: Any) -> ExportTraceServiceResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        return await TraceServiceStub(channel).Export(message, metadata=metadata, timeout=30, **options)


async def test_the_official_exporter_delivers() -> None:
    spool = ListSpool()
    async with listening(spool) as address:

        def trace() -> None:
            exporter = OTLPSpanExporter(address, insecure=True, headers=AUTHORIZED, compression=grpc.Compression.Gzip)
            provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
            provider.add_span_processor(SimpleSpanProcessor(exporter))
            with provider.get_tracer("t").start_as_current_span("outer"):
                with provider.get_tracer("t").start_as_current_span("inner"):
                    pass
            provider.shutdown()

        await asyncio.to_thread(trace)
    inner, outer = spool.spans
    assert (inner.name, inner.parent_id, inner.trace_id) == ("inner", outer.span_id, outer.trace_id)
    assert (outer.tenant, outer.key, outer.service) == ("acme", "key_1", "shop")


async def test_a_partial_success_is_told() -> None:
    spool = ListSpool()
    async with listening(spool) as address:
        answer = await export(address, request([], start_time_unix_nano=0))
        assert (await export(address, request([]))) == ExportTraceServiceResponse()
    assert answer.partial_success.rejected_spans == 1
    assert "startTimeUnixNano" in answer.partial_success.error_message
    assert len(spool.spans) == 1


@pytest.mark.parametrize(
    ("metadata", "code"),
    [((), "UNAUTHENTICATED"), ((("authorization", "Bearer mk-other"),), "UNAUTHENTICATED")],
)
async def test_a_key_is_needed(metadata: Any, code: str) -> None:
    spool = ListSpool()
    async with listening(spool) as address:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await export(address, request([]), metadata)
    assert refused.value.code().name == code
    assert spool.spans == []


async def test_a_full_disk_is_told_with_the_time_to_wait() -> None:
    spool = ListSpool()
    spool.full = True
    async with listening(spool) as address:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await export(address, request([]))
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
    told = dict(refused.value.trailing_metadata() or ())["grpc-status-details-bin"]
    status, retry = Status.FromString(told), RetryInfo()
    assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 5


async def raw(address: str, body: bytes, **options: Any) -> grpc.StatusCode:
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            await channel.unary_unary(method)(body, metadata=AUTHORIZED, timeout=30, **options)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


async def test_what_is_no_request_or_too_much_is_refused() -> None:
    spool = ListSpool()
    async with listening(spool, max_body=2**20) as address:
        assert await raw(address, b"\x0b") is grpc.StatusCode.INVALID_ARGUMENT
        assert await raw(address, bytes(2**21)) is grpc.StatusCode.RESOURCE_EXHAUSTED
        bomb = await raw(address, bytes(2**23), compression=grpc.Compression.Gzip)
        assert bomb is grpc.StatusCode.RESOURCE_EXHAUSTED
    async with listening(spool, max_body=2**24) as address:
        assert await raw(address, BOMBS["spans"]) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert spool.spans == []


async def test_a_port_that_is_taken_is_said() -> None:
    async with listening(ListSpool()) as address:
        with pytest.raises(ConfigError, match="cannot listen"):
            await GrpcReceiver(intake(ListSpool()), address).start()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncExitStack() as opened:
        await open_grpc(opened, "", intake(ListSpool()))
        await open_grpc(opened, "127.0.0.1:0", intake(ListSpool()))
        monkeypatch.delitem(sys.modules, "moat.adapters.otlp.grpc_receiver")
        monkeypatch.setitem(sys.modules, "grpc", None)
        with pytest.raises(ConfigError, match="not installed") as refused:
            await open_grpc(opened, "127.0.0.1:0", intake(ListSpool()))
    assert "moat[grpc]" in refused.value.remedy
