"""Placeholders for what may not go on, and the way back from them.

The engine (`watching`, `hearing`) relies on exactly these members of `Vault`; how well it recognises what models make
of placeholders, and which styles there are, is decided here.
"""

import hashlib
import hmac
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Literal

from moat.guards.exchanging import Exchange

_OWN = re.compile(r"<([A-Z][A-Z_]{1,30})_(\d{1,6})>")
_DIGEST = re.compile(r"<[A-Z][A-Z_]{1,30}:[0-9a-f]{12}>")
"""What `style: hash` writes."""
_LONGEST_DIGEST = 48
_OPENED = r"(?:\\?<|&lt;|\\?\[|\{{1,2})[ *_`]{0,3}"
_CLOSED = r"[ *_`]{0,3}(?:\\?>|&gt;|\\?\]|\}{1,2})"


class Vault:
    """What was redacted of one call. The same value has the same placeholder, numbered in order of appearance.

    So a conversation that is sent again with its next message has the same placeholders again.
    """

    window = 64
    """Most characters of a placeholder in an answer, with what has to be seen around it."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: keys the digests of `style: hash`."""
        self._secret = secret
        self._instead: dict[str, str] = {}
        self._values: dict[tuple[str, int], str] = {}
        self._numbers: dict[str, int] = {}
        self._taken: defaultdict[str, set[int]] = defaultdict(set)
        self._kept_back = False
        self._hidden: Exchange | None = None
        self._named: re.Pattern[str] | None = None

    @property
    def knows(self) -> bool:
        """Is there anything to hide?"""
        return bool(self._instead)

    @property
    def reversible(self) -> bool:
        """Are there placeholders that an answer may name?"""
        return bool(self._values)

    def reserve(self, text: str) -> None:
        """Leave the placeholders that stand in a text to whoever wrote them: they are never given to a value."""
        if "_" in text and "<" in text:
            for kind, number in _OWN.findall(text):
                self._taken[kind].add(int(number))

    def keep_back(self) -> None:
        """From now on values are of the answer: what a model says must not bring back what was taken out of it."""
        self._kept_back = True

    def replacement(self, kind: str, value: str, style: Literal["placeholder", "mask", "hash"] = "placeholder") -> str:
        """What stands for a value from now on."""
        if value in self._instead:
            return self._instead[value]
        name = kind.upper()
        if style == "mask":
            instead = mask(kind, value)
        elif style == "hash":
            digest = hmac.new(self._secret, value.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:12]
            instead = f"<{name}:{digest}>"
        else:
            number = self._next(name)
            instead = f"<{name}_{number}>"
            if not self._kept_back:
                self._values[name, number] = value
        self._instead[value] = instead
        self._hidden = self._named = None
        return instead

    def hide(self, text: str) -> str:
        """The text with every known value replaced, as it is and as JSON writes it: for what is kept."""
        if not self._instead:
            return text
        if self._hidden is None:
            self._hidden = Exchange({form: told for value, told in self._instead.items() for form in _forms(value)})
        return self._hidden(text)

    def found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where placeholders stand in an answer, and the values they stand for.

        Also as models rewrite them: in lower case, escaped for Markdown or HTML, in other brackets, with spaces, and
        with no brackets when they are otherwise as they were.
        """
        if not self._values:
            return
        for match in self._pattern().finditer(text):
            name = re.sub(r"[^A-Z]+", "_", (match["within"] or match["bare"]).upper())
            if (value := self._values.get((name, int(match["number"] or match["bare_number"])))) is not None:
                yield match.start(), match.end(), value

    def _next(self, name: str) -> int:
        number = self._numbers.get(name, 0) + 1
        while number in self._taken[name]:
            number += 1
        self._numbers[name] = number
        return number

    def _pattern(self) -> re.Pattern[str]:
        if self._named is None:
            names = sorted({name for name, _ in self._values}, key=len, reverse=True)
            within = "|".join(r"(?:\\?_|[ -])".join(map(re.escape, name.split("_"))) for name in names)
            bare = "|".join(r"\\?_".join(map(re.escape, name.split("_"))) for name in names)
            self._named = re.compile(
                rf"{_OPENED}(?i:(?P<within>{within}))(?:\\?_|[ #-])(?P<number>\d{{1,6}}){_CLOSED}"
                rf"|<?(?<!\w)(?P<bare>{bare})\\?_(?P<bare_number>\d{{1,6}})(?![\w])"
            )
        return self._named


def is_digest(text: str, start: int, end: int) -> bool:
    """Is a span of a text within what `style: hash` has written? That is no data any more."""
    begin = text.rfind("<", max(0, start - _LONGEST_DIGEST), start + 1)
    digest = _DIGEST.match(text, begin) if begin >= 0 else None
    return digest is not None and end <= digest.end()


def _forms(value: str) -> set[str]:
    """A value, and what it is inside a JSON string: an error that quotes a request has it so."""
    if value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return {value}
    return {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}


def mask(kind: str, value: str) -> str:
    """A value with so little left that a person who knows it can tell which one it is: `j***@x.org`, `**** 1111`."""
    if kind == "email" and "@" in value.strip("@"):
        name, _, domain = value.partition("@")
        return f"{name[:1]}***@{domain}"
    shown = sum(map(str.isalnum, value))
    kept = 4 if shown >= 10 else 2 if shown >= 7 else 0
    if kind in ("password", "private_key", "birth_date", "address") or not kept:
        return "****"
    at = len(value)
    for _ in range(kept):
        at = next(i for i in range(at - 1, -1, -1) if value[i].isalnum())
    return re.sub(r"[^\W_]", "*", value[:at]) + value[at:] if len(value) <= 24 else "****" + value[at:]
