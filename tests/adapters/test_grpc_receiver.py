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
from moat.telemetry.otlp import Received, writing
from moat.testing.fakes import FakeClock, ListSpool, fake_ports
from moat.testing.scripted import ScriptedProvider
from tests.telemetry.test_otlp_encodings import BOMBS, request

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
SECRET = "mk-test"
OTHER = "mk-another"
AUTHORIZED = (("authorization", f"Bearer {SECRET}"),)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def intake(spool: ListSpool, *, max_body: int = 2**20) -> Intake:
    ports = fake_ports(ScriptedProvider(), spool=spool)
    keys = [Key(id=f"key_{n}", hash=hash_secret(secret), tenant="acme") for n, secret in enumerate((SECRET, OTHER), 1)]
    ring = KeyRing(keys, FakeClock())
    return Intake(Live(Serving(build(ports), ring, ports.prompts, ports=ports)), spool, max_body)


@asynccontextmanager
async def listening(spool: ListSpool, **options: Any) -> AsyncIterator[str]:
    receiver = GrpcReceiver(intake(spool, **options), "127.0.0.1:0")
    try:
        yield f"127.0.0.1:{await receiver.start()}"
    finally:
        await receiver.stop()


ALONE = (("grpc.use_local_subchannel_pool", 1),)
"""A connection of its own."""


async def export(address: str, message: Any, metadata: Any = AUTHORIZED, **options: Any) -> ExportTraceServiceResponse:
    async with grpc.aio.insecure_channel(address, options=ALONE) as channel:
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
ENDLESS = (*ALONE, ("grpc.max_send_message_length", -1))


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


async def test_one_connection_that_sends_nothing_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpc_receiver, "READ_SECONDS", 60.0)
    spool, other = ListSpool(), (("authorization", f"Bearer {OTHER}"),)
    async with listening(spool) as address, grpc.aio.insecure_channel(address, options=ALONE) as channel:
        method = channel.stream_unary(METHOD)
        silent = [method(metadata=AUTHORIZED, timeout=300) for _ in range(2 * grpc_receiver.MAX_CALLS)]
        refused = [asyncio.create_task(call.code()) for call in silent]
        await asyncio.wait(refused, return_when=asyncio.FIRST_COMPLETED)  # all of them have come
        assert await export(address, request([]), other) == ExportTraceServiceResponse()
        assert await export(address, request([])) == ExportTraceServiceResponse(), "the same key, by another connection"
        body = request([]).SerializeToString()
        await channel.unary_unary(METHOD)(body, metadata=other, timeout=30)  # a proxy's connection
        for call in silent:
            call.cancel()
        await asyncio.gather(*refused)
    assert len(spool.spans) == 3


async def test_who_sends_slowly_is_gone_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them after the same time, however many wait behind each other."""
    monkeypatch.setattr(grpc_receiver, "READ_SECONDS", 0.2)
    spool = ListSpool()
    async with listening(spool) as address, grpc.aio.insecure_channel(address, options=ALONE) as channel:
        method = channel.stream_unary(METHOD)
        slow = [method(metadata=AUTHORIZED, timeout=30) for _ in range(3 * grpc_receiver.PLACES)]
        codes = {await call.code() for call in slow}
        nothing = method(metadata=AUTHORIZED, timeout=30)
        await nothing.done_writing()
        assert await nothing.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert await export(address, request([])) == ExportTraceServiceResponse()
    assert codes == {grpc.StatusCode.RESOURCE_EXHAUSTED}
    assert len(spool.spans) == 1


async def test_who_hangs_up_keeps_the_place_until_the_work_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a client who does so again and again has any number of messages decoded at one time."""
    began, go_on, under_way = asyncio.Event(), asyncio.Event(), 0

    async def take(self: Intake, *_: Any) -> Received:
        nonlocal under_way
        under_way += 1
        began.set()
        try:
            await go_on.wait()
        finally:
            under_way -= 1
        return Received([])

    monkeypatch.setattr(Intake, "take", take)
    async with listening(ListSpool()) as address, grpc.aio.insecure_channel(address, options=ALONE) as channel:
        method = channel.unary_unary(METHOD)
        for _ in range(3 * grpc_receiver.PLACES):
            began.clear()
            call = method(b"", metadata=AUTHORIZED, timeout=30)
            try:
                async with asyncio.timeout(0.1):
                    await began.wait()
            except TimeoutError:
                break
            finally:
                call.cancel()
        assert 1 < under_way < grpc_receiver.PLACES
        go_on.set()
        await method(b"", metadata=AUTHORIZED, timeout=30)
    assert under_way == 0


@pytest.mark.parametrize("packing", [grpc.Compression.Gzip, grpc.Compression.Deflate])
async def test_a_compressed_message_is_unpacked_by_the_intake(
    monkeypatch: pytest.MonkeyPatch, packing: grpc.Compression
) -> None:
    """In its turn and within its bounds: gRPC would do so as it comes."""
    real, came = Intake.take, list[int]()

    async def take(self: Intake, body: bytes, *rest: Any) -> Received:
        came.append(len(body))
        return await real(self, body, *rest)

    monkeypatch.setattr(Intake, "take", take)
    spool = ListSpool()
    async with listening(spool) as address:
        answer = await export(address, request([("app.text", "x" * 9999)]), compression=packing)
    assert answer == ExportTraceServiceResponse()
    assert spool.spans[0].attributes["app.text"] == "x" * 9999
    assert came[0] < 1000


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
    """Many messages of 19 MiB at one time. They are valid, and hold one field that nobody knows."""
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
        held = most_mib(server) - rest
        packed = (raw(address, body, compression=grpc.Compression.Gzip) for _ in range(24))
        assert set(await asyncio.gather(*packed)) <= {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        held_packed = most_mib(server) - rest
    finally:
        server.stdin.close()
        await server.wait()
    assert without < 30
    print(f"{without} MiB without a key, {held} with one, {held_packed} compressed")
    assert held < 300
    assert held_packed < 300


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
