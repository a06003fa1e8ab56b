"""What people and scorers say of recorded calls."""

from typing import get_args

import msgspec
from starlette.requests import Request

from moat.api.endpoint import EXPERTS, VIEWERS, Endpoint
from moat.api.records import FILTER, limit_of, wanted
from moat.api.services import Services
from moat.domain.errors import RequestError
from moat.domain.feedback import Feedback, Source
from moat.gateway.opinions import Said, to_keep

MAX_SCORES = 1000


class GivenScores(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores of calls: `name` is the scorer's, `by` its version."""

    scores: list[Said]


class KeptScores(msgspec.Struct, frozen=True):
    """What was kept."""

    ids: list[str]
    """In the order of the scores; one that is sent again has the same."""


def give_scores(request: Request, services: Services) -> KeptScores:
    """Scores of recorded calls from any scorer: all are kept, or none."""
    body: GivenScores = request.state.body
    if not 1 <= len(body.scores) <= MAX_SCORES:
        raise RequestError(f"must be 1 to {MAX_SCORES}", where="$.scores")
    ports = services.live.serving.ports
    capture = ports.capture if ports is not None else None
    scores = body.scores if capture is None else [to_keep(score, capture) for score in body.scores]
    kept = services.opinions.take(scores, request.state.key, "scorer", where="$.scores")
    return KeptScores([one.id for one in kept])


def give_opinion(request: Request, services: Services) -> Feedback:
    """What a person thinks of a recorded call, under that person's name."""
    body: Said = request.state.body
    ports = services.live.serving.ports
    capture = ports.capture if ports is not None else None
    said = body if capture is None else to_keep(body, capture)
    (kept,) = services.opinions.take([said], request.state.key)
    return kept


def list_opinions(request: Request, services: Services) -> list[Feedback]:
    """What was said of calls that match, the newest first."""
    said_by = request.query_params.get("said_by", "")
    if said_by not in ("", *get_args(Source)):
        raise RequestError(f"must be one of {', '.join(get_args(Source))}", where="said_by")
    return services.traces.opinions(wanted(request, services), limit_of(request), said_by or None)  # type: ignore[arg-type]


ENDPOINTS = (
    Endpoint(
        *("GET", "/api/v1/opinions", VIEWERS, list_opinions, list[Feedback]),
        query=(*FILTER, "limit", "said_by"),
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("POST", "/api/v1/opinions", EXPERTS, give_opinion, Feedback),
        body=Said,
        honours=("environment", "tenant"),
    ),
    Endpoint(
        *("POST", "/api/v1/scores", EXPERTS, give_scores, KeptScores),
        body=GivenScores,
        honours=("environment", "tenant"),
    ),
)
