"""Telephone numbers: international ones by their country code, national ones as each country writes them.

Country codes: ITU-T E.164. National groupings: the countries' numbering plans; see `NATIONAL` for which.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from moat.guards.detectors.pii.found import words

_CODES = words(
    "1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82"
    " 84 86 90 91 92"
    " 93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238"
    " 239 240 241"
    " 242 243 244 245 246 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290"
    " 291 297 298"
    " 299 350 351 352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387"
    " 389 420 421"
    " 423 500 501 502 503 504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676"
    " 677 678 679"
    " 680 681 682 683 685 686 687 688 689 690 691 692 800 850 852 853 855 856 880 886 888 960 961 962 963 964 965"
    " 966 967 968"
    " 970 971 972 973 974 975 976 977 979 992 993 994 995 996 998"
)


class National(NamedTuple):
    """How one country writes its numbers for itself."""

    country: str
    start: str
    """Regular expression that the bare digits begin with."""
    shapes: str
    """Digits in each group, with `s` for a space, `-`, `.` or `/` (the same throughout); `|` between ways."""
    score: float


NATIONAL = (
    National("US", "[2-9][0-9]{2}[2-9]", "3s3s4", 0.75),
    National("US", "1[2-9][0-9]{2}[2-9]", "1s3s3s4", 0.85),
    National("US", "[0-9]", "3s3s4", 0.45),
    National("FR", "0[1-9]", "2s2s2s2s2", 0.85),
    National("GB", "0[1-9]", "5s6|5s3s3|4s3s4|3s4s4|4s6|3s8|4s4s3", 0.7),
    National("DE", "0[1-9]", "3s7|3s8|4s6|4s7|4s8|5s5|5s6|3s3s4|3s4s4|3s5s3|4s3s4|4s2s2s2|4s3s2s2|3s6|4s5", 0.65),
    National("AT", "0[1-9]", "4s6|4s7|4s3s4", 0.6),
    National("CH", "0[1-9]", "3s3s2s2", 0.85),
    National("IT", "3[1-9]", "3s7|3s3s4|3s6", 0.6),
    National("IT", "0[1-9]", "2s8|3s7|3s6|4s6|2s4s4", 0.6),
    National("ES", "[6789]", "3s3s3|3s2s2s2", 0.6),
    National("PT", "[29]", "3s3s3|2s3s2s2", 0.55),
    National("NL", "0[1-9]", "2s8|3s7|4s6|2s4s4|3s3s4|2s2s2s2s2|3s3s2s2", 0.7),
    National("BE", "0[1-9]", "4s2s2s2|2s3s2s2|3s2s2s2|4s3s3", 0.75),
    National("PL", "[4-8]", "3s3s3|2s3s2s2", 0.5),
    National("CZ", "[67]", "3s3s3", 0.55),
    National("SE", "0[1-9]", "3s7|3s3s2s2|2s3s3s2|3s2s2s2|4s2s2s2|4s6|2s6|3s3s4", 0.75),
    National("NO", "[2-9]", "3s2s3|2s2s2s2", 0.5),
    National("DK", "[2-9]", "2s2s2s2", 0.5),
    National("FI", "0[1-9]", "3s7|3s6|3s3s4|2s7|3s3s3", 0.65),
    National("TR", "5[0-5]", "3s3s2s2", 0.6),
    National("TR", "05", "1s3s3s2s2", 0.8),
    National("TR", "0[2-5]", "4s3s2s2|4s3s4", 0.8),
    National("RU", "8[3-9]", "1s3s3s2s2|1s3s3s4", 0.85),
    National("IN", "[6-9]", "5s5|4s3s3", 0.6),
    National("IN", "0[1-9]", "3s8|4s7|5s6", 0.6),
    National("CN", "1[3-9]", "3s4s4", 0.8),
    National("CN", "0[1-9]", "3s8|4s8|4s7|3s4s4", 0.65),
    National("JP", "0[1-9]", "2s4s4|3s4s4|3s3s4|4s2s4|5s1s4", 0.8),
    National("KR", "0[1-9]", "3s4s4|2s4s4|2s3s4|3s3s4", 0.8),
    National("AU", "0[2-8]", "2s4s4|4s3s3", 0.8),
    National("NZ", "0[2-9]", "2s3s4|3s3s4|3s3s3|3s4s4", 0.7),
    National("ZA", "0[1-9]", "3s3s4", 0.7),
    National("BR", "[1-9]{2}", "2s5s4|2s4s4", 0.7),
    National("BR", "9", "5s4", 0.55),
    National("MX", "[2-9]", "2s4s4", 0.6),
    National("AR", "1[15]", "2s4s4", 0.6),
    National("IL", "0[2-9]", "3s7|2s7|3s3s4", 0.7),
)
COUNTRIES = frozenset(n.country for n in NATIONAL)

_COMPACT = (
    ("GB", re.compile(r"07[1-9]\d{8}"), 0.6),
    ("FR", re.compile(r"0[67]\d{8}"), 0.6),
    ("DE", re.compile(r"01[567]\d{8,9}"), 0.6),
    ("AU", re.compile(r"04\d{8}"), 0.6),
    ("NL", re.compile(r"06\d{8}"), 0.6),
    ("JP", re.compile(r"0[789]0\d{8}"), 0.6),
    ("KR", re.compile(r"010\d{8}"), 0.65),
    ("CN", re.compile(r"1[3-9]\d{9}"), 0.55),
    ("TR", re.compile(r"05\d{9}"), 0.6),
    ("SE", re.compile(r"07[0236]\d{7}"), 0.5),
    ("", re.compile(r"0[1-9]\d{8,9}"), 0.5),
)
_COUNTING = "01234567890123456789"
_ZIP = "5-4"
"""Of the United States."""
_ODD_DOT = re.compile(r"[2-5][ -][34]\.[34]")
"""A space and a dot, as masked data sets and hasty people have them: `085 6933.9984`."""
_YEAR = re.compile(r"(?:19|20)\d\d")
SEPARATOR = re.compile(r"[ .\-/]")
_STARTS = {n.start: re.compile(n.start) for n in NATIONAL}


def _shapes() -> dict[str, tuple[National, ...]]:
    found: dict[str, tuple[National, ...]] = {}
    for national in NATIONAL:
        for shape in national.shapes.split("|"):
            found[shape] = (*found.get(shape, ()), national)
    return found


PHONE_SHAPES = _shapes()


def phone(digits: str, shape: str, lead: str, countries: frozenset[str]) -> float:
    """How much it looks like a telephone number, 0 to 1, without a word that says so.

    `shape`: as in `National.shapes`, with the separators themselves. `lead`: the `+` or `(` in front, if any.
    """
    size = len(digits)
    if lead.startswith("+"):
        if not 7 <= size <= 15:
            return 0.0
        return 0.9 if _country(digits) else 0.6 if size >= 9 and SEPARATOR.search(shape) else 0.0
    if (
        digits.startswith("00")
        and shape[:2] != "1."
        and 10 <= size <= 17
        and not digits.startswith("000")
        and _country(digits[2:])
    ):
        return 0.75 if len(shape) > 2 else 0.55
    if "(" in lead and not _YEAR.match(digits) and 6 <= size <= 12 and len(shape) > 2:
        return 0.75
    if digits in _COUNTING:
        return 0.0
    if shape.isdigit():
        if not 10 <= size <= 12 or digits[0] not in "01":
            return 0.0
        return max(
            (
                score
                for country, form, score in _COMPACT
                if (not country or country in countries) and form.fullmatch(digits)
            ),
            default=0.0,
        )
    if shape == _ZIP and digits[0] != "9":
        return 0.0
    mixed, nationals, plain = _grouped(shape)
    score = 0.5 if plain and digits[0] == "0" and digits[1] != "0" and 9 <= size <= 12 and shape[:1] != "1" else 0.0
    for n in nationals:
        if n.country in countries and n.score + mixed > score and _STARTS[n.start].match(digits):
            score = n.score + mixed
    return score


@lru_cache(maxsize=4_096)
def _grouped(shape: str) -> tuple[float, tuple[National, ...], bool]:
    """What different separators take off the score, who writes numbers so, and whether anybody may: not with dots."""
    separators = set(SEPARATOR.findall(shape))
    mixed = 0.0 if len(separators) == 1 else -0.4 if "." in separators else -0.1
    plain = "." not in separators or _ODD_DOT.fullmatch(shape) is not None
    return mixed, PHONE_SHAPES.get(SEPARATOR.sub("s", shape), ()), plain


def _country(digits: str) -> bool:
    return digits[:1] in "17" or digits[:2] in _CODES or digits[:3] in _CODES
