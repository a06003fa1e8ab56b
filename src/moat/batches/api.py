"""`/v1/files` and `/v1/batches`, as OpenAI has them: its official SDKs work with them."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from moat.batches.files import explained
from moat.batches.requests import read_order, read_page
from moat.batches.service import Batches, owner_of
from moat.batches.shapes import batch_object, file_object, list_object
from moat.batches.uploading import Upload, receive_upload
from moat.domain.batches import Owner
from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound
from moat.domain.keys import Key
from moat.gateway import idempotency
from moat.gateway.admission import authenticate, caller_of, check_encoding, read_headers
from moat.gateway.formats.openai_chat import error_body
from moat.gateway.http import JSON, Receive, Scope, Send, error_headers, read_body, respond
from moat.gateway.serving import Live

MAX_ORDER = 256 * 1024
"""Bytes of a request that makes a batch."""
PIECE = 256 * 1024
"""Bytes of a file that are sent at once."""

_ID = re.compile(r"/v1/(?:files|batches)/([\w-]{1,100})(/\w+)?", re.ASCII)


class BatchApi:
    """The ASGI application behind these paths. Errors are raised: the gateway answers them."""

    def __init__(self, live: Live, batches: Batches) -> None:
        self._live = live
        self._batches = batches
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
        environment = caller_of(asked.key, asked.headers, "").environment
        limit = round(self._batches.config.max_file_mb * 2**20)
        arriving = self._batches.shelf.arriving()
        try:
            upload = await receive_upload(asked.receive, asked.headers.get("content-type", ""), arriving, limit)

            async def store() -> dict[str, Any]:
                return await asyncio.to_thread(self._store, arriving, upload, Owner(asked.owner.name, environment))

            fixed = (upload.filename, str(upload.keep_ns), environment)
            await self._once(asked, store, upload.digest, *(text.encode() for text in fixed))
        finally:
            with explained(arriving):
                arriving.unlink(missing_ok=True)

    def _store(self, arrived: Path, upload: Upload, owner: Owner) -> dict[str, Any]:
        """In a thread: the bytes first, so that a file which is known is there."""
        file = self._batches.new_file(owner, "batch", upload.filename, upload.size, upload.keep_ns)
        try:
            self._batches.shelf.keep(file.id, arrived)
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
        await self._batches.remove(asked.id, asked.owner, asked.key.actor)
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
        body = await read_body(asked.receive, MAX_ORDER)
        order, caller = read_order(body), caller_of(asked.key, asked.headers, "")

        async def create() -> dict[str, Any]:
            return batch_object(await self._batches.create(order, asked.key, caller))

        await self._once(asked, create, body, caller.environment.encode())

    async def _once(self, asked: "_Asked", make: Callable[[], Awaitable[dict[str, Any]]], *parts: bytes) -> None:
        """Make something and answer with it; with an idempotency key once for all who ask, as `parts` say, the same."""
        key = asked.headers.get("idempotency-key")
        if key is None:
            await asked.answer(await make())
            return
        once = idempotency.asked(asked.key.id, key, asked.scope["path"].encode(), *parts)

        async def answer(send: Send) -> bool:
            try:
                body = msgspec.json.encode(await make())
            except MoatError as error:
                await respond(send, error.status, error_body(error), error_headers(error, new_id("req")))
                return False
            await respond(send, 200, body, [JSON])
            return True

        await self._live.answers.answer(once, answer, asked.send)

    async def _list(self, asked: "_Asked") -> None:
        page = read_page(asked.scope["query_string"], "batches")
        found = await self._batches.batches(asked.owner, page._replace(limit=page.limit + 1))
        await asked.answer(list_object([batch_object(batch) for batch in found], page.limit))

    async def _batch(self, asked: "_Asked") -> None:
        await asked.answer(batch_object(await self._batches.batch(asked.id, asked.owner)))

    async def _cancel(self, asked: "_Asked") -> None:
        await asked.answer(batch_object(await self._batches.cancel(asked.id, asked.owner, asked.key.actor)))


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
