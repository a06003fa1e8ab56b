"""Calls of tools that wait for a person."""

from typing import Annotated, Literal, get_args

import msgspec
from starlette.requests import Request

from moat.api.endpoint import ENGINEERS, VIEWERS, Endpoint
from moat.api.records import limit_of
from moat.api.services import Services
from moat.domain.errors import AccessError, RequestError
from moat.domain.keys import Key
from moat.domain.tool_approvals import ApprovalState, ToolApproval


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A person's yes or no."""

    decision: Literal["approve", "deny"]
    reason: Annotated[str, msgspec.Meta(max_length=2000)] = ""


def list_approvals(request: Request, services: Services) -> list[ToolApproval]:
    """Calls of tools that people were asked about, newest first."""
    state = request.query_params.get("state", "")
    if state not in ("", *get_args(ApprovalState)):
        raise RequestError(f"must be one of {', '.join(get_args(ApprovalState))}", where="state")
    wanted: ApprovalState | None = state or None  # type: ignore[assignment]  # checked above
    return services.approvals.approvals(wanted, limit_of(request))


def get_approval(request: Request, services: Services) -> ToolApproval:
    """One of them, with the arguments as far as they are kept."""
    return services.approvals.approval(request.path_params["id"])


def decide(request: Request, services: Services) -> ToolApproval:
    """Say yes or no; acts at once."""
    key: Key = request.state.key
    asked: Decision = request.state.body
    id = request.path_params["id"]
    if not key.user:
        raise AccessError(
            "only a person can approve, and this key is nobody's", remedy="`moat keys create --user NAME` makes one."
        )
    if services.approvals.approval(id).key == key.id:
        raise AccessError("the key that a call was made with cannot approve it", remedy="Use a key of your own.")
    return services.approvals.decide(id, approve=asked.decision == "approve", actor=key.actor, reason=asked.reason)


ENDPOINTS = (
    Endpoint("GET", "/api/v1/tool-approvals", VIEWERS, list_approvals, list[ToolApproval], query=("state", "limit")),
    Endpoint("GET", "/api/v1/tool-approvals/{id}", VIEWERS, get_approval, ToolApproval),
    Endpoint("POST", "/api/v1/tool-approvals/{id}", ENGINEERS, decide, ToolApproval, body=Decision),
)
