"""The ASGI application: the hot routes by exact path, everything else to the management API."""

import logging
from collections.abc import Callable

import msgspec

from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound
from moat.gateway.admission import authenticate, read_headers
from moat.gateway.endpoint import ModelEndpoint
from moat.gateway.formats import openai_chat
from moat.gateway.http import JSON, App, Receive, Scope, Send, error_headers, respond
from moat.gateway.serving import Live
from moat.gateway.traces import TraceIntake
from moat.ports.spool import Spool

log = logging.getLogger("moat.gateway")


class Gateway:
    """Routes requests. To add an endpoint: one file with an ASGI callable, one line here."""

    def __init__(
        self, live: Live, spool: Spool, *, max_body: int, management: App, dropped: Callable[[], int] = lambda: 0
    ) -> None:
        """`dropped`: how many copies for releases on trial were given up."""
        self._live = live
        self._management = management
        self._dropped = dropped
        self._page: App | None = None
        self._routes: dict[tuple[str, str], App] = {
            ("POST", "/v1/chat/completions"): ModelEndpoint(openai_chat.OpenAIChat(), live, max_body),
            ("GET", "/v1/models"): self._models,
            ("POST", "/v1/traces"): TraceIntake(live, spool, max_body),
            ("GET", "/healthz"): self._health,
            ("HEAD", "/healthz"): self._health,
            ("GET", "/readyz"): self._ready,
            ("HEAD", "/readyz"): self._ready,
            ("GET", "/metrics"): self._metrics,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._management(scope, receive, send)
            return
        route = self._routes.get((scope["method"], scope["path"]))
        try:
            if route is not None:
                await route(scope, receive, send)
            elif scope["path"].startswith("/v1/"):
                raise self._no_route(scope)
            else:
                await self._management(scope, receive, send)
        except MoatError as error:
            request_id = new_id("req")
            await respond(send, error.status, openai_chat.error_body(error), error_headers(error, request_id))
        except Exception:  # the process edge: whatever it was, this client gets an answer and the server lives
            log.exception("unexpected error in %s %s", scope["method"], scope["path"])
            bug = MoatError("an unexpected error; the server's log has it")
            await respond(send, 500, openai_chat.error_body(bug), error_headers(bug, new_id("req")))

    def _no_route(self, scope: Scope) -> MoatError:
        methods = sorted(method for method, path in self._routes if path == scope["path"])
        if methods:
            error: MoatError = NotFound(f"{scope['path']} takes {' and '.join(methods)}, not {scope['method']}")
            error.status = 405
            return error
        known = sorted(f"{method} {path}" for method, path in self._routes if path.startswith("/v1/"))
        return NotFound(f"there is no {scope['method']} {scope['path']}", remedy=f"There are: {', '.join(known)}.")

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Model aliases the key may use, then released prompts, which can be named as models."""
        serving = self._live.serving
        key = authenticate(read_headers(scope), serving.keys)
        aliases = [alias for alias in serving.aliases if not key.models or alias in key.models]
        prompts = [
            f"{openai_chat.MODEL_PREFIX}{prompt}"
            for prompt in serving.released
            if not key.environment or prompt.endswith(f"@{key.environment}")
        ]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "moat"} for name in [*aliases, *prompts]]
        await respond(send, 200, msgspec.json.encode({"object": "list", "data": data}), [JSON])

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Is the process alive? Touches nothing."""
        await respond(send, 200, b'{"status":"ok"}', [JSON])

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Should traffic come here? A server that is stopping takes no connections and so need not say it. What is
        broken is told, and the last good of it served.
        """
        problems = self._live.serving.problems
        body = msgspec.json.encode({"status": "degraded" if problems else "ready", "problems": len(problems)})
        await respond(send, 200, body, [JSON])

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What `moat.gateway.metrics` says, which the first scrape imports."""
        if self._page is None:
            from moat.gateway.metrics import Metrics

            self._page = Metrics(self._live, self._dropped)
        await self._page(scope, receive, send)
