"""Uploads go to disk as they come: little memory, and nothing half-written."""

import asyncio
import socket
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openai import InternalServerError

from moat.adapters.sqlite import SqliteBatches
from moat.batches.uploading import Upload, receive_upload
from moat.domain.batches import StoredFile
from moat.domain.config import BatchConfig
from moat.domain.errors import ClientClosed, MoatError, RequestError, StorageError
from moat.gateway.http import BodyTooLarge
from tests.batches.test_asked import Echo
from tests.batches.world import SECRET, World, eventually, line

MIB = 2**20
KIND = "multipart/form-data; boundary=cut"
PURPOSE = b'--cut\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
FILE = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="q.jsonl"\r\n\r\n'
END = b"\r\n--cut--\r\n"


def received(path: Path, *pieces: bytes | None, limit: int = MIB) -> Upload:
    """An upload in these pieces; None: the client hangs up."""
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"} if piece is None else {"type": "http.request", "body": piece, "more_body": True}
        for piece in pieces
    ]
    left = iter([*messages, {"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(left)

    return asyncio.run(receive_upload(receive, KIND, path, limit))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=300), st.integers(1, 50), st.booleans())
def test_the_file_is_what_was_sent_however_it_is_cut(tmp_path: Path, data: bytes, size: int, first: bool) -> None:
    path = tmp_path / "part"
    path.unlink(missing_ok=True)
    data = data.replace(b"--cut", b"--cat")
    body = PURPOSE + FILE + data + END if first else FILE + data + b"\r\n" + PURPOSE[:-2] + END
    upload = received(path, *(body[at : at + size] for at in range(0, len(body), size)))
    assert path.read_bytes() == data
    assert (upload.filename, upload.size, upload.keep_ns) == ("q.jsonl", len(data), 0)


def test_a_long_file_takes_little_memory(tmp_path: Path) -> None:
    piece, many = b"x" * 65_536, 1024

    async def upload() -> Upload:
        messages: AsyncIterator[dict[str, Any]] = sent()

        async def receive() -> dict[str, Any]:
            return await anext(messages)

        return await receive_upload(receive, KIND, tmp_path / "part", 100 * MIB)

    async def sent() -> AsyncIterator[dict[str, Any]]:
        for body in (PURPOSE + FILE, *(piece for _ in range(many)), END):
            yield {"type": "http.request", "body": body, "more_body": body is not END}

    tracemalloc.start()
    try:
        assert asyncio.run(upload()).size == many * len(piece) == (tmp_path / "part").stat().st_size
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("pieces", "error", "where"),
    [
        ((PURPOSE, FILE + b"a", None), ClientClosed, ""),
        ((PURPOSE + FILE, b"x" * (MIB // 2), b"x" * MIB, END), BodyTooLarge, ""),
        ((b"hello",), RequestError, ""),
        ((PURPOSE, FILE, b"a"), RequestError, ""),
        ((PURPOSE[:-2] + END,), RequestError, "file"),
        ((PURPOSE, FILE, b"a\r\n", FILE, b"b", END), RequestError, "file"),
        ((PURPOSE, FILE, END), RequestError, "file"),
        ((FILE, b"a", END), RequestError, "purpose"),
        ((PURPOSE, PURPOSE, FILE, b"a", END), RequestError, "purpose"),
        ((PURPOSE.replace(b"batch", b"\xff"), FILE, b"a", END), RequestError, "purpose"),
        ((PURPOSE.replace(b"batch", b"b" * 17_000), FILE, b"a", END), RequestError, "purpose"),
        ((PURPOSE, FILE.replace(b'"file"', b'"other"'), b"a", END), RequestError, "file"),
    ],
)
def test_what_is_no_upload_is_refused(tmp_path: Path, pieces: Any, error: type[MoatError], where: str) -> None:
    with pytest.raises(error) as raised:
        received(tmp_path / "part", *pieces)
    assert type(raised.value) is error
    assert raised.value.where == where


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no/folder"):
        received(tmp_path / "no" / "folder", PURPOSE, FILE, b"a", END)


@contextmanager
def half_an_upload(world: World) -> Iterator[socket.socket]:
    """A connection on which the beginning of a file was sent."""
    host, _, port = world.url.removeprefix("http://").rpartition(":")
    head = (
        f"POST /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\ncontent-type: {KIND}\r\n"
        "content-length: 1000000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + PURPOSE + FILE + b"x" * 100_000)
        yield connection


def test_of_a_client_that_hangs_up_nothing_stays(tmp_path: Path) -> None:
    world = World(tmp_path, Echo())
    folder = tmp_path / "files"
    with world.running(), world.client() as client:
        with half_an_upload(world):
            eventually(lambda: any(path.stat().st_size > 0 for path in folder.iterdir()))
        eventually(lambda: not list(folder.iterdir()))
        assert list(client.files.list()) == []
        kept = world.upload(client, line("a"))
        assert [path.name for path in folder.iterdir()] == [kept]


def test_a_body_that_is_too_long_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, Echo(), BatchConfig(max_file_mb=0.2))
    with world.running(), world.client() as client:
        with pytest.raises(Exception, match="max_file_mb"):
            client.files.create(file=("q.jsonl", b"x" * 210_000), purpose="batch")
        assert client.files.create(file=("q.jsonl", b"x" * 200_000), purpose="batch").bytes == 200_000
        assert len(list((tmp_path / "files").iterdir())) == 1


def test_a_file_that_cannot_be_noted_leaves_no_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(store: SqliteBatches, file: StoredFile) -> None:
        raise StorageError("no space left on device")

    world = World(tmp_path, Echo())
    with world.running(), world.client() as client:
        with monkeypatch.context() as patch:
            patch.setattr(SqliteBatches, "add_file", broken)
            with pytest.raises(InternalServerError, match="no space"):
                world.upload(client, line("a"))
        assert list((tmp_path / "files").iterdir()) == []
        assert world.upload(client, line("a"))
