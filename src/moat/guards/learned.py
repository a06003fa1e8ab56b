"""Small linear models over words and their neighbours, scored in plain Python.

A model is a dictionary from n-grams to weights, so that a text of 2 KB costs some ten microseconds and nothing heavy is
imported. `bench/guards/fitting.py` fits them.
"""

import gzip
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import pairwise, repeat
from math import exp
from operator import add

import msgspec

from moat.guards.remembered import Remembered

SEPARATED = {code: " " for code in range(128) if not chr(code).isalnum()}
"""For `str.translate` of ASCII: everything but letters and digits is a space."""
_RUNS = re.compile(r"[^\W_]+")
_SPACELESS = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)
MAX_EXPONENT = 60.0
STRANGE = 0.25
HOPELESS = -60.0
"""Log odds of what nothing hints at."""
DOUBTFUL = -6.0
"""Log odds from which it matters whether anything does."""


def words(folded: str) -> list[str]:
    """Words of a folded text, in order: runs of letters and digits.

    Scripts that are written without spaces, and Hangul, give pairs of neighbouring characters.
    """
    if folded.isascii():
        return folded.translate(SEPARATED).split()
    found: list[str] = []
    for run in _RUNS.findall(folded):
        if run.isascii() or not _SPACELESS.search(run):
            found.append(run)
        else:
            found += _spaceless_words(run)
    return found


def _spaceless_words(run: str) -> list[str]:
    found: list[str] = []
    at = 0
    for match in _SPACELESS.finditer(run):
        if match.start() > at:
            found.append(run[at : match.start()])
        part = match.group()
        found += map(add, part, part[1:]) if len(part) > 1 else part
        at = match.end()
    if at < len(run):
        found.append(run[at:])
    return found


class Weights(msgspec.Struct, frozen=True, kw_only=True):
    """A model as it is stored: gzipped JSON."""

    bias: float
    scale: float
    """Value of one step of a weight."""
    power: float
    """The sum of the weights is divided by (number of words) ** power: 0 for none, 0.5 for what L2 normalisation does
    to texts of unlike length."""
    once: bool = False
    """An n-gram counts once, however often it stands there: who repeats harmless words hides nothing."""
    stem: int = 0
    """So many letters of the beginning of each different word count by themselves, as `letters~`, shorter words as they
    are; 0: none do."""
    hint: float = 0.0
    """What the words that speak for it must weigh together; else nothing more is looked at, to save time. Whatever
    words stand beside them do not hide them."""
    ngrams: dict[str, int]
    """Words of an n-gram, one space between, -> steps."""


def _weights(words: dict[str, float], beginnings: dict[str, float], length: int, strange: float) -> Remembered[float]:
    """Of words. One that is not known weighs what its beginning of `length` letters does, or else `strange`."""
    return Remembered(lambda word: beginnings.get(word[:length], strange), words)


def _positive(weights: dict[str, float], scale: float) -> dict[str, float]:
    return {name: max(0.0, weight * scale) for name, weight in weights.items()}


class Model:
    """Log-linear: the probability that a text is of the kind the model was trained for."""

    def __init__(self, weights: Weights) -> None:
        self._bias = weights.bias
        self._scale = weights.scale
        self._power = weights.power
        self._once = weights.once
        self._stem = weights.stem
        self._hint = weights.hint
        # Weights are kept in steps, whole numbers: their sum is the same in whatever order they come.
        self._singles: dict[str, int] = {}
        stems: dict[str, float] = {}
        self._pairs: dict[tuple[str, ...], int] = {}
        self._triples: dict[tuple[str, ...], int] = {}
        # A word is one object wherever it is known: what is the same need not be compared.
        for ngram, steps in weights.ngrams.items():
            if self._stem and ngram.endswith("~"):
                stems[ngram[:-1]] = steps
            elif " " not in ngram:
                self._singles[sys.intern(ngram)] = steps
            else:
                parts = tuple(map(sys.intern, ngram.split(" ")))
                (self._pairs if len(parts) == 2 else self._triples)[parts] = steps
        if self._stem:
            words = {word: weight + stems.get(word[: self._stem], 0) for word, weight in self._singles.items()}
            self._words = _weights(words, stems, self._stem, 0)
            # What speaks against it is no hint, and words that nobody knows may mean anything.
            hints, begun = (_positive(weights, self._scale) for weights in (words, stems))
            self._hints = _weights(hints, begun, self._stem, STRANGE)
        self._known = frozenset(self._pairs)
        used = Counter(word for parts in (*self._pairs, *self._triples) for word in parts)
        self._rare = frozenset(min(parts, key=used.__getitem__) for parts in self._triples)
        """A word of each triple, one that few n-grams have: a text without any of them has no triple."""

    @staticmethod
    @cache
    def load(name: str) -> "Model":
        """The model `models/<name>.json.gz` of this package; read once."""
        packed = files("moat.guards.models").joinpath(f"{name}.json.gz").read_bytes()
        return Model(msgspec.json.decode(gzip.decompress(packed), type=Weights))

    def logit(self, words: Sequence[str], marks: Iterable[str] = ()) -> float:
        """Log odds. `marks` are features that are not words: each counts by itself, once."""
        unlike_words = set(words) if self._once else words
        if self._stem:
            total = sum(map(self._words.__getitem__, unlike_words))
        else:
            total = sum(map(self._singles.get, unlike_words, repeat(0)))
        if self._once and len(words) - len(unlike_words) > 1:
            # `intersection` takes what `pairwise` gives without keeping a tuple for each pair.
            if known := self._known.intersection(pairwise(words)):
                total += sum(map(self._pairs.__getitem__, known))
        elif self._pairs:  # no pair comes twice, or each time counts
            total += sum(map(self._pairs.get, pairwise(words), repeat(0)))
        if self._triples and not self._rare.isdisjoint(words):
            triples = zip(words, words[1:], words[2:], strict=False)
            total += sum(map(self._triples.get, {*triples} if self._once else triples, repeat(0)))
        total *= self._scale
        if self._power and words:
            total /= len(words) ** self._power
        logit = self._bias + total
        if marks:
            logit += self.marked(marks)
        return HOPELESS if self._hint and logit > DOUBTFUL and self.hint(unlike_words) < self._hint else logit

    def hint(self, words: Collection[str]) -> float:
        """What the words weigh that speak for it; for models that know beginnings of words."""
        return sum(map(self._hints.__getitem__, words))

    def marked(self, marks: Iterable[str]) -> float:
        """What marks add to the log odds."""
        return self._scale * sum(map(self._singles.get, marks, repeat(0)))

    def weight(self, word: str) -> float:
        """Of one word; 0 when the model does not know it."""
        return self._scale * self._singles.get(word, 0)

    def worst(self, words: Sequence[str]) -> float:
        """The highest weight of a single word; of none there must not be less than one."""
        return self._scale * max(map(self._singles.get, words, repeat(0)))

    def score(self, words: Sequence[str], marks: Iterable[str] = ()) -> float:
        """Probability, 0 to 1."""
        return probability(self.logit(words, marks))


def probability(logit: float) -> float:
    """Of log odds."""
    return 1.0 / (1.0 + exp(min(MAX_EXPONENT, -logit)))
