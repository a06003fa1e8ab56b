"""Texts as the pieces of words that a BERT model knows (Wu et al. 2016, arXiv:1609.08144; Devlin et al. 2019)."""

import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from moat.domain.errors import ConfigError

MAX_WORD = 100
"""Characters: longer words are unknown."""
MAX_TEXT = 100_000
"""Characters of a text; what follows is not looked at."""


class WordPiece(msgspec.Struct, frozen=True):
    """A vocabulary, and how texts are prepared for it."""

    vocabulary: dict[str, int]
    lowercase: bool = True
    strip_accents: bool = True
    unknown: str = "[UNK]"
    prefix: str = "##"
    """Marks pieces that continue a word."""

    def pieces(self, text: str, most: int) -> list[str]:
        """At most so many pieces of a text, without the marks of its beginning and end."""
        found: list[str] = []
        for word in _words(self._plain(text[:MAX_TEXT])):
            found += self._split(word)
            if len(found) >= most:
                break
        return found[:most]

    def ids(self, pieces: list[str]) -> list[int]:
        """Their numbers."""
        return [self.vocabulary[piece] for piece in pieces]

    def _plain(self, text: str) -> str:
        kept = []
        for character in text:
            category = unicodedata.category(character)
            if character in "\t\n\r" or category == "Zs":
                kept.append(" ")
            elif character in "\0\ufffd" or category in ("Cc", "Cf", "Cs", "Co"):
                continue
            else:
                kept.append(f" {character} " if _is_chinese(character) else character)
        plain = "".join(kept)
        if self.lowercase:
            plain = plain.lower()
        if self.strip_accents:
            plain = "".join(c for c in unicodedata.normalize("NFD", plain) if unicodedata.category(c) != "Mn")
        return plain

    def _split(self, word: str) -> list[str]:
        """The longest known beginning, then the longest that continues it, ...; unknown when one is missing."""
        if len(word) > MAX_WORD:
            return [self.unknown]
        found, start = [], 0
        while start < len(word):
            for stop in range(len(word), start, -1):
                piece = (self.prefix if start else "") + word[start:stop]
                if piece in self.vocabulary:
                    break
            else:
                return [self.unknown]
            found.append(piece)
            start = stop
        return found


def read_wordpiece(path: Path) -> WordPiece:
    """From a `tokenizer.json`. Raises `ConfigError` for a file of another kind."""
    try:
        data: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        model, normalizer = data["model"], data.get("normalizer") or {}
        kind, vocabulary = model["type"], model["vocab"]
    except (OSError, msgspec.DecodeError, KeyError, TypeError) as error:
        raise ConfigError(f"no tokenizer can be read: {error}", where=str(path)) from None
    if kind != "WordPiece" or not isinstance(vocabulary, dict):
        raise ConfigError(f"the tokenizer is of type {kind}, and only WordPiece is understood", where=str(path))
    lowercase = bool(normalizer.get("lowercase", True))
    accents = normalizer.get("strip_accents")
    unknown = model.get("unk_token", "[UNK]")
    if unknown not in vocabulary:
        raise ConfigError(f"the vocabulary has no {unknown!r}", where=str(path))
    return WordPiece(
        vocabulary=vocabulary,
        lowercase=lowercase,
        strip_accents=lowercase if accents is None else bool(accents),
        unknown=unknown,
        prefix=model.get("continuing_subword_prefix", "##"),
    )


def _words(text: str) -> Iterator[str]:
    """Runs without white space, each mark of punctuation apart."""
    for run in text.split():
        word = ""
        for character in run:
            if _is_mark(character):
                if word:
                    yield word
                yield character
                word = ""
            else:
                word += character
        if word:
            yield word


def _is_mark(character: str) -> bool:
    ascii_mark = character.isascii() and character.isprintable() and not character.isalnum() and character != " "
    return ascii_mark or unicodedata.category(character).startswith("P")


def _is_chinese(character: str) -> bool:
    point = ord(character)
    return 0x4E00 <= point <= 0x9FFF or 0x3400 <= point <= 0x4DBF or 0x20000 <= point <= 0x2CEAF or _is_rare(point)


def _is_rare(point: int) -> bool:
    return 0xF900 <= point <= 0xFAFF or 0x2F800 <= point <= 0x2FA1F
