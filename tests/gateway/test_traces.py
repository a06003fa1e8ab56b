"""OTLP spans over a real socket: kept before the answer, under the key's tenant, and nobody else waits for them."""

import asyncio
import gzip
import json
import random
import threading
import urllib.error
import urllib.request
import zlib
from dataclasses import replace
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from moat.domain.errors import RequestError
from moat.domain.keys import Key
from moat.gateway import traces
from moat.telemetry import otlp
from moat.testing.fakes import fake_ports
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Running, Start
from tests.gateway.test_chat import fetch, get
from tests.telemetry.test_otlp_encodings import request

JSON_TYPE = "application/json"


def body(spans: int, text: str = "") -> bytes:
    made = [
        {
            "traceId": f"{1:032x}",
            "spanId": f"{number:016x}",
            "startTimeUnixNano": "5",
            "endTimeUnixNano": "7",
            "attributes": [
                {"key": "moat.tenant", "value": {"stringValue": "somebody else"}},
                {"key": "text", "value": {"stringValue": text}},
            ],
        }
        for number in range(1, spans + 1)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": made}]}]}).encode()


def post(gateway: Running, content: bytes, content_type: str = "application/json") -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {SECRET}", "content-type": content_type}
    return fetch(urllib.request.Request(f"{gateway.url}/v1/traces", data=content, headers=headers))


SMALL, LARGE = body(3), body(3, "x" * traces.INLINE_BYTES)


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_spans_are_kept_under_the_keys_tenant(start: Start, content: bytes) -> None:
    gateway = start(ScriptedProvider("never"))
    assert post(gateway, content) == (200, {})
    assert [(span.span_id, span.tenant, span.key) for span in gateway.spool.spans] == [
        (f"{number:016x}", "acme", "key_1") for number in (1, 2, 3)
    ]


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_what_cannot_be_kept_is_not_acknowledged(start: Start, content: bytes) -> None:
    gateway = start(ScriptedProvider("never"))
    gateway.spool.full = True
    status, answer = post(gateway, content)
    assert (status, answer["message"].startswith("spool: the disk is full")) == (503, True), answer


@pytest.mark.parametrize("padding", [0, traces.INLINE_BYTES], ids=["small", "large"])
def test_what_is_no_request_is_refused(start: Start, padding: int) -> None:
    gateway = start(ScriptedProvider("never"))
    for content in (b'{"resourceSpans": 5}', b"[", b"\xff"):
        assert post(gateway, content + b" " * padding)[0] == 400
    assert post(gateway, SMALL, "text/plain")[0] == 415
    assert gateway.spool.spans == []


def test_a_large_upload_keeps_nobody_waiting(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = start(ScriptedProvider("never"))
    begun, go, decode = threading.Event(), threading.Event(), otlp.decode

    def slow(content: bytes, *how: Any) -> otlp.Received:
        begun.set()
        assert go.wait(60), "nobody else was answered meanwhile"
        return decode(content, *how)

    monkeypatch.setattr(otlp, "decode", slow)
    answers: list[tuple[int, Any]] = []
    upload = threading.Thread(target=lambda: answers.append(post(gateway, LARGE)))
    upload.start()
    try:
        assert begun.wait(60)
        with urllib.request.urlopen(f"{gateway.url}/healthz", timeout=20) as health:
            assert health.status == 200
    finally:
        go.set()
        upload.join()
    assert answers == [(200, {})]
    assert get(gateway, "/healthz")[0] == 200


def test_a_small_upload_takes_no_thread(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = start(ScriptedProvider("never"))
    monkeypatch.setattr(asyncio, "to_thread", None)
    assert post(gateway, SMALL) == (200, {})


def send(gateway: Running, content: bytes, secret: str = SECRET, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Protobuf, unless the headers say otherwise; names are written with underscores."""
    told = {"content-type": "application/x-protobuf", "authorization": f"Bearer {secret}"}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{gateway.url}/v1/traces", data=content, headers=told)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers.items()), answer.read()
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers.items()), error.read()


def test_protobuf_is_answered_in_protobuf(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    assert send(gateway, request([("user.id", "u")]).SerializeToString())[::2] == (200, b"")
    (span,) = gateway.spool.spans
    assert (span.user, span.tenant, span.service) == ("u", "acme", "shop")
    status, headers, answer = send(gateway, request([], trace_id=b"").SerializeToString())
    assert (status, headers["content-type"]) == (200, "application/x-protobuf")
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 1


@pytest.mark.parametrize(
    ("status", "code", "content", "headers"),
    [
        (400, 3, b"\x0b", {}),
        (401, 16, b"", {"authorization": "Bearer mk-unknown"}),
        (413, 8, bytes(2**20 + 1), {}),
        (415, 3, b"", {"content_encoding": "br"}),
    ],
)
def test_a_refusal_is_a_status_in_the_requests_encoding(
    start: Start, status: int, code: int, content: bytes, headers: dict[str, str]
) -> None:
    gateway = start(ScriptedProvider("never"))
    got, told, answer = send(gateway, content, **headers)
    assert (got, told["content-type"]) == (status, "application/x-protobuf")
    assert (Status.FromString(answer).code, "retry-after" in told) == (code, False)
    got, told, answer = send(gateway, b"[" if status == 400 else content, **{**headers, "content_type": JSON_TYPE})
    assert (got, told["content-type"], json.loads(answer)["code"]) == (status, "application/json", code)


def test_a_full_disk_says_when_to_come_again(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    gateway.spool.full = True
    status, headers, answer = send(gateway, request([]).SerializeToString())
    assert (status, headers["retry-after"], Status.FromString(answer).code) == (503, "5", 14)


def test_too_much_at_one_time_is_told_to_come_again(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = start(ScriptedProvider("never"))
    monkeypatch.setattr(traces, "HELD_BYTES", 10)
    status, headers, answer = send(gateway, request([]).SerializeToString())
    assert (status, headers["retry-after"], Status.FromString(answer).code) == (429, "1", 8)
    monkeypatch.undo()
    assert send(gateway, request([]).SerializeToString())[0] == 200


@pytest.mark.parametrize(
    ("packed", "pack"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("GZIP", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    ],
)
def test_compressed_bodies_are_unpacked(start: Start, packed: str, pack: Any) -> None:
    gateway = start(ScriptedProvider("never"))
    assert send(gateway, pack(request([]).SerializeToString()), content_encoding=packed)[0] == 200
    assert send(gateway, pack(SMALL), content_encoding=packed, content_type=f"{JSON_TYPE}; charset=utf-8")[0] == 200
    assert len(gateway.spool.spans) == 4


@pytest.mark.promise("inj-6")
def test_a_compressed_body_is_unpacked_within_bounds(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    bomb = gzip.compress(bytes(50 * 2**20))
    assert send(gateway, bomb, content_encoding="gzip")[0] == 413
    many = gzip.compress(bytes(2**19)) * 40
    assert send(gateway, many, content_encoding="gzip")[0] == 413
    for broken in (b"", b"no", gzip.compress(b"x" * 99)[:-9]):
        for kind in ("application/x-protobuf", JSON_TYPE):
            status, told, answer = send(gateway, broken, content_encoding="gzip", content_type=kind)
            if not broken and kind != JSON_TYPE:
                assert status == 200, "nothing at all is an empty request"
                continue
            assert (status, told["content-type"]) == (400, kind)
            said = json.loads(answer) if kind == JSON_TYPE else Status.FromString(answer)
            code, message = (said["code"], said["message"]) if kind == JSON_TYPE else (said.code, said.message)
            assert (code, "valid gzip" in message) == (3, bool(broken)), message
    assert gateway.spool.spans == []


@pytest.mark.promise("inj-6")
def test_a_body_of_many_pieces_takes_no_time() -> None:
    """Each piece once copied all that came after it: 4 MB took 39 s."""
    some = gzip.compress(b"x", mtime=0)
    assert traces.unpack(some * traces.MAX_MEMBERS, "gzip", 2**20) == b"x" * traces.MAX_MEMBERS
    noise = random.Random(1).randbytes(2**20)
    assert traces.unpack(gzip.compress(noise) * 3, "gzip", 2**22) == noise * 3
    with pytest.raises(RequestError, match="more than 1024 pieces"):
        traces.unpack(gzip.compress(b"", mtime=0) * 200_000, "gzip", 2**20)


@pytest.mark.promise("inj-6")
def test_little_is_copied_for_each_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    copied = list[int]()

    class Noted:
        def __init__(self, window: int) -> None:
            self.real = real(window)

        def __getattr__(self, name: str) -> Any:
            value = getattr(self.real, name)
            copied.append(len(value) if name == "unused_data" else 0)
            return value

    real = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", Noted)
    body = gzip.compress(b"x") * 1000 + gzip.compress(random.Random(1).randbytes(2**20))
    assert len(traces.unpack(body, "gzip", 2**21)) == 2**20 + 1000
    assert sum(copied) <= 1001 * traces.GIVEN_BYTES


BOUND = Key(id="key_1", hash="", tenant="acme", environment="staging", feature="search", user="ada")


def test_what_a_key_is_bound_to_binds_spans_as_it_does_calls(start: Start) -> None:
    gateway = start(ScriptedProvider("never"), keys={SECRET: BOUND, "mk-open": Key(id="key_2", hash="")})
    names = ("moat.tenant", "moat.environment", "moat.feature", "user.id")
    claims = request([(name, f"other {name}") for name in names]).SerializeToString()
    for secret in (SECRET, "mk-open"):
        assert send(gateway, claims, secret)[0] == 200
        assert send(gateway, request([]).SerializeToString(), secret)[0] == 200
    told = [(span.tenant, span.environment, span.feature, span.user) for span in gateway.spool.spans]
    bound = ("acme", "staging", "search", "ada")
    said = ("", "other moat.environment", "other moat.feature", "other user.id")
    assert told == [bound, bound, said, ("", "", "", "")]


@pytest.mark.parametrize("half", [b"\\ud83d", b"\\uDE00x", b"\\\\\\ud800", b"\xed\xa0\x80", b"\xff"])
def test_half_a_character_costs_no_span(start: Start, half: bytes) -> None:
    """As JavaScript leaves it where it cuts a text; protobuf's are repaired too."""
    gateway = start(ScriptedProvider("never"))
    whole = b"\\ud83d\\ude00 \\\\ud800 \xc3\xa9"
    sent = body(3, "MARK").replace(b"MARK", whole + b"MARK", 2).replace(b"MARK", half, 1).replace(b"MARK", b"")
    assert post(gateway, sent) == (200, {})
    first, second, _ = [span.attributes["text"] for span in gateway.spool.spans]
    assert second == "\U0001f600 \\ud800 é"
    assert first.startswith(second)
    assert "\ufffd" in first
    sent = sent.replace(
        b'"resourceSpans": [{',
        b'"resourceSpans": [{"resource": {"attributes": '
        b'[{"key": "service.name", "value": {"stringValue": "s' + half + b'"}}]}, ',
    )
    assert post(gateway, sent) == (200, {})
    assert gateway.spool.spans[-1].service.startswith("s")


def test_content_that_is_not_captured_is_not_kept(start: Start) -> None:
    gateway = start(ScriptedProvider("never"))
    live = gateway.live
    ports = replace(fake_ports(ScriptedProvider(), spool=gateway.spool), capture_content=False)
    live.serving = replace(live.serving, ports=ports)
    said = [("gen_ai.input.messages", "canary"), ("llm.output_messages.0.message.content", "canary")]
    said += [("input.value", "canary"), ("gen_ai.tool.definitions", "canary"), ("llm.invocation_parameters", "canary")]
    assert send(gateway, request([*said, ("user.id", "u")]).SerializeToString())[0] == 200
    (span,) = gateway.spool.spans
    assert (span.user, span.input, span.output) == ("u", None, None)
    assert "canary" not in str(span)
