"""Folded text with words put back that were written with markup, with digits, letter by letter, or without spaces.

`1gn0r3` is `ignore`, so are `**ig**nore`, `i.g.n.o.r.e` and `i g n o r e`, and `ignoreallrules` is three words. For
detectors that read words; those that look for numbers and keys need the text as it is.
"""

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from gzip import decompress
from importlib.resources import files
from itertools import product

from moat.guards.edits import Edit, Edited
from moat.guards.glance import Glance
from moat.guards.letters import LATIN
from moat.guards.markup import PICTURES, in_line, unmarked

_DIGITS = "013456789"
_SIGNS = "@$!|+"
_SHAPES = str.maketrans(
    {code: "a" if chr(code).isalpha() else " " for code in range(128)} | dict.fromkeys(map(ord, _DIGITS + _SIGNS), "0")
)
_MONEY = str.maketrans("€£", "$$")
_ROW = re.compile(r"(?<![^\W_])[^\W\d_](?:[^\w\n]{1,2}|_)[^\W\d_](?:(?:[^\w\n]{1,4}|_{1,3})[^\W\d_](?![^\W_])){1,400}")
_TRIPLES = (" a a a ", " a a a0", " a  a  a ", " a  a  a0")
"""Shapes of three letters that stand alone: every row has one."""
_GLANCE = Glance()
_LETTER = r"[A-Za-z?\x{80}-\x{10ffff}]"
_FIGURE = "[013456789@$!|+€£]"
_NEITHER = f"[^A-Za-z{_FIGURE[1:-1]}\\x{{80}}-\\x{{10ffff}}]"
_IN_ROWS = _GLANCE.add(
    lambda: (
        f"(?:^|{_NEITHER}){_LETTER}(?:{_NEITHER}{_LETTER}{_NEITHER}|{_NEITHER}{{2}}{_LETTER}{_NEITHER}{{2}}){_LETTER}"
        f"(?:{_NEITHER}|{_FIGURE}|$)"
    )
)
_IN_DIGITS = _GLANCE.add(lambda: f"{_LETTER}{_FIGURE}|{_FIGURE}{_LETTER}")
_TOGETHER = _GLANCE.add(lambda: f"{_LETTER}{{11}}")
_MARKED = _GLANCE.add(
    lambda: (
        rf"</?[a-z]+[\s/>]|<!--|{_LETTER}(?:\*+|~~|__|&[a-z#][a-z0-9]*;|-[ \t]*\r?\n[ \t>#/*|]*)(?:[*~_<&]|{_LETTER})"
        rf"|[a-z][{PICTURES}][a-z]"
    )
)
_LONE = rf"[^A-Za-z\x{{80}}-\x{{10ffff}}\n]*{_LETTER}[^\s]*[^A-Za-z\x{{80}}-\x{{10ffff}}\n]*"
_IN_LINES = _GLANCE.add(
    lambda: (
        rf"(?:^|\n){_LONE}\n(?:[^A-Za-z\x{{80}}-\x{{10ffff}}\n]*\n)*{_LONE}(?:\n|$)"
        rf"|{_LETTER}(?:\|{_LETTER}\||\+{_LETTER}\+|!{_LETTER}!){_LETTER}"
    )
)
"""What is in every text that has letters in a row by themselves, words with digits, or words without spaces; markup
inside words, or words on lines by themselves."""
_GAP = re.compile(r"[\W_]+")
_READINGS = tuple(
    str.maketrans("03456789@$+!€£1|", f"oeasgtbgastiel{one}{bar}") for one, bar in product("il", repeat=2)
)
_LONG = "a" * 11
_LETTERS = re.compile(rf"(?<![^\W\d_])[a-z]{{{len(_LONG)},}}(?![^\W\d_])")
_LONGEST_WORD = 16
_BESIDE, _WORDED = 6, 3
"""What a letter in no word takes from the sum of the squared lengths; what there has to be of it for each letter."""


def plain(folded: Edited) -> Edited:
    """Read it so. What becomes of a place depends on the word, tag or row it is in, and on nothing behind."""
    view = folded
    glimpse = _GLANCE.at(view.text)
    for pattern, rewritten in ((_MARKED, unmarked), (_IN_LINES, in_line), (_IN_ROWS, _rows)):
        if glimpse.shows(pattern) and (edits := [*rewritten(view.text)]):
            view = view.then(edits)
            glimpse = _GLANCE.at(view.text)
    if glimpse.shows(_IN_DIGITS) or glimpse.shows(_TOGETHER):
        shape = _shape(view.text)
        digits = list(_digits(view.text, shape))
        read = {edit.start for edit in digits}
        apart = (edit for edit in _together(view.text, shape) if edit.start not in read)
        view = view.then(sorted([*digits, *apart]))
    return view


def _shape(folded: str) -> str:
    if not folded.isascii():
        folded = folded.translate(_MONEY).encode("ascii", "replace").decode().replace("?", "a")
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
    if not _has_rows(_shape(folded)):
        return
    for match in _ROW.finditer(folded):
        gaps = list(_GAP.finditer(folded, *match.span()))
        usual = gaps[0].group()
        for gap in gaps:
            wide = len(gap.group()) > len(usual) or (gap.group().isspace() and not usual.isspace())
            yield Edit(*gap.span(), " " if wide else "")


def _digits(text: str, shape: str) -> Iterator[Edit]:
    for start, end in _mixed(shape):
        while start < end:
            # Who ends a sentence with `!` writes no letter; who ends a word with `+` may.
            word = text[start:end].rstrip("!")
            read = _reading(word) or _reading(word.rstrip("!+|"))
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
    if len(word) > _LONGEST_WORD:
        return ""
    for reading in _READINGS:
        read = word.translate(reading)
        if read in vocabulary() or read in _rude():
            return read
    return ""


def _together(text: str, shape: str) -> Iterator[Edit]:
    known = vocabulary()
    for word in _long(shape):
        # A sign right behind may stand for a letter, as a digit does: the letters by themselves.
        for match in _LETTERS.finditer(text, *word):
            if (run := match.group()) not in known:
                for cut in _cuts(run):
                    yield Edit(match.start() + cut, match.start() + cut, " ")


@lru_cache(maxsize=8_192)
def _cuts(run: str) -> tuple[int, ...]:
    """Where a run of letters falls into known words; empty when most of it does not.

    Long words are preferred, and few letters between: the best way has the highest sum of squared lengths, less what
    each letter that is in no word costs.
    """
    known, lengths = vocabulary(), _lengths()
    best = [-_BESIDE * at for at in range(len(run) + 1)]
    before = [at - 1 for at in range(len(run) + 1)]
    covered = [0] * (len(run) + 1)
    for start in range(len(run)):
        if best[start] - _BESIDE > best[start + 1]:
            best[start + 1], before[start + 1], covered[start + 1] = best[start] - _BESIDE, start, covered[start]
        for length in lengths.get(run[start : start + 3], ()):
            score, end = best[start] + length * length, start + length
            if end <= len(run) and score > best[end] and run[start:end] in known:
                best[end], before[end], covered[end] = score, start, covered[start] + length
    if best[-1] < _WORDED * len(run) or covered[-1] * 4 < 3 * len(run):
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
    short = [(word, len(word)) for word in vocabulary() if len(word) < 3]
    for word, length in short:
        for rest in ("", *LATIN, *(one + other for one in LATIN for other in LATIN)):
            if len(word + rest) <= 3:
                found.setdefault(word + rest, set()).add(length)
    return {head: tuple(sorted(lengths)) for head, lengths in found.items()}


@cache
def _rude() -> frozenset[str]:
    """Words of insults: read where digits stand for letters, but too many and too odd to cut long words by."""
    return _listed("rude.txt.gz")


def _listed(name: str) -> frozenset[str]:
    packed = files("moat.guards.models").joinpath(name).read_bytes()
    return frozenset(decompress(packed).decode().split())
