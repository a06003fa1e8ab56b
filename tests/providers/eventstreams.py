"""Messages of `application/vnd.amazon.eventstream`, written for tests."""

import struct
from binascii import crc32
from collections.abc import Mapping


def encode(headers: Mapping[str, object], payload: bytes) -> bytes:
    """A message; values are text, bytes, a truth value or a number of 32 bits."""
    packed = b""
    for name, value in headers.items():
        packed += bytes([len(name.encode())]) + name.encode()
        if isinstance(value, bool):
            packed += b"\0" if value else b"\1"
        elif isinstance(value, int):
            packed += b"\x04" + struct.pack(">i", value)
        else:
            kind, data = (b"\x07", value.encode()) if isinstance(value, str) else (b"\x06", bytes(value))  # type: ignore[call-overload]
            packed += kind + struct.pack(">H", len(data)) + data
    prelude = struct.pack(">II", len(packed) + len(payload) + 16, len(packed))
    head = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return head + struct.pack(">I", crc32(head))
