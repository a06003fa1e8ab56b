"""What calls tell together: scores, feedback, sessions, users, whole traces; and how much the store holds."""

from collections.abc import Iterator
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from moat.api.endpoint import JSON_LINES, VIEWERS, Endpoint
from moat.api.records import FILTER, dimensions, limit_of, offset_of, own_spans, step_of, wanted
from moat.api.services import Services
from moat.domain.audit import Act
from moat.domain.errors import MoatError, RequestError
from moat.domain.feedback import Feedback
from moat.domain.keys import LOCAL_KEY, Key
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
    by, asked = dimensions(request), wanted(request, services)
    return services.traces.scores(by, asked, step_of(request), offset_of(request))


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
    key: Key = request.state.key
    if not key.tenant and not key.environment:
        return services.traces.feedback(asked)
    own_spans(request, services, asked)
    found = services.traces.feedback(asked)
    spans = services.traces.trace(asked)
    return [one for one in found if _is_own(one, spans, key)]


def _is_own(said: Feedback, spans: list[Span], key: Key) -> bool:
    """Is it of one of the key's calls? One of a whole trace is of its first call; where applications alone have
    reported the trace, of all of them, since they say themselves when a span was.
    """
    calls = [span for span in spans if span.kind != "app"]
    if calls:
        about = [span for span in calls if said.request_id in ("", span.request_id)]
    else:
        about = spans if not said.request_id else []
    about = [s for s in about if said.tenant in ("", s.tenant) and said.environment in ("", s.environment)]
    if calls and not said.request_id:
        about = about[:1]
    own = [s for s in about if key.tenant in ("", s.tenant) and key.environment in ("", s.environment)]
    return bool(own) and len(own) == len(about)


def get_kept(request: Request, services: Services) -> Kept:
    """How much the trace store holds."""
    return services.traces.kept()


def export_traces(request: Request, services: Services) -> Response:
    """Whole traces that have a matching call, one span a line, oldest first; then a line with their number."""
    pages = services.traces.pages(wanted(request, services), limit_of(request))
    first = next(pages, [])  # so that a filter that is none is an answer of its own
    key: Key = request.state.key
    if key.id != LOCAL_KEY:  # commands write their entries themselves
        asked = {name: value for name, value in request.query_params.items() if name in FILTER}
        services.audit.record(Act(key.actor, "traces.export", "traces", detail=asked))

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
    Endpoint(
        *("GET", "/api/v1/scores", VIEWERS, get_scores, list[Scores]),
        query=(*FILTER, "by", "step_ns", "offset_ns"),
        **_BOUND,
    ),
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
