"""Anthropic's Message Batches: requests that are run within a day at a lower price.

Source: https://docs.claude.com/en/api/creating-message-batches and its neighbours. Implements
`moat.ports.batches.BatchApi`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from moat.adapters.providers.anthropic_answer import STATUSES, error_in_body, whole
from moat.adapters.providers.anthropic_request import OWN, Style, ask
from moat.adapters.providers.batch_http import BatchHttp
from moat.domain.batches import Submission
from moat.domain.calls import Call, Event, Operation
from moat.domain.errors import ProviderDown, ProviderError, Unsupported
from moat.ports.batches import BatchResult, ProviderBatch

MOST_LINES = 100_000
PAGE = 100
"""Batches that are listed at once."""
SKEW = 300
"""Seconds by which the provider's clock may differ from ours."""
CANCELED = "the batch was cancelled at its provider before this line was run"

_encode = msgspec.json.Encoder().encode


class _Line(msgspec.Struct):
    """A request as it waits to be submitted."""

    custom_id: str
    params: msgspec.Raw
    betas: Sequence[str] = ()
    """For the headers: they hold for the batch as a whole."""


class _Request(msgspec.Struct):
    custom_id: str
    params: msgspec.Raw


class _Counts(msgspec.Struct):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


class _Batch(msgspec.Struct):
    id: str
    processing_status: str
    request_counts: _Counts = msgspec.field(default_factory=_Counts)
    created_at: datetime | None = None
    cancel_initiated_at: str | None = None
    results_url: str | None = None


class _Batches(msgspec.Struct):
    data: list[_Batch]
    has_more: bool = False


class _Outcome(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"")
    error: Any = None


class _Result(msgspec.Struct):
    custom_id: str
    result: _Outcome


_line = msgspec.json.Decoder(_Line).decode


class AnthropicBatches:
    """The batches of one server."""

    def __init__(self, http: BatchHttp, url: str, style: Style, *, version: str, betas: Sequence[str]) -> None:
        """`url`: of messages. `version` and `betas` are what the provider's headers say."""
        self._http = http
        self._url = f"{url}/batches"
        self._style = style
        self._version = version
        self._betas = tuple(betas)

    @property
    def most_lines(self) -> int:
        """See `BatchApi`."""
        return MOST_LINES

    def takes(self, operation: Operation) -> bool:
        """See `BatchApi`."""
        return operation == "chat"

    def line(self, call: Call, name: str) -> bytes:
        """See `BatchApi`."""
        asked = ask(call, self._style)
        if asked.version not in ("", self._version):
            raise Unsupported("lines of a batch cannot choose a version", where=f"{OWN}.anthropic_version")
        return _encode(_Line(name, msgspec.Raw(_encode(asked.body)), asked.betas))

    async def submit(self, call: Call, lines: bytes, mark: str) -> str:
        """See `BatchApi`."""
        # In a thread: there may be a great many.
        order, betas = await asyncio.to_thread(_order, lines)
        named = dict.fromkeys((*self._betas, *betas))
        own = (("anthropic-beta", ",".join(named)),) if named else ()
        return (await self._http.ask("POST", self._url, _Batch, order, own=own)).id

    async def find(self, mark: str, submission: Submission) -> str:
        """See `BatchApi`.

        A batch carries no mark of ours but in the names of its lines, and those are told with its results: as long as
        one that may be it is under way, nobody knows.
        """
        under_way = ""
        async with aclosing(self._since(submission.began_ns / 1e9 - SKEW)) as batches:
            async for batch in batches:
                if sum(msgspec.structs.astuple(batch.request_counts)) != submission.lines:
                    continue
                if batch.processing_status != "ended":
                    under_way = batch.id
                elif (await self._first_name(batch)).startswith(mark):
                    return batch.id
        if under_way:
            what = f"runs {under_way}, which may be this batch: until it has ended no other is submitted"
            raise ProviderDown(what, where=self._http.where)
        return ""

    async def look(self, id: str) -> ProviderBatch:
        """See `BatchApi`."""
        batch = await self._http.ask("GET", self._at(id), _Batch)
        if batch.processing_status != "ended":
            return ProviderBatch(id=batch.id, status="running")
        cancelled, expired = batch.cancel_initiated_at is not None, batch.request_counts.expired > 0
        status = "cancelled" if cancelled else "expired" if expired else "completed"
        return ProviderBatch(id=batch.id, status=status, files=(self._results_url(batch),))  # type: ignore[arg-type]

    async def results(self, batch: ProviderBatch) -> AsyncGenerator[BatchResult, None]:
        """See `BatchApi`."""
        for url in batch.files:
            async with aclosing(self._http.objects(url, _Result)) as found:
                async for result in found:
                    yield _read(result)

    def read(self, call: Call, result: BatchResult) -> tuple[Event, ...]:
        """See `BatchApi`."""
        where = self._http.where
        if result.status != 200:
            raise self._http.masked(error_in_body(msgspec.json.decode(result.body), where=where))
        try:
            answer_tool = ask(call, self._style).answer_tool
        except ProviderError:  # a call that has lost its prompt since it was submitted
            answer_tool = ""
        return tuple(whole(call, result.body, answer_tool, where=where))

    async def cancel(self, id: str) -> None:
        """See `BatchApi`. One that has ended is left as it is."""
        try:
            await self._http.ask("POST", f"{self._at(id)}/cancel", _Batch)
        except ProviderError as error:
            if error.status not in (400, 409):
                raise

    async def _since(self, moment: float) -> AsyncGenerator[_Batch, None]:
        """Batches made after a moment (Unix seconds), newest first."""
        url = f"{self._url}?limit={PAGE}"
        page = await self._http.ask("GET", url, _Batches)
        while True:
            for batch in page.data:
                if batch.created_at is not None and batch.created_at.timestamp() < moment:
                    return
                yield batch
            if not page.has_more or not page.data:
                return
            page = await self._http.ask("GET", f"{url}&after_id={quote(page.data[-1].id, safe='')}", _Batches)

    async def _first_name(self, batch: _Batch) -> str:
        async with aclosing(self._http.objects(self._results_url(batch), _Result)) as results:
            async for result in results:
                return result.custom_id
        return ""

    def _at(self, id: str) -> str:
        return f"{self._url}/{quote(id, safe='')}"

    def _results_url(self, batch: _Batch) -> str:
        """Where the API says, unless that is elsewhere: our key goes to no other host."""
        said = batch.results_url or ""
        there = urlsplit(said)[:2] == urlsplit(self._url)[:2]
        return said if there else f"{self._at(batch.id)}/results"


def _order(lines: bytes) -> tuple[bytes, list[str]]:
    """The body that makes a batch, and the betas that its lines name."""
    requests, betas = list[_Request](), dict[str, None]()
    for raw in lines.splitlines():
        line = _line(raw)
        requests.append(_Request(line.custom_id, line.params))
        betas |= dict.fromkeys(line.betas)
    return _encode({"requests": requests}), list(betas)


def _read(found: _Result) -> BatchResult:
    outcome = found.result
    if outcome.type == "succeeded":
        return BatchResult(name=found.custom_id, status=200, body=bytes(outcome.message))
    if outcome.type == "errored":
        said = outcome.error if isinstance(outcome.error, dict) else {}
        error = said["error"] if isinstance(said.get("error"), dict) else said
        status = STATUSES.get(str(error.get("type")), 500)
        return BatchResult(name=found.custom_id, status=status, body=_encode(error))
    return BatchResult(name=found.custom_id, status=0, body=b"", message=CANCELED if outcome.type == "canceled" else "")
