"""One line for each request, for whoever wants that."""

import logging
import time
from urllib.parse import quote

from moat.gateway.http import App, Message, Receive, Scope, Send

log = logging.getLogger("moat.access")

SIGNED = "/feedback/"
"""Below it a path is a permission: who reads it may use it."""


class AccessLog:
    """Around an application: tells how each request ended. Query strings may hold keys and are left out."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass it on, and tell."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            told = {
                "method": scope["method"],
                "path": _shown(scope["path"]),
                "status": status,
                "milliseconds": round((time.monotonic() - began) * 1000, 3),
            }
            log.info("%(method)s %(path)s %(status)s %(milliseconds)s ms", told, extra={"told": told})


def _shown(path: str) -> str:
    """As it was sent: a line feed or an escape code in it steers no terminal, and makes no line of its own."""
    return f"{SIGNED}..." if path.startswith(SIGNED) else quote(path, safe="/:@!$&'()*+,;=")
