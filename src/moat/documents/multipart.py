"""Forms with files, multipart/form-data (RFC 7578, RFC 2046): where their fields are, without touching the files; or
field by field as the bytes arrive, in constant memory.

Strict, because two readers who understand one form differently can be played off against each other: what is not
plainly a form is refused.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import unquote

from moat.domain.errors import RequestError

MAX_PARTS = 128
MAX_PART_HEAD = 8 * 1024
"""Bytes of one part's headers."""

BLANK = b" \t\r\n"
"""What may follow the last boundary."""

NO_BEGINNING = "does not begin with its boundary"
NO_END = "ends without its last boundary"
NO_STOP = "goes on after its last boundary"

_PARAMETER = re.compile(r'\s*;\s*([\w!#$&+.^`|~*-]+)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))')
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_ESCAPED = re.compile(r"\\(.)")
_UNSAFE = re.compile(r'["\\\x00-\x1f\x7f]')


class Field(NamedTuple):
    """One part of a form: its value is `body[start:stop]`."""

    name: str
    is_file: bool
    start: int
    stop: int
    filename: str = ""


class Part(NamedTuple):
    """The head of one part of a form."""

    name: str
    is_file: bool
    filename: str = ""


def read_form(body: bytes, content_type: str) -> list[Field]:
    """The fields of a form in their order. Raises `RequestError`, also for a boundary that RFC 2046 forbids."""
    delimiter = b"\r\n--" + _boundary(content_type)
    fields: list[Field] = []
    # The first delimiter needs no line break before it.
    at = 0 if body.startswith(delimiter[2:]) else -1
    after = len(delimiter) - 2
    while at >= 0 and not body.startswith(b"--", after):
        if len(fields) == MAX_PARTS:
            raise _broken(f"has more than {MAX_PARTS} parts")
        part, start = _part_head(body, after)
        at = body.find(delimiter, start - 2)
        after = at + len(delimiter)
        fields.append(Field(part.name, part.is_file, start, max(start, at), part.filename))
    if at < 0:
        raise _broken(NO_BEGINNING if not fields else NO_END)
    if body[after + 2 :].strip(BLANK):
        raise _broken(NO_STOP)
    return fields


class FormStream:
    """A form taken apart as it arrives. What it gives, however the bytes are cut, is what `read_form` finds in them."""

    def __init__(self, content_type: str) -> None:
        """Raises `RequestError` for what is no form."""
        self._delimiter = b"\r\n--" + _boundary(content_type)
        # The first delimiter needs no line break before it.
        self._held = b"\r\n"
        """Bytes that are not understood yet: less than a part's head."""
        self._passed = 0
        """Bytes of them that belong to what was before."""
        self._parts = 0
        self._step = self._begin

    def feed(self, data: bytes) -> "list[Part | bytes]":
        """The parts that begin in the next bytes, each followed by the pieces of its value. Raises `RequestError`."""
        self._held += data
        found: list[Part | bytes] = []
        while (more := self._step()) is not None:
            found += more
        return found

    def end(self) -> None:
        """Nothing follows. Raises `RequestError` for a form that is not whole."""
        if self._step == self._begin:
            raise _broken(NO_BEGINNING)
        if self._step != self._after:
            raise _broken(NO_END)

    def _begin(self) -> "list[Part | bytes] | None":
        if not self._held.startswith(self._delimiter[: len(self._held)]):
            raise _broken(NO_BEGINNING)
        if len(self._held) < len(self._delimiter):
            return None
        self._held, self._step = self._held[len(self._delimiter) :], self._head
        return []

    def _head(self) -> "list[Part | bytes] | None":
        held = self._held
        if held.startswith(b"--"):
            self._held, self._step = held[2:], self._after
            return []
        if held.find(b"\r\n\r\n", 0, MAX_PART_HEAD) < 0 and len(held) < MAX_PART_HEAD:
            return None
        if self._parts == MAX_PARTS:
            raise _broken(f"has more than {MAX_PARTS} parts")
        self._parts += 1
        part, start = _part_head(held, 0)
        # The line break that ends the head may begin the next delimiter.
        self._held, self._passed, self._step = held[start - 2 :], 2, self._value
        return [part]

    def _value(self) -> "list[Part | bytes] | None":
        held, at = self._held, self._held.find(self._delimiter)
        stop = at if at >= 0 else len(held) - len(self._delimiter) + 1
        if at < 0 and stop <= self._passed:
            return None
        piece = held[self._passed : stop]
        if at >= 0:
            self._held, self._step = held[at + len(self._delimiter) :], self._head
        else:
            self._held, self._passed = held[stop:], 0
        return [piece] if piece else []

    def _after(self) -> "list[Part | bytes] | None":
        if self._held.strip(BLANK):
            raise _broken(NO_STOP)
        self._held = b""
        return None


def text_fields(body: bytes, fields: list[Field], *, longest: int) -> dict[str, str | list[str]]:
    """The values of all fields that are no files; a name that stands there more than once has a list of them.

    Raises `RequestError` when they are longer than `longest` bytes together, or one is not UTF-8.
    """
    found: dict[str, str | list[str]] = {}
    for field in fields:
        if field.is_file:
            continue
        longest -= field.stop - field.start
        if longest < 0:
            raise RequestError("is too long for a field that is no file", where=field.name)
        try:
            value = body[field.start : field.stop].decode()
        except UnicodeDecodeError:
            raise RequestError("is not UTF-8", where=field.name) from None
        known = found.get(field.name)
        if known is None:
            found[field.name] = value
        else:
            found[field.name] = [*known, value] if isinstance(known, list) else [known, value]
    return found


def with_field(body: bytes, content_type: str, name: str, value: str) -> bytes:
    """The form with another value in its one field `name`; all other bytes stay as they are. Raises `RequestError`
    when it has not exactly one, or the value would end the part.
    """
    fields = [field for field in read_form(body, content_type) if field.name == name]
    if len(fields) != 1 or fields[0].is_file:
        raise RequestError("must stand in the form exactly once, as text", where=name)
    changed = value.encode()
    if b"\r" in changed or b"\n" in changed:
        raise RequestError("holds a line break", where=name)
    return body[: fields[0].start] + changed + body[fields[0].stop :]


def with_texts(body: bytes, content_type: str, change: Callable[[str, int, str], str]) -> bytes:
    """The form with other texts: `change` takes the name of a field that is no file, how many of that name stand
    before it, and its text. Raises `RequestError` where a text would end its part.
    """
    delimiter = b"\r\n--" + _boundary(content_type)
    pieces: list[bytes] = []
    seen: Counter[str] = Counter()
    read = 0
    for field in read_form(body, content_type):
        if field.is_file:
            continue
        text = change(field.name, seen[field.name], body[field.start : field.stop].decode("utf-8", "replace")).encode()
        if delimiter in b"\r\n" + text:
            raise RequestError("holds the boundary of its form", where=field.name)
        seen[field.name] += 1
        pieces += body[read : field.start], text
        read = field.stop
    return b"".join((*pieces, body[read:]))


def file_names(body: bytes, content_type: str) -> list[str]:
    """What the files of a form are called, in their order; empty for one without a name. Raises `RequestError`."""
    return [field.filename for field in read_form(body, content_type) if field.is_file]


def with_file_names(body: bytes, content_type: str, names: Mapping[int, str]) -> bytes:
    """The form with other names of some of its files, by their number; all other bytes stay as they are. Raises
    `RequestError`.
    """
    pieces: list[bytes] = []
    read = 0
    files = [field for field in read_form(body, content_type) if field.is_file]
    for number, name in sorted(names.items()):
        field = files[number]
        start = body.rindex(b"\r\n--", 0, field.start) + 2 if b"\r\n--" in body[: field.start] else 0
        head = body[start : field.start - 4].split(b"\r\n")
        said = [_quoted(text) for text in (field.name, name)]
        if not any(map(_names_it, head)):
            raise _broken("has a file whose name cannot be changed")
        told = b'Content-Disposition: form-data; name="%s"; filename="%s"' % (said[0], said[1])
        head = [told if _names_it(line) else line for line in head]
        pieces += body[read:start], b"\r\n".join(head) + b"\r\n\r\n"
        read = field.start
    return b"".join((*pieces, body[read:]))


def _names_it(line: bytes) -> bool:
    return line.lower().startswith(b"content-disposition:")


def _quoted(text: str) -> bytes:
    """As a parameter of a header: nothing in it ends the parameter or the line."""
    return _UNSAFE.sub(lambda match: "\\" + match[0] if match[0] in '"\\' else " ", text).encode()


def _boundary(content_type: str) -> bytes:
    kind, semicolon, rest = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        raise RequestError("must be multipart/form-data", where="content-type")
    boundary = _parameters(semicolon + rest).get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise RequestError("has no usable boundary: 1 to 70 characters of RFC 2046", where="content-type")
    return boundary.encode("ascii")


def _parameters(text: str) -> dict[str, str]:
    """`; name=value; name="value"`, whole; by lower-case name. Raises `RequestError`, for a repeated name too."""
    found: dict[str, str] = {}
    at = 0
    while text[at:].strip("; \t"):
        match = _PARAMETER.match(text, at)
        if match is None or match[1].lower() in found:
            raise _broken(f"has a header with unclear parameters: {text[:100]!r}")
        quoted, plain = match[2], match[3]
        found[match[1].lower()] = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
        at = match.end()
    return found


def _part_head(body: bytes, at: int) -> tuple[Part, int]:
    """A part, and where its value begins; `at` is behind the part's delimiter."""
    end = body.find(b"\r\n\r\n", at, at + MAX_PART_HEAD)
    line_end = body.find(b"\r\n", at, at + MAX_PART_HEAD)
    if end < 0 or body[at:line_end].strip(b" \t"):
        raise _broken("has a part without headers")
    head = body[line_end + 2 : end].decode("utf-8", "replace")
    said = [line.partition(":")[2] for line in head.split("\r\n") if line.lower().startswith("content-disposition:")]
    if len(said) != 1:
        raise _broken("has a part without exactly one Content-Disposition")
    kind, semicolon, rest = said[0].partition(";")
    parameters = _parameters(semicolon + rest)
    if kind.strip().lower() != "form-data" or "name" not in parameters:
        raise _broken("has a part without a name")
    is_file = "filename" in parameters or "filename*" in parameters
    return Part(parameters["name"], is_file, _filename(parameters)), end + 4


def _filename(parameters: Mapping[str, str]) -> str:
    """`filename`, or `filename*` as RFC 8187 has it. Raises `RequestError` where they are not the same."""
    plain, extended = parameters.get("filename", ""), unquote(parameters.get("filename*", "").rpartition("'")[2])
    if plain and extended and plain != extended:
        raise _broken("has a file with two names")
    return plain or extended


def _broken(what: str) -> RequestError:
    return RequestError(f"the form {what}", remedy="Send multipart/form-data as RFC 7578 has it.")
