"""OpenAI's batch API: files of requests, run within a day at a lower price.

Source: https://platform.openai.com/docs/api-reference/batch. Implements `moat.ports.batches.BatchApi`.
"""

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from moat.adapters.providers.exchange import ERROR_SECONDS, MAX_BODY_BYTES, MAX_ERROR_BYTES, ProviderTimeouts
from moat.adapters.providers.http1 import Headers, HttpClient, Response, Timeouts
from moat.adapters.providers.openai_errors import body_message, error_for
from moat.adapters.providers.openai_operations import PATHS, read_answer
from moat.adapters.providers.openai_stream import chat_answer
from moat.adapters.providers.openai_wire import error_message
from moat.domain.calls import Call, Event, Operation
from moat.domain.errors import ProviderDown, ProviderError
from moat.ports.batches import BatchResult, ProviderBatch

T = TypeVar("T")

OPERATIONS: tuple[Operation, ...] = ("chat", "completions", "embeddings", "moderations")
"""Those that OpenAI runs in batches; what clients ask in the format of responses is asked of it as chat."""
MARK = "moat_batch"
"""Name of the mark in a batch's metadata."""
LATELY = 100
"""Batches among which one is looked for."""

_STATES = {"completed": "completed", "failed": "failed", "expired": "expired", "cancelled": "cancelled"}


class _Response(msgspec.Struct):
    status_code: int = 0
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Result(msgspec.Struct):
    custom_id: str
    response: _Response | None = None
    error: Any = None


class _Errors(msgspec.Struct):
    data: list[dict[str, Any]] | None = None


class _Batch(msgspec.Struct):
    id: str
    status: str = ""
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Errors | None = None
    metadata: dict[str, Any] | None = None


class _Batches(msgspec.Struct):
    data: list[_Batch]


class _File(msgspec.Struct):
    id: str


class OpenAIBatches:
    """The batches of one server."""

    def __init__(
        self,
        client: HttpClient,
        base: str,
        headers: Headers,
        timeouts: ProviderTimeouts,
        *,
        body_of: Callable[[Call], bytes],
        masked: Callable[[ProviderError], ProviderError],
    ) -> None:
        """`body_of` is a call as the server takes it; `masked` takes secrets out of an error."""
        self._client = client
        self._base = base
        self._headers = headers
        self._timeouts = Timeouts(connect=timeouts.connect, first_byte=timeouts.first_token, idle=timeouts.idle)
        self._body_of = body_of
        self._masked = masked

    def takes(self, operation: Operation) -> bool:
        """See `BatchApi`."""
        return operation in OPERATIONS

    def line(self, call: Call, name: str) -> bytes:
        """See `BatchApi`."""
        body = msgspec.Raw(self._body_of(call))
        return msgspec.json.encode({"custom_id": name, "method": "POST", "url": _url(call), "body": body})

    async def submit(self, call: Call, lines: bytes, mark: str) -> str:
        """See `BatchApi`: uploads the file, then makes the batch."""
        boundary = secrets.token_hex(16)
        form = _form(boundary, lines, f"{mark}.jsonl")
        file = await self._ask("POST", "/files", _File, form, f"multipart/form-data; boundary={boundary}")
        order = {
            "input_file_id": file.id,
            "endpoint": _url(call),
            "completion_window": "24h",
            "metadata": {MARK: mark},
        }
        return (await self._ask("POST", "/batches", _Batch, msgspec.json.encode(order))).id

    async def find(self, mark: str) -> str:
        """See `BatchApi`."""
        found = await self._ask("GET", f"/batches?limit={LATELY}", _Batches)
        return next((batch.id for batch in found.data if (batch.metadata or {}).get(MARK) == mark), "")

    async def look(self, id: str) -> ProviderBatch:
        """See `BatchApi`."""
        batch = await self._ask("GET", f"/batches/{quote(id, safe='')}", _Batch)
        problems = (batch.errors.data if batch.errors else None) or []
        return ProviderBatch(
            id=batch.id,
            status=_STATES.get(batch.status, "running"),  # type: ignore[arg-type]  # the values are the literals
            files=tuple(file for file in (batch.output_file_id, batch.error_file_id) if file),
            message=error_message(problems[0]) if problems else "",
        )

    async def results(self, batch: ProviderBatch) -> AsyncGenerator[BatchResult, None]:
        """See `BatchApi`."""
        for file in batch.files:
            rest = b""
            async with self._asking("GET", f"/files/{quote(file, safe='')}/content") as response:
                async for chunk in response:
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield self._result(line)
            if rest.strip():
                yield self._result(rest)

    def read(self, call: Call, result: BatchResult) -> tuple[Event, ...]:
        """See `BatchApi`."""
        where = self._client.where
        if result.status != 200:
            raise self._masked(error_for(result.status, {}, body_message(result.body), where=where))
        if call.operation == "chat":
            return chat_answer(call, result.body, where=where)
        return read_answer(call, result.body, "application/json", where=where)

    async def cancel(self, id: str) -> None:
        """See `BatchApi`. One that has ended is left as it is."""
        try:
            await self._ask("POST", f"/batches/{quote(id, safe='')}/cancel", _Batch)
        except ProviderError as error:
            if error.status not in (400, 409):
                raise

    def _result(self, line: bytes) -> BatchResult:
        found = self._read(line, _Result)
        if found.response is None or not found.response.status_code:
            return BatchResult(name=found.custom_id, status=0, body=b"", message=error_message(found.error or ""))
        return BatchResult(name=found.custom_id, status=found.response.status_code, body=bytes(found.response.body))

    async def _ask(self, method: str, path: str, type: type[T], body: bytes = b"", kind: str = "") -> T:
        async with self._asking(method, path, body, kind) as response:
            return self._read(await response.read(MAX_BODY_BYTES), type)

    @asynccontextmanager
    async def _asking(
        self, method: str, path: str, body: bytes = b"", kind: str = "application/json"
    ) -> AsyncGenerator[Response, None]:
        """A request that is answered with 200. Raises `ProviderError`, without secrets."""
        headers = tuple((name, value) for name, value in self._headers if name != "content-type")
        if body:
            headers += (("content-type", kind or "application/json"),)
        try:
            request = self._client.request(method, self._base + path, headers, body, self._timeouts)
            async with request as response:
                if response.status != 200:
                    response.allow(ERROR_SECONDS)
                    message = body_message(await response.read(MAX_ERROR_BYTES))
                    raise error_for(response.status, dict(response.headers), message, where=self._client.where)
                yield response
        except ProviderError as error:
            raise self._masked(error) from None

    def _read(self, data: bytes, type: type[T]) -> T:
        try:
            return msgspec.json.decode(data, type=type)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderDown(f"sent something unreadable of a batch: {error}", where=self._client.where) from None


def _url(call: Call) -> str:
    return f"/v1{PATHS[call.operation]}"


def _form(boundary: str, lines: bytes, name: str) -> bytes:
    mark = f"--{boundary}"
    head = (
        f'{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        f'{mark}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/jsonl\r\n\r\n"
    )
    return head.encode() + lines + f"\r\n{mark}--\r\n".encode()
