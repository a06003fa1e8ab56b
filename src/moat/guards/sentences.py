"""A text in pieces that are judged by themselves: a sentence or a line, or several short ones, as words.

Where a piece begins and ends depends on what is before its end, never on what follows its next sentence.
"""

import re
from collections.abc import Callable, Iterator

from moat.guards.learned import SEPARATED, words

BEGINNING = "^"
"""Stands for the beginning of a sentence, among the words."""
SHORTEST, LONGEST = 48, 480
"""Characters. A sentence shorter than this is judged together with the next; a longer one is cut."""
_END = re.compile("[.!?:\n。！？：।؟]")
_ENDS = SEPARATED | dict.fromkeys(map(ord, ".!?:\n"), "\0")
_CONTINUES = ":："
_ADDRESSES = (("://", "url"), ("www.", "url"), ("@", "email"))
"""What is in the middle of an address, or begins one, and the word that stands for it."""
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789._+-"
_REST = re.compile(r"\S{1,400}")
_VOWEL_SIGNS = re.compile("[\u0900-\u0903\u093a-\u094f\u0955-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd]")
"""Of Devanagari and Bengali: they would tear words apart."""

Piece = tuple[int, int, list[str]]
"""Where it begins and ends, and its words, with `BEGINNING` before those of each sentence."""


def pieces(plain: str) -> Iterator[Piece]:
    """Those of a text without spelling tricks (`Text.plain`). Together they cover it."""
    plain = without_addresses(plain)
    read: Callable[[str], list[str]] = str.split if plain.isascii() else judged
    size = len(plain)
    start = end = 0
    before = "\n"
    found: list[str] = []
    for sentence in plain.translate(_ENDS).split("\0") if read is str.split else _END.split(plain):
        at = end + len(sentence) + 1
        if at >= size:
            at = size
        if at - start > LONGEST:
            if end > start:
                yield start, end, found
                start, found = end, []
            while at - start > LONGEST:
                cut = plain.rfind(" ", start + 1, start + LONGEST) + 1 or start + LONGEST
                yield start, cut, [BEGINNING, *judged(plain[start:cut])]
                start = end = cut
            sentence = " ".join(judged(plain[start:at]))
        if told := read(sentence):
            if start == end or before == "\n" or not sentence[0].isalnum():
                found.append(BEGINNING)
            found += told
        end = at
        if end:
            before = plain[end - 1]
            if end - start >= SHORTEST and before not in _CONTINUES:
                yield start, end, found
                start, found = end, []
    if start < size:
        yield start, size, found


def without_addresses(plain: str) -> str:
    """With one word for any address, as long as it was."""
    for mark, word in _ADDRESSES:
        at = plain.find(mark)
        if at >= 0:
            plain = "".join(_replaced(plain, mark, word, at))
    return plain


def _replaced(plain: str, mark: str, word: str, at: int) -> Iterator[str]:
    done = 0
    while at >= 0:
        name = plain[max(done, at - 64) : at]
        start = at - len(name) + len(name.rstrip(_NAME))
        rest = _REST.match(plain, at)
        end = rest.end() if rest else at + 1
        if end - start > len(word):
            yield plain[done:start]
            yield word.ljust(end - start)
            done = end
        at = plain.find(mark, end)
    yield plain[done:]


def judged(sentence: str) -> list[str]:
    """Its words, as models know them."""
    return words(sentence if sentence.isascii() else _VOWEL_SIGNS.sub("", sentence))
