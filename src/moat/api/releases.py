"""Releases, rollouts and rollbacks over the API."""

from typing import Literal

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import ENGINEERS, VIEWERS, Endpoint, json_response
from moat.api.services import Services
from moat.api.waiting import served
from moat.domain.errors import AccessError, NotFound, RequestError
from moat.domain.keys import Key
from moat.domain.releases import Approval, Assignment, Release
from moat.gateway.admission import check_environment
from moat.ports.releases import Clearance, EnvironmentRules, Order, Promotion


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """A release, and how it is served from now on."""

    release: Release
    assignment: Assignment


class ApprovalOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One person's yes."""

    release: str
    environment: str
    comment: str = ""


class RollbackOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to take back."""

    prompt: str
    environment: str
    reason: str = ""
    sequence: int | None = None
    """Of the assignment that was decided about: 409 when something else is served by now. None: whatever is served."""


class RolloutOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to do with a rollout."""

    prompt: str
    environment: str
    action: Literal["promote", "pause", "resume", "abort"]
    reason: str = ""
    percent: float | None = None
    """For `promote`, as are all that follow: see `Promotion`."""
    arm: str = ""
    break_glass: bool = False
    sequence: int | None = None
    """As in `RollbackOrder`."""


def list_environments(request: Request, services: Services) -> list[Assignment]:
    """What every environment serves, with its rollback pointer."""
    return _current(request, services)


def list_serving(request: Request, services: Services) -> list[Assignment]:
    """What this very server serves now, from its memory: a change in the store follows within a second."""
    bound = request.state.key.environment
    query = request.query_params
    return [
        found
        for found in services.live.serving.assignments.values()
        if found.environment == query.get("environment", found.environment)
        and found.prompt == query.get("prompt", found.prompt)
        and bound in ("", found.environment)
    ]


def list_rollouts(request: Request, services: Services) -> list[Assignment]:
    """Rollouts that are open or paused, with their arms."""
    return [assignment for assignment in _current(request, services) if assignment.progress != "closed"]


def list_history(request: Request, services: Services) -> list[Assignment]:
    """What an environment served for a prompt, newest first."""
    query = request.query_params
    prompt, environment = _both(query.get("prompt", ""), query.get("environment", ""), "prompt")
    check_environment(request.state.key, environment)
    return services.releases.history(prompt, environment)


def list_releases(request: Request, services: Services) -> list[Release]:
    """Releases with their evidence, newest first."""
    found = services.releases.releases(request.query_params.get("prompt", ""))
    own = _own_releases(request, services)
    return found if own is None else [release for release in found if release.id in own]


def get_release(request: Request, services: Services) -> Release:
    """One release with its evidence."""
    wanted = request.path_params["id"]
    own = _own_releases(request, services)
    if own is not None and wanted not in own:
        raise NotFound.for_this_key()
    return services.releases.get(wanted)


def list_release_approvals(request: Request, services: Services) -> list[Approval]:
    """Who said yes to a release in an environment, oldest first."""
    query = request.query_params
    release, environment = _both(query.get("release", ""), query.get("environment", ""), "release")
    check_environment(request.state.key, environment)
    return services.releases.approvals(release, environment)


def list_rules(request: Request, services: Services) -> list[EnvironmentRules]:
    """What each environment demands of a release, as moat.yaml has it now, and whether it is frozen."""
    bound = request.state.key.environment
    return [found for found in services.control().rules() if bound in ("", found.name)]


def get_clearance(request: Request, services: Services) -> Clearance:
    """What is missing until an environment may serve a release, or a version, to everybody; and who said yes so far.

    Of a release in a rollout: until it may be promoted. A key of one environment asks about the releases it serves, by
    their ids.
    """
    query = request.query_params
    prompt, environment = _both(query.get("prompt", ""), query.get("environment", ""), "prompt")
    release = query.get("release", "")
    if not release:
        raise RequestError("is missing", where="release", remedy="It is a version, or the id of a release.")
    check_environment(request.state.key, environment)
    own = _own_releases(request, services)
    if own is not None and release not in own:
        raise NotFound.for_this_key()
    return services.control().clearance(prompt, environment, release, request.state.key.actor)


def create_release(request: Request, services: Services) -> Response:
    """Release a version into an environment, at once or by a rollout."""
    order: Order = request.state.body
    _require_own(request.state.key, order.environment)
    try:
        release, assignment = services.control().release(order, request.state.key.actor)
    except NotFound:
        if request.state.key.environment:  # what there is besides is not for a bound key to know
            raise NotFound.for_this_key() from None
        raise
    status = 201 if served(services.live, assignment) else 202
    return json_response(Released(release=release, assignment=assignment), status)


def approve_release(request: Request, services: Services) -> Approval:
    """Approve a release for an environment."""
    order: ApprovalOrder = request.state.body
    key: Key = request.state.key
    _require_own(key, order.environment)
    if not key.user:
        raise AccessError(
            "only a person can approve, and this key is nobody's", remedy="`moat keys create --user NAME` makes one."
        )
    return services.control().approve(order.release, order.environment, key.actor, order.comment)


def roll_back(request: Request, services: Services) -> Response:
    """Serve what was served before; always allowed."""
    order: RollbackOrder = request.state.body
    _require_own(request.state.key, order.environment)
    place, actor = (order.prompt, order.environment), request.state.key.actor
    return _assigned(services, services.control().roll_back(*place, actor, order.reason, seen=order.sequence))


def steer_rollout(request: Request, services: Services) -> Response:
    """Promote, pause, resume or abort a rollout."""
    order: RolloutOrder = request.state.body
    key: Key = request.state.key
    _require_own(key, order.environment)
    control = services.control()
    if order.action == "promote":
        promotion = Promotion(**{name: getattr(order, name) for name in Promotion.__struct_fields__})
        return _assigned(services, control.promote(promotion, key.actor, seen=order.sequence))
    if order.percent is not None or order.arm or order.break_glass:
        raise RequestError(f"`percent`, `arm` and `break_glass` are for `promote`, not {order.action!r}", where="$")
    acts = {"pause": control.pause, "resume": control.resume, "abort": control.abort}
    act, place = acts[order.action], (order.prompt, order.environment)
    return _assigned(services, act(*place, key.actor, order.reason, seen=order.sequence))


def _both(one: str, environment: str, where: str) -> tuple[str, str]:
    """Two parameters that must be there. Raises `RequestError`."""
    if not one or not environment:
        raise RequestError("is missing", where="environment" if one else where)
    return one, environment


def _require_own(key: Key, environment: str) -> None:
    """A bound key changes its own environment; to name none is to name another."""
    if key.environment and environment != key.environment:
        raise NotFound.for_this_key()


def _assigned(services: Services, assignment: Assignment) -> Response:
    return json_response(assignment, 200 if served(services.live, assignment) else 202)


def _current(request: Request, services: Services) -> list[Assignment]:
    bound = request.state.key.environment
    return [found for found in services.releases.current() if bound in ("", found.environment)]


def _own_releases(request: Request, services: Services) -> set[str] | None:
    """Releases that the key's environment serves or would roll back to; None for a key of all environments."""
    if not request.state.key.environment:
        return None
    current = _current(request, services)
    before = (arm.release for assignment in current for arm in assignment.replaces)
    return {*before, *(release for assignment in current for release in assignment.releases)}


ENDPOINTS = (
    Endpoint("GET", "/api/v1/environments", VIEWERS, list_environments, list[Assignment], honours=("environment",)),
    Endpoint(
        *("GET", "/api/v1/serving", VIEWERS, list_serving, list[Assignment]),
        query=("prompt", "environment"),
        honours=("environment",),
    ),
    Endpoint(
        *("GET", "/api/v1/releases", VIEWERS, list_releases, list[Release]),
        query=("prompt",),
        honours=("environment",),
    ),
    Endpoint("GET", "/api/v1/releases/{id}", VIEWERS, get_release, Release, honours=("environment",)),
    Endpoint(
        *("POST", "/api/v1/releases", ENGINEERS, create_release, Released),
        body=Order,
        statuses=(201, 202),
        honours=("environment",),
    ),
    Endpoint(
        *("GET", "/api/v1/environments/rules", VIEWERS, list_rules, list[EnvironmentRules]),
        honours=("environment",),
    ),
    Endpoint(
        *("GET", "/api/v1/clearance", VIEWERS, get_clearance, Clearance),
        query=("prompt", "environment", "release"),
        needs=("prompt", "environment", "release"),
        honours=("environment",),
    ),
    Endpoint(
        *("GET", "/api/v1/approvals", VIEWERS, list_release_approvals, list[Approval]),
        query=("release", "environment"),
        needs=("release", "environment"),
        honours=("environment",),
    ),
    Endpoint(
        *("POST", "/api/v1/approvals", ENGINEERS, approve_release, Approval),
        body=ApprovalOrder,
        statuses=(201,),
        honours=("environment",),
    ),
    Endpoint(
        *("POST", "/api/v1/rollbacks", ENGINEERS, roll_back, Assignment),
        body=RollbackOrder,
        room="releases",
        statuses=(200, 202),
        honours=("environment",),
    ),
    Endpoint("GET", "/api/v1/rollouts", VIEWERS, list_rollouts, list[Assignment], honours=("environment",)),
    Endpoint(
        *("POST", "/api/v1/rollouts", ENGINEERS, steer_rollout, Assignment),
        body=RolloutOrder,
        room="releases",
        statuses=(200, 202),
        honours=("environment",),
    ),
    Endpoint(
        *("GET", "/api/v1/history", VIEWERS, list_history, list[Assignment]),
        query=("prompt", "environment"),
        needs=("prompt", "environment"),
        honours=("environment",),
    ),
)
