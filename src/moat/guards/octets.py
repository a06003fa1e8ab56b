"""Texts that stand in bytes, and which bytes each of their characters is."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

_NO_TEXT = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffd\ue000-\uf8ff"
_ODD = re.compile(f"[{_NO_TEXT}]")
_LEAST, _LEAST_BESIDE = 5, 10
"""Characters of a text: of one that is all there is, and of one beside bytes that are no text, which bytes drawn at
random hardly have."""
_BESIDE = re.compile(f"[^{_NO_TEXT}]{{{_LEAST_BESIDE},}}")
_SIXTEEN = ((slice(1, 8, 2), "utf-16-le"), (slice(0, 8, 2), "utf-16-be"))
"""As Windows writes text: every other byte of English is nothing."""
_ORDERS = (b"\xff\xfe", b"\xfe\xff")
"""What a text in UTF-16 may begin with."""
_SOME = re.compile(
    rb"[\t\n\r -~\x80-\xf4]{10}|\A[\t\n\r -~\x80-\xf4]+\Z|\A(?:[^\0]\0){4}|\A(?:\0[^\0]){4}|\A(?:\xff\xfe|\xfe\xff)"
)


class Part(NamedTuple):
    """A text in bytes."""

    text: str
    offset: int
    """Bytes before it."""
    codec: str


def may_hold_text(data: bytes) -> bool:
    """False: there is none. Most bytes that are none are known by this."""
    return _SOME.search(data) is not None


def _texts(data: bytes) -> tuple[Part, ...]:
    """All of it, or what stands between bytes that are no text."""
    mark = 2 if data[:2] in _ORDERS else 0
    for octets, codec in _SIXTEEN:
        if data[mark:][octets] == b"\0\0\0\0":
            text = data[mark : len(data) // 2 * 2].decode(codec, "replace")
            return (Part(text, mark, codec),) if not _ODD.search(text) else ()
    text = data.decode("utf-8", "surrogateescape")
    if not _ODD.search(text):
        return (Part(text, 0, "utf-8"),) if len(text) >= _LEAST else ()
    return tuple(_beside(text))


def _beside(text: str) -> Iterator[Part]:
    offset = read = 0
    for match in _BESIDE.finditer(text):
        offset += len(text[read : match.start()].encode("utf-8", "surrogateescape"))
        yield Part(match.group(), offset, "utf-8")
        offset += len(match.group().encode())
        read = match.end()


class Octets:
    """The texts in some bytes, a line each."""

    def __init__(self, data: bytes) -> None:
        self._parts = _texts(data)
        self._begins = list(accumulate((len(part.text) + 1 for part in self._parts), initial=0))
        self.text = "\n".join(part.text for part in self._parts)
        self.size = sum(len(part.text.encode(part.codec)) for part in self._parts)
        """Bytes that are text."""

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The bytes of a span of `text`, from and to."""
        return self._place(start, 0), self._place(end - 1, 1)

    def _place(self, position: int, more: int) -> int:
        at = min(bisect_right(self._begins, position) - 1, len(self._parts) - 1)
        part, count = self._parts[at], position - self._begins[at] + more
        if part.codec == "utf-8" and part.text.isascii():
            return part.offset + min(count, len(part.text))
        return part.offset + len(part.text[:count].encode(part.codec))
