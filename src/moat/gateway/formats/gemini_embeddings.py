"""The wire formats of Gemini's embeddings (https://ai.google.dev/api/embeddings), over OpenAI's."""

from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Event, Finished, Operation, Wire
from moat.domain.errors import MoatError, ProviderDown, RequestError
from moat.gateway.format import Encoder, Incoming, Request, read_object
from moat.gateway.formats.gemini import named_model
from moat.gateway.formats.gemini_errors import error_body
from moat.gateway.formats.gemini_shape import Json, camel
from moat.gateway.http import JSON, Headers


class EmbedContent:
    """`moat.gateway.format.Format` of `embedContent` and `batchEmbedContents`."""

    wire: Wire = "openai"
    operation: Operation = "embeddings"

    def __init__(self, *, batch: bool = False) -> None:
        self._batch = batch

    def parse(self, incoming: Incoming) -> Request:
        """Raises `RequestError` with the member at fault."""
        model, prompt = named_model(incoming.path)
        if prompt is not None:
            raise RequestError("embeddings are made by a model, not by a prompt", where="model")
        data = camel(read_object(incoming.body))
        requests = data.get("requests") if self._batch else [data]
        if not isinstance(requests, list) or not requests or not all(isinstance(one, dict) for one in requests):
            raise RequestError("must be a list of objects, not empty", where="requests")
        texts = [_text(one.get("content"), _place(self._batch, at, "content")) for at, one in enumerate(requests)]
        options = [_options(one) for one in requests]
        if any(one != options[0] for one in options):
            raise RequestError("must have the same options, all of them", where="requests")
        return Request(model=model, params={"input": texts, **_params(options[0])})

    def encoder(self, call: Call) -> Encoder:
        """There are no streamed embeddings."""
        raise AssertionError("never asked for")

    def body(self, call: Call, events: list[Event]) -> tuple[bytes, Headers]:
        """Google's answer from OpenAI's."""
        raw = next((event.raw for event in events if isinstance(event, Delta) and event.raw), b"")
        try:
            vectors = [one.embedding for one in sorted(_decode(raw).data, key=lambda one: one.index)]
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderDown("sent something that are no embeddings") from None
        embeddings = [{"values": vector} for vector in vectors]
        body: Json = {"embeddings": embeddings} if self._batch else {"embedding": next(iter(embeddings), {})}
        usage = next((event.usage for event in events if isinstance(event, Finished)), None)
        if usage is not None:
            body["usageMetadata"] = {"promptTokenCount": usage.input, "totalTokenCount": usage.input}
        return msgspec.json.encode(body), [JSON]

    def error(self, error: MoatError) -> bytes:
        """See `error_body`."""
        return error_body(error)


class _One(msgspec.Struct):
    index: int = 0
    embedding: list[float] = []


class _Answer(msgspec.Struct):
    data: list[_One]


_decode = msgspec.json.Decoder(_Answer).decode


def _place(batch: bool, at: int, name: str) -> str:
    return f"requests[{at}].{name}" if batch else name


def _options(request: Json) -> Json:
    """Everything but the content; the model stands in the path. Google's SDK puts some of it one level deeper."""
    options = {name: value for name, value in request.items() if name not in ("content", "model")}
    config = options.pop("embedContentConfig", None) or {}
    return {**options, **config} if isinstance(config, dict) else options


def _params(options: Json) -> Json:
    """OpenAI has `dimensions`; the rest only Google's models heed."""
    dimensions = options.pop("outputDimensionality", None)
    params: Json = {} if dimensions is None else {"dimensions": dimensions}
    return params | ({"google": options} if options else {})


def _text(content: Any, where: str) -> str:
    if isinstance(content, str):
        return content
    parts = content.get("parts") if isinstance(content, dict) else None
    texts = [part.get("text") if isinstance(part, dict) else None for part in parts] if isinstance(parts, list) else []
    said = [text for text in texts if isinstance(text, str)]
    if not said or len(said) < len(texts):
        raise RequestError("must have parts, all of them text", where=where)
    return "".join(said)
