"""`POST /v1/files`: a form whose file goes to disk as it arrives, in constant memory."""

import os
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from moat.batches.files import explained
from moat.batches.requests import keep_ns_of
from moat.documents.multipart import FormStream, Part
from moat.domain.errors import ClientClosed, RequestError
from moat.gateway.http import BodyTooLarge, Receive

MAX_TEXTS = 16 * 1024
"""Bytes of the fields of an upload besides its file."""
MAX_FILENAME = 255


class Upload(NamedTuple):
    """What was uploaded besides the file's bytes."""

    filename: str
    size: int
    keep_ns: int
    """0: not said."""
    digest: bytes
    """Of the file's bytes: the form around them is another at every try."""


async def receive_upload(receive: Receive, content_type: str, path: Path, limit: int) -> Upload:
    """Put the file of an upload at `path`, which must not exist; whatever there is after an error is of no use.

    Raises `RequestError`, `BodyTooLarge` above `limit` bytes of body, `ClientClosed` and `StorageError`.
    """
    problem: RequestError | None = None
    size = 0
    with explained(path), _created(path) as file:
        form = _Form(content_type, file.write)
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientClosed("the client hung up while sending its request")
            piece: bytes = message.get("body", b"")
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(
                    f"the request body is larger than {limit / 2**20:g} MiB",
                    remedy="batches.max_file_mb in moat.yaml raises the limit of files.",
                )
            if problem is None:
                try:
                    form.feed(piece)
                except RequestError as error:  # who still sends would not read the answer
                    problem = error
            if not message.get("more_body"):
                break
    if problem is not None:
        raise problem
    return form.end()


class _Form:
    """The fields as they come."""

    def __init__(self, content_type: str, write: Callable[[bytes], object]) -> None:
        """`write` takes the pieces of the file."""
        self._stream = FormStream(content_type)
        self._write = write
        self._texts: dict[str, bytes] = {}
        self._text_size = 0
        self._file: Part | None = None
        self._part = Part("", is_file=False)
        self._size = 0
        self._digest = blake2b(digest_size=32)

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `RequestError`."""
        for found in self._stream.feed(data):
            if isinstance(found, Part):
                self._begin(found)
            elif not self._part.is_file:
                self._add(found)
            elif self._part is self._file:
                self._size += len(found)
                self._digest.update(found)
                self._write(found)

    def end(self) -> Upload:
        """Nothing follows. Raises `RequestError` for what is no upload of a batch's file."""
        self._stream.end()
        if self._file is None:
            raise _one_file()
        texts = {name: _decoded(name, value) for name, value in self._texts.items()}
        if texts.get("purpose") != "batch":
            raise RequestError("must be batch: files are kept for batches only", where="purpose")
        if not self._size:
            raise RequestError("is empty", where="file")
        return Upload(_filename(self._file.filename), self._size, _kept(texts), self._digest.digest())

    def _begin(self, part: Part) -> None:
        self._part = part
        if part.is_file and part.name == "file":
            if self._file is not None:
                raise _one_file()
            self._file = part
        elif not part.is_file:
            if part.name in self._texts:
                raise RequestError("stands in the form more than once", where=part.name)
            self._texts[part.name] = b""

    def _add(self, text: bytes) -> None:
        self._text_size += len(text)
        if self._text_size > MAX_TEXTS:
            raise RequestError("is too long for a field that is no file", where=self._part.name)
        self._texts[self._part.name] += text


def _one_file() -> RequestError:
    return RequestError("missing", where="file", remedy="Send exactly one file of the form.")


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise RequestError("is not UTF-8", where=name) from None


def _kept(texts: dict[str, str]) -> int:
    expires: dict[str, Any] = {name: texts.get(f"expires_after[{name}]") for name in ("anchor", "seconds")}
    seconds = expires["seconds"]
    if isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 10:
        expires["seconds"] = int(seconds)  # in a form everything is text
    given = any(value is not None for value in expires.values())
    return keep_ns_of(expires if given else None, "expires_after")


def _filename(said: str) -> str:
    name = said.replace("\\", "/").rpartition("/")[2]
    plain = "".join(character for character in name if character.isprintable())
    return plain[:MAX_FILENAME] or "file.jsonl"


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
