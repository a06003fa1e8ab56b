"""Cases that say nearly the same: within a dataset, across its splits, and in the prompt's own examples.

A text is the set of its words and of its pairs of neighbouring words, and two texts are as similar as their sets
(Jaccard). All pairs above a threshold are found, none is guessed: two sets that share that much share a word among
their rarest ones, so that only cases with a rare word in common are compared (prefix filtering; Bayardo, Ma, Srikant:
Scaling up all pairs similarity search, WWW 2007; Xiao et al.: Efficient similarity joins, WWW 2008).
"""

import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import chain, pairwise
from typing import Any

import msgspec

from moat.domain.releases import PromptVersion
from moat.domain.scores import Case

THRESHOLD = 0.8
LEAKED = 0.6
"""Share of a case's triples of words that stand in one text of the prompt, from which it counts as leaked."""
MIN_TRIPLES = 3
MAX_WORDS = 400
"""Of one text; what comes later is not looked at."""
MAX_PAIRS = 10_000

_WORDS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|\w+")
"""Words; where they are written without spaces, single characters."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two cases that are nearly the same."""

    first: str
    second: str
    similarity: float
    """0.8 to 1; 1 for the same words."""
    splits: tuple[str, str]

    @property
    def leaks(self) -> bool:
        """Do they stand in two splits, so that what is learnt on one is known in the other?"""
        return self.splits[0] != self.splits[1]


class Leak(msgspec.Struct, frozen=True, kw_only=True):
    """A case that the prompt itself contains."""

    case: str
    where: str
    """`message 2`, counted from 1, or `partial NAME`."""
    share: float
    """Of the case's triples of words."""


def near_duplicates(cases: Sequence[Case], threshold: float = THRESHOLD) -> list[Pair]:
    """All pairs at least this similar, most similar first; at most `MAX_PAIRS` are looked for.

    Variables that are the same in all cases do not count. Cases of one cluster and split are not compared: they are
    said to be alike, and the statistics know.
    """
    constant = _constant_variables(cases)
    sets = [_features(words(case, constant)) for case in cases]
    counts = Counter(chain.from_iterable(sets))
    orders = [sorted(features, key=lambda feature: (counts[feature], feature)) for features in sets]
    index: dict[str, list[int]] = defaultdict(list)
    found: list[Pair] = []
    for number, order in enumerate(orders):
        size = len(order)
        prefix = order[: size - math.ceil(threshold * size) + 1] if size else []
        for other in _candidates(index, prefix):
            similarity = _jaccard(sets[number], sets[other], threshold)
            if similarity and not _declared(cases[number], cases[other]):
                found.append(_pair(cases[other], cases[number], similarity))
        if len(found) >= MAX_PAIRS:
            break
        for feature in prefix:
            index[feature].append(number)
    return sorted(found, key=lambda pair: -pair.similarity)


def leaks(cases: Sequence[Case], prompt: PromptVersion) -> list[Leak]:
    """Cases whose words stand in the prompt's messages or partials, as few-shot examples do; the most leaked first."""
    texts = {f"message {number}": message.content for number, message in enumerate(prompt.messages, 1)}
    texts |= {f"partial {name}": source for name, source in prompt.partials.items()}
    examples = {where: set(_triples(_split_words(text))) for where, text in texts.items()}
    constant = _constant_variables(cases)
    found = []
    for case in cases:
        triples = set(_triples(words(case, constant)))
        if len(triples) < MIN_TRIPLES:
            continue
        for where, known in examples.items():
            if (share := len(triples & known) / len(triples)) >= LEAKED:
                found.append(Leak(case=case.id, where=where, share=round(share, 4)))
    return sorted(found, key=lambda leak: -leak.share)


def split_clusters(cases: Sequence[Case]) -> dict[str, list[str]]:
    """Clusters that stand in several splits, with these."""
    splits: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        if case.cluster:
            splits[case.cluster].add(case.split)
    return {cluster: sorted(found) for cluster, found in splits.items() if len(found) > 1}


def words(case: Case, constant: frozenset[str] = frozenset()) -> list[str]:
    """What a case asks, in words: its variables, messages and turns."""
    asked = [value for name, value in case.variables.items() if name not in constant]
    asked += [message.get("content") for message in case.messages if message.get("role") != "system"]
    asked += case.turns
    return list(chain.from_iterable(_split_words(text)[:MAX_WORDS] for value in asked for text in _texts(value)))


def _split_words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return _WORDS.findall(folded)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _constant_variables(cases: Sequence[Case]) -> frozenset[str]:
    """Variables that have one value in all cases, where there are others."""
    if len(cases) < 2:
        return frozenset()
    first, *others = cases
    same = set(first.variables)
    for case in others:
        same = {name for name in same if name in case.variables and case.variables[name] == first.variables[name]}
    return frozenset(same) if any(case.variables.keys() - same or case.messages for case in cases) else frozenset()


def _features(found: Sequence[str]) -> set[str]:
    return {*found, *(f"{one} {other}" for one, other in pairwise(found))}


def _triples(found: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    return zip(found, found[1:], found[2:], strict=False)


def _candidates(index: dict[str, list[int]], prefix: Sequence[str]) -> set[int]:
    return set(chain.from_iterable(index[feature] for feature in prefix if feature in index))


def _jaccard(one: set[str], other: set[str], threshold: float) -> float:
    """How similar two sets are; 0 below the threshold."""
    if min(len(one), len(other)) < threshold * max(len(one), len(other)):
        return 0.0
    shared = len(one & other)
    similarity = shared / (len(one) + len(other) - shared)
    return similarity if similarity >= threshold else 0.0


def _declared(one: Case, other: Case) -> bool:
    return bool(one.cluster) and one.cluster == other.cluster and one.split == other.split


def _pair(first: Case, second: Case, similarity: float) -> Pair:
    splits = (first.split, second.split)
    return Pair(first=first.id, second=second.id, similarity=round(similarity, 4), splits=splits)
