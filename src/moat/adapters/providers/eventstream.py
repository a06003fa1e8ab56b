"""`application/vnd.amazon.eventstream`: binary messages, each with headers, a payload and two checksums.

Source: https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html (event stream encoding) and botocore.
"""

import struct
from binascii import crc32
from typing import NamedTuple

from moat.domain.errors import ProviderDown

MAX_MESSAGE_BYTES = 24 * 2**20
"""AWS sends at most 16 MiB of payload and 128 KiB of headers in one message."""
MAX_HEADER_BYTES = 128 * 2**10

_PRELUDE = struct.Struct(">III")
_FIXED = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of the values of each type; 0 and 1 are true and false themselves."""
_BYTES, _TEXT = 6, 7


class Message(NamedTuple):
    """One message."""

    headers: dict[str, str]
    """Those that are text: all that mean something here."""
    payload: bytes


class MessageParser:
    """Feed it bytes cut anywhere; it gives the messages that became whole, and keeps the rest."""

    def __init__(self, *, where: str = "") -> None:
        self._where = where
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> list[Message]:
        """Raises `ProviderDown` when a checksum or a length is wrong: nothing after it can be trusted."""
        self._rest += chunk
        found, start = [], 0
        while len(self._rest) - start >= _PRELUDE.size:
            prelude = bytes(self._rest[start : start + _PRELUDE.size])
            total, headers, checksum = _PRELUDE.unpack(prelude)
            if crc32(prelude[:8]) != checksum:
                raise self._broken("the checksum of its head is wrong")
            if total > MAX_MESSAGE_BYTES or headers > MAX_HEADER_BYTES or total < headers + 16:
                raise self._broken("its lengths cannot be")
            if len(self._rest) - start < total:
                break
            found.append(self._message(bytes(self._rest[start : start + total]), headers))
            start += total
        del self._rest[:start]
        return found

    @property
    def rest(self) -> bytes:
        """What came of a message that is not whole yet."""
        return bytes(self._rest)

    def _message(self, data: bytes, headers: int) -> Message:
        if crc32(data[:-4]) != int.from_bytes(data[-4:], "big"):
            raise self._broken("its checksum is wrong")
        end = _PRELUDE.size + headers
        return Message(self._headers(data[_PRELUDE.size : end]), data[end:-4])

    def _headers(self, data: bytes) -> dict[str, str]:
        found: dict[str, str] = {}
        at = 0
        try:
            while at < len(data):
                length = data[at]
                name = data[at + 1 : at + 1 + length].decode()
                kind = data[at + 1 + length]
                at += 2 + length
                if kind in (_BYTES, _TEXT):
                    size = int.from_bytes(data[at : at + 2], "big")
                    at += 2
                else:
                    size = _FIXED[kind]
                if kind == _TEXT:
                    found[name] = data[at : at + size].decode()
                at += size
        except (IndexError, KeyError, UnicodeDecodeError):
            raise self._broken("its headers cannot be read") from None
        if at != len(data):
            raise self._broken("its headers are longer than it says")
        return found

    def _broken(self, how: str) -> ProviderDown:
        return ProviderDown(f"sent a broken message in its event stream: {how}", where=self._where)
