"""Embeddings by hash, with no model: texts that share words are near, others are not. Simulated, and good for nothing
but demos and tests.
"""

import base64
import hashlib
import math
import re
import struct
from typing import Any

from moat.domain.errors import ProviderRefused

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 8192

_WORD = re.compile(r"\w+")
_PLACES = 4
"""Dimensions that one word touches."""


def embed(text: str, dimensions: int = DEFAULT_DIMENSIONS) -> list[float]:
    """A vector of length 1, always the same for the same words (feature hashing, Weinberger et al., 2009)."""
    vector = [0.0] * dimensions
    for word in _WORD.findall(text.lower()) or [text]:
        digest = hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=4 * _PLACES).digest()
        for place in struct.unpack(f"<{_PLACES}I", digest):
            vector[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(value * value for value in vector))
    if not length:  # its words have cancelled each other out
        return [1.0, *vector[1:]]
    return [value / length for value in vector]


def embeddings_body(params: dict[str, Any], model: str, *, characters_per_token: float, where: str) -> dict[str, Any]:
    """The answer to a request in OpenAI's format. Raises `ProviderRefused`."""
    texts = _texts(params.get("input"), where)
    dimensions = params.get("dimensions") or DEFAULT_DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise ProviderRefused(f"dimensions must be 1 to {MAX_DIMENSIONS}", where=where)
    vectors = [embed(text, dimensions) for text in texts]
    packed = params.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _pack(vector) if packed else vector}
        for index, vector in enumerate(vectors)
    ]
    tokens = math.ceil(sum(len(text) for text in texts) / characters_per_token)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def _texts(asked: Any, where: str) -> list[str]:
    """One text or several; a list of numbers is a text as tokens."""
    if isinstance(asked, str):
        return [asked]
    if isinstance(asked, list) and asked:
        if all(isinstance(item, int) for item in asked):
            return [" ".join(map(str, asked))]
        if all(isinstance(item, str | list) for item in asked):
            return [item if isinstance(item, str) else " ".join(map(str, item)) for item in asked]
    raise ProviderRefused("input must be a text, a list of texts, or tokens", where=where)


def _pack(vector: list[float]) -> str:
    """Base64 of 32-bit floats, little-endian: what the official SDK asks for."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
