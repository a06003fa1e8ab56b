"""Files that a call carries inside it, as data URLs (RFC 2397): what they say is read and redacted like any text."""

import base64
import binascii
import re

MEMBERS = frozenset({"url", "file_data"})
"""Of parts of messages: where a data URL is a file. Anywhere else it is what somebody wrote."""

LONG_NUMBER = 10_000_000
"""From eight digits on a number may be somebody's."""

_HEADER = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII | re.IGNORECASE)
_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_TEXTUAL = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson|sql|rtf|toml)$")
_BEGINNING = 64
"""Characters that tell what a file is."""
_NO_TEXT = re.compile(
    rb"\x89PNG|\xff\xd8\xff|GIF8[79]a|RIFF....(?:WEBP|WAVE|AVI )|II\*\0|MM\0\*|%PDF-|PK\x03\x04|\x1f\x8b|....ftyp"
    rb"|OggS|fLaC|ID3|\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|\x1aE\xdf\xa3|\xd0\xcf\x11\xe0|PAR1",
    re.DOTALL,
)
"""How pictures, sound, films, archives, PDF and office files begin."""


def opened(member: str, value: str) -> str:
    """What a member of a part says: a file its text, which is empty for an image or a PDF; anything else its value.

    Its bytes say what it is: what somebody calls an image may be read as a text by whoever gets it.
    """
    header = _HEADER.match(value) if member in MEMBERS else None
    if header is None:
        return value
    packed = header[3] is not None
    try:
        if not _TEXTUAL.match((header[1] or "text/").lower()):
            beginning = _unpacked(value[header.end() : header.end() + _BEGINNING], packed)
            if _NO_TEXT.match(beginning):
                return ""
        return _unpacked(value[header.end() :], packed).decode("utf-8", "replace")
    except binascii.Error:
        return value


def _unpacked(written: str, packed: bool) -> bytes:
    data = _ESCAPED.sub(lambda escaped: bytes.fromhex(escaped[1].decode()), written.encode("utf-8", "surrogatepass"))
    return base64.b64decode(data, validate=True) if packed else data


def closed(member: str, value: str, text: str) -> str:
    """`value` with another text in it."""
    if text == opened(member, value):
        return value
    header = _HEADER.match(value) if member in MEMBERS else None
    if header is None:
        return text
    return (
        f"data:{header[1] or ''}{header[2]};base64,{base64.b64encode(text.encode('utf-8', 'surrogatepass')).decode()}"
    )
