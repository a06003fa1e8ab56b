"""What Markdown, HTML and line ends put inside words and between them, taken away.

A renderer shows `**ig**nore`, `<b>ig</b>nore` and `ig&shy;nore` as one word, and so does a model read them. Words that
stand one a line, quoted or numbered, are one line again, and a word that a hyphen parts at the end of one is whole.
"""

import re
from collections.abc import Iterator

from moat.guards.edits import Edit, Edited

_INLINE = (
    "a|abbr|acronym|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|mark|nobr|q|s|samp|small|span|strike|strong|sub|sup"
    "|tt|u|var|wbr"
)
"""Elements of HTML that stand within a line: nothing parts what is before and behind their tags."""
_NOTHING = "shy|zwn?j|zerowidthspace|nobreak|#0*(?:173|820[3-7]|828[89]|65279)|#x0*(?:ad|200[b-f]|206[0-4]|feff)"
"""Entities of HTML that show nothing."""
PICTURES = "\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
"""Arrows, boxes, emoji: ranges of characters."""
_LETTER = r"[^\W\d_]"
_TAG = rf"</?(?:{_INLINE})(?:[\s/][^<>]{{0,160}})?>"
_EMPTY = r"<!--[^\w<>]{0,8}\w{0,16}[^\w<>]{0,8}-->"
_MARKS = re.compile(
    rf"(?<={_LETTER})(?:{_TAG}|<!--[^<>]{{0,200}}-->|&(?:{_NOTHING});|\*|~~|__){{1,64}}+(?={_LETTER})"
    rf"|(?:{_TAG}|{_EMPTY}){{1,64}}"
    rf"|(?<={_LETTER})-[ \t]{{0,4}}\r?\n[ \t>#/*|]{{0,8}}(?={_LETTER})"
    rf"|(?<=[a-z])(?P<picture>[{PICTURES}])(?=[a-z])"
)
_VALUE = r"[A-Za-z0-9@._+-]"
_INSIDE = re.compile(
    rf"(?:{_TAG}|<!--[^<>]{{0,200}}-->|&(?:{_NOTHING});|\*{{2,}}+|~~){{1,64}}+(?={_VALUE})"
    rf"|\*(?={_VALUE})(?:(?<![0-9]\*)|(?![0-9]))",
    re.IGNORECASE,
)
"""One `*` between digits multiplies."""
_VALUE_BEGINS = re.compile(rf"[<&*~](?<={_VALUE}[<&*~])(?:(?<=<)[/!a-z]|(?<=&)[#a-z]|(?<=\*)|(?<=~)~)", re.IGNORECASE)
"""Looks back only behind one of four characters: a pattern that begins with one set of them is quick to search with."""
_BEGINNINGS = ("<", "&", "*", "~~")
_MAY_HOLD = re.compile(r"[@0-9]")
"""In every text that has such values."""
_BEGINS = re.compile(rf"[<&*~_\-{PICTURES}]")
_BEFORE = r"(?:[^\w\n]|[\d_]){0,40}+"
"""What may stand before the word of a line: a quotation mark, a number, a bullet."""
_APART = rf"[^\S\n]{{0,8}}+(?:\n{_BEFORE}){{1,4}}+"
_WORD = rf"(?<!\d){_LETTER}\S{{0,40}}+"
_LINES = re.compile(
    rf"\n{_BEFORE}{_WORD}(?:{_APART}{_WORD}){{3,400}}(?=[^\S\n]{{0,8}}+(?!.))"
    rf"(?:[^\S\n]{{0,8}}+\n(?:[^\w\n]|_){{0,40}}+(?:\d{{1,3}}[.:)][^\S\n])?(?=\S))?"
)
_LINE_END = re.compile(_APART)
_BARRED = re.compile(
    rf"(?<![^\W_]){_LETTER}(?:(?:\|{_LETTER}){{2,400}}|(?:\+{_LETTER}){{2,400}}|(?:!{_LETTER}){{2,400}})(?![^\W_])"
)
_BAR = re.compile(r"[|+!]")
_BETWEEN = re.compile(rf"[|+!](?<={_LETTER}.)(?={_LETTER}[|+!])")
"""The first bar of every row."""
_BARS = frozenset("|+!")
_SAYING = re.compile(r"<[^<>]*[^\W_][\W_]")
"""In every tag or comment of several words."""
_WORDS = re.compile(r"[^\W_]+")
_SHORTEST_ASIDE = 3
"""Words of a tag or comment that may say something."""


def unmarked(folded: str) -> Iterator[Edit]:
    """Tags of inline elements go, and between letters comments, signs of emphasis, invisible entities and hyphens at
    the ends of lines; a picture between letters becomes a sign. A single `_` stays: names are written with it.
    """
    return (Edit(*match.span(), "~" if match["picture"] else "") for match in _marks(folded))


def _marks(folded: str) -> Iterator[re.Match[str]]:
    """What `_MARKS` finds, tried only where it may begin: it looks back, and so is slow to search with."""
    done = 0
    for begin in _BEGINS.finditer(folded):
        if begin.start() >= done and (match := _MARKS.match(folded, begin.start())):
            done = match.end()
            yield match


def inside_values(original: str) -> Iterator[re.Match[str]]:
    """Tags of inline elements, comments, invisible entities and signs of emphasis between characters that addresses,
    numbers and keys are made of, in a text that may have some.
    """
    if not any(begin in original for begin in _BEGINNINGS) or _MAY_HOLD.search(original) is None:
        return
    for begin in _VALUE_BEGINS.finditer(original):
        if match := _INSIDE.match(original, begin.start()):
            yield match


def in_line(text: str) -> list[Edit]:
    """Lone words of at least four lines in one, and at least three letters between bars without these."""
    edits = []
    # Every row begins with a line end: one literal character is found quickly.
    for row in _LINES.finditer(f"\n{text}"):
        start, end = row.start() - 1, row.end() - 1
        follows = start > 0 and not text[start - 1].isspace()
        edits += [Edit(*gap.span(), " ") for gap in _LINE_END.finditer(text, start + (not follows), end)]
    if _BARS.isdisjoint(text):
        return edits
    edits += [Edit(*bar.span(), "") for row in _barred(text) for bar in _BAR.finditer(text, *row.span())]
    return sorted(edits)


def _barred(text: str) -> Iterator[re.Match[str]]:
    done = 0
    for bar in _BETWEEN.finditer(text):
        if bar.start() > done and (row := _BARRED.match(text, bar.start() - 1)):
            done = row.end()
            yield row


def asides(folded: Edited) -> Edited:
    """What the tags and comments say that are taken away, a line each: nobody is shown it, but a model reads it."""
    edits: list[Edit] = []
    done = 0
    for match in _marks(folded.text) if _SAYING.search(folded.text) else ():
        if len(_WORDS.findall(match.group())) >= _SHORTEST_ASIDE:
            edits.append(Edit(done, match.start() + 1, "\n"))
            done = match.end() - 1
    return folded.then([*edits, Edit(done, len(folded.text), "")])
