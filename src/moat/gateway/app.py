"""The ASGI application: the hot routes by path, everything else to the management API."""

import logging
from operator import attrgetter

import msgspec

from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound
from moat.gateway import gemini_api
from moat.gateway.endpoint import ModelEndpoint
from moat.gateway.feedback import no_feedback
from moat.gateway.formats import anthropic, anthropic_answer, gemini_errors, openai_chat, openai_operations, responses
from moat.gateway.formats.openai_models import ModelList
from moat.gateway.http import JSON, App, Receive, Scope, Send, error_headers, respond
from moat.gateway.measured import NOTHING_MEASURED, Measured
from moat.gateway.refusals import surface
from moat.gateway.serving import Live
from moat.gateway.traces import Intake, TraceIntake
from moat.ports.spool import Spool

log = logging.getLogger("moat.gateway")


class Gateway:
    """Routes requests. To add an endpoint: one file with an ASGI callable, one line here."""

    def __init__(
        self,
        live: Live,
        spool: Spool,
        *,
        max_body: int,
        management: App,
        batches: App | None = None,
        feedback: App = no_feedback,
        measured: Measured = NOTHING_MEASURED,
    ) -> None:
        """`batches` answers for files and batches, `feedback` for what people say of answers, `management` for what is
        no model endpoint. `measured`: what metrics tell.
        """
        self._live = live
        self._spool = spool
        self._management = management
        self._measured = measured
        self._page: App | None = None
        self.intake = Intake(live, spool, max_body)
        """Takes what applications trace; other transports beside HTTP use it too."""
        models = ModelList(live)
        gemini = gemini_api.GeminiApi(live, max_body)
        self._routes: dict[tuple[str, str], App] = {
            ("POST", "/v1/chat/completions"): ModelEndpoint(openai_chat.OpenAIChat(), live, max_body),
            ("POST", "/v1/messages"): ModelEndpoint(anthropic.AnthropicMessages(), live, max_body),
            ("POST", "/v1/messages/count_tokens"): ModelEndpoint(
                anthropic.AnthropicCount(), live, max_body, pipeline=attrgetter("count")
            ),
            ("POST", "/v1/responses"): ModelEndpoint(responses.OpenAIResponses(), live, max_body),
            ("POST", "/v1/responses/input_tokens"): ModelEndpoint(
                responses.OpenAIInputTokens(), live, max_body, pipeline=attrgetter("count")
            ),
            **{
                ("POST", path): ModelEndpoint(openai_operations.OpenAIOperation(operation), live, max_body)
                for path, operation in openai_operations.ENDPOINTS.items()
            },
            ("GET", "/v1/models"): gemini_api.by_client(gemini, models),
            ("GET", "/v1beta/models"): gemini,
            ("POST", "/v1/traces"): TraceIntake(self.intake),
            ("GET", "/healthz"): self._health,
            ("HEAD", "/healthz"): self._health,
            ("GET", "/readyz"): self._ready,
            ("HEAD", "/readyz"): self._ready,
            ("GET", "/metrics"): self._metrics,
        }
        batches = batches or _no_batches
        self._routes |= _kept_apart(batches, feedback)
        self._prefixes: dict[tuple[str, str], App] = {
            ("GET", "/v1/models/"): gemini_api.by_client(gemini, models),
            ("POST", "/v1/models/"): gemini,
            ("GET", "/v1beta/models/"): gemini,
            ("POST", "/v1beta/models/"): gemini,
            ("GET", "/v1/files/"): batches,
            ("DELETE", "/v1/files/"): batches,
            ("GET", "/v1/batches/"): batches,
            ("POST", "/v1/batches/"): batches,
            ("GET", "/feedback/"): feedback,
            ("POST", "/feedback/"): feedback,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._management(scope, receive, send)
            return
        route = self._routes.get((scope["method"], scope["path"])) or self._below(scope)
        try:
            if route is not None:
                await route(scope, receive, send)
            elif scope["path"].startswith(("/v1/", "/v1beta/")):
                raise self._no_route(scope)
            else:
                await self._management(scope, receive, send)
        except MoatError as error:
            self._live.refusals.add(surface(scope["path"]), error.status)
            request_id = new_id("req")
            await respond(send, error.status, _error_body(scope, error), error_headers(error, request_id))
        except Exception:  # the process edge: whatever it was, this client gets an answer and the server lives
            log.exception("unexpected error in %s %s", scope["method"], scope["path"])
            bug = MoatError("an unexpected error; the server's log has it")
            await respond(send, 500, _error_body(scope, bug), error_headers(bug, new_id("req")))

    def _below(self, scope: Scope) -> App | None:
        """The route whose fixed part the path begins with."""
        for (method, prefix), app in self._prefixes.items():
            if method == scope["method"] and scope["path"].startswith(prefix):
                return app
        return None

    def _no_route(self, scope: Scope) -> MoatError:
        methods = sorted(method for method, path in self._routes if path == scope["path"])
        if methods:
            error: MoatError = NotFound(f"{scope['path']} takes {' and '.join(methods)}, not {scope['method']}")
            error.status = 405
            return error
        known = sorted(f"{method} {path}" for method, path in self._routes if path.startswith("/v1"))
        return NotFound(f"there is no {scope['method']} {scope['path']}", remedy=f"There are: {', '.join(known)}.")

    async def _health(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Is the process alive? Touches nothing."""
        await respond(send, 200, b'{"status":"ok"}', [JSON])

    async def _ready(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Should traffic come here? Not while no call could be recorded: all would be refused. A server that is
        stopping takes no connections and so need not say it. What else is broken is told, and the last good of it
        served.
        """
        refusing = bool(self._spool.problem)
        problems = len(self._live.serving.problems) + refusing
        status = "refusing" if refusing else "degraded" if problems else "ready"
        body = msgspec.json.encode({"status": status, "problems": problems})
        await respond(send, 503 if refusing else 200, body, [JSON])

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        """What `moat.gateway.metrics` says, which the first scrape imports."""
        if self._page is None:
            from moat.gateway.metrics import Metrics

            self._page = Metrics(self._live, self._spool, self._measured)
        await self._page(scope, receive, send)


def _kept_apart(batches: App, feedback: App) -> dict[tuple[str, str], App]:
    """What one process answers for all: see `moat.gateway.handover`."""
    return {
        ("POST", "/v1/files"): batches,
        ("GET", "/v1/files"): batches,
        ("POST", "/v1/batches"): batches,
        ("GET", "/v1/batches"): batches,
        ("POST", "/v1/feedback"): feedback,
        ("POST", "/v1/feedback/links"): feedback,
    }


async def _no_batches(scope: Scope, receive: Receive, send: Send) -> None:
    raise NotFound("this server runs no batches")


def _error_body(scope: Scope, error: MoatError) -> bytes:
    """An error outside of any endpoint, in the format of those around its path."""
    if scope["path"].startswith("/v1beta/"):
        return gemini_errors.error_body(error)
    if scope["path"].startswith("/v1/messages"):
        return anthropic_answer.error_body(error)
    return openai_chat.error_body(error)
