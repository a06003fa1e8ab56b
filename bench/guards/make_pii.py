"""Makes `data/pii/cases.jsonl.gz` from the templates beside it, with Faker (MIT) and a fixed seed.

    python -m bench.guards.make_pii

The result is in the repository: Faker is not needed to measure. Personal data in it is made up.
"""

import gzip
import json
import random
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faker import Faker

DATA = Path(__file__).parent / "data/pii"
SEED = 11
PER_TEMPLATE = 8
PER_BENIGN = 24
LOCALES = {
    "en": ["en_US", "en_GB"],
    "de": ["de_DE", "de_AT", "de_CH"],
    "fr": ["fr_FR"],
    "es": ["es_ES"],
    "it": ["it_IT"],
    "nl": ["nl_NL"],
    "pt": ["pt_BR"],
    "pl": ["pl_PL"],
    "sv": ["sv_SE"],
    "tr": ["tr_TR"],
    "ru": ["ru_RU"],
    "ja": ["ja_JP"],
    "zh": ["zh_CN"],
    "ko": ["ko_KR"],
    "hi": ["hi_IN"],
}
IBANS = ["DE", "GB", "FR", "ES", "IT", "NL", "PT", "PL", "SE", "TR", "CH", "AT", "BE", "NO", "DK", "FI", "IE", "CZ"]
DAYS = ["%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d"]
DATES = {
    "en": ["%m/%d/%Y", "%d/%m/%Y", "%B %d, %Y", "%Y-%m-%d", "%d %B %Y"],
    "de": ["%d.%m.%Y"],
    "ja": ["%Y年%m月%d日"],
    "zh": ["%Y年%m月%d日"],
}
OBFUSCATIONS: dict[str, Callable[[str, random.Random], str]] = {
    "full width": lambda s, r: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in s),
    "zero width": lambda s, r: "".join(c + (r.choice("\u200b\u200c\u2060") if r.random() < 0.4 else "") for c in s),
    "arabic digits": lambda s, r: "".join(chr(0x660 + int(c)) if c in "0123456789" else c for c in s),
    "no-break": lambda s, r: s.replace(" ", "\u00a0").replace("-", "\u2011"),
    "styled": lambda s, r: "".join(chr(0x1D7CE + int(c)) if c in "0123456789" else c for c in s),
    "soft hyphen": lambda s, r: "\u00ad".join(s),
}


def main() -> None:
    """Write the file."""
    r = random.Random(SEED)
    fakers = {lang: [Faker(locale) for locale in locales] for lang, locales in LOCALES.items()}
    for fakes in fakers.values():
        for fake in fakes:
            fake.seed_instance(SEED)
    rows = [*_personal(fakers, r), *_benign(r)]
    with gzip.GzipFile(DATA / "cases.jsonl.gz", "wb", mtime=0) as out:
        out.write("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    sys.stderr.write(f"{len(rows)} texts\n")


def _personal(fakers: dict[str, list[Any]], r: random.Random) -> Iterator[dict[str, object]]:
    for line in (DATA / "templates.txt").read_text("utf-8").splitlines():
        lang, kind, template = line.split("|", 2)
        for _ in range(PER_TEMPLATE):
            value = _value(kind, lang, r.choice(fakers[lang]), r)
            yield _case(template, value, kind, lang, "")
            if r.random() < 0.25:
                name = r.choice(sorted(OBFUSCATIONS))
                yield _case(template, OBFUSCATIONS[name](value, r), kind, lang, name)


def _case(template: str, value: str, kind: str, lang: str, obfuscation: str) -> dict[str, object]:
    start = template.index("{}")
    text = template.replace("{}", value)
    return {"text": text, "kind": kind, "start": start, "end": start + len(value), "lang": lang, "as": obfuscation}


def _value(kind: str, lang: str, fake: Any, r: random.Random) -> str:
    match kind:
        case "email":
            return str(fake.ascii_free_email() if r.random() < 0.5 else fake.ascii_company_email())
        case "phone":
            return str(fake.phone_number())
        case "card":
            number = str(fake.credit_card_number(r.choice(["visa", "mastercard"]) if r.random() < 0.6 else None))
            return _grouped(number, r)
        case "iban":
            number = _iban(r)
            return number if r.random() < 0.4 else " ".join(number[i : i + 4] for i in range(0, len(number), 4))
        case "national_id":
            return str(fake.ssn())
        case "ip":
            return str(fake.ipv4_public() if r.random() < 0.6 else fake.ipv6())
        case "mac":
            return r.choice([str(fake.mac_address()), str(fake.mac_address()).upper().replace(":", "-")])
        case "birth_date":
            return str(
                fake.date_of_birth(minimum_age=18, maximum_age=90).strftime(
                    r.choice(DATES.get(lang, ["%d/%m/%Y", "%d.%m.%Y", "%Y-%m-%d"]))
                )
            )
        case "address":
            return str(fake.street_address()).replace("\n", ", ")
        case "passport":
            letters = "".join(r.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(r.choice([1, 2])))
            return letters + "".join(r.choice("0123456789") for _ in range(9 - len(letters)))
    raise ValueError(kind)


def _grouped(number: str, r: random.Random) -> str:
    if r.random() < 0.4:
        return number
    sizes = {15: (4, 6, 5), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3)}.get(len(number), (len(number),))
    parts, at = [], 0
    for size in sizes:
        parts.append(number[at : at + size])
        at += size
    return r.choice([" ", "-"]).join(parts)


def _iban(r: random.Random) -> str:
    """Of a country's length, with its check digits; only the digits of banks that may not exist."""
    lengths = {
        "DE": 22,
        "GB": 22,
        "FR": 27,
        "ES": 24,
        "IT": 27,
        "NL": 18,
        "PT": 25,
        "PL": 28,
        "SE": 24,
        "TR": 26,
        "CH": 21,
    }
    lengths |= {"AT": 20, "BE": 16, "NO": 15, "DK": 18, "FI": 18, "IE": 22, "CZ": 24}
    letters = {"GB": 4, "NL": 4, "IE": 4, "IT": 1}
    country = r.choice(IBANS)
    count = letters.get(country, 0)
    bank = "".join(r.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(count))
    body = bank + "".join(r.choice("0123456789") for _ in range(lengths[country] - 4 - count))
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    return f"{country}{check:02}{body}"


def _benign(r: random.Random) -> Iterator[dict[str, object]]:
    for line in (DATA / "benign.txt").read_text("utf-8").splitlines():
        lang, template = line.split("|", 1)
        for _ in range(PER_BENIGN):
            yield {"text": _filled(template, lang, r), "kind": "", "start": 0, "end": 0, "lang": lang, "as": ""}


def _filled(template: str, lang: str, r: random.Random) -> str:
    makers = {name: maker for name, maker in _MAKERS.items() if "{" + name + "}" in template}
    for name, maker in makers.items():
        while "{" + name + "}" in template:
            template = template.replace("{" + name + "}", maker(r), 1)
    return template


def _digits(r: random.Random, size: int) -> str:
    return str(r.randrange(1, 10)) + "".join(r.choice("0123456789") for _ in range(size - 1))


def _isbn(r: random.Random) -> str:
    n = "978" + _digits(r, 9)
    check = (10 - sum(int(d) * (1, 3)[i % 2] for i, d in enumerate(n)) % 10) % 10
    return r.choice([f"{n[:3]}-{n[3]}-{n[4:7]}-{n[7:12]}-{check}", f"{n}{check}"])


def _price(r: random.Random) -> str:
    amount = r.randrange(100, 9_999_999)
    comma, dot, space = (f"{amount:,}".replace(",", by) for by in (",", ".", " "))
    return r.choice([f"${comma}.{r.randrange(100):02}", f"{amount / 100:.2f} EUR", f"{dot} €", f"{space} kr"])


def _order(r: random.Random) -> str:
    sizes = r.choice([(7,), (10,), (12,), (3, 7, 7), (4, 6)])
    return r.choice(["", "", "A"]) + "-".join(_digits(r, size) for size in sizes)


def _date(r: random.Random) -> str:
    form = r.choice(["{0:02}.{1:02}.{2}", "{2}-{1:02}-{0:02}", "{1:02}/{0:02}/{2}", "{0}/{1}/{2}"])
    return form.format(r.randrange(1, 29), r.randrange(1, 13), r.randrange(1990, 2027))


def _invoice(r: random.Random) -> str:
    year = r.randrange(2015, 2027)
    return r.choice([f"INV-{year}-{_digits(r, 5)}", _digits(r, 8), f"{year}/{_digits(r, 6)}"])


def _tracking(r: random.Random) -> str:
    return r.choice([f"1Z{_hex(r, 16).upper()}", _digits(r, 12), _digits(r, 20), f"RR{_digits(r, 9)}DE"])


def _hex(r: random.Random, size: int) -> str:
    return "".join(r.choice("0123456789abcdef") for _ in range(size))


_MAKERS: dict[str, Callable[[random.Random], str]] = {
    "order": _order,
    "digits8": lambda r: _digits(r, 8),
    "digits10": lambda r: _digits(r, 10),
    "date": _date,
    "time": lambda r: f"{r.randrange(24):02}:{r.randrange(60):02}" + r.choice(["", f":{r.randrange(60):02}"]),
    "version": lambda r: f"{r.randrange(12)}.{r.randrange(30)}.{r.randrange(20)}",
    "version4": lambda r: f"{r.randrange(1, 9)}.{r.randrange(9)}.{r.randrange(9)}.{r.randrange(200)}",
    "sha256": lambda r: _hex(r, 64),
    "sha": lambda r: _hex(r, r.choice([7, 8, 40])),
    "uuid": lambda r: str(uuid.UUID(int=r.getrandbits(128), version=4)),
    "price": _price,
    "isbn": _isbn,
    "year": lambda r: str(r.randrange(1800, 2027)),
    "small": lambda r: str(r.randrange(1, 300)),
    "mid4": lambda r: str(r.randrange(1000, 9999)),
    "mid": lambda r: r.choice(["{}", "{:,}"]).format(r.randrange(1000, 99_999_999)),
    "tracking": _tracking,
    "part": lambda r: "".join(r.choice("ABCDEFGHJKLMNPRSTUVWXYZ") for _ in range(3)) + _digits(r, r.choice([3, 5])),
    "unix": lambda r: str(r.randrange(1_500_000_000, 1_800_000_000) * r.choice([1, 1000])),
    "decimal": lambda r: f"{r.random() * r.choice([1, 10, 100]):.{r.randrange(2, 8)}f}",
    "invoice": _invoice,
    "ean": lambda r: _digits(r, 13),
}  # fmt: skip

if __name__ == "__main__":
    main()
