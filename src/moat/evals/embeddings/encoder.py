"""The forward pass of a BERT encoder (Devlin et al. 2019, arXiv:1810.04805), in numpy."""

from typing import Any

import numpy as np

from moat.domain.errors import ConfigError
from moat.evals.embeddings.weights import Array

START, END = "[CLS]", "[SEP]"

_ERF = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)


def erf(x: Array) -> Array:
    """The error function of 32-bit numbers, to 1e-6 (Abramowitz and Stegun 1964, 7.1.26)."""
    t: Array = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * np.abs(x))
    total: Array = np.zeros_like(t)
    for factor in _ERF:
        total = (total + np.float32(factor)) * t
    size: Array = 1 - total * np.exp(-x * x)
    return np.copysign(size, x)


class Encoder:
    """Vectors of pieces in their context."""

    def __init__(self, weights: dict[str, Array], config: dict[str, Any], where: str) -> None:
        """Raises `ConfigError` when a tensor or a number is missing."""
        prefix = "bert." if "bert.embeddings.word_embeddings.weight" in weights else ""
        self._weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
        try:
            self._layers = int(config["num_hidden_layers"])
            self._heads = int(config["num_attention_heads"])
            self.longest = int(config.get("max_position_embeddings", 512))
            self._epsilon = float(config.get("layer_norm_eps", 1e-12))
            self.vectors(np.zeros(2, np.int64))
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(f"the model is not a whole BERT encoder: {error}", where=where) from None

    def vectors(self, ids: Any) -> Array:
        """One vector for each piece: of the last layer, shape (pieces, dimensions). No padding: one text at a time."""
        tensor = self._weights
        states = (
            tensor["embeddings.word_embeddings.weight"][ids]
            + tensor["embeddings.position_embeddings.weight"][: len(ids)]
            + tensor["embeddings.token_type_embeddings.weight"][0]
        )
        states = self._normed(states, "embeddings.LayerNorm")
        for layer in range(self._layers):
            states = self._layer(states, f"encoder.layer.{layer}")
        return states

    def _layer(self, states: Array, name: str) -> Array:
        attended = self._linear(self._attention(states, f"{name}.attention.self"), f"{name}.attention.output.dense")
        states = self._normed(states + attended, f"{name}.attention.output.LayerNorm")
        inner = self._linear(states, f"{name}.intermediate.dense")
        inner = inner * np.float32(0.5) * (1 + erf(inner / np.float32(np.sqrt(2.0))))  # GELU
        return self._normed(states + self._linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")

    def _attention(self, states: Array, name: str) -> Array:
        count, width = states.shape
        size = width // self._heads
        query, key, value = (
            self._linear(states, f"{name}.{part}").reshape(count, self._heads, size).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(size))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        mixed: Array = (shares @ value).transpose(1, 0, 2).reshape(count, width)
        return mixed

    def _linear(self, states: Array, name: str) -> Array:
        product: Array = states @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return product

    def _normed(self, states: Array, name: str) -> Array:
        mean = states.mean(axis=-1, keepdims=True)
        spread = np.sqrt(((states - mean) ** 2).mean(axis=-1, keepdims=True) + self._epsilon)
        normed: Array = (states - mean) / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return normed
