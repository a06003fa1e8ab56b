"""Event streams, read as AWS's own library reads them, cut anywhere, and broken anywhere."""

import contextlib
import struct
from binascii import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from moat.adapters.providers import eventstream
from moat.adapters.providers.eventstream import Message, MessageParser
from moat.domain.errors import ProviderDown
from tests.providers.eventstreams import encode

VALUES = st.one_of(st.text(max_size=20), st.binary(max_size=20), st.booleans(), st.integers(-(2**31), 2**31 - 1))
MESSAGES = st.lists(
    st.tuples(st.dictionaries(st.text(min_size=1, max_size=10), VALUES, max_size=4), st.binary(max_size=60)),
    min_size=1,
    max_size=4,
)


def feed(data: bytes, cuts: list[int]) -> list[Message]:
    parser, found, start = MessageParser(), [], 0
    for cut in [*sorted(cut % (len(data) + 1) for cut in cuts), len(data)]:
        found += parser.feed(data[start:cut])
        start = cut
    assert parser.rest == b""
    return found


@given(MESSAGES, st.lists(st.integers(0, 1000), max_size=5))
def test_cut_anywhere_it_is_read_as_botocore_does(
    messages: list[tuple[dict[str, object], bytes]], cuts: list[int]
) -> None:
    data = b"".join(encode(headers, payload) for headers, payload in messages)
    theirs = EventStreamBuffer()
    theirs.add_data(data)
    expected = [
        Message({name: value for name, value in each.headers.items() if isinstance(value, str)}, each.payload)
        for each in theirs
    ]
    texts = [{name for name, value in headers.items() if isinstance(value, str)} for headers, _ in messages]
    found = feed(data, cuts)
    assert [each.payload for each in found] == [each.payload for each in expected]
    for ours, other, names in zip(found, expected, texts, strict=True):
        assert ours.headers == {name: other.headers[name] for name in names}


@given(MESSAGES, st.integers(0, 10_000), st.integers(1, 255))
def test_one_wrong_byte_is_never_taken_for_the_message(
    messages: list[tuple[dict[str, object], bytes]], at: int, flip: int
) -> None:
    data = bytearray(b"".join(encode(headers, payload) for headers, payload in messages))
    whole = feed(bytes(data), [])
    data[at % len(data)] ^= flip
    parser = MessageParser()
    try:
        found = parser.feed(bytes(data))
    except ProviderDown:
        return
    assert len(found) < len(whole)
    assert found == whole[: len(found)]


@given(st.binary(max_size=200))
def test_noise_is_a_typed_error_or_waits_for_more(noise: bytes) -> None:
    with contextlib.suppress(ProviderDown):
        assert MessageParser().feed(noise) == []


@pytest.mark.parametrize(("total", "headers"), [(2**31, 0), (16, 1), (15, 0), (2**20, 2**19)])
def test_lengths_that_cannot_be_are_refused_before_anything_is_kept(total: int, headers: int) -> None:
    prelude = struct.pack(">II", total, headers)
    with pytest.raises(ProviderDown, match="lengths"):
        MessageParser(where="provider x").feed(prelude + struct.pack(">I", crc32(prelude)))


def test_headers_that_cannot_be_read_are_refused() -> None:
    def message(headers: bytes) -> bytes:
        prelude = struct.pack(">II", len(headers) + 16, len(headers))
        head = prelude + struct.pack(">I", crc32(prelude)) + headers
        return head + struct.pack(">I", crc32(head))

    for headers in (b"\x01a\x0c", b"\x01a", b"\x05a", b"\x01a\x07\x00\x09x", b"\x01\xff\x00", b"\x01a\x07\x00\x01\xff"):
        with pytest.raises(ProviderDown, match="headers"):
            MessageParser().feed(message(headers))


def test_bounds_are_above_what_aws_sends() -> None:
    assert eventstream.MAX_MESSAGE_BYTES > 16 * 2**20 + 128 * 2**10
    assert MessageParser().feed(encode({}, b"x" * 16 * 2**20))[0].payload[:1] == b"x"
