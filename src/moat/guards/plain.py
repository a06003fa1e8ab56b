"""Folded text with words put back that were written with digits, letter by letter, or without spaces.

`1gn0r3` is `ignore`, so are `i.g.n.o.r.e` and `i g n o r e`, and `ignoreallrules` is three words. For detectors that
read words; those that look for numbers and keys need the text as it is.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from gzip import decompress
from importlib.resources import files
from itertools import islice

from moat.guards.edits import Edit, Edited
from moat.guards.letters import LATIN

_DIGITS = "01345679"
_SIGNS = "@$!|+€£"
_SHAPES = str.maketrans(
    {code: "a" if chr(code).isalpha() else "0" if chr(code) in _DIGITS + _SIGNS else " " for code in range(128)}
)
_ROW = re.compile(r"(?<![^\W_])[^\W\d_](?:[^\w\n]{1,2}|_)[^\W\d_](?:(?:[^\w\n]{1,4}|_{1,3})[^\W\d_](?![^\W_])){1,400}")
_TRIPLES = (" a a a ", " a a a0", " a  a  a ", " a  a  a0")
"""Shapes of three letters that stand alone: every row has one."""
_GAP = re.compile(r"[\W_]+")
_READINGS = tuple(str.maketrans("0345679@$!|+€£", "oeasgtgasiiteL".lower()) | {ord("1"): one} for one in "il")
_LONG = "a" * 11
_LONGEST_RUN = 160
_MOST_RUNS = 64
_MOST_ROWS = 32
_MOST_MARKED = 2_000
"""Bounds on what is rewritten in one text, from its beginning: more is no attack on a model but on this reader."""
_LONGEST_WORD = 16


def plain(folded: str) -> Edited:
    """Read it so. What becomes of a place depends on the word or row of letters it is in, and on nothing behind."""
    shape = _shape(folded)
    first = None
    around = f" {shape} "
    if " a a a" in around.replace("  ", " ") and any(row in around for row in _TRIPLES):
        first = Edited(folded, _rows(folded))
        folded = first.text
        shape = _shape(folded)
    edits: list[Edit] = []
    if "0" in shape and ("a0" in shape or "0a" in shape):
        edits += _digits(folded, shape)
    if _LONG in shape:
        edits = sorted(edits + list(_together(folded, shape)))
    second = Edited(folded, edits)
    second.below = first
    return second


def _shape(folded: str) -> str:
    if not folded.isascii():
        folded = folded.encode("ascii", "replace").decode().replace("?", "a")
    return folded.translate(_SHAPES)


def _pieces(shape: str, mark: str) -> Iterator[tuple[int, int]]:
    """Where the words are, between spaces, in which a mark stands."""
    at = shape.find(mark)
    while at >= 0:
        end = shape.find(" ", at)
        end = len(shape) if end < 0 else end
        yield shape.rfind(" ", 0, at) + 1, end
        at = shape.find(mark, end)


def _rows(folded: str) -> Iterator[Edit]:
    for match in islice(_ROW.finditer(folded), _MOST_ROWS):
        gaps = list(_GAP.finditer(folded, *match.span()))
        usual = gaps[0].group()
        for gap in gaps:
            wide = len(gap.group()) > len(usual) or (gap.group().isspace() and not usual.isspace())
            yield Edit(*gap.span(), " " if wide else "")


def _digits(text: str, shape: str) -> Iterator[Edit]:
    behind = -1
    for start, end in islice(_pieces(shape, "0"), _MOST_MARKED):
        if "a" not in shape[start:end] and start != behind:
            continue
        word = text[start:end].rstrip("!+|")
        if len(word) <= _LONGEST_WORD and (read := _reading(word)):
            # Each character on its own, so that spans stay exact.
            yield from (Edit(at, at + 1, letter) for at, letter in enumerate(read, start))
            behind = end + 1


def _reading(word: str) -> str:
    for reading in _READINGS:
        read = word.translate(reading)
        if read in vocabulary() or read in _rude():
            return read
    return ""


def _together(text: str, shape: str) -> Iterator[Edit]:
    known = vocabulary()
    for start, end in islice(_pieces(shape, _LONG), _MOST_RUNS):
        run = text[start : min(end, start + _LONGEST_RUN)]
        if run.isascii() and run.isalpha() and run not in known:
            for cut in _cuts(run):
                yield Edit(start + cut, start + cut, " ")


@lru_cache(maxsize=8_192)
def _cuts(run: str) -> tuple[int, ...]:
    """Where a run of letters falls into known words; empty when most of it does not.

    Long words are preferred: the best way has the highest sum of squared lengths. Letters between are left as they are.
    """
    known, lengths = vocabulary(), _lengths()
    best = [0] * (len(run) + 1)
    before = [0] * (len(run) + 1)
    covered = [0] * (len(run) + 1)
    for start in range(len(run)):
        if start and best[start] <= best[start - 1]:
            best[start], before[start], covered[start] = best[start - 1], start - 1, covered[start - 1]
        for length in lengths.get(run[start : start + 3], ()):
            score, end = best[start] + length * length, start + length
            if end <= len(run) and score > best[end] and run[start:end] in known:
                best[end], before[end], covered[end] = score, start, covered[start] + length
    if best[-1] <= best[-2]:
        best[-1], before[-1], covered[-1] = best[-2], len(run) - 1, covered[-2]
    if 2 * best[-1] < 7 * len(run) or covered[-1] * 4 < 3 * len(run):
        return ()
    cuts: list[int] = []
    at, word_before = len(run), True
    while at > 0:
        word = at - before[at] > 1
        if at < len(run) and (word or word_before):
            cuts.append(at)
        at, word_before = before[at], word
    return tuple(cuts[::-1])


@cache
def vocabulary() -> frozenset[str]:
    """Common words, folded, of several languages, and those that attacks are made of."""
    return _listed("words.txt.gz")


@cache
def _lengths() -> dict[str, tuple[int, ...]]:
    """How long the known words are that stand where three letters do."""
    found: dict[str, set[int]] = {}
    for word in vocabulary():
        if 2 < len(word) <= _LONGEST_WORD:
            found.setdefault(word[:3], set()).add(len(word))
    for word in vocabulary():
        if len(word) == 2:
            for letter in ("", *LATIN):
                found.setdefault(word + letter, set()).add(2)
    return {head: tuple(sorted(lengths)) for head, lengths in found.items()}


@cache
def _rude() -> frozenset[str]:
    """Words of insults: read where digits stand for letters, but too many and too odd to cut long words by."""
    return _listed("rude.txt.gz")


def _listed(name: str) -> frozenset[str]:
    packed = files("moat.guards.models").joinpath(name).read_bytes()
    return frozenset(decompress(packed).decode().split())
