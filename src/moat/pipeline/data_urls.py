"""Files that a call carries inside it, as data URLs (RFC 2397) or as base64 alone: what they say is read and redacted
like any text.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from moat.pipeline.payloads import encoding_of, is_legible, sample

MEMBERS = frozenset({"url", "file_data"})
"""Of parts of messages: where a data URL is a file. Anywhere else it is what somebody wrote."""
_CARRYING = MEMBERS | {"data"}
_TYPED = ("media_type", "mime_type", "mimeType", "format")
"""Beside a member `data` that is a file: what it is of."""
_NOBODY: Mapping[str, Any] = {}

_HEADER = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII | re.IGNORECASE)
_CHARSET = re.compile(r";charset=\"?([\w.:-]{1,40})", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})|%[0-9A-Fa-f]?\Z")
"""Also one that is cut off."""
_TEXTUAL = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson|sql|rtf|toml)$")
_SHORT = 64
_BARE = re.compile(rf"[A-Za-z0-9+/_-]{{8,}}={{0,2}}\s*|[A-Za-z0-9+/_=\s-]{{{_SHORT},}}", re.ASCII)
"""Base64 alone; with white space only where it is longer than a few words."""
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class _File(NamedTuple):
    """A file that is carried."""

    head: str
    """What stands in front of the base64 of it."""
    text: str
    """What it says; empty for an image or a PDF."""
    encoding: str
    """Of the text; empty for what is none."""


def opened(member: str, value: str, holder: Mapping[str, Any] = _NOBODY) -> str:
    """What a member of a part says: a file its text, which is empty for an image or a PDF; anything else its value.
    `holder`: the object that it is a member of.

    Its bytes say what it is: what somebody calls an image may be read as a text by whoever gets it.
    """
    file = _file(member, value, holder)
    return value if file is None else file.text


def closed(member: str, value: str, text: str, holder: Mapping[str, Any] = _NOBODY) -> str:
    """`value` with another text in it, encoded as it was."""
    return changed(member, value, lambda _: text, holder)


def changed(member: str, value: str, change: Callable[[str], str], holder: Mapping[str, Any] = _NOBODY) -> str:
    """`value` with what `change` makes of its text, encoded as it was."""
    file = _file(member, value, holder)
    before = value if file is None else file.text
    text = change(before)
    if text == before:
        return value
    if file is None or not file.encoding:
        return text
    data = text.encode(file.encoding, "surrogatepass" if file.encoding == "utf-8" else "replace")
    return f"{file.head}{base64.b64encode(data).decode()}"


def size(value: Any) -> int:
    """Characters of what may be files in a JSON value, which takes long to decode."""
    if isinstance(value, dict):
        return sum(
            len(item) * (name in _CARRYING) if isinstance(item, str) else size(item) for name, item in value.items()
        )
    return sum(map(size, value)) if isinstance(value, list) else 0


def is_base64_alone(member: str, value: str, holder: Mapping[str, Any]) -> bool:
    """Is a member a file in base64 whose text cannot be read, so that another one cannot be put in its place?"""
    return _is_bare(member, value, holder) and _file(member, value, holder) is None


def _file(member: str, value: str, holder: Mapping[str, Any]) -> _File | None:
    """None for what is no file, or cannot be read as one."""
    header = _HEADER.match(value) if member in MEMBERS else None
    try:
        if header is not None:
            return _of_url(header, value[header.end() :])
        return _bare(value, _is_said_to_be_text(holder)) if _is_bare(member, value, holder) else None
    except binascii.Error:
        return None


def _is_bare(member: str, value: str, holder: Mapping[str, Any]) -> bool:
    if member == "data":
        kind = holder.get("type")
        typed = kind == "base64" or (kind != "text" and any(isinstance(holder.get(name), str) for name in _TYPED))
    else:
        typed = member == "file_data"
    return typed and _BARE.fullmatch(value) is not None


def _is_said_to_be_text(holder: Mapping[str, Any]) -> bool:
    return any(str(holder.get(name)).startswith("text/") for name in _TYPED)


def _bare(value: str, said: bool) -> _File | None:
    """What is too short to tell, and reads like no text, stays what it is; what is `said` to be one is read however it
    looks. Raises `binascii.Error`.
    """
    if not said and _holds_none(value):
        return _File("", "", "")
    data = _unpacked(value, packed=True)
    encoding = encoding_of(data) or ("latin-1" if said else "")
    if not encoding or (encoding == "latin-1" and len(value) < _SHORT and not is_legible(data)):
        return _File("", "", "") if len(value) >= _SHORT else None
    return _read("", data, encoding)


def _of_url(header: re.Match[str], written: str) -> _File:
    """Raises `binascii.Error`."""
    packed = header[3] is not None
    head = f"data:{header[1] or ''}{header[2]};base64,"
    said = _TEXTUAL.match((header[1] or "text/").lower()) is not None
    if packed and not said and _holds_none(written):
        return _File(head, "", "")
    data = _unpacked(written, packed)
    encoding = encoding_of(data)
    if not encoding and not said:
        return _File(head, "", "")
    if encoding == "latin-1" and (charset := _CHARSET.search(header[2])):
        encoding = _known(charset[1], data) or encoding
    return _read(head, data, encoding or "utf-8")


def _holds_none(packed: str) -> bool:
    """Does a part of long base64 tell that it holds no text? Large pictures need not be decoded."""
    return (part := sample(packed)) != packed and not encoding_of(_unpacked(part, packed=True))


def _read(head: str, data: bytes, encoding: str) -> _File:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        encoding = "latin-1" if encoding == "utf-8" else encoding
        text = data.decode(encoding, "replace")
    return _File(head, text, encoding)


def _known(charset: str, data: bytes) -> str:
    """The encoding that is stated, where the bytes are of it."""
    try:
        data.decode(charset)
    except (LookupError, ValueError):
        return ""
    return charset


def _unpacked(written: str, packed: bool) -> bytes:
    """As lenient as those who get it: white space, the signs for URLs, missing padding and a sign too many at the end
    are no mistakes. Raises `binascii.Error`.
    """
    data = written.encode("utf-8", "surrogatepass")
    if b"%" in data:
        data = _ESCAPED.sub(lambda escaped: bytes.fromhex((escaped[1] or b"").decode()), data)
    if not packed:
        return data
    data = b"".join(data.split()).translate(_URL_SAFE).rstrip(b"=")
    data = data[: len(data) - (len(data) % 4 == 1)]
    return base64.b64decode(data + b"=" * (-len(data) % 4), validate=True)
