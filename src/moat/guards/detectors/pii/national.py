"""Numbers that a state gives its people, in digits only: how they are written and what they are checked by.

Those with letters in them are in `codes`. Sources: the issuing authorities' descriptions, as collected in Wikipedia's
"National identification number" and "VAT identification number"; each rule is tested against known numbers.
"""

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from moat.guards.detectors.pii.checks import day, luhn, mod11_10, short_day, verhoeff, weighted


class Format(NamedTuple):
    """One way in which a number is made up."""

    kind: str
    country: str
    digits: int
    shapes: str
    """How it is grouped, `|` between ways: digits in each group and what stands between (`3-2-4`)."""
    check: Callable[[str], bool]
    alone: float
    """Score of ungrouped digits that pass, with no word near that says what they are."""
    grouped: float
    """Score when grouped as it should be."""

    @property
    def written(self) -> frozenset[str]:
        """The shapes, taken apart."""
        return _taken_apart(self.shapes)


@cache
def _taken_apart(shapes: str) -> frozenset[str]:
    return frozenset(shapes.split("|"))


def _us_ssn(n: str) -> bool:
    if n[0] == "9":  # a taxpayer who has none: ITIN
        return 50 <= int(n[3:5]) <= 99 and n[3:5] not in ("66", "67", "68", "69", "89", "93")
    return n[:3] not in ("000", "666") and n[3:5] != "00" and n[5:] != "0000" and len(set(n)) > 1 and n != "123456789"


def _uk_nhs(n: str) -> bool:
    return (11 - weighted(n, range(10, 1, -1)) % 11) % 11 == int(n[9]) and len(set(n)) > 1


def _de_tax(n: str) -> bool:
    counts = sorted(n[:10].count(d) for d in set(n[:10]))
    return n[0] != "0" and counts[-1] in (2, 3) and counts[-2] == 1 and mod11_10(n)


def _fr_nir(n: str) -> bool:
    born = int(n[3:5])
    return (
        n[0] in "12378" and (1 <= born <= 12 or 20 <= born <= 42 or born >= 50) and 97 - int(n[:13]) % 97 == int(n[13:])
    )


def _es_social(n: str) -> bool:
    number = int(n[2:10])
    base = int(n[:2]) * 10_000_000 + number if number < 10_000_000 else int(n[:10])
    return 1 <= int(n[:2]) <= 66 and base % 97 == int(n[10:])


def _nl_bsn(n: str) -> bool:
    return n[:2] != "00" and weighted(n, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def _be(n: str) -> bool:
    rest = 97 - int(n[9:])
    return int(n[2:4]) <= 52 and rest in (int(n[:9]) % 97, int("2" + n[:9]) % 97)


def _pl_pesel(n: str) -> bool:
    month = int(n[2:4])
    year = {0: 1900, 2: 2000, 4: 2100, 8: 1800}.get(month // 20 * 2, 0) + int(n[:2])
    fits = day(year, month % 20, int(n[4:6]))
    return fits and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _pl_nip(n: str) -> bool:
    return weighted(n, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(n[9]) and n[0] != "0"


def _pt_nif(n: str) -> bool:
    return n[0] in "12356789" and (11 - weighted(n, range(9, 1, -1)) % 11) % 11 % 10 == int(n[8])


def _se(n: str) -> bool:
    n = n[-10:]
    coordinated = f"{int(n[4:6]) % 60:02}"  # a person without one has 60 added to the day
    return short_day(n[:2], n[2:4], coordinated) and luhn(n)


def _dk_cpr(n: str) -> bool:
    return short_day(n[4:6], n[2:4], n[:2])


def _no(n: str) -> bool:
    first = (11 - weighted(n, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11) % 11
    second = (11 - weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11
    return (first, second) == (int(n[9]), int(n[10])) and 1 <= int(n[:2]) % 40 <= 31


def _is(n: str) -> bool:
    fits = 1 <= int(n[:2]) % 40 <= 31 and 1 <= int(n[2:4]) <= 12 and n[9] in "890"
    return fits and (11 - weighted(n, (3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 == int(n[8])


def _ch_ahv(n: str) -> bool:
    return n[:3] == "756" and weighted(n, (1, 3) * 6 + (1,)) % 10 == 0


def _at(n: str) -> bool:
    check = weighted(n, (3, 7, 9, 0, 5, 8, 4, 2, 1, 6)) % 11
    return n[0] != "0" and check == int(n[3]) and 1 <= int(n[4:6]) <= 31 and 1 <= int(n[6:8]) <= 15


def _it_vat(n: str) -> bool:
    return n[:7] != "0000000" and luhn(n)


def _br_cpf(n: str) -> bool:
    first = weighted(n, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(n, range(11, 1, -1)) * 10 % 11 % 10
    return len(set(n)) > 1 and (first, second) == (int(n[9]), int(n[10]))


def _br_cnpj(n: str) -> bool:
    weights = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
    first = weighted(n, weights[1:]) * 10 % 11 % 10
    second = weighted(n, weights) * 10 % 11 % 10
    return len(set(n)) > 1 and (first, second) == (int(n[12]), int(n[13]))


def _in_aadhaar(n: str) -> bool:
    return n[0] not in "01" and n != n[::-1] and verhoeff(n)


def _jp(n: str) -> bool:
    rest = weighted(n, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest <= 1 else 11 - rest) == int(n[11])


def _kr(n: str) -> bool:  # since October 2020 the last digits are drawn by lot
    return short_day(n[:2], n[2:4], n[4:6])


def _au_tfn(n: str) -> bool:
    return weighted(n, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and len(set(n)) > 1


def _au_medicare(n: str) -> bool:
    return n[0] in "23456" and weighted(n, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(n[8])


def _au_abn(n: str) -> bool:
    return n[0] != "0" and (weighted(n, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) - 10) % 89 == 0


def _ca_sin(n: str) -> bool:
    return n[0] not in "08" and luhn(n)


def _za(n: str) -> bool:
    return n[10] in "01" and short_day(n[:2], n[2:4], n[4:6]) and luhn(n)


def _tr(n: str) -> bool:
    odd, even = sum(map(int, n[0:9:2])), sum(map(int, n[1:8:2]))
    return n[0] != "0" and (odd * 7 - even) % 10 == int(n[9]) and sum(map(int, n[:10])) % 10 == int(n[10])


def _ru_inn(n: str) -> bool:
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    if len(n) == 10:
        return weighted(n[:9], weights[2:]) % 11 % 10 == int(n[9])
    first, second = weighted(n[:10], weights[1:]), weighted(n[:11], weights)
    return (first % 11 % 10, second % 11 % 10) == (int(n[10]), int(n[11]))


def _ru_snils(n: str) -> bool:
    return weighted(n, range(9, 0, -1)) % 101 % 100 == int(n[9:])


def _ar_cuit(n: str) -> bool:
    fits = n[:2] in ("20", "23", "24", "25", "26", "27", "30", "33", "34")
    return fits and (11 - weighted(n, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11) % 11 % 10 == int(n[10])


def _cl_rut(n: str) -> bool:
    return (11 - weighted(n[-2::-1], (2, 3, 4, 5, 6, 7, 2, 3)) % 11) % 11 == int(n[-1])


def _th(n: str) -> bool:
    return n[0] != "0" and (11 - weighted(n, range(13, 1, -1)) % 11) % 10 == int(n[12])


def _my(n: str) -> bool:
    return short_day(n[:2], n[2:4], n[4:6])


def _ae(n: str) -> bool:
    return n[:3] == "784" and luhn(n)


def _ro_cnp(n: str) -> bool:
    fits = n[0] != "0" and short_day(n[1:3], n[3:5], n[5:7])
    return fits and weighted(n, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11 % 10 == int(n[12])


def _bg(n: str) -> bool:
    fits = 1 <= int(n[2:4]) % 20 <= 12 and 1 <= int(n[4:6]) <= 31
    return fits and weighted(n, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(n[9])


def _cz(n: str) -> bool:
    fits = 1 <= int(n[2:4]) % 50 % 20 <= 12 and 1 <= int(n[4:6]) <= 31
    return fits and int(n[:9]) % 11 % 10 == int(n[9])


def _baltic(n: str) -> bool:
    first = weighted(n, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    check = first if first < 10 else weighted(n, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return n[0] in "123456" and short_day(n[1:3], n[3:5], n[5:7]) and check == int(n[10])


def _gr_amka(n: str) -> bool:
    return short_day(n[4:6], n[2:4], n[:2]) and luhn(n)


def _gr_afm(n: str) -> bool:
    return n[:4] != "0000" and weighted(n, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(n[8])


def _il(n: str) -> bool:
    return luhn(n) and len(set(n)) > 1


def _hu(n: str) -> bool:
    return weighted(n, (3, 7, 3, 7, 3, 7, 3, 7)) % 10 == int(n[8])


def _imei(n: str) -> bool:
    return luhn(n) and len(set(n)) > 2


def _aba(n: str) -> bool:
    return n[:2] <= "32" and n[:2] > "00" and weighted(n, (3, 7, 1) * 3) % 10 == 0


def cn_resident(n: str) -> bool:
    """A resident of China (GB 11643): region, date of birth, sex, ISO 7064 mod 11-2, where the last may be X."""
    rest = weighted(n[:17], (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
    fits = n[0] in "12345678" and n[6:8] in ("18", "19", "20") and short_day(n[8:10], n[10:12], n[12:14])
    return fits and "10X98765432"[rest] == n[17]


def any_number(n: str) -> bool:
    """Nothing is checked but that it is no filling."""
    return len(set(n)) > 1


_ID, _TAX = "national_id", "tax_id"
FORMATS: tuple[Format, ...] = (
    Format(_ID, "US", 9, "3-2-4|3 2 4", _us_ssn, 0.2, 0.8),
    Format(_TAX, "US", 9, "2-7", any_number, 0.1, 0.45),
    Format(_ID, "GB", 10, "3 3 4|3-3-4", _uk_nhs, 0.25, 0.45),
    Format(_TAX, "DE", 11, "2 3 3 3", _de_tax, 0.45, 0.8),
    Format(_ID, "FR", 15, "1 2 2 2 3 3 2|1 2 2 2 3 3 - 2|13 2", _fr_nir, 0.85, 0.97),
    Format(_TAX, "FR", 14, "3 3 3 5", luhn, 0.2, 0.7),
    Format(_ID, "ES", 12, "2/8/2|2 8 2|2-8-2", _es_social, 0.35, 0.9),
    Format(_ID, "NL", 9, "4.2.3|3.3.3|3 3 3", _nl_bsn, 0.2, 0.4),
    Format(_ID, "BE", 11, "2.2.2-3.2|6-3.2|6 3 2|6-3-2", _be, 0.8, 0.97),
    Format(_ID, "PL", 11, "", _pl_pesel, 0.65, 0.65),
    Format(_TAX, "PL", 10, "3-3-2-2|3-2-2-3|3 3 2 2", _pl_nip, 0.2, 0.8),
    Format(_TAX, "PT", 9, "3 3 3", _pt_nif, 0.2, 0.45),
    Format(_ID, "SE", 10, "6-4|6+4", _se, 0.45, 0.85),
    Format(_ID, "SE", 12, "8-4", _se, 0.65, 0.9),
    Format(_ID, "DK", 10, "6-4", _dk_cpr, 0.2, 0.75),
    Format(_ID, "NO", 11, "6 5", _no, 0.85, 0.95),
    Format(_ID, "IS", 10, "6-4", _is, 0.4, 0.85),
    Format(_ID, "CH", 13, "3.4.4.2|3 4 4 2|3-4-4-2", _ch_ahv, 0.9, 0.98),
    Format(_ID, "AT", 10, "4 6|4-6", _at, 0.35, 0.65),
    Format(_TAX, "IT", 11, "", _it_vat, 0.2, 0.2),
    Format(_ID, "BR", 11, "3.3.3-2|3 3 3 2", _br_cpf, 0.62, 0.97),
    Format(_TAX, "BR", 14, "2.3.3/4-2", _br_cnpj, 0.7, 0.98),
    Format(_ID, "CN", 18, "6 8 4", cn_resident, 0.95, 0.97),
    Format(_ID, "IN", 12, "4 4 4|4-4-4", _in_aadhaar, 0.45, 0.85),
    Format(_ID, "JP", 12, "4 4 4|4-4-4", _jp, 0.3, 0.45),
    Format(_ID, "KR", 13, "6-7", _kr, 0.4, 0.85),
    Format(_TAX, "AU", 9, "3 3 3", _au_tfn, 0.2, 0.45),
    Format(_ID, "AU", 10, "4 5 1|4-5-1", _au_medicare, 0.2, 0.8),
    Format(_TAX, "AU", 11, "2 3 3 3", _au_abn, 0.4, 0.85),
    Format(_ID, "CA", 9, "3-3-3|3 3 3", _ca_sin, 0.2, 0.55),
    Format(_ID, "ZA", 13, "6 4 3|6 4 2 1|6 4 1 2", _za, 0.8, 0.9),
    Format(_ID, "TR", 11, "", _tr, 0.6, 0.6),
    Format(_TAX, "RU", 10, "", _ru_inn, 0.2, 0.2),
    Format(_TAX, "RU", 12, "", _ru_inn, 0.45, 0.45),
    Format(_ID, "RU", 11, "3-3-3 2|3-3-3-2", _ru_snils, 0.45, 0.95),
    Format(_TAX, "AR", 11, "2-8-1", _ar_cuit, 0.45, 0.9),
    Format(_ID, "CL", 9, "2.3.3-1|8-1", _cl_rut, 0.1, 0.9),
    Format(_ID, "CL", 8, "1.3.3-1|7-1", _cl_rut, 0.1, 0.9),
    Format(_ID, "TH", 13, "1-4-5-2-1|1 4 5 2 1", _th, 0.4, 0.97),
    Format(_ID, "MY", 12, "6-2-4", _my, 0.2, 0.75),
    Format(_ID, "PK", 13, "5-7-1", any_number, 0.1, 0.8),
    Format(_ID, "AE", 15, "3-4-7-1", _ae, 0.7, 0.97),
    Format(_ID, "RO", 13, "", _ro_cnp, 0.75, 0.75),
    Format(_ID, "BG", 10, "", _bg, 0.35, 0.35),
    Format(_ID, "CZ", 10, "6/4", _cz, 0.4, 0.85),
    Format(_ID, "EE", 11, "", _baltic, 0.65, 0.65),
    Format(_TAX, "HR", 11, "", mod11_10, 0.3, 0.3),
    Format(_TAX, "GR", 9, "", _gr_afm, 0.2, 0.2),
    Format(_ID, "GR", 11, "", _gr_amka, 0.45, 0.45),
    Format(_ID, "IL", 9, "", _il, 0.15, 0.15),
    Format(_ID, "HU", 9, "3 3 3|3-3-3", _hu, 0.15, 0.4),
    Format("bank_account", "US", 9, "", _aba, 0.2, 0.2),
    Format("bank_account", "GB", 6, "2-2-2", any_number, 0.05, 0.2),
    Format("imei", "", 15, "2-6-6-1|2 6 6 1|6-2-6-1", _imei, 0.35, 0.9),
)
COUNTRIES = frozenset(f.country for f in FORMATS if f.country)

BY_LENGTH: dict[int, tuple[Format, ...]] = {
    n: tuple(f for f in FORMATS if f.digits == n) for n in {f.digits for f in FORMATS}
}


def _by_shape() -> dict[str, tuple[Format, ...]]:
    found: dict[str, list[Format]] = defaultdict(list)
    for format_ in FORMATS:
        for shape in format_.written:
            found[shape].append(format_)
    return {shape: tuple(formats) for shape, formats in found.items() if shape}


BY_SHAPE = _by_shape()
