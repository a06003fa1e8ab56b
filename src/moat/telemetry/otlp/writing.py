"""OTLP in protobuf's encoding, written by hand: the pieces of a message as bytes."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

_double = struct.Struct("<d").pack
_fixed64 = struct.Struct("<Q").pack
_SMALL = [bytes([number]) for number in range(128)]
_INT64 = range(-(2**63), 2**63)


def varint(number: int) -> bytes:
    """A number of 0 to 2**64 - 1."""
    if number < 128:
        return _SMALL[number]
    pieces = bytearray()
    while number > 127:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def message(field: int, content: bytes) -> bytes:
    """A field that is a message, or bytes."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    """A field that is text; nothing when empty."""
    return message(field, value.encode("utf-8", "replace")) if value else b""


def fixed64(field: int, number: int) -> bytes:
    """A field that is a time."""
    return varint(field << 3 | 1) + _fixed64(number)


def attributes(field: int, values: Mapping[str, Any]) -> bytes:
    """Fields that are KeyValues."""
    return b"".join([message(field, pair(name, value)) for name, value in values.items()])


def pair(name: str, value: Any) -> bytes:
    """A KeyValue: lists of plain values as such; whatever is deeper as JSON text, since few readers look into it."""
    return text(1, name) + message(2, _value(value))


def _value(value: Any) -> bytes:
    if isinstance(value, str):
        return message(1, value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10" + _SMALL[value]
    if isinstance(value, int) and value in _INT64:
        return b"\x18" + varint(value & (2**64 - 1))
    if isinstance(value, float):
        return b"\x21" + _double(value)
    if value is None:
        return b""
    if isinstance(value, list | tuple) and all(isinstance(item, str | bool | int | float) for item in value):
        return message(5, b"".join([message(1, _value(item)) for item in value]))
    return message(1, msgspec.json.encode(value))


def joined(field: int, contents: Iterable[bytes]) -> bytes:
    """A repeated field of messages."""
    return b"".join([message(field, content) for content in contents])
