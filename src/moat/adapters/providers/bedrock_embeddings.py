"""Embeddings through Bedrock's InvokeModel, asked for and answered in OpenAI's format.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html (Cohere).
"""

import base64
import struct
from typing import Any

import msgspec

from moat.domain.calls import Call, Delta, Finished
from moat.domain.errors import ProviderDown, Unsupported
from moat.domain.usage import Usage

Json = dict[str, Any]

COUNT_HEADER = "x-amzn-bedrock-input-token-count"
_KNOWN = {"input", "dimensions", "encoding_format", "user", "bedrock", "input_type"}


class _Titan(msgspec.Struct, rename="camel"):
    embedding: list[float]
    input_text_token_count: int | None = None


class _ByType(msgspec.Struct):
    float: list[list[float]]


class _Cohere(msgspec.Struct):
    embeddings: list[list[float]] | _ByType


def request(call: Call) -> Json:
    """The body for the model's maker. Raises `Unsupported`."""
    params, texts = call.params, _texts(call)
    if unknown := sorted(name for name in params.keys() - _KNOWN if params[name] is not None):
        raise Unsupported(f"Bedrock has no counterpart of {unknown[0]!r}", where=unknown[0])
    own = params.get("bedrock") or {}
    if not isinstance(own, dict):
        raise Unsupported("must be an object", where="bedrock")
    dimensions = params.get("dimensions")
    if _is_cohere(call):
        sized = {"output_dimension": dimensions} if dimensions else {}
        kind = params.get("input_type") or "search_document"
        return {"texts": texts, "input_type": kind, "embedding_types": ["float"], **sized, **own}
    if len(texts) > 1:
        # Each text is a request of its own there, and each request one attempt in the ledger.
        raise Unsupported("Titan embeds one text at a time: send one, or ask a model of Cohere", where="input")
    return {"inputText": texts[0], **({"dimensions": dimensions} if dimensions else {}), **own}


def read_answer(call: Call, raw: bytes, headers: dict[str, str], *, where: str) -> tuple[Delta, Finished]:
    """OpenAI's answer. Raises `ProviderDown` for what is none, or not one vector for each text."""
    assert call.deployment is not None, "Attempts sets the deployment"
    vectors, count = _vectors(raw, _is_cohere(call), where)
    if len(vectors) != len(_texts(call)):
        raise ProviderDown(f"sent {len(vectors)} embeddings for {len(_texts(call))} texts", where=where)
    told = headers.get(COUNT_HEADER, "")
    if count is None and told.isascii() and told.isdigit():
        count = int(told)
    usage = Usage(input=count) if count is not None else None
    packed = call.params.get("encoding_format") == "base64"
    body = {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
            for index, vector in enumerate(vectors)
        ],
        "model": call.deployment.model,
        "usage": {"prompt_tokens": count or 0, "total_tokens": count or 0},
    }
    return Delta(raw=msgspec.json.encode(body)), Finished(reason="stop", usage=usage)


def _vectors(raw: bytes, cohere: bool, where: str) -> tuple[list[list[float]], int | None]:
    try:
        if cohere:
            found = msgspec.json.decode(raw, type=_Cohere).embeddings
            return found.float if isinstance(found, _ByType) else found, None
        titan = msgspec.json.decode(raw, type=_Titan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderDown(f"sent something that is no embedding: {error}", where=where) from None
    return [titan.embedding], titan.input_text_token_count


def _texts(call: Call) -> list[str]:
    wanted = call.params.get("input")
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise Unsupported("Bedrock embeds texts, not tokens: a text, or a list of some", where="input")
    return texts


def _is_cohere(call: Call) -> bool:
    assert call.deployment is not None, "Attempts sets the deployment"
    model = f".{call.deployment.model.rpartition('/')[2]}"
    if ".cohere.embed" not in model and ".amazon.titan-embed" not in model:
        raise Unsupported("embeddings come from Titan and Cohere models", where="model")
    return ".cohere." in model


def _pack(values: list[float]) -> str:
    """Floats of 32 bits, little-endian, in base64: OpenAI's other encoding."""
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()
