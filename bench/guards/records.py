"""Logs, tables, JSON and mails in which personal data stands among numbers that are none: precision and recall."""

import random
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.guards.measuring import Row, hits, share
from moat.guards.detector import Context
from moat.guards.detectors.pii import Pii
from moat.guards.detectors.pii.checks import luhn

TEMPLATES = Path(__file__).parent / "data/pii/records.txt"
"""Apart by lines of dashes, with «names» of what stands there."""
SEED = 7
EACH = 6
"""Texts of one template."""
_NAME = re.compile("«([a-z0-9]+)»")
_HEX = string.digits + "abcdef"
_PHONES = (
    "+43 664 1234567", "+49 30 901820", "+1 212 555 0142", "(212) 555-0142", "+33 6 12 34 56 78", "06 12 34 56 78",
    "+44 20 7946 0958", "020 7946 0958", "0664 1234567", "+39 347 123 4567", "+48 601 234 567", "+919876543210",
)  # fmt: skip
_AMOUNTS = ("1,234,567.89", "12.345.678,90", "4 500 000", "1234567.89", "98765432")
Maker = Callable[[random.Random], str]


def _digits(*sizes: int, begin: str = "") -> Maker:
    """A number of one of these sizes that begins so, and not with a zero."""

    def maker(r: random.Random) -> str:
        rest = r.choice(sizes) - len(begin)
        return begin + r.choice("123456789") + "".join(r.choices(string.digits, k=rest - 1))

    return maker


def _hex(size: int) -> Maker:
    return lambda r: "".join(r.choices(_HEX, k=size))


def _article(begin: str) -> Maker:
    """EAN-13, which numbers of books are too."""

    def maker(r: random.Random) -> str:
        twelve = _digits(12, begin=begin)(r)
        total = sum(int(digit) * (1, 3)[at % 2] for at, digit in enumerate(twelve))
        return f"{twelve}{-total % 10}"

    return maker


def _book(r: random.Random) -> str:
    number = _article("978")(r)
    return "-".join((number[:3], number[3], number[4:8], number[8:12], number[12]))


def _parcel(r: random.Random) -> str:
    number = _digits(22, begin="94001")(r)
    return " ".join((*(number[at : at + 4] for at in range(0, 20, 4)), number[20:]))


def _card(r: random.Random) -> str:
    start = _digits(15, begin=r.choice(["47", "51", "55", "2223"]))(r)
    number = next(start + digit for digit in string.digits if luhn(start + digit))
    return r.choice([number, " ".join(number[at : at + 4] for at in range(0, 16, 4))])


def _when(r: random.Random) -> str:
    day = f"2026-0{r.randrange(1, 10)}-1{r.randrange(10)}"
    return f"{day}T1{r.randrange(10)}:2{r.randrange(10)}:3{r.randrange(10)}.{_digits(3)(r)}Z"


PERSONAL: dict[str, Maker] = {
    "phone": lambda r: r.choice(_PHONES),
    "phn": lambda r: r.choice(["436641234567", "491711234567", "12125550142", "00436641234567"]),
    "email": lambda r: f"{r.choice(['anna', 'max.berger', 'j_doe'])}{r.randrange(10, 99)}@mail.example.net",
    "card": _card,
    "iban": lambda r: "DE89370400440532013000",
    "ip": lambda r: ".".join(str(r.randrange(11, 200)) for _ in range(4)),
    "account": _digits(12),
    "geo": lambda r: f"48.20{r.randrange(100, 999)},16.37{r.randrange(100, 999)}",
    "mrn": _digits(7, 8, 9),
    "vin": lambda r: "WVWZZZ1JZXW000001",
}
"""What has to be found."""
OTHERS: dict[str, Maker] = {
    "ts10": _digits(10, begin="17"),
    "ts13": _digits(13, begin="17"),
    "ts16": _digits(16, begin="17"),
    "ts19": _digits(19, begin="17"),
    "ord": _digits(7, 8, 9, 10),
    "ord12": _digits(12),
    "ean": _article("4"),
    "isbn": _article("978"),
    "isbnd": _book,
    "ups": _digits(18, begin="1Z"),
    "usps": _parcel,
    "dhl": _digits(10, 12, 20),
    "build": _digits(6, 8, 9, 10),
    "bytes": _digits(8, 9, 10, 11),
    "snow": _digits(18, begin="1"),
    "int": _digits(3, 4, 5, 6),
    "pid": _digits(5),
    "ver": lambda r: ".".join(str(r.randrange(40)) for _ in range(4)),
    "ver3": lambda r: f"{r.randrange(9)}.{r.randrange(30)}.{r.randrange(300)}",
    "money": lambda r: r.choice(_AMOUNTS),
    "float": lambda r: f"{r.random():.16f}",
    "sha": _hex(40),
    "hex16": _hex(16),
    "hex24": _hex(24),
    "uuid": lambda r: "-".join(_hex(size)(r) for size in (8, 4, 4, 4, 12)),
    "date": lambda r: f"20{r.randrange(18, 27)}-0{r.randrange(1, 10)}-1{r.randrange(10)}",
    "dt": _when,
    "inv": lambda r: f"INV-2026-{_digits(5)(r)}",
    "sku": lambda r: f"{_digits(4)(r)}-{_digits(3)(r)}-{_digits(2)(r)}",
}
"""What is nobody's."""


def texts() -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Each with the places of the personal data in it."""
    r = random.Random(SEED)
    for template in TEMPLATES.read_text("utf-8").rstrip("\n").split("\n---\n"):
        for _ in range(EACH):
            yield _filled(template, r)


def _filled(template: str, r: random.Random) -> tuple[str, list[tuple[int, int]]]:
    text, places, read = "", list[tuple[int, int]](), 0
    for name in _NAME.finditer(template):
        text += template[read : name.start()]
        value = (PERSONAL | OTHERS)[name[1]](r)
        if name[1] in PERSONAL:
            places.append((len(text), len(text) + len(value)))
        text, read = text + value, name.end()
    return text + template[read:], places


def rows() -> Iterator[Row]:
    """How much of what is found is personal data, and how much of that is found: at least 0.6 of each value."""
    detector, context = Pii(), Context(place="input")
    right = said = found = total = 0
    for text, places in texts():
        seen = [hit for hit in hits(detector, text, context) if hit.score >= detector.threshold]
        said += len(seen)
        right += sum(any(_covers(hit.start, hit.end, *place) for place in places) for hit in seen)
        total += len(places)
        found += sum(any(_covers(hit.start, hit.end, *place) for hit in seen) for place in places)
    yield share("logs, tables, JSON, mails", "precision", right, said)
    yield share("logs, tables, JSON, mails", "recall", found, total)


def _covers(start: int, end: int, begin: int, stop: int) -> bool:
    return min(end, stop) - max(start, begin) >= 0.6 * (stop - begin)
