"""Google's methods of a model (`/v1beta/models/{model}:{method}`), and the list of models in its shape.

Google's SDK asks below `/v1beta` or `/v1`, as its version and settings say; both are offered.
"""

from operator import attrgetter
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec

from moat.domain.calls import new_id
from moat.domain.errors import MoatError, NotFound, RequestError
from moat.gateway.admission import authenticate, read_headers
from moat.gateway.endpoint import ModelEndpoint
from moat.gateway.format import MAX_NAME
from moat.gateway.formats.gemini import CountTokens, GenerateContent
from moat.gateway.formats.gemini_embeddings import EmbedContent
from moat.gateway.formats.gemini_errors import error_body
from moat.gateway.formats.openai_models import usable_models
from moat.gateway.http import JSON, App, Receive, Scope, Send, error_headers, respond
from moat.gateway.serving import Live

PATHS = ("/v1beta/models", "/v1/models")
"""Where the list of models is; a model follows after a slash."""
MAX_FIELDS = 20
"""Of a query."""
_MARKS = (b"x-goog-api-key", b"x-goog-api-client")
"""Headers of Google's clients."""


class GeminiApi:
    """Routes by the method that follows the model's name; the name may hold slashes and colons."""

    def __init__(self, live: Live, max_body: int) -> None:
        self._live = live

        def endpoint(format: GenerateContent | EmbedContent) -> ModelEndpoint:
            return ModelEndpoint(format, live, max_body, prefix=_PREFIX)

        self._array = endpoint(GenerateContent(stream=True, array=True))
        self._methods: dict[str, App] = {
            "generateContent": endpoint(GenerateContent()),
            "streamGenerateContent": endpoint(GenerateContent(stream=True)),
            "countTokens": ModelEndpoint(CountTokens(), live, max_body, prefix=_PREFIX, pipeline=attrgetter("count")),
            "embedContent": endpoint(EmbedContent()),
            "batchEmbedContents": endpoint(EmbedContent(batch=True)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, errors too."""
        try:
            query = _query(scope)
            scope = _plain(scope, query)
            if scope["method"] == "GET":
                await self._models(scope, send)
            else:
                await self._method(scope, query)(scope, receive, send)
        except MoatError as error:
            await respond(send, error.status, error_body(error), error_headers(error, new_id("req")))

    def _method(self, scope: Scope, query: dict[str, str]) -> App:
        method = scope["path"].rpartition(":")[2]
        if method == "streamGenerateContent" and _alt(query) == "json":
            return self._array
        if method not in self._methods:
            what = f"there is no method {method[:MAX_NAME]!r} of a model"
            raise NotFound(what, remedy=f"There are: {', '.join(self._methods)}.")
        return self._methods[method]

    async def _models(self, scope: Scope, send: Send) -> None:
        """All models the key may use, on one page; or one by its name."""
        serving = self._live.serving
        names = usable_models(serving, authenticate(read_headers(scope), serving.keys))
        asked = scope["path"].removeprefix(_PREFIX)
        if not asked:
            await respond(send, 200, msgspec.json.encode({"models": [_model(name) for name in names]}), [JSON])
            return
        name = next((name for name in names if name in (asked, unquote(asked))), None)
        if name is None:
            raise NotFound(f"no model {asked[:MAX_NAME]!r}", where="model", remedy=f"There are: {', '.join(names)}.")
        await respond(send, 200, msgspec.json.encode(_model(name)), [JSON])


_PREFIX = "models/"


def by_client(google: App, others: App) -> App:
    """For a path that two APIs have: Google's clients show themselves by their headers, or a key in the query."""

    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        marked = any(name in _MARKS for name, _ in scope["headers"]) or "key" in _query(scope)
        await (google if marked else others)(scope, receive, send)

    return route


def _model(name: str) -> dict[str, str | list[str]]:
    methods = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]
    return {"name": f"models/{name}", "displayName": name, "supportedGenerationMethods": methods}


def _query(scope: Scope) -> dict[str, str]:
    try:
        return dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=MAX_FIELDS))
    except ValueError:
        raise RequestError(f"the query has more than {MAX_FIELDS} fields") from None


def _alt(query: dict[str, str]) -> str:
    """How a stream is framed. Raises `RequestError` for a frame that is not offered."""
    alt = query.get("alt") or query.get("$alt") or "json"
    if alt not in ("sse", "json"):
        raise RequestError("must be `sse` or `json`", where="alt")
    return alt


def _plain(scope: Scope, query: dict[str, str]) -> Scope:
    """The path from `models/` on. A key in the query is one in the header, and stands nowhere else from here on."""
    root = next(path for path in PATHS if scope["path"].startswith(path))
    name = scope["path"][len(root) :].removeprefix("/")
    headers = scope["headers"]
    if key := query.pop("key", ""):
        headers = [*headers, (b"x-goog-api-key", key.encode())]
    return {**scope, "path": _PREFIX + name, "query_string": urlencode(query).encode(), "headers": headers}
