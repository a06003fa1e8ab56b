"""Fits the linear models of `moat.guards.learned`, and writes them.

Logistic regression on counts of word n-grams, with L2; then the small weights are dropped and the rest are rounded, so
that what is shipped is what is measured.
"""

import gzip
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.optimize import Bounds, minimize
from scipy.sparse import csr_matrix
from scipy.special import expit

from moat.guards.learned import Model, Weights

MODELS = Path(__file__).parents[2] / "src/moat/guards/models"
STEPS = 200
"""Weights are rounded to 1/STEPS of the largest."""


class Example(NamedTuple):
    """One text to learn from: what `Model.score` is given for it."""

    words: Sequence[str]
    positive: bool
    marks: Sequence[str] = ()
    weight: float = 1.0


class Options(NamedTuple):
    """How a model is fitted."""

    order: int = 2
    """Longest n-gram in words: 1, 2 or 3."""
    power: float = 0.0
    """As in `Weights.power`."""
    once: bool = False
    """As in `Weights.once`."""
    stem: int = 0
    """As in `Weights.stem`."""
    min_count: int = 3
    """N-grams in fewer examples are left out."""
    strength: float = 1.0
    """Of the L2 penalty."""
    rounds: int = 200
    """Of the optimiser, at most."""
    least: float = -np.inf
    """The smallest weight. A bound keeps harmless words from hiding others that stand beside them."""
    mark: float = 1.0
    """How much a mark counts while it is learned from: less than a word, and words are preferred."""
    most: int = 40_000
    """N-grams kept: those whose weights matter most."""


def ngrams(example: Example, options: Options) -> Counter[str]:
    """Counts of all n-grams up to the order, and of beginnings of words."""
    words = example.words
    found = Counter(words)
    for size in range(2, options.order + 1):
        found.update(map(" ".join, zip(*(words[at:] for at in range(size)), strict=False)))
    if options.once:
        found = Counter(found.keys())
    if options.stem:
        found.update(word[: options.stem] + "~" for word in set(words))
    return found


def fit(examples: Sequence[Example], options: Options | None = None) -> Weights:
    """The model of these examples. Both classes weigh the same in sum."""
    options = options or Options()
    counts = [ngrams(example, options) for example in examples]
    seen: Counter[str] = Counter()
    for example, count in zip(examples, counts, strict=True):
        seen.update(count.keys())
        seen.update(set(example.marks))
    index = {ngram: at for at, ngram in enumerate(sorted(n for n, c in seen.items() if c >= options.min_count))}
    matrix = _matrix(examples, counts, index, options)
    signs = np.array([1.0 if example.positive else -1.0 for example in examples])
    share = np.array([example.weight for example in examples])
    for sign in (1.0, -1.0):
        share[signs == sign] *= len(examples) / 2 / share[signs == sign].sum()
    found, bias = _minimise(matrix, signs, share, options)
    if options.mark != 1.0:
        marks = {mark for example in examples for mark in example.marks}
        found = found * np.array([options.mark if name in marks else 1.0 for name in index])
    use = np.asarray(abs(matrix).sum(axis=0)).ravel()
    kept = np.argsort(-np.abs(found) * np.sqrt(use))[: options.most]
    names = list(index)
    scale = float(np.abs(found[kept]).max()) / STEPS
    steps = {names[at]: round(float(found[at]) / scale) for at in sorted(kept)}
    return Weights(
        bias=round(bias, 4),
        scale=scale,
        power=options.power,
        once=options.once,
        stem=options.stem,
        ngrams={name: step for name, step in steps.items() if step != 0},
    )


def _matrix(
    examples: Sequence[Example], counts: Sequence[Counter[str]], index: dict[str, int], options: Options
) -> "csr_matrix[np.float64]":
    rows, columns, values = [], [], []
    for row, (example, count) in enumerate(zip(examples, counts, strict=True)):
        share = max(1, len(example.words)) ** -options.power
        known = {index[ngram]: times * share for ngram, times in count.items() if ngram in index}
        known |= {index[mark]: options.mark for mark in example.marks if mark in index}
        for column in sorted(known):
            rows.append(row)
            columns.append(column)
            values.append(known[column])
    return csr_matrix((values, (rows, columns)), shape=(len(examples), len(index)))


def _minimise(
    matrix: "csr_matrix[np.float64]", signs: np.ndarray, share: np.ndarray, options: Options
) -> tuple[np.ndarray, float]:
    transposed = matrix.T.tocsr()

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = point[:-1], point[-1]
        margin = signs * (matrix @ weights + bias)
        pull = -share * signs * expit(-margin)
        value = float((share * np.logaddexp(0.0, -margin)).sum() + options.strength / 2 * (weights @ weights))
        return value, np.append(transposed @ pull + options.strength * weights, pull.sum())

    bounded = options.least > -np.inf
    best = minimize(
        loss,
        np.zeros(matrix.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(np.append(np.full(matrix.shape[1], options.least), -np.inf), np.inf) if bounded else None,
        options={"maxiter": options.rounds},
    )
    return best.x[:-1], float(best.x[-1])


def store(name: str, weights: Weights, folder: Path = MODELS) -> Path:
    """Write it, by default where `Model.load(name)` finds it. The same weights give the same bytes."""
    target = folder / f"{name}.json.gz"
    target.write_bytes(gzip.compress(msgspec.json.encode(weights, order="sorted"), compresslevel=9, mtime=0))
    return target


def stored(name: str, folder: Path) -> Model:
    """A model from another folder than the package's."""
    packed = (folder / f"{name}.json.gz").read_bytes()
    return Model(msgspec.json.decode(gzip.decompress(packed), type=Weights))
