"""Numbers written in groups of digits. Each run of neighbouring groups is tried as each format with as many digits."""

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache

from moat.guards.detector import Hit
from moat.guards.detectors.pii.cards import CARD_SHAPES, card
from moat.guards.detectors.pii.checks import day
from moat.guards.detectors.pii.national import BY_LENGTH, BY_SHAPE, Format, any_number
from moat.guards.detectors.pii.phones import PHONE_SHAPES, SEPARATOR, phone
from moat.guards.detectors.pii.search import Search
from moat.guards.glance import GLANCE

CLUSTER = re.compile(r"[0-9](?:[ .\-/()]{0,3}[0-9]){0,39}")
SHORTEST = 6
"""Characters of a cluster that can be anything by itself."""
_GROUP = re.compile(r"[0-9]+")
_UNIT = re.compile(
    r"[ ]?(?:[%€£¥₹₽₩°]|(?:USD|EUR|GBP|CHF|JPY|INR|PLN|SEK|kr|zł|dollars?|euros?|bytes?|[kKMGT]i?B|ms|px|pts?|kg|km"
    r"|cm|mm|mg|ml"
    r"|users|people|million|billion|rows|items|tokens|times|hours|minutes|seconds|days|years|reads|views)\b)"
)
_CALCULATED = re.compile(r"(?:[\d)%](?:[ ]?[-*/=×÷<>^]{1,2}|\+|[ ]\+(?=[ ]))[ $€£]{0,2}|<<)\Z")
_CITED = re.compile(r"\d[ .-]{0,2}\((?:19|20)\d\d$|^(?:19|20)\d\d\)")
_DECIMAL = re.compile(r".*\.1|[1-3]\.\d{1,2}|.*[./ -]1")
_CALCULATES = re.compile(r"[ ]=[ ]|[ ]?[=*×÷^<>]{1,2}[ ]?[$€£]?[\d(]|>>|[ ]?\+[ ]?\d{1,6}\b(?![ -])")
_MONEY = "$€£¥₹₽₩"
EXTENSION = re.compile(r"[ ,]{0,2}(?:x|ext\.?|extension|durchwahl)[ :]?\d{1,6}\b", re.IGNORECASE)
_DATE = re.compile(r"(?:(\d{4})([./-])(\d\d?)\2(\d\d?)|(\d\d?)([./-])(\d\d?)\6(\d{4}|\d\d))")
_YEARS = re.compile(r"(?:19|20)\d\d[ ./-]+(?:19|20)\d\d")
_THOUSANDS = re.compile(r"\d{1,3}(?:([. ])\d{3})(?:\1\d{3})*")
_IDENTIFIER = re.compile(r"\d|[A-Za-z]{1,2}(?![a-z])")
_CODE = re.compile(r"cv[vc]|prüf|cryptogramme", re.IGNORECASE)
_CODED = GLANCE.add(lambda: "(?i:cv[vc]|prüf|cryptogramme)")
_ONE = frozenset(" .-/")
_TABULAR = "~"
_LEAST = 0.3
"""Hits that are less likely are not even reported."""
_LONGEST_PHONE = 19
"""With what separates its groups, spaces apart."""
_MOST_GROUPS = 12
"""More than that are a table: only what stands first in it is looked at."""
_FEW_OTHERS = 3
"""Beside more groups of digits than that, and without a label, a number is one of a row of them."""
_JOINED = ("+", "~", "_", "-", ".")
_LEADS = ("+", "(", ")")
_PLAIN_SHAPE = re.compile(r"\d{1,2}|\d{1,2}(?: \d{1,2})+|\d{1,2}(?:-\d{1,2})+")
_LEAD = re.compile(r"(?:\+ ?\(?|\(\+?)\Z")
_IDS = frozenset({"national_id", "tax_id"})
_NAMED = {
    "national_id": (5, 18),
    "tax_id": (6, 15),
    "passport": (6, 10),
    "driving_licence": (5, 16),
    "bank_account": (5, 18),
    "imei": (14, 16),
    "card": (13, 19),
}
"""Kinds of which a label is proof enough, and the digits they have."""


_WRITTEN = frozenset(SEPARATOR.sub("s", shape) for shape in (*BY_SHAPE, *PHONE_SHAPES, *CARD_SHAPES))
"""All ways to write anything in groups, any separator as `s`."""
_BEGINNINGS = frozenset(
    "s".join(sizes[:count]) for sizes in (form.split("s") for form in _WRITTEN) for count in range(1, len(sizes) + 1)
)


class Cluster:
    """Groups of digits with little between them."""

    def __init__(self, search: Search, match: re.Match[str]) -> None:
        self.search = search
        self.text = search.text
        self.start, self.end = match.span()
        self.groups = [group.span() for group in _GROUP.finditer(self.text, self.start, self.end)]

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What the words around say it is."""
        return self.search.labels.around(self.start, self.end, grouped=len(self.groups) > 1)

    @cached_property
    def written(self) -> str:
        """As it stands in the text."""
        return self.text[self.start : self.end]

    def hits(self) -> Iterator[Hit]:
        """Everything that any of its runs can be."""
        if self._is_amount():
            return
        if len(self.groups) > 6 and all(end - start == 1 for start, end in self.groups):
            yield from self._run(0, len(self.groups) - 1, str(len(self.groups)))
            return
        if (
            self.text[self.start - 1 : self.start] == "+"
            and len(self.written) - self.written.count(" ") <= _LONGEST_PHONE
        ):
            shape = self._shape()
            if _TABULAR not in shape:
                yield from self._run(0, len(self.groups) - 1, shape)
            return
        for first in range(len(self.groups) if len(self.groups) <= _MOST_GROUPS else 1):
            if first == 0 or " " in self._between(first - 1) or "(" in self._between(first - 1):
                yield from self._from(first)

    def _from(self, first: int) -> Iterator[Hit]:
        """What begins with one of the groups: while something is written so, or anything, where a word says more."""
        size, shape, form = 0, "", ""
        anyhow = self._is_anyhow(first)
        for last in range(first, len(self.groups)):
            start, end = self.groups[last]
            size += end - start
            shape += str(end - start)
            form += str(end - start)
            alone = last == first
            if size > 19 or not (anyhow or alone or form in _BEGINNINGS):
                return
            between = self._between(last) if last + 1 < len(self.groups) else " "
            if size >= SHORTEST and " " in between and (anyhow or alone or form in _WRITTEN):
                yield from self._run(first, last, shape)
            separator = _separator(between)
            if separator == _TABULAR:
                return
            shape += separator
            form += "s" if separator in _ONE else separator

    def _is_anyhow(self, first: int) -> bool:
        """Worth a look however it is grouped: as a number from abroad may be, or with a word near."""
        start = self.groups[first][0]
        return self.text[start] == "0" or self.text[start - 1 : start] in _LEADS or bool(self.labels)

    def _between(self, index: int) -> str:
        return self.text[self.groups[index][1] : self.groups[index + 1][0]]

    def _is_amount(self) -> bool:
        text, start, end = self.text, self.start, self.end
        before = text[start - 1 : start]
        if before and (before in _MONEY or (before == " " and text[start - 2 : start - 1] in _MONEY and start > 1)):
            return True
        if _CALCULATED.search(text, max(0, start - 8), start) or _CALCULATES.match(text, end):
            return True
        if before == "," and text[start - 2 : start - 1].isdigit():
            return True
        first = self.groups[0]
        if len(self.groups) == 1 and first[1] - first[0] <= 3:
            return True
        unit = _UNIT.match(text, end)
        return unit is not None and (len(self.groups) == 1 or _THOUSANDS.fullmatch(self.written) is not None)

    def _run(self, first: int, last: int, shape: str) -> Iterator[Hit]:
        start, end = self.groups[first][0], self.groups[last][1]
        digits = "".join(self.text[a:b] for a, b in self.groups[first : last + 1])
        others = len(self.groups) - 1 - (last - first)
        if _is_date(self.text[start:end]) or _YEARS.fullmatch(self.text, start, end):
            return
        factor = self._factor(start, end) * (
            1.0 if not others else 0.9 if others <= _FEW_OTHERS or self.labels else 0.6
        )
        yield from self._phone(start, end, digits, shape, factor)
        if "card" in self.search.kinds:
            yield from self._card(start, end, digits, shape, factor)
        for format_ in BY_LENGTH.get(len(digits), ()) if self.labels else _unlabelled(len(digits), shape):
            if score := self._score(format_, digits, shape):
                yield Hit(format_.kind, start, end, score if score >= 0.95 else score * factor)
        if not others and (hit := self._named(digits)):
            yield hit

    def _shape(self) -> str:
        parts = [str(self.groups[0][1] - self.groups[0][0])]
        for index, (start, end) in enumerate(self.groups[1:]):
            parts += [_separator(self._between(index)), str(end - start)]
        return "".join(parts)

    def _factor(self, start: int, end: int) -> float:
        """Below one where the surroundings speak against it: an order number, a part of an identifier, an amount."""
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        if before in ("#", "_", "=", "&", "@", "/", "\\", "-", ".") and start > 0:
            return 0.5
        if after in ("_", "=", "@", "%") or (
            after in (".", ",", ":", "/", "-") and _IDENTIFIER.match(self.text, end + 1)
        ):
            return 0.5
        if self._is_else() or _UNIT.match(self.text, end):
            return 0.5
        return 1.0

    def _is_else(self) -> bool:
        """A word says it is a number of something, not of somebody: `order 123`, `order id 123`."""
        return self.labels[:1] == ("other",) or (self.labels[:1] == ("id",) and "other" in self.labels[:3])

    def _phone(self, start: int, end: int, digits: str, shape: str, factor: float) -> Iterator[Hit]:
        if "phone" not in self.search.kinds or len(set(digits)) < 2 or _DECIMAL.fullmatch(shape):
            return
        if _CITED.search(self.text, start, end):
            return
        lead = self._lead(start, end)
        start -= len(lead)
        score = phone(digits, shape, lead, self.search.countries) * factor
        if "phone" in self.labels[:2] and 7 <= len(digits) <= 15 and factor > 0.5:
            score = max(score, 0.9 if self.labels[0] == "phone" else 0.7 if len(shape) > 2 else 0.0)
        elif self.labels and self.labels[0] not in ("phone", "other", "coordinates", "crypto", "ip"):
            score *= 0.8 if lead else 0.6
        if score:
            extension = EXTENSION.match(self.text, end)
            yield Hit("phone", start, extension.end() if extension else end, min(score, 0.99))

    def _card(self, start: int, end: int, digits: str, shape: str, factor: float) -> Iterator[Hit]:
        is_card = "card" in self.labels[:2]
        score = card(digits, shape, is_card)
        if not is_card:
            score = max(score, 0.85) if score > 0.4 and "payment" in self.labels[:3] else score * factor
        if score:
            yield Hit("card", start, end, score)

    def _lead(self, start: int, end: int) -> str:
        """The plus sign or the bracket that belongs to the number."""
        match = _LEAD.search(self.text, max(0, start - 3), start)
        if match is None:
            return ""
        before = self.text[max(0, match.start() - 2) : match.start()]
        if before[-1:].isalnum() or before[-1:] in _JOINED or (" " in match[0] and before[:1].isdigit()):
            return ""
        return "" if "(" in match[0] and ")" not in self.text[start : min(end, start + 6)] else match[0]

    def _score(self, format_: Format, digits: str, shape: str) -> float:
        kind, country = format_.kind, format_.country
        if kind not in self.search.kinds or (country and country not in self.search.countries):
            return 0.0
        score = self._promise(format_, shape)
        return score if score >= _LEAST and format_.check(digits) else 0.0

    def _promise(self, format_: Format, shape: str) -> float:
        """The score if the check digits are right."""
        kind = format_.kind
        near = self.labels[:1] if kind == "bank_account" else self.labels[:3]
        known = kind in near or (kind in _IDS and not _IDS.isdisjoint(near))
        if known and (shape in format_.written or (format_.check is not any_number and _PLAIN_SHAPE.fullmatch(shape))):
            return 0.95
        if near[:1] == ("id",) and not self._is_else() and format_.alone >= 0.35 and len(shape) <= 2:
            return max(0.6, format_.alone)
        return _by_itself(format_, shape) * (0.7 if near and near[0] != "other" else 1.0)

    def _named(self, digits: str) -> Hit | None:
        """The label alone is reason enough, where it stands right in front."""
        kind = self.search.labels.named(self.start)
        fewest, most = _NAMED.get(kind, (99, 0))
        if kind not in self.search.kinds or not fewest <= len(digits) <= most:
            return None
        return Hit(kind, self.start, self.end, 0.3 if kind == "card" else 0.65)


@lru_cache(maxsize=4096)
def _unlabelled(count: int, shape: str) -> tuple[Format, ...]:
    """What so many digits, written so, can be without a word that says what they are."""
    formats = BY_LENGTH.get(count, ())
    return tuple(format_ for format_ in formats if _by_itself(format_, shape) >= _LEAST)


def _by_itself(format_: Format, shape: str) -> float:
    """How sure it is without a word that says so."""
    return format_.grouped if shape in format_.written else format_.alone if len(shape) <= 2 else 0.0


def security_code(search: Search, start: int, end: int) -> Iterator[Hit]:
    """The three or four digits that a card has on its back, beside the word for them."""
    if not 3 <= end - start <= 4 or not search.glimpse.shows(_CODED):
        return
    worded = _CODE.search(search.text, max(0, start - 60), end + 30)
    if worded and "card" in search.kinds and search.labels.around(start, end)[:1] == ("security_code",):
        yield Hit("card", start, end, 0.7)


def _separator(between: str) -> str:
    """The one character that counts; of columns and of dashes on one side only, one that no format has."""
    if between in _ONE:
        return between
    if "(" in between or ")" in between:
        return between.strip(" ()")[:1] or " "
    return "-" if between == " - " else _TABULAR


def _is_date(written: str) -> bool:
    match = _DATE.match(written)
    if match is None:
        return False
    year, _, month, of_month, one, _, two, last = match.groups()
    if year:
        return day(int(year), int(month), int(of_month))
    full = int(last) if len(last) == 4 else 2000 + int(last)
    return day(full, int(two), int(one)) or day(full, int(one), int(two))
