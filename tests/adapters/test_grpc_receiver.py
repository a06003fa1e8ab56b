"""Spans by gRPC, from OpenTelemetry's own exporter: the intake that HTTP has, and its answers."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
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

from moat.adapters.otlp import grpc_receiver
from moat.adapters.otlp.grpc_receiver import GrpcReceiver
from moat.bootstrap.grpc_intake import open_grpc
from moat.domain.errors import ConfigError
from moat.domain.keys import Key, hash_secret
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Live, Serving
from moat.gateway.traces import Intake
from moat.pipeline.recipe import build
from moat.telemetry.otlp import writing
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


METHOD = f"/{grpc_receiver.SERVICE}/{grpc_receiver.METHOD}"
ENDLESS = (("grpc.max_send_message_length", -1),)


async def raw(address: str, body: bytes, metadata: Any = AUTHORIZED, **options: Any) -> grpc.StatusCode:
    async with grpc.aio.insecure_channel(address, options=ENDLESS) as channel:
        try:
            await channel.unary_unary(METHOD)(body, metadata=metadata, timeout=30, **options)
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


async def test_who_sends_slowly_keeps_nobody_waiting_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_receiver, "READ_SECONDS", 0.2)
    spool = ListSpool()
    async with listening(spool) as address, grpc.aio.insecure_channel(address) as channel:
        method = channel.stream_unary(METHOD)
        slow = [method(metadata=AUTHORIZED, timeout=30) for _ in range(3 * grpc_receiver.PLACES)]
        await asyncio.gather(*(call.wait_for_connection() for call in slow[:1]))
        assert await export(address, request([])) == ExportTraceServiceResponse()
        codes = {await call.code() for call in slow}
        nothing = method(metadata=AUTHORIZED, timeout=30)
        await nothing.done_writing()
        assert await nothing.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(spool.spans) == 1


SERVER = """
import asyncio, sys
from moat.testing.fakes import ListSpool
from tests.adapters.test_grpc_receiver import listening
async def serve():
    async with listening(ListSpool(), max_body=20 * 2**20) as address:
        print(address, flush=True)
        await asyncio.to_thread(sys.stdin.read)
asyncio.run(serve())
"""


def most_mib(process: asyncio.subprocess.Process) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) // 1024 for line in status.splitlines() if line.startswith("VmHWM"))


@pytest.mark.promise("inj-6")
async def test_memory_is_bounded_with_and_without_a_key() -> None:
    """12 messages of 19 MiB at one time. They are valid, and hold one field that nobody knows."""
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVER, stdin=pipe, stdout=pipe)
    assert server.stdin
    assert server.stdout
    try:
        address = (await asyncio.wait_for(server.stdout.readline(), 30)).decode().strip()
        await raw(address, b"")
        body, rest = writing.message(500, bytes(19 * 2**20)), most_mib(server)
        codes = await asyncio.gather(*(raw(address, body, metadata=()) for _ in range(12)))
        assert set(codes) == {grpc.StatusCode.UNAUTHENTICATED}
        without = most_mib(server) - rest
        codes = await asyncio.gather(*(raw(address, body) for _ in range(12)))
        assert set(codes) == {grpc.StatusCode.OK}
        packed = [raw(address, body, compression=grpc.Compression.Gzip) for _ in range(4)]
        assert set(await asyncio.gather(*packed)) == {grpc.StatusCode.OK}
        held = most_mib(server) - rest
    finally:
        server.stdin.close()
        await server.wait()
    assert without < 30
    assert held < 5 * 20 * grpc_receiver.PLACES


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
