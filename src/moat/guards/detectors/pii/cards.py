"""Payment cards: issuer ranges (ISO/IEC 7812, the schemes' own tables) and the check digit."""

import re
from collections.abc import Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.checks import luhn
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
    rf"(?<![0-9])(?=((?:[0-9]{{4}}{_APART}){{3}}[0-9]{{4}}(?![0-9])|3[47][0-9]{{2}}{_APART}[0-9]{{6}}{_APART}[0-9]{{5}}(?![0-9])))"
)
"""As cards are printed, with anything between the groups: in tables, over the ends of lines, in code."""


def named_cards(search: Search) -> Iterator[Hit]:
    """Cards in groups that are apart in any way, where a word near says card and the check digit is right."""
    for match in _GROUPS.finditer(search.text):
        digits = re.sub(r"[\W_]", "", match[1])
        if _ISSUERS.fullmatch(digits) and luhn(digits) and len(set(digits)) > 1:
            start, end = match.span(1)
            if "card" in search.labels.around(start, end, grouped=True)[:2]:
                yield Hit("card", start, end, 0.99)


def card(digits: str, shape: str, named: bool) -> float:
    """How sure it is a card number, 0 to 1; `named`: a word near says card."""
    if not 12 <= len(digits) <= 19 or len(set(digits)) < 2:
        return 0.0
    if not named and _UNEVEN.search(shape):
        return 0.0
    issued = _ISSUERS.fullmatch(digits) is not None
    grouped = len(shape) <= 2 or shape in CARD_SHAPES
    if not luhn(digits):
        return 0.55 if named and issued and grouped and len(digits) >= 14 else 0.0
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
