"""An embedding model that lies in a directory."""

import asyncio
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from moat.domain.calls import Call
from moat.domain.errors import ConfigError
from moat.evals.embeddings.encoder import END, START, Encoder
from moat.evals.embeddings.weights import Array, read_weights
from moat.evals.embeddings.wordpiece import WordPiece, read_wordpiece
from moat.ports.embedder import Embedding

MODEL, TOKENIZER, CONFIG = "model.safetensors", "tokenizer.json", "config.json"
POOLING = Path("1_Pooling/config.json")
MAX_PIECES = 256
"""Of a text: models of sentences are trained on no more."""
MAX_STATIC_PIECES = 5000
HOW = (
    f"A model is a directory with {CONFIG}, {TOKENIZER} and {MODEL}, as Hugging Face keeps them: a BERT encoder such "
    "as all-MiniLM-L6-v2, or one of model2vec's. Nothing is downloaded: put it there yourself."
)


class Pieces(NamedTuple):
    """A text's pieces, each with its vector of length 1."""

    pieces: list[str]
    vectors: Array


class LocalModel:
    """Implements `moat.ports.embedder.Embedder`. Texts are cut after `MAX_PIECES` pieces of words."""

    def __init__(self, directory: Path, digest: str) -> None:
        """Read the model. Raises `ConfigError` for one that is not whole or of another kind."""
        self.name = directory.name
        self._space = digest
        config = _json(directory / CONFIG)
        self._words: WordPiece = read_wordpiece(directory / TOKENIZER)
        weights = read_weights(directory / MODEL)
        self._table = weights.get("embeddings")
        self._weights = weights.get("weights")
        self._rows = weights.get("mapping")
        self._encoder = None if self._table is not None else Encoder(weights, config, str(directory / MODEL))
        pooling = _json(directory / POOLING) if (directory / POOLING).is_file() else {}
        self._by_first = bool(pooling.get("pooling_mode_cls_token"))
        self._most = min(MAX_PIECES, self._encoder.longest) - 2 if self._encoder else MAX_STATIC_PIECES

    async def embed(self, text: str, call: Call) -> Embedding:
        """In a thread: it takes some milliseconds."""
        vector = await asyncio.to_thread(self.vector, text)
        return Embedding(self._space, vector)  # type: ignore[arg-type]  # an array is a sequence of numbers

    def vector(self, text: str) -> Array:
        """The text's vector, of length 1; of zeros for a text without a known piece in a static model."""
        pieces = self.pieces_of(text)
        if self._encoder is None:
            rows = self._static(pieces)
            return _unit(rows.mean(axis=0) if len(rows) else np.zeros(rows.shape[1], np.float32))
        states = self._states(pieces, self._encoder)
        return _unit(states[0] if self._by_first else states.mean(axis=0))

    def pieces(self, text: str) -> Pieces:
        """Each piece's own vector, in its context where the model knows one."""
        pieces = self.pieces_of(text)
        rows = self._static(pieces) if self._encoder is None else self._states(pieces, self._encoder)[1:-1]
        return Pieces(pieces, rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12))

    def pieces_of(self, text: str) -> list[str]:
        """The text cut into pieces, without vectors."""
        pieces = self._words.pieces(text, self._most)
        return pieces if self._encoder else [piece for piece in pieces if piece != self._words.unknown]

    def _states(self, pieces: list[str], encoder: Encoder) -> Array:
        return encoder.vectors(np.array(self._words.ids([START, *pieces, END]), np.int64))

    def _static(self, pieces: list[str]) -> Array:
        assert self._table is not None, "a static model has a table"
        ids = np.array(self._words.ids(pieces), np.int64)
        rows = self._table[ids if self._rows is None else self._rows[ids].astype(np.int64)]
        return rows if self._weights is None else rows * self._weights[ids][:, None]


def digest_of(directory: Path) -> str:
    """SHA-256 over the files that a model is made of. Raises `ConfigError` when one is missing."""
    missing = [name for name in (CONFIG, TOKENIZER, MODEL) if not (directory / name).is_file()]
    if missing:
        raise ConfigError(f"no model: there is no {', '.join(missing)}", where=str(directory), remedy=HOW)
    return _digest(directory, tuple((directory / name).stat().st_mtime_ns for name in (CONFIG, TOKENIZER, MODEL)))


@lru_cache(4)
def _digest(directory: Path, changed: tuple[int, ...]) -> str:
    content = hashlib.sha256()
    for name in (CONFIG, TOKENIZER, MODEL):
        with (directory / name).open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256:{content.hexdigest()}"


@lru_cache(2)
def load_model(directory: Path, digest: str) -> LocalModel:
    """The model in a directory, which has this digest; the last two stay in memory."""
    return LocalModel(directory, digest)


def _json(path: Path) -> dict[str, Any]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError) as error:
        raise ConfigError(f"cannot be read: {error}", where=str(path)) from None


def _unit(vector: Array) -> Array:
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if length else vector
