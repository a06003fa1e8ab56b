"""JSON, strictly (RFC 8259): no key twice, no NaN, nothing that other readers would take for something else."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from moat.domain.errors import DatasetError
from moat.evals.datasets.text import MAX_LINE, chunks, lines, too_long

_BLANK = " \t\r\n"


class Value(NamedTuple):
    """A value and the line it begins on, from 1."""

    line: int
    data: Any


class _Refused(ValueError):
    """The reason why a value is no JSON that can be kept."""


def parse_json(text: str) -> Any:
    """The value of a JSON text. Raises `ValueError` with the reason."""
    try:
        value = _DECODER.decode(text)
        if "\\u" in text:
            _whole_characters(value)
    except RecursionError:
        raise _Refused("it is nested too deep") from None
    return value


def read_lines(path: Path, name: str) -> Iterator[Value]:
    """The values of a JSON Lines file; blank lines are passed over. Raises `DatasetError` with file and line."""
    for number, text in lines(path, name):
        if not text.isspace():
            try:
                yield Value(number, parse_json(text))
            except ValueError as error:
                raise _invalid(error, f"{name}:{number}", text) from None


def read_list(path: Path, name: str) -> Iterator[Value]:
    """The members of the list that a JSON file is, one after the other in bounded memory.

    Raises `DatasetError` with file and line, also for a file that holds no list of objects.
    """
    text = _Window(path, name)
    if text.peek() != "[":
        remedy = "Put the cases into a list: `[{...}, {...}]`."
        raise DatasetError("not a list of cases", where=text.place, remedy=remedy)
    text.take(1)
    mark = "" if text.peek() == "]" else ","
    while mark == ",":
        if text.peek() != "{":
            raise DatasetError("not valid JSON: expected an object, `{...}`", where=text.place)
        yield text.value()
        mark = text.peek()
        if mark not in (",", "]"):
            what = "the list does not end" if not mark else f"expected `,` or `]`, not {mark!r}"
            raise DatasetError(f"not valid JSON: {what}", where=text.place, remedy="" if mark else "Was it cut off?")
        if mark == ",":
            text.take(1)
    text.take(1)
    if text.peek():
        raise DatasetError("not valid JSON: something follows the list", where=text.place)


class _Window:
    """The part of a text that is being read, with the line of its beginning."""

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        self._pieces = chunks(path, name)
        self._text = ""
        self._at = 0
        self._line = 1
        self._ended = False

    @property
    def place(self) -> str:
        """`file:line` of what comes next."""
        return f"{self._name}:{self._line}"

    def peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._at < len(self._text):
                character = self._text[self._at]
                if character not in _BLANK:
                    return character
                self.take(1)
            if not self._fill():
                return ""

    def take(self, count: int) -> None:
        """Pass over so many characters."""
        self._line += self._text.count("\n", self._at, self._at + count)
        self._at += count

    def value(self) -> Value:
        """The value that begins here. What ends with the window may go on behind it."""
        while True:
            try:
                data, end = _DECODER.raw_decode(self._text, self._at)
                if self._text.find("\\u", self._at, end) >= 0:
                    _whole_characters(data)
                break
            except json.JSONDecodeError as error:
                cut = error.pos >= len(self._text) - 8 or error.msg.startswith("Unterminated string")
                if not (cut and self._fill()):
                    line = self._line + self._text.count("\n", self._at, error.pos)
                    raise _invalid(error, f"{self._name}:{line}", self._text[self._at :]) from None
            except RecursionError:
                raise _invalid(_Refused("it is nested too deep"), self.place, "") from None
            except ValueError as error:
                raise _invalid(error, self.place, self._text[self._at :]) from None
        found = Value(self._line, data)
        self.take(end - self._at)
        return found

    def _fill(self) -> bool:
        """Read on, twice as far each time that one value needs more; False at the end."""
        wanted = max(1, len(self._text) - self._at)
        if wanted > MAX_LINE:
            raise too_long(self.place, "the case")
        pieces, size = [self._text[self._at :]], 0
        while size < wanted and not self._ended:
            piece = next(self._pieces, None)
            self._ended = piece is None
            pieces.append(piece or "")
            size += len(piece or "")
        self._text, self._at = "".join(pieces), 0
        return size > 0


def _whole_characters(value: Any) -> None:
    """Raise `_Refused` for half of a surrogate pair: no file could hold it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _Refused(f"half of a surrogate pair, \\u{ord(error.object[error.start]):04x}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in found if keys.count(key) > 1)
        raise _Refused(f"the key {twice!r} stands twice")
    return found


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused(f"the number {text[:40]} is out of range")
    return value


def _constant(text: str) -> Any:
    raise _Refused(f"JSON has no {text}: leave the member out, or write null")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number, parse_constant=_constant)


def _invalid(error: ValueError, where: str, text: str) -> DatasetError:
    if not isinstance(error, json.JSONDecodeError):
        return DatasetError(f"not valid JSON: {error}", where=where)
    near = error.doc[error.pos : error.pos + 20].strip()
    found = f" at {near!r}" if near else " at the end"
    remedy = "JSON Lines has one whole object a line." if text.lstrip().startswith(("[", "{\n")) else ""
    return DatasetError(f"not valid JSON: {error.msg}{found}", where=where, remedy=remedy)
