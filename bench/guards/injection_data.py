"""Labelled texts for prompt injection: from templates, and from packages that allow it.

Everything is made from the files in `data/injection` with a fixed seed.
"""

import gzip
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bench.guards.grammar import DATA, sentences, templates

SEED = 7
DECLARATION = Path(__file__).parent / "data/udhr.jsonl.gz"


class Labelled(NamedTuple):
    """One text, and what is known of it."""

    text: str
    attack: bool
    family: str
    """Of the attack, or of the harmless use."""
    template: str
    """What it was made from: texts of one template are never both learned from and tested on."""
    lang: str = "en"
    source: str = "templates"


def packages(place: str) -> list[Labelled]:
    """Texts of packages: of users (`input`), or of documents."""
    lines = gzip.decompress((DATA / "packages.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Labelled(row["text"], row["attack"], row["family"], row["text"][:60], row["lang"], row["source"])
        for row in rows
        if row["place"] == place
    ]


def _made(file: str, attack: bool, each: int, rng: random.Random, *, even: bool = False) -> Iterator[Labelled]:
    """More of a template with many slots: there is more to it. `even`: as many of each, and all choices alike."""
    world = ".world." in file
    for template in templates(file):
        family = ("override" if attack else "benign") if world else template.section
        lang = template.section if world else "en"
        count = each if even else each * min(8, 1 + template.text.count("{"))
        for text in sentences(template, count, rng, even=even):
            yield Labelled(text, attack, family, template.text, lang)


def direct(each: int = 20, *, misspelling: bool = True) -> list[Labelled]:
    """What users write, attacks and harmless requests; one in four once more with typing errors."""
    rng = random.Random(SEED)
    found = [
        *_made("attacks.en.txt", True, each, rng),
        *_made("attacks.world.txt", True, each // 3, rng),
        *_made("benign.en.txt", False, 2 * each, rng),
        *_made("benign.world.txt", False, each // 2, rng),
    ]
    found += packages("input")
    found += _together(found, rng)
    read = documents(3 * each)
    found += diluted([row for row in found if row.attack], scraps(read), rng)
    found += beside([row for row in found if row.attack], questions(found), rng)
    found += read
    if misspelling:
        found += [row._replace(text=misspelt(row.text, rng)) for row in found[::4] if len(row.text) < 600]
    return found


def misspelt(text: str, rng: random.Random) -> str:
    """Some long words with two letters that changed places, one left out or one doubled."""
    words = text.split(" ")
    for at, word in enumerate(words):
        if len(word) > 4 and word.isalpha() and rng.random() < 0.3:
            cut = rng.randint(1, len(word) - 2)
            middle = rng.choice((word[cut + 1] + word[cut], word[cut + 1], word[cut] * 2 + word[cut + 1]))
            words[at] = word[:cut] + middle + word[cut + 2 :]
    return " ".join(words)


def scraps(rows: list[Labelled]) -> list[str]:
    """Short sentences of harmless texts."""
    found = {part for row in rows if row.lang == "en" for part in re.split(r"(?<=[.!?]) |\n", row.text)}
    return sorted(part for part in found if 5 < len(part) < 46)


def diluted(rows: list[Labelled], short: list[str], rng: random.Random) -> list[Labelled]:
    """One in three short texts again, with a few harmless words right before or behind it."""
    found = []
    for row in rows[::3]:
        if len(row.text) < 300:
            before, after = rng.choice(short), rng.choice(short)
            text = rng.choice((f"{before} {row.text}", f"{row.text} {after}", f"{before} {row.text} {after}"))
            found.append(row._replace(text=text))
    return found


def questions(rows: list[Labelled]) -> list[str]:
    """What people ask of assistants, in one sentence."""
    found = {row.text for row in rows if not row.attack and 20 < len(row.text) < 160 and "\n" not in row.text}
    return sorted(found)


def beside(rows: list[Labelled], asked: list[str], rng: random.Random) -> list[Labelled]:
    """One in three short texts again, with a harmless question in the same piece."""
    found = []
    for row in rows[1::3]:
        if len(row.text) < 160:
            other = rng.choice(asked)
            text = rng.choice((f"{other} {row.text}", f"{row.text} {other}", f"{row.text} {other}"))
            found.append(row._replace(text=text))
    return found


def _together(found: list[Labelled], rng: random.Random) -> list[Labelled]:
    """Attacks before, behind and between harmless requests, and several harmless requests in one text."""
    attacks = [row for row in found if row.attack and len(row.text) < 400]
    harmless = [row for row in found if not row.attack and len(row.text) < 600]
    made = []
    for row in rng.sample(attacks, len(attacks) // 5):
        other = rng.choice(harmless).text
        gap = rng.choice((" ", "\n", "\n\n", ". "))
        text = gap.join((other, row.text) if rng.random() < 0.7 else (row.text, other))
        made.append(Labelled(text, True, row.family, row.template, row.lang, row.source))
    for row in rng.sample(harmless, len(harmless) // 5):
        text = "\n".join([row.text, *(rng.choice(harmless).text for _ in range(rng.randint(1, 6)))])
        made.append(Labelled(text, False, row.family, row.template, row.lang, row.source))
    return made


def documents(each: int = 60) -> list[Labelled]:
    """Harmless texts that a model may be given to read."""
    rng = random.Random(SEED)
    found = [row for row in packages("documents") if not row.attack]
    lines = list(_made("documents.en.txt", False, each, rng, even=True))
    found += lines
    for row in lines[::6]:
        text = rng.choice((" ", "\n", "\n\n")).join([row.text, *(rng.choice(lines).text for _ in range(8))])
        found.append(Labelled(text, False, row.family, row.template))
    found += list(_made("documents.world.txt", False, each, rng, even=True))
    found += list(_made("benign.world.txt", False, each // 6, rng, even=True))
    found += [row for row in _made("benign.en.txt", False, each // 2, rng, even=True) if row.family == "prose"]
    return found + _declaration()


def _declaration() -> list[Labelled]:
    """The Universal Declaration of Human Rights, in many languages."""
    lines = gzip.decompress(DECLARATION.read_bytes()).decode().splitlines()
    rows = [json.loads(line) for line in lines]
    return [
        Labelled(
            row["text"], False, "benign-law", f"declaration:{row['language']}:{at}", row["language"], "declaration"
        )
        for at, row in enumerate(rows)
        if at % 5 == 0
    ]


OF_USERS = frozenset({"dictated", "context", "role-lock", "levels"})
"""Families of attacks that only who talks with the model has a use for."""
REQUESTS = {"benign-tools": 900, "benign-assistant": 700, "benign-exercise": 300, "benign-chat": 60}
"""What people ask of assistants, and how many of each are instructions when they stand in a document."""


def instructions(each: int = 60) -> list[Labelled]:
    """Sentences that are instructions to an assistant when they stand in a document."""
    rng = random.Random(SEED + 1)
    found = [
        *_made("indirect.en.txt", True, 4 * each, rng, even=True),
        *(row for row in _made("attacks.en.txt", True, each // 3, rng, even=True) if row.family not in OF_USERS),
        *_made("attacks.world.txt", True, each // 4, rng, even=True),
    ]
    asked = packages("input")
    for family, count in REQUESTS.items():
        rows = [row for row in asked if row.family == family and row.lang == "en" and 16 < len(row.text) < 300]
        for row in rng.sample(rows, min(count, len(rows))):
            found.append(row._replace(attack=True, family="request"))
    return found + diluted(found, scraps(documents()), rng)


def planted(each: int = 60) -> list[tuple[Labelled, int, int]]:
    """Documents with an instruction in them, and where it stands."""
    rng = random.Random(SEED + 2)
    carriers = [row.text for row in documents(each) if len(row.text) > 200 and row.lang == "en"]
    found = []
    for row in instructions(each):
        before, after = _around(rng.choice(carriers), rng)
        found.append((row._replace(text=before + row.text + after), len(before), len(before) + len(row.text)))
    found += [(row, 0, len(row.text)) for row in packages("documents") if row.attack and len(row.text) < 300]
    return found


CELLS = (
    ('{"note": "', '"}'),
    ("| 17 | Oslo | ", " |"),
    ("// ", "\n"),
    ("# ", "\n"),
    ("- ", "\n"),
    ("> ", "\n"),
    ("<p>", "</p>"),
)
"""What else may stand right around it."""


def _around(carrier: str, rng: random.Random) -> tuple[str, str]:
    """A document with a hole in it: between lines, in a line, or in a cell."""
    lines = carrier.split("\n")
    at = rng.randint(0, len(lines))
    before = "\n".join(lines[:at]) + ("\n" if at else "")
    after = rng.choice(("\n", " ", "\n\n")) + "\n".join(lines[at:])
    if rng.random() < 0.25:
        opening, closing = rng.choice(CELLS)
        return before + opening, closing + after
    if rng.random() < 0.4:
        before = before.rstrip("\n") + (" " if at else "")
    return before, after
