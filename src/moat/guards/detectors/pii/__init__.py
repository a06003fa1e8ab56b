"""Personal data in formats that can be recognised: addresses, numbers with check digits, dates of birth."""

import re
from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from typing import ClassVar, Literal

from moat.domain.guards import DataClass
from moat.guards.detector import Context, Detector, Hit, uncut
from moat.guards.detectors.pii import national, phones
from moat.guards.detectors.pii.births import births
from moat.guards.detectors.pii.cards import glued_card, spread_cards
from moat.guards.detectors.pii.codes import UUID, iban, identifiers, passport, spaced
from moat.guards.detectors.pii.emails import emails
from moat.guards.detectors.pii.found import resolved
from moat.guards.detectors.pii.network import colons, dashes, v4
from moat.guards.detectors.pii.numbers import CLUSTER, EXTENSION, SHORTEST, Cluster, security_code, wrapped
from moat.guards.detectors.pii.places import addresses, coordinates, near_street
from moat.guards.detectors.pii.search import Search
from moat.guards.pseudonyms import is_digest
from moat.guards.text import Text

Kind = Literal[
    "email", "phone", "card", "iban", "bank_account", "national_id", "tax_id", "passport", "driving_licence", "ip",
    "mac", "imei", "vehicle", "crypto", "coordinates", "birth_date", "address",
]  # fmt: skip
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]
COUNTRIES = national.COUNTRIES | phones.COUNTRIES | frozenset(("ES", "IT", "FI", "CN", "MX", "SG", "TW", "HK", "IE"))
_TIME = re.compile(r"(?:19|20)\d\d-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?")
_SHORT = re.compile(r"(?<![A-Za-z\u0080-\u058f_.])[0-9]{1,5}(?![A-Za-z\u0080-\u058f]|[ .\-/()]{0,3}[0-9])")
"""A number by itself, as most are: too short for anything but that of a house or of a card's back."""
_LETTERS_BEFORE = re.compile(r"(?:[A-Za-z]{1,2}|[A-Za-z]{6}|[A-Za-z] [A-Za-z])[ -]\Z")
_LAST_GROUP = re.compile(r"[0-9]+\Z")
_ONE_DIGIT = re.compile(r"[0-9]")
_DECIMALS = re.compile(r"\d+(?:[eE][-+]?\d+)?[A-Za-z]?")
"""Of a number like 9.99961e-01, of which the point was taken for a separator."""
_WORD = re.compile(r"[A-Za-z0-9]+")
_SHORTEST, _SHORTEST_APART = 4, 3
"""Characters of the first word of anything with letters in it: `DE89`; of what goes on apart: `DE8 9 3 7`."""
_DIGITS = bytes.maketrans(b"123456789", b"000000000")
_ZEROS = re.compile(rb"0*")


class Pii(Detector, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Finds personal data by its format, its check digits and the words around it."""

    holds: ClassVar[DataClass | None] = "personal"

    kinds: tuple[Kind, ...] = KINDS
    """Which to look for."""
    countries: tuple[str, ...] = ()
    """Whose national numbers and ways to write telephone numbers to look for; ISO 3166-1, empty: all that are known."""
    allow: tuple[str, ...] = ()
    """Never reported: values as written, or domains (`example.org`) with all addresses in them."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.countries) - COUNTRIES)
        if unknown:
            raise ValueError(f"no numbers are known for {', '.join(unknown)}; known: {', '.join(sorted(COUNTRIES))}")

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return frozenset(self.kinds)

    @cached_property
    def _countries(self) -> frozenset[str]:
        return frozenset(self.countries) or COUNTRIES

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(map(_bare, self.allow))

    @cached_property
    def _domains(self) -> tuple[str, ...]:
        return tuple(value.lower().lstrip("@") for value in self.allow if "." in value and "@" not in value[1:])

    def goes_by(self, text: str, context: Context) -> str:
        """Nothing but the text."""
        return ""

    def detect(self, text: Text, context: Context) -> Iterable[Hit]:
        """Hits that do not overlap."""
        view = text.legible
        search = Search(view.text, self._kinds, self._countries, text.legible_glimpse)
        hits = []
        for hit in resolved(list(_found(search))):
            if not (self._is_allowed(view.text[hit.start : hit.end]) or is_digest(view.text, hit.start, hit.end)):
                start, end = view.span(hit.start, hit.end)
                hits.append(Hit(hit.kind, start, end, hit.score))
        more: list[Hit] = []
        for inner, back in text.enclosed:
            view = inner.legible
            search = Search(view.text, self._kinds, self._countries, inner.legible_glimpse)
            more += [
                Hit(hit.kind, *back(*view.span(hit.start, hit.end)), hit.score)
                for hit in resolved(list(_found(search)))
                if not self._is_allowed(view.text[hit.start : hit.end])
            ]
        return [*hits, *uncut(more, hits)]

    def _is_allowed(self, value: str) -> bool:
        if not self.allow:
            return False
        domain = value.rpartition("@")[2].lower() if "@" in value else ""
        inside = any(domain == own or domain.endswith("." + own) for own in self._domains)
        return inside or _bare(value) in self._allowed


def _bare(value: str) -> str:
    return re.sub(r"[\s().-]", "", value).lower() if "@" not in value else value.lower()


def _found(search: Search) -> Iterator[Hit]:
    text, kinds = search.text, search.kinds
    if "email" in kinds:
        yield from emails(search)
    if ":" in text and ("ip" in kinds or "mac" in kinds):
        yield from colons(search)
    if "mac" in kinds:
        yield from dashes(search)
    marked = text.encode("ascii", "replace").translate(_DIGITS)
    if "birth_date" in kinds and b"0" in marked:
        yield from births(search)
    if "card" in kinds and marked.count(b"0000") > 2:  # all have three groups of four digits or more
        yield from spread_cards(search)
    position = marked.find(b"0")
    while position >= 0:
        if (short := _SHORT.match(text, position)) and not near_street(search, position):
            yield from security_code(search, *short.span())
            behind = short.end()
            if text[behind : behind + 1] == "\n":
                yield from wrapped(search, position)
        elif rest := _rest(text, position):
            behind = rest
        else:
            behind = max(position + 1, (yield from _at(search, _cluster(text, position))))
        if marked.startswith(b"00", behind - 1) and (rest_of_run := _ZEROS.match(marked, behind)):
            behind = rest_of_run.end()
        position = marked.find(b"0", behind)


def _rest(text: str, start: int) -> int:
    """The end of a time with its day, or of what stands behind a decimal point; 0 where a number may begin."""
    found = _TIME.match(text, start)
    if found is None and text[start - 1 : start] == "." and text[max(0, start - 2) : start - 1].isdigit():
        found = _DECIMALS.match(text, start)
    return found.end() if found else 0


def _cluster(text: str, start: int) -> re.Match[str]:
    """The groups of digits that begin there, as many as are looked at together, none of them cut off."""
    match = CLUSTER.match(text, start)
    assert match is not None
    if _ONE_DIGIT.match(text, match.end()):
        last = _LAST_GROUP.search(text, start, match.end())
        assert last is not None
        match = CLUSTER.match(text, start, last.start()) or match
    return match


def _at(search: Search, match: re.Match[str]) -> Generator[Hit, None, int]:
    """What a cluster of digits, or a word that it is a part of, can be. Returns where to go on."""
    text = search.text
    start, end = match.span()
    before = text[start - 1 : start]
    if _is_letter(before):
        return (yield from _word(search, start, match))
    long = end - start >= 6
    if long:
        yield from spaced(search, start)
        yield from _lettered(search, start)
    if _is_letter(text[end : end + 1]) and not EXTENSION.match(text, end):
        if not long:
            yield from spaced(search, start)
        last = _LAST_GROUP.search(text, start, end)
        assert last is not None
        if last.start() == start:
            if "address" in search.kinds:
                yield from addresses(search, start)
            return (yield from _word(search, start, match))
        match = CLUSTER.match(text, start, last.start()) or match
        end = match.end()
    if "address" in search.kinds:
        yield from addresses(search, start)
    if "." in match[0]:
        if "ip" in search.kinds:
            yield from v4(search, start)
        if "coordinates" in search.kinds:
            yield from coordinates(search, start)
    if text[end : end + 1] == "\n":
        yield from wrapped(search, start)
    if before != "_":
        yield from Cluster(search, match).hits() if end - start >= SHORTEST else security_code(search, start, end)
    return end


def _word(search: Search, start: int, match: re.Match[str]) -> Generator[Hit, None, int]:
    """The word of letters and digits that has the digit at `start`. Returns its end, or that of the UUID it begins."""
    text = search.text
    floor = max(0, start - 40)
    while start > floor and _is_letter(text[start - 1]):
        start -= 1
    if uuid := UUID.match(text, start):
        return uuid.end()
    word = _WORD.match(text, start)
    if word is None:
        return match.end()
    end = word.end()
    before = text[start - 1 : start]
    whole = not (before and (_is_letter(before) or before.isdigit() or before in "_-/")) and text[
        end : end + 1
    ] not in (
        "_",
        "/",
    )
    shortest = _SHORTEST_APART if text[end : end + 1] in (" ", ".", "-", "\n") else _SHORTEST
    if whole and shortest <= end - start <= 100:
        yield from identifiers(search, start, end)
        yield from spaced(search, start)
        if "card" in search.kinds:
            yield from glued_card(search, start, end)
    return end


def _lettered(search: Search, start: int) -> Iterator[Hit]:
    """What begins with letters that stand apart from the digits: `AB 12 34 56 C`, `D E 8 9 3 7 ...`."""
    if search.text[start - 1 : start] not in (" ", "-"):
        return
    before = _LETTERS_BEFORE.search(search.text, max(0, start - 9), start)
    if before is None or _is_letter(search.text[before.start() - 1 : before.start()]):
        return
    yield from spaced(search, before.start())
    yield from passport(search, before.start())
    if "iban" in search.kinds and (length := iban(search.text, before.start())):
        yield Hit("iban", before.start(), before.start() + length, 0.97)


def _is_letter(character: str) -> bool:
    """Of a script that puts spaces between words."""
    return "A" <= character < "\u0590" and character.isalpha()
