"""Numbers written in groups of digits. Each run of neighbouring groups is tried as each format with as many digits."""

import re
from collections.abc import Iterator
from functools import cached_property, lru_cache

from moat.guards.detector import Hit
from moat.guards.detectors.pii.cards import CARD_SHAPES, card
from moat.guards.detectors.pii.checks import day
from moat.guards.detectors.pii.fields import own_name
from moat.guards.detectors.pii.national import BY_LENGTH, BY_SHAPE, Format, any_number
from moat.guards.detectors.pii.phones import PHONE_SHAPES, SEPARATOR, phone
from moat.guards.detectors.pii.search import Search
from moat.guards.glance import GLANCE

CLUSTER = re.compile(r"[0-9](?:[ .\-/()]{0,3}[0-9]){0,39}")
SHORTEST = 6
"""Characters of a cluster that can be anything by itself."""
_GROUP = re.compile(r"[0-9]+")
_WHOLE = re.compile(r"[1-9][0-9]{7,18}\.0{1,2}")
"""As programs write a whole number that was once taken for a fraction."""
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
_SHORT = 9
"""Characters of a number in groups: behind one that is longer a label needs no `is`."""
_LONGEST_PHONE = 19
"""With what separates its groups, spaces apart."""
_MOST_GROUPS = 12
"""More than that are a table: only what stands first in it is looked at."""
_FEW_OTHERS = 3
"""Beside more groups of digits than that, and without a label, a number is one of a row of them."""
_JOINED = ("+", "~", "_", "-", ".")
_LEADS = ("+", "(", ")")
_PLAIN_SHAPE = re.compile(r"\d{1,2}|\d{1,2}(?: \d{1,2})+|\d{1,2}(?:-\d{1,2})+")
_SSN = "3-2-4"
"""As no telephone number is written; the columns of a table are not always named in their order."""
_ZIP, _STATE = "5-4", re.compile(r"\b[A-Z]{2}[ ]\Z")
_QUAD = re.compile(r"[1-3](?:\.[1-3]){3}")
"""The shape of an IPv4 address: a word for telephones does not make it one of theirs."""
_LEAD = re.compile(r"(?:\+ ?\(?|\(\+?)\Z")
_LEADING = ("+", "(", " ")
_IDS = frozenset({"national_id", "tax_id"})
_WRAPPED = re.compile(r"(?<=[ :#])(?P<first>[0-9]{1,10})\n[ \t]{0,2}(?P<rest>[0-9]{1,10})(?![0-9])")
"""Over the end of a line, as documents are wrapped."""
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
        if len(self.groups) == 2 and _WHOLE.fullmatch(self.written):
            del self.groups[1]
        between = zip(self.groups, self.groups[1:], strict=False)
        self._gaps = [self.text[end:start] for (_, end), (start, _) in between]
        """What stands between the groups."""

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What the words around say it is."""
        grouped = self._is_cell() and self.groups[-1][1] - self.groups[0][0] > _SHORT
        return self.search.labels.around(self.start, self.end, grouped=grouped)

    @cached_property
    def written(self) -> str:
        """As it stands in the text."""
        return self.text[self.start : self.end]

    @cached_property
    def _separators(self) -> list[str]:
        return [_separator(gap) for gap in self._gaps]

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
            if first == 0 or " " in self._gaps[first - 1] or "(" in self._gaps[first - 1]:
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
            ends = last == len(self._gaps)
            if size >= SHORTEST and (ends or " " in self._gaps[last]) and (anyhow or alone or form in _WRITTEN):
                yield from self._run(first, last, shape)
            if ends or (separator := self._separators[last]) == _TABULAR:
                return
            shape += separator
            form += "s" if separator in _ONE else separator

    def _is_anyhow(self, first: int) -> bool:
        """Worth a look however it is grouped: as a number from abroad may be, or with a word near."""
        start = self.groups[first][0]
        return self.text[start] == "0" or self.text[start - 1 : start] in _LEADS or bool(self.labels)

    def _is_amount(self) -> bool:
        text, start, end = self.text, self.start, self.end
        before = text[start - 1 : start]
        if before and (before in _MONEY or (before == " " and text[start - 2 : start - 1] in _MONEY and start > 1)):
            return True
        if _CALCULATED.search(text, max(0, start - 8), start) or _CALCULATES.match(text, end):
            return True
        if before == "," and text[start - 2 : start - 1].isdigit() and not self._is_cell():
            return True
        first = self.groups[0]
        if len(self.groups) == 1 and first[1] - first[0] <= 3:
            return True
        unit = _UNIT.match(text, end)
        return unit is not None and (len(self.groups) == 1 or _THOUSANDS.fullmatch(self.written) is not None)

    def _is_column(self, start: int) -> bool:
        return self._is_cell() or self.text[start - 1 : start] == "+"

    def _is_cell(self) -> bool:
        """Is it in groups, as no number with a decimal comma is? Then a comma beside it separates columns."""
        return len(self.groups) > 1 and "." not in self._gaps

    def _run(self, first: int, last: int, shape: str) -> Iterator[Hit]:
        start, end = self.groups[first][0], self.groups[last][1] if last < len(self._gaps) else self.end
        digits = "".join([self.text[a:b] for a, b in self.groups[first : last + 1]])
        others = len(self._gaps) - (last - first)
        lead = self._lead(start, end)
        # Most runs are nothing: what is around one is read only where it can be something.
        run = digits, shape, lead, self.labels[:3]
        likely = self.search.likely.get(run)
        if likely is None:
            likely = self.search.likely[run] = self._likely(digits, shape, lead)
        named = None if others else self._named(digits)
        if not (likely or named) or _is_date(self.text[start:end]) or _YEARS.fullmatch(self.text, start, end):
            return
        factor = self._factor(start, end) * (
            1.0 if not others else 0.9 if others <= _FEW_OTHERS or self.labels else 0.6
        )
        for kind, score in likely:
            if kind == "phone" and self._is_no_phone(start, end, shape, len(likely) > 1):
                continue
            if kind == "phone":
                yield from self._phone(start - len(lead), end, score, len(digits), shape, factor)
            elif kind == "card":
                yield Hit(kind, start, end, self._card(score, factor))
            else:
                yield Hit(kind, start, end, score if score >= 0.95 else score * factor)
        if named:
            yield named

    def _likely(self, digits: str, shape: str, lead: str) -> list[tuple[str, float]]:
        """Kinds that a run can be, and their scores as far as digits, shape and labels tell."""
        kinds, countries, labels = self.search.kinds, self.search.countries, self.labels
        found: list[tuple[str, float]] = []
        bracketed = "(" in lead and len(digits) >= 10
        if "phone" in kinds and len(set(digits)) > 1 and (bracketed or not _is_decimal(shape)):
            score = phone(digits, shape, lead, countries)
            if score or ("phone" in labels[:2] and 7 <= len(digits) <= 15):
                found.append(("phone", score))
        if "card" in kinds and (score := card(digits, shape, "card" in labels[:2])):
            found.append(("card", score))
        for format_, score in _promising(len(digits), shape, labels[:3]):
            known = not format_.country or format_.country in countries
            if known and format_.kind in kinds and format_.check(digits):
                found.append((format_.kind, score))
        if shape == _SSN and labels[:1] == ("national_id",) and "national_id" in kinds and "US" in countries:
            found.append(("national_id", 0.6))
        return found

    def _shape(self) -> str:
        start, end = self.groups[0]
        rest = zip(self._separators, self.groups[1:], strict=True)
        return "".join([str(end - start), *(f"{separator}{end - start}" for separator, (start, end) in rest)])

    def _factor(self, start: int, end: int) -> float:
        """Below one where the surroundings speak against it: an order number, a part of an identifier, an amount."""
        before, after = self.text[start - 1 : start], self.text[end : end + 1]
        if before in ("#", "_", "=", "&", "@", "/", "\\", "-", ".") and start > 0:
            named = before == "=" and self.labels[:1] not in ((), ("other",), ("id",)) and own_name(self.text, start)
            if not named:
                return 0.5
        goes_on = after in (".", ",", ":", "/", "-") and _IDENTIFIER.match(self.text, end + 1)
        if after in ("_", "=", "@", "%") or (goes_on and not (after == "," and self._is_column(start))):
            return 0.5
        if _is_else(self.labels[:3]) or _UNIT.match(self.text, end):
            return 0.5
        return 1.0

    def _phone(self, start: int, end: int, score: float, count: int, shape: str, factor: float) -> Iterator[Hit]:
        lead = not self.text[start].isdigit()
        score *= factor
        if "phone" in self.labels[:2] and 7 <= count <= 15 and factor > 0.5 and not _QUAD.fullmatch(shape):
            score = max(score, 0.9 if self.labels[0] == "phone" else 0.7 if len(shape) > 2 else 0.0)
        elif self.labels and self.labels[0] not in ("phone", "other", "coordinates", "crypto", "ip"):
            score *= 0.8 if lead else 0.6
        if score:
            extension = EXTENSION.match(self.text, end)
            yield Hit("phone", start, extension.end() if extension else end, min(score, 0.99))

    def _is_no_phone(self, start: int, end: int, shape: str, ambiguous: bool) -> bool:
        """A year that is cited, the code of a town behind its state, or what is a number of a person too."""
        if shape == _ZIP and _STATE.search(self.text, max(0, start - 4), start):
            return True
        return _CITED.search(self.text, start, end) is not None or (shape == _SSN and ambiguous)

    def _card(self, score: float, factor: float) -> float:
        """`score`: without what is around it."""
        if "card" in self.labels[:2]:
            return score
        return max(score, 0.85) if score > 0.4 and "payment" in self.labels[:3] else score * factor

    def _lead(self, start: int, end: int) -> str:
        """The plus sign or the bracket that belongs to the number."""
        match = _LEAD.search(self.text, max(0, start - 3), start) if self.text[start - 1 : start] in _LEADING else None
        if match is None:
            return ""
        before = self.text[max(0, match.start() - 2) : match.start()]
        if before[-1:].isalnum() or before[-1:] in _JOINED or (" " in match[0] and before[:1].isdigit()):
            return ""
        if "(" in match[0] and ")" not in self.text[start : min(end, start + 6)]:
            return "+" if match[0] == "(+" else ""  # what is in brackets is the whole number
        return match[0]

    def _named(self, digits: str) -> Hit | None:
        """The label alone is reason enough, where it stands right in front."""
        kind = self.search.labels.named(self.start)
        fewest, most = _NAMED.get(kind, (99, 0))
        if kind not in self.search.kinds or not fewest <= len(digits) <= most:
            return None
        return Hit(kind, self.start, self.end, 0.3 if kind == "card" else 0.65)


def _is_else(near: tuple[str, ...]) -> bool:
    """A word says it is a number of something, not of somebody: `order 123`, `order id 123`."""
    return near[:1] == ("other",) or (near[:1] == ("id",) and "other" in near)


@lru_cache(maxsize=4_096)
def _is_decimal(shape: str) -> bool:
    return _DECIMAL.fullmatch(shape) is not None


@lru_cache(maxsize=8_192)
def _promising(count: int, shape: str, near: tuple[str, ...]) -> tuple[tuple[Format, float], ...]:
    """What so many digits, written so, can be, and the score if the check digits are right. `near`: the nearest three
    labels.
    """
    scored = ((format_, _promise(format_, shape, near)) for format_ in BY_LENGTH.get(count, ()))
    return tuple((format_, score) for format_, score in scored if score >= _LEAST)


def _promise(format_: Format, shape: str, near: tuple[str, ...]) -> float:
    kind = format_.kind
    named = near[:1] if kind == "bank_account" else near
    known = near[:1] != ("other",) and (kind in named or (kind in _IDS and not _IDS.isdisjoint(named)))
    if known and (shape in format_.written or (format_.check is not any_number and _PLAIN_SHAPE.fullmatch(shape))):
        return 0.95
    if near[:1] == ("id",) and not _is_else(near) and format_.alone >= 0.35 and len(shape) <= 2:
        return max(0.6, format_.alone)
    return _by_itself(format_, shape) * (0.7 if near and near[0] != "other" else 1.0)


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


def wrapped(search: Search, start: int) -> Iterator[Hit]:
    """A number with check digits that goes on in the next line, right behind its label."""
    match = _WRAPPED.match(search.text, start)
    if match is None:
        return
    digits = match["first"] + match["rest"]
    right = [f for f in BY_LENGTH.get(len(digits), ()) if f.kind in _IDS and f.check is not any_number]
    right = [f for f in right if f.country in search.countries and f.check(digits)]
    if right and (kind := search.labels.named(start)) in _IDS and kind in search.kinds:
        yield Hit(kind, start, match.end(), 0.9)


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
