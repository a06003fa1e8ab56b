"""Check digits and other rules that real numbers follow. All take the bare digits or letters, without separators."""

import hashlib
from collections.abc import Sequence
from datetime import date
from itertools import cycle
from operator import mul

_VERHOEFF_TURN = tuple(
    tuple(map(int, row))
    for row in (
        "0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
    )
)  # fmt: skip
_VERHOEFF_TIMES = tuple(
    tuple(map(int, row))
    for row in (
        "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
        "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
    )
)  # fmt: skip
_BASE58 = {c: i for i, c in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {c: i for i, c in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_DOUBLED = dict(zip("0123456789", (0, 2, 4, 6, 8, 1, 3, 5, 7, 9), strict=True))


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    return (sum(map(int, digits[-1::-2])) + sum(map(_DOUBLED.__getitem__, digits[-2::-2]))) % 10 == 0


def verhoeff(digits: str) -> bool:
    """Verhoeff 1969: the dihedral group D5."""
    value = 0
    for turn, digit in zip(cycle(_VERHOEFF_TURN), map(int, reversed(digits)), strict=False):
        value = _VERHOEFF_TIMES[value][turn[digit]]
    return value == 0


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of digits times weights; what is longer of the two is not looked at."""
    return sum(map(mul, weights, map(int, digits)))


def mod97(characters: str) -> bool:
    """ISO 7064 mod 97-10 over digits and letters (A is 10), as in an IBAN whose first four were put last."""
    return int("".join(str(int(c, 36)) for c in characters)) % 97 == 1


def mod11_10(digits: str) -> bool:
    """ISO 7064 mod 11,10: German tax numbers, Croatian OIB."""
    product = 10
    for digit in digits[:-1]:
        product = (product + int(digit)) % 10 or 10
        product = product * 2 % 11
    return (product + int(digits[-1])) % 10 == 1


def day(year: int, month: int, of_month: int) -> bool:
    """Such a day exists, and a living person can be born on it."""
    if not 1900 <= year <= 2035:
        return False
    try:
        date(year, month, of_month)
    except ValueError:
        return False
    return True


def short_day(year: str, month: str, of_month: str) -> bool:
    """The same where the century is not written."""
    return day(1900 + int(year), int(month), int(of_month)) or day(2000 + int(year) % 36, int(month), int(of_month))


def _base58_sum(text: str) -> bool:
    value = 0
    for character in text:
        value = value * 58 + _BASE58[character]
    try:
        raw = value.to_bytes(25, "big")
    except OverflowError:
        return False
    return hashlib.sha256(hashlib.sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def base58(text: str) -> bool:
    """An address of 25 bytes whose last four are their own double SHA-256."""
    return 25 <= len(text) <= 35 and all(c in _BASE58 for c in text) and _base58_sum(text)


def bech32(text: str) -> bool:
    """BIP 173 and BIP 350."""
    prefix, _, data = text.lower().rpartition("1")
    if not prefix or len(data) < 6 or any(c not in _BECH32 for c in data):
        return False
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32[c] for c in data]
    state = 1
    for value in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= generator if top >> bit & 1 else 0
    return state in (1, 0x2BC830A3)
