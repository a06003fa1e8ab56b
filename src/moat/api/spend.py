"""What calls cost: sums over attempts, and pricing them anew."""

import time

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ADMINS, VIEWERS, Endpoint
from moat.api.records import FILTER, dimensions, limit_of, offset_of, step_of, timezone_of, wanted
from moat.api.services import Services
from moat.api.stated import actor_of
from moat.domain.audit import Act
from moat.domain.calls import Deployment
from moat.domain.errors import RequestError
from moat.domain.windows import zone
from moat.ports.traces import Nanoseconds, Repricing, Spend
from moat.spend.forecast import Forecast
from moat.spend.reports_time import Clock, month_forecast


class RepriceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which attempts to price anew with the prices as they are now; Unix nanoseconds, 0: no bound."""

    since_ns: Nanoseconds = 0
    until_ns: Nanoseconds = 0
    """Exclusive."""
    dry_run: bool = False
    on_behalf_of: str = ""
    """Who asks, when it is not the key's owner: noted together with the key's."""


def get_spend(request: Request, services: Services) -> list[Spend]:
    """Sums of attempts by any dimensions, dearest first; in time slots of `step_ns` when given.

    With `limit`, of the dearest groups alone.
    """
    by, asked, step_ns = dimensions(request), wanted(request, services), step_of(request)
    slots = (step_ns, offset_of(request), timezone_of(request))
    if "limit" not in request.query_params:
        return services.traces.spending(by, asked, *slots)
    dearest = services.traces.spending(by, asked)[: limit_of(request)]
    if not step_ns:
        return dearest
    groups = {each.group for each in dearest}
    return [each for each in services.traces.spending(by, asked, *slots) if each.group in groups]


def get_forecast(request: Request, services: Services) -> Forecast:
    """What the present month will have cost at its end, with an interval."""
    name = timezone_of(request) or "UTC"
    clock = Clock(time.time_ns(), zone(name), name)
    return month_forecast(services.traces, wanted(request, services), clock)[0]


def get_deployments(request: Request, services: Services) -> list[tuple[str, Deployment]]:
    """Aliases and deployments that attempts were made at."""
    return services.traces.deployments(wanted(request, services))


def list_repricings(request: Request, services: Services) -> list[Repricing]:
    """What re-pricings did, newest first."""
    return services.traces.repricings(limit_of(request))


def reprice(request: Request, services: Services) -> Repricing:
    """Price stored attempts anew with the prices of moat.yaml and the published ones, as they are now."""
    asked: RepriceRequest = request.state.body
    if asked.since_ns < 0 or asked.until_ns < 0:
        raise RequestError("must not be negative", where="since_ns")
    actor = actor_of(request, asked.on_behalf_of, "on_behalf_of")
    if not asked.dry_run:
        detail = {"since_ns": asked.since_ns, "until_ns": asked.until_ns}
        services.audit.record(Act(actor, "spend.reprice", "attempts", detail=detail))
    return services.reprice(actor, asked.since_ns, asked.until_ns, asked.dry_run)


_OF_FORECASTS = tuple(name for name in FILTER if name not in ("since_ns", "until_ns", "ended_since_ns"))
"""Its past is the last eight weeks."""

ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/spend", VIEWERS, get_spend, list[Spend]),
        query=(*FILTER, "by", "step_ns", "offset_ns", "timezone", "limit"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/spend/forecast", VIEWERS, get_forecast, Forecast),
        query=(*_OF_FORECASTS, "timezone"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("GET", "/api/v1/spend/deployments", VIEWERS, get_deployments, list[tuple[str, Deployment]]),
        query=FILTER,
        honours=("environment", "tenant"),
    ),
    Endpoint("GET", "/api/v1/spend/repricings", VIEWERS, list_repricings, list[Repricing], query=("limit",)),
    Endpoint("POST", "/api/v1/spend/reprice", ADMINS, reprice, Repricing, body=RepriceRequest),
)
