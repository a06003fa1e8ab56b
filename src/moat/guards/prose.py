"""Sentences, and other measures of text."""

import re
from collections.abc import Callable, Iterator

from moat.domain.usage import estimate_tokens

SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+(?=\s|$)|[。！？]+|(?=\n[^\S\n]*\n)")
"""A mark that white space follows, a full-width mark, or an empty line."""
ABBREVIATION = re.compile(r"(?:^|[\s(])(?:[A-Za-z]|[A-Z]r?s|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|No|Inc|Ltd|approx)$")
PARAGRAPH = re.compile(r"\n\s*\n")
BORDER = re.compile(
    r"[.!?…।؟。！？\n](?:(?<=\n)|(?<=[。！？])[。！？]*+"
    r"|(?<=[.!?…।؟])(?<![.!?…।؟]{2})[.!?…।؟]*+[\"'”’»)\]*_]*+(?=\s))"
)
"""Where a piece ends: as above, and at every line. It begins with one set of characters, so searching is quick; a run
of marks is tried once, from its beginning, so time is linear."""
LONGEST_PIECE = 400


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where sentences stand, roughly: what ends in a mark or before an empty line; initials and common English
    abbreviations end none. Pieces without a letter or digit are left out.
    """
    start = 0
    for end in SENTENCE_END.finditer(text):
        if end[0] == "." and ABBREVIATION.search(text, max(start, end.start() - 10), end.start()):
            continue
        if any(map(str.isalnum, text[start : end.start()])):
            yield start, end.end()
        start = end.end()
    if any(map(str.isalnum, text[start:])):
        yield start, len(text)


def count_sentences(text: str) -> int:
    """How many `sentences` there are."""
    return sum(1 for _ in sentences(text))


def pieces(text: str, longest: int = LONGEST_PIECE) -> Iterator[tuple[int, int]]:
    """The text in pieces for a classifier: sentences and lines without the white space around them, none longer than
    `longest`.

    What does not end in time is cut at its last white space, else hard. Where a piece ends depends on nothing behind
    the character after it, but that a piece may still be growing at the end of the text.
    """
    for start, end in _between_borders(text):
        while end - start > longest:
            cut = _cut(text, start, start + longest)
            yield from _trimmed(text, start, cut)
            start = cut
        yield from _trimmed(text, start, end)


def _between_borders(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for border in BORDER.finditer(text):
        yield start, border.end()
        start = border.end()
    yield start, len(text)


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The same without white space around it; nothing when there is nothing else."""
    inside = text[start:end].lstrip()
    if inside:
        yield end - len(inside), end - len(inside) + len(inside.rstrip())


def _cut(text: str, start: int, end: int) -> int:
    """The last white space of a piece that is too long, else its end."""
    space = text.rfind(" ", start + 1, end)
    return space + 1 if space > start else end


COUNTERS: dict[str, Callable[[str], int]] = {
    "characters": len,
    "words": lambda text: len(text.split()),
    "sentences": count_sentences,
    "lines": lambda text: sum(1 for line in text.splitlines() if line.strip()),
    "paragraphs": lambda text: sum(1 for part in PARAGRAPH.split(text) if part.strip()),
    "tokens": estimate_tokens,
}
"""Unit -> how many of it a text has. Words are separated by white space; empty lines and paragraphs are none; tokens
are an estimate, four characters each."""
