"""What happened: traces, usage; and what the server is doing now."""

from typing import get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ENGINEERS, VIEWERS, Endpoint, json_response
from moat.api.services import Services
from moat.api.waiting import refreshed
from moat.domain.errors import ConfigError, NotFound, RequestError
from moat.domain.keys import Key
from moat.domain.spans import Span
from moat.domain.windows import zone
from moat.ports.calls import TracePart
from moat.ports.releases import SyncReport
from moat.ports.traces import Dimension, TraceFilter, Usages
from moat.prompts.drift import Drift
from moat.routing.health import DeploymentState
from moat.spend.refusals import MAX_ALERTS, alerts
from moat.telemetry.conversation import Conversation, conversation
from moat.telemetry.saved import NAMED, expand

MAX_ROWS = 1000
MAX_OFFSET = 10**9 - 1
MIN_STEP_NS = 60 * 10**9
"""A finer division of time than minutes would answer with the calls themselves."""

FILTER = TraceFilter.__struct_fields__


class Status(msgspec.Struct, frozen=True):
    """What the server serves, and what is wrong with the files it would like to serve."""

    models: tuple[str, ...]
    released: tuple[str, ...]
    problems: tuple[str, ...]
    drift: tuple[Drift, ...]
    """How what is served has left its ground in git, lock and evidence, as far as it is known yet."""
    sync: SyncReport | None
    """What the last sync did; None before the first. Why one failed is among the problems."""
    deployments: tuple[DeploymentState, ...]
    """How those stand that were asked since the server started."""


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Nothing need be said."""


def get_status(request: Request, services: Services) -> Status:
    """What is served now."""
    serving = services.live.serving
    deployments = tuple(services.live.deployments())
    trips = [f"spending of {trip.scope} {trip.value}: {trip.why}" for trip in services.trips.open_trips()]
    problems = (*serving.problems, *serving.warnings, *alerts(services.live.balances()), *trips[:MAX_ALERTS])
    return Status(serving.aliases, serving.released, problems, serving.drift, services.synced(), deployments)


def refresh(request: Request, services: Services) -> Response:
    """Look at files and store at once, and answer when what changed before this request is served."""
    done = refreshed(services.live)
    return json_response(get_status(request, services), 200 if done else 202)


def search_traces(request: Request, services: Services) -> list[Span]:
    """Calls that match, newest first, without their content."""
    return services.traces.search(wanted(request, services), limit_of(request))


def get_trace(request: Request, services: Services) -> TracePart:
    """Spans of a trace or request with their content, up to 5,000 after the first `offset`, and how many there are."""
    key: Key = request.state.key
    asked, offset = request.path_params["id"], _offset(request)
    part = services.calls.trace(asked, offset, key.tenant, key.environment)
    if not part.count and (key.tenant or key.environment):
        raise NotFound.for_this_key()
    return part


def get_messages(request: Request, services: Services) -> list[Conversation]:
    """What was asked and answered in the same spans, one by one, in one form whatever the provider's was."""
    return [conversation(span) for span in get_trace(request, services).spans if span.kind != "attempt"]


def own_spans(request: Request, services: Services, trace_or_request_id: str) -> list[Span]:
    """Of a trace or request, what the caller may see. Raises `NotFound` when that is nothing, for a bound key."""
    key: Key = request.state.key
    spans = services.traces.trace(trace_or_request_id)
    if not key.tenant and not key.environment:
        return spans
    own = [s for s in spans if key.tenant in ("", s.tenant) and key.environment in ("", s.environment)]
    # Spans that an application put into a trace make no request in it its own.
    named = [s for s in own if trace_or_request_id in (s.trace_id, s.request_id if s.kind != "app" else "")]
    if not named:
        raise NotFound.for_this_key()
    return own


def get_usage(request: Request, services: Services) -> list[Usages]:
    """Calls, tokens, money and latency by any dimensions, dearest first; in time slots of `step_ns` when given."""
    by, asked, offset_ns = dimensions(request), wanted(request, services), offset_of(request)
    if step_ns := step_of(request):
        return services.traces.series(by, asked, step_ns, offset_ns, timezone_of(request))
    return services.traces.usages(by, asked)


def dimensions(request: Request) -> list[Dimension]:
    """What to group by. Raises `RequestError`."""
    asked = request.query_params.get("by", "")
    by = asked.split(",") if asked else []
    if len(set(by)) < len(by):
        raise RequestError("names a dimension twice", where="by")
    try:
        return msgspec.convert(by, list[Dimension])
    except msgspec.ValidationError:
        known = ", ".join(get_args(Dimension))
        raise RequestError(f"no such dimension among {by}", where="by", remedy=f"There are: {known}.") from None


def limit_of(request: Request) -> int:
    """How many rows at most. Raises `RequestError`."""
    text = request.query_params.get("limit", "50")
    if not text.isdecimal() or len(text) > len(str(MAX_ROWS)) or not 1 <= int(text) <= MAX_ROWS:
        raise RequestError(f"must be a number from 1 to {MAX_ROWS}", where="limit")
    return int(text)


def step_of(request: Request) -> int:
    """Length of time slots, 0: time is not divided. Raises `RequestError`."""
    text = request.query_params.get("step_ns", "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or 0 < int(text) < MIN_STEP_NS:
        raise RequestError(f"must be 0, or nanoseconds of a minute ({MIN_STEP_NS}) or more", where="step_ns")
    return int(text)


def _offset(request: Request) -> int:
    """How many spans are left out. Raises `RequestError`."""
    text = request.query_params.get("offset", "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        raise RequestError(f"must be a number from 0 to {MAX_OFFSET}", where="offset")
    return int(text)


def offset_of(request: Request) -> int:
    """How much later than multiples of their length time slots begin. Raises `RequestError`."""
    text, step_ns = request.query_params.get("offset_ns", "0"), step_of(request)
    if not text.isascii() or not text.isdecimal() or len(text) > 18 or int(text) >= max(1, step_ns):
        raise RequestError("must be nanoseconds, 0 or more and less than `step_ns`", where="offset_ns")
    return int(text)


def timezone_of(request: Request) -> str:
    """On whose clock time slots begin: an IANA name, empty for UTC. Raises `RequestError`."""
    name = request.query_params.get("timezone", "")
    try:
        if name:
            zone(name)
    except ConfigError as error:
        raise RequestError(error.what, where="timezone", remedy="Write an IANA name such as Europe/Berlin.") from None
    return "" if name == "UTC" else name


def wanted(request: Request, services: Services) -> TraceFilter:
    """What the caller asks for, of what is its own, with saved searches in the place of their names."""
    fields = {"wide": "true"} | {name: value for name, value in request.query_params.items() if name in FILTER}
    if NAMED.search(fields.get("q", "")):
        fields["q"] = expand(fields["q"], _saved(request, services))
    for name in ("tenant", "environment"):
        bound = getattr(request.state.key, name)
        if bound and fields.setdefault(name, bound) != bound:
            raise NotFound.for_this_key()
    try:
        return msgspec.convert(fields, TraceFilter, strict=False)
    except msgspec.ValidationError as error:
        raise RequestError(str(error), where="query") from None


def _saved(request: Request, services: Services) -> dict[str, str]:
    """Searches with a name: the project's own, so that a key of one tenant or environment knows none."""
    key: Key = request.state.key
    if key.tenant or key.environment:
        return {}
    return {search.name: search.expression for search in services.searches.searches()}


ENDPOINTS = (
    Endpoint("GET", "/api/v1/status", VIEWERS, get_status, Status),
    Endpoint("POST", "/api/v1/refresh", ENGINEERS, refresh, Status, body=Refresh, statuses=(200, 202)),
    Endpoint(
        *("GET", "/api/v1/traces", VIEWERS, search_traces, list[Span]),
        query=(*FILTER, "limit"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/traces/{id}", VIEWERS, get_trace, TracePart),
        query=("offset",),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/traces/{id}/messages", VIEWERS, get_messages, list[Conversation]),
        query=("offset",),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/usage", VIEWERS, get_usage, list[Usages]),
        query=(*FILTER, "by", "step_ns", "offset_ns", "timezone"),
        honours=("environment", "tenant"),
    ),
)
