"""Insults, hate, threats, and talk of self-harm, sex and violence."""

import re
from collections.abc import Collection, Iterator
from typing import ClassVar, get_args

from moat.guards.detector import Context, Detector, Hit
from moat.guards.hostile_phrases import any_phrase, phrases
from moat.guards.hostile_scores import Kind, corrected, scores, slips
from moat.guards.hostility import Mark, Signs, marks, signs, unquoted
from moat.guards.learned import words
from moat.guards.prose import pieces
from moat.guards.text import Text

NONE = Signs()
NOTES: dict[Kind, str] = {kind: f"Leave out {kind.replace('_', ' ')}." for kind in get_args(Kind)}
SHORT_WORD = re.compile(
    r"\b(?:[14]|70|d0|g0|n0|50|b3|m3|h3|w3|15|17|45|47|1n|1f|1t|0n|0f|0r|y0u|th3|th1s)\b|(?<=[a-z]')[57]\b"
)
DIGIT = re.compile("[013457]")
DIGITS = str.maketrans("0134579", "oieastg")
LEAST = 0.05
"""Scores below it are not worth a hit."""
LONGEST = 300
"""Characters of a piece that is judged."""


class Toxicity(Detector, frozen=True):
    """Finds insults, hate, threats, self-harm, sex and violence.

    Kinds: `toxicity` (insults, swearing at people), `hate` (against a group), `threat`, `self_harm` (who thinks of
    it, or tells others to), `sexual`, `violence`. A sentence or line gets a hit for each kind
    whose score is not next to nothing.

    What names a group of people counts nothing by itself. English best; in other languages by lists of words and set
    phrases, without their sense.
    """

    window: ClassVar[int] = 700
    kinds: tuple[Kind, ...] = get_args(Kind)

    def __post_init__(self) -> None:
        """At least one kind."""
        if not self.kinds:
            raise ValueError("`kinds` is empty")

    def detect(self, text: Text, context: Context) -> Iterator[Hit]:
        """Sentence by sentence; what stands encoded in it, as one."""
        found = _shown(text)
        for piece, said in text.hidden:
            for (kind, start, end), score in _shown(said).items() if piece.telling else ():
                if score >= self.threshold:
                    found[kind, *piece.span(start, end)] = score
        for (kind, start, end), score in found.items():
            if kind in self.kinds:
                yield Hit(kind, start, end, round(score, 3), NOTES[kind])


def _shown(text: Text) -> dict[tuple[Kind, int, int], float]:
    """Kinds and places with their scores: as the text is written, and as it reads."""
    folded = text.folded
    found = {(kind, *text.span(start, end)): score for kind, start, end, score in _judged(folded)}
    if text.plain != folded:
        judged = {folded[start:end] for start, end in pieces(folded, LONGEST)}
        for kind, start, end, score in _judged(_read(text), judged):
            place = (kind, *text.plain_span(start, end))
            found[place] = max(score, found.get(place, 0.0))
    return found


def _read(text: Text) -> str:
    """The plain text; where digits stood for letters, in its smallest words too. As long as the plain text."""
    plain = text.plain
    return SHORT_WORD.sub(lambda word: word[0].translate(DIGITS), plain) if DIGIT.search(plain) else plain


def _judged(folded: str, but: Collection[str] = ()) -> Iterator[tuple[Kind, int, int, float]]:
    """Each piece of a folded text, with each of its kinds; not those that were judged before."""
    found = sorted([*marks(folded), *_phrased(folded)])
    slipped = slips(folded)
    first, meant = 0, False
    for start, end in pieces(folded, LONGEST):
        last = first
        while last < len(found) and found[last].start < end:
            last += 1
        if folded[start:end] not in but:
            of_kinds = _scores(folded[start:end], found[first:last], start, meant, slipped)
            yield from ((kind, start, end, score) for kind, score in of_kinds.items() if score >= LEAST)
        meant = any(mark.kind == "group" for mark in found[first:last])
        first = last


def _scores(piece: str, found: list[Mark], offset: int, meant: bool, slipped: dict[str, str]) -> dict[Kind, float]:
    """Of a piece with the marks in it; as it is written, and as it is meant where it is mistyped."""
    said = unquoted(piece)
    if said != piece:
        found = [mark for mark in found if not said[mark.start - offset : mark.end - offset].isspace()]
    listed = words(said)
    of_kinds = dict(scores(said, listed, signs(said, found, offset, meant) if found or meant else NONE))
    fixed = corrected(said, listed, slipped) if slipped else listed
    if fixed is not listed:
        piece = " ".join(fixed)
        found = marks(piece)
        for kind, score in scores(piece, fixed, signs(piece, found, 0, meant) if found or meant else NONE):
            of_kinds[kind] = max(score, of_kinds.get(kind, 0.0))
    return of_kinds


def _phrased(folded: str) -> Iterator[Mark]:
    if any_phrase().is_in(folded):
        for kind, pattern in phrases():
            for start, end in pattern.spans(folded):
                yield Mark(start, end, kind)
