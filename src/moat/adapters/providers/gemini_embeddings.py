"""Embeddings by Google, asked for and answered in OpenAI's format.

The Gemini API has `batchEmbedContents` (https://ai.google.dev/api/embeddings). Vertex AI has the same, and another for
one text, for models of the Gemini family, and `predict` for older ones, as Google's SDK chooses.
"""

import base64
import struct
from typing import Any, NamedTuple

import msgspec

from moat.adapters.providers.gemini_answer import usage_of
from moat.domain.calls import Call, Delta, Finished
from moat.domain.errors import ProviderDown, Unsupported
from moat.domain.usage import Usage
from moat.pipeline.estimates import input_tokens

Json = dict[str, Any]

_KNOWN = {"input", "dimensions", "encoding_format", "user", "google"}
_NOTHING = msgspec.Raw(b"null")


class Asked(NamedTuple):
    """A request: the method that comes after the model's name, and its body."""

    method: str
    body: Json


def ask(call: Call, *, vertex: bool) -> Asked:
    """The request for the embeddings that `call` wants. Raises `Unsupported`."""
    assert call.deployment is not None, "Attempts sets the deployment"
    params, model = call.params, call.deployment.model
    if unknown := sorted(name for name in params.keys() - _KNOWN if params[name] is not None):
        raise Unsupported(f"Gemini has no counterpart of {unknown[0]!r}", where=unknown[0])
    options = params.get("google") or {}
    if not isinstance(options, dict):
        raise Unsupported("must be an object", where="google")
    if dimensions := params.get("dimensions"):
        options = {**options, "outputDimensionality": dimensions}
    contents = [{"parts": [{"text": text}]} for text in _texts(params)]
    if not vertex:
        name = model if "/" in model else f"models/{model}"
        return Asked(
            "batchEmbedContents", {"requests": [{"model": name, "content": one, **options} for one in contents]}
        )
    if "gemini" not in model:
        return _predict(_texts(params), options)
    requests = [{"content": one, **({"embedContentConfig": options} if options else {})} for one in contents]
    if len(requests) == 1:
        return Asked("embedContent", requests[0])
    return Asked("batchEmbedContents", {"requests": requests})


def _predict(texts: list[str], options: Json) -> Asked:
    names = {"taskType": "task_type", "title": "title"}
    each = {ours: options[name] for name, ours in names.items() if name in options}
    body: Json = {"instances": [{"content": text, **each} for text in texts]}
    if parameters := {name: value for name, value in options.items() if name not in names}:
        body["parameters"] = parameters
    return Asked("predict", body)


def _texts(params: Json) -> list[str]:
    wanted = params.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Unsupported("Gemini embeds texts, not tokens: a text, or a list of some", where="input")
    return texts


class _Statistics(msgspec.Struct):
    token_count: float = 0


class _Embedding(msgspec.Struct):
    values: list[float]
    statistics: _Statistics | None = None


class _Prediction(msgspec.Struct):
    embeddings: _Embedding


class _Answer(msgspec.Struct, rename="camel"):
    """Of all three methods."""

    embedding: _Embedding | None = None
    embeddings: list[_Embedding] = []
    predictions: list[_Prediction] = []
    usage_metadata: msgspec.Raw = _NOTHING

    @property
    def found(self) -> list[_Embedding]:
        """In the order of the texts."""
        one = [self.embedding] if self.embedding else []
        return one or self.embeddings or [prediction.embeddings for prediction in self.predictions]


_decode = msgspec.json.Decoder(_Answer).decode


def read_answer(call: Call, data: bytes, *, where: str) -> tuple[Delta, Finished]:
    """OpenAI's answer from Google's. Raises `ProviderDown` for what is none, or not one vector for each text."""
    assert call.deployment is not None, "Attempts sets the deployment"
    try:
        answer = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is not an answer: {error}", where=where) from None
    found = answer.found
    if len(found) != len(_texts(call.params)):
        raise ProviderDown(f"sent {len(found)} embeddings for {len(_texts(call.params))} texts", where=where)
    counted = sum(int(one.statistics.token_count) for one in found if one.statistics)
    usage = usage_of(answer.usage_metadata) or (Usage(input=counted) if counted else None)
    usage = usage or Usage(input=input_tokens(call), estimated=True)
    packed = call.params.get("encoding_format") == "base64"
    body = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _pack(one.values) if packed else one.values}
            for index, one in enumerate(found)
        ],
        "model": call.deployment.model,
        "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
    }
    return Delta(raw=msgspec.json.encode(body)), Finished(reason="stop", usage=usage, model=call.deployment.model)


def _pack(values: list[float]) -> str:
    """Floats of 32 bits, little-endian, in base64: OpenAI's other encoding."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
