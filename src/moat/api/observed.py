"""What calls tell together: scores, feedback, sessions, users, whole traces; and how much the store holds."""

from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from moat.api.endpoint import JSON_LINES, VIEWERS, Endpoint
from moat.api.records import FILTER, dimensions, limit_of, own_spans, step_of, wanted
from moat.api.services import Services
from moat.domain.errors import MoatError, RequestError
from moat.domain.feedback import Feedback
from moat.domain.spans import Span
from moat.ports.traces import Kept, Scores, Visit

_encoder = msgspec.json.Encoder()


class End(msgspec.Struct, frozen=True):
    """Last line of an export: without it, something is missing."""

    spans: int
    """Lines before this one."""
    error: str = ""
    """Why it ends here; empty when it is whole."""


def get_scores(request: Request, services: Services) -> list[Scores]:
    """What people and scorers said of calls, by any dimensions, by name."""
    return services.traces.scores(dimensions(request), wanted(request, services), step_of(request))


def list_sessions(request: Request, services: Services) -> list[Visit]:
    """Sessions, the last active first, as their matching calls show them."""
    return services.traces.sessions(wanted(request, services), limit_of(request))


def list_users(request: Request, services: Services) -> list[Visit]:
    """Users, the last active first, as their matching calls show them."""
    return services.traces.users(wanted(request, services), limit_of(request))


def get_feedback(request: Request, services: Services) -> list[Feedback]:
    """What was said of one trace or request, oldest first."""
    asked = request.query_params.get("trace", "")
    if not asked:
        raise RequestError("a trace id or request id is missing", where="trace")
    spans = own_spans(request, services, asked)
    found = services.traces.feedback(asked)
    key = request.state.key
    if not key.tenant and not key.environment:
        return found
    own = {span.request_id for span in spans}
    return [one for one in found if not one.request_id or one.request_id in own]


def get_kept(request: Request, services: Services) -> Kept:
    """How much the trace store holds."""
    return services.traces.kept()


def export_traces(request: Request, services: Services) -> Response:
    """Whole traces that have a matching call, one span a line, oldest first; then a line with their number."""
    pages = services.traces.pages(wanted(request, services), limit_of(request))
    first = next(pages, [])  # so that a filter that is none is an answer of its own
    key = request.state.key

    def lines() -> Iterator[bytes]:
        sent = 0
        try:
            page = first
            while page:
                own = [s for s in page if key.tenant in ("", s.tenant) and key.environment in ("", s.environment)]
                sent += len(own)
                yield _encoder.encode_lines(own)
                page = next(pages, [])
        except MoatError as error:
            yield _encoder.encode(End(sent, str(error))) + b"\n"
            return
        yield _encoder.encode(End(sent)) + b"\n"

    return StreamingResponse(lines(), media_type=JSON_LINES)


_BOUND: dict[str, Any] = {"honours": ("environment", "tenant")}

ENDPOINTS = (
    Endpoint(*("GET", "/api/v1/scores", VIEWERS, get_scores, list[Scores]), query=(*FILTER, "by", "step_ns"), **_BOUND),
    Endpoint("GET", "/api/v1/sessions", VIEWERS, list_sessions, list[Visit], query=(*FILTER, "limit"), **_BOUND),
    Endpoint("GET", "/api/v1/users", VIEWERS, list_users, list[Visit], query=(*FILTER, "limit"), **_BOUND),
    Endpoint(
        *("GET", "/api/v1/feedback", VIEWERS, get_feedback, list[Feedback]),
        query=("trace",),
        needs=("trace",),
        **_BOUND,
    ),
    Endpoint(*("GET", "/api/v1/export", VIEWERS, export_traces, Span), query=(*FILTER, "limit"), ends=End, **_BOUND),
    Endpoint("GET", "/api/v1/kept", VIEWERS, get_kept, Kept),
)
