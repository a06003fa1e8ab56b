"""A person's yes or no to one call of a tool that a model wants made."""

import hmac
import json
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

import msgspec

from moat.domain.calls import Caller

HOUR_NS = 3600 * 10**9
SHOWN = 20_000
"""Characters of arguments that are kept for whoever decides."""

ApprovalState = Literal["pending", "approved", "denied", "used", "expired"]
"""`pending`: nobody has decided. `approved`: the call may be made once. `denied`: it may not. `used`: it was made.
`expired`: too late, whatever it was before."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a tool, as a person is asked about it."""

    digest: str
    """Who calls which tool with what: see `call_digest`."""
    tool: str
    arguments: str = ""
    """As far as they may be kept; for people."""
    key: str = ""
    """Id of the key that the model was asked with."""
    tenant: str = ""
    environment: str = ""
    feature: str = ""
    user: str = ""
    session: str = ""
    request: str = ""
    """Id of the request whose answer had the call."""
    guard: str = ""
    """Which asked for approval."""
    hours: float = 24.0
    """How long the question may wait, and then how long the answer holds."""


class ToolApproval(ToolCall, frozen=True, kw_only=True):
    """The question, and what became of it."""

    id: str
    asked_ns: int
    state: ApprovalState = "pending"
    expires_ns: int
    """When it is too late to decide, and, once decided, when that ends."""
    decided_ns: int = 0
    decided_by: str = ""
    reason: str = ""
    used_ns: int = 0
    used_request: str = ""
    """Id of the request whose answer went on."""

    def at(self, now_ns: int) -> "ToolApproval":
        """As it is now: time alone ends what is open."""
        if self.state == "used" or self.expires_ns > now_ns:
            return self
        return msgspec.structs.replace(self, state="expired")


def call_digest(caller: Caller, tool: str, arguments: str, secret: bytes) -> str:
    """The same for the same call: of one key, tenant, environment and user, of one tool, with equal arguments, however
    these are written. HMAC-SHA-256: without the secret nobody can try which arguments they were.
    """
    who = [caller.key, caller.tenant, caller.environment, caller.user]
    text = json.dumps([*who, tool, _canonical(arguments)])
    return hmac.new(secret, text.encode(), "sha256").hexdigest()


def _canonical(arguments: str) -> list[str]:
    """Arguments with sorted names and no white space; as written, where two readers could take them for different
    things: a name that stands twice, a number that no float is.
    """
    try:
        value = json.loads(arguments or "{}", object_pairs_hook=_object, parse_float=_float, parse_constant=_refused)
        return ["json", json.dumps(value, sort_keys=True)]
    except (ValueError, RecursionError):
        return ["text", arguments]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands twice")
    return found


def _float(text: str) -> float:
    value = float(text)
    try:
        same = Decimal(repr(value)) == Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        same = False
    if not same:
        raise ValueError("no float is this number")
    return value


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")
