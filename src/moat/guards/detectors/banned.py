"""Words, phrases, patterns and topics that are not wanted."""

import re
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, NamedTuple

from moat.guards.detector import Context, Detector, Hit
from moat.guards.patterns import Pattern
from moat.guards.text import Text
from moat.guards.topics import TOPICS

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SPACELESS = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
ENDINGS = ("'s", "s", "es", "ed", "d", "ing", "er", "ers", "in", "en", "n", "e", "i", "y", "ly", "os", "as")
MAX_PHRASE = 8
"""Words."""
NEAR = 240
"""Characters within which faint words of one topic add up."""
LONGEST_MATCH = 2000
STRONG, FAINT = 0.8, 0.3
_TAG = re.compile(r"<(/?)([a-z]+)[^<>]{0,160}>", re.IGNORECASE)
_LONGEST_TAG = 180
_WITHOUT_END = frozenset({"wbr", "br", "img"})
_EMPHASIS = re.compile(r"\*{1,3}|~~|__")


class _Phrase(NamedTuple):
    rest: tuple[str, ...]
    """Its words behind the first."""
    kind: str
    score: float


class Banned(Detector, frozen=True):
    """Finds words, phrases, patterns and topics that are not wanted.

    Kinds: `word` (one of `words`), `pattern` (one of `patterns`), and the names of `topics`.

    Words and phrases are whole words of the folded text: case, accents of style, and tricks of spelling aside. In
    scripts without spaces they are found inside of others.
    """

    window: ClassVar[int] = 512
    words: tuple[str, ...] = ()
    """Words or phrases of up to 8 words."""
    inflections: bool = False
    """Common European endings are found too: `bet` finds `bets` and `betting`."""
    patterns: tuple[str, ...] = ()
    """RE2, in linear time, on the text as written; matches of more than 2,000 characters are none."""
    ignore_case: bool = True
    """For patterns."""
    topics: tuple[str, ...] = ()
    """Of the list in `docs/detectors-content.md`."""

    def __post_init__(self) -> None:
        """Compile."""
        if not (self.words or self.patterns or self.topics):
            raise ValueError("give `words`, `patterns` or `topics`")
        if unknown := [topic for topic in self.topics if topic not in TOPICS]:
            raise ValueError(f"no topic {unknown[0]!r}: there are {', '.join(TOPICS)}")
        for phrase in self.words:
            if not 1 <= len(WORD.findall(phrase)) <= MAX_PHRASE:
                raise ValueError(f"{phrase!r} is no phrase of 1 to {MAX_PHRASE} words: write a pattern")
        if self.patterns:
            self.hold(LONGEST_MATCH)
        assert self._compiled is not None

    @cached_property
    def _compiled(self) -> tuple[Pattern, ...]:
        return tuple(Pattern(pattern, ignore_case=self.ignore_case) for pattern in self.patterns)

    @cached_property
    def _phrases(self) -> dict[str, list[_Phrase]]:
        """First word -> what may follow it."""
        index: dict[str, list[_Phrase]] = {}
        for written, kind, score in self._wanted:
            first, *rest = WORD.findall(Text(written).folded)
            forms = _forms(first) if not rest and (self.inflections or kind != "word") else {first}
            for form in forms:
                index.setdefault(form, []).append(_Phrase(tuple(rest), kind, score))
        return index

    @property
    def _wanted(self) -> Iterator[tuple[str, str, float]]:
        for phrase in self.words:
            if not SPACELESS.search(phrase):
                yield phrase, "word", 1.0
        for topic in self.topics:
            for strength, phrases in zip((STRONG, FAINT), TOPICS[topic], strict=True):
                for phrase in phrases:
                    if not SPACELESS.search(phrase):
                        yield phrase, topic, strength

    @cached_property
    def _spaceless(self) -> tuple[tuple[str, str, float], ...]:
        own = [(Text(phrase).folded, "word", 1.0) for phrase in self.words if SPACELESS.search(phrase)]
        topics = [
            (phrase, topic, strength)
            for topic in self.topics
            for strength, phrases in zip((STRONG, FAINT), TOPICS[topic], strict=True)
            for phrase in phrases
            if SPACELESS.search(phrase)
        ]
        return (*own, *topics)

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Words by a dictionary of first words, patterns by RE2."""
        found = {(*text.span(start, end), kind, score) for start, end, kind, score in self._listed(text.folded)}
        if text.plain != text.folded:
            found |= {
                (*_with_markup(text.original, *text.plain_span(start, end)), kind, score)
                for start, end, kind, score in self._listed(text.plain)
            }
        for start, end, kind, score in _added_up(sorted(found)):
            yield Hit(kind, start, end, score, f"Not wanted: {kind.replace('_', ' ')}.")
        for pattern in self._compiled:
            for start, end in pattern.spans(text.original):
                if end - start <= LONGEST_MATCH:
                    yield Hit("pattern", start, end, 1.0, "Not wanted: a pattern.")

    def _listed(self, folded: str) -> Iterator[tuple[int, int, str, float]]:
        if self._phrases and not self._phrases.keys().isdisjoint(WORD.findall(folded)):
            yield from self._in_words(folded)
        if self._spaceless and not folded.isascii():
            yield from self._inside(folded)

    def _in_words(self, folded: str) -> Iterator[tuple[int, int, str, float]]:
        matches = list(WORD.finditer(folded))
        for at, match in enumerate(matches):
            for phrase in self._phrases.get(match[0], ()):
                following = matches[at + 1 : at + 1 + len(phrase.rest)]
                if tuple(one[0] for one in following) == phrase.rest:
                    yield match.start(), (following[-1] if following else match).end(), phrase.kind, phrase.score

    def _inside(self, folded: str) -> Iterator[tuple[int, int, str, float]]:
        for phrase, kind, score in self._spaceless:
            at = folded.find(phrase)
            while at >= 0:
                yield at, at + len(phrase), kind, score
                at = folded.find(phrase, at + len(phrase))


def _with_markup(original: str, start: int, end: int) -> tuple[int, int]:
    """A word that has markup inside, with the other halves of it right around: cut out, it leaves no half behind."""
    opened: list[str] = []
    closed: list[str] = []
    for tag in _TAG.finditer(original, start, end):
        name = tag[2].lower()
        if not tag[1]:
            opened += [name] * (name not in _WITHOUT_END)
        elif name in opened:
            opened.remove(name)
        else:
            closed.append(name)
    for name in reversed(opened):
        behind = _TAG.match(original, end)
        if behind is None or not behind[1] or behind[2].lower() != name:
            break
        end = behind.end()
    for name in closed:
        at = original.rfind("<", max(0, start - _LONGEST_TAG), start)
        before = _TAG.fullmatch(original, at, start) if at >= 0 else None
        if before is None or before[1] or before[2].lower() != name:
            break
        start = at
    marks = _EMPHASIS.findall(original, start, end)
    if len(marks) % 2:
        if original.startswith(marks[-1], end):
            end += len(marks[-1])
        elif original.endswith(marks[0], 0, start):
            start -= len(marks[0])
    return start, end


def _forms(word: str) -> set[str]:
    """A word with usual endings, its last letter doubled or left out before them as English does."""
    if len(word) < 3:
        return {word}
    forms = {word, *(word + ending for ending in ENDINGS)}
    forms |= {word + word[-1] + ending for ending in ("ed", "ing")}
    if word[-1] in "ey":
        forms |= {word[:-1] + ending for ending in ("ing", "ies", "ied", "er", "ers")}
    return forms


def _added_up(found: list[tuple[int, int, str, float]]) -> Iterator[tuple[int, int, str, float]]:
    """Faint words that stand near another word of their topic make each other sure; what is sure is so alone."""
    by_topic: dict[str, list[tuple[int, int, str, float]]] = {}
    for one in found:
        by_topic.setdefault(one[2], []).append(one)
    for kind, ones in by_topic.items():
        surer = {index for index, one in enumerate(ones) if one[3] > FAINT}
        for index, (one, other) in enumerate(pairwise(ones)):
            if other[0] - one[1] <= NEAR and other[:2] != one[:2]:
                surer |= {index, index + 1}
        for index, (start, end, _, score) in enumerate(ones):
            yield start, end, kind, max(score, 0.6) if index in surer else score
