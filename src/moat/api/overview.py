"""The first page, everything that it shows in one answer; and the releases that every chart shows."""

import re
import time

import msgspec
from starlette.requests import Request

from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.overviews import Overview, Period, View
from moat.api.records import limit_of, wanted
from moat.api.release_marks import ReleaseMark, marks
from moat.api.services import Services
from moat.domain.errors import NotFound, RequestError
from moat.domain.keys import Key
from moat.ports.traces import Nanoseconds
from moat.telemetry.filters import parse_duration

WINDOW = "^[1-9][0-9]{0,4}[smhdw]$"
DEFAULT = "24h"
SHORTEST_NS = 60 * 10**9
LONGEST_NS = 90 * 86_400 * 10**9


def get_overview(request: Request, services: Services) -> Overview:
    """How things stood in a time, and a week before: calls, errors, latency, cost, scores, releases; budgets now."""
    key: Key = request.state.key
    environment = request.query_params.get("environment", "") or key.environment
    if key.environment and environment != key.environment:
        raise NotFound.for_this_key()
    return services.overviews.get(View.of(key, period_of(request, time.time_ns()), environment))


def period_of(request: Request, now_ns: int) -> Period:
    """The last `window`, the one before `until_ns`, or the time from `since_ns` on. Raises `RequestError`."""
    since_ns, until_ns = moment_of(request, "since_ns"), moment_of(request, "until_ns")
    if since_ns and "window" in request.query_params:
        raise RequestError("cannot stand beside `since_ns`", where="window", remedy="Give one of the two.")
    if not since_ns and not until_ns:
        return Period(window_of(request))
    named, begun_ns = ("since_ns", since_ns) if since_ns else ("until_ns", until_ns - window_of(request))
    if begun_ns >= now_ns:
        raise RequestError("leads to a time that has not come yet", where=named)
    if until_ns and until_ns <= begun_ns:
        raise RequestError("must be later than `since_ns`", where="until_ns")
    if min(until_ns or now_ns, now_ns) - begun_ns > LONGEST_NS:
        raise RequestError("must be 90 days before the end, at most", where=named)
    return Period(0, max(1, begun_ns), until_ns)


def moment_of(request: Request, name: str) -> int:
    """Unix nanoseconds, 0 when none are given. Raises `RequestError`."""
    try:
        found: int = msgspec.convert(request.query_params.get(name, "0"), Nanoseconds, strict=False)
    except msgspec.ValidationError:
        found = -1
    if found < 0:
        raise RequestError("must be a time in Unix nanoseconds", where=name)
    return found


def window_of(request: Request) -> int:
    """Nanoseconds. Raises `RequestError`."""
    text = request.query_params.get("window", DEFAULT)
    if not re.fullmatch(WINDOW, text) or not (length := parse_duration(text, where="window")) >= SHORTEST_NS:
        raise RequestError("must be a length of time of a minute or more, such as 24h", where="window")
    if length > LONGEST_NS:
        raise RequestError("must be 90 days at most", where="window")
    return length


def list_changes(request: Request, services: Services) -> list[ReleaseMark]:
    """When what is served changed, newest first."""
    asked = wanted(request, services)
    return marks(services.releases, asked.environment, asked.since_ns, asked.until_ns, limit_of(request))


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/overview", VIEWERS, get_overview, Overview),
        query=("window", "since_ns", "until_ns", "environment"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/changes", VIEWERS, list_changes, list[ReleaseMark]),
        query=("environment", "since_ns", "until_ns", "limit"),
        honours=("environment",),
    ),
)
