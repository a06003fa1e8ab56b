"""Spans to a collector on a real socket that decodes them with OpenTelemetry's own protobuf classes."""

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from moat.adapters.otlp import Collector, Destination, collector
from moat.domain.errors import ConfigError
from moat.domain.spans import Span
from moat.telemetry.otlp import answers, decode, sending
from moat.telemetry.outbox import Outbox, discard

Answer = tuple[int, dict[str, str], bytes]


class Receiver:
    """Answers as its script says, then 200; remembers what it took."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.hold = threading.Event()
        self.hold.set()
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = gzip.decompress(self.rfile.read(int(self.headers["content-length"])))
                request = ExportTraceServiceRequest.FromString(body)
                receiver.came.set()
                receiver.hold.wait(30)
                status, headers, answer = receiver.script.pop(0) if receiver.script else (200, {}, b"")
                receiver.headers.append({name.lower(): value for name, value in self.headers.items()})
                if status == 200:
                    receiver.requests.append(request)
                self.send_response(status)
                for name, value in {**headers, "content-length": str(len(answer))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        # Nobody listens yet: connections are refused, and the port is ours.
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
        self._server.server_bind()
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/v1/traces"

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        self._server.server_activate()
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.hold.set()
            self._server.shutdown()
            self._server.server_close()

    def close(self) -> None:
        self._server.server_close()

    @property
    def spans(self) -> list[Any]:
        return [
            span
            for request in self.requests
            for group in request.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    @property
    def ids(self) -> list[str]:
        return [span.span_id.hex() for span in self.spans]


def span(number: int, **changes: Any) -> Span:
    base: dict[str, Any] = {
        "span_id": f"{number:016x}",
        "trace_id": "1" * 32,
        "kind": "attempt",
        "name": "chat gpt",
        "started_ns": 10**18 + number,
        "duration_ns": 5,
    }
    return Span(**{**base, **changes})


def segment(spool: Path, number: int, spans: list[Span], *, at_ns: int | None = None) -> Path:
    path = spool / f"{at_ns or time.time_ns() + number:020d}-1-{number:08x}.ndjson"
    path.write_bytes(msgspec.json.Encoder().encode_lines(spans))
    return path


def outbox(spool: Path, *, max_bytes: int = 2**20, max_age: float = 3600) -> Outbox:
    return Outbox(spool, "test", shown="http://collector", max_bytes=max_bytes, max_age=max_age)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collector, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(collector, "MAX_WAIT", 0.02)


async def flush(box: Outbox, url: str, **options: Any) -> Collector:
    sender = Collector(Destination(url=url, **options), box)
    try:
        async with asyncio.timeout(30):
            await sender.flush()
    finally:
        await sender.aclose()
    return sender


CALL = span(
    1,
    kind="call",
    service="",
    environment="production",
    request_id="req_1",
    tenant="acme",
    session="s1",
    user="u1",
    model="assistant",
    model_answered="gpt-2026",
    provider="openai",
    fingerprint="fp_1",
    input_tokens=11,
    output_tokens=7,
    cost=3 * 10**9,
    attempts=1,
    finish_reason="tool_calls",
    tools="weather",
    error="provider_down",
    error_message="gone",
    first_token_ns=2 * 10**8,
    input={"messages": [{"role": "user", "content": "secret question"}]},
    output={"text": "secret answer"},
)
ATTEMPT = msgspec.structs.replace(
    CALL, span_id="2" * 16, parent_id=CALL.span_id, kind="attempt", input=None, output=None
)


def said(span: Any) -> dict[str, Any]:
    values = {}
    for item in span.attributes:
        kind = item.value.WhichOneof("value")
        value = getattr(item.value, kind) if kind else None
        values[item.key] = [part.string_value for part in value.values] if kind == "array_value" else value
    return values


@pytest.mark.anyio
async def test_what_arrives_follows_the_conventions(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [CALL, ATTEMPT])])
    with Receiver().running() as receiver:
        sender = await flush(box, receiver.url, headers=(("authorization", "Bearer t"),))
    assert (sender.sent, sender.refused, box.waiting()) == (2, 0, [])
    assert receiver.headers[0]["authorization"] == "Bearer t"
    (group,) = receiver.requests[0].resource_spans
    assert {item.key: item.value.string_value for item in group.resource.attributes} == {
        "service.name": "moat",
        "deployment.environment.name": "production",
    }
    call, attempt = receiver.spans
    assert (call.name, call.kind, attempt.kind) == ("chat assistant", 2, 3)
    assert attempt.parent_span_id == call.span_id
    assert (call.status.code, call.status.message) == (2, ""), "messages of errors quote what was said"
    assert call.end_time_unix_nano - call.start_time_unix_nano == 5
    told = said(attempt)
    assert (
        told.items()
        >= {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "assistant",
            "gen_ai.response.model": "gpt-2026",
            "gen_ai.usage.input_tokens": 11,
            "gen_ai.usage.output_tokens": 7,
            "gen_ai.usage.cost": 0.003,
            "gen_ai.conversation.id": "s1",
            "openai.response.system_fingerprint": "fp_1",
            "error.type": "provider_down",
        }.items()
    )
    assert told["gen_ai.response.finish_reasons"] == ["tool_calls"]
    assert not [name for name in said(call) if name.startswith("gen_ai.usage")], "tokens are added up once"
    assert said(call)["moat.usage.input_tokens"] == 11
    assert b"secret" not in receiver.requests[0].SerializeToString()


@pytest.mark.anyio
async def test_content_goes_where_it_is_allowed(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [CALL])])
    with Receiver().running() as receiver:
        await flush(box, receiver.url, content=True)
    told = said(receiver.spans[0])
    (asked,) = msgspec.json.decode(told["gen_ai.input.messages"])
    assert asked == {"role": "user", "parts": [{"type": "text", "content": "secret question"}]}
    (answered,) = msgspec.json.decode(told["gen_ai.output.messages"])
    assert answered["parts"] == [{"type": "text", "content": "secret answer"}]


@pytest.mark.parametrize(
    "kept", [CALL, ATTEMPT, span(3, kind="app", operation="execute_tool", tools="t", input={"a": 1})]
)
def test_one_moat_understands_another(kept: Span) -> None:
    (read,) = decode(sending.request([kept], content=True), "protobuf").spans
    for name in (
        "trace_id",
        "span_id",
        "parent_id",
        "started_ns",
        "duration_ns",
        "model",
        "provider",
        "user",
        "session",
    ):
        assert getattr(read, name) == getattr(kept, name), name
    for name in (
        "request_id",
        "environment",
        "fingerprint",
        "error",
        "error_message",
        "finish_reason",
        "first_token_ns",
    ):
        assert getattr(read, name) == getattr(kept, name), name
    if kept.kind == "attempt":
        assert (read.input_tokens, read.output_tokens, read.cost) == (11, 7, kept.cost)
    assert read.input == kept.input


@pytest.mark.anyio
async def test_a_collector_that_is_away_gets_everything_later(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for number in range(1, 4):
        box.take([segment(tmp_path, number, [span(number)])])
    receiver = Receiver()
    sender = Collector(Destination(url=receiver.url), box, poll=0.01)
    sending_on = asyncio.create_task(sender.run())
    await asyncio.sleep(0.2)
    assert len(box.waiting()) == 3
    with receiver.running() as back:
        async with asyncio.timeout(30):
            while box.waiting():  # noqa: ASYNC110  another thread empties it
                await asyncio.sleep(0.01)
    sending_on.cancel()
    await asyncio.gather(sending_on, return_exceptions=True)
    await sender.aclose()
    assert back.ids == [f"{number:016x}" for number in range(1, 4)]


@pytest.mark.anyio
@pytest.mark.parametrize("status", [429, 503, 502, 504, 401, 500])
async def test_a_refusal_that_may_pass_is_tried_again(tmp_path: Path, status: int) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)]), segment(tmp_path, 2, [span(2)])])
    with Receiver((status, {"retry-after": "0"}, b""), (status, {}, b"")).running() as receiver:
        sender = await flush(box, receiver.url)
    assert receiver.ids == ["0" * 15 + "1", "0" * 15 + "2"]
    assert (sender.sent, sender.refused) == (2, 0)


@pytest.mark.anyio
async def test_retry_after_is_heeded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(collector.asyncio, "sleep", sleep)
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)])])
    with Receiver((503, {"retry-after": "7"}, b""), (429, {"retry-after": "100000"}, b"")).running() as receiver:
        await flush(box, receiver.url)
    assert waited == [7.0, collector.MAX_TOLD_WAIT]


@pytest.mark.anyio
@pytest.mark.parametrize(("status", "tries"), [(400, 1), (500, collector.MAX_TRIES)])
async def test_what_it_will_never_take_stops_nothing_else(tmp_path: Path, status: int, tries: int) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)]), segment(tmp_path, 2, [span(2)])])
    with Receiver(*[(status, {}, b"")] * tries).running() as receiver:
        sender = await flush(box, receiver.url)
    assert receiver.ids == ["0" * 15 + "2"]
    assert (sender.sent, sender.refused) == (1, 1)


@pytest.mark.anyio
async def test_what_is_too_large_is_halved(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(number) for number in range(1, 5)])])
    with Receiver((413, {}, b""), (413, {}, b"")).running() as receiver:
        sender = await flush(box, receiver.url)
    assert (len(receiver.requests), len(set(receiver.ids)), sender.sent) == (3, 4, 4)


@pytest.mark.anyio
async def test_a_partial_success_is_counted_and_not_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = 2
    answer.partial_success.error_message = "too old"
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1), span(2), span(3)])])
    taken = (200, {"content-type": "application/x-protobuf"}, answer.SerializeToString())
    with Receiver(taken).running() as receiver:
        sender = await flush(box, receiver.url)
    assert (sender.sent, sender.refused, len(receiver.requests)) == (1, 2, 1)
    assert "too old" in caplog.text
    assert answers.told(b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"x"}}', "json") == (2, "x")
    assert answers.told(b"\xff", "protobuf") == answers.told(b"[]", "json") == (0, "")


@pytest.mark.anyio
async def test_lines_that_are_no_spans_are_left_out(tmp_path: Path) -> None:
    broken = segment(tmp_path, 1, [span(1), span(2)])
    broken.write_bytes(b'{"no": "span"}\n' + broken.read_bytes() + b"\xff\n")
    box = outbox(tmp_path)
    box.take([broken])
    with Receiver().running() as receiver:
        await flush(box, receiver.url)
    assert len(receiver.ids) == 2


@pytest.mark.anyio
async def test_a_span_that_cannot_be_sent_holds_up_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    poison = [span(2, trace_id="secret, and no id"), span(3, started_ns=-(10**18)), span(4, duration_ns=2**62 * 4)]
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1), *poison, span(5)]), segment(tmp_path, 2, [span(6)])])
    box.take([segment(tmp_path, 3, poison)])
    with Receiver().running() as receiver:
        sender = await flush(box, receiver.url, content=True)
    assert receiver.ids == [f"{number:016x}" for number in (1, 5, 6)]
    assert (sender.sent, sender.refused, box.waiting()) == (3, 6, [])
    assert "0" * 15 + "3" in caplog.text


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [b"[" * 60_000, b'{"partialSuccess":{"rejectedSpans":1e308}}'])
async def test_no_answer_of_a_collector_ends_the_sending(tmp_path: Path, answer: bytes) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)])])
    with Receiver((200, {"content-type": "application/json"}, answer)).running() as receiver:
        await flush(box, receiver.url)
    assert box.waiting() == []


@pytest.mark.anyio
async def test_no_path_of_a_collector_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Some collectors have a credential there."""
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)])])
    away = Receiver()
    away.close()
    path = away.url.replace("/v1/", "/token-hush/v1/") + "?key=hush"
    sender = Collector(Destination(url=path), box)
    sending_on = asyncio.create_task(sender.flush())
    async with asyncio.timeout(30):
        while "not sent" not in caplog.text:  # noqa: ASYNC110  a log has no event
            await asyncio.sleep(0.01)
    sending_on.cancel()
    await asyncio.gather(sending_on, return_exceptions=True)
    await sender.aclose()
    assert ("hush" in caplog.text, "http://collector" in caplog.text) == (False, True)
    for wrong in (f"ftp://c/{'hush'}", "http://c/hush\t", "http://c:99999999/hush"):
        with pytest.raises(ConfigError) as refused:
            Collector(Destination(url=wrong), box)
        assert "hush" not in str(refused.value)


def test_what_waits_is_bounded_by_size_and_age(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = outbox(tmp_path, max_bytes=400, max_age=60)
    old = segment(tmp_path, 1, [span(1)], at_ns=time.time_ns() - 61 * 10**9)
    box.take([old, *(segment(tmp_path, number, [span(number)]) for number in range(2, 6))])
    assert len(box.waiting()) == 400 // old.stat().st_size
    assert box.given_up == 5 - len(box.waiting())
    assert "given up" in caplog.text
    assert box.bytes <= 400


def test_a_segment_that_comes_again_is_kept_once(tmp_path: Path) -> None:
    box, one = outbox(tmp_path), segment(tmp_path, 1, [span(1)])
    box.take([one])
    box.done(box.waiting()[0])  # it was sent, and the store did not take it yet
    box.take([one])
    assert box.waiting() == []
    one.unlink()
    box.take([segment(tmp_path, 2, [span(2)])])
    assert len(box.waiting()) == 1


def test_an_outbox_that_cannot_be_written_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box, one = outbox(tmp_path), segment(tmp_path, 1, [span(1)])
    box.directory.write_text("in the way")
    box.take([one])
    assert (box.given_up, one.exists()) == (1, True)
    assert "cannot be kept" in caplog.text


def test_without_links_segments_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*paths: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    box, one = outbox(tmp_path), segment(tmp_path, 1, [span(1)])
    box.take([one])
    assert [path.read_bytes() for path in box.waiting()] == [one.read_bytes()]


def test_what_waits_for_a_collector_that_is_gone_goes_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    box = outbox(tmp_path)
    box.take([segment(tmp_path, 1, [span(1)])])
    discard(tmp_path, [box.directory])
    assert len(box.waiting()) == 1
    discard(tmp_path, [])
    assert not box.directory.exists()
    assert "configured no more" in caplog.text


KILLED = """
import asyncio, sys
from pathlib import Path
from moat.adapters.otlp import Collector, Destination
from moat.telemetry.outbox import Outbox
box = Outbox(Path(sys.argv[1]), "test", shown="c", max_bytes=2**20, max_age=3600)
asyncio.run(Collector(Destination(url=sys.argv[2]), box).run())
"""


@pytest.mark.anyio
@pytest.mark.promise("keep-1")
async def test_a_killed_sender_loses_nothing(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for number in range(1, 6):
        box.take([segment(tmp_path, number, [span(number)])])
    with Receiver().running() as receiver:
        receiver.hold.clear()
        sender = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), receiver.url])  # noqa: ASYNC220
        assert await asyncio.to_thread(receiver.came.wait, 60)
        sender.send_signal(signal.SIGKILL)
        sender.wait(30)
        receiver.hold.set()
        await flush(box, receiver.url)
    assert set(receiver.ids) == {f"{number:016x}" for number in range(1, 6)}
    assert box.waiting() == []
