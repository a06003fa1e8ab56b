"""BLEU and chrF: n-grams that an answer shares with references. Equal to the package `sacrebleu`, on a scale of 0 to 1.

Papineni et al. 2002, "BLEU"; Post 2018, arXiv:1804.08771 (the tokens of mteval-v13a); Chen and Cherry 2014 (smoothing
method 3); Popović 2015 and 2017, "chrF" and "chrF++".

Both are measures of a corpus: a mean over answers is another number. What adds up are the counts, which stand in
`Score.evidence["counts"]`; `corpus_bleu` and `corpus_chrf` make the corpus's number of their sum.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from moat.domain.scores import Case, Result, Score
from moat.evals.answer import Answered
from moat.evals.scorers.scorer import Comparison, Measured, Scorer, scorer
from moat.evals.scorers.text import as_text, references_of

MAX_ORDER = 4
"""Words of BLEU's longest n-gram."""
CHARACTER_ORDER = 6
"""Characters of chrF's longest n-gram."""
BETA = 2
"""chrF counts recall so many times as much as precision."""
MAX_CHARACTERS = 50_000
"""Longer texts are cut."""

_13A = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)
_ENTITIES = (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def tokens_13a(text: str) -> list[str]:
    """Words and marks as mteval-v13a tells them apart."""
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES:
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, replacement in _13A:
        text = pattern.sub(replacement, text)
    return text.split()


def bleu_counts(answer: str, references: Sequence[str]) -> list[int]:
    """Length of the answer, of the reference nearest in length, n-grams of order 1 to 4 that are right, and all."""
    got = tokens_13a(answer)
    wanted = [tokens_13a(reference) for reference in references]
    nearest = min(((abs(len(words) - len(got)), len(words)) for words in wanted), default=(0, 0))[1]
    right, total = [], []
    for order in range(1, MAX_ORDER + 1):
        grams = _grams(got, order)
        allowed: Counter[tuple[str, ...]] = Counter()
        for words in wanted:
            allowed |= _grams(words, order)
        right.append(sum(min(count, allowed[gram]) for gram, count in grams.items() if gram in allowed))
        total.append(grams.total())
    return [len(got), nearest, *right, *total]


def bleu_of(counts: Sequence[int], *, sentence: bool) -> float:
    """BLEU of summed counts, 0 to 1. `sentence`: orders for which the answer is too short are left out."""
    length, wanted, *rest = counts
    right, total = rest[:MAX_ORDER], rest[MAX_ORDER:]
    if not any(right):
        return 0.0
    smoothing, logs = 1, []
    for hits, grams in zip(right, total, strict=True):
        if not grams:
            break
        if not hits:
            smoothing *= 2
        logs.append(math.log(hits / grams if hits else 1 / (smoothing * grams)))
    if not sentence and len(logs) < MAX_ORDER:
        return 0.0
    brevity = min(1.0, math.exp(1 - wanted / length))
    return min(1.0, brevity * math.exp(sum(logs) / len(logs)))


def chrf_counts(answer: str, references: Sequence[str], word_order: int = 0) -> list[int]:
    """For each order, n-grams of the answer, of the best reference, and of both; characters first, then words."""
    got = _chrf_grams(answer, word_order)
    best: list[int] = [0] * 3 * (CHARACTER_ORDER + word_order)
    top = -1.0
    for reference in references:
        counts: list[int] = []
        for mine, theirs in zip(got, _chrf_grams(reference, word_order), strict=True):
            both = sum(min(count, theirs[gram]) for gram, count in mine.items() if gram in theirs)
            counts += (mine.total() if theirs else 0, theirs.total(), both)
        value = chrf_of(counts)
        if value > top:
            best, top = counts, value
    return best


def chrf_of(counts: Sequence[int]) -> float:
    """Of summed counts, 0 to 1: orders that one side does not have are left out."""
    orders = [counts[at : at + 3] for at in range(0, len(counts), 3)]
    shares = [(both / mine, both / theirs) for mine, theirs, both in orders if mine and theirs]
    if not shares:
        return 0.0
    precision = sum(share for share, _ in shares) / len(shares)
    recall = sum(share for _, share in shares) / len(shares)
    if not precision + recall:
        return 0.0
    return min(1.0, (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall))


def corpus_bleu(scores: Iterable[Score]) -> float | None:
    """The BLEU over all answers that a `bleu` scorer scored; None when there is none."""
    return _bleu_of_all(_summed(scores))


def corpus_chrf(scores: Iterable[Score]) -> float | None:
    """The chrF over all answers that a `chrf` scorer scored; None when there is none."""
    return _chrf_of_all(_summed(scores))


def corpus_scores(scorers: Iterable[Scorer], results: Iterable[Result]) -> dict[str, float]:
    """The number over all answers of each `bleu` and `chrf` scorer, by its name; `results` are gone through once."""
    kinds = {made.name: _bleu_of_all if isinstance(made, Bleu) else _chrf_of_all for made in scorers if _adds_up(made)}
    totals: dict[str, list[int]] = {}
    for result in results if kinds else ():
        for score in result.scores:
            if score.name in kinds:
                totals[score.name] = _added(totals.get(score.name, []), score)
    found = {name: kinds[name](total) for name, total in totals.items()}
    return {name: value for name, value in found.items() if value is not None}


def _adds_up(made: Scorer) -> bool:
    return isinstance(made, Bleu | Chrf)


def _bleu_of_all(counts: Sequence[int]) -> float | None:
    return bleu_of(counts, sentence=False) if counts else None


def _chrf_of_all(counts: Sequence[int]) -> float | None:
    return chrf_of(counts) if counts else None


def _summed(scores: Iterable[Score]) -> list[int]:
    total: list[int] = []
    for score in scores:
        total = _added(total, score)
    return total


def _added(total: list[int], score: Score) -> list[int]:
    counts = score.evidence.get("counts", ())
    return [one + more for one, more in zip(total or [0] * len(counts), counts, strict=True)] if counts else total


def _grams(words: list[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _chrf_grams(text: str, word_order: int) -> list[Counter[str]]:
    letters = "".join(text.split())
    grams = [
        Counter(letters[at : at + order] for at in range(len(letters) - order + 1))
        for order in range(1, CHARACTER_ORDER + 1)
    ]
    words = _chrf_words(text) if word_order else []
    for order in range(1, word_order + 1):
        grams.append(Counter(" ".join(words[at : at + order]) for at in range(len(words) - order + 1)))
    return grams


def _chrf_words(text: str) -> list[str]:
    """Words, with one mark at the end or the beginning set apart, as in chrF++.py."""
    words: list[str] = []
    for word in text.split():
        if len(word) > 1 and word[-1] in _PUNCTUATION:
            words += (word[:-1], word[-1])
        elif len(word) > 1 and word[0] in _PUNCTUATION:
            words += (word[0], word[1:])
        else:
            words.append(word)
    return words


class _Grams(Comparison, frozen=True):
    """Compares texts by their n-grams, against one reference or several."""

    ignore_case: bool = False

    def texts(self, case: Case, answer: Answered) -> tuple[str, list[str]]:
        """The answer and the references."""
        references = references_of(case, self.expected)
        texts = [text[:MAX_CHARACTERS] for text in (as_text(answer.at(self.path)), *references)]
        got, *wanted = [text.lower() for text in texts] if self.ignore_case else texts
        return got, wanted


@scorer("bleu")
class Bleu(_Grams, frozen=True):
    """BLEU of one answer against the expected text or all of a list; the corpus's BLEU is not the mean of these."""

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        counts = bleu_counts(*self.texts(case, answer))
        value = bleu_of(counts, sentence=True)
        return value, "" if value else "shares no word with the reference", {"counts": counts}


@scorer("chrf")
class Chrf(_Grams, frozen=True):
    """chrF of one answer against the expected text, or the best of a list; with `word_order` 2, chrF++."""

    word_order: Literal[0, 1, 2] = 0

    def measure(self, case: Case, answer: Answered) -> Measured:
        """Compare."""
        counts = chrf_counts(*self.texts(case, answer), self.word_order)
        value = chrf_of(counts)
        return value, "" if value else "shares no character with the reference", {"counts": counts}
