"""Where a forge announces pushes."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from moat.api.endpoint import SIGNED, Endpoint, json_response
from moat.api.pushes import Push
from moat.api.services import Services
from moat.gateway.admission import read_headers
from moat.gateway.bodies import decode, require_type

EVENTS = ("push", "Push Hook")
"""As GitHub and Gitea, and as GitLab call it."""


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a sync follows; how it went is in the `sync` of `GET /api/v1/status`."""

    syncs: bool


def hear_push(request: Request, services: Services) -> Response:
    """A push to the repository, signed by its forge: what was merged is released as the environments say."""
    services.pushes.verify(request.headers, request.state.body)
    require_type(read_headers(request.scope), "application/json")
    event = request.headers.get("x-github-event") or request.headers.get("x-gitlab-event") or "push"
    syncs = event in EVENTS and services.pushes.announce(decode(request.state.body, Push))
    return json_response(Heard(syncs=syncs), 202 if syncs else 200)


ENDPOINTS = (Endpoint("POST", "/api/v1/webhooks/git", SIGNED, hear_push, Heard, body=Push, statuses=(202, 200)),)
