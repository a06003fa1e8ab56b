"""Forms with files, multipart/form-data (RFC 7578, RFC 2046): where their fields are, without touching the files.

Strict, because two readers who understand one form differently can be played off against each other: what is not
plainly a form is refused.
"""

import re
from typing import NamedTuple

from moat.domain.errors import RequestError

MAX_PARTS = 128
MAX_PART_HEAD = 8 * 1024
"""Bytes of one part's headers."""

_PARAMETER = re.compile(r'\s*;\s*([\w!#$&+.^`|~*-]+)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^\s;"]+))')
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_ESCAPED = re.compile(r"\\(.)")


class Field(NamedTuple):
    """One part of a form: its value is `body[start:stop]`."""

    name: str
    is_file: bool
    start: int
    stop: int
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
        name, is_file, start, filename = _part_head(body, after)
        at = body.find(delimiter, start - 2)
        after = at + len(delimiter)
        fields.append(Field(name, is_file, start, max(start, at), filename))
    if at < 0:
        raise _broken("does not begin with its boundary" if not fields else "ends without its last boundary")
    if body[after + 2 :].strip(b" \t\r\n"):
        raise _broken("goes on after its last boundary")
    return fields


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


def _part_head(body: bytes, at: int) -> tuple[str, bool, int, str]:
    """Name, is it a file?, where the value begins, and the file's name; `at` is behind the part's delimiter."""
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
    return parameters["name"], is_file, end + 4, parameters.get("filename", "")


def _broken(what: str) -> RequestError:
    return RequestError(f"the form {what}", remedy="Send multipart/form-data as RFC 7578 has it.")
