"""OTLP spans over a real socket: kept before the answer, under the key's tenant, and nobody else waits for them."""

import asyncio
import json
import threading
import urllib.request
from typing import Any

import pytest

from moat.gateway import traces
from moat.telemetry import otlp
from moat.testing.scripted import ScriptedProvider
from tests.gateway.conftest import SECRET, Running, Start
from tests.gateway.test_chat import fetch, get


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
    assert (status, answer["error"]["message"].startswith("spool: the disk is full")) == (503, True), answer


@pytest.mark.parametrize("padding", [0, traces.INLINE_BYTES], ids=["small", "large"])
def test_what_is_no_request_is_refused(start: Start, padding: int) -> None:
    gateway = start(ScriptedProvider("never"))
    for content in (b'{"resourceSpans": 5}', b"[", b"\xff"):
        assert post(gateway, content + b" " * padding)[0] == 400
    assert post(gateway, SMALL, "application/x-protobuf")[0] == 415
    assert gateway.spool.spans == []


def test_a_large_upload_keeps_nobody_waiting(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = start(ScriptedProvider("never"))
    begun, go, decode = threading.Event(), threading.Event(), otlp.decode

    def slow(content: bytes) -> otlp.Received:
        begun.set()
        assert go.wait(60), "nobody else was answered meanwhile"
        return decode(content)

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
