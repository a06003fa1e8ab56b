"""Questions of the commands to the running server."""

import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

import msgspec

from moat.bootstrap.announcement import ServerFile
from moat.domain.releases import Assignment

SERVED_WITHIN_SECONDS = 10.0


def wait_until_served(server: ServerFile, assignment: Assignment) -> bool:
    """Ask the running server until it serves this assignment or a later one; False when it does not in time."""
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


def ask(server: ServerFile, path: str) -> Any:
    """What the management API answers; None when the server cannot be reached, refuses, or answers with nonsense."""
    request = urllib.request.Request(f"{server.url}{path}", headers={"authorization": f"Bearer {server.token}"})
    try:
        with urllib.request.urlopen(request, timeout=SERVED_WITHIN_SECONDS) as response:
            return msgspec.json.decode(response.read())
    except (OSError, HTTPException, msgspec.DecodeError):
        return None
