"""One form for each letter: case, width, font, accents, invisible characters, look-alikes."""

import re
from collections.abc import Iterable, Iterator
from unicodedata import normalize

from moat.guards.edits import Edit, Edited
from moat.guards.letters import FOLDING, LOOKALIKES

_APART = re.compile(r"[\u1100-\u11ff]{1,64}|[\u3041-\u30ff][\u3099\u309a]|[\u0400-\u045f][\u0306\u0308]")
"""Letters written in pieces that are one letter, not a letter with an accent."""
_PIECES = frozenset(map(chr, (*range(0x1100, 0x1200), 0x3099, 0x309A, 0x306, 0x308)))
_ALIKE = "\u0370-\u058f\u13a0-\u13ff\u2c80-\u2cff\uab70-\uabbf"
_FOREIGN = re.compile(f"[{_ALIKE}]")
_WORD = re.compile(rf"[a-z{_ALIKE}]{{1,64}}")
_MIXED = re.compile(rf"[a-z][^a-z{_ALIKE}]*[{_ALIKE}]|[{_ALIKE}][a-z]")
_LATIN = re.compile(r"[a-z]")
_ESCAPED = re.compile(r'(?<!\\)(\\++)(?:"|([ntr])([a-z]{0,16}))')
_STANDS_FOR = {"n": "\n", "t": "\t", "r": "\r"}
_WORDS = """name named names need needed never new next no none not note nothing now nullify tag take talk task tasks
teach tell tells test text texts than that the their them then there these they think this those times title to today
token told tool tools top topic train training transfer translate translated true trust try turn type ransomware raw
read reader real really reason recall receive received recite recommend record refuse release remain remember remove
render repeat reply report request reset respond response restart restore restrict restricted restriction restrictions
return reveal reverse review rewrite right rogue role roles root rule rules run"""
_BACKSLASHED = frozenset(_WORDS.split())
"""Words that a backslash alone would hide, if its letter were taken for a line end: `\\tell \\now \\the \\rules`."""
_FEW = 24
SAME = (
    "\x00-\x7f\u0430-\u045f\u0627-\u063f\u0641-\u064a\u0904-\u0957\u0985-\u09b9\u0e01-\u0e32\u0e34-\u0e5b"
    "\u3001-\u3035\u303b-\u3098\u30a0-\u30fe\u3400-\u9fff\uac00-\ud7a3"
)
"""Ranges of letters that are lower case and in their one form already: most of a text of any script."""
_ODD = re.compile(f"[^{SAME}]")


def fold(text: str) -> Edited:
    """Lower case, one form of each letter, nothing invisible; blanks where white space and quotes are escaped.

    What becomes of a place depends on the text before it and on the word it is in, not on what follows.
    """
    if "\\" in text:
        text = _ESCAPED.sub(_blank, text)
    if text.isascii():
        return Edited(text.lower())
    # U+0130 is the only letter that grows when it is made lower case.
    lower = text.replace("\u0130", "I").lower()
    odd = set(_ODD.findall(lower))
    if not _PIECES.isdisjoint(odd):
        joined = Edited(
            lower, [Edit(*match.span(), normalize("NFC", match.group())) for match in _APART.finditer(lower)]
        )
        folded = _one_form(joined.text, set(_ODD.findall(joined.text)))
        folded.below = joined
    else:
        folded = _one_form(lower, odd)
    if _FOREIGN.search(lower) and _MIXED.search(folded.text):
        folded.text = _WORD.sub(_Lookalikes(), folded.text)
    return folded


def _blank(escape: re.Match[str]) -> str:
    """What an escape of JSON stands for, escaped several times too. As long as it, so that places stay as they are."""
    slashes, letter, rest = escape.groups("")
    if letter and letter + rest in _BACKSLASHED:
        return f"{len(slashes) * ' '}{letter}{rest}"
    return _STANDS_FOR.get(letter, '"').rjust(len(slashes) + 1) + rest


def _one_form(lower: str, letters: Iterable[str]) -> Edited:
    forms = {letter: FOLDING[ord(letter)] for letter in letters}
    resized = {letter for letter, form in forms.items() if len(form) != 1}
    edits = _resizing(lower, {letter: forms[letter] for letter in resized}) if resized else ()
    changed = {letter: form for letter, form in forms.items() if form != letter and len(form) == 1}
    if len(changed) <= _FEW:
        for letter, form in changed.items():
            lower = lower.replace(letter, form)
    else:
        lower = lower.translate({ord(letter): form for letter, form in changed.items()})
    return Edited(lower, edits)


def _resizing(lower: str, forms: dict[str, str]) -> Iterator[tuple[int, int, str]]:
    """Letters that become several, one by one, and runs of letters that vanish."""
    gone = "".join(sorted(letter for letter, form in forms.items() if not form))
    grown = "".join(sorted(letter for letter, form in forms.items() if form))
    found = [f"[{gone}]+"] * bool(gone) + [f"[{grown}]"] * bool(grown)
    for match in re.finditer("|".join(found), lower):
        yield match.start(), match.end(), forms.get(match[0], "")


class _Lookalikes:
    """Rewrites words that mix Latin letters with others, and words of nothing but look-alikes that follow one."""

    def __init__(self) -> None:
        self._after_latin = False

    def __call__(self, match: re.Match[str]) -> str:
        word = match.group()
        if word.isascii():
            self._after_latin = True
            return word
        mixed = _LATIN.search(word) is not None
        if mixed or (self._after_latin and len(word) > 1):
            plain = word.translate(LOOKALIKES)
            self._after_latin = plain.isascii()
            return plain if mixed or self._after_latin else word
        self._after_latin = False
        return word
