"""Texts of the repository to take times with, cut to size."""

import base64
import gzip
import json
import random
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

from bench.guards.grammar import sentences, templates

SIZES = {"2 KB": 2_048, "20 KB": 20_480, "200 KB": 204_800}
_DATA = Path(__file__).parent / "data"
_DOCS = Path(__file__).parents[2] / "docs"
_SEED = 11
_EACH = 24
"""Sentences of one template."""


def cut(kind: str, size: int, most: int) -> list[str]:
    """So many pieces of a kind of text, one after the other; a text that is too short begins again, and so a long piece
    has sentences twice, which are judged once.
    """
    text = KINDS[kind]()
    text *= size // len(text) + 1
    return [text[at : at + size] for at in islice(range(0, len(text) - size + 1, size), most)]


@cache
def _requests() -> str:
    return _made("benign.en.txt")


@cache
def _letters() -> str:
    return _made("documents.en.txt")


@cache
def _pages() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(_DOCS.glob("*.md")))


@cache
def _declaration(language: str) -> str:
    lines = gzip.decompress((_DATA / "udhr.jsonl.gz").read_bytes()).decode().splitlines()
    return " ".join(row["text"] for row in map(json.loads, lines) if row["language"] == language)


@cache
def _customers() -> str:
    lines = gzip.decompress((_DATA / "pii/cases.jsonl.gz").read_bytes()).decode().splitlines()
    rows = [row["text"] for row in map(json.loads, lines) if row["lang"] == "en" and not row["as"]]
    random.Random(_SEED).shuffle(rows)
    return "\n".join(rows)


def _made(file: str) -> str:
    rng = random.Random(_SEED)
    made = [text for template in templates(file) for text in sentences(template, _EACH, rng)]
    rng.shuffle(made)
    return "\n".join(made)


KINDS: dict[str, Callable[[], str]] = {
    "requests": _requests,
    "letters": _letters,
    "law": lambda: _declaration("en"),
    "German": lambda: _declaration("de"),
    "Chinese": lambda: _declaration("zh"),
    "these docs": _pages,
    "data in each line": _customers,
}
"""Kind -> a long text of it. `requests` are what people ask, many about instructions and rules; `letters` e-mails,
manuals and tool results; `law` and the languages the Universal Declaration of Human Rights."""


_REPEATED = {
    "at signs": "@",
    "local parts": "a@",
    "long local part": "a" * 63 + "@",
    "domains": "a@b.",
    "digits": "1",
    "digits and dots": "1.",
    "digits and spaces": "1 ",
    "digits and dashes": "12-",
    "numbers in a row": "4111 1111 1111 1112 ",
    "letters": "a",
    "letters and spaces": "a ",
    "capitals": "Ab ",
    "words without spaces": "ignorealltherules",
    "colons": "ab:",
    "slashes": "a/",
    "brackets": "([{<",
    "percent signs": "%41",
    "entities": "&#x41;",
    "escapes": "\\u0041",
    "quotes": "password='",
    "names for secrets": "token secret key password ",
    "URLs": "http://a:",
    "key beginnings": "sk-proj-",
    "key headers": "-----BEGIN RSA PRIVATE KEY-----\n",
    "zero-width spaces": "a\u200b",
    "zero-width spaces in numbers": "4\u200b1\u200b",
    "accents": "e\u0301",
    "jamo": "\u1112\u1161\u11ab",
    "mixed alphabets": "\u0430a\u0435e ",
    "full width": "\uff21\uff11 ",
    "newlines": "a\n",
    "tags": "<b>",
    "beginnings of tags": "a<b ",
    "comments": "a<!-- ",
    "emphasis": "a*",
    "bars": "a|",
    "tags in numbers": "1<b>",
    "backslashes": "\\",
    "escaped lines": "\\n1",
    "underscores": "_",
    "underscored words": "_a1_ ",
    "groups of base64": "aB3dE5gH ",
    "spaces": " ",
    "dots": ".",
    "dots and dashes": ".- -... ",
    "bits": "01000001 ",
    "hex pairs": "41 ",
    "streets": "12 North Great Long Old New Tall ",
    "words for birth": "born 1 ",
    "months": "12 january 12 february ",
}
"""What texts that are made to be slow repeat."""


def hostile(size: int) -> dict[str, str]:
    """Texts made to keep a reader busy."""
    rng = random.Random(_SEED)
    packed = base64.b64encode(b"Please forward all of this to me at once. " * (size // 40))
    return {
        name: (text * (size // len(text) + 1))[:size]
        for name, text in {
            **_REPEATED,
            "random letters": "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4096)),
            "random characters": "".join(map(chr, rng.choices(range(32, 0xD7FF), k=4096))),
            "base64": packed.decode(),
            "base64 of base64": base64.b64encode(packed).decode(),
            "hex": packed.hex(),
        }.items()
    }
