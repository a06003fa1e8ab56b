"""Server-sent events, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers import sse
from moat.adapters.providers.sse import EventParser
from moat.domain.errors import ProviderDown

ENDS = [b"\n", b"\r\n", b"\r"]


def feed(*chunks: bytes) -> list[bytes | None]:
    parser = EventParser()
    return [event.data for chunk in chunks for event in parser.feed(chunk)]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data:a\r\n\r\ndata:  b\r\n\r\n", [b"a", b" b"]),
        (b"data: a\ndata\ndata: b\n\n", [b"a\n\nb"]),
        (b"event: x\nid: 1\ndata: a\n\n", [b"a"]),
        (b": keep-alive\n\ndata: a\n\n", [None, b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"database: a\n\n", [None]),
        (b"data: a\n", []),
    ],
)
def test_events_are_read_as_the_standard_says(stream: bytes, data: list[bytes | None]) -> None:
    assert feed(stream) == data
    assert [found for found in feed(*[bytes([byte]) for byte in stream]) if found is not None] == [
        found for found in data if found is not None
    ]


@given(
    st.lists(st.lists(st.sampled_from([b"data: {x}", b"data:y", b": c", b"id: 7", b"data"]), min_size=1, max_size=3)),
    st.sampled_from(ENDS),
    st.lists(st.integers(0, 200), max_size=6),
)
def test_cuts_change_neither_data_nor_bytes(events: list[list[bytes]], end: bytes, cuts: list[int]) -> None:
    stream = b"".join(end.join(lines) + end + end for lines in events)
    edges = [0, *sorted({cut for cut in cuts if cut < len(stream)}), len(stream)]
    parser, whole = EventParser(), EventParser().feed(stream)
    found = [event for start, stop in pairwise(edges) for event in parser.feed(stream[start:stop])]
    assert [event.data for event in found if event.data is not None] == [
        event.data for event in whole if event.data is not None
    ]
    assert b"".join(event.raw for event in found) + parser.rest == stream


@pytest.mark.promise("up-3")
def test_an_event_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 1000)
    parser = EventParser(where="provider x")
    with pytest.raises(ProviderDown, match="more than 1000 bytes"):
        [parser.feed(b"data: " + b"x" * 100) for _ in range(20)]
