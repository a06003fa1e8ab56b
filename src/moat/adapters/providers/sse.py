"""Server-sent events, incrementally (https://html.spec.whatwg.org/multipage/server-sent-events.html).

Only `data` is read: the chat APIs use nothing else. Each event keeps its bytes as they came, so that it can be
forwarded untouched.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from moat.domain.errors import ProviderDown

MAX_EVENT_BYTES = 16 * 2**20

_END = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"


class SentEvent(NamedTuple):
    """One event."""

    data: bytes | None
    """Its `data`, lines joined by newlines; None for a comment (a keep-alive) or an event without data."""
    raw: bytes
    """Its bytes with the empty line that ends it."""


class EventParser:
    """Feed it bytes cut anywhere; it gives the events that became whole, and keeps the rest."""

    def __init__(self, *, where: str = "") -> None:
        self._where = where
        self._rest = bytearray()
        self._started = False

    def feed(self, chunk: bytes) -> list[SentEvent]:
        """Raises `ProviderDown` when an event does not end within `MAX_EVENT_BYTES`."""
        if not self._rest and b"\r" not in chunk:  # most chunks are whole events
            *whole, rest = chunk.split(b"\n\n")
            self._rest += rest
            events = [SentEvent(self._data(event), event + b"\n\n") for event in whole]
        else:
            events = self._feed_on(chunk)
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ProviderDown(f"sent an event of more than {MAX_EVENT_BYTES} bytes", where=self._where)
        return events

    def _feed_on(self, chunk: bytes) -> list[SentEvent]:
        scanned = max(0, len(self._rest) - 3)
        self._rest += chunk
        events, start = list[SentEvent](), 0
        if b"\n" in chunk or b"\r" in chunk:
            buffer = bytes(self._rest)
            for stop, end in _ends(buffer, scanned):
                events.append(SentEvent(self._data(buffer[start:stop]), buffer[start:end]))
                start = end
            del self._rest[:start]
        return events

    @property
    def rest(self) -> bytes:
        """What came of an event that is not whole yet."""
        return bytes(self._rest)

    def _data(self, event: bytes) -> bytes | None:
        if not self._started:
            self._started = True
            event = event.removeprefix(_BOM)
        if event.startswith(b"data: ") and b"\n" not in event and b"\r" not in event:
            return event[6:]
        return _read_lines(event)


def _ends(buffer: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where events end: before and after their empty line. Only carriage returns need a regular expression."""
    if b"\r" in buffer:
        for found in _END.finditer(buffer, start):
            yield found.span()
        return
    while (at := buffer.find(b"\n\n", start)) >= 0:
        start = at + 2
        yield at, start


def _read_lines(raw: bytes) -> bytes | None:
    values = [
        line[5:].removeprefix(b" ") if line != b"data" else b""
        for line in raw.splitlines()
        if line.startswith(b"data:") or line == b"data"
    ]
    return b"\n".join(values) if values else None
