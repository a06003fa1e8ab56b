"""OpenAI's batch API: files of requests, run within a day at a lower price.

Source: https://platform.openai.com/docs/api-reference/batch. Implements `moat.ports.batches.BatchApi`.
"""

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any
from urllib.parse import quote

import msgspec

from moat.adapters.providers.batch_http import BatchHttp
from moat.adapters.providers.openai_errors import body_message, error_for
from moat.adapters.providers.openai_operations import PATHS, read_answer
from moat.adapters.providers.openai_stream import chat_answer
from moat.adapters.providers.openai_wire import error_message
from moat.domain.batches import Submission
from moat.domain.calls import Call, Event, Operation
from moat.domain.errors import ProviderError
from moat.ports.batches import BatchResult, ProviderBatch

OPERATIONS: tuple[Operation, ...] = ("chat", "completions", "embeddings", "moderations")
"""Those that OpenAI runs in batches; what clients ask in the format of responses is asked of it as chat."""
MOST_LINES = 50_000
MARK = "moat_batch"
"""Name of the mark in a batch's metadata."""
PAGE = 100
"""Batches that are listed at once."""
SKEW = 3600
"""Seconds by which the provider's clock may differ from ours."""

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
    created_at: float = 0


class _Batches(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False


class _File(msgspec.Struct):
    id: str


class OpenAIBatches:
    """The batches of one server."""

    def __init__(self, http: BatchHttp, base: str, body_of: Callable[[Call], bytes]) -> None:
        """`body_of` is a call as the server takes it."""
        self._http = http
        self._base = base
        self._body_of = body_of

    @property
    def most_lines(self) -> int:
        """See `BatchApi`."""
        return MOST_LINES

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
        kind = (("content-type", f"multipart/form-data; boundary={boundary}"),)
        file = await self._http.ask("POST", f"{self._base}/files", _File, form, own=kind)
        order = {
            "input_file_id": file.id,
            "endpoint": _url(call),
            "completion_window": "24h",
            "metadata": {MARK: mark},
        }
        return (await self._http.ask("POST", f"{self._base}/batches", _Batch, msgspec.json.encode(order))).id

    async def find(self, mark: str, submission: Submission) -> str:
        """See `BatchApi`: newest first, back to when it was submitted."""
        page = await self._http.ask("GET", f"{self._base}/batches?limit={PAGE}", _Batches)
        while True:
            for batch in page.data:
                if (batch.metadata or {}).get(MARK) == mark:
                    return batch.id
            last = page.data[-1] if page.data else None
            if last is None or not page.has_more or last.created_at < submission.began_ns / 1e9 - SKEW:
                return ""
            url = f"{self._base}/batches?limit={PAGE}&after={quote(last.id, safe='')}"
            page = await self._http.ask("GET", url, _Batches)

    async def look(self, id: str) -> ProviderBatch:
        """See `BatchApi`."""
        batch = await self._http.ask("GET", f"{self._base}/batches/{quote(id, safe='')}", _Batch)
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
            url = f"{self._base}/files/{quote(file, safe='')}/content"
            async with aclosing(self._http.objects(url, _Result)) as found:
                async for result in found:
                    yield _read(result)

    def read(self, call: Call, result: BatchResult) -> tuple[Event, ...]:
        """See `BatchApi`."""
        where = self._http.where
        if result.status != 200:
            raise self._http.masked(error_for(result.status, {}, body_message(result.body), where=where))
        if call.operation == "chat":
            return chat_answer(call, result.body, where=where)
        return read_answer(call, result.body, "application/json", where=where)

    async def cancel(self, id: str) -> None:
        """See `BatchApi`. One that has ended is left as it is."""
        try:
            await self._http.ask("POST", f"{self._base}/batches/{quote(id, safe='')}/cancel", _Batch)
        except ProviderError as error:
            if error.status not in (400, 409):
                raise


def _read(found: _Result) -> BatchResult:
    if found.response is None or not found.response.status_code:
        return BatchResult(name=found.custom_id, status=0, body=b"", message=error_message(found.error or ""))
    return BatchResult(name=found.custom_id, status=found.response.status_code, body=bytes(found.response.body))


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
