"""The trace store of a running server, over its management API."""

import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from moat.adapters.remote.direct import DIRECT
from moat.domain.calls import Deployment
from moat.domain.errors import AccessError, RequestError, Unavailable
from moat.domain.feedback import Feedback, Source
from moat.domain.spans import Span
from moat.ports.calls import TracePart, in_order
from moat.ports.traces import Dimension, Kept, Repricing, Scores, Spend, TraceFilter, Usages, Visit

T = TypeVar("T")

REPRICE_SECONDS = 1800.0
"""It goes through the whole history."""


MAX_PAGE = 1000
"""Spans that the server reads at once."""


class _End(msgspec.Struct, frozen=True):
    """Last line of an export."""

    spans: int
    error: str = ""


_END = b'{"spans":'
_decoder = msgspec.json.Decoder(Span)


class RemoteTraces:
    """Implements `moat.ports.traces.TraceReader`."""

    def __init__(self, url: str, token: str, *, timeout: float = 30.0) -> None:
        self._url = url
        self._token = token
        self._timeout = timeout

    def search(self, wanted: TraceFilter, limit: int = 50) -> list[Span]:
        """Calls, newest first."""
        return self._get("/api/v1/traces", {**_fields(wanted), "limit": limit}, list[Span])

    def trace(self, trace_or_request_id: str) -> list[Span]:
        """One trace with its content."""
        if not trace_or_request_id:
            return []
        spans, path = list[Span](), f"/api/v1/traces/{quote(trace_or_request_id, safe='')}"
        while True:
            part = self._get(path, {"offset": len(spans)}, TracePart)
            spans += part.spans
            if not part.spans or len(spans) >= part.count:
                return sorted(spans, key=in_order)

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        """Totals by dimensions."""
        return self._get("/api/v1/usage", {**_fields(wanted), "by": ",".join(by)}, list[Usages])

    def series(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int = 0, timezone: str = ""
    ) -> list[Usages]:
        """Totals by dimensions and time."""
        return self._get("/api/v1/usage", _divided(by, wanted, step_ns, offset_ns, timezone), list[Usages])

    def scores(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0
    ) -> list[Scores]:
        """What was said, by dimensions and time."""
        return self._get("/api/v1/scores", _divided(by, wanted, step_ns, offset_ns), list[Scores])

    def feedback(self, trace_or_request_id: str) -> list[Feedback]:
        """What was said of one trace."""
        if not trace_or_request_id:
            return []
        return self._get("/api/v1/feedback", {"trace": trace_or_request_id}, list[Feedback])

    def opinions(self, wanted: TraceFilter, limit: int = 50, source: Source | None = None) -> list[Feedback]:
        """What was said, the newest first."""
        query = {**_fields(wanted), "limit": limit, **({"said_by": source} if source else {})}
        return self._get("/api/v1/opinions", query, list[Feedback])

    def sessions(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """Sessions, the last active first."""
        return self._get("/api/v1/sessions", {**_fields(wanted), "limit": limit}, list[Visit])

    def users(self, wanted: TraceFilter, limit: int = 50) -> list[Visit]:
        """Users, the last active first."""
        return self._get("/api/v1/users", {**_fields(wanted), "limit": limit}, list[Visit])

    def pages(self, wanted: TraceFilter, size: int = 1000) -> Iterator[list[Span]]:
        """Whole traces, as the server sends them."""
        query = urlencode({**_fields(wanted), "limit": min(size, MAX_PAGE)})
        with self._open(f"/api/v1/export?{query}") as response:
            yield from _pages(response, size, self._url)

    def kept(self) -> Kept:
        """How much there is."""
        return self._get("/api/v1/kept", {}, Kept)

    def spending(
        self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0, offset_ns: int = 0, timezone: str = ""
    ) -> list[Spend]:
        """What attempts cost."""
        return self._get("/api/v1/spend", _divided(by, wanted, step_ns, offset_ns, timezone), list[Spend])

    def deployments(self, wanted: TraceFilter) -> list[tuple[str, Deployment]]:
        """Where attempts were made."""
        return self._get("/api/v1/spend/deployments", _fields(wanted), list[tuple[str, Deployment]])

    def repricings(self, limit: int = 50) -> list[Repricing]:
        """The newest re-pricings."""
        return self._get("/api/v1/spend/repricings", {"limit": limit}, list[Repricing])

    def reprice(self, order: dict[str, Any]) -> Repricing:
        """Price attempts anew with the server's own prices; `order` is the body of `POST /api/v1/spend/reprice`."""
        return self.post("/api/v1/spend/reprice", order, Repricing, REPRICE_SECONDS)

    def post(self, path: str, content: dict[str, Any], kind: type[T], timeout: float | None = None) -> T:
        """Ask the server to do something."""
        return self._ask(path, kind, msgspec.json.encode(content), timeout)

    def _get(self, path: str, query: dict[str, Any], kind: type[T]) -> T:
        return self._ask(f"{path}?{urlencode(query)}", kind)

    def _ask(self, path: str, kind: type[T], body: bytes | None = None, timeout: float | None = None) -> T:
        with self._open(path, body, timeout) as response:
            return msgspec.json.decode(response.read(), type=kind)

    @contextmanager
    def _open(self, path: str, body: bytes | None = None, timeout: float | None = None) -> Iterator[HTTPResponse]:
        """The answer, while it is read. Raises what the server says of it, `Unavailable` when it does not."""
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data=body, headers=headers)
        try:
            with DIRECT.open(request, timeout=timeout or self._timeout) as response:
                yield response
        except urllib.error.HTTPError as error:
            with error:
                message = _message(error.read())
            raise (AccessError if error.code in (401, 403) else RequestError)(message, where=self._url) from None
        except (OSError, HTTPException) as error:
            raise Unavailable(f"the server does not answer: {error}", where=self._url) from None


def _pages(response: HTTPResponse, size: int, where: str) -> Iterator[list[Span]]:
    """Spans by their lines, whole traces together. Raises `Unavailable` when the end is missing."""
    page, why = list[Span](), "the connection ended"
    for read, line in enumerate(response):
        if line.startswith(_END):
            end = msgspec.json.decode(line, type=_End)
            if end.spans == read and not end.error:
                if page:
                    yield page
                return
            why = end.error or why
            break
        span = _decoder.decode(line)
        if len(page) >= size and span.trace_id != page[-1].trace_id:
            yield page
            page = []
        page.append(span)
    raise Unavailable(f"the export is not whole: {why}", where=where, remedy="Do it again.")


def _divided(
    by: Sequence[Dimension], wanted: TraceFilter, step_ns: int, offset_ns: int, timezone: str = ""
) -> dict[str, Any]:
    """The query of an answer by dimensions and time."""
    slots = {"step_ns": step_ns, "offset_ns": offset_ns, **({"timezone": timezone} if timezone else {})}
    return {**_fields(wanted), "by": ",".join(by), **slots}


def _fields(wanted: TraceFilter) -> dict[str, Any]:
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in msgspec.structs.asdict(wanted).items()
        if value not in ("", 0) or value is False
        if value is not None
    }


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["error"]["message"])
    except (msgspec.DecodeError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")
