"""Payment cards: issuer ranges (ISO/IEC 7812, the schemes' own tables) and the check digit."""

import re
from collections.abc import Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.checks import luhn
from moat.guards.detectors.pii.found import words
from moat.guards.detectors.pii.search import Search

_ISSUERS = re.compile(
    r"4(?:\d{12}|\d{15}|\d{18})|"  # Visa
    r"5[1-5]\d{14}|(?:222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}|"  # Mastercard
    r"3[47]\d{13}|"  # American Express
    r"3(?:0[0-5]|[689]\d)\d{11}(?:\d{2})?|"  # Diners Club
    r"(?:6011|65\d{2}|64[4-9]\d)\d{12}(?:\d{3})?|"  # Discover
    r"35\d{14}(?:\d{3})?|(?:2131|1800)\d{11}|"  # JCB
    r"62\d{14,17}|"  # UnionPay
    r"220[0-4]\d{12}|"  # Mir
    r"(?:60|81|82|508)\d{13,14}|"  # RuPay
    r"(?:506[01]|507[89]|6500)\d{12}(?:\d{3})?|"  # Verve
    r"(?:50|5[6-9]|6[0-9])\d{10,17}"  # Maestro
)
_UNEVEN = re.compile(r"[./]|[ ].*-|-.*[ ]|~")
"""Numbers beside each other, or with decimal points."""
CARD_SHAPES = frozenset(
    shape.replace("s", separator)
    for separator in " -"
    for shape in (*(f"4s4s4s{last}" for last in range(1, 8)), "4s4s4s4s3", "4s6s4", "4s6s5")
)
"""Digits in each group, and what separates them."""

_APART = r"[\W_]{1,3}"
_GROUPS = re.compile(
    rf"(?:(?:[0-9]{{4}}{_APART}){{3}}[0-9]{{4}}|3[47][0-9]{{2}}{_APART}[0-9]{{6}}{_APART}[0-9]{{5}})(?![0-9])"
)
"""As cards are printed, with anything between the groups: in tables, over the ends of lines, in code."""
_FOUR = re.compile(r"[0-9]{4}(?![0-9])(?<![0-9]{5})")
"""Their first group. It begins with one set of characters, so searching is quick."""


_SCHEMES = re.compile(
    r"4|5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720|3[47](?=[0-9]{13}\Z)|35(?:2[89]|[3-8])|6011|65|64[4-9]|62"
)
"""The large ones, whose numbers are printed in such groups."""
_EVEN = re.compile(r"\d+(?:(?P<gap>[./_-]| {1,3}|\r?\n)\d+(?:(?P=gap)\d+)+|(?:(?: ?- ?| {1,3}|[ -]?\r?\n)\d+)+)")
"""The same between all groups, or spaces, dashes and ends of lines: not decimal points of several numbers."""
_PAIR = re.compile(r"\d+-\d+[^-]\d+-\d+")
"""Of numbers that have a dash in them."""
_USUAL = re.compile("[ -][0-9]")
"""Behind the first group: most rows of numbers are written so, and few cards that are looked for here."""
_PRINTED = re.compile(r"\d+(?:( |-)\d+)(?:\1\d+)+")
"""As numbers of several groups are read anyway."""
_MORE_BEFORE = re.compile(r"(?:[\w#@&\\/.+-]|(?<![0-9])[0-9]{4}[ -]{1,3})\Z")
_MORE_BEHIND = re.compile(r"[ ./_-]{1,3}[0-9]{4}(?![0-9])|[./-]?\w|/")
"""Of a row of numbers, a path, an identifier."""
_ABOVE, _BELOW = re.compile(r"(?<![0-9])[0-9]{4}\r?\n\Z"), re.compile(r"\r?\n[0-9]{4}(?![0-9])")
"""Of a column."""
_GLUED = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]\Z")
_WORDED = re.compile(r"(?P<word>[A-Za-z]{1,10})(?P<digits>[0-9]{14,16})")
_WORDS = words("x cc card visa mc mastercard amex pan karte carte carta tarjeta kaart")
"""What stands right before a number, with nothing between."""


def spread_cards(search: Search) -> Iterator[Hit]:
    """Cards in groups that are apart in any way, with the right check digit, where a word near says card or where they
    are apart evenly. Of rows of numbers that are not, a few look like cards too: none of them is sure.
    """
    sure, alike = list[Hit](), 0
    for first in _FOUR.finditer(search.text):
        match = _GROUPS.match(search.text, first.start())
        if match is None:
            continue
        start, end = match.span()
        digits = re.sub(r"[\W_]", "", match[0])
        right = _ISSUERS.fullmatch(digits) is not None and luhn(digits) and len(set(digits)) > 1
        if not right and _USUAL.match(search.text, first.end()):
            continue
        near = search.labels.around(start, end, grouped=True)[:2] if right else ()
        if "card" in near:
            yield Hit("card", start, end, 0.99)
        elif _is_apart(search.text, start, end):
            alike += 1
            if right and _SCHEMES.match(digits):
                sure.append(Hit("card", start, end, 0.45 if near[:1] == ("other",) else 0.85))
    if 2 * len(sure) >= alike:
        yield from sure


def _is_apart(text: str, start: int, end: int) -> bool:
    """By itself, and evenly."""
    if _MORE_BEHIND.match(text, end):
        return False
    before = max(0, start - 8)
    glued = _GLUED.search(text, before, start) is not None
    if not glued and (_MORE_BEFORE.search(text, before, start) or _PRINTED.fullmatch(text, start, end)):
        return False
    if "\n" in text[start:end] and (_ABOVE.search(text, before, start) or _BELOW.match(text, end)):
        return False
    return _EVEN.fullmatch(text, start, end) is not None and not _PAIR.fullmatch(text, start, end)


def glued_card(search: Search, start: int, end: int) -> Iterator[Hit]:
    """A card right behind a word: `x4111111111111111`, `visa4111111111111111`."""
    match = _WORDED.fullmatch(search.text, start, end)
    if match is None or not _SCHEMES.match(match["digits"]) or not luhn(match["digits"]):
        return
    begin = match.start("digits")
    if match["word"].lower() in _WORDS or "card" in search.labels.around(begin, end)[:2]:
        yield Hit("card", begin, end, 0.7)


def card(digits: str, shape: str, named: bool) -> float:
    """How sure it is a card number, 0 to 1; `named`: a word near says card."""
    if not 12 <= len(digits) <= 19 or len(set(digits)) < 2:
        return 0.0
    if not named and _UNEVEN.search(shape):
        return 0.0
    right = luhn(digits)
    if not (right or named):
        return 0.0
    issued = _ISSUERS.fullmatch(digits) is not None
    grouped = len(shape) <= 2 or shape in CARD_SHAPES
    if not right:
        return 0.55 if issued and grouped and len(digits) >= 14 else 0.0
    if not issued:
        return 0.85 if named else 0.3
    if named:
        return 0.99
    if len(digits) == 13 and not _is_article(digits):
        return 0.55
    if len(digits) in (13, 17, 18) or (len(digits) < 15 and digits[0] in "56"):
        return 0.45
    if not grouped:
        return 0.0
    return 0.97 if len(shape) > 2 else 0.9


def _is_article(digits: str) -> bool:
    """It also is the number of an article of trade: EAN-13."""
    return sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(digits)) % 10 == 0
