"""Which language a text is written in: by its script, then by its trigrams.

After Cavnar and Trenkle, N-gram-based text categorization (1994), with log probabilities for ranks. The model is made
by `bench/guards/train_language.py`.
"""

import gzip
import re
from collections.abc import Collection
from functools import cache
from importlib.resources import files
from itertools import repeat
from math import exp
from typing import NamedTuple

import msgspec

ALONE = {
    "ja": "\u3040-\u30ff", "zh": "\u3400-\u9fff\uf900-\ufaff", "ko": "\uac00-\ud7af\u1100-\u11ff\u3130-\u318f",
    "el": "\u0370-\u03ff\u1f00-\u1fff", "he": "\u0590-\u05ff", "th": "\u0e00-\u0e7f", "bn": "\u0980-\u09ff",
    "pa": "\u0a00-\u0a7f", "gu": "\u0a80-\u0aff", "ta": "\u0b80-\u0bff", "te": "\u0c00-\u0c7f", "kn": "\u0c80-\u0cff",
    "ml": "\u0d00-\u0d7f", "si": "\u0d80-\u0dff", "lo": "\u0e80-\u0eff", "my": "\u1000-\u109f", "ka": "\u10a0-\u10ff",
    "hy": "\u0530-\u058f", "km": "\u1780-\u17ff", "am": "\u1200-\u137f", "bo": "\u0f00-\u0fff",
}  # fmt: skip
"""Languages that a script tells by itself: code (ISO 639-1) -> its letters."""
SHARED = {
    "latin": "a-zA-Z\u00c0-\u024f\u1e00-\u1eff", "cyrillic": "\u0400-\u052f", "arabic": "\u0600-\u06ff\u0750-\u077f",
    "devanagari": "\u0900-\u097f",
}  # fmt: skip
NO_PROSE = re.compile(
    r"`{3}.*?(?:`{3}|$)|`[^`\n]*`|<[^<>]{1,200}>|(?<!\S)(?:[@#]\w|[^\s\d_/\\=@]*[\d_/\\=@])\S*", re.DOTALL
)
"""Code, tags, addresses, names of files and of people on the web, words with digits."""
LETTERS = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f\u0900-\u0903\u093a-\u0957\u0962\u0963])+")
_PLAIN = str.maketrans({code: " " for code in range(128) if not chr(code).isalpha()})
_SPECIAL = re.compile(r"[`<@#\d_/\\=]")
"""Without one of these all of a text is prose."""
_TELLING = {
    "en": "the and that with this you your they which from their would were been what there these into our its "
    "please should could about where when thanks thank know get getting how any people time make need "
    "because before after then them some other who very here but if can his she does did out only through "
    "between both those such than why let tell write going think good work day year help sure best more "
    "much every never always next last new back still while each own again against during without within "
    "until",
    "de": "und nicht eine einen einem einer auch für auf wird sind wenn oder über durch dass keine sich bitte "
    "haben von zu ist wir sie nach aus nur kann mehr aber zum zur ihr ihre mein meine",
    "fr": "dans vous nous avec cette sont leur votre pour être ces très aussi comme où ont est une sur aux elle "
    "tous tout fait peut",
    "es": "usted muy también cuando puede hasta tiene yo",
    "it": "gli della delle nella sono anche questo questa perché più degli che dalla ogni suo nel sul essere tutti",
    "pt": "não uma você também são pela pelo isso até muito foi ela tem",
    "nl": "niet voor zijn ook naar wordt deze door heeft meer bij wij jij jullie mijn",
}
TELLING = {word: code for code, words in _TELLING.items() for word in words.split()}
"""Small words that no other language has, or none that is known: they tell most sentences, without a closer look."""
SHARE = 6
"""One word in so many, and two different ones, have to be of the same language, and none of another."""
MAX_LETTERS = 160
"""So much of a text is enough to tell."""
MISSING = 10.5
"""Nats against a language for each trigram that it hardly has."""
FOREIGN = 9.6
"""A text whose trigrams are that unlikely even in the best language is in none that is known, or in no language."""
CLEAR = 7.8
"""Most texts are likelier than that in their own language, and hardly any in another."""
FAVOUR = 8.0
"""Nats in favour of a language that is likely."""
EVIDENCE = 0.35
"""Trigrams overlap: each is worth so much of one that stood alone."""


class Guess(NamedTuple):
    """A language, and how sure it is."""

    code: str
    """ISO 639-1; empty when it is none that is known."""
    score: float


class _Stored(msgspec.Struct, frozen=True):
    per_nat: int
    scripts: dict[str, dict[str, dict[str, int]]]


@cache
def _profiles() -> dict[str, dict[str, dict[str, float]]]:
    packed = files("moat.guards.models").joinpath("language.json.gz").read_bytes()
    stored = msgspec.json.decode(gzip.decompress(packed), type=_Stored)
    return {
        script: {
            code: {gram: -steps / stored.per_nat for gram, steps in grams.items()} for code, grams in by_code.items()
        }
        for script, by_code in stored.scripts.items()
    }


@cache
def _letters_of() -> list[tuple[str, re.Pattern[str]]]:
    return [(name, re.compile(f"[{letters}]")) for name, letters in {**SHARED, **ALONE}.items()]


def known() -> frozenset[str]:
    """The codes of all languages that are told apart."""
    return frozenset(ALONE).union(*(by_code for by_code in _profiles().values()))


def prose(text: str) -> str:
    """What of a text is written in a language: no code, addresses or names of things."""
    if _SPECIAL.search(text):
        text = NO_PROSE.sub(" ", text)
    return " ".join(text.translate(_PLAIN).split() if text.isascii() else LETTERS.findall(text))


def identify(text: str, likely: Collection[str] = ()) -> Guess:
    """The language of a text of `prose`. Those that are likely are favoured, and when it is clearly one of
    them, no other is looked at.
    """
    sample = text[:MAX_LETTERS].lower()
    if code := _told(sample.split()):
        return Guess(code, 0.97)
    script = "latin" if sample.isascii() else _script(sample)
    if script in ALONE:
        return Guess(script, 0.99)
    if not script:
        return Guess("", 0.0)
    return _by_trigrams(sample, script, likely)


def _told(words: list[str]) -> str:
    """The language that small words tell, if they do."""
    telling = [word for word in words if word in TELLING]
    codes = {TELLING[word] for word in telling}
    enough = len(telling) * SHARE >= len(words) and len(set(telling)) > 1
    return codes.pop() if enough and len(codes) == 1 else ""


def _script(sample: str) -> str:
    counts = {name: len(letters.findall(sample)) for name, letters in _letters_of()}
    if counts["ja"] * 10 > counts["zh"] and counts["ja"] + counts["zh"] > counts["latin"] / 2:
        return "ja"
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else ""


def _by_trigrams(sample: str, script: str, likely: Collection[str]) -> Guess:
    padded = f" {sample} "
    grams = [padded[at : at + 3] for at in range(len(padded) - 2)]
    profiles = _profiles()[script]
    for code in likely:
        if code in profiles and sum(map(profiles[code].get, grams, repeat(MISSING))) <= CLEAR * len(grams):
            return Guess(code, 0.95)
    against = {code: sum(map(grams_of.get, grams, repeat(MISSING))) for code, grams_of in profiles.items()}
    for code in likely:
        if code in against:
            against[code] -= FAVOUR
    best = min(against, key=against.__getitem__)
    if against[best] > FOREIGN * len(grams):
        return Guess("", 0.0)
    odds = sum(exp(max(-60.0, EVIDENCE * (against[best] - other))) for other in against.values())
    return Guess(best, 1.0 / odds)
