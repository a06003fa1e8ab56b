"""Questions of the commands to the running server."""

import time
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

import msgspec

from moat.adapters.remote.direct import DIRECT
from moat.bootstrap.announcement import ServerFile
from moat.domain.releases import Assignment

SERVED_WITHIN_SECONDS = 10.0


def wait_until_served(server: ServerFile, assignment: Assignment) -> bool:
    """Ask the running server until it serves this assignment or a later one; False when it does not in time."""
    refresh(server)
    query = urlencode({"prompt": assignment.prompt, "environment": assignment.environment})
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    while time.monotonic() < deadline:
        served = ask(server, f"/api/v1/serving?{query}")
        if served is None:
            return False
        if any(found["sequence"] >= assignment.sequence for found in served):
            return True
        time.sleep(0.01)
    return False


def refresh(server: ServerFile) -> bool:
    """Let the running server look at files and store at once; False when it was not seen to serve them in time."""
    deadline = time.monotonic() + SERVED_WITHIN_SECONDS
    while (status := _asked(server, "/api/v1/refresh", b"{}")[0]) == HTTPStatus.ACCEPTED:
        if time.monotonic() >= deadline:
            return False
    return status == HTTPStatus.OK


def ask(server: ServerFile, path: str, body: bytes | None = None, *, seconds: float = SERVED_WITHIN_SECONDS) -> Any:
    """What the management API answers; None when the server cannot be reached, refuses, or answers with nonsense."""
    return _asked(server, path, body, seconds)[1]


def _asked(
    server: ServerFile, path: str, body: bytes | None = None, seconds: float = SERVED_WITHIN_SECONDS
) -> tuple[int, Any]:
    """Status and answer; 0 and None without one."""
    headers = {"authorization": f"Bearer {server.token}", "content-type": "application/json"}
    request = urllib.request.Request(f"{server.url}{path}", data=body, headers=headers)
    try:
        with DIRECT.open(request, timeout=seconds) as response:
            return response.status, msgspec.json.decode(response.read())
    except (OSError, HTTPException, msgspec.DecodeError):
        return 0, None
