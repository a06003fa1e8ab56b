"""Hostile bodies at the intake of spans, as large as a server takes them: none takes much CPU or 50 MiB.

Each meets the intake in a child of this process, so that what one leaves behind does not hide what the next one takes.
"""

import ctypes
import gzip
import multiprocessing
import struct
import time
import zlib
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import pytest

from moat.domain.config import ServerConfig
from moat.domain.errors import MoatError
from moat.domain.keys import Key
from moat.gateway.serving import Live, Serving
from moat.gateway.traces import Intake
from moat.telemetry.otlp import Encoding, writing
from moat.testing.fakes import ListSpool

MAX_BODY = round(ServerConfig().max_body_mb * 2**20)
CPU, MEMORY = 6.0, 50 * 2**20
"""Times what the machine needs for `REFERENCE` in the same process, a second or so on a laptop; bytes."""
REFERENCE = 4_000_000
"""Steps of a loop."""
TEXTS = ("gzip of a full body", "protobuf: no UTF-8")
"""Bodies that are one text: unpacked in pieces, or of wide characters, that takes three times its size."""


def bomb(header: bytes, made: int) -> bytes:
    """A stream that becomes so many zeros: one flushed block, again and again."""
    packing = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packing.compress(bytes(2**20)) + packing.flush(zlib.Z_FULL_FLUSH)
    return header + block * (made // 2**20)


GZIP, DEFLATE = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", b"\x78\x9c"


IDS = b'"traceId":"%032x","spanId":"%016x","startTimeUnixNano":"5","endTimeUnixNano":"6"' % (1, 1)


def spans(inside: bytes) -> bytes:
    """A request in JSON around what stands in a span."""
    return b'{"resourceSpans":[{"scopeSpans":[{"spans":[{' + IDS + b"," + inside + b"}]}]}]}"


def attribute(value: bytes) -> bytes:
    """A request in JSON around the value of an attribute."""
    return spans(b'"attributes":[{"key":"k","value":' + value + b"}]")


def full(body: bytes, part: bytes, size: int = MAX_BODY) -> bytes:
    """As large as a body may be: with a part in place of `...`, again and again."""
    start, end = body.split(b"...")
    return start + part * ((size - len(start) - len(end)) // len(part)) + end


def lie(tag: bytes, length: int) -> bytes:
    """A field that says to be longer than what is there."""
    return tag + writing.varint(length) + b"x"


def within(*tags: int) -> Callable[[bytes], bytes]:
    """Puts bytes into messages in messages."""

    def wrap(inner: bytes) -> bytes:
        for tag in reversed(tags):
            inner = writing.message(tag, inner)
        return inner

    return wrap


SPAN = within(1, 2, 2)
LISTED = b'{"resourceSpans":[{"scopeSpans":[{"spans":[...]}]}]}'
PACKED: dict[str, Callable[[], tuple[bytes, Encoding, str]]] = {
    "gzip bomb, 1 GiB": lambda: (bomb(GZIP, 2**30), "protobuf", "gzip"),
    "deflate bomb, 1 GiB": lambda: (bomb(DEFLATE, 2**30), "json", "deflate"),
    "gzip of a full body": lambda: (
        gzip.compress(full(attribute(b'{"stringValue":"..."}'), b"x" * 1000), 1),
        "json",
        "gzip",
    ),
    "gzip of opened lists": lambda: (gzip.compress(full(b"...", b"["), 1), "json", "gzip"),
    "gzip of spans": lambda: (gzip.compress(within(1, 2)(b"\x12\x00" * 5_000_000), 1), "protobuf", "gzip"),
}
JSON: dict[str, Callable[[], bytes]] = {
    "lists 100,000 deep": lambda: b"[" * 100_000,
    "values 100,000 deep": lambda: attribute(b'{"arrayValue":{"values":[' * 100_000 + b"]}}" * 100_000),
    "values 300 deep": lambda: attribute(b'{"arrayValue":{"values":[' * 300 + b"]}}" * 300),
    "unknown 100,000 deep": lambda: spans(b'"other":' + b"[" * 100_000 + b"]" * 100_000),
    "opened lists": lambda: full(b"...", b"["),
    "a number of 20,000,000 digits": lambda: full(b'{"resourceSpans":...}', b"9"),
    "an integer of 20,000,000 digits": lambda: full(attribute(b'{"intValue":...}'), b"9"),
    "an integer of 4,000 digits": lambda: full(attribute(b'{"intValue":...}'), b"9", 4000),
    "an integer of 20,000,000 digits as text": lambda: full(attribute(b'{"intValue":"..."}'), b"9"),
    "a double of 20,000,000 digits": lambda: full(attribute(b'{"doubleValue":1....}'), b"9"),
    "a huge exponent": lambda: attribute(b'{"doubleValue":1e999999999}'),
    "numbers for groups": lambda: full(b'{"resourceSpans":[...1]}', b"1,", 1_700_000),
    "numbers for spans that are almost too many": lambda: full(LISTED.replace(b"...", b"...1"), b"1,", 899_000),
    "numbers for spans": lambda: full(LISTED.replace(b"...", b"...1"), b"1,", 1_700_000),
    "empty groups": lambda: full(b'{"resourceSpans":[...{}]}', b"{},", 1_200_000),
    "empty spans": lambda: full(LISTED.replace(b"...", b"...{}"), b"{},", 1_200_000),
    "too many empty spans": lambda: full(LISTED.replace(b"...", b"...{}"), b"{},"),
    "something wrong at the end": lambda: full(b'{"other":[...{}],"resourceSpans":5}', b'{"a":1},', 3_500_000),
    "attributes that are too many": lambda: full(spans(b'"attributes":[...{}]'), b'{"key":"k"},'),
    "attributes that are almost too many": lambda: full(spans(b'"attributes":[...{}]'), b'{"key":"k"},', 1_400_000),
    "attributes of their own": lambda: spans(
        b'"attributes":[' + b",".join(b'{"key":"%d"}' % n for n in range(124_000)) + b"]"
    ),
    "attributes of a resource": lambda: (
        b'{"resourceSpans":[{"resource":{"attributes":['
        + b",".join(b'{"key":"%d"}' % n for n in range(124_000))
        + b"]}}]}"
    ),
    "attributes of many spans": lambda: full(
        LISTED.replace(b"...", b"...{}"),
        b"{"
        + IDS
        + b',"attributes":['
        + b",".join(b'{"key":"%d","value":{"boolValue":true}}' % n for n in range(100))
        + b"]},",
        10_000_000,
    ),
    "large spans": lambda: full(
        LISTED.replace(b"...", b"...{}"),
        b"{" + IDS + b',"attributes":[{"key":"k","value":{"stringValue":"' + b",{[" * 100_000 + b'"}}]},',
    ),
    "escapes": lambda: full(attribute(b'{"stringValue":"..."}'), b"\\u0000"),
    "quotes": lambda: full(attribute(b'{"stringValue":"..."}'), b'\\"'),
    "strings": lambda: full(b'{"other":[...1]}', b'"",'),
    "halves of characters": lambda: full(attribute(b'{"stringValue":"..."}'), b"\\ud83d"),
    "no UTF-8": lambda: full(attribute(b'{"stringValue":"..."}'), b"\xff"),
    "a text full of brackets": lambda: full(attribute(b'{"stringValue":"..."}'), b",{["),
    "messages in a text": lambda: spans(
        b'"attributes":[{"key":"gen_ai.input.messages","value":{"stringValue":"' + b"[" * 1_000_000 + b'"}}]'
    ),
    "gaps between messages": lambda: spans(
        b'"attributes":[{"key":"llm.input_messages.999999999.message.content","value":{"stringValue":"x"}}]'
    ),
}
NAME = writing.text(1, "k")
PROTOBUF_IDS = writing.message(1, b"\1" * 16) + writing.message(2, b"\2" * 8) + struct.pack("<BQBQ", 0x39, 5, 0x41, 6)


def attribute_of(name: str) -> bytes:
    """In protobuf, of a span."""
    return writing.message(9, writing.text(1, name) + b"\x12\x02\x10\x01")


PROTOBUF: dict[str, Callable[[], bytes]] = {
    "a length of 2^63": lambda: lie(b"\x0a", 2**63 - 1),
    "a length of 2^31 in a span": lambda: SPAN(lie(b"\x4a", 2**31)),
    "a length beyond its message": lambda: SPAN(b"\x4a\x05\x0a\xff\x01x"),
    "a length that never ends": lambda: b"\x0a" + b"\xff" * 1000,
    "lengths of ten bytes": lambda: full(b"...", b"\x0a" + b"\x80" * 9 + b"\x00"),
    "lengths of ten bytes in a span": lambda: SPAN(b"\x4a" + b"\x80" * 9 + b"\x00") * 300_000,
    "numbers of ten bytes": lambda: full(b"...", b"\x08" + b"\xff" * 9 + b"\x01"),
    "tags of ten bytes": lambda: full(b"...", b"\x88" + b"\x80" * 8 + b"\x00\x01"),
    "values 10,000 deep": lambda: SPAN(writing.message(9, NAME + writing.message(2, within(*[5, 1] * 5000)(b"")))),
    "empty spans": lambda: within(1, 2)(b"\x12\x00" * 9_000_000),
    "attributes that are too many": lambda: SPAN(b"\x4a\x05\x0a\x03key" * 1_000_000),
    "attributes of their own": lambda: SPAN(
        b"".join(writing.message(9, writing.text(1, str(n)) + b"\x12\x02\x10\x01") for n in range(250_000))
    ),
    "spans that are too many": lambda: within(1, 2)(
        writing.message(2, PROTOBUF_IDS + b"".join(attribute_of(str(n)) for n in range(4))) * 100_000
    ),
    "times beyond all times": lambda: SPAN(struct.pack("<BQBQ", 0x39, 2**64 - 1, 0x41, 2**64 - 1)),
    "one text": lambda: SPAN(writing.message(9, NAME + writing.message(2, writing.text(1, "x" * (MAX_BODY - 64))))),
    "no UTF-8": lambda: SPAN(
        writing.message(9, NAME + writing.message(2, writing.message(1, b"\xff" * (MAX_BODY - 64))))
    ),
}
CASES = [*PACKED, *(f"JSON: {name}" for name in JSON), *(f"protobuf: {name}" for name in PROTOBUF)]


def case(name: str) -> tuple[bytes, Encoding, str]:
    """A body, its encoding, and how it is packed."""
    if name in PACKED:
        return PACKED[name]()
    kind, _, of = name.partition(": ")
    return (JSON[of](), "json", "") if kind == "JSON" else (PROTOBUF[of](), "protobuf", "")


def resident(what: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at most."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def taken(body: bytes, encoding: Encoding, packed: str) -> tuple[int, float, int]:
    """Status, CPU in times of `reference`, and bytes of memory that the intake takes for it."""
    live = Live(cast("Serving", type("Nothing", (), {"ports": None})()))
    intake = Intake(live, ListSpool(), MAX_BODY)
    memory, began, status = resident("VmRSS"), time.process_time(), 200
    try:
        intake._keep(body, encoding, Key(id="k", hash=""), packed)
    except MoatError as error:
        status = error.status
    return status, (time.process_time() - began) / reference(), resident("VmHWM") - memory


def reference() -> float:
    """Seconds of CPU that this machine, as busy as it is, needs for work of a known size."""
    began = time.process_time()
    sum(step * step for step in range(REFERENCE))
    return time.process_time() - began


CLEAN = multiprocessing.get_context("forkserver")
"""Children of a process without threads: one of gRPC's, from another test, may hold a lock that no child can open."""
CLEAN.set_forkserver_preload(["__main__", __name__])


def in_child(body: bytes, encoding: Encoding, packed: str) -> tuple[int, float, int]:
    reading, told = CLEAN.Pipe(duplex=False)
    child = CLEAN.Process(target=_tell, args=(told, body, encoding, packed))
    child.start()
    told.close()
    found: tuple[int, float, int] = reading.recv()
    child.join()
    return found


def _tell(told: Connection, body: bytes, encoding: Encoding, packed: str) -> None:
    ctypes.CDLL(None).malloc_trim(0)  # or it would have room that the body's coming has left
    Path("/proc/self/clear_refs").write_text("5")  # forgets the most that it had: proc(5)
    told.send(taken(body, encoding, packed))


@pytest.mark.promise("inj-6")
@pytest.mark.no_cover
@pytest.mark.parametrize("name", CASES)
def test_a_bomb_takes_little(name: str) -> None:
    body, encoding, packed = case(name)
    assert len(body) <= MAX_BODY
    for _ in range(3):  # what else runs may fall on the one and not on the other
        status, cpu, memory = in_child(body, encoding, packed)
        if cpu < CPU:
            break
    print(f"{name}: {len(body)} bytes, {status}, {cpu:.2f} times the reference, {memory / 2**20:.1f} MiB")
    assert status in (200, 400, 413)
    assert cpu < CPU
    assert memory < (3 * MAX_BODY + 2**20 if name in TEXTS else MEMORY)
