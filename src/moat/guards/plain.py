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
from moat.guards.glance import Glance
from moat.guards.letters import LATIN

_DIGITS = "01345679"
_SIGNS = "@$!|+€£"
_SHAPES = str.maketrans(
    {code: "a" if chr(code).isalpha() else "0" if chr(code) in _DIGITS + _SIGNS else " " for code in range(128)}
)
_ROW = re.compile(r"(?<![^\W_])[^\W\d_](?:[^\w\n]{1,2}|_)[^\W\d_](?:(?:[^\w\n]{1,4}|_{1,3})[^\W\d_](?![^\W_])){1,400}")
_TRIPLES = (" a a a ", " a a a0", " a  a  a ", " a  a  a0")
"""Shapes of three letters that stand alone: every row has one."""
_GLANCE = Glance()
_LETTER = r"[A-Za-z?\x{80}-\x{10ffff}]"
_FIGURE = "[01345679@$!|+]"
_NEITHER = f"[^A-Za-z{_FIGURE[1:-1]}\\x{{80}}-\\x{{10ffff}}]"
_IN_ROWS = _GLANCE.add(
    lambda: (
        f"(?:^|{_NEITHER}){_LETTER}(?:{_NEITHER}{_LETTER}{_NEITHER}|{_NEITHER}{{2}}{_LETTER}{_NEITHER}{{2}}){_LETTER}"
        f"(?:{_NEITHER}|{_FIGURE}|$)"
    )
)
_IN_DIGITS = _GLANCE.add(lambda: f"{_LETTER}{_FIGURE}|{_FIGURE}{_LETTER}")
_TOGETHER = _GLANCE.add(lambda: f"{_LETTER}{{11}}")
"""What is in every text that has letters in a row by themselves, words with digits, or words without spaces."""
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
    glimpse = _GLANCE.at(folded)
    first = None
    if glimpse.shows(_IN_ROWS) and _has_rows(_shape(folded)):
        first = Edited(folded, _rows(folded))
        folded = first.text
        glimpse = _GLANCE.at(folded)
    edits: list[Edit] = []
    if glimpse.shows(_IN_DIGITS) or glimpse.shows(_TOGETHER):
        shape = _shape(folded)
        edits = sorted([*_digits(folded, shape), *_together(folded, shape)])
    second = Edited(folded, edits)
    second.below = first
    return second


def _shape(folded: str) -> str:
    if not folded.isascii():
        folded = folded.encode("ascii", "replace").decode().replace("?", "a")
    return folded.translate(_SHAPES)


def _has_rows(shape: str) -> bool:
    around = f" {shape} "
    return any(row in around for row in _TRIPLES)


def _long(shape: str) -> Iterator[tuple[int, int]]:
    """Where the words are, between spaces, that are long enough to be several."""
    at = shape.find(_LONG)
    while at >= 0:
        end = _end(shape, at)
        yield shape.rfind(" ", 0, at) + 1, end
        at = shape.find(_LONG, end)


def _end(shape: str, at: int) -> int:
    """Where the word ends that stands there."""
    end = shape.find(" ", at)
    return len(shape) if end < 0 else end


def _rows(folded: str) -> Iterator[Edit]:
    for match in islice(_ROW.finditer(folded), _MOST_ROWS):
        gaps = list(_GAP.finditer(folded, *match.span()))
        usual = gaps[0].group()
        for gap in gaps:
            wide = len(gap.group()) > len(usual) or (gap.group().isspace() and not usual.isspace())
            yield Edit(*gap.span(), " " if wide else "")


def _digits(text: str, shape: str) -> Iterator[Edit]:
    for start, end in islice(_mixed(shape), _MOST_MARKED):
        while start < end:
            word = text[start:end].rstrip("!+|")
            read = _reading(word) if len(word) <= _LONGEST_WORD else ""
            if not read:
                break
            # Each character on its own, so that spans stay exact.
            yield from (Edit(at, at + 1, letter) for at, letter in enumerate(read, start))
            # A number right behind may be a word too: `d4n 15`.
            start, end = end + 1, _end(shape, end + 1)
            if "a" in shape[start:end]:
                break


def _mixed(shape: str) -> Iterator[tuple[int, int]]:
    """The words in which a letter stands beside a digit."""
    one, other = shape.find("a0"), shape.find("0a")
    while one >= 0 or other >= 0:
        mark = min(one, other) if one >= 0 and other >= 0 else max(one, other)
        end = _end(shape, mark)
        yield shape.rfind(" ", 0, mark) + 1, end
        one = shape.find("a0", end) if 0 <= one < end else one
        other = shape.find("0a", end) if 0 <= other < end else other


def _reading(word: str) -> str:
    for reading in _READINGS:
        read = word.translate(reading)
        if read in vocabulary() or read in _rude():
            return read
    return ""


def _together(text: str, shape: str) -> Iterator[Edit]:
    known = vocabulary()
    for start, end in islice(_long(shape), _MOST_RUNS):
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
