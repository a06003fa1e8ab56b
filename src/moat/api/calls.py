"""Tables and charts of calls, at any number of them."""

import base64
import binascii
import time
from typing import Annotated

import msgspec
from starlette.requests import Request

from moat.api.endpoint import VIEWERS, Endpoint
from moat.api.records import FILTER, limit_of, step_of, timezone_of, wanted
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.ports.calls import CallCount, CallRow, FindingCount, Place

SLOTS = 60
"""Of the chart above a table, at most; one more where time does not begin with one."""
MAX_CURSOR = 300
"""Characters: a time and the hex digits of two ids are less than half of it."""

_Time = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[\w.:-]{0,64}\Z")]


class Calls(msgspec.Struct, frozen=True):
    """One page of the calls that match, newest first."""

    calls: list[CallRow]
    next: str
    """What `before` is for the next page; empty after the last one."""


def list_calls(request: Request, services: Services) -> Calls:
    """Calls that match, page by page, newest first: what a table shows of them."""
    page = services.calls.page(wanted(request, services), limit_of(request), before(request))
    return Calls(page.rows, cursor(page.next) if page.next else "")


def count_calls(request: Request, services: Services) -> CallCount:
    """How many calls match and fail, in all and over time."""
    return services.calls.count(wanted(request, services), SLOTS, time.time_ns())


def list_findings(request: Request, services: Services) -> list[FindingCount]:
    """What guards found in calls, by guard, kind, place and action; in time slots of `step_ns` when given.

    `limit` is of the groups, those with the most calls: of each all slots are given.
    """
    asked, zone = wanted(request, services), timezone_of(request)
    return services.calls.findings(asked, step_of(request), limit_of(request), zone)


def cursor(place: Place) -> str:
    """A place as text that stands in an address."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def before(request: Request) -> Place | None:
    """The place that a request names, None when it names none. Raises `RequestError`."""
    text = request.query_params.get("before", "")
    if not text:
        return None
    try:
        if len(text) > MAX_CURSOR:
            raise ValueError(text)
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        started, span, trace, reported = msgspec.json.decode(raw, type=tuple[_Time, _Id, _Id, bool])
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise RequestError(
            "is no place in a list of calls", where="before", remedy="Send the `next` of the page before."
        ) from None
    return Place(started, span, trace, reported)


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/calls", VIEWERS, list_calls, Calls),
        query=(*FILTER, "limit", "before"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/calls/count", VIEWERS, count_calls, CallCount),
        query=FILTER,
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/findings", VIEWERS, list_findings, list[FindingCount]),
        query=(*FILTER, "step_ns", "timezone", "limit"),
        honours=("environment", "tenant"),
    ),
)
