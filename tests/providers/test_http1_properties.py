"""The response parser against h11 on the server's side, for any response and any way to cut its bytes."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moat.adapters.providers.connection import Connection
from moat.domain.errors import ProviderDown, StreamCut

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi"

headers = st.lists(
    st.tuples(
        st.from_regex(rb"x-[a-z]{1,8}", fullmatch=True),
        st.from_regex(rb"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True),
    ),
    max_size=5,
)
bodies = st.lists(st.binary(min_size=1, max_size=60), max_size=5)
cuts = st.lists(st.integers(0, 400), max_size=8)


class Wire(asyncio.Transport):
    """Where a connection writes to."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


@contextmanager
def asked() -> Iterator[tuple[Connection, bytes]]:
    """A connection that has just sent a request, and what it sent."""
    loop = asyncio.new_event_loop()
    connection = Connection(loop, "peer", 65536, lambda _: None)
    wire = Wire()
    connection.connection_made(wire)
    connection.send(REQUEST, first_byte=60, idle=None, head_only=False)
    try:
        yield connection, wire.sent
    finally:
        connection.abort()
        loop.close()


def respond(request: bytes, status: int, fields: list[tuple[bytes, bytes]], body: list[bytes], length: bool) -> bytes:
    """The bytes of a response as h11 writes it; it must have understood the request."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(request)
    assert [type(server.next_event()) for _ in range(3)] == [h11.Request, h11.Data, h11.EndOfMessage]
    if length:
        fields = [*fields, (b"content-length", b"%d" % len(b"".join(body)))]
    sent = server.send(h11.Response(status_code=status, headers=fields, reason=b"Some")) or b""
    for piece in body:
        sent += server.send(h11.Data(data=piece)) or b""
    return sent + (server.send(h11.EndOfMessage()) or b"")


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from([200, 404, 500]), headers, bodies, st.booleans(), cuts)
def test_any_cut_of_a_response_gives_the_same_response(
    status: int, fields: list[tuple[bytes, bytes]], body: list[bytes], length: bool, cuts: list[int]
) -> None:
    with asked() as (connection, request):
        for piece in pieces(respond(request, status, fields, body, length), cuts):
            assert not connection.complete
            connection.data_received(piece)
        assert connection.complete
        assert connection.error is None
        assert connection.reusable
        assert connection.status == status
        assert [field for field in connection.raw_headers if field[0].startswith(b"x-")] == fields
        assert connection.take() == b"".join(body)


@settings(deadline=None, max_examples=150)
@given(st.data(), headers, bodies, st.booleans())
@pytest.mark.promise("up-2")
def test_a_response_cut_at_any_byte_is_never_complete(
    data: st.DataObject, fields: list[tuple[bytes, bytes]], body: list[bytes], length: bool
) -> None:
    with asked() as (connection, request):
        response = respond(request, 200, fields, body, length)
        end = data.draw(st.integers(0, len(response) - 1))
        if end:
            connection.data_received(response[:end])
        connection.eof_received()
        connection.connection_lost(None)
        assert not connection.complete
        assert not connection.reusable
        assert isinstance(connection.error, StreamCut if connection.head_complete else ProviderDown)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=80), max_size=5), st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n"]))
def test_noise_raises_nothing_and_is_never_a_reusable_answer(noise: list[bytes], start: bytes) -> None:
    with asked() as (connection, _):
        for piece in [start, *noise]:
            if piece:
                connection.data_received(piece)
        connection.connection_lost(ConnectionResetError(104, "reset"))
        assert connection.complete or connection.error is not None
        assert not connection.reusable
