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
_ENDS = ".!?\n。！？؟।"
_CONTINUES = ":："
_END = re.compile(f"[{_ENDS}{_CONTINUES}]")
_MARKS = SEPARATED | dict.fromkeys(map(ord, (*_ENDS, *_CONTINUES)), "\0")
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
    return ((start, end, told(piece, marked)) for start, end, piece, marked in cut(plain))


def cut(plain: str) -> Iterator[tuple[int, int, str, str]]:
    """Where they begin and end, how each is written, but for one word in place of any address, and what `told` needs to
    read it.
    """
    plain = without_addresses(plain)
    marked, ascii_only = _marked(plain), plain.isascii()
    start, size = 0, len(plain)
    while start < size:
        farthest = start + LONGEST
        end = marked.find("\0", start + SHORTEST - 1, farthest) + 1
        while end and plain[end - 1] in _CONTINUES:
            end = marked.find("\0", end, farthest) + 1
        if not end and size <= farthest:
            end = size
        if not end:
            # What ends in time is a piece, however short; then a sentence that is too long is cut at its spaces.
            end = marked.rfind("\0", start, farthest) + 1 or plain.rfind(" ", start + 1, farthest) + 1 or farthest
        piece = plain[start:end]
        yield start, end, piece, marked[start:end] if ascii_only or not piece.isascii() else _marked(piece)
        start = end


def told(piece: str, marked: str) -> list[str]:
    """The words of a piece of `cut`, with `BEGINNING` before those of each sentence."""
    read: Callable[[str], list[str]] = str.split if piece.isascii() else judged
    first, *more = marked.split("\0")
    found = read(first)
    if found:
        found.insert(0, BEGINNING)
    at = len(first) + 1
    for sentence in more:
        if sentence and (said := read(sentence)):
            if piece[at - 1] == "\n" or not sentence[0].isalnum():
                found.append(BEGINNING)
            found += said
        at += len(sentence) + 1
    return found


def _marked(plain: str) -> str:
    """As long, with a zero for each mark that may end a sentence; in ASCII, spaces for all that is not in words."""
    return plain.translate(_MARKS) if plain.isascii() else _END.sub("\0", plain.replace("\0", " "))


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
