"""Spans of applications, measured: from the body of a request to the spool, on one core.

    python -m bench.otlp_intake [requests, default 40]

Requests of 250 spans of 2 KB, as exporters of instrumented applications send them, through `Intake` into a real spool:
unpacked, decoded, read by the conventions, written. CPU time of the process, the best of three rounds.
"""

import asyncio
import gzip
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from moat.domain.keys import Key, hash_secret
from moat.domain.spans import Span
from moat.gateway.admission import KeyRing
from moat.gateway.serving import Live, Serving
from moat.gateway.traces import Intake
from moat.pipeline.recipe import build
from moat.telemetry.otlp import Encoding, protobuf, sending
from moat.telemetry.spool import SegmentSpool
from moat.testing.fakes import FakeClock, fake_ports
from moat.testing.scripted import ScriptedProvider

SPANS = 250
WORDS = Path(__file__).read_text(encoding="utf-8").split()


def span(number: int, chance: random.Random) -> Span:
    """What an instrumented SDK reports of a call."""

    def text(words: int) -> str:
        return " ".join(chance.choices(WORDS, k=words))

    return Span(
        span_id=chance.randbytes(8).hex(),
        trace_id=chance.randbytes(16).hex(),
        parent_id=chance.randbytes(8).hex(),
        kind="app",
        name="chat gpt",
        operation="chat",
        service="shop",
        environment="production",
        started_ns=10**18 + number,
        duration_ns=chance.randrange(10**9),
        model="gpt",
        model_answered="gpt-2026",
        provider="openai",
        user=f"user-{number}",
        session=f"session-{number % 9}",
        input_tokens=chance.randrange(3000),
        output_tokens=chance.randrange(500),
        finish_reason="stop",
        input={"messages": [{"role": "system", "content": text(60)}, {"role": "user", "content": text(60)}]},
        output={"text": text(40)},
        attributes={"server.address": "api.example.com", "server.port": 443, "gen_ai.response.id": f"r-{number}"},
    )


def as_json(body: bytes) -> bytes:
    """The same request in JSON."""
    spans = []
    for _, _, one in protobuf.read(body):
        times = {"startTimeUnixNano": str(one.started_ns), "endTimeUnixNano": str(one.ended_ns)}
        ids = {"traceId": one.trace_id, "spanId": one.span_id, "parentSpanId": one.parent_id}
        spans.append({**ids, **times, "name": one.name, "kind": one.kind, "attributes": _pairs(one.attributes)})
    groups = [{"resource": {"attributes": _pairs({"service.name": "shop"})}, "scopeSpans": [{"spans": spans}]}]
    return msgspec.json.encode({"resourceSpans": groups})


def _pairs(attributes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    return {"intValue": str(value)} if isinstance(value, int) else {"stringValue": str(value)}


async def rate(intake: Intake, bodies: list[bytes], encoding: Encoding, packed: str) -> float:
    """Spans per second of CPU time."""
    key = Key(id="key_1", hash=hash_secret("mk-bench"), tenant="acme")
    began = time.process_time()
    for body in bodies:
        await intake.take(body, encoding, key, packed)
    return len(bodies) * SPANS / (time.process_time() - began)


def main(requests: int) -> None:
    """Run and print."""
    chance = random.Random(7)
    bodies = [sending.request([span(number, chance) for number in range(SPANS)], content=True) for _ in range(requests)]
    with tempfile.TemporaryDirectory() as folder:
        spool = SegmentSpool(Path(folder))
        spool.open()
        ports = fake_ports(ScriptedProvider())
        live = Live(Serving(build(ports), KeyRing([], FakeClock()), ports.prompts, ports=ports))
        intake = Intake(live, spool, 2**24)
        print(f"protobuf, {len(bodies[0]) // SPANS} bytes a span; JSON, {len(as_json(bodies[0])) // SPANS}")
        cases: list[tuple[str, list[bytes], Encoding, str]] = [
            ("protobuf", bodies, "protobuf", ""),
            ("protobuf, gzip", [gzip.compress(body) for body in bodies], "protobuf", "gzip"),
            ("JSON", [as_json(body) for body in bodies], "json", ""),
        ]
        for name, sent, encoding, packed in cases:
            best = max(asyncio.run(rate(intake, sent, encoding, packed)) for _ in range(3))
            print(f"{name:<16} {best:10,.0f} spans/s")
        spool.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
