"""Data about real people in a text: a few formats that are checked, not guessed."""

import re
from collections.abc import Callable, Iterator

_HINT = re.compile(r"@|\+\d|\d{2}[ -]?\d{2}")
"""Without one of these there is nothing to find."""

_RESERVED = re.compile(r"(?i:(?:.*\.)?(?:example\.(?:com|net|org)|example|test|invalid|localhost))")
"""Domains that belong to nobody (RFC 2606, RFC 6761)."""
_TEST_CARDS = {"4111111111111111", "4242424242424242", "5555555555554444", "378282246310005"}
"""Numbers that card networks publish for tests."""


def _is_email(text: str) -> bool:
    return _RESERVED.fullmatch(text.rpartition("@")[2]) is None


def _is_phone(text: str) -> bool:
    """E.164: 8 to 15 digits; a group 555 marks a made-up one."""
    digits = re.sub(r"\D", "", text)
    fictional = re.search(r"(?<!\d)555(?!\d)", text) is not None
    return 8 <= len(digits) <= 15 and len(set(digits)) > 2 and not fictional and digits not in "01234567890123456789"


def _is_card(text: str) -> bool:
    """The Luhn check digit (ISO/IEC 7812-1)."""
    digits = re.sub(r"\D", "", text)
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    valid = sum(value - 9 * (value > 9) for value in doubled) % 10 == 0
    return valid and len(set(digits)) > 2 and digits not in _TEST_CARDS


def _is_iban(text: str) -> bool:
    """The check digits (ISO 13616: modulo 97)."""
    plain = text.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _is_ssn(text: str) -> bool:
    """Not one of the numbers that the Social Security Administration never gives out."""
    area, group, serial = text.split("-")
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000" and text != "123-45-6789"


_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,5}[A-Za-z]{2,63}")
_KINDS: tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...] = (
    ("an email address", _EMAIL, _is_email),
    ("an IBAN", re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _is_iban),
    ("a card number", re.compile(r"(?<![\w.+-])[3-6]\d{3}(?:[ -]?\d){9,15}(?![\w.-]*\d)"), _is_card),
    ("a US social security number", re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _is_ssn),
    ("a phone number", re.compile(r"(?<![\w+])\+[1-9](?:[ ().-]{0,2}\d){7,14}(?!\d)"), _is_phone),
)


def find_personal(text: str) -> Iterator[tuple[str, int, str]]:
    """What looks like data about a person: its kind, its 1-based line, and its first characters."""
    if _HINT.search(text) is None:
        return
    for kind, pattern, fits in _KINDS:
        for match in pattern.finditer(text):
            if fits(match[0]):
                yield kind, text.count("\n", 0, match.start()) + 1, match[0][:4]


def masked_personal(text: str) -> str:
    """The text with each such thing replaced by its kind, as in `[email address]`."""
    if _HINT.search(text) is None:
        return text
    for kind, pattern, fits in _KINDS:
        text = pattern.sub(_mask(f"[{kind.partition(' ')[2]}]", fits), text)
    return text


def _mask(name: str, fits: Callable[[str], bool]) -> Callable[[re.Match[str]], str]:
    return lambda match: name if fits(match[0]) else match[0]
