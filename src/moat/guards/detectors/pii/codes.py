"""Identifiers of letters and digits: IBANs, national ids with letters, vehicle numbers, wallets."""

import re
from collections.abc import Callable, Iterator

from moat.guards.detector import Hit
from moat.guards.detectors.pii.checks import base58, bech32, mod97, short_day, weighted
from moat.guards.detectors.pii.found import words
from moat.guards.detectors.pii.national import cn_resident
from moat.guards.detectors.pii.search import Search

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_IBAN_LENGTHS = {
    code[:2]: int(code[2:])
    for code in words(
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20"
        " EG29 ES24 FI18"
        " FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28"
        " LC32 LI21 LT20"
        " LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 QA29 RO24"
        " RS22 RU33 SA24"
        " SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
    )
}
_IBAN = re.compile(
    r"[A-Za-z][ ]?[A-Za-z][ ]?\d(?:[ .-]|[ \t]?\r?\n)?\d(?:(?:[ .-]|[ \t]?\r?\n[ \t]{0,2})?[A-Za-z0-9]){11,30}"
)
"""Over the ends of lines too, as mails are wrapped."""
_SPACES = re.compile(r"[\s.-]")
_LIKE_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{10,30}")
_MISREAD = str.maketrans("OoIlSB", "001158")
"""Letters for digits, as in scanned texts."""
_DIGIT_FIRST = ("FI", "ES", "DE", "CL", "US")
_LETTER_FIRST = ("GB", "IT", "ES", "HK", "US")
"""Whose numbers of `_SPACED` may begin so."""
_READ = "[0-9OolISB]"
_SPACED = (
    ("national_id", "GB", re.compile(r"[A-Z]{2}[ -]?\d\d([ -]?)\d\d\1\d\d[ -]?[A-Z]\b", re.IGNORECASE)),
    ("national_id", "IT", re.compile(r"[A-Z]{6} \d\d[A-Z]\d\d [A-Z]\d{3} ?[A-Z]\b", re.IGNORECASE)),
    ("national_id", "FI", re.compile(r"\d{6}[-+A-FU-Y]\d{3}[0-9A-FHJ-NPR-Y]\b", re.IGNORECASE)),
    ("national_id", "ES", re.compile(r"(?:\d\d?\.\d{3}\.\d{3}|\d{8}|[XYZ]-?\d{7})(?:[ -][A-Z]|-?[A-Za-z])\b")),
    ("national_id", "DE", re.compile(r"\d\d ?\d{6} ?[A-Z] ?\d{3}\b", re.IGNORECASE)),
    ("national_id", "CL", re.compile(r"(?:\d{1,2}\.\d{3}\.\d{3}|\d{7,8})-[K]\b", re.IGNORECASE)),
    ("national_id", "HK", re.compile(r"[A-Z]{1,2}\d{6}\([0-9A]\)", re.IGNORECASE)),
    ("national_id", "US", re.compile(rf"{_READ}{{3}}-{_READ}{{2}}-{_READ}{{4}}\b")),
)
_LETTERED = re.compile(rf"\d{{6}}[-+A-Za-z]|[\d. ]{{7,11}}[ -]?[A-Za-z]|{_READ}{{3}}-{_READ}{{2}}-{_READ}{{4}}")
"""In every number of `_SPACED` that begins with a digit: most numbers have no letter."""
_SPACED_BY_FIRST = tuple(
    tuple(one for one in _SPACED if one[1] in countries) for countries in (_LETTER_FIRST, _DIGIT_FIRST)
)
_SHAPE = str.maketrans("0123456789", "9" * 10) | str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", "A" * 52
)
_VAT = re.compile(
    r"ATU\d{8}|BE[01]\d{9}|BG\d{9,10}|CY\d{8}[A-Z]|CZ\d{8,10}|DE\d{9}|DK\d{8}|EE\d{9}|EL\d{9}"
    r"|ES[A-Z0-9]\d{7}[A-Z0-9]|FI\d{8}"
    r"|FR[A-Z0-9]{2}\d{9}|GB\d{9}(?:\d{3})?|HR\d{11}|HU\d{8}|IE\d{7}[A-Z]{1,2}|IT\d{11}|LT\d{9}(?:\d{3})?|LU\d{8}"
    r"|LV\d{11}"
    r"|MT\d{8}|NL\d{9}B\d\d|PL\d{10}|PT\d{9}|RO\d{6,10}|SE\d{10}01|SI\d{8}|SK\d{10}|CHE\d{9}"
)
_ETHER = re.compile(r"0x[0-9a-fA-F]{40}")
_BASE58 = re.compile(r"[13LMDXT9A][1-9A-HJ-NP-Za-km-z]{24,34}")
_BECH32 = re.compile(r"(?:bc|tb|ltc)1[02-9ac-hj-np-z]{11,71}", re.IGNORECASE)
_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_CF_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2,
          4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_CF = re.compile(r"[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z]")
_SHORTEST = 8
"""Characters of a word that can be a VAT number, a vehicle's or a wallet's."""
_PAN = ("IN", "card")
"""India's permanent account number is abbreviated as the number of a card is."""
_APART = re.compile(r"[A-Z]{1,3}\d?[ -]\d{5,7}(?![\w-])")
"""A passport's number with its series apart."""
_NAMED = frozenset({"passport", "driving_licence", "national_id", "tax_id", "bank_account", "vehicle"})


def _nino(c: str) -> bool:
    return (
        c[0] not in "DFIQUV"
        and c[1] not in "DFIQUVO"
        and c[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
        and c[8] in "ABCD"
    )


def _es_letter(c: str) -> bool:
    number = {"X": "0", "Y": "1", "Z": "2"}.get(c[0], c[0]) + c[1:8]
    return number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == c[8]


def _it_cf(c: str) -> bool:
    if _CF.fullmatch(c) is None:
        return False
    total = sum(_CF_ODD[x] for x in c[:15:2]) + sum(int(x, 36) - (0 if x.isdigit() else 10) for x in c[1:15:2])
    return chr(65 + total % 26) == c[15]


def _fi_hetu(c: str) -> bool:
    return short_day(c[4:6], c[2:4], c[:2]) and "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(c[:6] + c[-4:-1]) % 31] == c[-1]


def _de_social(c: str) -> bool:
    digits = c[:8] + f"{ord(c[8]) - 64:02}" + c[9:]
    total = sum(sum(divmod(int(d) * w, 10)) for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=False))
    return total % 10 == int(digits[12])


def _mx_curp(c: str) -> bool:
    alphabet = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
    total = sum(alphabet.index(x) * (18 - i) for i, x in enumerate(c[:17]))
    return c[10] in "HMX" and short_day(c[4:6], c[6:8], c[8:10]) and (10 - total % 10) % 10 == int(c[17])


def _mx_rfc(c: str) -> bool:
    return short_day(c[-9:-7], c[-7:-5], c[-5:-3])


def _in_pan(c: str) -> bool:
    return c[3] in "ABCFGHJLPT"


def _sg(c: str) -> bool:
    total = weighted(c[1:8], (2, 7, 6, 5, 4, 3, 2)) + (4 if c[0] in "TG" else 3 if c[0] == "M" else 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "KLJNPQRTUWX"}
    return c[0] in letters and (letters[c[0]][total % 11] == c[8] or c[0] == "M")


def _de_health(c: str) -> bool:
    digits = f"{ord(c[0]) - 64:02}" + c[1:9]
    total = sum(sum(divmod(int(d) * w, 10)) for d, w in zip(digits, (1, 2) * 5, strict=True))
    return total % 10 == int(c[9])


def _in_gstin(c: str) -> bool:
    return "01" <= c[:2] <= "38" and _in_pan(c[2:12]) and c[13] == "Z"


def _tw(c: str) -> bool:
    value = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(c[0]) + 10
    return c[1] in "1289" and (value // 10 + value % 10 * 9 + weighted(c[1:], (8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def _ie(c: str) -> bool:
    extra = (ord(c[8]) - 64) * 9 if len(c) == 9 and c[8] != "W" else 0
    return "WABCDEFGHIJKLMNOPQRSTUV"[(weighted(c[:7], range(8, 1, -1)) + extra) % 23] == c[7]


def _fr_corsica(c: str) -> bool:  # the departments 2A and 2B count as 19 and 18
    number = int(c[:5] + {"A": "19", "B": "18"}.get(c[6], "00") + c[7:13])
    return c[0] in "12" and c[5] == "2" and 97 - number % 97 == int(c[13:])


def _vin(c: str) -> bool:
    values = dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    )
    total = sum(
        values.get(x, int(x) if x.isdigit() else 0) * w
        for x, w in zip(c, (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2), strict=True)
    )
    return "0123456789X"[total % 11] == c[8]


_BY_SHAPE: dict[str, tuple[tuple[str, str, Callable[[str], bool], float], ...]] = {
    "AA999999A": (("national_id", "GB", _nino, 0.85),),
    "99999999A": (("national_id", "ES", _es_letter, 0.85),),
    "A9999999A": (("national_id", "ES", _es_letter, 0.85), ("national_id", "SG", _sg, 0.85)),
    "AAAAAA99A99A999A": (("national_id", "IT", _it_cf, 0.97),),
    "9999999999A": (("national_id", "FI", _fi_hetu, 0.85),),
    "999999A999A": (("national_id", "FI", _fi_hetu, 0.9),),
    "99999999A999": (("national_id", "DE", _de_social, 0.75),),
    "99999999999999999A": (("national_id", "CN", cn_resident, 0.97),),
    "AAAA999999AAAAAA99": (("national_id", "MX", _mx_curp, 0.97),),
    "AAAA999999AAAAAAA9": (("national_id", "MX", _mx_curp, 0.97),),
    "AAAA999999AA9": (("tax_id", "MX", _mx_rfc, 0.7),),
    "AAAA999999999": (("tax_id", "MX", _mx_rfc, 0.5),),
    "AAAA999999A99": (("tax_id", "MX", _mx_rfc, 0.6),),
    "999999A99999999": (("national_id", "FR", _fr_corsica, 0.9),),
    "AAAAA9999A": (("tax_id", "IN", _in_pan, 0.75),),
    "A999999999": (("national_id", "TW", _tw, 0.7), ("national_id", "DE", _de_health, 0.7)),
    "99AAAAA9999A9A9": (("tax_id", "IN", _in_gstin, 0.9),),
    "99AAAAA9999A9AA": (("tax_id", "IN", _in_gstin, 0.9),),
    "9999999A": (("national_id", "IE", _ie, 0.6),),
    "9999999AA": (("national_id", "IE", _ie, 0.75),),
}


def identifiers(search: Search, start: int, end: int) -> Iterator[Hit]:
    """Everything that a word of letters and digits can be; it stands at `start` to `end`."""
    text = search.text
    word = text[start:end]
    upper = word.upper()
    formats = _BY_SHAPE.get(word.translate(_SHAPE), ())
    is_code = formats or len(word) >= _SHORTEST or _IBAN.match(text, start)
    near = search.labels.around(start, end) if is_code else ()
    if "iban" in search.kinds and (length := iban(text, start, checked="iban" not in near[:2])):
        yield Hit("iban", start, start + length, 0.99 if "iban" not in near[:2] or iban(text, start) else 0.6)
    elif "iban" in search.kinds and word == upper and _unlisted_iban(word):
        yield Hit("iban", start, end, 0.9 if "iban" in near[:2] else 0.55)
    elif "iban" in search.kinds and _LIKE_IBAN.fullmatch(upper) and search.labels.named(start) == "iban":
        yield Hit("iban", start, end, 0.6)
    for kind, country, check, score in formats:
        if kind in search.kinds and country in search.countries and check(upper):
            else_named = near and near[0] != "id" and (country, near[0]) != _PAN
            yield Hit(kind, start, end, 0.97 if kind in near else score * (0.6 if else_named else 1))
    if "national_id" in search.kinds and len(upper) == 16 and "IT" in search.countries and _it_cf(upper):
        yield Hit("national_id", start, end, 0.97)
    if "tax_id" in search.kinds and 8 <= len(word) <= 15 and _VAT.fullmatch(upper):
        yield Hit("tax_id", start, end, 0.95 if "tax_id" in near else 0.6)
    if "vehicle" in search.kinds and len(word) == 17 and _VIN.fullmatch(upper) and (_vin(upper) or "vehicle" in near):
        yield Hit("vehicle", start, end, 0.95 if "vehicle" in near else 0.7)
    if "crypto" in search.kinds and len(word) >= 26 and (score := _wallet(word, near)):
        yield Hit("crypto", start, end, score)
    yield from passport(search, start)
    count = sum(map(str.isdigit, word))
    if 5 <= len(word) <= 20 and count >= 3 and (word == upper or count > 0.6 * len(word)):
        kind = search.labels.named(start)
        if kind in _NAMED and kind in search.kinds:
            yield Hit(kind, start, end, 0.65)


def passport(search: Search, start: int) -> Iterator[Hit]:
    """A passport's number whose series stands apart, right behind its label."""
    match = _APART.match(search.text, start)
    if match and "passport" in search.kinds and search.labels.named(start) == "passport":
        yield Hit("passport", start, match.end(), 0.7)


def spaced(search: Search, start: int) -> Iterator[Hit]:
    """What letters and digits in groups can be that begin at `start`."""
    digit = search.text[start : start + 1].isdecimal()
    if digit and not _LETTERED.match(search.text, start):
        return
    for kind, country, pattern in _SPACED_BY_FIRST[digit]:
        match = pattern.match(search.text, start)
        if match is None or kind not in search.kinds or country not in search.countries:
            continue
        compact = re.sub(r"[^A-Z0-9]", "", match[0].upper())
        near = search.labels.around(start, match.end())[:2]
        check = _CHECKS.get(country)
        if check is None or check(compact) or kind in near:
            yield Hit(kind, start, match.end(), 0.9 if near[:1] != ("other",) else 0.45 if " " in match[0] else 0.6)


def _es_padded(compact: str) -> bool:
    return _es_letter(compact.zfill(9))


def _cl(compact: str) -> bool:
    return (11 - weighted(compact[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11) % 11 == 10


def _unchecked(compact: str) -> bool:
    return False  # nothing but a word near tells what it is


_CHECKS: dict[str, Callable[[str], bool]] = {
    "GB": _nino, "IT": _it_cf, "ES": _es_padded, "DE": _de_social, "FI": _fi_hetu, "CL": _cl, "US": _unchecked,
}  # fmt: skip
"""Of numbers of `_SPACED`."""


def iban(text: str, start: int, checked: bool = True) -> int:
    """The length of the IBAN that begins at `start`, with what separates its groups; 0: there is none.

    `checked`: its check digits have to be right, and not only its country and length; over the end of a line in any
    case.
    """
    match = _IBAN.match(text, start)
    if match is None:
        return 0
    written = match[0]
    length = _IBAN_LENGTHS.get(_SPACES.sub("", written[:4]).upper()[:2], 0)
    taken = 0
    for index, character in enumerate(written):
        taken += character.isalnum()
        if taken == length:
            whole = written[: index + 1]
            right = (not checked and "\n" not in whole) or _is_checked(whole) or _is_misread(whole)
            return index + 1 if right and not text[start + index + 1 : start + index + 2].isalnum() else 0
    return 0


def _unlisted_iban(word: str) -> bool:
    """Made up like an IBAN, of a country that is in no register or of another length."""
    digits = sum(map(str.isdigit, word))
    return 15 <= len(word) <= 34 and digits >= 10 and word[:2].isalpha() and word[2:4].isdigit() and _is_checked(word)


def _is_checked(written: str) -> bool:
    compact = _SPACES.sub("", written).upper()
    return mod97(compact[4:] + compact[:4])


def _is_misread(written: str) -> bool:
    read = written[:4] + written[4:].translate(_MISREAD)
    return read != written and _is_checked(read)


def _wallet(word: str, near: tuple[str, ...]) -> float:
    if _ETHER.fullmatch(word):
        return 0.95 if "crypto" in near else 0.8
    if _BECH32.fullmatch(word) and bech32(word):
        return 0.99
    if _BASE58.fullmatch(word):
        if base58(word):
            return 0.99
        return 0.7 if "crypto" in near else 0.4
    return 0.0
