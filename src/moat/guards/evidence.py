"""Does a document say what a sentence claims? By words, numbers, names and negations.

After the lexical baselines of textual entailment: Dagan, Roth, Sammons and Zanzotto, Recognizing Textual Entailment:
Models and Applications (2013), chapter 3: coverage of the hypothesis by the text, weighted by how rare its words are.
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import log
from typing import Literal, NamedTuple

from moat.guards.instructions import STOP_WORDS, stem
from moat.guards.prose import sentences

MAX_CLAIMS, MAX_DOCUMENTS = 200, 400_000
"""Claims that are looked at; characters of the documents."""
ALONE = 0.6
"""From so much of a claim on, one sentence speaks for itself, and its neighbours' numbers are no matter."""
MAX_POSTINGS = 200
ALIKE = 5
"""Words are related that have so many letters in common at their beginning."""
NEIGHBOURS = 2
"""A claim may draw on so many sentences in a row."""
TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W\d_]+(?:'[^\W\d_]+)?|\d+(?:[.,:]\d+)*%?|[%,;:–—()]")
"""Words, numbers, and the marks between clauses."""
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NAME = re.compile(r"(?<![.!?:\n]\s)(?<![.!?:\n])(?<=[\s(\"“'])(?:[A-Z][\w’'-]{2,30})")
_NEGATIONS = """not no never none nobody nothing neither nor without cannot can't don't doesn't didn't won't isn't
aren't wasn't weren't hasn't haven't shouldn't wouldn't couldn't unable fail fails failed lack lacks exclude excluded
except nicht kein keine keinen keinem keiner nie niemals ohne ne pas jamais sans aucun aucune nunca jamás sin ningun
ninguna não nem sem non mai senza niet geen nooit не нет никогда без"""
NEGATIONS = frozenset(_NEGATIONS.split())
NO_CLAIM = re.compile(
    r"^\W*(?:(?:hello|hi|hey|thanks|thank you|sure|certainly|of course|great|sorry|i(?:'m| am) sorry|please|let me know"
    r"|feel free|i hope|hope this|is there anything|if you (?:have|need)|here (?:is|are)|in summary|based on"
    r"|according to|i (?:don't|do not|cannot|can't|could not|couldn't) (?:know|find|see|answer|tell)"
    r"|(?:the|this) (?:document|context|text|passage|source|information)s? (?:provided )?(?:does|do)(?: not|n't))\b)"
    r"(?P<rest>.*)$",
    re.IGNORECASE | re.DOTALL,
)
_BETWEEN = ", ; : – — ( ) but and or however while although because if aber und oder wenn mais et pero y"
CLAUSE = frozenset(_BETWEEN.split())
"""What stands between clauses."""
UNKNOWN = re.compile(
    r"\b(?:not (?:mentioned|specified|stated|provided|given|available|included|clear)|no (?:information|mention)|"
    r"(?:does not|do not|doesn't|don't) (?:say|mention|state|specify|provide|contain|include)|i (?:don't|"
    r"do not) know)\b",
    re.IGNORECASE,
)
_OPPOSITES = """increase/decrease rise/fall rose/fell grow/shrink more/less higher/lower above/below before/after
first/last open/close allow/forbid allow/prohibit permit/prohibit accept/reject accept/refuse include/exclude
minimum/maximum least/most always/never win/lose won/lost pass/fail free/paid start/end begin/end buy/sell true/false
enable/disable early/late north/south east/west left/right hot/cold old/new internal/external public/private
required/optional mandatory/optional safe/dangerous success/failure gain/loss profit/loss import/export inside/outside
male/female everyone/nobody approve/deny confirm/deny better/worse best/worst strong/weak cheap/expensive faster/slower
longer/shorter larger/smaller under/over under/above below/over older/newer"""
OPPOSITES = [tuple(map(stem, pair.split("/"))) for pair in _OPPOSITES.split()]
_NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
SMALL_NUMBERS = {word: str(number) for number, word in enumerate(_NUMBERS.split())}


class Claim(NamedTuple):
    """A sentence that says how something is."""

    text: str
    start: int
    end: int


class Doubt(NamedTuple):
    """How little stands behind a claim."""

    score: float
    """0: it is all there, 1: nothing is."""
    kind: str
    reason: str


class Terms(NamedTuple):
    """What a sentence is compared by."""

    stems: frozenset[str]
    numbers: frozenset[str]
    negated: bool
    clauses: tuple[tuple[frozenset[str], bool], ...] = ()
    """Of its parts between commas and conjunctions: what they say, and whether they deny it."""


def claims_of(answer: str) -> Iterator[Claim]:
    """Sentences that can be right or wrong: no questions, greetings, offers or words of not knowing."""
    found = 0
    for start, end in sentences(answer):
        text = answer[start:end]
        polite = NO_CLAIM.match(text)
        rest = polite["rest"] if polite else text
        if text.rstrip().endswith(("?", "？")) or UNKNOWN.search(text) or len(_terms(rest).stems) < 3:
            continue
        lead = len(text) - len(text.lstrip())
        yield Claim(rest.strip(), start + lead, end)
        found += 1
        if found == MAX_CLAIMS:
            return


def _terms(text: str) -> Terms:
    numbers = set[str]()
    clauses: list[tuple[frozenset[str], bool]] = []
    stems, negated = set[str](), False
    for word in TOKEN.findall(text.replace("’", "'")):
        role, value = _role(word)
        if role == "word":
            if value:
                stems.add(value)
        elif role == "number":
            numbers.add(value)
        elif role == "negation":
            negated = True
            if value:
                stems.add(value)
        elif stems:
            clauses.append((frozenset(stems), negated))
            stems, negated = set(), False
    clauses.append((frozenset(stems), negated))
    said = frozenset[str]().union(*(of_clause for of_clause, _ in clauses))
    return Terms(said, frozenset(numbers), any(denied for _, denied in clauses), tuple(clauses))


@lru_cache(maxsize=32_768)
def _role(word: str) -> tuple[Literal["word", "number", "negation", "border"], str]:
    """What a word or mark does in a sentence, and what is compared of it; empty for words that say nothing."""
    low = word.lower()
    if low in CLAUSE:
        return "border", ""
    if low[0].isdigit():
        return "number", _number(low)
    if low in SMALL_NUMBERS:
        return "number", SMALL_NUMBERS[low]
    return "negation" if low in NEGATIONS else "word", "" if low in STOP_WORDS else stem(low)


def _number(written: str) -> str:
    """One way to write a number: no separators of thousands, no zeros behind the point.

    >>> _number("1,200"), _number("3.50"), _number("2.000")
    ('1200', '3.5', '2000')
    """
    plain = re.sub(r"[.,](?=\d{3}(?:\D|$))", "", written.rstrip("%")).replace(",", ".")
    return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"


class Evidence:
    """Documents, sentence by sentence, with an index of their words."""

    def __init__(self, documents: Sequence[str], question: str = "") -> None:
        """What the question says counts as known, but supports nothing alone."""
        self._sentences: list[Terms] = []
        self._places: dict[str, list[int]] = {}
        self._all_numbers: set[str] = set()
        self._near: dict[int, Terms] = {}
        self._starts: dict[int, frozenset[str]] = {}
        self._weights: dict[str, float] = {}
        self._question = _terms(question[:10_000])
        room = MAX_DOCUMENTS
        for document in documents:
            for start, end in sentences(document[:room]):
                self._add(_terms(document[start:end]))
            self._sentences.append(Terms(frozenset(), frozenset(), False))
            room = max(0, room - len(document))

    def _add(self, terms: Terms) -> None:
        at = len(self._sentences)
        self._sentences.append(terms)
        self._all_numbers |= terms.numbers
        for one in terms.stems:
            self._places.setdefault(one, []).append(at)

    def doubt(self, claim: str) -> Doubt:
        """How little of a claim the best place in the documents holds."""
        terms = _terms(claim)
        weights = {one: self._weight(one) for one in terms.stems}
        best = max(self._candidates(terms), key=lambda at: self._coverage(weights, at, 0.5), default=-1)
        if best < 0:
            return Doubt(1.0, "unsupported", "none of its words")
        covered = self._coverage(weights, best)
        near = self._around(best)
        if self._coverage(weights, best, 0.0) >= ALONE:
            near = self._sentences[best]
        missing = terms.numbers - near.numbers - self._question.numbers
        names = {stem(name.lower()) for name in NAME.findall(claim)} - {""}
        strange = [name for name in names if name not in self._places and name not in self._question.stems]
        if covered >= 0.6:
            if (reason := self._contradiction(terms, best)) and covered >= 0.65:
                return Doubt(0.85, "contradicted", reason)
            if missing:
                other = bool(near.numbers - terms.numbers)
                known = missing <= self._all_numbers
                score = 0.65 if known else 0.8
                return Doubt(score, "contradicted" if other else "unsupported", "another number")
        score = _falling(covered)
        if missing and missing - self._all_numbers:
            score = max(score, 0.7)
        if strange:
            score = max(score, 0.7)
        reason = "a name" if strange else "a number" if missing else "most of its words"
        return Doubt(score, "unsupported", reason)

    def _candidates(self, terms: Terms) -> set[int]:
        """Sentences that share a word with the claim, by its rare words first."""
        lists = sorted((self._places[one] for one in terms.stems if one in self._places), key=len)
        found: set[int] = set()
        for places in lists:
            found.update(places[:MAX_POSTINGS])
            if len(found) > MAX_POSTINGS:
                break
        return found

    def _around(self, at: int) -> Terms:
        """A sentence with its neighbours, as one."""
        if at in self._near:
            return self._near[at]
        near = [self._sentences[one] for one in self._window(at)]
        stems = frozenset[str]().union(*(one.stems for one in near))
        numbers = frozenset[str]().union(*(one.numbers for one in near))
        self._near[at] = Terms(stems, numbers, self._sentences[at].negated)
        return self._near[at]

    def _window(self, at: int) -> range:
        return range(max(0, at - NEIGHBOURS + 1), min(len(self._sentences), at + NEIGHBOURS))

    def _coverage(self, weights: dict[str, float], at: int, beside: float = 0.85) -> float:
        """Share of a claim's words, rare ones counting more, that stand at a place or in the question. What
        stands `beside` it counts in part.
        """
        own, around = self._sentences[at].stems, self._around(at).stems
        here = weights.keys() & own
        elsewhere = weights.keys() - own
        held = sum(map(weights.__getitem__, here))
        for one in elsewhere:
            if one in around:
                held += beside * weights[one]
            elif one in self._question.stems or self._related(one, at):
                held += 0.6 * weights[one]
        total = sum(weights.values())
        return held / total if total else 0.0

    def _weight(self, one: str) -> float:
        if one not in self._weights:
            self._weights[one] = log(2 + len(self._sentences) / (1 + len(self._places.get(one, ()))))
        return self._weights[one]

    def _related(self, one: str, at: int) -> bool:
        """Does a word of the sentence begin as it does? Inflections do."""
        if len(one) < ALIKE:
            return False
        if at not in self._starts:
            self._starts[at] = frozenset(other[:ALIKE] for other in self._sentences[at].stems if len(other) >= ALIKE)
        return one[:ALIKE] in self._starts[at]

    def _contradiction(self, terms: Terms, at: int) -> str:
        """Why a place says the opposite; empty when it does not."""
        place = self._sentences[at]
        for left, right in OPPOSITES:
            for mine, theirs in ((left, right), (right, left)):
                if mine in terms.stems and theirs in place.stems and mine not in place.stems:
                    return "the opposite word"
        said, denied = max(place.clauses, key=lambda clause: len(clause[0] & terms.stems), default=(place.stems, False))
        if terms.negated != denied and len(terms.stems - place.stems) <= 0.34 * len(terms.stems):
            return "one denies what the other says" if len(said & terms.stems) >= 0.4 * len(terms.stems) else ""
        return ""


def _falling(covered: float) -> float:
    """From how much is covered to doubt: 1 below 0.3, 0 from 0.8."""
    return min(1.0, max(0.0, (0.8 - covered) / 0.5))
