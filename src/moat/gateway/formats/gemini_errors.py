"""Errors in Google's shape (https://google.aip.dev/193)."""

from typing import Any

import msgspec

from moat.domain.errors import MoatError

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_TYPES = "type.googleapis.com/google.rpc."


def error_body(error: MoatError) -> bytes:
    """`{"error": {code, message, status, details}}`; Moat's own code is the `reason` in its details."""
    status = error.status
    details: list[dict[str, Any]] = [{"@type": f"{_TYPES}ErrorInfo", "reason": error.code, "domain": "moat"}]
    retry_after = getattr(error, "retry_after", None)
    if retry_after is not None:
        details.append({"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{retry_after:.9g}s"})
    name = _STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "INTERNAL")
    body = {"code": status, "message": str(error), "status": name, "details": details}
    return msgspec.json.encode({"error": body})
