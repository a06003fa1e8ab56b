"""The first page, everything that it shows in one answer; and the releases that every chart shows."""

import re

from starlette.requests import Request

from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.overviews import Overview, View
from moat.api.records import limit_of, wanted
from moat.api.release_marks import ReleaseMark, marks
from moat.api.services import Services
from moat.domain.errors import NotFound, RequestError
from moat.domain.keys import Key
from moat.telemetry.filters import parse_duration

WINDOW = "^[1-9][0-9]{0,4}[smhdw]$"
DEFAULT = "24h"
SHORTEST_NS = 60 * 10**9
LONGEST_NS = 90 * 86_400 * 10**9


def get_overview(request: Request, services: Services) -> Overview:
    """How things stand: calls, errors, latency, cost, scores, budgets, alerts and releases of the last `window`."""
    key: Key = request.state.key
    environment = request.query_params.get("environment", "") or key.environment
    if key.environment and environment != key.environment:
        raise NotFound.for_this_key()
    return services.overviews.get(View.of(key, window_of(request), environment))


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
    return marks(services.releases, asked.environment, asked.since_ns, limit_of(request))


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/overview", VIEWERS, get_overview, Overview),
        query=("window", "environment"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/changes", VIEWERS, list_changes, list[ReleaseMark]),
        query=("environment", "since_ns", "limit"),
        honours=("environment",),
    ),
)
