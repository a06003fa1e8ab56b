"""The largest batches that an OpenTelemetry Collector sends as it is (`send_batch_size` 8192): all of it is taken."""

import json
import struct
from collections.abc import Callable

import pytest

from moat.telemetry.otlp import Encoding, decode, writing
from tests.gateway.test_ingest_bombs import MAX_BODY, PROTOBUF_IDS, attribute_of, in_child

SPANS = 8192
MEMORY = 100 * 2**20
"""What is made of a batch is larger than what is made of a bomb, of which nothing is kept."""


def protobuf(attributes: int) -> bytes:
    """As a Collector writes it: each attribute with its key and a text."""
    said = b"".join(
        writing.message(9, writing.text(1, f"app.attribute.{n}") + writing.message(2, writing.text(1, "value")))
        for n in range(attributes)
    )
    times = struct.pack("<BQBQ", 0x39, 10**18, 0x41, 10**18 + 5)
    spans = (
        writing.message(1, number.to_bytes(16, "big"))
        + writing.message(2, number.to_bytes(8, "big"))
        + writing.text(5, "GET /orders")
        + times
        + said
        for number in range(1, SPANS + 1)
    )
    resource = writing.message(1, writing.text(1, "service.name") + writing.message(2, writing.text(1, "shop")))
    scope = b"".join(writing.message(2, span) for span in spans)
    return writing.message(1, writing.message(1, resource) + writing.message(2, scope))


def in_json(attributes: int, value: dict[str, object]) -> bytes:
    """The same in JSON, without spaces as a Collector writes it."""
    said = [{"key": f"app.attribute.{n}", "value": value} for n in range(attributes)]
    spans = [
        {
            "traceId": f"{number:032x}",
            "spanId": f"{number:016x}",
            "name": "GET /orders",
            "startTimeUnixNano": "1000000000000000000",
            "endTimeUnixNano": "1000000000000000005",
            "attributes": said,
        }
        for number in range(1, SPANS + 1)
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}, separators=(",", ":")).encode()


def of_their_own() -> bytes:
    """As many attributes as are taken of one request, and no two have the same key."""
    names = iter(range(10**6))
    spans = (PROTOBUF_IDS + b"".join(attribute_of(str(next(names))) for _ in range(64)) for _ in range(SPANS))
    return writing.message(1, writing.message(2, b"".join(writing.message(2, span) for span in spans)))


CASES: dict[str, Callable[[], bytes]] = {
    "protobuf, keys of their own": of_their_own,
    "protobuf, 32 attributes": lambda: protobuf(32),
    "protobuf, 64 attributes": lambda: protobuf(64),
    "JSON, 32 texts": lambda: in_json(32, {"stringValue": "value"}),
    "JSON, 32 numbers": lambda: in_json(32, {"intValue": "5"}),
    "JSON, 32 flags": lambda: in_json(32, {"boolValue": True}),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_a_collector_is_taken(name: str) -> None:
    """Seconds each: only batches of this size show it."""
    encoding: Encoding = "json" if name.startswith("JSON") else "protobuf"
    body = CASES[name]()
    assert len(body) <= MAX_BODY
    status, seconds, memory = in_child(body, encoding, "")
    print(f"{name}: {len(body)} bytes, {status}, {seconds:.3f} s, {memory / 2**20:.1f} MiB")
    assert status == 200
    assert memory < MEMORY


@pytest.mark.no_cover
def test_all_of_its_spans_are_there() -> None:
    received = decode(protobuf(3), "protobuf")
    assert (len(received.spans), received.rejected) == (SPANS, 0)
    last = received.spans[-1]
    assert (last.service, last.attributes["app.attribute.2"]) == ("shop", "value")
