"""The trace store of a running server, over its management API."""

import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec

from moat.adapters.remote.direct import DIRECT
from moat.domain.calls import Deployment
from moat.domain.errors import AccessError, RequestError, Unavailable
from moat.domain.spans import Span
from moat.ports.traces import Dimension, Repricing, Spend, TraceFilter, Usages

T = TypeVar("T")

REPRICE_SECONDS = 1800.0
"""It goes through the whole history."""


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
        return self._get(f"/api/v1/traces/{quote(trace_or_request_id, safe='')}", {}, list[Span])

    def usages(self, by: Sequence[Dimension], wanted: TraceFilter) -> list[Usages]:
        """Totals by dimensions."""
        return self._get("/api/v1/usage", {**_fields(wanted), "by": ",".join(by)}, list[Usages])

    def spending(self, by: Sequence[Dimension], wanted: TraceFilter, step_ns: int = 0) -> list[Spend]:
        """What attempts cost."""
        query = {**_fields(wanted), "by": ",".join(by), "step_ns": step_ns}
        return self._get("/api/v1/spend", query, list[Spend])

    def deployments(self, wanted: TraceFilter) -> list[tuple[str, Deployment]]:
        """Where attempts were made."""
        return self._get("/api/v1/spend/deployments", _fields(wanted), list[tuple[str, Deployment]])

    def repricings(self, limit: int = 50) -> list[Repricing]:
        """The newest re-pricings."""
        return self._get("/api/v1/spend/repricings", {"limit": limit}, list[Repricing])

    def reprice(self, order: dict[str, Any]) -> Repricing:
        """Price attempts anew with the server's own prices; `order` is the body of `POST /api/v1/spend/reprice`."""
        return self._ask("/api/v1/spend/reprice", Repricing, msgspec.json.encode(order), REPRICE_SECONDS)

    def _get(self, path: str, query: dict[str, Any], kind: type[T]) -> T:
        return self._ask(f"{path}?{urlencode(query)}", kind)

    def _ask(self, path: str, kind: type[T], body: bytes | None = None, timeout: float | None = None) -> T:
        headers = {"authorization": f"Bearer {self._token}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self._url}{path}", data=body, headers=headers)
        try:
            with DIRECT.open(request, timeout=timeout or self._timeout) as response:
                return msgspec.json.decode(response.read(), type=kind)
        except urllib.error.HTTPError as error:
            with error:
                message = _message(error.read())
            raise (AccessError if error.code in (401, 403) else RequestError)(message, where=self._url) from None
        except OSError as error:
            raise Unavailable(f"the server does not answer: {error}", where=self._url) from None


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
