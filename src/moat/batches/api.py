"""`/v1/files` and `/v1/batches`, as OpenAI has them: its official SDKs work with them."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec.structs import replace

from moat.batches.files import explained
from moat.batches.requests import Upload, read_order, read_page, read_upload
from moat.batches.service import Batches, owner_of
from moat.batches.shapes import batch_object, file_object, list_object
from moat.domain.batches import Owner
from moat.domain.errors import ClientClosed, NotFound
from moat.domain.keys import Key
from moat.gateway.admission import authenticate, caller_of, check_encoding, read_headers
from moat.gateway.http import JSON, BodyTooLarge, Receive, Scope, Send, read_body, respond
from moat.gateway.serving import Live

MAX_ORDER = 256 * 1024
"""Bytes of a request that makes a batch."""
PIECE = 256 * 1024
"""Bytes of a file that are sent at once."""
UPLOADS = 2
"""That are taken apart at one time: each is in memory for that."""

_ID = re.compile(r"/v1/(?:files|batches)/([\w-]{1,100})(/\w+)?", re.ASCII)


class BatchApi:
    """The ASGI application behind these paths. Errors are raised: the gateway answers them."""

    def __init__(self, live: Live, batches: Batches) -> None:
        self._live = live
        self._batches = batches
        self._uploads = asyncio.Semaphore(UPLOADS)
        self._routes: dict[tuple[str, str, str], Callable[[_Asked], Awaitable[None]]] = {
            ("POST", "files", ""): self._upload,
            ("GET", "files", ""): self._list_files,
            ("GET", "files", "/"): self._file,
            ("DELETE", "files", "/"): self._delete,
            ("GET", "files", "/content"): self._content,
            ("POST", "batches", ""): self._create,
            ("GET", "batches", ""): self._list,
            ("GET", "batches", "/"): self._batch,
            ("POST", "batches", "/cancel"): self._cancel,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = read_headers(scope)
        key = authenticate(headers, self._live.serving.keys)
        what = scope["path"].split("/")[2]
        found = _ID.fullmatch(scope["path"])
        rest = "" if found is None else found[2] or "/"
        route = self._routes.get((scope["method"], what, rest))
        if route is None or (found is None and scope["path"] != f"/v1/{what}"):
            raise NotFound(f"there is no {scope['method']} {scope['path'][:200]}")
        await route(_Asked(scope, receive, send, headers, key, found[1] if found else ""))

    async def _upload(self, asked: "_Asked") -> None:
        check_encoding(asked.headers)
        caller = caller_of(asked.key, asked.headers, "")
        limit = round(self._batches.config.max_file_mb * 2**20)
        shelf = self._batches.shelf
        arriving = shelf.arriving()
        try:
            await _receive(asked.receive, arriving, limit)
            async with self._uploads:
                content_type = asked.headers.get("content-type", "")
                owner = Owner(asked.owner.name, caller.environment)
                file = await asyncio.to_thread(self._store, arriving, content_type, owner)
        finally:
            with explained(arriving):
                arriving.unlink(missing_ok=True)
        await asked.answer(file)

    def _store(self, arriving: Path, content_type: str, owner: Owner) -> dict[str, Any]:
        """In a thread: the bytes first, so that a file which is known is there."""
        with explained(arriving):
            body = arriving.read_bytes()
        upload: Upload = read_upload(body, content_type)
        size = upload.stop - upload.start
        file = self._batches.new_file(owner, "batch", upload.filename, size)
        if upload.keep_ns:
            file = replace(file, expires_ns=file.created_ns + upload.keep_ns)
        self._batches.shelf.keep(file.id, memoryview(body)[upload.start : upload.stop])
        try:
            self._batches.store.add_file(file)
        except BaseException:
            self._batches.shelf.remove(file.id)
            raise
        return file_object(file)

    async def _list_files(self, asked: "_Asked") -> None:
        page = read_page(asked.scope["query_string"], "files")
        found = await asyncio.to_thread(self._batches.store.files, asked.owner, page._replace(limit=page.limit + 1))
        await asked.answer(list_object([file_object(file) for file in found], page.limit))

    async def _file(self, asked: "_Asked") -> None:
        await asked.answer(file_object(await asyncio.to_thread(self._batches.store.file, asked.id, asked.owner)))

    async def _delete(self, asked: "_Asked") -> None:
        await self._batches.remove(asked.id, asked.owner)
        await asked.answer({"id": asked.id, "object": "file", "deleted": True})

    async def _content(self, asked: "_Asked") -> None:
        found = await asyncio.to_thread(self._batches.store.file, asked.id, asked.owner)
        headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % found.bytes)]
        path = self._batches.shelf.path(found.id)
        with explained(path), path.open("rb") as file:
            await asked.send({"type": "http.response.start", "status": 200, "headers": headers})
            while piece := await asyncio.to_thread(file.read, PIECE):
                await asked.send({"type": "http.response.body", "body": piece, "more_body": True})
        await asked.send({"type": "http.response.body", "body": b""})

    async def _create(self, asked: "_Asked") -> None:
        check_encoding(asked.headers)
        order = read_order(await read_body(asked.receive, MAX_ORDER))
        caller = caller_of(asked.key, asked.headers, "")
        await asked.answer(batch_object(await self._batches.create(order, asked.key, caller)))

    async def _list(self, asked: "_Asked") -> None:
        page = read_page(asked.scope["query_string"], "batches")
        found = await self._batches.batches(asked.owner, page._replace(limit=page.limit + 1))
        await asked.answer(list_object([batch_object(batch) for batch in found], page.limit))

    async def _batch(self, asked: "_Asked") -> None:
        await asked.answer(batch_object(await self._batches.batch(asked.id, asked.owner)))

    async def _cancel(self, asked: "_Asked") -> None:
        await asked.answer(batch_object(await self._batches.cancel(asked.id, asked.owner)))


class _Asked:
    """One request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, headers: dict[str, str], key: Key, id: str) -> None:
        self.scope = scope
        self.receive = receive
        self.send = send
        self.headers = headers
        self.key = key
        self.owner = owner_of(key)
        self.id = id

    async def answer(self, body: dict[str, Any]) -> None:
        """As JSON."""
        await respond(self.send, 200, msgspec.json.encode(body), [JSON])


async def _receive(receive: Receive, path: Path, limit: int) -> None:
    """Put a body on disk as it comes. Raises `BodyTooLarge`, `ClientClosed` and `StorageError`."""
    size = 0
    with explained(path), _created(path) as file:
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
            file.write(piece)
            if not message.get("more_body"):
                return


def _created(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
