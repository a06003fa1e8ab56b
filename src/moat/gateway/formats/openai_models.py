"""`GET /v1/models` and `GET /v1/models/{id}`: what a key may name as a model."""

import msgspec

from moat.domain.errors import NotFound
from moat.domain.keys import Key
from moat.gateway.admission import authenticate, read_headers
from moat.gateway.format import MAX_NAME
from moat.gateway.formats.openai_chat import MODEL_PREFIX
from moat.gateway.http import JSON, Receive, Scope, Send, respond
from moat.gateway.serving import Live, Serving

PATH = "/v1/models"


def usable_models(serving: Serving, key: Key) -> list[str]:
    """Model aliases the key may use, then released prompts, which can be named as models."""
    aliases = [alias for alias in serving.aliases if not key.models or alias in key.models]
    prompts = [
        f"{MODEL_PREFIX}{prompt}"
        for prompt in serving.released
        if not key.environment or prompt.endswith(f"@{key.environment}")
    ]
    return [*aliases, *prompts]


class ModelList:
    """Answers in OpenAI's shape, both for the list and for one model by its name."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A name may hold slashes. Raises `NotFound` for one that the key may not use."""
        serving = self._live.serving
        names = usable_models(serving, authenticate(read_headers(scope), serving.keys))
        if scope["path"] == PATH:
            body = msgspec.json.encode({"object": "list", "data": [_model(name) for name in names]})
        else:
            body = msgspec.json.encode(_model(_find(scope["path"].removeprefix(f"{PATH}/"), names)))
        await respond(send, 200, body, [JSON])


def _find(asked: str, names: list[str]) -> str:
    if asked not in names:
        raise NotFound(
            f"no model {asked[:MAX_NAME]!r}", where="model", remedy=f"There are: {', '.join(names) or 'none'}."
        )
    return asked


def _model(name: str) -> dict[str, str | int]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "moat"}
